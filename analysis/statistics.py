"""Rates with their uncertainty, from counts by seed. Pure functions; the same numbers on every machine.

The unit that is independent is the *seed*: records of one run share its failures and are not. So

- a **share of seeds** ("in how many runs did it happen?") is a proportion: Wilson's score interval (Wilson 1927);
- a **rate of records** is a ratio of two sums over seeds: the cluster bootstrap, which draws whole seeds, studentised
  (bootstrap-t: Efron and Tibshirani 1993, section 12.5; Hall 1988). Where few seeds carry most of what was seen, the
  plain percentile interval holds the truth in 84 % of studies of 50 seeds where it promises 95 %, BCa in 89 %, this one
  in 95 %: the same finding as that of Cameron, Gelbach and Miller (2008) for clustered errors;
- a **difference** of two configurations that met the same failures is taken seed by seed: the same bootstrap, drawing
  each seed with both of its results; of shares, the interval of Bonett and Price (2012);
- **times and throughput** are told by the median over seeds, between two order statistics: exact, and not carried away
  by the one seed in which a failover took half of the run;
- where **nothing was seen**, the bound is that of the rule of three: 1 - 0.05 ** (1/n), about 3/n.

No test of a hypothesis and no p-value is made. Draws come from :func:`sim.streams.stream`, so they are the same
whatever NumPy does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.streams import bulk, stream

__all__ = [
    "LEVEL", "RESAMPLES", "Interval", "difference", "difference_of_shares", "median", "ratio", "rule_of_three",
    "unpaired_difference", "warm", "wilson",
]  # fmt: skip

LEVEL = 0.95
MOST_CLUSTERS = 1000
RESAMPLES = 1999  # (resamples + 1) * 0.025 is a whole number: the quantiles are order statistics

Numbers = ArrayLike  # integers or floats, one dimension
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds. *note* says where the bounds are of another kind than usual."""

    estimate: float
    low: float
    high: float
    note: str = ""

    @property
    def width(self) -> float:
        return self.high - self.low

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def wilson(seen: int, of: int, level: float = LEVEL) -> Interval:
    """A proportion: *seen* of *of* independent trials. The score test inverted; without trials it is 0 to 1."""
    if not 0 <= seen <= of:
        raise ValueError(f"{seen} of {of} is not a proportion")
    if not of:
        return Interval(math.nan, 0.0, 1.0, "nothing was tried")
    z2 = _normal(level) ** 2
    middle = (seen + z2 / 2) / (of + z2)
    half = math.sqrt(z2 * (seen * (of - seen) / of + z2 / 4)) / (of + z2)
    low = 0.0 if seen == 0 else middle - half
    high = 1.0 if seen == of else middle + half
    return Interval(seen / of, low, high)


def rule_of_three(of: int, level: float = LEVEL) -> float:
    """The largest proportion that still shows nothing in *of* trials with probability 1 - level; about 3/of."""
    return 1.0 if of < 1 else 1 - (1 - level) ** (1 / of)


def ratio(counts: Numbers, records: Numbers, level: float = LEVEL) -> Interval:
    """A rate of records, ``sum(counts) / sum(records)``, with its cluster-bootstrap-t interval; an entry a seed.

    Where nothing was seen (or everything) the records tell nothing about the next seed, and where too few seeds show it
    the bootstrap has no end: the bound is then that of the share of seeds, as no more than all records of a seed can be
    struck. Raises ValueError where the two differ in length.
    """
    c, r = _columns(counts, records)
    if not r.sum():
        return Interval(math.nan, 0.0, 1.0, "nothing was counted")
    estimate, influence = float(c.sum() / r.sum()), _influence(c, r)
    if len(c) < 2 or not influence.any():
        return _without_spread(estimate, c, r, level)
    low, high = _bootstrap_t(estimate, influence, level=level)
    of_seeds = max(wilson(int((c > 0).sum()), len(c), level).high, estimate)
    return Interval(estimate, max(low, 0.0), min(high, of_seeds), "" if high <= of_seeds else "bound of seeds")


