"""A witness as a sentence. Every finder names its records with roles; here they become words, the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["seconds", "witness_words"]

Witness = Mapping[str, Any]
OTHERS = ("partition", "records", "offsets", "events", "uid")  # said by the records, or only for programs


def seconds(us: int) -> str:
    """``12.5 s``, with as many digits as it has."""
    return f"{us // 1_000_000}.{us % 1_000_000:06d}".rstrip("0").rstrip(".") + " s"


def witness_words(name: str, witness: Witness) -> str:
    """One case of the finding *name*, for a person who knows Kafka and not this program."""
    records = witness.get("records") or []
    tell = _TOLD.get(name)
    if tell is not None and records:
        return tell(witness, records)
    return _plainly(witness, records)


def _reordered(witness: Witness, records: list[Witness]) -> str:
    late, first = _by_role(records, "late"), _by_role(records, "overtaker")
    return f"{_record(late)} stands behind {_record(first)}, which was sent after it"


def _doubled(witness: Witness, records: list[Witness]) -> str:
    places = " and ".join(_place(record) for record in records[:4])
    more = f" and {len(records) - 4} more" if len(records) > 4 else ""
    why = f": {witness['mechanism']}" if witness.get("mechanism") else ""
    return f"{_value(records[0])} stands at {places}{more}{why}"


def _lost(witness: Witness, records: list[Witness]) -> str:
    fate = f": {witness['fate']}" if witness.get("fate") else ""
    return f"{_record(records[0])} was acknowledged and is gone{fate}"


def _plainly(witness: Witness, records: list[Witness]) -> str:
    said = [_record(record) for record in records[:3]]
    said += [f"{key.replace('_', ' ')} {_short(value)}" for key, value in witness.items() if key not in OTHERS]
    if not records and "partition" in witness:
        said.insert(0, str(witness["partition"]))
    return ", ".join(said)


_TOLD = {
    "append-reorder": _reordered,
    "key-reorder": _reordered,
    "e2e-key-reorder": _reordered,
    "duplicate-append": _doubled,
    "lost-acked": _lost,
}


def _by_role(records: list[Witness], role: str) -> Witness:
    return next((record for record in records if record.get("role") == role), records[0])


def _record(record: Witness) -> str:
    """``billing/41 (payments-0 at 57)``."""
    place = _place(record)
    return f"{_value(record)} ({place})" if place else _value(record)


def _value(record: Witness) -> str:
    return _short(record.get("v", "a record"))


def _place(record: Witness) -> str:
    partition, offset = record.get("p"), record.get("o")
    if partition is None:
        return ""
    return f"{partition} at {offset}" if offset is not None else f"{partition}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
