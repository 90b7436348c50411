"""The commands and their options. Each hands over to its own module, imported only when the command is the one asked
for, so that ``korder --help`` answers at once. A command returns its exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    name="korder",
    help="In what order will Kafka's records really arrive, which twice, and which not at all?",
    epilog="Exit status: 0 all holds; 1 an expectation broken or undecided; 2 wrong input; 3 korder itself is wrong.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[str, typer.Argument(metavar="FILE", help="Scenario file, or the name of a bundled scenario.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value; a bare Kafka option: everywhere it stands."),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.")]
CheckLaws = Annotated[bool, typer.Option("--check-laws", help="Check the simulator's own laws as it runs (slower).")]


@app.command()
def run(
    file: File,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the file's first seed.")] = None,
    overrides: Set = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep trace, verdict and figures here.")] = None,
    json: Json = False,
    check_laws: CheckLaws = False,
) -> int:
    """Simulate one scenario with one seed, judge it, and show what was found."""
    from analysis.cli.run import run_scenario

    return run_scenario(file, seed=seed, overrides=overrides or [], out=out, as_json=json, check_laws=check_laws)


@app.command()
def check(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Scenario files, folders of them, or names.")],
    seeds: Annotated[str | None, typer.Option(metavar="A..B", help="Instead of the file's; both ends count.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a processor.")] = None,
    overrides: Set = None,
    allow_undecided: Annotated[bool, typer.Option(help="Undecided is not a failure.")] = False,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Say what changed in counts and rates since it was accepted.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Write what is seen now as the baseline.")] = False,
    max_time: Annotated[
        str | None, typer.Option(metavar="10m", help="Begin no run after so long; what is left is undecided.")
    ] = None,
    annotations: Annotated[
        bool | None, typer.Option(help="Annotate a GitHub workflow. Default: if a runner says that it is one.")
    ] = None,
    json: Json = False,
    check_laws: CheckLaws = False,
) -> int:
    """Judge the expectations of scenarios over all their seeds; for continuous integration."""
    from analysis.cli.annotations import wanted
    from analysis.cli.arguments import duration_of
    from analysis.cli.check import Ending, Wish, check_scenarios

    within_us = None if max_time is None else duration_of("--max-time", max_time)
    wish = Wish(seeds=seeds, overrides=tuple(overrides or ()), check_laws=check_laws, max_time_us=within_us)
    ending = Ending(allow_undecided, json, wanted(annotations), baseline, accept)
    return check_scenarios(paths, wish, ending, jobs=jobs)


@app.command()
def sweep(
    file: File,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="KEY=VALUES", help="1,2,5 or 1..5 or 10..50+10 or 1..1000*10; ends with units."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="A..B", help="Of every cell. Default: the file's.")] = None,
    overrides: Set = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the table; go on there if interrupted.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Workers. Default: one a processor.")] = None,
    executor: Annotated[
        str, typer.Option(metavar="NAME", help="process, thread, dask, or MODULE:NAME that makes an executor.")
    ] = "process",
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Of Dask; default: a cluster here.")] = None,
    warm_up: Annotated[str | None, typer.Option(metavar="5s", help="Records sent before it do not count.")] = None,
    until_width: Annotated[
        float | None, typer.Option(metavar="W", help="Add seeds until the interval is no wider, as 0.001.")
    ] = None,
    until_measure: Annotated[str, typer.Option(metavar="NAME", help="Whose: late, doubled or lost.")] = "late",
    json: Json = False,
    check_laws: CheckLaws = False,
) -> int:
    """Run a grid of settings over many seeds: rates with intervals, and a table with a row a run."""
    from analysis.cli.sweep import SweepWish, sweep_scenario

    wish = SweepWish(
        tuple(vary or ()), tuple(overrides or ()), seeds, out, jobs, executor, scheduler, warm_up, until_width,
        until_measure, check_laws,
    )  # fmt: skip
    return sweep_scenario(file, wish, as_json=json)


@app.command()
def compare(
    file: File,
    sides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar='"KEY=VALUE; ..."', help="One side each; one alone: against the file as it is."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="A..B", help="Instead of the file's; both ends count.")] = None,
    warm_up: Annotated[str | None, typer.Option(metavar="5s", help="Records sent before it do not count.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a processor.")] = None,
    json: Json = False,
) -> int:
    """Two configurations under the same failures, seed by seed: what differs, how surely, and what it costs."""
    from analysis.cli.compare import compare_sides

    return compare_sides(file, sides or [], seeds=seeds, warm_up=warm_up, jobs=jobs, as_json=json)


@app.command()
def plot(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="What sweep --out wrote: the folder or the file.")],
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="in-flight, fault-rate, extent, heat-map, trade-off or loss.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="PNG, PDF or SVG. Default: KIND.png.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="KEY=VALUE", help="Only these cells of the sweep.")
    ] = None,
    measure: Annotated[str | None, typer.Option(metavar="NAME", help="late, doubled or lost.")] = None,
    x: Annotated[str | None, typer.Option(metavar="KEY", help="heat-map: the option along x.")] = None,
    y: Annotated[str | None, typer.Option(metavar="KEY", help="heat-map: the option along y.")] = None,
) -> int:
    """Draw a figure of a sweep, with its intervals, for a column of a paper."""
    from analysis.cli.plot import plot_table

    return plot_table(table, kind, out=out, where=where or [], options={"measure": measure, "x": x, "y": y})


@app.command()
def claims(
    seeds: Annotated[str | None, typer.Option(metavar="A..B", help="Instead of the files'; both ends count.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a processor.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep one page of them here, with figures.")] = None,
    json: Json = False,
) -> int:
    """What is commonly said about order in Kafka: true, true if, or outdated, with the runs that show it."""
    from analysis.cli.claims import hold_claims

    return hold_claims(seeds=seeds, jobs=jobs, out=out, as_json=json)


@app.command()
def analyze(
    history: Annotated[Path, typer.Argument(metavar="HISTORY", help="Trace (.parquet) or history (.jsonl[.gz|.zst]).")],
    expect: Annotated[
        list[str] | None, typer.Option("--expect", metavar="NAME=never", help="Judge: never, always or {max: N}.")
    ] = None,
    json: Json = False,
) -> int:
    """Find the anomalies of any history, simulated or real."""
    from analysis.cli.analyze import analyze_history

    return analyze_history(history, expect=expect or [], as_json=json)


@app.command()
def schema(
    what: Annotated[str, typer.Argument(metavar="[sweep]", help="Of a sweep's table, not of scenarios.")] = "scenario",
) -> int:
    """Print the JSON Schema of scenario files, for editors; or what the columns of a sweep's table mean."""
    from analysis.cli.catalogue import print_schema

    return print_schema(what)


@app.command()
def new(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Write it here; default: stdout.")] = None,
) -> int:
    """Write a commented scenario that runs, to start from."""
    from analysis.cli.catalogue import write_template

    return write_template(file)


@app.command()
def scenarios(json: Json = False) -> int:
    """List the bundled scenarios, each with its question."""
    from analysis.cli.catalogue import list_scenarios

    return list_scenarios(as_json=json)
