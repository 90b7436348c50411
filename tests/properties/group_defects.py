"""Rules of groups, each broken on purpose, that random groups must notice: something is left out, or a law is broken,
or the group never comes to rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sim.protocol.group_classic import ClassicGroup
from sim.protocol.group_consumer import GroupConsumer
from sim.protocol.group_modern import ModernGroup
from sim.protocol.group_target import ConsumerGroup
from sim.protocol.offset_client import Offsets
from tests.mutants.group_rules import (
    a_silent_member_stays_for_ever,
    eager_members_keep_their_partitions_while_they_join,
)

__all__ = ["DEFECTS", "GroupDefect"]

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class GroupDefect:
    """``modern``: it shows in groups with ``group.protocol=consumer``, else in classic ones."""

    plant: Callable[[Patch], None]
    modern: bool = False


def a_position_is_where_the_fetches_are(patch: Patch) -> None:
    """consumer:toy-1"""
    consumed = GroupConsumer.consumed

    def fetched(consumer: GroupConsumer) -> Offsets:
        offsets = consumed(consumer)
        for answer in consumer._fetches.buffer._answers:
            one, chunks = answer.position, answer.chunks
            if one.partition in offsets and chunks:
                last = chunks[-1]
                offsets[one.partition] = (last.base + last.batch.hi - last.batch.lo, last.epoch)
        return offsets

    patch.setattr(GroupConsumer, "consumed", fetched)


def whoever_commits_is_believed(patch: Patch) -> None:
    """consumer:F3.1"""
    patch.setattr(ClassicGroup, "objection", lambda group, request: 0)


def a_commit_of_a_past_epoch_is_taken(patch: Patch) -> None:
    """consumer:F3.26"""
    patch.setattr(ModernGroup, "objection", lambda group, request: 0)


def a_partition_is_handed_over_before_its_owner_has_let_go(patch: Patch) -> None:
    """consumer:toy-27"""
    patch.setattr(ConsumerGroup, "_current_epoch", lambda group, partition: -1)


def a_new_owner_begins_behind_what_is_committed(patch: Patch) -> None:
    """consumer:F3.12"""
    begin_at = GroupConsumer._begin_at

    def late(consumer: GroupConsumer, offsets: Offsets) -> None:
        begin_at(consumer, {partition: (offset + 1, epoch) for partition, (offset, epoch) in offsets.items()})

    patch.setattr(GroupConsumer, "_begin_at", late)


DEFECTS = (
    GroupDefect(a_position_is_where_the_fetches_are),
    GroupDefect(whoever_commits_is_believed),
    GroupDefect(a_commit_of_a_past_epoch_is_taken, modern=True),
    GroupDefect(a_partition_is_handed_over_before_its_owner_has_let_go, modern=True),
    GroupDefect(a_new_owner_begins_behind_what_is_committed),
    GroupDefect(a_new_owner_begins_behind_what_is_committed, modern=True),
    GroupDefect(a_silent_member_stays_for_ever),
    GroupDefect(eager_members_keep_their_partitions_while_they_join),
)
