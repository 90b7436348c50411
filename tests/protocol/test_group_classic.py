"""A classic group's states, as its coordinator goes through them."""

from __future__ import annotations

import pytest

from sim.errors import LawBroken
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_classic import EXPIRED, JOINED, LEFT, NOT_REJOINED, State
from sim.protocol.group_messages import JoinGroupResponse, LeaveGroupResponse, OffsetCommitRequest
from sim.protocol.rows import Kind
from sim.protocol.settings import CoordinatorSettings
from tests.protocol.group_play import ANSWERS_NOTHING, MS, GroupPlay, S

NO_DELAY = CoordinatorSettings(initial_rebalance_delay_us=0)


def members(play: GroupPlay) -> list[tuple[int, int]]:
    """(host, code) of the member rows."""
    return [(n, code) for kind, n, code in play.rows if kind is Kind.MEMBER]


def pair() -> GroupPlay:
    """A and B in generation 1, A leads and owns partition 0, B owns 1."""
    play = GroupPlay()
    play.stable("A", "B")
    assert play.group.state is State.STABLE and play.group.generation == 1
    return play


# --- joining ----------------------------------------------------------------------------------------------------------
def test_a_dynamic_member_joins_twice() -> None:
    """consumer:F3.3"""
    play = GroupPlay()
    assert play.join("A") is ANSWERS_NOTHING
    first = play.answers["A"][0]
    assert (first.error, first.member) == (ErrorCode.MEMBER_ID_REQUIRED, play.ids["A"])
    assert list(play.group.roster.members) == [play.ids["A"]] and play.group.roster.pending == {}


def test_the_first_rebalance_waits_for_members_and_longer_if_some_came() -> None:
    """consumer:S28, consumer:F3.4"""
    play = GroupPlay(rebalance_us=9 * S)
    play.join("A")
    play.run_to(2_999 * MS)
    play.join("B")
    play.run_to(3_000 * MS)
    assert play.group.state is State.PREPARING
    play.run_to(6_000 * MS - 1)
    assert play.group.generation == 0
    play.run_to(6_000 * MS)
    assert play.group.generation == 1 and set(play.generation) == {"A", "B"}


def test_the_first_rebalance_ends_after_one_delay_if_nobody_else_came() -> None:
    play = GroupPlay()
    play.join("A")
    play.run_to(3 * S - 1)
    assert play.group.generation == 0
    play.run_to(3 * S)
    assert play.group.generation == 1


def test_the_leader_alone_is_told_of_all_members() -> None:
    play = GroupPlay()
    for name in ("A", "B"):
        play.join(name)
    play.run_to(10 * S)
    assert [one.member for one in play.answers["A"][-1].members] == sorted(play.ids.values())
    assert play.answers["B"][-1].members == ()
    assert play.answers["A"][-1].leader == play.answers["B"][-1].leader == play.ids["A"]


def test_who_does_not_rejoin_in_time_is_out() -> None:
    """consumer:S29 (its commit is refused), consumer:F3.5"""
    play = pair()
    play.join("C")
    joined_at = play.now
    assert play.beat("A") == ErrorCode.REBALANCE_IN_PROGRESS
    play.join("B")
    for second in range(1, 60):  # A's heartbeats keep its session; it never polls
        play.run_to(joined_at + second * S)
        play.beat("A")
    assert play.group.generation == 1
    play.run_to(joined_at + 60 * S)
    assert play.group.generation == 2
    assert set(play.group.roster.members) == {play.ids["B"], play.ids["C"]}
    assert members(play)[-1] == (100, NOT_REJOINED)
    assert play.objection("A") == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_static_member_that_does_not_rejoin_keeps_its_place() -> None:
    """consumer:S30"""
    play = GroupPlay(session_us=15 * S, rebalance_us=10 * S)
    play.stable("L", "F", L="iL", F="iF")
    play.join("N", instance="iN")
    at = play.now
    play.join("F", instance="iF")
    assert play.group.generation == 1
    play.run_to(at + 10 * S)
    assert play.group.generation == 2 and len(play.group.roster.members) == 3
    assert play.group.roster.leader != play.ids["L"] and play.ids["L"] in play.group.roster.members


def test_a_rebalance_ends_as_soon_as_all_are_back() -> None:
    play = pair()
    assert play.join("C") is ANSWERS_NOTHING and play.join("A") is ANSWERS_NOTHING
    told = play.join("B")
    assert (told.error, told.generation) == (0, 2) and play.group.state is State.COMPLETING


