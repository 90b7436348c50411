"""``korder analyze``: the verdict on any history, a kept trace or one from a real cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.arguments import expectations_of
from analysis.cli.console import print_json, results, steps
from analysis.cli.files import must_be_writable, write_text
from analysis.cli.junit import Suite, cases_of_verdict, write_junit
from analysis.cli.verdicts import status_of_verdict
from analysis.formats import formatted
from sim.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.history import History
    from analysis.verdict import Verdict

__all__ = ["analyze_history", "history_at"]


def analyze_history(
    history: Path, *, expect: list[str], as_json: bool, html: Path | None = None, junit: Path | None = None
) -> int:
    expected = expectations_of(expect)
    for written in (html, junit):
        if written is not None:
            must_be_writable(written.parent)
    with steps() as step:
        step.begin(f"reading {history}")
        from analysis.verdict import judge

        read = history_at(history)
        step.begin("judging")
        verdict = judge(read, expected)
        if html is not None:
            step.begin("drawing figures")
            _write_page(html, history, verdict)
    if junit is not None:
        write_junit(junit, [Suite(str(history), cases_of_verdict(verdict))])
    told = verdict.to_json()
    if as_json:
        print_json(formatted("analyze", told))
    else:
        _tell(results(), history, told)
    return status_of_verdict(verdict.verdict) if expected else 0


def _write_page(html: Path, history: Path, verdict: Verdict) -> None:
    from analysis.cli.figures import of_verdict
    from analysis.report import page

    write_text(html, page(verdict, f"What {history} shows", of_verdict(verdict)))


def history_at(path: Path) -> History:
    """The history of a trace's folder, of its Parquet file, or of JSON Lines."""
    from analysis.verdict import history_of
    from sim.trace import EVENTS_FILE, SENDS_FILE

    if not path.exists():
        raise InputError(str(path), "there is no such file", "name a history (.jsonl) or the folder of a trace")
    if path.is_file() and path.suffix == ".parquet" and path.name not in (EVENTS_FILE, SENDS_FILE):
        raise InputError(str(path), "is not part of a trace that korder kept", f"name its folder or {EVENTS_FILE}")
    return history_of(path)


def _tell(console: Console, history: Path, told: dict[str, Any]) -> None:
    from analysis.cli.report import tell_findings, tell_measures, tell_verdict

    console.print(str(history), style="bold", soft_wrap=True)
    console.print()
    if told.get("expectations"):
        tell_verdict(console, told)
        console.print()
    tell_findings(console, told["findings"])
    tell_measures(console, told["measures"])
