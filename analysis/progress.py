"""How far groups got: offsets they committed, and what they processed (anomalies 2.5, 2.7).

- A *lane* is one group on one partition; a *place* is one offset of it.
- A commit counts unless it was refused; one in a transaction counts from the end of that transaction, if it must have
  committed.
- A processing event belongs to the last delivery of its offset to its consumer before. It does not count where that
  poll was in a transaction that need not have committed: what was done there is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.columns import OFFSET_BITS, by_group, combine, mask_of, offset_key, starts_of
from analysis.deliveries import Deliveries
from analysis.history import DATA, FORGET_SEEK, Column, History, Processing
from analysis.intervals import FOREVER, Intervals
from analysis.logs import Logs
from analysis.transactions import Transactions

__all__ = ["NEVER", "GroupCommits", "Places", "Progress"]

NEVER = FOREVER  # as a row: later than every one


@dataclass(slots=True)
class GroupCommits:
    """Accepted commits in the order in which they took effect."""

    lane: Column
    partition: Column
    offset: Column
    row: Column  # when it took effect
    consumer: Column
    told: Column  # the row that names the offset

    def __len__(self) -> int:
        return len(self.lane)


@dataclass(slots=True)
class Places:
    """What a group processed, a row an offset, by lane and offset."""

    lane: Column
    offset: Column
    started: Column  # row of the first start, NEVER where there is none
    ended: Column  # row of the first end, NEVER where there is none
    ends: Column  # how many


class Progress:
    def __init__(self, history: History, logs: Logs, deliveries: Deliveries, transactions: Transactions) -> None:
        self.history, self.logs, self.deliveries, self.transactions = history, logs, deliveries, transactions
        self.width = max(len(history.partitions), 1)

    def lane_of(self, consumer: Column, partition: Column) -> Column:
        lane: Column = self.deliveries.scopes[consumer] * self.width + partition
        return lane

    # --- commits ------------------------------------------------------------------------------------------------------
    @cached_property
    def commits(self) -> GroupCommits:
        own = self.history.commits.take(self.history.commits.ok > 0)
        sent = self.history.txn_offsets.take(self.transactions.committed[self.history.txn_offsets.txn])
        end = self.transactions.end_row[sent.txn]
        row = np.concatenate([own.row, np.where(end >= 0, end, sent.row)])
        order = np.argsort(row, kind="stable")
        consumer, partition, offset, told = (
            np.concatenate([getattr(own, name), getattr(sent, name)])[order]
            for name in ("consumer", "partition", "offset", "row")
        )
        return GroupCommits(self.lane_of(consumer, partition), partition, offset, row[order], consumer, told)

    def committed_at(self, lane: Column, row: Column) -> Column:
        """The last commit of each lane that took effect before *row*; 0 where there was none."""
        commits = self.commits
        keys = offset_key(commits.lane, commits.row)
        order = np.argsort(keys, kind="stable")
        at = np.searchsorted(keys[order], offset_key(lane, np.maximum(row, 0))) - 1
        if not len(order):
            return np.zeros(len(lane), np.int64)
        last = order[np.maximum(at, 0)]
        return np.where((at >= 0) & (commits.lane[last] == lane), commits.offset[last], 0)

    # --- processing ---------------------------------------------------------------------------------------------------
    @cached_property
    def processing(self) -> Processing:
        """The processing events that count."""
        table = self.history.processing
        if self.deliveries.counted.all():
            return table
        delivery = self._delivery_of(table)
        undone = (delivery >= 0) & ~self.deliveries.counted[self.deliveries.singles.run[np.maximum(delivery, 0)]]
        return table.take(~undone)

    def _delivery_of(self, table: Processing) -> Column:
        """By event: the last delivery (a position in ``singles``) of its offset to its consumer before it, or -1."""
        singles, polls = self.deliveries.singles, self.history.polls
        size = len(singles.run)
        lane = np.concatenate([self.deliveries.lane[singles.run], table.consumer * self.width + table.partition])
        offset = np.concatenate([singles.offset, table.offset])
        row = np.concatenate([polls.row[singles.run], table.row])
        place = combine(lane, offset)
        order = np.lexsort((row, place))  # a delivery and an event never share a row
        delivery = np.where(order < size, np.arange(len(order)), -1)
        last = np.maximum.accumulate(delivery)
        there = (last >= 0) & (place[order[np.maximum(last, 0)]] == place[order])
        found = np.full(len(order), -1, np.int64)
        found[order] = np.where(there, order[np.maximum(last, 0)], -1)
        return found[size:]

    def values(self, table: Processing) -> Column:
        """By event: the record that was processed, -1 where nothing tells it."""
        partition, offset = table.partition, table.offset
        run = self.logs.find(partition, offset)
        log, at = self.logs.final, np.maximum(run, 0)
        stored = (run >= 0) & (log.kind[at] == DATA) if len(log) else run >= 0
        value = np.where(stored, log.value[at] + offset - log.offset[at], -1) if len(log) else run
        if stored.all() and self.deliveries.held.all():
            return value
        delivery = self._delivery_of(table)
        handed = delivery >= 0
        value[handed] = self.deliveries.singles.value[delivery[handed]]
        return value

    @cached_property
    def scopes(self) -> Column:
        """By scope: whether it tells what it processed."""
        return mask_of(self.deliveries.scopes[self.history.processing.consumer], len(self.deliveries.scope_names))

    @cached_property
    def _sorted(self) -> tuple[Processing, Column, Column, Column]:
        """Events by place and time; their lanes; where each place begins; by event the next end of its place."""
        table = self.processing
        lane = self.lane_of(table.consumer, table.partition)
        order = by_group(lane)  # which is all to do where offsets come in order
        table, lane = table.take(order), lane[order]
        keys = offset_key(lane, table.offset)
        if (keys[1:] < keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            table, lane, keys = table.take(order), lane[order], keys[order]
        begins = starts_of(keys)
        return table, lane, begins, self._next_end(table, begins)

    @staticmethod
    def _next_end(table: Processing, begins: Column) -> Column:
        if not len(table):
            return table.row
        row = np.where(table.end > 0, table.row, NEVER)
        position = np.minimum.accumulate(np.where(table.end > 0, np.arange(len(row)), len(row))[::-1])[::-1]
        last = np.repeat(np.append(begins[1:], len(row)), np.diff(np.append(begins, len(row))))
        return np.where(position < last, np.append(row, NEVER)[position], NEVER)

    @cached_property
    def places(self) -> Places:
        table, lane, begins, _ = self._sorted
        if not len(table):
            return Places(*(np.zeros(0, np.int64) for _ in range(5)))
        end = table.end > 0
        return Places(
            lane[begins], table.offset[begins], np.minimum.reduceat(np.where(end, NEVER, table.row), begins),
            np.minimum.reduceat(np.where(end, table.row, NEVER), begins), np.add.reduceat(end.astype(np.int64), begins),
        )  # fmt: skip

    @cached_property
    def starts(self) -> Processing:
        """The first start of each place, in order of time."""
        table, _, begins, _ = self._sorted
        starts = np.flatnonzero(table.end == 0)
        place = np.searchsorted(begins, starts, side="right")
        first = starts[np.concatenate(([True], place[1:] != place[:-1]))] if len(starts) else starts
        return table.take(first[np.argsort(table.row[first], kind="stable")])

    @cached_property
    def under_way(self) -> tuple[Processing, Column]:
        """Every start, and the row in which it was over: with the next end of its place, or a crash of its process."""
        table, _, _, next_end = self._sorted
        starts = np.flatnonzero(table.end == 0)
        table, over = table.take(starts), next_end[starts]
        crashes = np.append(self.deliveries.crashes, np.iinfo(np.int64).max)
        crash = crashes[np.searchsorted(crashes, offset_key(table.consumer, table.row))]
        mine = crash >> OFFSET_BITS == table.consumer
        return table, np.where(mine, np.minimum(over, crash & FOREVER), over)

    def sublanes(self, *tables: Processing) -> Column:
        """Lane and key by event, of all these tables; records without key share one."""
        values = [self.values(table) for table in tables]
        key = np.append(self.history.records.key, -1)  # of no value: none
        keys = [key[value] for value in values]
        lanes = [self.lane_of(table.consumer, table.partition) for table in tables]
        return combine(np.concatenate(lanes), np.concatenate(keys))

    # --- what a group received ----------------------------------------------------------------------------------------
    @cached_property
    def first_delivery(self) -> Column:
        """Positions in ``singles`` of the visible records that a group with processing events got first, by place."""
        singles = self.deliveries.singles
        chosen = np.flatnonzero(self._received_and_visible())
        keys = offset_key(self._lane_of_runs[singles.run[chosen]], singles.offset[chosen])
        order = np.argsort(keys, kind="stable")
        return chosen[order[starts_of(keys[order])]]

    @cached_property
    def received(self) -> Intervals:
        """Those records, from that delivery until processing ended."""
        singles, first = self.deliveries.singles, self.first_delivery
        run, offset = singles.run[first], singles.offset[first]
        lane = self._lane_of_runs[run]
        return Intervals(lane, offset, self.history.polls.row[run], self._ended(lane, offset))

    @cached_property
    def _lane_of_runs(self) -> Column:
        lane: Column = self.deliveries.scope * self.width + self.history.polls.partition
        return lane

    def _received_and_visible(self) -> Column:
        """By delivery."""
        singles, polls, logs = self.deliveries.singles, self.history.polls, self.logs
        theirs: Column = self.scopes[self.deliveries.scope]
        if not len(self.history.appends):
            return theirs[singles.run]  # no log says what is visible
        seen = np.append(logs.visible, False)
        visible = theirs & seen[logs.find(polls.partition, polls.offset)] & self.deliveries.held
        mask: Column = visible[singles.run]
        rest = np.flatnonzero((theirs & ~self.deliveries.held)[singles.run])
        if len(rest):
            partition, offset, value = polls.partition[singles.run[rest]], singles.offset[rest], singles.value[rest]
            mask[rest] = seen[logs.find(partition, offset)] & logs.holds(partition, offset, value)
        return mask

    def _ended(self, lane: Column, offset: Column) -> Column:
        """By place: the row of its first end, NEVER where there is none."""
        places = self.places
        keys = offset_key(places.lane, places.offset)
        if not len(keys):
            return np.full(len(lane), NEVER)
        at = np.minimum(np.searchsorted(keys, offset_key(lane, offset)), len(keys) - 1)
        return np.where(keys[at] == offset_key(lane, offset), places.ended[at], NEVER)

    # --- what a group passed over on purpose --------------------------------------------------------------------------
    def passed_over(self, lane: int) -> tuple[Column, Column]:
        """From where to where the position of a lane was moved: by seeks, and by the reset that was its very start."""
        low, high = self._passed_over.get(lane, ([], []))
        return np.array(low, np.int64), np.array(high, np.int64)

    def began_at(self, lane: int) -> int:
        """Where a lane began on purpose: all below was passed over."""
        begin = 0
        for low, high in sorted(zip(*self._passed_over.get(lane, ([], [])), strict=True)):
            begin = max(begin, high) if low <= begin else begin
        return begin

    @cached_property
    def _passed_over(self) -> dict[int, tuple[list[int], list[int]]]:
        leaps = self.deliveries.leaps
        lane = self.lane_of(leaps.consumer, leaps.partition)
        committed = self.committed_at(lane, leaps.row)
        order = by_group(self._lane_of_runs)
        first = order[starts_of(self._lane_of_runs[order])]
        begun = dict(zip(self._lane_of_runs[first].tolist(), self.history.polls.row[first].tolist(), strict=True))
        low = np.where(leaps.fresh, committed, leaps.low)
        found: dict[int, tuple[list[int], list[int]]] = {}
        for k in range(len(leaps)):
            one, row = int(lane[k]), int(leaps.row[k])
            at_the_start = not committed[k] and row < begun.get(one, NEVER)
            if low[k] < leaps.high[k] and (leaps.kind[k] == FORGET_SEEK or at_the_start):
                lows, highs = found.setdefault(one, ([], []))
                lows.append(int(low[k]))
                highs.append(int(leaps.high[k]))
        return found
