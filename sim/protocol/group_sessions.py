"""Sessions of a classic group's members: who has been silent for too long is out.

Law: a member has one alarm that counts, at its ``alarm_us``; alarms are never taken back, and one that does not count
any more rings for nothing. A sign of life only moves the end of the session: the alarm that is set looks again.

Sources: ``rescheduleClassicGroupMemberHeartbeat``, ``expireClassicGroupMemberHeartbeat`` of ``GroupMetadataManager``.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.protocol.group_members import Member, Roster

__all__ = ["Sessions"]


class Sessions:
    """Sessions of the members in *roster*. *at*: sets a timer; *expired*: is told of a member that is out."""

    __slots__ = ("_at", "_expired", "_roster")

    def __init__(
        self, roster: Roster, at: Callable[[int, Callable[[int], None]], None], expired: Callable[[Member, int], None]
    ) -> None:
        self._roster, self._at, self._expired = roster, at, expired

    def alive(self, member: Member, for_us: int, now_us: int) -> None:
        """The member gave a sign of life; silent for *for_us* microseconds from now, it is out."""
        member.session_until_us = now_us + for_us
        if not member.watched or member.session_until_us < member.alarm_us:
            self._arm(member)

    def _arm(self, member: Member) -> None:
        member.watched, member.alarm_us = True, member.session_until_us
        alarm_us = member.alarm_us
        self._at(alarm_us, lambda then_us: self._look_at(member, alarm_us, then_us))

    def _look_at(self, member: Member, alarm_us: int, now_us: int) -> None:
        """``expireClassicGroupMemberHeartbeat``; a parked Join or Sync is a sign of life (consumer:F3.6)."""
        if self._roster.members.get(member.id) is not member or alarm_us != member.alarm_us:
            return
        waits = not member.is_new and (member.joining is not None or member.syncing is not None)
        if now_us < member.session_until_us or waits:
            if waits:
                member.watched = False  # its answer starts the session anew
            else:
                self._arm(member)
            return
        self._expired(member, now_us)
