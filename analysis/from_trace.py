"""From a simulated run (:class:`sim.trace.Trace`) to a :class:`History`, by whole columns.

Values are numbered lane by lane, so that a batch, which is a slice of its lane, is a run of neighbouring values and
stays one row. Records whose ``send()`` was refused come behind all lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, overload

import numpy as np

import analysis.history as h
from analysis.columns import by_group
from analysis.history import Column, Consumers, History, Records
from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.trace import Trace

__all__ = ["config_of", "history_of"]


def history_of(trace: Trace) -> History:
    """Everything that the finders may know of *trace*."""
    return _Expansion(trace).history()


class _Values(Sequence[Any]):
    """Names of values, made when asked for: ``producer/i`` unless the scenario gives one."""

    def __init__(self, producers: Sequence[str], prod: Column, i: Column, given: Mapping[str, Any]) -> None:
        self._producers, self._prod, self._i = producers, prod, i
        self._given = {(int(p), int(n)): value for p, named in given.items() for n, value in named.items()}

    def __len__(self) -> int:
        return len(self._prod)

    @overload
    def __getitem__(self, code: int) -> Any: ...
    @overload
    def __getitem__(self, code: slice) -> Sequence[Any]: ...
    def __getitem__(self, code: int | slice) -> Any:
        if isinstance(code, slice):
            return [self[n] for n in range(*code.indices(len(self)))]
        prod, i = int(self._prod[code]), int(self._i[code])
        return self._given.get((prod, i)) or f"{self._producers[prod]}/{i}"


class _Words(Sequence[str]):
    """Small vocabulary of errors and notes; it grows while tables are made."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, code: Any) -> Any:
        return list(self.codes)[code]

    def code(self, word: str) -> int:
        return self.codes.setdefault(word, len(self.codes))

    def errors(self, codes: Column) -> Column:
        """By error code: the word for it; -1 for no error."""
        found = np.full(len(codes), -1, np.int64)
        for number in np.unique(codes).tolist():
            if number:
                found[codes == number] = self.code(error_name(number))
        return found


