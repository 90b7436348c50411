"""What schemas are made of: typed values with a description, objects, and the pieces that several outputs share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from analysis.formats import FORMATS

__all__ = [
    "NAME", "PAIR", "Schema", "VERDICT", "by", "expectations", "flag", "integer", "interval", "items",
    "number", "obj", "one_of", "or_null", "output", "page", "said", "text", "whole",
]  # fmt: skip

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"


# --- values -----------------------------------------------------------------------------------------------------------
def said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else dict(schema)


def text(description: str = "") -> Schema:
    return said({"type": "string"}, description)


def flag(description: str = "") -> Schema:
    return said({"type": "boolean"}, description)


def integer(description: str = "") -> Schema:
    return said({"type": "integer"}, description)


def whole(description: str = "") -> Schema:
    """0, 1, 2, ..."""
    return said({"type": "integer", "minimum": 0}, description)


def number(description: str = "") -> Schema:
    return said({"type": "number"}, description)


def one_of(words: Iterable[str], description: str = "") -> Schema:
    return said({"enum": list(words)}, description)


def or_null(schema: Schema, description: str = "") -> Schema:
    inner = {key: x for key, x in schema.items() if key != "description"}
    return said({"anyOf": [inner, {"type": "null"}]}, description or schema.get("description", ""))


def items(schema: Schema, description: str = "", **more: Any) -> Schema:
    return said({"type": "array", "items": schema, **more}, description)


def by(value: Schema, description: str) -> Schema:
    """An object whose keys are names; *description* says of what."""
    return said({"type": "object", "additionalProperties": value}, description)


def obj(properties: Mapping[str, Schema], optional: Collection[str] = (), description: str = "") -> Schema:
    """An object with these keys, all of them always there but for *optional* ones."""
    required = [name for name in properties if name not in optional]
    return said({"type": "object", "properties": dict(properties), "required": required}, description)


NAME: Schema = {"type": ["string", "integer"]}  # a history may name values and events by numbers
PAIR: Schema = items(integer(), minItems=2, maxItems=2)
VERDICT = one_of(("holds", "broken", "undecided"), "Undecided: what was run does not settle it.")


# --- whole documents --------------------------------------------------------------------------------------------------
def page(name: str, title: str, properties: Mapping[str, Schema], optional: Collection[str] = ()) -> Schema:
    """A schema that stands alone."""
    head = {"$schema": DRAFT, "$id": f"urn:korder:{name}", "title": title}
    return head | obj(properties, optional)


def output(name: str, title: str, properties: Mapping[str, Schema], optional: Collection[str] = ()) -> Schema:
    """Of an output that says its version under ``format``."""
    version = FORMATS[name]
    form = {"const": version, "description": "The version of this form; a new key does not raise it."}
    return page(f"{name}:{version}", title, {"format": form, **properties}, optional)


# --- shared -----------------------------------------------------------------------------------------------------------
def expectations(description: str) -> Schema:
    """By name of a finding, what was expected and what came of it."""
    one = obj({
        "expected": text("As written: never, sometimes, always, at most N a seed, or a rate."),
        "verdict": one_of(("holds", "broken", "undecided", "cannot tell"), "Cannot tell: one seed does not decide it."),
        "why": text("Empty where nothing needs a reason."),
        "seeds": items(integer(), "Seeds that decided it, at most ten."),
    })  # fmt: skip
    return by(one, description)


def interval() -> Schema:
    """An estimate with its 95 % bounds."""
    return obj({
        "estimate": or_null(number(), "Null where there was nothing to count."),
        "low": or_null(number(), "Of the 95 % interval."),
        "high": or_null(number(), "Of the 95 % interval."),
        "note": text("Where the bounds are of another kind than usual; else empty."),
    })  # fmt: skip
