"""What clients and logs go through when a leader dies, pauses, is cut off, stops, or is moved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import FetchPartition, FetchRequest, MetadataUpdate
from sim.protocol.rows import Kind
from sim.protocol.settings import BrokerSettings, Rules, TopicSettings
from tests.protocol.harness import Batches, Cluster, S, Session

MOVED = ErrorCode.NOT_LEADER_OR_FOLLOWER


def two() -> Cluster:
    """Replicas and in-sync set are 1 and 2; 1 leads."""
    return Cluster(((1, 2),), brokers=3)


def unreplicated(cluster: Cluster, client: Session, b: Batches, acks: int, records: int = 1) -> None:
    """Records that the leader takes while no fetch of its followers waits for them, and none gets through."""
    cluster.cut((1, 2), (1, 3))
    cluster.run_until(cluster.now_us + S)  # the long polls end
    for _ in range(records):
        client.produce(b.next(), acks=acks)


def fail_over(cluster: Cluster) -> object:
    durable = cluster.crash(1)
    cluster.heal()
    cluster.run_until(cluster.now_us + 10_500_000)
    return durable


# --- the leader dies --------------------------------------------------------------------------------------------------
def test_an_acknowledged_record_that_was_not_fetched_is_lost_with_acks_1() -> None:
    """broker:SC-59, broker:FAIL-2, broker:REP-33, broker:SUB-19."""
    cluster = two()
    client, b = cluster.client(1), Batches()
    for _ in range(5):
        client.produce(b.next())
    unreplicated(cluster, client, b, acks=1)
    assert client.last.offset == 5
    crashed_us = cluster.now_us
    durable = fail_over(cluster)

    assert (cluster.leader(), cluster.log(2).end) == (2, 5)
    assert 7 * S <= cluster.rows_of(Kind.LEADER, n=2)[0].t_us - crashed_us <= 10_125_000
    cluster.restart(1, durable)  # type: ignore[arg-type]
    cluster.run_until(cluster.now_us + 5 * S)
    assert [(row.host, row.offset, row.n) for row in cluster.rows_of(Kind.TRUNCATE)] == [(1, 5, 1)]
    assert cluster.log(1).end == 5


@pytest.mark.parametrize(("pid", "offset", "end"), [(-1, 6, 7), (1, 5, 6)])
def test_an_unacknowledged_acks_all_record_may_survive(pid: int, offset: int, end: int) -> None:
    """broker:SC-60, broker:SUB-15, broker:APP-19: a plain retry stores it twice, an idempotent one does not."""
    cluster = two()
    client, b = cluster.client(1), Batches(pid=pid)
    for _ in range(5):
        client.produce(b.next())
    cluster.cut((1, 2))
    client.produce(b.next())
    [data] = [wire for wire in cluster.wires if wire.server == 1 and wire.towards.get(2)]
    cluster.deliver(data, 2)  # the follower has it, its next fetch never arrives
    fail_over(cluster)
    assert len(client.results()) == 5

    retry = cluster.client(2)
    retry.produce(b.made[5])
    assert (retry.last.error, retry.last.offset, cluster.log(2).end) == (0, offset, end)


def test_a_new_leader_has_the_five_batch_window_of_everything_it_replicated() -> None:
    """broker:APP-26."""
    cluster = two()
    client, b = cluster.client(1), Batches(pid=1)
    for _ in range(6):
        client.produce(b.next())
    fail_over(cluster)
    retry = cluster.client(2)
    retry.produce(b.made[1])
    retry.produce(b.made[0])

    assert [result.error for result in retry.results()] == [0, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER]


@pytest.mark.parametrize("clean", [True, False])
def test_after_a_restart_only_the_newest_batch_is_a_duplicate(clean: bool) -> None:
    """broker:SC-62, broker:SUB-8, broker:APP-28."""
    cluster = Cluster(((1,),), brokers=2)
    client, b = cluster.client(1), Batches(pid=1)
    for _ in range(3):
        client.produce(b.next())
    durable = cluster.stop(1) if clean else cluster.crash(1)
    cluster.run_until(cluster.now_us + 12 * S)
    cluster.restart(1, durable)
    cluster.run_until(cluster.now_us + 12 * S)
    assert cluster.leader() == 1
    retry = cluster.client(1)
    retry.produce(b.made[2])
    retry.produce(b.made[0])

    assert [result.error for result in retry.results()] == [0, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER]


def test_a_power_loss_takes_the_pages_that_were_not_flushed() -> None:
    """Table 5.3: the returning replica has a shorter log, fetches again and nothing is lost."""
    cluster = Cluster()
    client, b = cluster.client(1), Batches()
    for _ in range(4):
        client.produce(b.next())
    durable = cluster.crash(1, lossy=True)
    cluster.run_until(12 * S)
    cluster.restart(1, durable)
    cluster.run_until(20 * S)

    assert durable.logs[0].lost_from == 0
    assert cluster.lanes(1) == cluster.lanes(2)
    assert cluster.isr() == (1, 2, 3)


@pytest.mark.parametrize(("clean", "settle", "lost_from"), [(False, True, 0), (False, False, 0), (True, True, -1)])
def test_a_power_loss_takes_what_the_end_of_the_process_before_it_left_unflushed(
    clean: bool, settle: bool, lost_from: int
) -> None:
    """``LogLoader.recoverLog``, ``LogManager.shutdown``; also before metadata has named the replica."""
    cluster = Cluster()
    client, b = cluster.client(1), Batches()
    client.produce(b.next())
    durable = cluster.stop(2) if clean else cluster.crash(2)
    assert (durable.logs[0].flushed, len(durable.logs[0].batches)) == (int(clean), 1)
    cluster.run_until(cluster.now_us + 12 * S)
    cluster.restart(2, durable, settle=settle)
    assert len(cluster.broker(2).state.partitions) == settle

    assert cluster.crash(2, lossy=True).logs[0].lost_from == lost_from


@pytest.mark.parametrize(("scheduler_us", "kept"), [(2**62, [0, 1, 1, 1]), (0, [0, 1, 1, 1]), (10 * S, [0, 1, 2, 3])])
def test_flushes_by_time_are_looked_for_half_a_minute_after_the_start_and_at_the_schedulers_interval(
    scheduler_us: int, kept: list[int]
) -> None:
    """``LogManager.flushDirtyLogs``: with the default interval, the largest number, never again."""
    settings = BrokerSettings(log_flush_scheduler_us=scheduler_us)
    cluster = Cluster(((1,),), TopicSettings(flush_us=S), brokers=1, settings=settings)
    client, b = cluster.client(1), Batches()
    flushed = []
    for second in (29, 35, 45, 55):
        cluster.run_until(second * S)
        flushed.append(cluster.log(1).flushed)
        client.produce(b.next())

    assert flushed == kept


def test_the_last_replica_standing_that_loses_its_pages_costs_committed_records() -> None:
    """broker:FAIL-26, broker:INV-6: without ELR it is the only one that may lead, and others cut their good copies."""
    cluster = Cluster(topic=TopicSettings(min_insync_replicas=2), rules=Rules(eligible_leader_replicas=False))
    client, b = cluster.client(1), Batches()
    client.produce(b.next())
    lost = {}
    for broker in (2, 3):
        lost[broker] = cluster.crash(broker)
        cluster.run_until(cluster.now_us + 12 * S)
    lost[1] = cluster.crash(1, lossy=True)
    cluster.run_until(cluster.now_us + 12 * S)
    for broker, durable in lost.items():
        cluster.restart(broker, durable)
    cluster.run_until(cluster.now_us + 30 * S)

    assert client.last.error == 0
    assert (cluster.leader(), [cluster.log(broker).end for broker in (1, 2, 3)]) == (1, [0, 0, 0])


def test_with_elr_the_same_accident_elects_a_replica_that_has_the_record() -> None:
    """broker:FAIL-27."""
    cluster = Cluster(topic=TopicSettings(min_insync_replicas=2))
    client, b = cluster.client(1), Batches()
    client.produce(b.next())
    lost = {3: cluster.crash(3)}
    cluster.run_until(cluster.now_us + 12 * S)
    lost[2] = cluster.stop(2)
    cluster.run_until(cluster.now_us + 12 * S)
    lost[1] = cluster.crash(1, lossy=True)
    cluster.run_until(cluster.now_us + 12 * S)
    for broker in (1, 2, 3):
        cluster.restart(broker, lost[broker])
    cluster.run_until(cluster.now_us + 30 * S)

    assert (cluster.leader(), [cluster.log(broker).end for broker in (1, 2, 3)]) == (2, [1, 1, 1])


def test_an_unclean_leader_loses_and_reuses_committed_offsets() -> None:
    """broker:FAIL-25, broker:FAIL-29, broker:APP-33, broker:VIS-7."""
    cluster = Cluster(((1, 2),), TopicSettings(unclean_leader_election=True), brokers=2)
    client, b = cluster.client(1), Batches(pid=1)
    client.produce(b.next())
    follower = cluster.crash(2)
    cluster.run_until(12 * S)
    for _ in range(3):
        client.produce(b.next())  # acked on one copy
    leader = cluster.crash(1)
    cluster.run_until(24 * S)
    cluster.restart(2, follower)
    cluster.run_until(30 * S)
    assert (cluster.leader(), cluster.log(2).end) == (2, 1)

    other = cluster.client(2)
    other.produce(b.next())
    assert other.last.error == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER  # a gap: proof of the loss
    other.fetch(0, 4)
    assert other.fetched()[-1].error == ErrorCode.OFFSET_OUT_OF_RANGE
    cluster.restart(1, leader)
    cluster.run_until(50 * S)
    assert cluster.log(1).end == 1


# --- a leader that does not know --------------------------------------------------------------------------------------
def test_a_zombie_acknowledges_acks_1_that_is_lost_and_never_acks_all() -> None:
    """broker:SC-61, broker:FAIL-19 to FAIL-24."""
    cluster = two()
    client, waiting, b = cluster.client(1), cluster.client(1), Batches()
    client.produce(b.next())
    cluster.isolate(1)
    cluster.run_until(12 * S)
    assert cluster.leader() == 2
    for _ in range(3):
        client.produce(b.next(), acks=1)
    waiting.produce(b.next())
    client.fetch(0, 1)
    assert [result.error for result in client.results()] == [0, 0, 0, 0]
    assert client.fetched()[-1].batches == []
    cluster.run_until(42 * S)
    assert waiting.last.error == ErrorCode.REQUEST_TIMED_OUT

    other = cluster.client(2)
    other.produce(Batches(prod=2).next())
    cluster.heal()
    cluster.run_until(60 * S)
    assert (cluster.isr(), cluster.log(1).end, cluster.replica(1).leading) == ((1, 2), 2, False)
    assert cluster.log(1).batches == cluster.log(2).batches


def test_a_deposed_leader_fails_what_waits_and_refuses_what_follows() -> None:
    """broker:SC-30, broker:APP-12, broker:FAIL-24."""
    cluster = two()
    client, b = cluster.client(1), Batches()
    cluster.cut((0, 1), (1, 2))
    client.produce(b.next())
    cluster.run_until(12 * S)
    assert client.results() == []
    cluster.heal()
    cluster.run_until(20 * S)

    assert (client.last.error, client.last.leader, client.last.leader_epoch) == (MOVED, 2, 1)
    client.produce(b.next())
    assert client.last.error == MOVED


def test_a_consumer_that_waits_at_a_deposed_leader_is_told_that_its_epoch_is_old() -> None:
    """broker:SUB-25, broker:REP-42."""
    cluster = two()
    client = cluster.client(1)
    cluster.cut((0, 1), (1, 2))
    cluster.run_until(12 * S)
    client.fetch(0, 0, epoch=0, max_wait_us=60 * S)
    cluster.heal()
    cluster.run_until(20 * S)

    [answer] = client.fetched()
    assert (answer.error, answer.leader, answer.leader_epoch) == (ErrorCode.FENCED_LEADER_EPOCH, 2, 1)
    client.fetch(0, 0, epoch=1)  # the follower serves who knows the epoch
    assert client.fetched()[-1].error == 0
    client.fetch(0, 0, epoch=7)
    assert client.fetched()[-1].error == ErrorCode.UNKNOWN_LEADER_EPOCH


def test_a_member_of_the_zombies_set_that_has_not_heard_of_the_election_still_commits() -> None:
    """broker:FAIL-21: it fetches from the zombie, and then the record is in the next leader's log."""
    cluster = Cluster(((1, 2),), brokers=2)
    client, b = cluster.client(1), Batches()
    cluster.cut((0, 1), (0, 2))
    client.produce(b.next())

    assert (client.last.error, cluster.log(2).end) == (0, 1)


