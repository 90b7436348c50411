"""Quantities with units are exact integers or fractions, and a bare number is never one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.units import duration_text, duration_us, percent, percent_text, rate_per_s, rate_text, size_bytes
from sim.wording import Wrong


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("250ms", 250_000), ("30s", 30_000_000), ("2m", 120_000_000), ("2min", 120_000_000), ("500us", 500),
        ("1h", 3_600_000_000), ("0.5ms", 500), ("1.5 s", 1_500_000), ("0s", 0), ("0.1s", 100_000),
    ],
)  # fmt: skip
def test_durations_are_whole_microseconds(text: str, us: int) -> None:
    assert duration_us(text) == us


@pytest.mark.parametrize(
    ("text", "size"), [("20MiB", 20 << 20), ("1MB", 1_000_000), ("1.5KiB", 1536), ("7B", 7), ("1GiB", 1 << 30)]
)
def test_sizes_are_whole_bytes(text: str, size: int) -> None:
    assert size_bytes(text) == size


def test_rates_and_percentages_are_exact_fractions() -> None:
    assert rate_per_s("500/s") == 500
    assert rate_per_s("2/min") == Fraction(1, 30)
    assert rate_per_s("0.1 / h") == Fraction(1, 36_000)
    assert percent("5%") == 5
    assert percent("0.1 %") == Fraction(1, 10)


@pytest.mark.parametrize("value", [30, 30.0, "30", "", "s", "-1s", "1e3s", "1,5s", "٣s", "NaNs", True, None, [], "1ss"])
def test_what_is_no_duration_is_refused_with_a_way_out(value: object) -> None:
    with pytest.raises(Wrong) as caught:
        duration_us(value)
    assert caught.value.way_out and "\n" not in str(caught.value)


def test_a_bare_number_is_answered_with_the_same_number_and_a_unit() -> None:
    with pytest.raises(Wrong, match="30 has no unit; write 30s"):
        duration_us(30)
    with pytest.raises(Wrong, match="500 is not a rate; write a number a time, as 500/s"):
        rate_per_s(500)
    with pytest.raises(Wrong, match="5 is not a percentage; write 5%"):
        percent(5)


def test_nothing_is_rounded() -> None:
    with pytest.raises(Wrong, match="not a whole number of microseconds"):
        duration_us("0.0001ms")
    with pytest.raises(Wrong, match="not a whole number of bytes"):
        size_bytes("0.5B")


@given(st.integers(0, 10**13))
def test_a_duration_is_written_back_as_the_same_duration(us: int) -> None:
    assert duration_us(duration_text(us)) == us


@given(st.integers(1, 10**6), st.sampled_from(["s", "min", "h"]))
def test_a_rate_is_written_back_as_the_same_rate(number: int, period: str) -> None:
    rate = rate_per_s(f"{number}/{period}")
    assert rate_per_s(rate_text(rate)) == rate


@given(st.integers(0, 100 * 10**4))
def test_a_percentage_is_written_back_as_the_same_percentage(steps: int) -> None:
    assert percent(percent_text(Fraction(steps, 10**4))) == Fraction(steps, 10**4)
