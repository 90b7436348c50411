"""Producers that a consumer's processing feeds: which topics, and that each lives in the process of one member."""

from __future__ import annotations

from sim.errors import InputError
from sim.plan import Outlet
from sim.scenario.clients import Consumer
from sim.scenario.model import Scenario
from sim.scenario.names import Names
from sim.scenario.processing import Destination
from sim.scenario.tree import Path
from sim.wording import did_you_mean, listed, shown

__all__ = ["check_feeding", "feeds_of", "outlets_of"]


def feeds_of(scenario: Scenario, producer: str) -> tuple[int, ...]:
    """Numbers of the topics that processing sends to through *producer*, ascending; empty if none does."""
    topics = list(scenario.topics)
    found = {
        topics.index(to.topic)
        for consumer in scenario.consumers.values()
        for _, to in _destinations(consumer)
        if to.producer == producer
    }
    return tuple(sorted(found))


def outlets_of(scenario: Scenario, names: Names, name: str, instance: str) -> tuple[Outlet, ...]:
    """Where the application of *instance*, a member of the consumer *name*, sends to."""
    consumer = scenario.consumers[name]
    place = names.instances_of(name, consumer).index(instance)
    failure = consumer.processing.failure if consumer.processing is not None else None
    topics, outlets = list(scenario.topics), []
    for key, to in _destinations(consumer):
        producer = names.instances_of(to.producer, scenario.producers[to.producer])[place]
        way = failure.then if key == "failure" and failure is not None else "produced"
        outlets.append(Outlet(way, names.producer_hosts[producer], topics.index(to.topic)))
    return tuple(outlets)


def _destinations(consumer: Consumer) -> list[tuple[str, Destination]]:
    return consumer.processing.destinations if consumer.processing is not None else []


def check_feeding(scenario: Scenario) -> None:
    """Refuse topics and producers that do not fit, and producers that have nothing to send."""
    fed: dict[str, str] = {}  # by producer: its consumer
    for name, consumer in scenario.consumers.items():
        for key, to in _destinations(consumer):
            path: Path = ("consumers", name, "processing", key)
            if key == "failure":
                path = (*path, "to")
            _check(scenario, name, consumer, to, path)
            if fed.setdefault(to.producer, name) != name:
                rule = f"{to.producer} already lives in the process of {fed[to.producer]}"
                raise InputError(scenario._origin.place((*path, "producer")), rule, "give each consumer its own")
    for name, producer in scenario.producers.items():
        if not producer.workload and name not in fed:
            place = scenario._origin.place(("producers", name))
            raise InputError(place, "it has no workload", "write workload: {topic: T, rate: 100/s}")


def _check(scenario: Scenario, name: str, consumer: Consumer, to: Destination, path: Path) -> None:
    def refuse(key: str, rule: str, way_out: str) -> InputError:
        return InputError(scenario._origin.place((*path, key)), rule, way_out)

    if to.topic not in scenario.topics:
        guess = did_you_mean(to.topic, scenario.topics) or f"the topics are {listed(scenario.topics)}"
        raise refuse("topic", f"{shown(to.topic)} is not a topic of the scenario", guess)
    if to.topic in (consumer.topics or ()):
        raise refuse("topic", f"{name} reads {to.topic} itself: its records would go round", "send to another topic")
    producer = scenario.producers.get(to.producer)
    if producer is None:
        guess = did_you_mean(to.producer, scenario.producers) or f"the producers are {listed(scenario.producers)}"
        raise refuse("producer", f"{shown(to.producer)} is not a producer of the scenario", guess)
    if producer.workload or producer.warm_up is not None or producer.resend_after_failure:
        rule = f"{to.producer} has sends of its own (workload, warm.up, resend.after.failure)"
        raise refuse("producer", rule, "name a producer that has a config alone")
    if producer.instances != consumer.members:
        rule = f"{to.producer} is {producer.instances}, and the members are {consumer.members}"
        raise refuse("producer", rule, f"write instances: {consumer.members}")
