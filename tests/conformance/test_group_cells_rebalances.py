"""Recorded cells of members that come, go, die and are late, and of topics that grow, end the same here (A1, N1, R1,
R2, S1, Z1)."""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from tests.conformance.group_cells import Played, S, killed, play
from tests.conformance.recorded_cells import cell, java, member


# --- A1: members join one by one, and the second leaves ---------------------------------------------------------------
def one_by_one(client: str, seed: int = 0) -> list[dict[str, list[int]]]:
    """Who owns what before each next step: A to D start one after the other, then B is closed."""
    names, apart_s = ("A", "B", "C", "D"), 4
    stop: dict[str, dict[str, Any]] = {"B": {"stop": f"{1 + 4 * apart_s}s"}}
    played = play(
        {
            name: member(client, name, start=f"{1 + apart_s * k}s", processing={}, **stop.get(name, {}))
            for k, name in enumerate(names)
        },
        partitions=6, prefilled=1, seed=seed,
    )  # fmt: skip
    return [played.owned((1 + apart_s * k) * S - 100_000) for k in range(1, 6)]


@cell("A1", clients="jr jd lr")
def test_a1_range_gives_contiguous_shares_in_the_order_of_the_members(client: str) -> None:
    assert one_by_one(client) == [
        {"A": [0, 1, 2, 3, 4, 5]},
        {"A": [0, 1, 2], "B": [3, 4, 5]},
        {"A": [0, 1], "B": [2, 3], "C": [4, 5]},
        {"A": [0, 1], "B": [2, 3], "C": [4], "D": [5]},
        {"A": [0, 1], "C": [2, 3], "D": [4, 5]},
    ]


@pytest.mark.parametrize("seed", range(4))
@cell("A1", clients="jc")
def test_a1_java_cooperative_members_give_up_their_highest_partitions(client: str, seed: int) -> None:
    """consumer:F6.11: which of several equal owners gives one up hangs on the random member ids."""
    one, two, three, four, left = one_by_one(client, seed)
    assert one == {"A": [0, 1, 2, 3, 4, 5]} and two == {"A": [0, 1, 2], "B": [3, 4, 5]}
    assert three == {"A": [0, 1], "B": [3, 4], "C": [2, 5]}
    assert sorted(len(share) for share in four.values()) == [1, 1, 2, 2]
    kept = {owner: share for owner, share in four.items() if owner in three}
    assert kept == {owner: three[owner][: len(share)] for owner, share in kept.items()}
    assert sorted(len(share) for share in left.values()) == [2, 2, 2]


@pytest.mark.parametrize("seed", range(2))
@cell("A1", clients="lc")
def test_a1_librdkafka_cooperative_members_give_up_their_lowest_partitions(client: str, seed: int) -> None:
    """consumer:F6.11"""
    assert one_by_one(client, seed) == [
        {"A": [0, 1, 2, 3, 4, 5]},
        {"A": [3, 4, 5], "B": [0, 1, 2]},
        {"A": [4, 5], "B": [1, 2], "C": [0, 3]},
        {"A": [4, 5], "B": [1, 2], "C": [3], "D": [0]},
        {"A": [4, 5], "C": [2, 3], "D": [0, 1]},
    ]


@pytest.mark.parametrize("seed", range(3))
@cell("A1", clients="jk lk")
def test_a1_the_coordinator_evens_out_how_much_each_has(client: str, seed: int) -> None:
    """Member ids are random, and with them who gets what; how much does not hang on them."""
    sizes = [sorted(len(share) for share in owned.values()) for owned in one_by_one(client, seed)]
    assert sizes == [[6], [3, 3], [2, 2, 2], [1, 1, 2, 2], [2, 2, 2]]


