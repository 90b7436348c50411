"""What each line of the exchange format must look like, and the one message for each way in which it does not.

``check_header`` and ``check_event`` return nothing: they pass, or raise :class:`InputError` that names file, line,
field, rule and way out. A field that the format does not know is let through: other tools may say more than is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from analysis.columns import OFFSET_BITS
from sim.errors import InputError

__all__ = ["COMMON_FIELDS", "EVENTS", "check_event", "check_header", "parse_strictly"]

OFFSETS = 1 << OFFSET_BITS
LIMIT = 1 << 62  # of every integer: far above any offset or time, and safe to add

Test = Callable[[Any], bool]


def _integer(x: Any) -> bool:
    return type(x) is int and -LIMIT < x < LIMIT


def _natural(x: Any) -> bool:
    return type(x) is int and 0 <= x < LIMIT


def _offset(x: Any) -> bool:
    return type(x) is int and 0 <= x < OFFSETS


def _value(x: Any) -> bool:
    return (type(x) is str and x != "") or _integer(x)


def _partition(x: Any) -> bool:
    return _natural(x) or (type(x) is str and x != "")


def _record(x: Any) -> bool:
    return type(x) is list and len(x) == 3 and _partition(x[0]) and _offset(x[1]) and _value(x[2])


def _many(test: Test) -> Test:
    return lambda x: type(x) is list and all(map(test, x))


def _one_of(*words: str) -> Test:
    return lambda x: type(x) is str and x in words


# A type's test, and what it asks for in words.
TYPES: dict[str, tuple[Test, str]] = {
    "integer": (_integer, "an integer"),
    "natural": (_natural, "an integer from 0"),
    "seq": (lambda x: type(x) is int and -1 <= x < 1 << 31, "an integer from -1 to 2147483647"),
    "value": (_value, "a string that is not empty, or an integer"),
    "name": (lambda x: type(x) is str and x != "", "a string that is not empty"),
    "text": (lambda x: type(x) is str, "a string"),
    "any": (lambda x: True, "anything"),
    "bool": (lambda x: type(x) is bool, "true or false"),
    "partition": (_partition, 'a partition as "topic-index" or an integer from 0'),
    "partitions": (_many(_partition), "a list of partitions"),
    "offset": (_offset, "an offset from 0"),
    "naturals": (_many(_offset), "a list of offsets"),
    "values": (_many(_value), "a list of values"),
    "records": (_many(_record), "a list of [partition, offset, value]"),
    "role": (_one_of("leader", "follower"), '"leader" or "follower"'),
    "kind": (_one_of("commit", "abort"), '"commit" or "abort"'),
    "how": (_one_of("manual", "group", "rebalance"), '"manual", "group" or "rebalance"'),
    "state": (_one_of("begin", "commit", "abort", "unknown"), '"begin", "commit", "abort" or "unknown"'),
}

_IDENTITY = {"pid": "integer", "epoch": "integer", "seq": "seq"}

# event -> (required fields, optional fields), each field -> type (exchange format, section 2)
EVENTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "send": (
        {"prod": "name", "i": "natural", "v": "value"},
        {"p": "partition", "k": "value", "uid": "value", "op": "value", "txn": "value", "ts": "integer", **_IDENTITY},
    ),
    "append": (
        {"p": "partition", "o": "offset"},
        {"v": "value", "b": "natural", "role": "role", "lep": "integer", "txn": "value", "kind": "kind", **_IDENTITY},
    ),
    "reject": ({"prod": "name", "v": "value", "p": "partition", "why": "value"}, {}),
    "ack": ({"prod": "name", "v": "value", "p": "partition"}, {"o": "offset"}),
    "unknown": ({"prod": "name", "v": "value", "p": "partition"}, {"o": "offset"}),
    "fail": ({"prod": "name", "v": "value"}, {"error": "value", "p": "partition"}),
    "txn": ({"txn": "value", "state": "state"}, {}),
    "txn_offsets": ({"txn": "value", "con": "name", "p": "partition", "o": "offset"}, {}),
    "hw": ({"p": "partition", "o": "offset"}, {"b": "natural"}),
    "leader": ({"p": "partition", "b": "natural", "lep": "integer"}, {}),
    "truncate": ({"p": "partition", "to": "offset"}, {"b": "natural"}),
    "compact": ({"p": "partition", "removed": "naturals"}, {}),
    "logstart": ({"p": "partition", "o": "offset"}, {}),
    "assign": ({"con": "name", "p": "partitions", "how": "how"}, {}),
    "revoke": ({"con": "name", "p": "partitions"}, {}),
    "seek": ({"con": "name", "p": "partition", "o": "offset"}, {}),
    "reset": ({"con": "name", "p": "partition", "o": "offset", "why": "value"}, {}),
    "crash": ({"who": "value"}, {}),
    "poll": ({"con": "name", "recs": "records"}, {"op": "value", "txn": "value", "rebalanced": "partitions"}),
    "commit": ({"con": "name", "p": "partition", "o": "offset"}, {"auto": "bool", "ok": "bool"}),
    "proc_start": ({"con": "name", "p": "partition", "o": "offset"}, {}),
    "proc_end": ({"con": "name", "p": "partition", "o": "offset"}, {}),
    "attempt": (
        {"prod": "name", "vs": "values", "p": "partition", "b": "natural", "conn": "value", "n": "natural"},
        _IDENTITY,
    ),
    "response": (
        {"prod": "name", "vs": "values", "p": "partition", "conn": "value", "n": "natural"},
        {"error": "value", "o": "offset"},
    ),
    "fault": ({"what": "text"}, {"p": "partition", "b": "natural", "who": "value", "conn": "value", "vs": "values"}),
    "expire": ({"prod": "name", "vs": "values", "p": "partition"}, {}),
}
COMMON_FIELDS = {"id": "value", "cause": "value"}

_HEADER = {
    "time_unit": "text", "drain": "bool", "append_times": "bool", "config": "object", "consumers": "object",
}  # fmt: skip


def shown(x: Any) -> str:
    """A value as it stands in a message, cut where it is long."""
    text = json.dumps(x, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _guess(word: Any, known: Mapping[str, Any]) -> str:
    close = get_close_matches(str(word), known, 1)
    return f'did you mean "{close[0]}"?' if close else "known: " + ", ".join(known)


def _field_of(place: str, event: Mapping[str, Any], name: str, kind: str, required: bool) -> None:
    if name not in event:
        if required:
            raise InputError(f"{place}: {name}", f'"{event["e"]}" needs "{name}"', f"give {TYPES[kind][1]}")
        return
    x = event[name]
    if x is None and not required:
        return
    if not TYPES[kind][0](x):
        raise InputError(f"{place}: {name}", f"must be {TYPES[kind][1]}, not {shown(x)}")


def check_event(place: str, event: Any, last_t: int | None) -> None:
    """One event, whose line begins *place*; *last_t* is the time of the event before it."""
    if type(event) is not dict:
        raise InputError(place, f"a line is one JSON object, not {shown(event)}", 'such as {"t": 1, "e": "ack", ...}')
    for name in ("t", "e"):
        if name not in event:
            raise InputError(f"{place}: {name}", f'every event needs "{name}"')
    kind = event["e"]
    if type(kind) is not str or kind not in EVENTS:
        raise InputError(f"{place}: e", f"{shown(kind)} is not an event", _guess(kind, EVENTS))
    if not _integer(event["t"]):
        raise InputError(f"{place}: t", f"must be an integer, not {shown(event['t'])}", "count in time_unit")
    if last_t is not None and event["t"] < last_t:
        raise InputError(f"{place}: t", f"time goes back from {last_t} to {event['t']}", "sort the events by time")
    required, optional = EVENTS[kind]
    for name, type_name in required.items():
        _field_of(place, event, name, type_name, True)
    for name, type_name in (*optional.items(), *COMMON_FIELDS.items()):
        _field_of(place, event, name, type_name, False)
    if kind == "append":
        _check_append(place, event)


def _check_append(place: str, event: Mapping[str, Any]) -> None:
    control, value = event.get("kind") is not None, event.get("v") is not None
    if not control and not value:
        raise InputError(f"{place}: v", '"append" needs "v"', 'a control record has "kind" instead')
    if control and value:
        raise InputError(f"{place}: v", "a control record has no value", 'leave out "v" or "kind"')


def check_header(place: str, header: Any) -> None:
    if type(header) is not dict or header.get("format") != "korder-history":
        raise InputError(
            f"{place}: format", 'the first line must be the header of a "korder-history"',
            'begin with {"format": "korder-history", "version": 1, "time_unit": "us"}',
        )  # fmt: skip
    version = header.get("version")
    if type(version) is not int or version != 1:
        raise InputError(f"{place}: version", f"must be 1, not {shown(version)}", "this korder reads version 1")
    if header.get("time_unit", "us") not in ("ns", "us", "ms"):
        raise InputError(f"{place}: time_unit", f'must be "ns", "us" or "ms", not {shown(header["time_unit"])}')
    for name, kind in _HEADER.items():
        wanted: type = {"text": str, "bool": bool, "object": dict}[kind]
        if header.get(name) is not None and type(header[name]) is not wanted:
            raise InputError(f"{place}: {name}", f"must be {_WORDS[kind]}, not {shown(header[name])}")
    for consumer, options in (header.get("consumers") or {}).items():
        _check_consumer(f"{place}: consumers.{consumer}", options)


_WORDS = {"text": "a string", "bool": "true or false", "object": "an object"}


def _check_consumer(place: str, options: Any) -> None:
    if type(options) is not dict:
        raise InputError(place, f"must be an object, not {shown(options)}", 'such as {"group": "G"}')
    group = options.get("group")
    if group is not None and type(group) is not str:
        raise InputError(f"{place}.group", f"must be a string or null, not {shown(group)}")
    levels = ("read_committed", "read_uncommitted")
    if options.get("isolation", levels[1]) not in levels:
        raise InputError(f"{place}.isolation", f"must be one of {', '.join(levels)}, not {shown(options['isolation'])}")


def parse_strictly(place: str, line: bytes) -> Any:
    """One line of JSON; a repeated key, NaN, deep nesting or bytes that are not UTF-8 are refused."""

    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{place}: {twice}", f'the key "{twice}" stands twice', "keep one of them")
        return found

    def no_constant(word: str) -> NoReturn:
        raise InputError(place, f"{word} is not JSON", "use null or leave the field out")

    if not line.strip():
        raise InputError(place, "an empty line", "every line after the header is one event")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(place, f"not UTF-8 at byte {error.start}", "save the file as UTF-8") from None
    try:
        found = json.loads(text, object_pairs_hook=no_repeats, parse_constant=no_constant, parse_int=_parse_int)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except json.JSONDecodeError as error:
        raise InputError(place, f"not JSON: {error.msg} at column {error.colno}", "one JSON object a line") from None
    except RecursionError:
        raise InputError(place, "nested too deeply", "an event is a flat object") from None
    except UnicodeEncodeError:
        raise InputError(place, "half of a surrogate pair is no character", "write the whole character") from None


def _parse_int(digits: str) -> int:
    return int(digits[:21])  # 20 digits are out of range, so that what is cut here is refused, with its field
