"""Recorded cells of librdkafka's members with ``group.protocol=consumer`` (lk) end the same here.

Cells that end as those of the classic range members (lr) stand beside them, in ``test_group_cells_librdkafka.py``; C7
and the positions of D-none are played step by step, in ``tests/protocol/test_librdkafka_heartbeat.py``.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.rows import Kind
from tests.conformance.group_cells import S, consumer, play
from tests.conformance.test_group_cells_librdkafka import LK, joined_and_left, killed, member


@pytest.mark.parametrize("seed", range(3))
def test_a1_members_join_one_by_one_and_the_second_leaves(seed: int) -> None:
    """Member ids are random, and with them who gets what; how much does not hang on them."""
    stop: dict[str, dict[str, Any]] = {"B": {"stop": "13s"}}
    played = play(
        {
            name: member(name, LK, start=f"{1 + 3 * k}s", **stop.get(name, {}))
            for k, name in enumerate(("A", "B", "C", "D"))
        },
        partitions=6, prefilled=1, seed=seed,
    )  # fmt: skip
    sizes = [sorted(len(share) for share in played.owned(at * S).values()) for at in (3, 6, 9, 12, 16)]
    assert sizes == [[6], [3, 3], [2, 2, 2], [1, 1, 2, 2], [2, 2, 2]]


def test_n1_new_partitions_come_with_a_heartbeat_and_latest_skips_what_was_there_before() -> None:
    """consumer:F3.28: nothing is revoked, and the client's own metadata has no part in it. A broker has new partitions
    within half a second, so the heartbeat interval is longer here than in the recording."""
    config = {**LK, "auto.offset.reset": "latest", "topic.metadata.refresh.interval.ms": 300_000}
    keys = {"count": 6, "skew": "round_robin"}
    feed = [
        {"topic": "t", "rate": "20/s", "count": 30, "keys": keys},
        {"topic": "t", "rate": "600/s", "count": 60, "start": "5600ms", "keys": keys},
        {"topic": "t", "rate": "20/s", "count": 30, "start": "8s", "keys": keys},
    ]
    growth = [{"at": "5s", "add_partitions": "t", "to": 3}]
    a = member("A", config, start="500ms", processing={"commit": "after"})
    slow = {"group.consumer.heartbeat.interval.ms": 2000}
    played = play({"A": a}, feed=feed, faults=growth, producer={"metadata.max.age.ms": 100}, brokers=slow)
    assert played.callbacks("A", 5 * S) == [["assigned", [1, 2]]]
    assert 6_500_000 < played.rows("A", Kind.ASSIGN)[-1]["t_us"] < 6_550_000  # the fourth heartbeat
    first = played.first("A", 5 * S)
    assert {p: first[p] for p in (1, 2)} == {1: 20, 2: 20}  # first_new; 40 are missed


@pytest.mark.parametrize("in_revoke", [False, True], ids=["R1", "R2"])
def test_r1_r2_members_keep_what_they_keep(in_revoke: bool) -> None:
    """consumer:F3.20, consumer:F3.37, consumer:S43"""
    played = joined_and_left(LK, in_revoke)
    # Empty callbacks leave no row: A's second, [assigned, []]. B has no other than this one.
    assert played.callbacks("A", 4 * S, 9 * S) == [["revoked", [2, 3]]]
    assert played.callbacks("B", 4 * S, 9 * S) == [["assigned", [2, 3]]]
    assert played.owned(8_900_000) == {"A": [0, 1], "B": [2, 3]}
    assert played.callbacks("A", 9 * S) == [["assigned", [2, 3]]]
    assert played.callbacks("B", 9 * S) == [["revoked", [2, 3]]]
    revoked = played.rows("A", Kind.REVOKE)[0]["t_us"]
    given = played.rows("B", Kind.ASSIGN)[0]["t_us"]
    assert 0 < given - revoked < 600_000  # by the newcomer's next heartbeat
    between = played.polled("A", revoked, given)  # A_polls_kept_partitions_between_its_revoke_and_B_assign
    assert between and all(p in (0, 1) and first > 0 for p, first, _ in between)  # kept_by_A: continues
    assert all(p in (0, 1) for p, _, _ in played.polled("A", revoked, 9 * S))
    got = max(last for p, _, last in played.polled("A", 0, revoked) if p == 2)
    assert played.first("B")[2] == (got + 1 if in_revoke else 0)  # handoff_moved: exact, or reread
    if in_revoke:
        assert len(set(played.processed())) == len(played.processed())  # dups_leave_zero
        assert [row for row in played.trace.rows(Kind.COMMIT) if row["n"] != 1] == []  # cb_commit_ok


def test_s1_a_static_member_that_crashed_is_refused_until_its_session_ends() -> None:
    """consumer:F3.31, consumer 3.3"""
    played = play(
        {
            name: member(name, {**LK, "group.instance.id": f"i{name}"}, start="1s", processing={"commit": "after"})
            for name in ("A", "B")
        },
        partitions=4, prefilled=5, faults=killed("6s", "1s"), run="8500ms",
        brokers={"group.consumer.session.timeout.ms": 6000},
    )  # fmt: skip
    before = played.owned(5_900_000)["A"]
    assert len(before) == 2
    assert played.callbacks("A", 7 * S) == []  # after_restart
    assert played.rows("A", Kind.LEFT, since_us=7 * S)[0]["code"] == 2  # A2_exceptions: _FATAL
    # B_callbacks: [] until the session of six seconds is over, then [[assigned, ...]]
    assert played.callbacks("B", 6 * S, 11 * S) == []
    assert played.callbacks("B", 11 * S) == [["assigned", before]]


def test_z1_a_zombie_processes_on_and_its_partitions_are_free_a_session_later() -> None:
    """consumer:S38, consumer:S44, consumer:F3.35, consumer:F3.39: heartbeats just stop. Its late commit() names no
    offsets here, and is refused without a request, as what is assigned is lost; one that names them meets
    UNKNOWN_MEMBER_ID, in ``tests/protocol/test_librdkafka_heartbeat.py``."""
    config = {**LK, "max.poll.interval.ms": 2500}
    played = play(
        {
            "A": member("A", config, 8, start="1s", processing={"time": "800ms", "commit": "after"}),
            "B": member("B", config, 8, start="2s", processing={"time": "1ms", "commit": "after"}),
        },
        prefilled=20, run="12s",
    )  # fmt: skip
    left, polled = played.rows("A", Kind.LEFT)[0], played.rows("A", Kind.POLL)[0]
    assert left["code"] == 1 and 2_500_000 < left["t_us"] - polled["t_us"] <= 3_000_000  # a timer twice a second
    expired = [row for row in played.trace.rows(Kind.MEMBER) if row["n"] == played.host["A"] and row["code"] == 2]
    taken = played.rows("B", Kind.ASSIGN)[0]["t_us"]
    assert 2_500_000 < expired[0]["t_us"] - left["t_us"] <= 3 * S  # a session from its last heartbeat on
    assert 0 < taken - expired[0]["t_us"] < 600_000  # by B's next heartbeat
    assert played.first("B") == {0: 0}
    late = played.rows("A", Kind.PROC_END)[7]["t_us"]
    assert late > played.rows("B", Kind.PROC_END)[-1]["t_us"]  # A_effects_after_newer_B_effect
    assert played.rows("A", Kind.COMMIT) == [] and played.committed(late) == {0: 20}
    assert played.callbacks("A", polled["t_us"], late) == []  # A_callbacks_before_its_next_poll
    assert played.callbacks("A", late) == [["lost", [0]]]  # A_callbacks_after
    assert len(set(played.processed("A")) & set(played.processed("B"))) == 8


def test_librdkafka_and_java_members_share_a_group_of_the_new_protocol() -> None:
    """To the coordinator they are alike: each gets its share, and nobody reads twice what was committed."""
    work = {"processing": {"commit": "after"}}
    java = consumer("J", config={"group.protocol": "consumer", "max.poll.records": 6}, start="1s", stop="9s", **work)
    rdkafka = member("L", LK, 6, start="4s", **work)
    played = play({"J": java, "L": rdkafka}, partitions=4, prefilled=10)
    assert {name: len(share) for name, share in played.owned(8 * S).items()} == {"J": 2, "L": 2}
    assert played.owned(20 * S) == {"L": [0, 1, 2, 3]}
    assert sorted(played.processed()) == [(partition, offset) for partition in range(4) for offset in range(10)]
