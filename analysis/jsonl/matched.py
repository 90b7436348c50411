"""The events of a block that look alike, by columns: what :class:`analysis.jsonl.block.Kind` is for parsed ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, starts_of
from analysis.history import Column
from analysis.jsonl.sheet import Sheet, Slices, together
from analysis.jsonl.template import RECORD, Places, Template

__all__ = ["Matched", "Matching"]

_VALUES = ("v", "uid", "vs", RECORD[2])


class Values:
    """All values in a block: one record is named by several events, so that they get their codes together."""

    def __init__(self) -> None:
        self.slices: dict[tuple[int, str], Slices] = {}
        self._coded: dict[tuple[int, str], Column] | None = None

    def of(self, event: int, name: str, codes: Any) -> Column:
        if self._coded is None:
            given = together(list(self.slices.values())).coded(codes)
            ends = np.cumsum([one.start.size for one in self.slices.values()])
            parts = zip(self.slices.items(), np.split(given, ends[:-1]), strict=True)
            self._coded = {key: part.reshape(one.start.shape) for (key, one), part in parts}
        return self._coded[event, name]


class Matched:
    """Lines of one template. *row*: their lines in the file."""

    def __init__(self, template: Template, sheet: Sheet, row: Column, places: Places, numbers: list[Column]) -> None:
        self.name, self.row, self.size = template.event, row, len(row)
        self._template, self._sheet, self._places, self._numbers = template, sheet, places, numbers
        self._values, self._number = Values(), 0
        self.t = self.numbers("t")

    def share(self, values: Values, number: int) -> None:
        """Name values together with the other events of the block, of which this is one."""
        self._values, self._number = values, number
        for name in _VALUES:
            if name in self._template.texts:
                values.slices[number, name] = self._slices(name)

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
        o = np.stack([self._numbers[number] for number in self._template.counts[RECORD[1]]], axis=1)
        return p.ravel(), o.ravel(), v.ravel(), np.full(self.size, self._template.records)

    def all(self, x: int) -> Column:
        return np.full(self.size, x)

    def _coded(self, name: str, codes: Any) -> Column:
        return self._values.of(self._number, name, codes) if name in _VALUES else self._slices(name).coded(codes)

    def _slices(self, name: str) -> Slices:
        anchors = [self._template.strings[number] for number in self._template.texts[name]]
        opening, closing = (np.stack([self._places[anchor + k] for anchor in anchors], axis=1) for k in (0, 1))
        return Slices(self._sheet, opening + 1, closing)


class Matching:
    """The lines of a block by templates, as far as they look like one."""

    def __init__(self, sheet: Sheet, first: int) -> None:
        self.sheet, self.found = sheet, list[Matched]()
        self._first, self._values = first, Values()
        order = by_group(sheet.count)
        starts = starts_of(sheet.count[order])
        self._left = dict(zip(sheet.count[order[starts]].tolist(), np.split(order, starts[1:]), strict=True))

    def take(self, template: Template) -> None:
        alike = self._left.get(template.quotes)
        if alike is None or not len(alike):
            return
        lines, places, numbers = template.match(self.sheet, alike)
        if len(lines):
            self.found.append(Matched(template, self.sheet, lines + self._first, places, numbers))
            self.found[-1].share(self._values, len(self.found))
            self._left[template.quotes] = alike[:0] if len(lines) == len(alike) else alike[~np.isin(alike, lines)]

    def left(self) -> Column:
        """The numbers of the other lines."""
        return np.sort(np.concatenate(list(self._left.values())))
