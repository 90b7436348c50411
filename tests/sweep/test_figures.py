"""Figures of a sweep draw the rates of the frame with their intervals, and refuse to mix what they do not show."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import figures_sweep as figures
from analysis.cli.plot import figure_of
from analysis.cli.rates import rate_words
from analysis.figure_words import behind_points, in_flight_answer
from analysis.figures_sweep import KINDS
from analysis.statistics import ratio, wilson
from analysis.sweep import sweep
from analysis.sweep.measure import COLUMNS, EXTENTS
from sim import simulate
from sim.errors import InputError
from sim.scenario import load, with_overrides
from tests.cli.conftest import Said, korder  # noqa: F401
from tests.sweep.conftest import VARY

SEEDS = 20
WINDOW = "max.in.flight.requests.per.connection"


def frame_of(counts: Callable[[dict[str, Any], int], dict[str, Any]], **axes: list[Any]) -> pd.DataFrame:
    """A row a cell and seed: 1,000 records, and what *counts* says."""
    rows = []
    for values in product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        for seed in range(SEEDS):
            plain = {name: 0 for name in COLUMNS} | {"seed": seed, "counted": 1000, "counted_acked": 1000}
            plain |= {"fault_strikes": 2, "ack_p99_us": 5000.0, "acked_per_s": 500.0}
            rows.append({**plain, **cell, **counts(cell, seed)})
    return pd.DataFrame(rows)


def in_flight() -> pd.DataFrame:
    """k - 1 late in every second seed without idempotence, none with it."""
    return frame_of(
        lambda cell, seed: {"late": (cell[WINDOW] - 1) * (seed % 2) * (not cell["enable.idempotence"])},
        **{WINDOW: [1, 2, 5], "enable.idempotence": [False, True]},
    )


def axes_of(draw: Callable[..., Axes], frame: pd.DataFrame, **options: Any) -> Axes:
    return draw(frame, Figure().subplots(), **options)


def lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    found = (line for line in axes.get_lines() if not str(line.get_label()).startswith("_"))
    return {str(one.get_label()): list(zip(one.get_xdata(), one.get_ydata(), strict=True)) for one in found}


def test_reorder_rates_over_requests_in_flight_with_and_without_idempotence() -> None:
    axes = axes_of(figures.reorder_by_in_flight, in_flight())

    assert lines(axes) == {
        "without idempotence": [(1, 0), (2, pytest.approx(0.05)), (5, pytest.approx(0.2))],
        "with idempotence": [(1, 0), (2, 0), (5, 0)],
    }
    assert (axes.get_xlabel(), axes.get_ylabel()) == (WINDOW, "Records out of order (%)")


def test_intervals_are_drawn_and_what_was_never_seen_is_hollow() -> None:
    axes = axes_of(figures.reorder_by_in_flight, in_flight())

    bars = [tuple(part.vertices[:, 1]) for one in axes.collections for part in one.get_paths()]
    truth = ratio([4 * (seed % 2) for seed in range(SEEDS)], [1000] * SEEDS)
    assert any(low == pytest.approx(100 * truth.low) and high == pytest.approx(100 * truth.high) for low, high in bars)
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 4  # three with idempotence, and one request in flight without
    note = axes.figure.get_supxlabel()
    assert "20 seeds, 20,000 records, 40 faults" in note and "at most 14 % of seeds" in note  # 1 - 0.05 ** (1/20)


def test_no_bar_lifts_the_axis_above_all_records_or_far_above_what_was_seen() -> None:
    """One seed of four: its bar ends at the bound of seeds (Wilson's of 1 in 4), however few records are late."""

    def drawn(late: int, clients: list[str]) -> Any:
        grid = {CLIENT: clients, "enable.idempotence": [False, True], WINDOW: [1, 2, 5]}
        frame = frame_of(lambda cell, seed: {"late": late * (seed == 0 and not cell["enable.idempotence"])}, **grid)
        return axes_of(figures.reorder_by_in_flight, frame[frame["seed"] < 4])

    few = drawn(40, ["java", "librdkafka"])  # 1 % in all
    assert few.get_ylim() == (0, pytest.approx(4))
    assert f"bars cut off: up to {100 * wilson(1, 4).high:.2g} %" in few.figure.get_supxlabel()
    assert lines(few)["java, without idempotence"] == [(k, pytest.approx(1)) for k in (1, 2, 5)]
    many = drawn(1000, ["java", "librdkafka"])  # 25 %: bars to 70 %, and a legend that has no room above them
    assert 70 < many.get_ylim()[1] <= 100
    assert "cut off" not in many.figure.get_supxlabel()


def test_the_axes_of_the_trade_off_have_no_offset() -> None:
    frame = in_flight()
    frame["acked_per_s"] = 49.5 + frame["seed"] * 1e-5

    figure = figure_of(frame, "trade-off", {})

    assert [axes.xaxis.get_major_formatter().get_offset() for axes in figure.axes] == ["", ""]


def test_duplicates_over_the_rate_of_a_fault_in_faults_a_minute() -> None:
    frame = frame_of(
        lambda cell, seed: {"doubled": {"6/min": 1, "0.4/s": 4}[cell["faults[0].rate"]] * (1 + seed % 2)},
        **{"faults[0].rate": ["6/min", "0.4/s"]},
    )  # fmt: skip

    axes = axes_of(figures.duplicates_by_fault_rate, frame)

    (points,) = [list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in axes.get_lines()[:1]]
    assert points == [(6, pytest.approx(0.15)), (24, pytest.approx(0.6))]
    assert axes.get_xlabel() == "Faults a minute" and axes.get_ylabel() == "Records stored twice (%)"


def test_the_extent_distribution_leaves_out_what_few_seeds_show() -> None:
    shown = {f"extent_ge_{n}": 10 // n for n in EXTENTS}
    frame = frame_of(
        lambda cell, seed: {**shown, "extent_ge_4": 10 * (seed < 4), "extent_ge_8": 0} | {"late": seed % 3},
        **{"acks": ["1", "all"]},
    )  # fmt: skip

    axes = axes_of(figures.extent_distribution, frame)

    drawn = lines(axes)
    assert list(drawn) == ["acks=1", "acks=all"]
    assert drawn["acks=1"] == [(1, pytest.approx(1.0)), (2, pytest.approx(0.5))]
    with pytest.raises(InputError, match="show late records"):
        axes_of(figures.extent_distribution, frame_of(lambda *_: {}, acks=["1", "all"]))


def test_a_heat_map_has_a_field_for_every_pair_with_its_rate() -> None:
    axes = axes_of(figures.heat_map, in_flight())

    assert axes.images[0].get_array().tolist() == [[0, 0], [pytest.approx(0.05), 0], [pytest.approx(0.2), 0]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["false", "true"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "2", "5"]
    assert any("0.2" in text.get_text() for text in axes.texts)


def test_heat_map_axes_go_by_size_not_by_spelling() -> None:
    frame = frame_of(lambda *_: {}, **{"network.latency.median": ["10ms", "900us", "2s"], "linger.ms": [10, 9]})

    axes = axes_of(figures.heat_map, frame, x="network.latency.median", y="linger.ms")

    assert [text.get_text() for text in axes.get_xticklabels()] == ["900us", "10ms", "2s"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["9", "10"]


def test_the_trade_off_shows_order_against_time_and_throughput() -> None:
    frame = in_flight()
    frame["ack_p99_us"] = 20_000.0 / frame["max.in.flight.requests.per.connection"] + frame["seed"] * 10
    frame = frame[["cell", *(name for name in frame.columns if name != "cell")]]
    frame = frame.rename(columns={"enable.idempotence": "b", "max.in.flight.requests.per.connection": "a"})
    frame = frame[[*(name for name in frame.columns if name not in "ab"), "b", "a"]]

    axes = axes_of(figures.trade_off, frame)

    drawn = [pytest.approx(point) for point in ((20.095, 0), (10.095, 0.05), (4.095, 0.2))]
    assert lines(axes)["b=false"] == drawn
    assert axes.get_xlabel() == "Time to acknowledgement, p99 (ms)"
    assert {text.get_text() for text in axes.texts} == {"1", "2", "5"}


def test_loss_has_a_group_for_every_acks() -> None:
    frame = frame_of(
        lambda cell, seed: {"lost": {"0": 50, "1": seed % 2, "all": 0}[cell["acks"]]},
        **{"acks": ["all", "0", "1"], "min.insync.replicas": [1, 2]},
    )  # fmt: skip

    axes = axes_of(figures.loss_by_acks, frame)

    assert [text.get_text() for text in axes.get_xticklabels()] == ["acks=0", "acks=1", "acks=all"]
    assert [bar.get_height() for bar in axes.patches] == [pytest.approx(x) for x in (5, 0.05, 0, 5, 0.05, 0)]
    assert axes.get_yscale() == "symlog"  # 5 and 0.05 on one axis


@pytest.mark.parametrize("kind", ["in-flight", "fault-rate", "loss"])
def test_a_figure_does_not_mix_what_else_varies(kind: str) -> None:
    frame = frame_of(
        lambda *_: {},
        **{"max.in.flight.requests.per.connection": [1, 2], "faults[0].rate": ["1/s", "2/s"], "acks": ["0", "1"],
           "linger.ms": [0, 5]},
    )  # fmt: skip
    if kind == "fault-rate":  # draws a line for each of the others
        assert len(lines(figure_of(frame, kind, {}).axes[0])) == 8
        return
    with pytest.raises(InputError, match="would mix .*linger.ms") as caught:
        figure_of(frame, kind, {})
    assert "--where" in caught.value.way_out


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("in-flight", "--vary max.in.flight"), ("fault-rate", "--vary faults"), ("loss", "--vary acks"),
        ("heat-map", "two options"),
    ],
)  # fmt: skip
def test_a_sweep_without_what_the_figure_shows_is_refused_with_the_way_out(kind: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        figure_of(frame_of(lambda *_: {}, **{"linger.ms": [0, 5]}), kind, {})

    assert words in str(caught.value)


def test_figures_have_the_width_of_a_paper_column() -> None:
    for kind, known in KINDS.items():
        if kind in ("in-flight", "heat-map"):
            assert figure_of(in_flight(), kind, {}).get_size_inches().tolist() == [3.3 * len(known.panels), 2.5]


@pytest.mark.parametrize(("name", "start"), [("f.png", b"\x89PNG"), ("f.pdf", b"%PDF"), ("f.svg", b"<?xml")])
def test_plot_writes_the_figure_of_a_kept_sweep(
    korder: Callable[..., Said], small: Path, tmp_path: Path, name: str, start: bytes,  # noqa: F811
) -> None:  # fmt: skip
    sweep(small, VARY, seeds=range(4), jobs=1, out=tmp_path / "out")

    said = korder("plot", tmp_path / "out", "in-flight", "--out", tmp_path / name)

    assert said.status == 0 and said.out.splitlines()[-1] == f"wrote {tmp_path / name}"
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["inflight"], "did you mean in-flight"),
        (["in-flight", "--out", "f.gif"], ".png, .pdf or .svg"),
        (["in-flight", "--measure", "late"], "no meaning for in-flight"),
        (["in-flight", "--group", "ledger"], "no meaning for in-flight"),
        (["rebalance-timeline"], "is a sweep, and this figure is one of a single run"),
        (["heat-map", "--measure", "lat"], "did you mean late"),
        (["heat-map", "--x", "acks", "--y", "b"], "would mix"),
        (["in-flight", "--where", "enable.idempotence=maybe"], "it has false or true"),
        (["in-flight", "--where", "acks=1"], "it varies"),
    ],
)
def test_a_wrong_wish_for_a_figure_is_one_line(
    korder: Callable[..., Said], small: Path, tmp_path: Path, more: list[str], words: str,  # noqa: F811
) -> None:  # fmt: skip
    sweep(small, VARY, seeds=range(2), jobs=1, out=tmp_path / "out")

    said = korder("plot", tmp_path / "out", *more)

    assert said.status == 2 and said.out == "" and words in said.err and "Traceback" not in said.err


