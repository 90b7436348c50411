"""The controller with real brokers: sessions, in-sync sets, shutdowns, elections on request, its own absence."""

from __future__ import annotations

import pytest

from sim.protocol.controller_brokers import BrokerRegister, BrokerState, Registration
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    PartitionMetadata,
)
from sim.protocol.partitioner import java_key_partition, murmur2, to_positive
from sim.protocol.rows import Kind
from sim.protocol.settings import BrokerSettings, Rules, TopicSettings
from tests.protocol.harness import MS, Batches, Cluster, S, Session

NO_ELR = Rules(eligible_leader_replicas=False)
LATE = Rules(commit_ends_metadata_polls=False)  # before 4.1
OLD = Rules(periodic_controller_tasks=False, flat_heartbeat_retry=False, session_outlives_fence=False)


def without_elr(topic: TopicSettings | None = None) -> Cluster:
    return Cluster(((1, 2, 3),), topic, rules=NO_ELR)


def down(cluster: Cluster, *brokers: int) -> dict[int, object]:
    """Crash these and wait until each is fenced, one after the other."""
    durable = {}
    for broker in brokers:
        durable[broker] = cluster.crash(broker)
        cluster.run_until(cluster.now_us + 10 * S + 200 * MS)
    return durable


# --- in-sync sets and elections ---------------------------------------------------------------------------------------
def test_the_last_member_stays_and_only_force_elects_another() -> None:
    """broker:SC-44, broker:SUB-22, broker:FAIL-3, broker:FAIL-13, broker:FAIL-14."""
    cluster = without_elr()
    lost = down(cluster, 2, 3, 1)
    assert (cluster.isr(), cluster.leader()) == ((1,), -1)

    cluster.restart(2, lost[2])  # type: ignore[arg-type]
    cluster.run_until(cluster.now_us + 5 * S)
    assert (cluster.isr(), cluster.leader()) == ((1,), -1)

    assert cluster.controller.elect_unclean(cluster.now_us, 0) == 0
    assert (cluster.isr(), cluster.leader()) == ((2,), 2)
    assert cluster.rows_of(Kind.LEADER)[-1].code == 1


def test_a_preferred_election_is_never_unclean() -> None:
    """broker:SC-45."""
    cluster = without_elr(TopicSettings())
    lost = down(cluster, 2, 3, 1)
    cluster.restart(2, lost[2])  # type: ignore[arg-type]
    cluster.run_until(cluster.now_us + 5 * S)
    before = cluster.controller.partitions[0]

    assert cluster.controller.elect_preferred(cluster.now_us) == {0: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE}
    assert cluster.controller.partitions[0] is before


def test_a_topic_that_allows_it_gets_an_unclean_leader_at_once() -> None:
    """broker:FAIL-13: when the newcomer is let in."""
    cluster = without_elr(TopicSettings(unclean_leader_election=True))
    lost = down(cluster, 2, 3, 1)
    cluster.restart(2, lost[2])  # type: ignore[arg-type]
    cluster.run_until(cluster.now_us + 5 * S)

    assert (cluster.isr(), cluster.leader()) == ((2,), 2)


def test_going_leaderless_and_coming_back_are_two_epochs() -> None:
    """broker:FAIL-15."""
    cluster = Cluster(((1,),), brokers=1, rules=NO_ELR)
    lost = down(cluster, 1)
    assert cluster.controller.partitions[0].leader_epoch == 1
    cluster.restart(1, lost[1])  # type: ignore[arg-type]
    cluster.run_until(cluster.now_us + 5 * S)

    assert (cluster.leader(), cluster.controller.partitions[0].leader_epoch) == (1, 2)


def test_with_elr_the_replicas_that_left_stay_eligible() -> None:
    """broker:SC-48, broker:SC-49, broker:FAIL-27, end to end: min 2, all die one after another."""
    cluster = Cluster(((1, 2, 3),), TopicSettings(min_insync_replicas=2))
    down(cluster, 3)
    assert cluster.controller.partitions[0].elr == ()
    down(cluster, 2)
    assert (cluster.isr(), cluster.controller.partitions[0].elr) == ((1,), (2,))
    down(cluster, 1)
    assert (cluster.isr(), cluster.leader(), cluster.controller.partitions[0].elr) == ((), -1, (1, 2))