def test_a_follower_that_asks_again_gets_the_same_generation_and_a_leader_a_new_one() -> None:
    """consumer:F3.8"""
    play = pair()
    again = play.join("B")
    assert (again.error, again.generation, play.group.state) == (0, 1, State.STABLE)
    play.join("B", owned=(1,))
    assert play.group.state is State.PREPARING
    play = pair()
    assert play.join("A") is ANSWERS_NOTHING and play.group.state is State.PREPARING


def test_a_session_timeout_outside_the_limits_is_refused() -> None:
    play = GroupPlay(session_us=5_999 * MS)
    assert play.join("A").error == ErrorCode.INVALID_SESSION_TIMEOUT


def test_without_a_common_assignor_nobody_joins() -> None:
    play = pair()
    assert play.join("C", protocols=("sticky",)).error == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert play.group.state is State.STABLE


def test_a_group_has_at_most_so_many_members() -> None:
    play = GroupPlay(CoordinatorSettings(group_max_size=1))
    play.join("A")
    assert play.join("B").error == ErrorCode.GROUP_MAX_SIZE_REACHED


# --- sync -------------------------------------------------------------------------------------------------------------
def test_syncs_wait_until_the_assignment_is_in_the_log() -> None:
    """consumer 3.1: COMPLETING parks SyncGroup"""
    play = GroupPlay(settings=NO_DELAY, holds_writes=True)
    play.join("A")
    play.run_to(0)
    assert play.sync("A", A=(0, 1)) is ANSWERS_NOTHING
    assert play.group.state is State.COMPLETING
    play.held.pop()(0, play.now)
    assert play.answers["A"][-1].partitions == (0, 1) and play.group.state is State.STABLE
    assert play.written[-1].members[0].assignment == (0, 1)


def test_an_assignment_that_cannot_be_written_starts_anew() -> None:
    play = GroupPlay(settings=NO_DELAY, holds_writes=True)
    play.join("A")
    play.run_to(0)
    play.sync("A", A=(0,))
    play.held.pop()(ErrorCode.COORDINATOR_NOT_AVAILABLE, play.now)
    assert play.answers["A"][-1].error == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert play.group.state is State.PREPARING


def test_who_was_told_and_never_syncs_is_out() -> None:
    """consumer:F3.7"""
    play = GroupPlay(settings=NO_DELAY, session_us=100 * S, rebalance_us=20 * S)
    play.join("A")
    play.run_to(0)
    play.run_to(20 * S - 1)
    assert play.group.state is State.COMPLETING and len(play.group.roster.members) == 1
    play.run_to(20 * S)
    assert play.group.roster.members == {} and members(play)[-1] == (100, NOT_REJOINED)


def test_a_sync_of_another_generation_is_refused() -> None:
    play = pair()
    play.generation["B"] = 0
    assert play.sync("B").error == ErrorCode.ILLEGAL_GENERATION
    play.join("C")
    play.generation["B"] = 1
    assert play.sync("B").error == ErrorCode.REBALANCE_IN_PROGRESS


def test_a_partition_given_twice_is_our_own_fault() -> None:
    play = GroupPlay()
    for name in ("A", "B"):
        play.join(name)
    play.run_to(10 * S)
    with pytest.raises(LawBroken, match="both own partition 3"):
        play.sync("A", A=(3,), B=(3,))


# --- heartbeats and sessions ------------------------------------------------------------------------------------------
def test_heartbeats_by_state() -> None:
    """consumer 3.1, column Heartbeat"""
    play = pair()
    assert play.beat("A") == 0
    play.generation["A"] = 7
    assert play.beat("A") == ErrorCode.ILLEGAL_GENERATION
    play.generation["A"] = 1
    play.join("C")
    assert play.beat("A") == ErrorCode.REBALANCE_IN_PROGRESS  # PREPARING
    play.join("A")
    play.join("B")
    assert play.group.state is State.COMPLETING and play.beat("A") == 0
    empty = GroupPlay()
    empty.ids["X"], empty.generation["X"] = "X-1", 0
    assert empty.beat("X") == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_silent_member_is_out_after_its_session() -> None:
    play = pair()
    start = play.now
    for second in range(1, 10):
        play.run_to(start + second * S)
        play.beat("A")
    assert len(play.group.roster.members) == 2
    play.run_to(start + 10 * S)
    assert set(play.group.roster.members) == {play.ids["A"]} and members(play)[-1] == (101, EXPIRED)
    assert play.group.state is State.PREPARING


