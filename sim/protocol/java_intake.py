"""The application's thread in the Java producer: send() calls, buffer.memory, max.block.ms.

A call returns at once unless metadata or memory is missing; then it blocks, and every call behind it waits (one
application thread). Source: ``KafkaProducer.doSend``, ``BufferPool``, ``RecordAccumulator.append``; producer 2.1-2.3.

As long as memory cannot run out and every partition follows from the call itself, calls are taken *in bulk*: what has
arrived is a search over the lanes. Otherwise *one by one*, in program order, which gives the same batches more
slowly; a property test holds the two together. After a refused call or a re-send a lane's future can no longer be cut
beforehand, and it stays one by one.

Calls may be taken later than they are made, but before anything else happens to the producer: between two stimuli
nothing changes that a call could see.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from heapq import heapify, heapreplace

from sim.protocol.error_codes import ErrorCode
from sim.protocol.java_batches import PartitionQueue, ProducerBatch
from sim.protocol.java_buffer import Buffer, upper_bound_bytes
from sim.protocol.java_choice import TopicState
from sim.protocol.java_metadata import JavaMetadata
from sim.protocol.lanes import FOREVER, Sends
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import JavaProducerSettings

__all__ = ["Intake"]


class Intake:
    def __init__(
        self, port: Port, settings: JavaProducerSettings, prod: int, sends: Sends, metadata: JavaMetadata, resends: int
    ) -> None:
        self.port, self.settings, self.prod, self.sends, self.metadata = port, settings, prod, sends, metadata
        self.topic_names: Mapping[int, str] = {}  # Java's hash order is made of them; without a name: by index
        self.queues: list[PartitionQueue] = []
        self.next = 0  # the send index that comes next
        self.floors: list[tuple[int, int]] = []
        self.resends: list[tuple[int, int, int]] = []
        self.refuse_all = 0  # error code once the producer is dead
        self.on_refused: Callable[[int, int, int], None] | None = None  # of calls from, to: error code
        self.buffer = Buffer(settings)
        self.blocked: int | None = None  # error code that the waiting call would end with
        self._blocked_since_us = 0
        self._free_at_us = 0  # when the last blocked call returned
        self._chosen: tuple[PartitionQueue, bool] | None = None  # partition of the waiting call
        self._known_end = 0  # calls before this one are to topics whose metadata is there
        self._bulk = False
        self._one_by_one_for_good = sends.grows
        self._filled_to = 0  # calls before this one are in batches
        self._safe_end = 0  # calls before this one cannot exhaust the memory ...
        self._reserve = 0  # ... while so much of it is free
        self.topics = {number: TopicState(number, port, settings, self.buffer.room) for number in sends.topic_numbers()}
        self._largest_allowed = min(settings.max_request_size_bytes, settings.buffer_memory_bytes)
        self._all_fit = upper_bound_bytes(sends.largest_bytes) <= self._largest_allowed
        self._largest_index = max(sends.indexes, default=-1)
        self._first_calls = _first_calls(sends)
        self._resend_limit = resends
        self._resent: dict[int, int] = {}  # how often the application has sent a call's record again

    @property
    def exhausted(self) -> bool:
        """A call waits for memory: every queue counts as ready (producer 1.1, buffer.memory)."""
        return self.blocked == ErrorCode.CLIENT_BUFFER_EXHAUSTED

    # --- metadata ----------------------------------------------------------------------------------------------------
    def learned(self, queue_of: Callable[[int], PartitionQueue], now_us: int) -> None:
        """Metadata arrived or was forgotten; a forgotten topic makes the next call wait (KIP-899)."""
        metadata = self.metadata
        known_end = 0 if metadata.forgotten or self.sends.grows else self.sends.count
        for topic, state in self.topics.items():
            partitions = metadata.partitions(topic)
            if len(partitions) > len(state.queues):
                self._learn(state, [queue_of(partition) for partition in partitions], now_us)
            if not state.queues:
                known_end = min(known_end, self._first_calls.get(topic, known_end))
        self._known_end = known_end
        known = [state for state in self.topics.values() if state.queues]
        self._bulk = self._all_fit and not self._one_by_one_for_good and all(state.static for state in known)

    def _learn(self, state: TopicState, queues: list[PartitionQueue], now_us: int) -> None:
        """More partitions than before remap the keys of records not yet sent (TOP-2)."""
        self.take(now_us)
        self._chosen = None
        sends, topic = self.sends, state.number
        state.learn(queues, sends.key_bytes(topic))
        state.static = not self._one_by_one_for_good and self._follows(topic, len(queues))
        lanes = sends.split(topic, state.of_key, len(queues), self.next) if state.static else {}
        for index, queue in enumerate(queues):
            queue.lane.settle(lanes.get(index))
            queue.static = state.static

    def _follows(self, topic: int, partitions: int) -> bool:
        """Does the partition of every call follow from the call itself?"""
        if self._largest_index >= partitions:
            return False
        by_load = self.settings.partitioner_ignore_keys or self.settings.partitioner == "round_robin"
        return partitions == 1 or (self.sends.settled(topic) and not by_load)

    def _go_one_by_one(self, now_us: int) -> None:
        """From here on the lanes' future depends on what becomes of other records."""
        if self._one_by_one_for_good:
            return
        self.take(now_us)
        self._one_by_one_for_good, self._bulk = True, False
        for state in self.topics.values():
            state.static = False
            for queue in state.queues:
                queue.lane.settle(None)
                queue.static = False

    @property
    def foreseen(self) -> bool:
        """Every lane's future is settled: no choice hangs on what becomes of other records."""
        return self._bulk

    # --- taking calls ------------------------------------------------------------------------------------------------
    def advance(self, now_us: int) -> None:
        """Take every call that has been made by *now_us*."""
        if self.blocked is None:
            if self.next >= self.sends.count or self.sends.times[self.next] > now_us:
                return
            if self.refuse_all:
                self._refuse_rest(now_us)
                return
            if self._bulk and self.next < self._known_end:
                made = bisect_right(self.sends.times, now_us, self.next, self.sends.count)
                end = min(made, self._known_end)
                if self._is_safe(end) or self._look_ahead(end, now_us):
                    self.next = end
                    if end == made:
                        return
        self._one_by_one(now_us)

    def _is_safe(self, end: int) -> bool:
        return end <= self._safe_end and self._reserve <= self.buffer.free_bytes

    def _look_ahead(self, end: int, now_us: int) -> bool:
        """Find out how far half of the free memory suffices in any case; does all of it up to *end*?"""
        self.take(now_us)
        self._filled_to = low = self.next
        high, half = self.sends.count, self.buffer.free_bytes // 2
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._need_bytes(middle) <= half else (low, middle - 1)
        if end > low and self._need_bytes(end) <= self.buffer.free_bytes:
            low = end
        self._safe_end, self._reserve = low, self._need_bytes(low)
        return end <= low

    def _need_bytes(self, end: int) -> int:
        """What the calls before *end* that are not in batches yet may take at most: of two batches in a row the
        second began because its first record had no room in the first."""
        records, size = end - self._filled_to, self.sends.cum[end] - self.sends.cum[self._filled_to]
        room = self.buffer.room
        batches = records if room <= 0 else min(records, 2 * size // room + len(self.queues) + 1)
        return batches * self.buffer.batch_bytes(self.sends.largest_bytes)

    def take(self, now_us: int) -> None:
        """Put everything accepted so far into batches."""
        for queue in self.queues:
            self.buffer.fill(queue, now_us, self.next)

    def stood_still(self, since_us: int, now_us: int) -> None:
        """The process was paused: calls that would have been made meanwhile are made now."""
        self.advance(since_us)
        self.take(since_us)
        self._free_at_us = max(self._free_at_us, now_us)
        for queue in self.queues:
            queue.lane.floor_us, queue.lane.floor_from = now_us, queue.lane.taken

    # --- where memory is short ---------------------------------------------------------------------------------------
    def _by_batches(self, now_us: int) -> None:
        """Only a call that begins a batch needs memory: go from one such call to the next, up to one without memory."""
        end = bisect_right(self.sends.times, now_us, self.next, self._known_end)
        buffer, cum = self.buffer, self.sends.cum
        openings = [(buffer.opening(queue, end), number) for number, queue in enumerate(self.queues)]
        heapify(openings)
        while openings and openings[0][0] < end:
            send, number = openings[0]
            if buffer.free_bytes < buffer.batch_bytes(cum[send + 1] - cum[send]):
                self.next = send
                self.take(now_us)
                return
            self.next = send + 1
            buffer.fill(self.queues[number], now_us, self.next)
            heapreplace(openings, (buffer.opening(self.queues[number], end), number))
        self.next = end

    # --- one by one --------------------------------------------------------------------------------------------------
    def _one_by_one(self, now_us: int) -> None:
        self.take(now_us)
        sends = self.sends
        while self.next < sends.count:
            waits = self.blocked is not None
            if self._bulk and not waits and self.next < self._known_end:
                self._by_batches(now_us)
                if self.next >= sends.count:
                    return
            called_us = self._blocked_since_us if waits else max(sends.times[self.next], self._free_at_us)
            if called_us > now_us:
                return
            limit_us = called_us + self.settings.max_block_us
            code = self._try(self.next, now_us if waits else called_us)
            if code == 0:
                self.next += 1
                if waits:
                    self._unblock(now_us)
            elif code == ErrorCode.CLIENT_RECORD_TOO_LARGE:
                self._refuse(code, now_us)
            elif now_us >= limit_us:
                self._refuse(code, now_us)
                self._unblock(limit_us)
            else:
                self.blocked, self._blocked_since_us = code, called_us
                return

    def _unblock(self, at_us: int) -> None:
        """The waiting call returned at *at_us*; those behind it are made no earlier."""
        self.blocked = None
        self._free_at_us = at_us
        if self.next < self.sends.count and self.sends.times[self.next] < at_us:
            self.floors.append((self.next, at_us))
        for queue in self.queues:
            lane = queue.lane
            lane.floor_us, lane.floor_from = at_us, lane.taken

    def _refuse(self, code: int, now_us: int) -> None:
        """A refused call has no place in its lane."""
        self.port.record(Kind.REFUSED, cause=-1, prod=self.prod, lo=self.next, hi=self.next + 1, code=code)
        self._tell_refused(self.next + 1, code)
        self._chosen = None
        self._go_one_by_one(now_us)
        self.next += 1

    def _refuse_rest(self, now_us: int) -> None:
        end = bisect_right(self.sends.times, now_us, self.next, self.sends.count)
        self.port.record(Kind.REFUSED, cause=-1, prod=self.prod, lo=self.next, hi=end, code=self.refuse_all)
        self._tell_refused(end, self.refuse_all)
        self.next = end

    def _tell_refused(self, end: int, code: int) -> None:
        if self.on_refused is not None:
            self.on_refused(self.next, end, code)

    def shut(self, code: int, now_us: int) -> None:
        """The producer is dead: what was accepted is in batches, the waiting call and all later ones fail."""
        if not self.refuse_all:
            self.take(now_us)
            self.refuse_all, self.blocked = code, None

    def _try(self, send: int, at_us: int) -> int:
        """One send() call: 0 taken, else why it blocks or fails."""
        sends = self.sends
        state = self.topics[sends.topics[send]]
        index = sends.indexes[send]
        if self.metadata.forgotten or index >= len(state.queues) or not state.queues:
            self.metadata.want_topic(state.number)
            return ErrorCode.CLIENT_METADATA_TIMEOUT
        size = sends.cum[send + 1] - sends.cum[send]
        if not self._all_fit and upper_bound_bytes(size) > self._largest_allowed:
            return ErrorCode.CLIENT_RECORD_TOO_LARGE
        if self._chosen is None:
            self._chosen = state.choose(index, sends.keys[send], size)
        queue, by_choice = self._chosen
        if not self.buffer.has_memory(queue, size):
            return ErrorCode.CLIENT_BUFFER_EXHAUSTED
        self._chosen = None
        if by_choice:
            queue = self._stick(state, size)
        lane = queue.lane
        if not queue.static:
            lane.lay(send, at_us, size)
        elif at_us > lane.times[lane.taken]:
            lane.floor_us, lane.floor_from = at_us, lane.taken
        self._put(state, queue, by_choice)
        return 0

    def _stick(self, state: TopicState, size: int) -> PartitionQueue:
        """The sticky partition once there is memory; its open batch, if it has one, has room."""
        queue = state.stick()
        queue.has_room(size, self.buffer.room)
        return queue

    def _put(self, state: TopicState, queue: PartitionQueue, by_choice: bool) -> None:
        """Put the lane's next record into a batch; one that is open has room for it."""
        last = queue.batches[-1] if queue.batches and queue.batches[-1].open else None
        before = 0 if last is None else last.size_bytes
        self.buffer.extend_or_open(queue, queue.lane.taken + 1)
        if by_choice:
            newest = queue.batches[-1]
            state.appended(newest.size_bytes - before, newest.full)
        if last is None:  # a new batch wakes the sender, whose readiness scan notes the load even if nothing can leave
            state.note_load()

    # --- the application sends again ---------------------------------------------------------------------------------
    def resend(self, batch: ProducerBatch, now_us: int) -> None:
        """The callback of every record of a failed batch calls send() again, at most so many times a record."""
        lane, count = batch.queue.lane, self.sends.count
        for position in range(batch.lo, batch.hi):
            send = lane.sends[position]
            original = send if send < count else self.resends[send - count][0]
            times = self._resent.get(original, 0)
            if times < self._resend_limit and not self.refuse_all:
                self._resent[original] = times + 1
                self._go_one_by_one(now_us)
                self._again(original, now_us)

    def _again(self, original: int, now_us: int) -> None:
        """The call is made on the sender's thread, where nobody could free memory or fetch metadata for it: a call
        that would wait fails."""
        sends, new = self.sends, self.sends.count + len(self.resends)
        self.resends.append((original, now_us, self.next))
        state = self.topics[sends.topics[original]]
        size = sends.cum[original + 1] - sends.cum[original]
        queue, by_choice = state.choose(sends.indexes[original], sends.keys[original], size)
        code = ErrorCode.NONE
        if self.metadata.forgotten:
            code = ErrorCode.CLIENT_METADATA_TIMEOUT
        elif not self.buffer.has_memory(queue, size):
            code = ErrorCode.CLIENT_BUFFER_EXHAUSTED
        if code:
            self.port.record(Kind.REFUSED, prod=self.prod, lo=new, hi=new + 1, code=code)
            return
        if by_choice:
            queue = self._stick(state, size)
        queue.lane.lay(new, now_us, size)
        self._put(state, queue, by_choice)

    # --- deadlines ---------------------------------------------------------------------------------------------------
    def next_us(self, can_leave: bool) -> int:
        """When a call by itself may give the sender something to do. *can_leave*: some broker could take a request;
        where none can, a call may wait to be taken until something else happens."""
        if self.blocked is not None:
            return self._blocked_since_us + self.settings.max_block_us
        sends = self.sends
        if self.next >= sends.count:
            return FOREVER
        called_us = max(sends.times[self.next], self._free_at_us)
        if self.refuse_all or self.next >= self._known_end:
            return called_us
        if not self._is_safe(self.next + 1) and not self._look_ahead(self.next + 1, called_us):
            return called_us  # memory may run out: every call is looked at as it is made
        end = min(self._safe_end, self._known_end)
        horizon_us = sends.times[end] if end < sends.count else FOREVER
        if self._bulk or not can_leave:
            return horizon_us  # a queue's next record is its own deadline
        return min(horizon_us, self._sendable_us(called_us))

    def _sendable_us(self, called_us: int) -> int:
        """No batch that a coming call opens or fills can leave before."""
        linger_us, sends = self.settings.linger_us, self.sends
        if linger_us == 0:
            return called_us
        open_bytes = [queue.batches[-1].raw_bytes for queue in self.queues if queue.batches and queue.batches[-1].open]
        left = max(1, self.buffer.room - max(open_bytes, default=0))
        full = bisect_left(sends.cum, sends.cum[self.next] + left, self.next) - 1
        full_us = sends.times[full] if full < sends.count else FOREVER
        return max(called_us, min(called_us + linger_us, full_us))


def _first_calls(sends: Sends) -> dict[int, int]:
    """The first call to each topic."""
    topics = sends.topic_numbers()
    found: dict[int, int] = {}
    for send in range(sends.count if len(topics) > 1 else 1):
        if sends.count and sends.topics[send] not in found:
            found[sends.topics[send]] = send
            if len(found) == len(topics):
                break
    return found
