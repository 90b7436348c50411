"""Options under Kafka's names in, frozen settings out.

Every function takes the options of one place, the release, and *where* (the place of an option, for messages), and
gives a :class:`Resolved`: the settings of the role, the options in force, and notes on what options silently did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from sim.config import consumers, java_producer, librdkafka_members, librdkafka_producer, members, topics
from sim.config.coordinators import coordinator_settings
from sim.config.option import RELEASES, Table, Where
from sim.config.values import Values, read
from sim.errors import InputError
from sim.protocol.settings import (
    BrokerSettings,
    ControllerSettings,
    CoordinatorSettings,
    JavaProducerSettings,
    LibrdkafkaProducerSettings,
    ReaderSettings,
    Rules,
    TopicSettings,
)
from sim.wording import listed, shown

__all__ = [
    "FLAVOURS", "Resolved", "at_option", "broker", "consumer", "controller", "coordinators", "librdkafka_member",
    "member", "producer", "release_rules", "tables", "topic",
]  # fmt: skip

FLAVOURS = ("java", "librdkafka")
S = TypeVar("S")
ProducerSettings = JavaProducerSettings | LibrdkafkaProducerSettings


@dataclass(frozen=True, slots=True)
class Resolved(Generic[S]):
    settings: S
    options: dict[str, str]  # in force, under Kafka's names
    notes: tuple[str, ...]
    values: Values


def at_option(name: str) -> str:
    """The place of an option that stands in no file."""
    return name


def release_rules(release: str, brokers: Values | None = None) -> Rules:
    """A release as named switches; ``eligible.leader.replicas.enable`` of the brokers overrides one of them."""
    if release not in RELEASES:
        raise InputError("kafka", f"{shown(release)} is not a known release", f"write {listed(RELEASES)}")
    rules = Rules()
    if release == "3.9":
        rules = Rules(
            release="3.9", eligible_leader_replicas=False, max_in_flight_above_5_is_an_error=False, rebootstrap=False,
            unknown_producer_mapping_is_fatal=False, partitioner_asked_twice=True, memory_on_the_wire_is_held=False,
            commit_ends_metadata_polls=False, session_outlives_fence=False, periodic_controller_tasks=False,
            flat_heartbeat_retry=False,
        )
    if brokers is not None:
        rules = replace(rules, eligible_leader_replicas=brokers.switch("eligible.leader.replicas.enable"))
    return rules


def tables(kind: str, flavour: str = "java") -> Table:
    """The table of ``producer`` or ``consumer`` (of a flavour), ``topic`` or ``broker``."""
    by_place = {
        ("producer", "java"): java_producer.TABLE, ("producer", "librdkafka"): librdkafka_producer.TABLE,
        ("consumer", "java"): consumers.JAVA, ("consumer", "librdkafka"): consumers.LIBRDKAFKA,
    }  # fmt: skip
    return {"topic": topics.TOPIC, "broker": topics.BROKER}.get(kind) or by_place[kind, flavour]


def producer(
    flavour: str,
    options: Mapping[str, str],
    release: str = "4.3",
    where: Where = at_option,
    compression_percent: int = 100,
) -> Resolved[ProducerSettings]:
    values = read(tables("producer", flavour), release, options, where)
    settings: ProducerSettings
    if flavour == "java":
        settings = java_producer.settings(values, release_rules(release), compression_percent)
    else:
        settings = librdkafka_producer.settings(values, compression_percent)
    return _resolved(settings, values)


def consumer(
    flavour: str, options: Mapping[str, str], release: str = "4.3", where: Where = at_option
) -> Resolved[ReaderSettings]:
    values = read(tables("consumer", flavour), release, options, where)
    make = consumers.java_reader if flavour == "java" else consumers.librdkafka_reader
    return _resolved(make(values), values)


def member(
    group: str, options: Mapping[str, str], release: str = "4.3", where: Where = at_option
) -> Resolved[members.MemberConfig]:
    """A Java consumer that subscribes in *group*."""
    values = read(members.JAVA_MEMBER, release, options, where)
    return _resolved(members.java_member(values, group), values)


def librdkafka_member(
    options: Mapping[str, str], release: str = "4.3", where: Where = at_option, messages: int = 1,
    timeout_us: int = 1_000_000,
) -> Resolved[members.MemberConfig]:  # fmt: skip
    """A librdkafka consumer that subscribes, with so many *messages* within *timeout_us* a poll."""
    values = read(librdkafka_members.LIBRDKAFKA_MEMBER, release, options, where)
    return _resolved(librdkafka_members.librdkafka_member(values, messages, timeout_us), values)


def coordinators(brokers: Resolved[BrokerSettings]) -> CoordinatorSettings:
    return coordinator_settings(brokers.values)


def broker(options: Mapping[str, str], release: str = "4.3", where: Where = at_option) -> Resolved[BrokerSettings]:
    values = read(topics.BROKER, release, options, where)
    return _resolved(topics.broker_settings(values), values)


def controller(
    options: Mapping[str, str], brokers: Resolved[BrokerSettings], where: Where = at_option, voters: int = 3
) -> Resolved[ControllerSettings]:
    """The controller's own options; what it does not say is as the brokers have it."""
    values = read(topics.BROKER, brokers.values.release, {**brokers.values.given, **options}, where)
    return _resolved(topics.controller_settings(values, voters), values)


def topic(
    options: Mapping[str, str], brokers: Resolved[BrokerSettings], replicas: int, where: Where = at_option
) -> Resolved[TopicSettings]:
    values = read(topics.TOPIC, brokers.values.release, options, where)
    return _resolved(topics.topic_settings(values, brokers.values, replicas), values)


def _resolved(settings: S, values: Values) -> Resolved[S]:
    return Resolved(settings, values.effective(), tuple(values.notes), values)
