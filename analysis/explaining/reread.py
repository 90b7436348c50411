"""Why a reader was given something twice, missed something, or went back: what moved its position in between."""

from __future__ import annotations

import numpy as np

from analysis.explaining.diagnosis import Diagnosis, Part, Witness, unexplained
from analysis.explaining.facts import Facts
from analysis.history import FORGET_ASSIGN, FORGET_CRASH, FORGET_RESET, FORGET_REVOKE, Column

__all__ = ["delivered_again", "position_moved"]


def delivered_again(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """anomalies 2.3. The second delivery of one offset to one group."""
    if not cast or cast[0].copy is None and not witness.get("partition"):
        return unexplained("the history does not say what was delivered", cast)
    polls = _deliveries(facts, cast[0].value)
    if len(polls) < 2:
        return unexplained("only one delivery is told", cast)
    first, second = polls[0], polls[1]
    rows = [row for row, _, _ in polls[:2]]
    moved = _between(facts, first, second)
    kinds = {int(facts.history.positions.kind[at]) for at in moved}
    rows += [int(facts.history.positions.row[at]) for at in moved]
    return _why(facts, cast, first, second, kinds, sorted(rows))


def _why(
    facts: Facts, cast: list[Part], first: tuple[int, int, int], second: tuple[int, int, int], kinds: set[int],
    rows: list[int],
) -> Diagnosis:  # fmt: skip
    a, b = (facts.evidence.consumer(one[1]) for one in (first, second))
    if FORGET_CRASH in kinds:
        return Diagnosis("re-read after a restart", f"{a} died between the two deliveries", cast, rows)
    if a != b and _still_at_it(facts, first, second):
        because = f"{a} went on with the partition after {b} had taken it over"
        return Diagnosis("stolen partition and late commit", because, cast, rows)
    if kinds & {FORGET_ASSIGN, FORGET_REVOKE} or a != b:
        return Diagnosis("re-read after a rebalance", f"the partition went from {a} to {b}", cast, rows)
    if FORGET_RESET in kinds:
        return Diagnosis("position reset", f"the library of {b} moved its position in between", cast, rows)
    return unexplained("nothing that the history tells moved the reader's position in between", cast)


def position_moved(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """poll-skip, nonmonotonic-poll: a move that the checks do not excuse is not told by the history either."""
    return unexplained("nothing that the history tells moved the reader's position", cast)


def _deliveries(facts: Facts, value: int) -> list[tuple[int, int, int]]:
    """(row, consumer, partition) of the deliveries of *value*, in order."""
    polls = facts.history.polls
    at = np.flatnonzero((polls.value <= value) & (value < polls.value + polls.count))
    columns = (polls.row[at], polls.consumer[at], polls.partition[at])
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def _between(facts: Facts, first: tuple[int, int, int], second: tuple[int, int, int]) -> list[int]:
    moves = facts.history.positions
    mine = np.isin(moves.consumer, [first[1], second[1]]) & (moves.row > first[0]) & (moves.row < second[0])
    here: Column = mine & ((moves.partition == first[2]) | (moves.partition < 0))
    return [int(at) for at in np.flatnonzero(here).tolist()]


def _still_at_it(facts: Facts, first: tuple[int, int, int], second: tuple[int, int, int]) -> bool:
    """The old reader commits, or is given more, after the new one has begun."""
    for table in (facts.history.commits, facts.history.polls):
        if (
            len(table)
            and ((table.consumer == first[1]) & (table.partition == first[2]) & (table.row > second[0])).any()
        ):
            return not _reassigned(facts, first, second)
    return False


def _reassigned(facts: Facts, first: tuple[int, int, int], second: tuple[int, int, int]) -> bool:
    moves = facts.history.positions
    mine = (moves.consumer == first[1]) & (moves.kind == FORGET_ASSIGN) & (moves.row > second[0])
    return bool((mine & (moves.partition == first[2])).any())
