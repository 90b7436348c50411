"""Java's ``.properties`` syntax, as ``java.util.Properties.load`` reads it.

Comment lines begin with ``#`` or ``!``; a name ends at the first ``=``, ``:`` or blank that is not escaped; a line that
ends in an odd number of backslashes goes on in the next; ``\\t \\n \\r \\f \\uXXXX`` are escapes, any other escaped
character stands for itself. A name that comes twice has its last value, as in Java.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sim.errors import InputError

__all__ = ["Property", "read_properties"]

BLANKS = " \t\f"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ENDS = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    value: str
    line: int  # where the name stands, from 1


def read_properties(text: str, name: str = "properties") -> list[Property]:
    """The properties of *text* in order; *name* is the file's, for messages."""
    found: dict[str, Property] = {}
    for line, logical in _logical_lines(text):
        key, value = _split(logical)
        place = f"{name}:{line}"
        entry = Property(_unescaped(key, place), _unescaped(value, place), line)
        if not entry.name:
            raise InputError(place, "a property has no name before its = or :", "write name=value")
        found.pop(entry.name, None)
        found[entry.name] = entry
    return list(found.values())


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(number, text) of every logical line that is no comment and not blank."""
    lines: list[tuple[int, str]] = []
    begun: tuple[int, str] | None = None
    for number, raw in enumerate(_ENDS.split(text), start=1):
        line = raw.lstrip(BLANKS)
        if begun is None and (not line or line[0] in "#!"):
            continue
        start, before = begun or (number, "")
        if _goes_on(line):
            begun = (start, before + line[:-1])
        else:
            lines.append((start, before + line))
            begun = None
    if begun is not None:
        lines.append(begun)
    return lines


def _goes_on(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _split(line: str) -> tuple[str, str]:
    """Name and value, both still escaped."""
    end = 0
    while end < len(line) and line[end] not in "=:" + BLANKS:
        end += 2 if line[end] == "\\" else 1
    rest = line[end:].lstrip(BLANKS)
    if rest and rest[0] in "=:":
        rest = rest[1:].lstrip(BLANKS)
    return line[:end], rest


def _unescaped(text: str, place: str) -> str:
    if "\\" not in text:
        return text
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "\\":
            parts.append(text[at])
            at += 1
        elif text[at + 1 : at + 2] == "u":
            digits = text[at + 2 : at + 6]
            if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                raise InputError(
                    place, f"\\u{digits} is not a Unicode escape", "write four hexadecimal digits after \\u"
                )
            parts.append(chr(int(digits, 16)))
            at += 6
        else:
            following = text[at + 1 : at + 2]
            parts.append(_ESCAPES.get(following, following))
            at += 2
    return "".join(parts)
