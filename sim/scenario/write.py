"""A scenario back as YAML text, which reads as the same scenario."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from sim.scenario.model import Scenario
from sim.scenario.resolved import source
from sim.scenario.tree import PLAIN_INTEGER

__all__ = ["to_yaml"]


def to_yaml(scenario: Scenario) -> str:
    """What the scenario says, without what it leaves to defaults; option files stand inline."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 120
    yaml.default_flow_style = False
    out = StringIO()
    data = source(scenario)
    for part in (data.get("brokers"), data.get("controller"), *_parts(data)):
        if part and part.get("config"):
            part["config"] = {name: _option(text) for name, text in part["config"].items()}
    yaml.dump(_commented(data, 0), out)
    return out.getvalue()


def _parts(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for section in ("topics", "producers", "consumers") for part in data.get(section, {}).values()]


def _option(text: str) -> object:
    """Without quotes where YAML reads the same text back."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if PLAIN_INTEGER.fullmatch(text) else text


def _commented(value: Any, depth: int) -> Any:
    """Mappings without mappings inside are written in one line, as people write them."""
    if isinstance(value, dict):
        found = CommentedMap((key, _commented(item, depth + 1)) for key, item in value.items())
        if depth > 1 and value and not any(isinstance(item, dict | list) for item in value.values()):
            found.fa.set_flow_style()
        return found
    if isinstance(value, list):
        items = CommentedSeq(_commented(item, depth + 1) for item in value)
        if not any(isinstance(item, dict | list) for item in value):
            items.fa.set_flow_style()
        return items
    return value
