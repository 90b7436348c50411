"""Recorded cells of librdkafka's members of classic groups end the same here (lr: range; lc: cooperative-sticky), and
those of the new protocol (lk) that end as lr.

Cells in which the application seeks or pauses are played step by step too, in
``tests/protocol/test_librdkafka_member.py``.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from tests.conformance.group_cells import Played, S, consumer, play

LR = {"partition.assignment.strategy": "range"}
LC = {"partition.assignment.strategy": "cooperative-sticky"}
LK = {"group.protocol": "consumer"}
of_both_protocols = pytest.mark.parametrize("options", [LR, LK], ids=["lr", "lk"])


def member(name: str, config: dict[str, Any], messages: int = 500, **more: Any) -> dict[str, Any]:
    """Polls are consume(*messages*, 200 ms)."""
    polls = {"messages": messages, "timeout": "200ms"}
    return consumer(name, config=config, client="librdkafka", consume=polls, **more)


def killed(at: str, after: str = "4s") -> list[dict[str, Any]]:
    return [{"at": at, "kill": "A", "restart_after": after}]


def one_by_one(config: dict[str, Any], apart_s: int, seed: int = 0) -> Played:
    """A to D start one after the other, then B is closed."""
    stop = {"B": {"stop": f"{1 + 4 * apart_s}s"}}
    return play(
        {
            name: member(name, config, start=f"{1 + apart_s * k}s", **stop.get(name, {}))
            for k, name in enumerate(("A", "B", "C", "D"))
        },
        partitions=6, prefilled=1, seed=seed,
    )  # fmt: skip


def test_a1_members_join_one_by_one_and_the_second_leaves() -> None:
    played = one_by_one(LR, 2)
    assert played.owned(2 * S) == {"A": [0, 1, 2, 3, 4, 5]}
    assert played.owned(4 * S) == {"A": [0, 1, 2], "B": [3, 4, 5]}
    assert played.owned(6 * S) == {"A": [0, 1], "B": [2, 3], "C": [4, 5]}
    assert played.owned(8 * S) == {"A": [0, 1], "B": [2, 3], "C": [4], "D": [5]}
    assert played.owned(11 * S) == {"A": [0, 1], "C": [2, 3], "D": [4, 5]}


@pytest.mark.parametrize("seed", range(2))
def test_a1_cooperative_members_give_up_their_lowest_partitions(seed: int) -> None:
    """consumer:F6.11"""
    played = one_by_one(LC, 4, seed)
    assert played.owned(4_900_000) == {"A": [0, 1, 2, 3, 4, 5]}
    assert played.owned(8_900_000) == {"A": [3, 4, 5], "B": [0, 1, 2]}
    assert played.owned(12_900_000) == {"A": [4, 5], "B": [1, 2], "C": [0, 3]}
    assert played.owned(16_900_000) == {"A": [4, 5], "B": [1, 2], "C": [3], "D": [0]}
    assert played.owned(21 * S) == {"A": [4, 5], "C": [2, 3], "D": [0, 1]}


@of_both_protocols
def test_c1_a_crash_before_the_first_commit_starts_over(options: dict[str, Any]) -> None:
    a = member("A", options, 10, start="2s", processing={"time": "100ms", "commit": "after"})
    played = play({"A": a}, prefilled=30, faults=killed("2550ms"))
    assert len(played.processed("A")) > 3 and played.committed(3 * S) == {}
    assert played.first("A", 3 * S) == {0: 0}


@of_both_protocols
def test_c2_a_crash_before_the_second_commit_starts_behind_the_first(options: dict[str, Any]) -> None:
    a = member("A", options, 5, start="2s", processing={"time": "100ms", "commit": "after"})
    played = play({"A": a}, prefilled=30, faults=killed("2990ms"))
    assert played.committed(3 * S) == {0: 5}
    assert played.first("A", 3 * S) == {0: 5}


@pytest.mark.parametrize("strategy", [LR, LC, LK], ids=["lr", "lc", "lk"])
def test_c3_the_timer_commits_what_a_busy_consumer_has_in_work(strategy: dict[str, Any]) -> None:
    """consumer:F4.12: what it had not processed yet is lost"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 1000}
    a = member("A", {**strategy, **auto}, 10, start="2s", processing={"time": "260ms"})
    played = play({"A": a}, prefilled=30, faults=killed("4500ms"))
    assert played.committed(4_400_000) == {0: 10} and played.committed(5 * S) == {0: 10}
    assert played.first("A", 5 * S) == {0: 10}
    assert {(0, 9)} - set(played.processed("A")) == {(0, 9)}


