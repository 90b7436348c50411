"""Producer instances: what each has sent, under which name, and what a successor takes over.

An instance is one life of a producer process; its number (``prod``) is unique in the run. The first is called by the
producer's name, the second ``name#2``. A value that the file does not give is ``<instance name>/<send index>``.

A warm-up is one record ahead of everything. The workload's own times begin ``WARM_UP_US`` later, long after it has been
acknowledged on a cluster that nothing has struck yet, and after what a client does at its start is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.plan import WARM_UP_BYTES, WARM_UP_US, WARM_UP_VALUE, Plan, ProducerPlan
from sim.protocol.lanes import Sent
from sim.protocol.port import Role
from sim.trace import SEND_COLUMNS
from sim.world.fed import FedSends
from sim.world.workload import WorkloadSends, build_sends, record_bytes

__all__ = ["Instance", "ProducerRole", "first_sends", "join_sends", "later_sends"]


class ProducerRole(Role, Protocol):
    """What the world asks of a producer beyond the stimuli."""

    def sent(self) -> Sent: ...

    def idle(self) -> bool: ...

    def abandon(self, now_us: int) -> list[int]: ...


@dataclass(slots=True)
class Instance:
    """One life of one producer."""

    prod: int
    plan: ProducerPlan
    incarnation: int  # from 1
    sends: WorkloadSends | FedSends
    role: ProducerRole = field(init=False)
    repeats: list[tuple[int, int]] = field(default_factory=list)  # its first calls repeat these (instance, call)
    pauses: list[tuple[int, int]] = field(default_factory=list)  # when its process stood still

    @property
    def name(self) -> str:
        return self.plan.name if self.incarnation == 1 else f"{self.plan.name}#{self.incarnation}"

    def values(self, partition: int, lo: int, hi: int) -> list[str]:
        """Values of lane positions lo..hi."""
        lane = next(lane for lane in self.role.sent().lanes if lane.partition == partition)
        return [self.value(send) for send in lane.sends[lo:hi]]

    def value(self, send: int) -> str:
        return self.sends.values.get(send) or f"{self.name}/{send}"

    def original(self, send: int) -> tuple[int, int]:
        """The call (instance, send index) of the workload that this one makes, perhaps again."""
        beyond = send - self.sends.count
        return self.prod, self.role.sent().resends[beyond][0] if beyond >= 0 else send

    def resends(self) -> list[list[int]]:
        """Calls by which the application repeats one: [instance, send index, the same two of the one repeated]."""
        again = range(self.sends.count, self.sends.count + len(self.role.sent().resends))
        calls = [*enumerate(self.repeats), *((send, self.original(send)) for send in again)]
        return [[self.prod, send, *original] for send, original in calls]

    def table(self) -> dict[str, NDArray[Any]]:
        """Its rows of ``sends``. Columns are filled in place: a workload may have millions of calls."""
        sent, columns = self.role.sent(), self.sends.columns
        made = min(sent.count, self.sends.count)
        total = made + len(sent.resends)
        table: dict[str, NDArray[Any]] = {name: np.full(total, -1, kind) for name, kind in SEND_COLUMNS.items()}
        table["prod"][:] = self.prod
        table["i"][:made] = np.arange(made, dtype=np.int32)
        table["t_us"][:made] = columns.times[:made]
        table["key"][:made] = columns.keys[:made]
        table["size"][:made] = columns.sizes[:made]
        for start_us, end_us in self.pauses:  # an application that stands still calls nothing
            first, last = np.searchsorted(table["t_us"][:made], (start_us + 1, end_us))
            table["t_us"][first:last] = end_us
        for (start, at_us), (end, _) in pairwise([*sent.floors, (made, 0)]):  # a later floor is a higher one
            np.maximum(table["t_us"][start:end], at_us, out=table["t_us"][start:end])
        for row, (original, at_us, _) in enumerate(sent.resends, start=made):
            table["i"][row], table["t_us"][row] = self.sends.count + row - made, at_us
            table["key"][row], table["size"][row] = columns.keys[original], columns.sizes[original]
        for lane in sent.lanes:
            taken = np.asarray(lane.sends)[: lane.taken]  # an array or a memory view: no Python integers on the way
            if sent.resends:  # their numbers follow behind the whole workload, made or not
                taken = np.where(taken >= self.sends.count, taken - self.sends.count + made, taken)
            table["partition"][taken] = lane.partition
            table["lane"][taken] = np.arange(len(taken), dtype=np.int32)
        return table


def join_sends(instances: Sequence[Instance]) -> dict[str, NDArray[Any]]:
    """One table of all instances."""
    tables = [instance.table() for instance in instances]
    if len(tables) == 1:
        return tables[0]
    return {name: np.concatenate([table[name] for table in tables]) for name in SEND_COLUMNS}


def first_sends(producer: ProducerPlan, plan: Plan, seed: int) -> WorkloadSends:
    """The calls of the first instance, behind the warm-up if there is one."""
    sends = build_sends(producer, plan, seed)
    if not producer.warm_up:
        return sends
    topic = next(topic for topic in plan.topics if producer.warm_up_partition in topic.partitions)
    calls = sends.columns
    size = record_bytes(np.zeros(1, np.int32), np.full(1, WARM_UP_BYTES, np.int32))
    values = {0: WARM_UP_VALUE, **{send + 1: value for send, value in sends.values.items()}}
    times = calls.times + WARM_UP_US
    kept = int(np.searchsorted(times, plan.run_us))  # nothing is offered after the run's time
    index = topic.partitions.index(producer.warm_up_partition)
    return WorkloadSends(
        np.concatenate([np.zeros(1, np.int64), times[:kept]]),
        np.concatenate([size, calls.sizes[:kept]]),
        np.concatenate([np.full(1, topic.number, np.int16), calls.topics[:kept]]),
        np.concatenate([np.full(1, -1, np.int32), calls.keys[:kept]]),
        np.concatenate([np.full(1, index, np.int16), calls.indexes[:kept]]),
        sends.key_names,
        values,
    )


def later_sends(before: Instance, again: Sequence[int], now_us: int) -> WorkloadSends:
    """What a successor that starts now takes over: the calls it makes *again*, then everything that *before* had not
    called; nothing before now."""
    left = before.sends.rest(before.role.sent().count)
    assert isinstance(left, WorkloadSends)
    every, rest, first = before.sends.columns, left.columns, np.asarray(again, dtype=np.int64)
    return WorkloadSends(
        np.maximum(np.concatenate([every.times[first], rest.times]), now_us),
        np.concatenate([every.sizes[first], rest.sizes]),
        np.concatenate([every.topics[first], rest.topics]),
        np.concatenate([every.keys[first], rest.keys]),
        np.concatenate([every.indexes[first], rest.indexes]),
        left.key_names,
        {index + len(again): value for index, value in left.values.items()},
    )

