"""One row of a trace as a sentence, for people who compare two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from analysis.from_trace import error_name
from sim.protocol.rows import Kind
from sim.trace import Trace

__all__ = ["RowWords"]

Row = Mapping[str, int]


class RowWords:
    """Names of hosts, partitions and records of *trace*, put into words."""

    def __init__(self, trace: Trace) -> None:
        header = trace.header
        self._sends, self._faults = trace.sends, header.get("faults") or []
        self._hosts = {int(host["number"]): str(host["name"]) for host in header.get("hosts") or ()}
        self._partitions = {int(p["number"]): f"{p['topic']}-{p['index']}" for p in header.get("partitions") or ()}
        self._producers = {int(one["prod"]): str(one["name"]) for one in header.get("producers") or ()}

    def event(self, row: Row) -> str:
        """A row of the table of events; its time stands elsewhere."""
        kind = Kind(row["kind"])
        tell = _TOLD.get(kind)
        rest = tell(self, row) if tell else self.what_is_set(row)
        return f"{self.host(row['host'])}: {kind.name} {rest}".rstrip()

    def send(self, row: Row) -> str:
        """A row of the table of sends."""
        key = f", key {row['key']}" if row["key"] >= 0 else ""
        return f"{self._producer(row)} sends {self._producer(row)}/{row['i']} to {self.partition(row)}{key}"

    def host(self, number: int) -> str:
        return self._hosts.get(number, f"host {number}")

    def partition(self, row: Row) -> str:
        number = row["partition"]
        return self._partitions.get(number, f"partition {number}") if number >= 0 else "every partition"

    def records(self, row: Row) -> str:
        """``billing/41`` or ``billing/41 to billing/44 (4 records)``."""
        sends, name = self._sends, self._producer(row)
        if row["kind"] == Kind.REFUSED:
            positions = np.arange(row["lo"], row["hi"])
        else:
            mine = (sends["prod"] == row["prod"]) & (sends["partition"] == row["partition"])
            mine &= (sends["lane"] >= row["lo"]) & (sends["lane"] < row["hi"])
            positions = np.sort(sends["i"][mine])
        if not len(positions):
            return f"records {row['lo']} to {row['hi'] - 1} of {name}'s lane"
        if len(positions) == 1:
            return f"{name}/{positions[0]}"
        return f"{name}/{positions[0]} to {name}/{positions[-1]} ({len(positions)} records)"

    def identity(self, row: Row) -> str:
        if row["pid"] < 0:
            return ""
        return f", producer id {row['pid']} epoch {row['epoch']} sequence {row['seq']}"

    def fault(self, row: Row) -> str:
        return str(self._faults[row["n"]]) if 0 <= row["n"] < len(self._faults) else ""

    def _producer(self, row: Row) -> str:
        return self._producers.get(row["prod"], f"producer {row['prod']}")

    def what_is_set(self, row: Row) -> str:
        """The columns of a rarer kind, by their names."""
        said = [self.partition(row)] if row["partition"] >= 0 else []
        unset = {"code": 0}
        said += [f"{name} {x}" for name, x in row.items() if name not in _ELSEWHERE and x != unset.get(name, -1)]
        return ", ".join(said)


_ELSEWHERE = {"t_us", "kind", "host", "cause", "partition"}


def _error(row: Row) -> str:
    return f": {error_name(row['code'])}" if row["code"] else ""


def _attempt(w: RowWords, row: Row) -> str:
    where = f"to {w.host(row['offset'])} on connection {row['conn']}, transmission {row['n']}"
    return f"{w.records(row)} for {w.partition(row)} {where}{w.identity(row)}"


def _told(w: RowWords, row: Row) -> str:
    at = f" at {row['offset']}" if row["offset"] >= 0 else ""
    return f"{w.records(row)} in {w.partition(row)}{at}{_error(row)}"


def _stored(w: RowWords, row: Row) -> str:
    return f"{w.records(row)} in {w.partition(row)} at {row['offset']}, leader epoch {row['lep']}{w.identity(row)}"


def _place(w: RowWords, row: Row) -> str:
    return f"{w.partition(row)} at {row['offset']}{_error(row)}"


def _led(w: RowWords, row: Row) -> str:
    leader = w.host(row["n"]) if row["n"] >= 0 else "nobody"
    unclean = ", unclean" if row["kind"] == Kind.LEADER and row["code"] else ""
    return f"{w.partition(row)}: {leader}, leader epoch {row['lep']}{unclean}"


def _connection(w: RowWords, row: Row) -> str:
    return f"{w.host(row['n'])} on connection {row['conn']}{_error(row)}"


def _producer_id(w: RowWords, row: Row) -> str:
    return f"producer id {row['pid']} epoch {row['epoch']}, for {w.partition(row)}"


def _fault(w: RowWords, row: Row) -> str:
    return w.fault(row)


_TOLD: dict[Kind, Callable[[RowWords, Row], str]] = {
    Kind.ATTEMPT: _attempt, Kind.APPEND: _stored, Kind.REPLICATE: _stored, Kind.DUPLICATE: _told, Kind.REJECT: _told,
    Kind.LEADER: _led, Kind.FOLLOWS: _led, Kind.METADATA: _led, Kind.FAULT: _fault, Kind.HEAL: _fault,
    Kind.CONNECT: _connection, Kind.DISCONNECT: _connection, Kind.PRODUCER_ID: _producer_id,
    **dict.fromkeys((Kind.RESPONSE, Kind.ACK, Kind.FAIL, Kind.UNKNOWN, Kind.REFUSED, Kind.EXPIRE, Kind.POLL), _told),
    **dict.fromkeys((Kind.HIGH_WATERMARK, Kind.TRUNCATE, Kind.LOG_START, Kind.RESET, Kind.SEEK), _place),
}  # fmt: skip

