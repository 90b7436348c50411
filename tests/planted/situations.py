"""Small scenarios in which a planted defect has something to break: one question each, a second or two of load.

Timeouts are short, so that an election, a return and a retry fit into a few simulated seconds.
"""

from __future__ import annotations

from typing import Any

from sim import Scenario
from sim.scenario import from_dict

__all__ = ["SITUATIONS", "situation"]

Options = dict[str, Any]

BROKERS = {
    "broker.session.timeout.ms": 900,
    "broker.heartbeat.interval.ms": 300,
    "replica.lag.time.max.ms": 1_500,
    "replica.fetch.backoff.ms": 100,
    "replica.socket.timeout.ms": 1_000,
}
JAVA = {"acks": "all", "enable.idempotence": True, "linger.ms": 0, "batch.size": 1, "request.timeout.ms": 1_500}
LIBRDKAFKA = {"acks": "all", "enable.idempotence": True, "linger.ms": 0, "batch.num.messages": 1}


def _scenario(
    *faults: dict[str, Any],
    client: str = "java",
    config: Options | None = None,
    topic: Options | None = None,
    partitions: int = 1,
    rate: str = "100/s",
    keys: int | None = None,
    latency: Options | None = None,
    run: str = "7s",
    more: Options | None = None,
) -> dict[str, Any]:
    load: Options = {"topic": "t", "rate": rate, "start": "1s", "stop": "5s", "value.bytes": 100}
    if keys is not None:
        load["keys"] = {"count": keys, "skew": "round_robin"}
    return {
        "title": "A situation for planted defects",
        "run": run,
        "settle": "10s",
        "brokers": {"count": 3, "config": BROKERS},
        "topics": {
            "t": {
                "partitions": partitions,
                "replication.factor": 3,
                "config": {"min.insync.replicas": 2, **(topic or {})},
                "assignment": [[1, 2, 3]] * partitions,
            }
        },
        "producers": {
            "p": {
                "client": client,
                "config": {**(JAVA if client == "java" else LIBRDKAFKA), **(config or {})},
                "workload": load,
            }
        },
        "consumers": {"c": {"topics": ["t"], "config": {"auto.offset.reset": "earliest"}}},
        "network": {"latency": latency or {"distribution": "lognormal", "median": "8ms", "p99": "25ms"}},
        "faults": list(faults),
        **(more or {}),
    }


def _plain(**more: Any) -> Options:
    return {"enable.idempotence": False, **more}


ONE_IN_FLIGHT = {"enable.idempotence": False, "max.in.flight.requests.per.connection": 1}
FAR = {"distribution": "lognormal", "median": "20ms", "p99": "60ms"}
NEAR = {"distribution": "lognormal", "median": "3ms", "p99": "12ms"}
LINKS = {"latency": FAR, "broker.latency": NEAR}
KILLED = {"at": "2s", "kill": "leader of t-0", "restart_after": "2s"}


def _message(do: str, nth: int | list[int], **more: Any) -> dict[str, Any]:
    return {"do": do, "producer": "p", "partition": "t-0", "nth": nth, **more}


def _cut(span: str, *others: str, at: str = "2s") -> list[dict[str, Any]]:
    """The first leader hears nothing of *others* for a while, nor they of it; clients reach everybody."""
    return [{"at": at, "cut": ["broker 1", other], "for": span} for other in others]


def _cluster(*faults: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _scenario(*faults, more={"network": LINKS, **more.pop("more", {})}, **more)


REFUSED = _message("answer_error", [30, 31, 90], error="NOT_ENOUGH_REPLICAS")
ALONE = [
    {"at": "1500ms", "kill": "broker 2", "restart_after": "3s"},
    {"at": "1600ms", "kill": "broker 3", "restart_after": "3s"},
    {"at": "3s", "kill": "broker 1", "restart_after": "3s"},
]
LOST = _message("drop_response", [30, 90])

SITUATIONS: dict[str, dict[str, Any]] = {
    # Nothing happens.
    "quiet": _cluster(),
    "keys": _scenario(keys=7, partitions=3),
    "late reader": _cluster(
        more={"consumers": {"c": {"topics": ["t"], "start": "2s", "config": {"auto.offset.reset": "earliest"}}}}
    ),
    # Answers.
    "refused": _scenario(REFUSED),
    "refused, one in flight": _scenario(REFUSED, config=ONE_IN_FLIGHT, rate="25/s"),
    "lost response": _scenario(LOST),
    "lost response, librdkafka": _scenario(LOST, client="librdkafka"),
    "bump": _scenario(_message("answer_error", 60, error="UNKNOWN_SERVER_ERROR")),
    "old request after a bump": _scenario(
        _message("hold_request", 30, release={"callbacks": 150, "after": "10ms"}),
        _message("answer_error", 60, error="UNKNOWN_SERVER_ERROR"),
        config={"request.timeout.ms": 400},
    ),
    "early bump": _scenario(_message("answer_error", 4, error="UNKNOWN_SERVER_ERROR")),
    "expired while it is retried": _scenario(
        _message("delay_response", 30, delay="3s"),
        rate="25/s",
        config={
            "request.timeout.ms": 500,
            "delivery.timeout.ms": 505,
            "reconnect.backoff.ms": 20,
            "retry.backoff.ms": 1,
        },
        latency={"distribution": "constant", "value": "2ms"},
    ),
    "expired": _scenario(
        _message("delay_response", 30, delay="3s"), config={"request.timeout.ms": 500, "delivery.timeout.ms": 520}
    ),
    # Brokers.
    "failover": _cluster(KILLED),
    "failover, librdkafka": _cluster(KILLED, client="librdkafka"),
    "shutdown": _cluster({"at": "2s", "shutdown": "leader of t-0", "restart_after": "1s"}),
    "zombie": _cluster(*_cut("3s", "controller", "brokers")),
    "zombie, impatient": _cluster(
        *_cut("2s", "brokers"), *_cut("2s", "controller"), config={"request.timeout.ms": 200}
    ),
    "zombie, one in flight": _cluster(
        *_cut("3s", "controller", "brokers"), config={**ONE_IN_FLIGHT, "metadata.max.age.ms": 200}, rate="12/s"
    ),
    "short zombie": _cluster(*_cut("1400ms", "controller", "brokers"), config={"request.timeout.ms": 3_000}),
    "alone": _cluster(*ALONE),
    "alone, told late": _cluster(*ALONE, more={"kafka": "3.9"}),  # of commits, by up to half a second
    "alone, then gone": _cluster(
        *_cut("5s", "brokers", at="1500ms"), {"at": "5s", "kill": "broker 1", "restart_after": "2s"}
    ),
    "slow follower": _cluster(
        {"at": "1500ms", "cut": ["broker 1", "broker 3"], "for": "2500ms"},
        {"at": "3s", "kill": "broker 1", "restart_after": "2s"},
        {"at": "5s", "kill": "leader of t-0", "restart_after": "2s"},
    ),
}


def situation(name: str) -> Scenario:
    return from_dict(SITUATIONS[name], name=name)
