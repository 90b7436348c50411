"""The logs that brokers end with, worked out from appends and truncations.

- A replica's log: what broker b appended to partition p, minus what its own truncations cut off later.
- The final log of a partition: the log of its last leader (broker 1 where no leader event came).
- *Visible*: data records of the final log, without those whose transaction aborted or is still open. A marker decides
  the records before it of the same producer id (of the same transaction where it carries none).
- Retention and compaction take nothing out of these logs: what they removed was once stored as it had to be. ``gone``
  tells the two apart.

Runs stay runs: only the visible records are expanded, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.columns import (
    PIECE,
    by_group,
    combine,
    coverage,
    expand,
    first_of_each,
    offset_key,
    slices,
    starts_of,
)
from analysis.history import COMMIT, DATA, Appends, Column, History
from analysis.written import Written

__all__ = ["NO_TRANSACTION", "OPEN", "Log", "Logs", "RecordView"]

OPEN, NO_TRANSACTION = -1, -2  # Logs.marker


@dataclass(slots=True)
class RecordView:
    """Visible records of the final logs, by partition and offset; ``run`` points into the log's runs."""

    run: Column
    partition: Column
    offset: Column
    value: Column


class Log:
    """Runs of one or more logs, ordered by partition (and broker) and offset. Columns are gathered when asked for.

    *own*: columns that are not those of the appends in ``rows``.
    """

    def __init__(self, appends: Appends, rows: Column, count: Column, own: dict[str, Column] | None = None) -> None:
        self._appends, self.rows, self.count, self._own = appends, rows, count, own or {}
        self._columns: dict[str, Column] = {"count": count, **self._own}

    def __len__(self) -> int:
        return len(self.rows)

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_"):
            raise AttributeError(name)
        columns: dict[str, Column] = self._columns
        if name not in columns:
            same = self._appends.constant(name)
            chosen = getattr(self._appends, name)[self.rows] if same is None else np.broadcast_to(same, len(self.rows))
            columns[name] = chosen
        return columns[name]

    def take(self, chosen: Column) -> Log:
        own = {name: column[chosen] for name, column in self._own.items()}
        return Log(self._appends, self.rows[chosen], self.count[chosen], own)

    def singles(self) -> Log:
        """The same records as runs of one."""
        run, offset, value = expand(self.count, self.offset, np.maximum(self.value, -1))
        inside = offset - self.offset[run]
        seq = self.seq[run]
        own = {"offset": offset, "value": np.where(self.kind[run] == DATA, value, -1)}
        own["seq"] = np.where(seq >= 0, (seq + inside) & 0x7FFFFFFF, seq)
        return Log(self._appends, self.rows[run], np.ones(len(run), np.int64), own)


