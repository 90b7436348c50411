"""What clients recorded and what brokers' logs hold, as one history.

Recordings are merged by their times; the records of dumped logs become appends, ``append_times`` is false. An append's
true time is not known. It stands where it can have been at the earliest: behind its own ``send`` and the record before
it in the log, so that whoever read it read it later.

Which record a stored one is, *identity* says: ``value`` (its text), ``key``, ``json:FIELD`` (a field of a value that
is a JSON object) or ``place`` (none of them). Where there is no such text, it is what was read or acknowledged at that
offset. What no recording sent is named by its place, as ``orders-0@17``: nothing is known of it, so that two of them
are never the same.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.jsonl.lines import MAX_LINE_BYTES, LineTooLong, chunks_of_lines
from analysis.jsonl.rules import check_event, check_header, parse_strictly
from analysis.log_dump import Dump, Stored, read_dump
from sim.errors import InputError

__all__ = ["Joined", "join"]

Event = dict[str, Any]
Place = tuple[str, int]


@dataclass
class Joined:
    """*events*: the header first. The counts are those of the parts."""

    header: Event
    recorded: list[Event]
    appended: list[Event]
    sends: int
    stored: int  # data records in the leaders' logs
    known: int  # of them, those that some recording sent

    def events(self) -> Iterator[Event]:
        yield self.header
        yield from heapq.merge(self.recorded, self.appended, key=lambda event: event["t"])


def join(recordings: list[Path], logs: list[tuple[int, Path]], *, identity: str, drain: bool) -> Joined:
    """*logs*: (broker id, dump). The first one that has a partition is the log of its leader.

    :class:`sim.errors.InputError` where a part is wrong, or where the parts are not of one run.
    """
    text_of = _identity(identity)
    header, recorded = _recorded(recordings)
    header |= {"drain": drain or bool(header.get("drain")), "append_times": False}
    names = _Names(recorded, text_of)
    appends = _Appends(names, recorded[0]["t"] if recorded else 0)
    for broker, path in logs:
        for partition, dump in read_dump(path).items():
            appends.add(partition, broker, dump)
    joined = Joined(header, recorded, appends.events(), len(names.sent), appends.stored, appends.known)
    if joined.sends and joined.stored and not joined.known:
        rule = f"none of the {joined.stored} records in the logs is one that a recording sent"
        raise InputError("--identity", rule, "say what their identity is: value, key, json:FIELD or place")
    return joined


def _identity(text: str) -> Callable[[Stored], str | None]:
    kind, _, name = text.partition(":")
    if text == "value":
        return lambda record: record.value
    if text == "key":
        return lambda record: record.key
    if text == "place":
        return lambda record: None
    if kind == "json" and name:
        return lambda record: _json_field(record.value, name)
    raise InputError("--identity", f"{text!r} does not name what a record is", "use value, key, json:FIELD or place")


def _json_field(value: str | None, name: str) -> str | None:
    try:
        told = json.loads(value or "")
    except (ValueError, RecursionError):
        return None
    found = told.get(name) if isinstance(told, dict) else None
    return None if found is None or isinstance(found, dict | list) else str(found)


# --- recordings -------------------------------------------------------------------------------------------------------
def _recorded(paths: list[Path]) -> tuple[Event, list[Event]]:
    header: Event = {"format": "korder-history", "version": 1}
    parts: list[list[Event]] = []
    owners: dict[str, Path] = {}
    for path in paths:
        mine, events = _read(path)
        _merge(header, mine, path)
        for name in {str(event["prod"]): None for event in events if "prod" in event}:
            if owners.setdefault(name, path) != path:
                rule = f"{name} is a producer of {owners[name]} too"
                raise InputError(str(path), rule, "give each start of a program a name of its own")
        parts.append(events)
    return header, list(heapq.merge(*parts, key=lambda event: event["t"]))


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """(its place, the line) of each."""
    number = 0
    try:
        for block in chunks_of_lines(path):
            for line in block[:-1].split(b"\n"):
                number += 1
                yield f"{path}:{number}", line
    except LineTooLong:
        rule = f"a line is at most {MAX_LINE_BYTES} bytes long"
        raise InputError(f"{path}:{number + 1}", rule, "one event a line") from None


def _read(path: Path) -> tuple[Event, list[Event]]:
    header: Event = {}
    events: list[Event] = []
    last_t = None
    for place, line in _lines(path):
        event = parse_strictly(place, line)
        if not header:
            check_header(place, event)
            header = event
            continue
        check_event(place, event, last_t)
        if event["e"] == "append":
            raise InputError(place, "a recording that has appends already", "analyze it as it is")
        last_t = event["t"]
        events.append(event)
    if not header:
        raise InputError(str(path), "the file is empty", "the first line is the header")
    return header, events


def _merge(header: Event, mine: Mapping[str, Any], path: Path) -> None:
    for name, x in mine.items():
        if name == "drain":
            header[name] = bool(x) and header.get(name, True)
        elif isinstance(x, dict):
            held = header.setdefault(name, {})
            for key, one in x.items():
                merged = _merged if name == "config" else _same
                held[key] = merged(path, f"{name}.{key}", held.get(key, one), one)
        else:
            header[name] = _same(path, name, header.get(name, x), x)


def _merged(path: Path, name: str, before: Any, now: Any) -> Any:
    if isinstance(before, dict) and isinstance(now, dict):
        both = before | now
        return {key: _merged(path, f"{name}.{key}", before.get(key, x), x) for key, x in both.items()}
    return _same(path, name, before, now)


def _same(path: Path, name: str, before: Any, now: Any) -> Any:
    if before != now:
        rule = f"is {json.dumps(now)}, and {json.dumps(before)} in another recording"
        raise InputError(f"{path}:1: {name}", rule, "join recordings of one run")
    return now


# --- logs -------------------------------------------------------------------------------------------------------------
class _Names:
    """Which value a stored record is, and when it was sent."""

    def __init__(self, recorded: list[Event], text_of: Callable[[Stored], str | None]) -> None:
        self._text_of = text_of
        self.sent: dict[Any, int] = {event["v"]: event["t"] for event in recorded if event["e"] == "send"}
        self._by_text = {str(v): v for v in self.sent}
        self._by_place: dict[Place, Any] = {}
        for event in recorded:
            if event["e"] == "ack" and event.get("o") is not None:
                self._by_place.setdefault((str(event["p"]), event["o"]), event["v"])
        for event in recorded:
            for p, o, v in event["recs"] if event["e"] == "poll" else ():
                self._by_place[str(p), o] = v  # what was read is there, whatever was told to the producer

    def of(self, partition: str, record: Stored) -> Any:
        text, here = self._text_of(record), f"{partition}@{record.offset}"
        if not self.sent:
            return text or here
        return self._by_text.get(text, here) if text else self._by_place.get((partition, record.offset), here)


class _Appends:
    def __init__(self, names: _Names, first_t: int) -> None:
        self._names, self._first_t = names, first_t
        self._leaders: dict[str, int] = {}
        self._events: list[Event] = []
        self.stored = self.known = 0

    def add(self, partition: str, broker: int, dump: Dump) -> None:
        leader = self._leaders.setdefault(partition, broker)
        about: Event = {"t": self._first_t, "p": partition}
        if leader == broker:
            self._events += self._of_the_leader(about, broker, dump)
        t = self._first_t
        for record in dump.records:
            event = {"e": "append", "p": partition, "o": record.offset, "b": broker, "lep": record.lep}
            if leader != broker:
                event["role"] = "follower"
            if record.kind is not None:
                event["kind"] = record.kind
            else:
                event["v"] = v = self._names.of(partition, record)
                t = max(t, self._names.sent.get(v, t))
                if leader == broker:
                    self.stored += 1
                    self.known += v in self._names.sent
            if record.pid >= 0:
                event |= {"pid": record.pid, "epoch": record.epoch} | ({"seq": record.seq} if record.seq >= 0 else {})
            self._events.append({"t": t, **event})

    @staticmethod
    def _of_the_leader(about: Event, broker: int, dump: Dump) -> Iterator[Event]:
        if broker != 1:
            lep = max((record.lep for record in dump.records), default=0)
            yield {**about, "e": "leader", "b": broker, "lep": lep}
        if dump.start:
            yield {**about, "e": "logstart", "o": dump.start}
        if dump.compacted:
            yield {**about, "e": "compact", "removed": dump.compacted}

    def events(self) -> list[Event]:
        """In order of time; of equal times, a log's own order stays."""
        return sorted(self._events, key=lambda event: event["t"])
