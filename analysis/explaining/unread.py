"""Why a reader never got a record, leapt over it, or committed it without its work (anomalies 2.1, 2.4, 2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.explaining.diagnosis import Diagnosis, Part, Witness, unexplained
from analysis.explaining.facts import Facts
from analysis.explaining.gone import cut_between, gone_record
from analysis.explaining.readers import Move, Readers, rows_named
from analysis.explaining.reread import moved_by
from analysis.history import FORGET_ASSIGN, FORGET_CRASH, FORGET_RESET, FORGET_REVOKE, FORGET_SEEK

__all__ = ["committed_early", "never_read", "position_moved"]


def never_read(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """In the log and never delivered: its readers began behind it. Not in the log: why not."""
    part, partition, offset = _place(facts, witness, cast)
    if part is None:
        return unexplained("the history does not name the record", cast)
    if facts.evidence.logs.place_of[part.value] < 0:
        return gone_record(facts, part)
    readers = Readers(facts, witness)
    moves = readers.moves(partition)
    beyond = [one for one in moves if one.kind in (FORGET_SEEK, FORGET_RESET) and one.offset > offset]
    if beyond:
        found = moved_by(readers, cast, beyond[:1], _assigned_before(moves, beyond[0]))
        assert found is not None
        late = " and passed it over" if beyond[0].kind == FORGET_SEEK else ", behind it"
        if found.mechanism == "position reset" and readers.committed(partition, beyond[0].row) is None:
            late += ": nothing was committed there"
        return Diagnosis(found.mechanism, found.because + late, cast, found.rows)
    if not any(one.kind == FORGET_ASSIGN for one in moves) and len(facts.history.positions):
        return unexplained("no reader was ever given its partition", cast)
    return unexplained("a reader had its partition and was never given it; nothing says why", cast)


def _assigned_before(moves: list[Move], move: Move) -> list[int]:
    rows = [one.row for one in moves if one.kind == FORGET_ASSIGN and one.consumer == move.consumer]
    return [row for row in rows if row < move.row][-1:]


def _place(facts: Facts, witness: Witness, cast: list[Part]) -> tuple[Part | None, int, int]:
    records: list[dict[str, Any]] = list(witness.get("records") or ())
    record = records[0] if records else {}
    part = cast[0] if cast else None
    named = record.get("p", witness.get("partition"))
    partition = list(facts.history.partitions).index(named) if named is not None else -1
    return part, partition, int(record.get("o", -1) if record.get("o") is not None else -1)


# --- steps of a reader ------------------------------------------------------------------------------------------------
def position_moved(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """poll-skip, nonmonotonic-poll: what lies between the two polls."""
    rows = rows_named(facts, witness.get("events") or ())[:2]
    if len(rows) < 2:
        return unexplained("the history does not name the polls", cast)
    readers = Readers(facts, witness)
    partition = list(facts.history.partitions).index(str(witness["partition"]))
    mine = [one for one in readers.moves(partition, *rows) if readers.name(one.consumer) == witness.get("consumer")]
    told = moved_by(readers, cast, mine, rows)
    if told is not None:
        return told
    kinds = {one.kind for one in mine}
    who, between = str(witness.get("consumer")), sorted([*rows, *(one.row for one in mine)])
    if FORGET_CRASH in kinds:
        return Diagnosis("re-read after a restart", f"{who} died between the two polls", cast, between)
    if kinds & {FORGET_ASSIGN, FORGET_REVOKE}:
        return Diagnosis("re-read after a rebalance", f"{who} was given the partition anew in between", cast, between)
    return _rewritten(facts, cast, partition, rows) or unexplained(
        "nothing that the history tells moved the reader's position", cast
    )


def _rewritten(facts: Facts, cast: list[Part], partition: int, rows: list[int]) -> Diagnosis | None:
    """The log was cut and written anew under the reader."""
    for part in cast:
        if part.life.copies and facts.evidence.logs.place_of[part.value] < 0:
            told = gone_record(facts, part)
            if told.explained:
                return Diagnosis(told.mechanism, f"the log was cut under the reader: {told.because}", cast, told.rows)
    cut = cut_between(facts, partition, rows[0], rows[1])
    if cut is None:
        return None
    mechanism, because, found = cut
    return Diagnosis(mechanism, f"the log was cut under the reader: {because}", cast, sorted([*rows, *found]))


# --- commits ----------------------------------------------------------------------------------------------------------
def committed_early(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """premature-commit, lost-processing: a commit covered the record, and the work on it had not ended."""
    part, partition, offset = _place(facts, witness, cast)
    if part is None or offset < 0:
        return unexplained("the history does not name the record", cast)
    readers = Readers(facts, witness)
    failed = readers.failed_work(partition, part)
    if failed is not None:
        because = f"the work on it failed, and {failed[1]} went on with the next record and committed"
        return Diagnosis("failed work passed over", because, cast, [failed[0]])
    given = readers.deliveries(part.value)
    if not given:
        told = never_read(facts, witness, cast)
        return told if told.explained else unexplained("it was committed and never delivered", cast)
    commit = _covering(facts, readers, partition, offset, given[0].row)
    if commit is None:
        return unexplained("the history does not say which commit covered it", cast)
    row, who = commit
    leap = _leapt_over(readers, partition, offset, given[0].row, row)
    if leap is not None:
        found = moved_by(readers, cast, [leap], [given[0].row, row])
        assert found is not None
        found.because += ", behind what it had been given and had not committed"
        return found
    rows = sorted([given[0].row, row])
    had = [one.consumer for one in given if one.row < row]
    if who not in had:
        because = f"{readers.name(who)} committed it, and {readers.name(had[-1])} had it" if had else "nobody had it"
        return Diagnosis("stolen partition and late commit", because, cast, rows)
    done = [end for end in readers.ends(who, partition, offset).tolist() if end > row]
    until = done[0] if done else None  # what befell the member behind that did the record no harm
    ends = [one for one in readers.moves(partition, row, until) if one.consumer == who]
    fate = {FORGET_CRASH: "; then it died", FORGET_REVOKE: "; then it lost the partition"}
    then = next((fate[one.kind] for one in ends if one.kind in fate), "")
    rows += [one.row for one in ends if one.kind in fate][:1]
    because = f"{readers.name(who)} committed it before its work on it had ended{then}"
    return Diagnosis("commit before processing", because, cast, rows)


def _leapt_over(readers: Readers, partition: int, offset: int, given: int, committed: int) -> Move | None:
    """What took the reader beyond the offset between its delivery and the commit that covers it."""
    moves = readers.moves(partition, given, committed)
    return next((one for one in moves if one.kind in (FORGET_SEEK, FORGET_RESET) and one.offset > offset), None)


def _covering(facts: Facts, readers: Readers, partition: int, offset: int, after: int) -> tuple[int, int] | None:
    """(row that tells it, consumer) of the first commit since *after* that covers the offset."""
    commits = facts.evidence.progress.commits
    mine = np.isin(commits.consumer, readers.members) & (commits.partition == partition)
    at = np.flatnonzero(mine & (commits.offset > offset) & (commits.row > after))
    return (int(commits.told[at[0]]), int(commits.consumer[at[0]])) if len(at) else None
