"""What a worker of a measured sweep does beside its work: it notes how long it was inside runs.

Imported by the worker with the task, so it costs an executor what any task costs. A line of JSON a block is appended to
a file of the process in the folder that the environment names: begin and end of the block, and the time inside runs.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from analysis.sweep import run

__all__ = ["FOLDER", "noted_block"]

FOLDER = "KORDER_BENCH_FOLDER"
_plain_block, _plain_run = run.run_block, run._one_run
_inside_s = 0.0


def _noted_run(*arguments: Any) -> dict[str, Any]:
    global _inside_s
    begun = time.perf_counter()
    row = _plain_run(*arguments)
    _inside_s += time.perf_counter() - begun
    return row


def noted_block(work: run.Work) -> list[dict[str, Any]]:
    """``run_block``, noted."""
    global _inside_s
    run._one_run, _inside_s = _noted_run, 0.0
    begun = time.perf_counter()
    rows = _plain_block(work)
    note = {"begin": begun, "end": time.perf_counter(), "inside": _inside_s, "runs": len(rows)}
    with (Path(os.environ[FOLDER]) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")
    return rows
