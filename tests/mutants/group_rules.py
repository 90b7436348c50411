"""Rules of groups, each broken on purpose, that a recorded script of real Kafka must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sim.protocol.group_classic import ClassicGroup
from sim.protocol.group_consumer import GroupConsumer
from sim.protocol.group_messages import GroupRecord
from sim.protocol.group_sessions import Sessions
from sim.protocol.member_classic import Membership
from sim.protocol.offset_client import Offsets
from sim.protocol.rebalance_classic import ClassicRebalance, Prepare

__all__ = ["GROUP_MUTANTS", "GroupMutant"]

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class GroupMutant:
    """``rule``: where the reference has it. ``script``: one recorded script (on Kafka 4.3) that notices."""

    plant: Callable[[Patch], None]
    rule: str
    script: str

    @property
    def name(self) -> str:
        return self.plant.__name__.replace("_", " ")


# --- members ----------------------------------------------------------------------------------------------------------
def close_commits_nothing(patch: Patch) -> None:
    close = GroupConsumer._close

    def hasty(consumer: GroupConsumer, now_us: int) -> bool:
        consumer._committed_at_close = True
        return close(consumer, now_us)

    patch.setattr(GroupConsumer, "_close", hasty)


def only_what_was_processed_is_committed(patch: Patch) -> None:
    def processed(consumer: GroupConsumer) -> Offsets:
        return dict(consumer._application.processed)

    patch.setattr(GroupConsumer, "consumed", processed)


def an_application_that_does_not_poll_is_never_late(patch: Patch) -> None:
    tick = Membership.tick

    def patient(member: Membership, now_us: int) -> None:
        member.poll_until_us = 1 << 62
        tick(member, now_us)

    patch.setattr(Membership, "tick", patient)


def eager_members_keep_their_partitions_while_they_join(patch: Patch) -> None:
    give_up = ClassicRebalance._give_up

    def keep(rebalance: ClassicRebalance, now_us: int) -> bool:
        if rebalance._member.generation < 0:
            return give_up(rebalance, now_us)
        rebalance._prepare = Prepare.DONE
        return True

    patch.setattr(ClassicRebalance, "_give_up", keep)


def cooperative_members_give_up_everything(patch: Patch) -> None:
    def all_of_it(rebalance: ClassicRebalance, now_us: int) -> bool:
        rebalance._prepare = Prepare.DONE
        return rebalance._owner.revoke(tuple(rebalance._fetches.assigned), False, now_us)

    patch.setattr(ClassicRebalance, "_give_up", all_of_it)


# --- the coordinator --------------------------------------------------------------------------------------------------
def a_silent_member_stays_for_ever(patch: Patch) -> None:
    def never(_sessions: Sessions, _member: Any, _alarm_us: int, _now_us: int) -> None: ...

    patch.setattr(Sessions, "_look_at", never)


def a_static_member_that_is_back_is_a_new_one(patch: Patch) -> None:
    replace = ClassicGroup._replace_static

    def anew(group: ClassicGroup, channel: Any, request: Any, old: Any, member: str, now_us: int) -> None:
        replace(group, channel, request, old, member, now_us)
        group._prepare(now_us)

    patch.setattr(ClassicGroup, "_replace_static", anew)


def a_coordinator_that_takes_over_knows_no_member(patch: Patch) -> None:
    load = ClassicGroup.load

    def forgetful(group: ClassicGroup, record: GroupRecord) -> None:
        load(group, GroupRecord(record.group, record.generation, record.protocol, "", ()))

    patch.setattr(ClassicGroup, "load", forgetful)


GROUP_MUTANTS = (
    GroupMutant(close_commits_nothing, "consumer:F4.1", "group_close_idle_java"),
    GroupMutant(only_what_was_processed_is_committed, "consumer:F4.3", "group_close_unprocessed_java"),
    GroupMutant(an_application_that_does_not_poll_is_never_late, "consumer:F3.35", "group_zombie_java"),
    GroupMutant(eager_members_keep_their_partitions_while_they_join, "consumer:F3.13", "group_rebalance_reread_java"),
    GroupMutant(cooperative_members_give_up_everything, "consumer:F3.15", "group_rebalance_reread_java_cooperative"),
    GroupMutant(a_silent_member_stays_for_ever, "consumer:F3.6", "group_session_expired_java"),
    GroupMutant(a_static_member_that_is_back_is_a_new_one, "consumer:F3.30", "group_static_restart_java"),
    GroupMutant(a_coordinator_that_takes_over_knows_no_member, "consumer:F3.9", "group_coordinator_killed_java"),
)
