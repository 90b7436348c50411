"""Histories written by hand, a line an event, in few words.

    send P1 1 a1 o-0 k=c7        append o-0 0 a1 b=2 role=follower      ack P1 a1 o-0 0
    hw o-0 1    leader o-0 2 1   truncate o-0 3 b=1    compact o-0 3,4  logstart o-0 2
    assign C1 o-0,o-1            revoke C1 o-0         seek C1 o-0 0    reset C1 o-0 0
    poll C1 o-0:0:a1 o-0:1:a2    commit C1 o-0 1       crash C1         txn T1 commit

An event's time is its line unless it begins with ``@time``. What else is needed stands as ``name=value``; ``;`` ends a
line as well. The first line of a file is the header, so the first event is line 2: so witnesses name it.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from analysis.history import History
from analysis.jsonl.read import read_jsonl
from analysis.verdict import Verdict, judge

__all__ = ["assert_none", "counts", "events_of", "header", "history", "judged", "witnesses", "write"]

FIELDS = {
    "send": ("prod", "i", "v", "p"), "append": ("p", "o", "v"), "control": ("p", "o", "kind"),
    "reject": ("prod", "v", "p", "why"), "ack": ("prod", "v", "p", "o"), "unknown": ("prod", "v", "p", "o"),
    "fail": ("prod", "v"), "hw": ("p", "o"), "leader": ("p", "b", "lep"), "truncate": ("p", "to"),
    "compact": ("p", "removed"), "logstart": ("p", "o"), "assign": ("con", "p"), "revoke": ("con", "p"),
    "seek": ("con", "p", "o"), "reset": ("con", "p", "o"), "crash": ("who",), "commit": ("con", "p", "o"),
    "attempt": ("prod", "vs", "p", "b", "conn", "n"), "response": ("prod", "vs", "p", "conn", "n"),
    "txn": ("txn", "state"), "proc_start": ("con", "p", "o"), "proc_end": ("con", "p", "o"), "fault": ("what",),
    "txn_offsets": ("txn", "con", "p", "o"),
}  # fmt: skip
NUMBERS = {"i", "o", "b", "lep", "to", "pid", "epoch", "seq", "n", "ts"}
LISTS = {("compact", "removed"), ("assign", "p"), ("revoke", "p"), ("attempt", "vs"), ("response", "vs")}
DEFAULTS = {"assign": {"how": "manual"}, "reset": {"why": "start"}}


def event(words: str, line: int) -> dict[str, Any]:
    time, parts = line, words.split()
    if parts[0].startswith("@"):
        time, parts = int(parts[0][1:]), parts[1:]
    kind = parts[0]
    plain = [part for part in parts[1:] if "=" not in part]
    named = dict(part.split("=", 1) for part in parts[1:] if "=" in part)
    if kind == "poll":
        records = [[p, int(o), v] for p, o, v in (one.split(":") for one in plain[1:])]
        if "rebalanced" in named:
            return {"t": time, "e": kind, "con": plain[0], "recs": records, "rebalanced": [named["rebalanced"]]}
        return {"t": time, "e": kind, "con": plain[0], "recs": records, **named}
    given = dict(zip(FIELDS[kind], plain, strict=False)) | named
    told = {name: value_of(kind, name, x) for name, x in given.items()}
    return {"t": time, "e": "append" if kind == "control" else kind, **DEFAULTS.get(kind, {}), **told}


def value_of(kind: str, name: str, text: str) -> Any:
    if (kind, name) in LISTS:
        return [int(x) if name == "removed" else x for x in text.split(",")]
    if name in ("auto", "ok"):
        return text == "true"
    return int(text) if name in NUMBERS else text


def events_of(text: str) -> list[dict[str, Any]]:
    lines = [line.strip() for line in text.replace(";", "\n").splitlines()]
    return [event(line, number) for number, line in enumerate((line for line in lines if line), 2)]


def header(**more: Any) -> dict[str, Any]:
    return {"format": "korder-history", "version": 1, "time_unit": "us", **more}


def write(path: Path, text: str, **more: Any) -> Path:
    lines = [header(**more), *events_of(text)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def history(text: str, **more: Any) -> History:
    with TemporaryDirectory() as folder:
        return read_jsonl(write(Path(folder) / "history.jsonl", text, **more))


def judged(text: str, **more: Any) -> Verdict:
    return judge(history(text, **more))


def counts(text: str, **more: Any) -> dict[str, int]:
    """Names with a count, of violations and alternatives."""
    found = judged(text, **more).findings.values()
    return {one.name: one.count for one in found if one.count and one.kind != "information"}


def assert_none(name: str, histories: dict[str, str], **more: Any) -> None:
    """The finding *name* was looked for in every one of these histories, and is in none."""
    findings = {title: judged(text, **more).findings[name] for title, text in histories.items()}
    assert {title: (one.checked, one.count) for title, one in findings.items()} == dict.fromkeys(histories, (True, 0))


def witnesses(verdict: Verdict, name: str) -> list[tuple[list[Any], list[int], list[int]]]:
    """(values, offsets, lines) of each witness."""
    told = verdict.findings[name].witnesses
    return [([record.get("v") for record in one["records"]], one["offsets"], one["events"]) for one in told]
