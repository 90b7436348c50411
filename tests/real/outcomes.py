"""Real runs written by hand: what the proxy saw, what the clients said, what stood in the log files."""

from __future__ import annotations

from typing import Any, cast

from sim.plan import Plan
from sim.real.calls import Call, calls_of
from sim.real.driver import Driver
from sim.real.outcome import Instance, Outcome
from sim.real.record_batches import Batch
from sim.scenario import Scenario, compile_plan, from_dict

__all__ = ["T0", "batch", "outcome", "scenario", "seen"]

T0 = ("t", 0)


def scenario(**more: Any) -> Scenario:
    """Three records a, b, c to one partition; their values are explicit."""
    return from_dict({
        "title": "three records", "run": "1s", "settle": "5s", "brokers": {"count": 3},
        "topics": {"t": {"partitions": 1, "replication.factor": 3, "assignment": [[1, 2, 3]]}},
        "producers": {"p": {"client": "java", "config": {"enable.idempotence": False, "linger.ms": 0, "batch.size": 1},
                            "workload": {"topic": "t", "sends": [{"at": "0ms", "value": v} for v in "abc"]}}},
        "network": {"latency": {"distribution": "constant", "value": "1ms"}},
        **more,
    }, name="three")  # fmt: skip


def batch(offset: int, *values: str, lep: int = 0, pid: int = -1, epoch: int = -1, seq: int = -1) -> Batch:
    return Batch(offset, lep, pid, epoch, seq, False, values, (None,) * len(values), tuple(range(len(values))))


def seen(kind: str, t_us: int, *values: str, broker: int = 1, **fields: Any) -> dict[str, Any]:
    common = {"kind": kind, "t_us": t_us, "client": "p", "conn": 1, "broker": broker, "topic": "t", "index": 0}
    told = {"pid": -1, "epoch": -1, "seq": -1} if kind == "attempt" else {"error": 0, "offset": -1}
    return common | told | {"values": values} | fields


def outcome(
    plan: Plan, told: list[tuple[int, str | None, int]], sightings: list[dict[str, Any]],
    logs: dict[int, list[Batch]], leader: tuple[int, int] = (1, 0), polls: list[list[Any]] | None = None,
) -> Outcome:  # fmt: skip
    """*told*: (call, error, offset) in order, a millisecond apart from 10 ms on. Calls are made at 1, 2, 3 ... us."""
    producer = plan.producers[0]
    calls: list[Call] = calls_of(producer, plan, 0)
    events: list[dict[str, Any]] = [{"e": "send", "name": "p", "t_us": n + 1, "i": n} for n in range(len(calls))]
    events += [
        {"e": "told", "name": "p", "t_us": 10_000 + 1_000 * n, "i": call, "p": 0, "o": offset, "error": error}
        for n, (call, error, offset) in enumerate(told)
    ]
    events += [{"e": "poll", "name": "c", "t_us": 50_000, "recs": recs} for recs in polls or []]
    instance = Instance(producer, "p", calls, cast(Driver, None), called=len(calls), sent=True)
    readers = [reader.name for reader in plan.readers]
    return Outcome(
        [instance], events, sightings, {T0: logs}, {T0: leader}, {T0: 1}, True, bool(polls), [], readers
    )  # fmt: skip


def plan_of(made: Scenario) -> Plan:
    return compile_plan(made)
