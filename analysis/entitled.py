"""What readers are entitled to: all data of the final log, or what is visible for those who read committed data only.

A step of a reader over entitled records leaves out those that it could have read: written, decided by a marker, and not
yet removed when it made the step. Where appends have no times, a marker above what was read is taken to have come later
(anomalies 2.8), and records below it to have been there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from analysis.columns import by_group, expand, offset_key, running_max
from analysis.history import DATA, Column, History
from analysis.logs import Log, Logs

__all__ = ["Entitled", "Ranks", "Steps"]

FIRST_LOOK = 64  # records of a step that are looked at first; most often one of them decides
CHUNK = 1 << 21  # records looked at together


class Ranks:
    """Dense indexes: how many of the chosen records stand below an offset."""

    def __init__(self, log: Log, chosen: Column | None, committed_only: bool = False) -> None:
        """*chosen*: runs of the log, None for all."""
        self.runs, self.committed_only = chosen, committed_only
        some = log if chosen is None else log.take(chosen)
        self.partition, self.offset, self.count = some.partition, some.offset, some.count
        self._keys = offset_key(self.partition, self.offset)
        self._below = np.concatenate(([0], np.cumsum(self.count)))

    def below(self, partition: Column, offset: Column) -> Column:
        """Records of earlier partitions, and of this one below the offset."""
        run = np.searchsorted(self._keys, offset_key(partition, offset), side="right") - 1
        if not len(self._keys):
            return np.zeros(len(offset), np.int64)
        at = np.maximum(run, 0)
        inside = np.where(self.partition[at] == partition, offset - self.offset[at], self.count[at])
        found: Column = np.where(run < 0, 0, self._below[at] + np.minimum(inside, self.count[at]))
        return found

    def place(self, rank: Column) -> tuple[Column, Column]:
        """The run of the log and the offset of the records with these dense indexes."""
        at = np.searchsorted(self._below, rank, side="right") - 1
        run = at if self.runs is None else self.runs[at]
        return run, self.offset[at] + rank - self._below[at]


class Steps:
    """Over the records strictly between offsets *low* and *high* of a partition, made in *row*."""

    def __init__(self, ranks: Ranks, partition: Column, low: Column, high: Column, row: Column) -> None:
        self.ranks, self.high, self.row = ranks, high, row
        self.first, last = ranks.below(partition, low + 1), ranks.below(partition, high)
        self.size = np.maximum(last - self.first, 0)


class Entitled:
    def __init__(self, history: History, logs: Logs) -> None:
        self.history, self.logs = history, logs

    @cached_property
    def _data(self) -> Ranks:
        data = self.logs.final.kind == DATA
        return Ranks(self.logs.final, None if data.all() else np.flatnonzero(data))

    @cached_property
    def _visible(self) -> Ranks:
        if self.logs.transaction_state is None:
            return self._data
        return Ranks(self.logs.final, np.flatnonzero(self.logs.visible), committed_only=True)

    def skipping(self, committed_only: Column, partition: Column, low: Column, high: Column, row: Column) -> Column:
        """By step: it leaves out a record that the reader could have read."""
        found = np.zeros(len(low), bool)
        for only, ranks in ((False, self._data), (True, self._visible)):
            mine = np.flatnonzero(committed_only == only)
            if len(mine):
                steps = Steps(ranks, partition[mine], low[mine], high[mine], row[mine])
                found[mine] = self._skipping(steps)
        return found

    def left_out(self, committed_only: bool, step: tuple[int, int, int, int]) -> tuple[Column, Column]:
        """Offsets and values of all records that one step (partition, low, high, row) leaves out."""
        ranks = self._visible if committed_only else self._data
        steps = Steps(ranks, *(np.array([x]) for x in step))
        run, offset = ranks.place(np.arange(int(steps.size[0])) + steps.first[0])
        which = np.zeros(len(run), np.int64)
        ok = self._readable(steps, which, run, offset)
        run, offset = run[ok], offset[ok]
        log = self.logs.final
        return offset, log.value[run] + offset - log.offset[run]

    def _skipping(self, steps: Steps) -> Column:
        found = np.zeros(len(steps.size), bool)
        done = np.zeros(len(steps.size), np.int64)
        for look in (FIRST_LOOK, np.iinfo(np.int64).max):
            open_ones = np.flatnonzero(~found & (steps.size > done))
            for chunk in _chunks(open_ones, np.minimum(steps.size - done, look)):
                count = np.minimum(steps.size - done, look)[chunk]
                which, rank = expand(count, (steps.first + done)[chunk])
                which = chunk[which]
                ok = self._readable(steps, which, *steps.ranks.place(rank))
                found[which[ok]] = True
            done = np.minimum(steps.size, FIRST_LOOK)
        return found

    def _readable(self, steps: Steps, which: Column, run: Column, offset: Column) -> Column:
        """By step and record (run of the final log, offset)."""
        logs, log, row = self.logs, self.logs.final, steps.row[which]
        ok = np.ones(len(run), bool)
        if self.history.append_times:
            late = np.flatnonzero(log.row[run] >= row)  # this copy came later; another one may have stood there before
            there = run[late]
            ok[late] = logs.written.first(log.partition[there], log.offset[there], log.value[there]) < row[late]
        if steps.ranks.committed_only and logs.marker is not None:
            marker = logs.marker[run]
            at = np.maximum(marker, 0)
            in_time = logs.append_row[at] < row if self.history.append_times else log.offset[at] < steps.high[which]
            ok &= (marker < 0) | in_time
        return ok & ~self._removed(log.partition[run], offset, row)

    def _removed(self, partition: Column, offset: Column, row: Column) -> Column:
        """Compacted or expired before *row*."""
        removed = np.zeros(len(offset), bool)
        keys, rows = self._compacted
        if len(keys):
            at = np.minimum(np.searchsorted(keys, offset_key(partition, offset)), len(keys) - 1)
            removed |= (keys[at] == offset_key(partition, offset)) & (rows[at] < row)
        keys, starts = self._expired
        if len(keys):
            at = np.searchsorted(keys, offset_key(partition, row)) - 1
            here = (at >= 0) & (keys[np.maximum(at, 0)] >= offset_key(partition, np.zeros_like(row)))
            removed |= here & (offset < starts[np.maximum(at, 0)])
        return removed

    @cached_property
    def _compacted(self) -> tuple[Column, Column]:
        """Sorted (partition, offset) keys, and the row in which each was removed first."""
        table = self.history.compactions
        keys, first = np.unique(offset_key(table.partition, table.offset), return_index=True)
        return keys, table.row[first]

    @cached_property
    def _expired(self) -> tuple[Column, Column]:
        """Sorted (partition, row) keys, and where the log began from then on."""
        table = self.history.log_starts
        order = by_group(table.partition)
        partition, offset = table.partition[order], table.offset[order]
        lifted, highest = running_max(offset, partition)
        return offset_key(partition, table.row[order]), offset + (highest - lifted)


def _chunks(steps: Column, size: Column) -> Iterator[Column]:
    """Steps in portions of about CHUNK records."""
    if len(steps):
        portion = np.cumsum(size[steps]) // CHUNK
        yield from np.split(steps, np.flatnonzero(np.diff(portion)) + 1)
