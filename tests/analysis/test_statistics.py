"""Intervals hold what they promise: against exact enumeration, exact fractions, and studies whose truth is known."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import comb, isclose

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis.statistics import (
    LEVEL,
    Interval,
    difference,
    difference_of_shares,
    median,
    ratio,
    rule_of_three,
    unpaired_difference,
    warm,
    wilson,
)

Z2 = Fraction(1.959963984540054) ** 2
TRUTHS = (Fraction(1, 100), Fraction(1, 20), Fraction(1, 5), Fraction(1, 2), Fraction(4, 5), Fraction(19, 20))
STUDIES = int(os.environ.get("KORDER_STUDIES", "1000"))  # more: KORDER_STUDIES=20000


# --- proportions ------------------------------------------------------------------------------------------------------
def accepted(seen: int, of: int, p: Fraction) -> bool:
    """The score test, in exact fractions: p is not rejected by *seen* of *of*."""
    return (seen - of * p) ** 2 <= Z2 * of * p * (1 - p)


@lru_cache
def intervals(of: int) -> list[Interval]:
    return [wilson(seen, of) for seen in range(of + 1)]


@pytest.mark.parametrize("of", [20, 200, 2000])
@pytest.mark.parametrize("p", TRUTHS, ids=str)
def test_wilson_holds_exactly_the_rates_that_the_score_test_accepts(of: int, p: Fraction) -> None:
    by_interval = [float(p) in interval for interval in intervals(of)]

    assert by_interval == [accepted(seen, of, p) for seen in range(of + 1)]


def coverage(of: int, p: Fraction) -> float:
    """The exact probability that the interval holds *p*: every outcome, weighed."""
    a, b = p.numerator, p.denominator - p.numerator
    held = sum(
        comb(of, seen) * a**seen * b ** (of - seen)
        for seen, interval in enumerate(intervals(of))
        if float(p) in interval
    )
    return float(Fraction(held, p.denominator**of))


@pytest.mark.parametrize("of", [20, 200, 2000])
def test_wilson_covers_the_truth_in_95_percent_of_all_outcomes(of: int) -> None:
    """On average over rates; near 0 and 1 a discrete interval swings (Brown, Cai and DasGupta 2001, figure 5)."""
    grid = [Fraction(k, 40) for k in range(2, 39)]
    covered = [coverage(of, p) for p in grid]

    assert 0.945 < sum(covered) / len(covered) < 0.96
    assert min(covered) > {20: 0.915, 200: 0.93, 2000: 0.943}[of]


def test_wilson_of_two_cases_worked_by_hand() -> None:
    """Newcombe 1998, table I: 81 of 263 and 15 of 148."""
    assert [round(x, 4) for x in (wilson(81, 263).low, wilson(81, 263).high)] == [0.2553, 0.3662]
    assert [round(x, 4) for x in (wilson(15, 148).low, wilson(15, 148).high)] == [0.0624, 0.1605]


@pytest.mark.parametrize("of", [1, 7, 20, 200, 2000])
def test_wilson_and_the_rule_of_three_are_those_of_scipy(of: int) -> None:
    for seen in range(0, of + 1, max(of // 20, 1)):
        theirs = binomtest(seen, of).proportion_ci(confidence_level=LEVEL, method="wilson")
        ours = wilson(seen, of)
        assert isclose(ours.low, theirs.low, abs_tol=1e-12) and isclose(ours.high, theirs.high, abs_tol=1e-12)
    one_sided = binomtest(0, of, alternative="less").proportion_ci(confidence_level=LEVEL, method="exact")
    assert isclose(rule_of_three(of), one_sided.high, rel_tol=1e-9)


def test_wilson_ends_exactly_at_0_and_1_and_knows_when_nothing_was_tried() -> None:
    assert wilson(0, 7).low == 0.0 and wilson(7, 7).high == 1.0
    assert (wilson(0, 0).low, wilson(0, 0).high, wilson(0, 0).note) == (0.0, 1.0, "nothing was tried")
    with pytest.raises(ValueError, match="8 of 7"):
        wilson(8, 7)


@pytest.mark.parametrize("of", [20, 200, 2000])
def test_the_rule_of_three_is_the_rate_that_shows_nothing_once_in_twenty_times(of: int) -> None:
    bound = rule_of_three(of)

    assert isclose((1 - bound) ** of, 1 - LEVEL)
    assert isclose(bound, 3 / of, rel_tol=0.08)


# --- rates of records -------------------------------------------------------------------------------------------------
def study(generator: np.random.Generator, clusters: int, rate: float, dependence: float) -> tuple[np.ndarray, ...]:
    """Counts and records of one study: each cluster has a rate of its own, of a beta distribution around the truth."""
    records = generator.integers(800, 1201, clusters)
    alpha, beta = (x * (1 - dependence) / dependence for x in (rate, 1 - rate))
    return generator.binomial(records, generator.beta(alpha, beta, clusters)), records


@pytest.mark.parametrize("clusters", [50, 120])
@pytest.mark.parametrize("dependence", [0.005, 0.05])
@pytest.mark.parametrize("rate", [0.002, 0.02, 0.2])
def test_the_cluster_bootstrap_holds_the_truth_in_93_to_97_percent_of_studies(
    rate: float, dependence: float, clusters: int
) -> None:
    generator = np.random.default_rng([round(1e6 * rate), round(1e6 * dependence), clusters])

    held = sum(rate in ratio(*study(generator, clusters, rate, dependence)) for _ in range(STUDIES))

    assert 0.93 <= held / STUDIES <= 0.97


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_paired_difference_holds_the_truth_too(rate: float) -> None:
    """Both configurations meet the same clusters; the second has half of the first one's rate."""
    generator, held = np.random.default_rng(3), 0
    for _ in range(STUDIES):
        hard = generator.beta(rate * 19, (1 - rate) * 19, 60)
        records = generator.integers(800, 1201, 60)
        a, b = generator.binomial(records, hard), generator.binomial(records, hard / 2)
        held += -rate / 2 in difference(a, records, b, records)

    assert 0.93 <= held / STUDIES <= 0.97


