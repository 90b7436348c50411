"""Histories damaged at random: one clear error or a verdict, never a traceback, never more than a gigabyte.

``KORDER_MUTATIONS=10000`` asks for more of them than the thousand of every day.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from analysis.verdict import judge
from sim.errors import InputError
from tests.analysis.chaos import Chaos
from tests.analysis.written import header

HERE = Path(__file__).resolve().parent
MUTATIONS = int(os.environ.get("KORDER_MUTATIONS", "1000"))
GIGABYTE = 1 << 30
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
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
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
    for _ in range(draw.choice((0, 0, 0, 0, 0, 1, 3))):
        at = draw.randrange(len(text) + 1)
        byte = bytes([draw.randrange(256)])
        text = draw.choice((text[:at] + text[at + 1 :], text[:at] + byte + text[at:], text[:at]))
    return misspelled(text, draw) if draw.random() < 0.15 else text


def misspelled(text: bytes, draw: random.Random) -> bytes:
    """What no program that writes JSON would write."""
    at = draw.randrange(len(text) + 1)
    old, new = draw.choice((
        (b"{", b'{"t": 0, '), (b'"e"', b'"e": "ack", "e"'), (b'"t": ', b'"t": -'), (b": 1", b": NaN"),
        (b": 0", b": -Infinity"), (b": 2", b": 1e999"), (b": 1", b": " + b"9" * 5000), (b": ", b": " + b"[" * 3000),
        (b": ", b": " + b'{"a":' * 3000), (b'"', b'"\\ud800'), (b"}", b"}}"), (b"\n", b""), (b"\n", b"\n\n"),
        (b'"v', b'"' + b"x" * 70_000), (b"{", b"\xef\xbb\xbf{"), (b": ", b": \x00"),
    ))  # fmt: skip
    return text[:at] + text[at:].replace(old, new, 1)


def packed(text: bytes, draw: random.Random) -> tuple[str, bytes]:
    """A file's suffix and what is in it; what is packed may be damaged too."""
    suffix = draw.choice(("", "", "", ".gz", ".zst"))
    if not suffix:
        return suffix, text
    whole = gzip.compress(text, 1) if suffix == ".gz" else zstandard.compress(text, 1)
    at = draw.randrange(len(whole))
    flipped = whole[:at] + bytes([draw.randrange(256)]) + whole[at + 1 :]
    return suffix, draw.choice((whole, whole[:at], flipped, whole * 2))


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
def test_a_damaged_history_is_judged_or_refused(tmp_path, part, monkeypatch):
    monkeypatch.setattr("analysis.jsonl.matched.FEW", (1, 3)[part % 2])  # lines are few, and are compared all the same
    seen: Counter[str] = Counter()
    for number in range(part, MUTATIONS, 4):
        draw = random.Random(number)
        lines = [header(drain=draw.random() < 0.5), *Chaos(number).history(draw.randrange(1, 60))]
        suffix, text = packed(damaged(lines, draw), draw)
        try:
            seen[judged_or_refused(tmp_path / f"history.jsonl{suffix}", text)] += 1
        except Exception as error:
            raise AssertionError(f"mutation {number}: {text[:4000]!r}") from error

    assert seen.total() == len(range(part, MUTATIONS, 4))
    assert {"refused", "broken", "holds"} <= seen.keys()
    assert seen["refused"] < seen.total() * 0.9


# --- bombs: little to send, much to hold ------------------------------------------------------------------------------
HEAD = json.dumps(header(drain=True)).encode() + b"\n"
MEGABYTE, MILLION = 1 << 20, 10**6


def gzipped(*parts: tuple[bytes, int]) -> bytes:
    """Each part so many times, a member each."""
    return b"".join(gzip.compress(part) * times for part, times in parts)


def zstandardised(*parts: tuple[bytes, int]) -> bytes:
    return b"".join(zstandard.compress(part) * times for part, times in parts)


def bombs() -> Iterator[tuple[str, bytes, str]]:
    """(name of a file, its content, words of its verdict or refusal)."""
    spaces, faults = b" " * (16 * MEGABYTE), b'{"t":1,"e":"fault","what":"x"}\n' * 100_000
    records = b'{"t":1,"e":"poll","con":"C","recs":[' + b"[0,0,0]," * 100_000 + b"[0,0,0]]}\n"
    yield "two_gigabytes_in_a_line.jsonl.gz", gzipped((HEAD, 1), (spaces, 128)), ":2: a line is at most"
    yield "two_gigabytes_in_a_line.jsonl.zst", zstandardised((HEAD, 1), (spaces, 128)), ":2: a line is at most"
    yield "endless_events.jsonl.gz", gzipped((HEAD, 1), (faults, 700)), "unpacks to more than"
    yield "endless_events.jsonl.zst", zstandardised((HEAD, 1), (faults, 700)), "unpacks to more than"
    yield "endless_records.jsonl.zst", zstandardised((HEAD, 1), (records, 3000)), "unpacks to more than"
    window = bytes.fromhex("28b52ffd") + b"\x00" + bytes([21 << 3])  # a frame that wants a window of 2 GiB
    yield "huge_window.jsonl.zst", window + b"\x01\x00\x00", "cannot be unpacked"
    event = HEAD + b'{"t":1,"e":"crash","who":'
    for name, brackets in (("lists", b"[" * MILLION), ("objects", b'{"":' * MILLION)):
        yield f"a_million_{name}.jsonl", event + brackets, "nested too deeply"
        yield f"a_million_{name}_in_the_header.jsonl", HEAD[:-2] + b',"x":' + brackets, "nested too deeply"
    yield "an_offset_of_1e12.jsonl", HEAD + (
        b'{"t":1,"e":"append","p":0,"o":1000000000000,"v":1}\n{"t":1,"e":"append","p":0,"o":3,"v":2}\n'
        b'{"t":1,"e":"hw","p":0,"o":1099511627775}\n{"t":2,"e":"logstart","p":0,"o":1000000000}\n'
        b'{"t":3,"e":"send","prod":"P","i":1000000000000,"v":1}\n'
    ), "broken"  # fmt: skip
    yield "three_million_digits.jsonl", HEAD + b'{"t":' + b"1" * 3 * MILLION + b',"e":"crash","who":1}\n', "an integer"
    many = b"".join(b'{"t":1,"e":"append","p":%d,"o":0,"v":%d,"b":%d}\n' % (k, k, 3 * k) for k in range(20_000))
    yield "twenty_thousand_partitions_and_brokers.jsonl", HEAD + many, "are too many"


LIMITED = """
import json, resource, sys
from pathlib import Path
from analysis.verdict import judge
from sim.errors import InputError
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
try:
    told = judge(Path(sys.argv[1])).verdict
except InputError as refused:
    told = str(refused)
print(json.dumps([told, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


@pytest.mark.parametrize("name, content, words", [pytest.param(*bomb, id=bomb[0]) for bomb in bombs()])
def test_a_bomb_is_one_clear_error_or_a_verdict_within_a_gigabyte(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)

    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1], timeout=300)

    assert done.returncode == 0, done.stderr[-2000:]
    told, peak_bytes = json.loads(done.stdout)
    assert words in told and "\n" not in told
    assert peak_bytes < GIGABYTE
