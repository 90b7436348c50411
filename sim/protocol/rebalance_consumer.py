"""How a member of a KIP-848 group takes up what it is assigned, in its application's polls.

In this order (consumer:F3.21): what it loses is marked, so that nothing of it is handed over or fetched any more; all
positions are committed if that is automatic; ``onPartitionsRevoked``; the new partitions and ``onPartitionsAssigned``;
the acknowledgement. Each callback runs at the begin of a poll, and the poll then goes on to return what it has: where
records never run out, the partitions are free only two polls after the mark.

A fenced or stale member lets go of everything at its next poll and joins again. As if the application always had a
``ConsumerRebalanceListener``: without one the client would let go, and join again, without waiting for a poll.

Simplified: while a topic is not in the client's metadata nothing is taken up (Kafka takes up the other topics first).

Sources: 4.3.0 ``AbstractMembershipManager.maybeReconcile``, ``revokeAndAssign``,
``AsyncKafkaConsumer.checkInflightPoll``, ``CommitRequestManager.maybeAutoCommitSyncBeforeRebalance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from sim.protocol.client_network import Backoff
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.member_consumer import ConsumerMembership, MemberState
from sim.protocol.offset_client import OffsetClient, retriable
from sim.protocol.port import Port
from sim.protocol.rebalance import Owner
from sim.protocol.settings import MemberSettings, ReaderSettings

__all__ = ["ConsumerRebalance"]

_NEVER = 1 << 62
_OVERTAKES = 1 << 29  # of 1 << 32: an eighth


class Stage(Enum):
    IDLE = 0
    COMMITTING = 1
    REVOKING = 2  # onPartitionsRevoked is to run
    ASSIGNING = 3  # ... and onPartitionsAssigned


class ConsumerRebalance:
    """One member's part."""

    __slots__ = (
        "_failures", "_fetches", "_member", "_new", "_offsets", "_owner", "_port", "_retry", "_retry_us", "_settings",
        "_stage", "_until_us", "unfinished",
    )  # fmt: skip

    def __init__(
        self, port: Port, owner: Owner, member: ConsumerMembership, fetches: FetchClient, offsets: OffsetClient,
        settings: MemberSettings, reader: ReaderSettings,
    ) -> None:  # fmt: skip
        self._port, self._owner, self._member, self._settings = port, owner, member, settings
        self._fetches, self._offsets = fetches, offsets
        self._retry = Backoff(reader.retry_backoff_us, reader.retry_backoff_max_us)
        self._stage = Stage.IDLE
        self._new: tuple[int, tuple[int, ...]] = (-1, ())  # the assignment that is being taken up
        self._until_us = self._retry_us = self._failures = 0
        self.unfinished = False

    def at_rest(self) -> bool:
        return self._member.state is MemberState.STABLE

    def may_commit(self) -> bool:
        return self._stage is not Stage.COMMITTING

    def commits_late(self) -> bool:
        """The background thread commits while the application's takes records (consumer:F2.2). How often it comes
        second hangs on threads; here it is drawn."""
        return self._port.draw("auto-commit-race") < _OVERTAKES

    def deadlines(self) -> Iterator[int]:
        if self._stage is Stage.COMMITTING:
            yield self._until_us
            yield self._retry_us

    def step(self, now_us: int) -> bool:
        member = self._member
        self.unfinished = False
        if member.state is MemberState.UNSUBSCRIBED:
            member.join()
            member.tick(now_us)
        elif member.state in (MemberState.FENCED, MemberState.STALE):
            self._stage = Stage.IDLE
            self._owner.revoke(tuple(self._fetches.assigned), True, now_us)
            member.join()
            member.tick(now_us)
        elif member.state is MemberState.RECONCILING:
            self._go_on(now_us)
        return False

    def _go_on(self, now_us: int) -> None:
        match self._stage:
            case Stage.IDLE:
                self._begin(now_us)
            case Stage.COMMITTING:
                self._try_again(now_us)
            case Stage.REVOKING:
                self._stage = Stage.ASSIGNING
                self.unfinished = True
                self._owner.revoke(self._losing(), False, now_us)
            case Stage.ASSIGNING:
                owned = self._fetches.assigned
                self._owner.assign(tuple(partition for partition in self._new[1] if partition not in owned))
                self._owner.commit_an_interval_from(now_us)
                self._end(now_us)

    def _losing(self) -> tuple[int, ...]:
        return tuple(partition for partition in self._fetches.assigned if partition not in self._new[1])

    def _begin(self, now_us: int) -> None:
        member, fetches = self._member, self._fetches
        if not fetches.knows_topics():
            fetches.ask_metadata(now_us)
            return
        self._new = member.target
        if member.taken[0] >= 0 and set(member.taken[1]) == set(self._new[1]):
            self._end(now_us)
            return
        for partition in self._losing():
            fetches.assigned[partition].held = True
        self._until_us, self._failures = now_us + self._settings.max_poll_interval_us, 0
        if self._settings.auto_commit:
            self._stage = Stage.COMMITTING
            self._send(now_us)
        else:
            self._committed()

    def _committed(self) -> None:
        self._stage = Stage.REVOKING if self._losing() else Stage.ASSIGNING
        self.unfinished = True

    def _end(self, now_us: int) -> None:
        self._stage = Stage.IDLE
        self._member.took(self._new)
        self._member.tick(now_us)

    # --- the automatic commit before it -------------------------------------------------------------------------------
    def _send(self, now_us: int) -> None:
        self._retry_us = _NEVER
        self._offsets.commit(self._owner.consumed(), True, self._sent, now_us)

    def _sent(self, error: int, now_us: int) -> None:
        """It is sent again until it is taken, refused for good, or its time is over."""
        if self._stage is not Stage.COMMITTING or self._member.state is not MemberState.RECONCILING:
            return
        stale = error == ErrorCode.STALE_MEMBER_EPOCH and self._member.generation > 0
        if (retriable(error) or stale) and now_us < self._until_us:
            self._failures += 1
            delay_us = self._retry.delay_us(self._failures, self._port.draw("member-commit"))
            self._retry_us = min(now_us + delay_us, self._until_us)
        else:
            self._committed()

    def _try_again(self, now_us: int) -> None:
        if now_us >= self._until_us:
            self._committed()
        elif now_us >= self._retry_us:
            self._send(now_us)
