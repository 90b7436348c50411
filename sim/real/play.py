"""One run of a plan on a real cluster: clients driven, faults struck, everything that was seen kept."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.plan import WARM_UP_US, MemberPlan, Plan, ProducerPlan, ReaderPlan, TopicPlan
from sim.protocol.settings import JavaProducerSettings
from sim.real import properties
from sim.real.calls import Call, calls_of, calls_of_successor, is_timed
from sim.real.cluster import RealCluster
from sim.real.driver import Driver
from sim.real.faults import Faults
from sim.real.logs import leader_epoch, read_logs
from sim.real.members import OFFSETS_TOPIC, Members, client_ids, members_of
from sim.real.outcome import Event, Instance, Outcome
from sim.real.script import Script
from sim.world.links import Link

__all__ = ["Play"]

AHEAD_S = 0.3  # from "go" to the first call
LOOK_S = 0.05
QUIET_S = 0.5  # how long nothing more may come once everything was reported
READING_S = 10.0
FETCHER = re.compile(r"broker-(\d+)-fetcher-")  # the client.id of a follower (``ReplicaManager``)
LIBRDKAFKA = Path(__file__).with_name("librdkafka_clients.py")

_STOP, _CONT = signal.SIGSTOP, signal.SIGCONT


class Play:
    """Carries out one plan. Clients live in the operator's process, but those that a fault strikes in their own."""

    def __init__(
        self, cluster: RealCluster, plan: Plan, seed: int, topic_options: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.cluster, self.plan, self.seed, self.clock = cluster, plan, seed, cluster.clock
        self._topic_options = topic_options
        self.over = False
        self._late_warm_up = False
        self.instances: list[Instance] = []
        self.events: list[Event] = []
        self.partitions = {
            (topic.name, index): number for topic in plan.topics for index, number in enumerate(topic.partitions)
        }
        self._links: dict[tuple[int, int], Link] = {}
        self._drivers: dict[int, Driver] = {}  # of clients that are not in the operator's process, by host
        self._own: list[Driver] = []  # processes of this run
        self._librdkafka: Driver | None = None
        self._ready: dict[str, asyncio.Event] = {}
        self._polled: dict[str, dict[tuple[str, int], int]] = {reader.name: {} for reader in plan.readers}
        self._alone = _struck_clients(plan)
        self._names = {host: name for name, host in _clients(plan)}
        self._hosts = {name: host for host, name in self._names.items()}
        self._wired = {**self._hosts, **client_ids(plan)}  # as the proxy knows them
        self.members = Members(self)

    # --- the whole ----------------------------------------------------------------------------------------------------
    async def run(self) -> Outcome:
        try:
            return await self._run()
        finally:
            for driver in self._own:
                driver.end()

    async def _run(self) -> Outcome:
        cluster, names = self.cluster, [topic.name for topic in self.plan.topics]
        cluster.on_event = self._event
        described = await cluster.create([self._wanted(topic) for topic in self.plan.topics])
        first_leaders = _leaders(described)
        self._scripts = {one.name: self._script(one) for one in self.plan.producers}
        scripts = {name: script for name, script in self._scripts.items() if script is not None}
        topics = {bytes.fromhex(told["id"]): name for name, told in described.items()}
        cluster.proxy.begin(topics, self.partitions, scripts, self._links_of)
        await self._open_clients()
        self.clock.start_ns = time.monotonic_ns() + int(AHEAD_S * 1e9)
        for name in self._ready:
            self._driver_of(name).say("go", name=name, at=self.clock.start_ns + 1000 * self._start_us(name))
        self.members.begin()
        self._faults = Faults(self)
        self._faults.start()
        await self._until_reported()
        self.over = True
        await self._faults.lift_all()
        await self.members.lift()
        described = await cluster.in_sync(names)
        await self.members.until_rest(self._end_us)
        logs = read_logs(cluster, self.partitions)
        drained = await self._until_read(logs, described)
        outcome = self._outcome(described, first_leaders, logs, drained)
        outcome.committed, outcome.crossings = await self.members.committed(), cluster.proxy.crossings
        for name in self._ready:
            self._driver_of(name).say("close", name=name)
        await self.members.finish()
        return outcome

    @property
    def _end_us(self) -> int:
        return self.plan.run_us + self.plan.settle_us

    async def _until_reported(self) -> None:
        """Until the producers have nothing more to say and all faults have struck, or the run's time is over. With
        groups all of that time is played: what they do next hangs on the clock."""
        quiet_s = QUIET_S + max([fault.release_after_us for fault in self.plan.message_faults], default=0) / 1_000_000
        since: float | None = None
        loop = asyncio.get_running_loop()
        while self.now_us() < self._end_us:
            await asyncio.sleep(LOOK_S)
            if self.cluster.proxy.failure is not None:
                raise self.cluster.proxy.failure
            if self._broken():
                raise InputError("confirm", self._broken(), "see the options of that client")
            if self._late_warm_up and is_timed(self.plan):
                raise InputError("confirm", "the warm-up took longer than 5 s", "give the machine less other work")
            early = self.members.names and self.now_us() < self.plan.run_us
            if early or self._faults.pending or not all(one.done(loop.time()) for one in self.instances):
                since = None
            elif since is None:
                since = loop.time()
            elif loop.time() - since > quiet_s:
                return

    def _broken(self) -> str:
        return next((f"{one['name']}: {one['error']}" for one in self.events if one["e"] == "broken"), "")

    async def _until_read(self, logs: Mapping[Any, Any], described: Mapping[str, Any]) -> bool:
        """Until every reader was handed the last record of what is assigned to it."""
        leaders = _leaders(described)
        ends = {}
        for name, replicas in logs.items():
            batches = replicas.get(leaders.get(name, -1), [])
            ends[name] = batches[-1].offsets()[-1] if batches else -1
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READING_S
        while loop.time() < deadline:
            if all(
                self._polled[reader.name].get(name, -1) >= ends.get(name, -1)
                for reader in self.plan.readers
                for name in self._assigned(reader)
            ):
                break
            await asyncio.sleep(LOOK_S)
        else:
            return False
        read = {name for reader in self.plan.readers for name in self._assigned(reader)} | self.members.reads()
        return read == set(self.partitions)

    def _outcome(self, described: Any, first_leaders: Any, logs: Any, drained: bool) -> Outcome:
        leaders = {}
        for name, broker in _leaders(described).items():
            leaders[name] = broker, leader_epoch(self.cluster, broker, name)
        now = asyncio.get_running_loop().time()
        reasons = [f"producer {one.name} still has records to send or to report" for one in self.instances
                   if not one.done(now)]  # fmt: skip
        reasons += self.members.unsettled()
        for topic, told in described.items():
            for index, part in enumerate(told["partitions"]):
                if part["leader"] < 0 or set(part["isr"]) != set(part["replicas"]):
                    reasons.append(f"not every replica of {topic}-{index} is in sync")
        return Outcome(
            self.instances, self.events, self.cluster.proxy.sightings, logs, leaders, first_leaders, not reasons,
            drained, reasons, [reader.name for reader in self.plan.readers] + self.members.names, self.members.groups,
        )  # fmt: skip

    # --- topics and logs ----------------------------------------------------------------------------------------------
    def _wanted(self, topic: TopicPlan) -> dict[str, Any]:
        config = {name: properties.text(value) for name, value in self._topic_options.get(topic.name, {}).items()}
        return {"name": topic.name, "assignment": [list(row) for row in topic.replicas], "config": config}

    def more_partitions(self, topic: TopicPlan, count: int) -> list[list[int]]:
        """Replicas of new partitions, placed round the brokers like the first ones; they get numbers."""
        present = sum(name == topic.name for name, _ in self.partitions)
        factor, start = len(topic.replicas[0]), topic.replicas[0][0] - 1
        number = 1 + max([*self.partitions.values(), *self._offsets_names()])
        rows = []
        for index in range(present, count):
            self.partitions[topic.name, index] = self.cluster.proxy.partitions[topic.name, index] = number
            rows.append([(start + index + copy) % self.plan.brokers + 1 for copy in range(factor)])
            number += 1
        return rows

    def partition_name(self, number: int) -> tuple[str, int]:
        offsets = self._offsets_names()
        return offsets[number] if number in offsets else _name_of(number, self.partitions)

    def _offsets_names(self) -> dict[int, tuple[str, int]]:
        groups = self.plan.groups
        if groups is None:
            return {}
        return {n: (OFFSETS_TOPIC, index) for n, index in zip(groups.topic.partitions, groups.indexes, strict=True)}

    # --- clients ------------------------------------------------------------------------------------------------------
    async def _open_clients(self) -> None:
        for producer in self.plan.producers:
            calls = calls_of(producer, self.plan, self.seed)
            java = isinstance(producer.settings, JavaProducerSettings)
            await self._open_producer(Instance(producer, producer.name, calls, await self.driver(producer, java)))
        for reader in self.plan.readers:
            await self._open_reader(reader)
        for name, ready in self._ready.items():
            await self.wait(name, ready)
        await self.members.open()

    async def wait(self, name: str, ready: asyncio.Event) -> None:
        while not ready.is_set():
            if self._broken():
                raise InputError("confirm", self._broken(), "see the options of that client")
            try:
                await asyncio.wait_for(ready.wait(), 1)
            except TimeoutError:
                continue

    async def _open_producer(self, instance: Instance) -> None:
        self.instances.append(instance)
        self._ready[instance.name] = asyncio.Event()
        instance.driver.say(
            "open", kind="producer", name=instance.name,
            config=self.client_config(instance.plan.options, instance.name),
            sends=[call.row() for call in instance.calls], warm=instance.plan.warm_up and instance.incarnation == 1,
        )  # fmt: skip

    async def _open_reader(self, reader: ReaderPlan) -> None:
        self._ready[reader.name] = asyncio.Event()
        driver = await self.driver(reader, reader.settings.flavour == "java")
        self._drivers.setdefault(reader.host, driver)
        driver.say(
            "open", kind="consumer", name=reader.name, config=self.client_config(reader.options, reader.name),
            partitions=[list(name) for name in self._assigned(reader)],
        )  # fmt: skip

    def _assigned(self, reader: ReaderPlan) -> list[tuple[str, int]]:
        numbers = reader.partitions
        if numbers is None:
            numbers = tuple(n for topic in self.plan.topics if topic.number in reader.topics for n in topic.partitions)
        return [self.partition_name(number) for number in numbers]

    def client_config(self, options: Mapping[str, str], name: str) -> dict[str, str]:
        return properties.client(options, name, [ports.proxy for ports in self.cluster.ports.values()])

    async def driver(self, client: ProducerPlan | ReaderPlan | MemberPlan, java: bool) -> Driver:
        """The process for a client: shared, unless a fault is going to strike the client."""
        alone = client.host in self._alone
        if java and not alone:
            return self.cluster.operator
        if not java and not alone and self._librdkafka is not None:
            return self._librdkafka
        if java:
            driver = self.cluster.driver(f"client-{client.name}")
        else:
            driver = Driver(self.cluster.home, _librdkafka_command(), f"client-{client.name}", self._event)
        self._own.append(driver)
        await driver.listen()
        if not java and not alone:
            self._librdkafka = driver
        self._drivers[client.host] = driver
        return driver

    def _driver_of(self, name: str) -> Driver:
        instance = next((one for one in reversed(self.instances) if one.name == name), None)
        return instance.driver if instance is not None else self._drivers[self._hosts[name]]

    def _start_us(self, name: str) -> int:
        return next((reader.start_us for reader in self.plan.readers if reader.name == name), 0)

    # --- what clients say ---------------------------------------------------------------------------------------------
    def _event(self, event: Event) -> None:
        if "t" in event:
            event["t_us"] = self.clock.us_of(event.pop("t"))
        kind, name = event.get("e"), event.get("name", "")
        if kind is not None and self.members.knows(name):
            if kind == "broken":
                self.events.append(event)
            self.members.says(event)
            return
        if kind is None or name not in self._ready:
            return  # of an earlier run's client, or an answer that nobody waits for
        self.events.append(event)
        if kind == "ready":
            self._ready[name].set()
        elif kind == "poll":
            read = self._polled[name]
            read.update({(topic, index): offset for topic, index, offset, _ in event["recs"]})
        else:
            self._producer_says(kind, name, event)

    def _producer_says(self, kind: str, name: str, event: Event) -> None:
        instance = next((one for one in self.instances if one.name == name), None)
        if instance is None:
            return
        if kind == "send":
            instance.called += 1
        elif kind == "sent":
            instance.sent = True
        elif kind in ("told", "refused"):
            instance.reported.add(event["i"])
            warmed = instance.plan.warm_up and instance.incarnation == 1 and event["i"] == 0
            self._late_warm_up |= warmed and event["t_us"] > WARM_UP_US
            script = self._scripts[instance.plan.name]
            if kind == "told" and script is not None:
                script.reported(event["error"] is None)
        elif kind == "client_error" and event["fatal"] and instance.fatal_at is None:
            instance.fatal_at = asyncio.get_running_loop().time()

    def note(self, kind: str, **fields: Any) -> None:
        self.events.append({"e": kind, "t_us": self.now_us(), **fields})

    # --- what faults ask ----------------------------------------------------------------------------------------------
    def now_us(self) -> int:
        return self.clock.now_us()

    async def until(self, time_us: int) -> None:
        while (left := time_us - self.now_us()) > 0:
            await asyncio.sleep(left / 1_000_000)

    def pause(self, host: int) -> None:
        if host in self.cluster.numbers:
            self.cluster.pause(host)
        else:
            self.cluster.home.signal(self._drivers[host].process, _STOP)

    def resume(self, host: int) -> None:
        if host in self.cluster.numbers:
            self.cluster.resume(host)
        else:
            self.cluster.home.signal(self._drivers[host].process, _CONT)

    def kill_producer(self, host: int) -> list[Call]:
        """A producer's process dies; the calls that had not been reported."""
        instance = next(one for one in reversed(self.instances) if one.plan.host == host)
        instance.dead = True
        instance.driver.end()
        self.note("crash", who=instance.name)
        made = enumerate(instance.calls[: instance.called])
        return [call for number, call in made if number not in instance.reported]

    async def start_successor(self, host: int, again: list[Call]) -> None:
        before = next(one for one in reversed(self.instances) if one.plan.host == host)
        number = before.incarnation + 1
        name = f"{before.plan.name}#{number}"
        calls = calls_of_successor(name, again, before.calls[before.called :], self.now_us())
        driver = await self.driver(before.plan, isinstance(before.plan.settings, JavaProducerSettings))
        await self._open_producer(Instance(before.plan, name, calls, driver, number))
        await self.wait(name, self._ready[name])
        driver.say("go", name=name, at=self.clock.start_ns)

    # --- links --------------------------------------------------------------------------------------------------------
    def host_of(self, client: str) -> int:
        """Whose connection it is; -1: of nobody in the plan (the operator's)."""
        fetcher = FETCHER.match(client)
        return int(fetcher[1]) if fetcher else self._wired.get(client.split("#")[0], -1)

    def link(self, source: int, target: int) -> Link:
        if (source, target) not in self._links:
            names = self._names | {number: f"broker-{number}" for number in self.cluster.numbers}
            among = {source, target} <= set(self.cluster.numbers)
            plan = self.plan.links["broker-broker" if among else "client-broker"]
            self._links[source, target] = Link(self.seed, f"{names[source]}>{names[target]}", plan)
        return self._links[source, target]

    def _links_of(self, client: str, broker: int) -> tuple[Link | None, Link | None]:
        host = self.host_of(client)
        return (None, None) if host < 0 else (self.link(host, broker), self.link(broker, host))

    def _script(self, producer: ProducerPlan) -> Script | None:
        faults = [fault for fault in self.plan.message_faults if fault.producer == producer.host]
        return Script(faults, self.partitions, self.clock, not producer.warm_up) if faults else None


def _clients(plan: Plan) -> list[tuple[str, int]]:
    found = [(one.name, one.host) for one in plan.producers] + [(one.name, one.host) for one in plan.readers]
    return found + [(one.name, one.host) for one in members_of(plan)]


def _name_of(number: int, partitions: Mapping[tuple[str, int], int]) -> tuple[str, int]:
    return next(name for name, known in partitions.items() if known == number)


def _struck_clients(plan: Plan) -> set[int]:
    """Hosts of clients that a fault stops or kills."""
    clients = [host for _, host in _clients(plan)]
    found: set[int] = set()
    for action in plan.actions:
        if action.do in ("kill", "pause", "restart_producer"):
            found |= {action.target.number} if action.target.kind == "host" else set()
            found |= set(clients) if action.target.kind in ("clients", "everybody") else set()
    return found & set(clients)


def _leaders(described: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    return {
        (topic, index): part["leader"]
        for topic, told in described.items()
        for index, part in enumerate(told["partitions"])
    }


def _librdkafka_command() -> list[str]:
    if importlib.util.find_spec("confluent_kafka") is None:
        rule = "librdkafka's clients need the package confluent-kafka"
        raise InputError("confirm", rule, "install it with: pip install 'korder[real]'")
    return [sys.executable, "-P", str(LIBRDKAFKA)]
