"""Offsets that groups committed: premature-commit, lost-processing, commit-regression (anomalies 2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, expand, offset_key, running_max
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ACK, Column
from analysis.progress import NEVER, Progress

__all__ = ["commit_regression", "lost_processing", "premature_commit"]


def premature_commit(evidence: Evidence) -> Found:
    """Commits that cover a visible record which the group had received and not processed to the end."""
    progress, commits = evidence.progress, evidence.progress.commits
    received = progress.received
    early = np.flatnonzero(received.met(commits.lane, commits.offset, commits.row))
    witnesses = []
    for k in early[:WITNESSES].tolist():
        first = received.lowest(int(commits.lane[k]), int(commits.offset[k]), int(commits.row[k]))
        ended = int(received.closed[first])
        single = int(progress.first_delivery[first])
        record = evidence.delivered_record(single, ended=evidence.history.event(ended) if ended < NEVER else None)
        witnesses.append({
            "group": _group(evidence, commits.lane[k]), "consumer": evidence.consumer(commits.consumer[k]),
            "partition": record["p"], "committed": int(commits.offset[k]), "records": [record],
            "offsets": [record["o"]], "events": [record["event"], evidence.history.event(int(commits.told[k]))],
        })  # fmt: skip
    pairs = {(-1, lane % progress.width) for lane in np.unique(commits.lane[early]).tolist()}
    return Found(len(early), witnesses, len(early), pairs)


# --- lost-processing --------------------------------------------------------------------------------------------------
def lost_processing(evidence: Evidence) -> Found:
    """Visible records below what a group had committed in the end, of which no processing ended.

    Left out: what the group was moved over on purpose (a seek, or a start where it had neither read nor committed), and
    what retention or compaction removed before the group received it.
    """
    progress = evidence.progress
    partition, offset, value = _readable(evidence)
    keys = offset_key(partition, offset)
    count, witnesses, pairs = 0, list[dict[str, Any]](), set[tuple[int, int]]()
    for k in _last_commits(progress):
        lane = int(progress.commits.lane[k])
        p = np.full(2, lane % progress.width)
        begin = min(progress.began_at(lane), int(progress.commits.offset[k]))
        first, last = np.searchsorted(keys, offset_key(p, np.array([begin, progress.commits.offset[k]]))).tolist()
        lost = first + np.flatnonzero(~_dealt_with(evidence, lane, offset[first:last]))
        count += len(lost)
        pairs |= pairs_of(evidence.history.records.prod[value[lost]], partition[lost])
        for place in lost[: WITNESSES - len(witnesses)].tolist():
            witnesses.append(_loss(evidence, int(k), int(value[place]), int(offset[place])))
    return Found(count, witnesses, count, pairs)


def _readable(evidence: Evidence) -> tuple[Column, Column, Column]:
    """Partition, offset and value of every visible record, in order; without a log: of all that acks and polls tell."""
    history = evidence.history
    if len(history.appends):
        seen = evidence.logs.records
        return seen.partition, seen.offset, seen.value
    acks = history.outcomes.take((history.outcomes.kind == ACK) & (history.outcomes.offset >= 0))
    told = [(expand(t.count, t.offset, t.value), t.partition) for t in (acks, history.polls)]
    partition, offset, value = (
        np.concatenate(columns) for columns in zip(*((p[run], o, v) for (run, o, v), p in told), strict=True)
    )
    first = np.unique(offset_key(partition, offset), return_index=True)[1]
    return partition[first], offset[first], value[first]


def _last_commits(progress: Progress) -> list[int]:
    """The last commit of each lane whose group tells what it processed."""
    commits = progress.commits
    _, last = np.unique(commits.lane[::-1], return_index=True)
    found: list[int] = (len(commits) - 1 - last)[progress.scopes[commits.lane[::-1][last] // progress.width]].tolist()
    return found


def _dealt_with(evidence: Evidence, lane: int, offset: Column) -> Column:
    """By offset, ascending: processed, moved over on purpose, or removed before the group received it."""
    progress, logs = evidence.progress, evidence.logs
    places, received = progress.places, progress.received
    span = slice(*np.searchsorted(places.lane, [lane, lane + 1]).tolist())
    dealt = _among(places.offset[span][places.ended[span] < NEVER], offset)
    if dealt.all():
        return dealt
    partition = np.full(len(offset), lane % progress.width)
    span = slice(*np.searchsorted(received.lane, [lane, lane + 1]).tolist())
    dealt |= logs.gone(partition, offset) & ~_among(received.key[span], offset)
    steps = np.zeros(len(offset) + 1, np.int64)
    low, high = progress.passed_over(lane)
    np.add.at(steps, np.searchsorted(offset, low), 1)
    np.add.at(steps, np.searchsorted(offset, high), -1)
    return dealt | (np.cumsum(steps[:-1]) > 0)


def _among(known: Column, offset: Column) -> Column:
    """By offset: it is known; both ascend."""
    if not len(known):
        return np.zeros(len(offset), bool)
    found: Column = known[np.minimum(np.searchsorted(known, offset), len(known) - 1)] == offset
    return found


def _loss(evidence: Evidence, commit: int, value: int, offset: int) -> dict[str, Any]:
    commits, width = evidence.progress.commits, evidence.progress.width
    lane, event = int(commits.lane[commit]), evidence.history.event(int(commits.told[commit]))
    record = evidence.record(value, p=evidence.partition(lane % width), o=offset)
    return {
        "group": _group(evidence, lane), "partition": record["p"], "committed": int(commits.offset[commit]),
        "records": [record], "offsets": [offset], "events": [event],
    }  # fmt: skip


def _group(evidence: Evidence, lane: int) -> str:
    return evidence.deliveries.scope_names[int(lane) // evidence.progress.width]


# --- commit-regression ------------------------------------------------------------------------------------------------
def commit_regression(evidence: Evidence) -> Found:
    """Commits of a lower offset than one committed before, per group and partition."""
    commits, width = evidence.progress.commits, evidence.progress.width
    order = by_group(commits.lane)
    lifted, highest = running_max(commits.offset[order], commits.lane[order])
    low = np.flatnonzero(lifted < highest)
    before = np.searchsorted(highest, lifted[low], side="right")
    witnesses = []
    for a, b in zip(order[before][:WITNESSES].tolist(), order[low][:WITNESSES].tolist(), strict=True):
        events = [evidence.history.event(int(commits.told[k])) for k in (a, b)]
        witnesses.append({
            "consumer": evidence.consumer(commits.consumer[b]),
            "partition": evidence.partition(commits.lane[b] % width), "records": [],
            "offsets": [int(commits.offset[a]), int(commits.offset[b])], "events": events,
        })  # fmt: skip
    return Found(len(low), witnesses, len(low))
