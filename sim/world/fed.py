"""Calls of a producer that a consumer's application feeds: they come one by one while the run goes on.

A call has the key and the size of the record that it was made from. Keys are known beforehand: no record brings one
that no workload has.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.protocol.lanes import LaneColumns
from sim.world.workload import SendColumns

__all__ = ["FedSends"]

ANY_SIZE = 1 << 30  # the largest call is not known: each is looked at


class FedSends:
    """The ``Sends`` of one instance; see :class:`sim.protocol.lanes.Sends`."""

    def __init__(self, topics: tuple[int, ...], key_names: tuple[str, ...]) -> None:
        self._topics = topics
        self.key_names = key_names
        self._numbers = {name: number for number, name in enumerate(key_names)}
        self.values: dict[int, str] = {}
        self.count = 0
        self.grows = True
        self.largest_bytes = ANY_SIZE
        self.times, self.cum = array("q"), array("q", [0])
        self.topics, self.keys, self.indexes = array("h"), array("i"), array("h")

    def add(self, time_us: int, topic: int, key: str | None, size_bytes: int) -> int:
        """One more call; its send index."""
        self.times.append(time_us)
        self.cum.append(self.cum[-1] + size_bytes)
        self.topics.append(topic)
        self.keys.append(-1 if key is None else self._numbers[key])
        self.indexes.append(-1)
        self.count += 1
        return self.count - 1

    def topic_numbers(self) -> tuple[int, ...]:
        return self._topics

    def key_bytes(self, topic: int) -> Sequence[bytes]:
        return [name.encode() for name in self.key_names]

    def settled(self, topic: int) -> bool:
        return False

    def split(
        self, topic: int, partition_of_key: Sequence[int], partitions: int, start: int
    ) -> Mapping[int, LaneColumns]:
        return {}

    @property
    def columns(self) -> SendColumns:
        def column(values: array[int], kind: Any) -> NDArray[Any]:
            return np.asarray(values, dtype=kind)

        return SendColumns(
            column(self.times, np.int64), np.diff(column(self.cum, np.int64)).astype(np.int32),
            column(self.topics, np.int16), column(self.keys, np.int32), column(self.indexes, np.int16),
        )  # fmt: skip

    def rest(self, start: int) -> FedSends:
        """A new process has nothing to send before it is given something."""
        return FedSends(self._topics, self.key_names)
