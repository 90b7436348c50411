"""Rows of the reference tables whose subject is not modelled, each with the reason. Every other row has a test.

Keys are as tests cite them: ``broker:SC-46``, ``producer:S08``.
"""

from __future__ import annotations

NOT_MODELLED: dict[str, str] = {
    "broker:SC-18": "transactions: no verification entry guards a transaction's first batch, as there are none",
    "broker:SC-46": "reassignment: the replicas of a partition never change",
    "broker:SC-47": "reassignment: the replicas of a partition never change",
    "broker:SUB-26": "clock skew between brokers: all hosts share one clock, so LogAppendTime never steps back",
    "consumer:S09": "compaction: no record is taken out of a log",
    "consumer:S10": "compaction: no record is taken out of a log",
    "consumer:S11": "compaction: no batch is emptied",
    **dict.fromkeys(
        [f"consumer:S{number}" for number in range(12, 21)], "transactions: no marker, no abort index, no stable offset"
    ),
    **dict.fromkeys([f"consumer:S{number}" for number in range(46, 56)], "transactions: none commits offsets"),
    "consumer:S57": "deserialisers: every record can be read",
    "consumer:S58": "expiry of offsets: a run is a day at most, offsets.retention.minutes is seven days",
    "consumer:S59": "reading from followers (KIP-392)",
    **dict.fromkeys(
        [f"consumer:toy-{number}" for number in (16, 17, 18, 19, 23)], "transactions: nothing waits for their end"
    ),
    "consumer:toy-21": "deserialisers: every record can be read",
    "consumer:toy-28": "no poll ends without records: no batch is empty or aborted, and consumer:F2.34 is not modelled",
    "consumer:F2.10": "fetch sessions: each fetch names all of its partitions; a session changes delays alone",
    "consumer:F2.16": "no batch is empty, aborted or of control records alone",
    "consumer:F2.17": "deserialisers: every record can be read",
    "consumer:F2.20": "reading from followers (KIP-392)",
    "consumer:F2.21": "transactions: no offset is pending, so that no lookup of it comes again",
    "consumer:F2.32": "the check of a position rides on its next fetch, and ends as the request of its own would",
    "consumer:F2.34": "a poll that sleeps over data: LIMITS.md, a delay and never another order",
    "consumer:F3.29": "groups that change their protocol",
    "consumer:F4.8": "callbacks of commitAsync: the application does nothing in them",
    "consumer:F4.10": "expiry of offsets: a run is a day at most, offsets.retention.minutes is seven days",
    **dict.fromkeys([f"consumer:F7.{number}" for number in range(1, 30)], "transactions"),
    "consumer:F8.1": "share groups",
    "consumer:F9.2": "compaction: no record is taken out of a log",
    "consumer:F9.3": "compaction: no record is taken out of a log",
    "producer:S45": "transactions: there is no commit to hold back",
    "producer:S46": "transactions: there is no state that could become abortable",
    "producer:S47": "transactions: no partition is added to one",
    "producer:S48": "transactions: no partition is added to one",
}
