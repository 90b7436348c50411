"""``korder confirm``: one scenario simulated and on real brokers, side by side; ``korder kafka`` gets the brokers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.arguments import seed_of
from analysis.cli.console import indented, paragraph, print_json, results, steps
from analysis.cli.files import must_be_writable, staged
from analysis.cli.verdicts import status_of_verdict
from analysis.formats import formatted
from sim.scenario import load, with_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.confirm import Confirmed

__all__ = ["confirm_scenario", "get_kafka"]

def get_kafka(release: str) -> int:
    from sim.real.jars import fetch, release_of

    with steps() as step:
        chosen = release_of(release)
        step.begin(f"getting Apache Kafka {chosen}")
        folder = fetch(chosen)
    results().print(f"Apache Kafka {chosen} is in {folder}", soft_wrap=True)
    return 0


def confirm_scenario(
    file: str, *, kafka: str | None, repeat: int, seed: int | None, overrides: list[str], out: Path | None,
    as_json: bool, keep: bool, allow_difference: bool = False,
) -> int:  # fmt: skip
    """Play *file* on both sides and show them. 1 where an expectation is broken or undecided on real brokers, or,
    unless *allow_difference*, where a real run ended otherwise than the simulated one."""
    from sim.real.jars import RELEASES, release_of

    release = None if kafka is None else release_of(kafka)
    scenario = with_overrides(load(file), overrides)
    if release is not None:
        short = next(name for name, known in RELEASES.items() if known == release)
        scenario = with_overrides(scenario, [f"kafka={short}"])
    if out is not None:
        must_be_writable(out)
    chosen = scenario.seeds[0] if seed is None else seed_of(seed)
    with steps() as step:
        from analysis.confirm import confirm

        found = confirm(scenario, chosen, release=release, repeat=repeat, keep=keep, say=step.begin)
        told = _as_json(file, chosen, release or RELEASES[scenario.kafka], found)
        written = [] if out is None else _keep(out, told, found)
    if as_json:
        print_json(told)
    else:
        _tell(results(), scenario.title or file, told, found, written)
    differs = not (found.agrees or allow_difference)
    if differs and not as_json:
        words = "The two sides differ: exit status 1. Where that hangs on a race, --allow-difference leaves the status"
        paragraph(results(), f"{words} to the expectations alone.", style="dim")
    return max(status_of_verdict(found.word), int(differs))


def _as_json(file: str, seed: int, release: str, found: Confirmed) -> dict[str, Any]:
    told = {
        "scenario": file,
        "seed": seed,
        "kafka": release,
        "verdict": found.word,
        "expectations": {name: judged.to_json() for name, judged in found.expectations.items()},
        "unjudged": found.unjudged,
        "played_otherwise": found.otherwise,
        "agrees": found.agrees,
        "simulated": {"digest": found.trace.digest(), "outcome": found.outcome, **_findings(found.verdict)},
        "real": [
            {"difference": run.difference, "settled": run.settled, "unsettled": run.unsettled, "outcome": run.outcome,
             **_findings(run.verdict)}
            for run in found.real
        ],
    }  # fmt: skip
    return formatted("confirm", told)


def _findings(verdict: Any) -> dict[str, Any]:
    return {"findings": {name: one.to_json() for name, one in verdict.findings.items() if one.checked and one.count}}


def _keep(out: Path, told: dict[str, Any], found: Confirmed) -> list[str]:
    """Both sides: the trace, each real history, and the comparison."""
    with staged(out) as folder:
        found.trace.save(folder)
        for number, run in enumerate(found.real, start=1):
            (folder / f"real-{number}.jsonl").write_text("\n".join(run.lines) + "\n", encoding="utf-8")
        text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
        (folder / "confirm.json").write_text(text, encoding="utf-8")
        return sorted(str(out / path.name) for path in folder.iterdir())


# --- for a person -----------------------------------------------------------------------------------------------------
def _tell(console: Console, title: str, told: dict[str, Any], found: Confirmed, written: list[str]) -> None:
    console.print(title, style="bold")
    repeats = f", {len(found.real)} times" if len(found.real) > 1 else ""
    console.print(f"seed {told['seed']}, simulated and on Apache Kafka {told['kafka']}{repeats}", style="dim")
    console.print()
    _tell_logs(console, told)
    console.print()
    _tell_records(console, told)
    console.print()
    _tell_members(console, told)
    _tell_findings(console, told)
    console.print()
    for number, run in enumerate(told["real"], start=1):
        which = f"run {number}: " if len(told["real"]) > 1 else ""
        same = "the real run ended as the simulated one: log order, batches, outcomes, attempts"
        paragraph(console, f"{which}{same if run['difference'] is None else 'first difference: ' + run['difference']}")
        if not run["settled"]:
            paragraph(console, f"{which}did not settle: {'; '.join(run['unsettled'])}", style="yellow")
    _tell_verdict(console, told)
    for name in written:
        console.print(f"wrote {name}", soft_wrap=True)


def _columns(told: dict[str, Any]) -> list[str]:
    count = len(told["real"])
    return ["real"] if count == 1 else [f"real {number}" for number in range(1, count + 1)]


def _tell_logs(console: Console, told: dict[str, Any]) -> None:
    from analysis.cli.tables import print_table

    rows = []
    for partition, simulated in told["simulated"]["outcome"]["log"].items():
        reals = [run["outcome"]["log"].get(partition, []) for run in told["real"]]
        words = [_log_words(log) for log in (simulated, *reals)]
        rows.append([partition, *words, _order_words(simulated, reals)])
    print_table(console, ("partition", "simulated", *_columns(told), "log order"), rows)


def _values(log: list[Any]) -> list[str]:
    return [value for batch in log for value in batch[1]]


def _log_words(log: list[Any]) -> str:
    values = _values(log)
    copies = len(values) - len(set(values))
    return f"{len(values):,} records" + (f", {copies:,} later copies" if copies else "")


def _order_words(simulated: list[Any], reals: list[list[Any]]) -> str:
    ours = _values(simulated)
    for log in reals:
        theirs = _values(log)
        if ours == theirs:
            continue
        at = next((at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
        at = min(len(ours), len(theirs)) if at is None else at
        one, other = (log[at] if at < len(log) else "nothing" for log in (ours, theirs))
        return f"the same up to record {at}: then {one} here, {other} there"
    return "the same"


def _tell_records(console: Console, told: dict[str, Any]) -> None:
    """What became of the records, by producer; and whether each record's outcome is the same."""
    from analysis.cli.tables import print_table

    sides = [told["simulated"]["outcome"], *(run["outcome"] for run in told["real"])]
    producers = list(dict.fromkeys(name for side in sides for name in side["reports"]))
    rows = []
    for name in producers:
        fates = [_fates(side, name) for side in sides]
        differing = sum(fate != fates[0].get(value) for other in fates[1:] for value, fate in other.items())
        same = "the same" if not differing else f"{differing:,} differ"
        rows.append([name, *(_fate_words(side) for side in fates), same])
    print_table(console, ("producer", "simulated", *_columns(told), "outcome by record"), rows)


