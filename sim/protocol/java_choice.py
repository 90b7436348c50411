"""One topic as a Java producer's metadata shows it, and which of its partitions a record goes to.

Precedence: explicit partition, partitioner.class, hash of the key, sticky partition (producer 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.protocol.java_batches import PartitionQueue
from sim.protocol.java_network import JavaNode
from sim.protocol.partitioner import RoundRobinPartitioner, StickyPartitioner, java_key_partition
from sim.protocol.port import Port
from sim.protocol.settings import JavaProducerSettings

__all__ = ["TopicState"]


class TopicState:
    def __init__(self, number: int, port: Port, settings: JavaProducerSettings, room: int) -> None:
        self.number, self.port, self.settings = number, port, settings
        self._room = room  # bytes of records in a batch
        self.queues: list[PartitionQueue] = []  # by partition index; empty: no metadata yet
        self.of_key: list[int] = []  # partition index of every key number
        self._led: list[int] = []  # partitions that have a leader, by index
        self._listed: list[int] = []  # the same as the client's Cluster lists them
        self.static = False  # the partition of every call is known beforehand
        self._sticky = StickyPartitioner(settings.batch_size_bytes)
        self._round_robin = RoundRobinPartitioner()
        self._used_all = False  # every partition has had a batch
        self._load: list[tuple[int, int]] | None = None  # of the last readiness scan: (queue length, index)

    def learn(self, queues: list[PartitionQueue], keys: Sequence[bytes]) -> None:
        self.queues = queues
        self.of_key = [java_key_partition(key, len(queues)) for key in keys]
        self._used_all = False

    def note_leaders(self, listed: Sequence[int]) -> None:
        """*listed*: all partitions, in the order in which ``Cluster`` lists them."""
        self._led = [index for index, queue in enumerate(self.queues) if queue.node is not None]
        self._listed = [index for index in listed if self.queues[index].node is not None]

    def choose(self, index: int, key: int, size: int) -> tuple[PartitionQueue, bool]:
        """The queue for one record, and whether the sticky partitioner chose it."""
        if index >= 0:
            return self.queues[index], False
        if self.settings.partitioner == "round_robin":
            if not self.settings.round_robin_asks_twice:
                return self.queues[self._round_robin.partition(self._listed, len(self.queues))], False
            turn = self._round_robin.choose(self._listed, len(self.queues), self._room_for(size))
            return self.queues[turn], False
        if key >= 0 and not self.settings.partitioner_ignore_keys:
            return self.queues[self.of_key[key]], False
        return self.stick(), True

    def stick(self) -> PartitionQueue:
        """The sticky partition. A switch that an open batch postponed is made up for as soon as there is none: an
        append looks for that before it tries the open batch, and again before it opens one (``partitionChanged``)."""
        self._take_load()
        queue = self.queues[self._sticky.current(self._led, len(self.queues), self._draw)]
        last = queue.batches[-1] if queue.batches else None
        all_full = last is None or last.full or not last.open
        if all_full and self._sticky.appended(0, True, self._led, len(self.queues), self._draw):
            queue = self.queues[self._sticky.current(self._led, len(self.queues), self._draw)]
        return queue

    def _room_for(self, size: int) -> Callable[[int], bool]:
        return lambda index: self.queues[index].has_room(size, self._room)

    def _draw(self) -> int:
        return self.port.draw("sticky")

    # --- the sticky partitioner's book-keeping -----------------------------------------------------------------------
    def appended(self, size_bytes: int, last_is_full: bool) -> None:
        """A record went to the sticky partition, whose batches grew by so much."""
        self._take_load()
        self._sticky.appended(size_bytes, last_is_full, self._led, len(self.queues), self._draw)

    def note_load(self) -> None:
        """Readiness scan: queue lengths for the adaptive choice; none before every partition has had a batch."""
        if self.static or len(self.queues) < 2 or not self.settings.partitioner_adaptive:
            return
        if not self._used_all:
            self._used_all = all(queue.lane.taken for queue in self.queues)
        self._load = [
            (len(queue.batches), index)
            for index, queue in enumerate(self.queues)
            if self._used_all and queue.node is not None and not (queue.batches and self._is_slow(queue.node))
        ]

    def _is_slow(self, node: JavaNode) -> bool:
        limit_us = self.settings.partitioner_availability_timeout_us
        return limit_us > 0 and node.wanted_us - node.drained_us > limit_us

    def _take_load(self) -> None:
        if self._load is not None:
            lengths, indexes = [length for length, _ in self._load], [index for _, index in self._load]
            self._sticky.set_load(lengths, indexes, len(self.queues))
            self._load = None
