"""Applications that cannot be: pools, producers behind a consumer, calls: one line with place, rule and way out."""

from __future__ import annotations

import pytest

from sim.errors import InputError
from sim.scenario import compile_plan, from_text

GOOD = """\
title: A good file
run: 30s
settle: 10s
brokers: {count: 3}
topics:
  payments: {partitions: 3, replication.factor: 3}
  payments-retry: {partitions: 1, replication.factor: 3}
producers:
  billing: {workload: {topic: payments, rate: 100/s, keys: {count: 9}}}
  enricher: {instances: 2}
consumers:
  ledger:
    topics: [payments]
    members: 2
    config: {auto.offset.reset: earliest}
    processing: {WORK}
    calls: [CALL]
"""
POOL = {
    "order: key": "order has no meaning without threads; write threads: 4",
    "queue: 5": "queue has no meaning without threads",
    "work.in.revoke: wait": "work.in.revoke has no meaning without threads",
    "commit: watermark": "commit: watermark, and one thread; write commit: each, or threads: 4",
    "threads: 2, per: poll": "per: poll, and threads; write per: record",
    "threads: 2, queue: 5, commit: after": "queue, and commit: after; remove it",
    "threads: 2, failure: {nth: 1, then: close}": "then: close, and threads; write then: retry or skip",
    "threads: 65": "threads",
}
SENDS = {
    "wait.for.acks: false": "wait.for.acks, and nothing is sent",
    "failure: {nth: 1, then: retry_topic}": "then: retry_topic needs a topic to send to",
    "failure: {nth: 1, then: skip, to: {topic: payments-retry, producer: enricher}}": "then: skip has no topic",
    "per: poll, produces: {topic: payments-retry, producer: enricher}": "produces, and per: poll",
    "produces: {topic: payment-retry, producer: enricher}":
        "'payment-retry' is not a topic of the scenario; did you mean payments-retry?",
    "produces: {topic: payments, producer: enricher}": "ledger reads payments itself: its records would go round",
    "produces: {topic: payments-retry, producer: enrich}": "'enrich' is not a producer of the scenario",
    "produces: {topic: payments-retry, producer: billing}": "billing has sends of its own",
    "time: 1ms": "it has no workload",
}  # fmt: skip
CALLS = {
    "{at: 5s}": "a call is one of pause, resume and seek",
    "{at: 5s, pause: payments-0, resume: payments-1}": "a call is one of pause, resume and seek",
    "{at: 5s, seek: payments-0}": "seek and to belong together",
    "{at: 5s, pause: payments-0, to: 3}": "seek and to belong together",
    "{at: 5s, seek: payments-0, to: -1}": "-1 is not an offset; write to: 300, to: beginning or to: end",
    "{at: 5s, seek: payments-0, to: begining}": "did you mean beginning?",
    "{at: 5s, pause: payments-7}": "payments has 3 partitions",
    "{at: 31s, pause: payments-0}": "31s is after the end of run",
}
SENT = "produces: {topic: payments-retry, producer: enricher}"


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        compile_plan(from_text(text))
    message = str(caught.value)
    assert message.isprintable() and "Traceback" not in message
    return message


def filled(work: str = SENT, call: str = "") -> str:
    return GOOD.replace("WORK", work).replace("CALL", call)


def test_the_good_file_is_good() -> None:
    plan = compile_plan(from_text(filled(f"threads: 4, order: key, {SENT}", "{at: 5s, seek: payments-0, to: end}")))
    assert plan.groups is not None
    assert [one.outlets[0].producer for one in plan.groups.members] == [one.host for one in plan.producers[1:]]
    assert plan.groups.members[0].calls[0].to == -1


@pytest.mark.parametrize("work", [*POOL, *SENDS])
def test_a_pool_or_a_send_that_cannot_be(work: str) -> None:
    message = refusal(filled(work))
    assert {**POOL, **SENDS}[work] in message and ("consumers.ledger" in message or "producers.enricher" in message)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_cannot_be(call: str) -> None:
    message = refusal(filled(call=call))
    assert CALLS[call] in message and "consumers.ledger.calls" in message


def test_each_member_has_a_producer_of_its_own() -> None:
    message = refusal(filled().replace("instances: 2", "instances: 3"))
    assert "enricher is 3, and the members are 2; write instances: 2" in message


def test_a_producer_behind_a_consumer_dies_with_it() -> None:
    faults = "faults: [{at: 5s, restart_producer: enricher-1}]\n"
    assert "enricher-1 lives in the process of a consumer; write kill" in refusal(filled() + faults)
