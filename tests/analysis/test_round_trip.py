"""A trace and its export to the exchange format get the same verdict: runs of records and single records agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.jsonl.read import read_jsonl
from analysis.jsonl.write import write_jsonl
from analysis.verdict import Verdict, judge
from sim.run import simulate
from sim.scenario import load
from sim.trace import Trace
from tests.analysis.batch_chaos import BatchChaos

SCENARIO = """
title: A batch is refused, an answer is lost, a leader dies
run: 6s
settle: 15s
brokers: {count: 3}
topics:
  orders: {partitions: 2, replication.factor: 3, config: {min.insync.replicas: 2}}
producers:
  app:
    client: java
    config: {acks: all, enable.idempotence: false, max.in.flight.requests.per.connection: 5, batch.size: 1}
    workload: {topic: orders, rate: 200/s, keys: {count: 6}, value.bytes: 100}
consumers:
  reader: {topics: [orders], config: {auto.offset.reset: earliest}}
network: {latency: {distribution: constant, value: 10ms}}
faults:
  - {do: answer_error, error: NOT_ENOUGH_REPLICAS, producer: app, partition: orders-0, nth: 20}
  - {do: drop_response, producer: app, partition: orders-1, nth: 60}
  - {at: 3s, kill: leader of orders-0, restart_after: 3s}
"""


def plain(verdict: Verdict) -> dict[str, Any]:
    """Without what the exchange format does not tell: sizes; and with events by their rows."""
    told = verdict.to_json()
    del told["verdict"], told["reasons"]  # a history knows nothing of settling
    for measures in told["measures"].values():
        measures["byte_offset"] = None
    for finding in told["findings"].values():
        finding["witnesses"] = sorted((_canonical(witness) for witness in finding["witnesses"]), key=repr)
    return told


def _canonical(x: Any, name: str = "") -> Any:
    """Events by their rows; lists without order, as it follows the codes of names."""
    if isinstance(x, dict):
        return {key: _canonical(value, key) for key, value in x.items()}
    if isinstance(x, list):
        return sorted((_canonical(one, name) for one in x), key=repr)
    return _row(x) if name in ("event", "events", "acked", "sent") else x


def _row(event: Any) -> int:
    return int(str(event).split(".")[0])


def assert_same(trace: Trace, folder: Path) -> Verdict:
    path = write_jsonl(trace, folder / "trace.jsonl")
    ours, theirs = judge(trace), judge(path)
    a, b = plain(ours), plain(theirs)
    for name, finding in a["findings"].items():
        if name in BY_SEND_ROW:
            finding["witnesses"] = b["findings"][name]["witnesses"] = []  # a send has no row of its own in a trace
        assert finding == b["findings"][name], name
    assert a["measures"] == b["measures"]
    return ours


BY_SEND_ROW = ("realtime-inversion",)


def test_a_simulated_run_gets_the_same_verdict_from_its_export(tmp_path):
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    trace = simulate(load(file), 1)

    counts = assert_same(trace, tmp_path).counts
    assert counts["append-reorder"] > 0 and counts["duplicate-append"] > 0
    assert counts["offset-gap"] == counts["replica-divergence"] == 0


@settings(max_examples=120, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**9), length=st.integers(10, 150))
def test_random_batches_get_the_same_verdict_from_their_export(tmp_path_factory, seed, length):
    trace = BatchChaos(seed).trace(length)
    if not trace.event_count or not trace.send_count:
        return
    assert_same(trace, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_what_was_written_is_written_the_same_again(tmp_path, suffix):
    trace = BatchChaos(3).trace(80)
    once = write_jsonl(trace, tmp_path / f"once.jsonl{suffix}")
    again = write_jsonl(read_jsonl(once), tmp_path / f"again.jsonl{suffix}")

    a, b = (judge(path).to_json() for path in (once, again))
    assert a["measures"] == b["measures"]
    assert {n: f["count"] for n, f in a["findings"].items()} == {n: f["count"] for n, f in b["findings"].items()}


def test_an_export_that_fails_leaves_no_file(tmp_path, monkeypatch):
    trace = BatchChaos(3).trace(40)
    monkeypatch.setattr("analysis.jsonl.write.json.dumps", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        write_jsonl(trace, tmp_path / "trace.jsonl")
    assert list(tmp_path.iterdir()) == []


RESENT = """
title: The application sends again what was refused
run: 2s
settle: 10s
brokers: {count: 3}
topics:
  orders: {partitions: 1, replication.factor: 3, config: {min.insync.replicas: 2}}
producers:
  app:
    client: java
    config: {acks: all, enable.idempotence: false, retries: 0, batch.size: 1}
    resend.after.failure: 1
    workload: {topic: orders, rate: 100/s, value.bytes: 100}
consumers:
  reader: {topics: [orders], config: {auto.offset.reset: earliest}}
network: {latency: {distribution: constant, value: 10ms}}
faults:
  - {do: append_then_error, error: NOT_ENOUGH_REPLICAS_AFTER_APPEND, producer: app, partition: orders-0, nth: 10}
  - {do: answer_error, error: NOT_ENOUGH_REPLICAS, producer: app, partition: orders-0, nth: 20}
"""


def test_a_call_that_repeats_another_is_a_new_value_of_the_same_identity(tmp_path):
    """The tenth was stored and called failed, then sent again: two records of one identity. Repeats stand in time where
    they were called, so that nothing is late."""
    file = tmp_path / "scenario.yaml"
    file.write_text(RESENT, encoding="utf-8")
    verdict = assert_same(simulate(load(file), 0), tmp_path)
    doubled = verdict.findings["duplicate-append"]

    assert (verdict.counts["duplicate-append"], verdict.counts["append-reorder"]) == (1, 0)
    assert doubled.witnesses[0]["mechanism"] == "the application sent it again"
