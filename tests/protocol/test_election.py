"""Who leads next, by the rules alone."""

from __future__ import annotations

import pytest

from sim.protocol.election import Election, change, elect
from sim.protocol.messages import PartitionState

ONLINE, PREFERRED, UNCLEAN = Election.ONLINE, Election.PREFERRED, Election.UNCLEAN


def partition(
    replicas: tuple[int, ...], isr: tuple[int, ...], leader: int, elr: tuple[int, ...] = ()
) -> PartitionState:
    return PartitionState(0, replicas, isr, leader, 5, 9, elr=elr)


@pytest.mark.parametrize(
    ("rule", "isr", "expected"),
    [
        (PREFERRED, (2, 1, 3), (2, False)),
        (ONLINE, (2, 1, 3), (1, False)),
        (ONLINE, (3,), (-1, False)),
        (UNCLEAN, (3,), (2, True)),
        (ONLINE, (2, 3), (2, False)),
    ],
)
def test_the_leader_of_2_1_3_under_1_with_3_away(
    rule: Election, isr: tuple[int, ...], expected: tuple[int, bool]
) -> None:
    """broker:SC-42, broker:SUB-13, broker:FAIL-11, broker:FAIL-12, broker:FAIL-13."""
    state = partition((2, 1, 3), (2, 1, 3), leader=1)

    assert elect(rule, state, isr, (), -1, lambda broker: broker != 3) == expected


def test_a_preferred_replica_that_is_not_in_sync_does_not_lead() -> None:
    """broker:SC-43."""
    state = partition((2, 1, 3), (1, 3), leader=3)

    assert elect(PREFERRED, state, (1, 3), (), -1, lambda broker: True) == (3, False)


def test_the_order_is_that_of_the_assignment_not_of_the_in_sync_set() -> None:
    """broker:SUB-12, broker:FAIL-11. Nothing here knows the length of a log."""
    state = partition((3, 1, 2), (2, 1, 3), leader=2)

    assert elect(ONLINE, state, (2, 1, 3), (), -1, lambda broker: broker != 2) == (3, False)


def test_without_elr_the_last_member_stays_in_the_set_without_a_leader() -> None:
    """broker:FAIL-3, broker:SUB-22, broker:FAIL-15."""
    state = partition((1, 2, 3), (1,), leader=1)
    new, unclean = change(ONLINE, state, (), lambda broker: broker != 1, elr_on=False, min_isr=1)

    assert (new.isr, new.leader, new.leader_epoch, new.partition_epoch) == ((1,), -1, 6, 10)
    assert not unclean


def test_an_unclean_leader_is_alone_in_sync_and_recovering() -> None:
    """broker:FAIL-13."""
    state = partition((1, 2, 3), (1,), leader=1, elr=(3,))
    new, unclean = change(UNCLEAN, state, (), lambda broker: broker == 2, elr_on=True, min_isr=2)

    assert (new.leader, new.isr, new.elr, new.recovering, unclean) == (2, (2,), (), True, True)


def test_a_shrink_that_leaves_the_leader_raises_no_leader_epoch() -> None:
    """broker:SC-48, broker:SUB-23, broker:REP-30: four in sync, min 3, two left: the others become eligible."""
    state = partition((1, 2, 3, 4), (1, 2, 3, 4), leader=1)
    new, _ = change(ONLINE, state, (1, 2), lambda broker: True, elr_on=True, min_isr=3)

    assert (new.isr, new.elr, new.leader, new.leader_epoch) == ((1, 2), (3, 4), 1, 5)


def test_an_eligible_replica_leads_when_nobody_is_in_sync() -> None:
    """broker:SC-49, broker:FAIL-27."""
    state = partition((1, 2, 3), (1,), leader=1, elr=(3,))
    new, unclean = change(ONLINE, state, (), lambda broker: broker != 1, elr_on=True, min_isr=3)

    assert (new.leader, new.isr, new.elr, unclean) == (3, (3,), (1,), False)


def test_enough_in_sync_makes_nobody_else_eligible() -> None:
    """broker:SC-50."""
    state = partition((1, 2, 3), (1, 2), leader=1, elr=(3,))
    new, _ = change(ONLINE, state, (1, 2, 3), lambda broker: True, elr_on=True, min_isr=3)

    assert new.elr == ()


def test_who_restarted_uncleanly_is_not_eligible() -> None:
    """broker:SC-51."""
    state = partition((1, 2, 3), (1,), leader=1, elr=(2, 3))
    new, _ = change(ONLINE, state, (1,), lambda broker: broker != 3, elr_on=True, min_isr=3, unclean=(3,))

    assert (new.elr, new.isr, new.leader) == ((2,), (1,), 1)


def test_with_nobody_eligible_the_last_known_leader_may_lead_again() -> None:
    """broker:FAIL-11, broker:FAIL-28: only while it is there."""
    state = partition((1, 2), (), leader=-1)

    assert elect(ONLINE, state, (), (), 1, lambda broker: True) == (1, True)
    assert elect(ONLINE, state, (), (), 1, lambda broker: broker != 1) == (-1, False)


def test_nothing_changes_where_nothing_has_to() -> None:
    """broker:SUB-13."""
    state = partition((1, 2, 3), (1, 2, 3), leader=2)

    assert change(ONLINE, state, (1, 2, 3), lambda broker: True, elr_on=True, min_isr=2)[0] is state
