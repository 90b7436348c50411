"""From the exchange format (JSON Lines) to a :class:`History`.

Strict: the first line that is not as ``rules`` wants it ends the reading, and nothing is judged. Memory is a few
dozen bytes an event and the names; no event is kept as an object.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import fields
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

import analysis.history as h
from analysis.history import Column, Consumers, History, Records, Table
from analysis.jsonl.block import Block, Codes, Irregular, Kind, Lines
from analysis.jsonl.common import ALONE, COMMON, OF_OP, OF_TXN, RESULTS
from analysis.jsonl.ids import Ids, Named
from analysis.jsonl.lines import MAX_LINE_BYTES, LineTooLong, ahead, chunks_of_lines
from analysis.jsonl.rules import check_event, check_header, parse_strictly
from analysis.jsonl.shape import Shape
from analysis.jsonl.tables import Growing, coded_brokers, in_order, table_of
from sim.errors import InputError

__all__ = ["read_jsonl"]

Event = dict[str, Any]

_TABLES: dict[str, type[Table]] = {
    "records": Records, "appends": h.Appends, "rejects": h.Rejects, "outcomes": h.Outcomes, "marks": h.Marks,
    "leaders": h.Leaders, "truncations": h.Truncations, "log_starts": h.LogStarts, "compactions": h.Compactions,
    "polls": h.Polls, "positions": h.Positions, "commits": h.Commits, "processing": h.Processing,
    "transactions": h.Transactions, "txn_offsets": h.TxnOffsets, "wire": h.Wire, "notes": h.Notes,
}  # fmt: skip
_KINDS = {None: h.DATA, "commit": h.COMMIT, "abort": h.ABORT}
_STATES = {"begin": 0, "commit": 1, "abort": 2, "unknown": 3}


def read_jsonl(path: str | Path) -> History:
    """The history in *path* (``.gz`` and ``.zst`` are unpacked); :class:`InputError` where it is not one."""
    path = Path(path)
    reader = _Reader(str(path))
    try:
        for lines in ahead(chunks_of_lines(path), Lines):
            reader.read(lines)
    except LineTooLong:
        rule = f"a line is at most {MAX_LINE_BYTES} bytes long"
        raise InputError(f"{path}:{reader.line}", rule, "one event a line") from None
    if not reader.header:
        raise InputError(str(path), "the file is empty", "the first line is the header")
    return reader.history()


class _Reader:
    """Names, and a growing block of columns per table."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.header: Event = {}
        self.line = 1  # the next
        self.last_t: int | None = None
        self.columns = {name: Growing(len(fields(kind))) for name, kind in _TABLES.items()}
        self.put: dict[str, Callable[[Iterable[int]], None]] = {k: v.row for k, v in self.columns.items()}
        self.producers, self.partitions, self.keys, self.values = Codes(), Codes(), Codes(), Codes()
        self.words, self.txns, self.consumers, self.groups = Codes(), Codes(), Codes(), Codes()
        self.shape = Shape()
        self.ids, self.caused = Ids(), Named()
        self.assigned: dict[int, set[int]] = {}
        self.handlers: dict[str, Callable[[int, int, Event], None]] = {
            name: getattr(self, f"_{name}") for name in (
                "send", "append", "reject", "txn", "txn_offsets", "hw", "leader", "truncate", "compact", "logstart",
                "assign", "revoke", "seek", "reset", "crash", "poll", "commit", "attempt", "response", "fault",
                "expire",
            )
        }  # fmt: skip
        self.handlers |= dict.fromkeys(RESULTS, self._outcome)
        self.handlers |= dict.fromkeys(("proc_start", "proc_end"), self._processing)

    def read(self, lines: Lines) -> None:
        """The header, or a block of lines: by columns where all is plain, else line by line."""
        if self.line == 1:
            self._open(lines.text[:-1])
            return
        try:
            block = Block(self.line, lines, self.last_t, self.shape)
            self._read_columns(block)
        except Irregular:
            self._read_strictly(lines.text)
        else:
            self.line += len(block.t)
            self.last_t = int(block.t[-1])

    def _open(self, line: bytes) -> None:
        header = parse_strictly(f"{self.source}:1", line)
        check_header(f"{self.source}:1", header)
        self.header = header
        for name in header.get("consumers") or {}:
            self.consumers[name]
        self.line = 2

    def _read_columns(self, block: Block) -> None:
        """Nothing is kept before all of the block has been found regular, but for codes of names."""
        made: dict[str, list[list[Column]]] = {}
        for kind in block.kinds:
            if kind.name in COMMON:
                table, columns = COMMON[kind.name](self, kind)
                made.setdefault(table, []).append(columns)
        named = Named()
        for kind in block.kinds:
            if kind.has("id"):
                named.add(self.ids.looks, *kind.named("id"))
        if not self.ids.add(named):
            raise Irregular
        for kind in block.kinds:
            if kind.has("cause"):
                self.caused.add(self.ids.looks, *kind.named("cause"))
        for table, parts in made.items():
            self.columns[table].add(parts[0] if len(parts) == 1 else in_order(parts, "records" == table))
        self._take_the_rest(block)
        if block.new:
            words = {"prod": self.producers, "con": self.consumers, "partition": self.partitions}
            self.shape.learn(block.fields(), {kind: codes.names() for kind, codes in words.items()}, block.new)

    def _take_the_rest(self, block: Block) -> None:
        """Rare events, one by one, in order."""
        rest = [kind.events() for kind in block.kinds if kind.name not in COMMON and isinstance(kind, Kind)]
        for row, event in heapq.merge(*rest, key=itemgetter(0)):
            self.handlers[event["e"]](row, event["t"], event)

    def _read_strictly(self, lines: bytes) -> None:
        named: dict[Any, int] = {}
        caused: dict[int, Any] = {}
        for line, text in enumerate(lines[:-1].split(b"\n"), self.line):
            place = f"{self.source}:{line}"
            event = parse_strictly(place, text)
            check_event(place, event, self.last_t)
            self.last_t = event["t"]
            if event.get("id") is not None:
                self._identify(line, event["id"], named)
            if event.get("cause") is not None:
                caused[line] = event["cause"]
            self.handlers[event["e"]](line, event["t"], event)
            self.line = line + 1
        whole = Named()
        whole.add(self.ids.looks, np.array(list(named.values()), np.int64), list(named))
        self.ids.add(whole)
        self.caused.add(self.ids.looks, np.array(list(caused), np.int64), list(caused.values()))

    def _identify(self, line: int, name: Any, named: dict[Any, int]) -> None:
        """Add an id to those of the block."""
        before = named.get(name, self.ids.line_of(name))
        if before >= 0:
            place = f"{self.source}:{line}: id"
            raise InputError(place, f"{name!r} is already the id of line {before}", "ids are unique")
        named[name] = line

    # --- what clients did ---------------------------------------------------------------------------------------------
    def _send(self, line: int, t: int, e: Event) -> None:
        value, uid = self.values[e["v"]], e.get("uid")
        self.put["records"]((
            value, self.producers[e["prod"]], e["i"], self.partitions[e.get("p")],
            self.keys[e.get("k")], value if uid is None else self.values[uid], line, t,
            self.words[e.get("op")], self.txns[e.get("txn")],
        ))  # fmt: skip

    def _outcome(self, line: int, t: int, e: Event) -> None:
        failed = e["e"] == "fail"
        self.put["outcomes"]((
            line, t, RESULTS[e["e"]], self.producers[e["prod"]], self.partitions[e.get("p")],
            self.values[e["v"]], 1, -1 if failed else _or(e.get("o")),
            self.words[e.get("error")] if failed else -1,
        ))  # fmt: skip

    def _attempt(self, line: int, t: int, e: Event) -> None:
        self._on_the_wire(line, t, e, 0, e["b"])

    def _response(self, line: int, t: int, e: Event) -> None:
        self._on_the_wire(line, t, e, 1, -1)

    def _on_the_wire(self, line: int, t: int, e: Event, response: int, broker: int) -> None:
        error = self.words[e.get("error")]
        prod, p, conn, n = self.producers[e["prod"]], self.partitions[e["p"]], self.words[e["conn"]], e["n"]
        for v in e["vs"]:
            self.put["wire"]((line, t, response, prod, p, self.values[v], 1, broker, conn, n, error))

    def _txn(self, line: int, t: int, e: Event) -> None:
        self.put["transactions"]((line, t, self.txns[e["txn"]], _STATES[e["state"]]))

    def _txn_offsets(self, line: int, t: int, e: Event) -> None:
        con, p = self.consumers[e["con"]], self.partitions[e["p"]]
        self.put["txn_offsets"]((line, t, self.txns[e["txn"]], con, p, e["o"]))

    # --- what brokers did ---------------------------------------------------------------------------------------------
    def _append(self, line: int, t: int, e: Event) -> None:
        self.put["appends"]((
            line, t, self.partitions[e["p"]], e["o"], self.values[e.get("v")], 1, _or(e.get("b"), 1),
            e.get("role") == "follower", _or(e.get("lep")), _or(e.get("pid")), _or(e.get("epoch")), _or(e.get("seq")),
            self.txns[e.get("txn")], _KINDS[e.get("kind")], -1,
        ))  # fmt: skip

    def _reject(self, line: int, t: int, e: Event) -> None:
        prod, p = self.producers[e["prod"]], self.partitions[e["p"]]
        self.put["rejects"]((line, t, prod, p, self.values[e["v"]], 1, self.words[e["why"]]))

    def _hw(self, line: int, t: int, e: Event) -> None:
        self.put["marks"]((line, t, self.partitions[e["p"]], e["o"], _or(e.get("b"))))

    def _leader(self, line: int, t: int, e: Event) -> None:
        self.put["leaders"]((line, t, self.partitions[e["p"]], e["b"], e["lep"]))

    def _truncate(self, line: int, t: int, e: Event) -> None:
        self.put["truncations"]((line, t, self.partitions[e["p"]], e["to"], _or(e.get("b"), 1)))

    def _compact(self, line: int, t: int, e: Event) -> None:
        p = self.partitions[e["p"]]
        for offset in e["removed"]:
            self.put["compactions"]((line, t, p, offset))

    def _logstart(self, line: int, t: int, e: Event) -> None:
        self.put["log_starts"]((line, t, self.partitions[e["p"]], e["o"]))

    def _fault(self, line: int, t: int, e: Event) -> None:
        broker, p = _or(e.get("b")), self.partitions[e.get("p")]
        self.put["notes"]((line, t, self.words["fault"], self.words[e["what"]], broker, p))

    def _expire(self, line: int, t: int, e: Event) -> None:
        what = self.words[", ".join(map(str, e["vs"]))]
        self.put["notes"]((line, t, self.words["expire"], what, -1, self.partitions[e["p"]]))

    def _crash(self, line: int, t: int, e: Event) -> None:
        who = str(e["who"])
        self.put["notes"]((line, t, self.words["crash"], self.words[who], -1, -1))
        if who in self.consumers or who in (self.header.get("consumers") or {}):
            con = self.consumers[who]
            self.assigned.pop(con, None)
            self.put["positions"]((line, t, h.FORGET_CRASH, con, -1, -1))

    # --- what readers did ---------------------------------------------------------------------------------------------
    def _assign(self, line: int, t: int, e: Event) -> None:
        con, new = self.consumers[e["con"]], [self.partitions[p] for p in e["p"]]
        old = self.assigned.get(con, set())
        for p in dict.fromkeys(new):
            if p not in old:
                self.put["positions"]((line, t, h.FORGET_ASSIGN, con, p, -1))
        for p in sorted(old.difference(new)):
            self.put["positions"]((line, t, h.FORGET_REVOKE, con, p, -1))
        self.assigned[con] = set(new)

    def _revoke(self, line: int, t: int, e: Event) -> None:
        con = self.consumers[e["con"]]
        for p in map(self.partitions.__getitem__, e["p"]):
            self.put["positions"]((line, t, h.FORGET_REVOKE, con, p, -1))
            self.assigned.setdefault(con, set()).discard(p)

    def _seek(self, line: int, t: int, e: Event) -> None:
        con, p = self.consumers[e["con"]], self.partitions[e["p"]]
        self.put["positions"]((line, t, h.FORGET_SEEK, con, p, e["o"]))

    def _reset(self, line: int, t: int, e: Event) -> None:
        con, p = self.consumers[e["con"]], self.partitions[e["p"]]
        self.put["positions"]((line, t, h.FORGET_RESET, con, p, e["o"]))

    def _poll(self, line: int, t: int, e: Event) -> None:
        con, op, txn = self.consumers[e["con"]], self.words[e.get("op")], self.txns[e.get("txn")]
        for p in e.get("rebalanced") or ():
            self.put["positions"]((line, t, h.FORGET_REVOKE, con, self.partitions[p], -1))
        mark = (OF_TXN, txn) if txn >= 0 else (OF_OP, op) if op >= 0 else (ALONE, line)
        group = self.groups[(con, *mark)]
        for p, o, v in e["recs"]:
            self.put["polls"]((line, t, con, self.partitions[p], o, self.values[v], 1, group, txn))

    def _commit(self, line: int, t: int, e: Event) -> None:
        con, p = self.consumers[e["con"]], self.partitions[e["p"]]
        self.put["commits"]((line, t, con, p, e["o"], bool(e.get("auto")), e.get("ok") is not False))

    def _processing(self, line: int, t: int, e: Event) -> None:
        con, p = self.consumers[e["con"]], self.partitions[e["p"]]
        self.put["processing"]((line, t, e["e"] == "proc_end", con, p, e["o"]))

    # --- the whole ----------------------------------------------------------------------------------------------------
    def history(self) -> History:
        header = self.header
        tables: dict[str, Any] = {n: table_of(kind, self.columns[n]) for n, kind in _TABLES.items() if n != "records"}
        tables["records"] = self._records()
        brokers = coded_brokers(tables)
        self.ids.whole()
        history = History(
            brokers=brokers, source=self.source, row_word="line", time_unit=header.get("time_unit") or "us",
            drain=bool(header.get("drain")), append_times=header.get("append_times") is not False,
            config=header.get("config"), settled=True, producers=self.producers.names(),
            partitions=list(map(str, self.partitions.names())), keys=list(map(str, self.keys.names())),
            values=self.values.names(), words=list(map(str, self.words.names())), txns=self.txns.names(),
            consumers=self._consumers(), header=header, ids=self.ids.by_line() if self.ids else None,
            causes=self.ids.causes(self.caused), **tables,
        )  # fmt: skip
        self._check_owners(history)
        return history

    def _records(self) -> Records:
        size = len(self.values)
        value, *sent = self.columns["records"].whole()
        self._check_sent_once(value, sent[5])
        columns = [np.full(size, -1, np.int64) for _ in range(10)]
        columns[4] = np.arange(size)  # a value that nobody sent is its own identity
        for column in columns[:9]:
            column[value] = sent.pop(0)
        return Records(*columns)

    def _check_sent_once(self, value: Column, row: Column) -> None:
        if np.bincount(value, minlength=1).max() < 2:
            return
        order = np.lexsort((row, value))
        again = order[1:][value[order[1:]] == value[order[:-1]]]
        second = again[np.argmin(row[again])]
        first = int(row[value == value[second]].min())
        name = self.values.names()[int(value[second])]
        raise InputError(
            f"{self.source}:{int(row[second])}: v", f"{name!r} was already sent in line {first}",
            'every send call has its own "v"; give both the same "uid" where they mean the same thing',
        )  # fmt: skip

    def _consumers(self) -> Consumers:
        named = self.header.get("consumers") or {}
        options = [named.get(name, {}) for name in self.consumers.names()]
        return Consumers(
            self.consumers.names(),
            [o.get("group") for o in options],
            [o.get("isolation") == "read_committed" for o in options],
        )

    def _check_owners(self, history: History) -> None:
        """What a producer is told is about its own records."""
        told = history.outcomes
        sender = history.records.prod[told.value]
        wrong = np.flatnonzero((sender >= 0) & (sender != told.prod))
        if len(wrong):
            row, value = int(told.row[wrong[0]]), history.values[told.value[wrong[0]]]
            owner = history.producers[sender[wrong[0]]]
            raise InputError(f"{self.source}:{row}: prod", f"{value!r} was sent by {owner}", f'write "{owner}"')


def _or(x: Any, default: int = -1) -> int:
    return default if x is None else int(x)
