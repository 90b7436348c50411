"""A whole run in the trace-event format, which ui.perfetto.dev and chrome://tracing open.

A host is a process, a connection or a partition a thread of it. Transmissions are spans from the send to the answer
(or to the loss of the connection); appends, refusals and reports are moments; an arrow joins a request to its append;
high watermarks are counters. Times are microseconds, as the format wants them.

Format: "Trace Event Format" (Google, catapult project): ``ph`` b/e async spans, X complete events, i instants, s/f
flows, C counters, M metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.trace import Trace

__all__ = ["trace_events"]

Event = dict[str, Any]
CLIENT_THREAD, LOG_THREADS, WORLD = 1, 1_000_000, 2
INSTANTS = {
    Kind.REJECT: "refuses", Kind.DUPLICATE: "recognises", Kind.TRUNCATE: "truncates", Kind.LEADS: "leads",
    Kind.FOLLOWS: "follows", Kind.ACK: "ack", Kind.UNKNOWN: "unknown", Kind.FAIL: "fail", Kind.EXPIRE: "expires",
    Kind.DISCONNECT: "disconnected", Kind.PRODUCER_ID: "producer id", Kind.RESET: "position reset",
}  # fmt: skip
DECISIONS = {Kind.LEADER: "leader", Kind.FENCE: "fences", Kind.UNFENCE: "unfences", Kind.PARTITIONS: "partitions"}
STRIKES = {Kind.FAULT: "fault", Kind.HEAL: "heal", Kind.CRASH: "crash", Kind.RESTART: "restart", Kind.PAUSE: "pause",
           Kind.RESUME: "resume"}  # fmt: skip


def trace_events(trace: Trace) -> dict[str, Any]:
    """The object to write as JSON. Its size is that of the run: about 150 bytes an event."""
    made = _Maker(trace)
    other = {key: trace.header.get(key) for key in ("title", "seed", "digest")}
    return {"displayTimeUnit": "ms", "otherData": other, "traceEvents": [*made.names(), *made.events()]}


class _Maker:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.partitions = {int(p["number"]): f"{p['topic']}-{p['index']}" for p in trace.header["partitions"]}
        self.producers = {int(p["prod"]): str(p["name"]) for p in trace.header["producers"]}
        self.threads: dict[tuple[int, int], str] = {}
        appends = trace.events["kind"] == Kind.APPEND
        self.requests = set(trace.events["cause"][appends].tolist())

    def names(self) -> list[Event]:
        """Whose lines are whose; made last, but they stand first."""
        self._events = list(self._all())
        found: list[Event] = []
        for host in self.trace.header["hosts"]:
            told = {"pid": host["number"], "tid": 0, "ts": 0, "ph": "M"}
            found.append({**told, "name": "process_name", "args": {"name": f"{host['name']} ({host['kind']})"}})
            found.append({**told, "name": "process_sort_index", "args": {"sort_index": host["number"]}})
        for (pid, tid), name in sorted(self.threads.items()):
            found.append({"pid": pid, "tid": tid, "ts": 0, "ph": "M", "name": "thread_name", "args": {"name": name}})
        return found

    def events(self) -> list[Event]:
        return self._events

    def _all(self) -> Iterator[Event]:
        yield from self._spans()
        for row in self.trace.rows(Kind.APPEND, Kind.REPLICATE, Kind.POLL):
            yield from self._slice(row)
        for row in self.trace.rows(*INSTANTS, *DECISIONS, *STRIKES):
            yield self._instant(row)
        for row in self.trace.rows(Kind.HIGH_WATERMARK):
            if row["n"] == 1:
                name = f"high watermark of {self.partitions[row['partition']]}"
                yield {
                    "pid": row["host"],
                    "tid": 0,
                    "ts": row["t_us"],
                    "ph": "C",
                    "name": name,
                    "args": {"offset": row["offset"]},
                }

    # --- threads ------------------------------------------------------------------------------------------------------
    def _thread(self, host: int, row: dict[str, int]) -> int:
        """Clients have one a connection, brokers one a partition, and everybody one for what befalls it."""
        if row["kind"] in (Kind.ATTEMPT, Kind.RESPONSE, Kind.DISCONNECT) and row["conn"] >= 0:
            return self._named(host, CLIENT_THREAD + 1 + row["conn"], f"connection {row['conn']}")
        if row["partition"] >= 0:
            return self._named(host, LOG_THREADS + row["partition"], self.partitions.get(row["partition"], "partition"))
        return self._named(host, CLIENT_THREAD, "process")

    def _named(self, host: int, thread: int, name: str) -> int:
        self.threads.setdefault((host, thread), name)
        return thread

    # --- events -------------------------------------------------------------------------------------------------------
    def _batch(self, row: dict[str, int]) -> str:
        who = self.producers.get(row["prod"], "")
        count = row["hi"] - row["lo"]
        return f"{who} {self.partitions.get(row['partition'], '')} [{row['lo']}..{row['hi'] - 1}]" if count else who

    def _spans(self) -> Iterator[Event]:
        """Transmissions: begun by the attempt, ended by its answer or by the end of its connection."""
        ends = self._ends()
        for number in np.flatnonzero(self.trace.events["kind"] == Kind.ATTEMPT).tolist():
            row = self.trace.row(number)
            host, thread = row["host"], self._thread(row["host"], row)
            yield from self._request(number, host, thread, row["t_us"])
            told: Event = {
                "pid": host,
                "tid": thread,
                "cat": "produce",
                "id": number,
                "name": f"produce {self._batch(row)}",
            }
            yield {
                **told,
                "ph": "b",
                "ts": row["t_us"],
                "args": {"attempt": row["n"], "broker": row["offset"], "row": number},
            }
            end, how = ends.get(number, (None, ""))
            if end is not None:
                yield {**told, "ph": "e", "ts": end, "args": {"result": how}}

    def _request(self, number: int, host: int, thread: int, t_us: int) -> Iterator[Event]:
        """A slice of its own for the arrow to start at; a request of several batches is told by its first."""
        if number in self.requests:
            at = {"pid": host, "tid": thread, "ts": t_us}
            yield {**at, "dur": 1, "ph": "X", "name": "send", "cat": "request"}
            yield {**at, "ph": "s", "id": number, "name": "request", "cat": "request"}

    def _ends(self) -> dict[int, tuple[int, str]]:
        """By attempt: when and how it ended."""
        open_ones: dict[tuple[int, int, int, int], int] = {}
        found: dict[int, tuple[int, str]] = {}
        for number in np.flatnonzero(
            np.isin(self.trace.events["kind"], (Kind.ATTEMPT, Kind.RESPONSE, Kind.DISCONNECT))
        ).tolist():
            row = self.trace.row(number)
            lane = (row["conn"], row["partition"], row["prod"], row["lo"])
            if row["kind"] == Kind.ATTEMPT:
                open_ones[lane] = number
            elif row["kind"] == Kind.RESPONSE and lane in open_ones:
                found[open_ones.pop(lane)] = row["t_us"], _error(row["code"]) or "stored"
            elif row["kind"] == Kind.DISCONNECT:
                for key in [key for key in open_ones if key[0] == row["conn"]]:
                    if self.trace.events["host"][open_ones[key]] == row["host"]:
                        found[open_ones.pop(key)] = row["t_us"], "connection lost"
        return found

    def _slice(self, row: dict[str, int]) -> Iterator[Event]:
        word = {Kind.APPEND: "append", Kind.REPLICATE: "copy", Kind.POLL: "poll"}[Kind(row["kind"])]
        count = max(row["hi"] - row["lo"], 1)
        name = f"{word} @{row['offset']}" + (f"..{row['offset'] + count - 1}" if count > 1 else "")
        args = {"batch": self._batch(row), "leader epoch": row["lep"], "connection": row["conn"], "cause": row["cause"]}
        at = {"pid": row["host"], "tid": self._thread(row["host"], row), "ts": row["t_us"]}
        shown = {key: value for key, value in args.items() if value != -1}
        yield {**at, "dur": 1, "ph": "X", "name": name, "cat": word, "args": shown}
        if row["kind"] == Kind.APPEND and row["cause"] in self.requests:
            yield {**at, "ph": "f", "bp": "e", "id": row["cause"], "name": "request", "cat": "request"}

    def _instant(self, row: dict[str, int]) -> Event:
        kind = Kind(row["kind"])
        host = row["host"] if row["host"] >= 0 else 0
        name, thread = self._words(kind, row), self._thread(host, row)
        cat = "fault" if kind in STRIKES else "decision" if kind in DECISIONS else "event"
        scope = "g" if kind in (Kind.FAULT, Kind.LEADER) else "t"
        return {"pid": host, "tid": thread, "ts": row["t_us"], "ph": "i", "s": scope, "name": name, "cat": cat,
                "args": {"cause": row["cause"]}}  # fmt: skip

    def _words(self, kind: Kind, row: dict[str, int]) -> str:
        if kind in (Kind.FAULT, Kind.HEAL):
            faults = self.trace.header.get("faults") or []
            text = str(faults[row["n"]]) if 0 <= row["n"] < len(faults) else ""
            return f"{STRIKES[kind]}: {text}"
        if kind == Kind.LEADER:
            unclean = ", unclean" if row["code"] == 1 else ""
            return f"{self.partitions[row['partition']]}: broker {row['n']} leads, epoch {row['lep']}{unclean}"
        word = {**INSTANTS, **DECISIONS, **STRIKES}[kind]
        if row["prod"] >= 0 and row["hi"] >= 0:
            error = _error(row["code"])
            return f"{word} {self._batch(row)}" + (f": {error}" if error else "")
        return (
            f"{word} to {row['offset']}"
            if kind == Kind.TRUNCATE
            else f"{word} {row['n']}"
            if kind in DECISIONS
            else word
        )


def _error(code: int) -> str:
    if code == 0:
        return ""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"
