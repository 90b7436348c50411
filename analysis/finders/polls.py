"""Steps of a reader through a partition: (int-)poll-skip, (int-)nonmonotonic-poll (anomalies 2.1, 2.2).

A step from offset a to offset b goes back, or stays, where b <= a (dense difference below 1); it skips where a record
that the reader is entitled to stands between (above 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import Column

__all__ = ["int_nonmonotonic_poll", "int_poll_skip", "nonmonotonic_poll", "poll_skip"]


def nonmonotonic_poll(evidence: Evidence) -> Found:
    return _backward(evidence, internal=False)


def int_nonmonotonic_poll(evidence: Evidence) -> Found:
    return _backward(evidence, internal=True)


def poll_skip(evidence: Evidence) -> Found:
    return _skips(evidence, internal=False)


def int_poll_skip(evidence: Evidence) -> Found:
    return _skips(evidence, internal=True)


def _judged(evidence: Evidence, internal: bool) -> tuple[Column, Column, Column, Column]:
    """Runs before and after each step of this kind, and the offsets it goes from and to; none to the next offset."""
    steps = evidence.deliveries.steps
    chosen = (steps.internal == internal) & ~steps.forgotten
    return steps.before[chosen], steps.after[chosen], steps.low[chosen], steps.high[chosen]


def _backward(evidence: Evidence, internal: bool) -> Found:
    before, after, low, high = _judged(evidence, internal)
    bad = np.flatnonzero(high <= low)
    bad = bad[by_group(evidence.history.polls.row[after[bad]])]
    witnesses = [_step(evidence, int(before[k]), int(after[k])) for k in bad[:WITNESSES]]
    return Found(len(bad), witnesses, len(bad), _pairs(evidence, after[bad]))


def _skips(evidence: Evidence, internal: bool) -> Found:
    before, after, low, high = _judged(evidence, internal)
    polls = evidence.history.polls
    ahead = np.flatnonzero(high > low + 1)
    if not len(ahead):
        return Found()
    before, after, low, high = before[ahead], after[ahead], low[ahead], high[ahead]
    only, row = evidence.deliveries.committed_only[polls.consumer[after]], polls.row[after]
    bad = np.flatnonzero(evidence.deliveries.entitled.skipping(only, polls.partition[after], low, high, row))
    bad = bad[by_group(row[bad])]
    witnesses = []
    for k in bad[:WITNESSES].tolist():
        step = int(polls.partition[after[k]]), int(low[k]), int(high[k]), int(row[k])
        offset, value = evidence.deliveries.entitled.left_out(bool(only[k]), step)
        told = zip(value[:WITNESSES].tolist(), offset[:WITNESSES].tolist(), strict=True)
        skipped = [evidence.record(v, o=o) for v, o in told]
        witnesses.append(
            _step(evidence, int(before[k]), int(after[k])) | {"skipped": skipped, "delta": len(offset) + 1}
        )
    return Found(len(bad), witnesses, len(bad), _pairs(evidence, after[bad]))


def _step(evidence: Evidence, before: int, after: int) -> dict[str, Any]:
    last = int(evidence.history.polls.count[before]) - 1
    records = [evidence.handed_over(before, last, role="before"), evidence.handed_over(after, 0, role="after")]
    return {
        "consumer": records[1]["con"], "partition": records[1]["p"], "records": records,
        "offsets": [r["o"] for r in records], "events": [r["event"] for r in records],
    }  # fmt: skip


def _pairs(evidence: Evidence, runs: Column) -> set[tuple[int, int]]:
    polls = evidence.history.polls
    return pairs_of(evidence.history.records.prod[polls.value[runs]], polls.partition[runs])
