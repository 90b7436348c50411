"""A witness as a sentence. Every finder names its records with roles; here they become words, the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    if name == "commit-regression" and not records and len(witness.get("offsets") or ()) == 2:
        return _committed_back(witness)
    tell = _TOLD.get(name)
    if tell is None or len(records) < (2 if tell in _OF_TWO else 1):
        return _plainly(witness, records)
    return tell(witness, records)


def _reordered(witness: Witness, records: list[Witness]) -> str:
    late, first = _by_role(records, "late"), _by_role(records, "overtaker")
    key = f" (key {_short(witness['key'])})" if "key" in witness else ""
    return f"{_record(late)} stands behind {_record(first)}, which was sent after it{key}"


def _overtaken_on_the_way(witness: Witness, records: list[Witness]) -> str:
    late, first = _by_role(records, "late"), _by_role(records, "overtaker")
    reader = witness.get("group", "the reader")
    return f"{_record(late)} reached {reader} after {_record(first)}, which was sent after it"


def _sent_and_stored_otherwise(_witness: Witness, records: list[Witness]) -> str:
    return f"{_record(records[0])} was sent just before {_record(records[1])} and stands behind it"


def _doubled(witness: Witness, records: list[Witness]) -> str:
    places = [_place(record) for record in records[:4]]
    one_partition = len({record.get("p") for record in records}) == 1
    if one_partition:
        places[1:] = [f"at {record.get('o')}" for record in records[1:4]]
    more = f" and {len(records) - 4} more" if len(records) > 4 else ""
    why = f" ({witness['mechanism']})" if witness.get("mechanism") else ""
    return f"{_value(records[0])} stands at {' and '.join(places)}{more}{why}"


def _lost(witness: Witness, records: list[Witness]) -> str:
    fate = f": {witness['fate']}" if witness.get("fate") else ""
    return f"{_record(records[0])} was acknowledged and is gone{fate}"


def _cut_off(witness: Witness, records: list[Witness]) -> str:
    leaders = [witness[name] for name in ("old_leader", "new_leader") if name in witness]
    moved = f", the leader was {leaders[0]} and is {leaders[1]}" if len(leaders) == 2 else ""
    return f"{_record(records[0])} was below the high watermark and is gone{moved}"


def _two_at_one_offset(_witness: Witness, records: list[Witness]) -> str:
    values = " and ".join(_value(record) for record in records[:4])
    return f"{values} were both said to be {_place(records[0])}"


def _delivered_again(witness: Witness, records: list[Witness]) -> str:
    excused = ", as at-least-once permits" if witness.get("excused") else ""
    to = f"{witness.get('group', 'its reader')}{_members(witness, records)}"
    return f"{_record(records[0])} was delivered {len(records)} times to {to}{excused}"


def _split(witness: Witness, records: list[Witness]) -> str:
    return f"key {_short(witness.get('key'))}: {' and '.join(_record(record) for record in records[:4])}"


def _inverted(_witness: Witness, records: list[Witness]) -> str:
    return f"{_record(records[0])} was sent after {_record(records[1])} was acknowledged, and stands before it"


def _unread(_witness: Witness, records: list[Witness]) -> str:
    return f"{_record(records[0])} was acknowledged, and no reader got it"


def _stepped_over(witness: Witness, records: list[Witness]) -> str:
    skipped = witness.get("skipped") or [{}]
    left_out = f"{witness.get('delta', 2) - 1}, the first {_value(skipped[0])}"
    return f"{_reader(witness)} went from {_record(records[0])} to {_record(records[1])} and left out {left_out}"


def _stepped_back(witness: Witness, records: list[Witness]) -> str:
    return f"{_reader(witness)} got {_record(records[1])} after {_record(records[0])}"


def _of_aborted(witness: Witness, records: list[Witness]) -> str:
    return f"{_record(records[0])} reached {_reader(witness)} although its {witness.get('because', 'send failed')}"


def _too_early(witness: Witness, records: list[Witness]) -> str:
    within = ", in that very transaction" if witness.get("read_in") == witness.get("written_in") else ""
    return f"{_record(records[0])} reached {_reader(witness)} before its transaction had ended{within}"


def _never_processed(witness: Witness, records: list[Witness]) -> str:
    group, committed = _reader(witness), witness.get("committed")
    return f"{_record(records[0])} was never processed to the end by {group}, which has committed {committed}"


def _begun_late(witness: Witness, records: list[Witness]) -> str:
    return f"{_reader(witness)} began {_record(records[0])} after {_record(records[1])}"


def _begun_early(witness: Witness, records: list[Witness]) -> str:
    return f"{_reader(witness)} began {_record(records[0])} while {_record(records[1])} was under way"


def _processed_again(witness: Witness, records: list[Witness]) -> str:
    by = f"{_reader(witness)}{_members(witness, records)}"
    return f"{_record(records[0])} was processed to the end {len(records)} times by {by}"


def _committed_early(witness: Witness, records: list[Witness]) -> str:
    consumer, committed = witness.get("consumer"), witness.get("committed")
    return f"{consumer} committed {committed} before {_record(records[0])} was processed to the end"


def _committed_back(witness: Witness) -> str:
    before, after = witness["offsets"]
    where = f"{witness['partition']} " if "partition" in witness else ""
    return f"{witness.get('consumer', 'its reader')} committed {where}from offset {before} back to {after}"


def _torn(witness: Witness, records: list[Witness]) -> str:
    told = f"{_record(records[0])} is visible and {_record(records[1])} is not"
    return f"of transaction {_short(witness.get('transaction'))} {told}"


def _open(witness: Witness, records: list[Witness]) -> str:
    name = witness.get("transaction")
    whose = f"transaction {_short(name)}" if name is not None else f"producer id {records[0].get('pid')}"
    return f"{whose} has {witness.get('undecided')} without a marker, the first {_record(records[0])}"


def _circle(witness: Witness, records: list[Witness]) -> str:
    circle = " to ".join(_short(name) for name in witness.get("transactions", ())[:5])
    return f"{circle} by {', '.join(witness.get('steps', ())[:4])}: {', '.join(map(_record, records[:4]))}"


def _reader(witness: Witness) -> str:
    return str(witness.get("group") or witness.get("consumer") or "its reader")


def _members(witness: Witness, records: list[Witness]) -> str:
    """Who it was each time, `` (C1, then C2)``; one alone stands once, and not at all where it is the reader itself."""
    names = [str(record["con"]) for record in records if "con" in record]
    if len(set(names)) == 1:
        return "" if names[0] == _reader(witness) else f" ({names[0]} each time)"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f" ({', then '.join(names[:4])}{more})" if names else ""


def _plainly(witness: Witness, records: list[Witness]) -> str:
    said = [f"{record['role']}: {_record(record)}" if "role" in record else _record(record) for record in records[:3]]
    said += [f"{key.replace('_', ' ')} {_short(value)}" for key, value in witness.items() if key not in OTHERS]
    if not records and "partition" in witness:
        said.insert(0, str(witness["partition"]))
    return ", ".join(said)


_TOLD: dict[str, Callable[[Witness, list[Witness]], str]] = {
    "append-reorder": _reordered,
    "key-reorder": _reordered,
    "e2e-key-reorder": _overtaken_on_the_way,
    "cross-partition-inversion": _overtaken_on_the_way,
    "nonmonotonic-send": _sent_and_stored_otherwise,
    "duplicate-append": _doubled,
    "lost-acked": _lost,
    "committed-truncation": _cut_off,
    "inconsistent-offsets": _two_at_one_offset,
    "duplicate-delivery": _delivered_again,
    "key-partition-split": _split,
    "realtime-inversion": _inverted,
    "unseen": _unread,
    "poll-skip": _stepped_over,
    "int-poll-skip": _stepped_over,
    "nonmonotonic-poll": _stepped_back,
    "int-nonmonotonic-poll": _stepped_back,
    "aborted-read": _of_aborted,
    "uncommitted-read": _too_early,
    "precommitted-read": _too_early,
    "lost-processing": _never_processed,
    "out-of-order-processing": _begun_late,
    "overlapping-processing": _begun_early,
    "duplicate-processing": _processed_again,
    "premature-commit": _committed_early,
    "torn-transaction": _torn,
    "open-transaction": _open,
    "G1c-wr": _circle,
    "G0": _circle,
    "G1c": _circle,
    "lost-write": _unread,
}


_OF_TWO = (
    _reordered, _overtaken_on_the_way, _sent_and_stored_otherwise, _doubled, _two_at_one_offset, _inverted,
    _stepped_over, _stepped_back, _begun_late, _begun_early, _torn,
)  # fmt: skip


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
