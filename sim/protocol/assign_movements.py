"""Partition movements within one rebalance, as the sticky algorithms of Java and librdkafka remember them.

If partitions of a topic already moved from B to A and now one is to move from A to B, then one of those that moved goes
back instead: so no two partitions of a topic change places. Which one goes back is the first in the order of the set
they are kept in (Java: a HashSet; librdkafka: a list).

Sources: ``AbstractStickyAssignor.PartitionMovements``, ``rdkafka_sticky_assignor.c`` (``PartitionMovements_*``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from sim.protocol.assign_input import TopicPartition

__all__ = ["KeptOrder", "Movements"]


class KeptOrder(Protocol):
    """The partitions of one topic that moved between one pair of members; iterating gives the first one first."""

    def add(self, partition: TopicPartition, /) -> None: ...
    def discard(self, partition: TopicPartition, /) -> None: ...
    def __iter__(self) -> Iterator[TopicPartition]: ...
    def __len__(self) -> int: ...


class Movements:
    """Where each moved partition came from, and which ones moved between each pair of members."""

    def __init__(self, new_set: Callable[[], KeptOrder]) -> None:
        self._new_set = new_set
        self._pair_of: dict[TopicPartition, tuple[str, str]] = {}  # from, to
        self._kept: dict[tuple[str, str, str], KeptOrder] = {}  # topic, from, to

    def to_be_moved(self, partition: TopicPartition, old: str, new: str) -> TopicPartition:
        """The partition that is to move from *old* to *new* in place of *partition*; often itself."""
        if partition in self._pair_of:
            old = self._pair_of[partition][0]
        back = self._kept.get((partition[0], new, old))
        return partition if back is None else next(iter(back))

    def moved(self, partition: TopicPartition, old: str, new: str) -> TopicPartition:
        """Notes that *partition* moves; returns the one that does move (another one in librdkafka only)."""
        source = old
        if partition in self._pair_of:
            source, last = self._pair_of.pop(partition)
            self._forget(partition, source, last)
        if source != new:
            self._note(partition, source, new)
        return partition

    def _note(self, partition: TopicPartition, source: str, new: str) -> None:
        self._pair_of[partition] = (source, new)
        self._kept.setdefault((partition[0], source, new), self._new_set()).add(partition)

    def _forget(self, partition: TopicPartition, source: str, last: str) -> None:
        kept = self._kept[partition[0], source, last]
        kept.discard(partition)
        if not len(kept):
            del self._kept[partition[0], source, last]

    def state(self) -> object:
        """What later answers depend on, to be compared."""
        return dict(self._pair_of), {key: list(kept) for key, kept in self._kept.items()}
