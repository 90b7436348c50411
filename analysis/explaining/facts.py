"""What became of a record: every transmission with its fate, every copy, every report.

Read from a history, so that it serves real clusters as well. Where the history is one of our traces more is known:
which connection ended when and why, what the leader recognised, which row caused which. ``None`` and empty lists mean
that the history does not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.allowed import Configuration
from analysis.evidence import Evidence
from analysis.explaining.causes import Causes
from analysis.history import ACK, Column, Table

__all__ = ["Copy", "Ending", "Facts", "Life", "Report", "Try"]


PER_MS = {"ns": 1_000_000, "us": 1_000, "ms": 1}
MOST_STEPS = 4  # from an append back to its transmission


@dataclass(frozen=True, slots=True)
class Ending:
    """Something with a word that ended or answered a transmission. ``word``: an error's name, or empty."""

    row: int
    t: int
    word: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """The record as a broker wrote it. *row* and *t* of the append; *cut*: the truncation that removed it."""

    row: int
    t: int
    partition: int
    offset: int
    broker: int
    lep: int
    pid: int
    epoch: int
    follower: bool
    conn: int
    cut: Ending | None


@dataclass(slots=True)
class Try:
    """The *n*-th transmission of the batch ``value .. value+count-1``."""

    row: int
    t: int
    value: int
    count: int
    broker: int
    conn: int
    n: int
    landed: Copy | None = None
    refused: Ending | None = None  # by the broker
    recognised: Ending | None = None  # by the broker, as one that it has
    answered: Ending | None = None  # what reached the client; word: the error
    ended: Ending | None = None  # its connection, before an answer; word: "timed out" or "lost"
    faults: list[int] = field(default_factory=list)  # rows of scripted faults that struck it


@dataclass(frozen=True, slots=True)
class Report:
    """What the application was told."""

    row: int
    t: int
    kind: int  # ACK, UNKNOWN, FAIL
    offset: int
    word: str


@dataclass(slots=True)
class Life:
    value: int
    tries: list[Try]
    copies: list[Copy]
    reports: list[Report]

    def attempt_of(self, copy: Copy) -> Try | None:
        """The transmission that a leader's copy (or a follower's copy of that one) came from."""
        for one in self.tries:
            if one.landed is not None and (one.landed.offset, one.landed.lep) == (copy.offset, copy.lep):
                if one.landed.partition == copy.partition:
                    return one
        return None

    def before(self, attempt: Try) -> Try | None:
        """The transmission that *attempt* repeats."""
        earlier = [one for one in self.tries if one.row < attempt.row]
        return earlier[-1] if earlier else None

    def after(self, attempt: Try) -> Try | None:
        return next((one for one in self.tries if one.row > attempt.row), None)

    @property
    def acked(self) -> Report | None:
        return next((one for one in self.reports if one.kind == ACK), None)


