"""Figures of a sweep: each a function from its frame (a row a run) and an Axes to the Axes.

Every point has its 95 % interval. Where nothing was seen the marker is hollow and stands at 0: the bound of seeds (rule
of three) is said in words, as a bar of it would hide every rate that was seen. A bar of few seeds does not set the axis
either: it leaves the figure, and the foot says how far it goes. Colours are those of Okabe and Ito; each line has a
marker and a dash of its own, so that nothing hangs on colour alone. Sizes are for a column of 3.3 inches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from analysis.statistics import Interval, median, ratio, rule_of_three
from analysis.sweep.measure import COLUMNS, EXTENTS, RATES
from sim import units
from sim.errors import InputError
from sim.wording import Wrong, did_you_mean, listed, shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "IDEMPOTENCE", "IN_FLIGHT", "KINDS", "PAPER", "Kind", "Point", "duplicates_by_fault_rate", "extent_distribution",
    "heat_map", "key_of", "label_of", "loss_by_acks", "parts_of", "points_of", "reorder_by_in_flight", "short_of",
    "trade_off", "varied",
]  # fmt: skip

IN_FLIGHT, IDEMPOTENCE = "max.in.flight.requests.per.connection", "enable.idempotence"
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS, DASHES, HATCHES = "osD^vPX", ("-", "--", "-.", ":"), ("", "///", "...", "xx")
WORDS = {"late": "Records out of order", "doubled": "Records stored twice", "lost": "Acknowledged records lost"}
FEW_SEEDS = 5
HIGHEST_BAR = 4.0  # times the largest rate; a longer bar leaves the figure
NONE_SEEN = "hollow: none seen (at most {bound:.2g} % of seeds)"
SIDE_POINTS = 4.0  # between the markers of several lines that have the same x
INK, GREY = "#1B1F24", "#6B747D"
PAPER: Any = {
    "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "lines.linewidth": 1.2, "lines.markersize": 4.5, "axes.linewidth": 0.6,
    "legend.frameon": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "axes.spines.top": False,
    "axes.spines.right": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """One cell: its values of the varied keys, and a rate."""

    values: Mapping[str, Any]
    interval: Interval
    frame: pd.DataFrame


def varied(frame: pd.DataFrame) -> list[str]:
    """The keys that the sweep varies and that have more than one value in *frame*."""
    return [name for name in frame.columns if name not in COLUMNS and frame[name].nunique() > 1]


# --- the figures ------------------------------------------------------------------------------------------------------
def reorder_by_in_flight(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Rate of late records against max.in.flight.requests.per.connection, a line with and one without idempotence."""
    x = key_of(frame, IN_FLIGHT)
    by = [key for key in varied(frame) if key.endswith((IDEMPOTENCE, "client"))]
    _lines(frame, axes, "late", x, by, float)
    axes.set_xlabel("max.in.flight.requests.per.connection")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return axes


