"""The common events of the exchange format as columns: sends, appends, results, marks, transmissions, polls.

Each function looks at its columns first (and may find them irregular, before anything is kept); what it returns gives
names their codes and makes the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

import analysis.history as h
from analysis.history import Column
from analysis.jsonl_fast import Irregular, Kind

__all__ = ["COMMON", "RESULTS", "Codes"]

RESULTS = {"ack": h.ACK, "unknown": h.UNKNOWN, "fail": h.FAIL}


class Codes(dict[Any, int]):
    """Names to codes, in the order in which they are first met."""

    def __missing__(self, name: Any) -> int:
        code = self[name] = len(self)
        return code


class Names(Protocol):
    """Who gives codes to names."""

    producers: Codes
    partitions: Codes
    keys: Codes
    values: Codes
    words: Codes
    txns: Codes
    consumers: Codes
    groups: Codes


Columns = tuple[str, list[Column]]


def _coded(codes: Codes, names: list[Any]) -> Column:
    if names.count(None) == len(names):
        return np.full(len(names), -1)
    return np.array([-1 if name is None else codes[name] for name in names], np.int64)


def _sends(r: Names, k: Kind) -> Callable[[], Columns]:
    i = k.numbers("i")
    prod, v, p, key, uid, op, txn = (k.names(name) for name in ("prod", "v", "p", "k", "uid", "op", "txn"))
    for name in ("ts", "pid", "epoch", "seq"):
        k.numbers(name)

    def make() -> Columns:
        value = _coded(r.values, v)
        identity = _coded(r.values, uid)
        return "records", [
            value, _coded(r.producers, prod), i, _coded(r.partitions, p), _coded(r.keys, key),
            np.where(identity < 0, value, identity), k.row, k.t, _coded(r.words, op), _coded(r.txns, txn),
        ]  # fmt: skip

    return make


def _appends(r: Names, k: Kind) -> Callable[[], Columns]:
    o, b, lep, pid, epoch, seq = (k.numbers(name) for name in ("o", "b", "lep", "pid", "epoch", "seq"))
    p, v, txn, follower = k.names("p"), k.names("v"), k.names("txn"), k.words("role", "follower")
    commit, abort = k.words("kind", "commit"), k.words("kind", "abort")
    control = commit + abort
    if any((name is None) != bool(marker) for name, marker in zip(v, control.tolist(), strict=True)):
        raise Irregular

    def make() -> Columns:
        kind = commit * h.COMMIT + abort * h.ABORT
        return "appends", [
            k.row, k.t, _coded(r.partitions, p), o, _coded(r.values, v), np.ones_like(o), np.where(b < 0, 1, b),
            follower, lep, pid, epoch, seq, _coded(r.txns, txn), kind, np.full_like(o, -1),
        ]  # fmt: skip

    return make


def _outcomes(name: str) -> Callable[[Names, Kind], Callable[[], Columns]]:
    def look(r: Names, k: Kind) -> Callable[[], Columns]:
        prod, v, p = k.names("prod"), k.names("v"), k.names("p")
        error = k.names("error") if name == "fail" else [None] * len(v)
        o = np.full(len(v), -1) if name == "fail" else k.numbers("o")

        def make() -> Columns:
            return "outcomes", [
                k.row, k.t, np.full_like(o, RESULTS[name]), _coded(r.producers, prod), _coded(r.partitions, p),
                _coded(r.values, v), np.ones_like(o), o, _coded(r.words, error),
            ]  # fmt: skip

        return make

    return look


def _marks(r: Names, k: Kind) -> Callable[[], Columns]:
    p, o, b = k.names("p"), k.numbers("o"), k.numbers("b")
    return lambda: ("marks", [k.row, k.t, _coded(r.partitions, p), o, b])


def _wire(response: bool) -> Callable[[Names, Kind], Callable[[], Columns]]:
    def look(r: Names, k: Kind) -> Callable[[], Columns]:
        prod, p, conn, n = k.names("prod"), k.names("p"), k.names("conn"), k.numbers("n")
        broker = np.full(len(n), -1) if response else k.numbers("b")
        error = k.names("error") if response else [None] * len(n)
        for name in ("o",) if response else ("pid", "epoch", "seq"):
            k.numbers(name)
        values, count = k.lists("vs")

        def make() -> Columns:
            columns = (k.row, k.t, _coded(r.producers, prod), _coded(r.partitions, p), broker, _coded(r.words, conn), n)
            row, t, producer, partition, b, c, number = (np.repeat(column, count) for column in columns)
            value = _coded(r.values, values)
            return "wire", [
                row, t, np.full_like(value, response), producer, partition, value, np.ones_like(value), b, c, number,
                np.repeat(_coded(r.words, error), count),
            ]  # fmt: skip

        return make

    return look


def _polls(r: Names, k: Kind) -> Callable[[], Columns]:
    consumer, op, txn = k.names("con"), k.names("op"), k.names("txn")
    partition, offset, value, count = k.records("recs")
    if any(event.get("rebalanced") for event in k.events):
        raise Irregular

    def make() -> Columns:
        marks = [
            ("txn", t) if t is not None else ("op", o) if o is not None else ("line", line)
            for t, o, line in zip(txn, op, k.row.tolist(), strict=True)
        ]
        con = _coded(r.consumers, consumer)
        group = _coded(r.groups, [(c, *mark) for c, mark in zip(con.tolist(), marks, strict=True)])
        columns = (k.row, k.t, con, group, _coded(r.txns, txn))
        row, t, who, poll_group, transaction = (np.repeat(column, count) for column in columns)
        return "polls", [
            row, t, who, _coded(r.partitions, partition), offset, _coded(r.values, value), np.ones_like(offset),
            poll_group, transaction,
        ]  # fmt: skip

    return make


COMMON: dict[str, Callable[[Names, Kind], Callable[[], Columns]]] = {
    "send": _sends, "append": _appends, "hw": _marks, "attempt": _wire(False), "response": _wire(True), "poll": _polls,
    **{name: _outcomes(name) for name in RESULTS},
}  # fmt: skip
