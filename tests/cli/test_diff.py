"""``korder diff``: where two traces part, in words; what was asked; findings that come and go; its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.row_words import RowWords
from sim.run import simulate
from sim.scenario import load, with_overrides
from sim.trace import EVENT_COLUMNS, Trace
from tests.cli.conftest import DUPLICATED, Said

Korder = Callable[..., Said]
SEND = '{"t": 1, "e": "send", "prod": "P1", "i": 0, "v": "a", "p": "o-0"}\n'
APPEND = '{"t": 3, "e": "append", "p": "o-0", "o": %d, "v": "a"}\n'
HEAD = '{"format": "korder-history", "version": 1}\n'


@pytest.fixture
def kept(tmp_path: Path) -> Callable[..., Path]:
    """Keeps a run of the scenario with a lost answer, and says where."""
    file = tmp_path / "scenario.yaml"
    file.write_text(DUPLICATED)

    def keep(name: str, *overrides: str, seed: int = 0) -> Path:
        return simulate(with_overrides(load(file), list(overrides)), seed).save(tmp_path / name)

    return keep


def test_a_trace_is_the_same_as_itself_and_as_its_repetition(korder: Korder, kept: Callable[..., Path]) -> None:
    said = korder("diff", kept("a"), kept("b"))

    assert said.status == 0
    assert "the traces are the same, row by row" in said.out and "the findings are the same" in said.out


def test_an_option_that_differs_is_named_with_the_row_where_the_traces_part_and_what_vanishes(
    korder: Korder, kept: Callable[..., Path]
) -> None:
    said = korder("diff", kept("a"), kept("b", "producers.shop.config.enable.idempotence=true"), "--json")
    told = json.loads(said.out)

    assert said.status == 1 and not told["same"]
    assert told["settings"] == [{"name": "producers.shop.enable.idempotence", "a": "false", "b": "true"}]
    assert "PRODUCER_ID" in told["parting"]["b"]["words"]
    vanished = {one["name"]: (one["a"], one["b"], one["change"]) for one in told["findings"]}
    assert vanished["duplicate-append"] == (1, 0, "vanishes")


def test_a_seed_that_differs_is_named(korder: Korder, kept: Callable[..., Path]) -> None:
    told = json.loads(korder("diff", kept("a"), kept("b", seed=1), "--json").out)

    assert {"name": "seed", "a": 0, "b": 1} in told["settings"]


def test_the_first_row_that_differs_is_told_with_both_times_and_both_sides_in_words(
    korder: Korder, kept: Callable[..., Path], tmp_path: Path
) -> None:
    a = kept("a")
    row, told = altered(a, tmp_path / "b")
    said = korder("diff", a, tmp_path / "b")

    assert said.status == 1
    assert f"the traces first part in row {row:,} of their events:" in said.out
    before, after = (line.strip() for line in said.out.splitlines() if line.startswith(("  a: at", "  b: at")))
    assert told in before and told in after
    assert "(conn 77)" not in before and "(conn 77)" in after


def altered(path: Path, to: Path) -> tuple[int, str]:
    """A copy in which one append came over another connection; its row, and what it is in words."""
    trace = Trace.load(path)
    row = int((trace.events["kind"] == 20).argmax())
    words = RowWords(trace).event(trace.row(row))
    trace.events["conn"] = trace.events["conn"].copy()
    trace.events["conn"][row] = 77
    trace.header.pop("digest")
    trace.save(to)
    return row, words


def test_a_trace_that_ends_earlier_parts_there(korder: Korder, kept: Callable[..., Path], tmp_path: Path) -> None:
    a = kept("a")
    trace = Trace.load(a)
    shorter = {name: column[:-1] for name, column in trace.events.items()}
    header = {name: x for name, x in trace.header.items() if name != "digest"}
    Trace(shorter, trace.sends, header).save(tmp_path / "b")

    told = json.loads(korder("diff", a, tmp_path / "b", "--json").out)

    assert told["parting"]["row"] == len(trace.events["kind"]) - 1
    assert told["parting"]["b"] == {"t_us": None, "words": "nothing more: the trace has ended"}
    assert told["settings"] == []


def test_of_histories_findings_alone_are_compared(korder: Korder, kept: Callable[..., Path], tmp_path: Path) -> None:
    clean, doubled = tmp_path / "clean.jsonl", tmp_path / "doubled.jsonl"
    clean.write_text(HEAD + SEND + APPEND % 0)
    doubled.write_text(HEAD + SEND + APPEND % 0 + APPEND % 1)

    said = korder("diff", clean, doubled)

    assert said.status == 1
    assert "rows are not compared: a and b did not come from a run of korder" in said.out
    assert "duplicate-append" in said.out and "appears" in said.out
    assert korder("diff", clean, clean).status == 0
    assert "rows are not compared: b did not come" in korder("diff", kept("a"), clean).out


def test_what_only_one_side_can_be_checked_for_is_a_difference_and_says_so(korder: Korder, tmp_path: Path) -> None:
    without, with_marks = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    without.write_text(HEAD + SEND + APPEND % 0)
    with_marks.write_text(HEAD + SEND + APPEND % 0 + '{"t": 4, "e": "hw", "p": "o-0", "o": 1}\n')

    told = json.loads(korder("diff", without, with_marks, "--json").out)

    found = {one["name"]: (one["a"], one["b"], one["change"]) for one in told["findings"]}
    assert found["committed-truncation"] == (None, 0, "can be checked only in b")


@pytest.mark.parametrize("missing", [0, 1])
def test_wrong_input_is_one_line_and_status_2(korder: Korder, tmp_path: Path, missing: int) -> None:
    there = tmp_path / "a.jsonl"
    there.write_text(HEAD + SEND)
    paths = [there, there]
    paths[missing] = tmp_path / "nothing"

    said = korder("diff", *paths)

    assert said.status == 2 and "there is no such file" in said.err
    broken = tmp_path / "broken.jsonl"
    broken.write_text(HEAD + "{")
    assert korder("diff", there, broken).status == 2


def test_every_kind_of_row_has_words(kept: Callable[..., Path]) -> None:
    trace = Trace.load(kept("a"))
    words = RowWords(trace)
    for kind in sorted(set(trace.events["kind"].tolist())):
        row = trace.row(int((trace.events["kind"] == kind).argmax()))
        assert set(row) == set(EVENT_COLUMNS)
        assert not words.event(row).endswith((" ", ":"))
        assert "=" not in words.event(row)
