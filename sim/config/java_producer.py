"""The Java producer's options, and what they make of each other.

Source: ``ProducerConfig`` and ``KafkaProducer.configureDeliveryTimeout`` of Apache Kafka 3.9 and 4.3
(producer 1.1, 1.2).
Rules whose effect Kafka only logs are kept as notes, so that a report can say what the options silently did.
"""

from __future__ import annotations

from sim.config.common import CLIENT_PREFIXES, JAVA_CLIENT, LIBRDKAFKA_NAMES, reconnect_cap, retry_cap
from sim.config.option import Table, accepted, joined, modelled, refused
from sim.config.values import Value, Values
from sim.protocol.settings import JavaProducerSettings, Rules

__all__ = ["TABLE", "settings"]

ACKS = {"all": -1, "-1": -1, "0": 0, "1": 1}
PACKAGE = "org.apache.kafka.clients.producer."
PARTITIONERS = {PACKAGE + "RoundRobinPartitioner": "round_robin"}
OLD_PARTITIONERS = (PACKAGE + "internals.DefaultPartitioner", PACKAGE + "UniformStickyPartitioner")

TABLE = Table(
    "Java producer",
    joined(
        modelled("acks", "enum", "all", choices=tuple(ACKS)),
        modelled("enable.idempotence", "boolean", "true"),
        modelled("max.in.flight.requests.per.connection", "int", "5", "max_in_flight", low=1),
        modelled("retries", "int", "2147483647", "retries", low=0),
        modelled("retry.backoff.ms", "long", "100", "retry_backoff_us", low=0, factor=1000),
        modelled("retry.backoff.max.ms", "long", "1000", "retry_backoff_max_us", low=0, factor=1000),
        modelled("request.timeout.ms", "int", "30000", "request_timeout_us", low=0, factor=1000),
        modelled("delivery.timeout.ms", "int", "120000", "delivery_timeout_us", low=0, factor=1000),
        modelled("linger.ms", "long", ("0", "5"), "linger_us", low=0, factor=1000),
        modelled("batch.size", "int", "16384", "batch_size_bytes", low=0),
        modelled("max.request.size", "int", "1048576", "max_request_size_bytes", low=0),
        modelled("buffer.memory", "long", "33554432", "buffer_memory_bytes", low=0),
        modelled("max.block.ms", "long", "60000", "max_block_us", low=0, factor=1000),
        modelled("partitioner.class", "class", None),
        modelled("partitioner.ignore.keys", "boolean", "false", "partitioner_ignore_keys"),
        modelled("partitioner.adaptive.partitioning.enable", "boolean", "true", "partitioner_adaptive"),
        modelled(
            "partitioner.availability.timeout.ms",
            "long",
            "0",
            "partitioner_availability_timeout_us",
            low=0,
            factor=1000,
        ),
        modelled("metadata.max.age.ms", "long", "300000", "metadata_max_age_us", low=0, factor=1000),
        modelled("reconnect.backoff.ms", "long", "50", "reconnect_backoff_us", low=0, factor=1000),
        modelled("reconnect.backoff.max.ms", "long", "1000", "reconnect_backoff_max_us", low=0, factor=1000),
        modelled("socket.connection.setup.timeout.ms", "long", "10000", "connection_setup_timeout_us", factor=1000),
        modelled(
            "socket.connection.setup.timeout.max.ms", "long", "30000", "connection_setup_timeout_max_us", factor=1000
        ),
        modelled("connections.max.idle.ms", "long", "540000", "connections_max_idle_us", factor=1000),
        modelled("compression.type", "enum", "none", choices=("none", "gzip", "snappy", "lz4", "zstd")),
        modelled("transactional.id", "string", None),
        refused("transaction.timeout.ms", "transactions are not modelled yet", "60000"),
        refused("interceptor.classes", "an interceptor may change, drop or add records", ""),
        refused("transaction.two.phase.commit.enable", "transactions are not modelled yet", "false"),
        accepted("key.serializer value.serializer", "class", "sizes come from the workload"),
        accepted("metadata.max.idle.ms", "long", "every topic of a scenario is in use"),
        accepted("compression.gzip.level compression.lz4.level compression.zstd.level", "int"),
        JAVA_CLIENT,
    ),
    prefixes=CLIENT_PREFIXES,
    elsewhere=LIBRDKAFKA_NAMES,
)


