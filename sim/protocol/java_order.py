"""Java's hash order, where a rule of Kafka hangs on it: ``String.hashCode`` and the walk of a ``HashMap``.

Words: a *bucket* is ``(h ^ h >>> 16) & (capacity - 1)``; a walk visits buckets in ascending order and, within one, keys
in the order in which they were put (``computeIfAbsent`` lays them in front instead). Capacity starts at 16 and doubles
when more than three quarters of it are used, or when a bucket of a table below 64 is about to hold its ninth key;
doubling keeps the order within a bucket. Taking a key out never makes a table smaller.

Not modelled: buckets of nine and more keys in a table of 64 and above (Java turns them into trees).
Sources: consumer:F2.8, consumer:F6.9; ``java.util.HashMap``, ``HashSet`` of Java 17.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = [
    "HashOrder", "capacity_of_copy", "hash_map_order", "string_hash", "string_order", "string_sort_key", "table_size",
    "topic_partition_hash", "uuid_hash",
]  # fmt: skip

Key = TypeVar("Key")

_SMALLEST_TABLE = 16
_TREES_FROM = 64
_CROWDED = 8  # a ninth key in one bucket doubles a small table


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def string_hash(text: str) -> int:
    """``String.hashCode``: signed 32 bits, over UTF-16 code units."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for i in range(0, len(units), 2):
        value = (31 * value + (units[i] << 8 | units[i + 1])) & 0xFFFFFFFF
    return _signed(value)


def string_sort_key(text: str) -> bytes:
    """``String.compareTo`` as a key of ``sorted``: by UTF-16 code units, not by code points."""
    return text.encode("utf-16-be", "surrogatepass")


def uuid_hash(value: int) -> int:
    """``Uuid.hashCode`` of Kafka, *value* being its 128 bits."""
    halves = (value >> 64) ^ value
    return _signed(halves >> 32 ^ halves)


def topic_partition_hash(topic: str, partition: int) -> int:
    """``TopicPartition.hashCode`` (consumer:F2.8)."""
    return _signed(31 * (31 + partition) + string_hash(topic))


def _bucket(hashed: int, capacity: int) -> int:
    hashed &= 0xFFFFFFFF
    return (hashed ^ hashed >> 16) & (capacity - 1)


class HashOrder(Generic[Key]):
    """The keys of one ``HashMap`` or ``HashSet`` while they come and go; iterating walks them as Java does."""

    __slots__ = ("_capacity", "_hash_of", "_hashes", "_table")

    def __init__(
        self, hash_of: Callable[[Key], int], keys: Iterable[Key] = (), capacity: int = _SMALLEST_TABLE
    ) -> None:
        """*capacity*: buckets at the start, a power of two (``table_size`` of what Java's constructor is given)."""
        self._hash_of = hash_of
        self._hashes: dict[Key, int] = {}
        self._capacity = capacity
        self._table: list[list[Key]] = [[] for _ in range(capacity)]
        for key in keys:
            self.add(key)

    def add(self, key: Key) -> None:
        if key in self._hashes:
            return
        hashed = self._hashes[key] = self._hash_of(key)
        bucket = self._table[_bucket(hashed, self._capacity)]
        bucket.append(key)
        if len(bucket) > _CROWDED and self._capacity < _TREES_FROM:
            self._double()
        if len(self._hashes) * 4 > self._capacity * 3:
            self._double()

    def add_computed(self, key: Key) -> None:
        """``computeIfAbsent``: unlike ``put`` it grows before, not after, and lays the key in front of its bucket."""
        if len(self._hashes) * 4 > self._capacity * 3:
            self._double()
        if key in self._hashes:
            return
        hashed = self._hashes[key] = self._hash_of(key)
        bucket = self._table[_bucket(hashed, self._capacity)]
        bucket.insert(0, key)
        if len(bucket) >= _CROWDED and self._capacity < _TREES_FROM:
            self._double()

    def discard(self, key: Key) -> None:
        if key in self._hashes:
            self._table[_bucket(self._hashes.pop(key), self._capacity)].remove(key)

    def _double(self) -> None:
        walked = list(self)
        self._capacity *= 2
        self._table = [[] for _ in range(self._capacity)]
        for key in walked:
            self._table[_bucket(self._hashes[key], self._capacity)].append(key)

    def __iter__(self) -> Iterator[Key]:
        for bucket in self._table:
            yield from bucket

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key: object) -> bool:
        return key in self._hashes


def table_size(initial_capacity: int) -> int:
    """Buckets of ``new HashMap<>(initial_capacity)``."""
    return 1 << max(0, initial_capacity - 1).bit_length()


def capacity_of_copy(count: int) -> int:
    """Buckets of ``new HashSet<>(collection)`` of *count* elements: room for them at three quarters, at least 16."""
    return table_size(max(count * 4 // 3 + 1, _SMALLEST_TABLE))


def hash_map_order(keys: Iterable[Key], hash_of: Callable[[Key], int], capacity: int = _SMALLEST_TABLE) -> list[Key]:
    """The order in which a ``HashMap`` (or ``HashSet``) walks *keys* that were put in the order given."""
    return list(HashOrder(hash_of, keys, capacity))


def string_order(texts: Iterable[str]) -> list[str]:
    """The order in which a ``HashSet`` of strings is walked."""
    return hash_map_order(texts, string_hash)