def duplicates_by_fault_rate(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Rate of records that are stored twice against the rate of a random fault."""
    rates = [key for key in varied(frame) if key.startswith("faults[") and key.endswith(".rate")]
    if len(rates) != 1:
        way_out = "korder sweep FILE --vary faults[0].rate=1/min..32/min*2"
        raise InputError("fault-rate", "needs a sweep that varies one fault's rate", way_out)
    by = [key for key in varied(frame) if key != rates[0]]
    _lines(frame, axes, "doubled", rates[0], by, lambda rate: float(60 * units.rate_per_s(rate)))
    axes.set_xscale("log")
    ticks = sorted({float(60 * units.rate_per_s(rate)) for rate in frame[rates[0]]})
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("Faults a minute")
    return axes


def extent_distribution(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Share of records whose reordering extent (RFC 4737) is at least n, over n; a line a cell that has any.

    What fewer than :data:`FEW_SEEDS` seeds show has no interval worth the name and is left out.
    """
    drawn = 0
    for number, (values, part) in enumerate(parts_of(frame, varied(frame))):
        some = [n for n in EXTENTS if (part[f"extent_ge_{n}"] > 0).sum() >= FEW_SEEDS]
        if some:
            told = [ratio(part[f"extent_ge_{n}"], part["counted"]) for n in some]
            _line(axes, [n * 1.05**drawn for n in some], told, number, label_of(values))
            drawn += 1
    if not drawn:
        raise InputError("extent", f"no {FEW_SEEDS} seeds of a cell show late records", "sweep more seeds or failures")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("Reordering extent n (records)")
    axes.set_ylabel("Records with extent ≥ n (%)")
    _note(axes, frame, varied(frame), f"left out: seen in fewer than {FEW_SEEDS} seeds")
    axes.set_ylim(bottom=axes.get_ylim()[0] / 2.0 ** min(drawn, 5))  # room for the legend below all bars
    axes.legend(handlelength=2.6, loc="lower left")
    return axes


def heat_map(frame: pd.DataFrame, axes: Axes, x: str = "", y: str = "", measure: str = "late") -> Axes:
    """A rate over two options: shade and number in each field, the interval below it."""
    keys = varied(frame)
    if not (x and y) and len(keys) != 2:
        raise InputError("heat-map", f"needs two options, the sweep varies {len(keys)}", "name them: --x KEY --y KEY")
    x, y = x or keys[1], y or keys[0]
    _must_be_alone(frame, "heat-map", [x, y])
    columns, rows = _ordered(frame[x]), _ordered(frame[y])
    points = {(p.values[x], p.values[y]): p.interval for p in points_of(frame, measure, [x, y])}
    shades = np.array([[100 * points[column, row].estimate for column in columns] for row in rows])
    image = axes.imshow(shades, cmap="cividis", aspect="auto", origin="lower", vmin=0)
    for (row, column), shade in np.ndenumerate(shades):
        interval = points[columns[column], rows[row]]
        colour = "black" if shade > 0.6 * max(shades.max(), 1e-12) else "white"
        axes.text(column, row, f"{100 * interval.estimate:.2g}\n", ha="center", va="center", fontsize=7, color=colour)
        axes.text(column, row, f"\n{_between(interval)}", ha="center", va="center", fontsize=4.4, color=colour)
    axes.set_xticks(range(len(columns)), [_word(value) for value in columns])
    axes.set_yticks(range(len(rows)), [_word(value) for value in rows])
    axes.set_xlabel(short_of(x))
    axes.set_ylabel(short_of(y))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, fraction=0.06)
    bar.set_label(f"{WORDS[measure]} (%)")
    bar.outline.set_visible(False)
    _note(axes, frame, [x, y], "small: 95 %; 0: none seen (at most {bound:.2g} % of seeds)")
    return axes


def trade_off(frame: pd.DataFrame, axes: Axes, against: str = "ack_p99_us", measure: str = "late") -> Axes:
    """What order costs: a rate against a time or the throughput, both with their intervals.

    A point a cell, named by its value of the key that the sweep varies last; what differs in the others is a line each.
    """
    keys = varied(frame)
    if not keys:
        raise InputError("trade-off", "needs a sweep that varies something", "korder sweep FILE --vary KEY=V1,V2")
    per = 1 if against == "acked_per_s" else 1000
    for number, (values, part) in enumerate(parts_of(frame, keys[:-1])):
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        points = points_of(part, measure, keys[-1:])
        costs = [_scaled(median(one.frame[against].dropna()), per) for one in points]
        x, y = [cost.estimate for cost in costs], [100 * one.interval.estimate for one in points]
        dashes, label = DASHES[number % len(DASHES)], label_of(values) or None
        axes.plot(x, y, color=colour, linestyle=dashes, marker=mark, label=label)
        for cost, one in zip(costs, points, strict=True):
            sides = [[cost.estimate - cost.low], [cost.high - cost.estimate]]
            axes.errorbar([cost.estimate], [100 * one.interval.estimate], xerr=sides, color=colour, elinewidth=0.5)
            _bars(axes, [cost.estimate], [one.interval], colour, mark, colour)
            axes.annotate(_word(one.values[keys[-1]]), (cost.estimate, 100 * one.interval.estimate), (3, 4),
                          textcoords="offset points", fontsize=6, color=INK)  # fmt: skip
    words = {"acked_per_s": "Acknowledged records a second", "ack_p99_us": "Time to acknowledgement, p99 (ms)"}
    axes.set_xlabel(words[against])
    axes.ticklabel_format(axis="x", style="plain", useOffset=False)
    cut = _rate_axis(axes, measure, [one.interval for one in points_of(frame, measure, keys)])
    _note(axes, frame, keys, f"numbers: {short_of(keys[-1])}; {NONE_SEEN}{cut}")
    if len(keys) > 1 and against == "ack_p99_us":
        axes.legend(handlelength=2.6)
    return axes


