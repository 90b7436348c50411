"""Resolved, frozen settings of the roles, and a release as named switches.

``sim.config`` makes these from options under Kafka's names; the protocol never sees an option string or a version.
Times are integer microseconds (``_us``), sizes integer bytes. Defaults here are those of Apache Kafka 4.3 and
librdkafka 2.16 so that a test can write ``JavaProducerSettings(acks=1)``; the authority is ``sim.config``, and a test
holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "BrokerSettings", "ControllerSettings", "CoordinatorSettings", "GroupDirectory", "JavaProducerSettings",
    "LibrdkafkaMemberSettings",
    "LibrdkafkaProducerSettings", "MemberSettings", "ProcessingSettings", "ReaderSettings", "Rules", "TopicSettings",
]  # fmt: skip

MS = 1_000
S = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What depends on the release of brokers and Java client (``kafka: "4.3"`` in a scenario)."""

    release: str = "4.3"
    high_watermark_stops_under_min_isr: bool = True  # 3.7, KAFKA-15583 (broker:CFG-3)
    eligible_leader_replicas: bool = True  # default of a new 4.x cluster, KIP-966
    max_in_flight_above_5_is_an_error: bool = True  # 4.0 (producer 1.2)
    exponential_retry_backoff: bool = True  # 3.7, KIP-580
    leader_hints: bool = True  # 3.7, KIP-951
    rebootstrap: bool = True  # KIP-899
    partitioner_asked_twice: bool = False  # for a record that opens a batch (KAFKA-9965); until 4.0 (KAFKA-17632)
    unknown_producer_mapping_is_fatal: bool = True  # INVALID_PRODUCER_ID_MAPPING; measured on 4.3, before 4.0 a bump


@dataclass(frozen=True, slots=True)
class JavaProducerSettings:
    acks: int = -1
    idempotence: bool = True
    max_in_flight: int = 5
    retries: int = 2147483647
    retry_backoff_us: int = 100 * MS
    retry_backoff_max_us: int = 1000 * MS
    request_timeout_us: int = 30 * S
    delivery_timeout_us: int = 120 * S
    linger_us: int = 5 * MS
    batch_size_bytes: int = 16384
    max_request_size_bytes: int = 1048576
    buffer_memory_bytes: int = 33554432
    max_block_us: int = 60 * S
    partitioner: str = "default"  # default, round_robin, or custom: explicit partitions only
    round_robin_asks_twice: bool = False  # before 4.0 RoundRobinPartitioner was asked again for each new batch
    partitioner_ignore_keys: bool = False
    partitioner_adaptive: bool = True
    partitioner_availability_timeout_us: int = 0
    metadata_max_age_us: int = 300 * S
    reconnect_backoff_us: int = 50 * MS
    reconnect_backoff_max_us: int = 1000 * MS
    connection_setup_timeout_us: int = 10 * S
    connection_setup_timeout_max_us: int = 30 * S
    connections_max_idle_us: int = 540 * S
    compression_ratio_percent: int = 100  # bytes on the wire per 100 bytes of records


