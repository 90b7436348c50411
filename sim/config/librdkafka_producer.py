"""The librdkafka producer's options, and what they make of each other.

Source: ``CONFIGURATION.md``, ``rd_kafka_conf_finalize`` and ``rd_kafka_topic_conf_finalize`` of librdkafka 2.16
(producer 8.1). One version of the library is known; the release of the brokers does not change its defaults.
"""

from __future__ import annotations

from sim.config.common import JAVA_NAMES, LIBRDKAFKA_CLIENT
from sim.config.option import Table, accepted, joined, modelled, refused
from sim.config.values import Value, Values
from sim.protocol.settings import LibrdkafkaProducerSettings

__all__ = ["TABLE", "settings"]

ACKS = {"all": -1, "-1": -1, "0": 0, "1": 1}
MOST_IN_FLIGHT = 5  # with idempotence
NO_LIMIT = 1 << 62
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONERS = (
    "consistent_random", "random", "consistent", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random",
)  # fmt: skip
CONSUMER_ONLY = (
    "group.id group.instance.id partition.assignment.strategy session.timeout.ms heartbeat.interval.ms "
    "group.protocol.type group.protocol group.remote.assignor coordinator.query.interval.ms max.poll.interval.ms "
    "enable.auto.commit "
    "auto.commit.interval.ms enable.auto.offset.store queued.min.messages queued.max.messages.kbytes fetch.wait.max.ms "
    "fetch.queue.backoff.ms fetch.message.max.bytes max.partition.fetch.bytes fetch.max.bytes fetch.min.bytes "
    "fetch.error.backoff.ms offset.store.method isolation.level enable.partition.eof check.crcs max.poll.records "
    "share.acknowledgement.mode auto.commit.enable auto.offset.reset offset.store.path offset.store.sync.interval.ms "
    "consume.callback.max.messages consume_cb rebalance_cb offset_commit_cb"
)

TABLE = Table(
    "librdkafka producer",
    joined(
        modelled("request.required.acks", "enum", "-1", choices=tuple(ACKS), any_case=True, aliases=("acks",)),
        modelled("enable.idempotence", "boolean", "false", "idempotence"),
        modelled(
            "max.in.flight.requests.per.connection", "int", "1000000", "max_in_flight", low=1, high=1_000_000,
            aliases=("max.in.flight",),
        ),
        modelled("message.send.max.retries", "int", "2147483647", "retries", low=0, aliases=("retries",)),
        modelled("request.timeout.ms", "int", "30000", "request_timeout_us", low=1, high=900_000, factor=1000),
        modelled(
            "message.timeout.ms", "int", "300000", "message_timeout_us", low=0, factor=1000,
            aliases=("delivery.timeout.ms",),
        ),
        modelled(
            "queue.buffering.max.ms", "float", "5", "linger_us", low=0, high=900_000, factor=1000,
            aliases=("linger.ms",),
        ),
        modelled("batch.size", "int", "1000000", "batch_size_bytes", low=1),
        modelled("batch.num.messages", "int", "10000", "batch_num_messages", low=1, high=1_000_000),
        modelled("queue.buffering.max.messages", "int", "100000", "queue_max_messages", low=0),
        modelled("queue.buffering.max.kbytes", "int", "1048576", "queue_max_bytes", low=1, factor=1024),
        modelled("message.max.bytes", "int", "1000000", "message_max_bytes", low=1000, high=1_000_000_000),
        modelled(
            "queue.buffering.backpressure.threshold", "int", "1", "backpressure_threshold", low=1, high=1_000_000
        ),
        modelled("partitioner", "enum", "consistent_random", "partitioner", choices=PARTITIONERS),
        modelled("sticky.partitioning.linger.ms", "int", "10", "sticky_linger_us", low=0, high=900_000, factor=1000),
        modelled("enable.gapless.guarantee", "boolean", "false", "gapless_guarantee"),
        modelled("compression.codec", "enum", "none", choices=CODECS, any_case=True, aliases=("compression.type",)),
        modelled("transactional.id", "string", None),
        refused("transaction.timeout.ms", "transactions are not modelled yet", "60000"),
        refused("queuing.strategy", "messages wait in the order of produce() here", "fifo"),
        refused("partitioner_cb msg_order_cmp", "code of the application chooses"),
        accepted("compression.level produce.offset.report delivery.report.only.error dr_cb dr_msg_cb"),
        accepted(CONSUMER_ONLY, why="a producer ignores it"),
        LIBRDKAFKA_CLIENT,
    ),
    prefixes=("ssl.", "sasl."),
    elsewhere=JAVA_NAMES,
)  # fmt: skip


