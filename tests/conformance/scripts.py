"""Scripts: ordinary scenario files whose outcome does not hang on a race, with what real Kafka made of each.

``scripts/NAME.yaml`` is the scenario, ``scripts.json`` has one recording a script and release: [{script, kafka, client
versions, date, repeats, outcome}]. An outcome has the form of :mod:`analysis.outcome`, without the fields in which
repeats differed (``differing``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.outcome import first_difference, outcome_of
from sim import simulate
from sim.scenario import Scenario, load, with_overrides

__all__ = [
    "KNOWN_DIFFERENCES", "RECORDED", "SCRIPTS", "Recording", "compare", "play", "read", "scenario_of", "script_file",
    "write",
]  # fmt: skip

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "scripts"
RECORDED = HERE / "scripts.json"
Recording = dict[str, Any]

# Scripts that end otherwise here, with the reason; the README has the same rows.
KNOWN_DIFFERENCES = {
    "round_robin_3_9": "one answer of 3.9 names its partitions in another order than the request, here in the same"
}


def script_file(script: str) -> Path:
    return SCRIPTS / f"{script}.yaml"


def scenario_of(script: str, kafka: str) -> Scenario:
    """The script under the rules of release *kafka* (``4.3``)."""
    return with_overrides(load(str(script_file(script))), [f"kafka={kafka}"])


def read(path: Path = RECORDED) -> list[Recording]:
    recorded: list[Recording] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return recorded


def write(recorded: list[Recording], path: Path = RECORDED) -> None:
    """One recording a line."""
    ordered = sorted(recorded, key=lambda one: (one["script"], one["kafka"]))
    lines = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in ordered)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def play(recording: Recording, *, check_laws: bool = True) -> dict[str, Any]:
    """Simulate the script of a recording; its outcome."""
    scenario = scenario_of(recording["script"], recording["kafka"])
    return outcome_of(simulate(scenario, scenario.seeds[0], check_laws=check_laws))


def compare(recording: Recording) -> str | None:
    """Where the simulated run parts from the recorded one, or None."""
    return first_difference(recording["outcome"], play(recording))
