"""What no reader got: unseen, lost-write (anomalies 2.4, 1.5). Both need a history whose readers had time to drain."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import expand, mask_of, offset_key
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ACK, FORGET_RESET, FORGET_SEEK, UNKNOWN, Column

__all__ = ["lost_write", "unseen"]


def unseen(evidence: Evidence) -> Found:
    """Acknowledged values that no poll delivered, unless their transaction did not commit or they expired unread."""
    values = np.flatnonzero(evidence.acked & ~evidence.delivered)
    values = values[~_hidden(evidence)[values]]
    partition, offset, row = _known_places(evidence, values)
    placed = (offset >= 0) & (partition >= 0)
    keep = np.ones(len(values), bool)
    keep[placed] = ~evidence.logs.gone(partition[placed], offset[placed])
    values, partition, offset, row = values[keep], partition[keep], offset[keep], row[keep]
    return _found(evidence, values, partition, offset, row)


def lost_write(evidence: Evidence) -> Found:
    """Known values that nobody got, although readers went on to their offset or beyond it without leaping over it."""
    known = evidence.acked | _told_offset(evidence)
    values = np.flatnonzero(known & ~evidence.delivered)
    values = values[~_hidden(evidence)[values]]
    partition, offset, row = _known_places(evidence, values)
    keep = (offset >= 0) & (partition >= 0)
    values, partition, offset, row = values[keep], partition[keep], offset[keep], row[keep]
    bound = _read_up_to(evidence)
    keep = (offset <= bound[partition]) & ~evidence.logs.gone(partition, offset)
    values, partition, offset, row = values[keep], partition[keep], offset[keep], row[keep]
    keep = ~_leapt_over(evidence, partition, offset)
    return _found(evidence, values[keep], partition[keep], offset[keep], row[keep])


def _found(evidence: Evidence, values: Column, partition: Column, offset: Column, row: Column) -> Found:
    order = np.argsort(row, kind="stable")
    witnesses: list[dict[str, Any]] = []
    for k in order[:WITNESSES]:
        record = evidence.record(
            int(values[k]), p=evidence.partition(partition[k]), o=int(offset[k]) if offset[k] >= 0 else None,
            event=evidence.history.event(int(row[k])),
        )  # fmt: skip
        now = "in the log" if evidence.logs.place_of[values[k]] >= 0 else "not in the log"
        witnesses.append({
            "partition": record.get("p"), "records": [record], "offsets": [record["o"]] if "o" in record else [],
            "events": [record["event"]], "now": now,
        })  # fmt: skip
    prod = evidence.history.records.prod[values]
    in_log = bool((evidence.logs.place_of[values] >= 0).any())
    return Found(len(values), witnesses, len(values), pairs_of(prod, partition), blameless=in_log)


def _hidden(evidence: Evidence) -> Column:
    """By value: stored, but its transaction aborted or is open, so that nobody need see it."""
    if evidence.logs.transaction_state is None:
        return np.zeros(len(evidence.history.values), bool)
    log = evidence.logs.final.singles()
    stored = mask_of(log.value[log.value >= 0], len(evidence.history.values))
    hidden: Column = stored & (evidence.logs.place_of < 0)
    return hidden


def _told_offset(evidence: Evidence) -> Column:
    """By value: an unknown result that another read write of its transaction proves."""
    told, txn = evidence.history.outcomes, evidence.history.records.txn
    proven = np.zeros(len(evidence.history.txns) + 1, bool)
    proven[txn[evidence.delivered]] = True
    proven[-1] = False
    rows = (told.kind == UNKNOWN) & (told.offset >= 0)
    mask = mask_of(told.value[rows], len(evidence.history.values))
    return mask & proven[txn]


def _known_places(evidence: Evidence, values: Column) -> tuple[Column, Column, Column]:
    """Partition, offset and row by which each value is known last: its acks, or where it stands in the log."""
    told = evidence.history.outcomes
    told = told.take((told.kind == ACK) | (told.kind == UNKNOWN))
    run, value, offset = expand(told.count, told.value, told.offset)
    offset = np.where(told.offset[run] < 0, -1, offset)
    size = len(evidence.history.values)
    places = [np.full(size, -1, np.int64) for _ in range(3)]
    for rows in (np.arange(len(run)), np.flatnonzero(offset >= 0)):  # those with an offset have the last word
        for column, source in zip(places, (told.partition[run], offset, told.row[run]), strict=True):
            column[value[rows]] = source[rows]
    partition, offset, row = (column[values] for column in places)
    stored = evidence.logs.place_of[values]
    fill = (offset < 0) & (stored >= 0)
    partition[fill] = evidence.logs.records.partition[stored[fill]]
    offset[fill] = evidence.logs.records.offset[stored[fill]]
    return partition, offset, row


def _read_up_to(evidence: Evidence) -> Column:
    """By partition: the highest offset at which a delivered value is known; -1 where nothing was read."""
    polls = evidence.history.polls
    bound = np.full(len(evidence.history.partitions), -1, np.int64)
    np.maximum.at(bound, polls.partition, polls.offset + polls.count - 1)
    return bound


def _leapt_over(evidence: Evidence, partition: Column, offset: Column) -> Column:
    """Every consumer that read beyond the offset had been moved over it on purpose (seek, start at the end)."""
    history, polls = evidence.history, evidence.history.polls
    leaps = _leaps(evidence)
    if not leaps:
        return np.zeros(len(offset), bool)
    passed = np.zeros(len(offset), np.int64)  # consumers that read beyond
    leapt = np.zeros(len(offset), np.int64)  # of these, such as were moved over it
    for consumer in range(len(history.consumers.names)):
        mine = polls.consumer == consumer
        bound = np.full(len(history.partitions), -1, np.int64)
        np.maximum.at(bound, polls.partition[mine], (polls.offset + polls.count - 1)[mine])
        beyond = bound[partition] >= offset
        over = np.zeros(len(offset), bool)
        for p, low, high in leaps.get(consumer, ()):
            over |= (partition == p) & (offset >= low) & (offset < high)
        passed += beyond
        leapt += beyond & over
    result: Column = (passed > 0) & (passed == leapt)
    return result


def _leaps(evidence: Evidence) -> dict[int, list[tuple[int, int, int]]]:
    """By consumer: (partition, from, to) of every move forward that it or its library made."""
    table, polls = evidence.history.positions, evidence.history.polls
    rows = np.flatnonzero((table.kind == FORGET_SEEK) | (table.kind == FORGET_RESET))
    if not len(rows):
        return {}
    width = len(evidence.history.partitions)
    keys = offset_key(evidence.deliveries.lane, polls.row)
    order = np.argsort(keys, kind="stable")
    leaps: dict[int, list[tuple[int, int, int]]] = {}
    for row in rows.tolist():
        consumer, p, to = int(table.consumer[row]), int(table.partition[row]), int(table.offset[row])
        lane = consumer * width + p
        at = int(np.searchsorted(keys[order], offset_key(np.array([lane]), table.row[row : row + 1])[0])) - 1
        run = int(order[at]) if at >= 0 else -1
        came = run >= 0 and int(evidence.deliveries.lane[run]) == lane
        position = int(polls.offset[run] + polls.count[run]) if came else 0
        if to > position:
            leaps.setdefault(consumer, []).append((p, position, to))
    return leaps
