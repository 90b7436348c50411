"""Target assignments of KIP-848 groups as the group coordinator holds them: hash maps of hash sets.

A target is *replayed*: the coordinator writes it as a record and reads it back. The sets that come out are walked in an
order of their own, and that order later decides what a member gives up; so a target here lists topics and partitions as
they will be walked. A member whose target does not change keeps the sets it has.

Sources: 4.3.0 ``TargetAssignmentBuilder``, ``modern.Assignment.fromRecord``, ``AssignorHelpers``,
``GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentRecord``; consumer:F6.9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sim.protocol.assign_input import Subscription, TopicPartition
from sim.protocol.java_order import HashOrder, capacity_of_copy, hash_map_order, string_hash, table_size, uuid_hash

__all__ = ["GroupSpec", "PartitionSets", "ServerAssignor", "Target"]

Target = dict[str, tuple[int, ...]]  # partitions of each topic, both in the order of the coordinator's walk


def _itself(partition: int) -> int:
    return partition


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """What a server assignor is told: members, topics (as for client assignors), and the present target of each member.

    ``topic_ids`` are the 128 bits of Kafka's Uuid of each topic, also of topics that are no more; they are random in a
    real cluster, and the order of topics hangs on them. ``current`` has no members that are gone (their target record
    is deleted with them); a static member that came back under a new member id has the target of its former one.
    """

    members: Sequence[Subscription]
    partitions: Mapping[str, int]
    topic_ids: Mapping[str, int]
    current: Mapping[str, Target]

    def member_ids(self) -> list[str]:
        """In the order of the coordinator's ``HashMap`` of members."""
        return hash_map_order((member.member_id for member in self.members), string_hash)

    def topics_of(self, member: Subscription) -> list[str]:
        """Topics that exist, in the order of the subscription's ``HashSet`` of names."""
        walked = hash_map_order(member.topics, string_hash, capacity_of_copy(len(member.topics)))
        return [topic for topic in walked if topic in self.partitions]

    def topic_hash(self, topic: str) -> int:
        return uuid_hash(self.topic_ids[topic])

    def is_homogeneous(self) -> bool:
        """Every topic that anyone names is named by all (``ModernGroup.subscriptionType``)."""
        return len({frozenset(member.topics) for member in self.members}) <= 1

    def assigned(self) -> set[TopicPartition]:
        return {(topic, p) for target in self.current.values() for topic, held in target.items() for p in held}

    def replayed(self, member_id: str, walked: Sequence[tuple[str, Sequence[int]]]) -> Target:
        """The target of *member_id* as it is read back from its record, or the present one if that is equal."""
        held = self.current.get(member_id, {})
        if {topic: set(partitions) for topic, partitions in held.items()} == {t: set(ps) for t, ps in walked}:
            return held
        partitions = dict(walked)
        topics = hash_map_order(partitions, self.topic_hash)
        return {t: tuple(hash_map_order(partitions[t], _itself, capacity_of_copy(len(partitions[t])))) for t in topics}


ServerAssignor = Callable[[GroupSpec], dict[str, Target]]


class PartitionSets:
    """One member's ``Map<Uuid, Set<Integer>>`` while an assignor changes it; begins as Kafka's deep copy of *held*."""

    def __init__(self, held: Target, topic_hash: Callable[[str], int]) -> None:
        self._sets = {topic: HashOrder(_itself, held[topic], capacity_of_copy(len(held[topic]))) for topic in held}
        self._topics = HashOrder(topic_hash, held, table_size(len(held)))

    def add(self, topic: str, partition: int, capacity: int = 16) -> None:
        """*capacity*: of the set that is made for the first partition of a topic."""
        self._topics.add_computed(topic)
        if topic not in self._sets:
            self._sets[topic] = HashOrder(_itself, (), table_size(capacity))
        self._sets[topic].add(partition)

    def discard(self, topic: str, partition: int) -> None:
        """Takes a partition out, and its topic with the last one."""
        self._sets[topic].discard(partition)
        if not len(self._sets[topic]):
            self.drop(topic)

    def drop(self, topic: str) -> None:
        self._topics.discard(topic)
        del self._sets[topic]

    def walk(self) -> list[tuple[str, list[int]]]:
        return [(topic, list(self._sets[topic])) for topic in self._topics]
