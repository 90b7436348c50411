"""A Java member with group.protocol=consumer: heartbeats, taking up assignments, commits, leaving, being fenced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import ConsumerGroupHeartbeatRequest as Beat
from sim.protocol.group_messages import OffsetCommitRequest, OffsetFetchRequest
from sim.protocol.member_consumer import ConsumerMembership, MemberState
from sim.protocol.messages import FetchRequest
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ProcessingSettings, ReaderSettings
from tests.protocol.member_play import MS, MemberPlay, S

MANUAL = MemberSettings(protocol="consumer", auto_commit=False)
AUTO = MemberSettings(protocol="consumer", auto_commit=True, auto_commit_interval_us=2 * S)
LATE = MemberSettings(protocol="consumer", auto_commit=False, max_poll_interval_us=20 * S)
TWO_A_POLL = ReaderSettings(offset_reset="earliest", max_poll_records=2)


def member(play: MemberPlay) -> ConsumerMembership:
    assert isinstance(play.role.member, ConsumerMembership)
    return play.role.member


def beats(play: MemberPlay) -> list[Beat]:
    return [message for message in play.asked if isinstance(message, Beat)]


def said(beat: Beat) -> tuple[int, tuple[int, ...] | None, tuple[int, ...] | None]:
    return beat.epoch, beat.topics, beat.owned


# --- heartbeats -------------------------------------------------------------------------------------------------------
def test_a_member_joins_with_all_it_has_to_say_acknowledges_and_says_nothing_twice() -> None:
    """consumer:F3.21; ConsumerHeartbeatRequestManager.HeartbeatState"""
    play = MemberPlay(replace(MANUAL, remote_assignor="range"))
    join, ack = beats(play)
    assert said(join) == (0, (0,), ()) and (join.assignor, join.rebalance_timeout_us) == ("range", 300 * S)
    assert said(ack) == (1, None, (0, 1)) and ack.assignor is None and ack.rebalance_timeout_us is None
    assert play.callbacks() == [("assigned", 0), ("assigned", 1)]
    play.run_to(14 * S)
    assert [said(beat) for beat in beats(play)[2:]] == [(1, None, None)] * 2  # each five seconds, as it was told
    assert member(play).state is MemberState.STABLE


def test_an_empty_assignment_is_taken_up_like_any_other() -> None:
    """consumer:F3.37: assigned() of a newcomer whose partitions are still somebody else's"""
    play = MemberPlay(MANUAL, share=())
    assert [said(beat) for beat in beats(play)] == [(0, (0,), ()), (1, None, ())]
    assert play.callbacks() == []
    play.share = (1,)
    play.run_to(5 * S)
    assert [said(beat) for beat in beats(play)[2:]] == [(1, None, None), (1, None, (1,))]
    assert play.callbacks() == [("assigned", 1)]


def test_after_an_error_the_next_heartbeat_says_everything_again() -> None:
    """AbstractHeartbeatRequestManager.onErrorResponse: the coordinator loads; the member backs off and keeps all."""
    play = MemberPlay(MANUAL)
    play.errors[Beat] = [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]
    play.run_to(6 * S)
    assert [said(beat) for beat in beats(play)[2:]] == [(1, None, None), (1, (0,), (0, 1))]
    assert play.callbacks() == [("assigned", 0), ("assigned", 1)]


def test_a_member_that_joins_does_not_wait_between_two_tries() -> None:
    """shouldHeartbeatNow passes by the back-off"""
    play = MemberPlay(MANUAL, hold=(FetchRequest, Beat))
    play.errors[Beat] = [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]
    play.answer(Beat)
    assert [said(beat) for beat in beats(play)] == [(0, (0,), ())] * 2


# --- taking up an assignment ------------------------------------------------------------------------------------------
def test_what_is_lost_is_marked_at_once_and_free_two_polls_later() -> None:
    """consumer:F3.21, consumer:F3.22: checkInflightPoll runs callbacks before a poll looks at what is buffered, and
    the background thread goes on only behind each"""
    play = MemberPlay(MANUAL, TWO_A_POLL, work_us=S)
    play.fetched((0, 0, 2), (1, 0, 20))  # [0: 2], then [1: 2] every two seconds
    play.share = (1,)
    play.run_to(5_900 * MS)
    assert play.polls() == [(0, 0, 2), (1, 0, 2), (1, 2, 2)] and play.callbacks()[2:] == []  # told at 5 s, in work
    play.run_to(6 * S)  # marked
    assert play.polls()[3:] == [(1, 4, 2)] and play.callbacks()[2:] == []
    play.run_to(8 * S)  # onPartitionsRevoked
    assert play.polls()[4:] == [(1, 6, 2)] and play.callbacks()[2:] == [("revoked", 0)]
    assert len(beats(play)) == 3
    play.run_to(10 * S)  # the acknowledgement, beside the heartbeat that is due
    assert (1, None, (1,)) in [said(beat) for beat in beats(play)[3:]]


