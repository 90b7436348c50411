"""A librdkafka member of a classic group, step by step: its queue, its commits, callbacks that wait, being put out.

``P1``, ``P2``, ``P4``, ``C7`` and ``D-none-latest`` are recorded cells (lr) whose application seeks, pauses or asks for
a position.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sim import config
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import (
    FindCoordinatorRequest,
    HeartbeatRequest,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
    SyncGroupRequest,
)
from sim.protocol.librdkafka_consumer import LibrdkafkaConsumer
from sim.protocol.librdkafka_membership import JoinState
from sim.protocol.messages import (
    FetchedPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    RecordBatch,
)
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaMemberSettings, ProcessingSettings, ReaderSettings
from tests.protocol.member_play import MS, MemberPlay, S

READER = ReaderSettings(flavour="librdkafka", offset_reset="earliest", request_timeout_us=60 * S)


def settings(**more: Any) -> LibrdkafkaMemberSettings:
    return LibrdkafkaMemberSettings(**{"auto_commit": False, "consume_messages": 10, "consume_timeout_us": S, **more})


def member(reader: ReaderSettings = READER, play: dict[str, Any] | None = None, **more: Any) -> MemberPlay:
    return MemberPlay(settings(**more), reader, member=LibrdkafkaConsumer, **(play or {}))


def busy(work_us: int = 100 * MS, play: dict[str, Any] | None = None, **more: Any) -> MemberPlay:
    return member(play={"work_us": work_us, **(play or {})}, **more)


NOT_LEADER = int(ErrorCode.NOT_LEADER_OR_FOLLOWER)
COOPERATIVE: dict[str, Any] = {"assignors": ("cooperative-sticky",), "cooperative": True}
PROTOCOLS = ("classic", "consumer")
AUTO: dict[str, Any] = {"auto_commit": True, "auto_commit_interval_us": 5 * S}


def next_fetch(play: MemberPlay) -> dict[int, int]:
    return {asked.partition: asked.offset for asked in play.held(FetchRequest).partitions}


# --- polls and the queue ----------------------------------------------------------------------------------------------
def test_a_poll_waits_for_enough_or_for_the_end_of_its_time() -> None:
    """consumer:F2.36"""
    play = member()
    play.fetched((0, 0, 3))
    assert play.polls() == []
    play.run_to(S)
    assert play.polls() == [(0, 0, 3)]
    play.fetched((0, 3, 12))  # ten of them are enough, the rest waits for the end of the second poll
    assert play.polls()[1:] == [(0, 3, 10)]
    play.run_to(2 * S)
    assert play.polls()[2:] == [(0, 13, 2)]


def test_polls_with_nothing_in_them_follow_each_other() -> None:
    play = member()
    play.run_to(2_300 * MS)
    play.fetched((0, 0, 3))
    play.run_to(2_999 * MS)
    assert play.polls() == []
    play.run_to(3 * S)
    assert play.polls() == [(0, 0, 3)]


def test_a_poll_of_one_message_returns_at_once() -> None:
    play = member(consume_messages=1)
    play.fetched((0, 0, 2))
    assert play.polls() == [(0, 0, 1), (0, 1, 1)]


def test_fetching_goes_on_ahead_of_the_work_until_the_queue_is_full() -> None:
    """consumer:F2.5: only the limits of the queue hold a fetch back, and then for fetch.queue.backoff.ms"""
    play = busy(S, queued_min_messages=25, consume_messages=1)
    play.fetched((0, 0, 10))
    play.fetched((0, 10, 10))
    assert next_fetch(play) == {0: 20, 1: 0} and play.polls() == [(0, 0, 1)]
    play.fetched((1, 0, 8))
    with pytest.raises(StopIteration):
        play.held(FetchRequest)
    play.run_to(900 * MS)
    with pytest.raises(StopIteration):
        play.held(FetchRequest)
    play.run_to(5 * S)
    assert next_fetch(play) == {0: 20, 1: 8}
    assert play.polls()[-1] == (0, 5, 1)


def test_answers_stand_in_the_queue_in_the_order_in_which_they_came() -> None:
    """consumer:F2.7, consumer:F2.8"""
    play = member(consume_messages=4)
    play.fetched((1, 0, 3), (0, 0, 2))
    play.fetched((1, 3, 3))
    assert play.polls() == [(1, 0, 3), (0, 0, 1), (0, 1, 1), (1, 3, 3)]


# --- calls of the application -----------------------------------------------------------------------------------------
def test_p1_a_paused_partition_is_read_on_after_it_is_resumed() -> None:
    play = member(consume_messages=2)
    play.fetched((0, 0, 3))
    assert play.polls() == [(0, 0, 2)]
    play.role.call("pause", (0,), 0, play.now)
    play.run_to(3 * S)
    assert play.polls() == [(0, 0, 2)]  # while_paused: nothing; the third is fetched again
    play.role.call("resume", (0,), 0, play.now)
    play.settle()
    play.answer(FetchRequest)  # the long poll that was under way
    assert next_fetch(play)[0] == 2
    play.fetched((0, 2, 1))
    play.run_to(5 * S)
    assert play.polls()[1:] == [(0, 2, 1)]


def test_p2_a_seek_back_throws_away_what_was_fetched() -> None:
    play = member()
    play.fetched((0, 0, 100))
    assert play.polls()[0] == (0, 0, 10)
    play.role.call("seek", (0,), 5, play.now)
    play.settle()
    play.answer(FetchRequest)
    assert next_fetch(play)[0] == 5
    count = len(play.polls())
    play.fetched((0, 5, 10))
    assert play.polls()[count:] == [(0, 5, 10)]


def test_p4_other_partitions_flow_while_one_is_paused() -> None:
    play = busy(consume_messages=5, consume_timeout_us=100 * MS)
    play.fetched((0, 0, 20), (1, 0, 20))
    assert play.polls() == [(0, 0, 5)]
    play.role.call("pause", (0,), 0, play.now)
    play.run_to(10 * S)
    assert [p for p, _, _ in play.polls()[1:]] == [1] * 4 and play.polls()[-1] == (1, 15, 5)
    play.role.call("resume", (0,), 0, play.now)
    play.settle()
    play.answer(FetchRequest)
    assert next_fetch(play) == {0: 5, 1: 20}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("read", "committed"), [(False, []), (True, [{0: 303}])])
def test_c7_a_seek_stores_nothing(read: bool, committed: list[dict[int, int]], protocol: str) -> None:
    """consumer:S40, consumer:F2.23: only what was handed over is committed at the close"""
    play = member(consume_messages=3, protocol=protocol, **AUTO)
    play.role.call("seek", (0,), 300, play.now)
    play.role.call("seek", (1,), 500, play.now)
    play.settle()
    play.answer(FetchRequest)
    assert next_fetch(play) == {0: 300, 1: 500}
    if read:
        play.fetched((0, 300, 3))
    play.role.close(play.now)
    play.settle()
    assert play.commits() == committed and play.role.ended


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_d_none_latest_the_position_is_unknown_until_a_record_was_handed_over(protocol: str) -> None:
    latest = ReaderSettings(flavour="librdkafka", offset_reset="latest")
    play = member(latest, {"hold": (ListOffsetsRequest, FetchRequest), "committed": {}}, protocol=protocol)
    play.run_to(100 * MS)
    for partition in (0, 1):
        play.answer(ListOffsetsRequest, ListOffsetsResponse(partition, 0, 100))
    assert next_fetch(play) == {0: 100, 1: 100}
    assert play.role.position(0) == -1001
    play.fetched((0, 100, 10))
    assert play.role.position(0) == 110 and play.role.position(1) == -1001


# --- resets -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_committed_is_looked_up_a_tenth_of_a_second_later(protocol: str) -> None:
    """rd_kafka_offset_reset with _NO_OFFSET (measured)"""
    play = member(play={"committed": {}}, protocol=protocol)
    play.run_to(100 * MS - 1)
    assert play.count(ListOffsetsRequest) == 0 and play.count(FetchRequest) == 0
    play.run_to(100 * MS)
    assert play.count(ListOffsetsRequest) == 2 and next_fetch(play) == {0: 0, 1: 0}


def test_a_position_out_of_range_is_looked_up_a_tenth_of_a_second_later() -> None:
    """rd_kafka_offset_reset with OFFSET_OUT_OF_RANGE (measured); partition 1 is read on meanwhile"""
    play = member()
    play.run_to(S)
    play.answer(FetchRequest, FetchResponse([FetchedPartition(0, int(ErrorCode.OFFSET_OUT_OF_RANGE))]))
    assert next_fetch(play) == {1: 0}
    play.run_to(1_100 * MS - 1)
    assert play.count(ListOffsetsRequest) == 0
    play.run_to(1_100 * MS)
    assert play.count(ListOffsetsRequest) == 1


def test_a_lookup_that_failed_is_made_again_half_a_second_later() -> None:
    """rd_kafka_toppar_handle_Offset (measured)"""
    play = member(play={"hold": (FetchRequest, ListOffsetsRequest), "committed": {1: 0}})
    play.run_to(100 * MS)
    play.answer(ListOffsetsRequest, ListOffsetsResponse(0, NOT_LEADER))
    play.run_to(600 * MS - 1)
    assert play.count(ListOffsetsRequest) == 1
    play.run_to(600 * MS)
    assert play.count(ListOffsetsRequest) == 2


def test_a_partition_that_was_read_before_begins_where_its_log_began_then() -> None:
    """rd_kafka_offset_reset, "cached BEGINNING offset": nobody is asked and nothing waited for (measured)"""
    play = member(play={"committed": {}})
    play.run_to(100 * MS)
    batch = RecordBatch(0, 0, 20, 25, 100)
    play.answer(FetchRequest, FetchResponse([FetchedPartition(0, 0, 25, 20, [20], [batch], [0])]))
    play.errors[HeartbeatRequest] = [27]
    play.run_to(3 * S)
    assert play.callbacks()[4:] == [("assigned", 0), ("assigned", 1)]
    assert play.count(ListOffsetsRequest) == 2
    assert [(row.partition, row.offset) for row in play.port.of(Kind.RESET)][2:] == [(0, 20)]
    play.run_to(3_100 * MS)
    assert play.count(ListOffsetsRequest) == 3  # of partition 1 no answer has come yet


# --- committed offsets ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_partitions_that_a_wrong_coordinator_was_asked_for_are_not_asked_for_again(protocol: str) -> None:
    """rd_kafka_assignment_apply_offsets (measured): the coordinator is looked for, and nothing more"""
    play = member(play={"hold": (FetchRequest, OffsetFetchRequest)}, protocol=protocol)
    found = play.count(FindCoordinatorRequest)
    play.answer(OffsetFetchRequest, OffsetFetchResponse(int(ErrorCode.NOT_COORDINATOR)))
    play.run_to(20 * S)
    assert play.count(OffsetFetchRequest) == 1 and play.count(FindCoordinatorRequest) == found + 1
    assert play.count(FetchRequest) == 0 and not play.role.caught_up()


def test_a_rebalance_asks_for_them_anew() -> None:
    play = member(play={"hold": (FetchRequest, OffsetFetchRequest)})
    play.answer(OffsetFetchRequest, OffsetFetchResponse(int(ErrorCode.NOT_COORDINATOR)))
    play.hold = (FetchRequest,)
    play.rebalance()
    assert play.count(OffsetFetchRequest) == 2 and next_fetch(play) == {0: 0, 1: 0}


def test_a_coordinator_that_is_loading_is_asked_again() -> None:
    play = member(play={"hold": (FetchRequest, OffsetFetchRequest)})
    play.answer(OffsetFetchRequest, OffsetFetchResponse(int(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)))
    play.run_to(2 * S)
    assert play.count(OffsetFetchRequest) == 2


# --- truncation -------------------------------------------------------------------------------------------------------
def checked(play: MemberPlay) -> dict[int, int]:
    """The leader epochs that the next fetch is to validate, -1 for none."""
    return {asked.partition: asked.last_epoch for asked in play.held(FetchRequest).partitions}


def new_epoch(play: MemberPlay, *partitions: int) -> None:
    found = [FetchedPartition(p, NOT_LEADER, leader=1, leader_epoch=7) for p in partitions]
    play.answer(FetchRequest, FetchResponse(found))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_committed_offset_is_validated_when_the_epoch_changes_and_not_at_the_start(protocol: str) -> None:
    """consumer:F2.29, rd_kafka_toppar_fetch_start: the state is active at once (measured)"""
    play = member(play={"hold": (FetchRequest, OffsetFetchRequest)}, protocol=protocol)
    play.answer(OffsetFetchRequest, OffsetFetchResponse(0, {0: (40, 5), 1: (7, -1)}))
    assert next_fetch(play) == {0: 40, 1: 7} and checked(play) == {0: -1, 1: -1}
    new_epoch(play, 0, 1)
    assert next_fetch(play) == {0: 40, 1: 7} and checked(play) == {0: 5, 1: -1}


def test_a_position_that_was_looked_up_is_validated_when_the_epoch_changes() -> None:
    """consumer:F2.28, rd_kafka_toppar_handle_Offset: the answer's epoch is that of the position"""
    play = member(play={"hold": (ListOffsetsRequest, FetchRequest), "committed": {}})
    play.run_to(100 * MS)
    play.answer(ListOffsetsRequest, ListOffsetsResponse(0, 0, 100))
    play.answer(ListOffsetsRequest, ListOffsetsResponse(1, 0, 100, 4))
    assert checked(play) == {0: -1, 1: -1}
    new_epoch(play, 0, 1)
    assert next_fetch(play) == {0: 100, 1: 100} and checked(play) == {0: -1, 1: 4}


