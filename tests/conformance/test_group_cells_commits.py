"""Recorded cells of commits, crashes and closes, and of members without a commit, end the same here (C, D, K2)."""

from __future__ import annotations

import pytest

from sim.protocol.rows import Kind
from tests.conformance.group_cells import S, killed, play
from tests.conformance.recorded_cells import cell, java, member

AFTER = {"time": "100ms", "commit": "after"}
AUTO = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000}
A_SECOND_A_POLL = {"time": "1s", "per": "poll"}  # so that calls come between polls


@cell("C1")
def test_c1_a_crash_before_the_first_commit_starts_over(client: str) -> None:
    a = member(client, polls=10, start="2s", processing=AFTER)
    played = play({"A": a}, prefilled=30, faults=killed("2550ms"))
    assert 3 < len(played.processed("A")) and played.committed(3 * S) == {}
    assert played.first("A", 3 * S) == {0: 0}


@cell("C2")
def test_c2_a_crash_before_the_second_commit_starts_behind_the_first(client: str) -> None:
    """consumer:toy-2"""
    a = member(client, polls=5, start="2s", processing=AFTER)
    played = play({"A": a}, prefilled=30, faults=killed("2990ms"))
    assert played.committed(3 * S) == {0: 5}
    assert played.first("A", 3 * S) == {0: 5}


@cell("C3", clients="jr jc jk lr lc lk")
def test_c3_java_commits_in_polls_alone_and_librdkafka_what_is_in_work(client: str) -> None:
    """consumer:S60, consumer:F4.6, consumer:F4.12, consumer:toy-3: what librdkafka's member had not processed yet
    is lost"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 1000}
    a = member(client, polls=10, config=auto, start="2s", processing={"time": "260ms"})
    played = play({"A": a}, prefilled=30, faults=killed("4500ms"))
    stored = {} if java(client) else {0: 10}
    assert played.committed(4_400_000) == stored  # committed_while_busy
    assert played.committed(5 * S) == stored  # committed_after_crash
    assert played.first("A", 5 * S) == {0: stored.get(0, 0)}
    before = [offset for _, offset in played.processed("A")[:9]]
    assert before[: len(before) - 1] == list(range(8))


@cell("C5")
def test_c5_an_application_that_fails_and_closes_commits_what_it_never_processed(client: str) -> None:
    """consumer:S41, consumer:F4.3, consumer:toy-4"""
    failure = {"nth": 5, "then": "close", "restart_after": "4s"}
    work = {"time": "50ms", "failure": failure}
    a = member(client, polls=10, config=AUTO, start="2s", stop="10s", processing=work)
    played = play({"A": a}, prefilled=30)
    assert played.callbacks("A", 0, 5 * S) == [["assigned", [0]], ["revoked", [0]]]
    assert played.committed(5 * S) == {0: 10}
    assert played.first("A", 5 * S) == {0: 10}
    assert {offset for _, offset in played.processed("A")} & set(range(4, 10)) == set()


@cell("C7")
def test_c7_close_commits_where_the_application_has_sought_to_in_java_alone(client: str) -> None:
    """consumer:S40, consumer:F2.23"""
    calls = [
        {"at": "3500ms", "pause": ["t-0", "t-1"]}, {"at": "3500ms", "seek": "t-0", "to": 300},
        {"at": "3500ms", "seek": "t-1", "to": 500},
    ]  # fmt: skip
    # The calls find no record polled: the log is filled when they have been made.
    feed = [{"topic": "t", "partition": p, "sends": [{"at": "4s"}] * 600} for p in range(2)]
    a = member(client, config=AUTO, start="3s", stop="6s", processing=A_SECOND_A_POLL, calls=calls)
    played = play({"A": a}, partitions=2, feed=feed)
    assert played.polled("A") == []
    assert [row["offset"] for row in played.rows("A", Kind.SEEK)] == [300, 500]
    assert played.committed() == ({0: 300, 1: 500} if java(client) else {})


@cell("C8")
def test_c8_close_commits_idle_partitions_in_java_alone(client: str) -> None:
    """consumer:F2.23, consumer:toy-25"""
    feed = [{"topic": "t", "partition": 0, "sends": [{"at": "1ms"}] * 5}]
    a = member(client, config=AUTO, start="2s", stop="5s", processing={})
    assert play({"A": a}, partitions=2, feed=feed).committed() == ({0: 5, 1: 0} if java(client) else {0: 5})


@pytest.mark.parametrize(("reset", "polled"), [("earliest", [0, 0, 104]), ("latest", [0, 100, 104])])
@cell("D-none-earliest", "D-none-latest")
def test_d_none_without_a_commit_the_reset_policy_decides(client: str, reset: str, polled: list[int]) -> None:
    feed = [{"topic": "t", "sends": [{"at": "6s"}] * 5}]
    a = member(client, polls=10, config={"auto.offset.reset": reset}, start="2s", processing={})
    assert play({"A": a}, prefilled=100, feed=feed).polled("A") == [polled]


@cell("K2")
def test_k2_a_lower_offset_is_accepted(client: str) -> None:
    """consumer:F3.1, consumer:toy-9"""
    work = {"time": "200ms", "commit": "each"}
    a = member(client, polls=5, start="2s", processing=work, calls=[{"at": "3500ms", "seek": "t-0", "to": 0}])
    stored = [row["offset"] for row in play({"A": a}, prefilled=15).trace.rows(Kind.COMMIT) if row["n"] == 1]
    assert stored == [*range(1, 11), *range(1, 16)]


@cell("K2", clients="jr jk")
def test_k2_an_offset_beyond_the_log_is_accepted(client: str) -> None:
    """consumer:F3.1: the coordinator never looks at the log. Here a close commits what the application has sought to;
    that a librdkafka application commits such an offset has no words in a scenario."""
    calls = [{"at": "3500ms", "pause": "t-0"}, {"at": "3500ms", "seek": "t-0", "to": 500}]
    a = member(client, config=AUTO, start="3s", stop="5s", processing=A_SECOND_A_POLL, calls=calls)
    assert play({"A": a}, prefilled=15).committed() == {0: 500}
