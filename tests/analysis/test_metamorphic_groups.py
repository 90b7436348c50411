"""What must not change a verdict on transactions, groups and processing: names, times, partitions apart, replicas,
other traffic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.finding import CLASSES
from analysis.jsonl.write import write_jsonl
from analysis.verdict import judge
from tests.analysis.txn_chaos import CONSUMERS, TxnChaos
from tests.analysis.written import header

Event = dict[str, Any]
SEEDS = range(16)
LENGTH = 120
OTHER_CONSUMERS = {f"{name}'": told | ({"group": told["group"] + "'"} if "group" in told else {})
                   for name, told in CONSUMERS.items()}  # fmt: skip
# Names that look at a partition by itself, once readers and their transactions are given.
WITHIN_A_PARTITION = (
    "append-reorder", "lost-processing", "out-of-order-processing", "overlapping-processing", "duplicate-processing",
    "premature-commit", "duplicate-delivery", "poll-skip", "nonmonotonic-poll", "int-poll-skip",
    "int-nonmonotonic-poll", "commit-regression", "offset-gap", "inconsistent-offsets",
)  # fmt: skip
# Names that a reader owes to every record there is: one that it did not read is news.
OF_WHAT_WAS_NOT_READ = ("poll-skip", "int-poll-skip", "lost-processing", "unseen", "lost-write", "int-send-skip")


def counts(folder: Path, events: list[Event], consumers: dict[str, Event] = CONSUMERS) -> dict[str, int]:
    path = folder / "history.jsonl"
    lines = [header(drain=True, consumers=consumers), *events]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return {name: one.count for name, one in judge(path).findings.items() if one.checked}


NAMED = {"v", "prod", "con", "who", "k", "txn", "uid", "op"}


def renamed(event: Event) -> Event:
    """Every name is another one, in another order; offsets, times and words of the format stay."""
    told = {name: f"{9 - len(x)}{x[::-1]}'" if name in NAMED else x for name, x in event.items()}
    told |= {name: f"{event[name]}'" for name in ("con", "who") if name in event}
    told |= {"pid": 900 - event["pid"]} if "pid" in event else {}
    if "p" in event:
        told["p"] = [place(p) for p in event["p"]] if isinstance(event["p"], list) else place(event["p"])
    if "recs" in event:
        told["recs"] = [[place(p), o, f"{9 - len(v)}{v[::-1]}'"] for p, o, v in event["recs"]]
    return told


def place(p: str) -> str:
    return f"zz-{9 - int(p[-1])}"


@pytest.mark.parametrize("seed", SEEDS)
def test_names_mean_nothing(tmp_path, seed):
    events = TxnChaos(seed).history(LENGTH)

    assert counts(tmp_path, [renamed(e) for e in events], OTHER_CONSUMERS) == counts(tmp_path, events)


@pytest.mark.parametrize("seed", SEEDS)
def test_times_mean_nothing_as_long_as_their_order_stays(tmp_path, seed):
    events = TxnChaos(seed).history(LENGTH)

    assert counts(tmp_path, [e | {"t": 0} for e in events]) == counts(tmp_path, events)


def part_of(events: list[Event], p: str) -> list[Event]:
    """The history of one partition. All sends stay, so that every value is known."""
    told = []
    for e in events:
        if e["e"] == "poll":
            e = e | {"recs": [one for one in e["recs"] if one[0] == p]}
        elif isinstance(e.get("p"), list):
            e = e | {"p": [q for q in e["p"] if q == p]}
        elif e["e"] not in ("send", "crash", "txn") and e["p"] != p:
            continue
        told.append(e)
    return told


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_split_by_partition_adds_up(tmp_path, seed):
    events = TxnChaos(seed).history(2 * LENGTH, about="processing")
    parts, whole = [counts(tmp_path, part_of(events, p)) for p in ("o-0", "o-1")], counts(tmp_path, events)

    summed = {name: sum(part.get(name, 0) for part in parts) for name in WITHIN_A_PARTITION}
    assert summed == {name: whole.get(name, 0) for name in WITHIN_A_PARTITION}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_faithful_follower_changes_nothing(tmp_path, seed):
    events = TxnChaos(seed).history(LENGTH)
    told = []
    for e in events:
        told.append(e)
        if e["e"] in ("append", "truncate"):
            told.append(e | {"b": 2} | ({"role": "follower"} if e["e"] == "append" else {}))

    assert counts(tmp_path, told) == counts(tmp_path, events)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_follower_that_leads_in_the_end_changes_nothing(tmp_path, seed):
    """It has all that the leader has, and every record was written when the leader wrote it."""
    events = TxnChaos(seed).history(LENGTH)
    told = []
    for e in events:
        told.append(e)
        if e["e"] in ("append", "truncate"):
            told.append(e | {"b": 2} | ({"role": "follower"} if e["e"] == "append" else {}))
    told += [{"t": told[-1]["t"], "e": "leader", "p": p, "b": 2, "lep": 1} for p in ("o-0", "o-1")]

    assert counts(tmp_path, told) == counts(tmp_path, events)


@pytest.mark.parametrize("seed", SEEDS)
def test_another_history_beside_it_adds_up(tmp_path, seed):
    """Other producers, partitions, groups and transactions, at the same time: every name."""
    events, others = TxnChaos(seed).history(LENGTH), [renamed(e) for e in TxnChaos(seed + 1000).history(LENGTH)]
    beside = sorted(events + others, key=lambda e: e["t"])
    parts = [counts(tmp_path, events), counts(tmp_path, others, OTHER_CONSUMERS)]
    whole = counts(tmp_path, beside, CONSUMERS | OTHER_CONSUMERS)

    assert whole == {name: sum(part.get(name, 0) for part in parts) for name in CLASSES if name in whole}


@pytest.mark.parametrize("seed", SEEDS)
def test_written_and_read_again_it_is_the_same_history(tmp_path, seed):
    events = TxnChaos(seed).history(LENGTH)
    before = counts(tmp_path, events)
    write_jsonl(tmp_path / "history.jsonl", tmp_path / "again.jsonl.gz")

    again = judge(tmp_path / "again.jsonl.gz").findings
    assert {name: one.count for name, one in again.items() if one.checked} == before


# --- one more record in the log ---------------------------------------------------------------------------------------
def with_one_more(events: list[Event], at: int) -> list[Event]:
    """Another producer's record is written where the append *at* stood; all from there on stands one further."""
    p, offset = events[at]["p"], events[at]["o"]
    told: list[Event] = []
    for k, e in enumerate(events):
        if k == at:
            told.append({"t": e["t"], "e": "send", "prod": "Z", "i": 0, "v": "z", "p": p})
            told.append({"t": e["t"], "e": "append", "p": p, "o": offset, "v": "z"})
        told.append(moved(e, p, lambda o: o + (o >= offset), lambda o: o + (o > offset)))
    return told


