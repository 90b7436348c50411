"""Histories of groups and transactions that are well formed and make no sense: a verdict, never a traceback.

Offsets far apart, producer ids of any size, markers out of place, events missing, doubled, or in another order.
"""

from __future__ import annotations

import json
import random
import warnings
from typing import Any

import pytest

from analysis.verdict import judge
from tests.analysis.txn_chaos import CONSUMERS, TxnChaos
from tests.analysis.written import header, judged

Event = dict[str, Any]
OFFSETS = (0, 1, 2, 5, 2**31 - 1, 2**31, 2**39, 2**40 - 1)
ROUNDS = 120


def oddly(events: list[Event], draw: random.Random) -> list[Event]:
    told = [dict(e) for e in events]
    for _ in range(draw.randrange(1, 25)):
        k = draw.randrange(len(told))
        e, how = told[k], draw.choice(("offset", "pid", "without", "swap", "broker", "txn", "poll", "twice", "place"))
        if how == "offset" and "o" in e:
            e["o"] = draw.choice(OFFSETS)
        elif how == "pid" and "pid" in e:
            e["pid"] = draw.choice((-1, 0, 7, 2**61, -(2**61)))
        elif how == "without" and len(told) > 1:
            del told[k]
        elif how == "swap":
            j = draw.randrange(len(told))
            told[k], told[j] = told[j], told[k]
        elif how == "broker" and e["e"] in ("append", "truncate"):
            e["b"] = draw.choice((1, 2, 3, 2**40))
        elif how == "txn" and "txn" in e:
            e["txn"] = draw.choice(("T1", "T2", "T99", 5))
        elif how == "poll" and e["e"] == "poll":
            e["recs"] = [[p, draw.choice(OFFSETS), v] for p, _, v in e["recs"]]
        elif how == "twice" and e["e"] != "send":
            told.insert(k, dict(e))
        elif how == "place" and isinstance(e.get("p"), str):
            e["p"] = draw.choice(("o-0", "o-1", "q-5", 3))
    return [e | {"t": t} for t, e in enumerate(told)]


@pytest.mark.parametrize(
    "text",
    [
        "control o-0 0 commit pid=7",
        "control o-0 0 abort pid=7; hw o-0 1",
        "proc_start C1 o-0 3; proc_end C1 o-0 3",
        "txn T commit",
        "hw o-0 4",
        "commit C1 o-0 4",
    ],
)
def test_a_history_that_names_no_value_is_judged(text):
    for consumers in ({}, {"C1": {"group": "G", "isolation": "read_committed"}}):
        verdict = judged(text, drain=True, consumers=consumers)
        assert all(not finding.count for name, finding in verdict.findings.items() if name != "premature-commit")


@pytest.mark.parametrize("part", range(4))
def test_whatever_is_well_formed_is_judged(tmp_path, part):
    seen = set()
    for number in range(part, ROUNDS, 4):
        draw = random.Random(number)
        events = oddly(TxnChaos(number).history(draw.randrange(30, 120)), draw)
        first = header(drain=True, append_times=draw.random() < 0.7, consumers=CONSUMERS)
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in [first, *events]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an overflow would be a wrong count
            verdict = judge(path)
            json.dumps(verdict.to_json(), allow_nan=False)
        seen |= {name for name, finding in verdict.findings.items() if finding.count}

    assert {"uncommitted-read", "inconsistent-offsets", "offset-gap", "duplicate-processing"} <= seen
