"""``korder explain``: the causal story of one finding, what permitted it, and what would have prevented it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from analysis.cli.analyze import history_at
from analysis.cli.console import indented, print_json, results, steps
from analysis.cli.files import must_be_writable, write_text
from analysis.formats import formatted
from sim.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.explaining import Explanation
    from analysis.history import History
    from sim.trace import Trace

__all__ = ["Wish", "explain_finding", "explain_line", "write_trace_events"]

COLUMN = 14
OF_ONE_LOG = ("append-reorder", "nonmonotonic-send", "int-nonmonotonic-send", "duplicate-append")  # a log shows them


@dataclass(frozen=True)
class Wish:
    """What the command line asks for beside the story itself."""

    witness: int = 0
    as_json: bool = False
    html: Path | None = None
    svg: Path | None = None
    save: Path | None = None
    perfetto: Path | None = None
    proof: bool = True

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.html, self.svg, self.save, self.perfetto) if path is not None]


def explain_finding(source: Path, finding: str, wish: Wish) -> int:
    _check(wish)
    with steps() as step:
        step.begin(f"reading {source}")
        history = history_at(source)
        if wish.perfetto is not None and history.trace is None:
            raise InputError("--perfetto", f"{source} is not a trace of ours", "give the folder of korder run --out")
        step.begin(f"looking for {finding}")
        from analysis.explaining import explain

        told = explain(history, finding, wish.witness, proof=wish.proof, step=step.begin)
        written = _write(told, history, source, wish)
    if wish.as_json:
        print_json(formatted("explain", told.to_json()))
    else:
        _tell(results(), source, told, written)
    return 0


def _check(wish: Wish) -> None:
    for path in wish.files:
        if path.is_dir():
            raise InputError(str(path), "is a folder, not a file to write", "name a file")
        must_be_writable(path.parent)
    if wish.save is not None and not wish.proof:
        raise InputError("--save", "the scenario is what the proof pins and cuts down", "leave out --no-proof")


# --- files ------------------------------------------------------------------------------------------------------------
def _write(told: Explanation, history: History, source: Path, wish: Wish) -> list[str]:
    """Every file that was asked for; each whole or not at all."""
    written = []
    if wish.save is not None:
        write_text(wish.save, told.scenario())
        written.append(f"wrote {wish.save}: korder run {shlex.quote(str(wish.save))} shows it")
    if wish.svg is not None:
        from analysis.explaining.page import svg

        write_text(wish.svg, svg(told))
        written.append(f"wrote {wish.svg}")
    if wish.html is not None:
        write_text(wish.html, _page(told, history, source))
        written.append(f"wrote {wish.html}")
    if wish.perfetto is not None:
        written.append(f"wrote {write_trace_events(wish.perfetto, history.trace)}: open it with ui.perfetto.dev")
    return written


def write_trace_events(path: Path, trace: Trace) -> str:
    """A whole run for ui.perfetto.dev; the name of the file."""
    from analysis.explaining.perfetto import trace_events

    write_text(path, json.dumps(trace_events(trace), separators=(",", ":"), allow_nan=False) + "\n")
    return str(path)


def _page(told: Explanation, history: History, source: Path) -> str:
    from analysis.cli.figures import of_case
    from analysis.explaining.page import page

    assert told.facts is not None
    shows = told.finding in OF_ONE_LOG and told.partition in list(history.partitions)
    figures = of_case(told.facts.evidence, told.partition) if shows else []
    return page(told, f"{told.finding} in {source}", figures)


# --- words ------------------------------------------------------------------------------------------------------------
def _tell(console: Console, source: Path, told: Explanation, written: list[str]) -> None:
    from analysis.explaining.sequence import diagram_of, diagram_text
    from analysis.explaining.telling import moment

    which = f", case {told.witness} of {told.total:,}" if told.total > 1 else ""
    console.print(f"{told.finding} in {source}{which}", style="bold", soft_wrap=True)
    console.print()
    for line in told.story:
        _beside(console, moment(line.t, told.time_unit), line.words)
    console.print()
    for row in diagram_text(diagram_of(told.story, told.time_unit), console.width):
        console.print(row, soft_wrap=True)
    console.print()
    for name, words in _summary(told):
        _beside(console, name, words)
    console.print()
    indented(console, written)


def _beside(console: Console, name: str, words: str) -> None:
    """Words in lines of the console's width, in a column of their own."""
    indent = f"{name:<{COLUMN}}" if len(name) < COLUMN else f"{name}  "
    text = fill(
        words, max(console.width, 40), initial_indent=indent, subsequent_indent=" " * COLUMN,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    console.print(text, soft_wrap=True)


def _summary(told: Explanation) -> list[tuple[str, str]]:
    found = [("mechanism", told.mechanism + (f": {told.says}" if told.says else "")), ("here", told.because)]
    found += [("permitted by", ", ".join(told.permitted_by))]
    proof = told.proof
    if proof is None or proof.change is None:
        found += [(told.headline, told.prevented_by), ("", "" if proof is None else proof.sentence())]
    else:
        cited = f" ({proof.change.cited})" if proof.change.cited else ""
        found += [(told.headline, f"{told.prevented_by}; its price: {proof.change.price}{cited}")]
        found += [("tried", proof.sentence()), ("", f"faults pinned {proof.pinned}")]
    return [(name, words) for name, words in found if words]


def explain_line(out: Path, findings: dict[str, Any]) -> str:
    """The line that says how to ask for the story of the first violation; empty where there is none."""
    found = [name for name, one in findings.items() if one["class"] == "violation" and one["witnesses"]]
    return f"why: {shlex.join(['korder', 'explain', str(out), found[0]])}" if found else ""
