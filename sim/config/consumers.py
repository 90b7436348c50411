"""Options of consumers of both flavours, as far as a reader with assigned partitions needs them.

What a member of a group adds is :mod:`sim.config.members`'s.

Sources: ``ConsumerConfig`` of Apache Kafka 3.9 and 4.3, ``CONFIGURATION.md`` of librdkafka 2.16 (consumer 1.1).
"""

from __future__ import annotations

import re

from sim.config.common import (
    CLIENT_PREFIXES,
    JAVA_CLIENT,
    JAVA_NAMES,
    LIBRDKAFKA_CLIENT,
    LIBRDKAFKA_NAMES,
    reconnect_cap,
    retry_cap,
)
from sim.config.librdkafka_producer import connection_fields
from sim.config.option import Table, accepted, joined, modelled, refused
from sim.config.values import Value, Values
from sim.protocol.settings import ReaderSettings
from sim.wording import shown

__all__ = ["JAVA", "LIBRDKAFKA", "java_fetching", "java_reader", "librdkafka_reader"]

NO_GROUPS = "this consumer reads assigned partitions"
ISOLATION = ("read_uncommitted", "read_committed")
RESETS = {
    "earliest": "earliest", "smallest": "earliest", "beginning": "earliest",
    "latest": "latest", "largest": "latest", "end": "latest", "error": "none",
}  # fmt: skip

# As java.time.Duration.parse has it, without signs: a negative one is refused (AutoOffsetResetStrategy.fromString).
_DURATION = re.compile(
    r"p(?:([0-9]{1,9})d)?(?:t(?=[0-9])(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,12})(?:[.,]([0-9]{0,9}))?s)?)?"
)
_LONGEST_US = 1 << 60

JAVA = Table(
    "Java consumer",
    joined(
        modelled("fetch.min.bytes", "int", "1", "fetch_min_bytes", low=0),
        modelled("fetch.max.wait.ms", "int", "500", "fetch_max_wait_us", low=0, factor=1000),
        modelled("fetch.max.bytes", "int", "52428800", "fetch_max_bytes", low=0),
        modelled("max.partition.fetch.bytes", "int", "1048576", "max_partition_fetch_bytes", low=0),
        modelled("max.poll.records", "int", "500", "max_poll_records", low=1),
        modelled("auto.offset.reset", "string", "latest"),
        modelled("isolation.level", "enum", "read_uncommitted", choices=ISOLATION),
        modelled("enable.auto.commit", "boolean", "false"),  # as it is without group.id
        modelled("metadata.max.age.ms", "long", "300000", "metadata_max_age_us", low=0, factor=1000),
        modelled("retry.backoff.ms", "long", "100", "retry_backoff_us", low=0, factor=1000),
        modelled("retry.backoff.max.ms", "long", "1000", "retry_backoff_max_us", low=0, factor=1000),
        modelled("reconnect.backoff.ms", "long", "50", "reconnect_backoff_us", low=0, factor=1000),
        modelled("reconnect.backoff.max.ms", "long", "1000", "reconnect_backoff_max_us", low=0, factor=1000),
        modelled("request.timeout.ms", "int", "30000", "request_timeout_us", low=0, factor=1000),
        refused("group.id group.instance.id group.remote.assignor", NO_GROUPS),
        refused("group.protocol", NO_GROUPS, "classic", harmless=("consumer",)),
        refused("interceptor.classes", "an interceptor may change or drop records", ""),
        accepted("partition.assignment.strategy session.timeout.ms heartbeat.interval.ms", why="only in a group"),
        accepted("max.poll.interval.ms auto.commit.interval.ms", "int", "only in a group"),
        accepted("key.deserializer value.deserializer", "class"),
        accepted("check.crcs allow.auto.create.topics exclude.internal.topics", "boolean"),
        accepted("internal.leave.group.on.close", "boolean", "only in a group"),
        accepted("default.api.timeout.ms", "int"),
        accepted(
            "socket.connection.setup.timeout.ms socket.connection.setup.timeout.max.ms connections.max.idle.ms", "long"
        ),
        accepted("share.acknowledgement.mode", why="share groups are not modelled"),
        JAVA_CLIENT,
    ),
    prefixes=CLIENT_PREFIXES,
    elsewhere=LIBRDKAFKA_NAMES | {"linger.ms": "fetch.max.wait.ms"},
)

PRODUCER_ONLY = (
    "enable.idempotence enable.gapless.guarantee queue.buffering.max.messages queue.buffering.max.kbytes "
    "queue.buffering.max.ms linger.ms message.send.max.retries retries queue.buffering.backpressure.threshold "
    "compression.codec compression.type compression.level batch.num.messages batch.size delivery.report.only.error "
    "dr_cb dr_msg_cb sticky.partitioning.linger.ms request.required.acks acks request.timeout.ms message.timeout.ms "
    "delivery.timeout.ms queuing.strategy produce.offset.report partitioner partitioner_cb msg_order_cmp "
    "transactional.id transaction.timeout.ms"
)

