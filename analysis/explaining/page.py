"""An explanation as HTML: a fragment for notebooks, and one file that needs no network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from analysis.explaining.sequence import diagram_of
from analysis.explaining.svg import diagram_svg
from analysis.explaining.telling import moment

if TYPE_CHECKING:
    from analysis.explaining.explanation import Explanation

__all__ = ["fragment", "page", "svg"]

STYLE = """
.korder-story { font: 14px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 72em; }
.korder-story h2 { font-size: 1.15em; margin: 1.6em 0 .4em; }
.korder-story dl { margin: 0; display: grid; grid-template-columns: max-content 1fr; gap: .35em 1.2em; }
.korder-story dt { color: #5b6470; }
.korder-story dd { margin: 0; }
.korder-story table { border-collapse: collapse; }
.korder-story td { padding: .2em 1em .2em 0; vertical-align: top; border-bottom: 1px solid #e3e6ea; }
.korder-story td.time { white-space: nowrap; font-variant-numeric: tabular-nums; color: #5b6470; }
.korder-story td.words { border-left: 3px solid transparent; padding-left: .6em; }
.korder-story tr.late td.words, .korder-story tr.lost td.words { border-left-color: #D55E00; }
.korder-story tr.overtaker td.words, .korder-story tr.in-its-place td.words { border-left-color: #0072B2; }
.korder-story tr.twice td.words { border-left-color: #AA4499; }
.korder-story tr.fault td { font-weight: 600; }
.korder-story .picture { overflow-x: auto; border: 1px solid #e3e6ea; border-radius: 4px; }
.korder-story .picture svg { display: block; }
.korder-story code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
.korder-story .figure { overflow-x: auto; margin: 1em 0; }
h1 { overflow-wrap: anywhere; }
.korder-story .figure img { width: 100%; min-width: 44em; }
@media (max-width: 40em) {
  .korder-story dl { grid-template-columns: 1fr; gap: 0; }
  .korder-story dd { margin: 0 0 .6em; }
}
"""


def svg(told: Explanation) -> str:
    title = f"{told.finding}: {told.mechanism}"
    return diagram_svg(diagram_of(told.story, told.time_unit), title)


def fragment(told: Explanation, figures: Sequence[bytes] = ()) -> str:
    """What Jupyter shows. *figures*: PNG files, which become part of it."""
    import base64

    pictures = "".join(
        f"<div class='figure'><img alt='figure' src='data:image/png;base64,{base64.b64encode(one).decode()}'></div>"
        for one in figures
    )
    return (
        f"<style>{STYLE}</style><div class='korder-story'>{_head(told)}<h2>What happened</h2>{_story(told)}"
        f"<h2>As a sequence</h2><div class='picture'>{svg(told)}</div>{pictures}{_tried(told)}</div>"
    )


def page(told: Explanation, title: str, figures: Sequence[bytes] = ()) -> str:
    """A whole document."""
    head = (
        f"<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title>"
    )
    body = f"<h1>{escape(title)}</h1>{fragment(told, figures)}"
    style = "margin:0;padding:1.2em;font-family:system-ui,sans-serif"
    return f"<!doctype html><html lang='en'><head>{head}</head><body style='{style}'>{body}</body></html>\n"


def _head(told: Explanation) -> str:
    pairs = [("mechanism", f"<b>{escape(told.mechanism)}</b>"), ("", escape(told.says)), ("here", escape(told.because))]
    permitted = ", ".join(f"<code>{escape(one)}</code>" for one in told.permitted_by)
    pairs += [("permitted by", permitted), (told.headline, escape(told.prevented_by))]
    if told.proof is not None:
        pairs += [("tried", escape(told.proof.sentence()))]
        if told.proof.change is not None:
            pairs += [("its price", escape(told.proof.change.price))]
    rows = "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in pairs if words)
    return f"<dl>{rows}</dl>"


def _story(told: Explanation) -> str:
    rows = []
    for line in told.story:
        kind = re.sub(r"[^a-z]+", "-", line.role or ("fault" if line.kind == "fault" else ""))
        time = moment(line.t, told.time_unit)
        rows.append(f"<tr class='{kind}'><td class='time'>{time}</td><td class='words'>{escape(line.words)}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _tried(told: Explanation) -> str:
    if told.proof is None or not told.proof.tried:
        return ""
    rows = "".join(
        f"<tr><td>{escape(words)}</td><td>gone in {gone} of {of}</td></tr>" for words, gone, of in told.proof.tried
    )
    return (
        f"<h2>What was tried</h2><p>The faults were pinned {escape(told.proof.pinned)}; each change ran under "
        f"{told.proof.seeds} latency seeds, until one showed the finding.</p><table>{rows}</table>"
    )
