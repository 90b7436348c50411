"""A librdkafka member with group.protocol=consumer, step by step: heartbeats, assignments, being put out, leaving."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import ConsumerGroupHeartbeatRequest as Beat
from sim.protocol.group_messages import (
    ConsumerGroupHeartbeatResponse,
    FindCoordinatorRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
)
from sim.protocol.librdkafka_consumer import LibrdkafkaConsumer
from sim.protocol.librdkafka_membership import JoinState
from sim.protocol.messages import FetchRequest, MetadataRequest
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaMemberSettings, ProcessingSettings, ReaderSettings
from tests.protocol.member_play import MS, MemberPlay, S

READER = ReaderSettings(flavour="librdkafka", offset_reset="earliest", request_timeout_us=60 * S)
MANUAL = LibrdkafkaMemberSettings(
    protocol="consumer", auto_commit=False, consume_messages=10, consume_timeout_us=100 * MS
)
AUTO = replace(MANUAL, auto_commit=True, auto_commit_interval_us=5 * S)


def member(settings: LibrdkafkaMemberSettings = MANUAL, reader: ReaderSettings = READER, **more: Any) -> MemberPlay:
    """Told to beat every five seconds."""
    return MemberPlay(settings, reader, member=LibrdkafkaConsumer, **more)


def busy_until(time_us: int, settings: LibrdkafkaMemberSettings = MANUAL, **more: Any) -> MemberPlay:
    """Its application has ten records of partition 0 in work."""
    play = member(settings, work_us=time_us // 10, **more)
    play.fetched((0, 0, 10))
    return play


def beats(play: MemberPlay) -> list[Beat]:
    return [message for message in play.asked if isinstance(message, Beat)]


def said(play: MemberPlay, since: int = 0) -> list[tuple[int, tuple[int, ...] | None, tuple[int, ...] | None]]:
    """Epoch, topics and owned partitions of each heartbeat."""
    return [(beat.epoch, beat.topics, beat.owned) for beat in beats(play)[since:]]


JOIN = (0, (0,), ())
LEAVE = (-1, None, None)


# --- heartbeats and assignments ---------------------------------------------------------------------------------------
def test_a_member_joins_with_all_it_has_to_say_acknowledges_and_says_nothing_twice() -> None:
    play = member(replace(MANUAL, remote_assignor="range", instance="i"))
    join, ack = beats(play)
    assert said(play) == [JOIN, (1, None, (0, 1))]
    assert (join.assignor, join.rebalance_timeout_us, join.instance) == ("range", 300 * S, "i")
    assert (ack.assignor, ack.rebalance_timeout_us, ack.instance) == (None, None, "")
    assert join.member == ack.member and len(join.member) == 22
    assert play.callbacks() == [("assigned", 0), ("assigned", 1)]
    play.run_to(14 * S)
    assert said(play, 2) == [(1, None, None)] * 2  # each five seconds, as it was told


def test_a_newcomer_without_a_share_says_everything_each_time_and_its_application_hears_nothing() -> None:
    """consumer:F3.37"""
    play = member(share=())
    play.run_to(6 * S)
    assert said(play) == [JOIN, (1, (0,), ())] and play.callbacks() == []
    assert play.role.caught_up() and play.role.cgrp.who.state is JoinState.INIT
    play.share = (1,)
    play.run_to(11 * S)
    assert said(play, 2) == [(1, (0,), ()), (1, None, (1,))] and play.callbacks() == [("assigned", 1)]


def test_what_is_assigned_is_acknowledged_once_it_is_known_where_to_begin() -> None:
    """rd_kafka_cgrp_consumer_assignment_done; the question names neither member nor epoch"""
    play = member(hold=(FetchRequest, OffsetFetchRequest))
    assert said(play) == [JOIN] and play.callbacks() == [("assigned", 0), ("assigned", 1)]
    asked = play.answer(OffsetFetchRequest)
    assert (asked.member, asked.generation) == ("", -1)
    assert said(play, 1) == [(1, None, (0, 1))]


def test_an_assignment_waits_for_the_metadata_of_its_topic() -> None:
    play = member(hold=(FetchRequest, MetadataRequest))
    assert said(play) == [JOIN] and play.callbacks() == []
    play.answer(MetadataRequest)
    assert said(play, 1) == [(1, None, (0, 1))] and play.callbacks() == [("assigned", 0), ("assigned", 1)]


def test_heartbeats_go_on_while_a_callback_waits_and_the_acknowledgement_comes_behind_it() -> None:
    """consumer:F3.20: kept partitions go on where they were"""
    play = busy_until(12 * S)
    play.share = (0,)
    play.run_to(11 * S)
    assert said(play, 2) == [(1, None, None)] * 2 and play.callbacks()[2:] == []
    play.run_to(12 * S)
    assert play.callbacks()[2:] == [("revoked", 1)] and said(play, 4) == [(1, None, (0,))]
    play.answer(FetchRequest)
    assert [(one.partition, one.offset) for one in play.held(FetchRequest).partitions] == [(0, 10)]


def test_an_assignment_that_comes_while_another_is_taken_up_is_the_next_one() -> None:
    """rkcg_next_target_assignment"""
    play = busy_until(12 * S)
    play.share = (0,)
    play.run_to(6 * S)
    play.share = (0, 1)
    play.run_to(12 * S)
    assert play.callbacks()[2:] == [("revoked", 1), ("assigned", 1)]
    assert said(play, 4) == [(1, None, (0,)), (1, None, (0, 1))]


def test_the_next_assignment_is_not_taken_up_before_the_present_one_is_acknowledged() -> None:
    """``rd_kafka_cgrp_consumer_handle_next_assignment``: it comes with the answer to a heartbeat that left before the
    callback was served, and so acknowledges nothing."""
    play = busy_until(12 * S, hold=(FetchRequest,))
    play.share = (0,)
    play.run_to(9 * S)
    play.hold = (FetchRequest, Beat)
    play.run_to(13 * S)  # the heartbeat of 10 s waits; the callback is served meanwhile
    assert play.callbacks()[2:] == [("revoked", 1)] and said(play)[-1] == (1, None, None)
    play.answer(Beat, ConsumerGroupHeartbeatResponse(0, 1, 5 * S, (0, 1)))
    assert play.callbacks()[2:] == [("revoked", 1)]
    play.run_to(14 * S)
    assert said(play)[-1] == (1, None, (0,))
    play.answer(Beat, ConsumerGroupHeartbeatResponse(0, 1, 5 * S))
    play.run_to(15 * S)
    assert play.callbacks()[2:] == [("revoked", 1), ("assigned", 1)]


def test_an_assignment_that_comes_and_goes_again_meanwhile_is_not_taken_up() -> None:
    play = busy_until(17 * S)
    play.share = (0,)
    play.run_to(6 * S)
    play.share = (0, 1)
    play.run_to(11 * S)
    play.share = (0,)
    play.run_to(18 * S)
    assert play.callbacks()[2:] == [("revoked", 1)] and said(play, 5) == [(1, None, (0,))]


# --- errors of heartbeats ---------------------------------------------------------------------------------------------
def test_the_first_heartbeat_is_tried_twice_more_and_then_anew() -> None:
    play = member(hold=(FetchRequest, Beat))
    for _ in range(3):
        play.answer(Beat, ConsumerGroupHeartbeatResponse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS))
        play.run_to(play.now + 300 * MS)  # retry.backoff.ms, then twice that
    play.answer(Beat)
    assert said(play, 0)[:4] == [JOIN] * 4 and play.callbacks() == [("assigned", 0), ("assigned", 1)]


def test_a_coordinator_that_is_gone_is_looked_for_and_the_next_heartbeat_says_everything() -> None:
    play = member()
    play.errors[Beat] = [ErrorCode.NOT_COORDINATOR]
    found = play.count(FindCoordinatorRequest)
    play.run_to(9 * S)
    assert play.count(FindCoordinatorRequest) == found + 1 and len(beats(play)) == 3
    play.run_to(11 * S)  # it is the same broker still: no reason to hurry
    assert said(play, 2) == [(1, None, None), (1, (0,), (0, 1))]


@pytest.mark.parametrize("error", [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH])
def test_a_fenced_member_loses_everything_and_joins_again_as_the_same(error: ErrorCode) -> None:
    """consumer:F3.39"""
    play = member()
    play.errors[Beat] = [error]
    play.run_to(6 * S)
    assert play.callbacks()[2:] == [("lost", 0), ("lost", 1), ("assigned", 0), ("assigned", 1)]
    assert said(play, 3) == [JOIN, (2, None, (0, 1))]
    assert len({beat.member for beat in beats(play)}) == 1


def test_a_member_that_is_fenced_while_a_callback_waits_hears_of_a_revocation_first() -> None:
    """consumer:F3.39, consumer:S34"""
    play = busy_until(12 * S)
    play.share = (0,)
    play.run_to(6 * S)
    play.errors[Beat] = [ErrorCode.FENCED_MEMBER_EPOCH]
    play.run_to(11_900 * MS)
    assert play.callbacks()[2:] == [] and len(beats(play)) == 4
    play.run_to(12_002 * MS)  # the first heartbeat behind one that failed waits a millisecond
    assert play.callbacks()[2:] == [("revoked", 1), ("lost", 0), ("assigned", 0)]
    assert said(play, 4)[0] == JOIN


@pytest.mark.parametrize("error", [ErrorCode.UNRELEASED_INSTANCE_ID, ErrorCode.GROUP_MAX_SIZE_REACHED])
def test_a_member_that_is_not_let_in_is_dead(error: ErrorCode) -> None:
    """consumer:F3.31"""
    play = member(replace(MANUAL, instance="i"), hold=(FetchRequest, Beat))
    play.answer(Beat, ConsumerGroupHeartbeatResponse(error))
    assert play.role.ended and [row.code for row in play.port.of(Kind.LEFT)] == [2]
    play.run_to(10 * S)
    assert said(play) == [JOIN] and play.callbacks() == []


# --- max.poll.interval.ms ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("instance", "epoch"), [("", -1), ("i", -2)])
def test_a_late_member_falls_silent_and_leaves_at_its_next_poll(instance: str, epoch: int) -> None:
    """consumer:F3.35, consumer:S44"""
    play = busy_until(10 * S, replace(MANUAL, max_poll_interval_us=6 * S, instance=instance))
    play.run_to(9_900 * MS)
    assert [row.code for row in play.port.of(Kind.LEFT)] == [1] and play.callbacks()[2:] == []
    assert said(play, 2) == [(1, None, None)]  # at 5 s
    play.hold = (FetchRequest, Beat)
    play.run_to(12 * S)
    assert play.callbacks()[2:] == [("lost", 0), ("lost", 1)] and said(play, 3) == [(epoch, None, None)]
    play.answer(Beat)
    assert said(play, 4) == [JOIN]  # not before the leave was answered


def test_a_late_member_that_a_revocation_waited_for_hears_of_that_first() -> None:
    """consumer:F3.39; it leaves once nothing is under way, and loses the rest"""
    play = busy_until(12 * S, replace(MANUAL, max_poll_interval_us=7 * S))
    play.share = (0,)
    play.run_to(12 * S)
    assert play.callbacks()[2:] == [("revoked", 1), ("lost", 0), ("assigned", 0)]
    assert said(play, 3)[:2] == [LEAVE, JOIN]  # silent since 5 s


# --- commits ----------------------------------------------------------------------------------------------------------
def test_the_clients_own_commit_with_an_old_epoch_is_sent_again_behind_a_heartbeat() -> None:
    """consumer:F3.26"""
    play = busy_until(20 * S, AUTO)
    play.hold = (FetchRequest, OffsetCommitRequest)
    play.run_to(5 * S)
    count = len(beats(play))
    play.hold = (FetchRequest,)
    play.errors[OffsetCommitRequest] = [ErrorCode.STALE_MEMBER_EPOCH]
    play.answer(OffsetCommitRequest)
    play.run_to(5_100 * MS)
    assert play.commits() == [{0: 10}] * 2 and len(beats(play)) == count + 1


def test_the_applications_commit_with_an_old_epoch_fails() -> None:
    play = member(processing=ProcessingSettings(commit="after"))
    play.errors[OffsetCommitRequest] = [ErrorCode.STALE_MEMBER_EPOCH]
    play.fetched((0, 0, 10))
    play.run_to(4 * S)
    assert play.commits() == [{0: 10}] and len(beats(play)) == 3  # and the next heartbeat leaves at once


def test_a_late_commit_that_names_its_offsets_is_sent_and_refused() -> None:
    """Z1 (lk); consumer:F3.38: what is lost is not committed by a commit() without offsets"""
    play = busy_until(10 * S, replace(MANUAL, max_poll_interval_us=6 * S))
    play.run_to(9 * S)
    errors: list[int] = []
    play.role.cgrp.commit_stored(False, lambda error, now_us: errors.append(error), play.now)
    play.settle()
    assert play.commits() == [] and errors == [0]
    play.errors[OffsetCommitRequest] = [ErrorCode.UNKNOWN_MEMBER_ID]
    play.role.cgrp.commit({0: (8, 0)}, lambda error, now_us: errors.append(error), play.now)
    play.settle()
    assert play.commits() == [{0: 8}] and errors == [0, ErrorCode.UNKNOWN_MEMBER_ID]
    assert play.callbacks()[2:] == []


# --- leaving ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("instance", "epoch"), [("", -1), ("i", -2)])
def test_a_close_serves_the_callback_and_leaves_behind_the_last_commit(instance: str, epoch: int) -> None:
    """consumer:F4.1, consumer:F3.31"""
    play = member(replace(AUTO, instance=instance))
    play.fetched((0, 0, 10))
    play.run_to(100 * MS)
    play.hold = (FetchRequest, Beat)
    play.role.close(play.now)
    play.settle()
    last = [message for message in play.asked if isinstance(message, OffsetCommitRequest | Beat)][-2:]
    assert [type(message) for message in last] == [OffsetCommitRequest, Beat]
    assert said(play)[-1] == (epoch, None, None) and beats(play)[-1].instance == instance
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1)] and not play.role.ended
    play.answer(Beat)
    assert play.role.ended and [row.code for row in play.port.of(Kind.LEFT)] == [0]


def test_a_member_without_a_share_leaves_too() -> None:
    play = member(share=())
    play.role.close(play.now)
    play.settle()
    assert play.role.ended and said(play) == [JOIN, LEAVE]


def test_a_member_that_was_not_let_in_yet_goes_without_a_word() -> None:
    """RD_KAFKA_CGRP_HAS_JOINED: its place in the group ends with its session"""
    play = member(hold=(FetchRequest, Beat))
    play.role.close(play.now)
    play.settle()
    assert play.role.ended and said(play) == [JOIN]


def test_a_close_while_a_callback_waits_serves_it_and_leaves_once() -> None:
    play = busy_until(12 * S)
    play.share = (0,)
    play.run_to(6 * S)
    play.role.close(play.now)
    play.run_to(12 * S)
    assert play.role.ended and said(play)[-1] == LEAVE and said(play).count(LEAVE) == 1
    assert play.callbacks()[2:] == [("revoked", 1), ("revoked", 0)]
