"""A Java member of a classic group: polls, commits, rebalances, being late and being put out."""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import (
    FindCoordinatorRequest,
    HeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    SyncGroupRequest,
    SyncGroupResponse,
)
from sim.protocol.member_classic import MemberState
from sim.protocol.messages import FetchRequest
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ProcessingSettings, ReaderSettings
from tests.protocol.member_play import MS, MemberPlay, S

AUTO = MemberSettings(auto_commit=True, auto_commit_interval_us=5 * S)
MANUAL = MemberSettings(auto_commit=False)
COOPERATIVE = MemberSettings(auto_commit=False, assignors=("cooperative-sticky",), cooperative=True)
TWO_A_POLL = ReaderSettings(offset_reset="earliest", max_poll_records=2)


# --- polls and fetches ------------------------------------------------------------------------------------------------
def test_a_position_begins_at_what_is_committed_and_else_by_the_reset_policy() -> None:
    play = MemberPlay(committed={1: 40})
    play.fetched()
    assert sorted((p.partition, p.offset) for p in play.held(FetchRequest).partitions) == [(0, 0), (1, 40)]
    assert [(row.partition, row.offset) for row in play.port.of(Kind.RESET)] == [(0, 0)]


def test_nothing_is_fetched_while_the_application_works() -> None:
    """consumer:F2.1: on data the next fetches leave before poll() returns, and none after that"""
    play = MemberPlay(work_us=100 * MS)
    play.fetched((0, 0, 3))
    assert play.polls() == [(0, 0, 3)] and play.count(FetchRequest) == 2
    play.fetched((0, 3, 3))
    play.run_to(250 * MS)
    assert play.polls() == [(0, 0, 3)] and play.count(FetchRequest) == 2
    play.run_to(300 * MS)
    assert play.polls() == [(0, 0, 3), (0, 3, 3)] and play.count(FetchRequest) == 3


def test_a_partition_with_buffered_data_is_not_fetched_and_in_4_0_its_broker_neither() -> None:
    """consumer:F2.5, consumer:F2.6"""
    for strict, fetches in ((True, 1), (False, 2)):
        settings = MemberSettings(auto_commit=False, one_buffered_holds_node=strict)
        play = MemberPlay(settings, TWO_A_POLL, work_us=10 * MS)
        play.fetched((0, 0, 2))
        assert play.polls() == [(0, 0, 2)] and play.count(FetchRequest) == fetches  # it was emptied, and is not drained
        play.run_to(20 * MS)
        assert play.count(FetchRequest) == 2
        if not strict:
            assert [p.partition for p in play.asked[-1].partitions] == [1]


def test_an_answer_that_a_new_assignment_overtook_is_dropped() -> None:
    """consumer:S06"""
    play = MemberPlay(committed={0: 0, 1: 0})
    play.rebalance()
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1), ("assigned", 0), ("assigned", 1)]
    play.hold = (FetchRequest, OffsetFetchRequest)
    play.rebalance()
    play.fetched((0, 0, 3))
    assert play.polls() == []


def test_a_cooperative_member_uses_what_comes_during_a_rebalance() -> None:
    """consumer:S07, consumer:S08"""
    play = MemberPlay(COOPERATIVE)
    play.hold = (FetchRequest, JoinGroupRequest)
    play.rebalance()
    assert play.role.member.state is MemberState.PREPARING
    play.fetched((0, 0, 3))
    assert play.polls() == [(0, 0, 3)]
    play.answer(JoinGroupRequest)
    assert play.callbacks() == [("assigned", 0), ("assigned", 1)]
    play.fetched((0, 3, 2))
    assert play.polls()[-1] == (0, 3, 2)


