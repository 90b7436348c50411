"""A scenario and a seed in, a trace out.

``simulate`` is the whole of it. With ``check_laws`` the laws of the protocol are checked as the run goes on; a broken
one is raised with the seed, the time and the command that replays it.
"""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim import group_laws
from sim.errors import LawBroken
from sim.laws import Laws
from sim.log_laws import check_answers, check_order_on_connections
from sim.plan import GroupsPlan, Plan
from sim.protocol.rows import Kind
from sim.protocol.settings import JavaProducerSettings
from sim.scenario import Scenario, compile_plan, load
from sim.trace import FORMAT, Trace
from sim.world.cluster import CONTROLLER, Cluster
from sim.world.faults import Faults
from sim.world.instances import join_sends
from sim.world.kernel import rank_of

__all__ = ["simulate"]


def simulate(
    scenario: Scenario | str | Path, seed: int = 0, *, check_laws: bool = False, tie_shuffle: int | None = None,
    latency_seed: int | None = None,
) -> Trace:  # fmt: skip
    """Run *scenario* (a file, a bundled name, or a scenario) once with *seed*.

    *tie_shuffle*: a seed that permutes hosts where events have equal times, to show what leans on their order.
    *latency_seed*: draw what the links do (latency, loss) from this seed in place of *seed*; workload, random faults
    and the clients' own draws stay as they are. So one asks whether something hangs on timing alone.
    """
    named = scenario if isinstance(scenario, Scenario) else load(scenario)
    with _calm_collector():
        return _simulate(named, seed, check_laws, tie_shuffle, latency_seed)


def _simulate(
    named: Scenario, seed: int, check_laws: bool, tie_shuffle: int | None, latency_seed: int | None
) -> Trace:
    plan = compile_plan(named)
    cluster = Cluster(plan, seed, tie_shuffle, latency_seed=latency_seed)
    Faults(cluster)
    laws = Laws() if check_laws else None
    try:
        _run(cluster, laws)
        trace = _trace(cluster, plan, seed)
        if latency_seed is not None:
            trace.header["latency_seed"] = latency_seed
        if laws is not None:
            _check_whole(laws, cluster, trace)
    except LawBroken as broken:
        again = f"korder run {named._origin.name} --seed {seed} --check-laws"
        seconds = f"{cluster.kernel.now_us / 1_000_000:.6f} s"
        context = f"seed {seed}, event {cluster.kernel.events}, {seconds}. Again: {again}"
        raise LawBroken(broken.law, broken.what, context) from broken
    return trace


def _run(cluster: Cluster, laws: Laws | None) -> None:
    cluster.start()
    after = None if laws is None else _looking(laws, cluster)
    cluster.kernel.run_to(cluster.plan.run_us + cluster.plan.settle_us, after)


def _looking(laws: Laws, cluster: Cluster) -> Callable[[int], None]:
    """The laws behind every event: of whoever it happened to, as nobody reaches into another host; behind the world's
    own, as a crash, of everybody."""
    servers = {rank_of(cluster.host(number).priority): number for number in (CONTROLLER, *cluster.broker_numbers)}
    up = cluster.brokers_up()
    laws.check(up, cluster.controller)

    def look(priority: int) -> None:
        nonlocal up
        rank = rank_of(priority)
        if rank < 0:
            up = cluster.brokers_up()
            laws.check(up, cluster.controller)
        elif rank in servers:
            acted = servers[rank]
            if acted in up and not cluster.host(acted).is_up:  # it has stopped by itself
                up = cluster.brokers_up()
            laws.check(up, cluster.controller, (acted,))

    return look


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Logs grow all the time and a run makes no cycles but its own cluster: Python's collector would walk them over and
    over for nothing (a fifth of the time). It is asked once, when the run is over, about the run's objects alone."""
    was_on, mine = gc.isenabled(), gc.get_freeze_count() == 0
    gc.disable()
    if mine:
        gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        if mine:
            gc.unfreeze()
        if was_on:
            gc.enable()


def _check_whole(laws: Laws, cluster: Cluster, trace: Trace) -> None:
    """What is looked at once, at the end: whole logs, every answer, the order on every connection."""
    groups = cluster.plan.groups
    busy = groups.topic.partitions if groups is not None else ()
    laws.finish(cluster.brokers_up(), cluster.controller, settled=trace.header["settled"], busy=busy)
    events = trace.events
    moved = np.isin(events["kind"], (Kind.ATTEMPT, Kind.APPEND, Kind.DUPLICATE, Kind.REJECT)) & (events["prod"] >= 0)
    check_order_on_connections(_tuples(trace, moved, "kind", "conn", "partition", "prod", "lo", "hi"))
    replicated = [one.prod for one in cluster.instances if one.plan.settings.acks == -1]
    told = np.isin(events["prod"], replicated) & (events["kind"] == Kind.RESPONSE) & (events["code"] == 0)
    laws.acknowledged(_tuples(trace, told, "partition", "prod", "lo", "hi", "offset"))
    _check_answers(trace, told)
    polls = events["kind"] == Kind.POLL
    laws.delivered(_tuples(trace, polls, "partition", "prod", "lo", "hi", "offset"))
    _check_groups(trace, groups)


