"""``korder check``: the expectations of scenarios over all their seeds; for continuous integration.

A task is a few seeds of one scenario, the same tasks whatever the number of processes; results come back in the order
of files and seeds, so that what is printed never depends on ``--jobs``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.annotations import annotate
from analysis.cli.arguments import scenario_files, seeds_of
from analysis.cli.baseline import accept, changes, read_baseline
from analysis.cli.console import counted, paragraph, print_json, results
from analysis.cli.files import must_be_writable, write_text
from analysis.cli.junit import Case, Suite, outcome_of, write_junit
from analysis.cli.pool import default_jobs, spread
from analysis.cli.replay import command_of, law_broken_in
from analysis.cli.report import verdict_text
from analysis.cli.verdicts import status_of_verdict, worst
from analysis.cli.wording import witness_words
from analysis.expectations import Judged, SeedResult, judge_seeds, overall
from analysis.formats import formatted
from sim.errors import InputError, LawBroken
from sim.scenario import load, with_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from sim.scenario import Scenario

__all__ = ["Ending", "Outcome", "Wish", "check_scenarios", "judged_here", "judged_over"]

SEEDS_A_TASK = 4


@dataclass(frozen=True)
class Wish:
    """What the command line asks of every scenario alike."""

    seeds: str | None = None
    overrides: tuple[str, ...] = ()
    check_laws: bool = False
    max_time_us: int | None = None  # of the clock on the wall, for all scenarios together


@dataclass(frozen=True)
class Ending:
    """What is made of the outcomes."""

    allow_undecided: bool = False
    as_json: bool = False
    annotate: bool = False
    baseline: Path | None = None
    accept: bool = False
    junit: Path | None = None
    html: Path | None = None


@dataclass(frozen=True)
class Task:
    file: str
    seeds: tuple[int, ...]
    wish: Wish


@dataclass(frozen=True)
class Seen:
    """One run: the counts, and the first witness of each expected name in words."""

    result: SeedResult
    words: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """One scenario, judged over its seeds."""

    file: str
    scenario: Scenario
    seen: list[Seen]
    judged: dict[str, Judged]
    wish: Wish

    @property
    def verdict(self) -> str:
        return overall(self.judged)

    @property
    def not_run(self) -> int:
        """Seeds for which there was no time."""
        return sum(not one.result.counts for one in self.seen)

    def failures(self) -> Iterator[tuple[Judged, str, str]]:
        """Every expectation that does not hold, with the first seed's witness in words and the line that replays it."""
        for one in self.judged.values():
            if one.verdict != "holds":
                seed = one.seeds[0] if one.seeds else None
                words = next((run.words.get(one.name, "") for run in self.seen if run.result.seed == seed), "")
                seeds = () if self.wish.seeds is None or seed is not None else ("--seeds", self.wish.seeds)
                yield one, words, command_of(self.file, seed, self.wish.overrides, *seeds)

    def to_json(self) -> dict[str, Any]:
        return {
            "scenario": self.file, "title": self.scenario.title, "runs": len(self.seen), "verdict": self.verdict,
            "expectations": {name: one.to_json() for name, one in self.judged.items()},
            "failures": [
                {"name": one.name, "witness": words or None, "again": again} for one, words, again in self.failures()
            ],
        }  # fmt: skip


def check_scenarios(paths: list[str], wish: Wish, ending: Ending, *, jobs: int | None) -> int:
    if ending.accept and ending.baseline is None:
        raise InputError("--accept", "accepts what was seen as a baseline", "add --baseline FILE")
    for file in (ending.junit, ending.html):
        if file is not None:
            must_be_writable(file.parent)
    accepted = None if ending.baseline is None or ending.accept else read_baseline(ending.baseline)
    console, outcomes, changed = results(), list[Outcome](), dict[str, list[str]]()
    for outcome in judged_over(scenario_files(paths), wish, jobs):
        outcomes.append(outcome)
        changed[outcome.file] = [] if accepted is None else changes(accepted, outcome)
        if ending.annotate:
            annotate(outcome, ending.allow_undecided)
        if not ending.as_json:
            _tell(console, outcome, changed[outcome.file])
    if ending.accept and ending.baseline is not None:
        accept(ending.baseline, outcomes)
    if ending.junit is not None:
        write_junit(ending.junit, [_suite(one, ending.allow_undecided) for one in outcomes])
    words = [one.verdict for one in outcomes]
    verdict = worst(words)
    if ending.html is not None:
        from analysis.cli.check_page import page

        write_text(ending.html, page(outcomes, verdict, changed, _line(paths, wish, ending)))
    if ending.as_json:
        new = {} if accepted is None else {"changed": {file: some for file, some in changed.items() if some}}
        told = {"verdict": verdict, "scenarios": [one.to_json() for one in outcomes]}
        print_json(formatted("check", told | new))
    else:
        _tell_sum(console, words, sum(len(one.seen) for one in outcomes))
        _tell_baseline(console, ending, changed)
    return max(status_of_verdict(verdict, ending.allow_undecided), int(any(changed.values())))


def _line(paths: list[str], wish: Wish, ending: Ending) -> str:
    """The command that makes the same page."""
    words = ["korder", "check", *paths, *(word for one in wish.overrides for word in ("--set", one))]
    words += ["--seeds", wish.seeds] if wish.seeds is not None else []
    words += ["--check-laws"] if wish.check_laws else []
    words += ["--baseline", str(ending.baseline)] if ending.baseline is not None else []
    return shlex.join([*words, "--html", str(ending.html)])


