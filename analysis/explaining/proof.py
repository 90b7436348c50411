"""Is it so? The same faults again, with the change and without it.

1. *Pinned*: the faults are pinned to what they struck (:mod:`analysis.explaining.pins`), in the way that brings the
   case about under most latencies; where none does under all that are tried, what strikes clients is moved a little.
2. *Reduced*: the run ends soon after the case, only what was sent around it is sent, where that still shows it, and
   faults that it does without are taken away (delta debugging).
3. *Tried*: candidates in order of preference; the first that leaves nothing of the finding under any of the latency
   seeds is the answer. As a control the *placebo*, which shifts timing alone, under the same seeds.

Latency is drawn anew for every latency seed; workload, random faults and the clients' own draws stay the run's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from analysis.explaining.changes import Case, Change, changes_for, with_change
from analysis.explaining.diagnosis import Diagnosis
from analysis.explaining.facts import Facts
from analysis.explaining.laboratory import Laboratory, Lane, made
from analysis.explaining.pins import Source, by_message, by_time, held_back, latest_us, moved
from analysis.explaining.reduce import fewer_faults, shortened, with_faults
from analysis.explaining.window import WIDTHS_US, Window, window_of
from sim.units import duration_text, duration_us

__all__ = ["LATENCY_SEEDS", "Proof", "bare", "prove"]

LATENCY_SEEDS = 20
PROBES = (1001, 1002, 1003)  # latency seeds for choosing a way of pinning; none of those that the proof rests on
EVERY_PROBE = 2 * len(PROBES)  # with and without the placebo
MOVES_US = (3_000, -3_000, 8_000, -8_000, 20_000, -20_000, 50_000, -50_000)
MOST_CHANGES = 8
PLACEBO_US = 1_000


@dataclass(slots=True)
class Proof:
    """What was run and what came of it. *change* None: no candidate passed, or there was nothing to try."""

    pinned: str  # how: by message, by time, ...; empty: not at all
    scenario: Source | None
    seed: int
    change: Change | None = None
    seeds: int = 0
    gone: int = 0  # with the change: in so many runs
    there: int = 0  # with the placebo
    tried: list[tuple[str, int, int]] = field(default_factory=list)  # change, gone, of how many
    why: str = ""  # why nothing is proved
    at_least: bool = False  # the placebo's runs ended where it was decided

    placebo: str = f"every message between clients and brokers {PLACEBO_US // 1000} ms later"

    @property
    def holds(self) -> bool:
        return self.change is not None and self.gone == self.seeds and 2 * self.there > self.seeds

    def sentence(self) -> str:
        if self.change is None:
            return self.why
        words = f"gone in {self.gone} of {self.seeds} with {self.change}; "
        least = "at least " if self.at_least else ""
        words += f"there in {least}{self.there} of {self.seeds} with the placebo ({self.placebo})"
        return words if self.holds else f"{words}: not confirmed"

    def to_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds, "pinned": self.pinned, "sentence": self.sentence(),
            "change": None if self.change is None else [_json(edit) for edit in self.change.edits],
            "gone": self.gone, "placebo": self.placebo, "there": self.there, "seeds": self.seeds,
            "tried": [{"change": words, "gone": gone, "of": of} for words, gone, of in self.tried],
        }  # fmt: skip


def _json(edit: Any) -> dict[str, Any]:
    return {"place": edit.place, "option": edit.option, "value": edit.value}


def prove(
    facts: Facts, name: str, diagnosis: Diagnosis, lane: Lane, topic: str, *, seeds: int = LATENCY_SEEDS,
    laboratory: Laboratory | None = None, step: Callable[[str], object] = lambda what: None, decided: bool = False,
) -> Proof:  # fmt: skip
    """Pin, reduce, and try the changes; *step* is told what is being done.

    *laboratory*: share it among the findings of one run, which are looked for in the same pinned scenarios then.
    *decided*: stop the placebo's runs where it is decided whether most of them show it, and go no further if not.
    """
    header = facts.history.header
    source, seed = header["scenario"]["source"], int(header["seed"])
    own = header.get("latency_seed")
    bench = _Bench(laboratory or Laboratory([name]), name, lane, diagnosis.mechanism, seed, own)
    step("pinning the faults")
    pinned = _pinned(facts, diagnosis, bench, source)
    if pinned is None:
        return Proof("", None, seed, why="not proved: the case does not come about again when its faults are pinned")
    bench.window = pinned.window
    step("leaving out what does not matter")
    scenario = fewer_faults(pinned.scenario, bench.as_robust)
    proof = Proof(pinned.how, scenario, seed, seeds=seeds)
    step(f"placebo, {seeds} runs")
    proof.there, proof.at_least = _with_placebo(bench, _placebo(scenario), seeds, decided)
    if decided and 2 * proof.there <= seeds:
        proof.why = f"not proved: the case is rare, most of {seeds} runs with the placebo do not show it"
        return proof
    case = Case(scenario, lane, topic, diagnosis.mechanism)
    _try_changes(bench, proof, case, seeds, step)
    return proof


@dataclass(slots=True)
class _Bench:
    laboratory: Laboratory
    name: str
    lane: Lane
    mechanism: str
    seed: int
    own: int | None  # the run's own latency seed, where that is not its seed
    window: Window | None = None  # every scenario is run with its sends alone

    def there(self, source: Source, latency_seed: int | None) -> bool:
        return bool(self.laboratory.shows(self.name, self.lane, self.cut(source), self.seed, latency_seed))

    def there_so(self, source: Source) -> bool:
        """By the same mechanism, under the run's own latency or, as pins move times a little, under another."""
        return any(
            self.laboratory.shows_so(self.name, self.lane, self.mechanism, self.cut(source), self.seed, latency_seed)
            for latency_seed in (self.own, PROBES[0])
        )

    def as_robust(self, source: Source) -> bool:
        """Under some latencies at once: what makes the case sturdy is not to be taken away."""
        return self.there_so(source) and all(self.there(source, k) for k in PROBES)

    def shown(self, source: Source, least: int) -> int:
        """In so many of the probes, with and without the placebo; counted on while there may be more than *least*."""
        found, left = 0, EVERY_PROBE
        for one in (source, _placebo(source)):
            for k in PROBES:
                found, left = found + self.there(one, k), left - 1
                if found + left <= least:
                    return found
        return found

    def cut(self, source: Source) -> Source:
        """What is run in its place."""
        return source if self.window is None else self.window(source)


