"""Pictures of one partition: what happened in time, and what came of it in the log.

``timeline`` draws hosts as rows and messages as lines between them, so that one that overtakes another crosses it.
``log_diagram`` draws send positions over offsets: order is a rising line, a late record lies below it. Colours are
those of Okabe and Ito, and every role has a mark of its own, so that nothing hangs on colour alone.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.evidence import Evidence
from analysis.finders.order import late_places
from analysis.scene import AGAIN, DOUBLE, LATE, LOST, OVERTAKER, PLAIN, Flight, Scene, fault_words, scene_of
from analysis.timeaxis import TimeAxis
from sim.errors import InputError

__all__ = ["log_diagram", "timeline"]

BLUE, VERMILION, GREEN, PURPLE, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#8A939E", "#1B1F24"
COLOURS = {LATE: VERMILION, OVERTAKER: BLUE, DOUBLE: PURPLE, LOST: VERMILION, AGAIN: PURPLE, PLAIN: GREY}
MARKS = {LATE: "v", OVERTAKER: "D", DOUBLE: "s", LOST: "X", AGAIN: "P", PLAIN: "o"}
WORDS = {
    LATE: "late", OVERTAKER: "overtakes", DOUBLE: "stored twice", LOST: "acknowledged, then lost",
    AGAIN: "delivered twice", PLAIN: "other batches",
}  # fmt: skip
BANDS = ("#F1F4F8", "#E3E9F1", "#FAF5E8", "#EAF4EF")
_PAPER = {"facecolor": "white", "alpha": 0.82, "edgecolor": "none", "pad": 0.6}
UNITS_PER_MS = {"ns": 1_000_000, "us": 1_000, "ms": 1}


def timeline(
    source: Any, partition: str | int | None = None, *, window: tuple[float, float] | None = None, title: str = "",
) -> Figure:  # fmt: skip
    """One partition in time, and below it the log that came of it.

    *source*: a trace, a history, a verdict or a path. *partition*: its name or number (default: where most is late).
    *window*: first and last moment in seconds (default: around the case that matters).
    """
    evidence = _evidence(source)
    number = _partition(evidence, partition)
    per_ms = UNITS_PER_MS[evidence.history.time_unit]
    span = None if window is None else (round(window[0] * 1000 * per_ms), round(window[1] * 1000 * per_ms))
    scene = scene_of(evidence, number, span)
    rows = len(scene.producers) + len(scene.brokers) + len(evidence.history.consumers.names)
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(12, 3.2 + 0.72 * max(rows, 4) + 2.6), height_ratios=[0.8 * max(rows, 4) + 1.2, 2.6],
        layout="constrained",
    )  # fmt: skip
    _Timeline(evidence, scene, above).draw(title or f"{evidence.history.partitions[number]} in time")
    log_diagram(evidence, number, axes=below)
    return figure


def _evidence(source: Any) -> Evidence:
    if isinstance(source, Evidence):
        return source
    if isinstance(getattr(source, "evidence", None), Evidence):
        return source.evidence  # type: ignore[no-any-return]
    from analysis.verdict import history_of

    return Evidence(history_of(source))


def _partition(evidence: Evidence, wanted: str | int | None) -> int:
    names = list(evidence.history.partitions)
    if not names:
        raise InputError("partition", "the history names no partition", "there is nothing to draw")
    if wanted is None:
        late, _, _ = late_places(evidence)
        return int(np.bincount(evidence.logs.records.partition[late], minlength=1).argmax()) if len(late) else 0
    if str(wanted) in names:
        return names.index(str(wanted))
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    raise InputError("partition", f"{wanted!r} is not in this history", f"known: {', '.join(names)}")


class _Timeline:
    def __init__(self, evidence: Evidence, scene: Scene, axes: Axes) -> None:
        self.evidence, self.scene, self.axes = evidence, scene, axes
        history = evidence.history
        lanes: list[tuple[str, int]] = [("producer", p) for p in scene.producers]
        lanes += [("broker", b) for b in scene.brokers]
        lanes += [("consumer", c) for c in sorted({consumer for _, consumer, _ in scene.reads})]
        self.y = {lane: -row for row, lane in enumerate(lanes)}
        names = {
            "producer": lambda n: history.producers[n], "broker": lambda n: f"broker {history.brokers[n]}",
            "consumer": lambda n: history.consumers.names[n],
        }  # fmt: skip
        self.names = [names[kind](number) for kind, number in lanes]
        self.time = TimeAxis(self._moments(), scene.start, scene.end, UNITS_PER_MS[history.time_unit])

    def _moments(self) -> list[int]:
        """Times that deserve room."""
        scene, found = self.scene, list[int]()
        for one in scene.flights:
            if one.role != PLAIN or len(scene.flights) < 80:
                found += [x for x in (one.sent, one.stored, one.answered) if x is not None]
        found += [t for t, _, role in scene.reads if role != PLAIN]
        found += [t for t, *_ in scene.notes] + scene.leaders.t.tolist() + [t for t, *_ in scene.cuts]
        return [t for t in found if scene.start <= t <= scene.end]

    def draw(self, title: str) -> None:
        axes = self.axes
        self._bands()
        self._downtimes()
        for y in self.y.values():
            axes.axhline(y, color=INK, linewidth=0.8, zorder=2)
        for flight in sorted(self.scene.flights, key=lambda one: one.role != PLAIN):
            self._flight(flight)
        self._marks()
        self._cuts()
        self._faults()
        self._labels()
        axes.set_yticks(list(self.y.values()), self.names)
        axes.set_ylim(min(self.y.values()) - 0.65, 0.9)
        self.time.dress(axes)
        axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=26)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        self._legend()

    # --- background ---------------------------------------------------------------------------------------------------
    def _bands(self) -> None:
        """Who leads when, by leader epoch."""
        scene, leaders = self.scene, self.scene.leaders
        times = [*leaders.t.tolist(), scene.end]
        for k, (broker, epoch) in enumerate(zip(leaders.broker.tolist(), leaders.lep.tolist(), strict=True)):
            left, right = max(times[k], scene.start), min(times[k + 1], scene.end)
            if left >= right:
                continue
            self.axes.axvspan(self.time(left), self.time(right), color=BANDS[epoch % len(BANDS)], zorder=0, linewidth=0)
            words = f"epoch {epoch}: broker {self.evidence.broker(broker)} leads"
            self.axes.annotate(
                words, (self.time(left), 1), xycoords=("data", "axes fraction"),
                xytext=(3, 3), textcoords="offset points", fontsize=8, color=INK, annotation_clip=False,
            )  # fmt: skip

    def _downtimes(self) -> None:
        """A host that is down or stands still: a thick grey line, named where it begins (its middle may be cut out)."""
        down: dict[int, tuple[int, str]] = {}
        for t, kind, _, host in self.scene.notes:
            if kind in ("crash", "pause"):
                down.setdefault(host, (t, "down" if kind == "crash" else "paused"))
            elif kind in ("restart", "resume") and host in down:
                self._down(host, *down.pop(host), t)
        for host, (t, word) in down.items():
            self._down(host, t, word, self.scene.end)

    def _down(self, host: int, start: int, word: str, end: int) -> None:
        y = self.y.get(("broker", host))
        if y is None or end < self.scene.start:
            return
        left, right = self.time(max(start, self.scene.start)), self.time(min(end, self.scene.end))
        self.axes.plot([left, right], [y, y], color="#B9C0C9", linewidth=9, solid_capstyle="butt", zorder=3)
        self.axes.annotate(
            word, (left, y), xytext=(3, 0), textcoords="offset points", ha="left", va="center", fontsize=7.5, color=INK,
            zorder=6,
        )  # fmt: skip

    # --- messages -----------------------------------------------------------------------------------------------------
    def _flight(self, flight: Flight) -> None:
        top, bottom = self.y[("producer", flight.prod)], self.y.get(("broker", flight.broker))
        if bottom is None:
            return
        hero = flight.role != PLAIN
        colour, width, alpha = COLOURS[flight.role], 1.7 if hero else 0.6, 1.0 if hero else 0.45
        line: dict[str, Any] = {"color": colour, "linewidth": width, "alpha": alpha, "zorder": 5 if hero else 4}
        left = self.time(flight.sent)
        if flight.stored is None:
            self._not_stored(flight, left, top, bottom, line)
            return
        right = self.time(flight.stored)
        self.axes.plot([left, right], [top, bottom], **line)
        self.axes.plot([right], [bottom], marker=MARKS[flight.role], markersize=6 if hero else 2.5, **line)
        if hero and flight.answered is not None:
            self.axes.plot(
                [right, self.time(flight.answered)], [bottom, top], color=colour, linewidth=1, linestyle=":", zorder=5,
            )  # fmt: skip

    def _not_stored(self, flight: Flight, left: float, top: float, bottom: float, line: dict[str, Any]) -> None:
        """Refused by the broker: the line gets there and a cross says so. Never answered: it ends on its way."""
        refused = flight.answered is not None
        stop = self.time((flight.sent + flight.answered) // 2) if flight.answered is not None else left
        y = bottom if refused else top + (bottom - top) * 0.45
        stop = max(stop, left + self.time.width * (0.002 if refused else 0.012))
        self.axes.plot([left, stop], [top, y], linestyle=(0, (4, 2)), **line)
        self.axes.plot([stop], [y], marker="x", markersize=7 if flight.role != PLAIN else 4, **line)
        if flight.answered is not None and flight.role != PLAIN:
            self.axes.plot([stop, self.time(flight.answered)], [y, top], **line | {"linestyle": ":", "linewidth": 1})

    def _marks(self) -> None:
        """Copies on followers, acks at the producer, reads at the consumer."""
        scene = self.scene
        kinds = ((scene.copies, "broker", ""), (scene.acks, "producer", "|"), (scene.reads, "consumer", ""))
        for events, kind, mark in kinds:
            for role in (PLAIN, OVERTAKER, DOUBLE, LOST, AGAIN, LATE):
                mine = [(self.time(t), self.y[kind, n]) for t, n, r in events if r == role and (kind, n) in self.y]
                if not mine:
                    continue
                x, y = zip(*mine, strict=True)
                hero = role != PLAIN
                colour = GREEN if mark else COLOURS[role]
                face = colour if kind == "consumer" or mark else "white"
                size = (10 if hero else 6) if mark else (5.5 if hero else 2.5)
                self.axes.plot(
                    x, y, linestyle="", marker=mark or MARKS[role], markersize=size, color=colour, markerfacecolor=face,
                    markeredgewidth=1.6 if mark and hero else 0.9, zorder=6 if hero else 4, alpha=1 if hero else 0.6,
                )  # fmt: skip

    def _cuts(self) -> None:
        """Truncations, on the row of the broker that cut its log."""
        for t, broker, to in self.scene.cuts[:8]:
            y = self.y.get(("broker", broker))
            if y is not None:
                self.axes.plot([self.time(t)], [y], marker="<", markersize=8, color=INK, zorder=7)
                self.axes.annotate(
                    f"cut to {to}", (self.time(t), y), xytext=(-5, 6), textcoords="offset points", ha="right",
                    fontsize=7.5, color=INK, zorder=9, bbox=_PAPER,
                )  # fmt: skip

    # --- words --------------------------------------------------------------------------------------------------------
    def _faults(self) -> None:
        shown = 0
        for t, kind, what in dict.fromkeys((t, kind, what) for t, kind, what, _ in self.scene.notes):  # not once a host
            if kind not in ("fault", "expire") or not self.scene.start <= t <= self.scene.end or shown >= 6:
                continue
            shown += 1
            x = self.time(t)
            right = x > 0.7 * self.time.width
            self.axes.axvline(x, color=INK, linewidth=1.1, linestyle=(0, (1, 1.5)), zorder=3)
            self.axes.annotate(
                fault_words(what or kind), (x, 0.76), xytext=(-4 if right else 4, -11 * (shown % 2)),
                textcoords="offset points", fontsize=8, color=INK, fontweight="bold", annotation_clip=False, zorder=8,
                ha="right" if right else "left", bbox=_PAPER,
            )  # fmt: skip

    def _labels(self) -> None:
        """Names of the heroes: what they carry and which transmission it is; where they were stored, or why not."""
        taken: list[tuple[float, float, float]] = []
        for flight in self.scene.flights:
            if flight.role == PLAIN or ("broker", flight.broker) not in self.y:
                continue
            top, bottom = self.y["producer", flight.prod], self.y["broker", flight.broker]
            words = f"{self._carried(flight)} try {flight.attempt}"
            words += f" conn {flight.conn}" if flight.conn >= 0 else ""
            self._label(self.time(flight.sent), top + 0.1, words, flight.role, taken, 1)
            if flight.stored is not None:
                last = flight.offset + flight.count - 1
                at = f"{self._carried(flight)} @{flight.offset}" + (f"..{last}" if last > flight.offset else "")
                self._label(self.time(flight.stored), bottom - 0.1, at, flight.role, taken, -1)
            elif flight.error:
                middle = self.time((flight.sent + (flight.answered or flight.sent)) // 2)
                self._label(middle, bottom - 0.1, flight.error, flight.role, taken, -1)

    def _label(
        self, x: float, y: float, words: str, role: str, taken: list[tuple[float, float, float]], step: int,
    ) -> None:  # fmt: skip
        """Above (*step* 1) or below (-1) a line, farther off where there is one already; after four it is left out."""
        room, height = self.time.width * (0.006 + 0.0026 * len(words)), 0.135  # half the width, the whole height
        x = min(max(x, room), self.time.width - room)
        for _ in range(4):
            if not any(abs(x - other) < room + half and abs(y - row) < height * 0.95 for other, row, half in taken):
                break
            y += step * height
        else:
            return
        taken.append((x, y, room))
        self.axes.annotate(
            words, (x, y), ha="center", va="center", fontsize=7.5, color=COLOURS[role], zorder=9,
            bbox=_PAPER,
        )  # fmt: skip

    def _carried(self, flight: Flight) -> str:
        sends = self.evidence.history.records
        first, last = int(sends.i[flight.value]), int(sends.i[flight.value + flight.count - 1])
        return f"#{first}" if first == last else f"#{first}..{last}"

    def _legend(self) -> None:
        there = {one.role for one in self.scene.flights}
        roles = [role for role in (LATE, OVERTAKER, DOUBLE, LOST, AGAIN, PLAIN) if role in there]
        handles = [
            Line2D([], [], color=COLOURS[role], marker=MARKS[role], label=WORDS[role], markersize=5, linewidth=1.4)
            for role in roles
        ]
        extra: tuple[tuple[Any, str, str, str], ...] = (
            ("none", "o", GREY, "copy on a follower"), ("none", "|", GREEN, "ack"), (":", "", GREY, "answer"),
            ("--", "x", GREY, "not stored"),
        )  # fmt: skip
        handles += [
            Line2D([], [], color=colour, marker=mark, linestyle=line, label=words, markersize=6,
                   markerfacecolor="white" if words.startswith("copy") else colour)
            for line, mark, colour, words in extra
        ]  # fmt: skip
        self.axes.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(1, 1.06), ncols=len(handles), fontsize=8, frameon=False,
            columnspacing=1.2, handletextpad=0.4,
        )  # fmt: skip


# --- the log ----------------------------------------------------------------------------------------------------------
def log_diagram(source: Any, partition: str | int | None = None, *, axes: Axes | None = None) -> Axes:
    """Position of the send call over the offset, one line a producer; late records and second copies are marked."""
    evidence = _evidence(source)
    number = _partition(evidence, partition)
    if axes is None:
        _, axes = plt.subplots(figsize=(11, 3.4), layout="constrained")
    view, sends = evidence.logs.records, evidence.history.records
    mine = np.flatnonzero((view.partition == number) & (sends.prod[view.value] >= 0))
    late, overtaker, _ = late_places(evidence)
    late = late[view.partition[late] == number]
    again = mine[evidence.logs.copies[view.value[mine]] > 1]
    low, high = _span(view.offset, mine, late, again)
    mine = mine[(view.offset[mine] >= low) & (view.offset[mine] <= high)]
    for k, prod in enumerate(np.unique(sends.prod[view.value[mine]]).tolist()):
        his = mine[sends.prod[view.value[mine]] == prod]
        axes.plot(
            view.offset[his], sends.i[view.value[his]], color=GREY, linewidth=0.5, marker=".", markersize=3,
            alpha=0.9 if k == 0 else 0.6, label=evidence.history.producers[prod], linestyle=("-", "--", ":")[k % 3],
        )  # fmt: skip
    for places, role in ((np.intersect1d(late, mine), LATE), (np.intersect1d(again, mine), DOUBLE)):
        if len(places):
            axes.plot(
                view.offset[places], sends.i[view.value[places]], linestyle="", marker=MARKS[role], markersize=4,
                color=COLOURS[role], zorder=4, label=f"{WORDS[role]} ({len(places):,})",
            )  # fmt: skip
    axes.set_xlabel(f"offset in {evidence.history.partitions[number]}")
    axes.set_ylabel("send call")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 0.99), ncols=6)
    axes.margins(x=0.01)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    return axes


def _span(offset: Any, mine: Any, late: Any, again: Any) -> tuple[int, int]:
    """Around what is marked; everything where nothing is."""
    marked = np.concatenate([late, again])
    if not len(marked):
        return (int(offset[mine].min()), int(offset[mine].max())) if len(mine) else (0, 0)
    low, high = int(offset[marked].min()), int(offset[marked].max())
    room = max((high - low) // 3, 25)
    return low - room, high + room
