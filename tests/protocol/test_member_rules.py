"""Rules of Java members that are easily got wrong: what automatic commits cover and when, and what a position is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import (
    ConsumerGroupHeartbeatRequest,
    JoinGroupRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from sim.protocol.messages import (
    FetchedPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    MetadataResponse,
    PartitionMetadata,
)
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ReaderSettings
from tests.protocol.member_play import MS, MemberPlay, S

AUTO = MemberSettings(auto_commit=True, auto_commit_interval_us=5 * S, heartbeat_interval_us=3 * S)
COOPERATIVE = replace(AUTO, assignors=("cooperative-sticky",), cooperative=True)
MODERN = MemberSettings(protocol="consumer", auto_commit=True, auto_commit_interval_us=2 * S)
TWO_A_POLL = ReaderSettings(offset_reset="earliest", max_poll_records=2)


def test_an_interval_commit_is_not_waited_for_and_a_refused_one_is_due_again_after_the_backoff() -> None:
    """consumer:F4.2"""
    play = MemberPlay(AUTO, hold=(FetchRequest, OffsetCommitRequest))
    play.fetched((0, 0, 3))
    play.run_to(5 * S)
    assert play.commits() == [{0: 3, 1: 0}]
    play.fetched((0, 3, 1))
    assert play.polls() == [(0, 0, 3), (0, 3, 1)]  # while the commit is under way
    play.errors[OffsetCommitRequest] = [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]
    play.answer(OffsetCommitRequest)
    play.run_to(5 * S + 99 * MS)
    assert len(play.commits()) == 1
    play.run_to(5 * S + 100 * MS)
    assert play.commits()[1:] == [{0: 4, 1: 0}]


def test_a_rebalance_begins_the_interval_anew() -> None:
    """consumer:F4.2"""
    play = MemberPlay(AUTO)
    play.rebalance()  # at 3 s, with the commit before it
    play.run_to(8 * S - 1)
    assert len(play.commits()) == 1
    play.run_to(8 * S)
    assert len(play.commits()) == 2


def test_with_kip_848_the_commit_before_a_revocation_does_not_wait_for_that_of_the_interval() -> None:
    """consumer:F4.7, CommitRequestManager.maybeAutoCommitSyncBeforeRevocation: the heartbeat that tells of the
    revocation left before the commit of the interval, so that its answer comes before that one's"""
    play = MemberPlay(replace(MODERN, auto_commit_interval_us=5_500 * MS))
    play.fetched((0, 0, 3))
    play.hold = (FetchRequest, OffsetCommitRequest, ConsumerGroupHeartbeatRequest)
    play.run_to(5_500 * MS)
    assert play.commits() == [{0: 3, 1: 0}]
    play.fetched((0, 3, 2))
    play.share = (1,)
    play.answer(ConsumerGroupHeartbeatRequest)
    assert play.commits() == [{0: 3, 1: 0}, {0: 5, 1: 0}] and play.callbacks()[2:] == []
    play.answer(OffsetCommitRequest)
    play.answer(OffsetCommitRequest)
    assert play.callbacks()[2:] == [("revoked", 0)]


def test_with_kip_848_the_interval_commit_that_had_to_wait_follows_the_answer() -> None:
    """consumer:F4.7, consumer:F2.33: in the next poll"""
    play = MemberPlay(MODERN, hold=(FetchRequest, OffsetCommitRequest))
    play.fetched((0, 0, 3))
    play.run_to(4_500 * MS)
    assert len(play.commits()) == 1
    play.answer(OffsetCommitRequest)
    assert len(play.commits()) == 2


def test_what_a_cooperative_member_is_handed_while_it_joins_is_not_committed_before_it_goes() -> None:
    """consumer:F3.16"""
    play = MemberPlay(COOPERATIVE)
    play.fetched((0, 0, 3))
    play.hold = (FetchRequest, JoinGroupRequest)
    play.share = (1,)
    play.rebalance()
    assert play.commits() == [{0: 3, 1: 0}]  # at the start of round 1
    play.fetched((0, 3, 2))
    assert play.polls() == [(0, 0, 3), (0, 3, 2)]
    play.answer(JoinGroupRequest)
    assert play.callbacks()[2:] == [("revoked", 0)]
    assert all(commit.get(0, 3) == 3 for commit in play.commits())  # 3 and 4 come again


def test_a_commit_without_arguments_says_the_epoch_and_a_position_that_has_one_is_checked() -> None:
    """consumer:F2.29: partition 1 was never read, and has none"""
    play = MemberPlay(AUTO, hold=(FetchRequest, OffsetFetchRequest))
    play.answer(OffsetFetchRequest, OffsetFetchResponse(0, {0: (40, 5), 1: (7, -1)}))
    asked = {p.partition: (p.offset, p.last_epoch) for p in play.held(FetchRequest).partitions}
    assert asked == {0: (40, 5), 1: (7, -1)}
    play.fetched((0, 40, 2))  # of epoch 0
    play.run_to(5 * S)
    commit = next(one for one in play.asked if isinstance(one, OffsetCommitRequest))
    assert commit.offsets == {0: (42, 0), 1: (7, -1)}


@pytest.mark.parametrize(("close", "commits"), [(False, [{0: 3, 1: 0}, {1: 0}]), (True, [{0: 3, 1: 0}])])
def test_a_leader_epoch_that_is_told_during_work_keeps_no_position_out_of_the_next_commit(
    close: bool, commits: list[dict[int, int]]
) -> None:
    """ConsumerCoordinator.poll commits, and so does close(), before OffsetFetcher.validatePositionsIfNeeded; while the
    position is checked, which begins in that poll, it is left out"""
    reader = ReaderSettings(offset_reset="earliest", metadata_max_age_us=4 * S)
    play = MemberPlay(replace(AUTO, auto_commit_interval_us=500 * MS), reader, work_us=S)
    play.now, play.hold = 4 * S, (FetchRequest, MetadataRequest)
    play.fetched((0, 0, 3))  # in work until 7 s; the poll at 4 s has asked for metadata
    news = {0: tuple(PartitionMetadata(partition, 1, 1) for partition in (0, 1))}
    play.answer(MetadataRequest, MetadataResponse((1,), news))
    if close:
        play.role.close(play.now)
    play.run_to(7_500 * MS)
    assert play.commits() == [{0: 0, 1: 0}, *commits]


def test_what_is_buffered_of_deleted_records_is_still_handed_over() -> None:
    """consumer:F2.30, consumer:toy-30: the client learns of the deletion from its next fetch"""
    play = MemberPlay(MemberSettings(auto_commit=False), TWO_A_POLL, work_us=S)
    play.fetched((0, 0, 4))
    play.hold = (FetchRequest, ListOffsetsRequest)
    play.run_to(3 * S)
    play.run_to(4 * S)
    assert play.polls() == [(0, 0, 2), (0, 2, 2)]
    gone = FetchedPartition(0, ErrorCode.OFFSET_OUT_OF_RANGE)
    play.answer(FetchRequest, FetchResponse([gone]))
    play.answer(ListOffsetsRequest, ListOffsetsResponse(0, 0, 100))
    assert [(row.partition, row.offset) for row in play.port.of(Kind.RESET)][-1] == (0, 100)
