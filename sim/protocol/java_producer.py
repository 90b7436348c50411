"""Role: the Apache Java producer, idempotent or plain (no transactions).

One call of ``_run_once`` is one pass of Kafka's sender loop; every answer is handled in a pass of its own, with a full
send pass before the next one (producer 2.7). What the passes do is in other files: ``java_intake`` takes send() calls,
``java_batches`` keeps queues, ``java_sequences`` numbers, ``java_network`` moves requests. Here: readiness, drain, expiry,
completion (``Sender``, ``RecordAccumulator``; producer.md 2.4, 2.5, 3.1, 4.1, 5.2).

Laws: a partition has at most one batch in a request; with one request in flight at most one batch of a partition is
on the wire; a batch is reported exactly once.
"""

from __future__ import annotations

from sim.errors import LawBroken
from sim.protocol.client_network import Backoff
from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.protocol.java_batches import BATCH_OVERHEAD_BYTES, PartitionQueue, ProducerBatch
from sim.protocol.java_intake import Intake
from sim.protocol.java_network import JavaNetwork, JavaNode, NetworkSettings
from sim.protocol.java_sequences import Sequences
from sim.protocol.lanes import FOREVER, Sends, Sent
from sim.protocol.messages import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceResult,
    RecordBatch,
)
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind
from sim.protocol.settings import JavaProducerSettings, Rules

__all__ = ["JavaProducer"]

_PRODUCER_ID = "InitProducerId"  # what such a request in flight is about


