"""Recorded cells of consumers and groups as scenarios, and what a trace of one says in the words of the recording.

The cells are those of Apache Kafka 4.3.0 and its clients; their names are the recording's, as are the words of what is
compared. Unless a cell says otherwise: session timeout 3 s, heartbeat 0.5 s, no initial rebalance delay, earliest, no
automatic commit, client.id A, B, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim import simulate
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from sim.trace import Trace

__all__ = ["Played", "consumer", "killed", "play"]

S = 1_000_000
CONFIG = {
    "session.timeout.ms": 3000, "heartbeat.interval.ms": 500, "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
}  # fmt: skip
BROKERS = {
    "group.initial.rebalance.delay.ms": 0, "group.min.session.timeout.ms": 100,
    "group.consumer.session.timeout.ms": 3000, "group.consumer.min.session.timeout.ms": 100,
    "group.consumer.heartbeat.interval.ms": 500, "group.consumer.min.heartbeat.interval.ms": 100,
}  # fmt: skip
OF_CLASSIC = ("session.timeout.ms", "heartbeat.interval.ms")


def consumer(name: str, *, config: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One member of the group G, called by its client.id."""
    own = {**CONFIG, "client.id": name, **(config or {})}
    if own.get("group.protocol") == "consumer":
        own = {option: value for option, value in own.items() if option not in OF_CLASSIC}
    return {"topics": ["t"], "group": "G", "config": own, **more}


def killed(at: str, after: str = "5s") -> list[dict[str, Any]]:
    """A dies, and is back later: by default when its session is over."""
    return [{"at": at, "kill": "A", "restart_after": after}]


def play(
    consumers: Mapping[str, Mapping[str, Any]], *, partitions: int = 1, prefilled: int = 0, feed: Any = None,
    faults: Any = (), producer: Mapping[str, Any] | None = None, run: str = "20s", seed: int = 0,
    brokers: Mapping[str, Any] | None = None, count: int = 3,
) -> Played:  # fmt: skip
    """*prefilled*: records of each partition before anybody reads; *feed*: workloads beside."""
    workloads = [
        {"topic": "t", "partition": p, "sends": [{"at": "1ms", "value": f"{p}:{i}"} for i in range(prefilled)]}
        for p in range(partitions)
        if prefilled
    ]
    scenario = from_dict({
        "run": run,
        "settle": "20s",
        "brokers": {
            "count": count, "config": {**BROKERS, "offsets.topic.replication.factor": min(count, 3), **(brokers or {})},
        },
        "topics": {"t": {"partitions": partitions, "replication.factor": min(count, 3)}},
        "producers": {"app": {"config": {"linger.ms": 0, **(producer or {})}, "workload": [*workloads, *(feed or [])]}},
        "consumers": dict(consumers),
        "faults": list(faults),
        "network": {"latency": {"distribution": "constant", "value": "1ms"}},
    })  # fmt: skip
    return Played(simulate(scenario, seed, check_laws=True))


class Played:
    """A run, asked in the words of the recordings. Partitions are indexes, consumers go by name."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.host = {str(one["name"]): int(one["number"]) for one in trace.header["hosts"]}
        self.index = {int(p["number"]): int(p["index"]) for p in trace.header["partitions"] if p["topic"] == "t"}

    def rows(self, name: str, *kinds: Kind, since_us: int = 0, until_us: int = 1 << 62) -> list[dict[str, int]]:
        found = self.trace.rows(*kinds)
        return [row for row in found if row["host"] == self.host[name] and since_us <= row["t_us"] < until_us]

    def callbacks(self, name: str, since_us: int = 0, until_us: int = 1 << 62) -> list[list[Any]]:
        """[assigned, revoked or lost, partitions], in order. Empty ones leave no row."""
        found: list[list[Any]] = []
        last: tuple[Any, ...] = ()
        for row in self.rows(name, Kind.ASSIGN, Kind.REVOKE, since_us=since_us, until_us=until_us):
            what = "assigned" if row["kind"] == Kind.ASSIGN else "lost" if row["code"] else "revoked"
            if (what, row["t_us"]) != last:
                found.append([what, []])
            last = (what, row["t_us"])
            found[-1][1] = sorted([*found[-1][1], self.index[row["partition"]]])
        return found

    def owned(self, at_us: int) -> dict[str, list[int]]:
        """Who has what at that time; who has nothing is left out."""
        owned: dict[int, list[int]] = {}
        for row in self.trace.rows(Kind.ASSIGN, Kind.REVOKE, Kind.CRASH):
            if row["t_us"] > at_us:
                break
            if row["kind"] == Kind.CRASH:
                owned.pop(row["host"], None)
            elif row["kind"] == Kind.ASSIGN:
                owned.setdefault(row["host"], []).append(self.index[row["partition"]])
            else:
                owned[row["host"]].remove(self.index[row["partition"]])
        return {name: sorted(owned[host]) for name, host in self.host.items() if owned.get(host)}

    def committed(self, until_us: int = 1 << 62) -> dict[int, int]:
        """What the group's coordinator has stored, by partition."""
        found = [row for row in self.trace.rows(Kind.COMMIT) if row["n"] == 1 and row["t_us"] < until_us]
        return {self.index[row["partition"]]: row["offset"] for row in found}

    def polled(self, name: str, since_us: int = 0, until_us: int = 1 << 62) -> list[list[int]]:
        """[partition, first offset, last offset] of every stretch that was handed over without a leap."""
        found: list[list[int]] = []
        for row in self.rows(name, Kind.POLL, since_us=since_us, until_us=until_us):
            index, first, last = self.index[row["partition"]], row["offset"], row["offset"] + row["hi"] - row["lo"] - 1
            if found and found[-1][0] == index and found[-1][2] + 1 == first:
                found[-1][2] = last
            else:
                found.append([index, first, last])
        return found

    def first(self, name: str, since_us: int = 0) -> dict[int, int]:
        """The first offset of each partition that was handed over since then."""
        found: dict[int, int] = {}
        for index, offset, _ in self.polled(name, since_us):
            found.setdefault(index, offset)
        return found

    def poll_sizes(self, name: str) -> list[int]:
        sizes: dict[int, int] = {}
        for row in self.rows(name, Kind.POLL):
            sizes[row["n"]] = sizes.get(row["n"], 0) + row["hi"] - row["lo"]
        return list(sizes.values())

    def processed(self, name: str | None = None) -> list[tuple[int, int]]:
        """(partition, offset) of every record whose processing ended, in order of the ends."""
        rows = [r for r in self.trace.rows(Kind.PROC_END) if name is None or r["host"] == self.host[name]]
        return [(self.index[r["partition"]], r["offset"] + k) for r in rows for k in range(r["hi"] - r["lo"])]
