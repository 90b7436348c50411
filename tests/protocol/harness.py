"""A cluster of real roles on an untimed network: the test says who is cut off, who dies, and how far time goes.

Messages lie on their connections until they are delivered; a link that is cut keeps them (and loses nothing).
``settle`` delivers everything deliverable without letting time pass, ``run_until`` also rings alarms in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.protocol.broker import Broker, Durable
from sim.protocol.controller import Controller, TopicLike
from sim.protocol.log import Log
from sim.protocol.messages import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceResult,
    RecordBatch,
)
from sim.protocol.port import Role
from sim.protocol.replication import Partition
from sim.protocol.rows import Kind
from sim.protocol.settings import BrokerSettings, ControllerSettings, Rules, TopicSettings

MS, S = 1_000, 1_000_000
CLIENT = 100  # first host number of clients


class Wire:
    """One connection: what travels each way, oldest first. ``None`` on it is its end."""

    def __init__(self, number: int, client: int, server: int) -> None:
        self.number, self.client, self.server, self.was_reset = number, client, server, False
        self.towards: dict[int, deque[tuple[object, int]]] = {client: deque(), server: deque()}
        self.closed: set[int] = set()  # sides that have closed

    def __repr__(self) -> str:
        return f"Wire({self.number}: {self.client} -> {self.server})"


@dataclass
class Row:
    id: int
    t_us: int
    kind: Kind
    cause: int
    host: int
    columns: dict[str, int]

    def __getattr__(self, name: str) -> int:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.columns[name]


class FakePort:
    """The port of one role in the harness."""

    def __init__(self, net: Net, host: int) -> None:
        self.net, self.host = net, host
        self.cause = -1
        self.alarm_us: int | None = None
        self.draws: Callable[[str], int] = lambda purpose: 0
        self.has_stopped = False

    def record(self, kind: int, *, cause: int | None = None, host: int | None = None, **columns: int) -> int:
        row = Row(
            len(self.net.rows), self.net.now_us, Kind(kind), self.cause if cause is None else cause,
            self.host if host is None else host, {"code": 0, **columns},
        )  # fmt: skip
        assert row.cause < row.id
        self.net.rows.append(row)
        return row.id

    def wake_at(self, time_us: int) -> None:
        self.alarm_us = time_us

    def draw(self, purpose: str) -> int:
        return self.draws(purpose)

    def connect(self, server: int) -> Wire:
        return self.net.open(self.host, server)

    def send(self, conn: Any, message: object, cause: int | None = None) -> None:
        if self.host not in conn.closed:
            other = conn.server if self.host == conn.client else conn.client
            conn.towards[other].append((message, self.cause if cause is None else cause))

    def close(self, conn: Any) -> None:
        if self.host not in conn.closed:
            self.send(conn, None)
            conn.closed.add(self.host)

    def stopped(self) -> None:
        self.has_stopped = True


class Net:
    """Hosts and the connections among them."""

    def __init__(self) -> None:
        self.now_us = 0
        self.rows: list[Row] = []
        self.roles: dict[int, Role | None] = {}
        self.ports: dict[int, FakePort] = {}
        self.wires: list[Wire] = []
        self.opening: deque[Wire] = deque()
        self.cuts: set[frozenset[int]] = set()
        self.paused: set[int] = set()

    def open(self, client: int, server: int) -> Wire:
        wire = Wire(len(self.wires), client, server)
        self.wires.append(wire)
        self.opening.append(wire)
        return wire

    def reachable(self, one: int, other: int) -> bool:
        return frozenset((one, other)) not in self.cuts

    def _accepts(self, server: int) -> bool:
        role = self.roles.get(server)
        return role is not None and getattr(role, "listening", True)

    def _open_one(self) -> bool:
        for _ in range(len(self.opening)):
            wire = self.opening.popleft()
            if not self.reachable(wire.client, wire.server) or wire.client in self.paused:
                self.opening.append(wire)
                continue
            role = self.roles.get(wire.client)
            if role is not None and wire.client not in wire.closed:
                self.ports[wire.client].cause = -1
                if self._accepts(wire.server):
                    role.on_connected(wire, self.now_us)
                else:
                    wire.closed |= {wire.client, wire.server}
                    role.on_disconnected(wire, self.now_us)
            return True
        return False

    def deliver(self, wire: Wire, to: int) -> None:
        """The oldest message that travels towards *to* arrives."""
        message, cause = wire.towards[to].popleft()
        role = self.roles.get(to)
        if role is None or to in wire.closed:
            return
        self.ports[to].cause = cause
        if message is None:
            wire.closed.add(to)
            role.on_disconnected(wire, self.now_us)
        else:
            role.on_message(wire, message, self.now_us)

    def deliverable(self) -> list[tuple[Wire, int]]:
        return [
            (wire, to)
            for wire in self.wires
            if self.reachable(wire.client, wire.server)
            for to in (wire.server, wire.client)
            if wire.towards[to] and to not in self.paused
        ]

    def settle(self, limit: int = 100_000) -> None:
        """Deliver everything that can be delivered now."""
        for _ in range(limit):
            if self._open_one():
                continue
            ready = self.deliverable()
            if not ready:
                return
            self.deliver(*ready[0])
        raise AssertionError("the cluster does not come to rest")

    def run_until(self, time_us: int) -> None:
        """Let time pass; alarms ring in their order, messages take none."""
        self.settle()
        while True:
            due = [
                (port.alarm_us, host)
                for host, port in self.ports.items()
                if port.alarm_us is not None and self.roles.get(host) is not None and host not in self.paused
            ]
            if not due or min(due)[0] > time_us:
                break
            alarm_us, host = min(due)
            self.now_us = max(self.now_us, alarm_us)
            self.ring(host)
            self.settle()
        self.now_us = time_us
        self.settle()

    def ring(self, host: int) -> None:
        port, role = self.ports[host], self.roles[host]
        assert role is not None
        port.alarm_us, port.cause = None, -1
        role.on_alarm(self.now_us)


class Client:
    """A client that only keeps what it is told."""

    def __init__(self, net: Net, host: int) -> None:
        self.net, self.host = net, host
        self.answers: list[tuple[Wire, object]] = []
        self.gone: list[Wire] = []
        self.ready: list[Wire] = []

    def start(self, now_us: int) -> None: ...

    def on_message(self, conn: Any, message: object, now_us: int) -> None:
        self.answers.append((conn, message))

    def on_connected(self, conn: Any, now_us: int) -> None:
        self.ready.append(conn)

    def on_disconnected(self, conn: Any, now_us: int) -> None:
        self.gone.append(conn)

    def on_alarm(self, now_us: int) -> None: ...


class Session:
    """One connection of a client to one broker, with answers in order."""

    def __init__(self, client: Client, broker: int) -> None:
        self._client = client
        self.wire = client.net.open(client.host, broker)
        client.net.settle()

    def send(self, *messages: object) -> None:
        for message in messages:
            self._client.net.ports[self._client.host].send(self.wire, message)

    def close(self) -> None:
        self._client.net.ports[self._client.host].close(self.wire)

    @property
    def answers(self) -> list[Any]:
        return [message for conn, message in self._client.answers if conn is self.wire]

    @property
    def closed(self) -> bool:
        return self.wire in self._client.gone

    def produce(self, *batches: RecordBatch, acks: int = -1, timeout_us: int = 30 * S) -> None:
        """Put a produce request on the wire and let it arrive (and all that follows from it)."""
        self.send(ProduceRequest(list(batches), acks, timeout_us))
        self._client.net.settle()

    def results(self) -> list[ProduceResult]:
        """The first partition's result of each produce answer so far."""
        return [message.results[0] for message in self.answers if isinstance(message, ProduceResponse)]

    @property
    def last(self) -> ProduceResult:
        return self.results()[-1]

    def fetch(self, partition: int, offset: int, *, epoch: int = -1, max_wait_us: int = 0, replica: int = -1) -> None:
        wanted = FetchPartition(partition, offset, epoch)
        self.send(FetchRequest(replica, [wanted], max_wait_us))
        self._client.net.settle()

    def fetched(self) -> list[Any]:
        return [message.partitions[0] for message in self.answers if isinstance(message, FetchResponse)]

    def offset(self, partition: int, timestamp: int = -1, *, epoch: int = -1) -> ListOffsetsResponse:
        self.send(ListOffsetsRequest(partition, epoch, timestamp))
        self._client.net.settle()
        answer = self.answers[-1]
        assert isinstance(answer, ListOffsetsResponse)
        return answer


