"""The coordinator's assignors on examples worked out by hand, and on what recorded groups did."""

from __future__ import annotations

import pytest

from sim.protocol.assign_input import Subscription
from sim.protocol.assign_server import server_range, server_uniform
from sim.protocol.assign_target import GroupSpec, PartitionSets, Target
from tests.protocol.assign_play import ServerGroup, ids

IDS = {"t": 1, "u": 2}


def spec(
    members: list[Subscription], partitions: dict[str, int], current: dict[str, Target] | None = None
) -> GroupSpec:
    return GroupSpec(members, partitions, {topic: IDS[topic] for topic in partitions}, current or {})


def test_range_gives_the_first_members_one_more() -> None:
    """consumer:F6.8: as the client's, static members first."""
    members = [Subscription("b", ["t", "u"]), Subscription("a", ["t", "u"]), Subscription("c", ["t", "u"], "i")]
    assert server_range(spec(members, {"t": 4, "u": 2})) == {
        "c": {"t": (0, 1), "u": (0,)},
        "a": {"t": (2,), "u": (1,)},
        "b": {"t": (3,)},
    }


def test_range_of_mixed_subscriptions_counts_the_subscribers_of_each_topic() -> None:
    """assignor.RangeAssignorTest: unequal subscriptions."""
    members = [Subscription("a", ["t"]), Subscription("b", ["t", "u"])]
    assert server_range(spec(members, {"t": 3, "u": 2})) == {"a": {"t": (0, 1)}, "b": {"t": (2,), "u": (0, 1)}}


def test_range_of_two_small_topics_is_lopsided_where_uniform_is_even() -> None:
    """consumer:F6.7."""
    members = [Subscription("a", ["t", "u"]), Subscription("b", ["t", "u"])]
    assert server_range(spec(members, {"t": 1, "u": 1})) == {"a": {"t": (0,), "u": (0,)}, "b": {}}
    assert server_uniform(spec(members, {"t": 1, "u": 1})) == {"a": {"t": (0,)}, "b": {"u": (0,)}}


def test_from_scratch_the_last_members_of_the_walk_get_one_more() -> None:
    """consumer:F6.9, consumer:toy-31; one-letter ids are walked by their code."""
    members = [Subscription(one, ["t"]) for one in "cab"]
    assert server_uniform(spec(members, {"t": 5})) == {"a": {"t": (0,)}, "b": {"t": (1, 2)}, "c": {"t": (3, 4)}}
    assert server_uniform(spec(members, {"t": 5}), extras_to_the_first=True) == {
        "a": {"t": (0, 1)},
        "b": {"t": (2, 3)},
        "c": {"t": (4,)},
    }


def test_with_more_members_than_partitions_the_first_ones_of_the_walk_stay_empty() -> None:
    """consumer:F6.9."""
    members = [Subscription(one, ["t"]) for one in "abc"]
    assert server_uniform(spec(members, {"t": 2})) == {"a": {}, "b": {"t": (0,)}, "c": {"t": (1,)}}


def test_who_has_an_extra_partition_keeps_it() -> None:
    """consumer:F6.9: in 3.9 the first of the walk took the place, and c lost a partition to b."""
    members = [Subscription(one, ["t"]) for one in "abc"]
    current: dict[str, Target] = {"a": {"t": (0,)}, "b": {"t": (1,)}, "c": {"t": (2, 3)}}
    assert server_uniform(spec(members, {"t": 4}, current)) == current
    moved = server_uniform(spec(members, {"t": 4}, current), extras_to_the_first=True)
    assert moved == {"a": {"t": (0, 3)}, "b": {"t": (1,)}, "c": {"t": (2,)}}


def test_incumbents_keep_their_low_partitions_and_the_newcomer_gets_the_high_ones() -> None:
    """consumer:F6.9; recorded cell R1 jk."""
    members = [Subscription("a", ["t"]), Subscription("b", ["t"])]
    current: dict[str, Target] = {"a": {"t": (0, 1, 2, 3)}}
    assert server_uniform(spec(members, {"t": 4}, current)) == {"a": {"t": (0, 1)}, "b": {"t": (2, 3)}}