def test_an_idle_member_gives_up_at_once() -> None:
    play = MemberPlay(MANUAL)
    play.share = (1,)
    play.run_to(5 * S)
    assert play.callbacks()[2:] == [("revoked", 0)]
    assert said(beats(play)[-1]) == (1, None, (1,))


def test_a_marked_partition_hands_over_nothing_and_the_others_go_on_while_positions_are_committed() -> None:
    """consumer:F3.23"""
    settings = replace(AUTO, auto_commit_interval_us=60 * S)
    play = MemberPlay(settings, TWO_A_POLL, work_us=S, hold=(FetchRequest, OffsetCommitRequest))
    play.fetched((0, 0, 40), (1, 0, 40))
    play.share = (1,)
    play.run_to(8 * S)
    assert play.polls()[2:] == [(0, 4, 2), (1, 0, 2), (1, 2, 2)]  # told at 5 s, while in work
    assert play.commits() == [{0: 6, 1: 0}] and play.callbacks()[2:] == []
    play.answer(OffsetCommitRequest)
    play.run_to(10 * S)
    assert play.callbacks()[2:] == [("revoked", 0)]


def test_the_commit_before_a_revocation_is_sent_until_it_is_taken() -> None:
    """maybeAutoCommitSyncBeforeRebalance: a stale epoch is no reason to give up while there is an epoch"""
    play = MemberPlay(replace(AUTO, auto_commit_interval_us=60 * S))
    play.fetched((0, 0, 3))
    play.share = (1,)
    play.errors[OffsetCommitRequest] = [ErrorCode.STALE_MEMBER_EPOCH, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]
    play.run_to(5 * S)
    assert play.commits() == [{0: 3, 1: 0}] and play.callbacks()[2:] == []
    play.run_to(6 * S)
    assert play.commits() == [{0: 3, 1: 0}] * 3 and play.callbacks()[2:] == [("revoked", 0)]


def test_a_commit_that_is_refused_for_good_does_not_hold_the_revocation_up() -> None:
    play = MemberPlay(replace(AUTO, auto_commit_interval_us=60 * S))
    play.fetched((0, 0, 3))
    play.share = (1,)
    play.errors[OffsetCommitRequest] = [ErrorCode.UNKNOWN_MEMBER_ID]
    play.run_to(5 * S)
    assert play.commits() == [{0: 3, 1: 0}] and play.callbacks()[2:] == [("revoked", 0)]


def test_a_commit_in_the_revoke_callback_comes_before_the_acknowledgement() -> None:
    """consumer:F3.33"""
    work = ProcessingSettings(commit_in_revoke=True)
    play = MemberPlay(MANUAL, processing=work, hold=(FetchRequest, OffsetCommitRequest))
    play.fetched((0, 0, 3))
    play.share = (1,)
    play.run_to(5 * S)
    assert play.commits() == [{0: 3}] and play.callbacks()[2:] == [] and len(beats(play)) == 3
    play.answer(OffsetCommitRequest)
    assert play.callbacks()[2:] == [("revoked", 0)] and said(beats(play)[-1]) == (1, None, (1,))


def test_a_second_assignment_waits_for_the_end_of_the_first() -> None:
    play = MemberPlay(MANUAL, TWO_A_POLL, work_us=3 * S)
    play.fetched((1, 0, 20))
    play.share = (1,)
    play.run_to(9 * S)  # marked at 6 s, revoked at 12 s
    play.share = (0, 1)
    play.run_to(18 * S)  # the first is taken up, and the second has come meanwhile
    assert play.callbacks()[2:] == [("revoked", 0)] and said(beats(play)[-1]) == (1, None, (1,))
    assert member(play).state is MemberState.RECONCILING
    play.run_to(30 * S)
    assert play.callbacks()[2:] == [("revoked", 0), ("assigned", 0)]
    assert said(beats(play)[-1]) == (1, None, (0, 1))


# --- commits ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("raw", "second"), [(0, 10), ((1 << 32) - 1, 5)])
def test_the_interval_commit_may_cover_what_the_same_poll_returns(raw: int, second: int) -> None:
    """consumer:S05, consumer:F2.2, consumer:toy-3, consumer:F2.33: the background thread is late, or it is not"""
    play = MemberPlay(AUTO, work_us=2 * S)
    play.port.draws["auto-commit-race"] = raw
    play.fetched((0, 0, 5))
    play.fetched((0, 5, 5))
    play.run_to(9 * S)
    assert play.commits() == []  # the interval has passed, nobody polls
    play.run_to(10 * S)
    assert play.commits() == [{0: second, 1: 0}] and play.polls()[-1] == (0, 5, 5)