def diverged(play: MemberPlay, end: int) -> None:
    """Partition 0 has a new leader epoch, and what is fetched next is checked: the old epoch ends at *end*."""
    new_epoch(play, 0)
    assert checked(play)[0] == 0
    answer = FetchedPartition(0, diverging_epoch=0, diverging_end=end)
    play.answer(FetchRequest, FetchResponse([answer, FetchedPartition(1)]))


def test_a_truncation_makes_void_what_is_queued_below_it_too() -> None:
    """consumer:F2.26, rd_kafka_toppar_seek: 3 to 9 are never handed over, and the position is unknown"""
    play = busy(S, consume_messages=3)
    play.fetched((0, 0, 20), (1, 0, 2))
    assert play.polls() == [(0, 0, 3)] and play.role.position(0) == 3
    diverged(play, 10)
    assert next_fetch(play) == {0: 10, 1: 2} and play.role.position(0) == -1001
    assert [(row.partition, row.offset) for row in play.port.of(Kind.RESET)] == [(0, 10)]
    play.fetched((0, 10, 5))
    play.run_to(8 * S)
    assert play.polls() == [(0, 0, 3), (1, 0, 2), (0, 10, 1), (0, 11, 3)] and play.role.position(0) == 14


def test_a_position_that_an_older_epoch_still_covers_is_no_truncation() -> None:
    """consumer:F2.26: of the answer to the check only the offset counts"""
    play = busy(S, consume_messages=3)
    play.fetched((0, 0, 20))
    diverged(play, 20)
    assert next_fetch(play)[0] == 20
    play.run_to(30 * S)
    assert [first for _, first, _ in play.polls()] == [0, 3, 6, 9, 12, 15, 18] and play.port.of(Kind.RESET) == []


