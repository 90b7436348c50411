"""The table of grids that Kafka's own assignors answered: reading it, and making it of what the generators printed.

    javac -cp 'JARS/*' -d CLASSES AssignorGrids.java
    java -cp 'CLASSES:JARS/*' AssignorGrids 1 32 > 4.3.0.jsonl   # and so with 3.9.1
    cc -I SRC -o grids librdkafka_assignors.c SRC/librdkafka.a -lm -lz -ldl -lpthread -lrt
    python tests/conformance/librdkafka_grids.py ./grids 1 20 > librdkafka-4c3b017.jsonl
    python tests/conformance/assignors.py 4.3.0.jsonl 3.9.1.jsonl librdkafka-4c3b017.jsonl > assignors.json

A grid is one line: the assignor, the partitions of each topic, the members as the leader or the coordinator has them,
and the answer (null: there was none, the assignor came to no end or failed). Partitions are written in order, as
``t:0-2,5 u:0``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Grid = dict[str, Any]
TABLE = Path(__file__).with_name("assignors.json")


def grids(path: Path = TABLE) -> list[Grid]:
    """All grids, each with the releases of Kafka that answered so under ``kafka``."""
    found: list[Grid] = json.loads(path.read_text(encoding="utf-8"))["grids"]
    return found


def partitions(written: str) -> list[tuple[str, int]]:
    """``t:0-2,5 u:0`` as (topic, index) in order."""
    listed: list[tuple[str, int]] = []
    for group in written.split():
        topic, _, numbers = group.rpartition(":")
        for run in numbers.split(","):
            first, _, last = run.partition("-")
            listed += [(topic, index) for index in range(int(first), int(last or first) + 1)]
    return listed


def merge(printed: dict[str, list[str]]) -> str:
    """One table of the lines that each release printed; a line that several printed stands once."""
    by_line: dict[str, list[str]] = {}
    for release, lines in printed.items():
        for line in dict.fromkeys(lines):
            by_line.setdefault(line, []).append(release)
    rows = [json.dumps(json.loads(line) | {"kafka": by}, separators=(",", ":")) for line, by in by_line.items()]
    return '{"grids":[\n' + ",\n".join(rows) + "\n]}\n"


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    sys.stdout.write(merge({path.stem: path.read_text(encoding="utf-8").splitlines() for path in paths}))
