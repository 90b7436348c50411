"""Small roles and a small world for the tests of the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.plan import Distribution, LinkPlan
from sim.trace import Recorder
from sim.world.host import Host
from sim.world.kernel import Kernel
from sim.world.network import Network

MS = 1_000


class Scribe:
    """A role that writes down everything it meets, as (time, what, connection or message), into a shared log."""

    def __init__(self, port: Host, log: list[tuple[Any, ...]]) -> None:
        self.port, self.log = port, log

    def note(self, now_us: int, what: str, *about: object) -> None:
        self.log.append((now_us, self.port.name, what, *about))

    def start(self, now_us: int) -> None:
        self.note(now_us, "start")

    def on_message(self, conn: Any, message: object, now_us: int) -> None:
        self.note(now_us, "message", message)

    def on_connected(self, conn: Any, now_us: int) -> None:
        self.note(now_us, "connected")

    def on_disconnected(self, conn: Any, now_us: int) -> None:
        self.note(now_us, "disconnected")

    def on_alarm(self, now_us: int) -> None:
        self.note(now_us, "alarm")


class Echo(Scribe):
    def on_message(self, conn: Any, message: object, now_us: int) -> None:
        self.note(now_us, "message", message)
        self.port.send(conn, ("echo", message))


class Dialler(Scribe):
    """Opens a connection to host *server* at the start."""

    server = 1
    conn: Any = None

    def start(self, now_us: int) -> None:
        self.conn = self.port.connect(self.server)


class World:
    """Hosts joined by links of one latency; ``log`` holds what the roles met."""

    def __init__(self, latency: Distribution | int = 10 * MS, seed: int = 1, slot_us: int = 1 * MS) -> None:
        if isinstance(latency, int):
            latency = Distribution("constant", {"value": latency})
        plan = LinkPlan(latency, slot_us)
        self.log: list[tuple[Any, ...]] = []
        self.kernel = Kernel()
        self.recorder = Recorder()
        self.seed = seed
        self.network = Network(self.kernel, seed, lambda a, b: plan)

    def host(self, name: str, make: Callable[[Host, list[tuple[Any, ...]]], Any], rank: int | None = None) -> Host:
        number = len(self.network.hosts)
        host = Host(self.kernel, self.network, self.recorder, self.seed, number, name, number if rank is None else rank)
        host.start(make(host, self.log))
        return host

    def at(self, time_us: int, action: Callable[[], object]) -> None:
        self.kernel.call_at(time_us, lambda _: action())

    def run(self, until_us: int = 60_000 * MS) -> list[tuple[Any, ...]]:
        self.kernel.run_to(until_us)
        return self.log

    def met(self, name: str) -> list[tuple[Any, ...]]:
        return [(entry[0], *entry[2:]) for entry in self.log if entry[1] == name and entry[2] != "start"]


def pair(**options: Any) -> tuple[World, Host, Host]:
    """A client that dials, a server that writes down. The connection is ready after four latencies."""
    world = World(**options)
    client_host = Host(world.kernel, world.network, world.recorder, world.seed, 0, "client", 0)
    server = world.host("server", Scribe)
    client_host.start(Dialler(client_host, world.log))
    return world, client_host, server
