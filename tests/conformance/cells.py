"""Recorded runs of real clients ("cells") as ordinary scenarios, and the outcome of such a scenario in their form.

The form of a cell: one topic, replication factor 3, all partitions led by broker 1; a warm-up record ``w`` that is
acknowledged first; then the records ``0``..``7`` to partition 0 in one burst, one record a batch; 20 ms each way
between client and broker. Faults are message faults on produce requests to partition 0, counted since the warm-up.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sim import simulate
from sim.protocol.error_codes import ErrorCode, java_exception, librdkafka_name
from sim.protocol.rows import Kind
from sim.scenario import Scenario, from_dict
from sim.trace import Trace

__all__ = ["FIELDS", "Cell", "difference", "outcome", "play", "read_cells", "scenario_of"]

Cell = dict[str, Any]
NEEDED = ("id", "client", "config", "faults", "log", "callbacks")
FIELDS = ("log", "callbacks", "unresolved", "wire")
RECORDS = 8
_REPORTS = (Kind.ACK, Kind.FAIL, Kind.UNKNOWN)
_FATAL = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID)  # reported by an idempotent librdkafka


def read_cells(path: Path) -> list[Cell]:
    """The runs in a file; ``ValueError`` where it is not one of runs."""
    cells = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(cells, list):
        raise ValueError("the file is not a list")
    for number, cell in enumerate(cells):
        missing = [key for key in NEEDED if not isinstance(cell, dict) or key not in cell]
        if missing:
            raise ValueError(f"run {number} has no {missing[0]!r}")
    return cells


def scenario_of(cell: Cell) -> Scenario:
    """The cell as a scenario; nothing in it but what a user could write in a file."""
    return from_dict(
        {
            "title": f"{cell['id']} ({cell['client']})",
            "run": f"{_run_ms(cell)}ms",
            "settle": "1s",
            "brokers": {"count": 3},
            "topics": {"t": _topic(cell)},
            "producers": {"p": _producer(cell)},
            "network": {
                "latency": {"distribution": "constant", "value": "20ms"},
                "broker.latency": {"distribution": "constant", "value": "200us"},
                "controller.latency": {"distribution": "constant", "value": "200us"},
            },
            "faults": [_fault(fault) for fault in cell["faults"]],
        },
        name=f"{cell['id']}.{cell['client']}",
    )


def _run_ms(cell: Cell) -> int:
    """Long enough for the last delivery timeout, and for what is released after the last callback."""
    return 5_000 + 2 * int(cell["config"].get("delivery.timeout.ms", 120_000)) + 60_000


def _topic(cell: Cell) -> dict[str, Any]:
    partitions = cell.get("partitions", 1)
    return {
        "partitions": partitions,
        "replication.factor": 3,
        "config": {"min.insync.replicas": 1},
        "assignment": [[1, 2, 3]] * partitions,
    }


def _producer(cell: Cell) -> dict[str, Any]:
    config = dict(cell["config"])
    if cell["client"] == "java":
        config["batch.size"] = 1
    else:
        config["batch.num.messages"] = 1
        if "request.timeout.ms" in config:
            config["socket.timeout.ms"] = config["request.timeout.ms"]
    burst = [{"at": "0ms", "partition": 0, "value": str(n)} for n in range(RECORDS)]
    return {
        "client": cell["client"],
        "config": config,
        "warm.up": {"partition": f"t-{cell.get('warm_up_partition', 0)}"},
        "workload": {"topic": "t", "sends": burst, "value.bytes": 10},
    }


def _fault(fault: dict[str, Any]) -> dict[str, Any]:
    own = {"producer": "p", "partition": "t-0"}
    entry = {key: value for key, value in fault.items() if key not in ("ms", "release")}
    if "ms" in fault:
        entry["delay"] = f"{fault['ms']}ms"
    if fault["do"] == "hold_request":
        entry["release"] = {"callbacks": RECORDS, "after": "200ms"}
    if "value" in entry:
        entry["value"] = str(entry["value"])
    return entry | own


def play(cell: Cell, *, check_laws: bool = True) -> dict[str, Any]:
    """Simulate the cell and tell what came out, in the recorded form."""
    return outcome(simulate(scenario_of(cell), seed=0, check_laws=check_laws), cell["client"])


def outcome(trace: Trace, client: str) -> dict[str, Any]:
    events = {name: column.tolist() for name, column in trace.events.items()}
    rows = [dict(zip(events, values, strict=True)) for values in zip(*events.values(), strict=True)]
    for row_id, row in enumerate(rows):
        row["id"] = row_id
    name = _namer(trace)
    partition = min(part["number"] for part in trace.header["partitions"])
    rows = [row for row in rows if row["partition"] == partition]
    log = _log([row for row in rows if row["kind"] == Kind.APPEND], name)
    callbacks = _callbacks([row for row in rows if row["kind"] in _REPORTS], name, client, _idempotent(trace))
    reported = [value for value, _ in callbacks]
    unseen = set(trace.header["unseen"])  # sent on a connection that had been reset: on no network
    wire = _wire([row for row in rows if row["kind"] == Kind.ATTEMPT and row["id"] not in unseen], name)
    unresolved = [str(n) for n in range(RECORDS) if str(n) not in reported]
    return {"log": log, "callbacks": callbacks, "unresolved": unresolved, "wire": wire}


def _namer(trace: Trace) -> Any:
    """(prod, partition, lane position) -> the record's value."""
    sends = trace.sends
    values = trace.header["values"]
    table = {}
    for prod, index, partition, lane in zip(
        *(np.asarray(sends[column]).tolist() for column in ("prod", "i", "partition", "lane")), strict=True
    ):
        table[prod, partition, lane] = values[str(prod)][str(index)]
    return lambda row: [table[row["prod"], row["partition"], at] for at in range(row["lo"], row["hi"])]


