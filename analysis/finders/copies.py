"""Too many and too few: duplicate-append, lost-acked (anomalies 1.3, 1.4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.columns import expand, offset_key, starts_of
from analysis.evidence import Evidence
from analysis.finding import WITNESSES, Found, pairs_of
from analysis.history import ACK, Column

__all__ = ["duplicate_append", "known_gone", "lost_acked", "where_acked"]


def duplicate_append(evidence: Evidence) -> Found:
    if evidence.single_copies:
        return Found(extra={"extra": 0})
    seen, sends, places = evidence.logs.records, evidence.history.records, evidence.doubled_places
    if not len(places):
        return Found(extra={"extra": 0})
    uid = sends.uid[seen.value[places]]
    order = np.argsort(uid, kind="stable")
    places, uid = places[order], uid[order]
    starts = starts_of(uid)
    groups = np.split(places[: np.append(starts, len(places))[:WITNESSES + 1][-1]], starts[1:WITNESSES])
    witnesses = [_copies(evidence, group) for group in groups]
    value = seen.value[places]
    again = evidence.logs.copies[value] > 1  # the client sent it again
    by_client = np.logical_or.reduceat(again, starts)
    pairs = pairs_of(sends.prod[value[again]], seen.partition[places[again]])
    extra = {"extra": len(places) - len(starts)}
    return Found(len(starts), witnesses, len(starts), pairs, int((~by_client).sum()), extra=extra)


def _copies(evidence: Evidence, places: Column) -> dict[str, Any]:
    records = [evidence.stored(int(place)) for place in places]
    return {
        "uid": evidence.value(evidence.history.records.uid[evidence.logs.records.value[places[0]]]),
        "partition": records[0]["p"], "records": records, "offsets": [r["o"] for r in records],
        "events": [r["event"] for r in records], "mechanism": _same_identity(records),
    }  # fmt: skip


def _same_identity(records: list[dict[str, Any]]) -> str:
    """What the producer identities of the copies say about where the second came from (anomalies 1.3)."""
    if len({record["v"] for record in records}) > 1:
        return "the application sent it again"
    if any("pid" not in record for record in records):
        return "no producer identity"
    if len({r["pid"] for r in records}) == 1 and any("epoch" not in r or "seq" not in r for r in records):
        return "same producer id: epoch or sequence are not told"
    if len({(r["pid"], r.get("epoch"), r.get("seq")) for r in records}) == 1:
        return "same producer id, epoch and sequence: the broker did not recognise it"
    if len({(r["pid"], r.get("epoch")) for r in records}) == 1:
        return "same producer id and epoch, another sequence: sent again"
    return "another producer id or epoch: the producer began anew"


def lost_acked(evidence: Evidence) -> Found:
    history, logs = evidence.history, evidence.logs
    missing = evidence.acked & (logs.copies == 0)
    if not missing.any():
        return Found()
    values = np.flatnonzero(missing)
    values = values[~evidence.transactions.may_be_hidden[values]]
    partition, offset, row = where_acked(evidence, values)
    keep = ~known_gone(evidence, partition, offset)
    values, partition, offset, row = values[keep], partition[keep], offset[keep], row[keep]
    cases = list(zip(values.tolist(), partition.tolist(), offset.tolist(), row.tolist(), strict=True))[:WITNESSES]
    witnesses = [_loss(evidence, *case) for case in cases]
    return Found(len(values), witnesses, len(values), pairs_of(history.records.prod[values], partition))


def where_acked(evidence: Evidence, values: Column) -> tuple[Column, Column, Column]:
    """Partition, offset (-1: not told) and row of the first ack of each value."""
    told = evidence.history.outcomes.take(evidence.history.outcomes.kind == ACK)
    run, value, offset = expand(told.count, told.value, told.offset)
    offset = np.where(told.offset[run] < 0, -1, offset)
    order = np.argsort(value, kind="stable")
    at = order[np.searchsorted(value[order], values)]
    return told.partition[run[at]], offset[at], told.row[run[at]]


def known_gone(evidence: Evidence, partition: Column, offset: Column) -> Column:
    """Expired or compacted before the history saw the log."""
    logs, log = evidence.logs, evidence.logs.final
    expired: Column = (offset >= 0) & (partition >= 0)
    expired[expired] = logs.gone(partition[expired], offset[expired])
    if expired.any():  # unless another record stands there: then it was lost before
        run, place = expand(log.count, log.offset)
        taken = np.isin(offset_key(partition, offset), offset_key(log.partition[run], place))
        expired &= ~taken
    return expired


def _loss(evidence: Evidence, value: int, partition: int, offset: int, row: int) -> dict[str, Any]:
    event = evidence.history.event
    record = evidence.record(
        value, p=evidence.partition(partition), o=offset if offset >= 0 else None, event=event(row),
    )  # fmt: skip
    kind, broker, appended, removed = _fate(evidence, value)
    events = [event(r) for r in (appended, row, removed) if r >= 0]
    told: dict[str, Any] = {"partition": record.get("p"), "records": [record], "events": events, "fate": kind}
    told["offsets"] = [offset] if offset >= 0 else []
    if broker >= 0:
        told["last_on_broker"] = evidence.broker(broker)
    return told


def _fate(evidence: Evidence, value: int) -> tuple[str, int, int, int]:
    """What became of a lost value: (words, broker that had it last, row of that append, row that removed it)."""
    appends, cuts = evidence.history.appends, evidence.history.truncations
    had = np.flatnonzero((appends.value <= value) & (value < appends.value + appends.count) & (appends.value >= 0))
    if not len(had):
        return "never appended", -1, -1, -1
    last = had[-1]
    broker, row = int(appends.broker[last]), int(appends.row[last])
    offset = appends.offset[last] + value - appends.value[last]
    cut = (cuts.row > row) & (cuts.partition == appends.partition[last]) & (cuts.broker == broker) & (cuts.to <= offset)
    if cut.any():
        return "appended and truncated", broker, row, int(cuts.row[np.flatnonzero(cut)[0]])
    if broker == evidence.logs.last_leader[appends.partition[last]]:
        return "hidden by the end of its transaction", broker, row, -1
    return "only on replicas that do not lead", broker, row, -1
