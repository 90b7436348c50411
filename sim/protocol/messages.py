"""Requests and replies, one slotted dataclass each, under Kafka's names. Treated as frozen once sent.

Partitions are run-wide integers (``topic`` and index in ``Plan``), hosts are integers, times microseconds, sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "AlterPartitionRequest", "AlterPartitionResponse", "BrokerHeartbeatRequest", "BrokerHeartbeatResponse",
    "BrokerRegistrationRequest", "BrokerRegistrationResponse", "FetchPartition", "FetchRequest", "FetchResponse",
    "FetchedPartition", "InitProducerIdRequest", "InitProducerIdResponse", "ListOffsetsRequest", "ListOffsetsResponse",
    "MetadataRequest", "MetadataResponse", "MetadataUpdate", "PartitionMetadata", "PartitionState", "ProduceRequest",
    "ProduceResponse", "ProduceResult", "RecordBatch",
]  # fmt: skip


@dataclass(slots=True)
class RecordBatch:
    """One v2 record batch as it is on the wire and in logs: a slice of its producer's lane."""

    prod: int  # producer instance
    partition: int
    lo: int  # first lane position
    hi: int  # one past the last
    size_bytes: int
    pid: int = -1
    epoch: int = -1
    seq: int = -1  # base sequence
    max_timestamp_us: int = 0  # largest CreateTime
    attempt: int = 1  # n-th transmission; this and row are not part of Kafka's batch, they are for the trace only
    row: int = -1  # the ATTEMPT row of this transmission: cause of what the leader records about the batch

    @property
    def count(self) -> int:
        return self.hi - self.lo


# --- produce --------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class ProduceRequest:
    batches: list[RecordBatch]  # at most one a partition
    acks: int  # -1, 0, 1
    timeout_us: int  # how long the broker waits for acks=all


@dataclass(slots=True)
class ProduceResult:
    partition: int
    error: int  # Kafka's error code, 0 none
    offset: int = -1  # base offset given (or, for a recognised duplicate, of the original)
    log_start: int = -1
    leader: int = -1  # KIP-951 hint with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH
    leader_epoch: int = -1


@dataclass(slots=True)
class ProduceResponse:
    results: list[ProduceResult]  # in the order of the request's batches


@dataclass(slots=True)
class InitProducerIdRequest:
    prod: int


@dataclass(slots=True)
class InitProducerIdResponse:
    error: int
    pid: int = -1
    epoch: int = -1


# --- metadata -------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class PartitionMetadata:
    partition: int
    leader: int  # host, -1 none
    leader_epoch: int


@dataclass(slots=True)
class MetadataRequest:
    topics: tuple[int, ...]  # topic numbers


@dataclass(slots=True)
class MetadataResponse:
    brokers: tuple[int, ...]  # unfenced brokers, ascending
    partitions: dict[int, tuple[PartitionMetadata, ...]]  # by topic; all partitions of the topic, by index


# --- fetch ----------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class FetchPartition:
    partition: int
    offset: int
    leader_epoch: int  # the fetcher's current leader epoch, -1 if unknown
    last_epoch: int = -1  # replicas only: epoch of the last record it has; -1 none
    max_bytes: int = 1 << 20


@dataclass(slots=True)
class FetchRequest:
    replica: int  # host number of a follower, -1 for a consumer
    partitions: list[FetchPartition]
    max_wait_us: int
    min_bytes: int = 1
    max_bytes: int = 50 << 20
    broker_epoch: int = -1


@dataclass(slots=True)
class FetchedPartition:
    partition: int
    error: int = 0
    high_watermark: int = -1
    log_start: int = -1
    base_offsets: list[int] = field(default_factory=list)
    batches: list[RecordBatch] = field(default_factory=list)
    leader_epochs: list[int] = field(default_factory=list)  # of each batch
    diverging_epoch: int = -1  # truncate-on-fetch answer (REP-33), -1 none
    diverging_end: int = -1
    leader: int = -1  # KIP-951 hint with an error
    leader_epoch: int = -1


@dataclass(slots=True)
class FetchResponse:
    partitions: list[FetchedPartition]


@dataclass(slots=True)
class ListOffsetsRequest:
    partition: int
    leader_epoch: int
    timestamp: int  # -1 latest, -2 earliest, else microseconds: the first record that is not older


@dataclass(slots=True)
class ListOffsetsResponse:
    partition: int
    error: int
    offset: int = -1
    leader_epoch: int = -1  # of the record there, or of the leader at the end; -1 unknown


# --- controller -----------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class BrokerRegistrationRequest:
    broker: int
    incarnation: int
    previous_epoch: int = -1  # broker epoch in the clean shutdown file, -1: it was not stopped cleanly


@dataclass(slots=True)
class BrokerRegistrationResponse:
    error: int
    broker_epoch: int = -1


@dataclass(slots=True)
class BrokerHeartbeatRequest:
    broker: int
    broker_epoch: int
    metadata_offset: int  # what it has applied
    want_shut_down: bool = False


@dataclass(slots=True)
class BrokerHeartbeatResponse:
    error: int
    fenced: bool = False
    should_shut_down: bool = False


@dataclass(slots=True)
class AlterPartitionRequest:
    broker: int
    broker_epoch: int
    # partition -> (leader epoch, partition epoch, new ISR as (host, broker epoch) pairs)
    partitions: dict[int, tuple[int, int, tuple[tuple[int, int], ...]]]


@dataclass(slots=True)
class AlterPartitionResponse:
    error: int  # top level
    partitions: dict[int, tuple[int, PartitionState | None]] = field(default_factory=dict)  # error, committed state


@dataclass(slots=True)
class PartitionState:
    """The controller's record of one partition."""

    partition: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int  # -1 none
    leader_epoch: int
    partition_epoch: int
    recovering: bool = False
    elr: tuple[int, ...] = ()


@dataclass(slots=True)
class MetadataUpdate:
    """A committed stretch of the metadata log, as it reaches one broker (at a delay of its own, FAIL-7)."""

    offset: int  # of the last record in it
    partitions: tuple[PartitionState, ...]  # changed
    brokers: dict[int, tuple[int, bool, bool]]  # every registered broker: epoch, fenced, in controlled shutdown
    topics: dict[int, tuple[int, ...]]  # topic -> its partitions by index, where changed
    rows: dict[int, int] = field(default_factory=dict)  # partition -> row of the decision; for the trace only
