"""Recordings and dumps made one history: whose record a stored one is, where it stands in time, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.join import Joined, join
from analysis.jsonl.read import read_jsonl
from analysis.jsonl.write import write_events
from analysis.verdict import Verdict, judge
from sim.errors import InputError
from tests.analysis.test_log_dump import DUMPS, HEAD, RECORD, batch
from tests.analysis.written import events_of, header

Write = Callable[..., Path]


@pytest.fixture
def recording(tmp_path: Path) -> Write:
    def write(name: str, text: str, **more: Any) -> Path:
        path = tmp_path / name
        lines = [header(**more), *events_of(text)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write


@pytest.fixture
def dump(tmp_path: Path) -> Write:
    def write(name: str, *values: str, pid: int = -1, start: int = 0) -> Path:
        path = tmp_path / name
        text = HEAD.replace("offset: 0", f"offset: {start}")
        for k, value in enumerate(values, start):
            stored = RECORD.format(o=k).replace("valueSize: 1", f"valueSize: {len(value)}").replace("x\n", f"{value}\n")
            text += batch(k, k).replace("producerId: -1", f"producerId: {pid}") + stored
        path.write_text(text)
        return path

    return write


def joined(*recordings: Path, logs: list[tuple[int, Path]], identity: str = "value", drain: bool = False) -> Joined:
    return join(list(recordings), logs, identity=identity, drain=drain)


def judged(found: Joined, tmp_path: Path) -> Verdict:
    return judge(read_jsonl(write_events(found.events(), tmp_path / "joined.jsonl")))


SENDS = "@10 send P1 0 a; @20 send P1 1 b; @30 send P1 2 c; @40 ack P1 a o-0 0; @50 ack P1 b o-0 1"


def test_what_is_stored_in_another_order_and_twice_is_found(recording: Write, dump: Write, tmp_path: Path) -> None:
    found = joined(recording("a.jsonl", SENDS), logs=[(1, dump("log.txt", "b", "a", "b", "c"))])
    counts = judged(found, tmp_path).counts

    assert (counts["append-reorder"], counts["duplicate-append"], counts["lost-acked"]) == (1, 1, 0)
    assert (found.sends, found.stored, found.known) == (3, 4, 4)


def test_what_is_stored_as_it_was_sent_is_clean(recording: Write, dump: Write, tmp_path: Path) -> None:
    verdict = judged(joined(recording("a.jsonl", SENDS), logs=[(1, dump("log.txt", "a", "b", "c"))]), tmp_path)

    assert verdict.verdict == "holds"
    assert not verdict.findings["key-reorder"].checked  # append_times is false


def test_an_append_stands_behind_its_send_and_the_record_before_it_and_before_it_is_read(
    recording: Write, dump: Write
) -> None:
    text = SENDS + "; @60 poll C1 o-0:0:a o-0:1:b"
    found = joined(recording("a.jsonl", text), logs=[(1, dump("log.txt", "a", "b", "foreign", "c"))])
    events = list(found.events())[1:]

    assert [(one["t"], one["v"]) for one in events if one["e"] == "append"] == [
        (10, "a"), (20, "b"), (20, "o-0@2"), (30, "c"),
    ]  # fmt: skip
    order = [one["e"] for one in events]
    assert order == ["send", "append", "send", "append", "append", "send", "append", "ack", "ack", "poll"]


def test_what_nobody_recorded_is_named_by_its_place_so_that_no_two_are_the_same(
    recording: Write, dump: Write, tmp_path: Path
) -> None:
    """The same text twice from a producer that was not recorded is no duplicate: nothing is known of it."""
    found = joined(recording("a.jsonl", SENDS), logs=[(1, dump("log.txt", "a", "b", "ping", "ping"))])

    assert judged(found, tmp_path).counts["duplicate-append"] == 0
    assert (found.stored, found.known) == (4, 2)


def test_without_recordings_the_texts_of_a_log_are_its_records(dump: Write, tmp_path: Path) -> None:
    found = joined(logs=[(1, dump("log.txt", "a", "b", "a"))])

    assert judged(found, tmp_path).counts["duplicate-append"] == 1


@pytest.mark.parametrize(
    "identity, stored, known",
    [
        ("value", ("x", "y"), 0), ("place", ("x", "y"), 2), ("json:id", ('{"id": "a"}', '{"id": "b"}'), 2),
        ("json:id", ('{"id": "b"}', "{broken"), 2), ("json:id", ('["a"]', '{"id": ["a"]}'), 2),
    ],
)  # fmt: skip
def test_identity_is_the_text_a_field_of_it_or_what_was_told_of_the_place(
    recording: Write, dump: Write, identity: str, stored: tuple[str, ...], known: int
) -> None:
    """What the text does not say, an ack or a poll at that offset does."""
    told = SENDS if identity != "value" else SENDS.split("; @40")[0]
    try:
        found = joined(recording("a.jsonl", told), logs=[(1, dump("log.txt", *stored))], identity=identity)
        assert found.known == known
    except InputError as refused:
        assert known == 0 and "none of the 2 records in the logs is one that a recording sent" in str(refused)


def test_what_was_read_at_a_place_counts_more_than_what_was_acknowledged_there(recording: Write, dump: Write) -> None:
    text = SENDS + "; @60 poll C1 o-0:0:b"
    found = joined(recording("a.jsonl", text), logs=[(1, dump("log.txt", "?", "?"))], identity="place")

    assert [one["v"] for one in found.appended] == ["b", "b"]


def test_keys_name_records_and_values_that_are_numbers_stay_numbers(tmp_path: Path) -> None:
    recorded, log = tmp_path / "a.jsonl", tmp_path / "log.txt"
    send = {"t": 1, "e": "send", "prod": "P1", "i": 0, "v": 17}
    recorded.write_text(json.dumps(header()) + "\n" + json.dumps(send) + "\n")
    stored = RECORD.format(o=0).replace("keySize: -1", "keySize: 2").replace("] ", "] key: 17 ")
    log.write_text(HEAD + batch(0, 0) + stored)

    assert joined(recorded, logs=[(1, log)], identity="key").appended[0]["v"] == 17


def test_recordings_of_two_programs_are_merged_by_time(recording: Write, dump: Write) -> None:
    one = recording("a.jsonl", "@10 send P1 0 a; @40 ack P1 a o-0 0", consumers={"C1": {"group": "G"}}, drain=True)
    two = recording("b.jsonl", "@20 send P2 0 b; @30 poll C2 o-0:0:a", consumers={"C2": {"group": "G"}}, drain=True)
    found = joined(one, two, logs=[(1, dump("log.txt", "a", "b"))])

    assert [event["t"] for event in found.events() if "t" in event] == [10, 10, 20, 20, 30, 40]
    assert found.header["consumers"] == {"C1": {"group": "G"}, "C2": {"group": "G"}}
    assert (found.header["drain"], found.header["append_times"]) == (True, False)


def test_readers_have_drained_only_where_every_recording_says_so_or_the_caller_does(recording: Write) -> None:
    parts = [recording("a.jsonl", "@1 send P1 0 a", drain=True), recording("b.jsonl", "@1 send P2 0 b", drain=False)]

    assert joined(*parts, logs=[]).header["drain"] is False
    assert joined(*parts, logs=[], drain=True).header["drain"] is True


def test_replicas_of_a_real_log_agree_and_the_first_one_named_leads(tmp_path: Path) -> None:
    logs = [(broker, DUMPS / f"kafka-4.3.0-broker-{broker}-orders-0.txt") for broker in (2, 1)]
    found = joined(logs=logs)
    history = judged(found, tmp_path).history

    assert [event for event in found.appended if event["e"] == "leader"] == [
        {"t": 0, "p": "orders-0", "e": "leader", "b": 2, "lep": 0}
    ]
    assert (history.appends.follower.sum(), len(history.appends)) == (37, 74)
    assert sum(event.get("kind") == "abort" for event in found.appended) == 4


def test_a_real_log_shows_no_anomaly_of_sequences_epochs_or_offsets(tmp_path: Path) -> None:
    """Also not where 4.3 raises a producer's epoch at the end of each transaction."""
    for name in ("4.3.0-broker-1", "3.9.1-broker-1"):
        counts = judged(joined(logs=[(1, DUMPS / f"kafka-{name}-orders-0.txt")]), tmp_path).counts
        asked = ("sequence-gap", "sequence-regression", "fenced-append", "leader-epoch-regression", "offset-gap")
        assert {finding: counts[finding] for finding in asked} == dict.fromkeys(asked, 0), name