# --- moves on purpose -------------------------------------------------------------------------------------------------
def test_a_controlled_shutdown_loses_the_tail_that_was_not_fetched() -> None:
    """broker:SUB-27, broker:FAIL-18."""
    cluster = two()
    client, b = cluster.client(1), Batches()
    client.produce(b.next())
    unreplicated(cluster, client, b, acks=1, records=3)
    cluster.broker(1).shut_down(cluster.now_us)
    cluster.settle()
    assert (cluster.leader(), cluster.log(2).end) == (2, 1)
    client.produce(b.next(), acks=1)
    assert client.last.error == MOVED
    cluster.heal()
    cluster.run_until(cluster.now_us + 20 * S)

    assert [result.error for result in client.results()] == [0, 0, 0, 0, MOVED]
    assert cluster.ports[1].has_stopped
    assert cluster.log(1).end == 4  # it fetches no more (ReplicaManager.applyLocalFollowersDelta)
    cluster.restart(1, cluster.crash(1))
    cluster.run_until(cluster.now_us + 20 * S)
    assert [(row.host, row.offset, row.n) for row in cluster.rows_of(Kind.TRUNCATE)] == [(1, 1, 3)]


def test_a_broker_that_shuts_down_fetches_only_where_it_is_in_sync() -> None:
    """``ReplicaManager.applyLocalFollowersDelta``: 1 leads both, 2 is in sync in the second alone, then in none."""
    cluster = Cluster(((1, 2), (1, 2)), brokers=2)
    broker = cluster.broker(2)
    broker.link.shutting_down = True
    out_of_first = replace(cluster.controller.partitions[0], isr=(1,), partition_epoch=1)
    for offset, states in enumerate([(out_of_first,), (replace(out_of_first, partition=1),)], start=100):
        assert [list(fetcher.partitions) for fetcher in broker._fetchers.values()] == [[0, 1] if offset == 100 else [1]]
        broker._apply(MetadataUpdate(offset, states, broker.state.registry.copy(), {}), cluster.now_us)

    assert broker._fetchers == {}


