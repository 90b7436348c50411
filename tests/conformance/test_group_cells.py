"""Recorded cells of the Java client's classic groups end the same here (jr: range; jd: the default list; jc:
cooperative-sticky).

A cell of the recording that is not here asks for something that is not modelled yet.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from tests.conformance.group_cells import Played, S, consumer, play

JR = {"partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor"}
JC = {"partition.assignment.strategy": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"}
JD: dict[str, Any] = {}


@pytest.mark.parametrize("strategy", [JR, JD], ids=["jr", "jd"])
def test_a1_members_join_one_by_one_and_the_second_leaves(strategy: dict[str, Any]) -> None:
    names = ("A", "B", "C", "D")
    played = play(
        {
            name: consumer(name, config=strategy, start=f"{1 + 2 * k}s", **({"stop": "9s"} if name == "B" else {}))
            for k, name in enumerate(names)
        },
        partitions=6, prefilled=1,
    )  # fmt: skip
    assert played.owned(2 * S) == {"A": [0, 1, 2, 3, 4, 5]}
    assert played.owned(4 * S) == {"A": [0, 1, 2], "B": [3, 4, 5]}
    assert played.owned(6 * S) == {"A": [0, 1], "B": [2, 3], "C": [4, 5]}
    assert played.owned(8 * S) == {"A": [0, 1], "B": [2, 3], "C": [4], "D": [5]}
    assert played.owned(11 * S) == {"A": [0, 1], "C": [2, 3], "D": [4, 5]}


@pytest.mark.parametrize("seed", range(4))
def test_a1_cooperative_members_give_up_their_highest_partitions(seed: int) -> None:
    """consumer:F6.11: which of several equal owners gives one up hangs on the random member ids."""
    names = ("A", "B", "C", "D")
    played = play(
        {
            name: consumer(name, config=JC, start=f"{1 + 3 * k}s", **({"stop": "13s"} if name == "B" else {}))
            for k, name in enumerate(names)
        },
        partitions=6, prefilled=1, seed=seed,
    )  # fmt: skip
    two, three, four = (played.owned(at * S) for at in (6, 9, 12))
    assert played.owned(3 * S) == {"A": [0, 1, 2, 3, 4, 5]} and two == {"A": [0, 1, 2], "B": [3, 4, 5]}
    assert three == {"A": [0, 1], "B": [3, 4], "C": [2, 5]}
    assert sorted(len(share) for share in four.values()) == [1, 1, 2, 2]
    kept = {owner: three[owner][: len(share)] for owner, share in four.items() if owner in three}
    assert {owner: share for owner, share in four.items() if owner in three} == kept
    assert sorted(len(share) for share in played.owned(16 * S).values()) == [2, 2, 2]


def killed(at: str, after: str = "4s") -> list[dict[str, Any]]:
    return [{"at": at, "kill": "A", "restart_after": after}]


def test_c1_a_crash_before_the_first_commit_starts_over() -> None:
    work = {"time": "100ms", "commit": "after"}
    a = consumer("A", config={**JR, "max.poll.records": 10}, start="2s", processing=work)
    played = play({"A": a}, prefilled=30, faults=killed("2550ms"))
    assert len(played.processed("A")) > 5 and played.committed(3 * S) == {}
    assert played.first("A", 3 * S) == {0: 0}


def test_c2_a_crash_before_the_second_commit_starts_behind_the_first() -> None:
    work = {"time": "100ms", "commit": "after"}
    a = consumer("A", config={**JR, "max.poll.records": 5}, start="2s", processing=work)
    played = play({"A": a}, prefilled=30, faults=killed("2990ms"))
    assert played.committed(3 * S) == {0: 5}
    assert played.first("A", 3 * S) == {0: 5}


@pytest.mark.parametrize("strategy", [JR, JC], ids=["jr", "jc"])
def test_c3_a_consumer_that_does_not_poll_commits_nothing(strategy: dict[str, Any]) -> None:
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 1000, "max.poll.records": 10}
    a = consumer("A", config={**strategy, **auto}, start="2s", processing={"time": "260ms"})
    played = play({"A": a}, prefilled=30, faults=killed("4500ms"))
    assert len(played.processed("A")) > 8 and played.committed(5 * S) == {}
    assert played.first("A", 5 * S) == {0: 0}


@pytest.mark.parametrize("strategy", [JR, JC], ids=["jr", "jc"])
def test_c5_an_application_that_fails_and_closes_commits_what_it_never_processed(strategy: dict[str, Any]) -> None:
    """consumer:S41, consumer:F4.3"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000, "max.poll.records": 10}
    failure = {"nth": 5, "then": "close", "restart_after": "4s"}
    work = {"time": "50ms", "failure": failure}
    a = consumer("A", config={**strategy, **auto}, start="2s", stop="10s", processing=work)
    played = play({"A": a}, prefilled=30)
    assert played.callbacks("A", 0, 5 * S) == [["assigned", [0]], ["revoked", [0]]]
    assert played.committed(5 * S) == {0: 10}
    assert played.first("A", 5 * S) == {0: 10}
    assert {offset for _, offset in played.processed("A")} & set(range(4, 10)) == set()


