"""A Java member of a classic group that joins again: put out meanwhile, refused, or without its coordinator."""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    OffsetCommitRequest,
    SyncGroupRequest,
    SyncGroupResponse,
)
from sim.protocol.messages import FetchRequest
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ProcessingSettings, ReaderSettings
from tests.protocol.member_play import MS, MemberPlay, S

MANUAL = MemberSettings(auto_commit=False)
COOPERATIVE = MemberSettings(auto_commit=False, assignors=("cooperative-sticky",), cooperative=True)
MOVED = ConsumerGroupHeartbeatResponse(ErrorCode.NOT_COORDINATOR, 1)
LOST = [("lost", 0), ("lost", 1)]


def joins(play: MemberPlay) -> list[Any]:
    return [message for message in play.asked if isinstance(message, JoinGroupRequest)]


# --- put out while it joins -------------------------------------------------------------------------------------------
def test_a_cooperative_member_that_is_put_out_while_it_joins_loses_everything_first() -> None:
    """ConsumerCoordinator.onJoinPrepare runs again behind AbstractCoordinator.resetStateAndRejoin"""
    play = MemberPlay(COOPERATIVE)
    play.hold = (FetchRequest, JoinGroupRequest)
    play.rebalance()
    assert joins(play)[-1].protocols[0][1].owned == (0, 1)
    play.answer(JoinGroupRequest, JoinGroupResponse(ErrorCode.UNKNOWN_MEMBER_ID))
    assert play.callbacks()[2:] == LOST
    assert joins(play)[-1].member == "" and joins(play)[-1].protocols[0][1].owned == ()


@pytest.mark.parametrize(("error", "member"), [(ErrorCode.UNKNOWN_MEMBER_ID, ""), (ErrorCode.ILLEGAL_GENERATION, "me")])
def test_a_sync_of_somebody_who_is_out_is_followed_by_a_join_at_once(error: ErrorCode, member: str) -> None:
    """AbstractCoordinator.joinGroupIfNeeded: no wait; what a cooperative member has kept is lost"""
    for settings, lost in ((MANUAL, []), (COOPERATIVE, LOST)):
        play = MemberPlay(settings)
        play.hold = (FetchRequest, SyncGroupRequest)
        play.rebalance()
        before, told = len(joins(play)), len(play.callbacks())
        play.answer(SyncGroupRequest, SyncGroupResponse(error))
        assert len(joins(play)) == before + 1 and joins(play)[-1].member == member
        assert play.callbacks()[told:] == lost


@pytest.mark.parametrize(
    "error",
    [
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode.INVALID_SESSION_TIMEOUT,
        ErrorCode.GROUP_MAX_SIZE_REACHED,
        ErrorCode.FENCED_INSTANCE_ID,
    ],
)
def test_a_group_that_takes_no_such_member_ends_the_application(error: ErrorCode) -> None:
    """JoinGroupResponseHandler: out of poll() comes an exception, and nothing is tried again"""
    play = MemberPlay(MANUAL, hold=(FetchRequest, JoinGroupRequest))
    play.answer(JoinGroupRequest, JoinGroupResponse(error))
    play.run_to(play.now + 10 * S)
    assert play.role.ended and len(joins(play)) == 1
    assert [row.code for row in play.port.of(Kind.LEFT)] == [2]


# --- waits ------------------------------------------------------------------------------------------------------------
def test_the_wait_between_two_joins_neither_grows_nor_has_jitter() -> None:
    """AbstractCoordinator.joinGroupIfNeeded sleeps for retry.backoff.ms, 100 ms"""
    play = MemberPlay(MANUAL, hold=(FetchRequest, JoinGroupRequest))
    play.port.otherwise = 0
    for attempt in range(1, 5):
        assert (play.now, len(joins(play))) == ((attempt - 1) * 100 * MS, attempt)
        play.answer(JoinGroupRequest, JoinGroupResponse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS))
        play.run_to(attempt * 100 * MS - 1)
        assert len(joins(play)) == attempt
        play.run_to(attempt * 100 * MS)