def moved(e: Event, p: str, record: Callable[[int], int], position: Callable[[int], int]) -> Event:
    if e["e"] == "poll":
        return e | {"recs": [[q, record(o) if q == p else o, v] for q, o, v in e["recs"]]}
    if e.get("p") != p:
        return e
    told = {"o": (position if e["e"] in ("commit", "txn_offsets", "seek", "reset", "logstart") else record)(e["o"])
            } if "o" in e else {}  # fmt: skip
    return e | told | ({"removed": [record(o) for o in e["removed"]]} if "removed" in e else {})


@pytest.mark.parametrize("seed", SEEDS)
def test_one_more_record_of_another_producer_is_news_only_to_those_who_had_to_read_it(tmp_path, seed):
    events = [e for e in TxnChaos(seed).history(LENGTH, about="everything")]
    cuts = [k for k, e in enumerate(events) if e["e"] == "truncate"]
    events = events[: cuts[0]] if cuts else events
    appends = [k for k, e in enumerate(events) if e["e"] == "append"]
    before, after = counts(tmp_path, events), counts(tmp_path, with_one_more(events, appends[len(appends) // 2]))

    names = [name for name in before if name not in OF_WHAT_WAS_NOT_READ]
    assert {name: after[name] for name in names} == {name: before[name] for name in names}