def test_what_compaction_and_retention_took_is_no_gap(dump: Write, tmp_path: Path) -> None:
    compacted = judged(joined(logs=[(1, DUMPS / "kafka-4.3.0-compacted.txt")]), tmp_path)
    later = judged(joined(logs=[(1, dump("log.txt", "a", "b", start=7))]), tmp_path)

    assert compacted.counts["offset-gap"] == later.counts["offset-gap"] == 0
    assert later.history.log_starts.offset.tolist() == [7]


# --- what is refused --------------------------------------------------------------------------------------------------
def refused(*recordings: Path, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        joined(*recordings, **{"logs": [], **options})
    assert "\n" not in str(error.value)
    return str(error.value)


def test_parts_of_different_runs_are_refused(recording: Write) -> None:
    one = recording("a.jsonl", "@1 send P1 0 a", config={"clients": {"P1": {"acks": "all"}}}, consumers={"C": {}})
    other_unit = recording("b.jsonl", "@1 send P2 0 b", time_unit="ms")
    other_group = recording("c.jsonl", "@1 send P2 0 b", consumers={"C": {"group": "G"}})
    other_config = recording("d.jsonl", "@1 send P2 0 b", config={"clients": {"P1": {"acks": "1"}}})
    same_producer = recording("e.jsonl", "@1 send P1 0 b")

    assert 'b.jsonl:1: time_unit: is "ms", and "us" in another recording' in refused(one, other_unit)
    assert "c.jsonl:1: consumers.C" in refused(one, other_group)
    assert 'd.jsonl:1: config.clients.P1.acks: is "1", and "all"' in refused(one, other_config)
    assert "e.jsonl: P1 is a producer of" in refused(one, same_producer)


def test_a_recording_that_is_broken_empty_or_has_appends_is_refused_with_its_line(recording: Write) -> None:
    broken = recording("a.jsonl", "@1 send P1 0 a")
    broken.write_text(broken.read_text() + "{")
    empty = recording("b.jsonl", "@1 send P1 0 a")
    empty.write_text("")

    assert "a.jsonl:3: not JSON" in refused(broken)
    assert "b.jsonl: the file is empty" in refused(empty)
    assert "c.jsonl:2: a recording that has appends already" in refused(recording("c.jsonl", "append o-0 0 a"))
    assert "time goes back" in refused(recording("d.jsonl", "@2 send P1 0 a; @1 send P1 1 b"))


@pytest.mark.parametrize("identity", ["header", "json:", "json", "values"])
def test_an_identity_that_is_none_is_refused(identity: str) -> None:
    assert f"--identity: '{identity}'" in refused(identity=identity)
