"""The 24 recorded librdkafka runs, against the scripted cluster (the simulator's own brokers take no part)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from tests.protocol.librdkafka_play import play
from tests.protocol.scripted_cluster import Cluster

RUNS = json.loads((Path(__file__).parents[1] / "conformance" / "producer.json").read_text())
LIBRDKAFKA = [run for run in RUNS if run["client"] == "librdkafka"]


def rerun(run: dict[str, Any]) -> Cluster:
    faults = [{**fault, "error": ErrorCode[fault["error"]]} if "error" in fault else fault for fault in run["faults"]]
    config = run["config"]
    return play(
        *faults, window=config["max.in.flight.requests.per.connection"], idempotent=config["enable.idempotence"]
    )


@pytest.mark.parametrize("run", LIBRDKAFKA, ids=lambda run: run["id"])
def test_a_recorded_run_ends_in_the_same_log_and_delivery_reports(run: dict[str, Any]) -> None:
    """producer:11."""
    cluster = rerun(run)
    log = [("w" if batch.lo == 0 else str(batch.lo - 1), batch.epoch, batch.seq) for batch in cluster.logs[0]]
    assert log == [(value, epoch, seq) for _, value, _, epoch, seq in run["log"]]
    reports = [[str(at - 1), "ok" if code == 0 else ErrorCode(code).name] for at, code in cluster.reports() if at]
    assert reports == run["callbacks"]


@pytest.mark.parametrize("run", [run for run in LIBRDKAFKA if "wire" in run], ids=lambda run: run["id"])
def test_a_recorded_run_has_the_same_order_on_the_wire(run: dict[str, Any]) -> None:
    """producer:11: values, connections in order of appearance, epochs and sequences."""
    attempts = rerun(run).attempts()
    connections = list(dict.fromkeys(row.conn for row in attempts))
    wire = [[str(row.lo - 1), connections.index(row.conn) + 1, row.epoch, row.seq] for row in attempts if row.lo]
    assert wire == run["wire"]
