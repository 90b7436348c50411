"""Reading by columns against reading line by line: the same history, or the same refusal."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

import analysis.jsonl.read as reading
from analysis.history import History
from analysis.jsonl import block as jsonl_block
from analysis.jsonl import lines as jsonl_lines
from analysis.jsonl import matched as jsonl_matched
from analysis.jsonl import shape as jsonl_shape
from analysis.jsonl.block import Codes, Irregular
from analysis.jsonl.sheet import Sheet, Slices
from sim.errors import InputError
from tests.analysis.chaos import Chaos
from tests.analysis.test_mutated_histories import FIELDS, ODD, damaged
from tests.analysis.written import header

CASES = int(os.environ.get("KORDER_MUTATIONS", "1000"))
NAMED = {
    "partition": "partitions", "key": "keys", "value": "values", "uid": "values", "prod": "producers", "txn": "txns",
    "op": "words", "why": "words", "error": "words", "what": "words", "conn": "words", "broker": "brokers",
}  # fmt: skip


def decoded(history: History) -> dict[str, Any]:
    """Everything in a history, with names for codes, so that their numbering does not count."""
    told: dict[str, Any] = {name: rows_of(history, name, table) for name, table in history.tables()}
    told["records"] = sorted(zip(map(repr, history.values), told["records"], strict=True))
    told["header"] = dict(history.header)
    told["ids"] = [history.event(row) for row in range(1, 5000)]
    return told


def rows_of(history: History, table_name: str, table: Any) -> list[tuple[Any, ...]]:
    columns = []
    for name, column in table.columns().items():
        codes = column.tolist()
        if name == "group":
            columns.append([codes.index(code) for code in codes])
        elif name == "consumer":
            columns.append([history.consumers.names[code] for code in codes])
        elif name in NAMED and not (table_name == "appends" and name == "conn"):
            names = getattr(history, NAMED[name])
            columns.append([repr(names[code]) if code >= 0 else None for code in codes])
        else:
            columns.append([int(code) for code in codes])
    return list(zip(*columns, strict=True))


def read_or_refused(path: Path) -> Any:
    try:
        return decoded(reading.read_jsonl(path))
    except InputError as refused:
        return str(refused)


class LineByLine:
    def __init__(self, *_: Any) -> None:
        raise Irregular


def read_twice(path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> tuple[Any, Any]:
    with monkeypatch.context() as patched:
        patched.setattr(jsonl_lines, "BLOCK_BYTES", block_bytes)
        patched.setattr(jsonl_matched, "FEW", 1)
        patched.setattr(jsonl_shape, "MANY", 1)
        by_columns = read_or_refused(path)
        patched.setattr(reading, "Block", LineByLine)
        return by_columns, read_or_refused(path)


def richer(lines: list[dict[str, Any]], draw: random.Random) -> list[dict[str, Any]]:
    """With ids, operations, transactions, transmissions, fields of other tools, and partitions or values as numbers."""
    style = draw.randrange(6)
    told = []
    for number, line in enumerate(lines):
        line = dict(line)
        if style == 1 and draw.random() < 0.9:
            line["id"] = draw.choice((number, f"e{number}"))
        if style == 2 and line["e"] in ("send", "poll"):
            line |= draw.choice(({"op": number // 3}, {"txn": f"T{number // 4}"}, {}, {"op": None}))
        if style == 3:
            line |= {"mood": draw.choice((1, "a:b", None, {"x": 1}))} if draw.random() < 0.5 else {}
        if style == 4 and line["e"] == "send":
            told.append({"t": line["t"], "e": "attempt", "prod": line["prod"], "vs": [line["v"]], "p": "o-0", "b": 1}
                        | {"conn": number % 3, "n": 1})  # fmt: skip
        told.append(line)
    if style == 5:
        text = json.dumps(told).replace('"o-0"', "0").replace('"o-1"', "1")
        told = json.loads(text)
    return told


def spelled(lines: list[dict[str, Any]], draw: random.Random) -> bytes:
    """In one of the ways in which programs write JSON."""
    separators = draw.choice(((", ", ": "), (",", ":"), (" , ", " : ")))
    ends = draw.choice(("\n", "\n", "\r\n"))
    ascii_only = draw.random() < 0.5
    return ends.join(json.dumps(line, separators=separators, ensure_ascii=ascii_only) for line in lines).encode()


@pytest.mark.parametrize("part", range(4))
def test_sound_histories_are_read_the_same_by_columns_and_line_by_line(tmp_path, monkeypatch, part):
    path = tmp_path / "history.jsonl"
    for number in range(part, CASES // 4, 4):
        draw = random.Random(f"sound {number}")
        lines = [header(consumers={"C1": {"group": "G"}}), *richer(Chaos(number).history(draw.randrange(1, 120)), draw)]
        path.write_bytes(spelled(lines, draw))

        by_columns, by_lines = read_twice(path, monkeypatch, draw.choice((300, 1000, 1 << 18)))

        assert by_columns == by_lines, number
        assert not isinstance(by_columns, str), (number, by_columns)


@pytest.mark.parametrize("part", range(4))
def test_damaged_histories_are_read_or_refused_the_same_by_columns_and_line_by_line(tmp_path, monkeypatch, part):
    path = tmp_path / "history.jsonl"
    refused = 0
    for number in range(part, CASES, 4):
        draw = random.Random(f"damaged {number}")
        lines = [header(), *richer(Chaos(number).history(draw.randrange(1, 40)), draw)]
        path.write_bytes(damaged(lines, draw) if draw.random() < 0.7 else retyped(lines, draw))

        by_columns, by_lines = read_twice(path, monkeypatch, draw.choice((200, 1000, 1 << 18)))

        assert by_columns == by_lines, number
        refused += isinstance(by_columns, str)
    assert CASES // 40 < refused < CASES // 4


def retyped(lines: list[dict[str, Any]], draw: random.Random) -> bytes:
    """Wounds that only show in the bytes: keys that stand twice, objects that share a line or straddle two."""
    text = spelled(lines, draw)
    for _ in range(draw.randrange(1, 3)):
        at = draw.randrange(len(text))
        name = json.dumps(draw.choice(FIELDS))
        old, new = draw.choice((
            (b"{", b"{%s:%s," % (name.encode(), json.dumps(draw.choice(ODD)).encode())), (b"}\n", b"}"),
            (b", ", b",\n"), (b"}\n{", b"},{"), (b"}\n", b"} \n"), (b"\n", b"\n\n"), (b"{", b"{ "), (b'":', b'" :'),
            (b'"t"', b'"\\u0074"'), (b"1", b"1.0"), (b"2", b"2e0"), (b"0", b"-0"), (b"1", b"01"), (b'"v', b'"\t'),
            (b'"v', b'"\\ud83d'), (b'"v', b'"\xff'), (b"}\n{", b"}{"), (b'"e"', b'"e": "ack", "e"'), (b"}", b"}\x00"),
        ))  # fmt: skip
        text = text[:at] + text[at:].replace(old, new, 1)
    return text


def test_an_object_over_two_lines_is_not_made_up_for_by_two_in_one(tmp_path, monkeypatch):
    """As many objects as lines, and yet the lines are not objects."""
    path = tmp_path / "history.jsonl"
    one, two = '{"t": 1, "e": "crash", "who": "a"}', '{"t": 1, "e": "fault",\n"what": "b"}'
    path.write_text("\n".join([json.dumps(header()), one + one, two]) + "\n")

    by_columns, by_lines = read_twice(path, monkeypatch, 1 << 18)

    assert by_columns == by_lines
    assert by_columns.startswith(f"{path}:2: not JSON")


def test_a_key_that_stands_twice_is_not_hidden_by_a_colon_in_a_text_or_by_space_before_one(tmp_path, monkeypatch):
    path = tmp_path / "history.jsonl"
    for line in (
        '{"t": 1, "t" : 2, "e": "crash", "who": "a"}', '{"t": 1, "\\u0074": 1, "e": "crash", "who": "a"}',
        '{"t": 1, "e": "crash", "who": ":", "who": "a"}', '{"t": 1, "e": "crash", "e": "crash", "who": ":a:"}',
    ):  # fmt: skip
        path.write_text(json.dumps(header()) + "\n" + line + "\n")
        by_columns, by_lines = read_twice(path, monkeypatch, 1 << 18)

        assert by_columns == by_lines
        assert "stands twice" in by_columns


def test_what_a_file_teaches_is_taken_by_heart_and_given_up_when_it_teaches_too_much(tmp_path, monkeypatch):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\n".join(json.dumps(line).encode() for line in [header(), *growing(3)]))
    assert learned(path, monkeypatch) is True
    path.write_bytes(b"\n".join(json.dumps(line).encode() for line in [header(), *growing(200)]))
    assert learned(path, monkeypatch) is False


def growing(partitions: int) -> list[dict[str, Any]]:
    """Every few lines come from a partition that was not there before, until there are so many. (What stands behind a
    backslash has to be parsed.)"""
    told: list[dict[str, Any]] = []
    for k in range(4000):
        p = f"o-{min(k // 20, partitions - 1)}"
        told.append({"t": k, "e": "send", "prod": "P", "i": k, "v": f"v{k}", "p": p, "k": "\n"})
        told.append({"t": k, "e": "append", "p": p, "o": k, "v": f"v{k}"})
    return told


def learned(path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Does the file end with a decoder of its own?"""
    shapes = []
    original = reading.Shape
    with monkeypatch.context() as patched:
        patched.setattr(jsonl_lines, "BLOCK_BYTES", 1000)
        patched.setattr(jsonl_matched, "FEW", 1)
        patched.setattr(reading, "Shape", lambda: shapes.append(original()) or shapes[-1])
        reading.read_jsonl(path)
    return shapes[0].decoder is not None


