"""One scenario, simulated and on real brokers, side by side.

Judged by the same analyzer; compared in the form of :mod:`analysis.outcome`. A scenario whose outcome hangs on a race
(a broker dies somewhere in a stream of records) does not end twice in the same order, neither here nor there: then the
findings by name say more than the first difference.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.expectations import Judged, judge_one, judge_seeds, overall
from analysis.jsonl.read import read_jsonl
from analysis.outcome import first_difference, outcome_of
from analysis.verdict import Verdict, judge
from sim.real.history import lines_of
from sim.real.result import result_of
from sim.real.run import play_real, played_otherwise
from sim.run import simulate
from sim.scenario import Scenario, compile_plan

if TYPE_CHECKING:
    from sim.trace import Trace

__all__ = ["Confirmed", "RealRun", "confirm"]

Form = dict[str, Any]


@dataclass
class RealRun:
    """One repeat on real brokers."""

    lines: list[str] = field(repr=False)  # its history in the exchange format
    outcome: Form = field(repr=False)
    verdict: Verdict
    difference: str | None  # the first, from the simulated run
    settled: bool
    unsettled: list[str]


@dataclass
class Confirmed:
    trace: Trace
    outcome: Form = field(repr=False)
    verdict: Verdict  # of the simulated run
    real: list[RealRun]
    expectations: dict[str, Judged]  # over all real runs, of what can be judged there
    unjudged: dict[str, str]  # expectations that a real history cannot answer, with the reason
    otherwise: list[str]  # what the real run did in its own way

    @property
    def agrees(self) -> bool:
        """Every real run ended exactly as the simulated one."""
        return all(run.difference is None for run in self.real)

    @property
    def word(self) -> str:
        return overall(self.expectations)


def confirm(
    scenario: Scenario, seed: int, *, release: str | None = None, repeat: int = 1, keep: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Confirmed:  # fmt: skip
    """Run *scenario* here and, *repeat* times, on real brokers of *release* (default: the scenario's)."""
    outcomes = play_real(scenario, seed, release=release, repeat=repeat, keep=keep, say=say)
    say("simulating")
    trace = simulate(scenario, seed)
    simulated, verdict = outcome_of(trace), judge(trace)
    say("judging")
    plan, runs = compile_plan(scenario), []
    config = verdict.history.config
    for outcome in outcomes:
        lines, result = lines_of(plan, outcome, config), result_of(outcome)
        judged = judge(_history(lines))
        difference = first_difference(result, simulated)
        runs.append(RealRun(lines, result, judged, difference, outcome.settled, outcome.unsettled))
    expected, unjudged = _expected(scenario, runs)
    results = [run.verdict.seed_result(number) for number, run in enumerate(runs)]
    expectations = judge_one(results[0], expected) if len(results) == 1 else judge_seeds(results, expected)
    return Confirmed(trace, simulated, verdict, runs, expectations, unjudged, played_otherwise(scenario))


def _history(lines: list[str]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_jsonl(path)


def _expected(scenario: Scenario, runs: list[RealRun]) -> tuple[dict[str, Any], dict[str, str]]:
    """Expectations that every real history can answer, and why not the others."""
    unjudged = {
        name: finding.why for run in runs for name, finding in run.verdict.findings.items()
        if name in scenario.expect and not finding.checked
    }  # fmt: skip
    return {name: wanted for name, wanted in scenario.expect.items() if name not in unjudged}, unjudged
