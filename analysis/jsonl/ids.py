"""The ids of events, which are unique in a file, and the ids that events name as their causes.

A program counts its ids: 17, "e17", "17.3". Of such an id only its numbers are kept, in one integer, its *key*; what is
left is its *look*, of which a file has at most two: one for ids of one number and one for ids of two. Ids that look
otherwise are kept as they are. No name can be both, so that each kind is compared with its own kind alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Any

import numpy as np

from analysis.history import Column
from analysis.jsonl.sheet import WORD, Slices, numbers_at

__all__ = ["ByLine", "Ids", "Looks", "Named"]

SECOND_BITS = 20
SPARSE = 8  # numbers an id that a table by number may have
FIRST_END, SECOND_END = 1 << 40, (1 << SECOND_BITS) - 1
_COUNTED = re.compile("([^0-9]*)(0|[1-9][0-9]{0,12})(?:[.](0|[1-9][0-9]{0,5}))?")


class Looks:
    """What stands before the first number: in ids of one number (None: they are integers), and in ids of two."""

    def __init__(self) -> None:
        self.known: dict[bool, str | None] = {}  # by: are there two numbers?

    def key(self, name: Any) -> int | None:
        """The key of an id, None where it looks like no other."""
        if type(name) is int:
            return name << SECOND_BITS if 0 <= name < FIRST_END and self._is(False, None) else None
        found = _COUNTED.fullmatch(name)
        if found is None or (found[3] is None and not found[1]):  # "17" is another id than 17
            return None
        first, second = int(found[2]), -1 if found[3] is None else int(found[3])
        if first >= FIRST_END or second >= SECOND_END or not self._is(second >= 0, found[1]):
            return None
        return first << SECOND_BITS | (second + 1)

    def _is(self, two: bool, look: str | None) -> bool:
        return self.known.setdefault(two, look) == look

    def name(self, key: int) -> Any:
        first, second = key >> SECOND_BITS, (key & SECOND_END) - 1
        if second >= 0:
            return f"{self.known[True]}{first}.{second}"
        look = self.known[False]
        return first if look is None else f"{look}{first}"

    def keys(self, names: Slices | Column) -> Column | None:
        """Those of a column of ids that all have the look of the first of them; None where they do not."""
        if not isinstance(names, Slices):
            fits = bool(((names >= 0) & (names < FIRST_END)).all()) and self._is(False, None)
            return names << SECOND_BITS if fits else None
        start, stop, sheet = names.start.ravel(), names.stop.ravel(), names.sheet
        first = sheet.bytes[start[0] : stop[0]].decode()
        if self.key(first) is None:
            return None
        found = _COUNTED.fullmatch(first)
        look = found[1].encode() if found is not None else b""
        if len(look) > WORD or (sheet.words(start, len(look)) != int.from_bytes(look, "little")).any():
            return None
        end, second = stop, np.zeros(len(start), np.int64)
        if found is not None and found[3] is not None:
            end = _dots(names, stop)
            second, sound = numbers_at(sheet, end + 1, stop)
            second += 1
            if not (sound & (second <= SECOND_END)).all():
                return None
        number, digits = numbers_at(sheet, start + len(look), end)
        return number << SECOND_BITS | second if (digits & (number < FIRST_END)).all() else None


def _dots(names: Slices, stop: Column) -> Column:
    """Where the last dot of each name stands, within the digits that a second number may have; else its first byte."""
    start = names.start.ravel()
    found, left = start.copy(), np.arange(len(start))
    for back in range(2, 8):
        at = np.maximum(stop[left] - back, start[left])
        dots = names.sheet.seen[at] == ord(".")
        found[left[dots]] = at[dots]
        left = left[~dots]
        if not len(left):
            break
    return found


class Named:
    """Lines and what they name: by keys, and as they are (*odd*)."""

    def __init__(self) -> None:
        self.parts: list[tuple[Column, Column]] = []  # lines and keys
        self.odd: list[tuple[Any, int]] = []

    def add(self, looks: Looks, lines: Column, names: Slices | Column | list[Any]) -> None:
        if isinstance(names, list) and set(map(type, names)) == {int}:
            names = np.array(names, np.int64)
        keys = None if isinstance(names, list) or not len(lines) else looks.keys(names)
        if keys is not None:
            self.parts.append((lines, keys))
            return
        told = names.texts() if isinstance(names, Slices) else names if isinstance(names, list) else names.tolist()
        counted = [looks.key(name) for name in told]
        told_where = zip(told, lines.tolist(), counted, strict=True)
        self.odd += [(name, line) for name, line, key in told_where if key is None]
        known = [k for k, key in enumerate(counted) if key is not None]
        if known:
            self.parts.append((lines[known], np.array([counted[k] for k in known], np.int64)))

    def told(self) -> tuple[Column, Column]:
        """Lines and keys."""
        if not self.parts:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        lines, keys = (np.concatenate(columns) for columns in zip(*self.parts, strict=True))
        return lines, keys

    def sorted(self) -> tuple[Column, Column]:
        """Lines and keys by key."""
        lines, keys = self.told()
        order = np.argsort(keys)  # of equal ones any may come first
        return lines[order], keys[order]


class Ids:
    """All ids of a file so far, with their lines."""

    def __init__(self) -> None:
        self.looks = Looks()
        self._runs: list[tuple[Column, Column]] = []  # lines and keys, sorted by key, each run above the one before
        self._highest: list[int] = []
        self._others: list[tuple[Column, Column]] = []  # sorted runs that came later, though not above all before
        self._odd: dict[Any, int] = {}

    def __bool__(self) -> bool:
        return bool(self._runs or self._odd)

    def add(self, named: Named) -> bool:
        """Take the ids of a block; False, and none is taken, where one repeats."""
        lines, keys = named.sorted()
        odd = dict(named.odd)
        if len(odd) < len(named.odd) or (keys[1:] == keys[:-1]).any():
            return False
        if not self._odd.keys().isdisjoint(odd) or (len(keys) and self._lines_of(keys).max() >= 0):
            return False
        self._odd |= odd
        if len(keys):
            self._keep(lines, keys)
        return True

    def _keep(self, lines: Column, keys: Column) -> None:
        if not self._highest or keys[0] > self._highest[-1]:
            self._runs.append((lines, keys))
            self._highest.append(int(keys[-1]))
            return
        while self._others and len(self._others[-1][0]) <= 2 * len(lines):
            before = self._others.pop()
            lines, keys = np.concatenate((before[0], lines)), np.concatenate((before[1], keys))
            order = np.argsort(keys, kind="stable")
            lines, keys = lines[order], keys[order]
        self._others.append((lines, keys))

    def _lines_of(self, keys: Column) -> Column:
        """The lines that have these (ascending) keys, -1 where none has."""
        found = np.full(len(keys), -1, np.int64)
        if not len(keys):
            return found
        first = bisect_left(self._highest, int(keys[0]))
        for lines, known in [*self._runs[first:], *self._others]:
            if known[0] > keys[-1]:
                continue
            at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            found = np.where(known[at] == keys, lines[at], found)
        return found

    def _lines_of_any(self, keys: Column) -> Column:
        """As :meth:`_lines_of`, in any order: at once where ids are a program's count, which leaves out few numbers."""
        runs = [*self._runs, *self._others]
        end = max((int(known[-1] >> SECOND_BITS) for _, known in runs), default=-1) + 1
        counted = np.full(end if end <= SPARSE * sum(len(known) for _, known in runs) else 0, -1, np.int64)
        for lines, known in runs if len(counted) else ():
            alone = known & SECOND_END == 0
            counted[known[alone] >> SECOND_BITS] = lines[alone]
        number = keys >> SECOND_BITS
        there = (keys & SECOND_END == 0) & (number < len(counted))
        found, left = np.empty(len(keys), np.int64), np.flatnonzero(~there)
        found[there] = counted[number[there]]
        left = left[np.argsort(keys[left])]
        found[left] = self._lines_of(keys[left])
        return found

    def line_of(self, name: Any) -> int:
        """The line that has this id, -1 where none has."""
        key = self.looks.key(name)
        return self._odd.get(name, -1) if key is None else int(self._lines_of(np.array([key]))[0])

    def causes(self, caused: Named) -> Column | None:
        """By line: the line whose id it names as its cause, -1 where it names none; None where no line names one.

        What was cut out of a longer history may name an event that is not in it, and clocks of several hosts may put a
        cause behind its effect: neither is followed, so that a chain of causes always goes back and ends.
        """
        if not caused.parts and not caused.odd:
            return None
        lines, keys = caused.told()
        odd = np.array([(line, self._odd.get(name, -1)) for name, line in caused.odd], np.int64).reshape(-1, 2)
        lines, named = np.concatenate((lines, odd[:, 0])), np.concatenate((self._lines_of_any(keys), odd[:, 1]))
        found = np.full(int(lines.max()) + 1, -1, np.int64)
        found[lines] = np.where(named < lines, named, -1)
        return found

    def whole(self) -> None:
        """No more ids will come: make one run of all, so that a look-up is one search."""
        if len(self._runs) > 1:
            lines, keys = (np.concatenate(columns) for columns in zip(*self._runs, strict=True))
            self._runs, self._highest = [(lines, keys)], self._highest[-1:]

    def by_line(self) -> ByLine:
        return ByLine(self, [*self._runs, *self._others], self._odd)


class ByLine:
    """The ids of a file by line, None where a line has none; and lines by id."""

    def __init__(self, ids: Ids, runs: list[tuple[Column, Column]], odd: dict[Any, int]) -> None:
        self._looks, self._odd = ids.looks, {line: name for name, line in odd.items()}
        self.line_of = ids.line_of
        self._keys = np.full(max((int(lines.max()) for lines, _ in runs), default=-1) + 1, -1, np.int64)
        for lines, keys in runs:
            self._keys[lines] = keys

    def __getitem__(self, line: int) -> Any:
        if 0 <= line < len(self._keys) and self._keys[line] >= 0:
            return self._looks.name(int(self._keys[line]))
        return self._odd.get(line)
