"""Consumer groups of a scenario as a plan: members, and the partitions of ``__consumer_offsets`` that they are in.

A group is in the partition ``abs(group.hashCode()) % offsets.topic.num.partitions`` (``GroupCoordinatorService
.partitionFor``). The others of that topic would only stand by, and are not made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim import config
from sim.config import Resolved
from sim.config.members import MemberConfig
from sim.config.option import Where
from sim.errors import InputError
from sim.plan import Distribution, GroupsPlan, MemberPlan, TopicPlan
from sim.protocol.java_order import string_hash
from sim.protocol.settings import BrokerSettings, CoordinatorSettings, ProcessingSettings
from sim.scenario.clients import Consume, Consumer
from sim.scenario.compile_calls import calls_of
from sim.scenario.compile_outlets import outlets_of
from sim.scenario.latency import Latency
from sim.scenario.model import Scenario
from sim.scenario.names import Names
from sim.scenario.processing import Processing
from sim.wording import listed

__all__ = ["OFFSETS_TOPIC", "compile_groups"]

OFFSETS_TOPIC = "__consumer_offsets"
Keep = Callable[[str, Resolved[Any]], None]
Topics = Callable[[str, Consumer], tuple[int, ...]]


def compile_groups(
    scenario: Scenario, names: Names, brokers: Resolved[BrokerSettings], topics_of: Topics, keep: Keep
) -> GroupsPlan | None:
    """The plan of all groups, None where there is none."""
    coordinators = config.coordinators(brokers)  # whether brokers start does not hang on groups
    groups = names.groups()
    if not groups:
        return None
    count = brokers.values.number("offsets.topic.num.partitions")
    of_group = {group: partition_of(group, count) for group in groups}
    indexes = tuple(sorted(set(of_group.values())))
    first = len(names.topic_of)
    members = [
        member
        for name, consumer in scenario.consumers.items()
        if consumer.in_group
        for member in _members(scenario, names, name, consumer, groups, topics_of, keep)
    ]
    _known_assignors(scenario, members, coordinators)
    _one_protocol(scenario, groups, members)
    return GroupsPlan(
        names=tuple(groups),
        homes=tuple(first + indexes.index(of_group[group]) for group in groups),
        topic=_offsets_topic(scenario, brokers, indexes, first),
        indexes=indexes,
        coordinators=coordinators,
        members=tuple(members),
    )


def _known_assignors(scenario: Scenario, members: list[MemberPlan], coordinators: CoordinatorSettings) -> None:
    for one in members:
        wish = one.settings.remote_assignor
        if wish and wish not in coordinators.assignors:
            rule = f"UnsupportedAssignorException: {one.name} has group.remote.assignor={wish}, no coordinator has it"
            way_out = f"use {listed(coordinators.assignors)}, or add it to the brokers' group.consumer.assignors"
            raise InputError(scenario._origin.place(("consumers",)), rule, way_out)


def _one_protocol(scenario: Scenario, groups: list[str], members: list[MemberPlan]) -> None:
    """A group whose members change the protocol while it goes on (KIP-848's migration) is not modelled."""
    for number, group in enumerate(groups):
        found = {one.settings.protocol: one.name for one in members if one.group == number}
        if len(found) > 1:
            rule = f"group {group} has members of both protocols ({found['classic']} and {found['consumer']})"
            way_out = "give all its members the same group.protocol: groups that migrate are not modelled"
            raise InputError(scenario._origin.place(("consumers",)), rule, way_out)


def partition_of(group: str, count: int) -> int:
    hashed = string_hash(group)
    return 0 if hashed == -(1 << 31) else abs(hashed) % count


def _offsets_topic(
    scenario: Scenario, brokers: Resolved[BrokerSettings], indexes: tuple[int, ...], first: int
) -> TopicPlan:
    option = "offsets.topic.replication.factor"
    factor, count = brokers.values.number(option), scenario.brokers.count
    if factor > count:
        rule = f"{option}={factor} on {count} brokers: {OFFSETS_TOPIC} cannot be made, and no group has a coordinator"
        raise InputError(scenario._origin.place(("brokers", "config")), rule, f"set {option}: {count}")
    replicas = tuple(tuple((index + copy) % count + 1 for copy in range(factor)) for index in indexes)
    made_with = {"cleanup.policy": "compact", "segment.bytes": "104857600"}
    settings = config.topic(made_with, brokers, factor).settings
    numbers = tuple(range(first, first + len(indexes)))
    return TopicPlan(len(scenario.topics), OFFSETS_TOPIC, numbers, replicas, settings)


def _members(
    scenario: Scenario, names: Names, name: str, consumer: Consumer, groups: list[str], topics_of: Topics, keep: Keep
) -> list[MemberPlan]:
    group = consumer.group_id or name
    place = scenario._origin.place
    found = _resolved(group, consumer, scenario.kafka, lambda option: place(("consumers", name, "config", option)))
    keep(f"consumers.{name}", found)
    work = consumer.processing or Processing()
    instances = names.instances_of(name, consumer)
    if found.settings.member.instance and len(instances) > 1:
        rule = f"{len(instances)} members share group.instance.id={found.settings.member.instance}"
        where = place(("consumers", name, "config", "group.instance.id"))
        raise InputError(where, rule, "write one consumer for each, all with the same group")
    return [
        MemberPlan(
            host=names.consumer_hosts[instance],
            name=instance,
            group=groups.index(group),
            settings=found.settings.member,
            reader=found.settings.reader,
            processing=_processing(work),
            time=_distribution(work.time),
            topics=topics_of(name, consumer),
            start_us=consumer.start,
            stop_us=-1 if consumer.stop is None else consumer.stop,
            restart_after_us=-1 if work.failure is None else work.failure.restart_after or -1,
            outlets=outlets_of(scenario, names, name, instance),
            calls=calls_of(scenario, names, name),
            options=dict(consumer.config),
        )
        for instance in instances
    ]


def _resolved(group: str, consumer: Consumer, release: str, where: Where) -> Resolved[MemberConfig]:
    if consumer.client == "java":
        return config.member(group, consumer.config, release, where)
    polls = consumer.consume or Consume()
    return config.librdkafka_member(consumer.config, release, where, polls.messages, polls.timeout)


def _processing(work: Processing) -> ProcessingSettings:
    failure = work.failure
    return ProcessingSettings(
        per_poll=work.per == "poll",
        commit=work.commit,
        commit_async=work.call == "commitAsync",
        commit_in_revoke=work.commit_in_revoke,
        fails_nth=() if failure is None else tuple(failure.nth or ()),
        fails_ppm=0 if failure is None or failure.percent is None else int(failure.percent * 10_000),
        on_failure="retry" if failure is None else failure.then,
        threads=work.threads or 0,
        order=work.order,
        queue_records=work.queue or 0,
        work_in_revoke=work.work_in_revoke,
        produces=work.produces is not None,
        waits_for_sends=work.wait_for_acks,
    )


def _distribution(time: int | Latency) -> Distribution:
    if isinstance(time, Latency):
        return Distribution(time.distribution, time.parameters())
    return Distribution("constant", {"value": time})
