"""What a finder gives, what a verdict keeps of it, and the names of all findings with their classes.

A finder is a function from :class:`~analysis.evidence.Evidence` to :class:`Found`. It counts everything and describes
at most :data:`WITNESSES` cases; it knows nothing of expectations or configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.columns import mask_of
from analysis.history import Column

if TYPE_CHECKING:
    from analysis.evidence import Evidence

__all__ = ["CLASSES", "LOG_LEVEL", "WITNESSES", "Finder", "Finding", "Found"]

WITNESSES = 100
MOST_MARKED = 1 << 22  # pairs of which a mask is quicker than a sort
Pair = tuple[int, int]  # producer instance and partition, -1 where there is none


@dataclass(slots=True)
class Found:
    """*total*: of witnesses, told or not. The rest is for the question whether the configuration allows it:

    *pairs*: who and where; *elsewhere*: cases that no guarantee covers (over two partitions, sent again by the
    application); *blameless*: the producer's part of it is in order.
    """

    count: int = 0
    witnesses: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    pairs: set[Pair] = field(default_factory=set)
    elsewhere: int = 0
    blameless: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finder:
    """*lacking* says what the history would need to be judged by this name, or nothing."""

    name: str
    find: Callable[[Evidence], Found]
    lacking: Callable[[Evidence], str | None]


@dataclass(slots=True)
class Finding:
    """One name's result. *by*: the option that allows it, in words; where *allowed* is None, what it hangs on."""

    name: str
    kind: str  # violation, alternative, information
    count: int = 0
    allowed: bool | None = None
    by: str = ""
    checked: bool = True
    why: str = ""
    witnesses: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"count": self.count, "class": self.kind}
        found |= {"allowed": self.allowed, "checked": self.checked}
        if self.by:
            found["allowed_by"] = self.by
        if not self.checked:
            found["why"] = self.why
        return found | self.extra | {"witnesses": self.witnesses, "total": self.total}


def _classes(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


# Exchange format, section 3, in its order.
CLASSES: dict[str, str] = (
    _classes("violation", """
        append-reorder key-reorder e2e-key-reorder duplicate-append lost-acked inconsistent-offsets committed-truncation
        replica-divergence sequence-gap sequence-regression fenced-append leader-epoch-regression offset-gap
        realtime-inversion poll-skip nonmonotonic-poll int-poll-skip int-nonmonotonic-poll duplicate-delivery
        aborted-read uncommitted-read precommitted-read above-hw-read unseen lost-processing lost-write
        out-of-order-processing overlapping-processing duplicate-processing premature-commit torn-transaction G1c-wr
    """)
    | _classes("alternative", "nonmonotonic-send int-nonmonotonic-send")
    | _classes("information", """
        int-send-skip G0 G1c cross-partition-inversion key-partition-split open-transaction commit-regression
    """)
)  # fmt: skip


# Those that are judged by what producers and brokers did, whatever readers got.
LOG_LEVEL = (
    "append-reorder", "key-reorder", "duplicate-append", "lost-acked", "inconsistent-offsets", "committed-truncation",
    "replica-divergence", "sequence-gap", "sequence-regression", "fenced-append", "leader-epoch-regression",
    "offset-gap", "realtime-inversion",
)  # fmt: skip


def pairs_of(prod: Column, partition: Column) -> set[Pair]:
    """The different pairs."""
    if not len(prod):
        return set()
    width = int(partition.max()) + 2
    code = (prod.astype(np.int64) + 1) * width + partition + 1
    found = np.flatnonzero(mask_of(code, int(code.max()) + 1)) if code.max() < MOST_MARKED else np.unique(code)
    return {(a - 1, b - 1) for a, b in zip((found // width).tolist(), (found % width).tolist(), strict=True)}
