"""Named random streams, and delay distributions as integer tables on raw draws.

Every random need has a stream of its own, ``Random(f"{seed}/{name}")``, so that a new need disturbs no other and two
runs that differ in one option meet the same faults and latencies. Python promises the sequence of ``getrandbits`` for a
string seed across versions and machines; nothing here uses a float, as ``log`` and SIMD sums differ between machines.

A delay is one raw 32-bit draw through a table of 1025 quantiles, interpolated in integers. The table is computed with
:mod:`decimal`, whose ``ln`` and ``exp`` are rounded correctly. It ends at the quantile of 8191/8192: the rarest delays
are cut off there, so every delay is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from sim.normal_quantiles import P99, UPPER
from sim.plan import Distribution

__all__ = ["bulk", "quantile", "quantile_table", "quantiles", "stream"]

CELLS = 1024
LAST = Decimal(8191) / Decimal(8192)  # where the last cell ends instead of at 1
PRECISION = 24


def stream(seed: int, name: str) -> Random:
    """The stream of one random need."""
    return Random(f"{seed}/{name}")


def bulk(generator: Random, count: int) -> NDArray[np.uint32]:
    """The next *count* raw 32-bit draws: the same numbers as so many calls of ``getrandbits(32)``."""
    raw = generator.getrandbits(32 * count) if count else 0
    return np.frombuffer(raw.to_bytes(4 * count, "little"), dtype="<u4").astype(np.uint32, copy=False)


def quantile(table: tuple[int, ...], raw: int) -> int:
    """The delay that a raw draw in 0..2**32-1 stands for."""
    cell, part = raw >> 22, raw & 0x3FFFFF
    low = table[cell]
    return low + ((table[cell + 1] - low) * part >> 22)


def quantiles(table: tuple[int, ...], raws: NDArray[np.uint32]) -> NDArray[np.int64]:
    """:func:`quantile` of many draws at once."""
    knots = np.asarray(table, dtype=np.int64)
    cell = (raws >> np.uint32(22)).astype(np.int64)
    part = (raws & np.uint32(0x3FFFFF)).astype(np.int64)
    low = knots[cell]
    return low + ((knots[cell + 1] - low) * part >> 22)


def quantile_table(distribution: Distribution) -> tuple[int, ...]:
    """The 1025 quantiles of a distribution, in its own unit (microseconds for a latency)."""
    return _table(distribution.name, tuple(sorted(distribution.parameters.items())))


@lru_cache(maxsize=256)
def _table(name: str, items: tuple[tuple[str, int], ...]) -> tuple[int, ...]:
    parameters = dict(items)
    with localcontext(Context(prec=PRECISION, rounding=ROUND_HALF_EVEN)):
        if name == "constant":
            return (parameters["value"],) * (CELLS + 1)
        if name == "uniform":
            low, high = parameters["low"], parameters["high"]
            return tuple(low + (high - low) * k // CELLS for k in range(CELLS + 1))
        if name == "lognormal":
            return _lognormal(parameters)
        if name == "exponential":
            return tuple(_whole(-Decimal(parameters["mean"]) * tail) for tail in _log_tails())
        if name == "pareto":
            return _pareto(parameters)
    raise ValueError(f"{name!r} is not a delay distribution")


def _lognormal(parameters: Mapping[str, int]) -> tuple[int, ...]:
    """median * exp(sigma * z), with sigma from the 99th percentile."""
    median = Decimal(parameters["median"])
    sigma = (Decimal(parameters["p99"]) / median).ln() / P99
    lower = tuple(-z for z in reversed(UPPER[1:]))  # the quantile of 0 does not exist: the mirror of the last knot
    return tuple(_whole(median * (sigma * z).exp()) for z in lower + UPPER)


def _pareto(parameters: Mapping[str, int]) -> tuple[int, ...]:
    """minimum * (1 - p) ** (-1 / alpha), with alpha from the 99th percentile."""
    minimum = Decimal(parameters["minimum"])
    slope = (Decimal(parameters["p99"]) / minimum).ln() / Decimal(100).ln()
    return tuple(_whole(minimum * (-tail * slope).exp()) for tail in _log_tails())


@lru_cache(maxsize=1)
def _log_tails() -> tuple[Decimal, ...]:
    """ln(1 - p) at every knot."""
    tails = [Decimal(CELLS - k) / CELLS for k in range(CELLS)] + [1 - LAST]
    return tuple(tail.ln() for tail in tails)


def _whole(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_HALF_EVEN))
