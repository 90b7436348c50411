"""Order in the log: append-reorder, key-reorder (anomalies 1.1, 1.2).

In a sequence of send positions, a record is *late* if a larger position stands before it. Later copies of one identity
are dropped first. The overtaker of a late record is the earliest record with a larger position.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import by_group, combine, running_max
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import Column

__all__ = ["append_reorder", "first_copies", "key_reorder", "late_in", "late_places", "suspects"]


def late_in(numbers: Column, groups: Column) -> tuple[Column, Column, Column]:
    """(positions of late records, of their overtakers, extents), all ascending; groups stand together."""
    lifted, highest = running_max(numbers, groups)
    late = np.flatnonzero(lifted < highest)
    overtaker = np.searchsorted(highest, lifted[late], side="right")
    return late, overtaker, late - overtaker


def first_copies(uid: Column, groups: Column, doubtful: Column | None = None) -> Column:
    """Mask: the first record of its identity within its group (groups need not stand together).

    *doubtful*: positions of all identities that come more than once, ascending, where that is known.
    """
    mask = np.ones(len(uid), bool)
    if doubtful is None:
        first = np.zeros(int(uid.max(initial=-1)) + 1, np.int64)
        first[uid[::-1]] = np.arange(len(uid) - 1, -1, -1)
        if (first[uid] == np.arange(len(uid))).all():
            return mask
        doubtful = np.flatnonzero(np.bincount(uid)[uid] > 1)
    lane = combine(groups[doubtful], uid[doubtful])
    mask[doubtful] = False
    mask[doubtful[np.unique(lane, return_index=True)[1]]] = True
    return mask


def append_reorder(evidence: Evidence) -> Found:
    late, overtaker, extent = late_places(evidence)
    if not len(late):
        return Found()
    prod = evidence.history.records.prod[evidence.logs.records.value[late]]
    return _told(evidence, late, overtaker, extent, prod)


def late_places(evidence: Evidence) -> tuple[Column, Column, Column]:
    """Late records and their overtakers, as places in ``logs.records``; and extents."""
    places = suspects(evidence)
    if not len(places):
        return places, places, places
    view, sends = evidence.logs.records, evidence.history.records
    prod = sends.prod[view.value[places]]
    groups = combine(view.partition[places], prod)
    keep = first_copies(sends.uid[view.value[places]], groups) & (prod >= 0)
    places, groups = places[keep], groups[keep]
    order = by_group(groups)
    places = places[order]
    late, overtaker, extent = late_in(sends.i[view.value[places]], groups[order])
    return places[late], places[overtaker], extent


def suspects(evidence: Evidence) -> Column:
    """Places in ``logs.records`` of all that may be late there, or have overtaken such a record."""
    runs = evidence.disordered
    if runs is None:
        return np.arange(len(evidence.logs.records.run))
    return evidence.logs.places_of_runs(runs)


def key_reorder(evidence: Evidence) -> Found:
    """Where keys keep to their partitions, only what is out of order there can be out of order for a key."""
    sends = evidence.history.records
    places = suspects(evidence) if not evidence.keys_move else np.arange(len(evidence.logs.records.run))
    if not len(places):
        return Found()
    seen = evidence.logs.records
    places = places[(sends.key[seen.value[places]] >= 0) & (sends.prod[seen.value[places]] >= 0)]
    if evidence.keys_move and _keys_move(sends.key[seen.value[places]], seen.partition[places]):
        row, inside = evidence.logs.append_row[seen.run[places]], seen.offset[places]
        places = places[np.lexsort((inside, row))]
    value = seen.value[places]
    groups = combine(sends.prod[value], sends.key[value])
    keep = first_copies(sends.uid[value], groups)
    if not keep.all():
        places, groups = places[keep], groups[keep]
    order = by_group(groups)
    places, groups = places[order], groups[order]
    late, overtaker, extent = late_in(sends.i[seen.value[places]], groups)
    return _told_with_keys(evidence, places[late], places[overtaker], extent)


def _told_with_keys(evidence: Evidence, late: Column, overtaker: Column, extent: Column) -> Found:
    seen, sends = evidence.logs.records, evidence.history.records
    found = _told(evidence, late, overtaker, extent, sends.prod[seen.value[late]])
    for witness, place in zip(found.witnesses, np.sort(late).tolist(), strict=False):
        witness["key"] = evidence.history.keys[int(sends.key[seen.value[place]])]
    found.elsewhere = int((seen.partition[late] != seen.partition[overtaker]).sum())
    return found


def _keys_move(key: Column, partition: Column) -> bool:
    """Whether some key has records in two partitions."""
    last = np.full(int(key.max(initial=-1)) + 1, -1, np.int64)
    last[key] = partition
    return bool((last[key] != partition).any())


def _told(evidence: Evidence, late: Column, overtaker: Column, extent: Column, prod: Column) -> Found:
    seen = evidence.logs.records
    order = np.argsort(late, kind="stable")[:WITNESSES]
    witnesses: list[dict[str, Any]] = []
    for place, other, distance in zip(late[order], overtaker[order], extent[order], strict=True):
        records = [evidence.stored(int(place), role="late"), evidence.stored(int(other), role="overtaker")]
        witnesses.append({
            "partition": evidence.partition(seen.partition[place]), "records": records,
            "offsets": [r["o"] for r in records], "events": [r["event"] for r in records], "extent": int(distance),
        })  # fmt: skip
    return Found(len(late), witnesses, len(late), pairs_of(prod, seen.partition[late]))
