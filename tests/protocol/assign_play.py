"""A group that goes through rebalances: members come and go, what they were assigned they own next time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from uuid import UUID

from sim.protocol.assign_input import Assignor, Subscription
from sim.protocol.assign_target import GroupSpec, ServerAssignor, Target


def ids(seed: int, names: str = "ABCD") -> dict[str, str]:
    """Member ids as a broker makes them: ``client.id`` and a random uuid."""
    draw = Random(seed)
    return {name: f"{name}-{UUID(int=draw.getrandbits(128))}" for name in names}


class ClientGroup:
    """One classic group; ``settle`` goes on as long as members have to give something up (cooperative)."""

    def __init__(self, assignor: Assignor, partitions: Mapping[str, int]) -> None:
        self.assignor, self.partitions = assignor, dict(partitions)
        self.members: dict[str, Subscription] = {}
        self.generation = 0

    def join(self, *member_ids: str, topics: Sequence[str] = ("t",)) -> None:
        for member_id in member_ids:
            self.members[member_id] = Subscription(member_id, topics)

    def leave(self, member_id: str) -> None:
        del self.members[member_id]

    def settle(self, order: Sequence[str] | None = None) -> dict[str, list[int]]:
        """Partition numbers of each member by the first letter of its id, once nothing moves any more."""
        for _ in range(4):
            listed = [self.members[member_id] for member_id in order or self.members]
            assigned = self.assignor(listed, self.partitions)
            self.generation += 1
            held = {member_id: set(member.owned) for member_id, member in self.members.items()}
            for member_id, member in self.members.items():
                self.members[member_id] = replace(member, owned=assigned[member_id], generation=self.generation)
            if all(held[member_id] <= set(assigned[member_id]) for member_id in held):
                break
        return {one[0]: sorted(index for _, index in member.owned) for one, member in self.members.items()}


class ServerGroup:
    """One KIP-848 group: the target assignment from one computation to the next."""

    def __init__(self, assignor: ServerAssignor, partitions: Mapping[str, int], seed: int = 0) -> None:
        self.assignor, self.partitions = assignor, dict(partitions)
        draw = Random(seed)
        self.topic_ids = {topic: draw.getrandbits(128) for topic in partitions}
        self.members: dict[str, Subscription] = {}
        self.target: dict[str, Target] = {}

    def join(self, *member_ids: str, topics: Sequence[str] = ("t",)) -> None:
        for member_id in member_ids:
            self.members[member_id] = Subscription(member_id, topics)

    def leave(self, member_id: str) -> None:
        del self.members[member_id]
        self.target.pop(member_id, None)

    def compute(self) -> dict[str, Target]:
        self.target = self.assignor(
            GroupSpec(list(self.members.values()), self.partitions, self.topic_ids, self.target)
        )
        return self.target
