"""How much reordering: the measures of RFC 4737 and RFC 5236, and those of sorting theory, of one stream of numbers.

``reordering([1, 2, 3, 5, 6, 4, 7], sent=(1, 7))`` gives one mapping with exact fractions. Rules for all of them:

- later copies of a number are counted and taken out first; numbers that never came make no other one late;
- the first arrival is in order by definition;
- positions (extents, gaps, displacements) count arrivals of first copies, 1 apart.

Nearly everything is a few passes over NumPy columns; what needs more than linear time (inversions, longest increasing
subsequence, direct predecessors) looks only at the stretches that are out of order.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from analysis.columns import expand
from analysis.history import Column
from analysis.online import buffer_online, density_online
from sim.errors import InputError

__all__ = ["reordering"]

Numbers = Sequence[int] | Column
LIMIT = 1 << 62  # of every number: safe to add and subtract
MOST_LOST = 10_000_000


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
    raw = _column("arrivals", arrivals)
    numbers, base = _unrolled(raw, modulus)
    first = _first_copies(numbers)
    s = numbers if first is None else numbers[first]
    low, high = _sent_range(sent, s, base, raw, modulus)
    named = _Names(modulus)
    when = None if times is None else _column("times", times, len(raw), kinds="iuf")
    when = when if when is None or first is None else when[first]
    weight = _weights(sizes, len(raw), first)
    stream = _Stream(s)
    measures = _counts(stream, numbers, first, low, high, named)
    measures |= _lateness(stream, when, weight, named)
    measures |= _discontinuities(stream, named)
    measures["runs"] = _runs(stream)
    measures |= _n_reordering(stream, named)
    measures |= _density(stream, low, DT, named)
    measures |= _buffer(stream, low, BT)
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

    def __init__(self, s: Column) -> None:
        self.s = s
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
        lowest_later = np.append(np.minimum.accumulate(self.s[::-1])[::-1][1:], np.iinfo(np.int64).max)
        cut_after = self.highest < lowest_later
        cut_before = np.concatenate(([True], cut_after[:-1]))
        return np.flatnonzero(~(cut_after & cut_before))


# --- input ----------------------------------------------------------------------------------------------------------
def _column(name: str, numbers: Numbers | Sequence[float], length: int | None = None, kinds: str = "iu") -> Column:
    try:
        column = np.asarray(numbers if isinstance(numbers, np.ndarray) else list(numbers))
    except (TypeError, ValueError):  # no list at all, or a ragged one
        raise InputError(f"reordering: {name}", f"must be a list of integers, not {numbers!r:.60}") from None
    if column.size == 0 and column.ndim == 1:
        column = column.astype(np.int64)
    if column.ndim != 1 or column.dtype.kind not in kinds:
        raise InputError(f"reordering: {name}", "must be a list of integers (of 62 bits at most)")
    if not ((column < LIMIT) & (column > -LIMIT)).all():
        raise InputError(f"reordering: {name}", "must lie between -2**62 and 2**62")
    if length is not None and len(column) != length:
        raise InputError(f"reordering: {name}", f"has {len(column)} entries for {length} arrivals", "give one for each")
    return column if column.dtype.kind == "f" else column.astype(np.int64)


def _unrolled(raw: Column, modulus: int | None) -> tuple[Column, int]:
    """Numbers without roll-over, and the first of them: a step of more than half the range went the other way round."""
    if len(raw) == 0:
        return raw, 0
    if modulus is None:
        return raw, int(raw[0])
    if not isinstance(modulus, int | np.integer) or not 2 <= modulus <= LIMIT >> 1:
        raise InputError("reordering: modulus", f"must be an integer from 2 to 2**61, not {modulus!r}")
    if raw.min() < 0 or raw.max() >= modulus:
        raise InputError("reordering: arrivals", f"must be from 0 to {modulus - 1}, below the modulus")
    steps = np.diff(raw)
    steps = steps - modulus * (2 * steps > modulus) + modulus * (2 * steps < -modulus)
    return np.concatenate(([raw[0]], raw[0] + np.cumsum(steps))), int(raw[0])


def _sent_range(
    sent: tuple[int, int] | None, s: Column, base: int, raw: Column, modulus: int | None,
) -> tuple[int, int]:  # fmt: skip
    if sent is None:
        return (int(s.min()), int(s.max())) if len(s) else (1, 0)
    first, last = _two_integers(sent)
    if modulus is None:
        return first, last
    low = first
    if len(s):
        low = base + (first - base) % modulus  # the first and the last sent, on either side of all that came
        low -= modulus * max(0, -((int(s.min()) - low) // modulus))
    high = low + (last - first) % modulus
    if len(s) and high < int(s.max()):
        high += modulus * -((high - int(s.max())) // modulus)
    return low, high


def _two_integers(sent: Any) -> tuple[int, int]:
    try:
        first, last = (operator.index(n) for n in sent)
    except (TypeError, ValueError):
        rule = f"must be the first and the last number sent, not {sent!r:.60}"
        raise InputError("reordering: sent", rule, "such as (1, 100)") from None
    return first, last


def _first_copies(numbers: Column) -> Column | None:
    """Positions of first copies, ascending; None: all of them."""
    if len(numbers) < 2 or (numbers[1:] > numbers[:-1]).all():
        return None
    ordered = np.sort(numbers)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return None
    doubtful = np.flatnonzero(np.isin(numbers, again))
    first = np.unique(numbers[doubtful], return_index=True)[1]
    return np.delete(np.arange(len(numbers)), np.delete(doubtful, first))


def _weights(sizes: Numbers | int | None, length: int, first: Column | None) -> Column | None:
    if sizes is None:
        return None
    column = np.full(length, sizes) if isinstance(sizes, int | np.integer) else sizes
    column = _column("sizes", column, length)
    if column.min(initial=0) < 0:
        raise InputError("reordering: sizes", f"must not be negative, as {column.min()} is", "give bytes")
    return column if first is None else column[first]


# --- RFC 4737 -------------------------------------------------------------------------------------------------------
def _counts(
    stream: _Stream, numbers: Column, first: Column | None, low: int, high: int, named: _Names,
) -> dict[str, Any]:  # fmt: skip
    again = numbers[:0] if first is None else np.delete(numbers, first)
    lost = _missing(stream.s, low, high)
    late = stream.s[stream.late]
    return {
        "received_unique": stream.size, "duplicates": len(again), "lost": len(lost),
        "duplicate_values": named(again[np.sort(np.unique(again, return_index=True)[1])]), "lost_values": named(lost),
        "reordered": named(late), "reordered_count": len(late), "ratio": Fraction(len(late), max(stream.size, 1)),
    }  # fmt: skip


def _missing(s: Column, low: int, high: int) -> Column:
    """The numbers from *low* to *high* that are not in *s*, ascending."""
    inside = (s >= low) & (s <= high)
    lost = high - low + 1 - int(inside.sum())
    if lost <= 0:
        return s[:0]
    if lost > MOST_LOST:
        rule = f"{lost} numbers from {low} to {high} never came, and {MOST_LOST} are the most that are listed"
        raise InputError("reordering: sent", rule, "give the first and the last number that was really sent")
    ends = np.concatenate(([low - 1], np.sort(s[inside]), [high + 1]))
    missing: Column = expand(np.diff(ends) - 1, ends[:-1] + 1)[1]
    return missing


def _lateness(stream: _Stream, when: Column | None, weight: Column | None, named: _Names) -> dict[str, Any]:
    late = stream.late
    names = named(stream.s[late])
    extents = stream.extent.tolist()
    late_time = bytes_before = None
    if when is not None:
        late_time = dict(zip(names, (when[late] - when[stream.earliest_larger]).tolist(), strict=True))
    if weight is not None:
        heavier = _larger_before(stream.s[stream.tangled], weight[stream.tangled])
        bytes_before = dict(zip(names, heavier[np.searchsorted(stream.tangled, late)].tolist(), strict=True))
    return {
        "extent": dict(zip(names, extents, strict=True)), "max_extent": max(extents, default=0),
        "late_time": late_time, "byte_offset": bytes_before,
    }  # fmt: skip


def _discontinuities(stream: _Stream, named: _Names) -> dict[str, Any]:
    s = stream.s
    jump = np.zeros(stream.size, np.int64)
    jump[1:] = s[1:] - stream.highest[:-1] - 1
    jumps = np.flatnonzero(jump > 0)
    places, detected = np.unique(stream.earliest_larger, return_index=True)  # the first late record shows the place
    names = named(s[places])
    gaps = {
        names[k]: int(places[k] - places[k - 1]) if detected[k - 1] < detected[k] else 0 for k in range(1, len(places))
    }
    sizes = zip(named(s[jumps]), jump[jumps].tolist(), strict=True)
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
        "descents": int((stream.s[1:] < stream.s[:-1]).sum()),
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
