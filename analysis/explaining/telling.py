"""A line of a story, and how things are called in it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.explaining.facts import PER_MS, Copy, Ending, Facts
from sim.protocol.rows import Kind

__all__ = ["Line", "Names", "moment"]


@dataclass(frozen=True, slots=True)
class Line:
    """*t* in the history's unit; *row* of its event; *src* and *dst*: whose lifelines it touches (*dst* of messages).

    *role*: of the record that it is about. *order*: among lines of one row. *vital*: never left out. *short*: the words
    of a diagram. *of*: the row of the transmission that this line ends or answers.
    """

    t: int
    row: int
    kind: str
    src: str
    dst: str
    role: str
    words: str
    order: int = 0
    vital: bool = False
    short: str = ""
    of: int = -1


def moment(t: int, unit: str, zero: int = 0) -> str:
    """``5.000123 s``."""
    return f"{(t - zero) / PER_MS[unit] / 1000:.6f} s"


class Names:
    def __init__(self, facts: Facts) -> None:
        self.facts, self.history = facts, facts.history

    def value(self, value: int) -> str:
        return str(self.history.values[value])

    def batch(self, value: int, first: int, count: int) -> str:
        """The record, and how many travel with it."""
        name = self.value(value)
        return name if count == 1 else f"{name} (in a batch of {count})"

    def producer_of(self, value: int) -> str:
        return self.facts.evidence.producer(int(self.history.records.prod[value])) or "a producer"

    def broker(self, code: int) -> str:
        return f"broker {self.history.brokers[code]}" if code >= 0 else "a broker"

    def connection(self, conn: int) -> str:
        """A trace numbers its connections; another history names them."""
        return str(conn) if self.facts.causes is not None else str(self.history.words[conn])

    def place(self, copy: Copy) -> str:
        return f"{self.history.partitions[copy.partition]} offset {copy.offset}"

    def cuts(self, cut: Ending) -> str:
        """What a broker did or suffered when its log became shorter."""
        causes = self.facts.causes
        if causes is not None and causes.kind[int(causes.trace.events["cause"][cut.row])] == Kind.CRASH:
            return f"loses what it had not flushed, from offset {cut.word} on"
        return f"cuts its log to {cut.word}"

    def host(self, number: int) -> str:
        """A host of a trace, as stories call it."""
        assert self.facts.causes is not None
        name = self.facts.causes.hosts.get(number, "")
        return name.replace("broker-", "broker ") if name.startswith("broker-") else name
