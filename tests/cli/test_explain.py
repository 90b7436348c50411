"""``korder explain``: the story in the terminal and in files, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said, started

Korder = Callable[..., Said]


@pytest.fixture
def kept(korder: Korder, duplicated: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    assert korder("run", duplicated, "--out", out).status == 1  # never was expected
    return out


def test_a_kept_run_says_how_to_ask_why(korder: Korder, duplicated: Path, quiet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    assert f"why: korder explain {out} duplicate-append\n" in korder("run", duplicated, "--out", out).out
    assert "why: korder explain" not in korder("run", duplicated).out  # nothing kept to ask about
    assert "why: korder explain" not in korder("run", quiet, "--out", tmp_path / "quiet").out


def test_the_story_the_mechanism_and_the_proof(korder: Korder, kept: Path) -> None:
    said = korder("explain", kept, "duplicate-append")

    assert said.status == 0
    assert "mechanism     retry after a lost response: " in said.out
    assert "permitted by  enable.idempotence=false, " in said.out
    assert "prevented by  enable.idempotence=true (producer shop); its price: nearly none" in said.out
    assert "tried         gone in 20 of 20 with enable.idempotence=true (producer shop); there in 20 of 20" in said.out
    assert all(len(line) <= 120 for line in said.out.splitlines())
    assert "trying enable.idempotence=true" in said.err


def test_json_has_all_that_is_told(korder: Korder, kept: Path) -> None:
    said = korder("explain", kept, "duplicate-append", "--json", "--no-proof")
    told = json.loads(said.out)

    assert told["mechanism"] == "retry after a lost response"
    assert told["prevented_by"] == "enable.idempotence=true (producer shop) (not tried)"
    assert told["proof"] is None
    assert [line["t"] for line in told["story"]] == sorted(line["t"] for line in told["story"])
    assert told["story"][-1]["kind"] == "outcome"


def test_files_are_written_whole_and_the_saved_scenario_runs(korder: Korder, kept: Path, tmp_path: Path) -> None:
    html, svg, save, perfetto = (tmp_path / "new" / name for name in ("a.html", "a.svg", "a.yaml", "a.json"))
    said = korder(
        "explain", kept, "duplicate-append", "--html", html, "--svg", svg, "--save", save, "--perfetto", perfetto
    )  # fmt: skip

    assert said.status == 0
    assert html.read_text().startswith("<!doctype html>") and "data:image/png;base64," in html.read_text()
    assert svg.read_text().startswith("<svg ")
    assert json.loads(perfetto.read_text())["traceEvents"]
    assert sorted(path.name for path in save.parent.iterdir()) == ["a.html", "a.json", "a.svg", "a.yaml"]
    again = korder("run", save)
    assert again.status == 0 and "duplicate-append  always    holds" in again.out


def test_a_foreign_history_is_told_as_far_as_it_goes(korder: Korder, tmp_path: Path) -> None:
    header = {"format": "korder-history", "version": 1, "time_unit": "ms"}
    events = [
        {"t": 1, "e": "send", "prod": "P", "i": 0, "v": "a", "p": "o-0"},
        {"t": 2, "e": "append", "p": "o-0", "o": 0, "v": "a"}, {"t": 1500, "e": "append", "p": "o-0", "o": 1, "v": "a"},
    ]  # fmt: skip
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [header, *events]))
    said = korder("explain", path, "duplicate-append")

    assert said.status == 0
    assert "1.500000 s    broker 1 stores a at o-0 offset 1" in said.out
    assert "mechanism     not explained\n" in said.out
    assert "the history has no transmissions (attempt)" in said.out
    refused = korder("explain", path, "duplicate-append", "--perfetto", tmp_path / "x.json")
    assert (refused.status, refused.out) == (2, "") and "is not a trace of ours" in refused.err
    assert korder("explain", path, "duplicate-append", "--save", tmp_path / "x.yaml").status == 2
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("append-reorder",), "was looked for and is not there"),
        (("duplicates",), "is not the name of a finding"),
        (("duplicate-append", "--witness", "9"), "9 is not a case of duplicate-append; use 0 to 0"),
        (("duplicate-append", "--save", "x.yaml", "--no-proof"), "leave out --no-proof"),
        (("torn-transaction",), "could not be checked: the history has no transactions"),
    ],
)
def test_what_it_refuses_it_refuses_in_one_line(korder: Korder, kept: Path, more: tuple[str, ...], says: str) -> None:
    said = korder("explain", kept, *more)

    assert (said.status, said.out) == (2, "")
    lines = [line for line in said.err.splitlines() if not line.endswith("...")]
    assert len(lines) == 1 and says in lines[0]


def test_a_folder_is_no_file_to_write_and_a_missing_history_no_history(korder: Korder, kept: Path) -> None:
    assert "is a folder" in korder("explain", kept, "duplicate-append", "--html", kept).err
    assert "there is no such file" in korder("explain", kept / "nowhere", "duplicate-append").err


def test_run_and_analyze_write_their_pictures(korder: Korder, duplicated: Path, kept: Path, tmp_path: Path) -> None:
    events, html = tmp_path / "run.json", tmp_path / "page.html"

    assert f"wrote {events}" in korder("run", duplicated, "--perfetto", events).out
    assert {event["ph"] for event in json.loads(events.read_text())["traceEvents"]} >= {"b", "e", "X", "i", "M"}
    assert korder("analyze", kept, "--html", html).status == 0
    assert "duplicate-append" in html.read_text() and "data:image/png;base64," in html.read_text()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_story_whatever_the_hash_seed(
    korder: Korder, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hash_seed: str
) -> None:
    asked = ("explain", kept, "duplicate-append", "--json", "--no-proof", "--svg")
    here = korder(*asked, tmp_path / "here.svg").out
    monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
    process = started(*asked, tmp_path / "there.svg")
    there, _ = process.communicate()

    assert (process.returncode, there) == (0, here)
    assert (tmp_path / "there.svg").read_text() == (tmp_path / "here.svg").read_text()
