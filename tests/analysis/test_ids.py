"""Ids of events: whatever they look like, each is found again by its line, and none is taken twice."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from analysis.jsonl import lines as jsonl_lines
from analysis.jsonl import matched as jsonl_matched
from analysis.jsonl.ids import FIRST_END, SECOND_END, Looks
from analysis.jsonl.read import read_jsonl
from analysis.jsonl.write import write_jsonl
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
    monkeypatch.setattr(jsonl_matched, "FEW", 1)
    assert found(written(tmp_path / "h.jsonl", ids)) == ids


def test_ids_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", 500)
    monkeypatch.setattr(jsonl_matched, "FEW", 1)
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
    monkeypatch.setattr(jsonl_matched, "FEW", 1)
    ids = [*ids[:second], ids[first], *ids[second:]]
    with pytest.raises(InputError) as error:
        read_jsonl(written(tmp_path / "h.jsonl", ids))
    assert f":{second + 2}: id: {ids[first]!r} is already the id of line {first + 2}" in str(error.value)


def test_a_look_is_of_one_name_alone() -> None:
    looks = Looks()
    assert [looks.key(x) for x in ("e7", "e07", "7", 7, "f7")] == [7 << 20, None, None, None, None]
    assert [looks.key(x) for x in ("7.0", "7.00", "x7.0", "7.9999999")] == [7 << 20 | 1, None, None, None]
    assert [looks.name(key) for key in (7 << 20, 7 << 20 | 1)] == ["e7", "7.0"]


def caused(path: Path, ids: list[Any], causes: list[Any]) -> Path:
    """Sends in lines 2, 3, ... with these ids and causes; None: without one."""
    told = [{"t": k, "e": "send", "prod": "P", "i": k, "v": f"v{k}", "p": "o-0"} for k in range(len(ids))]
    for event, name, cause in zip(told, ids, causes, strict=True):
        event |= ({} if name is None else {"id": name}) | ({} if cause is None else {"cause": cause})
    path.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in [HEADER, *told]))
    return path


@pytest.mark.parametrize(
    "name",
    [
        lambda k: k, lambda k: f"e{k}", lambda k: f"{k // 7}.{k % 7}", lambda k: f"x{k:03}",
        lambda k: 1000 * k, lambda k: 299 - k, lambda k: k if k % 3 else f"{k}.1",
        lambda k: f"{k // 2}.1" if k % 2 else k // 2,
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [400, 1 << 20])
def test_a_cause_is_the_line_that_has_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any, block: int
) -> None:
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", block)
    monkeypatch.setattr(jsonl_matched, "FEW", 1)
    back = [None if k % 5 == 0 else random.Random(k).randrange(k) for k in range(300)]  # several name the same
    path = caused(tmp_path / "h.jsonl", list(map(name, range(300))), [None if b is None else name(b) for b in back])

    found = read_jsonl(path).causes
    assert found is not None
    assert found.tolist() == [-1, -1, *(-1 if b is None else b + 2 for b in back)]


def test_a_cause_of_no_line_or_of_a_later_one_is_not_followed(tmp_path: Path) -> None:
    ids: list[Any] = [7, "e1", None, "odd name", 8, "7"]
    causes: list[Any] = [7, 7, 2, "e1", "gone", "odd name"]  # itself; 2: a line, but no id
    found = read_jsonl(caused(tmp_path / "h.jsonl", ids, causes)).causes
    assert found is not None
    assert found.tolist() == [-1, -1, -1, 2, -1, 3, -1, 5]

    found = read_jsonl(caused(tmp_path / "h.jsonl", ["a b", "c d", 5], ["c d", 5, "a b"])).causes
    assert found is not None
    assert found.tolist() == [-1, -1, -1, -1, 2]


def test_causes_alone_name_no_line(tmp_path: Path) -> None:
    history = read_jsonl(caused(tmp_path / "h.jsonl", [None, None, None], [None, 2, "e1"]))
    assert (history.ids, history.causes is not None and history.causes.max()) == (None, -1)


def test_an_event_is_found_by_its_id(tmp_path: Path) -> None:
    ids = read_jsonl(caused(tmp_path / "h.jsonl", [5, None, "e1", "odd name"], [None] * 4)).ids
    assert [ids.line_of(name) for name in (5, "e1", "odd name", 3, "5", "e2")] == [2, 4, 5, -1, -1, -1]


def test_without_causes_there_are_none(tmp_path: Path) -> None:
    assert read_jsonl(written(tmp_path / "h.jsonl", [1, "e2", "x"])).causes is None


def test_what_was_read_is_written_with_its_own_ids_and_causes(tmp_path: Path) -> None:
    """A line without an id gets none from its number: another line may have that for an id."""
    ids: list[Any] = [4, "e1", None, "odd", 8]
    path = caused(tmp_path / "h.jsonl", ids, [None, 4, "e1", 4, "gone"])
    again = write_jsonl(path, tmp_path / "again.jsonl")
    told = [json.loads(line) for line in again.read_text("utf-8").splitlines()[1:]]
    assert [one.get("id") for one in told] == ids
    assert [one.get("cause") for one in told] == [None, 4, "e1", 4, None]


def test_a_cause_that_is_no_name_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=":3: cause.*must be"):
        read_jsonl(caused(tmp_path / "h.jsonl", [1, 2], [None, [1]]))
