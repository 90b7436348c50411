"""Defects planted in the rules are found by the laws, without being told where to look (broker:INV-19)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from sim.errors import LawBroken
from sim.protocol import controller_partitions
from sim.protocol.messages import PartitionState, RecordBatch
from sim.protocol.producer_state import ACCEPT, ProducerStates
from sim.protocol.replication import Follower, Partition
from tests.protocol.interleavings import Interleaving

SCHEDULES, STEPS = 120, 150


def found() -> set[str]:
    """The law that the first schedule breaks, if one does."""
    for seed in range(SCHEDULES):
        generator = random.Random(seed)
        interleaving = Interleaving(
            generator.randrange, elr=bool(seed % 2), unclean=False, min_isr=1 + seed % 3, lossy=False
        )
        try:
            for _ in range(STEPS):
                interleaving.step()
            interleaving.finish()
        except LawBroken as broken:
            return {broken.law}
    return set()


def join_below_the_high_watermark(patch: pytest.MonkeyPatch) -> None:
    def may_join(part: Partition, view: Follower) -> bool:
        return part.pending is None and view.broker not in part.isr and part._eligible(view)

    patch.setattr(Partition, "may_join", may_join)


def truncate_to_the_high_watermark(patch: pytest.MonkeyPatch) -> None:
    follow = Partition.follow

    def cut_and_follow(part: Partition, state: PartitionState) -> bool:
        new = follow(part, state)
        if new:
            part.log.truncate_to(part.log.high_watermark)
        return new

    patch.setattr(Partition, "follow", cut_and_follow)


def elect_whoever_is_there(patch: pytest.MonkeyPatch) -> None:
    decide = controller_partitions.change

    def change(
        rule: Any, state: PartitionState, isr: tuple[int, ...], active: Callable[[int], bool], **more: Any
    ) -> Any:
        anybody = tuple(broker for broker in state.replicas if active(broker))[:1]
        return decide(rule, state, isr or anybody, active, **more)

    patch.setattr(controller_partitions, "change", change)


def forget_sequences(patch: pytest.MonkeyPatch) -> None:
    def judge(states: ProducerStates, batch: RecordBatch) -> int:
        return ACCEPT

    patch.setattr(ProducerStates, "judge", judge)


@pytest.mark.parametrize(
    ("defect", "laws"),
    [
        (join_below_the_high_watermark, {"INV-4", "INV-5", "INV-15"}),
        (truncate_to_the_high_watermark, {"INV-2", "INV-3", "INV-4", "INV-5", "INV-6"}),
        (elect_whoever_is_there, {"INV-5", "INV-6"}),
        (forget_sequences, {"INV-20c"}),
    ],
)
def test_a_planted_defect_breaks_a_law(
    defect: Callable[[pytest.MonkeyPatch], None], laws: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)

    assert found() & laws
