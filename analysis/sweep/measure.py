"""One run as one row of a sweep's table, and what every column means.

The table is tidy: a row a run, named by ``cell`` and ``seed``. Its schema has a version; a column is never renamed or
given another meaning without a new one; a finding that korder learns is a new column. ``korder schema sweep`` prints
all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analysis.columns import expand
from analysis.evidence import Evidence
from analysis.finders.order import late_places
from analysis.finding import CLASSES
from analysis.history import ACK, FAIL, UNKNOWN, Column
from analysis.statistics import warm
from analysis.streams import measures_of_the_log
from analysis.verdict import judge
from sim.protocol.rows import Kind

if TYPE_CHECKING:
    from sim.trace import Trace

__all__ = ["COLUMNS", "EXTENTS", "RATES", "SCHEMA_VERSION", "Meaning", "row_of"]

SCHEMA_VERSION = 2  # 1 had no sums over streams
SUMMED, LARGEST = ("inversions", "rem", "footrule", "descents"), ("max_displacement", "dis")
EXTENTS = tuple(1 << power for power in range(11))  # 1, 2, 4, ... 1024


class Meaning(NamedTuple):
    kind: str  # bool, int, float or text; may be null where *null* says when
    words: str
    null: str = ""


_NO_ACK, _NO_READER = "nothing was acknowledged", "nothing was delivered"
_OWN: dict[str, Meaning] = {
    "cell": Meaning("int", "number of the combination of varied values, from 0"),
    "seed": Meaning("int", "seed of the run"),
    "digest": Meaning("text", "digest of the trace: equal for equal runs"),
    "settled": Meaning("bool", "nothing was under way when the run ended"),
    "fault_strikes": Meaning("int", "how often a fault of the scenario struck"),
    "records": Meaning("int", "records that the applications sent"),
    "acked": Meaning("int", "records acknowledged"),
    "unknown": Meaning("int", "records whose send failed though they may be in the log"),
    "failed": Meaning("int", "records whose send failed for certain"),
    "refused": Meaning("int", "records that send() itself refused"),
    "counted": Meaning("int", "records sent at or after the warm-up; what follows down to lost is of these"),
    "counted_acked": Meaning("int", "of them, acknowledged"),
    "late": Meaning("int", "behind a record in the log that their producer sent later (append-reorder)"),
    **{f"extent_ge_{n}": Meaning("int", f"late with a reordering extent of {n} or more (RFC 4737)") for n in EXTENTS},
    "max_extent": Meaning("int", "largest reordering extent, 0 without a late record"),
    "doubled": Meaning("int", "stored more than once (duplicate-append)"),
    "lost": Meaning("int", "acknowledged and not in the log in the end (lost-acked)"),
    **{name: Meaning("int", f"{words}, {over} all streams of the log of the whole run") for name, words, over in (
        ("inversions", "pairs of a stream in the wrong order", "in"),
        ("rem", "fewest records to move to sort a stream", "in"),
        ("footrule", "sum of the distances of records from their place", "in"),
        ("descents", "neighbours in the wrong order", "in"),
        ("max_displacement", "largest distance of a record from its place", "of"),
        ("dis", "largest distance of two records in the wrong order", "of"),
    )},
    "kendall_tau": Meaning("float", "smallest Kendall tau of a stream of the log", "no stream has two records"),
    "acked_per_s": Meaning("float", "acknowledged records a second of simulated time, first send to last ack", _NO_ACK),
    "ack_mean_us": Meaning("float", "mean time from send() to its acknowledgement", _NO_ACK),
    "ack_p50_us": Meaning("float", "median of that time", _NO_ACK),
    "ack_p99_us": Meaning("float", "99th percentile of that time", _NO_ACK),
    "delivery_p50_us": Meaning("float", "median time from send() to the first delivery to a reader", _NO_READER),
    "delivery_p99_us": Meaning("float", "99th percentile of that time", _NO_READER),
}
COLUMNS: dict[str, Meaning] = _OWN | {
    name: Meaning("int", f"count of the finding {name} in the whole run ({kind})", "it could not be checked")
    for name, kind in CLASSES.items()
}  # fmt: skip

RATES = {"late": "counted", "doubled": "counted", "lost": "counted_acked"}  # numerator -> denominator


def row_of(trace: Trace, cell: int, warm_up_us: int) -> dict[str, Any]:
    """All of :data:`COLUMNS` for one run; JSON types."""
    verdict = judge(trace)
    evidence = verdict.evidence
    counts = {name: one.count if one.checked else None for name, one in verdict.findings.items()}
    own: dict[str, Any] = {"cell": cell, "seed": int(trace.header["seed"]), "digest": str(trace.header["digest"])}
    own |= {"settled": bool(trace.header["settled"]), "fault_strikes": _strikes(trace)}
    own |= _fates(trace, evidence) | _order(evidence, warm_up_us) | _disorder(evidence)
    return own | _times(evidence, warm_up_us) | counts


def _strikes(trace: Trace) -> int:
    """A fault of several connections or hosts is a row each, and one strike."""
    rows = trace.events["kind"] == Kind.FAULT
    return len(np.unique(np.stack([trace.events["t_us"][rows], trace.events["n"][rows]]), axis=1).T)


def _fates(trace: Trace, evidence: Evidence) -> dict[str, int]:
    told = evidence.history.outcomes
    words = {"acked": ACK, "unknown": UNKNOWN, "failed": FAIL}
    found = {word: int(told.count[told.kind == kind].sum()) for word, kind in words.items()}
    refused = trace.events["kind"] == Kind.REFUSED
    calls = int((trace.events["hi"][refused].astype(np.int64) - trace.events["lo"][refused]).sum())
    return {"records": trace.send_count, **found, "refused": calls}


def _order(evidence: Evidence, warm_up_us: int) -> dict[str, int]:
    """Late, doubled and lost records among those that count."""
    sends, logs = evidence.history.records, evidence.logs
    counts = warm(sends.t, warm_up_us) & (sends.prod >= 0)
    places, _, extents = late_places(evidence)
    extents = extents[counts[logs.records.value[places]]] if len(places) else places
    acked = counts & evidence.acked
    copies = np.bincount(sends.uid, weights=logs.copies, minlength=len(sends))
    own = sends.uid == np.arange(len(sends))
    return {
        "counted": int(counts.sum()),
        "counted_acked": int(acked.sum()),
        "late": len(extents),
        **{f"extent_ge_{n}": int((extents >= n).sum()) for n in EXTENTS},
        "max_extent": int(extents.max(initial=0)),
        "doubled": int((counts & own & (copies > 1)).sum()),
        "lost": int((acked & (logs.copies == 0)).sum()),
    }


def _disorder(evidence: Evidence) -> dict[str, float | None]:
    """The measures of sorting, over the streams of the log (a producer in a partition)."""
    streams = list(measures_of_the_log(evidence).values())
    found: dict[str, float | None] = {name: sum(one[name] for one in streams) for name in SUMMED}
    found |= {name: max((one[name] for one in streams), default=0) for name in LARGEST}
    taus = [one["kendall_tau"] for one in streams if one["received_unique"] > 1]
    return found | {"kendall_tau": float(min(taus)) if taus else None}


def _times(evidence: Evidence, warm_up_us: int) -> dict[str, float | None]:
    history = evidence.history
    sends = history.records
    told = history.outcomes.take(history.outcomes.kind == ACK)
    run, value = expand(told.count, told.value)
    acked_us, sent_us = _warm(told.t[run], sends.t[value], warm_up_us)
    waits = acked_us - sent_us
    span = int(acked_us.max() - sent_us.min()) if len(waits) else 0
    return {
        "acked_per_s": len(waits) * 1_000_000 / span if span else None,
        "ack_mean_us": int(waits.sum()) / len(waits) if len(waits) else None,
        **_quantiles("ack", waits),
        **_quantiles("delivery", _delivery_waits(evidence, warm_up_us)),
    }


def _warm(seen_us: Column, sent_us: Column, warm_up_us: int) -> tuple[Column, Column]:
    keep = warm(sent_us, warm_up_us)
    return seen_us[keep].astype(np.int64), sent_us[keep].astype(np.int64)


def _delivery_waits(evidence: Evidence, warm_up_us: int) -> Column:
    polls, sends = evidence.history.polls, evidence.history.records
    run, value = expand(polls.count, polls.value)
    known = value >= 0
    run, value = run[known], value[known]
    first = np.unique(value, return_index=True)[1]
    seen_us, sent_us = _warm(polls.t[run[first]], sends.t[value[first]], warm_up_us)
    return seen_us - sent_us


def _quantiles(name: str, waits: Column) -> dict[str, float | None]:
    """The value at rank ceil(q * n): one that occurred, so no rounding of a machine is in it."""
    ordered = np.sort(waits)
    found = {}
    for percent in (50, 99):
        rank = -(-percent * len(ordered) // 100)
        found[f"{name}_p{percent}_us"] = float(ordered[rank - 1]) if rank else None
    return found
