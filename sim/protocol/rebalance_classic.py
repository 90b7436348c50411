"""How a member of a classic group takes part in a rebalance, in its application's polls (``ConsumerCoordinator.poll``).

Before a join the positions are committed and, with an eager assignor, everything is given up; behind it the new
assignment is taken up, and what a cooperative member loses is given up with another join (consumer 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from sim.protocol.fetch_client import FetchClient
from sim.protocol.member_classic import Membership, MemberState
from sim.protocol.offset_client import OffsetClient, Offsets, retriable
from sim.protocol.rebalance import Owner
from sim.protocol.settings import MemberSettings, ReaderSettings

__all__ = ["ClassicRebalance"]

_NEVER = 1 << 62


class Prepare(Enum):
    """How far the preparation of a join is (``onJoinPrepare``)."""

    NOT_BEGUN = 0
    COMMITTING = 1  # the automatic commit before the join is under way
    COMMITTED = 2
    DONE = 3  # callbacks have run: a JoinGroup may be sent


class ClassicRebalance:
    """One member's part."""

    __slots__ = (
        "_fetches", "_member", "_offsets", "_owner", "_prepare", "_reader", "_retry_us", "_settings", "_until_us",
        "unfinished",
    )  # fmt: skip

    def __init__(
        self, owner: Owner, member: Membership, fetches: FetchClient, offsets: OffsetClient, settings: MemberSettings,
        reader: ReaderSettings,
    ) -> None:  # fmt: skip
        self._owner, self._member, self._settings, self._reader = owner, member, settings, reader
        self._fetches, self._offsets = fetches, offsets
        self._prepare = Prepare.NOT_BEGUN
        self._until_us = self._retry_us = 0
        self.unfinished = False  # whatever is left to do waits for an answer

    def at_rest(self) -> bool:
        return self._member.state is MemberState.STABLE and not self._member.rejoin_needed

    def may_commit(self) -> bool:
        return self._member.state is MemberState.STABLE

    def commits_late(self) -> bool:
        """One thread does both, in order (consumer:F2.2)."""
        return False

    def deadlines(self) -> Iterator[int]:
        if self._prepare is Prepare.COMMITTING and self._owner.polling():
            yield self._until_us
            yield self._retry_us

    def step(self, now_us: int) -> bool:
        member, fetches = self._member, self._fetches
        if member.assignment is not None:
            return self._assigned(now_us)
        if member.topics_changed() and member.state is MemberState.STABLE:
            member.rejoin_needed = True
        if not member.rejoin_needed or member.joining():
            return False
        if not fetches.knows_topics():
            fetches.ask_metadata(now_us)
            return False
        if self._prepare is Prepare.DONE and member.generation < 0 and fetches.assigned:
            self._prepare = Prepare.NOT_BEGUN  # put out during the join: all is lost (``resetStateAndRejoin``)
        if self._prepare in (Prepare.NOT_BEGUN, Prepare.COMMITTING):
            self._commit(now_us)
        if self._prepare is Prepare.COMMITTED:
            return self._give_up(now_us)
        if self._prepare is Prepare.DONE:
            member.join(now_us)
        return False

    def _commit(self, now_us: int) -> None:
        """Eager: nothing is handed over any more while the automatic commit is under way (consumer:F3.14)."""
        fetches = self._fetches
        if self._prepare is Prepare.NOT_BEGUN:
            self._until_us = now_us + self._settings.max_poll_interval_us
            if not self._settings.auto_commit or not fetches.assigned or self._member.generation < 0:
                self._prepare = Prepare.COMMITTED
                return
            self._prepare = Prepare.COMMITTING
            self._retry_us = now_us
            consumed = self._owner.consumed()
            if not self._settings.cooperative:
                for one in fetches.assigned.values():
                    one.held = True
            self._send(consumed, now_us)
        elif now_us >= self._until_us:
            self._prepare = Prepare.COMMITTED
        elif now_us >= self._retry_us:
            self._send(self._owner.consumed(), now_us)

    def _send(self, offsets: Offsets, now_us: int) -> None:
        self._retry_us = _NEVER

        def ended(error: int, then_us: int) -> None:
            if self._prepare is not Prepare.COMMITTING:
                return
            if retriable(error):
                self._retry_us = then_us + self._reader.retry_backoff_us
            else:
                self._prepare = Prepare.COMMITTED

        self._offsets.commit(offsets, True, ended, now_us)

    def _give_up(self, now_us: int) -> bool:
        """Eager: everything; cooperative: only what is lost (``onJoinPrepare``)."""
        lost = self._member.generation < 0
        partitions = tuple(self._fetches.assigned) if lost or not self._settings.cooperative else ()
        self._prepare = Prepare.DONE
        return self._owner.revoke(partitions, lost, now_us)

    def _assigned(self, now_us: int) -> bool:
        """``onJoinComplete``: cooperative members give up first, and join once more."""
        member, owned = self._member, self._fetches.assigned
        new = member.assignment
        assert new is not None
        gone = tuple(partition for partition in owned if partition not in new)
        if gone:
            member.rejoin_needed = member.rejoin_needed or self._settings.cooperative
            self._owner.revoke(gone, False, now_us)
            return self._owner.polling()
        member.assignment = None
        self._prepare = Prepare.NOT_BEGUN
        self._owner.commit_an_interval_from(now_us)
        self._owner.assign(tuple(partition for partition in new if partition not in owned))
        return True
