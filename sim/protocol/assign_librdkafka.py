"""librdkafka's assignors without memory: range and roundrobin.

Both deal as the Java client's do. What differs is the order of members (two static members compare by instance id, any
other pair by member id: a static member does not come before a dynamic one), and the order of topics: as in the
leader's metadata, which range sorts by consumers and number of partitions, and roundrobin by name.

*partitions* lists topics in the order of the metadata answer. Sources: 2.16 ``rdkafka_range_assignor.c``,
``rdkafka_roundrobin_assignor.c``, ``rd_kafka_group_member_cmp``, ``rd_kafka_topic_assignment_state_cmp``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.protocol.assign_input import Assignment, Subscription

__all__ = ["eligible_topics", "in_member_order", "librdkafka_range", "librdkafka_roundrobin", "same_member"]


def _compare(one: Subscription, other: Subscription) -> int:
    """``rd_kafka_group_member_cmp``."""
    if one.instance_id is not None and other.instance_id is not None:
        a, b = one.instance_id.encode(), other.instance_id.encode()
    else:
        a, b = one.member_id.encode(), other.member_id.encode()
    return (a > b) - (a < b)


def same_member(one: Subscription, other: Subscription) -> bool:
    return _compare(one, other) == 0


def in_member_order(members: Sequence[Subscription]) -> list[Subscription]:
    """Sorted as glibc's ``qsort`` does, by merging halves.

    How it sorts shows where the comparison goes round in circles: A before B by instance id, B before a dynamic C and C
    before A by member id.
    """
    if len(members) < 2:
        return list(members)
    half = len(members) // 2
    left, right = in_member_order(members[:half]), in_member_order(members[half:])
    merged: list[Subscription] = []
    while left and right:
        merged.append((left if _compare(left[0], right[0]) <= 0 else right).pop(0))
    return merged + left + right


def eligible_topics(members: Sequence[Subscription], partitions: Mapping[str, int]) -> list[str]:
    """Topics that exist and have a subscriber, in the order of the metadata."""
    return [topic for topic in partitions if partitions[topic] and any(topic in member.topics for member in members)]


def librdkafka_range(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """``partition.assignment.strategy=range`` of librdkafka (eager)."""
    topics = eligible_topics(members, partitions)
    subscribers = {topic: in_member_order([one for one in members if topic in one.topics]) for topic in topics}
    consumers = {topic: [member.member_id for member in subscribers[topic]] for topic in topics}
    topics.sort(key=lambda topic: ([one.encode() for one in consumers[topic]], partitions[topic]))
    assigned: Assignment = {member.member_id: [] for member in members}
    for topic in topics:
        each, more = divmod(partitions[topic], len(consumers[topic]))
        start = 0
        for rank, consumer in enumerate(consumers[topic]):
            end = start + each + (rank < more)
            assigned[consumer] += [(topic, index) for index in range(start, end)]
            start = end
    return assigned


def librdkafka_roundrobin(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """``partition.assignment.strategy=roundrobin`` of librdkafka (eager)."""
    in_turn = in_member_order(members)
    assigned: Assignment = {member.member_id: [] for member in members}
    turn = 0
    for topic in sorted(eligible_topics(members, partitions)):
        for index in range(partitions[topic]):
            while topic not in in_turn[turn].topics:
                turn = (turn + 1) % len(in_turn)
            assigned[in_turn[turn].member_id].append((topic, index))
            turn = (turn + 1) % len(in_turn)
    return assigned
