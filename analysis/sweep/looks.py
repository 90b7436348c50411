"""``--until-width``: more seeds until the interval is narrow enough, at looks that are fixed beforehand.

The first look is after 50 seeds, each further one after twice as many, the last after all that were given. Where to
look does not depend on what was seen, and what is asked is how *wide* the interval is, not where it lies: stopping so
keeps its coverage in the limit (Chow and Robbins 1965), and doubling keeps the looks few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.statistics import ratio
from analysis.sweep.measure import RATES
from sim.errors import InputError
from sim.wording import did_you_mean, listed, shown

__all__ = ["FIRST_LOOK", "Until", "looks_of", "until_of", "narrow_enough"]

FIRST_LOOK = 50


@dataclass(frozen=True, slots=True)
class Until:
    """Go on until the interval of *measure* (a rate of records) is no wider than *width* in every cell."""

    measure: str
    width: float


def until_of(width: float, measure: str) -> Until:
    if measure not in RATES:
        guess = did_you_mean(measure, RATES) or f"write {listed(RATES)}"
        raise InputError("--until-measure", f"{shown(measure)} is not a rate of records", guess)
    if not 0 < width < 1:
        raise InputError("--until-width", f"{width:g} is not a width of a rate", "for example 0.001")
    return Until(measure, width)


def looks_of(seeds: int, until: Until | None) -> Iterator[tuple[int, int]]:
    """Positions (from, to) of the seeds that come new with each look."""
    if until is None:
        yield 0, seeds
        return
    begin, end = 0, min(FIRST_LOOK, seeds)
    while begin < seeds:
        yield begin, end
        begin, end = end, min(2 * end, seeds)


def narrow_enough(until: Until, rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether enough seeds were seen: every cell's interval is narrow enough."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for row in rows:
        counts, records = found.setdefault(row["cell"], ([], []))
        counts.append(row[until.measure])
        records.append(row[RATES[until.measure]])
    return all(ratio(*columns).width <= until.width for columns in found.values())