# --- N1: a topic grows ------------------------------------------------------------------------------------------------
def grown(
    client: str, config: dict[str, Any], burst: dict[str, Any], later: str, brokers: dict[str, Any] | None = None
) -> Played:
    """A reads from the end while t gets two more partitions, and *burst*, 60 records, comes before A knows of them."""
    keys = {"count": 6, "skew": "round_robin"}
    feed = [
        {"topic": "t", "rate": "20/s", "count": 30, "keys": keys},
        {"topic": "t", "count": 60, "keys": keys, **burst},
        {"topic": "t", "rate": "20/s", "count": 30, "start": later, "keys": keys},
    ]
    own = {**config, "auto.offset.reset": "latest"}
    a = member(client, config=own, start="500ms", processing={"commit": "after"})
    growth = [{"at": "5s", "add_partitions": "t", "to": 3}]
    return play({"A": a}, feed=feed, faults=growth, producer={"metadata.max.age.ms": 100}, brokers=brokers)


def first_new(played: Played) -> dict[int, int]:
    first = played.first("A", 5 * S)
    return {p: first[p] for p in (1, 2)}


@cell("N1", clients="jr lr")
def test_n1_new_partitions_are_found_late_and_latest_skips_their_first_records(client: str) -> None:
    """consumer:F6.6"""
    age = "metadata.max.age.ms" if java(client) else "topic.metadata.refresh.interval.ms"
    played = grown(client, {age: 3000}, {"rate": "60/s", "start": "5500ms"}, "14s")
    assert played.callbacks("A", 5 * S) == [["revoked", [0]], ["assigned", [0, 1, 2]]]
    assert first_new(played) == {1: 20, 2: 20}  # 40 are missed


@cell("N1", clients="jk lk")
def test_n1_new_partitions_come_with_a_heartbeat_and_latest_skips_what_was_there_before(client: str) -> None:
    """consumer:F3.28: nothing is revoked. The coordinator's metadata, not the client's, tells of new partitions; a
    broker has them within half a second, so the heartbeat interval is longer here than in the recording."""
    age = "metadata.max.age.ms" if java(client) else "topic.metadata.refresh.interval.ms"
    slow = {"group.consumer.heartbeat.interval.ms": 2000}
    played = grown(client, {age: 300_000}, {"rate": "600/s", "start": "5600ms"}, "8s", slow)
    assert played.callbacks("A", 5 * S) == [["assigned", [1, 2]]]
    assert 6_500_000 < played.rows("A", Kind.ASSIGN)[-1]["t_us"] < 6_550_000  # the fourth heartbeat
    assert first_new(played) == {1: 20, 2: 20}  # 40 are missed


# --- R1, R2: a join and a leave ---------------------------------------------------------------------------------------
R1_R2 = pytest.mark.parametrize("in_revoke", [False, True], ids=["R1", "R2"])  # a commit in the callback


def joined_and_left(client: str, in_revoke: bool) -> Played:
    """4 partitions fed a record each per 60 ms; A at 8 ms a record, 6 a poll; B joins, later B closes."""
    feed = [{"topic": "t", "partition": p, "rate": "16.6/s", "stop": "14s"} for p in range(4)]
    work = {"time": "8ms", "commit.in.revoke": in_revoke}
    return play(
        {
            "A": member(client, "A", polls=6, start="1s", processing=work),
            "B": member(client, "B", polls=6, start="5s", stop="9s", processing=work),
        },
        partitions=4, feed=feed,
    )  # fmt: skip


def nothing_twice_and_no_commit_refused(played: Played) -> None:
    assert len(set(played.processed())) == len(played.processed())  # dups_leave_zero
    assert [row for row in played.trace.rows(Kind.COMMIT) if row["n"] != 1] == []  # cb_commit_ok


@R1_R2
@cell("R1", "R2", clients="jr jd lr")
def test_r1_r2_eager_members_give_up_everything(client: str, in_revoke: bool) -> None:
    """consumer:F3.12, consumer:F3.13, consumer:S43, consumer:toy-5, consumer:toy-22"""
    played = joined_and_left(client, in_revoke)
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
        nothing_twice_and_no_commit_refused(played)
    else:
        assert first == {0: 0, 1: 0, 2: 0, 3: 0}  # kept_by_A: rewinds to 0, handoff_moved: reread
        assert played.committed() == {}


