"""Produce requests and their answers on the wire, versions 3 to 13 (``ProduceRequest.json``, ``ProduceResponse.json``).

A frame here is a message without its four bytes of length. Requests are read, never changed; answers are forged, or an
error is put into one, for scripted message faults.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sim.real.codec import Malformed, Reader, unsigned_varint
from sim.real.record_batches import Batch, batches_in

__all__ = ["PRODUCE", "Answer", "Header", "PartitionBatch", "ProduceFrame", "answers_in", "forged", "header_of", "read",
           "with_error"]  # fmt: skip

PRODUCE = 0  # api key
OLDEST, NEWEST = 3, 13
FLEXIBLE = 9  # from here on: compact lengths, tagged fields
TOPIC_IDS = 13  # from here on: ids in place of names


@dataclass(frozen=True, slots=True)
class Header:
    """The first fields of every request (``RequestHeader.json``)."""

    api_key: int
    version: int
    correlation: int
    client_id: str


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """What a request carries for one partition."""

    topic: str
    index: int
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class ProduceFrame:
    header: Header
    acks: int
    parts: tuple[PartitionBatch, ...]
    topics: Mapping[str, bytes] = field(default_factory=dict)  # as the request wrote each: id, or length and name


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says of one partition; *at* is where its error code stands in the frame."""

    topic: str
    index: int
    error: int
    base_offset: int
    at: int


def header_of(frame: bytes) -> Header:
    source = Reader(frame)
    api_key, version, correlation = source.int16(), source.int16(), source.int32()
    return Header(api_key, version, correlation, source.string(flexible=False) or "")


def read(frame: bytes, name_of: Callable[[bytes], str]) -> ProduceFrame:
    """The request in *frame*; *name_of* tells a topic's name by its id."""
    head = header_of(frame)
    _known(head.version)
    flexible = head.version >= FLEXIBLE
    source = Reader(frame, 8)
    source.string(flexible=False)
    if flexible:
        source.tagged_fields()
    source.string(flexible)  # transactional id
    acks, _ = source.int16(), source.int32()
    parts: list[PartitionBatch] = []
    topics: dict[str, bytes] = {}
    for _ in range(source.count(flexible)):
        topic, raw = _topic(source, head.version, name_of)
        topics[topic] = raw
        for _ in range(source.count(flexible)):
            index, records = source.int32(), source.blob(flexible) or b""
            parts.append(PartitionBatch(topic, index, tuple(batches_in(records))))
            if flexible:
                source.tagged_fields()
        if flexible:
            source.tagged_fields()
    return ProduceFrame(head, acks, tuple(parts), topics)


def _known(version: int) -> None:
    if not OLDEST <= version <= NEWEST:
        raise Malformed(f"a produce request of version {version}, not {OLDEST} to {NEWEST}")


def _topic(source: Reader, version: int, name_of: Callable[[bytes], str]) -> tuple[str, bytes]:
    """The topic's name, and the bytes that stand for it."""
    start = source.at
    if version >= TOPIC_IDS:
        raw = source.take(16)
        return name_of(raw), raw
    name = source.string(version >= FLEXIBLE) or ""
    return name, source.data[start : source.at]


def answers_in(frame: bytes, version: int, name_of: Callable[[bytes], str]) -> list[Answer]:
    """What the answer in *frame* (to a request of *version*) says, partition by partition."""
    _known(version)
    flexible = version >= FLEXIBLE
    source = Reader(frame, 4)
    if flexible:
        source.tagged_fields()
    found: list[Answer] = []
    for _ in range(source.count(flexible)):
        topic, _raw = _topic(source, version, name_of)
        for _ in range(source.count(flexible)):
            found.append(_answer(source, topic, version))
        if flexible:
            source.tagged_fields()
    return found


def _answer(source: Reader, topic: str, version: int) -> Answer:
    flexible = version >= FLEXIBLE
    index, at = source.int32(), source.at
    error, base_offset = source.int16(), source.int64()
    source.int64()  # log append time
    if version >= 5:
        source.int64()  # log start offset
    if version >= 8:
        for _ in range(source.count(flexible)):
            source.int32()
            source.string(flexible)
            if flexible:
                source.tagged_fields()
        source.string(flexible)
    if flexible:
        source.tagged_fields()
    return Answer(topic, index, error, base_offset, at)


def with_error(frame: bytes, answers: Sequence[Answer], topic: str, index: int, error: int) -> bytes:
    """The answer with *error* in place of what it says of one partition."""
    changed = bytearray(frame)
    for answer in answers:
        if (answer.topic, answer.index) == (topic, index):
            struct.pack_into(">hq", changed, answer.at, error, -1)
    return bytes(changed)


def forged(request: ProduceFrame, error: int) -> bytes:
    """An answer to *request* that gives *error* for every partition in it."""
    version, flexible = request.header.version, request.header.version >= FLEXIBLE
    end = b"\0" if flexible else b""  # no tagged fields
    body = bytearray(struct.pack(">i", request.header.correlation) + end + _count(len(request.topics), flexible))
    for topic, raw in request.topics.items():
        parts = [part for part in request.parts if part.topic == topic]
        body += raw + _count(len(parts), flexible)
        for part in parts:
            body += struct.pack(">ihqq", part.index, error, -1, -1)
            if version >= 5:
                body += struct.pack(">q", -1)
            if version >= 8:
                no_message = b"\0" if flexible else struct.pack(">h", -1)
                body += _count(0, flexible) + no_message  # and no record errors
            body += end
        body += end
    return bytes(body + struct.pack(">i", 0) + end)


def _count(number: int, flexible: bool) -> bytes:
    return unsigned_varint(number + 1) if flexible else struct.pack(">i", number)
