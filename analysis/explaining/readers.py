"""What readers of a partition did around a case: what they were given, what moved them, what they committed.

Everything is asked within one group (or one reader without a group), since repeats count there alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.explaining.diagnosis import Part, Witness
from analysis.explaining.facts import Facts
from analysis.history import FORGET_ASSIGN, FORGET_CRASH, FORGET_REVOKE, Column, Table
from sim.protocol.rows import Kind

__all__ = ["Delivery", "Move", "Readers", "rows_named"]


@dataclass(frozen=True, slots=True)
class Delivery:
    row: int
    consumer: int
    partition: int


@dataclass(frozen=True, slots=True)
class Move:
    """Something that took a reader from its place. *kind*: ``FORGET_...``; *offset*: where it went, -1 not told."""

    row: int
    kind: int
    consumer: int
    partition: int
    offset: int


def rows_named(facts: Facts, events: Any) -> list[int]:
    """The rows of events as a witness names them; those that the history does not have are left out."""
    return [row for row in map(facts.row_of, events) if row >= 0]


class Readers:
    """Of the scope that *witness* names (``group``), or else of the consumers that its records name, or of all."""

    def __init__(self, facts: Facts, witness: Witness) -> None:
        self.facts, self.history = facts, facts.history
        self.members = self._members(witness)

    def _members(self, witness: Witness) -> Column:
        consumers = self.history.consumers
        names, scopes = consumers.scopes()
        group = witness.get("group")
        if group is None:
            named = {record.get("con") for record in witness.get("records") or ()} | {witness.get("consumer")}
            of_these = {int(scopes[code]) for code, name in enumerate(consumers.names) if name in named}
            return np.flatnonzero(np.isin(scopes, sorted(of_these))) if of_these else np.arange(len(consumers.names))
        return np.flatnonzero(np.isin(scopes, [code for code, name in enumerate(names) if name == group]))

    def name(self, consumer: int) -> str:
        return self.facts.evidence.consumer(consumer)

    def deliveries(self, value: int) -> list[Delivery]:
        """Of one record, in order."""
        polls = self.history.polls
        at = np.flatnonzero(
            (polls.value <= value) & (value < polls.value + polls.count) & np.isin(polls.consumer, self.members)
        )
        columns = (polls.row[at], polls.consumer[at], polls.partition[at])
        return [Delivery(*one) for one in sorted(zip(*(column.tolist() for column in columns), strict=True))]

    def moves(self, partition: int, after: int = -1, before: int | None = None) -> list[Move]:
        """What moved readers of *partition* between two rows (neither included); a death moves them everywhere."""
        table = self.history.positions
        mine = np.isin(table.consumer, self.members) & (table.row > after)
        mine &= (table.partition == partition) | (table.kind == FORGET_CRASH)
        if before is not None:
            mine &= table.row < before
        rows = table.take(np.flatnonzero(mine))
        columns = (rows.row, rows.kind, rows.consumer, rows.partition, rows.offset)
        return [Move(*(int(x) for x in one)) for one in zip(*(column.tolist() for column in columns), strict=True)]

    def ends(self, consumer: int, partition: int, offset: int) -> Column:
        """The rows in which *consumer* ended its work on a record, ascending."""
        table = self.history.processing
        mine = (table.consumer == consumer) & (table.partition == partition) & (table.offset == offset)
        rows: Column = table.row[mine & (table.end != 0)]
        return rows

    def stood_at(self, move: Move) -> tuple[int, int] | None:
        """(offset, row that tells of it) that the mover was to be given next in the partition: behind what it was given
        since it was assigned, else what its group had committed by then; None: neither is told."""
        own = [one for one in self.moves(move.partition, -1, move.row) if one.consumer == move.consumer]
        since = own[-1].row if own else -1
        polls = self.history.polls
        given = (polls.consumer == move.consumer) & (polls.partition == move.partition)
        given &= (polls.row > since) & (polls.row < move.row)
        if given.any():
            last = np.flatnonzero(given)[np.argmax((polls.offset + polls.count)[given])]
            return int(polls.offset[last] + polls.count[last]), int(polls.row[last])
        if own and own[-1].kind not in (FORGET_ASSIGN, FORGET_CRASH):
            return (own[-1].offset, own[-1].row) if own[-1].offset >= 0 else None
        return self.committed(move.partition, move.row)

    def committed(self, partition: int, before: int) -> tuple[int, int] | None:
        """(offset, row that tells it) of what the group had last committed in *partition* before that row, with a
        transaction or without; None: nothing."""
        table = self.facts.evidence.progress.commits
        mine = np.isin(table.consumer, self.members) & (table.partition == partition) & (table.row < before)
        done = np.flatnonzero(mine)
        return (int(table.offset[done[-1]]), int(table.told[done[-1]])) if len(done) else None

    def failed_work(self, partition: int, part: Part) -> tuple[int, str] | None:
        """(row, who) of a failure of the work on that record, where the trace tells of one."""
        facts, copy = self.facts, part.copy
        if facts.causes is None or copy is None:
            return None
        prod = int(self.history.records.prod[part.value])
        for row in facts.causes.rows_of(Kind.PROC_FAIL, partition=partition, prod=prod):
            event = facts.causes.row(row)
            if event["offset"] <= copy.offset < event["offset"] + event["hi"] - event["lo"]:
                return row, facts.causes.hosts.get(event["host"], "the reader")
        return None

    def handed_over(self, partition: int, before: int, a: int, b: int) -> tuple[int, int] | None:
        """(old owner, new owner) by the last time that *partition* was given to each of the two: whoever was given
        it later is the successor, whatever either does afterwards. None: it is not told of both."""
        given = {
            move.consumer: move.row for move in self.moves(partition, -1, before)
            if move.kind == FORGET_ASSIGN and move.consumer in (a, b)
        }  # fmt: skip
        if len(given) < 2:
            return None
        old, new = sorted(given, key=lambda one: given[one])
        return old, new

    def went_on(self, consumer: int, partition: int, after: int) -> int | None:
        """The row in which *consumer* still commits, polls or works in *partition*, before it gives it up or is given
        it again; None: it did not."""
        own = [move for move in self.moves(partition, after) if move.consumer == consumer]
        ends = [move.row for move in own if move.kind in (FORGET_REVOKE, FORGET_ASSIGN, FORGET_CRASH)]
        found = [self._first(table, consumer, partition, after) for table in self._acts()]
        rows = [row for row in found if row is not None and (not ends or row < ends[0])]
        return min(rows, default=None)

    def _acts(self) -> tuple[Table, ...]:
        return self.history.commits, self.history.polls, self.history.processing

    def _first(self, table: Any, consumer: int, partition: int, after: int) -> int | None:
        if not len(table):
            return None
        rows = table.row[(table.consumer == consumer) & (table.partition == partition) & (table.row > after)]
        return int(rows.min()) if len(rows) else None