# --- waits of the fetcher ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("backoff_ms", [500, 300])
def test_a_refused_partition_waits_for_fetch_error_backoff(backoff_ms: int) -> None:
    """rd_kafka_toppar_fetch_backoff, without jitter (measured)"""
    play = member(replace(READER, fetch_error_backoff_us=backoff_ms * MS))
    play.run_to(S)
    refused = [FetchedPartition(p, int(ErrorCode.REPLICA_NOT_AVAILABLE)) for p in (0, 1)]
    play.answer(FetchRequest, FetchResponse(refused))
    asked = play.count(FetchRequest)
    play.run_to(S + backoff_ms * MS - 1)
    assert play.count(FetchRequest) == asked
    play.run_to(S + backoff_ms * MS)
    assert play.count(FetchRequest) == asked + 1 and next_fetch(play) == {0: 0, 1: 0}


def test_a_connection_that_was_up_is_replaced_at_once_and_one_that_is_refused_later() -> None:
    """rd_kafka_broker_update_reconnect_backoff: at the start, at 1 s, and when that fails 75 % of 400 ms"""
    play = member(replace(READER, reconnect_backoff_us=100 * MS, reconnect_backoff_max_us=10 * S))
    play.port.draws = {"reader-setup": 0, "reader-reconnect": 0}
    play.run_to(S)
    play.role.on_disconnected(play.port.wires[0], play.now)
    assert [wire.server for wire in play.port.wires] == [1, 1, 1]
    play.role.on_disconnected(play.port.wires[2], play.now)
    play.run_to(1_300 * MS - 1)
    assert len(play.port.wires) == 3
    play.run_to(1_300 * MS)
    assert len(play.port.wires) == 4 and next_fetch(play) == {0: 0, 1: 0}


