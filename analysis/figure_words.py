"""A figure in words: what is behind each of its points, and the answer that it gives.

The figure of requests in flight is korder's first question, so its answer is written from the data: what each line
shows, how the ends of a line differ (paired by seed), and what follows for a choice of options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.cli.rates import percent, percent_points, rate_words
from analysis.figures_sweep import IDEMPOTENCE, IN_FLIGHT, Point, key_of, label_of, parts_of, points_of, varied
from analysis.statistics import Interval, difference, rule_of_three
from analysis.sweep.measure import RATES
from sim.wording import listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ANSWERS", "behind_points", "in_flight_answer"]


def behind_points(frame: pd.DataFrame, measure: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows: of every point its values, seeds, records, faults, and how many were seen at which rate."""
    keys = varied(frame)
    header = [*keys, "seeds", "records", "faults", measure, "rate"]
    rows = []
    for one in points_of(frame, measure, keys):
        part = one.frame
        counts = (len(part), part[RATES[measure]].sum(), part["fault_strikes"].sum(), part[measure].sum())
        values = [str(one.values[key]).lower() for key in keys]
        rows.append([*values, *(f"{int(count):,}" for count in counts), rate_words(one.interval)])
    return header, rows


def in_flight_answer(frame: pd.DataFrame) -> list[str]:
    """Sentences: each line of the figure in words, and last what follows. Raises ``InputError`` as the figure does."""
    lines = _lines(frame)
    told = [line.words() for line in lines]
    follows = _what_follows([one for one in lines if not one.idempotent], [one for one in lines if one.idempotent])
    return [*told, follows] if follows else told


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the figure. *values*: what it stands for; *points*: by requests in flight, ascending."""

    values: dict[str, Any]
    points: list[tuple[int, Point]]

    @property
    def idempotent(self) -> bool:
        return any(key.endswith(IDEMPOTENCE) and bool(value) for key, value in self.values.items())

    @property
    def client(self) -> str:
        return next((str(value) for key, value in self.values.items() if key.endswith("client")), "")

    @property
    def late(self) -> bool:
        return any(point.interval.estimate for _, point in self.points)

    def seen(self, window: int) -> bool:
        return any(at == window and bool(point.interval.estimate) for at, point in self.points)

    def words(self) -> str:
        name = label_of(self.values) or "all cells"
        none = [at for at, point in self.points if not point.interval.estimate]
        some = [(at, point.interval) for at, point in self.points if point.interval.estimate]
        parts = [f"none of {self._records(none):,} records late with {_windows(none)} in flight"] if none else []
        parts += [f"{rate_words(interval)} with {at}" for at, interval in some]
        if none:
            fewest = min(len(point.frame) for at, point in self.points if at in none)
            parts[0] += f" (at most in {percent(rule_of_three(fewest))} of seeds each)"
        return f"{name}: {', '.join(parts)}{self._growth() if len(some) > 1 else ''}."

    def _records(self, windows: Sequence[int]) -> int:
        return sum(int(point.frame["counted"].sum()) for at, point in self.points if at in windows)

    def _growth(self) -> str:
        (first, low), (last, high) = (one for one in self._ends())
        a, b = (one.frame.sort_values("seed") for one in (low, high))
        of = RATES["late"]
        apart = difference(a["late"], a[of], b["late"], b[of])
        return f"; {last} against {first}: {percent_points(apart)}, paired by seed{_surely(apart)}"

    def _ends(self) -> tuple[tuple[int, Point], tuple[int, Point]]:
        some = [(at, point) for at, point in self.points if point.interval.estimate]
        return some[0], some[-1]


def _lines(frame: pd.DataFrame) -> list[_Line]:
    x = key_of(frame, IN_FLIGHT)
    by = [key for key in varied(frame) if key != x]
    found = []
    for values, part in parts_of(frame, by):
        points = sorted(((int(one.values[x]), one) for one in points_of(part, "late", [x])), key=lambda one: one[0])
        found.append(_Line(values, points))
    return found


def _what_follows(without: list[_Line], with_it: list[_Line]) -> str:
    """The choice that the figure is about, as far as it shows it."""
    if not (without and with_it):
        return ""
    kept = not any(one.late for one in with_it)
    first = "With idempotence no record was late" if kept else "With idempotence records were late too"
    by_word: dict[str, list[str]] = {}
    for one in without:
        by_word.setdefault(_without_words(one), []).append(one.client)
    if len(by_word) == 1:
        second = f"without it {next(iter(by_word))}"
    else:
        second = "; ".join(f"without it, in {_and(clients)}, {word}" for word, clients in by_word.items())
    return f"{first}, whatever the number of requests in flight; {second}."


def _without_words(line: _Line) -> str:
    if not line.late:
        return "none was late either under these failures"
    if line.points[0][0] > 1:
        return "some were"
    if line.seen(1):
        return "not even one request in flight kept the order"
    kept = [at for at, point in line.points if not point.interval.estimate]
    return f"only {'one request' if kept == [1] else f'{_windows(kept)} requests'} in flight kept the order"


def _windows(windows: Sequence[int]) -> str:
    if len(windows) > 2 and list(windows) == list(range(windows[0], windows[-1] + 1)):
        return f"{windows[0]} to {windows[-1]}"
    return listed(str(window) for window in windows)


def _and(words: Sequence[str]) -> str:
    return " and ".join(words)


def _surely(apart: Interval) -> str:
    return "" if apart.low > 0 or apart.high < 0 else ", which may be chance"


ANSWERS: Mapping[str, Callable[[pd.DataFrame], list[str]]] = {"in-flight": in_flight_answer}  # by kind of figure
