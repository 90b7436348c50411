"""Calls of a consumer's application as plan values, by time."""

from __future__ import annotations

from sim.errors import InputError
from sim.plan import CallPlan
from sim.scenario.calls import PLACES
from sim.scenario.model import Scenario
from sim.scenario.names import Names
from sim.scenario.tree import Path
from sim.units import duration_text

__all__ = ["calls_of"]


def calls_of(scenario: Scenario, names: Names, name: str) -> tuple[CallPlan, ...]:
    """Calls of the consumer *name*, equal times in the order of the file."""
    found = []
    for index, call in enumerate(scenario.consumers[name].calls):
        path: Path = ("consumers", name, "calls", index)
        if call.at > scenario.run:
            rule = f"{duration_text(call.at)} is after the end of run"
            raise InputError(scenario._origin.place((*path, "at")), rule, "lengthen run, or call earlier")
        words: list[str] = getattr(call, call.verb)
        numbers = tuple(names.partition(word, scenario._origin.place((*path, call.verb))) for word in words)
        to = PLACES[call.to] if isinstance(call.to, str) else call.to or 0
        found.append(CallPlan(call.at, call.verb, numbers, to))
    return tuple(sorted(found, key=lambda one: one.at_us))