# --- metadata ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("interval_ms", "more"), [("-1", 0), ("0", 0), ("4000", 2)])
def test_without_an_interval_metadata_is_asked_for_where_it_is_needed_alone(interval_ms: str, more: int) -> None:
    made = config.librdkafka_member(
        {"group.id": "g", "topic.metadata.refresh.interval.ms": interval_ms, "auto.offset.reset": "earliest"}
    ).settings
    play = member(made.reader)
    asked = play.count(MetadataRequest)
    play.run_to(10 * S)
    assert play.count(MetadataRequest) == asked + more


# --- commits ----------------------------------------------------------------------------------------------------------
def test_the_timer_commits_what_was_handed_over_while_the_application_works() -> None:
    """consumer:S05, consumer:S60, consumer:F4.12"""
    play = busy(2 * S, **AUTO)
    play.fetched((0, 0, 10))
    play.run_to(4_999 * MS)
    assert play.commits() == []
    play.run_to(5 * S)
    assert play.commits() == [{0: 10}]  # of partition 1 nothing was handed over
    play.run_to(16 * S)
    assert play.commits() == [{0: 10}]  # nothing new is stored


@pytest.mark.parametrize(("epoch", "commits"), [(-1, []), (0, []), (1, [{0: 10}])], ids=["unknown", "same", "newer"])
def test_what_is_stored_of_a_newer_epoch_is_committed_though_its_offset_is_smaller(epoch: int, commits: Any) -> None:
    """rd_kafka_fetch_pos_cmp: behind a truncation the commit goes back"""
    play = busy(2 * S, play={"hold": (FetchRequest, OffsetFetchRequest)}, **AUTO)
    play.answer(OffsetFetchRequest, OffsetFetchResponse(0, {0: (40, 0), 1: (0, 0)}))
    play.role.call("seek", (0,), 0, play.now)
    play.settle()
    play.answer(FetchRequest)
    batch = RecordBatch(0, 0, 0, 10, 100)
    play.answer(FetchRequest, FetchResponse([FetchedPartition(0, 0, 10, 0, [0], [batch], [epoch])]))
    play.run_to(5 * S)
    assert play.polls() == [(0, 0, 10)] and play.commits() == commits


