"""A member's commits and the offsets that it begins with (``ConsumerCoordinator``, ``CommitRequestManager``).

``commitAsync`` is sent once and never again; where there is no coordinator it waits for the lookup that is under way
(classic) or for any (KIP-848), and then for the connection, and ends where that fails. ``commitSync`` is sent until it
is taken, refused for good, or its time is over (consumer:F4.5). Requests leave on one connection, so the coordinator
sees them in the order of the calls; a commitSync that is tried again behind a later commitAsync overwrites it.

Sources: ``commitOffsetsAsync``, ``CommitRequestManager.poll``, ``OffsetCommitResponseHandler``,
``OffsetFetchResponseHandler``, ``sendOffsetCommitRequest``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sim.protocol.client_network import Backoff
from sim.protocol.client_peers import Peer
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


@dataclass(slots=True)
class _Held:
    """A commitAsync on its way to the coordinator. ``lookups``: how many had ended when it began to wait; without a
    request for the end of the next, then for the connection to the coordinator that was found."""

    offsets: Offsets
    then: Then
    lookups: int
    request: OffsetCommitRequest | None = None


class OffsetClient:
    """Commits of one member, and its look at what is committed."""

    __slots__ = (
        "_asking", "_coordinator", "_fetch_failures", "_fetch_not_before_us", "_group", "_held", "_member", "_port",
        "_retry", "_settings", "_sync",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, settings: MemberSettings, reader: ReaderSettings, member: Committer,
        coordinator: CoordinatorClient,
    ) -> None:  # fmt: skip
        self._port, self._group, self._settings = port, group, settings
        self._member, self._coordinator = member, coordinator
        self._retry = Backoff(reader.retry_backoff_us, reader.retry_backoff_max_us)
        self._sync: _Sync | None = None
        self._held: list[_Held] = []
        self._asking = False
        self._fetch_failures = self._fetch_not_before_us = 0

    # --- commits ------------------------------------------------------------------------------------------------------
    def commit(self, offsets: Offsets, auto: bool, then: Then, now_us: int) -> None:
        """``commitAsync``. An automatic one that finds no coordinator ends at once: another one will follow."""
        if not offsets:
            then(0, now_us)
        elif auto:
            self._send_now(offsets, auto, then, now_us)
        else:
            self._held.append(_Held(offsets, then, self._coordinator.lookups))
            self._release(now_us)

    def _release(self, now_us: int) -> None:
        """Commits that were held go on as far as they can, in the order of the calls."""
        held, self._held = self._held, []
        if held:
            self._coordinator.ready(now_us)
        self._held += [one for one in held if self._stays(one, now_us)]

    def _stays(self, one: _Held, now_us: int) -> bool:
        """Whether it has to wait on; else it is sent, or has ended."""
        coordinator = self._coordinator
        known, looked = coordinator.server >= 0, coordinator.lookups != one.lookups
        if not known and (one.request is not None or (looked and self._settings.protocol == "classic")):
            one.then(ErrorCode.COORDINATOR_NOT_AVAILABLE, now_us)
            return False
        if not known:
            return True
        if one.request is None:
            error = self._member.commit_refusal()
            if error:
                self._refuse(one.offsets, False, error)
                one.then(error, now_us)
                return False
            one.request, one.lookups, looked = self._request(one.offsets, False), coordinator.lookups, False
        if looked:  # another coordinator: the connection to the one before was lost
            one.then(ErrorCode.NETWORK_EXCEPTION, now_us)
            return False
        peer = coordinator.ready(now_us)
        if peer is not None:
            self._ask(peer, one.request, one.then, now_us)
        return peer is None

    def holds(self) -> bool:
        """Whether a commitAsync has not been sent and has not ended."""
        return bool(self._held)

    def _request(self, offsets: Offsets, auto: bool) -> OffsetCommitRequest:
        member = self._member
        return OffsetCommitRequest(
            self._group, member.generation, member.member, self._settings.instance, offsets, auto
        )

    def _ask(self, peer: Peer, request: OffsetCommitRequest, then: Then, now_us: int) -> None:
        self._coordinator.ask(
            peer, request, lambda answer, then_us: self._answered(request.generation, answer, then, then_us), now_us
        )

    def _send_now(self, offsets: Offsets, auto: bool, then: Then, now_us: int) -> None:
        """``sendOffsetCommitRequest``."""
        error = self._member.commit_refusal()
        if error:
            self._refuse(offsets, auto, error)
            then(error, now_us)
            return
        peer = self._coordinator.ready(now_us)
        if peer is None:
            then(ErrorCode.COORDINATOR_NOT_AVAILABLE, now_us)
        else:
            self._ask(peer, self._request(offsets, auto), then, now_us)

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
        """Commits that wait for their next attempt, or for the coordinator, may go on."""
        self._release(now_us)
        sync = self._sync
        if sync is None:
            return
        if now_us >= sync.until_us:  # its request may still be answered, but nobody waits for that
            self._end(sync, ErrorCode.REQUEST_TIMED_OUT, now_us)
        elif sync.sent or now_us < sync.wait_until_us:
            return
        elif self._member.commit_refusal() or self._coordinator.ready(now_us) is not None:
            sync.sent = True
            self._send_now(sync.offsets, sync.auto, lambda error, then_us: self._tried(sync, error, then_us), now_us)

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
