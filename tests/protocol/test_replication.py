"""The leader's view of its followers: high watermark, in-sync set, and the change of it that is asked for.

Broker 0 leads. ``LAG`` is replica.lag.time.max.ms.
"""

from __future__ import annotations

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.log import Log
from sim.protocol.messages import PartitionState, RecordBatch
from sim.protocol.replication import Partition, Registry
from sim.protocol.settings import BrokerSettings, Rules, TopicSettings
from tests.protocol.harness import S

LAG = 30 * S


class Leader(Partition):
    """A partition that broker 0 leads, with shorthands."""

    __slots__ = ("registry",)

    def __init__(
        self, replicas: tuple[int, ...], isr: tuple[int, ...], *, records: int = 0, min_isr: int = 1, epoch: int = 0,
        old: bool = False,
    ) -> None:  # fmt: skip
        self.registry: Registry = {broker: (1, False, False) for broker in range(4)}
        log = Log(0, TopicSettings())
        rules = Rules(high_watermark_stops_under_min_isr=not old)
        settings = TopicSettings(min_insync_replicas=min_isr)
        super().__init__(0, 0, log, settings, BrokerSettings(), rules, self.registry)
        self.lead(PartitionState(0, replicas, isr, 0, epoch, 0), 0)
        self.write(records)

    def write(self, records: int) -> None:
        for _ in range(records):
            self.log.append(RecordBatch(0, 0, self.log.end, self.log.end + 1, 10), self.leader_epoch, 0)

    def fetch(self, broker: int, offset: int, now_us: int = 0) -> bool:
        """A fetch arrives; True if it makes the leader ask for the follower's admission."""
        view = self.followers[broker]
        view.broker_epoch = 1
        view.fetched(offset, self.log.end, now_us)
        asks = self.may_join(view)
        if asks:
            self.propose_with(view)
        self.advance(now_us)
        return asks

    def shrink(self, now_us: int) -> bool:
        behind = self.laggards(now_us)
        if behind:
            self.propose_without(behind)
        return bool(behind)

    def commit(self, isr: tuple[int, ...], now_us: int = 0) -> None:
        """The controller has committed *isr*."""
        state = PartitionState(0, self.replicas, isr, 0, self.leader_epoch, self.partition_epoch + 1)
        self.answered(0, state)
        self.advance(now_us)

    def metadata(self, isr: tuple[int, ...], leader: int = 0, epoch: int | None = None, now_us: int = 0) -> None:
        number = self.leader_epoch if epoch is None else epoch
        state = PartitionState(0, self.replicas, isr, leader, number, self.partition_epoch + 1)
        if leader == 0:
            self.lead(state, now_us)
            self.advance(now_us)
        else:
            self.follow(state)

    @property
    def hw(self) -> int:
        return self.log.high_watermark


def test_nothing_commits_while_the_committed_set_is_too_small() -> None:
    """broker:SC-19, broker:SUB-10, broker:REP-9: not even when the maximal set is large enough."""
    leader = Leader((0, 1, 2), (0, 1), records=10, min_isr=3)

    leader.fetch(1, 10)
    assert leader.hw == 0
    assert leader.fetch(2, 10)
    assert (leader.maximal, leader.hw) == ((0, 1, 2), 0)
    leader.commit((0, 1, 2))
    assert leader.hw == 10


def test_before_3_7_the_high_watermark_moved_under_min_isr() -> None:
    """broker:CFG-3."""
    leader = Leader((0, 1, 2), (0, 1), records=10, min_isr=3, old=True)

    leader.fetch(1, 10)
    assert leader.hw == 10


def test_a_shrink_has_no_effect_before_it_is_committed() -> None:
    """broker:SC-20, broker:SUB-9, broker:REP-25, broker:REP-26."""
    leader = Leader((0, 1, 2), (0, 1, 2), records=10)
    leader.fetch(1, 10)

    assert leader.shrink(LAG + 1000)
    assert (leader.pending, leader.isr, leader.maximal, leader.hw) == ((0, 1), (0, 1, 2), (0, 1, 2), 0)
    leader.commit((0, 1), LAG + 1000)
    assert (leader.isr, leader.hw) == ((0, 1), 10)


def test_a_refused_shrink_waits_for_metadata() -> None:
    """broker:SC-21, broker:REP-28."""
    leader = Leader((0, 1), (0, 1), records=10)
    leader.shrink(LAG + 1)

    assert not leader.answered(ErrorCode.INVALID_UPDATE_VERSION, None)
    leader.advance(LAG + 1)
    assert (leader.pending, leader.isr, leader.hw) == ((0,), (0, 1), 0)
    assert not leader.shrink(LAG * 2)  # still one change under way


def test_a_shrink_that_met_a_network_error_is_sent_again() -> None:
    """broker:SC-22, broker:REP-28."""
    leader = Leader((0, 1), (0, 1), records=10)
    leader.shrink(LAG + 1)

    assert leader.answered(ErrorCode.NETWORK_EXCEPTION, None)
    leader.commit((0,), LAG + 1)
    assert (leader.isr, leader.hw) == ((0,), 10)


