"""A real run as a history in the exchange format.

Sends, reports and polls are the clients' own words; attempts and responses are what the proxy saw; appends are read
back from the replicas' log files and placed in time by the answer that the proxy saw, where there was one. So they are
in order per partition only (``append_times`` is false), and what was cut off a log before the end is not in it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sim.plan import Plan
from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.real.members import members_of
from sim.real.outcome import Event, Instance, Outcome
from sim.real.record_batches import Batch

__all__ = ["events_of", "header_of", "instance_reports", "instance_values", "lines_of"]

Name = tuple[str, int]
ISOLATION = "isolation.level"


def lines_of(plan: Plan, outcome: Outcome, config: Mapping[str, Any] | None = None) -> list[str]:
    """The lines of the history's file."""
    lines = [header_of(plan, outcome, config), *events_of(outcome)]
    return [json.dumps(line, ensure_ascii=False) for line in lines]


def header_of(plan: Plan, outcome: Outcome, config: Mapping[str, Any] | None) -> Event:
    consumers = {one.name: one.options for one in plan.readers} | {one.name: one.options for one in members_of(plan)}
    header: Event = {
        "format": "korder-history", "version": 1, "time_unit": "us", "drain": outcome.drained, "append_times": False,
        "consumers": {
            name: {"group": outcome.groups.get(name), "isolation": str(options.get(ISOLATION, "read_uncommitted"))}
            for name, options in consumers.items()
        },
    }  # fmt: skip
    return header | ({"config": dict(config)} if config else {})


def events_of(outcome: Outcome) -> list[Event]:
    """All events in order of time; equal times in the order send, wire, log, report."""
    client = _client_events(outcome)
    parts = [_leader_events(outcome), [e for e in client if e["e"] == "send"], _wire_events(outcome),
             _append_events(outcome), [e for e in client if e["e"] != "send"]]  # fmt: skip
    events = sorted((event for part in parts for event in part), key=lambda event: event["t"])
    first = min((event["t"] for event in events), default=0)
    for event in events:
        event["t"] -= min(first, 0)
    return events


def _text(name: Name) -> str:
    return f"{name[0]}-{name[1]}"


# --- clients ----------------------------------------------------------------------------------------------------------
def _client_events(outcome: Outcome) -> list[Event]:
    instances = {one.name: one for one in outcome.instances}
    fates = _Fates(outcome)
    found: list[Event] = []
    for event in outcome.events:
        kind, at = event["e"], {"t": event["t_us"]}
        instance = instances.get(event.get("name", ""))
        if kind == "send" and instance is not None:
            found.append(at | _send(instance, event["i"]))
        elif kind in ("told", "refused") and instance is not None:
            found.append(at | _report(instance, event, fates))
        elif kind == "poll":
            recs = [[_text((topic, index)), offset, value] for topic, index, offset, value in event["recs"]]
            found.append(at | {"e": "poll", "con": event["name"], "recs": recs})
        elif kind in ("callback", "commit", "proc_start", "proc_end"):
            found += [at | told for told in _member_events(event)]
        elif kind in ("fault", "crash"):
            found.append(at | {key: value for key, value in event.items() if key != "t_us"})
    return found


def _member_events(event: Event) -> list[Event]:
    """What a member of a group said, in the words of the format."""
    kind, who = event["e"], {"con": event["name"]}
    if kind == "callback" and event["what"] == "assigned":
        return [{"e": "assign", **who, "p": [_text(name) for name in event["owned"]], "how": "rebalance"}]
    if kind == "callback":
        return [{"e": "revoke", **who, "p": [_text((topic, index)) for topic, index in event["partitions"]]}]
    if kind == "commit":
        ends = {"ok": event["error"] is None} | ({"auto": True} if event["auto"] else {})
        return [{"e": "commit", **who, "p": _text((topic, index)), "o": offset, **ends}
                for topic, index, offset in event["offsets"]]  # fmt: skip
    return [{"e": kind, **who, "p": _text((event["topic"], event["index"])), "o": event["o"]}]


