"""What a run leaves behind: columns of events and sends, a header, and a digest of all three.

A row's id is its position. Rows are packed into a buffer that becomes NumPy columns every 16,384 rows; while the run
goes on each block keeps the smallest integer types that hold it (about 40 bytes a row), in the end every column has its
own type. The meaning of columns: ``sim.protocol.rows``; the second table, ``sends``, has one row per ``send()`` call.

The digest is SHA-256 over every column in its own little-endian integer type, the resolved scenario as canonical JSON
and the seed. Versions, title and other words of the header stand outside it: they may differ between machines.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.protocol.rows import COLUMNS, Kind

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BLOCK", "EVENT_COLUMNS", "FORMAT", "ROW", "SEND_COLUMNS", "Divergence", "Recorder", "Trace", "first_divergence",
]  # fmt: skip

BLOCK = 16_384  # a power of two
ROW = Struct(f"<{len(COLUMNS)}q")
FORMAT = 1
EVENTS_FILE, SENDS_FILE = "events.parquet", "sends.parquet"
HEADER_KEY = b"korder"
EVENT_COLUMNS: dict[str, np.dtype[Any]] = {  # 73 bytes a row; ``n`` may be a bit mask of hosts
    "t_us": np.dtype(np.int64), "kind": np.dtype(np.int8), "cause": np.dtype(np.int32), "host": np.dtype(np.int16),
    "conn": np.dtype(np.int32), "partition": np.dtype(np.int32), "prod": np.dtype(np.int32), "lo": np.dtype(np.int32),
    "hi": np.dtype(np.int32), "offset": np.dtype(np.int64), "lep": np.dtype(np.int32), "pid": np.dtype(np.int64),
    "epoch": np.dtype(np.int32), "seq": np.dtype(np.int32), "n": np.dtype(np.int64), "code": np.dtype(np.int16),
}  # fmt: skip
SEND_COLUMNS: dict[str, np.dtype[Any]] = {
    "prod": np.dtype(np.int32), "i": np.dtype(np.int32), "t_us": np.dtype(np.int64), "partition": np.dtype(np.int32),
    "lane": np.dtype(np.int32), "key": np.dtype(np.int32), "size": np.dtype(np.int32),
}  # fmt: skip
LEFT = "text-align:left"
SAYS_WHERE_FROM = ("about", "options", "notes", "source")  # of the resolved scenario: words that decide nothing
_SMALL = (np.int8, np.int16, np.int32)

Column = NDArray[np.signedinteger[Any]]


class Recorder:
    """Rows as they happen. A host packs its row into ``buffer`` itself, at ``count`` modulo the block; whoever fills
    the block calls :meth:`flush`. (A third of the cost of a list of tuples, and nothing for the garbage collector.)"""

    __slots__ = ("_blocks", "buffer", "count")

    def __init__(self) -> None:
        self.buffer = bytearray(BLOCK * ROW.size)
        self.count = 0
        self._blocks: list[list[Column]] = []

    def append(self, row: tuple[int, ...]) -> int:
        """Add one row with all its columns; return its id."""
        number = self.count
        ROW.pack_into(self.buffer, number % BLOCK * ROW.size, *row)
        self.count = number + 1
        if self.count % BLOCK == 0:
            self.flush()
        return number

    def flush(self) -> None:
        """Turn the full block into columns."""
        self._keep(BLOCK)

    def _keep(self, rows: int) -> None:
        table = np.frombuffer(self.buffer, dtype="<i8", count=rows * len(COLUMNS)).reshape(rows, len(COLUMNS))
        self._blocks.append([_smallest(column) for column in table.T])

    def columns(self) -> dict[str, Column]:
        """All rows as columns. The recorder is empty afterwards: every column is let go as it is joined."""
        if self.count % BLOCK or not self.count:
            self._keep(self.count % BLOCK)
        blocks, self._blocks, self.count = self._blocks, [], 0
        columns = {}
        for name in reversed(COLUMNS):
            columns[name] = np.concatenate([block.pop() for block in blocks], dtype=EVENT_COLUMNS[name])
        return {name: columns[name] for name in COLUMNS}


def _smallest(column: NDArray[Any]) -> Column:
    low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
    for kind in _SMALL:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return column.astype(kind)
    return column.astype(np.int64)


@dataclass(frozen=True)
class Divergence:
    """Where two traces first differ: a table, a row, and that row in each (None: the trace has ended)."""

    table: str
    row: int
    a: Mapping[str, int] | None
    b: Mapping[str, int] | None

    def __str__(self) -> str:
        return f"{self.table} row {self.row}: {_shown(self.a)} against {_shown(self.b)}"


def _shown(row: Mapping[str, int] | None) -> str:
    if row is None:
        return "nothing"
    named = {**row, "kind": Kind(row["kind"]).name} if "kind" in row else dict(row)
    return ", ".join(f"{name}={value}" for name, value in named.items() if value != -1)


@dataclass
class Trace:
    """One run: ``events`` and ``sends`` as columns, ``header`` as JSON types."""

    events: dict[str, Column]
    sends: dict[str, Column]
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def event_count(self) -> int:
        return len(self.events["t_us"])

    @property
    def send_count(self) -> int:
        return len(self.sends["t_us"])

    def digest(self) -> str:
        """64 hexadecimal digits, equal for equal runs on every machine."""
        summed = hashlib.sha256()
        for table, kinds in ((self.events, EVENT_COLUMNS), (self.sends, SEND_COLUMNS)):
            for name, kind in kinds.items():
                summed.update(f"{name}:{len(table[name])};".encode())
                for part in _slices(table[name]):
                    summed.update(np.ascontiguousarray(part, kind.newbyteorder("<")).data)
        scenario = self.header.get("scenario") or {}
        decides = {key: value for key, value in scenario.items() if key not in SAYS_WHERE_FROM}
        asked = {"scenario": decides, "seed": self.header.get("seed")}
        summed.update(canonical(asked).encode())
        return summed.hexdigest()

    def row(self, number: int) -> dict[str, int]:
        """One event by its id."""
        return {name: int(column[number]) for name, column in self.events.items()}

    def rows(self, *kinds: int) -> Iterator[dict[str, int]]:
        """Events of these kinds (all, if none is named), in order."""
        chosen = np.isin(self.events["kind"], kinds) if kinds else np.ones(self.event_count, dtype=bool)
        for number in np.flatnonzero(chosen):
            yield self.row(int(number))

    # --- tables -------------------------------------------------------------------------------------------------------
    @property
    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Events and sends as pandas frames; kinds by name."""
        import pandas as pd

        events = pd.DataFrame(self.events)
        events["kind"] = events["kind"].map({int(kind): kind.name for kind in Kind})
        return events, pd.DataFrame(self.sends)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the run in one small table."""
        header = self.header
        lines = {
            "title": header.get("title", ""),
            "seed": header.get("seed", ""),
            "simulated": f"{(header.get('run_us', 0) + header.get('settle_us', 0)) / 1_000_000:g} s",
            "sends": f"{self.send_count:,}",
            "events": f"{self.event_count:,}",
            "settled": "yes" if header.get("settled") else "no: " + "; ".join(header.get("unsettled", [])),
            "digest": header.get("digest", ""),
        }
        cells = "".join(
            f"<tr><th style='{LEFT}'>{name}</th><td style='{LEFT}'>{html.escape(str(value))}</td></tr>"
            for name, value in lines.items()
        )
        return f"<table>{cells}</table>"

    # --- files --------------------------------------------------------------------------------------------------------
    def save(self, folder: str | Path) -> Path:
        """Write ``events.parquet`` (with the header) and ``sends.parquet`` into *folder*, each whole or not at all."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        _write(target / SENDS_FILE, self.sends, {})
        _write(target / EVENTS_FILE, self.events, self.header)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read what :meth:`save` wrote: the folder, or the path of its ``events.parquet``."""
        folder = Path(path)
        if folder.is_file():
            folder = folder.parent
        events, header = _read(folder / EVENTS_FILE)
        sends, _ = _read(folder / SENDS_FILE)
        whole = set(events) == set(COLUMNS) and set(sends) == set(SEND_COLUMNS)
        if header is None or header.get("format") != FORMAT or not whole:
            place = str(folder / EVENTS_FILE)
            raise InputError(place, "is not a trace of this version of korder", "run the scenario again")
        trace = cls({name: events[name] for name in COLUMNS}, {name: sends[name] for name in SEND_COLUMNS}, header)
        if header.get("digest", trace.digest()) != trace.digest():
            raise InputError(str(folder), "is not what was saved: its digest differs", "run the scenario again")
        return trace


def canonical(value: object) -> str:
    """JSON with one spelling: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def first_divergence(a: Trace, b: Trace) -> Divergence | None:
    """The first row in which two traces differ, events before sends; None if they are equal."""
    for table, mine, other in (("events", a.events, b.events), ("sends", a.sends, b.sends)):
        row = _first_difference(mine, other)
        if row is not None:
            return Divergence(table, row, _row_or_none(mine, row), _row_or_none(other, row))
    return None


