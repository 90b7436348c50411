"""Sequences of batches that stand behind each other in a log and do not follow each other."""

from __future__ import annotations

import numpy as np

from analysis.columns import by_group, combine, pieces
from analysis.history import DATA, Column
from analysis.logs import Log

__all__ = ["SEQUENCES", "odd_sequences"]

SEQUENCES = 1 << 31  # sequences are modulo this


def odd_sequences(log: Log) -> tuple[Column, Column, Column]:
    """Neighbours of one (producer id, epoch, partition) whose sequences do not follow: run, next run, and the step.

    The step is modulo 2**31 and not 1; inside a run sequences are consecutive. By partition, then by producer id.
    """
    found = [(np.zeros(0, np.int64),) * 3]
    for piece in pieces(log.partition):
        pid, epoch, seq = log.pid[piece], log.epoch[piece], log.seq[piece]
        partition, count = log.partition[piece], log.count[piece]
        known = (log.kind[piece] == DATA) & (pid >= 0) & (seq >= 0)
        rows = None if known.all() else np.flatnonzero(known)
        if rows is not None:
            pid, epoch, seq, partition, count = (column[rows] for column in (pid, epoch, seq, partition, count))
        lane = combine(partition, pid, epoch)
        if (lane[1:] < lane[:-1]).any():
            order = by_group(lane)
            lane, seq, count = lane[order], seq[order], count[order]
            rows = order if rows is None else rows[order]
        beyond = (seq[1:] - seq[:-1] - count[:-1]) & (SEQUENCES - 1)  # from the end of the run before
        odd = np.flatnonzero((beyond != 0) & (lane[1:] == lane[:-1]))
        left, right = (odd, odd + 1) if rows is None else (rows[odd], rows[odd + 1])
        step = (beyond[odd].astype(np.int64) + 1) % SEQUENCES
        found.append((piece.start + left, piece.start + right, step))
    left, right, step = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return left, right, step
