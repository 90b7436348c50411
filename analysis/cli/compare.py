"""``korder compare``: two configurations under the same failures, paired by seed.

Each ``--set`` is one side; several settings of a side stand in it with ``;`` between them. One ``--set`` alone is held
against the file as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.cli.arguments import duration_of, seeds_of
from analysis.cli.console import counted, indented, paragraph, print_json, results
from analysis.cli.rates import legend, of_times, percent, percent_points, rate_words
from analysis.cli.replay import command_of
from analysis.cli.tables import print_table
from analysis.formats import formatted
from sim.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.sweep.compare import Comparison, Line

__all__ = ["compare_sides", "sides_of", "tell_pairing"]

MOST_SEEDS = 12
WORDS = {
    "late": "late, of records", "doubled": "stored twice, of records", "lost": "lost, of acknowledged",
    "acked_per_s": "acknowledged a second", "ack_mean_us": "ack mean, ms", "ack_p50_us": "ack median, ms",
    "ack_p99_us": "ack p99, ms", "delivery_p50_us": "delivery median, ms", "delivery_p99_us": "delivery p99, ms",
}  # fmt: skip


def sides_of(sets: list[str]) -> tuple[list[str], list[str]]:
    """``--set`` as given on the command line: the settings of A and of B."""
    if not 1 <= len(sets) <= 2:
        way_out = 'write --set A=1 --set A=2, or --set "A=1; B=1" --set "A=2; B=2" for several settings a side'
        raise InputError("--set", f"is given {len(sets)} times: each is one side, and there are two", way_out)
    sides = [[one.strip() for one in text.split(";") if one.strip()] for text in sets]
    return (sides[0], sides[1]) if len(sides) == 2 else ([], sides[0])


def compare_sides(
    file: str, sets: list[str], *, seeds: str | None, warm_up: str | None, jobs: int | None, as_json: bool
) -> int:
    a, b = sides_of(sets)
    with counted("comparing") as tell:
        from analysis.cli.parting import first_parting
        from analysis.sweep.compare import compare

        found = compare(
            file, a, b, seeds=None if seeds is None else seeds_of(seeds),
            warm_up_us=0 if warm_up is None else duration_of("--warm-up", warm_up), jobs=jobs, progress=tell,
        )  # fmt: skip
        first = next(iter(found.differing), None)
        names = [] if first is None else [name for name, _, _ in found.differing[first]]
        story = [] if first is None else first_parting(found.scenarios, first, names)
    if as_json:
        parted = None if first is None else {"seed": first, "story": story}
        print_json(formatted("compare", found.to_json() | {"first": parted}))
        return 0
    _tell(results(), file, found)
    if first is not None:
        _tell_first(results(), file, found, first, story)
    return 0


def _tell(console: Console, file: str, found: Comparison) -> None:
    console.print(found.title or file, style="bold", soft_wrap=True)
    console.print(f"{file}, {len(found.seeds):,} seeds, each with both sides under the same failures", style="dim")
    console.print()
    for letter, settings in zip("AB", found.sides, strict=True):
        console.print(f"{letter}  {'; '.join(settings) or 'the file as it is'}", soft_wrap=True)
    if found.unsettled:
        console.print(f"{found.unsettled:,} runs did not settle: what is lost there may be under way", style="yellow")
    console.print()
    rows = [_row(line) for line in found.lines if line.measure != "ack_mean_us"]
    print_table(console, ("", "A", "B", "B - A"), rows)
    console.print()
    paragraph(console, f"{legend()} B - A: paired by seed.", style="dim")
    tell_pairing(console, found)


def _row(line: Line) -> tuple[str, str, str, str]:
    if line.kind == "median":
        per = 1 if line.measure == "acked_per_s" else 1000
        told = (of_times(line.a, per), of_times(line.b, per), of_times(line.difference, per, sign=True))
    else:
        told = (rate_words(line.a), rate_words(line.b), percent_points(line.difference))
    words = WORDS.get(line.measure, f"{line.measure}, of seeds")
    return (words, *told)


def tell_pairing(console: Console, found: Comparison) -> None:
    """What it was worth that both sides met the same failures."""
    for line in found.lines:
        if line.strangers is not None and line.strangers.width and not line.difference.note:
            share = line.difference.width / line.strangers.width
            what = f"{WORDS[line.measure].partition(',')[0]}: the paired interval is {percent(share)} as wide"
            paragraph(console, f"{what} as with other failures on each side.", style="dim")


def _tell_first(console: Console, file: str, found: Comparison, seed: int, story: list[str]) -> None:
    console.print()
    seeds = ", ".join(str(one) for one in list(found.differing)[:MOST_SEEDS])
    more = f" and {len(found.differing) - MOST_SEEDS:,} more" if len(found.differing) > MOST_SEEDS else ""
    console.print(f"violations differ in {len(found.differing):,} of {len(found.seeds):,} seeds: {seeds}{more}")
    counts = "; ".join(f"{name} {a} in A, {b} in B" for name, a, b in found.differing[seed])
    console.print()
    paragraph(console, f"seed {seed}: {counts}", hang=2)
    indented(console, story)
    for letter, settings in zip("AB", found.sides, strict=True):
        console.print(f"  {letter} again: {command_of(file, seed, settings)}", soft_wrap=True)
