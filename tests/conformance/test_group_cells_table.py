"""Each recorded cell of consumers and groups has a test for each client that is modelled."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.conformance.recorded_cells import CLIENTS, PLAYED, RECORDED, TESTED, TRANSACTIONAL

PAIRS = [(name, client) for name, clients in RECORDED.items() for client in clients.split()]
WANTED = [(name, client) for name, client in PAIRS if name not in TRANSACTIONAL and client in PLAYED]


def played() -> set[tuple[str, str]]:
    here = Path(__file__)
    for path in sorted(here.parent.glob("test_group_cells*.py")):
        if path != here:
            importlib.import_module(f"tests.conformance.{path.stem}")
    return TESTED


@pytest.mark.parametrize(("name", "client"), WANTED, ids=[f"{name}-{client}" for name, client in WANTED])
def test_a_recorded_cell_is_played(name: str, client: str) -> None:
    assert (name, client) in played()


def test_nothing_is_played_that_no_recording_knows() -> None:
    assert {client for _, client in PAIRS} == set(CLIENTS)
    assert {name for name, _ in played()} == set(RECORDED) - set(TRANSACTIONAL)
