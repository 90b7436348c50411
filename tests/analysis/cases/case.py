"""One hand-written history for one name: dirty with its witnesses, or clean.

A line that a witness names ends in ``#label``; witnesses are (values, offsets, labels), each in words, such as
``("a1 a2", "1 0", "late first")``. A value ``-`` stands for a record that has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Case", "Witness", "clean", "dirty"]

Witness = tuple[str, str, str]


@dataclass(frozen=True)
class Case:
    name: str
    section: str  # of anomalies.md
    title: str
    text: str
    witnesses: tuple[Witness, ...] = ()
    header: dict[str, Any] = field(default_factory=dict)
    count: int | None = None  # where it is not the number of witnesses

    def __str__(self) -> str:
        return f"{self.name}: {self.title}"

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.replace(";", "\n").splitlines() if line.strip()]

    @property
    def history(self) -> str:
        return "\n".join(line.split("#")[0] for line in self.lines)

    def expected(self) -> list[tuple[list[str | None], list[int], list[int]]]:
        """(values, offsets, line numbers); the header is line 1."""
        labels = {line.split("#")[1].strip(): number for number, line in enumerate(self.lines, 2) if "#" in line}
        return [
            ([None if v == "-" else v for v in values.split()], [int(o) for o in offsets.split()],
             [labels[word] for word in events.split()])
            for values, offsets, events in self.witnesses
        ]  # fmt: skip


def dirty(
    name: str, section: str, title: str, text: str, *witnesses: Witness, count: int | None = None, **header: Any,
) -> Case:  # fmt: skip
    return Case(name, section, title, text, witnesses, header, count)


def clean(name: str, section: str, title: str, text: str, **header: Any) -> Case:
    return Case(name, section, title, text, (), header)
