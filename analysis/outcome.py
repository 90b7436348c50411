"""What a run came to, in the form in which simulated and real runs are compared and recorded.

An *outcome* is plain JSON; times, connections and ids that differ from run to run are not in it:

- ``log``: by partition, the batches of the final log: [offset, values, producer identity (P0, P1, ... in order of
  appearance, null for none), producer epoch, base sequence, leader epoch];
- ``reports``: by producer instance and partition, in the order in which the application got them: [value, "ok" or the
  error];
- ``callbacks``: by producer instance, the values in the order in which the application was told of them, over all
  partitions;
- ``refused``: by producer instance, calls of ``send()`` that failed at once: [value, error];
- ``unresolved``: values that were never reported;
- ``attempts``: by producer instance, how often each value was transmitted;
- ``polled``: by consumer and partition, [offset, value] as they were handed over.

With groups also (``GROUP_FIELDS``), a member's lives taken together:

- ``rebalances``: by member, [assigned, revoked or lost, partitions] of each callback that names any;
- ``processed``: by member and partition, the stretches [first, last] of offsets that it worked through;
- ``committed``: by group and partition, the offset that the coordinator has at the end;
- ``commits_refused``: by member, [partition, offset] of each commit that was refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from analysis.from_trace import history_of
from analysis.group_outcome import groups_of
from analysis.history import History
from analysis.logs import Logs
from sim.protocol.error_codes import ErrorCode, java_exception, librdkafka_name
from sim.protocol.rows import Kind
from sim.trace import Trace

__all__ = ["FIELDS", "GROUP_FIELDS", "first_difference", "outcome_of"]

FIELDS = ("log", "reports", "callbacks", "refused", "unresolved", "attempts", "polled")
GROUP_FIELDS = ("rebalances", "processed", "committed", "commits_refused")
MOST_SHOWN = 120  # characters of one entry in a message
_REPORTS = (Kind.ACK, Kind.FAIL, Kind.UNKNOWN)
# An idempotent librdkafka meets a fatal error: its poll() raises, and nothing can be observed from there on.
_FATAL = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID)

Form = dict[str, Any]


def outcome_of(trace: Trace) -> Form:
    history = history_of(trace)
    reports, callbacks, refused = _reports(trace)
    called, internal = _called(trace), _internal(trace)
    found = {
        "log": {name: log for name, log in _final_logs(history).items() if name not in internal},
        "reports": reports,
        "callbacks": callbacks,
        "refused": refused,
        "unresolved": _unresolved(called, callbacks, refused),
        "attempts": _attempts(trace, called),
        "polled": _polled(history, internal),
    }
    return found | groups_of(trace) if trace.header.get("groups") else found


def _final_logs(history: History) -> dict[str, list[Any]]:
    logs, identities = Logs(history), dict[int, str]()
    found: dict[str, list[Any]] = {}
    for number, name in enumerate(history.partitions):
        log = logs.of_partition(number)
        names = ("offset", "value", "count", "pid", "epoch", "seq", "lep")
        rows = zip(*(getattr(log, column).tolist() for column in names), strict=True)
        found[name] = []
        for offset, value, count, pid, epoch, seq, lep in rows:
            values = [str(history.values[code]) for code in range(value, value + count)]
            who = identities.setdefault(pid, f"P{len(identities)}") if pid >= 0 else None
            found[name].append([offset, values, who, epoch if who else -1, seq if who else -1, lep])
    return found


def _rows(trace: Trace, kinds: Iterable[Kind]) -> list[dict[str, int]]:
    wanted = np.flatnonzero(np.isin(trace.events["kind"], list(kinds)))
    return [{**trace.row(int(row)), "row": int(row)} for row in wanted]


class _Names:
    """Values of a trace: by (prod, partition, place in lane), and by (prod, send index)."""

    def __init__(self, trace: Trace) -> None:
        given = trace.header["values"]
        self.instances = {int(one["prod"]): str(one["name"]) for one in trace.header["producers"]}
        self.by_call: dict[tuple[int, int], str] = {}
        self.by_place: dict[tuple[int, int, int], str] = {}
        columns = (trace.sends[name].tolist() for name in ("prod", "i", "partition", "lane"))
        for prod, i, partition, lane in zip(*columns, strict=True):
            value = given.get(str(prod), {}).get(str(i)) or f"{self.instances[prod]}/{i}"
            self.by_call[prod, i] = self.by_place[prod, partition, lane] = value

    def of(self, row: Mapping[str, int]) -> list[str]:
        return [self.by_place[row["prod"], row["partition"], at] for at in range(row["lo"], row["hi"])]


def _reports(trace: Trace) -> tuple[Form, Form, Form]:
    names = _Names(trace)
    partitions = {part["number"]: f"{part['topic']}-{part['index']}" for part in trace.header["partitions"]}
    flavours = {int(one["prod"]): one["flavour"] for one in trace.header["producers"]}
    idempotent = {row["prod"] for row in _rows(trace, (Kind.ATTEMPT,)) if row["pid"] >= 0}
    told = {prod: java_exception if flavour == "java" else librdkafka_name for prod, flavour in flavours.items()}
    reports: Form = {name: {} for name in names.instances.values()}
    callbacks: Form = {name: [] for name in names.instances.values()}
    refused: Form = {name: [] for name in names.instances.values()}
    silent: set[int] = set()
    deaths = {(row["host"], row["t_us"]) for row in _rows(trace, (Kind.CRASH,))}
    for row in _rows(trace, (*_REPORTS, Kind.REFUSED)):
        prod, name = row["prod"], names.instances[row["prod"]]
        if row["kind"] == Kind.REFUSED:
            refused[name] += [[names.by_call[prod, i], told[prod](row["code"])] for i in range(row["lo"], row["hi"])]
            continue
        if row["code"] == ErrorCode.CLIENT_CLOSED and (row["host"], row["t_us"]) in deaths:
            continue  # a process that dies is told nothing
        if flavours[prod] != "java" and prod in idempotent and row["code"] in _FATAL:
            silent.add(prod)
        if prod not in silent:
            result = "ok" if row["kind"] == Kind.ACK else told[prod](row["code"])
            here = reports[name].setdefault(partitions[row["partition"]], [])
            here += [[value, result] for value in names.of(row)]
            callbacks[name] += names.of(row)
    return reports, callbacks, refused


def _called(trace: Trace) -> dict[str, list[str]]:
    names = _Names(trace)
    called: dict[str, list[str]] = {name: [] for name in names.instances.values()}
    for (prod, _), value in names.by_call.items():
        called[names.instances[prod]].append(value)
    return called


def _attempts(trace: Trace, called: Mapping[str, list[str]]) -> Form:
    names, unseen = _Names(trace), set(trace.header["unseen"])
    counts: dict[str, Counter[str]] = {name: Counter() for name in called}
    for row in _rows(trace, (Kind.ATTEMPT,)):
        if row["row"] not in unseen:
            counts[names.instances[row["prod"]]].update(names.of(row))
    return {name: [[value, counts[name][value]] for value in values] for name, values in called.items()}


def _unresolved(called: Mapping[str, list[str]], callbacks: Form, refused: Form) -> Form:
    found = {}
    for name, values in called.items():
        known = {*callbacks[name], *(value for value, _ in refused[name])}
        found[name] = [value for value in values if value not in known]
    return found


def _internal(trace: Trace) -> set[str]:
    """Partitions of Kafka's own topics."""
    topics = trace.header.get("internal", [])
    return {f"{part['topic']}-{part['index']}" for part in trace.header["partitions"] if part["topic"] in topics}


