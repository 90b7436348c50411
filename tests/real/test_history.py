"""From what was seen of a real run to a history in the exchange format: a clean run, and one of each trouble."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.verdict import judge
from sim.real.history import events_of, lines_of
from sim.real.outcome import Outcome
from sim.real.result import result_of
from tests.real.outcomes import batch, outcome, plan_of, scenario, seen

PLAN = plan_of(scenario())
ALL_OK: list[tuple[int, str | None, int]] = [(0, None, 0), (1, None, 1), (2, None, 2)]


def clean() -> Outcome:
    sightings = []
    for number, value in enumerate("abc"):
        at = 100 * number
        sightings += [seen("attempt", at + 10, value), seen("answered", at + 50, value, offset=number),
                      seen("response", at + 60, value, offset=number)]  # fmt: skip
    log = [batch(number, value) for number, value in enumerate("abc")]
    return outcome(PLAN, ALL_OK, sightings, {1: log, 2: log, 3: log})


def of_kind(found: Outcome, kind: str) -> list[dict[str, Any]]:
    return [event for event in events_of(found) if event["e"] == kind]


def counts(found: Outcome, tmp_path: Path) -> dict[str, int]:
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(lines_of(PLAN, found)) + "\n")
    return {name: count for name, count in judge(path).counts.items() if count}


def test_a_clean_run_is_a_clean_history(tmp_path: Path) -> None:
    assert counts(clean(), tmp_path) == {}
    header = json.loads(lines_of(PLAN, clean())[0])
    assert header["append_times"] is False and header["drain"] is False


def test_appends_are_placed_by_the_brokers_answers_and_followers_are_followers() -> None:
    appends = of_kind(clean(), "append")
    assert [(one["t"], one["o"], one["v"]) for one in appends if one["b"] == 1] == [
        (50, 0, "a"), (150, 1, "b"), (250, 2, "c"),
    ]  # fmt: skip
    assert {(one["b"], one.get("role")) for one in appends} == {(1, None), (2, "follower"), (3, "follower")}


def test_an_append_without_an_answer_stands_where_its_neighbours_allow() -> None:
    found = clean()
    found.sightings = [one for one in found.sightings if not (one["kind"] == "answered" and one["offset"] == 1)]
    times = [one["t"] for one in of_kind(found, "append") if one["b"] == 1]
    assert times == [50, 50, 250]


def test_a_record_stored_twice_and_one_behind_its_successor_are_found(tmp_path: Path) -> None:
    found = clean()
    log = [batch(0, "a"), batch(1, "c"), batch(2, "b"), batch(3, "c")]
    found.logs = {("t", 0): {1: log, 2: log, 3: log}}
    named = counts(found, tmp_path)
    assert (named["append-reorder"], named["duplicate-append"]) == (1, 1)


def test_an_acknowledged_record_that_no_log_has_is_lost(tmp_path: Path) -> None:
    found = clean()
    log = [batch(0, "a"), batch(1, "b")]
    found.logs = {("t", 0): {2: log, 3: log}}
    found.leaders = {("t", 0): (2, 1)}
    assert counts(found, tmp_path)["lost-acked"] == 1


def test_a_failover_is_told_by_the_epochs_of_the_log_and_by_who_answered() -> None:
    found = clean()
    log = [batch(0, "a"), batch(1, "b", lep=1), batch(2, "c", lep=1)]
    found.logs = {("t", 0): {1: log, 2: log, 3: log}}
    found.leaders = {("t", 0): (3, 2)}
    for one in found.sightings:
        one["broker"] = 1 if one["values"] == ("a",) else 2
    leaders = [(one["b"], one["lep"], one["t"]) for one in of_kind(found, "leader")]
    assert leaders[:2] == [(1, 0, 0), (2, 1, 150)] and leaders[2][:2] == (3, 2)
    own = {(one["o"], one["b"]) for one in of_kind(found, "append") if "role" not in one}
    assert own == {(0, 1), (1, 2), (2, 2)}


def test_a_failure_is_certain_only_if_every_transmission_was_answered_by_an_error_that_says_so() -> None:
    found = clean()
    error = "NotEnoughReplicasException"
    found.events = [one | {"error": error, "o": -1} if one["e"] == "told" else one for one in found.events]
    found.sightings = [
        seen("attempt", 10, "a"), seen("response", 20, "a", error=19),  # refused: in no log
        seen("attempt", 30, "b"), seen("response", 40, "b", error=7),  # timed out behind the append
        seen("attempt", 50, "c"),  # never answered
    ]  # fmt: skip
    assert [(one["v"], one.get("error")) for one in of_kind(found, "fail")] == [("a", error)]
    assert [one["v"] for one in of_kind(found, "unknown")] == ["b", "c"]


def test_times_before_the_first_call_are_not_negative() -> None:
    found = clean()
    found.events.insert(0, {"e": "fault", "t_us": -500, "what": "too early"})
    events = events_of(found)
    assert events[0]["t"] == 0 and events[0]["e"] == "fault"
    assert next(one["t"] for one in events if one["e"] == "send") == 501


def test_the_result_has_batches_identities_and_reports_in_order() -> None:
    found = clean()
    found.logs = {("t", 0): {1: [batch(0, "a", "b", pid=77, epoch=0, seq=0), batch(2, "c", pid=78, epoch=1, seq=0)]}}
    result = result_of(found)
    assert result["log"] == {"t-0": [[0, ["a", "b"], "P0", 0, 0, 0], [2, ["c"], "P1", 1, 0, 0]]}
    assert result["reports"] == {"p": {"t-0": [["a", "ok"], ["b", "ok"], ["c", "ok"]]}}
    assert result["attempts"] == {"p": [["a", 1], ["b", 1], ["c", 1]]}
    assert (result["unresolved"], result["refused"]) == ({"p": []}, {"p": []})
