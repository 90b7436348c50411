"""Producer instances: what each has sent, under which name, and what a successor takes over.

An instance is one life of a producer process; its number (``prod``) is unique in the run. The first is called by the
producer's name, the second ``name#2``. A value that the file does not give is ``<instance name>/<send index>``.

A warm-up is one record ahead of everything; the calls behind it have no time until it is acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.plan import Plan, ProducerPlan
from sim.protocol.lanes import Sent
from sim.protocol.port import Role
from sim.trace import SEND_COLUMNS
from sim.world.workload import Columns, WorkloadSends, build_sends, record_bytes

__all__ = ["Instance", "ProducerRole", "first_sends", "join_sends", "later_sends"]

UNKNOWN_TIME_US = 1 << 61
WARM_UP_GAP_US = 1_000  # from the warm-up's acknowledgement to the workload's time 0
WARM_UP_BYTES = 100
WARM_UP_VALUE = "w"


class ProducerRole(Role, Protocol):
    """What the world asks of a producer beyond the stimuli."""

    def sent(self) -> Sent: ...

    def idle(self) -> bool: ...

    def abandon(self, now_us: int) -> None: ...


class WarmedUpSends(WorkloadSends):
    """A workload that begins when the warm-up is acknowledged. Lanes cut from it learn their times at that moment."""

    def __init__(self, *columns: Any) -> None:
        super().__init__(*columns)
        self.began = False
        self._times: list[NDArray[np.int64]] = [self.columns.times]

    def split(self, topic: int, partition_of_key: Sequence[int], partitions: int, start: int) -> Mapping[int, Columns]:
        lanes = super().split(topic, partition_of_key, partitions, start)
        if not self.began:
            self._times += [np.asarray(lane.times) for lane in lanes.values()]  # the memory that the lane looks at
        return lanes

    def begin(self, now_us: int) -> None:
        """The warm-up is acknowledged: every later call gets its time."""
        self.began = True
        for times in self._times:
            times[times >= UNKNOWN_TIME_US] += now_us + WARM_UP_GAP_US - UNKNOWN_TIME_US


@dataclass(slots=True)
class Instance:
    """One life of one producer."""

    prod: int
    plan: ProducerPlan
    incarnation: int  # from 1
    sends: WorkloadSends
    role: ProducerRole = field(init=False)

    @property
    def name(self) -> str:
        return self.plan.name if self.incarnation == 1 else f"{self.plan.name}#{self.incarnation}"

    def values(self, partition: int, lo: int, hi: int) -> list[str]:
        """Values of lane positions lo..hi."""
        lane = next(lane for lane in self.role.sent().lanes if lane.partition == partition)
        return [self.value(send) for send in lane.sends[lo:hi]]

    def value(self, send: int) -> str:
        return self.sends.values.get(send) or f"{self.name}/{send}"

    def table(self) -> dict[str, NDArray[Any]]:
        """Its rows of ``sends``."""
        sent = self.role.sent()
        origin = _origins(sent, self.sends.count)
        total = len(origin)
        times = self.sends.columns.times[origin].copy()
        for start, at_us in sent.floors:
            np.maximum(times[start:], at_us, out=times[start:])
        for extra, (_, at_us, _) in enumerate(sent.resends):
            times[total - len(sent.resends) + extra] = at_us
        partition, place = np.full(total, -1, np.int64), np.full(total, -1, np.int64)
        for lane in sent.lanes:
            taken = _whole(lane.sends, lane.taken)
            partition[taken] = lane.partition
            place[taken] = np.arange(len(taken))
        columns = {
            "prod": np.full(total, self.prod), "i": np.arange(total), "t_us": times, "partition": partition,
            "lane": place, "key": self.sends.columns.keys[origin], "size": self.sends.columns.sizes[origin],
        }  # fmt: skip
        return {name: column.astype(SEND_COLUMNS[name]) for name, column in columns.items()}


def _origins(sent: Sent, calls: int) -> NDArray[np.int64]:
    """For every call that was made, the call of the workload that it makes (or makes again)."""
    made = np.arange(min(sent.count, calls), dtype=np.int64)
    again = np.asarray([original for original, _, _ in sent.resends], dtype=np.int64)
    return np.concatenate([made, again]) if len(again) else made


def _whole(sequence: Sequence[int], count: int) -> NDArray[np.int64]:
    """The first *count* of an array or a memory view, without going through Python's integers."""
    column: NDArray[Any] = np.asarray(sequence)
    return column[:count].astype(np.int64)


def join_sends(instances: Sequence[Instance]) -> dict[str, NDArray[Any]]:
    """One table of all instances."""
    tables = [instance.table() for instance in instances]
    return {name: np.concatenate([table[name] for table in tables]) for name in SEND_COLUMNS}


def first_sends(producer: ProducerPlan, plan: Plan, seed: int) -> WorkloadSends:
    """The calls of the first instance, behind the warm-up if there is one."""
    sends = build_sends(producer, plan, seed)
    if not producer.warm_up:
        return sends
    topic = next(topic for topic in plan.topics if producer.warm_up_partition in topic.partitions)
    calls = sends.columns
    size = record_bytes(np.zeros(1, np.int64), np.full(1, WARM_UP_BYTES, np.int64))
    values = {0: WARM_UP_VALUE, **{send + 1: value for send, value in sends.values.items()}}
    return WarmedUpSends(
        np.concatenate([np.zeros(1, np.int64), calls.times + UNKNOWN_TIME_US]),
        np.concatenate([size, calls.sizes]),
        np.concatenate([np.full(1, topic.number, np.int16), calls.topics]),
        np.concatenate([np.full(1, -1, np.int32), calls.keys]),
        np.concatenate([np.full(1, topic.partitions.index(producer.warm_up_partition), np.int16), calls.indexes]),
        sends.key_names,
        values,
    )


def later_sends(sends: WorkloadSends, start: int, now_us: int) -> WorkloadSends:
    """What a successor that starts now takes over: everything from send index *start* on, nothing before now."""
    if isinstance(sends, WarmedUpSends) and not sends.began:
        sends.begin(now_us)
    left = sends.rest(start)
    columns = left.columns
    times = np.maximum(columns.times, now_us)
    return WorkloadSends(
        times, columns.sizes, columns.topics, columns.keys, columns.indexes, left.key_names, left.values
    )

