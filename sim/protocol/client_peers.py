"""A consumer's connections: one to each broker for data, and one more to its group's coordinator.

Law: of each connection the answers come in the order of the requests (``pending``); what was asked on a connection that
is lost is given back, oldest first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.protocol.client_network import Backoff, JavaReconnect, LibrdkafkaReconnect, Node
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind
from sim.protocol.settings import ReaderSettings

__all__ = ["Peer", "Peers"]

S = 1_000_000
_NEVER = 1 << 62


@dataclass(slots=True)
class Peer:
    """A broker with the requests in flight to it, oldest first: (sent, request)."""

    key: int
    node: Node
    pending: deque[tuple[int, object]] = field(default_factory=deque)
    fetching: bool = False


class Peers:
    """Connections by key: the broker's host number for data, its negative for the coordinator (consumer:F3.11)."""

    def __init__(self, port: Port, settings: ReaderSettings) -> None:
        self._port, self._settings = port, settings
        self._by_key: dict[int, Peer] = {}
        self._by_conn: dict[int, Peer] = {}
        first_us, most_us = settings.reconnect_backoff_us, settings.reconnect_backoff_max_us
        self._reconnect: JavaReconnect | LibrdkafkaReconnect = (
            LibrdkafkaReconnect(first_us, most_us, settings.connection_setup_timeout_us)
            if settings.flavour == "librdkafka"
            else JavaReconnect(Backoff(first_us, most_us), Backoff(10 * S, 30 * S))
        )

    def data(self) -> Iterator[Peer]:
        """Those for data, in the order of the first attempts."""
        return (peer for key, peer in self._by_key.items() if key > 0)

    def of(self, conn: Connection) -> Peer | None:
        """Whose present connection that is (late news of an older one is nobody's business)."""
        return self._by_conn.get(conn.number)

    def owed(self, key: int) -> bool:
        """Whether something that was asked there has not been answered."""
        peer = self._by_key.get(key)
        return peer is not None and bool(peer.pending)

    def ready(self, key: int, now_us: int) -> Peer | None:
        """The peer if it can be asked now; else begin to connect to it."""
        peer = self._by_key.get(key)
        if peer is not None and peer.node.ready:
            return peer
        self.connect(key, now_us)
        return None

    def least_loaded(self, servers: tuple[int, ...], now_us: int) -> Peer | None:
        """A ready broker with the fewest requests in flight; where there is none, begin to connect to one."""
        ready = [peer for peer in self.data() if peer.node.ready]
        if ready:
            return min(ready, key=lambda peer: (len(peer.pending), peer.node.server))
        if not any(peer.node.conn is not None for peer in self.data()):
            start = self._port.draw("reader-node") % len(servers)
            for server in servers[start:] + servers[:start]:
                if self.connect(server, now_us):
                    break
        return None

    def connect(self, key: int, now_us: int) -> bool:
        peer = self._by_key.setdefault(key, Peer(key, Node(abs(key))))
        if not peer.node.may_connect(now_us):
            return False
        conn = self._port.connect(abs(key))
        self._by_conn[conn.number] = peer
        self._reconnect.attempt(peer.node, conn, now_us, lambda: self._port.draw("reader-setup"))
        return True

    def opened(self, conn: Connection) -> Peer | None:
        peer = self.of(conn)
        if peer is not None:
            self._reconnect.opened(peer.node)
            self._port.record(Kind.CONNECT, conn=conn.number, n=conn.server)
        return peer

    def send(self, peer: Peer, request: object, message: object, now_us: int) -> None:
        """Put *message* on the wire; *request* is what ``pending`` keeps of it."""
        assert peer.node.conn is not None
        peer.pending.append((now_us, request))
        self._port.send(peer.node.conn, message)

    def lose(self, peer: Peer, code: int, now_us: int) -> list[object]:
        """The connection is gone; what had been asked on it."""
        node = peer.node
        assert node.conn is not None
        self._port.record(Kind.DISCONNECT, conn=node.conn.number, n=node.server, code=code)
        del self._by_conn[node.conn.number]
        unanswered = [request for _, request in peer.pending]
        peer.pending.clear()
        peer.fetching = False
        self._reconnect.lost(node, now_us, lambda: self._port.draw("reader-reconnect"))
        return unanswered

    def late(self, now_us: int) -> list[Peer]:
        """Those with a request that, or whose connection, has waited too long; they are closed on this side."""
        found = []
        for peer in self._by_key.values():
            node = peer.node
            late = bool(peer.pending) and now_us >= self._answer_by_us(peer)
            if late or (node.conn is not None and not node.ready and now_us >= node.setup_until_us):
                assert node.conn is not None
                found.append(peer)
        return found

    def _answer_by_us(self, peer: Peer) -> int:
        """When a request has waited too long (``hasExpiredRequest``); some say themselves how long they may."""
        usual_us = self._settings.request_timeout_us
        first_us = _NEVER
        for sent_us, request in peer.pending:
            due_us = sent_us + (getattr(request, "within_us", 0) or usual_us)
            if due_us < first_us:
                first_us = due_us
        return first_us

    def close(self, peer: Peer) -> None:
        assert peer.node.conn is not None
        self._port.close(peer.node.conn)

    def close_all(self) -> None:
        for peer in self._by_key.values():
            if peer.node.conn is not None:
                self.close(peer)
        self._by_conn.clear()

    def deadlines(self) -> list[int]:
        times: list[int] = []
        for peer in self._by_key.values():
            node = peer.node
            if peer.pending:
                times.append(self._answer_by_us(peer))
            if node.conn is None:
                times.append(node.not_before_us)
            elif not node.ready:
                times.append(node.setup_until_us)
        return times
