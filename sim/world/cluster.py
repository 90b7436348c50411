"""A plan made into hosts, and the hosts' lives: crashes, restarts, pauses, and whether the run has settled.

Hosts: 0 the controller, then brokers, producers, readers, as the plan numbers them. The cluster begins settled: brokers
have adopted the controller's first metadata before anybody speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from sim.plan import CallPlan, LinkPlan, Plan, ProducerPlan, ReaderPlan
from sim.protocol.broker import Broker, Durable
from sim.protocol.consumer import Reader
from sim.protocol.controller import Controller
from sim.protocol.java_producer import JavaProducer
from sim.protocol.librdkafka_producer import LibrdkafkaProducer
from sim.protocol.rows import Kind
from sim.protocol.settings import GroupDirectory, JavaProducerSettings
from sim.streams import stream
from sim.trace import Recorder
from sim.world.desks import Desks
from sim.world.fed import FedSends
from sim.world.host import Host
from sim.world.instances import Instance, ProducerRole, first_sends, later_sends
from sim.world.kernel import EVENT_LIMIT, Kernel
from sim.world.members import Members
from sim.world.network import Conn, Network, Tap
from sim.world.scripted import Script, ScriptedHost
from sim.world.workload import WorkloadSends

__all__ = ["Cluster"]

CONTROLLER = 0


class Cluster:
    """All hosts of one run."""

    def __init__(
        self, plan: Plan, seed: int, tie_shuffle: int | None = None, limit: int = EVENT_LIMIT,
        latency_seed: int | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.seed = plan, seed
        self.kernel = Kernel(limit)
        self.recorder = Recorder()
        self.network = Network(self.kernel, seed if latency_seed is None else latency_seed, self._link_plan)
        self.broker_numbers = range(1, plan.brokers + 1)
        self.every_topic = plan.topics if plan.groups is None else (*plan.topics, plan.groups.topic)
        self.topics: dict[int, tuple[int, ...]] = {topic.number: topic.partitions for topic in self.every_topic}
        self.replicas = {
            number: replicas
            for topic in self.every_topic
            for number, replicas in zip(topic.partitions, topic.replicas, strict=True)
        }
        self.instances: list[Instance] = []  # by ``prod``
        self.durable: dict[int, Durable] = {}  # of brokers that are down
        self.again: dict[int, list[int]] = {}  # by producer that will repeat what was not reported: those calls
        self.on_stopped: Callable[[int, int], None] = lambda host, cause: None  # a broker ended its controlled shutdown
        self._scripts: dict[int, Script] = {}
        clients = [*plan.producers, *plan.readers, *(plan.groups.members if plan.groups is not None else ())]
        self._ranks = _ranks(1 + plan.brokers + len(clients), tie_shuffle)
        self._make_hosts()
        self._directory = _directory(plan, seed)
        self.desks = Desks(self.instances, self.network.hosts, self.kernel, self.instance_of)
        self.members = Members(plan.groups, self.network.hosts, self.kernel, self.topics, plan, self.desks)

    # --- making -------------------------------------------------------------------------------------------------------
    def _make_hosts(self) -> None:
        plan = self.plan
        self._host(CONTROLLER, "controller")
        for number in self.broker_numbers:
            self._host(number, f"broker-{number}")
        for producer in plan.producers:
            self._producer_host(producer)
        for reader in plan.readers:
            self._host(reader.host, reader.name)
        for member in plan.groups.members if plan.groups is not None else ():
            self._host(member.host, member.name)
        self.network.tap_of = self._tap_of

    def _host(self, number: int, name: str, kind: type[Host] = Host) -> Host:
        host = kind(self.kernel, self.network, self.recorder, self.seed, number, name, self._ranks[number])
        host.on_stopped = lambda cause: self._stopped(host, cause)
        return host

    def _producer_host(self, producer: ProducerPlan) -> None:
        faults = [fault for fault in self.plan.message_faults if fault.producer == producer.host]
        if not faults:
            self._host(producer.host, producer.name)
            return
        host = self._host(producer.host, producer.name, ScriptedHost)
        assert isinstance(host, ScriptedHost)
        script = Script(faults, self.kernel, self.network, self._values, counting=not producer.warm_up)
        host.script = self._scripts[producer.host] = script

    def _tap_of(self, conn: Conn) -> Tap | None:
        script = self._scripts.get(conn.client)
        return None if script is None else script.wire(conn)

    def _link_plan(self, source: int, target: int) -> LinkPlan:
        low, high = min(source, target), max(source, target)
        if high > self.plan.brokers:
            return self.plan.links["client-broker"]
        return self.plan.links["broker-controller" if low == CONTROLLER else "broker-broker"]

    # --- roles --------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Everybody begins; readers at their own time."""
        plan = self.plan
        host = self.network.hosts[CONTROLLER]
        self.controller = Controller(
            host, plan.controller_settings, plan.rules, cast(Any, self.every_topic), tuple(self.broker_numbers)
        )
        host.start(self.controller)
        settled = self.controller.settled_metadata()
        brokers = {number: self._broker(number) for number in self.broker_numbers}
        for number, broker in brokers.items():
            broker.adopt(settled)
            self.host(number).boot(broker)
        for number, broker in brokers.items():
            self.host(number).start(broker)
        for producer in sorted(plan.producers, key=lambda one: bool(one.feeds)):  # fed ones need the keys of all others
            self._start_instance(producer, 1, -1)
        for reader in plan.readers:
            self._start_reader(reader)
        self.members.begin()

    def _broker(self, number: int) -> Broker:
        settings = {topic.number: topic.settings for topic in self.every_topic}
        groups = self.plan.groups
        return Broker(
            self.network.hosts[number], number, self.plan.broker_settings, self.plan.rules, settings,
            durable=self.durable.pop(number, None), controller_host=CONTROLLER,
            groups=self._directory,
            coordinators=groups.coordinators if groups is not None else None,
        )  # fmt: skip

    def _start_instance(self, producer: ProducerPlan, incarnation: int, cause: int) -> None:
        repeats: list[tuple[int, int]] = []
        sends: WorkloadSends | FedSends
        if producer.feeds:
            sends = FedSends(producer.feeds, self._key_names())
        elif incarnation == 1:
            sends = first_sends(producer, self.plan, self.seed)
        else:
            before = self.instance_of(producer.host)
            repeats = [before.original(send) for send in self.again.pop(producer.host, [])]
            sends = later_sends(before, [send for _, send in repeats], self.kernel.now_us)
        instance = Instance(len(self.instances), producer, incarnation, sends, repeats)
        host = self.network.hosts[producer.host]
        role: Any = LibrdkafkaProducer
        if isinstance(producer.settings, JavaProducerSettings):
            role = partial(JavaProducer, topic_names={topic.number: topic.name for topic in self.plan.topics})
        instance.role = cast(ProducerRole, role(
            host, producer.settings, self.plan.rules, instance.prod, sends, tuple(self.broker_numbers),
            dict(self.topics), producer.resend_after_failure,
        ))  # fmt: skip
        self.instances.append(instance)
        host.start(instance.role, cause)
        instance.pauses = host.pauses

    def _key_names(self) -> tuple[str, ...]:
        """Every key that a workload has: nothing that is fed has another."""
        return tuple(dict.fromkeys(name for one in self.instances for name in one.sends.key_names))

    def _start_reader(self, reader: ReaderPlan) -> None:
        def begin(_: object) -> None:
            topic_of = {number: topic for topic in reader.topics for number in self.topics[topic]}
            names = {
                number: (topic.name, index)
                for topic in self.plan.topics
                for index, number in enumerate(self.topics[topic.number])
            }
            assigned = reader.partitions if reader.partitions is not None else tuple(topic_of)
            topic_of = {number: topic for topic, numbers in self.topics.items() for number in numbers}
            host = self.network.hosts[reader.host]
            role = Reader(host, reader.settings, assigned, topic_of, tuple(self.broker_numbers), names)
            host.start(role)
            for call in reader.calls:
                self.kernel.call_at(max(call.at_us, reader.start_us), partial(self._call, host, role, call))

        self.kernel.call_at(reader.start_us, begin)

    def _call(self, host: Host, role: Reader, call: CallPlan, _: object) -> None:
        host.tell(lambda: role.call(call.verb, call.partitions, call.to, self.kernel.now_us), -1)

    # --- lives --------------------------------------------------------------------------------------------------------
    def host(self, number: int) -> Host:
        return self.network.hosts[number]

    def instance_of(self, host: int) -> Instance:
        """The latest instance of the producer on *host*."""
        return next(instance for instance in reversed(self.instances) if instance.plan.host == host)

    def record(self, kind: Kind, host: int = -1, cause: int = -1, **columns: int) -> int:
        """A row of the world's own."""
        return self.network.hosts[CONTROLLER].record(kind, cause=cause, host=host, **columns)

    def crash(self, number: int, cause: int, lossy: bool = False) -> int:
        """A process (``lossy``: the machine under a broker) dies; the row that says so."""
        host = self.host(number)
        row = self.record(Kind.CRASH, host=number, cause=cause, n=int(lossy))
        host.cause = row
        role: Any = host.role
        if number in self.broker_numbers:
            self.durable[number] = role.crash(lossy)
        elif self._is_producer(number):
            unreported = role.abandon(self.kernel.now_us)
            if number in self.again:
                self.again[number] = unreported
        host.stop(row, silent=lossy)
        return row

    def _stopped(self, host: Host, cause: int) -> None:
        """A broker has ended its controlled shutdown by itself; a member of a group was closed."""
        if host.number not in self.broker_numbers:
            host.stop(cause)
            self.members.stopped(host.number, cause)
            return
        role: Any = host.role
        self.durable[host.number] = role.crash(False)
        host.stop(cause)
        self.on_stopped(host.number, cause)

    def restart(self, number: int, cause: int) -> None:
        """Start a host that is down; nothing happens to one that is up."""
        host = self.host(number)
        if host.is_up or self.members.closed(number):
            return
        row = self.record(Kind.RESTART, host=number, cause=cause)
        if self.members.holds(number):
            self.members.start(number, row)
        elif self._is_producer(number):
            self._start_instance(self.instance_of(number).plan, self.instance_of(number).incarnation + 1, row)
        else:
            host.start(self._broker(number), row)

    def _is_producer(self, number: int) -> bool:
        return any(producer.host == number for producer in self.plan.producers)

    def _values(self, prod: int, partition: int, lo: int, hi: int) -> list[str]:
        return self.instances[prod].values(partition, lo, hi)

    # --- changes from outside -----------------------------------------------------------------------------------------
    def add_partitions(self, topic: int, count: int, cause: int) -> None:
        """Raise the number of a topic's partitions to *count*, placed round the brokers like the first ones."""
        present = self.topics[topic]
        first = 1 + max(number for numbers in self.topics.values() for number in numbers)
        numbers = tuple(range(first, first + count - len(present)))
        if not numbers:
            return
        factor = len(self.replicas[present[0]])
        start = self.replicas[present[0]][0] - 1
        for index, number in enumerate(numbers, start=len(present)):
            self.replicas[number] = tuple((start + index + copy) % self.plan.brokers + 1 for copy in range(factor))
        self.topics[topic] = (*present, *numbers)
        self.members.more_partitions()
        self.host(CONTROLLER).cause = cause
        replicas = [self.replicas[number] for number in numbers]
        self.controller.add_partitions(self.kernel.now_us, topic, numbers, replicas)

    def brokers_up(self) -> dict[int, Broker]:
        """The roles of brokers that are alive."""
        hosts = self.network.hosts
        return {number: cast(Broker, hosts[number].role) for number in self.broker_numbers if hosts[number].is_up}

    def unseen(self) -> list[int]:
        """Rows of transmissions that reached no network: the connection had just been reset by a scripted fault."""
        return sorted(row for script in self._scripts.values() for row in script.unseen)

    # --- the end ------------------------------------------------------------------------------------------------------
    def unsettled(self) -> list[str]:
        """Why the run has not come to rest; empty if it has."""
        reasons = [f"broker {number} is down" for number in self.broker_numbers if not self.host(number).is_up]
        for producer in self.plan.producers:
            role = self.host(producer.host).role
            if not self.host(producer.host).is_up:
                reasons.append(f"producer {producer.name} is down")
            elif not cast(ProducerRole, role).idle():
                reasons.append(f"producer {producer.name} still has records to send or to report")
        for reader in self.plan.readers:
            if not self._caught_up(self.host(reader.host)):
                reasons.append(f"consumer {reader.name} has not read to the end")
        reasons += self.members.unsettled()
        return reasons + self._unequal_replicas()

    @staticmethod
    def _caught_up(host: Host) -> bool:
        asked: Callable[[], bool] | None = getattr(getattr(host, "role", None), "caught_up", None)
        return asked is None or asked()

    def _unequal_replicas(self) -> list[str]:
        found = []
        for number, state in self.controller.partitions.items():
            name = self.partition_name(number)
            if state.leader < 0:
                found.append(f"partition {name} has no leader")
                continue
            end, busy = self._log_end(state.leader, number), self._is_internal(number)
            found += [
                f"broker {broker} has not caught up with {name}"
                for broker in state.replicas
                if broker not in state.isr or (self._log_end(broker, number) != end and not busy)
            ]
        for broker, role in self.brokers_up().items():
            if role.state.applied != self.controller.offset:
                found.append(f"broker {broker} has not applied all metadata")
        return found

    def _is_internal(self, partition: int) -> bool:
        """Of ``__consumer_offsets``: as long as members live, a commit may be on its way."""
        return self.plan.groups is not None and partition in self.plan.groups.topic.partitions

    def _log_end(self, broker: int, partition: int) -> int:
        role: Any = self.host(broker).role
        part = role.state.partitions.get(partition)
        return -1 if part is None else int(part.log.end)

    def partition_name(self, number: int) -> str:
        return next(f"{topic}-{index}" for numbered, topic, index in self.partitions() if numbered == number)

    def partitions(self) -> Iterator[tuple[int, str, int]]:
        """Number, topic and index of every partition."""
        for topic in self.plan.topics:
            for index, number in enumerate(self.topics[topic.number]):
                yield number, topic.name, index
        groups = self.plan.groups
        if groups is not None:
            for index, number in zip(groups.indexes, groups.topic.partitions, strict=True):
                yield number, groups.topic.name, index


def _directory(plan: Plan, seed: int) -> GroupDirectory:
    """Topic ids are random in Kafka; an assignor of KIP-848 walks several topics in an order that hangs on them."""
    groups = plan.groups
    if groups is None:
        return GroupDirectory()
    ids = {topic.number: stream(seed, f"topic-id/{topic.name}").getrandbits(128) for topic in plan.topics}
    modern = frozenset(one.group for one in groups.members if one.settings.protocol == "consumer")
    names = {topic.number: topic.name for topic in plan.topics}
    return GroupDirectory(dict(enumerate(groups.homes)), modern, names, ids)


def _ranks(count: int, tie_shuffle: int | None) -> list[int]:
    """Host numbers as they are, or permuted by a seed."""
    ranks = list(range(count))
    if tie_shuffle is not None:
        draws = stream(tie_shuffle, "ties")
        for last in range(count - 1, 0, -1):
            other = draws.getrandbits(32) * (last + 1) >> 32
            ranks[last], ranks[other] = ranks[other], ranks[last]
    return ranks
