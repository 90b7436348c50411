"""korder's speed and memory, by ratio: ``make bench``.

A number in records per second says more about the machine than about korder, so each bar compares two things measured
in the same process, turn about, and takes the median of at least five; those of groups alone are absolute. The table
goes to stdout, the same as JSON to ``--json FILE``. Exit status 1 if a bar is missed.

    python tests/benchmarks/bench.py [--only NAME]... [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout, installed or not

from tests.benchmarks.analysis_speed import judging, reading  # noqa: E402
from tests.benchmarks.group_speed import deliveries, rebalances  # noqa: E402
from tests.benchmarks.measured import Measured  # noqa: E402
from tests.benchmarks.measures import (  # noqa: E402
    batched_records,
    failover_check,
    memory_per_record,
    real_failover,
    round_trips,
)
from tests.benchmarks.sweep_speed import sweeps  # noqa: E402

BENCHES: dict[str, Callable[[int], list[Measured]]] = {
    "round-trips": round_trips,
    "batched": batched_records,
    "group": deliveries,
    "rebalances": rebalances,
    "judging": judging,
    "reading": reading,
    "memory": memory_per_record,
    "check": failover_check,
    "real": real_failover,
    "sweep": sweeps,
}


def main() -> int:
    arguments = _arguments()
    measured: list[Measured] = []
    for name in arguments.only or BENCHES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        measured += BENCHES[name](arguments.rounds)
    print(_table(measured))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(_as_json(measured), indent=2) + "\n", encoding="utf-8")
    return 0 if all(one.holds is not False for one in measured) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="korder's speed and memory, by ratio")
    parser.add_argument("--only", action="append", choices=list(BENCHES), help="measure this alone (repeatable)")
    parser.add_argument("--rounds", type=int, default=5, help="how many times each; the median counts (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds needs at least 1")
    return arguments


def _table(measured: list[Measured]) -> str:
    rows = [("what", "measured", "bar", "aim", "verdict", "detail")]
    rows += [(one.name, one.shown, one.bar_shown, one.aim_shown, one.verdict, one.detail) for one in measured]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(len(line) for line in lines), *lines[1:]])


def _as_json(measured: list[Measured]) -> dict[str, object]:
    machine = {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()}
    return {"machine": machine, "measures": [one.as_json() for one in measured]}


if __name__ == "__main__":
    sys.exit(main())
