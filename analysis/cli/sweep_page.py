"""A sweep as one HTML file that needs no network: rates with intervals, figures, and all that repeats it."""

from __future__ import annotations

import base64
import html
import platform
import shlex
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from analysis.cli.rates import legend
from sim.errors import InputError

if TYPE_CHECKING:
    from analysis.sweep import Sweep

__all__ = ["MOST_RUNS_DRAWN", "STYLE", "page", "repeat_line", "version_words"]

DPI = 200
MOST_RUNS_DRAWN = 200_000
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; max-width: 62rem;
  padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
h1, h2, h3, summary { break-after: avoid; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
figure ul { padding-left: 1.1rem; margin: .3rem 0; max-width: 40rem; } figure p { margin: .5rem 0; max-width: 40rem; }
th, td { padding: .3rem 1rem .3rem 0; text-align: left; white-space: nowrap; border-bottom: 1px solid #e3e6ea; }
th { color: #5b6470; font-weight: 600; white-space: normal; vertical-align: bottom; min-width: 6.5rem; }
figure { display: inline-block; margin: 0 1rem 1rem 0; max-width: 100%; break-inside: avoid; }
img { max-width: 100%; height: auto; } figcaption, .quiet { color: #5b6470; font-size: .85rem; }
pre, code { font: .85rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; } pre { white-space: pre-wrap; }
@media screen and (max-width: 40rem) {
  .panels2 { max-width: none; width: 40rem; }
  table { font-size: .78rem; } th, td { padding-right: .6rem; white-space: normal; } th { min-width: 0; }
}
@media print {
  details::details-content { content-visibility: visible; block-size: auto; }
  figure { display: block; margin-right: 0; } figure img { width: auto; max-height: 7.5cm; }
  body { font-size: 10pt; max-width: none; padding: 0; } .wide { overflow: visible; }
  table { font-size: 7.5pt; } th, td { white-space: normal; min-width: 0; padding-right: .5rem; }
}
"""

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]


def page(found: Sweep, file: str, tables: Iterable[tuple[str, Rows]]) -> str:
    """*tables*: a heading, and the header and rows below it, each."""
    header = found.summary.header
    title = header["title"] or file
    return "".join([
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><title>{_text(title)}</title>",
        f"<style>{STYLE}</style></head><body><h1>{_text(title)}</h1>",
        f"<p>{_text(_sizes(found))}</p>",
        "<h2>Figures</h2>" if header["vary"] else "", *figures_of(found),
        *(_section(heading, *rows) for heading, rows in tables),
        f"<p class='quiet'>{_text(legend())}</p>",
        _repeat(found, file), "</body></html>\n",
    ])  # fmt: skip


def figures_of(found: Sweep) -> Iterator[str]:
    """Every figure that this sweep has the keys and the findings for, with what it shows and the answer that it gives.

    None of a sweep whose table is too large to be had in memory as a whole.
    """
    if found.summary.runs > MOST_RUNS_DRAWN:
        return
    from analysis.cli.plot import figure_of
    from analysis.figure_words import ANSWERS
    from analysis.figures_sweep import KINDS

    frame = found.counts_frame
    for kind, known in KINDS.items():
        try:
            figure = figure_of(frame, kind, {})
        except InputError:
            continue
        drawn = BytesIO()
        figure.savefig(drawn, dpi=DPI, metadata={"Software": None})
        answer = ANSWERS[kind](frame) if kind in ANSWERS else []
        yield _figure(known.words, len(known.panels), drawn.getvalue(), answer)


def repeat_line(found: Sweep, file: str) -> str:
    """The command that makes the same table."""
    header = found.summary.header
    words = ["korder", "sweep", file]
    words += [word for key, values in header["vary"].items() for word in ("--vary", f"{key}={','.join(values)}")]
    words += ["--seeds", header["seeds"]] if isinstance(header["seeds"], str) else []
    words += ["--warm-up", f"{header['warm_up_us']}us"] if header["warm_up_us"] else []
    if header["until"]:
        words += ["--until-width", f"{header['until']['width']:g}", "--until-measure", header["until"]["measure"]]
    return shlex.join([*words, "--out", "again"])


def version_words() -> str:
    """What made a page."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        korder = version("korder")
    except PackageNotFoundError:
        korder = "of a checkout"
    return f"Made with korder {korder}, Python {platform.python_version()}."


def _sizes(found: Sweep) -> str:
    runs, cells = found.summary.runs, len(found.cells)
    told = f"{cells:,} cells, {runs // cells:,} seeds each: {runs:,} runs"
    if runs <= MOST_RUNS_DRAWN:
        sums = found.counts_frame[["records", "fault_strikes"]].sum()
        told += f", {sums['records']:,} records, {sums['fault_strikes']:,} faults"
    told += "."
    if found.summary.unsettled:
        told += f" {found.summary.unsettled:,} runs did not settle: what is lost there may be under way."
    return told


def _section(heading: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(name).replace('.', '.<wbr>')}</th>" for name in header)  # long keys break at dots
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{_text(heading)}</h2><div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _figure(words: str, panels: int, png: bytes, answer: Sequence[str]) -> str:
    """*answer*: sentences below it, of which the last says what follows."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    caption = _text(words[0].upper() + words[1:])
    image = f"<img class='panels{panels}' alt='{caption}' src='{source}' width='{480 * panels}'>"
    lines = "".join(f"<li>{_text(one)}</li>" for one in answer[:-1])
    below = f"<p><b>{_text(answer[-1])}</b></p><ul class='quiet'>{lines}</ul>" if answer else ""
    return f"<figure><div class='wide'>{image}</div><figcaption>{caption}</figcaption>{below}</figure>"


def _repeat(found: Sweep, file: str) -> str:
    """What it takes in ten years: the scenario as it was, the version, the line, and how to tell an equal run."""
    header = found.summary.header
    version = _text(header["korder"])
    return "".join([
        "<h2>Again</h2>",
        f"<p>Made with korder {version}, table schema {header['schema']}, scenario ",
        f"<code>{header['scenario']}</code>.</p>",
        f"<pre>{_text(repeat_line(found, file))}</pre>",
        "<p>To keep it, archive the folder: <code>manifest.json</code> and the header of <code>sweep.parquet</code> ",
        "hold the scenario below, with all settings in it. ",
        f"Later, <code>pip install korder=={version}</code>, save the scenario as a file and run the line ",
        "on it. Equal runs are equal in the column <code>digest</code>.</p>",
        f"<details><summary>The scenario</summary><pre>{_text(header['source'])}</pre></details>",
    ])  # fmt: skip


def _text(text: object) -> str:
    return html.escape(str(text))
