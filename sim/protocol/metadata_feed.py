"""How committed metadata reaches the brokers: to each in order, each by itself (``broker:FAIL-7``).

Laws: what a broker gets is a prefix of the controller's log, in order (``broker:INV-13``); two brokers may know
different prefixes at the same time, and both may believe that they lead.

A commit ends the long polls of the brokers, so it is one message away. Before 4.1 it did so with one voter only; with
more, records were fetched before they were committed, and a broker learned of the commit when the next ones came, 0 to
500 ms later (``metadata.max.idle.interval.ms``). A broker that comes back on a new connection is told everything, at
once as one update.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sim.protocol.deadlines import Deadlines
from sim.protocol.messages import MetadataUpdate
from sim.protocol.port import Connection, Port

__all__ = ["MetadataFeed"]

_IDLE_US = 500_000


class _Line:
    """One broker's end."""

    __slots__ = ("conn", "last_due_us", "purpose", "queue")

    def __init__(self, broker: int) -> None:
        self.conn: Connection | None = None
        self.queue: deque[tuple[int, MetadataUpdate, int]] = deque()  # (due, update, cause)
        self.last_due_us = 0
        self.purpose = f"metadata-{broker}"


class MetadataFeed:
    """The controller's outgoing metadata."""

    __slots__ = ("_deadlines", "_late", "_lines", "_port")

    def __init__(self, port: Port, deadlines: Deadlines, late: bool) -> None:
        self._port, self._deadlines, self._late = port, deadlines, late
        self._lines: dict[int, _Line] = {}

    def is_new(self, broker: int, conn: Connection) -> bool:
        """Take *conn* as the way to *broker*; True if it was not that already."""
        line = self._lines.get(broker)
        if line is None:
            line = self._lines[broker] = _Line(broker)
        if line.conn is conn:
            return False
        line.conn = conn
        line.queue.clear()
        return True

    def lost(self, conn: Connection) -> None:
        for line in self._lines.values():
            if line.conn is conn:
                line.conn = None
                line.queue.clear()

    def connections(self) -> list[Connection]:
        return [line.conn for line in self._lines.values() if line.conn is not None]

    def tell(self, broker: int, update: MetadataUpdate, cause: int, now_us: int) -> None:
        """Send *update* to one broker, behind all that it was told before."""
        line = self._lines.get(broker)
        if line is None or line.conn is None:
            return  # it will be told everything when it is back
        delay_us = self._port.draw(line.purpose) * (_IDLE_US + 1) >> 32 if self._late else 0
        due_us = line.last_due_us = max(line.last_due_us, now_us + delay_us)
        line.queue.append((due_us, update, cause))
        if due_us <= now_us:
            self._flush(line, now_us)
        else:
            self._deadlines.at(due_us, self._flusher(line))

    def tell_all(self, update: MetadataUpdate, cause: int, now_us: int, but: int = -1) -> None:
        for broker in self._lines:
            if broker != but:
                self.tell(broker, update, cause, now_us)

    def _flusher(self, line: _Line) -> Callable[[int], None]:
        return lambda now_us: self._flush(line, now_us)

    def _flush(self, line: _Line, now_us: int) -> None:
        while line.conn is not None and line.queue and line.queue[0][0] <= now_us:
            _, update, cause = line.queue.popleft()
            self._port.send(line.conn, update, cause)
