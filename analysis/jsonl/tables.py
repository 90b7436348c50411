"""Tables of a history while it is read: columns that grow by rows or by blocks of columns, and their last touches."""

from __future__ import annotations

from array import array
from typing import Any, TypeVar

import numpy as np

from analysis.history import Column, Table

__all__ = ["Growing", "coded_brokers", "in_order", "table_of"]

T = TypeVar("T", bound=Table)
SMALL_BROKER_ID = 256


class Growing:
    """Columns that grow by rows or by blocks of columns."""

    def __init__(self, width: int) -> None:
        self._rows = array("q")
        self.row = self._rows.extend
        self._parts: list[list[Column]] = [[] for _ in range(width)]

    def add(self, columns: list[Column]) -> None:
        self._settle()
        for parts, column in zip(self._parts, columns, strict=True):
            parts.append(column)

    def whole(self) -> list[Column]:
        """The columns; nothing is left here, so that one column at a time is there twice."""
        self._settle()
        columns = []
        for parts in self._parts:
            columns.append(np.concatenate([np.zeros(0, np.int64), *parts]))
            parts.clear()
        return columns

    def _settle(self) -> None:
        if self._rows:
            block = np.array(self._rows, np.int64).reshape(-1, len(self._parts))
            for parts, column in zip(self._parts, block.T, strict=True):
                parts.append(np.ascontiguousarray(column))
            del self._rows[:]


def in_order(parts: list[list[Column]], any_order: bool) -> list[Column]:
    """Columns that came kind by kind, by row, which is the first of them."""
    columns = [np.concatenate(some) for some in zip(*parts, strict=True)]
    if any_order:
        return columns
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


def table_of(kind: type[T], rows: Growing) -> T:
    """Rows of one table may have come kind by kind."""
    columns = rows.whole()
    row = columns[0]
    if (row[1:] < row[:-1]).any():
        order = np.argsort(row, kind="stable")
        columns = [column[order] for column in columns]
    return kind(*columns)


def coded_brokers(tables: dict[str, Any]) -> list[int]:
    """Broker ids become small codes, in place; the ids by code. Those that are small are their own codes."""
    columns = [(table, table.broker) for table in tables.values() if "broker" in table.columns()]
    largest = max(int(column.max(initial=1)) for _, column in columns)
    if largest < SMALL_BROKER_ID:
        return list(range(largest + 1))
    ids = np.unique(np.concatenate([column[column >= 0] for _, column in columns] + [np.ones(1, np.int64)]))
    for table, column in columns:
        table.broker = np.where(column < 0, -1, np.searchsorted(ids, column))
    told: list[int] = ids.tolist()
    return told
