"""Real time against the log: realtime-inversion (anomalies 1.12).

x is inverted if some y of its partition was acknowledged before x was sent and yet stands behind x.
"""

from __future__ import annotations

import numpy as np

from analysis.columns import by_group, combine, pieces
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ACK, Column

__all__ = ["realtime_inversion"]

NEVER = np.iinfo(np.int64).max


def realtime_inversion(evidence: Evidence) -> Found:
    if _acked_in_order(evidence):
        return Found()
    seen, sends = evidence.logs.records, evidence.history.records
    count, witnesses, pairs, again = 0, list[dict[str, object]](), set[tuple[int, int]](), _later_copies(evidence)
    for piece in pieces(seen.partition):
        acked = evidence.ack_row[seen.value[piece]]
        keep = acked != NEVER
        keep[again[slice(*np.searchsorted(again, [piece.start, piece.stop]))] - piece.start] = False
        places = piece.start + np.flatnonzero(keep)
        value, partition, acked = seen.value[places], seen.partition[places], acked[keep]
        sent = np.where(sends.prod[value] >= 0, sends.row[value], -1)
        if not len(places) or (acked >= sent).all() and _rises(acked, partition):
            continue
        late = np.flatnonzero(_earliest_behind(acked, partition) < sent)
        for k in late[: WITNESSES - len(witnesses)].tolist():
            witnesses.append(_witness(evidence, places, acked, partition, k, int(sent[k])))
        count += len(late)
        pairs |= pairs_of(sends.prod[value[late]], partition[late])
    return Found(count, witnesses, count, pairs)


def _later_copies(evidence: Evidence) -> Column:
    """Positions in ``logs.records`` of all copies but the first of an identity in a partition, ascending."""
    seen, places = evidence.logs.records, evidence.doubled_places
    if not len(places):
        return places
    lane = combine(seen.partition[places], evidence.history.records.uid[seen.value[places]])
    return np.delete(places, np.unique(lane, return_index=True)[1])


def _acked_in_order(evidence: Evidence) -> bool:
    """Every stored value was acknowledged at its offset, and acks of a partition came in the order of offsets."""
    told = evidence.history.outcomes
    if not evidence.single_copies:
        return False
    acks = told if (told.kind == ACK).all() else told.take(told.kind == ACK)
    if not len(acks) or (acks.offset < 0).any() or (acks.partition < 0).any():
        return False
    if not (evidence.logs.find(acks.partition, acks.offset) >= 0).all():
        return False
    order = by_group(acks.partition)
    same = acks.partition[order[1:]] == acks.partition[order[:-1]]
    in_order = bool(((acks.offset[order[1:]] > acks.offset[order[:-1]]) | ~same).all())
    return in_order and bool(evidence.logs.holds(acks.partition, acks.offset, acks.value, acks.count).all())


def _rises(acked: Column, partition: Column) -> bool:
    """Acks came in offset order: then whatever stands behind x was acknowledged after x, so not before x was sent."""
    return bool(((acked[1:] >= acked[:-1]) | (partition[1:] != partition[:-1])).all())


def _earliest_behind(acked: Column, partition: Column) -> Column:
    """The earliest ack among the records behind each one in its partition; NEVER where there is none."""
    base = partition.astype(np.int64) << 40  # later partitions lie higher: no minimum leaks from them
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
