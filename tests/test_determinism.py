"""Same scenario, same seed, same bytes: in another process, under another hash seed, on another machine.

The digests at the top are those of every machine; a change that moves one changes results, and says so in CHANGELOG.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sim.protocol.java_accumulator import Accumulator
from sim.protocol.java_intake import Intake
from sim.protocol.java_producer import JavaProducer
from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import Scenario, from_dict, load, with_overrides
from sim.trace import Trace, first_divergence

ROOT = Path(__file__).resolve().parent.parent
DIGESTS = ROOT / "tests" / "digests.json"


def scenario(client: str = "java", **config: Any) -> Scenario:
    """Everything that draws: jitter, sticky partitions, random keys and sizes, random faults, message faults."""
    return from_dict({
        "title": "determinism",
        "run": "12s",
        "settle": "20s",
        "brokers": {"count": 3, "config": {"broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500}},
        "topics": {"t": {"partitions": 3, "replication.factor": 3, "config": {"min.insync.replicas": 2}}},
        "producers": {
            "app": {
                "client": client,
                "config": {"acks": "all", "request.timeout.ms": 1500, **config},
                "workload": [
                    {
                        "topic": "t", "rate": "60/s", "arrivals": "poisson", "keys": {"count": 20, "skew": "zipf"},
                        "value.bytes": [10, 400],
                    },
                    {"topic": "t", "rate": "20/s"},
                ],
            },
        },
        "consumers": {"reader": {"topics": ["t"], "config": {"auto.offset.reset": "earliest"}}},
        "faults": [
            {"rate": "10/min", "kill": "leader of t-0", "restart_after": "2s"},
            {"rate": "20/min", "pause": "follower of t-1", "for": "800ms"},
            {"rate": "30/min", "reset": ["app", "brokers"]},
            {"rate": "20/min", "lossy": ["everybody", "brokers"], "for": "1s", "percent": "10%"},
            {"do": "drop_response", "producer": "app", "partition": "t-1", "nth": [3, 20]},
            {"do": "answer_error", "producer": "app", "partition": "t-2", "nth": 5, "error": "NOT_ENOUGH_REPLICAS"},
        ],
    })  # fmt: skip


def grouped(strategy: str = "CooperativeStickyAssignor", **config: Any) -> Scenario:
    """A classic group and what it draws: member ids, time and failures of the work, back-offs, random faults."""
    config = {
        "auto.offset.reset": "earliest", "session.timeout.ms": 1000, "heartbeat.interval.ms": 200,
        "max.poll.interval.ms": 1500, "max.poll.records": 20, "partition.assignment.strategy": strategy, **config,
    }  # fmt: skip
    return from_dict({
        "title": "determinism of groups",
        "run": "8s",
        "settle": "15s",
        "brokers": {"count": 3, "config": {
            "broker.session.timeout.ms": 1000, "broker.heartbeat.interval.ms": 200,
            "group.initial.rebalance.delay.ms": 100, "group.min.session.timeout.ms": 100,
        }},
        "topics": {"t": {"partitions": 5, "replication.factor": 3, "config": {"min.insync.replicas": 2}}},
        "producers": {"app": {"workload": {"topic": "t", "rate": "80/s", "keys": {"count": 20, "skew": "zipf"}}}},
        "consumers": {"g": {"topics": ["t"], "members": 3, "config": config, "processing": {
            "time": {"distribution": "exponential", "mean": "4ms"}, "commit": "after",
            "failure": {"percent": "2%", "then": "retry"},
        }}},
        "faults": [
            {"rate": "20/min", "kill": "g-1", "restart_after": "1s"},
            {"rate": "10/min", "pause": "g-2", "for": "1800ms"},
            {"rate": "10/min", "kill": "coordinator of g", "restart_after": "1s"},
            {"rate": "10/min", "cut": ["g-3", "coordinator of g"], "for": "700ms"},
        ],
    })  # fmt: skip


CASES: dict[str, dict[str, Any]] = {
    "java-idempotent": {"client": "java"},
    "java-plain": {"client": "java", "enable.idempotence": "false"},
    "librdkafka-idempotent": {"client": "librdkafka", "enable.idempotence": "true"},
    "librdkafka-plain": {"client": "librdkafka"},
    "group-classic": {},
}


def run(case: str, seed: int, **options: Any) -> Trace:
    made = grouped if case.startswith("group-") else scenario
    return simulate(made(**CASES[case]), seed, **options)


@cache
def known(case: str, seed: int) -> Trace:
    """A run that several tests look at."""
    return run(case, seed)


@pytest.mark.parametrize("case", CASES)
def test_two_runs_of_one_seed_are_equal_and_two_seeds_are_not(case: str) -> None:
    one, two = known(case, 1), run(case, 1)
    assert first_divergence(one, two) is None
    assert one.digest() == two.digest() == one.header["digest"]
    assert known(case, 0).digest() != one.digest()


@pytest.mark.parametrize("case", CASES)
def test_digests_are_those_of_every_machine(case: str) -> None:
    digests = json.loads(DIGESTS.read_text(encoding="utf-8"))
    assert [known(case, seed).digest() for seed in range(2)] == digests[case]


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_with_another_hash_seed_gives_the_same_digest(hash_seed: str) -> None:
    asked = "from tests.test_determinism import CASES, run; print(*(run(case, 1).digest() for case in CASES))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert found.stdout.split() == [known(case, 1).digest() for case in CASES]


def test_a_saved_trace_keeps_its_digest(tmp_path: Path) -> None:
    trace = known("java-plain", 1)
    assert Trace.load(trace.save(tmp_path)).digest() == trace.header["digest"]


@pytest.mark.parametrize("case", ["java-plain", "group-classic"])
def test_shuffled_ties_are_reproducible_too(case: str) -> None:
    assert run(case, 1, tie_shuffle=9).digest() == run(case, 1, tie_shuffle=9).digest()


def test_what_a_group_has_processed_does_not_hang_on_the_order_of_equal_times() -> None:
    for ties in (None, 3, 9):
        trace = run("group-classic", 1, tie_shuffle=ties, check_laws=True)
        assert trace.header["settled"]
        ended = trace.rows(Kind.PROC_END)
        done = {(row["prod"], row["partition"], at) for row in ended for at in range(row["lo"], row["hi"])}
        columns = (trace.sends[name].tolist() for name in ("prod", "partition", "lane"))
        assert done == set(zip(*columns, strict=True))


@pytest.mark.parametrize(
    "config",
    [
        {"linger.ms": 0},
        {"enable.idempotence": "false", "linger.ms": 20, "batch.size": 500},
        {"enable.idempotence": "false", "acks": "0", "buffer.memory": 900, "batch.size": 300, "linger.ms": 40},
        {"enable.idempotence": "false", "max.in.flight.requests.per.connection": 1, "buffer.memory": 2000},
    ],
    ids=["no-linger", "small-batches", "no-acks-and-little-memory", "one-in-flight"],
)
def test_the_pass_that_a_java_sender_leaves_out_would_have_found_nothing(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Accumulator.rest_us`` stands for the pass behind a send; with every pass made, the trace is the same."""
    short = simulate(scenario(**config), 3)
    monkeypatch.setattr(Accumulator, "rest_us", lambda self: None)
    whole = simulate(scenario(**config), 3)
    assert first_divergence(short, whole) is None


