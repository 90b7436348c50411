"""Decoders of the exchange format's events, made by msgspec from the table of rules in ``rules``.

A decoder checks types and ranges while it parses, and refuses what its structs do not know. The narrower they are the
faster it is, so a :class:`Shape` learns from the blocks that were read which events, which fields and (where they are
few) which producers, partitions and consumers a file has, and offers a decoder of exactly those. What does not fit is
read by :data:`ANY`, which takes all that the format allows, and by :data:`STRANGE`, which also takes fields that the
format does not know. All three give the same events; none of them sees whether a key stands twice or where lines end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType

from analysis.jsonl.matched import Matching
from analysis.jsonl.rules import COMMON_FIELDS, EVENTS, LIMIT, OFFSETS
from analysis.jsonl.template import Template, template_of

__all__ = ["ANY", "STRANGE", "Decoder", "Shape"]

_INTEGER = Annotated[int, Meta(gt=-LIMIT, lt=LIMIT)]
_NATURAL = Annotated[int, Meta(ge=0, lt=LIMIT)]
_OFFSET = Annotated[int, Meta(ge=0, lt=OFFSETS)]
_NAME = Annotated[str, Meta(min_length=1)]
_VALUE = Union[_NAME, _INTEGER]  # noqa: UP007 - "|" does not take Annotated everywhere
_PARTITION = Union[_NAME, _NATURAL]  # noqa: UP007
_TYPES: dict[str, Any] = {
    "integer": _INTEGER, "natural": _NATURAL, "seq": Annotated[int, Meta(ge=-1, lt=1 << 31)], "value": _VALUE,
    "name": _NAME, "text": str, "bool": bool, "partition": _PARTITION, "partitions": list[_PARTITION],
    "offset": _OFFSET, "naturals": list[_OFFSET], "values": list[_VALUE],
    "records": list[tuple[_PARTITION, _OFFSET, _VALUE]], "role": Literal["leader", "follower"],
    "kind": Literal["commit", "abort"], "how": Literal["manual", "group", "rebalance"],
    "state": Literal["begin", "commit", "abort", "unknown"],
}  # fmt: skip
MOST_WORDS = 256  # producers, partitions or consumers that a decoder may know by heart
MOST_TEMPLATES, MOST_NEW = 64, 16  # in all, and of one block
TEMPLATES = {"send", "append", "hw", "attempt", "response", "poll", "ack", "unknown", "fail"}
MANY = 200  # lines that were refused make a new decoder worth while, which takes as long as reading some thousand
MOST_LESSONS = 20  # of one file

Fields = Mapping[str, bool]  # by name of a field: does every event of the kind have it?


class Decoder:
    """Lines to structs. *kinds*: by event its fields; *words*: by field, or type of field, all that there may be."""

    def __init__(self, kinds: Mapping[str, Fields], words: Mapping[str, Any] | None = None, strange: bool = False):
        types = {**_TYPES, **(words or {})}
        structs = [_struct(event, fields, types, strange) for event, fields in kinds.items()]
        self.number = {struct: number for number, struct in enumerate(structs)}
        self.events = list(kinds)
        self.names = [("t", *fields) for fields in kinds.values()]
        self.optional = [[name for name, always in fields.items() if not always] for fields in kinds.values()]
        self.decode = msgspec.json.Decoder(Union[tuple(structs)]).decode_lines  # noqa: UP007


def _struct(event: str, fields: Fields, types: Mapping[str, Any], strange: bool) -> type[msgspec.Struct]:
    required, optional = EVENTS[event]
    known = required | optional | COMMON_FIELDS
    columns: list[Any] = [("t", _INTEGER)]
    for name, always in fields.items():
        kind = types.get(name, types[known[name]])
        columns.append((name, kind) if always else (name, Union[kind, None, UnsetType], UNSET))  # noqa: UP007
    return msgspec.defstruct(event, columns, tag_field="e", tag=event, gc=False, forbid_unknown_fields=not strange)


def _all_of(event: str) -> Fields:
    required, optional = EVENTS[event]
    return dict.fromkeys(required, True) | dict.fromkeys((*optional, *COMMON_FIELDS), False)


_EVERYTHING = {event: _all_of(event) for event in EVENTS}
ANY, STRANGE = Decoder(_EVERYTHING), Decoder(_EVERYTHING, strange=True)


class Shape:
    """What a file has had so far, and a decoder that takes just that."""

    def __init__(self) -> None:
        self.decoder: Decoder | None = None
        self.templates: list[Template] = []
        self._fields: dict[str, dict[str, bool]] = {}
        self._refused = self._lessons = 0
        self._vain = 0

    def learn(self, met: Mapping[str, Fields], words: Mapping[str, Sequence[Any]], lines: int) -> None:
        """Widen what was known by so many lines that the decoder did not take: by event its fields; and by field or
        type of field (``prod``, ``con``, ``partition``) all names so far. A decoder is made where it is worth while."""
        for event, fields in met.items():
            known = self._fields.get(event)
            names = dict.fromkeys((*(known or ()), *fields))
            self._fields[event] = {
                name: fields.get(name, False) and (known is None or known.get(name, False)) for name in names
            }
        self._refused += lines
        if self._refused < MANY or len(self._fields) < 2:  # a struct alone would not ask for its "e"
            return
        self._refused, self._lessons = 0, self._lessons + 1
        self.decoder = Decoder(self._sorted(), _by_heart(words)) if self._lessons <= MOST_LESSONS else None

    def match(self, matching: Matching, sound: Callable[[bytes], bool]) -> None:
        """Take the lines that look like lines seen before, and learn how others look, if they are *sound*."""
        for known in self.templates:
            matching.take(known)
        tries, vain = MOST_TEMPLATES - len(self.templates) - self._vain, set[int]()
        for _ in range(min(tries, MOST_NEW)):
            left = {look: lines for look, lines in matching.many().items() if look not in vain}
            if not left:
                return
            look, lines = max(left.items(), key=lambda one: len(one[1]))
            line = matching.sheet.line(int(lines[0]))
            template = template_of(line) if sound(line) else None
            if template is None or template.event not in TEMPLATES:
                self._vain += 1
                vain.add(look)
                continue
            template.look = look
            self.templates.append(template)
            matching.take(template)

    def _sorted(self) -> dict[str, Fields]:
        """Required fields of a struct come before the others."""
        return {
            event: dict(sorted(fields.items(), key=lambda one: not one[1])) for event, fields in self._fields.items()
        }


def _by_heart(words: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    few: dict[str, Any] = {kind: Literal[tuple(names)] for kind, names in words.items() if 0 < len(names) <= MOST_WORDS}
    if "partition" in few:
        few["records"] = list.__class_getitem__(tuple.__class_getitem__((few["partition"], _OFFSET, _VALUE)))
    return few
