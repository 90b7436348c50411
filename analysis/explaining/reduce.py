"""A scenario cut down to what a case needs: fewer faults, and no longer than it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from analysis.explaining.pins import Source
from sim.units import duration_text, duration_us

__all__ = ["fewer_faults", "reduced", "shortened", "with_faults"]

AFTER_US = 1_000_000  # a run is cut so long after the last moment of the case
STEP_US = 100_000
Shows = Callable[[Source], bool]


def shortened(scenario: Source, last_us: int) -> Source:
    """*scenario* with a run that ends soon after the case, which was over at *last_us*, and no fault after that."""
    wanted = -(-(last_us + AFTER_US) // STEP_US) * STEP_US
    if wanted >= duration_us(scenario.get("run", "30s")):
        return scenario
    faults = [fault for fault in scenario.get("faults", ()) if not _strikes_after(fault, wanted)]
    shorter = {**with_faults(scenario, faults), "run": duration_text(wanted)}
    if "producers" in scenario:
        shorter["producers"] = {name: _stopped(section, wanted) for name, section in scenario["producers"].items()}
    return shorter


def _stopped(section: Any, end_us: int) -> Any:
    """A producer whose workload stops by *end_us*, as it has to stop within the run."""
    if "workload" not in section:
        return section
    told = section["workload"]
    streams = [
        {**one, "stop": duration_text(end_us)} if duration_us(one.get("stop", "0s")) > end_us else one
        for one in (told if isinstance(told, list) else [told])
    ]
    return {**section, "workload": streams if isinstance(told, list) else streams[0]}


def _strikes_after(fault: Any, end_us: int) -> bool:
    return isinstance(fault, dict) and "at" in fault and duration_us(fault["at"]) >= end_us


def reduced(scenario: Source, last_us: int, shows: Shows) -> Source:
    """Both. *shows*: is the case still there?"""
    fewer = fewer_faults(scenario, shows)
    shorter = shortened(fewer, last_us)
    return shorter if shorter is not fewer and shows(shorter) else fewer


def fewer_faults(scenario: Source, shows: Shows) -> Source:
    """The faults that the case needs: delta debugging (ddmin, Zeller and Hildebrandt 2002) by complements."""
    faults = list(scenario.get("faults", ()))
    if not faults or not shows(scenario):
        return scenario
    if shows(with_faults(scenario, [])):
        return with_faults(scenario, [])
    parts = 2
    while faults:
        size = -(-len(faults) // parts)
        chunks = [faults[k : k + size] for k in range(0, len(faults), size)]
        smaller = (_without(chunks, number) for number in range(len(chunks)))
        found = next((rest for rest in smaller if shows(with_faults(scenario, rest))), None)
        if found is not None:
            faults, parts = found, max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(faults))
    return with_faults(scenario, faults)


def _without(chunks: Sequence[Sequence[Any]], number: int) -> list[Any]:
    return [fault for k, chunk in enumerate(chunks) if k != number for fault in chunk]


def with_faults(scenario: Source, faults: Sequence[Any]) -> Source:
    changed = {key: value for key, value in scenario.items() if key != "faults"}
    return {**changed, "faults": list(faults)} if faults else changed
