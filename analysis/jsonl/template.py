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
SPAN = 8 * WORD  # bytes that are fetched at once
_GAP = re.compile(rb"([^0-9-]*)(?:([0-9]+)([^0-9-]*))?")
_CONSTANT = {"e", "role", "kind"}  # strings that are part of a line's look
_HIGHEST = {"integer": LIMIT, "natural": LIMIT, "value": LIMIT, "partition": LIMIT, "offset": OFFSETS, "seq": 1 << 31}


@dataclass(frozen=True)
class _Fixed:
    """Words that stand *ahead* of quotes, or behind them where that is negative: by row of places, and word by word."""

    rows: list[int]
    ahead: int
    words: Column
    masks: Column  # the bits of a word that count


@dataclass(frozen=True)
class _Numbers:
    """Numbers with the same bytes beside them: from *ahead* of one quote to *behind* another, all below *highest*."""

    which: list[int]
    after: list[int]
    ahead: int
    before: list[int]
    behind: int
    highest: int


@dataclass
class Template:
    """Where things stand in a line, told by *anchors*: 0 is the byte before it, then its quotes, then its line feed.

    Between its values a line is the same bytes, quotes among them. So it is known whole once those bytes were compared,
    from the first to the last, and each value is from a quote to the next, or digits from there to there. Of each such
    run of bytes only the first quote is looked up (*bases*); the others stand in it, at known distances.
    """

    event: str
    quotes: int
    bases: list[int] = field(default_factory=list)  # anchors, by row of places
    derived: dict[int, tuple[int, int]] = field(default_factory=dict)  # by other anchor: a base, and how far behind it
    fixed: list[_Fixed] = field(default_factory=list)
    lengths: list[tuple[int, int, int]] = field(default_factory=list)  # from anchor, to anchor, bytes between
    numbers: list[_Numbers] = field(default_factory=list)
    strings: list[int] = field(default_factory=list)  # anchors of the opening quotes
    texts: dict[str, list[int]] = field(default_factory=dict)  # by field: which strings
    counts: dict[str, list[int]] = field(default_factory=dict)  # by field: which numbers
    words: dict[str, str] = field(default_factory=dict)  # by field: what it is in every line
    highest: list[int] = field(default_factory=list)  # by number: all are below
    records: int = 0  # in a poll
    look: int = 0  # of the line that it was made of: see Matching

    def match(self, sheet: Sheet, lines: Column) -> tuple[Column, Places, list[Column]]:
        """Of *lines* (numbers, each with as many quotes): those that look like this, their places and numbers."""
        places = Places(sheet, lines, self)
        fits = np.ones(len(lines), bool)
        for a, b, size in self.lengths:
            fits &= places[b] - places[a] == size + 1
        for one in self.fixed:
            fits &= _stand_there(sheet, places.rows[one.rows] + one.ahead, one)
        if self.strings:
            long = places.several([anchor + 1 for anchor in self.strings]) - places.several(self.strings)
            fits &= (long > 1).all(axis=0)
        places = places.only(fits)
        numbers, sound = self._numbers(sheet, places)
        if not sound.all():
            places, numbers = places.only(sound), [one[sound] for one in numbers]
        return places.lines, places, numbers

    def _numbers(self, sheet: Sheet, places: Places) -> tuple[list[Column], Column]:
        spans = [
            (places.several(some.after) + (1 + some.ahead), places.several(some.before) - some.behind)
            for some in self.numbers
        ]
        sound = np.ones(len(places.lines), bool)
        found = [sound] * len(self.highest)
        for some, (number, fits) in zip(self.numbers, _read(sheet, spans), strict=True):
            sound &= (fits & (number < some.highest)).all(axis=0)
            for which, one in zip(some.which, number, strict=True):
                found[which] = one
        return found, sound


def _read(sheet: Sheet, spans: list[tuple[Column, Column]]) -> list[tuple[Column, Column]]:
    """The numbers there, and whether they are such: single digits, those of a word and longer ones in a step each."""
    longest = [int((stop - start).max(initial=1)) for start, stop in spans]
    sorts = [0 if size == 1 else 1 if size <= WORD else 2 for size in longest]
    found: list[tuple[Column, Column]] = spans.copy()
    for sort in sorted(set(sorts)):
        mine = [k for k, one in enumerate(sorts) if one == sort]
        start, stop = (np.concatenate([spans[k][end].ravel() for k in mine]) for end in (0, 1))
        told = numbers_at(sheet, start, stop)
        ends = np.cumsum([spans[k][0].size for k in mine])[:-1]
        for k, number, fits in zip(mine, *(np.split(column, ends) for column in told), strict=True):
            found[k] = number.reshape(spans[k][0].shape), fits.reshape(spans[k][0].shape)
    return found


def _stand_there(sheet: Sheet, at: Column, fixed: _Fixed) -> Column:
    """By column of *at*: each of its places has its words."""
    size = fixed.words.shape[1]
    told = sheet.spans(at.ravel(), size).reshape(*at.shape, size)
    same = np.ones(at.shape[1], bool)
    for k in range(size):
        same &= ((told[:, :, k] & fixed.masks[:, k, None]) == fixed.words[:, k, None]).all(axis=0)
    return same


