"""The loop of librdkafka's broker threads: timeouts, then build and send until nothing moves.

A pass serves the connection's partitions in turn, each pass beginning one further, while there is room for a built
request; then as much is sent as the window takes. So behind a full window stands one request more, which leaves into
the first slot that becomes free, whatever freed it (producer:8.2).

Laws: a request holds messages of one partition; at most ``backpressure`` requests are built and unsent on a connection,
at most ``max.in.flight`` are on its wire; a built request is taken back only by a drain, a loss or a new leader.
"""

from __future__ import annotations

from typing import Protocol

from sim.protocol.error_codes import ErrorCode
from sim.protocol.lanes import FOREVER
from sim.protocol.librdkafka_idempotence import DEDUPLICATED, Identity
from sim.protocol.librdkafka_network import SCAN_US, LibrdkafkaNetwork, Peer
from sim.protocol.librdkafka_queue import BATCH_OVERHEAD_BYTES, Request, Toppar
from sim.protocol.messages import ProduceRequest, RecordBatch
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaProducerSettings

__all__ = ["Threads"]

_OVERDUE_TIMER_US = 100_000  # request timer of a message that should have timed out already


class Owner(Protocol):
    """What the loop needs of the producer."""

    @property
    def builds(self) -> bool: ...
    def purge(self, toppar: Toppar, now_us: int) -> None: ...
    def lose(self, peer: Peer, code: int, now_us: int) -> None: ...
    def expire(self, peer: Peer, now_us: int) -> None: ...
    def expires_at_us(self, peer: Peer) -> int: ...
    def succeed(self, request: Request, offset: int, now_us: int, row: int) -> None: ...


