"""Role: librdkafka's producer, plain or idempotent (no transactions).

A *look* is a turn of the broker threads' loops: timeouts, build, send. Answers are handled as they come and only ask
for a look at the same time, so all answers of one moment are handled before the next request is built (producer:8.2).
Here: what answers and losses do, and leaders. Beside: ``librdkafka_threads`` (the look), ``librdkafka_queue`` (messages
of a partition), ``librdkafka_intake`` (produce() calls), ``librdkafka_idempotence`` (sequences, verdicts),
``librdkafka_reports``, ``librdkafka_network`` (connections, metadata).

Simplified: a topic's partitions are asked for at the start; throttling by brokers and transactions are left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.protocol.lanes import FOREVER, Listener, Sends, Sent
from sim.protocol.librdkafka_idempotence import Identity, Verdict, judge_idempotent, judge_plain, succeeded
from sim.protocol.librdkafka_intake import Intake
from sim.protocol.librdkafka_network import NOBODY, SCAN_US, Control, LibrdkafkaNetwork, Peer
from sim.protocol.librdkafka_queue import Limits, Part, Request, Toppar
from sim.protocol.librdkafka_reports import Reports
from sim.protocol.librdkafka_threads import Threads
from sim.protocol.messages import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    MetadataRequest,
    MetadataResponse,
    ProduceResponse,
    ProduceResult,
)
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaProducerSettings, Rules

__all__ = ["LibrdkafkaProducer"]

_PRODUCER_ID_RETRY_US = 500_000
_NO_PRODUCER_ID_EVER = (
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ErrorCode.UNSUPPORTED_VERSION,
)


class LibrdkafkaProducer:
    """*resend_after_failure*: so many times the application hands a record over again, at once, that was reported
    failed or unknown."""

    def __init__(
        self,
        port: Port,
        settings: LibrdkafkaProducerSettings,
        rules: Rules,
        prod: int,
        sends: Sends,
        bootstrap: tuple[int, ...],
        topics: dict[int, tuple[int, ...]],
        resend_after_failure: int = 0,
    ) -> None:
        self._port, self._settings, self._rules, self._prod = port, settings, rules, prod
        self._limits = Limits.of(settings)
        self._network = LibrdkafkaNetwork(port, settings, bootstrap, sends.topic_numbers())
        self._intake = Intake(port, settings, prod, sends, resend_after_failure)
        self._reports = Reports(port, settings, prod, self._intake)
        self._identity = Identity(port, prod) if settings.idempotence else None
        self._threads = Threads(port, settings, prod, self._network, self._identity, self)
        self._toppars: dict[int, Toppar] = {}
        self._dead = False  # a fatal error, or the process has ended
        self._deadline_us = FOREVER

    # --- what the world asks -----------------------------------------------------------------------------------------
    def idle(self) -> bool:
        """Nothing is left to send or to report."""
        return self._intake.done

    def sent(self) -> Sent:
        return Sent(self._intake.next, self._intake.lanes, [], self._intake.resends)

    def abandon(self, now_us: int) -> list[int]:
        """The process dies: the application never learns what became of what it handed over. Returns the send indexes
        of that, ascending."""
        failed: list[int] = []
        self._intake.advance(now_us)
        self._dead = self._intake.fatal = True
        wires = [one for peer in self._network.peers.values() for _, one in peer.waiting if isinstance(one, Request)]
        for toppar in self._toppars.values():
            parts = [part for request in wires if request.toppar is toppar for part in request.parts]
            parts += self._unsent(toppar)
            for part in sorted(parts, key=lambda part: part.lo):
                part.stained = part.sent > 0
                self._reports.failed(toppar, (part,), ErrorCode.CLIENT_CLOSED, now_us, self._port.cause)
                failed += toppar.lane.sends[part.lo : part.hi]
            toppar.on_wire = 0
        self._network.peers.clear()
        return sorted(failed)

    # --- stimuli -----------------------------------------------------------------------------------------------------
    def start(self, now_us: int) -> None:
        self.on_alarm(now_us)

    def on_alarm(self, now_us: int) -> None:
        """Look, and name the next time to look."""
        self._intake.advance(now_us)
        self._pass_on(now_us)
        self._threads.look(now_us)
        asks_us = min(self._network.serve(now_us), self._ask_identity(now_us))
        self._deadline_us = min(asks_us, self._threads.look(now_us), self._intake.next_us())
        self._port.wake_at(self._deadline_us)

    def on_call(self, now_us: int) -> None:
        """The application has called ``produce()``: a call that nobody knew of beforehand."""
        self._intake.advance(now_us)
        self._pass_on(now_us)
        self._look_by(now_us)

    def listen(self, listener: Listener) -> None:
        self._reports.listener = self._intake.listener = listener

    def on_connected(self, conn: Connection, now_us: int) -> None:
        peer = self._network.of(conn)
        if peer is not None:
            self._network.opened(peer, now_us)
            self._look_by(now_us)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        peer = self._network.of(conn)
        if peer is not None:
            self._intake.advance(now_us)
            self.lose(peer, ErrorCode.NETWORK_EXCEPTION, now_us)
            self._pass_on(now_us)
            self._look_by(now_us)

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        peer = self._network.of(conn)
        if peer is None or not peer.waiting:
            return
        self._intake.advance(now_us)
        _, asked = peer.waiting.popleft()
        match asked, message:
            case Request(), ProduceResponse():
                self._answered(conn, asked, message.results[0], now_us)
            case MetadataRequest(), MetadataResponse():
                self._told(message, now_us)
            case InitProducerIdRequest(), InitProducerIdResponse():
                self._identified(message, now_us)
            case _:
                raise TypeError(f"librdkafka asked {asked!r} and cannot use the answer {message!r}")
        self._pass_on(now_us)
        if now_us - peer.scanned_us >= SCAN_US:
            peer.woken = True
        if peer.woken or peer.built or peer.control or self._may_go_on(asked):
            peer.look_us = now_us
        self._look_by(max(now_us, min(self._threads.next_look_us(), self._network.next_query_us())))

    def _may_go_on(self, asked: Request | Control) -> bool:
        """Whether an answer lets its partition build: messages came back, or the limit or a drain was in the way."""
        if not isinstance(asked, Request):
            return False
        return bool(asked.toppar.parts) or (self._identity is not None and asked.toppar.queued > 0)

    def _pass_on(self, now_us: int) -> None:
        """Wake the threads if messages came that they could not foresee."""
        if self._intake.stirred:
            self._intake.stirred = False
            for peer in self._network.peers.values():
                peer.look_us = now_us

    def _look_by(self, time_us: int) -> None:
        """Look no later than then."""
        if time_us < self._deadline_us:
            self._deadline_us = time_us
            self._port.wake_at(time_us)

    # --- answers to produce requests ---------------------------------------------------------------------------------
    def _answered(self, conn: Connection, request: Request, result: ProduceResult, now_us: int) -> None:
        row = self._port.record(
            Kind.RESPONSE, conn=conn.number, partition=result.partition, prod=self._prod, lo=request.lo, hi=request.hi,
            offset=result.offset, n=request.parts[0].sent, code=result.error,
        )  # fmt: skip
        if result.error == 0:
            self.succeed(request, result.offset, now_us, row)
            return
        self.fail(request, result.error, result.error, now_us, row)
        if self._rules.leader_hints and self._network.cache.hint(result.partition, result.leader, result.leader_epoch):
            self._network.learned([result.partition])
            self._migrate(request.toppar, now_us)

    def succeed(self, request: Request, offset: int, now_us: int, row: int) -> None:
        """Acknowledged (with acks=0: written)."""
        toppar = request.toppar
        toppar.on_wire -= request.count
        wrong = False
        if self._identity is not None:
            implies, wrong = succeeded(request)
            if implies:  # whatever is queued before it must have been stored, so it thinks (producer:8.4)
                for part in toppar.take_before(request.hi):
                    self._reports.delivered(toppar, part.lo, part.hi, -1, row)
        self._reports.delivered(toppar, request.lo, request.hi, offset, row)
        if wrong:
            self._die(now_us, row)
        self._quiet(toppar, now_us)

    def fail(self, request: Request, code: int, told: int, now_us: int, row: int) -> None:
        """Answered with *code*, lost or timed out; *told*: what the application is told if it is not tried again."""
        toppar, identity = request.toppar, self._identity
        toppar.on_wire -= request.count
        self._reports.stain(request, code)
        if identity is None:
            verdict = judge_plain(code, request.sent)
        else:
            verdict = judge_idempotent(request, code, self._settings.gapless_guarantee)
        self._carry_out(verdict, request, told, now_us, row)
        if verdict.bump and identity is not None and not self._dead and identity.bump():
            self._everyone(now_us)
        if verdict.fatal:
            self._die(now_us, row)
        if verdict.topic:
            self._ban(toppar.topic, code, now_us, row)
        error = PRODUCE_ERRORS.get(code)
        if error is not None and error.refresh and verdict.do == "retry":
            self._network.query(now_us)
        self._quiet(toppar, now_us)

    def _carry_out(self, verdict: Verdict, request: Request, told: int, now_us: int, row: int) -> None:
        toppar = request.toppar
        if verdict.do == "succeed":
            self._reports.delivered(toppar, request.lo, request.hi, -1, row)
            return
        bad = self._intake.topics[toppar.topic].bad
        if verdict.do == "retry" and not self._dead and not bad:
            toppar.draining = toppar.draining or verdict.drain
            spent = self._reports.retry(request, verdict.counted, self._identity is not None, now_us, row)
            self._reports.failed(toppar, spent, told, now_us, row)
            return
        if verdict.do == "retry":
            # Measured: what a topic marked bad would have to retry ends as _DESTROY (29 is the other side of a race).
            told = ErrorCode.CLIENT_CLOSED if bad else ErrorCode.CLIENT_PURGED
        self._reports.failed(toppar, request.parts, told, now_us, row)

    def lose(self, peer: Peer, code: int, now_us: int) -> None:
        """The connection is gone: its window comes back in order, sent or not (producer:8.3, S54)."""
        requests, others, row = self._network.lost(peer, code, now_us)
        timed_out = code == ErrorCode.REQUEST_TIMED_OUT
        made = code if timed_out else ErrorCode.CLIENT_TRANSPORT
        told = ErrorCode.CLIENT_DELIVERY_TIMEOUT if timed_out else made
        for request in requests:
            self.fail(request, made, told, now_us, row)
        self._unanswered(others, now_us)

    def _unanswered(self, others: Iterable[Control], now_us: int) -> None:
        for one in others:
            if isinstance(one, InitProducerIdRequest) and self._identity is not None:
                self._identity.asked = False
                self._identity.ask_at_us = now_us + _PRODUCER_ID_RETRY_US

    # --- taking requests back ----------------------------------------------------------------------------------------
    def purge(self, toppar: Toppar, now_us: int) -> None:
        """Take back what is built and not sent; it waits its back-off like a failed one, uncounted."""
        for request in self._recalled(toppar):
            if self._identity is not None:
                judge_idempotent(request, ErrorCode.CLIENT_TRANSPORT, False)  # an error is what comes next
                toppar.draining = True
            self._reports.retry(request, False, self._identity is not None, now_us, request.parts[0].row)
        self._quiet(toppar, now_us)

    def _recalled(self, toppar: Toppar) -> list[Request]:
        peer = self._network.peer(toppar.leader)
        recalled = [request for request in peer.built if request.toppar is toppar]
        for request in recalled:
            peer.built.remove(request)
            toppar.on_wire -= request.count
        return recalled

    def _unsent(self, toppar: Toppar) -> list[Part]:
        """Everything of the partition that is not on the wire, in order, taken away."""
        parts = [part for request in self._recalled(toppar) for part in request.parts]
        return sorted(parts + toppar.take_all(), key=lambda part: part.lo)

    def _quiet(self, toppar: Toppar, now_us: int) -> None:
        """Something of the partition ended; if it was the last on the wire, that may complete a bump."""
        if self._identity is not None and toppar.on_wire == 0 and toppar.counted:
            toppar.counted = False
            if self._identity.ended():
                self._everyone(now_us)
        peer = self._network.peer(toppar.leader)
        if toppar.queued:  # the thread of a new leader is not woken by what the old one brings back
            peer.look_us = min(peer.look_us, peer.on_grid(now_us, now_us))

    def _die(self, now_us: int, row: int) -> None:
        """Fatal error: nothing is built any more and the queues are purged (producer:8.4); what is built still leaves
        into the slot that the error freed (measured with a window of 2)."""
        self._dead = self._intake.fatal = True
        for toppar in self._toppars.values():
            queued = sorted(toppar.take_all(), key=lambda part: part.lo)
            self._reports.failed(toppar, queued, ErrorCode.CLIENT_PURGED, now_us, row)
            self._quiet(toppar, now_us)
        self._look_by(now_us)

    def _ban(self, topic: int, code: int, now_us: int, row: int) -> None:
        """The topic is marked bad: all that is unsent fails at once (producer:8.5, code 29)."""
        state = self._intake.topics[topic]
        state.bad = code
        for toppar in state.toppars:
            self._reports.failed(toppar, self._unsent(toppar), code, now_us, row)
            self._quiet(toppar, now_us)

    @property
    def builds(self) -> bool:
        """May anything be built at all?"""
        return not self._dead and (self._identity is None or self._identity.usable)

    def expire(self, peer: Peer, now_us: int) -> None:
        """The timeout scan of one thread (producer:8.6). The gap in the sequence costs an epoch, but where there is no
        leader (``rd_kafka_broker_toppars_timeout_scan``): the next one refuses what comes behind it.
        """
        expired = False
        for toppar in peer.toppars:
            if toppar.expires_at_us() <= now_us:
                parts = toppar.take_expired(now_us)
                self._reports.expired(toppar, parts, now_us)
                expired = expired or bool(parts)
        if peer.node.server == NOBODY:
            self._intake.expire_homeless(now_us, self._limits.timeout_us)
        identity = self._identity
        self._pass_on(now_us)
        if peer.node.server == NOBODY or not expired or self._dead:
            return
        if identity is not None and identity.pid >= 0 and identity.bump():
            self._everyone(now_us)

    def expires_at_us(self, peer: Peer) -> int:
        """When the scan of this thread will find the first message too old."""
        times = [toppar.expires_at_us() for toppar in peer.toppars]
        if peer.node.server == NOBODY:
            times.append(self._intake.homeless_expire_at_us(self._limits.timeout_us))
        return min(times, default=FOREVER)

    # --- metadata, producer id ---------------------------------------------------------------------------------------
    def _told(self, response: MetadataResponse, now_us: int) -> None:
        self._network.learned(self._network.cache.apply(response))
        for topic in self._intake.topics:
            self._intake.learned(topic, self._network.cache.partitions(topic), self._toppar)
        for toppar in self._toppars.values():
            if self._network.cache.leader(toppar.partition) != toppar.leader:
                self._migrate(toppar, now_us)
        if self._identity is not None and self._identity.pid < 0:
            self._identity.ask_at_us = now_us
            self._look_by(now_us)

    def _toppar(self, partition: int, topic: int) -> Toppar:
        toppar = self._toppars.get(partition)
        if toppar is None:
            toppar = self._toppars[partition] = Toppar(partition, topic, self._limits)
            self._network.peer(NOBODY).toppars.append(toppar)
        return toppar

    def _migrate(self, toppar: Toppar, now_us: int) -> None:
        """A new leader: what is built comes back, what is on the wire is answered by the old one. The idempotent
        producer sends nothing to the new one before that (producer:8.4)."""
        old = self._network.peer(toppar.leader)
        self.purge(toppar, now_us)
        old.toppars.remove(toppar)
        toppar.leader = self._network.cache.leader(toppar.partition)
        new = self._network.peer(toppar.leader)
        new.toppars.append(toppar)
        toppar.draining = self._identity is not None
        old.look_us = new.look_us = now_us

    def _ask_identity(self, now_us: int) -> int:
        """Ask for a producer id where one is missing; when to try again."""
        identity = self._identity
        if identity is None or identity.pid >= 0 or identity.asked or self._dead:
            return FOREVER
        if now_us >= identity.ask_at_us:
            identity.asked = self._network.ask(InitProducerIdRequest(self._prod), now_us)
            identity.ask_at_us = now_us + _PRODUCER_ID_RETRY_US
        return FOREVER if identity.asked else identity.ask_at_us

    def _identified(self, response: InitProducerIdResponse, now_us: int) -> None:
        identity = self._identity
        assert identity is not None
        identity.asked = False
        if response.error == 0:
            identity.obtained(response.pid, response.epoch)
            self._everyone(now_us)
        elif response.error in _NO_PRODUCER_ID_EVER:
            self._die(now_us, self._port.cause)
        else:
            identity.ask_at_us = now_us + _PRODUCER_ID_RETRY_US
            self._look_by(now_us)

    def _everyone(self, now_us: int) -> None:
        """Wake all threads. Each begins anew, with a look for old messages (``rd_kafka_all_brokers_wakeup``; measured:
        messages whose time is up go at a bump, not at the next second)."""
        for peer in self._network.peers.values():
            peer.changed(now_us)
