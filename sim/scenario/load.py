"""From a file (or a bundled name, or a mapping) to a checked scenario; every mistake is one ``InputError``.

The order of checks: bytes, YAML, option files, the model's parts, and at last the whole, by compiling the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from sim.config import read_properties
from sim.errors import InputError
from sim.scenario.base import UnknownKey
from sim.scenario.compile import compile_plan
from sim.scenario.model import Scenario
from sim.scenario.tree import MOST_BYTES, Origin, Path, decoded, parse
from sim.wording import Wrong, did_you_mean, listed, shown

__all__ = ["bundled", "bundled_folder", "checked", "from_dict", "from_text", "load"]

SUFFIXES = (".yaml", ".yml")
CONFIG_PLACES = (("producers",), ("consumers",), ("topics",))


def bundled_folder() -> FilePath:
    """Where the bundled scenarios are: beside ``sim`` in a checkout, inside it when installed."""
    inside = FilePath(__file__).resolve().parent.parent / "_scenarios"
    return inside if inside.is_dir() else inside.parent.parent / "scenarios"


def bundled() -> dict[str, FilePath]:
    """Bundled scenarios by name, sorted."""
    return {path.stem: path for path in sorted(bundled_folder().glob("*.yaml"))}


def load(path_or_name: str | FilePath) -> Scenario:
    """Read and check a scenario file; a plain name that is no file is looked up among the bundled ones.

    A folder of that name, such as ``run --out`` leaves, does not hide the bundled scenario.
    """
    path = FilePath(path_or_name)
    name = str(path_or_name)
    if (path.is_dir() or not path.exists()) and name in (known := bundled()):
        path, name = known[name], f"scenarios/{name}.yaml"
    data = _bytes(path, name)
    return from_text(decoded(data, name), name, folder=path.parent)


def from_text(text: str, name: str = "scenario.yaml", folder: FilePath | None = None) -> Scenario:
    """A scenario from YAML text; option files are looked up in *folder* (without it, none may be named)."""
    tree, origin = parse(text, name)
    return _from_tree(tree, origin, folder)


def from_dict(data: Mapping[str, Any], name: str = "scenario") -> Scenario:
    """A scenario from plain values, as YAML would give them."""
    return _from_tree(dict(data), Origin(name), None)


def _from_tree(tree: Any, origin: Origin, folder: FilePath | None) -> Scenario:
    if isinstance(tree, dict):
        tree = _with_option_files(tree, origin, folder)
    return checked(tree, origin)


def checked(tree: Any, origin: Origin) -> Scenario:
    """The model of *tree*, or the first thing that is wrong with it."""
    try:
        scenario = Scenario.model_validate(tree)
    except ValidationError as error:
        raise _refusal(error, tree, origin) from None
    scenario._origin = origin
    compile_plan(scenario)
    return scenario


# Files.


def _bytes(path: FilePath, name: str) -> bytes:
    try:
        if path.is_dir():
            raise InputError(name, "this is a folder, not a scenario file", "name one of its .yaml files")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        guess = did_you_mean(path.stem, bundled()) or "give the path of a file, or a name that 'korder scenarios' lists"
        raise InputError(name, "there is no such file, nor a bundled scenario of that name", guess) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(name, f"the file cannot be read: {reason}", "check the path and its permissions") from None


def _with_option_files(tree: dict[str, Any], origin: Origin, folder: FilePath | None) -> dict[str, Any]:
    """*tree* with every ``config: file.properties`` replaced by the options in it; inline options override."""
    places: list[Path] = [("brokers",), ("controller",)]
    for (section,) in CONFIG_PLACES:
        if isinstance(tree.get(section), dict):
            places += [(section, name) for name in tree[section]]
    for path in places:
        part: Any = tree
        for key in path:
            part = part.get(key) if isinstance(part, dict) else None
        if isinstance(part, dict) and "config" in part:
            part["config"] = _options(part["config"], (*path, "config"), origin, folder)
    return tree


def _options(value: Any, path: Path, origin: Origin, folder: FilePath | None) -> Any:
    inline: dict[str, Any] = {}
    if isinstance(value, str):
        named = value
    elif isinstance(value, dict) and "file" in value:
        path_of_file = (*path, "file")
        if not isinstance(value["file"], str):
            raise InputError(
                origin.place(path_of_file), f"{shown(value['file'])} is not a path", "write file: producer.properties"
            )
        named, inline = value["file"], {name: given for name, given in value.items() if name != "file"}
    else:
        return value
    read = _option_file(named, path, origin, folder)
    for name in inline:
        origin.elsewhere.pop((*path, name), None)
    return {**read, **inline}


def _option_file(named: str, path: Path, origin: Origin, folder: FilePath | None) -> dict[str, str]:
    place = origin.place(path)
    if folder is None:
        raise InputError(place, f"{shown(named)} is relative to a file, and there is none", "write the options inline")
    found = _inside(named, folder, place)
    try:
        with found.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(place, f"{shown(named)} cannot be read: {error.strerror}", "check the path") from None
    name = str(FilePath(origin.name).parent / named)
    options: dict[str, str] = {}
    for entry in read_properties(decoded(data, name, or_latin_1=True), name):
        options[entry.name] = entry.value
        origin.elsewhere[(*path, entry.name)] = f"{name}:{entry.line}"
    return options


def _inside(named: str, folder: FilePath, place: str) -> FilePath:
    """The file, which must lie in the scenario's folder (links followed)."""
    if "\0" in named or not named.strip():
        raise InputError(place, f"{shown(named)} is not a path", "write config: producer.properties")
    try:
        root = folder.resolve()
        found = (root / named).resolve()
    except (OSError, RuntimeError):
        raise InputError(place, f"{shown(named)} cannot be followed", "use a plain file beside the scenario") from None
    if not found.is_relative_to(root):
        raise InputError(place, f"{shown(named)} leads out of the scenario's folder", "put a copy beside the scenario")
    if not found.is_file():
        near = sorted(item.name for item in root.glob("*.properties"))
        raise InputError(
            place,
            f"there is no file {shown(named)}",
            did_you_mean(named, near) or "give a path relative to the scenario",
        )
    return found


