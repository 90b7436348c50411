"""Why a reader was given something twice or went back: what moved its group in between (anomalies 2.2, 2.3, 2.5)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.explaining.diagnosis import Diagnosis, Part, Witness, cast_of, unexplained
from analysis.explaining.facts import Facts
from analysis.explaining.readers import Delivery, Move, Readers, rows_named
from analysis.history import FORGET_ASSIGN, FORGET_CRASH, FORGET_RESET, FORGET_REVOKE, FORGET_SEEK

__all__ = ["committed_lower", "delivered_again", "moved_by", "worked_at_once"]

MOST_MOVES = 8  # that a story tells


def delivered_again(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """The second delivery of one offset to one group, or the second time that a member worked on it."""
    if not cast or cast[0].copy is None and not witness.get("partition"):
        return unexplained("the history does not say what was delivered", cast)
    readers = Readers(facts, witness)
    polls = readers.deliveries(cast[0].value)
    if len(polls) < 2:
        return unexplained("only one delivery is told", cast)
    named = set(rows_named(facts, witness.get("events") or ()))
    at = next((k for k in range(1, len(polls)) if {polls[k - 1].row, polls[k].row} <= named), 1)
    return _why(readers, cast[:1], polls[at - 1], polls[at], _begun_below(readers, witness, polls[at]))


def _begun_below(readers: Readers, witness: Witness, again: Delivery) -> tuple[int, int] | None:
    """(offset, row that tells it) of what the group had committed, where the reader went on below that."""
    committed = readers.committed(again.partition, again.row)
    offsets = witness.get("offsets") or (0,)
    return committed if committed and offsets[0] < min(witness.get("committed", 0), committed[0]) else None


def _why(
    readers: Readers, cast: list[Part], first: Delivery, second: Delivery, below: tuple[int, int] | None
) -> Diagnosis:  # fmt: skip
    a, b = readers.name(first.consumer), readers.name(second.consumer)
    moves = readers.moves(first.partition, first.row, second.row)
    mine = [move for move in moves if move.consumer in (first.consumer, second.consumer)]
    rows = sorted([first.row, second.row, *(move.row for move in mine[-MOST_MOVES:])])
    kinds = {move.kind for move in mine}
    if FORGET_CRASH in {move.kind for move in mine if move.consumer == first.consumer}:
        return Diagnosis("re-read after a restart", f"{a} died between the two deliveries", cast, rows)
    late = _by_the_old_owner(readers, first, second) if a != b else None
    if late is not None:
        because, row = late
        return Diagnosis("stolen partition and late commit", because, cast, sorted({*rows, row}))
    if kinds & {FORGET_ASSIGN, FORGET_REVOKE} or a != b:
        passed = f"the partition went from {a} to {b}" if a != b else f"{a} gave the partition up and got it again"
        if below is not None:
            found = moved_by(readers, cast, mine, sorted({*rows, below[1]}))
            wrong = f"{passed}, and {b} began below offset {below[0]}, which its group had committed"
            return found or replace(unexplained(wrong, cast), rows=sorted({*rows, below[1]}))
        return Diagnosis("re-read after a rebalance", f"{passed}, uncommitted", cast, rows)
    return moved_by(readers, cast, mine, rows) or unexplained(
        "nothing that the history tells moved the reader's position in between", cast
    )


def _by_the_old_owner(readers: Readers, first: Delivery, second: Delivery) -> tuple[str, int] | None:
    """What the old owner did when its successor had begun, and the row of that. Where assignments do not tell who that
    is, it is whoever was delivered to first."""
    told = readers.handed_over(first.partition, second.row, first.consumer, second.consumer)
    old, new = told or (first.consumer, second.consumer)
    late = readers.went_on(old, first.partition, second.row if new == second.consumer else first.row)
    if late is None:
        return None
    return f"{readers.name(old)} went on with the partition after {readers.name(new)} had taken it over", late


def moved_by(readers: Readers, cast: list[Part], moves: list[Move], rows: list[int]) -> Diagnosis | None:
    """The application or the client library set the position; the last of them decides."""
    for move in reversed(moves):
        if move.kind not in (FORGET_SEEK, FORGET_RESET):
            continue
        who = readers.name(move.consumer)
        to = f" to offset {move.offset}" if move.offset >= 0 else ""
        where = readers.history.partitions[move.partition]
        rows = sorted({*rows, move.row})
        if move.kind == FORGET_SEEK:
            because = f"the application of {who} moved its position in {where}{to}"
            return Diagnosis("position moved by the application", because, cast, rows)
        because = f"the library of {who} set its position in {where}{to}"
        gone = _overtaken(readers, move)
        if gone is not None:
            begin, at, told = gone
            because = (
                f"the log of {where} began at offset {begin} by then, {who} stood at {at}, and its library moved it{to}"
            )
            return Diagnosis("overtaken by retention", because, cast, sorted({*rows, *told}))
        return Diagnosis("position reset", because, cast, rows)
    return None


def _overtaken(readers: Readers, move: Move) -> tuple[int, int, tuple[int, int]] | None:
    """(where the log began, where the reader stood, the rows that say so) where retention had removed what the
    reader was to fetch next: its position is out of range, so that its reset policy moves it (OFFSET_OUT_OF_RANGE in
    FetchCollector.handleInitializeErrors; librdkafka rd_kafka_fetch_reply_handle_partition_error)."""
    starts, stood = readers.history.log_starts, readers.stood_at(move)
    mine = np.flatnonzero((starts.partition == move.partition) & (starts.row < move.row))
    if stood is None or not len(mine):
        return None
    last = mine[np.argmax(starts.offset[mine])]
    begin = int(starts.offset[last])
    return (begin, stood[0], (int(starts.row[last]), stood[1])) if stood[0] < begin else None


def worked_at_once(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """Two records of one lane in work at the same time, or in another order than that of the log."""
    records = list(witness.get("records") or ())
    if len(records) < 2 or len(cast) < 2:
        return unexplained("the history does not name both records", cast)
    rows = rows_named(facts, [record["event"] for record in records[:2]])
    who = [str(record.get("con")) for record in records[:2]]
    readers = Readers(facts, witness)
    where = list(facts.history.partitions).index(str(records[0]["p"])) if "p" in records[0] else -1
    if who[0] == who[1]:
        first = min(cast[:2], key=lambda part: part.copy.offset if part.copy is not None else -1)
        failed = readers.failed_work(where, first)
        if failed is not None:
            because = f"the work on the first one failed, and {failed[1]} went on with the next"
            return Diagnosis("failed work passed over", because, cast, sorted([*rows, failed[0]]))
        return Diagnosis("work in parallel", f"{who[0]} had both in work", cast, rows)
    # The one that began first is the old owner where the other record overlaps it, the new one where it is overtaken.
    old, new = (who[1], who[0]) if cast[0].role == "early" else (who[0], who[1])
    codes = [code for name in who for code in range(len(facts.history.consumers.names)) if readers.name(code) == name]
    given = readers.handed_over(where, max(rows), *codes) if len(codes) == 2 and rows else None
    if given is not None:
        old, new = readers.name(given[0]), readers.name(given[1])
    because = f"{old} was still at work on the partition when {new} had taken it over"
    return Diagnosis("stolen partition and late commit", because, cast, rows)


def committed_lower(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    """A group's committed offset went back: who committed, and did it still own the partition?"""
    rows = rows_named(facts, witness.get("events") or ())
    commits, readers = facts.evidence.progress.commits, Readers(facts, witness)
    partition = list(facts.history.partitions).index(str(witness["partition"]))
    told = [np.flatnonzero((commits.told == row) & (commits.partition == partition)) for row in rows]
    whose = [int(commits.consumer[one[0]]) for one in told if len(one)]
    if len(whose) < 2:
        return unexplained("the history does not say who made the two commits", cast)
    last = [offset - 1 for offset in witness.get("offsets") or ()]  # the last record that each commit covers
    cast = cast_of(facts, {"records": _stored_at(facts, partition, last)}, ("covered first", "covered later"))
    moves = readers.moves(partition, rows[0], rows[1])
    a, b = (readers.name(one) for one in whose[:2])
    if whose[0] != whose[1]:
        began = [one for one in readers.moves(partition, -1, rows[1]) if one.kind == FORGET_ASSIGN]
        owner = began[-1].consumer if began else -1
        if owner >= 0 and owner == whose[0]:
            because = f"{b} committed after {a} had taken the partition over"
            return Diagnosis("stolen partition and late commit", because, cast, rows)
        return Diagnosis("re-read after a rebalance", f"{b} began below what {a} committed", cast, rows)
    if any(move.kind == FORGET_CRASH for move in moves):
        return Diagnosis("re-read after a restart", f"{a} died between the two commits", cast, rows)
    ends = [[row for row in readers.ends(whose[0], partition, at).tolist() if row < rows[1]][-1:] for at in last]
    if len(ends) == 2 and all(ends) and ends[0] < ends[1]:
        because = f"{a} ended its work on offset {last[1]} after that on offset {last[0]}, and committed in that order"
        return Diagnosis("committed as it ends", because, cast, sorted([*rows, *ends[0], *ends[1]]))
    return moved_by(readers, cast, moves, rows) or unexplained("nothing in between moved the reader back", cast)


def _stored_at(facts: Facts, partition: int, offsets: list[int]) -> list[dict[str, object]]:
    """The records of the final log at these offsets, as a witness names them; unknown ones are left out."""
    logs, found = facts.evidence.logs, []
    for offset in offsets:
        run = int(logs.find(np.array([partition]), np.array([offset]))[0])
        if run >= 0 and logs.final.value[run] >= 0:
            value = int(logs.final.value[run] + offset - logs.final.offset[run])
            found.append(facts.evidence.record(value, p=facts.evidence.partition(partition), o=offset))
    return found
