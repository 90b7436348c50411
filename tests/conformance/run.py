"""``make conformance [CELLS=FILE]``: simulate recorded runs of real Kafka and say where the simulator differs.

One line a run, the cells first and then the scripts (without ``CELLS``), last line ``N of M agree``; exit status 1 if
not all agree, apart from the differences that are known.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sim.errors import InputError, LawBroken
from tests.conformance.cells import Cell, difference, play, read_cells
from tests.conformance.scripts import KNOWN_DIFFERENCES, compare, read
from tests.conformance.scripts import RECORDED as SCRIPTS_RECORDED

RECORDED = (Path(__file__).with_name("producer.json"), Path(__file__).with_name("producer_more.json"))


def first_difference(cell: Cell) -> str | None:
    """Where the simulated run parts from the recorded one, or why there is none."""
    try:
        return difference(cell, play(cell))
    except (InputError, LawBroken) as error:
        return " ".join(str(error).split())
    except (KeyError, TypeError, ValueError) as error:
        return f"not a recorded run in this form: {type(error).__name__} {error}"


def main(arguments: list[str]) -> int:
    cells = []
    for path in map(Path, arguments or RECORDED):
        try:
            cells += read_cells(path)
        except (OSError, ValueError) as error:
            print(f"{path}: not a list of recorded runs: {error}", file=sys.stderr)
            return 2
    scripts = [] if arguments else read(SCRIPTS_RECORDED)
    agreeing = 0
    with ProcessPoolExecutor() as pool:
        for cell, found in zip(cells, pool.map(first_difference, cells, chunksize=4), strict=True):
            agreeing += found is None
            print(f"{cell['id']:<24} {cell['client']:<11} {'agrees' if found is None else found}", flush=True)
        for script, found in zip(scripts, pool.map(compare, scripts, chunksize=4), strict=True):
            known = script["script"] in KNOWN_DIFFERENCES
            agreeing += found is None or known
            words = "agrees" if found is None else f"{'known: ' if known else ''}{found}"
            print(f"{script['script']:<48} {script['kafka']:<4} {words}", flush=True)
    total = len(cells) + len(scripts)
    print(f"{agreeing} of {total} agree")
    return 0 if agreeing == total else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
