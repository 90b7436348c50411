"""The application side of a producer: its send() calls, and the lane of each partition.

A *lane* is the list of records of one (producer instance, partition) in the order in which the producer's buffer took
them. Batches are slices of lanes, so a record costs a few bytes and no event: what has arrived by now is a binary
search over the lane's times.

Where every record's partition follows from its key or its explicit partition, lanes are cut from the whole workload in
one go (*settled*: the lane knows its future). Where the choice depends on the buffer's state (sticky, round robin), the
producer lays records into the lane one by one as their time comes.

Laws: positions are dense; ``sends`` and ``times`` do not decrease; ``cum[k]`` is the number of bytes of the first k.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["FOREVER", "Lane", "LaneColumns", "Listener", "Sends", "Sent"]

FOREVER = 1 << 62


class LaneColumns(Protocol):
    """The settled future of one lane: equally long, ascending; ``cum`` is one longer and starts at 0."""

    @property
    def sends(self) -> Sequence[int]: ...
    @property
    def times(self) -> Sequence[int]: ...
    @property
    def cum(self) -> Sequence[int]: ...


class Sends(Protocol):
    """All send() calls of one producer instance in program order (columns; made by the world from the workload).

    ``times``: when the application would call, microseconds, not descending. ``cum``: bytes of the first k records as
    they stand in a batch. ``topics``, ``keys`` (-1: none) and ``indexes`` (explicit partition index, -1: none) a call.
    """

    count: int
    times: Sequence[int]
    cum: Sequence[int]
    topics: Sequence[int]
    keys: Sequence[int]
    indexes: Sequence[int]
    largest_bytes: int
    grows: bool  # more calls may come, each at the present time; a producer that has such calls repeats none

    def topic_numbers(self) -> tuple[int, ...]:
        """Topics sent to, ascending."""
        ...

    def key_bytes(self, topic: int) -> Sequence[bytes]:
        """The key of every key number used with *topic*."""
        ...

    def settled(self, topic: int) -> bool:
        """Every call to *topic* has a key or an explicit partition."""
        ...

    def split(
        self, topic: int, partition_of_key: Sequence[int], partitions: int, start: int
    ) -> Mapping[int, LaneColumns]:
        """Cut the calls to *topic* from send index *start* on into lanes by partition index."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """What a producer instance did with its calls, for the trace: every producer role has ``sent() -> Sent``.

    Calls 0..count were made; the first ``taken`` records of each lane were accepted, all others refused. ``floors``:
    from send index *a* on no call was made before time *b*, because the one before had been blocked ([(a, b), ...],
    ascending).
    ``resends``: calls with an index at or above ``Sends.count`` repeat, in order, the calls listed here.
    """

    count: int
    lanes: list[Lane]
    floors: list[tuple[int, int]]
    resends: list[tuple[int, int, int]]  # (original send index, time in microseconds, made before this send index)


class Listener(Protocol):
    """Who is told what becomes of calls, each once. *code* 0: acknowledged."""

    def reported(self, partition: int, lo: int, hi: int, code: int) -> None:
        """Records of a lane."""
        ...

    def refused(self, first: int, end: int, code: int) -> None:
        """Calls, by send index: they found no place in a lane."""
        ...


class Lane:
    """Records of one (producer instance, partition) in the order in which the buffer took them."""

    __slots__ = ("cum", "floor_from", "floor_us", "length", "partition", "sends", "taken", "times")

    def __init__(self, partition: int) -> None:
        self.partition = partition  # run-wide
        self.sends: Sequence[int] = array("q")
        self.times: Sequence[int] = array("q")
        self.cum: Sequence[int] = array("q", [0])
        self.length = 0  # records known, future ones included
        self.taken = 0  # records put into batches so far
        self.floor_us = 0  # send() returned no earlier than this for records from floor_from on: it had been blocked
        self.floor_from = 0

    def settle(self, columns: LaneColumns | None) -> None:
        """Replace the future of the lane (everything not taken yet) by *columns*."""
        if self.taken == 0:
            if columns is None:
                self.sends, self.times, self.cum = array("q"), array("q"), array("q", [0])
            else:
                self.sends, self.times, self.cum = columns.sends, columns.times, columns.cum
        else:
            taken, base = self.taken, self.cum[self.taken]
            sends, times = array("q", self.sends[:taken]), array("q", self.times[:taken])
            cum = array("q", self.cum[: taken + 1])
            if columns is not None:
                sends.extend(columns.sends)
                times.extend(columns.times)
                cum.extend(base + value for value in columns.cum[1:])
            self.sends, self.times, self.cum = sends, times, cum
        self.length = len(self.sends)

    def lay(self, send: int, time_us: int, size_bytes: int) -> None:
        """Add one record at the end (only in a lane whose future is not settled, or settled with nothing to come)."""
        if not isinstance(self.sends, array):
            self.sends, self.times, self.cum = array("q", self.sends), array("q", self.times), array("q", self.cum)
        assert isinstance(self.times, array) and isinstance(self.cum, array)
        self.sends.append(send)
        self.times.append(time_us)
        self.cum.append(self.cum[-1] + size_bytes)
        self.length += 1

    def insert(self, send: int, time_us: int, size_bytes: int) -> None:
        """Lay one record at the taken end, before the settled future (an application's re-send)."""
        at = self.taken
        sends, times, cum = array("q", self.sends), array("q", self.times), array("q", self.cum)
        sends.insert(at, send)
        times.insert(at, time_us)
        self.sends, self.times = sends, times
        self.cum = cum[: at + 1] + array("q", [value + size_bytes for value in cum[at:]])
        self.length += 1

    def arrived(self, now_us: int) -> int:
        """How many records have been sent by *now_us* (a settled lane also holds later ones)."""
        return bisect_right(self.times, now_us, self.taken, self.length)

    def before(self, send: int) -> int:
        """How many records have a send index below *send*."""
        return bisect_left(self.sends, send, self.taken, self.length)

    def room_until(self, lo: int, limit_bytes: int, end: int) -> int:
        """The largest hi <= *end* for which records lo..hi take at most *limit_bytes*, at least lo + 1."""
        hi = bisect_right(self.cum, self.cum[lo] + limit_bytes, lo + 1, end + 1) - 1
        return hi if hi > lo else lo + 1

    def size(self, lo: int, hi: int) -> int:
        """Bytes of records lo..hi."""
        return self.cum[hi] - self.cum[lo]

    def created_us(self, position: int) -> int:
        """When the record entered the buffer."""
        time_us = self.times[position]
        return self.floor_us if position >= self.floor_from and time_us < self.floor_us else time_us
