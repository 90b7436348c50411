"""Simulated runs as the benchmarks need them: timed, with the kernel's own count of events."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import load, with_overrides
from sim.trace import Trace

__all__ = [
    "BATCHED", "ROUND_TRIPS", "Run", "acknowledged_records", "delivered", "produce_requests", "simulated",
]  # fmt: skip

HERE = Path(__file__).resolve().parent
ROUND_TRIPS = HERE / "round_trips.yaml"
BATCHED = HERE / "batched.yaml"


@dataclass(frozen=True)
class Run:
    trace: Trace
    seconds: float
    kernel_events: int


def simulated(path: Path, *overrides: str) -> Run:
    scenario = with_overrides(load(path), overrides)
    start = time.perf_counter()
    trace = simulate(scenario, 0)
    return Run(trace, time.perf_counter() - start, int(trace.header["kernel_events"]))


def produce_requests(trace: Trace) -> int:
    """Transmissions: with one record a batch and one partition, a request each."""
    return int((trace.events["kind"] == Kind.ATTEMPT).sum())


def acknowledged_records(trace: Trace) -> int:
    acks = trace.events["kind"] == Kind.ACK
    return int((trace.events["hi"][acks].astype("int64") - trace.events["lo"][acks]).sum())


def delivered(trace: Trace) -> tuple[int, int]:
    """Records handed to applications, and in how many pieces: a poll's part of one batch is one."""
    polls = trace.events["kind"] == Kind.POLL
    records = trace.events["hi"][polls].astype("int64") - trace.events["lo"][polls]
    return int(records.sum()), int(polls.sum())
