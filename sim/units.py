"""Quantities with their unit, as written in a scenario, and exact integers.

``duration_us("250ms")`` is 250000, ``size_bytes("20MiB")`` is 20971520, ``rate_per_s("2/min")`` is the fraction 1/30,
``percent("5%")`` the fraction 5. Nothing is rounded: a text that is not a whole number of microseconds or bytes is
refused, and so is a bare number. Every refusal is a :class:`~sim.wording.Wrong` with value, rule and way out.
"""

from __future__ import annotations

import re
from fractions import Fraction

from sim.wording import Wrong, listed, shown

__all__ = ["duration_text", "duration_us", "percent", "percent_text", "rate_per_s", "rate_text", "size_bytes"]

DURATIONS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "min": 60_000_000, "h": 3_600_000_000}
SIZES = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}  # fmt: skip
PERIODS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}

_NUMBER = r"(?P<number>\d{1,15}(?:\.\d{1,9})?)"
_QUANTITY = re.compile(rf"{_NUMBER}\s*(?P<unit>[A-Za-z]+)", re.ASCII)
_RATE = re.compile(rf"{_NUMBER}\s*/\s*(?P<unit>[A-Za-z]+)", re.ASCII)
_PERCENT = re.compile(rf"{_NUMBER}\s*%", re.ASCII)


def duration_us(value: object) -> int:
    """``"30s"`` as microseconds."""
    return _whole(value, DURATIONS, "a duration", "30s or 250ms", "microseconds")


def size_bytes(value: object) -> int:
    """``"20MiB"`` as bytes."""
    return _whole(value, SIZES, "a size", "20MiB or 500B", "bytes")


def rate_per_s(value: object) -> Fraction:
    """``"500/s"`` or ``"2/min"`` as events per second, exact."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Wrong(
            f"{shown(value)} is not a rate", f"write a number a time, as {_repair(value, '/s', '500/s')} or 2/min"
        )
    if match["unit"] not in PERIODS:
        raise Wrong(f"{shown(value)} has no known time unit", f"write /{listed(PERIODS)}")
    return Fraction(match["number"]) / PERIODS[match["unit"]]


def percent(value: object) -> Fraction:
    """``"5%"`` as the number 5, exact, within 0..100."""
    match = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{shown(value)} is not a percentage", f"write {_repair(value, '%', '5%')}")
    number = Fraction(match["number"])
    if number > 100:
        raise Wrong(f"{shown(value)} is above 100%", "write a percentage from 0% to 100%")
    return number


def duration_text(us: int) -> str:
    """The shortest exact text: ``250ms``, ``30s``, ``2h``."""
    for unit in ("h", "m", "s", "ms"):
        if us and us % DURATIONS[unit] == 0:
            return f"{us // DURATIONS[unit]}{unit}"
    return f"{us}us" if us else "0s"


def rate_text(per_s: Fraction) -> str:
    """Exact text of a rate; per minute or hour where that is a plain number."""
    for unit in ("s", "min", "h"):
        number = per_s * PERIODS[unit]
        if (number * 10**9).denominator == 1:
            return f"{_decimal(number)}/{unit}"
    raise Wrong(f"{per_s} per second has no plain text", "use a rate with at most nine decimals")


def percent_text(number: Fraction) -> str:
    return f"{_decimal(number)}%"


def _decimal(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    billionths = int(number * 10**9)
    return f"{billionths // 10**9}.{billionths % 10**9:09d}".rstrip("0")


def _whole(value: object, units: dict[str, int], what: str, example: str, smallest: str) -> int:
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        unit = next(iter(units)) if smallest == "bytes" else "s"
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            raise Wrong(
                f"{shown(value)} has no unit", f"write {_repair(value, unit, example)} if that is what is meant"
            )
        raise Wrong(f"{shown(value)} is not {what}", f"write a number with its unit, as {example}")
    if match["unit"] not in units:
        raise Wrong(f"{shown(value)} has the unknown unit {match['unit']}", f"use {listed(units)}")
    if "." not in match["number"]:
        return int(match["number"]) * units[match["unit"]]
    number = Fraction(match["number"]) * units[match["unit"]]
    if number.denominator != 1:
        raise Wrong(f"{shown(value)} is not a whole number of {smallest}", f"use at most one {smallest[:-1]} as a step")
    return number.numerator


def _repair(value: object, unit: str, example: str) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value}{unit}" if is_number or (isinstance(value, str) and value.isdigit()) else example
