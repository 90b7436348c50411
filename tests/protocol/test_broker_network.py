"""One request at a time from each connection, and what becomes of requests whose connection is gone."""

from __future__ import annotations

from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    MetadataRequest,
    MetadataResponse,
    ProduceRequest,
    ProduceResponse,
    RecordBatch,
)
from sim.protocol.rows import Kind
from sim.protocol.settings import BrokerSettings, TopicSettings
from tests.protocol.harness import CLIENT, MS, Batches, Client, Cluster, S, Session

FOREVER = 30 * S


def request(*batches: RecordBatch, acks: int = -1) -> ProduceRequest:
    return ProduceRequest(list(batches), acks, FOREVER)


def stalled(replicas: tuple[tuple[int, ...], ...] = ((1, 2),)) -> Cluster:
    """A cluster whose replication does not move: the second broker is cut off from the first."""
    cluster = Cluster(replicas, brokers=max(map(max, replicas)))
    cluster.cut((1, 2))
    return cluster


def appended(cluster: Cluster) -> list[int]:
    return [row.lo for row in cluster.rows_of(Kind.APPEND)]


def test_a_request_begins_after_the_answer_before_it() -> None:
    """broker:SUB-1, broker:NET-1, broker:NET-3, broker:NET-4, broker:INV-20: five acks=all requests in flight."""
    cluster = stalled()
    client, b = cluster.client(1), Batches()
    client.send(*(request(b.next()) for _ in range(5)))
    cluster.settle()
    assert appended(cluster) == [0]

    cluster.heal()
    cluster.settle()
    assert appended(cluster) == [0, 1, 2, 3, 4]
    assert [result.offset for result in client.results()] == [0, 1, 2, 3, 4]
    marks = {row.offset: row.id for row in cluster.rows_of(Kind.HIGH_WATERMARK, host=1)}
    for row in cluster.rows_of(Kind.APPEND)[1:]:
        assert row.id > marks[row.offset]


def test_a_waiting_produce_holds_back_everything_behind_it() -> None:
    """broker:SUB-2, broker:NET-4, broker:NET-6: a fetch and a metadata request wait too."""
    cluster = stalled()
    client, b = cluster.client(1), Batches()
    client.send(request(b.next()), FetchRequest(-1, [FetchPartition(0, 0, -1)], 0), MetadataRequest((0,)))
    cluster.settle()
    assert client.answers == []

    cluster.heal()
    cluster.settle()
    assert [type(answer) for answer in client.answers] == [ProduceResponse, FetchResponse, MetadataResponse]


def test_a_waiting_fetch_holds_back_what_is_behind_it() -> None:
    """broker:NET-7."""
    cluster = Cluster()
    client = cluster.client(1)
    client.send(FetchRequest(-1, [FetchPartition(0, 0, -1)], 500 * MS), MetadataRequest((0,)))
    cluster.run_until(499 * MS)
    assert client.answers == []
    cluster.run_until(500 * MS)
    assert len(client.answers) == 2


def test_connections_do_not_wait_for_each_other() -> None:
    """broker:NET-9, broker:NET-10."""
    cluster = stalled()
    b = Batches()
    one, other = cluster.client(1), cluster.client(1)
    one.produce(b.next())
    other.produce(b.next(), acks=1)

    assert (one.results(), other.last.offset) == ([], 1)


def test_one_slow_partition_delays_the_answer_for_all() -> None:
    """broker:SUB-29, broker:NET-6: results are per partition, the answer is one."""
    cluster = stalled(((1, 2), (1,), (2,)))
    client = cluster.client(1)
    client.produce(Batches(partition=0).next(), Batches(partition=1).next(), Batches(partition=2).next())
    assert client.answers == []

    cluster.heal()
    cluster.settle()
    [answer] = client.answers
    assert [result.error for result in answer.results] == [0, 0, ErrorCode.NOT_LEADER_OR_FOLLOWER]


def test_what_runs_when_the_client_goes_is_finished() -> None:
    """broker:SUB-3, broker:NET-12."""
    cluster = stalled()
    client = cluster.client(1)
    client.produce(Batches().next())
    client.close()
    cluster.settle()
    cluster.heal()
    cluster.settle()

    assert cluster.log(1).high_watermark == 1
    assert client.results() == []


def left(*acks: int, reset: bool) -> Cluster:
    """One request runs and waits for its followers, others are buffered; the client goes away, then followers are back.
    *reset*: nothing can be written to it any more."""
    cluster = stalled()
    client, b = cluster.client(1), Batches()
    client.send(request(b.next()), *(request(b.next(), acks=each) for each in acks))
    cluster.settle()
    client.wire.was_reset = reset
    client.close()
    cluster.settle()
    cluster.heal()
    cluster.settle()
    return cluster


