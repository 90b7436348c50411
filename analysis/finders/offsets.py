"""What stands at an offset: inconsistent-offsets, committed-truncation, offset-gap (anomalies 1.6, 1.8, 1.11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from analysis.columns import expand, offset_key, slices
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ACK, DATA, UNKNOWN, Column, Outcomes, Polls
from analysis.logs import Log

__all__ = ["committed_truncation", "inconsistent_offsets", "offset_gap"]

WHO = ("ack", "unknown", "poll")
POLL = 2


def inconsistent_offsets(evidence: Evidence) -> Found:
    runs = _claims(evidence)
    doubtful = [
        ~(evidence.deliveries.held if who == POLL else evidence.logs.holds(t.partition, t.offset, t.value, t.count))
        for who, t in runs
    ]
    if not any(mask.any() for mask in doubtful):
        return Found()  # all agree with the log, so with each other
    partition, offset, value, who, row = _claims_one_by_one(runs)
    key = offset_key(partition, offset)
    wrong = np.concatenate([np.repeat(mask, t.count) for mask, (_, t) in zip(doubtful, runs, strict=True)])
    chosen = np.flatnonzero(np.isin(key, key[wrong]))
    key, partition, offset, value, who, row = (c[chosen] for c in (key, partition, offset, value, who, row))
    order = np.argsort(key, kind="stable")
    sorted_key, sorted_value = key[order], value[order]
    differs = (sorted_key[1:] == sorted_key[:-1]) & (sorted_value[1:] != sorted_value[:-1])
    places = np.unique(sorted_key[1:][differs])
    witnesses = []
    for place in places[:WITNESSES]:
        said = order[np.searchsorted(sorted_key, place) : np.searchsorted(sorted_key, place, side="right")]
        _, firsts = np.unique(value[said], return_index=True)
        records = [
            evidence.record(
                int(value[k]), said_by=WHO[int(who[k])], p=evidence.partition(partition[k]), o=int(offset[k]),
                event=evidence.history.event(int(row[k])),
            )
            for k in said[np.sort(firsts)]
        ]  # fmt: skip
        witnesses.append(_told(records))
    involved = np.flatnonzero(np.isin(key, places)) if len(places) else places
    pairs = pairs_of(evidence.history.records.prod[value[involved]], partition[involved])
    return Found(len(places), witnesses, len(places), pairs)


def _told(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "partition": records[0]["p"], "records": records, "offsets": sorted({r["o"] for r in records}),
        "events": [r["event"] for r in records],
    }  # fmt: skip


def _claims(evidence: Evidence) -> list[tuple[int, Outcomes | Polls]]:
    """Everything that says which value stands at an offset, as tables of runs."""
    history, told = evidence.history, evidence.history.outcomes
    acks = (told.kind == ACK) & (told.offset >= 0) & (told.partition >= 0)
    unknown = (told.kind == UNKNOWN) & (told.offset >= 0)
    found: list[tuple[int, Outcomes | Polls]] = [(0, told if acks.all() else told.take(acks)), (POLL, history.polls)]
    if unknown.any():
        proven = told.take(unknown)
        found.append((1, proven.take((evidence.delivered | evidence.proven)[proven.value])))
    return found


def _claims_one_by_one(tables: list[tuple[int, Outcomes | Polls]]) -> list[Column]:
    """(partition, offset, value, who, row) of each claim about one record."""
    parts: list[list[Column]] = []
    for who, table in tables:
        run, offset, value = expand(table.count, table.offset, table.value)
        parts.append([table.partition[run], offset, value, np.full(len(run), who, np.int8), table.row[run]])
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


# --- committed-truncation -------------------------------------------------------------------------------------------
def committed_truncation(evidence: Evidence) -> Found:
    """Records below an announced mark of some leader's log that do not stand at that offset in the final log."""
    lost = [part for part in map(_lost_commits(evidence), *_led(evidence)) if part is not None and len(part[0])]
    if not lost:
        return Found()
    partition, offset, value, broker, row, cut = (np.concatenate(columns) for columns in zip(*lost, strict=True))
    order = np.lexsort((row, value, offset, partition))
    same = np.ones(len(order), bool)
    for column in (partition, offset, value):
        same[1:] &= column[order[1:]] == column[order[:-1]]
    same[0] = False
    order = order[~same]
    witnesses = []
    for k in order[:WITNESSES]:
        record = evidence.record(
            int(value[k]), p=evidence.partition(partition[k]), o=int(offset[k]), broker=evidence.broker(broker[k]),
            event=evidence.history.event(int(row[k])),
        )  # fmt: skip
        events = [record["event"]] + ([evidence.history.event(int(cut[k]))] if cut[k] >= 0 else [])
        now = evidence.broker(evidence.logs.last_leader[partition[k]])
        told = {"events": events, "old_leader": record["broker"], "new_leader": now}
        witnesses.append(_told([record]) | told)
    pairs = pairs_of(evidence.history.records.prod[value[order]], partition[order])
    return Found(len(order), witnesses, len(order), pairs)