def test_a_parked_join_is_a_sign_of_life_and_a_brand_new_one_for_five_minutes() -> None:
    """consumer:F3.6"""
    play = pair()
    play.rebalance_us = 700 * S
    play.join("C")
    play.join("B")
    at = play.now
    for second in range(1, 299):
        play.run_to(at + second * S)
        play.beat("A")  # it does not come back, and C's rebalance timeout is long
    assert play.ids["B"] in play.group.roster.members and play.ids["C"] in play.group.roster.members
    for second in range(299, 302):
        play.run_to(at + second * S)
        play.beat("A")
    assert play.ids["C"] not in play.group.roster.members and play.ids["B"] in play.group.roster.members
    # GroupMetadataManager.removeMemberAndUpdateClassicGroup: so that it joins again, with no id
    assert [(one.error, one.member) for one in play.answers["C"][1:]] == [(ErrorCode.UNKNOWN_MEMBER_ID, "")]


def test_who_leaves_over_another_connection_is_answered_where_it_is_parked() -> None:
    """GroupMetadataManager.removeCurrentMemberFromClassicGroup"""
    play = pair()
    play.join("A")
    told = len(play.answers["A"])
    play.leave("A")
    assert [type(one) for one in play.answers["A"][told:]] == [JoinGroupResponse, LeaveGroupResponse]
    assert play.answers["A"][told].error == ErrorCode.UNKNOWN_MEMBER_ID


def test_an_accepted_commit_keeps_the_session() -> None:
    """consumer:F3.2"""
    play = pair()
    start = play.now
    play.run_to(start + 9 * S)
    play.group.committed(OffsetCommitRequest(0, 1, play.ids["A"], "", {}), play.now)
    play.run_to(start + 11 * S)
    assert set(play.group.roster.members) == {play.ids["A"]}


def test_a_member_that_leaves_frees_its_place_at_once() -> None:
    play = pair()
    assert play.leave("B") == 0
    assert members(play)[-1] == (101, LEFT) and play.group.state is State.PREPARING
    assert play.leave("B") == ErrorCode.UNKNOWN_MEMBER_ID
    play.join("A")
    assert play.group.generation == 2
    play.leave("A")
    assert play.group.state is State.EMPTY and play.group.generation == 3
    assert members(play)[0] == (100, JOINED)


# --- commits ----------------------------------------------------------------------------------------------------------
def test_commits_by_state() -> None:
    """consumer:S36 (first half), consumer:toy-11, consumer:F4.9, consumer:F3.1, consumer 3.1, column OffsetCommit"""
    play = pair()
    assert play.objection("A") == 0
    assert play.objection("A", generation=0) == ErrorCode.ILLEGAL_GENERATION
    assert play.objection("A", member="nobody") == ErrorCode.UNKNOWN_MEMBER_ID
    assert play.objection("A", generation=-1, member="") == ErrorCode.UNKNOWN_MEMBER_ID  # assign() beside a group
    play.join("C")
    assert play.objection("A") == 0  # PREPARING, with the old generation
    play.join("A")
    play.join("B")
    assert play.objection("A") == ErrorCode.REBALANCE_IN_PROGRESS  # COMPLETING
    empty = GroupPlay()
    empty.ids["A"], empty.generation["A"] = "", -1
    assert empty.objection("A") == 0


# --- static members ---------------------------------------------------------------------------------------------------
def comes_back_unwritten(play: GroupPlay, name: str) -> None:
    """A new process under instance id i; its new id is on its way to the log."""
    play.holds_writes = True
    del play.ids[name]
    assert play.join(name, instance="i") is ANSWERS_NOTHING


def test_a_rebalance_answers_a_static_member_whose_new_id_is_not_written_yet() -> None:
    """``updateStaticMemberThenRebalanceOrCompleteJoin``: it waits for its join meanwhile, and whether it leads is asked
    at the end. Else it would be told that it leads, and of no members."""
    play = GroupPlay()
    play.stable("a", "b", b="i")
    comes_back_unwritten(play, "b")

    play.leave("a")

    answer = play.answers["b"][-1]
    assert (answer.error, answer.generation, answer.leader) == (0, 2, answer.member)
    assert [one.member for one in answer.members] == [answer.member]
    before = len(play.answers["b"])
    play.held[0](0, play.now)  # now it is written
    assert len(play.answers["b"]) == before