def _scaled(one: Interval, per: float) -> Interval:
    return Interval(one.estimate / per, one.low / per, one.high / per, one.note)


def loss_by_acks(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Rate of acknowledged records that are lost, by acks; within it a bar for each min.insync.replicas."""
    x = key_of(frame, "acks")
    by = [key for key in varied(frame) if key.endswith("min.insync.replicas")]
    _must_be_alone(frame, "loss", [x, *by])
    groups = sorted(frame[x].astype(str).unique(), key=("0", "1", "-1", "all").index)
    series = list(parts_of(frame, by))
    width = 0.8 / len(series)
    for number, (values, part) in enumerate(series):
        at = np.arange(len(groups)) + (number - (len(series) - 1) / 2) * width
        by_acks = {str(one.values[x]): one.interval for one in points_of(part, "lost", [x])}
        told = [by_acks[name] for name in groups]
        colour, hatch = COLOURS[number % len(COLOURS)], HATCHES[number % len(HATCHES)]
        heights = [100 * one.estimate for one in told]
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        axes.bar(at, heights, 0.86 * width, label=label_of(values), **look)
        _bars(axes, at.tolist(), told, INK, "o", colour)
    axes.set_xticks(range(len(groups)), [f"acks={name}" for name in groups])
    told = [one.interval for one in points_of(frame, "lost", [x, *by])]
    cut = _rate_axis(axes, "lost", told)
    seen = [100 * one.estimate for one in told if one.estimate]
    if seen and max(seen) > 20 * min(seen):  # what acks=0 and acks=1 lose lies orders of magnitude apart
        axes.set_yscale("symlog", linthresh=min(seen) / 2)
    _note(axes, frame, [x, *by], NONE_SEEN + cut)
    if len(series) > 1:
        axes.legend()
    return axes


@dataclass(frozen=True, slots=True)
class Kind:
    """*panels*: what to draw side by side (each a function of frame and Axes); *measure*: the rate that is drawn."""

    words: str
    panels: tuple[Callable[..., Axes], ...]
    takes: tuple[str, ...] = ()
    measure: str = "late"


def _against_throughput(frame: pd.DataFrame, axes: Axes, measure: str = "late") -> Axes:
    return trade_off(frame, axes, "acked_per_s", measure)


KINDS: dict[str, Kind] = {
    "in-flight": Kind("reorder rate against requests in flight, with and without idempotence", (reorder_by_in_flight,)),
    "fault-rate": Kind("records stored twice against the rate of a fault", (duplicates_by_fault_rate,), (), "doubled"),
    "extent": Kind("how far records are reordered", (extent_distribution,)),
    "heat-map": Kind("a rate over two options", (heat_map,), ("x", "y", "measure")),
    "trade-off": Kind("order against latency and throughput", (trade_off, _against_throughput), ("measure",)),
    "loss": Kind("acknowledged records lost, by acks and min.insync.replicas", (loss_by_acks,), (), "lost"),
}


# --- parts ------------------------------------------------------------------------------------------------------------
def _lines(
    frame: pd.DataFrame, axes: Axes, measure: str, x: str, by: list[str], number_of: Callable[[Any], float]
) -> None:
    _must_be_alone(frame, "this figure", [x, *by])
    lines, all_told = list(parts_of(frame, by)), list[Interval]()
    for number, (values, part) in enumerate(lines):
        points = sorted(points_of(part, measure, [x]), key=lambda one: number_of(one.values[x]))
        at, told = [number_of(one.values[x]) for one in points], [one.interval for one in points]
        aside = SIDE_POINTS * (number - (len(lines) - 1) / 2) if len(lines) > 2 else 0.0
        _line(axes, at, told, number, label_of(values), aside)
        all_told += told
    cut = _rate_axis(axes, measure, all_told)
    _note(axes, frame, [x, *by], NONE_SEEN + cut)
    if by:
        _legend(axes, len(lines), bool(cut))


def _legend(axes: Axes, lines: int, cut: bool) -> None:
    """Where no bar is: of many lines above all bars, or above the axes if bars go up to their end."""
    higher = 1.5 * axes.get_ylim()[1]
    if lines > 2 and not cut and higher <= 100:
        axes.set_ylim(top=higher)
        axes.legend(handlelength=2.6, loc="upper left")
    elif lines > 2 or cut:
        small: dict[str, Any] = {"borderaxespad": 0.2, "labelspacing": 0.2, "fontsize": 6}
        axes.legend(handlelength=2.6, loc="lower left", bbox_to_anchor=(0, 1), **small)
    else:
        axes.legend(handlelength=2.6, loc="best")


def _line(axes: Axes, x: list[Any], told: list[Interval], number: int, label: str, aside: float = 0.0) -> None:
    colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
    rates = [100 * one.estimate for one in told]
    line = axes.plot(x, rates, color=colour, linestyle=DASHES[number % len(DASHES)], marker=mark, label=label)
    _move(axes, line, aside)
    _bars(axes, x, told, colour, mark, colour, aside)


def _bars(
    axes: Axes, x: list[Any], told: list[Interval], ink: str, mark: str, colour: str, aside: float = 0.0
) -> None:
    """Intervals, and hollow markers where nothing was seen."""
    for place, one in zip(x, told, strict=True):
        if one.estimate:
            ends = [[end] for end in _ends(one)]
            drawn = axes.errorbar([place], [100 * one.estimate], ends, color=ink, elinewidth=0.8, capsize=2)
            _move(axes, drawn.get_children(), aside)
        else:
            hollow = axes.plot([place], [0], mark, color=colour, markerfacecolor="white", zorder=5, clip_on=False)
            _move(axes, hollow, aside)


def _move(axes: Axes, drawn: Iterable[Artist], points: float) -> None:
    """So many points to the right, and no other data: equal values of several lines stand side by side."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    for artist in drawn if points else ():
        artist.set_transform(axes.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans))


