"""What a real run leaves: the lives of its producers, what clients said, what the proxy saw, what the logs hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.plan import ProducerPlan
from sim.real.calls import Call
from sim.real.driver import Driver
from sim.real.record_batches import Batch

__all__ = ["Event", "Instance", "Outcome"]

FATAL_S = 3.0  # a client that met a fatal error says no more after so long

Event = dict[str, Any]


@dataclass
class Instance:
    """One life of one producer."""

    plan: ProducerPlan
    name: str
    calls: list[Call]
    driver: Driver
    incarnation: int = 1
    called: int = 0
    reported: set[int] = field(default_factory=set)
    sent: bool = False  # all calls are made
    dead: bool = False
    fatal_at: float | None = None

    def done(self, now: float) -> bool:
        if self.dead:
            return True
        if self.fatal_at is not None and now > self.fatal_at + FATAL_S:
            return True
        return self.sent and len(self.reported) >= self.called


@dataclass
class Outcome:
    """What a run left: everything in microseconds of the run's clock, which is 0 when the first call is due."""

    instances: list[Instance]
    events: list[Event]  # of clients, and notes of faults, in the order of arrival
    sightings: list[Event]  # of the proxy
    logs: dict[tuple[str, int], dict[int, list[Batch]]]  # by partition and broker
    leaders: dict[tuple[str, int], tuple[int, int]]  # at the end: broker, leader epoch
    first_leaders: dict[tuple[str, int], int]
    settled: bool
    drained: bool
    unsettled: list[str]
    consumers: list[str]  # readers and members
    groups: dict[str, str] = field(default_factory=dict)  # of each member
    crossings: list[int] = field(default_factory=list)  # how long messages took on links that no fault struck
    committed: dict[str, dict[tuple[str, int], int]] = field(default_factory=dict)  # by group, at the end