def test_a_static_member_that_leads_by_the_time_it_is_written_is_told_of_all() -> None:
    play = GroupPlay()
    play.stable("a", "b", a="i")
    comes_back_unwritten(play, "a")

    play.held[0](0, play.now)

    answer = play.answers["a"][-1]
    assert (answer.error, answer.generation, answer.leader, len(answer.members)) == (0, 1, answer.member, 2)


def test_a_new_id_that_is_not_written_in_time_gives_way_to_the_old_one() -> None:
    """``updateStaticMemberThenRebalanceOrCompleteJoin``, "Reverting to old member id": the process that was replaced is
    a member again, with its place, its partitions and a session of its own; the newcomer joins anew."""
    play = GroupPlay()
    play.stable("a", "b", a="i")
    old = play.ids["a"]
    comes_back_unwritten(play, "a")
    new = play.group.roster.static["i"]
    assert new != old and play.beat("a", "i", old) == ErrorCode.FENCED_INSTANCE_ID

    play.held.pop(0)(ErrorCode.COORDINATOR_NOT_AVAILABLE, play.now)

    answer = play.answers["a"][-1]
    assert (answer.error, answer.generation, answer.member) == (ErrorCode.COORDINATOR_NOT_AVAILABLE, -1, "")
    assert play.group.roster.leader == old and play.group.roster.members[old].assignment == (0,)
    assert play.beat("a", "i", old) == 0 and play.beat("a", "i", new) == ErrorCode.FENCED_INSTANCE_ID
    play.run_to(play.now + play.group.roster.members[old].session_timeout_us)
    assert old not in play.group.roster.members  # it said nothing since


def test_a_new_id_that_a_rebalance_has_told_of_gives_way_too() -> None:
    """Its Sync waits for the leader's word then, and is fenced."""
    play = GroupPlay()
    play.stable("a", "b", b="i")
    old = play.ids["b"]
    comes_back_unwritten(play, "b")
    play.join("a")
    assert play.answers["b"][-1].generation == 2
    assert play.sync("b") is ANSWERS_NOTHING
    joins = len(play.answers["b"])

    play.held.pop(0)(ErrorCode.COORDINATOR_NOT_AVAILABLE, play.now)

    assert [answer.error for answer in play.answers["b"][joins:]] == [ErrorCode.FENCED_INSTANCE_ID]
    assert list(play.group.roster.members) == [play.ids["a"], old]


def test_a_static_member_that_comes_back_finds_its_place_without_a_rebalance() -> None:
    """consumer:S32, consumer:F3.30"""
    play = GroupPlay()
    play.stable("L", "F", L="iL", F="iF")
    old = play.ids.pop("F")
    told = play.join("F", instance="iF")
    assert (told.error, told.generation, play.group.state) == (0, 1, State.STABLE)
    assert told.member != old and play.sync("F").partitions == (1,)
    assert play.beat("F", "iF", old) == ErrorCode.FENCED_INSTANCE_ID
    assert play.objection("F", instance="iF", member=old) == ErrorCode.FENCED_INSTANCE_ID


def test_the_newer_process_of_an_instance_fences_a_parked_one() -> None:
    """consumer:S31 (the broker's half)"""
    play = GroupPlay()
    play.stable("L", "F", L="iL", F="iF")
    play.join("N")
    assert play.join("F", instance="iF") is ANSWERS_NOTHING
    old = play.ids.pop("F")
    play.join("F", instance="iF")
    fenced = [answer for answer in play.answers["F"] if answer.error == ErrorCode.FENCED_INSTANCE_ID]
    assert len(fenced) == 1 and old not in play.group.roster.members


# --- moving -----------------------------------------------------------------------------------------------------------
def test_a_group_is_loaded_as_it_was_written_with_fresh_sessions() -> None:
    """consumer:F3.9"""
    play = pair()
    there = GroupPlay(now=100 * S)
    there.group.load(play.written[-1])
    there.group.loaded(there.now)
    there.ids, there.generation = play.ids, play.generation
    assert there.group.state is State.STABLE and there.beat("A") == 0
    assert there.group.roster.members[play.ids["B"]].assignment == (1,)
    there.run_to(100 * S + 10 * S - 1)
    assert len(there.group.roster.members) == 2
    there.run_to(100 * S + 10 * S)
    assert there.group.roster.members == {}


def test_a_coordinator_that_resigns_sends_away_whoever_is_parked() -> None:
    play = pair()
    play.join("C")
    play.join("A")
    play.group.resign(play.now)
    assert [play.answers[name][-1].error for name in ("A", "C")] == [ErrorCode.NOT_COORDINATOR] * 2