def judged_over(files: list[str], wish: Wish, jobs: int | None) -> Iterator[Outcome]:
    """Each scenario over its seeds, in the order of *files*; all are read before the first run."""
    asked = None if wish.seeds is None else seeds_of(wish.seeds)
    _scenario.cache_clear()  # files may have changed since
    scenarios = {file: _scenario(file, wish.overrides) for file in files}
    seeds = {file: list(asked if asked is not None else one.seeds) for file, one in scenarios.items()}
    yield from _outcomes(scenarios, seeds, wish, jobs or default_jobs())


def judged_here(file: str, wish: Wish, seeds: list[int] | None = None) -> Outcome:
    """One scenario over its seeds (or *seeds*), within this process."""
    _scenario.cache_clear()
    scenario = _scenario(file, wish.overrides)
    seen = run_task(Task(file, tuple(scenario.seeds if seeds is None else seeds), wish))
    return Outcome(file, scenario, seen, judge_seeds([one.result for one in seen], scenario.expect), wish)


def _suite(outcome: Outcome, allow_undecided: bool) -> Suite:
    """A case an expectation; of a scenario that expects nothing, that it runs."""
    failures = {one.name: (words, again) for one, words, again in outcome.failures()}
    cases = []
    for one in outcome.judged.values():
        words, again = failures.get(one.name, ("", ""))
        how = outcome_of(one.verdict, allow_undecided)
        text = "\n".join(line for line in (words, f"again: {again}") if line)
        cases.append(Case(one.name, how, f"expected {one.expected}: {one.why}", text) if how else Case(one.name))
    return Suite(outcome.file, cases or [Case("runs")])


def _outcomes(
    scenarios: dict[str, Scenario], seeds: dict[str, list[int]], wish: Wish, jobs: int
) -> Iterator[Outcome]:  # fmt: skip
    tasks = [
        Task(file, tuple(some[start : start + SEEDS_A_TASK]), wish)
        for file, some in seeds.items()
        for start in range(0, len(some), SEEDS_A_TASK)
    ]
    runs = sum(len(some) for some in seeds.values())
    with counted("checking", runs) as advance:
        within_s = None if wish.max_time_us is None else wish.max_time_us / 1_000_000
        done = zip(tasks, spread(run_task, tasks, jobs, lambda task: advance(len(task.seeds)), within_s), strict=True)
        for file, scenario in scenarios.items():
            parts = islice(done, -(-len(seeds[file]) // SEEDS_A_TASK))
            seen = [one for task, part in parts for one in (_not_run(task, scenario) if part is None else part)]
            judged = judge_seeds([one.result for one in seen], scenario.expect)
            yield Outcome(file, scenario, seen, judged, wish)
        next(done, None)  # nothing is left: asked once more, so that the pool of processes ends by itself, not by force


def _not_run(task: Task, scenario: Scenario) -> list[Seen]:
    """Seeds for which there was no time: they prove nothing."""
    why = dict.fromkeys(scenario.expect, "--max-time was over before they were run")
    return [Seen(SeedResult(seed, {}, settled=False, unchecked=why), {}) for seed in task.seeds]


@lru_cache(maxsize=8)
def _scenario(file: str, overrides: tuple[str, ...]) -> Scenario:
    return with_overrides(load(file), overrides)


def run_task(task: Task) -> list[Seen]:
    """In whatever process: simulate and judge the task's seeds."""
    from analysis.verdict import judge
    from sim.run import simulate

    scenario = _scenario(task.file, task.wish.overrides)
    seen = []
    for seed in task.seeds:
        try:
            verdict = judge(simulate(scenario, seed, check_laws=task.wish.check_laws), scenario.expect)
        except LawBroken as broken:
            raise law_broken_in(broken, task.file, seed, task.wish.overrides) from broken
        except Exception as error:
            error.add_note(f"in {command_of(task.file, seed, task.wish.overrides)}")
            raise
        found = {name: verdict.findings[name].witnesses for name in scenario.expect}
        words = {name: witness_words(name, some[0]) for name, some in found.items() if some}
        seen.append(Seen(verdict.seed_result(seed), words))
    return seen


def _tell(console: Console, outcome: Outcome, changed: list[str]) -> None:
    """One line where all holds; else each reason with its first witness and the line that replays it."""
    line = verdict_text(outcome.verdict)
    line.pad_right(11 - len(line))
    line.append(f"{outcome.file}  {len(outcome.seen):,} seeds", style="default")
    if not outcome.judged:
        line.append(", nothing is expected", style="default")
    console.print(line, soft_wrap=True)
    for one, words, again in outcome.failures():
        paragraph(console, f"{one.name} is expected {one.expected}: {one.why}", indent=2, hang=2)
        if words:
            paragraph(console, words, indent=4, hang=2)
        console.print(f"    again: {again}", soft_wrap=True)
    for text in changed:
        paragraph(console, f"changed: {text}", indent=2, hang=2)


def _tell_baseline(console: Console, ending: Ending, changed: dict[str, list[str]]) -> None:
    if ending.accept:
        console.print(f"wrote {ending.baseline}", soft_wrap=True)
    elif any(changed.values()):
        count = sum(bool(some) for some in changed.values())
        way_out = "if that is meant, give the same line with --accept"
        console.print(f"{count} changed against {ending.baseline}; {way_out}", soft_wrap=True)


def _tell_sum(console: Console, words: list[str], runs: int) -> None:
    counts = ", ".join(f"{words.count(word)} {word}" for word in ("holds", "broken", "undecided") if word in words)
    scenarios = "1 scenario" if len(words) == 1 else f"{len(words)} scenarios"
    console.print(f"\n{scenarios}, {runs:,} runs: {counts}", soft_wrap=True)
