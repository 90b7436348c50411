"""Members of groups in a whole cluster: the same bytes everywhere, lives and ends, and when all is at rest."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sim import simulate
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from sim.trace import Trace

ROOT = Path(__file__).resolve().parent.parent.parent
S = 1_000_000
CONFIG = {"auto.offset.reset": "earliest", "session.timeout.ms": 6000}


def run(seed: int = 1, faults: Any = (), members: int = 3, settle: str = "25s", **consumer: Any) -> Trace:
    return simulate(from_dict({
        "run": "20s",
        "settle": settle,
        "brokers": {"count": 3, "config": {
            "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 500,
        }},
        "topics": {"t": {"partitions": 4, "replication.factor": 3, "config": {"min.insync.replicas": 2}}},
        "producers": {"app": {"workload": {"topic": "t", "rate": "40/s", "keys": {"count": 20}}}},
        "consumers": {"g": {
            "topics": ["t"], "members": members, "config": CONFIG,
            "processing": {"time": {"distribution": "exponential", "mean": "2ms"}}, **consumer,
        }},
        "faults": list(faults),
    }), seed, check_laws=True)  # fmt: skip


EVERYTHING = (
    {"rate": "10/min", "kill": "g-1", "restart_after": "1s"},
    {"rate": "6/min", "pause": "g-2", "for": "7s"},
    {"rate": "4/min", "kill": "coordinator of g", "restart_after": "2s"},
    {"rate": "6/min", "cut": ["g-3", "coordinator of g"], "for": "2s"},
)


@cache
def digest(seed: int) -> str:
    return run(seed, EVERYTHING).digest()


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_with_another_hash_seed_gives_the_same_bytes(hash_seed: str) -> None:
    asked = "from tests.world.test_members import digest; print(digest(1))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert found.stdout.split() == [digest(1)]
    assert digest(2) != digest(1)


def host(trace: Trace, name: str) -> int:
    return next(int(one["number"]) for one in trace.header["hosts"] if one["name"] == name)


def test_a_killed_member_comes_back_as_another_one() -> None:
    trace = run(faults=[{"at": "5s", "kill": "g-1", "restart_after": "2s"}])
    lives = [(row["t_us"], Kind(row["kind"]).name) for row in trace.rows(Kind.CRASH, Kind.RESTART)]
    assert lives == [(5 * S, "CRASH"), (7 * S, "RESTART")]
    codes = [row["code"] for row in trace.rows(Kind.MEMBER) if row["n"] == host(trace, "g-1")]
    assert codes in ([0, 0, 2], [0, 2, 0])  # its old self expires
    assert trace.header["settled"], trace.header["unsettled"]


def test_a_member_killed_for_good_is_started_when_the_run_is_over_and_a_closed_one_is_not() -> None:
    trace = run(faults=[{"at": "15s", "kill": "g-1"}])
    assert [row["t_us"] for row in trace.rows(Kind.RESTART)] == [20 * S]
    closed = run(members=1, stop="10s")
    assert [row["t_us"] // S for row in closed.rows(Kind.LEFT)] == [10]
    assert list(closed.rows(Kind.RESTART)) == []
    assert max(row["t_us"] for row in closed.rows(Kind.POLL)) <= 10 * S


def test_the_coordinator_is_whoever_leads_the_partition_of_the_group() -> None:
    trace = run(faults=[{"at": "8s", "kill": "coordinator of g", "restart_after": "4s"}])
    home = next(int(p["number"]) for p in trace.header["partitions"] if p["topic"] == "__consumer_offsets")
    leaders = [row["n"] for row in trace.rows(Kind.LEADER) if row["partition"] == home and row["n"] >= 0]
    struck = next(row["host"] for row in trace.rows(Kind.CRASH))
    taken_over = next(row["host"] for row in trace.rows(Kind.COORDINATES))
    assert (struck, taken_over) == (leaders[0], leaders[1])
    given_up = [row for row in trace.rows(Kind.REVOKE) if row["t_us"] > 8 * S]
    assert given_up == []  # consumer:F3.9


def test_a_group_that_has_not_shared_out_its_partitions_has_not_settled() -> None:
    trace = run(start="19900ms", settle="400ms")
    assert not trace.header["settled"]
    assert "group g leaves 4 of its partitions to nobody" in trace.header["unsettled"]
    assert "consumer g-1 has not come to rest in its group" in trace.header["unsettled"]


def test_partitions_that_were_added_while_a_static_leader_was_away_belong_to_nobody() -> None:
    """A returning static leader keeps its assignment and takes the topics as they are now for what it assigned
    (``ConsumerCoordinator.onLeaderElected``, skipAssignment), so that nobody sees that they have grown."""
    config = {**CONFIG, "group.instance.id": "one"}
    faults = [{"at": "5s", "kill": "g", "restart_after": "2s"}, {"at": "6s", "add_partitions": "t", "to": 6}]
    trace = run(members=1, faults=faults, config=config)
    assert trace.header["unsettled"] == ["group g leaves 2 of its partitions to nobody"]
    later = [{**faults[0], "at": "15s"}, faults[1]]
    noticed = run(members=1, faults=later, config={**config, "metadata.max.age.ms": 1000})
    assert noticed.header["settled"], noticed.header["unsettled"]


@pytest.mark.parametrize("second", ["0s", "5s"], ids=["together", "one after the other"])
def test_a_leader_assigns_topics_that_it_does_not_read_itself(second: str) -> None:
    """``ConsumerCoordinator.updateGroupSubscription``: metadata of all of the group is asked for, and watched."""
    work = {"processing": {"commit": "after"}, "group": "g", "config": {**CONFIG, "metadata.max.age.ms": 1000}}
    trace = simulate(from_dict({
        "run": "20s",
        "settle": "10s",
        "brokers": {"count": 3, "config": {"group.initial.rebalance.delay.ms": 500}},
        "topics": {name: {"partitions": 2, "replication.factor": 3} for name in ("t", "u")},
        "producers": {"app": {"workload": [{"topic": name, "rate": "10/s"} for name in ("t", "u")]}},
        "consumers": {"a": {"topics": ["t"], **work}, "b": {"topics": ["u"], "start": second, **work}},
        "faults": [{"at": "12s", "add_partitions": name, "to": 3} for name in ("t", "u")],
    }), 1, check_laws=True)  # fmt: skip
    name = {one["number"]: (one["topic"], one["index"]) for one in trace.header["partitions"]}
    host = {one["number"]: one["name"] for one in trace.header["hosts"]}
    given = {(host[row["host"]], *name[row["partition"]]) for row in trace.rows(Kind.ASSIGN)}

    assert given == {("a", "t", index) for index in range(3)} | {("b", "u", index) for index in range(3)}
    assert trace.header["settled"]
