"""The fault schedule on a whole cluster: who is struck, when, what is recorded, and that everything is lifted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.plan import Action, Target
from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import from_dict
from sim.trace import Trace
from sim.world.faults import strike_times

S, MS = 1_000_000, 1_000


def scenario(*faults: dict[str, Any], **changes: Any) -> Any:
    return from_dict({
        "title": "faults",
        "run": "20s",
        "settle": "15s",
        "brokers": {"count": 3, "config": {"broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500}},
        "topics": {"t": {"partitions": 2, "replication.factor": 3, "config": {"min.insync.replicas": 2}}},
        "producers": {"app": {
            "config": {"acks": "all", "request.timeout.ms": 2000, "delivery.timeout.ms": 15000, "max.block.ms": 15000},
            "workload": {"topic": "t", "rate": "50/s", "keys": {"count": 10}},
        }},
        "consumers": {"reader": {"topics": ["t"], "config": {"auto.offset.reset": "earliest"}}},
        "network": {"latency": {"distribution": "constant", "value": "1ms"}},
        "faults": list(faults),
        **changes,
    })  # fmt: skip


def run(*faults: dict[str, Any], seed: int = 1, **changes: Any) -> Trace:
    return simulate(scenario(*faults, **changes), seed)


def rows(trace: Trace, *kinds: Kind) -> list[tuple[int, str, int]]:
    """(milliseconds, kind, host) of the world's own rows."""
    return [(row["t_us"] // MS, Kind(row["kind"]).name, row["host"]) for row in trace.rows(*kinds)]


LIFE = (Kind.FAULT, Kind.CRASH, Kind.RESTART, Kind.PAUSE, Kind.RESUME, Kind.HEAL)


def test_a_killed_leader_is_resolved_at_the_strike_and_comes_back() -> None:
    trace = run({"at": "5s", "kill": "leader of t-1", "restart_after": "6s"})
    assert rows(trace, *LIFE) == [(5_000, "FAULT", 2), (5_000, "CRASH", 2), (11_000, "RESTART", 2)]
    assert trace.header["settled"], trace.header["unsettled"]


def test_rows_of_a_crash_name_each_other_as_causes() -> None:
    trace = run({"at": "5s", "kill": "broker 2", "restart_after": "6s"})
    fault, crash, restart = (next(row for row in trace.rows(kind)) for kind in (Kind.FAULT, Kind.CRASH, Kind.RESTART))
    numbers = {kind: trace.events["kind"].tolist().index(kind) for kind in (Kind.FAULT, Kind.CRASH)}
    assert fault["cause"] == -1 and fault["n"] == 0
    assert crash["cause"] == numbers[Kind.FAULT] and restart["cause"] == numbers[Kind.CRASH]
    lost = next(row for row in trace.rows(Kind.DISCONNECT) if row["n"] == 2 and row["host"] == 4)
    assert lost["cause"] == numbers[Kind.CRASH]


def test_what_was_killed_for_good_is_started_when_the_run_is_over() -> None:
    trace = run({"at": "5s", "kill": "broker 3"})
    assert rows(trace, *LIFE) == [(5_000, "FAULT", 3), (5_000, "CRASH", 3), (20_000, "RESTART", 3)]
    assert trace.header["settled"], trace.header["unsettled"]


def test_a_role_that_nobody_has_is_struck_without_harm() -> None:
    trace = run({"at": "5s", "kill": "broker 1"}, {"at": "5s", "kill": "broker 1"})
    assert rows(trace, *LIFE)[:3] == [(5_000, "FAULT", 1), (5_000, "CRASH", 1), (5_000, "FAULT", 1)]
    assert len(list(trace.rows(Kind.CRASH))) == 1


def test_power_off_is_recorded_as_losing_pages_and_keeps_peers_in_the_dark() -> None:
    """broker:NET-18"""
    trace = run({"at": "5s", "power_off": "broker 1", "restart_after": "8s"})
    assert next(row for row in trace.rows(Kind.CRASH))["n"] == 1
    noticed = [row for row in trace.rows(Kind.DISCONNECT) if row["n"] == 1 and row["t_us"] >= 5 * S]
    assert noticed and noticed[0]["code"] == ErrorCode.REQUEST_TIMED_OUT  # nobody told the producer
    assert noticed[0]["t_us"] > 6 * S


def test_what_a_power_cut_takes_with_it_is_a_truncation_of_its_own() -> None:
    """broker:FAIL-17. Else a reader of the trace would find two records at one offset of a log that never had both."""
    trace = run({"at": "5s", "power_off": "broker 1", "restart_after": "8s"})
    crash = int(np.flatnonzero(trace.events["kind"] == Kind.CRASH)[0])
    lost = [row for row in trace.rows(Kind.TRUNCATE) if row["cause"] == crash]
    appended = [row for row in trace.rows(Kind.APPEND, Kind.REPLICATE) if row["host"] == 1 and row["t_us"] < 5 * S]
    stored = sum(row["hi"] - row["lo"] for row in appended)
    assert [(row["host"], row["t_us"], row["offset"]) for row in lost] == [(1, 5 * S, 0)] * len(lost)
    assert sum(row["n"] for row in lost) == stored > 0


def test_a_paused_broker_does_nothing_until_it_resumes() -> None:
    trace = run({"at": "5s", "pause": "broker 1", "for": "4s"})
    assert rows(trace, Kind.PAUSE, Kind.RESUME) == [(5_000, "PAUSE", 1), (9_000, "RESUME", 1)]
    own = [row for row in trace.rows() if row["host"] == 1 and 5 * S < row["t_us"] < 9 * S]
    assert own == []


def test_overlapping_pauses_end_with_the_last() -> None:
    trace = run({"at": "5s", "pause": "broker 1", "for": "2s"}, {"at": "6s", "pause": "broker 1", "for": "3s"})
    assert rows(trace, Kind.PAUSE, Kind.RESUME) == [(5_000, "PAUSE", 1), (9_000, "RESUME", 1)]


def test_a_pause_ends_with_the_life_that_was_paused() -> None:
    kill = {"at": "6s", "kill": "broker 1", "restart_after": "4s"}
    trace = run({"at": "5s", "pause": "broker 1", "for": "10s"}, kill)
    assert rows(trace, Kind.PAUSE, Kind.RESUME, Kind.RESTART) == [(5_000, "PAUSE", 1), (10_000, "RESTART", 1)]
    assert trace.header["settled"], trace.header["unsettled"]


def test_a_paused_client_is_struck_by_its_name() -> None:
    trace = run({"at": "5s", "pause": "app", "for": "1s"})
    assert [row for row in trace.rows(Kind.ATTEMPT) if 5 * S < row["t_us"] < 6 * S] == []
    assert trace.header["settled"], trace.header["unsettled"]


def test_an_application_that_stands_still_calls_nothing_until_it_goes_on() -> None:
    trace = run({"at": "5s", "pause": "app", "for": "1s"})
    times = trace.sends["t_us"].tolist()
    assert [t for t in times if 5 * S < t < 6 * S] == []
    assert times.count(6 * S) == 50  # those of the pause, and the one of that moment


def test_a_controlled_shutdown_moves_leaders_before_the_broker_is_gone() -> None:
    trace = run({"at": "5s", "shutdown": "broker 1", "restart_after": "4s"})
    moved = next(row for row in trace.rows(Kind.LEADER) if row["t_us"] > 5 * S)
    back = next(row for row in trace.rows(Kind.RESTART))
    assert moved["n"] != 1 and moved["t_us"] < 6 * S
    assert back["t_us"] > 9 * S
    assert list(trace.rows(Kind.CRASH)) == []
    assert trace.header["settled"], trace.header["unsettled"]


def test_a_rolling_restart_takes_one_broker_after_the_other() -> None:
    trace = run({"at": "1s", "rolling_restart": "brokers", "downtime": "2s", "every": "6s"})
    assert [(row["host"], row["t_us"] // S) for row in trace.rows(Kind.FAULT)] == [(1, 1), (2, 7), (3, 13)]
    assert [row["host"] for row in trace.rows(Kind.RESTART)] == [1, 2, 3]
    assert trace.header["settled"], trace.header["unsettled"]


def test_a_cut_heals_and_says_so() -> None:
    trace = run({"at": "5s", "cut": ["app", "brokers"], "for": "1s"})
    assert rows(trace, *LIFE) == [(5_000, "FAULT", 4), (6_000, "HEAL", 4)]
    assert [row for row in trace.rows(Kind.RESPONSE) if 5_002 * MS < row["t_us"] < 6 * S] == []
    assert trace.header["settled"], trace.header["unsettled"]


def test_a_one_way_cut_towards_the_client_lets_requests_through() -> None:
    trace = run({"at": "5s", "cut": ["brokers", "app"], "for": "1s", "one_way": True})
    inside = [row for row in trace.rows(Kind.APPEND, Kind.RESPONSE) if 5_010 * MS < row["t_us"] < 6 * S]
    assert {Kind(row["kind"]) for row in inside} == {Kind.APPEND}


def test_a_slow_link_is_slow_for_its_time_only() -> None:
    trace = run({"at": "5s", "slow": ["app", "brokers"], "for": "5s", "by": "100ms"})
    took = round_trips(trace)
    assert max(ms for at, ms in took if at < 4_950) < 50
    assert min(ms for at, ms in took if 5_000 <= at < 9_500) >= 200
    assert max(ms for at, ms in took if at > 10_100) < 50


def test_a_lossy_link_delays_and_loses_nothing() -> None:
    trace = run({"at": "5s", "lossy": ["app", "brokers"], "for": "10s", "percent": "20%"})
    took = [ms for at, ms in round_trips(trace) if 5_000 <= at < 15_000]
    assert max(took) >= 200
    assert trace.header["settled"], trace.header["unsettled"]


def test_a_slow_disk_slows_what_appends() -> None:
    trace = run({"at": "5s", "slow_disk": "brokers", "for": "5s", "by": "30ms"})
    took = round_trips(trace)
    assert min(ms for at, ms in took if 5_000 <= at < 9_900) >= 60  # leader and followers
    assert rows(trace, Kind.HEAL) == [(10_000, "HEAL", host) for host in (1, 2, 3)]


def round_trips(trace: Trace) -> list[tuple[int, int]]:
    """(when it was sent, how long until its answer), in milliseconds."""
    sent: dict[tuple[int, int], int] = {}
    found = []
    for row in trace.rows(Kind.ATTEMPT, Kind.RESPONSE):
        key = (row["partition"], row["lo"])
        if row["kind"] == Kind.ATTEMPT:
            sent[key] = row["t_us"]
        else:
            found.append((sent[key] // MS, (row["t_us"] - sent[key]) // MS))
    return found


def test_a_reset_breaks_the_connections_between_two_sides() -> None:
    trace = run({"at": "5s", "reset": ["app", "brokers"]})
    struck = {row["conn"] for row in trace.rows(Kind.FAULT)}
    told = {row["conn"] for row in trace.rows(Kind.DISCONNECT) if row["host"] == 4 and row["t_us"] // S == 5}
    assert struck and struck == told
    assert trace.header["settled"], trace.header["unsettled"]


def test_partitions_can_be_added_under_load() -> None:
    trace = run({"at": "5s", "add_partitions": "t", "to": 4}, producers={"app": {
        "config": {"metadata.max.age.ms": 1000}, "workload": {"topic": "t", "rate": "50/s", "keys": {"count": 50}},
    }})  # fmt: skip
    assert [part["index"] for part in trace.header["partitions"]] == [0, 1, 2, 3]
    assert {row["partition"] for row in trace.rows(Kind.APPEND)} == {0, 1, 2, 3}
    assert set(trace.sends["partition"].tolist()) == {0, 1, 2, 3}


def test_an_unclean_election_by_hand_gives_a_leaderless_partition_a_leader() -> None:
    faults = (
        {"at": "3s", "power_off": "broker 2"}, {"at": "3s", "power_off": "broker 3"}, {"at": "9s", "kill": "broker 1"},
        {"at": "9500ms", "start": "broker 2"}, {"at": "15s", "unclean_election": "t-0"},
    )  # fmt: skip
    trace = run(*faults, topics={"t": {"partitions": 1, "replication.factor": 3, "config": {"min.insync.replicas": 1}}})
    chosen = [(row["n"], row["code"]) for row in trace.rows(Kind.LEADER) if row["t_us"] >= 15 * S]
    assert chosen[0] == (2, 1)


def test_a_moved_controller_decides_nothing_during_the_outage() -> None:
    trace = run({"at": "4s", "kill": "broker 1"}, {"at": "5s", "move_controller": "controller", "outage": "8s"})
    fence = next(row for row in trace.rows(Kind.FENCE))
    assert fence["t_us"] > 13 * S


# --- producers --------------------------------------------------------------------------------------------------------
def test_a_restarted_producer_is_a_new_instance_that_goes_on_with_what_was_not_sent() -> None:
    trace = run({"at": "5s", "restart_producer": "app", "after": "2s"})
    assert [(one["name"], one["incarnation"]) for one in trace.header["producers"]] == [("app", 1), ("app#2", 2)]
    first, second = (trace.sends["t_us"][trace.sends["prod"] == prod].tolist() for prod in (0, 1))
    assert max(first) <= 5 * S and min(second) >= 7 * S
    assert len(first) + len(second) == 50 * 20
    assert rows(trace, *LIFE) == [(5_000, "FAULT", 4), (5_000, "CRASH", 4), (7_000, "RESTART", 4)]
    assert trace.header["settled"], trace.header["unsettled"]


def test_every_call_of_a_dead_instance_ends_acked_refused_or_unknown() -> None:
    slow = {"at": "4900ms", "slow": ["app", "brokers"], "for": "2s", "by": "300ms"}
    trace = run(slow, {"at": "5s", "restart_producer": "app"})
    ends: dict[int, int] = {}
    for row in trace.rows(Kind.ACK, Kind.FAIL, Kind.UNKNOWN):
        if row["prod"] == 0:
            for lane in range(row["lo"], row["hi"]):
                key = row["partition"] * 10_000 + lane
                assert key not in ends
                ends[key] = row["kind"]
    assert len(ends) == int((trace.sends["prod"] == 0).sum())
    assert Kind.UNKNOWN in ends.values()


# --- random faults ----------------------------------------------------------------------------------------------------
def action(**changes: Any) -> Action:
    given = {"index": 3, "do": "reset", "target": Target("brokers"), "rate_per_s": 0.5, "until_us": 100 * S}
    return Action(**{**given, **changes})  # type: ignore[arg-type]


def test_random_strikes_hang_on_seed_and_position_alone() -> None:
    times = strike_times(action(), 7, 200 * S)
    assert times == strike_times(action(do="pause", target=Target("everybody")), 7, 200 * S)
    assert times != strike_times(action(index=4), 7, 200 * S)
    assert times != strike_times(action(), 8, 200 * S)
    assert times == sorted(times) and 20 < len(times) < 90


def test_random_strikes_stay_within_their_time_and_the_run() -> None:
    assert all(10 * S < t < 30 * S for t in strike_times(action(from_us=10 * S, until_us=30 * S), 1, 100 * S))
    assert all(t < 5 * S for t in strike_times(action(rate_per_s=50.0), 1, 5 * S))


@pytest.mark.parametrize("seed", range(3))
def test_after_many_random_faults_everything_is_lifted_and_the_run_settles(seed: int) -> None:
    trace = run(
        {"rate": "20/min", "kill": "leader of t-0", "restart_after": "3s"},
        {"rate": "20/min", "pause": "follower of t-0", "for": "2s"},
        {"rate": "20/min", "cut": ["broker 1", "broker 2"], "for": "3s"},
        {"rate": "20/min", "reset": ["app", "brokers"]},
        {"rate": "10/min", "slow_disk": "brokers", "for": "3s", "by": "5ms"},
        {"rate": "10/min", "power_off": "broker 3"},
        {"rate": "10/min", "restart_producer": "app"},
        seed=seed,
        settle="60s",
    )
    late = [row for row in trace.rows(Kind.FAULT, Kind.CRASH, Kind.PAUSE) if row["t_us"] > 20 * S]
    assert late == []
    assert trace.header["settled"], trace.header["unsettled"]


def test_an_option_of_a_client_changes_neither_faults_nor_latencies() -> None:
    """The promise that makes comparisons paired."""
    faults = ({"rate": "30/min", "reset": ["app", "brokers"]}, {"rate": "20/min", "pause": "broker 2", "for": "500ms"})

    def struck(**config: Any) -> list[tuple[int, int]]:
        trace = run(*faults, producers={"app": {"config": config, "workload": {"topic": "t", "rate": "50/s"}}})
        return sorted({(row["t_us"], row["n"]) for row in trace.rows(Kind.FAULT)})

    plain = struck(**{"enable.idempotence": "false", "acks": "1", "linger.ms": 50})
    assert plain == struck(**{"enable.idempotence": "true"})
    assert len(plain) > 5
