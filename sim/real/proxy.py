"""What stands in front of every broker: clients know its ports, and nothing but it knows the brokers'.

A *gate* a broker. While its broker is down the gate is shut, so that connections are refused as they would be. The
proxy keeps what it sees: attempts, answers of brokers, answers that reached clients, and its own faults.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Mapping
from typing import Any

from sim.plan import MessageFault
from sim.real.produce import Answer, ProduceFrame, answers_in
from sim.real.properties import HOST
from sim.real.script import Script
from sim.real.way import Clock
from sim.real.wire import Wire
from sim.world.links import Link

__all__ = ["Proxy"]

Sighting = dict[str, Any]


class Proxy:
    """All gates of a run. ``sightings``: what was seen, in order, each with its time in microseconds."""

    def __init__(
        self, clock: Clock, ports: Mapping[int, tuple[int, int]], peers: Mapping[int, tuple[int, int]] | None = None
    ) -> None:
        self.clock = clock
        self._ports = ports  # by broker: (where clients come, where the broker listens)
        self._peers = peers or {}  # the same for other brokers, where these pass the proxy too
        self._servers: dict[int, list[asyncio.Server]] = {}
        self._wires: list[Wire] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.failure: Exception | None = None
        self.sightings: list[Sighting] = []
        self.crossings: list[int] = []  # of links, in microseconds
        self.begin({}, {}, {}, lambda client, broker: (None, None))

    def begin(
        self,
        topics: Mapping[bytes, str],
        partitions: Mapping[tuple[str, int], int],
        scripts: Mapping[str, Script],
        links: Callable[[str, int], tuple[Link | None, Link | None]],
    ) -> None:
        """A new run on the same brokers. *topics*: names by id; *partitions*: run-wide numbers; *scripts*: by producer;
        *links*: both ways between a client (by its client.id) and a broker."""
        self._topics, self.partitions, self._scripts, self._links = topics, dict(partitions), scripts, links
        self.sightings, self.crossings = [], []
        for wire in self._wires:  # brokers stay connected to each other from run to run
            if wire.client and not wire.closed:
                wire.up.link, wire.down.link = links(wire.client, wire.broker)

    # --- gates --------------------------------------------------------------------------------------------------------
    async def open(self, broker: int) -> None:
        if broker in self._servers:
            return
        servers = self._servers[broker] = []
        for front, behind in (gates[broker] for gates in (self._ports, self._peers) if broker in gates):
            listening = socket.socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, front))
            connected = functools.partial(self._connected, broker, behind)
            servers.append(await asyncio.start_server(connected, sock=listening, limit=1 << 27))

    def shut(self, broker: int) -> None:
        """Refuse connections from now on; those that are open are the broker's affair."""
        for server in self._servers.pop(broker, []):
            server.close()

    def close(self) -> None:
        for broker in list(self._servers):
            self.shut(broker)
        self.reset(lambda wire: True)
        for task in self._tasks:
            task.cancel()

    async def _connected(
        self, broker: int, behind: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        wire = Wire(self, len(self._wires) + 1, broker, reader, writer)
        self._wires.append(wire)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await wire.run(behind)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # ours: a message that the proxy does not understand
            self.failure = self.failure or error
            wire.abort()

    # --- faults of links ----------------------------------------------------------------------------------------------
    def reset(self, chosen: Callable[[Wire], bool]) -> None:
        """Break every open connection that is *chosen*."""
        for wire in self._wires:
            if not wire.closed and chosen(wire):
                wire.abort()

    def pump(self) -> None:
        """A cut was mended: what had stalled goes on."""
        for wire in self._wires:
            wire.up.pump()
            wire.down.pump()

    # --- what wires ask -----------------------------------------------------------------------------------------------
    def introduce(self, wire: Wire) -> Script | None:
        """A connection has told whose it is: its latencies and, of a producer with message faults, its script."""
        wire.up.link, wire.down.link = self._links(wire.client, wire.broker)
        return self._scripts.get(wire.client.split("#")[0])

    def topic_name(self, topic_id: bytes) -> str:
        return self._topics.get(topic_id, topic_id.hex())

    def partition_name(self, number: int) -> tuple[str, int]:
        return next(name for name, known in self.partitions.items() if known == number)

    # --- what they tell -----------------------------------------------------------------------------------------------
    def attempted(self, wire: Wire, request: ProduceFrame) -> None:
        for part in request.parts:
            for batch in part.batches:
                self._see(
                    "attempt", wire, topic=part.topic, index=part.index, values=batch.values, pid=batch.producer_id,
                    epoch=batch.producer_epoch, seq=batch.base_sequence,
                )  # fmt: skip

    def answered(self, wire: Wire, request: ProduceFrame | None, data: bytes, took_us: int) -> None:
        """A broker has answered, *took_us* after it could begin with the request; whatever happens to the answer, this
        is when its append was known."""
        self._tell("answered", wire, request, data, took_us=took_us)

    def responded(self, wire: Wire, request: ProduceFrame | None, data: bytes) -> None:
        """An answer is handed to the client."""
        self._tell("response", wire, request, data)

    def _tell(self, kind: str, wire: Wire, request: ProduceFrame | None, data: bytes, **more: int) -> None:
        if request is None:
            return
        told: dict[tuple[str, int], Answer] = {
            (answer.topic, answer.index): answer
            for answer in answers_in(data, request.header.version, self.topic_name)
        }
        for part in request.parts:
            answer = told.get((part.topic, part.index))
            if answer is not None:
                self._see(
                    kind, wire, topic=part.topic, index=part.index, error=answer.error, offset=answer.base_offset,
                    values=tuple(value for batch in part.batches for value in batch.values), **more,
                )  # fmt: skip

    def crossed(self, took_us: int) -> None:
        self.crossings.append(took_us)

    def struck(self, fault: MessageFault, wire: Wire) -> None:
        self._see("fault", wire, text=fault.text, index=fault.index)

    def _see(self, kind: str, wire: Wire, **fields: Any) -> None:
        self.sightings.append({
            "kind": kind, "t_us": self.clock.now_us(), "client": wire.client, "conn": wire.number,
            "broker": wire.broker, **fields,
        })  # fmt: skip
