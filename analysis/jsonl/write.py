"""From a :class:`History` (or a trace) to the exchange format: the same history, one line a record.

Runs become single records. An event's ``id`` is its row, so that witnesses point to the same events on both sides; the
further records of a run get ``row.k``. Written line by line, to a file that has its name only when it is whole.
"""

from __future__ import annotations

import gzip
import heapq
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import zstandard

from analysis.history import (
    ABORT,
    ACK,
    COMMIT,
    FAIL,
    FORGET_ASSIGN,
    FORGET_CRASH,
    FORGET_REVOKE,
    FORGET_SEEK,
    UNKNOWN,
    Column,
    History,
    Table,
)  # fmt: skip

__all__ = ["lines_of", "write_events", "write_jsonl"]

Event = dict[str, Any]
Row = tuple[int, int, Event]  # time, row, what else
_STATES = ("begin", "commit", "abort", "unknown")


def write_jsonl(source: Any, path: str | Path, *, causes: bool = True) -> Path:
    """Write *source* (a history, a trace, or the path of one) to *path*; ``.gz`` and ``.zst`` are packed.

    *causes*: every event names the one that made it happen (``cause``), where *source* knows it, for stories; without
    them the file is smaller, and no finding is lost.
    """
    from analysis.verdict import history_of

    return write_events(lines_of(history_of(source), causes=causes), Path(path))


def write_events(events: Iterable[Event], path: Path) -> Path:
    """The header and the events, as they come."""
    with _whole(path) as out:
        for line in events:
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return path


@contextmanager
def _whole(path: Path) -> Iterator[Any]:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as raw, _packed(raw, path.suffix) as out:
            yield out
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _packed(raw: IO[bytes], suffix: str) -> Any:
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0)
    return zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) if suffix == ".zst" else raw


def lines_of(history: History, *, causes: bool = True) -> Iterator[Event]:
    """Header, then every event in order. Sends come before other events of their row."""
    cause_of = _causes(history) if causes else None
    yield _header(history)
    writer = _Writer(history)
    streams = [writer.sends(), *(make(writer) for make in _EVENTS)]
    keyed = (_ranked(rank, stream) for rank, stream in enumerate(streams))
    used: dict[int, int] = {}
    ids = history.ids
    for row, rank, t, event in heapq.merge(*keyed, key=lambda one: (one[0], min(one[1], 1))):
        told = {"t": t, **{name: x for name, x in event.items() if x is not None}}
        if rank or ids is not None:  # a send has no row of its own in a trace
            name = row if ids is None else ids[row]  # where events have ids, a row is none
            if name is not None:
                again = used.get(row, 0)
                told["id"] = name if not again else f"{name}.{again}"
                used = {row: again + 1}
            cause = None if cause_of is None else cause_of(row, name)
            told |= {} if cause is None else {"cause": cause}
        yield told


def _causes(history: History) -> Callable[[int, Any], Any] | None:
    """By row and its id, asked in order: the id of what made it happen, or of the next one back that has one here."""
    cause = history.causes if history.trace is None else history.trace.events["cause"]
    if cause is None:
        return None
    told: dict[int, Any] = {}

    def nearest(row: int, name: Any) -> Any:
        if name is not None:
            told[row] = name
        back = int(cause[row]) if row < len(cause) else -1
        while back >= 0 and back not in told:
            back = int(cause[back])
        return told[back] if back >= 0 else None

    return nearest


def _ranked(rank: int, stream: Iterable[Row]) -> Iterator[tuple[int, int, int, Event]]:
    return ((row, rank, t, event) for t, row, event in stream)


def _header(history: History) -> Event:
    consumers = {
        name: {"group": group, "isolation": "read_committed" if committed else "read_uncommitted"}
        for name, group, committed in zip(
            history.consumers.names, history.consumers.group, history.consumers.committed_only, strict=True
        )
    }
    header: Event = {"format": "korder-history", "version": 1, "time_unit": history.time_unit, "drain": history.drain}
    header |= {"append_times": history.append_times, "consumers": consumers}
    return header | ({"config": history.config} if history.config is not None else {})


