"""Where words go: results to stdout, progress to stderr. Colours and moving bars only on a terminal, and no colours
under ``NO_COLOR``; elsewhere plain lines of a fixed width, so that the same run prints the same text everywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from textwrap import fill
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["STYLES", "Steps", "counted", "indented", "paragraph", "print_json", "results", "steps"]

PLAIN_WIDTH = 120

STYLES = {"holds": "bold green", "broken": "bold red", "undecided": "bold yellow"}


def results() -> Console:
    return _console(sys.stdout)


def _console(stream: IO[str]) -> Console:
    # legacy_windows and the environment's COLUMNS must not change what a file or a pipe gets.
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False, force_jupyter=False)


def print_json(value: Any) -> None:
    """One object, keys as they come: their order is part of the output's promise to be the same every time."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def paragraph(console: Console, text: str, indent: int = 0, style: str = "", hang: int = 0) -> None:
    """Text in lines of the console's width, all but the first *hang* deeper; no blanks at their ends."""
    first, rest = " " * indent, " " * (indent + hang)
    lines = fill(
        " ".join(text.split()), console.width, initial_indent=first, subsequent_indent=rest,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    console.print(lines, style=style, soft_wrap=True)


def indented(console: Console, texts: Iterable[str]) -> None:
    for text in texts:
        paragraph(console, text, indent=2, hang=2)


class Steps:
    """What a long command is at. A terminal sees one moving line, anything else a line a step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None

    def begin(self, what: str) -> None:
        if self._status is None:
            self._console.print(f"{what} ...", soft_wrap=True)
        else:
            self._status.update(f"{what} ...")

    def __enter__(self) -> Steps:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._status is not None:
            self._status.stop()


def steps() -> Steps:
    return Steps(_console(sys.stderr))


@contextmanager
def counted(what: str, total: int) -> Iterator[Any]:
    """Progress of *total* equal parts: yields ``advance(n)``. A bar on a terminal, else one line every tenth."""
    console = _console(sys.stderr)
    if not console.is_terminal:
        console.print(f"{what}: {total} runs", soft_wrap=True)
        yield _Tenths(console, what, total).advance
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda parts: progress.advance(task, parts)


class _Tenths:
    def __init__(self, console: Console, what: str, total: int) -> None:
        self._console, self._what, self._total, self._done = console, what, total, 0

    def advance(self, parts: int) -> None:
        before, self._done = self._done, self._done + parts
        if before * 10 // self._total < self._done * 10 // self._total:
            self._console.print(f"{self._what}: {self._done} of {self._total}", soft_wrap=True)