def test_a_move_to_the_preferred_leader_loses_what_it_had_not_fetched() -> None:
    """broker:SC-63, broker:FAIL-18, broker:TOP-9."""
    cluster = Cluster(((1, 2),), brokers=2)
    durable = cluster.stop(1)
    cluster.restart(1, durable)
    cluster.run_until(cluster.now_us + 20 * S)
    assert (cluster.leader(), cluster.isr()) == (2, (1, 2))
    client, b = cluster.client(2), Batches()
    client.produce(b.next())
    cluster.cut((1, 2))
    for _ in range(4):
        client.produce(b.next(), acks=1)
    cluster.controller.elect_preferred(cluster.now_us)
    cluster.settle()
    cluster.heal()
    cluster.run_until(cluster.now_us + 5 * S)

    assert [result.error for result in client.results()] == [0] * 5
    assert (cluster.leader(), cluster.log(1).end, cluster.log(2).end) == (1, 1, 1)


def test_a_stopped_broker_keeps_everything() -> None:
    """broker:FAIL-17."""
    cluster = Cluster(((1, 2, 3),))
    client, b = cluster.client(1), Batches()
    client.produce(b.next())
    durable = cluster.stop(1)

    assert (durable.logs[0].high_watermark, len(durable.logs[0].batches)) == (1, 1)
    assert durable.clean_epoch == 1


