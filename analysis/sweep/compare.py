"""Two configurations under the same failures, seed by seed: how much they differ, where, and what it costs.

A difference of rates has a paired interval: a seed that is hard is hard for both, and drops out of the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.finding import CLASSES
from analysis.statistics import (
    Interval,
    difference,
    difference_of_shares,
    median,
    ratio,
    unpaired_difference,
    wilson,
)
from analysis.sweep.grid import Cell
from analysis.sweep.measure import RATES
from analysis.sweep.run import side_by_side
from analysis.sweep.summary import TIMES
from sim.errors import InputError
from sim.scenario import Scenario, load, with_overrides

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Comparison", "Line", "compare"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of both sides and B minus A. *kind*: ``rate`` (of records), ``share`` (of seeds) or ``median``.

    *strangers*: the same difference as it would be known if the two sides had met different failures (rates only).
    """

    measure: str
    kind: str
    a: Interval
    b: Interval
    difference: Interval
    strangers: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        told = {"measure": self.measure, "kind": self.kind}
        return told | {name: _ends(getattr(self, name)) for name in ("a", "b", "difference", "strangers")}


@dataclass(frozen=True)
class Comparison:
    """*sides*: the settings of A and B. *differing*: by seed, the violations whose counts differ: (name, A, B)."""

    title: str
    sides: tuple[tuple[str, ...], tuple[str, ...]]
    scenarios: tuple[Scenario, Scenario]
    seeds: list[int]
    lines: list[Line]
    differing: dict[int, list[tuple[str, int, int]]]
    unsettled: int

    def of(self, measure: str) -> Line:
        return next(line for line in self.lines if line.measure == measure)

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title, "a": list(self.sides[0]), "b": list(self.sides[1]),
            "seeds": len(self.seeds), "unsettled": self.unsettled, "lines": [line.to_json() for line in self.lines],
            "differing": [
                {"seed": seed, "findings": {name: {"a": a, "b": b} for name, a, b in found}}
                for seed, found in self.differing.items()
            ],
        }  # fmt: skip


def compare(
    scenario: Scenario | str, a: Iterable[str], b: Iterable[str], *, seeds: Sequence[int] | None = None,
    warm_up_us: int = 0, jobs: int | None = None, progress: Callable[[int, int], object] = lambda done, total: None,
) -> Comparison:  # fmt: skip
    """*a* and *b*: the settings (``KEY=VALUE``) of each side; none is the scenario as it is. Raises InputError."""
    base = scenario if isinstance(scenario, Scenario) else load(scenario)
    sides = (tuple(a), tuple(b))
    if sides[0] == sides[1]:
        raise InputError("--set", "both sides are the same", "give one --set a side, or one against the file as it is")
    scenarios = (with_overrides(base, sides[0]), with_overrides(base, sides[1]))
    cells = [(Cell(number, sides[number], ()), scenarios[number]) for number in (0, 1)]
    chosen = list(base.seeds if seeds is None else seeds)
    found = side_by_side(base, cells, chosen, warm_up_us, jobs, progress)
    table = found.table
    rows_a, rows_b = table.slice(0, len(chosen)), table.slice(len(chosen))
    lines = [*_rates(rows_a, rows_b), *_shares(rows_a, rows_b), *_times(rows_a, rows_b)]
    differing = _differing(rows_a, rows_b, chosen)
    return Comparison(base.title, sides, scenarios, chosen, lines, differing, found.summary.unsettled)


def _rates(a: pa.Table, b: pa.Table) -> list[Line]:
    lines = []
    for measure, of in RATES.items():
        seen_a, of_a, seen_b, of_b = (_numbers(table, name) for table in (a, b) for name in (measure, of))
        paired, strangers = (apart(seen_a, of_a, seen_b, of_b) for apart in (difference, unpaired_difference))
        lines.append(Line(measure, "rate", ratio(seen_a, of_a), ratio(seen_b, of_b), paired, strangers))
    return lines


def _shares(a: pa.Table, b: pa.Table) -> list[Line]:
    """Of the violations that were seen at all, in how many of the seeds in which both sides could be checked."""
    lines = []
    for name, seen_a, seen_b in _violations(a, b):
        both = ~np.isnan(seen_a) & ~np.isnan(seen_b)
        in_a, in_b, of = seen_a[both] > 0, seen_b[both] > 0, int(both.sum())
        apart = difference_of_shares(int((in_a & ~in_b).sum()), int((in_b & ~in_a).sum()), of)
        lines.append(Line(name, "share", wilson(int(in_a.sum()), of), wilson(int(in_b.sum()), of), apart))
    return lines


def _times(a: pa.Table, b: pa.Table) -> list[Line]:
    lines = []
    for name in TIMES:
        of_a, of_b = _numbers(a, name), _numbers(b, name)
        both = ~np.isnan(of_a) & ~np.isnan(of_b)
        if both.any():
            of_a, of_b = of_a[both], of_b[both]
            lines.append(Line(name, "median", median(of_a), median(of_b), median(of_b - of_a)))
    return lines


def _differing(a: pa.Table, b: pa.Table, seeds: Sequence[int]) -> dict[int, list[tuple[str, int, int]]]:
    found: dict[int, list[tuple[str, int, int]]] = {}
    for name, seen_a, seen_b in _violations(a, b):
        for at in np.flatnonzero(~np.isnan(seen_a) & ~np.isnan(seen_b) & (seen_a != seen_b)).tolist():
            found.setdefault(seeds[at], []).append((name, int(seen_a[at]), int(seen_b[at])))
    return {seed: found[seed] for seed in seeds if seed in found}


def _violations(a: pa.Table, b: pa.Table) -> list[tuple[str, Numbers, Numbers]]:
    columns = ((name, _numbers(a, name), _numbers(b, name)) for name, kind in CLASSES.items() if kind == "violation")
    return [one for one in columns if (np.nan_to_num(one[1]) > 0).any() or (np.nan_to_num(one[2]) > 0).any()]


def _numbers(table: pa.Table, name: str) -> Numbers:
    return np.array(table.column(name).to_numpy(), dtype=np.float64)


def _ends(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    ends = (interval.estimate, interval.low, interval.high)
    told = dict(zip(("estimate", "low", "high"), (float(f"{end:.6g}") for end in ends), strict=True))
    return {name: None if end != end else end for name, end in told.items()} | {"note": interval.note}
