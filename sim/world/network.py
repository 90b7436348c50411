"""Connections: first in, first out both ways until they break, and what each kind of break looks like from outside.

- A message is one kernel event, its arrival: no earlier than the one before it on the same way, then the latency of the
  link at the time of sending.
- ``close`` and a process crash send an end behind the data (FIN): what was sent still arrives, then the peer learns.
- Power off is silence: the peer learns by its own timeouts, or, once the host is up again, by the reset that answers
  whatever was sent to the connection of the dead (broker:NET-18).
- A reset breaks both sides at once; what is in flight is lost.
- A response to a client that has closed comes back as a reset, a round trip later; until then the server can write.
- A cut link lets nothing new in: data, ends and opening connections wait and go on when it heals, as TCP sends again.

Opening costs two round trips, TCP's and that of ApiVersions, in at most two events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from simpy.events import Event, EventPriority

from sim.plan import LinkPlan
from sim.world.kernel import NEVER, Kernel
from sim.world.links import Link

if TYPE_CHECKING:
    from sim.world.host import Host

__all__ = ["Conn", "Delivery", "Network", "Tap", "Way"]


class Tap(Protocol):
    """Somebody on the wire at the server's end, who may hold back, drop and forge (``sim.world.scripted``)."""

    def client_sends(self, message: object, cause: int) -> object:
        """The client sends: return the frame to carry in its place."""
        ...

    def server_sends(self, message: object, cause: int) -> None: ...

    def arrived(self, event: Delivery) -> None:
        """A frame has reached the server's end of the link."""
        ...

    def client_ended(self, event: Delivery) -> None:
        """The client's end has reached the server's end of the link."""
        ...

    def server_ended(self, cause: int) -> None: ...


class Way:
    """One direction of one connection; ``host`` is who receives. ``open``: the receiver still takes what comes."""

    __slots__ = ("busy_us", "callbacks", "conn", "held", "host", "last_us", "link", "open", "priority", "tap")

    def __init__(self, conn: Conn, host: Host, link: Link, priority: int) -> None:
        self.conn, self.host, self.link = conn, host, link
        self.priority = cast(EventPriority, priority)
        self.callbacks: tuple[Callable[[Delivery], None]] = (deliver,)
        self.last_us = 0  # latest arrival so far: nothing may arrive before it
        self.busy_us = self.held = 0  # a slow disk keeps so many waiting until then
        self.open = False
        self.tap: Tap | None = None


class Conn:
    """One end-to-end connection. ``up``: client to server; ``down``: server to client."""

    __slots__ = (
        "accepted_us", "client", "down", "ends_us", "number", "server", "silent", "up", "was_reset", "writes",
    )  # fmt: skip

    up: Way
    down: Way

    def __init__(self, number: int, client: int, server: int) -> None:
        self.number, self.client, self.server = number, client, server
        self.silent = False  # one side vanished without a word
        self.was_reset = False
        self.writes = False  # the server has written to a client that closed
        self.ends_us = NEVER  # when the end that the server sent reaches the client
        self.accepted_us = NEVER  # when the client learns that TCP is set up: the system answers, also for a process
        # that stands still

    def __repr__(self) -> str:
        return f"connection {self.number} of {self.client} to {self.server}"


class Delivery(Event):
    """A message (or an end, or a step of opening) on its way. One object, one kernel event."""

    __slots__ = ("callbacks", "cause", "message", "way")

    _ok = True
    _value = None

    def __init__(self, way: Way, message: object, cause: int, callbacks: Any) -> None:
        self.way = way
        self.message = message
        self.cause = cause
        self.callbacks = callbacks


# --- arrivals ---------------------------------------------------------------------------------------------------------
def deliver(event: Delivery) -> None:
    """A message has reached the receiver."""
    way = event.way
    host = way.host
    if not way.open:
        host.network.refuse_data(way, event.cause)
    elif host.detour:
        host.set_aside(deliver, event)
    else:
        host.cause = event.cause
        host.role.on_message(way.conn, event.message, host.kernel._now)


def end(event: Delivery) -> None:
    """The receiver learns that the connection is over: closed, reset or refused by the other side."""
    way = event.way
    host = way.host
    if way.conn.number not in host.connections:
        return
    if host.detour:
        host.set_aside(end, event)
        return
    way.open = False
    del host.connections[way.conn.number]
    host.cause = event.cause
    host.role.on_disconnected(way.conn, host.kernel._now)


def handshake(event: Delivery) -> None:
    """The opening client's ApiVersions request has reached the server."""
    way = event.way
    conn, host = way.conn, way.host
    if not conn.down.open:
        return  # the client gave up meanwhile
    if not host.is_up or not host.accepts():
        host.network.turn_away(conn, event.cause)
    elif host.detour:
        host.set_aside(handshake, event)
    else:
        way.open = True
        host.connections[conn.number] = conn
        host.network.transmit(conn.down, None, event.cause, ready)


def ready(event: Delivery) -> None:
    """The server's answer has reached the client: the connection can carry requests."""
    way = event.way
    host = way.host
    if not way.open:
        return
    if host.detour:
        host.set_aside(ready, event)
        return
    host.cause = event.cause
    host.role.on_connected(way.conn, host.kernel._now)


def bounce(event: Delivery) -> None:
    """A response has come to a client that closed: a reset goes back."""
    event.way.host.network.transmit(event.way.conn.up, None, event.cause, break_writing)


def break_writing(event: Delivery) -> None:
    """The reset has come back: from now on nothing can be written to this connection."""
    event.way.conn.was_reset = True


