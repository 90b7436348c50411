"""Under random faults the rates here and on real Kafka are equivalent, within a margin that was stated beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.rates import HERE, MARGIN, MEASURES, OPEN, WIDER, equivalent, rates_of, read, simulated

RECORDED = read()


@pytest.mark.parametrize("one", RECORDED, ids=[one["script"] for one in RECORDED])
def test_rates_are_equivalent_or_stand_on_the_open_list(one: dict[str, Any]) -> None:
    ours = simulated(one["script"], one)
    for measure in MEASURES:
        holds, low, high = equivalent(one[measure], ours[measure], WIDER.get(one["script"], MARGIN))
        is_open = (one["script"], measure) in OPEN
        assert holds != is_open, f"{measure}: the difference is within {low:+.2f} .. {high:+.2f} in a thousand"


def test_every_script_is_recorded() -> None:
    assert {one["script"] for one in RECORDED} == {path.stem for path in (HERE / "random").glob("*.yaml")}
    assert len(RECORDED) == 10 and all(one["seeds"] >= 8 for one in RECORDED)


def test_means_that_differ_by_more_than_the_margin_are_not_equivalent() -> None:
    same, apart = [4.0, 5.0, 6.0] * 4, [14.0, 15.0, 16.0] * 4
    assert equivalent(same, same, 5.0)[0]
    assert not equivalent(same, apart, 5.0)[0]
    assert not equivalent([0.0, 40.0], [0.0, 40.0], 5.0)[0], "two wild runs prove nothing"


def test_copies_and_late_records_are_counted_by_hand() -> None:
    log = [[0, ["p/0"], None, -1, -1, 0], [1, ["p/2"], None, -1, -1, 0], [2, ["p/1", "p/2"], None, -1, -1, 0]]
    found = rates_of({"log": {"t-0": log}, "attempts": {"p": [["p/0", 1], ["p/1", 2], ["p/2", 2], ["p/3", 1]]}})
    assert found == {"copies": 250.0, "late": 250.0}
