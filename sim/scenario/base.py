"""What all parts of the scenario model share: strict parts, quantities with units, and the limits.

A part refuses unknown keys with a guess, and every field is read strictly: a text is not a number, a bare number is not
a duration. Quantities are kept as exact integers or fractions and written back with their unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from sim import units
from sim.scenario.tree import RawFloat, as_text
from sim.wording import Wrong, did_you_mean, listed, shown

__all__ = [
    "Duration", "Name", "Options", "Part", "Percent", "Rate", "SomeTime", "Text", "TopicName", "UnknownKey", "bounded",
    "form_of",
]  # fmt: skip

MOST_RUN_US = 24 * 3_600_000_000
MOST_RATE = 10_000_000


class UnknownKey(Wrong):
    """A key that the part does not have; *key* is appended to the part's place."""

    def __init__(self, key: str, rule: str, way_out: str) -> None:
        super().__init__(rule, way_out)
        self.key = key


class Part(BaseModel):
    """A mapping of the scenario file with a fixed set of keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        if not isinstance(data, dict):
            raise Wrong(f"{shown(data)} is not a mapping", f"write a mapping with {listed(cls.known_keys())}")
        for key in data:
            if key not in cls.known_keys():
                guess = did_you_mean(str(key), cls.known_keys()) or f"known here: {listed(cls.known_keys(), 30)}"
                raise UnknownKey(str(key), f"{shown(key)} is not known here", guess)
            if data[key] is None:
                raise UnknownKey(str(key), f"{shown(key)} has no value", "give it one, or remove the key")
        return data

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The keys as the file has them."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())


def _durations(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        us = units.duration_us(value)
        if not least <= us <= most:
            span = f"from {units.duration_text(least)} to {units.duration_text(most)}"
            raise Wrong(f"{shown(value)} is not {span}", "use a duration in that range")
        return us

    return read


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*(us|ms|s|m|min|h)\s*$",
    "examples": ["250ms", "30s"],
}
_RATE_SCHEMA = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*/\s*(s|sec|m|min|h)\s*$",
    "examples": ["500/s", "2/min"],
}
_PERCENT_SCHEMA = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$", "examples": ["5%"]}

Duration = Annotated[
    int,
    BeforeValidator(_durations(0, MOST_RUN_US)),
    PlainSerializer(units.duration_text, return_type=str),
    WithJsonSchema(_DURATION_SCHEMA),
]
SomeTime = Annotated[
    int,
    BeforeValidator(_durations(1, MOST_RUN_US)),
    PlainSerializer(units.duration_text, return_type=str),
    WithJsonSchema(_DURATION_SCHEMA),
]


def _rate(value: object) -> Fraction:
    rate = units.rate_per_s(value)
    if not 0 < rate <= MOST_RATE:
        raise Wrong(f"{shown(value)} is not above 0 and at most {MOST_RATE}/s", "use a rate in that range")
    return rate


def _percent(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    return units.percent(value)


Rate = Annotated[
    Fraction,
    BeforeValidator(_rate),
    PlainSerializer(units.rate_text, return_type=str),
    WithJsonSchema(_RATE_SCHEMA),
]
Percent = Annotated[
    Fraction,
    BeforeValidator(_percent),
    PlainSerializer(units.percent_text, return_type=str),
    WithJsonSchema(_PERCENT_SCHEMA),
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
TARGET_WORDS = ("broker", "leader", "follower", "controller", "brokers", "clients", "everybody", "all")


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Wrong(f"{shown(value)} is not a client's name", "use letters, digits, '.', '_' and '-', at most 100")
    if value in TARGET_WORDS:
        raise Wrong(f"{shown(value)} names a role in faults", "call the client otherwise")
    return value


def _topic(value: object) -> str:
    if not isinstance(value, str) or not _TOPIC.fullmatch(value) or value in (".", ".."):
        raise Wrong(
            f"{shown(value)} is not a topic's name (Kafka: letters, digits, '.', '_', '-', at most 249)",
            "rename the topic",
        )
    return value


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | RawFloat):
        raise Wrong(f"{shown(value)} is not a text", "write it in quotes")
    return str(value)


Text = Annotated[str, BeforeValidator(_text)]


def form_of(value: object) -> str:
    """Tag of a value that is either a word or a part."""
    return "a mapping" if isinstance(value, dict | Part) else "a word"


Name = Annotated[str, BeforeValidator(_name)]
TopicName = Annotated[str, BeforeValidator(_topic)]


# What must not end up in traces and reports, which repeat the options.
_SECRET = re.compile(r"password|secret|jaas|\.pem$|keystore\.key|user\.info|token|credential|assertion|ssl_key")
HIDDEN = "[hidden]"


def _options(value: object) -> dict[str, str]:
    """Options as texts, as Kafka has them: YAML's ``false`` is ``"false"``, its ``5`` is ``"5"``. No secrets."""
    if not isinstance(value, dict):
        raise Wrong(f"{shown(value)} is not a mapping of options", "write config: {acks: all}, or the path of a file")
    found: dict[str, str] = {}
    for name, given in value.items():
        if isinstance(given, list) and all(as_text(item) is not None for item in given):
            given = ",".join(str(as_text(item)) for item in given)
        text = as_text(given)
        if text is None:
            raise UnknownKey(
                str(name), f"{shown(given)} is not an option's value", "write a plain value, in Kafka's units"
            )
        found[name] = HIDDEN if _SECRET.search(name) else text
    return found


Options = Annotated[
    dict[str, str],
    BeforeValidator(_options),
    WithJsonSchema(
        {
            "description": "Options under Kafka's names, in Kafka's units; the key file names a properties file.",
            "anyOf": [
                {"type": "string", "description": "Path of a properties file, relative to the scenario."},
                {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "array"]}},
            ],
        }
    ),
]


def bounded(least: int, most: int) -> Any:
    """A whole number within limits, for ``Annotated[int, bounded(1, 64)]``."""
    return Field(ge=least, le=most)
