"""Vector steps that are easy to get wrong at their ends."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.columns import lowest_in


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40), st.data())
def test_the_lowest_number_of_every_slice(numbers, data):
    slices = st.tuples(st.integers(0, len(numbers) - 1), st.integers(1, len(numbers)))
    asked = [(a, min(a + size, len(numbers))) for a, size in data.draw(st.lists(slices, max_size=8))]
    first, end = (np.array([one[k] for one in asked], np.int64) for k in range(2))

    assert lowest_in(np.array(numbers), first, end).tolist() == [min(numbers[a:b]) for a, b in asked]
