"""A producer and a consumer of confluent-kafka that tell a recorder what they do. What is not told goes straight
through to the client.

*Outcomes.* A delivery report without an error is an ``ack``. With one it is ``unknown``, whatever the code: librdkafka
reports the last answer alone, and an earlier transmission of the same record may have been stored without an answer, or
been answered with a code behind which it can be in the log (3.2 of the reference: NOT_LEADER_OR_FOLLOWER and others).
Two failures are certain, and are ``fail``: ``produce()`` raised, so that the client never took the record
(rd_kafka_producev); and the report names no partition (RD_KAFKA_PARTITION_UA), so that no broker's queue had it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.recorder import Recorder

__all__ = ["HEADER", "RecordedConsumer", "RecordedProducer", "text_of"]

HEADER = "korder-id"


def text_of(x: Any) -> str:
    """Bytes as the text that they are, others in hexadecimal: ``0x00ff``."""
    if isinstance(x, str):
        return x
    data = bytes(x)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    return text or f"0x{data.hex()}"


class _Recorded:
    """Whatever is not named here is the client's own."""

    def __init__(self, recorder: Recorder, client: Any, name: str) -> None:
        self._recorder, self._client, self._name = recorder, client, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def __len__(self) -> int:
        return len(self._client)


class RecordedProducer(_Recorded):
    def __init__(self, recorder: Recorder, client: Any, name: str) -> None:
        super().__init__(recorder, client, name)
        self._order = threading.Lock()  # events stand in the order of the calls
        self._sent = 0
        self._transactions = 0
        self._txn: str | None = None

    def produce(
        self, topic: str, value: Any = None, key: Any = None, partition: int = -1, callback: Any = None,
        on_delivery: Any = None, timestamp: int = 0, headers: Any = None,
    ) -> None:  # fmt: skip
        with self._order:
            i = self._sent
            if self._recorder.numbers_records:
                headers = [*_pairs(headers), (HEADER, f"{self._name}/{i}".encode())]
            v = self._recorder.identify(topic, key, value, headers)
            if v is None or v == "":
                raise ValueError("identify() does not say what this record is")
            known = f"{topic}-{partition}" if partition >= 0 else None
            self._sent += 1
            self._recorder.write({
                "e": "send", "prod": self._name, "i": i, "v": v, "p": known, "k": None if key is None else text_of(key),
                "txn": self._txn,
            })  # fmt: skip
            report = self._reporter(v, callback or on_delivery)
            try:
                more: dict[str, Any] = {"timestamp": timestamp} if timestamp else {}
                more |= {"headers": headers} if headers else {}
                self._client.produce(topic, value, key, partition, report, **more)
            except Exception as error:
                self._fail(v, error)
                raise

    def produce_batch(self, *_arguments: Any, **_options: Any) -> None:
        raise TypeError("produce_batch() is not recorded: call produce() for each record")

    def _reporter(self, v: Any, told: Callable[[Any, Any], None] | None) -> Callable[[Any, Any], None]:
        def report(error: Any, message: Any) -> None:
            self._outcome(v, error, message)
            if told is not None:
                told(error, message)

        return report

    def _outcome(self, v: Any, error: Any, message: Any) -> None:
        event = {"prod": self._name, "v": v}
        partition, offset = message.partition(), message.offset()
        if partition is None or partition < 0:
            self._fail(v, error)
            return
        event |= {"p": f"{message.topic()}-{partition}"}
        event |= {"o": offset} if error is None and offset is not None and offset >= 0 else {}
        self._recorder.write({"e": "ack" if error is None else "unknown", **event})

    def _fail(self, v: Any, error: Any) -> None:
        self._recorder.write({"e": "fail", "prod": self._name, "v": v, "error": _name_of(error)})

    # --- transactions -------------------------------------------------------------------------------------------------
    def begin_transaction(self, *arguments: Any) -> None:
        with self._order:
            self._client.begin_transaction(*arguments)
            self._txn = f"{self._name}/txn-{self._transactions}"
            self._transactions += 1
            self._tell("begin")

    def commit_transaction(self, *arguments: Any) -> None:
        self._end("commit", self._client.commit_transaction, arguments)

    def abort_transaction(self, *arguments: Any) -> None:
        self._end("abort", self._client.abort_transaction, arguments)

    def _end(self, state: str, call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """A call that raises may have had its effect all the same; a later one may still tell how it ended."""
        try:
            call(*arguments)
        except Exception:
            self._tell("unknown")
            raise
        self._tell(state)
        self._txn = None

    def _tell(self, state: str) -> None:
        if self._txn is not None:
            self._recorder.write({"e": "txn", "txn": self._txn, "state": state})

    def send_offsets_to_transaction(self, positions: Any, group_metadata: Any, *arguments: Any) -> None:
        metadata = getattr(group_metadata, "metadata", group_metadata)
        self._client.send_offsets_to_transaction(positions, metadata, *arguments)
        con = getattr(group_metadata, "consumer", None)
        for one in positions if con is not None else ():
            p = f"{one.topic}-{one.partition}"
            self._recorder.write({"e": "txn_offsets", "txn": self._txn, "con": con, "p": p, "o": one.offset})


class _Metadata:
    """A consumer's group metadata that remembers whose it is."""

    def __init__(self, metadata: Any, consumer: str) -> None:
        self.metadata, self.consumer = metadata, consumer


class RecordedConsumer(_Recorded):
    def __init__(self, recorder: Recorder, client: Any, name: str) -> None:
        super().__init__(recorder, client, name)
        self._held: dict[str, None] = {}
        self._in_callback = False

    # --- records ------------------------------------------------------------------------------------------------------
    def poll(self, *arguments: Any, **options: Any) -> Any:
        message = self._client.poll(*arguments, **options)
        self._handed_over([] if message is None else [message])
        return message

    def consume(self, *arguments: Any, **options: Any) -> Any:
        messages = self._client.consume(*arguments, **options)
        self._handed_over(messages)
        return messages

    def _handed_over(self, messages: list[Any]) -> None:
        records = [self._record(message) for message in messages if message.error() is None]
        if records:
            self._recorder.write({"e": "poll", "con": self._name, "recs": records})

    def _record(self, message: Any) -> list[Any]:
        p, o = f"{message.topic()}-{message.partition()}", message.offset()
        v = self._recorder.identify(message.topic(), message.key(), message.value(), message.headers())
        return [p, o, f"{p}@{o}" if v is None or v == "" else v]  # nobody who is recorded sent it: named by its place

    # --- partitions ---------------------------------------------------------------------------------------------------
    def subscribe(self, topics: list[str], on_assign: Any = None, on_revoke: Any = None, on_lost: Any = None) -> None:
        """The application's own callbacks are called as before, with this consumer."""

        def assigned(_client: Any, partitions: Any) -> None:
            self._gained(partitions, "group")
            self._in_callback = True
            try:
                if on_assign is not None:
                    on_assign(self, partitions)
            finally:
                self._in_callback = False

        def gone(tell: Any) -> Callable[[Any, Any], None]:
            def report(_client: Any, partitions: Any) -> None:
                if tell is not None:
                    tell(self, partitions)  # it may still commit what it has
                self._lost(partitions)

            return report

        lost = gone(on_lost or on_revoke)
        self._client.subscribe(topics, on_assign=assigned, on_revoke=gone(on_revoke), on_lost=lost)

    def assign(self, partitions: Any) -> None:
        self._client.assign(partitions)
        self._held.clear()
        self._gained(partitions, "group" if self._in_callback else "manual")

    def incremental_assign(self, partitions: Any) -> None:
        self._client.incremental_assign(partitions)
        self._gained(partitions, "group" if self._in_callback else "manual")

    def incremental_unassign(self, partitions: Any) -> None:
        self._client.incremental_unassign(partitions)
        self._lost(partitions)

    def unassign(self) -> None:
        self._client.unassign()
        self._revoked(list(self._held))

    def close(self) -> None:
        self._client.close()  # may call the callbacks of a rebalance
        self._revoked(list(self._held))

    def seek(self, partition: Any) -> None:
        self._client.seek(partition)
        self._sought(partition)

    def _sought(self, partition: Any) -> None:
        if partition.offset >= 0:
            p = f"{partition.topic}-{partition.partition}"
            self._recorder.write({"e": "seek", "con": self._name, "p": p, "o": partition.offset})

    def _gained(self, partitions: Any, how: str) -> None:
        self._held |= dict.fromkeys(f"{one.topic}-{one.partition}" for one in partitions)
        self._recorder.write({"e": "assign", "con": self._name, "p": list(self._held), "how": how})
        for one in partitions:
            self._sought(one)

    def _lost(self, partitions: Any) -> None:
        self._revoked([f"{one.topic}-{one.partition}" for one in partitions])

    def _revoked(self, names: list[str]) -> None:
        if names:
            self._recorder.write({"e": "revoke", "con": self._name, "p": names})
        for name in names:
            self._held.pop(name, None)

    # --- offsets ------------------------------------------------------------------------------------------------------
    def commit(self, message: Any = None, offsets: Any = None, asynchronous: bool = True) -> Any:
        """Of a synchronous one the result is told here, of an asynchronous one by ``on_commit`` alone."""
        given = {name: x for name, x in (("message", message), ("offsets", offsets)) if x is not None}
        done = self._client.commit(**given, asynchronous=asynchronous)
        for one in done or ():
            self._recorder.commit(self._name, one)
        return done

    def consumer_group_metadata(self) -> Any:
        return _Metadata(self._client.consumer_group_metadata(), self._name)


def _pairs(headers: Any) -> list[tuple[str, Any]]:
    return list(headers.items() if isinstance(headers, Mapping) else headers or ())


def _name_of(error: Any) -> str:
    """``_QUEUE_FULL`` of a KafkaError, or of the exception that holds one; else the exception's own name."""
    for one in (error, *getattr(error, "args", ())):
        name = getattr(one, "name", None)
        if callable(name):
            return str(name())
    return type(error).__name__