def test_records_that_hang_together_widen_the_interval_beyond_that_of_independent_ones() -> None:
    """500 late records in one seed of fifty say less than ten in each."""
    records = [1000] * 50
    clumped, even = ratio([500] + [0] * 49, records), ratio([9, 11] * 25, records)

    assert clumped.estimate == even.estimate == 0.01
    assert even.width < 0.001 < 0.05 < clumped.width


def test_the_interval_of_a_ratio_worked_by_hand() -> None:
    """Two seeds, 1 of 10 and 3 of 10: a resample of both has t = 0 and those of one seed alone lie infinitely far, so
    the bootstrap has no end; below it stops at 0, above at Wilson's bound for two of two seeds."""
    found = ratio([1, 3], [10, 10])

    assert (found.estimate, found.low, found.high, found.note) == (0.2, 0.0, 1.0, "bound of seeds")


def test_nothing_seen_is_bounded_by_the_rule_of_three_over_seeds_not_records() -> None:
    found = ratio([0] * 200, [5000] * 200)

    assert (found.estimate, found.low) == (0.0, 0.0)
    assert isclose(found.high, 1 - 0.05 ** (1 / 200)) and "rule of three" in found.note


def test_rates_without_any_record_or_with_a_single_seed_pretend_nothing() -> None:
    assert math.isnan(ratio([0, 0], [0, 0]).estimate)
    assert (ratio([3], [10]).low, ratio([3], [10]).high) == (0.0, 1.0)
    assert ratio([10, 10], [10, 10]).high == 1.0


def test_a_pair_is_not_wider_than_strangers_where_seeds_are_hard_for_both() -> None:
    generator = np.random.default_rng(1)
    hard = generator.poisson(20, 100)
    a, b, records = hard + generator.poisson(2, 100), hard, [5000] * 100

    paired, strangers = difference(a, records, b, records), unpaired_difference(a, records, b, records)

    assert paired.estimate == strangers.estimate
    assert paired.width < strangers.width / 2


