"""A recorder for programs that use confluent-kafka: what its clients did and were told, as a history (JSON Lines).

    recorder = Recorder("shop.jsonl", consumers={"ledger-1": {"group": "ledger"}})
    producer = recorder.producer(Producer(config), "shop-1")
    consumer = recorder.consumer(Consumer(config | {"on_commit": recorder.on_commit("ledger-1")}), "ledger-1")

The two then serve in place of the clients. This module imports no client and opens no connection; it wraps the objects
that it is given. Threads may share all of it. Every event is one line and one write, so that a process that dies leaves
whole lines. Times are of one monotonic clock of the machine: recordings of several processes of one machine can be
joined, those of several machines only as far as their clocks agree.

*Identity.* ``identify(topic, key, value, headers)`` says what a record's ``v`` is: something that no two calls of
``produce()`` share and that the consumer finds again in what it reads. Without one, the recorder numbers the calls of a
producer and adds a header ``korder-id`` to each record. A dump of a broker's log does not show the values of headers:
choose what stands in the value (or in the key) where a dump is to be joined (REAL_CLUSTERS.md).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analysis.recorded_clients import HEADER, RecordedConsumer, RecordedProducer, text_of

__all__ = ["HEADER", "Recorder", "identity_in_header"]

Identify = Callable[[str, Any, Any, Any], str | int | None]
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000}


def identity_in_header(topic: str, key: Any, value: Any, headers: Any) -> str | None:
    """What the recorder itself put there."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return next((text_of(x) for name, x in pairs if name == HEADER and x is not None), None)


class Recorder:
    """Writes *path* anew. *consumers*: by name their ``group`` and ``isolation``, as the header has them.

    *clock* gives nanoseconds and never goes back; *time_unit* is ``ns``, ``us`` or ``ms``. *drain*, *config*: see the
    exchange format. ``ValueError`` where a name or unit is wrong; ``FileExistsError`` where there is a file already.
    """

    def __init__(
        self, path: str | Path, *, consumers: Mapping[str, Mapping[str, Any]] | None = None,
        identify: Identify | None = None, clock: Callable[[], int] = time.monotonic_ns, time_unit: str = "us",
        drain: bool = False, config: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        if time_unit not in _UNITS:
            raise ValueError(f"time_unit must be one of {', '.join(_UNITS)}, not {time_unit!r}")
        self.identify: Identify = identify or identity_in_header
        self.numbers_records = identify is None
        self._consumers = dict(consumers or {})
        self._clock, self._per_unit = clock, _UNITS[time_unit]
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        header: dict[str, Any] = {"format": "korder-history", "version": 1, "time_unit": time_unit, "drain": drain}
        header |= {"consumers": {name: dict(options) for name, options in self._consumers.items()}}
        self._write(header | ({"config": dict(config)} if config is not None else {}))

    def producer(self, producer: Any, name: str) -> RecordedProducer:
        """*producer*, recorded as the producer instance *name*: a new one whenever a program starts again."""
        self._take(name)
        return RecordedProducer(self, producer, name)

    def consumer(self, consumer: Any, name: str) -> RecordedConsumer:
        """*consumer*, recorded as *name*, one of those that the header tells of."""
        if name not in self._consumers:
            raise ValueError(f"{name!r} is not among the recorder's consumers: {', '.join(self._consumers) or 'none'}")
        self._take(name)
        return RecordedConsumer(self, consumer, name)

    def on_commit(self, name: str) -> Callable[[Any, Any], None]:
        """For a consumer's option ``on_commit``: what became of its automatic and asynchronous commits."""

        def told(error: Any, partitions: Any) -> None:
            for one in partitions or ():
                self.commit(name, one, error, auto=None)

        return told

    def commit(self, name: str, partition: Any, error: Any = None, *, auto: bool | None = False) -> None:
        """A commit's result for one ``TopicPartition``. *auto*: None where nobody can tell who asked for it."""
        if partition.offset < 0:
            return
        failed = error is not None or getattr(partition, "error", None) is not None
        event = {"e": "commit", "con": name, "p": place(partition), "o": partition.offset, "ok": not failed}
        self.write(event | ({} if auto is None else {"auto": auto}))

    def write(self, event: Mapping[str, Any]) -> None:
        """One event, now. Fields that are None are left out."""
        with self._lock:
            t = self._clock() // self._per_unit
            self._write({"t": t} | {name: x for name, x in event.items() if x is not None})

    def close(self) -> None:
        """Nothing is written from now on. (Nothing is lost without it.)"""
        with self._lock:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _take(self, name: str) -> None:
        if not name or name in self._names:
            raise ValueError(f"{name!r} is taken: every client has its own name" if name else "a client needs a name")
        self._names.add(name)

    def _write(self, event: Mapping[str, Any]) -> None:
        if self._file < 0:
            raise ValueError("the recorder is closed")
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n"
        size = os.fstat(self._file).st_size
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError:
            os.ftruncate(self._file, size)  # a full disk leaves no half line
            raise


def place(partition: Any) -> str:
    """``orders-0``, of a ``TopicPartition``."""
    return f"{partition.topic}-{partition.partition}"
