"""Lines that look like a line seen before, read without parsing them: whole blocks at a time, by columns of positions.

A program writes the events of one kind in one way: the same keys in the same order, the same punctuation. From one such
line, which a decoder has found sound, a :class:`Template` knows where its strings and numbers stand between quotes, and
which bytes are the same in every line. A line that has those bytes in those places, digits where the numbers are and
text that is not empty where names are is sound as well, and its values are slices between known quotes. Every byte of
such a line is either compared or part of a value. All else is left to the decoder.

Quotes are only quotes: a block with a backslash or a control character in it is not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from analysis.history import Column
from analysis.jsonl.rules import COMMON_FIELDS, EVENTS, LIMIT, OFFSETS
from analysis.jsonl.sheet import WORD, Sheet, numbers_at

__all__ = ["RECORD", "Places", "Template", "template_of"]

MOST_QUOTES = 512
MOST_AHEAD = 400  # bytes from an anchor, within the padding of a sheet
_GAP = re.compile(rb"([^0-9-]*)(?:([0-9]+)([^0-9-]*))?")
_CONSTANT = {"e", "role", "kind"}  # strings that are part of a line's look
_HIGHEST = {"integer": LIMIT, "natural": LIMIT, "value": LIMIT, "partition": LIMIT, "offset": OFFSETS, "seq": 1 << 31}


@dataclass(frozen=True)
class _Fixed:
    """Bytes that stand *ahead* of a quote (or of an end of the line), or behind it where that is negative."""

    anchor: int
    ahead: int
    text: bytes


@dataclass
class Template:
    """Where things stand in a line, told by *anchors*: 0 is the byte before it, then its quotes, then its line feed.

    Between its values a line is the same bytes, quotes among them. So it is known whole once those bytes were compared,
    from the first to the last, and each value is from a quote to the next, or digits from there to there.
    """

    event: str
    quotes: int
    fixed: list[_Fixed] = field(default_factory=list)
    lengths: list[tuple[int, int, int]] = field(default_factory=list)  # from anchor, to anchor, bytes between
    numbers: list[tuple[int, int, int, int]] = field(default_factory=list)  # from, bytes ahead, to, bytes behind
    strings: list[int] = field(default_factory=list)  # anchors of the opening quotes
    texts: dict[str, list[int]] = field(default_factory=dict)  # by field: which strings
    counts: dict[str, list[int]] = field(default_factory=dict)  # by field: which numbers
    words: dict[str, str] = field(default_factory=dict)  # by field: what it is in every line
    highest: list[int] = field(default_factory=list)  # by number: all are below
    records: int = 0  # in a poll

    def match(self, sheet: Sheet, lines: Column) -> tuple[Column, Places, list[Column]]:
        """Of *lines* (numbers, each with as many quotes): those that look like this, their places and numbers."""
        places = Places(sheet, lines, self.quotes)
        fits = np.ones(len(lines), bool)
        for a, b, size in self.lengths:
            fits &= places[b] - places[a] == size + 1
        for one in self.fixed:
            wanted = np.uint64(int.from_bytes(one.text, "little"))
            fits &= sheet.words(places[one.anchor] + one.ahead, len(one.text)) == wanted
        for anchor in self.strings:
            fits &= places[anchor + 1] - places[anchor] > 1
        places = places.only(fits)
        numbers, sound = self._numbers(sheet, places)
        if not sound.all():
            places, numbers = places.only(sound), [one[sound] for one in numbers]
        return places.lines, places, numbers

    def _numbers(self, sheet: Sheet, places: Places) -> tuple[list[Column], Column]:
        sound = np.ones(len(places.lines), bool)
        found = []
        for (a, ahead, b, behind), highest in zip(self.numbers, self.highest, strict=True):
            number, fits = numbers_at(sheet, places[a] + 1 + ahead, places[b] - behind)
            sound &= fits & (number < highest)
            found.append(number)
        return found, sound


class Places:
    """The anchors of lines, looked up when they are asked for."""

    def __init__(self, sheet: Sheet, lines: Column, quotes: int) -> None:
        self._sheet, self.lines, self._quotes = sheet, lines, quotes
        self._first = sheet.first[lines] - 1
        self._known: dict[int, Column] = {}

    def __getitem__(self, anchor: int) -> Column:
        if anchor not in self._known:
            self._known[anchor] = self._find(anchor)
        return self._known[anchor]

    def _find(self, anchor: int) -> Column:
        if anchor == 0:
            return self._sheet.starts[self.lines] - 1
        if anchor > self._quotes:
            return self._sheet.ends[self.lines]
        return self._sheet.quotes[self._first + anchor]

    def only(self, fits: Column) -> Places:
        if fits.all():
            return self
        found = Places(self._sheet, self.lines[fits], self._quotes)
        found._known = {anchor: column[fits] for anchor, column in self._known.items()}
        return found


def template_of(line: bytes) -> Template | None:
    """From a line that a decoder took; None where it has something that templates do not know."""
    parts = line.split(b'"')
    strings, gaps = parts[1::2], [_GAP.fullmatch(gap) for gap in parts[0::2]]
    if not strings or 2 * len(strings) > MOST_QUOTES or len(gaps) != len(strings) + 1 or None in gaps:
        return None
    event = msgspec.json.decode(line)
    template = Template(event["e"], 2 * len(strings))
    slots = _Slots(template, [key.decode() for key in strings])
    if not slots.fill(event):
        return None
    _add_fixed(template, strings, [gap for gap in gaps if gap is not None])
    reach = max(abs(one.ahead) for one in template.fixed)
    reach = max([reach, *(max(ahead, behind) for _, ahead, _, behind in template.numbers)])
    return template if len(template.numbers) == len(template.highest) and reach <= MOST_AHEAD else None


def _add_fixed(template: Template, strings: list[bytes], gaps: list[re.Match[bytes]]) -> None:
    """Everything but values, in runs from one value to the next."""
    values, last = set(template.strings), 2 * len(strings) + 1
    run = _Run(template)
    for number, gap in enumerate(gaps):
        before, after = 2 * number, 2 * number + 1
        run.text += gap[1]
        if gap[2] is not None:
            run.end()
            template.numbers.append((before, len(gap[1]), after, len(gap[3])))
            run.text += gap[3]
        elif number == 0 or after == last:
            template.lengths.append((before, after, len(gap[1])))
        run.reach(after, b"" if after == last else b'"')
        if after != last:
            if after in values:
                run.end()
            else:
                run.text += strings[number]
            run.reach(after + 1, b'"')
    run.end()


class _Run:
    """Bytes that are the same in every line, and the first anchor among them."""

    def __init__(self, template: Template) -> None:
        self._template, self.text = template, b""
        self._anchor: tuple[int, int] | None = None  # and how many bytes of the run stand before it

    def reach(self, anchor: int, quote: bytes) -> None:
        if self._anchor is None:
            self._anchor = anchor, len(self.text)
        self.text += quote

    def end(self) -> None:
        if self.text and self._anchor is not None:
            anchor, before = self._anchor
            self._template.fixed += [
                _Fixed(anchor, at - before, self.text[at : at + WORD]) for at in range(0, len(self.text), WORD)
            ]
        self._anchor, self.text = None, b""


class _Slots:
    """Gives the strings and numbers of a line, in their order, to the fields of its event."""

    def __init__(self, template: Template, strings: list[str]) -> None:
        self.template, self.strings = template, strings
        self.next = 0
        required, optional = EVENTS[template.event]
        self.types = required | optional | COMMON_FIELDS | {"t": "integer"}

    def fill(self, event: dict[str, Any]) -> bool:
        return all(self._field(name, x) for name, x in event.items()) and self.next == len(self.strings)

    def _field(self, name: str, x: Any) -> bool:
        kind = self.types.get(name)
        self._take()  # its key
        if name in _CONSTANT:
            self._take()
            self.template.words[name] = str(x)
        elif kind is None:
            return False
        elif kind == "records" and x and all(type(p) is type(v) is str for p, _, v in x):
            self.template.records = len(x)
            return all(self._value(n, y, t) for one in x for n, y, t in zip(RECORD, one, _RECORD_TYPES, strict=True))
        elif kind == "values" and x and all(type(v) is str for v in x):
            return all(self._value(name, v, "value") for v in x)
        elif x is not None:
            return self._value(name, x, kind)
        return True

    def _value(self, name: str, x: Any, kind: str) -> bool:
        if type(x) is str:
            self.template.texts.setdefault(name, []).append(len(self.template.strings))
            self.template.strings.append(self._take())
        elif type(x) is int and kind in _HIGHEST:
            self.template.counts.setdefault(name, []).append(len(self.template.highest))
            self.template.highest.append(_HIGHEST[kind])
        else:
            return False
        return True

    def _take(self) -> int:
        """The anchor of the next string's opening quote."""
        self.next += 1
        return 2 * self.next - 1


RECORD, _RECORD_TYPES = ("p in recs", "o in recs", "v in recs"), ("partition", "offset", "value")
