"""Laws of all assignors in random groups that change: everything assigned once, balance, what stays, order of input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.protocol.assign_input import Assignor, Subscription
from sim.protocol.assign_java import java_range, java_roundrobin
from sim.protocol.assign_java_sticky import java_cooperative_sticky, java_sticky
from sim.protocol.assign_librdkafka import librdkafka_range, librdkafka_roundrobin
from sim.protocol.assign_librdkafka_sticky import librdkafka_cooperative_sticky, librdkafka_sticky_round
from sim.protocol.assign_server import server_range, server_uniform
from sim.protocol.assign_target import ServerAssignor
from sim.protocol.java_order import hash_map_order, string_hash
from tests.protocol.assign_play import ClientGroup, ServerGroup

EAGER = [java_range, java_roundrobin, java_sticky, librdkafka_range, librdkafka_roundrobin]
COOPERATIVE = [java_cooperative_sticky, librdkafka_cooperative_sticky]
BALANCED = [java_roundrobin, java_sticky, librdkafka_roundrobin, librdkafka_sticky_round]
SERVER = [server_range, server_uniform]
thorough = settings(max_examples=60, derandomize=True, deadline=None)

names = st.sampled_from([f"{letter}{number}" for letter in "abXY" for number in (1, 2, 10)])
topics = st.dictionaries(st.sampled_from(["t", "u", "v"]), st.integers(1, 12), min_size=1)
# A life: what each step does to the group (a member joins with these topics, or leaves if it is there).
lives = st.lists(st.tuples(names, st.integers(1, 7)), min_size=1, max_size=9)


def chosen(partitions: dict[str, int], bits: int) -> list[str]:
    picked = [topic for place, topic in enumerate(partitions) if bits >> place & 1]
    return picked or list(partitions)[:1]


def step(group: ClientGroup | ServerGroup, member_id: str, subscribed: Sequence[str]) -> None:
    if member_id in group.members and len(group.members) > 1:
        group.leave(member_id)
    else:
        group.join(member_id, topics=subscribed)


def given_out(group: ClientGroup) -> Counter[tuple[str, int]]:
    return Counter(partition for member in group.members.values() for partition in member.owned)


def wanted(group: ClientGroup | ServerGroup) -> Counter[tuple[str, int]]:
    subscribed = dict.fromkeys(topic for member in group.members.values() for topic in member.topics)
    return Counter((topic, index) for topic in subscribed for index in range(group.partitions[topic]))


@pytest.mark.parametrize("assignor", [*EAGER, *COOPERATIVE])
@thorough
@given(partitions=topics, life=lives)
def test_every_partition_has_one_owner_who_subscribes(
    assignor: Assignor, partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    group = ClientGroup(assignor, partitions)
    for member_id, bits in life:
        step(group, member_id, chosen(partitions, bits))
        try:
            group.settle()
        except InputError:
            return  # Kafka itself has no answer
        assert given_out(group) == wanted(group)
        assert all(topic in one.topics for one in group.members.values() for topic, _ in one.owned)


@pytest.mark.parametrize("assignor", SERVER)
@thorough
@given(partitions=topics, life=lives)
def test_every_partition_has_one_target_member_who_subscribes(
    assignor: ServerAssignor, partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    group = ServerGroup(assignor, partitions)
    for member_id, bits in life:
        step(group, member_id, chosen(partitions, bits))
        target = group.compute()
        held = Counter((topic, i) for sets in target.values() for topic, indexes in sets.items() for i in indexes)
        assert held == wanted(group)
        assert all(topic in group.members[one].topics for one, sets in target.items() for topic in sets)
        assert all(indexes for sets in target.values() for indexes in sets.values())


@pytest.mark.parametrize("assignor", [java_range, librdkafka_range])
@thorough
@given(partitions=topics, life=lives)
def test_range_is_even_and_contiguous_within_each_topic(
    assignor: Assignor, partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    members = {one: Subscription(one, chosen(partitions, bits)) for one, bits in life}
    assigned = assignor(list(members.values()), partitions)
    for topic in partitions:
        subscribers = [one for one, member in members.items() if topic in member.topics]
        runs = [[index for name, index in assigned[one] if name == topic] for one in subscribers]
        sizes = [len(run) for run in runs] or [0]
        assert max(sizes) - min(sizes) <= 1
        assert all(run == list(range(run[0], run[0] + len(run))) for run in runs if run)


@pytest.mark.parametrize("assignor", BALANCED)
@thorough
@given(partitions=topics, life=lives)
def test_equal_subscriptions_are_balanced_to_one(
    assignor: Assignor, partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    """consumer:F6.7, consumer:F6.11."""
    group = ClientGroup(assignor, partitions)
    for member_id, _ in life:
        step(group, member_id, list(partitions))
        group.settle()
        sizes = [len(member.owned) for member in group.members.values()]
        assert max(sizes) - min(sizes) <= 1


@thorough
@given(partitions=topics, life=lives)
def test_uniform_is_balanced_to_one_with_equal_subscriptions(
    partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    """consumer:F6.9."""
    group = ServerGroup(server_uniform, partitions)
    for member_id, _ in life:
        step(group, member_id, list(partitions))
        sizes = [sum(map(len, sets.values())) for sets in group.compute().values()]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("assignor", [java_sticky, librdkafka_sticky_round])
@thorough
@given(partitions=topics, life=lives)
def test_with_unequal_subscriptions_a_fresh_group_has_nothing_that_could_move_for_the_better(
    assignor: Assignor, partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    members = {one: Subscription(one, chosen(partitions, bits)) for one, bits in life}
    try:
        assigned = assignor(list(members.values()), partitions)
    except InputError:
        return
    for rich, poor in combinations(members, 2):
        for one, other in ((rich, poor), (poor, rich)):
            if len(assigned[one]) > len(assigned[other]) + 1:
                assert not any(topic in members[other].topics for topic, _ in assigned[one])


@pytest.mark.parametrize("assignor", [java_sticky, java_cooperative_sticky, librdkafka_cooperative_sticky])
@thorough
@given(partitions=topics, life=lives)
def test_members_who_stay_keep_all_that_balance_leaves_them(
    assignor: Assignor, partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    """As many partitions stay where they are as can: with equal subscriptions everyone keeps up to its quota."""
    group = ClientGroup(assignor, partitions)
    for member_id, _ in life:
        step(group, member_id, list(partitions))
        before = {one: set(member.owned) for one, member in group.members.items()}
        group.settle()
        quota, extras = divmod(sum(partitions.values()), len(before))
        have_more = sum(len(held) > quota for held in before.values())
        could_stay = sum(min(len(held), quota) for held in before.values()) + min(have_more, extras)
        assert sum(len(before[one] & set(group.members[one].owned)) for one in before) == could_stay


@thorough
@given(partitions=topics, life=lives)
def test_uniform_keeps_all_that_balance_leaves(partitions: dict[str, int], life: list[tuple[str, int]]) -> None:
    group = ServerGroup(server_uniform, partitions)

    def held(member_id: str) -> set[tuple[str, int]]:
        return {(topic, i) for topic, indexes in group.target.get(member_id, {}).items() for i in indexes}

    for member_id, _ in life:
        step(group, member_id, list(partitions))
        before = {one: held(one) for one in group.members}
        group.compute()
        quota = sum(partitions.values()) // len(before)
        assert all(len(held(one) & before[one]) >= min(len(before[one]), quota) for one in before)


@pytest.mark.parametrize("assignor", COOPERATIVE)
@thorough
@given(partitions=topics, life=lives)
def test_no_partition_passes_directly_from_owner_to_owner(
    assignor: Assignor, partitions: dict[str, int], life: list[tuple[str, int]]
) -> None:
    """consumer:F3.18."""
    group = ClientGroup(assignor, partitions)
    for member_id, bits in life:
        step(group, member_id, chosen(partitions, bits))
        owner = {partition: one for one, member in group.members.items() for partition in member.owned}
        try:
            assigned = assignor(list(group.members.values()), partitions)
        except InputError:
            return
        assert all(owner.get(partition, one) == one for one, got in assigned.items() for partition in got)
        group.settle()


@pytest.mark.parametrize("assignor", [*EAGER, java_cooperative_sticky])
@thorough
@given(partitions=topics, life=lives, seed=st.integers(0, 99))
def test_the_order_of_members_does_not_matter_where_the_hash_order_is_the_same(
    assignor: Assignor, partitions: dict[str, int], life: list[tuple[str, int]], seed: int
) -> None:
    """librdkafka's cooperative-sticky walks its maps in the order of the JoinGroup answer, and is left out."""
    members = [Subscription(one, chosen(partitions, bits)) for one, bits in dict(life).items()]
    shuffled = Random(seed).sample(members, len(members))
    walks = [hash_map_order((member.member_id for member in listed), string_hash) for listed in (members, shuffled)]
    if walks[0] == walks[1]:
        try:
            assert assignor(members, partitions) == assignor(shuffled, partitions)
        except InputError:
            return


@thorough
@given(partitions=topics, life=lives, seed=st.integers(0, 99))
def test_range_and_roundrobin_do_not_know_in_which_order_members_are_listed(
    partitions: dict[str, int], life: list[tuple[str, int]], seed: int
) -> None:
    members = [Subscription(one, chosen(partitions, bits)) for one, bits in dict(life).items()]
    shuffled = Random(seed).sample(members, len(members))
    for assignor in (java_range, java_roundrobin, librdkafka_range, librdkafka_roundrobin):
        assert assignor(members, partitions) == assignor(shuffled, partitions)
