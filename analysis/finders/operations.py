"""The log as operations saw it (Jepsen), and where keys live: nonmonotonic-send, int-nonmonotonic-send, int-send-skip,
key-partition-split (anomalies 1.13, 1.2).

An operation is all sends of one ``op`` or ``txn``; a send without either is an operation of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.columns import combine
from analysis.evidence import Evidence
from analysis.finders.order import first_copies, suspects
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import Column

__all__ = ["int_nonmonotonic_send", "int_send_skip", "key_partition_split", "nonmonotonic_send"]


def nonmonotonic_send(evidence: Evidence) -> Found:
    return _neighbours(evidence, same_op=False, wrong=lambda step: step <= 0)


def int_nonmonotonic_send(evidence: Evidence) -> Found:
    return _neighbours(evidence, same_op=True, wrong=lambda step: step <= 0)


def int_send_skip(evidence: Evidence) -> Found:
    return _neighbours(evidence, same_op=True, wrong=lambda step: step > 1)


def _neighbours(evidence: Evidence, same_op: bool, wrong: Callable[[Column], Column]) -> Found:
    """Visible records of one producer and partition in order of their sends, neighbour by neighbour."""
    view = evidence.logs.records if _has_ops(evidence) else None
    places = np.arange(len(view.run)) if view is not None else suspects(evidence)
    if not len(places):
        return Found()  # every send is an operation of its own, and none is late
    seen, sends = evidence.logs.records, evidence.history.records
    prod = sends.prod[seen.value]
    lane = combine(seen.partition[places], prod[places])
    keep = (prod[places] >= 0) & first_copies(sends.uid[seen.value[places]], lane)
    places, lane = places[keep], lane[keep]
    order = np.lexsort((sends.i[seen.value[places]], lane))
    places, lane = places[order], lane[order]
    value = seen.value[places]
    op = combine(sends.op[value], sends.txn[value])
    grouped = (op[1:] == op[:-1]) & ((sends.op[value] >= 0) | (sends.txn[value] >= 0))[1:]
    pair = (lane[1:] == lane[:-1]) & (grouped if same_op else ~grouped)
    bad = np.flatnonzero(pair & wrong(places[1:] - places[:-1]))
    witnesses = [_pair(evidence, int(places[k]), int(places[k + 1])) for k in bad[:WITNESSES]]
    return Found(len(bad), witnesses, len(bad), pairs_of(prod[places[bad]], seen.partition[places[bad]]))


def _has_ops(evidence: Evidence) -> bool:
    sends = evidence.history.records
    return bool((sends.op >= 0).any() or (sends.txn >= 0).any())


def _pair(evidence: Evidence, before: int, after: int) -> dict[str, Any]:
    records = [evidence.stored(before, role="sent first"), evidence.stored(after, role="sent next")]
    return {
        "partition": records[0]["p"], "records": records, "offsets": [r["o"] for r in records],
        "events": [r["event"] for r in records],
    }  # fmt: skip


def key_partition_split(evidence: Evidence) -> Found:
    """Keys with records in two partitions of one topic."""
    if not evidence.keys_move:
        return Found()
    seen, history = evidence.logs.records, evidence.history
    key = history.records.key[seen.value]
    topics: dict[str, int] = {}
    codes = [topics.setdefault(history.topic_of(p), len(topics)) for p in range(len(history.partitions))]
    topic = np.array(codes, np.int64)[seen.partition]
    lane = combine(topic, key)
    keyed = np.flatnonzero(key >= 0)
    first = np.full(int(lane.max(initial=0)) + 1, -1, np.int64)
    first[lane[keyed]] = seen.partition[keyed]
    moved = keyed[first[lane[keyed]] != seen.partition[keyed]]
    split = np.unique(lane[moved])
    witnesses = []
    for one in split[:WITNESSES]:
        mine = keyed[lane[keyed] == one]
        places = mine[np.unique(seen.partition[mine], return_index=True)[1]]
        records = [evidence.stored(int(place)) for place in places]
        witnesses.append({
            "key": history.keys[int(key[mine[0]])], "records": records, "offsets": [r["o"] for r in records],
            "events": [r["event"] for r in records],
        })  # fmt: skip
    return Found(len(split), witnesses, len(split))
