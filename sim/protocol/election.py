"""Who leads next: the controller's rules for one partition (``broker:FAIL-10`` to ``FAIL-15``, ``FAIL-27``).

Laws: a leader is in the in-sync set that is committed with it (``broker:INV-1``); an election looks at the order of the
assignment, never at the length of a log; a leader that is still valid stays, unless the preferred one is asked for;
every change of leader, to none as well, raises the leader epoch by one, and every change at all the partition epoch.

Pure functions from one :class:`PartitionState` to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from sim.protocol.messages import PartitionState

__all__ = ["Election", "change", "elect"]


class Election(Enum):
    ONLINE = "online"  # a clean leader, the present one if it may stay
    PREFERRED = "preferred"  # the first replica of the assignment if it may lead
    UNCLEAN = "unclean"  # a clean leader, else any live replica


def elect(
    rule: Election, state: PartitionState, isr: tuple[int, ...], elr: tuple[int, ...], last_known: int,
    active: Callable[[int], bool],
) -> tuple[int, bool]:  # fmt: skip
    """The leader under the in-sync set *isr* (-1 none), and whether it may lack committed records."""
    eligible = isr or elr  # ELR members count only when the in-sync set is empty (broker:FAIL-11)

    def valid(broker: int) -> bool:
        return broker in eligible and active(broker)

    if rule is Election.PREFERRED and valid(state.replicas[0]):
        return state.replicas[0], False
    if valid(state.leader):
        return state.leader, False
    for broker in state.replicas:
        if valid(broker):
            return broker, False
    if rule is Election.PREFERRED:
        return -1, False
    if not eligible and last_known >= 0 and active(last_known):
        return last_known, True
    if rule is Election.UNCLEAN:
        for broker in state.replicas:
            if active(broker):
                return broker, True
    return -1, False


def change(
    rule: Election, state: PartitionState, isr: tuple[int, ...], active: Callable[[int], bool], *,
    elr_on: bool, min_isr: int, unclean: tuple[int, ...] = (), last_known: int = -1,
) -> tuple[PartitionState, bool]:  # fmt: skip
    """The partition once its in-sync set is *isr*; the same object if nothing changes. And: was the election unclean.

    *min_isr* is the effective one, *unclean* are replicas that restarted without a clean shutdown.
    """
    elr: tuple[int, ...] = ()
    if elr_on and len(isr) < min_isr:
        leaving = (*state.isr, *state.elr)
        elr = tuple(b for b in state.replicas if b in leaving and b not in isr and b not in unclean)
    leader, by_force = elect(rule, state, isr, elr, last_known if elr_on else -1, active)
    recovering = state.recovering
    if by_force and leader != state.leader:
        isr, elr, recovering = (leader,), (), True
    elif not isr and leader >= 0:
        isr, elr = (leader,), tuple(b for b in elr if b != leader)
    elif not isr and not elr_on:
        isr = state.isr  # it never becomes empty (broker:FAIL-3)
    if elr_on and len(isr) >= min_isr:
        elr = ()
    if (leader, isr, elr) == (state.leader, state.isr, state.elr):
        return state, False
    moved = leader != state.leader
    new = replace(
        state, isr=isr, elr=elr, leader=leader, recovering=recovering,
        leader_epoch=state.leader_epoch + moved, partition_epoch=state.partition_epoch + 1,
    )  # fmt: skip
    return new, by_force and moved
