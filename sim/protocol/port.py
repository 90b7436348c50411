"""What a role may ask of its host, and how the host speaks to it.

A role (producer, broker, controller, reader) is a plain object. The host calls its ``on_*`` methods with the time; the
role answers only by calling its port. Nothing here knows of SimPy; a test can drive a role with a port of ten lines.

Causes: every row names the one row that made it happen. While a stimulus is handled, ``port.cause`` is the row that the
message, break or deadline carries; rows and messages take it unless another cause is given. A role that acts on
something older (a retry, an expired deadline) says so by passing ``cause``.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Connection", "Port", "Role"]


class Connection(Protocol):
    """One end-to-end connection: first in, first out in both directions until it breaks, never reused after."""

    number: int  # unique in the run, in order of opening
    client: int  # host number of the side that opened it
    server: int  # host number of the side that accepted it
    was_reset: bool  # broken by a reset: whoever writes to it fails at once, as nobody is there to take it
    ends_us: int  # when the end that the server sent reaches the client; far in the future if it sent none
    accepted_us: int  # when the client learns that TCP is set up; far in the future while that is not foreseen


class Port(Protocol):
    cause: int  # row id, -1 for none

    def record(
        self,
        kind: int,
        *,
        cause: int | None = None,
        host: int | None = None,
        conn: int = -1,
        partition: int = -1,
        prod: int = -1,
        lo: int = -1,
        hi: int = -1,
        offset: int = -1,
        lep: int = -1,
        pid: int = -1,
        epoch: int = -1,
        seq: int = -1,
        n: int = -1,
        code: int = 0,
    ) -> int:
        """Write one row of the trace at the present time; return its id. Columns: ``sim.protocol.rows``."""
        ...

    def wake_at(self, time_us: int) -> None:
        """Replace the role's only deadline: ``on_alarm`` is called at *time_us* (at once if that is past), once."""
        ...

    def draw(self, purpose: str) -> int:
        """A uniform raw draw in 0..2**32-1 from the host's own stream of that name."""
        ...

    def connect(self, server: int) -> Connection:
        """Begin to open a connection. Later ``on_connected`` or ``on_disconnected`` (refused) is called with it."""
        ...

    def send(self, conn: Connection, message: object, cause: int | None = None) -> None:
        """Put *message* on the connection (either side). On a connection that is closed it is silently dropped."""
        ...

    def close(self, conn: Connection) -> None:
        """Close this side at once: nothing further is delivered to this role from it, and ``on_disconnected`` is not
        called here. The other side gets ``on_disconnected`` behind all that was sent before."""
        ...

    def stopped(self) -> None:
        """The process has ended by itself, cleanly (a broker after its controlled shutdown)."""
        ...


class Role(Protocol):
    """What a host drives. ``now_us`` is integer microseconds since the start of the run."""

    def start(self, now_us: int) -> None: ...

    def on_message(self, conn: Connection, message: object, now_us: int) -> None: ...

    def on_connected(self, conn: Connection, now_us: int) -> None:
        """A connection that this role opened is ready for requests (TCP and ApiVersions handshake done)."""
        ...

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        """The other side closed, reset or refused the connection."""
        ...

    def on_alarm(self, now_us: int) -> None: ...
