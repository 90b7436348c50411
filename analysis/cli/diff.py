"""``korder diff``: where two traces first part, and which findings appear, vanish or change their count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.console import paragraph, print_json, results, steps
from analysis.cli.wording import seconds
from analysis.formats import formatted
from sim.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.difference import Difference, Side

__all__ = ["SAME", "compare_histories"]

SAME, DIFFERENT = 0, 1


def compare_histories(paths: tuple[Path, Path], *, as_json: bool) -> int:
    for path in paths:
        if not path.exists():
            raise InputError(str(path), "there is no such file", "name a history (.jsonl) or the folder of a trace")
    with steps() as step:
        step.begin("loading")
        from analysis.difference import Side, difference

        sides = []
        for path in paths:
            step.begin(f"judging {path}")
            sides.append(Side.at(path))
        found = difference(*sides)
    if as_json:
        print_json(formatted("diff", {"a": sides[0].name, "b": sides[1].name, **found.to_json()}))
    else:
        _tell(results(), sides, found)
    return SAME if found.same else DIFFERENT


def _tell(console: Console, sides: list[Side], found: Difference) -> None:
    for letter, side in zip("ab", sides, strict=True):
        console.print(f"{letter}: {side.name}{_what(side)}", soft_wrap=True)
    if found.settings:
        console.print("\nwhat was asked differs:")
        for name, a, b in found.settings:
            paragraph(console, f"{name}: {_shown(a)} against {_shown(b)}", indent=2, hang=2)
    console.print()
    _tell_parting(console, sides, found)
    _tell_findings(console, found)


def _what(side: Side) -> str:
    if side.trace is None:
        return ", a history"
    return f", seed {side.trace.header.get('seed')}, digest {str(side.trace.header.get('digest'))[:12]}"


def _tell_parting(console: Console, sides: list[Side], found: Difference) -> None:
    if not found.both_traces:
        others = " and ".join(letter for letter, side in zip("ab", sides, strict=True) if side.trace is None)
        paragraph(console, f"rows are not compared: {others} did not come from a run of korder")
        return
    if found.parting is None:
        console.print("the traces are the same, row by row")
        return
    parting = found.parting
    console.print(f"the traces first part in row {parting.row:,} of their {parting.table}:")
    for letter, t_us, words in zip("ab", parting.t_us, parting.words, strict=True):
        at = "" if t_us is None else f"at {seconds(t_us)}, "
        paragraph(console, f"{letter}: {at}{words}", indent=2, hang=5)


def _tell_findings(console: Console, found: Difference) -> None:
    if not found.findings:
        console.print("\nthe findings are the same")
        return
    from analysis.cli.tables import print_table

    console.print()
    rows = [(one.name, one.kind, _count(one.a), _count(one.b), one.change) for one in found.findings]
    print_table(console, ("finding", "class", "a", "b", "from a to b"), rows, right=(2, 3))


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _shown(x: Any) -> str:
    text = "nothing" if x is None else str(x)
    return text if len(text) <= 200 else f"{text[:197]}..."
