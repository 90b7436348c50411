"""``korder run``: what it prints, what it keeps, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.trace import Trace
from tests.cli.conftest import Said

Korder = Callable[..., Said]


def test_a_run_tells_question_verdict_and_answer_and_ends_well(korder: Korder, quiet: Path) -> None:
    said = korder("run", quiet)

    assert said.status == 0
    for words in ("Is a run without failures in order?", "verdict: holds", "100 records sent", "It is.", "settled"):
        assert words in said.out


def test_a_run_that_fits_on_a_screen_shows_its_logs_whole(korder: Korder, quiet: Path) -> None:
    assert "payments-0: T1 T2 T3\npayments-1: T4 T5 T6\npayments-2: T7 T8 T9\n" in korder("run", "payments").out
    assert "orders-0: " not in korder("run", quiet).out  # a hundred records


def test_results_go_to_stdout_and_progress_to_stderr_as_plain_lines(korder: Korder, quiet: Path) -> None:
    said = korder("run", quiet)

    assert "simulating" in said.err and "simulating" not in said.out
    assert "\x1b" not in said.out + said.err and "\r" not in said.err
    assert not [line for line in said.out.split("\n") if line != line.rstrip()]


def test_a_broken_expectation_is_status_1_and_shows_its_witness(korder: Korder, duplicated: Path) -> None:
    said = korder("run", duplicated)

    assert said.status == 1
    assert "verdict: broken" in said.out
    assert "duplicate-append: shop/2 stands at orders-0 at 2 and at " in said.out


def test_an_override_changes_the_answer(korder: Korder, duplicated: Path) -> None:
    said = korder("run", duplicated, "--set", "enable.idempotence=true")

    assert (said.status, "verdict: holds" in said.out) == (0, True)


def test_json_is_one_object_on_stdout_with_all_that_a_program_needs(korder: Korder, duplicated: Path) -> None:
    said = korder("run", duplicated, "--json", "--seed", "3")

    told = json.loads(said.out)
    assert said.status == 1
    assert {"scenario", "seed", "digest", "verdict", "findings", "measures", "expectations"} <= set(told)
    assert (told["seed"], told["verdict"], len(told["digest"])) == (3, "broken", 64)
    found = told["findings"]["duplicate-append"]
    assert (found["count"], found["class"], found["checked"], len(found["witnesses"])) == (1, "violation", True, 1)


def test_checking_the_laws_changes_no_byte_of_the_result(korder: Korder, duplicated: Path) -> None:
    assert korder("run", duplicated, "--check-laws").out == korder("run", duplicated).out


def test_the_first_seed_of_the_file_is_the_default(korder: Korder, quiet: Path) -> None:
    quiet.write_text(quiet.read_text().replace("seeds: 0..3", "seeds: 7..9"))

    assert json.loads(korder("run", quiet, "--json").out)["seed"] == 7


def test_out_keeps_trace_verdict_and_figures_and_nothing_else(korder: Korder, duplicated: Path, tmp_path: Path) -> None:
    said = korder("run", duplicated, "--out", tmp_path / "kept" / "here", "--json")

    kept = sorted(path.name for path in (tmp_path / "kept" / "here").iterdir())
    assert kept == ["events.parquet", "report.html", "sends.parquet", "timeline-orders-0.png", "verdict.json"]
    assert json.loads((tmp_path / "kept" / "here" / "verdict.json").read_text()) == json.loads(said.out)
    assert Trace.load(tmp_path / "kept" / "here").digest() == json.loads(said.out)["digest"]


def test_figures_of_an_earlier_run_do_not_stay_beside_the_verdict_of_this_one(
    korder: Korder, quiet: Path, duplicated: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    for old in ("timeline-other-0.png", "group-other.png", "mine.png"):
        (tmp_path / "out" / old).write_bytes(b"")
    korder("run", duplicated, "--out", tmp_path / "out")

    kept = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert kept == ["mine.png", "timeline-orders-0.png"]


def test_the_same_run_prints_the_same_bytes(korder: Korder, duplicated: Path) -> None:
    assert korder("run", duplicated).out == korder("run", duplicated).out
    assert korder("run", duplicated, "--json").out == korder("run", duplicated, "--json").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "-1"], "--seed"),
        (["--seed", "one"], "--seed"),
        (["--seed", str(2**63)], "seed"),
        (["--set", "acks"], "KEY=VALUE"),
        (["--set", "ackss=1"], "acks"),
        (["--out", "quiet.yaml/out"], "not a folder"),
        (["--outt", "x"], "--outt"),
        (["--out-of"], "(korder run --help shows what there is)"),
    ],
)
def test_a_wrong_argument_is_one_line_and_writes_nothing(
    korder: Korder, quiet: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(quiet.parent)

    said = korder("run", "quiet.yaml", *arguments)

    assert said.status == 2 and words in said.err
    assert said.out == "" and said.err.count("\n") == 1
    assert [path.name for path in quiet.parent.iterdir()] == ["quiet.yaml"]


def test_a_bundled_scenario_runs_by_name_from_any_folder(
    korder: Korder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    said = korder("run", "payments_failover", "--set", "run=2s", "--set", "faults=[]", "--set", "expect={}")

    assert said.status == 0 and "verdict: holds" in said.out


def test_a_broken_law_is_status_3_with_the_line_that_replays_it(
    korder: Korder, quiet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.errors import LawBroken

    def broken(*_arguments: object, **_options: object) -> None:
        raise LawBroken("INV-4", "9 is above 1")

    monkeypatch.setattr("sim.run.simulate", broken)

    said = korder("run", quiet, "--seed", "5", "--check-laws")

    assert said.status == 3
    assert "law INV-4: 9 is above 1" in said.err
    assert f"korder run {quiet} --seed 5 --check-laws" in said.err


def test_an_error_of_our_own_is_told_as_ours_and_without_a_traceback(
    korder: Korder, quiet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_arguments: object, **_options: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("sim.run.simulate", wrong)

    said = korder("run", quiet)

    assert said.status == 3 and "korder's own fault" in said.err and "Traceback" not in said.err
