"""``korder analyze``: any history, judged only when asked to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said

Korder = Callable[..., Said]

HEADER = {"format": "korder-history", "version": 1, "time_unit": "us", "drain": True, "consumers": {}}
SWAPPED = [
    {"t": 1, "e": "send", "prod": "P1", "i": 0, "v": "a", "p": "orders-0"},
    {"t": 2, "e": "send", "prod": "P1", "i": 1, "v": "b", "p": "orders-0"},
    {"t": 3, "e": "append", "p": "orders-0", "o": 0, "v": "b"},
    {"t": 4, "e": "append", "p": "orders-0", "o": 1, "v": "a"},
    {"t": 5, "e": "ack", "prod": "P1", "v": "a", "p": "orders-0", "o": 1},
    {"t": 6, "e": "ack", "prod": "P1", "v": "b", "p": "orders-0", "o": 0},
]


@pytest.fixture
def swapped(tmp_path: Path) -> Path:
    path = tmp_path / "swapped.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [HEADER, *SWAPPED]))
    return path


def test_a_history_is_told_what_is_in_it_and_not_judged(korder: Korder, swapped: Path) -> None:
    said = korder("analyze", swapped)

    assert said.status == 0
    assert "append-reorder: a (orders-0 at 1) stands behind b (orders-0 at 0), which was sent after it" in said.out
    assert "verdict" not in said.out


def test_an_expectation_makes_it_judge(korder: Korder, swapped: Path) -> None:
    broken = korder("analyze", swapped, "--expect", "append-reorder=never")

    assert broken.status == 1 and "verdict: broken" in broken.out
    assert korder("analyze", swapped, "--expect", "lost-acked=never").status == 0
    assert korder("analyze", swapped, "--expect", "append-reorder=always").status == 0


def test_an_expectation_may_be_a_bound_as_in_a_scenario_file(korder: Korder, swapped: Path) -> None:
    assert korder("analyze", swapped, "--expect", "append-reorder={max: 1}").status == 0
    assert korder("analyze", swapped, "--expect", "append-reorder={max: 0}").status == 1
    said = korder("analyze", swapped, "--expect", "append-reorder={max: 1")
    assert said.status == 2 and "'{max: 1' is not an expectation" in said.err


def test_what_cannot_be_checked_is_undecided_and_not_a_success(korder: Korder, swapped: Path) -> None:
    said = korder("analyze", swapped, "--expect", "torn-transaction=never")

    assert said.status == 1 and "verdict: undecided" in said.out


def test_json_has_findings_and_measures_but_no_seed(korder: Korder, swapped: Path) -> None:
    told = json.loads(korder("analyze", swapped, "--json").out)

    assert {"verdict", "findings", "measures"} <= set(told) and "seed" not in told
    assert told["findings"]["append-reorder"]["count"] == 1
    assert told["measures"]["P1/orders-0"]["reordered_count"] == 1


def test_a_compressed_history_is_the_same_history(korder: Korder, swapped: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(swapped.read_bytes()))

    assert json.loads(korder("analyze", packed, "--json").out) == json.loads(korder("analyze", swapped, "--json").out)


def test_a_kept_trace_is_judged_as_the_run_was(korder: Korder, duplicated: Path, tmp_path: Path) -> None:
    run = json.loads(korder("run", duplicated, "--json", "--out", tmp_path / "kept").out)

    by_folder = json.loads(korder("analyze", tmp_path / "kept", "--json").out)
    by_file = json.loads(korder("analyze", tmp_path / "kept" / "events.parquet", "--json").out)

    assert by_folder["findings"] == by_file["findings"] == run["findings"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jsonl"], "no such file"),
        (["swapped.jsonl", "--expect", "append-reorder"], "NAME=EXPECTATION"),
        (["swapped.jsonl", "--expect", "append-reordr=never"], "append-reorder"),
        (["swapped.jsonl", "--expect", "append-reorder=nevr"], "never"),
        (["."], "events.parquet"),
        (["empty.jsonl"], "empty.jsonl"),
        (["binary.parquet"], "binary"),
    ],
)
def test_what_is_no_history_is_one_line(
    korder: Korder, swapped: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(swapped.parent)
    Path("empty.jsonl").touch()
    Path("binary.parquet").write_bytes(b"\0\1\2")

    said = korder("analyze", *arguments)

    assert said.status == 2 and said.out == ""
    complaint = [line for line in said.err.splitlines() if line.startswith("korder: ")]
    assert len(complaint) == 1 and words in complaint[0]
