"""Kafka's error codes that matter to order, and how each client flavour meets them on a produce answer.

Source: producer.md 3.2 (Java: ``Sender.completeBatch``, ``TransactionManager.canRetry``) and 8.5 (librdkafka:
``rd_kafka_handle_Produce_error``). ``in_log`` is the column "Log?": may the batch be in the leader's log when this
answer is seen. A delivery report of failure is ``FAIL`` (certainly not written) only if every transmission was answered
by a code whose ``in_log`` is false.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["PRODUCE_ERRORS", "ErrorCode", "ProduceError", "java_exception", "librdkafka_name"]


class ErrorCode(IntEnum):
    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    REPLICA_NOT_AVAILABLE = 9
    MESSAGE_TOO_LARGE = 10
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    TOPIC_AUTHORIZATION_FAILED = 29
    CLUSTER_AUTHORIZATION_FAILED = 31
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_VERSION = 35
    INVALID_PARTITIONS = 37
    NOT_CONTROLLER = 41
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    KAFKA_STORAGE_ERROR = 56
    UNKNOWN_PRODUCER_ID = 59
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    STALE_BROKER_EPOCH = 77
    OFFSET_NOT_AVAILABLE = 78
    MEMBER_ID_REQUIRED = 79
    PREFERRED_LEADER_NOT_AVAILABLE = 80
    GROUP_MAX_SIZE_REACHED = 81
    FENCED_INSTANCE_ID = 82
    ELECTION_NOT_NEEDED = 84
    INVALID_RECORD = 87
    PRODUCER_FENCED = 90
    INVALID_UPDATE_VERSION = 95
    UNKNOWN_TOPIC_ID = 100
    DUPLICATE_BROKER_REGISTRATION = 101
    BROKER_ID_NOT_REGISTERED = 102
    INELIGIBLE_REPLICA = 107
    NEW_LEADER_ELECTED = 108
    FENCED_MEMBER_EPOCH = 110
    UNRELEASED_INSTANCE_ID = 111
    STALE_MEMBER_EPOCH = 113
    TRANSACTION_ABORTABLE = 120
    # Made by a client, never sent by a broker.
    CLIENT_DELIVERY_TIMEOUT = 1001  # Java TimeoutException, librdkafka _MSG_TIMED_OUT
    CLIENT_BUFFER_EXHAUSTED = 1002  # Java BufferExhaustedException, librdkafka _QUEUE_FULL
    CLIENT_METADATA_TIMEOUT = 1003  # Java TimeoutException on metadata
    CLIENT_RECORD_TOO_LARGE = 1004
    CLIENT_PURGED = 1005  # librdkafka _PURGE_QUEUE (fatal error, close)
    CLIENT_FATAL = 1006  # send() after a fatal error
    CLIENT_CLOSED = 1007  # the process died with it; librdkafka also for what a topic marked bad cannot retry
    CLIENT_COMMIT_FAILED = 1009  # Java CommitFailedException: the member is in no generation any more
    CLIENT_TRANSPORT = 1008  # librdkafka's lost connection (Java makes it NETWORK_EXCEPTION)


@dataclass(frozen=True, slots=True)
class ProduceError:
    """One row of the produce error table. ``java_idempotent``/``librdkafka_*``: what the client does.

    Java: ``retry``, ``fail`` (plain), ``fail_bump``, ``fatal``, ``sequence`` (45), ``unknown_producer`` (59),
    ``success`` (46), ``split`` (10). librdkafka: ``retry`` (counted), ``retry_free`` (not counted), ``fail``,
    ``fail_bump``, ``fail_topic`` (29), ``sequence``, ``unknown_producer``, ``success``.
    """

    java_plain: str
    java_idempotent: str
    librdkafka_plain: str
    librdkafka_idempotent: str
    refresh: bool  # metadata refresh
    in_log: bool


def _rows() -> dict[int, ProduceError]:
    e = ErrorCode
    rows: dict[int, ProduceError] = {}
    for code in (e.CORRUPT_MESSAGE, e.NOT_ENOUGH_REPLICAS):
        rows[code] = ProduceError("retry", "retry", "retry", "retry", False, False)
    for code in (e.REQUEST_TIMED_OUT, e.NOT_ENOUGH_REPLICAS_AFTER_APPEND):
        rows[code] = ProduceError("retry", "retry", "retry", "retry", False, True)
    # From a broker librdkafka takes 13 for one of the many codes it has no rule for.
    rows[e.NETWORK_EXCEPTION] = ProduceError("retry", "retry", "fail", "fail_bump", True, True)
    rows[e.CLIENT_TRANSPORT] = ProduceError("fail", "fail", "retry", "retry", True, True)
    rows[e.UNKNOWN_TOPIC_ID] = ProduceError("retry", "retry", "fail", "fail_bump", True, False)
    rows[e.KAFKA_STORAGE_ERROR] = ProduceError("retry", "retry", "retry", "retry", True, True)
    for code in (e.UNKNOWN_TOPIC_OR_PARTITION, e.NOT_LEADER_OR_FOLLOWER):
        rows[code] = ProduceError("retry", "retry", "retry_free", "retry_free", True, True)
    rows[e.LEADER_NOT_AVAILABLE] = ProduceError("retry", "retry", "retry_free", "retry_free", True, False)
    rows[e.FENCED_LEADER_EPOCH] = ProduceError("retry", "retry", "fail", "fail_bump", True, False)
    rows[e.UNKNOWN_LEADER_EPOCH] = ProduceError("retry", "retry", "fail", "fail_bump", False, False)
    rows[e.MESSAGE_TOO_LARGE] = ProduceError("split", "split", "fail", "fail_bump", False, False)
    for code in (
        e.RECORD_LIST_TOO_LARGE, e.INVALID_REQUIRED_ACKS, e.INVALID_TIMESTAMP, e.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        e.POLICY_VIOLATION, e.UNSUPPORTED_COMPRESSION_TYPE, e.INVALID_RECORD, e.INVALID_TXN_STATE,
        e.TRANSACTION_ABORTABLE,
    ):  # fmt: skip
        rows[code] = ProduceError("fail", "fail_bump", "fail", "fail_bump", False, False)
    rows[e.UNKNOWN_SERVER_ERROR] = ProduceError("fail", "fail_bump", "fail", "fail_bump", False, True)
    rows[e.TOPIC_AUTHORIZATION_FAILED] = ProduceError("fail", "fail_bump", "fail_topic", "fail_topic", False, False)
    rows[e.OUT_OF_ORDER_SEQUENCE_NUMBER] = ProduceError("fail", "sequence", "fail", "sequence", False, False)
    rows[e.DUPLICATE_SEQUENCE_NUMBER] = ProduceError("success", "success", "fail", "success", False, True)
    rows[e.UNKNOWN_PRODUCER_ID] = ProduceError("fail", "unknown_producer", "fail", "unknown_producer", False, False)
    rows[e.INVALID_PRODUCER_EPOCH] = ProduceError("fail", "fail_bump", "fail", "fail_bump", False, False)
    rows[e.INVALID_PRODUCER_ID_MAPPING] = ProduceError("fail", "fatal", "fail", "fail_bump", False, False)
    rows[e.PRODUCER_FENCED] = ProduceError("fail", "fatal", "fail", "fail_bump", False, False)
    for code in (e.CLUSTER_AUTHORIZATION_FAILED, e.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, e.UNSUPPORTED_VERSION):
        rows[code] = ProduceError("fail", "fatal", "fail", "fail_bump", False, False)
    return rows


PRODUCE_ERRORS: dict[int, ProduceError] = _rows()

_JAVA_IRREGULAR = {
    ErrorCode.UNKNOWN_SERVER_ERROR: "UnknownServerException",
    ErrorCode.CORRUPT_MESSAGE: "CorruptRecordException",
    ErrorCode.REQUEST_TIMED_OUT: "TimeoutException",
    ErrorCode.MESSAGE_TOO_LARGE: "RecordTooLargeException",
    ErrorCode.RECORD_LIST_TOO_LARGE: "RecordBatchTooLargeException",
    ErrorCode.NETWORK_EXCEPTION: "NetworkException",
    ErrorCode.KAFKA_STORAGE_ERROR: "KafkaStorageException",
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: "OutOfOrderSequenceException",
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER: "DuplicateSequenceException",
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: "TopicAuthorizationException",
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "ClusterAuthorizationException",
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "TransactionalIdAuthorizationException",
    ErrorCode.INVALID_PRODUCER_ID_MAPPING: "InvalidPidMappingException",
    ErrorCode.CLIENT_DELIVERY_TIMEOUT: "TimeoutException",
    ErrorCode.CLIENT_METADATA_TIMEOUT: "TimeoutException",
    ErrorCode.CLIENT_BUFFER_EXHAUSTED: "BufferExhaustedException",
    ErrorCode.CLIENT_RECORD_TOO_LARGE: "RecordTooLargeException",
    ErrorCode.CLIENT_FATAL: "KafkaException",
    ErrorCode.CLIENT_CLOSED: "KafkaException",
    ErrorCode.CLIENT_TRANSPORT: "NetworkException",
}


def java_exception(code: int) -> str:
    """The Java exception class (without package) that a delivery report carries for *code* (``Errors`` in Kafka)."""
    error = ErrorCode(code)
    if error in _JAVA_IRREGULAR:
        return _JAVA_IRREGULAR[error]
    name = "".join(word.capitalize() for word in error.name.split("_"))
    return name if name.endswith("Exception") else f"{name}Exception"


_LIBRDKAFKA_IRREGULAR = {
    ErrorCode.UNKNOWN_SERVER_ERROR: "UNKNOWN",
    ErrorCode.CORRUPT_MESSAGE: "INVALID_MSG",
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: "UNKNOWN_TOPIC_OR_PART",
    ErrorCode.NOT_LEADER_OR_FOLLOWER: "NOT_LEADER_FOR_PARTITION",
    ErrorCode.MESSAGE_TOO_LARGE: "MSG_SIZE_TOO_LARGE",
    ErrorCode.CLIENT_TRANSPORT: "_TRANSPORT",
    ErrorCode.CLIENT_DELIVERY_TIMEOUT: "_MSG_TIMED_OUT",
    ErrorCode.CLIENT_METADATA_TIMEOUT: "_MSG_TIMED_OUT",
    ErrorCode.CLIENT_BUFFER_EXHAUSTED: "_QUEUE_FULL",
    ErrorCode.CLIENT_RECORD_TOO_LARGE: "MSG_SIZE_TOO_LARGE",
    ErrorCode.CLIENT_PURGED: "_PURGE_QUEUE",
    ErrorCode.CLIENT_FATAL: "_FATAL",
    ErrorCode.CLIENT_CLOSED: "_DESTROY",
}


def librdkafka_name(code: int) -> str:
    """The name that librdkafka gives *code* in a delivery report (``rd_kafka_err2name``)."""
    error = ErrorCode(code)
    return _LIBRDKAFKA_IRREGULAR.get(error, error.name)
