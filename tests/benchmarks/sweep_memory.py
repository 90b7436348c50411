"""Peak memory of the process that sweeps, with few and with many runs, report included. Prints JSON.

The runs themselves are left out (each gives the row of a first, true one): they happen in workers.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis.cli.sweep import SweepWish, sweep_scenario  # noqa: E402
from analysis.sweep import run  # noqa: E402
from analysis.sweep.measure import row_of  # noqa: E402
from sim.run import simulate  # noqa: E402
from sim.scenario import load  # noqa: E402
from tests.benchmarks.memory import peak_bytes  # noqa: E402
from tests.benchmarks.sweeping import GRID, SCENARIO  # noqa: E402

FEW, MANY = 200, 1_200  # seeds of ten cells


def peaks() -> dict[str, int]:
    row = row_of(simulate(load(SCENARIO), 0), 0, 0)

    def again(_scenario: object, seed: int, cell: int, *_more: object) -> dict[str, Any]:
        return {**row, "seed": seed, "cell": cell}

    run._one_run = again  # type: ignore[assignment]
    found = {}
    for name, seeds in (("few", FEW), ("many", MANY)):
        with TemporaryDirectory(prefix="korder-bench-") as folder:
            wish = SweepWish(vary=GRID, seeds=f"0..{seeds - 1}", out=Path(folder) / "out", jobs=1)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                sweep_scenario(SCENARIO, wish, as_json=False)
        found[name] = peak_bytes()
    return found


if __name__ == "__main__":
    print(json.dumps(peaks()))