class Places:
    """The anchors of lines. *rows*: those that a template looks up, a row each."""

    def __init__(self, sheet: Sheet, lines: Column, template: Template, rows: Column | None = None) -> None:
        self._sheet, self.lines, self._template = sheet, lines, template
        self.rows = self._looked_up() if rows is None else rows
        self._known: dict[int, Column] = dict(zip(template.bases, self.rows, strict=True))

    def _looked_up(self) -> Column:
        last = self._template.quotes + 1
        bases = np.array([1 if anchor == last else anchor for anchor in self._template.bases])
        found: Column = self._sheet.quotes[(bases - 1)[:, None] + self._sheet.first[self.lines]]
        if last in self._template.bases:
            found[self._template.bases.index(last)] = self._sheet.ends[self.lines]
        return found

    def __getitem__(self, anchor: int) -> Column:
        if anchor not in self._known:
            self._known[anchor] = self._find(anchor)
        return self._known[anchor]

    def _find(self, anchor: int) -> Column:
        if anchor == 0:
            return self._sheet.starts[self.lines] - 1
        if anchor > self._template.quotes:
            return self._sheet.ends[self.lines]
        base, behind = self._template.derived[anchor]
        return self._known[base] + behind

    def several(self, anchors: list[int]) -> Column:
        """A row each."""
        return np.stack([self[anchor] for anchor in anchors])

    def only(self, fits: Column) -> Places:
        return self if fits.all() else Places(self._sheet, self.lines[fits], self._template, self.rows[:, fits])


def template_of(line: bytes) -> Template | None:
    """From a line that a decoder took; None where it has something that templates do not know."""
    parts = line.split(b'"')
    strings, gaps = parts[1::2], [_GAP.fullmatch(gap) for gap in parts[0::2]]
    if not strings or 2 * len(strings) > MOST_QUOTES or len(gaps) != len(strings) + 1 or None in gaps:
        return None
    event = msgspec.json.decode(line)
    template = Template(event["e"], 2 * len(strings))
    slots = _Slots(template, [key.decode() for key in strings])
    if not slots.fill(event) or len(template.highest) != sum(gap is not None and gap[2] is not None for gap in gaps):
        return None
    reach = _add_runs(template, strings, [gap for gap in gaps if gap is not None])
    return template if reach <= MOST_AHEAD else None


def _add_runs(template: Template, strings: list[bytes], gaps: list[re.Match[bytes]]) -> int:
    """Everything but values, in runs from one value to the next. The result: how far bytes are from their quotes."""
    values, last = set(template.strings), 2 * len(strings) + 1
    runs, numbers = [_Run()], list[tuple[int, int, int, int]]()  # quote, ahead, quote, behind
    for number, gap in enumerate(gaps):
        before, after = 2 * number, 2 * number + 1
        runs[-1].text += gap[1]
        if gap[2] is not None:
            runs.append(_Run(gap[3]))
            numbers.append((before, len(gap[1]), after, len(gap[3])))
        elif number == 0 or after == last:
            template.lengths.append((before, after, len(gap[1])))
        runs[-1].reach(after, b"" if after == last else b'"')
        if after != last:
            if after in values:
                runs.append(_Run())
            else:
                runs[-1].text += strings[number]
            runs[-1].reach(after + 1, b'"')
    _add_fixed(template, [run for run in runs if run.anchors], last)
    _add_numbers(template, numbers)
    beside = [max(ahead, behind) for _, ahead, _, behind in numbers]
    return max([len(run.text) for run in runs] + beside)


class _Run:
    """Bytes that are the same in every line, and the anchors among them: after how many of its bytes each stands."""

    def __init__(self, text: bytes = b"") -> None:
        self.text, self.anchors = text, dict[int, int]()

    def reach(self, anchor: int, quote: bytes) -> None:
        self.anchors[anchor] = len(self.text)
        self.text += quote


def _add_fixed(template: Template, runs: list[_Run], last: int) -> None:
    """Bytes as far from their first quotes are taken together, such as those between the records of a poll.

    The line feed is never told by a quote: it has to be seen that the line ends there.
    """
    alike: dict[tuple[int, int], list[tuple[int, bytes]]] = {}  # by bytes ahead, and number of words
    for row, run in enumerate(runs):
        base, *others = run.anchors
        template.bases.append(base)
        told = ((anchor, run.anchors[anchor] - run.anchors[base]) for anchor in others if anchor != last)
        template.derived |= {anchor: (base, behind) for anchor, behind in told}
        for at in range(0, len(run.text), SPAN):
            text = run.text[at : at + SPAN]
            alike.setdefault((at - run.anchors[base], -(-len(text) // WORD)), []).append((row, text))
    for (ahead, size), some in alike.items():
        words, masks = np.zeros((2, len(some), size), np.uint64)
        for k, (_, text) in enumerate(some):
            words[k] = np.frombuffer(text.ljust(WORD * size, b"\0"), "<u8")
            masks[k] = np.frombuffer((b"\xff" * len(text)).ljust(WORD * size, b"\0"), "<u8")
        template.fixed.append(_Fixed([row for row, _ in some], ahead, words, masks))


def _add_numbers(template: Template, numbers: list[tuple[int, int, int, int]]) -> None:
    """Those of one field with the same bytes beside them together: the offsets of a poll."""
    for which in template.counts.values():
        alike: dict[tuple[int, int], list[int]] = {}
        for k in which:
            alike.setdefault((numbers[k][1], numbers[k][3]), []).append(k)
        for (ahead, behind), some in alike.items():
            after, before = [numbers[k][0] for k in some], [numbers[k][2] for k in some]
            template.numbers.append(_Numbers(some, after, ahead, before, behind, template.highest[some[0]]))


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
