"""A story as a scenario file: the faults pinned and cut down, the head filled in, an expectation that it meets."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

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
        raise InputError(
            "--save", f"cannot be written: {why}", "explain a trace that korder run --out kept, with its proof"
        )
    values = " and ".join(str(record.get("v")) for record in told.records[:2])
    head: dict[str, Any] = {
        "title": f"{told.finding}: {told.mechanism}",
        "question": f"{told.says.capitalize()}. Does it happen to {values}?"
        if told.says
        else f"What happened to {values}?",
        "answer": _answer(told),
    }
    body = copy.deepcopy(proof.scenario)
    body.pop("seeds", None)
    source = {
        **head,
        "kafka": body.pop("kafka", "4.3"),
        "seeds": [proof.seed],
        **body,
        "expect": {told.finding: "always"},
    }
    return HEADER + to_yaml(from_dict(source, "the story"))


def _answer(told: Explanation) -> str:
    words = f"Yes: {told.because}. "
    if told.permitted_by:
        words += f"Permitted by {', '.join(told.permitted_by)}. "
    if told.proof is not None and told.proof.change is not None:
        words += f"Prevented by {told.proof.change}, at the price of this: {told.proof.change.price}."
    return words
