"""The Java client's sticky algorithm where subscriptions differ (the *general* one).

Members keep what they own of topics they still subscribe to. What is free goes, topics with the fewest subscribers
first, each to the subscriber that has least. Then partitions move, one by one, from a member to the subscriber that
has least, as long as that lessens a difference of two or more; first only among those that were free, then among all.
If the moves of the second pass do not better the balance of an existing assignment they are all taken back.

The same in 3.9 and 4.3. Racks are not modelled. Where Java would fail with a NullPointerException (a stale claim of a
member that can take part in no move) this raises ``KeyError``.
Source: ``AbstractStickyAssignor.GeneralAssignmentBuilder``.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.errors import InputError
from sim.protocol.assign_input import Assignment, Subscription, TopicPartition
from sim.protocol.assign_movements import Movements
from sim.protocol.java_order import HashOrder, string_sort_key, topic_partition_hash

__all__ = ["Claim", "General"]

_ENDLESS = "Kafka's own algorithm comes to no end with these subscriptions and claims"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a member says it owns, and as of which generation (``AbstractStickyAssignor.MemberData``)."""

    partitions: Sequence[TopicPartition]
    generation: int


class _MovedSet(HashOrder[TopicPartition]):
    def __init__(self) -> None:
        super().__init__(lambda partition: topic_partition_hash(*partition))


class General:
    """``GeneralAssignmentBuilder``; members in the order of the leader's HashMap."""

    def __init__(
        self,
        order: Sequence[Subscription],
        counts: Mapping[str, int],
        owned: Assignment,
        claims: Mapping[str, Claim],
    ) -> None:
        self.counts = counts
        self.current = owned
        self.topics_of = {member.member_id: [t for t in member.topics if t in counts] for member in order}
        self.consumers_of = {t: [one for one, topics in self.topics_of.items() if t in topics] for t in counts}
        self.owner = {partition: one for one, partitions in owned.items() for partition in partitions}
        self.most = {one: sum(counts[topic] for topic in topics) for one, topics in self.topics_of.items()}
        self.movements = Movements(_MovedSet)
        self.revocation_required = False
        self.previous = _previous_owners(claims)
        self.by_load: list[tuple[int, bytes, str]] = []  # ascending (partitions, member id): Java's TreeSet

    def build(self) -> Assignment:
        topics = sorted(self.counts, key=self._topic_key)
        everything = [(topic, index) for topic in topics for index in range(self.counts[topic])]
        free = self._keep_owned(everything)
        for one in self.current:
            self._load(one)
        fresh = not self.by_load[-1][0]
        for partition in free:
            self._give(partition)
        fixed = self._set_aside()
        movable = [partition for partition in everything if len(self.consumers_of[partition[0]]) > 1]
        before = {one: list(partitions) for one, partitions in self.current.items()}
        if not self.revocation_required:
            free_and_movable = [partition for partition in free if len(self.consumers_of[partition[0]]) > 1]
            self._reassign(free_and_movable)
        if self._reassign(movable) and not fresh and _imbalance(self.current) >= _imbalance(before):
            self.current = before
        return {**self.current, **fixed}

    # --- what is owned and what is free ---------------------------------------------------------------------------
    def _topic_key(self, topic: str) -> tuple[int, bytes]:
        return len(self.consumers_of[topic]), string_sort_key(topic)

    def _keep_owned(self, everything: list[TopicPartition]) -> list[TopicPartition]:
        """Drops what a member no longer subscribes to; returns the partitions without an owner.

        As in Kafka, both lists are walked side by side: a claim on a partition that is no more stops the walk.
        """
        kept: list[TopicPartition] = []
        for one, partitions in self.current.items():
            still = [partition for partition in partitions if partition[0] in self.topics_of[one]]
            self.revocation_required |= len(still) < len(partitions)
            self.current[one] = still
            kept += still
        kept.sort(key=lambda partition: (*self._topic_key(partition[0]), partition[1]))
        free, next_kept = [], 0
        for partition in everything:
            if next_kept < len(kept) and kept[next_kept] == partition:
                next_kept += 1
            else:
                free.append(partition)
        return free

    def _load(self, one: str) -> None:
        insort(self.by_load, (len(self.current[one]), string_sort_key(one), one))

    def _unload(self, one: str) -> None:
        self.by_load.remove((len(self.current[one]), string_sort_key(one), one))

    def _least_loaded(self, topic: str) -> str | None:
        return next((one for *_, one in self.by_load if topic in self.topics_of[one]), None)

    def _give(self, partition: TopicPartition) -> None:
        one = self._least_loaded(partition[0])
        if one is not None:
            self._unload(one)
            self.current[one].append(partition)
            self.owner[partition] = one
            self._load(one)

    def _set_aside(self) -> Assignment:
        """Takes out members that have all they can get, where nobody else can get any of it."""
        fixed = {one: self.current[one] for one in self.topics_of if not self._can_take_part(one)}
        for one in fixed:
            self._unload(one)
            del self.current[one]
        return fixed

    def _can_take_part(self, one: str) -> bool:
        mine = self.current[one]
        return len(mine) < self.most[one] or any(len(self.consumers_of[topic]) > 1 for topic, _ in mine)

    # --- moves ----------------------------------------------------------------------------------------------------
    def _reassign(self, partitions: list[TopicPartition]) -> bool:
        """Moves until a pass changes nothing; returns whether anything moved.

        Passes that come back to where an earlier one began never end: Kafka's leader would hang there.
        """
        moved, modified = False, True
        seen: list[object] = []
        while modified:
            modified = False
            state = (dict(self.owner), self.movements.state())
            if state in seen:
                raise InputError("sticky assignor", _ENDLESS, "let all members subscribe to the same topics")
            seen.append(state)
            for partition in partitions:
                if self._is_balanced():
                    break
                modified |= self._better_owner(partition)
            moved |= modified
        return moved

    def _better_owner(self, partition: TopicPartition) -> bool:
        has = len(self.current[self.owner[partition]])
        before = self.previous.get(partition)
        if before is not None and has > len(self.current[before]) + 1:
            self._move(partition, before)
            return True
        if any(has > len(self.current[other]) + 1 for other in self.consumers_of[partition[0]]):
            to = self._least_loaded(partition[0])
            assert to is not None  # the other one subscribes
            self._move(partition, to)
            return True
        return False

    def _move(self, partition: TopicPartition, new: str) -> None:
        partition = self.movements.to_be_moved(partition, self.owner[partition], new)
        old = self.owner[partition]
        self._unload(old)
        if new != old:
            self._unload(new)
        self.movements.moved(partition, old, new)
        self.current[old].remove(partition)
        self.current[new].append(partition)
        self.owner[partition] = new
        self._load(new)
        if new != old:
            self._load(old)

    def _is_balanced(self) -> bool:
        """No member could take a partition of another one that has two or more partitions more than it."""
        if self.by_load[0][0] >= self.by_load[-1][0] - 1:
            return True
        owner = {partition: one for one, partitions in self.current.items() for partition in partitions}
        for has, _, one in self.by_load:
            if has == self.most[one]:
                continue
            for topic in self.topics_of[one]:
                owners = {owner[topic, index] for index in range(self.counts[topic])}
                if any(len(self.current[other]) > has + 1 for other in owners if other != one):
                    return False
        return True


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


def _imbalance(assigned: Assignment) -> int:
    """Kafka's balance score: the differences in size over all pairs of members."""
    sizes = sorted(len(partitions) for partitions in assigned.values())
    return sum(size * (2 * rank - len(sizes) + 1) for rank, size in enumerate(sizes))
