"""The rows of a trace as a graph: what caused what, and what was going on where a cause is a clock.

A row names one cause. Where it names none, a deadline passed or a controller decided by itself; then the fault that is
still at work on the host concerned is the best answer that a trace has, and :meth:`Causes.background` gives it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.history import Column, History
from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.trace import Trace

__all__ = ["Causes"]

STRIKES = (Kind.FAULT, Kind.CRASH, Kind.PAUSE)
DECISIONS = (Kind.LEADER, Kind.FENCE, Kind.UNFENCE, Kind.PARTITIONS)
BY_THE_CLOCK = (Kind.DISCONNECT, *DECISIONS)  # what a deadline makes, without a row as its cause


class Causes:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.kind = trace.events["kind"]
        self.hosts = {int(host["number"]): str(host["name"]) for host in trace.header["hosts"]}
        self._host_of = {int(one["prod"]): int(one["host"]) for one in trace.header["producers"]}
        self._disconnects = self._table(Kind.DISCONNECT, "host", "conn", "code")
        self._duplicates = self._table(Kind.DUPLICATE, "conn", "prod", "partition", "offset")
        self._faults = self._table(Kind.FAULT, "cause", "conn", "n")

    def _table(self, kind: Kind, *names: str) -> dict[str, Column]:
        rows = np.flatnonzero(self.kind == kind)
        return {"row": rows} | {name: self.trace.events[name][rows] for name in names}

    def row(self, number: int) -> dict[str, int]:
        return self.trace.row(number)

    def producer_host(self, prod: int) -> int:
        return self._host_of.get(prod, -1)

    # --- transmissions ------------------------------------------------------------------------------------------------
    def disconnect(self, host: int, conn: int, after: int) -> tuple[int, int, str] | None:
        """When *host* learned that its connection was gone: (row, time, ``timed out`` or ``lost``)."""
        table = self._disconnects
        at = np.flatnonzero((table["host"] == host) & (table["conn"] == conn) & (table["row"] > after))
        if not len(at):
            return None
        row = int(table["row"][at[0]])
        timed_out = int(table["code"][at[0]]) == ErrorCode.REQUEST_TIMED_OUT
        return row, int(self.trace.events["t_us"][row]), "timed out" if timed_out else "lost"

    def recognised(self, conn: int, after: int, lane: tuple[int, int]) -> tuple[int, int, str] | None:
        """When a leader recognised a batch of that connection as one that it has: (row, time, old offset)."""
        table = self._duplicates
        mine = (table["conn"] == conn) & (table["row"] > after)
        at = np.flatnonzero(mine & (table["prod"] == lane[0]) & (table["partition"] == lane[1]))
        if not len(at):
            return None
        row = int(table["row"][at[0]])
        return row, int(self.trace.events["t_us"][row]), str(table["offset"][at[0]])

    def struck(self, attempt: int, conn: int, history: History) -> list[int]:
        """Scripted faults that met this very transmission."""
        table = self._faults
        return [int(row) for row in table["row"][(table["cause"] == attempt) & (table["conn"] == conn)].tolist()]

    # --- the graph ----------------------------------------------------------------------------------------------------
    def chain(self, row: int) -> list[int]:
        """*row* and what led to it, newest first."""
        found: list[int] = []
        while row >= 0 and len(found) < 1000:
            found.append(row)
            row = int(self.trace.events["cause"][row])
        return found

    def origin(self, row: int) -> list[int]:
        """The faults, crashes and decisions behind *row*, oldest first; those at work where a clock was the cause."""
        chain = self.chain(row)
        found = [one for one in chain if self.kind[one] in (*STRIKES, *DECISIONS)]
        root = chain[-1]
        if self.kind[root] in BY_THE_CLOCK:
            found += self.background(root)
        return sorted(set(found))

    def effect(self, fault: int) -> int | None:
        """The crash or pause that a fault's row made."""
        made = np.flatnonzero(self.trace.events["cause"][fault + 1 : fault + 3] == fault) + fault + 1
        return next((int(row) for row in made.tolist() if self.kind[row] in (Kind.CRASH, Kind.PAUSE)), None)

    def is_effect_of_one_of(self, row: int, rows: set[int]) -> bool:
        """A crash or pause whose fault is among *rows*, which tells of it."""
        return self.kind[row] in (Kind.CRASH, Kind.PAUSE) and int(self.trace.events["cause"][row]) in rows

    def background(self, row: int, most: int = 2) -> list[int]:
        """The latest strikes still at work on a host that *row* speaks of (its own, its peer, the one it fences)."""
        event = self.row(row)
        concerned = {event["host"]}
        if event["kind"] in (Kind.DISCONNECT, Kind.FENCE, Kind.UNFENCE):
            concerned = {event["n"]}
        if event["kind"] == Kind.LEADER:
            concerned |= self._led_before(event, row)
        found: list[int] = []
        for strike in np.flatnonzero(np.isin(self.kind[:row], STRIKES))[::-1].tolist():
            if self._host(strike) in concerned and not self._healed(strike, row):
                found += [one for one in self.chain(strike) if self.kind[one] in STRIKES]
            if len(found) >= most:
                break
        return found

    def lasting(self, row: int, hosts: set[int]) -> list[int]:
        """Faults of these hosts that go on for a time and were going on at *row* (slow links and disks, cuts, loss)."""
        found = []
        for strike in self._faults["row"][self._faults["row"] < row].tolist():
            number = int(self.trace.events["n"][strike])
            if self._host(strike) not in hosts or " for: " not in self.fault_text(strike):
                continue
            heals = np.flatnonzero(
                (self.kind[strike:row] == Kind.HEAL) & (self.trace.events["n"][strike:row] == number)
            )
            if not len(heals):
                found.append(strike)
        return found[-2:]

    def _host(self, row: int) -> int:
        return int(self.trace.events["host"][row])

    def _healed(self, strike: int, before: int) -> bool:
        """A heal or restart undoes it, unless that was less than a session ago (its echo goes on)."""
        host, t = self._host(strike), int(self.trace.events["t_us"][before])
        ends = np.flatnonzero(np.isin(self.kind[strike:before], (Kind.HEAL, Kind.RESUME, Kind.RESTART))) + strike
        for end in ends.tolist():
            if self._host(end) == host and t - int(self.trace.events["t_us"][end]) > ECHO_US:
                return True
        return False

    def _led_before(self, event: dict[str, int], row: int) -> set[int]:
        leaders = np.flatnonzero(
            (self.kind[:row] == Kind.LEADER) & (self.trace.events["partition"][:row] == event["partition"])
        )
        return {int(self.trace.events["n"][leaders[-1]])} if len(leaders) else set()

    # --- decisions ----------------------------------------------------------------------------------------------------
    def rows_of(self, *kinds: Kind, **values: int) -> list[int]:
        """Rows of these kinds whose columns have these values."""
        mask = np.isin(self.kind, kinds)
        for name, value in values.items():
            mask &= self.trace.events[name] == value
        return [int(row) for row in np.flatnonzero(mask).tolist()]

    def fault_text(self, row: int) -> str:
        """A fault as its file has it; "restart of broker-1" and the like for other strikes."""
        event = self.row(row)
        faults: list[Any] = self.trace.header.get("faults") or []
        return str(faults[event["n"]]) if 0 <= event["n"] < len(faults) else ""


ECHO_US = 2_000_000
