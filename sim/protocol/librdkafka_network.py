"""librdkafka's broker threads: a connection each, requests built and on the wire, timers, and whom to ask for metadata.

Words: a *peer* is a broker with its thread; a *look* is one turn of that thread's loop. ``built`` are requests that
have not left, ``waiting`` those on the wire; both count every kind of request (producer:8.2).

Rules: a thread that nothing wakes passes once a second, on a grid that starts with each change of the connection's
state (``rd_kafka_broker_serve``); messages are looked through for age at these passes (``..._producer_serve``).
Request timers are looked at by the first pass, whatever its reason, a second or more after the last such look, which no
change of state and no reason to wake brings forward (``rkb_timeout_scan_intvl``). One expired request takes the
connection and the whole window, which comes back in order (8.2, 8.6); connections are opened
when there is something to send (sparse), back-off counts from the attempt, or from its failure (8.1); a leader is asked
for at once, then with the retry back-off while one is missing (``rd_kafka_metadata_fast_leader_query``), and once a
second while the leader of waiting messages is down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sim.protocol.client_network import LibrdkafkaReconnect, MetadataCache, Node, scaled
from sim.protocol.lanes import FOREVER
from sim.protocol.librdkafka_queue import Request, Toppar
from sim.protocol.messages import InitProducerIdRequest, MetadataRequest
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaProducerSettings

__all__ = ["NOBODY", "SCAN_US", "Control", "LibrdkafkaNetwork", "Peer"]

NOBODY = -1  # the peer that keeps partitions without leader; it never connects
_GRID_US = 1_000_000
SCAN_US = 1_000_000

Control = MetadataRequest | InitProducerIdRequest


@dataclass(slots=True)
class Peer:
    node: Node
    since_us: int = 0  # the once-a-second grid counts from here
    control: deque[Control] = field(default_factory=deque)
    built: deque[Request] = field(default_factory=deque)
    waiting: deque[tuple[int, Request | Control]] = field(default_factory=deque)  # when its timer ends, and what it is
    timer_us: int = FOREVER  # no request on the wire times out earlier
    toppars: list[Toppar] = field(default_factory=list)
    turn: int = 0  # who is served first
    look_us: int = 0  # when the thread looks next
    scan_us: int = 0  # when it looks for timeouts next
    scanned_us: int = 0  # when it last looked at request timers
    woken: bool = False  # by an answer, which makes its next look a pass

    def on_grid(self, time_us: int, now_us: int) -> int:
        """The first point of the grid at or after *time_us*, and after now."""
        time_us = max(time_us, now_us + 1)
        return time_us + (self.since_us - time_us) % _GRID_US if time_us < FOREVER else FOREVER

    def changed(self, now_us: int) -> None:
        """The connection changed its state, or the thread was told to begin anew: look and scan at once."""
        self.scans_requests(now_us)
        self.since_us = self.look_us = self.scan_us = now_us

    def scans_requests(self, now_us: int) -> bool:
        """The thread passes: whether it looks at request timers (``rd_kafka_broker_ops_io_serve``)."""
        due_us = self.scanned_us + SCAN_US
        if now_us < due_us:
            return False
        idle_us = due_us + (self.since_us - due_us) % _GRID_US  # the pass that nothing else forestalled
        self.scanned_us = now_us if now_us < idle_us else now_us - (now_us - idle_us) % _GRID_US
        return self.scanned_us == now_us


class LibrdkafkaNetwork:
    """Peers, metadata and the timers of both. The producer decides what is built."""

    def __init__(
        self, port: Port, settings: LibrdkafkaProducerSettings, bootstrap: tuple[int, ...], topics: tuple[int, ...]
    ) -> None:
        self._port, self._settings, self._bootstrap, self._topics = port, settings, bootstrap, topics
        self.cache = MetadataCache()
        self.peers: dict[int, Peer] = {NOBODY: Peer(Node(NOBODY))}
        self._reconnect = LibrdkafkaReconnect(
            settings.reconnect_backoff_us, settings.reconnect_backoff_max_us, settings.connection_setup_timeout_us
        )
        self._refresh_us = FOREVER  # topic.metadata.refresh.interval.ms
        self._query_us = 0  # the next query for leaders
        self._queries = 0  # in a row
        self._unavailable = True  # somebody found a leader missing or wrong since the last answer
        self._scan_us = FOREVER  # the next look at leaders that are down

    # --- peers -------------------------------------------------------------------------------------------------------
    def peer(self, server: int) -> Peer:
        peer = self.peers.get(server)
        if peer is None:
            peer = self.peers[server] = Peer(Node(server))
        return peer

    def of(self, conn: Connection) -> Peer | None:
        """The peer whose present connection this is."""
        peer = self.peers.get(conn.server)
        return peer if peer is not None and peer.node.holds(conn) else None

    def want(self, peer: Peer, now_us: int) -> int:
        """There is something to send: connect if that may be. When to try again, if not now."""
        node = peer.node
        if node.server == NOBODY or node.conn is not None:
            return FOREVER
        if not node.may_connect(now_us):
            return node.not_before_us
        conn = self._port.connect(node.server)
        self._reconnect.attempt(node, conn, now_us, lambda: self._port.draw("reconnect"))
        peer.changed(now_us)
        return FOREVER

    def opened(self, peer: Peer, now_us: int) -> None:
        assert peer.node.conn is not None
        self._reconnect.opened(peer.node)
        self._port.record(Kind.CONNECT, conn=peer.node.conn.number, n=peer.node.server)
        peer.changed(now_us)

    def lost(self, peer: Peer, code: int, now_us: int) -> tuple[list[Request], list[Control], int]:
        """The connection is gone. Requests in the order in which they come back (the wire before what was built), the
        other kinds, and the row that says so."""
        node = peer.node
        assert node.conn is not None
        row = self._port.record(Kind.DISCONNECT, conn=node.conn.number, n=node.server, code=int(code))
        was_ready = node.ready
        self._reconnect.lost(node, now_us, lambda: self._port.draw("refused"))
        everything = [*(one for _, one in peer.waiting), *peer.built]
        requests = [one for one in everything if isinstance(one, Request)]
        others = [one for one in everything if not isinstance(one, Request)] + list(peer.control)
        peer.waiting.clear()
        peer.built.clear()
        peer.control.clear()
        peer.timer_us = FOREVER
        peer.changed(now_us)
        if was_ready or others:
            self.query(now_us)
        return requests, others, row

    def late(self, peer: Peer, now_us: int) -> bool:
        """Whether a request on the wire took too long, so that the connection is to be given up."""
        if not peer.node.ready or now_us < peer.timer_us:
            return False
        peer.timer_us = min((timeout_us for timeout_us, _ in peer.waiting), default=FOREVER)
        return now_us >= peer.timer_us

    # --- asking ------------------------------------------------------------------------------------------------------
    def any_up(self) -> Peer | None:
        up = [peer for peer in self.peers.values() if peer.node.ready]
        return up[self._port.draw("broker") % len(up)] if up else None

    def ask(self, request: Control, now_us: int) -> bool:
        """Queue *request* at any broker that is up."""
        peer = self.any_up()
        if peer is None:
            return False
        peer.control.append(request)
        peer.look_us = now_us
        return True

    def query(self, now_us: int) -> None:
        """A leader is missing or wrong: ask at once, unless that happens soon anyway."""
        self._unavailable = True
        if self._query_us > now_us + self._settings.metadata_refresh_fast_us:
            self._query_us, self._queries = now_us, 0

    def next_query_us(self) -> int:
        return min(self._query_us, self._refresh_us, self._scan_us)

    def _scan(self, now_us: int) -> None:
        """Once a second the main thread looks for partitions whose leader is down, and asks who leads them now
        (``rd_kafka_topic_scan_all``, ``rd_kafka_toppar_needs_query``). A broker that nobody needs is not down: without
        messages for it, no connection is wanted."""
        stranded = any(
            toppar.parts or toppar.fresh < toppar.lane.taken
            for peer in self.peers.values()
            if peer.toppars and peer.node.server != NOBODY and not peer.node.ready
            for toppar in peer.toppars
        )
        if stranded and now_us >= self._scan_us:
            self.query(now_us)
        if not stranded:
            self._scan_us = FOREVER
        elif self._scan_us == FOREVER or now_us >= self._scan_us:
            self._scan_us = now_us - now_us % SCAN_US + SCAN_US

    def serve(self, now_us: int) -> int:
        """Ask for metadata where that is due; when to look again."""
        self._scan(now_us)
        if now_us >= self.next_query_us():
            if self.ask(MetadataRequest(self._topics), now_us):
                self._queries += 1
                settings = self._settings
                step = min(settings.retry_backoff_us << min(self._queries - 1, 40), settings.retry_backoff_max_us)
                self._query_us = now_us + scaled(step, 80, 120, self._port.draw("leader-query"))
                interval_us = settings.metadata_refresh_us
                self._refresh_us = now_us + interval_us if interval_us > 0 else FOREVER
            else:
                return self._connect_any(now_us)
        return self.next_query_us()

    def learned(self, changed: Iterable[int]) -> None:
        """Metadata has come: write what is new, and stop asking when no leader is missing."""
        for partition in changed:
            leader, epoch = self.cache.leader(partition), self.cache.leader_epoch(partition)
            self._port.record(Kind.METADATA, partition=partition, n=leader, lep=epoch)
        self._unavailable = any(self.cache.leaderless(topic) for topic in self._topics)
        if not self._unavailable:
            self._query_us = FOREVER

    def _connect_any(self, now_us: int) -> int:
        """No broker is up: connect to one, any one; when to try again."""
        if any(peer.node.conn is not None for peer in self.peers.values()):
            return FOREVER  # its end, good or bad, is a stimulus
        servers = tuple(dict.fromkeys((*self._bootstrap, *self.cache.brokers)))
        start = self._port.draw("bootstrap") % len(servers)
        again_us = FOREVER
        for server in servers[start:] + servers[:start]:
            peer = self.peer(server)
            again_us = min(again_us, self.want(peer, now_us))
            if peer.node.conn is not None:
                return FOREVER
        return again_us
