"""``korder plot``: a figure from a sweep's table, sized for a column of a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.console import steps
from analysis.cli.files import staged
from sim.errors import InputError
from sim.wording import did_you_mean, listed, shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["figure_of", "plot_table"]

SUFFIXES = (".png", ".pdf", ".svg")
COLUMN_INCHES, HEIGHT_INCHES, DPI = 3.3, 2.5, 300


def plot_table(table: Path, kind: str, *, out: Path | None, where: list[str], options: dict[str, str | None]) -> int:
    target = out if out is not None else Path(f"{kind}.png")
    if target.suffix not in SUFFIXES:
        raise InputError("--out", f"{shown(target.name)} is no kind of figure", f"end it in {listed(SUFFIXES)}")
    with steps() as step:
        step.begin(f"drawing {kind}")
        import matplotlib

        matplotlib.use("Agg")
        from analysis.sweep.store import read_table

        frame = _chosen(read_table(table).to_pandas(), where)
        figure = figure_of(frame, kind, {name: value for name, value in options.items() if value is not None})
        with staged(target.parent) as folder:
            figure.savefig(folder / target.name, dpi=DPI)
    print(f"wrote {target}")
    return 0


def figure_of(frame: pd.DataFrame, kind: str, options: dict[str, str]) -> Figure:
    """The figure of a kind; panels side by side make it wider."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from analysis.figures_sweep import KINDS, PAPER
    from analysis.sweep.measure import RATES

    if kind not in KINDS:
        guess = did_you_mean(kind, KINDS) or f"known: {listed(KINDS)}"
        raise InputError("KIND", f"{shown(kind)} is not a figure", guess)
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
