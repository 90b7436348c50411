"""``korder plot``: a figure from a sweep's table, sized for a column of a paper, with what is behind its points and the
answer that it gives in words; or a consumer group of one run in time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.console import paragraph, results, steps
from analysis.cli.files import staged
from analysis.cli.tables import print_table
from sim.errors import InputError
from sim.wording import did_you_mean, listed, shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["figure_of", "plot_table"]

SUFFIXES = (".png", ".pdf", ".svg")
TIMELINE = "rebalance-timeline"
COLUMN_INCHES, HEIGHT_INCHES, DPI = 3.3, 2.5, 300


def plot_table(table: Path, kind: str, *, out: Path | None, where: list[str], options: dict[str, str | None]) -> int:
    target = out if out is not None else Path(f"{kind}.png")
    if target.suffix not in SUFFIXES:
        raise InputError("--out", f"{shown(target.name)} is no kind of figure", f"end it in {listed(SUFFIXES)}")
    given = {name: value for name, value in options.items() if value is not None}
    _check_kind(kind)
    with steps() as step:
        step.begin(f"drawing {kind}")
        import matplotlib

        matplotlib.use("Agg")
        if kind == TIMELINE:
            figure, frame = _timeline(table, where, given), None
        else:
            from analysis.sweep.store import read_table

            frame = _chosen(read_table(table).to_pandas(), where)
            figure = figure_of(frame, kind, given)
        with staged(target.parent) as folder:
            figure.savefig(folder / target.name, dpi=DPI)
    if frame is not None:
        _tell_points(frame, kind, given)
    print(f"wrote {target}")
    return 0


def _check_kind(kind: str) -> None:
    from analysis.figures_sweep import KINDS

    if kind not in KINDS and kind != TIMELINE:
        known = [*KINDS, TIMELINE]
        guess = did_you_mean(kind, known) or f"known: {listed(known)}"
        raise InputError("KIND", f"{shown(kind)} is not a figure", guess)


def _tell_points(frame: pd.DataFrame, kind: str, options: dict[str, str]) -> None:
    """What is behind each point, and, where the figure answers a question, the answer."""
    from analysis.figure_words import ANSWERS, behind_points
    from analysis.figures_sweep import KINDS

    console = results()
    header, rows = behind_points(frame, options.get("measure", KINDS[kind].measure))
    print_table(console, header, rows, right=tuple(range(len(header) - 5, len(header) - 1)))
    console.print()
    if kind in ANSWERS:
        for sentence in ANSWERS[kind](frame):
            paragraph(console, sentence, hang=2)
        console.print()


def _timeline(trace: Path, where: list[str], options: dict[str, str]) -> Figure:
    """A consumer group in time, of one run."""
    from analysis.cli.arguments import duration_of
    from analysis.group_plots import group_timeline

    for name in [*(name for name in options if name not in ("group", "window")), *(["where"] if where else [])]:
        raise InputError(f"--{name}", f"has no meaning for {TIMELINE}", "leave it out")
    if (trace / "sweep.parquet").exists() or not trace.exists():
        rule = "there is no such file" if not trace.exists() else "is a sweep, and this figure is one of a single run"
        raise InputError(str(trace), rule, "korder run FILE --out DIR, and name DIR")
    window = None
    if "window" in options:
        begin, dots, end = options["window"].partition("..")
        if not dots:
            raise InputError("--window", f"{shown(options['window'])} is not A..B", "write --window 10s..20s")
        first, last = duration_of("--window", begin), duration_of("--window", end)
        if first >= last:
            raise InputError("--window", f"{shown(options['window'])} ends before it begins", "write --window 10s..20s")
        window = (first / 1_000_000, last / 1_000_000)
    return group_timeline(trace, options.get("group"), window=window)


def figure_of(frame: pd.DataFrame, kind: str, options: dict[str, str]) -> Figure:
    """The figure of a kind; panels side by side make it wider."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from analysis.figures_sweep import KINDS, PAPER
    from analysis.sweep.measure import RATES

    known = KINDS[kind]
    for name in options:
        if name not in known.takes:
            raise InputError(f"--{name}", f"has no meaning for {kind}", "leave it out")
    if options.get("measure", "late") not in RATES:
        guess = did_you_mean(options["measure"], RATES) or f"write {listed(RATES)}"
        raise InputError("--measure", f"{shown(options['measure'])} is not a rate of records", guess)
    with rc_context(PAPER):
        figure = Figure(figsize=(COLUMN_INCHES * len(known.panels), HEIGHT_INCHES), layout="constrained")
        panels: Any = figure.subplots(1, len(known.panels), squeeze=False)[0]
        for draw, axes in zip(known.panels, panels, strict=True):
            draw(frame, axes, **options)
        figure.draw_without_rendering()
    return figure


def _chosen(frame: pd.DataFrame, where: list[str]) -> pd.DataFrame:
    from analysis.sweep.measure import COLUMNS

    for text in where:
        key, equals, value = (part.strip() for part in text.partition("="))
        keys = [name for name in frame.columns if name not in COLUMNS]
        if not equals or key not in keys:
            guess = did_you_mean(key, keys) or f"it varies {listed(keys)}"
            raise InputError(f"--where {text}", "is not KEY=VALUE of something that the sweep varies", guess)
        told = frame[key].map(lambda one: str(one).lower())
        if value.lower() not in set(told):
            known = listed(sorted(set(told)))
            raise InputError(f"--where {text}", f"the sweep has no {shown(value)} there", f"it has {known}")
        frame = frame[told == value.lower()]
    return frame
