"""Random memberships and faults of one small group, as ordinary scenarios.

Members come and go, die, stand still and are late; brokers, and with them coordinators, die and stand still. Timeouts
are short so that four simulated seconds hold an eviction, a takeover and a return. The log itself stays clean: one
idempotent producer, acks=all, min.insync.replicas 2, no unclean election. A topic does not grow under static members:
one that leads, and is away at that time, leaves the new partitions to nobody (tests/world/test_members.py). Static
members of the new protocol meet no faults: one that crashes, or whose join is not answered, is refused for good
(consumer:F3.31).
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sim import simulate
from sim.scenario import from_dict
from sim.trace import Trace

__all__ = ["GroupSchedule", "group_scenario", "group_schedules", "played"]

GroupSchedule = dict[str, Any]

RUN_MS = 4_500
# Most groups rest soon. Where one does not, a client may wait ten seconds for a connection that nobody answers.
SETTLES_MS = (2_000, 13_000)
ASSIGNORS = ("RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor")
SERVER_ASSIGNORS = ("uniform", "range")  # group.protocol=consumer
MEMBERS = ("a", "b", "c")
LIBRDKAFKA = {
    "RangeAssignor": "range", "RoundRobinAssignor": "roundrobin", "CooperativeStickyAssignor": "cooperative-sticky",
}  # fmt: skip
OF_CLASSIC = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")

_TIME = st.integers(300, 4_000)
_SPAN = st.integers(20, 2_500)
_MEMBER = st.sampled_from(MEMBERS)
_BROKER = st.sampled_from(["coordinator of g", "leader of t-0", "broker 2"])


def _struck(verb: str, who: st.SearchStrategy[str], end: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda at, one, span: {"at": f"{at}ms", verb: one, end: f"{span}ms"}, _TIME, who, _SPAN)


def _cut() -> st.SearchStrategy[dict[str, Any]]:
    sides = st.tuples(_MEMBER, st.sampled_from(["coordinator of g", "brokers"]))
    return st.builds(
        lambda at, pair, span: {"at": f"{at}ms", "cut": list(pair), "for": f"{span}ms"}, _TIME, sides, _SPAN
    )


_FAULTS = st.lists(
    st.one_of(
        _struck("kill", _MEMBER, "restart_after"), _struck("pause", _MEMBER, "for"),
        _struck("kill", _BROKER, "restart_after"), _struck("pause", _BROKER, "for"), _cut(),
        st.builds(lambda at: {"at": f"{at}ms", "add_partitions": "t", "to": 5}, _TIME),
    ),
    max_size=4,
)  # fmt: skip
# Of a burst a member has several records in hand, at the price of one append a partition.
_ARRIVALS = st.sampled_from([
    {"rate": "3/s", "arrivals": "burst", "burst.size": 8}, {"rate": "12/s"},
])  # fmt: skip
_WORK = st.fixed_dictionaries({
    "time": st.sampled_from(["0ms", "15ms", "40ms"]),
    "commit": st.sampled_from(["after", "each"]),
    "call": st.sampled_from(["commitSync", "commitAsync"]),
    "commit.in.revoke": st.booleans(),
})  # fmt: skip


@st.composite
def group_schedules(draw: st.DrawFn) -> GroupSchedule:
    """Everything that a run of the small group depends on."""
    starts = draw(st.lists(st.integers(0, 3_000), min_size=3, max_size=3))
    stops = draw(st.lists(st.none() | st.integers(200, 1_500), min_size=2, max_size=2))
    faults, static = draw(_FAULTS), draw(st.booleans())
    assignor = draw(st.sampled_from((*ASSIGNORS, *SERVER_ASSIGNORS)))
    modern = assignor in SERVER_ASSIGNORS
    clients = st.sampled_from(["java", "librdkafka"] if modern or assignor in LIBRDKAFKA else ["java"])
    grown = [fault for fault in faults if "add_partitions" in fault]
    if modern or not static:
        grown = grown[1:]  # once is enough
    return {
        "seed": draw(st.integers(0, 2**16)),
        "assignor": assignor,
        "clients": draw(st.lists(clients, min_size=3, max_size=3)),
        "polls": draw(st.sampled_from([2, 20])),
        "consume": draw(st.sampled_from([{"messages": 1}, {"messages": 20, "timeout": "100ms"}])),
        "static": static and not (modern and faults),
        "auto": draw(st.booleans()),
        "starts": starts,
        "stops": [*stops, None],  # the last one stays
        "arrivals": draw(_ARRIVALS),
        "work": draw(_WORK),
        "faults": [fault for fault in faults if fault not in grown],
    }


def _options(schedule: GroupSchedule, client: str) -> dict[str, Any]:
    """librdkafka commits behind the work too: with a timer, only what the application has stored by itself."""
    common = {
        "session.timeout.ms": 1000, "heartbeat.interval.ms": 200, "max.poll.interval.ms": 1500,
        "auto.offset.reset": "earliest", "enable.auto.commit": schedule["auto"], "auto.commit.interval.ms": 300,
    }  # fmt: skip
    if client == "java":
        config = {
            **common, "max.poll.records": schedule["polls"], "metadata.max.age.ms": 1000, "request.timeout.ms": 1500,
            "partition.assignment.strategy": schedule["assignor"],
        }  # fmt: skip
    else:
        config = {
            **common, "topic.metadata.refresh.interval.ms": 1000, "socket.timeout.ms": 1500,
            "enable.auto.offset.store": not schedule["auto"],
            "partition.assignment.strategy": LIBRDKAFKA.get(schedule["assignor"]),
        }  # fmt: skip
    if schedule["assignor"] in SERVER_ASSIGNORS:
        config = {name: value for name, value in config.items() if name not in OF_CLASSIC}
        config |= {"group.protocol": "consumer", "group.remote.assignor": schedule["assignor"]}
    return config


def played(schedule: GroupSchedule) -> Trace:
    """A run of it that has settled, if it does."""
    for settle_ms in SETTLES_MS:
        scenario = from_dict(group_scenario(schedule, settle_ms))
        trace = simulate(scenario, seed=schedule["seed"], check_laws=True)
        if trace.header["settled"]:
            break
    return trace


def group_scenario(schedule: GroupSchedule, settle_ms: int = SETTLES_MS[-1]) -> dict[str, Any]:
    consumers = {}
    members = zip(MEMBERS, schedule["clients"], schedule["starts"], schedule["stops"], strict=True)
    for name, client, start, stay in members:
        own = {"client.id": name, **({"group.instance.id": name} if schedule["static"] else {})}
        consumers[name] = {
            "topics": ["t"], "group": "g", "start": f"{start}ms", "client": client, "processing": schedule["work"],
            "config": {**_options(schedule, client), **own},
            **({"consume": schedule["consume"]} if client == "librdkafka" else {}),
            **({"stop": f"{start + stay}ms"} if stay is not None else {}),
        }  # fmt: skip
    return {
        "run": f"{RUN_MS}ms",
        "settle": f"{settle_ms}ms",
        "brokers": {"count": 3, "config": {
            "broker.session.timeout.ms": 1000, "broker.heartbeat.interval.ms": 200,
            "group.initial.rebalance.delay.ms": 100, "group.min.session.timeout.ms": 100,
            "group.consumer.session.timeout.ms": 1000, "group.consumer.min.session.timeout.ms": 100,
            "group.consumer.heartbeat.interval.ms": 200, "group.consumer.min.heartbeat.interval.ms": 100,
            "group.consumer.assignment.interval.ms": 300,
        }},
        "topics": {"t": {"partitions": 3, "replication.factor": 3, "config": {"min.insync.replicas": 2}}},
        "producers": {"p": {
            "config": {
                "acks": "all", "request.timeout.ms": 1000, "metadata.max.age.ms": 1000,
                "delivery.timeout.ms": 8000,  # a batch overtaken in a new leader's empty log is refused until then
            },
            "workload": {"topic": "t", "keys": {"count": 10}, **schedule["arrivals"]},
        }},
        "consumers": consumers,
        "network": {"latency": {"distribution": "uniform", "low": "200us", "high": "3ms"}},
        "faults": schedule["faults"],
    }  # fmt: skip
