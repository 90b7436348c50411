"""One replica's copy of one partition: batches in offset order, the marks on it, and what is derived from it.

Laws, re-checked by :meth:`Log.check`:

- offsets are dense: a batch starts where the one before it ended;
- ``start <= high_watermark <= end`` and ``flushed <= end``;
- leader epochs never decrease along the log.

That a committed record survives is *not* a law here: an unclean election may truncate below the high watermark.

Marks are exclusive, as in Kafka: each is the first offset that it does not cover. Batches are never copied; replicas
share them. Pure: no clock, no randomness, no I/O.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from sim.errors import LawBroken
from sim.protocol.leader_epochs import LeaderEpochs
from sim.protocol.messages import RecordBatch
from sim.protocol.producer_state import ProducerStates, Snapshot
from sim.protocol.settings import TopicSettings

__all__ = ["DurableLog", "Log"]

_NEVER = 1 << 61


@dataclass(slots=True)
class DurableLog:
    """What of a replica's log is on its disk after a crash or a clean stop."""

    bases: list[int] = field(default_factory=list)
    batches: list[RecordBatch] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    start: int = 0
    cache: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))  # leader epochs and their starts
    producers: Snapshot = field(default_factory=dict)
    high_watermark: int = 0  # as last checkpointed
    flushed: int = 0  # what is below stays, should the host itself be lost
    lost_from: int = -1  # first offset that went with the pages that were not flushed, -1 nothing did


