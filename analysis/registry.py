"""Every finder under its name, with what a history must have to be judged by it.

A name of the exchange format that has no entry here is reported as not checked, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable

from analysis.evidence import Evidence
from analysis.finders import copies, order
from analysis.finding import Finder, Found

__all__ = ["FINDERS"]


def _appends(evidence: Evidence) -> str | None:
    return None if len(evidence.history.appends) else "the history has no appends"


def _sends(evidence: Evidence) -> str | None:
    if not (evidence.history.records.prod >= 0).any():
        return "the history has no sends"
    return _appends(evidence)


def _append_times(evidence: Evidence) -> str | None:
    if not evidence.history.append_times:
        return "append_times is false: appends are in order per partition only"
    if not (evidence.history.records.key >= 0).any():
        return "no record has a key"
    return _sends(evidence)


def _acks(evidence: Evidence) -> str | None:
    return _appends(evidence) if evidence.acked.any() else "the history has no acks"


def _all(*finders: tuple[str, Callable[[Evidence], Found], Callable[[Evidence], str | None]]) -> dict[str, Finder]:
    return {name: Finder(name, find, lacking) for name, find, lacking in finders}


FINDERS: dict[str, Finder] = _all(
    ("append-reorder", order.append_reorder, _sends),
    ("key-reorder", order.key_reorder, _append_times),
    ("duplicate-append", copies.duplicate_append, _appends),
    ("lost-acked", copies.lost_acked, _acks),
)
