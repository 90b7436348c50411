"""``korder confirm`` without Java: what it refuses, and what it says of real runs that are written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.real.outcome import Outcome
from tests.cli.conftest import Said
from tests.real.outcomes import batch, outcome, plan_of, scenario, seen

Korder = Callable[..., Said]


@pytest.fixture
def without_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("java", "javac"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KORDER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KAFKA_HOME", raising=False)


def test_without_kafka_one_line_says_how_to_get_it(korder: Korder, quiet: Path, without_kafka: None) -> None:
    said = korder("confirm", quiet)
    assert (said.status, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "Apache Kafka 4.3.0 is not on this machine; get it once with: korder kafka 4.3.0" in said.err


def test_a_release_that_is_not_known_is_refused(korder: Korder, quiet: Path) -> None:
    said = korder("confirm", quiet, "--kafka", "2.8")
    assert said.status == 2 and "'2.8' is not a release that korder knows; write 4.3 or 3.9" in said.err


def test_all_that_a_real_run_cannot_give_is_named_at_once(korder: Korder, tmp_path: Path, quiet: Path) -> None:
    faults = (
        "faults:\n"
        "  - {at: 100ms, power_off: broker 1, restart_after: 1s}\n"
        "  - {at: 200ms, slow_disk: broker 2, for: 1s, by: 5ms}\n"
        "  - {at: 300ms, cut: [broker 1, controller], for: 1s}\n"
        "  - {at: 400ms, kill: broker 3}\n"
        "  - {at: 500ms, cut: [broker 1, broker 2], for: 1s}\n"
    )
    asked = tmp_path / "asked.yaml"
    asked.write_text(quiet.read_text() + faults)
    said = korder("confirm", asked)
    assert said.status == 2 and said.err.count("\n") == 1
    named = ("no power_off on real brokers", "no slow_disk on real brokers", "cut: [broker 1, controller], for: 1s")
    for words in named:
        assert words in said.err
    assert "kill: broker 3" not in said.err and "[broker 1, broker 2]" not in said.err


# --- what is shown ----------------------------------------------------------------------------------------------------
def as_simulated() -> Outcome:
    """Exactly what the simulator makes of the three records."""
    sightings = []
    for number, value in enumerate("abc"):
        sightings += [seen("attempt", 10, value), seen("answered", 50, value, offset=number),
                      seen("response", 60, value, offset=number)]  # fmt: skip
    log = [batch(number, value) for number, value in enumerate("abc")]
    told: list[tuple[int, str | None, int]] = [(number, None, number) for number in range(3)]
    return outcome(plan_of(scenario()), told, sightings, {1: log, 2: log, 3: log})


@pytest.fixture
def three(tmp_path: Path) -> Path:
    path = tmp_path / "three.yaml"
    path.write_text(scenario(expect={"lost-acked": "never", "duplicate-append": "never"}).to_yaml())
    return path


def played(monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome) -> None:
    monkeypatch.setattr("analysis.confirm.play_real", lambda *_, **__: list(outcomes))


def test_a_run_that_ends_the_same_is_said_to(korder: Korder, three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, as_simulated())
    said = korder("confirm", three)
    assert said.status == 0
    assert "the real run ended as the simulated one" in said.out
    assert "t-0        3 records  3 records  the same" in said.out
    assert "findings: none on either side" in said.out


def test_a_difference_is_a_status_of_its_own_unless_it_is_allowed(
    korder: Korder, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped = as_simulated()
    log = [batch(0, "b"), batch(1, "a"), batch(2, "c")]
    swapped.logs = {("t", 0): {1: log, 2: log, 3: log}}
    played(monkeypatch, swapped)
    said = korder("confirm", three)
    assert said.status == 1 and "The two sides differ: exit status 1" in said.out
    assert korder("confirm", three, "--allow-difference").status == 0
    assert korder("confirm", three, "--json").status == 1


def test_a_run_that_doubles_a_record_is_told_with_the_place_and_judged(
    korder: Korder, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubled = as_simulated()
    log = [batch(0, "a"), batch(1, "b"), batch(2, "b"), batch(3, "c")]
    doubled.logs = {("t", 0): {1: log, 2: log, 3: log}}
    played(monkeypatch, as_simulated(), doubled)
    said = korder("confirm", three, "--repeat", "2")
    assert said.status == 1
    assert "4 records, 1 later copies" in said.out
    assert "the same up to record 2: then c here, b there" in said.out
    assert "run 1: the real run ended as the simulated one" in said.out
    assert 'run 2: first difference: log t-0[2]: real [2, ["b"]' in said.out
    assert "duplicate-append  never     broken" in said.out


def test_json_and_out_hold_both_sides(
    korder: Korder, three: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played(monkeypatch, as_simulated())
    out = tmp_path / "out"
    said = korder("confirm", three, "--json", "--out", out)
    told = json.loads(said.out)
    assert (said.status, told["agrees"], told["kafka"], told["verdict"]) == (0, True, "4.3.0", "holds")
    assert told["real"][0]["outcome"] == told["simulated"]["outcome"]
    assert json.loads((out / "confirm.json").read_text()) == told
    analyzed = korder("analyze", out / "real-1.jsonl")
    assert analyzed.status == 0 and "findings: none" in analyzed.out
