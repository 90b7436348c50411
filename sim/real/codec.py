"""Reading Kafka's primitive types from bytes (``org.apache.kafka.common.protocol.types.Type``).

A message that ends too early or makes no sense raises :class:`Malformed`; nobody reads beyond its end.
"""

from __future__ import annotations

import struct

__all__ = ["Malformed", "Reader", "unsigned_varint"]


class Malformed(ValueError):
    """Bytes that are not what their place wants."""


class Reader:
    """A position in a message; every method reads one value and moves on."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise Malformed(f"{count} bytes wanted at {self.at} of {len(self.data)}")
        found = self.data[self.at : end]
        self.at = end
        return found

    def _number(self, form: str, size: int) -> int:
        return int(struct.unpack(form, self.take(size))[0])

    def int8(self) -> int:
        return self._number(">b", 1)

    def int16(self) -> int:
        return self._number(">h", 2)

    def int32(self) -> int:
        return self._number(">i", 4)

    def uint32(self) -> int:
        return self._number(">I", 4)

    def int64(self) -> int:
        return self._number(">q", 8)

    def unsigned_varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise Malformed(f"an endless varint before {self.at}")

    def varint(self) -> int:
        """A zigzag one, as in records."""
        raw = self.unsigned_varint()
        return (raw >> 1) ^ -(raw & 1)

    def string(self, flexible: bool) -> str | None:
        length = self.unsigned_varint() - 1 if flexible else self.int16()
        return None if length < 0 else self.take(length).decode("utf-8", "replace")

    def blob(self, flexible: bool) -> bytes | None:
        length = self.unsigned_varint() - 1 if flexible else self.int32()
        return None if length < 0 else self.take(length)

    def count(self, flexible: bool) -> int:
        """The length of an array; a null array has none."""
        length = self.unsigned_varint() - 1 if flexible else self.int32()
        return max(length, 0)

    def tagged_fields(self) -> None:
        """Skip a block of them."""
        for _ in range(self.unsigned_varint()):
            self.unsigned_varint()
            self.take(self.unsigned_varint())


def unsigned_varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
