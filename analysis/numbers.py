"""The numbers that the measures of reordering are made of, as a caller may give them: checked, and as columns."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.history import Column
from sim.errors import InputError

__all__ = ["Numbers", "column_of", "sent_range", "unrolled", "weights"]

Numbers = Sequence[int] | Column
LIMIT = 1 << 62  # of every number: safe to add and subtract


def column_of(name: str, numbers: Numbers | Sequence[float], length: int | None = None, kinds: str = "iu") -> Column:
    try:
        column = np.asarray(numbers if isinstance(numbers, np.ndarray) else list(numbers))
    except (TypeError, ValueError):  # no list at all, or a ragged one
        raise InputError(f"reordering: {name}", f"must be a list of integers, not {numbers!r:.60}") from None
    if column.size == 0 and column.ndim == 1:
        column = column.astype(np.int64)
    if column.ndim != 1 or column.dtype.kind not in kinds:
        raise InputError(f"reordering: {name}", "must be a list of integers (of 62 bits at most)")
    if not ((column < LIMIT) & (column > -LIMIT)).all():
        raise InputError(f"reordering: {name}", "must lie between -2**62 and 2**62")
    if length is not None and len(column) != length:
        raise InputError(f"reordering: {name}", f"has {len(column)} entries for {length} arrivals", "give one for each")
    return column if column.dtype.kind == "f" else column.astype(np.int64)


def unrolled(raw: Column, modulus: int | None) -> tuple[Column, int]:
    """Numbers without roll-over, and the first of them: a step of more than half the range went the other way round."""
    if len(raw) == 0:
        return raw, 0
    if modulus is None:
        return raw, int(raw[0])
    if not isinstance(modulus, int | np.integer) or not 2 <= modulus <= LIMIT >> 1:
        raise InputError("reordering: modulus", f"must be an integer from 2 to 2**61, not {modulus!r}")
    if raw.min() < 0 or raw.max() >= modulus:
        raise InputError("reordering: arrivals", f"must be from 0 to {modulus - 1}, below the modulus")
    steps = np.diff(raw)
    steps = steps - modulus * (2 * steps > modulus) + modulus * (2 * steps < -modulus)
    return np.concatenate(([raw[0]], raw[0] + np.cumsum(steps))), int(raw[0])


def sent_range(
    sent: tuple[int, int] | None, s: Column, base: int, raw: Column, modulus: int | None,
) -> tuple[int, int]:  # fmt: skip
    if sent is None:
        return (int(s.min()), int(s.max())) if len(s) else (1, 0)
    first, last = _two_integers(sent)
    if modulus is None:
        return first, last
    low = first
    if len(s):
        low = base + (first - base) % modulus  # the first and the last sent, on either side of all that came
        low -= modulus * max(0, -((int(s.min()) - low) // modulus))
    high = low + (last - first) % modulus
    if len(s) and high < int(s.max()):
        high += modulus * -((high - int(s.max())) // modulus)
    return low, high


def _two_integers(sent: Any) -> tuple[int, int]:
    try:
        first, last = (operator.index(n) for n in sent)
    except (TypeError, ValueError):
        rule = f"must be the first and the last number sent, not {sent!r:.60}"
        raise InputError("reordering: sent", rule, "such as (1, 100)") from None
    return first, last


def weights(sizes: Numbers | int | None, length: int) -> Column | None:
    if sizes is None:
        return None
    column = np.full(length, sizes) if isinstance(sizes, int | np.integer) else sizes
    column = column_of("sizes", column, length)
    if column.min(initial=0) < 0:
        raise InputError("reordering: sizes", f"must not be negative, as {column.min()} is", "give bytes")
    return column
