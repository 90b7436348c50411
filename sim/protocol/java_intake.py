"""The application's thread in the Java producer: send() calls, buffer.memory, max.block.ms, choice of partition.

A call returns at once unless metadata or memory is missing; then it blocks, and every call behind it waits (one
application thread). Source: ``KafkaProducer.doSend``, ``BufferPool``, ``RecordAccumulator.append``; producer 2.1 to 2.3.

As long as memory cannot run out and every partition follows from the key, calls are taken in bulk: what has arrived is
a search over the lanes. Otherwise one by one, in program order, which gives the same result more slowly; a property
test holds the two together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from sim.protocol.error_codes import ErrorCode
from sim.protocol.java_batches import BATCH_OVERHEAD_BYTES, PartitionQueue, ProducerBatch
from sim.protocol.lanes import FOREVER, Sends
from sim.protocol.partitioner import RoundRobinPartitioner, StickyPartitioner, java_key_partition
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import JavaProducerSettings

__all__ = ["Intake", "TopicState"]

RECORD_UPPER_BOUND_EXTRA_BYTES = BATCH_OVERHEAD_BYTES + 21  # estimateSizeInBytesUpperBound over the record itself


class TopicState:
    """One topic as this producer's metadata shows it."""

    def __init__(self, number: int, settings: JavaProducerSettings) -> None:
        self.number = number
        self.queues: list[PartitionQueue] = []  # by partition index; empty: no metadata yet
        self.of_key: list[int] = []  # partition index of every key number
        self.sticky = StickyPartitioner(settings.batch_size_bytes)
        self.round_robin = RoundRobinPartitioner()

    def available(self) -> list[int]:
        return [index for index, queue in enumerate(self.queues) if queue.leader >= 0]


