"""The leader of a classic group assigns: from run-wide numbers to the names that assignors see, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.protocol import assign_input
from sim.protocol.assign_input import Assignor, TopicPartition
from sim.protocol.assign_java import java_range, java_roundrobin
from sim.protocol.assign_java_sticky import java_cooperative_sticky, java_sticky
from sim.protocol.assign_librdkafka import librdkafka_range, librdkafka_roundrobin
from sim.protocol.assign_librdkafka_sticky import librdkafka_cooperative_sticky
from sim.protocol.group_messages import JoinedMember

__all__ = ["ASSIGNORS", "COOPERATIVE", "LIBRDKAFKA_ASSIGNORS", "STICKY", "assign"]

STICKY, COOPERATIVE = "sticky", "cooperative-sticky"
ASSIGNORS: dict[str, Assignor] = {
    "range": java_range, "roundrobin": java_roundrobin, STICKY: java_sticky, COOPERATIVE: java_cooperative_sticky,
}  # fmt: skip
LIBRDKAFKA_ASSIGNORS: dict[str, Assignor] = {
    "range": librdkafka_range, "roundrobin": librdkafka_roundrobin, COOPERATIVE: librdkafka_cooperative_sticky,
}  # fmt: skip

Names = Mapping[int, TopicPartition]  # topic and index of each partition


def assign(
    assignor: Assignor, members: Sequence[JoinedMember], partitions_of: Mapping[int, tuple[int, ...]], names: Names
) -> dict[str, tuple[int, ...]]:
    """Partitions by member id. *partitions_of*: of each topic that the leader's metadata knows, by index.

    A topic without partitions is not assigned, and still counts as subscribed to: who has it differs from who has not
    (``AbstractPartitionAssignor.assign``).
    """
    topics = {topic: names[partitions[0]][0] for topic, partitions in partitions_of.items() if partitions}
    counts = {topics[topic]: len(partitions_of[topic]) for topic in topics}
    numbers = {name: partitions_of[topic] for topic, name in topics.items()}
    found = assignor([_as_seen(one, topics, names) for one in members], counts)
    return {one: tuple(numbers[topic][index] for topic, index in owned) for one, owned in found.items()}


def _as_seen(one: JoinedMember, topics: Mapping[int, str], names: Names) -> assign_input.Subscription:
    said = one.subscription
    return assign_input.Subscription(
        one.member, [topics.get(topic, f"unknown {topic}") for topic in said.topics], one.instance or None,
        [names[partition] for partition in said.owned], said.remembered, said.generation,
    )  # fmt: skip