class Log:
    """The log of one partition on one broker."""

    __slots__ = (
        "_flushes", "_room", "_segments", "_snapshots", "_stamps", "bases", "batches", "end",
        "epochs", "flushed", "flushed_us", "high_watermark", "last_epoch", "leader_epochs", "partition", "producers",
        "settings", "start",
    )  # fmt: skip

    def __init__(self, partition: int, settings: TopicSettings) -> None:
        self.partition, self.settings = partition, settings
        self.bases: list[int] = []
        self.batches: list[RecordBatch] = []
        self.epochs: list[int] = []  # leader epoch of each batch
        self.start = self.end = self.high_watermark = self.flushed = 0
        self.leader_epochs = LeaderEpochs()
        self.last_epoch = -1  # leader_epochs.latest, kept at hand
        self.producers = ProducerStates()
        self._snapshots: list[tuple[int, Snapshot]] = []
        self._segments = [0]  # base offsets
        self._room = settings.segment_bytes  # left in the newest segment
        self._stamps = settings.log_append_time
        self._flushes = settings.flush_messages < _NEVER
        self.flushed_us = 0  # time of the last flush, at first of its opening

    # --- writing ------------------------------------------------------------------------------------------------------
    def append(self, batch: RecordBatch, leader_epoch: int, now_us: int) -> int:
        """Give *batch* the next offsets and keep it; return its base offset. Checks are the caller's."""
        base = self.end
        self.bases.append(base)
        self.batches.append(batch)
        self.epochs.append(leader_epoch)
        if leader_epoch != self.last_epoch:
            self.assign_epoch(leader_epoch)
        self.end = base + batch.hi - batch.lo
        if self._flushes and self.end - self.flushed >= self.settings.flush_messages:
            self.flush(now_us)
        if batch.pid >= 0:
            self.producers.store(batch, base, now_us if self._stamps else batch.max_timestamp_us)
        room = self._room = self._room - batch.size_bytes
        if room < 0:
            self._roll(now_us)
        return base

    def assign_epoch(self, leader_epoch: int) -> None:
        """From the log's end on, records are of this epoch."""
        if leader_epoch != self.last_epoch:
            # The batch that brings a new epoch is already in the lists; `end` still names its base.
            self.leader_epochs.assign(leader_epoch, self.end)
            self.last_epoch = self.leader_epochs.latest

    def _roll(self, now_us: int) -> None:
        """A full segment is closed: it is flushed, and a snapshot of producers taken (broker:APP-27)."""
        self.flush(now_us)
        self._snapshots.append((self.end, self.producers.snapshot()))
        self._segments.append(self.end)
        self._room = self.settings.segment_bytes

    def flush(self, now_us: int) -> None:
        """What was appended is on the disk."""
        if self.end > self.flushed:  # else the time of the last one stays (LocalLog.markFlushed)
            self.flushed, self.flushed_us = self.end, now_us

    def flush_if_due(self, now_us: int) -> None:
        """Now and then the broker looks which logs were not flushed for ``flush.ms`` (LogManager.flushDirtyLogs)."""
        if now_us - self.flushed_us >= self.settings.flush_us:
            self.flush(now_us)

    # --- reading ------------------------------------------------------------------------------------------------------
    def read(self, offset: int, upto: int, max_bytes: int) -> tuple[int, int]:
        """Positions ``i..j`` of the batches from *offset* on that begin below *upto*; the first is returned whole
        even where it is larger than *max_bytes*. The caller has checked the range."""
        bases, batches = self.bases, self.batches
        if offset >= upto or not bases:
            return 0, 0
        i = len(bases) - 1
        if bases[i] > offset:
            i = bisect_right(bases, offset) - 1
        j = len(bases) if upto >= self.end else bisect_left(bases, upto)
        if j - i > 1:
            room = max_bytes - batches[i].size_bytes
            for k in range(i + 1, j):
                room -= batches[k].size_bytes
                if room < 0:
                    return i, k
        return i, j

    def bytes_between(self, offset: int, upto: int, enough: int) -> int:
        """Size of what a read would return, counted until it is *enough*."""
        i, j = self.read(offset, upto, 1 << 60)
        total = 0
        for k in range(i, j):
            total += self.batches[k].size_bytes
            if total >= enough:
                break
        return total

    # --- truncating ---------------------------------------------------------------------------------------------------
    def truncate_to(self, offset: int) -> int:
        """Remove everything at and above *offset* (whole batches); return how many records went (broker:APP-29)."""
        if offset >= self.end:
            # An epoch that began at the end and got no record is not in the leader's list either.
            self.leader_epochs.truncate_from_end(self.end)
            self.last_epoch = self.leader_epochs.latest
            return 0
        if offset < self.start:  # nothing is left, and the log goes on at the offset itself (UnifiedLog.truncateTo)
            return self.restart_at(offset)
        keep = bisect_left(self.bases, offset)
        if keep and self.bases[keep - 1] + self.batches[keep - 1].count > offset:
            keep -= 1
        before, self.end = self.end, max(self.start, self.bases[keep] if keep < len(self.bases) else offset)
        del self.bases[keep:], self.batches[keep:], self.epochs[keep:]
        self.high_watermark = min(self.high_watermark, self.end)
        self.flushed = min(self.flushed, self.end)
        self.leader_epochs.truncate_from_end(self.end)
        self.last_epoch = self.leader_epochs.latest
        self._drop_segments_from(self.end)
        self._rebuild_producers()
        return before - self.end

    def restart_at(self, offset: int) -> int:
        """Full truncation: the leader's log begins above all that is here, or ends below it (broker:REP-23)."""
        gone = self.end - self.start
        self.bases, self.batches, self.epochs = [], [], []
        self.start = self.end = self.high_watermark = self.flushed = offset
        self.leader_epochs, self.last_epoch = LeaderEpochs(), -1
        self.producers, self._snapshots = ProducerStates(), []
        self._segments, self._room = [offset], self.settings.segment_bytes
        return gone

    def _drop_segments_from(self, offset: int) -> None:
        while len(self._segments) > 1 and self._segments[-1] > offset:
            self._segments.pop()
        first = bisect_left(self.bases, self._segments[-1])
        self._room = self.settings.segment_bytes - sum(batch.size_bytes for batch in self.batches[first:])

    def _rebuild_producers(self) -> None:
        """From the newest snapshot that is not above the end, then by re-reading the log from there (broker:APP-29)."""
        self._snapshots = [kept for kept in self._snapshots if self.start < kept[0] <= self.end]
        start, snapshot = self._snapshots[-1] if self._snapshots else (self.start, {})
        self.producers.load(snapshot)
        for i in range(bisect_left(self.bases, start), len(self.bases)):
            if self.batches[i].pid >= 0:
                self.producers.store(self.batches[i], self.bases[i], self.batches[i].max_timestamp_us)
        if not self._snapshots or self._snapshots[-1][0] != self.end:
            self._snapshots.append((self.end, self.producers.snapshot()))

    @property
    def snapshot_offsets(self) -> tuple[int, ...]:
        return tuple(offset for offset, _ in self._snapshots)

    def take_snapshot(self) -> None:
        self._snapshots.append((self.end, self.producers.snapshot()))

    # --- the front end of the log -------------------------------------------------------------------------------------
    def raise_start(self, offset: int) -> bool:
        """The log now begins at *offset*; what lies wholly below goes. True if it moved."""
        offset = min(offset, self.end)
        if offset <= self.start:
            return False
        self.start = offset
        gone = max(0, bisect_right(self.bases, offset) - 1)
        if gone < len(self.bases) and self.bases[gone] + self.batches[gone].count <= offset:
            gone += 1
        del self.bases[:gone], self.batches[:gone], self.epochs[:gone]
        self.high_watermark = max(self.high_watermark, offset)
        self.leader_epochs.truncate_from_start(offset)
        while len(self._segments) > 1 and self._segments[1] <= offset:
            del self._segments[0]
        return True

    def retain(self, now_us: int) -> bool:
        """Remove what is past its retention. True if the log's start moved."""
        start = self.retention_start(now_us)
        if self.start < start == self.end and self.bases:
            self._roll(now_us)  # the newest segment goes too; an empty one takes its place
        return self.raise_start(start)

    def offset_of_time(self, timestamp_us: int) -> int:
        """The first offset of the first batch that has a record not older, below the high watermark; -1: there is none.

        Kafka goes on to look for the record in it; a batch here tells only its newest timestamp.
        """
        for base, batch in zip(self.bases, self.batches, strict=True):
            if batch.max_timestamp_us >= timestamp_us and base < self.high_watermark:
                return max(base, self.start)
        return -1

    def retention_start(self, now_us: int) -> int:
        """Where the log begins once segments past their retention, wholly below the high watermark, are gone: first by
        size, then by time (``UnifiedLog.deleteOldSegments``). The newest one goes like the others."""
        keep_us, keep_bytes = self.settings.retention_us, self.settings.retention_bytes
        ends = [*self._segments[1:], self.end]
        parts = [
            (high, self.batches[bisect_left(self.bases, low) : bisect_left(self.bases, high)])
            for low, high in zip(self._segments, ends, strict=True)
            if high <= self.high_watermark and high > low
        ]
        start = self.start
        surplus = sum(batch.size_bytes for batch in self.batches) - keep_bytes if keep_bytes >= 0 else -1
        while parts and (surplus := surplus - sum(batch.size_bytes for batch in parts[0][1])) >= 0:
            start = parts.pop(0)[0]
        while parts and keep_us >= 0 and all(now_us - batch.max_timestamp_us > keep_us for batch in parts[0][1]):
            start = parts.pop(0)[0]
        return start

    # --- death and return ---------------------------------------------------------------------------------------------
    def survive(self, lossy: bool, high_watermark: int) -> DurableLog:
        """What a crash leaves on disk; *lossy*: pages that were not flushed are gone with the host (broker:FAIL-17)."""
        lost_from = -1
        if lossy and self.flushed < self.end:
            self.truncate_to(max(self.flushed, self.start))
            lost_from = self.end
        cache = (list(self.leader_epochs.epochs), list(self.leader_epochs.starts))
        producers = self.producers.snapshot()
        return DurableLog(
            self.bases, self.batches, self.epochs, self.start, cache, producers, high_watermark, self.flushed, lost_from
        )

    @classmethod
    def recover(cls, partition: int, settings: TopicSettings, kept: DurableLog) -> Log:
        """The log as a restarted broker loads it: one remembered batch per producer (broker:APP-28)."""
        log = cls(partition, settings)
        log.bases, log.batches, log.epochs, log.start = kept.bases, kept.batches, kept.epochs, kept.start
        log.end = kept.bases[-1] + kept.batches[-1].count if kept.bases else kept.start
        log.flushed = kept.flushed  # recovery reads and writes nothing back (LogLoader.recoverLog)
        log.leader_epochs.epochs, log.leader_epochs.starts = list(kept.cache[0]), list(kept.cache[1])
        log.leader_epochs.truncate_from_end(log.end)
        log.last_epoch = log.leader_epochs.latest
        log.producers.load(kept.producers)
        log._snapshots = [(log.end, kept.producers)]
        log.high_watermark = min(max(kept.high_watermark, log.start), log.end)
        log._segments = [log.start]
        log._room -= sum(batch.size_bytes for batch in log.batches)
        return log

    # --- laws ---------------------------------------------------------------------------------------------------------
    def check(self, name: str) -> None:
        """Raise :class:`LawBroken` if a law of this module does not hold; *name* stands at the head of the message."""
        expected = self.bases[0] if self.bases else self.end
        for base, batch in zip(self.bases, self.batches, strict=True):
            if base != expected or batch.count <= 0:
                raise LawBroken("dense offsets", f"{name}: a batch begins at {base} where {expected} is next")
            expected = base + batch.count
        if expected != self.end:
            raise LawBroken("dense offsets", f"{name}: the last batch ends at {expected}, the log at {self.end}")
        if any(later < earlier for earlier, later in zip(self.epochs, self.epochs[1:], strict=False)):
            raise LawBroken("INV-16", f"{name}: leader epochs decrease along the log: {self.epochs}")
        if not self.start <= self.high_watermark <= self.end or self.flushed > self.end:
            raise LawBroken(
                "INV-20f",
                f"{name}: start {self.start} <= high watermark {self.high_watermark} <= end {self.end} does not hold",
            )
