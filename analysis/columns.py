"""Small vector steps that several finders share. All are linear, or one sort; none loops over records.

``groups`` are small integer codes; "segmented" means: within each group, in the order given.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.history import Column

__all__ = [
    "OFFSET_BITS", "by_group", "combine", "coverage", "covered", "expand", "first_of_each", "in_pieces", "lifted_by",
    "lowest_in", "mask_of", "offset_key", "pieces", "running_max", "slices", "starts_of",
]  # fmt: skip

OFFSET_BITS = 40  # offsets and rows are below 2**40, places (partitions, lanes) below 2**23: see Evidence
PIECE = 1 << 17  # rows: a dozen columns of eight bytes fit a cache of 16 MiB


def expand(count: Column, *firsts: Column) -> tuple[Column, ...]:
    """Runs to records: the run's index, then each of *firsts* counted up inside its run."""
    if len(count) == 0 or (count == 1).all():
        return (np.arange(len(count)), *firsts)
    run = np.repeat(np.arange(len(count)), count)
    inside = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    return (run, *(first[run] + inside for first in firsts))


def by_group(groups: Column) -> Column:
    """A stable order that brings equal groups together, ascending."""
    if len(groups) == 0 or groups.dtype == np.uint16 or groups.min() < 0 or groups.max() >= 1 << 32:
        return np.argsort(groups, kind="stable")
    order = np.argsort(groups.astype(np.uint16), kind="stable")  # the low half: a radix sort, for 16 bits
    if groups.max() >= 1 << 16:
        order = order[np.argsort((groups[order] >> 16).astype(np.uint16), kind="stable")]
    return order


def starts_of(groups: Column) -> Column:
    """Where a new group begins, in a column whose equal groups stand together."""
    if len(groups) == 0:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))


def combine(*codes: Column) -> Column:
    """One code per combination of codes."""
    out = _small(codes[0]).astype(np.int64) + 1
    for code in map(_small, codes[1:]):
        width = int(code.max(initial=-1)) + 2
        if int(out.max(initial=0)) >= (1 << 62) // width:
            out = np.unique(out, return_inverse=True)[1].astype(np.int64)
        out = out * width + code + 1
    return out


def _small(code: Column) -> Column:
    """Codes as they are; numbers that are not small, such as producer ids, by rank."""
    if len(code) and (code.min() < -1 or code.max() >= 1 << 31):
        return np.unique(code, return_inverse=True)[1].astype(np.int64)
    return code


def first_of_each(codes: Column, size: int) -> Column:
    """By code: the first position that holds it; -1 where none does."""
    first = np.full(size, -1, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return first


def in_pieces(count: Column, first: Column) -> Iterator[Column]:
    """What :func:`expand` makes of *first*, some runs at a time."""
    if (count == 1).all():
        yield from (first[piece] for piece in slices(len(count)))
        return
    end = np.cumsum(count)
    cuts = np.unique(np.searchsorted(end, np.arange(PIECE, end[-1], PIECE), side="right")).tolist()
    for a, b in zip([0, *cuts], [*cuts, len(count)], strict=True):
        yield expand(count[a:b], first[a:b])[1]


def coverage(first: Column, count: Column, size: int) -> Column:
    """By value: how many runs hold it."""
    found = np.zeros(size, np.int32)
    for values in in_pieces(count, first):
        np.add.at(found, values.astype(np.intp), np.int32(1))  # of these very types it is fast
    return found


def covered(first: Column, count: Column, size: int) -> Column:
    """By value: some run holds it."""
    found = np.zeros(size, bool)
    for values in in_pieces(count, first):
        found[values] = True
    return found


def mask_of(codes: Column, size: int) -> Column:
    mask = np.zeros(size, bool)
    mask[codes] = True
    return mask


def lifted_by(group: Column, *columns: Column) -> list[Column]:
    """Copies of the columns as 64-bit integers, raised so that all of a later group lie above all of an earlier one.

    *group*: ascending. One group sees no other then in a running maximum or minimum.
    """
    if not len(group):
        return [column.astype(np.int64) for column in columns]
    low = min(int(column.min()) for column in columns)
    width = max(int(column.max()) for column in columns) - low + 1
    if width >= (1 << 62) // (int(group[-1]) + 1):
        ranks = np.unique(np.concatenate(columns), return_inverse=True)[1]
        return lifted_by(group, *np.split(ranks, len(columns)))
    if group[0] == group[-1]:
        return [column.astype(np.int64) - low for column in columns]
    base = group.astype(np.int64) * width - low
    return [column + base for column in columns]


def running_max(numbers: Column, groups: Column) -> tuple[Column, Column]:
    """Segmented running maximum, each position included. Equal groups stand together, ascending.

    The result is not lower than any maximum of an earlier group: both are lifted by a base per group, so that they can
    be searched as one ascending column. Returns the numbers, lifted, and their running maximum.
    """
    group = np.zeros(len(groups), np.int64)
    np.cumsum(groups[1:] != groups[:-1], out=group[1:])
    (lifted,) = lifted_by(group, numbers)
    return lifted, np.maximum.accumulate(lifted)


def pieces(groups: Column, about: int = PIECE) -> Iterator[slice]:
    """Slices of an ascending column, each with whole groups and about as long as said: what stays in the caches."""
    first = 0
    while first < len(groups):
        end = first + about
        if end < len(groups):
            end = int(np.searchsorted(groups, groups[end - 1], side="right"))
        yield slice(first, min(end, len(groups)))
        first = end


def slices(size: int, about: int = PIECE) -> Iterator[slice]:
    """Slices of a column in which nothing belongs together."""
    for first in range(0, size, about):
        yield slice(first, min(first + about, size))


def lowest_in(numbers: Column, first: Column, end: Column) -> Column:
    """The lowest number of each slice (none is empty): of two overlapping stretches whose length is a power of two."""
    found = np.empty(len(first), numbers.dtype)
    power = np.frexp(end - first)[1] - 1  # the largest power of two that fits
    lowest = numbers
    for k in range(int(power.max(initial=-1)) + 1):
        mine = np.flatnonzero(power == k)
        found[mine] = np.minimum(lowest[first[mine]], lowest[end[mine] - (1 << k)])
        lowest = np.minimum(lowest[: -(1 << k)], lowest[1 << k :])
    return found


def offset_key(partition: Column, offset: Column) -> Column:
    """One sortable integer for a place in a log."""
    return (partition.astype(np.int64) << OFFSET_BITS) | offset
