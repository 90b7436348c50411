"""Dotted paths into a scenario, along its model: at each level the longest known key wins.

A level knows its keys: the fields of a part, the names that the scenario has (topics, clients), the options of a
``config``, the positions of a list. A list of one workload is written without its position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args, get_origin

from sim.config.option import Table
from sim.errors import InputError
from sim.scenario.base import Part
from sim.scenario.faults import PARTS, MessageFaultPart
from sim.scenario.finding_names import FINDING_NAMES
from sim.scenario.model import Scenario
from sim.scenario.tree import Path, dotted
from sim.wording import did_you_mean, listed, shown

__all__ = ["find_path", "same_option"]


@dataclass(frozen=True, slots=True)
class Level:
    """What may stand below a path: ``part`` (a class), ``names`` or ``list`` (of ``inner``), ``leaf``."""

    kind: str
    part: type[Part] | None = None
    inner: Level | None = None


LEAF = Level("leaf")


def _level(annotation: Any) -> Level:
    """The level of a field's type; of alternatives, the one that has keys."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return Level("part", part=annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return Level("names", inner=_level(arguments[1]))
    if origin is list:
        return Level("list", inner=_level(arguments[0]))
    return next((level for level in map(_level, arguments) if level.kind != "leaf"), LEAF)


def _below(level: Level, key: str) -> Level:
    if level.kind != "part":
        return level.inner or LEAF
    assert level.part is not None
    for name, field in level.part.model_fields.items():
        if (field.alias or name) == key:
            return Level("list", inner=Level("fault")) if key == "faults" else _level(field.annotation)
    return LEAF


def find_path(words: str, tree: dict[str, Any], table_at: Any, place: str) -> Path:
    """*words* as a path into *tree*; ``table_at(path)`` gives the options of a ``config``."""
    path: Path = ()
    at: Any = tree
    level, rest = Level("part", part=Scenario), words
    while rest:
        if path and path[-1] == "config":
            return _option_path(path, rest, at, table_at(path), place)
        if path[-1:] == ("workload",) and isinstance(at, list) and len(at) == 1 and not rest[0].isdigit():
            path, level, at = (*path, 0), _below(level, "0"), at[0]
        keys = _keys(level, at, path)
        key = max((name for name in keys if rest == name or rest.startswith(f"{name}.")), key=len, default=None)
        if key is None:
            guess = did_you_mean(rest.split(".")[0], keys) or (
                f"known here: {listed(keys, 30)}" if keys else "end the path before it"
            )
            raise InputError(place, f"{shown(rest)} is not known under {dotted(path) or 'a scenario'}", guess)
        rest = rest[len(key) + 1 :]
        level = _below(level, key)
        if isinstance(at, list):
            path, at = (*path, int(key)), at[int(key)]
        else:
            path, at = (*path, key), at.get(key) if isinstance(at, dict) else None
    return path


def _keys(level: Level, at: Any, path: Path) -> list[str]:
    if isinstance(at, list):
        return [str(number) for number in range(len(at))]
    if level.kind == "part" and level.part is not None:
        return list(level.part.known_keys())
    if level.kind == "fault":
        parts: list[type[Part]] = [*PARTS.values(), MessageFaultPart]
        return list(dict.fromkeys(key for part in parts for key in part.known_keys()))
    if path == ("expect",):
        return list(FINDING_NAMES)
    return list(at) if isinstance(at, dict) else []


def _option_path(path: Path, name: str, given: Any, table: Table, place: str) -> Path:
    table.known(name, lambda _: f"{place}: {dotted(path)}")
    return (*path, same_option(given if isinstance(given, dict) else {}, table, name))


def same_option(given: dict[str, Any], table: Table, name: str) -> str:
    """The name under which the option stands in *given* (an alias, perhaps), else *name*."""
    option = table.find(name)
    return next((other for other in given if option is not None and table.find(other) == option), name)
