"""Clients of librdkafka, driven by the same lines of JSON as the Java clients: ``python -m`` this module.

Times are nanoseconds of the machine's monotonic clock. The end of stdin ends the process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

__all__ = ["main"]

SETTLING_NS = 300_000_000  # others learn of the warm-up meanwhile
_TELLING = threading.Lock()


def tell(kind: str, name: str, **fields: Any) -> None:
    line = json.dumps({"e": kind, "name": name, "t": time.monotonic_ns(), **fields})
    with _TELLING:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Client:
    """A producer or a consumer with a thread of its own: made, told to go at a time, stopped."""

    def __init__(self, command: dict[str, Any]) -> None:
        self.name, self.command, self.options = command["name"], command, command["config"]
        self.stopped = False
        self._started = threading.Event()
        self._start_ns = 0
        threading.Thread(target=self._run, daemon=True).start()

    def go(self, at_ns: int) -> None:
        self._start_ns = at_ns
        self._started.set()

    def stop(self) -> None:
        self.stopped = True
        self._started.set()

    def _run(self) -> None:
        try:
            self.make()
            tell("ready", self.name)
            self._started.wait()
            self.work(self._start_ns)
        except Exception as error:
            tell("broken", self.name, error=f"{type(error).__name__}: {error}")
        tell("ended", self.name)

    def make(self) -> None: ...

    def work(self, start_ns: int) -> None: ...


def sleep_until(nanos: int) -> None:
    while (left := nanos - time.monotonic_ns()) > 0:
        time.sleep(left / 1e9)


class Sender(Client):
    def make(self) -> None:
        from confluent_kafka import Producer

        self._warmed = threading.Event()  # by the report of the first call
        self._producer = Producer({**self.options, "error_cb": self._error})
        threading.Thread(target=self._serve, daemon=True).start()

    def _error(self, error: Any) -> None:
        tell("client_error", self.name, error=error.name(), fatal=error.fatal())

    def _serve(self) -> None:
        """Delivery reports. Behind a fatal error poll() raises, and there are none any more."""
        while not self.stopped:
            try:
                self._producer.poll(0.05)
            except Exception as error:
                tell("client_error", self.name, error=str(error), fatal=True)
                return

    def work(self, start_ns: int) -> None:
        for index, row in enumerate(self.command["sends"]):
            if index == 1 and self.command["warm"]:
                self._warmed.wait()
                start_ns = max(start_ns, time.monotonic_ns() + SETTLING_NS - row[0] * 1000)
            sleep_until(start_ns + row[0] * 1000)
            if self.stopped:
                break
            self._call(index, *row)
        tell("sent", self.name, count=len(self.command["sends"]))
        while not self.stopped:
            time.sleep(0.02)

    def _call(
        self, index: int, _at_us: int, topic: str, partition: int | None, key: str | None, value: str, size: int
    ) -> None:
        def told(error: Any, message: Any) -> None:
            offset = -1 if error is not None or message.offset() is None else message.offset()
            tell(
                "told", self.name, i=index, p=message.partition(), o=offset,
                error=None if error is None else error.name(),
            )  # fmt: skip
            self._warmed.set()

        tell("send", self.name, i=index)
        where: dict[str, Any] = {} if partition is None else {"partition": partition}
        try:
            self._producer.produce(topic, value.encode().ljust(size, b"\0"), key=key, on_delivery=told, **where)
        except BufferError:
            tell("refused", self.name, i=index, error="_QUEUE_FULL")
        except Exception as error:
            reason: Any = error.args[0] if error.args else None
            tell("refused", self.name, i=index, error=reason.name() if hasattr(reason, "name") else str(error))


class Reader(Client):
    def make(self) -> None:
        from confluent_kafka import Consumer

        own = {"group.id": self.name, "enable.auto.commit": "false", "enable.auto.offset.store": "false"}
        self._consumer = Consumer({**own, **self.options})

    def work(self, start_ns: int) -> None:
        from confluent_kafka import TopicPartition

        sleep_until(start_ns)
        self._consumer.assign([TopicPartition(topic, index) for topic, index in self.command["partitions"]])
        while not self.stopped:
            message = self._consumer.poll(0.05)
            if message is not None and message.error() is None:
                text = (message.value() or b"").split(b"\0", 1)[0].decode("utf-8", "replace")
                tell("poll", self.name, recs=[[message.topic(), message.partition(), message.offset(), text]])
        self._consumer.close()


def main() -> None:
    clients: dict[str, Client] = {}
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "open":
            kind = Sender if command["kind"] == "producer" else Reader
            clients[command["name"]] = kind(command)
        elif command["do"] == "go":
            clients[command["name"]].go(command["at"])
        elif command["do"] == "close":
            clients.pop(command["name"]).stop()
    os._exit(0)  # threads of the library may wait for brokers that are gone


if __name__ == "__main__":
    main()
