"""Single deliveries: duplicate-delivery, aborted-read, above-hw-read (anomalies 2.3, 2.8, 3.1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import (
    OFFSET_BITS,
    by_group,
    combine,
    lowest_in,
    mask_of,
    offset_key,
    pieces,
    running_max,
    slices,
)
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ABORT, DATA, FORGET_ASSIGN, FORGET_RESET, FORGET_REVOKE, FORGET_SEEK, Column

__all__ = ["above_hw_read", "aborted_read", "duplicate_delivery", "repeats"]

DENSE = 8  # a table by partition and offset may have so many places a mark or delivery


# --- duplicate-delivery -----------------------------------------------------------------------------------------------
def duplicate_delivery(evidence: Evidence) -> Found:
    """Deliveries beyond the first per (group, partition, offset, value), outside explicit replays."""
    first, again, excused, committed = repeats(evidence)
    singles, polls = evidence.deliveries.singles, evidence.history.polls
    witnesses = [
        _repeat(evidence, int(a), int(b), bool(x), int(c))
        for a, b, x, c in list(zip(first, again, excused, committed, strict=True))[:WITNESSES]
    ]
    runs = singles.run[again]
    pairs = pairs_of(evidence.history.records.prod[singles.value[again]], polls.partition[runs])
    return Found(len(again), witnesses, len(again), pairs, extra={"excused": int(excused.sum())})


def repeats(evidence: Evidence) -> tuple[Column, Column, Column, Column]:
    """Each repeat and the delivery before (in ``singles``), whether at-least-once permits it, and what was committed.

    It is permitted to a reader that began on the partition after that delivery, at or above the committed offset; and
    to one that had begun before it and was followed by whoever got that delivery, without knowing it yet.
    """
    first, again = _repeats(evidence)
    keep = ~_replayed(evidence, first, again)
    first, again = first[keep], again[keep]
    if not len(again):
        return first, again, np.zeros(0, bool), again
    start, committed = _session(evidence, again)
    singles, polls = evidence.deliveries.singles, evidence.history.polls
    followed = polls.consumer[singles.run[first]] != polls.consumer[singles.run[again]]
    followed &= _session(evidence, first)[0] > start
    excused = ((start > polls.row[singles.run[first]]) | followed) & (singles.offset[again] >= committed)
    excused &= ~_exactly_once(evidence, singles.run[first], singles.run[again])
    return first, again, excused, committed


def _repeats(evidence: Evidence) -> tuple[Column, Column]:
    """Positions in ``singles`` of each repeat, in order, and of the delivery it repeats (the one before)."""
    deliveries = evidence.deliveries
    singles, polls = deliveries.singles, evidence.history.polls
    if deliveries.repeated is None:
        return singles.run[:0], singles.run[:0]
    counted = np.flatnonzero(deliveries.repeated[singles.value])
    counted = counted[deliveries.counted[singles.run[counted]]]
    run, offset, value = singles.run[counted], singles.offset[counted], singles.value[counted]
    scope = deliveries.scope[run]
    lane = combine(scope, polls.partition[run])
    order = np.lexsort((np.arange(len(run)), value, offset, lane))
    same = np.ones(max(len(order) - 1, 0), bool)
    for column in (lane, offset, value):
        same &= column[order[1:]] == column[order[:-1]]
    again = np.flatnonzero(same) + 1
    first = counted[order[again - 1]]
    chosen = np.argsort(counted[order[again]], kind="stable")
    return first[chosen], counted[order[again]][chosen]


def _lane_of(evidence: Evidence, single: Column) -> Column:
    return evidence.deliveries.lane[evidence.deliveries.singles.run[single]]


def _replayed(evidence: Evidence, first: Column, again: Column) -> Column:
    """The application moved the position back, to the record or below, since it was delivered before."""
    table, width = evidence.history.positions, len(evidence.history.partitions)
    seeks = np.flatnonzero(table.kind == FORGET_SEEK)
    replayed = np.zeros(len(again), bool)
    if not len(seeks):
        return replayed
    keys = offset_key(table.consumer[seeks].astype(np.int64) * width + table.partition[seeks], table.row[seeks])
    order = np.argsort(keys)
    keys, to = keys[order], table.offset[seeks][order]
    rows = evidence.history.polls.row[evidence.deliveries.singles.run]
    lane = _lane_of(evidence, again)
    a = np.searchsorted(keys, offset_key(lane, rows[first]), side="right")
    b = np.searchsorted(keys, offset_key(lane, rows[again]), side="right")
    some = np.flatnonzero(b > a)
    replayed[some] = lowest_in(to, a[some], b[some]) <= evidence.deliveries.singles.offset[again[some]]
    return replayed


def _session(evidence: Evidence, again: Column) -> tuple[Column, Column]:
    """When the reader of each repeat began on the partition, and what its group had committed there by then.

    It began with an assignment or a reset; where none came since it was last revoked or died, with its next poll.
    """
    deliveries, polls = evidence.deliveries, evidence.history.polls
    table, width = evidence.history.positions, len(evidence.history.partitions)
    runs = deliveries.singles.run[again]
    lane, row = deliveries.lane[runs], polls.row[runs]
    told = offset_key(table.consumer.astype(np.int64) * width + table.partition, table.row)
    began = _last_row(np.sort(told[(table.kind == FORGET_ASSIGN) | (table.kind == FORGET_RESET)]), lane, row)
    revoked = _last_row(np.sort(told[table.kind == FORGET_REVOKE]), lane, row)
    over = np.maximum(revoked, _last_row(deliveries.crashes, polls.consumer[runs], row))
    read = np.sort(offset_key(deliveries.lane, polls.row))
    next_poll = read[np.searchsorted(read, offset_key(lane, np.maximum(over, 0)))] & ((1 << OFFSET_BITS) - 1)
    start = np.where((began >= 0) & (began >= over), began, next_poll)
    return start, evidence.progress.committed_at(deliveries.scope[runs] * width + polls.partition[runs], start)


def _last_row(keys: Column, owner: Column, row: Column) -> Column:
    """The last row of each owner up to *row* among sorted (owner, row) keys; -1 where there is none."""
    if not len(keys):
        return np.full(len(row), -1, np.int64)
    found = keys[np.maximum(np.searchsorted(keys, offset_key(owner, row), side="right") - 1, 0)]
    there = (found >> OFFSET_BITS == owner) & (found <= offset_key(owner, row))
    return np.where(there, found & ((1 << OFFSET_BITS) - 1), -1)


def _exactly_once(evidence: Evidence, first: Column, again: Column) -> Column:
    """Both polls were in committed transactions of which one took the offsets of the partition along."""
    polls, sent, width = evidence.history.polls, evidence.history.txn_offsets, len(evidence.history.partitions)
    if not len(sent):
        return np.zeros(len(again), bool)
    along = np.unique(sent.txn.astype(np.int64) * width + sent.partition)
    both = (polls.txn[first] >= 0) & (polls.txn[again] >= 0)
    some = np.zeros(len(again), bool)
    for runs in (first, again):
        some |= np.isin(polls.txn[runs].astype(np.int64) * width + polls.partition[runs], along)
    return both & some


def _repeat(evidence: Evidence, first: int, again: int, excused: bool, committed: int) -> dict[str, Any]:
    records = [evidence.delivered_record(first), evidence.delivered_record(again)]
    scope = int(evidence.deliveries.scope[evidence.deliveries.singles.run[again]])
    return {
        "group": evidence.deliveries.scope_names[scope],
        "partition": records[0]["p"], "records": records, "offsets": [records[0]["o"]], "excused": excused,
        "committed": committed, "events": [r["event"] for r in records],
    }  # fmt: skip


# --- aborted-read -----------------------------------------------------------------------------------------------------
def aborted_read(evidence: Evidence) -> Found:
    """Delivered records that were certainly not to be seen, each once."""
    singles, polls = evidence.deliveries.singles, evidence.history.polls
    bad = _aborted(evidence)
    if bad is None and not (evidence.failed & evidence.delivered).any():
        return Found()
    failed = evidence.failed[singles.value]
    bad = failed if bad is None else failed | bad
    places = np.flatnonzero(bad)
    key = combine(polls.partition[singles.run[places]], singles.offset[places], singles.value[places])
    places = places[np.sort(np.unique(key, return_index=True)[1])]
    witnesses = []
    for place in places[:WITNESSES]:
        record = evidence.delivered_record(int(place))
        why = "send failed" if evidence.failed[singles.value[place]] else "transaction aborted"
        witnesses.append(_one(record) | {"because": why})
    prod = evidence.history.records.prod[singles.value[places]]
    return Found(len(places), witnesses, len(places), pairs_of(prod, polls.partition[singles.run[places]]))


def _aborted(evidence: Evidence) -> Column | None:
    """By delivery: to a reader of committed data, of a transaction that aborted, as the log says or its client saw."""
    logs, singles, polls = evidence.logs, evidence.deliveries.singles, evidence.history.polls
    state, by_client = logs.transaction_state, evidence.transactions.aborted
    if state is None and not by_client.any():
        return None
    bad: Column = by_client[singles.value]
    if state is not None and (state == ABORT).any():
        partition = polls.partition[singles.run]
        run = logs.find(partition, singles.offset)
        held = logs.holds(partition, singles.offset, singles.value)
        log = logs.final.take(np.flatnonzero((state == ABORT) & (logs.final.kind == DATA))).singles()
        elsewhere = mask_of(log.value, len(evidence.history.values)) & (logs.copies == 0)
        bad = bad | np.where(held, state[np.maximum(run, 0)] == ABORT, elsewhere[singles.value])
    bad &= evidence.deliveries.committed_only[polls.consumer[singles.run]]
    return bad


def _one(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "consumer": record["con"], "partition": record["p"], "records": [record], "offsets": [record["o"]],
        "events": [record["event"]],
    }  # fmt: skip


# --- above-hw-read ----------------------------------------------------------------------------------------------------
def above_hw_read(evidence: Evidence) -> Found:
    """Deliveries at or above everything that leaders had announced by then; where they never announced anything,
    nothing can be said."""
    polls = evidence.history.polls
    runs = _uncovered(evidence)
    runs = runs[mask_of(evidence.marks.leader_marks.partition, len(evidence.history.partitions))[polls.partition[runs]]]
    mark = _announced(evidence, runs)
    above = np.clip(polls.offset[runs] + polls.count[runs] - np.maximum(mark, polls.offset[runs]), 0, None)
    runs, mark, above = (column[above > 0] for column in (runs, mark, above))
    count, witnesses = int(above.sum()), list[dict[str, Any]]()
    for run, high, size in zip(runs[:WITNESSES].tolist(), mark.tolist(), above.tolist(), strict=False):
        for inside in range(int(polls.count[run]) - size, int(polls.count[run])):
            if len(witnesses) < WITNESSES:
                witnesses.append(_one(evidence.handed_over(run, inside)) | {"high_watermark": high})
    prod = evidence.history.records.prod[polls.value[runs]]
    return Found(count, witnesses, count, pairs_of(prod, polls.partition[runs]))


def _uncovered(evidence: Evidence) -> Column:
    """Runs of the polls table that may be above all marks before them: most often a table of marks by offset tells."""
    polls, marks, height = evidence.history.polls, evidence.marks.leader_marks, len(evidence.history.partitions)
    width = int(marks.offset.max(initial=0)) + 1
    if not len(marks) or height * width > DENSE * (len(marks) + len(polls)):
        return np.arange(len(polls))
    narrow = np.int32 if max(int(marks.row[-1]), int(polls.row[-1])) < (1 << 31) - 1 else np.int64
    first = np.full(height * width, np.iinfo(narrow).max, narrow)  # the row in which each offset was announced
    for piece in reversed([*slices(len(marks))]):
        place = marks.partition[piece].astype(np.int64) * width + marks.offset[piece]
        first[place[::-1]] = marks.row[piece][::-1]  # the first one stays
    upwards = first.reshape(height, width)[:, ::-1]
    np.minimum.accumulate(upwards, axis=1, out=upwards)  # or one above it
    found = [np.zeros(0, np.int64)]
    for piece in slices(len(polls)):
        end = polls.offset[piece] + polls.count[piece]
        announced = first[polls.partition[piece].astype(np.int64) * width + np.minimum(end, width - 1)]
        found.append(piece.start + np.flatnonzero((announced >= polls.row[piece]) | (end >= width)))
    return np.concatenate(found)


def _announced(evidence: Evidence, runs: Column) -> Column:
    """By run (of these of the polls table): the highest mark that a leader of its partition had announced before."""
    polls, marks = evidence.history.polls, evidence.marks.leader_marks
    found = np.zeros(len(runs), np.int64)
    if not len(runs):
        return found
    order, asked = by_group(marks.partition), by_group(polls.partition[runs])
    mark, row, theirs = marks.offset[order], marks.row[order], marks.partition[order]
    partition, when = polls.partition[runs[asked]], polls.row[runs[asked]]
    for piece in pieces(partition):
        span = slice(*np.searchsorted(theirs, [partition[piece.start], partition[piece.stop - 1] + 1]).tolist())
        if span.start == span.stop:
            continue
        lifted, highest = running_max(mark[span], theirs[span])
        announced = mark[span] + (highest - lifted)
        keys = offset_key(theirs[span], row[span])
        at = np.searchsorted(keys, offset_key(partition[piece], when[piece])) - 1
        there = (at >= 0) & (theirs[span][np.maximum(at, 0)] == partition[piece])
        found[asked[piece][there]] = announced[at[there]]
    return found
