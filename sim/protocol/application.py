"""The application behind a consumer: one thread that works through what ``poll()`` returned, record after record.

Laws: work is begun in the order in which the poll showed it, and a record only after the one before it has ended; what
has been *processed* of a partition is a prefix of what was returned of it, but for records that were given up.

What is done with a record: :mod:`sim.protocol.work`. Several threads: :mod:`sim.protocol.worker_pool`.

A run of records whose time is nothing, or whose time is that of the whole poll, is one row at its begin and one at its
end; such rows stand for its records, one after another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from sim.protocol.port import Port
from sim.protocol.reader_buffer import Slice
from sim.protocol.settings import ProcessingSettings
from sim.protocol.work import Desk, Done, Run, Work, Worker

__all__ = ["Application", "runs_of"]


def runs_of(slices: Iterable[Slice]) -> list[Run]:
    return [Run(one.partition, batch.prod, lo, hi, offset, one.epoch) for one, batch, lo, hi, offset in slices]


def _nothing(now_us: int) -> None:
    pass


class Application:
    """``processed``: per partition the offset behind the last processed record, and that record's leader epoch."""

    __slots__ = ("_fresh", "_per_poll", "_runs", "_thread", "_work", "processed")

    def __init__(
        self, port: Port, time_us: Callable[[], int], settings: ProcessingSettings, desk: Desk | None = None,
        wake: Callable[[int], None] = _nothing,
    ) -> None:  # fmt: skip
        self._work, self._per_poll = Work(port, time_us, settings, desk, wake), settings.per_poll
        self._thread = Worker()
        self._runs: deque[Run] = deque()
        self._fresh = False  # the time of the present poll has not passed yet
        self.processed: dict[int, tuple[int, int]] = {}

    @property
    def busy_until_us(self) -> int:
        return self._thread.until_us

    def take(self, slices: Iterable[Slice], now_us: int) -> None:
        """A poll returned these; nothing is begun yet."""
        self._runs.extend(runs_of(slices))
        self._fresh = True

    def begin(self, now_us: int) -> bool:
        """Start with the next record (or run); False if there is nothing left."""
        if not self._runs:
            return False
        run = self._runs[0]
        if self._per_poll:
            wait_us = self._work.time_us() if self._fresh else 0  # it passes over the first run: nothing ends before it
            self._fresh = False
            self._runs.popleft()
        else:
            wait_us = self._work.time_us()
            run = self._next_record(run, wait_us)
        self._work.begin(self._thread, run, wait_us, now_us)
        return True

    def _next_record(self, run: Run, wait_us: int) -> Run:
        """One record of the run, or all of it where that takes no time."""
        count = 1 if wait_us or self._work.single else run.hi - run.lo
        part = Run(run.partition, run.prod, run.lo, run.lo + count, run.offset, run.epoch)
        run.lo += count
        run.offset += count
        if run.lo == run.hi:
            self._runs.popleft()
        return part

    def go_on(self, now_us: int) -> tuple[Done, int, int, int]:
        """The time of the present record (or run) is over: what came of it, its partition, the offset behind it, its
        leader epoch."""
        run = self._thread.run
        assert run is not None
        done = self._work.go_on(self._thread, now_us)
        behind = run.offset + run.hi - run.lo
        if done is Done.ENDED:
            self.processed[run.partition] = (behind, run.epoch)
        elif done is Done.LEFT:
            self._runs.clear()
        return done, run.partition, behind, run.epoch

    def working(self) -> bool:
        return self._thread.run is not None

    def forget(self, partitions: Iterable[int]) -> None:
        """These are not this consumer's any more."""
        for partition in partitions:
            self.processed.pop(partition, None)