# --- commits ----------------------------------------------------------------------------------------------------------
def test_the_interval_commit_of_a_poll_covers_what_the_polls_before_it_returned() -> None:
    """consumer:S05, consumer:F2.2, consumer:F4.1, consumer:toy-1, consumer:toy-3, consumer:F2.3:
    the classic Java client"""
    play = MemberPlay(AUTO, work_us=2 * S)
    play.fetched((0, 0, 5))  # in work until 10 s
    play.fetched((0, 5, 5))  # buffered
    play.run_to(9 * S)
    assert play.commits() == []  # the interval has passed, nobody polls
    play.run_to(10 * S)
    assert play.commits() == [{0: 5, 1: 0}] and play.polls()[-1] == (0, 5, 5)


def test_a_commit_before_the_work_and_one_behind_it() -> None:
    for where, sent in (("before", [{0: 3, 1: 0}]), ("after", [])):
        play = MemberPlay(MANUAL, processing=ProcessingSettings(commit=where), work_us=100 * MS)
        play.fetched((0, 0, 3))
        assert play.commits() == sent
        play.run_to(S)
        assert play.commits() == [{0: 3, 1: 0}]


def test_a_commit_after_each_record_commits_that_record() -> None:
    play = MemberPlay(MANUAL, processing=ProcessingSettings(commit="each"), work_us=100 * MS)
    play.fetched((0, 0, 3))
    play.run_to(S)
    assert play.commits() == [{0: 1}, {0: 2}, {0: 3}]


def test_commit_sync_waits_and_is_sent_again_and_commit_async_is_not() -> None:
    """consumer:F4.5"""
    for asynchronous, sent, polled in ((False, 2, 1), (True, 1, 2)):
        work = ProcessingSettings(commit="after", commit_async=asynchronous)
        play = MemberPlay(MANUAL, processing=work)
        play.hold = (FetchRequest, OffsetCommitRequest)
        play.fetched((0, 0, 3))
        play.fetched((0, 3, 3))
        assert len(play.polls()) == polled  # the thread of a commitSync stands still
        play.answer(OffsetCommitRequest, OffsetCommitResponse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS))
        play.run_to(play.now + 200 * MS)
        assert len([one for one in play.commits() if one[0] == 3]) == sent


def test_a_commit_of_somebody_who_is_out_fails_and_he_joins_again() -> None:
    """consumer:F3.38"""
    play = MemberPlay(MANUAL, processing=ProcessingSettings(commit="after"))
    play.errors[OffsetCommitRequest] = [ErrorCode.UNKNOWN_MEMBER_ID]
    joins = play.count(JoinGroupRequest)
    play.fetched((0, 0, 3))
    assert play.count(JoinGroupRequest) == joins + 1
    assert play.callbacks()[2:] == [("lost", 0), ("lost", 1), ("assigned", 0), ("assigned", 1)]


def test_a_commit_during_a_join_fails_at_home_or_is_empty() -> None:
    """consumer:S37, consumer:F3.10, consumer:F3.17"""
    for settings, refused in ((COOPERATIVE, [ErrorCode.REBALANCE_IN_PROGRESS]), (MANUAL, [])):
        play = MemberPlay(settings, processing=ProcessingSettings(commit="after"))
        play.hold = (FetchRequest, JoinGroupRequest)
        play.rebalance()
        sent = len(play.commits())
        play.fetched((0, 0, 3))
        assert len(play.commits()) == sent
        assert [row.code for row in play.port.of(Kind.COMMIT)][:1] == refused


# --- rebalances -------------------------------------------------------------------------------------------------------
def test_an_eager_member_commits_automatically_before_it_gives_up() -> None:
    """consumer:F3.13, consumer:F3.14"""
    play = MemberPlay(AUTO)
    play.hold = (FetchRequest, OffsetCommitRequest)
    play.fetched((0, 0, 3))
    play.rebalance()
    assert play.commits() == [{0: 3, 1: 0}] and play.callbacks() == [("assigned", 0), ("assigned", 1)]
    play.fetched((0, 3, 3))
    assert play.polls() == [(0, 0, 3)]  # nothing is handed over behind the commit
    play.answer(OffsetCommitRequest)
    assert play.callbacks()[2:4] == [("revoked", 0), ("revoked", 1)]


