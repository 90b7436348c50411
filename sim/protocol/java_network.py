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

from sim.protocol.client_network import Backoff, JavaReconnect, MetadataCache, Node
from sim.protocol.error_codes import ErrorCode
from sim.protocol.lanes import FOREVER
from sim.protocol.messages import MetadataRequest, MetadataResponse
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind

__all__ = ["JavaNetwork", "JavaNode", "NetworkSettings"]

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

    @property
    def connecting(self) -> bool:
        return self.conn is not None and not self.ready


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    max_in_flight: int
    request_timeout_us: int
    reconnect_backoff_us: int
    reconnect_backoff_max_us: int
    setup_timeout_us: int
    setup_timeout_max_us: int
    retry_backoff_us: int
    retry_backoff_max_us: int
    metadata_max_age_us: int
    rebootstrap: bool


class JavaNetwork:
    """``lost(requests, code)`` is called with what was in flight when a connection went (oldest first), ``code``
    REQUEST_TIMED_OUT or NETWORK_EXCEPTION; ``learned(partitions)`` when leaders changed."""

    def __init__(
        self,
        port: Port,
        settings: NetworkSettings,
        bootstrap: tuple[int, ...],
        lost: Callable[[list[object], int, int, int], None],
        learned: Callable[[list[int], int], None],
    ) -> None:
        self.port, self.settings = port, settings
        self.metadata = MetadataCache()
        self._lost, self._learned = lost, learned
        self._bootstrap = bootstrap
        self.nodes: dict[int, JavaNode] = {-1 - host: JavaNode(host) for host in bootstrap}
        self._candidates: list[int] = list(self.nodes)  # what metadata names now
        self._by_conn: dict[Connection, JavaNode] = {}
        self._reconnect = JavaReconnect(
            Backoff(settings.reconnect_backoff_us, settings.reconnect_backoff_max_us),
            Backoff(settings.setup_timeout_us, settings.setup_timeout_max_us),
        )
        self._refresh = Backoff(settings.retry_backoff_us, settings.retry_backoff_max_us)
        self._topics: list[int] = []
        self.refresh_due_us = 0  # earliest time of the next metadata request, FOREVER while one is in flight
        self._last_refresh_us = -FOREVER
        self._refresh_wanted = True
        self._refresh_failures = 0
        self._same_answers = 0
        self._refresh_in_flight = False
        self._answer_age_us = 0

    # --- metadata ----------------------------------------------------------------------------------------------------
    def want_topic(self, topic: int) -> None:
        """A topic met for the first time: refresh at once (``requestUpdateForNewTopics``)."""
        if topic not in self._topics:
            self._topics.append(topic)
            self._same_answers = 0
            self._last_refresh_us = -FOREVER
            self._refresh_wanted = True
            self._schedule_refresh()

    def want_refresh(self) -> None:
        self._refresh_wanted = True
        self._schedule_refresh()

    def _schedule_refresh(self) -> None:
        if self._refresh_in_flight:
            self.refresh_due_us = FOREVER
            return
        wait = 0
        if self._last_refresh_us > -FOREVER:
            backoffs = [self._refresh.delay_us(self._refresh_failures, self.port.draw("metadata"))]
            if self._same_answers:
                backoffs.append(self._refresh.delay_us(self._same_answers, self.port.draw("metadata")))
            wait = self._last_refresh_us + max(backoffs)
        expiry = 0 if self._refresh_wanted else self._answer_age_us + self.settings.metadata_max_age_us
        self.refresh_due_us = max(wait, expiry)

    def refresh(self, now_us: int) -> None:
        """Send the metadata request if one is due and a broker can take it (``DefaultMetadataUpdater.maybeUpdate``)."""
        if now_us < self.refresh_due_us:
            return
        node = self.least_loaded(now_us)
        if node is None and self.settings.rebootstrap and not any(self.nodes[n].conn for n in self._candidates):
            self._rebootstrap()
            node = self.least_loaded(now_us)
        if node is None:
            return
        if self.can_send(node):
            self._refresh_in_flight, self._refresh_wanted = True, False
            self.refresh_due_us = FOREVER
            self.send(node, MetadataRequest(tuple(self._topics)), None, now_us)
        elif not any(known.connecting for known in self.nodes.values()):
            self.connect(node, now_us)

    def _rebootstrap(self) -> None:
        for host in self._bootstrap:
            self.nodes.setdefault(-1 - host, JavaNode(host))
        self._candidates = [-1 - host for host in self._bootstrap]

    def least_loaded(self, now_us: int) -> JavaNode | None:
        """``NetworkClient.leastLoadedNode``: idle and ready, else least in flight, else connecting, else connectable."""
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
        return best or connecting or connectable

    def _metadata_answer(self, response: MetadataResponse, now_us: int) -> None:
        self._refresh_in_flight = False
        changed = self.metadata.apply(response)
        self._candidates = list(response.brokers) or self._candidates
        for broker in response.brokers:
            self.nodes.setdefault(broker, JavaNode(broker))
        self._last_refresh_us = self._answer_age_us = now_us
        self._refresh_failures = 0
        self._same_answers = 0 if changed else self._same_answers + 1
        self._schedule_refresh()
        self._record_leaders(changed)
        self._learned(changed, now_us)

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
            self._learned([partition], now_us)

    # --- connections ---------------------------------------------------------------------------------------------------
    def can_send(self, node: JavaNode) -> bool:
        return node.ready and len(node.in_flight) < self.settings.max_in_flight

    def ready(self, node: JavaNode, now_us: int) -> bool:
        """May a produce request go to *node* now? Opens a connection where there is none (``NetworkClient.ready``)."""
        if now_us >= self.refresh_due_us:
            return False
        if node.ready:
            return len(node.in_flight) < self.settings.max_in_flight
        self.connect(node, now_us)
        return False

    def connect(self, node: JavaNode, now_us: int) -> None:
        if not node.may_connect(now_us):
            return
        conn = self.port.connect(node.server)
        node.last_attempt_us = now_us
        self._reconnect.attempt(node, conn, now_us, lambda: self.port.draw("setup-timeout"))
        self._by_conn[conn] = node

    def connected(self, conn: Connection, now_us: int) -> None:
        node = self._by_conn.get(conn)
        if node is not None:
            self._reconnect.opened(node)
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
        if None in requests:
            self._refresh_in_flight = False
            self._refresh_failed(now_us)
        elif now_us >= self.refresh_due_us:
            self._refresh_failed(now_us)  # handleServerDisconnect: a due refresh counts as failed
        self.want_refresh()
        self._lost([about for about in requests if about is not None], code, row, now_us)

    def _refresh_failed(self, now_us: int) -> None:
        self._last_refresh_us = now_us
        self._refresh_failures += 1

    # --- requests --------------------------------------------------------------------------------------------------------
    def send(self, node: JavaNode, message: object, about: object, now_us: int, cause: int | None = None) -> None:
        assert node.conn is not None
        node.in_flight.append(InFlight(about, now_us))
        self.port.send(node.conn, message, cause)

    def send_unanswered(self, node: JavaNode, message: object, cause: int | None = None) -> None:
        """acks=0: no answer comes, so no slot is taken."""
        assert node.conn is not None
        self.port.send(node.conn, message, cause)

    def answered(self, conn: Connection, message: object, now_us: int) -> tuple[bool, object]:
        """Match an answer to the oldest request of its connection. Returns (was it the owner's, what it was about)."""
        node = self._by_conn.get(conn)
        if node is None or not node.in_flight:
            return False, None
        about = node.in_flight.popleft().about
        if about is None:
            assert isinstance(message, MetadataResponse)
            self._metadata_answer(message, now_us)
            return False, None
        return True, about

    def check_timeouts(self, now_us: int) -> None:
        for node in list(self.nodes.values()):
            if node.connecting and now_us >= node.setup_until_us:
                self._time_out(node, ErrorCode.NETWORK_EXCEPTION, now_us)
            elif node.in_flight and now_us > node.in_flight[0].sent_us + self.settings.request_timeout_us:
                self._time_out(node, ErrorCode.REQUEST_TIMED_OUT, now_us)

    def _time_out(self, node: JavaNode, code: int, now_us: int) -> None:
        assert node.conn is not None
        self.port.close(node.conn)
        self._drop(node, code, now_us)

    def next_deadline_us(self, now_us: int) -> int:
        deadline = FOREVER
        timeout = self.settings.request_timeout_us + ONE_MS
        for node in self.nodes.values():
            if node.in_flight:
                deadline = min(deadline, node.in_flight[0].sent_us + timeout)
            elif node.connecting:
                deadline = min(deadline, node.setup_until_us)
        if self.refresh_due_us > now_us:
            return min(deadline, self.refresh_due_us)
        backoffs = [node.not_before_us for node in self.nodes.values() if node.not_before_us > now_us]
        return min(deadline, *backoffs) if backoffs else deadline
