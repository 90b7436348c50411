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
    """*names*: of the findings that are looked for in every run.

    *accepted*: the pinned scenarios that showed a finding under every latency of the probes, in the order found; other
    findings of the same run may show there too.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)
        self.runs = 0
        self.accepted: list[Any] = []
        self._scenarios: dict[str, Scenario | None] = {}
        self._kept: dict[str, dict[str, Finding] | None] = {}
        self._last: tuple[str, Verdict | None] | None = None
        self._shown: dict[str, bool] = {}

    def findings(self, source: Source, seed: int, latency_seed: int | None) -> dict[str, Finding] | None:
        """By name; None where the scenario is refused."""
        key = _key(source, seed, latency_seed)
        if key not in self._kept:
            self.verdict(source, seed, latency_seed)
        return self._kept[key]

    def verdict(self, source: Source, seed: int, latency_seed: int | None) -> Verdict | None:
        """Of one run; the last one is kept, of earlier ones the findings alone."""
        key = _key(source, seed, latency_seed)
        if self._last is None or self._last[0] != key:
            self._last = key, self._run(source, seed, latency_seed)
            verdict = self._last[1]
            found = None if verdict is None else {name: verdict.findings[name] for name in sorted(self.names)}
            self._kept[key] = found
        return self._last[1]

    def _run(self, source: Source, seed: int, latency_seed: int | None) -> Verdict | None:
        text = canonical(source)
        if text not in self._scenarios:
            self._scenarios[text] = made(source)
        scenario = self._scenarios[text]
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
        key = canonical([name, lane, mechanism, _key(source, seed, latency_seed)])
        if key not in self._shown:
            there = self.shows(name, lane, source, seed, latency_seed)
            verdict = self.verdict(source, seed, latency_seed) if there else None
            self._shown[key] = verdict is not None and _by(name, lane, mechanism, verdict)
        return self._shown[key]


def _key(source: Source, seed: int, latency_seed: int | None) -> str:
    """A run without a latency seed draws from its own."""
    return canonical([source, seed, seed if latency_seed is None else latency_seed])


def _by(name: str, lane: Lane, mechanism: str, verdict: Verdict) -> bool:
    facts, mine = Facts(verdict.evidence), [w for w in verdict.findings[name].witnesses if lane_of(w) == lane]
    return any(diagnose(facts, name, witness).mechanism == mechanism for witness in mine[:MOST_DIAGNOSED])


def made(source: Source) -> Scenario | None:
    """The scenario that *source* describes, or None where it is refused."""
    try:
        return from_dict(source)
    except InputError:
        return None