class Network:
    """All links and connections of a run."""

    def __init__(self, kernel: Kernel, seed: int, plan_of: Callable[[int, int], LinkPlan]) -> None:
        self.kernel, self.seed = kernel, seed
        self.hosts: dict[int, Host] = {}
        self.connections: list[Conn] = []  # every one ever opened, by number
        self.tap_of: Callable[[Conn], Tap | None] = lambda _: None
        self._plan_of = plan_of
        self._links: dict[tuple[int, int], Link] = {}
        self._unheard: dict[int, list[Conn]] = {}  # by host that is off: whose openings wait for it

    def link(self, source: int, target: int) -> Link:
        known = self._links.get((source, target))
        if known is None:
            name = f"{self.hosts[source].name}>{self.hosts[target].name}"
            known = self._links[source, target] = Link(self.seed, name, self._plan_of(source, target))
        return known

    # --- opening ------------------------------------------------------------------------------------------------------
    def connect(self, client: Host, server: int, cause: int) -> Conn:
        conn = Conn(len(self.connections), client.number, server)
        self.connections.append(conn)
        there = self.hosts[server]
        conn.up = Way(conn, there, self.link(client.number, server), there.priority + conn.number)
        conn.down = Way(conn, client, self.link(server, client.number), client.priority + conn.number)
        tap = self.tap_of(conn)
        if tap is not None:
            conn.up.tap = conn.down.tap = tap
            conn.up.callbacks = (tap.arrived,)
        conn.down.open = True
        client.connections[conn.number] = conn
        self._open(conn, cause)
        return conn

    def _open(self, conn: Conn, cause: int) -> None:
        """Send the first packet, now or when somebody answers."""
        up, down = conn.up.link, conn.down.link
        if up.cuts or down.cuts:
            (up if up.cuts else down).stalled.append((conn.number, self._open, conn, cause))
        elif not conn.up.host.is_up:
            self.turn_away(conn, cause, up.latency_us(self.kernel._now))
        else:
            now = self.kernel._now
            way_up = up.latency_us(now)
            conn.accepted_us = now + way_up + down.latency_us(now)
            delay = conn.accepted_us - now + way_up
            event = Delivery(conn.up, None, cause, (handshake,))
            self.kernel.schedule(event, conn.up.priority, delay)

    def turn_away(self, conn: Conn, cause: int, delay_us: int = 0) -> None:
        """Nobody listens: the client learns a way back later, or, from a machine that is off, nothing."""
        conn.accepted_us = NEVER
        if conn.up.host.is_off:
            self._unheard.setdefault(conn.server, []).append(conn)
            return
        now = self.kernel._now
        event = Delivery(conn.down, None, cause, (end,))
        self.kernel.schedule(event, conn.down.priority, delay_us + conn.down.link.latency_us(now))

    def host_is_back(self, host: Host, cause: int) -> None:
        """Openings that met silence are sent again."""
        for conn in self._unheard.pop(host.number, []):
            if conn.down.open:
                self._open(conn, cause)

    # --- carrying -----------------------------------------------------------------------------------------------------
    def transmit(self, way: Way, message: object, cause: int, arrive: Callable[[Delivery], None] | None = None) -> None:
        """Put something on a way; ``Host.send`` does the same for plain messages in fewer steps."""
        callbacks = way.callbacks if arrive is None else (arrive,)
        self.carry(Delivery(way, message, cause, callbacks))

    def carry(self, event: Delivery) -> None:
        way = event.way
        link = way.link
        if link.cuts:
            link.stalled.append((way.conn.number, self.carry, event))
            return
        now = self.kernel._now
        arrival = now + link.latency_us(now)
        if arrival < way.last_us:
            arrival = way.last_us
        way.last_us = arrival
        if event.callbacks[0] is end and way is way.conn.down:
            way.conn.ends_us = arrival
        self.kernel.schedule(event, way.priority, arrival - now)

    def mend(self, link: Link) -> None:
        """One fault less cuts the link; the last one gone, everything that waited goes on, by connection."""
        if not link.mend():
            return
        waiting = cast("list[tuple[Any, ...]]", link.stalled)
        link.stalled = []
        for _, go_on, *arguments in sorted(waiting, key=lambda entry: entry[0]):
            go_on(*arguments)

    # --- ending -------------------------------------------------------------------------------------------------------
    def finish(self, way: Way, cause: int) -> None:
        """The sender of *way* is done: its peer learns behind everything sent before."""
        if way.tap is None or way is way.conn.up:
            arrive = end if way.tap is None else way.tap.client_ended
            self.transmit(way, None, cause, arrive)
        else:
            way.tap.server_ended(cause)

    def reset(self, conn: Conn, cause: int) -> None:
        """Break both sides now; what is in flight is lost."""
        conn.was_reset = True
        for way in (conn.up, conn.down):
            if conn.number in way.host.connections:
                way.open = False
                self.kernel.schedule(Delivery(way, None, cause, (end,)), way.priority, 0)

    def write_to_the_gone(self, way: Way, cause: int) -> None:
        """The server writes though it was told that the client has closed: that has its consequence over there."""
        conn = way.conn
        if conn.was_reset or conn.writes or conn.silent or way.tap is not None:
            return
        conn.writes = True
        self.transmit(way, None, cause, bounce)

    def refuse_data(self, way: Way, cause: int) -> None:
        """Data for a connection whose receiver is not there: no answer while the machine is off, a reset once it is up,
        and from a client that has closed."""
        conn = way.conn
        if not conn.silent:
            if way is conn.down and way.tap is None and not conn.writes:
                conn.writes = True
                self.transmit(conn.up, None, cause, break_writing)
            return
        if way.host.is_off:
            way.host.limbo.append(way)
        else:
            conn.silent = False
            self.transmit(conn.down if way is conn.up else conn.up, None, cause, end)
