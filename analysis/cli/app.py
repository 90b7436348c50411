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
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value (null: leave it out); a bare option: everywhere."),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.")]
Junit = Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit's XML here, for a CI server.")]
CheckLaws = Annotated[bool, typer.Option("--check-laws", help="Check the simulator's own laws as it runs (slower).")]


@app.command()
def run(
    file: File,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the file's first seed.")] = None,
    overrides: Set = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep trace, verdict and figures here.")] = None,
    perfetto: Annotated[Path | None, typer.Option(metavar="FILE", help="The whole run, for ui.perfetto.dev.")] = None,
    json: Json = False,
    check_laws: CheckLaws = False,
) -> int:
    """Simulate one scenario with one seed, judge it, and show what was found."""
    from analysis.cli.run import run_scenario

    return run_scenario(
        file, seed=seed, overrides=overrides or [], out=out, perfetto=perfetto, as_json=json, check_laws=check_laws
    )


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
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="A page with what broke, in one file.")] = None,
    json: Json = False,
    junit: Junit = None,
    check_laws: CheckLaws = False,
) -> int:
    """Judge the expectations of scenarios over all their seeds; for continuous integration."""
    from analysis.cli.annotations import wanted
    from analysis.cli.arguments import duration_of
    from analysis.cli.check import Ending, Wish, check_scenarios

    within_us = None if max_time is None else duration_of("--max-time", max_time)
    wish = Wish(seeds=seeds, overrides=tuple(overrides or ()), check_laws=check_laws, max_time_us=within_us)
    ending = Ending(allow_undecided, json, wanted(annotations), baseline, accept, junit, html)
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
    until_measure: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose: late (the default), doubled or lost.")
    ] = None,
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
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="What sweep --out wrote; for rebalance-timeline, run --out.")
    ],
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="in-flight, fault-rate, extent, heat-map, trade-off, loss or rebalance-timeline."
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="PNG, PDF or SVG. Default: KIND.png.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="KEY=VALUE", help="Only these cells of the sweep.")
    ] = None,
    measure: Annotated[str | None, typer.Option(metavar="NAME", help="late, doubled or lost.")] = None,
    x: Annotated[str | None, typer.Option(metavar="KEY", help="heat-map: the option along x.")] = None,
    y: Annotated[str | None, typer.Option(metavar="KEY", help="heat-map: the option along y.")] = None,
    group: Annotated[str | None, typer.Option(metavar="NAME", help="rebalance-timeline: of this group.")] = None,
    window: Annotated[str | None, typer.Option(metavar="A..B", help="rebalance-timeline: 10s..20s of the run.")] = None,
) -> int:
    """Draw a figure of a sweep, with its intervals, for a column of a paper; or a consumer group in time."""
    from analysis.cli.plot import plot_table

    options = {"measure": measure, "x": x, "y": y, "group": group, "window": window}
    return plot_table(table, kind, out=out, where=where or [], options=options)


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
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="A page with figures, in one file.")] = None,
    json: Json = False,
    junit: Junit = None,
) -> int:
    """Find the anomalies of any history, simulated or real."""
    from analysis.cli.analyze import analyze_history

    return analyze_history(history, expect=expect or [], as_json=json, html=html, junit=junit)


@app.command()
def explain(
    source: Annotated[Path, typer.Argument(metavar="TRACE_OR_HISTORY", help="What run --out kept, or a history.")],
    finding: Annotated[str, typer.Argument(metavar="FINDING", help="Its name, as append-reorder.")],
    witness: Annotated[int, typer.Option(min=0, help="Which of its cases, from 0.")] = 0,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="The story as a page, in one file.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="The sequence diagram.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="A scenario that shows just this case.")] = None,
    perfetto: Annotated[Path | None, typer.Option(metavar="FILE", help="The whole run, for ui.perfetto.dev.")] = None,
    proof: Annotated[bool, typer.Option("--proof/--no-proof", help="Run it with changes, up to a minute.")] = True,
    json: Json = False,
) -> int:
    """Tell why: the causal story of one finding, what permitted it, and what would have prevented it."""
    from analysis.cli.explain import Wish, explain_finding

    wish = Wish(witness, json, html, svg, save, perfetto, proof)
    return explain_finding(source, finding, wish)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A trace's folder or .parquet, or a history.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other one.")],
    json: Json = False,
) -> int:
    """Show where two traces first part, and which findings come and go. Exit status 1 if anything differs."""
    from analysis.cli.diff import compare_histories

    return compare_histories((a, b), as_json=json)


@app.command()
def join(
    out: Annotated[Path, typer.Option(metavar="HISTORY", help="Write the history here (.jsonl[.gz|.zst]).")],
    recordings: Annotated[
        list[Path] | None, typer.Argument(metavar="[RECORDING]...", help="What analysis.recorder wrote.")
    ] = None,
    logs: Annotated[
        list[str] | None, typer.Option("--log", metavar="[BROKER:]DUMP", help="What kafka-dump-log.sh printed.")
    ] = None,
    identity: Annotated[
        str, typer.Option(metavar="WHAT", help="What names a stored record: value, key, json:FIELD or place.")
    ] = "value",
    drain: Annotated[bool, typer.Option("--drain", help="The readers had the time to read everything.")] = False,
) -> int:
    """Make one history of what clients of a real cluster recorded and what its logs hold."""
    from analysis.cli.join import join_histories

    return join_histories(recordings or [], logs or [], out, identity=identity, drain=drain)


@app.command()
def confirm(
    file: File,
    kafka: Annotated[str | None, typer.Option(metavar="VERSION", help="Default: the scenario's release.")] = None,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="So many runs on real brokers.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the file's first seed.")] = None,
    overrides: Set = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep trace, real histories and comparison.")] = None,
    json: Json = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the brokers' files and logs, and say where.")] = False,
    allow_difference: Annotated[bool, typer.Option(help="That the two sides end otherwise is not a failure.")] = False,
) -> int:
    """Run the same scenario on real Apache Kafka on this machine, and show both side by side."""
    from analysis.cli.confirm import confirm_scenario

    return confirm_scenario(
        file, kafka=kafka, repeat=repeat, seed=seed, overrides=overrides or [], out=out, as_json=json, keep=keep,
        allow_difference=allow_difference,
    )  # fmt: skip


@app.command()
def kafka(release: Annotated[str, typer.Argument(metavar="RELEASE", help="4.3 or 3.9.")] = "4.3") -> int:
    """Get the jars of Apache Kafka that confirm needs, once, with Maven."""
    from analysis.cli.confirm import get_kafka

    return get_kafka(release)


@app.command()
def schema(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="Of an output: run, analyze, check, baseline, explain, diff, summary, manifest, compare, confirm, "
            "claims, scenarios or columns. sweep: what the columns of its table mean.",
        ),
    ] = "scenario",
) -> int:
    """Print the JSON Schema of scenario files, for editors; or of what korder writes for programs."""
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
