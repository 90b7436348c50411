"""Partition choice, against the vectors and rules of producer.md 2.2 and librdkafka's own unit tests."""

from __future__ import annotations

import math

import pytest

from sim.protocol.partitioner import (
    LibrdkafkaPartitioner,
    RoundRobinPartitioner,
    StickyPartitioner,
    fnv1a,
    java_key_partition,
    murmur2,
    to_positive,
)

VECTORS = [
    (b"21", -973932308, 1173551340, 0, 0, 0, 0),
    (b"foobar", -790332482, 1357151166, 0, 0, 6, 6),
    (b"a-little-bit-long-string", -985981536, 1161502112, 2, 2, 2, 8),
    (b"a-little-bit-longer-string", -1486304829, 661178819, 2, 5, 9, 11),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 2088585677, 2, 5, 7, 5),
    (b"abc", 479470107, 479470107, 0, 3, 7, 3),
    (b"", 275646681, 275646681, 0, 3, 1, 9),
    (b"\0", 375494588, 375494588, 2, 2, 8, 8),
    (b"a", -1563381124, 584102524, 1, 4, 4, 4),
    (b"k", -1567496736, 579986912, 2, 2, 2, 8),
    (b"0", 971027396, 971027396, 2, 2, 6, 8),
    (b"1", -1993445489, 154038159, 0, 3, 9, 3),
    (b"key", -1079937367, 1067546281, 1, 1, 1, 1),
    (b"key1", 28543940, 28543940, 2, 2, 0, 8),
    (b"key-0", 29210041, 29210041, 1, 1, 1, 1),
    (b"key-1", 193331640, 193331640, 0, 0, 0, 0),
    (b"user-42", 1459644460, 1459644460, 1, 4, 0, 4),
    (b"\xff\xff\xff\xff", 644171429, 644171429, 2, 5, 9, 5),
    ((1).to_bytes(4, "big"), -173113808, 1974369840, 0, 0, 0, 0),
    ((42).to_bytes(4, "big"), 1606757304, 1606757304, 0, 0, 4, 0),
    ((1).to_bytes(8, "big"), 2100486060, 2100486060, 0, 0, 0, 0),
    ("\u00e9".encode(), 186971271, 186971271, 0, 3, 1, 3),
]


@pytest.mark.parametrize(("key", "signed", "positive", "mod3", "mod6", "mod10", "mod12"), VECTORS)
def test_a_key_hashes_and_lands_as_in_the_java_client(
    key: bytes, signed: int, positive: int, mod3: int, mod6: int, mod10: int, mod12: int
) -> None:
    """producer:2.2, the whole table of vectors."""
    assert murmur2(key) == signed
    assert to_positive(murmur2(key)) == positive
    assert [java_key_partition(key, n) for n in (3, 6, 10, 12)] == [mod3, mod6, mod10, mod12]


def test_the_sign_bit_is_cleared_and_not_negated() -> None:
    """producer:S07 and item 24 of producer:9: abs() would give 8."""
    assert java_key_partition(b"21", 10) == 0
    assert java_key_partition(b"foobar", 10) == 6
    assert abs(murmur2(b"21")) % 10 == 8


def test_growing_a_topic_moves_keys_as_computed_from_the_formula() -> None:
    """consumer:S56, consumer:F6.3."""
    keys = [f"key-{i}".encode() for i in range(6)]
    assert [java_key_partition(key, 3) for key in keys] == [1, 0, 2, 2, 0, 2]
    assert [java_key_partition(key, 4) for key in keys] == [1, 0, 2, 3, 1, 0]