def settings(values: Values, compression_percent: int = 100) -> LibrdkafkaProducerSettings:
    """The client that these options create, or librdkafka's refusal to create it."""
    fields = values.settings()
    fields["acks"] = ACKS[values.text("request.required.acks")]
    fields["queue_max_messages"] = fields["queue_max_messages"] or NO_LIMIT  # rd_kafka_curr_msgs_add
    _transactional(values)
    if values.switch("enable.idempotence"):
        _idempotent(values, fields)
    elif values.switch("enable.gapless.guarantee"):
        rule = "enable.gapless.guarantee=true without enable.idempotence=true: creation fails with _INVALID_ARG"
        raise values.refuse("enable.gapless.guarantee", rule, "set enable.idempotence=true, or remove it")
    _timeouts(values, fields)
    fields.update(connection_fields(values))
    fields["compression_ratio_percent"] = compression_percent
    if values.text("compression.codec") != "none" and compression_percent == 100:
        values.notes.append("compression.codec: sizes are counted uncompressed, as compression.ratio is not given")
    return LibrdkafkaProducerSettings(**fields)  # type: ignore[arg-type]


def connection_fields(values: Values) -> dict[str, int]:
    """Timers of connections and metadata, with the defaults that follow other options."""
    refresh, age = "topic.metadata.refresh.interval.ms", "metadata.max.age.ms"
    if not values.explicit(age) and values.number(refresh) > 0:
        values.values[age] = values.number(refresh) * 3
    fast = "topic.metadata.refresh.fast.interval.ms"
    if not values.explicit(fast):
        values.values[fast] = values.number("retry.backoff.ms")
    first, cap = values.number("reconnect.backoff.ms"), values.number("reconnect.backoff.max.ms")
    if cap < first:
        name = next(n for n in ("reconnect.backoff.max.ms", "reconnect.backoff.ms") if values.explicit(n))
        rule = f"reconnect.backoff.max.ms={cap} is below reconnect.backoff.ms={first}: creation fails with _INVALID_ARG"
        raise values.refuse(name, rule, "raise reconnect.backoff.max.ms")
    return {
        "socket_timeout_us": values.number("socket.timeout.ms") * 1000,
        "metadata_refresh_us": max(-1, values.number(refresh) * 1000),
        "metadata_refresh_fast_us": values.number(fast) * 1000,
        "metadata_max_age_us": values.number(age) * 1000,
        "connection_setup_timeout_us": values.number("socket.connection.setup.timeout.ms") * 1000,
        "connections_max_idle_us": values.number("connections.max.idle.ms") * 1000,
    }


def _transactional(values: Values) -> None:
    if not values.explicit("transactional.id"):
        return
    if values.explicit("enable.idempotence") and not values.switch("enable.idempotence"):
        rule = "transactional.id with enable.idempotence=false: creation fails with _INVALID_ARG"
        raise values.refuse("transactional.id", rule, "remove transactional.id, or set enable.idempotence=true")
    rule = "transactional.id is known but not modelled: transactions are not modelled yet"
    raise values.refuse("transactional.id", rule, "remove it")


def _idempotent(values: Values, fields: dict[str, Value]) -> None:
    """Explicit contradictions end the creation; defaults give way silently (``rd_kafka_conf_finalize``)."""
    in_flight, retries = "max.in.flight.requests.per.connection", "message.send.max.retries"
    pressure, acks = "queue.buffering.backpressure.threshold", "request.required.acks"
    for name, broken, kafka_rule, way_out in (
        (in_flight, values.number(in_flight) > MOST_IN_FLIGHT, "must be at most 5", "set it to 5"),
        (retries, values.number(retries) < 1, "must be at least 1", "set it to 1"),
        (pressure, values.number(pressure) > 1, "must be 1", "set it to 1"),
        (acks, ACKS[values.text(acks)] != -1, "must be all", "set it to all"),
    ):
        if broken and values.explicit(name):
            rule = f"{values.says(name)} {kafka_rule} with enable.idempotence=true: creation fails with _INVALID_ARG"
            raise values.refuse(name, rule, f"{way_out} or set enable.idempotence=false")
    if not values.explicit("max.in.flight.requests.per.connection"):
        values.values["max.in.flight.requests.per.connection"] = MOST_IN_FLIGHT
        fields["max_in_flight"] = MOST_IN_FLIGHT
        values.notes.append("enable.idempotence=true set max.in.flight.requests.per.connection to 5")


def _timeouts(values: Values, fields: dict[str, Value]) -> None:
    """``linger.ms`` stays below ``message.timeout.ms``; the sticky interval follows twice the linger."""
    linger, timeout = values.values["queue.buffering.max.ms"], values.number("message.timeout.ms")
    assert isinstance(linger, float)
    if timeout and timeout <= linger:
        if values.explicit("queue.buffering.max.ms"):
            rule = f"message.timeout.ms={timeout} is not above linger.ms={linger:g}: creation fails with _INVALID_ARG"
            name = "message.timeout.ms" if values.explicit("message.timeout.ms") else "queue.buffering.max.ms"
            raise values.refuse(name, rule, "raise message.timeout.ms or lower linger.ms")
        linger = timeout - 0.1
        values.notes.append(f"linger.ms was lowered to {linger:g}, below message.timeout.ms={timeout}")
        values.values["queue.buffering.max.ms"], fields["linger_us"] = linger, int(linger * 1000)
    if not values.explicit("sticky.partitioning.linger.ms"):
        sticky = min(900_000, int(2 * linger))
        values.values["sticky.partitioning.linger.ms"], fields["sticky_linger_us"] = sticky, sticky * 1000