def settings(values: Values, rules: Rules, compression_percent: int = 100) -> JavaProducerSettings:
    """The producer that these options construct, or Kafka's refusal to construct it."""
    fields = values.settings()
    fields["acks"] = ACKS[values.text("acks")]
    fields["idempotence"] = _idempotence(values, rules)
    _transactional(values, bool(fields["idempotence"]))
    fields["partitioner"] = _partitioner(values)
    fields["round_robin_asks_twice"] = rules.partitioner_asked_twice
    _delivery_timeout(values, fields)
    retry_cap(values, fields)
    reconnect_cap(values, fields)
    fields["batch_size_bytes"] = max(1, values.number("batch.size"))  # 0 acts as 1
    fields["compression_ratio_percent"] = compression_percent
    if values.text("compression.type") != "none" and compression_percent == 100:
        values.notes.append("compression.type: sizes are counted uncompressed, as compression.ratio is not given")
    return JavaProducerSettings(**fields)  # type: ignore[arg-type]


def _idempotence(values: Values, rules: Rules) -> bool:
    """Explicit contradictions are refused, implicit ones switch idempotence off (producer 1.2)."""
    if not values.switch("enable.idempotence"):
        values.values["enable.idempotence"] = False
        return False
    on = True
    explicit = values.explicit("enable.idempotence")
    for name, broken, kafka_rule, way_out in _conflicts(values):
        if not broken:
            continue
        fatal = name.startswith("max.in.flight") and rules.max_in_flight_above_5_is_an_error
        if explicit or fatal:
            found = f"{name}={values.given[name]} with enable.idempotence=true{'' if explicit else ' (the default)'}"
            raise values.refuse(
                name, f"ConfigException: {found}: {kafka_rule}", f"{way_out} or enable.idempotence=false"
            )
        values.notes.append(f"{name}={values.given[name]} switched idempotence off: {kafka_rule}")
        on = False
    values.values["enable.idempotence"] = on
    return on


def _conflicts(values: Values) -> tuple[tuple[str, bool, str, str], ...]:
    most = values.number("max.in.flight.requests.per.connection")
    return (
        ("retries", values.number("retries") == 0, "the idempotent producer needs retries above 0", "set retries=1"),
        ("acks", ACKS[values.text("acks")] != -1, "the idempotent producer needs acks=all", "set acks=all"),
        (
            "max.in.flight.requests.per.connection", most > 5,
            "the idempotent producer allows at most 5 requests in flight", "set it to 5",
        ),
    )  # fmt: skip


def _transactional(values: Values, idempotence: bool) -> None:
    name = "transactional.id"
    if not values.explicit(name):
        return
    found = values.says(name)
    if not values.given[name]:
        raise values.refuse(name, f"ConfigException: {name} must not be empty", "remove it")
    if not idempotence:
        rule = f"ConfigException: {found} without idempotence: a transactional producer must be idempotent"
        raise values.refuse(name, rule, "remove transactional.id, or what switches idempotence off")
    raise values.refuse(name, f"{found} is known but not modelled: transactions are not modelled yet", "remove it")


def _partitioner(values: Values) -> str:
    name = values.text("partitioner.class").strip()
    if not name:
        return "default"
    if name in OLD_PARTITIONERS:
        rule = f"{values.says('partitioner.class')} is known but not modelled: it is a partitioner of before KIP-794"
        raise values.refuse("partitioner.class", rule, "remove it for the built-in partitioner")
    if name in PARTITIONERS:
        return PARTITIONERS[name]
    values.notes.append(f"{values.says('partitioner.class')}: every record must name its partition")
    return "custom"


def _delivery_timeout(values: Values, fields: dict[str, Value]) -> None:
    """``delivery.timeout.ms`` is at least ``linger.ms + request.timeout.ms`` (producer 1.2)."""
    linger = min(values.number("linger.ms"), 2**31 - 1)
    least = min(linger + values.number("request.timeout.ms"), 2**31 - 1)
    delivery = values.number("delivery.timeout.ms")
    fields["linger_us"] = linger * 1000
    if delivery >= least:
        return
    if values.explicit("delivery.timeout.ms"):
        rule = f"ConfigException: delivery.timeout.ms={delivery} is below linger.ms + request.timeout.ms = {least}"
        raise values.refuse("delivery.timeout.ms", rule, f"set delivery.timeout.ms to {least} or more")
    values.notes.append(f"delivery.timeout.ms was raised from {delivery} to linger.ms + request.timeout.ms = {least}")
    values.values["delivery.timeout.ms"] = least
    fields["delivery_timeout_us"] = least * 1000
