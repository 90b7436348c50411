"""Record batches of format v2, as they stand in a produce request and in a broker's segment files.

Source: ``DefaultRecordBatch`` and ``DefaultRecord`` of Apache Kafka. Only what a history needs is read: who wrote the
batch, where it stands, and its records' values.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

from sim.real.codec import Malformed, Reader

__all__ = ["LOG_OVERHEAD", "READABLE_CODECS", "Batch", "batches_in", "text_of"]

LOG_OVERHEAD = 12  # base offset and length, in front of what the length counts
READABLE_CODECS = ("none", "gzip", "zstd")  # those that Python or a package of ours unpacks
_CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_MAGIC = 2
_CONTROL = 0x20


@dataclass(frozen=True, slots=True)
class Batch:
    base_offset: int
    leader_epoch: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    control: bool
    values: tuple[str, ...]  # of its records, in order
    keys: tuple[str | None, ...]
    offset_deltas: tuple[int, ...]

    def offsets(self) -> list[int]:
        return [self.base_offset + delta for delta in self.offset_deltas]

    def sequences(self) -> list[int]:
        """Sequence numbers of its records; they wrap at 2**31 (``DefaultRecordBatch.incrementSequence``)."""
        if self.base_sequence < 0:
            return [-1] * len(self.offset_deltas)
        return [(self.base_sequence + delta) & 0x7FFFFFFF for delta in self.offset_deltas]


def batches_in(data: bytes) -> Iterator[Batch]:
    """Every whole batch in *data*. A batch cut off at the end (a crash, a write under way) ends it."""
    at = 0
    while at + LOG_OVERHEAD <= len(data):
        head = Reader(data, at)
        head.int64()
        length = head.int32()
        if length <= 0 or at + LOG_OVERHEAD + length > len(data):
            return  # preallocated zeros, or half of a batch
        yield _batch(Reader(data[at : at + LOG_OVERHEAD + length]))
        at += LOG_OVERHEAD + length


def _batch(source: Reader) -> Batch:
    base_offset, _ = source.int64(), source.int32()
    leader_epoch, magic = source.int32(), source.int8()
    if magic != _MAGIC:
        raise Malformed(f"a batch of format {magic} at offset {base_offset}, not {_MAGIC}")
    source.uint32()  # the checksum covers what the broker has checked already
    attributes = source.int16()
    source.int32()  # last offset delta: told by the records
    source.take(16)  # timestamps
    producer_id, producer_epoch, base_sequence = source.int64(), source.int16(), source.int32()
    count = source.int32()
    records = Reader(_unpacked(source.take(len(source.data) - source.at), attributes & 7))
    deltas, keys, values = [], [], []
    for _ in range(count):
        delta, key, value = _record(Reader(records.take(records.varint())))
        deltas.append(delta)
        keys.append(None if key is None else key.decode("utf-8", "replace"))
        values.append(text_of(value or b""))
    return Batch(
        base_offset, leader_epoch, producer_id, producer_epoch, base_sequence, bool(attributes & _CONTROL),
        tuple(values), tuple(keys), tuple(deltas),
    )  # fmt: skip


def _record(source: Reader) -> tuple[int, bytes | None, bytes | None]:
    source.int8()  # attributes
    source.varint()  # timestamp delta
    return source.varint(), _nullable(source), _nullable(source)


def _nullable(source: Reader) -> bytes | None:
    length = source.varint()
    return None if length < 0 else source.take(length)


def _unpacked(data: bytes, codec: int) -> bytes:
    name = _CODECS.get(codec, str(codec))
    if name == "gzip":
        return gzip.decompress(data)
    if name == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if name != "none":
        raise Malformed(f"a batch compressed with {name}, which is not read here")
    return data


def text_of(value: bytes) -> str:
    """A record's value as the scenario names it: clients pad it with NUL bytes to the size asked for."""
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")