def test_the_wait_behind_a_failed_heartbeat_doubles_until_one_is_answered() -> None:
    """Heartbeat.failHeartbeat and receiveHeartbeat; with the least jitter 80 % of 100, 200 and 400 ms"""
    play = MemberPlay(MANUAL)
    play.port.otherwise = 0
    refused = [ErrorCode.NOT_COORDINATOR] * 3
    play.errors[HeartbeatRequest] = [*refused, 0, ErrorCode.NOT_COORDINATOR]
    for number, due_us in enumerate((3_000 * MS, 3_080 * MS, 3_240 * MS, 3_560 * MS, 6_560 * MS, 6_640 * MS)):
        play.run_to(due_us - 1)
        assert play.count(HeartbeatRequest) == number
        play.run_to(due_us)
        assert play.count(HeartbeatRequest) == number + 1


# --- without a coordinator --------------------------------------------------------------------------------------------
def test_nobody_leaves_for_being_late_while_he_looks_for_the_coordinator() -> None:
    """AbstractCoordinator.HeartbeatThread.run"""
    settings = MemberSettings(auto_commit=False, max_poll_interval_us=5 * S)
    play = MemberPlay(settings, work_us=20 * S, hold=(FetchRequest, FindCoordinatorRequest))
    play.answer(FindCoordinatorRequest)
    play.fetched((0, 0, 1))
    play.errors[HeartbeatRequest] = [ErrorCode.NOT_COORDINATOR]  # at 3 s
    play.run_to(10 * S)
    assert play.port.of(Kind.LEFT) == []
    play.answer(FindCoordinatorRequest)
    assert [row.code for row in play.port.of(Kind.LEFT)] == [1]


def test_a_coordinator_has_the_whole_session_from_the_time_that_it_is_found() -> None:
    """FindCoordinatorResponseHandler: Heartbeat.resetSessionTimeout"""
    settings = MemberSettings(auto_commit=False, session_timeout_us=6 * S)
    play = MemberPlay(settings)
    play.hold = (FetchRequest, FindCoordinatorRequest, HeartbeatRequest)
    looked = play.count(FindCoordinatorRequest)
    play.run_to(6 * S - 1)
    assert play.count(FindCoordinatorRequest) == looked
    play.run_to(9 * S)
    assert play.count(FindCoordinatorRequest) == looked + 1
    play.answer(FindCoordinatorRequest)
    play.run_to(15 * S - 1)
    assert play.count(FindCoordinatorRequest) == looked + 1
    play.run_to(15 * S)
    assert play.count(FindCoordinatorRequest) == looked + 2


def test_a_heartbeat_that_is_not_answered_holds_no_other_back() -> None:
    """Heartbeat.shouldHeartbeat looks at the timer alone"""
    play = MemberPlay(MANUAL)
    play.hold = (FetchRequest, HeartbeatRequest)
    play.run_to(9 * S)
    assert play.count(HeartbeatRequest) == 3


@pytest.mark.parametrize(
    ("protocol", "beat", "beats_us", "answer", "closed", "sent"),
    [
        ("classic", HeartbeatRequest, 3 * S, HeartbeatResponse(ErrorCode.NOT_COORDINATOR), [2], 2),
        ("consumer", ConsumerGroupHeartbeatRequest, 5 * S, MOVED, [], 1),
    ],
)
def test_a_classic_member_takes_leave_of_a_former_coordinator_and_what_is_in_flight_there_ends(
    protocol: str, beat: type, beats_us: int, answer: Any, closed: list[int], sent: int
) -> None:
    """AbstractCoordinator.markCoordinatorUnknown: disconnectAsync; CoordinatorRequestManager does not"""
    settings = MemberSettings(auto_commit=False, protocol=protocol)
    play = MemberPlay(settings, processing=ProcessingSettings(commit="after"), work_us=beats_us + 500 * MS)
    play.hold = (FetchRequest, beat, OffsetCommitRequest)
    play.fetched((0, 0, 1))
    play.run_to(beats_us + 500 * MS)
    assert play.commits() == [{0: 1, 1: 0}] and play.port.closed == []
    play.answer(beat, answer)
    play.run_to(play.now + S)
    assert play.port.closed == closed and play.commits() == [{0: 1, 1: 0}] * sent


