"""What Kafka promises an idempotent producer, under random schedules of faults; and that these are not too kind.

With ``client: java``, idempotence, acks=all, min.insync.replicas 2, one stored batch a partition before faults begin,
no unclean election, no data-losing restart and no forged answer, no record is reordered, doubled or lost (producer:6.6,
broker:INV-10, broker:INV-20). Every run also checks the laws.

``KORDER_SCHEDULES=20000`` runs more of them; a failing schedule is shrunk and printed.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from analysis import judge
from sim import simulate
from sim.scenario import from_dict
from tests.properties.schedules import Schedule, scenario_of, schedules

CHUNKS = 8
PER_CHUNK = int(os.environ.get("KORDER_SCHEDULES", "2000")) // CHUNKS
UNPROTECTED = 250  # of the same schedules, run without idempotence
PROMISED = ("append-reorder", "duplicate-append", "lost-acked")

_fixed = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def _counts(schedule: Schedule, *, idempotence: bool) -> dict[str, int]:
    trace = simulate(from_dict(scenario_of(schedule, idempotence=idempotence)), seed=schedule["seed"], check_laws=True)
    findings = judge(trace).to_json()["findings"]
    assert all(findings[name]["checked"] for name in PROMISED)
    return {name: findings[name]["count"] for name in PROMISED}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_an_idempotent_producer_keeps_order_copies_and_records(chunk: int) -> None:
    @seed(chunk)
    @settings(_fixed, max_examples=PER_CHUNK)
    @given(schedules())
    def holds(schedule: Schedule) -> None:
        assert _counts(schedule, idempotence=True) == dict.fromkeys(PROMISED, 0)

    holds()


def test_without_idempotence_the_same_schedules_reorder_and_duplicate() -> None:
    seen = dict.fromkeys(PROMISED, 0)

    @seed(0)  # the schedules of the first chunk
    @settings(_fixed, max_examples=min(UNPROTECTED, PER_CHUNK), phases=[Phase.generate])
    @given(schedules())
    def tally(schedule: Schedule) -> None:
        if not seen["append-reorder"] or not seen["duplicate-append"]:
            for name, count in _counts(schedule, idempotence=False).items():
                seen[name] += count

    tally()
    assert seen["append-reorder"] > 0
    assert seen["duplicate-append"] > 0