# --- followers --------------------------------------------------------------------------------------------------------
def test_a_dead_follower_stalls_acks_all_until_it_is_fenced() -> None:
    """broker:FAIL-5."""
    cluster = Cluster()
    client, b = cluster.client(1), Batches()
    cluster.run_until(2 * S)
    cluster.crash(3)
    client.produce(b.next())
    cluster.run_until(11_249_999)
    assert client.results() == []
    cluster.run_until(11_250_000)  # the controller looks at the sessions every 1.125 s
    assert client.last.error == 0


def test_a_hung_follower_leaves_between_one_and_one_and_a_half_lag_times() -> None:
    """broker:SUB-21, broker:REP-25, broker:FAIL-5."""
    cluster = Cluster()
    cluster.run_until(2 * S)
    cluster.cut((1, 3))
    client, b = cluster.client(1), Batches()
    client.produce(b.next(), timeout_us=60 * S)
    cluster.run_until(60 * S)
    shrunk_us = cluster.rows_of(Kind.ISR)[-1].t_us

    assert cluster.isr() == (1, 2)
    assert 32 * S <= shrunk_us <= 47 * S
    assert client.last.error == 0


@pytest.mark.parametrize(("phase", "shrunk_us"), [(0, 45 * S), (1 << 31, 37_500_000)])
def test_members_that_lag_are_looked_for_every_half_lag_time_at_a_phase_of_the_leaders_own(
    phase: int, shrunk_us: int
) -> None:
    """``ReplicaManager.startup``, isr-expiration: every 15 s since the broker's start, which was some time ago."""
    cluster = Cluster(phases={"isr-expiration": phase})
    cluster.run_until(2 * S)
    cluster.cut((1, 3))
    cluster.run_until(3 * S)
    cluster.client(1).produce(Batches().next(), acks=1)
    cluster.run_until(60 * S)

    assert [row.t_us for row in cluster.rows_of(Kind.ISR) if row.t_us] == [shrunk_us]


