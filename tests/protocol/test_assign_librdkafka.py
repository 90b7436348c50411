"""librdkafka's assignors on examples worked out by hand, on its own unit tests, and on what recorded groups did."""

from __future__ import annotations

import pytest

from sim.errors import InputError
from sim.protocol.assign_input import Subscription
from sim.protocol.assign_java import java_range
from sim.protocol.assign_librdkafka import in_member_order, librdkafka_range, librdkafka_roundrobin
from sim.protocol.assign_librdkafka_sticky import librdkafka_cooperative_sticky, librdkafka_sticky_round
from tests.protocol.assign_play import ClientGroup, ids
from tests.protocol.test_assign_java import live


def test_a_static_member_does_not_come_before_a_dynamic_one() -> None:
    """rd_kafka_group_member_cmp; other than in Java (consumer:F6.10)."""
    members = [Subscription("b", ["t"], instance_id="z"), Subscription("a", ["t"])]
    assert librdkafka_range(members, {"t": 2}) == {"a": [("t", 0)], "b": [("t", 1)]}
    assert java_range(members, {"t": 2}) == {"b": [("t", 0)], "a": [("t", 1)]}
    two_static = [Subscription("a", ["t"], instance_id="z"), Subscription("b", ["t"], instance_id="i")]
    assert librdkafka_range(two_static, {"t": 2}) == {"b": [("t", 0)], "a": [("t", 1)]}


def test_an_order_of_members_that_goes_in_circles_is_that_of_a_merge_sort() -> None:
    """x before y by instance id, y before m and m before x by member id."""
    x, y, m = Subscription("x", ["t"], "1"), Subscription("c", ["t"], "2"), Subscription("m", ["t"])
    assert in_member_order([x, y, m]) == [x, y, m]
    assert in_member_order([y, m, x]) == [y, m, x]
    assert in_member_order([m, x, y]) == [m, x, y]


def test_ids_compare_byte_by_byte_and_the_shorter_one_first() -> None:
    """rd_kafkap_str_cmp."""
    names = ["a-10", "a-1", "a", "b", "B"]
    assert [one.member_id for one in in_member_order([Subscription(n, ["t"]) for n in names])] == [
        "B", "a", "a-1", "a-10", "b",
    ]  # fmt: skip


def test_range_lists_topics_by_their_consumers_and_size() -> None:
    """rd_kafka_topic_assignment_state_cmp: then in the order of the metadata."""
    members = [Subscription("a", ["t", "u", "v", "w"]), Subscription("b", ["w"])]
    listed = librdkafka_range(members, {"w": 2, "v": 2, "u": 1, "t": 1})["a"]
    assert listed == [("u", 0), ("t", 0), ("v", 0), ("v", 1), ("w", 0)]


def test_roundrobin_of_mixed_subscriptions() -> None:
    members = [Subscription("c1", ["t1"]), Subscription("c2", ["t1", "t2"]), Subscription("c3", ["t1"])]
    assert librdkafka_roundrobin(members, {"t2": 2, "t1": 3}) == {
        "c1": [("t1", 0)],
        "c2": [("t1", 1), ("t2", 0), ("t2", 1)],
        "c3": [("t1", 2)],
    }


def test_range_in_a_live_group() -> None:
    """Recorded cell A1 lr; consumer:F6.8."""
    assert live(ClientGroup(librdkafka_range, {"t": 6}), ids(1)) == live(ClientGroup(java_range, {"t": 6}), ids(1))


@pytest.mark.parametrize("seed", range(8))
def test_cooperative_sticky_in_a_live_group(seed: int) -> None:
    """Recorded cell A1 lc, the same in every repeat, as ids begin with the client.id; consumer:F6.11."""
    assert live(ClientGroup(librdkafka_cooperative_sticky, {"t": 6}), ids(seed)) == [
        {"A": [0, 1, 2, 3, 4, 5]},
        {"A": [3, 4, 5], "B": [0, 1, 2]},
        {"A": [4, 5], "B": [1, 2], "C": [0, 3]},
        {"A": [4, 5], "B": [1, 2], "C": [3], "D": [0]},
        {"A": [4, 5], "C": [2, 3], "D": [0, 1]},
    ]


