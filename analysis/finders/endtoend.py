"""Order as readers met it: e2e-key-reorder, cross-partition-inversion (anomalies 2.6, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.columns import by_group, combine, expand
from analysis.disorder import disordered_runs
from analysis.evidence import Evidence
from analysis.finders.order import first_copies, late_in
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import Column

__all__ = ["cross_partition_inversion", "e2e_key_reorder"]


@dataclass(slots=True)
class Met:
    """Records in the order in which each group met them: by delivery, or by the start of their processing."""

    scope: Column
    value: Column
    consumer: Column
    partition: Column
    offset: Column
    row: Column

    def take(self, rows: Column) -> Met:
        return Met(*(getattr(self, name)[rows] for name in self.__slots__))


def e2e_key_reorder(evidence: Evidence) -> Found:
    """Per (group, producer instance, key), by first delivery (by processing start where the group tells those)."""
    started = bool((evidence.history.processing.end == 0).any())
    runs = None if evidence.keys_move or started else _disordered(evidence)
    if runs is not None and not len(runs):
        return Found()
    met = _handed_over(evidence, runs)
    if started:
        met = _with_starts(evidence, met)
    sends = evidence.history.records
    keep = (sends.key[met.value] >= 0) & (sends.prod[met.value] >= 0)
    met = met if keep.all() else met.take(keep)
    return _late(evidence, combine(met.scope, sends.prod[met.value], sends.key[met.value]), met, blame=True)


def cross_partition_inversion(evidence: Evidence) -> Found:
    """Per (group, producer instance), deliveries over all partitions: nothing that Kafka promises."""
    runs = evidence.disordered_deliveries
    if runs is not None and not len(runs):
        return Found()
    if runs is not None and 2 * len(runs) > len(evidence.history.polls):
        runs = None  # to choose among them would take longer than to look at all
    met = _handed_over(evidence, runs)
    prod = evidence.history.records.prod
    keep = prod[met.value] >= 0
    met = met if keep.all() else met.take(keep)
    return _late(evidence, combine(met.scope, prod[met.value]), met, blame=False)


def _disordered(evidence: Evidence) -> Column | None:
    """Rows of the polls table among which some group may have got a producer's records of a partition out of order.

    They are among those out of order over all partitions. None: runs cannot tell.
    """
    some, deliveries, polls = evidence.disordered_deliveries, evidence.deliveries, evidence.history.polls
    if some is None or not len(some):
        return some
    value, places = polls.value[some], deliveries.scope[some] * len(evidence.history.partitions) + polls.partition[some]
    doubled = None if deliveries.doubled is None else deliveries.doubled[some]

    def lanes(rows: Any) -> Column:
        return evidence.lane(places[rows], value[rows])

    return some[disordered_runs(evidence.history.records.i, value, polls.count[some], lanes, doubled)]


def _handed_over(evidence: Evidence, runs: Column | None) -> Met:
    """Deliveries (of these rows of the polls table), without those in transactions that did not commit."""
    deliveries, polls = evidence.deliveries, evidence.history.polls
    if runs is None and not deliveries.counted.all():
        runs = np.flatnonzero(deliveries.counted)
    if runs is None:
        singles = deliveries.singles
        run, offset, value = singles.run, singles.offset, singles.value
    else:
        run, offset, value = expand(polls.count[runs], polls.offset[runs], polls.value[runs])
        run = runs[run]
    return Met(deliveries.scope[run], value, polls.consumer[run], polls.partition[run], offset, polls.row[run])


def _with_starts(evidence: Evidence, met: Met) -> Met:
    """Groups that tell starts of processing meet a record then."""
    progress = evidence.progress
    table = progress.processing.take(progress.processing.end == 0)
    value = progress.values(table)
    table, value = table.take(value >= 0), value[value >= 0]
    theirs = evidence.deliveries.scopes[table.consumer]
    tell = evidence.history.processing.consumer[evidence.history.processing.end == 0]
    others = met.take(~np.isin(met.scope, evidence.deliveries.scopes[tell]))
    starts = Met(theirs, value, table.consumer, table.partition, table.offset, table.row)
    return Met(*(np.concatenate([getattr(one, name) for one in (others, starts)]) for name in Met.__slots__))


def _late(evidence: Evidence, groups: Column, met: Met, blame: bool) -> Found:
    sends, again = evidence.history.records, evidence.deliveries.repeated
    doubtful = None
    if evidence.unique_uids and not len(evidence.history.processing):
        doubtful = met.value[:0] if again is None else np.flatnonzero(again[met.value])
    keep = first_copies(sends.uid[met.value], groups, doubtful)
    if not keep.all():
        groups, met = groups[keep], met.take(keep)
    order = by_group(groups)
    late, overtaker, extent = late_in(sends.i[met.value[order]], groups[order])
    late, overtaker = order[late], order[overtaker]
    chosen = np.flatnonzero(late <= np.partition(late, WITNESSES)[WITNESSES]) if len(late) > WITNESSES else slice(None)
    told = sorted(zip(*(column[chosen].tolist() for column in (late, overtaker, extent)), strict=True))[:WITNESSES]
    witnesses = [_witness(evidence, met, a, b, distance, blame) for a, b, distance in told]
    pairs = pairs_of(sends.prod[met.value[late]], met.partition[late])
    split = met.partition[late] != met.partition[overtaker]
    innocent = blame and _in_order_in_the_log(evidence, met.value[late[~split]], met.value[overtaker[~split]])
    return Found(len(late), witnesses, len(late), pairs, elsewhere=int(split.sum()), blameless=innocent)


def _in_order_in_the_log(evidence: Evidence, late: Column, overtaker: Column) -> bool:
    """Some late value stands before its overtaker there."""
    places = evidence.logs.place_of
    return bool((places[late] < places[overtaker]).any())


def _witness(evidence: Evidence, met: Met, late: int, other: int, extent: int, blame: bool) -> dict[str, Any]:
    records = [
        evidence.record(
            int(met.value[k]), role=role, p=evidence.partition(met.partition[k]), o=int(met.offset[k]),
            con=evidence.consumer(met.consumer[k]), event=evidence.history.event(int(met.row[k])),
        )
        for k, role in ((late, "late"), (other, "overtaker"))
    ]  # fmt: skip
    told: dict[str, Any] = {
        "group": evidence.deliveries.scope_names[int(met.scope[late])], "partition": records[0]["p"],
        "records": records, "offsets": [r["o"] for r in records], "events": [r["event"] for r in records],
        "extent": extent,
    }  # fmt: skip
    if blame:
        told["key"] = evidence.history.keys[int(evidence.history.records.key[met.value[late]])]
        told["layer"] = _layer(evidence, int(met.value[late]), int(met.value[other]), records)
    return told


def _layer(evidence: Evidence, late: int, other: int, records: list[dict[str, Any]]) -> str:
    """Where the order was lost."""
    if records[0]["p"] != records[1]["p"]:
        return "partition split"
    places = evidence.logs.place_of
    return "log" if places[late] > places[other] >= 0 else "delivery or processing"
