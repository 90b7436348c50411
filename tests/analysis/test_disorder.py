"""Which runs need a look: a run of three is written 0-2, its values are also its send positions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.columns import lifted_by, pieces
from analysis.disorder import disordered_runs, holding

POSITION = np.arange(40)


def looked_at(
    first: list[int], groups: list[int] | None = None, count: int = 3, doubled: list[int] | None = None,
) -> object:  # fmt: skip
    again = None if doubled is None else np.isin(np.arange(len(first)), doubled)
    value, group = np.array(first), np.array(groups or [0] * len(first))
    found = [
        disordered_runs(POSITION, value, np.full(len(first), count), group.__getitem__, again, about).tolist()
        for about in (100, 3, 2, 1)
    ]
    assert found[1:] == found[:-1]  # however many runs are looked at together
    return found[0]


def test_nothing_where_every_run_begins_behind_all_before() -> None:
    assert looked_at([0, 3, 6, 9]) == []
    assert looked_at([0, 6, 3, 9], [0, 1, 0, 1]) == []


def test_only_the_stretch_between_two_cuts() -> None:
    assert looked_at([0, 6, 3, 9, 12]) == [1, 2]
    assert looked_at([0, 9, 3, 6, 12, 18, 15, 21]) == [1, 2, 3, 5, 6]


def test_a_stretch_lies_within_its_group() -> None:
    assert looked_at([3, 12, 0, 15], [0, 1, 0, 1]) == [0, 2]
    assert looked_at([3, 12, -1, 0, 15], [0, 1, 2, 0, 1], count=1) == [0, 3]


def test_a_later_copy_is_no_late_record() -> None:
    assert looked_at([0, 3, 6, 0, 9], doubled=[0, 3]) == []
    assert looked_at([0, 6, 3, 0, 9], doubled=[0, 3]) == [1, 2]


def test_copies_that_overlap_in_part_are_looked_at_with_all_of_their_group() -> None:
    assert looked_at([0, 3, 6, 1, 9, 30], [0, 0, 0, 0, 0, 1], doubled=[0, 1, 3]) == [0, 1, 2, 3, 4]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 6), min_size=12, max_size=12), st.lists(st.integers(0, 2), min_size=12, max_size=12),
    st.integers(0, 12),
)  # fmt: skip
def test_a_run_is_let_go_where_all_before_it_were_sent_before_all_behind_it(
    delays: list[int], groups: list[int], gone: int,
) -> None:  # fmt: skip
    """Run by run, as the module says it; some runs are left out."""
    sent = sorted(range(12), key=lambda k: (k + delays[k], k))
    value = [-1 if k in (gone, gone + 1) else 3 * n for k, n in enumerate(sent)]
    expected = []
    for group in range(3):
        mine = [k for k in range(12) if groups[k] == group and value[k] >= 0]
        cut = [max(value[k] for k in mine[:n]) < min(value[k] for k in mine[n:]) for n in range(1, len(mine))]
        sides = zip(mine, [True, *cut], [*cut, True], strict=False)
        expected += [k for k, before, behind in sides if not (before and behind)]

    assert looked_at(value, groups) == sorted(expected)


def test_runs_that_hold_a_value() -> None:
    mask = np.isin(np.arange(12), [4, 11])
    assert holding(mask, np.array([0, 3, 6, 9]), np.full(4, 3)).tolist() == [False, True, False, True]
    assert holding(mask, np.array([3, 4]), np.ones(2, np.int64)).tolist() == [False, True]


def test_pieces_have_whole_groups() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2, 5])
    assert [(p.start, p.stop) for p in pieces(groups, 2)] == [(0, 3), (3, 6), (6, 7)]
    assert [(p.start, p.stop) for p in pieces(groups, 100)] == [(0, 7)]


def test_numbers_too_wide_to_be_lifted_become_ranks() -> None:
    (lifted,) = lifted_by(np.array([0, 0, 1, 1]), np.array([5, 1 << 61, -(1 << 61), 5]))
    assert lifted.tolist() == [1, 2, 3, 4]
