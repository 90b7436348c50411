"""A time axis that leaves out what nobody needs: long stretches in which nothing of interest happens are cut short.

A cut is shown as a hatched strip with its true length; ticks carry true times.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

__all__ = ["TimeAxis"]

CUT_SHARE = 0.22  # a gap of more than this share of the whole is cut short
MARGIN = 0.25  # of a gap that stays at either side, as a share of what is left


class TimeAxis:
    """Maps times to places. *per_ms*: time units in a millisecond."""

    def __init__(self, moments: Iterable[int], start: int, end: int, per_ms: int) -> None:
        self.start, self.end, self.per_ms = start, max(end, start + 1), per_ms
        times = np.unique(np.array([start, *moments, self.end], np.int64))
        self.cuts: list[tuple[float, float]] = []
        self._from, self._to = [float(start)], [0.0]
        gaps = np.diff(times)
        long = (gaps > CUT_SHARE * (self.end - start)) & (len(gaps) >= 5)
        kept = float(gaps[~long].sum()) or float(gaps.sum()) * 0.2
        for left, gap, cut in zip(times[:-1].tolist(), gaps.tolist(), long.tolist(), strict=True):
            self._stretch(left, gap, kept * 0.12 if cut else gap, cut, kept)
        self.width = self._to[-1]

    def _stretch(self, left: int, gap: int, room: float, cut: bool, kept: float) -> None:
        here = self._to[-1]
        if cut:
            self.cuts.append((here + room * MARGIN, here + room * (1 - MARGIN)))
        self._from.append(float(left + gap))
        self._to.append(here + room)

    def __call__(self, t: float) -> float:
        return float(np.interp(t, self._from, self._to))

    def _back(self, x: float) -> float:
        return float(np.interp(x, self._to, self._from))

    def dress(self, axes: Axes) -> None:
        """Limits, ticks with true times, and the cuts."""
        axes.set_xlim(-0.005 * self.width, self.width * 1.005)
        for left, right in self.cuts:
            axes.axvspan(left, right, facecolor="white", hatch="////", edgecolor="#C4CAD2", linewidth=0, zorder=7)
            length = (self._back(right) - self._back(left)) / self.per_ms / (1 - 2 * MARGIN)
            axes.annotate(
                f"{_length(length)}\nleft out", ((left + right) / 2, 0), xycoords=("data", "axes fraction"),
                xytext=(0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=7.5, zorder=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
        span_ms = (self.end - self.start) / self.per_ms
        places, labels = self._ticks(span_ms)
        axes.set_xticks(places, labels, fontsize=8)
        axes.set_xlabel("time" + (" in seconds" if self._in_seconds(span_ms) else " in milliseconds"), fontsize=9)

    def _ticks(self, span_ms: float) -> tuple[list[float], list[str]]:
        """Round times, about ten, none inside a cut and none too close to another."""
        shown = sum(b - a for a, b in zip(self._to[:-1], self._to[1:], strict=True)) / self.per_ms
        step = 10 ** np.floor(np.log10(max(shown, 1e-3) / 8))
        step = float(step * min((m for m in (1, 2, 5, 10) if m * step >= shown / 10), default=10))
        first = np.ceil(self.start / self.per_ms / step) * step
        places: list[float] = []
        labels: list[str] = []
        for ms in np.arange(first, self.end / self.per_ms, step)[:5000]:
            x = self(ms * self.per_ms)
            if any(a - 0.01 * self.width <= x <= b + 0.01 * self.width for a, b in self.cuts):
                continue
            if not places or x - places[-1] > 0.05 * self.width:
                places.append(x)
                labels.append(self._label(ms, step, span_ms))
        return places, labels

    @staticmethod
    def _in_seconds(span_ms: float) -> bool:
        return span_ms > 400

    def _label(self, ms: float, step: float, span_ms: float) -> str:
        scale = 1000 if self._in_seconds(span_ms) else 1
        digits = max(0, int(np.ceil(-np.log10(step / scale) - 1e-9)))
        return f"{ms / scale:,.{digits}f}"


def _length(ms: float) -> str:
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"