def test_where_no_seed_differs_the_bound_is_that_of_the_next_seed() -> None:
    found = difference([1, 2, 3] * 20, [9] * 60, [1, 2, 3] * 20, [9] * 60)

    assert (found.estimate, found.low, found.high) == (0.0, -rule_of_three(60), rule_of_three(60))
    assert found.note == "no seed differs: rule of three, by seeds"


@pytest.mark.parametrize("apart", [difference, unpaired_difference])
@pytest.mark.parametrize("counts", [([3], [1]), ([0], [0])])
def test_one_pair_of_runs_says_so(apart: Callable[..., Interval], counts: tuple[list[int], list[int]]) -> None:
    found = apart(counts[0], [10], counts[1], [10])

    assert isclose(found.estimate, (counts[1][0] - counts[0][0]) / 10)
    assert found.low < found.estimate < found.high and found.note == "one seed tells no spread"


def test_a_difference_that_one_seed_makes_is_bounded_by_the_share_of_seeds() -> None:
    found = difference([9] + [0] * 19, [10] * 20, [0] * 20, [10] * 20)

    assert isclose(found.estimate, -9 / 200) and isclose(found.low, -wilson(1, 20).high) and found.high < 0.01
    with pytest.raises(ValueError, match="2 seeds are not paired with 1"):
        difference([1, 2], [9, 9], [1], [9])


def test_the_difference_of_shares_worked_by_hand() -> None:
    """Bonett and Price 2012: 14 of 92 pairs changed to yes only in A, 5 only in B."""
    found = difference_of_shares(14, 5, 92)
    p_a, p_b = 15 / 94, 6 / 94
    half = 1.959963984540054 * math.sqrt((p_a + p_b - (p_a - p_b) ** 2) / 94)

    assert isclose(found.estimate, -9 / 92)
    assert isclose(found.low, p_b - p_a - half) and isclose(found.high, p_b - p_a + half)


def test_many_seeds_are_grouped_and_say_the_same() -> None:
    generator = np.random.default_rng(5)
    counts, records = generator.poisson(3, 4000), np.full(4000, 100)

    found, half = ratio(counts, records), 1.96 * math.sqrt(0.03 / 100 / 4000)

    assert isclose(found.high - found.estimate, half, rel_tol=0.15)


def test_the_same_numbers_give_the_same_interval() -> None:
    found = ratio([3, 0, 1, 7, 2, 0, 0, 4], [100, 90, 110, 100, 95, 105, 100, 100])

    assert found == ratio([3, 0, 1, 7, 2, 0, 0, 4], [100, 90, 110, 100, 95, 105, 100, 100])
    assert 0 < found.low < 17 / 800 < found.high < 0.1


# --- times and throughput ---------------------------------------------------------------------------------------------
def test_the_median_lies_between_the_order_statistics_of_the_printed_tables() -> None:
    """For 95 %: ranks 1 and 6 of 6, 2 and 9 of 10, 6 and 15 of 20, 40 and 61 of 100 (binomial with p = 1/2)."""
    for n, low, high in ((6, 1, 6), (10, 2, 9), (20, 6, 15), (100, 40, 61)):
        assert (median(range(1, n + 1)).low, median(range(1, n + 1)).high) == (low, high)


def test_the_median_of_any_distribution_is_held_in_at_least_95_percent_of_studies() -> None:
    drawn = np.random.default_rng(4).pareto(1.1, (STUDIES, 30))

    held = sum(2 ** (1 / 1.1) - 1 in median(study) for study in drawn)

    assert 0.95 <= held / STUDIES <= 0.98  # exactly 95.7 %, of a discrete choice


def test_five_seeds_bound_no_median() -> None:
    assert median([5, 1, 4, 2, 3]) == Interval(3.0, 1.0, 5.0, "too few seeds: their range")
    assert math.isnan(median([]).estimate)


def test_the_warm_up_is_cut_where_it_says() -> None:
    assert warm(np.array([0, 1_999_999, 2_000_000, 5_000_000]), 2_000_000).tolist() == [False, False, True, True]
