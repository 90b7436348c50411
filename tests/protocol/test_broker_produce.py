"""The append path: which check decides, when the answer comes, and what an answer means."""

from __future__ import annotations

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.protocol.settings import Rules, TopicSettings
from tests.protocol.harness import Batches, Cluster, S, batch_of

NOT_ENOUGH = ErrorCode.NOT_ENOUGH_REPLICAS
OUT_OF_ORDER = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
MIN_2 = TopicSettings(min_insync_replicas=2)


def shrunk(topic: TopicSettings = MIN_2) -> Cluster:
    """Brokers 2 and 3 have died: the in-sync set of the only partition is the leader, 1."""
    cluster = Cluster(topic=topic)
    cluster.lost = {broker: cluster.crash(broker) for broker in (2, 3)}  # type: ignore[attr-defined]
    cluster.run_until(12 * S)
    assert cluster.isr() == (1,)
    return cluster


def recover(cluster: Cluster) -> None:
    for broker, durable in cluster.lost.items():  # type: ignore[attr-defined]
        cluster.restart(broker, durable)
    cluster.run_until(cluster.now_us + 5 * S)
    assert cluster.isr() == (1, 2, 3)


def test_acks_1_is_answered_at_once_and_acks_all_when_committed() -> None:
    """broker:APP-10."""
    cluster = Cluster(((1, 2),), brokers=2)
    cluster.cut((1, 2))
    one, every, b = cluster.client(1), cluster.client(1), Batches()
    one.produce(b.next(), acks=1)
    every.produce(b.next(), acks=-1)

    assert (one.last.offset, every.results()) == (0, [])
    cluster.heal()
    cluster.settle()
    assert every.last.offset == 1


