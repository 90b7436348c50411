"""Ids of events: whatever they look like, each is found again by its line, and none is taken twice."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from analysis.jsonl import lines as jsonl_lines
from analysis.jsonl.ids import FIRST_END, SECOND_END, Looks
from analysis.jsonl.read import read_jsonl
from sim.errors import InputError

HEADER = {"format": "korder-history", "version": 1}
ODD = ["e1", "e01", "17", "17.0", 17, "17.00", "x", "1.2.3", "e1.5", "f1", -1, 0, "ä7", "ä7.1", FIRST_END, "e٣", "7."]


def written(path: Path, ids: list[Any]) -> Path:
    events = [{"t": k, "e": "send", "prod": "P", "i": k, "v": f"v{k}", "p": "o-0", "id": x} for k, x in enumerate(ids)]
    path.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in [HEADER, *events]))
    return path


def found(path: Path) -> list[Any]:
    history = read_jsonl(path)
    return [history.event(row) for row in sorted(history.records.row.tolist())]


@pytest.mark.parametrize(
    "ids",
    [
        list(range(300)), [f"e{k}" for k in range(300)], [f"{k // 7}.{k % 7}" for k in range(300)],
        [k // 3 if k % 3 == 0 else f"{k // 3}.{k % 3}" for k in range(300)], list(range(300, 0, -1)), ODD,
        [f"a-{k}" if k % 2 else f"b-{k}" for k in range(300)], [FIRST_END - 1, f"{FIRST_END - 1}.{SECOND_END - 1}"],
    ],
)  # fmt: skip
def test_every_event_keeps_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[Any]) -> None:
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", 1000)
    assert found(written(tmp_path / "h.jsonl", ids)) == ids


def test_ids_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", 500)
    ids: list[Any] = [*range(60), *(f"{k}.{n}" for k in range(30) for n in (0, 3, 12)), *ODD[5:8]]
    for seed in range(5):
        random.Random(seed).shuffle(ids)
        assert found(written(tmp_path / "h.jsonl", ids)) == ids


@pytest.mark.parametrize("ids", [list(range(200)), [f"e{k}" for k in range(200)], [f"3.{k}" for k in range(200)]])
@pytest.mark.parametrize(("first", "second"), [(0, 199), (150, 151), (42, 160)])
def test_an_id_that_repeats_is_named_with_both_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[Any], first: int, second: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", 1000)
    ids = [*ids[:second], ids[first], *ids[second:]]
    with pytest.raises(InputError) as error:
        read_jsonl(written(tmp_path / "h.jsonl", ids))
    assert f":{second + 2}: id: {ids[first]!r} is already the id of line {first + 2}" in str(error.value)


def test_a_look_is_of_one_name_alone() -> None:
    looks = Looks()
    assert [looks.key(x) for x in ("e7", "e07", "7", 7, "f7")] == [7 << 20, None, None, None, None]
    assert [looks.key(x) for x in ("7.0", "7.00", "x7.0", "7.9999999")] == [7 << 20 | 1, None, None, None]
    assert [looks.name(key) for key in (7 << 20, 7 << 20 | 1)] == ["e7", "7.0"]
