"""KIP-848: a member's steps towards its target (CurrentAssignmentBuilderTest), and groups that hand partitions over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import LawBroken
from sim.protocol.assign_input import TopicPartition
from sim.protocol.assign_server import server_range, server_uniform
from sim.protocol.assign_target import GroupSpec, Target
from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.group_reconcile import ConsumerGroupMember, MemberState, reconcile
from sim.protocol.group_target import ConsumerGroup, HeartbeatAnswer
from tests.conformance.assignors import partitions

S = 1_000_000
STABLE, UNREVOKED, UNRELEASED = MemberState.STABLE, MemberState.UNREVOKED_PARTITIONS, MemberState.UNRELEASED_PARTITIONS


def free(_: TopicPartition) -> int:
    return -1


def taken(_: TopicPartition) -> int:
    return 10


def at(written: str, epoch: int = 10) -> dict[TopicPartition, int]:
    return dict.fromkeys(partitions(written), epoch)


def member(
    state: MemberState, epoch: int, assigned: str, revoking: str = "", topics: str = "tu"
) -> ConsumerGroupMember:
    return ConsumerGroupMember("m", frozenset(topics), None, epoch, 10, state, at(assigned), at(revoking))


def shown(one: ConsumerGroupMember) -> tuple[MemberState, int, int, set[TopicPartition], set[TopicPartition]]:
    return one.state, one.epoch, one.previous_epoch, set(one.assigned), set(one.revoking)


def expected(
    state: MemberState, epoch: int, previous: int, assigned: str, revoking: str = ""
) -> tuple[MemberState, int, int, set[TopicPartition], set[TopicPartition]]:
    return state, epoch, previous, set(at(assigned)), set(at(revoking))


@pytest.mark.parametrize(
    ("before", "target_epoch", "target", "others", "owned", "after"),
    [
        pytest.param(
            member(STABLE, 10, "t:1-3 u:4-6"), 11, "t:1-3 u:4-6", free, None,
            expected(STABLE, 11, 10, "t:1-3 u:4-6"), id="testStableToStable",
        ),
        pytest.param(
            member(STABLE, 10, "t:1-3 u:4-6"), 11, "t:1-4 u:4-7", free, None,
            expected(STABLE, 11, 10, "t:1-4 u:4-7"), id="testStableToStableWithNewPartitions",
        ),
        pytest.param(
            member(STABLE, 10, "t:1-3 u:4-6"), 11, "t:2-4 u:5-7", free, None,
            expected(UNREVOKED, 10, 10, "t:2-3 u:5-6", "t:1 u:4"), id="testStableToUnrevokedPartitions",
        ),
        pytest.param(
            member(STABLE, 10, "t:1-3 u:4-6"), 11, "t:1-4 u:4-7", taken, None,
            expected(UNRELEASED, 11, 10, "t:1-3 u:4-6"), id="testStableToUnreleasedPartitions",
        ),
        pytest.param(
            member(STABLE, 10, "t:1-3 u:4-6"), 11, "t:1-3 u:4,5,7", taken, "",
            expected(UNRELEASED, 11, 10, "t:1-3 u:4-5"),
            id="testStableToUnreleasedPartitionsWithOwnedPartitionsNotHavingRevokedPartitions",
        ),
        pytest.param(
            member(UNREVOKED, 10, "t:2-3 u:5-6", "t:1 u:4"), 11, "t:2-3 u:5-6", free, "t:2-3 u:5-6",
            expected(STABLE, 11, 10, "t:2-3 u:5-6"), id="testUnrevokedPartitionsToStable",
        ),
        pytest.param(
            member(UNREVOKED, 10, "t:2-3 u:5-6", "t:1 u:4"), 12, "t:3 u:6", free, "t:2-3 u:5-6",
            expected(UNREVOKED, 10, 10, "t:3 u:6", "t:2 u:5"),
            id="testUnrevokedPartitionsToUnrevokedPartitions, where 4.3.0 no longer raises the epoch by one",
        ),
        pytest.param(
            member(UNREVOKED, 11, "t:2-3 u:5-6"), 11, "t:2-4 u:5-7", taken, "t:2-3 u:5-6",
            expected(UNRELEASED, 11, 11, "t:2-3 u:5-6"), id="testUnrevokedPartitionsToUnreleasedPartitions",
        ),
        pytest.param(
            member(UNRELEASED, 11, "t:2-3 u:5-6"), 12, "t:2-3 u:5-6", taken, None,
            expected(STABLE, 12, 11, "t:2-3 u:5-6"), id="testUnreleasedPartitionsToStable",
        ),
        pytest.param(
            member(UNRELEASED, 11, "t:2-3 u:5-6"), 11, "t:2-4 u:5-7", free, None,
            expected(STABLE, 11, 11, "t:2-4 u:5-7"), id="testUnreleasedPartitionsToStableWithNewPartitions",
        ),
        pytest.param(
            member(UNRELEASED, 11, "t:2-3 u:5-6"), 12, "t:3 u:6", taken, None,
            expected(UNREVOKED, 11, 11, "t:3 u:6", "t:2 u:5"), id="testUnreleasedPartitionsToUnrevokedPartitions",
        ),
    ],
)  # fmt: skip
def test_a_member_takes_the_step_that_kafka_takes(
    before: ConsumerGroupMember, target_epoch: int, target: str, others: object, owned: str | None, after: object
) -> None:
    """consumer:F3.19."""
    listed = None if owned is None else partitions(owned)
    stepped = reconcile(before, target_epoch, partitions(target), others, listed)  # type: ignore[arg-type]
    assert shown(stepped) == after


def epochs(listed: list[list[object]]) -> dict[TopicPartition, int]:
    return {(topic, index): epoch for topic, index, epoch in listed}  # type: ignore[misc]


def test_three_hundred_steps_that_kafkas_class_took() -> None:
    """consumer:F3.19; ``tests/conformance/ReconcileGrids.java`` printed them from CurrentAssignmentBuilder 4.3.0."""
    table = Path(__file__).parents[1] / "conformance" / "reconcile.json"
    steps = json.loads(table.read_text(encoding="utf-8"))["steps"]
    assert len(steps) == 300
    for step in steps:
        before, after = (
            ConsumerGroupMember(
                "m", frozenset(step["topics"]), None, one["epoch"], one["previous"], MemberState[one["state"]],
                epochs(one["assigned"]), epochs(one["revoking"]),
            )  # fmt: skip
            for one in (step["before"], step["after"])
        )
        has = dict.fromkeys(before.revoking, before.epoch) | epochs(step["others"])
        owned = None if step["owned"] is None else [(topic, index) for topic, index in step["owned"]]
        target = [(topic, index) for topic, index in step["target"]]
        stepped = reconcile(
            before, step["target_epoch"], target, lambda p, has=has: has.get(p, -1), owned,
            subscription_changed=step["changed"],
        )  # fmt: skip
        assert stepped == after


@pytest.mark.parametrize("owned", [None, "t:1-3 u:5-6", "t:2-3 u:4-6"])
def test_a_member_that_may_still_hold_what_it_gives_up_waits(owned: str | None) -> None:
    """CurrentAssignmentBuilderTest.testRemainsInUnrevokedPartitions; consumer:F3.20."""
    before = member(UNREVOKED, 10, "t:2-3 u:5-6", "t:1 u:4")
    listed = None if owned is None else partitions(owned)
    assert reconcile(before, 12, partitions("t:3 u:6"), free, listed) is before


def test_a_partition_remembers_the_epoch_in_which_it_was_assigned() -> None:
    """consumer:F3.26."""
    stepped = reconcile(member(STABLE, 10, "t:1"), 12, partitions("t:1-2"), free, None)
    assert stepped.assigned == {("t", 1): 10, ("t", 2): 12}


def test_what_a_member_was_giving_up_itself_is_free_for_it() -> None:
    """4.3.0 computeNextAssignment: it is the owner, so nobody else can be."""
    before = member(UNREVOKED, 10, "t:2", "t:1")
    stepped = reconcile(before, 11, partitions("t:1-2"), taken, partitions("t:2"))
    assert shown(stepped) == expected(STABLE, 11, 10, "t:1-2")


def test_a_changed_subscription_takes_a_topic_away_before_there_is_a_target() -> None:
    """4.3.0 updateCurrentAssignment."""
    before = member(STABLE, 10, "t:1-2 u:4", topics="t")
    stepped = reconcile(before, 10, partitions("t:1-2 u:4"), free, None, subscription_changed=True)
    assert shown(stepped) == expected(UNREVOKED, 10, 10, "t:1-2", "u:4")
    gone = reconcile(before, 10, partitions("t:1-2 u:4"), free, partitions("t:1-2"), subscription_changed=True)
    assert shown(gone) == expected(STABLE, 10, 10, "t:1-2")
    untouched = member(STABLE, 10, "t:1-2", topics="t")
    assert reconcile(untouched, 10, [], free, None, subscription_changed=True) is untouched


# --- groups -----------------------------------------------------------------------------------------------------------
def told(answer: HeartbeatAnswer) -> tuple[int, str | None]:
    """Epoch and assignment, written as ``b:1 f:4-5``; errors stand for themselves."""
    assert answer.error == E.NONE
    return answer.epoch, None if answer.assignment is None else written(answer.assignment)


def written(listed: Iterable[TopicPartition]) -> str:
    return " ".join(f"{topic}{index}" for topic, index in sorted(listed))


def fixed(*targets: dict[str, str]) -> object:
    """An assignor that answers what it is told, one target a computation."""
    answers = iter(targets)

    def assign(spec: GroupSpec) -> dict[str, Target]:
        answer = next(answers)
        listed = {one.member_id: partitions(answer[one.member_id]) for one in spec.members}
        topics = {one: dict.fromkeys(topic for topic, _ in held) for one, held in listed.items()}
        return {
            one: {topic: tuple(index for name, index in held if name == topic) for topic in topics[one]}
            for one, held in listed.items()
        }

    return assign


def group_of(assignor: object, interval_s: int = 0, **counts: int) -> ConsumerGroup:
    ids: Mapping[str, int] = {topic: place for place, topic in enumerate(counts, 1)}
    return ConsumerGroup(assignor, interval_s * S, counts, ids)  # type: ignore[arg-type]


def test_a_newcomer_gets_what_each_owner_gives_up_at_its_own_heartbeats() -> None:
    """consumer:S33, consumer:toy-27; GroupMetadataManagerTest.testReconciliationProcess."""
    first = {"m1": "f:0-2 b:0-1", "m2": "f:3-5 b:2"}
    then = {"m1": "f:0-1 b:0", "m2": "f:2-3 b:2", "m3": "f:4-5 b:1"}
    group = group_of(fixed({"m1": "f:0-5 b:0-2"}, first, then), f=6, b=3)
    group.heartbeat(0, "m1", 0, "fb", [])
    group.heartbeat(0, "m2", 0, "fb", [])
    group.heartbeat(0, "m1", 1)
    assert told(group.heartbeat(0, "m1", 1, None, partitions(first["m1"]))) == (2, None)
    assert told(group.heartbeat(0, "m2", 2)) == (2, "b2 f3 f4 f5")

    assert told(group.heartbeat(0, "m3", 0, "fb", [])) == (3, "")
    assert told(group.heartbeat(0, "m1", 2)) == (2, "b0 f0 f1")
    assert told(group.heartbeat(0, "m2", 2)) == (2, "b2 f3")
    assert told(group.heartbeat(0, "m3", 3)) == (3, None)
    assert [group.members[one].state for one in ("m1", "m2", "m3")] == [UNREVOKED, UNREVOKED, UNRELEASED]
    assert told(group.heartbeat(0, "m1", 2, None, partitions("f:0-1 b:0"))) == (3, None)
    assert told(group.heartbeat(0, "m3", 3)) == (3, "b1")
    assert told(group.heartbeat(0, "m2", 2, None, partitions("f:3 b:2"))) == (3, "b2 f2 f3")
    assert told(group.heartbeat(0, "m3", 3)) == (3, "b1 f4 f5")
    assert [one.state for one in group.members.values()] == [STABLE, STABLE, STABLE]


def test_a_member_that_does_not_give_up_is_fenced_and_all_it_had_is_free() -> None:
    """consumer:S34; consumer:F3.24: the caller's rebalance timeout ran out."""
    group = group_of(server_uniform, t=4)
    group.heartbeat(0, "m1", 0, "t", [])
    group.heartbeat(0, "m2", 0, "t", [])
    group.heartbeat(0, "m1", 1)
    assert group.members["m1"].state is UNREVOKED
    epoch = group.group_epoch
    group.fence("m1")
    assert group.group_epoch == epoch + 1
    assert told(group.heartbeat(10 * S, "m2", 2)) == (3, "t0 t1 t2 t3")
    assert group.heartbeat(10 * S, "m1", 1).error == E.UNKNOWN_MEMBER_ID


