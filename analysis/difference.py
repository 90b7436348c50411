"""Two histories beside each other: where their traces first part, what they are of, and which findings come or go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.finding import Finding
from analysis.row_words import RowWords
from analysis.verdict import Verdict, history_of, judge
from sim.trace import SAYS_WHERE_FROM, Trace, first_divergence

__all__ = ["Changed", "Difference", "Parting", "Side", "difference"]

NOTHING_MORE = "nothing more: the trace has ended"


@dataclass(frozen=True)
class Side:
    """One of the two. *trace*: None for a history that did not come from a run of korder."""

    name: str
    verdict: Verdict
    trace: Trace | None

    @classmethod
    def at(cls, path: Path) -> Side:
        """:class:`sim.errors.InputError` where there is neither a trace nor a history."""
        trace = Trace.load(path) if path.is_dir() or path.suffix == ".parquet" else None
        return cls(str(path), judge(history_of(path if trace is None else trace)), trace)


@dataclass(frozen=True)
class Parting:
    """The first row in which two traces differ. A side that has ended has no time and no words of its own."""

    table: str
    row: int
    t_us: tuple[int | None, int | None]
    words: tuple[str, str]


@dataclass(frozen=True)
class Changed:
    """A finding whose count is not the same. None: it could not be checked."""

    name: str
    kind: str
    a: int | None
    b: int | None

    @property
    def change(self) -> str:
        if self.a is None or self.b is None:
            return "can be checked only in " + ("b" if self.a is None else "a")
        if not self.a or not self.b:
            return "appears" if self.b else "vanishes"
        return f"{abs(self.b - self.a):,} {'more' if self.b > self.a else 'fewer'}"


@dataclass(frozen=True)
class Difference:
    """*settings*: (name, in a, in b) of what the runs were asked to be; empty for what is no trace."""

    both_traces: bool
    settings: list[tuple[str, Any, Any]]
    parting: Parting | None
    findings: list[Changed]

    @property
    def same(self) -> bool:
        """Nothing came out differently, whatever was asked."""
        return self.parting is None and not self.findings

    def to_json(self) -> dict[str, Any]:
        parting = self.parting
        return {
            "same": self.same, "traces": self.both_traces,
            "settings": [{"name": name, "a": a, "b": b} for name, a, b in self.settings],
            "parting": None if parting is None else {
                "table": parting.table, "row": parting.row, "a": {"t_us": parting.t_us[0], "words": parting.words[0]},
                "b": {"t_us": parting.t_us[1], "words": parting.words[1]},
            },
            "findings": [
                {"name": one.name, "class": one.kind, "a": one.a, "b": one.b, "change": one.change}
                for one in self.findings
            ],
        }  # fmt: skip


def difference(a: Side, b: Side) -> Difference:
    findings = list(_changed(a.verdict.findings, b.verdict.findings))
    if a.trace is None or b.trace is None:
        return Difference(False, [], None, findings)
    return Difference(True, list(_settings(a.trace, b.trace)), _parting(a.trace, b.trace), findings)


def _changed(a: Mapping[str, Finding], b: Mapping[str, Finding]) -> Iterator[Changed]:
    for name in dict.fromkeys((*a, *b)):
        counts = [side[name].count if name in side and side[name].checked else None for side in (a, b)]
        if counts[0] != counts[1]:
            yield Changed(name, (a.get(name) or b[name]).kind, counts[0], counts[1])


def _parting(a: Trace, b: Trace) -> Parting | None:
    found = first_divergence(a, b)
    if found is None:
        return None
    words = []
    for trace, row in ((a, found.a), (b, found.b)):
        tell = RowWords(trace).event if found.table == "events" else RowWords(trace).send
        words.append(NOTHING_MORE if row is None else tell(row))
    if found.a is not None and found.b is not None and words[0] == words[1]:
        unlike = [name for name in found.a if found.a[name] != found.b[name] and name != "t_us"]
        words = [
            f"{text} ({', '.join(f'{name} {row[name]}' for name in unlike)})" if unlike else text
            for text, row in zip(words, (found.a, found.b), strict=True)
        ]
    times = [None if row is None else row["t_us"] for row in (found.a, found.b)]
    return Parting(found.table, found.row, (times[0], times[1]), (words[0], words[1]))


def _settings(a: Trace, b: Trace) -> Iterator[tuple[str, Any, Any]]:
    """What differs in what was asked: title, seed, Kafka's options under their names, then all else as resolved."""
    for name in ("title", "seed"):
        if a.header.get(name) != b.header.get(name):
            yield name, a.header.get(name), b.header.get(name)
    ours, theirs = (trace.header.get("scenario") or {} for trace in (a, b))
    options = list(_unlike(ours.get("options"), theirs.get("options"), ""))
    yield from options
    rest = [{key: x for key, x in one.items() if key not in SAYS_WHERE_FROM} for one in (ours, theirs)]
    for name, mine, other in _unlike(rest[0], rest[1], ""):
        if not options or not _is_a_setting(name):
            yield name, mine, other


def _is_a_setting(name: str) -> bool:
    """What an option of Kafka became; said already under its own name."""
    return ".settings." in name or name.startswith(("broker_settings.", "controller_settings."))


def _unlike(a: Any, b: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ, by their path; members of a list go by their names where they have some."""
    a, b = _by_name(a), _by_name(b)
    if not isinstance(a, dict) or not isinstance(b, dict):
        if a != b:
            yield path, a, b
        return
    for key in dict.fromkeys((*a, *b)):
        yield from _unlike(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))


def _by_name(x: Any) -> Any:
    if not isinstance(x, list) or not x or not all(isinstance(one, dict) for one in x):
        return x
    names = [one.get("name", number) for number, one in enumerate(x)]
    return dict(zip(names, x, strict=True)) if len(set(names)) == len(names) else dict(enumerate(x))
