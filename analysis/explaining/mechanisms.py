"""The mechanisms by which records come late, twice or not at all, by name.

Each has a sentence for readers and the options of a configuration that permit it. Sources: ``producer.md`` 4.2-4.4,
5.1, 5.4, 6.7; ``anomalies.md`` section 1. What fits none of them is :data:`NOT_EXPLAINED`; a wrong name would be worse.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MECHANISMS", "NOT_EXPLAINED", "Mechanism"]

NOT_EXPLAINED = "not explained"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """*says*: what happens, in general. *options*: those that permit it."""

    name: str
    says: str
    options: tuple[str, ...]


IDEMPOTENCE = ("enable.idempotence", "max.in.flight.requests.per.connection", "retries")
REPLICATION = ("acks", "min.insync.replicas", "unclean.leader.election.enable", "replication.factor")

_ALL = (
    Mechanism(
        "retry after a refused batch",
        "the leader refused a batch without storing it; what was in flight behind it was stored, then the retry",
        IDEMPOTENCE,
    ),
    Mechanism(
        "retry after an error that came after the append",
        "the batch was stored and answered with an error all the same, so it was sent and stored again",
        IDEMPOTENCE,
    ),
    Mechanism(
        "retry after a lost response",
        "the batch was stored, its answer was lost with the connection, so it was sent and stored again",
        IDEMPOTENCE,
    ),
    Mechanism(
        "retry after a lost request",
        "the connection was lost with requests in flight; what was lost went back into the queue and was sent again",
        IDEMPOTENCE,
    ),
    Mechanism(
        "request timed out and retried",
        "no answer came within request.timeout.ms; the client closed the connection and sent the batch again",
        (*IDEMPOTENCE, "request.timeout.ms"),
    ),
    Mechanism(
        "zombie request of an old connection",
        "the client had given a request up, and the broker handled it afterwards all the same",
        (*IDEMPOTENCE, "request.timeout.ms", "delivery.timeout.ms"),
    ),
    Mechanism(
        "retry into a new leader that lacked the batch",
        "the old leader had stored the batch and lost its leadership before it was replicated; the retry came later",
        IDEMPOTENCE,
    ),
    Mechanism(
        "application sent again",
        "the producer reported a failure and the application called send() again: to Kafka that is another record",
        ("delivery.timeout.ms", "resend.after.failure"),
    ),
    Mechanism(
        "producer restarted",
        "a process died, and its successor sent again what that one had sent: under a new producer id that is another "
        "record",
        ("transactional.id",),
    ),
    Mechanism(
        "epoch bump renumbers",
        "the producer began a new epoch and numbered what was unacknowledged anew, a stored batch included; under the "
        "new epoch the leader cannot recognise it",
        ("client", "max.in.flight.requests.per.connection"),
    ),
    Mechanism(
        "producer state lost and rebuilt",
        "the leader had forgotten all but the last batch of the producer, refused the retry of an older one as out of "
        "order, and so made the producer begin a new epoch",
        ("replication.factor", "max.in.flight.requests.per.connection"),
    ),
    Mechanism(
        "implicit acknowledgement",
        "the leader knew nothing of the producer, refused its first batch and took the second; librdkafka takes that "
        "as proof that the first is stored",
        ("client", "max.in.flight.requests.per.connection"),
    ),
    Mechanism(
        "acks=0 into a dead connection",
        "with acks=0 a record is a success once it is written to the connection; the broker never handled it",
        ("acks",),
    ),
    Mechanism(
        "truncated tail of an acks=1 leader",
        "the leader acknowledged by itself and lost its leadership before a follower had the record; the log was cut "
        "to what the new leader had",
        REPLICATION[:2],
    ),
    Mechanism(
        "truncated tail of an acks=0 leader",
        "the leader stored it and lost its leadership before a follower had the record; the log was cut to what the "
        "new leader had, and with acks=0 nobody waits for anything",
        REPLICATION[:2],
    ),
    Mechanism(
        "unclean election",
        "a replica outside the in-sync set became leader; the records that it lacked were cut off the others",
        REPLICATION[1:],
    ),
    Mechanism(
        "unflushed data lost",
        "a machine lost its unflushed pages and the record with them, and what was left of it became the log",
        ("replication.factor", "min.insync.replicas", "flush.messages"),
    ),
    Mechanism(
        "partition count changed",
        "a key's partition is its hash modulo the number of partitions: with more of them it moved, away from its "
        "earlier records",
        ("partitions",),
    ),
    Mechanism(
        "two partitioners",
        "two producers choose partitions for the same keys by different rules",
        ("partitioner.class", "partitioner", "client"),
    ),
    Mechanism(
        "keyless spreading over partitions",
        "records without a key go to one partition after another, and nothing orders partitions among themselves",
        ("partitions",),
    ),
    Mechanism(
        "keys spread over partitions",
        "records of different keys stand in different partitions, and nothing orders partitions among themselves",
        ("partitions",),
    ),
    Mechanism(
        "partitions named by the application",
        "the application chose the partitions itself, and nothing orders partitions among themselves",
        ("partitions",),
    ),
    Mechanism(
        "re-read after a restart",
        "a reader died before it had committed what it had been given, and its successor was given it again",
        ("enable.auto.commit", "auto.commit.interval.ms", "max.poll.records", "processing.commit"),
    ),
    Mechanism(
        "re-read after a rebalance",
        "a partition changed hands before what had been delivered from it was committed",
        ("enable.auto.commit", "partition.assignment.strategy", "group.instance.id", "processing.commit"),
    ),
    Mechanism(
        "stolen partition and late commit",
        "a member lost its partition, did not know it, and committed or went on working after its successor had begun",
        ("max.poll.interval.ms", "max.poll.records", "session.timeout.ms"),
    ),
    Mechanism(
        "work in parallel",
        "one reader works on several records of a key, or of a partition, at once, and nothing orders them",
        (),
    ),
    Mechanism(
        "committed as it ends",
        "a pool ends records in any order, and each was committed as it ended: the broker keeps what comes last",
        ("processing.threads", "processing.commit", "processing.call"),
    ),
    Mechanism(
        "commit before processing",
        "an offset was committed before the work on the record had ended; what ends the work then, loses it",
        ("processing.commit", "enable.auto.commit", "enable.auto.offset.store"),
    ),
    Mechanism(
        "failed work passed over",
        "the work on a record failed, the reader went on, and the next commit covered it",
        ("processing.failure",),
    ),
    Mechanism(
        "position reset",
        "the reader had no valid offset in the partition, and the client library chose one",
        ("auto.offset.reset",),
    ),
    Mechanism(
        "overtaken by retention",
        "retention removed the records that the reader was to fetch next, and its reset policy put it elsewhere",
        ("retention.ms", "retention.bytes", "segment.bytes", "auto.offset.reset"),
    ),
    Mechanism(
        "position moved by the application",
        "the application set the reader's position itself (seek)",
        (),
    ),
)  # fmt: skip

MECHANISMS: dict[str, Mechanism] = {one.name: one for one in _ALL}
