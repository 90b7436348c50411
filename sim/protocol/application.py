"""The application behind a consumer: one thread that works through what ``poll()`` returned, record after record.

Laws: work is begun in the order in which the poll showed it, and a record only after the one before it has ended; what
has been *processed* of a partition is a prefix of what was returned of it.

Work may fail: where the record is not worked on again, it has a begin and no end, and is not *processed*.

A run of records whose time is nothing, or whose time is that of the whole poll, is one row at its begin and one at its
end; such rows stand for its records, one after another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.protocol.port import Port
from sim.protocol.reader_buffer import Slice
from sim.protocol.rows import Kind
from sim.protocol.settings import ProcessingSettings

__all__ = ["Application"]


@dataclass(slots=True)
class _Run:
    partition: int
    prod: int
    lo: int
    hi: int
    offset: int
    epoch: int  # leader epoch


class Application:
    """``processed``: per partition the offset behind the last processed record, and that record's leader epoch."""

    __slots__ = (
        "_fresh", "_per_poll", "_port", "_runs", "_settings", "_time_us", "_tried", "_working", "busy_until_us",
        "processed",
    )  # fmt: skip

    def __init__(self, port: Port, time_us: Callable[[], int], settings: ProcessingSettings) -> None:
        self._port, self._time_us, self._settings, self._per_poll = port, time_us, settings, settings.per_poll
        self._tried = 0  # records worked on, if they may fail
        self._runs: deque[_Run] = deque()
        self._working: _Run | None = None
        self._fresh = False  # the time of the present poll has not passed yet
        self.busy_until_us = 0
        self.processed: dict[int, tuple[int, int]] = {}

    def take(self, slices: Iterable[Slice], now_us: int) -> None:
        """A poll returned these; nothing is begun yet."""
        self._runs.extend(_Run(one.partition, batch.prod, lo, hi, offset, one.epoch)
                          for one, batch, lo, hi, offset in slices)  # fmt: skip
        self._fresh = True

    def begin(self, now_us: int) -> bool:
        """Start with the next record (or run); False if there is nothing left."""
        if not self._runs:
            return False
        run = self._runs[0]
        if self._per_poll:
            wait_us = self._time_us() if self._fresh else 0  # it passes over the first run: nothing ends before it
            self._fresh = False
            self._runs.popleft()
        else:
            wait_us = self._time_us()
            run = self._next_record(run, wait_us)
        self._working = run
        self.busy_until_us = now_us + wait_us
        self._row(Kind.PROC_START, run)
        return True

    def _next_record(self, run: _Run, wait_us: int) -> _Run:
        """One record of the run, or all of it where that takes no time."""
        count = 1 if wait_us or self._may_fail() else run.hi - run.lo
        part = _Run(run.partition, run.prod, run.lo, run.lo + count, run.offset, run.epoch)
        run.lo += count
        run.offset += count
        if run.lo == run.hi:
            self._runs.popleft()
        return part

    def _may_fail(self) -> bool:
        return bool(self._settings.fails_nth or self._settings.fails_ppm)

    def fails(self) -> bool:
        """Whether the work that is over now came to nothing; asked once for each try."""
        settings = self._settings
        if not self._may_fail() or self._working is None:
            return False
        self._tried += 1
        drawn = self._port.draw("failure") * 1_000_000 >> 32 if settings.fails_ppm else 1_000_000
        if self._tried not in settings.fails_nth and drawn >= settings.fails_ppm:
            return False
        self._row(Kind.PROC_FAIL, self._working)
        return True

    def again(self, now_us: int) -> None:
        """Work on the present record once more."""
        self.busy_until_us = now_us + self._time_us()

    def give_up(self, everything: bool) -> None:
        """Leave the present record as it is; *everything*: and whatever else the poll returned."""
        self._working = None
        if everything:
            self._runs.clear()

    def end(self) -> tuple[int, int, int]:
        """The present record (or run) is done; (partition, next offset, leader epoch)."""
        run = self._working
        assert run is not None
        self._working = None
        self._row(Kind.PROC_END, run)
        behind = run.offset + run.hi - run.lo
        self.processed[run.partition] = (behind, run.epoch)
        return run.partition, behind, run.epoch

    def working(self) -> bool:
        return self._working is not None

    def forget(self, partitions: Iterable[int]) -> None:
        """These are not this consumer's any more."""
        for partition in partitions:
            self.processed.pop(partition, None)

    def _row(self, kind: Kind, run: _Run) -> None:
        self._port.record(
            kind, partition=run.partition, prod=run.prod, lo=run.lo, hi=run.hi, offset=run.offset
        )
