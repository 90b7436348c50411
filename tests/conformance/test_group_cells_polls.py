"""Recorded cells in which members poll, pause and seek end the same here (O1, O5, P1, P2, P4)."""

from __future__ import annotations

from typing import Any

import pytest

from sim import simulate
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from tests.conformance.group_cells import Played, S, play
from tests.conformance.recorded_cells import CLIENTS, cell, java, member

A_SECOND_A_POLL = {"time": "1s", "per": "poll"}  # so that calls come between polls


def assigned(
    *, partitions: int, prefilled: int, brokers: int = 3, mpr: int = 500, calls: Any = (), client: str = "jr"
) -> Played:
    """One reader of all partitions with assign(); *prefilled* records in each."""
    sends = [
        {"topic": "t", "partition": p, "sends": [{"at": "1ms"}] * prefilled} for p in range(partitions) if prefilled
    ]
    config = {**CLIENTS[client].config, "auto.offset.reset": "earliest", "max.poll.records": mpr}
    scenario = from_dict({
        "run": "20s",
        "settle": "20s",
        "brokers": {"count": brokers},
        "topics": {"t": {"partitions": partitions, "replication.factor": brokers}},
        "producers": {"app": {"config": {"linger.ms": 0}, "workload": sends}},
        "consumers": {"A": {"topics": ["t"], "start": "2s", "calls": list(calls), "config": config}},
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


ORDERS = {
    "java": [[0, 1, 0, 1, 2], [0, 1, 2]],
    "lr": [[2, 1, 0]],  # the partition that was begun first, last
    "lk": [[0, 1, 2], [2, 0, 1], [2, 1, 0]],
}


@cell("O1")
def test_o1_polls_are_full_but_the_last_and_each_partition_is_in_order(client: str) -> None:
    """consumer:F2.7, consumer:F2.8, consumer:toy-12, consumer:F6.2"""
    played = play({"A": member(client, polls=4, start="2s", processing={})}, partitions=3, prefilled=10, count=1)
    full = [[4, 4, 4, 4, 4, 4, 4, 2], *([[4, 4, 2, 4, 4, 4, 4, 4]] if client == "lk" else [])]
    assert played.poll_sizes("A") in full
    polled = played.polled("A")
    assert [p for p, _, _ in polled] in ORDERS["java" if java(client) else client]  # partition_order
    for p in range(3):
        parts = [(first, last) for at, first, last in polled if at == p]
        assert [first for first, _ in parts] == [0, *(last + 1 for _, last in parts[:-1])]  # per_partition_increasing
        assert parts[-1][1] == 9


@cell("O5")
def test_o5_the_tail_of_one_answer_and_the_head_of_the_next_share_a_poll(client: str) -> None:
    """consumer:S02"""
    played = assigned(partitions=2, prefilled=3, brokers=1, mpr=2, client=client)
    assert [[last - first + 1 for _, first, last in rows] for rows in polls(played)] == [[2], [1, 1], [2]]


def calling(client: str, most: int, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A member whose work takes a second a poll, so that calls come between polls."""
    return member(client, polls=most, start="2s", processing=A_SECOND_A_POLL, calls=list(calls), **more)


@cell("P1")
def test_p1_what_is_left_of_a_paused_partition_comes_after_resume(client: str) -> None:
    """consumer:S03, consumer:F2.14"""
    a = calling(client, 2, {"at": "2500ms", "pause": "t-0"}, {"at": "6s", "resume": "t-0"})
    played = play({"A": a}, prefilled=3)
    assert played.polled("A", 0, 5 * S) == [[0, 0, 1]]  # first; while_paused: nothing
    assert played.polled("A", 5 * S) == [[0, 2, 2]]  # after_resume
    from_buffer = played.rows("A", Kind.POLL)[1]["t_us"] == 6 * S  # no fetch is waited for
    assert from_buffer == java(client)


@cell("P2")
def test_p2_a_seek_back_throws_away_what_is_buffered(client: str) -> None:
    """consumer:F2.13"""
    played = play({"A": calling(client, 10, {"at": "2500ms", "seek": "t-0", "to": 5})}, prefilled=100)
    assert polls(played)[:2] == [[(0, 0, 9)], [(0, 5, 14)]]
    assert [row["offset"] for row in played.rows("A", Kind.SEEK)] == [5]


@cell("P4")
def test_p4_a_paused_partition_stands_and_the_other_one_flows(client: str) -> None:
    feed = [{"topic": "t", "partition": 0, "sends": [{"at": "6s"}] * 5}]
    a = calling(client, 5, {"at": "2500ms", "pause": "t-0"}, {"at": "12s", "resume": "t-0"})
    played = play({"A": a}, partitions=2, prefilled=20, feed=feed)
    assert polls(played)[0] == [(0, 0, 4)]  # first
    assert played.polled("A", 2_500_000, 12 * S) == [[1, 0, 19]]  # while_paused
    assert played.polled("A", 12 * S) == [[0, 5, 24]]  # after_resume


@pytest.mark.parametrize(("to", "offset"), [(300, 300), ("beginning", 0), ("end", 600)])
def test_a_seek_goes_to_an_offset_at_once_and_to_an_end_by_a_lookup(to: int | str, offset: int) -> None:
    played = assigned(partitions=1, prefilled=600, calls=[{"at": "5s", "seek": "t-0", "to": to}])
    (row,) = played.rows("A", Kind.SEEK)
    assert row["offset"] == offset and (row["t_us"] == 5 * S) == (to == 300)
    assert played.polled("A", 5 * S) == ([[0, offset, 599]] if offset < 600 else [])
