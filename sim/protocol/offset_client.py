"""A member's commits and the offsets that it begins with (``ConsumerCoordinator``, ``CommitRequestManager``).

``commitAsync`` is sent once and never again; ``commitSync`` is sent until it is taken, refused for good, or its time is
over (consumer:F4.5). Requests leave on one connection, so the coordinator sees them in the order of the calls; a
commitSync that is tried again after a later commitAsync was stored overwrites it.

Sources: ``OffsetCommitResponseHandler``, ``OffsetFetchResponseHandler``, ``sendOffsetCommitRequest``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from sim.protocol.client_network import Backoff
from sim.protocol.coordinator_client import CoordinatorClient, moved
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ReaderSettings

__all__ = ["Committer", "OffsetClient", "Offsets"]

Offsets = dict[int, tuple[int, int]]  # partition -> next offset to read, leader epoch of the record before it
Then = Callable[[int, int], None]  # error, time
_RETRIABLE = frozenset(
    (
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NETWORK_EXCEPTION,
    )
)  # fmt: skip


def retriable(error: int) -> bool:
    return error in _RETRIABLE


class Committer(Protocol):
    """What of a membership its commits need. ``generation``: or member epoch; -1 while it has none."""

    member: str

    @property
    def generation(self) -> int: ...

    def commit_refusal(self) -> int: ...

    def commit_answered(self, error: int, generation: int) -> int: ...

    def fetches_as(self) -> tuple[str, int]: ...


class _Sync:
    """A commitSync that has not ended."""

    __slots__ = ("auto", "failures", "offsets", "sent", "then", "until_us", "wait_until_us")

    def __init__(self, offsets: Offsets, auto: bool, until_us: int, then: Then) -> None:
        self.offsets, self.auto, self.until_us, self.then = offsets, auto, until_us, then
        self.sent = False
        self.failures = self.wait_until_us = 0


class OffsetClient:
    """Commits of one member, and its look at what is committed."""

    __slots__ = (
        "_asking", "_coordinator", "_fetch_failures", "_fetch_not_before_us", "_group", "_member", "_port", "_retry",
        "_settings", "_sync",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, settings: MemberSettings, reader: ReaderSettings, member: Committer,
        coordinator: CoordinatorClient,
    ) -> None:  # fmt: skip
        self._port, self._group, self._settings = port, group, settings
        self._member, self._coordinator = member, coordinator
        self._retry = Backoff(reader.retry_backoff_us, reader.retry_backoff_max_us)
        self._sync: _Sync | None = None
        self._asking = False
        self._fetch_failures = self._fetch_not_before_us = 0

    # --- commits ------------------------------------------------------------------------------------------------------
    def commit(self, offsets: Offsets, auto: bool, then: Then, now_us: int) -> None:
        """``commitAsync``."""
        if not offsets:
            then(0, now_us)
            return
        error = self._member.commit_refusal()
        if error:
            self._refuse(offsets, auto, error)
            then(error, now_us)
            return
        peer = self._coordinator.ready(now_us)
        if peer is None:
            then(ErrorCode.COORDINATOR_NOT_AVAILABLE, now_us)
            return
        generation = self._member.generation
        request = OffsetCommitRequest(
            self._group, generation, self._member.member, self._settings.instance, offsets, auto
        )
        self._coordinator.ask(
            peer, request, lambda answer, then_us: self._answered(generation, answer, then, then_us), now_us
        )

    def _refuse(self, offsets: Offsets, auto: bool, error: int) -> None:
        for partition, (offset, _) in offsets.items():
            self._port.record(Kind.COMMIT, partition=partition, offset=offset, n=0, code=error, seq=int(auto))

    def _answered(self, generation: int, answer: object | None, then: Then, now_us: int) -> None:
        error = answer.error if isinstance(answer, OffsetCommitResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        if moved(error) or error == ErrorCode.REQUEST_TIMED_OUT:
            self._coordinator.unknown()
        then(self._member.commit_answered(error, generation), now_us)

    def commit_sync(self, offsets: Offsets, auto: bool, then: Then, now_us: int, within_us: int) -> None:
        """``commitSync``: *then* is called when it has ended, at once if there is nothing to commit."""
        if not offsets:
            then(0, now_us)
            return
        self._sync = _Sync(offsets, auto, now_us + within_us, then)
        self.go_on(now_us)

    def go_on(self, now_us: int) -> None:
        """A commitSync that waits for its next attempt, or for the coordinator, may go on."""
        sync = self._sync
        if sync is None or sync.sent or now_us < sync.wait_until_us:
            return
        if now_us >= sync.until_us:
            self._end(sync, ErrorCode.REQUEST_TIMED_OUT, now_us)
        elif self._member.commit_refusal() or self._coordinator.ready(now_us) is not None:
            sync.sent = True
            self.commit(sync.offsets, sync.auto, lambda error, then_us: self._tried(sync, error, then_us), now_us)

    def _tried(self, sync: _Sync, error: int, now_us: int) -> None:
        if sync is not self._sync:
            return
        if not retriable(error):
            stale = error == ErrorCode.STALE_MEMBER_EPOCH
            self._end(sync, ErrorCode.CLIENT_COMMIT_FAILED if stale else error, now_us)
            return
        sync.sent = False
        sync.failures += 1
        sync.wait_until_us = now_us + self._retry.delay_us(sync.failures, self._port.draw("member-commit"))

    def _end(self, sync: _Sync, error: int, now_us: int) -> None:
        self._sync = None
        sync.then(error, now_us)

    # --- what is committed --------------------------------------------------------------------------------------------
    def look_up(self, partitions: tuple[int, ...], then: Callable[[Offsets], None], now_us: int) -> None:
        """Ask for the committed offsets of *partitions*; *then* is called with the answer, if one comes."""
        if self._asking or not partitions or now_us < self._fetch_not_before_us:
            return
        peer = self._coordinator.ready(now_us)
        if peer is None:
            return
        self._asking = True
        self._coordinator.ask(
            peer, OffsetFetchRequest(self._group, partitions, *self._member.fetches_as()),
            lambda answer, then_us: self._looked_up(answer, then, then_us), now_us,
        )  # fmt: skip

    def _looked_up(self, answer: object | None, then: Callable[[Offsets], None], now_us: int) -> None:
        self._asking = False
        if isinstance(answer, OffsetFetchResponse) and not answer.error:
            self._fetch_failures = 0
            then(answer.offsets)
            return
        if isinstance(answer, OffsetFetchResponse) and moved(answer.error):
            self._coordinator.unknown()
        self._fetch_failures += 1
        self._fetch_not_before_us = now_us + self._retry.delay_us(self._fetch_failures, self._port.draw("member-fetch"))

    def deadlines(self) -> Iterator[int]:
        if self._sync is not None:
            yield self._sync.wait_until_us
            yield self._sync.until_us
        if not self._asking:
            yield self._fetch_not_before_us