@of_both_protocols
def test_c5_an_application_that_fails_and_closes_commits_what_it_never_processed(options: dict[str, Any]) -> None:
    """consumer:S41, consumer:F4.3"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000}
    failure = {"nth": 5, "then": "close", "restart_after": "4s"}
    work = {"time": "50ms", "failure": failure}
    played = play({"A": member("A", {**options, **auto}, 10, start="2s", stop="10s", processing=work)}, prefilled=30)
    assert played.callbacks("A", 0, 5 * S) == [["assigned", [0]], ["revoked", [0]]]
    assert played.committed(5 * S) == {0: 10}
    assert played.first("A", 5 * S) == {0: 10}


@of_both_protocols
def test_c8_close_commits_no_idle_partition(options: dict[str, Any]) -> None:
    """consumer:F2.23"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000}
    feed = [{"topic": "t", "partition": 0, "sends": [{"at": "1ms"}] * 5}]
    a = member("A", {**options, **auto}, start="2s", stop="5s", processing={})
    assert play({"A": a}, partitions=2, feed=feed).committed() == {0: 5}


@of_both_protocols
@pytest.mark.parametrize(("reset", "polled"), [("earliest", [0, 0, 104]), ("latest", [0, 100, 104])])
def test_d_none_without_a_commit_the_reset_policy_decides(
    reset: str, polled: list[int], options: dict[str, Any]
) -> None:
    feed = [{"topic": "t", "sends": [{"at": "6s"}] * 5}]
    a = member("A", {**options, "auto.offset.reset": reset}, 10, start="2s", processing={})
    assert play({"A": a}, prefilled=100, feed=feed).polled("A") == [polled]


@of_both_protocols
def test_k2_a_lower_offset_than_before_is_stored(options: dict[str, Any]) -> None:
    """consumer:F3.1"""
    work = {"time": "100ms", "commit": "each"}
    back = [{"at": "6s", "seek": "t-0", "to": 4}]
    played = play({"A": member("A", options, 10, start="2s", processing=work, calls=back)}, prefilled=10)
    assert played.committed(6 * S) == {0: 10}
    assert [(row["offset"], row["n"]) for row in played.rows("A", Kind.COMMIT, since_us=6 * S)][0] == (5, 1)


def test_n1_new_partitions_are_found_late_and_latest_skips_their_first_records() -> None:
    """consumer:F6.6"""
    config = {**LR, "auto.offset.reset": "latest", "topic.metadata.refresh.interval.ms": 3000}
    keys = {"count": 6, "skew": "round_robin"}
    feed = [
        {"topic": "t", "rate": "20/s", "count": 30, "keys": keys},
        {"topic": "t", "rate": "60/s", "count": 60, "start": "5500ms", "keys": keys},
        {"topic": "t", "rate": "20/s", "count": 30, "start": "14s", "keys": keys},
    ]
    a = member("A", config, start="500ms", processing={"commit": "after"})
    growth = [{"at": "5s", "add_partitions": "t", "to": 3}]
    played = play({"A": a}, feed=feed, faults=growth, producer={"metadata.max.age.ms": 100})
    assert played.callbacks("A", 5 * S) == [["revoked", [0]], ["assigned", [0, 1, 2]]]
    first = played.first("A", 5 * S)
    assert {p: first[p] for p in (1, 2)} == {1: 20, 2: 20}  # first_new; 40 are missed


@of_both_protocols
def test_o1_the_queue_is_drained_a_partition_at_a_time(options: dict[str, Any]) -> None:
    """consumer:F2.7, consumer:F2.8: the last partition was begun first (lk: in one of the recorded runs too)"""
    played = play({"A": member("A", options, 4, start="2s", processing={})}, partitions=3, prefilled=10, count=1)
    assert played.poll_sizes("A") == [4, 4, 4, 4, 4, 4, 4, 2]
    assert played.polled("A") == [[2, 0, 9], [1, 0, 9], [0, 0, 9]]


