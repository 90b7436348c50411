"""The figures that ``korder run --out`` keeps: timelines of partitions with something to be seen, and of groups."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.verdict import Verdict

__all__ = ["draw", "partitions_to_draw"]

MOST = 4


def draw(folder: Path, verdict: Verdict) -> list[bytes]:
    """PNG files in *folder*; their contents too, in the same order."""
    import matplotlib

    matplotlib.use("Agg")  # no window, whatever the machine has
    from matplotlib.pyplot import close

    from analysis.group_plots import group_timeline, groups_of
    from analysis.plots import timeline

    drawn = []
    figures: list[tuple[str, Any, str]] = [
        (f"timeline-{partition}.png", timeline, partition) for partition in partitions_to_draw(verdict)
    ]
    for group in groups_of(verdict.history)[:MOST]:
        figures.append((f"group-{re.sub(r'[^A-Za-z0-9._-]', '_', group)}.png", group_timeline, group))
    for name, picture, what in figures:
        figure = picture(verdict, what)
        path = folder / name
        figure.savefig(path, dpi=130)
        close(figure)
        drawn.append(path.read_bytes())
    return drawn


def partitions_to_draw(verdict: Verdict) -> list[str]:
    """Those that a witness of a violation names, in the order of findings; the first of all where there is none."""
    named: dict[str, None] = {}
    for finding in verdict.findings.values():
        if finding.kind == "violation":
            named |= {str(one["partition"]): None for one in finding.witnesses if one.get("partition") is not None}
    return list(named)[:MOST] or list(verdict.history.partitions)[:1]
