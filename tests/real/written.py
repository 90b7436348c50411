"""Kafka's bytes, written by hand for tests: records, batches, produce requests and answers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["answer", "batch", "produce", "record", "varint"]


def varint(value: int) -> bytes:
    """Zigzag."""
    return unsigned((value << 1) ^ (value >> 63))


def unsigned(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def record(delta: int, key: bytes | None, value: bytes | None) -> bytes:
    parts = [b"\0", varint(0), varint(delta)]
    for part in (key, value):
        parts += [varint(-1)] if part is None else [varint(len(part)), part]
    body = b"".join([*parts, varint(0)])
    return varint(len(body)) + body


def batch(
    records: Sequence[bytes], base_offset: int = 0, lep: int = 0, pid: int = -1, epoch: int = -1, seq: int = -1,
    attributes: int = 0, pack: Callable[[bytes], bytes] | Any = bytes,
) -> bytes:  # fmt: skip
    fields = struct.pack(
        ">hiqqqhii", attributes, len(records) - 1, 1000, 1000, pid, epoch, seq, len(records)
    )
    body = struct.pack(">ibI", lep, 2, 0) + fields + pack(b"".join(records))
    return struct.pack(">qi", base_offset, len(body)) + body


def _text(text: str, flexible: bool) -> bytes:
    data = text.encode()
    return (unsigned(len(data) + 1) if flexible else struct.pack(">h", len(data))) + data


def produce(
    version: int, parts: Sequence[tuple[str, int, bytes]], acks: int = -1, client: str = "p", correlation: int = 9,
    ids: dict[str, bytes] | None = None,
) -> bytes:  # fmt: skip
    """A request of *version* with one topic entry a part (``ProduceRequest.json``)."""
    flexible, end = version >= 9, b"\0" if version >= 9 else b""
    size = (lambda n: unsigned(n + 1)) if flexible else (lambda n: struct.pack(">i", n))
    head = struct.pack(">hhih", 0, version, correlation, len(client)) + client.encode() + end
    body = (b"\0" if flexible else struct.pack(">h", -1)) + struct.pack(">hi", acks, 30_000) + size(len(parts))
    for topic, index, data in parts:
        name = ids[topic] if version >= 13 and ids else _text(topic, flexible)
        body += name + size(1) + struct.pack(">i", index) + size(len(data)) + data + end + end
    return head + body + end


def answer(version: int, parts: Sequence[tuple[str, int, int, int]], correlation: int = 9) -> bytes:
    """An answer that gives (topic, index, error, base offset), with a leader in a tagged field from version 10 on."""
    flexible, end = version >= 9, b"\0" if version >= 9 else b""
    size = (lambda n: unsigned(n + 1)) if flexible else (lambda n: struct.pack(">i", n))
    body = struct.pack(">i", correlation) + end + size(len(parts))
    for topic, index, error, offset in parts:
        body += _text(topic, flexible) + size(1) + struct.pack(">ihqq", index, error, offset, -1)
        body += struct.pack(">q", 0) if version >= 5 else b""
        body += size(0) + (b"\0" if flexible else struct.pack(">h", -1)) if version >= 8 else b""
        body += b"\x01\x00\x09" + struct.pack(">ii", 2, 5) + b"\0" if version >= 10 else end
        body += end
    return body + struct.pack(">i", 0) + end