def test_a_static_member_that_left_to_come_back_finds_what_it_had() -> None:
    """consumer:S35: no group epoch, the same partitions under another member id."""
    group = group_of(server_range, t=4)
    group.heartbeat(0, "m1", 0, "t", [], "i1")
    group.heartbeat(0, "m2", 0, "t", [], "i2")
    group.heartbeat(0, "m1", 1, None, partitions("t:0-1"), "i1")
    group.heartbeat(0, "m1", 1, None, partitions("t:0-1"), "i1")
    assert told(group.heartbeat(0, "m2", 2, None, None, "i2")) == (2, "t2 t3")
    assert group.leave("m1", -2, "i1") == E.NONE
    assert told(group.heartbeat(S, "m3", 0, "t", [], "i1")) == (2, "t0 t1")
    assert (group.group_epoch, sorted(group.members)) == (2, ["m2", "m3"])
    assert group.commit_error("m3", 0, ("t", 0)) == E.NONE  # counts as assigned from epoch 0 on
    assert group.heartbeat(S, "m1", 2, None, None, "i1").error == E.FENCED_INSTANCE_ID
    assert group.leave("m1", -2, "i1") == E.FENCED_INSTANCE_ID


def test_an_instance_id_that_is_not_released_is_refused() -> None:
    """consumer:F3.31; recorded cell S1 jk."""
    group = group_of(server_range, t=4)
    group.heartbeat(0, "m1", 0, "t", [], "i1")
    assert group.heartbeat(0, "m2", 0, "t", [], "i1").error == E.UNRELEASED_INSTANCE_ID
    assert list(group.members) == ["m1"]


