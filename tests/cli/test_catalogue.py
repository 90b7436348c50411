"""``korder schema``, ``new`` and ``scenarios``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from sim.scenario import bundled, bundled_folder
from tests.cli.conftest import Said

Korder = Callable[..., Said]


def test_the_schema_printed_is_the_one_checked_in_for_editors(korder: Korder) -> None:
    said = korder("schema")

    assert said.status == 0 and said.err == ""
    assert json.loads(said.out) == json.loads((bundled_folder() / "scenario.schema.json").read_text())


def test_the_template_runs_as_it_is(korder: Korder, tmp_path: Path) -> None:
    made = korder("new", tmp_path / "mine.yaml")

    assert made.status == 0 and "korder run" in made.out
    assert korder("run", tmp_path / "mine.yaml").status == 0


def test_the_template_goes_to_stdout_without_a_name(korder: Korder, tmp_path: Path) -> None:
    korder("new", tmp_path / "mine.yaml")

    assert korder("new").out == (tmp_path / "mine.yaml").read_text()


def test_a_file_that_exists_is_never_overwritten(korder: Korder, quiet: Path) -> None:
    before = quiet.read_text()

    said = korder("new", quiet)

    assert said.status == 2 and "exists already" in said.err
    assert quiet.read_text() == before


def test_every_bundled_scenario_is_listed_with_its_question(korder: Korder) -> None:
    told = json.loads(korder("scenarios", "--json").out)["scenarios"]

    assert [one["name"] for one in told] == list(bundled())
    assert all(one["title"] and one["question"].endswith("?") for one in told)
    listed = korder("scenarios").out
    assert all(name in listed for name in bundled())