# --- lines that look alike --------------------------------------------------------------------------------------------
PLAIN = (
    b'{"t": %d, "e": "send", "prod": "P1", "i": %d, "v": "v%d", "p": "o-0", "k": "k"}\n'
    b'{"t": %d, "e": "append", "p": "o-0", "o": %d, "v": "v%d", "b": 1, "lep": 0}\n'
    b'{"t": %d, "e": "poll", "con": "C1", "recs": [["o-0", %d, "v%d"], ["o-1", 7, "x"]]}\n'
)


def plain(count: int) -> bytes:
    return json.dumps(header()).encode() + b"\n" + b"".join(PLAIN % ((k,) * 9) for k in range(count))


def test_lines_that_look_alike_are_parsed_once(tmp_path, monkeypatch):
    path = tmp_path / "history.jsonl"
    path.write_bytes(plain(1000))
    parsed = []
    original = jsonl_block._parsed
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(jsonl_matched, "FEW", 1)
    monkeypatch.setattr(jsonl_block, "_parsed", lambda text, *rest: parsed.append(text) or original(text, *rest))
    history = reading.read_jsonl(path)

    assert (len(history.appends), len(history.polls)) == (1000, 2000)
    assert sum(text.count(b"\n") for text in parsed) < 20


WOUNDS = [
    (b'"i": 5', b'"i": 05'), (b'"i": 5', b'"i": -5'), (b'"i": 5', b'"i": 5.0'), (b'"i": 5', b'"i": 5e1'),
    (b'"i": 5', b'"i": '), (b'"i": 5', b'"i":  5'), (b'"i": 5', b'"i": 5 '), (b'"i": 5', b'"i": "5"'),
    (b'"i": 5', b'"i": 55555555555555555'), (b'"i": 5', b'"i": 5555555555555555555555'), (b'"i": 5', b'"i": 5/'),
    (b'"i": 5', b'"i": 5:'), (b'"i": 5', b'"i": null'), (b'"o": 5', b'"o": 1099511627776'), (b'"v": "v5"', b'"v": ""'),
    (b'"v": "v5"', b'"v": "v\xff"'), (b'"v": "v5"', b'"v": "\xc3\xa45"'), (b'"v": "v5"', b'"v": "v\t5"'),
    (b'"v": "v5"', b'"v": "v\\u0035"'), (b'"v": "v5"', b'"v": "v5", "v": "v6"'), (b'"i": 5', b'"i": 5, "i": 5'),
    (b'"e": "send"', b'"e": "sent"'), (b'"e": "send"', b'"e" : "send"'), (b'"k": "k"', b'"q": "k"'),
    (b'"lep"', b'"lap"'), (b'"k"}', b'"k"} '), (b'"k"}', b'"k"]'), (b'"k"}', b'"k"}}'), (b'{"t": 5,', b' {"t": 5,'),
    (b'{"t": 5,', b'["t": 5,'), (b'"v5"], ["o-1"', b'"v5"],["o-1"'), (b'"v5"], [', b'"v5"] ['), (b'"x"]]', b'"x"]'),
    (b'7, "x"', b'7, 8'), (b'"x"', b'"' + b"y" * 5000 + b'"'), (b'"t": 5', b'"t": 4'), (b'"t": 5', b'"t": 6'),
    (b'"t": 5', b'"t": 9999999999999999'),
]  # fmt: skip


