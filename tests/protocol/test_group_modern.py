"""A KIP-848 group at its coordinator: sessions, time to give up, static members, commits, and what a new one reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sim.protocol.broker_channels import Channel
from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.group_messages import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupRecord,
    OffsetCommitRequest,
    OffsetFetchRequest,
)
from sim.protocol.group_modern import ModernGroup
from sim.protocol.rows import Kind
from sim.protocol.settings import CoordinatorSettings
from tests.protocol.scripted_port import Wire

S = 1_000_000


@dataclass
class Play:
    """A group in a home that the test plays. Members go by one letter, and their hosts by its place: A is 0.

    ``written``: records of the log; ``holds``: they wait to be replicated, in ``waiting``.
    """

    settings: CoordinatorSettings = field(default_factory=CoordinatorSettings)
    partitions: tuple[int, ...] = (10, 11, 12, 13)
    rebalance_us: int = 10 * S
    now: int = 0
    holds: bool = False

    def __post_init__(self) -> None:
        self.answers: list[Any] = []
        self.rows: list[tuple[Kind, int, int, int]] = []
        self.written: list[ConsumerGroupRecord] = []
        self.waiting: list[Callable[[int, int], None]] = []
        self.epochs: dict[str, int] = {}
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []
        self.group = ModernGroup(self, 0)

    # --- the home -----------------------------------------------------------------------------------------------------
    def write(self, record: ConsumerGroupRecord, now_us: int, then: Callable[[int, int], None]) -> None:
        self.written.append(record)
        if self.holds:
            self.waiting.append(then)
        else:
            then(0, now_us)

    def reply(self, channel: Channel, response: object, now_us: int) -> None:
        self.answers.append(response)

    reply_in_order = reply

    def at(self, time_us: int, ring: Callable[[int], None]) -> None:
        self._timers.append((time_us, len(self._timers), ring))

    def record(self, kind: Kind, group: int, epoch: int, n: int, code: int = 0) -> None:
        self.rows.append((kind, epoch, n, code))

    def topic_names(self) -> dict[int, str]:
        return {0: "t"}

    def topic_id(self, topic: int) -> int:
        return 7

    def topic_partitions(self, topic: int) -> tuple[int, ...]:
        return self.partitions

    # --- time and members ---------------------------------------------------------------------------------------------
    def run_to(self, time_us: int) -> None:
        while due := sorted(timer[:2] for timer in self._timers if timer[0] <= time_us):
            timer = next(one for one in self._timers if one[:2] == due[0])
            self._timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[2](self.now)
        self.now = time_us

    def beat(self, name: str, owned: tuple[int, ...] | None = None, **more: Any) -> Any:
        """A heartbeat in the epoch that was answered last; the first one joins. What is answered, or None."""
        epoch = more.pop("epoch", self.epochs.get(name, 0))
        request = ConsumerGroupHeartbeatRequest(0, name, more.pop("instance", ""), epoch, owned=owned)
        if epoch == 0:
            request.rebalance_timeout_us, request.topics, request.owned = self.rebalance_us, (0,), ()
            request.assignor = more.pop("assignor", None)
        before = len(self.answers)
        self.group.heartbeat(Channel(Wire(0, ord(name) - ord("A"), 1)), request, self.now)
        if len(self.answers) == before:
            return None
        answer = self.answers[-1]
        if not answer.error:
            self.epochs[name] = answer.epoch
        return answer

    def commit(self, name: str, epoch: int, partition: int = 10) -> int:
        return self.group.objection(OffsetCommitRequest(0, epoch, name, "", {partition: (1, 0)}))

    def of(self, kind: Kind) -> list[tuple[int, int, int]]:
        return [row[1:] for row in self.rows if row[0] is kind]

    def two(self) -> None:
        """A has 10 and 11, B has 12 and 13, at rest."""
        self.beat("A", assignor="range")
        self.run_to(self.now + S)
        self.beat("B", assignor="range")
        self.beat("A")
        self.beat("A", (10, 11))
        self.beat("B")


def test_a_heartbeat_that_changes_something_is_answered_when_that_is_replicated() -> None:
    play = Play(holds=True)
    assert play.beat("A") is None and len(play.written) == 1
    play.waiting.pop()(0, 0)
    answer = play.answers[-1]
    assert (answer.error, answer.epoch, answer.heartbeat_interval_us) == (0, 1, 5 * S)
    assert answer.assignment == (10, 11, 12, 13)
    play.epochs["A"] = 1
    assert play.beat("A").assignment is None and len(play.written) == 1  # nothing new: nothing is written
    assert play.beat("B") is None
    play.waiting.pop()(E.NOT_COORDINATOR, 0)
    assert play.answers[-1].error == E.NOT_COORDINATOR


def test_a_silent_member_is_put_out_after_its_session_and_a_commit_is_no_sign_of_life() -> None:
    """consumer:F3.24, consumer:F3.2"""
    play = Play()
    play.two()
    at = play.now
    play.run_to(at + 44 * S)
    assert play.commit("A", 2) == 0
    play.group.committed(OffsetCommitRequest(0, 2, "A", "", {}), play.now)
    play.beat("B")
    play.run_to(at + 45 * S)
    assert play.of(Kind.MEMBER)[-1] == (2, 0, 2) and play.of(Kind.GENERATION)[-1] == (3, 1, 0)
    assert play.beat("B").assignment == (10, 11, 12, 13)
    assert play.beat("A").error == E.UNKNOWN_MEMBER_ID


def test_who_does_not_give_up_in_time_is_put_out_with_all_it_has() -> None:
    """consumer:S34, consumer:F3.24: the time runs from the heartbeat that told it"""
    play = Play()
    play.beat("A")
    play.run_to(S)
    play.beat("B")
    play.run_to(3 * S)
    told = play.beat("A")
    assert len(told.assignment) == 2
    play.run_to(12 * S)
    assert play.beat("A").error == 0 and play.beat("B").assignment is None  # alive, and still holding on
    play.run_to(13 * S)
    assert play.of(Kind.MEMBER)[-1] == (1, 0, 3)
    assert play.beat("B").assignment == (10, 11, 12, 13)


def test_who_gave_up_in_time_is_left_alone() -> None:
    play = Play()
    play.beat("A")
    play.run_to(S)
    play.beat("B")
    kept = play.beat("A").assignment
    play.run_to(2 * S)
    play.beat("A", kept)
    play.run_to(30 * S)
    assert play.beat("A").error == 0 and [code for *_, code in play.of(Kind.MEMBER)] == [0, 0, 5]


def test_a_static_member_that_left_for_a_while_is_awaited_until_its_session_ends() -> None:
    """consumer:F3.31, consumer:F3.32: ``consumerGroupStaticMemberGroupLeave`` starts no session of its own"""
    play = Play()
    play.beat("A", instance="i")
    play.run_to(5 * S)
    play.beat("A", instance="i")
    play.run_to(9 * S)
    assert play.beat("A", epoch=-2, instance="i").epoch == -2
    play.run_to(10 * S)
    assert play.beat("B").assignment == ()
    play.run_to(50 * S - 1)
    assert play.beat("B").assignment is None
    play.run_to(50 * S)
    assert play.beat("B").assignment == (10, 11, 12, 13)
    assert [code for *_, code in play.of(Kind.MEMBER) if code] == [1, 5]  # it went once, by its own word


def test_a_static_member_whose_first_answer_was_lost_is_refused_when_it_asks_again() -> None:
    """``throwIfInstanceIdIsUnreleased`` does not look at the member id"""
    play = Play()
    play.beat("A", instance="i")
    assert play.beat("A", epoch=0, instance="i").error == E.UNRELEASED_INSTANCE_ID
    dynamic = Play()
    dynamic.beat("A")
    assert dynamic.beat("A", epoch=0).assignment == (10, 11, 12, 13)


def test_offsets_are_fetched_in_the_members_epoch_or_by_nobody() -> None:
    """``ConsumerGroup.validateOffsetFetch``"""
    play = Play()
    play.two()
    ask = play.group.fetch_objection
    assert ask(OffsetFetchRequest(0, (10,), "A", 2)) == 0 and ask(OffsetFetchRequest(0, (10,))) == 0
    assert ask(OffsetFetchRequest(0, (10,), "A", 1)) == E.STALE_MEMBER_EPOCH
    assert ask(OffsetFetchRequest(0, (10,), "C", 2)) == E.UNKNOWN_MEMBER_ID


def test_a_commit_across_an_epoch_passes_for_what_was_kept_and_a_members_of_nobody_only_in_an_empty_group() -> None:
    """consumer:F3.26"""
    play = Play()
    play.two()
    assert [play.commit("A", 1, one) for one in (10, 12)] == [0, E.STALE_MEMBER_EPOCH]
    assert play.commit("B", 1, 12) == E.STALE_MEMBER_EPOCH and play.commit("B", 2, 12) == 0
    assert play.commit("A", -1) == E.STALE_MEMBER_EPOCH and play.commit("C", -1) == E.UNKNOWN_MEMBER_ID
    play.beat("A", epoch=-1)
    play.beat("B", epoch=-1)
    assert play.commit("A", -1) == 0  # who left as the last one: its late commit is taken
    assert play.commit("A", 2) == E.UNKNOWN_MEMBER_ID


def test_most_members_wishes_choose_the_assignor() -> None:
    """``computePreferredServerAssignor``: range gives runs by member id, uniform gives blocks in another order"""
    shares = []
    for wish in ("range", "uniform"):
        play = Play(CoordinatorSettings(assignment_interval_us=0), partitions=tuple(range(6)))
        for name in "CBA":
            play.beat(name, assignor=wish if name != "A" else None)
        for _ in range(2):
            for name in "CBA":
                member = play.group.group.members[name]
                play.beat(name, tuple(index for _, index in member.assigned))
        members = play.group.group.members
        shares.append({name: sorted(index for _, index in members[name].assigned) for name in "ABC"})
    assert shares[0] == {"A": [0, 1], "B": [2, 3], "C": [4, 5]}
    assert shares[1] != shares[0] and sorted(sum(shares[1].values(), [])) == list(range(6))


def test_a_full_group_refuses_newcomers() -> None:
    play = Play(CoordinatorSettings(modern_max_size=1))
    play.beat("A")
    assert play.beat("B").error == E.GROUP_MAX_SIZE_REACHED and play.beat("A").error == 0


def test_new_partitions_are_given_at_the_next_heartbeat_and_a_fence_sees_them_too() -> None:
    """consumer:F3.28: one epoch for both, as ``consumerGroupFenceMembers`` keeps the hash of the topics that it saw"""
    play = Play(CoordinatorSettings(assignment_interval_us=0))
    play.beat("A")
    play.partitions = (10, 11, 12, 13, 90)
    assert play.beat("A").assignment == (10, 11, 12, 13, 90)
    play.beat("B")
    play.partitions = (10, 11, 12, 13, 90, 91)
    epoch = play.group.group.group_epoch
    play.beat("B", epoch=-1)
    assert len(play.beat("A").assignment or play.group.group.members["A"].assigned) == 6
    assert play.group.group.group_epoch == epoch + 1


@pytest.mark.parametrize("metadata", [(10, 11, 12, 13), (10, 11, 12)], ids=["the same", "a broker that lags behind"])
def test_a_new_coordinator_goes_on_where_the_log_ends(metadata: tuple[int, ...]) -> None:
    """consumer:F3.9 for member epochs: sessions and the time to give up begin anew; epochs, targets and owners stay."""
    play = Play()
    play.beat("A")
    play.run_to(S)
    play.beat("B")
    kept = play.beat("A").assignment  # A is to give up, B waits
    after = Play(partitions=metadata, now=20 * S)
    after.epochs = dict(play.epochs)
    after.group.load(play.written[-1])
    after.group.loaded(after.now)
    assert after.rows == [(Kind.COORDINATES, 2, 2, 0), (Kind.MEMBER, 1, 0, 4), (Kind.MEMBER, 2, 1, 4)]
    assert after.commit("A", 1, 10) == 0
    if metadata == play.partitions:
        assert after.beat("A").error == 0
        after.run_to(29 * S)
        assert after.beat("A", kept).epoch == 2
        gained = after.beat("B").assignment
        assert set(gained) | set(kept) == {10, 11, 12, 13}
    else:
        assert after.beat("A", (10, 11, 12, 13)).error == 0
        after.run_to(30 * S)  # it had ten seconds from the load on
        assert after.of(Kind.MEMBER)[-1] == (1, 0, 3)
