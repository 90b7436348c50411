"""How much reordering, as a picture: the extent of every late record, and how many are at least n-reordered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.errors import InputError

__all__ = ["amounts"]

BLUE, VERMILION, INK = "#0072B2", "#D55E00", "#1B1F24"


def amounts(measures: Mapping[str, Mapping[str, Any]], stream: str | None = None) -> Figure:
    """*measures*: of a verdict; *stream*: a key of them (default: the one with most late records)."""
    if stream is None:
        stream = max(measures, key=lambda name: len(measures[name]["extent"]), default="")
    if stream not in measures:
        raise InputError("stream", f"{stream!r} is not in this history", f"known: {', '.join(list(measures)[:12])}")
    one = measures[stream]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.6), layout="constrained")
    late = one["reordered_count"]
    _extent(left, one["extent"])
    _degrees(right, one["n_reordered"], one["received_unique"])
    figure.suptitle(f"{stream}: {late:,} of {one['received_unique']:,} records late", x=0.01, ha="left", fontsize=12)
    return figure


def _extent(axes: Any, extent: Mapping[Any, int]) -> None:
    """A stem a late record: its number over how far behind the earliest overtaker it stands (RFC 4737, 4.2)."""
    numbers = sorted(extent)
    if numbers:
        axes.vlines(numbers, 0, [extent[n] for n in numbers], color=VERMILION, linewidth=1)
        axes.plot(numbers, [extent[n] for n in numbers], "v", color=VERMILION, markersize=5)
    _dress(axes, "late record (send position)", "extent (records)", "How far behind")


def _degrees(axes: Any, n_reordered: Mapping[Any, int], received: int) -> None:
    """How many records are at least n-reordered: so many arrivals right before it are all younger (RFC 4737, 5.3)."""
    degrees = sorted(n_reordered.values())
    if degrees and received:
        most = degrees[-1]
        x = list(range(1, most + 1))
        axes.step([*x, most + 1], [*(sum(d >= n for d in degrees) for n in x), 0], where="post", color=BLUE)
    _dress(axes, "n", "records at least n-reordered", "n-reordering")


def _dress(axes: Any, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.spines[["top", "right"]].set_visible(False)