# The newcomer's next heartbeat gives it what it gets; librdkafka's scatter around one interval.
HAND_OVER_US = {"jc": (300_000, 800_000), "jk": (0, 600_000), "lc": (0, 1_000_000), "lk": (0, 1_000_000)}


@R1_R2
@cell("R1", "R2", clients="jc jk lc lk")
def test_r1_r2_other_members_keep_what_they_keep(client: str, in_revoke: bool) -> None:
    """consumer:F3.15, consumer:F3.20, consumer:F3.22, consumer:F3.36, consumer:F3.37, consumer:S08, consumer:S43,
    consumer:toy-6, consumer:toy-27, consumer:F3.34"""
    played = joined_and_left(client, in_revoke)
    kept, moved = ([2, 3], [0, 1]) if client == "lc" else ([0, 1], [2, 3])
    # Empty callbacks leave no row: A's [assigned,[]], twice where there are rounds, and B's first but lk's.
    assert played.callbacks("A", 4 * S, 9 * S) == [["revoked", moved]]
    assert played.callbacks("B", 4 * S, 9 * S) == [["assigned", moved]]
    assert played.owned(8_900_000) == {"A": kept, "B": moved}
    assert played.callbacks("A", 9 * S) == [["assigned", moved]]
    assert played.callbacks("B", 9 * S) == [["revoked", moved]]
    revoked = played.rows("A", Kind.REVOKE)[0]["t_us"]
    given = played.rows("B", Kind.ASSIGN)[0]["t_us"]
    shortest, longest = HAND_OVER_US[client]
    assert shortest < given - revoked < longest
    assert played.polled("A", revoked, given)  # A_polls_kept_partitions_between_its_revoke_and_B_assign
    went_on = played.polled("A", revoked, 9 * S)
    assert all(p in kept and first > 0 for p, first, _ in went_on)  # kept_by_A: continues
    got = max(last for p, _, last in played.polled("A", 0, revoked) if p == moved[0])
    assert played.first("B")[moved[0]] == (got + 1 if in_revoke else 0)  # handoff_moved: exact, or reread
    if in_revoke:
        nothing_twice_and_no_commit_refused(played)


# --- S1: a static member crashes --------------------------------------------------------------------------------------
def static_pair(client: str, **more: Any) -> Played:
    """A and B have names of their own and a session of 6 s; A dies at 6 s, and is back after a second."""
    config = {"session.timeout.ms": 6000}
    members = {
        name: member(
            client, name, config={**config, "group.instance.id": f"i{name}"}, start="1s", processing={"commit": "after"}
        )
        for name in ("A", "B")
    }
    slow = {"group.consumer.session.timeout.ms": 6000}
    return play(members, partitions=4, prefilled=5, faults=killed("6s", "1s"), brokers=slow, **more)


@cell("S1", clients="jr lr")
def test_s1_a_static_member_is_back_before_its_session_ends_and_nobody_notices(client: str) -> None:
    """consumer:S32, consumer:toy-26, consumer 3.3"""
    played = static_pair(client)
    assert played.owned(5_900_000)["A"] == [0, 1]  # before
    assert played.callbacks("B", 6 * S) == []
    assert played.callbacks("A", 7 * S) == [["assigned", [0, 1]]]  # after_restart
    generations = [row["epoch"] for row in played.trace.rows(Kind.GENERATION)]
    assert generations[-1] == played.rows("A", Kind.ASSIGN)[-1]["n"]  # generation_same
    assert played.polled("A", 7 * S) == []  # reread: nothing


