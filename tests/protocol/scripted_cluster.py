"""A small cluster for tests of one client: partitions with leaders, sequence checks, and faults given by the test.

Links take 20 ms each way, connections are first in, first out and take two round trips to open; a broker takes 0.5 ms
for each produce request of a connection, one after the other; an answer that a fault makes up takes no time.
``faults`` have the vocabulary of the recorded runs. Nothing of the simulator's own brokers or network is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, NamedTuple

from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    MetadataRequest,
    MetadataResponse,
    PartitionMetadata,
    ProduceRequest,
    ProduceResponse,
    ProduceResult,
    RecordBatch,
)
from sim.protocol.rows import Kind
from tests.protocol.scripted_port import Row, ScriptedPort, Wire

MS = 1_000
ONE_WAY_US = 20 * MS
SERVICE_US = MS // 2
ANSWERS, ALARMS = 0, 1


class Columns(NamedTuple):
    sends: Sequence[int]
    times: Sequence[int]
    cum: Sequence[int]


class ListedSends:
    """The ``Sends`` of explicit calls: (time, partition index or -1, key or None)."""

    def __init__(self, calls: Sequence[tuple[int, int, bytes | None]], size: int = 100, topic: int = 0) -> None:
        self.count = len(calls)
        self.times = [time_us for time_us, _, _ in calls]
        self.cum = [size * k for k in range(len(calls) + 1)]
        self.topics = [topic] * len(calls)
        self.names = list(dict.fromkeys(key for _, _, key in calls if key is not None))
        self.keys = [-1 if key is None else self.names.index(key) for _, _, key in calls]
        self.indexes = [index for _, index, _ in calls]
        self.largest_bytes = size
        self.grows = False
        self.size = size

    def topic_numbers(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.topics)))

    def key_bytes(self, topic: int) -> Sequence[bytes]:
        return self.names

    def settled(self, topic: int) -> bool:
        return all(index >= 0 or key >= 0 for index, key in zip(self.indexes, self.keys, strict=True))

    def split(self, topic: int, of_key: Sequence[int], partitions: int, start: int) -> Mapping[int, Columns]:
        lanes: dict[int, Columns] = {}
        for wanted in range(partitions):
            chosen = [
                send for send in range(start, self.count)
                if (self.indexes[send] if self.indexes[send] >= 0 else of_key[self.keys[send]]) == wanted
            ]  # fmt: skip
            if chosen:
                cum = [self.size * k for k in range(len(chosen) + 1)]
                lanes[wanted] = Columns(chosen, [self.times[send] for send in chosen], cum)
        return lanes


def burst(count: int, *, at: int = 0, index: int = 0) -> list[tuple[int, int, bytes | None]]:
    return [(at, index, None)] * count


@dataclass
class Pipe:
    """One connection as the network sees it."""

    wire: Wire
    open: bool = True
    deaf: bool = False  # what comes is not handed to the broker any more
    mute: bool = False  # answers are thrown away
    held: list[RecordBatch] | None = None
    unanswered: int = 0
    reset_when_answered: bool = False
    answer_not_before_us: int = 0
    busy_until_us: int = 0


@dataclass
class Cluster:
    """Drives ``role`` (set by the test after construction with ``port``)."""

    leaders: dict[int, tuple[int, int]] = field(default_factory=lambda: {0: (1, 0)})
    faults: list[dict[str, Any]] = field(default_factory=list)
    count_from: int = 0  # lane position from which requests are counted (after the warm-up)
    draws: dict[str, int] = field(default_factory=dict)
    now: int = 0
    down: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.port = ScriptedPort(draws=self.draws)
        self.port.connect = self._connect  # type: ignore[method-assign]
        self.port.send = self._send  # type: ignore[method-assign]
        self.port.close = self._close  # type: ignore[method-assign]
        self.role: Any = None
        self.pipes: dict[int, Pipe] = {}
        self.logs: dict[int, list[RecordBatch]] = {partition: [] for partition in self.leaders}
        self.state: dict[tuple[int, int], tuple[int, list[tuple[int, int, int]]]] = {}
        self.queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self.order = 0
        self.seen: dict[int, int] = {}  # produce requests counted, by partition
        self.answered: dict[int, set[int]] = {}
        self.pids = 0
        self.rung = 0  # alarms so far

    # --- time ---
    def at(self, time_us: int, what: Callable[[], None], rank: int = ANSWERS) -> None:
        self.order += 1
        heappush(self.queue, (time_us, rank, self.order, what))

    def start(self, role: Any) -> Cluster:
        self.role = role
        role.start(self.now)
        return self

    def run(self, until_us: int = 60_000 * MS, stop: Callable[[], bool] | None = None) -> Cluster:
        while True:
            alarm_us = self.port.alarm_us if self.port.alarm_us is not None else 1 << 62
            next_us = self.queue[0][0] if self.queue else 1 << 62
            time_us = min(max(alarm_us, self.now), next_us)
            if time_us > until_us or (stop is not None and stop()):
                self.now = max(self.now, min(time_us, until_us)) if time_us > until_us else self.now
                return self
            self.now = time_us
            if next_us <= time_us:
                heappop(self.queue)[3]()
            else:
                self.port.alarm_us = None
                self.rung += 1
                self.role.on_alarm(self.now)

    def until_idle(self, limit_us: int = 600_000 * MS) -> Cluster:
        self.run(limit_us, self.role.idle)
        assert self.role.idle(), "not idle at the end"
        return self

    # --- network ---
    def _connect(self, server: int) -> Wire:
        wire = Wire(len(self.pipes) + 1, self.port.host, server)
        pipe = self.pipes[wire.number] = Pipe(wire)
        if server in self.down:
            pipe.open = False
            self.at(self.now + 2 * ONE_WAY_US, lambda: self.role.on_disconnected(wire, self.now))
        else:
            self.at(self.now + 4 * ONE_WAY_US, lambda: pipe.open and self.role.on_connected(wire, self.now))
        return wire

    def _send(self, wire: Any, message: object, cause: int | None = None) -> None:
        pipe = self.pipes[wire.number]
        if pipe.open:
            self.at(self.now + ONE_WAY_US, lambda: self._arrives(pipe, message))

    def _close(self, wire: Any) -> None:
        self.pipes[wire.number].open = False

    def reset(self, pipe: Pipe) -> None:
        if pipe.open:
            pipe.open = False
            self.role.on_disconnected(pipe.wire, self.now)

    def move(self, partition: int, leader: int) -> None:
        """The partition has a new leader; only metadata (or a refusal) tells the client."""
        self.leaders[partition] = (leader, self.leaders[partition][1] + 1)

    def break_connections(self, server: int) -> None:
        for pipe in list(self.pipes.values()):
            if pipe.wire.server == server:
                self.reset(pipe)

    def _answer(self, pipe: Pipe, message: object, number: int = 0, partition: int = -1) -> None:
        if number:
            self.answered.setdefault(partition, set()).add(number)
        pipe.unanswered += 1
        if pipe.mute:
            return
        at_us = max(self.now + ONE_WAY_US, pipe.answer_not_before_us)
        pipe.answer_not_before_us = at_us

        def deliver() -> None:
            pipe.unanswered -= 1
            if pipe.open:
                self.role.on_message(pipe.wire, message, self.now)
            if pipe.reset_when_answered and pipe.unanswered == 0:
                self.reset(pipe)

        self.at(at_us, deliver)

    # --- brokers ---
    def _arrives(self, pipe: Pipe, message: object) -> None:
        if isinstance(message, MetadataRequest | InitProducerIdRequest):
            if not pipe.deaf:  # behind what the broker still has of this connection
                pipe.unanswered += 1
                self.at(max(self.now, pipe.busy_until_us), lambda: self._asked(pipe, message))
        else:
            assert isinstance(message, ProduceRequest)
            self._produce(pipe, message)

    def _asked(self, pipe: Pipe, message: MetadataRequest | InitProducerIdRequest) -> None:
        pipe.unanswered -= 1
        if isinstance(message, InitProducerIdRequest):
            self.pids += 1
            self._answer(pipe, InitProducerIdResponse(0, 1000 + self.pids, 0))
        else:
            told = tuple(PartitionMetadata(p, *self.leaders[p]) for p in sorted(self.leaders))
            self._answer(pipe, MetadataResponse((1, 2, 3), {0: told}))

    def _produce(self, pipe: Pipe, request: ProduceRequest) -> None:
        batch = request.batches[0]
        number = 0
        if batch.lo >= self.count_from:
            number = self.seen[batch.partition] = self.seen.get(batch.partition, 0) + 1
        if pipe.deaf:
            return
        fault = self._fault(batch, number)
        do = fault.get("do")
        if do == "drop_request":
            pipe.deaf = pipe.reset_when_answered = True
            if fault.get("earlier") == "now" or pipe.unanswered == 0:
                self.reset(pipe)
            return
        if do == "swallow":
            pipe.mute = True
            return
        if do == "hold":  # with all that comes behind on the connection
            pipe.busy_until_us = max(pipe.busy_until_us, fault["until_us"])
        if do == "answer_error":
            made_up = ProduceResponse([ProduceResult(batch.partition, fault["error"])])
            behind_us = max(self.now, pipe.busy_until_us)  # the answers of the requests before it
            pipe.unanswered += 1
            self.at(behind_us, lambda: self._made_up(pipe, made_up, number, batch.partition))
            return
        if do == "drop_response":
            pipe.mute = True
            self.pipes_to_reset = (pipe, batch.partition, fault["after_answered"])
        pipe.busy_until_us = max(pipe.busy_until_us, self.now) + SERVICE_US
        pipe.unanswered += 1
        self.at(pipe.busy_until_us, lambda: self._handled(pipe, request, number, fault))

    def _made_up(self, pipe: Pipe, answer: ProduceResponse, number: int, partition: int) -> None:
        pipe.unanswered -= 1
        self._answer(pipe, answer, number, partition)

    def _handled(self, pipe: Pipe, request: ProduceRequest, number: int, fault: dict[str, Any]) -> None:
        batch = request.batches[0]
        pipe.unanswered -= 1
        code, offset = self._append(pipe, batch)
        if fault.get("do") == "append_then_error":
            code, offset = fault["error"], -1
        if request.acks != 0:
            result = ProduceResult(batch.partition, code, offset if code == 0 else -1)
            self._answer(pipe, ProduceResponse([result]), number, batch.partition)
        self._reset_after(pipe)

    def _reset_after(self, pipe: Pipe) -> None:
        waiting = getattr(self, "pipes_to_reset", None)
        if waiting is not None and waiting[0] is pipe:
            _, partition, last = waiting
            if set(range(1, last + 1)) <= self.answered.get(partition, set()):
                self.pipes_to_reset = None
                self.at(self.now + ONE_WAY_US, lambda: self.reset(pipe))

    def _fault(self, batch: RecordBatch, number: int) -> dict[str, Any]:
        for fault in self.faults:
            nth = fault.get("nth")
            if nth is not None and number and number in (nth if isinstance(nth, list) else [nth]):
                return fault
            position = fault.get("position")  # lane position, in place of the recorded runs' value
            if position is not None and fault.get("partition", 0) == batch.partition:
                hit = position == "all" or batch.lo <= position < batch.hi
                if hit and fault.get("attempt", batch.attempt) == batch.attempt:
                    return fault
        return {}

    def _append(self, pipe: Pipe, batch: RecordBatch) -> tuple[int, int]:
        if self.leaders[batch.partition][0] != pipe.wire.server:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER, -1
        log = self.logs[batch.partition]
        end = sum(one.count for one in log)
        if batch.pid < 0:
            log.append(batch)
            return 0, end
        key = (batch.partition, batch.pid)
        known = self.state.get(key)
        last = batch.seq + batch.count - 1
        if known is not None:
            epoch, batches = known
            for seq, seq_last, offset in batches[-5:]:
                if (batch.epoch, batch.seq, last) == (epoch, seq, seq_last):
                    return 0, offset
            if batch.epoch < epoch:
                return ErrorCode.INVALID_PRODUCER_EPOCH, -1
            expected = 0 if batch.epoch > epoch else batches[-1][1] + 1
            if batch.seq != expected:
                return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1
            kept = batches if batch.epoch == epoch else []
        else:
            kept = []
        self.state[key] = (batch.epoch, [*kept, (batch.seq, last, end)])
        log.append(batch)
        return 0, end

    # --- what tests ask ---
    def log(self, partition: int = 0) -> list[int]:
        """Lane positions in the order of the log."""
        return [position for batch in self.logs[partition] for position in range(batch.lo, batch.hi)]

    def attempts(self, partition: int = 0) -> list[Row]:
        return [row for row in self.port.of(Kind.ATTEMPT) if row.partition == partition]

    def wire(self, partition: int = 0) -> list[int]:
        """First lane position of each request sent."""
        return [row.lo for row in self.attempts(partition)]

    def reports(self, partition: int = 0) -> list[tuple[int, int]]:
        """(lane position, error code or 0) in the order of the delivery reports."""
        kinds = (Kind.ACK, Kind.FAIL, Kind.UNKNOWN)
        rows = [row for row in self.port.of(*kinds) if row.partition == partition]
        return [(position, row.code) for row in rows for position in range(row.lo, row.hi)]

    def numbers(self, partition: int = 0) -> list[tuple[int, int, int]]:
        """(first lane position, epoch, sequence) of each request sent."""
        return [(row.lo, row.epoch, row.seq) for row in self.attempts(partition)]
