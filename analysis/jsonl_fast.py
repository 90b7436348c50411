"""A block of lines of the exchange format read by columns.

The rules stand in ``jsonl_rules`` alone. This module only recognises a block in which everything is plainly as it
should be: by the types met in each column, and by their extremes. Anything else is :class:`Irregular`, before anything
was kept, and the block is read again line by line, which finds the line and says what is wrong with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic_core import from_json

from analysis.history import Column
from analysis.jsonl_rules import EVENTS, LIMIT, OFFSETS

__all__ = ["Block", "Irregular", "Kind"]

Event = dict[str, Any]
_RANGES = {
    "integer": (1 - LIMIT, LIMIT - 1), "natural": (0, LIMIT - 1), "offset": (0, OFFSETS - 1), "seq": (-1, 2**31 - 1),
}  # fmt: skip
_WORDS = {"role": {"leader", "follower"}, "kind": {"commit", "abort"}}
_NAMES: dict[str, set[type]] = {"value": {int, str}, "name": {str}, "partition": {int, str}, "values": {list}}


class Irregular(Exception):
    """Look at the block line by line."""


class Block:
    """Parsed lines, by kind of event. *first* is the number of the first line."""

    def __init__(self, first: int, lines: list[bytes], last_t: int | None) -> None:
        try:
            events = [from_json(line, allow_inf_nan=False) for line in lines]
        except ValueError as error:
            raise Irregular from error
        if set(map(type, events)) != {dict} or list(map(len, events)) != [line.count(b":") for line in lines]:
            raise Irregular  # not an object, or a key that stands twice (or a colon inside a text)
        self.t = _times(events, last_t)
        self.ids = [(first + k, e["id"]) for k, e in enumerate(events) if "id" in e]
        self.kinds: dict[str, Kind] = {}
        rows: dict[Any, list[int]] = {}
        names = [event.get("e") for event in events]
        if set(map(type, names)) != {str} or not set(names) <= EVENTS.keys():
            raise Irregular
        for k, name in enumerate(names):
            rows.setdefault(name, []).append(k)
        _check_names([name for _, name in self.ids], {int, str, type(None)})
        for name, mine in rows.items():
            self.kinds[name] = Kind(name, [events[k] for k in mine], np.array(mine), first, self.t)

    @property
    def last_t(self) -> int:
        return int(self.t[-1])


class Kind:
    """The events of one kind in a block. Columns are checked when they are asked for."""

    def __init__(self, name: str, events: list[Event], at: Column, first: int, t: Column) -> None:
        self.events, self.row, self.t = events, at + first, t[at]
        required, optional = EVENTS[name]
        self._types = required | optional
        self._required = required

    def _column(self, name: str) -> tuple[list[Any], set[type]]:
        try:
            column = [e[name] for e in self.events] if name in self._required else [e.get(name) for e in self.events]
        except KeyError as error:
            raise Irregular from error
        return column, set(map(type, column))

    def numbers(self, name: str, default: int = -1) -> Column:
        """Integers, *default* where there is none."""
        column, types = self._column(name)
        low, high = _RANGES[self._types[name]]
        if types == {type(None)}:
            return np.full(len(column), default)
        if not types <= {int, type(None)} or (name in self._required and types != {int}):
            raise Irregular
        known = column if types == {int} else [x for x in column if x is not None]
        if min(known) < low or max(known) > high:
            raise Irregular
        return np.array(column if types == {int} else [default if x is None else x for x in column], np.int64)

    def words(self, name: str, word: str) -> Column:
        """Whether each is *word*, of the few that there are."""
        column, types = self._column(name)
        if types == {type(None)}:
            return np.zeros(len(column), np.int64)
        if not types <= {str, type(None)} or not set(column) <= _WORDS[self._types[name]] | {None}:
            raise Irregular
        return np.array([x == word for x in column], np.int64)

    def names(self, name: str) -> list[Any]:
        """Names as they are, None where there is none."""
        column, types = self._column(name)
        allowed = _NAMES[self._types[name]]
        if not types <= (allowed if name in self._required else allowed | {type(None)}):
            raise Irregular
        _check_names(column, types, self._types[name] == "partition")
        return column


    def lists(self, name: str) -> tuple[list[Any], Column]:
        """Lists of values, one behind the other, and the length of each."""
        column, types = self._column(name)
        if types != {list}:
            raise Irregular
        flat = [value for values in column for value in values]
        _check_names(flat, {int, str})
        return flat, np.array([len(values) for values in column], np.int64)

    def records(self, name: str) -> tuple[list[Any], Column, list[Any], Column]:
        """Lists of [partition, offset, value], as columns, and the length of each list."""
        column, types = self._column(name)
        if types != {list}:
            raise Irregular
        flat = [record for records in column for record in records]
        if not set(map(type, flat)) <= {list} or not set(map(len, flat)) <= {3}:
            raise Irregular
        partition, offset, value = ([record[k] for record in flat] for k in range(3))
        _check_names(partition, {int, str}, natural=True)
        _check_names(value, {int, str})
        if not set(map(type, offset)) <= {int} or (offset and not 0 <= min(offset) <= max(offset) < OFFSETS):
            raise Irregular
        return partition, np.array(offset, np.int64), value, np.array([len(records) for records in column], np.int64)


def _check_names(column: list[Any], types: set[type], natural: bool = False) -> None:
    if not set(map(type, column)) <= types:
        raise Irregular
    if str in types and "" in column:
        raise Irregular
    if int in types and any(type(x) is int and not (0 if natural else 1 - LIMIT) <= x < LIMIT for x in column):
        raise Irregular


def _times(events: list[Event], last_t: int | None) -> Column:
    try:
        told = [event["t"] for event in events]
        if set(map(type, told)) != {int}:
            raise Irregular
        t = np.array(told, np.int64)
    except (KeyError, OverflowError) as error:
        raise Irregular from error
    if abs(t[0]) >= LIMIT or abs(t[-1]) >= LIMIT or (t[1:] < t[:-1]).any() or (last_t is not None and t[0] < last_t):
        raise Irregular
    return t
