"""The group coordinator's uniform assignor where members subscribe to different topics.

Members keep their target of topics they still subscribe to. Free partitions go, topics with the most partitions per
subscriber first, to the subscribers that have least, in turn. Then topic after topic partitions move from the
subscribers that have most to those that have least, until a whole round changes nothing (at most 16 rounds). Of a
member's partitions of a topic the last one goes first.

This is the algorithm of 4.x; that of 3.9 (a preview there) is not modelled.
Source: 4.3.0 ``UniformHeterogeneousAssignmentBuilder``.
"""

from __future__ import annotations

from fractions import Fraction

from sim.protocol.assign_target import GroupSpec, PartitionSets, Target

__all__ = ["uniform_mixed"]

_MAX_ITERATION_COUNT = 16


def uniform_mixed(spec: GroupSpec) -> dict[str, Target]:
    """``group.consumer.assignors=uniform`` with unequal subscriptions."""
    return _Mixed(spec).build()


class _Mixed:
    def __init__(self, spec: GroupSpec) -> None:
        self.spec = spec
        self.ids = spec.member_ids()
        topics_of = {member.member_id: spec.topics_of(member) for member in spec.members}
        self.subscribers: dict[str, list[int]] = {}  # members by index, ascending
        for index, member_id in enumerate(self.ids):
            for topic in topics_of[member_id]:
                self.subscribers.setdefault(topic, []).append(index)
        self.owners = {topic: [-1] * spec.partitions[topic] for topic in self.subscribers}
        self.sizes = [0] * len(self.ids)
        self.sets = [PartitionSets(spec.current.get(member_id, {}), spec.topic_hash) for member_id in self.ids]
        for index, member_id in enumerate(self.ids):
            self._keep(index, spec.current.get(member_id, {}), topics_of[member_id])

    def build(self) -> dict[str, Target]:
        topics = sorted(self.subscribers, key=self._topic_key)
        for topic in topics:
            self._assign_free(topic)
        self._balance([topic for topic in topics if len(self.subscribers[topic]) > 1])
        return {one: self.spec.replayed(one, sets.walk()) for one, sets in zip(self.ids, self.sets, strict=True)}

    def _topic_key(self, topic: str) -> tuple[Fraction, int, int, int]:
        topic_id = self.spec.topic_ids[topic]
        count = len(self.subscribers[topic])
        high, low = _signed(topic_id >> 64), _signed(topic_id)
        return -Fraction(self.spec.partitions[topic], count), count, high, low

    def _keep(self, index: int, held: Target, topics: list[str]) -> None:
        for topic, partitions in held.items():
            if topic in topics:
                self.sizes[index] += len(partitions)
                for partition in partitions:
                    self.owners[topic][partition] = index
            else:
                self.sets[index].drop(topic)

    def _assign(self, topic: str, partition: int, to: int) -> None:
        owner = self.owners[topic][partition]
        if owner != -1:
            self.sets[owner].discard(topic, partition)
            self.sizes[owner] -= 1
        subscribers = len(self.subscribers[topic])
        share = (self.spec.partitions[topic] + subscribers - 1) // subscribers
        self.sets[to].add(topic, partition, share * 4 // 3 + 1)
        self.owners[topic][partition] = to
        self.sizes[to] += 1

    def _assign_free(self, topic: str) -> None:
        free = [partition for partition, owner in enumerate(self.owners[topic]) if owner == -1]
        if free:
            balancer = _Balancer(self.sizes, self.subscribers[topic])
            for partition in free:
                self._assign(topic, partition, balancer.next_least_loaded())

    def _balance(self, topics: list[str]) -> None:
        last = -1  # the last topic that changed; the first one to begin with
        for _ in range(_MAX_ITERATION_COUNT):
            for rank, topic in enumerate(topics):
                if rank == last:
                    return
                if self._balance_topic(topic) or last == -1:
                    last = rank

    def _balance_topic(self, topic: str) -> int:
        """Moves partitions of one topic; returns how many."""
        balancer = _Balancer(self.sizes, self.subscribers[topic])
        if balancer.imbalance <= 1:
            return 0
        owned: dict[int, list[int]] = {}
        for partition, owner in enumerate(self.owners[topic]):
            owned.setdefault(owner, []).append(partition)
        moved = 0
        while True:
            most = balancer.next_most_loaded()
            while most != -1 and not owned.get(most):
                balancer.exclude_most_loaded()
                most = balancer.next_most_loaded()
            if most == -1:
                return moved
            partition = owned[most].pop()
            least = balancer.next_least_loaded()
            if balancer.is_balanced():
                return moved
            self._assign(topic, partition, least)
            moved += 1


class _Balancer:
    """``MemberAssignmentBalancer``: the members of one topic by size, with a range at each end that grows inwards.

    All members of a range had the same size when it was last widened. *sizes* is the caller's list, changed by it.
    """

    def __init__(self, sizes: list[int], members: list[int]) -> None:
        self.sizes = sizes
        self.members = sorted(members, key=lambda index: (sizes[index], index))
        self.least_end, self.next_least = 0, 0  # exclusive
        self.least_count = sizes[self.members[0]] - 1
        self.most_start = self.most_end = len(self.members)  # inclusive, exclusive
        self.most_count = sizes[self.members[-1]] + 1
        self.next_most = len(self.members) - 1
        self.imbalance = sizes[self.members[-1]] - sizes[self.members[0]]

    def next_least_loaded(self) -> int:
        if self.next_least >= self.least_end:
            self.least_count += 1
            while self.least_end < len(self.members) and self._size(self.least_end) == self.least_count:
                self.least_end += 1
            self.next_least = 0
        self.next_least += 1
        return self.members[self.next_least - 1]

    def next_most_loaded(self) -> int:
        """-1: none is left that has something to give."""
        if self.next_most < self.most_start:
            if self.most_end <= self.most_start and self.most_start > 0:
                self.most_count = self._size(self.most_start - 1)  # everyone in the range was excluded
            else:
                self.most_count -= 1
            while self.most_start > 0 and self._size(self.most_start - 1) == self.most_count:
                self.most_start -= 1
            self.next_most = self.most_end - 1
        if self.next_most < 0:
            return -1
        self.next_most -= 1
        return self.members[self.next_most + 1]

    def exclude_most_loaded(self) -> None:
        """Takes the member that ``next_most_loaded`` returned last out of the range."""
        at, end = self.next_most + 1, self.most_end - 1
        self.members[at], self.members[end] = self.members[end], self.members[at]
        self.most_end -= 1

    def is_balanced(self) -> bool:
        return self.most_count - self.least_count <= 1

    def _size(self, rank: int) -> int:
        return self.sizes[self.members[rank]]


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