def _send(instance: Instance, number: int) -> Event:
    call = instance.calls[number]
    event: Event = {"e": "send", "prod": instance.name, "i": number, "v": call.value}
    if call.key is not None:
        event["k"] = call.key
    if call.index is not None:
        event["p"] = _text((call.topic, call.index))
    return event


def _report(instance: Instance, event: Event, fates: _Fates) -> Event:
    call = instance.calls[event["i"]]
    told: Event = {"prod": instance.name, "v": call.value}
    index = event.get("p", -1)
    if index < 0 and call.index is not None:
        index = call.index
    if event.get("error") is None and index >= 0:
        told |= {"e": "ack", "p": _text((call.topic, index))}
        return told | ({"o": event["o"]} if event["o"] >= 0 else {})
    surely = event["e"] == "refused" or fates.never_written(instance.name, call.value) or index < 0
    if surely:
        return told | {"e": "fail", "error": str(event["error"])}
    return told | {"e": "unknown", "p": _text((call.topic, index))}


class _Fates:
    """Whether a record that was reported as failed is certainly in no log: every transmission of it was answered, and
    each answer is one after which nothing is in the log."""

    def __init__(self, outcome: Outcome) -> None:
        self._sent: dict[tuple[str, str], int] = defaultdict(int)
        self._refused: dict[tuple[str, str], int] = defaultdict(int)
        for seen in outcome.sightings:
            if seen["kind"] == "attempt":
                for value in seen["values"]:
                    self._sent[seen["client"], value] += 1
            elif seen["kind"] == "response" and seen["error"]:
                row = PRODUCE_ERRORS.get(seen["error"])
                for value in seen["values"]:
                    self._refused[seen["client"], value] += row is not None and not row.in_log

    def never_written(self, client: str, value: str) -> bool:
        return self._sent[client, value] == self._refused[client, value]


# --- the wire ---------------------------------------------------------------------------------------------------------
def _wire_events(outcome: Outcome) -> list[Event]:
    found: list[Event] = []
    sent: dict[tuple[str, str], int] = defaultdict(int)
    for seen in outcome.sightings:
        at: Event = {"t": seen["t_us"]}
        if seen["kind"] == "fault":
            found.append(at | {"e": "fault", "what": seen["text"], "conn": seen["conn"]})
            continue
        if seen["kind"] == "answered":
            continue
        values = list(seen["values"])
        first = seen["client"], values[0] if values else ""
        at |= {"prod": seen["client"], "vs": values, "p": _text((seen["topic"], seen["index"])), "conn": seen["conn"]}
        if seen["kind"] == "attempt":
            sent[first] += 1
            at |= {"e": "attempt", "b": seen["broker"], "n": sent[first]}
            if seen["pid"] >= 0:
                at |= {"pid": seen["pid"], "epoch": seen["epoch"], "seq": seen["seq"]}
        else:
            at |= {"e": "response", "n": sent[first]}
            if seen["error"]:
                at["error"] = _error_name(seen["error"])
            elif seen["offset"] >= 0:
                at["o"] = seen["offset"]
        found.append(at)
    return found


