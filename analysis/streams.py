"""The measures of every stream of a history: ``P1/orders-0`` on the log, ``G/P1/orders-0`` as a group got it.

A stream's numbers are 1..N: the sends of one producer instance to one partition, in order of their calls. Sends whose
partition the history never tells belong to no stream; sends of one business identity share the number of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from analysis.columns import by_group, combine, slices, starts_of
from analysis.deliveries import Singles
from analysis.evidence import Evidence
from analysis.history import Column
from analysis.logs import RecordView
from analysis.measures import reordering_of

__all__ = ["measures_of", "measures_of_the_log"]


def measures_of(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """By stream, with exact fractions. ``late_time`` is in the time unit of the history."""
    numbered = _Numbered(evidence)
    found = dict(_on_the_log(evidence, numbered))
    found.update(_as_delivered(evidence, numbered))
    return found


def measures_of_the_log(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """The streams of the log alone, ``P1/orders-0``."""
    return dict(_on_the_log(evidence, _Numbered(evidence)))


class _Numbered:
    """By value: its stream (producer and partition) and its number there; by stream: how many were sent."""

    def __init__(self, evidence: Evidence) -> None:
        history = evidence.history
        sends = history.records
        self.width = max(len(history.partitions), 1)
        partition = _partition_of(evidence)
        sent = (sends.prod >= 0) & (partition >= 0)
        self.stream = sends.prod.astype(_narrow(len(history.producers) * self.width)) * self.width + partition
        self.stream[~sent] = -1
        first = _in_order(sends.i, self.stream)
        if not evidence.unique_uids:
            first = np.arange(len(sends))[first]
            first = first[_firsts(self.stream[first], sends.uid[first])]
        stream = self.stream[first]
        starts = starts_of(stream)
        sizes = np.diff(np.append(starts, len(stream)))
        self.sent = dict(zip(stream[starts].tolist(), sizes.tolist(), strict=True))
        number = np.full(len(sends), -1, _narrow(len(sends)))
        number[first] = np.arange(1, len(stream) + 1, dtype=number.dtype) - np.repeat(starts, sizes)
        self.number = number
        if not evidence.unique_uids:
            self.number = _shared(number, self.stream, sends.uid, np.arange(len(sends))[first])

    def name(self, evidence: Evidence, stream: int) -> str:
        prod, partition = divmod(stream, self.width)
        return f"{evidence.history.producers[prod]}/{evidence.history.partitions[partition]}"


def _narrow(size: int) -> type[np.signedinteger[Any]]:
    """Of numbers up to *size*."""
    return np.int32 if size < 1 << 31 else np.int64


def _in_order(i: Column, stream: Column) -> Column | slice:
    """Those of a stream, by stream, and by position there; most often it is that of the values."""
    same = stream[1:] == stream[:-1]
    if len(stream) and stream.min() >= 0 and ((stream[1:] > stream[:-1]) | (same & (i[1:] >= i[:-1]))).all():
        return slice(None)
    known = np.flatnonzero(stream >= 0)
    return known[np.lexsort((i[known], stream[known]))]


def _partition_of(evidence: Evidence) -> Column:
    """By value: the partition of its send, or as log, outcome or poll tell it."""
    history, seen = evidence.history, evidence.logs.records
    partition = history.records.partition
    if (partition >= 0).all():
        return partition
    partition = partition.copy()
    told = history.outcomes
    polls = history.polls
    sources = ((polls.value, polls.partition), (told.value, told.partition), (seen.value, seen.partition))
    for value, told_partition in sources:
        fill = (partition[value] < 0) & (told_partition >= 0)
        partition[value[fill]] = told_partition[fill]
    return partition


def _firsts(stream: Column, uid: Column) -> Column:
    """The first position of every identity within its stream, ascending."""
    return np.sort(np.unique(combine(stream, uid), return_index=True)[1])


def _shared(number: Column, stream: Column, uid: Column, first: Column) -> Column:
    """Values that mean the same have the number of the first of them."""
    key = combine(stream, uid)
    order = np.argsort(key[first], kind="stable")
    at = np.minimum(np.searchsorted(key[first][order], key), max(len(order) - 1, 0))
    found = first[order[at]] if len(order) else at
    return np.where((number < 0) & (stream >= 0) & (key[found] == key), number[found], number) if len(order) else number


def _on_the_log(evidence: Evidence, numbered: _Numbered) -> Iterator[tuple[str, dict[str, Any]]]:
    seen, log, width = evidence.logs.records, evidence.logs.final, numbered.width

    def streams(piece: slice) -> Column:
        stream = numbered.stream[seen.value[piece]]
        return np.where(stream % width == seen.partition[piece], stream, -1)

    got = dict(_by_stream(len(seen.value), streams, len(evidence.history.producers) * width))
    for one in sorted(set(numbered.sent) | set(got)):
        places = got.pop(one, np.zeros(0, np.int64))
        yield numbered.name(evidence, one), _measured(evidence, numbered, one, places, seen, log.t)


def _as_delivered(evidence: Evidence, numbered: _Numbered) -> Iterator[tuple[str, dict[str, Any]]]:
    """Without what was delivered in transactions that did not commit: a rewind is no second copy."""
    deliveries, polls = evidence.deliveries, evidence.history.polls
    if not len(polls):
        return
    singles, scope, counted = deliveries.singles, deliveries.scope, deliveries.counted
    height = int(numbered.stream.max(initial=0)) + 1

    def lanes(piece: slice) -> Column:
        run, stream = singles.run[piece], numbered.stream[singles.value[piece]]
        return np.where(counted[run] & (stream >= 0), scope[run] * height + stream, -1)

    for one, places in _by_stream(len(singles.run), lanes, len(deliveries.scope_names) * height):
        scope_, stream = divmod(one, height)
        name = f"{deliveries.scope_names[scope_]}/{numbered.name(evidence, stream)}"
        yield name, _measured(evidence, numbered, stream, places, singles, polls.t)


def _measured(
    evidence: Evidence, numbered: _Numbered, stream: int, places: Column, records: RecordView | Singles, t: Column,
) -> dict[str, Any]:  # fmt: skip
    """Of the *records* at these places, that come with their runs at *t*."""
    value, size = records.value[places], evidence.history.records.size
    sized = evidence.sized or bool((size[value] >= 0).all())
    return reordering_of(
        numbered.number[value], numbered.sent.get(stream, 0),
        times=lambda k: t[records.run[places[k]]].astype(np.int64),
        sizes=(lambda k: size[value[k]].astype(np.int64)) if sized else None,
    )  # fmt: skip


def _by_stream(size: int, streams: Callable[[slice], Column], end: int) -> Iterator[tuple[int, Column]]:
    """Positions of each stream, in order; *streams* are below *end*, or -1."""
    stream = np.empty(size, np.uint16 if end < 1 << 16 else np.int64)
    for piece in slices(size):
        stream[piece] = streams(piece) + 1
    order = by_group(stream)
    starts = starts_of(stream[order])
    for part in np.split(order, starts[1:]) if len(order) else []:
        if stream[part[0]]:
            yield int(stream[part[0]]) - 1, part
