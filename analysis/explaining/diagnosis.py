"""From a finding's witness to its mechanism: who plays a part, and which of the known ways it went.

A *cast* names the records of the case by role. What would rest on something that the history does not say is not
diagnosed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.explaining.facts import Copy, Facts, Life
from analysis.explaining.mechanisms import NOT_EXPLAINED

__all__ = ["Diagnosis", "Part", "Witness", "cast_of", "distinct", "unexplained"]

Witness = Mapping[str, Any]


@dataclass(slots=True)
class Part:
    """A record of the case: *role* (late, overtaker, twice, again, lost, ...), its life, the copy that is meant."""

    role: str
    value: int
    life: Life
    copy: Copy | None


@dataclass(slots=True)
class Diagnosis:
    mechanism: str
    because: str  # why this one, in a sentence about this case
    cast: list[Part] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # further rows of the history that belong in the story

    @property
    def explained(self) -> bool:
        return self.mechanism != NOT_EXPLAINED


def unexplained(because: str, cast: list[Part] | None = None) -> Diagnosis:
    return Diagnosis(NOT_EXPLAINED, because, cast or [])


def cast_of(facts: Facts, witness: Witness, roles: tuple[str, ...]) -> list[Part]:
    """The witness's records in their order, with these roles where it gives none; unknown ones are left out."""
    cast = []
    for number, record in enumerate(witness.get("records") or ()):
        code = facts.code_of(record.get("v"))
        if code < 0:
            continue
        life = facts.life(code)
        role = str(record.get("role") or roles[min(number, len(roles) - 1)])
        cast.append(Part(role, code, life, _copy_of(facts, life, record)))
    return cast


def distinct(cast: list[Part]) -> list[Part]:
    """One part a record: the copies of a doubled one have one life."""
    seen: dict[int, Part] = {}
    for part in cast:
        seen.setdefault(part.value, part)
    return list(seen.values())


def _copy_of(facts: Facts, life: Life, record: Mapping[str, Any]) -> Copy | None:
    """The copy at the witness's place that stayed: a leader's where there is one."""
    if record.get("o") is None or record.get("p") is None:
        return None
    partition, offset = list(facts.history.partitions).index(record["p"]), record["o"]
    here = [one for one in life.copies if (one.partition, one.offset) == (partition, offset)]
    if "lep" in record:
        here = [one for one in here if one.lep in (-1, record["lep"])]
    leaders = [one for one in here if not one.follower]
    return (leaders or here or [None])[-1]  # type: ignore[list-item]
