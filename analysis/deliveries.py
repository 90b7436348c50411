"""What readers got: polls as steps from record to record.

- A *lane* is one consumer on one partition. A *step* goes from one run of delivered records to the next of the lane.
- A step is *internal* if both runs belong to one poll group, else *external*. An external step is not judged where the
  consumer had reason to forget its position between (assignment, revocation, seek, reset, crash; anomalies 2).
- Polls in transactions that did not commit are checked, but nobody goes on from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.columns import by_group, coverage, expand, mask_of, offset_key, slices, starts_of
from analysis.disorder import holding
from analysis.entitled import Entitled
from analysis.history import FORGET_CRASH, FORGET_RESET, FORGET_SEEK, Column, History, Polls
from analysis.logs import Logs
from analysis.transactions import TOLD_COMMIT, Transactions

__all__ = ["Deliveries", "Leaps", "Singles", "Steps"]


@dataclass(slots=True)
class Steps:
    """From the last record of run *before* to the first of run *after* (rows of the polls table), and their offsets."""

    before: Column
    after: Column
    low: Column
    high: Column
    internal: Column
    forgotten: Column


@dataclass(slots=True)
class Singles:
    """Delivered records one by one, in order of delivery; ``run`` is the row of the polls table."""

    run: Column
    offset: Column
    value: Column


@dataclass(slots=True)
class Leaps:
    """Moves of a position forward by the application (seek) or the client library (reset): from *low* to *high*."""

    consumer: Column
    partition: Column
    row: Column
    kind: Column
    fresh: Column  # nothing of the partition had been delivered to this consumer before; *low* is 0 then
    low: Column
    high: Column

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: Column) -> Leaps:
        return Leaps(*(getattr(self, name)[rows] for name in self.__slots__))


class Deliveries:
    def __init__(self, history: History, logs: Logs, transactions: Transactions) -> None:
        self.history, self.logs, self.transactions = history, logs, transactions
        self.polls: Polls = history.polls
        self.scope_names, self.scopes = history.consumers.scopes()
        self.committed_only = np.array(history.consumers.committed_only, bool)
        self.entitled = Entitled(history, logs)

    @cached_property
    def lane(self) -> Column:
        polls, width = self.polls, len(self.history.partitions)
        small = len(self.history.consumers.names) * width < 1 << 31
        return polls.consumer.astype(np.int32 if small else np.int64) * width + polls.partition

    @cached_property
    def scope(self) -> Column:
        """By run: the group, or the consumer alone."""
        if len(self.scope_names) == 1:
            return np.broadcast_to(np.int64(0), len(self.polls))
        found: Column = self.scopes[self.polls.consumer] if len(self.scopes) else self.polls.consumer
        return found

    @cached_property
    def held(self) -> Column:
        """By run: its records stand in one run of the final log."""
        polls = self.polls
        return self.logs.holds(polls.partition, polls.offset, polls.value, polls.count)

    @cached_property
    def singles(self) -> Singles:
        return Singles(*expand(self.polls.count, self.polls.offset, self.polls.value))

    @cached_property
    def counts_as_progress(self) -> Column:
        """By run: not in a transaction, or in one that its client saw commit, so that it goes on from there."""
        committed: Column = self.transactions.told == TOLD_COMMIT
        committed[-1] = True
        return self._by_transaction(committed)

    @cached_property
    def counted(self) -> Column:
        """By run: not in a transaction, or in one that must have committed, so that what came of it stays."""
        return self._by_transaction(self.transactions.committed)

    def _by_transaction(self, mask: Column) -> Column:
        same = self.polls.constant("txn")
        found: Column = mask[self.polls.txn] if same is None else np.broadcast_to(mask[same], len(self.polls))
        return found

    @cached_property
    def repeated(self) -> Column | None:
        """By value: some group got it more than once; None: no group got any twice."""
        again, size = None, len(self.history.values)
        for value, count in self._of_scopes():
            if not _distinct(value, count, size):
                twice = coverage(value, count, size) > 1
                again = twice if again is None else again | twice
        return again if again is not None and again.any() else None

    def _of_scopes(self) -> Iterator[tuple[Column, Column]]:
        """Values and counts of the runs that each scope got."""
        if len(self.scope_names) == 1:
            yield self.polls.value, self.polls.count
            return
        order = by_group(self.scope)
        for mine in np.split(order, starts_of(self.scope[order])[1:]):
            yield self.polls.value[mine], self.polls.count[mine]

    @cached_property
    def doubled(self) -> Column | None:
        """By run: it holds a value that some group got more than once; None: none does."""
        return None if self.repeated is None else holding(self.repeated, self.polls.value, self.polls.count)

    # --- steps --------------------------------------------------------------------------------------------------------
    @cached_property
    def steps(self) -> Steps:
        """All but those to the very next offset, which are most of them."""
        order = by_group(self.lane)
        if len(order) < 2:
            return Steps(order[:0], order[:0], order[:0], order[:0], np.zeros(0, bool), np.zeros(0, bool))
        if self.counts_as_progress.all():
            before, after = order[:-1], order[1:]
        else:
            before, after = self._judged(order)
        found = [(order[:0],) * 4]
        found += [self._odd(before[piece], after[piece]) for piece in slices(len(before))]
        before, after, low, high = (np.concatenate(columns) for columns in zip(*found, strict=True))
        internal = self.polls.group[before] == self.polls.group[after]
        return Steps(before, after, low, high, internal, self._forgot(before, after))

    def _odd(self, before: Column, after: Column) -> tuple[Column, Column, Column, Column]:
        """Those within a lane that do not lead to the very next offset, with the offsets they go from and to."""
        low, high = self.last_position[before], self.first_position[after]
        odd = np.flatnonzero((high - low != 1) & (self.lane[before] == self.lane[after]))
        return before[odd], after[odd], low[odd], high[odd]

    def _judged(self, order: Column) -> tuple[Column, Column]:
        """Runs that have one before them from which a consumer goes on, or that is of their group; those before."""
        group, progress = self.polls.group[order], self.counts_as_progress[order]
        position = np.arange(len(order))
        last = np.maximum.accumulate(np.where(progress, position, -1))[:-1]
        last = np.where(group[1:] == group[:-1], position[:-1], last)
        there = np.flatnonzero(last >= 0)
        return order[last[there]], order[there + 1]

    @cached_property
    def _forgettings(self) -> tuple[Column, Column]:
        """Sorted keys of everything that makes a consumer forget its position: (lane, row), and (consumer, row)."""
        table, width = self.history.positions, len(self.history.partitions)
        whole = table.kind == FORGET_CRASH
        lane = table.consumer[~whole].astype(np.int64) * width + table.partition[~whole]
        return np.sort(offset_key(lane, table.row[~whole])), self.crashes

    @cached_property
    def crashes(self) -> Column:
        """Sorted (consumer, row) keys."""
        table = self.history.positions.take(self.history.positions.kind == FORGET_CRASH)
        return np.sort(offset_key(table.consumer, table.row))

    def _forgot(self, before: Column, after: Column) -> Column:
        row, forgot = self.polls.row, np.zeros(len(after), bool)
        for keys, owner in zip(self._forgettings, (self.lane, self.polls.consumer), strict=True):
            if not len(keys):
                continue
            first = np.searchsorted(keys, offset_key(owner[after], row[before]), side="right")
            forgot |= np.searchsorted(keys, offset_key(owner[after], row[after]), side="right") > first
        return forgot

    @cached_property
    def leaps(self) -> Leaps:
        table = self.history.positions
        table = table.take((table.kind == FORGET_SEEK) | (table.kind == FORGET_RESET))
        keys = offset_key(self.lane, self.polls.row)
        order = np.argsort(keys, kind="stable") if len(table) else keys[:0]
        lane = table.consumer.astype(np.int64) * len(self.history.partitions) + table.partition
        at = np.searchsorted(keys[order], offset_key(lane, table.row)) - 1
        run = order[np.maximum(at, 0)] if len(order) else at
        came = (at >= 0) & (self.lane[run] == lane) if len(order) else np.zeros(len(table), bool)
        low = np.where(came, (self.polls.offset + self.polls.count)[run], 0) if len(order) else np.zeros_like(lane)
        leaps = Leaps(table.consumer, table.partition, table.row, table.kind, ~came, low, table.offset)
        return leaps.take(np.flatnonzero(table.offset > low))

    @cached_property
    def first_position(self) -> Column:
        """By run: where its first record stands."""
        return self.polls.offset if self.held.all() else self._position(np.zeros(len(self.polls), np.int64))

    @cached_property
    def last_position(self) -> Column:
        """By run: where its last record stands."""
        if (self.polls.count == 1).all():
            return self.first_position
        return self.polls.offset + (self.polls.count - 1) if self.held.all() else self._position(self.polls.count - 1)

    def _position(self, inside: Column) -> Column:
        """Where a delivered record stands: its offset, unless its value now stands at another one of that partition."""
        partition, offset, value = self.polls.partition, self.polls.offset + inside, self.polls.value + inside
        moved = np.flatnonzero(~self.held)
        moved = moved[~self.logs.holds(partition[moved], offset[moved], value[moved])]
        if not len(moved):
            return offset
        seen, size = self.logs.records, len(self.history.values)
        there = np.flatnonzero(mask_of(value[moved], size)[seen.value])
        places, first = np.unique(seen.partition[there].astype(np.int64) * size + seen.value[there], return_index=True)
        wanted = partition[moved].astype(np.int64) * size + value[moved]
        at = np.minimum(np.searchsorted(places, wanted), max(len(places) - 1, 0))
        known = places[at] == wanted if len(places) else np.zeros(len(wanted), bool)
        offset[moved[known]] = seen.offset[there[first[at[known]]]]
        return offset


def _distinct(value: Column, count: Column, size: int) -> bool:
    """No value is in two of these runs; False also where only counting can tell."""
    if len(value) > size >> 4:
        return False
    order = np.argsort(value, kind="stable")
    return bool((value[order][1:] >= (value + count)[order][:-1]).all())
