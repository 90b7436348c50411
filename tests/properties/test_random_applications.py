"""What pools and chains promise under random memberships and faults, where they commit behind their work.

The schedules are those of the groups; their members work in pools, and what they do is sent on to a second topic. Every
run checks the laws. ``KORDER_APPLICATION_SCHEDULES=20000`` runs more.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from analysis import judge, outside_store
from analysis.effects import EXPLAINED_BY
from analysis.from_trace import history_of
from sim import simulate
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from sim.trace import Trace
from tests.properties.group_schedules import GroupSchedule, group_scenario, group_schedules
from tests.properties.test_random_groups import left_over

CHUNKS = 4
PER_CHUNK = int(os.environ.get("KORDER_APPLICATION_SCHEDULES", "400")) // CHUNKS
_fixed = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))

POOLS = st.fixed_dictionaries({
    "time": st.sampled_from(["0ms", "5ms", "40ms"]),
    "threads": st.sampled_from([1, 3]),
    "order": st.sampled_from(["none", "key", "partition"]),
    "commit": st.sampled_from(["after", "watermark"]),
    "call": st.sampled_from(["commitSync", "commitAsync"]),
    "work.in.revoke": st.sampled_from(["go_on", "wait", "drop"]),
    "commit.in.revoke": st.booleans(),
})  # fmt: skip


def scenario_of(schedule: GroupSchedule, work: dict[str, Any], chain: str) -> dict[str, Any]:
    """The members of the schedule with this work; *chain*: producers of this client send it on to the topic out."""
    made = group_scenario({**schedule, "auto": False})
    for name, consumer in made["consumers"].items():
        consumer["processing"] = dict(work)
        if chain:
            config = {"linger.ms": 0, "request.timeout.ms": 1000}
            made["producers"][f"of-{name}"] = {"client": chain, "config": config}
            consumer["processing"]["produces"] = {"topic": "out", "producer": f"of-{name}"}
    if chain:
        made["topics"]["out"] = {"partitions": 1, "replication.factor": 3, "config": {"min.insync.replicas": 2}}
    return made


def sent_on(trace: Trace) -> set[tuple[int, int]]:
    """(instance, send index) of the records that stand in the second topic's origin list and were acknowledged."""
    sends = trace.sends
    lanes = {
        (int(p), int(partition), int(lane)): int(i)
        for p, i, partition, lane in zip(sends["prod"], sends["i"], sends["partition"], sends["lane"], strict=True)
    }
    acked = {
        (row["prod"], lanes[row["prod"], row["partition"], at])
        for row in trace.rows(Kind.ACK) for at in range(row["lo"], row["hi"])
    }  # fmt: skip
    return {(p0, i0) for p, i, p0, i0, _ in trace.header.get("derived", ()) if (p, i) in acked}


def processed(trace: Trace) -> set[tuple[int, int]]:
    """(instance, send index) of the records whose processing ended."""
    sends = trace.sends
    lanes = {
        (int(p), int(partition), int(lane)): int(i)
        for p, i, partition, lane in zip(sends["prod"], sends["i"], sends["partition"], sends["lane"], strict=True)
    }
    return {
        (row["prod"], lanes[row["prod"], row["partition"], at])
        for row in trace.rows(Kind.PROC_END) for at in range(row["lo"], row["hi"])
    }  # fmt: skip


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_commit_behind_the_work_loses_nothing_and_findings_explain_the_store(chunk: int) -> None:
    @seed(chunk)
    @settings(_fixed, max_examples=PER_CHUNK)
    @given(group_schedules(), POOLS, st.sampled_from(["", "java", "librdkafka"]))
    def holds(schedule: GroupSchedule, work: dict[str, Any], chain: str) -> None:
        trace = simulate(from_dict(scenario_of(schedule, work, chain)), seed=schedule["seed"], check_laws=True)
        assert trace.header["settled"], trace.header["unsettled"]
        counts = judge(trace).counts
        assert counts.get("lost-processing", 0) == 0 == counts["premature-commit"]
        explained = any(counts.get(name, 0) for name in EXPLAINED_BY) or not left_over(trace)
        assert explained or outside_store(history_of(trace)) == []
        if chain:
            assert processed(trace) <= sent_on(trace)

    holds()
