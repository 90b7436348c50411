"""Recorded cells of the Java client with ``group.protocol=consumer`` (jk) end the same here.

A cell of the recording that is not here asks for something that is not modelled yet.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from tests.conformance.group_cells import Played, S, consumer, play

JK = {"group.protocol": "consumer"}


@pytest.mark.parametrize("seed", range(3))
def test_a1_members_join_one_by_one_and_the_second_leaves(seed: int) -> None:
    """Member ids are random, and with them who gets what; how much does not hang on them."""
    names = ("A", "B", "C", "D")
    played = play(
        {
            name: consumer(name, config=JK, start=f"{1 + 3 * k}s", **({"stop": "13s"} if name == "B" else {}))
            for k, name in enumerate(names)
        },
        partitions=6, prefilled=1, seed=seed,
    )  # fmt: skip
    sizes = [sorted(len(share) for share in played.owned(at * S).values()) for at in (3, 6, 9, 12, 16)]
    assert sizes == [[6], [3, 3], [2, 2, 2], [1, 1, 2, 2], [2, 2, 2]]


def killed(at: str, after: str = "5s") -> list[dict[str, Any]]:
    return [{"at": at, "kill": "A", "restart_after": after}]


def test_c1_a_crash_before_the_first_commit_starts_over() -> None:
    work = {"time": "100ms", "commit": "after"}
    a = consumer("A", config={**JK, "max.poll.records": 10}, start="2s", processing=work)
    played = play({"A": a}, prefilled=30, faults=killed("2550ms"))
    assert len(played.processed("A")) > 5 and played.committed(3 * S) == {}
    assert played.first("A", 3 * S) == {0: 0}


def test_c2_a_crash_before_the_second_commit_starts_behind_the_first() -> None:
    work = {"time": "100ms", "commit": "after"}
    a = consumer("A", config={**JK, "max.poll.records": 5}, start="2s", processing=work)
    played = play({"A": a}, prefilled=30, faults=killed("2990ms"))
    assert played.committed(3 * S) == {0: 5}
    assert played.first("A", 3 * S) == {0: 5}


def test_c3_a_consumer_that_does_not_poll_commits_nothing() -> None:
    """consumer:S60, consumer:F4.6"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 1000, "max.poll.records": 10}
    a = consumer("A", config={**JK, **auto}, start="2s", processing={"time": "260ms"})
    played = play({"A": a}, prefilled=30, faults=killed("4500ms"))
    assert len(played.processed("A")) > 8 and played.committed(5 * S) == {}
    assert played.first("A", 5 * S) == {0: 0}


def test_c5_an_application_that_fails_and_closes_commits_what_it_never_processed() -> None:
    """consumer:S41, consumer:F4.3"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000, "max.poll.records": 10}
    failure = {"nth": 5, "then": "close", "restart_after": "4s"}
    a = consumer("A", config={**JK, **auto}, start="2s", stop="10s", processing={"time": "50ms", "failure": failure})
    played = play({"A": a}, prefilled=30)
    assert played.callbacks("A", 0, 5 * S) == [["assigned", [0]], ["revoked", [0]]]
    assert played.committed(5 * S) == {0: 10}
    assert played.first("A", 5 * S) == {0: 10}
    assert {offset for _, offset in played.processed("A")} & set(range(4, 10)) == set()


def test_c8_close_commits_idle_partitions_too() -> None:
    """consumer:F2.23"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000}
    feed = [{"topic": "t", "partition": 0, "sends": [{"at": "1ms"}] * 5}]
    played = play({"A": consumer("A", config={**JK, **auto}, start="2s", stop="5s")}, partitions=2, feed=feed)
    assert played.committed() == {0: 5, 1: 0}


@pytest.mark.parametrize(("reset", "polled"), [("earliest", [0, 0, 104]), ("latest", [0, 100, 104])])
def test_d_none_without_a_commit_the_reset_policy_decides(reset: str, polled: list[int]) -> None:
    feed = [{"topic": "t", "sends": [{"at": "6s"}] * 5}]
    a = consumer("A", config={**JK, "auto.offset.reset": reset, "max.poll.records": 10}, start="2s")
    assert play({"A": a}, prefilled=100, feed=feed).polled("A") == [polled]


def test_n1_new_partitions_come_with_a_heartbeat_and_latest_skips_what_was_there_before() -> None:
    """consumer:F3.28: nothing is revoked. The coordinator's metadata, not the client's, tells of new partitions; a
    broker has them within half a second, so the heartbeat interval is longer here than in the recording."""
    config = {**JK, "auto.offset.reset": "latest", "metadata.max.age.ms": 300_000}
    keys = {"count": 6, "skew": "round_robin"}
    feed = [
        {"topic": "t", "rate": "20/s", "count": 30, "keys": keys},
        {"topic": "t", "rate": "600/s", "count": 60, "start": "5600ms", "keys": keys},
        {"topic": "t", "rate": "20/s", "count": 30, "start": "8s", "keys": keys},
    ]
    growth = [{"at": "5s", "add_partitions": "t", "to": 3}]
    a = consumer("A", config=config, start="500ms", processing={"commit": "after"})
    slow = {"group.consumer.heartbeat.interval.ms": 2000}
    played = play({"A": a}, feed=feed, faults=growth, producer={"metadata.max.age.ms": 100}, brokers=slow)
    assert played.callbacks("A", 5 * S) == [["assigned", [1, 2]]]
    assert 6_500_000 < played.rows("A", Kind.ASSIGN)[-1]["t_us"] < 6_550_000  # the fourth heartbeat
    first = played.first("A", 5 * S)
    assert {p: first[p] for p in (1, 2)} == {1: 20, 2: 20}  # first_new; 40 are missed


