"""The benchmarks measure what they say. Bars themselves are not judged here: a busy machine would make them lie."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import simpy

from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import from_dict, load, with_overrides
from tests.benchmarks.bare_loop import EVENTS_PER_REQUEST, BareLoop
from tests.benchmarks.group_speed import GROUP, rebalanced
from tests.benchmarks.measured import Measured
from tests.benchmarks.parts import clocked, in_words
from tests.benchmarks.runs import acknowledged_records, delivered, produce_requests, simulated

HERE = Path(__file__).resolve().parent


def test_the_bare_loop_replicates_and_acknowledges_everything_in_order() -> None:
    loop = BareLoop(20)

    loop.run()

    assert loop.leader == loop.followers[0] == loop.followers[1] == list(range(19, -1, -1))
    assert loop.acked == list(range(20))  # offsets


def test_the_bare_loop_spends_six_kernel_events_on_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    step = simpy.Environment.step
    monkeypatch.setattr(simpy.Environment, "step", lambda env: (step(env), steps.append(1)))

    BareLoop(20).run()

    assert len(steps) == 20 * EVENTS_PER_REQUEST


@pytest.mark.parametrize("name", ["round_trips", "batched", "failover", "group"])
def test_the_scenario_of_each_benchmark_is_valid(name: str) -> None:
    assert load(HERE / f"{name}.yaml").brokers.count == 3


def test_round_trips_are_one_record_a_request_and_within_the_budget_of_kernel_events() -> None:
    run = simulated(HERE / "round_trips.yaml", "run=1s", "settle=5s")

    assert produce_requests(run.trace) == acknowledged_records(run.trace) == 1000
    assert run.kernel_events / 1000 <= 10


def test_the_batched_load_loses_nothing_to_its_failures() -> None:
    run = simulated(HERE / "batched.yaml", "producers.app.workload[0].rate=20000/s")

    assert acknowledged_records(run.trace) == run.trace.send_count == 80_000


def test_the_checked_failover_is_the_one_the_bar_names() -> None:
    scenario = load(HERE / "failover.yaml")

    assert (len(scenario.seeds), scenario.run) == (200, 30_000_000)
    assert with_overrides(scenario, []).producers["billing"].workload[0].rate == 500


def test_the_large_group_is_the_one_the_bar_names_and_reads_everything_within_its_budget_of_kernel_events() -> None:
    scenario = load(GROUP)
    run = simulated(GROUP, "producers.app.workload[0].rate=25000/s", "producers.app.workload[0].count=100000")
    records, batches = delivered(run.trace)

    assert (scenario.consumers["ledger"].members, scenario.topics["load"].partitions) == (20, 100)
    assert scenario.producers["app"].workload[0].count == 1_000_000
    assert records == run.trace.send_count == 100_000 and run.trace.header["settled"]
    assert run.kernel_events / batches <= 6


def test_each_death_makes_two_rebalances_and_the_parts_make_the_whole() -> None:
    with clocked() as spent:
        trace = simulate(from_dict(rebalanced(3)), 0)

    assert int((trace.events["kind"] == Kind.GENERATION).sum()) == 1 + 2 * 3  # the first is that of the group's begin
    assert {"members", "coordinator", "assignor", "producer"} < set(spent) and min(spent.values()) > 0
    assert in_words({"a": 1.0, "b": 3.0}) == "b 75 %, a 25 %"


@pytest.mark.parametrize(
    ("value", "more", "verdict"),
    [(2, True, "reached"), (1.9, True, "MISSED"), (2.1, False, "MISSED"), (None, True, "not measured")],
)
def test_a_bar_is_reached_or_missed_from_the_right_side(value: float | None, more: bool, verdict: str) -> None:
    assert Measured("x", value, "s", bar=2, more=more).verdict == verdict


@pytest.mark.parametrize("per_batch", [100, 1])
def test_histories_in_memory_have_the_faults_that_they_tell_of_and_no_others(per_batch: int) -> None:
    from analysis.verdict import judge
    from tests.benchmarks.histories import PARTITIONS, PRODUCERS, in_memory

    history = in_memory(24 * 600 * per_batch, per_batch, read=True)
    verdict = judge(history)
    lanes = PRODUCERS * PARTITIONS

    # Of a lane's 600 batches the 501st stands before the 500th, and the eighth is stored again at the end.
    assert verdict.counts["append-reorder"] == verdict.counts["duplicate-append"] == lanes * per_batch
    assert verdict.counts["offset-gap"] == verdict.counts["lost-acked"] == verdict.counts["replica-divergence"] == 0
    assert verdict.counts["unseen"] == 0 and len(history.values) == 24 * 600 * per_batch


def test_judging_and_reading_are_told_with_their_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.benchmarks import analysis_speed

    monkeypatch.setattr(analysis_speed, "LINES", 2000)
    judged = analysis_speed.judging(1, (10_000, 20_000))
    assert [one.bar for one in judged] == [2e6, 2, 0.5e6, 2] * 2
    assert all(one.value is not None and one.value > 0 for one in judged)
    rows = 3 if find_spec("orjson") else 1  # without the bench extra one row says what is missing
    assert [one.bar for one in analysis_speed.reading(1)] == [0.5] * rows


def test_a_measured_sweep_notes_every_run_and_what_handing_out_costs() -> None:
    from analysis.sweep import run
    from tests.benchmarks.sweeping import measured

    plain = run.run_block, run._one_run
    told = measured("thread", range(1), jobs=1, overrides=("run=1s", "settle=1s"))

    assert (run.run_block, run._one_run) == plain

    assert told["runs"] == 10 and 0 < told["inside"] < told["seconds"]
    assert told["overhead"] > 0 and told["start"] > 0


def test_rows_of_sweeps_have_the_bars_of_the_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.benchmarks import sweep_speed

    told = {"seconds": 200.0, "runs": 2000, "overhead": 0.04, "inside": 390.0, "start": 1.0, "few": 100, "many": 105}
    monkeypatch.setattr(sweep_speed, "_told", lambda *_: told)

    rows = sweep_speed.sweeps(1)

    assert [(one.bar, one.aim, one.more) for one in rows[:2]] == [(300, 180, False), (0.05, None, False)]
    assert [one.bar for one in rows[2:]] == [0.15, 1.15] and all(one.holds for one in rows)
    assert rows[3].value == 1.05
