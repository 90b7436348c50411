"""How much reordering: every worked number of anomalies.md, section 6; the rest against a slow literal twin."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import reordering
from sim.errors import InputError
from tests.analysis.slow_measures import (
    cycles,
    first_copies,
    slow,
    slow_buffer_online,
    slow_density_online,
    unrolled,
)

A = [1, 2, 3, 5, 6, 4, 7]
B = [1, 3, 2, 3, 5]


def test_worked_example_a():
    """anomalies 6: sent 1..7, one record two places late."""
    found = reordering(A, sent=(1, 7), times=[10, 20, 30, 40, 50, 75, 80], sizes=100)

    assert found == {
        "received_unique": 7, "duplicates": 0, "lost": 0, "duplicate_values": [], "lost_values": [],
        "reordered": [4], "reordered_count": 1, "ratio": F(1, 7), "seq_discontinuities": [[5, 1]],
        "extent": {4: 2}, "max_extent": 2, "late_time": {4: 35}, "byte_offset": {4: 200},
        "reordering_discontinuities": [5], "gaps": {},
        "runs": {"x": 1, "a": 6, "p": 7, "q": 25, "lengths": [5], "tail": 1},
        "n_reordered": {4: 2}, "n_degree": {1: F(1, 7), 2: F(1, 7)}, "FD": {-1: 2, 0: 4, 2: 1}, "FD_online": None,
        "RD_discarded": None, "occupancy": [0, 0, 0, 1, 2, 0, 0], "FB_offline": {0: 5, 1: 1, 2: 1}, "FB_online": None,
        "inversions": 2, "kendall_tau": F(17, 21), "lis": 6, "rem": 1, "max_displacement": 2, "footrule": 4, "dis": 2,
        "descents": 1,
    }  # fmt: skip


def test_worked_example_b():
    """anomalies 6: sent 1..5, 4 lost, a second 3."""
    found = reordering(B, sent=(1, 5))

    assert found == {
        "received_unique": 4, "duplicates": 1, "lost": 1, "duplicate_values": [3], "lost_values": [4],
        "reordered": [2], "reordered_count": 1, "ratio": F(1, 4), "seq_discontinuities": [[3, 1], [5, 1]],
        "extent": {2: 1}, "max_extent": 1, "late_time": None, "byte_offset": None, "reordering_discontinuities": [3],
        "gaps": {}, "runs": {"x": 1, "a": 3, "p": 4, "q": 4, "lengths": [2], "tail": 1}, "n_reordered": {2: 1},
        "n_degree": {1: F(1, 4)}, "FD": {-1: 1, 0: 2, 1: 1}, "FD_online": None, "RD_discarded": None,
        "occupancy": [0, 1, 0, 0], "FB_offline": {0: 3, 1: 1}, "FB_online": None, "inversions": 1,
        "kendall_tau": F(2, 3), "lis": 3, "rem": 1, "max_displacement": 1, "footrule": 2, "dis": 1, "descents": 1,
    }  # fmt: skip


RFC_4737 = {
    "one of seven": ([1, 2, 3, 5, 6, 7, 8, 4, 9, 10], {4: 4}, {4: 4}),
    "two behind one": ([1, 2, 3, 4, 7, 5, 6, 8, 9, 10], {5: 1, 6: 2}, {5: 1}),
    "a block of three": ([1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11], {4: 4, 5: 5, 6: 6}, {4: 4}),
    "two places": ([1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 12, 13, 11, 14, 15, 16], {4: 2, 5: 3, 11: 2}, {4: 2, 11: 2}),
}


@pytest.mark.parametrize("arrivals, extent, n", RFC_4737.values(), ids=RFC_4737)
def test_examples_of_rfc_4737(arrivals, extent, n):
    """anomalies 6.1: extents, and which record is n-reordered."""
    found = reordering(arrivals)

    assert (found["extent"], found["n_reordered"]) == (extent, n)


def test_gap_and_runs_of_rfc_4737():
    """anomalies 6.1: gap 7, runs 5, 0, 5."""
    found = reordering(RFC_4737["two places"][0])

    assert (found["gaps"], found["reordering_discontinuities"]) == ({12: 7}, [6, 12])
    assert (found["runs"]["lengths"], found["runs"]["tail"]) == ([5, 0, 5], 3)


def test_example_8a_of_rfc_5236():
    """anomalies 6.1: displacements and buffer occupancy."""
    found = reordering([1, 4, 2, 5, 3, 6, 7, 8], DT=3, BT=4)

    assert found["FD"] == found["FD_online"] == {-2: 1, -1: 1, 0: 4, 1: 1, 2: 1}
    assert found["FB_offline"] == found["FB_online"] == {0: 5, 1: 2, 2: 1}
    assert found["RD_discarded"] == []


def test_ratio_n_reordering_and_rem_tell_different_stories_of_one_early_record():
    """anomalies 6.2: 18/22, one record with n = 1, and 1."""
    found = reordering([1, 20, *range(2, 20), 21, 22])

    assert (found["ratio"], found["n_reordered"], found["rem"]) == (F(18, 22), {2: 1}, 1)


def test_the_open_run_counts_as_in_order_and_not_as_a_run():
    """anomalies 6.4."""
    runs = reordering(A)["runs"]

    assert (runs["a"], runs["x"], sum(runs["lengths"]), runs["tail"]) == (6, 1, 5, 1)


def test_the_first_arrival_is_in_order_whatever_its_number():
    """anomalies 6.5: 5 is the reordering discontinuity of 1 without having been a sequence discontinuity."""
    found = reordering([5, 1, 6], sent=(1, 6))

    assert (found["seq_discontinuities"], found["reordering_discontinuities"]) == ([], [5])


def test_a_nested_gap_is_zero():
    """anomalies 6.6: 9 is found before 5, though 5 is the older place."""
    assert reordering([1, 5, 9, 6, 2])["gaps"] == {9: 0}


def test_a_receiver_that_does_not_know_what_is_lost_holds_what_waits_for_it():
    """anomalies 6.7: 3 never comes. Online 0 0 1 2 3 0, offline all 0."""
    found = reordering([1, 2, 4, 5, 6, 7], BT=3)

    assert found["occupancy"] == [0, 0, 0, 0, 0, 0]
    assert found["FB_online"] == {0: 3, 1: 1, 2: 1, 3: 1}


def test_a_newcomer_that_the_freed_prefix_does_not_reach_is_stored():
    """anomalies 6.7: 2 is given up for 3; 5 stays behind, waiting for 4."""
    assert reordering([1, 3, 5], sent=(1, 5), BT=1)["FB_online"] == {0: 1, 1: 2}


def test_displacement_counts_numbers_and_footrule_ranks():
    """anomalies 6.8: 4 is lost."""
    found = reordering([1, 2, 5, 3, 6], sent=(1, 6))

    assert found["FD"] == {-2: 1, 0: 3, 2: 1}
    assert (found["footrule"], found["max_displacement"]) == (2, 1)


def test_a_kept_duplicate_would_change_everything():
    """anomalies 6.10: without removal 2/5, with it 1/4."""
    assert reordering(B)["ratio"] == F(1, 4)


def test_roll_over_is_undone():
    """Section 6: a jump of more than half the range went the other way round."""
    top = 2**31
    found = reordering([top - 2, 0, top - 1, 1, 1], sent=(top - 2, 2), modulus=top)

    assert (found["reordered"], found["extent"]) == ([top - 1], {top - 1: 1})
    assert (found["lost_values"], found["duplicate_values"]) == ([2], [1])
    assert reordering([top - 1, 0, 1], modulus=top)["reordered"] == []


def test_what_is_late_beyond_the_threshold_is_discarded_online():
    """With DT=2, 1 comes four places late: its index was given up, and it is thrown away."""
    found = reordering([2, 3, 4, 5, 1, 6, 7], sent=(1, 7), DT=2)

    assert found["RD_discarded"] == [1]
    assert found["FD_online"] == {0: 6}
    assert found["FD"] == {-1: 4, 0: 2, 4: 1}


def test_a_rogue_far_ahead_is_discarded_online():
    found = reordering([1, 2, 90, 3, 4, 5], sent=(1, 5), DT=2)

    assert (found["RD_discarded"], found["FD_online"]) == ([90], {0: 5})


def test_nothing_and_a_single_record_are_in_order():
    for arrivals in ([], [7]):
        found = reordering(arrivals, DT=1, BT=1)
        assert (found["reordered_count"], found["kendall_tau"], found["inversions"]) == (0, 1, 0)
    assert reordering([], sent=(1, 3))["lost_values"] == [1, 2, 3]


def test_arrays_and_lists_give_the_same():
    assert reordering(np.array(A, np.int32), sent=(1, 7)) == reordering(A, sent=(1, 7))


def test_a_jump_of_exactly_half_the_range_is_no_roll_over():
    """Section 6: more than half. 0 to 4 of 8 is a jump forward, and 4 to 0 one back."""
    assert reordering([0, 4], modulus=8)["seq_discontinuities"] == [[4, 3]]
    assert reordering([4, 0], modulus=8)["reordered"] == [0]
    assert reordering([0, 5], modulus=8)["reordered"] == [5]


def test_what_was_sent_may_be_more_than_what_came():
    assert reordering([5, 6], sent=(3, 9))["lost_values"] == [3, 4, 7, 8, 9]
    assert reordering([1, 2], sent=(6, 4), modulus=8)["lost_values"] == [6, 7, 0, 3, 4]
    assert reordering([], sent=(6, 1), modulus=8)["lost_values"] == [6, 7, 0, 1]
    assert reordering([*range(8), 0, 1, 3], sent=(0, 3), modulus=8)["lost_values"] == [2]  # more than one round


def test_numbers_may_be_huge_and_far_apart():
    far = 10**18
    found = reordering([far, far + 2, far + 1], sent=(far, far + 3))

    assert (found["reordered"], found["lost_values"], found["inversions"]) == ([far + 1], [far + 3], 1)
    assert reordering([-far, 5, far], sent=(5, 5), DT=10**9, BT=10**9)["reordered_count"] == 0


def test_times_in_seconds_and_a_size_for_each():
    found = reordering([1, 3, 2], times=[0.5, 1.25, 2.0], sizes=[10, 20, 40])

    assert (found["late_time"], found["byte_offset"]) == ({2: 0.75}, {2: 20})


def test_a_record_of_its_own_stream_counts_alone():
    """anomalies 6.5: reset per stream. One record: in order, an open run of one."""
    found = reordering([7], sent=(1, 9), times=[3], sizes=5, DT=2, BT=2)

    assert (found["received_unique"], found["lost"], found["runs"]["tail"]) == (1, 8, 1)
    assert (found["FD"], found["FD_online"], found["occupancy"]) == ({0: 1}, {0: 1}, [0])
    assert (found["lis"], found["rem"], found["footrule"], found["descents"]) == (1, 0, 0, 0)


def test_all_lost():
    found = reordering([], sent=(4, 6), times=[], sizes=[], modulus=16, DT=3, BT=3)

    assert (found["lost"], found["lost_values"], found["ratio"], found["extent"]) == (3, [4, 5, 6], 0, {})
    assert (found["FD"], found["FD_online"], found["FB_offline"], found["FB_online"]) == ({}, {}, {}, {})


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint32, np.uint64])
def test_columns_of_any_width_are_numbers(kind):
    expected = reordering(A, sent=(1, 7), times=A, sizes=A)

    assert reordering(np.array(A, kind), (1, 7), np.array(A, kind), np.array(A, kind)) == expected
    assert reordering(range(1, 4), sent=(np.int64(1), np.int64(3)), sizes=np.int64(7), DT=np.int64(1))["lost"] == 0


BAD = {
    "no list at all": {"arrivals": 7},
    "a table": {"arrivals": np.zeros((2, 2), np.int64)},
    "rows of unequal length": {"arrivals": [[1], [1, 2]]},
    "numbers of 64 bits": {"arrivals": [2**63 - 1]},
    "numbers beyond 64 bits": {"arrivals": [2**80]},
    "an unsigned column beyond the signed ones": {"arrivals": np.array([2**64 - 1], np.uint64)},
    "times that are no numbers": {"arrivals": [1], "times": [float("nan")]},
    "a negative size": {"arrivals": [1], "sizes": -1},
    "a range of three": {"arrivals": [1], "sent": (1, 2, 3)},
    "a range of words": {"arrivals": [1], "sent": ("1", "2")},
    "more lost than anybody reads": {"arrivals": [1, 10**15]},
    "a modulus that is none": {"arrivals": [1], "modulus": 2.5},
    "a threshold of yes": {"arrivals": [1], "DT": True},
    "floats": {"arrivals": [1.5, 2.0]},
    "too few times": {"arrivals": [1, 2], "times": [3]},
    "too few sizes": {"arrivals": [1, 2], "sizes": [3]},
    "a modulus of one": {"arrivals": [0], "modulus": 1},
    "a number above the modulus": {"arrivals": [9], "modulus": 8},
    "a threshold of zero": {"arrivals": [1], "DT": 0},
    "a threshold that is no number": {"arrivals": [1], "BT": "3"},
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_what_is_no_stream_of_numbers_is_refused(arguments):
    with pytest.raises(InputError, match="reordering: "):
        reordering(**arguments)


# --- against the slow twin --------------------------------------------------------------------------------------------
arrivals_of_a_stream = st.lists(st.integers(1, 14), max_size=24)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(arrivals_of_a_stream, st.data())
def test_every_measure_is_that_of_the_literal_definition(arrivals, data):
    steps = data.draw(st.lists(st.integers(0, 9), min_size=len(arrivals), max_size=len(arrivals)))
    times = np.cumsum(np.array(steps, np.int64)).tolist()
    sizes = data.draw(st.lists(st.integers(1, 500), min_size=len(arrivals), max_size=len(arrivals)))
    found = reordering(arrivals, sent=(1, 14), times=times, sizes=sizes)

    expected = slow(arrivals, 1, 14, times, sizes)
    assert {name: found[name] for name in expected} == expected


@settings(max_examples=300, deadline=None, derandomize=True)
@given(arrivals_of_a_stream, st.integers(1, 6), st.integers(1, 6))
def test_online_measures_are_those_of_the_steps_of_rfc_5236(arrivals, early_or_late, room):
    found = reordering(arrivals, sent=(1, 14), DT=early_or_late, BT=room)
    kept = first_copies(arrivals)
    occupancy = slow_buffer_online(kept, 1, room)

    assert (found["FD_online"], found["RD_discarded"]) == slow_density_online(kept, 1, early_or_late)
    assert found["FB_online"] == {n: occupancy.count(n) for n in sorted(set(occupancy))}
    assert max(occupancy, default=0) <= room


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(2, 9), st.lists(st.integers(0, 8), max_size=16))
def test_roll_over_is_undone_before_anything_is_measured(modulus, numbers):
    raw = [n % modulus for n in numbers]
    plain = unrolled(raw, modulus)
    found, expected = reordering(raw, modulus=modulus), reordering(plain)

    assert found["reordered"] == [n % modulus for n in expected["reordered"]]
    assert found["lost_values"] == [n % modulus for n in expected["lost_values"]]
    assert found["seq_discontinuities"] == [[n % modulus, size] for n, size in expected["seq_discontinuities"]]
    for name in ("ratio", "max_extent", "runs", "FD", "occupancy", "inversions", "kendall_tau", "lis", "footrule"):
        assert found[name] == expected[name]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(arrivals_of_a_stream)
def test_bounds_between_measures(arrivals):
    """anomalies 6.9."""
    found = reordering(arrivals)
    size = found["received_unique"]
    kept = first_copies(arrivals)

    assert found["inversions"] + size - cycles(kept) <= found["footrule"] <= 2 * found["inversions"]
    assert found["rem"] <= found["reordered_count"]
    assert found["dis"] == found["max_extent"]
    assert max(found["occupancy"], default=0) <= found["max_extent"]
    assert (found["ratio"] == 0) == (found["inversions"] == 0) == (found["kendall_tau"] == 1)
    earlier_larger = reordering(arrivals, sizes=1)["byte_offset"]
    assert sum(earlier_larger.values()) == found["inversions"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.permutations(range(1, 13)))
def test_without_loss_the_online_algorithms_with_room_agree_with_the_offline_ones(arrivals):
    found = reordering(arrivals, sent=(1, 12), DT=12, BT=12)

    assert (found["FD_online"], found["RD_discarded"]) == (found["FD"], [])
    assert found["FB_online"] == found["FB_offline"]
