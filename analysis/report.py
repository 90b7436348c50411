"""A verdict as HTML: a fragment for notebooks, and one file that needs no network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.finding import Finding
    from analysis.verdict import Verdict

__all__ = ["fragment", "page", "write_page"]

STYLE = """
.korder { font: 14px/1.45 system-ui, sans-serif; color: #1b1f24; max-width: 70em; }
.korder h2 { font-size: 1.15em; margin: 1.4em 0 .4em; }
.korder table { border-collapse: collapse; margin: .3em 0 1em; }
.korder th, .korder td { padding: .25em .8em .25em 0; text-align: left; vertical-align: top; }
.korder th, .korder td { border-bottom: 1px solid #e3e6ea; }
.korder td.number, .korder th.number { text-align: right; font-variant-numeric: tabular-nums; }
.korder .word { display: inline-block; padding: .1em .6em; border-radius: .3em; color: #fff; font-weight: 600; }
.korder .holds { background: #00664f; }
.korder .broken { background: #a3400f; }
.korder .undecided { background: #5b6470; }
.korder .quiet { color: #5b6470; }
.korder code { font: 12px ui-monospace, monospace; }
.korder .wide { overflow-x: auto; }
.korder-figure { overflow-x: auto; margin: 1em 0; }
.korder-figure img { width: 100%; max-width: 72em; min-width: 44em; }
"""
MEASURES = (
    ("received_unique", "records"), ("duplicates", "later copies"), ("lost", "lost"), ("reordered_count", "late"),
    ("ratio", "late / records"), ("max_extent", "max extent"), ("rem", "records to move"), ("inversions", "inversions"),
    ("kendall_tau", "Kendall tau"),
)  # fmt: skip
MOST_WITNESSES = 5


def fragment(verdict: Verdict) -> str:
    """What Jupyter shows."""
    parts = [f"<style>{STYLE}</style><div class='korder'>", _headline(verdict)]
    parts += [_expectations(verdict), _findings(verdict), _witnesses(verdict), _measures(verdict), _unchecked(verdict)]
    return "".join(parts) + "</div>"


def page(verdict: Verdict, title: str = "korder", figures: Sequence[bytes] = ()) -> str:
    """A whole document; *figures* are PNG files, which become part of it."""
    import base64

    sources = (f"data:image/png;base64,{base64.b64encode(one).decode()}" for one in figures)
    pictures = "".join(f"<div class='korder-figure'><img alt='figure' src='{source}'></div>" for source in sources)
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{_text(title)}</title>"
    body = f"<h1>{_text(title)}</h1>{fragment(verdict)}{pictures}"
    style = "margin:0;padding:1.2em;font-family:system-ui,sans-serif"
    return f"<!doctype html><html lang='en'><head>{head}</head><body style='{style}'>{body}</body></html>\n"


def write_page(verdict: Verdict, path: str | Path, title: str = "korder", figures: Sequence[bytes] = ()) -> Path:
    path = Path(path)
    path.write_text(page(verdict, title, figures), encoding="utf-8")
    return path


def _headline(verdict: Verdict) -> str:
    reasons = "; ".join(verdict.reasons)
    return f"<p><span class='word {verdict.verdict}'>{verdict.verdict}</span> {_text(reasons)}</p>"


def _expectations(verdict: Verdict) -> str:
    rows = [(one.name, one.expected, one.verdict, one.why) for one in verdict.expectations.values()]
    return _section("Expectations", ("finding", "expected", "verdict", ""), rows) if rows else ""


def _findings(verdict: Verdict) -> str:
    seen = [one for one in verdict.findings.values() if one.checked and one.count]
    rows = [(one.name, one.kind, one.count, _allowed(one)) for one in seen]
    if not rows:
        return "<h2>Findings</h2><p>none</p>"
    return _section("Findings", ("finding", "class", "#count", "under this configuration"), rows)


def _allowed(finding: Finding) -> str:
    if finding.kind == "information":
        return ""
    if finding.allowed is None:
        return f"hangs on {finding.by}" if finding.by else "not known"
    return f"allowed by {finding.by}" if finding.allowed else "must not happen"


def _witnesses(verdict: Verdict) -> str:
    parts = []
    for one in verdict.findings.values():
        if one.count and one.kind != "information" and one.witnesses:
            items = "".join(f"<li>{_witness(witness)}</li>" for witness in one.witnesses[:MOST_WITNESSES])
            more = f"<li class='quiet'>{one.total - MOST_WITNESSES:,} more</li>" if one.total > MOST_WITNESSES else ""
            parts.append(f"<details><summary>{one.name}: {one.count:,}</summary><ul>{items}{more}</ul></details>")
    return f"<h2>Evidence</h2>{''.join(parts)}" if parts else ""


def _witness(witness: dict[str, Any]) -> str:
    records = "; ".join(
        f"<code>{_text(record.get('v', 'control record'))}</code>{_facts(record)}" for record in witness["records"]
    )
    rest = {k: x for k, x in witness.items() if k not in ("records", "events", "offsets", "partition")}
    told = ", ".join(f"{_text(k.replace('_', ' '))} {_text(x)}" for k, x in rest.items() if not isinstance(x, list))
    events = ", ".join(str(event) for event in witness["events"])
    offsets = "" if witness["records"] else f" offsets {witness['offsets']}"
    return f"{records}{offsets} {told} <span class='quiet'>events {_text(events)}</span>"


def _facts(record: dict[str, Any]) -> str:
    where = f" at {record['p']} offset {record['o']}" if "p" in record and "o" in record else ""
    role = f" ({record['role']})" if "role" in record else ""
    return _text(where + role)


def _measures(verdict: Verdict) -> str:
    told = [(name, values) for name, values in verdict.measures.items() if values["reordered_count"] or values["lost"]]
    rows = [(name, *(_number(values[key]) for key, _ in MEASURES)) for name, values in told]
    if not rows:
        return ""
    return _section("How much, stream by stream", ("stream", *(f"#{words}" for _, words in MEASURES)), rows)


def _number(x: Any) -> str:
    return f"{x:,}" if isinstance(x, int) else f"{float(x):.4g}"


def _unchecked(verdict: Verdict) -> str:
    reasons: dict[str, list[str]] = {}
    for one in verdict.findings.values():
        if not one.checked:
            reasons.setdefault(one.why, []).append(one.name)
    rows = [(why, ", ".join(names)) for why, names in reasons.items()]
    return _section("Not checked", ("because", "names"), rows) if rows else ""


def _section(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; a column whose heading begins with # holds numbers."""
    numeric = [name.startswith("#") for name in header]
    cells = "".join(_cell("th", name.lstrip("#"), number) for name, number in zip(header, numeric, strict=True))
    lines = ("".join(_cell("td", x, number) for x, number in zip(row, numeric, strict=True)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<h2>{_text(title)}</h2><div class='wide'><table><tr>{cells}</tr>{body}</table></div>"


def _cell(tag: str, x: Any, number: bool) -> str:
    text = f"{x:,}" if isinstance(x, int) else str(x)
    return f"<{tag}{' class=number' if number else ''}>{_text(text)}</{tag}>"


def _text(x: Any) -> str:
    return html.escape(str(x))
