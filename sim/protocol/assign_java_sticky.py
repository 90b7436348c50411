"""The Java client's sticky assignors: what members claim, and the algorithm for equal subscriptions.

Both *sticky* (eager) and *cooperative-sticky* first sort out who may keep what: of several claims on a partition the
newest generation wins, and two claims of one generation lose it both. If all members subscribe to the same topics the
*constrained* algorithm below runs, else the *general* one (``assign_java_general``). Cooperative-sticky then takes away
from the result every partition that would pass directly from one owner to another: it is given in the next round.

Constrained: in the order of the leader's HashMap each member keeps its owned partitions, lowest numbers first, up to
its quota; the first ``P mod C`` who own enough keep one more. The rest is dealt in turn, by topic and number, to the
members with room in the order of their ids. Which of several equal owners gives one up is thus decided by the hash of
the member ids, which are random (settles consumer:U10).

The same in 3.9 and 4.3. Sources: ``AbstractStickyAssignor.allSubscriptionsEqual``, ``ConstrainedAssignmentBuilder``,
``CooperativeStickyAssignor``, ``StickyAssignor.memberData``; consumer:F3.18, consumer:F6.10, consumer:F6.11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sim.errors import LawBroken
from sim.protocol.assign_input import (
    DEFAULT_GENERATION,
    Assignment,
    Subscription,
    TopicPartition,
    as_received,
    known_topics,
    member_order,
)
from sim.protocol.assign_java_general import Claim, general_assignment, without
from sim.protocol.java_order import HashOrder, string_hash, string_sort_key

__all__ = ["java_cooperative_sticky", "java_sticky"]


def java_sticky(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """``partition.assignment.strategy=sticky`` of the Java client (eager)."""
    order = member_order(members)
    claims = {member.member_id: Claim(_from_user_data(member.owned), member.generation) for member in order}
    assigned, _ = _assign(order, partitions, claims)
    return {member.member_id: as_received(assigned[member.member_id]) for member in members}


def java_cooperative_sticky(members: Sequence[Subscription], partitions: Mapping[str, int]) -> Assignment:
    """``partition.assignment.strategy=cooperative-sticky`` of the Java client: one round of it."""
    order = member_order(members)
    claims = {member.member_id: Claim(sorted(member.owned, key=_by_topic), _newest(member)) for member in order}
    assigned, transferred = _assign(order, partitions, claims)
    if transferred is None:
        transferred = _transferred(claims, assigned)
    for partition, member_id in transferred.items():
        if partition in assigned[member_id]:
            assigned[member_id].remove(partition)
    return {member.member_id: as_received(assigned[member.member_id]) for member in members}


def _by_topic(partition: TopicPartition) -> tuple[bytes, int]:
    return string_sort_key(partition[0]), partition[1]


def _by_number(partition: TopicPartition) -> tuple[int, bytes]:
    return partition[1], string_sort_key(partition[0])


def _from_user_data(owned: Sequence[TopicPartition]) -> list[TopicPartition]:
    """As the user data lists them: topics in the order of ``CollectionUtils.groupPartitionsByTopic``."""
    topics = HashOrder(string_hash)
    for topic, _ in owned:
        topics.add_computed(topic)
    return [partition for topic in topics for partition in owned if partition[0] == topic]


def _newest(member: Subscription) -> int:
    """Cooperative-sticky believes the subscription's generation, and its user data only where that has none."""
    return member.generation if _joined(member) < 0 else _joined(member)


def _joined(member: Subscription) -> int:
    return member.generation if member.joined_generation is None else member.joined_generation


def _transferred(claims: Mapping[str, Claim], assigned: Assignment) -> dict[TopicPartition, str]:
    """Partitions that one member would gain and another lose, with the member that gains them."""
    gained = {p: one for one, now in assigned.items() for p in now if p not in claims[one].partitions}
    lost = {p for one, claim in claims.items() for p in claim.partitions if p not in assigned[one]}
    return {partition: member_id for partition, member_id in gained.items() if partition in lost}


def _assign(
    order: Sequence[Subscription], partitions: Mapping[str, int], claims: Mapping[str, Claim]
) -> tuple[Assignment, dict[TopicPartition, str] | None]:
    """Assigned partitions, and those changing hands (None: the general algorithm does not say)."""
    counts = {topic: partitions[topic] for topic in known_topics(order, partitions)}
    owned, contested = _settle_claims(order, counts, claims)
    if _all_subscriptions_equal(order):
        constrained = _Constrained(counts, owned, contested)
        return constrained.build(), constrained.transferred
    return general_assignment(order, counts, owned, claims), None


