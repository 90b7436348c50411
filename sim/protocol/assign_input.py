"""What an assignor is told about a group, and the orders in which Kafka's clients list members and partitions.

Every assignor here is a pure function ``assign(members, partitions)``: *members* in the order of the leader's
JoinGroup answer, *partitions* the number of partitions of each topic that the leader's metadata knows (others are left
out). It returns the partitions of each member in the order in which that member receives them. Racks are not modelled:
without ``client.rack`` the rack-aware steps of all assignors do nothing.

Sources: ``ConsumerPartitionAssignor.Subscription``, ``ConsumerProtocol``, ``ConsumerCoordinator.onLeaderElected``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sim.protocol.java_order import hash_map_order, string_hash, string_order, string_sort_key

__all__ = [
    "DEFAULT_GENERATION", "Assignment", "Assignor", "Subscription", "TopicPartition", "as_received", "known_topics",
    "member_info_key", "member_order",
]  # fmt: skip

TopicPartition = tuple[str, int]
Assignment = dict[str, list[TopicPartition]]

DEFAULT_GENERATION = -1  # AbstractStickyAssignor: of a member that was in no generation yet


@dataclass(frozen=True, slots=True)
class Subscription:
    """One member's part of the JoinGroup answer that the leader gets.

    ``owned`` and ``generation`` are what the member still claims: owned partitions for cooperative-sticky, the previous
    assignment in the user data for sticky, which keeps it across a loss of membership.
    """

    member_id: str
    topics: Sequence[str]
    instance_id: str | None = None  # group.instance.id
    owned: Sequence[TopicPartition] = ()
    generation: int = DEFAULT_GENERATION
    joined_generation: int | None = None  # generation.id of the subscription where the user data has another one


Assignor = Callable[[Sequence[Subscription], Mapping[str, int]], Assignment]


def member_order(members: Sequence[Subscription]) -> list[Subscription]:
    """The members in the order of the leader's ``HashMap`` of subscriptions."""
    by_id = {member.member_id: member for member in members}
    return [by_id[member_id] for member_id in hash_map_order(by_id, string_hash)]


def member_info_key(member: Subscription) -> tuple[int, bytes]:
    """Java's ``MemberInfo.compareTo``: static members first, by instance id, then dynamic ones by member id."""
    if member.instance_id is not None:
        return (0, string_sort_key(member.instance_id))
    return (1, string_sort_key(member.member_id))


def known_topics(members: Sequence[Subscription], partitions: Mapping[str, int]) -> list[str]:
    """Subscribed topics with partitions, in the order of the ``HashMap`` that Java's assignors get."""
    subscribed = string_order(topic for member in member_order(members) for topic in sorted(member.topics))
    return string_order(topic for topic in subscribed if partitions.get(topic, 0) > 0)


def as_received(partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """As the serialised assignment lists them: topic by topic in the order of first mention."""
    by_topic: dict[str, list[TopicPartition]] = {}
    for partition in partitions:
        by_topic.setdefault(partition[0], []).append(partition)
    return [partition for group in by_topic.values() for partition in group]
