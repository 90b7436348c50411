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
    "producer:S45": "transactions: there is no commit to hold back",
    "producer:S46": "transactions: there is no state that could become abortable",
    "producer:S47": "transactions: no partition is added to one",
    "producer:S48": "transactions: no partition is added to one",
}
