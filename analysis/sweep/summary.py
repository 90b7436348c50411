"""Rates and means of every cell with their intervals, from a sweep's table.

Three kinds of measure: a rate of records (late, doubled, lost: cluster bootstrap by seed), the share of seeds in which
a finding was seen (Wilson), and the median over seeds of throughput and latency (order statistics). Numbers are kept to
six digits, so that the file is the same on every machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.finding import CLASSES
from analysis.formats import formatted
from analysis.statistics import Interval, median, ratio, wilson
from analysis.sweep.measure import RATES
from analysis.sweep.store import read_header

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

__all__ = ["TIMES", "Summary", "Told", "summary_of"]

DIGITS = 6
Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]
TIMES = ("acked_per_s", "ack_mean_us", "ack_p50_us", "ack_p99_us", "delivery_p50_us", "delivery_p99_us")


@dataclass(frozen=True, slots=True)
class Told:
    """One measure of one cell. *kind*: ``rate`` (of records), ``share`` (of seeds) or ``median`` (over seeds)."""

    cell: int
    values: dict[str, Any]
    measure: str
    kind: str
    seeds: int
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        one = self.interval
        return {
            "cell": self.cell, "values": self.values, "measure": self.measure, "kind": self.kind, "seeds": self.seeds,
            "estimate": _rounded(one.estimate), "low": _rounded(one.low), "high": _rounded(one.high), "note": one.note,
        }  # fmt: skip


@dataclass(frozen=True)
class Summary:
    header: dict[str, Any]
    rows: list[Told]
    runs: int
    unsettled: int  # runs in which something was still under way at their end

    def of(self, measure: str, kind: str | None = None) -> list[Told]:
        return [one for one in self.rows if one.measure == measure and kind in (None, one.kind)]

    def to_json(self) -> str:
        told = {
            "sweep": self.header, "runs": self.runs, "unsettled": self.unsettled,
            "rows": [one.to_json() for one in self.rows],
        }  # fmt: skip
        return json.dumps(formatted("summary", told), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def frame(self) -> pd.DataFrame:
        """A row a cell and measure; the varied keys are columns."""
        import pandas as pd

        flat = ({**one.to_json(), **one.values} for one in self.rows)
        return pd.DataFrame([{key: value for key, value in one.items() if key != "values"} for one in flat])


def summary_of(path: Path) -> Summary:
    """Of a sweep's table, column by column: no more of it is in memory at a time."""
    import pyarrow.parquet as pq

    columns = _Columns(pq.ParquetFile(path))
    cells = columns.numbers("cell").astype(np.int64)
    numbers, first = np.unique(cells, return_index=True)
    header = columns.header()
    values = [{key: columns.at(key, row) for key in header["vary"]} for row in first.tolist()]
    told = [
        Told(int(cell), values[number], measure, kind, int(mine.sum()), interval)
        for measure, kind, interval_of in _measures(columns)
        for number, cell in enumerate(numbers)
        for mine in [cells == cell]
        if (interval := interval_of(mine)) is not None
    ]
    unsettled = len(cells) - int(columns.numbers("settled").sum())
    return Summary(header, sorted(told, key=lambda one: one.cell), len(cells), unsettled)


class _Columns:
    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file

    def header(self) -> dict[str, Any]:
        return read_header(self._file.schema_arrow)

    def numbers(self, name: str) -> Numbers:
        """As floats; nan where the table has null."""
        return np.array(self._file.read([name]).column(0).to_numpy(), dtype=np.float64)

    def at(self, name: str, row: int) -> Any:
        return self._file.read([name]).column(0)[row].as_py()


def _measures(columns: _Columns) -> Iterator[tuple[str, str, Callable[[Mask], Interval | None]]]:
    """(measure, kind, what it comes to in some of the rows)."""
    for name, of in RATES.items():
        counts, records = columns.numbers(name), columns.numbers(of)
        yield name, "rate", lambda mine, c=counts, r=records: ratio(c[mine], r[mine])  # type: ignore[misc]
    for name in CLASSES:
        counts = columns.numbers(name)
        if (np.nan_to_num(counts) > 0).any():
            yield name, "share", lambda mine, c=counts: _share(_known(c[mine]))  # type: ignore[misc]
    for name in TIMES:
        times = columns.numbers(name)
        yield name, "median", lambda mine, t=times: _median(_known(t[mine]))  # type: ignore[misc]


def _share(counts: Numbers) -> Interval:
    return wilson(int((counts > 0).sum()), len(counts))


def _median(times: Numbers) -> Interval | None:
    return median(times) if len(times) else None


def _known(numbers: Numbers) -> Numbers:
    return numbers[~np.isnan(numbers)]


def _rounded(number: float) -> float | None:
    return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None
