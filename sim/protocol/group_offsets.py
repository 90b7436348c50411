"""The offsets that groups have committed, as one coordinator holds them.

Law: the last accepted commit wins, whatever its offset: nothing is compared with what was committed before, with the
log or with who owns the partition (consumer:F3.1).
"""

from __future__ import annotations

from sim.protocol.group_messages import OffsetRecord

__all__ = ["CommittedOffsets"]

_NONE = (-1, -1)


class CommittedOffsets:
    """By group and partition: the next offset to read and the leader epoch of the record before it."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[int, dict[int, tuple[int, int]]] = {}

    def store(self, record: OffsetRecord) -> None:
        self._groups.setdefault(record.group, {})[record.partition] = (record.offset, record.epoch)

    def fetch(self, group: int, partitions: tuple[int, ...]) -> dict[int, tuple[int, int]]:
        """What is committed of *partitions*; offset -1 where nothing is."""
        known = self._groups.get(group, {})
        return {partition: known.get(partition, _NONE) for partition in partitions}
