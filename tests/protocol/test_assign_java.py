"""The Java client's assignors on examples worked out by hand, and on what recorded groups did."""

from __future__ import annotations

import pytest

from sim.protocol.assign_input import Assignor, Subscription, as_received, member_order
from sim.protocol.assign_java import java_range, java_roundrobin
from sim.protocol.assign_java_sticky import java_cooperative_sticky, java_sticky
from sim.protocol.java_order import hash_map_order, string_hash
from tests.protocol.assign_play import ClientGroup, ids


def test_range_gives_the_first_members_one_more_of_each_topic() -> None:
    """consumer:F6.8; RangeAssignorTest.testTwoConsumersTwoTopicsSixPartitions."""
    members = [Subscription("consumer2", ["t0", "t1"]), Subscription("consumer1", ["t0", "t1"])]
    assert java_range(members, {"t0": 3, "t1": 3}) == {
        "consumer1": [("t0", 0), ("t0", 1), ("t1", 0), ("t1", 1)],
        "consumer2": [("t0", 2), ("t1", 2)],
    }


@pytest.mark.parametrize("assignor", [java_range, java_roundrobin])
def test_members_with_other_subscriptions_are_passed_over(assignor: Assignor) -> None:
    """RangeAssignorTest and RoundRobinAssignorTest.testMultipleConsumersMixedTopicSubscriptions."""
    members = [Subscription("c1", ["t1"]), Subscription("c2", ["t1", "t2"]), Subscription("c3", ["t1"])]
    assert assignor(members, {"t1": 3, "t2": 2}) == {
        "c1": [("t1", 0)],
        "c2": [("t1", 1), ("t2", 0), ("t2", 1)],
        "c3": [("t1", 2)],
    }


def test_roundrobin_goes_on_with_the_next_member_at_the_next_topic() -> None:
    """RoundRobinAssignorTest.testTwoConsumersTwoTopicsSixPartitions."""
    members = [Subscription("consumer1", ["t0", "t1"]), Subscription("consumer2", ["t0", "t1"])]
    assert java_roundrobin(members, {"t0": 3, "t1": 3}) == {
        "consumer1": [("t0", 0), ("t0", 2), ("t1", 1)],
        "consumer2": [("t0", 1), ("t1", 0), ("t1", 2)],
    }


def test_static_members_come_first_in_range_and_roundrobin_and_count_for_nothing_in_sticky() -> None:
    """consumer:F6.10."""
    members = [Subscription("a", ["t"]), Subscription("z", ["t"], instance_id="i2"), Subscription("y", ["t"], "i9")]
    assert java_range(members, {"t": 3}) == {"z": [("t", 0)], "y": [("t", 1)], "a": [("t", 2)]}
    assert java_roundrobin(members, {"t": 3}) == java_range(members, {"t": 3})
    by_id = {"a": [("t", 0)], "y": [("t", 1)], "z": [("t", 2)]}
    assert java_sticky(members, {"t": 3}) == by_id
    assert java_cooperative_sticky(members, {"t": 3}) == by_id


def test_without_history_sticky_deals_like_roundrobin() -> None:
    """consumer:F6.10."""
    members = [Subscription(f"m{number}", ["t", "u"]) for number in range(4)]
    dealt = java_roundrobin(members, {"t": 7, "u": 6})
    assert java_sticky(members, {"t": 7, "u": 6}) == dealt
    assert java_cooperative_sticky(members, {"t": 7, "u": 6}) == dealt


def test_a_partition_claimed_twice_in_one_generation_is_lost_by_both() -> None:
    """consumer:F3.18: both lose it, and cooperative-sticky gives it to nobody in this round."""
    first = Subscription("a", ["t"], owned=[("t", 0), ("t", 1)], generation=3)
    second = Subscription("b", ["t"], owned=[("t", 1), ("t", 2)], generation=3)
    assert java_cooperative_sticky([first, second], {"t": 4}) == {"a": [("t", 0)], "b": [("t", 2), ("t", 3)]}
    assert java_sticky([first, second], {"t": 4}) == {"a": [("t", 0), ("t", 1)], "b": [("t", 2), ("t", 3)]}


@pytest.mark.parametrize("stale_first", [True, False])
def test_the_newer_claim_holds(stale_first: bool) -> None:
    """consumer:F3.18, whoever comes first."""
    stale, fresh = ("a", "b") if stale_first else ("b", "a")
    members = [
        Subscription(stale, ["t"], owned=[("t", 0), ("t", 1)], generation=3),
        Subscription(fresh, ["t"], owned=[("t", 0), ("t", 1)], generation=4),
    ]
    assert java_sticky(members, {"t": 2}) == {fresh: [("t", 0)], stale: [("t", 1)]}
    assert java_cooperative_sticky(members, {"t": 2}) == {fresh: [("t", 0)], stale: []}


def test_user_data_that_outlived_the_membership_loses_to_whoever_comes_later() -> None:
    """Sticky compares the later claim's user data with the earlier one's subscription, which forgot its generation."""
    order = hash_map_order(["a", "b"], string_hash)
    lapsed = Subscription(order[0], ["t"], owned=[("t", 0)], generation=5, joined_generation=-1)
    older = Subscription(order[1], ["t"], owned=[("t", 0)], generation=4, joined_generation=-1)
    assert java_sticky([lapsed, older], {"t": 1})[order[1]] == [("t", 0)]


