"""Every recorded run of a real client ends the same here: log, callbacks, outcomes, order on the wire."""

from __future__ import annotations

import pytest

from tests.conformance.cells import FIELDS, Cell, play, read_cells
from tests.conformance.run import RECORDED

CELLS = read_cells(RECORDED)


@pytest.mark.parametrize("cell", CELLS, ids=[f"{cell['id']}-{cell['client']}" for cell in CELLS])
def test_the_simulator_ends_as_real_kafka_did(cell: Cell) -> None:
    simulated = play(cell)
    assert {field: simulated[field] for field in FIELDS if field in cell} == {
        field: cell[field] for field in FIELDS if field in cell
    }


def test_all_forty_eight_recorded_runs_are_here() -> None:
    assert len(CELLS) == 48
