"""A block of lines of the exchange format read by columns.

The rules stand in ``rules`` alone. This module only recognises a block in which everything is plainly as it
should be: its lines look like lines seen before (``template``), or a decoder of ``shape`` takes them, and
what decoders do not see holds as well: there are as many objects as lines, every line begins and ends with a brace, and
there are as many keys in the bytes as fields were met, so that none stands twice. Anything else is :class:`Irregular`,
and the block is read again line by line, which finds the line and says what is wrong with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, count
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from analysis.history import Column
from analysis.jsonl.matched import Matched, Matching
from analysis.jsonl.shape import ANY, STRANGE, Decoder, Fields, Shape
from analysis.jsonl.sheet import Sheet

__all__ = ["Block", "Codes", "Events", "Irregular", "Kind", "Lines"]

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ANYTHING = msgspec.json.Decoder()
_LINE_FEED, _OPEN, _CLOSE, _QUOTE, _COLON = b'\n{}":'
_BLANKS_END = ord(" ") + 1


_NOTHING = {None: -1, UNSET: -1}


class Irregular(Exception):
    """Look at the block line by line."""


class Codes(defaultdict[Any, int]):
    """Names to codes, in the order in which they are first met; no name is -1."""

    def __init__(self) -> None:
        super().__init__(count().__next__, _NOTHING)

    def names(self) -> list[Any]:
        """By code."""
        return list(self)[len(_NOTHING) :]

    def __len__(self) -> int:
        return super().__len__() - len(_NOTHING)


class Lines:
    """Lines of a file, each with its line feed, and what can be found out about them before the lines ahead of them
    are read."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.plain = text.replace(b"\r\n", b"\n") if b"\r" in text else text
        self.matching = Matching(Sheet(self.plain))


class Block:
    """Lines as columns, by kind of event. *first* is the number of the first line.

    Those that look like lines seen before need no parsing; ``new`` are lines that *shape* has no decoder for.
    """

    def __init__(self, first: int, lines: Lines, last_t: int | None, shape: Shape) -> None:
        matching = lines.matching
        matching.first = first
        if matching.sheet.sound:
            shape.match(matching, _sound)
        self.kinds: list[Events] = [*matching.found]
        self.new = 0
        left, sheet = matching.left(), matching.sheet
        if len(left) == len(sheet.ends):
            self._parse(lines.plain, left + first, shape)
        elif len(left):
            self._parse(b"".join([sheet.line(k) + b"\n" for k in left.tolist()]), left + first, shape)
        self.t = np.empty(len(sheet.ends), np.int64)
        for kind in self.kinds:
            self.t[kind.row - first] = kind.t
        if (self.t[1:] < self.t[:-1]).any() or (last_t is not None and self.t[0] < last_t):
            raise Irregular

    def _parse(self, text: bytes, row: Column, shape: Shape) -> None:
        seen = np.frombuffer(text, np.uint8)
        lines = _lines(seen)
        events, decoder = _parsed(text, seen, shape)
        if len(events) != lines:
            raise Irregular
        kinds = [Kind(decoder, number, mine, row[rows]) for number, rows, mine in _by_kind(events, decoder)]
        fields = sum(kind.met for kind in kinds) + lines  # and each its "e"
        if decoder is not STRANGE and not _so_many_keys(seen, fields):
            raise Irregular
        self.new = lines if decoder is ANY else 0
        self.kinds += kinds

    def fields(self) -> dict[str, Fields]:
        """By kind of those parsed: the fields that it has here, and whether every event has them."""
        return {kind.name: kind.fields() for kind in self.kinds if isinstance(kind, Kind)}


def _sound(line: bytes) -> bool:
    """It is an event as the format wants it, and no key stands twice."""
    if line[:1] != b"{" or line[-1:] != b"}":
        return False
    try:
        events = ANY.decode(line)
    except _NOT_JSON:
        return False
    kinds = _by_kind(events, ANY)
    fields = sum(Kind(ANY, number, mine, rows).met + len(mine) for number, rows, mine in kinds)
    return len(events) == 1 and _so_many_keys(np.frombuffer(line, np.uint8), fields)


def _lines(text: Column) -> int:
    """How many lines there are. Each may be an object or several; none is empty or ends within an object."""
    ends = np.flatnonzero(text == _LINE_FEED)
    if text[0] != _OPEN or (text[ends[:-1] + 1] != _OPEN).any() or (text[ends - 1] != _CLOSE).any():
        raise Irregular
    return len(ends)


def _parsed(text: bytes, seen: Column, shape: Shape) -> tuple[list[Any], Decoder]:
    for decoder in (shape.decoder, ANY):
        try:
            if decoder is not None:
                return decoder.decode(text), decoder
        except msgspec.ValidationError:
            continue
        except _NOT_JSON as error:
            raise Irregular from error
    try:
        events, anything = STRANGE.decode(text), _ANYTHING.decode_lines(text)
    except _NOT_JSON as error:
        raise Irregular from error
    if not _so_many_keys(seen, sum(map(len, anything))):
        raise Irregular
    return events, STRANGE


