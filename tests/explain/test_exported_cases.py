"""A run explained from its trace, and from its export as JSON Lines: less is known there, and nothing else is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis import judge
from analysis.explaining import explain
from analysis.explaining.mechanisms import NOT_EXPLAINED
from analysis.jsonl.read import read_jsonl
from analysis.jsonl.write import write_jsonl
from sim import simulate

CASES = {  # scenario, seed, finding: can an export tell it?
    ("refused_batch_overtaken", 1, "append-reorder"): True,
    ("connection_loss_java", 1, "append-reorder"): True,
    ("lost_response_duplicates", 1, "duplicate-append"): True,
    ("hole_reloaded_state", 1, "duplicate-append"): True,
    ("hole_application_resend", 1, "duplicate-append"): True,
    ("acks_0_leader_crash", 1, "lost-acked"): True,
    ("unclean_election", 1, "lost-acked"): True,
    ("hole_unknown_producer_librdkafka", 1, "lost-acked"): False,  # which answer implied the success
    ("partition_count_increased", 1, "key-partition-split"): False,  # that there were more partitions
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}")
def test_an_export_tells_the_same_mechanism_or_none(case: tuple[str, int, str], tmp_path: Path) -> None:
    scenario, seed, finding = case
    trace = simulate(scenario, seed)
    foreign = judge(read_jsonl(write_jsonl(trace, tmp_path / "history.jsonl")), names=[finding])
    own = judge(trace, names=[finding])
    for number in range(min(3, len(own.findings[finding].witnesses))):
        mine = explain(own, finding, number, proof=False)
        other = explain(foreign, finding, number)
        assert mine.mechanism != NOT_EXPLAINED
        assert other.mechanism == (mine.mechanism if CASES[case] else NOT_EXPLAINED)
        assert other.proof is None


WITH_CAUSES = (
    ("zombie_request", 1, "duplicate-append"), ("hole_unknown_producer_librdkafka", 1, "lost-acked"),
    ("refused_batch_overtaken", 1, "append-reorder"),
)  # fmt: skip


def read_with_causes(path: Path) -> Any:
    """The history, with what its lines name as their causes."""
    history = read_jsonl(path)
    told = [json.loads(line).get("cause") for line in path.read_text("utf-8").splitlines()]
    history.causes = [None, *told]  # rows are line numbers
    return history


@pytest.mark.parametrize("case", WITH_CAUSES, ids=lambda case: case[0])
def test_an_export_with_causes_tells_the_mechanism_of_its_trace(case: tuple[str, int, str], tmp_path: Path) -> None:
    scenario, seed, finding = case
    trace = simulate(scenario, seed)
    path = write_jsonl(trace, tmp_path / "history.jsonl", causes=True)
    mine = explain(judge(trace, names=[finding]), finding, proof=False)
    other = explain(judge(read_with_causes(path), names=[finding]), finding)

    assert mine.mechanism != NOT_EXPLAINED
    assert (other.mechanism, other.because.split(" was ")[0]) == (mine.mechanism, mine.because.split(" was ")[0])


def test_every_cause_in_an_export_is_an_earlier_event_of_it(tmp_path: Path) -> None:
    path = write_jsonl(simulate("ten_records", 1), tmp_path / "history.jsonl", causes=True)
    seen, caused = set(), 0
    for line in path.read_text("utf-8").splitlines()[1:]:
        event = json.loads(line)
        caused += "cause" in event
        assert event.get("cause") is None or event["cause"] in seen
        seen.add(event.get("id"))
    assert caused > 10
    assert judge(read_jsonl(path)).findings["append-reorder"].count == 4
