"""The faults of a run, pinned to what they struck: a scenario in which the same case comes about whatever the latency.

Two ways. *By message*: what happened to the transmissions of the case is written as message faults (this answer was
dropped, that request was refused, that one was held), and nothing else strikes. *By time*: every strike happens again,
at its time, to the host or the record that it struck; random ones become scheduled ones, counted ones name a record.

A scenario is here what its file says (``header["scenario"]["source"]``), plain values that ``sim.scenario.from_dict``
reads.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.explaining.diagnosis import Diagnosis, Part, distinct
from analysis.explaining.facts import Facts, Life, Try
from analysis.explaining.late import AFTER_APPEND, was_zombie
from sim.protocol.rows import Kind
from sim.units import duration_text, duration_us

__all__ = ["Source", "by_message", "by_time", "held_back", "latest_us", "moved"]

Source = dict[str, Any]
MESSAGE_KEYS = ("error", "delay", "after_answered", "earlier", "release")
ROLLING_DOWNTIME = "5s"  # of a rolling restart that says nothing
REPLICATION_LAG_US = 40_000
MARGIN_US = 100_000
CLIENT_FAULTS = ("kill", "pause", "shutdown", "restart_producer")


def by_message(facts: Facts, diagnosis: Diagnosis, source: Source) -> Source | None:
    """None where the case cannot be told in message faults, or nothing happened to its transmissions."""
    faults: list[dict[str, Any]] = []
    for part in distinct(diagnosis.cast):
        if part.role in ("late", "twice"):
            faults += _of_life(facts, part)
    if not faults:
        return None
    return _with_faults(source, faults)


def _of_life(facts: Facts, part: Part) -> list[dict[str, Any]]:
    """A fault for every transmission that did not end in an answer that says "stored"."""
    life, found = part.life, []
    for number, one in enumerate(life.tries, start=1):
        do = _fate(facts, life, one)
        if do is not None:
            found.append(
                {"do": do.pop("do"), **_whose(facts, part), "value": _value(facts, part), "attempt": number, **do}
            )
    return found


def _whose(facts: Facts, part: Part) -> dict[str, str]:
    prod = int(facts.history.records.prod[part.value])
    name = next(str(one["producer"]) for one in facts.history.header["producers"] if int(one["prod"]) == prod)
    return {"producer": name, "partition": facts.history.partitions[int(facts.history.records.partition[part.value])]}


def _value(facts: Facts, part: Part) -> str:
    return str(facts.history.values[part.value])


def _fate(facts: Facts, life: Life, one: Try) -> dict[str, Any] | None:
    said = one.answered.word if one.answered is not None else None
    if said == "":
        return None
    if one.landed is not None and was_zombie(life, one):
        return {"do": "hold_request", "release": {"callbacks": 0, "after": _us(one.landed.t - one.t)}}
    if said is not None:
        stored = one.landed is not None and one.landed.cut is None
        kind = "append_then_error" if stored or said in AFTER_APPEND else "answer_error"
        return {"do": kind, "error": said} if said != "OUT_OF_ORDER_SEQUENCE_NUMBER" else None
    if one.landed is not None and one.landed.cut is None:
        return {"do": "drop_response"}
    if one.ended is not None and one.ended.word == "timed out":
        return {"do": "swallow"}
    return {"do": "drop_request", "earlier": "now"} if one.ended is not None else None


# --- by time ----------------------------------------------------------------------------------------------------------
def by_time(facts: Facts, source: Source) -> Source:
    """Every strike of the run again, at its time."""
    causes = facts.causes
    assert causes is not None
    faults: list[dict[str, Any]] = []
    seen: set[tuple[int, int]] = set()
    for row in causes.rows_of(Kind.FAULT):
        event = causes.row(row)
        original = source["faults"][event["n"]]
        if "do" in original:
            faults.append(_message_again(facts, row, original))
        elif (event["n"], event["t_us"]) not in seen:  # one that struck several hosts has a row for each
            seen.add((event["n"], event["t_us"]))
            faults.append(_action_again(facts, row, original))
    return _with_faults(source, [fault for fault in faults if fault])


def _action_again(facts: Facts, row: int, original: Mapping[str, Any]) -> dict[str, Any]:
    assert facts.causes is not None
    event = facts.causes.row(row)
    rest = {key: value for key, value in original.items() if key not in ("at", "rate", "from", "until")}
    for key in ("kill", "power_off", "shutdown", "pause", "slow_disk", "start"):
        if str(rest.get(key, "")).startswith(("leader of", "follower of")) and event["host"] >= 0:
            rest[key] = f"broker {event['host']}"
    if "rolling_restart" in rest:  # a row for every broker in its turn
        down = rest.get("downtime", ROLLING_DOWNTIME)
        return {"at": _us(event["t_us"]), "shutdown": f"broker {event['host']}", "restart_after": down}
    return {"at": _us(event["t_us"]), **rest}


def _message_again(facts: Facts, row: int, original: Mapping[str, Any]) -> dict[str, Any]:
    """Addressed by the record that it met and the number of its transmission."""
    causes = facts.causes
    assert causes is not None
    fault = causes.row(row)
    attempt = _attempt_of(facts, row)
    if attempt is None:
        return {}
    event = causes.row(attempt)
    values = facts.history.wire
    at = np.flatnonzero(values.row == attempt)
    value = str(facts.history.values[int(values.value[at[0]])])
    producer = next(
        str(one["producer"]) for one in facts.history.header["producers"] if int(one["prod"]) == event["prod"]
    )
    where = {"producer": producer, "partition": facts.history.partitions[fault["partition"]]}
    rest = {key: original[key] for key in MESSAGE_KEYS if key in original and key != "after_answered"}
    return {"do": original["do"], **where, "value": value, "attempt": event["n"], **rest}


def _attempt_of(facts: Facts, row: int) -> int | None:
    """The transmission, of the fault's partition, in the request that it struck."""
    causes = facts.causes
    assert causes is not None
    fault = causes.row(row)
    head = fault["cause"]
    if head < 0:
        return None
    first = causes.row(head)
    same = {"conn": first["conn"], "t_us": first["t_us"], "partition": fault["partition"]}
    found = [one for one in causes.rows_of(Kind.ATTEMPT, **same) if one >= head]
    return found[0] if found else None


