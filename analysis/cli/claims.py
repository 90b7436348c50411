"""``korder claims``: what is commonly said about order in Kafka, held against scenarios that show it.

The claims stand in ``analysis/claims.yaml``, each with a verdict and with findings of bundled scenarios that have to be
seen in no, some or all seeds. A claim whose scenarios do not come out so is reported, with exit status 1.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.check import Outcome, Wish, judged_over
from analysis.cli.console import paragraph, print_json, results
from analysis.cli.files import must_be_writable, write_text
from analysis.cli.rates import rate_words
from analysis.cli.replay import command_of
from analysis.cli.sweep_page import STYLE
from analysis.formats import formatted
from analysis.statistics import wilson

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["claims", "hold_claims"]

FILE = Path(__file__).resolve().parent.parent / "claims.yaml"
PAGE = "claims.html"


@dataclass(frozen=True)
class Shown:
    """One finding of one scenario: *seen* says in which seeds it has to be."""

    scenario: str
    finding: str
    seen: str
    outcome: Outcome

    @property
    def seeds(self) -> list[int]:
        return [one.result.seed for one in self.outcome.seen if one.result.counts.get(self.finding, 0)]

    @property
    def as_claimed(self) -> bool:
        checked = [one for one in self.outcome.seen if self.finding in one.result.counts]
        of, seeds = len(self.outcome.seen), len(self.seeds)
        return len(checked) == of and {"never": seeds == 0, "sometimes": seeds > 0, "always": seeds == of}[self.seen]

    @property
    def again(self) -> str:
        """The run that shows it; where it is never seen, any run."""
        return command_of(self.scenario, self.shown_seed)

    @property
    def shown_seed(self) -> int:
        return (self.seeds or [self.outcome.seen[0].result.seed])[0]

    def words(self) -> str:
        of = len(self.outcome.seen)
        told = f"{self.finding} in {rate_words(wilson(len(self.seeds), of))} of {of} seeds"
        return told if self.as_claimed else f"{told}; claimed is {self.seen}"


def claims() -> list[dict[str, Any]]:
    from ruamel.yaml import YAML

    found: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(FILE.read_text(encoding="utf-8"))
    return found


def hold_claims(*, seeds: str | None, jobs: int | None, out: Path | None, as_json: bool) -> int:
    if out is not None:
        must_be_writable(out)
    asked = claims()
    names = list(dict.fromkeys(show["scenario"] for claim in asked for show in claim["shows"]))
    outcomes = {one.file: one for one in judged_over(names, Wish(seeds=seeds), jobs)}
    shown = [[Shown(**show, outcome=outcomes[show["scenario"]]) for show in claim["shows"]] for claim in asked]
    if out is not None:
        write_text(out / PAGE, _page(asked, shown))
    if as_json:
        told = [_json(claim, some) for claim, some in zip(asked, shown, strict=True)]
        print_json(formatted("claims", {"claims": told}))
    else:
        _tell(results(), asked, shown)
        if out is not None:
            print(f"wrote {out / PAGE}")
    return 0 if all(one.as_claimed for some in shown for one in some) else 1


def _json(claim: dict[str, Any], some: list[Shown]) -> dict[str, Any]:
    shows = [
        {"scenario": one.scenario, "finding": one.finding, "claimed": one.seen, "seeds": len(one.outcome.seen),
         "seen": len(one.seeds), "as_claimed": one.as_claimed, "again": one.again}
        for one in some
    ]  # fmt: skip
    return {"claim": claim["claim"], "verdict": claim["verdict"], "if": claim.get("if"), "shows": shows}


def _tell(console: Console, asked: list[dict[str, Any]], shown: list[list[Shown]]) -> None:
    for claim, some in zip(asked, shown, strict=True):
        console.print(claim["claim"], style="bold", soft_wrap=True)
        condition = f": {claim['if']}" if claim.get("if") else ""
        paragraph(console, f"{claim['verdict']}{condition}", indent=2, hang=2)
        for one in some:
            paragraph(console, f"{one.scenario}: {one.words()}", indent=4, hang=2)
            console.print(f"      {one.again}", style="dim", soft_wrap=True)
        console.print()


# --- one page ---------------------------------------------------------------------------------------------------------
def _page(asked: list[dict[str, Any]], shown: list[list[Shown]]) -> str:
    title = "What is said about order in Kafka, and what runs show of it"
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><title>{title}</title>",
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>",
        "<p class='quiet'>Shares of seeds with 95 % intervals (Wilson). Each line below a claim replays one run.</p>",
    ]
    for claim, some in zip(asked, shown, strict=True):
        parts += _part(claim, some)
    return "".join([*parts, "</body></html>\n"])


def _part(claim: dict[str, Any], some: list[Shown]) -> Iterator[str]:
    condition = f": {claim['if']}" if claim.get("if") else ""
    yield f"<h2>{html.escape(claim['claim'])}</h2><p><b>{claim['verdict']}</b>{html.escape(condition)}</p>"
    for one in some:
        yield f"<p>{html.escape(f'{one.scenario}: {one.words()}')}<br><code>{html.escape(one.again)}</code></p>"
    picture = next((one for one in some if one.seeds and one.seen != "never"), some[0])
    words = f"{picture.scenario}, seed {picture.shown_seed}"
    caption = html.escape(words if picture.seeds else f"{words}: a run without {picture.finding}")
    source = base64.b64encode(_picture(picture)).decode()
    yield f"<figure><img alt='{caption}' src='data:image/png;base64,{source}' width='900'>"
    yield f"<figcaption>{caption}</figcaption></figure>"


def _picture(one: Shown) -> bytes:
    """The run that shows it."""
    from analysis.cli.figures import of_finding
    from analysis.verdict import judge
    from sim.run import simulate

    return of_finding(judge(simulate(one.scenario, one.shown_seed)), one.finding)
