"""Every script ends here as it was recorded to end on real Kafka; a difference is known and has its reason."""

from __future__ import annotations

import copy

import pytest

from analysis.outcome import FIELDS, GROUP_FIELDS, first_difference
from tests.conformance.scripts import KNOWN_DIFFERENCES, RECORDED, SCRIPTS, Recording, compare, read
from tests.conformance.table import README, block, table

RECORDINGS = read(RECORDED)


def name(recording: Recording) -> str:
    return f"{recording['script']}-{recording['kafka']}"


@pytest.mark.parametrize("recording", RECORDINGS, ids=name)
def test_the_simulator_ends_as_real_kafka_did(recording: Recording) -> None:
    found = compare(recording)
    if recording["script"] in KNOWN_DIFFERENCES:
        assert found is not None, "this difference is gone: take it off the list"
    else:
        assert found is None


def test_every_script_is_recorded_and_every_recording_has_its_script() -> None:
    assert {one["script"] for one in RECORDINGS} == {path.stem for path in SCRIPTS.glob("*.yaml")}
    assert len({(one["script"], one["kafka"]) for one in RECORDINGS}) == len(RECORDINGS)


def test_recordings_say_how_they_were_made_and_leave_out_what_differed() -> None:
    for one in RECORDINGS:
        assert one["repeats"] >= 2 and one["release"].startswith(one["kafka"]) and one["date"] > "2026"
        fields = {*FIELDS, *(GROUP_FIELDS if one["script"].startswith("group_") else ())}
        assert set(one["outcome"]) == fields - set(one["differing"])
        assert set(one["differing"]) <= {"attempts", "callbacks"}


def test_few_differences_are_known() -> None:
    reasons = set(KNOWN_DIFFERENCES.values())
    assert len(reasons) <= 3 and set(KNOWN_DIFFERENCES) <= {one["script"] for one in RECORDINGS}


def test_a_recording_bent_by_hand_is_told_with_its_place() -> None:
    outcome = RECORDINGS[0]["outcome"]
    bent = copy.deepcopy(outcome)
    partition = next(iter(bent["log"]))
    bent["log"][partition][0][1] = ["another"]
    assert first_difference(outcome, outcome) is None
    told = first_difference(bent, outcome)
    assert told is not None and told.startswith(f"log {partition}[0]: real [0, [\"another\"]")
    bent["log"][partition] = outcome["log"][partition] + [[99, ["more"], None, -1, -1, 0]]
    told = first_difference(bent, outcome)
    assert told is not None and told.endswith("simulated nothing")


def test_the_table_in_the_readme_is_made_from_the_recordings() -> None:
    assert block(README.read_text(encoding="utf-8")) == table(RECORDINGS)
