"""``korder sweep``: a grid of settings over many seeds; a table with a row a run, and rates with their intervals."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.cli.arguments import duration_of, seeds_of
from analysis.cli.console import counted, paragraph, results
from analysis.cli.files import must_be_writable, write_text
from analysis.cli.rates import legend, of_times, rate_words
from analysis.cli.tables import print_table
from sim.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.sweep import Sweep
    from analysis.sweep.looks import Until
    from analysis.sweep.summary import Told

__all__ = ["SweepWish", "record_rows", "seed_rows", "sweep_scenario"]

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]
PAGE = "report.html"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
RATES = {"late": "late, of records", "doubled": "stored twice, of records", "lost": "lost, of acknowledged"}
SHARES = ("append-reorder", "duplicate-append", "lost-acked")  # told also where they were not seen
MOST_COLUMNS = 3  # of findings, in a table of the console


@dataclass(frozen=True)
class SweepWish:
    """What the command line asks."""

    vary: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    seeds: str | None = None
    out: Path | None = None
    jobs: int | None = None
    executor: str = "process"
    scheduler: str | None = None
    warm_up: str | None = None
    until_width: float | None = None
    until_measure: str | None = None
    check_laws: bool = False

    def until(self) -> Until | None:
        from analysis.sweep.looks import until_of

        if self.until_width is not None:
            return until_of(self.until_width, self.until_measure or "late")
        if self.until_measure is not None:
            raise InputError("--until-measure", "says nothing without a width", "add --until-width, for example 0.001")
        return None


def sweep_scenario(file: str, wish: SweepWish, *, as_json: bool) -> int:
    if wish.out is not None:
        must_be_writable(wish.out)
    found = _swept(file, wish)
    if wish.out is not None:
        _write_page(file, found, wish.out)
    if as_json:
        sys.stdout.write(found.summary.to_json())
    else:
        _tell(results(), file, found, wish.out)
    return 0


def _swept(file: str, wish: SweepWish) -> Sweep:
    from analysis.sweep import sweep

    with counted("sweeping") as tell:
        try:
            return sweep(
                file, wish.vary, overrides=wish.overrides, seeds=None if wish.seeds is None else seeds_of(wish.seeds),
                out=wish.out, jobs=wish.jobs, executor_name=wish.executor, scheduler=wish.scheduler,
                warm_up_us=0 if wish.warm_up is None else duration_of("--warm-up", wish.warm_up), until=wish.until(),
                check_laws=wish.check_laws, progress=tell,
            )  # fmt: skip
        except KeyboardInterrupt:
            if wish.out is not None:
                print(f"korder: {wish.out} keeps what was finished; the same command goes on there", file=sys.stderr)
            raise


def _tell(console: Console, file: str, found: Sweep, out: Path | None) -> None:
    summary = found.summary
    keys = dict(zip(LETTERS, summary.header["vary"], strict=False))
    if len(summary.header["vary"]) > len(LETTERS):
        raise InputError("--vary", f"is given more than {len(LETTERS)} times", "vary fewer keys")
    runs, cells = summary.runs, len(found.cells)
    seeds = "seed" if runs == cells else "seeds"
    console.print(summary.header["title"] or file, style="bold", soft_wrap=True)
    what = f"{cells:,} {'cell' if cells == 1 else 'cells'}, {runs // cells:,} {seeds} each: {runs:,} runs"
    console.print(f"{file}, {what}", style="dim", soft_wrap=True)
    if summary.unsettled:
        console.print(f"{summary.unsettled:,} runs did not settle: what is lost there may be under way", style="yellow")
    console.print()
    for letter, key in keys.items():
        console.print(f"{letter}  {key}", soft_wrap=True)
    if keys:
        console.print()
    print_table(console, *record_rows(found, list(keys)))
    console.print()
    _tell_seeds(console, found, list(keys))
    paragraph(console, legend(), style="dim")
    if out is not None:
        names = "\n".join(f"wrote {out / name}" for name in ("sweep.parquet", "summary.json", PAGE))
        console.print(f"\n{names}", soft_wrap=True)


def _tell_seeds(console: Console, found: Sweep, letters: Sequence[str]) -> None:
    seen = _seen(found)
    absent = [name for name in SHARES if name not in seen]
    if absent:
        console.print(f"in no seed: {', '.join(absent)}")
        console.print()
    for first in range(0, len(seen), MOST_COLUMNS):
        print_table(console, *_shares(found, letters, seen[first : first + MOST_COLUMNS]))
        console.print()


def _write_page(file: str, found: Sweep, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from analysis.cli.sweep_page import MOST_RUNS_DRAWN, page

    keys = _headings(list(found.summary.header["vary"]))
    by_seed = seed_rows(found, keys)
    tables = [("Of records, and what it costs", record_rows(found, keys))]
    tables += [] if by_seed is None else [("In how many seeds it happened", by_seed)]
    tables += [("What is behind it", counted_rows(found, keys))] if found.summary.runs <= MOST_RUNS_DRAWN else []
    write_text(out / PAGE, page(found, file, tables))


def _headings(keys: list[str]) -> list[str]:
    """Short names where they say enough; the line at the end of the page has the whole keys."""
    from analysis.figures_sweep import short_of

    short = [short_of(key) for key in keys]
    return short if len(set(short)) == len(keys) else keys


def record_rows(found: Sweep, letters: Sequence[str]) -> Rows:
    """Rates of records, throughput and latency of every cell: header and rows."""
    columns = [[rate_words(one.interval) for one in found.summary.of(name, "rate")] for name in RATES]
    columns += [_times(found, "acked_per_s", 1), _times(found, "ack_p99_us", 1000)]
    header = [*letters, *RATES.values(), "acked a second", "ack p99, ms"]
    return header, [[*cell, *told] for cell, told in zip(_cells(found), zip(*columns, strict=True), strict=True)]


def seed_rows(found: Sweep, letters: Sequence[str]) -> Rows | None:
    """In how many seeds each violation happened at all; None if none did in any cell."""
    seen = _seen(found)
    return _shares(found, letters, seen) if seen else None


def _seen(found: Sweep) -> list[str]:
    """Violations of some seed: those of :data:`SHARES` first."""
    from analysis.finding import CLASSES

    violations = [name for name, kind in CLASSES.items() if kind == "violation" and found.summary.of(name, "share")]
    return sorted(violations, key=lambda name: name not in SHARES)


def _shares(found: Sweep, letters: Sequence[str], names: Sequence[str]) -> Rows:
    columns = [[rate_words(one.interval) for one in found.summary.of(name, "share")] for name in names]
    header = [*letters, *(f"{name}, of seeds" for name in names)]
    return header, [[*cell, *told] for cell, told in zip(_cells(found), zip(*columns, strict=True), strict=True)]


def counted_rows(found: Sweep, letters: Sequence[str]) -> Rows:
    """Of every cell: seeds, records and faults, and how many records were late, stored twice and lost."""
    names = ("counted", "fault_strikes", *RATES)
    header = [*letters, "seeds", "records", "faults", "late", "stored twice", "lost"]
    parts = found.counts_frame.groupby("cell", sort=True)
    sums, sizes = parts[list(names)].sum(), parts.size()
    rows = [
        [*cell, f"{sizes.iloc[at]:,}", *(f"{int(sums[name].iloc[at]):,}" for name in names)]
        for at, cell in enumerate(_cells(found))
    ]
    return header, rows


def _cells(found: Sweep) -> list[list[str]]:
    return [[setting.partition("=")[2] for setting in cell.settings] for cell in found.cells]


def _times(found: Sweep, measure: str, per: int) -> list[str]:
    by_cell: dict[int, Told] = {one.cell: one for one in found.summary.of(measure)}
    return [of_times(by_cell[cell.number].interval, per) if cell.number in by_cell else "-" for cell in found.cells]
