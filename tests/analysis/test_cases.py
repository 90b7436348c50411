"""Every name of the exchange format on hand-written histories, dirty ones with their witnesses and clean ones."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from analysis.finding import CLASSES
from tests.analysis.cases import log_order, log_places, processing, reads, transactions
from tests.analysis.cases.case import Case
from tests.analysis.written import judged, witnesses
from tests.schema_checks import follows, of_findings

CASES = [case for part in (log_order, log_places, reads, processing, transactions) for case in part.CASES]
DIRTY = [case for case in CASES if case.witnesses]
CLEAN = [case for case in CASES if not case.witnesses]
PUBLISHED = of_findings()

# Sections of anomalies.md with a line "Not this", and how many things each lists that a history can show.
NOT_THIS = {
    "append-reorder": ("1.1", 9), "key-reorder": ("1.2", 2), "duplicate-append": ("1.3", 5), "lost-acked": ("1.4", 4),
    "lost-write": ("1.5", 2), "inconsistent-offsets": ("1.6", 1), "replica-divergence": ("1.7", 3),
    "committed-truncation": ("1.8", 2), "sequence-gap": ("1.9", 4), "realtime-inversion": ("1.12", 1),
    "poll-skip": ("2.1", 5), "nonmonotonic-poll": ("2.2", 4), "duplicate-delivery": ("2.3", 4),
    "out-of-order-processing": ("2.5", 2), "premature-commit": ("2.7", 2), "aborted-read": ("3.1", 2),
}  # fmt: skip


@pytest.mark.parametrize("case", DIRTY, ids=str)
def test_a_dirty_history_shows_it_with_its_witnesses(case: Case) -> None:
    verdict = judged(case.history, **case.header)
    found = verdict.findings[case.name]

    assert found.checked, found.why
    assert witnesses(verdict, case.name) == case.expected()
    assert found.count == (len(case.witnesses) if case.count is None else case.count)
    assert follows(PUBLISHED, json.loads(json.dumps(found.to_json()))) == []


@pytest.mark.parametrize("case", CLEAN, ids=str)
def test_a_clean_history_was_looked_at_and_shows_nothing(case: Case) -> None:
    found = judged(case.history, **case.header).findings[case.name]

    assert (found.checked, found.why, found.count, found.witnesses) == (True, "", 0, [])


@pytest.mark.parametrize("name", CLASSES)
def test_every_name_has_two_dirty_and_two_clean_histories(name: str) -> None:
    assert sum(case.name == name for case in DIRTY) >= 2
    assert sum(case.name == name for case in CLEAN) >= 2


def test_every_line_not_this_of_the_anomalies_is_a_clean_history() -> None:
    there = Counter((case.name, case.section) for case in CLEAN)

    assert {name: there[name, section] >= least for name, (section, least) in NOT_THIS.items()} == dict.fromkeys(
        NOT_THIS, True
    )


def test_cases_are_told_apart_by_their_titles_and_cite_a_section() -> None:
    assert max(Counter(map(str, CASES)).values()) == 1
    assert all(re.fullmatch(r"\d(\.\d+)?", case.section) for case in CASES)
