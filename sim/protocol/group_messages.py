"""Requests and replies of consumer groups, under Kafka's names, and what a coordinator writes into its log.

Groups, topics and partitions are run-wide integers; a member id is the text that the coordinator gave out. Treated as
frozen once sent, like all messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.protocol.group_target import GroupState
from sim.protocol.messages import RecordBatch

__all__ = [
    "ConsumerGroupHeartbeatRequest", "ConsumerGroupHeartbeatResponse", "ConsumerGroupRecord", "CoordinatorRecord",
    "FindCoordinatorRequest", "FindCoordinatorResponse", "GroupBatch", "GroupRecord", "HeartbeatRequest",
    "HeartbeatResponse", "JoinGroupRequest", "JoinGroupResponse", "JoinedMember", "LeaveGroupRequest",
    "LeaveGroupResponse", "MemberRecord", "OffsetCommitRequest", "OffsetCommitResponse", "OffsetFetchRequest",
    "OffsetFetchResponse", "OffsetRecord", "Subscription", "SyncGroupRequest", "SyncGroupResponse",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a member says of itself when it joins (``ConsumerProtocolSubscription``)."""

    topics: tuple[int, ...]
    owned: tuple[int, ...] = ()  # partitions that it still has, or (sticky) had last
    generation: int = -1  # that it is in
    remembered: int = -1  # generation in the user data of the sticky assignors: that of their last assignment


# --- coordinator ----------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class FindCoordinatorRequest:
    group: int


@dataclass(slots=True)
class FindCoordinatorResponse:
    error: int
    broker: int = -1


# --- membership -----------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class JoinGroupRequest:
    group: int
    member: str  # "" at the first try
    instance: str  # group.instance.id, "" for a dynamic member
    client: str  # client.id, the head of the member id
    session_timeout_us: int
    rebalance_timeout_us: int
    protocols: tuple[tuple[str, Subscription], ...]  # assignors, in the order of preference


@dataclass(frozen=True, slots=True)
class JoinedMember:
    """A member as the group's leader is told of it."""

    member: str
    instance: str
    subscription: Subscription


@dataclass(slots=True)
class JoinGroupResponse:
    error: int
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    member: str = ""
    members: tuple[JoinedMember, ...] = ()  # for the leader alone


@dataclass(slots=True)
class SyncGroupRequest:
    group: int
    generation: int
    member: str
    instance: str
    assignments: dict[str, tuple[int, ...]] = field(default_factory=dict)  # by member id; from the leader alone


@dataclass(slots=True)
class SyncGroupResponse:
    error: int
    partitions: tuple[int, ...] = ()


@dataclass(slots=True)
class HeartbeatRequest:
    group: int
    generation: int
    member: str
    instance: str


@dataclass(slots=True)
class HeartbeatResponse:
    error: int


@dataclass(slots=True)
class LeaveGroupRequest:
    group: int
    member: str
    instance: str


@dataclass(slots=True)
class LeaveGroupResponse:
    error: int


# --- membership by KIP-848 -------------------------------------------------------------------------------------------
@dataclass(slots=True)
class ConsumerGroupHeartbeatRequest:
    """``epoch``: the member's; 0 joins, -1 leaves, -2 leaves for a while. None: unchanged since the last heartbeat."""

    group: int
    member: str  # made by the client
    instance: str
    epoch: int
    rebalance_timeout_us: int | None = None
    topics: tuple[int, ...] | None = None
    assignor: str | None = None
    owned: tuple[int, ...] | None = None  # partitions


@dataclass(slots=True)
class ConsumerGroupHeartbeatResponse:
    error: int
    epoch: int = 0
    heartbeat_interval_us: int = 0
    assignment: tuple[int, ...] | None = None  # all that the member has, None: unchanged


# --- offsets --------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class OffsetCommitRequest:
    group: int
    generation: int  # or member epoch; -1: by somebody who is no member
    member: str
    instance: str
    offsets: dict[int, tuple[int, int]]  # partition -> next offset to read, leader epoch of the record before it
    auto: bool = False  # by the client's own timer; for the trace only


@dataclass(slots=True)
class OffsetCommitResponse:
    error: int  # the same for every partition


@dataclass(slots=True)
class OffsetFetchRequest:
    group: int
    partitions: tuple[int, ...]
    member: str = ""  # "": it does not say, as in a classic group, and librdkafka in any
    generation: int = -1  # the member epoch


@dataclass(slots=True)
class OffsetFetchResponse:
    error: int
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)  # offset -1: none is committed


# --- what is in the log of __consumer_offsets -----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OffsetRecord:
    group: int
    partition: int
    offset: int
    epoch: int


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A member as the log keeps it (``GroupMetadataValue.MemberMetadata``)."""

    member: str
    instance: str
    client: str
    host: int  # for the trace only
    session_timeout_us: int
    rebalance_timeout_us: int
    subscription: Subscription
    assignment: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupRecord:
    group: int
    generation: int
    protocol: str
    leader: str
    members: tuple[MemberRecord, ...]


@dataclass(frozen=True, slots=True)
class ConsumerGroupRecord:
    """A group of KIP-848. Kafka writes what has changed, in records of several kinds; here it is the whole."""

    group: int
    state: GroupState
    numbers: Mapping[tuple[str, int], int]  # run-wide number of each partition that is named there


CoordinatorRecord = OffsetRecord | GroupRecord | ConsumerGroupRecord


@dataclass(slots=True)
class GroupBatch(RecordBatch):
    """A batch of a coordinator: ``prod`` is -1, ``lo`` the trace row of its append, which no other batch has.

    ``commit``, ``host`` and ``told`` are for the trace only: the request that offsets came with, who sent it, and
    whether the trace says already that they are stored.
    """

    records: tuple[CoordinatorRecord, ...] = ()
    commit: OffsetCommitRequest | None = None
    host: int = -1
    told: bool = False
