"""Identities in the log: sequence-gap and -regression, fenced-append, leader-epoch-regression.

Anomalies 1.9 to 1.11.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, combine, offset_key, pieces, running_max
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import DATA, Column
from analysis.logs import Log
from analysis.neighbours import SEQUENCES

__all__ = ["fenced_append", "leader_epoch_regression", "sequence_gap", "sequence_regression"]

FORGOTTEN_S = 86_400  # producer.id.expiration.ms: after so long a broker takes any sequence
_PER_SECOND = {"ns": 10**9, "us": 10**6, "ms": 10**3}


def sequence_gap(evidence: Evidence) -> Found:
    left, right, step = evidence.odd_sequences
    wrong = (step > 1) & (step <= 1 << 30)
    return _steps(evidence, left[wrong], right[wrong], step[wrong])


def sequence_regression(evidence: Evidence) -> Found:
    left, right, step = evidence.odd_sequences
    wrong = (step == 0) | (step > 1 << 30)
    return _steps(evidence, left[wrong], right[wrong], step[wrong])


def _steps(evidence: Evidence, left: Column, right: Column, step: Column) -> Found:
    log = evidence.logs.final
    bad = ~_explained(evidence, log, left, right, step)
    left, right, step = left[bad], right[bad], step[bad]
    told = zip(left[:WITNESSES].tolist(), right[:WITNESSES].tolist(), step[:WITNESSES].tolist(), strict=True)
    witnesses = [_pair(evidence, log, a, b, step=by) for a, b, by in told]
    return Found(len(step), witnesses, len(step), _pairs(evidence, log, right))


def _explained(evidence: Evidence, log: Log, left: Column, right: Column, step: Column) -> Column:
    """Holes that compaction made, each of one sequence, or a pause in which a broker forgets the producer."""
    pause = FORGOTTEN_S * _PER_SECOND[evidence.history.time_unit]
    explained: Column = log.t[right].astype(np.int64) - log.t[left] >= pause
    removed = evidence.logs.compacted
    if len(removed):
        ends = offset_key(log.partition[left], log.offset[left] + log.count[left])
        starts = offset_key(log.partition[right], log.offset[right])
        holes = np.searchsorted(removed, starts) - np.searchsorted(removed, ends)
        explained |= (step > 1) & (step - 1 <= holes)
    return explained


def fenced_append(evidence: Evidence) -> Found:
    """Data records behind a record, or a marker (that of the coordinator that fenced them), of a higher epoch."""
    log = evidence.logs.final
    fence, late = _fenced(log)
    count, witnesses = int(log.count[late].sum()), list[dict[str, Any]]()
    for other, k in zip(fence.tolist(), late.tolist(), strict=True):
        for inside in range(int(log.count[k])):
            if len(witnesses) < WITNESSES:
                witnesses.append(_pair(evidence, log, other, k, inside=inside))
        if len(witnesses) == WITNESSES:
            break
    return Found(count, witnesses, count, _pairs(evidence, log, late))


def _fenced(log: Log) -> tuple[Column, Column]:
    """The first run of a higher epoch, and the run of data behind it, producer id by producer id."""
    fences, late = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for piece in pieces(log.partition):
        epoch = log.epoch[piece]
        if epoch.min() == epoch.max():
            continue
        rows = piece.start + np.flatnonzero((log.pid[piece] >= 0) & (epoch >= 0))
        lane = combine(log.partition[rows], log.pid[rows])
        order = by_group(lane)
        rows, lane = rows[order], lane[order]
        lifted, highest = running_max(log.epoch[rows], lane)
        low = np.flatnonzero((lifted < highest) & (log.kind[rows] == DATA))
        fences.append(rows[np.searchsorted(highest, lifted[low], side="right")])
        late.append(rows[low])
    return np.concatenate(fences), np.concatenate(late)


def leader_epoch_regression(evidence: Evidence) -> Found:
    log = evidence.logs.final
    known = log.lep >= 0
    rows = None if known.all() else np.flatnonzero(known)
    partition, lep = (log.partition, log.lep) if rows is None else (log.partition[rows], log.lep[rows])
    bad = np.flatnonzero((partition[1:] == partition[:-1]) & (lep[1:] < lep[:-1]))
    told = bad[:WITNESSES] if rows is None else rows[bad[:WITNESSES]]
    after = bad[:WITNESSES] + 1 if rows is None else rows[bad[:WITNESSES] + 1]
    witnesses = [_pair(evidence, log, a, b) for a, b in zip(told.tolist(), after.tolist(), strict=True)]
    return Found(len(bad), witnesses, len(bad), {(-1, p) for p in np.unique(partition[bad]).tolist()})


def _pair(evidence: Evidence, log: Log, left: int, right: int, inside: int = 0, **more: Any) -> dict[str, Any]:
    """Last record of run *left*, and the record of run *right* that stands *inside* it."""
    records = [_record(evidence, log, left, int(log.count[left]) - 1), _record(evidence, log, right, inside)]
    return {
        "partition": evidence.partition(log.partition[right]), "records": records, "offsets": [r["o"] for r in records],
        "events": [r["event"] for r in records], **more,
    }  # fmt: skip


def _record(evidence: Evidence, log: Log, run: int, inside: int) -> dict[str, Any]:
    told: dict[str, Any] = {"o": int(log.offset[run]) + inside, "event": evidence.history.event(int(log.row[run]))}
    for name in ("lep", "pid", "epoch"):
        if getattr(log, name)[run] >= 0:
            told[name] = int(getattr(log, name)[run])
    if log.seq[run] >= 0:
        told["seq"] = (int(log.seq[run]) + inside) % SEQUENCES
    value = int(log.value[run])
    return (evidence.record(value + inside) if value >= 0 else {"control": int(log.kind[run])}) | told


def _pairs(evidence: Evidence, log: Log, runs: Column) -> set[tuple[int, int]]:
    return pairs_of(evidence.history.records.prod[log.value[runs]], log.partition[runs])
