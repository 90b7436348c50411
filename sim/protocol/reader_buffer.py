"""A consumer's buffer: what fetch answers brought and the application has not been handed yet.

Words: *position*, the offset of the next record to be handed over; *poll*, one return of ``poll()`` with at most
``max.poll.records`` records. The application of a reader polls at once and its work takes no time, so
:meth:`FetchBuffer.drain` polls until the buffer is empty; a group member polls when its application does.

Rules: the position moves when records are handed over (consumer:F2.3); the head answer is emptied before the next
(F2.7); records below the position are dropped (F2.11); a Java poll shows several partitions in HashMap order (F2.8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sim.protocol.java_order import hash_map_order, topic_partition_hash
from sim.protocol.messages import FetchedPartition, RecordBatch
from sim.protocol.port import Port
from sim.protocol.rows import Kind

__all__ = ["Assigned", "FetchBuffer", "Slice"]


@dataclass(slots=True)
class Assigned:
    """One assigned partition. ``offset`` is -1 until the first reset is done."""

    partition: int
    offset: int = -1
    seeking: bool = True  # the position is to be looked up by the reset policy
    asked: bool = False  # ... and the lookup is in flight
    stuck: bool = False  # policy none: the application gets an exception for ever
    why: int = 0  # error that made the reset
    epoch: int = -1  # leader epoch of the last record handed over, -1 none
    check: bool = False  # that epoch is to be checked with the leader
    moved: bool = False  # ... once the application polls: the leader or its epoch has changed
    high_watermark: int = -1
    not_before_us: int = 0
    awaits_metadata: bool = False
    held: bool = False  # of a group member: nothing is to come of it now (no position yet, or about to be revoked)
    gone: bool = False  # not assigned any more
    ahead: int = -1  # librdkafka members: offset of the next record to be fetched; -1: where the position is
    ahead_epoch: int = -1  # ... and the leader epoch of the record before it
    version: int = 0  # ... of the last barrier: an answer to what was asked before it is void
    told: int = -1001  # ... what rd_kafka_position() says: behind the last record handed over since the last seek
    paused: bool = False  # by the application
    target: int | None = None  # of a lookup that the application asked for: -1 end, -2 beginning
    asked_us: int = 0  # when the lookup was sent
    nothing_young: bool = False  # by_duration: the last lookup found no record young enough

    def next_fetch(self) -> tuple[int, int]:
        """Offset to fetch from, and the leader epoch of the record before it."""
        return (self.offset, self.epoch) if self.ahead < 0 else (self.ahead, self.ahead_epoch)

    def ready(self, now_us: int) -> bool:
        return not (self.stuck or self.asked or self.awaits_metadata or self.held) and self.not_before_us <= now_us

    def readable(self) -> bool:
        """Whether what has been fetched may be handed over; else it is thrown away (consumer:F2.15)."""
        return not (self.gone or self.held or self.seeking or self.stuck)


@dataclass(slots=True)
class _Chunk:
    """One batch of an answer, or what is left of it."""

    batch: RecordBatch
    base: int
    epoch: int


@dataclass(slots=True)
class _Answer:
    """What one fetch brought of one partition. It counts as drained only when reading past its end (F2.6)."""

    position: Assigned
    chunks: deque[_Chunk]
    next_offset: int  # where it goes on; after a seek the position is elsewhere, and the rest is thrown away (F2.13)

    def usable(self) -> bool:
        return bool(self.chunks) and self.position.readable() and self.next_offset == self.position.offset


Slice = tuple[Assigned, RecordBatch, int, int, int]  # position, batch, lo, hi, offset of lo


class FetchBuffer:
    """``names``: topic name and index of each partition where polls are to be shown in Java's order, else None."""

    def __init__(self, port: Port, max_poll_records: int, names: Mapping[int, tuple[str, int]] | None) -> None:
        self._port, self._most, self._names = port, max_poll_records, names
        self._answers: deque[_Answer] = deque()
        self._polls = 0
        self._place = lru_cache(maxsize=256)(self._place_of)  # few partitions are polled again and again

    def __len__(self) -> int:
        return len(self._answers)

    def put(self, one: Assigned, answer: FetchedPartition) -> None:
        if answer.batches:
            parts = zip(answer.batches, answer.base_offsets, answer.leader_epochs, strict=True)
            self._answers.append(_Answer(one, deque(_Chunk(*part) for part in parts), one.offset))

    def partitions(self) -> list[int]:
        """Partitions of which something is buffered."""
        return [answer.position.partition for answer in self._answers if answer.position.readable()]

    def drain(self) -> list[int]:
        """Poll until nothing is left; the partitions in the order in which they were emptied."""
        emptied: list[int] = []
        while self._answers:
            slices, empty = self.poll()
            emptied += empty
            if not slices:  # the rest is paused
                break
        return emptied

    def poll(self) -> tuple[list[Slice], list[int]]:
        """At most ``max.poll.records`` records, in the order in which the application sees them, and the partitions
        that were emptied."""
        slices: list[Slice] = []
        emptied: list[int] = []
        paused: list[_Answer] = []
        room = self._most
        while self._answers and room > 0:
            answer = self._answers[0]
            if answer.usable():
                if answer.position.paused:
                    paused.append(self._answers.popleft())
                else:
                    room -= self._take(answer, room, slices)
            else:
                self._answers.popleft()
                if answer.position.readable():
                    emptied.append(answer.position.partition)
        self._answers.extend(paused)  # behind all others (FetchCollector.collectFetch)
        if slices:
            self._hand_over(slices)
        return slices, emptied

    @staticmethod
    def _take(answer: _Answer, room: int, slices: list[Slice]) -> int:
        """Move at most *room* records of the answer's first batch into *slices*; how many."""
        one, chunk = answer.position, answer.chunks[0]
        batch = chunk.batch
        lo = batch.lo + max(0, one.offset - chunk.base)
        hi = min(batch.hi, lo + room)
        if lo < hi:
            slices.append((one, batch, lo, hi, chunk.base + lo - batch.lo))
            one.offset, one.epoch = chunk.base + hi - batch.lo, chunk.epoch
        if hi >= batch.hi:
            answer.chunks.popleft()
        answer.next_offset = one.offset
        return max(0, hi - lo)

    def _hand_over(self, slices: list[Slice]) -> None:
        self._polls += 1
        if self._names is not None and len(slices) > 1:
            place = self._place(tuple(one.partition for one, *_ in slices))
            slices.sort(key=lambda entry: place[entry[0].partition])
        for one, batch, lo, hi, offset in slices:
            self._port.record(
                Kind.POLL, partition=one.partition, prod=batch.prod, lo=lo, hi=hi, offset=offset, n=self._polls
            )

    def _place_of(self, partitions: tuple[int, ...]) -> dict[int, int]:
        """The rank of each partition in the map of an answer that holds them."""
        names = self._names
        assert names is not None
        shown = hash_map_order(partitions, lambda partition: topic_partition_hash(*names[partition]))
        return {partition: rank for rank, partition in enumerate(shown)}
