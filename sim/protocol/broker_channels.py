"""Connections that clients and followers opened to a broker: one request at a time from each.

Laws: requests of a connection begin in the order in which they were sent; one begins only after the response of the one
before has been handed to the network; responses leave in the same order.

A request that waits behind another is in the socket's buffer: the broker has not seen it. When the client goes away,
the broker goes on with what is buffered, one after another, until a response cannot be written; then the rest is thrown
away (``broker:NET-13``; ``Selector.pollSelectionKeys``, ``CloseMode.NOTIFY_ONLY``). Responses to a client that has
closed can be written until the first of them has come there and its reset has come back.
Rules: ``broker:NET-1`` to ``NET-16``.
"""

from __future__ import annotations

from collections import deque

from sim.protocol.deadlines import Deadlines
from sim.protocol.port import Connection, Port

__all__ = ["Channel", "Channels"]


class Channel:
    """One accepted connection."""

    __slots__ = ("active_us", "buffer", "busy", "conn", "gone")

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.busy = False  # muted: a request runs or waits for its response
        self.buffer: deque[tuple[object, int]] = deque()  # requests not yet read, each with its cause
        self.gone = False  # the other side has closed
        self.active_us = 0  # last time that bytes moved


class Channels:
    """All accepted connections of one broker."""

    __slots__ = ("_deadlines", "_max_idle_us", "_port", "by_number", "ready")

    def __init__(self, port: Port, deadlines: Deadlines, max_idle_us: int) -> None:
        self._port, self._deadlines, self._max_idle_us = port, deadlines, max_idle_us
        self.by_number: dict[int, Channel] = {}
        self.ready: deque[Channel] = deque()  # free to go on with what they have buffered; first come, first served

    def arrived(self, conn: Connection, message: object, now_us: int) -> Channel | None:
        """A request came in; its channel if it can run now, None if it waits its turn."""
        channel = self.by_number.get(conn.number)
        if channel is None:
            channel = self.by_number[conn.number] = Channel(conn)
            self.accepted(channel, now_us)
        if channel.busy or channel.buffer:
            channel.buffer.append((message, self._port.cause))
            return None
        channel.busy = True
        channel.active_us = now_us
        return channel

    def accepted(self, channel: Channel, now_us: int) -> None:
        """A connection is watched from its first request on: idle, it is closed, even while a request runs (NET-14)."""
        self._deadlines.at(now_us + self._max_idle_us, lambda then_us: self._idle(channel, then_us))

    def _idle(self, channel: Channel, now_us: int) -> None:
        if channel.gone:
            return
        due_us = channel.active_us + self._max_idle_us
        if due_us <= now_us:
            self.close(channel)
        else:
            self._deadlines.at(due_us, lambda then_us: self._idle(channel, then_us))

    def free(self, channel: Channel, now_us: int, wrote: bool = False) -> None:
        """The response was handed over (*wrote*), or none is due: the next request may be read."""
        channel.busy = False
        channel.active_us = now_us
        if wrote and channel.conn.was_reset:
            self.drop(channel)
        elif channel.buffer:
            self.ready.append(channel)
        elif channel.gone:
            self.by_number.pop(channel.conn.number, None)

    def next_request(self, channel: Channel, now_us: int) -> object | None:
        """Take the next buffered request of a channel that became ready; None if it has nothing (more) to run."""
        if channel.busy or not channel.buffer:
            return None
        message, cause = channel.buffer.popleft()
        channel.busy = True
        channel.active_us = now_us
        self._port.cause = cause
        return message

    def left(self, conn: Connection) -> None:
        """The client has gone; this arrives behind everything that it sent (broker:NET-12, NET-13)."""
        channel = self.by_number.get(conn.number)
        if channel is None or channel.gone:
            return
        channel.gone = True
        if not channel.busy and not channel.buffer:
            del self.by_number[conn.number]

    def drop(self, channel: Channel) -> None:
        """Forget the connection and what it has buffered; a running request goes on without it (broker:NET-14)."""
        channel.buffer.clear()
        channel.gone = True
        self.by_number.pop(channel.conn.number, None)

    def close(self, channel: Channel) -> None:
        """Close from this side: the pipelined tail dies with it (broker:NET-15, NET-16)."""
        self.drop(channel)
        self._port.close(channel.conn)
