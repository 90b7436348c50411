"""A checked scenario as a plan: options resolved, names as numbers, times in microseconds.

Everything that needs the whole scenario is checked here; the first thing wrong is raised as one ``InputError``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim import config
from sim.config import Resolved
from sim.errors import InputError
from sim.plan import Distribution, LinkPlan, Plan, ProducerPlan, ReaderPlan, TopicPlan
from sim.protocol.settings import BrokerSettings, JavaProducerSettings, LibrdkafkaProducerSettings
from sim.scenario.clients import Consumer, Producer
from sim.scenario.compile_calls import calls_of
from sim.scenario.compile_faults import compile_faults
from sim.scenario.compile_groups import compile_groups
from sim.scenario.compile_outlets import check_feeding, feeds_of
from sim.scenario.compile_workload import check_values, compile_workloads
from sim.scenario.model import Latency, Scenario, Topic
from sim.scenario.names import Names
from sim.scenario.resolved import resolved
from sim.scenario.tree import Path
from sim.wording import did_you_mean, listed, shown

__all__ = ["compile_plan"]

MOST_PARTITIONS = 5_000
MOST_PRODUCERS = 500
DEFAULT_LATENCY = {
    "client-broker": Distribution("lognormal", {"median": 500, "p99": 5_000}),
    "broker-broker": Distribution("lognormal", {"median": 300, "p99": 3_000}),
}


def compile_plan(scenario: Scenario) -> Plan:
    """The plan of *scenario*; it is made once and kept."""
    if scenario._plan is None:
        scenario._plan = _Compiler(scenario).plan()
    assert isinstance(scenario._plan, Plan)
    return scenario._plan


@dataclass(slots=True)
class _Compiler:
    scenario: Scenario
    names: Names = field(init=False)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    options: dict[str, dict[str, str]] = field(default_factory=dict)

    def plan(self) -> Plan:
        scenario = self.scenario
        brokers = config.broker(scenario.brokers.config, scenario.kafka, self.where("brokers", "config"))
        self.keep("brokers", brokers)
        controller = config.controller(
            scenario.controller.config, brokers, self.where("controller", "config"), scenario.controller.voters
        )
        rules = config.release_rules(scenario.kafka, brokers.values)
        replicas = self.replicas(brokers)
        self.names = Names.of(scenario)
        self.check_names()
        check_feeding(scenario)
        check_values(scenario)
        topics = tuple(
            self.topic(number, name, topic, brokers, replicas[name])
            for number, (name, topic) in enumerate(scenario.topics.items())
        )
        groups = compile_groups(scenario, self.names, brokers, self.topics_of, self.keep)
        if groups is not None:
            self.names.homes = dict(zip(groups.names, groups.homes, strict=True))
        plan = Plan(
            title=scenario.title,
            rules=rules,
            run_us=scenario.run,
            settle_us=scenario.settle,
            brokers=scenario.brokers.count,
            broker_settings=brokers.settings,
            controller_settings=controller.settings,
            topics=topics,
            producers=tuple(self.producers()),
            readers=tuple(self.readers()),
            links=self.links(),
            actions=(),
            message_faults=(),
            groups=groups,
        )
        actions, message_faults = compile_faults(scenario, self.names)
        return resolved(scenario, plan, actions, message_faults, self.notes, self.options)

    def where(self, *head: str) -> Callable[[str], str]:
        """Where an option of that section stands."""
        return lambda name: self.scenario._origin.place((*head, name))

    def refuse(self, path: Path, rule: str, way_out: str) -> InputError:
        return InputError(self.scenario._origin.place(path), rule, way_out)

    def keep(self, place: str, found: Resolved[Any]) -> None:
        self.options[place] = found.options
        if found.notes:
            self.notes[place] = found.notes

    # Topics.

    def replicas(self, brokers: Resolved[BrokerSettings]) -> dict[str, list[list[int]]]:
        """Brokers of every partition, by topic; the default begins at broker 1 and goes round."""
        count, found, at = self.scenario.brokers.count, {}, 0
        total = 0
        for name, topic in self.scenario.topics.items():
            total += topic.partitions
            if total > MOST_PARTITIONS:
                rule = f"the topics have more than {MOST_PARTITIONS} partitions in all"
                raise self.refuse(("topics", name, "partitions"), rule, "use fewer")
            factor = topic.replication_factor or brokers.values.number("default.replication.factor")
            if factor > count:
                rule = f"InvalidReplicationFactorException: {factor} replicas on {count} brokers"
                raise self.refuse(("topics", name, "replication.factor"), rule, f"use at most {count}, or more brokers")
            found[name] = (
                topic.assignment
                and self.assigned(name, topic)
                or [[(at + index + copy) % count + 1 for copy in range(factor)] for index in range(topic.partitions)]
            )
            at += topic.partitions
        return found

    def assigned(self, name: str, topic: Topic) -> list[list[int]]:
        rows, path = topic.assignment or [], ("topics", name, "assignment")
        if len(rows) != topic.partitions:
            raise self.refuse(
                path, f"it has {len(rows)} rows for {topic.partitions} partitions", "write one row a partition"
            )
        factor = topic.replication_factor or len(rows[0])
        for index, row in enumerate(rows):
            if len(row) != factor or not row:
                rule = f"partition {index} has {len(row)} replicas, the topic {factor}"
                raise self.refuse((*path, index), rule, "give every partition the same number of replicas")
            if len(set(row)) != len(row):
                raise self.refuse((*path, index), f"{row} names a broker twice", "name each broker once")
            if max(row) > self.scenario.brokers.count:
                rule = f"broker {max(row)} does not exist"
                raise self.refuse((*path, index), rule, f"brokers are numbered 1..{self.scenario.brokers.count}")
        return rows

    def topic(
        self, number: int, name: str, topic: Topic, brokers: Resolved[BrokerSettings], replicas: list[list[int]]
    ) -> TopicPlan:
        found = config.topic(topic.config, brokers, len(replicas[0]), self.where("topics", name, "config"))
        self.keep(f"topics.{name}", found)
        first = self.names.first_partition[name]
        numbers = tuple(range(first, first + topic.partitions))
        return TopicPlan(number, name, numbers, tuple(tuple(row) for row in replicas), found.settings)

    # Clients.

    def check_names(self) -> None:
        seen: dict[str, Path] = {}
        for path, name in self.names.instances():
            if name in seen:
                rule = f"{shown(name)} is the name of two clients"
                raise self.refuse(path, rule, "give every producer and consumer its own name")
            seen[name] = path
        if len(self.names.producer_hosts) > MOST_PRODUCERS:
            rule = f"the scenario has {len(self.names.producer_hosts)} producers, at most {MOST_PRODUCERS}"
            raise self.refuse(("producers",), rule, "use fewer instances, and higher rates")

    def producers(self) -> list[ProducerPlan]:
        plans: list[ProducerPlan] = []
        for name, producer in self.scenario.producers.items():
            found = self.producer_options(name, producer)
            workloads = compile_workloads(self.scenario, self.names, name, producer, found.settings)
            warm_up = None
            if producer.warm_up is not None:
                path: Path = ("producers", name, "warm.up", "partition")
                warm_up = self.names.partition(producer.warm_up.partition, self.place(path))
            for instance in self.names.instances_of(name, producer):
                plans.append(
                    ProducerPlan(
                        host=self.names.producer_hosts[instance],
                        name=instance,
                        settings=found.settings,
                        workloads=workloads,
                        resend_after_failure=producer.resend_after_failure,
                        warm_up=warm_up is not None,
                        warm_up_partition=-1 if warm_up is None else warm_up,
                        feeds=feeds_of(self.scenario, name),
                        options=dict(producer.config),
                    )
                )
        return plans

    def place(self, path: Path) -> str:
        return self.scenario._origin.place(path)

    def producer_options(
        self, name: str, producer: Producer
    ) -> Resolved[JavaProducerSettings | LibrdkafkaProducerSettings]:
        percent = 100
        if producer.compression_ratio is not None:
            path: Path = ("producers", name, "compression.ratio")
            codec = producer.config.get("compression.type", producer.config.get("compression.codec", "none"))
            if codec == "none":
                raise self.refuse(
                    path, "nothing is compressed with compression.type=none", "set compression.type, as lz4"
                )
            if producer.compression_ratio.denominator != 1 or producer.compression_ratio < 1:
                raise self.refuse(
                    path, "the ratio is not a whole percentage from 1% to 100%", "write compression.ratio: 40%"
                )
            percent = producer.compression_ratio.numerator
        found = config.producer(
            producer.client, producer.config, self.scenario.kafka, self.where("producers", name, "config"), percent
        )
        self.keep(f"producers.{name}", found)
        return found

    def readers(self) -> list[ReaderPlan]:
        consumers = self.scenario.consumers.items()
        return [self.reader(name, consumer) for name, consumer in consumers if not consumer.in_group]

    def reader(self, name: str, consumer: Consumer) -> ReaderPlan:
        found = config.consumer(
            consumer.client, consumer.config, self.scenario.kafka, self.where("consumers", name, "config")
        )
        self.keep(f"consumers.{name}", found)
        partitions: tuple[int, ...] | None = None
        if consumer.partitions is not None:
            at = ("consumers", name, "partitions")
            partitions = tuple(
                self.names.partition(text, self.place((*at, index))) for index, text in enumerate(consumer.partitions)
            )
            self.once(partitions, at, consumer.partitions)
            topics = tuple(sorted({self.names.topic_of[number] for number in partitions}))
        else:
            topics = self.topics_of(name, consumer)
        return ReaderPlan(
            host=self.names.consumer_hosts[name],
            name=name,
            settings=found.settings,
            topics=topics,
            partitions=partitions,
            start_us=consumer.start,
            calls=calls_of(self.scenario, self.names, name),
            options=dict(consumer.config),
        )

    def topics_of(self, name: str, consumer: Consumer) -> tuple[int, ...]:
        path = ("consumers", name, "topics")
        words = consumer.topics or []
        topics = tuple(self.topic_number(text, (*path, index)) for index, text in enumerate(words))
        self.once(topics, path, words)
        return topics

    def once(self, numbers: tuple[int, ...], path: Path, words: list[str]) -> None:
        for index, number in enumerate(numbers):
            if number in numbers[:index]:
                raise self.refuse((*path, index), f"{shown(words[index])} is named twice", "name it once")

    def topic_number(self, name: str, path: Path) -> int:
        if name not in self.scenario.topics:
            guess = did_you_mean(name, self.scenario.topics) or f"the topics are {listed(self.scenario.topics)}"
            raise self.refuse(path, f"{shown(name)} is not a topic of the scenario", guess)
        return list(self.scenario.topics).index(name)

    # Network.

    def links(self) -> Mapping[str, LinkPlan]:
        network = self.scenario.network
        between = _distribution(network.broker_latency) or DEFAULT_LATENCY["broker-broker"]
        return {
            "client-broker": LinkPlan(_distribution(network.latency) or DEFAULT_LATENCY["client-broker"]),
            "broker-broker": LinkPlan(between),
            "broker-controller": LinkPlan(_distribution(network.controller_latency) or between),
        }


def _distribution(latency: Latency | None) -> Distribution | None:
    return None if latency is None else Distribution(latency.distribution, latency.parameters())
