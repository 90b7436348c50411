"""Each law passes on a sound state and raises on a broken one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sim.errors import LawBroken
from sim.laws import Laws
from sim.log_laws import check_answers, check_order_on_connections, check_producers, check_sequences
from sim.protocol.broker import Broker
from sim.protocol.messages import RecordBatch
from sim.protocol.producer_state import ProducerStates
from sim.protocol.rows import Kind
from sim.protocol.settings import Rules, TopicSettings
from tests.protocol.harness import Batches, Cluster, S, batch_of


def brokers(cluster: Cluster) -> dict[int, Broker]:
    return {number: role for number, role in cluster.roles.items() if isinstance(role, Broker)}


class Checked:
    """A cluster with some records, checked once as it is."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.cluster = cluster or Cluster(((1, 2, 3),), TopicSettings(min_insync_replicas=2))
        self.laws = Laws()
        self.check()
        client, b = self.cluster.client(1), Batches(pid=1)
        for _ in range(5):
            client.produce(b.next())
            self.check()
        self.cluster.run_until(self.cluster.now_us + S)
        self.check()

    def check(self) -> None:
        self.laws.check(brokers(self.cluster), self.cluster.controller)

    def finish(self, settled: bool = True) -> None:
        self.laws.finish(brokers(self.cluster), self.cluster.controller, settled=settled)

    def decide(self, **changes: object) -> None:
        """The controller's state of partition 0 becomes something else."""
        book = self.cluster.controller.book
        book.offset += 1
        book.states[0] = replace(book.states[0], **changes)  # type: ignore[arg-type]


def test_a_sound_cluster_keeps_every_law() -> None:
    checked = Checked()
    checked.laws.acknowledged([(0, 0, lo, lo + 1, lo) for lo in range(5)])
    checked.finish()


def forget_commit(c: Checked) -> None:
    log = c.cluster.log(2)
    log.truncate_to(3)


def other_record(c: Checked) -> None:
    c.decide(isr=(1, 3), partition_epoch=1)
    log = c.cluster.log(2)
    log.truncate_to(4)
    c.cluster.replica(1).followers[2].end = c.cluster.broker(2).fetches_of(0)[1].offset = 4
    c.cluster.replica(1).isr = c.cluster.replica(1).maximal = (1, 3)
    c.check()
    log.append(RecordBatch(9, 0, 0, 1, 10), 0, 0)
    log.high_watermark = 5


def other_record_unseen(c: Checked) -> None:
    log = c.cluster.log(3)
    log.truncate_to(4)
    log.append(RecordBatch(9, 0, 0, 1, 10), 0, 0)
    log.high_watermark = 4


def shorter_leader(c: Checked) -> None:
    part = c.cluster.replica(1)
    part.leader_epoch += 1
    part.log.truncate_to(2)
    c.decide(leader_epoch=1, partition_epoch=1, isr=(1,), elr=(2, 3))


def high_watermark_beyond_the_end(c: Checked) -> None:
    c.cluster.log(1).high_watermark = 99


def shrinking_leader(c: Checked) -> None:
    c.cluster.log(1).truncate_to(4)


def epoch_back(c: Checked) -> None:
    c.cluster.replica(2).leader_epoch -= 1


def controller_epoch_back(c: Checked) -> None:
    c.decide(leader_epoch=-1, partition_epoch=1)


def leader_outside(c: Checked) -> None:
    c.decide(isr=(2, 3), partition_epoch=1)


def stranger_in_sync(c: Checked) -> None:
    c.decide(isr=(1, 9), partition_epoch=1)


def eligible_though_enough(c: Checked) -> None:
    c.decide(isr=(1, 2), elr=(3,), partition_epoch=1)


def fenced_in_sync(c: Checked) -> None:
    from sim.protocol.controller_brokers import BrokerState

    c.cluster.controller.brokers.by_id[3].state = BrokerState.FENCED
    c.cluster.controller.book.offset += 1


def narrow_maximal(c: Checked) -> None:
    part = c.cluster.replica(1)
    part.maximal = part.isr = (1, 2)
    part.partition_epoch += 1


def wide_maximal(c: Checked) -> None:
    c.cluster.replica(1).isr = (1, 2)
    c.cluster.replica(1).partition_epoch += 1


def forged_metadata(c: Checked) -> None:
    state = c.cluster.broker(2).state
    state.metadata[0] = replace(state.metadata[0], leader=3)
    state.applied += 1


def leader_that_follows(c: Checked) -> None:
    c.cluster.broker(1)._fetcher(2).add(c.cluster.replica(1), -1)
    c.cluster.replica(1).partition_epoch += 1


