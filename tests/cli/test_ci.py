"""korder in a pipeline: annotations, a baseline, a limit of time, scenario files as tests, an example regression."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from analysis.cli.annotations import annotation
from analysis.cli.pool import spread
from tests.cli.conftest import ROOT, Said

Korder = Callable[..., Said]


# --- annotations ------------------------------------------------------------------------------------------------------
def test_a_broken_expectation_is_annotated_at_its_line(
    korder: Korder, duplicated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = next(n for n, text in enumerate(duplicated.read_text().splitlines(), 1) if text.startswith("expect:"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    said = korder("check", duplicated, "--jobs", "1")

    (told,) = [one for one in said.err.splitlines() if one.startswith("::")]
    place = f"file={duplicated},line={line},title=duplicate-append broken"
    assert told.startswith(f"::error {place}::expected never: seen in 4 of 4 seeds")
    assert f"%0Aagain: korder run {duplicated} --seed 0" in told and "::" not in said.out


def test_without_a_runner_or_when_not_wanted_nothing_is_annotated(
    korder: Korder, duplicated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert "::" not in korder("check", duplicated, "--jobs", "1").err
    assert "::error" in korder("check", duplicated, "--jobs", "1", "--annotations").err
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "::" not in korder("check", duplicated, "--jobs", "1", "--no-annotations").err


def test_what_would_end_an_annotation_early_is_escaped() -> None:
    """actions/toolkit, core/src/command.ts: escapeData and escapeProperty."""
    told = annotation("error", "a,b:c.yaml", 3, "x: 5 %", "one\ntwo: 5 %, 6\r")

    assert told == "::error file=a%2Cb%3Ac.yaml,line=3,title=x%3A 5 %25::one%0Atwo: 5 %25, 6%0D"


# --- a baseline -------------------------------------------------------------------------------------------------------
def test_an_accepted_baseline_holds_until_something_changes(korder: Korder, duplicated: Path, tmp_path: Path) -> None:
    duplicated.write_text(duplicated.read_text().replace("duplicate-append: never", "duplicate-append: sometimes"))
    file = tmp_path / "baseline.json"
    check = ("check", duplicated, "--jobs", "1", "--baseline", file)

    accepted, same = korder(*check, "--accept"), korder(*check)
    assert (accepted.status, accepted.out.splitlines()[-1]) == (0, f"wrote {file}")
    assert same.status == 0 and "changed" not in same.out

    duplicated.write_text(duplicated.read_text().replace("nth: 3, after_answered: 3", "nth: [3, 9]"))
    other = korder(*check)
    assert other.status == 1
    assert "duplicate-append 4 (5 % of records, in 4 of 4 seeds) -> 8 (10 % of records, in 4 of 4 seeds)" in other.out
    assert f"1 changed against {file}; if that is meant, give the same line with --accept" in other.out
    assert korder(*check, "--accept").status == 0 and korder(*check).status == 0


def test_the_baseline_is_documented_json(korder: Korder, quiet: Path, duplicated: Path, tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    korder("check", quiet, duplicated, "--jobs", "1", "--baseline", file, "--accept")

    told = json.loads(file.read_text())

    assert (told["format"], told["version"]) == ("korder-baseline", 1)
    assert list(told["scenarios"]) == sorted([str(quiet), str(duplicated)])
    one = told["scenarios"][str(duplicated)]
    assert (one["seeds"], one["runs"], one["records"], one["unsettled"]) == ("0..3", 4, 80, 0)
    assert one["findings"]["duplicate-append"] == {"count": 4, "seeds": 4}


def test_what_cannot_be_compared_with_a_baseline_says_so(
    korder: Korder, quiet: Path, duplicated: Path, tmp_path: Path
) -> None:
    file = tmp_path / "baseline.json"
    korder("check", quiet, "--jobs", "1", "--baseline", file, "--accept")
    as_was = file.read_text()

    seeds = korder("check", quiet, "--jobs", "1", "--baseline", file, "--seeds", "0..1")
    new = korder("check", duplicated, "--jobs", "1", "--baseline", file)
    late = korder("check", quiet, "--jobs", "1", "--baseline", file, "--max-time", "0s")
    cut = korder("check", quiet, "--jobs", "1", "--baseline", file, "--max-time", "0s", "--accept")

    assert "accepted over seeds 0..3, now 0..1: they cannot be compared" in seeds.out and seeds.status == 1
    assert "it is not in the baseline" in new.out
    assert "4 seeds were not run in time" in late.out
    assert cut.status == 2 and "accept without --max-time" in cut.err and file.read_text() == as_was


def test_a_baseline_of_another_korder_says_which(korder: Korder, duplicated: Path, tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    korder("check", duplicated, "--jobs", "1", "--baseline", file, "--accept")
    told = json.loads(file.read_text())
    told["korder"] = "0.0.9"
    told["scenarios"][str(duplicated)]["findings"]["duplicate-append"]["count"] = 3
    file.write_text(json.dumps(told))

    said = korder("check", duplicated, "--jobs", "1", "--baseline", file)

    assert "the baseline is of korder 0.0.9, this is" in said.out and "see its change log" in said.out


@pytest.mark.parametrize("text", [None, "{", "[]", '{"format": "korder-baseline", "version": 2, "scenarios": {}}'])
def test_what_is_no_baseline_is_refused_before_the_first_run(
    korder: Korder, quiet: Path, tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "baseline.json"
    if text is not None:
        file.write_text(text)

    said = korder("check", quiet, "--jobs", "1", "--baseline", file)

    assert said.status == 2 and said.out == "" and said.err.count("\n") == 1 and "--accept" in said.err


def test_accepting_needs_to_know_where(korder: Korder, quiet: Path) -> None:
    said = korder("check", quiet, "--accept")

    assert said.status == 2 and "add --baseline FILE" in said.err


# --- a limit of time --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_there_was_no_time_for_is_undecided(korder: Korder, quiet: Path, jobs: str) -> None:
    quiet.write_text(quiet.read_text().replace("lost-acked: never}", "lost-acked: sometimes}"))

    said = korder("check", quiet, "--jobs", jobs, "--max-time", "0s")

    assert said.status == 1 and said.out.startswith("undecided  ")
    assert "4 of 4 seeds (first: 0): --max-time was over before they were run" in said.out
    assert korder("check", quiet, "--jobs", jobs, "--max-time", "0s", "--allow-undecided").status == 0


def test_time_enough_changes_nothing(korder: Korder, quiet: Path) -> None:
    plain, limited = korder("check", quiet, "--jobs", "1"), korder("check", quiet, "--jobs", "1", "--max-time", "1h")

    assert plain.out == limited.out and limited.status == 0
    assert korder("check", quiet, "--max-time", "60").status == 2


def test_tasks_that_were_not_begun_in_time_have_no_result() -> None:
    assert list(spread(abs, [-1, -2], 1, lambda _: None, within_s=0)) == [None, None]
    assert list(spread(abs, [-1, -2], 1, lambda _: None, within_s=3600)) == [1, 2]


# --- scenario files as tests ------------------------------------------------------------------------------------------
def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COLUMNS"))}
    environment = {**kept, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_pytest_runs_a_folder_of_scenarios_with_no_code(quiet: Path, duplicated: Path, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {kafka: {image: kafka}}\n")
    (tmp_path / "broken.yml").write_text("producers: {}\nexpect: {lost-acked: nevr}\n")

    done = pytest_in(tmp_path, "--korder-seeds", "0..1")

    assert done.returncode == 1 and "2 failed, 1 passed" in done.stdout
    assert "duplicate-append is expected never: seen in 2 of 2 seeds (first: 0)" in done.stdout
    assert "again: korder run duplicated.yaml --seed 0" in done.stdout
    assert "broken.yml:" in done.stdout and "Traceback" not in done.stdout
    assert "compose.yaml" not in done.stdout


def test_a_project_without_scenarios_does_not_notice_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import sys\ndef test_it(): assert 'pandas' not in sys.modules\n")
    (tmp_path / "values.yaml").write_text("expect: 100-continue\n")

    done = pytest_in(tmp_path)

    assert done.returncode == 0 and "1 passed" in done.stdout


# --- the files for a pipeline -----------------------------------------------------------------------------------------
def test_the_example_holds_and_turns_red_when_the_option_file_changes(korder: Korder, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios" / "ci_example", tmp_path / "example")
    check = ("check", tmp_path / "example", "--seeds", "0..3", "--jobs", "1")
    options = tmp_path / "example" / "producer.properties"

    assert korder(*check).status == 0
    options.write_text(options.read_text().replace("enable.idempotence=true", "enable.idempotence=false"))
    red = korder(*check)

    assert red.status == 1
    assert "duplicate-append is expected never" in red.out and " stands at payments-" in red.out


def test_the_action_and_the_hook_call_commands_and_options_that_exist(korder: Korder) -> None:
    action = YAML(typ="safe").load(ROOT / "action.yml")
    (hook,) = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
    script = action["runs"]["steps"][-1]["run"]
    usage = korder("check", "--help").out

    assert hook["entry"].startswith("korder check ") and "korder check " in script
    options = [word for word in (*hook["entry"].split(), *script.split("--")[1:]) if word]
    for option in ("--seeds", "--max-time", "--baseline"):
        assert option in usage
    assert {word for word in options if word.startswith("--")} <= {"--seeds", "--max-time"}
    inputs = set(action["inputs"])
    assert inputs == {"paths", "seeds", "baseline", "max-time", "python-version"}


def test_the_script_of_the_action_runs_and_takes_inputs_as_words_only(quiet: Path, tmp_path: Path) -> None:
    """A path with a program in it is a path."""
    script = YAML(typ="safe").load(ROOT / "action.yml")["runs"]["steps"][-1]["run"]
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "korder"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m analysis.cli "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "BASELINE": "",
        "MAX_TIME": "10m", "SEEDS": "0..1",
    }  # fmt: skip

    def ran(paths: str) -> subprocess.CompletedProcess[str]:
        command, given = ["bash", "-e", "-c", script], {**environment, "PATHS": paths}
        return subprocess.run(command, env=given, cwd=tmp_path, capture_output=True, text=True)

    assert "1 scenario, 2 runs: 1 holds" in ran(str(quiet)).stdout
    assert ran("$(touch${IFS}made) ;").returncode == 2 and not (tmp_path / "made").exists()
