"""What a change is made of: edits of a scenario for one case, and the lines of a table of changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis.allowed import Client
from analysis.explaining.laboratory import Lane
from analysis.explaining.pins import Source

__all__ = ["Case", "Change", "Edit", "Maker", "Path", "Row"]

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """*option* with *value* at *place*, in words; *path* into the scenario's source. Value None: taken away."""

    place: str
    option: str
    value: Any
    path: Path

    def __str__(self) -> str:
        if self.value is None:
            return f"no {self.option} ({self.place})"
        return f"{self.option}={_plain(self.value)} ({self.place})"


@dataclass(frozen=True, slots=True)
class Change:
    edits: tuple[Edit, ...]
    cost: int
    price: str  # what it costs, in words
    source: str  # where the rule stands, parts of it between semicolons

    @property
    def options(self) -> int:
        """How many options: several clients of one group, or faults of one kind, are changed alike."""
        return len({(edit.place, edit.option) for edit in self.edits})

    @property
    def cited(self) -> str:
        """What a reader can look up of *source*: KIPs and names of Kafka's classes; the rest serves maintainers."""
        return "; ".join(one for one in self.source.split("; ") if one[:1].isupper())

    def __str__(self) -> str:
        return " and ".join(dict.fromkeys(str(edit) for edit in self.edits))


@dataclass(frozen=True, slots=True)
class Case:
    """What a change is to be for: the scenario's source, who (names of its sections), and the mechanism."""

    source: Source
    lane: Lane
    topic: str
    mechanism: str

    @property
    def producer(self) -> str | None:
        """The section of the file: instances of one section share it (``shop-1`` of ``shop``)."""
        if self.lane[0] != "producer":
            return next(iter(self.source["producers"]), None) if len(self.source["producers"]) == 1 else None
        name, sections = self.lane[1], self.source["producers"]
        return name if name in sections else next((one for one in sections if name.rpartition("-")[0] == one), None)

    @property
    def members(self) -> list[str]:
        """The sections of the file whose consumers read the topic as members of a group."""
        told = {"group", "members", "processing", "stop"}
        return [
            name for name, section in (self.source.get("consumers") or {}).items()
            if self.topic in section.get("topics", ())
            and (told & set(section) or "group.id" in section.get("config", {}))
        ]  # fmt: skip

    def group_of(self, member: str) -> str:
        section = self.source["consumers"][member]
        return str(section.get("group") or section.get("config", {}).get("group.id") or member)

    def client(self) -> Client | None:
        name = self.producer
        if name is None:
            return None
        section = self.source["producers"][name]
        return Client.of({"client": section.get("client", "java"), **section.get("config", {})})


Maker = Callable[[Case], tuple[Edit, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: edits that make the change (none: it does not apply, or is so already)."""

    edits: Maker
    against: tuple[str, ...]
    cost: int
    price: str
    source: str


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
