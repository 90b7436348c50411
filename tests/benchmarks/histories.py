"""Histories as columns in memory, of any number of records: what a long run of a busy cluster looks like, with faults.

Two producers send to twelve partitions in turn, in batches; the two take turns in each log. One batch in a thousand is
stored behind the next one of its producer, one in a thousand a second time at the end of the log. Every batch is
acknowledged; with *read* it is replicated to a second broker, below a high watermark and handed to a reader as well.
"""

from __future__ import annotations

import numpy as np

import analysis.history as h
from analysis.history import Column, Consumers, History

__all__ = ["PARTITIONS", "PRODUCERS", "in_memory"]

PRODUCERS, PARTITIONS, KEYS, EVERY = 2, 12, 1000, 1000


def in_memory(records: int, per_batch: int, *, read: bool) -> History:
    """About *records* records, a whole number of batches a lane."""
    lanes = PRODUCERS * PARTITIONS
    batches = max(records // (lanes * per_batch), 2)
    number = np.arange(batches * lanes, dtype=np.int32)  # of the batch, in time
    lane, nth = number % lanes, number // lanes
    value = lane * np.int32(batches * per_batch) + nth * np.int32(per_batch)
    # Lane by lane, a log's batches: those of its two producers in turn, neighbours of one producer changed sometimes.
    partition, prod = lane % PARTITIONS, lane // PARTITIONS
    slot = np.where(nth % EVERY == EVERY // 2, nth + 1, np.where(nth % EVERY == EVERY // 2 + 1, nth - 1, nth))
    slot = np.minimum(slot, batches - 1) if batches % EVERY != EVERY // 2 + 1 else nth
    offset = (slot.astype(np.int64) * PRODUCERS + prod) * per_batch
    again = np.flatnonzero(nth % EVERY == 7)
    end = np.int64(batches) * PRODUCERS * per_batch
    copies = end + np.arange(len(again)) // lanes * lanes * per_batch + lane[again] * per_batch
    log = _Log(
        row=np.arange(len(number) + len(again)) * 8, partition=np.append(partition, partition[again]),
        offset=np.append(offset, copies), value=np.append(value, value[again]), prod=np.append(prod, prod[again]),
        nth=np.append(nth, nth[again]), per_batch=per_batch,
    )  # fmt: skip
    return _history(log, batches * per_batch, read)


class _Log:
    """Batches in the order in which they were stored."""

    def __init__(
        self, *, row: Column, partition: Column, offset: Column, value: Column, prod: Column, nth: Column,
        per_batch: int,
    ) -> None:  # fmt: skip
        order = np.lexsort((offset, partition))  # dense offsets, whatever the plan left out
        dense = np.empty(len(order), np.int64)
        ordered = partition[order]
        starts = np.searchsorted(ordered, np.arange(PARTITIONS))
        dense[order] = (np.arange(len(order)) - starts[ordered]) * per_batch
        by_time = np.lexsort((dense, dense // per_batch // PRODUCERS))
        self.row, self.per_batch = row, per_batch
        self.partition, self.offset, self.value = partition[by_time], dense[by_time], value[by_time]
        self.prod, self.nth = prod[by_time], nth[by_time]

    def all(self, x: int) -> Column:
        return np.full(len(self.row), x, np.int32)

    def appends(self, broker: int, later: int) -> list[Column]:
        seq = self.nth * np.int32(self.per_batch)
        return [
            self.row + later, self.row + later, self.partition, self.offset, self.value, self.all(self.per_batch),
            self.all(broker), np.full(len(self.row), broker != 1), self.all(0), self.prod, self.all(0), seq,
            self.all(-1), self.all(h.DATA), self.all(-1),
        ]  # fmt: skip


def _history(log: _Log, per_lane: int, read: bool) -> History:
    size = per_lane * PRODUCERS * PARTITIONS
    appends = [log.appends(1, 0), *([log.appends(2, 2)] if read else [])]
    columns = [np.concatenate(parts) for parts in zip(*appends, strict=True)]
    if read:
        order = np.argsort(columns[0], kind="stable")
        columns = [column[order] for column in columns]
    tables = {name: kind.empty() for name, kind in _EMPTY.items()}
    tables["appends"] = h.Appends(*columns)
    tables["outcomes"] = h.Outcomes(
        log.row + 5, log.row + 5, log.all(h.ACK), log.prod, log.partition, log.value, log.all(log.per_batch),
        log.all(-1), log.all(-1),
    )  # fmt: skip
    if read:
        tables["marks"] = h.Marks(log.row + 3, log.row + 3, log.partition, log.offset + log.per_batch, log.all(1))
        tables["polls"] = h.Polls(
            log.row + 6, log.row + 6, log.all(0), log.partition, log.offset, log.value, log.all(log.per_batch),
            np.arange(len(log.row)), log.all(-1),
        )  # fmt: skip
    producers = [f"P{k}" for k in range(PRODUCERS)]
    config = {"clients": {name: {"acks": "all", "enable.idempotence": False} for name in producers}, "topics": {}}
    consumers = Consumers(["C1"], ["G"], [False]) if read else Consumers()
    return History(
        source="benchmark", row_word="row", time_unit="us", drain=read, append_times=True, config=config, settled=True,
        producers=producers, brokers=range(4), partitions=[f"o-{k}" for k in range(PARTITIONS)],
        keys=[f"k{k}" for k in range(KEYS)], values=range(size), words=[], txns=[], consumers=consumers,
        records=_records(size, per_lane), **tables,
    )  # type: ignore[arg-type]  # fmt: skip


_EMPTY: dict[str, type[h.Table]] = {
    "rejects": h.Rejects, "marks": h.Marks, "leaders": h.Leaders, "truncations": h.Truncations,
    "log_starts": h.LogStarts, "compactions": h.Compactions, "polls": h.Polls, "positions": h.Positions,
    "commits": h.Commits, "processing": h.Processing, "transactions": h.Transactions, "txn_offsets": h.TxnOffsets,
    "wire": h.Wire, "notes": h.Notes,
}  # fmt: skip


def _records(size: int, per_lane: int) -> h.Records:
    """Sent in turn to every partition, each key to one of them."""
    number = np.arange(size, dtype=np.int32)
    lane, nth = number // per_lane, number % per_lane
    partition = lane % PARTITIONS
    key = (nth * np.int32(7919) % (KEYS // PARTITIONS)) * PARTITIONS + partition
    nothing = np.full(size, -1, np.int8)
    return h.Records(
        lane // PARTITIONS, nth * np.int32(PARTITIONS) + partition, partition, key, number, np.zeros(size, np.int64),
        np.zeros(size, np.int64), nothing, nothing, np.full(size, 100, np.int32),
    )  # fmt: skip