def joined_and_left(strategy: dict[str, Any], in_revoke: bool) -> Played:
    """4 partitions fed a record each per 60 ms; A at 8 ms a record, 6 a poll; B joins, later B closes."""
    feed = [{"topic": "t", "partition": p, "rate": "16.6/s", "stop": "14s"} for p in range(4)]
    work = {"time": "8ms", "commit.in.revoke": in_revoke}
    return play(
        {
            "A": member("A", strategy, 6, start="1s", processing=work),
            "B": member("B", strategy, 6, start="5s", stop="9s", processing=work),
        },
        partitions=4, feed=feed,
    )  # fmt: skip


@pytest.mark.parametrize("in_revoke", [False, True], ids=["R1", "R2"])
def test_r1_r2_a_join_and_a_leave_with_and_without_a_commit_in_the_callback(in_revoke: bool) -> None:
    """consumer:F3.12, consumer:F3.13, consumer:S43"""
    played = joined_and_left(LR, in_revoke)
    assert played.callbacks("A", 4 * S, 8 * S) == [["revoked", [0, 1, 2, 3]], ["assigned", [0, 1]]]
    assert played.callbacks("B", 4 * S, 8 * S) == [["assigned", [2, 3]]]
    assert played.owned(8 * S) == {"A": [0, 1], "B": [2, 3]}
    assert played.callbacks("A", 9 * S) == [["revoked", [0, 1]], ["assigned", [0, 1, 2, 3]]]
    assert played.callbacks("B", 9 * S) == [["revoked", [2, 3]]]
    joined = played.rows("A", Kind.ASSIGN)[4]["t_us"]
    behind = {p: last + 1 for p, _, last in played.polled("A", 0, joined)}
    first = {**played.first("A", joined), **played.first("B")}
    if in_revoke:
        assert first == behind  # kept_by_A: continues, handoff_moved: exact
        assert len(set(played.processed())) == len(played.processed())  # dups_leave_zero
        assert [row for row in played.trace.rows(Kind.COMMIT) if row["n"] != 1] == []  # cb_commit_ok
    else:
        assert first == {0: 0, 1: 0, 2: 0, 3: 0}  # kept_by_A: rewinds to 0, handoff_moved: reread
        assert played.committed() == {}


@pytest.mark.parametrize("in_revoke", [False, True], ids=["R1", "R2"])
def test_r1_r2_cooperative_members_keep_what_they_keep(in_revoke: bool) -> None:
    """consumer:F3.15, consumer:F3.36, consumer:F3.37"""
    played = joined_and_left(LC, in_revoke)
    # Empty callbacks leave no row: A's [assigned,[]] twice, and B's first.
    assert played.callbacks("A", 4 * S, 9 * S) == [["revoked", [0, 1]]]
    assert played.callbacks("B", 4 * S, 9 * S) == [["assigned", [0, 1]]]
    assert played.owned(8_900_000) == {"A": [2, 3], "B": [0, 1]}
    assert played.callbacks("A", 9 * S) == [["assigned", [0, 1]]]
    assert played.callbacks("B", 9 * S) == [["revoked", [0, 1]]]
    revoked = played.rows("A", Kind.REVOKE)[0]["t_us"]
    given = played.rows("B", Kind.ASSIGN)[0]["t_us"]
    between = played.polled("A", revoked, given)  # A_polls_kept_partitions_between_its_revoke_and_B_assign
    assert between and all(p in (2, 3) and first > 0 for p, first, _ in between)  # kept_by_A: continues
    got = max(last for p, _, last in played.polled("A", 0, revoked) if p == 0)
    assert played.first("B")[0] == (got + 1 if in_revoke else 0)  # handoff_moved: exact, or reread
    if in_revoke:
        assert len(set(played.processed())) == len(played.processed())


def test_s1_a_static_member_is_back_before_its_session_ends_and_nobody_notices() -> None:
    """consumer:S32, consumer 3.3"""
    config = {**LR, "session.timeout.ms": 6000}
    played = play(
        {
            name: member(name, {**config, "group.instance.id": f"i{name}"}, start="1s", processing={"commit": "after"})
            for name in ("A", "B")
        },
        partitions=4, prefilled=5, faults=killed("6s", "1s"),
    )  # fmt: skip
    assert played.callbacks("B", 6 * S) == []
    assert played.callbacks("A", 7 * S) == [["assigned", [0, 1]]]
    assert played.polled("A", 7 * S) == []  # reread: nothing


