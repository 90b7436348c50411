"""What groups did with what they got: out-of-order-processing, overlapping-processing, duplicate-processing
(anomalies 2.5).

Records are compared by their offsets, within a group, partition and key: an inverted log is not the fault of those who
read it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, offset_key
from analysis.evidence import Evidence
from analysis.finders.order import late_in
from analysis.finders.reads import repeats
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import Column, Processing
from analysis.intervals import Intervals

__all__ = ["duplicate_processing", "out_of_order_processing", "overlapping_processing"]


def out_of_order_processing(evidence: Evidence) -> Found:
    """First starts below the highest offset that was started before."""
    starts = evidence.progress.starts
    lane = evidence.progress.sublanes(starts)
    order = by_group(lane)
    late, overtaker, extent = late_in(starts.offset[order], lane[order])
    late, overtaker = order[late], order[overtaker]
    chosen = np.argsort(late, kind="stable")[:WITNESSES]
    witnesses = [
        _told(evidence, [(starts, int(late[k]), "late"), (starts, int(overtaker[k]), "overtaker")])
        | {"extent": int(extent[k])}
        for k in chosen
    ]
    return _found(evidence, starts.take(late), witnesses)


def overlapping_processing(evidence: Evidence) -> Found:
    """First starts while a lower offset is under way: until somebody ends it, or its process dies."""
    progress = evidence.progress
    starts, (running, over) = progress.starts, progress.under_way
    lane, theirs = (progress.lane_of(table.consumer, table.partition) for table in (starts, running))
    early = np.flatnonzero(Intervals(theirs, running.offset, running.row, over).met(lane, starts.offset, starts.row))
    if not len(early):
        return Found()  # whatever the key
    lanes = progress.sublanes(starts, running)
    lane, theirs = lanes[: len(starts)], lanes[len(starts) :]
    under_way = Intervals(theirs, running.offset, running.row, over)
    early = early[under_way.met(lane[early], starts.offset[early], starts.row[early])]
    witnesses = []
    for k in early[:WITNESSES].tolist():
        other = under_way.lowest(int(lane[k]), int(starts.offset[k]), int(starts.row[k]))
        witnesses.append(_told(evidence, [(starts, k, "early"), (running, other, "under way")]))
    return _found(evidence, starts.take(early), witnesses)


def duplicate_processing(evidence: Evidence) -> Found:
    """Offsets of a group that were processed to the end more than once; *elsewhere*: at-least-once permits it."""
    progress = evidence.progress
    places = progress.places
    again = np.flatnonzero(places.ends > 1)
    if not len(again):
        return Found()
    ends = progress.processing.take(progress.processing.end > 0)
    keys = offset_key(progress.lane_of(ends.consumer, ends.partition), ends.offset)
    order = np.argsort(keys, kind="stable")
    wanted = offset_key(places.lane[again], places.offset[again])
    first = np.searchsorted(keys[order], wanted)
    last = first + places.ends[again]
    by_time = np.argsort(ends.row[order[first + 1]], kind="stable")  # in the order in which the second ends came
    witnesses = [
        _told(evidence, [(ends, int(k), "end") for k in order[first[one] : last[one]].tolist()])
        for one in by_time[:WITNESSES].tolist()
    ]
    found = _found(evidence, ends.take(order[first]), witnesses)
    found.elsewhere = int(_permitted(evidence, wanted).sum())
    return found


def _permitted(evidence: Evidence, places: Column) -> Column:
    """By place (lane and offset in one): it was delivered again, and every time as at-least-once permits."""
    _, again, excused, _ = repeats(evidence)
    polls, singles = evidence.history.polls, evidence.deliveries.singles
    runs = singles.run[again]
    lane = evidence.progress.lane_of(polls.consumer[runs], polls.partition[runs])
    keys = offset_key(lane, singles.offset[again])
    permitted: Column = np.isin(places, keys) & ~np.isin(places, keys[~excused])
    return permitted


def _found(evidence: Evidence, cases: Processing, witnesses: list[dict[str, Any]]) -> Found:
    value = evidence.progress.values(cases)
    known = value >= 0
    pairs = pairs_of(evidence.history.records.prod[value[known]], cases.partition[known])
    return Found(len(cases), witnesses, len(cases), pairs)


def _told(evidence: Evidence, events: list[tuple[Processing, int, str]]) -> dict[str, Any]:
    records = [_record(evidence, *event) for event in events]
    table, k, _ = events[0]
    scope = int(evidence.deliveries.scopes[table.consumer[k]])
    return {
        "group": evidence.deliveries.scope_names[scope], "partition": records[0]["p"], "records": records,
        "offsets": [r["o"] for r in records], "events": [r["event"] for r in records],
    }  # fmt: skip


def _record(evidence: Evidence, table: Processing, k: int, role: str) -> dict[str, Any]:
    one = table.take(np.array([k]))
    value = int(evidence.progress.values(one)[0])
    told = evidence.record(value) if value >= 0 else {}
    if value >= 0 and evidence.history.records.key[value] >= 0:
        told["key"] = evidence.history.keys[int(evidence.history.records.key[value])]
    return told | {
        "role": role, "p": evidence.partition(one.partition[0]), "o": int(one.offset[0]),
        "con": evidence.consumer(one.consumer[0]), "event": evidence.history.event(int(one.row[0])),
    }  # fmt: skip
