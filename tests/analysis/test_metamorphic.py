"""What must not change a verdict: other names, other times, other producers, more replicas, a run told twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.verdict import judge
from tests.analysis.chaos import Chaos
from tests.analysis.written import header

Event = dict[str, Any]
SEEDS = range(12)
CROSSING = {"key-reorder", "e2e-key-reorder", "duplicate-append", "lost-acked", "cross-partition-inversion", "unseen"}
CROSSING |= {"key-partition-split", "lost-write", "realtime-inversion"}  # look over partitions, or know values by them


def counts(folder: Path, events: list[Event]) -> dict[str, int]:
    path = folder / "history.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [header(drain=True), *events]))
    return {name: one.count for name, one in judge(path).findings.items() if one.checked}


def renamed(x: Any) -> Any:
    """Every name of a producer, value, key, partition and consumer is another one, sorted the other way."""
    if isinstance(x, dict):
        return {k: v if k in ("e", "role", "t") else renamed(v) for k, v in x.items()}
    if isinstance(x, list):
        return [renamed(one) for one in x]
    if not isinstance(x, str):
        return x
    topic, dash, index = x.rpartition("-")
    return f"topic-{9 - int(index)}" if dash else f"{chr(ord('z') - ord(x[0]) + ord('a'))}{x}ü"


def of_partition(events: list[Event], p: str) -> list[Event]:
    """The history of one partition: polls keep what belongs to it."""
    told = []
    for event in events:
        if event["e"] == "poll":
            records = [one for one in event["recs"] if one[0] == p]
            told += [event | {"recs": records}] if records else []
        elif event.get("p") == p or event["e"] == "fail":
            told.append(event)
    return told


@pytest.mark.parametrize("seed", SEEDS)
def test_names_mean_nothing(tmp_path, seed):
    events = Chaos(seed).history(150)

    assert counts(tmp_path, renamed(events)) == counts(tmp_path, events)


@pytest.mark.parametrize("seed", SEEDS)
def test_times_mean_nothing_as_long_as_their_order_stays(tmp_path, seed):
    events = Chaos(seed).history(150)
    stretched = [event | {"t": event["t"] ** 2 - 5} for event in events]
    all_at_once = [event | {"t": 0} for event in events]

    assert counts(tmp_path, stretched) == counts(tmp_path, all_at_once) == counts(tmp_path, events)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_split_by_partition_adds_up(tmp_path, seed):
    """Names that look at one partition at a time."""
    events = Chaos(seed).history(150)
    sends = [e for e in events if e["e"] == "send"]
    parts = []
    for p in ("o-0", "o-1"):
        mine = [e for e in of_partition(events, p) if e["e"] != "send"] + sends
        parts.append(counts(tmp_path, sorted(mine, key=lambda e: e["t"])))
    whole = counts(tmp_path, events)

    for name in whole.keys() - CROSSING:
        if name == "aborted-read" or all(name in part for part in parts):
            assert sum(part.get(name, 0) for part in parts) == whole[name], name


@pytest.mark.parametrize("seed", SEEDS)
def test_one_more_producer_on_partitions_of_its_own_changes_nothing(tmp_path, seed):
    events = Chaos(seed).history(150)
    others = renamed(Chaos(seed).history(150))
    clean = [e for e in others if e["e"] in ("send", "append", "ack") and e.get("b", 1) == 1]
    mixed = sorted(events + [e | {"t": e["t"]} for e in clean], key=lambda e: e["t"])
    alone = counts(tmp_path, clean)
    before = counts(tmp_path, events)

    after = counts(tmp_path, mixed)
    for name in ("append-reorder", "duplicate-append", "offset-gap", "sequence-gap", "realtime-inversion"):
        assert after[name] == before[name] + alone.get(name, 0), name


@pytest.mark.parametrize("seed", SEEDS)
def test_a_faithful_follower_more_changes_nothing(tmp_path, seed):
    """Broker 9 copies every append and truncation of broker 1 a moment later, and never leads."""
    told = []
    for event in Chaos(seed).history(150):
        told.append(event)
        if event["e"] in ("append", "truncate") and event.get("b", 1) == 1:
            told.append(event | {"b": 9} | ({"role": "follower"} if event["e"] == "append" else {}))
    events = [event for event in told if event.get("b") != 9]

    assert counts(tmp_path, told) == counts(tmp_path, events)


@pytest.mark.parametrize("seed", SEEDS)
def test_repeating_the_whole_run_under_other_names_doubles_every_count(tmp_path, seed):
    events = Chaos(seed).history(150)
    again = [event | {"t": event["t"] + 1000} for event in renamed(events)]

    once, twice = counts(tmp_path, events), counts(tmp_path, events + again)
    assert twice == {name: 2 * count for name, count in once.items()}