def _led(evidence: Evidence) -> tuple[list[int], list[int]]:
    """Partition and broker of every replica that announced marks as a leader."""
    marks, brokers = evidence.marks.leader_marks, evidence.marks.brokers
    led = np.zeros(len(evidence.history.partitions) * brokers, bool)
    for piece in slices(len(marks)):
        led[marks.partition[piece].astype(np.int64) * brokers + marks.broker[piece]] = True
    groups = np.flatnonzero(led).tolist()
    return [g // brokers for g in groups], [g % brokers for g in groups]


def _lost_commits(evidence: Evidence) -> Any:
    logs = evidence.logs

    def of(partition: int, broker: int) -> list[Column] | None:
        last = int(logs.last_leader[partition]) == broker
        if last and not evidence.marks.was_cut(partition, broker):
            return None
        copies, end, cut = evidence.marks.committed(partition, broker, removed_only=last)
        run, offset, value = expand(end, copies.offset, copies.value)
        keep = copies.kind[run] == DATA
        run, offset, value = run[keep], offset[keep], value[keep]
        final = logs.of_partition(partition)
        there, same = _lookup(final, offset, value)
        gone = ~there & logs.gone(np.full(len(offset), partition), offset)
        run, offset, value = (column[~same & ~gone] for column in (run, offset, value))
        size = len(run)
        return [np.full(size, partition), offset, value, np.full(size, broker), copies.row[run], cut[run]]

    return of


def _lookup(log: Log, offset: Column, value: Column) -> tuple[Column, Column]:
    """Whether *log* has something at each offset, and whether it is that value."""
    if not len(log):
        nothing = np.zeros(len(offset), bool)
        return nothing, nothing
    run = np.searchsorted(log.offset, offset, side="right") - 1
    inside = offset - log.offset[run]
    there = (run >= 0) & (inside < log.count[run])
    return there, there & (log.kind[run] == DATA) & (log.value[run] + inside == value)


# --- offset-gap -----------------------------------------------------------------------------------------------------
def offset_gap(evidence: Evidence) -> Found:
    log, logs = evidence.logs.final, evidence.logs
    count, total, witnesses, pairs = 0, 0, list[dict[str, Any]](), set[tuple[int, int]]()
    for k in _before_holes(log):
        partition = int(log.partition[k])
        first = max(int(log.offset[k] + log.count[k]), int(logs.log_start[partition]))
        size, some = _missing(evidence, partition, first, int(log.offset[k + 1]))
        if not size:
            continue
        count, total = count + size, total + 1
        pairs.add((-1, partition))
        if len(witnesses) < WITNESSES:
            events = [evidence.history.event(int(log.row[k])), evidence.history.event(int(log.row[k + 1]))]
            witnesses.append({
                "partition": evidence.partition(partition), "offsets": some, "missing": size,
                "records": _ends(evidence, log, int(k)), "events": events,
            })  # fmt: skip
    return Found(count, witnesses, total, pairs)


def _before_holes(log: Log) -> Iterator[int]:
    """Runs that the next one of their partition does not follow at once."""
    for piece in slices(len(log) - 1):
        behind = slice(piece.start + 1, piece.stop + 1)
        beyond = log.offset[behind] > log.offset[piece] + log.count[piece]
        yield from (piece.start + np.flatnonzero(beyond & (log.partition[behind] == log.partition[piece]))).tolist()


def _missing(evidence: Evidence, partition: int, first: int, end: int) -> tuple[int, list[int]]:
    """How many offsets from *first* to before *end* nothing explains, and the first of them."""
    if end <= first:
        return 0, []
    place = np.full(2, partition)
    low, high = np.searchsorted(evidence.logs.compacted, offset_key(place, np.array([first, end]))).tolist()
    some = np.arange(first, min(end, first + WITNESSES + high - low))
    some = some[~evidence.logs.gone(np.full(len(some), partition), some)]
    return end - first - (high - low), some[:WITNESSES].tolist()


def _ends(evidence: Evidence, log: Log, k: int) -> list[dict[str, Any]]:
    """The records beside a gap."""
    ends = ((k, int(log.value[k] + log.count[k]) - 1), (k + 1, int(log.value[k + 1])))
    return [evidence.record(value, o=_offset(log, run, value)) for run, value in ends if log.kind[run] == DATA]


def _offset(log: Log, run: int, value: int) -> int:
    return int(log.offset[run] + value - log.value[run])