@pytest.mark.parametrize("old, new", WOUNDS)
def test_a_line_that_only_nearly_looks_like_those_before_it_is_not_one_of_them(tmp_path, monkeypatch, old, new):
    path = tmp_path / "history.jsonl"
    text = plain(9)
    assert text.count(old) in (1, 2, 3, 9, 18)
    for at in {0, text.rindex(old)}:
        path.write_bytes(text[:at] + text[at:].replace(old, new, 1))
        by_columns, by_lines = read_twice(path, monkeypatch, 500)

        assert by_columns == by_lines


@pytest.mark.parametrize("size", [1, 7, 8, 9, 15, 16, 17, 40, 300])
def test_names_of_any_length_that_begin_alike_stay_apart(tmp_path, monkeypatch, size):
    path = tmp_path / "history.jsonl"
    lines = [header()]
    for k in range(60):
        name = ("n" * size)[: size - 1] + "abcdefghij"[k % 10]
        more = {"i": 10 ** (k % 16) + k % 3, "k": name + "\u00e4"[: k % 2]}
        lines.append({"t": 10**15 + k, "e": "send", "prod": name, "v": name * (1 + k // 10), "p": k % 7} | more)
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")

    by_columns, by_lines = read_twice(path, monkeypatch, 1500)

    assert by_columns == by_lines


def test_two_names_that_mix_to_the_same_number_stay_apart():
    """Words are mixed into one number to find equal names; where that number is not enough they are compared."""
    names = ["w3e*^g@}dS]]<IWb", "E7kK'7Gg~;{r?,6a"]
    words = [[int.from_bytes(name[at : at + 8].encode(), "little") for at in (0, 8)] for name in names]
    mixed = {(high * 0x9E3779B97F4A7C15 + low) % (1 << 64) for high, low in words}
    sheet = Sheet("".join(f'"{name}"\n' for name in (*names, names[0])).encode())
    start = sheet.quotes[::2] + 1

    assert len(mixed) == 1
    assert Slices(sheet, start, start + 16).coded(Codes()).tolist() == [0, 1, 0]
