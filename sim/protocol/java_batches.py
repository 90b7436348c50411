"""The Java producer's batches, and the queue of one partition.

A batch is a slice of its partition's lane. It stays open for appends while it is the last of its queue and has room; it
is closed when it is drained, when a record does not fit, or when it is split. Its contents never change after that;
producer id, epoch and sequence change only by an epoch bump. Source: ``ProducerBatch``, ``RecordAccumulator``,
``TxnPartitionEntry``.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter

from sim.protocol.java_network import JavaNode
from sim.protocol.lanes import Lane

__all__ = ["BATCH_OVERHEAD_BYTES", "PartitionQueue", "ProducerBatch", "SEQUENCE_SPACE"]

BATCH_OVERHEAD_BYTES = 61  # header of a v2 record batch
SEQUENCE_SPACE = 1 << 31

_by_sequence = attrgetter("pid", "epoch", "seq")


class ProducerBatch:
    __slots__ = (
        "attempts", "attempts_at_leader_change", "created_us", "done", "epoch", "full", "hi", "leader_epoch", "lo",
        "memory_bytes", "open", "pid", "queue", "raw_bytes", "renumbered", "retry_us", "row", "sent", "seq",
        "size_bytes", "unsure",
    )  # fmt: skip

    def __init__(self, queue: PartitionQueue, lo: int, hi: int, size_bytes: int, created_us: int) -> None:
        self.queue, self.lo, self.hi, self.size_bytes, self.created_us = queue, lo, hi, size_bytes, created_us
        self.raw_bytes = 0  # of its records, uncompressed, while it is open
        self.memory_bytes = 0  # what it holds of buffer.memory
        self.open = True  # takes more records
        self.full = False
        self.attempts = 0  # times re-enqueued
        self.sent = 0  # transmissions
        self.retry_us = 0  # end of the back-off drawn for this attempt
        self.leader_epoch = -1
        self.attempts_at_leader_change = 0
        self.pid = self.epoch = self.seq = -1
        self.renumbered = False  # since its last transmission
        self.done = False
        self.unsure = False  # some transmission may have left a copy in a log
        self.row = -1  # trace row that made its present state

    def note_leader_epoch(self, epoch: int) -> None:
        """``maybeUpdateLeaderEpoch``: remember at which attempt a newer leader became known (KIP-951)."""
        if epoch > self.leader_epoch:
            self.leader_epoch = epoch
            self.attempts_at_leader_change = self.attempts

    def backs_off(self, now_us: int) -> bool:
        if self.attempts == 0 or now_us >= self.retry_us:
            return False
        return self.attempts != self.attempts_at_leader_change

    def piece(self, lo: int, hi: int, size_bytes: int, row: int) -> ProducerBatch:
        """A part of this batch, split off: closed, not yet tried, with its share of the sequences (producer 3.3)."""
        piece = ProducerBatch(self.queue, lo, hi, size_bytes, self.created_us)
        piece.open, piece.full, piece.unsure, piece.row = False, True, self.unsure, row
        piece.leader_epoch = self.leader_epoch
        if self.seq >= 0:
            piece.pid, piece.epoch, piece.seq = self.pid, self.epoch, (self.seq + lo - self.lo) % SEQUENCE_SPACE
        return piece

    @property
    def last_sequence(self) -> int:
        return (self.seq + self.hi - self.lo - 1) % SEQUENCE_SPACE


class PartitionQueue:
    """One partition of one Java producer: lane, queue of batches, what is in flight, and its sequences."""

    __slots__ = (
        "batches", "in_flight", "lane", "last_acked_seq", "leader_epoch", "muted", "next_seq", "node", "partition",
        "pid", "pid_epoch", "sequenced", "static", "unresolved", "unresolved_row",
    )  # fmt: skip

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.lane = Lane(partition)
        self.static = False  # the lane's future is settled
        self.batches: deque[ProducerBatch] = deque()
        self.in_flight: list[ProducerBatch] = []  # in order of transmission
        self.muted = False
        self.node: JavaNode | None = None  # the leader, as far as metadata tells
        self.leader_epoch = -1
        # TxnPartitionEntry
        self.pid = self.pid_epoch = -1
        self.next_seq = 0
        self.last_acked_seq = -1
        self.sequenced: list[ProducerBatch] = []  # in flight or queued for a retry, ordered by (pid, epoch, seq)
        self.unresolved: int | None = None  # marker: an expired batch may or may not be stored below this sequence
        self.unresolved_row = -1

    # --- sequences ---------------------------------------------------------------------------------------------------
    def assign(self, batch: ProducerBatch, pid: int, epoch: int) -> None:
        batch.pid, batch.epoch, batch.seq = pid, epoch, self.next_seq
        self.next_seq = (self.next_seq + batch.hi - batch.lo) % SEQUENCE_SPACE
        self.track(batch)

    def track(self, batch: ProducerBatch) -> None:
        sequenced = self.sequenced
        sequenced.append(batch)
        if len(sequenced) > 1 and _by_sequence(sequenced[-2]) > _by_sequence(batch):
            sequenced.sort(key=_by_sequence)

    def untrack(self, batch: ProducerBatch) -> None:
        if batch in self.sequenced:
            self.sequenced.remove(batch)

    def is_next(self, seq: int) -> bool:
        return seq == self.last_acked_seq + 1

    def start_at_beginning(self, pid: int, epoch: int) -> None:
        """``startSequencesAtBeginning``: renumber what is tracked from 0 under the new identity."""
        seq = 0
        for batch in self.sequenced:
            batch.pid, batch.epoch, batch.seq = pid, epoch, seq
            batch.renumbered = True
            seq += batch.hi - batch.lo
        self.pid, self.pid_epoch, self.next_seq, self.last_acked_seq = pid, epoch, seq, -1

    def has_room(self, size: int, room: int) -> bool:
        """Does a record of *size* bytes go into the open batch? If not, that batch is closed: it counts as full."""
        if not self.batches or not self.batches[-1].open:
            return False
        last = self.batches[-1]
        if last.raw_bytes + size <= room:
            return True
        last.open, last.full = False, True
        return False

    # --- queue -------------------------------------------------------------------------------------------------------
    def put_back(self, batch: ProducerBatch, in_sequence: bool) -> None:
        """Plain: at the head, whatever is there (producer 4.1). Idempotent: by sequence before never-sent ones."""
        batches = self.batches
        if not in_sequence:
            batches.appendleft(batch)
            return
        at = 0
        for queued in batches:
            if queued.seq < 0 or queued.seq >= batch.seq:
                break
            at += 1
        batches.insert(at, batch)
