"""A Java producer on a stage: the test is the brokers, the network and the clock.

Records are letters. ``plain("A B D@30")`` is a producer without idempotence whose application sends A and B at time 0
and D at 30 ms; ``X/1`` goes to partition 1, ``K:key`` has a key, ``N~`` neither, ``T#1`` goes to topic 1. Unless the
test says otherwise every record is a batch and a request of its own, linger is 0, and connections, metadata and
producer ids come at once.

``sent()`` tells what has left since it was last asked: requests between spaces, batches of one request joined by
``+``, records of one batch without anything between. ``log()`` is what the test has stored, ``callbacks()`` the
delivery reports in order. Raw draws stand in the middle, so every back-off is its nominal value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.java_producer import JavaProducer
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
from sim.protocol.settings import JavaProducerSettings, Rules
from tests.protocol.scripted_port import Row, ScriptedPort, Wire

MS = 1_000
REPORTS = (Kind.ACK, Kind.FAIL, Kind.UNKNOWN)


class Columns(NamedTuple):
    sends: Sequence[int]
    times: Sequence[int]
    cum: Sequence[int]


class Calls:
    """The ``Sends`` written as letters."""

    def __init__(self, text: str, sizes: Mapping[str, int], size: int) -> None:
        self.letters: list[str] = []
        self.times: list[int] = []
        self.keys: list[int] = []
        self.indexes: list[int] = []
        self.names: list[bytes] = []
        self.topics: list[int] = []
        self.cum = [0]
        for word in text.split():
            self._call(*word.partition("@")[::2])
        for letter in self.letters:
            self.cum.append(self.cum[-1] + sizes.get(letter, size))
        self.count = len(self.letters)
        self.largest_bytes = max((b - a for a, b in zip(self.cum, self.cum[1:], strict=False)), default=0)
        self.grows = False

    def _call(self, name: str, at: str) -> None:
        key, index = -1, 0
        name, _, topic = name.partition("#")
        if "/" in name:
            name, _, number = name.partition("/")
            index = int(number)
        elif ":" in name:
            name, _, text = name.partition(":")
            index, raw = -1, text.encode()
            if raw not in self.names:
                self.names.append(raw)
            key = self.names.index(raw)
        elif name.endswith("~"):
            name, index = name[:-1], -1
        self.letters.append(name)
        self.topics.append(int(topic or 0))
        self.times.append(int(float(at) * MS) if at else 0)
        self.keys.append(key)
        self.indexes.append(index)

    def topic_numbers(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.topics)))

    def key_bytes(self, topic: int) -> Sequence[bytes]:
        return self.names

    def settled(self, topic: int) -> bool:
        calls = zip(self.topics, self.indexes, self.keys, strict=True)
        return all(index >= 0 or key >= 0 for to, index, key in calls if to == topic)

    def split(self, topic: int, of_key: Sequence[int], partitions: int, start: int) -> Mapping[int, Columns]:
        def index(send: int) -> int:
            if self.indexes[send] >= 0:
                return self.indexes[send]
            return of_key[self.keys[send]] if self.keys[send] >= 0 else 0

        lanes: dict[int, Columns] = {}
        for wanted in range(partitions):
            chosen = [s for s in range(start, self.count) if self.topics[s] == topic and index(s) == wanted]
            if chosen:
                cum = [0]
                for send in chosen:
                    cum.append(cum[-1] + self.cum[send + 1] - self.cum[send])
                lanes[wanted] = Columns(chosen, [self.times[send] for send in chosen], cum)
        return lanes


class Transmission(NamedTuple):
    letters: str
    broker: int
    pid: int
    epoch: int
    seq: int
    at_ms: float


class Pending(NamedTuple):
    wire: Wire
    request: ProduceRequest
    letters: list[str]  # of each batch
    sent_us: int


class Play:
    def __init__(
        self,
        calls: str | Any,
        *,
        leaders: dict[int, int] | None = None,
        topics: dict[int, tuple[int, ...]] | None = None,
        rules: Rules | None = None,
        resend: int = 0,
        size: int = 100,
        sizes: Mapping[str, int] | None = None,
        draws: dict[str, int] | None = None,
        bootstrap: tuple[int, ...] = (1, 2),
        **settings: Any,
    ) -> None:
        self.calls = Calls(calls, sizes or {}, size) if isinstance(calls, str) else calls
        self.port = ScriptedPort(draws=dict(draws or {}))
        self.now_us = 0
        self.leaders = {partition: (host, 0) for partition, host in (leaders or {0: 1}).items()}
        self.topics = topics  # partitions by index; None: topic 0 has all that have ever had a leader
        self.brokers = bootstrap
        self.unreachable: set[int] = set()
        self.gives_metadata = self.gives_producer_ids = True
        self.epoch = 0  # of producer ids given out
        self.pids = 0  # how many were given out
        self.held: list[tuple[Wire, list[Pending], tuple[int, ...]]] = []  # metadata requests: what is before, topics
        self.asked_producer_id = self.asked_metadata = 0
        self.pending: list[Pending] = []
        self.answers = 0  # produce requests answered
        self.logs: dict[int, list[str]] = {}
        self.offsets: dict[str, int] = {}
        self.transmissions: list[Transmission] = []
        self._sent: list[str] = []
        self._opened = 0
        values = {"linger_us": 0, "batch_size_bytes": 1, **settings}
        self.settings = JavaProducerSettings(**values)
        self.role = JavaProducer(
            self.port, self.settings, rules or Rules(), 0, self.calls, bootstrap, {0: tuple(self.leaders)}, resend
        )

    # --- stage machinery ---------------------------------------------------------------------------------------------
    def start(self) -> Play:
        self.role.start(self.now_us)
        return self._serve()

    def _serve(self) -> Play:
        """Let pass what is not the test's business, until nothing but produce requests is open."""
        for _ in range(1000):
            opened, self._opened = self.port.wires[self._opened :], len(self.port.wires)
            messages = self.port.take()
            if not opened and not messages and (self.port.alarm_us is None or self.port.alarm_us > self.now_us):
                return self
            for wire in opened:
                if wire.server in self.unreachable:
                    self.role.on_disconnected(wire, self.now_us)
                else:
                    self.role.on_connected(wire, self.now_us)
            for wire, message in messages:
                self._receive(wire, message)
            if not opened and not messages:
                self._ring()
        raise AssertionError("the producer does not come to rest")

    def _ring(self) -> None:
        self.port.alarm_us = None
        self.role.on_alarm(self.now_us)

    def _receive(self, wire: Wire, message: object) -> None:
        if isinstance(message, ProduceRequest):
            self._produce(wire, message)
        elif isinstance(message, MetadataRequest):
            self.asked_metadata += 1
            self.held.append((wire, [one for one in self.pending if one.wire == wire], message.topics))
            self._answer_metadata()
        elif isinstance(message, InitProducerIdRequest):
            self.asked_producer_id += 1
            if self.gives_producer_ids:
                self.pids += 1
                answer = InitProducerIdResponse(0, 1000 + self.pids, self.epoch)
                self.role.on_message(wire, answer, self.now_us)

    def answer_metadata(self) -> Play:
        """From here on metadata requests are answered, each behind the produce requests before it."""
        self.gives_metadata = True
        self._answer_metadata()
        return self._serve()

    def _answer_metadata(self) -> None:
        if not self.gives_metadata:
            return
        ready = [held for held in self.held if not any(one in self.pending for one in held[1])]
        self.held = [held for held in self.held if held not in ready]
        known = self.topics or {0: tuple(sorted(self.leaders))}
        for wire, _, asked in ready:
            told = {
                topic: tuple(PartitionMetadata(number, *self.leaders[number]) for number in known.get(topic, ()))
                for topic in asked
            }
            response = MetadataResponse(self.brokers, told)
            if wire.number not in self.port.closed:
                self.role.on_message(wire, response, self.now_us)

    def _produce(self, wire: Wire, request: ProduceRequest) -> None:
        names = [self.name(batch.partition, batch.lo, batch.hi) for batch in request.batches]
        self._sent.append("+".join(names))
        for name, batch in zip(names, request.batches, strict=True):
            self.transmissions.append(
                Transmission(name, wire.server, batch.pid, batch.epoch, batch.seq, self.now_us / MS)
            )
        if request.acks != 0:
            self.pending.append(Pending(wire, request, names, self.now_us))

    def name(self, partition: int, lo: int, hi: int) -> str:
        """Letters of a slice of a lane; a record that the application sent again has a prime."""
        sent = self.role.sent()
        lane = next(lane for lane in sent.lanes if lane.partition == partition)
        return "".join(self._letter(send) for send in lane.sends[lo:hi])

    def _letter(self, send: int) -> str:
        again = send - self.calls.count
        return self.calls.letters[send] if again < 0 else self.calls.letters[self.role.sent().resends[again][0]] + "'"

    # --- the clock ---------------------------------------------------------------------------------------------------
    def at(self, ms: float) -> Play:
        """Let time pass until *ms*; the producer's deadlines ring on the way, in order."""
        end_us = int(ms * MS)
        for _ in range(100_000):
            if self.port.alarm_us is None or self.port.alarm_us > end_us:
                self.now_us = end_us
                return self
            self.now_us = max(self.now_us, self.port.alarm_us)
            self._ring()
            self._serve()
        raise AssertionError("the producer's deadlines do not end")

    def run(self, ms: float) -> Play:
        return self.at(self.now_us / MS + ms)

    def freeze_until(self, ms: float) -> Play:
        """Time passes without the producer (its process stood still)."""
        self.now_us = int(ms * MS)
        return self

    def flow(self, until_ms: float, answer_after_ms: float, codes: Sequence[int] = (0,)) -> Play:
        """Let time pass; every request is answered so much after it was sent, with these codes in turn (0: stored)."""
        after_us, end_us = int(answer_after_ms * MS), int(until_ms * MS)
        while True:
            live = self.live()
            due_us = live[0].sent_us + after_us if live else end_us + 1
            if due_us > end_us:
                if self.port.alarm_us is None or self.port.alarm_us > end_us:
                    return self.at(until_ms)
                due_us = end_us
            if self.port.alarm_us is not None and self.port.alarm_us <= due_us:
                self.at(max(self.now_us, self.port.alarm_us) / MS)
            elif live:
                self.at(max(self.now_us, due_us) / MS)
                code = codes[self.answers % len(codes)]
                self.answer("+".join(live[0].letters), *[code] * len(live[0].letters))

    # --- the brokers -------------------------------------------------------------------------------------------------
    def _of(self, letters: str) -> Pending:
        """The request that holds the batch; it has to be the next to be answered on its connection."""
        mine = next(one for one in self.live() if letters in one.letters)
        first = next(one for one in self.pending if one.wire == mine.wire)
        assert mine is first, f"{letters} is behind {first.letters}"
        return mine

    def store(self, letters: str) -> Play:
        """The leader appends the batch, and says nothing yet."""
        pending = next(one for one in self.live() if letters in one.letters)
        self._store(pending.request.batches[pending.letters.index(letters)], letters)
        return self

    def _store(self, batch: RecordBatch, letters: str) -> int:
        log = self.logs.setdefault(batch.partition, [])
        offset = len(log)
        self.offsets.setdefault(letters, offset)
        log.extend(re.findall(".'?", letters))
        return offset

    def ok(self, *names: str) -> Play:
        """Stored and acknowledged, one request after the other."""
        for name in names:
            self.answer(name, 0)
        return self

    def answer(self, names: str, *codes: int, **columns: int) -> Play:
        """Answer a request by the codes of its batches, in the order of *names* (``"A+X"``); those without one are ok.
        What is ok is stored."""
        given = dict(zip(names.split("+"), codes, strict=False))
        pending = self._of(names.split("+")[0])
        results = []
        for batch, name in zip(pending.request.batches, pending.letters, strict=True):
            code = given.get(name, 0)
            offset = self._store(batch, name) if code == 0 else -1
            results.append(ProduceResult(batch.partition, code, offset, **columns))
        return self._respond(pending, results)

    def stored(self, name: str, code: int) -> Play:
        """Stored, and answered with an error all the same."""
        return self.store(name).answer(name, code)

    def recognised(self, name: str) -> Play:
        """The leader knows the batch: success with the offset of the copy that it has."""
        pending = self._of(name)
        return self._respond(pending, [ProduceResult(pending.request.batches[0].partition, 0, self.offsets[name])])

    def respond(self, pending: Pending, codes: Sequence[int], offsets: Sequence[int]) -> Play:
        """Answer a request with these codes and offsets; nothing is stored."""
        batches = zip(pending.request.batches, codes, offsets, strict=True)
        return self._respond(pending, [ProduceResult(batch.partition, code, at) for batch, code, at in batches])

    def _respond(self, pending: Pending, results: list[ProduceResult]) -> Play:
        self.pending.remove(pending)
        self.answers += 1
        self.role.on_message(pending.wire, ProduceResponse(results), self.now_us)
        self._answer_metadata()
        return self._serve()

    def late(self, pending: Pending) -> Play:
        """The request's broker executes it after its connection died."""
        for batch, name in zip(pending.request.batches, pending.letters, strict=True):
            self._store(batch, name)
        return self

    def open_wire(self, broker: int) -> Wire:
        return [wire for wire in self.port.wires if wire.server == broker and wire.number not in self.port.closed][-1]

    def disconnect(self, broker: int = 1) -> Play:
        """The broker's side closes the connection that carries produce requests."""
        wire = self.open_wire(broker)
        self.pending = [one for one in self.pending if one.wire != wire]
        self.port.closed.append(wire.number)
        self.role.on_disconnected(wire, self.now_us)
        return self._serve()

    # --- what happened -----------------------------------------------------------------------------------------------
    def sent(self) -> str:
        """Requests transmitted since the last question."""
        text = " ".join(self._sent)
        self._sent = []
        return text

    def live(self) -> list[Pending]:
        return [one for one in self.pending if one.wire.number not in self.port.closed]

    def on_wire(self) -> str:
        """Requests without an answer on connections that live."""
        return " ".join("+".join(one.letters) for one in self.live())

    def log(self, partition: int = 0) -> str:
        return " ".join(self.logs.get(partition, []))

    def rows(self, *kinds: Kind) -> list[Row]:
        return self.port.of(*kinds)

    def callbacks(self) -> str:
        """Letters in the order of their delivery reports."""
        return " ".join(self.name(row.partition, row.lo, row.hi) for row in self.rows(*REPORTS))

    def outcome(self, letters: str) -> str:
        """How the batch was reported: ``ok 3`` (offset), ``FAIL INVALID_RECORD``, ``UNKNOWN ...``; empty while open."""
        found = [row for row in self.rows(*REPORTS) if self.name(row.partition, row.lo, row.hi) == letters]
        assert len(found) <= 1, f"{letters} was reported {len(found)} times"
        if not found:
            return ""
        return f"ok {found[0].offset}" if found[0].kind == Kind.ACK else f"{found[0].kind.name} {E(found[0].code).name}"

    def refused(self) -> str:
        """Letters of the send() calls that failed."""
        return " ".join(self._letter(i) for row in self.rows(Kind.REFUSED) for i in range(row.lo, row.hi))

    def identities(self, letters: str) -> list[tuple[int, int]]:
        """(epoch, sequence) of every transmission of the batch."""
        return [(one.epoch, one.seq) for one in self.transmissions if one.letters == letters]

    def times_ms(self, letters: str) -> list[float]:
        return [one.at_ms for one in self.transmissions if one.letters == letters]

    @property
    def bumps(self) -> list[tuple[int, int]]:
        """(epoch, partition) of every local epoch bump."""
        return [(row.epoch, row.partition) for row in self.rows(Kind.PRODUCER_ID) if row.partition >= 0]


def plain(calls: str, window: int = 5, **options: Any) -> Play:
    return Play(calls, idempotence=False, max_in_flight=window, **options).start()


def idempotent(calls: str, window: int = 5, **options: Any) -> Play:
    return Play(calls, idempotence=True, max_in_flight=window, **options).start()
