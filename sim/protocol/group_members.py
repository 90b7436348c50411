"""Members of a classic group, as the coordinator keeps them: who is in, who leads, and the assignor in common.

Law: an instance id belongs to one member at most, and the leader is a member.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sim.protocol.broker_channels import Channel
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import GroupRecord, JoinedMember, JoinGroupRequest, MemberRecord, Subscription
from sim.protocol.java_order import string_order

__all__ = ["Member", "Roster", "common_protocol"]

_NONE = Subscription(())


@dataclass(slots=True)
class Member:
    """``ClassicGroupMember``."""

    id: str
    instance: str
    client: str
    host: int  # for the trace only
    session_timeout_us: int
    rebalance_timeout_us: int
    protocols: tuple[tuple[str, Subscription], ...]
    assignment: tuple[int, ...] = ()
    joining: Channel | None = None  # its JoinGroup is parked there
    syncing: Channel | None = None  # ... its SyncGroup
    is_new: bool = True  # it has not been in a generation yet
    session_until_us: int = 0
    watched: bool = False  # an alarm is set
    alarm_us: int = 0

    @classmethod
    def of(cls, request: JoinGroupRequest, member: str, host: int) -> Member:
        return cls(
            member, request.instance, request.client, host, request.session_timeout_us, request.rebalance_timeout_us,
            request.protocols,
        )  # fmt: skip

    def update(self, request: JoinGroupRequest) -> None:
        self.protocols = request.protocols
        self.session_timeout_us = request.session_timeout_us
        self.rebalance_timeout_us = request.rebalance_timeout_us

    def subscription(self, protocol: str) -> Subscription:
        return next((said for name, said in self.protocols if name == protocol), _NONE)

    def joined(self, protocol: str) -> JoinedMember:
        return JoinedMember(self.id, self.instance, self.subscription(protocol))

    def kept(self, protocol: str) -> MemberRecord:
        return MemberRecord(
            self.id, self.instance, self.client, self.host, self.session_timeout_us, self.rebalance_timeout_us,
            self.subscription(protocol), self.assignment,
        )  # fmt: skip

    @classmethod
    def loaded(cls, kept: MemberRecord, protocol: str) -> Member:
        """From the log: of its assignors only the chosen one is known."""
        return cls(
            kept.member, kept.instance, kept.client, kept.host, kept.session_timeout_us, kept.rebalance_timeout_us,
            ((protocol, kept.subscription),), kept.assignment, is_new=False,
        )  # fmt: skip


def common_protocol(members: Sequence[Member]) -> str:
    """The assignor that most members like best among those that all know, "" if there is none (``selectProtocol``)."""
    shared = [
        name
        for name, _ in members[0].protocols
        if all(any(name == other for other, _ in member.protocols) for member in members)
    ]
    if not shared:
        return ""
    votes = dict.fromkeys(shared, 0)
    for member in members:
        votes[next(name for name, _ in member.protocols if name in votes)] += 1
    return max(shared, key=lambda name: votes[name])


class Roster:
    """The members of one group, in the order in which they came; ``leader`` is a member id, "" in an empty group."""

    __slots__ = ("leader", "members", "pending", "static")

    def __init__(self) -> None:
        self.leader = ""
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}  # member id by instance id
        self.pending: dict[str, int] = {}  # ids given out and not used yet, each with the end of its session

    def __iter__(self) -> Iterator[Member]:
        """A copy: members may go while one walks."""
        return iter(list(self.members.values()))

    def __len__(self) -> int:
        return len(self.members)

    @property
    def rebalance_timeout_us(self) -> int:
        """The longest of the members' (consumer:F3.5)."""
        return max((one.rebalance_timeout_us for one in self), default=0)

    def in_order(self) -> list[Member]:
        """As Java's map of members is walked."""
        return [self.members[member] for member in string_order(self.members)]

    def objection(self, member: str, instance: str) -> int:
        """Why that member is not known, 0 if it is (``validateMember``)."""
        if instance:
            known = self.static.get(instance)
            if known is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            return 0 if known == member else ErrorCode.FENCED_INSTANCE_ID
        return 0 if member in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def add(self, member: Member) -> None:
        self.members[member.id] = member
        if member.instance:
            self.static[member.instance] = member.id
        self.leader = self.leader or member.id

    def remove(self, member: Member) -> None:
        del self.members[member.id]
        if member.instance:
            self.static.pop(member.instance, None)
        if self.leader == member.id:
            self.leader = string_order(self.members)[0] if self.members else ""

    def replace(self, old: Member, new: Member) -> None:
        """A new process under an old instance id: it has the place of the old one."""
        self.members = {new.id if one is old else one.id: new if one is old else one for one in self}
        self.static[new.instance] = new.id
        if self.leader == old.id:
            self.leader = new.id

    def load(self, record: GroupRecord) -> None:
        self.leader = record.leader
        self.members = {kept.member: Member.loaded(kept, record.protocol) for kept in record.members}
        self.static = {kept.instance: kept.member for kept in record.members if kept.instance}
