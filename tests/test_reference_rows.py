"""Each row of the reference's scenario tables has a test that cites it, or a reason why it is not modelled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.not_modelled import NOT_MODELLED

TABLES = {"broker:SC-": 65, "broker:SUB-": 30}  # prefix of a table's rows, and how many it has
OTHERS = ("broker:REP-37", "broker:REP-38", "broker:REP-39")
ROWS = [f"{table}{number}" for table, count in TABLES.items() for number in range(1, count + 1)] + list(OTHERS)
ROWS += [f"producer:S{number:02}" for number in range(1, 60)] + [f"producer:toy-{number}" for number in range(1, 31)]
ROWS += [f"consumer:S{number:02}" for number in range(1, 62)] + [f"consumer:toy-{number}" for number in range(1, 33)]
# The rules of each section of the consumer's reference (its U rows are questions, and state no rule).
RULES = {2: 36, 3: 40, 4: 13, 5: 7, 6: 11, 7: 29, 8: 1, 9: 4}
ROWS += [f"consumer:F{section}.{number}" for section, count in RULES.items() for number in range(1, count + 1)]


def cited() -> set[str]:
    found: set[str] = set()
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        if path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            found.update(re.findall(r"\b(?:broker:[A-Z]+-\d+|(?:consumer|producer):(?:S\d\d|toy-\d+|F\d+\.\d+))", text))
    return found


CITED = cited()


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_tested_or_not_modelled_with_a_reason(row: str) -> None:
    assert (row in CITED) != bool(NOT_MODELLED.get(row))
