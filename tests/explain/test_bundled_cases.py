"""Mechanisms of simulated runs: each with its story, and the change that prevents it, over a few latency seeds.

The full measure (100 seeds, 20 latency seeds) is ``python tests/explain/measure.py``.
"""

from __future__ import annotations

import pytest

from analysis.explaining import Explanation, explain
from analysis.explaining.story import MOST_LINES
from sim.run import simulate
from tests.explain.measure import Task, measure

CASES = {  # scenario, seed, finding: mechanism, what prevents it, lines that the story must have in this order
    ("refused_batch_overtaken", 0, "append-reorder"): (
        "retry after a refused batch", "enable.idempotence=true (producer shop)",
        ("shop sends shop/40 to broker 1, attempt 1", "fault: do: answer_error", "NOT_ENOUGH_REPLICAS",
         "broker 1 stores shop/41 at orders-0 offset 39", "shop sends shop/40 to broker 1, attempt 2",
         "broker 1 stores shop/40 at orders-0 offset 42"),
    ),
    ("failover_plain", 0, "append-reorder"): (
        "retry after a lost request", "enable.idempotence=true (producer shop)",
        ("fault: kill: leader of orders-0", "shop sends shop/1504 to broker 1, attempt 1", "is lost",
         "the controller fences broker 1", "makes broker 2 leader of orders-0, epoch 1",
         "broker 2 stores shop/1505", "broker 2 stores shop/1504"),
    ),
    ("lost_response_duplicates", 0, "duplicate-append"): (
        "retry after a lost response", "enable.idempotence=true (producer shop)",
        ("attempt 1", "stores", "fault: do: drop_response", "is lost", "attempt 2", "stores"),
    ),
    ("zombie_request", 0, "duplicate-append"): (
        "zombie request of an old connection", "request.timeout.ms=30000 (producer shop)",
        ("broker 1 stands still", "attempt 1", "request.timeout.ms has passed", "stores", "attempt 2", "stores"),
    ),
    ("hole_reloaded_state", 0, "duplicate-append"): (
        "producer state lost and rebuilt", "max.in.flight.requests.per.connection=1 (producer shop)",
        ("stores", "fault: shutdown: broker 1", "OUT_OF_ORDER_SEQUENCE_NUMBER", "begins epoch 1", "stores"),
    ),
    ("hole_bump_duplicates_librdkafka", 0, "duplicate-append"): (
        "epoch bump renumbers", "max.in.flight.requests.per.connection=1 (producer shop)",
        ("stores shop/99", "fault: do: append_then_error", "begins epoch 1", "stores shop/99"),
    ),
    ("hole_application_resend", 0, "duplicate-append"): (
        "application sent again", "delivery.timeout.ms=120000 (producer shop)",
        ("fault: cut", "calls send(shop/521)", "result unknown", "calls send(shop/2021)", "stores shop/521",
         "stores shop/2021"),
    ),
    ("hole_producer_restart", 0, "duplicate-append"): (
        "producer restarted", "no second send() of what was unreported (application of shop)",
        ("stores shop/996", "fault: restart_producer", "shop#2 calls send", "stores shop#2/0"),
    ),
    ("hole_unknown_producer_librdkafka", 0, "lost-acked"): (
        "implicit acknowledgement", "max.in.flight.requests.per.connection=1 (producer shop)",
        ("attempt 1", "NOT_ENOUGH_REPLICAS", "batch behind it", "acknowledged", "shop/0 in no log"),
    ),
    ("acks_0_leader_crash", 0, "lost-acked"): (
        "acks=0 into a dead connection", "acks=1 (producer shop)",
        ("broker 1 dies", "acknowledged", "is lost", "in no log"),
    ),
    ("followers_hold_leader_order", 0, "lost-acked"): (
        "truncated tail of an acks=1 leader", "acks=all (producer shop)",
        ("stands still", "makes broker 1 leader", "broker 2 stores", "acknowledged", "broker 2 cuts its log to 1740"),
    ),
    ("unclean_election", 0, "committed-truncation"): (
        "unclean election", "unclean.leader.election.enable=false (topic orders)",
        ("broker 1 stores", "acknowledged", "broker 1 dies", "an unclean election", "broker 1 cuts its log"),
    ),
    ("partition_count_increased", 0, "key-reorder"): (
        "partition count changed", "partitions=5 (topic orders) and no later increase (operator)",
        ("fault: add_partitions", "orders is given more partitions: 5", "key k57 to orders-0", "key k57 to orders-4"),
    ),
    ("no_key_sticky", 0, "cross-partition-inversion"): (
        "keyless spreading over partitions", "partitions=1 (topic clicks)", ("to clicks-5", "to clicks-4"),
    ),
    ("no_order_across_partitions", 0, "cross-partition-inversion"): (
        "keys spread over partitions", "partitions=1 (topic orders)",
        ("calls send(shop/0) with key alice", "calls send(shop/1) with key bob", "ledger polls orders-0",
         "ledger polls orders-1"),
    ),
}  # fmt: skip


def in_this_order(one: Explanation, wanted: tuple[str, ...]) -> list[str]:
    """What of *wanted* is missing from the story, taken in order."""
    rest = list(wanted)
    for line in one.story:
        if rest and rest[0] in line.words:
            rest.pop(0)
    return rest


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}")
def test_the_story_names_the_mechanism_and_tells_what_made_it(case: tuple[str, int, str]) -> None:
    scenario, seed, finding = case
    mechanism, prevented_by, lines = CASES[case]
    one = explain(simulate(scenario, seed), finding, proof=False)

    assert one.mechanism == mechanism
    assert in_this_order(one, lines) == []
    assert 5 <= len(one.story) <= MOST_LINES + 1  # the last line tells the outcome
    assert one.permitted_by
    assert one.prevented_by == f"{prevented_by} (not tried)"


PROVED = (
    ("lost_response_duplicates", 0, "duplicate-append"), ("hole_reloaded_state", 0, "duplicate-append"),
    ("hole_unknown_producer_librdkafka", 0, "lost-acked"), ("refused_batch_overtaken", 0, "append-reorder"),
    ("zombie_request", 0, "duplicate-append"),
)  # fmt: skip


@pytest.mark.parametrize("case", PROVED, ids=lambda case: f"{case[0]}-{case[2]}")
def test_the_change_is_confirmed_and_the_placebo_changes_nothing(case: tuple[str, int, str]) -> None:
    scenario, seed, finding = case
    one = explain(simulate(scenario, seed), finding, latency_seeds=3)

    assert one.prevented_by == CASES[case][1]
    assert one.proof is not None and (one.proof.gone, one.proof.there) == (3, 3)
    assert one.proof.sentence() == (
        f"gone in 3 of 3 with {one.prevented_by}; there in 3 of 3 with the placebo (every message between clients and "
        "brokers 1 ms later)"
    )


def test_findings_of_bundled_scenarios_are_explained_and_confirmed() -> None:
    """The same by the program that measures all of them."""
    outcomes = measure([Task("refused_batch_one_in_flight_librdkafka", 1, 2)])

    assert {one.finding for one in outcomes} == {"append-reorder", "nonmonotonic-send"}
    assert [one for one in outcomes if not one.confirmed] == []
