"""A verdict as text: from the JSON object that ``--json`` prints, so that a program is told all that a person is.

``tell_*`` print one section each, in the order in which a reader asks: what was run, does it hold, what was found, what
could not be checked, what was silently changed, how much, and the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from analysis.cli.console import STYLES, indented, paragraph
from analysis.cli.tables import print_table
from analysis.cli.wording import witness_words

__all__ = ["tell_answer", "tell_findings", "tell_measures", "tell_notes", "tell_verdict", "verdict_text"]

Told = Mapping[str, Any]


def tell_verdict(console: Console, told: Told) -> None:
    """The expectations with what was seen, then the one word."""
    expectations: Told = told.get("expectations") or {}
    if expectations:
        rows = [
            (name, str(one["expected"]), verdict_text(one["verdict"]), one.get("why") or "")
            for name, one in expectations.items()
        ]
        print_table(console, ("expectation", "expected", "verdict", ""), rows)
        console.print()
    line = Text.assemble("verdict: ", verdict_text(told["verdict"]))
    reasons = told.get("reasons") or []
    if reasons and not expectations:
        line.append(f" ({'; '.join(str(reason) for reason in reasons)})")
    console.print(line, soft_wrap=True)


def tell_findings(console: Console, findings: Told) -> None:
    """What was found, each with its first witness; then what was looked for in vain, and what could not be."""
    seen = {name: one for name, one in findings.items() if one["checked"] and one["count"]}
    if not seen:
        console.print("findings: none")
    else:
        rows = [(name, one["class"], f"{one['count']:,}", _allowed(one)) for name, one in seen.items()]
        print_table(console, ("finding", "class", "count", "under this configuration"), rows, right=(2,))
        console.print()
        for name, one in seen.items():
            if one["witnesses"]:
                indented(console, [f"{name}: {witness_words(name, one['witnesses'][0])}"])
    absent = [name for name, one in findings.items() if one["checked"] and not one["count"]]
    if absent:
        console.print()
        console.print("looked for and not there:")
        paragraph(console, ", ".join(absent), indent=2)
    _tell_unchecked(console, findings)


def _tell_unchecked(console: Console, findings: Told) -> None:
    """Names by the reason for which they could not be judged."""
    reasons: dict[str, list[str]] = {}
    for name, one in findings.items():
        if not one["checked"]:
            reasons.setdefault(str(one.get("why", "")), []).append(name)
    if reasons:
        console.print("not checked:")
        indented(console, (f"{', '.join(names)}: {why}" for why, names in reasons.items()))


def _allowed(finding: Told) -> Text:
    """Whether the configuration lets it happen, and the option that does."""
    if finding["class"] == "information":
        return Text("")
    by = finding.get("allowed_by")
    if finding["allowed"] is None:
        return Text(f"hangs on {by}" if by else "not known")
    if not finding["allowed"]:
        return Text("must not happen", style="bold red")
    return Text(f"allowed by {by}" if by else "allowed", style="yellow")


def tell_measures(console: Console, measures: Told, most: int = 8) -> None:
    """The streams with something to say, in short; all of it stands in the JSON."""
    late = {name: one for name, one in measures.items() if one["reordered_count"] or one["duplicates"]}
    if not late:
        if measures:
            console.print(f"\nall {len(measures)} streams: in order and without copies")
        return
    rows = [
        (name, f"{one['received_unique']:,}", f"{one['duplicates']:,}", f"{one['reordered_count']:,}",
         f"{100 * float(one['ratio']):.2f} %", str(one["max_extent"]))
        for name, one in list(late.items())[:most]
    ]  # fmt: skip
    header = ("stream", "records", "later copies", "late", "of records", "farthest behind")
    console.print()
    print_table(console, header, rows, right=(1, 2, 3, 4, 5))
    if len(late) > most:
        console.print(f"{len(late) - most} more like these")
    if len(late) < len(measures):
        console.print(f"{len(measures) - len(late)} other streams: in order and without copies")


def tell_notes(console: Console, notes: Mapping[str, Iterable[str]]) -> None:
    """What Kafka's own rules did to the options as written."""
    lines = [f"{place}: {note}" for place, some in notes.items() for note in some]
    if lines:
        console.print()
        console.print("options that are not what they seem:")
        indented(console, lines)


def tell_answer(console: Console, answer: str) -> None:
    if answer:
        console.print()
        console.print("what the scenario's author says:")
        paragraph(console, answer, indent=2)


def verdict_text(word: str) -> Text:
    return Text(word, style=STYLES.get(word, ""))
