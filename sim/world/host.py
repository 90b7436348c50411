"""One role in time: its port, its one alarm, its incarnations.

The role's deadline costs few kernel events. An alarm already in the heap that is earlier than a new deadline is kept,
and armed anew when it rings; only a deadline before every armed alarm adds one.

A crash is a new incarnation (``life``): alarms and arrivals of an earlier life are dropped. A pause keeps arrivals
and alarm waiting: at the resume the arrivals come first, in order, then the alarm (as a Java client reads before it
looks at timeouts).
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from random import Random
from typing import Any, cast

from simpy.events import Event, EventPriority

from sim.protocol.messages import FetchResponse, ProduceRequest
from sim.protocol.port import Role
from sim.streams import stream
from sim.trace import BLOCK, ROW, Recorder
from sim.world.kernel import ALARM, NEVER, Kernel, host_priority
from sim.world.network import Conn, Delivery, Network, Way, deliver, handshake

__all__ = ["Host"]

IN_BLOCK = BLOCK - 1
ROW_BYTES = ROW.size
pack_row = ROW.pack_into
UP, DOWN, OFF = 0, 1, 2


class Alarm(Event):
    __slots__ = ("callbacks", "life")

    _ok = True
    _value = None

    def __init__(self, ring: Callable[[Alarm], None], life: int) -> None:
        self.callbacks = [ring]
        self.life = life


class Host:
    """The port of one role (``sim.protocol.port.Port``)."""

    __slots__ = (
        "_armed", "_backlog", "_deadline_us", "_disk_us", "_draws", "_held", "_paused", "_paused_us",
        "alarm_priority", "cause", "connections", "detour", "kernel", "life", "limbo", "name", "network", "number",
        "on_stopped", "pauses", "priority", "recorder", "role", "seed", "state",
    )  # fmt: skip

    role: Role

    def __init__(
        self, kernel: Kernel, network: Network, recorder: Recorder, seed: int, number: int, name: str, rank: int
    ) -> None:
        self.kernel, self.network, self.recorder, self.seed = kernel, network, recorder, seed
        self.number, self.name = number, name
        self.priority = host_priority(rank)
        self.alarm_priority = cast(EventPriority, self.priority + ALARM)
        self.cause = -1
        self.state = DOWN
        self.life = 0
        self.detour = False  # paused, or with a slow disk: arrivals do not go straight to the role
        self.connections: dict[int, Conn] = {}
        self.limbo: list[Way] = []  # ways on which something came while the machine was off
        self.on_stopped: Callable[[int], None] = self.stop
        self._deadline_us = NEVER
        self._armed: list[int] = []  # times of the alarms in the heap, earliest last
        self._paused = False
        self._paused_us = 0
        self.pauses: list[tuple[int, int]] = []  # (from, until) of this life
        self._backlog: list[tuple[Callable[[Delivery], None], Delivery]] = []
        self._disk_us = 0
        self._held = 0  # arrivals that a slow disk keeps waiting
        self._draws: dict[str, Random] = {}
        network.hosts[number] = self

    # --- port ---------------------------------------------------------------------------------------------------------
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
        recorder = self.recorder
        row = recorder.count
        pack_row(
            recorder.buffer, (row & IN_BLOCK) * ROW_BYTES,
            self.kernel._now, kind, self.cause if cause is None else cause, self.number if host is None else host,
            conn, partition, prod, lo, hi, offset, lep, pid, epoch, seq, n, code,
        )  # fmt: skip
        recorder.count = row + 1
        if row & IN_BLOCK == IN_BLOCK:
            recorder.flush()
        return row

    def wake_at(self, time_us: int) -> None:
        self._deadline_us = time_us
        armed = self._armed
        if not armed or time_us < armed[-1]:
            kernel = self.kernel
            if time_us >= NEVER:
                return
            delay = time_us - kernel._now
            if delay < 0:
                delay = 0
            if armed and kernel._now + delay >= armed[-1]:
                return
            armed.append(kernel._now + delay)
            kernel.schedule(Alarm(self._ring, self.life), self.alarm_priority, delay)

    def draw(self, purpose: str) -> int:
        generator = self._draws.get(purpose)
        if generator is None:
            generator = self._draws[purpose] = stream(self.seed, f"{self.name}/{purpose}")
        return generator.getrandbits(32)

    def connect(self, server: int) -> Conn:
        return self.network.connect(self, server, self.cause)

    def send(self, conn: Any, message: object, cause: int | None = None) -> None:
        if conn.client == self.number:
            way, back = conn.up, conn.down
        else:
            way, back = conn.down, conn.up
        if not back.open:  # closed on this side, or this side has learned of the end
            if way is conn.down:
                self.network.write_to_the_gone(way, self.cause)
            return
        if cause is None:
            cause = self.cause
        link = way.link
        if way.tap is not None or not link.plain:
            self._send_with_care(way, message, cause)
            return
        kernel = self.kernel
        now = kernel._now
        arrival = now + link.latency_us(now)
        if arrival < way.last_us:
            arrival = way.last_us
        way.last_us = arrival
        event = Delivery(way, message, cause, way.callbacks)
        heappush(kernel.queue, (arrival, way.priority, kernel.next_number(), event))

    def _send_with_care(self, way: Way, message: object, cause: int) -> None:
        if way.tap is None:
            self.network.transmit(way, message, cause)
        elif way is way.conn.up:
            self.network.transmit(way, way.tap.client_sends(message, cause), cause)
        else:
            way.tap.server_sends(message, cause)

    def close(self, conn: Any) -> None:
        if self.connections.pop(conn.number, None) is None:
            return
        inbound, outbound = (conn.down, conn.up) if conn.client == self.number else (conn.up, conn.down)
        inbound.open = False
        if outbound.open:
            self.network.finish(outbound, self.cause)

    # --- alarm --------------------------------------------------------------------------------------------------------
    def _ring(self, alarm: Alarm) -> None:
        if alarm.life != self.life:
            return
        self._armed.pop()
        if not self._paused:
            self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        """Call the role if its deadline is reached, else arm for it."""
        deadline = self._deadline_us
        if self.state != UP:
            return
        if deadline <= self.kernel._now:
            self._deadline_us = NEVER
            self.cause = -1
            self.role.on_alarm(self.kernel._now)
        elif deadline < NEVER:
            self.wake_at(deadline)

    # --- life ---------------------------------------------------------------------------------------------------------
    @property
    def is_up(self) -> bool:
        return self.state == UP

    @property
    def is_off(self) -> bool:
        return self.state == OFF

    def accepts(self) -> bool:
        """Is the port open? A broker opens it late (broker:NET-17)."""
        return bool(getattr(self.role, "listening", True))

    def boot(self, role: Role) -> None:
        """A process is there from now on, and can be connected to."""
        self.role, self.state, self.pauses = role, UP, []
        self._deadline_us = NEVER

    def start(self, role: Role, cause: int = -1) -> None:
        """A new incarnation begins."""
        self.boot(role)
        silent, self.limbo = self.limbo, []
        for way in silent:
            self.network.refuse_data(way, cause)
        self.network.host_is_back(self, cause)
        self.cause = cause
        role.start(self.kernel._now)

    def stop(self, cause: int, silent: bool = False) -> None:
        """The process dies. Its peers learn behind what it sent, or (``silent``, the machine is off) do not."""
        self.life += 1
        self.state = OFF if silent else DOWN
        self._deadline_us = NEVER
        self._armed.clear()
        waiting, self._backlog = self._backlog, []
        for arrive, event in waiting:
            if arrive is handshake:  # the system had taken the call, nobody answered: it ends with the process
                self.network.turn_away(event.way.conn, cause)
        self._paused = False
        self._set_detour()
        mine, self.connections = self.connections, {}
        for conn in mine.values():
            inbound, outbound = (conn.down, conn.up) if conn.client == self.number else (conn.up, conn.down)
            inbound.open = False
            if silent:
                conn.silent = True
            elif outbound.open:
                self.network.finish(outbound, cause)

    # --- pause and slow disk ------------------------------------------------------------------------------------------
    def pause(self) -> None:
        self._paused = self.detour = True
        self._paused_us = self.kernel._now

    def resume(self, cause: int) -> None:
        if not self._paused:
            return
        self._paused = False
        self._set_detour()
        self.pauses.append((self._paused_us, self.kernel._now))
        told = getattr(self.role, "on_resumed", None)
        if told is not None and self.state == UP:
            told(self._paused_us, self.kernel._now)
        waiting, self._backlog = self._backlog, []
        for arrive, event in waiting:
            arrive(event)
        self.cause = cause
        if self.state == UP:
            self._look_at_the_clock()

    def tell(self, act: Callable[[], object], cause: int) -> None:
        """An operator's word to the role: now, or when it goes on."""
        event = Delivery(cast(Way, None), None, cause, None)
        if self._paused:
            self._backlog.append((lambda event: self._act(act, event), event))
        else:
            self._act(act, event)

    def _act(self, act: Callable[[], object], event: Delivery) -> None:
        self.cause = event.cause
        act()

    def stopped(self) -> None:
        """The role says that its process has ended by itself."""
        self.on_stopped(self.cause)

    def slow_disk(self, by_us: int) -> None:
        """Every request that appends waits so much longer from now on; a negative number takes that back."""
        self._disk_us += by_us
        self._set_detour()

    def _set_detour(self) -> None:
        self.detour = self._paused or self._disk_us > 0 or self._held > 0

    def set_aside(self, arrive: Callable[[Delivery], None], event: Delivery) -> None:
        """An arrival meets a host that stands still, or whose disk is slow. Nothing overtakes on its way."""
        way, now = event.way, self.kernel._now
        wait = self._disk_us if arrive is deliver and _appends(event.message) else 0
        if self._paused and not way.held:
            self._backlog.append((arrive, event))
        elif way.held or wait:
            way.busy_us = max(way.busy_us, now) + wait
            way.held += 1
            self._held += 1
            self.kernel.call_at(way.busy_us, lambda _: self._let_go(arrive, event), way.priority)
        else:
            self._pass_on(arrive, event)

    def _let_go(self, arrive: Callable[[Delivery], None], event: Delivery) -> None:
        event.way.held -= 1
        self._held -= 1
        if self._paused:  # it has waited for the disk, and is not to wait again behind what came after it
            self._backlog.append((lambda event: self._pass_on(arrive, event), event))
        else:
            self._pass_on(arrive, event)

    def _pass_on(self, arrive: Callable[[Delivery], None], event: Delivery) -> None:
        self.detour = False
        arrive(event)
        self._set_detour()


def _appends(message: object) -> bool:
    if isinstance(message, ProduceRequest):
        return True
    return isinstance(message, FetchResponse) and any(part.batches for part in message.partitions)
