"""What happened, as integer-coded columns: one table per kind of event, and lists of names.

The words (they hold in every module of this room):

- *value*: a record's identity, a code 0..V-1 into ``History.values``. A resend by the client keeps its value; a resend
  by the application is a new value with the same *uid*.
- *run*: rows that name records name ``count`` of them, values ``value .. value+count-1`` at offsets
  ``offset .. offset+count-1``. A history read from JSON Lines has runs of one; a trace has one run a batch.
- *row*: the number of the event that a row came from (line of a file, row of a trace). Order in time is order of rows.
  A send of a trace has no row of its own; it carries that of the first event not before it.
- ``-1`` in a column: the history does not say.

Nothing here judges; nothing here knows where a history came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ABORT", "ACK", "COMMIT", "DATA", "FAIL", "FORGET_ASSIGN", "FORGET_CRASH", "FORGET_RESET", "FORGET_REVOKE",
    "FORGET_SEEK", "UNKNOWN", "Appends", "Column", "Commits", "Compactions", "Consumers", "History", "LogStarts",
    "Marks", "Leaders", "Notes", "Outcomes", "Polls", "Positions", "Processing", "Records", "Rejects", "Table",
    "Transactions", "Truncations", "TxnOffsets", "Wire",
]  # fmt: skip

Column = NDArray[Any]  # integers or booleans, one dimension

DATA, COMMIT, ABORT = 0, 1, 2  # Appends.kind
ACK, UNKNOWN, FAIL = 0, 1, 2  # Outcomes.kind
FORGET_ASSIGN, FORGET_REVOKE, FORGET_SEEK, FORGET_RESET, FORGET_CRASH = range(5)  # Positions.kind


class Later:
    """Attributes that are made when they are first asked for."""

    @classmethod
    def later(cls, **attributes: Any) -> Self:
        """An instance whose attributes are those given; a function without parameters stands for what it returns."""
        made = cls.__new__(cls)
        waiting = {name: value for name, value in attributes.items() if callable(value)}
        made.__dict__.update({name: value for name, value in attributes.items() if name not in waiting})
        made.__dict__["_waiting"] = waiting
        return made

    def __getattr__(self, name: str) -> Any:
        waiting = self.__dict__.get("_waiting", {})
        if name not in waiting:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        value = self.__dict__[name] = waiting.pop(name)()
        return value


@dataclass
class Table(Later):
    """Columns of equal length. Subclasses name them."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def take(self, rows: Any) -> Self:
        """The chosen rows (a mask, indexes or a slice)."""
        return type(self)(*(getattr(self, f.name)[rows] for f in fields(self)))

    def columns(self) -> dict[str, Column]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def constant(self, name: str) -> Any:
        """What all rows have in this column; None where they differ, or there are none. Looked up once."""
        known = self.__dict__.setdefault("_constants", {})
        if name not in known:
            column = getattr(self, name)
            same = len(column) and column[0] == column[-1] and bool((column == column[0]).all())
            known[name] = column[0] if same else None
        return known[name]

    @classmethod
    def empty(cls) -> Self:
        return cls(*(np.zeros(0, np.int64) for _ in fields(cls)))


@dataclass
class Records(Table):
    """Row v is value v. A value that no send names has prod -1."""

    prod: Column
    i: Column  # position of the send call in its producer instance
    partition: Column  # as said by the send call
    key: Column
    uid: Column  # a value code: the first value of the same business identity
    row: Column
    t: Column
    op: Column
    txn: Column
    size: Column


@dataclass
class Appends(Table):
    """A run written to one broker's log; a control record is a run of one with value -1."""

    row: Column
    t: Column
    partition: Column
    offset: Column
    value: Column
    count: Column
    broker: Column
    follower: Column  # bool
    lep: Column
    pid: Column
    epoch: Column
    seq: Column  # of the first record of the run
    txn: Column
    kind: Column
    conn: Column  # the connection that brought it; the exchange format does not say


@dataclass
class Rejects(Table):
    row: Column
    t: Column
    prod: Column
    partition: Column
    value: Column
    count: Column
    why: Column  # code into History.words


@dataclass
class Outcomes(Table):
    """What the application was told: ack, unknown or fail."""

    row: Column
    t: Column
    kind: Column
    prod: Column
    partition: Column
    value: Column
    count: Column
    offset: Column
    error: Column


@dataclass
class Marks(Table):
    """A leader's announced high watermark."""

    row: Column
    t: Column
    partition: Column
    offset: Column
    broker: Column  # -1: of whoever leads


@dataclass
class Leaders(Table):
    row: Column
    t: Column
    partition: Column
    broker: Column
    lep: Column


@dataclass
class Truncations(Table):
    row: Column
    t: Column
    partition: Column
    to: Column
    broker: Column