@dataclass(frozen=True, slots=True)
class LibrdkafkaProducerSettings:
    acks: int = -1
    idempotence: bool = False
    max_in_flight: int = 1_000_000
    retries: int = 2147483647
    retry_backoff_us: int = 100 * MS
    retry_backoff_max_us: int = 1000 * MS
    socket_timeout_us: int = 60 * S
    request_timeout_us: int = 30 * S  # the broker's wait for acks only
    message_timeout_us: int = 300 * S  # 0: never
    linger_us: int = 5 * MS
    batch_size_bytes: int = 1_000_000
    batch_num_messages: int = 10_000
    queue_max_messages: int = 100_000
    queue_max_bytes: int = 1024 * 1_048_576
    message_max_bytes: int = 1_000_000
    backpressure_threshold: int = 1
    partitioner: str = "consistent_random"
    sticky_linger_us: int = 10 * MS
    metadata_refresh_us: int = 300 * S
    metadata_refresh_fast_us: int = 100 * MS
    metadata_max_age_us: int = 900 * S
    reconnect_backoff_us: int = 100 * MS
    reconnect_backoff_max_us: int = 10 * S
    connection_setup_timeout_us: int = 30 * S
    connections_max_idle_us: int = 0
    gapless_guarantee: bool = False
    compression_ratio_percent: int = 100


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """A consumer with assigned partitions."""

    flavour: str = "java"
    fetch_min_bytes: int = 1
    fetch_max_wait_us: int = 500 * MS
    fetch_max_bytes: int = 52428800
    max_partition_fetch_bytes: int = 1048576
    max_poll_records: int = 500
    offset_reset: str = "latest"  # earliest, latest, none, by_duration
    reset_duration_us: int = -1  # by_duration: begin at the first record that is not older
    metadata_max_age_us: int = 300 * S
    retry_backoff_us: int = 100 * MS
    retry_backoff_max_us: int = 1000 * MS
    reconnect_backoff_us: int = 50 * MS
    reconnect_backoff_max_us: int = 1000 * MS
    request_timeout_us: int = 30 * S
    # librdkafka alone
    connection_setup_timeout_us: int = 30 * S
    fetch_error_backoff_us: int = 500 * MS


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """A consumer that subscribes as a member of a group. How it fetches is in its :class:`ReaderSettings`.

    With ``protocol`` "consumer" assignors, session and heartbeats are the coordinator's.
    """

    client_id: str = "consumer-group-1"
    instance: str = ""  # group.instance.id
    protocol: str = "classic"  # group.protocol: classic, consumer (KIP-848)
    remote_assignor: str = ""  # group.remote.assignor, "": the coordinator's first
    assignors: tuple[str, ...] = ("range", "cooperative-sticky")
    cooperative: bool = False  # the highest protocol that all its assignors share (consumer 1.1)
    session_timeout_us: int = 45 * S
    heartbeat_interval_us: int = 3 * S
    max_poll_interval_us: int = 300 * S
    auto_commit: bool = True
    auto_commit_interval_us: int = 5 * S
    default_api_timeout_us: int = 60 * S
    one_buffered_holds_node: bool = True  # 4.0: a broker with buffered data is not asked for more (consumer:F2.5)


@dataclass(frozen=True, slots=True)
class LibrdkafkaMemberSettings:
    """A librdkafka consumer that subscribes as a member of a group, and how its application asks it.

    With ``protocol`` "consumer" assignors, session and heartbeats are the coordinator's; ``session_timeout_us`` is then
    the time that a commit may wait for a coordinator, and the very first heartbeat for an answer.
    """

    client_id: str = "rdkafka"
    instance: str = ""  # group.instance.id
    protocol: str = "classic"  # group.protocol: classic, consumer (KIP-848)
    remote_assignor: str = ""  # group.remote.assignor, "": the coordinator's first
    assignors: tuple[str, ...] = ("range", "roundrobin")
    cooperative: bool = False
    session_timeout_us: int = 45 * S
    heartbeat_interval_us: int = 3 * S
    max_poll_interval_us: int = 300 * S
    auto_commit: bool = True
    auto_commit_interval_us: int = 5 * S  # 0: the timer commits nothing
    auto_offset_store: bool = True  # else the application stores the offset of a record behind its work
    queued_min_messages: int = 100_000
    queued_max_bytes: int = 65536 * 1024
    fetch_queue_backoff_us: int = 1000 * MS
    retry_backoff_us: int = 100 * MS
    retry_backoff_max_us: int = 1000 * MS
    consume_messages: int = 1  # rd_kafka_consumer_poll(); more: rd_kafka_consume_batch_queue()
    consume_timeout_us: int = 1 * S