class Intake:
    def __init__(
        self, port: Port, settings: JavaProducerSettings, prod: int, sends: Sends, want_topic: Callable[[int], None]
    ) -> None:
        self.port, self.settings, self.prod, self.sends = port, settings, prod, sends
        self._want_topic = want_topic
        self.topics = {number: TopicState(number, settings) for number in sends.topic_numbers()}
        self.queues: list[PartitionQueue] = []
        self.next = 0  # the send index that comes next
        self.free_bytes = settings.buffer_memory_bytes
        self.blocked: int | None = None  # error code that the waiting call would end with
        self._blocked_since_us = 0
        self.free_at_us = 0  # when the last blocked call returned
        self.floors: list[tuple[int, int]] = []
        self.refuse_all = 0  # error code once the producer is dead
        self.resends: list[tuple[int, int, int]] = []
        self._by_rule = {number: self._settled(number) for number in self.topics}
        self._bulk_allowed = (
            all(self._by_rule.values()) and sends.largest_bytes + BATCH_OVERHEAD_BYTES <= settings.max_request_size_bytes
        )
        self._batch_limit = max(1, settings.batch_size_bytes)
        self.next_created_us = FOREVER  # creation time of the oldest batch that the expiry check has not met

    def _settled(self, topic: int) -> bool:
        settings = self.settings
        ignores = settings.partitioner_ignore_keys or settings.partitioner == "round_robin"
        return self.sends.settled(topic) and not ignores

    # --- metadata ----------------------------------------------------------------------------------------------------
    def learned(self, topic: int, partitions: list[int], queue_of: Callable[[int, int], PartitionQueue], now_us: int) -> None:
        """The topic's partitions by index. More of them than before remap the keys of records not yet sent (TOP-2)."""
        state = self.topics.get(topic)
        if state is None or len(partitions) <= len(state.queues):
            return
        if state.queues:
            self.take(now_us)
        state.queues = [queue_of(partition, topic) for partition in partitions]
        keys = self.sends.key_bytes(topic)
        state.of_key = [java_key_partition(key, len(partitions)) for key in keys]
        if self._by_rule[topic]:
            lanes = self.sends.split(topic, state.of_key, len(partitions), self.next)
            for index, queue in enumerate(state.queues):
                queue.lane.settle(lanes.get(index))
                queue.static = True

    # --- taking calls --------------------------------------------------------------------------------------------------
    def advance(self, now_us: int) -> None:
        """Take every call that has been made by *now_us*."""
        if self.refuse_all:
            self._refuse_rest(now_us)
            return
        sends = self.sends
        if self.next >= sends.count or (self.blocked is None and sends.times[self.next] > now_us):
            return
        if self.blocked is None and self._bulk_allowed and all(state.queues for state in self.topics.values()):
            end = bisect_right(sends.times, now_us, self.next, sends.count)
            if self._memory_suffices(end):
                self.next = end
                return
            self.take(now_us)
            if self._memory_suffices(end):
                self.next = end
                return
        self._one_by_one(now_us)

    def _memory_suffices(self, end: int) -> bool:
        """Can the calls up to *end*, and those taken but not yet in batches, in no case exhaust the buffer?"""
        start = min((queue.lane.sends[queue.lane.taken] for queue in self.queues if queue.lane.taken < queue.lane.length), default=end)
        records = end - start
        if records <= 0:
            return True
        size = self.sends.cum[end] - self.sends.cum[start]
        batches = min(records, 2 * size // self._batch_limit + len(self.queues) + 1)
        return batches * (self._batch_limit + RECORD_UPPER_BOUND_EXTRA_BYTES) + size <= self.free_bytes

    def take(self, now_us: int) -> None:
        """Put everything accepted so far into batches."""
        for queue in self.queues:
            self.fill(queue, now_us)

    def fill(self, queue: PartitionQueue, now_us: int) -> None:
        """Put what the lane has accepted into batches."""
        lane = queue.lane
        at = lane.taken
        if at >= lane.length or lane.times[at] > now_us or lane.sends[at] >= self.next:
            return
        end = min(lane.arrived(now_us), lane.before(self.next))
        while lane.taken < end:
            self._extend_or_open(queue, end)

    def _extend_or_open(self, queue: PartitionQueue, end: int) -> None:
        """One batch's worth of the lane up to *end*: extend the open batch, or open a new one."""
        lane = queue.lane
        room = self._batch_limit - BATCH_OVERHEAD_BYTES
        last = queue.batches[-1] if queue.batches and queue.batches[-1].open else None
        if last is not None:
            hi = min(lane.room_until(last.lo, room, end), end)
            if hi > last.hi:
                self._grow(last, hi)
            if hi < end:
                last.open, last.full = False, True
            return
        lo = lane.taken
        batch = ProducerBatch(queue, lo, lo, BATCH_OVERHEAD_BYTES, lane.created_us(lo))
        batch.memory_bytes = max(self._batch_limit, lane.size(lo, lo + 1) + RECORD_UPPER_BOUND_EXTRA_BYTES)
        self.free_bytes -= batch.memory_bytes
        if batch.created_us < self.next_created_us:
            self.next_created_us = batch.created_us
        batch.leader_epoch = queue.leader_epoch
        queue.batches.append(batch)
        self._grow(batch, lane.room_until(lo, room, end))

    def _grow(self, batch: ProducerBatch, hi: int) -> None:
        lane = batch.queue.lane
        batch.hi = lane.taken = hi
        batch.size_bytes = BATCH_OVERHEAD_BYTES + lane.size(batch.lo, hi)
        alone = hi == batch.lo + 1 and batch.size_bytes > self._batch_limit  # an oversized first record is not "full"
        batch.full = batch.size_bytes >= self._batch_limit and not alone

    def release(self, batch: ProducerBatch) -> None:
        self.free_bytes += batch.memory_bytes
        batch.memory_bytes = 0

    # --- one by one ------------------------------------------------------------------------------------------------------
    def _one_by_one(self, now_us: int) -> None:
        self.take(now_us)
        sends = self.sends
        while self.next < sends.count:
            called_us = max(sends.times[self.next], self.free_at_us)
            if self.blocked is not None:
                called_us = self._blocked_since_us
            if called_us > now_us:
                return
            code = self._try(self.next, called_us if self.blocked is None else now_us)
            if code == 0:
                if self.blocked is not None:
                    self._unblock(now_us)
                self.next += 1
            elif code == ErrorCode.CLIENT_RECORD_TOO_LARGE:
                self._refuse(called_us, code)
            elif now_us >= called_us + self.settings.max_block_us:
                self._unblock(called_us + self.settings.max_block_us)
                self._refuse(self.free_at_us, code)
            else:
                self.blocked, self._blocked_since_us = code, called_us
                return

    def _unblock(self, at_us: int) -> None:
        self.blocked = None
        self.free_at_us = at_us
        self.floors.append((self.next, at_us))
        for queue in self.queues:
            lane = queue.lane
            lane.floor_us, lane.floor_from = at_us, min(lane.taken, lane.before(self.next))

    def _refuse(self, at_us: int, code: int) -> None:
        self.port.record(Kind.REFUSED, cause=-1, prod=self.prod, lo=self.next, hi=self.next + 1, code=code)
        self.next += 1
        for queue in self.queues:  # a refused record has no place in its lane
            lane = queue.lane
            if queue.static and lane.taken < lane.length and lane.sends[lane.taken] < self.next:
                self._drop_refused(queue)

    def _drop_refused(self, queue: PartitionQueue) -> None:
        lane = queue.lane
        taken = lane.taken
        later = _Rest(lane.sends[taken + 1 :], lane.times[taken + 1 :], _from_zero(lane.cum[taken + 1 :]))
        lane.settle(later)

    def _refuse_rest(self, now_us: int) -> None:
        end = bisect_right(self.sends.times, now_us, self.next, self.sends.count)
        if end > self.next:
            self.port.record(Kind.REFUSED, cause=-1, prod=self.prod, lo=self.next, hi=end, code=self.refuse_all)
            self.next = end

    def _try(self, send: int, at_us: int) -> int:
        """One send() call: 0 taken, else why it blocks or fails."""
        sends = self.sends
        state = self.topics[sends.topics[send]]
        index = sends.indexes[send]
        if not state.queues or index >= len(state.queues):
            self._want_topic(state.number)
            return ErrorCode.CLIENT_METADATA_TIMEOUT
        size = sends.cum[send + 1] - sends.cum[send]
        needed = size + RECORD_UPPER_BOUND_EXTRA_BYTES
        if size + BATCH_OVERHEAD_BYTES > self.settings.max_request_size_bytes or needed > self.settings.buffer_memory_bytes:
            return ErrorCode.CLIENT_RECORD_TOO_LARGE
        queue, by_choice = self._choose(state, send, size)
        last = queue.batches[-1] if queue.batches and queue.batches[-1].open else None
        fits = last is not None and last.size_bytes + size <= self._batch_limit
        if not fits and self.free_bytes < max(self._batch_limit, needed):
            return ErrorCode.CLIENT_BUFFER_EXHAUSTED
        lane = queue.lane
        if not queue.static:
            lane.lay(send, at_us, size)
        elif at_us > lane.times[lane.taken]:
            lane.floor_us, lane.floor_from = at_us, lane.taken
        if last is not None and not fits:
            last.open, last.full = False, True
        before = 0 if last is None or not fits else last.size_bytes
        self._extend_or_open(queue, lane.taken + 1)
        if by_choice:
            self._appended(state, queue, before)
        return 0

    def _choose(self, state: TopicState, send: int, size: int) -> tuple[PartitionQueue, bool]:
        """Precedence: explicit partition, partitioner.class, key hash, sticky (producer 2.2)."""
        sends, settings = self.sends, self.settings
        if sends.indexes[send] >= 0:
            return state.queues[sends.indexes[send]], False
        if settings.partitioner == "round_robin":
            return state.queues[state.round_robin.choose(state.available(), len(state.queues), self._has_room(state, size))], False
        key = sends.keys[send]
        if key >= 0 and not settings.partitioner_ignore_keys:
            return state.queues[state.of_key[key]], False
        index = state.sticky.current(state.available(), len(state.queues), lambda: self.port.draw("sticky"))
        return state.queues[index], True

    def _has_room(self, state: TopicState, size: int) -> Callable[[int], bool]:
        def has_room(index: int) -> bool:
            batches = state.queues[index].batches
            return bool(batches) and batches[-1].open and batches[-1].size_bytes + size <= self._batch_limit

        return has_room

    def _appended(self, state: TopicState, queue: PartitionQueue, before_bytes: int) -> None:
        last = queue.batches[-1]
        state.sticky.appended(
            last.size_bytes - before_bytes, last.full, state.available(), len(state.queues), lambda: self.port.draw("sticky")
        )

    def note_load(self) -> None:
        """Readiness scan: queue lengths for the adaptive choice (only once every partition has had a batch)."""
        if not self.settings.partitioner_adaptive:
            return
        for state in self.topics.values():
            if not self._by_rule[state.number] and state.queues:
                if all(queue.lane.taken for queue in state.queues):
                    led = state.available()
                    state.sticky.set_load([len(state.queues[i].batches) for i in led], led, len(state.queues))

    # --- deadlines ---------------------------------------------------------------------------------------------------------
    def next_us(self, now_us: int) -> int:
        """When a call by itself may give the sender something to do (bulk calls are seen by their queue's deadline)."""
        if self.blocked is not None:
            return self._blocked_since_us + self.settings.max_block_us
        sends = self.sends
        if self.next >= sends.count:
            return FOREVER
        called_us = max(sends.times[self.next], self.free_at_us)
        if self._bulk_allowed and all(state.queues for state in self.topics.values()):
            return FOREVER
        linger_us = self.settings.linger_us
        if self.refuse_all or linger_us == 0 or not all(state.queues for state in self.topics.values()):
            return called_us
        fill = max((queue.batches[-1].size_bytes for queue in self.queues if queue.batches and queue.batches[-1].open), default=0)
        full = bisect_left(sends.cum, sends.cum[self.next] + max(1, self._batch_limit - fill), self.next) - 1
        at_full = sends.times[full] if full < sends.count else FOREVER
        return max(called_us, min(called_us + linger_us, at_full))


class _Rest:
    """The future of a lane behind a refused record."""

    def __init__(self, sends: object, times: object, cum: object) -> None:
        self.sends, self.times, self.cum = list(sends), list(times), cum  # type: ignore[call-overload]


def _from_zero(cum: object) -> list[int]:
    values = list(cum)  # type: ignore[call-overload]
    return [value - values[0] for value in values]
