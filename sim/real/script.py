"""The message faults of one producer on real connections: which request meets which fault, and who waits for whom.

The same pure matcher as in the simulated network decides (``sim.message_faults``); ``wire`` carries it out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sim.message_faults import AnswerDrops, Matcher
from sim.plan import MessageFault
from sim.real.produce import ProduceFrame
from sim.real.way import Clock

if TYPE_CHECKING:
    from sim.real.wire import Frame, Slot, Wire

__all__ = ["Script"]


class Script:
    """Over all connections and incarnations of a producer. ``counting`` is False until its warm-up is acknowledged."""

    def __init__(
        self, faults: Sequence[MessageFault], partitions: Mapping[tuple[str, int], int], clock: Clock, counting: bool
    ) -> None:
        self._matcher, self._partitions, self._clock = Matcher(faults), partitions, clock
        self.counting = counting
        self._reports = 0
        self._drops: AnswerDrops[Wire] = AnswerDrops(self._matcher)
        self._held: list[tuple[Wire, MessageFault]] = []

    def see(self, request: ProduceFrame) -> tuple[dict[int, int], MessageFault | None]:
        """A produce request is on the network: its number by partition, and the fault that it meets."""
        numbers: dict[int, int] = {}
        met: MessageFault | None = None
        if not self.counting:
            return numbers, met
        for part in request.parts:
            partition = self._partitions[part.topic, part.index]
            values = [value for batch in part.batches for value in batch.values]
            number, fault = self._matcher.see(partition, lambda values=values: values, self._clock.now_us())  # type: ignore[misc]
            if number:
                numbers[partition] = number
            if fault is not None and (met is None or fault.index < met.index):
                met = fault
        return numbers, met

    # --- answers ------------------------------------------------------------------------------------------------------
    def answered(self, frame: Frame) -> None:
        """The broker has answered this request, or it asked for no answer."""
        for wire, fault in self._drops.answered(frame.numbers):
            wire.break_off(fault)

    def drop_answer(self, wire: Wire, slot: Slot, fault: MessageFault) -> None:
        """Reset the wire once requests 1..m are answered, its own if no m is given."""
        for ripe, its in self._drops.wait(wire, slot.frame.numbers, fault):
            ripe.break_off(its)

    # --- holding ------------------------------------------------------------------------------------------------------
    def hold(self, wire: Wire, fault: MessageFault) -> None:
        self._held.append((wire, fault))
        self._release()

    def reported(self, acknowledged: bool) -> None:
        """The application got a callback."""
        if not self.counting:
            self.counting = acknowledged  # of the warm-up, which is not counted itself
            return
        self._reports += 1
        self._release()

    def _release(self) -> None:
        for entry in [entry for entry in self._held if self._reports >= entry[1].release_callbacks]:
            self._held.remove(entry)
            wire, fault = entry
            asyncio.get_running_loop().call_later(fault.release_after_us / 1_000_000, wire.release)