def test_buffered_requests_run_as_long_as_answers_can_be_written() -> None:
    """broker:SUB-3, broker:NET-13: one runs, three are buffered; in their order, after the one that runs."""
    assert appended(left(-1, -1, -1, reset=False)) == [0, 1, 2, 3]


def test_the_first_answer_that_cannot_be_written_ends_the_connection() -> None:
    """broker:SC-57, broker:NET-13: what is behind the request whose answer fails is dropped, acks=0 or not."""
    assert appended(left(-1, 0, -1, reset=True)) == [0]


def test_buffered_requests_without_an_answer_all_run() -> None:
    """broker:SC-56, broker:NET-13. A request that is not whole never reaches the broker's queue in this model."""
    assert appended(left(0, 0, 0, reset=False)) == [0, 1, 2, 3]


def test_an_idle_connection_is_closed_though_its_request_runs() -> None:
    """broker:SC-58, broker:NET-14: the running one completes, the buffered ones are dropped."""
    cluster = Cluster(((1, 2),), brokers=2, settings=BrokerSettings(connections_max_idle_us=5 * S))
    cluster.cut((1, 2))
    client, b = cluster.client(1), Batches()
    client.send(*(request(b.next()) for _ in range(3)))
    cluster.run_until(5 * S)
    assert client.closed
    cluster.heal()
    cluster.run_until(6 * S)

    assert appended(cluster) == [0]
    assert cluster.log(1).high_watermark == 1
    assert client.results() == []


def test_a_connection_that_is_used_is_not_idle() -> None:
    cluster = Cluster(settings=BrokerSettings(connections_max_idle_us=5 * S))
    client, b = cluster.client(1), Batches()
    for second in range(0, 20, 2):
        cluster.run_until(second * S)
        client.produce(b.next())

    assert not client.closed
    cluster.run_until(24 * S)
    assert client.closed


def test_an_error_of_acks_0_closes_the_connection_and_drops_what_follows() -> None:
    """broker:SUB-24, broker:NET-15."""
    cluster = Cluster(((1, 2), (2, 1)))
    client, b = cluster.client(1), Batches()
    other = Batches(partition=1)
    client.send(request(b.next(), acks=0), request(other.next(), acks=0), request(b.next(), acks=0))
    cluster.settle()

    assert client.closed
    assert appended(cluster) == [0]
    assert client.answers == []


def test_acks_0_without_error_keeps_the_connection_and_answers_nothing() -> None:
    cluster = Cluster()
    client, b = cluster.client(1), Batches()
    client.send(*(request(b.next(), acks=0) for _ in range(3)))
    cluster.settle()

    assert (appended(cluster), client.answers, client.closed) == ([0, 1, 2], [], False)


def test_a_stopping_broker_drops_what_it_has_not_begun() -> None:
    """broker:NET-16."""
    cluster = stalled()
    client, b = cluster.client(1), Batches()
    client.send(request(b.next()), request(b.next()))
    cluster.settle()
    cluster.broker(1)._stop(0)
    cluster.settle()

    assert client.closed
    assert appended(cluster) == [0]


def test_a_broker_listens_only_once_it_is_let_in() -> None:
    """broker:NET-17."""
    cluster = Cluster()
    durable = cluster.crash(1)
    cluster.run_until(20 * S)
    cluster.cut((0, 1))
    cluster.restart(1, durable)
    assert cluster.client(1).closed

    cluster.heal()
    cluster.settle()
    assert not cluster.client(1).closed


def test_what_one_client_sent_on_two_connections_is_not_ordered() -> None:
    """broker:NET-10: a request held back on the old connection is appended after its retry on the new one."""
    cluster = Cluster()
    old = cluster.client(1)
    client = cluster.roles[CLIENT]
    assert isinstance(client, Client)
    new, b = Session(client, 1), Batches()
    first = b.next()
    old.send(request(first))
    for message in (first, b.next()):
        new.send(request(message))
    while new.wire.towards[1]:
        cluster.deliver(new.wire, 1)
    cluster.settle()

    assert sorted(appended(cluster)) == [0, 0, 1]
    assert appended(cluster)[0] == 0


def test_the_same_on_an_idempotent_producer_appends_nothing_again() -> None:
    """broker:NET-10, broker:APP-17, broker:APP-22."""
    cluster = Cluster(topic=TopicSettings())
    client, b = cluster.client(1), Batches(pid=1)
    for _ in range(7):
        client.produce(b.next())
    late = cluster.client(1)
    late.produce(b.made[6])
    late.produce(b.made[0])

    assert [result.error for result in late.results()] == [0, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER]
    assert cluster.log(1).end == 7
