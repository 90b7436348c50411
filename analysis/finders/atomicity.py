"""Transactions that ended in parts or not at all: torn-transaction, open-transaction (anomalies 3.4, 3.6)."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import combine, first_of_each
from analysis.evidence import Evidence
from analysis.finders.copies import known_gone, where_acked
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ABORT, COMMIT, DATA
from analysis.logs import OPEN

__all__ = ["open_transaction", "torn_transaction"]

_ENDS = {COMMIT: "commit", ABORT: "abort"}


def torn_transaction(evidence: Evidence) -> Found:
    """Committed transactions with acknowledged values of which some are visible and some are not.

    A part without a marker at the end counts as not visible. What retention or compaction removed has been visible.
    """
    txns, history = evidence.transactions, evidence.history
    acked = np.flatnonzero(evidence.acked & (txns.of_value >= 0) & txns.committed[txns.of_value])
    seen = evidence.logs.copies[acked] > 0
    txn = txns.of_value[acked]
    size = len(history.txns)
    parts = np.bincount(txn[seen], minlength=size) > 0
    missing = acked[~seen & parts[txn]]
    if not len(missing):
        return Found()
    partition, offset, row = where_acked(evidence, missing)
    keep = ~known_gone(evidence, partition, offset)
    missing, partition, offset, row = missing[keep], partition[keep], offset[keep], row[keep]
    torn = np.unique(txns.of_value[missing])
    visible = first_of_each(txns.of_value[acked[seen]], size + 1)
    witnesses = []
    for one in torn[:WITNESSES].tolist():
        mine = np.flatnonzero(txns.of_value[missing] == one)[:WITNESSES]
        there = evidence.stored(int(evidence.logs.place_of[acked[seen][visible[one]]]), role="visible")
        lost = [
            evidence.record(
                int(missing[k]), role="missing", p=evidence.partition(partition[k]),
                o=int(offset[k]) if offset[k] >= 0 else None, event=evidence.history.event(int(row[k])),
            )
            for k in mine
        ]  # fmt: skip
        witnesses.append(_told(evidence, one, [there, *lost]) | {"missing": len(lost)})
    return Found(len(torn), witnesses, len(torn), pairs_of(history.records.prod[missing], partition))


def _told(evidence: Evidence, txn: int, records: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "transaction": evidence.transaction(txn), "records": records, "offsets": [r["o"] for r in records if "o" in r],
        "events": [r["event"] for r in records], "markers": _markers(evidence, txn),
    }  # fmt: skip


def _markers(evidence: Evidence, txn: int) -> list[dict[str, Any]]:
    """How the transaction ended in each partition that has data of it."""
    logs = evidence.logs
    log, marker, owner = logs.final, logs.marker, logs.txn_of_runs
    assert marker is not None and owner is not None
    mine = np.flatnonzero((owner == txn) & (log.kind == DATA))
    found = list[dict[str, Any]]()
    for run in mine[np.unique(log.partition[mine], return_index=True)[1]][:WITNESSES].tolist():
        told: dict[str, Any] = {"p": evidence.partition(log.partition[run]), "kind": "none"}
        end = int(marker[run])
        if end >= 0:
            told |= {"kind": _ENDS[int(log.kind[end])], "o": int(log.offset[end])}
            told |= {"event": evidence.history.event(int(log.row[end]))}
            told |= {"epoch": int(log.epoch[end])} if log.epoch[end] >= 0 else {}
        found.append(told)
    return found


def open_transaction(evidence: Evidence) -> Found:
    """Transactions with data that no marker decides and that has not expired; nameless ones by producer id."""
    logs = evidence.logs
    log, marker, owner = logs.final, logs.marker, logs.txn_of_runs
    if marker is None or owner is None:
        return Found()
    runs = np.flatnonzero(marker == OPEN)
    runs = runs[~logs.gone(log.partition[runs], log.offset[runs] + log.count[runs] - 1)]
    named = owner[runs] < len(evidence.history.txns)
    who = combine(named, np.where(named, owner[runs], log.pid[runs]))
    _, first, place = np.unique(who, return_index=True, return_inverse=True)
    records = np.bincount(place, weights=log.count[runs]).astype(np.int64)
    witnesses = []
    for one in np.argsort(log.row[runs[first]], kind="stable")[:WITNESSES].tolist():
        run = int(runs[first[one]])
        record = evidence.record(
            int(log.value[run]), p=evidence.partition(log.partition[run]), o=int(log.offset[run]),
            pid=int(log.pid[run]) if log.pid[run] >= 0 else None, event=evidence.history.event(int(log.row[run])),
        )  # fmt: skip
        name = evidence.transaction(int(owner[run])) if named[first[one]] else None
        witnesses.append({
            "transaction": name, "partition": record["p"], "records": [record], "offsets": [record["o"]],
            "events": [record["event"]], "undecided": int(records[one]),
        })  # fmt: skip
    pairs = pairs_of(evidence.history.records.prod[log.value[runs]], log.partition[runs])
    return Found(len(first), witnesses, len(first), pairs)