def _with_placebo(bench: _Bench, scenario: Source, seeds: int, decided: bool) -> tuple[int, bool]:
    """(runs that show it, whether there may be more)."""
    there = 0
    for k in range(seeds):
        there += bench.there(scenario, k)
        if decided and (2 * there > seeds or 2 * (there + seeds - k - 1) <= seeds):
            return there, k + 1 < seeds
    return there, False


# --- pinning ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Pinned:
    how: str
    scenario: Source
    window: Window | None


def _pinned(facts: Facts, diagnosis: Diagnosis, bench: _Bench, source: Source) -> _Pinned | None:
    """The way of pinning that shows the case, with and without the placebo, under most latencies: one that timing alone
    undoes says nothing about a change."""
    found = _sturdiest(bench, _candidates(facts, diagnosis, bench, source), _Found())
    if found.pinned is not None and found.shown < EVERY_PROBE:
        found = _sturdiest(bench, _moved(found.pinned), found)
    return found.pinned


@dataclass(frozen=True, slots=True)
class _Found:
    pinned: _Pinned | None = None
    shown: int = 0


def _sturdiest(bench: _Bench, candidates: Iterator[tuple[bool, _Pinned]], found: _Found) -> _Found:
    """The first that every probe shows, else what most do, *found* among them. Everything is sent only where nothing
    less shows it under nearly all."""
    for known, one in candidates:
        bench.window = one.window
        if one.window is None and found.shown >= EVERY_PROBE - 1:
            continue
        if made(one.scenario) is None or not bench.there_so(one.scenario):
            continue
        shown = bench.shown(one.scenario, found.shown)
        if shown > found.shown or found.pinned is None:
            found = _Found(one, shown)
        if shown == EVERY_PROBE:
            if not known:
                bench.laboratory.accepted.append(one)
            break
    return found


