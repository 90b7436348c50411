"""One member of a KIP-848 group on its way from what it has to what it shall have.

The states, and what a heartbeat does (``CurrentAssignmentBuilder`` of 4.3.0; consumer:F3.19, consumer:F3.20):

- STABLE: has its target, at its target's epoch. A newer target makes it give up or wait as below.
- UNREVOKED_PARTITIONS: was told to give something up, and keeps its epoch until a heartbeat no longer lists any of it.
- UNRELEASED_PARTITIONS: at the target's epoch, but some of the target still belongs to others.

What a member gains is given in the same answer that moves it to the target's epoch, as far as it is free; what it loses
always goes first. A partition remembers the epoch in which it was assigned, for commits that come late
(consumer:F3.26).

Not modelled: the release 3.9, where the protocol is a preview; regular expressions as subscriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from sim.protocol.assign_input import TopicPartition

__all__ = ["ConsumerGroupMember", "MemberState", "reconcile"]


class MemberState(Enum):
    STABLE = "stable"
    UNREVOKED_PARTITIONS = "unrevoked"
    UNRELEASED_PARTITIONS = "unreleased"


@dataclass(frozen=True, slots=True)
class ConsumerGroupMember:
    """What the coordinator knows of one member; ``assigned`` and ``revoking`` with the epoch of each assignment."""

    member_id: str
    topics: frozenset[str]
    instance_id: str | None = None
    epoch: int = 0
    previous_epoch: int = -1
    state: MemberState = MemberState.STABLE
    assigned: Mapping[TopicPartition, int] = field(default_factory=dict)
    revoking: Mapping[TopicPartition, int] = field(default_factory=dict)  # partitions pending revocation
    rebalance_timeout_us: int = 0
    assignor: str | None = None  # group.remote.assignor
    host: int = -1  # for the trace only

    def is_reconciled_to(self, target_epoch: int) -> bool:
        return self.state is MemberState.STABLE and self.epoch == target_epoch


Owned = Collection[TopicPartition] | None  # what a heartbeat lists; None: it says nothing about it


def reconcile(
    member: ConsumerGroupMember,
    target_epoch: int,
    target: Collection[TopicPartition],
    epoch_of: Callable[[TopicPartition], int],
    owned: Owned,
    *,
    subscription_changed: bool = False,
) -> ConsumerGroupMember:
    """The member after a heartbeat: the next step towards *target*, or itself where it has to wait.

    *epoch_of*: the epoch of the member that has a partition, -1 if it is free. *owned*: what the heartbeat lists.
    """
    if member.is_reconciled_to(target_epoch):
        return _drop_unsubscribed(member, owned) if subscription_changed else member
    if member.state is MemberState.UNREVOKED_PARTITIONS and _holds_any(owned, member.revoking):
        return _drop_unsubscribed(member, owned) if subscription_changed else member
    wanted = dict.fromkeys(partition for partition in target if partition[0] in member.topics)
    kept = {partition: epoch for partition, epoch in member.assigned.items() if partition in wanted}
    lost = {partition: epoch for partition, epoch in member.assigned.items() if partition not in wanted}
    if lost and _holds_any(owned, lost):
        return _moved(member, member.epoch, MemberState.UNREVOKED_PARTITIONS, kept, lost)
    missing = [partition for partition in wanted if partition not in kept]
    free = [partition for partition in missing if epoch_of(partition) == -1 or partition in member.revoking]
    waits = len(free) < len(missing)
    state = MemberState.UNRELEASED_PARTITIONS if waits else MemberState.STABLE
    return _moved(member, target_epoch, state, kept | dict.fromkeys(free, target_epoch), {})


def _drop_unsubscribed(member: ConsumerGroupMember, owned: Owned) -> ConsumerGroupMember:
    """A changed subscription takes effect at once, before there is a new target (``updateCurrentAssignment``)."""
    kept = {partition: epoch for partition, epoch in member.assigned.items() if partition[0] in member.topics}
    dropped = {partition: epoch for partition, epoch in member.assigned.items() if partition[0] not in member.topics}
    if not dropped:
        return member
    revoking = {**member.revoking, **dropped}
    if _holds_any(owned, revoking):
        return _moved(member, member.epoch, MemberState.UNREVOKED_PARTITIONS, kept, revoking)
    return replace(member, assigned=kept, previous_epoch=member.epoch)


def _holds_any(owned: Owned, partitions: Mapping[TopicPartition, int]) -> bool:
    """Whether the member may still have one of *partitions*; saying nothing about it means yes."""
    return owned is None or any(partition in partitions for partition in owned)


def _moved(
    member: ConsumerGroupMember,
    epoch: int,
    state: MemberState,
    assigned: Mapping[TopicPartition, int],
    revoking: Mapping[TopicPartition, int],
) -> ConsumerGroupMember:
    return replace(
        member, epoch=epoch, previous_epoch=member.epoch, state=state, assigned=assigned, revoking=revoking
    )