def _ends(one: Interval) -> tuple[float, float]:
    """Lengths of a bar below and above, in percent; none for a rate of 0."""
    if not one.estimate:
        return 0.0, 0.0
    return 100 * (one.estimate - one.low), 100 * (one.high - one.estimate)


def _rate_axis(axes: Axes, measure: str, told: Iterable[Interval]) -> str:
    """From 0 to 100 % at most, and no further than :data:`HIGHEST_BAR`; words on the bars that leave the figure."""
    axes.set_ylabel(f"{WORDS[measure]} (%)")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    seen = [one for one in told if one.estimate > 0]
    highest = 100 * max((one.high for one in seen), default=0.0)
    limit = HIGHEST_BAR * 100 * max((one.estimate for one in seen), default=1.0)
    axes.set_ylim(0, min(axes.get_ylim()[1], limit, 100.0))
    return f"; bars cut off: up to {highest:.2g} %" if highest > limit else ""


def _note(axes: Axes, frame: pd.DataFrame, keys: list[str], more: str) -> None:
    """What is behind each point, at the foot of the figure."""
    parts = [part for _, part in parts_of(frame, keys)]
    seeds = _span([len(part) for part in parts])
    records, faults = (_span([int(part[name].sum()) for part in parts]) for name in ("counted", "fault_strikes"))
    bound = 100 * rule_of_three(min(len(part) for part in parts))
    behind = f"each point: {seeds} seeds, {records} records, {faults} faults; bars: 95 %"
    axes.figure.supxlabel(
        f"{behind}\n{more.format(bound=bound)}", fontsize=5.5, color=GREY, x=0.02, ha="left", linespacing=1.4,
    )  # fmt: skip


