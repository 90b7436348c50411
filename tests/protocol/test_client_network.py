"""Back-off arithmetic, connection states and the metadata cache of clients."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sim.protocol.client_network import (
    Backoff,
    JavaReconnect,
    LibrdkafkaBackoff,
    LibrdkafkaReconnect,
    MetadataCache,
    Node,
)
from sim.protocol.messages import MetadataResponse, PartitionMetadata

MS = 1_000
LOWEST, HIGHEST = 0, 2**32 - 1


@dataclass
class Wire:
    number: int = 1
    client: int = 9
    server: int = 1
    was_reset: bool = False


@pytest.mark.parametrize(
    ("failures", "low_ms", "high_ms"),
    [(1, 80, 120), (2, 160, 240), (3, 320, 480), (4, 640, 960), (5, 800, 1000), (6, 800, 1000), (2**31, 800, 1000)],
)
def test_a_retry_of_the_java_client_waits_within_its_band(failures: int, low_ms: int, high_ms: int) -> None:
    """producer:1.3, retry (100/1000)."""
    backoff = Backoff(100 * MS, 1000 * MS)
    assert backoff.delay_us(failures, LOWEST) == low_ms * MS
    assert high_ms * MS - 1 <= backoff.delay_us(failures, HIGHEST) <= high_ms * MS


def test_half_the_draws_of_a_fully_grown_delay_equal_the_cap() -> None:
    backoff = Backoff(100 * MS, 1000 * MS)
    assert backoff.delay_us(9, 2**31) == 1000 * MS
    assert backoff.delay_us(9, 2**31 - 2**20) < 1000 * MS


@pytest.mark.parametrize(("failures", "low_ms"), [(1, 40), (2, 80), (3, 160), (4, 320), (5, 640), (6, 800), (7, 800)])
def test_a_reconnect_of_the_java_client_grows_as_measured(failures: int, low_ms: int) -> None:
    """producer:1.3, reconnect (50/1000)."""
    assert Backoff(50 * MS, 1000 * MS).delay_us(failures, LOWEST) == low_ms * MS


@pytest.mark.parametrize("draw", [LOWEST, HIGHEST])
def test_a_delay_that_cannot_grow_is_the_cap_without_jitter(draw: int) -> None:
    """``ExponentialBackoff.backoff``: ``expMax`` is 0 where the cap is not above the first delay."""
    assert Backoff(2000 * MS, 1000 * MS).delay_us(1, draw) == 1000 * MS
    assert Backoff(50 * MS, 50 * MS).delay_us(7, draw) == 50 * MS


def test_librdkafka_waits_a_whole_per_cent_of_the_doubled_delay() -> None:
    """producer:8.1."""
    backoff = LibrdkafkaBackoff(100 * MS, 1000 * MS)
    assert backoff.delay_us(1, 0) == 80 * MS
    assert backoff.delay_us(1, 40) == 120 * MS
    assert backoff.delay_us(1, 41) == 80 * MS
    assert backoff.delay_us(3, 20) == 400 * MS
    assert backoff.delay_us(5, 0) == 1000 * MS
    assert backoff.delay_us(0, 0) == 80 * MS  # not counted


def test_the_26th_counted_retry_of_librdkafka_leaves_at_once() -> None:
    """producer:8.1: the product overflows 32 bits."""
    backoff = LibrdkafkaBackoff(100 * MS, 1000 * MS)
    assert backoff.delay_us(25, 20) == 1000 * MS
    assert backoff.delay_us(26, 20) == 0


def test_the_java_back_off_starts_with_the_loss_and_ends_with_a_ready_connection() -> None:
    rule = JavaReconnect(Backoff(50 * MS, 1000 * MS), Backoff(10_000 * MS, 30_000 * MS))
    node = Node(1)
    rule.attempt(node, Wire(), 0, lambda: 0)
    assert node.setup_until_us == 8_000 * MS
    rule.lost(node, 100, lambda: 0)
    assert not node.may_connect(100 + 40 * MS - 1) and node.may_connect(100 + 40 * MS)
    rule.attempt(node, Wire(2), 50 * MS, lambda: 0)
    assert node.setup_until_us == 50 * MS + 16_000 * MS
    rule.lost(node, 60 * MS, lambda: 0)
    assert node.not_before_us == 140 * MS
    rule.attempt(node, Wire(3), 140 * MS, lambda: 0)
    rule.opened(node)
    rule.lost(node, 900 * MS, lambda: 0)
    assert node.not_before_us == 940 * MS


def test_librdkafka_replaces_a_long_lived_connection_at_once() -> None:
    rule = LibrdkafkaReconnect(100 * MS, 10_000 * MS, 30_000 * MS)
    node = Node(1)
    rule.attempt(node, Wire(), 0, lambda: 0)
    assert node.not_before_us == 75 * MS
    rule.opened(node)
    rule.lost(node, 75 * MS, lambda: 0)
    assert node.may_connect(75 * MS) and not node.may_connect(75 * MS - 1)
    rule.attempt(node, Wire(2), 75 * MS, lambda: 150)
    assert node.not_before_us == (75 + 300) * MS  # doubled, +50 %
    rule.opened(node)
    rule.lost(node, 80 * MS, lambda: 0)
    rule.attempt(node, Wire(3), 20_000 * MS, lambda: 0)
    assert node.not_before_us == 20_075 * MS  # quiet for longer than the maximum: starts over


def test_librdkafka_doubles_at_the_attempt_and_again_when_it_is_refused() -> None:
    """rd_kafka_broker_thread_main; measured: 163 to 275, 607 to 955, 2457 to 3032 ms, then the cap"""
    rule = LibrdkafkaReconnect(100 * MS, 10_000 * MS, 30_000 * MS)
    node = Node(1)
    for number, (began_ms, waits_ms) in enumerate([(0, 150), (150, 600), (750, 2_400), (3_150, 7_500)]):
        rule.attempt(node, Wire(number), began_ms * MS, lambda: 0)
        rule.lost(node, began_ms * MS, lambda: 0)
        assert node.not_before_us == (began_ms + waits_ms) * MS


def test_a_connection_of_librdkafka_that_was_given_up_is_tried_again_at_once() -> None:
    rule = LibrdkafkaReconnect(100 * MS, 10_000 * MS, 30_000 * MS)
    node = Node(1)
    rule.attempt(node, Wire(), 0, lambda: 0)
    rule.lost(node, 30_000 * MS, lambda: 0)
    assert node.may_connect(30_000 * MS)


def test_news_of_an_older_connection_is_not_of_the_present_one() -> None:
    node = Node(1, conn=Wire(7))
    assert node.holds(Wire(7)) and not node.holds(Wire(6)) and not Node(1).holds(Wire(7))


def told(*partitions: tuple[int, int, int], topic: int = 0) -> MetadataResponse:
    return MetadataResponse((1, 2, 3), {topic: tuple(PartitionMetadata(*one) for one in partitions)})


def test_the_cache_names_what_changed() -> None:
    cache = MetadataCache()
    assert cache.leader(0) == -1 and cache.leader_epoch(0) == -1 and cache.leaderless(0)
    assert cache.apply(told((0, 1, 4), (1, 2, 0))) == [0, 1]
    assert cache.apply(told((0, 1, 4), (1, 3, 1))) == [1]
    assert (cache.leader(1), cache.leader_epoch(1)) == (3, 1)
    assert cache.partitions(0) == (0, 1) and cache.brokers == (1, 2, 3)


def test_an_older_leader_epoch_never_replaces_a_newer_one() -> None:
    cache = MetadataCache()
    cache.apply(told((0, 1, 4)))
    assert cache.apply(told((0, 2, 3))) == []
    assert cache.leader(0) == 1


def test_a_hint_counts_only_with_a_newer_epoch() -> None:
    cache = MetadataCache()
    cache.apply(told((0, 1, 4)))
    assert not cache.hint(0, 2, 4)
    assert not cache.hint(0, -1, 9)
    assert cache.hint(0, 2, 5) and cache.leader(0) == 2
    assert cache.apply(told((0, 1, 4))) == []  # an old answer that was under way


def test_a_leaderless_partition_makes_its_topic_one_to_ask_about() -> None:
    cache = MetadataCache()
    cache.apply(told((0, 1, 4), (1, -1, 5)))
    assert cache.leaderless(0)
    cache.apply(told((0, 1, 4), (1, 2, 6)))
    assert not cache.leaderless(0)


def test_an_answer_that_shows_fewer_partitions_takes_none_away() -> None:
    cache = MetadataCache()
    cache.apply(told((0, 1, 4), (1, 2, 0)))
    cache.apply(told((0, 1, 4)))
    assert cache.partitions(0) == (0, 1)
