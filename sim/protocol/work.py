"""What one thread of an application does with one record: it works, it may fail, and it may send something on.

A record has a row at its begin, one at each failure and one at its end. Where the work fails and is not tried again
there is no end: the record is *given up*. A record that is put on a retry topic is given up here too; its end comes
when the work on that copy has ended, wherever that is. One that is put on a dead-letter topic is dealt with, and ends.

A thread that waits for its sends stands still until the producer has reported the record (``send().get()``), and sends
it again if that report is a failure. One that does not wait ends its work at the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import ProcessingSettings

__all__ = ["Desk", "Done", "Run", "Way", "Work", "Worker"]

_NEVER = 1 << 62


class Way(Enum):
    """Where an application sends something on to."""

    PRODUCED = 0  # what comes out of the work
    RETRY_TOPIC = 1
    DEAD_LETTER = 2


@dataclass(slots=True)
class Run:
    """Records *lo* to *hi* of a lane, the first of them at *offset*."""

    partition: int
    prod: int
    lo: int
    hi: int
    offset: int
    epoch: int  # leader epoch


Reported = Callable[[int, int], None]  # error, time


class Desk(Protocol):
    """What the process around a consumer has for its application."""

    def key(self, run: Run) -> int:
        """A hash of the first record's key, -1 where it has none (``String.hashCode``, not negative)."""
        ...

    def send(self, way: Way, run: Run, reported: Reported | None) -> None:
        """``send()`` for the one record of *run*; *reported* is called once its producer has reported it."""
        ...

    def over(self, run: Run) -> None:
        """The work on these has ended; where one is a copy on a retry topic, so has that on its original."""
        ...


class Done(Enum):
    """How a thread stands after a look at the clock."""

    NOT_YET = 0
    ENDED = 1
    GIVEN_UP = 2
    LEFT = 3  # the application leaves its loop


class Worker:
    """One thread: the run it works on, if any, and until when."""

    __slots__ = ("run", "sent", "until_us")

    def __init__(self) -> None:
        self.run: Run | None = None
        self.until_us = 0
        self.sent: Way | None = None  # its producer has reported what this thread sent


class Work:
    """The work of all threads of one application. ``wake``: lets the consumer go on after a report."""

    __slots__ = ("_desk", "_port", "_settings", "_time_us", "_tried", "_wake", "single")

    def __init__(
        self, port: Port, time_us: Callable[[], int], settings: ProcessingSettings, desk: Desk | None,
        wake: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._port, self._time_us, self._settings, self._desk, self._wake = port, time_us, settings, desk, wake
        self._tried = 0  # records worked on, if they may fail
        # Each record is worked on for itself, even where that takes no time.
        self.single = bool(self._may_fail() or settings.produces)

    def time_us(self) -> int:
        return self._time_us()

    def begin(self, worker: Worker, run: Run, wait_us: int, now_us: int) -> None:
        worker.run, worker.sent, worker.until_us = run, None, now_us + wait_us
        self._row(Kind.PROC_START, run)

    def go_on(self, worker: Worker, now_us: int) -> Done:
        """The time of the thread's work is over: what comes of it."""
        settings, way = self._settings, worker.sent
        if way is None and self._fails(worker):
            match settings.on_failure:
                case "retry":
                    worker.until_us = now_us + self._time_us()
                    return Done.NOT_YET
                case "retry_topic":
                    way = Way.RETRY_TOPIC
                case "dead_letter":
                    way = Way.DEAD_LETTER
                case other:
                    worker.run = None
                    return Done.LEFT if other == "close" else Done.GIVEN_UP
        elif way is None and settings.produces:
            way = Way.PRODUCED
        if way is not None and worker.sent is None and self._send(worker, way):
            return Done.NOT_YET
        if way is Way.RETRY_TOPIC:
            worker.run = None
            return Done.GIVEN_UP
        self._end(worker)
        return Done.ENDED

    def _end(self, worker: Worker) -> None:
        run = worker.run
        assert run is not None
        worker.run = None
        self._row(Kind.PROC_END, run)
        if self._desk is not None:
            self._desk.over(run)

    def _may_fail(self) -> bool:
        return bool(self._settings.fails_nth or self._settings.fails_ppm)

    def _fails(self, worker: Worker) -> bool:
        """Whether the work that is over now came to nothing; asked once for each try."""
        settings = self._settings
        if not self._may_fail() or worker.run is None:
            return False
        self._tried += 1
        drawn = self._port.draw("failure") * 1_000_000 >> 32 if settings.fails_ppm else 1_000_000
        if self._tried not in settings.fails_nth and drawn >= settings.fails_ppm:
            return False
        self._row(Kind.PROC_FAIL, worker.run)
        return True

    def _send(self, worker: Worker, way: Way) -> bool:
        """Send the record on; whether the thread waits for the report."""
        desk, run = self._desk, worker.run
        assert desk is not None and run is not None
        if not self._settings.waits_for_sends:
            desk.send(way, run, None)
            return False

        def reported(error: int, now_us: int) -> None:
            if worker.run is not run:
                return
            if error:
                desk.send(way, run, reported)
                return
            worker.sent, worker.until_us = way, now_us
            self._wake(now_us)

        worker.until_us = _NEVER
        desk.send(way, run, reported)
        return True

    def _row(self, kind: Kind, run: Run) -> None:
        self._port.record(kind, partition=run.partition, prod=run.prod, lo=run.lo, hi=run.hi, offset=run.offset)
