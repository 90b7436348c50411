"""``make mutants``: break one rule after another and say how many recorded runs of real Kafka notice.

One line a rule: its name, where the reference has it, how many runs fail (counting ends at the third), and the first of
them with its difference. The run that the table names is tried first, then the client's others in the order of the
files; rules of groups are held against one script each. Exit status 1 if a mutant survives, that is, if no run fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest

from sim.errors import LawBroken
from tests.conformance.cells import Cell, difference, play, read_cells
from tests.conformance.run import RECORDED
from tests.conformance.scripts import Recording, compare, read
from tests.mutants.group_rules import GROUP_MUTANTS, GroupMutant
from tests.mutants.rules import MUTANTS, Mutant

ENOUGH = 3


@dataclass(frozen=True)
class Notice:
    """A recorded run that comes out otherwise, and where."""

    cell: str
    client: str
    difference: str


def recorded() -> list[Cell]:
    return [cell for path in RECORDED for cell in read_cells(path)]


def _candidates(mutant: Mutant) -> Iterator[Cell]:
    """The run that the table names, then the others of the same client; all of them where the broker is broken."""
    cells = recorded()
    family = mutant.plant.__name__.split("_")[0]
    mine = [cell for cell in cells if cell["client"] == family] or cells
    yield from (cell for cell in cells if (cell["id"], cell["client"]) == mutant.cell)
    yield from (cell for cell in mine if (cell["id"], cell["client"]) != mutant.cell)


def _differs(cell: Cell) -> str | None:
    try:
        return difference(cell, play(cell, check_laws=False))
    except (AssertionError, LawBroken, TypeError, ValueError) as broken:  # a role that cannot go on is a difference too
        return f"the run ends with {type(broken).__name__} {broken}".strip()


def noticed(mutant: Mutant, enough: int = ENOUGH) -> list[Notice]:
    """The first *enough* recorded runs that fail with the mutant."""
    found: list[Notice] = []
    with pytest.MonkeyPatch.context() as patch:
        mutant.plant(patch)
        for cell in _candidates(mutant):
            told = _differs(cell)
            if told is not None:
                found.append(Notice(cell["id"], cell["client"], told))
            if len(found) == enough:
                break
    return found


def group_noticed(mutant: GroupMutant) -> list[Notice]:
    """The script that the table names, if it fails with the mutant."""
    recording = group_script(mutant.script)
    with pytest.MonkeyPatch.context() as patch:
        mutant.plant(patch)
        try:
            told = compare(recording)
        except (AssertionError, LawBroken, TypeError, ValueError) as broken:
            told = f"the run ends with {type(broken).__name__} {broken}".strip()
    return [] if told is None else [Notice(mutant.script, "java", told)]


def group_script(script: str) -> Recording:
    return next(one for one in read() if (one["script"], one["kafka"]) == (script, "4.3"))


def report(results: Iterable[tuple[Mutant | GroupMutant, list[Notice]]]) -> int:
    """Print the table; the number of mutants that survived."""
    total = survived = 0
    print(f"{'rule that is broken':<52} {'reference':<22} failing runs")
    for mutant, notices in results:
        count = f"{len(notices)} or more" if len(notices) == ENOUGH else f"{len(notices)}"
        first = f"{notices[0].cell} {notices[0].client}, {notices[0].difference}" if notices else "survives"
        print(f"{mutant.name:<52} {mutant.rule:<22} {count:<10} {first}", flush=True)
        total, survived = total + 1, survived + (not notices)
    print(f"{total - survived} of {total} broken rules are noticed")
    return survived


def main() -> int:
    with ProcessPoolExecutor() as pool:
        found: list[tuple[Mutant | GroupMutant, list[Notice]]] = [
            *zip(MUTANTS, pool.map(noticed, MUTANTS), strict=True),
            *zip(GROUP_MUTANTS, pool.map(group_noticed, GROUP_MUTANTS), strict=True),
        ]
        return 1 if report(found) else 0


if __name__ == "__main__":
    sys.exit(main())