def _error_name(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return str(code)


# --- logs -------------------------------------------------------------------------------------------------------------
def _answered(outcome: Outcome) -> dict[tuple[Name, int], tuple[int, int]]:
    """(partition, base offset) -> (when a broker first answered with it, the broker)."""
    found: dict[tuple[Name, int], tuple[int, int]] = {}
    for seen in outcome.sightings:
        if seen["kind"] == "answered" and not seen["error"] and seen["offset"] >= 0:
            found.setdefault(((seen["topic"], seen["index"]), seen["offset"]), (seen["t_us"], seen["broker"]))
    return found


def writers(outcome: Outcome, name: Name) -> dict[int, int]:
    """By leader epoch of the final log's batches, the broker that led then: the first leader in the first one, who
    answered for a batch of it, or else the last leader."""
    answered = _answered(outcome)
    last, _ = outcome.leaders.get(name, (-1, 0))
    found: dict[int, int] = {0: outcome.first_leaders[name]} if name in outcome.first_leaders else {}
    for batch in outcome.logs[name].get(last, []):
        seen = answered.get((name, batch.base_offset))
        if seen is not None and seen[1] > 0:
            found.setdefault(batch.leader_epoch, seen[1])
    for batch in outcome.logs[name].get(last, []):
        found.setdefault(batch.leader_epoch, last)
    return found


def _append_events(outcome: Outcome) -> list[Event]:
    answered = _answered(outcome)
    found: list[Event] = []
    for name, replicas in outcome.logs.items():
        led = writers(outcome, name)
        times = _times(outcome, name, answered)
        for broker, batches in replicas.items():
            for batch in batches:
                role = {} if led.get(batch.leader_epoch) == broker else {"role": "follower"}
                for event in _batch_events(batch, name, broker):
                    found.append({"t": times.get(batch.base_offset, 0)} | event | role)
    return found


def _batch_events(batch: Batch, name: Name, broker: int) -> list[Event]:
    events = []
    for offset, value, sequence in zip(batch.offsets(), batch.values, batch.sequences(), strict=True):
        event: Event = {"e": "append", "p": _text(name), "o": offset, "v": value, "b": broker}
        event["lep"] = batch.leader_epoch
        if batch.producer_id >= 0:
            event |= {"pid": batch.producer_id, "epoch": batch.producer_epoch, "seq": sequence}
        events.append(event)
    return events


def _times(outcome: Outcome, name: Name, answered: Mapping[tuple[Name, int], tuple[int, int]]) -> dict[int, int]:
    """When each batch was there, by base offset: never before the batch in front of it."""
    offsets = sorted({batch.base_offset for batches in outcome.logs[name].values() for batch in batches})
    found, now = {}, 0
    for offset in offsets:
        now = max(now, answered.get((name, offset), (now, 0))[0])
        found[offset] = now
    return found


def _leader_events(outcome: Outcome) -> list[Event]:
    """Who led, each from its first batch on; at the end, who leads now."""
    found: list[Event] = []
    for name in outcome.logs:
        broker, epoch = outcome.first_leaders.get(name, (-1)), 0
        if broker >= 0:
            found.append({"t": 0, "e": "leader", "p": _text(name), "b": broker, "lep": epoch})
        times = _times(outcome, name, _answered(outcome))
        last, last_epoch = outcome.leaders.get(name, (-1, 0))
        led = writers(outcome, name)
        for batch in outcome.logs[name].get(last, []):
            if batch.leader_epoch > epoch:
                epoch, broker = batch.leader_epoch, led[batch.leader_epoch]
                at = times[batch.base_offset]
                found.append({"t": at, "e": "leader", "p": _text(name), "b": broker, "lep": epoch})
        if last >= 0 and (last, last_epoch) != (broker, epoch):
            at = max([*times.values(), *(event["t_us"] for event in outcome.events)], default=0)
            found.append({"t": at, "e": "leader", "p": _text(name), "b": last, "lep": max(last_epoch, epoch)})
    return found


# --- by instance ------------------------------------------------------------------------------------------------------
def instance_values(outcome: Outcome) -> dict[str, list[str]]:
    """What each instance called, in order."""
    return {one.name: [call.value for call in one.calls[: one.called]] for one in outcome.instances}


def instance_reports(outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Delivery reports by instance and partition, and over all partitions; calls of ``send()`` that failed at once."""
    instances = {one.name: one for one in outcome.instances}
    reports: dict[str, Any] = {name: {} for name in instances}
    callbacks: dict[str, Any] = {name: [] for name in instances}
    refused: dict[str, Any] = {name: [] for name in instances}
    for event in outcome.events:
        if event["e"] not in ("told", "refused"):
            continue
        name = event["name"]
        call = instances[name].calls[event["i"]]
        if event["e"] == "refused":
            refused[name].append([call.value, str(event["error"])])
            continue
        index = event["p"] if event["p"] >= 0 or call.index is None else call.index
        result = "ok" if event["error"] is None else str(event["error"])
        reports[name].setdefault(_text((call.topic, index)), []).append([call.value, result])
        callbacks[name].append(call.value)
    return reports, callbacks, refused