def _all_subscriptions_equal(order: Sequence[Subscription]) -> bool:
    """Compared with the first member that subscribes to anything."""
    first: set[str] = set()
    for member in order:
        if not first:
            first = set(member.topics)
        elif first != set(member.topics):
            return False
    return True


def _settle_claims(
    order: Sequence[Subscription], counts: Mapping[str, int], claims: Mapping[str, Claim]
) -> tuple[Assignment, set[TopicPartition]]:
    """Who may keep what, and the partitions that two members of one generation claimed.

    The generation of an earlier claim is read from its subscription, that of the later one from its user data; they
    differ only where sticky's user data outlived a membership.
    """
    owned: Assignment = {}
    owner: dict[TopicPartition, Subscription] = {}
    contested: set[TopicPartition] = set()
    for member in order:
        mine = owned[member.member_id] = []
        claim = claims[member.member_id]
        for partition in claim.partitions:
            if partition[0] not in counts:
                continue
            other = owner.get(partition)
            theirs = DEFAULT_GENERATION if other is None else _joined(other)
            if other is not None and claim.generation < theirs:
                continue
            if other is not None and partition in owned[other.member_id]:
                owned[other.member_id].remove(partition)
            if other is not None and claim.generation == theirs:
                contested.add(partition)
            else:
                mine.append(partition)
            owner[partition] = member
    return owned, contested


@dataclass
class _Constrained:
    """``ConstrainedAssignmentBuilder``; *owned* in the order of the leader's HashMap."""

    counts: Mapping[str, int]
    owned: Assignment
    contested: set[TopicPartition]
    transferred: dict[TopicPartition, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.min_quota, self.members_over = divmod(sum(self.counts.values()), len(self.owned))
        self.max_quota = self.min_quota + (self.members_over > 0)
        self.over = 0  # members that have max_quota already
        self.under_min: list[str] = []
        self.at_min: list[str] = []  # members that may get one more
        self.given_up: dict[TopicPartition, str] = {}
        self.assigned: Assignment = {member_id: [] for member_id in self.owned}

    def build(self) -> Assignment:
        for member_id, owned in self.owned.items():
            self._keep(member_id, [p for p in sorted(owned, key=_by_number) if p not in self.contested])
        self.under_min.sort(key=string_sort_key)
        self.at_min.sort(key=string_sort_key)
        self._deal(self._unassigned())
        return self.assigned

    def _keep(self, member_id: str, owned: list[TopicPartition]) -> None:
        if len(owned) < self.min_quota:
            quota = len(owned)
            self.under_min.append(member_id)
        elif len(owned) >= self.max_quota and self.over < self.members_over:
            quota = self.max_quota
            self.over += 1
        else:
            quota = self.min_quota
            if self.over < self.members_over:
                self.at_min.append(member_id)
        self.assigned[member_id] += owned[:quota]
        self.given_up.update(dict.fromkeys(owned[quota:], member_id))

    def _unassigned(self) -> list[TopicPartition]:
        taken = sorted((p for owned in self.assigned.values() for p in owned), key=_by_topic)
        topics = sorted(self.counts, key=string_sort_key)
        return without([(topic, index) for topic in topics for index in range(self.counts[topic])], taken)

    def _deal(self, unassigned: list[TopicPartition]) -> None:
        turn = 0
        for partition in unassigned:
            if self.under_min:
                turn = turn if turn < len(self.under_min) else 0
                member_id = self.under_min[turn]
                turn += 1
            elif self.at_min:
                member_id = self.at_min.pop(0)
            else:
                raise LawBroken("ConstrainedAssignmentBuilder", f"no member has room for {partition}")
            if self._give(partition, member_id) == self.min_quota:
                turn -= 1
                del self.under_min[turn]
                self.at_min.append(member_id)

    def _give(self, partition: TopicPartition, member_id: str) -> int:
        self.assigned[member_id].append(partition)
        if self.given_up.get(partition, member_id) != member_id or partition in self.contested:
            self.transferred[partition] = member_id
        return len(self.assigned[member_id])
