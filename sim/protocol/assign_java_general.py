"""The Java client's sticky algorithm where subscriptions differ (the *general* one).

Members keep what they own of topics they still subscribe to. What is free, topics with the fewest subscribers first, is
given and then all is balanced (``assign_balance``); a partition that a member claims as of an older generation rather
goes back to that member.

The same in 3.9 and 4.3. Racks are not modelled. Source: ``AbstractStickyAssignor.GeneralAssignmentBuilder``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.protocol.assign_balance import Balance
from sim.protocol.assign_input import Assignment, Subscription, TopicPartition
from sim.protocol.assign_movements import Movements
from sim.protocol.java_order import HashOrder, string_sort_key, topic_partition_hash

__all__ = ["Claim", "general_assignment", "without"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a member says it owns, and as of which generation (``AbstractStickyAssignor.MemberData``)."""

    partitions: Sequence[TopicPartition]
    generation: int


def general_assignment(
    order: Sequence[Subscription], counts: Mapping[str, int], owned: Assignment, claims: Mapping[str, Claim]
) -> Assignment:
    """*order*: members as the leader's HashMap has them; *owned*: claims that hold, *claims*: all of them."""
    topics_of = {member.member_id: [topic for topic in member.topics if topic in counts] for member in order}
    subscribers = {topic: sum(topic in topics for topics in topics_of.values()) for topic in counts}

    def topic_key(topic: str) -> tuple[int, bytes]:
        return subscribers[topic], string_sort_key(topic)

    current = {one: [p for p in partitions if p[0] in topics_of[one]] for one, partitions in owned.items()}
    kept = [partition for partitions in current.values() for partition in partitions]
    kept.sort(key=lambda partition: (*topic_key(partition[0]), partition[1]))
    everything = [(topic, index) for topic in sorted(counts, key=topic_key) for index in range(counts[topic])]
    owner = {partition: one for one, partitions in owned.items() for partition in partitions}
    previous = _previous_owners(claims)
    balance = Balance(counts, topics_of, current, owner, previous, Movements(_MovedSet), string_sort_key, slack=1)
    return balance.finish(without(everything, kept), everything, revocation_required=current != owned)


def without(everything: list[TopicPartition], taken: list[TopicPartition]) -> list[TopicPartition]:
    """*everything* but *taken*, both in one order, walked side by side as Kafka does.

    A claim on a partition that a topic no longer has stops the walk: all that follow count as not taken.
    """
    free, next_taken = [], 0
    for partition in everything:
        if next_taken < len(taken) and taken[next_taken] == partition:
            next_taken += 1
        else:
            free.append(partition)
    return free


class _MovedSet(HashOrder[TopicPartition]):
    def __init__(self) -> None:
        super().__init__(lambda partition: topic_partition_hash(*partition))


def _previous_owners(claims: Mapping[str, Claim]) -> dict[TopicPartition, str]:
    """For each partition the newest claim on it among those older than the newest generation of the group."""
    newest = max(claim.generation for claim in claims.values())
    found: dict[TopicPartition, tuple[int, str]] = {}
    for one, claim in claims.items():
        if claim.generation < newest:
            for partition in claim.partitions:
                if partition not in found or claim.generation > found[partition][0]:
                    found[partition] = (claim.generation, one)
    return {partition: one for partition, (_, one) in found.items()}