def test_c8_close_commits_idle_partitions_too() -> None:
    """consumer:F2.23"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000}
    feed = [{"topic": "t", "partition": 0, "sends": [{"at": "1ms"}] * 5}]
    played = play({"A": consumer("A", config={**JR, **auto}, start="2s", stop="5s")}, partitions=2, feed=feed)
    assert played.committed() == {0: 5, 1: 0}


@pytest.mark.parametrize(("reset", "polled"), [("earliest", [0, 0, 104]), ("latest", [0, 100, 104])])
def test_d_none_without_a_commit_the_reset_policy_decides(reset: str, polled: list[int]) -> None:
    feed = [{"topic": "t", "sends": [{"at": "6s"}] * 5}]
    a = consumer("A", config={**JR, "auto.offset.reset": reset, "max.poll.records": 10}, start="2s")
    assert play({"A": a}, prefilled=100, feed=feed).polled("A") == [polled]


def test_n1_new_partitions_are_found_late_and_latest_skips_their_first_records() -> None:
    """consumer:F6.6"""
    config = {**JR, "auto.offset.reset": "latest", "metadata.max.age.ms": 3000}
    keys = {"count": 6, "skew": "round_robin"}
    feed = [
        {"topic": "t", "rate": "20/s", "count": 30, "keys": keys},
        {"topic": "t", "rate": "60/s", "count": 60, "start": "5500ms", "keys": keys},
        {"topic": "t", "rate": "20/s", "count": 30, "start": "14s", "keys": keys},
    ]
    a = consumer("A", config=config, start="500ms", processing={"commit": "after"})
    growth = [{"at": "5s", "add_partitions": "t", "to": 3}]
    played = play({"A": a}, feed=feed, faults=growth, producer={"metadata.max.age.ms": 100})
    assert played.callbacks("A", 5 * S) == [["revoked", [0]], ["assigned", [0, 1, 2]]]
    first = played.first("A", 5 * S)
    assert {p: first[p] for p in (1, 2)} == {1: 20, 2: 20}  # first_new; 40 are missed


def joined_and_left(strategy: dict[str, Any], in_revoke: bool) -> Played:
    """4 partitions fed a record each per 60 ms; A at 8 ms a record, 6 a poll; B joins, later B closes."""
    feed = [{"topic": "t", "partition": p, "rate": "16.6/s", "stop": "14s"} for p in range(4)]
    work = {"time": "8ms", "commit.in.revoke": in_revoke}
    config = {**strategy, "max.poll.records": 6}
    return play(
        {
            "A": consumer("A", config=config, start="1s", processing=work),
            "B": consumer("B", config=config, start="5s", stop="9s", processing=work),
        },
        partitions=4, feed=feed,
    )  # fmt: skip


@pytest.mark.parametrize("strategy", [JR, JD], ids=["jr", "jd"])
@pytest.mark.parametrize("in_revoke", [False, True], ids=["R1", "R2"])
def test_r1_r2_a_join_and_a_leave_with_and_without_a_commit_in_the_callback(
    strategy: dict[str, Any], in_revoke: bool
) -> None:
    """consumer:F3.12, consumer:F3.13, consumer:S43"""
    played = joined_and_left(strategy, in_revoke)
    assert played.callbacks("A", 4 * S, 8 * S) == [["revoked", [0, 1, 2, 3]], ["assigned", [0, 1]]]
    assert played.callbacks("B", 4 * S, 8 * S) == [["assigned", [2, 3]]]
    assert played.owned(8 * S) == {"A": [0, 1], "B": [2, 3]}
    assert played.callbacks("A", 9 * S) == [["revoked", [0, 1]], ["assigned", [0, 1, 2, 3]]]
    assert played.callbacks("B", 9 * S) == [["revoked", [2, 3]]]
    joined = played.rows("A", Kind.ASSIGN)[4]["t_us"]
    before = {p: last for p, _, last in played.polled("A", 0, joined)}
    behind = {p: last + 1 for p, last in before.items()}
    first = {**played.first("A", joined), **played.first("B")}
    if in_revoke:
        assert first == behind  # kept_by_A: continues, handoff_moved: exact
        assert len(set(played.processed())) == len(played.processed())
        refused = [row for row in played.trace.rows(Kind.COMMIT) if row["n"] != 1]
        assert refused == []  # cb_commit_ok
    else:
        assert first == {0: 0, 1: 0, 2: 0, 3: 0}  # kept_by_A: rewinds to 0, handoff_moved: reread
        assert played.committed() == {}


@pytest.mark.parametrize("in_revoke", [False, True], ids=["R1", "R2"])
def test_r1_r2_cooperative_members_keep_what_they_keep(in_revoke: bool) -> None:
    """consumer:F3.15, consumer:F3.36, consumer:F3.37, consumer:S08"""
    played = joined_and_left(JC, in_revoke)
    settled = 8_900_000
    # Empty callbacks leave no row: A's [assigned,[]] twice, and B's first.
    assert played.callbacks("A", 4 * S, 9 * S) == [["revoked", [2, 3]]]
    assert played.callbacks("B", 4 * S, 9 * S) == [["assigned", [2, 3]]]
    assert played.owned(settled) == {"A": [0, 1], "B": [2, 3]}
    assert played.callbacks("A", 9 * S) == [["assigned", [2, 3]]]
    assert played.callbacks("B", 9 * S) == [["revoked", [2, 3]]]
    revoked = played.rows("A", Kind.REVOKE)[0]["t_us"]
    given = played.rows("B", Kind.ASSIGN)[0]["t_us"]
    assert played.polled("A", revoked, given)  # A_polls_kept_partitions_between_its_revoke_and_B_assign
    assert 300_000 < given - revoked < 800_000  # about one heartbeat interval of the newcomer
    assert all(p in (0, 1) for p, _, _ in played.polled("A", revoked, 9 * S))
    kept = [first for p, first, _ in played.polled("A", revoked, 9 * S) if p in (0, 1)]
    assert min(kept) > 0  # kept_by_A: continues
    got = max(last for p, _, last in played.polled("A", 0, revoked) if p == 2)
    assert played.first("B")[2] == (got + 1 if in_revoke else 0)  # handoff_moved: exact, or reread
    if in_revoke:
        assert len(set(played.processed())) == len(played.processed())


def test_s1_a_static_member_is_back_before_its_session_ends_and_nobody_notices() -> None:
    """consumer:S32, consumer 3.3"""
    config = {**JR, "session.timeout.ms": 6000}
    work = {"commit": "after"}
    played = play(
        {
            name: consumer(name, config={**config, "group.instance.id": f"i{name}"}, start="1s", processing=work)
            for name in ("A", "B")
        },
        partitions=4, prefilled=5, faults=killed("6s", "1s"),
    )  # fmt: skip
    assert played.callbacks("B", 6 * S) == []
    assert played.callbacks("A", 7 * S) == [["assigned", [0, 1]]]
    assert [row["epoch"] for row in played.trace.rows(Kind.GENERATION)][-1] == played.rows("A", Kind.ASSIGN)[-1]["n"]
    assert played.polled("A", 7 * S) == []  # reread: nothing


@pytest.mark.parametrize("strategy", [JR, JC, JD], ids=["jr", "jc", "jd"])
def test_z1_a_zombie_processes_on_and_its_late_commit_is_refused(strategy: dict[str, Any]) -> None:
    """consumer:S38, consumer:S44, consumer:F3.35"""
    config = {**strategy, "max.poll.interval.ms": 2500, "max.poll.records": 8}
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
    assert (late["n"], late["code"], late["offset"]) == (0, ErrorCode.CLIENT_COMMIT_FAILED, 8)
    assert played.first("B") == {0: 0}
    assert played.committed(late["t_us"]) == {0: 20}
    assert played.callbacks("A", polled["t_us"], late["t_us"]) == []  # A_callbacks_before_its_next_poll
    assert [what for what, _ in played.callbacks("A", late["t_us"])][:1] == ["lost"]
    twice = set(played.processed("A")) & set(played.processed("B"))
    assert len(twice) == 8
    assert played.rows("A", Kind.PROC_END)[7]["t_us"] > played.rows("B", Kind.PROC_END)[-1]["t_us"]