def test_commits_and_fetches_of_offsets_say_the_member_epoch() -> None:
    """consumer:F3.26"""
    play = MemberPlay(MANUAL, processing=ProcessingSettings(commit="after"))
    play.errors[OffsetFetchRequest] = [ErrorCode.STALE_MEMBER_EPOCH]
    me = member(play)
    play.run_to(S)
    asked: list[Any] = [one for one in play.asked if isinstance(one, OffsetFetchRequest)]
    assert {(one.member, one.generation) for one in asked} == {(me.member, 1)}
    play.fetched((0, 0, 3))
    commit = next(one for one in play.asked if isinstance(one, OffsetCommitRequest))
    assert (commit.member, commit.generation) == (me.member, 1)


def test_who_is_out_of_the_group_still_asks_and_commits_for_nobody() -> None:
    """CommitRequestManager.MemberInfo: the epoch is gone, the client does not refuse by itself (consumer:F3.38)"""
    play = MemberPlay(LATE, work_us=10 * S, processing=ProcessingSettings(commit="after"))
    play.fetched((0, 0, 3))
    play.errors[OffsetCommitRequest] = [ErrorCode.UNKNOWN_MEMBER_ID]
    play.run_to(30 * S)
    commit = next(one for one in play.asked if isinstance(one, OffsetCommitRequest))
    assert (commit.member, commit.generation) == (member(play).member, -1)
    assert [what for what, _ in play.callbacks()[2:4]] == ["lost", "lost"]


# --- leaving and being put out ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("instance", "epoch"), [("", -1), ("i", -2)])
def test_who_polls_too_late_leaves_and_joins_again_at_its_next_poll(instance: str, epoch: int) -> None:
    """consumer:S44, consumer:F3.32, consumer:F3.35"""
    play = MemberPlay(replace(LATE, instance=instance), work_us=10 * S)
    play.fetched((0, 0, 3))  # in work until 30 s
    play.run_to(20 * S)
    assert said(beats(play)[-1]) == (epoch, None, None) and member(play).state is MemberState.STALE
    assert play.callbacks()[2:] == [] and [row.code for row in play.port.of(Kind.LEFT)] == [1]
    count = len(beats(play))
    play.run_to(29 * S)
    assert len(beats(play)) == count  # no heartbeat while it is stale
    play.run_to(30 * S)
    assert play.callbacks()[2:] == [("lost", 0), ("lost", 1), ("assigned", 0), ("assigned", 1)]
    assert [said(beat) for beat in beats(play)[count:]] == [(0, (0,), ()), (2, None, (0, 1))]


@pytest.mark.parametrize("error", [ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID])
def test_a_fenced_member_lets_go_at_its_next_poll_and_joins_under_its_old_name(error: ErrorCode) -> None:
    """consumer:F3.39"""
    play = MemberPlay(MANUAL, work_us=2 * S)
    play.fetched((0, 0, 3))
    play.errors[Beat] = [error]
    play.run_to(5 * S)
    assert member(play).state is MemberState.FENCED and play.callbacks()[2:] == []
    play.run_to(6 * S)
    assert play.callbacks()[2:] == [("lost", 0), ("lost", 1), ("assigned", 0), ("assigned", 1)]
    assert said(beats(play)[3]) == (0, (0,), ()) and len({beat.member for beat in beats(play)}) == 1


def test_an_instance_id_that_is_not_released_is_an_exception_for_the_application() -> None:
    """consumer:F3.31"""
    play = MemberPlay(replace(MANUAL, instance="i"), hold=(FetchRequest, Beat))
    play.errors[Beat] = [ErrorCode.UNRELEASED_INSTANCE_ID]
    play.answer(Beat)
    assert play.role.ended and [row.code for row in play.port.of(Kind.LEFT)] == [2]
    assert len(beats(play)) == 1  # nothing more is said: it never was a member


def test_a_consumer_that_is_closed_commits_revokes_and_leaves() -> None:
    """consumer:F4.1"""
    play = MemberPlay(AUTO)
    play.fetched((0, 0, 3))
    play.role.close(play.now)
    play.settle()
    assert play.commits() == [{0: 3, 1: 0}]
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1)]
    assert said(beats(play)[-1]) == (-1, None, None) and play.role.ended


def test_nothing_is_noticed_while_the_coordinator_is_not_known() -> None:
    """AbstractHeartbeatRequestManager.poll returns first: not even that the next poll is late"""
    play = MemberPlay(LATE, work_us=10 * S, hold=(FetchRequest,))
    play.fetched((0, 0, 3))
    play.role._coordinator.server = -1
    play.role._coordinator._finding = True  # and nobody answers
    play.run_to(25 * S)
    assert member(play).state is MemberState.STABLE and play.port.of(Kind.LEFT) == []
