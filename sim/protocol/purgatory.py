"""What waits inside a broker: a produce for its records to be committed, a fetch for something to fetch.

Law: each answers exactly once. Whoever finds the answer first (data, a moved high watermark, a lost leadership, the
deadline) sets ``done``; what still points at it finds that and drops it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sim.protocol.broker_channels import Channel
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import FetchRequest, ProduceResponse, ProduceResult

__all__ = ["AwaitsCommit", "DelayedProduce", "ParkedFetch"]


class AwaitsCommit(Protocol):
    """Who waits for an offset to be committed; *index* is its own affair."""

    def satisfied(self, index: int, cause: int, now_us: int) -> None: ...

    def refused(self, index: int, error: int, leader: int, leader_epoch: int, cause: int, now_us: int) -> None: ...


class DelayedProduce:
    """An acks=all produce: answered when the last of its partitions is committed or lost (broker:NET-6)."""

    __slots__ = ("_finish", "_results", "channel", "deadline_us", "done", "open")

    def __init__(
        self, channel: Channel, results: list[ProduceResult], finish: Callable[[Channel, object, int | None, int], None]
    ) -> None:
        self.channel, self._results, self._finish = channel, results, finish
        self.done = False
        self.deadline_us = 0
        self.open: list[int] = []  # results that are not decided

    def satisfied(self, index: int, cause: int, now_us: int) -> None:
        """The partition of that result has committed."""
        if self.done:
            return
        self.open.remove(index)
        if not self.open:
            self._answer(cause, now_us)

    def refused(self, index: int, error: int, leader: int, leader_epoch: int, cause: int, now_us: int) -> None:
        """The partition of that result will not commit here (broker:APP-12)."""
        if self.done:
            return
        result = self._results[index]
        result.error, result.offset, result.leader, result.leader_epoch = error, -1, leader, leader_epoch
        self.satisfied(index, cause, now_us)

    def expire(self, now_us: int) -> None:
        """What is still open says so, the rest keeps its answer; nothing is undone (broker:NET-21, NET-22)."""
        for index in self.open:
            self._results[index].error, self._results[index].offset = ErrorCode.REQUEST_TIMED_OUT, -1
        self._answer(-1, now_us)

    def _answer(self, cause: int, now_us: int) -> None:
        self.done = True
        self._finish(self.channel, ProduceResponse(self._results), cause, now_us)


class ParkedFetch:
    """A long poll that found nothing yet."""

    __slots__ = ("_answer", "channel", "deadline_us", "done", "request")

    def __init__(
        self, channel: Channel, request: FetchRequest, answer: Callable[[ParkedFetch, int, int], None]
    ) -> None:
        self.channel, self.request, self._answer = channel, request, answer
        self.done = False
        self.deadline_us = 0

    def expire(self, now_us: int) -> None:
        self._answer(self, now_us, -1)
