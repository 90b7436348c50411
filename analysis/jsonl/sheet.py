"""A block of text as places in it: where its quotes and lines are, and what stands at many places at once.

Names and numbers are read by words of eight bytes, all of a column in a few steps. Eight digits become a number by
three multiplications, which is an old trick of fast parsers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.history import Column

__all__ = ["PAD", "SPAN", "WORD", "Sheet", "Slices", "numbers_at", "together"]

PAD = 512  # bytes before and behind a block, so that words can be read beyond its ends
WORD = 8
SPAN = 8 * WORD  # bytes that are fetched at once
MOST_DIGITS = 16
_PADDING = b" " * PAD
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(WORD + 1)], np.uint64)


class Sheet:
    """A block of lines with the places of its quotes."""

    def __init__(self, text: bytes) -> None:
        padded = b"".join((_PADDING, text, _PADDING))
        self.seen = seen = np.frombuffer(padded, np.uint8)
        self.bytes = padded
        self.text = padded.decode("ascii") if text.isascii() else None  # the same places, and cheaper to cut
        self._spans: dict[int, Column] = {}
        self.quotes = np.flatnonzero(seen == ord('"'))
        control = np.flatnonzero(seen < ord(" "))
        feeds = seen[control] == ord("\n")
        self.ends = control if feeds.all() else control[feeds]
        self.starts = np.concatenate(([PAD], self.ends[:-1] + 1))
        self.first = np.searchsorted(self.quotes, self.starts)  # quote of each line
        self.count = np.diff(self.first, append=len(self.quotes))
        plain = b"\\" not in text and len(control) == len(self.ends)
        self.sound = plain and (self.text is not None or _is_utf8(text))

    def spans(self, at: Column, words: int) -> Column:
        """The bytes that begin at each place, as so many numbers: two dimensions."""
        if words not in self._spans:
            size = len(self.bytes) - WORD * words + 1
            self._spans[words] = np.ndarray((size,), f"V{WORD * words}", buffer=self.bytes, strides=(1,))
        found: Column = self._spans[words][at].view("<u8").reshape(-1, words)
        return found

    def words(self, at: Column, size: Any = WORD) -> Column:
        """The *size* bytes that begin at each place, as a number; eight at most."""
        found: Column = self.spans(at, 1)[:, 0]
        if size is not WORD:
            found &= _MASKS[size]
        return found

    def line(self, number: int) -> bytes:
        return self.bytes[self.starts[number] : self.ends[number]]

    def texts(self, start: Column, stop: Column) -> list[str]:
        places = zip(start.tolist(), stop.tolist(), strict=True)
        if self.text is not None:
            text = self.text
            return [text[a:b] for a, b in places]
        return [self.bytes[a:b].decode() for a, b in places]


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True)
class Slices:
    """Text from *start* to *stop*, per line and per place in a list of fixed length: one or two dimensions."""

    sheet: Sheet
    start: Column
    stop: Column

    def coded(self, codes: Any) -> Column:
        """Codes of the names, given in the order in which they stand in the block."""
        start, size = self.start.ravel(), (self.stop - self.start).ravel()
        first, inverse = _distinct(self.sheet, start, size)
        names = self.sheet.texts(start[first], (start + size)[first])
        given = np.fromiter(map(codes.__getitem__, names), np.int64, len(names))
        return given[inverse].reshape(self.start.shape)

    def texts(self) -> list[str]:
        return self.sheet.texts(self.start.ravel(), self.stop.ravel())


def together(parts: Sequence[Slices]) -> Slices:
    return Slices(
        parts[0].sheet, np.concatenate([one.start.ravel() for one in parts]),
        np.concatenate([one.stop.ravel() for one in parts]),
    )  # fmt: skip


def _distinct(sheet: Sheet, start: Column, size: Column) -> tuple[Column, Column]:
    """(index of the first of each distinct text, in order; which of them each text is)."""
    longest, words = int(size.max(initial=1)), list[Column]()
    for at in range(0, longest, SPAN):
        told = sheet.spans(start + np.minimum(at, size), min(-(-(longest - at) // WORD), SPAN // WORD))
        words += [told[:, k] & _MASKS[np.clip(size - at - k * WORD, 0, WORD)] for k in range(told.shape[1])]
    mixed = words[0]
    for word in words[1:]:
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + word  # wraps around
    first, inverse = _unique(mixed)
    if len(words) > 1 and any((word != word[first][inverse]).any() for word in words):  # two texts, one number
        table = np.stack([*words, size.astype(np.uint64)], axis=1)
        _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.ravel()]


def _unique(numbers: Column) -> tuple[Column, Column]:
    """As by ``np.unique``: the first index of each distinct number, and which of them each is.

    Where the processor sorts many numbers at once, as most do, a sort that keeps no order among equals is far faster.
    """
    if not len(numbers):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(numbers)
    ordered = numbers[order]
    begins = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    inverse = np.empty(len(numbers), np.int64)
    inverse[order] = np.cumsum(begins) - 1
    return np.minimum.reduceat(order, np.flatnonzero(begins)), inverse


def numbers_at(sheet: Sheet, start: Column, stop: Column) -> tuple[Column, Column]:
    """The integers written there, and whether they are: digits alone, not too many, no 0 in front."""
    size = stop - start
    longest = int(size.max(initial=1))
    if longest == 1:
        digit = sheet.seen[start] - np.uint8(ord("0"))  # wraps around below 0
        return digit.astype(np.int64), (digit < 10) & (size == 1)
    fits = size > 0
    if longest > MOST_DIGITS:
        fits &= size <= MOST_DIGITS
        size = np.minimum(size, MOST_DIGITS)
    size = np.maximum(size, 1)
    number, digits = _eight(sheet, stop, np.minimum(size, WORD) if longest > WORD else size)
    fits &= digits
    if longest > WORD:
        high, digits = _eight(sheet, stop - WORD, np.maximum(size - WORD, 0))
        fits &= digits
        number = number + high * 10**WORD
    fits &= (size == 1) | (sheet.seen[start] != ord("0"))
    return number, fits


def _eight(sheet: Sheet, stop: Column, size: Column) -> tuple[Column, Column]:
    """The number in up to eight digits before *stop*, by three multiplications for all eight digits at once."""
    nothing = _MASKS[WORD - size]
    word = (sheet.words(stop - WORD) & ~nothing) | (np.uint64(0x3030303030303030) & nothing)
    tens = np.uint64(0xF0F0F0F0F0F0F0F0)
    digits = (word & tens) == 0x3030303030303030
    digits &= ((word + np.uint64(0x0606060606060606)) & tens) == 0x3030303030303030
    word = ((word & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(2561)) >> np.uint64(8)
    word = ((word & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    word = ((word & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return word.astype(np.int64), digits