def joined_and_left(in_revoke: bool, seed: int = 0) -> Played:
    """4 partitions fed a record each per 60 ms; A at 8 ms a record, 6 a poll; B joins, later B closes."""
    feed = [{"topic": "t", "partition": p, "rate": "16.6/s", "stop": "14s"} for p in range(4)]
    work = {"time": "8ms", "commit.in.revoke": in_revoke}
    config = {**JK, "max.poll.records": 6}
    return play(
        {
            "A": consumer("A", config=config, start="1s", processing=work),
            "B": consumer("B", config=config, start="5s", stop="9s", processing=work),
        },
        partitions=4, feed=feed, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("in_revoke", [False, True], ids=["R1", "R2"])
def test_r1_r2_members_keep_what_they_keep(in_revoke: bool) -> None:
    """consumer:F3.20, consumer:F3.22, consumer:F3.37, consumer:S43"""
    played = joined_and_left(in_revoke)
    # Empty callbacks leave no row: A's second, [assigned, []], and B's first.
    assert played.callbacks("A", 4 * S, 9 * S) == [["revoked", [2, 3]]]
    assert played.callbacks("B", 4 * S, 9 * S) == [["assigned", [2, 3]]]
    assert played.owned(8_900_000) == {"A": [0, 1], "B": [2, 3]}
    assert played.callbacks("A", 9 * S) == [["assigned", [2, 3]]]
    assert played.callbacks("B", 9 * S) == [["revoked", [2, 3]]]
    revoked = played.rows("A", Kind.REVOKE)[0]["t_us"]
    given = played.rows("B", Kind.ASSIGN)[0]["t_us"]
    assert played.polled("A", revoked, given)  # A_polls_kept_partitions_between_its_revoke_and_B_assign
    assert given - revoked < 600_000  # by the newcomer's next heartbeat
    assert all(p in (0, 1) for p, _, _ in played.polled("A", revoked, 9 * S))
    kept = [first for p, first, _ in played.polled("A", revoked, 9 * S) if p in (0, 1)]
    assert min(kept) > 0  # kept_by_A: continues
    got = max(last for p, _, last in played.polled("A", 0, revoked) if p == 2)
    assert played.first("B")[2] == (got + 1 if in_revoke else 0)  # handoff_moved: exact, or reread
    if in_revoke:
        assert len(set(played.processed())) == len(played.processed())
        assert [row for row in played.trace.rows(Kind.COMMIT) if row["n"] != 1] == []  # cb_commit_ok


def test_s1_a_static_member_that_crashed_is_refused_until_its_session_ends() -> None:
    """consumer:F3.31, consumer 3.3"""
    names = ("A", "B")
    work = {"commit": "after"}
    played = play(
        {n: consumer(n, config={**JK, "group.instance.id": f"i{n}"}, start="1s", processing=work) for n in names},
        partitions=4, prefilled=5, faults=killed("6s", "1s"), run="8500ms",
        brokers={"group.consumer.session.timeout.ms": 6000},
    )  # fmt: skip
    before = played.owned(5_900_000)["A"]
    assert len(before) == 2
    assert played.callbacks("A", 7 * S) == []  # after_restart
    assert played.rows("A", Kind.LEFT, since_us=7 * S)[0]["code"] == 2  # A2_exceptions
    assert played.callbacks("B", 6 * S, 11 * S) == []
    assert played.callbacks("B", 11 * S) == [["assigned", before]]  # the session of six seconds is over


def test_z1_a_zombie_processes_on_and_its_late_commit_is_refused() -> None:
    """consumer:S38, consumer:S44, consumer:F3.35"""
    config = {**JK, "max.poll.interval.ms": 2500, "max.poll.records": 8}
    played = play(
        {
            "A": consumer("A", config=config, start="1s", processing={"time": "800ms", "commit": "after"}),
            "B": consumer("B", config=config, start="2s", processing={"time": "1ms", "commit": "after"}),
        },
        prefilled=20, run="12s",
    )  # fmt: skip
    left = played.rows("A", Kind.LEFT)[0]
    polled = played.rows("A", Kind.POLL)[0]
    assert left["code"] == 1 and left["t_us"] - polled["t_us"] == 2_500_000
    late = next(row for row in played.rows("A", Kind.COMMIT))
    assert (late["n"], late["code"], late["offset"]) == (0, ErrorCode.UNKNOWN_MEMBER_ID, 8)  # CommitFailedException
    assert played.first("B") == {0: 0}
    assert played.rows("B", Kind.ASSIGN)[0]["t_us"] - left["t_us"] < 600_000  # by its next heartbeat
    assert played.committed(late["t_us"]) == {0: 20}
    assert played.callbacks("A", polled["t_us"], late["t_us"]) == []  # A_callbacks_before_its_next_poll
    assert [what for what, _ in played.callbacks("A", late["t_us"])][:1] == ["lost"]
    twice = set(played.processed("A")) & set(played.processed("B"))
    assert len(twice) == 8
    assert played.rows("A", Kind.PROC_END)[7]["t_us"] > played.rows("B", Kind.PROC_END)[-1]["t_us"]