@pytest.mark.parametrize(("old", "new"), [(3, 4), (4, 6), (6, 7), (6, 12), (4, 8)])
def test_of_many_keys_so_many_move(old: int, new: int) -> None:
    """consumer:F6.3: 1 - N/lcm(N, M), measured 75, 67, 85, 50 and 50 %"""
    keys = [f"key-{i}".encode() for i in range(4000)]
    moved = sum(java_key_partition(key, old) != java_key_partition(key, new) for key in keys)
    assert moved / len(keys) == pytest.approx(1 - old / math.lcm(old, new), abs=0.03)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"kafka", 0xD33C4E1),
        (b"giberish123456789", 0x77A58295),
        (b"1234", 0x23BDD03),
        (b"234", 0x2DEA3CD2),
        (b"34", 0x740FA83E),
        (b"4", 0x310CA263),
        (b"PreAmbleWillBeRemoved,ThePrePartThatIs", 0x65CBD69C),
        (b"", 0x7EE3623B),
    ],
)
def test_fnv1a_is_librdkafkas(key: bytes, expected: int) -> None:
    assert fnv1a(key) == expected


class Draws:
    """Hands out the given raw draws and fails when there are no more."""

    def __init__(self, *values: int) -> None:
        self.left = list(values)

    def __call__(self) -> int:
        return self.left.pop(0)


ALL = [True] * 12


def librdkafka(name: str, key: bytes | None, count: int = 10, *draws: int) -> int:
    return LibrdkafkaPartitioner(name, 10_000).partition(key, count, ALL, 0, Draws(*draws))


def test_the_default_of_librdkafka_is_crc32_of_the_key() -> None:
    """producer:8.1: needs murmur2_random to agree with Java. 0xCBF43926 is the check value of CRC-32."""
    assert librdkafka("consistent_random", b"123456789") == 0xCBF43926 % 10
    assert librdkafka("consistent", b"123456789") == 0xCBF43926 % 10
    assert librdkafka("murmur2_random", b"21") == librdkafka("murmur2", b"21") == 0
    assert librdkafka("fnv1a_random", b"kafka") == librdkafka("fnv1a", b"kafka") == 0xD33C4E1 % 10


def test_an_empty_key_is_hashed_except_by_consistent_random() -> None:
    assert librdkafka("murmur2_random", b"") == 1
    assert librdkafka("fnv1a_random", b"") == 0x7EE3623B % 10
    assert librdkafka("consistent_random", b"", 10, 7) == 7


def test_without_random_in_its_name_a_partitioner_hashes_the_absent_key_as_empty() -> None:
    assert librdkafka("consistent", None) == 0
    assert librdkafka("murmur2", None) == 1
    assert librdkafka("fnv1a", None) == 0x7EE3623B % 10


def test_a_keyless_record_of_librdkafka_sticks_until_the_linger_is_over() -> None:
    sticky = LibrdkafkaPartitioner("consistent_random", 10_000)
    draws = Draws(3, 5, 8)
    seen = [sticky.partition(None, 6, ALL, now, draws) for now in (0, 1, 10_000, 10_001, 20_001, 20_002)]
    assert seen == [3, 3, 3, 5, 5, 2]


def test_a_sticky_partition_of_librdkafka_that_lost_its_leader_is_drawn_anew() -> None:
    sticky = LibrdkafkaPartitioner("murmur2_random", 10_000)
    assert sticky.partition(None, 3, [True] * 3, 0, Draws(1)) == 1
    assert sticky.partition(None, 3, [True, False, True], 5, Draws(1, 2)) == 2  # the first draw has no leader either


def test_a_linger_of_nothing_draws_for_every_keyless_record() -> None:
    drawn = LibrdkafkaPartitioner("consistent_random", 0)
    draws = Draws(1, 0, 2)
    assert [drawn.partition(None, 3, ALL, 0, draws) for _ in range(3)] == [1, 0, 2]


def test_random_draws_for_every_record_that_has_a_key() -> None:
    drawn = LibrdkafkaPartitioner("random", 10_000)
    draws = Draws(1, 2, 0)
    assert [drawn.partition(b"k", 3, ALL, 0, draws) for _ in range(3)] == [1, 2, 0]


