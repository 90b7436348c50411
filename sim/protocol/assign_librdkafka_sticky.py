"""librdkafka's cooperative-sticky assignor.

It runs one algorithm, whether or not subscriptions are equal: members keep what they own, free partitions are given and
then all is balanced (``assign_balance``). Its maps are walked in the reverse of the order in which keys came (the last
one first), and some results hang on that. With equal subscriptions partitions are listed for moving so that the member
with most gives first, and its lowest one first: that is why a newcomer gets the low partitions here and the high ones
from the Java client (consumer:F6.11).

A partition that two members claim as of one generation is taken from both, else the newest generation has it. Then, as
in KIP-429, a partition that would pass directly from one owner to another is left out for this round. Other than in
Java, an owned partition that nobody was assigned (its topic is no longer subscribed to) is given back to its owner.

*partitions* lists topics in the order of the metadata answer, *members* those of the JoinGroup answer. Sources: 2.16
``rdkafka_sticky_assignor.c``, ``rdmap.c``, ``rd_kafka_cooperative_protocol_adjust_assignment``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sim.errors import InputError
from sim.protocol.assign_balance import Balance
from sim.protocol.assign_input import Assignment, Subscription, TopicPartition
from sim.protocol.assign_librdkafka import eligible_topics, same_member
from sim.protocol.assign_movements import Movements

__all__ = ["librdkafka_cooperative_sticky", "librdkafka_sticky_round"]


def librdkafka_cooperative_sticky(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """``partition.assignment.strategy=cooperative-sticky`` of librdkafka: one round of it."""
    return _adjusted(members, librdkafka_sticky_round(members, partitions))


def librdkafka_sticky_round(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """What the assignor itself answers, before partitions that change hands are left out."""
    topics = eligible_topics(members, partitions)
    counts = {topic: partitions[topic] for topic in topics}
    topics_of = {member.member_id: [topic for topic in topics if topic in member.topics] for member in members}
    current, owner, previous = _claims(members)
    listed = _listed_for_moves(members, counts, topics_of, current, previous)
    free = dict.fromkeys(listed)
    revocation_required = False
    for one, owned in current.items():
        current[one] = [p for p in owned if p[0] in topics_of[one] and p[1] < counts[p[0]]]
        revocation_required |= any(p[0] not in topics_of[one] and p[1] < counts.get(p[0], 0) for p in owned)
        for partition in current[one]:
            free.pop(partition)
    balance = Balance(counts, topics_of, current, owner, previous, _Movements(), str.encode, slack=0)
    assigned = balance.finish(list(free), listed, revocation_required=revocation_required)
    return {member.member_id: assigned[member.member_id] for member in members}


class _Movements(Movements):
    """librdkafka's, with faults that unequal subscriptions can meet there.

    What moved the other way is looked up by the present owner of a partition, not by the one that it came from. The
    partition found goes back; but as it is taken out of a list by a pointer into that list, the next one in it goes
    instead or, if there is none, freed memory is read. A partition that went back keeps its note. (Where a partition
    moves on to a third member librdkafka also compares a key that it freed; here that has no consequence.)
    """

    def __init__(self) -> None:
        super().__init__(_MovedList)
        self._found_in_list = False

    def to_be_moved(self, partition: TopicPartition, old: str, new: str) -> TopicPartition:
        if self._pair_of.get(partition, (old, old))[1] != old:
            raise _fault()
        back = self._kept.get((partition[0], new, old))
        self._found_in_list = back is not None
        return partition if back is None else next(iter(back))

    def moved(self, partition: TopicPartition, old: str, new: str) -> TopicPartition:
        source, last = self._pair_of.get(partition, (old, old))
        if partition in self._pair_of:
            kept = self._kept.get((partition[0], source, last))
            if kept is None or last != old:
                raise _fault()
            others = [other for other in kept if other != partition]
            self._forget(partition, source, last)
            if self._found_in_list:
                if not others:
                    raise _fault()
                partition = others[0]
        if source != new:
            self._note(partition, source, new)
        return partition


def _fault() -> InputError:
    rule = "librdkafka 2.16 itself fails with these subscriptions and claims: an assertion, or freed memory"
    return InputError("cooperative-sticky assignor", rule, "let all members subscribe to the same topics")


class _MovedList:
    """A topic partition list; no partition is twice in it."""

    def __init__(self) -> None:
        self._listed: dict[TopicPartition, None] = {}

    def add(self, partition: TopicPartition) -> None:
        self._listed[partition] = None

    def discard(self, partition: TopicPartition) -> None:
        self._listed.pop(partition, None)

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)


def _claims(
    members: Sequence[Subscription],
) -> tuple[Assignment, dict[TopicPartition, str], dict[TopicPartition, str]]:
    """What each member may keep; for each partition who claimed it last in the list, and who held it before.

    That the last claim in the list counts as the owner, whatever its generation, is librdkafka's
    (``currentPartitionConsumer``).
    """
    current: Assignment = {member.member_id: [] for member in members}
    owner: dict[TopicPartition, str] = {}
    previous: dict[TopicPartition, str] = {}
    claims: dict[TopicPartition, list[Subscription]] = {}
    for member in members:
        for partition in member.owned:
            claims.setdefault(partition, []).append(member)
            owner[partition] = member.member_id
    for partition in reversed(claims):
        by_age = sorted(claims[partition], key=lambda member: member.generation)
        if len({member.generation for member in by_age}) < len(by_age):
            del owner[partition]
            continue
        current[by_age[-1].member_id].append(partition)
        if len(by_age) > 1:
            previous[partition] = by_age[-2].member_id
    return current, owner, previous


def _listed_for_moves(
    members: Sequence[Subscription],
    counts: Mapping[str, int],
    topics_of: Mapping[str, list[str]],
    current: Assignment,
    previous: Mapping[TopicPartition, str],
) -> list[TopicPartition]:
    """All partitions in the order in which they are tried (``sortPartitions``); may sort what members own."""
    everything = [(topic, index) for topic in counts for index in range(counts[topic])]
    if len({tuple(topics) for topics in topics_of.values()}) > 1:
        consumers = {topic: sum(topic in member.topics for member in members) for topic in counts}
        return sorted(everything, key=lambda p: (consumers[p[0]], p[0].encode(), p[1]))
    known = dict.fromkeys(everything)
    for owned in current.values():
        owned.sort(key=_by_name)
    remaining = {one: [p for p in owned if p in known] for one, owned in current.items()}
    listed: dict[TopicPartition, None] = {}
    while any(remaining.values()):
        most = max(remaining, key=lambda one: (len(remaining[one]), one.encode()))
        moved_before = [partition for partition in remaining[most] if partition in previous]
        chosen = (moved_before or remaining[most])[0]
        remaining[most].remove(chosen)
        listed[chosen] = None
    if not listed:
        return sorted(everything, key=_by_name)
    return list(listed | dict.fromkeys(reversed(everything)))


def _by_name(partition: TopicPartition) -> tuple[bytes, int]:
    return partition[0].encode(), partition[1]


def _adjusted(members: Sequence[Subscription], assigned: Assignment) -> Assignment:
    """Leaves out what changes hands; gives back what nobody was assigned."""
    by_id = {member.member_id: member for member in members}
    new_owner = {p: by_id[one] for one, partitions in assigned.items() for p in partitions}
    old_owner = {partition: member for member in members for partition in member.owned}
    adjusted: Assignment = {member.member_id: [] for member in members}
    for partition, member in new_owner.items():
        if partition in old_owner and same_member(member, old_owner[partition]):
            adjusted[member.member_id].append(partition)
    for partition, member in new_owner.items():
        if partition not in old_owner:
            adjusted[member.member_id].append(partition)
    for partition, member in old_owner.items():
        if partition not in new_owner:
            adjusted[member.member_id].append(partition)
    return adjusted
