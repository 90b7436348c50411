"""Laws of single logs and of whole traces, beside those of brokers and controller in :mod:`sim.laws`.

- INV-20b, c: at the end. APP-29, what a log remembers of producers: where it changed, and at the end.
- APP-10: at the end, of every acks=all answer that a broker gave.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from sim.errors import LawBroken
from sim.protocol.log import Log
from sim.protocol.messages import RecordBatch
from sim.protocol.rows import Kind

__all__ = [
    "Content", "check_answers", "check_newest_sequence", "check_order_on_connections", "check_producers",
    "check_sequences", "content",
]  # fmt: skip

_SEQUENCES = 1 << 31
Content = list[tuple[int, int, int, int, int]]


def content(log: Log, low: int, high: int) -> Content:
    """The batches that begin in low..high: (base, leader epoch, prod, lo, hi)."""
    i, j = bisect_left(log.bases, low), bisect_left(log.bases, high)
    return [(log.bases[k], log.epochs[k], (one := log.batches[k]).prod, one.lo, one.hi) for k in range(i, j)]


# --- sequences --------------------------------------------------------------------------------------------------------
def _remembered(batch: RecordBatch, base: int) -> tuple[int, int, int, int]:
    """(epoch, first sequence, last sequence, base) as the state of producers keeps it (broker:APP-15)."""
    return batch.epoch, batch.seq, (batch.seq + batch.count - 1) % _SEQUENCES, base


def check_newest_sequence(log: Log, name: str) -> None:
    """The batch that was appended last is what is remembered of its producer, on leader and follower (APP-26)."""
    batch = log.batches[-1]
    if batch.pid < 0:
        return
    entry = log.producers.entries.get(batch.pid)
    newest = (entry.epoch, *entry.batches[-1]) if entry is not None and entry.batches else None
    if newest != _remembered(batch, log.bases[-1]):
        raise LawBroken("APP-29", f"{name}: of producer {batch.pid} it remembers {newest}, the log ends with {batch}")


def check_producers(log: Log, name: str) -> None:
    """What is remembered of producers is what the log says of them, no more (APP-29).

    Less it may be: state expires, and a restart keeps one batch of the five (APP-28, APP-30).
    """
    last: dict[int, tuple[int, int, int, int]] = {}
    for base, batch in zip(log.bases, log.batches, strict=True):
        if batch.pid >= 0:
            last[batch.pid] = _remembered(batch, base)
    for pid, entry in log.producers.entries.items():
        if not entry.batches:
            continue
        newest = (entry.epoch, *entry.batches[-1])
        gone = pid not in last and newest[3] < log.start  # its batches went with the front of the log
        if not gone and newest != last.get(pid):
            raise LawBroken("APP-29", f"{name}: of producer {pid} it remembers {newest}, the log has {last.get(pid)}")


def check_sequences(log: Log, name: str) -> None:
    """Of one producer id and epoch, stored sequences follow each other without a gap, a newer epoch begins at 0, and
    no older one comes back (INV-20c, broker:APP-17).

    A producer whose state was dropped begins where it likes (APP-31); within the day that state is kept, none is.
    """
    expected: dict[int, tuple[int, int]] = {}  # by producer id: epoch and next sequence
    for batch in log.batches:
        if batch.pid < 0:
            continue
        epoch, seq = expected.get(batch.pid, (batch.epoch, batch.seq))
        if batch.epoch > epoch:
            epoch, seq = batch.epoch, 0
        if (batch.epoch, batch.seq) != (epoch, seq):
            told = f"{batch.seq} of epoch {batch.epoch} where {seq} of {epoch} is next"
            raise LawBroken("INV-20c", f"{name}: producer {batch.pid} has {told}")
        expected[batch.pid] = (epoch, (seq + batch.count) % _SEQUENCES)


# --- traces -----------------------------------------------------------------------------------------------------------
def check_order_on_connections(rows: Iterable[tuple[int, ...]]) -> None:
    """What a leader did with the batches of one connection, it did in the order in which they were sent (INV-20b).

    *rows*: (kind, conn, partition, prod, lo, hi) of a trace, in its order. What was sent and not handled was lost.
    """
    sent: dict[int, list[tuple[int, ...]]] = {}
    handled: dict[int, int] = {}
    for kind, conn, *batch in rows:
        if kind == Kind.ATTEMPT:
            sent.setdefault(conn, []).append(tuple(batch))
        elif kind in (Kind.APPEND, Kind.DUPLICATE, Kind.REJECT):
            waiting = sent.get(conn, [])
            place = handled.get(conn, 0)
            while place < len(waiting) and waiting[place] != tuple(batch):
                place += 1
            if place == len(waiting):
                raise LawBroken("INV-20b", f"connection {conn}: {batch} was handled after a batch that was sent later")
            handled[conn] = place + 1


def check_answers(marks: Iterable[tuple[int, int, int]], answers: Iterable[tuple[int, int, int]]) -> None:
    """An acks=all answer leaves no earlier than the records below some leader's high watermark (APP-10, SUB-5).

    *marks*: (partition, time, high watermark) of leaders, in the order of time; *answers*: (partition, time at which
    the broker answered, end of the batch's offsets).
    """
    times: dict[int, list[int]] = {}
    highest: dict[int, list[int]] = {}
    for partition, time_us, mark in marks:
        known = highest.setdefault(partition, [])
        known.append(max(mark, known[-1] if known else 0))
        times.setdefault(partition, []).append(time_us)
    for partition, time_us, end in answers:
        before = bisect_left(times.get(partition, []), time_us + 1)
        mark = highest[partition][before - 1] if before else 0
        if end > mark:
            what = f"partition {partition}: acks=all was answered at {time_us} us for offsets up to {end}"
            raise LawBroken("APP-10", f"{what}, committed was {mark}")
