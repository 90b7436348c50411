"""A run explained from its trace, and from its export as JSON Lines: less is known there, and nothing else is said."""

from __future__ import annotations

from pathlib import Path

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