class JavaProducer:
    def __init__(
        self,
        port: Port,
        settings: JavaProducerSettings,
        rules: Rules,
        prod: int,
        sends: Sends,
        bootstrap: tuple[int, ...],
        topics: dict[int, tuple[int, ...]],
    ) -> None:
        self.port, self.settings, self.rules, self.prod = port, settings, rules, prod
        self.topics = topics
        self.reports = 0  # records reported so far
        self.network = JavaNetwork(
            port, _network_settings(settings, rules), bootstrap, lost=self._lost, learned=self._learned
        )
        self.intake = Intake(port, settings, prod, sends, self.network.want_topic)
        self.sequences = Sequences(port, prod) if settings.idempotence else None
        self.queues: dict[int, PartitionQueue] = {}
        backoff_max = settings.retry_backoff_max_us if rules.exponential_retry_backoff else settings.retry_backoff_us
        self._backoff = Backoff(settings.retry_backoff_us, backoff_max)
        self._mutes = settings.max_in_flight == 1
        self._parts_of: dict[int, list[PartitionQueue]] = {}  # by leader, for the drain
        self._drain_index: dict[int, int] = {}
        self._expiry_us = FOREVER
        self._unreported = 0  # batches made and not reported
        self._producer_id_retry_us = 0
        self._dead = False

    # --- what the host calls -----------------------------------------------------------------------------------------
    def start(self, now_us: int) -> None:
        self._run_once(now_us)

    def on_alarm(self, now_us: int) -> None:
        self.network.check_timeouts(now_us)
        self._run_once(now_us)

    def on_connected(self, conn: Connection, now_us: int) -> None:
        self.network.connected(conn, now_us)
        self._run_once(now_us)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        self.network.disconnected(conn, now_us)
        self._run_once(now_us)

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        mine, about = self.network.answered(conn, message, now_us)
        if mine:
            if isinstance(message, ProduceResponse):
                assert isinstance(about, list)
                self._handle(conn, about, message, now_us)
            elif isinstance(message, InitProducerIdResponse) and self.sequences is not None:
                self._producer_id_answer(message, now_us)
        self._run_once(now_us)

    def idle(self) -> bool:
        """Nothing is left to send or to report."""
        intake = self.intake
        if intake.next < intake.sends.count:
            return False
        return all(q.lane.taken >= q.lane.length and not q.batches and not q.in_flight for q in self.queues.values())

    def sent(self) -> Sent:
        intake = self.intake
        return Sent(intake.next, [queue.lane for queue in intake.queues], intake.floors, intake.resends)

    def abandon(self, now_us: int) -> None:
        """The process dies: whatever was accepted and not reported stays unknown to the application."""
        self._dead = True
        self.intake.advance(now_us)
        self.intake.take(now_us)
        for queue in self.intake.queues:
            for batch in sorted([*queue.in_flight, *queue.batches], key=lambda batch: batch.lo):
                self._report(batch, Kind.UNKNOWN if batch.sent else Kind.FAIL, -1, ErrorCode.CLIENT_CLOSED, self.port.cause)

    # --- one pass ------------------------------------------------------------------------------------------------------
    def _run_once(self, now_us: int) -> None:
        if self._dead:
            return
        self.intake.advance(now_us)
        sequences = self.sequences
        if sequences is not None:
            sequences.settle()
            if sequences.fatal:
                self._abort_all(sequences.fatal)
                return
            if not sequences.known:
                self._ask_producer_id(now_us)
                return
        wake_us = self._send_data(now_us)
        network = self.network
        network.refresh(now_us)
        self.port.wake_at(min(wake_us, network.next_deadline_us(now_us), self.intake.next_us(now_us)))

    def _ask_producer_id(self, now_us: int) -> None:
        """Such passes end here: no produce request, no expiry (producer 6.1, 5.2)."""
        network, sequences = self.network, self.sequences
        assert sequences is not None
        wake_us = FOREVER
        if not sequences.asking:
            if now_us < self._producer_id_retry_us:
                wake_us = self._producer_id_retry_us
            else:
                node = network.least_loaded(now_us)
                if node is not None and network.can_send(node):
                    sequences.asking = True
                    network.send(node, InitProducerIdRequest(self.prod), _PRODUCER_ID, now_us)
                elif node is not None:
                    network.connect(node, now_us)
        network.refresh(now_us)
        self.port.wake_at(min(wake_us, network.next_deadline_us(now_us), self.intake.next_us(now_us)))

    def _producer_id_answer(self, message: InitProducerIdResponse, now_us: int) -> None:
        assert self.sequences is not None
        if message.error == 0:
            self.sequences.obtained(message.pid, message.epoch)
        else:
            self._producer_id_retry(now_us)

    def _producer_id_retry(self, now_us: int) -> None:
        assert self.sequences is not None
        self.sequences.asking = False
        self._producer_id_retry_us = now_us + self.settings.retry_backoff_us

    # --- readiness -----------------------------------------------------------------------------------------------------
    def _send_data(self, now_us: int) -> int:
        """``Sender.sendProducerData``. Returns when it should run again by itself."""
        while True:
            ready, wake_us = self._ready(now_us)
            requests: list[tuple[JavaNode, list[ProducerBatch]]] = []
            for node in ready:
                if self.network.ready(node, now_us):
                    batches = self._drain(node, now_us)
                    if batches:
                        requests.append((node, batches))
            if now_us >= self._expiry_us or self.intake.next_created_us < FOREVER:
                self._expire(now_us)
            for node, batches in requests:
                self._send(node, batches, now_us)
            if not requests:  # else Kafka polls without waiting and comes round again
                return min(wake_us, self._expiry_us)

    def _ready(self, now_us: int) -> tuple[list[JavaNode], int]:
        """Leaders with something sendable, and the time at which a waiting queue becomes sendable."""
        intake, settings = self.intake, self.settings
        linger_us, limit = settings.linger_us, settings.max_in_flight
        exhausted = intake.blocked == ErrorCode.CLIENT_BUFFER_EXHAUSTED
        nodes = self.network.nodes
        ready: list[JavaNode] = []
        wake_us = FOREVER
        for queue in intake.queues:
            node = nodes.get(queue.leader)
            if node is not None and node.ready and len(node.in_flight) >= limit and queue.static:
                continue  # nothing can leave; what arrives meanwhile waits in the lane
            intake.fill(queue, now_us)
            if not queue.batches:
                wake_us = min(wake_us, self._arrival_us(queue))
                continue
            if node is None:
                self.network.want_refresh()
                continue
            if queue.muted or node in ready:
                continue
            head = queue.batches[0]
            head.note_leader_epoch(queue.leader_epoch)
            if head.backs_off(now_us):
                wake_us = min(wake_us, head.retry_us)
            elif head.attempts or head.full or len(queue.batches) > 1 or exhausted:
                ready.append(node)
            elif now_us - head.created_us >= linger_us:
                ready.append(node)
            else:
                wake_us = min(wake_us, head.created_us + linger_us, self._full_us(queue, head.lo))
        intake.note_load()
        return ready, wake_us

    def _arrival_us(self, queue: PartitionQueue) -> int:
        """When the next, still future, record of an empty queue would be sendable."""
        lane = queue.lane
        if lane.taken >= lane.length or self.intake.blocked is not None:
            return FOREVER
        at = lane.taken
        return min(lane.created_us(at) + self.settings.linger_us, self._full_us(queue, at))

    def _full_us(self, queue: PartitionQueue, lo: int) -> int:
        """When the batch that begins at *lo* will be full, as far as the lane's future tells."""
        lane = queue.lane
        if self.settings.linger_us == 0 or self.intake.blocked is not None:
            return FOREVER
        hi = lane.room_until(lo, self.settings.batch_size_bytes - BATCH_OVERHEAD_BYTES, lane.length)
        return lane.times[hi] if hi < lane.length else FOREVER

    # --- drain -----------------------------------------------------------------------------------------------------------
    def _drain(self, node: JavaNode, now_us: int) -> list[ProducerBatch]:
        """``drainBatchesForOneJavaNode``: circular, one batch a partition, a blocked partition ends it (producer 2.5)."""
        parts = self._parts_of.get(node.server)
        drained: list[ProducerBatch] = []
        if not parts:
            return drained
        count, size = len(parts), 0
        start = index = self._drain_index.get(node.server, 0) % count
        sequences = self.sequences
        while True:
            queue = parts[index]
            self._drain_index[node.server] = index
            index = (index + 1) % count
            if not queue.muted:
                self.intake.fill(queue, now_us)  # linger is not looked at again
                if queue.batches:
                    first = queue.batches[0]
                    first.note_leader_epoch(queue.leader_epoch)
                    if not first.backs_off(now_us):
                        if drained and size + first.size_bytes > self.settings.max_request_size_bytes:
                            break
                        if sequences is not None and sequences.holds_back(queue, first):
                            break
                        size += first.size_bytes
                        drained.append(self._take(queue))
            if index == start:
                break
        return drained

    def _take(self, queue: PartitionQueue) -> ProducerBatch:
        batch = queue.batches.popleft()
        batch.open = False
        if self.sequences is not None and batch.seq < 0:
            self.sequences.number(queue, batch)
        batch.renumbered = False
        queue.in_flight.append(batch)
        if self._mutes:
            queue.muted = True
        return batch

    def _send(self, node: JavaNode, batches: list[ProducerBatch], now_us: int) -> None:
        """One produce request: the batches as they are now, frozen on the wire."""
        port, settings = self.port, self.settings
        conn = node.conn
        assert conn is not None
        wire = []
        for batch in batches:
            batch.sent += 1
            lane, partition = batch.queue.lane, batch.queue.partition
            row = port.record(
                Kind.ATTEMPT, cause=batch.row, conn=conn.number, partition=partition, prod=self.prod, lo=batch.lo,
                hi=batch.hi, offset=node.server, pid=batch.pid, epoch=batch.epoch, seq=batch.seq, n=batch.sent,
            )  # fmt: skip
            batch.row = row
            wire.append(
                RecordBatch(
                    self.prod, partition, batch.lo, batch.hi, batch.size_bytes, batch.pid, batch.epoch, batch.seq,
                    lane.times[batch.hi - 1], batch.sent, row,
                )  # fmt: skip
            )
        request = ProduceRequest(wire, settings.acks, settings.request_timeout_us)
        if settings.acks == 0:
            self.network.send_unanswered(node, request, wire[0].row)
            for batch in batches:  # done once the bytes are written to the socket (producer 1.1)
                self._complete(batch, ProduceResult(batch.queue.partition, 0), now_us, batch.row)
        else:
            self.network.send(node, request, batches, now_us, wire[0].row)

    # --- expiry ------------------------------------------------------------------------------------------------------------
    def _expire(self, now_us: int) -> None:
        """After the drain, before the send: queued batches first, then those in flight (producer 5.2)."""
        self.intake.next_created_us = FOREVER
        limit = now_us - self.settings.delivery_timeout_us
        queued: list[ProducerBatch] = []
        in_flight: list[ProducerBatch] = []
        oldest = FOREVER
        for queue in self.intake.queues:
            while queue.batches and queue.batches[0].created_us <= limit:
                queued.append(queue.batches.popleft())
            while queue.in_flight and queue.in_flight[0].created_us <= limit:
                in_flight.append(queue.in_flight.pop(0))
            for batches in (queue.batches, queue.in_flight):
                if batches:
                    oldest = min(oldest, batches[0].created_us)
        self._expiry_us = oldest + self.settings.delivery_timeout_us if oldest < FOREVER else FOREVER
        for batch in (*queued, *in_flight):
            row = self.port.record(
                Kind.EXPIRE, cause=batch.row, partition=batch.queue.partition, prod=self.prod, lo=batch.lo, hi=batch.hi
            )
            batch.unsure = batch.unsure or (batch.sent > 0 and batch in in_flight)
            self._fail(batch, ErrorCode.CLIENT_DELIVERY_TIMEOUT, False, row)
            if self.sequences is not None and batch.attempts:
                self.sequences.expired_in_retry(batch)

    # --- completion ----------------------------------------------------------------------------------------------------------
    def _handle(self, conn: Connection, batches: list[ProducerBatch], response: ProduceResponse, now_us: int) -> None:
        for batch, result in zip(batches, response.results, strict=True):
            row = self.port.record(
                Kind.RESPONSE, conn=conn.number, partition=result.partition, prod=self.prod, lo=batch.lo, hi=batch.hi,
                offset=result.offset, n=batch.sent, code=result.error,
            )  # fmt: skip
            self._complete(batch, result, now_us, row)
        for result in response.results:
            hinted = result.error in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)
            if hinted and self.rules.leader_hints and result.leader >= 0:
                self.network.hint(result.partition, result.leader, result.leader_epoch, now_us)

    def _lost(self, requests: list[object], code: int, row: int, now_us: int) -> None:
        """The connection went: every batch on it gets a client-made error, oldest first, so plain retries end up
        reversed (producer 4.2 b)."""
        for about in requests:
            if about is _PRODUCER_ID:
                self._producer_id_retry(now_us)
                continue
            assert isinstance(about, list)
            for batch in about:
                self._complete(batch, ProduceResult(batch.queue.partition, code), now_us, row)

    def _complete(self, batch: ProducerBatch, result: ProduceResult, now_us: int, row: int) -> None:
        """``Sender.completeBatch``: the decision order of producer 3.1."""
        code, queue = result.error, batch.queue
        if code == 0:
            self._succeed(batch, result.offset, row)
        else:
            error = PRODUCE_ERRORS.get(code)
            batch.unsure = batch.unsure or error is None or error.in_log
            if code == ErrorCode.MESSAGE_TOO_LARGE and batch.hi - batch.lo > 1 and not batch.done:
                self._split(batch, row)
            elif self._can_retry(batch, result, now_us, row):
                self._retry(batch, now_us, row)
            elif code == ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
                self._succeed(batch, -1, row)
            else:
                self._fail(batch, code, batch.attempts < self.settings.retries, row)
            if error is not None and error.refresh:
                self.network.want_refresh()
        queue.muted = False

    def _can_retry(self, batch: ProducerBatch, result: ProduceResult, now_us: int, row: int) -> bool:
        settings = self.settings
        if batch.done or batch.attempts >= settings.retries:
            return False
        if now_us - batch.created_us >= settings.delivery_timeout_us:
            return False
        if self.sequences is not None:
            return self.sequences.can_retry(batch, result, row)
        error = PRODUCE_ERRORS.get(result.error)
        return error is not None and error.java_plain == "retry"

    def _retry(self, batch: ProducerBatch, now_us: int, row: int) -> None:
        queue = batch.queue
        queue.in_flight.remove(batch)
        batch.attempts += 1
        batch.last_attempt_us = now_us
        # Kafka draws the jitter anew at every look (producer 1.3); one draw a (batch, attempt) is the documented difference.
        batch.retry_us = now_us + self._backoff.delay_us(batch.attempts, self.port.draw("retry"))
        batch.row = row
        queue.put_back(batch, in_sequence=self.sequences is not None)

    def _split(self, batch: ProducerBatch, row: int) -> None:
        """``splitAndReenqueue``: pieces of at most batch.size, not yet tried, at the head in order (producer 3.3)."""
        queue, lane = batch.queue, batch.queue.lane
        queue.in_flight.remove(batch)
        if self.sequences is not None:
            queue.untrack(batch)
        room = self.settings.batch_size_bytes - BATCH_OVERHEAD_BYTES
        pieces: list[ProducerBatch] = []
        lo = batch.lo
        while lo < batch.hi:
            hi = min(lane.room_until(lo, room, batch.hi), batch.hi)
            piece = ProducerBatch(queue, lo, hi, BATCH_OVERHEAD_BYTES + lane.size(lo, hi), batch.created_us)
            piece.open, piece.full, piece.unsure, piece.row = False, True, batch.unsure, row
            piece.leader_epoch = batch.leader_epoch
            if batch.seq >= 0:
                piece.pid, piece.epoch, piece.seq = batch.pid, batch.epoch, batch.seq + lo - batch.lo
            pieces.append(piece)
            lo = hi
        self.intake.release(batch)
        batch.done = True
        for piece in reversed(pieces):
            if self.sequences is not None:
                queue.track(piece)
            queue.put_back(piece, in_sequence=self.sequences is not None)
        self._expiry_us = min(self._expiry_us, batch.created_us + self.settings.delivery_timeout_us)

    def _succeed(self, batch: ProducerBatch, offset: int, row: int) -> None:
        if self.sequences is not None:
            self.sequences.completed(batch, offset)
        if not batch.done:
            self._leave(batch)
            self._report(batch, Kind.ACK, offset, 0, row)

    def _fail(self, batch: ProducerBatch, code: int, adjust: bool, row: int) -> None:
        if batch.done:
            return
        self._leave(batch)
        self._report(batch, Kind.UNKNOWN if batch.unsure else Kind.FAIL, -1, code, row)
        if self.sequences is not None:
            self.sequences.failed(batch, code, adjust, row)

    def _leave(self, batch: ProducerBatch) -> None:
        if batch in batch.queue.in_flight:
            batch.queue.in_flight.remove(batch)
        self.intake.release(batch)

    def _report(self, batch: ProducerBatch, kind: Kind, offset: int, code: int, row: int) -> None:
        if batch.done:
            raise LawBroken("producer-report", f"batch {batch.lo}..{batch.hi} of partition {batch.queue.partition} reported twice")
        batch.done = True
        self.reports += batch.hi - batch.lo
        self.port.record(
            kind, cause=row, partition=batch.queue.partition, prod=self.prod, lo=batch.lo, hi=batch.hi, offset=offset,
            code=code,
        )  # fmt: skip

    def _abort_all(self, code: int) -> None:
        """Fatal: every incomplete batch fails with the same class, nothing is sent any more (producer 3.2, notes)."""
        self.intake.refuse_all = ErrorCode.CLIENT_FATAL
        for queue in self.intake.queues:
            for batch in sorted([*queue.in_flight, *queue.batches], key=lambda batch: batch.lo):
                batch.unsure = batch.unsure or batch in queue.in_flight
                self._leave(batch)
                self._report(batch, Kind.UNKNOWN if batch.unsure else Kind.FAIL, -1, code, self.port.cause)
            queue.in_flight.clear()
            queue.batches.clear()
        self.port.wake_at(self.intake.next_us(0))

    # --- metadata ------------------------------------------------------------------------------------------------------------
    def _queue(self, partition: int, topic: int) -> PartitionQueue:
        queue = self.queues.get(partition)
        if queue is None:
            queue = self.queues[partition] = PartitionQueue(partition, topic)
            self.intake.queues.append(queue)
        return queue

    def _learned(self, changed: list[int], now_us: int) -> None:
        metadata = self.network.metadata
        for topic in self.intake.topics:
            self.intake.learned(topic, list(metadata.partitions(topic)), self._queue, now_us)
        for queue in self.intake.queues:
            queue.leader = metadata.leader(queue.partition)
            queue.leader_epoch = metadata.leader_epoch(queue.partition)
        self._parts_of = {}
        for partition in sorted(self.queues):
            queue = self.queues[partition]
            if queue.leader >= 0:
                self._parts_of.setdefault(queue.leader, []).append(queue)


def _network_settings(settings: JavaProducerSettings, rules: Rules) -> NetworkSettings:
    return NetworkSettings(
        max_in_flight=settings.max_in_flight,
        request_timeout_us=settings.request_timeout_us,
        reconnect_backoff_us=settings.reconnect_backoff_us,
        reconnect_backoff_max_us=settings.reconnect_backoff_max_us,
        setup_timeout_us=settings.connection_setup_timeout_us,
        setup_timeout_max_us=settings.connection_setup_timeout_max_us,
        retry_backoff_us=settings.retry_backoff_us,
        retry_backoff_max_us=settings.retry_backoff_max_us,
        metadata_max_age_us=settings.metadata_max_age_us,
        rebootstrap=rules.rebootstrap,
    )