def test_an_owner_gives_up_its_lowest_partitions() -> None:
    """Recorded cell R1 lc; consumer:F6.11."""
    group = ClientGroup(librdkafka_cooperative_sticky, {"t": 4})
    group.join("A")
    group.settle()
    group.join("B")
    assert group.settle() == {"A": [2, 3], "B": [0, 1]}


def test_a_moving_partition_belongs_to_nobody_for_one_round() -> None:
    """consumer:F3.18."""
    old = Subscription("a", ["t"], owned=[("t", index) for index in range(4)], generation=1)
    new = Subscription("b", ["t"])
    assert librdkafka_sticky_round([old, new], {"t": 4}) == {"a": [("t", 2), ("t", 3)], "b": [("t", 0), ("t", 1)]}
    assert librdkafka_cooperative_sticky([old, new], {"t": 4}) == {"a": [("t", 2), ("t", 3)], "b": []}


def test_a_partition_claimed_twice_in_one_generation_is_lost_by_both() -> None:
    """ut_testPartitionsTransferringOwnershipIncludeThePartitionClaimedByMultipleConsumersInSameGeneration."""
    claims = ([("t", 0), ("t", 1)], [("t", 0), ("t", 2)], [])
    members = [Subscription(f"consumer{n}", ["t"], owned=owned, generation=1) for n, owned in enumerate(claims, 1)]
    assert librdkafka_sticky_round(members, {"t": 3}) == {
        "consumer1": [("t", 1)],
        "consumer2": [("t", 2)],
        "consumer3": [("t", 0)],
    }


def test_the_newest_claim_holds() -> None:
    """ut_testOwnedPartitionsAreInvalidatedForConsumerWithStaleGeneration."""
    members = [
        Subscription("consumer1", ["t", "t2"], owned=[("t", 0), ("t", 2), ("t2", 1)], generation=10),
        Subscription("consumer2", ["t", "t2"], owned=[("t", 0), ("t", 2), ("t2", 1)], generation=9),
    ]
    assigned = librdkafka_sticky_round(members, {"t": 3, "t2": 3})
    assert sorted(assigned["consumer1"]) == [("t", 0), ("t", 2), ("t2", 1)]
    assert sorted(assigned["consumer2"]) == [("t", 1), ("t2", 0), ("t2", 2)]


def test_partitions_of_a_topic_that_nobody_subscribes_to_any_more_are_given_back() -> None:
    """rd_kafka_cooperative_protocol_adjust_assignment: owned and not assigned; Java takes them away."""
    member = Subscription("a", ["t"], owned=[("t", 0), ("gone", 0)], generation=1)
    assert librdkafka_cooperative_sticky([member], {"t": 1, "gone": 1}) == {"a": [("t", 0), ("gone", 0)]}


def test_a_group_that_librdkafka_itself_fails_on_is_refused_in_one_line() -> None:
    """The smallest one found: b gets one of orders and more of t, so the one of orders goes back to where it came from.

    rdkafka_sticky_assignor.c, PartitionMovements_getTheActualPartitionToBeMoved: built with a sanitiser it reports a
    use after free here.
    """
    members = [
        Subscription("a", ["t"], owned=[("t", index) for index in range(9)], generation=1),
        Subscription("b", ["orders"], owned=[("orders", 0), ("orders", 1)], generation=1),
        Subscription("c", ["t", "orders"]),
    ]
    with pytest.raises(InputError) as refused:
        librdkafka_cooperative_sticky(members, {"t": 9, "orders": 2})
    assert str(refused.value).count("\n") == 0
    assert "let all members subscribe to the same topics" in str(refused.value)