def test_cooperative_sticky_takes_the_generation_from_its_user_data_only_where_the_subscription_has_none() -> None:
    """CooperativeStickyAssignor.memberData: the claim of a member that lapsed is as old as its user data says."""
    order = hash_map_order(["a", "b"], string_hash)
    holder = Subscription(order[0], ["t"], owned=[("t", 0)], generation=4)
    for generation, joined, wins in ((5, -1, True), (3, -1, False), (3, 5, True), (5, 3, False)):
        lapsed = Subscription(order[1], ["t"], owned=[("t", 0)], generation=generation, joined_generation=joined)
        assigned = java_cooperative_sticky([holder, lapsed], {"t": 1})
        assert assigned == {order[0]: [] if wins else [("t", 0)], order[1]: [("t", 0)] if wins else []}


def test_a_moving_partition_belongs_to_nobody_for_one_round() -> None:
    """consumer:F3.18."""
    old = Subscription("a", ["t"], owned=[("t", index) for index in range(4)], generation=1)
    assert java_cooperative_sticky([old, Subscription("b", ["t"])], {"t": 4}) == {
        "a": [("t", 0), ("t", 1)],
        "b": [],
    }


def test_an_owner_gives_up_its_highest_partitions() -> None:
    """consumer:F6.11; recorded cell R1 jc."""
    group = ClientGroup(java_cooperative_sticky, {"t": 4})
    group.join("A")
    assert group.settle() == {"A": [0, 1, 2, 3]}
    group.join("B")
    assert group.settle() == {"A": [0, 1], "B": [2, 3]}


def live(group: ClientGroup, names: dict[str, str]) -> list[dict[str, list[int]]]:
    """The recorded cell A1: four members join one by one, then the second leaves."""
    seen = []
    for name in "ABCD":
        group.join(names[name])
        seen.append(group.settle())
    group.leave(names["B"])
    return [*seen, group.settle()]


def test_range_in_a_live_group() -> None:
    """Recorded cell A1 jr; consumer:F6.8."""
    assert live(ClientGroup(java_range, {"t": 6}), ids(1)) == [
        {"A": [0, 1, 2, 3, 4, 5]},
        {"A": [0, 1, 2], "B": [3, 4, 5]},
        {"A": [0, 1], "B": [2, 3], "C": [4, 5]},
        {"A": [0, 1], "B": [2, 3], "C": [4], "D": [5]},
        {"A": [0, 1], "C": [2, 3], "D": [4, 5]},
    ]


def test_which_of_equal_owners_gives_one_up_hangs_on_the_random_member_ids() -> None:
    """Recorded cell A1 jc, which varies; consumer:F6.11, and the cause that consumer:U10 asks for."""
    recorded = [
        [{"A": [0, 1], "B": [3, 4], "C": [2], "D": [5]}, {"A": [0, 1], "C": [2, 3], "D": [4, 5]}],
        [{"A": [0, 1], "B": [3], "C": [2, 5], "D": [4]}, {"A": [0, 1], "C": [2, 5], "D": [3, 4]}],
    ]
    endings = []
    for seed in range(40):
        names = ids(seed)
        before_d = live(ClientGroup(java_cooperative_sticky, {"t": 6}), names)
        assert before_d[:3] == [
            {"A": [0, 1, 2, 3, 4, 5]},
            {"A": [0, 1, 2], "B": [3, 4, 5]},
            {"A": [0, 1], "B": [3, 4], "C": [2, 5]},
        ]
        walked = [one for one in hash_map_order(names.values(), string_hash) if one[0] != "D"]
        assert len(before_d[3][walked[-1][0]]) == 1  # the last one of the walk finds both places taken
        endings.append(before_d[3:])
    assert all(ending in endings for ending in recorded)


def test_sticky_leaves_others_alone_when_one_leaves() -> None:
    """AbstractStickyAssignorTest.testReassignmentAfterOneConsumerLeaves: nobody who stays loses anything."""
    group = ClientGroup(java_sticky, {"t": 10})
    group.join("a", "b", "c", "d", "e")
    before = group.settle()
    group.leave("c")
    after = group.settle()
    assert all(set(before[one]) < set(after[one]) or before[one] == after[one] for one in after)
    assert sorted(len(partitions) for partitions in after.values()) == [2, 2, 3, 3]


def test_unequal_subscriptions_are_balanced_as_far_as_they_allow() -> None:
    """AbstractStickyAssignorTest.testPoorRoundRobinAssignmentScenario: 8 partitions, where roundrobin gives 1 to 4."""
    partitions = {"t1": 2, "t2": 1, "t3": 2, "t4": 1, "t5": 2}
    wide, narrow = list(partitions), ["t1", "t3", "t5"]
    members = [Subscription(one, topics) for one, topics in zip("abcd", (wide, narrow, narrow, wide), strict=True)]
    sizes = {one: len(owned) for one, owned in java_sticky(members, partitions).items()}
    assert sizes == {"a": 2, "b": 2, "c": 2, "d": 2}


def test_a_topic_that_nobody_knows_and_one_without_partitions_are_left_out() -> None:
    members = [Subscription("a", ["t", "unknown", "empty"])]
    for assignor in (java_range, java_roundrobin, java_sticky, java_cooperative_sticky):
        assert assignor(members, {"t": 1, "empty": 0, "other": 3}) == {"a": [("t", 0)]}


def test_an_assignment_is_received_topic_by_topic() -> None:
    """ConsumerProtocol.serializeAssignment."""
    mixed = [("u", 1), ("t", 0), ("u", 0), ("t", 2)]
    assert as_received(mixed) == [("u", 1), ("u", 0), ("t", 0), ("t", 2)]


def test_the_leaders_hashmap_lists_members_by_the_hash_of_their_ids() -> None:
    members = [Subscription(one, ["t"]) for one in ("b", "AaAa", "BBBB", "a")]  # the long ones hash alike
    assert [one.member_id for one in member_order(members)] == ["a", "b", "AaAa", "BBBB"]
    assert [one.member_id for one in member_order(members[::-1])] == ["a", "b", "BBBB", "AaAa"]
