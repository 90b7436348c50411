"""Giving and moving partitions until a group is balanced: the half of the sticky algorithms that Java and librdkafka
share.

A free partition goes to the subscriber that has least (then by member id). After that partitions move, one by one,
from a member to the subscriber that has least, as long as that lessens a difference of two or more. Members who have
all that they can get, where nobody else can get any of it, are set aside meanwhile.

Where Kafka's leader would fail on a null reference (a stale claim of a member set aside) this raises ``KeyError``.
Sources: ``AbstractStickyAssignor.GeneralAssignmentBuilder``, ``rdkafka_sticky_assignor.c`` (``balance`` and what it
calls).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence

from sim.errors import InputError
from sim.protocol.assign_input import Assignment, TopicPartition
from sim.protocol.assign_movements import Movements

__all__ = ["Balance"]

_ENDLESS = "Kafka's own algorithm comes to no end with these subscriptions and claims"


class Balance:
    """Who has what while partitions are given and moved.

    *topics_of*: subscribed topics that exist, a member; *owner*: the member a partition is taken from when it moves;
    *previous*: an earlier owner that a partition rather goes back to; *slack*: how many partitions more than a member
    has another one may have before the group counts as unbalanced (1 in Java, 0 in librdkafka, which so goes on to look
    for earlier owners).
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        topics_of: Mapping[str, Sequence[str]],
        current: Assignment,
        owner: dict[TopicPartition, str],
        previous: Mapping[TopicPartition, str],
        movements: Movements,
        sort_key: Callable[[str], bytes],
        slack: int,
    ) -> None:
        self.current = current
        self._counts, self._topics_of, self._owner, self._previous = counts, topics_of, owner, previous
        self._movements, self._sort_key, self._slack = movements, sort_key, slack
        self._consumers_of = {topic: [one for one in topics_of if topic in topics_of[one]] for topic in counts}
        self._most = {one: sum(counts[topic] for topic in topics) for one, topics in topics_of.items()}
        self._by_load: list[tuple[int, bytes, str]] = []  # ascending
        for one in current:
            self._load(one)

    def finish(
        self, free: list[TopicPartition], everything: list[TopicPartition], *, revocation_required: bool
    ) -> Assignment:
        """Gives the *free* partitions and balances; first, unless something is revoked anyway, by moving these alone.

        Moves among *everything* that do not better the balance of an existing assignment are taken back.
        """
        fresh = not self._by_load[-1][0]
        for partition in free:
            self._give(partition)
        fixed = self._set_aside()
        before = {one: list(partitions) for one, partitions in self.current.items()}
        if not revocation_required:
            self._reassign(self._movable(free))
        if self._reassign(self._movable(everything)) and not fresh and _imbalance(self.current) >= _imbalance(before):
            self.current = before
        return {**self.current, **fixed}

    # --- members by load ------------------------------------------------------------------------------------------
    def _load(self, one: str) -> None:
        insort(self._by_load, (len(self.current[one]), self._sort_key(one), one))

    def _unload(self, one: str) -> None:
        self._by_load.remove((len(self.current[one]), self._sort_key(one), one))

    def _least_loaded(self, topic: str) -> str | None:
        return next((one for *_, one in self._by_load if topic in self._topics_of[one]), None)

    def _give(self, partition: TopicPartition) -> None:
        one = self._least_loaded(partition[0])
        if one is not None:
            self._unload(one)
            self.current[one].append(partition)
            self._owner[partition] = one
            self._load(one)

    def _movable(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [partition for partition in partitions if len(self._consumers_of[partition[0]]) > 1]

    def _set_aside(self) -> Assignment:
        fixed = {one: self.current[one] for one in self._topics_of if not self._can_take_part(one)}
        for one in fixed:
            self._unload(one)
            del self.current[one]
        return fixed

    def _can_take_part(self, one: str) -> bool:
        mine = self.current[one]
        return len(mine) < self._most[one] or any(len(self._consumers_of[topic]) > 1 for topic, _ in mine)

    # --- moves ----------------------------------------------------------------------------------------------------
    def _reassign(self, partitions: list[TopicPartition]) -> bool:
        """Moves until a pass changes nothing; returns whether anything moved.

        Passes that come back to where an earlier one began never end: Kafka's leader would hang there.
        """
        moved, modified = False, True
        seen: list[object] = []
        while modified:
            modified = False
            state = (dict(self._owner), self._movements.state())
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
        has = len(self.current[self._owner[partition]])
        before = self._previous.get(partition)
        if before is not None and has > len(self.current[before]) + 1:
            self._move(partition, before)
            return True
        if any(has > len(self.current[other]) + 1 for other in self._consumers_of[partition[0]]):
            to = self._least_loaded(partition[0])
            assert to is not None  # the other one subscribes
            self._move(partition, to)
            return True
        return False

    def _move(self, partition: TopicPartition, new: str) -> None:
        partition = self._movements.to_be_moved(partition, self._owner[partition], new)
        old = self._owner[partition]
        partition = self._movements.moved(partition, old, new)
        touched = dict.fromkeys((old, new))
        for one in touched:
            self._unload(one)
        if partition in self.current[old]:
            self.current[old].remove(partition)
        self.current[new].append(partition)
        self._owner[partition] = new
        for one in touched:
            self._load(one)

    def _is_balanced(self) -> bool:
        """No member could take a partition of another one that has too many more than it."""
        if self._by_load[0][0] >= self._by_load[-1][0] - 1:
            return True
        owner = {partition: one for one, partitions in self.current.items() for partition in partitions}
        for has, _, one in self._by_load:
            if has == self._most[one]:
                continue
            for topic in self._topics_of[one]:
                owners = dict.fromkeys(owner[topic, index] for index in range(self._counts[topic]))
                if any(len(self.current[other]) > has + self._slack for other in owners if other != one):
                    return False
        return True


def _imbalance(assigned: Assignment) -> int:
    """Kafka's balance score: the differences in size over all pairs of members."""
    sizes = sorted(len(partitions) for partitions in assigned.values())
    return sum(size * (2 * rank - len(sizes) + 1) for rank, size in enumerate(sizes))
