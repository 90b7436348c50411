"""How much reordering: the measures of RFC 4737 and RFC 5236, and those of sorting theory, of one stream of numbers.

``reordering([1, 2, 3, 5, 6, 4, 7], sent=(1, 7))`` gives one mapping with exact fractions. Rules for all of them:

- later copies of a number are counted and taken out first; numbers that never came make no other one late;
- the first arrival is in order by definition;
- positions (extents, gaps, displacements) count arrivals of first copies, 1 apart.

Nearly everything is a few passes over NumPy columns; what needs more than linear time (inversions, longest increasing
subsequence, direct predecessors) looks only at the stretches that are out of order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from analysis.columns import mask_of
from analysis.history import Column
from analysis.numbers import Numbers, column_of, sent_range, unrolled, weights
from analysis.online import buffer_online, density_online
from sim.errors import InputError

__all__ = ["reordering", "reordering_of"]

At = Callable[[Column], Column]  # positions of arrivals to something of each
MOST_LOST = 10_000_000
DENSE = 2  # numbers are counted in a table that has at most so many places a number; else they are sorted


def reordering(
    arrivals: Numbers,
    sent: tuple[int, int] | None = None,
    times: Numbers | Sequence[float] | None = None,
    sizes: Numbers | int | None = None,
    modulus: int | None = None,
    DT: int | None = None,
    BT: int | None = None,
) -> dict[str, Any]:
    """All measures of numbers in the order of their arrival.

    *sent*: first and last number sent (default: the smallest and largest that came). *times*: when each came, in any
    unit. *sizes*: its bytes, one number for all or a list. *modulus*: numbers roll over there. *DT*, *BT*: thresholds
    of the online algorithms of RFC 5236; without them their results are None. Integers of 62 bits at most;
    :class:`InputError` where something is not as said here.
    """
    raw = column_of("arrivals", arrivals)
    numbers, base = unrolled(raw, modulus)
    stream = _Stream(numbers)
    low, high = sent_range(sent, stream.s, base, raw, modulus)
    when = None if times is None else column_of("times", times, len(raw), kinds="iuf").__getitem__
    size = weights(sizes, len(raw))
    weight = None if size is None else size.__getitem__
    return _measures(stream, low, high, when, weight, _Names(modulus), DT, BT)


def reordering_of(arrivals: Column, sent: int, times: At, sizes: At | None) -> dict[str, Any]:
    """The same of columns that need no check: of numbers from 1 to *sent*; times and sizes are looked up by arrival."""
    return _measures(_Stream(arrivals.astype(np.int64, copy=False)), 1, sent, times, sizes, _Names(None), None, None)


def _measures(
    stream: _Stream, low: int, high: int, when: At | None, weight: At | None, named: _Names,
    density: int | None, buffer: int | None,
) -> dict[str, Any]:  # fmt: skip
    measures = _counts(stream, low, high, named)
    measures |= _lateness(stream, when, weight, named)
    measures |= _discontinuities(stream, named)
    measures["runs"] = _runs(stream)
    measures |= _n_reordering(stream, named)
    measures |= _density(stream, low, density, named)
    measures |= _buffer(stream, low, buffer)
    return measures | _sorting(stream)


class _Names:
    """Numbers as the caller knows them: rolled over again where there is a modulus."""

    def __init__(self, modulus: int | None) -> None:
        self.modulus = modulus

    def __call__(self, numbers: Column) -> list[int]:
        told: list[int] = (numbers if self.modulus is None else numbers % self.modulus).tolist()
        return told


class _Stream:
    """First copies in order of arrival, and what several measures need of them."""

    def __init__(self, numbers: Column) -> None:
        self.numbers, self.first = numbers, _first_copies(numbers)
        self.s = s = numbers if self.first is None else numbers[self.first]
        self.size = len(s)
        self.highest = np.maximum.accumulate(s) if len(s) else s
        self.late = np.flatnonzero(s < self.highest)
        self.earliest_larger = np.searchsorted(self.highest, s[self.late], side="right")
        self.extent = self.late - self.earliest_larger
        self.tangled = self._tangled()
        self.rank = np.empty(len(self.tangled), np.int64)  # of each tangled number among them
        self.rank[np.argsort(s[self.tangled], kind="stable")] = np.arange(len(self.tangled))

    def _tangled(self) -> Column:
        """Positions in stretches that are out of order: no cut with all smaller numbers before all larger ones."""
        if not len(self.late):
            return self.late
        lowest_from = np.minimum.accumulate(self.s[::-1])[::-1]
        uncut = np.flatnonzero(self.highest[:-1] > lowest_from[1:])  # behind these
        return np.union1d(uncut, uncut + 1)

    def arrivals(self, of: At, places: Column) -> Column:
        """What *of* tells of the arrivals of first copies at *places*."""
        return of(places if self.first is None else self.first[places])


def _first_copies(numbers: Column) -> Column | None:
    """Positions of first copies, ascending; None: all of them."""
    if len(numbers) < 2 or (numbers[1:] > numbers[:-1]).all():
        return None
    doubtful = _repeated(numbers)
    if not len(doubtful):
        return None
    first = np.unique(numbers[doubtful], return_index=True)[1]
    return np.delete(np.arange(len(numbers)), np.delete(doubtful, first))


def _repeated(numbers: Column) -> Column:
    """Positions of numbers that come more than once, ascending."""
    low, high = int(numbers.min()), int(numbers.max())
    if high - low < DENSE * len(numbers):
        above = numbers - low
        count = np.bincount(above)
        return np.flatnonzero(count[above] > 1) if count.max() > 1 else above[:0]
    ordered = np.sort(numbers)
    return np.flatnonzero(np.isin(numbers, ordered[1:][ordered[1:] == ordered[:-1]]))


# --- RFC 4737 -------------------------------------------------------------------------------------------------------
def _counts(stream: _Stream, low: int, high: int, named: _Names) -> dict[str, Any]:
    again = stream.numbers[:0] if stream.first is None else np.delete(stream.numbers, stream.first)
    lost = _missing(stream.s, low, high)
    late = stream.s[stream.late]
    return {
        "received_unique": stream.size, "duplicates": len(again), "lost": len(lost),
        "duplicate_values": named(again[np.sort(np.unique(again, return_index=True)[1])]), "lost_values": named(lost),
        "reordered": named(late), "reordered_count": len(late), "ratio": Fraction(len(late), max(stream.size, 1)),
    }  # fmt: skip


def _missing(s: Column, low: int, high: int) -> Column:
    """The numbers from *low* to *high* that are not in *s*, ascending."""
    if not len(s) or s.min() < low or s.max() > high:
        s = s[(s >= low) & (s <= high)]
    lost = high - low + 1 - len(s)
    if lost <= 0:
        return s[:0]
    if lost > MOST_LOST:
        rule = f"{lost} numbers from {low} to {high} never came, and {MOST_LOST} are the most that are listed"
        raise InputError("reordering: sent", rule, "give the first and the last number that was really sent")
    return low + np.flatnonzero(~mask_of(s - low, high - low + 1))


def _lateness(stream: _Stream, when: At | None, weight: At | None, named: _Names) -> dict[str, Any]:
    late = stream.late
    names = named(stream.s[late])
    extents = stream.extent.tolist()
    late_time = bytes_before = None
    if when is not None:
        waited = stream.arrivals(when, late) - stream.arrivals(when, stream.earliest_larger)
        late_time = dict(zip(names, waited.tolist(), strict=True))
    if weight is not None:
        heavier = _larger_before(stream.s[stream.tangled], stream.arrivals(weight, stream.tangled))
        bytes_before = dict(zip(names, heavier[np.searchsorted(stream.tangled, late)].tolist(), strict=True))
    return {
        "extent": dict(zip(names, extents, strict=True)), "max_extent": max(extents, default=0),
        "late_time": late_time, "byte_offset": bytes_before,
    }  # fmt: skip


def _discontinuities(stream: _Stream, named: _Names) -> dict[str, Any]:
    s = stream.s
    jump = s[1:] - stream.highest[:-1] - 1  # by arrival but the first
    jumps = np.flatnonzero(jump > 0)
    places, detected = np.unique(stream.earliest_larger, return_index=True)  # the first late record shows the place
    names = named(s[places])
    gaps = {
        names[k]: int(places[k] - places[k - 1]) if detected[k - 1] < detected[k] else 0 for k in range(1, len(places))
    }
    sizes = zip(named(s[jumps + 1]), jump[jumps].tolist(), strict=True)
    return {
        "seq_discontinuities": [list(pair) for pair in sizes], "reordering_discontinuities": names, "gaps": gaps,
    }  # fmt: skip


def _runs(stream: _Stream) -> dict[str, Any]:
    """Records in order between late ones; the run after the last late one is open."""
    ends = np.concatenate(([-1], stream.late))
    lengths = (np.diff(ends) - 1).tolist()
    return {
        "x": len(lengths), "a": stream.size - len(stream.late), "p": stream.size, "q": sum(n * n for n in lengths),
        "lengths": lengths, "tail": stream.size - 1 - int(ends[-1]),
    }  # fmt: skip


def _n_reordering(stream: _Stream, named: _Names) -> dict[str, Any]:
    """n of a late record: how many arrivals directly before it are all larger (0: not n-reordered, left out)."""
    before = _directly_before(stream.s[stream.tangled].tolist())
    n = before[np.searchsorted(stream.tangled, stream.late)]
    hit = n > 0
    at_least = np.cumsum(np.bincount(n[hit])[::-1])[::-1] if hit.any() else n[:0]
    degree = {k: Fraction(int(at_least[k]), stream.size) for k in range(1, len(at_least))}
    n_reordered = dict(zip(named(stream.s[stream.late[hit]]), n[hit].tolist(), strict=True))
    return {"n_reordered": n_reordered, "n_degree": degree}


def _directly_before(s: list[int]) -> Column:
    stack: list[int] = []
    counts = []
    for position, number in enumerate(s):
        while stack and s[stack[-1]] > number:
            stack.pop()
        counts.append(position - 1 - stack[-1] if stack else position)
        stack.append(position)
    return np.array(counts, np.int64)


# --- RFC 5236 -------------------------------------------------------------------------------------------------------
def _density(stream: _Stream, low: int, threshold: int | None, named: _Names) -> dict[str, Any]:
    tangled = stream.s[stream.tangled]
    measures: dict[str, Any] = {"FD": _histogram(np.sort(tangled) - tangled, stream.size - len(tangled))}
    if threshold is None:
        return measures | {"FD_online": None, "RD_discarded": None}
    found, discarded = density_online(stream.s.tolist(), low, _threshold("DT", threshold))
    return measures | {"FD_online": found, "RD_discarded": named(np.array(discarded, np.int64))}


def _buffer(stream: _Stream, low: int, threshold: int | None) -> dict[str, Any]:
    """A receiver that knows what is lost: how many records wait for an earlier one, after each arrival."""
    now = np.arange(len(stream.rank))  # only while a stretch is out of order somebody waits
    order = np.empty_like(now)
    order[stream.rank] = now
    complete_at = np.maximum.accumulate(order) if len(order) else order  # rank r and all before it are here by then
    waiting = now + 1 - np.searchsorted(complete_at, now, side="right")
    occupancy = [0] * stream.size
    for place, number in zip(stream.tangled.tolist(), waiting.tolist(), strict=True):
        occupancy[place] = number
    online = None
    if threshold is not None:
        online = _histogram(np.array(buffer_online(stream.s.tolist(), low, _threshold("BT", threshold)), np.int64))
    offline = _histogram(waiting, stream.size - len(waiting))
    return {"occupancy": occupancy, "FB_offline": offline, "FB_online": online}


def _threshold(name: str, value: int) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise InputError(f"reordering: {name}", f"must be an integer from 1, not {value!r}")
    return int(value)


def _histogram(values: Column, zeros: int = 0) -> dict[int, int]:
    """How often each value comes; *zeros* more of 0."""
    found, count = np.unique(values, return_counts=True)
    histogram = dict(zip(found.tolist(), count.tolist(), strict=True))
    if zeros:
        histogram[0] = histogram.get(0, 0) + zeros
    return dict(sorted(histogram.items()))


# --- sorting --------------------------------------------------------------------------------------------------------
def _sorting(stream: _Stream) -> dict[str, Any]:
    tangled = stream.s[stream.tangled]
    inversions = int(_larger_before(tangled, np.ones(len(tangled), np.int64)).sum())
    moved = np.abs(np.arange(len(stream.rank)) - stream.rank)
    lis = stream.size - len(tangled) + _longest_increasing(tangled.tolist())
    pairs = stream.size * (stream.size - 1)
    return {
        "inversions": inversions, "kendall_tau": 1 - Fraction(4 * inversions, pairs) if pairs else Fraction(1),
        "lis": lis, "rem": stream.size - lis, "max_displacement": int(moved.max(initial=0)),
        "footrule": int(moved.sum()), "dis": int(stream.extent.max(initial=0)),
        "descents": int(np.count_nonzero((tangled[1:] < tangled[:-1]) & (np.diff(stream.tangled) == 1))),
    }  # fmt: skip


def _larger_before(s: Column, weight: Column) -> Column:
    """By position: the weight of the larger numbers before it. One pass per bit of a rank.

    At each bit, numbers that agree in all higher bits stand together in order of arrival; one whose bit is 0 comes
    after the larger ones of its group whose bit is 1.
    """
    size = len(s)
    total = np.zeros(size, np.int64)
    if size == 0:
        return total
    rank = np.empty(size, np.int64)
    rank[np.argsort(s, kind="stable")] = np.arange(size)
    place = np.arange(size)  # positions in the order of the pass
    for bit in range(int(size - 1).bit_length() - 1, -1, -1):
        ranks = rank[place]
        one = (ranks >> bit) & 1
        ahead = np.cumsum(weight[place] * one)
        group = ranks >> (bit + 1)
        starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
        carried = np.repeat(np.concatenate(([0], ahead))[starts], np.diff(np.append(starts, size)))
        total[place] += np.where(one == 0, ahead - carried, 0)
        place = place[np.argsort(ranks >> bit, kind="stable")]
    return total


def _longest_increasing(s: list[int]) -> int:
    ends: list[int] = []
    for number in s:
        at = bisect_left(ends, number)
        if at == len(ends):
            ends.append(number)
        else:
            ends[at] = number
    return len(ends)


def as_numbers(measures: Mapping[str, Any]) -> dict[str, Any]:
    """The same mapping for JSON: fractions as floats, keys as strings."""
    return {name: _as_number(x) for name, x in measures.items()}


def _as_number(x: Any) -> Any:
    if isinstance(x, Fraction):
        return float(x)
    if isinstance(x, dict):
        return {str(name): _as_number(value) for name, value in x.items()}
    return x