# Refusals of the model, in our words.


def _refusal(error: ValidationError, tree: Any, origin: Origin) -> InputError:
    """The first error in the order of the file."""
    found = [_one(item, tree) for item in error.errors(include_url=False)]
    path, rule, way_out = min(found, key=lambda item: (origin.lines.get(_known(item[0], origin), 0), len(item[0])))
    return InputError(origin.place(path), rule, way_out)


def _known(path: Path, origin: Origin) -> Path:
    while path and path not in origin.lines:
        path = path[:-1]
    return path


def _one(item: Any, tree: Any) -> tuple[Path, str, str]:
    path = _in_file(item["loc"], tree)
    wrong = item.get("ctx", {}).get("error")
    if isinstance(wrong, UnknownKey):
        return (*path, wrong.key), wrong.rule, wrong.way_out
    if isinstance(wrong, Wrong):
        return path, wrong.rule, wrong.way_out
    kind, context = item["type"], item.get("ctx", {})
    if kind == "missing":
        missing = str(item["loc"][-1])
        return path, f"{missing} is missing", f"add {missing}"
    if kind == "literal_error":
        words = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        guess = did_you_mean(str(item["input"]), words) or f"write {listed(words)}"
        return path, f"{shown(item['input'])} is not one of {listed(words)}", guess
    rule, way_out = _RULES.get(kind, ("is not what belongs here", "see 'korder schema'"))
    return path, f"{shown(item['input'])} {rule.format(**context)}", way_out.format(**context)


_RULES = {
    "int_type": ("is not a whole number", "write plain digits"),
    "bool_type": ("is not true or false", "write true or false"),
    "string_type": ("is not a text", "write a plain text, in quotes where needed"),
    "dict_type": ("is not a mapping", "write key: value pairs"),
    "list_type": ("is not a list", "write [a, b], or one '- item' a line"),
    "greater_than_equal": ("is below {ge}", "use at least {ge}"),
    "less_than_equal": ("is above the limit of {le}", "use at most {le}"),
    "too_short": ("has fewer than {min_length} entries", "give at least {min_length}"),
    "too_long": ("has more than {max_length} entries", "give at most {max_length}"),
}


def _in_file(location: tuple[str | int, ...], tree: Any) -> Path:
    """The part of a pydantic location that stands in the file (tags and missing keys do not)."""
    path: list[str | int] = []
    at = tree
    for part in location:
        if isinstance(at, dict) and part in at and isinstance(part, str):
            at = at[part]
        elif isinstance(at, list) and isinstance(part, int) and part < len(at):
            at = at[part]
        else:
            continue
        path.append(part)
    return tuple(path)
