"""What clients of both flavours, and both kinds, have in common: families of options without influence, back-off caps.

Sources: ``CommonClientConfigs`` of Apache Kafka, ``CONFIGURATION.md`` of librdkafka 2.16.
"""

from __future__ import annotations

from sim.config.option import Option, accepted, modelled, refused
from sim.config.values import Value, Values

__all__ = [
    "CLIENT_PREFIXES", "JAVA_CLIENT", "JAVA_NAMES", "LIBRDKAFKA_CLIENT", "LIBRDKAFKA_NAMES", "reconnect_cap",
    "retry_cap",
]  # fmt: skip

# Credentials, serializers of schema registries: families with names that korder need not know.
CLIENT_PREFIXES = (
    "ssl.", "sasl.", "security.", "schema.registry.", "basic.auth.", "bearer.auth.", "confluent.", "metrics.",
    "auto.register.",
    "specific.avro.", "key.subject.name.", "value.subject.name.", "apicurio.",
)  # fmt: skip

JAVA_CLIENT: list[Option] = [
    *accepted("bootstrap.servers client.id client.dns.lookup client.rack", why="the cluster is the scenario's"),
    *accepted("security.protocol security.providers"),
    *accepted("send.buffer.bytes receive.buffer.bytes", "int"),
    *accepted("metrics.recording.level metric.reporters auto.include.jmx.reporter enable.metrics.push"),
    *accepted("metrics.num.samples metrics.sample.window.ms", "long"),
    *accepted("config.providers"),
    *refused(
        "metadata.recovery.strategy", "clients recover as the release does by default", ("none", "rebootstrap")
    ),
    *accepted("metadata.recovery.rebootstrap.trigger.ms", "long"),
]  # fmt: skip

LIBRDKAFKA_CLIENT: list[Option] = [
    *accepted("metadata.broker.list bootstrap.servers client.id client.rack client.dns.lookup builtin.features"),
    *accepted("client.software.name client.software.version broker.address.family plugin.library.paths"),
    *accepted("security.protocol ssl_key ssl_certificate ssl_ca ssl_engine_callback_data debug log_level log.queue"),
    *accepted("https.ca.location https.ca.pem enable.ssl.certificate.verification"),
    *accepted("enable.sasl.oauthbearer.unsecure.jwt", "boolean"),
    *accepted("log.thread.name log.connection.close statistics.interval.ms enabled_events enable.metrics.push"),
    *accepted("error_cb throttle_cb stats_cb log_cb background_event_cb", "callback"),
    *accepted("socket_cb connect_cb closesocket_cb open_cb resolve_cb opaque", "callback"),
    *accepted("oauthbearer_token_refresh_cb default_topic_conf", "callback"),
    *accepted("message.copy.max.bytes receive.message.max.bytes", "int"),
    *accepted("socket.send.buffer.bytes socket.receive.buffer.bytes", "int"),
    *accepted("socket.keepalive.enable socket.nagle.disable internal.termination.signal broker.address.ttl"),
    *accepted("socket.blocking.max.ms topic.metadata.refresh.fast.cnt topic.metadata.refresh.sparse"),
    *accepted("topic.metadata.propagation.max.ms", "int", "every topic of a scenario exists from the start"),
    *accepted("topic.blacklist reconnect.backoff.jitter.ms enable.random.seed allow.auto.create.topics"),
    *accepted("api.version.request api.version.request.timeout.ms api.version.fallback.ms broker.version.fallback"),
    *accepted("metadata.recovery.rebootstrap.trigger.ms", "int"),
    *refused("metadata.recovery.strategy", "clients recover as the release does by default", "rebootstrap"),
    *refused("socket.max.fails", "one failed request always closes the connection here", "1"),
    *refused("interceptors", "an interceptor may change, drop or add records", ""),
    modelled("socket.timeout.ms", "int", "60000", low=10, high=300_000),
    modelled("topic.metadata.refresh.interval.ms", "int", "300000", low=-1, high=3_600_000),
    modelled("metadata.max.age.ms", "int", "900000", low=1, high=86_400_000),
    modelled("topic.metadata.refresh.fast.interval.ms", "int", "100", low=1, high=60_000),
    modelled("socket.connection.setup.timeout.ms", "int", "30000", low=1000, high=2**31 - 1),
    modelled("connections.max.idle.ms", "int", "0", low=0, high=2**31 - 1),
    modelled("reconnect.backoff.ms", "int", "100", "reconnect_backoff_us", low=0, high=3_600_000, factor=1000),
    modelled(
        "reconnect.backoff.max.ms", "int", "10000", "reconnect_backoff_max_us", low=0, high=3_600_000, factor=1000
    ),
    modelled("retry.backoff.ms", "int", "100", "retry_backoff_us", low=1, high=300_000, factor=1000),
    modelled("retry.backoff.max.ms", "int", "1000", "retry_backoff_max_us", low=1, high=300_000, factor=1000),
]  # fmt: skip

# What the other flavour calls the same thing.
LIBRDKAFKA_NAMES = {
    "message.timeout.ms": "delivery.timeout.ms", "request.required.acks": "acks", "queue.buffering.max.ms": "linger.ms",
    "message.send.max.retries": "retries", "max.in.flight": "max.in.flight.requests.per.connection",
    "queue.buffering.max.kbytes": "buffer.memory", "compression.codec": "compression.type",
    "partitioner": "partitioner.class", "topic.metadata.refresh.interval.ms": "metadata.max.age.ms",
    "message.max.bytes": "max.request.size", "fetch.wait.max.ms": "fetch.max.wait.ms",
    "socket.timeout.ms": "request.timeout.ms",
    "fetch.message.max.bytes": "max.partition.fetch.bytes", "metadata.broker.list": "bootstrap.servers",
}  # fmt: skip
JAVA_NAMES = {
    "buffer.memory": "queue.buffering.max.kbytes", "partitioner.class": "partitioner",
    "max.request.size": "message.max.bytes",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
}  # fmt: skip


def retry_cap(values: Values, fields: dict[str, Value]) -> None:
    """A first back-off above the cap makes every delay the cap (``warnDisablingExponentialBackoff``)."""
    first, cap = values.number("retry.backoff.ms"), values.number("retry.backoff.max.ms")
    if first > cap:
        values.notes.append(f"retry.backoff.ms={first} is above retry.backoff.max.ms={cap}: every back-off is {cap} ms")
        fields["retry_backoff_us"] = cap * 1000


def reconnect_cap(values: Values, fields: dict[str, Value]) -> None:
    """Only the first reconnect delay given: it is the cap too (``postProcessReconnectBackoffConfigs``)."""
    first, cap = "reconnect.backoff.ms", "reconnect.backoff.max.ms"
    if values.explicit(first) and not values.explicit(cap):
        values.values[cap] = values.number(first)
        fields["reconnect_backoff_max_us"] = values.number(first) * 1000
        values.notes.append(f"{cap} follows {first}={values.number(first)}: the delay does not grow")
