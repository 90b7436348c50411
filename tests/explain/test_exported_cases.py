"""A run explained from its trace, and from its export as JSON Lines: less is known there, and nothing else is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis import judge
from analysis.explaining import explain
from analysis.explaining.mechanisms import NOT_EXPLAINED
from analysis.jsonl.read import read_jsonl
from analysis.jsonl.write import write_jsonl
from sim import simulate

NOTHING, CAUSES, TRACE = "nothing", "causes", "trace"
CASES = {  # scenario, seed, finding: what an export needs to tell it
    ("refused_batch_overtaken", 1, "append-reorder"): NOTHING,
    ("connection_loss_java", 1, "append-reorder"): NOTHING,
    ("lost_response_duplicates", 1, "duplicate-append"): NOTHING,
    ("hole_reloaded_state", 1, "duplicate-append"): NOTHING,
    ("hole_application_resend", 1, "duplicate-append"): NOTHING,
    ("zombie_request", 1, "duplicate-append"): NOTHING,
    ("acks_0_leader_crash", 1, "lost-acked"): NOTHING,
    ("unclean_election", 1, "lost-acked"): NOTHING,
    ("group_auto_commit_librdkafka", 1, "premature-commit"): NOTHING,
    ("hole_unknown_producer_librdkafka", 1, "lost-acked"): CAUSES,  # which answer implied the success
    ("partition_count_increased", 1, "key-partition-split"): TRACE,  # that there were more partitions
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}")
def test_an_export_tells_the_same_mechanism_or_none(case: tuple[str, int, str], tmp_path: Path) -> None:
    scenario, seed, finding = case
    trace = simulate(scenario, seed)
    own = judge(trace, names=[finding])
    assert own.findings[finding].witnesses
    for causes, told in ((False, CASES[case] == NOTHING), (True, CASES[case] != TRACE)):
        path = write_jsonl(trace, tmp_path / "history.jsonl", causes=causes)
        foreign = judge(read_jsonl(path), names=[finding])
        for number in range(min(3, len(own.findings[finding].witnesses))):
            mine = explain(own, finding, number, proof=False)
            other = explain(foreign, finding, number)
            assert mine.mechanism != NOT_EXPLAINED
            assert other.mechanism == (mine.mechanism if told else NOT_EXPLAINED)
            assert other.proof is None
            if told and causes:
                assert other.because.split(" was ")[0] == mine.because.split(" was ")[0]


def test_every_cause_in_an_export_is_an_earlier_event_of_it(tmp_path: Path) -> None:
    path = write_jsonl(simulate("ten_records", 1), tmp_path / "history.jsonl")
    seen, caused = set(), 0
    for line in path.read_text("utf-8").splitlines()[1:]:
        event = json.loads(line)
        caused += "cause" in event
        assert event.get("cause") is None or event["cause"] in seen
        seen.add(event.get("id"))
    assert caused > 10
    assert judge(read_jsonl(path)).findings["append-reorder"].count == 4
