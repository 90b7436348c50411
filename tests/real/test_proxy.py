"""The proxy between a client and a broker that are written here: frames go through unchanged and in order, and every
verb of the scripted faults does what the recorded runs say it does."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sim.plan import Distribution, LinkPlan, MessageFault
from sim.real.produce import answers_in
from sim.real.proxy import Proxy
from sim.real.script import Script
from sim.real.way import Clock
from sim.world.links import Link
from tests.real.written import answer, batch, produce, record

VERSION = 9
HOST = "127.0.0.1"
PARTITIONS = {("t", 0): 0}


UNUSED = 1  # a port that nobody listens at


def free_port() -> int:
    with socket.socket() as held:
        held.bind((HOST, 0))
        return int(held.getsockname()[1])


async def gate(proxy: Proxy, behind: int) -> int:
    """The port of a gate that *proxy* opens; another program may take a free one first, so others are tried."""
    for tries_left in reversed(range(20)):
        port = free_port()
        proxy._ports = {1: (port, behind)}
        try:
            await proxy.open(1)
            break
        except OSError:
            if not tries_left:
                raise
    return port


def request(value: str, correlation: int, acks: int = -1) -> bytes:
    data = batch([record(0, None, value.encode())])
    return produce(VERSION, [("t", 0, data)], acks=acks, correlation=correlation)


def framed(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


async def next_frame(reader: asyncio.StreamReader) -> bytes | None:
    """None where the connection is gone."""
    try:
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


@dataclass
class Broker:
    """Answers every produce request at once with the next offset; keeps what it was handed."""

    taken: list[int] = field(default_factory=list)  # correlation ids
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await next_frame(reader)) is not None:
            (correlation,) = struct.unpack(">i", data[4:8])
            self.taken.append(correlation)
            writer.write(framed(answer(VERSION, [("t", 0, 0, len(self.taken) - 1)], correlation)))
        self.ended.set()
        writer.close()


@dataclass
class Scene:
    broker: Broker
    proxy: Proxy
    script: Script
    port: int

    async def client(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.port)

    def kinds(self, kind: str) -> list[Any]:
        return [seen for seen in self.proxy.sightings if seen["kind"] == kind]


def fault(do: str, **fields: Any) -> MessageFault:
    return MessageFault(index=0, do=do, producer=4, partition=0, text=do, **{"nth": (1,), **fields})


def play(act: Callable[[Scene], Awaitable[None]], *faults: MessageFault) -> Scene:
    """One broker behind a proxy, and *act* as the client."""

    async def run() -> Scene:
        clock, broker = Clock(), Broker()
        server = await asyncio.start_server(broker.serve, HOST, 0)
        proxy = Proxy(clock, {})
        script = Script(faults, PARTITIONS, clock, counting=True)
        proxy.begin({}, PARTITIONS, {"p": script}, lambda client, broker: (None, None))
        scene = Scene(broker, proxy, script, await gate(proxy, server.sockets[0].getsockname()[1]))
        try:
            await asyncio.wait_for(act(scene), 20)
        finally:
            proxy.close()
            server.close()
        assert proxy.failure is None
        return scene

    return asyncio.run(run())


async def exchange(scene: Scene, count: int) -> list[tuple[int, int]]:
    """Send *count* requests in one go; (correlation, error) of the answers until there are as many or a reset."""
    reader, writer = await scene.client()
    writer.write(b"".join(framed(request(str(n), n)) for n in range(count)))
    told: list[tuple[int, int]] = []
    while len(told) < count:
        data = await next_frame(reader)
        if data is None:
            break
        told.append((struct.unpack(">i", data[:4])[0], answers_in(data, VERSION, str)[0].error))
    writer.close()
    return told


def test_without_a_fault_everything_passes_in_order_and_is_seen() -> None:
    async def act(scene: Scene) -> None:
        assert await exchange(scene, 3) == [(0, 0), (1, 0), (2, 0)]

    scene = play(act)
    assert scene.broker.taken == [0, 1, 2]
    assert [seen["values"] for seen in scene.kinds("attempt")] == [("0",), ("1",), ("2",)]
    assert [seen["offset"] for seen in scene.kinds("answered")] == [0, 1, 2]
    assert [seen["offset"] for seen in scene.kinds("response")] == [0, 1, 2]
    assert scene.kinds("fault") == []


def test_a_dropped_response_resets_behind_what_was_answered_and_the_broker_has_all() -> None:
    async def act(scene: Scene) -> None:
        assert await exchange(scene, 3) == [(0, 0)]
        await scene.broker.ended.wait()

    scene = play(act, fault("drop_response", nth=(2,), after_answered=3))
    assert scene.broker.taken == [0, 1, 2]
    assert len(scene.kinds("fault")) == 1


def test_a_dropped_request_takes_those_behind_it_along() -> None:
    async def act(scene: Scene) -> None:
        assert await exchange(scene, 3) == [(0, 0)]
        await scene.broker.ended.wait()

    scene = play(act, fault("drop_request", nth=(2,), earlier="acked"))
    assert scene.broker.taken == [0]
    assert len(scene.kinds("attempt")) == 3


def test_a_request_dropped_when_earlier_ones_are_appended_loses_their_answers() -> None:
    async def act(scene: Scene) -> None:
        assert await exchange(scene, 3) in ([], [(0, 0)])

    scene = play(act, fault("drop_request", nth=(2,), earlier="appended"))
    assert scene.broker.taken == [0]


def test_an_error_in_place_of_handing_on() -> None:
    async def act(scene: Scene) -> None:
        assert await exchange(scene, 3) == [(0, 0), (1, 6), (2, 0)]

    scene = play(act, fault("answer_error", nth=(2,), error=6))
    assert scene.broker.taken == [0, 2]


def test_an_error_after_the_append() -> None:
    async def act(scene: Scene) -> None:
        assert await exchange(scene, 2) == [(0, 20), (1, 0)]

    scene = play(act, fault("append_then_error", error=20))
    assert scene.broker.taken == [0, 1]
    assert [seen["error"] for seen in scene.kinds("answered")] == [0, 0]
    assert [seen["error"] for seen in scene.kinds("response")] == [20, 0]


def test_what_is_swallowed_makes_later_answers_wait_for_ever() -> None:
    async def act(scene: Scene) -> None:
        reader, writer = await scene.client()
        writer.write(framed(request("0", 0)) + framed(request("1", 1)))
        while scene.broker.taken != [1] or len(scene.kinds("answered")) < 1:
            await asyncio.sleep(0)
        assert scene.kinds("response") == []
        writer.close()

    play(act, fault("swallow"))


def test_a_late_answer_makes_those_behind_it_late_and_changes_no_order() -> None:
    async def act(scene: Scene) -> None:
        assert await exchange(scene, 2) == [(0, 0), (1, 0)]

    scene = play(act, fault("delay_response", delay_us=30_000))
    answered, told = scene.kinds("answered"), scene.kinds("response")
    assert told[0]["t_us"] - answered[0]["t_us"] >= 30_000
    assert told[1]["t_us"] >= told[0]["t_us"]


def test_a_held_request_is_handed_on_after_callbacks_although_the_client_has_gone() -> None:
    async def act(scene: Scene) -> None:
        _, writer = await scene.client()
        writer.write(framed(request("0", 0)) + framed(request("1", 1)))
        while len(scene.kinds("attempt")) < 2:
            await asyncio.sleep(0)
        writer.close()
        assert scene.broker.taken == []
        scene.script.reported(acknowledged=False)
        await scene.broker.ended.wait()

    scene = play(act, fault("hold_request", release_callbacks=1, release_after_us=1_000))
    assert scene.broker.taken == [0, 1]


def test_a_shut_gate_refuses_and_an_opened_one_takes_again() -> None:
    async def act(scene: Scene) -> None:
        scene.proxy.shut(1)
        with pytest.raises(ConnectionRefusedError):
            await scene.client()
        await scene.proxy.open(1)
        assert await exchange(scene, 1) == [(0, 0)]

    play(act)


def test_a_broker_that_cannot_be_reached_resets_the_client() -> None:
    async def act(scene: Scene) -> None:
        scene.proxy.shut(1)
        reader, _ = await asyncio.open_connection(HOST, await gate(scene.proxy, UNUSED))
        assert await next_frame(reader) is None

    play(act)


def test_a_reset_breaks_chosen_connections_only() -> None:
    async def act(scene: Scene) -> None:
        reader, writer = await scene.client()
        writer.write(framed(request("0", 0)))
        assert await next_frame(reader) is not None
        scene.proxy.reset(lambda wire: wire.client == "q")
        writer.write(framed(request("1", 1)))
        assert await next_frame(reader) is not None
        scene.proxy.reset(lambda wire: wire.client == "p")
        assert await next_frame(reader) is None

    play(act)


def test_a_connection_that_outlives_a_run_gets_the_links_of_the_next() -> None:
    async def act(scene: Scene) -> None:
        reader, writer = await scene.client()
        writer.write(framed(request("0", 0)))
        assert await next_frame(reader) is not None
        link = Link(0, "p>broker-1", LinkPlan(Distribution("constant", {"value": 1_000})))
        scene.proxy.begin({}, PARTITIONS, {}, lambda client, broker: (link, link) if client == "p" else (None, None))
        link.cut()
        writer.write(framed(request("1", 1)))
        while not scene.proxy._wires[0].up._items:
            await asyncio.sleep(0)
        assert scene.broker.taken == [0]
        link.mend()
        scene.proxy.pump()
        assert await next_frame(reader) is not None
        assert len(scene.proxy.crossings) == 2  # there and back

    play(act)


def test_the_warm_up_is_not_counted() -> None:
    async def act(scene: Scene) -> None:
        scene.script.counting = False
        assert await exchange(scene, 1) == [(0, 0)]
        scene.script.reported(acknowledged=True)
        assert await exchange(scene, 1) == [(0, 6)]

    play(act, fault("answer_error", error=6))
