"""What may leave a Java producer now: readiness, drain, the watch over delivery timeouts (``RecordAccumulator``).

Rules: producer.md 2.4, 2.5, 4.1, 5.2. Laws: a partition has at most one batch in a request; only the first batch of a
queue leaves; with one request in flight a partition that has a batch on the wire gives no other (2.6).
"""

from __future__ import annotations

from sim.protocol.java_batches import BATCH_OVERHEAD_BYTES, PartitionQueue, ProducerBatch
from sim.protocol.java_intake import Intake
from sim.protocol.java_network import JavaNetwork, JavaNode
from sim.protocol.java_order import cluster_order
from sim.protocol.java_sequences import Sequences
from sim.protocol.lanes import FOREVER
from sim.protocol.settings import JavaProducerSettings

__all__ = ["Accumulator"]


class Accumulator:
    def __init__(
        self, settings: JavaProducerSettings, intake: Intake, network: JavaNetwork, sequences: Sequences | None
    ) -> None:
        self.settings, self.intake, self.network, self.sequences = settings, intake, network, sequences
        self.buffer, self.queues = intake.buffer, intake.queues
        self.can_leave = True  # as of the last look: some broker could take a request, or may yet be reached
        self.rests = False  # as of the last look: nothing is queued, and every leader could take a request
        self._mutes = settings.max_in_flight == 1
        self._skips_full = settings.partitioner_availability_timeout_us == 0
        self._fewest = max(0, self.buffer.room) // max(1, intake.sends.largest_bytes)  # any batch has room for so many
        self._by_partition: dict[int, PartitionQueue] = {}
        self._parts_of: dict[int, list[PartitionQueue]] = {}  # by leader
        self._drain_index: dict[int, int] = {}

    def queue(self, partition: int) -> PartitionQueue:
        queue = self._by_partition.get(partition)
        if queue is None:
            queue = self._by_partition[partition] = PartitionQueue(partition)
            self.queues.append(queue)
        return queue

    def learned(self) -> None:
        """Leaders may have changed."""
        metadata, nodes = self.network.metadata, self.network.nodes
        self._parts_of = {}
        for queue in sorted(self.queues, key=lambda queue: queue.partition):
            leader = metadata.leader(queue.partition)
            queue.node = nodes.get(leader)
            queue.leader_epoch = metadata.leader_epoch(queue.partition)
            self._parts_of.setdefault(leader, []).append(queue)
        topics, names = self.intake.topics, self.intake.topic_names
        order = cluster_order({names[number]: len(topics[number].queues) for number in topics if number in names})
        for number, state in topics.items():
            listed = [index for topic, index in order if topic == names.get(number)]
            state.note_leaders(listed or range(len(state.queues)))

    # --- readiness ---------------------------------------------------------------------------------------------------
    def ready(self, now_us: int) -> tuple[list[JavaNode], int]:
        """Leaders with something sendable, and the time at which a waiting queue becomes sendable."""
        intake, limit = self.intake, self.settings.max_in_flight
        ready: list[JavaNode] = []
        wake_us = FOREVER
        can_leave, rests = False, True
        for queue in self.queues:
            node = queue.node
            if node is not None and node.ready and len(node.in_flight) >= limit and self._skips_full:
                rests = False
                continue  # nothing can leave; what arrives meanwhile waits in the lane
            can_leave = True
            lane, at = queue.lane, queue.lane.taken
            if at < lane.length and lane.times[at] <= now_us:
                self.buffer.fill(queue, now_us, intake.next)
            if not queue.batches:
                at_us = self._arrival_us(queue)
            else:
                rests = False
                if node is None:
                    self.network.metadata.want()
                    continue
                if queue.muted or node in ready:
                    continue
                at_us = self._sendable_us(queue, now_us)
                if at_us <= now_us:
                    ready.append(node)
                    continue
            if at_us < wake_us:
                wake_us = at_us
        self.can_leave, self.rests = can_leave, rests and intake.blocked is None
        for state in intake.topics.values():
            state.note_load()
        return ready, wake_us

    def rest_us(self) -> int | None:
        """Requests have just left. When something becomes sendable by itself, as the next pass at this time would say;
        None: that pass may find more, so it has to be made."""
        if not self._skips_full or self.intake.blocked is not None:
            return None
        limit, can_leave, rests, wake_us = self.settings.max_in_flight, False, True, FOREVER
        for queue in self.queues:
            node = queue.node
            if node is not None and node.ready and len(node.in_flight) >= limit:
                rests = False
                continue
            if queue.batches:
                return None
            can_leave = True
            at_us = self._arrival_us(queue)
            if at_us < wake_us:
                wake_us = at_us
        self.can_leave, self.rests = can_leave, rests
        for state in self.intake.topics.values():
            state.note_load()
        return wake_us

    def _sendable_us(self, queue: PartitionQueue, now_us: int) -> int:
        """When the first batch may leave: now (or earlier) if it may."""
        head = queue.batches[0]
        head.note_leader_epoch(queue.leader_epoch)
        if head.backs_off(now_us):
            return head.retry_us
        if head.attempts or head.full or len(queue.batches) > 1 or self.intake.exhausted:
            return now_us
        lingered_us = head.created_us + self.settings.linger_us
        return lingered_us if lingered_us <= now_us else self._full_or(queue, head.lo, lingered_us)

    def _arrival_us(self, queue: PartitionQueue) -> int:
        """When the next, still future, record of an empty queue would be sendable."""
        lane, at, linger_us = queue.lane, queue.lane.taken, self.settings.linger_us
        if at >= lane.length or self.intake.blocked is not None:
            return FOREVER
        if linger_us == 0:
            return lane.created_us(at)
        return self._full_or(queue, at, lane.created_us(at) + linger_us)

    def _full_or(self, queue: PartitionQueue, lo: int, lingered_us: int) -> int:
        """When the batch that begins at *lo* will be full, as far as the lane's future tells, or *lingered_us* if that
        is earlier."""
        lane, times, fewest = queue.lane, queue.lane.times, self._fewest
        if self.settings.linger_us == 0 or self.intake.blocked is not None or lane.taken >= lane.length:
            return lingered_us
        if fewest and (lo + fewest > lane.length or times[lo + fewest - 1] >= lingered_us):
            return lingered_us  # even records of the largest size would not fill it before
        hi = lane.room_until(lo, self.buffer.room, lane.length)
        if lane.size(lo, hi) == self.buffer.room:
            hi -= 1  # full to the brim: no further record has to come to show it
        return times[hi] if hi < lane.length and times[hi] < lingered_us else lingered_us

    # --- drain -------------------------------------------------------------------------------------------------------
    def drain(self, node: JavaNode, now_us: int) -> list[ProducerBatch]:
        """``drainBatchesForOneNode``: once round, one batch a partition, a blocked partition ends it (producer 2.5)."""
        parts = self._parts_of.get(node.server)
        drained: list[ProducerBatch] = []
        if not parts:
            return drained
        count, size = len(parts), 0
        start = index = self._drain_index.get(node.server, 0) % count
        while True:
            queue = parts[index]
            self._drain_index[node.server] = index
            index = (index + 1) % count
            first = None if queue.muted else self._first(queue, now_us)  # linger is not looked at again
            if first is not None:
                if drained and size + first.size_bytes > self.settings.max_request_size_bytes:
                    break
                if self.sequences is not None and self.sequences.holds_back(queue, first):
                    break
                size += first.size_bytes
                drained.append(self._take(queue))
            if index == start:
                break
        return drained

    def _first(self, queue: PartitionQueue, now_us: int) -> ProducerBatch | None:
        if queue.lane.taken < queue.lane.length:
            self.buffer.fill(queue, now_us, self.intake.next)
        if not queue.batches:
            return None
        first = queue.batches[0]
        first.note_leader_epoch(queue.leader_epoch)
        return None if first.backs_off(now_us) else first

    def _take(self, queue: PartitionQueue) -> ProducerBatch:
        batches = queue.batches
        batch = batches.popleft()
        if batches:
            self.buffer.watch(batches[0])
        batch.open = False
        if self.sequences is not None and batch.seq < 0:
            self.sequences.number(queue, batch)
        batch.renumbered = False
        queue.in_flight.append(batch)
        queue.muted = self._mutes
        return batch

    # --- back from the wire ------------------------------------------------------------------------------------------
    def off_wire(self, batch: ProducerBatch) -> None:
        in_flight = batch.queue.in_flight
        if batch in in_flight:
            in_flight.remove(batch)
            if in_flight:
                self.buffer.watch(in_flight[0])

    def put_back(self, batch: ProducerBatch) -> None:
        """Plain: at the head, whatever is there. Idempotent: by sequence, before never-sent ones (4.1)."""
        batch.queue.put_back(batch, in_sequence=self.sequences is not None)
        self.buffer.watch(batch)

    def split(self, batch: ProducerBatch, row: int) -> None:
        """``splitAndReenqueue``: pieces of at most batch.size, not yet tried, at the head in order (producer 3.3)."""
        queue, lane = batch.queue, batch.queue.lane
        if self.sequences is not None:
            queue.untrack(batch)
        pieces: list[ProducerBatch] = []
        room = max(1, self.settings.batch_size_bytes) - BATCH_OVERHEAD_BYTES
        lo = batch.lo
        while lo < batch.hi:
            hi = min(lane.room_until(lo, room, batch.hi), batch.hi)
            pieces.append(batch.piece(lo, hi, self.buffer.wire_bytes(lane.size(lo, hi)), row))
            lo = hi
        for piece in reversed(pieces):
            if self.sequences is not None:
                queue.track(piece)
            self.put_back(piece)

    # --- delivery timeout --------------------------------------------------------------------------------------------
    def expired(self, now_us: int) -> tuple[list[ProducerBatch], list[ProducerBatch]]:
        """Take out what has reached delivery.timeout.ms: queued ones, and those in flight; of every list only a
        leading run (producer 5.2)."""
        limit_us = now_us - self.settings.delivery_timeout_us
        queued: list[ProducerBatch] = []
        in_flight: list[ProducerBatch] = []
        self.buffer.expires_us = FOREVER
        for queue in self.queues:
            while queue.batches and queue.batches[0].created_us <= limit_us:
                queued.append(queue.batches.popleft())
            while queue.in_flight and queue.in_flight[0].created_us <= limit_us:
                in_flight.append(queue.in_flight.pop(0))
            if queue.batches:
                self.buffer.watch(queue.batches[0])
            if queue.in_flight:
                self.buffer.watch(queue.in_flight[0])
        return queued, in_flight