LIBRDKAFKA = Table(
    "librdkafka consumer",
    joined(
        modelled("fetch.min.bytes", "int", "1", "fetch_min_bytes", low=1, high=100_000_000),
        modelled("fetch.wait.max.ms", "int", "500", "fetch_max_wait_us", low=0, high=300_000, factor=1000),
        modelled("fetch.max.bytes", "int", "52428800", "fetch_max_bytes", low=0, high=2_147_483_135),
        modelled(
            "fetch.message.max.bytes", "int", "1048576", "max_partition_fetch_bytes", low=1, high=1_000_000_000,
            aliases=("max.partition.fetch.bytes",),
        ),
        modelled("message.max.bytes", "int", "1000000", low=1000, high=1_000_000_000),
        modelled("auto.offset.reset", "enum", "largest", choices=tuple(RESETS), any_case=True),
        modelled("isolation.level", "enum", "read_committed", choices=ISOLATION, any_case=True),
        refused("group.id group.instance.id group.remote.assignor", NO_GROUPS),
        refused("group.protocol", NO_GROUPS, "classic", harmless=("consumer",)),
        accepted("partition.assignment.strategy session.timeout.ms heartbeat.interval.ms group.protocol.type"),
        accepted("coordinator.query.interval.ms max.poll.interval.ms", why="only in a group"),
        accepted("enable.auto.commit auto.commit.interval.ms enable.auto.offset.store auto.commit.enable"),
        accepted("offset.store.method offset.store.path offset.store.sync.interval.ms consume.callback.max.messages"),
        accepted("max.in.flight.requests.per.connection max.in.flight", "int", "one fetch a broker is under way"),
        accepted("queued.min.messages queued.max.messages.kbytes", "int", "the reader takes what is fetched at once"),
        modelled("fetch.error.backoff.ms", "int", "500", "fetch_error_backoff_us", low=0, high=300_000, factor=1000),
        accepted("fetch.queue.backoff.ms", "int"),
        accepted("enable.partition.eof check.crcs max.poll.records share.acknowledgement.mode"),
        accepted("consume_cb rebalance_cb offset_commit_cb", "callback"),
        accepted(PRODUCER_ONLY, why="a consumer ignores it"),
        LIBRDKAFKA_CLIENT,
    ),
    prefixes=("ssl.", "sasl."),
    elsewhere=JAVA_NAMES,
)  # fmt: skip


def java_reader(values: Values) -> ReaderSettings:
    """A Java consumer that was given its partitions with ``assign()``."""
    if values.explicit("enable.auto.commit") and values.switch("enable.auto.commit"):
        rule = "InvalidConfigurationException: enable.auto.commit=true needs a group.id"
        raise values.refuse("enable.auto.commit", rule, f"remove it: {NO_GROUPS}")
    return java_fetching(values)


def java_fetching(values: Values) -> ReaderSettings:
    """How a Java consumer fetches, in a group or not."""
    fields = values.settings()
    fields["flavour"] = "java"
    fields["offset_reset"], fields["reset_duration_us"] = _java_reset(values)
    retry_cap(values, fields)
    reconnect_cap(values, fields)
    return ReaderSettings(**fields)  # type: ignore[arg-type]


def librdkafka_reader(
    values: Values, fields: dict[str, Value] | None = None, most_queued_bytes: int = 65536 * 1024
) -> ReaderSettings:
    """A librdkafka consumer that was given its partitions with ``rd_kafka_assign()``; with *fields*, how a member of a
    group fetches whose queue holds *most_queued_bytes*."""
    fields = values.settings() if fields is None else fields
    connection = connection_fields(values)
    fields["flavour"] = "librdkafka"
    fields["offset_reset"] = RESETS[values.text("auto.offset.reset")]
    fields["request_timeout_us"] = connection["socket_timeout_us"]
    fields["connection_setup_timeout_us"] = connection["connection_setup_timeout_us"]
    refresh_us = connection["metadata_refresh_us"]
    fields["metadata_max_age_us"] = refresh_us if refresh_us > 0 else _LONGEST_US  # rd_kafka_thread_main
    fields["fetch_max_bytes"] = _fetch_max_bytes(values, most_queued_bytes)
    return ReaderSettings(**fields)  # type: ignore[arg-type]


def _java_reset(values: Values) -> tuple[str, int]:
    """The policy and, of by_duration (KIP-1106, 4.0), the duration in microseconds."""
    name = "auto.offset.reset"
    text = values.text(name).lower()
    if text.startswith("by_duration:") and values.release != "3.9":
        match = _DURATION.fullmatch(text.removeprefix("by_duration:"))
        if match is None or not any(match.groups()):
            rule = f"ConfigException: {values.says(name)} has no duration as by_duration:PnDTnHnMn.nS"
            raise values.refuse(name, rule, "write by_duration:PT1H")
        days, hours, minutes, seconds, rest = (part or "0" for part in match.groups())
        whole_s = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
        return "by_duration", min(whole_s * 1_000_000 + int(f"{rest:0<6}"[:6]), _LONGEST_US)
    if text not in ("earliest", "latest", "none"):
        raise values.refuse(
            name, f"{name} must be earliest, latest or none, not {shown(values.given[name])}", "write earliest"
        )
    return text, -1


def _fetch_max_bytes(values: Values, most_queued_bytes: int) -> Value:
    """At least ``message.max.bytes``; by default at most what the queue holds (``rd_kafka_conf_finalize``)."""
    most, message = values.number("fetch.max.bytes"), values.number("message.max.bytes")
    if not values.explicit("fetch.max.bytes"):
        return max(min(most, most_queued_bytes), message)
    if most < message:
        rule = f"fetch.max.bytes={most} is below message.max.bytes={message}: creation fails with _INVALID_ARG"
        raise values.refuse("fetch.max.bytes", rule, "raise fetch.max.bytes")
    return most


def consumer_tables() -> dict[str, Table]:
    return {"java": JAVA, "librdkafka": LIBRDKAFKA}
