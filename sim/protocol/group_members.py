"""Members of a classic group, as the coordinator keeps them, and the assignor that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.protocol.broker_channels import Channel
from sim.protocol.group_messages import JoinedMember, JoinGroupRequest, MemberRecord, Subscription

__all__ = ["Member", "common_protocol"]

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
