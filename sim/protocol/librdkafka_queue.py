"""The messages of one partition in librdkafka's producer: queued, built into requests, come back.

Words: a message is a position in the partition's lane; *msgid* order is lane order. A *part* is a slice of messages
that share their history; what was never built is the slice ``fresh..lane.taken`` (taken: accepted by produce()).

Laws: parts are disjoint, ascending and below ``fresh``; a message is in exactly one place (a part, a request, fresh, or
reported); a part that came back stands at its msgid place, neither head nor tail (producer:8.2).

Cost: a batch of any size is a few slices; all searches are bisections over the lane's columns.

Simplified: a request never spans a gap in msgids (a batch is a slice of its lane), where librdkafka would put refused
messages of two plain batches into one.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass

from sim.protocol.lanes import FOREVER, Lane
from sim.protocol.settings import LibrdkafkaProducerSettings

__all__ = ["BATCH_OVERHEAD_BYTES", "Limits", "Part", "Request", "Toppar"]

BATCH_OVERHEAD_BYTES = 61  # the v2 batch header; a topic's name and the request's own header are left out


@dataclass(slots=True)
class Part:
    lo: int
    hi: int
    retries: int = 0  # counted ones
    not_before_us: int = 0
    whole: bool = False  # goes out again exactly as it was (idempotent producer)
    sent: int = 0  # transmissions
    stained: bool = False  # after a transmission that may have been appended
    row: int = -1  # what sent it back: cause of the next transmission

    def cut(self, at: int) -> Part:
        """Keep the messages below *at*, return the rest."""
        rest = Part(at, self.hi, self.retries, self.not_before_us, False, self.sent, self.stained, self.row)
        self.hi = at
        return rest


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch may leave and how much fits, from the settings."""

    linger_us: int
    messages: int
    bytes: int  # batch.size: ready when so much is queued
    room: int  # record bytes that fit a request
    timeout_us: int  # message.timeout.ms

    @classmethod
    def of(cls, settings: LibrdkafkaProducerSettings) -> Limits:
        room = min(settings.message_max_bytes, settings.batch_size_bytes) - BATCH_OVERHEAD_BYTES
        timeout_us = settings.message_timeout_us or FOREVER
        return cls(settings.linger_us, settings.batch_num_messages, settings.batch_size_bytes, max(1, room), timeout_us)


@dataclass(slots=True)
class Request:
    """One Produce request: built, then on the wire."""

    toppar: Toppar
    parts: list[Part]
    size_bytes: int
    timeout_us: int  # when its timer ends
    pid: int = -1
    epoch: int = -1
    seq: int = -1
    row: int = -1  # its ATTEMPT row
    sent: bool = False

    @property
    def lo(self) -> int:
        return self.parts[0].lo

    @property
    def hi(self) -> int:
        return self.parts[-1].hi

    @property
    def count(self) -> int:
        return self.parts[-1].hi - self.parts[0].lo


