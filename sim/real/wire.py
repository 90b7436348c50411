"""One proxied connection between a client and a broker: frames, in order, with what a script does to them.

The rules are those of ``sim.world.scripted``: requests go on one behind the other; answers leave in the order of their
requests; a reset reaches the client behind the answers that are on their way; what the broker had taken runs on; the
broker learns of an end when it has answered everything that it took.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.plan import MessageFault
from sim.real.produce import PRODUCE, Header, ProduceFrame, answers_in, forged, header_of, read, with_error
from sim.real.way import Way, machine_us

if TYPE_CHECKING:
    from sim.real.proxy import Proxy
    from sim.real.script import Script

__all__ = ["Frame", "Slot", "Wire"]

_END = None  # on a way: the other side has closed
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is not sent yet is thrown away, the peer gets RST


@dataclass(slots=True)
class Frame:
    data: bytes
    header: Header
    produce: ProduceFrame | None = None
    numbers: dict[int, int] = field(default_factory=dict)
    fault: MessageFault | None = None

    def wants_answer(self) -> bool:
        return self.produce is None or self.produce.acks != 0


@dataclass(slots=True)
class Slot:
    """The place of one answer in the order of answers."""

    frame: Frame
    answer: bytes | None = None
    due_us: int = -(1 << 62)  # not before; clients speak before the run begins
    withheld: bool = False  # never
    handed_us: int = 0  # when the broker got the request, by the machine's clock


class Wire:
    def __init__(
        self, proxy: Proxy, number: int, broker: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy, self.number, self.broker = proxy, number, broker
        self._reader, self._writer = reader, writer
        self.client = ""  # its client.id, known with the first request
        self._script: Script | None = None
        self._upstream: asyncio.StreamWriter | None = None
        self.up = Way(proxy.clock, self._arrived, proxy.crossed)
        self.down = Way(proxy.clock, self._reaches_client, proxy.crossed)
        self._slots: deque[Slot] = deque()  # answers not yet sent to the client, in order
        self._handed: deque[Slot] = deque()  # requests that the broker has not answered
        self._answered_us = 0  # when the broker last answered: it takes one request after another
        self._held: deque[Frame | None] | None = None  # what waits in front of the broker
        self._dropping: MessageFault | None = None  # of a dropped request: nothing behind it goes on
        self._broken = False  # reset by the script, or ended by the broker
        self._ended = False  # the client's end is to be handed on behind the last answer
        self.closed = False

    async def run(self, port: int) -> None:
        try:
            upstream_reader, self._upstream = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            self.abort()
            return
        for writer in (self._writer, self._upstream):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(self._read_client(), self._read_broker(upstream_reader))

    async def _read_client(self) -> None:
        async for data in _frames(self._reader):
            self.up.send(self._seen(data))
        self.up.send(_END)

    async def _read_broker(self, reader: asyncio.StreamReader) -> None:
        async for data in _frames(reader):
            self._broker_answers(data)
        self._broker_ended()

    # --- towards the broker -------------------------------------------------------------------------------------------
    def _seen(self, data: bytes) -> Frame:
        header = header_of(data)
        if not self.client:
            self.client = header.client_id
            self._script = self._proxy.introduce(self)
        frame = Frame(data, header)
        if header.api_key == PRODUCE:
            frame.produce = read(data, self._proxy.topic_name)
            if self._script is not None:
                frame.numbers, frame.fault = self._script.see(frame.produce)
            self._proxy.attempted(self, frame.produce)
        return frame

    def _arrived(self, item: Frame | None) -> None:
        if self._held is not None:
            self._held.append(item)
        elif item is None:
            self._ended = True
            self._pass_end()
        else:
            self._take(item)

    def _take(self, frame: Frame) -> None:
        if self._broken or self._dropping is not None:
            return
        fault = frame.fault
        do = fault.do if fault is not None else ""
        if fault is None or do in ("append_then_error", "delay_response"):
            self._hand_on(frame)
            return
        assert self._script is not None
        if do == "drop_response":
            slot = self._hand_on(frame)
            slot.withheld = True
            self._script.drop_answer(self, slot, fault)
        elif do == "drop_request":
            self._dropping = fault
            self._look_at_drop()
        elif do == "answer_error":
            self._struck(fault)
            self._forge_answer(fault, frame)
        elif do == "swallow":
            self._struck(fault)
            if frame.wants_answer():
                self._slots.append(Slot(frame, withheld=True))
        else:
            self._struck(fault)
            frame.fault = None
            self._held = deque((frame,))
            self._script.hold(self, fault)

    def _hand_on(self, frame: Frame) -> Slot:
        slot = Slot(frame, handed_us=machine_us())
        if frame.wants_answer():
            self._slots.append(slot)
            self._handed.append(slot)
        elif self._script is not None:
            self._script.answered(frame)
        assert self._upstream is not None
        _write(self._upstream, frame.data)
        return slot

    def release(self) -> None:
        """What was held goes to the broker in order, the client's end behind it."""
        held, self._held = self._held or deque(), None
        while held:
            self._arrived(held.popleft())
            if self._held is not None:  # held again by the next one's fault
                self._held.extend(held)
                return

    def _pass_end(self) -> None:
        if self._ended and not self._handed:
            self._finish()

    # --- towards the client -------------------------------------------------------------------------------------------
    def _broker_answers(self, data: bytes) -> None:
        if not self._handed:
            return
        slot = self._handed.popleft()
        begun_us, self._answered_us = max(slot.handed_us, self._answered_us), machine_us()
        self._proxy.answered(self, slot.frame.produce, data, self._answered_us - begun_us)
        if not self._broken:
            slot.answer = data
            self._alter(slot)
            self._send_answers()
        if self._script is not None:
            self._script.answered(slot.frame)
        self._look_at_drop()
        self._pass_end()

    def _alter(self, slot: Slot) -> None:
        """The faults that change an answer that the broker gave."""
        fault, produce = slot.frame.fault, slot.frame.produce
        if fault is None or produce is None or slot.answer is None:
            return
        if fault.do == "append_then_error":
            self._struck(fault)
            answers = answers_in(slot.answer, produce.header.version, self._proxy.topic_name)
            topic, index = self._proxy.partition_name(fault.partition)
            slot.answer = with_error(slot.answer, answers, topic, index, fault.error)
        elif fault.do == "delay_response":
            self._struck(fault)
            slot.due_us = self._proxy.clock.now_us() + fault.delay_us
            asyncio.get_running_loop().call_later(fault.delay_us / 1_000_000, self._send_answers)

    def _forge_answer(self, fault: MessageFault, frame: Frame) -> None:
        assert frame.produce is not None and self._script is not None
        self._script.answered(frame)
        if frame.wants_answer():
            self._slots.append(Slot(frame, forged(frame.produce, fault.error)))
            self._send_answers()

    def _send_answers(self) -> None:
        """Everything that is due, up to the first that is not."""
        if self._dropping is not None and self._dropping.earlier == "appended":
            return
        now = self._proxy.clock.now_us()
        slots = self._slots
        while slots and slots[0].answer is not None and not slots[0].withheld and slots[0].due_us <= now:
            self.down.send(slots.popleft())
        self._look_at_drop()

    def _reaches_client(self, item: Slot | None) -> None:
        if self.closed:
            return
        if item is None:
            _reset(self._writer)
            return
        assert item.answer is not None
        self._proxy.responded(self, item.frame.produce, item.answer)
        _write(self._writer, item.answer)

    # --- breaks -------------------------------------------------------------------------------------------------------
    def _look_at_drop(self) -> None:
        """A dropped request resets the connection once those before it have come as far as its fault says."""
        if self._dropping is None or self._broken:
            return
        waits_for = {"acked": self._slots, "appended": self._handed, "now": ()}[self._dropping.earlier]
        if not waits_for:
            self.break_off(self._dropping)

    def break_off(self, fault: MessageFault) -> None:
        """Reset the client's connection, behind the answers that are on their way."""
        if self._broken:
            return
        self._struck(fault)
        self._broken = self._ended = True
        self._slots.clear()
        self.down.send(_END)
        self._pass_end()

    def _broker_ended(self) -> None:
        """The broker has closed, or died."""
        if not self._broken:
            self._broken = True
            self.down.send(_END)
        self._slots.clear()
        self._handed.clear()
        self._held = None

    def _struck(self, fault: MessageFault) -> None:
        self._proxy.struck(fault, self)

    def _finish(self) -> None:
        """Close towards the broker; towards the client too where it was the client that ended."""
        if self._upstream is not None:
            self._upstream.close()
        if not self._broken:
            self._broken = True
            _reset(self._writer)

    def abort(self) -> None:
        """Reset both sides at once."""
        self.closed = self._broken = True
        self.up.close()
        self.down.close()
        for writer in (self._writer, self._upstream):
            if writer is not None:
                _reset(writer)


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    """One message; nothing where the other side has gone, as its end is on its way."""
    if not writer.is_closing():
        writer.write(struct.pack(">i", len(data)) + data)


def _reset(writer: asyncio.StreamWriter) -> None:
    held = writer.get_extra_info("socket")
    if held is not None and held.fileno() >= 0:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _frames(reader: asyncio.StreamReader):  # type: ignore[no-untyped-def]
    """Messages until the other side closes, whichever way it does."""
    try:
        while True:
            (length,) = struct.unpack(">i", await reader.readexactly(4))
            yield await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return
