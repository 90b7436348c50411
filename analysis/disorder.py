"""Where order can be lost at all: found run by run, so that records need a look only there.

A run holds neighbouring values of one producer and partition. Where those rise in send position, a group (such as a
producer on a partition) whose runs each begin above the end of all before them has no late record. Later copies of a
run are left out first; where copies overlap in part, runs cannot tell, and the group is taken to be disordered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, combine, mask_of, running_max
from analysis.history import Column

__all__ = ["disordered_runs"]


def disordered_runs(position: Column, runs: Any, counted: Column, groups: Column, doubled: Column | None) -> Column:
    """Rows of all groups that may hold a late record, ascending.

    *position*: of the send, by value. *runs*: a table with ``value`` and ``count``, in order within each group, of
    which the *counted* ones matter. *doubled*: by value, whether more than one run holds it (None: none is).
    """
    rows = np.flatnonzero(counted & (runs.value >= 0)) if not counted.all() else np.arange(len(counted))
    groups = groups[rows]
    if (groups[1:] < groups[:-1]).any():
        order = by_group(groups)
        rows, groups = rows[order], groups[order]
    chosen, suspects = rows, [groups[:0]]
    if doubled is not None:
        keep, overlapping = _first_runs(runs.value[rows], runs.count[rows], groups, doubled)
        chosen, suspects = rows[keep], [overlapping]
        suspects.append(_late_groups(position, runs, chosen, groups[keep]))
    else:
        suspects.append(_late_groups(position, runs, chosen, groups))
    bad = np.concatenate(suspects)
    return np.sort(rows[mask_of(bad, int(groups[-1]) + 1)[groups]]) if len(bad) else rows[:0]


def _late_groups(position: Column, runs: Any, rows: Column, groups: Column) -> Column:
    """Groups in which some run begins below the end of one before it."""
    value, count = runs.value[rows], runs.count[rows]
    last = position[value + count - 1]
    lifted, highest = running_max(last, groups)
    first = lifted - last + position[value]
    late: Column = groups[1:][(first[1:] < highest[:-1]) & (groups[1:] == groups[:-1])]
    return late


def _first_runs(value: Column, count: Column, groups: Column, doubled: Column) -> tuple[Column, Column]:
    """Mask of runs that repeat no earlier one of their group; groups in which runs overlap in part."""
    before = np.concatenate(([0], np.cumsum(doubled)))
    touched = np.flatnonzero(before[value + count] > before[value])
    first = np.unique(combine(groups[touched], value[touched], count[touched]), return_index=True)[1]
    keep = np.ones(len(value), bool)
    keep[touched] = False
    keep[touched[first]] = True
    left = touched[first]
    left = left[np.lexsort((value[left], groups[left]))]
    end = value[left] + count[left]
    overlaps = (groups[left][1:] == groups[left][:-1]) & (value[left][1:] < end[:-1])
    return keep, groups[left][1:][overlaps]
