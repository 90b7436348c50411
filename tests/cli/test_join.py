"""``korder join``: a history from recordings and dumps, or one line that says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Said

Korder = Callable[..., Said]
SHOP = ROOT / "tests" / "analysis" / "dumps" / "shop"


def test_a_recording_and_a_dump_become_a_history_that_can_be_judged(korder: Korder, tmp_path: Path) -> None:
    """Two requests timed out at a broker that stood still, and were stored all the same."""
    out = tmp_path / "history.jsonl.zst"
    said = korder("join", SHOP / "orders.jsonl", "--log", f"1:{SHOP / 'orders-0.txt'}", "--out", out)
    told = json.loads(korder("analyze", out, "--json").out)

    assert said.status == 0
    assert "24 records sent, 26 in the leaders' logs" in said.out
    found = told["findings"]["duplicate-append"]
    assert (found["count"], found["extra"], found["allowed"]) == (2, 2, True)
    assert [one["offsets"] for one in found["witnesses"]] == [[8, 9], [10, 17]]
    assert told["findings"]["lost-acked"]["count"] == told["findings"]["unseen"]["count"] == 0


def test_what_nobody_recorded_is_said(korder: Korder, tmp_path: Path) -> None:
    recording = tmp_path / "half.jsonl"
    lines = (SHOP / "orders.jsonl").read_text().splitlines(keepends=True)
    recording.write_text("".join(lines[:10]))
    said = korder("join", recording, "--log", SHOP / "orders-0.txt", "--out", tmp_path / "h.jsonl")

    assert said.status == 0
    assert "of them were sent by nobody who was recorded" in said.out


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "there is nothing to join"), (["nothing.jsonl"], "nothing.jsonl: there is no such file"),
        (["--log", "2:nothing.txt"], "nothing.txt: there is no such file"),
        ([SHOP / "orders-0.txt"], "orders-0.txt:1: not JSON"),
        (["--log", SHOP / "orders.jsonl"], "orders.jsonl:1: is not the beginning of a segment"),
        ([SHOP / "orders.jsonl", "--log", SHOP / "orders-0.txt", "--identity", "x"], "--identity: 'x'"),
        ([SHOP / "orders.jsonl", "--log", SHOP / "orders-0.txt", "--identity", "key"], "none of the 26 records"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_nothing_is_written(
    korder: Korder, tmp_path: Path, arguments: list[object], words: str
) -> None:
    said = korder("join", *arguments, "--out", tmp_path / "h.jsonl")

    assert said.status == 2
    assert words in said.err.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_the_history_must_have_a_place(korder: Korder) -> None:
    assert korder("join", SHOP / "orders.jsonl").status == 2
