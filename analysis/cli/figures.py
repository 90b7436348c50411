"""The figures that ``korder run --out`` keeps: one timeline a partition where something is to be seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.verdict import Verdict
    from sim.trace import Trace

__all__ = ["draw", "partitions_to_draw"]

MOST = 4


def draw(folder: Path, trace: Trace, verdict: Verdict) -> list[bytes]:
    """PNG files in *folder*; their contents too, in the same order."""
    import matplotlib

    matplotlib.use("Agg")
    from analysis.plots import timeline

    drawn = []
    for partition in partitions_to_draw(verdict):
        figure: Any = timeline(trace, partition)
        path = folder / f"timeline-{partition}.png"
        figure.savefig(path, dpi=130)
        drawn.append(path.read_bytes())
    return drawn


def partitions_to_draw(verdict: Verdict) -> list[str]:
    """The partitions of witnesses of violations, those of the worst first seen; else the first of all."""
    named: dict[str, None] = {}
    for finding in verdict.findings.values():
        if finding.kind == "violation":
            named |= {str(one["partition"]): None for one in finding.witnesses if one.get("partition") is not None}
    return (list(named) or list(verdict.history.partitions))[:MOST] if named else list(verdict.history.partitions)[:1]
