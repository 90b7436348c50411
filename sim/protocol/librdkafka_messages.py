"""librdkafka's consumer queue: what was fetched and not handed over yet, of all partitions in one.

Every partition's own queue is forwarded into it, so its order is that of the answers (consumer:F2.7, F2.8), and its two
limits are those of the whole (``rd_kafka_q_len`` follows the forwarding). A *barrier* (pause, seek, revocation,
truncation) makes what was fetched of a partition before it void, and fetching goes on from the position
(``rd_kafka_toppar_op_version_bump``, ``rd_kafka_toppar_pause_resume``).

Words: a partition's *position* is behind the last record handed over; its ``ahead``, the next record to be fetched. A
reset moves ``ahead``; the position follows once what was fetched before has been handed over (consumer:F2.30).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sim.protocol.messages import FetchedPartition, RecordBatch
from sim.protocol.port import Port
from sim.protocol.reader_buffer import Assigned, Slice
from sim.protocol.rows import Kind

__all__ = ["MessageQueue"]


@dataclass(slots=True)
class _Entry:
    """What is left of a batch (``lo < hi``), or, without a batch, a reset to ``offset`` (``code``: why)."""

    position: Assigned
    batch: RecordBatch | None
    lo: int
    hi: int
    offset: int  # of lo
    epoch: int
    record_bytes: int = 0
    code: int = 0


class MessageQueue:
    """``count`` records of ``size_bytes`` in all; *low* and *most_bytes*: from there on nothing more is fetched."""

    def __init__(self, port: Port, low: int, most_bytes: int, backoff_us: int) -> None:
        self._port, self._low, self._most_bytes = port, low, most_bytes
        self.backoff_us = backoff_us  # fetch.queue.backoff.ms
        self._entries: deque[_Entry] = deque()
        self.count = self.size_bytes = 0
        self._polls = 0

    def full(self) -> bool:
        """``queued.min.messages`` or ``queued.max.messages.kbytes`` is reached (``rd_kafka_toppar_fetch_decide``)."""
        return self.count >= self._low or self.size_bytes >= self._most_bytes

    def put(self, one: Assigned, answer: FetchedPartition) -> None:
        """Records below ``ahead`` are left out (consumer:F2.11)."""
        for batch, base, epoch in zip(answer.batches, answer.base_offsets, answer.leader_epochs, strict=True):
            lo = batch.lo + max(0, one.ahead - base)
            if lo < batch.hi:
                offset = base + lo - batch.lo
                self._add(_Entry(one, batch, lo, batch.hi, offset, epoch, batch.size_bytes // batch.count))
                one.ahead, one.ahead_epoch = base + batch.count, epoch

    def move(self, one: Assigned, offset: int, epoch: int, code: int) -> None:
        """The position is to move by itself to *offset*, behind what is still queued of the partition."""
        one.ahead, one.ahead_epoch = offset, epoch
        self._add(_Entry(one, None, 0, 0, offset, epoch, code=code))
        self._settle()

    def _add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._tally(entry, entry.hi - entry.lo)

    def _tally(self, entry: _Entry, records: int) -> None:
        self.count += records
        self.size_bytes += records * entry.record_bytes

    def barrier(self, one: Assigned) -> None:
        """What was fetched of it is void; it will be fetched from the position on."""
        kept: deque[_Entry] = deque()
        for entry in self._entries:
            if entry.position is one:
                self._tally(entry, entry.lo - entry.hi)
            else:
                kept.append(entry)
        self._entries = kept
        one.ahead, one.ahead_epoch = one.offset, one.epoch
        self._settle()

    def take(self, most: int) -> list[Slice]:
        """Hand over at most *most* records, oldest first; one call is one poll."""
        slices: list[Slice] = []
        self._polls += 1
        while self._entries and most > 0:
            entry = self._entries[0]
            if entry.batch is None:
                self._settle()
                continue
            hi = min(entry.hi, entry.lo + most)
            slices.append((entry.position, entry.batch, entry.lo, hi, entry.offset))
            self._port.record(
                Kind.POLL, partition=entry.position.partition, prod=entry.batch.prod, lo=entry.lo, hi=hi,
                offset=entry.offset, n=self._polls,
            )  # fmt: skip
            self._handed_over(entry, hi - entry.lo)
            most -= slices[-1][3] - slices[-1][2]
        self._settle()
        return slices

    def _handed_over(self, entry: _Entry, records: int) -> None:
        entry.lo += records
        entry.offset += records
        entry.position.offset, entry.position.epoch = entry.offset, entry.epoch
        self._tally(entry, -records)
        if entry.lo == entry.hi:
            self._entries.popleft()

    def _settle(self) -> None:
        """Resets that nothing is before."""
        while self._entries and self._entries[0].batch is None:
            entry = self._entries.popleft()
            one = entry.position
            one.offset, one.epoch = entry.offset, entry.epoch
            self._port.record(Kind.RESET, partition=one.partition, offset=one.offset, code=entry.code)
