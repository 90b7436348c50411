"""What a scenario expects of findings: a word, or a bound."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, WithJsonSchema, model_validator

from sim import units
from sim.scenario.base import Part, bounded, form_of
from sim.scenario.finding_names import FINDING_NAMES
from sim.wording import Wrong, did_you_mean, listed, shown

__all__ = ["Bound", "Expectation", "Finding"]


def _below(value: object) -> Fraction:
    """``"< 1 %"`` as the number 1."""
    if isinstance(value, str) and value.strip().startswith("<"):
        return units.percent(value.strip()[1:].strip())
    if isinstance(value, Fraction):
        return value
    raise Wrong(f"{shown(value)} is not a bound on a rate", 'write rate: "< 1 %"')


class Bound(Part):
    """A bound on a finding: ``max`` a seed, or ``rate`` of records over all seeds."""

    max: Annotated[int, bounded(0, 10**12)] | None = Field(default=None, description="At most so many in each seed.")
    rate: Annotated[
        Fraction | None,
        BeforeValidator(_below),
        PlainSerializer(lambda rate: None if rate is None else f"< {units.percent_text(rate)}"),
        WithJsonSchema({"type": "string", "pattern": r"^\s*<\s*\d+(\.\d+)?\s*%\s*$"}),
    ] = Field(default=None, description='Below this share of records, over all seeds, as "< 1 %".')

    @model_validator(mode="after")
    def _one(self) -> Bound:
        if (self.max is None) == (self.rate is None):
            raise Wrong("a bound is either max or rate", 'write {max: 3} or {rate: "< 1 %"}')
        return self


WORDS = ("never", "sometimes", "always")


def _expectation(value: object) -> object:
    if isinstance(value, dict | Bound) or value in WORDS:
        return value
    guess = did_you_mean(str(value), WORDS)
    raise Wrong(
        f"{shown(value)} is not an expectation", guess or 'write never, sometimes, always, {max: 3} or {rate: "< 1 %"}'
    )


Expectation = Annotated[
    Annotated[Literal["never", "sometimes", "always"], Tag("a word")] | Annotated[Bound, Tag("a mapping")],
    Discriminator(form_of),
    BeforeValidator(_expectation),
]


def _finding(value: object) -> str:
    if value not in FINDING_NAMES:
        guess = did_you_mean(str(value), FINDING_NAMES) or f"known: {listed(FINDING_NAMES, 60)}"
        raise Wrong(f"{shown(value)} is not the name of a finding", guess)
    return str(value)


Finding = Annotated[str, BeforeValidator(_finding)]