def wrong_zombie(c: Checked) -> None:
    """Broker 3 believes that it leads; broker 2, of its in-sync set, lacks what it calls committed."""
    zombie = c.cluster.replica(3)
    zombie.leading, zombie.isr = True, (2, 3)
    c.cluster.broker(3)._fetchers.clear()
    for number in (1, 2):
        log = c.cluster.log(number)
        log.truncate_to(4)
        log.high_watermark = 4
    c.cluster.replica(1).leader_epoch += 1
    zombie.partition_epoch += 1


def leader_that_does_not_lead(c: Checked) -> None:
    c.cluster.replica(1).leading = False
    c.cluster.broker(1).state.applied += 1


def replica_in_another_epoch(c: Checked) -> None:
    c.cluster.replica(2).leader_epoch += 1
    c.cluster.broker(2).state.applied += 1


def fetch_from_elsewhere(c: Checked) -> None:
    c.cluster.broker(2)._fetcher(1).partitions[0].want.offset -= 1
    c.cluster.replica(2).partition_epoch += 1


def record_of_another_epoch(c: Checked) -> None:
    """The same record at the same offset, and yet not the leader's."""
    log = c.cluster.log(2)
    log.epochs[4], log.high_watermark = 1, 4


def position_never_reached(c: Checked) -> None:
    """broker:INV-18, broker:SUB-17."""
    c.cluster.replica(1).followers[3].end = 6
    c.cluster.log(1).append(batch_of(5), 0, 0)


def position_of_an_epoch_that_is_past(c: Checked) -> None:
    """broker:INV-18, broker:INV-19: of members that are not in sync nothing is kept."""
    lead = c.cluster.replica(1)
    lead.maximal = lead.isr = (1, 2)
    c.decide(isr=(1, 2), partition_epoch=1)
    c.check()
    for number in (1, 2):
        c.cluster.replica(number).leader_epoch += 1
    for fetch in c.cluster.broker(2).fetches_of(0).values():
        fetch.leader_epoch += 1
    c.decide(leader_epoch=1, partition_epoch=2)


def sequence_not_learned(c: Checked) -> None:
    log = c.cluster.log(1)
    kept, log.producers = log.producers, ProducerStates()
    log.append(batch_of(5), 0, 0)
    log.producers = kept


def sequence_of_a_batch_that_is_gone(c: Checked) -> None:
    log = c.cluster.log(3)
    kept = log.producers.snapshot()
    log.truncate_to(4)
    log.producers.load(kept)


@pytest.mark.parametrize(
    ("law", "harm"),
    [
        ("APP-29", sequence_not_learned),
        ("APP-29", sequence_of_a_batch_that_is_gone),
        ("INV-3", record_of_another_epoch),
        ("INV-13", leader_that_does_not_lead),
        ("INV-13", replica_in_another_epoch),
        ("INV-14", fetch_from_elsewhere),
        ("INV-18", position_never_reached),
        ("INV-18", position_of_an_epoch_that_is_past),
        ("INV-1", leader_outside),
        ("INV-2", wrong_zombie),
        ("INV-3", other_record_unseen),
        ("INV-4", forget_commit),
        ("INV-6", shorter_leader),
        ("INV-7", narrow_maximal),
        ("INV-7", wide_maximal),
        ("INV-8", other_record),
        ("INV-12", stranger_in_sync),
        ("INV-12", eligible_though_enough),
        ("INV-12", fenced_in_sync),
        ("INV-13", forged_metadata),
        ("INV-14", leader_that_follows),
        ("INV-16", epoch_back),
        ("INV-16", controller_epoch_back),
        ("INV-20e", shrinking_leader),
        ("INV-20f", high_watermark_beyond_the_end),
    ],
)
def test_a_broken_state_breaks_its_law(law: str, harm: Callable[[Checked], None]) -> None:
    checked = Checked()
    harm(checked)

    with pytest.raises(LawBroken) as broken:
        checked.check()
    assert broken.value.law == law


def test_a_member_that_joins_below_the_epochs_start_breaks_a_law() -> None:
    """broker:INV-15, broker:INV-19: join needs the leader epoch's start."""
    checked = Checked()
    part = checked.cluster.replica(1)
    checked.decide(isr=(1, 2), partition_epoch=1)
    part.maximal = part.isr = (1, 2)
    checked.check()
    part.epoch_start = 99
    checked.decide(isr=(1, 2, 3), partition_epoch=2)

    with pytest.raises(LawBroken, match="INV-15"):
        checked.check()