class Toppar:
    """One partition as the producer sees it (``rd_kafka_toppar_t``)."""

    __slots__ = (
        "acked", "base", "counted", "draining", "epoch", "fresh", "lane", "leader", "limits", "next_ack", "next_err",
        "on_wire", "partition", "parts", "pid", "queued_back", "queued_back_bytes", "ready_us", "seen", "topic",
    )  # fmt: skip

    def __init__(self, partition: int, topic: int, limits: Limits) -> None:
        self.partition, self.topic, self.limits = partition, topic, limits
        self.lane = Lane(partition)
        self.leader = -1
        self.parts: list[Part] = []
        self.queued_back = 0  # messages in parts
        self.queued_back_bytes = 0
        self.fresh = 0
        self.on_wire = 0  # messages built or on the wire
        # Idempotent producer; the rules are in librdkafka_idempotence.
        self.pid = self.epoch = -1
        self.base = 0  # msgid that has sequence 0
        self.next_ack = self.next_err = 0
        self.acked = 0  # one past the last acknowledged message
        self.draining = False
        self.seen = (-1, 0, 0)  # the state of the queue for which ready_us was found
        self.ready_us = FOREVER
        self.counted = False  # among the partitions that have something built or on the wire

    # --- what is queued -----------------------------------------------------------------------------------------------
    @property
    def queued(self) -> int:
        return self.queued_back + self.lane.taken - self.fresh

    @property
    def queued_bytes(self) -> int:
        return self.queued_back_bytes + self.lane.size(self.fresh, self.lane.taken)

    @property
    def head(self) -> int:
        """The lowest queued msgid (only while something is queued)."""
        return self.parts[0].lo if self.parts else self.fresh

    # --- when ---------------------------------------------------------------------------------------------------------
    def ready(self, now_us: int) -> bool:
        """``rd_kafka_msgq_allow_wakeup_at``: linger counts from produce() of the head, retried or not."""
        if self.queued == 0 or (self.parts and self.parts[0].not_before_us > now_us):
            return False
        limits = self.limits
        if now_us >= self.lane.created_us(self.head) + limits.linger_us:
            return True
        return self.queued >= limits.messages or self.queued_bytes >= limits.bytes

    def ready_at_us(self) -> int:
        """When :meth:`ready` turns true, as far as the lane's future tells."""
        lane, linger_us = self.lane, self.limits.linger_us
        if self.parts:
            head = self.parts[0]
            return max(head.not_before_us, lane.created_us(head.lo) + linger_us)
        seen = (self.fresh, lane.taken, lane.length)
        if seen != self.seen:
            self.seen, self.ready_us = seen, FOREVER
            if self.fresh < lane.length:
                self.ready_us = lane.created_us(self.fresh) + linger_us
                if linger_us and lane.taken < lane.length:
                    self.ready_us = min(self.ready_us, self._full_at_us())
        return self.ready_us

    def _full_at_us(self) -> int:
        """When arrivals will have filled a batch."""
        lane, limits = self.lane, self.limits
        by_count = lane.taken + max(0, limits.messages - self.queued) - 1
        missing = max(0, limits.bytes - self.queued_bytes)
        by_bytes = bisect_right(lane.cum, lane.cum[lane.taken] + missing - 1, lane.taken, lane.length + 1) - 1
        last = max(lane.taken, min(by_count, by_bytes))
        return lane.created_us(last) if last < lane.length else FOREVER

    def expires_at_us(self) -> int:
        """When the oldest queued message times out."""
        if not self.parts and self.fresh >= self.lane.taken:
            return FOREVER
        return self.lane.created_us(self.head) + self.limits.timeout_us

    # --- out and back -------------------------------------------------------------------------------------------------
    def take(self, now_us: int) -> list[Part]:
        """The messages of the next request: from the head, up to the limits and before the first in back-off."""
        taken: list[Part] = []
        count, room = self.limits.messages, self.limits.room
        while self.parts and self.parts[0].not_before_us <= now_us:
            part = self.parts[0]
            if taken and (part.whole or part.lo != taken[-1].hi):
                return taken
            hi = part.hi if part.whole else self._fitting(part.lo, part.hi, count, room, bool(taken))
            if hi <= part.lo:
                return taken
            count, room = count - (hi - part.lo), room - self.lane.size(part.lo, hi)
            taken.append(self._remove_first(hi))
            if part.whole or hi < part.hi:
                return taken
        if not self.parts and self.fresh < self.lane.taken and (not taken or taken[-1].hi == self.fresh):
            hi = self._fitting(self.fresh, self.lane.taken, count, room, bool(taken))
            if hi > self.fresh:
                taken.append(Part(self.fresh, hi))
                self.fresh = hi
        return taken

    def _fitting(self, lo: int, hi: int, count: int, room: int, behind_others: bool) -> int:
        """How far messages from *lo* on fit; the first of a request always does."""
        hi = min(hi, lo + count)
        if hi <= lo or (behind_others and self.lane.size(lo, lo + 1) > room):
            return lo
        return self.lane.room_until(lo, room, hi)

    def _remove_first(self, hi: int) -> Part:
        """The head part, or its messages below *hi*."""
        part = self.parts[0]
        if hi < part.hi:
            self.parts[0] = part.cut(hi)
        else:
            del self.parts[0]
        self.queued_back -= part.hi - part.lo
        self.queued_back_bytes -= self.lane.size(part.lo, part.hi)
        return part

    def put_back(self, part: Part) -> None:
        """Back to its msgid place."""
        insort(self.parts, part, key=_first)
        self.queued_back += part.hi - part.lo
        self.queued_back_bytes += self.lane.size(part.lo, part.hi)

    def take_before(self, position: int) -> list[Part]:
        """Remove the queued messages below *position* that had been built before (implicit acknowledgement)."""
        gone: list[Part] = []
        while self.parts and self.parts[0].lo < position:
            gone.append(self._remove_first(min(position, self.parts[0].hi)))
        return gone

    def take_all(self) -> list[Part]:
        """Everything queued, in order."""
        return self.take_before(FOREVER) + self._take_fresh(self.lane.taken)

    def take_expired(self, now_us: int) -> list[Part]:
        """Messages older than message.timeout.ms, from the head until one that is not."""
        produced_by_us = now_us - self.limits.timeout_us
        gone: list[Part] = []
        while self.parts:
            part = self.parts[0]
            hi = self._produced_by(produced_by_us, part.lo, part.hi)
            if hi > part.lo:
                gone.append(self._remove_first(hi))
            if hi < part.hi:
                return gone
        return gone + self._take_fresh(self._produced_by(produced_by_us, self.fresh, self.lane.taken))

    def _produced_by(self, time_us: int, lo: int, hi: int) -> int:
        lane = self.lane
        hi = bisect_right(lane.times, time_us, lo, hi)
        return hi if hi == lo or lane.created_us(lo) <= time_us else lo

    def _take_fresh(self, hi: int) -> list[Part]:
        if hi <= self.fresh:
            return []
        part = Part(self.fresh, hi)
        self.fresh = hi
        return [part]


def _first(part: Part) -> int:
    return part.lo
