"""``RangeAssignor``: of each topic every member gets a stretch of neighbouring partitions (consumer:F6.8).

Members are taken by instance id, those without one behind them by member id; of P partitions for C members the first
P mod C get one more. Rack awareness is not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.protocol.group_messages import JoinedMember

__all__ = ["assign_range"]


def assign_range(
    members: Sequence[JoinedMember], partitions_of: Mapping[int, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Partitions (run-wide numbers) by member id. *partitions_of*: of each topic, by index."""
    found: dict[str, list[int]] = {one.member: [] for one in members}
    in_order = sorted(members, key=lambda one: (not one.instance, one.instance, one.member))
    for topic, partitions in partitions_of.items():
        takers = [one.member for one in in_order if topic in one.subscription.topics]
        if not takers:
            continue
        each, extra = divmod(len(partitions), len(takers))
        at = 0
        for place, member in enumerate(takers):
            size = each + (place < extra)
            found[member] += partitions[at : at + size]
            at += size
    return {member: tuple(partitions) for member, partitions in found.items()}
