"""Workloads of a producer as plan values: topic numbers, times, explicit sends in time order."""

from __future__ import annotations

from sim.errors import InputError
from sim.plan import WARM_UP_VALUE
from sim.plan import Workload as WorkloadPlan
from sim.protocol.settings import JavaProducerSettings, LibrdkafkaProducerSettings
from sim.scenario.clients import Keys, Producer, Workload
from sim.scenario.model import Scenario
from sim.scenario.names import Names
from sim.scenario.tree import Path
from sim.wording import did_you_mean, listed, shown

__all__ = ["ALL", "check_values", "compile_workloads", "explicit_values", "is_default_value"]

MOST_SENDS = 50_000_000
ALL = "all"  # in faults: every value

Settings = JavaProducerSettings | LibrdkafkaProducerSettings


def compile_workloads(
    scenario: Scenario, names: Names, name: str, producer: Producer, settings: Settings
) -> tuple[WorkloadPlan, ...]:
    """All workloads of one producer; a partitioner that korder does not know needs explicit partitions."""
    plans = []
    for index, workload in enumerate(producer.workload):
        path = _path(scenario, name, index)
        plan = _workload(scenario, names, workload, path)
        unchosen = plan.partition_index is None and any(
            send[2] is None for send in plan.explicit or ((0, None, None, None),)
        )
        if isinstance(settings, JavaProducerSettings) and settings.partitioner == "custom" and unchosen:
            rule = "partitioner.class is a class that korder does not know, so records must name their partition"
            raise InputError(scenario._origin.place(path), rule, "write partition: N, or remove partitioner.class")
        plans.append(plan)
    return tuple(plans)


def _path(scenario: Scenario, name: str, index: int) -> Path:
    """A single workload is written without a list."""
    listed_path = ("producers", name, "workload", index)
    return listed_path if listed_path in scenario._origin.lines else listed_path[:-1]


def _workload(scenario: Scenario, names: Names, workload: Workload, path: Path) -> WorkloadPlan:
    def refuse(key: tuple[str | int, ...], rule: str, way_out: str) -> InputError:
        return InputError(scenario._origin.place((*path, *key)), rule, way_out)

    topics = list(scenario.topics)
    if workload.topic not in scenario.topics:
        guess = did_you_mean(workload.topic, topics) or f"the topics are {listed(topics)}"
        raise refuse(("topic",), f"{shown(workload.topic)} is not a topic of the scenario", guess)
    partitions = scenario.topics[workload.topic].partitions
    if workload.partition is not None and workload.partition >= partitions:
        rule = f"{workload.topic} has {partitions} partitions, numbered from 0, and no {workload.partition}"
        raise refuse(("partition",), rule, f"use 0 to {partitions - 1}")
    start, stop = workload.start or 0, workload.stop if workload.stop is not None else scenario.run
    for key, moment in (("start", start), ("stop", stop)):
        if moment > scenario.run:
            raise refuse((key,), f"{key} is after the end of run", "lengthen run, or use an earlier time")
    explicit = _sends(scenario, workload, partitions, path)
    rate = workload.rate or 0
    offered = rate * (stop - start) / 1_000_000 * (workload.burst_size or 1)
    if min(offered, workload.count or offered) > MOST_SENDS:
        rule = f"about {int(offered)} sends are above the limit of {MOST_SENDS}"
        raise refuse(("rate",), rule, "lower the rate, shorten run, or give a count")
    keys = workload.keys if isinstance(workload.keys, Keys) else None
    return WorkloadPlan(
        topic=topics.index(workload.topic),
        arrivals="explicit" if explicit else (workload.arrivals or "constant"),
        rate_per_s=float(rate),
        burst_size=workload.burst_size or 0,
        start_us=start,
        stop_us=stop,
        count=workload.count,
        explicit=explicit,
        key_count=(keys.count or len(keys.names or ())) if keys else 0,
        key_names=tuple(keys.names or ()) if keys else (),
        key_skew=keys.skew if keys else "uniform",
        partition_index=workload.partition,
        value_bytes=(workload.value_bytes[0], workload.value_bytes[1]),
    )


def _sends(
    scenario: Scenario, workload: Workload, partitions: int, path: Path
) -> tuple[tuple[int, str | None, int | None, str | None], ...]:
    """Explicit sends by time after the workload's start; equal times keep the order of the file."""
    found = []
    for index, send in enumerate(workload.sends or ()):
        partition = send.partition if send.partition is not None else workload.partition
        if partition is not None and partition >= partitions:
            rule = f"{workload.topic} has {partitions} partitions, numbered from 0, and no {partition}"
            place = scenario._origin.place((*path, "sends", index, "partition"))
            raise InputError(place, rule, f"use 0 to {partitions - 1}")
        if send.at + (workload.start or 0) >= scenario.run:
            place = scenario._origin.place((*path, "sends", index, "at"))
            raise InputError(place, "the send is not before the end of run", "lengthen run, or send earlier")
        found.append((send.at, send.key, partition, send.value))
    return tuple(sorted(found, key=lambda send: send[0]))


def explicit_values(scenario: Scenario, name: str) -> list[tuple[Path, str]]:
    """The values that a producer's explicit sends name, with their places."""
    return [
        ((*_path(scenario, name, index), "sends", number, "value"), send.value)
        for index, workload in enumerate(scenario.producers[name].workload)
        for number, send in enumerate(workload.sends or ())
        if send.value is not None
    ]


def is_default_value(scenario: Scenario, value: str) -> bool:
    """``billing/7``, as records are called that the file gives no value."""
    instance, slash, number = value.rpartition("/")
    name = instance.partition("#")[0]
    known = {one for part, producer in scenario.producers.items() for one in Names.instances_of(part, producer)}
    return bool(slash) and number.isdecimal() and name in known


def check_values(scenario: Scenario) -> None:
    """A value names one record, in faults and in reports: no other send of the scenario may have it."""
    seen: dict[str, str] = {}
    for name, producer in scenario.producers.items():
        if producer.warm_up is not None:
            seen.setdefault(WARM_UP_VALUE, f"the warm-up of {name}")
    for name, producer in scenario.producers.items():
        for path, value in explicit_values(scenario, name):
            place = scenario._origin.place(path)
            if value in seen or value == ALL:
                rule = (
                    f"{shown(value)} is also the value of {seen.get(value, 'no record: in faults it means every one')}"
                )
                raise InputError(place, rule, "give every record its own value")
            if producer.instances > 1:
                rule = f"{shown(value)} would be sent by {producer.instances} producers"
                raise InputError(place, rule, "leave the value out: it is then the instance's name and a number")
            if is_default_value(scenario, value):
                raise InputError(
                    place, f"{shown(value)} is how a record without value is called", "choose another value"
                )
            seen[value] = f"another send of {name}"
