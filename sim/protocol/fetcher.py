"""The follower's side of replication: one loop per broker that it follows (``broker:REP-17`` to ``REP-23``).

One fetch is on its way at a time, for all partitions that are ready. Laws: an answer is used only if the partition is
still followed in the epoch, and at the offset, that was asked for; a follower appends only at its log's end; only
followers truncate, and only where the leader's and its own epochs part (``broker:REP-33`` to ``REP-36``).
"""

from __future__ import annotations

from collections.abc import Callable

from sim.errors import LawBroken
from sim.protocol.broker_state import BrokerState
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import FetchedPartition, FetchPartition, FetchRequest, FetchResponse
from sim.protocol.port import Connection
from sim.protocol.replication import Partition
from sim.protocol.rows import Kind

__all__ = ["Fetcher"]

_NEVER = 1 << 61
_REPLICATE, _HIGH_WATERMARK = int(Kind.REPLICATE), int(Kind.HIGH_WATERMARK)


class _Followed:
    """One partition in a fetcher."""

    __slots__ = ("delayed_until_us", "part", "sent", "want")

    def __init__(self, part: Partition, want: FetchPartition) -> None:
        self.part, self.want = part, want
        self.sent: FetchPartition | None = None  # as in the fetch that is on its way
        self.delayed_until_us = -1