def test_a_member_gives_up_only_at_its_next_poll() -> None:
    """consumer:F3.5, consumer:toy-7, consumer 3.2"""
    play = MemberPlay(work_us=4 * S)
    play.fetched((0, 0, 2))  # until 8 s
    joins = play.count(JoinGroupRequest)
    play.rebalance()
    play.run_to(7 * S)
    assert play.callbacks() == [("assigned", 0), ("assigned", 1)] and play.count(JoinGroupRequest) == joins
    play.run_to(8 * S)
    assert play.count(JoinGroupRequest) == joins + 1


def test_what_a_cooperative_member_loses_it_gives_up_first_and_joins_once_more() -> None:
    play = MemberPlay(COOPERATIVE)
    play.share = (0,)
    joins = play.count(JoinGroupRequest)
    play.rebalance()
    assert play.callbacks()[2:] == [("revoked", 1)]
    assert play.count(JoinGroupRequest) == joins + 2
    last: Any = [message for message in play.asked if isinstance(message, JoinGroupRequest)][-1]
    assert last.protocols[0][1].owned == (0,)


def test_a_sync_that_meets_the_next_rebalance_joins_again() -> None:
    play = MemberPlay()
    play.hold = (FetchRequest, SyncGroupRequest)
    play.rebalance()
    play.answer(SyncGroupRequest, SyncGroupResponse(ErrorCode.REBALANCE_IN_PROGRESS))
    play.answer(SyncGroupRequest)
    assert play.role.member.state is MemberState.STABLE and play.role.member.generation == 3


def test_an_unknown_member_joins_without_an_id_and_a_fenced_generation_with_it() -> None:
    for error, member in ((ErrorCode.UNKNOWN_MEMBER_ID, ""), (ErrorCode.ILLEGAL_GENERATION, "me")):
        play = MemberPlay()
        play.errors[HeartbeatRequest] = [error]
        play.run_to(3 * S)
        joined: Any = [message for message in play.asked if isinstance(message, JoinGroupRequest)][-1]
        assert joined.member == member
        assert play.callbacks()[2:4] == [("lost", 0), ("lost", 1)]


# --- being late -------------------------------------------------------------------------------------------------------
def test_who_polls_too_late_leaves_and_learns_of_it_at_the_next_poll() -> None:
    """consumer:S44, consumer:F3.35, consumer:F3.39"""
    play = MemberPlay(MemberSettings(auto_commit=False, max_poll_interval_us=1000 * MS), work_us=3 * S)
    play.fetched((0, 0, 1))
    play.run_to(999 * MS)
    assert play.count(LeaveGroupRequest) == 0
    play.run_to(S)
    assert play.count(LeaveGroupRequest) == 1 and play.callbacks() == [("assigned", 0), ("assigned", 1)]
    beats = play.count(HeartbeatRequest)
    play.run_to(3 * S - 1)
    assert play.count(HeartbeatRequest) == beats and len(play.callbacks()) == 2
    play.run_to(3 * S)
    assert play.callbacks()[2:4] == [("lost", 0), ("lost", 1)] and play.role.member.state is MemberState.STABLE


def test_a_static_member_that_is_late_says_nothing() -> None:
    """consumer:F3.32"""
    settings = MemberSettings(auto_commit=False, instance="one", max_poll_interval_us=1000 * MS)
    play = MemberPlay(settings, work_us=3 * S)
    play.fetched((0, 0, 1))
    play.run_to(2 * S)
    assert play.count(LeaveGroupRequest) == 0 and [row.code for row in play.port.of(Kind.LEFT)] == [1]


def test_who_was_taken_over_ends_with_an_exception() -> None:
    """consumer:F3.30"""
    play = MemberPlay(MemberSettings(auto_commit=False, instance="one"))
    play.errors[HeartbeatRequest] = [ErrorCode.FENCED_INSTANCE_ID]
    play.port.stopped = lambda: None  # type: ignore[attr-defined]
    play.run_to(3 * S)
    assert play.role.ended and [row.code for row in play.port.of(Kind.LEFT)] == [2]