def test_an_older_epoch_is_not_committed_though_its_offset_is_larger() -> None:
    """rd_kafka_fetch_pos_cmp (measured)"""
    play = member(play={"hold": (FetchRequest, OffsetFetchRequest)}, **AUTO)
    play.answer(OffsetFetchRequest, OffsetFetchResponse(0, {0: (5, 2), 1: (0, 2)}))
    play.fetched((0, 5, 10))  # of epoch 0
    play.run_to(5 * S)
    assert play.polls() == [(0, 5, 10)] and play.commits() == []


def test_what_the_application_stores_by_itself_is_what_the_timer_commits() -> None:
    play = busy(2 * S, auto_offset_store=False, **AUTO)
    play.fetched((0, 0, 10))
    play.run_to(5 * S)
    assert play.commits() == [{0: 2}]


def test_a_timer_that_rings_during_a_rebalance_commits_nothing() -> None:
    """consumer:F4.12; the revocation commits what is stored (consumer:F3.13)"""
    play = busy(400 * MS, **AUTO)
    play.fetched((0, 0, 10))  # in work until 4 s
    play.hold = (FetchRequest, JoinGroupRequest)
    play.rebalance()
    assert play.role.cgrp.who.state is JoinState.WAIT_UNASSIGN_CALL
    play.run_to(3_900 * MS)
    assert play.callbacks()[2:] == [] and play.commits() == []
    play.run_to(4 * S)
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1)] and play.commits() == [{0: 10}]
    play.run_to(6 * S)
    assert play.commits() == [{0: 10}]


def test_new_partitions_wait_until_the_commit_of_the_old_ones_has_ended() -> None:
    play = member(**AUTO)
    play.fetched((0, 0, 10))
    play.hold = (FetchRequest, OffsetCommitRequest)
    asked = play.count(OffsetFetchRequest)
    play.rebalance()
    assert play.commits() == [{0: 10}] and play.count(JoinGroupRequest) == 1
    play.answer(OffsetCommitRequest, OffsetCommitResponse(0))
    assert play.count(JoinGroupRequest) == 2 and play.count(OffsetFetchRequest) == asked + 1