def error_name(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"


class _Expansion:
    def __init__(self, trace: Trace) -> None:
        self.trace, self.header = trace, trace.header
        self.events = trace.events
        self.kind = trace.events["kind"]
        self.producers = _instance_names(self.header["producers"])
        in_order = sorted(self.header["partitions"], key=lambda p: int(p["number"]))
        self.partitions = [f"{p['topic']}-{p['index']}" for p in in_order]
        internal = self.header.get("internal") or ()
        # Kafka's own partitions are not judged; the last entry is that of rows without a partition (-1).
        self.internal = np.array([*(p["topic"] in internal for p in in_order), False])
        self.words = _Words()
        self._by_kind = np.argsort(self.kind.astype(np.uint8), kind="stable")
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(self.kind, minlength=max(Kind) + 1))))
        self._number_values()

    def _number_values(self) -> None:
        sends = {name: _wide(column) for name, column in self.trace.sends.items()}
        in_lane = sends["lane"] >= 0
        none = len(self.producers) * len(self.partitions)
        lanes = np.where(in_lane, sends["prod"].astype(np.int64) * len(self.partitions) + sends["partition"], none)
        order = by_group(lanes)
        place = np.where(in_lane, sends["lane"], sends["i"])
        if ((np.diff(place[order]) < 0) & (np.diff(lanes[order]) == 0)).any():
            order = np.lexsort((place, lanes))
        self.sends = {name: column[order] for name, column in sends.items()}
        lane = lanes[order][: int(in_lane.sum())]
        self.base = np.zeros(len(self.producers) * max(len(self.partitions), 1), np.int64)
        if len(lane):
            starts = np.flatnonzero(np.concatenate(([True], lane[1:] != lane[:-1])))
            self.base[lane[starts]] = starts - self.sends["lane"][starts]

    # --- rows of one kind ---------------------------------------------------------------------------------------------
    def rows(self, *kinds: Kind) -> Column:
        found = [self._by_kind[self._starts[kind] : self._starts[kind + 1]] for kind in kinds]
        rows = found[0] if len(found) == 1 else np.sort(np.concatenate(found), kind="stable")
        return rows[~self.internal[self.events["partition"][rows]]] if self.internal.any() else rows

    def get(self, name: str, rows: Column) -> Column:
        return _wide(self.events[name][rows])

    def run(self, rows: Column) -> tuple[Column, Column]:
        """(first value, count) of the slices in *rows*."""
        lo = self.get("lo", rows)
        lane = self.get("prod", rows).astype(np.int64) * len(self.partitions) + self.get("partition", rows)
        return self.base[lane] + lo, (self.get("hi", rows) - lo).astype(np.int64)

    def plain(self, rows: Column, *names: str) -> list[Column]:
        """Row, time, and these columns."""
        return [rows, self.get("t_us", rows), *(self.get(name, rows) for name in names)]

    # --- tables -------------------------------------------------------------------------------------------------------
    def records(self) -> Records:
        sends, size = self.sends, len(self.sends["i"])
        return Records.later(
            prod=sends["prod"], i=self._positions(), partition=sends["partition"], key=self._keys(), uid=self._uids(),
            row=lambda: np.searchsorted(self.events["t_us"], sends["t_us"], side="left"), t=sends["t_us"],
            op=lambda: np.full(size, -1, np.int8), txn=lambda: np.full(size, -1, np.int8), size=sends["size"],
        )  # fmt: skip

    def _positions(self) -> Column:
        """Positions of the calls in time: their indexes, but repeats by the application have the last ones."""
        prod, i, t = (self.sends[name] for name in ("prod", "i", "t_us"))
        order = np.lexsort((i, prod))
        if ((t[order][1:] >= t[order][:-1]) | (prod[order][1:] != prod[order][:-1])).all():
            return i
        order = np.lexsort((i, t, prod))
        starts = np.flatnonzero(np.concatenate(([True], np.diff(prod[order]) != 0)))
        position = np.empty(len(i), np.int64)
        position[order] = np.arange(len(i)) - np.repeat(starts, np.diff(np.append(starts, len(i))))
        return position

    def _keys(self) -> Column:
        """Keys by name: producers number their keys each for itself."""
        found = np.full(len(self.sends["key"]), -1, np.int64)
        self.key_names: dict[str, int] = {}
        for prod, names in _by_instance(self.header.get("keys") or {}, self.header["producers"]).items():
            codes = np.array([self.key_names.setdefault(str(n), len(self.key_names)) for n in names] or [-1])
            mine = (self.sends["prod"] == prod) & (self.sends["key"] >= 0)
            found[mine] = codes[self.sends["key"][mine]]
        return found

    def _uids(self) -> Column:
        """A call by which the application repeats another means what that one meant."""
        uid = np.arange(len(self.sends["i"]))
        again = np.array(self.header.get("resends") or [], np.int64).reshape(-1, 4)
        if len(again):
            keys = (self.sends["prod"].astype(np.int64) << 32) | self.sends["i"]
            order = np.argsort(keys, kind="stable")
            calls = [(again[:, k] << 32) | again[:, k + 1] for k in (0, 2)]
            at = [order[np.minimum(np.searchsorted(keys[order], call), len(order) - 1)] for call in calls]
            made = (keys[at[0]] == calls[0]) & (keys[at[1]] == calls[1])
            uid[at[0][made]] = at[1][made]
        return uid

    def appends(self) -> h.Appends:
        rows = self.rows(Kind.APPEND, Kind.REPLICATE)
        value, count = self.run(rows)
        told = {"partition": "partition", "offset": "offset", "broker": "host"}
        asked = {"t": "t_us", "lep": "lep", "pid": "pid", "epoch": "epoch", "seq": "seq", "conn": "conn"}
        return h.Appends.later(
            row=rows, value=value, count=count, **{ours: self.get(theirs, rows) for ours, theirs in told.items()},
            **{ours: partial(self.get, theirs, rows) for ours, theirs in asked.items()},
            follower=lambda: self.kind[rows] == Kind.REPLICATE, txn=lambda: np.full(len(rows), -1, np.int8),
            kind=lambda: np.full(len(rows), h.DATA, np.int8),
        )  # fmt: skip

    def rejects(self) -> h.Rejects:
        rows = self.rows(Kind.REJECT)
        value, count = self.run(rows)
        row, t, prod, partition = self.plain(rows, "prod", "partition")
        return h.Rejects(row, t, prod, partition, value, count, self.words.errors(self.get("code", rows)))

    def outcomes(self) -> h.Outcomes:
        rows = self.rows(Kind.ACK, Kind.UNKNOWN, Kind.FAIL)
        kind = np.select([self.kind[rows] == Kind.ACK, self.kind[rows] == Kind.UNKNOWN], [h.ACK, h.UNKNOWN], h.FAIL)
        value, count = self.run(rows)
        row, t, prod, partition, offset = self.plain(rows, "prod", "partition", "offset")
        error = self.words.errors(self.get("code", rows))
        told = h.Outcomes(row, t, kind, prod, partition, value, count, offset, error)
        refused = self._refused()
        if not len(refused):
            return told
        both = [np.concatenate(pair) for pair in zip(told.columns().values(), refused.columns().values(), strict=True)]
        return h.Outcomes(*(column[np.argsort(both[0], kind="stable")] for column in both))

    def _refused(self) -> h.Outcomes:
        """``send()`` itself failed: those rows name send indexes, not lane positions."""
        rows = self.rows(Kind.REFUSED)
        found: list[tuple[int, ...]] = []
        wanted = {int(p): self._by_index(int(p)) for p in np.unique(self.get("prod", rows))}
        for row in rows.tolist():
            e = self.trace.row(row)
            error = self.words.code(error_name(e["code"]))
            for i in range(e["lo"], e["hi"]):
                value = wanted[e["prod"]].get(i, -1)
                if value >= 0:
                    found.append((row, e["t_us"], h.FAIL, e["prod"], e["partition"], value, 1, -1, error))
        return h.Outcomes(*np.array(found, np.int64).reshape(-1, 9).T)

    def _by_index(self, prod: int) -> dict[int, int]:
        mine = np.flatnonzero((self.sends["prod"] == prod) & (self.sends["lane"] < 0))
        return dict(zip(self.sends["i"][mine].tolist(), mine.tolist(), strict=True))

    def marks(self) -> h.Marks:
        rows = self.rows(Kind.HIGH_WATERMARK)
        rows = rows[self.events["n"][rows] == 1]
        return h.Marks(*self.plain(rows, "partition", "offset", "host"))

    def leaders(self) -> h.Leaders:
        rows = self.rows(Kind.LEADER)
        rows = rows[self.events["n"][rows] >= 0]
        return h.Leaders(*self.plain(rows, "partition", "n", "lep"))

    def polls(self) -> h.Polls:
        rows = self.rows(Kind.POLL)
        value, count = self.run(rows)
        row, t, host, partition, offset, number = self.plain(rows, "host", "partition", "offset", "n")
        consumer = self._consumer_of(host)
        # The rows of a poll are neighbours. Numbers begin anew with each process, so the time counts too.
        changes = [np.diff(column) != 0 for column in (consumer, number, t)]
        group = np.concatenate(([0], np.cumsum(changes[0] | changes[1] | changes[2]))) if len(rows) else rows
        return h.Polls(row, t, consumer, partition, offset, value, count, group, np.full(len(rows), -1, np.int64))

    def positions(self) -> h.Positions:
        rows = self.rows(Kind.ASSIGN, Kind.REVOKE, Kind.RESET, Kind.SEEK, Kind.CRASH)
        consumer = self._consumer_of(self.get("host", rows))
        rows, consumer = rows[consumer >= 0], consumer[consumer >= 0]
        kind = np.select(
            [self.kind[rows] == k for k in (Kind.ASSIGN, Kind.REVOKE, Kind.RESET, Kind.SEEK)],
            [h.FORGET_ASSIGN, h.FORGET_REVOKE, h.FORGET_RESET, h.FORGET_SEEK], h.FORGET_CRASH,
        )  # fmt: skip
        row, t, partition, offset = self.plain(rows, "partition", "offset")
        return h.Positions(row, t, kind, consumer, partition, offset)

    def commits(self) -> h.Commits:
        rows = self.rows(Kind.COMMIT)
        row, t, host, partition, offset, ok, auto = self.plain(rows, "host", "partition", "offset", "n", "seq")
        return h.Commits(row, t, self._consumer_of(host), partition, offset, auto == 1, ok == 1)

    def processing(self) -> h.Processing:
        """A row of the trace stands for its records, one after another: at its start the first of them begins, at its
        end that one ends, and each of the others begins and ends."""
        rows = self.rows(Kind.PROC_START, Kind.PROC_END)
        ends = self.kind[rows] == Kind.PROC_END
        count = np.where(ends, 2 * (self.get("hi", rows) - self.get("lo", rows)) - 1, 1)
        step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        rows, ends = np.repeat(rows, count), np.repeat(ends, count)
        row, t, host, partition, offset = self.plain(rows, "host", "partition", "offset")
        end = ends & (step % 2 == 0)
        return h.Processing(row, t, end, self._consumer_of(host), partition, offset + (step + 1) // 2)

    def _consumer_of(self, host: Column) -> Column:
        codes = np.full(max([*self.consumer_hosts, int(host.max(initial=0))], default=0) + 1, -1, np.int64)
        codes[self.consumer_hosts] = np.arange(len(self.consumer_hosts))
        return codes[host]

    def wire(self) -> h.Wire:
        rows = self.rows(Kind.ATTEMPT, Kind.RESPONSE)
        value, count = self.run(rows)
        row, t, prod, partition, broker, conn, n = self.plain(rows, "prod", "partition", "offset", "conn", "n")
        response = self.kind[rows] == Kind.RESPONSE
        error = self.words.errors(np.where(response, self.get("code", rows), 0))
        return h.Wire(row, t, response, prod, partition, value, count, np.where(response, -1, broker), conn, n, error)

    def notes(self) -> h.Notes:
        told = (Kind.FAULT, Kind.HEAL, Kind.CRASH, Kind.RESTART, Kind.PAUSE, Kind.RESUME, Kind.EXPIRE)
        rows = self.rows(*told)
        kind = np.array([self.words.code(Kind(k).name.lower()) for k in self.kind[rows].tolist()], np.int64)
        what = np.array([self.words.code(self._text(int(row))) for row in rows], np.int64)
        row, t, host, partition = self.plain(rows, "host", "partition")
        return h.Notes(row, t, kind, what, host, partition)

    def _text(self, row: int) -> str:
        e, faults = self.trace.row(row), self.header.get("faults") or []
        if e["kind"] in (Kind.FAULT, Kind.HEAL) and 0 <= e["n"] < len(faults):
            return str(faults[e["n"]])
        hosts = {int(host["number"]): str(host["name"]) for host in self.header["hosts"]}
        return hosts.get(e["host"], "")

    # --- the whole ----------------------------------------------------------------------------------------------------
    def history(self) -> History:
        header = self.header
        consumers = [host for host in header["hosts"] if host["kind"] == "consumer"]
        self.consumer_hosts = [int(host["number"]) for host in consumers]
        records, settled = self.records(), bool(header.get("settled"))
        values = _Values(self.producers, records.prod, self.sends["i"], header.get("values") or {})
        cuts, starts = self.rows(Kind.TRUNCATE), self.rows(Kind.LOG_START)
        names = [str(host["name"]) for host in consumers]
        groups = {int(one["host"]): str(one["group"]) for one in header.get("members") or ()}
        tables: dict[str, Any] = {
            name: getattr(self, name)() for name in (
                "appends", "rejects", "outcomes", "marks", "leaders", "polls", "positions", "commits", "processing",
            )
        }  # fmt: skip
        tables |= {"wire": self.wire, "notes": self.notes}  # for pictures and stories only
        return History.later(
            source=str(header.get("title") or "trace"), row_word="row", time_unit="us",
            drain=settled and self._everything_read(tables["positions"]), append_times=True,
            config=config_of(header), settled=settled, producers=self.producers,
            brokers=range(max(int(host["number"]) for host in header["hosts"]) + 1), partitions=self.partitions,
            keys=list(self.key_names), values=values, words=self.words, txns=[],
            consumers=Consumers(names, [groups.get(host) for host in self.consumer_hosts], [False] * len(names)),
            records=records,
            truncations=h.Truncations(*self.plain(cuts, "partition", "offset", "host")),
            log_starts=h.LogStarts(*self.plain(starts, "partition", "offset")), compactions=h.Compactions.empty(),
            transactions=h.Transactions.empty(), txn_offsets=h.TxnOffsets.empty(), header=header, ids=None,
            trace=self.trace, **tables,
        )  # fmt: skip

    def _everything_read(self, positions: h.Positions) -> bool:
        """Some reader was assigned to every partition."""
        assigned = positions.partition[positions.kind == h.FORGET_ASSIGN]
        mine = int(np.count_nonzero(~self.internal[:-1]))
        return len(np.unique(assigned)) == mine > 0


def _wide(column: Column) -> Column:
    """At least 32 bits: codes are multiplied, and small ones would overflow."""
    return column if column.dtype.itemsize >= 4 else column.astype(np.int32)


def _instance_names(producers: Sequence[Mapping[str, Any]]) -> list[str]:
    names = []
    for one in sorted(producers, key=lambda p: int(p["prod"])):
        name, again = str(one["name"]), int(one.get("incarnation") or 1)
        names.append(name if again <= 1 or "#" in name else f"{name}#{again}")
    return names


def _by_instance(keys: Mapping[str, Any], producers: Sequence[Mapping[str, Any]]) -> dict[int, Any]:
    """Key names by producer instance; the header gives them by producer."""
    return {int(one["prod"]): keys.get(str(one.get("producer") or one["name"]), ()) for one in producers}


_CLIENT = {
    "acks": "acks", "idempotence": "enable.idempotence", "max_in_flight": "max.in.flight.requests.per.connection",
    "retries": "retries",
}  # fmt: skip


def config_of(header: Mapping[str, Any]) -> dict[str, Any] | None:
    """Resolved settings under Kafka's names, as the exchange format has them."""
    scenario = header.get("scenario")
    if not isinstance(scenario, Mapping) or "topics" not in scenario:
        return None
    clients, topics = {}, {}
    for one in scenario.get("producers") or ():
        settings = one.get("settings") or {}
        told = {kafka: settings[ours] for ours, kafka in _CLIENT.items() if ours in settings}
        told["client"] = "librdkafka" if "message_timeout_us" in settings else "java"
        clients[str(one["name"])] = told
    for one in scenario["topics"]:
        settings = one.get("settings") or {}
        topics[str(one["name"])] = {
            "min.insync.replicas": settings.get("min_insync_replicas", 1),
            "unclean.leader.election.enable": bool(settings.get("unclean_leader_election")),
            "replication.factor": min((len(replicas) for replicas in one.get("replicas") or [[]]), default=0),
        }  # fmt: skip
    return {"clients": clients, "topics": topics}
