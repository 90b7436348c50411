"""Chains: what the work of a group's member makes is sent on by the producer in its process, Java's or librdkafka's."""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import from_dict
from sim.trace import Trace

CLIENTS = pytest.mark.parametrize("client", ["java", "librdkafka"])
S, MS = 1_000_000, 1_000


def chained(client: str, config: dict[str, Any], commit: str = "after", **more: Any) -> Trace:
    """Twenty records of 2,000 bytes in a second are read, worked on for 1 ms each, and sent on one by one."""
    return simulate(from_dict({
        "run": "8s", "settle": "20s", "brokers": {"count": 3, "config": {"group.initial.rebalance.delay.ms": 0}},
        "topics": {"in": {"partitions": 1, "replication.factor": 3}, "out": {"partitions": 1, "replication.factor": 3}},
        "producers": {
            "app": {"workload": {"topic": "in", "rate": "20/s", "stop": "1s", "value.bytes": 2000}},
            "on": {"client": client, "config": {"enable.idempotence": True, "acks": "all", **config}},
        },
        "consumers": {"g": {
            "client": client, "topics": ["in"],
            "config": {"auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 6000},
            "processing": {"time": "1ms", "commit": commit, "produces": {"topic": "out", "producer": "on"}},
        }},
        **more,
    }), seed=1, check_laws=True)  # fmt: skip


def of(trace: Trace, name: str) -> list[int]:
    """The instances of a producer."""
    return [int(one["prod"]) for one in trace.header["producers"] if one["name"].split("#")[0] == name]


def attempts(trace: Trace) -> list[tuple[int, int]]:
    """(when it was called, when it was sent first) of what was sent on."""
    (prod,), sends = of(trace, "on"), trace.sends
    called = {
        int(lane): int(t) for p, lane, t in zip(sends["prod"], sends["lane"], sends["t_us"], strict=True) if p == prod
    }
    rows = [row for row in trace.rows(Kind.ATTEMPT) if row["prod"] == prod and row["n"] == 1]
    return [(called[at], row["t_us"]) for row in rows for at in range(row["lo"], row["hi"])]


@CLIENTS
def test_each_record_is_sent_on_once_and_waits_for_the_report_of_the_one_before(client: str) -> None:
    trace = chained(client, {"linger.ms": 0})
    (prod,) = of(trace, "on")

    acks = [row["t_us"] for row in trace.rows(Kind.ACK) if row["prod"] == prod]
    calls = [called for called, _ in attempts(trace)]

    assert trace.header["settled"] and len(calls) == len(acks) == 20
    assert all(ack <= call for ack, call in zip(acks, calls[1:], strict=False))
    assert [(p, i) for p, i, *_ in trace.header["derived"]] == [(prod, k) for k in range(20)]


@CLIENTS
def test_a_call_that_nobody_knew_of_waits_for_linger(client: str) -> None:
    """The first call finds a producer that waits for nothing; nobody fills its batch."""
    waits = [sent - called for called, sent in attempts(chained(client, {"linger.ms": 40}))]
    assert len(waits) == 20 and all(40 * MS <= wait < 60 * MS for wait in waits[1:])


@CLIENTS
def test_what_is_refused_is_called_again_a_while_later(client: str) -> None:
    """RecordTooLargeException, MSG_SIZE_TOO_LARGE: the application tries for ever, ten times a second and not without
    end at one moment."""
    option = {"java": "max.request.size", "librdkafka": "message.max.bytes"}[client]
    trace = chained(client, {option: 1500})
    (prod,) = of(trace, "on")

    refused = [row for row in trace.rows(Kind.REFUSED) if row["prod"] == prod]
    gaps = {after["t_us"] - before["t_us"] for before, after in zip(refused, refused[1:], strict=False)}

    assert gaps == {100 * MS} and 100 < len(refused) <= 281 and not trace.header["settled"]
    assert {row["code"] for row in refused} == {ErrorCode.CLIENT_RECORD_TOO_LARGE}


@CLIENTS
def test_a_new_process_sends_again_what_was_not_committed_and_no_broker_knows_it(client: str) -> None:
    """Nothing is committed, so all that had been sent is sent again, under a producer id of its own."""
    trace = chained(client, {"linger.ms": 0}, "never", faults=[{"at": "700ms", "kill": "g", "restart_after": "1s"}])
    first, second = of(trace, "on")

    origins: dict[int, list[int]] = {first: [], second: []}
    for prod, _, _, origin, _ in trace.header["derived"]:
        origins[prod].append(origin)
    stored = [row for row in trace.rows(Kind.APPEND) if row["prod"] in origins]

    assert trace.header["settled"] and 5 < len(origins[first]) < 20
    assert origins[second] == list(range(20)) and origins[first] == origins[second][: len(origins[first])]
    assert len({row["pid"] for row in stored}) == 2


@CLIENTS
def test_what_is_reported_as_failed_is_sent_again_until_it_is_there(client: str) -> None:
    """Requests get no answer, and the producer gives a record up after two seconds."""
    config = {"linger.ms": 0, "request.timeout.ms": 1000, "delivery.timeout.ms": 2000}
    lost = {"do": "swallow", "producer": "on", "partition": "out-0", "nth": [5, 6, 7]}
    trace = chained(client, config, faults=[lost])
    origins = [origin for _, _, _, origin, _ in trace.header["derived"]]

    assert trace.header["settled"] and set(origins) == set(range(20))
    assert 20 < len(origins) <= 23  # one at a time, and at most one for each request that is lost
