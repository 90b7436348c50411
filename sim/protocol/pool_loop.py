"""A poll loop that hands its records to a pool of threads: what it commits when, and what it does when partitions go.

A ``KafkaConsumer`` is for one thread, so workers commit nothing; the loop does, in applications of librdkafka too: at
each of its turns, after it has handed over what a poll returned, and ``POLL_TIMEOUT_US`` after the last commit if
something has ended since.

Places of the commit: *after*, the loop waits for all of a poll and then commits it; *before*, what has been handed
over, done or not (consumer:F4.4); *watermark*, the lowest record that is not done (F5.2); *each*, every record as it
has ended, so that a lower offset may follow a higher one, and an offset may come after its partition is gone (F5.5);
*never*, nothing, or what automatic commits do: as *before*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator

from sim.protocol.port import Port
from sim.protocol.reader_buffer import Slice
from sim.protocol.settings import ProcessingSettings
from sim.protocol.work import Desk
from sim.protocol.worker_pool import WorkerPool

__all__ = ["PoolLoop"]

POLL_TIMEOUT_US = 100_000
Offsets = dict[int, tuple[int, int]]


class PoolLoop:
    """The loop's side of one pool."""

    __slots__ = ("_one_by_one", "_settings", "_turn_us", "pool")

    def __init__(
        self, port: Port, time_us: Callable[[], int], settings: ProcessingSettings, desk: Desk | None,
        wake: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self.pool = WorkerPool(port, time_us, settings, desk, wake)
        self._turn_us = 0  # the loop turns then
        self._one_by_one: deque[Offsets] = deque()  # still to be committed

    def hand_over(self, slices: list[Slice], now_us: int) -> None:
        self.pool.hand_over(slices, now_us)
        self._turn_us = now_us

    @property
    def waits(self) -> bool:
        """The loop does not poll on before all that it handed over is done."""
        return self._settings.commit == "after" and self.pool.open > 0

    @property
    def full(self) -> bool:
        """So much is handed over that the loop pauses its partitions (consumer:F5.6)."""
        return 0 < self._settings.queue_records <= self.pool.open

    def to_commit(self, now_us: int) -> Offsets:
        """What the loop commits at this turn, one call; empty: nothing (more)."""
        if not self._one_by_one and now_us >= self._turn_us:
            if self._settings.commit == "watermark":
                self._one_by_one.append(self.pool.watermarks())
            elif self._settings.commit == "each":
                self._one_by_one.extend({partition: mark} for partition, mark in self.pool.ended())
        offsets = self._one_by_one.popleft() if self._one_by_one else {}
        if offsets:
            self._turn_us = now_us + POLL_TIMEOUT_US
        return offsets

    def deadlines(self, polling: bool) -> Iterator[int]:
        """When work is over, and when the loop turns; past times included."""
        next_us = self.pool.next_us()
        if next_us is not None:
            yield next_us
        place = self._settings.commit
        if polling and (place == "watermark" and self.pool.moved() or place == "each" and self.pool.some_ended):
            yield self._turn_us

    # --- partitions that go -------------------------------------------------------------------------------------------
    def must_drain(self, partitions: Collection[int], lost: bool) -> bool:
        """In the callback: whether it has to wait for the workers. What is lost is not waited for (consumer:F5.4)."""
        what = self._settings.work_in_revoke
        if what == "drop" or (what == "wait" and lost):
            self.pool.throw_away(partitions)
        return what == "wait" and not lost and self.pool.busy_with(partitions)

    def done(self, partitions: Collection[int]) -> Offsets:
        """What of these may be committed in the callback."""
        return self.pool.watermarks(partitions)
