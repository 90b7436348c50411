"""A group of the new protocol (KIP-848) as its coordinator keeps it: timers, log and rows around ``ConsumerGroup``.

Whatever a heartbeat changes is appended before it is answered; one that changes nothing is answered behind what was
written before it. A refused one is answered at once. Timers are never taken back: who rings looks whether there is
still something to do.

Laws: a partition has one owner at a time (``ConsumerGroup``); group epochs never fall; every heartbeat is answered
once.

Sources: 4.3.0 ``GroupMetadataManager``: ``consumerGroupHeartbeat``, ``consumerGroupLeave``,
``scheduleConsumerGroupSessionTimeout``, ``scheduleConsumerGroupRebalanceTimeout``, ``onLoaded``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sim.protocol.assign_input import TopicPartition
from sim.protocol.assign_server import server_range, server_uniform
from sim.protocol.assign_target import ServerAssignor
from sim.protocol.broker_channels import Channel
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_classic import EXPIRED, JOINED, LEFT, LOADED, NOT_REJOINED
from sim.protocol.group_messages import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupRecord,
    GroupRecord,
    OffsetCommitRequest,
    OffsetFetchRequest,
)
from sim.protocol.group_reconcile import ConsumerGroupMember, MemberState
from sim.protocol.group_target import JOIN_EPOCH, LEAVE_STATIC_EPOCH, ConsumerGroup, GroupState
from sim.protocol.rows import Kind
from sim.protocol.settings import CoordinatorSettings

__all__ = ["ASSIGNORS", "ModernGroup", "ModernHome"]

ASSIGNORS: dict[str, ServerAssignor] = {"uniform": server_uniform, "range": server_range}
MOVED = 5  # code of Kind.MEMBER rows: a member has reached another epoch


class ModernHome(Protocol):
    """What such a group asks of the coordinator that it lives in (``group_classic.Home``, and topics)."""

    settings: CoordinatorSettings

    def write(self, record: ConsumerGroupRecord, now_us: int, then: Callable[[int, int], None]) -> None: ...

    def reply(self, channel: Channel, response: object, now_us: int) -> None: ...

    def reply_in_order(self, channel: Channel, response: object, now_us: int) -> None: ...

    def at(self, time_us: int, ring: Callable[[int], None]) -> None: ...

    def record(self, kind: Kind, group: int, epoch: int, n: int, code: int = 0) -> None: ...

    def topic_names(self) -> Mapping[int, str]:
        """Of the topics that this broker knows, by number."""
        ...

    def topic_id(self, topic: int) -> int: ...

    def topic_partitions(self, topic: int) -> tuple[int, ...]:
        """Run-wide numbers by index, as this broker knows them now."""
        ...


class ModernGroup:
    """One group."""

    __slots__ = ("_home", "_known", "_late", "_names", "_numbers", "_until", "_watched", "group", "number")

    def __init__(self, home: ModernHome, number: int) -> None:
        self._home, self.number = home, number
        settings = home.settings
        self.group = ConsumerGroup(
            ASSIGNORS[settings.assignors[0]], settings.assignment_interval_us, {}, {},
            {name: ASSIGNORS[name] for name in settings.assignors},
        )  # fmt: skip
        self._known: dict[int, tuple[int, ...]] = {}  # partitions of each topic, as of the last look
        self._numbers: dict[TopicPartition, int] = {}
        self._names: dict[int, TopicPartition] = {}
        self._until: dict[str, int] = {}  # end of each member's session
        self._watched: dict[str, None] = {}  # an alarm is set
        self._late: dict[str, tuple[int, int]] = {}  # who gives up: (until when, its epoch)

    # --- ConsumerGroupHeartbeat ---------------------------------------------------------------------------------------
    def heartbeat(self, channel: Channel, request: ConsumerGroupHeartbeatRequest, now_us: int) -> None:
        self._look_at_topics()
        if request.epoch < JOIN_EPOCH:
            self._leave(channel, request, now_us)
            return
        if request.member not in self.group.members and len(self.group.members) >= self._home.settings.modern_max_size:
            self._home.reply(channel, ConsumerGroupHeartbeatResponse(ErrorCode.GROUP_MAX_SIZE_REACHED), now_us)
            return
        names = self._home.topic_names()
        before, was = self.group.kept(), self.group.members.get(request.member)
        answer = self.group.heartbeat(
            now_us, request.member, request.epoch,
            None if request.topics is None else [names[topic] for topic in request.topics],
            None if request.owned is None else [self._name(one) for one in request.owned],
            request.instance or None,
            rebalance_timeout_us=request.rebalance_timeout_us, assignor=request.assignor, host=channel.conn.client,
        )  # fmt: skip
        if answer.error:
            self._home.reply(channel, ConsumerGroupHeartbeatResponse(answer.error), now_us)
            return
        self._alive(request.member, now_us)
        self._watch_revocation(was, self.group.members[request.member], now_us)
        told = None if answer.assignment is None else tuple(self._numbers[one] for one in answer.assignment)
        interval_us = self._home.settings.heartbeat_interval_us
        self._answer(channel, ConsumerGroupHeartbeatResponse(0, answer.epoch, interval_us, told), before, now_us)

    def _leave(self, channel: Channel, request: ConsumerGroupHeartbeatRequest, now_us: int) -> None:
        """A static member that leaves for a while keeps its session: it ends where it would have ended anyway."""
        before = self.group.kept()
        error = self.group.leave(request.member, request.epoch, request.instance or None)
        if error:
            self._home.reply(channel, ConsumerGroupHeartbeatResponse(error), now_us)
            return
        self._answer(channel, ConsumerGroupHeartbeatResponse(0, request.epoch), before, now_us)

    def _answer(
        self, channel: Channel, response: ConsumerGroupHeartbeatResponse, before: GroupState, now_us: int
    ) -> None:
        if not self._changed(before, LEFT):
            self._home.reply_in_order(channel, response, now_us)
            return

        def replicated(error: int, then_us: int) -> None:
            self._home.reply(channel, ConsumerGroupHeartbeatResponse(error) if error else response, then_us)

        self._home.write(self._record(), now_us, replicated)

    def _look_at_topics(self) -> None:
        """Topics that this broker has learned of since the last look (``onMetadataUpdate``)."""
        names, home = self._home.topic_names(), self._home
        known = {topic: home.topic_partitions(topic) for topic in names}
        if known == self._known:
            return
        self._known = known
        self._number({(names[topic], index): one for topic, ones in known.items() for index, one in enumerate(ones)})
        there = {names[topic]: len(ones) for topic, ones in known.items() if ones}
        self.group.new_metadata(there, {names[topic]: home.topic_id(topic) for topic in names})

    def _number(self, numbers: Mapping[TopicPartition, int]) -> None:
        """Take note of partitions; none is forgotten, as members may know more of them than this broker does."""
        self._numbers.update(numbers)
        self._names.update((number, name) for name, number in numbers.items())

    def _name(self, partition: int) -> TopicPartition:
        return self._names.get(partition, ("", partition))

    def _record(self) -> ConsumerGroupRecord:
        return ConsumerGroupRecord(self.number, self.group.kept(), dict(self._numbers))

    # --- offsets ------------------------------------------------------------------------------------------------------
    def objection(self, request: OffsetCommitRequest) -> int:
        """Why a commit is refused, 0 if it is taken. One partition that is refused refuses the request."""
        self._look_at_topics()
        for partition in request.offsets:
            error = self.group.commit_error(request.member, request.generation, self._name(partition))
            if error:
                return error
        return 0

    def fetch_objection(self, request: OffsetFetchRequest) -> int:
        return self.group.fetch_error(request.member, request.generation)

    def committed(self, request: OffsetCommitRequest, now_us: int) -> None:
        """A commit is no sign of life here (consumer:F3.2)."""

    # --- timers -------------------------------------------------------------------------------------------------------
    def _alive(self, member: str, now_us: int) -> None:
        self._until[member] = now_us + self._home.settings.modern_session_timeout_us
        if member not in self._watched:
            self._watched[member] = None
            self._home.at(self._until[member], lambda then_us: self._look_at(member, then_us))

    def _look_at(self, member: str, now_us: int) -> None:
        until_us = self._until.get(member)
        if until_us is not None and now_us < until_us:
            self._home.at(until_us, lambda then_us: self._look_at(member, then_us))
            return
        del self._watched[member]
        if until_us is not None:
            self._fence(member, EXPIRED, now_us)

    def _watch_revocation(self, was: ConsumerGroupMember | None, member: ConsumerGroupMember, now_us: int) -> None:
        """``maybeReconcile``: with every step, for as long as the member gives up."""
        if was is not None and _way(was) == _way(member):
            return
        if member.state is not MemberState.UNREVOKED_PARTITIONS:
            self._late.pop(member.member_id, None)
            return
        self._give_time(member, now_us)

    def _give_time(self, member: ConsumerGroupMember, now_us: int) -> None:
        mark = (now_us + member.rebalance_timeout_us, member.epoch)
        self._late[member.member_id] = mark
        self._home.at(mark[0], lambda then_us: self._revocation_is_late(member.member_id, mark, then_us))

    def _revocation_is_late(self, member: str, mark: tuple[int, int], now_us: int) -> None:
        """consumer:F3.24."""
        if self._late.get(member) != mark:
            return
        del self._late[member]
        if self.group.members[member].epoch == mark[1]:
            self._fence(member, NOT_REJOINED, now_us)

    def _fence(self, member: str, why: int, now_us: int) -> None:
        self._look_at_topics()
        before = self.group.kept()
        self.group.fence(member)
        self._changed(before, why)
        self._home.write(self._record(), now_us, lambda error, then_us: None)

    # --- rows and the log ---------------------------------------------------------------------------------------------
    def _changed(self, before: GroupState, why: int) -> bool:
        """Rows of what is different now, and whether anything is. *why*: a member that is gone went."""
        now = self.group.kept()
        if now == before:
            return False
        home, members = self._home, self.group.members
        if now.group_epoch != before.group_epoch:
            home.record(Kind.GENERATION, self.number, now.group_epoch, len(members))
        for was in before.members:
            member = members.get(was.member_id)
            if member is None:
                self._until.pop(was.member_id, None)
                self._late.pop(was.member_id, None)
            if was.epoch != LEAVE_STATIC_EPOCH and (member is None or member.epoch == LEAVE_STATIC_EPOCH):
                home.record(Kind.MEMBER, self.number, was.epoch, was.host, why)
        known = {was.member_id: was for was in before.members if was.epoch != LEAVE_STATIC_EPOCH}
        for member in members.values():
            former = known.get(member.member_id)
            if member.epoch != LEAVE_STATIC_EPOCH and (former is None or former.epoch != member.epoch):
                code = JOINED if former is None else MOVED
                home.record(Kind.MEMBER, self.number, member.epoch, member.host, code)
        return True

    def load(self, record: GroupRecord | ConsumerGroupRecord) -> None:
        assert isinstance(record, ConsumerGroupRecord)
        self._number(record.numbers)
        self.group.load(record.state)

    def loaded(self, now_us: int) -> None:
        """Sessions and the time to give up begin anew."""
        home, members = self._home, self.group.members
        home.record(Kind.COORDINATES, self.number, self.group.group_epoch, len(members))
        for member in members.values():
            if member.epoch != LEAVE_STATIC_EPOCH:
                home.record(Kind.MEMBER, self.number, member.epoch, member.host, LOADED)
            self._alive(member.member_id, now_us)
            if member.state is MemberState.UNREVOKED_PARTITIONS:
                self._give_time(member, now_us)

    def resign(self, now_us: int) -> None:
        """The coordinator is elsewhere now. Nobody is parked here."""


def _way(member: ConsumerGroupMember) -> tuple[object, ...]:
    return member.epoch, member.previous_epoch, member.state, member.assigned, member.revoking
