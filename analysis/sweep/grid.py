"""``--vary KEY=VALUES`` made into the cells of a grid; each cell is a list of settings, as ``--set`` takes them.

Values: a list ``1,2,5`` (commas inside brackets and quotes do not part), a range ``1..5`` or ``10..50+10`` (steps), a
log range ``1..1000*10`` (factors); ends may have a unit: ``1ms..100ms*10``, ``1/min..8/min*2``, ``10%..50%+10%``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from analysis.sweep.measure import COLUMNS
from sim.errors import InputError
from sim.scenario import Scenario, with_overrides
from sim.wording import shown

__all__ = ["Axis", "Cell", "axis_of", "cells_of", "grid_of"]

MOST_VALUES, MOST_CELLS = 1_000, 10_000
WORDS_ONLY = ("title", "question", "answer", "expect")  # of a scenario: they decide nothing

_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"
_RANGE = re.compile(
    rf"(?P<low>{_NUMBER})(?P<low_unit>[A-Za-z%/]*)\.\.(?P<high>{_NUMBER})(?P<unit>[A-Za-z%/]*)"
    rf"(?:(?P<by>[+*])(?P<step>{_NUMBER})(?P<step_unit>[A-Za-z%/]*))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A key and the texts of its values, in the order given."""

    key: str
    values: tuple[str, ...]

    def typed(self) -> list[Any]:
        """The values as one column's: bool, int or float where all of them are, else the texts."""
        if all(value in ("true", "false") for value in self.values):
            return [value == "true" for value in self.values]
        if all(re.fullmatch(r"-?\d{1,18}", value, re.ASCII) for value in self.values):
            return [int(value) for value in self.values]
        if all(re.fullmatch(rf"-?{_NUMBER}", value, re.ASCII) for value in self.values):
            return [float(value) for value in self.values]
        return list(self.values)


@dataclass(frozen=True, slots=True)
class Cell:
    number: int
    settings: tuple[str, ...]  # KEY=VALUE
    values: tuple[Any, ...]  # typed, one an axis

    def __str__(self) -> str:
        return ", ".join(self.settings) or "as it is"


def axis_of(text: str) -> Axis:
    """``KEY=V1,V2``."""
    place = f"--vary {' '.join(text.split())[:200]}"
    key, equals, values = (part.strip() for part in text.partition("="))
    if not (key and equals and values):
        raise InputError(place, "this is not KEY=V1,V2", "write --vary max.in.flight.requests.per.connection=1..5")
    if key.split(".")[0].split("[")[0] in WORDS_ONLY:
        raise InputError(place, f"{key} decides nothing in a run", "vary what is deployed or what fails")
    if key == "seeds":
        raise InputError(place, "seeds are not varied", "write --seeds A..B: every cell runs with the same ones")
    if key in COLUMNS:
        raise InputError(place, f"{key} is a column of the table", "vary a path below it")
    found = [value for item in _items(values, place) for value in _expanded(item, place)]
    if len(set(found)) != len(found):
        twice = next(value for value in found if found.count(value) > 1)
        raise InputError(place, f"{shown(twice)} stands there twice", "name each value once")
    return Axis(key, tuple(found))


def grid_of(texts: Iterable[str]) -> list[Axis]:
    axes = [axis_of(text) for text in texts]
    keys = [axis.key for axis in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"--vary {key}", "is given twice", f"give all of its values in one: --vary {key}=V1,V2")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_CELLS:
        raise InputError("--vary", f"makes {count:,} cells, at most {MOST_CELLS:,} are run", "vary fewer values")
    return axes


def cells_of(scenario: Scenario, axes: Sequence[Axis]) -> list[tuple[Cell, Scenario]]:
    """Every combination, the last key varying fastest, each checked like a file before anything runs."""
    texts = product(*(axis.values for axis in axes))
    typed = product(*(axis.typed() for axis in axes))
    found = []
    for number, (values, told) in enumerate(zip(texts, typed, strict=True)):
        settings = tuple(f"{axis.key}={value}" for axis, value in zip(axes, values, strict=True))
        try:
            changed = with_overrides(scenario, settings)
        except InputError as error:
            what = error.place.replace("--set", "--vary", 1)
            raise InputError(f"cell {', '.join(settings)}: {what}", error.rule, error.way_out) from None
        found.append((Cell(number, settings, told), changed))
    return found


def _items(text: str, place: str) -> list[str]:
    """Parted at commas outside brackets and quotes."""
    items, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in ")}]":
            depth -= 1
        if letter == "," and not depth and not quote:
            items.append("")
        else:
            items[-1] += letter
    stripped = [item.strip() for item in items]
    if not all(stripped):
        raise InputError(place, "a value between two commas is missing", "write --vary KEY=V1,V2")
    return stripped


def _expanded(item: str, place: str) -> list[str]:
    match = _RANGE.fullmatch(item)
    if match is None:
        return [item]
    unit = match["unit"]
    of_step = ("", unit) if match["by"] == "+" else ("", None)
    if match["low_unit"] not in ("", unit) or match["step_unit"] not in of_step:
        raise InputError(place, f"{shown(item)} mixes units", f"write both ends in one unit, as 1{unit}..5{unit}")
    low, high = Fraction(match["low"]), Fraction(match["high"])
    by, step = match["by"] or "+", Fraction(match["step"] or 1)
    if high < low:
        raise InputError(place, f"{shown(item)} ends before it begins", "write the lower end first")
    if (by == "+" and step == 0) or (by == "*" and (step <= 1 or low == 0)):
        raise InputError(place, f"{shown(item)} never reaches its end", "write 10..50+10, or 1..1000*10")
    found = []
    while low <= high:
        found.append(f"{_decimal(low)}{unit}")
        if len(found) > MOST_VALUES:
            raise InputError(place, f"{shown(item)} has more than {MOST_VALUES:,} values", "take larger steps")
        low = low + step if by == "+" else low * step
    return found


def _decimal(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    return f"{float(number):.9f}".rstrip("0")