def test_an_eligible_replica_that_lacks_what_was_committed_breaks_a_law() -> None:
    """broker:INV-5."""
    checked = Checked(Cluster(((1, 2, 3),), TopicSettings(min_insync_replicas=3)))
    part = checked.cluster.replica(1)
    part.maximal = part.isr = (1, 2)
    checked.decide(isr=(1, 2), elr=(3,), partition_epoch=1)
    checked.check()
    checked.cluster.log(3).truncate_to(1)

    with pytest.raises(LawBroken, match="INV-5"):
        checked.check()


def test_an_acknowledged_record_that_is_nowhere_breaks_a_law() -> None:
    """broker:INV-10, broker:INV-20a."""
    checked = Checked()

    with pytest.raises(LawBroken, match="INV-20a"):
        checked.laws.acknowledged([(0, 0, 7, 8, 7)])


def test_a_whole_log_is_compared_at_the_end() -> None:
    """broker:INV-9."""
    checked = Checked()
    checked.cluster.log(2).batches[2] = RecordBatch(9, 0, 0, 1, 10)

    with pytest.raises(LawBroken, match="INV-9"):
        checked.finish()


def test_who_has_not_caught_up_at_the_end_breaks_a_law_only_if_the_run_settled() -> None:
    """broker:INV-17."""
    checked = Checked()
    checked.cluster.cut((1, 3))
    checked.cluster.client(1).produce(Batches(prod=2).next(), acks=1)
    checked.finish(settled=False)

    with pytest.raises(LawBroken, match="INV-17"):
        checked.finish()


def test_a_gap_in_stored_sequences_breaks_a_law() -> None:
    """broker:INV-20c."""
    checked = Checked()
    log = checked.cluster.log(1)
    log.append(batch_of(7), 0, 0)

    with pytest.raises(LawBroken, match="INV-20c"):
        check_sequences(log, "payments-0@broker-1")


def test_batches_of_a_connection_are_handled_in_the_order_in_which_they_were_sent() -> None:
    """broker:INV-20b, broker:NET-3."""
    sent = [(Kind.ATTEMPT, 1, 0, 0, lo, lo + 1) for lo in range(3)]
    check_order_on_connections([*sent, (Kind.APPEND, 1, 0, 0, 0, 1), (Kind.REJECT, 1, 0, 0, 2, 3)])

    with pytest.raises(LawBroken, match="INV-20b"):
        check_order_on_connections([*sent, (Kind.APPEND, 1, 0, 0, 1, 2), (Kind.APPEND, 1, 0, 0, 0, 1)])


def test_an_answer_that_leaves_before_its_records_are_committed_breaks_a_law() -> None:
    """broker:APP-10, broker:SUB-5."""
    marks = [(0, 10, 3), (1, 15, 9), (0, 20, 5)]
    check_answers(marks, [(0, 10, 3), (0, 20, 4), (0, 30, 5)])

    with pytest.raises(LawBroken, match="APP-10"):
        check_answers(marks, [(0, 19, 4)])
    with pytest.raises(LawBroken, match="APP-10"):
        check_answers(marks, [(0, 9, 1)])


@pytest.mark.parametrize("state", [1, 4])
def test_less_may_be_remembered_of_producers_than_the_log_says_and_not_more(state: int) -> None:
    """broker:APP-28, broker:APP-30 (state expires, a restart keeps one batch), broker:APP-29."""
    checked = Checked()
    log = checked.cluster.log(1)
    entry = log.producers.entries[1]
    for _ in range(state):
        entry.batches.popleft()
    check_producers(log, "payments-0@broker-1")
    log.producers.expire(1 << 60, 0)
    check_producers(log, "payments-0@broker-1")

    log.producers.store(batch_of(9), 9, 0)
    with pytest.raises(LawBroken, match="APP-29"):
        check_producers(log, "payments-0@broker-1")


@pytest.mark.parametrize("allowed", [True, False])
def test_an_unclean_election_is_a_result_and_no_breach(allowed: bool) -> None:
    """broker:INV-6, broker:INV-9 hold only until then; without one the partition stays leaderless."""
    topic = TopicSettings(unclean_leader_election=allowed)
    cluster = Cluster(((1, 2),), topic, brokers=2, rules=Rules(eligible_leader_replicas=False))
    laws = Laws()
    client, b = cluster.client(1), Batches()
    follower = cluster.crash(2)
    cluster.run_until(12 * S)
    client.produce(b.next())
    laws.check(brokers(cluster), cluster.controller)
    cluster.crash(1)
    cluster.run_until(24 * S)
    cluster.restart(2, follower)
    cluster.run_until(40 * S)
    laws.check(brokers(cluster), cluster.controller)

    assert cluster.leader() == (2 if allowed else -1)
