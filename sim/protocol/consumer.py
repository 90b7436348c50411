"""A reader: a consumer with assigned partitions that hands every record to an application that polls at once.

Rules: one fetch in flight per broker (consumer:F2.4), long polls answered by the broker; a stale answer, for an offset
that is not the position, is dropped (F2.12); out of range resets by policy (F2.28, F2.30, S24); a position that came
from a consumed record is checked when the leader or its epoch changes (F2.24) and moved to the point of divergence
(F2.26). Reads uncommitted. What has been fetched and not handed over yet is :mod:`sim.protocol.reader_buffer`'s.

Simplified: the check of a position rides on the first fetch to the new leader (Kafka asks OffsetsForLeaderEpoch first,
one round trip more); a partition whose answer asked for new metadata waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sim.protocol.client_network import Backoff, JavaReconnect, MetadataCache, Node
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    FetchedPartition,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    MetadataResponse,
)
from sim.protocol.port import Connection, Port
from sim.protocol.reader_buffer import Assigned, FetchBuffer
from sim.protocol.rows import Kind
from sim.protocol.settings import ReaderSettings

__all__ = ["Reader"]

S = 1_000_000
_NEVER = 1 << 62
_TIMESTAMPS = {"earliest": -2, "latest": -1}
_ASKS_METADATA = frozenset(
    (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REPLICA_NOT_AVAILABLE, ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.OFFSET_NOT_AVAILABLE,
    )
)  # fmt: skip


@dataclass(slots=True)
class _Peer:
    """A broker with the requests in flight to it, oldest first: (sent, request)."""

    node: Node
    pending: deque[tuple[int, object]] = field(default_factory=deque)
    fetching: bool = False

    def looking_up(self) -> bool:
        return any(isinstance(request, ListOffsetsRequest) for _, request in self.pending)


class Reader:
    """Role of a consumer.

    ``topic_of``: topic number of each assigned partition; ``names``: topic name and index of each, for the order in
    which one Java poll shows several partitions (without them: order of arrival).
    """

    def __init__(
        self,
        port: Port,
        settings: ReaderSettings,
        partitions: tuple[int, ...],
        topic_of: Mapping[int, int],
        bootstrap: tuple[int, ...],
        names: Mapping[int, tuple[str, int]] | None = None,
    ) -> None:
        self._port, self._settings = port, settings
        self._topics = tuple(sorted({topic_of[partition] for partition in partitions}))
        self._bootstrap = bootstrap
        self._assigned = {partition: Assigned(partition) for partition in partitions}
        self._order = list(partitions)  # drained partitions move to the tail (F2.9)
        self._cache = MetadataCache()
        self._peers: dict[int, _Peer] = {}
        self._reconnect = JavaReconnect(
            Backoff(settings.reconnect_backoff_us, settings.reconnect_backoff_max_us), Backoff(10 * S, 30 * S)
        )
        self._retry = Backoff(settings.retry_backoff_us, settings.retry_backoff_us)
        self._buffer = FetchBuffer(port, settings.max_poll_records, names if settings.flavour == "java" else None)
        self._refresh = True
        self._asking_metadata = False
        self._metadata_not_before_us = 0
        self._metadata_old_at_us = _NEVER

    # --- what the world asks ---------------------------------------------------------------------------------------
    def caught_up(self) -> bool:
        """Whether every position stands at the last high watermark that its leader told (or can move no more)."""
        return all(one.stuck or (not one.seeking and one.offset >= one.high_watermark >= 0) for one in self._all())

    def position(self, partition: int) -> int:
        """Offset of the next record to be handed over, -1 while it is being looked up."""
        return self._assigned[partition].offset

    # --- stimuli ---------------------------------------------------------------------------------------------------
    def start(self, now_us: int) -> None:
        for partition in self._assigned:
            self._port.record(Kind.ASSIGN, partition=partition)
        if self._settings.offset_reset == "none":
            self._give_up(self._all())
        self._serve(now_us)

    def on_connected(self, conn: Connection, now_us: int) -> None:
        peer = self._peers.get(conn.server)
        if peer is None or not peer.node.holds(conn):
            return
        self._reconnect.opened(peer.node)
        self._port.record(Kind.CONNECT, conn=conn.number, n=conn.server)
        self._serve(now_us)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        peer = self._peers.get(conn.server)
        if peer is None or not peer.node.holds(conn):
            return
        self._lose(peer, ErrorCode.NETWORK_EXCEPTION, now_us)
        self._serve(now_us)

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        peer = self._peers.get(conn.server)
        if peer is None or not peer.node.holds(conn) or not peer.pending:
            return
        _, request = peer.pending.popleft()
        match message, request:
            case FetchResponse(), FetchRequest():
                peer.fetching = False
                self._fetched(request, message, now_us)
                for partition in self._buffer.drain():
                    self._order.remove(partition)
                    self._order.append(partition)
            case ListOffsetsResponse(), ListOffsetsRequest():
                self._looked_up(message, now_us)
            case MetadataResponse(), MetadataRequest():
                self._told(message, now_us)
            case _:
                raise TypeError(f"a reader asked {request!r} and cannot use the answer {message!r}")
        self._serve(now_us)

    def on_alarm(self, now_us: int) -> None:
        for peer in self._peers.values():
            node = peer.node
            late = bool(peer.pending) and now_us - peer.pending[0][0] >= self._settings.request_timeout_us
            if late or (node.conn is not None and not node.ready and now_us >= node.setup_until_us):
                assert node.conn is not None
                self._port.close(node.conn)
                self._lose(peer, ErrorCode.REQUEST_TIMED_OUT, now_us)
        self._serve(now_us)

    # --- answers ---------------------------------------------------------------------------------------------------
    def _fetched(self, request: FetchRequest, response: FetchResponse, now_us: int) -> None:
        offsets = {asked.partition: asked.offset for asked in request.partitions}
        for answer in response.partitions:
            one = self._assigned.get(answer.partition)
            if one is None or one.seeking or one.stuck or offsets.get(answer.partition) != one.offset:
                continue  # stale (F2.12)
            if answer.error:
                self._refused(one, answer, now_us)
            elif answer.diverging_end >= 0:
                self._diverged(one, answer)
            else:
                one.check = False
                one.high_watermark = answer.high_watermark
                self._buffer.put(one, answer)

    def _refused(self, one: Assigned, answer: FetchedPartition, now_us: int) -> None:
        if answer.error == ErrorCode.OFFSET_OUT_OF_RANGE:
            self._reset(one, answer.error)
        elif self._cache.hint(one.partition, answer.leader, answer.leader_epoch):
            self._moved(one.partition)
        else:
            self._back_off(one, answer.error, now_us)

    def _back_off(self, one: Assigned, error: int, now_us: int) -> None:
        if error in _ASKS_METADATA:
            one.awaits_metadata = self._refresh = True
        one.not_before_us = now_us + self._retry.delay_us(1, self._port.draw("reader-retry"))

    def _diverged(self, one: Assigned, answer: FetchedPartition) -> None:
        """The log was truncated below the position (F2.26, S21, S23)."""
        if self._settings.offset_reset == "none":
            one.stuck = True
            return
        one.offset = min(one.offset, answer.diverging_end)
        one.epoch = answer.diverging_epoch
        self._port.record(
            Kind.RESET, partition=one.partition, offset=one.offset, code=int(ErrorCode.FENCED_LEADER_EPOCH)
        )

    def _reset(self, one: Assigned, error: int) -> None:
        if self._settings.offset_reset == "none":
            # Java throws at every poll, so no partition is read any further; librdkafka loses this one (F2.35).
            self._give_up(self._all() if self._settings.flavour == "java" else (one,))
            return
        one.seeking, one.why, one.check, one.epoch = True, error, False, -1

    def _give_up(self, partitions: Iterable[Assigned]) -> None:
        for one in partitions:
            one.stuck = True

    def _looked_up(self, answer: ListOffsetsResponse, now_us: int) -> None:
        one = self._assigned[answer.partition]
        one.asked = False
        if answer.error:
            self._back_off(one, answer.error, now_us)
            return
        one.seeking, one.offset = False, answer.offset
        self._port.record(Kind.RESET, partition=one.partition, offset=one.offset, code=one.why)

    def _told(self, response: MetadataResponse, now_us: int) -> None:
        self._asking_metadata = False
        self._metadata_not_before_us = now_us + self._retry.delay_us(1, self._port.draw("reader-metadata"))
        self._metadata_old_at_us = now_us + self._settings.metadata_max_age_us
        for partition in self._cache.apply(response):
            if partition in self._assigned:
                self._moved(partition)
        for one in self._all():
            one.awaits_metadata = False
        self._refresh = any(self._cache.leader(partition) < 0 for partition in self._assigned)

    def _moved(self, partition: int) -> None:
        """A new leader or leader epoch is known."""
        one = self._assigned[partition]
        one.awaits_metadata, one.not_before_us = False, 0
        one.check = one.epoch >= 0
        leader, epoch = self._cache.leader(partition), self._cache.leader_epoch(partition)
        self._port.record(Kind.METADATA, partition=partition, n=leader, lep=epoch)

    # --- the network -----------------------------------------------------------------------------------------------
    def _serve(self, now_us: int) -> None:
        """Send whatever may be sent now, and name the next deadline."""
        self._ask_metadata(now_us)
        for one in self._all():
            peer = self._leader_of(one, now_us)
            if one.seeking and one.ready(now_us) and peer is not None:
                one.asked = True
                epoch = self._cache.leader_epoch(one.partition)
                timestamp = _TIMESTAMPS[self._settings.offset_reset]
                self._send(peer, ListOffsetsRequest(one.partition, epoch, timestamp), now_us)
        for peer in self._peers.values():
            # Kafka looks up all partitions of a broker in one request; here the fetch waits for the last answer.
            if peer.node.ready and not peer.fetching and not peer.looking_up():
                self._fetch(peer, now_us)
        self._port.wake_at(self._next_deadline(now_us))

    def _fetch(self, peer: _Peer, now_us: int) -> None:
        wanted: list[FetchPartition] = []
        for partition in self._order:
            one = self._assigned[partition]
            if one.seeking or not one.ready(now_us) or self._cache.leader(partition) != peer.node.server:
                continue
            wanted.append(
                FetchPartition(
                    partition, one.offset, self._cache.leader_epoch(partition), one.epoch if one.check else -1,
                    self._settings.max_partition_fetch_bytes,
                )
            )  # fmt: skip
        if wanted:
            peer.fetching = True
            settings = self._settings
            request = FetchRequest(-1, wanted, settings.fetch_max_wait_us, settings.fetch_min_bytes,
                                   settings.fetch_max_bytes)  # fmt: skip
            self._send(peer, request, now_us)

    def _ask_metadata(self, now_us: int) -> None:
        due = self._refresh and now_us >= self._metadata_not_before_us
        if self._asking_metadata or not (due or now_us >= self._metadata_old_at_us):
            return
        peer = self._least_loaded(now_us)
        if peer is not None:
            self._asking_metadata = True
            self._send(peer, MetadataRequest(self._topics), now_us)

    def _least_loaded(self, now_us: int) -> _Peer | None:
        """A ready broker with the fewest requests in flight; where there is none, begin to connect to one."""
        servers = tuple(dict.fromkeys(self._cache.brokers + self._bootstrap))
        ready = [peer for peer in self._peers.values() if peer.node.ready]
        if ready:
            return min(ready, key=lambda peer: (len(peer.pending), peer.node.server))
        if not any(peer.node.conn is not None for peer in self._peers.values()):
            start = self._port.draw("reader-node") % len(servers)
            for server in servers[start:] + servers[:start]:
                if self._connect(server, now_us):
                    break
        return None

    def _leader_of(self, one: Assigned, now_us: int) -> _Peer | None:
        leader = self._cache.leader(one.partition)
        if leader < 0 or one.stuck:
            return None
        peer = self._peers.get(leader)
        if peer is not None and peer.node.ready:
            return peer
        self._connect(leader, now_us)
        return None

    def _connect(self, server: int, now_us: int) -> bool:
        peer = self._peers.setdefault(server, _Peer(Node(server)))
        if not peer.node.may_connect(now_us):
            return False
        conn = self._port.connect(server)
        self._reconnect.attempt(peer.node, conn, now_us, lambda: self._port.draw("reader-setup"))
        return True

    def _lose(self, peer: _Peer, code: int, now_us: int) -> None:
        node = peer.node
        assert node.conn is not None
        self._port.record(Kind.DISCONNECT, conn=node.conn.number, n=node.server, code=int(code))
        for _, request in peer.pending:
            if isinstance(request, ListOffsetsRequest):
                self._assigned[request.partition].asked = False
            elif isinstance(request, MetadataRequest):
                self._asking_metadata = False
        peer.pending.clear()
        peer.fetching = False
        self._reconnect.lost(node, now_us, lambda: self._port.draw("reader-reconnect"))
        self._refresh = True

    def _send(self, peer: _Peer, request: object, now_us: int) -> None:
        assert peer.node.conn is not None
        peer.pending.append((now_us, request))
        self._port.send(peer.node.conn, request)

    def _next_deadline(self, now_us: int) -> int:
        times = [self._metadata_old_at_us]
        if self._refresh and not self._asking_metadata:
            times.append(self._metadata_not_before_us)
        for peer in self._peers.values():
            node = peer.node
            if peer.pending:
                times.append(peer.pending[0][0] + self._settings.request_timeout_us)
            if node.conn is None:
                times.append(node.not_before_us)
            elif not node.ready:
                times.append(node.setup_until_us)
        times.extend(one.not_before_us for one in self._all())
        return min((time_us for time_us in times if time_us > now_us), default=_NEVER)

    def _all(self) -> Iterable[Assigned]:
        return self._assigned.values()
