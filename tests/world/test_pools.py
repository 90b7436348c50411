"""Pools of threads behind a member, Java's and librdkafka's: what is under way, what is committed, what a rebalance
does."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import from_dict
from sim.trace import Trace

CLIENTS = pytest.mark.parametrize("client", ["java", "librdkafka"])
S, MS = 1_000_000, 1_000


def pooled(client: str, work: dict[str, Any], config: dict[str, Any] | None = None, **more: Any) -> Trace:
    """100 records a second for 3 s, 30 ms of work each, four threads."""
    member = {
        "client": client, "topics": ["in"],
        "config": {"auto.offset.reset": "earliest", "enable.auto.commit": False, **(config or {})},
        "processing": {"time": {"distribution": "uniform", "low": "10ms", "high": "50ms"}, "threads": 4, **work},
    }  # fmt: skip
    if client == "librdkafka":
        member["consume"] = {"messages": 50, "timeout": "50ms"}
    return simulate(from_dict({
        "run": "8s", "settle": "30s", "brokers": {"count": 3, "config": {"group.initial.rebalance.delay.ms": 0}},
        "topics": {"in": {"partitions": 2, "replication.factor": 3}},
        "producers": {"app": {"workload": {"topic": "in", "rate": "100/s", "stop": "3s", "keys": {"count": 7}}}},
        "consumers": {"g": member, **{name: {**member, **one} for name, one in more.items()}},
    }), seed=2, check_laws=True)  # fmt: skip


def under_way(trace: Trace) -> list[tuple[dict[str, Any], dict[int, list[int]]]]:
    """Every row, with the offsets that are begun and not ended then, by partition."""
    begun: dict[int, list[int]] = {}
    told = []
    for row in trace.rows(Kind.PROC_START, Kind.PROC_END, Kind.COMMIT):
        mine = begun.setdefault(row["partition"], [])
        if row["kind"] == Kind.PROC_START:
            mine.append(row["offset"])
        elif row["kind"] == Kind.PROC_END:
            mine.remove(row["offset"])
        told.append((row, {partition: list(offsets) for partition, offsets in begun.items()}))
    return told


@CLIENTS
def test_four_threads_work_at_once_and_all_is_done(client: str) -> None:
    trace = pooled(client, {"commit": "watermark"})
    rows = under_way(trace)

    assert trace.header["settled"]
    assert max(sum(map(len, begun.values())) for _, begun in rows) == 4
    done = Counter((row["partition"], row["offset"]) for row, _ in rows if row["kind"] == Kind.PROC_END)
    assert len(done) == 300 and set(done.values()) == {1}


@CLIENTS
def test_a_watermark_never_passes_what_is_not_done(client: str) -> None:
    """consumer:F5.2. In the end everything is committed."""
    rows = under_way(pooled(client, {"commit": "watermark"}))
    commits = [(row, begun) for row, begun in rows if row["kind"] == Kind.COMMIT]

    assert len(commits) > 10
    assert all(row["offset"] <= min(begun[row["partition"]], default=row["offset"]) for row, begun in commits)
    last = {row["partition"]: row["offset"] for row, _ in commits}
    assert sum(last.values()) == 300


@CLIENTS
def test_a_commit_of_each_record_as_it_ends_goes_back(client: str) -> None:
    """consumer:F5.5: a lower offset follows a higher one."""
    commits = [row for row, _ in under_way(pooled(client, {"commit": "each"})) if row["kind"] == Kind.COMMIT]
    by_partition = [[row["offset"] for row in commits if row["partition"] == partition] for partition in (0, 1)]
    assert len(commits) == 300 and all(sorted(offsets) != offsets for offsets in by_partition)


@CLIENTS
def test_a_loop_that_commits_after_its_work_waits_for_all_of_a_poll(client: str) -> None:
    rows = under_way(pooled(client, {"commit": "after"}))
    commits = [begun for row, begun in rows if row["kind"] == Kind.COMMIT]
    assert len(commits) > 5 and not any(any(begun.values()) for begun in commits)
    assert max(sum(map(len, begun.values())) for _, begun in rows) == 4


@CLIENTS
def test_a_key_has_one_thread_and_keeps_its_order(client: str) -> None:
    trace = pooled(client, {"commit": "watermark", "order": "key"})
    keys = {int(i): int(key) for i, key in zip(trace.sends["i"], trace.sends["key"], strict=True)}
    lanes = {
        (int(p), int(lane)): int(i)
        for p, lane, i in zip(*(trace.sends[c] for c in ("partition", "lane", "i")), strict=True)
    }
    at_work: dict[int, int] = {}
    for row in trace.rows(Kind.PROC_START, Kind.PROC_END):
        key = keys[lanes[row["partition"], row["lo"]]]
        if row["kind"] == Kind.PROC_START:
            assert key not in at_work
            at_work[key] = row["offset"]
        else:
            assert at_work.pop(key) == row["offset"]


@CLIENTS
@pytest.mark.parametrize("what", ["wait", "go_on", "drop"])
def test_what_becomes_of_work_when_its_partition_goes(client: str, what: str) -> None:
    """consumer:F5.4. A second member joins at 2 s: who waits has ended all before its partition is another's; who does
    not goes on beside the new owner; what is dropped was never begun."""
    work = {"commit": "watermark", "commit.in.revoke": True, "work.in.revoke": what}
    trace = pooled(client, work, h={"group": "g", "start": "2s"})
    rows = [row for row in trace.rows(Kind.ASSIGN, Kind.PROC_START, Kind.PROC_END) if row["t_us"] > 2 * S]

    owner: dict[int, int] = {}
    beside = []
    for row in rows:
        if row["kind"] == Kind.ASSIGN:
            owner[row["partition"]] = row["host"]
        elif row["kind"] == Kind.PROC_END and owner.get(row["partition"], row["host"]) != row["host"]:
            beside.append(row)

    assert trace.header["settled"] and len(set(owner.values())) == 2
    assert bool(beside) == (what != "wait")


@CLIENTS
def test_a_pool_commits_what_is_done_when_its_partition_goes(client: str) -> None:
    """``commit.in.revoke``, and nothing else: the member that others join commits its watermarks, once."""
    rows = under_way(pooled(client, {"commit": "never", "commit.in.revoke": True}, h={"group": "g", "start": "2s"}))
    commits = [(row, begun) for row, begun in rows if row["kind"] == Kind.COMMIT]
    assert {row["partition"] for row, _ in commits} == {0, 1}
    assert all(0 < row["offset"] <= min(begun[row["partition"]], default=row["offset"]) for row, begun in commits)


def test_a_full_pool_pauses_a_librdkafka_member_and_loses_nothing() -> None:
    """consumer:F5.6. Pausing throws away what was fetched; it is fetched again."""
    trace = pooled("librdkafka", {"commit": "watermark", "queue": 10, "threads": 1})
    rows = under_way(trace)
    done = Counter((row["partition"], row["offset"]) for row, _ in rows if row["kind"] == Kind.PROC_END)
    polled = sorted(row["t_us"] for row in trace.rows(Kind.POLL))

    assert trace.header["settled"] and len(done) == 300 and set(done.values()) == {1}
    assert polled[-1] > 8 * S  # it takes 9 s to work on all of it, and only ten are taken ahead


@CLIENTS
def test_a_pool_commits_nothing_of_what_is_not_its_members_any_more(client: str) -> None:
    """consumer:F5.4. The work goes on behind the revocation; what it ends there moves no watermark."""
    work = {"commit": "watermark", "work.in.revoke": "go_on"}
    trace = pooled(client, work, h={"group": "g", "start": "2s"})
    owns: set[tuple[int, int]] = set()
    ended_late, committed = 0, []
    for row in trace.rows(Kind.ASSIGN, Kind.REVOKE, Kind.PROC_END, Kind.COMMIT):
        whose = (row["host"], row["partition"])
        if row["kind"] == Kind.ASSIGN:
            owns.add(whose)
        elif row["kind"] == Kind.REVOKE:
            owns.discard(whose)
        elif row["kind"] == Kind.PROC_END:
            ended_late += whose not in owns
        else:
            committed.append(whose in owns)

    assert ended_late and committed and all(committed)


@CLIENTS
def test_a_partition_that_comes_back_to_a_full_pool_waits_like_the_rest(client: str) -> None:
    """consumer:F5.6. An eager member gives up everything and gets it back while its only thread is behind."""
    work = {"commit": "watermark", "work.in.revoke": "go_on", "queue": 10, "threads": 1}
    trace = pooled(client, work, h={"group": "g", "start": "2s", "processing": {}})
    mine = {row["host"] for row in trace.rows(Kind.POLL) if row["t_us"] < 2 * S}
    in_hand, came_back = 0, []
    before: dict[int, int] = {}  # at each time of a poll: handed over and not done
    for row in trace.rows(Kind.ASSIGN, Kind.POLL, Kind.PROC_END):
        if row["host"] not in mine:
            continue
        if row["kind"] == Kind.POLL:
            before.setdefault(row["t_us"], in_hand)
            in_hand += row["hi"] - row["lo"]
        elif row["kind"] == Kind.PROC_END:
            in_hand -= 1
        elif row["t_us"] > 2 * S:
            came_back.append(in_hand)

    assert came_back and min(came_back) >= 10 and max(before.values()) < 10
    assert max(before) > max(row["t_us"] for row in trace.rows(Kind.ASSIGN))


def test_workers_store_what_is_done_where_the_client_does_not() -> None:
    """enable.auto.offset.store=false: the timer commits what the workers stored, never what is under way."""
    config = {"enable.auto.commit": True, "auto.commit.interval.ms": 200, "enable.auto.offset.store": False}
    rows = under_way(pooled("librdkafka", {"commit": "never"}, config))
    commits = [(row, begun) for row, begun in rows if row["kind"] == Kind.COMMIT]
    handed = under_way(pooled("librdkafka", {"commit": "never"}, {**config, "enable.auto.offset.store": True}))

    assert len(commits) > 10
    assert all(row["offset"] <= min(begun[row["partition"]], default=row["offset"]) for row, begun in commits)
    early = [
        row
        for row, begun in handed
        if row["kind"] == Kind.COMMIT and row["offset"] > min(begun[row["partition"]], default=1 << 40)
    ]
    assert early
