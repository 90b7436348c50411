"""A scenario whose producers send only what they sent around the case.

Most of a run comes before its case and has no part in it. A *window* writes the sends from a little before the case to
a little after it as a list in place of the workload: the same times and keys, and none of the traffic before and after.
Records are numbered anew by that, so faults that name a record name it by its new number. Whether the case still comes
about is for the laboratory to say; where it does not, the whole workload is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.explaining.diagnosis import Diagnosis
from analysis.explaining.facts import Facts
from analysis.explaining.pins import Source
from sim.units import duration_text, duration_us

__all__ = ["ALL_US", "WIDTHS_US", "Window", "window_of"]

ALL_US = 1 << 60
# Before the first send of the case, and after the last; narrow ones are tried first. A reader that was behind is behind
# only if it had all that came before.
WIDTHS_US = ((300_000, 300_000), (2_000_000, 2_000_000), (ALL_US, 2_000_000))
MOST_SENDS = 20_000
PLAIN = {"topic", "value.bytes", "partition"}  # what a list of sends takes over from a rate


@dataclass(frozen=True, slots=True)
class Window:
    """*sends*: by section of the file, with their times in microseconds. *first*: the number of the first of them in
    the whole run."""

    sends: Mapping[str, list[tuple[int, dict[str, Any]]]]
    first: Mapping[str, int]

    def __call__(self, source: Source) -> Source:
        """*source* with these sends alone; they are cut where a run ends earlier, and so are timed faults."""
        run_us = duration_us(source.get("run", "30s"))
        producers = dict(source["producers"])
        for name, sends in self.sends.items():
            kept = [send for at_us, send in sends if at_us < run_us]
            workload = producers[name]["workload"]
            one = dict(workload[0] if isinstance(workload, list) else workload)
            plain = {key: value for key, value in one.items() if key in PLAIN}
            producers[name] = {**producers[name], "workload": [{**plain, "sends": kept}]}
        changed = {**source, "producers": producers}
        faults = [self._renumbered(fault) for fault in source.get("faults", ())]
        changed.pop("faults", None)
        kept_faults = [fault for fault in faults if fault is not None]
        return {**changed, "faults": kept_faults} if kept_faults else changed

    def _renumbered(self, fault: Mapping[str, Any]) -> dict[str, Any] | None:
        """None: it is for a record that is not sent."""
        name, slash, number = str(fault.get("value", "")).rpartition("/")
        if not slash or name not in self.first or not number.isdecimal():
            return dict(fault)
        at = int(number) - self.first[name]
        return {**fault, "value": f"{name}/{at}"} if 0 <= at < len(self.sends[name]) else None


def window_of(facts: Facts, diagnosis: Diagnosis, source: Source, width_us: tuple[int, int]) -> Window | None:
    """None where the sends cannot be told as a list, or are nearly all of the run's."""
    moments = [int(facts.history.records.t[part.value]) for part in diagnosis.cast]
    if not moments:
        return None
    first_us, last_us = min(moments) - width_us[0], max(moments) + width_us[1]
    sends: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    first: dict[str, int] = {}
    for name, section in source["producers"].items():
        if "workload" not in section:
            continue  # it sends what an application hands it
        found = _sends(facts, name, section, first_us, last_us)
        if found is None:
            return None
        first[name], sends[name] = found
    total = sum(len(one) for one in sends.values())
    return Window(sends, first) if 0 < total <= min(MOST_SENDS, len(facts.history.records) // 2) else None


def _sends(
    facts: Facts, name: str, section: Mapping[str, Any], first_us: int, last_us: int
) -> tuple[int, list[tuple[int, dict[str, Any]]]] | None:
    """(number of the first, all) of one section; None where it has several instances, lives or streams."""
    workload = section["workload"]
    streams = workload if isinstance(workload, list) else [workload]
    prods = [code for code, known in enumerate(facts.history.producers) if known.split("#")[0] == name]
    if len(streams) != 1 or "sends" in streams[0] or len(prods) != 1 or section.get("warm.up"):
        return None
    records = facts.history.records
    own = (records.prod == prods[0]) & (records.uid == np.arange(len(records)))
    chosen = np.flatnonzero(own & (records.t >= first_us) & (records.t <= last_us))
    if not len(chosen):
        return None
    chosen = chosen[np.argsort(records.i[chosen], kind="stable")]  # values are numbered partition by partition
    return int(records.i[chosen[0]]), [_send(facts, code) for code in chosen.tolist()]


def _send(facts: Facts, code: int) -> tuple[int, dict[str, Any]]:
    key, at_us = int(facts.history.records.key[code]), int(facts.history.records.t[code])
    told = {"at": duration_text(at_us)}
    return at_us, told if key < 0 else {**told, "key": str(facts.history.keys[key])}
