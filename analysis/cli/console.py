"""Where words go: results to stdout, progress to stderr. Colours and moving bars only on a terminal, and no colours
under ``NO_COLOR``; elsewhere plain lines of a fixed width, so that the same run prints the same text everywhere."""

from __future__ import annotations

import json
import sys
import time
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
def counted(what: str, total: int | None = None) -> Iterator[Any]:
    """Progress of a number of runs, with the time that is left: yields ``tell(done, of)``, or ``advance(n)`` where the
    *total* is known beforehand. A bar on a terminal, else one line every tenth."""
    console = _console(sys.stderr)
    counter = _Bar(console, what) if console.is_terminal else _Tenths(console, what)
    if total is not None:
        counter.tell(0, total)
    try:
        yield counter.tell if total is None else counter.advance
    finally:
        counter.end()


class _Counter:
    """Knows how many are done and, from those that were done while it looked, how long the rest will take."""

    def __init__(self, console: Console, what: str) -> None:
        self._console, self._what, self._done, self._of = console, what, 0, 0
        self._begun, self._before = time.monotonic(), 0

    def advance(self, parts: int) -> None:
        self.tell(self._done + parts, self._of)

    def tell(self, done: int, of: int) -> None:
        if not self._of:
            self._before, self._begun = done, time.monotonic()
        before, was_of, self._done, self._of = self._done, self._of, done, of
        self.show(before, was_of)

    def show(self, before: int, was_of: int) -> None:
        raise AssertionError("a counter shows itself somehow")

    def end(self) -> None:
        pass

    def left(self) -> str:
        """``2 min left``, as far as can be told."""
        new = self._done - self._before
        if not new or self._done >= self._of:
            return ""
        seconds = (time.monotonic() - self._begun) / new * (self._of - self._done)
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"


class _Bar(_Counter):
    def __init__(self, console: Console, what: str) -> None:
        super().__init__(console, what)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task(what, total=None)
        self._progress.start()

    def show(self, before: int, was_of: int) -> None:
        self._progress.update(self._task, completed=self._done, total=self._of)

    def end(self) -> None:
        self._progress.stop()


class _Tenths(_Counter):
    def show(self, before: int, was_of: int) -> None:
        if self._of != was_of:
            kept = f", {self._done} of them done before" if self._done else ""
            self._console.print(f"{self._what}: {self._of} runs{kept}", soft_wrap=True)
        elif self._of and before * 10 // self._of < self._done * 10 // self._of:
            self._console.print(f"{self._what}: {self._done} of {self._of}{self.left()}", soft_wrap=True)