def test_a_target_is_computed_once_an_interval() -> None:
    """consumer:S61, consumer:toy-29, consumer:F3.40: the second member's first answer is empty, with the epoch of the
    old target."""
    group = group_of(server_uniform, interval_s=1, t=4)
    assert told(group.heartbeat(0, "m1", 0, "t", [])) == (1, "t0 t1 t2 t3")
    assert told(group.heartbeat(S * 3 // 10, "m2", 0, "t", [])) == (1, "")
    assert (group.group_epoch, group.target_epoch) == (2, 1)
    assert told(group.heartbeat(S - 1, "m1", 1)) == (1, None)
    assert told(group.heartbeat(S, "m1", 1)) == (1, "t0 t1")
    assert group.target_epoch == 2
    assert told(group.heartbeat(S, "m1", 1, None, partitions("t:0-1"))) == (2, None)
    assert told(group.heartbeat(6 * S, "m2", 1)) == (2, "t2 t3")


def test_epochs_that_do_not_fit_are_fenced() -> None:
    """consumer:F3.25."""
    group = group_of(server_uniform, t=2)
    group.heartbeat(0, "m1", 0, "t", [])
    group.heartbeat(0, "m2", 0, "t", [])
    group.heartbeat(0, "m1", 1)
    group.heartbeat(0, "m1", 1, None, partitions("t:0"))
    assert group.members["m1"].epoch == 2
    assert told(group.heartbeat(0, "m1", 1, None, partitions("t:0"))) == (2, None)  # the answer with 2 was lost
    assert group.heartbeat(0, "m1", 1, None, partitions("t:0-1")).error == E.FENCED_MEMBER_EPOCH
    assert group.heartbeat(0, "m1", 1).error == E.FENCED_MEMBER_EPOCH  # says nothing of what it owns
    assert group.heartbeat(0, "m1", 3).error == E.FENCED_MEMBER_EPOCH
    assert group.heartbeat(0, "m3", 1).error == E.UNKNOWN_MEMBER_ID


def test_a_late_commit_passes_for_partitions_held_since_its_epoch() -> None:
    """consumer:F3.26, consumer:F3.1."""
    group = group_of(fixed({"m1": "t:0"}, {"m1": "t:0-1"}), t=1)
    group.heartbeat(0, "m1", 0, "t", [])
    group.new_metadata({"t": 2}, {"t": 1})
    assert told(group.heartbeat(0, "m1", 1)) == (2, "t0 t1")
    assert group.commit_error("m1", 2, ("t", 7)) == E.NONE  # its epoch: any partition
    assert group.commit_error("m1", 1, ("t", 0)) == E.NONE
    assert group.commit_error("m1", 1, ("t", 1)) == E.STALE_MEMBER_EPOCH
    assert group.commit_error("m1", 1, ("t", 7)) == E.STALE_MEMBER_EPOCH
    assert group.commit_error("m1", 3, ("t", 0)) == E.STALE_MEMBER_EPOCH
    assert group.commit_error("m2", 1, ("t", 0)) == E.UNKNOWN_MEMBER_ID
    assert group.commit_error("", -1, ("t", 0)) == E.UNKNOWN_MEMBER_ID
    assert group_of(server_uniform, t=1).commit_error("", -1, ("t", 0)) == E.NONE


def test_a_late_commit_of_what_is_being_given_up_passes() -> None:
    """consumer:F3.26: pending revocation from this member."""
    group = group_of(fixed({"m1": "t:0"}, {"m1": "t:0-1"}, {"m1": "t:1", "m2": "t:0"}), t=1)
    group.heartbeat(0, "m1", 0, "t", [])
    group.new_metadata({"t": 2}, {"t": 1})
    group.heartbeat(0, "m1", 1)
    group.heartbeat(0, "m2", 0, "t", [])
    assert told(group.heartbeat(0, "m1", 2)) == (2, "t1")
    assert group.commit_error("m1", 1, ("t", 0)) == E.NONE
    assert group.commit_error("m2", 0, ("t", 0)) == E.STALE_MEMBER_EPOCH


def test_a_full_request_is_told_all_it_has() -> None:
    """GroupMetadataManager.consumerGroupHeartbeat: isFullRequest; a client sends one after an error."""
    group = group_of(server_uniform, t=2)
    group.heartbeat(0, "m1", 0, "t", [])
    assert told(group.heartbeat(0, "m1", 1, "t", partitions("t:0-1"))) == (1, "t0 t1")
    assert told(group.heartbeat(0, "m1", 1, None, partitions("t:0-1"))) == (1, None)


def test_new_partitions_come_with_the_next_heartbeat_and_cost_nothing() -> None:
    """consumer:F3.28; recorded cell N1 jk."""
    group = group_of(server_uniform, t=1)
    group.heartbeat(0, "m1", 0, "t", [])
    group.new_metadata({"t": 3}, {"t": 1})
    assert told(group.heartbeat(0, "m1", 1)) == (2, "t0 t1 t2")
    group.new_metadata({"t": 3, "other": 5}, {"t": 1, "other": 2})
    assert told(group.heartbeat(0, "m1", 2)) == (2, None)
    assert group.group_epoch == 2


def test_a_topic_that_is_deleted_is_taken_away() -> None:
    group = group_of(server_uniform, t=1, u=1)
    group.heartbeat(0, "m1", 0, "tu", [])
    group.new_metadata({"t": 1}, {"t": 1, "u": 2})
    assert told(group.heartbeat(0, "m1", 1)) == (1, "t0")
    assert told(group.heartbeat(0, "m1", 1, None, partitions("t:0"))) == (2, None)


def test_a_partition_given_twice_breaks_a_law() -> None:
    group = group_of(fixed({"m1": "t:0"}), t=1)
    group.heartbeat(0, "m1", 0, "t", [])
    double = ConsumerGroupMember("m2", frozenset("t"), assigned={("t", 0): 1})
    with pytest.raises(LawBroken, match="one owner"):
        group._store(double)


steps = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("hhhhhrrlfgs"), st.integers(0, 3)), max_size=60)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(life=steps, interval_s=st.sampled_from([0, 1]), assignor=st.sampled_from([server_uniform, server_range]))
def test_a_partition_has_one_owner_until_that_one_lets_go(
    life: list[tuple[int, str, int]], interval_s: int, assignor: object
) -> None:
    """Whatever members do, no two of them hold a partition, and once they all answer everyone has its target."""
    group = group_of(assignor, interval_s, t=5, u=3)
    held: dict[str, set[TopicPartition]] = {}  # what each client has in its hands
    epochs: dict[str, int] = {}
    now, grown = 0, 5

    def beat(one: str, owned: bool, topics: str | None = None) -> None:
        joins = one not in epochs
        topics = topics or ("tu" if joins else None)
        answer = group.heartbeat(now, one, epochs.get(one, 0), topics, held[one] if owned or joins else None)
        assert answer.error == E.NONE
        epochs[one] = answer.epoch
        if answer.assignment is not None:
            gained = set(answer.assignment) - held[one]
            assert not any(gained & other for name, other in held.items() if name != one)
            held[one] |= gained

    def let_go(one: str) -> None:
        held[one] &= set(group.members[one].assigned)

    for number, what, wait in life:
        one, now = f"m{number}", now + wait * S // 4
        if one not in epochs:
            held[one] = set()
            beat(one, True)
        elif what == "h":
            beat(one, False)
        elif what == "r":
            let_go(one)
            beat(one, True)
        elif what == "s":
            beat(one, True, "t" if wait % 2 else "tu")
        elif what == "g":
            grown += 1
            group.new_metadata({"t": grown, "u": 3}, {"t": 1, "u": 2})
        else:
            group.fence(one) if what == "f" else group.leave(one, -1)
            del held[one], epochs[one]
    for _ in range(4):
        now += 2 * S
        for one in list(epochs):
            beat(one, False)
            let_go(one)
            beat(one, True)
    for one, target in group.target.items() if epochs else ():
        assert held[one] == {(topic, index) for topic, indexes in target.items() for index in indexes}
        assert group.members[one].is_reconciled_to(group.group_epoch)