@pytest.mark.parametrize(
    ("errors", "sent"),
    [([14, 14], 3), ([14, 14, 14], 3), ([27], 1), ([25], 1)], ids=["passes", "goes on", "rebalance", "unknown"],
)  # fmt: skip
def test_a_commit_that_may_pass_is_tried_twice_more(errors: list[int], sent: int) -> None:
    """consumer:F3.9, consumer:F3.38"""
    play = member(play={"processing": ProcessingSettings(commit="after")}, **COOPERATIVE)
    play.errors = {OffsetCommitRequest: errors}
    play.fetched((0, 0, 10))
    play.run_to(2 * S)
    assert play.count(OffsetCommitRequest) == sent


def test_a_commit_without_coordinator_waits_for_one() -> None:
    play = busy(S, **AUTO)
    play.fetched((0, 0, 10))
    play.hold = (FetchRequest, FindCoordinatorRequest)
    play.role.cgrp._coordinator.unknown()
    play.run_to(7 * S)
    assert play.commits() == []
    play.answer(FindCoordinatorRequest)
    assert play.commits() == [{0: 10}]


# --- rebalances -------------------------------------------------------------------------------------------------------
def test_nothing_more_is_handed_over_once_a_rebalance_waits_for_its_callback() -> None:
    """What a poll has gathered is void too (RD_KAFKA_OP_BARRIER), so the hand-over is exact."""
    play = member(consume_timeout_us=5 * S)
    play.run_to(5_200 * MS)
    play.fetched((0, 0, 3))  # the poll goes on until 10 s
    play.hold = (FetchRequest, JoinGroupRequest)
    play.errors[HeartbeatRequest] = [27]
    play.run_to(7 * S)
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1)] and play.count(JoinGroupRequest) == 2
    play.fetched((0, 3, 1))
    play.run_to(20 * S)
    assert play.polls() == []


def test_an_eager_member_begins_again_at_what_is_committed() -> None:
    """consumer:S06, consumer:F3.12"""
    play = member()
    play.fetched((0, 0, 10))
    play.rebalance()
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1), ("assigned", 0), ("assigned", 1)]
    play.answer(FetchRequest)
    assert next_fetch(play) == {0: 0, 1: 0}


def test_a_cooperative_member_goes_on_where_it_was_and_gives_up_the_rest_behind_the_sync() -> None:
    """consumer:F3.15, consumer:S07, consumer:S08"""
    play = busy(**COOPERATIVE)
    play.fetched((0, 0, 10))
    play.hold = (FetchRequest, JoinGroupRequest)
    play.rebalance()
    play.fetched((0, 10, 5))
    play.run_to(play.now + 2 * S)
    assert play.polls() == [(0, 0, 10), (0, 10, 5)]  # while the JoinGroup waits
    play.share = (0,)
    play.hold = (FetchRequest,)
    play.answer(JoinGroupRequest)
    play.run_to(play.now + S)
    assert play.callbacks()[2:] == [("revoked", 1)]
    assert play.count(JoinGroupRequest) == 3  # the next round begins at once
    play.answer(FetchRequest)
    assert next_fetch(play) == {0: 15}


def late(**more: Any) -> MemberPlay:
    """Its application works for 10 s; the poll interval is 5 s."""
    return busy(S, max_poll_interval_us=5 * S, session_timeout_us=5 * S, **more)


def test_a_late_member_leaves_by_a_timer_twice_a_second_and_joins_again_after_its_next_poll() -> None:
    """consumer:F3.35, consumer:S44"""
    play = late()
    play.fetched((0, 0, 10))
    play.run_to(4_999 * MS)
    assert play.count(LeaveGroupRequest) == 0
    play.run_to(5_500 * MS)
    assert play.count(LeaveGroupRequest) == 1 and [row.code for row in play.port.of(Kind.LEFT)] == [1]
    joins, beats = play.count(JoinGroupRequest), play.count(HeartbeatRequest)
    play.run_to(9_900 * MS)
    assert play.count(JoinGroupRequest) == joins and play.count(HeartbeatRequest) == beats
    play.run_to(11 * S)
    assert play.callbacks()[2:4] == [("lost", 0), ("lost", 1)]
    assert play.count(JoinGroupRequest) == joins + 1


