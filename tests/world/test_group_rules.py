"""Rules of groups that take a whole cluster to show, and that are easily got wrong."""

from __future__ import annotations

from typing import Any

import pytest

from sim import simulate
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from tests.conformance.group_cells import S, play
from tests.conformance.recorded_cells import java, member


# --- joining ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("client", ["jr", "jk", "lr"])
def test_latest_means_what_there_is_when_the_position_is_looked_up(client: str) -> None:
    """consumer:F2.22, consumer:F3.27, consumer:toy-24: not at subscribe(). What comes while a classic group waits for
    more members is skipped; the new protocol has no such delay, and gives the first member everything at once."""
    feed = [{"topic": "t", "sends": [{"at": at}] * 5} for at in ("2500ms", "10s")]
    a = member(client, config={"auto.offset.reset": "latest"}, start="2s", processing={})
    played = play({"A": a}, feed=feed, brokers={"group.initial.rebalance.delay.ms": 3000})
    waits = client != "jk"
    joined = played.rows("A", Kind.ASSIGN)[0]["t_us"]
    assert joined < 2_100_000 if not waits else joined > 5 * S
    assert played.polled("A") == [[0, 5 if waits else 0, 9]]


def test_the_first_member_of_the_new_protocol_hands_over_what_it_was_given_too_early() -> None:
    """consumer:F3.27: without a commit the newcomer reads again; a classic group would have waited for both"""
    work = {"time": "10ms"}
    twice = []
    for client in ("jk", "jr"):
        members = {
            name: member(client, name, polls=10, start=start, processing=work)
            for name, start in (("A", "2s"), ("B", "2500ms"))
        }
        feed = [{"topic": "t", "partition": p, "rate": "20/s", "stop": "6s"} for p in range(2)]
        played = play(members, partitions=2, feed=feed, brokers={"group.initial.rebalance.delay.ms": 3000})
        done = played.processed()
        twice.append(len(done) - len(set(done)))
    assert twice[0] > 0 and twice[1] == 0


# --- eviction ---------------------------------------------------------------------------------------------------------
def taken_over_us(client: str, work: str) -> int:
    """A dies at 12.5 s, for good. When B gets what A had."""
    members = {
        name: member(client, name, polls=5, start="1s", processing={"time": work, "per": "poll", "commit": "after"})
        for name in ("A", "B")
    }
    feed = [{"topic": "t", "partition": p, "rate": "20/s"} for p in range(2)]
    death = {"at": "12500ms", "kill": "A", "restart_after": "60s"}
    played = play(members, partitions=2, feed=feed, faults=[death])
    return played.rows("B", Kind.ASSIGN, since_us=12_500_000)[0]["t_us"]


@pytest.mark.parametrize("client", ["jr", "jc", "jk", "lr"])
def test_a_takeover_takes_the_session_the_notice_and_the_survivors_batch(client: str) -> None:
    """consumer:toy-8: 3 s behind A's last heartbeat, which was half a second ago at most; up to half a second until B
    beats; and B lets go, or takes up, at its next poll alone."""
    quick, slow = taken_over_us(client, "1ms"), taken_over_us(client, "2s")
    assert 15 * S < quick < 16_100_000
    assert slow - quick > S


@pytest.mark.parametrize("client", ["jr", "jk", "lr"])
def test_automatic_commits_of_an_evicted_member_repeat_in_java_and_lose_in_librdkafka(client: str) -> None:
    """consumer:F4.13, consumer:toy-3: A has 8 of 20 in work when it is put out for not polling, and dies after four"""
    config = {
        "enable.auto.commit": True, "auto.commit.interval.ms": 1000, "max.poll.interval.ms": 2500,
        "session.timeout.ms": 2500,
    }  # fmt: skip
    played = play(
        {
            "A": member(client, "A", polls=8, config=config, start="1s", processing={"time": "800ms"}),
            "B": member(client, "B", polls=8, config=config, start="2s", processing={"time": "1ms"}),
        },
        prefilled=20, run="12s", faults=[{"at": "5s", "kill": "A", "restart_after": "60s"}],
    )  # fmt: skip
    assert played.processed("A") == [(0, offset) for offset in range(4)]
    lost = {(0, offset) for offset in range(20)} - set(played.processed())
    if java(client):
        assert played.first("B") == {0: 0} and lost == set()
    else:
        assert played.first("B") == {0: 8} and lost == {(0, offset) for offset in range(4, 8)}


