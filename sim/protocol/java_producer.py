"""Role: the Apache Java producer, idempotent or plain (no transactions).

One turn of ``_run_once`` is one pass of Kafka's sender loop; every answer is handled in a pass of its own, with a full
send pass before the next one (producer 2.7). What the passes do is in other files: ``java_intake`` takes send() calls,
``java_accumulator`` says what may leave, ``java_outcomes`` what becomes of it, ``java_sequences`` numbers,
``java_network`` moves requests.

Laws: a partition has at most one batch in a request; with one request in flight at most one batch of a partition is
on the wire; a batch is reported exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.protocol.error_codes import ErrorCode
from sim.protocol.java_accumulator import Accumulator
from sim.protocol.java_batches import ProducerBatch
from sim.protocol.java_intake import Intake
from sim.protocol.java_network import ONE_MS, JavaNetwork, JavaNode
from sim.protocol.java_outcomes import Outcomes
from sim.protocol.java_sequences import Sequences
from sim.protocol.lanes import FOREVER, Listener, Sends, Sent
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
_HINTED = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)


class JavaProducer:
    """*resend_after_failure*: so many times the application sends a record again, at once, that was reported failed
    or unknown."""

    def __init__(
        self,
        port: Port,
        settings: JavaProducerSettings,
        rules: Rules,
        prod: int,
        sends: Sends,
        bootstrap: tuple[int, ...],
        topics: dict[int, tuple[int, ...]],
        resend_after_failure: int = 0,
        topic_names: Mapping[int, str] | None = None,
    ) -> None:
        self.port, self.settings, self.rules, self.prod = port, settings, rules, prod
        self.network = JavaNetwork(port, settings, rules, bootstrap, lost=self._lost, learned=self._learned)
        self.intake = Intake(port, settings, prod, sends, self.network.metadata, resend_after_failure)
        self.intake.topic_names = topic_names or {}
        self.sequences = Sequences(port, rules, prod) if settings.idempotence else None
        self.accumulator = Accumulator(settings, self.intake, self.network, self.sequences)
        self.outcomes = Outcomes(port, settings, rules, prod, self.intake, self.accumulator, self.sequences)
        self._producer_id_retry_us = 0
        self._rests_until_us = 0  # a good answer changes nothing for the sender before: its pass is left out
        self._dead = False

    # --- what the host calls -----------------------------------------------------------------------------------------
    def start(self, now_us: int) -> None:
        self._run_once(now_us)

    def on_alarm(self, now_us: int) -> None:
        calls = self.intake.next
        self.intake.advance(now_us)
        # A sender that slept until an expiry, and was not woken by a call, wakes a millisecond late; by then a request
        # timer of the same length has run out too, and what was on the wire is reported first (measured).
        intake = self.intake
        called = intake.next > calls and intake.sends.times[intake.next - 1] == now_us
        late_us = ONE_MS if now_us >= intake.buffer.expires_us and not called else 0
        self.network.check_timeouts(now_us, late_us)
        self._run_once(now_us)

    def on_connected(self, conn: Connection, now_us: int) -> None:
        self.intake.advance(now_us)
        self.network.connected(conn, now_us)
        self._run_once(now_us)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        self.intake.advance(now_us)
        self.network.disconnected(conn, now_us)
        self._run_once(now_us)

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        broken = self.network.is_broken(conn)
        self.intake.advance(now_us)
        mine, about = self.network.answered(conn, message, now_us)
        rests = False
        if mine:
            if isinstance(message, ProduceResponse):
                assert isinstance(about, list)
                rests = self._handle(conn, about, message, now_us) and now_us < self._rests_until_us
            elif isinstance(message, InitProducerIdResponse):
                self._producer_id_answer(message, now_us)
        if broken:  # the poll that read this answer also saw a write fail: no send pass between, and the rest is lost
            self.network.disconnected(conn, now_us)
        elif rests:
            return
        self._run_once(now_us)

    def on_call(self, now_us: int) -> None:
        """The application has called ``send()``: a call that nobody knew of beforehand."""
        self._run_once(now_us)

    def listen(self, listener: Listener) -> None:
        self.outcomes.on_report, self.intake.on_refused = listener.reported, listener.refused

    def on_resumed(self, since_us: int, now_us: int) -> None:
        """The process goes on after a pause; arrivals that waited and the alarm come next."""
        self.intake.stood_still(since_us, now_us)

    @property
    def reports(self) -> int:
        """Records reported so far."""
        return self.outcomes.reports

    def idle(self) -> bool:
        """Nothing is left to send or to report."""
        intake = self.intake
        if intake.next < intake.sends.count:
            return False
        return not any(
            queue.batches or queue.in_flight or queue.lane.taken < queue.lane.length and not intake.refuse_all
            for queue in intake.queues
        )

    def sent(self) -> Sent:
        intake = self.intake
        return Sent(intake.next, [queue.lane for queue in intake.queues], intake.floors, intake.resends)

    def abandon(self, now_us: int) -> list[int]:
        """The process dies: what was accepted and not reported stays unknown to the application. Returns the send
        indexes of that, ascending."""
        if self._dead:
            return []
        self._dead = True
        self.intake.advance(now_us)
        return self.outcomes.abort_all(ErrorCode.CLIENT_CLOSED, ErrorCode.CLIENT_CLOSED, now_us)

    # --- passes ------------------------------------------------------------------------------------------------------
    def _run_once(self, now_us: int) -> None:
        """Passes until one changes nothing more; then the time of the next is known."""
        if self._dead:
            return
        network = self.network
        again, wake_us = True, FOREVER
        while again:
            self.intake.advance(now_us)
            network.forget_waiting()
            if self.sequences is None or self._settled(self.sequences, now_us):
                again, wake_us = self._send_data(now_us)
            elif self._dead_by_error():
                return
            else:
                again, wake_us = self._ask_producer_id(now_us)
            again = network.refresh(now_us) or again
        calls_us = self.intake.next_us(self.accumulator.can_leave)
        wake_us = min(wake_us, network.next_deadline_us(now_us), calls_us)
        self.port.wake_at(wake_us)
        rests = self.accumulator.rests and self.intake.foreseen and now_us < network.metadata.due_us
        self._rests_until_us = wake_us if rests and (self.sequences is None or self.sequences.calm) else 0

    def _settled(self, sequences: Sequences, now_us: int) -> bool:
        """May this pass produce? Bumps are carried out first; a fatal error ends everything (producer 2.4)."""
        sequences.settle()
        if sequences.fatal:
            self.outcomes.abort_all(ErrorCode.CLIENT_FATAL, sequences.fatal, now_us)
            return False
        return sequences.known

    def _dead_by_error(self) -> bool:
        if self.sequences is None or not self.sequences.fatal:
            return False
        self.port.wake_at(self.intake.next_us(False))
        return True

    def _ask_producer_id(self, now_us: int) -> tuple[bool, int]:
        """Such passes end here: no produce request, no expiry (producer 6.1, 5.2)."""
        network, sequences = self.network, self.sequences
        assert sequences is not None
        if sequences.asking:
            return False, FOREVER
        if now_us < self._producer_id_retry_us:
            return False, self._producer_id_retry_us
        node = network.least_loaded(now_us)
        if node is None or not network.ready(node, now_us):
            return False, FOREVER
        sequences.asking = True
        network.send(node, InitProducerIdRequest(self.prod), _PRODUCER_ID, now_us)
        return True, FOREVER

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

    def _send_data(self, now_us: int) -> tuple[bool, int]:
        """``Sender.sendProducerData``: drain, expire, send. Returns whether a pass follows at once, and else when."""
        accumulator, network = self.accumulator, self.network
        watched = self.settings.partitioner_availability_timeout_us > 0
        ready, wake_us = accumulator.ready(now_us)
        requests: list[tuple[JavaNode, list[ProducerBatch]]] = []
        for node in ready:
            can_send = network.ready(node, now_us)
            if watched:
                node.note_wanted(now_us, can_send)
            if can_send:
                batches = accumulator.drain(node, now_us)
                if batches:
                    requests.append((node, batches))
        again = now_us >= self.intake.buffer.expires_us and self.outcomes.expire(now_us)
        if not requests:
            return again, min(wake_us, self.intake.buffer.expires_us)
        for node, batches in requests:
            self._send(node, batches, now_us)
        rest_us = None if again else accumulator.rest_us()
        if rest_us is None:
            return True, FOREVER
        return False, min(rest_us, self.intake.buffer.expires_us)

    def _send(self, node: JavaNode, batches: list[ProducerBatch], now_us: int) -> None:
        """One produce request: the batches as they are now, frozen on the wire."""
        port, settings, prod = self.port, self.settings, self.prod
        conn = node.conn
        assert conn is not None
        wire = []
        for batch in batches:
            batch.sent += 1
            lane, partition, lo, hi = batch.queue.lane, batch.queue.partition, batch.lo, batch.hi
            pid, epoch, seq, sent = batch.pid, batch.epoch, batch.seq, batch.sent
            row = port.record(
                Kind.ATTEMPT, cause=batch.row, conn=conn.number, partition=partition, prod=prod, lo=lo, hi=hi,
                offset=node.server, pid=pid, epoch=epoch, seq=seq, n=sent,
            )  # fmt: skip
            batch.row = row
            newest_us = lane.times[hi - 1]
            wire.append(RecordBatch(prod, partition, lo, hi, batch.size_bytes, pid, epoch, seq, newest_us, sent, row))
        request = ProduceRequest(wire, settings.acks, settings.request_timeout_us)
        if settings.acks == 0:
            self.network.send_unanswered(node, request, now_us, wire[0].row)
            for batch in batches:  # done once the bytes are written to the socket (producer 1.1)
                self.outcomes.complete(batch, ProduceResult(batch.queue.partition, 0), now_us, batch.row)
        else:
            self.network.send(node, request, batches, now_us, wire[0].row)

    # --- what comes back ---------------------------------------------------------------------------------------------
    def _handle(self, conn: Connection, batches: list[ProducerBatch], response: ProduceResponse, now_us: int) -> bool:
        """Whether every batch was stored."""
        good = True
        for batch, result in zip(batches, response.results, strict=True):
            row = self.port.record(
                Kind.RESPONSE, conn=conn.number, partition=result.partition, prod=self.prod, lo=batch.lo, hi=batch.hi,
                offset=result.offset, n=batch.sent, code=result.error,
            )  # fmt: skip
            self.outcomes.complete(batch, result, now_us, row)
        for result in response.results:
            if result.error:
                good = False
                if result.error in _HINTED and self.rules.leader_hints:
                    self.network.hint(result.partition, result.leader, result.leader_epoch, now_us)
        return good

    def _lost(self, requests: list[object], code: int, row: int, now_us: int) -> None:
        """The connection went: every batch on it gets a client-made error, oldest first, so plain retries end up
        reversed (producer 4.2 b)."""
        for about in requests:
            if about is _PRODUCER_ID:
                self._producer_id_retry(now_us)
                continue
            assert isinstance(about, list)
            for batch in about:
                self.outcomes.complete(batch, ProduceResult(batch.queue.partition, code), now_us, row)

    def _learned(self, now_us: int) -> None:
        self.intake.learned(self.accumulator.queue, now_us)
        self.accumulator.learned()