def median(values: Numbers, level: float = LEVEL) -> Interval:
    """The median over seeds, between two order statistics: exact, whatever the distribution (Conover 1999, 3.2).

    Below six seeds no pair of them is far enough apart for 95 %; then it is all of the range, with a note.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if not n:
        return Interval(math.nan, math.nan, math.nan, "nothing was counted")
    outside, rank = math.ldexp(1, -n), 0  # the chance that the median lies below the first
    while rank < n // 2 and outside <= (1 - level) / 2:
        rank += 1
        outside += math.exp(math.lgamma(n + 1) - math.lgamma(rank + 1) - math.lgamma(n - rank + 1) - n * math.log(2))
    estimate = float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    low, high = (float(ordered[at]) for at in (max(rank - 1, 0), n - max(rank, 1)))
    return Interval(estimate, low, high, "" if rank else "too few seeds: their range")


def difference(
    counts_a: Numbers, records_a: Numbers, counts_b: Numbers, records_b: Numbers, level: float = LEVEL,
) -> Interval:  # fmt: skip
    """Ratio of B minus ratio of A, paired: entry *n* of all four belongs to the same seed. Bounded as :func:`ratio` is.

    Raises ValueError where the two have not the same number of seeds.
    """
    a, b = _columns(counts_a, records_a), _columns(counts_b, records_b)
    if len(a[0]) != len(b[0]):
        raise ValueError(f"{len(a[0])} seeds are not paired with {len(b[0])}")
    if not (a[1].sum() and b[1].sum()):
        return Interval(math.nan, math.nan, math.nan, "nothing was counted")
    estimate = float(b[0].sum() / b[1].sum() - a[0].sum() / a[1].sum())
    influence = _influence(*b) - _influence(*a)
    if len(influence) < 2 or not influence.any():
        return _alike(estimate, len(influence), level)
    return _apart(estimate, a, b, _bootstrap_t(estimate, influence, level=level), level)


def unpaired_difference(
    counts_a: Numbers, records_a: Numbers, counts_b: Numbers, records_b: Numbers, level: float = LEVEL,
) -> Interval:  # fmt: skip
    """The same difference if the seeds of the two were strangers, each side drawn by itself: what pairing is worth."""
    a, b = _columns(counts_a, records_a), _columns(counts_b, records_b)
    if not (a[1].sum() and b[1].sum()):
        return Interval(math.nan, math.nan, math.nan, "nothing was counted")
    estimate = float(b[0].sum() / b[1].sum() - a[0].sum() / a[1].sum())
    samples = (-_influence(*a), _influence(*b))
    if min(map(len, samples)) < 2 or not (samples[0].any() or samples[1].any()):
        return _alike(estimate, min(map(len, samples)), level)
    return _apart(estimate, a, b, _bootstrap_t(estimate, *samples, level=level), level)


def _alike(estimate: float, seeds: int, level: float) -> Interval:
    """No two seeds tell a spread: what the next one may still show."""
    bound = rule_of_three(seeds, level)
    note = "no seed differs: rule of three, by seeds" if seeds > 1 else "one seed tells no spread"
    return Interval(estimate, max(-1.0, estimate - bound), min(1.0, estimate + bound), note)


def _apart(
    estimate: float, a: tuple[Floats, Floats], b: tuple[Floats, Floats], ends: tuple[float, float], level: float
) -> Interval:
    """A difference is no further from 0 than the share of seeds that show it on either side."""
    low, high = ends
    most_a, most_b = (wilson(int((counts > 0).sum()), len(counts), level).high for counts, _ in (a, b))
    inside = -most_a <= low and high <= most_b
    low, high = min(max(low, -most_a), estimate), max(min(high, most_b), estimate)
    return Interval(estimate, low, high, "" if inside else "bound of seeds")


def difference_of_shares(only_a: int, only_b: int, of: int, level: float = LEVEL) -> Interval:
    """Share of seeds in which it happened, B minus A, of *of* paired seeds: *only_a* of them showed it in A alone."""
    if of < 1:
        return Interval(math.nan, -1.0, 1.0, "nothing was tried")
    p_a, p_b = (only_a + 1) / (of + 2), (only_b + 1) / (of + 2)
    half = _normal(level) * math.sqrt((p_a + p_b - (p_b - p_a) ** 2) / (of + 2))
    middle = p_b - p_a
    return Interval((only_b - only_a) / of, max(-1.0, middle - half), min(1.0, middle + half))


def warm(times_us: NDArray[Any], warm_up_us: int) -> NDArray[np.bool_]:
    """Mask of what counts: at or after the warm-up, in which a system still fills its queues and learns its leaders."""
    mask: NDArray[np.bool_] = times_us >= warm_up_us
    return mask


# --- the bootstrap ----------------------------------------------------------------------------------------------------
def _bootstrap_t(estimate: float, *samples: Floats, level: float) -> tuple[float, float]:
    """Bounds from resampled seeds. *samples*: each seed's part in the error of the estimate; each sample has the sum 0
    and is drawn by itself."""
    mean, variance, observed = np.zeros(RESAMPLES), np.zeros(RESAMPLES), 0.0
    for number, influence in enumerate(samples):
        parts = _grouped(influence)
        weights = _weights(len(parts), number)
        moved = weights @ parts / len(parts)
        mean += moved
        variance += np.maximum(weights @ parts**2 / len(parts) - moved**2, 0) / (len(parts) - 1)
        observed += float(parts @ parts) / len(parts) / (len(parts) - 1)
    alike = variance <= 1e-20 * observed  # a resample of one value only: infinitely far, on its side
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(alike, np.copysign(np.inf, mean), mean / np.sqrt(variance))
    t.sort()
    cut, error = round((RESAMPLES + 1) * (1 - level) / 2), math.sqrt(observed)
    return (float(estimate - error * t[-cut]), float(estimate - error * t[cut - 1])) if error else (estimate, estimate)


def _influence(counts: Floats, records: Floats) -> Floats:
    """The ratio's linear part, a seed an entry, in the unit of the ratio."""
    seen, total = counts.sum(), records.sum()
    share: Floats = (counts * total - seen * records) * (len(records) / total**2)  # exactly 0 where all seeds are alike
    return share


