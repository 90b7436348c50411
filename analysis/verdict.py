"""The verdict on one history: every finding with its evidence, the measures, and whether it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.evidence import Evidence
from analysis.finding import CLASSES, Finding
from analysis.history import History
from analysis.registry import FINDERS, lacking_for_the_rest

__all__ = ["Verdict", "judge"]


@dataclass(slots=True)
class Verdict:
    verdict: str  # holds, broken, undecided
    reasons: list[str]
    findings: dict[str, Finding]
    history: History
    header: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        return {name: finding.count for name, finding in self.findings.items() if finding.checked}

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "reasons": self.reasons,
            "findings": {name: finding.to_json() for name, finding in self.findings.items()},
            "measures": {},
        }


def judge(history: History | Any, expectations: Mapping[str, Any] | None = None) -> Verdict:
    """Judge a trace, a history, or the path of one."""
    evidence = Evidence(_history_of(history))
    findings = {name: _finding(name, evidence) for name in CLASSES}
    reasons = [f"{f.name}: {f.count}" for f in findings.values() if f.kind == "violation" and f.count and not f.allowed]
    return Verdict("broken" if reasons else "holds", reasons, findings, evidence.history)


def _finding(name: str, evidence: Evidence) -> Finding:
    finder = FINDERS.get(name)
    why = lacking_for_the_rest(name, evidence) if finder is None else finder.lacking(evidence)
    if finder is None or why:
        return Finding(name, CLASSES[name], checked=False, why=str(why))
    found = finder.find(evidence)
    return Finding(
        name, CLASSES[name], found.count, witnesses=found.witnesses, total=found.total, extra=found.extra,
    )  # fmt: skip


def _history_of(source: Any) -> History:
    if isinstance(source, History):
        return source
    if isinstance(source, str | Path):
        from analysis.read_jsonl import read_jsonl

        return read_jsonl(source)
    from analysis.from_trace import history_of

    return history_of(source)