def _span(numbers: list[int]) -> str:
    return f"{min(numbers):,}" if min(numbers) == max(numbers) else f"{min(numbers):,}..{max(numbers):,}"


def points_of(frame: pd.DataFrame, measure: str, keys: list[str]) -> list[Point]:
    """The rate of records of every part, in the order of the cells."""
    return [
        Point(values, ratio(part[measure], part[RATES[measure]]), part) for values, part in parts_of(frame, keys)
    ]  # fmt: skip


def parts_of(frame: pd.DataFrame, keys: list[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Parts of the frame by the values of *keys*, in the order of the cells."""
    if not keys:
        yield {}, frame
        return
    for told, part in frame.groupby(keys, sort=False):
        yield dict(zip(keys, told if isinstance(told, tuple) else (told,), strict=True)), part


def key_of(frame: pd.DataFrame, ending: str) -> str:
    """The one varied key that is this option, wherever it stands."""
    found = [key for key in varied(frame) if key == ending or key.endswith(f".{ending}")]
    if len(found) == 1:
        return found[0]
    way_out = f"korder sweep FILE --vary {ending}=..." if not found else f"choose with --where: {listed(found)}"
    raise InputError("figure", f"needs a sweep that varies {ending} in one place, here are {len(found)}", way_out)


def _must_be_alone(frame: pd.DataFrame, what: str, keys: list[str]) -> None:
    """Whatever else varies would be mixed up in each point."""
    more = [key for key in varied(frame) if key not in keys]
    if more:
        example = f"--where {more[0]}={_word(frame[more[0]].iloc[0])}"
        raise InputError(what, f"would mix the values of {listed(more)}", f"choose one, as {example}")
    for key in keys:
        if key not in frame.columns or key in COLUMNS:
            guess = did_you_mean(key, varied(frame)) or f"it varies {listed(varied(frame))}"
            raise InputError(what, f"the sweep does not vary {shown(key)}", guess)


def _ordered(column: pd.Series[Any]) -> list[Any]:
    """Values as an axis shows them: numbers and quantities by size, words as they come."""
    values = list(dict.fromkeys(column))
    for measure in (float, units.duration_us, units.size_bytes, units.rate_per_s, units.percent):
        try:
            return sorted(values, key=measure)
        except (Wrong, ValueError, TypeError):
            continue
    return values


def label_of(values: Mapping[str, Any]) -> str:
    """The values of a line as its legend says them."""
    return ", ".join(_said(key, value) for key, value in values.items())


def _said(key: str, value: Any) -> str:
    if key.endswith(IDEMPOTENCE):
        return "with idempotence" if value else "without idempotence"
    return _word(value) if key.endswith(".client") else f"{short_of(key)}={_word(value)}"


def short_of(key: str) -> str:
    """Without the path that leads to an option; two words where that would say too little."""
    names = {IN_FLIGHT: "in flight", IDEMPOTENCE: "idempotence", ".client": "client"}
    for ending, word in names.items():
        if key.endswith(ending):
            return word
    return key.partition(".config.")[2] or key


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _between(interval: Interval) -> str:
    return f"{100 * interval.low:.2g}–{100 * interval.high:.2g}" if interval.estimate else ""
