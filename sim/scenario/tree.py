"""YAML as plain values with the line of each, read so that nothing is guessed.

YAML 1.2 only: ``on``, ``no`` and ``1:30`` are strings. Refused, because two readers would read them differently or a
machine would suffer: repeated keys, merge keys, tags, numbers like ``012`` or ``1_000``, ``.nan`` and ``.inf``, several
documents, aliases that contain themselves, and more than the limits below. Anchors are fine within them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sim.errors import InputError
from sim.wording import one_line, shown

__all__ = [
    "MOST_BYTES",
    "MOST_DEPTH",
    "MOST_NODES",
    "PLAIN_INTEGER",
    "Origin",
    "Path",
    "RawFloat",
    "decoded",
    "dotted",
    "parse",
]

MOST_BYTES = 1 << 20
MOST_NODES = 400_000  # values, each use of an alias counted anew
MOST_DEPTH = 24

Path = tuple[str | int, ...]
_CORE = "tag:yaml.org,2002:"
PLAIN_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?", re.ASCII)


class RawFloat(float):
    """A float that remembers how it was written: ``4.10`` is a release, ``0.5`` an option's text."""

    raw: str

    def __new__(cls, raw: str) -> RawFloat:
        number = super().__new__(cls, raw)
        number.raw = raw
        return number

    def __str__(self) -> str:
        return self.raw

    __repr__ = __str__

    def __reduce__(self) -> tuple[type[RawFloat], tuple[str]]:
        return RawFloat, (self.raw,)


def dotted(path: Path) -> str:
    """``faults[0].error``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return one_line(text)


@dataclass(slots=True)
class Origin:
    """Where each value of a scenario was written: the file's line, an option file's line, or an override."""

    name: str
    lines: dict[Path, int] = field(default_factory=dict)
    elsewhere: dict[Path, str] = field(default_factory=dict)  # not in the file itself

    def place(self, path: Path) -> str:
        """``file:line: key.path`` of the nearest value that is known, the path in full."""
        for end in range(len(path), -1, -1):
            head = path[:end]
            if head in self.elsewhere:
                return f"{self.elsewhere[head]}: {dotted(path)}"
            if head in self.lines and head:
                return f"{self.name}:{self.lines[head]}: {dotted(path)}"
        return f"{self.name}:1: {dotted(path)}" if self.lines and path else f"{self.name}: {dotted(path)}".rstrip(": ")

    def copy(self) -> Origin:
        return Origin(self.name, dict(self.lines), dict(self.elsewhere))


def decoded(data: bytes, name: str, *, or_latin_1: bool = False) -> str:
    """The text of a file, which must be UTF-8 (Java also writes properties in Latin-1) and of a size for people."""
    if len(data) > MOST_BYTES:
        rule = f"the file has {len(data)} bytes, at most {MOST_BYTES} are read"
        raise InputError(name, rule, "split it, or let rates and counts say what is listed")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if or_latin_1:
            return data.decode("latin-1")
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}", f"byte 0x{data[error.start]:02x} is not UTF-8", "save it as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{name}:{line}", "the file has a NUL character", "save it as plain text in UTF-8")
    return text


def parse(text: str, name: str, *, lines: bool = True) -> tuple[Any, Origin]:
    """The value that *text* holds, and where its parts stand."""
    reader = _Reader(Origin(name))
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark is not None and lines else name
        problem = " ".join(str(error.problem or error.context or "it cannot be read").split())
        raise InputError(place, f"this is not YAML: {problem}", "check indentation, quotes and brackets") from None
    except YAMLError as error:
        problem = " ".join(str(error).split())
        raise InputError(name, f"this is not YAML: {problem}", "save it as plain text in UTF-8") from None
    except RecursionError:
        raise InputError(name, f"it is nested deeper than {MOST_DEPTH} levels", "flatten it") from None
    if node is None:
        raise InputError(name, "the file is empty", "begin with 'korder new', which writes a template")
    return reader.value(node, (), ()), reader.origin


@dataclass(slots=True)
class _Reader:
    origin: Origin
    nodes: int = 0

    def value(self, node: Node, path: Path, above: tuple[int, ...]) -> Any:
        line = node.start_mark.line + 1
        self.origin.lines.setdefault(path, line)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self.refuse(line, path, f"the file expands to more than {MOST_NODES} values", "use fewer aliases")
        if len(above) > MOST_DEPTH:
            raise self.refuse(line, path[:6], f"it is nested deeper than {MOST_DEPTH} levels", "flatten it")
        if id(node) in above:
            raise self.refuse(line, path, "an alias contains itself", "write the value out")
        if isinstance(node, ScalarNode):
            return self.scalar(node, path, line)
        inside = (*above, id(node))
        expected = "map" if isinstance(node, MappingNode) else "seq"
        if node.tag is not None and str(node.tag) != _CORE + expected:
            raise self.refuse(line, path, f"the tag {shown(str(node.tag))} is not read", "remove the tag")
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index), inside) for index, item in enumerate(node.value)]
        assert isinstance(node, MappingNode)
        return self.mapping(node, path, inside)

    def mapping(self, node: MappingNode, path: Path, inside: tuple[int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.key(key_node, path, line)
            if key in found:
                first = self.origin.lines[(*path, key)]
                rule = f"{shown(key)} is written twice, first in line {first}"
                raise self.refuse(line, (*path, key), rule, "keep one of the two")
            self.origin.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key), inside)
        return found

    def key(self, node: Node, path: Path, line: int) -> str:
        if not isinstance(node, ScalarNode):
            raise self.refuse(line, path, "a list or mapping is used as a key", "use a plain word as key")
        if str(node.tag) == _CORE + "merge":
            raise self.refuse(
                line, path, "merge keys (<<) are not YAML 1.2", "write the keys out, or alias whole values"
            )
        if str(node.tag) != _CORE + "str" and str(node.tag) != _CORE + "timestamp":
            rule = f"the key {shown(str(node.value))} is not a string"
            raise self.refuse(line, path, rule, f'write it in quotes: "{node.value}"')
        return str(node.value)

    def scalar(self, node: ScalarNode, path: Path, line: int) -> Any:
        tag, text = str(node.tag), str(node.value)
        if tag in (_CORE + "str", _CORE + "timestamp"):
            return text
        if tag == _CORE + "null":
            return None
        if tag == _CORE + "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if tag == _CORE + "int":
            if not PLAIN_INTEGER.fullmatch(text):
                what = "is too large" if text.isdigit() and len(text) > 19 else "could be read in two ways"
                raise self.refuse(
                    line, path, f"the number {text[:40]} {what}", "write plain decimal digits, or quote it"
                )
            return int(text)
        if tag == _CORE + "float":
            if not _FLOAT.fullmatch(text):
                raise self.refuse(line, path, f"{text[:40]} is not a plain number", "write a finite decimal number")
            return RawFloat(text)
        raise self.refuse(line, path, f"the tag {shown(tag)} is not read", "remove the tag")

    def refuse(self, line: int, path: Path, rule: str, way_out: str) -> InputError:
        place = f"{self.origin.name}:{line}: {dotted(path)}" if path else f"{self.origin.name}:{line}"
        return InputError(place, rule, way_out)


def as_text(value: object) -> str | None:
    """The text of an option's value as it was written; ``None`` for what is no scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, RawFloat):
        return value.raw
    return str(value) if isinstance(value, str | int | float) else None


def is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)
