"""A producer's send() calls, drawn in bulk as columns before the run begins.

The whole workload of a run depends on (seed, producer, its workload entry) alone: not on client options, faults or
latencies, so that two configurations meet the same records at the same times. Draws are raw 32-bit integers from named
streams; times and sizes come out of integer tables.

Law: a call's columns never change; what an instance did not send, the next one (after a restart) takes over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sim.plan import Distribution, Plan, ProducerPlan, Workload
from sim.streams import bulk, quantile_table, quantiles, stream

__all__ = ["Columns", "WorkloadSends", "build_sends"]

SECOND_NS = 1_000_000_000
_VARINT_LIMITS = np.array([64, 8_192, 1_048_576, 134_217_728], dtype=np.int64)  # zigzag


class Columns(NamedTuple):
    """One lane's settled future, as memory views (elements are Python ints)."""

    sends: Sequence[int]
    times: Sequence[int]
    cum: Sequence[int]


class SendColumns(NamedTuple):
    """All calls of an instance, one array a property."""

    times: NDArray[np.int64]
    sizes: NDArray[np.int64]
    topics: NDArray[np.int16]
    keys: NDArray[np.int32]
    indexes: NDArray[np.int16]

    def rest(self, start: int) -> SendColumns:
        return SendColumns(
            self.times[start:], self.sizes[start:], self.topics[start:], self.keys[start:], self.indexes[start:]
        )


class WorkloadSends:
    """The ``Sends`` of one producer instance. ``values``: explicit value by send index, where the file gives one."""

    def __init__(
        self,
        times: NDArray[np.int64],
        sizes: NDArray[np.int64],
        topics: NDArray[np.int16],
        keys: NDArray[np.int32],
        indexes: NDArray[np.int16],
        key_names: tuple[str, ...],
        values: dict[int, str],
    ) -> None:
        self.count = len(times)
        self.columns = SendColumns(times, sizes, topics, keys, indexes)
        self.key_names, self.values = key_names, values
        cum = np.zeros(len(times) + 1, dtype=np.int64)
        np.cumsum(sizes, out=cum[1:])
        self.times: Sequence[int] = _view(times)
        self.cum: Sequence[int] = _view(cum)
        self.topics: Sequence[int] = _view(topics)
        self.keys: Sequence[int] = _view(keys)
        self.indexes: Sequence[int] = _view(indexes)
        self.largest_bytes = int(sizes.max()) if len(sizes) else 0

    def topic_numbers(self) -> tuple[int, ...]:
        return tuple(int(number) for number in np.unique(self.columns[2]))

    @cached_property
    def _key_bytes(self) -> list[bytes]:
        return [name.encode() for name in self.key_names]

    def key_bytes(self, topic: int) -> Sequence[bytes]:
        return self._key_bytes

    def settled(self, topic: int) -> bool:
        its = self.columns
        return not bool(np.any((its.topics == topic) & (its.keys < 0) & (its.indexes < 0)))

    def split(self, topic: int, partition_of_key: Sequence[int], partitions: int, start: int) -> Mapping[int, Columns]:
        times, sizes, topics, keys, indexes = self.columns.rest(start)
        of_key = np.asarray([*partition_of_key, -1], dtype=np.int32)  # keys are -1 where there is none
        chosen = np.where(indexes >= 0, indexes, of_key[keys])
        lanes: dict[int, Columns] = {}
        for index in range(partitions):
            at = np.flatnonzero((chosen == index) & (topics == topic))
            if len(at):
                cum = np.zeros(len(at) + 1, dtype=np.int64)
                np.cumsum(sizes[at], out=cum[1:])
                sends = (at + start).astype(np.int32)
                lanes[index] = Columns(_view(sends), _view(times[at]), _view(cum))
        return lanes

    def rest(self, start: int) -> WorkloadSends:
        """What is left from send index *start* on, for the instance after a restart."""
        times, sizes, topics, keys, indexes = self.columns.rest(start)
        values = {index - start: value for index, value in self.values.items() if index >= start}
        return WorkloadSends(times, sizes, topics, keys, indexes, self.key_names, values)


def _view(column: NDArray[Any]) -> Sequence[int]:
    """A column as a sequence whose elements are Python ints, without a copy."""
    return memoryview(cast(Any, np.ascontiguousarray(column)))


def build_sends(producer: ProducerPlan, plan: Plan, seed: int) -> WorkloadSends:
    """All send() calls of *producer* in a run of *plan* with *seed*."""
    names: dict[str, int] = {}
    parts = [_calls(number, work, producer.name, plan, seed, names) for number, work in enumerate(producer.workloads)]
    if not parts:
        parts = [_Calls.empty()]
    times = np.concatenate([part.times for part in parts])
    order = np.argsort(times, kind="stable")
    explicit: dict[int, str] = {}
    base = 0
    for part in parts:
        explicit.update({base + at: value for at, value in enumerate(part.values or ()) if value is not None})
        base += len(part.times)
    values = {int(new): explicit[int(old)] for new, old in enumerate(order) if int(old) in explicit} if explicit else {}
    return WorkloadSends(
        times[order],
        np.concatenate([part.sizes for part in parts])[order],
        np.concatenate([part.topics for part in parts])[order],
        np.concatenate([part.keys for part in parts])[order],
        np.concatenate([part.indexes for part in parts])[order],
        tuple(names),
        values,
    )


class _Calls(NamedTuple):
    times: NDArray[np.int64]
    sizes: NDArray[np.int64]
    topics: NDArray[np.int16]
    keys: NDArray[np.int32]
    indexes: NDArray[np.int16]
    values: Sequence[str | None] | None  # None: no call has an explicit value

    @classmethod
    def empty(cls) -> _Calls:
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, none.astype(np.int16), none.astype(np.int32), none.astype(np.int16), None)


