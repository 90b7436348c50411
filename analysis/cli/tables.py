"""Aligned columns without lines. No blanks at the ends of lines; a long last cell goes on below itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

__all__ = ["print_table"]

GAP = "  "
LEAST = 30  # characters that the last column gets, however narrow the console

Cell = str | Text


def print_table(
    console: Console, header: Sequence[str], rows: Iterable[Sequence[Cell]], right: tuple[int, ...] = ()
) -> None:  # fmt: skip
    """*right*: numbers of the columns that are aligned to the right."""
    body = list(rows)
    widths = [max(len(row[column]) for row in (header, *body)) for column in range(len(header))]
    for row in (tuple(Text(name, style="dim") for name in header), *body):
        _print_row(console, row, widths, right)


def _print_row(console: Console, row: Sequence[Cell], widths: list[int], right: tuple[int, ...]) -> None:
    line = Text()
    for number, cell in enumerate(row[:-1]):
        text = cell.copy() if isinstance(cell, Text) else Text(cell)
        blanks = " " * (widths[number] - len(text))
        line.append_text(Text(blanks) + text if number in right else text + Text(blanks)).append(GAP)
    indent = len(line)
    last = row[-1] if isinstance(row[-1], Text) else Text(row[-1])
    if len(row) - 1 in right:
        last = Text(" " * (widths[-1] - len(last))) + last
    parts = wrap(last.plain, max(LEAST, console.width - indent), break_long_words=False, break_on_hyphens=False)
    if len(parts) <= 1:
        line.append_text(last)
    else:
        line.append(f"\n{' ' * indent}".join(parts), style=last.style)
    line.rstrip()
    console.print(line, soft_wrap=True)