def _polled(history: History, internal: Collection[str]) -> Form:
    partitions = [name for name in history.partitions if name not in internal]
    found: Form = {consumer: {name: [] for name in partitions} for consumer in history.consumers.names}
    polls = history.polls
    columns = (polls.consumer, polls.partition, polls.offset, polls.value, polls.count)
    for consumer, partition, offset, value, count in zip(*(column.tolist() for column in columns), strict=True):
        here = found[history.consumers.names[consumer]][history.partitions[partition]]
        here += [[offset + at, str(history.values[value + at])] for at in range(count)]
    return found


def first_difference(real: Form, simulated: Form, fields: Iterable[str] = FIELDS + GROUP_FIELDS) -> str | None:
    """The first field and place where the two part, or None. Fields that *real* does not have are not compared."""
    for name in fields:
        if name in real:
            found = _difference(name, real[name], simulated.get(name))
            if found:
                return found
    return None


def _difference(place: str, real: Any, simulated: Any) -> str | None:
    if real == simulated:
        return None
    if isinstance(real, dict) and isinstance(simulated, dict):
        for key in [*real, *(key for key in simulated if key not in real)]:
            found = _difference(f"{place} {key}", real.get(key), simulated.get(key))
            if found:
                return found
        return None
    if isinstance(real, list) and isinstance(simulated, list):
        at = next((at for at, pair in enumerate(zip(real, simulated, strict=False)) if pair[0] != pair[1]), None)
        at = min(len(real), len(simulated)) if at is None else at
        return f"{place}[{at}]: real {_one(real[at : at + 1])}, simulated {_one(simulated[at : at + 1])}"
    return f"{place}: real {json.dumps(real)}, simulated {json.dumps(simulated)}"


def _one(entry: list[Any]) -> str:
    text = json.dumps(entry[0], ensure_ascii=False) if entry else "nothing"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 4]} ..."
