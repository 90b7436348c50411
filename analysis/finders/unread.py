"""What no reader got: unseen, lost-write (anomalies 2.4, 1.5). Both need a history whose readers had time to drain."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import expand, mask_of, offset_key
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ACK, UNKNOWN, Column

__all__ = ["lost_write", "unseen"]


def unseen(evidence: Evidence) -> Found:
    """Acknowledged values that no poll delivered, unless their transaction did not commit or they expired unread."""
    values = np.flatnonzero(evidence.acked & ~evidence.delivered)
    if not len(values):
        return Found()
    values = values[evidence.has_to_be_seen[values]]
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
    if not len(values):
        return Found()
    values = values[evidence.has_to_be_seen[values]]
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


def _told_offset(evidence: Evidence) -> Column:
    """By value: an unknown result that another read write of its transaction proves."""
    told = evidence.history.outcomes
    rows = (told.kind == UNKNOWN) & (told.offset >= 0)
    mask = mask_of(told.value[rows], len(evidence.history.values))
    return mask & evidence.proven


def _known_places(evidence: Evidence, values: Column) -> tuple[Column, Column, Column]:
    """Partition, offset and row by which each value is known last: its acks, or where it stands in the log."""
    told, size = evidence.history.outcomes, len(evidence.history.values)
    before = np.concatenate(([0], np.cumsum(mask_of(values, size))))
    about = before[told.value + told.count] > before[told.value]
    told = told.take(np.flatnonzero(about & ((told.kind == ACK) | (told.kind == UNKNOWN))))
    run, value, offset = expand(told.count, told.value, told.offset)
    offset = np.where(told.offset[run] < 0, -1, offset)
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
    if not len(evidence.deliveries.leaps):
        return np.zeros(len(offset), bool)
    lanes, place = np.unique(evidence.deliveries.lane, return_inverse=True)
    bound = np.full(len(lanes), -1, np.int64)
    np.maximum.at(bound, place, polls.offset + polls.count - 1)
    lane, low, high = _merged(evidence, lanes, bound)
    read, moved = lanes % len(history.partitions), lane % len(history.partitions)
    passed = _at_or_above(read, bound, partition, offset)  # consumers that read beyond
    leapt = _at_or_above(moved, high - 1, partition, offset) - _at_or_above(moved, low - 1, partition, offset)
    result: Column = (passed > 0) & (passed == leapt)
    return result


def _at_or_above(lanes: Column, bound: Column, partition: Column, offset: Column) -> Column:
    """How many bounds of each partition are at or above each offset."""
    keys = np.sort(offset_key(lanes, bound + 1))
    found: Column = np.searchsorted(keys, offset_key(partition + 1, np.zeros_like(offset)))
    return found - np.searchsorted(keys, offset_key(partition, offset + 1))


def _merged(evidence: Evidence, lanes: Column, bound: Column) -> tuple[Column, Column, Column]:
    """(lane, from, to) of all moves forward, without overlap in a lane, as far as their consumers read beyond them."""
    leaps, width = evidence.deliveries.leaps, len(evidence.history.partitions)
    lane = leaps.consumer.astype(np.int64) * width + leaps.partition
    read_up_to = dict(zip(lanes.tolist(), bound.tolist(), strict=True))
    merged: list[list[int]] = []
    for k in np.lexsort((leaps.low, lane)).tolist():
        one, low, high = int(lane[k]), int(leaps.low[k]), int(leaps.high[k])
        high = min(high, read_up_to.get(one, -1) + 1)
        if merged and merged[-1][0] == one and low <= merged[-1][2]:
            merged[-1][2] = max(merged[-1][2], high)
        elif low < high:
            merged.append([one, low, high])
    columns = np.array(merged, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]
