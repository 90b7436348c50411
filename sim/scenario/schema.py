"""The JSON Schema of scenario files, from the model itself; editors complete from it."""

from __future__ import annotations

import json
from typing import Any

from sim.scenario.model import Scenario

__all__ = ["scenario_schema", "schema_text"]


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) with a description of every key."""
    schema = Scenario.model_json_schema(by_alias=True)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "korder scenario"}
    found: dict[str, Any] = _without_null(schema)
    workload = found["$defs"]["Producer"]["properties"]["workload"]
    one = {"anyOf": [workload["items"], {"type": "array", "items": workload["items"], "minItems": 1, "maxItems": 64}]}
    found["$defs"]["Producer"]["properties"]["workload"] = {**one, "description": workload["description"]}
    return found


def schema_text() -> str:
    """The schema as its checked-in file has it."""
    return json.dumps(scenario_schema(), indent=1, ensure_ascii=False) + "\n"


def _without_null(value: Any) -> Any:
    """A key that may be left out is not a key that may be null; machine-made titles go too."""
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {
        key: _without_null(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str) and item != "korder scenario")
        and not (key == "default" and item is None)
    }
    options = found.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        options = [option for option in options if option != {"type": "null"}]
        del found["anyOf"]
        found = {**found, **options[0]} if len(options) == 1 else {**found, "anyOf": options}
    return found
