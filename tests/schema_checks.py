"""Schemas as tests read them: what a published schema only tolerates, a key that it does not name, fails here."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from analysis.schemas import output_schema

__all__ = ["closed", "fails", "follows", "of_findings"]


def closed(schema: Any) -> Any:
    """The same with no room for keys that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(one) for key, one in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        inner.setdefault("additionalProperties", False)
    return inner


def of_findings() -> Draft202012Validator:
    """What checks one finding of a verdict."""
    return Draft202012Validator(closed(output_schema("analyze")["properties"]["findings"]["additionalProperties"]))


def fails(name: str, told: Any) -> bool:
    """Whether the published schema of that output refuses *told*."""
    return not Draft202012Validator(output_schema(name)).is_valid(told)


def follows(validator: Draft202012Validator, told: Any) -> list[str]:
    """What is wrong with *told*, and where; empty where nothing is."""
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(told)]
