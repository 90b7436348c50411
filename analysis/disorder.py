"""Where order can be lost at all: found run by run, so that records need a look only there.

A run holds neighbouring values of one producer and partition, which rise in send position. In a group (such as a
producer on a partition) two neighbouring runs have a *cut* between them if all before it was sent before all behind it.
Nothing is late across a cut, so that runs with cuts on both sides are in order, and those between two cuts stand as
near to each other as in the whole group. Later copies of a run are left out first; where copies overlap in part, runs
cannot tell, and the group is looked at as a whole.

Runs are sorted by group a piece at a time, which stays in the caches. Of each group in a piece only its lowest and
highest position are kept; most often they show that all pieces of the group follow each other. The others get a second
look, with what came before and behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.columns import PIECE, by_group, combine, lifted_by, slices, starts_of
from analysis.history import Column

__all__ = ["disordered_runs", "holding"]

Groups = Callable[[Any], Column]  # rows (a slice or indexes) to codes that are not negative


def holding(mask: Column, value: Column, count: Column) -> Column:
    """By run: one of its values is in the mask."""
    if (count == 1).all():
        held: Column = mask[value]
        return held
    before = np.zeros(len(mask) + 1, np.int32 if len(mask) < 1 << 31 else np.int64)
    np.cumsum(mask, out=before[1:], dtype=before.dtype)
    held = before[value + count] > before[value]
    return held


def disordered_runs(
    position: Column, value: Column, count: Column, groups: Groups, doubled: Column | None, about: int = PIECE,
) -> Column:  # fmt: skip
    """Indexes of runs that may hold a late record or one that overtook it, ascending.

    *position*: of the send, by value. *value*, *count*, *groups*: of runs in order within each group; those with value
    -1 are left out. *doubled*: by run, whether another one of its group may hold a value of it (None: none does).
    *about*: how many runs are looked at together.
    """
    again = value[:0] if doubled is None else np.flatnonzero(doubled & (value >= 0))
    left_out, overlapping = _later_copies(value, count, groups, again)
    runs = _Runs(position, value, count, groups, left_out)
    found = _tangled(runs, list(slices(len(value), about)))
    if len(overlapping):
        rows = np.flatnonzero(value >= 0)
        found.append(rows[np.isin(groups(rows), overlapping)])
    return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))


def _later_copies(value: Column, count: Column, groups: Groups, doubled: Column) -> tuple[Column, Column]:
    """Indexes of runs that repeat an earlier one of their group, ascending; groups in which runs overlap in part."""
    if not len(doubled):
        return doubled, doubled
    group = groups(doubled)
    first = np.unique(combine(group, value[doubled], count[doubled]), return_index=True)[1]
    order = first[np.lexsort((value[doubled[first]], group[first]))]
    kept, group = doubled[order], group[order]
    end = value[kept] + count[kept]
    overlaps = (group[1:] == group[:-1]) & (value[kept][1:] < end[:-1])
    return np.delete(doubled, first), group[1:][overlaps]


@dataclass(slots=True)
class _Piece:
    """Some neighbouring runs by group: their rows, where each group begins, first and last position of each run."""

    rows: Column
    group: Column
    starts: Column
    first: Column
    last: Column

    def sizes(self) -> Column:
        return np.diff(self.starts, append=len(self.rows))


class _Runs:
    def __init__(self, position: Column, value: Column, count: Column, groups: Groups, left_out: Column) -> None:
        self.position, self.value, self.groups, self.left_out = position, value, groups, left_out
        self.count = None if (count == 1).all() else count
        self.all_known = int(value.min(initial=0)) >= 0

    def piece(self, span: slice) -> _Piece:
        rows, value = self._chosen(span)
        group = self.groups(span if rows is None else rows)
        if (group[1:] < group[:-1]).any():
            order = by_group(group)
            value, group = value[order], group[order]
            rows = order + span.start if rows is None else rows[order]
        elif rows is None:
            rows = np.arange(span.start, span.stop)
        first = self.position[value]
        last = first if self.count is None else self.position[value + (self.count[rows] - 1)]
        return _Piece(rows, group, starts_of(group), first, last)

    def _chosen(self, span: slice) -> tuple[Column | None, Column]:
        """Rows (None: all of the span) and their values."""
        value = self.value[span]
        left_out = self.left_out[slice(*np.searchsorted(self.left_out, [span.start, span.stop]))]
        if self.all_known and not len(left_out):
            return None, value
        keep = value >= 0
        keep[left_out - span.start] = False
        return span.start + np.flatnonzero(keep), value[keep]


def _tangled(runs: _Runs, spans: list[slice]) -> list[Column]:
    """Rows without a cut on both sides; some twice."""
    looks = [_look(runs.piece(span)) for span in spans]
    bounds = np.cumsum([0, *(len(group) for group, *_ in looks)]).tolist()
    if not bounds[-1]:
        return []
    group, lowest, highest = (np.concatenate(columns) for columns in list(zip(*looks, strict=True))[:3])
    before, after = _beyond(group, lowest, highest)
    doubtful = (before > lowest) | (after < highest)
    found = [rows for *_, rows in looks]
    for span, a, b in zip(spans, bounds[:-1], bounds[1:], strict=True):
        if doubtful[a:b].any():
            found.append(_between_cuts(runs.piece(span), doubtful[a:b], before[a:b], after[a:b]))
    return found


def _look(piece: _Piece) -> tuple[Column, Column, Column, Column]:
    """The groups of a piece, the lowest and the highest position of each, and rows that lack a cut within the piece."""
    first, last, starts = piece.first, piece.last, piece.starts
    descents = last[:-1] > first[1:]
    descents[starts[1:] - 1] = False
    if not descents.any():
        return piece.group[starts], first[starts], last[starts + piece.sizes() - 1], piece.rows[:0]
    lowest, highest = np.minimum.reduceat(first, starts), np.maximum.reduceat(last, starts)
    descends = np.zeros(len(starts), bool)
    descends[np.searchsorted(starts, np.flatnonzero(descents), side="right") - 1] = True
    return piece.group[starts], lowest, highest, _inside(piece, descends)


def _beyond(group: Column, lowest: Column, highest: Column) -> tuple[Column, Column]:
    """By group in a piece: the highest position in all pieces before it, and the lowest in all behind.

    Where there is none: its own lowest and highest, which are no news.
    """
    before, after = lowest.copy(), highest.copy()
    order = by_group(group)
    same = group[order[1:]] == group[order[:-1]]
    up, down = lifted_by(np.concatenate(([0], np.cumsum(~same))), highest[order], lowest[order])
    np.maximum.accumulate(up, out=up)
    np.minimum.accumulate(down[::-1], out=down[::-1])
    where = np.searchsorted(up, up[:-1])[same]  # who holds the record
    before[order[1:][same]] = highest[order[where]]
    where = np.searchsorted(down, down[1:], side="right")[same] - 1
    after[order[:-1][same]] = lowest[order[where]]
    return before, after


def _inside(piece: _Piece, chosen: Column) -> Column:
    """Rows of the chosen groups of a piece without a cut on both sides, as far as the piece alone tells."""
    number, rows, first, last = np.repeat(np.arange(len(chosen)), piece.sizes()), piece.rows, piece.first, piece.last
    if not chosen.all():
        some = chosen[number]
        number, rows, first, last = number[some], rows[some], first[some], last[some]
    highest, lowest = lifted_by(number, last, first)
    np.maximum.accumulate(highest, out=highest)
    np.minimum.accumulate(lowest[::-1], out=lowest[::-1])
    before = np.flatnonzero(highest[:-1] > lowest[1:])  # no cut behind these
    found: Column = rows[np.union1d(before, before + 1)]
    return found


def _between_cuts(piece: _Piece, chosen: Column, before: Column, after: Column) -> Column:
    """The same with what is before and behind the piece, as :func:`_beyond` tells."""
    sizes = piece.sizes()
    some = np.flatnonzero(np.repeat(chosen, sizes))
    number = np.repeat(np.arange(len(sizes)), sizes)[some]
    first, last, highest, lowest = lifted_by(
        number, piece.first[some], piece.last[some], before[number], after[number],
    )  # fmt: skip
    up, down = np.maximum.accumulate(last), np.minimum.accumulate(first[::-1])[::-1]
    np.maximum(highest[1:], up[:-1], out=highest[1:])  # in all before it
    np.minimum(lowest[:-1], down[1:], out=lowest[:-1])  # in all behind it
    tangled = (highest > np.minimum(first, lowest)) | (np.maximum(highest, last) > lowest)
    found: Column = piece.rows[some[tangled]]
    return found
