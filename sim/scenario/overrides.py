"""``--set KEY=VALUE``: a path into a scenario, or a bare Kafka option that means every place that has it.

Values are read as YAML; null leaves the key out, so that its default holds. What comes out is checked like a file;
errors name the setting as their place.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from sim import config
from sim.config.option import Kind, Table
from sim.errors import InputError
from sim.scenario.load import checked
from sim.scenario.model import Scenario
from sim.scenario.paths import find_path, same_option
from sim.scenario.resolved import source
from sim.scenario.tree import Path, dotted, parse
from sim.wording import did_you_mean, listed, shown

__all__ = ["with_overrides"]

_INDEX = re.compile(r"\[(\d{1,6})\]")


def with_overrides(scenario: Scenario, settings: Iterable[str]) -> Scenario:
    """*scenario* with every ``KEY=VALUE`` of *settings* applied, checked anew. The given one is untouched."""
    tree, origin = copy.deepcopy(source(scenario)), scenario._origin.copy()
    for setting in settings:
        place = f"--set {' '.join(setting.split())[:200]}"
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise InputError(place, "this is not KEY=VALUE", "write --set producers.billing.config.acks=1")
        value = parse(text, place, lines=False)[0] if text.strip() else ""
        for path in _paths(scenario, tree, key.strip(), place):
            if value is None:
                _leave_out(tree, path, place)
            else:
                _put(tree, path, value, place)
            for known in [known for known in origin.lines if known[: len(path)] == path]:
                del origin.lines[known]
            origin.elsewhere[path] = place
    return checked(tree, origin)


def _put(tree: Any, path: Path, value: Any, place: str) -> None:
    """Set the value at *path*; sections that the scenario left out are made."""
    at = tree
    for depth, part in enumerate(path[:-1]):
        if isinstance(at, list):
            at = _item(at, part, path[: depth + 1], place)
        else:
            if not isinstance(at.get(part), dict | list):
                at[part] = {}
            at = at[part]
    if isinstance(at, list):
        _item(at, path[-1], path, place)
    at[path[-1]] = value


def _leave_out(tree: Any, path: Path, place: str) -> None:
    """Take the key at *path* away, where it is there."""
    at = tree
    for depth, part in enumerate(path[:-1]):
        if isinstance(at, list):
            at = _item(at, part, path[: depth + 1], place)
        elif part in at:
            at = at[part]
        else:
            return
    if isinstance(at, list):
        rule = "an entry of a list is not left out, as the others would get other numbers"
        raise InputError(place, rule, f"give {dotted(path[:-1])} a list without it")
    at.pop(path[-1], None)


def _item(items: list[Any], part: str | int, path: Path, place: str) -> Any:
    if not isinstance(part, int) or part >= len(items):
        raise InputError(place, f"there is no {dotted(path)}", "count entries from 0, as faults[0]")
    return items[part]


def _paths(scenario: Scenario, tree: dict[str, Any], key: str, place: str) -> list[Path]:
    words = _INDEX.sub(r".\1", key)
    sections = dict(_sections(scenario))
    if words.split(".")[0] in Scenario.known_keys():
        return [find_path(words, tree, sections.__getitem__, place)]
    known = {path: option for path, table in sections.items() if (option := table.find(key))}
    modelled = [path for path, option in known.items() if option.kind is Kind.MODELLED]
    if known:
        return [(*path, same_option(_given(tree, path), sections[path], key)) for path in modelled or known]
    raise _unknown(key, place)


def _unknown(key: str, place: str) -> InputError:
    clients = [config.tables(kind, flavour) for kind in ("producer", "consumer") for flavour in config.FLAVOURS]
    tables = [*clients, config.tables("topic"), config.tables("broker")]
    if any(table.find(key) for table in tables):
        return InputError(place, f"no place in this scenario has the option {key}", "add a client that has it")
    names = [*Scenario.known_keys(), *(name for table in tables for name in table.by_name)]
    guess = did_you_mean(key, names) or f"begin with {listed(Scenario.known_keys(), 20)}"
    return InputError(place, f"{shown(key)} is neither a path nor a Kafka option", guess)


def _sections(scenario: Scenario) -> list[tuple[Path, Table]]:
    """Every ``config`` of the scenario with its table; a bare option is not for the controller alone."""
    found: list[tuple[Path, Table]] = [(("brokers", "config"), config.tables("broker"))]
    if scenario.controller.config:
        found.append((("controller", "config"), config.tables("broker")))
    found += [(("topics", name, "config"), config.tables("topic")) for name in scenario.topics]
    for name, producer in scenario.producers.items():
        found.append((("producers", name, "config"), config.tables("producer", producer.client)))
    for name, consumer in scenario.consumers.items():
        found.append((("consumers", name, "config"), config.tables("consumer", consumer.client)))
    return found


def _given(tree: Any, path: Path) -> dict[str, Any]:
    for part in path:
        tree = tree.get(part, {})
    return dict(tree)
