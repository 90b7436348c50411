"""Message faults: what stands on the wire between a producer with scripted faults and its brokers.

One *wire* a connection, at the broker's end of the link. It knows requests and answers as frames, never reorders, and
does what the vocabulary says (a request is seen, and counted, when the client sends it):

- requests go on to the broker one behind the other; answers leave in the order of their requests, so that one that is
  late or never comes makes all behind it wait;
- what waits in front of a held request waits with it, the client's end of the connection included;
- a request that a client sends at the moment at which a reset has reached it is on no network: it is not seen;
- a reset by the script reaches the client behind the answers that are on their way. What the broker had taken runs on
  and its answers are lost; what had not arrived is lost. The broker learns of an end, the client's own or the script's,
  when it has answered everything it took.

Only connections of producers with message faults have one (``Network.tap_of``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from sim.message_faults import AnswerDrops, Matcher
from sim.plan import MessageFault
from sim.protocol.messages import ProduceRequest, ProduceResponse, ProduceResult
from sim.protocol.rows import Kind
from sim.world.host import Host
from sim.world.kernel import NEVER, Kernel
from sim.world.network import Conn, Delivery, Network, deliver, end

__all__ = ["Script", "ScriptedHost", "Wire"]

Values = Callable[[int, int, int, int], Sequence[str]]  # of (instance, partition, lo, hi)

BROKER_US = 100  # a broker takes a moment to answer, a forged answer does not: the two never arrive as one
REPORTS = (Kind.ACK, Kind.FAIL, Kind.UNKNOWN, Kind.REFUSED)


class Frame:
    """A request on its way, with the verdict it got when it was sent."""

    __slots__ = ("cause", "fault", "message", "numbers")

    def __init__(self, message: object, cause: int, numbers: dict[int, int], fault: MessageFault | None) -> None:
        self.message, self.cause = message, cause
        self.numbers = numbers  # of the request, by partition that has faults
        self.fault = fault


class Slot:
    """The place of one answer in the order of answers."""

    __slots__ = ("answer", "cause", "due_us", "frame", "withheld")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.answer: object = None
        self.cause = -1
        self.due_us = 0  # not before
        self.withheld = False  # never


class Script:
    """The message faults of one producer, over all its connections and incarnations."""

    def __init__(
        self, faults: Sequence[MessageFault], kernel: Kernel, network: Network, values: Values, counting: bool = True
    ) -> None:
        self.kernel, self.network, self.values = kernel, network, values
        self.counting = counting  # False until the warm-up is acknowledged
        self._matcher = Matcher(faults)
        self.unseen: list[int] = []  # rows of transmissions that came to a connection already reset
        self._reports = 0
        self._drops: AnswerDrops[tuple[Wire, Slot]] = AnswerDrops(self._matcher)
        self._held: list[tuple[Wire, MessageFault]] = []

    def wire(self, conn: Conn) -> Wire:
        return Wire(self, conn)

    def see(self, message: object, cause: int) -> Frame:
        """The client sends *message*: count it, and find the fault that it meets."""
        numbers: dict[int, int] = {}
        met: MessageFault | None = None
        if self.counting and isinstance(message, ProduceRequest):
            for batch in message.batches:
                number, fault = self._matcher.see(
                    batch.partition, lambda b=batch: self.values(b.prod, b.partition, b.lo, b.hi), self.kernel.now_us  # type: ignore[misc]
                )
                if number:
                    numbers[batch.partition] = number
                if fault is not None and (met is None or fault.index < met.index):
                    met = fault
        return Frame(message, cause, numbers, met)

    # --- answers ------------------------------------------------------------------------------------------------------
    def answered(self, frame: Frame) -> None:
        """The broker has answered this request (or it asked for no answer)."""
        for (wire, slot), fault in self._drops.answered(frame.numbers):
            wire.break_off(fault, slot.frame.cause)

    def drop_answer(self, wire: Wire, slot: Slot, fault: MessageFault) -> None:
        """Reset the wire once requests 1..m are answered, its own if no m is given."""
        for (ripe, its), struck in self._drops.wait((wire, slot), slot.frame.numbers, fault):
            ripe.break_off(struck, its.frame.cause)

    # --- holding ------------------------------------------------------------------------------------------------------
    def hold(self, wire: Wire, fault: MessageFault) -> None:
        self._held.append((wire, fault))
        self._release()

    def reported(self, kind: int, records: int) -> None:
        """The application got so many callbacks."""
        if not self.counting:
            self.counting = kind == Kind.ACK  # of the warm-up, which is not counted itself
            return
        self._reports += records
        if self._held:
            self._release()

    def _release(self) -> None:
        ripe = [entry for entry in self._held if self._reports >= entry[1].release_callbacks]
        for entry in ripe:
            self._held.remove(entry)
            wire, fault = entry
            self.kernel.call_at(self.kernel.now_us + fault.release_after_us, lambda _, wire=wire: wire.release())  # type: ignore[misc]


class Wire:
    """One connection's frames (``sim.world.network.Tap``)."""

    def __init__(self, script: Script, conn: Conn) -> None:
        self._script, self._conn = script, conn
        self._network, self._kernel = script.network, script.kernel
        self._slots: deque[Slot] = deque()  # answers not yet sent to the client, in order
        self._handed: deque[Slot] = deque()  # requests that the broker has not answered
        self._held: deque[Frame | Delivery] | None = None  # what waits in front of the broker; a delivery: the end
        self._dropping: tuple[MessageFault, Frame] | None = None  # a dropped request: nothing behind it goes on
        self._broken = False  # reset by the script, or ended by the server
        self._reset_us = NEVER  # when that reaches the client
        self._end: Delivery | None = None  # the client's end, to be handed on behind the last answer

    # --- towards the broker -------------------------------------------------------------------------------------------
    def client_sends(self, message: object, cause: int) -> object:
        if self._kernel.now_us >= self._reset_us:
            self._script.unseen.append(cause)
            return Frame(message, cause, {}, None)
        return self._script.see(message, cause)

    def arrived(self, event: Delivery) -> None:
        frame = event.message
        assert isinstance(frame, Frame)
        if not event.way.open:
            self._network.refuse_data(event.way, event.cause)
        elif self._held is not None:
            self._held.append(frame)
        else:
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if self._broken or self._dropping is not None:
            return
        fault = frame.fault
        do = fault.do if fault is not None else ""
        if fault is None or do in ("append_then_error", "delay_response"):
            self._hand_on(frame)
        elif do == "drop_response":
            slot = self._hand_on(frame)
            slot.withheld = True
            self._script.drop_answer(self, slot, fault)
        elif do == "drop_request":
            self._dropping = fault, frame
            self._look_at_drop()
        elif do == "answer_error":
            self._strike(fault, frame)
            self._forge_answer(fault, frame)
        elif do == "swallow":
            self._strike(fault, frame)
            if _wants_answer(frame):
                slot = Slot(frame)
                slot.withheld = True
                self._slots.append(slot)
        else:
            assert do == "hold_request", do
            self._strike(fault, frame)
            frame.fault = None
            self._held = deque((frame,))
            self._script.hold(self, fault)

    def _hand_on(self, frame: Frame) -> Slot:
        """The broker gets the request."""
        slot = Slot(frame)
        if _wants_answer(frame):
            self._slots.append(slot)
            self._handed.append(slot)
        self._kernel.call_at(
            self._kernel.now_us + BROKER_US,
            lambda _: deliver(Delivery(self._conn.up, frame.message, frame.cause, None)),
            self._conn.up.priority,
        )
        if not _wants_answer(frame):
            self._script.answered(frame)
        return slot

    def release(self) -> None:
        """What was held goes to the broker in order, the client's end behind it."""
        held, self._held = self._held or deque(), None
        while held:
            item = held.popleft()
            if isinstance(item, Delivery):
                self.client_ended(item)
            else:
                self._take(item)
            if self._held is not None:  # held again by the next one's fault
                self._held.extend(held)
                return

    def client_ended(self, event: Delivery) -> None:
        if self._held is not None:
            self._held.append(event)
            return
        self._end = event
        self._pass_end()

    def _pass_end(self) -> None:
        """The broker learns of the end when it has answered all that it took."""
        if self._end is not None and not self._handed:
            event, self._end = self._end, None
            self._kernel.schedule(Delivery(self._conn.up, None, event.cause, (end,)), self._conn.up.priority, BROKER_US)

    # --- towards the client -------------------------------------------------------------------------------------------
    def server_sends(self, message: object, cause: int) -> None:
        slot = self._handed.popleft()
        if not self._broken:
            slot.answer, slot.cause = message, cause
            self._alter(slot)
            self._send_answers()
        self._script.answered(slot.frame)
        self._look_at_drop()
        self._pass_end()

    def _alter(self, slot: Slot) -> None:
        """The faults that change an answer that the broker gave."""
        fault = slot.frame.fault
        if fault is None:
            return
        if fault.do == "append_then_error" and isinstance(slot.answer, ProduceResponse):
            slot.cause = self._strike(fault, slot.frame)
            slot.answer = ProduceResponse([
                ProduceResult(result.partition, fault.error) if result.partition == fault.partition else result
                for result in slot.answer.results
            ])  # fmt: skip
        elif fault.do == "delay_response":
            self._strike(fault, slot.frame)
            slot.due_us = self._kernel.now_us + fault.delay_us
            self._kernel.call_at(slot.due_us, lambda _: self._send_answers())

    def _forge_answer(self, fault: MessageFault, frame: Frame) -> None:
        request = frame.message
        assert isinstance(request, ProduceRequest)
        self._script.answered(frame)
        if _wants_answer(frame):
            slot = Slot(frame)
            slot.answer = ProduceResponse([ProduceResult(batch.partition, fault.error) for batch in request.batches])
            slot.cause = frame.cause
            self._slots.append(slot)
            self._send_answers()

    def _send_answers(self) -> None:
        """Everything that is due, up to the first that is not."""
        if self._dropping is not None and self._dropping[0].earlier == "appended":
            return
        slots, now = self._slots, self._kernel.now_us
        while slots and slots[0].answer is not None and not slots[0].withheld and slots[0].due_us <= now:
            slot = slots.popleft()
            self._network.transmit(self._conn.down, slot.answer, slot.cause)
        self._look_at_drop()

    # --- breaks -------------------------------------------------------------------------------------------------------
    def _look_at_drop(self) -> None:
        """A dropped request resets the connection once those before it have come as far as its fault says."""
        if self._dropping is None or self._broken:
            return
        fault, frame = self._dropping
        waits_for = {"acked": self._slots, "appended": self._handed, "now": ()}[fault.earlier]
        if not waits_for:
            self.break_off(fault, frame.cause)

    def break_off(self, fault: MessageFault, cause: int) -> None:
        """Reset the client's connection, behind the answers that are on their way."""
        if self._broken:
            return
        row = self._strike_row(fault, cause)
        self._broken = True
        self._slots.clear()
        self._network.transmit(self._conn.down, None, row, end)
        self._reset_us = self._conn.down.last_us
        self._end = self._end or Delivery(self._conn.up, None, row, None)
        self._pass_end()

    def server_ended(self, cause: int) -> None:
        """The broker has closed, or died: the client learns behind the answers that are on their way."""
        self._broken = True
        self._slots.clear()
        self._handed.clear()
        self._held = None
        self._network.transmit(self._conn.down, None, cause, end)

    def _strike(self, fault: MessageFault, frame: Frame) -> int:
        return self._strike_row(fault, frame.cause)

    def _strike_row(self, fault: MessageFault, cause: int) -> int:
        client = self._conn.down.host
        return client.record(
            Kind.FAULT, cause=cause, conn=self._conn.number, partition=fault.partition, n=fault.index
        )


def _wants_answer(frame: Frame) -> bool:
    return not (isinstance(frame.message, ProduceRequest) and frame.message.acks == 0)


class ScriptedHost(Host):
    """The host of a producer with message faults: it counts callbacks."""

    __slots__ = ("script",)

    script: Script

    def record(self, kind: int, **columns: Any) -> int:
        if kind in REPORTS:
            self.script.reported(kind, columns["hi"] - columns["lo"])
        return super().record(kind, **columns)