def test_an_expansion_waits_for_the_controller_and_counts_at_once() -> None:
    """broker:SUB-9, broker:REP-7, broker:INV-7: the maximal set is the committed one and the newcomer."""
    cluster = two()
    durable = cluster.crash(2)
    cluster.run_until(12 * S)
    cluster.restart(2, durable, settle=False)
    cluster.isolate(1)
    cluster.settle()  # the newcomer is let in, and its leader does not know
    cluster.cuts.remove(frozenset((1, 2)))
    part = cluster.replica(1)
    part._registry[2] = cluster.broker(2).state.registry[2]
    cluster.run_until(cluster.now_us + 2 * S)
    assert (part.isr, part.pending, part.maximal) == ((1,), (1, 2), (1, 2))
    cluster.heal()
    cluster.run_until(cluster.now_us + 5 * S)
    assert (part.isr, part.pending, part.maximal) == ((1, 2), None, (1, 2))


# --- what readers see -------------------------------------------------------------------------------------------------
def test_a_consumer_reads_below_the_high_watermark_and_a_follower_to_the_end() -> None:
    """broker:SC-31, broker:VIS-1, broker:VIS-3."""
    cluster = Cluster(((1, 2),), brokers=2)
    cluster.cut((1, 2))
    client, b = cluster.client(1), Batches()
    client.produce(b.next(2), acks=1)
    client.fetch(0, 1)
    client.fetch(0, 2)
    client.fetch(0, 3)
    assert [(answer.error, answer.batches) for answer in client.fetched()] == [
        (0, []), (0, []), (ErrorCode.OFFSET_OUT_OF_RANGE, []),
    ]  # fmt: skip

    client.send(FetchRequest(2, [FetchPartition(0, 0, 0, -1)], 0, broker_epoch=2))
    cluster.settle()
    assert [batch.lo for batch in client.fetched()[-1].batches] == [0]


