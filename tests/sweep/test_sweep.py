"""A sweep's table: tidy, documented, paired, the same bytes however it was made."""

from __future__ import annotations

import gc
import json
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from analysis import judge
from analysis.finding import CLASSES
from analysis.sweep import run, sweep
from analysis.sweep.grid import cells_of, grid_of
from analysis.sweep.looks import Until, looks_of, until_of
from analysis.sweep.measure import COLUMNS, SCHEMA_VERSION, row_of
from analysis.sweep.store import read_header, read_table
from sim import simulate
from sim.errors import InputError, LawBroken
from sim.protocol.rows import Kind
from sim.scenario import compile_plan, load, with_overrides
from sim.world.faults import strike_times
from sim.world.links import Link
from tests.sweep.conftest import VARY

TELLING = (
    "acks_0_leader_crash", "acks_1_leader_crash", "connection_loss_java", "hole_application_resend", "unclean_election",
    "connection_loss_idempotent", "lost_response_duplicates", "refused_batch_overtaken", "zombie_request",
)  # fmt: skip


def test_every_row_is_the_run_that_its_line_names(small: Path) -> None:
    """Cell by cell and seed by seed the same digest and the same counts as a run on its own."""
    found = sweep(small, VARY, seeds=range(3), jobs=1)

    frame = found.frame
    assert list(zip(frame["cell"], frame["seed"], strict=True)) == [(c, s) for c in range(4) for s in range(3)]
    for row in frame.to_dict("records"):
        trace = simulate(with_overrides(load(small), found.cells[row["cell"]].settings), row["seed"])
        assert row["digest"] == trace.digest()
        assert row["append-reorder"] == judge(trace).counts["append-reorder"]
        told = (row["max.in.flight.requests.per.connection"], row["enable.idempotence"])
        assert told == found.cells[row["cell"]].values


def test_rates_of_records_are_the_counts_of_their_findings() -> None:
    """Without a warm-up, late is append-reorder, doubled is duplicate-append, lost is lost-acked."""
    seen = dict.fromkeys(("late", "doubled", "lost"), 0)
    for name in TELLING:
        row = row_of(simulate(name, 1), 0, 0)
        for mine, finding in (("late", "append-reorder"), ("doubled", "duplicate-append"), ("lost", "lost-acked")):
            assert row[finding] is None or row[mine] == row[finding], name
            seen[mine] += bool(row[mine])
        assert row["extent_ge_1"] == row["late"] and row["extent_ge_1024"] <= row["extent_ge_2"] <= row["late"]
    assert min(seen.values()) > 1  # or the comparison would say nothing


def test_the_warm_up_leaves_out_what_was_sent_before_it(small: Path) -> None:
    trace = simulate(load(small), 0)

    whole, cut, none = (row_of(trace, 0, us) for us in (0, 1_000_000, 10_000_000))

    assert (whole["counted"], cut["counted"], none["counted"]) == (100, 50, 0)
    assert whole["late"] >= cut["late"] and whole["append-reorder"] == cut["append-reorder"]
    assert none["ack_p50_us"] is None and none["late"] == none["max_extent"] == 0


