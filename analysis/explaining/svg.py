"""A sequence diagram as SVG: one file, no scripts, no fonts of its own; light and dark."""

from __future__ import annotations

from html import escape
from typing import Any

from analysis.explaining.sequence import Arrow, Diagram
from analysis.explaining.telling import Line, moment

__all__ = ["diagram_svg"]

# The colours of Okabe and Ito, as in the other pictures; every role has a mark and a dash of its own.
COLOURS = {"late": "#D55E00", "overtaker": "#0072B2", "twice": "#AA4499", "lost": "#D55E00", "in its place": "#0072B2"}
PLAIN, INK, QUIET = "#5B6470", "#1B1F24", "#C9CFD6"
TIME, LANE, ROW, HEAD = 100, 200, 30, 58
LETTER, MOST_LETTERS = 7, 44


def diagram_svg(diagram: Diagram, title: str = "") -> str:
    """The whole drawing, as wide as its lifelines need."""
    width = round(max([TIME + LANE * max(len(diagram.lanes), 1), *(_reach(diagram, line) for line in diagram.rows)]))
    height = HEAD + ROW * len(diagram.rows) + 16
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"role='img' aria-label='{escape(title or 'sequence diagram', quote=True)}' "
        "font-family='system-ui, sans-serif' font-size='12'>",
        f"<rect width='{width}' height='{height}' fill='#ffffff'/>", _defs(),
    ]  # fmt: skip
    if title:
        parts.append(_text(8, 16, title, INK, "font-weight='bold' font-size='13'"))
    parts += [_lifeline(diagram, number, height) for number in range(len(diagram.lanes))]
    parts += [_moment(diagram, number, line) for number, line in enumerate(diagram.rows)]
    parts += [_arrow(one) for one in diagram.arrows]
    parts += [_mark(diagram, number, line) for number, line in enumerate(diagram.rows)]
    parts += [_label(one) for one in diagram.arrows]
    return "".join(parts) + "</svg>\n"


def _reach(diagram: Diagram, line: Line) -> float:
    """How far to the right the words of a mark go."""
    lane = diagram.lane(line.src)
    return 0.0 if lane < 0 else _x(lane) + 24 + LETTER * len(_cut(line.short, MOST_LETTERS))


def _defs() -> str:
    heads = "".join(
        f"<marker id='head-{colour[1:]}' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='8' markerHeight='8' "
        f"orient='auto'><path d='M0 0 8 4 0 8z' fill='{colour}'/></marker>"
        for colour in dict.fromkeys((*COLOURS.values(), PLAIN))
    )
    return f"<defs>{heads}</defs>"


def _x(lane: int) -> float:
    return TIME + LANE * (lane + 0.5)


def _y(row: float) -> float:
    return HEAD + ROW * (row + 0.5)


def _lifeline(diagram: Diagram, lane: int, height: int) -> str:
    x = _x(lane)
    name = _text(x, HEAD - 14, diagram.lanes[lane], INK, "text-anchor='middle' font-weight='bold'")
    return f"{name}<line x1='{x}' y1='{HEAD - 6}' x2='{x}' y2='{height - 8}' stroke='{QUIET}' stroke-width='2'/>"


def _moment(diagram: Diagram, number: int, line: Line) -> str:
    if number and diagram.rows[number - 1].t == line.t:
        return ""
    return _text(8, _y(number) + 4, moment(line.t, diagram.unit), PLAIN, "font-size='11'")


def _colour(role: str) -> str:
    return COLOURS.get(role, PLAIN)


def _arrow(one: Arrow) -> str:
    x1, x2, y1, y2 = _x(one.src), _x(one.dst), _y(one.top), _y(one.bottom)
    if one.top == one.bottom:
        y2 += 7
    colour = _colour(one.role)
    dash = " stroke-dasharray='2 3'" if one.answer else ("" if one.arrives else " stroke-dasharray='6 3'")
    head = f" marker-end='url(#head-{colour[1:]})'" if one.arrives else ""
    if not one.arrives:
        x2 = x1 + (x2 - x1) * 0.62
    toward = 4 if x2 > x1 else -4
    line = (
        f"<line x1='{x1 + toward}' y1='{y1}' x2='{x2 - toward}' y2='{y2}' stroke='{colour}' "
        f"stroke-width='{1.2 if one.answer else 1.8}'{dash}{head}/>"
    )
    return line + ("" if one.arrives else _cross(x2, y2, colour))


def _cross(x: float, y: float, colour: str) -> str:
    return f"<path d='M{x - 4} {y - 4}l8 8m0 -8l-8 8' stroke='{colour}' stroke-width='2' fill='none'/>"


def _label(one: Arrow) -> str:
    """On its own row, beside the lifeline at which it starts (an answer: at which it ends)."""
    lane, other = (one.dst, one.src) if one.answer else (one.src, one.dst)
    right = other > lane
    x = _x(lane) + (10 if right else -10)
    anchor = "start" if right else "end"
    room = f"paint-order='stroke' stroke='#ffffff' stroke-width='4' text-anchor='{anchor}' font-size='11'"
    return _text(x, _y(one.row) - 5, _cut(one.label, 34), _colour(one.role), room)


def _mark(diagram: Diagram, number: int, line: Line) -> str:
    lane = diagram.lane(line.src)
    if lane < 0 or line.kind in ("attempt", "answer"):
        return ""
    x, y, colour = _x(lane), _y(number), _colour(line.role)
    if line.kind in ("refusal", "disconnect"):
        shape = _cross(x, y, colour)
    elif line.kind == "fault":
        shape = f"<path d='M{x} {y - 8}l8 14h-16z' fill='#E69F00' stroke='{INK}'/>"
        colour = INK
    elif line.kind == "append":
        shape = f"<rect x='{x - 5}' y='{y - 5}' width='10' height='10' fill='{colour}'/>"
    else:
        shape = f"<circle cx='{x}' cy='{y}' r='4.5' fill='{colour if line.role else INK}'/>"
    weight = " font-weight='bold'" if line.vital else ""
    halo = f"paint-order='stroke' stroke='#ffffff' stroke-width='4' font-size='11'{weight}"
    return shape + _text(x + 12, y + 4, _cut(line.short, MOST_LETTERS), colour if line.role else INK, halo)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _text(x: float, y: float, text: Any, colour: str, more: str = "") -> str:
    return f"<text x='{x}' y='{y}' fill='{colour}' {more}>{escape(str(text))}</text>"
