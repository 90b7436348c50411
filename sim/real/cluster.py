"""A real cluster on this machine: controllers, brokers, an operator, and the proxy in front of the brokers.

Brokers have their numbers of the plan, controllers those from 101 on. One controller is enough unless a scenario moves
it; apart from the brokers, so that a leader can be killed without the quorum.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.real import properties
from sim.real.driver import Driver, Refusal
from sim.real.household import Household
from sim.real.jars import Kafka
from sim.real.properties import HOST, BrokerPorts
from sim.real.proxy import Proxy
from sim.real.way import Clock

__all__ = ["FIRST_CONTROLLER", "RealCluster"]

FIRST_CONTROLLER = 101
CLUSTER_ID = "a29yZGVyLXJlYWwtcnVuMQ"
STARTING_S = 90.0
LOOK_S = 0.1


class RealCluster:
    """Brokers 1..*count* of one release with these options; an asynchronous context manager. *between*: what they
    fetch of each other passes the proxy."""

    def __init__(
        self, home: Household, kafka: Kafka, count: int, controllers: int = 1, *,
        broker_options: Mapping[str, str], controller_options: Mapping[str, str], say: Callable[[str], None],
        between: bool = False,
    ) -> None:  # fmt: skip
        self.home, self.kafka, self.numbers = home, kafka, range(1, count + 1)
        self._say = say
        self._broker_options, self._controller_options = broker_options, controller_options
        kinds = 5 if between else 3  # of ports: *between*: links among brokers pass the proxy
        ports = iter(_free_ports(controllers + kinds * count))
        self._voters = {FIRST_CONTROLLER + k: next(ports) for k in range(controllers)}
        self.ports = {number: BrokerPorts(*(next(ports) for _ in range(kinds))) for number in self.numbers}
        self.clock = Clock()
        peers = {n: (p.peers_proxy, p.peers) for n, p in self.ports.items() if between}
        self.proxy = Proxy(self.clock, {n: (p.proxy, p.client) for n, p in self.ports.items()}, peers)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._operator: Driver | None = None
        self.on_event: Callable[[dict[str, Any]], None] = lambda event: None

    # --- life ---------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        self._say(f"starting {len(self.numbers)} brokers of Kafka {self.kafka.release}")
        self._operator = self.driver("operator")
        await self.operator.listen()
        files = [str(path) for path in self._write_properties()]
        try:
            await self.operator.ask("format", cluster=CLUSTER_ID, files=files)
        except Refusal as refused:
            raise InputError("confirm", f"Kafka refuses the brokers' options: {refused}", "change those") from None
        for number in (*self._voters, *self.numbers):
            self._launch(number)
        for number in self.numbers:
            await self.proxy.open(number)
        await self._wait_for(self.numbers)

    def driver(self, name: str) -> Driver:
        """A process with Java clients in it."""
        return Driver(self.home, self.kafka.command("KafkaClients"), name, lambda event: self.on_event(event))

    def _write_properties(self) -> list[Path]:
        files = []
        for number in (*self._voters, *self.numbers):
            folder = self.log_folder(number)
            options = self._controller_options if number in self._voters else self._broker_options
            if number in self._voters:
                written = properties.controller(number, self._voters, options, folder)
            else:
                written = properties.broker(number, self.ports[number], self._voters, options, folder)
            files.append(self.home.folder / f"node-{number}.properties")
            files[-1].write_text(properties.written(written), encoding="utf-8")
        return files

    def log_folder(self, number: int) -> Path:
        return self.home.folder / f"data-{number}"

    def _launch(self, number: int) -> None:
        command = self.kafka.command("kafka.Kafka", str(self.home.folder / f"node-{number}.properties"))
        self._processes[number] = self.home.start(command, f"node-{number}")

    async def _wait_for(self, numbers: Sequence[int]) -> None:
        """Until the operator sees these brokers alive."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STARTING_S
        wanted = set(numbers)
        connected = False
        while True:
            for number in (*self._voters, *numbers):
                if self._processes[number].poll() is not None:
                    raise InputError("confirm", f"node {number} ended: {self.home.tail(f'node-{number}')}", "")
            if not connected:
                connected = await self._reachable(self.ports[numbers[0]].inside)
                if connected:
                    await self._connect()
            elif await self._alive() >= wanted:
                return
            if loop.time() > deadline:
                rule = f"the brokers did not start within {STARTING_S:.0f} s"
                raise InputError("confirm", rule, "give the machine less other work")
            await asyncio.sleep(LOOK_S)

    async def _connect(self) -> None:
        bootstrap = ",".join(f"{HOST}:{ports.inside}" for ports in self.ports.values())
        await self.operator.ask("connect", bootstrap=bootstrap)

    async def _alive(self) -> set[int]:
        try:
            return set(await self.operator.ask("nodes"))
        except Refusal:
            return set()

    @staticmethod
    async def _reachable(port: int) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return False
        writer.close()
        return True

    def close(self) -> None:
        self.proxy.close()
        if self._operator is not None:
            self._operator.end()

    @property
    def operator(self) -> Driver:
        """The process with the administration client; the Java clients that no fault strikes live in it too."""
        assert self._operator is not None, "the cluster was not started"
        return self._operator

    # --- what is done to brokers --------------------------------------------------------------------------------------
    def is_up(self, number: int) -> bool:
        return number in self._processes and self._processes[number].poll() is None

    def kill(self, number: int) -> None:
        self.proxy.shut(number)
        self.home.end(self._processes[number])

    def pause(self, number: int) -> None:
        self.home.signal(self._processes[number], signal.SIGSTOP)

    def resume(self, number: int) -> None:
        self.home.signal(self._processes[number], signal.SIGCONT)

    async def shut_down(self, number: int) -> None:
        """A controlled shutdown, as SIGTERM asks for it; returns when the process has ended."""
        process = self._processes[number]
        self.home.signal(process, signal.SIGTERM)
        while process.poll() is None:
            if not await self._reachable(self.ports[number].client):
                self.proxy.shut(number)
            await asyncio.sleep(0.02)
        self.proxy.shut(number)
        self.home.end(process)

    async def restart(self, number: int) -> None:
        """Start a broker that is down; its gate opens when it listens."""
        if self.is_up(number):
            return
        self._launch(number)
        while not await self._reachable(self.ports[number].client):
            if self._processes[number].poll() is not None:
                raise InputError("confirm", f"broker {number} ended: {self.home.tail(f'node-{number}')}", "")
            await asyncio.sleep(0.05)
        await self.proxy.open(number)

    async def fail_over(self, outage_us: int) -> None:
        """The active controller dies; another is elected; it comes back after the outage."""
        active = await self.operator.ask("controller")
        self.home.end(self._processes[active])
        await asyncio.sleep(outage_us / 1_000_000)
        self._launch(active)

    # --- topics -------------------------------------------------------------------------------------------------------
    async def create(self, topics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make these topics, wait until all replicas are in sync, and tell them as they are."""
        while True:
            try:
                await self.operator.ask("create", topics=list(topics))
                break
            except Refusal as refused:
                if "TopicExists" not in str(refused):  # one of the same name is still being deleted
                    raise InputError("confirm", f"Kafka refuses a topic: {refused}", "") from None
                await asyncio.sleep(LOOK_S)
        return await self.in_sync([str(topic["name"]) for topic in topics])

    async def ensure(self, topic: Mapping[str, Any]) -> None:
        """Make this topic if it is not there, and wait until its preferred replicas lead: a run before may have killed
        one."""
        name = str(topic["name"])
        if not await self.describe([name]):
            await self.create([topic])
        parts = (await self.in_sync([name]))[name]["partitions"]
        moved = [[name, index] for index, part in enumerate(parts) if part["leader"] != part["replicas"][0]]
        if moved:
            await self.operator.ask("elect", type="PREFERRED", partitions=moved)
            await self.in_sync([name])

    async def forget(self, groups: Sequence[str], patience_s: float = 15.0) -> bool:
        """Delete these groups as soon as nobody is in them; False where that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while loop.time() < deadline:
            try:
                await self.operator.ask("forget", groups=list(groups))
                return True
            except Refusal as refused:
                if "GroupIdNotFound" in str(refused):
                    return True
            await asyncio.sleep(LOOK_S)
        return False

    async def in_sync(self, names: Sequence[str], patience_s: float = 30.0) -> dict[str, Any]:
        """The topics, as soon as every partition is led and every replica is in sync, or when patience is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while True:
            found = await self.describe(names)
            if found and all(
                part["leader"] >= 0 and set(part["isr"]) == set(part["replicas"])
                for topic in found.values()
                for part in topic["partitions"]
            ):
                return found
            if loop.time() > deadline:
                return found
            await asyncio.sleep(LOOK_S)

    async def describe(self, names: Sequence[str]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = await self.operator.ask("describe", topics=list(names))
            return found
        except Refusal:
            return {}

    async def delete(self, names: Sequence[str]) -> None:
        try:
            await self.operator.ask("delete", topics=list(names))
        except Refusal:
            pass  # it is gone, or goes with the cluster


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    held = []
    try:
        for _ in range(count):
            held.append(socket.socket())
            held[-1].bind((HOST, 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
