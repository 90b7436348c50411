"""Figures for files and pages: timelines of partitions where something is to be seen and of groups, logs, and how much
is late."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.evidence import Evidence
    from analysis.verdict import Verdict

__all__ = ["draw", "of_case", "of_finding", "of_verdict", "partitions_to_draw"]

MOST = 4


def draw(folder: Path, verdict: Verdict) -> list[bytes]:
    """PNG files in *folder*; their contents too, in the same order."""
    _without_window()
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


def of_verdict(verdict: Verdict) -> list[bytes]:
    """For a page: a timeline of every partition to draw, then how much is late in the worst stream."""
    _without_window()
    from analysis.plots import timeline

    pictures = [_png(timeline(verdict, partition)) for partition in partitions_to_draw(verdict)]
    return pictures + _how_much(verdict.measures, None)


def of_case(evidence: Evidence, partition: str) -> list[bytes]:
    """For the page of one case: the log of its partition with late and doubled records marked, and how much is late."""
    _without_window()
    from matplotlib.pyplot import subplots

    from analysis.plots import log_diagram
    from analysis.streams import measures_of

    figure, axes = subplots(figsize=(12, 3.6), layout="constrained")
    log_diagram(evidence, partition, axes=axes)
    measures = measures_of(evidence)
    here = {name: one for name, one in measures.items() if name.endswith(f"/{partition}") and name.count("/") == 1}
    return [_png(figure), *_how_much(here, None)]


def of_finding(verdict: Verdict, finding: str) -> bytes:
    """One picture: the group in time where there is one, else a partition around the finding's first case."""
    _without_window()
    from analysis.group_plots import group_timeline, groups_of
    from analysis.plots import timeline

    if groups_of(verdict.history):
        return _png(group_timeline(verdict))
    witnesses = verdict.findings[finding].witnesses
    return _png(timeline(verdict, witnesses[0].get("partition") if witnesses else None))


def _how_much(measures: dict[str, dict[str, Any]], stream: str | None) -> list[bytes]:
    from analysis.amounts import amounts

    if not any(one["reordered_count"] for one in measures.values()):
        return []
    return [_png(amounts(measures, stream))]


def _without_window() -> None:
    import matplotlib

    matplotlib.use("Agg")  # no window, whatever the machine has


def _png(figure: Figure) -> bytes:
    from matplotlib.pyplot import close

    kept = BytesIO()
    figure.savefig(kept, format="png", dpi=110, metadata={"Software": None})
    close(figure)
    return kept.getvalue()


def partitions_to_draw(verdict: Verdict) -> list[str]:
    """Those that a witness of a violation names, in the order of findings; the first of all where there is none."""
    named: dict[str, None] = {}
    for finding in verdict.findings.values():
        if finding.kind == "violation":
            named |= {str(one["partition"]): None for one in finding.witnesses if one.get("partition") is not None}
    return list(named)[:MOST] or list(verdict.history.partitions)[:1]
