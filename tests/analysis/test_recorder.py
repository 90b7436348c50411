"""The recorder around clients that do as they are told: what it writes, in which order, and what counts as certain."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from analysis.jsonl.read import read_jsonl
from analysis.recorder import HEADER, Recorder, identity_in_header
from analysis.verdict import judge

Event = dict[str, Any]


class Error:
    """A KafkaError."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


class KafkaException(Exception):
    pass


@dataclass
class TopicPartition:
    topic: str
    partition: int
    offset: int = -1001
    error: Error | None = None


@dataclass
class Message:
    topic_: str
    partition_: int
    offset_: int | None
    key_: Any = None
    value_: Any = None
    headers_: Any = None
    error_: Error | None = None

    def __getattr__(self, name: str) -> Any:
        if name in ("topic", "partition", "offset", "key", "value", "headers", "error"):
            return lambda: self.__dict__[f"{name}_"]
        raise AttributeError(name)


@dataclass
class FakeProducer:
    """Reports when it is polled, and raises what it is told to."""

    raises: Exception | None = None
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def produce(self, topic: str, value: Any, key: Any, partition: int, on_delivery: Any, **more: Any) -> None:
        if self.raises is not None:
            raise self.raises
        self.sent.append((topic, value, key, partition, on_delivery, more))

    def report(self, error: Error | None, partition: int, offset: int | None) -> None:
        topic, value, key, _, told, _ = self.sent.pop(0)
        told(error, Message(topic, partition, offset, key, value))

    def flush(self, timeout: float) -> str:
        return f"flushed {timeout}"

    def __len__(self) -> int:
        return len(self.sent)

    def begin_transaction(self) -> None:
        self.calls.append("begin")

    def commit_transaction(self, *_timeout: float) -> None:
        self.calls.append("commit")
        if self.raises is not None:
            raise self.raises

    def abort_transaction(self) -> None:
        self.calls.append("abort")

    def send_offsets_to_transaction(self, positions: Any, metadata: Any) -> None:
        self.calls.append(f"offsets {metadata}")


