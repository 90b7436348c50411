"""A check as one HTML file that needs no network: verdicts, what broke with its story and picture, configuration, and
the line that reproduces it. Good on a phone and on paper."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.cli.rates import rate_words
from analysis.cli.replay import command_of
from analysis.cli.sweep_page import STYLE, version_words
from analysis.statistics import wilson
from sim.errors import InputError

if TYPE_CHECKING:
    from analysis.cli.check import Outcome
    from analysis.expectations import Judged

__all__ = ["page"]

MOST_STORIES = 8  # in one page; each is a run of its own
WORD_STYLE = """
.word { display: inline-block; padding: .05em .55em; border-radius: .3em; color: #fff; font-weight: 600; }
.holds { background: #00664f; } .broken { background: #a3400f; } .undecided { background: #5b6470; }
td.free { white-space: normal; min-width: 9rem; } section { break-inside: auto; margin-top: 2.2rem; }
section figure { display: block; margin: .6rem 0 0; } figure img { width: 100%; }
@media print { .word { border: 1px solid #1b1f24; color: #1b1f24; background: none !important; } }
"""


def page(outcomes: Sequence[Outcome], verdict: str, changed: Mapping[str, Sequence[str]], line: str) -> str:
    """*changed*: by file, what differs from the baseline; *line*: the command that shows the same again."""
    runs = sum(len(one.seen) for one in outcomes)
    scenarios = "1 scenario" if len(outcomes) == 1 else f"{len(outcomes):,} scenarios"
    stories = _Stories()
    return "".join([
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'><title>korder check</title>",
        f"<style>{STYLE}{WORD_STYLE}</style></head><body><h1>What was expected, and what {runs:,} runs show</h1>",
        f"<p>{_word(verdict)} {scenarios}, {runs:,} runs.</p>",
        _overview(outcomes) if len(outcomes) > 1 else "",
        *(part for one in outcomes for part in _section(one, changed.get(one.file, ()), stories)),
        f"<h2>Again</h2><p>{_text(version_words())}</p><pre>{_text(line)}</pre>",
        "<p class='quiet'>Shares of seeds with 95 % intervals (Wilson).</p></body></html>\n",
    ])  # fmt: skip


def _overview(outcomes: Sequence[Outcome]) -> str:
    rows = "".join(
        f"<tr><td>{_word(one.verdict)}</td><td class='free'>{_text(one.file)}</td><td>{len(one.seen):,} seeds</td></tr>"
        for one in outcomes
    )
    return f"<div class='wide'><table>{rows}</table></div>"


def _section(one: Outcome, changed: Sequence[str], stories: _Stories) -> Iterator[str]:
    yield f"<section><h2>{_text(one.scenario.title or one.file)}</h2>"
    yield f"<p>{_word(one.verdict)} <code>{_text(one.file)}</code>, {len(one.seen):,} seeds"
    yield f", Kafka {_text(one.scenario.kafka)}.</p>"
    yield f"<p>{_text(one.scenario.question)}</p>" if one.scenario.question else ""
    yield _expectations(one)
    for text in changed:
        yield f"<p><b>changed</b> {_text(text)}</p>"
    for judged, words, again in one.failures():
        yield f"<h3>{_text(judged.name)} is expected {_text(judged.expected)}: {_text(judged.why)}</h3>"
        yield f"<p>{_text(words)}</p>" if words else ""
        yield f"<pre>{_text(again)}</pre>"
        yield stories.of(one, judged)
    yield f"<details><summary>The scenario</summary><pre>{_text(one.scenario.to_yaml())}</pre></details></section>"


def _expectations(one: Outcome) -> str:
    if not one.judged:
        return "<p>Nothing is expected.</p>"
    head = "".join(f"<th>{name}</th>" for name in ("finding", "expected", "verdict", "seen in", ""))
    rows = "".join(
        f"<tr><td>{_text(judged.name)}</td><td>{_text(judged.expected)}</td><td>{_word(judged.verdict)}</td>"
        f"<td>{_text(_share(one, judged.name))}</td><td class='free'>{_text(judged.why)}</td></tr>"
        for judged in one.judged.values()
    )
    return f"<div class='wide'><table><tr>{head}</tr>{rows}</table></div>"


def _share(one: Outcome, name: str) -> str:
    """In how many of the seeds in which it could be checked."""
    counts = [run.result.counts[name] for run in one.seen if name in run.result.counts]
    if not counts:
        return "not checked"
    return f"{rate_words(wilson(sum(count > 0 for count in counts), len(counts)))} of seeds"


class _Stories:
    """What happened in the first seed that broke an expectation, in words and as a picture; for the first few."""

    def __init__(self) -> None:
        self.left = MOST_STORIES

    def of(self, one: Outcome, judged: Judged) -> str:
        shown = [run.result.seed for run in one.seen if run.result.counts.get(judged.name)]
        seed = next((seed for seed in judged.seeds if seed in shown), None)
        if seed is None:
            return ""
        if not self.left:
            return "<p class='quiet'>The line above shows it; this page has as many stories as it can hold.</p>"
        self.left -= 1
        from analysis.cli.figures import of_finding
        from analysis.explaining import explain
        from analysis.verdict import judge
        from sim.run import simulate

        verdict = judge(simulate(one.scenario, seed))
        try:
            story = f"<pre>{_text(explain(verdict, judged.name, proof=False).text())}</pre>"
        except InputError:  # no case of it is told, as of what is only counted
            story = ""
        caption = _text(f"{judged.name}, {command_of(one.file, seed, one.wish.overrides)}")
        source = base64.b64encode(of_finding(verdict, judged.name)).decode()
        picture = f"<div class='wide'><img class='panels2' alt='{caption}' src='data:image/png;base64,{source}'></div>"
        return f"{story}<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _word(verdict: str) -> str:
    kind = verdict if verdict in ("holds", "broken") else "undecided"
    return f"<span class='word {kind}'>{_text(verdict)}</span>"


def _text(text: object) -> str:
    return html.escape(str(text))