@dataclass(frozen=True, slots=True)
class ProcessingSettings:
    """What the application of a group member does with what ``poll()`` returns: in one thread, one record after
    another, or in a pool of threads.

    How long it takes is drawn by the world.
    """

    per_poll: bool = False  # the time is that of a whole poll, not of a record
    commit: str = "never"  # by the application: never, before (processing), after (it), each (record), watermark
    commit_async: bool = False  # with commitAsync, else commitSync
    commit_in_revoke: bool = False  # commitSync of what has been processed, in onPartitionsRevoked
    fails_nth: tuple[int, ...] = ()  # the work on the n-th record of a process fails
    fails_ppm: int = 0  # ... or on so many of a million, drawn
    # In place until it succeeds; skip: go on with the next; close: leave the loop, close(); retry_topic, dead_letter:
    # put it there and go on with the next.
    on_failure: str = "retry"
    threads: int = 0  # of a pool; 0: the thread that polls
    order: str = "none"  # of a pool: none, key, partition
    queue_records: int = 0  # so many are handed over and not done at most, then the consumer is paused; 0: no limit
    work_in_revoke: str = "go_on"  # of a pool, in onPartitionsRevoked: go_on, wait for all of it, drop what is queued
    produces: bool = False  # what comes out of the work is sent to a topic
    waits_for_sends: bool = True  # a record has ended once its send was acknowledged, else at the call


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """Group coordinators of the brokers."""

    initial_rebalance_delay_us: int = 3 * S
    min_session_timeout_us: int = 6 * S
    max_session_timeout_us: int = 1800 * S
    group_max_size: int = 2147483647
    offsets_commit_timeout_us: int = 5 * S
    # group.consumer.*: groups of KIP-848
    modern_session_timeout_us: int = 45 * S
    heartbeat_interval_us: int = 5 * S
    assignors: tuple[str, ...] = ("uniform", "range")  # the first is the default
    assignment_interval_us: int = 1 * S
    modern_max_size: int = 2147483647


@dataclass(frozen=True, slots=True)
class GroupDirectory:
    """What every broker knows of groups from the start. ``homes``: the partition of ``__consumer_offsets`` of each."""

    homes: Mapping[int, int] = field(default_factory=dict)
    modern: frozenset[int] = frozenset()  # groups with group.protocol=consumer
    topic_names: Mapping[int, str] = field(default_factory=dict)  # by number
    topic_ids: Mapping[int, int] = field(default_factory=dict)  # the 128 bits of Kafka's Uuid


@dataclass(frozen=True, slots=True)
class TopicSettings:
    min_insync_replicas: int = 1
    unclean_leader_election: bool = False
    max_message_bytes: int = 1048588
    log_append_time: bool = False
    flush_messages: int = 2**63 - 1
    flush_us: int = 2**62
    segment_bytes: int = 1 << 30
    retention_us: int = 7 * 24 * 3600 * S  # -1: never
    retention_bytes: int = -1
    compact: bool = False  # and not delete: retention removes nothing


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    replica_lag_time_max_us: int = 30 * S
    replica_fetch_wait_max_us: int = 500 * MS
    replica_fetch_min_bytes: int = 1
    replica_fetch_backoff_us: int = 1000 * MS
    replica_fetch_max_bytes: int = 1 << 20
    replica_fetch_response_max_bytes: int = 10 << 20
    replica_socket_timeout_us: int = 30 * S
    high_watermark_checkpoint_us: int = 5 * S
    heartbeat_interval_us: int = 2 * S
    session_timeout_us: int = 9 * S
    connections_max_idle_us: int = 600 * S
    producer_id_expiration_us: int = 86400 * S
    producer_id_expiration_check_us: int = 600 * S
    log_flush_recovery_checkpoint_us: int = 60 * S
    retention_check_us: int = 300 * S


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    session_timeout_us: int = 9 * S
    auto_leader_rebalance: bool = True
    leader_imbalance_check_us: int = 300 * S
    unclean_election_interval_us: int = 300 * S
    voters: int = 3  # with one voter brokers learn a commit within a round trip, else U(0, 500 ms) later (FAIL-7)
