"""The Java client's assignors without memory: range and roundrobin.

Range (per topic): the consumers of the topic, static members first, get contiguous runs; the first ``P mod C`` of them
one partition more. Roundrobin: all partitions, topic by topic, are dealt in turn to the members, skipping those who are
not subscribed; the turn goes on from topic to topic.

The same in 3.9 and 4.3. Sources: ``RangeAssignor.assignRanges``, ``RoundRobinAssignor.assign``,
``AbstractPartitionAssignor.MemberInfo``; consumer:F6.7, consumer:F6.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.protocol.assign_input import (
    Assignment,
    Subscription,
    as_received,
    known_topics,
    member_info_key,
)
from sim.protocol.java_order import string_sort_key

__all__ = ["java_range", "java_roundrobin"]


def java_range(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """``partition.assignment.strategy=range`` of the Java client (eager)."""
    in_order = sorted(members, key=member_info_key)
    assigned: Assignment = {member.member_id: [] for member in members}
    for topic in known_topics(members, partitions):
        consumers = [member.member_id for member in in_order if topic in member.topics]
        each, more = divmod(partitions[topic], len(consumers))
        start = 0
        for rank, consumer in enumerate(consumers):
            end = start + each + (rank < more)
            assigned[consumer] += [(topic, index) for index in range(start, end)]
            start = end
    return assigned


def java_roundrobin(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """``partition.assignment.strategy=roundrobin`` of the Java client (eager)."""
    in_turn = sorted(members, key=member_info_key)
    assigned: Assignment = {member.member_id: [] for member in members}
    turn = 0
    for topic in sorted(known_topics(members, partitions), key=string_sort_key):
        for index in range(partitions[topic]):
            while topic not in in_turn[turn].topics:
                turn = (turn + 1) % len(in_turn)
            assigned[in_turn[turn].member_id].append((topic, index))
            turn = (turn + 1) % len(in_turn)
    return {member_id: as_received(owned) for member_id, owned in assigned.items()}
