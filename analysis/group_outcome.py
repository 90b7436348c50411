"""What became of groups in a simulated run, in the form of :mod:`analysis.outcome`: ``sim.real.result`` says the same
of a real one."""

from __future__ import annotations

from typing import Any

from sim.protocol.offset_client import retriable
from sim.protocol.rows import Kind
from sim.real.result import stretches
from sim.trace import Trace

__all__ = ["groups_of"]

Form = dict[str, Any]


def groups_of(trace: Trace) -> Form:
    """Callbacks, processed stretches, committed offsets and refused commits of all members and groups."""
    members = {int(one["host"]): str(one["name"]) for one in trace.header["members"]}
    groups = {int(one["host"]): str(one["group"]) for one in trace.header["members"]}
    names = {int(part["number"]): f"{part['topic']}-{part['index']}" for part in trace.header["partitions"]}
    processed: Form = {name: {} for name in members.values()}
    committed: Form = {group: {} for group in dict.fromkeys(groups.values())}
    refused: Form = {name: [] for name in members.values()}
    for row in trace.rows(Kind.PROC_END, Kind.COMMIT):
        host, partition = row["host"], names[row["partition"]]
        if host not in members:
            continue
        if row["kind"] == Kind.PROC_END:
            offsets = processed[members[host]].setdefault(partition, set())
            offsets.update(range(row["offset"], row["offset"] + row["hi"] - row["lo"]))
        elif row["n"] == 1:
            committed[groups[host]][partition] = row["offset"]
        elif not row["seq"] and not retriable(row["code"]):  # by the application, and told to it
            refused[members[host]].append([partition, row["offset"]])
    return {
        "rebalances": _callbacks(trace, members, names),
        "processed": {
            name: {partition: stretches(offsets) for partition, offsets in sorted(parts.items())}
            for name, parts in processed.items()
        },
        "committed": {group: dict(sorted(offsets.items())) for group, offsets in committed.items()},
        "commits_refused": refused,
    }


def _callbacks(trace: Trace, members: dict[int, str], names: dict[int, str]) -> Form:
    """The rows of one callback stand at one time, one a partition. A callback without partitions leaves none."""
    found: Form = {name: [] for name in members.values()}
    last: dict[str, tuple[str, int]] = {}
    for row in trace.rows(Kind.ASSIGN, Kind.REVOKE):
        name = members.get(row["host"])
        if name is None:
            continue
        what = "assigned" if row["kind"] == Kind.ASSIGN else "lost" if row["code"] else "revoked"
        if last.get(name) != (what, row["t_us"]):
            found[name].append([what, []])
        last[name] = what, row["t_us"]
        found[name][-1][1] = sorted([*found[name][-1][1], names[row["partition"]]])
    return found