@dataclass
class LogStarts(Table):
    row: Column
    t: Column
    partition: Column
    offset: Column


@dataclass
class Compactions(Table):
    """One row a removed offset."""

    row: Column
    t: Column
    partition: Column
    offset: Column


@dataclass
class Polls(Table):
    """A run of records handed to a consumer's application, in the order in which they were handed over."""

    row: Column
    t: Column
    consumer: Column
    partition: Column
    offset: Column
    value: Column
    count: Column
    group: Column  # poll group: polls of one consumer with the same op or txn share it
    txn: Column


@dataclass
class Positions(Table):
    """Where a consumer stops going on from its last record. For seek and reset *offset* is the new position."""

    row: Column
    t: Column
    kind: Column
    consumer: Column
    partition: Column
    offset: Column


@dataclass
class Commits(Table):
    row: Column
    t: Column
    consumer: Column
    partition: Column
    offset: Column
    auto: Column
    ok: Column


@dataclass
class Processing(Table):
    row: Column
    t: Column
    end: Column  # bool
    consumer: Column
    partition: Column
    offset: Column


@dataclass
class Transactions(Table):
    row: Column
    t: Column
    txn: Column
    state: Column  # 0 begin, 1 commit, 2 abort, 3 unknown


@dataclass
class TxnOffsets(Table):
    row: Column
    t: Column
    txn: Column
    consumer: Column
    partition: Column
    offset: Column


@dataclass
class Wire(Table):
    """Transmissions and their answers, for pictures and stories; no finder reads them."""

    row: Column
    t: Column
    response: Column  # bool
    prod: Column
    partition: Column
    value: Column
    count: Column
    broker: Column
    conn: Column
    n: Column
    error: Column


@dataclass
class Notes(Table):
    """Faults, crashes and expiries, with a word each, for pictures and stories."""

    row: Column
    t: Column
    kind: Column  # code into History.words: fault, heal, crash, restart, expire, ...
    what: Column  # code into History.words
    broker: Column
    partition: Column


@dataclass
class Consumers:
    """Names by code, with the scope in which repeats count: the group, or the consumer alone."""

    names: list[str] = field(default_factory=list)
    group: list[str | None] = field(default_factory=list)
    committed_only: list[bool] = field(default_factory=list)  # reads with isolation.level=read_committed

    def scopes(self) -> tuple[list[str], Column]:
        """The scopes' names, and the scope of each consumer."""
        names: dict[tuple[bool, str], int] = {}
        codes = [
            names.setdefault((group is None, name if group is None else group), len(names))
            for name, group in zip(self.names, self.group, strict=True)
        ]
        return [name for _, name in names], np.array(codes, np.int64)


@dataclass
class History(Later):
    """Everything that the finders may read. ``source`` and ``row_word`` ("line", "row") serve messages alone."""

    source: str
    row_word: str
    time_unit: str
    drain: bool
    append_times: bool
    config: Mapping[str, Any] | None
    settled: bool
    producers: Sequence[str]
    brokers: Sequence[int]  # their ids, by code
    partitions: Sequence[str]
    keys: Sequence[str]
    values: Sequence[Any]
    words: Sequence[str]
    txns: Sequence[Any]
    consumers: Consumers
    records: Records
    appends: Appends
    rejects: Rejects
    outcomes: Outcomes
    marks: Marks
    leaders: Leaders
    truncations: Truncations
    log_starts: LogStarts
    compactions: Compactions
    polls: Polls
    positions: Positions
    commits: Commits
    processing: Processing
    transactions: Transactions
    txn_offsets: TxnOffsets
    wire: Wire
    notes: Notes
    ids: Any = None  # ids[row]: the event's own id or None; ids.line_of(id): its row or -1; None: no event has one
    causes: Column | None = None  # by row: the row of the event that made it happen, or -1; None where nothing says
    header: Mapping[str, Any] = field(default_factory=dict)
    trace: Any = None  # the sim.trace.Trace that it was made from, for stories; no finder reads it

    def tables(self) -> Iterator[tuple[str, Table]]:
        for f in fields(self):
            table = getattr(self, f.name)
            if isinstance(table, Table):
                yield f.name, table

    def event(self, row: int) -> Any:
        """How a witness names the event in *row*: its id where it has one."""
        return row if self.ids is None or self.ids[row] is None else self.ids[row]

    @property
    def first_broker(self) -> int:
        """The code of broker 1, which leads where nobody says who does."""
        return list(self.brokers).index(1)

    def topic_of(self, partition: int) -> str:
        name = self.partitions[partition]
        topic, dash, index = name.rpartition("-")
        return topic if dash and index.isdigit() else ""
