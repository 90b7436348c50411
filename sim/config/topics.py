"""Options of topics and brokers, and how a topic takes from its broker what it does not say itself.

Sources: ``TopicConfig``, ``LogConfig``, ``ServerLogConfigs``, ``ReplicationConfigs``, ``KRaftConfigs`` of Apache Kafka
3.9 and 4.3 (broker 1.1 to 1.4).
"""

from __future__ import annotations

from sim.config.option import Table, accepted, joined, modelled, refused
from sim.config.values import Value, Values
from sim.protocol.settings import BrokerSettings, ControllerSettings, TopicSettings

__all__ = ["BROKER", "FROM_BROKER", "TOPIC", "broker_settings", "controller_settings", "topic_settings"]

FOREVER = str(2**63 - 1)
LEAST_SEGMENT_BYTES = 1 << 20
STAMPS = ("CreateTime", "LogAppendTime")
POLICIES = ("delete", "compact")
CODECS = "producer, uncompressed, zstd, lz4, snappy, gzip"

TOPIC = Table(
    "topic",
    joined(
        modelled("min.insync.replicas", "int", "1", "min_insync_replicas", low=1),
        modelled("unclean.leader.election.enable", "boolean", "false", "unclean_leader_election"),
        modelled("max.message.bytes", "int", "1048588", "max_message_bytes", low=0),
        modelled("message.timestamp.type", "enum", "CreateTime", choices=STAMPS),
        modelled("flush.messages", "long", FOREVER, "flush_messages", low=1),
        modelled("flush.ms", "long", FOREVER, "flush_us", low=0, factor=1000),
        modelled("segment.bytes", "int", "1073741824", "segment_bytes", low=14),
        modelled("retention.ms", "long", "604800000", "retention_us", low=-1, factor=1000),
        modelled("retention.bytes", "long", "-1", "retention_bytes"),
        modelled("cleanup.policy", "list", "delete", choices=POLICIES),
        refused("remote.storage.enable", "tiered storage is not modelled", "false"),
        refused("message.format.version", "one record format is modelled"),
        accepted("segment.ms segment.jitter.ms", "long", "segments roll by size here"),
        accepted("segment.index.bytes index.interval.bytes preallocate file.delete.delay.ms"),
        accepted("message.timestamp.difference.max.ms message.timestamp.before.max.ms message.timestamp.after.max.ms"),
        accepted("delete.retention.ms min.compaction.lag.ms max.compaction.lag.ms min.cleanable.dirty.ratio"),
        accepted("compression.type compression.gzip.level compression.lz4.level compression.zstd.level"),
        accepted("local.retention.ms local.retention.bytes remote.log.copy.disable remote.log.delete.on.disable"),
        accepted("message.downconversion.enable leader.replication.throttled.replicas"),
        accepted("follower.replication.throttled.replicas", why="only replicas out of sync are throttled"),
    ),
)