def _check_answers(trace: Trace, told: NDArray[np.bool_]) -> None:
    """When a broker answered is the time of the row that made the answer."""
    events = trace.events
    marks = (events["kind"] == Kind.HIGH_WATERMARK) & (events["n"] == 1)
    by_broker = told & (events["cause"] >= 0) & (events["offset"] >= 0)
    ends = (events["offset"] + events["hi"] - events["lo"])[by_broker]
    times = events["t_us"][events["cause"][by_broker]]
    answers = zip(events["partition"][by_broker].tolist(), times.tolist(), ends.tolist(), strict=True)
    check_answers(_tuples(trace, marks, "partition", "t_us", "offset"), answers)


def _check_groups(trace: Trace, groups: GroupsPlan | None) -> None:
    members = () if groups is None else groups.members
    group_of = {one.host: one.group for one in members}
    modern = {one.group for one in members if one.settings.protocol == "consumer"}
    rows = np.isin(trace.events["kind"], group_laws.KINDS)
    columns = [trace.events[name][rows].tolist() for name in group_laws.COLUMNS]
    group_laws.GroupLaws(group_of, modern).check(zip(np.flatnonzero(rows).tolist(), *columns, strict=True))


def _tuples(trace: Trace, rows: NDArray[np.bool_], *names: str) -> Iterator[Any]:
    return zip(*(trace.events[name][rows].tolist() for name in names), strict=True)


def _trace(cluster: Cluster, plan: Plan, seed: int) -> Trace:
    trace = Trace(cluster.recorder.columns(), join_sends(cluster.instances), _header(cluster, plan, seed))
    trace.header["digest"] = trace.digest()
    return trace


def _header(cluster: Cluster, plan: Plan, seed: int) -> dict[str, Any]:
    reasons = cluster.unsettled()
    return {
        "format": FORMAT,
        "title": plan.title,
        "scenario": dict(plan.resolved),
        "seed": seed,
        "versions": _versions(),
        "hosts": _hosts(plan),
        "partitions": [
            {"number": number, "topic": topic, "index": index} for number, topic, index in cluster.partitions()
        ],
        "producers": [
            {
                "prod": one.prod,
                "producer": one.plan.name,
                "name": one.name,
                "host": one.plan.host,
                "incarnation": one.incarnation,
                "options": dict(one.plan.options),
                "flavour": "java" if isinstance(one.plan.settings, JavaProducerSettings) else "librdkafka",
            }
            for one in cluster.instances
        ],
        "keys": {one.plan.name: list(one.sends.key_names) for one in cluster.instances},
        "values": {
            str(one.prod): {str(send): value for send, value in sorted(one.sends.values.items())}
            for one in cluster.instances
            if one.sends.values
        },
        "resends": [*(call for one in cluster.instances for call in one.resends()), *cluster.desks.same],
        "consumers": [
            {
                "name": reader.name,
                "host": reader.host,
                "partitions": _assigned(cluster, plan, reader.host),
                "options": dict(reader.options),
            }
            for reader in plan.readers
        ],
        **_groups(plan),
        **({"derived": cluster.desks.derived()} if cluster.desks.derives else {}),
        "faults": _fault_texts(plan),
        "run_us": plan.run_us,
        "settle_us": plan.settle_us,
        "unseen": cluster.unseen(),
        "settled": not reasons,
        "unsettled": reasons,
        "kernel_events": cluster.kernel.events,
    }


def _hosts(plan: Plan) -> list[dict[str, Any]]:
    hosts = [(0, "controller", "controller")]
    hosts += [(number, f"broker-{number}", "broker") for number in range(1, plan.brokers + 1)]
    hosts += [(producer.host, producer.name, "producer") for producer in plan.producers]
    hosts += [(reader.host, reader.name, "consumer") for reader in plan.readers]
    if plan.groups is not None:
        hosts += [(member.host, member.name, "consumer") for member in plan.groups.members]
    return [{"number": number, "name": name, "kind": kind} for number, name, kind in hosts]


def _assigned(cluster: Cluster, plan: Plan, host: int) -> list[int]:
    reader = next(reader for reader in plan.readers if reader.host == host)
    if reader.partitions is not None:
        return list(reader.partitions)
    first = {topic.number: topic.partitions for topic in plan.topics}
    return [number for topic in reader.topics for number in first[topic]]


def _groups(plan: Plan) -> dict[str, Any]:
    """Groups with their members, and which topics are Kafka's own; nothing where there is no group."""
    groups = plan.groups
    if groups is None:
        return {}
    members = [
        {"name": one.name, "host": one.host, "group": groups.names[one.group], "options": dict(one.options)}
        for one in groups.members
    ]
    return {"groups": list(groups.names), "members": members, "internal": [groups.topic.name]}


def _fault_texts(plan: Plan) -> list[str]:
    texts = {action.index: action.text for action in plan.actions}
    texts.update({fault.index: fault.text for fault in plan.message_faults})
    return [texts.get(index, "") for index in range(max(texts, default=-1) + 1)]


def _versions() -> dict[str, str]:
    try:
        korder = version("korder")
    except PackageNotFoundError:
        korder = "unknown"
    return {"korder": korder, "python": platform.python_version(), "simpy": version("simpy"), "numpy": version("numpy")}