class _Writer:
    """Events of each table, in order of rows."""

    def __init__(self, history: History) -> None:
        self.history = history

    def sends(self) -> Iterator[Row]:
        sends, h = self.history.records, self.history
        known = (sends.prod >= 0).nonzero()[0]
        order = known[_by(sends.row[known], sends.t[known], sends.i[known])]
        for v in order.tolist():
            yield int(sends.t[v]), int(sends.row[v]), {
                "e": "send", "prod": h.producers[sends.prod[v]], "i": int(sends.i[v]), "v": h.values[v],
                "p": self.partition(sends.partition[v]), "k": self.name(h.keys, sends.key[v]),
                "uid": h.values[sends.uid[v]] if sends.uid[v] != v else None,
                "op": self.name(h.words, sends.op[v]), "txn": self.name(h.txns, sends.txn[v]),
            }  # fmt: skip

    def partition(self, code: Any) -> str | None:
        return self.history.partitions[int(code)] if code >= 0 else None

    def broker(self, code: int) -> int | None:
        return int(self.history.brokers[code]) if code >= 0 else None

    @staticmethod
    def name(names: Any, code: Any) -> Any:
        return names[int(code)] if code >= 0 else None

    def rows(self, table: Table) -> Iterator[tuple[int, int, Mapping[str, int]]]:
        columns = table.columns()
        names, lists = list(columns), [column.tolist() for column in columns.values()]
        for values in zip(*lists, strict=True):
            one = dict(zip(names, values, strict=True))
            yield one["t"], one["row"], one

    def records(self, one: Mapping[str, int]) -> Iterator[tuple[int, Any]]:
        """(position in the run, value) of each record."""
        for k in range(one["count"]):
            yield k, self.history.values[one["value"] + k]


def _by(*columns: Column) -> Column:
    import numpy as np

    order: Column = np.lexsort(columns[::-1])
    return order


def _appends(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.appends):
        common = {
            "e": "append", "p": w.partition(one["partition"]), "b": w.broker(one["broker"]),
            "role": "follower" if one["follower"] else None, "lep": _or_none(one["lep"]), "pid": _or_none(one["pid"]),
            "epoch": _or_none(one["epoch"]), "txn": w.name(w.history.txns, one["txn"]),
        }  # fmt: skip
        if one["kind"]:
            yield t, row, common | {"o": one["offset"], "kind": {COMMIT: "commit", ABORT: "abort"}[one["kind"]]}
            continue
        for k, value in w.records(one):
            seq = (one["seq"] + k) & 0x7FFFFFFF if one["seq"] >= 0 else None
            yield t, row, common | {"o": one["offset"] + k, "v": value, "seq": seq}


def _rejects(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.rejects):
        for _, value in w.records(one):
            yield t, row, {
                "e": "reject", "prod": w.history.producers[one["prod"]], "v": value, "p": w.partition(one["partition"]),
                "why": w.name(w.history.words, one["why"]) or "refused",
            }  # fmt: skip


def _outcomes(w: _Writer) -> Iterator[Row]:
    words = {ACK: "ack", UNKNOWN: "unknown", FAIL: "fail"}
    for t, row, one in w.rows(w.history.outcomes):
        for k, value in w.records(one):
            offset = one["offset"] + k if one["offset"] >= 0 and one["kind"] != FAIL else None
            yield t, row, {
                "e": words[one["kind"]], "prod": w.history.producers[one["prod"]], "v": value,
                "p": w.partition(one["partition"]), "o": offset, "error": w.name(w.history.words, one["error"]),
            }  # fmt: skip


def _marks(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.marks):
        yield t, row, {"e": "hw", "p": w.partition(one["partition"]), "o": one["offset"], "b": w.broker(one["broker"])}


def _leaders(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.leaders):
        p, b = w.partition(one["partition"]), w.broker(one["broker"])
        yield t, row, {"e": "leader", "p": p, "b": b, "lep": one["lep"]}