# The broker's name of each topic option that is modelled; where several decide, the first that is set.
FROM_BROKER: dict[str, tuple[tuple[str, int], ...]] = {
    "min.insync.replicas": (("min.insync.replicas", 1),),
    "unclean.leader.election.enable": (("unclean.leader.election.enable", 1),),
    "max.message.bytes": (("message.max.bytes", 1),),
    "message.timestamp.type": (("log.message.timestamp.type", 1),),
    "flush.messages": (("log.flush.interval.messages", 1),),
    "flush.ms": (("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)),
    "segment.bytes": (("log.segment.bytes", 1),),
    "retention.ms": (("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)),
    "retention.bytes": (("log.retention.bytes", 1),),
    "cleanup.policy": (("log.cleanup.policy", 1),),
}

BROKER = Table(
    "broker",
    joined(
        # Replication and liveness (broker 1.2, 1.3).
        modelled("replica.lag.time.max.ms", "long", "30000", "replica_lag_time_max_us", low=1, factor=1000),
        modelled("replica.fetch.wait.max.ms", "int", "500", "replica_fetch_wait_max_us", low=0, factor=1000),
        modelled("replica.fetch.min.bytes", "int", "1", "replica_fetch_min_bytes", low=0),
        modelled("replica.fetch.backoff.ms", "int", "1000", "replica_fetch_backoff_us", low=0, factor=1000),
        modelled("replica.fetch.max.bytes", "int", "1048576", "replica_fetch_max_bytes", low=0),
        modelled("replica.fetch.response.max.bytes", "int", "10485760", "replica_fetch_response_max_bytes", low=0),
        modelled("replica.socket.timeout.ms", "int", "30000", "replica_socket_timeout_us", low=1, factor=1000),
        modelled(
            "replica.high.watermark.checkpoint.interval.ms", "long", "5000", "high_watermark_checkpoint_us", low=1,
            factor=1000,
        ),
        modelled("broker.heartbeat.interval.ms", "int", "2000", "heartbeat_interval_us", low=1, factor=1000),
        modelled("broker.session.timeout.ms", "int", "9000", "session_timeout_us", low=1, factor=1000),
        modelled("connections.max.idle.ms", "long", "600000", "connections_max_idle_us", factor=1000),
        modelled("producer.id.expiration.ms", "int", "86400000", "producer_id_expiration_us", low=1, factor=1000),
        modelled(
            "producer.id.expiration.check.interval.ms", "int", "600000", "producer_id_expiration_check_us", low=1,
            factor=1000,
        ),
        modelled(
            "log.flush.offset.checkpoint.interval.ms", "int", "60000", "log_flush_recovery_checkpoint_us", low=1,
            factor=1000,
        ),
        modelled("log.retention.check.interval.ms", "long", "300000", "retention_check_us", low=1, factor=1000),
        # The controller's.
        modelled("auto.leader.rebalance.enable", "boolean", "true"),
        modelled("leader.imbalance.check.interval.seconds", "long", "300", low=1),
        modelled("unclean.leader.election.interval.ms", "long", "300000", low=1),
        modelled("eligible.leader.replicas.enable", "boolean", ("false", "true")),
        # Defaults of topics.
        modelled("min.insync.replicas", "int", "1", low=1),
        modelled("unclean.leader.election.enable", "boolean", "false"),
        modelled("message.max.bytes", "int", "1048588", low=0),
        modelled("log.message.timestamp.type", "enum", "CreateTime", choices=STAMPS),
        modelled("log.flush.interval.messages", "long", FOREVER, low=1),
        modelled("log.flush.interval.ms", "long", None),
        modelled("log.flush.scheduler.interval.ms", "long", FOREVER, "log_flush_scheduler_us", factor=1000),
        modelled("log.segment.bytes", "int", "1073741824", low=14),
        modelled("log.retention.ms", "long", None),
        modelled("log.retention.minutes", "int", None),
        modelled("log.retention.hours", "int", "168"),
        modelled("log.retention.bytes", "long", "-1"),
        modelled("log.cleanup.policy", "list", "delete", choices=POLICIES),
        modelled("default.replication.factor", "int", "1", low=1),
        # Group coordinators (consumer 1.2).
        modelled("group.initial.rebalance.delay.ms", "int", "3000", low=0),
        modelled("group.min.session.timeout.ms", "int", "6000", low=0),
        modelled("group.max.session.timeout.ms", "int", "1800000", low=0),
        modelled("group.max.size", "int", "2147483647", low=1),
        modelled("group.consumer.session.timeout.ms", "int", "45000", low=1),
        modelled("group.consumer.min.session.timeout.ms", "int", "45000", low=1),
        modelled("group.consumer.max.session.timeout.ms", "int", "60000", low=1),
        modelled("group.consumer.heartbeat.interval.ms", "int", "5000", low=1),
        modelled("group.consumer.min.heartbeat.interval.ms", "int", "5000", low=1),
        modelled("group.consumer.max.heartbeat.interval.ms", "int", "15000", low=1),
        modelled("group.consumer.assignment.interval.ms", "int", "1000", low=0),
        modelled("group.consumer.min.assignment.interval.ms", "int", "0", low=0),
        modelled("group.consumer.max.assignment.interval.ms", "int", "15000", low=0),
        modelled("group.consumer.assignors", "string", "uniform,range"),
        modelled("group.consumer.max.size", "int", "2147483647", low=1),
        modelled("offsets.commit.timeout.ms", "int", "5000", low=1),
        modelled("offsets.topic.num.partitions", "int", "50", low=1),
        modelled("offsets.topic.replication.factor", "int", "3", low=1),
        accepted("num.partitions", "int", "a topic of a scenario says its partitions"),
        # Known, not modelled.
        refused("num.replica.fetchers", "one fetcher a source broker is modelled", "1"),
        refused("replica.selector.class", "readers fetch from leaders here", ""),
        refused("controlled.shutdown.enable", "the verb shutdown is a controlled one", "true"),
        refused("queued.max.request.bytes", "requests wait without a limit of memory", "-1"),
        refused("max.connections max.connections.per.ip", "connections are not limited", "2147483647"),
        refused("max.connection.creation.rate", "connections are not limited", "2147483647"),
        refused("max.connections.per.ip.overrides", "connections are not limited", ""),
        refused("inter.broker.protocol.version", "the scenario's key kafka says the release"),
        refused("log.message.format.version", "one record format is modelled"),
        refused("client.quota.callback.class", "code of its own decides"),
        refused("create.topic.policy.class.name alter.config.policy.class.name", "code of its own decides"),
        refused("remote.log.storage.system.enable", "tiered storage is not modelled", "false"),
        refused("zookeeper.connect zookeeper.metadata.migration.enable", "brokers are in KRaft mode here"),
        accepted("broker.id node.id broker.rack process.roles reserved.broker.max.id broker.id.generation.enable"),
        accepted("listeners advertised.listeners controller.listener.names inter.broker.listener.name"),
        accepted("early.start.listeners"),
        accepted("listener.security.protocol.map control.plane.listener.name security.inter.broker.protocol"),
        accepted("log.dir log.dirs metadata.log.dir log.dir.failure.timeout.ms num.recovery.threads.per.data.dir"),
        accepted("num.network.threads num.io.threads background.threads queued.max.requests", "int"),
        accepted("num.replica.alter.log.dirs.threads log.index.size.max.bytes log.index.interval.bytes"),
        accepted("log.preallocate", "boolean"),
        accepted("socket.send.buffer.bytes socket.receive.buffer.bytes socket.request.max.bytes"),
        accepted("socket.listen.backlog.size"),
        accepted("replica.socket.receive.buffer.bytes connection.failed.authentication.delay.ms request.timeout.ms"),
        accepted("log.roll.ms log.roll.hours log.roll.jitter.ms log.roll.jitter.hours", "long",
        "segments roll by size"),
        accepted("log.segment.delete.delay.ms log.initial.task.delay.ms"),
        accepted("log.flush.start.offset.checkpoint.interval.ms"),
        accepted("log.message.timestamp.difference.max.ms log.message.timestamp.before.max.ms"),
        accepted("log.message.timestamp.after.max.ms log.message.downconversion.enable compression.type"),
        accepted("compression.gzip.level compression.lz4.level compression.zstd.level delete.topic.enable"),
        accepted("auto.create.topics.enable", "boolean", "every topic of a scenario exists from the start"),
        accepted("leader.imbalance.per.broker.percentage", "int", "KRaft does not read it"),
        accepted("controlled.shutdown.max.retries controlled.shutdown.retry.backoff.ms", "int",
        "KRaft does not read it"),
        accepted("initial.broker.registration.timeout.ms controller.socket.timeout.ms server.max.startup.time.ms",
        "int"),
        accepted("metadata.max.idle.interval.ms metadata.max.retention.bytes metadata.max.retention.ms"),
        accepted("max.incremental.fetch.session.cache.slots max.request.partition.size.limit fetch.max.bytes", "int"),
        accepted("fetch.purgatory.purge.interval.requests producer.purgatory.purge.interval.requests"),
        accepted("delete.records.purgatory.purge.interval.requests telemetry.max.bytes authorizer.class.name"),
        accepted("client.id metric.reporters metrics.num.samples metrics.sample.window.ms metrics.recording.level"),
        accepted("auto.include.jmx.reporter kafka.metrics.reporters kafka.metrics.polling.interval.secs"),
        accepted("leader.replication.throttled.rate follower.replication.throttled.rate"),
        accepted("principal.builder.class super.users allow.everyone.if.no.acl.found config.providers"),
        # Not whole families: a misspelled name of those above must not pass for one of these.
        accepted("group.consumer.migration.policy group.consumer.regex.refresh.interval.ms"),
        accepted("group.consumer.assignor.offload.enable"),
        accepted("offsets.retention.minutes offsets.retention.check.interval.ms", "int", "no committed offset expires"),
        accepted("offsets.load.buffer.size offsets.commit.required.acks offsets.topic.compression.codec"),
        accepted("offsets.topic.segment.bytes"),
        accepted("unstable.api.versions.enable unstable.feature.versions.enable offset.metadata.max.bytes"),
    ),
    prefixes=(
        "ssl.", "sasl.", "security.", "listener.name.", "controller.quorum.", "controller.quota.", "quota.",
        "replication.quota.",
        "alter.log.dirs.", "replica.alter.log.dirs.", "delegation.token.", "password.encoder.", "metadata.log.",
        "log.cleaner.",
        "group.coordinator.", "group.share.", "group.streams.",
        "share.coordinator.", "transaction.", "transactional.id.", "remote.log.",
        "log.local.retention.",
        "metrics.", "confluent.", "remote.",
    ),
)  # fmt: skip


def topic_settings(values: Values, broker: Values, replicas: int) -> TopicSettings:
    """The topic's own options, else the broker's (``LogConfig.fromProps``)."""
    for name, sources in FROM_BROKER.items():
        if not values.explicit(name):
            values.values[name] = _from_broker(broker, sources)
    _refuse_small_segments(values if values.explicit("segment.bytes") else broker, values.number("segment.bytes"))
    fields = values.settings()
    asked = values.number("min.insync.replicas")
    if asked > replicas:  # broker:SC-52
        values.notes.append(f"min.insync.replicas={asked} counts as {replicas}, the number of replicas")
    fields["min_insync_replicas"] = min(asked, replicas)
    scheduler, flush = "log.flush.scheduler.interval.ms", values.number("flush.ms")  # LogManager.flushDirtyLogs
    if flush < int(FOREVER) and not 0 < broker.number(scheduler) < int(FOREVER):
        values.notes.append(
            f"flush.ms={flush} counts only once, 30 s after a broker's start: {scheduler}, how often brokers look for"
            " logs to flush, is not set"
        )
    fields["log_append_time"] = values.text("message.timestamp.type") == "LogAppendTime"
    fields["compact"] = "delete" not in values.text("cleanup.policy").split(",")  # then retention removes nothing
    return TopicSettings(**fields)  # type: ignore[arg-type]


def _refuse_small_segments(values: Values, size_bytes: int) -> None:
    """4.0 and later create no topic with segments below a mebibyte (KIP-1030, ``LogConfig``)."""
    if values.release == "3.9" or size_bytes >= LEAST_SEGMENT_BYTES:
        return
    name = "segment.bytes" if values.explicit("segment.bytes") else "log.segment.bytes"
    rule = f"{name}={size_bytes} is below {LEAST_SEGMENT_BYTES}, the least from Kafka 4.0 on"
    raise values.refuse(name, rule, f"set it to {LEAST_SEGMENT_BYTES} or more")


def _from_broker(broker: Values, sources: tuple[tuple[str, int], ...]) -> Value:
    for name, factor in sources:
        value = broker.values[name]
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            return value
        return -1 if value < 0 and factor > 1 else value * factor
    raise AssertionError(sources)


def broker_settings(values: Values) -> BrokerSettings:
    """One setting is for all brokers (``KafkaConfig.validateValues``)."""
    wait = "replica.fetch.wait.max.ms"
    for limit in ("replica.socket.timeout.ms", "replica.lag.time.max.ms"):
        if values.number(wait) > values.number(limit):
            found = f"{wait}={values.number(wait)} is above {limit}={values.number(limit)}"
            named = limit if values.explicit(limit) else wait
            raise values.refuse(named, f"a broker does not start: {found}", f"raise {limit}, or lower {wait}")
    for name in ("log.retention.ms", "log.retention.minutes", "log.retention.hours"):
        if values.values[name] is not None and not (values.number(name) >= 1 or values.number(name) == -1):
            raise values.refuse(
                name, f"{values.says(name)} is neither -1 (never) nor at least 1", "write -1 to keep all"
            )
    heartbeat, session = values.number("broker.heartbeat.interval.ms"), values.number("broker.session.timeout.ms")
    if heartbeat * 2 > session:
        values.notes.append(
            f"broker.heartbeat.interval.ms={heartbeat} is above half of broker.session.timeout.ms={session}"
        )
    return BrokerSettings(**values.settings())  # type: ignore[arg-type]


def controller_settings(values: Values, voters: int) -> ControllerSettings:
    """From the controller's options, where they are the same names as the brokers'."""
    return ControllerSettings(
        session_timeout_us=values.number("broker.session.timeout.ms") * 1000,
        auto_leader_rebalance=values.switch("auto.leader.rebalance.enable"),
        leader_imbalance_check_us=values.number("leader.imbalance.check.interval.seconds") * 1_000_000,
        unclean_election_interval_us=values.number("unclean.leader.election.interval.ms") * 1000,
        voters=voters,
    )
