"""A story as a scenario file: the faults pinned and cut down, the head filled in, an expectation that it meets."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from analysis.explaining.laboratory import Laboratory
from analysis.explaining.pins import Source, by_time
from analysis.explaining.proof import Proof, bare
from analysis.explaining.reduce import reduced
from sim.errors import InputError
from sim.scenario import from_dict, to_yaml

if TYPE_CHECKING:
    from analysis.explaining.explanation import Explanation

__all__ = ["scenario_text"]

HEADER = "# yaml-language-server: $schema=scenario.schema.json\n"


def scenario_text(told: Explanation) -> str:
    """YAML that ``korder run`` takes as it is; it shows the finding with its first (and only) seed."""
    proof = told.proof
    if proof is None or proof.scenario is None:
        why = "there is no scenario behind it" if proof is None else proof.why
        raise InputError("--save", f"cannot be written: {why}", "explain a trace that korder run --out kept")
    values = " and ".join(dict.fromkeys(str(record.get("v")) for record in told.records[:2]))
    says = f"{told.says[:1].upper()}{told.says[1:]}."
    head: dict[str, Any] = {
        "title": f"{told.finding}: {told.mechanism}",
        "question": f"{says} Does it happen to {values}?",
        "answer": _answer(told),
    }
    body = _replay(told, proof)
    source = {
        **head, "kafka": body.pop("kafka", "4.3"), "seeds": [proof.seed], **body, "expect": {told.finding: "always"},
    }  # fmt: skip
    return HEADER + to_yaml(from_dict(source, "the story"))


def _replay(told: Explanation, proof: Proof) -> Source:
    """The scenario of the proof or the run's own faults at their times: the first that shows these very records with
    the run's seed, else the first that shows the finding."""
    assert proof.scenario is not None and told.facts is not None
    laboratory = Laboratory([told.finding])
    wanted = [record.get("v") for record in told.records]

    def shown(source: Source) -> list[list[object]]:
        verdict = laboratory.verdict(source, proof.seed, None)
        found = [] if verdict is None else verdict.findings[told.finding].witnesses
        return [[record.get("v") for record in witness.get("records") or ()] for witness in found]

    def exactly(source: Source) -> bool:
        return wanted in shown(source)

    def somehow(source: Source) -> bool:
        return bool(shown(source))

    last = max((line.t for line in told.story), default=0)
    ways = (proof.scenario, by_time(told.facts, bare(told.facts.history.header["scenario"]["source"])))
    for enough in (exactly, somehow):
        for way in ways:
            if enough(way):
                return copy.deepcopy(reduced(way, last, enough))
    raise InputError("--save", "cannot be written: the case hangs on latencies that a scenario file cannot say")


def _answer(told: Explanation) -> str:
    words = f"Yes: {told.because}. "
    if told.permitted_by:
        words += f"Permitted by {', '.join(told.permitted_by)}. "
    if told.proof is not None and told.proof.change is not None:
        words += f"Prevented by {told.proof.change}, at the price of this: {told.proof.change.price}."
    return words
