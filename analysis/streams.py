"""The measures of every stream of a history: ``P1/orders-0`` on the log, ``G/P1/orders-0`` as a group got it.

A stream's numbers are 1..N: the sends of one producer instance to one partition, in order of their calls. Sends whose
partition the history never tells belong to no stream; sends of one business identity share the number of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from analysis.columns import by_group, combine
from analysis.evidence import Evidence
from analysis.history import Column
from analysis.measures import reordering

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
        known = np.flatnonzero((sends.prod >= 0) & (partition >= 0))
        self.stream = np.full(len(sends), -1, np.int64)
        self.stream[known] = sends.prod[known].astype(np.int64) * self.width + partition[known]
        order = _in_order(sends.i[known], self.stream[known])
        if not evidence.unique_uids:
            order = order[_firsts(self.stream[known[order]], sends.uid[known[order]])]
        first = known[order]
        stream = self.stream[first]
        starts = np.flatnonzero(np.concatenate(([True], stream[1:] != stream[:-1]))) if len(stream) else stream
        self.sent = dict(zip(stream[starts].tolist(), np.diff(np.append(starts, len(stream))).tolist(), strict=True))
        number = np.full(len(sends), -1, np.int64)
        number[first] = np.arange(len(first)) - np.repeat(starts, list(self.sent.values())) + 1
        self.number = number if evidence.unique_uids else _shared(number, self.stream, sends.uid, first)

    def name(self, evidence: Evidence, stream: int) -> str:
        prod, partition = divmod(stream, self.width)
        return f"{evidence.history.producers[prod]}/{evidence.history.partitions[partition]}"


def _in_order(i: Column, stream: Column) -> Column:
    """The order by stream, and by position there; most often it is that of the values."""
    same = stream[1:] == stream[:-1]
    if ((stream[1:] > stream[:-1]) | (same & (i[1:] >= i[:-1]))).all():
        return np.arange(len(i))
    return np.lexsort((i, stream))


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
    seen, log = evidence.logs.records, evidence.logs.final
    stream = numbered.stream[seen.value]
    stream = np.where(stream % numbered.width == seen.partition, stream, -1)
    got = dict(_by_stream(stream))
    for one in sorted(set(numbered.sent) | set(got)):
        places = got.get(one, np.zeros(0, np.int64))
        value = seen.value[places]
        yield numbered.name(evidence, one), _measured(evidence, numbered, one, value, log.t[seen.run[places]])


def _as_delivered(evidence: Evidence, numbered: _Numbered) -> Iterator[tuple[str, dict[str, Any]]]:
    """Without what was delivered in transactions that did not commit: a rewind is no second copy."""
    deliveries, polls = evidence.deliveries, evidence.history.polls
    if not len(polls):
        return
    singles = deliveries.singles
    stream = np.where(deliveries.counted[singles.run], numbered.stream[singles.value], -1)
    height = int(numbered.stream.max(initial=0)) + 1
    lane = np.where(stream < 0, -1, deliveries.scope[singles.run] * height + stream)
    for one, places in _by_stream(lane):
        scope, stream_ = divmod(one, height)
        name = f"{deliveries.scope_names[scope]}/{numbered.name(evidence, stream_)}"
        yield name, _measured(evidence, numbered, stream_, singles.value[places], polls.t[singles.run[places]])


def _measured(evidence: Evidence, numbered: _Numbered, stream: int, value: Column, t: Column) -> dict[str, Any]:
    size = evidence.history.records.size[value]
    return reordering(
        numbered.number[value], (1, numbered.sent.get(stream, 0)), times=t, sizes=size if (size >= 0).all() else None,
    )  # fmt: skip


def _by_stream(stream: Column) -> Iterator[tuple[int, Column]]:
    """Positions of each stream, in order."""
    known = np.flatnonzero(stream >= 0)
    order = known[by_group(stream[known])]
    starts = np.flatnonzero(np.diff(stream[order], prepend=-1))
    for part in np.split(order, starts[1:]) if len(order) else []:
        yield int(stream[part[0]]), part
