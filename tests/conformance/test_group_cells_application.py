"""Recorded cells of the Java client whose application seeks or pauses (jr), and of readers of assigned partitions."""

from __future__ import annotations

from typing import Any

import pytest

from sim import simulate
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from tests.conformance.group_cells import Played, S, consumer, play

JR = {"partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor"}
A_SECOND_A_POLL = {"time": "1s", "per": "poll"}  # so that calls come between polls


def assigned(*, partitions: int, prefilled: int, brokers: int = 3, mpr: int = 500, calls: Any = ()) -> Played:
    """One reader of all partitions with assign(); *prefilled* records in each."""
    sends = [
        {"topic": "t", "partition": p, "sends": [{"at": "1ms"}] * prefilled} for p in range(partitions) if prefilled
    ]
    scenario = from_dict({
        "run": "20s",
        "settle": "20s",
        "brokers": {"count": brokers},
        "topics": {"t": {"partitions": partitions, "replication.factor": brokers}},
        "producers": {"app": {"config": {"linger.ms": 0}, "workload": sends}},
        "consumers": {"A": {
            "topics": ["t"], "start": "2s", "calls": list(calls),
            "config": {"auto.offset.reset": "earliest", "max.poll.records": mpr},
        }},
        "network": {"latency": {"distribution": "constant", "value": "1ms"}},
    })  # fmt: skip
    return Played(simulate(scenario, 0, check_laws=True))


def polls(played: Played, name: str = "A") -> list[list[tuple[int, int, int]]]:
    """(partition, first offset, last offset) of each poll's rows."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for row in played.rows(name, Kind.POLL):
        last = row["offset"] + row["hi"] - row["lo"] - 1
        found.setdefault(row["n"], []).append((played.index[row["partition"]], row["offset"], last))
    return list(found.values())


def test_p1_what_is_buffered_of_a_paused_partition_is_kept() -> None:
    """consumer:S03, consumer:F2.14"""
    calls = [{"at": "2500ms", "pause": "t-0"}, {"at": "5s", "resume": "t-0"}]
    config = {**JR, "max.poll.records": 2}
    a = consumer("A", config=config, start="2s", processing=A_SECOND_A_POLL, calls=calls)
    played = play({"A": a}, prefilled=3)
    assert played.polled("A", 0, 4 * S) == [[0, 0, 1]]  # first; while_paused: nothing
    assert played.polled("A", 4 * S) == [[0, 2, 2]]
    assert played.rows("A", Kind.POLL)[1]["t_us"] == 5 * S  # from the buffer: no fetch is waited for


def test_p2_a_seek_back_throws_away_what_is_buffered() -> None:
    """consumer:F2.13"""
    calls = [{"at": "2500ms", "seek": "t-0", "to": 5}]
    config = {**JR, "max.poll.records": 10}
    a = consumer("A", config=config, start="2s", processing=A_SECOND_A_POLL, calls=calls)
    played = play({"A": a}, prefilled=100)
    assert polls(played)[:2] == [[(0, 0, 9)], [(0, 5, 14)]]
    assert [row["offset"] for row in played.rows("A", Kind.SEEK)] == [5]


def test_p4_a_paused_partition_stands_and_the_other_one_flows() -> None:
    feed = [{"topic": "t", "partition": 0, "sends": [{"at": "6s"}] * 5}]
    config = {**JR, "max.poll.records": 5}
    calls = [{"at": "2500ms", "pause": "t-0"}, {"at": "10s", "resume": "t-0"}]
    a = consumer("A", config=config, start="2s", processing=A_SECOND_A_POLL, calls=calls)
    played = play({"A": a}, partitions=2, prefilled=20, feed=feed)
    assert polls(played)[0] == [(0, 0, 4)]
    assert played.polled("A", 3 * S, 10 * S) == [[1, 0, 19]]
    assert played.polled("A", 10 * S) == [[0, 5, 24]]


def test_c7_close_commits_where_the_application_has_sought_to() -> None:
    """consumer:S40, consumer:F2.23"""
    auto = {"enable.auto.commit": True, "auto.commit.interval.ms": 60_000}
    calls = [
        {"at": "3500ms", "pause": ["t-0", "t-1"]}, {"at": "3500ms", "seek": "t-0", "to": 300},
        {"at": "3500ms", "seek": "t-1", "to": 500},
    ]  # fmt: skip
    a = consumer("A", config={**JR, **auto}, start="3s", stop="5s", processing=A_SECOND_A_POLL, calls=calls)
    played = play({"A": a}, partitions=2, prefilled=600)
    assert played.committed() == {0: 300, 1: 500}


@pytest.mark.parametrize(("to", "offset"), [(300, 300), ("beginning", 0), ("end", 600)])
def test_a_seek_goes_to_an_offset_at_once_and_to_an_end_by_a_lookup(to: int | str, offset: int) -> None:
    played = assigned(partitions=1, prefilled=600, calls=[{"at": "5s", "seek": "t-0", "to": to}])
    (row,) = played.rows("A", Kind.SEEK)
    assert row["offset"] == offset and (row["t_us"] == 5 * S) == (to == 300)
    assert played.polled("A", 5 * S) == ([[0, offset, 599]] if offset < 600 else [])


def test_k2_a_lower_offset_is_accepted_and_one_beyond_the_log_too() -> None:
    """consumer:F3.1"""
    work = {"time": "1s", "per": "poll", "commit": "before"}
    config = {**JR, "max.poll.records": 5}
    back = consumer("A", config=config, start="2s", processing=work, calls=[{"at": "3500ms", "seek": "t-0", "to": 0}])
    stored = [row["offset"] for row in play({"A": back}, prefilled=15).trace.rows(Kind.COMMIT) if row["n"] == 1]
    assert stored == [5, 10, 5, 10, 15]

    auto = {**JR, "enable.auto.commit": True}
    calls = [{"at": "3500ms", "pause": "t-0"}, {"at": "3500ms", "seek": "t-0", "to": 500}]
    beyond = consumer("A", config=auto, start="3s", stop="5s", processing=A_SECOND_A_POLL, calls=calls)
    assert play({"A": beyond}, prefilled=15).committed() == {0: 500}


def test_o1_polls_are_full_but_the_last_and_each_partition_is_in_order() -> None:
    played = assigned(partitions=3, prefilled=10, brokers=1, mpr=4)
    assert played.poll_sizes("A") == [4, 4, 4, 4, 4, 4, 4, 2]
    for p in range(3):
        parts = [one for one in played.polled("A") if one[0] == p]
        assert [first for _, first, _ in parts] == [0, *(last + 1 for _, _, last in parts[:-1])]
        assert parts[-1][2] == 9


def test_o5_the_tail_of_one_answer_and_the_head_of_the_next_share_a_poll() -> None:
    """consumer:S02"""
    played = assigned(partitions=2, prefilled=3, brokers=1, mpr=2)
    assert [[last - first + 1 for _, first, last in rows] for rows in polls(played)] == [[2], [1, 1], [2]]
