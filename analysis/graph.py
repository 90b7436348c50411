"""Cycles of a directed graph whose nodes are small integers.

Most graphs of a history have none, and time shows it: nodes have a rank (when they were written), and a cycle needs an
edge that goes back in rank. Only what lies between the ends of such edges is looked at node by node.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from analysis.history import Column

__all__ = ["components", "shortest_path"]

Edges = dict[int, list[int]]


def components(tail: Column, head: Column, rank: Column) -> list[list[int]]:
    """The strongly connected components with more than one node, each ascending, in order of their first nodes.

    *tail*, *head*: the ends of each edge. *rank*: by node.
    """
    inside = _in_a_span(tail, head, rank)
    tail, head = tail[inside], head[inside]
    edges: Edges = {}
    for a, b in zip(tail.tolist(), head.tolist(), strict=True):
        edges.setdefault(a, []).append(b)
    return sorted(sorted(one) for one in _tarjan(edges) if len(one) > 1)


def _in_a_span(tail: Column, head: Column, rank: Column) -> Column:
    """Mask of edges within the spans of ranks of edges that go back: a cycle that rises has to come down again."""
    low, high = rank[head], rank[tail]
    back = np.flatnonzero((high >= low) & (tail != head))
    if not len(back):
        return np.zeros(len(tail), bool)
    order = back[np.argsort(low[back], kind="stable")]
    starts, reach = low[order], np.maximum.accumulate(high[order])

    def spanned(node_rank: Column) -> Column:
        at = np.searchsorted(starts, node_rank, side="right") - 1
        mask: Column = (at >= 0) & (reach[np.maximum(at, 0)] >= node_rank)
        return mask

    mask: Column = spanned(low) & spanned(high) & (tail != head)
    return mask


def _tarjan(edges: Edges) -> list[list[int]]:
    """Strongly connected components, without recursion."""
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    found: list[list[int]] = []
    for root in edges:
        if root in number:
            continue
        work = [(root, iter(edges[root]))]
        number[root] = lowest[root] = len(number)
        path.append(root)
        on_path.add(root)
        while work:
            node, following = work[-1]
            for other in following:
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    path.append(other)
                    on_path.add(other)
                    work.append((other, iter(edges.get(other, ()))))
                    break
                if other in on_path:
                    lowest[node] = min(lowest[node], number[other])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == number[node]:
                    one = [path.pop()]
                    while one[-1] != node:
                        one.append(path.pop())
                    on_path.difference_update(one)
                    found.append(one)
    return found


def shortest_path(edges: Edges, start: int, goal: int) -> list[int]:
    """Nodes from *start* to *goal* on a path with the fewest edges; nothing where there is none."""
    before: dict[int, int] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for other in edges.get(node, ()):
            if other not in before:
                before[other] = node
                queue.append(other)
        if goal in before:
            path = [goal]
            while len(path) == 1 or path[-1] != start:
                path.append(before[path[-1]])
            return path[::-1]
    return []
