"""A port for tests: it remembers what the role did, and the test plays everybody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.protocol.rows import Kind


@dataclass(frozen=True)
class Wire:
    """A connection; also what ``port.wires`` lists, in order of opening."""

    number: int
    client: int
    server: int
    ends_us: int = 1 << 62
    accepted_us: int = 1 << 62
    was_reset: bool = False


@dataclass
class Row:
    kind: Kind
    fields: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.fields.get(name, 0 if name == "code" else -1)

    @property
    def slice(self) -> tuple[int, int]:
        return self.lo, self.hi


@dataclass
class ScriptedPort:
    """``draws``: raw draw by purpose (others give *otherwise*)."""

    host: int = 9
    draws: dict[str, int] = field(default_factory=dict)
    otherwise: int = 1 << 31
    cause: int = -1
    alarm_us: int | None = None
    rows: list[Row] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    sent: list[tuple[Wire, Any]] = field(default_factory=list)
    ended: bool = False  # the process, by itself
    accepts_us: int = 1 << 62  # when TCP is set up, of every connection

    def record(self, kind: int, *, cause: int | None = None, host: int | None = None, **fields: int) -> int:
        self.rows.append(Row(Kind(kind), {**fields, "cause": self.cause if cause is None else cause}))
        return len(self.rows) - 1

    def wake_at(self, time_us: int) -> None:
        self.alarm_us = time_us

    def draw(self, purpose: str) -> int:
        return self.draws.get(purpose, self.otherwise)

    def connect(self, server: int) -> Wire:
        self.wires.append(Wire(len(self.wires) + 1, self.host, server, accepted_us=self.accepts_us))
        return self.wires[-1]

    def send(self, conn: Any, message: object, cause: int | None = None) -> None:
        if conn.number not in self.closed:
            self.sent.append((conn, message))

    def close(self, conn: Any) -> None:
        self.closed.append(conn.number)

    def stopped(self) -> None:
        """The role has ended its process by itself."""
        self.ended = True

    # --- what tests ask ---
    def of(self, *kinds: Kind) -> list[Row]:
        return [row for row in self.rows if row.kind in kinds]

    def take(self) -> list[tuple[Wire, Any]]:
        """Messages sent since the last call."""
        sent, self.sent = self.sent, []
        return sent
