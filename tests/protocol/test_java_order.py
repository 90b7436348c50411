"""String.hashCode and the walk of a HashMap, against values that Java gives."""

from __future__ import annotations

import pytest

from sim.protocol.java_order import (
    HashOrder,
    capacity_of_copy,
    hash_map_order,
    string_hash,
    string_order,
    string_sort_key,
    table_size,
    topic_partition_hash,
    uuid_hash,
)


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


def test_a_table_keeps_its_size_when_keys_go() -> None:
    """Thirteen keys double the table; 16 then stands behind 0 to 11, and stays there when only 0 and 16 are left."""
    keys = HashOrder(identity, [16, *range(12)])
    for gone in range(1, 12):
        keys.discard(gone)
    assert (list(keys), len(keys)) == ([0, 16], 2)
    assert 16 in keys and 11 not in keys
    assert hash_map_order([16, 0], identity) == [16, 0]  # in a table that never grew


def test_a_key_that_comes_back_stands_last_in_its_bucket() -> None:
    keys = HashOrder(identity, [0, 16])
    keys.discard(0)
    keys.add(0)
    keys.add(16)  # is there
    assert list(keys) == [16, 0]


def test_a_computed_key_stands_first_in_its_bucket_and_grows_the_table_one_later() -> None:
    """HashMap.computeIfAbsent: newNode(hash, key, v, first), and size > threshold is looked at before, not after."""
    put, computed = HashOrder(identity, [0]), HashOrder(identity, [0])
    put.add(16)
    computed.add_computed(16)
    assert (list(put), list(computed)) == ([0, 16], [16, 0])
    small = HashOrder(identity, (), capacity=1)
    small.add_computed(1)  # one bucket, one key: no room left, but it grows with the next one only
    small.add_computed(2)
    assert list(small) == [2, 1]
    small.add_computed(3)
    assert list(small) == [1, 2, 3]


def test_the_eighth_computed_key_of_a_bucket_doubles_a_small_table() -> None:
    """computeIfAbsent counts the keys it went past, put all but the first: HashMap, TREEIFY_THRESHOLD - 1."""
    put, computed = HashOrder(identity), HashOrder(identity)
    for key in range(0, 128, 16):
        put.add(key)
        computed.add_computed(key)
    assert list(put) == [0, 16, 32, 48, 64, 80, 96, 112]
    assert list(computed) == [96, 64, 32, 0, 112, 80, 48, 16]


@pytest.mark.parametrize(("asked", "buckets"), [(0, 1), (1, 1), (2, 2), (3, 4), (16, 16), (17, 32), (100, 128)])
def test_a_table_has_the_next_power_of_two(asked: int, buckets: int) -> None:
    """HashMap.tableSizeFor."""
    assert table_size(asked) == buckets


@pytest.mark.parametrize(("count", "buckets"), [(0, 16), (11, 16), (12, 32), (23, 32), (24, 64)])
def test_a_copied_set_has_room_at_three_quarters(count: int, buckets: int) -> None:
    """new HashSet<>(collection): 12 / .75 + 1 is 17."""
    assert capacity_of_copy(count) == buckets


def test_a_uuid_hashes_as_both_halves_folded() -> None:
    """Uuid.hashCode: the halves xor each other, and so do the words of that."""
    assert uuid_hash(0x1_00000002_00000004_00000008) == 1 ^ 2 ^ 4 ^ 8
    assert uuid_hash(0x80000000 << 96) == -(2**31)


def test_strings_compare_by_utf16_units() -> None:
    """String.compareTo: a character beyond the first plane comes before U+FFFD, its first unit being smaller."""
    assert sorted(["\ufffd", "\U0001f600"], key=string_sort_key) == ["\U0001f600", "\ufffd"]
    assert sorted(["b", "a", "B", "ab"], key=string_sort_key) == ["B", "a", "ab", "b"]