class FakeConsumer:
    def __init__(self) -> None:
        self.waiting: list[Message | None] = []
        self.callbacks: dict[str, Any] = {}
        self.assigned: Any = None
        self.committed_: Any = None

    def subscribe(self, _topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def poll(self, _timeout: float = -1) -> Message | None:
        return self.waiting.pop(0) if self.waiting else None

    def consume(self, number: int = 1, timeout: float = -1) -> list[Message]:
        taken, self.waiting = self.waiting[:number], self.waiting[number:]
        return [one for one in taken if one is not None]

    def assign(self, partitions: Any) -> None:
        self.assigned = partitions

    def unassign(self) -> None:
        self.assigned = None

    def seek(self, partition: TopicPartition) -> None:
        if partition.topic == "nothing":
            raise KafkaException(Error("_STATE"))

    def commit(self, asynchronous: bool = True, **_given: Any) -> Any:
        return None if asynchronous else self.committed_

    def consumer_group_metadata(self) -> str:
        return "metadata of G"

    def close(self) -> None:
        self.assigned = None


@dataclass
class Recorded:
    path: Path
    recorder: Recorder

    def events(self) -> list[Event]:
        """Without the header and the times."""
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [{name: x for name, x in line.items() if name != "t"} for line in lines[1:]]


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    path = tmp_path / "recorded.jsonl"
    ticks = count(1_000_000, 1_500)
    with Recorder(path, consumers={"C1": {"group": "G"}, "C2": {}}, clock=lambda: next(ticks)) as recorder:
        yield Recorded(path, recorder)
    read_jsonl(path)  # whatever a test does, what is left is a history


# --- producers --------------------------------------------------------------------------------------------------------
def test_a_record_is_numbered_carries_its_number_and_is_acknowledged_at_its_offset(recorded: Recorded) -> None:
    fake = FakeProducer()
    told: list[Any] = []
    producer = recorded.recorder.producer(fake, "P1")

    def deliver(error: Any, message: Any) -> None:
        told.append((error, message.offset()))

    producer.produce("orders", b"pay 1", key=b"k7", on_delivery=deliver)
    producer.produce("orders", "pay 2", "k7", 3, headers={"trace": b"x"})
    fake.report(None, 0, 41)
    fake.report(None, 3, -1001)  # acks=0: nobody says where

    assert recorded.events() == [
        {"e": "send", "prod": "P1", "i": 0, "v": "P1/0", "k": "k7"},
        {"e": "send", "prod": "P1", "i": 1, "v": "P1/1", "p": "orders-3", "k": "k7"},
        {"e": "ack", "prod": "P1", "v": "P1/0", "p": "orders-0", "o": 41},
        {"e": "ack", "prod": "P1", "v": "P1/1", "p": "orders-3"},
    ]
    assert told == [(None, 41)]


def test_the_number_travels_in_a_header_beside_those_of_the_application(recorded: Recorded) -> None:
    fake = FakeProducer()
    producer = recorded.recorder.producer(fake, "P1")
    producer.produce("orders", b"x", headers=[("trace", None)], timestamp=17)

    assert fake.sent[0][5] == {"timestamp": 17, "headers": [("trace", None), (HEADER, b"P1/0")]}
    assert identity_in_header("orders", None, b"x", fake.sent[0][5]["headers"]) == "P1/0"
    assert identity_in_header("orders", None, b"x", None) is None


@pytest.mark.parametrize("name", ["_MSG_TIMED_OUT", "NOT_LEADER_OR_FOLLOWER", "MSG_SIZE_TOO_LARGE", "_PURGE_INFLIGHT"])
def test_a_report_with_an_error_is_unknown_whatever_its_code(recorded: Recorded, name: str) -> None:
    """producer 3.2, "Log?": the last answer is no proof that no earlier transmission was stored."""
    fake = FakeProducer()
    recorded.recorder.producer(fake, "P1").produce("orders", b"x")
    fake.report(Error(name), 2, -1001)

    assert recorded.events()[-1] == {"e": "unknown", "prod": "P1", "v": "P1/0", "p": "orders-2"}


def test_what_the_client_never_took_has_failed_for_certain_and_the_application_hears_of_it(recorded: Recorded) -> None:
    fake = FakeProducer(raises=BufferError("Local: Queue full"))
    producer = recorded.recorder.producer(fake, "P1")
    with pytest.raises(BufferError):
        producer.produce("orders", b"x")
    fake.raises = KafkaException(Error("MSG_SIZE_TOO_LARGE"))
    with pytest.raises(KafkaException):
        producer.produce("orders", b"y")
    fake.raises = None
    producer.produce("orders", b"z")

    assert [one for one in recorded.events() if one["e"] == "fail"] == [
        {"e": "fail", "prod": "P1", "v": "P1/0", "error": "BufferError"},
        {"e": "fail", "prod": "P1", "v": "P1/1", "error": "MSG_SIZE_TOO_LARGE"},
    ]
    assert [one["i"] for one in recorded.events() if one["e"] == "send"] == [0, 1, 2]


def test_a_record_that_never_got_a_partition_has_failed_for_certain(recorded: Recorded) -> None:
    fake = FakeProducer()
    recorded.recorder.producer(fake, "P1").produce("nowhere", b"x")
    fake.report(Error("_UNKNOWN_TOPIC"), -1, -1001)

    assert recorded.events()[-1] == {"e": "fail", "prod": "P1", "v": "P1/0", "error": "_UNKNOWN_TOPIC"}


def test_an_identity_of_the_application_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    fake = FakeProducer()
    with Recorder(path, identify=lambda topic, key, value, headers: value.decode() or None) as recorder:
        producer = recorder.producer(fake, "P1")
        producer.produce("orders", b"pay-1")
        with pytest.raises(ValueError, match="does not say"):
            producer.produce("orders", b"")

    assert fake.sent[0][5] == {}  # no header is added
    events = Recorded(path, recorder).events()
    assert [one["v"] for one in events] == ["pay-1"] and len(fake.sent) == 1


def test_a_transaction_is_told_with_its_sends_offsets_and_end(recorded: Recorded) -> None:
    fake = FakeProducer()
    producer = recorded.recorder.producer(fake, "P1")
    consumer = recorded.recorder.consumer(FakeConsumer(), "C1")
    producer.begin_transaction()
    producer.produce("orders", b"x")
    producer.send_offsets_to_transaction([TopicPartition("in", 0, 5)], consumer.consumer_group_metadata())
    producer.commit_transaction(10)
    producer.produce("orders", b"y")

    assert [one | {"v": None} for one in recorded.events()] == [one | {"v": None} for one in (
        {"e": "txn", "txn": "P1/txn-0", "state": "begin"},
        {"e": "send", "prod": "P1", "i": 0, "txn": "P1/txn-0"},
        {"e": "txn_offsets", "txn": "P1/txn-0", "con": "C1", "p": "in-0", "o": 5},
        {"e": "txn", "txn": "P1/txn-0", "state": "commit"},
        {"e": "send", "prod": "P1", "i": 1},
    )]  # fmt: skip
    assert fake.calls == ["begin", "offsets metadata of G", "commit"]


def test_a_commit_that_raises_is_unknown_until_a_later_call_tells(recorded: Recorded) -> None:
    fake = FakeProducer()
    producer = recorded.recorder.producer(fake, "P1")
    producer.begin_transaction()
    fake.raises = KafkaException(Error("_TIMED_OUT"))
    with pytest.raises(KafkaException):
        producer.commit_transaction()
    fake.raises = None
    producer.commit_transaction()

    assert [one["state"] for one in recorded.events()] == ["begin", "unknown", "commit"]


def test_everything_else_is_the_clients_own_and_what_cannot_be_recorded_is_refused(recorded: Recorded) -> None:
    producer = recorded.recorder.producer(FakeProducer(), "P1")
    producer.produce("orders", b"x")

    assert producer.flush(3) == "flushed 3" and len(producer) == 1
    with pytest.raises(TypeError, match="produce_batch"):
        producer.produce_batch("orders", [])


# --- consumers --------------------------------------------------------------------------------------------------------
def stored(offset: int, v: str | None = None, **more: Any) -> Message:
    return Message("orders", 1, offset, headers_=[(HEADER, v.encode())] if v else None, **more)


def test_a_poll_tells_its_records_and_keeps_silent_of_errors_and_of_nothing(recorded: Recorded) -> None:
    fake = FakeConsumer()
    consumer = recorded.recorder.consumer(fake, "C1")
    fake.waiting = [None, stored(6, error_=Error("_PARTITION_EOF")), stored(7, "P1/4"), stored(8), stored(9, "P1/6")]
    polled = [consumer.poll(0.1) for _ in range(3)]
    polled += consumer.consume(num_messages(2), timeout=1)

    assert [one and one.offset() for one in polled] == [None, 6, 7, 8, 9]
    assert recorded.events() == [
        {"e": "poll", "con": "C1", "recs": [["orders-1", 7, "P1/4"]]},
        {"e": "poll", "con": "C1", "recs": [["orders-1", 8, "orders-1@8"], ["orders-1", 9, "P1/6"]]},
    ]


def num_messages(number: int) -> int:
    return number


def test_a_rebalance_is_told_around_the_applications_own_callbacks(recorded: Recorded) -> None:
    fake = FakeConsumer()
    consumer = recorded.recorder.consumer(fake, "C1")
    fake.committed_ = [TopicPartition("orders", 0, 5)]
    one, two = TopicPartition("orders", 0), TopicPartition("orders", 1)
    consumer.subscribe(
        ["orders"], on_assign=lambda mine, partitions: mine.seek(TopicPartition("orders", 0, 3)),
        on_revoke=lambda mine, partitions: mine.commit(asynchronous=False),
    )  # fmt: skip
    fake.callbacks["on_assign"](fake, [one])
    fake.callbacks["on_assign"](fake, [two])  # cooperative: what comes is added
    fake.callbacks["on_revoke"](fake, [one])
    fake.callbacks["on_lost"](fake, [two])

    told = recorded.events()
    assert told[:4] == [
        {"e": "assign", "con": "C1", "p": ["orders-0"], "how": "group"},
        {"e": "seek", "con": "C1", "p": "orders-0", "o": 3},
        {"e": "assign", "con": "C1", "p": ["orders-0", "orders-1"], "how": "group"},
        {"e": "seek", "con": "C1", "p": "orders-0", "o": 3},
    ]
    commit = {"e": "commit", "con": "C1", "p": "orders-0", "o": 5, "ok": True, "auto": False}
    revokes = [{"e": "revoke", "con": "C1", "p": [p]} for p in ("orders-0", "orders-1")]
    assert told[4:] == [commit, revokes[0], commit, revokes[1]]


def test_partitions_assigned_by_hand_with_their_positions_and_let_go_at_the_end(recorded: Recorded) -> None:
    fake = FakeConsumer()
    consumer = recorded.recorder.consumer(fake, "C2")
    consumer.assign([TopicPartition("orders", 0, 9), TopicPartition("orders", 1)])
    with pytest.raises(KafkaException):
        consumer.seek(TopicPartition("nothing", 0, 4))
    consumer.close()

    assert recorded.events() == [
        {"e": "assign", "con": "C2", "p": ["orders-0", "orders-1"], "how": "manual"},
        {"e": "seek", "con": "C2", "p": "orders-0", "o": 9},
        {"e": "revoke", "con": "C2", "p": ["orders-0", "orders-1"]},
    ]


def test_an_assignment_inside_the_callback_is_the_groups(recorded: Recorded) -> None:
    fake = FakeConsumer()
    consumer = recorded.recorder.consumer(fake, "C1")
    consumer.subscribe(["orders"], on_assign=lambda mine, partitions: mine.assign(partitions))
    fake.callbacks["on_assign"](fake, [TopicPartition("orders", 0)])

    assert [one["how"] for one in recorded.events()] == ["group", "group"]


def test_commits_are_told_when_their_result_is_known(recorded: Recorded) -> None:
    fake = FakeConsumer()
    consumer = recorded.recorder.consumer(fake, "C1")
    consumer.commit()  # asynchronous: its result comes by on_commit alone
    refused, nothing = TopicPartition("orders", 1, 2, Error("x")), TopicPartition("orders", 2)
    fake.committed_ = [TopicPartition("orders", 0, 5), refused, nothing]
    assert consumer.commit(asynchronous=False) is fake.committed_
    on_commit = recorded.recorder.on_commit("C1")
    on_commit(None, [TopicPartition("orders", 0, 6)])
    on_commit(Error("ILLEGAL_GENERATION"), [TopicPartition("orders", 0, 7)])

    assert [(one["p"], one["o"], one["ok"], one.get("auto")) for one in recorded.events()] == [
        ("orders-0", 5, True, False), ("orders-1", 2, False, False), ("orders-0", 6, True, None),
        ("orders-0", 7, False, None),
    ]  # fmt: skip


# --- the file ---------------------------------------------------------------------------------------------------------
def test_times_are_in_the_unit_asked_for_and_the_header_says_what_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    config = {"clients": {"P1": {"acks": "all"}}}
    with Recorder(path, clock=lambda: 3_999_999, time_unit="ms", drain=True, config=config) as recorder:
        recorder.producer(FakeProducer(), "P1").produce("orders", b"x")

    header, event = map(json.loads, path.read_text().splitlines())
    assert (header["time_unit"], header["drain"], header["config"], event["t"]) == ("ms", True, config, 3)


def test_threads_share_a_producer_and_every_line_is_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    fake = FakeProducer()
    with Recorder(path) as recorder:
        producer = recorder.producer(fake, "P1")

        def send() -> None:
            for _ in range(200):
                producer.produce("orders", b"x" * 500)

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [one["i"] for one in Recorded(path, recorder).events()] == list(range(1600))
    assert [dict(sent[5]["headers"])[HEADER] for sent in fake.sent] == [f"P1/{i}".encode() for i in range(1600)]
    assert len(read_jsonl(path).values) == 1600


def test_what_stands_there_after_every_event_is_a_history(recorded: Recorded) -> None:
    """Nothing waits in a buffer: a process that dies leaves all that it told."""
    producer = recorded.recorder.producer(FakeProducer(), "P1")
    for number in range(1, 4):
        producer.produce("orders", b"x")
        assert judge(recorded.path).evidence.history.records.prod.tolist() == [0] * number


def test_names_are_given_once_and_consumers_stand_in_the_header(recorded: Recorded) -> None:
    recorded.recorder.producer(FakeProducer(), "P1")
    with pytest.raises(ValueError, match="'P1' is taken"):
        recorded.recorder.producer(FakeProducer(), "P1")
    with pytest.raises(ValueError, match="'C3' is not among the recorder's consumers: C1, C2"):
        recorded.recorder.consumer(FakeConsumer(), "C3")


def test_no_recording_is_written_over_and_none_after_its_end(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    with Recorder(path) as recorder:
        producer = recorder.producer(FakeProducer(), "P1")
    with pytest.raises(FileExistsError):
        Recorder(path)
    with pytest.raises(ValueError, match="closed"):
        producer.produce("orders", b"x")
    with pytest.raises(ValueError, match="time_unit"):
        Recorder(tmp_path / "other.jsonl", time_unit="s")


def test_a_full_disk_leaves_no_half_line(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    producer = recorded.recorder.producer(FakeProducer(), "P1")
    write = os.write
    with monkeypatch.context() as patched:
        room = [10, 0]

        def little(file: int, line: bytes) -> int:
            if not room[0]:
                raise OSError(28, "No space left on device")
            return write(file, line[: room.pop(0)])

        patched.setattr(os, "write", little)
        with pytest.raises(OSError, match="No space"):
            producer.produce("orders", b"x")
    producer.produce("orders", b"y")

    assert [one["i"] for one in recorded.events()] == [1]
