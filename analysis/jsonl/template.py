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
from analysis.jsonl.sheet import SPAN, WORD, Sheet, numbers_at

__all__ = ["RECORD", "Found", "Template", "template_of"]

MOST_QUOTES = 512
MOST_AHEAD = 400  # bytes from an anchor, within the padding of a sheet
_GAP = re.compile(rb"([^0-9-]*)(?:([0-9]+)([^0-9-]*))?")
_ALL = np.uint64((1 << 64) - 1)
_CONSTANT = {"e", "role", "kind"}  # strings that are part of a line's look
_HIGHEST = {"integer": LIMIT, "natural": LIMIT, "value": LIMIT, "partition": LIMIT, "offset": OFFSETS, "seq": 1 << 31}


@dataclass(frozen=True)
class _Fixed:
    """Words that stand *ahead* of quotes, or behind them where that is negative: by row of places, and word by word."""

    rows: list[int]
    ahead: int
    words: Column
    masks: Column  # the bits of a word that count
    partly: set[int]  # which words have bits that do not


class _Ends:
    """Ends of values: so many bytes *ahead* of the places in a row."""

    def __init__(self, told: list[tuple[int, int]]) -> None:
        self.rows = np.array([row for row, _ in told], np.int64)
        self.ahead = np.array([ahead for _, ahead in told], np.int64)[:, None]

    def of(self, places: Column) -> Column:
        found: Column = places[self.rows]
        found += self.ahead
        return found


@dataclass(frozen=True)
class Found:
    """Lines that look like a template, by their numbers; where their strings begin and stop, and their numbers, a row
    each. *fits*: by line that was asked about, whether it is one of them."""

    lines: Column
    start: Column
    stop: Column
    numbers: Column
    fits: Column


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
    fixed: list[_Fixed] = field(default_factory=list)
    lengths: list[tuple[int, int, int]] = field(default_factory=list)  # from row, to row, bytes between
    starts: _Ends = field(default_factory=lambda: _Ends([]))  # of the strings, and then of the numbers
    stops: _Ends = field(default_factory=lambda: _Ends([]))
    strings: list[int] = field(default_factory=list)  # anchors of the opening quotes
    texts: dict[str, list[int]] = field(default_factory=dict)  # by field: which strings
    counts: dict[str, list[int]] = field(default_factory=dict)  # by field: which numbers
    words: dict[str, str] = field(default_factory=dict)  # by field: what it is in every line
    highest: list[int] = field(default_factory=list)  # by number: all are below
    records: int = 0  # in a poll
    look: int = 0  # of the line that it was made of: see Matching

    def match(self, sheet: Sheet, lines: Column) -> Found:
        """Of *lines* (numbers, each with as many quotes): those that look like this."""
        places, fits = self._looked_up(sheet, lines), np.ones(len(lines), bool)
        for a, b, size in self.lengths:
            fits &= places[b] - places[a] == size + 1
        for one in self.fixed:
            fits &= _stand_there(sheet, places[one.rows] + one.ahead, one)
        start, stop, many = self.starts.of(places), self.stops.of(places), len(self.strings)
        fits &= (stop[:many] > start[:many]).all(axis=0)
        if not fits.all():
            lines, start, stop = lines[fits], start[:, fits], stop[:, fits]
        numbers, sound = _read(sheet, start[many:], stop[many:])
        sound &= (numbers < np.array(self.highest, np.int64)[:, None]).all(axis=0)
        if not sound.all():
            fits[fits] = sound
            lines, start, stop, numbers = lines[sound], start[:, sound], stop[:, sound], numbers[:, sound]
        return Found(lines, start[:many], stop[:many], numbers, fits)

    def _looked_up(self, sheet: Sheet, lines: Column) -> Column:
        """Where the bases are: a row each, and a column for each line."""
        last, first = self.quotes + 1, sheet.first[lines]
        inner = np.array([anchor if 0 < anchor < last else 1 for anchor in self.bases], np.int64)
        found: Column = sheet.quotes[(inner - 1)[:, None] + first]
        for row, anchor in enumerate(self.bases):
            if anchor == 0:
                found[row] = sheet.starts[lines] - 1
            elif anchor == last:
                found[row] = sheet.ends[lines]
        return found


def _read(sheet: Sheet, start: Column, stop: Column) -> tuple[Column, Column]:
    """The numbers there, and in which columns all are such: single digits, those of a word and longer ones in a step
    each."""
    longest = (stop - start).max(axis=1, initial=1)
    sorts = np.where(longest == 1, 0, np.where(longest <= WORD, 1, 2))
    found, sound = np.empty_like(start), np.ones(start.shape[1], bool)
    for sort in sorted(set(sorts.tolist())):
        mine = np.flatnonzero(sorts == sort)
        number, fits = numbers_at(sheet, start[mine].ravel(), stop[mine].ravel())
        found[mine] = number.reshape(len(mine), -1)
        sound &= fits.reshape(len(mine), -1).all(axis=0)
    return found, sound


