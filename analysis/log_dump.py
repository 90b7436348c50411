"""What Kafka's own tool prints of a log, as append events.

    kafka-dump-log.sh --print-data-log --files DIR/orders-0/00000000000000000000.log,...

The form is that of ``DumpLogSegments`` (``dumpLog`` and ``printBatchLevel``) in Kafka 3.9 and 4.3, which is the same:
``Dumping PATH`` and ``Log starting offset`` before each segment, a line a batch, below it a line a record that begins
with ``|``. A key or value may hold anything, line ends too, so they are cut out by the sizes that the record's line
gives in bytes. Read strictly: what is not understood is refused with its line.

Offsets inside a batch that are not there were removed by compaction: a batch keeps its first and last offset when the
cleaner takes records out of it (``DefaultRecordBatch``, lastOffsetDelta). A first segment that does not begin at 0
tells where the log starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sim.errors import InputError

__all__ = ["Dump", "Stored", "read_dump"]

_FILE = re.compile(rb"Dumping (?P<path>.+)")
_START = re.compile(rb"Log starting offset: (?P<offset>\d+)")
_BATCH = re.compile(
    rb"baseOffset: (?P<base>\d+) lastOffset: (?P<last>\d+) count: (?P<count>\d+|null) baseSequence: (?P<seq>-?\d+) "
    rb"lastSequence: -?\d+ producerId: (?P<pid>-?\d+) producerEpoch: (?P<epoch>-?\d+) "
    rb"partitionLeaderEpoch: (?P<lep>-?\d+) isTransactional: (?:true|false) isControl: (?P<control>true|false) "
    rb".*\bmagic: 2 .*\bisvalid: (?P<valid>true|false)"
)
_RECORD = re.compile(
    rb"\| offset: (?P<offset>\d+) \w+: -?\d+ keySize: (?P<key>-?\d+) valueSize: (?P<value>-?\d+) "
    rb"sequence: (?P<seq>-?\d+) headerKeys: \["
)
_MARKER = re.compile(rb"\| offset: (?P<offset>\d+) .* endTxnMarker: (?P<kind>COMMIT|ABORT) coordinatorEpoch: \d+")
_FOLDER = re.compile(r"(?P<topic>.+)-(?P<index>\d+)")
_NAMES = (b" key: ", b" payload: ")
MOST_HEADER_NAMES = 1 << 16  # bytes
TOOL = "kafka-dump-log.sh --print-data-log --files ..."


@dataclass(frozen=True, slots=True)
class Stored:
    """One record of a log. *kind*: ``commit`` or ``abort`` of a control record. -1: none."""

    offset: int
    key: str | None
    value: str | None
    lep: int
    pid: int
    epoch: int
    seq: int
    kind: str | None = None


@dataclass
class Dump:
    """One partition's log: where it starts, what is in it, and what compaction took out. In order of offsets."""

    start: int = 0
    records: list[Stored] = field(default_factory=list)
    compacted: list[int] = field(default_factory=list)


def read_dump(path: Path) -> dict[str, Dump]:
    """By partition; :class:`sim.errors.InputError` where *path* is not such a dump."""
    dumps: dict[str, Dump] = {}
    reader = _Reader(path)
    for partition, start, records, compacted in reader.segments():
        dump = dumps.setdefault(partition, Dump(start))
        dump.start = min(dump.start, start)
        dump.records += records
        dump.compacted += compacted
    if not dumps:
        raise InputError(str(path), "holds no segment of a log", f"give what {TOOL} printed")
    for partition, dump in dumps.items():
        dump.records.sort(key=lambda one: one.offset)
        for before, after in zip(dump.records, dump.records[1:], strict=False):
            if before.offset == after.offset:
                raise InputError(str(path), f"{partition} has offset {after.offset} twice", "give one broker's log")
    return dumps


