"""String.hashCode and the walk of a HashMap, against values that Java gives."""

from __future__ import annotations

import pytest

from sim.protocol.java_order import cluster_order, hash_map_order, string_hash, string_order, topic_partition_hash


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 97),
        ("abc", 96354),
        ("hello", 99162322),
        ("Aa", 2112),
        ("BB", 2112),
        ("polygenelubricants", -(2**31)),
        ("\U0001f600", 1772899),  # two UTF-16 units
    ],
)
def test_a_string_hashes_as_in_java(text: str, expected: int) -> None:
    assert string_hash(text) == expected


def test_short_strings_are_walked_by_their_code() -> None:
    assert string_order(["c", "a", "b"]) == ["a", "b", "c"]


def test_strings_with_equal_hashes_keep_the_order_in_which_they_were_put() -> None:
    assert string_order(["BB", "Aa"]) == ["BB", "Aa"]
    assert string_order(["Aa", "BB"]) == ["Aa", "BB"]


def test_the_words_of_a_well_known_java_example_come_in_its_order() -> None:
    assert string_order(["one", "two", "three"]) == ["one", "two", "three"]
    assert string_order(["banana", "apple", "cherry"]) == ["banana", "apple", "cherry"]


def identity(value: int) -> int:
    return value


def test_a_table_doubles_with_its_thirteenth_key() -> None:
    """consumer:F2.8: the table doubles beyond 12."""
    twelve = [16, *range(11)]
    assert hash_map_order(twelve, identity)[:2] == [16, 0]
    thirteen = [16, *range(12)]
    assert hash_map_order(thirteen, identity) == [*range(12), 16]


def test_a_crowded_bucket_doubles_a_small_table() -> None:
    crowded = [16 * i for i in range(8)]
    assert hash_map_order(crowded, identity) == crowded
    nine = [16, 0, 32, 48, 64, 80, 96, 112, 128]
    assert hash_map_order(nine, identity) == [0, 32, 64, 96, 128, 16, 48, 80, 112]


def test_the_high_half_of_a_hash_takes_part() -> None:
    assert hash_map_order([1 << 16, 0], identity) == [0, 1 << 16]
    assert hash_map_order([-1, 5], identity) == [-1, 5]


def test_thirty_strings_are_walked_as_a_hashset_of_java_prints_them() -> None:
    printed = [13, 20, 3, 15, 18, 29, 17, 28, 11, 22, 10, 12, 21, 19, 8, 9, 27, 0, 23, 1, 7, 5, 2, 25, 24, 26, 16, 14]
    assert string_order(f"orders-{i * i}" for i in range(30)) == [f"orders-{i * i}" for i in [*printed, 4, 6]]


def test_partitions_hash_with_their_topic() -> None:
    """consumer:F2.8: 31 * (31 + partition) + topic.hashCode()."""
    assert topic_partition_hash("t", 0) == 31 * 31 + 116
    assert topic_partition_hash("t", 2) == 31 * 33 + 116
    assert hash_map_order([2, 0, 1], lambda p: topic_partition_hash("t", p)) == [2, 1, 0]


def test_a_cluster_lists_its_partitions_in_the_order_of_a_map_made_for_so_many() -> None:
    """``MetadataSnapshot``: three partitions of "t" (hash 116) are kept in four buckets: 961 + 31 i + 116 is 1 modulo 4
    for i = 0, 0 for 1, 3 for 2. Seen on real Kafka 3.9.1 and 4.3.0 (scripts round_robin_*)."""
    assert cluster_order({"t": 3}) == [("t", 1), ("t", 0), ("t", 2)]
    assert cluster_order({"t": 1}) == [("t", 0)]
    assert cluster_order({}) == []
