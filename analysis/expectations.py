"""What a scenario expects, held against what was found: in one run, or over many seeds.

- ``never``: in no seed; ``always``: in every seed; ``sometimes``: in at least one; ``{max: N}``: at most N in each;
  ``{rate: "< 1 %"}``: below that share of records, all seeds together.
- A run that did not settle proves what was seen in it, and nothing by what was not: ``undecided``.
- One seed alone judges ``never``, ``always`` and ``max``; of the rest it says that it cannot tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sim.errors import InputError

__all__ = ["CANNOT_TELL", "Judged", "SeedResult", "expected_words", "judge_one", "judge_seeds", "overall"]

CANNOT_TELL = "cannot tell"
_ORDER = (CANNOT_TELL, "holds", "undecided", "broken")
_WORDS = ("never", "sometimes", "always")


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What one run says: counts of the names that were checked, and how many records were sent."""

    seed: int
    counts: Mapping[str, int]
    settled: bool
    records: int = 0
    unchecked: Mapping[str, str] = field(default_factory=dict)  # name -> why


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation's outcome. *seeds*: those that decided it, at most ten."""

    name: str
    expected: str
    verdict: str
    why: str = ""
    seeds: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"expected": self.expected, "verdict": self.verdict, "why": self.why, "seeds": list(self.seeds)}


@dataclass(frozen=True, slots=True)
class _Bound:
    word: str = ""
    most: int | None = None
    percent: Fraction | None = None

    def __str__(self) -> str:
        if self.most is not None:
            return f"at most {self.most} a seed"
        return self.word if self.percent is None else f"< {float(self.percent):g} % of records"


def _bound(name: str, expected: Any) -> _Bound:
    if expected in _WORDS:
        return _Bound(word=str(expected))
    most, rate = _part(expected, "max"), _part(expected, "rate")
    if type(most) is int and rate is None and most >= 0:
        return _Bound(most=most)
    if most is None and rate is not None:
        return _Bound(percent=_percent(name, rate))
    way = 'write never, sometimes, always, {max: 3} or {rate: "< 1 %"}'
    raise InputError(f"expect.{name}", f"{expected!r} is not an expectation", way)


def _part(expected: Any, key: str) -> Any:
    """Of a mapping, or of the model of one."""
    if isinstance(expected, Mapping):
        return expected.get(key)
    return None if isinstance(expected, str) else getattr(expected, key, None)


def _percent(name: str, rate: Any) -> Fraction:
    if isinstance(rate, Fraction | int):
        return Fraction(rate)
    found = re.fullmatch(r"\s*<\s*(\d+(?:\.\d+)?)\s*%\s*", str(rate))
    if not found:
        raise InputError(f"expect.{name}.rate", f"{rate!r} is not a bound on a rate", 'write "< 1 %"')
    return Fraction(found[1])


def expected_words(name: str, expected: Any) -> str:
    return str(_bound(name, expected))


def judge_one(result: SeedResult, expectations: Mapping[str, Any]) -> dict[str, Judged]:
    """One seed alone."""
    return _judged([result], expectations, alone=True)


def judge_seeds(
    results: Iterable[SeedResult | Sequence[Any]], expectations: Mapping[str, Any],
) -> dict[str, Judged]:  # fmt: skip
    """All seeds together. A result is a :class:`SeedResult` or (seed, counts, settled[, records])."""
    told = [one if isinstance(one, SeedResult) else SeedResult(*one) for one in results]
    return _judged(told, expectations, alone=False)


def overall(judged: Mapping[str, Judged]) -> str:
    """The worst wins; nothing expected holds."""
    word = max((one.verdict for one in judged.values()), key=_ORDER.index, default="holds")
    return "holds" if word == CANNOT_TELL else word


def _judged(results: list[SeedResult], expectations: Mapping[str, Any], alone: bool) -> dict[str, Judged]:
    found = {}
    for name, expected in expectations.items():
        bound = _bound(name, expected)
        if alone and (bound.word == "sometimes" or bound.percent is not None):
            found[name] = Judged(name, str(bound), CANNOT_TELL, f"one seed cannot tell: {_one_seed(name, results[0])}")
        else:
            verdict, why, seeds = _decide(name, bound, results)
            found[name] = Judged(name, str(bound), verdict, why, () if alone else tuple(seeds[:10]))
    return found


def _one_seed(name: str, result: SeedResult) -> str:
    return f"it saw {result.counts[name]}" if name in result.counts else "it could not check this"


def _decide(name: str, bound: _Bound, results: list[SeedResult]) -> tuple[str, str, list[int]]:
    checked = [one for one in results if name in one.counts]
    open_ones = [one.seed for one in results if name not in one.counts or not one.settled]
    seen = [one.seed for one in checked if one.counts[name]]
    if not results:
        return "undecided", "no seed was run", []
    if bound.percent is not None:
        return _rate(name, bound.percent, checked, open_ones)
    if bound.word == "sometimes":
        if seen:
            return "holds", f"seen in {_seeds(seen, len(results))}", seen
        return _undecided_or("broken", f"never seen in {len(results)} seeds", name, results, open_ones)
    if bound.word == "always":
        missed = [one.seed for one in checked if not one.counts[name] and one.settled]
        if missed:
            return "broken", f"not seen in {_seeds(missed, len(results))}", missed
        waiting = [seed for seed in open_ones if seed not in seen]
        return _undecided_or("holds", f"seen in {_seeds(seen, len(results))}", name, results, waiting)
    most = bound.most or 0
    over = [one.seed for one in checked if one.counts[name] > most]
    if over:
        worst = max(one.counts[name] for one in checked)
        if len(results) == 1:
            return "broken", f"found {worst}", over
        return "broken", f"seen in {_seeds(over, len(results))}, up to {worst} times", over
    return _undecided_or("holds", "", name, results, open_ones)


def _rate(name: str, percent: Fraction, checked: list[SeedResult], open_ones: list[int]) -> tuple[str, str, list[int]]:
    count, records = sum(one.counts[name] for one in checked), sum(one.records for one in checked)
    if not records:
        return "undecided", "no records were counted", []
    share = Fraction(100 * count, records)
    why = f"{count} of {records} records, {float(share):.3g} %"
    seen = [one.seed for one in checked if one.counts[name]]
    if share >= percent:
        return "broken", why, seen
    if open_ones:
        return "undecided", f"{why}; {len(open_ones)} seeds did not settle", open_ones
    return "holds", why, []


def _undecided_or(
    word: str, why: str, name: str, results: list[SeedResult], open_ones: list[int],
) -> tuple[str, str, list[int]]:  # fmt: skip
    if not open_ones:
        return word, why, []
    first = next(one for one in results if one.seed == open_ones[0])
    reason = "did not settle" if name in first.counts else first.unchecked.get(name, "could not check this")
    return "undecided", f"{_seeds(open_ones, len(results))}: {reason}", open_ones


def _seeds(seeds: list[int], of: int) -> str:
    if of == 1:
        return "this seed"
    return f"{len(seeds)} of {of} seeds (first: {seeds[0]})" if seeds else f"none of {of} seeds"
