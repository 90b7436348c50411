"""Named streams, and delays as integer tables."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.normal_quantiles import P99, UPPER
from sim.plan import Distribution
from sim.streams import bulk, quantile, quantile_table, quantiles, stream

SHAPES = [
    Distribution("constant", {"value": 700}),
    Distribution("uniform", {"low": 100, "high": 900}),
    Distribution("exponential", {"mean": 1_000}),
    Distribution("lognormal", {"median": 500, "p99": 5_000}),
    Distribution("pareto", {"minimum": 100, "p99": 10_000}),
]


def test_a_stream_is_given_by_seed_and_name_alone() -> None:
    first = [stream(7, "latency/a>b/0").getrandbits(32) for _ in range(2)]
    assert first == [stream(7, "latency/a>b/0").getrandbits(32) for _ in range(2)]
    assert first[0] == 1_794_580_969  # the same on every machine and Python version


def test_a_new_stream_disturbs_no_other() -> None:
    alone = stream(1, "a")
    undisturbed = [alone.getrandbits(32) for _ in range(10)]
    one, other = stream(1, "a"), stream(1, "b")
    assert [(one.getrandbits(32), other.getrandbits(32))[0] for _ in range(10)] == undisturbed


def test_streams_of_different_names_or_seeds_differ() -> None:
    assert len({stream(seed, name).getrandbits(64) for seed in range(20) for name in ("a", "b", "a/b")}) == 60


@given(st.integers(0, 300), st.integers(0, 2**64))
def test_bulk_draws_are_the_single_draws(count: int, seed: int) -> None:
    one_by_one = stream(seed, "x")
    assert bulk(stream(seed, "x"), count).tolist() == [one_by_one.getrandbits(32) for _ in range(count)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_table_never_falls_and_single_and_bulk_quantiles_are_equal(shape: Distribution) -> None:
    table = quantile_table(shape)
    raws = bulk(stream(3, shape.name), 5_000)
    edges = np.array([0, 1, 2**22 - 1, 2**22, 2**32 - 1], dtype=np.uint32)
    assert list(table) == sorted(table)
    for draws in (raws, edges):
        assert quantiles(table, draws).tolist() == [quantile(table, raw) for raw in draws.tolist()]


def share(table: tuple[int, ...], percent: int) -> int:
    return quantile(table, (percent << 32) // 100)


def test_a_lognormal_table_has_the_median_and_the_99th_percentile_asked_for() -> None:
    table = quantile_table(Distribution("lognormal", {"median": 500_000, "p99": 5_000_000}))
    assert share(table, 50) == 500_000
    assert abs(share(table, 99) - 5_000_000) < 10_000


def test_a_pareto_table_has_the_minimum_and_the_99th_percentile_asked_for() -> None:
    table = quantile_table(Distribution("pareto", {"minimum": 100_000, "p99": 1_000_000}))
    assert table[0] == 100_000
    assert abs(share(table, 99) - 1_000_000) < 10_000


def test_an_exponential_table_has_the_mean_asked_for() -> None:
    draws = quantiles(quantile_table(Distribution("exponential", {"mean": 1_000_000})), bulk(stream(1, "e"), 200_000))
    assert abs(int(draws.sum()) // len(draws) - 1_000_000) < 10_000


def test_a_table_is_the_same_on_every_machine() -> None:
    table = quantile_table(Distribution("lognormal", {"median": 500, "p99": 5_000}))
    assert (table[0], table[1], table[512], table[1023], table[1024]) == (13, 23, 500, 10_724, 18_873)


def test_an_unknown_distribution_is_named() -> None:
    with pytest.raises(ValueError, match="'cauchy' is not a delay distribution"):
        quantile_table(Distribution("cauchy", {}))


def test_the_checked_in_normal_quantiles_are_those_of_the_normal_distribution() -> None:
    normal = NormalDist()
    for k, found in enumerate(UPPER):
        p = (512 + k) / 1024 if k < 512 else 8191 / 8192
        assert abs(found - normal.inv_cdf(p) * 10**9) < 10
    assert abs(P99 - normal.inv_cdf(0.99) * 10**9) < 10