@dataclass
class Batches:
    """Makes batches of one producer's lane, each behind the one before."""

    prod: int = 0
    partition: int = 0
    pid: int = -1
    epoch: int = 0
    sent: int = 0
    made: list[RecordBatch] = field(default_factory=list)

    def next(self, count: int = 1, **changes: int) -> RecordBatch:
        seq = self.sent if self.pid >= 0 else -1
        columns: dict[str, int] = {
            "pid": self.pid, "epoch": self.epoch if self.pid >= 0 else -1, "seq": seq, "size_bytes": 100 * count,
            **changes,
        }  # fmt: skip
        batch = RecordBatch(self.prod, self.partition, self.sent, self.sent + count, **columns)
        self.sent += count
        self.made.append(batch)
        return batch


def batch_of(
    seq: int, count: int = 1, *, pid: int = 1, epoch: int = 0, partition: int = 0, **changes: int
) -> RecordBatch:
    """A batch by its sequence range: the lane position is the sequence."""
    columns = {"size_bytes": 100 * count, **changes}
    return RecordBatch(0, partition, seq, seq + count, pid=pid, epoch=epoch, seq=seq, **columns)


class Cluster(Net):
    """A controller and brokers, settled, and as many clients as are asked for."""

    def __init__(
        self,
        replicas: tuple[tuple[int, ...], ...] = ((1, 2, 3),),
        topic: TopicSettings | None = None,
        *,
        brokers: int = 3,
        rules: Rules | None = None,
        settings: BrokerSettings | None = None,
        voters: int = 1,
        rebalance: bool = False,
        phases: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.topic = topic or TopicSettings()
        self.rules = rules or Rules()
        self.settings = settings or BrokerSettings()
        partitions = tuple(range(len(replicas)))
        self.ports[0] = FakePort(self, 0)
        self.phases = phases or {}  # raw draws by purpose, of all hosts of the cluster
        self.ports[0].draws = lambda purpose: self.phases.get(purpose, 0)
        controlling = ControllerSettings(
            session_timeout_us=self.settings.session_timeout_us, voters=voters, auto_leader_rebalance=rebalance
        )
        topics = [TopicLike(0, partitions, replicas, self.topic)]
        self.controller = Controller(self.ports[0], controlling, self.rules, topics, range(1, brokers + 1))
        self.roles[0] = self.controller
        for broker in range(1, brokers + 1):
            self._add_broker(broker, None).adopt(self.controller.settled_metadata())
        for host in list(self.roles):
            role = self.roles[host]
            assert role is not None
            role.start(0)
        self.settle()

    def _add_broker(self, broker: int, durable: Durable | None) -> Broker:
        self.ports[broker] = FakePort(self, broker)
        self.ports[broker].draws = lambda purpose: self.phases.get(purpose, 0)
        role = Broker(self.ports[broker], broker, self.settings, self.rules, {0: self.topic}, durable)
        self.roles[broker] = role
        return role

    # --- looking ------------------------------------------------------------------------------------------------------
    def broker(self, number: int) -> Broker:
        role = self.roles[number]
        assert isinstance(role, Broker)
        return role

    def replica(self, broker: int, partition: int = 0) -> Partition:
        return self.broker(broker).state.partitions[partition]

    def log(self, broker: int, partition: int = 0) -> Log:
        return self.replica(broker, partition).log

    def lanes(self, broker: int, partition: int = 0) -> list[tuple[int, int]]:
        """The log's batches as (base offset, first lane position)."""
        log = self.log(broker, partition)
        return list(zip(log.bases, [batch.lo for batch in log.batches], strict=True))

    def leader(self, partition: int = 0) -> int:
        return self.controller.partitions[partition].leader

    def isr(self, partition: int = 0) -> tuple[int, ...]:
        return self.controller.partitions[partition].isr

    def rows_of(self, kind: Kind, **columns: int) -> list[Row]:
        found = [row for row in self.rows if row.kind is kind]
        return [row for row in found if all(getattr(row, name) == value for name, value in columns.items())]

    # --- doing --------------------------------------------------------------------------------------------------------
    def client(self, broker: int, host: int | None = None) -> Session:
        number = host or CLIENT + sum(1 for known in self.roles if known >= CLIENT)
        if number not in self.roles:
            self.ports[number] = FakePort(self, number)
            self.roles[number] = Client(self, number)
        role = self.roles[number]
        assert isinstance(role, Client)
        return Session(role, broker)

    def cut(self, *pairs: tuple[int, int]) -> None:
        self.cuts |= {frozenset(pair) for pair in pairs}

    def isolate(self, broker: int, *, clients: bool = False) -> None:
        """No link to any broker or to the controller; clients still reach it unless *clients*."""
        self.cut(*((broker, other) for other in self.roles if other != broker and (clients or other < CLIENT)))

    def heal(self) -> None:
        self.cuts.clear()

    def crash(self, broker: int, *, lossy: bool = False) -> Durable:
        """The process dies; its connections are reset, what it was sent is lost."""
        durable = self.broker(broker).crash(lossy)
        self.roles[broker] = None
        self.ports[broker].alarm_us = None
        for wire in self.wires:
            if broker in (wire.client, wire.server) and broker not in wire.closed:
                other = wire.server if broker == wire.client else wire.client
                wire.towards[broker].clear()
                wire.towards[other].append((None, -1))
                wire.closed.add(broker)
        return durable

    def restart(self, broker: int, durable: Durable, *, settle: bool = True) -> Broker:
        role = self._add_broker(broker, durable)
        role.start(self.now_us)
        if settle:
            self.settle()
        return role

    def stop(self, broker: int, within_us: int = 20 * S) -> Durable:
        """Controlled shutdown until the process has ended."""
        self.broker(broker).shut_down(self.now_us)
        until_us = self.now_us + within_us
        while not self.ports[broker].has_stopped and self.now_us < until_us:
            self.run_until(self.now_us + 10 * MS)
        assert self.ports[broker].has_stopped, f"broker {broker} did not stop"
        return self.crash(broker)
