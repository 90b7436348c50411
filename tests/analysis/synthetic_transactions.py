"""A history in columns, by whole columns: transactions, their markers, a group that processes and commits. No fault."""

from __future__ import annotations

from typing import Any

import numpy as np

import analysis.history as h
from analysis.history import History

STEPS = 8  # rows a record: send, append, ack, marker, poll, start, end, commit


def synthetic_transactions(records: int, per_txn: int = 10, partitions: int = 3) -> History:
    """One transactional producer, one reader in a group; each transaction writes to one partition, in turns."""
    i = np.arange(records)
    txn = i // per_txn
    partition = txn % partitions
    offset = (txn // partitions) * (per_txn + 1) + i % per_txn
    row = i * STEPS
    later = row + STEPS * (per_txn + 1)
    last = np.arange(per_txn - 1, records, per_txn)
    none, zero, one = np.full(records, -1), np.zeros(records, np.int64), np.ones(records, np.int64)

    def marked(data: Any, control: Any) -> Any:
        return np.concatenate([np.broadcast_to(data, (records,)), np.broadcast_to(control, (len(last),))])[order]

    order = np.argsort(np.concatenate([row + 1, row[last] + 3]), kind="stable")
    rows = marked(row + 1, row[last] + 3)
    appends = h.Appends(
        rows, rows, marked(partition, partition[last]), marked(offset, offset[last] + 1), marked(i, -1), marked(1, 1),
        marked(1, 1), marked(False, False), marked(0, 0), marked(7, 7), marked(0, 0), marked(i, -1) % (1 << 31),
        marked(txn, txn[last]), marked(h.DATA, h.COMMIT), marked(-1, -1),
    )  # fmt: skip
    appends.seq = np.where(appends.kind == h.DATA, offset_seq(appends, per_txn), -1)
    processing = np.argsort(np.concatenate([later + 5, later + 6]), kind="stable")
    worked = [np.concatenate([a, b])[processing] for a, b in ((later + 5, later + 6), (zero, one))]
    commits = later[last]
    states = np.argsort(np.concatenate([row[::per_txn], row[last] + 3]), kind="stable")
    tables = empty() | {
        "records": h.Records(zero, i, partition, i % 33 * partitions + partition, i, row, row, none, txn, none),
        "appends": appends,
        "outcomes": h.Outcomes(row + 2, row + 2, zero + h.ACK, zero, partition, i, one, offset, none),
        "polls": h.Polls(later + 4, later + 4, zero, partition, offset, i, one, i, none),
        "processing": h.Processing(
            worked[0], worked[0], worked[1], np.zeros(2 * records, np.int64), np.tile(partition, 2)[processing],
            np.tile(offset, 2)[processing],
        ),
        "commits": h.Commits(
            commits + 7, commits + 7, zero[last], partition[last], offset[last] + 1, zero[last], one[last]
        ),
        "transactions": h.Transactions(
            *(np.concatenate([row[::per_txn], row[last] + 3])[states],) * 2,
            np.concatenate([txn[::per_txn], txn[last]])[states],
            np.concatenate([np.zeros(len(txn[::per_txn])), np.ones(len(last))]).astype(np.int64)[states],
        ),
    }  # fmt: skip
    return History(
        source="synthetic", row_word="row", time_unit="us", drain=True, append_times=True, config=None, settled=True,
        producers=["P1"], brokers=[0, 1], partitions=[f"o-{p}" for p in range(partitions)],
        keys=[f"k{k}" for k in range(33 * partitions + partitions)], values=range(records),
        words=[], txns=range(int(txn[-1]) + 1), consumers=h.Consumers(["C1"], ["G"], [True]), **tables,
    )  # fmt: skip


def offset_seq(appends: h.Appends, per_txn: int) -> Any:
    """Sequences count data records of a partition."""
    return appends.offset // (per_txn + 1) * per_txn + appends.offset % (per_txn + 1)


def empty() -> dict[str, Any]:
    names = {
        "rejects": h.Rejects, "marks": h.Marks, "leaders": h.Leaders, "truncations": h.Truncations,
        "log_starts": h.LogStarts, "compactions": h.Compactions, "positions": h.Positions, "txn_offsets": h.TxnOffsets,
        "wire": h.Wire, "notes": h.Notes,
    }  # fmt: skip
    return {name: table.empty() for name, table in names.items()}
