"""Why something was found, what permitted it, and what would have prevented it.

``explain(verdict_or_trace, "append-reorder", witness=0)`` gives an :class:`Explanation`; it shows itself in Jupyter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.allowed import Client, Configuration
from analysis.explaining.changes import Case, Change, changes_for
from analysis.explaining.diagnose import diagnose
from analysis.explaining.diagnosis import Diagnosis, Part
from analysis.explaining.facts import Facts
from analysis.explaining.laboratory import Lane, lane_of, made
from analysis.explaining.mechanisms import MECHANISMS
from analysis.explaining.permitted import permitted_by
from analysis.explaining.proof import LATENCY_SEEDS, Proof, bare, prove
from analysis.explaining.story import Line, tell
from analysis.explaining.telling import moment
from analysis.finding import CLASSES, WITNESSES, Finding
from analysis.verdict import Verdict, judge
from sim.errors import InputError
from sim.wording import did_you_mean, listed

__all__ = ["Explanation", "explain"]


@dataclass
class Explanation:
    """One case of one finding.

    *story*: its moments in order. *mechanism*: by name, or ``not explained``; *because*: why that one. *permitted_by*:
    the values of options that let it happen. *prevented_by*: the smallest change that prevents it, in words (proved, or
    the first of the table where nothing was run). *proof*: what was run; None where nothing was (a foreign history).
    """

    finding: str
    witness: int
    total: int
    story: list[Line]
    mechanism: str
    because: str
    permitted_by: list[str]
    prevented_by: str
    proof: Proof | None
    time_unit: str
    cast: list[Part] = field(repr=False, default_factory=list)
    partition: str = ""
    records: list[dict[str, Any]] = field(repr=False, default_factory=list)
    facts: Facts | None = field(repr=False, default=None)

    @property
    def says(self) -> str:
        """The mechanism in a sentence."""
        known = MECHANISMS.get(self.mechanism)
        return "" if known is None else known.says

    @property
    def headline(self) -> str:
        """What stands before :attr:`prevented_by`: what was not proved may help, or may not."""
        proved = self.proof is not None and self.proof.holds
        return "prevented by" if proved or not self.prevented_by else "might be prevented by"

    def to_json(self) -> dict[str, Any]:
        return {
            "finding": self.finding, "witness": self.witness, "total": self.total, "partition": self.partition,
            "records": self.records, "mechanism": self.mechanism, "says": self.says, "because": self.because,
            "story": [_line(line) for line in self.story], "time_unit": self.time_unit,
            "permitted_by": self.permitted_by, "prevented_by": self.prevented_by,
            "proof": None if self.proof is None else self.proof.to_json(),
        }  # fmt: skip

    def scenario(self) -> str:
        """The case as a scenario file (YAML) that runs and shows it; :class:`InputError` where there is none."""
        from analysis.explaining.save import scenario_text

        return scenario_text(self)

    def text(self) -> str:
        """The story as plain lines."""
        return "\n".join(f"{moment(line.t, self.time_unit)}  {line.words}" for line in self.story)

    def _repr_html_(self) -> str:
        from analysis.explaining.page import fragment

        return fragment(self)


def _line(line: Line) -> dict[str, Any]:
    told = {"t": line.t, "event": line.row, "kind": line.kind, "words": line.words}
    return told | {name: x for name, x in (("role", line.role), ("at", line.src), ("to", line.dst)) if x}


def explain(
    source: Any, finding: str, witness: int = 0, *, proof: bool = True, latency_seeds: int = LATENCY_SEEDS,
    step: Callable[[str], object] = lambda what: None,
) -> Explanation:  # fmt: skip
    """Explain case *witness* (from 0) of *finding* in a verdict, a trace, a history or the path of one.

    *proof*: run the scenario again with changes, over *latency_seeds* seeds; only where *source* is a run of ours.
    Raises :class:`InputError` where there is no such finding or case, or it could not be checked.
    """
    _known(finding)
    verdict = source if isinstance(source, Verdict) else judge(source, names=[finding])
    chosen = _case(verdict.findings[finding], witness)
    facts = Facts(verdict.evidence)
    diagnosis = diagnose(facts, finding, chosen)
    proved = _proof(facts, finding, diagnosis, chosen, latency_seeds, step) if proof else None
    case = _case_of(facts, diagnosis, lane_of(chosen), proved)
    return Explanation(
        finding, witness, verdict.findings[finding].total, tell(facts, diagnosis), diagnosis.mechanism,
        diagnosis.because, _permitted(facts, diagnosis, case), _prevented(case, proved), proved,
        facts.history.time_unit, diagnosis.cast, str(chosen.get("partition") or ""),
        [dict(record) for record in chosen.get("records") or ()], facts,
    )  # fmt: skip


def _known(finding: str) -> None:
    if finding not in CLASSES:
        guess = did_you_mean(finding, CLASSES) or f"known: {listed(CLASSES, 60)}"
        raise InputError("FINDING", f"{finding!r} is not the name of a finding", guess)


def _case(finding: Finding, witness: int) -> Mapping[str, Any]:
    if not finding.checked:
        raise InputError(finding.name, f"could not be checked: {finding.why}", "korder analyze tells what could")
    if not finding.count:
        raise InputError(finding.name, "was looked for and is not there", "korder analyze tells what is")
    if not 0 <= witness < len(finding.witnesses):
        told = len(finding.witnesses)
        more = f" (of {finding.total} the first {WITNESSES} are told)" if finding.total > told else ""
        raise InputError("--witness", f"{witness} is not a case of {finding.name}{more}", f"use 0 to {told - 1}")
    return finding.witnesses[witness]


def topic_of(facts: Facts, diagnosis: Diagnosis) -> str:
    for part in diagnosis.cast:
        partition = part.copy.partition if part.copy is not None else int(facts.history.records.partition[part.value])
        if partition >= 0:
            return facts.history.topic_of(partition)
    return ""


def _ours(facts: Facts) -> bool:
    scenario = facts.history.header.get("scenario") or {}
    return facts.causes is not None and "source" in scenario and made(bare(scenario["source"])) is not None


def _proof(
    facts: Facts, finding: str, diagnosis: Diagnosis, witness: Mapping[str, Any], seeds: int,
    step: Callable[[str], object],
) -> Proof | None:  # fmt: skip
    if not _ours(facts):
        return None
    if not diagnosis.explained:
        return Proof(
            "", None, int(facts.history.header["seed"]), why="not proved: without a mechanism there is nothing to try"
        )
    return prove(facts, finding, diagnosis, lane_of(witness), topic_of(facts, diagnosis), seeds=seeds, step=step)


def _case_of(facts: Facts, diagnosis: Diagnosis, lane: Lane, proved: Proof | None) -> Case | None:
    """What the options are looked up in: the scenario of the run."""
    topic = topic_of(facts, diagnosis)
    if not _ours(facts) or not topic:
        return None
    return Case(bare(facts.history.header["scenario"]["source"]), lane, topic, diagnosis.mechanism)


def _client(facts: Facts, diagnosis: Diagnosis) -> Client | None:
    config = facts.history.config
    if config is None or not diagnosis.cast:
        return None
    name = facts.evidence.producer(int(facts.history.records.prod[diagnosis.cast[0].value]))
    return None if name is None else Configuration(config).client(name)


def _permitted(facts: Facts, diagnosis: Diagnosis, case: Case | None) -> list[str]:
    options = (facts.history.header.get("scenario") or {}).get("options") or {}
    return permitted_by(case, diagnosis.mechanism, options, _client(facts, diagnosis))


def _prevented(case: Case | None, proved: Proof | None) -> str:
    """Proved where something was run; else the first candidate of the table, which nobody tried."""
    if proved is not None:
        return str(proved.change) if proved.change is not None else ""
    first: Change | None = None if case is None else next(iter(changes_for(case)), None)
    return "" if first is None else f"{first} (not tried)"
