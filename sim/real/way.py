"""Time in a real run, and one direction of a proxied connection: first in, first out, each item so much later.

The latency is that of the simulated link: the same function of (seed, link, time).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sim.world.links import Link

__all__ = ["Clock", "Way", "machine_us"]


class Clock:
    """The machine's monotonic clock; all processes of a run read the same one. ``start_ns``: when time is 0."""

    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()

    def now_us(self) -> int:
        return self.us_of(time.monotonic_ns())

    def us_of(self, nanos: int) -> int:
        return (nanos - self.start_ns) // 1000


def machine_us() -> int:
    """Of no run: a run's clock is set when it begins, and connections are older than that."""
    return time.monotonic_ns() // 1000


class Way:
    """Items on their way to *deliver*. While its link is cut nothing arrives. Without a link all arrive at once.

    *crossings* gets how long each item took on a link that no fault strikes: the machine is late where it is busy.
    """

    def __init__(self, clock: Clock, deliver: Callable[[Any], None], crossings: Callable[[int], None]) -> None:
        self._clock, self._deliver, self._crossings = clock, deliver, crossings
        self.link: Link | None = None
        self._items: deque[tuple[int, int, Any]] = deque()  # when due, when sent, what
        self._last_us = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def send(self, item: Any) -> None:
        now = machine_us()
        due = now if self.link is None else now + self.link.latency_us(self._clock.now_us())
        if self._items:
            due = max(due, self._last_us)
        self._last_us = due
        self._items.append((due, now, item))
        self.pump()

    def pump(self) -> None:
        """Deliver what is due; called again when a cut is mended."""
        now = machine_us()
        while self._items and self._items[0][0] <= now and not self._stalled() and not self._closed:
            _, sent, item = self._items.popleft()
            if self.link is not None and self.link.plain:
                self._crossings(now - sent)
            self._deliver(item)
        if self._items and self._timer is None and not self._stalled() and not self._closed:
            wait_s = max(0, self._items[0][0] - now) / 1_000_000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.pump()

    def _stalled(self) -> bool:
        return self.link is not None and self.link.cuts > 0

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
