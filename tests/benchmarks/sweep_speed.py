"""Sweeps: how long the grid of the headline figure takes, what handing out costs, and the memory of who hands out."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.measured import Measured

__all__ = ["sweeps"]

HERE = Path(__file__).resolve().parent
SEEDS, SEEDS_ON_DASK = 200, 40


def sweeps(rounds: int) -> list[Measured]:
    """Each once: they are long. In processes of their own, as a user would run them."""
    whole = _told("sweeping.py", "process", str(SEEDS))
    detail = f"{whole['runs']:,} runs of 10 s at 500 records/s on 2 processes"
    peaks = _told("sweep_memory.py")
    mega = 1 << 20
    return [
        Measured("sweep, 2 x 5 cells x 200 seeds", whole["seconds"], "s", 300, 180, more=False, detail=detail),
        _overhead("overhead of a sweep, processes", whole, 0.05),
        _on_dask(),
        Measured("memory of a sweep, 12,000 runs / 2,000", peaks["many"] / peaks["few"], "", 1.15, more=False,
                 detail=f"{peaks['many'] / mega:,.0f} against {peaks['few'] / mega:,.0f} MB, report included"),
    ]  # fmt: skip


def _on_dask() -> Measured:
    name, bar = "overhead of a sweep, local Dask cluster", 0.15
    if find_spec("distributed") is None:
        return Measured(name, None, "", bar, more=False, detail="distributed is not installed")
    return _overhead(name, _told("sweeping.py", "dask", str(SEEDS_ON_DASK)), bar)


def _overhead(name: str, told: dict[str, Any], bar: float) -> Measured:
    detail = f"{told['inside']:,.0f} s inside {told['runs']:,} runs, first task after {told['start']:.1f} s"
    return Measured(name, told["overhead"], "", bar, more=False, detail=detail)


def _told(script: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parents[1])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
