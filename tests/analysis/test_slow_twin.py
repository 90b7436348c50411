"""Every finder against a slow literal twin, on random histories in which everything goes wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.verdict import judge
from tests.analysis.chaos import Chaos
from tests.analysis.slow_finders import NAMES, Slow
from tests.analysis.written import header


def fast_counts(folder: Path, events: list[dict[str, Any]]) -> dict[str, int]:
    path = folder / "chaos.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [header(drain=True), *events]))
    findings = judge(path).findings
    return {name.replace("_", "-"): findings[name.replace("_", "-")].count for name in NAMES}


@settings(max_examples=250, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**9), length=st.integers(5, 130))
def test_every_count_is_that_of_the_literal_definition(tmp_path_factory, seed, length):
    events = Chaos(seed).history(length)

    assert fast_counts(tmp_path_factory.getbasetemp(), events) == Slow(events).counts()


def test_the_random_histories_show_every_name_and_often_enough_none(tmp_path):
    """A comparison in which nothing is ever found would prove nothing."""
    seen: Counter[str] = Counter()
    for seed in range(150):
        counts = Slow(Chaos(seed).history(90)).counts()
        seen.update(name for name, count in counts.items() if count)
        seen["clean"] += not any(counts.values())

    assert not [name for name in NAMES if not seen[name.replace("_", "-")]]


@pytest.mark.parametrize("seed", range(3))
def test_long_histories_agree_as_well(tmp_path, seed):
    events = Chaos(seed).history(700)

    assert fast_counts(tmp_path, events) == Slow(events).counts()
