"""Reads of what was not committed yet: uncommitted-read, precommitted-read (anomalies 3.2).

A delivery to a read_committed reader was too early if by then nobody had written a marker that decides the record: one
of its producer id (of its transaction, where it has no producer id) at a higher offset of the partition.
"""

from __future__ import annotations

import numpy as np

from analysis.columns import combine, expand, offset_key, running_max
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import DATA, Appends, Column
from analysis.logs import NO_TRANSACTION

__all__ = ["precommitted_read", "uncommitted_read"]


def uncommitted_read(evidence: Evidence) -> Found:
    return _found(evidence, _too_early(evidence))


def precommitted_read(evidence: Evidence) -> Found:
    """Too early, and in the very transaction that wrote the record.

    Where no append tells when the marker came, it came later: a transaction ends after the last poll in it.
    """
    singles, polls = evidence.deliveries.singles, evidence.history.polls
    if len(evidence.history.appends) and evidence.history.append_times:
        early = _too_early(evidence)
    else:
        early = np.flatnonzero(evidence.deliveries.committed_only[polls.consumer[singles.run]])
    reader = polls.txn[singles.run[early]]
    own = (reader >= 0) & (reader == evidence.transactions.of_value[singles.value[early]])
    return _found(evidence, early[own])


def _found(evidence: Evidence, early: Column) -> Found:
    singles, polls = evidence.deliveries.singles, evidence.history.polls
    value = singles.value[early]
    txn = evidence.transactions.of_value[value]
    witnesses = []
    for single, writer in zip(early[:WITNESSES].tolist(), txn[:WITNESSES].tolist(), strict=True):
        record = evidence.delivered_record(single)
        reader = int(polls.txn[singles.run[single]])
        witnesses.append({
            "consumer": record["con"], "partition": record["p"], "records": [record], "offsets": [record["o"]],
            "events": [record["event"]], "written_in": evidence.transaction(writer),
            "read_in": evidence.transaction(reader),
        })  # fmt: skip
    pairs = pairs_of(evidence.history.records.prod[value], polls.partition[singles.run[early]])
    return Found(len(early), witnesses, len(early), pairs)


def _too_early(evidence: Evidence) -> Column:
    """Positions in ``singles``, in order of delivery."""
    polls, singles = evidence.history.polls, evidence.deliveries.singles
    doubtful = evidence.deliveries.committed_only[polls.consumer] & ~_decided_in_the_log(evidence)
    single = np.flatnonzero(doubtful[singles.run])
    return single[_undecided(evidence, single)] if len(single) else single


def _decided_in_the_log(evidence: Evidence) -> Column:
    """By run of the polls table: it stands in the final log, in no transaction or before a marker copied by then."""
    logs, polls = evidence.logs, evidence.history.polls
    if logs.marker is None or not len(logs.final):
        return np.zeros(len(polls), bool)
    marker = logs.marker[np.maximum(logs.find(polls.partition, polls.offset), 0)]
    before = (marker >= 0) & (logs.final.row[np.maximum(marker, 0)] < polls.row)
    decided: Column = evidence.deliveries.held & ((marker == NO_TRANSACTION) | before)
    return decided


def _undecided(evidence: Evidence, single: Column) -> Column:
    """By delivery: of a record that was appended in a transaction, while no marker that decides it had been written."""
    appends, singles = evidence.history.appends, evidence.deliveries.singles
    txn = evidence.transactions.of_value[singles.value[single]]
    pid, known = _producer_ids(evidence, single)
    markers = appends.take(appends.kind != DATA)
    decided = np.zeros(len(single), bool)
    for asked, told, owner, theirs in (
        (pid >= 0, markers.pid >= 0, pid, markers.pid),
        ((pid < 0) & (txn >= 0), markers.txn >= 0, txn, markers.txn),
        ((pid >= 0) & (txn >= 0), (markers.pid < 0) & (markers.txn >= 0), txn, markers.txn),
    ):  # fmt: skip
        if asked.any() and told.any():
            mine = np.flatnonzero(asked)
            decided[mine] |= _marked(evidence, single[mine], owner[mine], markers.take(told), theirs[told])
    in_transaction = (txn >= 0) | ((pid >= 0) & np.isin(pid, markers.pid))
    undecided: Column = in_transaction & known & ~decided
    return undecided


def _marked(evidence: Evidence, single: Column, owner: Column, markers: Appends, theirs: Column) -> Column:
    """By delivery: some marker of its owner at a higher offset of the partition had been written before."""
    polls, singles = evidence.history.polls, evidence.deliveries.singles
    run = singles.run[single]
    lanes = combine(np.append(markers.partition, polls.partition[run]), np.append(theirs, owner))
    lane, asked = lanes[: len(markers)], lanes[len(markers) :]
    keys = offset_key(lane, markers.offset)
    order = np.argsort(keys, kind="stable")[::-1]  # from the end of each lane
    lifted, highest = running_max(-markers.row[order], lane[order])
    first = (markers.row[order] - (highest - lifted))[::-1]  # the first written there or further on
    lane, keys = lane[order][::-1], keys[order][::-1]
    at = np.searchsorted(keys, offset_key(asked, singles.offset[single] + 1))
    there = at < len(keys)
    at = np.minimum(at, len(keys) - 1)
    marked: Column = there & (lane[at] == asked) & (first[at] < polls.row[run])
    return marked


def _producer_ids(evidence: Evidence, single: Column) -> tuple[Column, Column]:
    """By delivery: the producer id of its record (-1: none is told), and whether any append of it is known."""
    logs, appends, singles = evidence.logs, evidence.history.appends, evidence.deliveries.singles
    value, partition = singles.value[single], evidence.history.polls.partition[singles.run[single]]
    data = np.flatnonzero(appends.kind == DATA)[::-1]  # the first append has the last word
    run, stored = expand(appends.count[data], appends.value[data])
    by_value = np.full((2, len(evidence.history.values)), -1, np.int64)
    by_value[:, stored] = appends.pid[data[run]], data[run]
    held = logs.holds(partition, singles.offset[single], value)
    at = np.maximum(logs.find(partition, singles.offset[single]), 0)
    pid = np.where(held, logs.final.pid[at], by_value[0][value]) if len(logs.final) else by_value[0][value]
    return pid, by_value[1][value] >= 0
