"""A block of lines of the exchange format read by columns.

The rules stand in ``jsonl_rules`` alone; from its table of events msgspec makes a decoder that checks types and ranges
while it parses. This module only recognises a block in which everything is plainly as it should be. Anything else is
:class:`Irregular`, before anything was kept, and the block is read again line by line, which finds the line and says
what is wrong with it.

What the decoder does not see is whether a key stands twice and where lines end. Both are counted: a block has as many
objects as lines, every line begins and ends with a brace, and there are as many keys in its bytes as fields were met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, compress
from typing import Annotated, Any, Literal, Union

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import astuple

from analysis.history import Column
from analysis.jsonl_rules import COMMON_FIELDS, EVENTS, LIMIT, OFFSETS

__all__ = ["Block", "Irregular", "Kind"]

_INTEGER = Annotated[int, Meta(gt=-LIMIT, lt=LIMIT)]
_NATURAL = Annotated[int, Meta(ge=0, lt=LIMIT)]
_OFFSET = Annotated[int, Meta(ge=0, lt=OFFSETS)]
_NAME = Annotated[str, Meta(min_length=1)]
_VALUE = Union[_NAME, _INTEGER]  # noqa: UP007 - "|" does not take Annotated before 3.14
_PARTITION = Union[_NAME, _NATURAL]  # noqa: UP007
_ANNOTATIONS: dict[str, Any] = {
    "integer": _INTEGER, "natural": _NATURAL, "seq": Annotated[int, Meta(ge=-1, lt=1 << 31)], "value": _VALUE,
    "name": _NAME, "text": str, "bool": bool, "partition": _PARTITION, "partitions": list[_PARTITION],
    "offset": _OFFSET, "naturals": list[_OFFSET], "values": list[_VALUE],
    "records": list[tuple[_PARTITION, _OFFSET, _VALUE]], "role": Literal["leader", "follower"],
    "kind": Literal["commit", "abort"], "how": Literal["manual", "group", "rebalance"],
    "state": Literal["begin", "commit", "abort", "unknown"],
}  # fmt: skip


class Irregular(Exception):
    """Look at the block line by line."""


def _struct(event: str, strange: bool) -> type[msgspec.Struct]:
    required, optional = EVENTS[event]
    fields: list[Any] = [("t", _INTEGER), *((name, _ANNOTATIONS[kind]) for name, kind in required.items())]
    fields += [
        (name, Union[_ANNOTATIONS[kind], None, UnsetType], UNSET)  # noqa: UP007
        for name, kind in (optional | COMMON_FIELDS).items()
    ]
    return msgspec.defstruct(
        event, fields, tag_field="e", tag=event, gc=False, forbid_unknown_fields=not strange,
    )  # fmt: skip


def _decoder(strange: bool) -> tuple[list[type[msgspec.Struct]], Callable[[bytes], list[Any]]]:
    structs = [_struct(event, strange) for event in EVENTS]
    return structs, msgspec.json.Decoder(Union[tuple(structs)]).decode_lines


# The second takes fields that the format does not know; it cannot count the keys, so somebody else must.
_STRICT, _LENIENT = _decoder(strange=False), _decoder(strange=True)
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ANYTHING = msgspec.json.Decoder()
_NAMES = {event: ("t", *required, *optional, *COMMON_FIELDS) for event, (required, optional) in EVENTS.items()}


class Block:
    """Parsed lines, by kind of event. *first* is the number of the first line; every line ends with a line feed."""

    def __init__(self, first: int, text: bytes, last_t: int | None) -> None:
        text = text.replace(b"\r\n", b"\n")
        lines = text.count(b"\n")
        if not (text.startswith(b"{") and text.count(b"\n{") == lines - 1 and text.count(b"}\n") == lines):
            raise Irregular
        events, structs, keys = _parsed(text, lines)
        kind_of = {struct: number for number, struct in enumerate(structs)}
        kinds = np.fromiter(map(kind_of.__getitem__, map(type, events)), np.int8, lines)
        self.t = np.empty(lines, np.int64)
        self.kinds: dict[str, Kind] = {}
        for number in dict.fromkeys(kinds.tolist()):
            mine = kinds == number
            kind = Kind(structs[number].__name__, list(compress(events, mine.tolist())), np.flatnonzero(mine) + first)
            self.t[mine] = kind.t
            self.kinds[kind.name] = kind
        if keys is not None and keys != sum(kind.fields for kind in self.kinds.values()) + lines:  # and each its "e"
            raise Irregular
        if (self.t[1:] < self.t[:-1]).any() or (last_t is not None and self.t[0] < last_t):
            raise Irregular

    @property
    def last_t(self) -> int:
        return int(self.t[-1])

    def ids(self) -> list[tuple[int, Any]]:
        """(line, id) of the events that have one, in order."""
        return sorted(chain.from_iterable(kind.ids() for kind in self.kinds.values()), key=lambda one: one[0])


def _parsed(text: bytes, lines: int) -> tuple[list[Any], list[type[msgspec.Struct]], int | None]:
    """The events, the types that they may be of, and the number of keys in *text* where it has yet to be compared."""
    try:
        events, structs, keys = _STRICT[1](text), _STRICT[0], _keys(text)
    except msgspec.ValidationError:
        events, structs, keys = _parsed_leniently(text), _LENIENT[0], None
    except _NOT_JSON as error:
        raise Irregular from error
    if len(events) != lines:
        raise Irregular
    return events, structs, keys


def _parsed_leniently(text: bytes) -> list[Any]:
    try:
        events, anything = _LENIENT[1](text), _ANYTHING.decode_lines(text)
    except _NOT_JSON as error:
        raise Irregular from error
    if sum(map(len, anything)) != _keys(text):
        raise Irregular
    return events


def _keys(text: bytes) -> int:
    """How many keys there are, or more than that: never less."""
    if b'" ' in text or b'"\t' in text or b'"\r' in text:
        return text.count(b":")
    return text.count(b'":')


class Kind:
    """The events of one kind in a block, by columns. *row*: their lines."""

    def __init__(self, name: str, events: list[Any], row: Column) -> None:
        self.name, self.row, self.size = name, row, len(row)
        names = _NAMES[name]
        self._columns: dict[str, tuple[Any, ...]] = dict(zip(names, zip(*map(astuple, events), strict=True), strict=True))
        optional = names[1 + len(EVENTS[name][0]) :]
        self._missing = {field: _unset(self._columns[field]) for field in optional}
        self.t = self.numbers("t")

    @property
    def fields(self) -> int:
        """How many fields there are in all the events, without ``e``."""
        return len(self._columns) * self.size - sum(self._missing.values())

    def ids(self) -> Iterator[tuple[int, Any]]:
        if self._missing["id"] < self.size:
            for line, name in zip(self.row.tolist(), self._columns["id"], strict=True):
                if name is not UNSET:
                    yield line, name

    def events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line, event as it stood there) of each, without what the format does not know."""
        for row, fields in zip(self.row.tolist(), zip(*self._columns.values(), strict=True), strict=True):
            told = {name: x for name, x in zip(self._columns, fields, strict=True) if x is not UNSET}
            yield row, {"e": self.name, **told}

    def numbers(self, name: str) -> Column:
        """Integers, -1 where there is none."""
        column = self._columns[name]
        if self._missing.get(name, 0) == self.size:
            return np.full(self.size, -1)
        try:
            return np.fromiter(column, np.int64, self.size)
        except TypeError:
            return np.array([-1 if x is UNSET or x is None else x for x in column], np.int64)

    def words(self, name: str, word: str) -> Column:
        """1 where it is *word*."""
        if self._missing[name] == self.size:
            return np.zeros(self.size, np.int64)
        return np.array([x == word for x in self._columns[name]], np.int64)

    def codes(self, name: str, codes: dict[Any, int]) -> Column:
        """By name its code, -1 where there is none."""
        column = self._columns[name]
        missing = self._missing.get(name, 0)
        if missing == self.size:
            return np.full(self.size, -1)
        if missing or (name in self._missing and type(None) in set(map(type, column))):
            return np.array([-1 if x is UNSET or x is None else codes[x] for x in column], np.int64)
        return np.fromiter(map(codes.__getitem__, column), np.int64, self.size)

    def names(self, name: str) -> tuple[Any, ...]:
        """As they are, None where there is none."""
        return tuple(None if x is UNSET else x for x in self._columns[name])

    def lists(self, name: str) -> tuple[list[Any], Column]:
        """The members of lists one behind the other, and the length of each."""
        column = self._columns[name]
        return list(chain.from_iterable(column)), np.fromiter(map(len, column), np.int64, self.size)


def _unset(column: tuple[Any, ...]) -> int:
    """How many are UNSET. (To count them by comparison is cheap only where they are many.)"""
    if column[0] is not UNSET and UnsetType not in set(map(type, column)):
        return 0
    return column.count(UNSET)
