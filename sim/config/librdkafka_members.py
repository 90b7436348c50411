"""Options of librdkafka consumers that are members of a group: those of a reader, and what a group adds.

Sources: ``CONFIGURATION.md``, ``rd_kafka_conf_finalize`` and ``rd_kafka_assignors_init`` of librdkafka 2.16.
"""

from __future__ import annotations

from sim.config.common import JAVA_NAMES
from sim.config.consumers import LIBRDKAFKA, librdkafka_reader
from sim.config.members import MemberConfig
from sim.config.option import Option, Table, joined, modelled, refused
from sim.config.values import Values
from sim.protocol.member_assignment import COOPERATIVE, LIBRDKAFKA_ASSIGNORS
from sim.protocol.settings import LibrdkafkaMemberSettings
from sim.wording import listed

__all__ = ["LIBRDKAFKA_MEMBER", "librdkafka_member"]

_STRATEGY = "partition.assignment.strategy"
_OF_CLASSIC = {  # and what to write instead
    "session.timeout.ms": "set group.consumer.session.timeout.ms of the brokers",
    _STRATEGY: "use group.remote.assignor, or the brokers' group.consumer.assignors",
    "group.protocol.type": "remove it",
    "heartbeat.interval.ms": "set group.consumer.heartbeat.interval.ms of the brokers",
}

_GROUP = joined(
    modelled("group.id", "string", None),
    modelled("group.instance.id", "string", None),
    modelled(_STRATEGY, "string", "range,roundrobin"),
    modelled("session.timeout.ms", "int", "45000", "session_timeout_us", low=1, high=3_600_000, factor=1000),
    modelled("heartbeat.interval.ms", "int", "3000", "heartbeat_interval_us", low=1, high=3_600_000, factor=1000),
    modelled("max.poll.interval.ms", "int", "300000", "max_poll_interval_us", low=1, high=86_400_000, factor=1000),
    modelled("enable.auto.commit", "boolean", "true", "auto_commit"),
    modelled("auto.commit.interval.ms", "int", "5000", "auto_commit_interval_us", low=0, high=86_400_000, factor=1000),
    modelled("enable.auto.offset.store", "boolean", "true", "auto_offset_store"),
    modelled("queued.min.messages", "int", "100000", "queued_min_messages", low=1, high=10_000_000),
    modelled("queued.max.messages.kbytes", "int", "65536", "queued_max_bytes", low=1, high=2_097_151, factor=1024),
    modelled("fetch.queue.backoff.ms", "int", "1000", "fetch_queue_backoff_us", low=0, high=300_000, factor=1000),
    modelled("client.id", "string", "rdkafka"),
    modelled("group.protocol", "enum", "classic", choices=("classic", "consumer"), any_case=True),
    modelled("group.remote.assignor", "string", None),
    refused("group.protocol.type", "groups of consumers are modelled, and no others", "consumer"),
    refused("offset.store.method", "offsets are stored by the group's coordinator", "broker"),
)  # fmt: skip
_OF_MEMBERS = {option.setting for option in _GROUP if option.setting} | {"retry_backoff_us", "retry_backoff_max_us"}


def _of_readers() -> list[Option]:
    own = {option.name for option in _GROUP}
    return [option for option in LIBRDKAFKA.options if option.name not in own]


LIBRDKAFKA_MEMBER = Table(
    "librdkafka consumer", joined(_GROUP, _of_readers()), prefixes=LIBRDKAFKA.prefixes, elsewhere=JAVA_NAMES
)


def librdkafka_member(values: Values, messages: int, timeout_us: int) -> MemberConfig:
    """A librdkafka consumer that subscribes; its application asks for *messages* records within *timeout_us* a poll."""
    protocol = values.text("group.protocol").lower()
    _fits_protocol(values, protocol)
    interval, session = values.number("max.poll.interval.ms"), values.number("session.timeout.ms")
    if protocol == "classic" and interval < session:
        named = "max.poll.interval.ms" if values.explicit("max.poll.interval.ms") else "session.timeout.ms"
        rule = f"max.poll.interval.ms={interval} is below session.timeout.ms={session}: creation fails"
        raise values.refuse(named, rule, "raise max.poll.interval.ms, or lower session.timeout.ms")
    if values.explicit("max.poll.records"):
        rule = "max.poll.records is for share consumers alone"
        raise values.refuse("max.poll.records", rule, "write consume: {messages: N} beside config")
    assignors = _assignors(values)
    fields = values.settings()
    member = {name: fields[name] for name in _OF_MEMBERS}
    reader = {name: value for name, value in fields.items() if name not in _OF_MEMBERS or name.startswith("retry")}
    settings = LibrdkafkaMemberSettings(
        client_id=values.text("client.id"), instance=values.text("group.instance.id"), protocol=protocol,
        remote_assignor=values.text("group.remote.assignor") if protocol == "consumer" else "",
        assignors=assignors, cooperative=assignors == (COOPERATIVE,),
        consume_messages=messages, consume_timeout_us=timeout_us,
        **member,  # type: ignore[arg-type]
    )  # fmt: skip
    return MemberConfig(settings, librdkafka_reader(values, reader, settings.queued_max_bytes))


def _fits_protocol(values: Values, protocol: str) -> None:
    """Options of the other protocol; in a classic group ``group.remote.assignor`` is nothing to anybody."""
    if protocol == "classic":
        return
    if values.release == "3.9":
        rule = "group.protocol=consumer is a preview in 3.9, and not modelled there"
        raise values.refuse("group.protocol", rule, 'use classic, or write kafka: "4.3"')
    for name, way_out in _OF_CLASSIC.items():
        if values.explicit(name):
            rule = f"{name} is not supported for group.protocol=consumer: creation fails"
            raise values.refuse(name, rule, way_out)


def _assignors(values: Values) -> tuple[str, ...]:
    """In the order of preference; eager and cooperative ones do not mix."""
    words = tuple(dict.fromkeys(word.strip() for word in values.text(_STRATEGY).split(",") if word.strip()))
    for word in words:
        if word not in LIBRDKAFKA_ASSIGNORS:
            rule = f"{_STRATEGY}: {word} is no assignor of librdkafka"
            raise values.refuse(_STRATEGY, rule, f"use {listed(LIBRDKAFKA_ASSIGNORS)}")
    if not words or (COOPERATIVE in words and len(words) > 1):
        rule = f"{values.says(_STRATEGY)}: all assignors must have the same protocol type: creation fails"
        raise values.refuse(_STRATEGY, rule, "write range,roundrobin or cooperative-sticky alone")
    return words