def test_what_is_no_table_is_refused(korder: Callable[..., Said], tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "x.parquet").write_text("no")

    for name, words in (("none", "no such file"), ("", "holds no sweep"), ("x.parquet", "cannot be read")):
        said = korder("plot", tmp_path / name, "in-flight")
        assert said.status == 2 and words in said.err


# --- the figure in words ----------------------------------------------------------------------------------------------
CLIENT = "producers.shop.client"


def both_clients() -> pd.DataFrame:
    """Without idempotence java has k - 1 late in every second seed, librdkafka one in every fourth, also at k = 1."""

    def counts(cell: dict[str, Any], seed: int) -> dict[str, Any]:
        if cell["enable.idempotence"]:
            return {"late": 0}
        return {"late": (cell[WINDOW] - 1) * (seed % 2) if cell[CLIENT] == "java" else int(seed % 4 == 0)}

    return frame_of(counts, **{CLIENT: ["java", "librdkafka"], "enable.idempotence": [False, True], WINDOW: [1, 2, 5]})


def test_an_unknown_figure_is_told_before_anything_is_read(
    korder: Callable[..., Said], tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    said = korder("plot", tmp_path / "none", "in-fligt")
    assert (said.status, said.err) == (
        2, "korder: KIND: 'in-fligt' is not a figure; did you mean in-flight?\n",
    )  # fmt: skip


def test_the_answer_of_the_headline_figure_says_each_line_and_what_follows() -> None:
    words = in_flight_answer(both_clients())

    assert len(words) == 5
    none = "none of 20,000 records late with 1 in flight (at most in 13.9 % of seeds each)"
    assert words[0].startswith(f"java, without idempotence: {none}, ")
    five, two = (ratio([k * (seed % 2) for seed in range(SEEDS)], [1000] * SEEDS) for k in (4, 1))
    assert f"{rate_words(two)} with 2, {rate_words(five)} with 5; 5 against 2: +0.15 % (" in words[0]
    assert words[1].startswith("java, with idempotence: none of 60,000 records late with 1, 2 or 5 in flight")
    assert words[4] == (
        "With idempotence no record was late, whatever the number of requests in flight; without it, in java, only one "
        "request in flight kept the order; without it, in librdkafka, not even one request in flight kept the order."
    )


def test_the_answer_does_not_say_more_than_was_seen() -> None:
    none = in_flight_answer(frame_of(lambda *_: {}, **{WINDOW: [1, 2], "enable.idempotence": [False, True]}))
    assert none[-1].endswith("without it none was late either under these failures.")
    some = in_flight_answer(frame_of(lambda *_: {"late": 1}, **{WINDOW: [2, 5], "enable.idempotence": [False, True]}))
    assert some[-1].startswith("With idempotence records were late too") and some[-1].endswith("without it some were.")
    assert len(in_flight_answer(frame_of(lambda *_: {}, **{WINDOW: [1, 2]}))) == 1  # nothing to compare with
    chance = frame_of(lambda cell, seed: {"late": seed * (cell[WINDOW] != seed % 3)}, **{WINDOW: [1, 2]})
    assert "which may be chance" in in_flight_answer(chance)[0]


def test_the_answer_names_every_window_that_kept_the_order() -> None:
    def late_from(window: int) -> str:
        grid = {WINDOW: [1, 2, 3, 5], "enable.idempotence": [False, True]}
        late = frame_of(lambda cell, _: {"late": cell[WINDOW] >= window and not cell["enable.idempotence"]}, **grid)
        return in_flight_answer(late)[-1].partition("; ")[2]

    assert late_from(2) == "without it only one request in flight kept the order."
    assert late_from(3) == "without it only 1 or 2 requests in flight kept the order."
    assert late_from(5) == "without it only 1 to 3 requests in flight kept the order."


def test_behind_every_point_are_its_seeds_records_and_faults() -> None:
    header, rows = behind_points(in_flight(), "late")

    assert header == [WINDOW, "enable.idempotence", "seeds", "records", "faults", "late", "rate"]
    assert rows[0] == ["1", "false", "20", "20,000", "40", "0", "0 (up to 13.9 %)"]  # 1 - 0.05 ** (1/20)
    assert rows[4][:6] == ["5", "false", "20", "20,000", "40", "40"] and len(rows) == 6


def test_lines_of_two_clients_stand_side_by_side_with_their_data_as_they_are() -> None:
    figure = figure_of(both_clients(), "in-flight", {})
    axes = figure.axes[0]

    drawn = lines(axes)
    assert list(drawn) == [f"{c}, {w} idempotence" for c in ("java", "librdkafka") for w in ("without", "with")]
    assert [x for x, _ in drawn["librdkafka, with idempotence"]] == [1, 2, 5]
    places = [line.get_transform().transform((2, 0))[0] for line in axes.get_lines() if line.get_label() in drawn]
    apart = figures.SIDE_POINTS / 72 * figure.dpi
    assert [b - a for a, b in zip(places, places[1:], strict=False)] == pytest.approx([apart] * 3)


# --- a group in time --------------------------------------------------------------------------------------------------
def test_the_rebalance_timeline_is_drawn_from_a_run(
    korder: Callable[..., Said], tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    trace = simulate(with_overrides(load("group_rebalance_reread"), ["run=9s", "consumers.newcomer.start=5s"]), 0)
    trace.save(tmp_path / "run")

    said = korder("plot", tmp_path / "run", "rebalance-timeline", "--window", "5s..9s", "--out", tmp_path / "g.png")
    assert (said.status, said.out) == (0, f"wrote {tmp_path / 'g.png'}\n")
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")

    for more, words in (
        (("--group", "ledgr"), "known: ledger"), (("--window", "3s"), "write --window 10s..20s"),
        (("--window", "3s..1s"), "ends before it begins"), (("--window", "100s..200s"), "nothing is told any more"),
        (("--measure", "late"), "no meaning for rebalance-timeline"),
        (("--where", "a=1"), "no meaning for rebalance-timeline"),
    ):  # fmt: skip
        said = korder("plot", tmp_path / "run", "rebalance-timeline", *more)
        assert said.status == 2 and said.out == "" and words in said.err and "Traceback" not in said.err
    assert "korder run FILE --out DIR" in korder("plot", tmp_path / "none", "rebalance-timeline").err
