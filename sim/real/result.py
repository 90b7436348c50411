"""What a real run came to, in the form of ``analysis.outcome``: simulated and real runs are compared in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sim.real.history import instance_reports, instance_values
from sim.real.outcome import Outcome

__all__ = ["result_of", "stretches"]

Form = dict[str, Any]


def result_of(outcome: Outcome) -> Form:
    reports, callbacks, refused = instance_reports(outcome)
    called = instance_values(outcome)
    unresolved = {}
    for name, values in called.items():
        known = {*callbacks[name], *(value for value, _ in refused[name])}
        unresolved[name] = [value for value in values if value not in known]
    found = {
        "log": _logs(outcome),
        "reports": reports,
        "callbacks": callbacks,
        "refused": refused,
        "unresolved": unresolved,
        "attempts": _attempts(outcome, called),
        "polled": _polled(outcome),
    }
    return found | _groups(outcome) if outcome.groups else found


def _logs(outcome: Outcome) -> Form:
    identities: dict[int, str] = {}
    found: Form = {}
    for (topic, index), replicas in outcome.logs.items():
        leader, _ = outcome.leaders.get((topic, index), (-1, 0))
        batches = found[f"{topic}-{index}"] = []
        for batch in replicas.get(leader, []):
            producer = batch.producer_id
            who = identities.setdefault(producer, f"P{len(identities)}") if producer >= 0 else None
            epoch, sequence = (batch.producer_epoch, batch.base_sequence) if who else (-1, -1)
            batches.append([batch.base_offset, list(batch.values), who, epoch, sequence, batch.leader_epoch])
    return found


def _attempts(outcome: Outcome, called: dict[str, list[str]]) -> Form:
    counts: dict[str, Counter[str]] = {name: Counter() for name in called}
    for seen in outcome.sightings:
        if seen["kind"] == "attempt" and seen["client"] in counts:
            counts[seen["client"]].update(seen["values"])
    return {name: [[value, counts[name][value]] for value in values] for name, values in called.items()}


def _polled(outcome: Outcome) -> Form:
    partitions = [f"{topic}-{index}" for topic, index in outcome.logs]
    found: Form = {name: {partition: [] for partition in partitions} for name in outcome.consumers}
    for event in outcome.events:
        if event["e"] == "poll":
            for topic, index, offset, value in event["recs"]:
                found[event["name"]][f"{topic}-{index}"].append([offset, value])
    return found


def _groups(outcome: Outcome) -> Form:
    callbacks: Form = {name: [] for name in outcome.groups}
    processed: Form = {name: {} for name in outcome.groups}
    refused: Form = {name: [] for name in outcome.groups}
    for event in outcome.events:
        kind, name = event["e"], str(event.get("name"))
        if kind == "callback" and event["partitions"]:
            callbacks[name].append([event["what"], sorted(f"{topic}-{index}" for topic, index in event["partitions"])])
        elif kind == "proc_end":
            processed[name].setdefault(f"{event['topic']}-{event['index']}", set()).add(event["o"])
        elif kind == "commit" and event["error"] is not None:
            refused[name] += [[f"{topic}-{index}", offset] for topic, index, offset in sorted(event["offsets"])]
    return {
        "rebalances": callbacks,
        "processed": {
            name: {partition: stretches(offsets) for partition, offsets in sorted(parts.items())}
            for name, parts in processed.items()
        },
        "committed": {
            group: {f"{topic}-{index}": offset for (topic, index), offset in offsets.items()}
            for group, offsets in outcome.committed.items()
        },
        "commits_refused": refused,
    }


def stretches(offsets: Iterable[int]) -> list[list[int]]:
    """[first, last] of each run of neighbours."""
    found: list[list[int]] = []
    for offset in sorted(offsets):
        if found and found[-1][1] + 1 == offset:
            found[-1][1] = offset
        else:
            found.append([offset, offset])
    return found