def _calls(number: int, work: Workload, producer: str, plan: Plan, seed: int, names: dict[str, int]) -> _Calls:
    name = f"workload/{producer}/{number}"
    if work.arrivals == "explicit":
        return _explicit(work, seed, name, names)
    times = _times(work, plan.run_us, seed, name)
    count = len(times)
    keys = _keys(work, count, seed, name, names)
    index = -1 if work.partition_index is None else work.partition_index
    sizes = _sizes(work, keys, names, seed, name)
    topics, indexes = np.full(count, work.topic, np.int16), np.full(count, index, np.int16)
    return _Calls(times, sizes, topics, keys, indexes, None)


def _times(work: Workload, run_us: int, seed: int, name: str) -> NDArray[np.int64]:
    stop = min(work.stop_us or run_us, run_us)
    span = max(0, stop - work.start_us)
    gap_ns = max(1, round(SECOND_NS / work.rate_per_s)) if work.rate_per_s > 0 else 0
    if gap_ns == 0 or span == 0:
        return np.zeros(0, dtype=np.int64)
    fits = -(-span * 1000 // gap_ns)  # ticks at 0, gap, 2 gap, ... before the end
    if work.arrivals == "poisson":
        times = _poisson(gap_ns, span, stream_name=f"{name}/arrivals", seed=seed)
    elif work.arrivals == "burst":
        times = np.repeat(np.arange(fits, dtype=np.int64) * gap_ns // 1000, max(1, work.burst_size))
    else:
        ticks = fits if work.count is None else min(fits, work.count)
        times = np.arange(ticks, dtype=np.int64) * gap_ns // 1000
    if work.count is not None:
        times = times[: work.count]
    return times + work.start_us


def _poisson(gap_ns: int, span_us: int, stream_name: str, seed: int) -> NDArray[np.int64]:
    """Arrival times with exponential gaps; the table is in nanoseconds so that high rates keep their mean."""
    draws, table = stream(seed, stream_name), quantile_table(Distribution("exponential", {"mean": gap_ns}))
    blocks: list[NDArray[np.int64]] = []
    last_ns = 0
    while last_ns < span_us * 1000:
        gaps = quantiles(table, bulk(draws, 4096))
        block = np.cumsum(gaps) + last_ns
        last_ns = int(block[-1])
        blocks.append(block)
    times = np.concatenate(blocks) // 1000
    return times[times < span_us]


def _keys(work: Workload, count: int, seed: int, name: str, names: dict[str, int]) -> NDArray[np.int32]:
    kinds = work.key_names or tuple(f"k{number}" for number in range(work.key_count))
    if not kinds:
        return np.full(count, -1, dtype=np.int32)
    numbers = np.asarray([names.setdefault(key, len(names)) for key in kinds], dtype=np.int32)
    if work.key_skew == "round_robin":
        at = (np.arange(count) % len(kinds)).astype(np.uint64)
        return numbers[at.astype(np.int64)]
    raws = bulk(stream(seed, f"{name}/keys"), count).astype(np.uint64)
    if work.key_skew == "zipf":
        # Shares in 1 / 2**26 of the first: their sum stays below 2**32.
        shares = np.asarray([(1 << 26) // rank for rank in range(1, len(kinds) + 1)], dtype=np.uint64)
        weights = np.cumsum(np.maximum(shares, np.uint64(1)))
        at = np.searchsorted(weights, raws * weights[-1] >> np.uint64(32), side="right")
    else:
        at = raws * np.uint64(len(kinds)) >> np.uint64(32)
    return numbers[at.astype(np.int64)]


def _sizes(work: Workload, keys: NDArray[np.int32], names: dict[str, int], seed: int, name: str) -> NDArray[np.int64]:
    low, high = work.value_bytes
    count = len(keys)
    if low == high:
        values = np.full(count, low, dtype=np.int64)
    else:
        raws = bulk(stream(seed, f"{name}/sizes"), count).astype(np.uint64)
        values = low + (raws * np.uint64(high - low + 1) >> np.uint64(32)).astype(np.int64)
    lengths = [*(len(key.encode()) if work.key_bytes is None else work.key_bytes for key in names), 0]
    return record_bytes(np.asarray(lengths, dtype=np.int64)[keys], values)


def record_bytes(key_bytes: NDArray[np.int64], value_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Size of a record in a v2 batch: length, attributes, timestamp and offset deltas (one byte each), key, value,
    header count (``DefaultRecord.sizeInBytes``)."""
    body = 4 + _varint(key_bytes) + key_bytes + _varint(value_bytes) + value_bytes
    size: NDArray[np.int64] = body + _varint(body)
    return size


def _varint(values: NDArray[np.int64]) -> NDArray[np.int64]:
    length: NDArray[np.int64] = 1 + np.searchsorted(_VARINT_LIMITS, values, side="right").astype(np.int64)
    return length


def _explicit(work: Workload, seed: int, name: str, names: dict[str, int]) -> _Calls:
    keys = np.asarray(
        [-1 if key is None else names.setdefault(key, len(names)) for _, key, _, _ in work.explicit], dtype=np.int32
    )
    indexes = [work.partition_index if index is None else index for _, _, index, _ in work.explicit]
    return _Calls(
        np.asarray([at for at, _, _, _ in work.explicit], dtype=np.int64) + work.start_us,
        _sizes(work, keys, names, seed, name),
        np.full(len(keys), work.topic, np.int16),
        keys,
        np.asarray([-1 if index is None else index for index in indexes], dtype=np.int16),
        [value for _, _, _, value in work.explicit],
    )
