"""Traces made by hand, by whole columns, for speed and memory: no fault, no reordering unless asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.protocol.rows import COLUMNS, Kind
from sim.trace import Trace

STEPS = (
    Kind.ATTEMPT, Kind.APPEND, Kind.REPLICATE, Kind.REPLICATE, Kind.HIGH_WATERMARK, Kind.RESPONSE, Kind.ACK, Kind.POLL,
)  # fmt: skip


def synthetic_trace(batches: int, per_batch: int, partitions: int = 3, keys: int = 100) -> Trace:
    """One idempotent producer, three replicas, one reader; batches go round the partitions."""
    count = batches * per_batch
    batch = np.arange(batches)
    partition, number = batch % partitions, batch // partitions
    lo = number * per_batch
    columns = {name: np.full((batches, len(STEPS)), -1, np.int64) for name in COLUMNS}
    columns["t_us"] = batch[:, None] * 1000 + np.arange(len(STEPS)) * 100
    columns["kind"][:] = [int(kind) for kind in STEPS]
    for name, value in (("partition", partition), ("lo", lo), ("hi", lo + per_batch), ("offset", lo), ("seq", lo)):
        columns[name][:] = value[:, None]
    for name, constant in {"prod": 0, "lep": 0, "pid": 1000, "epoch": 0, "conn": 1, "code": 0, "cause": -1}.items():
        columns[name][:] = constant
    columns["host"][:] = [4, 1, 2, 3, 1, 4, 4, 5]
    columns["n"][:] = 1
    columns["n"][:, 7] = batch
    columns["offset"][:, 0] = 1  # an attempt's broker
    columns["offset"][:, 4] += per_batch
    events = {name: column.ravel().astype(_smallest(column)) for name, column in columns.items()}
    return Trace(events, _sends(count, partitions, per_batch, keys), _header(partitions, keys))


def _smallest(column: Any) -> type:
    if column.max() < 1 << 7:
        return np.int8
    return np.int32 if column.max() < 1 << 31 else np.int64


def _sends(count: int, partitions: int, per_batch: int, keys: int) -> dict[str, Any]:
    i = np.arange(count)
    batch = i // per_batch
    lane = (batch // partitions) * per_batch + i % per_batch
    key = (i * 7919) % max(keys // partitions, 1) * partitions + batch % partitions  # a key stays in its partition
    return {
        "prod": np.zeros(count, np.int32), "i": i.astype(np.int32), "t_us": batch * 1000,
        "partition": (batch % partitions).astype(np.int32), "lane": lane.astype(np.int32), "key": key.astype(np.int32),
        "size": np.full(count, 200, np.int32),
    }  # fmt: skip


def _header(partitions: int, keys: int) -> dict[str, Any]:
    hosts = [(0, "controller", "controller"), *((b, f"broker-{b}", "broker") for b in (1, 2, 3))]
    hosts += [(4, "P1", "producer"), (5, "C1", "consumer")]
    return {
        "format": 1, "title": "synthetic", "settled": True, "run_us": 0, "settle_us": 0, "faults": [], "values": {},
        "hosts": [{"number": n, "name": name, "kind": kind} for n, name, kind in hosts],
        "partitions": [{"number": p, "topic": "orders", "index": p} for p in range(partitions)],
        "producers": [{"prod": 0, "producer": "P1", "name": "P1", "host": 4, "incarnation": 1, "flavour": "java"}],
        "keys": {"P1": [f"k{n}" for n in range(keys + partitions)]},
    }  # fmt: skip
