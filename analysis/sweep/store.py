"""Where a sweep keeps what it has: finished runs in small immutable files, then one Parquet table.

A folder holds ``manifest.json`` (what is swept: nothing else may be added to it), ``parts/`` while the sweep is under
way, and in the end ``sweep.parquet`` and ``summary.json``. A part is the runs of one cell over one block of seeds. It
appears whole or not at all, under a name that says what it is, so a sweep that was killed at any moment finds what it
had finished and goes on. The table is written from the parts in the order of cells and seeds, in row groups of a fixed
size, so its bytes depend neither on the order in which runs ended nor on the size of blocks.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.formats import FORMATS
from analysis.sweep.grid import Axis
from analysis.sweep.measure import COLUMNS
from sim.errors import InputError
from sim.trace import canonical

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HEADER_KEY", "TABLE_FILE", "Block", "Store", "read_header", "read_table"]

MANIFEST_FILE, TABLE_FILE, SUMMARY_FILE, PARTS = "manifest.json", "sweep.parquet", "summary.json", "parts"
HEADER_KEY = b"korder-sweep"
ROWS_A_GROUP = 1_000
WORDS = ("title", "source")  # of a manifest: the digest of the scenario says whether it is another one
WAY_OUT = "free some space or choose another folder; the same command goes on where this one stopped"


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """The runs of one cell over some seeds. *first*: position of the first among all seeds of the sweep."""

    cell: int
    first: int
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.cell:05}-{self.first:07}-{len(self.seeds)}.json"


class Store:
    """A sweep's folder. Every ``OSError`` of writing comes out as one clear :class:`InputError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts = folder / PARTS

    def open(self, header: Mapping[str, Any], block: Callable[[], int]) -> dict[str, Any]:
        """Begin a sweep here, or go on with it; the manifest that holds. Raises InputError if another one is here.

        *block*: how many seeds a block shall have; asked for at the beginning alone.
        """
        path = self.folder / MANIFEST_FILE
        held = self._held(path)
        if held is None:
            with self._writing():
                self._parts.mkdir(parents=True, exist_ok=True)
            manifest = {**header, "block": block()}
            with self._writing():
                _replace(path, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
            return manifest
        differs = [key for key in header if key not in WORDS and held.get(key) != header[key]]
        if differs:
            raise InputError(
                str(self.folder), f"holds another sweep ({_told(differs[0], held, header)})",
                "choose another --out, or remove that folder",
            )  # fmt: skip
        with self._writing():
            self._parts.mkdir(parents=True, exist_ok=True)
        return held

    def _held(self, path: Path) -> dict[str, Any] | None:
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if self.folder.is_dir() and any(not _ours(one.name) for one in self.folder.iterdir()):
                rule = "is not empty and holds no sweep"
                raise InputError(str(self.folder), rule, "choose another --out") from None
            return None
        except ValueError:
            held = None
        except OSError as error:
            raise InputError(str(path), f"cannot be read: {error.strerror or error}", "choose another --out") from error
        if not isinstance(held, dict) or held.get("format") != FORMATS["manifest"]:
            raise InputError(str(path), "is not the manifest of a sweep of this korder", "choose another --out")
        return held

    # --- parts --------------------------------------------------------------------------------------------------------
    def has(self, block: Block) -> bool:
        return self._read(block) is not None

    def keep(self, block: Block, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._writing():
            _replace(self._parts / block.name, json.dumps(rows, separators=(",", ":"), allow_nan=False))

    def rows(self, block: Block) -> list[dict[str, Any]]:
        rows = self._read(block)
        if rows is None:
            raise InputError(str(self._parts / block.name), "is gone or damaged", "give the same command again")
        return rows

    def _read(self, block: Block) -> list[dict[str, Any]] | None:
        """None where it is not there or not whole: a machine that lost power may leave an empty file."""
        try:
            rows = json.loads((self._parts / block.name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(rows, list) and [row.get("seed") for row in rows] == list(block.seeds)
        return rows if whole and all(set(row) == set(COLUMNS) for row in rows) else None

    # --- the end ------------------------------------------------------------------------------------------------------
    @property
    def table(self) -> Path:
        return self.folder / TABLE_FILE

    def is_finished(self) -> bool:
        """The table stands: it was written last, and whole."""
        return self.table.exists()

    def finish(self, blocks: Sequence[Block], axes: Sequence[Axis], header: Mapping[str, Any]) -> Path:
        """Write the table from *blocks*."""
        import pyarrow.parquet as pq

        schema = _schema(axes, header)
        temporary = self.folder / f".{TABLE_FILE}-{os.getpid()}"
        with self._writing(temporary):
            with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                for group in _groups(self._in_order(blocks), ROWS_A_GROUP):
                    writer.write_table(_table(group, axes, schema))
            os.replace(temporary, self.table)
        return self.table

    def tidy_up(self, summary: str) -> None:
        """The summary, and the parts are let go: the table has them."""
        with self._writing():
            _replace(self.folder / SUMMARY_FILE, summary)
            shutil.rmtree(self._parts, ignore_errors=True)
            for left in self.folder.glob(f".{TABLE_FILE}-*"):  # of one that was killed while it wrote
                left.unlink(missing_ok=True)

    def _in_order(self, blocks: Sequence[Block]) -> Iterator[dict[str, Any]]:
        for block in sorted(blocks):
            yield from self.rows(block)

    @contextmanager
    def _writing(self, *temporary: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(str(self.folder), f"cannot write: {error.strerror or error}", WAY_OUT) from error
        finally:
            for path in temporary:
                path.unlink(missing_ok=True)


def read_table(path: Path, without: Collection[str] = ()) -> pa.Table:
    """The table of a sweep: its file, or its folder. *without*: columns that are not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = path / TABLE_FILE if path.is_dir() else path
    if not file.exists():
        what = "there is no such file" if not path.is_dir() else f"holds no {TABLE_FILE}"
        raise InputError(str(path), what, "name the folder that korder sweep --out wrote")
    try:
        names = [name for name in pq.read_schema(file).names if name not in without]
        table = pq.read_table(file, columns=names)
    except (OSError, pa.ArrowException) as error:
        rule = f"cannot be read as a table ({' '.join(str(error).split())[:120]})"
        raise InputError(str(file), rule, "name the folder that korder sweep --out wrote") from None
    if HEADER_KEY not in (table.schema.metadata or {}):
        raise InputError(str(file), "is not the table of a sweep", "name the folder that korder sweep --out wrote")
    return table


def read_header(schema: pa.Schema) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(schema.metadata[HEADER_KEY])
    return header


def _ours(name: str) -> bool:
    """What may be left of a sweep that was killed before its manifest stood."""
    return name == PARTS or name.startswith(f".{MANIFEST_FILE}-")


def _replace(path: Path, text: str) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _told(key: str, held: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    old, new = (canonical(one.get(key)) for one in (held, asked))
    return f"another {key}" if max(len(old), len(new)) > 60 else f"{key} {old}, not {new}"


def _schema(axes: Sequence[Axis], header: Mapping[str, Any]) -> pa.Schema:
    import pyarrow as pa

    kinds = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}
    python = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    columns = [(name, kinds[meaning.kind]) for name, meaning in COLUMNS.items()]
    columns[1:1] = [(axis.key, python[type(axis.typed()[0])]) for axis in axes]
    return pa.schema(columns, metadata={HEADER_KEY: json.dumps(header, ensure_ascii=False).encode()})


def _table(rows: Sequence[Mapping[str, Any]], axes: Sequence[Axis], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in COLUMNS}
    steps = len(columns["cell"])
    below = 1
    for axis in reversed(axes):
        values, width = axis.typed(), len(axis.values)
        columns[axis.key] = [values[columns["cell"][row] // below % width] for row in range(steps)]
        below *= width
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _groups(rows: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
