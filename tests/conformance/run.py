"""``make conformance [CELLS=FILE]``: simulate recorded runs of real Kafka and say where the simulator differs.

One line a run, last line ``N of M agree``; exit status 1 if not all agree.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sim.errors import InputError, LawBroken
from tests.conformance.cells import Cell, difference, play, read_cells

RECORDED = (Path(__file__).with_name("producer.json"), Path(__file__).with_name("producer_more.json"))


def first_difference(cell: Cell) -> str | None:
    """Where the simulated run parts from the recorded one, or why there is none."""
    try:
        return difference(cell, play(cell))
    except (InputError, LawBroken) as error:
        return " ".join(str(error).split())
    except (KeyError, TypeError, ValueError) as error:
        return f"not a recorded run in this form: {type(error).__name__} {error}"


def main(arguments: list[str]) -> int:
    cells = []
    for path in map(Path, arguments or RECORDED):
        try:
            cells += read_cells(path)
        except (OSError, ValueError) as error:
            print(f"{path}: not a list of recorded runs: {error}", file=sys.stderr)
            return 2
    agreeing = 0
    with ProcessPoolExecutor() as pool:
        for cell, found in zip(cells, pool.map(first_difference, cells, chunksize=4), strict=True):
            agreeing += found is None
            print(f"{cell['id']:<24} {cell['client']:<11} {'agrees' if found is None else found}", flush=True)
    print(f"{agreeing} of {len(cells)} agree")
    return 0 if agreeing == len(cells) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
