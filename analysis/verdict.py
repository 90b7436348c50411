"""The verdict on one history: every finding with its evidence, the measures, and whether it holds.

Against expectations, the worst expectation is the verdict. Without any, a verdict is ``broken`` where a violation was
found that the configuration does not allow (or where the configuration is not known), and otherwise ``holds``. A run
that did not settle proves what it shows, and is ``undecided`` on the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.allowed import permission
from analysis.evidence import Evidence
from analysis.expectations import Judged, SeedResult, judge_one, overall
from analysis.finding import CLASSES, Finding
from analysis.history import History
from analysis.measures import as_numbers
from analysis.registry import FINDERS
from analysis.streams import measures_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Verdict", "history_of", "judge"]


@dataclass
class Verdict:
    """``holds``, ``broken`` or ``undecided``, and all that it rests on."""

    verdict: str
    reasons: list[str]
    findings: dict[str, Finding]
    evidence: Evidence = field(repr=False)
    expectations: dict[str, Judged] = field(default_factory=dict)

    @property
    def history(self) -> History:
        return self.evidence.history

    @property
    def counts(self) -> dict[str, int]:
        """Counts of the names that could be checked."""
        return {name: finding.count for name, finding in self.findings.items() if finding.checked}

    @cached_property
    def measures(self) -> dict[str, dict[str, Any]]:
        """By stream; made when first asked for."""
        return measures_of(self.evidence)

    def seed_result(self, seed: int) -> SeedResult:
        """What :func:`analysis.expectations.judge_seeds` wants of a run."""
        return _seed_result(self.findings, self.evidence, seed)

    def to_json(self) -> dict[str, Any]:
        """Exchange format, section 4; ``expectations`` where there are any."""
        told: dict[str, Any] = {"verdict": self.verdict, "reasons": self.reasons}
        if self.expectations:
            told["expectations"] = {name: judged.to_json() for name, judged in self.expectations.items()}
        told["findings"] = {name: finding.to_json() for name, finding in self.findings.items()}
        told["measures"] = {name: as_numbers(measures) for name, measures in self.measures.items()}
        return told

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """``findings`` (a row a name), ``witnesses`` (a row a record of a witness), ``measures`` (a row a stream)."""
        from analysis.frames import frames_of

        return frames_of(self)

    def _repr_html_(self) -> str:
        from analysis.report import fragment

        return fragment(self)


def judge(
    history: History | Any, expectations: Mapping[str, Any] | None = None, *, names: Collection[str] | None = None,
) -> Verdict:  # fmt: skip
    """Judge a trace, a history, or the path of one (a folder or Parquet file of ours, else JSON Lines).

    *names*: look for these findings only (default: all).
    """
    evidence = Evidence(history_of(history))
    findings = {name: _finding(name, evidence, names is None or name in names) for name in CLASSES}
    judged = judge_one(_seed_result(findings, evidence, -1), expectations) if expectations else {}
    word, reasons = _against(judged) if judged else _unasked(findings, evidence.history.settled)
    return Verdict(word, reasons, findings, evidence, judged)


def _against(judged: dict[str, Judged]) -> tuple[str, list[str]]:
    word = overall(judged)
    chosen = [one for one in judged.values() if one.verdict == word != "holds"]
    return word, [f"{one.name} is expected {one.expected}: {one.why}" for one in chosen]


def _unasked(findings: dict[str, Finding], settled: bool) -> tuple[str, list[str]]:
    violations = [one for one in findings.values() if one.kind == "violation" and one.count and one.allowed is not True]
    if violations:
        return "broken", [f"{one.name}: {one.count}" for one in violations]
    return ("holds", []) if settled else ("undecided", ["the run did not settle"])


def _seed_result(findings: dict[str, Finding], evidence: Evidence, seed: int) -> SeedResult:
    counts = {name: finding.count for name, finding in findings.items() if finding.checked}
    unchecked = {name: finding.why for name, finding in findings.items() if not finding.checked}
    records = int((evidence.history.records.prod >= 0).sum())
    return SeedResult(seed, counts, evidence.history.settled, records, unchecked)


def _finding(name: str, evidence: Evidence, wanted: bool) -> Finding:
    finder = FINDERS[name]
    why = finder.lacking(evidence) if wanted else "it was not asked for"
    if why:
        return Finding(name, CLASSES[name], checked=False, why=why)
    found = finder.find(evidence)
    allowed, by = permission(name, found, evidence)
    if CLASSES[name] == "information" and allowed is not None:
        allowed, by = True, ""
    return Finding(
        name, CLASSES[name], found.count, allowed, by, witnesses=found.witnesses, total=found.total, extra=found.extra,
    )  # fmt: skip


def history_of(source: Any) -> History:
    """The history in *source*: a history, a trace, or the path of either."""
    if isinstance(source, History):
        return source
    from sim.trace import Trace

    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_dir() and path.suffix != ".parquet":
            from analysis.jsonl.read import read_jsonl

            return read_jsonl(path)
        source = Trace.load(path)
    from analysis import from_trace

    return from_trace.history_of(source)
