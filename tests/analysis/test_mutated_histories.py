"""Histories damaged at random: one clear error or a verdict, never a traceback."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from analysis.verdict import judge
from sim.errors import InputError
from tests.analysis.chaos import Chaos
from tests.analysis.written import header

MUTATIONS = int(os.environ.get("KORDER_MUTATIONS", "400"))
ODD: list[Any] = [
    None, True, -1, 0, 1, 7, 300, 2**31 - 1, 2**31, 2**39, 2**40, 2**62 - 1, 2**62, 2**64, 10**40, 1.5, -0.0, 1e308, "",
    "0", "o-0", "o-1", "P1", "v1", "ä", "\u0000", "x" * 500, [], [1], ["o-0"], [["o-0", 0, "v0"]], {}, {"a": 1},
    "abort", "follower",
]  # fmt: skip
FIELDS = ("t", "e", "p", "o", "v", "b", "k", "prod", "i", "lep", "pid", "epoch", "seq", "role", "kind", "txn", "uid")
FIELDS += ("op", "con", "recs", "to", "removed", "how", "id", "ok", "state", "drain", "config", "consumers")
KINDS = ("send", "append", "ack", "unknown", "fail", "txn", "hw", "leader", "truncate", "compact", "logstart")
KINDS += ("assign", "revoke", "seek", "reset", "crash", "poll", "commit", "proc_start", "proc_end", "attempt", "fault")


def damaged(lines: list[dict[str, Any]], draw: random.Random) -> bytes:
    """One to four wounds: in a field, a line, the order of lines, or the bytes themselves."""
    told = [dict(line) for line in lines]
    for _ in range(draw.randrange(1, 5)):
        line = draw.randrange(len(told))
        how = draw.randrange(7)
        if how <= 2:
            told[line][draw.choice(FIELDS)] = draw.choice(ODD)
        elif how == 3:
            told[line]["e"] = draw.choice(KINDS)
        elif how == 4 and told[line]:
            told[line].pop(draw.choice(list(told[line])))
        elif how == 5:
            told.insert(draw.randrange(1, len(told) + 1), dict(told[line]))
        elif how == 6:
            told[line], told[-1] = told[-1], told[line]
    text = "".join(json.dumps(line) + "\n" for line in told).encode()
    for _ in range(draw.choice((0, 0, 0, 1, 3))):
        at = draw.randrange(len(text) + 1)
        byte = bytes([draw.randrange(256)])
        text = draw.choice((text[:at] + text[at + 1 :], text[:at] + byte + text[at:], text[:at]))
    return text


def judged_or_refused(path: Path, text: bytes) -> str:
    path.write_bytes(text)
    try:
        verdict = judge(path)
        json.dumps(verdict.to_json(), allow_nan=False)
        return verdict.verdict
    except InputError as refused:
        assert str(refused).startswith(str(path)) and "\n" not in str(refused)
        return "refused"


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_history_is_judged_or_refused(tmp_path, part):
    seen = set()
    for number in range(part, MUTATIONS, 4):
        draw = random.Random(number)
        lines = [header(drain=draw.random() < 0.5), *Chaos(number).history(draw.randrange(1, 60))]
        text = damaged(lines, draw)
        try:
            seen.add(judged_or_refused(tmp_path / "history.jsonl", text))
        except Exception as error:
            raise AssertionError(f"mutation {number}: {text[:4000]!r}") from error

    assert {"refused", "broken", "holds"} <= seen
