"""Replicas that differ: replica-divergence (anomalies 1.7).

Lag is no difference: only offsets that two replicas both hold are compared, below the last announced high watermark.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found
from analysis.logs import Log

__all__ = ["replica_divergence"]

_COMPARED = ("offset", "value", "count", "kind", "lep")


def replica_divergence(evidence: Evidence) -> Found:
    logs = evidence.logs
    by_partition: dict[int, list[tuple[int, Log]]] = {}
    for partition, broker, log in logs.replicas():
        by_partition.setdefault(partition, []).append((broker, log))
    count, witnesses, pairs = 0, list[dict[str, Any]](), set()
    for partition, replicas in by_partition.items():
        mark = int(evidence.marks.last_mark[partition])
        tails = _tails(int(logs.last_leader[partition]), replicas)
        if mark <= 0 or not tails:
            continue
        found = _differences(tails, mark)
        count += len(found)
        if found:
            pairs.add((-1, partition))
        for offset in found[: WITNESSES - len(witnesses)]:
            witnesses.append(_witness(evidence, partition, offset, tails, found[0]))
    return Found(count, witnesses, count, pairs)


def _tails(leader: int, replicas: list[tuple[int, Log]]) -> list[tuple[int, Log]]:
    """Every replica's records from the first run in which some replica differs from the rest; nothing if none does."""
    reference = max(replicas, key=lambda one: (one[0] == leader, len(one[1])))[1]
    longest = max(replicas, key=lambda one: len(one[1]))[1]
    same = min(min(_common_runs(reference, log), _common_runs(longest, log)) for _, log in replicas)
    if all(same == len(log) or len(log) == 0 for _, log in replicas if log is not longest):
        return []
    return [(broker, log.take(np.arange(same, len(log))).singles()) for broker, log in replicas if len(log) > same]


def _common_runs(a: Log, b: Log) -> int:
    """How many leading runs are equal in both."""
    size = min(len(a), len(b))
    if a is b:
        return size
    differs = np.zeros(size, bool)
    for name in _COMPARED:
        differs |= getattr(a, name)[:size] != getattr(b, name)[:size]
    return int(differs.argmax()) if differs.any() else size


def _differences(tails: list[tuple[int, Log]], mark: int) -> list[int]:
    """Offsets below *mark* at which the logs do not all say the same."""
    columns = [np.concatenate([getattr(log, name) for _, log in tails]) for name in ("offset", "value", "kind", "lep")]
    offset = columns[0]
    below = offset < mark
    columns = [column[below] for column in columns]
    order = np.lexsort(columns[::-1])
    offset, *rest = (column[order] for column in columns)
    unequal = np.zeros(max(len(offset) - 1, 0), bool)
    value, kind, epoch = rest
    for column in (value, kind):
        unequal |= column[1:] != column[:-1]
    unequal |= (epoch[1:] != epoch[:-1]) & (epoch[:-1] >= 0)  # one that is not told (they stand first) is no other one
    found: list[int] = np.unique(offset[1:][unequal & (offset[1:] == offset[:-1])]).tolist()
    return found


def _witness(
    evidence: Evidence, partition: int, offset: int, tails: list[tuple[int, Log]], first: int,
) -> dict[str, Any]:  # fmt: skip
    records = []
    for broker, log in tails:
        for k in np.flatnonzero(log.offset == offset).tolist():
            value = int(log.value[k])
            record: dict[str, Any] = evidence.record(value) if value >= 0 else {"control": int(log.kind[k])}
            record |= {"o": offset, "broker": evidence.broker(broker)}
            record |= {"lep": int(log.lep[k])} if log.lep[k] >= 0 else {}
            records.append(record | {"event": evidence.history.event(int(log.row[k]))})
    return {
        "partition": evidence.partition(partition), "offsets": [offset], "first_diverging": first, "records": records,
        "events": [record["event"] for record in records],
    }  # fmt: skip
