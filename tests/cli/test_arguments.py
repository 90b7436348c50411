"""Arguments become values, or one line that says what was wrong and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.cli.arguments import expectations_of, scenario_files, seeds_of
from sim.errors import InputError
from sim.scenario import bundled, load


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0..199", range(200)), ("5..5", range(5, 6)), ("7", range(7, 8)), (" 1 .. 3 ", range(1, 4))],
)
def test_both_ends_of_a_range_of_seeds_count(text: str, seeds: range) -> None:
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", "a..b", "1...3", "-1..3", "1..", "..3", "1-3", "1.5", "٣..٤", "9" * 30])
def test_what_is_not_a_range_of_seeds_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="A..B"):
        seeds_of(text)


def test_a_range_that_ends_before_it_begins_is_turned_round_in_the_message() -> None:
    with pytest.raises(InputError, match=r"did you mean 3\.\.9"):
        seeds_of("9..3")


def test_a_seed_beyond_64_bits_is_refused() -> None:
    with pytest.raises(InputError, match="largest seed"):
        seeds_of(f"0..{2**63}")


def test_a_folder_gives_its_scenarios_in_order_and_hides_what_begins_with_a_dot(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "deep/c.yaml", ".hidden/d.yaml", "LIMITS.md", "e.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    files = scenario_files([str(tmp_path)])

    assert [Path(file).relative_to(tmp_path).as_posix() for file in files] == ["a.yml", "b.yaml", "deep/c.yaml"]


def test_a_scenario_named_twice_is_checked_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()

    files = scenario_files([str(tmp_path / "a.yaml"), "payments_failover", str(tmp_path)])

    assert files == [str(tmp_path / "a.yaml"), "payments_failover"]


def test_a_folder_without_scenarios_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scenario file"):
        scenario_files([str(tmp_path)])


def test_expectations_keep_their_order() -> None:
    assert expectations_of(["lost-acked=never", " unseen = {max: 3} "]) == {
        "lost-acked": "never", "unseen": {"max": 3},
    }  # fmt: skip


@pytest.mark.parametrize("text", ["lost-acked", "=never", "lost-acked=", ""])
def test_an_expectation_needs_a_name_and_a_word(text: str) -> None:
    with pytest.raises(InputError, match="--expect"):
        expectations_of([text])


def test_an_expectation_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        expectations_of(["unseen=never", "unseen=always"])


def test_a_folder_that_a_run_left_does_not_hide_the_bundled_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "payments_failover").mkdir()
    (tmp_path / "payments_failover" / "verdict.json").write_text("{}")

    assert scenario_files(["payments_failover"]) == ["payments_failover"]
    assert load("payments_failover").title == load(bundled()["payments_failover"]).title
    (tmp_path / "payments_failover" / "mine.yaml").write_text("title: mine")
    assert scenario_files(["payments_failover"]) == ["payments_failover/mine.yaml"]