Segment = tuple[str, int, list[Stored], list[int]]


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0
        self._lines = self._numbered()

    def segments(self) -> Iterator[Segment]:
        line = next(self._lines, None)
        while line is not None:
            found = _FILE.fullmatch(line)
            if found is None:
                raise self.wrong("is not the beginning of a segment", f"give what {TOOL} printed")
            partition = self._partition(found["path"])
            begins = _START.fullmatch(next(self._lines, b""))
            if begins is None:
                raise self.wrong('must say "Log starting offset"', "dump the .log files alone, not their indexes")
            records: list[Stored] = []
            compacted: list[int] = []
            line = self._batches(records, compacted)
            yield partition, int(begins["offset"]), records, compacted

    def _batches(self, records: list[Stored], compacted: list[int]) -> bytes | None:
        """Everything up to the next segment, whose first line is returned."""
        batch: re.Match[bytes] | None = None
        seen: set[int] = set()
        for line in self._lines:
            if line.startswith(b"| "):
                if batch is None:
                    raise self.wrong("a record without a batch")
                records.append(self._marker(line, batch) if batch["control"] == b"true" else self._record(line, batch))
                seen.add(records[-1].offset)
                continue
            compacted += self._missing(batch, seen)
            if line.startswith(b"Dumping "):
                return line
            if re.fullmatch(rb"Found \d+ invalid bytes at the end of .*", line):
                batch = None
                continue
            batch, seen = self._batch(line), set()
        compacted += self._missing(batch, seen)
        return None

    def _batch(self, line: bytes) -> re.Match[bytes]:
        batch = _BATCH.fullmatch(line)
        if batch is None:
            raise self.wrong("is not a batch of message format 2", f"give what {TOOL} printed, unchanged")
        if batch["valid"] != b"true":
            raise self.wrong("the batch's checksum is wrong", "dump another replica's log")
        return batch

    def _missing(self, batch: re.Match[bytes] | None, seen: set[int]) -> list[int]:
        if batch is None:
            return []
        base, last = int(batch["base"]), int(batch["last"])
        if not seen and batch["count"] not in (b"0", b"null"):
            raise self.wrong("a batch without its records stands before this", "give --print-data-log to the tool")
        if last - base - len(seen) > 1 << 20:
            raise self.wrong(f"a batch before this spans {last - base + 1} offsets", "give what the tool printed")
        return [offset for offset in range(base, last + 1) if offset not in seen]

    def _record(self, line: bytes, batch: re.Match[bytes]) -> Stored:
        head = _RECORD.match(line)
        if head is None:
            raise self.wrong("is not a record", "run the tool without --skip-record-metadata and with its own decoders")
        sizes = (int(head["key"]), int(head["value"]))
        key, value = self._key_and_value(line, head.end(), sizes)
        return Stored(
            int(head["offset"]), key, value, int(batch["lep"]), int(batch["pid"]), int(batch["epoch"]),
            int(head["seq"]),
        )  # fmt: skip

    def _key_and_value(self, line: bytes, head: int, sizes: tuple[int, int]) -> tuple[str | None, str | None]:
        """Cut from the end of the record's text, which goes on over further lines where key or value do."""
        number = self.number
        tail = sum(len(name) + size for name, size in zip(_NAMES, sizes, strict=True) if size >= 0)
        while not _fits(line, head, tail, sizes):
            more = next(self._lines, None)
            if more is None or len(line) > head + tail + MOST_HEADER_NAMES:
                self.number = number
                raise self._sizes_wrong()
            line += b"\n" + more
        texts: list[str | None] = []
        at = len(line) - tail
        for name, size in zip(_NAMES, sizes, strict=True):
            at += len(name) if size >= 0 else 0
            texts.append(self._decoded(line[at : at + size]) if size >= 0 else None)
            at += max(size, 0)
        return texts[0], texts[1]

    def _decoded(self, text: bytes) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise self._sizes_wrong() from None

    def _marker(self, line: bytes, batch: re.Match[bytes]) -> Stored:
        found = _MARKER.fullmatch(line)
        if found is None:
            raise self.wrong("is not the control record of a transaction", "dump the log of a topic")
        return Stored(
            int(found["offset"]), None, None, int(batch["lep"]), int(batch["pid"]), int(batch["epoch"]), -1,
            found["kind"].decode().lower(),
        )  # fmt: skip

    def _partition(self, path: bytes) -> str:
        parts = re.split(r"[/\\]", path.decode(errors="replace"))
        if len(parts) < 2 or not parts[-1].endswith(".log") or not _FOLDER.fullmatch(parts[-2]):
            raise self.wrong("is not a segment in the folder of its partition", "dump FOLDER/topic-0/....log")
        return parts[-2]

    def _numbered(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as lines:
                end = b"\n"
                for self.number, line in enumerate(lines, 1):
                    if self.number == 1 and line.endswith(b"\r\n"):
                        end = b"\r\n"
                    yield line.removesuffix(end)
        except OSError as error:
            raise InputError(str(self.path), f"cannot be read: {error.strerror or error}") from None

    def wrong(self, rule: str, way_out: str = "") -> InputError:
        return InputError(f"{self.path}:{self.number}", rule, way_out)

    def _sizes_wrong(self) -> InputError:
        way_out = "keys and values must be text, and the tool must print UTF-8: run it with LC_ALL=C.UTF-8"
        return self.wrong("key and value are not as long as the record says", way_out)


def _fits(text: bytes, head: int, tail: int, sizes: tuple[int, int]) -> bool:
    """Is all of the record there: its last *tail* bytes stand behind the headers' names, and name key and value?"""
    at = len(text) - tail
    if at <= head - 1 or text[at - 1 : at] != b"]":
        return False
    for name, size in zip(_NAMES, sizes, strict=True):
        if size >= 0:
            if not text.startswith(name, at):
                return False
            at += len(name) + size
    return True
