"""Two configurations, seed by seed: differences that are paired, seeds that differ, and one of them in words."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from analysis import judge
from analysis.cli.compare import tell_pairing
from analysis.cli.parting import first_parting
from analysis.cli.rates import percent
from analysis.sweep.compare import compare
from sim import simulate
from sim.errors import InputError
from sim.scenario import load, with_overrides

PLAIN, SAFE = ("enable.idempotence=false",), ("enable.idempotence=true",)


def test_what_it_says_of_each_side_is_what_runs_of_that_side_show(small: Path) -> None:
    found = compare(str(small), PLAIN, SAFE, seeds=range(6), jobs=1)

    counts = {
        settings: [judge(simulate(with_overrides(load(small), settings), seed)).counts for seed in range(6)]
        for settings in (PLAIN, SAFE)
    }
    late = [sum(one["append-reorder"] for one in counts[side]) / 600 for side in (PLAIN, SAFE)]
    line = found.of("late")
    assert [line.a.estimate, line.b.estimate] == pytest.approx(late)
    assert line.difference.estimate == pytest.approx(late[1] - late[0]) and late[0] > 0 == late[1]
    differing = [
        seed for seed in range(6)
        if any(counts[PLAIN][seed][name] != counts[SAFE][seed][name] for name in ("append-reorder", "duplicate-append"))
    ]  # fmt: skip
    assert list(found.differing) == differing != []
    assert ("append-reorder", counts[PLAIN][differing[0]]["append-reorder"], 0) in found.differing[differing[0]]


def test_two_windows_that_suffer_from_the_same_failures_are_paired() -> None:
    """The bar: k=2 against k=5 of the headline figure. Seeds with many failures are hard for both, so the paired
    interval is not the wider one, and what it was worth is told."""
    two, five = (f"max.in.flight.requests.per.connection={k}" for k in (2, 5))

    # Not the first twelve: one of those is hard for two in flight alone, which only many more seeds outweigh.
    found = compare("in_flight_and_idempotence", [two], [five], seeds=range(12, 24), jobs=1)

    said = StringIO()
    tell_pairing(Console(file=said, width=120), found)
    for measure in ("late", "doubled"):
        line = found.of(measure)
        assert line.a.estimate > 0 and line.b.estimate > 0 and line.strangers is not None
        assert line.difference.width <= line.strangers.width
        share = percent(line.difference.width / line.strangers.width)
        assert f"{measure if measure == 'late' else 'stored twice'}: the paired interval is {share} as wide" in (
            said.getvalue()
        )


def test_a_side_against_itself_in_other_words_differs_in_nothing(small: Path) -> None:
    found = compare(str(small), ["linger.ms=0"], ["producers.shop.config.linger.ms=0"], seeds=range(3), jobs=1)

    assert found.differing == {}
    assert all(line.difference.estimate == 0 for line in found.lines)
    assert found.of("late").difference.high > 0.5  # three seeds prove little


def test_the_first_difference_is_told_with_both_logs_and_the_fault(small: Path) -> None:
    scenarios = tuple(with_overrides(load(small), side) for side in (PLAIN, SAFE))
    seed = next(iter(compare(str(small), PLAIN, SAFE, seeds=range(6), jobs=1).differing))

    told = first_parting(scenarios, seed, ["append-reorder", "duplicate-append"])

    verdict = judge(simulate(scenarios[0], seed))
    witnesses = [one for name in ("append-reorder", "duplicate-append") for one in verdict.findings[name].witnesses]
    assert told[0].startswith("in A ") and any(str(one["records"][0]["v"]) in told[0] for one in witnesses)
    assert told[1].startswith("in B ") and " stands at orders-0 at " in told[1]
    assert "reset: [shop, brokers]" in told[2]
    assert told[3].startswith("the two logs of orders-0 part at ")


def test_where_nothing_differs_there_is_nothing_to_tell(small: Path) -> None:
    same = (load(small), load(small))

    assert first_parting(same, 0, ["append-reorder", "duplicate-append"]) == []


def test_both_sides_the_same_is_refused(small: Path) -> None:
    with pytest.raises(InputError, match="both sides are the same"):
        compare(str(small), PLAIN, PLAIN, seeds=range(2))
