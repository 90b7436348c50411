"""What processing leaves in a store outside of Kafka, against what work in the order of each key would leave.

The end of the work on a record writes it to the store. An *idempotent* store keeps one value a key, the last one
written (an upsert): in order, each key ends with its last record in the log. A store that is not idempotent adds each
effect up: each record ends with one effect.

Keys are those of a partition; records without a key have the partition as their key, as in out-of-order-processing. A
difference has a reason, and the findings name it: the last record of the key was never done (lost-processing, where
the group committed past it), was ended before an earlier one (out-of-order-processing, overlapping-processing), or an
earlier one was done again afterwards (duplicate-processing).
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.evidence import Evidence
from analysis.history import History

__all__ = ["EXPLAINED_BY", "Difference", "outside_store"]

EXPLAINED_BY = (
    "lost-processing", "out-of-order-processing", "overlapping-processing", "duplicate-processing",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """A key (idempotent store) or a record (else) of a group whose place in the store is not as it should be.

    Idempotent: ``holds`` and ``should`` are offsets, ``holds`` is -1 where nothing was written. Else they are numbers
    of effects, and ``offset`` names the record.
    """

    group: str
    partition: str
    key: str | None
    offset: int
    holds: int
    should: int


def outside_store(history: History, idempotent: bool = True) -> list[Difference]:
    """Every difference, by group, partition and offset; of groups that tell what they processed."""
    evidence = Evidence(history)
    progress, records = evidence.progress, evidence.logs.records
    table = progress.processing.take(progress.processing.end > 0)
    scopes, names = evidence.deliveries.scopes, evidence.deliveries.scope_names
    # Every end, in order of time: (scope, partition, offset).
    ends = list(zip(scopes[table.consumer].tolist(), table.partition.tolist(), table.offset.tolist(), strict=True))
    began = progress.processing
    reads = sorted(set(zip(scopes[began.consumer].tolist(), began.partition.tolist(), strict=True)))
    keys = {
        (partition, offset): int(history.records.key[value])
        for partition, offset, value in zip(
            records.partition.tolist(), records.offset.tolist(), records.value.tolist(), strict=True
        )
    }
    found: list[Difference] = []

    def differs(scope: int, partition: int, offset: int, holds: int, should: int) -> None:
        key = keys[partition, offset]
        name = None if key < 0 else str(history.keys[key])
        found.append(Difference(names[scope], history.partitions[partition], name, offset, holds, should))

    if idempotent:
        holds: dict[tuple[int, int, int], int] = {}  # by scope, partition and key
        for scope, partition, offset in ends:
            if (partition, offset) in keys:
                holds[scope, partition, keys[partition, offset]] = offset
        last = {(partition, key): offset for (partition, offset), key in sorted(keys.items())}
        for scope, partition in reads:
            for (where, key), offset in last.items():
                there = holds.get((scope, where, key), -1)
                if where == partition and there != offset:
                    differs(scope, partition, offset, there, offset)
    else:
        effects: dict[tuple[int, int, int], int] = {}
        for end in ends:
            effects[end] = effects.get(end, 0) + 1
        for scope, partition in reads:
            for (where, offset) in keys:
                times = effects.get((scope, where, offset), 0)
                if where == partition and times != 1:
                    differs(scope, partition, offset, times, 1)
    return sorted(found, key=lambda one: (one.group, one.partition, one.offset))