def test_a_follower_is_asked_for_once_it_has_caught_up() -> None:
    """broker:SC-23, broker:REP-24, broker:REP-26."""
    leader = Leader((0, 1), (0,), records=10)
    leader.advance(0)

    assert not leader.fetch(1, 3)
    assert (leader.maximal, leader.pending) == ((0,), None)
    assert leader.fetch(1, 10)
    assert (leader.pending, leader.maximal, leader.isr) == ((0, 1), (0, 1), (0,))


def test_a_refused_expansion_stays_in_the_maximal_set() -> None:
    """broker:SC-24."""
    leader = Leader((0, 1), (0,), records=10)
    leader.fetch(1, 10)

    assert not leader.answered(ErrorCode.INVALID_REQUEST, None)
    assert (leader.maximal, leader.isr) == ((0, 1), (0,))


def test_an_ineligible_replica_is_dropped_from_the_proposal() -> None:
    """broker:REP-28."""
    leader = Leader((0, 1), (0,), records=10)
    leader.fetch(1, 10)

    assert not leader.answered(ErrorCode.INELIGIBLE_REPLICA, None)
    assert (leader.maximal, leader.pending) == ((0,), None)


def test_a_follower_joins_only_at_an_offset_of_the_present_epoch() -> None:
    """broker:SC-25, broker:SUB-20, broker:REP-24."""
    leader = Leader((0, 1, 2), (0, 2), records=5, epoch=8)
    leader.log.high_watermark = 1
    leader.metadata((0, 2), leader=2, epoch=9)
    leader.metadata((0, 2), leader=0, epoch=10)
    leader.write(2)

    assert leader.epoch_start == 5
    assert not leader.fetch(1, 0)
    assert not leader.fetch(1, 1)  # at the high watermark, but of an older epoch
    assert leader.fetch(1, 5)


@pytest.mark.parametrize(
    ("registered", "why"),
    [((1, True, False), "fenced"), ((1, False, True), "stopping"), ((2, False, False), "restarted")],
)
def test_a_follower_that_is_not_eligible_is_not_asked_for(registered: tuple[int, bool, bool], why: str) -> None:
    """broker:SUB-20, broker:REP-24."""
    leader = Leader((0, 1), (0,), records=10)
    leader.registry[1] = registered

    assert not leader.fetch(1, 10), why


@pytest.mark.parametrize(("fenced", "high_watermark"), [(False, 10), (True, 20)])
def test_a_live_replica_that_just_left_still_holds_the_high_watermark(fenced: bool, high_watermark: int) -> None:
    """broker:SC-26, broker:REP-12."""
    leader = Leader((0, 1), (0, 1), records=10)
    leader.fetch(1, 10)
    leader.write(10)
    leader.registry[1] = (1, fenced, False)
    leader.metadata((0,))

    assert leader.hw == high_watermark


def test_a_silent_follower_at_the_logs_end_is_not_behind() -> None:
    """broker:SC-27, broker:SUB-21, broker:REP-3."""
    leader = Leader((0, 1), (0, 1), records=10)
    leader.fetch(1, 10)

    assert not leader.shrink(LAG + 1000)
    leader.write(1)
    assert leader.shrink(LAG + 1000)


def test_a_follower_one_round_behind_counts_as_caught_up_at_the_round_before() -> None:
    """broker:SC-28, broker:REP-2."""
    leader = Leader((0, 1), (0, 1), records=10)
    leader.fetch(1, 5, now_us=5 * S)
    leader.write(5)
    leader.fetch(1, 10, now_us=10 * S)

    assert leader.followers[1].caught_up_us == 5 * S
    assert leader.hw == 10
    assert not leader.shrink(10 * S + LAG // 2)


def test_a_new_leader_waits_for_every_members_fetch() -> None:
    """broker:REP-10."""
    leader = Leader((0, 1, 2), (0, 1, 2), records=10)

    leader.fetch(1, 10)
    assert leader.hw == 0
    leader.fetch(2, 7)
    assert leader.hw == 7


def test_the_same_leader_epoch_keeps_what_is_known_of_followers() -> None:
    """broker:REP-4, broker:SUB-23."""
    leader = Leader((0, 1, 2), (0, 1, 2), records=10)
    leader.fetch(1, 10)
    leader.registry[2] = (1, True, False)
    leader.metadata((0, 1))

    assert leader.followers[1].end == 10
    assert leader.hw == 10


def test_metadata_overrides_a_proposal_and_its_late_answer() -> None:
    """broker:REP-29."""
    leader = Leader((0, 1, 2), (0, 1, 2), records=10)
    leader.fetch(1, 10)
    leader.shrink(LAG + 1)
    leader.metadata((0, 2))
    late = PartitionState(0, (0, 1, 2), (0, 1), 0, 0, 99)

    assert not leader.answered(0, late)
    assert leader.isr == (0, 2)


def test_the_effective_min_isr_is_capped_by_the_replicas() -> None:
    """broker:SC-52, table 1.1."""
    assert Leader((0, 1, 2), (0, 1, 2), min_isr=5).min_isr == 3


def test_a_proposal_names_the_broker_epoch_of_each_members_last_fetch() -> None:
    """broker:REP-26."""
    leader = Leader((0, 1, 2), (0, 1), records=1)
    leader.fetch(1, 1)
    leader.fetch(2, 1)

    assert leader.proposal(my_epoch=7) == (0, 0, ((0, 7), (1, 1), (2, 1)))