@pytest.mark.parametrize("idempotence", ["false", "true"])
@pytest.mark.parametrize("window", [2, 5])  # with one, a sender that waits for an answer never rests
@pytest.mark.parametrize("linger_ms", [0, 20])
def test_the_pass_that_a_java_sender_leaves_out_behind_a_good_answer_would_have_found_nothing(
    idempotence: str, window: int, linger_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every such pass made the trace is the same, under connections that break and leaders that die."""
    keys = {
        "enable.idempotence": idempotence, "max.in.flight.requests.per.connection": window, "linger.ms": linger_ms,
    }  # fmt: skip
    known = load("in_flight_and_idempotence")
    chosen = with_overrides(known, ["run=4s", "settle=15s", *(f"{name}={value}" for name, value in keys.items())])
    passes: list[int] = []
    run_once = JavaProducer._run_once

    def counted(self: JavaProducer, now_us: int) -> None:
        passes[-1] += 1
        run_once(self, now_us)

    monkeypatch.setattr(JavaProducer, "_run_once", counted)
    traces = []
    for foreseen in (Intake.foreseen, property(lambda self: False)):
        monkeypatch.setattr(Intake, "foreseen", foreseen)
        passes.append(0)
        traces.append(simulate(chosen, 3))

    assert first_divergence(*traces) is None
    assert passes[0] < passes[1]


def test_with_and_without_idempotence_meet_the_same_sends_and_faults() -> None:
    """Principle 4: comparisons are paired."""
    one, two = known("java-idempotent", 1), known("java-plain", 1)
    assert calls(one) == calls(two)
    assert strikes(one) == strikes(two) and len(strikes(one)) > 5


def calls(trace: Trace) -> list[tuple[int, int]]:
    return list(zip(trace.sends["key"].tolist(), trace.sends["size"].tolist(), strict=True))


def strikes(trace: Trace) -> list[tuple[int, int]]:
    """When which random fault struck."""
    kinds, times, numbers = (trace.events[name].tolist() for name in ("kind", "t_us", "n"))
    return sorted({(t, n) for kind, t, n in zip(kinds, times, numbers, strict=True) if kind == 50 and n <= 3})


def main() -> None:
    """Write the digests anew: only where results were meant to change."""
    found = {case: [run(case, seed).digest() for seed in range(2)] for case in CASES}
    DIGESTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
