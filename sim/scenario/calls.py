"""Calls that the application of a consumer makes at a time: ``pause()``, ``resume()``, ``seek()``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from sim.scenario.base import Duration, Part
from sim.wording import Wrong, did_you_mean, shown

__all__ = ["PLACES", "Call"]

PLACES = {"beginning": -2, "end": -1}  # as ListOffsets has them
MOST_OFFSET = 1 << 53


def _partitions(value: object) -> list[str]:
    words: list[Any] = value if isinstance(value, list) else [value]
    if not 1 <= len(words) <= 1000 or not all(isinstance(word, str) and word for word in words):
        raise Wrong(f"{shown(value)} is not a partition, nor a list of them", "write payments-0, or [payments-0]")
    return words


def _place(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_OFFSET:
        return value
    if isinstance(value, str) and value in PLACES:
        return value
    guess = did_you_mean(str(value), PLACES) or "write to: 300, to: beginning or to: end"
    raise Wrong(f"{shown(value)} is not an offset", guess)


_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
Partitions = Annotated[list[str], BeforeValidator(_partitions), WithJsonSchema(_SCHEMA)]


class Call(Part):
    """One call, made as soon as the application's thread is in its loop; of partitions that are assigned then."""

    at: Duration = Field(description="When.")
    pause: Partitions | None = Field(default=None, description="Nothing is handed over of these any more.")
    resume: Partitions | None = Field(default=None, description="These go on.")
    seek: Partitions | None = Field(default=None, description="The position of these moves.")
    to: Annotated[
        int | str | None, BeforeValidator(_place),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"enum": list(PLACES)}]}),
    ] = Field(default=None, description="seek: to this offset, beginning or end.")  # fmt: skip

    @model_validator(mode="after")
    def _one_verb(self) -> Call:
        said = [verb for verb in ("pause", "resume", "seek") if getattr(self, verb) is not None]
        if len(said) != 1:
            raise Wrong("a call is one of pause, resume and seek", "write {at: 5s, pause: payments-0}")
        if (self.to is not None) != (said == ["seek"]):
            raise Wrong("seek and to belong together", "write {at: 5s, seek: payments-0, to: 300}")
        return self

    @property
    def verb(self) -> str:
        return "pause" if self.pause is not None else "resume" if self.resume is not None else "seek"
