"""One measured sweep in a process of its own: idempotence x requests in flight x seeds. Prints JSON.

    python tests/benchmarks/sweeping.py EXECUTOR SEEDS

``overhead`` is what the workers' time comes to beyond the time inside runs, from the first task's begin to the last
one's end: the same runs in plain loops, one a worker, would take the time inside runs. Clocks of one machine agree.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis.sweep import run, sweep  # noqa: E402
from tests.benchmarks.sweep_worker import FOLDER, noted_block  # noqa: E402

GRID = ("enable.idempotence=false,true", "max.in.flight.requests.per.connection=1..5")
SCENARIO, JOBS = "in_flight_and_idempotence", 2


def measured(executor: str, seeds: range, jobs: int = JOBS, overrides: tuple[str, ...] = ()) -> dict[str, float]:
    """Seconds of the whole sweep and to its first task, runs, and the overhead as a share of the time inside runs."""
    with TemporaryDirectory(prefix="korder-bench-") as folder:
        os.environ[FOLDER] = folder
        plain = run.run_block, run._one_run
        run.run_block = noted_block
        begun = time.perf_counter()
        try:
            found = sweep(
                SCENARIO, GRID, seeds=seeds, executor_name=executor, jobs=jobs, overrides=overrides,
                out=Path(folder) / "out",
            )  # fmt: skip
        finally:
            run.run_block, run._one_run = plain
        seconds = time.perf_counter() - begun
        notes = [json.loads(line) for file in Path(folder).glob("*.jsonl") for line in file.read_text().splitlines()]
        first, last = min(note["begin"] for note in notes), max(note["end"] for note in notes)
        inside = sum(note["inside"] for note in notes)
        assert sum(note["runs"] for note in notes) == found.summary.runs
        return {
            "seconds": seconds, "start": first - begun, "runs": found.summary.runs, "inside": inside,
            "overhead": jobs * (last - first) / inside - 1,
        }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], range(int(sys.argv[2])))))
