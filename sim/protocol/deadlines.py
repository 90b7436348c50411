"""Many deadlines of one role behind the one alarm that its port offers.

Two kinds. A *timer* is a rare, single thing (a heartbeat, a periodic check): it lies on a heap, is never cancelled, and
whoever set it looks again when it rings. A *wait* is one of many of the same length (each acks=all produce, each parked
fetch): waits of one length end in the order in which they began, so each length is a queue, and one that is over is
dropped when it comes to the head. Nothing is ever searched for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

from sim.protocol.port import Port

__all__ = ["Deadlines", "Wait"]

_NEVER = 1 << 62


class Wait(Protocol):
    deadline_us: int
    done: bool

    def expire(self, now_us: int) -> None: ...


class Deadlines:
    """The deadlines of one role."""

    __slots__ = ("_alarm_us", "_heap", "_number", "_port", "_waits")

    def __init__(self, port: Port) -> None:
        self._port = port
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._number = 0  # equal times ring in the order in which they were set
        self._waits: dict[int, deque[Wait]] = {}
        self._alarm_us = _NEVER

    def at(self, time_us: int, ring: Callable[[int], None]) -> None:
        """Call *ring* with the time then. It cannot be taken back."""
        self._number += 1
        heappush(self._heap, (time_us, self._number, ring))
        self._set(time_us)

    def wait(self, wait: Wait, now_us: int, for_us: int) -> None:
        """``wait.expire`` is called *for_us* from now, unless it is ``done`` by then."""
        wait.deadline_us = now_us + for_us
        queue = self._waits.get(for_us)
        if queue is None:
            queue = self._waits[for_us] = deque()
        while queue and queue[0].done:
            queue.popleft()
        queue.append(wait)
        if wait.deadline_us < self._alarm_us:
            self._set(wait.deadline_us)

    def _set(self, time_us: int) -> None:
        if time_us < self._alarm_us:
            self._alarm_us = time_us
            self._port.wake_at(time_us)

    def ring(self, now_us: int) -> None:
        """The alarm went off: do what is due and set the next one."""
        self._alarm_us = _NEVER
        heap = self._heap
        while heap and heap[0][0] <= now_us:
            heappop(heap)[2](now_us)
        earliest = heap[0][0] if heap else _NEVER
        for queue in list(self._waits.values()):
            while queue and (queue[0].done or queue[0].deadline_us <= now_us):
                first = queue.popleft()
                if not first.done:
                    first.expire(now_us)
            if queue and queue[0].deadline_us < earliest:
                earliest = queue[0].deadline_us
        if heap and heap[0][0] < earliest:
            earliest = heap[0][0]
        if earliest < _NEVER:
            self._alarm_us = _NEVER
            self._set(earliest)
