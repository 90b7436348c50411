"""A story as a sequence diagram: what it shows, and as text for a terminal.

Lifelines stand side by side (producers, brokers, controller, consumers), time goes down, a row a moment. A transmission
is an arrow from its row to the row in which the broker took it, so that one that overtakes another crosses it; one that
never arrived ends on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.explaining.telling import Line, moment

__all__ = ["Arrow", "Diagram", "diagram_of", "diagram_text"]

ORDER = ("producer", "broker", "controller", "consumer")


@dataclass(frozen=True, slots=True)
class Arrow:
    """From lifeline *src* at row *top* to *dst* at row *bottom*; *arrives* False: it ends on its way."""

    src: int
    dst: int
    top: int
    bottom: int
    label: str
    role: str
    arrives: bool
    answer: bool

    @property
    def row(self) -> int:
        """Of the moment at its lettered end: the send, or the arrival of an answer."""
        return self.bottom if self.answer else self.top


@dataclass(frozen=True, slots=True)
class Diagram:
    lanes: list[str]
    rows: list[Line]
    arrows: list[Arrow]
    unit: str

    def lane(self, name: str) -> int:
        return self.lanes.index(name) if name in self.lanes else -1


def diagram_of(story: Sequence[Line], unit: str) -> Diagram:
    rows = [line for line in story if line.kind not in ("outcome",)]
    lanes = sorted(_lanes(rows), key=lambda name: (ORDER.index(_kind(name, rows)), name))
    lane = {name: number for number, name in enumerate(lanes)}
    arrivals = {
        line.of: number for number, line in enumerate(rows) if line.kind in ("append", "refusal") and line.of >= 0
    }
    arrows = []
    for number, line in enumerate(rows):
        if line.kind == "attempt":
            bottom = arrivals.get(line.row)
            arrows.append(
                Arrow(
                    lane[line.src],
                    lane[line.dst],
                    number,
                    number if bottom is None else bottom,
                    line.short,
                    line.role,
                    bottom is not None or _answered(rows, line.row),
                    False,
                )  # fmt: skip
            )
        elif line.kind == "answer":
            top = arrivals.get(line.of, number)
            arrows.append(Arrow(lane[line.src], lane[line.dst], top, number, line.short, line.role, True, True))
    return Diagram(lanes, rows, arrows, unit)


def _answered(rows: Sequence[Line], attempt: int) -> bool:
    """A scripted answer: it came as far as the broker's end of the connection."""
    return any(line.kind == "answer" and line.of == attempt for line in rows)


def _lanes(rows: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(name for line in rows for name in (line.src, line.dst) if name))


def _kind(name: str, rows: Sequence[Line]) -> str:
    if name.startswith("broker "):
        return "broker"
    if name == "controller":
        return "controller"
    sends = any(name == line.src and line.kind in ("send", "attempt", "report") for line in rows)
    return "producer" if sends else "consumer"


# --- text -------------------------------------------------------------------------------------------------------------
TIME = 14
MARKS = {"append": "#", "refusal": "x", "disconnect": "x", "fault": "!", "cut": "<"}
NARROWEST, WIDEST = 18, 30


def diagram_text(diagram: Diagram, width: int = 120) -> list[str]:
    """Plain ASCII, at most *width* wide; lifelines that do not fit are left to the words of the story."""
    lanes = diagram.lanes[: max(1, (width - TIME) // NARROWEST)]
    room = min(WIDEST, (width - TIME) // max(len(lanes), 1))
    places = [TIME + room * number + 2 for number in range(len(lanes))]
    lines = [" " * TIME + "".join(f"{name[: room - 2]:<{room}}" for name in lanes).rstrip()]
    for number, line in enumerate(diagram.rows):
        lines.append(_row(diagram, number, line, places, width))
    return lines


def _row(diagram: Diagram, number: int, line: Line, places: list[int], width: int) -> str:
    cells = list(" " * width)
    for place in places:
        cells[place] = "|"
    _put(cells, 0, moment(line.t, diagram.unit)[:TIME])
    arrow = next((one for one in diagram.arrows if one.row == number), None)
    at = diagram.lane(line.src)
    if arrow is not None and max(arrow.src, arrow.dst) < len(places):
        _draw(cells, places, arrow)
    elif 0 <= at < len(places):
        _mark(cells, places, at, MARKS.get(line.kind, "*"), line.short)
    return "".join(cells).rstrip()


def _mark(cells: list[str], places: list[int], lane: int, mark: str, words: str) -> None:
    """Words to the right of the mark, over other lifelines if need be; where there is no room, to its left."""
    place = places[lane]
    room = len(cells) - place - 3
    if room < len(words) < place - TIME:
        _put(cells, place - len(words) - 1, f"{words} {mark}")
    else:
        _put(cells, place, f"{mark} {words[: max(room, 3)]}")


def _draw(cells: list[str], places: list[int], arrow: Arrow) -> None:
    left, right = sorted((places[arrow.src], places[arrow.dst]))
    forward = arrow.dst > arrow.src
    label = f" {arrow.label} "[: right - left - 6]
    end = right if arrow.arrives else max((left + right) // 2, left + 4 + len(label))
    for place in range(left + 1, end):
        cells[place] = "." if arrow.answer else "-"
    _put(cells, left + 3, label)
    if arrow.arrives:
        cells[right - 1 if forward else left + 1] = ">" if forward else "<"
    else:
        cells[end] = "x"


def _put(cells: list[str], at: int, text: str) -> None:
    for number, letter in enumerate(text):
        if at + number < len(cells):
            cells[at + number] = letter