def test_times_are_those_of_the_trace(small: Path) -> None:
    trace = simulate(load(small), 0)
    columns = (trace.sends[name] for name in ("prod", "lane", "t_us"))
    sent = {(int(p), int(lane)): int(t) for p, lane, t in zip(*columns, strict=True)}
    waits = sorted(
        int(one["t_us"]) - sent[one["prod"], at]
        for one in trace.rows(Kind.ACK)
        for at in range(one["lo"], one["hi"])
    )

    row = row_of(trace, 0, 0)

    assert row["ack_p50_us"] == waits[len(waits) // 2 - 1] and row["ack_mean_us"] == sum(waits) / len(waits)
    assert row["ack_p99_us"] == waits[-(-99 * len(waits) // 100) - 1]


# --- pairing ----------------------------------------------------------------------------------------------------------
def test_all_cells_of_a_seed_meet_the_same_faults_and_the_same_latencies(small: Path) -> None:
    """Over producer options: the times at which faults strike, and every link's latency at every millisecond."""
    cells = cells_of(load(small), grid_of([*VARY, "linger.ms=0,10"]))
    plans = [compile_plan(scenario) for _, scenario in cells]
    first = plans[0]
    assert len(plans) == 8 and strike_times(first.actions[0], 3, first.run_us)

    for plan in plans[1:]:
        assert [strike_times(one, 3, plan.run_us) for one in plan.actions] == [
            strike_times(one, 3, first.run_us) for one in first.actions
        ]
        for name in first.links:
            mine, other = (Link(3, name, one.links[name]) for one in (plan, first))
            assert [mine.latency_us(t) for t in range(0, 2_000_000, 1000)] == [
                other.latency_us(t) for t in range(0, 2_000_000, 1000)
            ]


def test_in_the_traces_too_faults_strike_all_cells_at_the_same_moments(small: Path) -> None:
    times = []
    for _, scenario in cells_of(load(small), grid_of(VARY)):
        trace = simulate(scenario, 3)
        times.append(np.unique(trace.events["t_us"][trace.events["kind"] == Kind.FAULT]).tolist())
        assert row_of(trace, 0, 0)["fault_strikes"] == len(times[-1])

    assert times[0] and all(one == times[0] for one in times)


# --- the table --------------------------------------------------------------------------------------------------------
def test_the_schema_is_what_the_documentation_says(small: Path, tmp_path: Path) -> None:
    sweep(small, VARY, seeds=range(2), jobs=1, out=tmp_path / "out")
    table = read_table(tmp_path / "out")

    names = [*list(COLUMNS)[:1], "max.in.flight.requests.per.connection", "enable.idempotence", *list(COLUMNS)[1:]]
    assert table.column_names == names
    kinds = {"int": "int64", "float": "double", "text": "string", "bool": "bool"}
    assert all(str(table.schema.field(name).type) == kinds[meaning.kind] for name, meaning in COLUMNS.items())
    may_be_null = {name for name, meaning in COLUMNS.items() if meaning.null}
    assert {name for name in COLUMNS if table.column(name).null_count} <= may_be_null
    assert set(CLASSES) <= set(COLUMNS) and SCHEMA_VERSION == 2


def test_the_header_says_enough_to_repeat_the_sweep(small: Path, tmp_path: Path) -> None:
    sweep(small, VARY, seeds=range(2), jobs=1, out=tmp_path / "out", overrides=["run=1s"])
    header = read_header(read_table(tmp_path / "out").schema)
    (tmp_path / "again.yaml").write_text(header["source"])

    vary = [f"{key}={','.join(values)}" for key, values in header["vary"].items()]
    sweep(tmp_path / "again.yaml", vary, seeds=range(2), jobs=1, out=tmp_path / "again")

    assert header["seeds"] == "0..1" and header["schema"] == 2
    a, b = (read_table(tmp_path / name) for name in ("out", "again"))
    assert a.equals(b)


@pytest.mark.parametrize(("jobs", "name", "block"), [(2, "process", 2), (2, "thread", 3), (1, "process", 64)])
def test_jobs_executor_and_blocks_change_no_byte(
    small: Path, tmp_path: Path, jobs: int, name: str, block: int
) -> None:
    sweep(small, VARY[1:], seeds=range(5), jobs=1, out=tmp_path / "a", block=1)
    sweep(small, VARY[1:], seeds=range(5), jobs=jobs, executor_name=name, out=tmp_path / "b", block=block)

    for file in ("sweep.parquet", "summary.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_summary_is_documented_json_with_an_interval_a_row(small: Path, tmp_path: Path) -> None:
    found = sweep(small, VARY[1:], seeds=range(4), jobs=1, out=tmp_path / "out")

    told = json.loads((tmp_path / "out" / "summary.json").read_text())

    assert told["format"] == 1 and told["sweep"] == found.summary.header
    keys = {"cell", "values", "measure", "kind", "seeds", "estimate", "low", "high", "note"}
    assert all(set(row) == keys for row in told["rows"])
    assert {row["kind"] for row in told["rows"]} == {"rate", "share", "median"}
    late = [row for row in told["rows"] if row["measure"] == "late"]
    frame = found.frame[~found.frame["enable.idempotence"]]
    assert late[0]["values"] == {"enable.idempotence": False}
    assert late[0]["estimate"] == float(f"{frame['late'].sum() / frame['counted'].sum():.6g}")
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in told["rows"])


def test_the_parent_keeps_no_rows(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the runs, the same memory, but for a few words a run (a position in a list of blocks)."""
    row = row_of(simulate(load(small), 0), 0, 0)
    monkeypatch.setattr(run, "_one_run", lambda scenario, seed, cell, *_: {**row, "seed": seed, "cell": cell})

    def peak(runs: int) -> int:
        gc.collect()
        tracemalloc.start()
        run.sweep(small, [], seeds=range(runs), jobs=1, out=tmp_path / f"{runs}", block=64)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(640)  # imports and caches
    few, many = peak(2_560), peak(6_400)
    assert many - few < 3_840 * 150


# --- until the interval is narrow -------------------------------------------------------------------------------------
def test_looks_are_fixed_beforehand_and_double() -> None:
    looks = [(0, 50), (50, 100), (100, 200), (200, 400), (400, 800), (800, 1000)]
    assert list(looks_of(1000, Until("late", 0.1))) == looks
    assert list(looks_of(30, Until("late", 0.1))) == [(0, 30)]
    assert list(looks_of(1000, None)) == [(0, 1000)]


def test_seeds_are_added_until_every_interval_is_narrow_enough(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten in a thousand late in every other seed: the half-width falls as 1/sqrt(seeds)."""
    row = row_of(simulate(load(small), 0), 0, 0) | {"counted": 1000}
    late = {"late": 0}
    monkeypatch.setattr(
        run, "_one_run",
        lambda scenario, seed, cell, *_: {**row, **late, "late": 20 * (seed % 2), "seed": seed, "cell": cell},
    )  # fmt: skip

    found = run.sweep(small, [], seeds=range(1000), jobs=1, until=Until("late", 0.0045))

    assert found.table.num_rows == 100  # 2 * 1.99 * 0.01 / sqrt(n - 1): 0.0057 with 50, 0.0040 with 100
    assert found.summary.of("late")[0].interval.width < 0.0045


def test_a_measure_that_is_no_rate_has_no_width() -> None:
    with pytest.raises(InputError, match="did you mean late"):
        until_of(0.1, "lat")
    with pytest.raises(InputError, match="not a width"):
        until_of(1.5, "late")


# --- what goes wrong --------------------------------------------------------------------------------------------------
def test_a_broken_law_names_cell_and_seed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_scenario: object, seed: int, **_options: object) -> None:
        raise LawBroken("INV-4", "9 is above 1", f"seed {seed}, event 3, 1.0 s. Again: korder run FILE --seed {seed}")

    monkeypatch.setattr("sim.run.simulate", broken)

    with pytest.raises(LawBroken) as caught:
        sweep(small, ["acks=1"], seeds=range(7, 9), jobs=1, overrides=["linger.ms=3"])

    assert caught.value.context.endswith("--seed 7 --set linger.ms=3 --set acks=1 --check-laws")


def test_a_worker_with_another_korder_is_refused(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter(["1.0", "1.0", "0.9"])
    monkeypatch.setattr(run, "_korder", lambda: next(told, "0.9"))

    with pytest.raises(InputError, match="a worker has korder 0.9, not 1.0"):
        sweep(small, [], seeds=range(2), jobs=1)


def test_a_warm_up_as_long_as_the_run_is_refused(small: Path) -> None:
    with pytest.raises(InputError, match="leaves nothing"):
        sweep(small, [], seeds=range(2), jobs=1, warm_up_us=2_000_000)


@pytest.mark.parametrize(
    ("name", "words"),
    [("proces", "did you mean process"), ("json:loads", "cannot be made"), ("json:JSONDecoder", "is not a concurrent")],
)
def test_what_is_no_executor_is_refused(small: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sweep(small, [], seeds=range(2), jobs=2, executor_name=name)


def test_any_executor_of_concurrent_futures_serves(small: Path) -> None:
    own = sweep(small, [], seeds=range(2), jobs=2, executor_name="concurrent.futures:ThreadPoolExecutor")

    assert own.table.equals(sweep(small, [], seeds=range(2), jobs=1).table)
    assert np.asarray(own.table.column("seed")).tolist() == [0, 1]


def test_the_measures_of_sorting_are_those_of_the_log() -> None:
    """By hand: T1 T2 T3 T8 T7 T6 T5 T4 T9 T10. Five records in reverse are ten pairs, and four of them have to move."""
    row = row_of(simulate("ten_records", 0), 0, 0)

    assert (row["inversions"], row["rem"], row["descents"]) == (10, 4, 4)
    assert (row["footrule"], row["max_displacement"], row["dis"]) == (4 + 2 + 0 + 2 + 4, 4, 4)
    assert row["kendall_tau"] == float(1 - Fraction(4 * 10, 10 * 9))