def _stand_there(sheet: Sheet, at: Column, fixed: _Fixed) -> Column:
    """By column of *at*: each of its places has its words."""
    size = fixed.words.shape[1]
    told = sheet.spans(at.ravel(), size).reshape(*at.shape, size)
    same = np.ones(at.shape[1], bool)
    for k in range(size):
        word = told[:, :, k]
        if k in fixed.partly:
            word &= fixed.masks[:, k, None]
        same &= (word == fixed.words[:, k, None]).all(axis=0)
    return same


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
    lengths: list[tuple[int, int, int]] = []  # from anchor, to anchor, bytes between
    for number, gap in enumerate(gaps):
        before, after = 2 * number, 2 * number + 1
        runs[-1].text += gap[1]
        if gap[2] is not None:
            runs.append(_Run(gap[3]))
            numbers.append((before, len(gap[1]), after, len(gap[3])))
        elif number == 0 or after == last:
            lengths.append((before, after, len(gap[1])))
        runs[-1].reach(after, b"" if after == last else b'"')
        if after != last:
            if after in values:
                runs.append(_Run())
            else:
                runs[-1].text += strings[number]
            runs[-1].reach(after + 1, b'"')
    runs = [run for run in runs if run.anchors]
    _add_fixed(template, runs)
    _add_ends(template, runs, numbers, last)
    rows = {anchor: row for row, anchor in enumerate(template.bases)}
    template.lengths = [(rows[before], rows[after], size) for before, after, size in lengths]
    beside = [max(ahead, behind) for _, ahead, _, behind in numbers]
    return max([len(run.text) for run in runs] + beside)


class _Run:
    """Bytes that are the same in every line, and the anchors among them: after how many of its bytes each stands."""

    def __init__(self, text: bytes = b"") -> None:
        self.text, self.anchors = text, dict[int, int]()

    def reach(self, anchor: int, quote: bytes) -> None:
        self.anchors[anchor] = len(self.text)
        self.text += quote


def _add_fixed(template: Template, runs: list[_Run]) -> None:
    """Bytes as far from their first quotes are taken together, such as those between the records of a poll.

    The line feed is never told by a quote: it has to be seen that the line ends there.
    """
    alike: dict[tuple[int, int], list[tuple[int, bytes]]] = {}  # by bytes ahead, and number of words
    for row, run in enumerate(runs):
        base, behind = next(iter(run.anchors.items()))
        template.bases.append(base)
        for at in range(0, len(run.text), SPAN):
            text = run.text[at : at + SPAN]
            alike.setdefault((at - behind, -(-len(text) // WORD)), []).append((row, text))
    for (ahead, size), some in alike.items():
        words, masks = np.zeros((2, len(some), size), np.uint64)
        for k, (_, text) in enumerate(some):
            words[k] = np.frombuffer(text.ljust(WORD * size, b"\0"), "<u8")
            masks[k] = np.frombuffer((b"\xff" * len(text)).ljust(WORD * size, b"\0"), "<u8")
        partly = set(np.flatnonzero((masks != _ALL).any(axis=0)).tolist())
        template.fixed.append(_Fixed([row for row, _ in some], ahead, words, masks, partly))


def _add_ends(template: Template, runs: list[_Run], numbers: list[tuple[int, int, int, int]], last: int) -> None:
    """Where values begin and stop: the anchors as rows of places, and so many bytes ahead of them."""
    where = {
        anchor: (row, run.anchors[anchor] - run.anchors[base])
        for row, (run, base) in enumerate(zip(runs, template.bases, strict=True))
        for anchor in run.anchors
        if anchor < last or anchor == base
    }
    for anchor in (0, 1, last - 1, last):
        if anchor not in template.bases:
            where[anchor] = (len(template.bases), 0)
            template.bases.append(anchor)

    def ends(told: list[tuple[int, int]]) -> _Ends:
        return _Ends([(where[anchor][0], where[anchor][1] + ahead) for anchor, ahead in told])

    starts = [(anchor, 1) for anchor in template.strings] + [(quote, 1 + ahead) for quote, ahead, _, _ in numbers]
    stops = [(anchor + 1, 0) for anchor in template.strings] + [(quote, -behind) for _, _, quote, behind in numbers]
    template.starts, template.stops = ends(starts), ends(stops)


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
