"""Laws of groups meet histories written by hand: a clean one, and one broken in each way."""

from __future__ import annotations

from typing import Any

import pytest

from sim.errors import LawBroken
from sim.group_laws import COLUMNS, GroupLaws
from sim.protocol.rows import Kind

A, B, READER = 5, 6, 7
Row = dict[str, Any]


def check(*rows: Row) -> None:
    GroupLaws({A: 0, B: 0}).check((number, *(row.get(name, -1) for name in COLUMNS)) for number, row in enumerate(rows))


def mark(offset: int) -> Row:
    return {"kind": Kind.HIGH_WATERMARK, "partition": 0, "offset": offset, "n": 1}


def member(host: int, code: int = 0) -> Row:
    return {"kind": Kind.MEMBER, "pid": 0, "n": host, "code": code}


def generation(epoch: int) -> Row:
    return {"kind": Kind.GENERATION, "pid": 0, "epoch": epoch}


def assign(host: int, epoch: int = 1) -> Row:
    return {"kind": Kind.ASSIGN, "host": host, "partition": 0, "n": epoch}


def revoke(host: int, lost: int = 0) -> Row:
    return {"kind": Kind.REVOKE, "host": host, "partition": 0, "code": lost}


def reset(host: int, offset: int) -> Row:
    return {"kind": Kind.RESET, "host": host, "partition": 0, "offset": offset}


def poll(host: int, offset: int, count: int = 1) -> Row:
    return {"kind": Kind.POLL, "host": host, "partition": 0, "offset": offset, "lo": offset, "hi": offset + count}


def commit(host: int, offset: int, epoch: int, append: int, stored: int = 1) -> Row:
    return {
        "kind": Kind.COMMIT, "host": host, "partition": 0, "offset": offset, "epoch": epoch, "n": stored, "lo": append
    }  # fmt: skip


BEGIN = [mark(10), member(A), member(B), generation(1), assign(A), reset(A, 0), poll(A, 0, 3)]  # rows 0..6


def test_a_hand_over_by_the_book_breaks_nothing() -> None:
    check(
        *BEGIN, commit(A, 3, 1, append=6), revoke(A), generation(2), assign(B, 2), poll(B, 3, 2), commit(B, 5, 2, 11),
    )  # fmt: skip


def test_a_zombie_reads_on_where_it_stood_and_its_refused_commit_is_no_breach() -> None:
    """consumer:S38"""
    check(
        *BEGIN, member(A, 2), generation(2), assign(B, 2), reset(B, 0), poll(B, 0, 4), commit(B, 4, 2, 10),
        poll(A, 3), commit(A, 4, 1, -1, stored=0), revoke(A, lost=1),
    )  # fmt: skip


def test_who_was_committed_for_between_begins_there() -> None:
    """The new owner asks after it was assigned; a late commit of the old one may have come before the answer."""
    check(*BEGIN, commit(A, 3, 1, 6), assign(B, 2), commit(A, 2, 1, 6), poll(B, 2))


@pytest.mark.parametrize(
    ("law", "rows"),
    [
        ("GROUP-1", [assign(B)]),
        ("GROUP-2", [generation(2), commit(A, 3, 1, append=8)]),  # fenced generation
        ("GROUP-2", [member(A, 2), commit(A, 3, 1, append=8)]),  # it had been put out
        ("GROUP-3", [poll(A, 4)]),  # a leap
        ("GROUP-3", [poll(A, 2)]),  # a step back
        ("GROUP-3", [commit(A, 3, 1, 6), revoke(A), generation(2), assign(B, 2), poll(B, 0)]),  # not the committed
        ("GROUP-3", [revoke(A), generation(2), assign(B, 2), poll(B, 0)]),  # nothing committed, and no reset
        ("GROUP-4", [poll(A, 3, 8)]),
    ],
)
def test_each_breach_is_found(law: str, rows: list[Row]) -> None:
    with pytest.raises(LawBroken) as caught:
        check(*BEGIN, *rows)
    assert caught.value.law == law


def test_a_reader_without_a_group_begins_by_reset() -> None:
    check(mark(3), {**assign(READER), "n": -1}, reset(READER, 1), poll(READER, 1, 2))
    with pytest.raises(LawBroken, match="GROUP-3"):
        check(mark(3), {**assign(READER), "n": -1}, poll(READER, 1))


# --- member epochs (KIP-848) ------------------------------------------------------------------------------------------
def check_modern(*rows: Row) -> None:
    laws = GroupLaws({A: 0, B: 0}, modern=[0])
    laws.check((number, *(row.get(name, -1) for name in COLUMNS)) for number, row in enumerate(rows))


def epoch_of(host: int, epoch: int, code: int = 5, broker: int = 1) -> Row:
    return {"kind": Kind.MEMBER, "pid": 0, "n": host, "code": code, "epoch": epoch, "host": broker}


def loaded(broker: int) -> Row:
    return {"kind": Kind.COORDINATES, "pid": 0, "epoch": 2, "host": broker}


MODERN = [  # rows 0..5: A has the partition since epoch 1 and is in epoch 2 now, B in epoch 2
    mark(10), epoch_of(A, 1, 0), assign(A), reset(A, 0), epoch_of(B, 2, 0), epoch_of(A, 2),
]  # fmt: skip


def test_a_member_commits_in_its_epoch_and_in_an_older_one_of_what_it_kept() -> None:
    """consumer:F3.26"""
    check_modern(*MODERN, commit(A, 1, 2, 6), commit(A, 2, 1, 6), commit(B, 3, 2, 6))


def test_nobodys_member_commits_where_there_are_none() -> None:
    check_modern(*MODERN, epoch_of(A, 2, 1), epoch_of(B, 2, 1), commit(A, 1, -1, 8))


def test_what_a_coordinator_believes_that_has_been_replaced_does_not_count() -> None:
    check_modern(*MODERN, loaded(2), epoch_of(A, 2, 4, broker=2), epoch_of(A, 2, 2, broker=1), commit(A, 1, 2, 9))


@pytest.mark.parametrize(
    ("law", "rows"),
    [
        ("GROUP-1", [assign(B, 1)]),
        ("GROUP-2", [commit(A, 1, 3, 6)]),  # an epoch that it has not reached
        ("GROUP-2", [epoch_of(A, 2, 2), commit(A, 1, 2, 7)]),  # it had been put out
        ("GROUP-2", [commit(A, 1, -1, 6)]),  # nobody's member, and the group is not empty
        ("GROUP-2", [revoke(A), assign(B, 2), commit(A, 1, 1, 8)]),  # the partition has gone on to another
    ],
)
def test_each_breach_of_member_epochs_is_found(law: str, rows: list[Row]) -> None:
    with pytest.raises(LawBroken) as caught:
        check_modern(*MODERN, *rows)
    assert caught.value.law == law