class Threads:
    def __init__(
        self,
        port: Port,
        settings: LibrdkafkaProducerSettings,
        prod: int,
        network: LibrdkafkaNetwork,
        identity: Identity | None,
        owner: Owner,
    ) -> None:
        self._port, self._settings, self._prod = port, settings, prod
        self._network, self._identity, self._owner = network, identity, owner

    def look(self, now_us: int) -> int:
        """Let every thread that has a reason do its turns; when the first of them wants to look again."""
        peers = self._network.peers
        while True:
            due = [peer for peer in peers.values() if peer.look_us <= now_us or peer.scan_us <= now_us]
            if not due:
                break
            for peer in due:
                self._turns(peer, now_us)
        first_us = FOREVER
        for peer in peers.values():
            if peer.look_us < first_us:
                first_us = peer.look_us
            if peer.scan_us < first_us:
                first_us = peer.scan_us
        return first_us

    def next_look_us(self) -> int:
        """When the first thread wants to look, timeouts apart."""
        first_us = FOREVER
        for peer in self._network.peers.values():
            if peer.look_us < first_us:
                first_us = peer.look_us
        return first_us

    def _turns(self, peer: Peer, now_us: int) -> None:
        scan = peer.scan_us <= now_us
        peer.look_us = peer.scan_us = FOREVER
        self._scan(peer, now_us, scan)
        while True:
            built = self._pass(peer, now_us)
            if not self._send_built(peer, now_us) and not built:
                break
        ends_us = min(max(peer.timer_us, peer.scanned_us + SCAN_US), self._owner.expires_at_us(peer))
        if peer.node.conn is not None and not peer.node.ready:
            ends_us = min(ends_us, peer.node.setup_until_us)
        peer.scan_us = min(peer.scan_us, peer.on_grid(ends_us, now_us))

    def _scan(self, peer: Peer, now_us: int, on_grid: bool) -> None:
        """Request timers first, then messages: what a timer brings back may be too old at once (producer:8.6). A thread
        that has no room to build does not notice messages that come (``rd_kafka_msgq_may_wakeup``)."""
        passes = on_grid or peer.woken or self._room(peer) > 0
        peer.woken = False
        node = peer.node
        late = passes and peer.scans_requests(now_us) and self._network.late(peer, now_us)
        if late or (on_grid and node.conn is not None and not node.ready and now_us >= node.setup_until_us):
            assert node.conn is not None
            self._port.close(node.conn)
            self._owner.lose(peer, ErrorCode.REQUEST_TIMED_OUT, now_us)
        if on_grid:
            self._owner.expire(peer, now_us)

    def _room(self, peer: Peer) -> int:
        """How many requests more may be built (``rd_kafka_broker_outbufs_space``)."""
        return self._settings.backpressure_threshold - len(peer.control) - len(peer.built)

    # --- build -------------------------------------------------------------------------------------------------------
    def _pass(self, peer: Peer, now_us: int) -> bool:
        """Serve each partition once. Whether anything was built."""
        count = len(peer.toppars)
        if count == 0:
            return False
        if not self._owner.builds:
            for toppar in peer.toppars:
                self._await_arrival(peer, toppar, now_us)
            return False
        first = peer.turn % count
        peer.turn = first + 1
        built = False
        for toppar in peer.toppars[first:] + peer.toppars[:first]:
            built = self._serve(peer, toppar, now_us) or built
        return built

    def _serve(self, peer: Peer, toppar: Toppar, now_us: int) -> bool:
        """``rd_kafka_toppar_producer_serve``. Room is looked at before the gates: a purge that makes room helps only
        the next pass."""
        room = self._room(peer)
        if room > 0:
            self._await_arrival(peer, toppar, now_us)
        identity = self._identity
        if identity is not None:
            if not self._passes_gates(identity, peer, toppar, now_us):
                return False
            room = min(room, DEDUPLICATED - toppar.on_wire)
        if room <= 0 or not (toppar.parts or toppar.fresh < toppar.lane.taken):
            return False
        if identity is not None and not identity.holds(toppar) and not identity.adopt(toppar):
            return False
        if not peer.node.ready:
            peer.look_us = min(peer.look_us, self._network.want(peer, now_us))
            return False
        if not toppar.ready(now_us):
            return False
        for built in range(room):
            if not self._build(peer, toppar, now_us):
                return built > 0
        return True

    def _await_arrival(self, peer: Peer, toppar: Toppar, now_us: int) -> None:
        """Look again when the partition's queue will be ready; what is ready and held back waits for something else."""
        at_us = toppar.ready_at_us()
        if now_us < at_us < peer.look_us:
            peer.look_us = at_us

    def _passes_gates(self, identity: Identity, peer: Peer, toppar: Toppar, now_us: int) -> bool:
        """The idempotent producer's gates (producer:8.4)."""
        if not identity.holds(toppar):
            self._owner.purge(toppar, now_us)
        if toppar.draining:
            if toppar.on_wire:
                self._owner.purge(toppar, now_us)
                # Even if nothing is on the wire any more the thread goes to sleep now, up to a second.
                peer.look_us = min(peer.look_us, peer.on_grid(now_us, now_us))
                return False
            toppar.draining = False
        return True

    def _build(self, peer: Peer, toppar: Toppar, now_us: int) -> bool:
        parts = toppar.take(now_us)
        if not parts:
            return False
        lane, settings = toppar.lane, self._settings
        size = BATCH_OVERHEAD_BYTES + lane.size(parts[0].lo, parts[-1].hi) * settings.compression_ratio_percent // 100
        left_us = lane.created_us(parts[0].lo) + toppar.limits.timeout_us - now_us
        timer_us = min(settings.socket_timeout_us, left_us if left_us >= 1_000 else _OVERDUE_TIMER_US)
        # Sent a moment after the scan of the same pass: its timer does not end on that grid (measured, 1 s timer: 2 s).
        request = Request(toppar, parts, size, now_us + 1 + timer_us)
        if self._identity is not None:
            self._identity.sign(request)
            if not toppar.counted:
                toppar.counted = True
                self._identity.begun()
        toppar.on_wire += request.count
        peer.built.append(request)
        return True

    # --- send --------------------------------------------------------------------------------------------------------
    def _send_built(self, peer: Peer, now_us: int) -> bool:
        """Put on the wire what the window takes. Whether anything left."""
        conn = peer.node.conn
        if conn is None or not peer.node.ready:
            return False
        sent = False
        while (peer.built or peer.control) and len(peer.waiting) < self._settings.max_in_flight:
            sent = True
            if peer.control:
                timeout_us = now_us + self._settings.socket_timeout_us
                peer.waiting.append((timeout_us, peer.control[0]))
                peer.timer_us = min(peer.timer_us, timeout_us)
                self._port.send(conn, peer.control.popleft())
            else:
                self._transmit(peer, peer.built.popleft(), now_us)
        return sent

    def _transmit(self, peer: Peer, request: Request, now_us: int) -> None:
        conn, toppar = peer.node.conn, request.toppar
        assert conn is not None
        request.sent = True
        for part in request.parts:
            part.sent += 1
        attempt = max(part.sent for part in request.parts)
        request.row = row = self._port.record(
            Kind.ATTEMPT, cause=request.parts[0].row, conn=conn.number, partition=toppar.partition, prod=self._prod,
            lo=request.lo, hi=request.hi, offset=peer.node.server, pid=request.pid, epoch=request.epoch,
            seq=request.seq, n=attempt,
        )  # fmt: skip
        batch = RecordBatch(
            self._prod, toppar.partition, request.lo, request.hi, request.size_bytes, request.pid, request.epoch,
            request.seq, toppar.lane.times[request.hi - 1], attempt, row,
        )  # fmt: skip
        settings = self._settings
        self._port.send(conn, ProduceRequest([batch], settings.acks, settings.request_timeout_us), row)
        if settings.acks == 0:
            self._owner.succeed(request, -1, now_us, row)  # no slot is used, nothing is ever answered
        else:
            peer.waiting.append((request.timeout_us, request))
            peer.timer_us = min(peer.timer_us, request.timeout_us)
