"""The common events of the exchange format as columns of tables: send, append, ack, unknown, fail, hw.

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


COMMON: dict[str, Callable[[Names, Kind], Callable[[], Columns]]] = {
    "send": _sends, "append": _appends, "hw": _marks, **{name: _outcomes(name) for name in RESULTS},
}  # fmt: skip