def _log(rows: list[dict[str, int]], name: Any) -> list[list[Any]]:
    identities: list[int] = []
    log = []
    for row in sorted(rows, key=lambda row: row["offset"]):
        if row["pid"] >= 0 and row["pid"] not in identities:
            identities.append(row["pid"])
        who = f"P{identities.index(row['pid'])}" if row["pid"] >= 0 else -1
        for at, value in enumerate(name(row)):
            log.append([row["offset"] + at, value, who, row["epoch"], row["seq"] + at if row["seq"] >= 0 else -1])
    return log


def _idempotent(trace: Trace) -> bool:
    return bool(np.any(np.asarray(trace.events["pid"]) >= 0))


def _callbacks(rows: list[dict[str, int]], name: Any, client: str, idempotent: bool) -> list[list[str]]:
    """The reports in order. Behind a fatal error of librdkafka none can be observed: its poll raises."""
    told = java_exception if client == "java" else librdkafka_name
    reports = []
    for row in rows:
        if client != "java" and idempotent and row["code"] in _FATAL:
            break
        result = "ok" if row["kind"] == Kind.ACK else told(row["code"])
        reports += [[value, result] for value in name(row) if value != "w"]
    return reports


def _wire(rows: list[dict[str, int]], name: Any) -> list[list[Any]]:
    connections: list[int] = []
    wire = []
    for row in rows:
        if row["conn"] not in connections:
            connections.append(row["conn"])
        number = connections.index(row["conn"]) + 1
        wire += [[value, number, row["epoch"], row["seq"]] for value in name(row) if value != "w"]
    return wire


def difference(recorded: Cell, simulated: dict[str, Any]) -> str | None:
    """The first field and place where the two part, or None."""
    for field in FIELDS:
        if field not in recorded:
            continue  # repeats of the real run differ in it
        ours, theirs = simulated[field], recorded[field]
        if ours == theirs:
            continue
        for at in range(max(len(ours), len(theirs))):
            real, own = theirs[at : at + 1], ours[at : at + 1]
            if real != own:
                return f"{field}[{at}]: recorded {_one(real)}, simulated {_one(own)}"
    return None


def _one(entry: list[Any]) -> str:
    return json.dumps(entry[0]) if entry else "nothing"
