"""The group coordinator's assignors (KIP-848): range, and uniform where all members subscribe to the same topics.

Range: per topic the subscribed members, static ones first, get contiguous runs; it has no memory. Uniform: in the order
of a HashMap of the member ids each member keeps its target up to its quota, in the order in which its sets are walked;
who has room afterwards gets what is free as one block, never-assigned partitions first. Where subscriptions differ
uniform is another algorithm (``assign_server_mixed``).

Sources: 4.3.0 and 3.9.1 ``assignor.RangeAssignor``, ``UniformHomogeneousAssignmentBuilder``; consumer:F6.7,
consumer:F6.8, consumer:F6.9.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.protocol.assign_input import TopicPartition, member_info_key
from sim.protocol.assign_server_mixed import uniform_mixed
from sim.protocol.assign_target import GroupSpec, PartitionSets, Target
from sim.protocol.java_order import capacity_of_copy, hash_map_order, table_size

__all__ = ["server_range", "server_uniform"]


def server_range(spec: GroupSpec) -> dict[str, Target]:
    """``group.consumer.assignors=range``; the same in 3.9 and 4.3."""
    in_order = sorted(spec.members, key=member_info_key)
    subscribers = {topic: sum(topic in member.topics for member in in_order) for topic in spec.partitions}
    next_start = dict.fromkeys(spec.partitions, 0)
    more = {topic: spec.partitions[topic] % count for topic, count in subscribers.items() if count}
    targets: dict[str, Target] = {}
    for member in in_order:
        topics = spec.topics_of(member)
        ranges: dict[str, range] = {}
        for topic in topics:
            each = spec.partitions[topic] // subscribers[topic] + (more[topic] > 0)
            more[topic] -= more[topic] > 0
            ranges[topic] = range(next_start[topic], next_start[topic] + each)
            next_start[topic] += each
        walked = hash_map_order(filter(ranges.get, topics), spec.topic_hash, table_size(len(topics) * 4 // 3 + 1))
        targets[member.member_id] = spec.replayed(member.member_id, [(topic, list(ranges[topic])) for topic in walked])
    return targets


def server_uniform(spec: GroupSpec, *, extras_to_the_first: bool = False) -> dict[str, Target]:
    """``group.consumer.assignors=uniform``.

    *extras_to_the_first* is 3.9: the first ``P mod C`` members of the walk get one partition more, whether or not they
    have it already; later releases leave the place to a member that can fill it from what it has. With unequal
    subscriptions the algorithm is that of 4.x in any case (see ``assign_server_mixed``).
    """
    if not spec.is_homogeneous():
        return uniform_mixed(spec)
    return _Uniform(spec, extras_to_the_first).build()


class _Uniform:
    def __init__(self, spec: GroupSpec, extras_to_the_first: bool) -> None:
        self.spec = spec
        self.extras_to_the_first = extras_to_the_first
        self.order = spec.member_ids()
        by_id = {member.member_id: member for member in spec.members}
        first = by_id[self.order[0]] if self.order else None
        names = spec.topics_of(first) if first else []
        self.topics = hash_map_order(names, spec.topic_hash, capacity_of_copy(len(first.topics)) if first else 16)
        taken = spec.assigned()
        everything = [(topic, index) for topic in self.topics for index in range(spec.partitions[topic])]
        self.free: list[TopicPartition] = [partition for partition in everything if partition not in taken]
        self.quota, self.extras = divmod(len(everything), len(self.order)) if self.order else (0, 0)
        self.room: dict[str, int] = {}
        self.sets: dict[str, PartitionSets] = {}

    def build(self) -> dict[str, Target]:
        for rank, member_id in enumerate(self.order):
            self.sets[member_id] = PartitionSets(self.spec.current.get(member_id, {}), self.spec.topic_hash)
            self._keep(member_id, len(self.order) - rank)
        free = iter(self.free)
        for member_id, room in self.room.items():
            for _, (topic, partition) in zip(range(room), free, strict=False):
                self.sets[member_id].add(topic, partition)
        return {member_id: self.spec.replayed(member_id, sets.walk()) for member_id, sets in self.sets.items()}

    def _keep(self, member_id: str, members_left: int) -> None:
        has_extra = self.extras > 0
        quota = self._revoke(member_id, self.quota + has_extra)
        if has_extra and not self.extras_to_the_first and quota > 0 and members_left > self.extras:
            quota -= 1
            has_extra = False
        if quota > 0:
            self.room[member_id] = quota
        self.extras -= has_extra

    def _revoke(self, member_id: str, quota: int) -> int:
        """Takes away what is above *quota*; returns what is left of it."""
        held: Mapping[str, tuple[int, ...]] = self.spec.current.get(member_id, {})
        for topic, partitions in held.items():
            if topic not in self.topics:
                self.sets[member_id].drop(topic)
                continue
            for partition in partitions[quota:]:
                self.sets[member_id].discard(topic, partition)
                self.free.append((topic, partition))
            quota = max(0, quota - len(partitions))
        return quota