def test_the_latest_offset_is_withheld_until_the_new_epoch_has_committed() -> None:
    """broker:SC-29, broker:VIS-4; its epoch is the leader's, that of the earliest is its record's."""
    cluster = Cluster(((1, 2, 3),))
    writer, b = cluster.client(1), Batches()
    for _ in range(5):
        writer.produce(b.next())
    cluster.cut((2, 3))
    fail_over_without_heal(cluster)
    client = cluster.client(2)
    assert cluster.replica(2).epoch_start == 5
    assert client.offset(0).error == ErrorCode.OFFSET_NOT_AVAILABLE
    first = client.offset(0, -2)
    assert (first.offset, first.leader_epoch) == (0, 0)
    cluster.heal()
    cluster.run_until(cluster.now_us + 2 * S)
    last = client.offset(0)
    assert (last.offset, last.leader_epoch) == (5, cluster.replica(2).leader_epoch) and last.leader_epoch > 0


def fail_over_without_heal(cluster: Cluster) -> None:
    cluster.crash(1)
    cluster.run_until(cluster.now_us + 10_500_000)


def test_readers_never_go_back_across_a_clean_failover() -> None:
    """broker:VIS-5, broker:VIS-11, broker:INV-9."""
    cluster = Cluster()
    writer, b = cluster.client(1), Batches()
    for _ in range(3):
        writer.produce(b.next())
    cluster.run_until(S)
    cluster.cut((2, 3))
    fail_over_without_heal(cluster)
    client = cluster.client(2)
    client.fetch(0, 3)
    assert (client.fetched()[0].error, client.fetched()[0].batches) == (0, [])


def test_a_consumer_that_waits_is_answered_when_data_commits() -> None:
    """broker:REP-16, broker:NET-20: by the leader and by a follower after its own fetch."""
    cluster = Cluster()
    reader, at_follower, writer, b = cluster.client(1), cluster.client(2), cluster.client(1), Batches()
    reader.fetch(0, 0, max_wait_us=10 * S)
    at_follower.fetch(0, 0, max_wait_us=10 * S)
    writer.produce(b.next())
    assert [batch.lo for batch in reader.fetched()[0].batches] == [0]
    assert at_follower.fetched() == []  # broker:REP-43: its own mark is an answer behind
    writer.produce(b.next())
    assert [batch.lo for batch in at_follower.fetched()[0].batches] == [0]


def test_a_consumer_that_has_its_position_checked_is_answered_at_once() -> None:
    """OffsetsForLeaderEpoch, for which the check of the fetch stands, does not wait in the broker"""
    cluster = Cluster()
    reader, writer, b = cluster.client(1), cluster.client(1), Batches()
    writer.produce(b.next())
    reader.fetch(0, 0)
    epoch = reader.fetched()[0].leader_epochs[0]
    for last_epoch, answers in ((-1, 0), (epoch, 1)):
        client = cluster.client(1)
        client.send(FetchRequest(-1, [FetchPartition(0, 1, -1, last_epoch)], 10 * S))
        cluster.settle()
        assert len(client.answers) == answers
    assert (client.fetched()[0].error, client.fetched()[0].batches, client.fetched()[0].diverging_end) == (0, [], -1)


def test_a_consumer_may_wait_for_more_bytes() -> None:
    cluster = Cluster()
    reader, writer, b = cluster.client(1), cluster.client(1), Batches()
    reader.send(FetchRequest(-1, [FetchPartition(0, 0, -1)], 10 * S, min_bytes=250))
    cluster.settle()
    for count in (0, 0, 1):
        writer.produce(b.next())
        assert len(reader.fetched()) == count
    assert len(reader.fetched()[0].batches) == 3
