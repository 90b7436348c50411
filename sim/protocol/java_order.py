"""Java's hash order, where a rule of Kafka hangs on it: ``String.hashCode`` and the walk of a ``HashMap``.

Words: a *bucket* is ``(h ^ h >>> 16) & (capacity - 1)``; a walk visits buckets in ascending order and, within one, keys
in the order in which they were put. Capacity starts at 16 and doubles when more than three quarters of it are used, or
when a bucket of a table below 64 is about to hold its ninth key; doubling keeps the order within a bucket.

Not modelled: buckets of nine and more keys in a table of 64 and above (Java turns them into trees).
Sources: consumer:F2.8, consumer:F6.9; ``MetadataSnapshot`` for :func:`cluster_order`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

__all__ = ["cluster_order", "hash_map_order", "string_hash", "string_order", "topic_partition_hash"]

Key = TypeVar("Key")

_SMALLEST_TABLE = 16
_TREES_FROM = 64
_CROWDED = 8  # a ninth key in one bucket doubles a small table


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def string_hash(text: str) -> int:
    """``String.hashCode``: signed 32 bits, over UTF-16 code units."""
    units = text.encode("utf-16-be")
    value = 0
    for i in range(0, len(units), 2):
        value = (31 * value + (units[i] << 8 | units[i + 1])) & 0xFFFFFFFF
    return _signed(value)


def topic_partition_hash(topic: str, partition: int) -> int:
    """``TopicPartition.hashCode`` (consumer:F2.8)."""
    return _signed(31 * (31 + partition) + string_hash(topic))


def _bucket(hashed: int, capacity: int) -> int:
    hashed &= 0xFFFFFFFF
    return (hashed ^ hashed >> 16) & (capacity - 1)


def _spread(hashes: Iterable[int], capacity: int) -> list[list[int]]:
    """Indexes of *hashes* by bucket."""
    table: list[list[int]] = [[] for _ in range(capacity)]
    for i, hashed in enumerate(hashes):
        table[_bucket(hashed, capacity)].append(i)
    return table


def hash_map_order(keys: Iterable[Key], hash_of: Callable[[Key], int], capacity: int = _SMALLEST_TABLE) -> list[Key]:
    """The order in which a ``HashMap`` (or ``HashSet``) walks *keys* that were put in the order given."""
    distinct = list(dict.fromkeys(keys))
    hashes = [hash_of(key) for key in distinct]
    table = _spread([], capacity)
    for i, hashed in enumerate(hashes):
        bucket = table[_bucket(hashed, capacity)]
        bucket.append(i)
        before = capacity
        capacity <<= len(bucket) > _CROWDED and capacity < _TREES_FROM
        capacity <<= (i + 1) * 4 > capacity * 3
        if capacity != before:
            table = _spread(hashes[: i + 1], capacity)
    return [distinct[i] for bucket in table for i in bucket]


def cluster_order(partitions: Mapping[str, int]) -> list[tuple[str, int]]:
    """Partitions (*partitions*: how many, by topic) as a client's ``Cluster`` lists them.

    ``MetadataSnapshot`` keeps them in a ``HashMap`` that was made for exactly so many.
    """
    keys = [(topic, index) for topic, count in partitions.items() for index in range(count)]
    capacity = 1
    while capacity < len(keys):
        capacity *= 2
    return hash_map_order(keys, lambda key: topic_partition_hash(*key), capacity)


def string_order(texts: Iterable[str]) -> list[str]:
    """The order in which a ``HashSet`` of strings is walked."""
    return hash_map_order(texts, string_hash)
