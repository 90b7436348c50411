"""A KIP-848 consumer group at its coordinator: who is in it, what each shall have, and what each has.

A plain object without clock or messages: every heartbeat is a call, every answer a value. Three epochs: the *group's*
rises when members, subscriptions or topics change; the *target's* is that of the group when the target assignment was
last computed; a *member's* is that of the target it has reached. The target is computed at a heartbeat, at most once
per ``group.consumer.assignment.interval.ms`` (consumer:F3.40). The caller keeps the timers: a session timeout for each
member, and the rebalance timeout while ``members[id].state`` is UNREVOKED_PARTITIONS. When one fires it calls
``fence``.

Laws: a partition belongs to one member at a time, until a heartbeat of that one no longer lists it; group and target
epochs never fall.

Sources: 4.3.0 ``GroupMetadataManager.consumerGroupHeartbeat`` and what it calls, ``ConsumerGroup``; consumer:F3.19 to
F3.26, consumer:F3.31, consumer:F3.40.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sim.errors import LawBroken
from sim.protocol.assign_input import Subscription, TopicPartition
from sim.protocol.assign_target import GroupSpec, ServerAssignor, Target
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_reconcile import ConsumerGroupMember, Owned, reconcile
from sim.protocol.java_order import hash_map_order, string_hash

__all__ = ["JOIN_EPOCH", "LEAVE_EPOCH", "LEAVE_STATIC_EPOCH", "ConsumerGroup", "GroupState", "HeartbeatAnswer"]

JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH = 0, -1, -2


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """``assignment``: everything the member has now, or None where nothing changed for it."""

    error: ErrorCode
    epoch: int = -1
    assignment: tuple[TopicPartition, ...] | None = None


@dataclass(frozen=True, slots=True)
class GroupState:
    """All that a group is, as the log keeps it and a new coordinator reads it."""

    group_epoch: int
    target_epoch: int
    computed_us: int | None  # when the target was computed (``assignmentTimestamp``)
    members: tuple[ConsumerGroupMember, ...]
    target: Mapping[str, Target]
    seen: Mapping[str, tuple[int, int]]  # id and size of each subscribed topic (``metadataHash``)


class ConsumerGroup:
    """*interval_us*: group.consumer.assignment.interval.ms. *partitions*, *topic_ids*: the coordinator's metadata.
    *assignor* is the default; *named*: those that members may ask for (``group.remote.assignor``)."""

    def __init__(
        self, assignor: ServerAssignor, interval_us: int, partitions: Mapping[str, int], topic_ids: Mapping[str, int],
        named: Mapping[str, ServerAssignor] | None = None,
    ) -> None:  # fmt: skip
        self.members: dict[str, ConsumerGroupMember] = {}
        self.target: dict[str, Target] = {}
        self.group_epoch = self.target_epoch = 0
        self._assignor, self._interval_us, self._named = assignor, interval_us, named or {}
        self._partitions, self._topic_ids = partitions, topic_ids
        self._computed_us: int | None = None
        self._refresh = False
        self._seen: dict[str, tuple[int, int]] = {}  # id and size of subscribed topics, as of the last look
        self._static: dict[str, str] = {}  # member id of each group.instance.id
        self._epoch_of: dict[TopicPartition, int] = {}

    def new_metadata(self, partitions: Mapping[str, int], topic_ids: Mapping[str, int]) -> None:
        """Topics came, went or grew; the next heartbeat of any member looks at it (consumer:F3.28)."""
        self._partitions, self._topic_ids, self._refresh = partitions, topic_ids, True

    # --- the log --------------------------------------------------------------------------------------------------
    def kept(self) -> GroupState:
        return GroupState(
            self.group_epoch, self.target_epoch, self._computed_us, tuple(self.members.values()), dict(self.target),
            dict(self._seen),
        )  # fmt: skip

    def load(self, state: GroupState) -> None:
        """Be as *state* says (``GroupMetadataManager.replay``)."""
        for member in list(self.members.values()):
            self._forget(member)
        self.group_epoch, self.target_epoch = state.group_epoch, state.target_epoch
        self._computed_us = state.computed_us
        self.target, self._seen = dict(state.target), dict(state.seen)
        self._refresh = True  # topics may have changed while nobody coordinated
        for member in state.members:
            self._store(member)

    # --- heartbeats -----------------------------------------------------------------------------------------------
    def heartbeat(
        self,
        now_us: int,
        member_id: str,
        epoch: int,
        topics: Collection[str] | None = None,
        owned: Owned = None,
        instance_id: str | None = None,
        *,
        rebalance_timeout_us: int | None = None,
        assignor: str | None = None,
        host: int = -1,
    ) -> HeartbeatAnswer:
        """*epoch* 0 joins. *topics*, *owned*, *rebalance_timeout_us*, *assignor*: None if unchanged since the last
        heartbeat; a full request has the first two. *host*: whose heartbeat it is, for the trace."""
        error = self._refusal(member_id, epoch, owned, instance_id)
        if error:
            return HeartbeatAnswer(error)
        member = self._member(member_id, epoch, instance_id)
        before = self.members.get(member_id, member)
        changed = topics is not None and frozenset(topics) != member.topics
        member = replace(
            member, host=host,
            topics=member.topics if topics is None else frozenset(topics),
            assignor=member.assignor if assignor is None else assignor,
            rebalance_timeout_us=member.rebalance_timeout_us if rebalance_timeout_us is None else rebalance_timeout_us,
        )  # fmt: skip
        self._store(member)
        self._look_at_metadata(changed)
        self._compute_target(now_us)
        wanted = [(t, index) for t, indexes in self.target.get(member_id, {}).items() for index in indexes]
        member = reconcile(
            member, self.target_epoch, wanted, self._current_epoch, owned, subscription_changed=changed
        )
        self._store(member)
        full = topics is not None and owned is not None
        tell = epoch == JOIN_EPOCH or full or member.assigned.keys() != before.assigned.keys()
        return HeartbeatAnswer(ErrorCode.NONE, member.epoch, tuple(sorted(member.assigned)) if tell else None)

    def leave(self, member_id: str, epoch: int, instance_id: str | None = None) -> ErrorCode:
        """*epoch* -1 for good, -2 for a static member that means to come back."""
        if instance_id is not None:
            error = self._static_refusal(member_id, instance_id)
        else:
            error = ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID
        if not error and epoch == LEAVE_STATIC_EPOCH:
            member = self.members[member_id]
            self._store(replace(member, epoch=epoch, revoking={}, assigned=dict.fromkeys(member.assigned, 0)))
        elif not error:
            self.fence(member_id)
        return error

    def fence(self, member_id: str) -> None:
        """A member is gone, with all it had: it left, or its session or rebalance timeout ran out (consumer:F3.24)."""
        self._forget(self.members[member_id])
        self.target.pop(member_id, None)
        self.group_epoch += 1
        self._seen = self._sees()

    def fetch_error(self, member_id: str, epoch: int) -> ErrorCode:
        """What an OffsetFetch meets; who names no member is answered (``validateOffsetFetch``)."""
        if not member_id and epoch < 0:
            return ErrorCode.NONE
        member = self.members.get(member_id)
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if member.epoch == epoch else ErrorCode.STALE_MEMBER_EPOCH

    def commit_error(self, member_id: str, epoch: int, partition: TopicPartition) -> ErrorCode:
        """What an OffsetCommit of *partition* meets (consumer:F3.1, consumer:F3.26)."""
        if epoch < 0 and not self.members:
            return ErrorCode.NONE
        member = self.members.get(member_id)
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if epoch == member.epoch:
            return ErrorCode.NONE
        since = member.assigned.get(partition, member.revoking.get(partition))
        if epoch > member.epoch or since is None or epoch < since:
            return ErrorCode.STALE_MEMBER_EPOCH
        return ErrorCode.NONE

    # --- who speaks -----------------------------------------------------------------------------------------------
    def _refusal(self, member_id: str, epoch: int, owned: Owned, instance_id: str | None) -> ErrorCode:
        if epoch == JOIN_EPOCH:
            holder = self.members.get(self._static.get(instance_id or "", ""))
            taken = holder is not None and holder.epoch != LEAVE_STATIC_EPOCH
            return ErrorCode.UNRELEASED_INSTANCE_ID if taken else ErrorCode.NONE
        error = ErrorCode.NONE if instance_id is None else self._static_refusal(member_id, instance_id)
        if error or member_id not in self.members:
            return error or ErrorCode.UNKNOWN_MEMBER_ID
        return self._epoch_refusal(self.members[member_id], epoch, owned)

    def _static_refusal(self, member_id: str, instance_id: str) -> ErrorCode:
        if instance_id not in self._static:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if self._static[instance_id] == member_id else ErrorCode.FENCED_INSTANCE_ID

    def _epoch_refusal(self, member: ConsumerGroupMember, epoch: int, owned: Owned) -> ErrorCode:
        """The previous epoch is accepted, as an answer may be lost, if nothing beyond is owned (consumer:F3.25)."""
        if epoch == member.epoch:
            return ErrorCode.NONE
        within = owned is not None and all(partition in member.assigned for partition in owned)
        if epoch < member.epoch and epoch == member.previous_epoch and within:
            return ErrorCode.NONE
        return ErrorCode.FENCED_MEMBER_EPOCH

    def _member(self, member_id: str, epoch: int, instance_id: str | None) -> ConsumerGroupMember:
        """The member that speaks: known, new, or a static one that is back under another member id."""
        former = self.members.get(self._static.get(instance_id or "", ""))
        if epoch == JOIN_EPOCH and former is not None:
            self._forget(former)
            self.target[member_id] = self.target.pop(former.member_id, {})
            return replace(former, member_id=member_id, epoch=0, previous_epoch=0)
        return self.members.get(member_id) or ConsumerGroupMember(member_id, frozenset(), instance_id)

    # --- what changes ---------------------------------------------------------------------------------------------
    def _look_at_metadata(self, subscription_changed: bool) -> None:
        if not subscription_changed and not self._refresh:
            return
        seen = self._sees()
        if subscription_changed or seen != self._seen:
            self.group_epoch += 1
        self._seen, self._refresh = seen, False

    def _sees(self) -> dict[str, tuple[int, int]]:
        named = dict.fromkeys(sorted(topic for member in self.members.values() for topic in member.topics))
        return {t: (self._topic_ids[t], self._partitions[t]) for t in named if t in self._partitions}

    def _compute_target(self, now_us: int) -> None:
        due = self._computed_us is None or now_us >= self._computed_us + self._interval_us
        if self.target_epoch >= self.group_epoch or not due:
            return
        listed = [Subscription(one.member_id, sorted(one.topics), one.instance_id) for one in self.members.values()]
        self.target = self._preferred()(GroupSpec(listed, self._partitions, self._topic_ids, self.target))
        self.target_epoch, self._computed_us = self.group_epoch, now_us

    def _preferred(self) -> ServerAssignor:
        """The one that most members ask for, else the default (``computePreferredServerAssignor``)."""
        votes = Counter(one.assignor for one in self.members.values() if one.assignor is not None)
        walked = hash_map_order(votes, string_hash)
        return self._named[max(walked, key=lambda name: votes[name])] if walked else self._assignor

    def _current_epoch(self, partition: TopicPartition) -> int:
        return self._epoch_of.get(partition, -1)

    def _store(self, member: ConsumerGroupMember) -> None:
        former = self.members.get(member.member_id)
        if former is not None:
            self._release(former)
        for partition in (*member.assigned, *member.revoking):
            if partition in self._epoch_of:
                what = f"one owner: {partition} is given to {member.member_id} while another one has it"
                raise LawBroken("GROUP-1", what)
            self._epoch_of[partition] = member.epoch
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self._static[member.instance_id] = member.member_id

    def _release(self, member: ConsumerGroupMember) -> None:
        for partition in (*member.assigned, *member.revoking):
            del self._epoch_of[partition]

    def _forget(self, member: ConsumerGroupMember) -> None:
        self._release(member)
        del self.members[member.member_id]
        if member.instance_id is not None:
            del self._static[member.instance_id]