def test_offsets_that_are_lost_with_their_coordinator_start_the_group_over() -> None:
    """consumer:F4.11: one copy of the group's offsets, and pages that were not flushed; the records are all there"""
    faults: list[dict[str, Any]] = [
        {"at": "5s", "power_off": "coordinator of G", "restart_after": "1s"},
        {"at": "7s", "kill": "A", "restart_after": "1s"},
    ]
    a = member("jr", polls=10, start="2s", processing={"time": "10ms", "commit": "after"})
    played = play({"A": a}, prefilled=50, faults=faults, brokers={"offsets.topic.replication.factor": 1})
    assert played.committed(5 * S) == {0: 50}
    assert played.polled("A") == [[0, 0, 49], [0, 0, 49]]


# --- keys -------------------------------------------------------------------------------------------------------------
def test_after_a_topic_has_grown_a_keys_new_records_overtake_its_old_ones() -> None:
    """consumer:F6.4, consumer:F6.1: key-3 goes to partition 2 of three, and to partition 3 of four (consumer:S56)"""
    sends = [{"at": "1ms", "key": "key-3"}] * 50 + [{"at": "6s", "key": "key-3"}] * 5
    aware = {"metadata.max.age.ms": 500}
    work = {"time": "200ms", "commit": "after"}
    played = play(
        {name: member("jr", name, polls=10, config=aware, start="2s", processing=work) for name in ("A", "B", "C")},
        partitions=3, feed=[{"topic": "t", "sends": sends}], producer=aware,
        faults=[{"at": "5s", "add_partitions": "t", "to": 4}],
    )  # fmt: skip
    done = played.processed()
    assert [one for one in done if one[0] == 2] == [(2, offset) for offset in range(50)]
    assert [one for one in done if one[0] == 3] == [(3, offset) for offset in range(5)]
    assert done.index((3, 4)) < done.index((2, 49))  # the last of the new ones before the last of the old ones


def test_producers_learn_of_new_partitions_each_at_its_own_time() -> None:
    """consumer:F6.5: for a while one key goes to two partitions"""
    sends = [{"at": f"{at}s", "key": "key-3"} for at in range(1, 12)]
    trace = simulate(from_dict({
        "run": "15s",
        "brokers": {"count": 1},
        "topics": {"t": {"partitions": 3, "replication.factor": 1}},
        "producers": {
            f"every-{age}ms": {"config": {"metadata.max.age.ms": age}, "workload": {"topic": "t", "sends": sends}}
            for age in (500, 4000)
        },
        "faults": [{"at": "5500ms", "add_partitions": "t", "to": 4}],
    }))  # fmt: skip
    index = {int(p["number"]): int(p["index"]) for p in trace.header["partitions"]}
    went: dict[int, list[int]] = {}
    for row in trace.rows(Kind.ACK):
        went.setdefault(row["prod"], []).append(index[row["partition"]])
    soon, late = went.values()
    assert sorted(soon) == soon and sorted(late) == late and soon[-1] == late[-1] == 3  # each changes over once
    assert soon.count(2) < late.count(2)


@pytest.mark.parametrize(("what", "twice"), [("go_on", True), ("drop", True), ("wait", False)])
def test_a_pool_that_is_not_drained_before_a_rebalance_works_on_what_somebody_else_has(what: str, twice: bool) -> None:
    """consumer:F5.3"""
    work = {
        "time": "100ms", "threads": 2, "order": "key", "commit": "watermark", "work.in.revoke": what,
        "commit.in.revoke": True,
    }  # fmt: skip
    members = {name: member("jr", name, polls=10, start=at, processing=work) for name, at in (("A", "1s"), ("B", "3s"))}
    feed = [{"topic": "t", "rate": "30/s", "keys": {"count": 6}, "stop": "8s"}]
    done = play(members, partitions=2, feed=feed).processed()
    assert (len(done) > len(set(done))) == twice