def _grouped(influence: Floats) -> Floats:
    """Of very many seeds, neighbours are taken together: groups of independent seeds are as independent."""
    if len(influence) <= MOST_CLUSTERS:
        return influence
    size = len(influence) // MOST_CLUSTERS
    whole = influence[: size * MOST_CLUSTERS].reshape(MOST_CLUSTERS, size).mean(axis=1)
    centred: Floats = whole - whole.mean()
    return centred


@lru_cache(maxsize=2)
def _weights(n: int, sample: int) -> Floats:
    """How often each of *n* seeds is drawn in each resample. The same draws for every rate of a sweep."""
    raw = bulk(stream(0, f"bootstrap/{n}/{sample}"), RESAMPLES * n)
    drawn = raw.astype(np.uint64) * np.uint64(n) >> np.uint64(32)
    rows = np.repeat(np.arange(RESAMPLES), n)
    flat = np.bincount(rows * n + drawn.astype(np.int64), minlength=RESAMPLES * n)
    weights: Floats = flat.reshape(RESAMPLES, n).astype(np.float64)
    return weights


def _without_spread(estimate: float, counts: Floats, records: Floats, level: float) -> Interval:
    """All seeds alike (or one alone): nothing seen, everything struck, or one same rate everywhere."""
    if not counts.any():
        return Interval(0.0, 0.0, rule_of_three(len(counts), level), "nothing seen: rule of three, by seeds")
    if (counts >= records).all():
        return Interval(estimate, 1 - rule_of_three(len(counts), level), 1.0, "all seen: rule of three, by seeds")
    if len(counts) < 2:
        return Interval(estimate, 0.0, 1.0, "one seed tells no spread")
    return Interval(estimate, estimate, estimate, "no spread")


def _columns(counts: Numbers, records: Numbers) -> tuple[Floats, Floats]:
    c, r = np.asarray(counts, dtype=np.float64), np.asarray(records, dtype=np.float64)
    if c.shape != r.shape or c.ndim != 1:
        raise ValueError("counts and records must have one entry a seed")
    return c, r


def _normal(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
