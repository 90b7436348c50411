"""Runs of many records are judged as their records one by one, also in transactions and groups.

A history in columns, a run a batch, with damage at random; and the same written to JSON Lines, a record a line.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import analysis.history as h
from analysis.history import History
from analysis.jsonl.write import write_jsonl
from analysis.verdict import judge
from tests.analysis.synthetic_transactions import empty

BATCH, PARTITIONS, SLOTS = 4, 2, 200
SEEDS = range(40)


def damaged(seed: int, transactions: int = 24) -> History:
    """Each transaction is a batch of one partition; each run of a poll is a batch or the end of one."""
    draw = np.random.default_rng(seed)
    wild = draw.random()

    def odds(share: float, size: int) -> Any:
        return draw.random(size) < share * wild

    count = draw.integers(1, BATCH + 1, transactions)
    value = np.cumsum(count) - count
    partition = draw.integers(0, PARTITIONS, transactions)
    row = np.arange(transactions) * SLOTS
    offset = np.zeros(transactions, np.int64)
    for p in range(PARTITIONS):
        mine = np.flatnonzero(partition == p)
        offset[mine] = np.cumsum(count[mine] + 1) - count[mine] - 1
    marked = np.flatnonzero(~odds(0.3, transactions))
    kinds = np.where(odds(0.3, len(marked)), h.ABORT, h.COMMIT)
    n, m = transactions, len(marked)
    rows = np.concatenate([row + 1, row[marked] + 90 + 200 * draw.integers(0, 2, m)])
    ends = np.concatenate([offset, (offset + count)[marked]])
    order = np.argsort(rows, kind="stable")
    owner = np.concatenate([np.arange(n), marked])
    appends = h.Appends(*(column[order] for column in (
        rows, rows, partition[owner], ends, np.concatenate([value, np.full(m, -1)]),
        np.concatenate([count, np.ones(m, np.int64)]), np.ones(n + m, np.int64), np.zeros(n + m, bool),
        np.zeros(n + m, np.int64), owner % 3, np.zeros(n + m, np.int64), np.full(n + m, -1), owner,
        np.concatenate([np.zeros(n, np.int64), kinds]), np.full(n + m, -1),
    )))  # fmt: skip
    size = int(count.sum())
    of = np.repeat(np.arange(n), count)
    tables = empty() | {
        "records": h.Records(
            np.zeros(size, np.int64), draw.permutation(size) if wild > 0.7 else np.arange(size), partition[of],
            draw.integers(-1, 3, size), np.arange(size), row[of], row[of], np.full(size, -1), of, np.full(size, -1),
        ),
        "appends": appends, "transactions": ended(draw, row, n),
        **read(draw, odds, row, partition, offset, value, count),
        "outcomes": h.Outcomes(
            row + 2, row + 2, np.where(odds(0.2, n), h.UNKNOWN, h.ACK), np.zeros(n, np.int64), partition, value, count,
            offset, np.full(n, -1),
        ),
    }  # fmt: skip
    return History(
        source="damaged", row_word="row", time_unit="us", drain=True, append_times=True, config=None, settled=True,
        producers=["P1"], brokers=[0, 1], partitions=["o-0", "o-1"], keys=["x", "y", "z"],
        values=[f"v{k}" for k in range(size)], words=[], txns=[f"T{k}" for k in range(n)],
        consumers=h.Consumers(["C1", "C2"], ["G", "G"], [True, False]), **tables,
    )  # fmt: skip


def ended(draw: np.random.Generator, row: Any, n: int) -> h.Transactions:
    told = np.flatnonzero(draw.random(n) < 0.8)
    return h.Transactions(row[told] + 95, row[told] + 95, told, draw.choice([1, 1, 2, 3], len(told)))


def read(draw: np.random.Generator, odds: Any, row: Any, partition: Any, offset: Any, value: Any, count: Any) -> Any:
    """Polls (cut at the front now and then, too early, in transactions), processing, commits."""
    n = len(row)
    cut = np.where(odds(0.3, n), draw.integers(0, count), 0)
    when = row + 100 + np.where(odds(0.4, n), -SLOTS // 2 + 10, 0)
    consumer = draw.integers(0, 2, n)
    order = np.argsort(when, kind="stable")
    inside = np.where(draw.random(n) < 0.4, draw.integers(0, n, n), -1)
    group = 2 * np.where(inside < 0, np.arange(n), n + inside) + consumer
    polls = h.Polls(*(column[order] for column in (
        when, when, consumer, partition, offset + cut, value + cut, count - cut, group, inside,
    )))  # fmt: skip
    events = []
    for k in range(n):
        for j in range(int(count[k])):
            start, end = 110 + 8 * j, 114 + 8 * j + (30 if odds(0.3, 1)[0] else 0)
            events.append((int(row[k]) + start, 0, k, j))
            if not odds(0.2, 1)[0]:
                events.append((int(row[k]) + end + j % 2, 1, k, j))
    events.sort()
    told = np.array([(r, e, consumer[k], partition[k], offset[k] + j) for r, e, k, j in events], np.int64).T
    commits = np.flatnonzero(draw.random(n) < 0.5)
    return {
        "polls": polls, "processing": h.Processing(told[0], told[0], told[1], told[2], told[3], told[4]),
        "commits": h.Commits(
            row[commits] + 190, row[commits] + 190, consumer[commits], partition[commits], (offset + count)[commits],
            np.zeros(len(commits), np.int64), np.ones(len(commits), np.int64),
        ),
    }  # fmt: skip


def counts(source: Any) -> dict[str, int]:
    return {name: one.count for name, one in judge(source).findings.items() if one.checked}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_counts_as_its_records(tmp_path, seed):
    history = damaged(seed)

    assert counts(history) == counts(write_jsonl(history, tmp_path / "history.jsonl"))


def test_the_damage_shows_under_every_name_of_transactions_and_groups():
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        seen.update(name for name, count in counts(damaged(seed)).items() if count)

    expected = {
        "uncommitted-read", "precommitted-read", "aborted-read", "open-transaction", "lost-acked", "poll-skip",
        "premature-commit", "overlapping-processing", "e2e-key-reorder", "lost-processing", "G1c",
    }  # fmt: skip
    assert expected <= set(seen), expected - set(seen)