class Logs:
    """All logs of a history. Everything is computed once, when first asked for."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.brokers = len(history.brokers)

    @cached_property
    def last_leader(self) -> Column:
        leaders = self.history.leaders
        last = np.full(len(self.history.partitions), self.history.first_broker)
        last[leaders.partition] = leaders.broker  # later rows overwrite earlier ones
        return last

    @cached_property
    def log_start(self) -> Column:
        start = np.zeros(len(self.history.partitions), np.int64)
        np.maximum.at(start, self.history.log_starts.partition, self.history.log_starts.offset)
        return start

    @cached_property
    def compacted(self) -> Column:
        """Sorted keys of removed offsets."""
        table = self.history.compactions
        return np.unique(offset_key(table.partition, table.offset))

    def gone(self, partition: Column, offset: Column) -> Column:
        """Removed by retention or compaction."""
        mask: Column = offset < self.log_start[partition]
        if len(self.compacted):
            mask |= np.isin(offset_key(partition, offset), self.compacted)
        return mask

    # --- replicas -----------------------------------------------------------------------------------------------------
    @cached_property
    def by_replica(self) -> tuple[Column, Column, Column]:
        """Append rows in order of (partition, broker); where each such replica begins; its group number."""
        appends, most = self.history.appends, len(self.history.partitions) * self.brokers
        group = np.empty(len(appends), np.uint16 if most <= 1 << 16 else np.int64)
        for piece in slices(len(appends)):
            group[piece] = appends.partition[piece] * self.brokers + appends.broker[piece]
        order = by_group(group)
        if most > 4 * len(group):
            starts = starts_of(group[order])
            return order, np.append(starts, len(order)), group[order[starts]].astype(np.int64)
        sizes = np.bincount(group)
        groups = np.flatnonzero(sizes)
        return order, np.cumsum([0, *sizes[groups]]), groups

    @cached_property
    def _kept(self) -> Column:
        """How many records of each append (in the order of by_replica) no later truncation cut off."""
        appends, (order, starts, groups) = self.history.appends, self.by_replica
        kept = appends.count[order]
        cuts = self.history.truncations
        cut_group = cuts.partition.astype(np.int64) * self.brokers + cuts.broker
        by_replica = by_group(cut_group)
        cut_group = cut_group[by_replica]
        for k in np.flatnonzero(np.isin(groups, cut_group)):
            mine = by_replica[slice(*np.searchsorted(cut_group, [groups[k], groups[k] + 1]))]
            lowest = np.append(np.minimum.accumulate(cuts.to[mine][::-1])[::-1], np.iinfo(np.int64).max)
            rows = order[starts[k] : starts[k + 1]]
            bound = lowest[np.searchsorted(cuts.row[mine], appends.row[rows])]
            kept[starts[k] : starts[k + 1]] = np.clip(bound - appends.offset[rows], 0, appends.count[rows])
        return kept

    def replicas(self) -> list[tuple[int, int, Log]]:
        """(partition, broker, log as it ended) of every replica that ever wrote."""
        order, starts, groups = self.by_replica
        found = []
        for k, group in enumerate(groups.tolist()):
            span = slice(starts[k], starts[k + 1])
            partition, broker = divmod(group, self.brokers)
            found.append((partition, broker, self._log(order[span], self._kept[span])))
        return found

    def _log(self, rows: Column, kept: Column) -> Log:
        if len(kept) and not kept.all():
            rows, kept = rows[kept > 0], kept[kept > 0]
        return Log(self.history.appends, rows, kept)

    def find(self, partition: Column, offset: Column) -> Column:
        """The run of the final log that holds each place, -1 where none does."""
        log, table = self.final, self._table
        if not len(log):
            return np.full(len(offset), -1, np.int64)
        if table is None:
            run = np.searchsorted(self._keys, offset_key(partition, offset), side="right") - 1
        else:
            known = (partition >= 0) & (offset >= 0) & (offset < table.shape[1]) & (partition < table.shape[0])
            run = np.full(len(offset), -1, np.int64)
            run[known] = table[partition[known], offset[known]] if not known.all() else table[partition, offset]
        at = np.maximum(run, 0)
        here = (run >= 0) & (log.partition[at] == partition) & (offset < log.offset[at] + log.count[at])
        found: Column = np.where(here, run, -1)
        return found

    def holds(self, partition: Column, offset: Column, value: Column, count: Column | int = 1) -> Column:
        """Whether one run of the final log has these values at these offsets."""
        if len(offset) > PIECE:
            several = isinstance(count, np.ndarray)
            found = [
                self.holds(partition[p], offset[p], value[p], count[p] if several else count)  # type: ignore[index]
                for p in slices(len(offset))
            ]
            return np.concatenate(found)
        log, run = self.final, self.find(partition, offset)
        at = np.maximum(run, 0)
        if not len(log):
            return np.zeros(len(offset), bool)
        inside = offset - log.offset[at]
        same: Column = (run >= 0) & (log.value[at] + inside == value) & (inside + count <= log.count[at])
        same &= log.kind[at] == DATA
        return same

    @cached_property
    def _keys(self) -> Column:
        return offset_key(self.final.partition, self.final.offset)

    @cached_property
    def _table(self) -> Column | None:
        """By partition and offset: the last run that begins there or before (None: offsets are too sparse for this)."""
        log = self.final
        height, width = len(self.history.partitions), self.longest
        if height * width > 8 * int(log.count.sum()) + (1 << 20):
            return None
        table = np.full(height * width, -1, np.int32)
        for piece in slices(len(log)):
            place = log.partition[piece].astype(np.int64) * width + log.offset[piece]
            table[place] = np.arange(piece.start, piece.stop, dtype=np.int32)
        return np.maximum.accumulate(table, out=table).reshape(height, width)

    @cached_property
    def longest(self) -> int:
        """Where the longest final log ends."""
        log = self.final
        return max((int((log.offset[piece] + log.count[piece]).max()) for piece in slices(len(log))), default=0)

    def of_partition(self, partition: int) -> Log:
        """The final log of one partition."""
        span = np.searchsorted(self.final.partition, [partition, partition + 1])
        return self.final.take(np.arange(*span))

    # --- the final log ------------------------------------------------------------------------------------------------
    @cached_property
    def final(self) -> Log:
        order, starts, groups = self.by_replica
        chosen = np.isin(groups, self._final_groups)
        mask = np.repeat(chosen, np.diff(starts))
        log = self._log(order[mask], self._kept[mask])
        return log if _ascending(log) else _tidied(log)

    @property
    def _final_groups(self) -> Column:
        return np.arange(len(self.last_leader)) * self.brokers + self.last_leader

    @cached_property
    def visible(self) -> Column:
        """By run of the final log."""
        data: Column = self.final.kind == DATA
        state = self.transaction_state
        return data if state is None else data & (state == COMMIT)

    @cached_property
    def transaction_state(self) -> Column | None:
        """By run of the final log: COMMIT (also where there is no transaction), ABORT, or -1 while open."""
        marker = self.marker
        if marker is None:
            return None
        undecided = np.where(marker == NO_TRANSACTION, COMMIT, -1)
        state: Column = np.where(marker >= 0, self.final.kind[np.maximum(marker, 0)], undecided)
        return state

    @cached_property
    def marker(self) -> Column | None:
        """By run of the final log: the run of the marker that decides it, OPEN or NO_TRANSACTION."""
        log, txn = self.final, self.txn_of_runs
        if txn is None:
            return None
        data, has_pid = log.kind == DATA, log.pid >= 0
        writes, named = data & (txn >= 0), data & (txn >= 0) & (txn < len(self.history.txns))
        first = np.full(len(log), len(log))
        for records, markers, owner in (
            (writes & has_pid, ~data & has_pid, log.pid), (named & ~has_pid, ~data, txn), (named, ~data & ~has_pid, txn)
        ):  # fmt: skip
            if records.any() and markers.any():
                rows, deciding = self._deciding(np.flatnonzero(records | markers), owner)
                first[rows] = np.minimum(first[rows], deciding)
        return np.where(writes, np.where(first < len(log), first, OPEN), NO_TRANSACTION)

    def _deciding(self, rows: Column, owner: Column) -> tuple[Column, Column]:
        """These rows, each owner's together, and the next marker of that owner (the length of the log: none)."""
        lane = combine(self.final.partition[rows], owner[rows])
        order = by_group(lane)
        rows, lane = rows[order], lane[order]
        deciding = _next_marker(self.final.kind[rows], lane)
        return rows, np.where(deciding >= 0, rows[deciding], len(self.final))

    @cached_property
    def txn_of_runs(self) -> Column | None:
        """By run: its transaction, from the append or else from the send. None: the history has no transactions."""
        log, sends = self.final, self.history.records
        if not len(self.history.txns) and not (self.history.appends.kind != DATA).any():
            return None
        txn = np.where(log.txn < 0, np.append(sends.txn, -1)[log.value], log.txn)
        decided = np.unique(self.history.appends.pid[self.history.appends.kind != DATA])
        unnamed = (txn < 0) & (log.kind == DATA) & (log.pid >= 0) & np.isin(log.pid, decided)
        return np.where(unnamed, len(self.history.txns), txn)  # a marker's producer id writes in transactions only

    @cached_property
    def copies(self) -> Column:
        """By value: how many visible records it has."""
        log = self.final if self.visible.all() else self.final.take(np.flatnonzero(self.visible))
        return coverage(log.value, log.count, len(self.history.values))

    @cached_property
    def records(self) -> RecordView:
        runs = np.flatnonzero(self.visible) if not self.visible.all() else None
        log = self.final if runs is None else self.final.take(runs)
        run, offset, value = expand(log.count, log.offset, log.value)
        partition = log.partition if len(run) == len(log) else log.partition[run]
        return RecordView(run if runs is None else runs[run], partition, offset, value)

    def places_of_runs(self, runs: Column) -> Column:
        """Positions in ``records`` of all records of these visible runs of the final log (ascending)."""
        if not len(runs):
            return runs
        first = np.searchsorted(self.records.run, runs)
        return expand(self.final.count[runs], first)[1]

    @cached_property
    def place_of(self) -> Column:
        """By value: its first position in ``records``, -1 where it is not visible."""
        return first_of_each(self.records.value, len(self.history.values))

    @cached_property
    def append_row(self) -> Column:
        """By run of the final log: the row in which a leader wrote it (a final leader may have copied it)."""
        log, appends = self.final, self.history.appends
        copied = np.flatnonzero(log.follower)
        if not len(copied):
            return log.row
        written = Written(appends, np.flatnonzero(appends.follower == 0))
        row = log.row.astype(np.int64)
        found = written.last(log.partition[copied], log.offset[copied], log.value[copied], row[copied])
        row[copied] = np.where(found >= 0, found, row[copied])
        return row

    @cached_property
    def written(self) -> Written:
        """Every append of any broker, by place."""
        return Written(self.history.appends, np.arange(len(self.history.appends)))


