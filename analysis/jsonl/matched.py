"""The events of a block that look alike, by columns: what :class:`analysis.jsonl.block.Kind` is for parsed ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, starts_of
from analysis.history import Column
from analysis.jsonl.sheet import WORD, Sheet, Slices, together
from analysis.jsonl.template import RECORD, Found, Template

__all__ = ["Matched", "Matching"]

FEW = 200  # lines are parsed sooner than compared
_SORTS = {"uid": "v", "vs": "v", RECORD[0]: "p", RECORD[2]: "v"}  # of names that are not their own
_APART = {"id", "cause"}  # get no codes


class Names:
    """All names of each sort in a block: several events have the same ones, so that they get their codes together."""

    def __init__(self) -> None:
        self._slices: dict[str, dict[tuple[int, str], Slices]] = {}
        self._coded: dict[tuple[int, str], Column] = {}

    def add(self, event: int, name: str, slices: Slices) -> None:
        self._slices.setdefault(_SORTS.get(name, name), {})[event, name] = slices

    def of(self, event: int, name: str, codes: Any) -> Column:
        if (event, name) not in self._coded:
            mine = self._slices[_SORTS.get(name, name)]
            given = together(list(mine.values())).coded(codes)
            ends = np.cumsum([one.start.size for one in mine.values()])
            parts = zip(mine.items(), np.split(given, ends[:-1]), strict=True)
            self._coded |= {key: part.reshape(one.start.shape) for (key, one), part in parts}
        return self._coded[event, name]


class Matched:
    """Lines of one template. *row*: their lines in the file."""

    def __init__(self, template: Template, sheet: Sheet, row: Column, found: Found) -> None:
        self.name, self.row, self.size = template.event, row, len(row)
        self._template, self._sheet, self._found, self._numbers = template, sheet, found, found.numbers
        self._names, self._number = Names(), 0
        self.t = self.numbers("t")

    def share(self, names: Names, number: int) -> None:
        """Name things together with the other events of the block, of which this is one."""
        self._names, self._number = names, number
        for name in self._template.texts.keys() - _APART:
            names.add(number, name, self._slices(name))

    def has(self, name: str) -> bool:
        return any(name in told for told in (self._template.texts, self._template.counts, self._template.words))

    def numbers(self, name: str) -> Column:
        found = self._template.counts.get(name)
        return self._numbers[found[0]] if found else self.all(-1)

    def words(self, name: str, word: str) -> Column:
        return self.all(int(self._template.words.get(name) == word))

    def codes(self, name: str, codes: Any) -> Column:
        if name in self._template.texts:
            return self._coded(name, codes)[:, 0]
        if name in self._template.counts:
            return np.fromiter(map(codes.__getitem__, self.numbers(name).tolist()), np.int64, self.size)
        return self.all(-1)

    def names(self, name: str) -> list[Any]:
        if name in self._template.texts:
            return list(self._slices(name).texts())
        return self.numbers(name).tolist() if name in self._template.counts else [None] * self.size

    def named(self, name: str) -> tuple[Column, Slices | Column]:
        """(lines, ids) of the events that have one in this field."""
        if name in self._template.texts:
            return self.row, self._slices(name)
        return (self.row, self.numbers(name)) if name in self._template.counts else (self.row[:0], self.row[:0])

    def listed(self, name: str, codes: Any) -> tuple[Column, Column]:
        found = self._coded(name, codes)
        return found.ravel(), np.full(self.size, found.shape[1])

    def records(self, partitions: Any, values: Any) -> tuple[Column, Column, Column, Column]:
        p, v = self._coded(RECORD[0], partitions), self._coded(RECORD[2], values)
        o = self._numbers[self._template.counts[RECORD[1]]].T
        return p.ravel(), o.ravel(), v.ravel(), np.full(self.size, self._template.records)

    def all(self, x: int) -> Column:
        return np.full(self.size, x)

    def _coded(self, name: str, codes: Any) -> Column:
        return self._names.of(self._number, name, codes)

    def _slices(self, name: str) -> Slices:
        which = self._template.texts[name]
        return Slices(self._sheet, self._found.start[which].T, self._found.stop[which].T)


class Matching:
    """The lines of a block by templates, as far as they look like one."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet, self.found = sheet, list[Matched]()
        self.first, self._names = 0, Names()  # the number of the first line
        self._looks = _looks(sheet)
        order = by_group(self._looks)
        starts = starts_of(self._looks[order])
        self._left = dict(zip(self._looks[order[starts]].tolist(), np.split(order, starts[1:]), strict=True))

    def take(self, template: Template) -> None:
        alike = self._left.get(template.look)
        if alike is None or len(alike) < FEW:
            return
        found = template.match(self.sheet, alike)
        if len(found.lines):
            self.found.append(Matched(template, self.sheet, found.lines + self.first, found))
            self.found[-1].share(self._names, len(self.found))
            self._left[template.look] = alike[~found.fits]

    def left(self) -> Column:
        """The numbers of the other lines."""
        return np.sort(np.concatenate(list(self._left.values())))

    def many(self) -> dict[int, Column]:
        """By look: the other lines that have it, where that is worth while."""
        return {look: lines for look, lines in self._left.items() if len(lines) >= FEW}


def _looks(sheet: Sheet) -> Column:
    """By line: a number that tells apart lines with other numbers of quotes, or that begin with other keys or events.

    It is made of the second string of a line if that is a key; of the third if the second is "e". Lines that have the
    same number may look different all the same.
    """
    if not len(sheet.quotes):
        return np.zeros(len(sheet.ends), np.int64)
    at, last = sheet.first, len(sheet.quotes) - 1
    begin, end = (sheet.quotes[np.minimum(at + k, last)] for k in (2, 3))
    key = sheet.seen[end + 1] == ord(":")
    event = np.flatnonzero(key & (end - begin == 2) & (sheet.seen[begin + 1] == ord("e")))
    begin[event], end[event] = (sheet.quotes[np.minimum(at[event] + k, last)] for k in (4, 5))
    text = np.where(key, sheet.words(begin + 1, np.clip(end - begin - 1, 0, WORD)), 0)
    mixed = (text + sheet.count.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)  # wraps around
    found: Column = (mixed >> np.uint64(48)).astype(np.uint16)
    return found
