"""High watermarks: which announcements count, and what was committed by them.

A mark counts if the broker that announced it acted as leader of the partition: from its leader event until it first
appends as a follower, so that a zombie goes on announcing.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from analysis.columns import OFFSET_BITS, by_group, offset_key
from analysis.history import Column, History, Marks, Truncations
from analysis.logs import Log, Logs

__all__ = ["Committed", "committed_parts"]


class Committed:
    """Marks of leaders, and the records that stood below them."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self.history: History = logs.history
        self.brokers = logs.brokers

    @cached_property
    def leader_marks(self) -> Marks:
        """High watermarks announced by a broker that acted as leader, with the broker filled in.

        It acts as leader from its leader event until it first appends as a follower: a zombie goes on announcing.
        """
        marks = self.history.marks
        if not len(marks):
            return marks
        if not len(self.history.leaders) and marks.constant("broker") == self.history.first_broker:
            return marks
        current = self._leader_at(marks.partition, marks.row)
        broker = np.where(marks.broker < 0, current, marks.broker)
        acting = broker == current
        others = np.flatnonzero(~acting)
        if len(others):
            acting[others] = self._still_leads(marks.partition[others], broker[others], marks.row[others])
        marks = Marks(marks.row, marks.t, marks.partition, marks.offset, broker)
        return marks if acting.all() else marks.take(acting)

    def _leader_at(self, partition: Column, row: Column) -> Column:
        leaders, first = self.history.leaders, self.history.first_broker
        key = offset_key(leaders.partition, leaders.row)
        order = np.argsort(key, kind="stable")
        at = np.searchsorted(key[order], offset_key(partition, row)) - 1
        if not len(order):
            return np.full(len(row), first)
        event = order[np.maximum(at, 0)]
        return np.where((at >= 0) & (leaders.partition[event] == partition), leaders.broker[event], first)

    def _still_leads(self, partition: Column, broker: Column, row: Column) -> Column:
        """Led once, and has not followed since."""
        leaders, appends = self.history.leaders, self.history.appends
        group = partition.astype(np.int64) * self.brokers + broker
        led = np.sort(offset_key(leaders.partition * self.brokers + leaders.broker, leaders.row))
        at = np.searchsorted(led, offset_key(group, row)) - 1
        since = np.where(at >= 0, led[np.maximum(at, 0)], -1) if len(led) else np.full(len(row), -1, np.int64)
        has_led = (since >> OFFSET_BITS == group) | (broker == self.history.first_broker)
        since = np.where(since >> OFFSET_BITS == group, since, offset_key(group, np.zeros(len(row), np.int64)))
        rows = np.flatnonzero(appends.follower)
        followed = appends.partition[rows].astype(np.int64) * self.brokers + appends.broker[rows]
        followed = np.append(np.sort(offset_key(followed, appends.row[rows])), np.iinfo(np.int64).max)
        following = followed[np.searchsorted(followed, since)]
        still: Column = has_led & (following > offset_key(group, row))
        return still

    @cached_property
    def last_mark(self) -> Column:
        """By partition: the last announced high watermark, 0 where there was none."""
        last = np.zeros(len(self.history.partitions), np.int64)
        last[self.leader_marks.partition] = self.leader_marks.offset
        return last

    def was_cut(self, partition: int, broker: int) -> bool:
        return len(self._cuts_of.rows(partition * self.brokers + broker)) > 0

    @cached_property
    def _marks_of(self) -> ByReplica:
        return ByReplica(self.leader_marks, self.brokers)

    @cached_property
    def _cuts_of(self) -> ByReplica:
        return ByReplica(self.history.truncations, self.brokers)

    def committed(self, partition: int, broker: int, *, removed_only: bool) -> tuple[Log, Column, Column]:
        """What this replica held below its own marks: (copies, how many records of each, the row that cut it off).

        A mark covers what stands in the log below it; a truncation takes the mark down with the log. Copies that still
        stand (cut -1) are left out where *removed_only*.
        """
        order, starts, groups = self.logs.by_replica
        group = partition * self.brokers + broker
        k = int(np.searchsorted(groups, group))
        missing = k == len(groups) or groups[k] != group
        rows = order[:0] if missing else order[starts[k] : starts[k + 1]]
        history = self.history
        mine = self.leader_marks.take(self._marks_of.rows(group))
        cut = history.truncations.take(self._cuts_of.rows(group))
        log = Log(history.appends, rows, history.appends.count[rows])
        log = log.singles() if len(cut) else log  # a cut may fall inside a run
        found = committed_parts(log.row, log.offset, log.count, mine, cut)
        parts = [part for part in found if not (removed_only and part[2] < 0)]
        index = np.concatenate([np.arange(a, b) for a, b, _, _ in parts] or [rows[:0]])
        ends = np.concatenate([np.full(b - a, end) for a, b, _, end in parts] or [rows[:0]])
        removed = np.concatenate([np.full(b - a, row) for a, b, row, _ in parts] or [rows[:0]])
        log = log.take(index)
        return log, np.clip(ends - log.offset, 0, log.count), removed


class ByReplica:
    """The rows of a table by replica, in order."""

    def __init__(self, table: Marks | Truncations, brokers: int) -> None:
        group = table.partition.astype(np.int64) * brokers + table.broker
        self._order = by_group(group)
        self._groups = group[self._order]

    def rows(self, group: int) -> Column:
        return self._order[slice(*np.searchsorted(self._groups, [group, group + 1]))]


def committed_parts(
    row: Column, offset: Column, count: Column, marks: Marks, cuts: Truncations,
) -> list[tuple[int, int, int, int]]:  # fmt: skip
    """Replay one replica: slices (from, to) of its appends, the row that cut them off (-1: none did), and the mark.

    Records of a slice below the mark were committed. The log is a stack of slices with ascending offsets; each cut
    takes from its top.
    """
    stack: list[tuple[int, int]] = []
    found: list[tuple[int, int, int, int]] = []
    mark, done, marked = 0, 0, 0
    for cut_row, to in [*zip(cuts.row.tolist(), cuts.to.tolist(), strict=True), (np.iinfo(np.int64).max, -1)]:
        upto, marks_upto = int(np.searchsorted(row, cut_row)), int(np.searchsorted(marks.row, cut_row))
        if upto > done:
            stack.append((done, upto))
        mark = max(mark, int(marks.offset[marked:marks_upto].max(initial=0)))
        done, marked = upto, marks_upto
        if to < 0:
            return found + [(a, b, -1, mark) for a, b in stack]
        while stack:
            a, b = stack.pop()
            keep = a + int(np.searchsorted(offset[a:b] + count[a:b], to, side="right"))  # wholly below the cut
            if keep < b:
                found.append((keep, b, cut_row, mark))
            if keep > a:
                stack.append((a, keep))
                break
        mark = min(mark, to)
    return found
