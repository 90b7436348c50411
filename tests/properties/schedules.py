"""Random schedules of faults against a small, quick cluster, as ordinary scenarios.

Timeouts are short so that five simulated seconds hold an election, a return and a retry. A record reaches each
partition before any fault, so that every leader knows the producer (the hole of producer:6.7 item 3 is not this test's
subject); nothing here forges an answer, loses flushed data or elects uncleanly.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["Schedule", "scenario_of", "schedules"]

Schedule = dict[str, Any]

FIRST_FAULT_MS, LAST_FAULT_MS = 1_200, 3_200
RUN_MS, SETTLE_MS = 4_000, 8_000
BROKERS = 3
PARTITIONS = ("t-0", "t-1")

_TIME = st.integers(FIRST_FAULT_MS, LAST_FAULT_MS)
_SPAN = st.integers(20, 2_500)
_BROKER = st.sampled_from(
    [f"broker {number}" for number in range(1, BROKERS + 1)]
    + [f"{role} of {part}" for role in ("leader", "follower") for part in PARTITIONS]
)
_SIDE = st.one_of(_BROKER, st.sampled_from(["p", "controller", "brokers"]))
_PAIR = st.lists(_SIDE, min_size=2, max_size=2, unique=True)


def _struck(verb: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda at, who, span: {"at": f"{at}ms", verb: who, "restart_after": f"{span}ms"}, _TIME, _BROKER, _SPAN
    )


def _lasting(verb: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda at, pair, span, extra: {"at": f"{at}ms", verb: pair, "for": f"{span}ms", **extra},
        _TIME,
        _PAIR,
        _SPAN,
        st.fixed_dictionaries(more),
    )


_ACTIONS = st.one_of(
    _struck("kill"),
    _struck("shutdown"),
    st.builds(lambda at, who, span: {"at": f"{at}ms", "pause": who, "for": f"{span}ms"}, _TIME, _BROKER, _SPAN),
    st.builds(
        lambda at, who, span, by: {"at": f"{at}ms", "slow_disk": who, "for": f"{span}ms", "by": f"{by}ms"},
        _TIME,
        _BROKER,
        _SPAN,
        st.integers(1, 300),
    ),
    _lasting("cut", one_way=st.booleans()),
    _lasting("slow", by=st.integers(1, 400).map("{}ms".format)),
    _lasting("lossy", percent=st.integers(1, 60).map("{}%".format)),
    st.builds(lambda at, pair: {"at": f"{at}ms", "reset": pair}, _TIME, _PAIR),
    st.builds(lambda at: {"at": f"{at}ms", "preferred_election": "all"}, _TIME),
    st.builds(lambda at, span: {"at": f"{at}ms", "move_controller": "controller", "outage": f"{span}ms"}, _TIME, _SPAN),
)

_NTH = st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True)
_MESSAGE_FAULTS = st.builds(
    lambda fault, part, nth: {**fault, "producer": "p", "partition": part, "nth": nth},
    st.one_of(
        st.builds(
            lambda earlier: {"do": "drop_request", "earlier": earlier}, st.sampled_from(["acked", "appended", "now"])
        ),
        st.just({"do": "drop_response"}),
        st.just({"do": "swallow"}),
        st.builds(lambda delay: {"do": "delay_response", "delay": f"{delay}ms"}, st.integers(1, 1_500)),
    ),
    st.sampled_from(PARTITIONS),
    _NTH,
)


def schedules() -> st.SearchStrategy[Schedule]:
    """A few faults and the options of the producer that may matter."""
    return st.fixed_dictionaries(
        {
            "faults": st.lists(st.one_of(_ACTIONS, _MESSAGE_FAULTS), min_size=1, max_size=5),
            "max_in_flight": st.integers(1, 5),
            "batch_bytes": st.sampled_from([1, 400]),
            "linger_ms": st.sampled_from([0, 5]),
            "seed": st.integers(0, 999),
        }
    )


def scenario_of(schedule: Schedule, *, idempotence: bool) -> dict[str, Any]:
    """The schedule as a scenario; the two values of *idempotence* meet the same faults."""
    config = {
        "acks": "all",
        "enable.idempotence": idempotence,
        "max.in.flight.requests.per.connection": schedule["max_in_flight"],
        "batch.size": schedule["batch_bytes"],
        "linger.ms": schedule["linger_ms"],
        "request.timeout.ms": 700,
        "delivery.timeout.ms": 120_000,
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 100,
        "metadata.max.age.ms": 2_000,
    }
    first = [{"at": "0ms", "partition": number, "value": f"first-{number}"} for number in range(len(PARTITIONS))]
    load = {
        "topic": "t",
        "arrivals": "burst",
        "rate": "12/s",
        "burst.size": 6,
        "start": "1s",
        "stop": f"{LAST_FAULT_MS + 300}ms",
        "value.bytes": 100,
        "keys": {"count": 7, "skew": "round_robin"},
    }
    return {
        "title": "A random schedule",
        "run": f"{RUN_MS}ms",
        "settle": f"{SETTLE_MS}ms",
        "brokers": {
            "count": BROKERS,
            "config": {
                "broker.session.timeout.ms": 900,
                "broker.heartbeat.interval.ms": 300,
                "replica.lag.time.max.ms": 1_500,
                "replica.fetch.backoff.ms": 100,
                "replica.fetch.wait.max.ms": 400,
                "replica.socket.timeout.ms": 1_000,
            },
        },
        "topics": {"t": {"partitions": len(PARTITIONS), "replication.factor": 3, "config": {"min.insync.replicas": 2}}},
        "producers": {
            "p": {
                "client": "java",
                "config": config,
                "workload": [{"topic": "t", "sends": first, "value.bytes": 100}, load],
            }
        },
        "network": {"latency": {"distribution": "lognormal", "median": "4ms", "p99": "20ms"}},
        "faults": schedule["faults"],
    }