class Fetcher:
    """The fetch loop towards one source broker. ``partitions`` are in the order in which they were added."""

    __slots__ = (
        "_busy_since_us", "_cause", "_readable", "_ready_at_us", "_settings", "_state", "_watching", "conn",
        "connected", "in_flight", "partitions", "source",
    )  # fmt: skip

    def __init__(self, state: BrokerState, source: int, readable: Callable[[Partition, int, int], None]) -> None:
        self._state, self.source, self._readable = state, source, readable
        self._settings = state.settings
        self.partitions: dict[int, _Followed] = {}
        self.conn: Connection | None = None
        self.connected = False
        self.in_flight = False
        self._busy_since_us = 0  # when the present wait for the other side began
        self._watching = False  # a timer looks after that wait
        self._ready_at_us = _NEVER  # the earliest end of a delay that a timer is set for
        self._cause = -1  # newest row that the next fetch tells of

    # --- what is followed ---------------------------------------------------------------------------------------------
    def add(self, part: Partition, cause: int) -> None:
        """Follow from the log's end on, nothing truncated yet (broker:REP-33)."""
        self.partitions[part.number] = _Followed(part, self._position(part))
        self._cause = cause

    def remove(self, partition: int) -> None:
        self.partitions.pop(partition, None)

    def _position(self, part: Partition) -> FetchPartition:
        log, most = part.log, self._settings.replica_fetch_max_bytes
        return FetchPartition(part.number, log.end, part.leader_epoch, log.last_epoch, most)

    # --- the loop -----------------------------------------------------------------------------------------------------
    def pump(self, now_us: int) -> None:
        """Send the next fetch if one can be sent; open the connection if there is none."""
        if self.in_flight or not self.partitions:
            return
        wants = []
        for followed in self.partitions.values():
            if followed.delayed_until_us <= now_us:
                followed.sent = followed.want
                wants.append(followed.want)
        conn = self.conn
        if not wants:
            self._sleep()
        elif conn is None:
            self._busy_since_us = now_us
            self.conn = self._state.port.connect(self.source)
            self._watch(now_us)
        elif self.connected:
            state, settings = self._state, self._settings
            self.in_flight, self._busy_since_us = True, now_us
            request = FetchRequest(
                state.me, wants, settings.replica_fetch_wait_max_us, settings.replica_fetch_min_bytes,
                settings.replica_fetch_response_max_bytes, state.epoch,
            )  # fmt: skip
            state.port.send(conn, request, self._cause)
            self._cause = -1

    def _sleep(self) -> None:
        """Everything is delayed: look again when the first delay ends."""
        ready_at_us = min(followed.delayed_until_us for followed in self.partitions.values())
        if ready_at_us < self._ready_at_us:
            self._ready_at_us = ready_at_us
            self._state.deadlines.at(ready_at_us, self._wake)

    def _wake(self, now_us: int) -> None:
        if now_us >= self._ready_at_us:
            self._ready_at_us = _NEVER
        self.pump(now_us)

    def _watch(self, now_us: int) -> None:
        if not self._watching:
            self._watching = True
            self._state.deadlines.at(now_us + self._settings.replica_socket_timeout_us, self._look)

    def _look(self, now_us: int) -> None:
        """A silent leader is given up after the socket's timeout."""
        self._watching = False
        if self.conn is None:
            return
        timeout_us = self._settings.replica_socket_timeout_us
        due_us = self._busy_since_us + timeout_us
        if due_us > now_us:
            self._watching = True
            self._state.deadlines.at(due_us, self._look)
        elif self.in_flight or not self.connected:
            self.close()
            self.lost(now_us)
        else:  # it has nothing to ask for; a wait that begins later ends later
            self._watching = True
            self._state.deadlines.at(now_us + timeout_us, self._look)

    # --- the connection -----------------------------------------------------------------------------------------------
    def opened(self, now_us: int) -> None:
        self.connected = True
        self.pump(now_us)

    def lost(self, now_us: int) -> None:
        """The connection broke or was refused: every partition waits (broker:REP-22)."""
        self.conn, self.connected, self.in_flight = None, False, False
        until_us = now_us + self._settings.replica_fetch_backoff_us
        for followed in self.partitions.values():
            followed.delayed_until_us, followed.sent = until_us, None
        self.pump(now_us)

    def close(self) -> None:
        if self.conn is not None:
            self._state.port.close(self.conn)
        self.conn, self.connected, self.in_flight = None, False, False

    # --- answers ------------------------------------------------------------------------------------------------------
    def answered(self, response: FetchResponse, now_us: int) -> None:
        self.in_flight = False
        self._cause = self._state.port.cause
        for answer in response.partitions:
            followed = self.partitions.get(answer.partition)
            if followed is None or followed.sent is not followed.want:
                continue  # asked for in an epoch or at an offset that is past (broker:REP-18)
            if answer.error:
                self._failed(followed, answer, now_us)
            elif answer.diverging_epoch >= 0:
                self._diverged(followed, answer)
            else:
                if answer.batches:
                    self._append(followed, answer, now_us)
                self._follow_marks(followed.part, answer, now_us)
        self.pump(now_us)

    def _append(self, followed: _Followed, answer: FetchedPartition, now_us: int) -> None:
        """First of a good answer come its records (broker:REP-19)."""
        number, log, record = answer.partition, followed.part.log, self._state.port.record
        for base, batch, epoch in zip(answer.base_offsets, answer.batches, answer.leader_epochs, strict=True):
            if base != log.end:
                raise LawBroken("dense offsets", f"partition {number}: offset {base} came where {log.end} is next")
            log.append(batch, epoch, now_us)
            self._cause = record(
                _REPLICATE, partition=number, prod=batch.prod, lo=batch.lo, hi=batch.hi, offset=base, lep=epoch,
                pid=batch.pid, epoch=batch.epoch, seq=batch.seq,
            )  # fmt: skip
        followed.want = self._position(followed.part)

    def _follow_marks(self, part: Partition, answer: FetchedPartition, now_us: int) -> None:
        """Then the high watermark, then the log's start (broker:REP-19)."""
        log, mark = part.log, answer.high_watermark
        if mark > log.end:
            mark = log.end
        if mark != log.high_watermark and mark >= log.start:  # it may also fall (broker:REP-14)
            log.high_watermark = mark
            row = self._state.port.record(
                _HIGH_WATERMARK, partition=part.number, offset=mark, lep=part.leader_epoch, n=0
            )
            if part.readers:
                self._readable(part, row, now_us)
        if answer.log_start > log.start and log.raise_start(answer.log_start):
            self._state.port.record(Kind.LOG_START, partition=part.number, offset=log.start)

    def _diverged(self, followed: _Followed, answer: FetchedPartition) -> None:
        """The leader's end of the epoch against one's own; cut at the lower (broker:REP-34)."""
        log = followed.part.log
        own = log.leader_epochs.end_of(answer.diverging_epoch, log.end)
        if own is None:
            cut = answer.diverging_end
        elif own[0] == answer.diverging_epoch:
            cut = min(own[1], answer.diverging_end)
        else:
            cut = own[1]  # and ask again, further down
        self._truncate(followed, cut)

    def _truncate(self, followed: _Followed, offset: int) -> None:
        part = followed.part
        gone = part.log.truncate_to(offset)
        if gone:
            port = self._state.port
            self._cause = port.record(Kind.TRUNCATE, partition=part.number, offset=part.log.end, n=gone)
        followed.want = self._position(part)

    def _failed(self, followed: _Followed, answer: FetchedPartition, now_us: int) -> None:
        if answer.error == ErrorCode.FENCED_LEADER_EPOCH:
            self.remove(answer.partition)  # until newer metadata arrives (broker:REP-20)
        elif answer.error == ErrorCode.OFFSET_OUT_OF_RANGE:
            self._out_of_range(followed, answer)
        else:
            followed.delayed_until_us = now_us + self._settings.replica_fetch_backoff_us
            followed.sent = None

    def _out_of_range(self, followed: _Followed, answer: FetchedPartition) -> None:
        """Outside the leader's log: cut to its end, or begin anew at its start (broker:REP-23)."""
        part = followed.part
        log = part.log
        if answer.diverging_end < log.end:
            self._truncate(followed, answer.diverging_end)
        elif answer.log_start > log.end:
            gone = log.restart_at(answer.log_start)
            port = self._state.port
            self._cause = port.record(Kind.TRUNCATE, partition=part.number, offset=log.start, n=gone)
            port.record(Kind.LOG_START, partition=part.number, offset=log.start)
        followed.want = self._position(part)
