"""Expectations: never, sometimes, always, max and rate, on one seed and over many."""

from __future__ import annotations

from fractions import Fraction

import pytest

from analysis import SeedResult, judge_seeds
from analysis.expectations import CANNOT_TELL, judge_one, overall
from sim.errors import InputError
from sim.scenario.expectations import Bound
from tests.analysis.written import judged

NAME = "append-reorder"


def seeds(*counts: int | None, unsettled: tuple[int, ...] = (), records: int = 100) -> list[SeedResult]:
    """One result a count; None: could not be checked."""
    return [
        SeedResult(seed, {} if count is None else {NAME: count}, seed not in unsettled, records, {NAME: "no sends"})
        for seed, count in enumerate(counts)
    ]


OVER_SEEDS = [
    ("never", seeds(0, 0, 0), "holds", ()),
    ("never", seeds(0, 2, 1), "broken", (1, 2)),
    ("never", seeds(0, 0, 0, unsettled=(2,)), "undecided", (2,)),
    ("never", seeds(0, 1, 0, unsettled=(1, 2)), "broken", (1,)),  # what was seen is proved
    ("never", seeds(0, None), "undecided", (1,)),
    ("sometimes", seeds(0, 3, 0), "holds", (1,)),
    ("sometimes", seeds(0, 0, 0), "broken", ()),
    ("sometimes", seeds(0, 0, 0, unsettled=(0,)), "undecided", (0,)),
    ("sometimes", seeds(0, 1, 0, unsettled=(0, 1)), "holds", (1,)),
    ("always", seeds(1, 2, 3), "holds", ()),
    ("always", seeds(1, 0, 3), "broken", (1,)),
    ("always", seeds(1, 0, 3, unsettled=(1,)), "undecided", (1,)),
    ("always", seeds(1, 2, 3, unsettled=(1,)), "holds", ()),
    ({"max": 2}, seeds(0, 2, 1), "holds", ()),
    ({"max": 2}, seeds(0, 3, 1), "broken", (1,)),
    ({"max": 2}, seeds(0, 2, 1, unsettled=(1,)), "undecided", (1,)),
    ({"rate": "< 1 %"}, seeds(1, 0, 0), "holds", ()),  # 1 of 300
    ({"rate": "< 1 %"}, seeds(3, 0, 0), "broken", (0,)),  # exactly 1 %
    ({"rate": "< 1 %"}, seeds(1, 0, 0, unsettled=(2,)), "undecided", (2,)),
    (Bound(max=1), seeds(2), "broken", (0,)),
    (Bound(rate="< 2.5 %"), seeds(2), "holds", ()),
    ("never", [], "undecided", ()),
]


@pytest.mark.parametrize("expected, results, verdict, deciding", OVER_SEEDS)
def test_an_expectation_over_seeds(expected, results, verdict, deciding):
    judged_ = judge_seeds(results, {NAME: expected})[NAME]

    assert (judged_.verdict, judged_.seeds) == (verdict, deciding)
    assert judged_.why or verdict == "holds"


def test_plain_tuples_are_results_as_well():
    assert judge_seeds([(7, {NAME: 1}, True)], {NAME: "never"})[NAME].seeds == (7,)
    assert judge_seeds([(7, {NAME: 1}, True, 50)], {NAME: {"rate": "< 3 %"}})[NAME].verdict == "holds"


def test_the_reason_counts_the_seeds_and_names_the_first():
    assert judge_seeds(seeds(0, 4, 1), {NAME: "never"})[NAME].why == "seen in 2 of 3 seeds (first: 1), up to 4 times"
    assert judge_seeds(seeds(0, None), {NAME: "never"})[NAME].why == "1 of 2 seeds (first: 1): no sends"


def test_one_seed_judges_never_always_and_max_and_cannot_tell_of_the_rest():
    one = seeds(2)[0]
    words = {str(e): judge_one(one, {NAME: e})[NAME].verdict for e in ("never", "always", "sometimes")}

    assert words == {"never": "broken", "always": "holds", "sometimes": CANNOT_TELL}
    assert judge_one(one, {NAME: {"max": 2}})[NAME].verdict == "holds"
    assert judge_one(one, {NAME: {"rate": "< 1 %"}})[NAME].verdict == CANNOT_TELL
    assert overall(judge_one(one, {NAME: "sometimes"})) == "holds"


def test_the_worst_expectation_is_the_verdict():
    one = SeedResult(0, {"append-reorder": 0, "lost-acked": 1}, True, 10, {"unseen": "no readers"})

    assert overall(judge_one(one, {"append-reorder": "never"})) == "holds"
    assert overall(judge_one(one, {"append-reorder": "never", "unseen": "never"})) == "undecided"
    assert overall(judge_one(one, {"unseen": "never", "lost-acked": "never"})) == "broken"


@pytest.mark.parametrize("expected", ["perhaps", {"max": "3"}, {"rate": "1 %"}, {}, 3, {"max": -1}])
def test_what_is_no_expectation_is_refused(expected):
    with pytest.raises(InputError, match="expect.append-reorder"):
        judge_seeds(seeds(0), {NAME: expected})


def test_rates_are_exact():
    """1 of 3 is not below 33.3 %, though a float might say so."""
    results = [SeedResult(0, {NAME: 1}, True, 3)]

    assert judge_seeds(results, {NAME: {"rate": "< 33.3 %"}})[NAME].verdict == "broken"
    assert judge_seeds(results, {NAME: Bound(rate=Fraction(334, 10))})[NAME].verdict == "holds"


# --- one verdict ------------------------------------------------------------------------------------------------------
REORDERED = "send P1 1 a1 o-0; send P1 2 a2 o-0; append o-0 0 a2; append o-0 1 a1"


def test_without_expectations_a_verdict_is_broken_by_what_the_configuration_does_not_allow():
    plain = {"clients": {"P1": {"enable.idempotence": False}}, "topics": {"o": {}}}
    idempotent = {"clients": {"P1": {}}, "topics": {"o": {}}}

    assert judged(REORDERED).verdict == "broken"
    assert judged(REORDERED, config=plain).verdict == "holds"
    assert judged(REORDERED, config=idempotent).reasons == ["append-reorder: 1"]