# --- the coordinator --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE])
def test_a_coordinator_that_has_moved_is_looked_for_and_nothing_is_given_up(error: ErrorCode) -> None:
    """consumer:F3.9"""
    play = MemberPlay()
    found = play.count(FindCoordinatorRequest)
    play.errors[HeartbeatRequest] = [error]
    play.run_to(4 * S)
    assert play.count(FindCoordinatorRequest) == found + 1
    assert play.callbacks() == [("assigned", 0), ("assigned", 1)]
    assert play.role.member.state is MemberState.STABLE


def test_the_coordinator_has_a_connection_of_its_own() -> None:
    """consumer:F3.11"""
    play = MemberPlay()
    assert [wire.server for wire in play.port.wires] == [1, 1]


def test_close_commits_runs_the_callback_and_leaves() -> None:
    """consumer:F4.1"""
    play = MemberPlay(AUTO)
    play.port.stopped = lambda: None  # type: ignore[attr-defined]
    play.fetched((0, 0, 3))
    play.role.close(play.now)
    play.settle()
    assert play.commits() == [{0: 3, 1: 0}]
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1)]
    assert play.count(LeaveGroupRequest) == 1 and play.role.ended


def ends(play: MemberPlay) -> list[int]:
    return [row.offset for row in play.port.of(Kind.PROC_END)]


@pytest.mark.parametrize(
    ("then", "starts", "ended", "commits"),
    [
        ("retry", [0, 1, 2], [0, 1, 2], [{0: 3, 1: 0}]),  # one begin, the work twice as long
        ("skip", [0, 1, 2], [0, 2], [{0: 3, 1: 0}]),
        ("close", [0, 1], [0], []),
    ],
)
def test_work_that_fails(then: str, starts: list[int], ended: list[int], commits: list[dict[int, int]]) -> None:
    work = ProcessingSettings(commit="after", fails_nth=(2,), on_failure=then)
    play = MemberPlay(MANUAL, processing=work, work_us=100 * MS)
    play.port.stopped = lambda: None  # type: ignore[attr-defined]
    play.fetched((0, 0, 3))
    play.run_to(350 * MS)
    assert [row.offset for row in play.port.of(Kind.PROC_FAIL)] == [1]
    play.run_to(400 * MS)
    assert [row.offset for row in play.port.of(Kind.PROC_START)] == starts
    assert (ends(play), play.commits()) == (ended, commits)
    assert play.role.ended == (then == "close")


def test_a_share_of_the_work_fails_as_drawn() -> None:
    work = ProcessingSettings(fails_ppm=250_000, on_failure="skip")
    play = MemberPlay(MANUAL, processing=work)
    play.port.draws["failure"] = (1 << 30) - 1
    play.fetched((0, 0, 3))
    assert ends(play) == []
    play.port.draws["failure"] = 1 << 30
    play.fetched((0, 3, 2))
    assert ends(play) == [3, 4]


def test_close_waits_for_a_join_that_is_parked_so_that_the_leave_behind_it_is_heard() -> None:
    """AbstractCoordinator.close: awaitPendingRequests, for thirty seconds at most"""
    play = MemberPlay(MANUAL, hold=(FetchRequest, JoinGroupRequest))
    play.answer(JoinGroupRequest)
    play.rebalance()
    play.role.close(play.now)
    play.settle()
    assert not play.role.ended and play.count(LeaveGroupRequest) == 1
    play.answer(JoinGroupRequest)
    assert play.role.ended
    other = MemberPlay(MANUAL, hold=(FetchRequest, JoinGroupRequest))
    other.answer(JoinGroupRequest)
    other.rebalance()
    other.role.close(other.now)
    other.run_to(other.now + 30 * S)
    assert other.role.ended
