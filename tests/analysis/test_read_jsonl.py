"""The reader of the exchange format: what it takes, and one clear message for everything that it does not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

import analysis.jsonl.lines as jsonl_lines
from analysis.jsonl.lines import ahead, chunks_of_lines
from analysis.jsonl.read import read_jsonl
from analysis.verdict import judge
from sim.errors import InputError
from tests.analysis.written import events_of, header, history, judged, write

HEADER = json.dumps(header())
SEND = '{"t": 1, "e": "send", "prod": "P1", "i": 1, "v": "a1", "p": "o-0"}'
APPEND = '{"t": 4, "e": "append", "p": "o-0", "o": 0, "v": "a1", "b": 1, "lep": 0}'


def line(**fields: object) -> str:
    return json.dumps({"t": 5, "e": "append", "p": "o-0", "o": 1, "v": "a2"} | fields)


# what is wrong -> (lines, line of the message, field, words of the rule or way out)
BROKEN = {
    "an empty file": ([], None, "", "the file is empty"),
    "no header": ([SEND], 1, "format", 'the header of a "korder-history"'),
    "another format": ([json.dumps(header() | {"format": "csv"})], 1, "format", "header"),
    "a version from the future": ([json.dumps(header() | {"version": 2})], 1, "version", "must be 1, not 2"),
    "an unknown time unit": ([json.dumps(header() | {"time_unit": "s"})], 1, "time_unit", '"ns", "us" or "ms"'),
    "a drain that is no boolean": ([json.dumps(header(drain="yes"))], 1, "drain", "true or false"),
    "a consumer that is no object": ([json.dumps(header(consumers={"C1": "G"}))], 1, "consumers.C1", "an object"),
    "an unknown isolation": (
        [json.dumps(header(consumers={"C1": {"isolation": "dirty"}}))], 1, "consumers.C1.isolation", "read_committed",
    ),
    "a broken line": ([HEADER, SEND, APPEND[:-5]], 3, "", "not JSON"),
    "two objects in a line": ([HEADER, SEND + APPEND], 2, "", "not JSON"),
    "an object over two lines": ([HEADER, SEND[:20], SEND[20:]], 2, "", "not JSON"),
    "an empty line": ([HEADER, "", SEND], 2, "", "an empty line"),
    "a list": ([HEADER, "[1, 2]"], 2, "", "one JSON object"),
    "a key that stands twice": ([HEADER, '{"t": 1, "t": 2, "e": "crash", "who": "C1"}'], 2, "t", "stands twice"),
    "NaN": ([HEADER, '{"t": NaN, "e": "crash", "who": "C1"}'], 2, "", "NaN is not JSON"),
    "Infinity": ([HEADER, '{"t": 1, "e": "hw", "p": "o-0", "o": Infinity}'], 2, "", "Infinity is not JSON"),
    "a huge integer": ([HEADER, line(o=10**30)], 2, "o", "an offset from 0"),
    "a huge time": ([HEADER, line(t=1 << 63)], 2, "t", "must be an integer"),
    "a negative offset": ([HEADER, line(o=-1)], 2, "o", "an offset from 0"),
    "an offset with a fraction": ([HEADER, line(o=1.5)], 2, "o", "not 1.5"),
    "a boolean for a number": ([HEADER, line(o=True)], 2, "o", "not true"),
    "a text for a number": ([HEADER, line(lep="0")], 2, "lep", 'an integer, not "0"'),
    "an empty value": ([HEADER, line(v="")], 2, "v", "not empty"),
    "an unknown event": ([HEADER, line(e="apend")], 2, "e", 'did you mean "append"?'),
    "no event name": ([HEADER, '{"t": 1}'], 2, "e", "every event needs"),
    "no time": ([HEADER, '{"e": "crash", "who": "C1"}'], 2, "t", "every event needs"),
    "a missing field": ([HEADER, '{"t": 1, "e": "ack", "prod": "P1", "v": "a1"}'], 2, "p", '"ack" needs "p"'),
    "an append of nothing": ([HEADER, '{"t": 1, "e": "append", "p": "o-0", "o": 1}'], 2, "v", "kind"),
    "a control record with a value": ([HEADER, line(kind="commit")], 2, "v", "has no value"),
    "a kind that is none": (
        [HEADER, '{"t": 1, "e": "append", "p": "o-0", "o": 1, "kind": "maybe"}'], 2, "kind", "commit",
    ),
    "an unknown role": ([HEADER, line(role="boss")], 2, "role", "follower"),
    "time that goes back": ([HEADER, SEND, APPEND, line(t=3)], 4, "t", "goes back from 4 to 3"),
    "a value sent twice": ([HEADER, SEND, APPEND, SEND.replace('"t": 1', '"t": 9')], 4, "v", "already sent in line 2"),
    "an ack to somebody else": (
        [HEADER, SEND, '{"t": 2, "e": "ack", "prod": "P2", "v": "a1", "p": "o-0"}'], 3, "prod", "was sent by P1",
    ),
    "a poll that is no list of records": (
        [HEADER, '{"t": 1, "e": "poll", "con": "C", "recs": [["o-0", 0]]}'], 2, "recs", "list",
    ),
    "ids that repeat": ([HEADER, line(id=7), line(t=6, id=7)], 3, "id", "already the id of line 2"),
    "deep nesting": ([HEADER, '{"t": 1, "e": "crash", "who": ' + "[" * 100_000 + "]" * 100_000 + "}"], 2, "", "nested"),
    "half a surrogate pair": ([HEADER, '{"t": 1, "e": "crash", "who": "\\ud800"}'], 2, "", "surrogate"),
}  # fmt: skip


@pytest.mark.parametrize("lines, number, field, words", BROKEN.values(), ids=BROKEN)
def test_a_broken_history_is_refused_in_one_line_that_says_where_and_why(tmp_path, lines, number, field, words):
    path = tmp_path / "history.jsonl"
    path.write_text("".join(one + "\n" for one in lines), encoding="utf-8")

    with pytest.raises(InputError) as refused:
        judge(path)

    message = str(refused.value)
    place = str(path) + ("" if number is None else f":{number}") + (f": {field}:" if field else ": ")
    assert message.startswith(place)
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("name, lines, number, field, words", [(n, *case) for n, case in BROKEN.items()], ids=BROKEN)
def test_the_same_error_is_found_behind_a_thousand_good_lines(tmp_path, name, lines, number, field, words):
    """Lines are read in blocks; one bad line in a block must not blur the message."""
    if len(lines) < 2 or "already sent" in words:
        return
    more = [json.dumps({"t": 0, "e": "send", "prod": "P0", "i": k, "v": f"w{k}"}) for k in range(1000)]
    path = tmp_path / "history.jsonl"
    path.write_text("".join(one + "\n" for one in [lines[0], *more, *lines[1:]]), encoding="utf-8")

    with pytest.raises(InputError) as refused:
        judge(path)

    assert str(refused.value).startswith(f"{path}:{number + 1000}" + (f": {field}:" if field else ": "))


def test_bytes_that_are_not_utf_8_are_refused(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(HEADER.encode() + b'\n{"t": 1, "e": "crash", "who": "\xff"}\n')

    with pytest.raises(InputError, match=r"history.jsonl:2: not UTF-8"):
        read_jsonl(path)


def test_a_missing_file_is_an_error_of_the_user(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_jsonl(tmp_path / "nothing.jsonl")


# --- what is taken ----------------------------------------------------------------------------------------------------
def test_a_file_may_lack_its_last_line_end_and_have_those_of_windows(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(f"{HEADER}\r\n{SEND}\r\n{APPEND}".encode())

    assert len(read_jsonl(path).appends) == 1


def test_unknown_fields_and_a_null_for_an_optional_one_are_let_through(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join([HEADER, SEND, line(v="a1", b=None, mood="good", note="a: colon")]))

    assert read_jsonl(path).appends.broker.tolist() == [1]


def test_packed_files_are_unpacked_by_their_suffix(tmp_path):
    plain = write(tmp_path / "h.jsonl", "send P1 1 a1 o-0; append o-0 0 a1; ack P1 a1 o-0 0")
    gzipped, packed = tmp_path / "h.jsonl.gz", tmp_path / "h.jsonl.zst"
    gzipped.write_bytes(gzip.compress(plain.read_bytes()))
    packed.write_bytes(zstandard.compress(plain.read_bytes()))

    assert judge(plain).to_json() == judge(gzipped).to_json() == judge(packed).to_json()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_file_that_breaks_off_or_is_none_is_refused(tmp_path, suffix):
    broken = tmp_path / f"broken.jsonl{suffix}"
    body = f"{HEADER}\n{SEND}\n".encode() * 50
    broken.write_bytes((gzip.compress(body) if suffix == ".gz" else zstandard.compress(body))[:-9])
    none = tmp_path / f"none.jsonl{suffix}"
    none.write_bytes(body)

    for path in (broken, none):
        with pytest.raises(InputError, match=path.name):
            read_jsonl(path)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_file_that_unpacks_beyond_all_proportion_is_refused(tmp_path, pack):
    bomb = b" " * (1 << 20)
    path = tmp_path / ("bomb.jsonl" + (".gz" if pack is gzip.compress else ".zst"))
    path.write_bytes(pack(HEADER.encode() + b"\n" + (b'{"t":1,"e":"fault","what":"x"}\n' * 40 + bomb) * 80))

    with pytest.raises(InputError, match="bomb.jsonl"):
        read_jsonl(path)


def test_a_line_of_endless_length_is_refused(tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_bytes(HEADER.encode() + b"\n" + b'{"t": 1, "e": "' + b"x" * (17 << 20))

    with pytest.raises(InputError, match="long.jsonl:2: a line is at most"):
        read_jsonl(path)


def test_numbers_and_texts_are_different_values_and_partitions_may_be_bare_numbers(tmp_path):
    path = tmp_path / "history.jsonl"
    events = [
        {"t": 1, "e": "send", "prod": "P1", "i": 1, "v": 1, "p": 0},
        {"t": 2, "e": "send", "prod": "P1", "i": 2, "v": "1", "p": 0},
        {"t": 3, "e": "append", "p": 0, "o": 0, "v": 1}, {"t": 4, "e": "append", "p": 0, "o": 1, "v": "1"},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, [header(), *events])))
    verdict = judge(path)

    assert verdict.counts["duplicate-append"] == 0
    assert list(verdict.history.partitions) == ["0"]


def test_a_send_may_leave_out_its_partition(tmp_path):
    verdict = judged("send P1 1 a1; send P1 2 a2; append o-0 0 a2; append o-0 1 a1")

    assert verdict.counts["append-reorder"] == 1
    assert verdict.measures["P1/o-0"]["reordered"] == [1]


def test_every_event_of_the_format_is_read():
    text = """
    send P1 1 a1 o-0; reject P1 a1 o-0 NOT_ENOUGH_REPLICAS; append o-0 0 a1; unknown P1 a1 o-0; fail P1 a9; txn T begin
    hw o-0 1; leader o-0 2 1; truncate o-0 0; compact o-0 0; logstart o-0 1; assign C1 o-0; revoke C1 o-0; seek C1 o-0 1
    reset C1 o-0 1; crash C1; poll C1 o-0:0:a1; commit C1 o-0 1; proc_start C1 o-0 0; proc_end C1 o-0 0; fault cut
    """
    read = history(text)
    sizes = {name: len(table) for name, table in read.tables()}

    assert sizes == {
        "records": 2, "appends": 1, "rejects": 1, "outcomes": 2, "marks": 1, "leaders": 1, "truncations": 1,
        "log_starts": 1, "compactions": 1, "polls": 1, "positions": 5, "commits": 1, "processing": 2, "transactions": 1,
        "txn_offsets": 0, "wire": 0, "notes": 2,
    }  # fmt: skip


def test_reading_by_blocks_and_line_by_line_gives_the_same(tmp_path, monkeypatch):
    text = """
    send P1 1 a1 o-0 k=x; send P1 2 a2 o-0; append o-0 0 a2 pid=1 epoch=0 seq=0; append o-0 1 a1; ack P1 a1 o-0 1
    unknown P1 a2 o-0; hw o-0 1; append o-0 0 a2 b=2 role=follower; control o-0 2 commit pid=1
    """
    path = write(Path(tmp_path) / "h.jsonl", text)
    by_blocks = read_jsonl(path)
    monkeypatch.setattr("analysis.jsonl.read.COMMON", {})
    monkeypatch.setattr("analysis.jsonl.shape.TEMPLATES", set())
    by_lines = read_jsonl(path)

    for (name, a), (_, b) in zip(by_blocks.tables(), by_lines.tables(), strict=True):
        for column in a.columns():
            assert getattr(a, column).tolist() == getattr(b, column).tolist(), (name, column)
    assert len(events_of(text)) == 9


# --- blocks -----------------------------------------------------------------------------------------------------------
def test_what_goes_wrong_ahead_is_raised_when_it_is_its_turn() -> None:
    """Blocks are prepared ahead, one at a time; an error behind a sound block does not hide that block."""

    def blocks() -> Iterator[bytes]:
        yield from (b"one", b"two")
        raise InputError("here", "it breaks off")

    seen = []
    with pytest.raises(InputError, match="it breaks off"):
        for told in ahead(blocks(), len):
            seen.append(told)
    assert seen == [3, 3]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [1, 90, 1 << 20])
def test_blocks_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: str) -> None:
    """The header comes alone, wherever the first block ends; the last line may lack its line feed."""
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", block)
    path = tmp_path / "h.jsonl"
    path.write_bytes(end.join([HEADER, SEND, APPEND]).encode())

    chunks = list(chunks_of_lines(path))
    found = read_jsonl(path)

    assert chunks[0] == (HEADER + end).encode() and b"".join(chunks) == path.read_bytes() + b"\n"
    assert (found.appends.row.tolist(), found.records.row.tolist(), found.values) == ([3], [2], ["a1"])