# --- commits ----------------------------------------------------------------------------------------------------------
def without_coordinator(protocol: str) -> MemberPlay:
    """At 6 s, with a commitAsync that was called while the coordinator was looked for."""
    settings = MemberSettings(auto_commit=False, protocol=protocol)
    work = ProcessingSettings(commit="after", commit_async=True)
    play = MemberPlay(settings, processing=work, work_us=5_500 * MS)
    play.hold = (FetchRequest, FindCoordinatorRequest)
    play.fetched((0, 0, 1))
    play.errors[HeartbeatRequest] = [ErrorCode.NOT_COORDINATOR]  # at 3 s
    play.errors[ConsumerGroupHeartbeatRequest] = [ErrorCode.NOT_COORDINATOR]  # at 5 s
    play.run_to(6 * S)
    assert play.commits() == [] and play.held(FindCoordinatorRequest)
    return play


@pytest.mark.parametrize(("protocol", "sent"), [("classic", []), ("consumer", [{0: 1, 1: 0}])])
def test_a_commit_async_waits_for_the_coordinator(protocol: str, sent: list[dict[int, int]]) -> None:
    """ConsumerCoordinator.commitOffsetsAsync: for the end of one lookup; CommitRequestManager.poll: for any"""
    play = without_coordinator(protocol)
    play.answer(FindCoordinatorRequest)
    assert play.commits() == [{0: 1, 1: 0}]
    play = without_coordinator(protocol)
    play.answer(FindCoordinatorRequest, FindCoordinatorResponse(ErrorCode.COORDINATOR_NOT_AVAILABLE))
    play.run_to(7 * S)
    play.answer(FindCoordinatorRequest)
    assert play.commits() == sent


def test_close_waits_for_a_commit_async_that_has_no_coordinator_yet() -> None:
    """ConsumerCoordinator.close: pendingAsyncCommits; a lookup of 3 s without answer has failed at 33 s"""
    play = without_coordinator("classic")
    play.role.close(play.now)
    play.settle()
    assert play.callbacks() == [("assigned", 0), ("assigned", 1)]
    play.answer(FindCoordinatorRequest)
    kinds = [type(message) for message in play.asked if isinstance(message, OffsetCommitRequest | LeaveGroupRequest)]
    assert kinds == [OffsetCommitRequest, LeaveGroupRequest] and play.role.ended
    play = without_coordinator("classic")
    play.role.close(play.now)
    play.run_to(33 * S - 1)
    assert not play.role.ended
    play.run_to(33 * S)
    assert play.role.ended and play.commits() == []


def test_a_commit_sync_without_answer_ends_with_its_time() -> None:
    """ConsumerCoordinator.commitOffsetsSync: default.api.timeout.ms, here 5 s"""
    settings = MemberSettings(auto_commit=False, default_api_timeout_us=5 * S)
    play = MemberPlay(settings, processing=ProcessingSettings(commit="after"), hold=(FetchRequest, OffsetCommitRequest))
    play.fetched((0, 0, 3))
    play.fetched((0, 3, 3))
    play.run_to(5 * S - 1)
    assert play.polls() == [(0, 0, 3)]
    play.run_to(5 * S)
    assert play.polls() == [(0, 0, 3), (0, 3, 3)]


@pytest.mark.parametrize(("protocol", "within_us"), [("classic", 10 * S), ("consumer", 30 * S)])
def test_commit_and_leave_of_close_have_one_time(protocol: str, within_us: int) -> None:
    """ClassicKafkaConsumer.createTimerForRequest: no more than request.timeout.ms; AsyncKafkaConsumer.close: 30 s"""
    reader = ReaderSettings(offset_reset="earliest", request_timeout_us=10 * S)
    play = MemberPlay(MemberSettings(protocol=protocol), reader)
    play.fetched((0, 0, 1))
    play.hold = (FetchRequest, OffsetCommitRequest, LeaveGroupRequest)
    play.role.close(play.now)
    play.run_to(within_us - 1)
    assert not play.role.ended
    play.run_to(within_us)
    assert play.role.ended
