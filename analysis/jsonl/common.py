"""The common events of the exchange format as columns: sends, appends, results, marks, transmissions, polls.

Each function gives names their codes and returns a table's name and columns; nothing is kept before all kinds of a
block have been found regular.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

import analysis.history as h
from analysis.history import Column
from analysis.jsonl.block import Codes, Events, Irregular, codes_of

__all__ = ["ALONE", "COMMON", "OF_OP", "OF_TXN", "RESULTS"]

ALONE, OF_OP, OF_TXN = range(3)  # what makes polls of one consumer a group
RESULTS = {"ack": h.ACK, "unknown": h.UNKNOWN, "fail": h.FAIL}


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


def _sends(r: Names, k: Events) -> Columns:
    value, identity = k.codes("v", r.values), k.codes("uid", r.values)
    return "records", [
        value, k.codes("prod", r.producers), k.numbers("i"), k.codes("p", r.partitions), k.codes("k", r.keys),
        np.where(identity < 0, value, identity), k.row, k.t, k.codes("op", r.words), k.codes("txn", r.txns),
    ]  # fmt: skip


def _appends(r: Names, k: Events) -> Columns:
    value, broker = k.codes("v", r.values), k.numbers("b")
    commit, abort = k.words("kind", "commit"), k.words("kind", "abort")
    if ((value < 0) != (commit + abort > 0)).any():
        raise Irregular
    return "appends", [
        k.row, k.t, k.codes("p", r.partitions), k.numbers("o"), value, k.all(1),
        np.where(broker < 0, 1, broker), k.words("role", "follower"), k.numbers("lep"), k.numbers("pid"),
        k.numbers("epoch"), k.numbers("seq"), k.codes("txn", r.txns), commit * h.COMMIT + abort * h.ABORT,
        k.all(-1),
    ]  # fmt: skip


def _outcomes(name: str) -> Callable[[Names, Events], Columns]:
    def make(r: Names, k: Events) -> Columns:
        failed = name == "fail"
        return "outcomes", [
            k.row, k.t, k.all(RESULTS[name]), k.codes("prod", r.producers), k.codes("p", r.partitions),
            k.codes("v", r.values), k.all(1), k.all(-1) if failed else k.numbers("o"),
            k.codes("error", r.words) if failed else k.all(-1),
        ]  # fmt: skip

    return make


def _marks(r: Names, k: Events) -> Columns:
    return "marks", [k.row, k.t, k.codes("p", r.partitions), k.numbers("o"), k.numbers("b")]


def _wire(response: bool) -> Callable[[Names, Events], Columns]:
    def make(r: Names, k: Events) -> Columns:
        value, count = k.listed("vs", r.values)
        columns = (
            k.row, k.t, k.codes("prod", r.producers), k.codes("p", r.partitions),
            k.all(-1) if response else k.numbers("b"), k.codes("conn", r.words), k.numbers("n"),
            k.codes("error", r.words) if response else k.all(-1),
        )  # fmt: skip
        row, t, producer, partition, broker, conn, n, error = (np.repeat(column, count) for column in columns)
        return "wire", [
            row, t, np.full_like(value, response), producer, partition, value, np.ones_like(value), broker, conn, n,
            error,
        ]  # fmt: skip

    return make


def _polls(r: Names, k: Events) -> Columns:
    if any(k.names("rebalanced")):
        raise Irregular
    partition, offset, value, count = k.records(r.partitions, r.values)
    consumer, txn = k.codes("con", r.consumers), k.codes("txn", r.txns)
    columns = (k.row, k.t, consumer, _groups(r, k, consumer), txn)
    row, t, who, group, transaction = (np.repeat(column, count) for column in columns)
    return "polls", [
        row, t, who, partition, offset, value, np.ones_like(row), group, transaction,
    ]  # fmt: skip


def _groups(r: Names, k: Events, consumer: Column) -> Column:
    """Poll groups: of one consumer and txn, else of one consumer and op, else alone."""
    op, txn = k.codes("op", r.words), k.codes("txn", r.txns)
    sort = np.where(txn >= 0, OF_TXN, np.where(op >= 0, OF_OP, ALONE))
    mark = np.where(sort == OF_TXN, txn, np.where(sort == OF_OP, op, k.row))
    new = np.ones(k.size, bool)
    new[1:] = (consumer[1:] != consumer[:-1]) | (sort[1:] != sort[:-1]) | (mark[1:] != mark[:-1])
    begins = np.flatnonzero(new)
    marks = zip(*(column[begins].tolist() for column in (consumer, sort, mark)), strict=True)
    return np.repeat(codes_of(r.groups, list(marks)), np.diff(begins, append=k.size))


COMMON: dict[str, Callable[[Names, Events], Columns]] = {
    "send": _sends, "append": _appends, "hw": _marks, "attempt": _wire(False), "response": _wire(True), "poll": _polls,
    **{name: _outcomes(name) for name in RESULTS},
}  # fmt: skip
