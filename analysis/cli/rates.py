"""Rates and intervals as a person reads them."""

from __future__ import annotations

from analysis.statistics import Interval

__all__ = ["legend", "of_times", "percent", "percent_points", "rate_words"]


def percent(share: float) -> str:
    """``0.153 %``: three digits, and 0 is 0."""
    return f"{_digits(100 * share)} %"


def rate_words(interval: Interval) -> str:
    """``0.153 % (0.11..0.2)``; of what was never seen only the bound: ``0 (up to 1.49 %)``."""
    if interval.estimate != interval.estimate:  # nan: nothing was counted
        return "none counted"
    if interval.estimate == 0 and interval.low == 0:
        return f"0 (up to {percent(interval.high)})"
    return f"{percent(interval.estimate)} ({_digits(100 * interval.low)}..{_digits(100 * interval.high)})"


def percent_points(interval: Interval) -> str:
    """A difference of rates: ``-0.153 (-0.2..-0.11)``, in percent of records."""
    low, high = (_digits(100 * x, sign=True) for x in (interval.low, interval.high))
    return f"{_digits(100 * interval.estimate, sign=True)} % ({low}..{high})"


def of_times(interval: Interval, per: float = 1.0, sign: bool = False) -> str:
    """A median of times or of throughput, in units of *per*."""
    if interval.estimate != interval.estimate:
        return "-"
    estimate, low, high = (_digits(x / per, sign) for x in (interval.estimate, interval.low, interval.high))
    return f"{estimate} ({low}..{high})"


def legend() -> str:
    return (
        "In brackets: 95 % intervals. Of records: cluster bootstrap by seed. Of seeds: Wilson. Times and throughput: "
        "median over seeds."
    )


def _digits(number: float, sign: bool = False) -> str:
    if number == 0:
        return "0"
    text = f"{number:+.3g}" if sign else f"{number:.3g}"
    if "e" in text and abs(number) >= 1:
        return f"{number:+,.0f}" if sign else f"{number:,.0f}"
    return text if "e" not in text else f"{number:{'+' if sign else ''}.2g}"