def test_a_produce_to_another_broker_is_refused_and_named_the_leader() -> None:
    """broker:APP-3, broker:APP-4, broker:APP-12 (KIP-951)."""
    cluster = Cluster(((1, 2), (2, 1), (3,)))
    client = cluster.client(1)
    client.produce(Batches(partition=1).next())
    client.produce(Batches(partition=2).next())
    client.produce(Batches(partition=9).next())

    errors = [result.error for result in client.results()]
    moved = ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert errors == [moved, moved, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert [(result.leader, result.leader_epoch) for result in client.results()] == [(2, 0), (3, 0), (-1, -1)]
    assert [row.code for row in cluster.rows_of(Kind.REJECT)] == errors


def test_without_leader_hints_a_refusal_names_nobody() -> None:
    cluster = Cluster(((1, 2), (2, 1)), rules=Rules(leader_hints=False))
    client = cluster.client(1)
    client.produce(Batches(partition=1).next())

    assert client.last.leader == -1


def test_too_large_a_batch_is_refused_before_its_sequence_is_looked_at() -> None:
    """broker:APP-6, broker:APP-20."""
    cluster = Cluster(topic=TopicSettings(max_message_bytes=1000))
    client = cluster.client(1)
    client.produce(batch_of(0, size_bytes=1000))
    client.produce(batch_of(0, size_bytes=1001))

    assert [result.error for result in client.results()] == [0, ErrorCode.MESSAGE_TOO_LARGE]


def test_unknown_acks_are_refused() -> None:
    """broker:APP-2."""
    cluster = Cluster()
    client = cluster.client(1)
    client.produce(batch_of(0), acks=2)

    assert client.last.error == ErrorCode.INVALID_REQUIRED_ACKS


def test_under_min_isr_acks_all_is_refused_and_acks_1_is_stored_unseen() -> None:
    """broker:SC-65, broker:SUB-10, broker:APP-5, broker:REP-9."""
    cluster = shrunk()
    client, b = cluster.client(1), Batches()
    client.produce(b.next())
    assert (client.last.error, cluster.log(1).end) == (NOT_ENOUGH, 0)
    client.produce(b.next(), acks=1)
    assert (client.last.error, client.last.offset) == (0, 0)
    client.fetch(0, 0)
    assert (client.fetched()[0].error, client.fetched()[0].batches) == (0, [])
    assert client.offset(0).offset == 0

    recover(cluster)
    client.fetch(0, 0)
    assert [batch.lo for batch in client.fetched()[-1].batches] == [1]
    assert client.offset(0).offset == 1


def test_min_isr_is_checked_against_the_committed_set() -> None:
    """broker:SUB-11, broker:APP-5: a proposal that would suffice does not help."""
    cluster = shrunk(TopicSettings(min_insync_replicas=2))
    cluster.cut((0, 1))  # the proposal cannot be committed
    cluster.restart(2, cluster.lost[2])  # type: ignore[attr-defined]
    cluster.run_until(cluster.now_us + S)
    client = cluster.client(1)
    cluster.replica(1).pending, cluster.replica(1).maximal = (1, 2), (1, 2)
    client.produce(Batches().next())

    assert client.last.error == NOT_ENOUGH


def test_the_first_batch_hole_of_an_unknown_producer() -> None:
    """broker:SC-16, broker:APP-32, broker:SUB-7."""
    cluster = shrunk()
    client, b = cluster.client(1), Batches(pid=1)
    client.produce(b.next())
    recover(cluster)
    client.produce(b.next())
    client.produce(b.made[0])

    assert [result.error for result in client.results()] == [NOT_ENOUGH, 0, OUT_OF_ORDER]
    assert cluster.lanes(1) == [(0, 1)]


def test_one_stored_batch_closes_the_hole() -> None:
    """broker:APP-32."""
    cluster = Cluster(topic=MIN_2)
    client, b = cluster.client(1), Batches(pid=1)
    client.produce(b.next())
    b.next()
    client.produce(b.next())

    assert client.last.error == OUT_OF_ORDER


def test_a_stored_batch_is_refused_under_min_isr_and_a_duplicate_afterwards() -> None:
    """broker:SC-17, broker:APP-20, broker:APP-11."""
    cluster = Cluster(topic=MIN_2)
    lost = {broker: cluster.crash(broker) for broker in (2, 3)}
    client, b = cluster.client(1), Batches(pid=1)
    client.produce(b.next())  # the set has not shrunk yet: it passes the gate, and waits
    assert (client.results(), cluster.log(1).end) == ([], 1)
    cluster.run_until(31 * S)
    assert client.last.error == ErrorCode.REQUEST_TIMED_OUT
    client.produce(b.made[0])
    assert client.last.error == NOT_ENOUGH

    for broker, durable in lost.items():
        cluster.restart(broker, durable)
    cluster.run_until(40 * S)
    client.produce(b.made[0])
    assert (client.last.error, client.last.offset, cluster.log(1).end) == (0, 0, 1)


def test_a_timed_out_acks_all_is_stored_all_the_same() -> None:
    """broker:SUB-4, broker:NET-21, broker:NET-22: it is readable later, and a plain retry makes two of it."""
    cluster = Cluster(((1, 2),), brokers=2)
    cluster.cut((1, 2))
    client, b = cluster.client(1), Batches()
    client.produce(b.next(), timeout_us=S)
    cluster.run_until(S)
    assert client.last.error == ErrorCode.REQUEST_TIMED_OUT

    cluster.heal()
    client.produce(b.made[0])
    assert cluster.lanes(1) == [(0, 0), (1, 0)]
    client.fetch(0, 0)
    assert client.fetched()[0].base_offsets == [0, 1]


def test_what_is_committed_when_the_time_is_up_keeps_its_result() -> None:
    """broker:NET-21."""
    cluster = Cluster(((1, 2), (1, 3)))
    cluster.cut((1, 2))
    client = cluster.client(1)
    client.produce(Batches(partition=0).next(), Batches(partition=1).next(), timeout_us=S)
    cluster.run_until(S)

    [answer] = client.answers
    assert [result.error for result in answer.results] == [ErrorCode.REQUEST_TIMED_OUT, 0]


def test_a_duplicate_is_answered_only_when_the_original_is_committed() -> None:
    """broker:SUB-5, broker:APP-19."""
    cluster = Cluster(((1, 2),), brokers=2)
    cluster.cut((1, 2))
    client, retry, b = cluster.client(1), cluster.client(1), Batches(pid=1)
    client.produce(b.next())
    client.close()
    retry.produce(b.made[0])
    assert retry.results() == []

    cluster.heal()
    cluster.settle()
    assert (retry.last.error, retry.last.offset, cluster.log(1).end) == (0, 0, 1)


def test_a_duplicate_does_not_wait_for_what_was_written_after_it() -> None:
    """broker:APP-19."""
    cluster = Cluster(((1, 2),), brokers=2)
    client, late, b = cluster.client(1), cluster.client(1), Batches(pid=1)
    client.produce(b.next())
    cluster.cut((1, 2))
    client.produce(b.next())
    late.produce(b.made[0])

    assert (client.last.offset, late.last.offset) == (0, 0)
    assert len(client.results()) == 1


def test_before_3_7_a_commit_under_min_isr_is_a_late_refusal() -> None:
    """broker:APP-11, broker:CFG-3."""
    rules = Rules(high_watermark_stops_under_min_isr=False, eligible_leader_replicas=False)
    cluster = Cluster(topic=MIN_2, rules=rules)
    for broker in (2, 3):
        cluster.crash(broker)
    client = cluster.client(1)
    client.produce(Batches().next())
    cluster.run_until(12 * S)

    assert client.last.error == ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
    assert cluster.log(1).end == 1


def test_an_append_is_told_by_its_rows_and_their_causes() -> None:
    cluster = Cluster(((1, 2),), brokers=2)
    client = cluster.client(1)
    client.produce(batch_of(0, 3))
    [append] = cluster.rows_of(Kind.APPEND)
    [replicate] = cluster.rows_of(Kind.REPLICATE)
    [mark] = cluster.rows_of(Kind.HIGH_WATERMARK, n=1)

    assert (append.lo, append.hi, append.offset, append.pid, append.seq) == (0, 3, 0, 1, 0)
    assert (replicate.cause, replicate.host, mark.cause, mark.offset) == (append.id, 2, replicate.id, 3)


@pytest.mark.parametrize("acks", [0, 1, -1])
def test_a_leader_alone_commits_what_it_appends(acks: int) -> None:
    """broker:APP-9."""
    cluster = Cluster(((1,),), brokers=1)
    client = cluster.client(1)
    client.produce(batch_of(0), acks=acks)

    assert cluster.log(1).high_watermark == 1
    assert len(client.results()) == (acks != 0)


def test_producer_ids_are_not_given_twice() -> None:
    from sim.protocol.messages import InitProducerIdRequest

    cluster = Cluster()
    pids = []
    for broker in (1, 1, 2):
        client = cluster.client(broker)
        client.send(InitProducerIdRequest(0))
        cluster.settle()
        pids.append(client.answers[0].pid)
    durable = cluster.crash(1)
    cluster.run_until(20 * S)
    cluster.restart(1, durable)
    client = cluster.client(1)
    client.send(InitProducerIdRequest(0))
    cluster.settle()
    pids.append(client.answers[0].pid)

    assert len(set(pids)) == 4
