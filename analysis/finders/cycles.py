"""Transactions that depend on each other in a circle: G1c-wr, G0, G1c (anomalies 3.5, after Adya and Elle).

Nodes are named transactions. *wr*: the second read a record that the first wrote. *ww*: of two neighbours among the
visible records of a partition, the first wrote one and the second the next. Counted are the strongly connected
components, as one is broken or whole; each is told by a shortest cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.columns import combine
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found
from analysis.graph import components, shortest_path
from analysis.history import DATA, Column

__all__ = ["g0", "g1c", "g1c_wr"]

WW, WR = 0, 1
TRIED = 200  # edges of one component from which a shortest cycle is looked for


@dataclass(slots=True)
class Edges:
    """*proof*: of a wr edge the position in ``singles``; of a ww edge the run of the final log it leads to."""

    tail: Column
    head: Column
    kind: Column
    proof: Column

    def take(self, rows: Column) -> Edges:
        return Edges(*(getattr(self, name)[rows] for name in self.__slots__))

    def joined(self, other: Edges) -> Edges:
        return Edges(*(np.concatenate([getattr(e, name) for e in (self, other)]) for name in self.__slots__))


def g1c_wr(evidence: Evidence) -> Found:
    """Read by readers of committed data: they see a transaction after its end alone, so no circle can close."""
    return _cycles(evidence, _read_edges(evidence, committed_only=True), through=WR)


def g0(evidence: Evidence) -> Found:
    return _cycles(evidence, _write_edges(evidence), through=WW)


def g1c(evidence: Evidence) -> Found:
    """With a wr edge at least, whoever read."""
    edges = _write_edges(evidence).joined(_read_edges(evidence, committed_only=False))
    return _cycles(evidence, edges, through=WR)


def _read_edges(evidence: Evidence, committed_only: bool) -> Edges:
    polls, singles, deliveries = evidence.history.polls, evidence.deliveries.singles, evidence.deliveries
    runs = polls.txn >= 0
    if committed_only:
        runs = runs & deliveries.committed_only[polls.consumer]
    single = np.flatnonzero(runs[singles.run]) if runs.any() else np.zeros(0, np.int64)
    reader, writer = polls.txn[singles.run[single]], evidence.transactions.of_value[singles.value[single]]
    keep = np.flatnonzero((writer >= 0) & (writer != reader))
    return _distinct(Edges(writer[keep], reader[keep], np.full(len(keep), WR), single[keep]))


def _write_edges(evidence: Evidence) -> Edges:
    log, owner = evidence.logs.final, evidence.logs.txn_of_runs
    if owner is None:
        return Edges(*(np.zeros(0, np.int64) for _ in range(4)))
    named = (owner >= 0) & (owner < len(evidence.history.txns))
    runs = np.flatnonzero(evidence.logs.visible & (log.kind == DATA) & named)
    tail, head = owner[runs][:-1], owner[runs][1:]
    keep = np.flatnonzero((log.partition[runs][1:] == log.partition[runs][:-1]) & (tail != head))
    return _distinct(Edges(tail[keep], head[keep], np.full(len(keep), WW), runs[1:][keep]))


def _distinct(edges: Edges) -> Edges:
    """One edge of a kind from one transaction to another: the first."""
    if not len(edges.tail):
        return edges
    return edges.take(np.sort(np.unique(combine(edges.tail, edges.head), return_index=True)[1]))


def _last_deed(evidence: Evidence) -> Column:
    """By transaction: the row of its last send or poll. All that reads it committed does so later."""
    history, of_value = evidence.history, evidence.transactions.of_value
    row = np.zeros(len(history.txns) + 1, np.int64)
    np.maximum.at(row, of_value, history.records.row)
    np.maximum.at(row, history.polls.txn, history.polls.row)
    return row


def _cycles(evidence: Evidence, edges: Edges, through: int) -> Found:
    found = components(edges.tail, edges.head, _last_deed(evidence)) if len(edges.tail) else []
    if not found:
        return Found()
    component = np.full(len(evidence.history.txns) + 1, -1)
    for number, nodes in enumerate(found):
        component[nodes] = number
    inside = (component[edges.tail] >= 0) & (component[edges.tail] == component[edges.head])
    edges = edges.take(np.flatnonzero(inside))
    closing = np.flatnonzero(edges.kind == through)
    numbers = np.unique(component[edges.tail[closing]])
    witnesses = []
    for number in numbers[:WITNESSES].tolist():
        mine = np.flatnonzero(component[edges.tail] == number)
        witnesses.append(_witness(evidence, edges.take(mine), through))
    return Found(len(numbers), witnesses, len(numbers))


def _witness(evidence: Evidence, edges: Edges, through: int) -> dict[str, Any]:
    """The shortest cycle through one of the edges of the wanted kind."""
    ends: dict[int, list[int]] = {}
    steps: dict[tuple[int, int], int] = {}
    order = np.argsort(edges.kind != through, kind="stable")
    for k in order.tolist():
        a, b = int(edges.tail[k]), int(edges.head[k])
        if (a, b) not in steps:
            steps[a, b] = k
            ends.setdefault(a, []).append(b)
    best: list[int] = []
    for k in order[: min(TRIED, int((edges.kind == through).sum()))].tolist():
        a, b = int(edges.tail[k]), int(edges.head[k])
        path = shortest_path(ends, b, a)
        if not best or len(path) < len(best):
            best = path
    first = best.index(min(best))
    circle = [*best[first:], *best[: first + 1]]  # from the one that the history names first
    told = [_step(evidence, edges, steps[a, b]) for a, b in zip(circle, circle[1:], strict=False)]
    records = [step["record"] for step in told]
    return {
        "transactions": [evidence.transaction(node) for node in circle], "steps": [step["kind"] for step in told],
        "records": records, "offsets": [r["o"] for r in records], "events": [r["event"] for r in records],
    }  # fmt: skip


def _step(evidence: Evidence, edges: Edges, k: int) -> dict[str, Any]:
    proof = int(edges.proof[k])
    if edges.kind[k] == WR:
        return {"kind": "wr", "record": evidence.delivered_record(proof)}
    log = evidence.logs.final
    record = evidence.record(
        int(log.value[proof]), p=evidence.partition(log.partition[proof]), o=int(log.offset[proof]),
        event=evidence.history.event(int(log.row[proof])),
    )  # fmt: skip
    return {"kind": "ww", "record": record}