def _ascending(log: Log) -> bool:
    """Runs of one partition follow each other without overlap."""
    for piece in slices(len(log) - 1):
        behind = slice(piece.start + 1, piece.stop + 1)
        below = log.offset[behind] < log.offset[piece] + log.count[piece]
        if (below & (log.partition[behind] == log.partition[piece])).any():
            return False
    return True


def _tidied(log: Log) -> Log:
    """A log told badly (an offset written twice without a truncation between): every different record is kept."""
    log = log.singles()
    order = np.lexsort((log.row, log.lep, log.kind, log.value, log.offset, log.partition))
    same = np.ones(len(order), bool)
    for column in (log.partition, log.offset, log.value, log.kind, log.lep):
        same[1:] &= column[order[1:]] == column[order[:-1]]
    same[:1] = False
    order = order[~same]
    return log.take(order[np.lexsort((log.row[order], log.offset[order], log.partition[order]))])


def _next_marker(kind: Column, lane: Column) -> Column:
    """The position of the next marker of the same lane, -1 where none follows; lanes stand together."""
    if not len(kind):
        return kind
    none = len(kind)
    following = np.minimum.accumulate(np.where(kind != DATA, np.arange(none), none)[::-1])[::-1]
    same = np.append(lane, -1)[following] == lane
    return np.where(same, following, -1)
