"""Which partition a record goes to: hashes of the key, and the choices made where there is no key.

Laws: a key's partition is a function of its bytes and of the number of partitions alone, leaderless ones included; an
empty key is a key (for every partitioner but librdkafka's ``consistent_random``); no choice draws for itself, raw draws
(0..2**32-1) come in as a callable and are asked for only where Kafka would draw.

Partitions are indexes within the topic here. Sources: producer:2.2, producer:S07, producer:S50; librdkafka's
partitioners: ``rd_kafka_msg_partitioner_*`` in rdkafka_msg.c.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

__all__ = [
    "LIBRDKAFKA_PARTITIONERS", "LibrdkafkaPartitioner", "RoundRobinPartitioner", "StickyPartitioner", "fnv1a",
    "java_key_partition", "murmur2", "to_positive",
]  # fmt: skip

Draw = Callable[[], int]

LIBRDKAFKA_PARTITIONERS = (
    "random", "consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random",
)  # fmt: skip

_WORD = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2, signed as Java shows it (producer:2.2)."""
    length = len(data)
    whole = length & ~3
    h = 0x9747B28C ^ length
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * 0x5BD1E995 & _WORD
        k = (k ^ k >> 24) * 0x5BD1E995 & _WORD
        h = (h * 0x5BD1E995 & _WORD) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * 0x5BD1E995 & _WORD
    h = (h ^ h >> 13) * 0x5BD1E995 & _WORD
    h ^= h >> 15
    return h - (1 << 32) if h & 0x80000000 else h


def to_positive(value: int) -> int:
    """Clears the sign bit; neither ``abs`` nor a negation (producer:9, item 24)."""
    return value & 0x7FFFFFFF


def java_key_partition(key: bytes, count: int) -> int:
    """The Java client's default for a record with a key, of *count* partitions in all."""
    return to_positive(murmur2(key)) % count


def fnv1a(data: bytes) -> int:
    """librdkafka's 32-bit FNV-1a: the absolute value of the signed hash (``rd_fnv1a``)."""
    h = 0x811C9DC5
    for byte in data:
        h = (h ^ byte) * 0x01000193 & _WORD
    return (1 << 32) - h if h & 0x80000000 else h


_KEY_HASHES: dict[str, Callable[[bytes], int]] = {
    "consistent": zlib.crc32,
    "murmur2": lambda key: to_positive(murmur2(key)),
    "fnv1a": fnv1a,
}


class LibrdkafkaPartitioner:
    """One of librdkafka's partitioners for one topic, with the sticky partition that stands in for its random choice.

    A record without a key (for ``consistent_random`` also with an empty one) goes to a sticky partition that is drawn
    anew when it is older than *sticky_linger_us* or has no leader; 0 draws for each record. The partitioners without
    ``random`` in their name hash an absent key as an empty one.
    """

    def __init__(self, name: str, sticky_linger_us: int) -> None:
        self.name = name
        self._hash = _KEY_HASHES.get(name.removesuffix("_random"))
        self._draws = name.endswith("random")
        self._linger_us = sticky_linger_us
        self._sticky: int | None = None
        self._drawn_at_us = 0

    def partition(self, key: bytes | None, count: int, available: Sequence[bool], now_us: int, draw: Draw) -> int:
        """The partition of a record; *available*: by partition, whether it has a leader."""
        if self._draws and (key is None or (not key and self.name == "consistent_random")):
            return self._keyless(count, available, now_us, draw)
        if self._hash is None:
            return _any_of(count, available, draw)  # `random` draws for every record that has a key
        return self._hash(key or b"") % count

    def _keyless(self, count: int, available: Sequence[bool], now_us: int, draw: Draw) -> int:
        if self._linger_us <= 0:
            return _any_of(count, available, draw)
        held = self._sticky
        if held is None or not available[held] or now_us - self._drawn_at_us > self._linger_us:
            held = self._sticky = _any_of(count, available, draw)
            self._drawn_at_us = now_us
        return held


def _any_of(count: int, available: Sequence[bool], draw: Draw) -> int:
    """Uniform; where the first draw has no leader a second one stands, whatever it hits."""
    choice = draw() % count
    return choice if available[choice] else draw() % count


class StickyPartitioner:
    """The Java client's built-in choice for records without a key (KIP-794), for one topic of one producer.

    Law: the partition changes only in :meth:`appended`.
    """

    def __init__(self, quota_bytes: int) -> None:
        self.quota_bytes = max(1, quota_bytes)  # batch.size
        self._partition: int | None = None
        self._bytes = 0
        self._weights: list[int] = []  # cumulative, of the partitions in _weighted; empty: uniform choice
        self._weighted: list[int] = []

    def current(self, available: Sequence[int], count: int, draw: Draw) -> int:
        """The sticky partition; *available*: those with a leader, in the order of ``cluster_order``."""
        if self._partition is None:
            self._partition = self._next(available, count, draw)
        return self._partition

    def appended(self, size_bytes: int, may_switch: bool, available: Sequence[int], count: int, draw: Draw) -> bool:
        """Count what an append added. *may_switch*: the last batch of the partition is full or there is none.

        Returns whether the partition was changed. A switch that an open batch postponed is made up for by the next
        append that finds none (asked with no bytes, before it appends), and is forced at twice the quota.
        """
        self._bytes += size_bytes
        quota = self.quota_bytes if may_switch else 2 * self.quota_bytes
        if self._bytes < quota:
            return False
        self._partition = self._next(available, count, draw)
        self._bytes = 0
        return True

    def set_load(self, queues: Sequence[int], partitions: Sequence[int], count: int) -> None:
        """Take the lengths of the batch queues as the readiness scan saw them (adaptive partitioning).

        *partitions*: those with a leader and not too slow (partitioner.availability.timeout.ms), aligned with *queues*;
        an empty scan (some partition never had a batch) forgets the statistics.
        """
        alike = len(queues) == count and len(dict.fromkeys(queues)) == 1
        if not queues or count < 2 or alike:
            self._weights, self._weighted = [], []
            return
        most = max(queues) + 1
        self._weights = list(accumulate(most - length for length in queues))
        self._weighted = list(partitions)

    def _next(self, available: Sequence[int], count: int, draw: Draw) -> int:
        raw = to_positive(draw())
        if self._weights:
            # The first cumulative weight strictly greater than the draw.
            return self._weighted[bisect_right(self._weights, raw % self._weights[-1])]
        return available[raw % len(available)] if available else raw % count


class RoundRobinPartitioner:
    """Apache's RoundRobinPartitioner for one topic, asked the way the producer asks any custom partitioner."""

    def __init__(self) -> None:
        self._counter = 0

    def partition(self, available: Sequence[int], count: int) -> int:
        """One call of ``partition()``; *available*: those with a leader, in the order of ``cluster_order``."""
        turn = to_positive(self._counter)
        self._counter = self._counter + 1 & _WORD
        return available[turn % len(available)] if available else turn % count

    def choose(self, available: Sequence[int], count: int, has_room: Callable[[int], bool]) -> int:
        """The partition of one send before 4.0. Where the first choice has no open batch with room, the producer asks
        again, and the counter moves on twice (KAFKA-9965, producer:S50; 4.0 asks once, KAFKA-17632)."""
        first = self.partition(available, count)
        return first if has_room(first) else self.partition(available, count)
