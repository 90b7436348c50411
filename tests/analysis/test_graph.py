"""Cycles of a graph and open intervals: the quick answers against the obvious ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.graph import components, shortest_path
from analysis.intervals import FOREVER, Intervals

NODES = 7
edges_of_a_graph = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=16)


def slow_components(edges: list[tuple[int, int]]) -> list[list[int]]:
    reach = {a: {b for x, b in edges if x == a} for a in range(NODES)}
    for via in range(NODES):
        for a in range(NODES):
            if via in reach[a]:
                reach[a] |= reach[via]
    parts = {tuple(b for b in range(NODES) if b in reach[a] and a in reach[b]) for a in range(NODES)}
    return sorted(list(part) for part in parts if len(part) > 1)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(edges_of_a_graph, st.lists(st.integers(0, 20), min_size=NODES, max_size=NODES))
def test_components_are_found_whatever_rank_says_where_to_look(edges, rank):
    tail, head = np.array([a for a, _ in edges], np.int64), np.array([b for _, b in edges], np.int64)

    assert components(tail, head, np.array(rank)) == slow_components(edges)


def test_a_ring_as_long_as_memory_allows_needs_no_recursion():
    size = 50_000
    node = np.arange(size)

    assert components(node, (node + 1) % size, node) == [list(range(size))]


def test_a_chain_in_order_of_rank_is_not_looked_at():
    node = np.arange(1_000_000)

    assert components(node[:-1], node[1:], node) == []


def test_the_shortest_of_two_ways_is_taken():
    edges = {1: [2, 3], 2: [4], 3: [5], 5: [4]}

    assert shortest_path(edges, 1, 4) == [1, 2, 4]
    assert shortest_path(edges, 4, 1) == []


interval = st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 12), st.integers(0, 14))
question = st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(0, 13))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(interval, max_size=14), st.lists(question, max_size=10))
def test_a_question_is_met_by_an_open_interval_with_a_lower_key(told, asked):
    told = [(lane, key, opened, FOREVER if closed == 14 else closed) for lane, key, opened, closed in told]
    columns = [np.array([one[k] for one in told], np.int64) for k in range(4)]
    lane, key, time = (np.array([one[k] for one in asked], np.int64) for k in range(3))
    expected = [
        [one for one in told if one[0] == where and one[1] < low and one[2] < when < one[3]]
        for where, low, when in asked
    ]
    intervals = Intervals(*columns)

    assert intervals.met(lane, key, time).tolist() == [bool(found) for found in expected]
    for one, found in zip(asked, expected, strict=True):
        if found:
            assert told[intervals.lowest(*one)][1] == min(key for _, key, _, _ in found)
