"""Options of Java consumers that are members of a group: those of a reader, and what a group adds or decides otherwise.

Sources: ``ConsumerConfig`` and ``CommonClientConfigs`` of Apache Kafka 3.9 and 4.3 (consumer 1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.config.consumers import JAVA, java_fetching
from sim.config.option import Option, Table, accepted, joined, modelled, refused
from sim.config.values import Values
from sim.protocol.member_assignment import COOPERATIVE, STICKY
from sim.protocol.settings import LibrdkafkaMemberSettings, MemberSettings, ReaderSettings
from sim.wording import listed

__all__ = ["JAVA_MEMBER", "MemberConfig", "java_member"]

ASSIGNORS = {
    "RangeAssignor": "range", "RoundRobinAssignor": "roundrobin", "StickyAssignor": STICKY,
    "CooperativeStickyAssignor": COOPERATIVE,
}  # fmt: skip
NOT_WITH_CONSUMER = ("partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms")
_INSTEAD = {
    "partition.assignment.strategy": "use group.remote.assignor, or the brokers' group.consumer.assignors",
    "heartbeat.interval.ms": "set group.consumer.heartbeat.interval.ms of the brokers",
    "session.timeout.ms": "set group.consumer.session.timeout.ms of the brokers",
    "group.remote.assignor": "write group.protocol: consumer, or use partition.assignment.strategy",
}
_PACKAGE = "org.apache.kafka.clients.consumer."

_GROUP = joined(
    modelled("group.id", "string", None),
    modelled("group.instance.id", "string", None),
    modelled("partition.assignment.strategy", "string", "RangeAssignor,CooperativeStickyAssignor"),
    modelled("session.timeout.ms", "int", "45000", low=0),
    modelled("heartbeat.interval.ms", "int", "3000", low=0),
    modelled("max.poll.interval.ms", "int", "300000", low=1),
    modelled("enable.auto.commit", "boolean", "true"),
    modelled("auto.commit.interval.ms", "int", "5000", low=0),
    modelled("default.api.timeout.ms", "int", "60000", low=0),
    modelled("client.id", "string", ""),
    modelled("group.protocol", "enum", "classic", choices=("classic", "consumer"), any_case=True),
    modelled("group.remote.assignor", "string", None),
    refused("internal.leave.group.on.close", "a dynamic member always leaves here", "true"),
    accepted("internal.throw.on.fetch.stable.offset.unsupported"),
)


def _of_readers() -> list[Option]:
    own = {option.name for option in _GROUP}
    return [option for option in JAVA.options if option.name not in own]


JAVA_MEMBER = Table("Java consumer", joined(_GROUP, _of_readers()), prefixes=JAVA.prefixes, elsewhere=JAVA.elsewhere)


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """What a member is made of."""

    member: MemberSettings | LibrdkafkaMemberSettings
    reader: ReaderSettings


def java_member(values: Values, group: str) -> MemberConfig:
    """A Java consumer that subscribes in *group*."""
    protocol = values.text("group.protocol").lower()
    _fits_protocol(values, protocol)
    session, heartbeat = values.number("session.timeout.ms"), values.number("heartbeat.interval.ms")
    if heartbeat >= session:
        named = "heartbeat.interval.ms" if values.explicit("heartbeat.interval.ms") else "session.timeout.ms"
        rule = f"IllegalArgumentException: heartbeat.interval.ms={heartbeat} is not below session.timeout.ms={session}"
        raise values.refuse(named, rule, "use a third of session.timeout.ms")
    assignors = _assignors(values)
    member = MemberSettings(
        client_id=values.text("client.id") or f"consumer-{group}-1",
        instance=values.text("group.instance.id"),
        protocol=protocol,
        remote_assignor=values.text("group.remote.assignor"),
        assignors=assignors,
        cooperative=assignors == (COOPERATIVE,),
        session_timeout_us=session * 1000,
        heartbeat_interval_us=heartbeat * 1000,
        max_poll_interval_us=values.number("max.poll.interval.ms") * 1000,
        auto_commit=values.switch("enable.auto.commit"),
        auto_commit_interval_us=values.number("auto.commit.interval.ms") * 1000,
        default_api_timeout_us=values.number("default.api.timeout.ms") * 1000,
        one_buffered_holds_node=values.release != "3.9",
    )
    return MemberConfig(member, java_fetching(values))


def _fits_protocol(values: Values, protocol: str) -> None:
    """Options that belong to the other protocol (``ConsumerConfig.checkUnsupportedConfigsPostProcess``)."""
    if protocol == "consumer" and values.release == "3.9":
        rule = "group.protocol=consumer is a preview in 3.9, and not modelled there"
        raise values.refuse("group.protocol", rule, 'use classic, or write kafka: "4.3"')
    unfit = NOT_WITH_CONSUMER if protocol == "consumer" else ("group.remote.assignor",)
    for name in unfit:
        if values.explicit(name) and values.text(name).strip():
            rule = f"ConfigException: {name} cannot be set when group.protocol={protocol.upper()}"
            raise values.refuse(name, rule, _INSTEAD.get(name, "remove it"))


def _assignors(values: Values) -> tuple[str, ...]:
    """Short names, in the order of preference. Only cooperative-sticky alone makes a member cooperative: the highest
    protocol that all assignors of the list know (``ConsumerCoordinator``)."""
    option = "partition.assignment.strategy"
    found: list[str] = []
    for word in values.text(option).split(","):
        name = word.strip().removeprefix(_PACKAGE)
        if name not in ASSIGNORS:
            rule = f"{option}: {word.strip()} is none of Kafka's own, and not modelled"
            raise values.refuse(option, rule, f"use {listed(ASSIGNORS)}")
        found.append(ASSIGNORS[name])
    return tuple(dict.fromkeys(found))