def test_the_sticky_partition_changes_after_the_append_that_fills_the_quota() -> None:
    """producer:2.2, KIP-794."""
    sticky = StickyPartitioner(100)
    draws = Draws(4, 5, 6)
    available = [0, 1, 2]
    assert sticky.current(available, 3, draws) == 1
    assert not sticky.appended(99, True, available, 3, draws)
    assert sticky.current(available, 3, draws) == 1
    assert sticky.appended(1, True, available, 3, draws)
    assert sticky.current(available, 3, draws) == 2


def test_an_open_batch_postpones_the_switch_up_to_twice_the_quota() -> None:
    sticky = StickyPartitioner(100)
    draws = Draws(0, 1, 2)
    sticky.current([0, 1, 2], 3, draws)
    assert not sticky.appended(150, False, [0, 1, 2], 3, draws)
    assert sticky.appended(1, True, [0, 1, 2], 3, draws)  # made up for by the next append that finds no open batch
    assert not sticky.appended(199, False, [0, 1, 2], 3, draws)
    assert sticky.appended(1, False, [0, 1, 2], 3, draws)


def test_the_same_partition_can_be_drawn_again_and_leaderless_ones_only_where_none_leads() -> None:
    sticky = StickyPartitioner(1)
    draws = Draws(0, 0, 5)
    assert sticky.current([1, 2], 4, draws) == 1
    assert sticky.appended(1, True, [1, 2], 4, draws) and sticky.current([1, 2], 4, draws) == 1
    assert sticky.appended(1, True, [], 4, draws) and sticky.current([], 4, draws) == 1


@pytest.mark.parametrize(("raw", "expected"), [(0, 0), (3, 0), (4, 1), (5, 2), (7, 2), (8, 0), (2**31 + 4, 1)])
def test_queue_lengths_0_3_1_give_the_cumulative_weights_4_5_8(raw: int, expected: int) -> None:
    """producer:2.2: the first cumulative weight strictly greater than the draw."""
    sticky = StickyPartitioner(1)
    sticky.set_load([0, 3, 1], [0, 1, 2], 3)
    assert sticky.current([0, 1, 2], 3, Draws(raw)) == expected


def test_equal_queues_leave_the_choice_uniform_unless_a_partition_is_excluded() -> None:
    sticky = StickyPartitioner(1)
    sticky.set_load([2, 2, 2], [0, 1, 2], 3)
    assert sticky.current([0, 1, 2], 3, Draws(1)) == 1
    slow = StickyPartitioner(1)
    slow.set_load([2, 2], [0, 2], 3)
    assert slow.current([0, 1, 2], 3, Draws(1)) == 2


def test_no_statistics_and_a_single_partition_leave_the_choice_uniform() -> None:
    sticky = StickyPartitioner(1)
    sticky.set_load([0, 3, 1], [0, 1, 2], 3)
    sticky.set_load([], [], 3)
    assert sticky.current([0, 1, 2], 3, Draws(4)) == 1
    single = StickyPartitioner(1)
    single.set_load([7], [0], 1)
    assert single.current([0], 1, Draws(4)) == 0


def test_round_robin_with_one_record_a_batch_serves_every_second_partition_only() -> None:
    """producer:S50: four sends, each drained before the next, all land on the second entry of the available list."""
    robin = RoundRobinPartitioner()
    assert [robin.choose([0, 1], 2, lambda _: False) for _ in range(4)] == [1, 1, 1, 1]


def test_round_robin_into_open_batches_alternates() -> None:
    robin = RoundRobinPartitioner()
    assert [robin.choose([0, 1, 2], 3, lambda _: True) for _ in range(4)] == [0, 1, 2, 0]


def test_round_robin_counts_over_all_partitions_where_none_has_a_leader() -> None:
    robin = RoundRobinPartitioner()
    assert [robin.partition([], 3) for _ in range(4)] == [0, 1, 2, 0]
    assert robin.partition([1, 2], 3) == 1
