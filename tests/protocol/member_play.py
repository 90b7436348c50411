"""A group member whose brokers and coordinator the test plays: what is not answered by hand is answered at once.

Answers come in order on each connection: a long poll that has something behind it ends, with nothing in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sim.protocol.group_consumer import GroupConsumer
from sim.protocol.group_messages import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinedMember,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
    SyncGroupRequest,
    SyncGroupResponse,
)
from sim.protocol.messages import (
    FetchedPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    MetadataResponse,
    PartitionMetadata,
    RecordBatch,
)
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ProcessingSettings, ReaderSettings
from tests.protocol.scripted_port import ScriptedPort, Wire

MS, S = 1_000, 1_000_000
EARLIEST = ReaderSettings(offset_reset="earliest")


@dataclass
class MemberPlay:
    """Partitions 0 and 1 of topic 0, led by broker 1, which is the coordinator too.

    ``hold``: kinds of requests that wait until the test answers them; ``committed``: offsets by partition, by default
    none, or 0 for a librdkafka member, which would wait before it asks where the log begins; ``share``: what a sync
    gives.
    """

    settings: Any = field(default_factory=lambda: MemberSettings(auto_commit=False))
    reader: ReaderSettings = EARLIEST
    processing: ProcessingSettings = ProcessingSettings()
    work_us: int = 0
    times_us: list[int] = field(default_factory=list)  # of the first pieces of work, the rest takes work_us
    desk: Any = None
    hold: tuple[type, ...] = (FetchRequest,)
    committed: dict[int, int] | None = None
    share: tuple[int, ...] = (0, 1)
    now: int = 0
    member: Callable[..., Any] = GroupConsumer  # its role

    def __post_init__(self) -> None:
        self.port = ScriptedPort()
        if self.committed is None:
            self.committed = {0: 0, 1: 0} if self.reader.flavour == "librdkafka" else {}
        self.generation = 0
        self.asked: list[Any] = []  # every request, in order
        self._waiting: dict[int, tuple[Wire, deque[Any]]] = {}  # requests by connection, oldest first
        self.errors: dict[type, list[int]] = {}  # errors of the next answers, by kind of request
        self._opened = 0
        self._told: tuple[int, ...] = ()
        names = {0: ("t", 0), 1: ("t", 1)}
        self.role = self.member(
            self.port, 0, self.settings, self.reader, self.processing, (0,), (1,), names,
            lambda: self.times_us.pop(0) if self.times_us else self.work_us, self.desk,
        )  # fmt: skip
        self.role.start(0)
        self.settle()

    # --- the other side -----------------------------------------------------------------------------------------------
    def settle(self) -> None:
        """Open what is being opened and answer what is not held, until nothing is left to do."""
        while True:
            if self._opened < len(self.port.wires):
                self._opened += 1
                self.role.on_connected(self.port.wires[self._opened - 1], self.now)
                continue
            for wire, message in self.port.take():
                self.asked.append(message)
                self._waiting.setdefault(wire.number, (wire, deque()))[1].append(message)
            if not any(self._go_on(wire, queue) for wire, queue in list(self._waiting.values())):
                return

    def _go_on(self, wire: Wire, queue: deque[Any]) -> bool:
        """Answer the oldest request of a connection, if it need not wait."""
        if not queue:
            return False
        ends = isinstance(queue[0], FetchRequest) and len(queue) > 1
        if isinstance(queue[0], self.hold) and not ends:
            return False
        self.role.on_message(wire, self._answer(queue.popleft()), self.now)
        return True

    def held(self, kind: type) -> Any:
        """The oldest request of that kind that waits for the test."""
        return next(queue[0] for _, queue in self._waiting.values() if queue and isinstance(queue[0], kind))

    def _answer(self, message: Any) -> Any:
        error = self.errors.get(type(message), [0]).pop(0) if self.errors.get(type(message)) else 0
        answers: dict[type, Callable[[Any], Any]] = {
            MetadataRequest: lambda m: MetadataResponse((1,), {0: tuple(PartitionMetadata(p, 1, 0) for p in (0, 1))}),
            FindCoordinatorRequest: lambda m: FindCoordinatorResponse(error, 1),
            JoinGroupRequest: self._joined,
            SyncGroupRequest: lambda m: SyncGroupResponse(error, self.share),
            HeartbeatRequest: lambda m: HeartbeatResponse(error),
            ConsumerGroupHeartbeatRequest: lambda m: self._beaten(m, error),
            LeaveGroupRequest: lambda m: LeaveGroupResponse(error),
            OffsetCommitRequest: lambda m: OffsetCommitResponse(error),
            OffsetFetchRequest: lambda m: OffsetFetchResponse(
                error, {p: (self.committed.get(p, -1), -1) for p in m.partitions}
            ),
            ListOffsetsRequest: lambda m: ListOffsetsResponse(m.partition, error, 0),
            FetchRequest: lambda m: FetchResponse([FetchedPartition(p.partition) for p in m.partitions]),
        }
        return answers[type(message)](message)

    def _joined(self, message: JoinGroupRequest) -> JoinGroupResponse:
        self.generation += 1
        me = JoinedMember("me", message.instance, message.protocols[0][1])
        return JoinGroupResponse(0, self.generation, message.protocols[0][0], "me", "me", (me,))

    def _beaten(self, message: ConsumerGroupHeartbeatRequest, error: int) -> ConsumerGroupHeartbeatResponse:
        """The coordinator of KIP-848: whoever joins gets ``share``, and later what ``share`` is then."""
        if error or message.epoch < 0:
            return ConsumerGroupHeartbeatResponse(error, message.epoch)
        if message.epoch == 0:
            self.generation += 1
        new = self.share if message.epoch == 0 or self.share != self._told else None
        self._told = self.share
        return ConsumerGroupHeartbeatResponse(0, self.generation, 5 * S, new)

    def answer(self, kind: type, response: Any = None) -> Any:
        """Answer the oldest held request of that kind; the request."""
        wire, queue = next(one for one in self._waiting.values() if one[1] and isinstance(one[1][0], kind))
        message = queue.popleft()
        self.role.on_message(wire, response if response is not None else self._answer(message), self.now)
        self.settle()
        return message

    def fetched(self, *ranges: tuple[int, int, int]) -> FetchRequest:
        """Answer the held fetch with records (partition, first offset, how many)."""
        found = [
            FetchedPartition(p, 0, first + count, 0, [first], [RecordBatch(0, p, first, first + count, 100)], [0])
            for p, first, count in ranges
        ]
        message = self.answer(FetchRequest, FetchResponse(found))
        assert isinstance(message, FetchRequest)
        return message

    def run_to(self, time_us: int) -> None:
        while self.port.alarm_us is not None and self.port.alarm_us <= time_us:
            self.now, self.port.alarm_us = max(self.now, self.port.alarm_us), None
            self.role.on_alarm(self.now)
            self.settle()
        self.now = time_us

    # --- what tests ask -----------------------------------------------------------------------------------------------
    def commits(self) -> list[dict[int, int]]:
        """Offsets of each commit that was sent."""
        return [
            {p: offset for p, (offset, _) in message.offsets.items()}
            for message in self.asked
            if isinstance(message, OffsetCommitRequest)
        ]

    def polls(self) -> list[tuple[int, int, int]]:
        """(partition, first offset, how many) of each poll row."""
        return [(row.partition, row.offset, row.hi - row.lo) for row in self.port.of(Kind.POLL)]

    def callbacks(self) -> list[tuple[str, int]]:
        """(assigned, revoked or lost, partition), in order."""
        return [
            ("assigned" if row.kind is Kind.ASSIGN else "lost" if row.code else "revoked", row.partition)
            for row in self.port.of(Kind.ASSIGN, Kind.REVOKE)
        ]

    def count(self, kind: type) -> int:
        return sum(isinstance(message, kind) for message in self.asked)

    def rebalance(self) -> None:
        """The next heartbeat says that the group rebalances."""
        self.errors[HeartbeatRequest] = [27]
        self.run_to(self.now + self.settings.heartbeat_interval_us)