def _tell_members(console: Console, told: dict[str, Any]) -> None:
    """What became of the members of groups, where there are any."""
    from analysis.cli.tables import print_table

    sides = [told["simulated"]["outcome"], *(run["outcome"] for run in told["real"])]
    names = list(sides[0].get("rebalances", {}))
    if not names:
        return
    rows = []
    for name in names:
        lives = [(side["rebalances"].get(name), side["processed"].get(name)) for side in sides]
        same = "the same" if all(life == lives[0] for life in lives) else "differ"
        rows.append([name, *(_member_words(side, name) for side in sides), same])
    print_table(console, ("member", "simulated", *_columns(told), "callbacks, records"), rows)
    console.print()


def _member_words(side: dict[str, Any], name: str) -> str:
    callbacks = side["rebalances"].get(name, [])
    records = sum(last - first + 1 for parts in side["processed"].get(name, {}).values() for first, last in parts)
    refused = len(side["commits_refused"].get(name, []))
    told = f"{len(callbacks):,} callbacks, {records:,} records processed"
    return told + (f", {refused:,} commits refused" if refused else "")


def _fates(side: dict[str, Any], name: str) -> dict[str, str]:
    found = {value: "open" for value in side["unresolved"].get(name, [])}
    for reports in (*side["reports"].get(name, {}).values(), side["refused"].get(name, [])):
        found.update({value: result for value, result in reports})
    return found


def _fate_words(fates: dict[str, str]) -> str:
    counts: dict[str, int] = {}
    for result in fates.values():
        counts[result] = counts.get(result, 0) + 1
    return ", ".join(f"{count:,} {result}" for result, count in sorted(counts.items())) or "nothing"


def _tell_findings(console: Console, told: dict[str, Any]) -> None:
    from analysis.cli.tables import print_table

    sides = [told["simulated"]["findings"], *(run["findings"] for run in told["real"])]
    names = sorted({name for side in sides for name in side})
    if not names:
        console.print("findings: none on either side")
        return
    rows = [[name, *(f"{side[name]['count']:,}" if name in side else "-" for side in sides)] for name in names]
    print_table(console, ("finding", "simulated", *_columns(told)), rows, right=tuple(range(1, len(sides) + 1)))


def _tell_verdict(console: Console, told: dict[str, Any]) -> None:
    from analysis.cli.report import tell_verdict

    if told["expectations"]:
        console.print()
        tell_verdict(console, {"expectations": told["expectations"], "verdict": told["verdict"]})
    indented(console, (f"played otherwise on real brokers: {words}" for words in told["played_otherwise"]))
    indented(console, (f"not judged on real brokers: {name}: {why}" for name, why in told["unjudged"].items()))
