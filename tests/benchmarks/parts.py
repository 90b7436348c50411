"""Where the time of a simulated run goes: how long each part of it has the processor, without what it calls of others.

The parts are the roles, by the methods that the world calls; what is left is the kernel, the network, the trace and the
making of the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["clocked", "in_words"]

_STIMULI = ("start", "on_message", "on_alarm", "on_connected", "on_disconnected")
_COORDINATOR = ("_find", "_join", "_sync", "_heartbeat", "_leave", "_commit", "_fetch")
REST = "kernel, network, trace"


class _Clock:
    """Exclusive time by part: a part that calls another stands still meanwhile."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._part, self._since = REST, time.perf_counter()

    def switch(self, part: str) -> str:
        now = time.perf_counter()
        self.spent[self._part] = self.spent.get(self._part, 0.0) + now - self._since
        before, self._part, self._since = self._part, part, now
        return before

    def watched(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            before = self.switch(part)
            try:
                return work(*arguments)
            finally:
                self.switch(before)

        return call


def _places() -> Iterator[tuple[str, object, tuple[str, ...]]]:
    from sim.protocol import member_classic
    from sim.protocol.broker import Broker
    from sim.protocol.controller import Controller
    from sim.protocol.group_consumer import GroupConsumer
    from sim.protocol.group_coordinator import GroupCoordinator
    from sim.protocol.java_producer import JavaProducer

    yield "members", GroupConsumer, _STIMULI
    yield "assignor", member_classic, ("assign",)
    yield "coordinator", GroupCoordinator, _COORDINATOR
    yield "brokers' logs and fetches", Broker, _STIMULI
    yield "controller", Controller, _STIMULI
    yield "producer", JavaProducer, _STIMULI


@contextmanager
def clocked() -> Iterator[dict[str, float]]:
    """Seconds by part of what runs inside, complete at the end of the block."""
    clock, kept = _Clock(), []
    for part, owner, names in _places():
        for name in names:
            work = getattr(owner, name)
            kept.append((owner, name, work))
            setattr(owner, name, clock.watched(part, work))
    try:
        yield clock.spent
    finally:
        for owner, name, work in kept:
            setattr(owner, name, work)
        clock.switch(REST)


def in_words(spent: dict[str, float]) -> str:
    """Shares of the whole, largest first."""
    whole = sum(spent.values()) or 1.0
    ranked = sorted(spent.items(), key=lambda item: -item[1])
    return ", ".join(f"{part} {100 * seconds / whole:.0f} %" for part, seconds in ranked)
