"""Witnesses as sentences, and tables without blanks at the ends of lines."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from analysis.cli.tables import print_table
from analysis.cli.wording import seconds, witness_words
from analysis.finding import CLASSES
from tests.analysis.test_cases import DIRTY
from tests.analysis.written import judged


def _record(value: str, offset: int | None = None, **more: Any) -> dict[str, Any]:
    return {"v": value, "p": "orders-0", **({} if offset is None else {"o": offset}), **more}


LATE = [_record("a", 5, role="late"), _record("b", 3, role="overtaker")]


@pytest.mark.parametrize(
    ("name", "witness", "words"),
    [
        ("append-reorder", {"records": LATE},
         "a (orders-0 at 5) stands behind b (orders-0 at 3), which was sent after it"),
        ("duplicate-append", {"records": [_record("a", 1), _record("a", 4)]}, "a stands at orders-0 at 1 and at 4"),
        ("lost-acked", {"records": [_record("a", 1)], "fate": "never appended"},
         "a (orders-0 at 1) was acknowledged and is gone: never appended"),
        ("realtime-inversion", {"records": [_record("x", 1), _record("y", 2)]},
         "x (orders-0 at 1) was sent after y (orders-0 at 2) was acknowledged, and stands before it"),
        ("unseen", {"records": [_record("a")]}, "a (orders-0) was acknowledged, and no reader got it"),
        ("offset-gap", {"partition": "orders-0", "records": [], "events": [3], "offsets": [7], "missing": 2},
         "orders-0, missing 2"),
    ],
)  # fmt: skip
def test_a_witness_is_a_sentence(name: str, witness: dict[str, Any], words: str) -> None:
    assert witness_words(name, witness) == words


def test_a_delivery_and_its_repeat_name_the_members() -> None:
    records = [_record("a", 1, con="C1"), _record("a", 1, con="C2")]
    told = witness_words("duplicate-delivery", {"group": "G", "records": records, "excused": True})
    assert told == "a (orders-0 at 1) was delivered 2 times to G (C1, then C2), as at-least-once permits"
    alone = {"group": "C1", "records": [records[0], records[0]]}  # a reader without a group is named once
    assert witness_words("duplicate-delivery", alone) == "a (orders-0 at 1) was delivered 2 times to C1"


@pytest.mark.parametrize("name", CLASSES)
def test_a_witness_with_less_than_usual_is_still_told(name: str) -> None:
    assert "a (orders-0 at 1)" in witness_words(name, {"records": [_record("a", 1)]})
    assert witness_words(name, {}) == ""


def test_a_long_value_is_cut() -> None:
    assert len(witness_words("unseen", {"records": [_record("x" * 500)]})) < 150


@pytest.mark.parametrize(("us", "words"), [(0, "0 s"), (12_500_000, "12.5 s"), (1, "0.000001 s"), (30_000_000, "30 s")])
def test_times_have_as_many_digits_as_they_need(us: int, words: str) -> None:
    assert seconds(us) == words


def test_a_long_last_cell_goes_on_below_itself() -> None:
    printed = io.StringIO()

    rows = [("a", "10", "word " * 12), ("bcd", "9", "")]
    print_table(Console(file=printed, width=50), ("name", "n", "why"), rows, right=(1,))

    assert printed.getvalue() == (
        "name   n  why\n"
        "a     10  word word word word word word word word\n"
        "          word word word word\n"
        "bcd    9\n"
    )  # fmt: skip


OF_GROUPS = {
    "poll-skip": "C1 went from a (o-0 at 0) to d (o-0 at 3) and left out 2, the first b",
    "uncommitted-read": "a (o-0 at 0) reached C1 before its transaction had ended",
    "aborted-read": "a (o-0 at 0) reached C1 although its transaction aborted",
    "lost-processing": "b (o-0 at 1) was never processed to the end by G, which has committed 3",
    "out-of-order-processing": "G began a (o-0 at 0) after b (o-0 at 1)",
    "overlapping-processing": "G began b (o-0 at 1) while a (o-0 at 0) was under way",
    "duplicate-processing": "a (o-0 at 0) was processed to the end 2 times by G (C2, then C1)",
    "commit-regression": "C2 committed o-0 from offset 5 back to 3",
    "premature-commit": "C1 committed 1 before a (o-0 at 0) was processed to the end",
    "torn-transaction": "of transaction T a (o-0 at 0) is visible and b (o-1 at 0) is not",
    "open-transaction": "transaction T has 1 without a marker, the first a (o-0 at 0)",
    "G1c-wr": "T to U to T by wr, wr: a (o-0 at 0), b (o-1 at 0)",
}


@pytest.mark.parametrize("name", OF_GROUPS)
def test_a_hand_written_case_in_words(name: str) -> None:
    """As the analyzer tells it of one of the hand-written histories."""
    told = {
        witness_words(name, judged(case.history, **case.header).findings[name].witnesses[0])
        for case in DIRTY if case.name == name
    }  # fmt: skip
    assert OF_GROUPS[name] in told