def test_a_clean_shutdown_keeps_a_replica_eligible_and_a_crash_does_not() -> None:
    """broker:SC-51, broker:FAIL-27, broker:FAIL-28 (as the releases after it do: the clean shutdown counts)."""
    for clean, elr in ((True, (2,)), (False, ())):
        cluster = Cluster(((1, 2),), TopicSettings(min_insync_replicas=2), brokers=2)
        durable = cluster.stop(2) if clean else cluster.crash(2)
        cluster.run_until(cluster.now_us + 12 * S)
        assert (cluster.isr(), cluster.controller.partitions[0].elr) == ((1,), (2,))
        cluster.cut((1, 2))
        cluster.restart(2, durable)
        assert cluster.controller.partitions[0].elr == elr


def test_a_minimum_above_the_replicas_is_capped() -> None:
    """broker:SC-52."""
    cluster = Cluster(topic=TopicSettings(min_insync_replicas=5))

    assert cluster.controller.book.min_isr(cluster.controller.partitions[0]) == 3


def test_an_isr_change_raises_the_partition_epoch_only() -> None:
    """broker:SUB-23, broker:REP-30."""
    cluster = Cluster()
    down(cluster, 3)

    state = cluster.controller.partitions[0]
    assert (state.isr, state.leader_epoch, state.partition_epoch) == ((1, 2), 0, 1)


def test_a_returning_replica_joins_through_its_leader() -> None:
    """broker:FAIL-14, broker:REP-24, broker:SC-50."""
    cluster = Cluster(topic=TopicSettings(min_insync_replicas=3))
    lost = down(cluster, 3)
    assert cluster.controller.partitions[0].elr == (3,)
    cluster.restart(3, lost[3])  # type: ignore[arg-type]
    cluster.run_until(cluster.now_us + 5 * S)

    assert (cluster.isr(), cluster.controller.partitions[0].elr) == ((1, 2, 3), ())


