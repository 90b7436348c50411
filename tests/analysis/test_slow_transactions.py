"""Transactions, groups and processing: every finder against a slow literal twin, on random histories."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.verdict import judge
from tests.analysis.slow_transactions import COUNTS, SlowTransactions
from tests.analysis.txn_chaos import CONSUMERS, TxnChaos
from tests.analysis.written import header


def fast_counts(folder: Path, events: list[dict[str, Any]]) -> dict[str, int]:
    path = folder / "chaos.jsonl"
    lines = [header(drain=True, consumers=CONSUMERS), *events]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    findings = judge(path).findings
    told = {name: findings[name].count for name in COUNTS if findings[name].checked}
    return told | findings["duplicate-delivery"].extra


def slow_counts(events: list[dict[str, Any]]) -> dict[str, int]:
    slow = SlowTransactions(events, CONSUMERS)
    return slow.counts() | {"excused": slow.excused()}


def both(folder: Path, events: list[dict[str, Any]]) -> tuple[dict[str, int], dict[str, int]]:
    """The counts that the analyzer could make, and the same ones by the literal definition."""
    fast, slow = fast_counts(folder, events), slow_counts(events)
    return fast, {name: count for name, count in slow.items() if name in fast}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**9), length=st.integers(5, 130))
def test_every_count_is_that_of_the_literal_definition(tmp_path_factory, seed, length):
    fast, slow = both(tmp_path_factory.getbasetemp(), TxnChaos(seed).history(length))
    assert fast == slow


@pytest.mark.parametrize("seed", range(3))
def test_long_histories_agree_as_well(tmp_path, seed):
    fast, slow = both(tmp_path, TxnChaos(seed).history(500))
    assert fast == slow


def test_the_random_histories_show_every_name_and_often_enough_none(tmp_path):
    """A comparison in which nothing is ever found would prove nothing."""
    seen: Counter[str] = Counter()
    for seed in range(300):
        counts = fast_counts(tmp_path, TxnChaos(seed).history(60))
        seen.update(name for name, count in counts.items() if count)
        seen.update(f"no {name}" for name, count in counts.items() if not count)

    assert [name for name in COUNTS if not seen[name] or not seen[f"no {name}"]] == []