def held_back(facts: Facts, diagnosis: Diagnosis, source: Source) -> Source | None:
    """*source* with replication of the lost record slowed until its leader was struck: no follower had it then."""
    part = next((one for one in diagnosis.cast if one.role == "lost" and one.copy is not None), None)
    causes = facts.causes
    if part is None or causes is None or part.copy is None or not diagnosis.rows:
        return None
    copy_ = part.copy
    strikes = [row for row in causes.rows_of(Kind.FAULT, host=copy_.broker)]
    after = [causes.row(row)["t_us"] for row in strikes if causes.row(row)["t_us"] >= copy_.t - MARGIN_US]
    elections = [causes.row(row)["t_us"] for row in diagnosis.rows if causes.kind[row] == Kind.LEADER]
    until = min([*after, *elections], default=copy_.t)
    start = max(0, min(copy_.t, until) - MARGIN_US)
    slow = {
        "at": _us(start), "slow": [f"broker {copy_.broker}", "brokers"],
        "for": _us(max(until, copy_.t) + MARGIN_US - start), "by": _us(REPLICATION_LAG_US),
    }  # fmt: skip
    return _with_faults(source, [*source.get("faults", []), slow])


def moved(source: Source, by_us: int) -> Source | None:
    """*source* with what strikes clients a little later, or earlier; None where nothing does at a time of its own.

    A client is struck in the middle of its work, which goes on at other moments under other latencies.
    """
    clients = [*source.get("producers", ()), *source.get("consumers", ())]
    faults, found = [], False
    for fault in source.get("faults", ()):
        target = next((str(fault[key]) for key in CLIENT_FAULTS if key in fault), None)
        mine = target is not None and any(target == name or target.startswith(f"{name}-") for name in clients)
        at_us = duration_us(fault["at"]) + by_us if mine and "at" in fault else 0
        found = found or at_us > 0
        faults.append({**fault, "at": _us(at_us)} if at_us > 0 else fault)
    return _with_faults(source, faults) if found else None


def latest_us(facts: Facts, diagnosis: Diagnosis) -> int:
    """When the last thing of the case happened."""
    found = [0]
    for part in diagnosis.cast:
        found += [one.t for one in part.life.tries] + [one.t for one in part.life.reports]
        found += [one.cut.t for one in part.life.copies if one.cut is not None]
        found += [one.t for one in part.life.copies]
    if facts.causes is not None:
        found += [facts.causes.row(row)["t_us"] for row in diagnosis.rows]
    return max(found)


def _with_faults(source: Source, faults: list[dict[str, Any]]) -> Source:
    changed = copy.deepcopy(source)
    changed["faults"] = faults
    if not faults:
        del changed["faults"]
    return changed


def _us(us: int) -> str:
    return duration_text(max(int(us), 0))