def test_a_late_member_that_a_rebalance_waited_for_hears_of_a_revocation() -> None:
    """consumer:F3.39: nothing marks its assignment as lost while a callback waits (RD_KAFKA_CGRP_REBALANCING)"""
    play = late()
    play.fetched((0, 0, 10))
    play.rebalance()
    play.run_to(11 * S)
    assert play.callbacks()[2:4] == [("revoked", 0), ("revoked", 1)]


def test_a_static_member_that_is_late_does_not_say_so() -> None:
    """consumer:F3.32"""
    play = late(instance="i")
    play.fetched((0, 0, 10))
    play.run_to(6 * S)
    assert play.count(LeaveGroupRequest) == 0 and [row.code for row in play.port.of(Kind.LEFT)] == [1]


def test_a_member_whose_heartbeats_are_not_answered_gives_up_by_its_own_clock() -> None:
    """rd_kafka_cgrp_session_timeout_check: the Java client keeps what it has (consumer 3.4)"""
    play = member(session_timeout_us=10 * S)
    play.hold = (FetchRequest, HeartbeatRequest, JoinGroupRequest, FindCoordinatorRequest)
    play.run_to(8 * S)
    assert play.callbacks()[2:] == []
    play.run_to(14 * S)
    assert play.callbacks()[2:] == [("lost", 0), ("lost", 1)]


def test_a_fenced_member_is_dead() -> None:
    """consumer:S31, consumer:F3.30"""
    play = busy(instance="i")
    play.fetched((0, 0, 10))
    play.errors[HeartbeatRequest] = [int(ErrorCode.FENCED_INSTANCE_ID)]
    play.run_to(20 * S)
    assert play.role.ended and play.callbacks()[2:] == [("lost", 0), ("lost", 1)]
    assert play.commits() == [] and play.count(JoinGroupRequest) == 1


def test_a_join_that_fails_waits_two_seconds_and_one_that_is_given_an_id_none() -> None:
    """rd_interval_backoff; consumer:F3.3"""
    play = member(play={"hold": (FetchRequest, JoinGroupRequest)})
    play.answer(JoinGroupRequest, JoinGroupResponse(int(ErrorCode.MEMBER_ID_REQUIRED), member="me"))
    assert play.held(JoinGroupRequest).member == "me"
    play.answer(JoinGroupRequest, JoinGroupResponse(int(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)))
    play.run_to(1_900 * MS)
    assert play.count(JoinGroupRequest) == 2
    play.run_to(2 * S)
    assert play.count(JoinGroupRequest) == 3


@pytest.mark.parametrize("in_sync", [False, True])
def test_a_close_in_the_middle_of_a_join_leaves_and_ends(in_sync: bool) -> None:
    held = SyncGroupRequest if in_sync else JoinGroupRequest
    play = member(play={"hold": (FetchRequest, held)})
    play.role.close(play.now)
    play.settle()
    if in_sync:
        assert not play.role.ended
        play.answer(held)
        assert play.count(LeaveGroupRequest) == 1
    assert play.role.ended and play.callbacks() == []


def test_a_close_serves_the_callback_and_leaves_behind_the_last_commit() -> None:
    """consumer:F4.1"""
    play = member(**AUTO)
    play.fetched((0, 0, 10))
    play.role.close(play.now)
    play.settle()
    kinds = [type(message) for message in play.asked if isinstance(message, OffsetCommitRequest | LeaveGroupRequest)]
    assert kinds == [OffsetCommitRequest, LeaveGroupRequest]
    assert play.callbacks()[2:] == [("revoked", 0), ("revoked", 1)] and play.role.ended


def test_a_close_while_a_revocation_waits_tells_of_the_rest_in_a_second_callback() -> None:
    """rd_kafka_cgrp_handle_assign_op: the first is taken for an unassignment of everything"""
    play = busy(S, **COOPERATIVE)
    play.fetched((0, 0, 10))
    play.share = (0,)
    play.rebalance()
    play.role.close(play.now)
    play.run_to(10 * S)
    assert play.callbacks()[2:] == [("revoked", 1), ("revoked", 0)] and play.role.ended
