"""Where two runs of the same seed part, in words: the first witness that one has and the other has not, what the other
has in its place, and the fault from which it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.cli.summary import fault_words
from analysis.cli.wording import witness_words
from analysis.evidence import Evidence
from analysis.verdict import Verdict, judge
from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import Scenario

if TYPE_CHECKING:
    from sim.trace import Trace

__all__ = ["first_parting"]


def first_parting(scenarios: tuple[Scenario, Scenario], seed: int, names: list[str]) -> list[str]:
    """Sentences on the earliest case of a finding of *names* that A or B alone has; none where there is none."""
    traces = [simulate(scenario, seed) for scenario in scenarios]
    verdicts = [judge(trace, names=names) for trace in traces]
    cases = [_cases(verdict) for verdict in verdicts]
    alone = [
        (event, side, name, witness)
        for side in (0, 1)
        for (name, records), (event, witness) in cases[side].items()
        if (name, records) not in cases[1 - side]
    ]
    if not alone:
        return []
    _, side, name, witness = min(alone, key=lambda one: one[:3])
    here, there = "AB"[side], "AB"[1 - side]
    told = [f"in {here} {name}: {witness_words(name, witness)}"]
    told.append(f"in {there} {_places(verdicts[1 - side].evidence, witness)}")
    told += _fault_behind(traces[side], witness)
    parted = _logs_part(verdicts[0].evidence, verdicts[1].evidence, witness.get("partition"))
    return told if parted is None else [*told, parted]


def _cases(verdict: Verdict) -> dict[tuple[str, tuple[str, ...]], tuple[int, dict[str, Any]]]:
    """Witnesses by name and records, with the row of the first event that proves each."""
    found: dict[tuple[str, tuple[str, ...]], tuple[int, dict[str, Any]]] = {}
    for name, finding in verdict.findings.items():
        for witness in finding.witnesses:
            events = [int(one["event"]) for one in witness["records"] if one.get("event") is not None]
            key = (name, tuple(str(one["v"]) for one in witness["records"][:1] if "v" in one))
            found.setdefault(key, (max(events, default=0), witness))
    return found


def _places(evidence: Evidence, witness: dict[str, Any]) -> str:
    """Where the witness's records stand in the log of the other side."""
    wanted = list(dict.fromkeys(str(one["v"]) for one in witness["records"] if "v" in one))[:3]
    seen, names = evidence.logs.records, evidence.history.values
    code = {str(names[value]): value for value in range(len(names)) if str(names[value]) in wanted}
    told = []
    for name in wanted:
        at = np.flatnonzero(seen.value == code.get(name, -1))
        where = [f"{evidence.partition(int(seen.partition[one]))} at {int(seen.offset[one])}" for one in at.tolist()]
        told.append(f"{name} stands {'at ' + ' and '.join(where) if where else 'nowhere'}")
    return ", ".join(told) or "nothing like it is seen"


def _fault_behind(trace: Trace, witness: dict[str, Any]) -> list[str]:
    """The fault in the causal past of the case; else the last one before it."""
    rows = [int(one["event"]) for one in witness["records"] if one.get("event") is not None]
    behind = [fault for row in rows if (fault := _cause(trace, row)) is not None]
    if behind:
        return [f"it came of {fault_words(trace, max(behind))}"]
    before = np.flatnonzero(trace.events["kind"][: max(rows, default=0)] == Kind.FAULT)
    return [f"the last fault before it: {fault_words(trace, int(before[-1]))}"] if len(before) else []


def _cause(trace: Trace, row: int) -> int | None:
    """The nearest fault in the chain of causes that ends in *row*."""
    while row >= 0:
        if trace.events["kind"][row] == Kind.FAULT:
            return row
        row = int(trace.events["cause"][row])
    return None


def _logs_part(a: Evidence, b: Evidence, partition: str | None) -> str | None:
    """The first offset at which the final logs of the partition hold different records."""
    logs = [_log(evidence, partition) for evidence in (a, b)]
    for at, (left, right) in enumerate(zip(*logs, strict=False)):
        if left[1] != right[1]:
            return f"the two logs of {partition} part at {left[0]}, where A has {left[1]} and B has {right[1]}"
        if at + 1 == min(map(len, logs)) and len(logs[0]) != len(logs[1]):
            longer = "A" if len(logs[0]) > len(logs[1]) else "B"
            return f"the two logs of {partition} are the same as far as both go; {longer} has more"
    return None


def _log(evidence: Evidence, partition: str | None) -> list[tuple[int, str]]:
    if partition is None or partition not in evidence.history.partitions:
        return []
    seen, names = evidence.logs.records, evidence.history.values
    here = np.flatnonzero(seen.partition == list(evidence.history.partitions).index(partition))
    here = here[np.argsort(seen.offset[here], kind="stable")]
    return [(int(seen.offset[one]), str(names[int(seen.value[one])])) for one in here.tolist()]
