"""A picture of one consumer group in time: who has which partition, who works on it, what is committed.

A row is a partition, a lane in it a member that had it. The pale bar is the time from assignment to revocation as the
member saw it, the dark marks on it are records in work, ticks are commits, crosses commits that were refused. Where a
partition was taken over from somebody who went on, two lanes of one row are filled at the same time: a hatched red box
round both says since when and until when two members took it for theirs.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from analysis.history import FORGET_ASSIGN, FORGET_CRASH, FORGET_REVOKE, Column, History
from analysis.scene import fault_words
from sim.errors import InputError

__all__ = ["group_timeline", "groups_of"]

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#882255")
INK, REFUSED, STOLEN = "#1B1F24", "#D55E00", "#C1121F"
MOST_ROWS = 16
UNITS_PER_S = {"ns": 1_000_000_000, "us": 1_000_000, "ms": 1_000}
LEVELS, LETTER = 3, 0.0055  # rows of words above, and how much of the picture's width a letter takes
MARKS = 300  # no more commits than this are drawn a lane
MERGED = 2_000  # pieces of work closer than this share of the picture are drawn as one

Span = tuple[int, int]


def groups_of(history: History) -> list[str]:
    """Groups with members that were assigned something, in order of first mention."""
    assigned = history.positions.consumer[history.positions.kind == FORGET_ASSIGN]
    named = [history.consumers.group[consumer] for consumer in np.unique(assigned).tolist()]
    return list(dict.fromkeys(name for name in named if name is not None))


def group_timeline(source: Any, group: str | None = None, *, window: tuple[float, float] | None = None) -> Figure:
    """*source*: a trace, a history, a verdict or a path; *group*: its name (default: the first one); *window*: first
    and last moment in seconds (default: everything). Raises ``InputError`` where there is no such group."""
    history = _history(source)
    known = groups_of(history)
    if not known or (group is not None and group not in known):
        found = f"known: {', '.join(known)}" if known else "the history has no group that was assigned anything"
        raise InputError("group", f"{group or 'a group'} is not in this history", found)
    return _Picture(history, group or known[0], window).figure()


def _history(source: Any) -> History:
    from analysis.verdict import history_of

    inner = getattr(source, "history", source)
    return inner if isinstance(inner, History) else history_of(source)


class _Picture:
    def __init__(self, history: History, group: str, window: tuple[float, float] | None) -> None:
        self.history, self.group = history, group
        self.unit = UNITS_PER_S[history.time_unit]
        self.members = [code for code, name in enumerate(history.consumers.group) if name == group]
        times = [table.t for table in (history.positions, history.processing, history.commits) if len(table)]
        first, last = (int(min(t.min() for t in times)), int(max(t.max() for t in times)))
        self.start, self.end = (first, last) if window is None else tuple(round(one * self.unit) for one in window)
        if self.start >= last:
            rule = f"begins when nothing is told any more: the last event of the group is at {last / self.unit:g} s"
            raise InputError("window", rule, "choose an earlier one")
        self.end = min(self.end, last)  # beyond it nobody knows who owns what
        self.owned = self._ownership()
        self.lanes = sorted(self.owned, key=lambda lane: (lane[0], self.members.index(lane[1])))
        self.partitions = list(dict.fromkeys(partition for partition, _ in self.lanes))[:MOST_ROWS]
        self.lanes = [lane for lane in self.lanes if lane[0] in self.partitions]

    def _ownership(self) -> dict[tuple[int, int], list[Span]]:
        """By (partition, member): from assignment to revocation, crash, or the end."""
        table, open_since = self.history.positions, dict[tuple[int, int], int]()
        found: dict[tuple[int, int], list[Span]] = {}
        for t, kind, consumer, partition in zip(
            *(column.tolist() for column in (table.t, table.kind, table.consumer, table.partition)), strict=True
        ):
            if consumer not in self.members:
                continue
            if kind == FORGET_ASSIGN:
                open_since[partition, consumer] = t
            gone = [key for key in open_since if key[1] == consumer and (kind == FORGET_CRASH or key[0] == partition)]
            for key in gone if kind in (FORGET_REVOKE, FORGET_CRASH) else []:
                found.setdefault(key, []).append((open_since.pop(key), t))
        for key, since in open_since.items():
            found.setdefault(key, []).append((since, max(self.end, since)))
        return found

    def work(self, partition: int, consumer: int) -> list[Span]:
        """Stretches in which the member had records of the partition in work."""
        table = self.history.processing
        mine = np.flatnonzero((table.partition == partition) & (table.consumer == consumer))
        order = mine[np.lexsort((mine, table.offset[mine]))]  # by offset, then time: a start is before its end
        offset, ends = table.offset[order], table.end[order] != 0
        starts = np.flatnonzero(~ends[:-1] & ends[1:] & (offset[:-1] == offset[1:]))
        return _merged(table.t[order[starts]], table.t[order[starts + 1]], max(1, (self.end - self.start) // MERGED))

    # --- drawing ------------------------------------------------------------------------------------------------------
    def figure(self) -> Figure:
        figure, axes = plt.subplots(figsize=(12, 2.4 + 0.34 * len(self.lanes)), layout="constrained")
        height = 0.8
        self.y = {lane: -place for place, lane in enumerate(self.lanes)}
        for (partition, consumer), y in self.y.items():
            colour = self.colour(consumer)
            owned, work = self.bars(self.owned[partition, consumer]), self.bars(self.work(partition, consumer))
            axes.broken_barh(owned, (y - height / 2, height), color=colour, alpha=0.25)
            axes.broken_barh(work, (y - height / 4, height / 2), color=colour)
            self.commits(axes, partition, consumer, y)
        for partition in self.partitions:
            self.stolen(axes, partition)
        self.faults(axes)
        self.dress(axes)
        return figure

    def stolen(self, axes: Axes, partition: int) -> None:
        """Boxes over the times in which the partition had several owners, as they saw it."""
        lanes = [lane for lane in self.lanes if lane[0] == partition]
        low, high = self.y[lanes[-1]] - 0.5, self.y[lanes[0]] + 0.5
        for since, until, _ in _shared([self.owned[lane] for lane in lanes]):
            box = Rectangle(
                (since / self.unit, low), (until - since) / self.unit, high - low,
                facecolor="none", edgecolor=STOLEN, hatch="//", linewidth=1.4, zorder=3, alpha=0.8,
            )  # fmt: skip
            axes.add_patch(box)

    def colour(self, consumer: int) -> str:
        return COLOURS[self.members.index(consumer) % len(COLOURS)]

    def bars(self, spans: list[Span]) -> list[tuple[float, float]]:
        return [(a / self.unit, (b - a) / self.unit) for a, b in spans]

    def commits(self, axes: Axes, partition: int, consumer: int, y: float) -> None:
        table = self.history.commits
        mine = (table.partition == partition) & (table.consumer == consumer)
        for ok, mark, colour in ((True, "|", INK), (False, "x", REFUSED)):
            t = table.t[mine & ((table.ok > 0) == ok)]
            room = max(1, (self.end - self.start) // MARKS)
            kept = t[np.unique(t // room, return_index=True)[1]] / self.unit
            axes.plot(kept, np.full(len(kept), y - 0.3), mark, color=colour, markersize=5 if ok else 6, zorder=4)

    def faults(self, axes: Axes) -> None:
        """What was done to the system, and who died."""
        notes, words, ends = self.history.notes, self.history.words, [0.0] * LEVELS
        told: dict[
            int, dict[str, None]
        ] = {}  # by time; what strikes a whole process is noted once for each of its clients
        for t, kind, what in zip(notes.t.tolist(), notes.kind.tolist(), notes.what.tolist(), strict=True):
            if words[kind] in ("fault", "heal", "resume", "restart") and self.start <= t <= self.end:
                text = fault_words(words[what]) if words[kind] == "fault" else f"{words[kind]} {words[what]}"
                told.setdefault(t, {})[text] = None
        for t, texts in told.items():
            axes.axvline(t / self.unit, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
            text = "; ".join(texts)
            share = (t - self.start) / (self.end - self.start)
            level = next((k for k, end in enumerate(ends) if end <= share), ends.index(min(ends)))
            ends[level] = share + LETTER * (len(text) + 2)
            axes.annotate(
                text, (t / self.unit, 0.62), xytext=(3, 10 * level), textcoords="offset points", fontsize=7.5,
                va="bottom", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip

    def dress(self, axes: Axes) -> None:
        names = self.history.consumers.names
        labels = [f"{self.history.partitions[partition]}  {names[consumer]}" for partition, consumer in self.lanes]
        axes.set_yticks(list(self.y.values()), labels, fontsize=8)
        axes.set_ylim(-len(self.lanes) + 0.4, 2 if axes.texts else 0.8)
        axes.set_xlim(self.start / self.unit, self.end / self.unit)
        axes.set_xlabel("time in seconds")
        for above, below in zip(self.lanes, self.lanes[1:], strict=False):
            if above[0] != below[0]:
                axes.axhline(self.y[below] + 0.5, color="#C4CAD2", linewidth=0.6)
        axes.set_title(f"group {self.group} in time", loc="left", fontsize=12, fontweight="bold", pad=26)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        shown = list(dict.fromkeys(consumer for _, consumer in self.lanes))[:8]
        handles: list[Any] = [Patch(color=self.colour(one), label=names[one]) for one in shown]
        handles += [
            Patch(color="#8A939E", alpha=0.25, label="assigned"), Patch(color="#8A939E", label="in work"),
            Line2D([], [], marker="|", color=INK, linestyle="", label="commit"),
            Line2D([], [], marker="x", color=REFUSED, linestyle="", label="commit refused"),
        ]  # fmt: skip
        if any(_shared([self.owned[lane] for lane in self.lanes if lane[0] == one]) for one in self.partitions):
            handles.append(Patch(facecolor="none", edgecolor=STOLEN, hatch="//", label="two owners"))
        legend = axes.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(1, 1.01), ncols=len(handles), fontsize=7.5
        )
        legend.set_frame_on(False)


def _shared(lanes: list[list[Span]]) -> list[tuple[int, int, int]]:
    """(from, until, owners) of every time in which two or more of *lanes* have a span."""
    steps = sorted((t, change) for spans in lanes for a, b in spans for t, change in ((a, 1), (b, -1)))
    found: list[tuple[int, int, int]] = []
    owners, most, since = 0, 0, 0
    for t, change in steps:  # at equal times an end comes before a begin
        before, owners = owners, owners + change
        most = max(most, owners)
        if before < 2 <= owners:
            since, most = t, owners
        elif owners < 2 <= before and t > since:
            found.append((since, t, most))
    return found


def _merged(first: Column, last: Column, gap: int) -> list[Span]:
    """Spans in order of time, neighbours closer than *gap* as one."""
    if not len(first):
        return []
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    breaks = np.flatnonzero(first[1:] - last[:-1] > gap)
    begins, ends = np.concatenate(([0], breaks + 1)), np.concatenate((breaks, [len(first) - 1]))
    return list(zip(first[begins].tolist(), last[ends].tolist(), strict=True))