@cell("S1", clients="jk lk")
def test_s1_a_static_member_that_crashed_is_refused_until_its_session_ends(client: str) -> None:
    """consumer:F3.31, consumer:toy-26, consumer 3.3"""
    played = static_pair(client, run="8500ms")
    before = played.owned(5_900_000)["A"]
    assert len(before) == 2
    assert played.callbacks("A", 7 * S) == []  # after_restart
    assert played.rows("A", Kind.LEFT, since_us=7 * S)[0]["code"] == 2  # A2_exceptions
    assert played.callbacks("B", 7 * S, 11 * S) == []
    assert played.callbacks("B", 11 * S) == [["assigned", before]]  # the session of six seconds is over


# --- Z1: max.poll.interval.ms is exceeded -----------------------------------------------------------------------------
def zombie(client: str, **more: Any) -> Played:
    """A takes 8 of 20 records and 800 ms for each, more than its poll interval of 2.5 s in all; B is in the group."""
    config = {"max.poll.interval.ms": 2500, **more}
    return play(
        {
            "A": member(
                client, "A", polls=8, config=config, start="1s", processing={"time": "800ms", "commit": "after"}
            ),
            "B": member(client, "B", polls=8, config=config, start="2s", processing={"time": "1ms", "commit": "after"}),
        },
        prefilled=20, run="12s",
    )  # fmt: skip


def assert_processes_on(played: Played, left_after_us: tuple[int, int], refused: ErrorCode, told: list[str]) -> None:
    """A leaves so long after its poll, works on, has its commit refused, and is *told* so at its next poll."""
    left, polled = played.rows("A", Kind.LEFT)[0], played.rows("A", Kind.POLL)[0]
    at_least, at_most = left_after_us
    assert left["code"] == 1 and at_least <= left["t_us"] - polled["t_us"] <= at_most
    late = next(row for row in played.rows("A", Kind.COMMIT))
    assert (late["n"], late["code"], late["offset"]) == (0, refused, 8)  # late_commit
    assert played.first("B") == {0: 0}  # B_first
    assert played.committed(late["t_us"]) == {0: 20}  # committed_at_late_commit
    assert played.callbacks("A", polled["t_us"], late["t_us"]) == []  # A_callbacks_before_its_next_poll
    assert [what for what, _ in played.callbacks("A", late["t_us"])] == told
    assert len(set(played.processed("A")) & set(played.processed("B"))) == 8  # processed_twice
    # A_effects_after_newer_B_effect
    assert played.rows("A", Kind.PROC_END)[7]["t_us"] > played.rows("B", Kind.PROC_END)[-1]["t_us"]


@cell("Z1", clients="jr jc jd jk")
def test_z1_a_java_zombie_processes_on_and_its_late_commit_is_refused(client: str) -> None:
    """consumer:S38, consumer:S44, consumer:F3.35, consumer:F3.39, consumer:toy-10, consumer:F3.34:
    CommitFailedException, by the client itself or from the answer. (jc, jk: B keeps what it has, and A's assignment of
    nothing leaves no row.)"""
    played = zombie(client)
    refused = ErrorCode.UNKNOWN_MEMBER_ID if client == "jk" else ErrorCode.CLIENT_COMMIT_FAILED
    told = ["lost", "assigned"] if client in ("jr", "jd") else ["lost"]
    assert_processes_on(played, (2_500_000, 2_500_000), refused, told)
    if client == "jk":
        waited = played.rows("B", Kind.ASSIGN)[0]["t_us"] - played.rows("A", Kind.LEFT)[0]["t_us"]
        assert waited < 600_000  # B's next heartbeat


@cell("Z1", clients="lr lc")
def test_z1_a_librdkafka_zombie_is_late_by_a_timer_and_its_commit_is_refused_by_the_coordinator(client: str) -> None:
    """consumer:S38, consumer:S44, consumer:F3.35, consumer:F3.39, consumer:toy-32: the callback that had been
    waiting comes first (lc: an assignment of nothing, which leaves no row)"""
    played = zombie(client, **{"session.timeout.ms": 2500})
    told = ["revoked", "assigned"] if client == "lr" else ["lost"]
    assert_processes_on(played, (2_500_001, 3_000_000), ErrorCode.UNKNOWN_MEMBER_ID, told)  # a timer twice a second
