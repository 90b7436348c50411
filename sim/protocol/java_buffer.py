"""The Java producer's buffer: records of the lanes become batches, and batches take memory (producer 2.3).

A batch takes batch.size of buffer.memory, or more for a single larger record, and gives it back when its last word is
spoken. Words: *room* is what the records of a batch may take, before compression; *accepted* is the send index up to
which calls have returned.

Law: the free memory plus what incomplete batches hold is buffer.memory (pieces of a split batch hold none).
"""

from __future__ import annotations

from sim.protocol.java_batches import BATCH_OVERHEAD_BYTES, PartitionQueue, ProducerBatch
from sim.protocol.lanes import FOREVER
from sim.protocol.settings import JavaProducerSettings

__all__ = ["Buffer", "upper_bound_bytes"]


def upper_bound_bytes(size: int) -> int:
    """``estimateSizeInBytesUpperBound`` of a record that takes *size* bytes in a batch: a batch of its own, with the
    largest possible deltas."""
    return size + (78 if size <= 64 else 77 if size <= 8_193 else 76)


class Buffer:
    def __init__(self, settings: JavaProducerSettings) -> None:
        self.free_bytes = settings.buffer_memory_bytes
        self.expires_us = FOREVER  # no batch that is the first of its list reaches its delivery timeout before
        self._delivery_timeout_us = settings.delivery_timeout_us
        self._limit = max(1, settings.batch_size_bytes)
        self._ratio = ratio = settings.compression_ratio_percent
        # Kafka's estimate of what a batch will take learns as it goes; here the ratio is known from the start.
        room = self._limit - BATCH_OVERHEAD_BYTES
        self.room = room if ratio == 100 or room <= 0 else room * 10_000 // (ratio * 105)

    # --- memory ------------------------------------------------------------------------------------------------------
    def batch_bytes(self, size: int) -> int:
        """Memory of a batch that begins with a record of *size* bytes."""
        return max(self._limit, upper_bound_bytes(size))

    def has_memory(self, queue: PartitionQueue, size: int) -> bool:
        """Can a record of *size* bytes go into the open batch, or into a new one?"""
        return queue.has_room(size, self.room) or self.free_bytes >= self.batch_bytes(size)

    def release(self, batch: ProducerBatch) -> None:
        self.free_bytes += batch.memory_bytes
        batch.memory_bytes = 0

    # --- batches -----------------------------------------------------------------------------------------------------
    def fill(self, queue: PartitionQueue, now_us: int, accepted: int) -> None:
        """Put what the lane has accepted into batches."""
        lane = queue.lane
        at = lane.taken
        if at >= lane.length or lane.times[at] > now_us or lane.sends[at] >= accepted:
            return
        end = min(lane.arrived(now_us), lane.before(accepted))
        while lane.taken < end:
            self.extend_or_open(queue, end)

    def extend_or_open(self, queue: PartitionQueue, end: int) -> None:
        """One batch's worth of the lane up to *end*: extend the open batch, or open a new one."""
        lane = queue.lane
        last = queue.batches[-1] if queue.batches and queue.batches[-1].open else None
        if last is not None:
            size = lane.size(last.lo, end)  # mostly all of it has room
            hi = end if size <= self.room else min(lane.room_until(last.lo, self.room, end), end)
            if hi > last.hi:
                self._grow(last, hi)
            if hi < end:
                last.open, last.full = False, True
            return
        lo = lane.taken
        batch = ProducerBatch(queue, lo, lo, BATCH_OVERHEAD_BYTES, lane.created_us(lo))
        batch.memory_bytes = self.batch_bytes(lane.size(lo, lo + 1))
        self.free_bytes -= batch.memory_bytes
        batch.leader_epoch = queue.leader_epoch
        queue.batches.append(batch)
        self.watch(batch)
        self._grow(batch, end if end == lo + 1 else lane.room_until(lo, self.room, end))

    def _grow(self, batch: ProducerBatch, hi: int) -> None:
        lane = batch.queue.lane
        batch.hi = lane.taken = hi
        batch.raw_bytes = raw = lane.size(batch.lo, hi)
        batch.size_bytes = self.wire_bytes(raw)
        alone = hi == batch.lo + 1 and raw > self.room  # the buffer was made larger for such a record: it is not full
        batch.full = raw >= self.room and not alone

    def wire_bytes(self, raw: int) -> int:
        """Size on the wire of a batch whose records take *raw* bytes uncompressed."""
        return BATCH_OVERHEAD_BYTES + (raw if self._ratio == 100 else raw * self._ratio // 100)

    def opening(self, queue: PartitionQueue, end: int) -> int:
        """The next call, of those before *end*, that will begin a batch of this queue; *end* if none will."""
        lane, at = queue.lane, queue.lane.taken
        if at < lane.length and queue.batches and queue.batches[-1].open:
            at = max(at, lane.room_until(queue.batches[-1].lo, self.room, lane.length))
        return min(lane.sends[at], end) if at < lane.length else end

    # --- delivery timeout --------------------------------------------------------------------------------------------
    def watch(self, batch: ProducerBatch) -> None:
        """*batch* is, or may be, the first of its list: only those are looked at for expiry."""
        due_us = batch.created_us + self._delivery_timeout_us
        if due_us < self.expires_us:
            self.expires_us = due_us