def _truncations(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.truncations):
        p, b = w.partition(one["partition"]), w.broker(one["broker"])
        yield t, row, {"e": "truncate", "p": p, "to": one["to"], "b": b}


def _log_starts(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.log_starts):
        yield t, row, {"e": "logstart", "p": w.partition(one["partition"]), "o": one["offset"]}


def _compactions(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.compactions):
        yield t, row, {"e": "compact", "p": w.partition(one["partition"]), "removed": [one["offset"]]}


def _polls(w: _Writer) -> Iterator[Row]:
    """A run each; runs of one poll group share an op."""
    for t, row, one in w.rows(w.history.polls):
        records = [[w.partition(one["partition"]), one["offset"] + k, value] for k, value in w.records(one)]
        txn = w.name(w.history.txns, one["txn"])
        yield t, row, {
            "e": "poll", "con": w.history.consumers.names[one["consumer"]], "recs": records, "txn": txn,
            "op": None if txn is not None else f"poll {one['group']}",
        }  # fmt: skip


def _positions(w: _Writer) -> Iterator[Row]:
    assigned: dict[str, list[str]] = {}
    for t, row, one in w.rows(w.history.positions):
        consumer, p = w.history.consumers.names[one["consumer"]], w.partition(one["partition"])
        held = assigned.setdefault(consumer, [])
        if one["kind"] == FORGET_ASSIGN:
            held.append(str(p))
            how = "manual" if w.history.consumers.group[one["consumer"]] is None else "rebalance"
            yield t, row, {"e": "assign", "con": consumer, "p": list(held), "how": how}
        elif one["kind"] == FORGET_REVOKE:
            held[:] = [name for name in held if name != p]
            yield t, row, {"e": "revoke", "con": consumer, "p": [p]}
        elif one["kind"] == FORGET_CRASH:
            held.clear()
            yield t, row, {"e": "crash", "who": consumer}
        elif one["kind"] == FORGET_SEEK:
            yield t, row, {"e": "seek", "con": consumer, "p": p, "o": one["offset"]}
        else:
            yield t, row, {"e": "reset", "con": consumer, "p": p, "o": one["offset"], "why": "position"}


def _commits(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.commits):
        yield t, row, {
            "e": "commit", "con": w.history.consumers.names[one["consumer"]], "p": w.partition(one["partition"]),
            "o": one["offset"], "auto": bool(one["auto"]), "ok": bool(one["ok"]),
        }  # fmt: skip


def _processing(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.processing):
        yield t, row, {
            "e": "proc_end" if one["end"] else "proc_start", "con": w.history.consumers.names[one["consumer"]],
            "p": w.partition(one["partition"]), "o": one["offset"],
        }  # fmt: skip


def _transactions(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.transactions):
        yield t, row, {"e": "txn", "txn": w.history.txns[one["txn"]], "state": _STATES[one["state"]]}


def _txn_offsets(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.txn_offsets):
        yield t, row, {
            "e": "txn_offsets", "txn": w.history.txns[one["txn"]], "con": w.history.consumers.names[one["consumer"]],
            "p": w.partition(one["partition"]), "o": one["offset"],
        }  # fmt: skip


def _wire(w: _Writer) -> Iterator[Row]:
    for t, row, one in w.rows(w.history.wire):
        said = {"error": w.name(w.history.words, one["error"])} if one["response"] else {"b": w.broker(one["broker"])}
        yield t, row, {
            "e": "response" if one["response"] else "attempt", "prod": w.history.producers[one["prod"]],
            "vs": [value for _, value in w.records(one)], "p": w.partition(one["partition"]), "conn": one["conn"],
            "n": max(one["n"], 0), **said,
        }  # fmt: skip


def _or_none(x: int) -> int | None:
    return x if x >= 0 else None


_EVENTS: tuple[Callable[[_Writer], Iterator[Row]], ...] = (
    _appends, _rejects, _outcomes, _marks, _leaders, _truncations, _log_starts, _compactions, _polls, _positions,
    _commits, _processing, _transactions, _txn_offsets, _wire,
)  # fmt: skip
