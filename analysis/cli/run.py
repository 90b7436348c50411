"""``korder run``: one scenario, one seed, and everything that a person wants to know of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.arguments import seed_of
from analysis.cli.console import paragraph, print_json, results, steps
from analysis.cli.explain import explain_line, write_trace_events
from analysis.cli.files import must_be_writable, staged
from analysis.cli.replay import law_broken_in
from analysis.cli.verdicts import status_of_verdict
from analysis.formats import formatted
from sim.errors import LawBroken
from sim.scenario import load, with_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.verdict import Verdict
    from sim.scenario import Scenario
    from sim.trace import Trace

__all__ = ["run_scenario"]


def run_scenario(
    file: str, *, seed: int | None, overrides: list[str], out: Path | None, perfetto: Path | None = None, as_json: bool,
    check_laws: bool,
) -> int:  # fmt: skip
    scenario = with_overrides(load(file), overrides)
    if out is not None:
        must_be_writable(out)
    if perfetto is not None:
        must_be_writable(perfetto.parent)
    chosen = scenario.seeds[0] if seed is None else seed_of(seed)
    console = results()
    if not as_json:
        _tell_question(console, file, scenario, chosen, overrides)
    with steps() as step:
        step.begin("loading")
        from analysis.verdict import judge
        from sim.run import simulate

        step.begin(f"simulating seed {chosen}")
        try:
            trace = simulate(scenario, chosen, check_laws=check_laws)
        except LawBroken as broken:
            raise law_broken_in(broken, file, chosen, overrides) from broken
        step.begin(f"judging {trace.send_count:,} records")
        verdict = judge(trace, scenario.expect)
        told = _as_json(file, scenario, chosen, trace, verdict)
        written = [] if out is None else _keep(out, told, trace, verdict, step.begin)
        if perfetto is not None:
            step.begin(f"writing {perfetto}")
            written.append(write_trace_events(perfetto, trace))
    if as_json:
        print_json(told)
    else:
        _tell(console, scenario, trace, told, written)
        _tell_how_to_ask(console, out, told)
    return status_of_verdict(verdict.verdict)


def _as_json(file: str, scenario: Scenario, seed: int, trace: Trace, verdict: Verdict) -> dict[str, Any]:
    head = {"scenario": file, "title": scenario.title, "seed": seed, "digest": trace.digest()}
    return formatted("run", head | verdict.to_json())


def _keep(out: Path, told: dict[str, Any], trace: Trace, verdict: Verdict, begin: Any) -> list[str]:
    """Trace, verdict and figures, together or not at all; their names."""
    with staged(out) as folder:
        begin(f"writing to {out}")
        trace.save(folder)
        (folder / "verdict.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        begin("drawing figures")
        from analysis.cli.figures import draw
        from analysis.report import write_page

        figures = draw(folder, verdict)
        write_page(verdict, folder / "report.html", told["title"] or told["scenario"], figures)
        names = {path.name for path in folder.iterdir()}
    for old in (path for pattern in ("timeline-*.png", "group-*.png") for path in out.glob(pattern)):
        if old.name not in names:  # the figure of an earlier run: it would stand beside the verdict of this one
            old.unlink(missing_ok=True)
    return sorted(str(out / name) for name in names)


def _tell_how_to_ask(console: Console, out: Path | None, told: dict[str, Any]) -> None:
    """The line that asks for the story of what was found, where a trace was kept to ask about."""
    line = "" if out is None else explain_line(out, told["findings"])
    if line:
        console.print(line, soft_wrap=True)


def _tell_question(console: Console, file: str, scenario: Scenario, seed: int, overrides: list[str]) -> None:
    console.print(scenario.title or file, style="bold")
    if scenario.question:
        paragraph(console, scenario.question, style="italic")
    changed = f", with {', '.join(overrides)}" if overrides else ""
    console.print(f"{file}, seed {seed}, Kafka {scenario.kafka}{changed}", style="dim")
    console.print()


def _tell(console: Console, scenario: Scenario, trace: Trace, told: dict[str, Any], written: list[str]) -> None:
    from analysis.cli.report import tell_answer, tell_findings, tell_measures, tell_notes, tell_verdict
    from analysis.cli.summary import tell_logs, tell_run

    tell_run(console, trace)
    tell_logs(console, trace)
    console.print()
    tell_verdict(console, told)
    console.print()
    tell_findings(console, told["findings"])
    tell_measures(console, told["measures"])
    tell_notes(console, (trace.header.get("scenario") or {}).get("notes") or {})
    tell_answer(console, scenario.answer)
    console.print()
    for name in written:
        console.print(f"wrote {name}", soft_wrap=True)
    console.print(f"digest {told['digest']}", style="dim")