@pytest.mark.parametrize(
    ("strategy", "told"), [(LR, ["revoked", "assigned"]), (LC, ["lost"])], ids=["lr", "lc"]
)
def test_z1_a_zombie_processes_on_and_its_late_commit_is_refused(strategy: dict[str, Any], told: list[str]) -> None:
    """consumer:S38, consumer:S44, consumer:F3.35, consumer:F3.39: the callback that had been waiting comes first (lc:
    an assignment of nothing, which leaves no row)"""
    config = {**strategy, "max.poll.interval.ms": 2500, "session.timeout.ms": 2500}
    played = play(
        {
            "A": member("A", config, 8, start="1s", processing={"time": "800ms", "commit": "after"}),
            "B": member("B", config, 8, start="2s", processing={"time": "1ms", "commit": "after"}),
        },
        prefilled=20, run="12s",
    )  # fmt: skip
    left, polled = played.rows("A", Kind.LEFT)[0], played.rows("A", Kind.POLL)[0]
    assert left["code"] == 1 and 2_500_000 < left["t_us"] - polled["t_us"] <= 3_000_000  # a timer twice a second
    late = next(row for row in played.rows("A", Kind.COMMIT))
    assert (late["n"], late["code"], late["offset"]) == (0, ErrorCode.UNKNOWN_MEMBER_ID, 8)
    assert played.first("B") == {0: 0}
    assert played.committed(late["t_us"]) == {0: 20}
    assert played.callbacks("A", polled["t_us"], late["t_us"]) == []  # A_callbacks_before_its_next_poll
    assert [what for what, _ in played.callbacks("A", late["t_us"])] == told
    assert len(set(played.processed("A")) & set(played.processed("B"))) == 8
    assert played.rows("A", Kind.PROC_END)[7]["t_us"] > played.rows("B", Kind.PROC_END)[-1]["t_us"]


def calling(options: dict[str, Any], messages: int, *calls: dict[str, Any]) -> dict[str, Any]:
    """A member whose work takes a second a poll, so that calls come between polls."""
    work = {"time": "1s", "per": "poll"}
    return member("A", options, messages, start="2s", processing=work, calls=list(calls))


@of_both_protocols
def test_p1_what_is_left_of_a_paused_partition_comes_after_resume(options: dict[str, Any]) -> None:
    """consumer:F2.14"""
    a = calling(options, 2, {"at": "2500ms", "pause": "t-0"}, {"at": "6s", "resume": "t-0"})
    played = play({"A": a}, prefilled=3)
    assert played.polled("A", 0, 5 * S) == [[0, 0, 1]]  # first; while_paused: nothing
    assert played.polled("A", 5 * S) == [[0, 2, 2]]


@of_both_protocols
def test_p2_a_seek_back_throws_away_what_is_queued(options: dict[str, Any]) -> None:
    """consumer:F2.13"""
    played = play({"A": calling(options, 10, {"at": "2500ms", "seek": "t-0", "to": 5})}, prefilled=100)
    rows = played.rows("A", Kind.POLL)
    assert [row["offset"] for row in rows][:2] == [0, 5] and rows[0]["hi"] - rows[0]["lo"] == 10
    assert [row["offset"] for row in played.rows("A", Kind.SEEK)] == [5]


@of_both_protocols
def test_p4_a_paused_partition_stands_and_the_other_one_flows(options: dict[str, Any]) -> None:
    feed = [{"topic": "t", "partition": 0, "sends": [{"at": "6s"}] * 5}]
    a = calling(options, 5, {"at": "2500ms", "pause": "t-0"}, {"at": "12s", "resume": "t-0"})
    played = play({"A": a}, partitions=2, prefilled=20, feed=feed)
    assert played.polled("A", 0, 2_500_000) == [[0, 0, 4]]
    assert played.polled("A", 2_500_000, 12 * S) == [[1, 0, 19]]
    assert played.polled("A", 12 * S) == [[0, 5, 24]]
