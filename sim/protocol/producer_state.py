"""What one partition remembers of each producer, and its verdict on the next batch (``broker:APP-15`` to ``APP-34``).

Laws: at most five batches are remembered per producer, all of its current epoch, newest last.

The verdict knows nothing of other partitions (``broker:APP-25``) and of no batch older than the five: an older
duplicate is *out of order*, not a success. An unknown producer may begin with any sequence: that hole is Kafka's
(``broker:APP-32``).
"""

from __future__ import annotations

from collections import deque

from sim.protocol.messages import RecordBatch

__all__ = ["ACCEPT", "DUPLICATE", "Entry", "ProducerStates", "Snapshot"]

ACCEPT = 0
DUPLICATE = -1  # no error code of Kafka's is meant by it; other verdicts are error codes
_OUT_OF_ORDER = 45
_INVALID_EPOCH = 47
_SEQUENCES = 1 << 31  # sequences wrap from 2147483647 to 0 (broker:APP-16)

# pid -> (epoch, last sequence, newest batch or None, its timestamp): only the newest survives a restart (broker:APP-27)
Snapshot = dict[int, tuple[int, int, tuple[int, int, int] | None, int]]


class Entry:
    """One producer id on one partition."""

    __slots__ = ("batches", "epoch", "last_seq", "last_timestamp_us")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.last_seq = -1  # -1: a marker only, the next sequence is 0 (broker:APP-34)
        self.last_timestamp_us = 0
        self.batches: deque[tuple[int, int, int]] = deque(maxlen=5)  # (first sequence, last sequence, base offset)

    @property
    def next_seq(self) -> int:
        return (self.last_seq + 1) % _SEQUENCES


class ProducerStates:
    """All producers known to one partition."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}

    def judge(self, batch: RecordBatch) -> int:
        """:data:`ACCEPT`, :data:`DUPLICATE` or an error code; changes nothing (broker:APP-17)."""
        entry = self.entries.get(batch.pid)
        if entry is None:
            return ACCEPT  # any first sequence (broker:APP-31)
        epoch, seq = batch.epoch, batch.seq
        if epoch == entry.epoch:
            if seq == (entry.last_seq + 1) % _SEQUENCES:
                return ACCEPT
            return _OUT_OF_ORDER if self.original(batch) is None else DUPLICATE
        if epoch < entry.epoch:
            return _INVALID_EPOCH
        return ACCEPT if seq == 0 else _OUT_OF_ORDER

    def original(self, batch: RecordBatch) -> int | None:
        """The base offset under which exactly this sequence range is remembered (broker:APP-19, APP-21)."""
        entry = self.entries.get(batch.pid)
        if entry is None or entry.epoch != batch.epoch:
            return None
        last = (batch.seq + batch.hi - batch.lo - 1) % _SEQUENCES
        for first_seq, last_seq, base in entry.batches:
            if first_seq == batch.seq and last_seq == last:
                return base
        return None

    def store(self, batch: RecordBatch, base: int, timestamp_us: int) -> None:
        """The batch is in the log at *base*; followers store whatever the leader stored (broker:APP-24)."""
        entry = self.entries.get(batch.pid)
        if entry is None:
            entry = self.entries[batch.pid] = Entry(batch.epoch)
        elif entry.epoch != batch.epoch:
            entry.epoch = batch.epoch
            entry.batches.clear()  # retries of the old epoch are fenced now, not duplicates (broker:APP-18)
        seq = batch.seq
        last = entry.last_seq = (seq + batch.hi - batch.lo - 1) % _SEQUENCES
        entry.batches.append((seq, last, base))
        entry.last_timestamp_us = timestamp_us

    def store_marker(self, pid: int, epoch: int) -> None:
        """A transaction marker: a higher epoch empties what is remembered (broker:APP-34)."""
        entry = self.entries.get(pid)
        if entry is None:
            self.entries[pid] = Entry(epoch)
        elif epoch > entry.epoch:
            entry.epoch, entry.last_seq = epoch, -1
            entry.batches.clear()

    def expire(self, now_us: int, after_us: int) -> None:
        """Forget producers whose newest *record timestamp* is that old, active or not (broker:APP-30)."""
        old = [pid for pid, entry in self.entries.items() if now_us - entry.last_timestamp_us >= after_us]
        for pid in old:
            del self.entries[pid]

    def snapshot(self) -> Snapshot:
        return {
            pid: (e.epoch, e.last_seq, e.batches[-1] if e.batches else None, e.last_timestamp_us)
            for pid, e in self.entries.items()
        }

    def load(self, snapshot: Snapshot) -> None:
        """Start anew from *snapshot*: one batch per producer (broker:APP-28)."""
        self.entries = {}
        for pid, (epoch, last_seq, newest, timestamp_us) in snapshot.items():
            entry = self.entries[pid] = Entry(epoch)
            entry.last_seq, entry.last_timestamp_us = last_seq, timestamp_us
            if newest is not None:
                entry.batches.append(newest)
