"""Order as readers met it: e2e-key-reorder, cross-partition-inversion (anomalies 2.6, section 4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, combine, offset_key
from analysis.disorder import disordered_runs
from analysis.evidence import Evidence
from analysis.finders.order import first_copies, late_in
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import Column

__all__ = ["cross_partition_inversion", "e2e_key_reorder"]


def e2e_key_reorder(evidence: Evidence) -> Found:
    """Per (group, producer instance, key), by first delivery (by processing start where the group tells those)."""
    if not evidence.keys_move and _in_order(evidence):
        return Found()
    scope, value, run = _met(evidence)
    sends = evidence.history.records
    keep = (sends.key[value] >= 0) & (sends.prod[value] >= 0)
    scope, value, run = scope[keep], value[keep], run[keep]
    return _late(evidence, combine(scope, sends.prod[value], sends.key[value]), value, run, blame=True)


def cross_partition_inversion(evidence: Evidence) -> Found:
    """Per (group, producer instance), over all partitions: nothing that Kafka promises."""
    scope, value, run = _met(evidence)
    keep = evidence.history.records.prod[value] >= 0
    scope, value, run = scope[keep], value[keep], run[keep]
    return _late(evidence, combine(scope, evidence.history.records.prod[value]), value, run, blame=False)


def _in_order(evidence: Evidence) -> bool:
    """Every group got each partition's records, producer by producer, in the order in which they were sent."""
    deliveries, polls = evidence.deliveries, evidence.history.polls
    if len(evidence.history.processing) or not deliveries.each_once or not deliveries.counts_as_progress.all():
        return False
    if not evidence.unique_uids or not evidence.orderly(polls):
        return False
    sends = evidence.history.records
    groups = combine(deliveries.scope, polls.partition, sends.prod[polls.value])
    return not len(disordered_runs(sends.i, polls, np.ones(len(polls), bool), groups, None))


def _met(evidence: Evidence) -> tuple[Column, Column, Column]:
    """(scope, value, row of the polls table) in the order in which each group met the records."""
    deliveries = evidence.deliveries
    singles = deliveries.singles
    keep = deliveries.counts_as_progress[singles.run]
    run, value = (singles.run, singles.value) if keep.all() else (singles.run[keep], singles.value[keep])
    scope = deliveries.scope[run]
    started = evidence.history.processing.take(evidence.history.processing.end == 0)
    if not len(started):
        return scope, value, run
    return _by_processing(evidence, scope, value, run)


def _by_processing(evidence: Evidence, scope: Column, value: Column, run: Column) -> tuple[Column, Column, Column]:
    """Groups with processing events meet a record when its processing starts."""
    history, deliveries = evidence.history, evidence.deliveries
    started = history.processing.take(history.processing.end == 0)
    theirs = deliveries.scopes[started.consumer]
    width = len(history.partitions)
    inside = value - history.polls.value[run]
    where = offset_key(scope * width + history.polls.partition[run], history.polls.offset[run] + inside)
    order = np.argsort(where, kind="stable")
    wanted = offset_key(theirs * width + started.partition, started.offset)
    at = np.searchsorted(where[order], wanted)
    found = order[np.minimum(at, len(order) - 1)] if len(order) else at
    there = (at < len(order)) & (where[found] == wanted) if len(order) else np.zeros(len(at), bool)
    others = ~np.isin(scope, theirs)
    return (
        np.concatenate([scope[others], theirs[there]]),
        np.concatenate([value[others], value[found[there]]]),
        np.concatenate([run[others], run[found[there]]]),
    )


def _late(evidence: Evidence, groups: Column, value: Column, run: Column, blame: bool) -> Found:
    sends = evidence.history.records
    keep = first_copies(sends.uid[value], groups)
    if not keep.all():
        groups, value, run = groups[keep], value[keep], run[keep]
    order = by_group(groups)
    late, overtaker, extent = late_in(sends.i[value[order]], groups[order])
    late, overtaker = order[late], order[overtaker]
    chosen = np.argsort(late, kind="stable")[:WITNESSES]
    witnesses = [
        _witness(evidence, value, run, int(late[k]), int(overtaker[k]), int(extent[k]), blame) for k in chosen
    ]
    partition = evidence.history.polls.partition
    pairs = pairs_of(sends.prod[value[late]], partition[run[late]])
    split = partition[run[late]] != partition[run[overtaker]]
    places = evidence.logs.place_of
    innocent = bool((~split & (places[value[late]] < places[value[overtaker]])).any())
    return Found(len(late), witnesses, len(late), pairs, elsewhere=int(split.sum()), blameless=innocent)


def _witness(
    evidence: Evidence, value: Column, run: Column, late: int, other: int, extent: int, blame: bool,
) -> dict[str, Any]:  # fmt: skip
    polls = evidence.history.polls
    records = [
        evidence.handed_over(int(run[k]), int(value[k] - polls.value[run[k]]), role=role)
        for k, role in ((late, "late"), (other, "overtaker"))
    ]
    scope = int(evidence.deliveries.scope[run[late]])
    told: dict[str, Any] = {
        "group": evidence.deliveries.scope_names[scope], "partition": records[0]["p"], "records": records,
        "offsets": [r["o"] for r in records], "events": [r["event"] for r in records], "extent": extent,
    }  # fmt: skip
    if blame:
        told["key"] = evidence.history.keys[int(evidence.history.records.key[value[late]])]
        told["layer"] = _layer(evidence, int(value[late]), int(value[other]), records)
    return told


def _layer(evidence: Evidence, late: int, other: int, records: list[dict[str, Any]]) -> str:
    """Where the order was lost."""
    if records[0]["p"] != records[1]["p"]:
        return "partition split"
    places = evidence.logs.place_of
    return "log" if places[late] > places[other] >= 0 else "delivery or processing"