def _first_difference(a: Mapping[str, Column], b: Mapping[str, Column]) -> int | None:
    count_a, count_b = len(a["t_us"]), len(b["t_us"])
    shared = min(count_a, count_b)
    unequal = np.zeros(shared, dtype=bool)
    for name, column in a.items():
        unequal |= column[:shared] != b[name][:shared]
    if unequal.any():
        return int(unequal.argmax())
    return None if count_a == count_b else shared


def _row_or_none(table: Mapping[str, Column], row: int) -> dict[str, int] | None:
    return {name: int(column[row]) for name, column in table.items()} if row < len(table["t_us"]) else None


def _slices(column: Column) -> Iterator[Column]:
    """In parts, so that no second copy of a whole column is made."""
    for start in range(0, len(column), 1 << 20):
        yield column[start : start + (1 << 20)]


def _write(path: Path, columns: Mapping[str, Column], header: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    if header:
        table = table.replace_schema_metadata({HEADER_KEY: canonical(header).encode()})
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        pq.write_table(table, name, compression="zstd")
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _read(path: Path) -> tuple[dict[str, Column], dict[str, Any] | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        stored = (table.schema.metadata or {}).get(HEADER_KEY)
        header = json.loads(stored) if stored is not None else None
        columns = {name: table.column(name).to_numpy() for name in table.column_names}
    except (OSError, pa.ArrowException, ValueError) as error:
        rule = f"cannot be read as a trace ({_one_line(error)})"
        raise InputError(str(path), rule, "give a folder that korder wrote") from None
    if any(column.dtype.kind != "i" for column in columns.values()):
        raise InputError(str(path), "is a Parquet file, but not a trace", "give a folder that korder wrote")
    return columns, header


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