class Forger:
    """Speaks to the controller as if it were a broker, on a connection of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.session: Session = cluster.client(0)

    def ask(self, message: object) -> object:
        self.session.send(message)
        self.cluster.settle()
        return [m for m in self.session.answers if not type(m).__name__.startswith("Metadata")][-1]

    def alter(
        self, broker: int, isr: tuple[int, ...], *, leader_epoch: int = 0, partition_epoch: int = 0, epoch: int = -2,
        member_epoch: int = -1,
    ) -> AlterPartitionResponse:  # fmt: skip
        known = self.cluster.controller.brokers.by_id[broker].epoch
        members = tuple((member, member_epoch) for member in isr)
        own = known if epoch == -2 else epoch
        answer = self.ask(AlterPartitionRequest(broker, own, {0: (leader_epoch, partition_epoch, members)}))
        assert isinstance(answer, AlterPartitionResponse)
        return answer


@pytest.mark.parametrize(
    ("broker", "isr", "changes", "error"),
    [
        (1, (1, 2), {"leader_epoch": 500}, ErrorCode.NOT_CONTROLLER),
        (1, (1, 2), {"partition_epoch": 500}, ErrorCode.NOT_CONTROLLER),
        (2, (1, 2), {}, ErrorCode.INVALID_REQUEST),
        (1, (2, 3), {}, ErrorCode.INVALID_REQUEST),
        (1, (1, 4), {}, ErrorCode.INVALID_REQUEST),
        (1, (1, 2), {"member_epoch": 77}, ErrorCode.INELIGIBLE_REPLICA),
        (1, (1, 2), {"leader_epoch": -1}, ErrorCode.FENCED_LEADER_EPOCH),
        (1, (1, 2), {"partition_epoch": -1}, ErrorCode.INVALID_UPDATE_VERSION),
        (1, (1, 2), {}, 0),
    ],
)
def test_a_change_of_an_in_sync_set_is_checked(
    broker: int, isr: tuple[int, ...], changes: dict[str, int], error: int
) -> None:
    """broker:SC-54, broker:REP-27."""
    cluster = Cluster()
    answer = Forger(cluster).alter(broker, isr, **changes)

    assert (answer.error, answer.partitions[0][0]) == (0, error)
    assert cluster.isr() == ((1, 2) if error == 0 else (1, 2, 3))


def test_a_change_asked_for_by_a_past_incarnation_is_refused_as_a_whole() -> None:
    """broker:SC-54."""
    answer = Forger(Cluster()).alter(1, (1, 2), epoch=0)

    assert answer.error == ErrorCode.STALE_BROKER_EPOCH


def test_a_fenced_member_is_refused() -> None:
    """broker:REP-27."""
    cluster = Cluster()
    down(cluster, 3)
    answer = Forger(cluster).alter(1, (1, 2, 3), partition_epoch=1)

    assert answer.partitions[0][0] == ErrorCode.INELIGIBLE_REPLICA


# --- sessions ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("crash_us", [2_000_001, 3_000_000, 3_999_999])
def test_before_4_0_a_crash_is_noticed_a_session_after_the_last_heartbeat(crash_us: int) -> None:
    """broker:FAIL-1, broker:FAIL-2, broker:SUB-19: 7 to 9 s later; the reset of its connections tells nothing."""
    cluster = Cluster(rules=OLD)
    cluster.run_until(crash_us)
    cluster.crash(1)
    cluster.run_until(60 * S)
    [fence] = cluster.rows_of(Kind.FENCE)

    assert fence.t_us == 2 * S + 9 * S + 1
    assert 7 * S <= fence.t_us - crash_us <= 9 * S + 1


@pytest.mark.parametrize(("phase", "fenced_us"), [(0, 11_250_000), (1 << 30, 12_093_750), (7 << 29, 11_390_625)])
def test_a_crash_is_noticed_at_a_look_at_the_sessions_every_eighth_of_one(phase: int, fenced_us: int) -> None:
    """``QuorumController.maybeFenceStaleBrokerPeriodNs``: 1.125 s; the last heartbeat is that of 2 s. Looks are 0, a
    quarter and seven eighths of 1.125 s before the start, that is at 11.25, at 10.96875 and 12.09375, at 11.390625."""
    cluster = Cluster(phases={"fence": phase})
    cluster.run_until(3 * S)
    cluster.crash(1)
    cluster.run_until(60 * S)

    assert [fence.t_us for fence in cluster.rows_of(Kind.FENCE)] == [fenced_us]


def test_before_4_0_a_restart_within_the_session_does_not_shorten_it() -> None:
    """broker:SUB-19, broker:FAIL-6."""
    cluster = Cluster(rules=OLD)
    cluster.run_until(2 * S)
    durable = cluster.crash(1)
    cluster.run_until(4 * S)
    cluster.restart(1, durable)
    cluster.run_until(60 * S)
    [fence], [unfence] = cluster.rows_of(Kind.FENCE), cluster.rows_of(Kind.UNFENCE)

    assert fence.t_us == 11 * S + 1
    # Refused at 4 s, then after 0.1, 0.3, 0.7, 1.5, 3.1, 6.3 and (with 2 % jitter) let in after 12.7 s.
    assert 4 * S + 12 * S < unfence.t_us < 4 * S + 13 * S
    assert cluster.isr() == (1, 2, 3)


@pytest.mark.parametrize(("back_us", "fenced_us", "unfenced_us"), [
    (4 * S, 11 * S + 250 * MS, 12 * S),  # refused at 4, 6, 8 and 10 s
    (3 * S + 100 * MS, 11 * S + 100 * MS, 11 * S + 100 * MS),  # let in between the end of the session and the next look
])  # fmt: skip
def test_a_broker_that_is_refused_asks_again_at_the_interval_of_heartbeats(
    back_us: int, fenced_us: int, unfenced_us: int
) -> None:
    """``BrokerLifecycleManager.scheduleNextCommunicationAfterFailure``; a session ends without a look at it."""
    cluster = Cluster(rules=NO_ELR)
    cluster.run_until(2 * S)
    durable = cluster.crash(1)
    cluster.run_until(back_us)
    cluster.restart(1, durable)
    cluster.run_until(60 * S)

    assert [row.t_us for row in cluster.rows_of(Kind.FENCE)] == [fenced_us]
    assert [row.t_us for row in cluster.rows_of(Kind.UNFENCE)] == [unfenced_us]
    assert (cluster.leader(), cluster.isr()) == (2, (1, 2, 3))


def test_a_new_incarnation_is_refused_while_the_old_ones_session_holds() -> None:
    """broker:FAIL-6."""
    cluster = Cluster()
    answer = Forger(cluster).ask(BrokerRegistrationRequest(1, incarnation=9))

    assert answer == BrokerRegistrationResponse(ErrorCode.DUPLICATE_BROKER_REGISTRATION)


def test_a_fenced_broker_that_is_heard_of_again_is_let_in() -> None:
    """broker:FAIL-14, table 5.3: fence of a live leader."""
    cluster = Cluster()
    cluster.cut((0, 1))
    cluster.run_until(12 * S)
    assert (cluster.leader(), cluster.isr()) == (2, (2, 3))
    assert cluster.replica(1).leading  # broker:FAIL-19: nobody has told it
    cluster.heal()
    cluster.run_until(20 * S)

    assert not cluster.replica(1).leading
    assert cluster.isr() == (1, 2, 3)


# --- controlled shutdown ----------------------------------------------------------------------------------------------
def test_a_controlled_shutdown_moves_the_leader_without_a_detection_delay() -> None:
    """broker:SC-53, table 5.3."""
    cluster = Cluster()
    cluster.run_until(S)
    cluster.broker(1).shut_down(cluster.now_us)
    cluster.settle()

    assert (cluster.leader(), cluster.isr()) == (2, (2, 3))
    assert cluster.controller.brokers.by_id[1].state is BrokerState.CONTROLLED_SHUTDOWN
    assert [row.t_us for row in cluster.rows_of(Kind.LEADER, n=2)] == [S]


def test_a_broker_stops_when_the_others_have_applied_its_leave() -> None:
    """broker:FAIL-16: their next heartbeats tell it; then it is fenced and its process ends."""
    cluster = Cluster()
    cluster.run_until(S)
    cluster.stop(1)

    assert 2 * S <= cluster.now_us <= 5 * S
    assert cluster.rows_of(Kind.FENCE, n=1)


def test_before_4_0_a_restart_after_a_controlled_shutdown_is_let_in_at_once() -> None:
    """broker:FAIL-17; the session of who has gone does not hold."""
    cluster = Cluster(rules=Rules(session_outlives_fence=False))
    durable = cluster.stop(1)
    begun_us = cluster.now_us
    cluster.restart(1, durable)
    cluster.run_until(begun_us + S)

    assert cluster.isr() == (1, 2, 3)
    assert cluster.leader() == 2


def test_a_restart_after_a_controlled_shutdown_waits_for_the_rest_of_the_session() -> None:
    """``BrokerHeartbeatTracker.hasValidSession`` knows no fence: 9 s from the heartbeat that was told to stop, less the
    wait that the new process is in then."""
    cluster = Cluster()
    cluster.run_until(2 * S)
    cluster.broker(3).shut_down(cluster.now_us)
    cluster.settle()
    assert cluster.ports[3].has_stopped  # it leads nothing, so the heartbeat of this moment was its last
    cluster.restart(3, cluster.crash(3))
    cluster.run_until(11 * S)
    assert cluster.rows_of(Kind.UNFENCE) == []
    cluster.run_until(60 * S)

    [unfence] = cluster.rows_of(Kind.UNFENCE, n=3)
    assert 11 * S < unfence.t_us < 15 * S
    assert cluster.isr() == (1, 2, 3)


def test_a_session_begins_with_the_first_heartbeat_not_with_the_registration() -> None:
    """``BrokerHeartbeatTracker`` is told of heartbeats alone: a process that dies between the two holds up nobody."""
    cluster = Cluster()
    down(cluster, 3)
    forger = Forger(cluster)

    for incarnation in (8, 9):
        assert forger.ask(BrokerRegistrationRequest(3, incarnation)).error == 0  # type: ignore[attr-defined]


def test_a_new_controller_knows_no_session_of_who_is_fenced() -> None:
    """``ClusterControlManager.activate``."""
    cluster = Cluster()
    durable = cluster.stop(3)
    cluster.controller.fail_over(cluster.now_us, S)
    cluster.run_until(cluster.now_us + 2 * S)
    cluster.restart(3, durable)

    assert cluster.isr() == (1, 2, 3)


def test_who_leads_nothing_may_stop_at_once() -> None:
    """broker:FAIL-16."""
    cluster = Cluster()
    cluster.run_until(S)
    cluster.broker(3).shut_down(cluster.now_us)
    cluster.settle()

    assert cluster.ports[3].has_stopped
    assert cluster.isr() == (1, 2)


def test_the_lowest_metadata_offset_of_the_others_decides_when_a_broker_may_stop() -> None:
    """broker:SC-55, broker:FAIL-16."""
    register = BrokerRegister(9 * S)
    for broker, offset in ((1, 98), (2, 100), (3, 100), (4, 99)):
        register.by_id[broker] = Registration(broker, broker, 1, broker, BrokerState.UNFENCED, 0, offset)
    stopping = register.by_id[4]
    stopping.state, stopping.shutdown_offset = BrokerState.CONTROLLED_SHUTDOWN, 99
    heartbeat = BrokerHeartbeatRequest(4, 4, 99, want_shut_down=True)

    assert register.next_state(stopping, heartbeat, leads=False) is BrokerState.CONTROLLED_SHUTDOWN
    register.by_id[1].state = BrokerState.FENCED
    assert register.next_state(stopping, heartbeat, leads=False) is BrokerState.SHUTDOWN_NOW


def test_a_heartbeat_of_a_past_incarnation_is_refused() -> None:
    answer = Forger(Cluster()).ask(BrokerHeartbeatRequest(1, 77, 0))

    assert answer == BrokerHeartbeatResponse(ErrorCode.STALE_BROKER_EPOCH)


# --- moves and new partitions -----------------------------------------------------------------------------------------
def test_leadership_goes_back_to_the_preferred_replica_only_when_it_is_asked_to() -> None:
    """broker:SUB-13, broker:TOP-9."""
    cluster = Cluster()
    durable = cluster.stop(1)
    cluster.restart(1, durable)
    cluster.run_until(cluster.now_us + 100 * S)
    assert (cluster.leader(), cluster.isr()) == (2, (1, 2, 3))

    assert cluster.controller.elect_preferred(cluster.now_us, 0) == {0: 0}
    cluster.settle()
    assert cluster.leader() == 1
    assert cluster.controller.elect_preferred(cluster.now_us) == {0: ErrorCode.ELECTION_NOT_NEEDED}


def leader_moves_back_us(cluster: Cluster) -> list[int]:
    return [row.t_us for row in cluster.rows_of(Kind.LEADER, n=1) if row.t_us]


@pytest.mark.parametrize(("phase", "moved_us"), [(0, 300 * S), (1 << 31, 150 * S), (3 << 30, 75 * S)])
def test_the_balancer_moves_leaders_back_every_five_minutes(phase: int, moved_us: int) -> None:
    """broker:TOP-9, ``QuorumController.registerElectPreferred``: the controller has been active for some time."""
    cluster = Cluster(rebalance=True, phases={"preferred": phase})
    durable = cluster.stop(1)
    cluster.restart(1, durable)
    cluster.run_until(400 * S)

    assert leader_moves_back_us(cluster) == [moved_us]


def test_a_new_controller_begins_its_five_minutes_anew() -> None:
    """``PeriodicTaskControlManager.activate``."""
    cluster = Cluster(rebalance=True)
    durable = cluster.stop(1)
    cluster.restart(1, durable)
    cluster.run_until(100 * S)
    cluster.controller.fail_over(cluster.now_us, 5 * S)
    cluster.run_until(500 * S)

    assert leader_moves_back_us(cluster) == [405 * S]


def test_before_4_0_the_balancer_begins_its_five_minutes_when_a_leader_is_not_the_preferred_one() -> None:
    """``QuorumController.maybeScheduleNextBalancePartitionLeaders``."""
    cluster = Cluster(rebalance=True, rules=OLD)
    cluster.run_until(40 * S)
    cluster.restart(1, cluster.stop(1))
    [moved] = cluster.rows_of(Kind.LEADER, n=2)
    assert 40 * S <= moved.t_us < 50 * S
    cluster.run_until(800 * S)

    assert leader_moves_back_us(cluster) == [moved.t_us + 300 * S]


def test_added_partitions_have_leaders_and_clients_are_told() -> None:
    """broker:TOP-1."""
    from sim.protocol.messages import MetadataRequest

    cluster = Cluster()
    cluster.controller.add_partitions(cluster.now_us, 0, [7, 8], [(2, 3), (3, 1)])
    cluster.settle()
    client = cluster.client(1)
    client.send(MetadataRequest((0,)))
    cluster.settle()

    rows = [PartitionMetadata(0, 1, 0), PartitionMetadata(7, 2, 0), PartitionMetadata(8, 3, 0)]
    assert client.answers[0].partitions == {0: tuple(rows)}
    [created] = cluster.rows_of(Kind.PARTITIONS)
    assert (created.partition, created.n) == (7, 3)
    writer = cluster.client(2)
    writer.produce(Batches(partition=7).next())
    assert writer.last.error == 0


def test_a_new_partition_is_in_sync_on_the_active_replicas_only() -> None:
    """broker:TOP-1."""
    cluster = Cluster()
    down(cluster, 2)
    cluster.controller.add_partitions(cluster.now_us, 0, [1], [(2, 3)])

    assert (cluster.isr(1), cluster.leader(1)) == ((3,), 3)


# --- metadata ---------------------------------------------------------------------------------------------------------
def test_brokers_learn_at_times_of_their_own_and_in_order() -> None:
    """broker:SUB-18, broker:FAIL-7, broker:INV-13: one within nothing, the other half a second later."""
    cluster = Cluster(voters=3, rules=LATE)
    cluster.ports[0].draws = lambda purpose: (1 << 32) - 1 if purpose == "metadata-3" else 0
    cluster.run_until(S)
    cluster.controller.add_partitions(cluster.now_us, 0, [1], [(2, 3)])
    cluster.ports[0].draws = lambda purpose: 0
    cluster.controller.add_partitions(cluster.now_us, 0, [2], [(2, 3)])
    cluster.settle()

    assert sorted(cluster.broker(2).state.partitions) == [0, 1, 2]
    assert sorted(cluster.broker(3).state.partitions) == [0]
    cluster.run_until(S + 500 * MS)
    assert sorted(cluster.broker(3).state.partitions) == [0, 1, 2]


def test_since_4_1_a_commit_is_a_message_away() -> None:
    """KIP-1166: it ends the long polls of all brokers (``KafkaRaftClient.onUpdateLeaderHighWatermark``)."""
    cluster = Cluster(voters=3)
    cluster.ports[0].draws = lambda purpose: (1 << 32) - 1
    cluster.run_until(S)
    cluster.controller.add_partitions(cluster.now_us, 0, [1], [(2, 3)])
    cluster.settle()

    assert [sorted(cluster.broker(broker).state.partitions) for broker in (1, 2, 3)] == [[0], [0, 1], [0, 1]]


def test_two_brokers_may_both_believe_that_they_lead() -> None:
    """broker:SUB-18, broker:FAIL-18: both accept acks=1 in the meantime."""
    cluster = Cluster(voters=3, rules=LATE)
    durable = cluster.stop(1)
    cluster.restart(1, durable)
    cluster.run_until(cluster.now_us + 20 * S)
    cluster.ports[0].draws = lambda purpose: (1 << 32) - 1 if purpose == "metadata-2" else 0
    cluster.controller.elect_preferred(cluster.now_us)
    cluster.settle()
    old, new = cluster.client(2), cluster.client(1)
    old.produce(Batches(prod=1).next(), acks=1)
    new.produce(Batches(prod=2).next(), acks=1)

    assert (old.last.error, new.last.error) == (0, 0)
    assert old.last.offset == new.last.offset == 0


def test_a_broker_that_comes_back_is_told_everything() -> None:
    cluster = Cluster()
    cluster.cut((0, 3))
    cluster.run_until(12 * S)
    cluster.controller.add_partitions(cluster.now_us, 0, [1], [(1, 3)])
    assert 1 not in cluster.broker(3).state.partitions
    cluster.heal()
    cluster.run_until(20 * S)

    assert cluster.broker(3).state.applied == cluster.controller.offset
    assert 1 in cluster.broker(3).state.partitions


def test_a_leaderless_partition_is_described_without_a_leader() -> None:
    """broker:VIS-10."""
    from sim.protocol.messages import MetadataRequest

    cluster = Cluster(((1,), (2,)), brokers=2)
    down(cluster, 1)
    client = cluster.client(2)
    client.send(MetadataRequest((0,)))
    cluster.settle()
    [answer] = client.answers

    assert answer.brokers == (2,)
    assert answer.partitions[0] == (PartitionMetadata(0, -1, 1), PartitionMetadata(1, 2, 0))


# --- the controller's own absence -------------------------------------------------------------------------------------
def test_while_the_controller_moves_nothing_is_decided_and_data_flows() -> None:
    """broker:FAIL-4."""
    cluster = Cluster(((1, 2), (2, 1)))
    cluster.run_until(2 * S)
    cluster.controller.fail_over(cluster.now_us, 20 * S)
    cluster.crash(2)
    cluster.run_until(21 * S)
    assert cluster.rows_of(Kind.FENCE) == []
    assert (cluster.leader(1), cluster.isr(0)) == (2, (1, 2))


def test_after_the_move_every_session_begins_anew() -> None:
    """broker:FAIL-4: who died during the outage has up to another session."""
    cluster = Cluster()
    cluster.run_until(2 * S)
    cluster.controller.fail_over(cluster.now_us, 5 * S)
    cluster.crash(1)
    cluster.run_until(60 * S)
    [fence] = cluster.rows_of(Kind.FENCE)

    assert fence.t_us == 7 * S + 9 * S + 1125 * MS  # its looks begin with it, and the one at 16 s is none too late
    assert cluster.leader() == 2


def test_acks_all_goes_on_without_a_controller() -> None:
    """broker:FAIL-4."""
    cluster = Cluster()
    cluster.controller.fail_over(cluster.now_us, 20 * S)
    cluster.run_until(15 * S)
    client = cluster.client(1)
    client.produce(Batches().next())

    assert client.last.error == 0


def test_what_is_asked_for_during_the_outage_is_done_after_it() -> None:
    cluster = Cluster()
    cluster.controller.fail_over(0, 5 * S)
    cluster.controller.add_partitions(0, 0, [1], [(2, 3)])
    assert 1 not in cluster.controller.partitions
    cluster.run_until(10 * S)

    assert cluster.leader(1) == 2
    assert 1 in cluster.broker(2).state.partitions


def test_a_short_session_is_honoured() -> None:
    """broker.session.timeout.ms."""
    cluster = Cluster(settings=BrokerSettings(session_timeout_us=3 * S, heartbeat_interval_us=S))
    cluster.run_until(10 * S)
    cluster.crash(1)
    cluster.run_until(14 * S)

    assert cluster.leader() == 2


def test_a_key_changes_its_partition_when_partitions_are_added() -> None:
    """broker:SC-64, broker:TOP-2: old records of the key stay where they are, and nothing orders them with the new."""
    key = next(f"k{i}".encode() for i in range(1000) if to_positive(murmur2(f"k{i}".encode())) % 6 == 4)
    before, after = java_key_partition(key, 3), java_key_partition(key, 6)
    assert (before, after) == (1, 4)
    cluster = Cluster(((1,), (1,), (1,)), brokers=1)
    client = cluster.client(1)
    client.produce(Batches(partition=before).next())
    cluster.controller.add_partitions(cluster.now_us, 0, [3, 4, 5], [(1,)] * 3)
    cluster.settle()
    client.produce(Batches(partition=after).next())

    assert [cluster.log(1, partition).end for partition in range(6)] == [0, 1, 0, 0, 1, 0]
