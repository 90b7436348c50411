"""Recorded runs of real clients end the same here: log, callbacks, outcomes, order on the wire.

Here the first 48; ``make test`` goes on with ``run.py``, which compares all of them.
"""

from __future__ import annotations

import pytest

from tests.conformance.cells import FIELDS, Cell, difference, play, read_cells
from tests.conformance.run import RECORDED

FIRST, MORE = (read_cells(path) for path in RECORDED)


@pytest.mark.parametrize("cell", FIRST, ids=[f"{cell['id']}-{cell['client']}" for cell in FIRST])
def test_the_simulator_ends_as_real_kafka_did(cell: Cell) -> None:
    simulated = play(cell)
    assert {field: simulated[field] for field in FIELDS if field in cell} == {
        field: cell[field] for field in FIELDS if field in cell
    }


def test_the_recordings_cover_both_clients_and_every_verb() -> None:
    assert len(FIRST) == 48
    verbs = {(cell["client"], fault["do"]) for cell in MORE for fault in cell["faults"]}
    known = ("answer_error", "append_then_error", "delay_response", "drop_request", "drop_response", "hold_request")
    assert {(client, verb) for client in ("java", "librdkafka") for verb in (*known, "swallow")} <= verbs


def test_a_run_that_differs_is_told_with_its_first_difference() -> None:
    simulated = play(FIRST[0])
    assert difference(FIRST[0], simulated) is None
    bent = {**FIRST[0], "log": [*FIRST[0]["log"][:-1], [8, "9", "P0", 0, 8]]}
    assert difference(bent, simulated) == 'log[8]: recorded [8, "9", "P0", 0, 8], simulated [8, "7", "P0", 0, 8]'
