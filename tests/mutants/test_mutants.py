"""Each broken rule is noticed by the recorded run that the table names (``make mutants`` counts more of them)."""

from __future__ import annotations

import pytest

from tests.conformance.cells import Cell, difference, play
from tests.conformance.scripts import compare
from tests.mutants.group_rules import GROUP_MUTANTS, GroupMutant
from tests.mutants.rules import MUTANTS, Mutant
from tests.mutants.run import Notice, group_noticed, group_script, noticed, recorded, report

CELLS: dict[tuple[str, str], Cell] = {(cell["id"], cell["client"]): cell for cell in recorded()}


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_recorded_run_notices_the_broken_rule(mutant: Mutant) -> None:
    cell = CELLS[mutant.cell]
    assert difference(cell, play(cell, check_laws=False)) is None
    [notice] = noticed(mutant, enough=1)

    assert (notice.cell, notice.client) == mutant.cell
    assert difference(cell, play(cell, check_laws=False)) is None


@pytest.mark.parametrize("mutant", GROUP_MUTANTS, ids=[mutant.name for mutant in GROUP_MUTANTS])
def test_a_recorded_script_notices_the_broken_rule_of_groups(mutant: GroupMutant) -> None:
    [notice] = group_noticed(mutant)

    assert notice.cell == mutant.script
    assert compare(group_script(mutant.script)) is None


def test_there_are_enough_rules_of_both_clients_and_of_brokers() -> None:
    families = [mutant.plant.__name__.split("_")[0] for mutant in MUTANTS]
    clients = families.count("java"), families.count("librdkafka")
    assert len({mutant.plant for mutant in MUTANTS}) == len(MUTANTS) >= 15
    assert min(*clients, len(families) - sum(clients)) >= 5


def test_a_rule_that_no_run_notices_survives_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    seen = [Notice("I2.err19", "java", "log[1]: recorded 1, simulated 2")]
    assert report([(MUTANTS[0], seen), (MUTANTS[1], [])]) == 1
    told = capsys.readouterr().out.splitlines()

    assert told[1].endswith("I2.err19 java, log[1]: recorded 1, simulated 2")
    assert told[2].endswith("survives")
    assert told[3] == "1 of 2 broken rules are noticed"