def _so_many_keys(text: Column, fields: int) -> bool:
    """Are there no more keys in *text* than *fields*? (There are not fewer, and false may be wrong.)"""
    colon = text == _COLON
    if np.count_nonzero(colon) == fields:
        return True
    quote = text[:-1] == _QUOTE
    if (quote & (text[1:] < _BLANKS_END)).any():  # there may be space between a key and its colon
        return False
    return int(np.count_nonzero(quote & colon[1:])) == fields


def _by_kind(events: list[Any], decoder: Decoder) -> Iterator[tuple[int, Column, list[Any]]]:
    """(number of the kind, positions, events) of each kind there is."""
    kinds = np.fromiter(map(decoder.number.__getitem__, map(type, events)), np.int8, len(events))
    order = np.argsort(kinds, kind="stable")
    events = list(map(events.__getitem__, order.tolist()))
    end = 0
    for number, size in enumerate(np.bincount(kinds).tolist()):
        start, end = end, end + size
        if size:
            yield number, order[start:end], events[start:end]


class Kind:
    """The events of one kind in a block, by columns. *row*: their lines."""

    def __init__(self, decoder: Decoder, number: int, events: list[Any], row: Column) -> None:
        self.name, self.row, self.size = decoder.events[number], row, len(row)
        names = decoder.names[number]
        flat = list(chain.from_iterable(map(astuple, events)))
        self._columns = {name: flat[k :: len(names)] for k, name in enumerate(names)}
        self._missing = {name: _unset(self._columns[name]) for name in decoder.optional[number]}
        self.t = self.numbers("t")

    @property
    def met(self) -> int:
        """How many fields there are in all the events, without ``e``."""
        return len(self._columns) * self.size - sum(self._missing.values())

    def fields(self) -> Fields:
        """Those that some event has, and whether every event has them, with more than null."""
        told = ((name, self._missing.get(name, 0)) for name in self._columns if name != "t")
        return {
            name: not missing and not (name in self._missing and None in self._columns[name])
            for name, missing in told
            if missing < self.size
        }

    def has(self, name: str) -> bool:
        return name in self._columns and self._missing.get(name, 0) < self.size

    def named(self, name: str) -> tuple[Column, list[Any]]:
        """(lines, ids) of the events that have one in this field."""
        names = self.names(name)
        if None not in names:
            return self.row, names
        known = [k for k, x in enumerate(names) if x is not None]
        return self.row[known], [names[k] for k in known]

    def events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line, event as it stood there) of each, without what the format does not know."""
        for row, fields in zip(self.row.tolist(), zip(*self._columns.values(), strict=True), strict=True):
            told = {name: x for name, x in zip(self._columns, fields, strict=True) if x is not UNSET}
            yield row, {"e": self.name, **told}

    def numbers(self, name: str) -> Column:
        """Integers, -1 where there is none."""
        if not self.has(name):
            return self.all(-1)
        column = self._columns[name]
        try:
            return np.fromiter(column, np.int64, self.size)
        except TypeError:
            return np.array([-1 if x is UNSET or x is None else x for x in column], np.int64)

    def words(self, name: str, word: str) -> Column:
        """1 where it is *word*."""
        return np.array([x == word for x in self._columns[name]], np.int64) if self.has(name) else self.all(0)

    def codes(self, name: str, codes: Codes) -> Column:
        """Those of names, -1 where there is none."""
        return codes_of(codes, self._columns[name]) if self.has(name) else self.all(-1)

    def names(self, name: str) -> list[Any]:
        """As they are, None where there is none."""
        return [None if x is UNSET else x for x in self._columns[name]] if self.has(name) else [None] * self.size

    def listed(self, name: str, codes: Codes) -> tuple[Column, Column]:
        """The codes of the members of lists, one behind the other, and the length of each list."""
        column = self._columns[name]
        return codes_of(codes, list(chain.from_iterable(column))), np.fromiter(map(len, column), np.int64, self.size)

    def records(self, partitions: Codes, values: Codes) -> tuple[Column, Column, Column, Column]:
        """Of polls: partitions, offsets and values of all records, and how many each poll has."""
        column = self._columns["recs"]
        flat = list(chain.from_iterable(chain.from_iterable(column)))
        offset = np.fromiter(flat[1::3], np.int64, len(flat) // 3)
        count = np.fromiter(map(len, column), np.int64, self.size)
        return codes_of(partitions, flat[0::3]), offset, codes_of(values, flat[2::3]), count

    def all(self, x: int) -> Column:
        """The same for all."""
        return np.full(self.size, x)


Events = Kind | Matched


def codes_of(codes: Codes, names: list[Any]) -> Column:
    return np.fromiter(map(codes.__getitem__, names), np.int64, len(names))


def _unset(column: list[Any]) -> int:
    """How many are UNSET. (To count them by comparison is cheap only where they are many.)"""
    if column[0] is not UNSET and UnsetType not in set(map(type, column)):
        return 0
    return column.count(UNSET)
