"""Defects planted in the simulator's own rules are found by name: by a law, by the analyzer, or by both.

Each row of ``table`` says what must speak, and nothing else will do: the law is the first that is broken, the finding
is one that the run's configuration does not allow. The same run without the defect keeps every law and has no such
finding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from analysis import judge
from sim import simulate
from sim.errors import LawBroken
from tests.planted import broker_defects, client_defects, replication_defects
from tests.planted.plays import PLAYS
from tests.planted.situations import SITUATIONS, situation
from tests.planted.table import DEFECTS, Defect

Findings = dict[str, dict[str, Any]]


def _findings(name: str, *, laws: bool) -> Findings:
    found = judge(simulate(situation(name), seed=0, check_laws=laws)).to_json()["findings"]
    assert isinstance(found, dict)
    return found


@cache
def _sound(name: str) -> Findings:
    """What is found without any defect; raises if a law is broken then."""
    if name in PLAYS:
        PLAYS[name]()
        return {}
    return _findings(name, laws=True)


def _forbidden(findings: Findings) -> list[str]:
    return [name for name, one in findings.items() if one["count"] and _is_fault(one)]


def _is_fault(finding: dict[str, Any]) -> bool:
    return finding["class"] != "information" and finding["allowed"] is not True


def _law_broken(where: str) -> str | None:
    try:
        if where in PLAYS:
            PLAYS[where]()
        else:
            _findings(where, laws=True)
    except LawBroken as broken:
        return broken.law
    return None


@pytest.mark.parametrize("defect", DEFECTS, ids=[f"{defect.name}-{defect.where}" for defect in DEFECTS])
def test_a_planted_defect_is_found_by_name(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _forbidden(_sound(defect.where)) == []
    with monkeypatch.context() as patch:
        defect.plant(patch)
        assert _law_broken(defect.where) == defect.law
        if defect.finding is not None:
            found = _findings(defect.where, laws=False)[defect.finding]
            assert found["count"] > 0 and found["witnesses"]
            # A key in two partitions is no fault by itself; it is told, and without the defect there is none.
            assert _is_fault(found) or found["class"] == "information"
            assert _sound(defect.where)[defect.finding]["count"] == 0


def test_every_defect_is_in_the_table_and_something_speaks_of_each() -> None:
    written = {
        name
        for module in (broker_defects, client_defects, replication_defects)
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_") and callable(value)
    }
    assert {defect.plant.__name__ for defect in DEFECTS} == written
    assert all(defect.law or defect.finding for defect in DEFECTS)
    assert {defect.where for defect in DEFECTS} == set(SITUATIONS) | set(PLAYS)


def test_a_situation_comes_to_rest() -> None:
    """What is found in one is not the fault of a run that was cut short."""
    unsettled = {name: simulate(situation(name), seed=0).header["unsettled"] for name in SITUATIONS}
    assert {name: why for name, why in unsettled.items() if why} == {}


def test_what_was_planted_is_gone_afterwards() -> None:
    before = simulate(situation("failover"), seed=0).header["digest"]
    for defect in DEFECTS:
        with pytest.MonkeyPatch.context() as patch:
            defect.plant(patch)
    assert simulate(situation("failover"), seed=0).header["digest"] == before
