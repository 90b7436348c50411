"""How many findings of the bundled scenarios are explained, and how many explanations a counterfactual confirms.

    python tests/explain/measure.py [--seeds 0..99] [--latency-seeds 20] [--jobs 2] [--keep FILE] [NAME...]

Of every seed of every scenario the first case of every finding is explained and proved; the bar is 95 % confirmed.
Findings that are not explained or not confirmed are listed with the reason. With --keep every finished run is appended
to FILE and not made again; seeds are taken evenly spread, so that a part of the work is a sample of the whole.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis.cli.arguments import seeds_of  # noqa: E402
from analysis.cli.pool import spread  # noqa: E402
from analysis.explaining.diagnose import diagnose  # noqa: E402
from analysis.explaining.explanation import topic_of  # noqa: E402
from analysis.explaining.facts import Facts  # noqa: E402
from analysis.explaining.laboratory import Laboratory, lane_of  # noqa: E402
from analysis.explaining.proof import LATENCY_SEEDS, prove  # noqa: E402
from analysis.verdict import judge  # noqa: E402
from sim.run import simulate  # noqa: E402
from sim.scenario import bundled  # noqa: E402

BAR = 0.95


@dataclass(frozen=True)
class Task:
    scenario: str
    seed: int
    latency_seeds: int


@dataclass(frozen=True)
class Outcome:
    """Of one finding in one run."""

    scenario: str
    seed: int
    finding: str
    mechanism: str
    explained: bool
    confirmed: bool
    words: str


def outcomes_of(task: Task) -> list[Outcome]:
    verdict = judge(simulate(task.scenario, task.seed))
    found = {name: one for name, one in verdict.findings.items() if one.count}
    facts, laboratory = Facts(verdict.evidence), Laboratory(found)
    told = []
    for name, finding in found.items():
        witness = finding.witnesses[0]
        diagnosis = diagnose(facts, name, witness)
        confirmed, words = False, diagnosis.because
        if diagnosis.explained:
            proof = prove(
                facts, name, diagnosis, lane_of(witness), topic_of(facts, diagnosis), seeds=task.latency_seeds,
                laboratory=laboratory, decided=True,
            )  # fmt: skip
            confirmed, words = proof.holds, proof.sentence()
        told.append(Outcome(task.scenario, task.seed, name, diagnosis.mechanism, diagnosis.explained, confirmed, words))
    return told


def measure(tasks: list[Task], jobs: int = 1, keep: Path | None = None) -> list[Outcome]:
    """In the order of *tasks*; what *keep* has of them is read from there, the rest is made and added to it."""
    known = {} if keep is None else kept(keep)
    made: dict[Task, list[Outcome]] = {task: known[task] for task in tasks if task in known}
    left = [task for task in tasks if task not in made]
    size = jobs if keep is not None else max(len(left), 1)
    for at in range(0, len(left), size):
        block = left[at : at + size]
        for task, found in zip(block, spread(outcomes_of, block, jobs, lambda task: None), strict=True):
            made[task] = found
            if keep is not None:
                add(keep, task, found)
    return [one for task in tasks for one in made[task]]


def add(keep: Path, task: Task, found: list[Outcome]) -> None:
    line = {"task": asdict(task), "outcomes": [asdict(one) for one in found]}
    with keep.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def kept(keep: Path) -> dict[Task, list[Outcome]]:
    """What earlier runs of this program have written; a line that was cut off is left out."""
    found = {}
    for line in keep.read_text("utf-8").splitlines() if keep.exists() else ():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        found[Task(**told["task"])] = [Outcome(**one) for one in told["outcomes"]]
    return found


def spread_out(seeds: list[int]) -> list[int]:
    """First, middle, quarters, eighths ...: any beginning of the list is spread evenly over the whole."""
    bits = max(len(seeds) - 1, 1).bit_length()
    order = sorted(range(1 << bits), key=lambda k: int(f"{k:0{bits}b}"[::-1], 2))
    return [seeds[k] for k in order if k < len(seeds)]


def report(outcomes: list[Outcome]) -> bool:
    """Print the table; whether the bar is reached."""
    total = Counter((one.scenario, one.finding, one.mechanism) for one in outcomes)
    held = Counter((one.scenario, one.finding, one.mechanism) for one in outcomes if one.confirmed)
    for key, count in total.items():
        print(f"{key[0]:<38} {key[1]:<26} {key[2]:<48} {held[key]:>4} of {count}")
    for one in outcomes:
        if not one.confirmed:
            print(f"  {one.scenario} seed {one.seed} {one.finding} ({one.mechanism}): {one.words}")
    explained, confirmed = (sum(getattr(one, name) for one in outcomes) for name in ("explained", "confirmed"))
    share = confirmed / len(outcomes) if outcomes else 0.0
    print(f"{len(outcomes)} findings: {explained} explained, {confirmed} confirmed ({share:.1%}; the bar is {BAR:.0%})")
    return share >= BAR


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", help="bundled scenarios (default: all)")
    asked.add_argument("--seeds", type=seeds_of, default=seeds_of("0..99"))
    asked.add_argument("--latency-seeds", type=int, default=LATENCY_SEEDS)
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--keep", type=Path, help="append finished runs here, and go on from what is there")
    given = asked.parse_args()
    names = given.names or list(bundled())
    seeds = spread_out(list(given.seeds)) if given.keep else list(given.seeds)
    tasks = [Task(name, seed, given.latency_seeds) for seed in seeds for name in names]
    return 0 if report(measure(tasks, given.jobs, given.keep)) else 1


if __name__ == "__main__":
    sys.exit(main())
