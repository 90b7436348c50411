"""A classic consumer group as its coordinator keeps it: members, generations, and who owns what (consumer 3.1).

States: ``EMPTY -> PREPARING_REBALANCE -> COMPLETING_REBALANCE -> STABLE -> PREPARING_REBALANCE ...``; a group whose
coordinator has moved away is simply no longer asked.

Laws: a generation's assignment gives a partition to one member at most, and only who is a member in it (checked by
:meth:`ClassicGroup.assigned`); generations never fall; every JoinGroup and SyncGroup is answered once.

Sources: ``GroupMetadataManager`` and ``ClassicGroup`` of Apache Kafka 4.3; each method names its counterpart. Timers
are never taken back: who rings looks whether there is still something to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Protocol

from sim.errors import LawBroken
from sim.protocol.broker_channels import Channel
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_members import Member, Roster, common_protocol
from sim.protocol.group_messages import (
    ConsumerGroupRecord,
    GroupRecord,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinedMember,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    OffsetCommitRequest,
    OffsetFetchRequest,
    SyncGroupRequest,
    SyncGroupResponse,
)
from sim.protocol.group_sessions import Sessions
from sim.protocol.rows import Kind
from sim.protocol.settings import CoordinatorSettings

__all__ = ["ClassicGroup", "Home", "State"]

_NEW_MEMBER_JOIN_TIMEOUT_US = 300_000_000  # a parked join of a brand-new member is dropped after five minutes
JOINED, LEFT, EXPIRED, NOT_REJOINED, LOADED = 0, 1, 2, 3, 4  # codes of Kind.MEMBER rows


class State(Enum):
    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class Home(Protocol):
    """What a group asks of the coordinator that it lives in."""

    settings: CoordinatorSettings

    def write(self, record: GroupRecord, now_us: int, then: Callable[[int, int], None]) -> None:
        """Append, and call *then* with an error code (0: it is replicated) and the time."""
        ...

    def reply(self, channel: Channel, response: object, now_us: int) -> None:
        """Answer at once."""
        ...

    def reply_in_order(self, channel: Channel, response: object, now_us: int) -> None:
        """Answer once everything written so far is replicated."""
        ...

    def at(self, time_us: int, ring: Callable[[int], None]) -> None: ...

    def record(self, kind: Kind, group: int, epoch: int, n: int, code: int = 0) -> None: ...

    def new_member_id(self, client: str, channel: Channel) -> str: ...


class ClassicGroup:
    """One group."""

    __slots__ = (
        "_home", "_new_member_added", "_pending_sync", "_phase", "_sessions", "generation", "number", "protocol",
        "roster", "state",
    )  # fmt: skip

    def __init__(self, home: Home, number: int) -> None:
        self._home, self.number = home, number
        self.state = State.EMPTY
        self.generation = 0
        self.protocol = ""  # the assignor of this generation
        self.roster = Roster()
        self._sessions = Sessions(self.roster, home.at, self._expired)
        self._phase = 0  # number of the join phase: timers of an older one are void
        self._new_member_added = False  # while the first join phase of an empty group waits
        self._pending_sync: dict[str, None] = {}  # told of the generation, and not yet synced

    # --- JoinGroup ----------------------------------------------------------------------------------------------------
    def join(self, channel: Channel, request: JoinGroupRequest, now_us: int) -> None:
        """``classicGroupJoinToClassicGroup``."""
        settings = self._home.settings
        low, high = settings.min_session_timeout_us, settings.max_session_timeout_us
        if not low <= request.session_timeout_us <= high:
            self._refuse_join(channel, request, ErrorCode.INVALID_SESSION_TIMEOUT, now_us)
        elif self.roster and not common_protocol([*self.roster, Member.of(request, "", -1)]):
            self._refuse_join(channel, request, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, now_us)
        elif not request.member and request.instance:
            self._join_static(channel, request, now_us)
        elif not request.member:
            self._join_first(channel, request, now_us)
        elif request.member in self.roster.pending:
            del self.roster.pending[request.member]
            self._add(channel, request, request.member, now_us)
        else:
            self._join_again(channel, request, now_us)

    def _refuse_join(self, channel: Channel, request: JoinGroupRequest, error: int, now_us: int) -> None:
        self._home.reply(channel, JoinGroupResponse(error, member=request.member), now_us)

    def _join_first(self, channel: Channel, request: JoinGroupRequest, now_us: int) -> None:
        """``classicGroupJoinNewDynamicMember``: it is given an id to join with (consumer:F3.3)."""
        if len(self.roster) + len(self.roster.pending) >= self._home.settings.group_max_size:
            self._refuse_join(channel, request, ErrorCode.GROUP_MAX_SIZE_REACHED, now_us)
            return
        member = self._home.new_member_id(request.client, channel)
        pending = self.roster.pending
        pending[member] = now_us + request.session_timeout_us
        self._home.at(pending[member], lambda then_us: self._forget_pending(member, then_us))
        self._home.reply(channel, JoinGroupResponse(ErrorCode.MEMBER_ID_REQUIRED, member=member), now_us)

    def _forget_pending(self, member: str, now_us: int) -> None:
        if self.roster.pending.get(member, now_us + 1) <= now_us:
            del self.roster.pending[member]
            if self.state is State.PREPARING:
                self._maybe_complete(now_us)

    def _join_static(self, channel: Channel, request: JoinGroupRequest, now_us: int) -> None:
        """``classicGroupJoinNewStaticMember``: the newest process under an instance id wins (consumer:F3.30)."""
        member = self._home.new_member_id(request.instance, channel)
        before = self.roster.static.get(request.instance)
        if before is None:
            self._add(channel, request, member, now_us)
        else:
            self._replace_static(channel, request, self.roster.members[before], member, now_us)

    def _replace_static(
        self, channel: Channel, request: JoinGroupRequest, old: Member, member: str, now_us: int
    ) -> None:
        """``updateStaticMemberThenRebalanceOrCompleteJoin``."""
        new = Member.of(request, member, channel.conn.client)
        self._put_in_place_of(old, new, now_us)
        new.joining = channel
        if self.state is State.STABLE and common_protocol(list(self.roster)) == self.protocol:
            record = self.record()
            self._home.write(record, now_us, lambda error, then_us: self._replaced(old, new, channel, error, then_us))
        elif self.state is State.PREPARING:
            self._maybe_complete(now_us)
        else:
            self._prepare(now_us)

    def _put_in_place_of(self, old: Member, new: Member, now_us: int) -> None:
        """``ClassicGroup.replaceStaticMember``: whoever is parked under the old id is fenced."""
        if old.joining is not None:
            response = JoinGroupResponse(ErrorCode.FENCED_INSTANCE_ID, member=old.id)
            self._home.reply(old.joining, response, now_us)
        if old.syncing is not None:
            self._home.reply(old.syncing, SyncGroupResponse(ErrorCode.FENCED_INSTANCE_ID), now_us)
        new.assignment, new.is_new = old.assignment, False
        self.roster.replace(old, new)
        if old.id in self._pending_sync:
            del self._pending_sync[old.id]
            self._pending_sync[new.id] = None
        self._sessions.alive(new, new.session_timeout_us, now_us)

    def _replaced(self, old: Member, new: Member, channel: Channel, error: int, now_us: int) -> None:
        """The new id is in the log (or is not: the old one counts again). Whether it leads is asked now; a rebalance
        that has begun and ended meanwhile has answered already (``completeJoinFuture``)."""
        parked = new.joining is channel
        if parked:
            new.joining = None
        if error and self.roster.members.get(new.id) is new:
            new.joining = None  # that of a later rebalance is never answered: Kafka drops it here, too
            self._put_in_place_of(new, replace(old, joining=None, syncing=None, watched=False), now_us)
        if parked and error:
            self._home.reply(channel, JoinGroupResponse(error), now_us)
        elif parked:
            told = tuple(one.joined(self.protocol) for one in self.roster) if self.roster.leader == new.id else ()
            self._home.reply(channel, self._join_answer(new, told), now_us)

    def _join_again(self, channel: Channel, request: JoinGroupRequest, now_us: int) -> None:
        """``classicGroupJoinExistingMember``."""
        error = self.roster.objection(request.member, request.instance)
        if error:
            self._refuse_join(channel, request, error, now_us)
            return
        member = self.roster.members[request.member]
        changed = member.protocols != request.protocols
        if self.state is State.EMPTY:
            self._refuse_join(channel, request, ErrorCode.UNKNOWN_MEMBER_ID, now_us)
        elif self.state is State.COMPLETING and not changed:
            self._tell_again(channel, member, now_us)
        elif self.state is State.STABLE and not changed and member.id != self.roster.leader:
            self._tell_again(channel, member, now_us)  # consumer:F3.8
        else:
            member.update(request)
            member.joining = channel
            if self.state is State.PREPARING:
                self._maybe_complete(now_us)
            else:
                self._prepare(now_us)

    def _tell_again(self, channel: Channel, member: Member, now_us: int) -> None:
        """The generation as it is: the answer to the first join may have been lost."""
        members = tuple(one.joined(self.protocol) for one in self.roster.in_order())
        members = members if member.id == self.roster.leader else ()
        self._home.reply(channel, self._join_answer(member, members), now_us)

    def _join_answer(self, member: Member, members: tuple[JoinedMember, ...]) -> JoinGroupResponse:
        return JoinGroupResponse(0, self.generation, self.protocol, self.roster.leader, member.id, members)

    def _add(self, channel: Channel, request: JoinGroupRequest, member_id: str, now_us: int) -> None:
        """``addMemberThenRebalanceOrCompleteJoin``."""
        member = Member.of(request, member_id, channel.conn.client)
        member.joining = channel
        if self.state is State.PREPARING and self._phase < 0:
            self._new_member_added = True
        self.roster.add(member)
        self._home.record(Kind.MEMBER, self.number, self.generation, member.host, JOINED)
        self._sessions.alive(member, _NEW_MEMBER_JOIN_TIMEOUT_US, now_us)
        if self.state is State.PREPARING:
            self._maybe_complete(now_us)
        else:
            self._prepare(now_us)

    # --- join phase ---------------------------------------------------------------------------------------------------
    def _prepare(self, now_us: int) -> None:
        """``prepareRebalance``."""
        if self.state is State.COMPLETING:
            self._abort_sync(ErrorCode.REBALANCE_IN_PROGRESS, now_us)
        first = self.state is State.EMPTY
        self.state = State.PREPARING
        phase = self._next_phase(first)
        if first:
            delay_us = self._home.settings.initial_rebalance_delay_us
            self._new_member_added = False
            left_us = max(self.roster.rebalance_timeout_us - delay_us, 0)
            self._home.at(now_us + delay_us, lambda then_us: self._first_phase(phase, delay_us, left_us, then_us))
        else:
            self._home.at(now_us + self.roster.rebalance_timeout_us, lambda then_us: self._phase_over(phase, then_us))
            self._maybe_complete(now_us)

    def _next_phase(self, first: bool) -> int:
        """Number the join phase; that of an empty group counts below zero."""
        number = abs(self._phase) + 1
        self._phase = -number if first else number
        return self._phase

    def _first_phase(self, phase: int, delay_us: int, left_us: int, now_us: int) -> None:
        """``tryCompleteInitialRebalanceElseSchedule``: whoever joins meanwhile lengthens it (consumer:F3.4, S28)."""
        if phase != self._phase or self.state is not State.PREPARING:
            return
        if not self._new_member_added or left_us == 0:
            self._complete(now_us)
            return
        self._new_member_added = False
        next_us = min(self._home.settings.initial_rebalance_delay_us, left_us)
        rest_us = max(left_us - delay_us, 0)
        self._home.at(now_us + next_us, lambda then_us: self._first_phase(phase, next_us, rest_us, then_us))

    def _maybe_complete(self, now_us: int) -> None:
        """All known members are back, and nobody holds an id that it has not used (``hasAllMembersJoined``)."""
        if self._phase < 0 or self.roster.pending or any(one.joining is None for one in self.roster):
            return
        self._complete(now_us)

    def _phase_over(self, phase: int, now_us: int) -> None:
        if phase == self._phase and self.state is State.PREPARING:
            self._complete(now_us)

    def _complete(self, now_us: int) -> None:
        """``completeClassicGroupJoin``: dynamic members that have not come back are out, static ones stay."""
        roster = self.roster
        for member in [one for one in roster if one.joining is None and not one.instance]:
            self._remove(member, NOT_REJOINED, now_us)
        back = [one for one in roster.in_order() if one.joining is not None]
        if roster and not back:
            phase = self._next_phase(False)
            self._home.at(now_us + self.roster.rebalance_timeout_us, lambda then_us: self._phase_over(phase, then_us))
            return
        if roster and roster.members[roster.leader].joining is None:
            roster.leader = back[0].id
        self._next_phase(False)
        self.generation += 1
        self._home.record(Kind.GENERATION, self.number, self.generation, len(roster))
        if not roster:
            self.state, self.protocol, roster.leader = State.EMPTY, "", ""
            self._home.write(self.record(), now_us, lambda error, then_us: None)
            return
        self.state = State.COMPLETING
        self.protocol = common_protocol(list(roster))
        self._tell_everybody(now_us)

    def _tell_everybody(self, now_us: int) -> None:
        everybody = tuple(one.joined(self.protocol) for one in self.roster.in_order())
        self._pending_sync = dict.fromkeys(self.roster.members)
        for member in self.roster:
            channel, member.joining, member.is_new = member.joining, None, False
            self._sessions.alive(member, member.session_timeout_us, now_us)
            if channel is not None:
                told = everybody if member.id == self.roster.leader else ()
                self._home.reply(channel, self._join_answer(member, told), now_us)
        phase = self._phase
        self._home.at(now_us + self.roster.rebalance_timeout_us, lambda then_us: self._sync_is_late(phase, then_us))

    def _sync_is_late(self, phase: int, now_us: int) -> None:
        """``expirePendingSync``: who was told and never synced is out (consumer:F3.7)."""
        if phase != self._phase or self.state not in (State.COMPLETING, State.STABLE) or not self._pending_sync:
            return
        for member in list(self._pending_sync):
            self._remove(self.roster.members[member], NOT_REJOINED, now_us)
        self._pending_sync = {}
        self._prepare(now_us)

    # --- SyncGroup ----------------------------------------------------------------------------------------------------
    def sync(self, channel: Channel, request: SyncGroupRequest, now_us: int) -> None:
        """``classicGroupSyncToClassicGroup``."""
        error = self.roster.objection(request.member, request.instance)
        if not error and request.generation != self.generation:
            error = ErrorCode.ILLEGAL_GENERATION
        if not error and self.state is State.PREPARING:
            error = ErrorCode.REBALANCE_IN_PROGRESS
        if error:
            self._home.reply(channel, SyncGroupResponse(error), now_us)
            return
        member = self.roster.members[request.member]
        self._pending_sync.pop(member.id, None)
        self._sessions.alive(member, member.session_timeout_us, now_us)
        if self.state is State.STABLE:
            self._home.reply(channel, SyncGroupResponse(0, member.assignment), now_us)
            return
        member.syncing = channel
        if member.id == self.roster.leader:
            self.assigned(request.assignments)
            phase = self._phase
            self._home.write(self.record(), now_us, lambda error, then_us: self._written(phase, error, then_us))

    def assigned(self, assignments: dict[str, tuple[int, ...]]) -> None:
        """The leader's word. Raise where it gives a partition twice: our assignors are wrong then."""
        owner: dict[int, str] = {}
        for member in self.roster:
            member.assignment = assignments.get(member.id, ())
            for partition in member.assignment:
                if owner.setdefault(partition, member.id) != member.id:
                    what = f"group {self.number}, generation {self.generation}: {owner[partition]} and {member.id}"
                    raise LawBroken("GROUP-1", f"{what} both own partition {partition}")

    def _written(self, phase: int, error: int, now_us: int) -> None:
        """The assignment is in the log (or is not): whoever waits is told (``setAndPropagateAssignment``)."""
        if phase != self._phase or self.state is not State.COMPLETING:
            return
        if error:
            self._abort_sync(error, now_us)
            self._prepare(now_us)
            return
        self.state = State.STABLE
        for member in self.roster:
            channel, member.syncing = member.syncing, None
            if channel is not None:
                self._sessions.alive(member, member.session_timeout_us, now_us)
                self._home.reply(channel, SyncGroupResponse(0, member.assignment), now_us)

    def _abort_sync(self, error: int, now_us: int) -> None:
        """``resetAndPropagateAssignmentWithError``."""
        self._pending_sync = {}
        for member in self.roster:
            channel, member.syncing, member.assignment = member.syncing, None, ()
            if channel is not None:
                self._home.reply(channel, SyncGroupResponse(error), now_us)

    # --- Heartbeat, LeaveGroup, OffsetCommit --------------------------------------------------------------------------
    def heartbeat(self, channel: Channel, request: HeartbeatRequest, now_us: int) -> None:
        """``classicGroupHeartbeatToClassicGroup``."""
        error = self.roster.objection(request.member, request.instance)
        if not error and request.generation != self.generation:
            error = ErrorCode.ILLEGAL_GENERATION
        if not error:
            member = self.roster.members[request.member]
            self._sessions.alive(member, member.session_timeout_us, now_us)
            if self.state is State.PREPARING:
                error = ErrorCode.REBALANCE_IN_PROGRESS
        self._home.reply_in_order(channel, HeartbeatResponse(error), now_us)

    def leave(self, channel: Channel, request: LeaveGroupRequest, now_us: int) -> None:
        """``classicGroupLeaveToClassicGroup``."""
        error = 0
        if request.member in self.roster.pending:
            del self.roster.pending[request.member]
            if self.state is State.PREPARING:
                self._maybe_complete(now_us)
        else:
            error = self.roster.objection(request.member, request.instance)
        if not error and request.member in self.roster.members:
            self._remove(self.roster.members[request.member], LEFT, now_us)
            self._fewer(now_us)
        self._home.reply_in_order(channel, LeaveGroupResponse(error), now_us)

    def _fewer(self, now_us: int) -> None:
        """A member is gone (``removeMemberAndUpdateClassicGroup``)."""
        if self.state is State.PREPARING:
            self._maybe_complete(now_us)
        elif self.state is not State.EMPTY:
            self._prepare(now_us)

    def objection(self, request: OffsetCommitRequest) -> int:
        """Why a commit is refused, 0 if it is taken (``ClassicGroup.validateOffsetCommit``, consumer:F3.1)."""
        if request.generation < 0 and not request.member:
            return 0 if self.state is State.EMPTY else ErrorCode.UNKNOWN_MEMBER_ID
        error = self.roster.objection(request.member, request.instance)
        if error:
            return error
        if request.generation != self.generation:
            return ErrorCode.ILLEGAL_GENERATION
        return ErrorCode.REBALANCE_IN_PROGRESS if self.state is State.COMPLETING else 0

    def fetch_objection(self, request: OffsetFetchRequest) -> int:
        """A classic member does not say who asks for offsets, and anybody is answered."""
        return 0

    def committed(self, request: OffsetCommitRequest, now_us: int) -> None:
        """An accepted commit is a sign of life (consumer:F3.2)."""
        member = self.roster.members.get(request.member)
        if member is not None and self.state in (State.STABLE, State.PREPARING):
            self._sessions.alive(member, member.session_timeout_us, now_us)

    def _expired(self, member: Member, now_us: int) -> None:
        self._remove(member, EXPIRED, now_us)
        self._fewer(now_us)

    def _remove(self, member: Member, why: int, now_us: int) -> None:
        """Whoever is parked in a JoinGroup joins again, if it is still there (``removeMemberAndUpdateClassicGroup``,
        ``removeCurrentMemberFromClassicGroup``)."""
        if member.joining is not None:
            self._home.reply(member.joining, JoinGroupResponse(ErrorCode.UNKNOWN_MEMBER_ID), now_us)
            member.joining = None
        self.roster.remove(member)
        self._pending_sync.pop(member.id, None)
        self._home.record(Kind.MEMBER, self.number, self.generation, member.host, why)

    # --- the log ------------------------------------------------------------------------------------------------------
    def resign(self, now_us: int) -> None:
        """The coordinator is elsewhere now: whoever is parked here looks for it (``onUnloaded``)."""
        self._next_phase(False)
        self._abort_sync(ErrorCode.NOT_COORDINATOR, now_us)
        for member in self.roster:
            channel, member.joining = member.joining, None
            if channel is not None:
                self._home.reply(channel, JoinGroupResponse(ErrorCode.NOT_COORDINATOR, member=member.id), now_us)

    def record(self) -> GroupRecord:
        """The group as it is written."""
        kept = tuple(one.kept(self.protocol) for one in self.roster)
        return GroupRecord(self.number, self.generation, self.protocol, self.roster.leader, kept)

    def load(self, record: GroupRecord | ConsumerGroupRecord) -> None:
        """As the log says it; sessions begin when all is loaded (``onLoaded``, consumer:F3.9)."""
        assert isinstance(record, GroupRecord)
        self.generation, self.protocol = record.generation, record.protocol
        self.roster.load(record)
        self.state = State.STABLE if record.members else State.EMPTY

    def loaded(self, now_us: int) -> None:
        self._home.record(Kind.COORDINATES, self.number, self.generation, len(self.roster))
        for member in self.roster:
            self._home.record(Kind.MEMBER, self.number, self.generation, member.host, LOADED)
            self._sessions.alive(member, member.session_timeout_us, now_us)
