"""Real time against the log: realtime-inversion (anomalies 1.12).

x is inverted if some y of its partition was acknowledged before x was sent and yet stands behind x.
"""

from __future__ import annotations

import numpy as np

from analysis.evidence import Evidence
from analysis.finders.order import first_copies
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import Column

__all__ = ["realtime_inversion"]

NEVER = np.iinfo(np.int64).max


def realtime_inversion(evidence: Evidence) -> Found:
    seen, sends = evidence.logs.records, evidence.history.records
    acked = evidence.ack_row[seen.value]
    keep = (acked != NEVER) & first_copies(sends.uid[seen.value], seen.partition)
    places = np.flatnonzero(keep) if not keep.all() else np.arange(len(keep))
    value, partition, acked = seen.value[places], seen.partition[places], acked[places]
    sent = np.where(sends.prod[value] >= 0, sends.row[value], -1)
    if not len(places) or (acked >= sent).all() and _rises(acked, partition):
        return Found()
    earliest = _earliest_behind(acked, partition)
    late = np.flatnonzero(earliest < sent)
    witnesses = [_witness(evidence, places, acked, partition, int(k), int(sent[k])) for k in late[:WITNESSES]]
    return Found(len(late), witnesses, len(late), pairs_of(sends.prod[value[late]], partition[late]))


def _rises(acked: Column, partition: Column) -> bool:
    """Acks came in offset order: then whatever stands behind x was acknowledged after x, so not before x was sent."""
    return bool(((acked[1:] >= acked[:-1]) | (partition[1:] != partition[:-1])).all())


def _earliest_behind(acked: Column, partition: Column) -> Column:
    """The earliest ack among the records behind each one in its partition; NEVER where there is none."""
    base = (partition.max() - partition).astype(np.int64) << 40  # earlier partitions lie higher: no minimum leaks
    lowest = np.minimum.accumulate((acked + base)[::-1])[::-1] - base
    earliest = np.full(len(acked), NEVER)
    inside = partition[1:] == partition[:-1]
    earliest[:-1][inside] = lowest[1:][inside]
    return earliest


def _witness(
    evidence: Evidence, places: Column, acked: Column, partition: Column, k: int, sent: int,
) -> dict[str, object]:  # fmt: skip
    behind = np.flatnonzero((acked[k + 1 :] < sent) & (partition[k + 1 :] == partition[k]))
    other = k + 1 + int(behind[0])
    event = evidence.history.event
    records = [
        evidence.stored(int(places[k]), role="inverted", sent=event(sent), acked=event(int(acked[k]))),
        evidence.stored(int(places[other]), role="acknowledged before", acked=event(int(acked[other]))),
    ]
    return {
        "partition": records[0]["p"], "records": records, "offsets": [r["o"] for r in records],
        "events": [records[1]["acked"], records[0]["sent"], records[0]["event"], records[1]["event"]],
    }  # fmt: skip