def test_what_goes_is_what_the_set_is_walked_through_last() -> None:
    """A HashSet of 18 has 32 buckets: 32 stands in bucket 0 behind 0, so that 16 is the last one, and goes."""
    members = [Subscription("a", ["t"]), Subscription("b", ["t"])]
    current: dict[str, Target] = {"a": {"t": (0, 32, *range(1, 17))}, "b": {"t": (*range(17, 32), 33)}}
    after = server_uniform(spec(members, {"t": 34}, current))
    assert set(after["a"]["t"]) == {32, *range(16)}
    assert set(after["b"]["t"]) == {33, *range(16, 32)}


def test_a_record_that_is_read_back_keeps_the_order_within_a_bucket() -> None:
    """Of 16 buckets 1 and 17 share one, 40 is in the eighth (Assignment.fromRecord)."""
    group = spec([Subscription("a", ["t"])], {"t": 41})
    assert group.replayed("a", [("t", [40, 1, 17])]) == {"t": (1, 17, 40)}
    assert group.replayed("a", [("t", [40, 17, 1])]) == {"t": (17, 1, 40)}


def test_a_target_that_stays_keeps_the_sets_it_has() -> None:
    """TargetAssignmentBuilder.build writes no record for it."""
    held: Target = {"t": (17, 1, 40)}
    assert spec([Subscription("a", ["t"])], {"t": 41}, {"a": held}).replayed("a", [("t", [1, 17, 40])]) is held


def test_a_topic_that_is_no_longer_subscribed_to_goes() -> None:
    members = [Subscription("a", ["t"]), Subscription("b", ["t"])]
    current: dict[str, Target] = {"a": {"u": (0,), "t": (0,)}, "b": {"u": (1,), "t": (1,)}}
    assert server_uniform(spec(members, {"t": 2, "u": 2}, current)) == {"a": {"t": (0,)}, "b": {"t": (1,)}}


def test_unequal_subscriptions_fill_the_topic_with_most_partitions_per_subscriber_first() -> None:
    """UniformHeterogeneousAssignmentBuilder: u has 4 for one, t has 4 for two."""
    members = [Subscription("a", ["t"]), Subscription("b", ["t", "u"])]
    assert server_uniform(spec(members, {"t": 4, "u": 4})) == {
        "a": {"t": (0, 1, 2, 3)},
        "b": {"u": (0, 1, 2, 3)},
    }


def test_unequal_subscriptions_move_the_last_partitions_to_who_has_least() -> None:
    """UniformHeterogeneousAssignmentBuilder.balanceTopic."""
    members = [Subscription("a", ["t"]), Subscription("b", ["t", "u"])]
    current: dict[str, Target] = {"a": {"t": (0, 1, 2, 3, 4, 5)}}
    moved = server_uniform(spec(members, {"t": 6, "u": 0}, current))
    assert {one: set(held["t"]) for one, held in moved.items()} == {"a": {0, 1, 2}, "b": {3, 4, 5}}


def test_an_empty_group_has_no_target() -> None:
    assert server_uniform(spec([], {"t": 3})) == {}
    assert server_range(spec([], {"t": 3})) == {}


@pytest.mark.parametrize("seed", range(5))
def test_sizes_in_a_live_group(seed: int) -> None:
    """Recorded cells A1 jk and lk: sizes are predictable, owners are not (consumer:F6.9)."""
    names = ids(seed)
    group = ServerGroup(server_uniform, {"t": 6}, seed)
    sizes = []
    for name in "ABCD":
        group.join(names[name])
        sizes.append(sorted(len(held["t"]) for held in group.compute().values()))
    group.leave(names["B"])
    sizes.append(sorted(len(held["t"]) for held in group.compute().values()))
    assert sizes == [[6], [3, 3], [2, 2, 2], [1, 1, 2, 2], [2, 2, 2]]


def test_owners_in_a_live_group_hang_on_the_random_ids() -> None:
    """consumer:F6.9."""
    owners = set()
    for seed in range(12):
        names = ids(seed)
        group = ServerGroup(server_uniform, {"t": 3})
        group.join(*(names[name] for name in "AB"))
        owners.add(next(name for name in "AB" if len(group.compute()[names[name]]["t"]) == 2))
    assert owners == {"A", "B"}


def test_partition_sets_come_and_go() -> None:
    sets = PartitionSets({"t": (0, 1)}, ord)
    sets.add("u", 5)
    sets.discard("t", 0)
    assert sorted(sets.walk()) == [("t", [1]), ("u", [5])]
    sets.discard("t", 1)
    assert sets.walk() == [("u", [5])]