class Facts:
    """Lives of records of one history."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence, self.history = evidence, evidence.history
        trace = self.history.trace
        self.causes = None if trace is None else Causes(trace)
        self._lives: dict[int, Life] = {}

    def row_of(self, event: Any) -> int:
        """The row of an event as witnesses and causes name it; -1 if the history has none of that name."""
        ids = self.history.ids
        if ids is None:
            return int(event)
        row = int(ids.line_of(event))
        return row if row >= 0 else event if isinstance(event, int) else -1

    def cause_of(self, row: int) -> int:
        """The row of what made it happen; -1 where nothing says."""
        if self.causes is not None:
            return int(self.causes.trace.events["cause"][row])
        told = self.history.causes
        return -1 if told is None or row >= len(told) else int(told[row])

    def life(self, value: int) -> Life:
        if value not in self._lives:
            copies = self._copies(value)
            tries = self._tries(value)
            _land(tries, [one for one in copies if not one.follower])
            self._give_up(tries, value)
            self._lives[value] = Life(value, tries, copies, self._reports(value))
        return self._lives[value]

    def _give_up(self, tries: list[Try], value: int) -> None:
        """A history without the ends of connections: what was handled later than its client waits, had been given up
        (Java's request.timeout.ms, librdkafka's socket.timeout.ms; producer 5.1, 8.1), where its options are told."""
        wait = None if self.causes is not None else self._patience(value)
        for one in tries:
            if wait is not None and one.answered is None and one.landed is not None and one.landed.t > one.t + wait:
                one.ended = Ending(one.landed.row - 1, one.t + wait, "timed out")

    def _patience(self, value: int) -> int | None:
        """How long its producer waits for an answer, in the history's unit; None where its options say nothing."""
        name = self.evidence.producer(int(self.history.records.prod[value]))
        options = Configuration(self.history.config or {}).options(str(name)) or {}
        option = "socket.timeout.ms" if options.get("client") == "librdkafka" else "request.timeout.ms"
        try:
            return int(options[option]) * PER_MS[self.history.time_unit]
        except (KeyError, ValueError, TypeError):
            return None

    def lives(self) -> list[Life]:
        """Those asked for so far."""
        return list(self._lives.values())

    def code_of(self, told: Any) -> int:
        """The code of a value that a witness names; -1 if no record has it."""
        values = self.history.values
        if not hasattr(self, "_codes"):
            self._codes = {values[code]: code for code in range(len(values))}
        return int(self._codes.get(told, -1))

    # --- the parts of a life ------------------------------------------------------------------------------------------
    def _tries(self, value: int) -> list[Try]:
        wire = _about(self.history.wire, value)
        found = []
        rows = wire.take(wire.response == 0)
        for row, t, v, count, broker, conn, n in _tuples(rows, "row", "t", "value", "count", "broker", "conn", "n"):
            found.append(Try(row, t, v, count, broker, conn, n))
        self._answers(found, wire)
        self._refusals(found, value)
        if self.causes is not None:
            host = self.causes.producer_host(int(self.history.records.prod[value]))
            for one in found:
                if one.answered is None:
                    one.ended = _ending(self.causes.disconnect(host, one.conn, one.row))
                one.recognised = _ending(self.causes.recognised(one.conn, one.row, self._lane(one)))
                one.faults = self.causes.struck(one.row, one.conn, self.history)
        return found

    def _lane(self, one: Try) -> tuple[int, int]:
        """Producer instance and partition, as a trace's rows name them."""
        return int(self.history.records.prod[one.value]), int(self.history.records.partition[one.value])

    def _answers(self, tries: list[Try], wire: Any) -> None:
        answers = wire.take(wire.response != 0)
        words = self.history.words
        for row, t, v, conn, n, error in _tuples(answers, "row", "t", "value", "conn", "n", "error"):
            for one in tries:
                if (one.conn, one.n) == (conn, n) and one.row < row and one.answered is None:
                    if one.value <= v < one.value + one.count:
                        one.answered = Ending(row, t, words[error] if error >= 0 else "")

    def _refusals(self, tries: list[Try], value: int) -> None:
        """A refusal belongs to the latest transmission before it that was not answered before it."""
        words = self.history.words
        refusals = _about(self.history.rejects, value)
        for row, t, why in _tuples(refusals, "row", "t", "why"):
            open_ones = [one for one in tries if one.row < row and (one.answered is None or one.answered.row > row)]
            if open_ones and open_ones[-1].refused is None:
                open_ones[-1].refused = Ending(row, t, words[why] if why >= 0 else "")

    def _copies(self, value: int) -> list[Copy]:
        appends = _about(self.history.appends, value)
        names = ("row", "t", "partition", "offset", "value", "broker", "lep", "pid", "epoch", "follower", "conn")
        found = []
        for row, t, partition, offset, first, broker, lep, pid, epoch, follower, conn in _tuples(appends, *names):
            place = offset + value - first
            cut = self._cut(partition, broker, place, row)
            conn = conn if conn >= 0 else self._brought_by(row)
            found.append(Copy(row, t, partition, place, broker, lep, pid, epoch, bool(follower), conn, cut))
        return found

    def _brought_by(self, row: int) -> int:
        """The connection of the transmission behind an append, where causes lead back to one; else -1."""
        wire = self.history.wire
        for _ in range(MOST_STEPS if self.history.causes is not None else 0):
            row = self.cause_of(row)
            if row < 0:
                return -1
            at = np.flatnonzero((wire.row == row) & (wire.response == 0))
            if len(at):
                return int(wire.conn[at[0]])
        return -1

    def _cut(self, partition: int, broker: int, offset: int, row: int) -> Ending | None:
        cuts = self.history.truncations
        mine = (cuts.partition == partition) & (cuts.broker == broker) & (cuts.to <= offset) & (cuts.row > row)
        at = np.flatnonzero(mine)
        return Ending(int(cuts.row[at[0]]), int(cuts.t[at[0]]), str(cuts.to[at[0]])) if len(at) else None

    def _reports(self, value: int) -> list[Report]:
        told, words = _about(self.history.outcomes, value), self.history.words
        return [
            Report(row, t, kind, offset + value - first if offset >= 0 else -1, words[error] if error >= 0 else "")
            for row, t, kind, offset, first, error in _tuples(told, "row", "t", "kind", "offset", "value", "error")
        ]


def _about(table: Any, value: int) -> Any:
    """The rows whose run has *value* in it."""
    return table.take((table.value <= value) & (value < table.value + table.count) & (table.value >= 0))


def _tuples(table: Table, *names: str) -> Iterator[tuple[int, ...]]:
    columns: list[Column] = [getattr(table, name) for name in names]
    return zip(*(column.tolist() for column in columns), strict=True)


def _ending(found: tuple[int, int, str] | None) -> Ending | None:
    return None if found is None else Ending(*found)


def _land(tries: list[Try], copies: list[Copy]) -> None:
    """Give each transmission its append: on its broker and connection, before its answer (or a refusal by a leader that
    has lost its leadership meanwhile). The answered choose first."""
    left = list(copies)
    for one in sorted(tries, key=lambda attempt: attempt.answered is None):
        for copy in left:
            ends = [end.row for end in (one.answered, one.refused) if end is not None]  # refused: after the append, too
            in_time = one.row < copy.row and all(copy.row < row for row in ends)
            if in_time and one.broker == copy.broker and copy.conn in (-1, one.conn):
                one.landed = copy
                left.remove(copy)
                break
