"""Where order can be lost at all: found run by run, so that records need a look only there.

A run holds neighbouring values of one producer and partition, which rise in send position. In a group (such as a
producer on a partition) two neighbouring runs have a *cut* between them if all before it was sent before all behind it.
Nothing is late across a cut, so that runs with cuts on both sides are in order, and those between two cuts stand as
near to each other as in the whole group. Later copies of a run are left out first; where copies overlap in part, runs
cannot tell, and the group is looked at as a whole.
"""

from __future__ import annotations

import numpy as np

from analysis.columns import by_group, combine, lifted_by, mask_of
from analysis.history import Column

__all__ = ["disordered_runs", "holding"]


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
    position: Column, value: Column, count: Column, groups: Column, doubled: Column | None,
) -> Column:  # fmt: skip
    """Indexes of runs that may hold a late record or one that overtook it, ascending.

    *position*: of the send, by value. *value*, *count*, *groups*: of runs in order within each group; those with value
    -1 are left out. *doubled*: by run, whether another one of its group may hold a value of it (None: none does).
    """
    rows = None if (value >= 0).all() else np.flatnonzero(value >= 0)
    if rows is not None:
        value, count, groups = value[rows], count[rows], groups[rows]
    if (groups[1:] < groups[:-1]).any():
        order = by_group(groups)
        value, count, groups = value[order], count[order], groups[order]
        rows = order if rows is None else rows[order]
    if doubled is not None and rows is not None:
        doubled = doubled[rows]
    found = _suspects(position, value, count, groups, doubled)
    return np.sort(found if rows is None else rows[found])


def _suspects(position: Column, value: Column, count: Column, groups: Column, doubled: Column | None) -> Column:
    """The same where groups stand together, ascending."""
    if doubled is None or not doubled.any():
        return _tangled(*_ends(position, value, count), groups)
    keep, overlapping = _first_runs(value, count, groups, np.flatnonzero(doubled))
    found = keep[_tangled(*_ends(position, value[keep], count[keep]), groups[keep])]
    return np.union1d(found, np.flatnonzero(np.isin(groups, overlapping))) if len(overlapping) else found


def _ends(position: Column, value: Column, count: Column) -> tuple[Column, Column]:
    """The first and the last position of each run."""
    first = position[value]
    return first, first if (count == 1).all() else position[value + (count - 1)]


def _tangled(first: Column, last: Column, groups: Column) -> Column:
    """Indexes of runs without a cut on both sides."""
    same = groups[1:] == groups[:-1]
    descents = np.flatnonzero((last[:-1] > first[1:]) & same)
    if not len(descents):
        return descents
    group = np.concatenate(([0], np.cumsum(~same)))
    rows = np.flatnonzero(mask_of(group[descents], int(group[-1]) + 1)[group])  # groups without a descent are in order
    highest, lowest = lifted_by(group[rows], last[rows], first[rows])
    np.maximum.accumulate(highest, out=highest)
    np.minimum.accumulate(lowest[::-1], out=lowest[::-1])
    together = highest[:-1] > lowest[1:]
    tangled = np.zeros(len(rows), bool)
    tangled[1:] |= together
    tangled[:-1] |= together
    return rows[tangled]


def _first_runs(value: Column, count: Column, groups: Column, doubled: Column) -> tuple[Column, Column]:
    """Indexes of runs that repeat no earlier one of their group; groups in which runs overlap in part."""
    first = np.unique(combine(groups[doubled], value[doubled], count[doubled]), return_index=True)[1]
    keep = np.ones(len(value), bool)
    keep[doubled] = False
    left = doubled[first]
    keep[left] = True
    left = left[np.lexsort((value[left], groups[left]))]
    end = value[left] + count[left]
    overlaps = (groups[left][1:] == groups[left][:-1]) & (value[left][1:] < end[:-1])
    return np.flatnonzero(keep), groups[left][1:][overlaps]
