"""SimPy's environment with an integer clock, a budget of events, and a stated order of equal times.

Order of equal times: what the world does (faults, scripts) first; then by receiving host, connection number, and order
of scheduling; a host's alarm behind everything that reaches it at that time. All of that is one integer, the priority
SimPy sorts by. A tie shuffle permutes the hosts, by a seed, to show whoever leaned on their order.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from typing import Any, cast

from simpy import Environment
from simpy.events import Event, EventPriority

from sim.errors import InputError

__all__ = ["ALARM", "NEVER", "WORLD", "Kernel", "Occurrence", "host_priority", "rank_of"]

WORLD = EventPriority(0)  # faults and scripts, ahead of all hosts
_HOST_BITS = 34
ALARM = (1 << _HOST_BITS) - 1  # added to a host's priority: behind every connection

NEVER = 1 << 62  # a time behind every other
EVENT_LIMIT = 50_000_000


def host_priority(rank: int) -> int:
    """The priority that a host's connection numbers are added to. Rank 0 comes first."""
    return (rank + 1) << _HOST_BITS


def rank_of(priority: int) -> int:
    """The rank of the host that an event of this priority happens to; -1: it is the world's, and happens to anybody."""
    return (priority >> _HOST_BITS) - 1


class Occurrence(Event):
    """One thing that is going to happen, with its callback preset: the leanest event that SimPy can carry."""

    __slots__ = ("callbacks",)

    _ok = True
    _value = None

    def __init__(self, callback: Callable[[Any], object]) -> None:
        self.callbacks = [callback]  # type: ignore[list-item]


class Kernel(Environment):
    """``run_to`` processes every event up to and including a time. ``events`` counts them over the whole run.

    ``queue`` and ``next_number`` are for those who schedule often: a push of (time, priority, number, event) is what
    ``Environment.schedule`` does.
    """

    _now: int

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        super().__init__(0)
        self.queue = self._queue
        self.next_number = self._eid.__next__
        self.events = 0
        self.limit = limit

    @property
    def now_us(self) -> int:
        return self._now

    def call_at(self, time_us: int, callback: Callable[[Any], object], priority: int = WORLD) -> None:
        """Call *callback* (with the event) at *time_us*, now if that is past."""
        event = Occurrence(callback)
        self.schedule(event, cast(EventPriority, priority), max(0, time_us - self._now))

    def run_to(self, until_us: int, after: Callable[[int], None] | None = None) -> None:
        """Run up to *until_us* inclusive, with *after* behind each event, given the event's priority; the clock then
        stands at *until_us*."""
        queue = self._queue
        left = self.limit - self.events
        start = left
        try:
            while queue and queue[0][0] <= until_us:
                if not left:
                    raise self._exhausted()
                left -= 1
                self._now, priority, _, event = heappop(queue)  # type: ignore[assignment]
                callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
                for callback in callbacks:
                    callback(event)
                if not event._ok and not hasattr(event, "_defused"):
                    raise event._value
                if after is not None:
                    after(int(priority))
        finally:
            self.events += start - left
        self._now = max(self._now, until_us)

    def _exhausted(self) -> InputError:
        return InputError(
            "",
            f"the run needs more than {self.limit} events and stands at {self._now} us of simulated time",
            "shorten the run, lower the rate of the workload or give retries a longer back-off",
        )