def _moved(one: _Pinned) -> Iterator[tuple[bool, _Pinned]]:
    for by_us in MOVES_US:
        scenario = moved(one.scenario, by_us)
        if scenario is not None:
            what = f"{duration_text(abs(by_us))} {'later' if by_us > 0 else 'earlier'}"
            yield False, _Pinned(f"{one.how}, what strikes clients {what}", scenario, one.window)


def _candidates(facts: Facts, diagnosis: Diagnosis, bench: _Bench, source: Source) -> Iterator[tuple[bool, _Pinned]]:
    """Those accepted for other findings of this run, and every way of pinning this case: cheap ones first. A run is
    cheap that sends little and is soon over."""
    latest = latest_us(facts, diagnosis)
    ways = [(how, shortened(scenario, latest), scenario) for how, scenario in _ways(facts, diagnosis, source)]
    windows = [window_of(facts, diagnosis, source, width) for width in WIDTHS_US]
    accepted = list(bench.laboratory.accepted)
    quick = [one for one in accepted if one.window is not None and _run_us(one.scenario) <= 2 * _run_us(ways[0][1])]
    yield from ((True, one) for one in quick)
    for how, short, _ in ways:
        yield from ((False, _Pinned(how, short, window)) for window in windows if window is not None)
    yield from ((True, one) for one in accepted if one not in quick)
    for how, short, scenario in ways:
        yield False, _Pinned(how, short, None)
        if short is not scenario:
            yield False, _Pinned(how, scenario, None)


def _run_us(scenario: Source) -> int:
    return duration_us(scenario.get("run", "30s"))


def _ways(facts: Facts, diagnosis: Diagnosis, source: Source) -> Iterator[tuple[str, Source]]:
    plain = bare(source)
    by_records = by_message(facts, diagnosis, plain)
    again = by_time(facts, plain)
    if by_records is not None:
        yield "to the transmissions of the case, as message faults", by_records
    yield "to the times and targets at which they struck", again
    slowed = held_back(facts, diagnosis, again)
    if slowed is not None:
        yield "to the times and targets at which they struck, replication held back until then", slowed


def bare(source: Source) -> Source:
    """Without what decides nothing: the words, the seeds and the expectations."""
    kept = copy.deepcopy(source)
    for key in ("title", "question", "answer", "seeds", "expect"):
        kept.pop(key, None)
    return kept


# --- trying -----------------------------------------------------------------------------------------------------------
def _placebo(scenario: Source) -> Source:
    lasting = scenario.get("run", "30s")
    later = {"at": "0s", "slow": ["clients", "brokers"], "for": lasting, "by": duration_text(PLACEBO_US)}
    return with_faults(scenario, [*scenario.get("faults", ()), later])


def _try_changes(bench: _Bench, proof: Proof, case: Case, seeds: int, step: Callable[[str], object]) -> None:
    for number, change in enumerate(changes_for(case)):
        if number == MOST_CHANGES:
            break
        changed = with_change(case.source, change.edits)
        if made(bench.cut(changed)) is None:
            continue
        step(f"trying {change}, {seeds} runs")
        gone = 0
        for k in range(seeds):  # the first run that shows it ends the attempt
            if bench.there(changed, k):
                break
            gone += 1
        proof.tried.append((str(change), gone, min(gone + 1, seeds)))
        if gone == seeds:
            proof.change, proof.gone = change, gone
            return
    proof.why = "not proved: " + (
        f"none of the {len(proof.tried)} changes that were tried prevents it under every latency"
        if proof.tried
        else "no change of the list is known to prevent it"
    )
