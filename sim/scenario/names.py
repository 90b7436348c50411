"""Names of a scenario as the numbers of its plan: hosts, topics, partitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.errors import InputError
from sim.scenario.clients import Consumer, Producer
from sim.scenario.model import Scenario
from sim.scenario.tree import Path
from sim.wording import did_you_mean, listed, shown

__all__ = ["Names"]


@dataclass(slots=True)
class Names:
    """Host 0 is the controller, 1..B the brokers, then producers, then consumers, in the order of the file."""

    scenario: Scenario
    producer_hosts: dict[str, int] = field(default_factory=dict)  # by instance
    consumer_hosts: dict[str, int] = field(default_factory=dict)
    first_partition: dict[str, int] = field(default_factory=dict)
    topic_of: dict[int, int] = field(default_factory=dict)  # topic number by partition number
    homes: dict[str, int] = field(default_factory=dict)  # by group: its partition of __consumer_offsets

    @classmethod
    def of(cls, scenario: Scenario) -> Names:
        names = cls(scenario)
        host = scenario.brokers.count + 1
        for name, producer in scenario.producers.items():
            for instance in cls.instances_of(name, producer):
                names.producer_hosts.setdefault(instance, host)
                host += 1
        for name, consumer in scenario.consumers.items():
            for instance in cls.instances_of(name, consumer):
                names.consumer_hosts.setdefault(instance, host)
                host += 1
        number = 0
        for topic, (name, part) in enumerate(scenario.topics.items()):
            names.first_partition[name] = number
            names.topic_of.update((number + index, topic) for index in range(part.partitions))
            number += part.partitions
        return names

    @staticmethod
    def instances_of(name: str, client: Producer | Consumer) -> list[str]:
        count = client.instances if isinstance(client, Producer) else client.members
        return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]

    def groups(self) -> list[str]:
        """Group ids, in the order of the file."""
        found = [one.group_id or name for name, one in self.scenario.consumers.items() if one.in_group]
        return list(dict.fromkeys(found))

    @property
    def member_hosts(self) -> list[int]:
        """Hosts of consumers that are members of a group."""
        return [
            self.consumer_hosts[instance]
            for name, consumer in self.scenario.consumers.items()
            if consumer.in_group
            for instance in self.instances_of(name, consumer)
        ]

    def instances(self) -> Iterator[tuple[Path, str]]:
        for name, producer in self.scenario.producers.items():
            for instance in self.instances_of(name, producer):
                yield ("producers", name), instance
        for name, consumer in self.scenario.consumers.items():
            for instance in self.instances_of(name, consumer):
                yield ("consumers", name), instance

    def partition(self, text: str, place: str) -> int:
        """``payments-0`` as a run-wide number."""
        topic, dash, index = text.rpartition("-")
        part = self.scenario.topics.get(topic)
        if not dash or not index.isdecimal() or part is None:
            known = [f"{name}-{last}" for name, item in self.scenario.topics.items() for last in range(item.partitions)]
            guess = did_you_mean(text, known[:200]) or f"write one as {known[0]}"
            raise InputError(place, f"{shown(text)} is not a partition of the scenario", guess)
        if int(index) >= part.partitions:
            rule = f"{topic} has {part.partitions} partitions, numbered from 0, and no {index}"
            raise InputError(place, rule, f"use {topic}-0 to {topic}-{part.partitions - 1}")
        return self.first_partition[topic] + int(index)

    def home(self, group: str, place: str) -> int:
        """The partition of ``__consumer_offsets`` that *group* is in, as a run-wide number."""
        if group in self.homes:
            return self.homes[group]
        way_out = did_you_mean(group, self.homes) or (f"known: {listed(self.homes)}" if self.homes else "name a broker")
        raise InputError(place, f"{shown(group)} is not a group of the scenario", way_out)

    def producer(self, name: str, place: str) -> int:
        """The host of a producer; of several instances one must be named."""
        return self._host(name, self.producer_hosts, "producer", place)

    def client(self, name: str, place: str) -> int:
        return self._host(name, {**self.producer_hosts, **self.consumer_hosts}, "client", place)

    def _host(self, name: str, hosts: dict[str, int], what: str, place: str) -> int:
        if name in hosts:
            return hosts[name]
        client = self.scenario.producers.get(name) or self.scenario.consumers.get(name)
        if client is not None and len(several := self.instances_of(name, client)) > 1:
            rule = f"{shown(name)} is {len(several)} {'producers' if isinstance(client, Producer) else 'consumers'}"
            raise InputError(place, rule, f"name one of them, as {name}-1")
        guess = did_you_mean(name, hosts) or f"known: {listed(hosts)}"
        raise InputError(place, f"{shown(name)} is not a {what} of the scenario", guess)
