"""A producer's calls as columns: arrivals, keys, sizes, lanes (sim.world.workload)."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.plan import Plan, ProducerPlan, Workload
from sim.protocol.settings import JavaProducerSettings
from sim.world.workload import WorkloadSends, build_sends, record_bytes

S = 1_000_000


def built(
    *workloads: Workload, seed: int = 0, run_us: int = 10 * S, name: str = "app", **options: Any
) -> WorkloadSends:
    producer = ProducerPlan(4, name, JavaProducerSettings(**options), workloads)
    plan = cast(Plan, type("RunOf", (), {"run_us": run_us})())
    return build_sends(producer, plan, seed)


def steady(**changes: Any) -> Workload:
    return Workload(**{"topic": 0, "arrivals": "constant", "rate_per_s": 100.0, **changes})


# --- arrivals --------------------------------------------------------------------------------------------------------
def test_constant_arrivals_are_evenly_spaced_up_to_the_end_of_the_run() -> None:
    assert list(built(steady(rate_per_s=4.0), run_us=S).times) == [0, 250_000, 500_000, 750_000]


def test_no_call_is_made_outside_start_and_stop_or_beyond_the_count() -> None:
    sends = built(steady(start_us=2 * S, stop_us=3 * S))
    assert (sends.count, sends.times[0], sends.times[-1]) == (100, 2 * S, 2_990_000)
    assert built(steady(count=7)).count == 7
    assert built(steady(start_us=20 * S)).count == 0


def test_a_rate_that_does_not_divide_a_second_keeps_its_mean() -> None:
    assert built(steady(rate_per_s=3.0), run_us=1000 * S).count in (3000, 3001)  # the gap is whole nanoseconds


@pytest.mark.parametrize("rate", [50.0, 2_000_000.0])
def test_poisson_arrivals_ascend_keep_their_mean_and_end_with_the_run(rate: float) -> None:
    run_us = int(20_000 / rate * S)
    sends = built(steady(arrivals="poisson", rate_per_s=rate), run_us=run_us)
    times = np.asarray(sends.times)
    assert sends.count == pytest.approx(20_000, rel=0.03)
    assert (np.diff(times) >= 0).all() and times[-1] < run_us
    gaps = np.diff(times)
    if rate < 1000:
        assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # as exponential gaps have it


def test_bursts_come_at_once() -> None:
    sends = built(steady(arrivals="burst", rate_per_s=2.0, burst_size=3), run_us=S)
    assert list(sends.times) == [0, 0, 0, 500_000, 500_000, 500_000]


def test_explicit_calls_keep_their_keys_partitions_and_values() -> None:
    calls = ((0, "a", None, "T1"), (5, None, 2, None), (5, "a", None, None))
    sends = built(Workload(topic=3, arrivals="explicit", explicit=calls, start_us=10))
    assert (list(sends.times), list(sends.keys), list(sends.indexes)) == ([10, 15, 15], [0, -1, 0], [-1, 2, -1])
    assert (sends.values, sends.topic_numbers(), sends.key_names) == ({0: "T1"}, (3,), ("a",))


def test_several_workloads_are_one_program_by_time_and_then_in_the_order_of_the_file() -> None:
    first = Workload(topic=0, arrivals="explicit", explicit=((0, None, 0, "x"), (20, None, 0, "y")))
    second = Workload(topic=1, arrivals="explicit", explicit=((0, None, 1, "z"), (10, None, 1, None)))
    sends = built(first, second)
    assert (list(sends.times), list(sends.topics)) == ([0, 0, 10, 20], [0, 1, 1, 0])
    assert sends.values == {0: "x", 1: "z", 3: "y"}


# --- what a workload depends on --------------------------------------------------------------------------------------
def columns(sends: WorkloadSends) -> list[list[int]]:
    return [list(column) for column in (sends.times, sends.cum, sends.topics, sends.keys, sends.indexes)]


def test_calls_depend_on_the_seed_and_the_name_alone() -> None:
    load = steady(arrivals="poisson", key_count=20, value_bytes=(10, 500))
    assert columns(built(load)) == columns(built(load, max_in_flight=1, linger_us=7))
    assert columns(built(load)) != columns(built(load, seed=1))
    assert columns(built(load)) != columns(built(load, name="other"))


def test_a_second_workload_leaves_the_draws_of_the_first_alone() -> None:
    load = steady(arrivals="poisson", key_count=20, value_bytes=(10, 500))
    alone, both = built(load), built(load, steady(topic=1))
    mine = [send for send in range(both.count) if both.topics[send] == 0]
    assert [both.times[send] for send in mine] == list(alone.times)
    assert [both.keys[send] for send in mine] == list(alone.keys)
    assert [both.cum[send + 1] - both.cum[send] for send in mine] == list(np.diff(np.asarray(alone.cum)))


# --- keys and sizes --------------------------------------------------------------------------------------------------
def counted(sends: WorkloadSends) -> list[int]:
    return np.bincount(np.asarray(sends.keys), minlength=len(sends.key_names)).tolist()


def test_uniform_keys_come_equally_often() -> None:
    assert counted(built(steady(rate_per_s=4000.0, key_count=4))) == pytest.approx([10_000] * 4, rel=0.05)


def test_zipf_keys_come_by_the_inverse_of_their_rank() -> None:
    found = counted(built(steady(rate_per_s=5000.0, key_count=5, key_skew="zipf")))
    assert [share / found[0] for share in found] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], rel=0.06)


def test_round_robin_keys_take_turns_and_names_may_be_given() -> None:
    sends = built(steady(key_names=("b", "a"), key_skew="round_robin", count=5))
    assert [sends.key_names[key] for key in sends.keys] == ["b", "a", "b", "a", "b"]
    assert list(sends.key_bytes(0)) == [b"b", b"a"]


def test_workloads_of_one_producer_share_keys_of_one_name() -> None:
    sends = built(steady(key_names=("a",), count=1), steady(key_names=("c", "a"), key_skew="round_robin", count=2))
    assert (sends.key_names, sorted(sends.keys)) == (("a", "c"), [0, 0, 1])


def test_sizes_are_uniform_between_the_bounds_both_included() -> None:
    sends = built(steady(rate_per_s=1000.0, value_bytes=(10, 13)))
    sizes = np.diff(np.asarray(sends.cum))
    assert sorted(set(sizes.tolist())) == [17, 18, 19, 20]  # 7 bytes around the value
    assert sends.largest_bytes == 20


@pytest.mark.parametrize(
    ("key", "value", "size"), [(0, 0, 7), (0, 100, 109), (3, 100, 112), (0, 16_384, 16_395), (100, 10_000, 10_112)]
)
def test_a_record_takes_what_a_v2_batch_needs_for_it(key: int, value: int, size: int) -> None:
    """DefaultRecord.sizeInBytes: six fields of a byte at least, lengths as zigzag varints"""
    assert record_bytes(np.asarray([key], np.int32), np.asarray([value], np.int32)).tolist() == [size]


# --- lanes -----------------------------------------------------------------------------------------------------------
def test_a_topic_is_settled_if_each_of_its_calls_has_a_key_or_a_partition() -> None:
    sends = built(steady(key_count=2), steady(topic=1), steady(topic=2, partition_index=0))
    assert [sends.settled(topic) for topic in sends.topic_numbers()] == [True, False, True]


def test_a_single_partition_takes_calls_without_a_key_too() -> None:
    sends = built(steady(), steady(topic=1, key_count=2))
    lanes = sends.split(0, [0, 0], 1, 0)
    assert [sends.topics[send] for send in lanes[0].sends] == [0] * 1000


@settings(max_examples=40, deadline=None)
@given(partitions=st.integers(1, 5), start=st.integers(0, 320), seed=st.integers(0, 3))
def test_lanes_hold_every_later_call_of_their_topic_once_in_order(partitions: int, start: int, seed: int) -> None:
    sends = built(steady(arrivals="poisson", key_count=7), steady(topic=1, key_count=3), run_us=3 * S // 2, seed=seed)
    of_key = [key % partitions for key in range(len(sends.key_names))]
    lanes = sends.split(0, of_key, partitions, start)
    wanted = [send for send in range(start, sends.count) if sends.topics[send] == 0]
    assert sorted(send for lane in lanes.values() for send in lane.sends) == wanted
    for index, lane in lanes.items():
        assert list(lane.sends) == sorted(lane.sends)
        assert all(of_key[sends.keys[send]] == index for send in lane.sends)
        assert list(lane.times) == [sends.times[send] for send in lane.sends]
        sizes = [sends.cum[send + 1] - sends.cum[send] for send in lane.sends]
        assert list(lane.cum) == [sum(sizes[:count]) for count in range(len(sizes) + 1)]


def test_the_rest_is_what_a_successor_takes_over() -> None:
    calls = ((0, None, 0, "a"), (10, None, 0, "b"), (20, None, 0, None))
    rest = built(Workload(topic=0, arrivals="explicit", explicit=calls)).rest(1)
    assert (rest.count, list(rest.times), rest.values, list(rest.cum)[0]) == (2, [10, 20], {0: "b"}, 0)


def test_a_producer_without_workload_sends_nothing() -> None:
    sends = built()
    assert (sends.count, sends.topic_numbers(), sends.largest_bytes) == (0, (), 0)
