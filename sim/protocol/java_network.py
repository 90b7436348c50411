"""The Java client's NetworkClient: one connection a broker, requests in flight, timeouts, metadata.

Rules kept here: the in-flight limit counts every request of a connection, metadata included (producer 1.1); one expired
request takes the whole connection and everything in flight on it, oldest first (5.1); while a metadata refresh is due
and not yet sent no broker counts as ready (2.4); reconnects back off (1.3). Source: ``NetworkClient``,
``ClusterConnectionStates``, ``Metadata``.

Bootstrap addresses are nodes of their own until the first metadata answer names the brokers, as in Kafka: a connection
to a bootstrap address is not the connection to that broker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sim.protocol.client_network import Backoff, JavaReconnect, Node
from sim.protocol.error_codes import ErrorCode
from sim.protocol.java_metadata import JavaMetadata
from sim.protocol.lanes import FOREVER
from sim.protocol.messages import MetadataRequest, MetadataResponse
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind
from sim.protocol.settings import JavaProducerSettings, Rules

__all__ = ["ONE_MS", "JavaNetwork", "JavaNode"]

ONE_MS = 1_000  # Kafka's clock ticks in milliseconds; "more than the timeout" is one tick more


class InFlight:
    """One unanswered request. ``about``: what the owner needs to complete it; None for the metadata request."""

    __slots__ = ("about", "sent_us")

    def __init__(self, about: object, sent_us: int) -> None:
        self.about, self.sent_us = about, sent_us


@dataclass(slots=True, eq=False)
class JavaNode(Node):
    """A broker, or a bootstrap address, with the requests in flight to it."""

    in_flight: deque[InFlight] = field(default_factory=deque)
    last_attempt_us: int = 0
    active_us: int = 0  # last time something went or came
    wanted_us: int = -1  # last time there was something to drain for it ...
    drained_us: int = -1  # ... and it could be drained (partitioner.availability.timeout.ms)

    @property
    def connecting(self) -> bool:
        return self.conn is not None and not self.ready

    def note_wanted(self, now_us: int, can_drain: bool) -> None:
        """``updateNodeLatencyStats``: there is something for it; can it be drained?"""
        if can_drain or self.wanted_us < 0:
            self.drained_us = now_us
        self.wanted_us = now_us


class JavaNetwork:
    """``lost(requests, code, row, now)`` is called with what was in flight when a connection went (oldest first),
    ``code`` REQUEST_TIMED_OUT or NETWORK_EXCEPTION; ``learned(now)`` when leaders became known or were forgotten."""

    def __init__(
        self,
        port: Port,
        settings: JavaProducerSettings,
        rules: Rules,
        bootstrap: tuple[int, ...],
        lost: Callable[[list[object], int, int, int], None],
        learned: Callable[[int], None],
    ) -> None:
        self.port, self.settings = port, settings
        self.metadata = JavaMetadata(port, settings, rules)
        self._lost, self._learned = lost, learned
        self._bootstrap, self._rebootstraps = bootstrap, rules.rebootstrap
        self.nodes: dict[int, JavaNode] = {-1 - host: JavaNode(host) for host in bootstrap}
        self._candidates: list[int] = list(self.nodes)  # what metadata names now
        self._by_conn: dict[Connection, JavaNode] = {}
        self._reconnect = JavaReconnect(
            Backoff(settings.reconnect_backoff_us, settings.reconnect_backoff_max_us),
            Backoff(settings.connection_setup_timeout_us, settings.connection_setup_timeout_max_us),
        )
        self._check_us = FOREVER  # no request, connection attempt or idle connection expires before
        self._backoff_us = FOREVER  # when a connection that somebody waits for may be tried again

    # --- metadata ----------------------------------------------------------------------------------------------------
    def refresh(self, now_us: int) -> bool:
        """Send the metadata request if one is due and a broker can take it (``DefaultMetadataUpdater.maybeUpdate``).

        Returns whether one was sent."""
        if now_us < self.metadata.due_us:
            return False
        node = self.least_loaded(now_us)
        if node is None and self._rebootstraps and not any(self.nodes[number].ready for number in self._candidates):
            self._rebootstrap(now_us)
            node = self.least_loaded(now_us)
        if node is None:
            return False
        if self.can_send(node):
            self.send(node, MetadataRequest(self.metadata.sent()), None, now_us)
            return True
        if not any(self.nodes[number].connecting for number in self._candidates):
            self.connect(node, now_us)
        return False

    def _rebootstrap(self, now_us: int) -> None:
        """No broker can even be tried: begin again with the bootstrap addresses, leaders forgotten (KIP-899)."""
        for host in self._bootstrap:
            self.nodes.setdefault(-1 - host, JavaNode(host))
        self._candidates = [-1 - host for host in self._bootstrap]
        self.metadata.forget()
        self._learned(now_us)

    def least_loaded(self, now_us: int) -> JavaNode | None:
        """``leastLoadedNode``: idle and ready, else fewest in flight, else connecting, else connectable."""
        best = connecting = connectable = None
        fewest = FOREVER
        count = len(self._candidates)
        offset = self.port.draw("least-loaded") % count
        for i in range(count):
            node = self.nodes[self._candidates[(offset + i) % count]]
            if self.can_send(node):
                if not node.in_flight:
                    return node
                if len(node.in_flight) < fewest:
                    best, fewest = node, len(node.in_flight)
            elif node.connecting:
                connecting = node
            elif node.may_connect(now_us):
                if connectable is None or connectable.last_attempt_us > node.last_attempt_us:
                    connectable = node
            elif node.conn is None:
                self._backoff_us = min(self._backoff_us, node.not_before_us)
        return best or connecting or connectable

    def _metadata_answer(self, response: MetadataResponse, now_us: int) -> None:
        self._record_leaders(self.metadata.answered(response, now_us))
        self._candidates = list(response.brokers) or self._candidates
        for broker in response.brokers:
            self.nodes.setdefault(broker, JavaNode(broker))
        self._learned(now_us)

    def _record_leaders(self, partitions: list[int]) -> None:
        for partition in partitions:
            self.port.record(
                Kind.METADATA, partition=partition, n=self.metadata.leader(partition),
                lep=self.metadata.leader_epoch(partition),
            )  # fmt: skip

    def hint(self, partition: int, leader: int, epoch: int, now_us: int) -> None:
        """A produce answer named a newer leader (KIP-951)."""
        if self.metadata.hint(partition, leader, epoch):
            self.nodes.setdefault(leader, JavaNode(leader))
            self._record_leaders([partition])
            self._learned(now_us)

    # --- connections -------------------------------------------------------------------------------------------------
    def can_send(self, node: JavaNode) -> bool:
        return node.ready and len(node.in_flight) < self.settings.max_in_flight

    def ready(self, node: JavaNode, now_us: int) -> bool:
        """May a request go to *node* now? Opens a connection where there is none (``NetworkClient.ready``)."""
        if node.ready:
            return now_us < self.metadata.due_us and len(node.in_flight) < self.settings.max_in_flight
        self.connect(node, now_us)
        return False

    def connect(self, node: JavaNode, now_us: int) -> None:
        if not node.may_connect(now_us):
            if node.conn is None:
                self._backoff_us = min(self._backoff_us, node.not_before_us)
            return
        conn = self.port.connect(node.server)
        node.last_attempt_us = now_us
        self._reconnect.attempt(node, conn, now_us, lambda: self.port.draw("setup-timeout"))
        self._check_us = min(self._check_us, self._expires_us(node))
        self._by_conn[conn] = node

    def connected(self, conn: Connection, now_us: int) -> None:
        node = self._by_conn.get(conn)
        if node is not None:
            self._reconnect.opened(node)
            node.active_us = now_us
            self._check_us = min(self._check_us, self._expires_us(node))
            self.port.record(Kind.CONNECT, conn=conn.number, n=node.server)

    def disconnected(self, conn: Connection, now_us: int) -> None:
        node = self._by_conn.get(conn)
        if node is not None:
            self._drop(node, ErrorCode.NETWORK_EXCEPTION, now_us)

    def _drop(self, node: JavaNode, code: int, now_us: int) -> None:
        """Connection gone: back off, fail what was in flight oldest first, ask for metadata."""
        conn = node.conn
        assert conn is not None
        del self._by_conn[conn]
        self._reconnect.lost(node, now_us, lambda: self.port.draw("reconnect"))
        node.last_attempt_us = now_us
        requests = [request.about for request in node.in_flight]
        node.in_flight.clear()
        row = self.port.record(Kind.DISCONNECT, conn=conn.number, n=node.server, code=code)
        if None in requests or now_us >= self.metadata.due_us:
            self.metadata.failed(now_us)  # handleServerDisconnect: a refresh that is due counts as failed
        self.metadata.want()
        self._lost([about for about in requests if about is not None], code, row, now_us)

    # --- requests ----------------------------------------------------------------------------------------------------
    def send(self, node: JavaNode, message: object, about: object, now_us: int, cause: int | None = None) -> None:
        assert node.conn is not None
        node.in_flight.append(InFlight(about, now_us))
        node.active_us = now_us
        expires_us = now_us + self.settings.request_timeout_us + ONE_MS
        if expires_us < self._check_us:
            self._check_us = expires_us
        self.port.send(node.conn, message, cause)

    def send_unanswered(self, node: JavaNode, message: object, now_us: int, cause: int | None = None) -> None:
        """acks=0: no answer comes, so no slot is taken."""
        assert node.conn is not None
        node.active_us = now_us
        self.port.send(node.conn, message, cause)

    def is_broken(self, conn: Connection) -> bool:
        """Whether something was written after the end of the connection had arrived: the next poll sees that fail,
        takes one more answer and drops the rest (``Selector.pollSelectionKeys``; measured)."""
        node = self._by_conn.get(conn)
        return node is not None and bool(node.in_flight) and node.in_flight[-1].sent_us >= conn.ends_us

    def answered(self, conn: Connection, message: object, now_us: int) -> tuple[bool, object]:
        """Match an answer to the oldest request of its connection. Returns (was it the owner's, what it was about)."""
        node = self._by_conn.get(conn)
        if node is None or not node.in_flight:
            return False, None
        node.active_us = now_us
        about = node.in_flight.popleft().about
        if about is None:
            assert isinstance(message, MetadataResponse)
            self._metadata_answer(message, now_us)
            return False, None
        return True, about

    # --- deadlines ---------------------------------------------------------------------------------------------------
    def check_timeouts(self, now_us: int, late_us: int = 0) -> None:
        """Expired requests, connection attempts that take too long, idle connections (producer 5.1).

        *late_us*: how much later than now the clock stands by the time of the check."""
        at_us = now_us + late_us
        if at_us < self._check_us:
            return
        for node in list(self._by_conn.values()):
            if at_us < self._expires_us(node):
                continue
            assert node.conn is not None
            self.port.close(node.conn)
            self._drop(node, ErrorCode.REQUEST_TIMED_OUT if node.in_flight else ErrorCode.NETWORK_EXCEPTION, now_us)
        self._check_us = min(map(self._expires_us, self._by_conn.values()), default=FOREVER)

    def _expires_us(self, node: JavaNode) -> int:
        if node.in_flight:
            return node.in_flight[0].sent_us + self.settings.request_timeout_us + ONE_MS
        if not node.ready:
            return self._reconnect.gives_up_us(node, self.settings.request_timeout_us + ONE_MS)
        idle_us = self.settings.connections_max_idle_us
        return node.active_us + idle_us if idle_us > 0 else FOREVER

    def forget_waiting(self) -> None:
        """A new pass begins: who waits for a back-off will say so again."""
        self._backoff_us = FOREVER

    def next_deadline_us(self, now_us: int) -> int:
        due_us = self.metadata.due_us
        deadline = min(self._check_us, self._backoff_us)
        return min(deadline, due_us) if due_us > now_us else deadline
