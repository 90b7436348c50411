"""Runs a scenario again, over latency seeds, and says whether the finding is there.

A run is a function of (scenario, seed, latency seed), so it is made once and kept. *There* means: among the witnesses
of the finding is one of the same producer (or, for findings without a producer, of the same topic); *gone*: there is
none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from analysis.explaining.diagnose import diagnose
from analysis.explaining.facts import Facts
from analysis.explaining.pins import Source
from analysis.finding import WITNESSES, Finding
from analysis.verdict import Verdict, judge
from sim.errors import InputError
from sim.run import simulate
from sim.scenario import Scenario, from_dict
from sim.trace import Trace, canonical

__all__ = ["Laboratory", "Lane", "lane_of"]

MOST_DIAGNOSED = 12  # witnesses of a run that are asked for their mechanism


class Lane(tuple[str, ...]):
    """Whose finding it is: a producer's name without its incarnation, or else a topic's."""


def lane_of(witness: Mapping[str, Any]) -> Lane:
    for record in witness.get("records") or ():
        if record.get("prod"):
            return Lane(("producer", str(record["prod"]).split("#")[0]))
    partition = str(witness.get("partition") or "")
    return Lane(("topic", partition.rpartition("-")[0]))


class Laboratory:
    """*names*: of the findings that are looked for in every run."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)
        self.runs = 0
        self._kept: dict[str, dict[str, Finding] | None] = {}
        self._shown: dict[str, bool] = {}

    def findings(self, source: Source, seed: int, latency_seed: int | None) -> dict[str, Finding] | None:
        """By name; None where the scenario is refused."""
        key = canonical([source, seed, latency_seed])
        if key not in self._kept:
            self._kept[key] = self._run(source, seed, latency_seed)
        return self._kept[key]

    def _run(self, source: Source, seed: int, latency_seed: int | None) -> dict[str, Finding] | None:
        verdict = self.verdict(source, seed, latency_seed)
        return None if verdict is None else {name: verdict.findings[name] for name in sorted(self.names)}

    def verdict(self, source: Source, seed: int, latency_seed: int | None) -> Verdict | None:
        scenario = made(source)
        if scenario is None:
            return None
        self.runs += 1
        trace: Trace = simulate(scenario, seed, latency_seed=latency_seed)
        return judge(trace, names=self.names)

    def shows(self, name: str, lane: Lane, source: Source, seed: int, latency_seed: int | None) -> bool | None:
        """Is the finding there? None: the scenario is refused."""
        findings = self.findings(source, seed, latency_seed)
        if findings is None:
            return None
        found = findings[name]
        mine = any(lane_of(witness) == lane for witness in found.witnesses)
        return mine or (found.count > WITNESSES and len(found.witnesses) >= WITNESSES)

    def shows_so(
        self, name: str, lane: Lane, mechanism: str, source: Source, seed: int, latency_seed: int | None
    ) -> bool:
        """Is it there, and by the same mechanism?"""
        key = canonical([name, lane, mechanism, source, seed, latency_seed])
        if key not in self._shown:
            verdict = self.verdict(source, seed, latency_seed)
            self._shown[key] = verdict is not None and _by(name, lane, mechanism, verdict)
        return self._shown[key]


def _by(name: str, lane: Lane, mechanism: str, verdict: Verdict) -> bool:
    facts, mine = Facts(verdict.evidence), [w for w in verdict.findings[name].witnesses if lane_of(w) == lane]
    return any(diagnose(facts, name, witness).mechanism == mechanism for witness in mine[:MOST_DIAGNOSED])


def made(source: Source) -> Scenario | None:
    """The scenario that *source* describes, or None where it is refused."""
    try:
        return from_dict(source)
    except InputError:
        return None
