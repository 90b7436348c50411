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
_VARINT_LIMITS = (64, 8_192, 1_048_576, 134_217_728)


class Columns(NamedTuple):
    """One lane's settled future, as memory views (elements are Python ints)."""

    sends: Sequence[int]
    times: Sequence[int]
    cum: Sequence[int]


class SendColumns(NamedTuple):
    """All calls of an instance, one array a property."""

    times: NDArray[np.int64]
    sizes: NDArray[np.int32]
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
        sizes: NDArray[np.int32],
        topics: NDArray[np.int16],
        keys: NDArray[np.int32],
        indexes: NDArray[np.int16],
        key_names: tuple[str, ...],
        values: dict[int, str],
    ) -> None:
        self.count = len(times)
        self.grows = False
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
        return self._topic_numbers

    @cached_property
    def _topic_numbers(self) -> tuple[int, ...]:
        return tuple(int(number) for number in np.unique(self.columns.topics))

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
        keyless = 0 if partitions == 1 else -1  # with a single partition there is nothing to choose
        of_key = np.asarray([*partition_of_key, keyless], dtype=np.int16)  # keys are -1 where there is none
        chosen = np.where(indexes >= 0, indexes, of_key[keys])
        if len(self.topic_numbers()) > 1:
            chosen[topics != topic] = -1
        lanes: dict[int, Columns] = {}
        for index in range(partitions):
            at = np.flatnonzero(chosen == index)
            if len(at):
                cum = np.zeros(len(at) + 1, dtype=np.int64)
                np.cumsum(sizes[at], out=cum[1:])
                lane_times = times[at]
                at += start
                lanes[index] = Columns(_view(at.astype(np.int32)), _view(lane_times), _view(cum))
        return lanes

    def rest(self, start: int) -> WorkloadSends:
        """What is left from send index *start* on, for the instance after a restart."""
        times, sizes, topics, keys, indexes = self.columns.rest(start)
        values = {index - start: value for index, value in self.values.items() if index >= start}
        return WorkloadSends(times, sizes, topics, keys, indexes, self.key_names, values)


def _view(column: NDArray[Any]) -> Sequence[int]:
    """A column as a sequence whose elements are Python ints, without a copy."""
    return memoryview(cast(Any, column))


def build_sends(producer: ProducerPlan, plan: Plan, seed: int) -> WorkloadSends:
    """All send() calls of *producer* in a run of *plan* with *seed*."""
    names: dict[str, int] = {}
    parts = [_calls(number, work, producer.name, plan, seed, names) for number, work in enumerate(producer.workloads)]
    if not parts:
        parts = [_Calls.empty()]
    if len(parts) == 1 and bool(np.all(parts[0].times[1:] >= parts[0].times[:-1])):
        only = parts[0]
        values = {at: value for at, value in enumerate(only.values or ()) if value is not None}
        return WorkloadSends(only.times, only.sizes, only.topics, only.keys, only.indexes, tuple(names), values)
    return _merged(parts, tuple(names))


def _merged(parts: Sequence[_Calls], names: tuple[str, ...]) -> WorkloadSends:
    """Several workloads as one program: by time, equal times in the order of the file."""
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
        names,
        values,
    )


class _Calls(NamedTuple):
    times: NDArray[np.int64]
    sizes: NDArray[np.int32]
    topics: NDArray[np.int16]
    keys: NDArray[np.int32]
    indexes: NDArray[np.int16]
    values: Sequence[str | None] | None  # None: no call has an explicit value

    @classmethod
    def empty(cls) -> _Calls:
        short, middle = np.zeros(0, dtype=np.int16), np.zeros(0, dtype=np.int32)
        return cls(np.zeros(0, dtype=np.int64), middle, short, middle, short, None)


def _calls(number: int, work: Workload, producer: str, plan: Plan, seed: int, names: dict[str, int]) -> _Calls:
    name = f"workload/{producer}/{number}"
    if work.arrivals == "explicit":
        return _explicit(work, seed, name, names)
    times = _times(work, plan.run_us, seed, name)
    count = len(times)
    keys = _keys(work, count, seed, name, names)
    index = -1 if work.partition_index is None else work.partition_index
    sizes = _sizes(work, keys, names, seed, name)
    topics = np.broadcast_to(np.int16(work.topic), count)  # one value, however many calls
    indexes = np.broadcast_to(np.int16(index), count)
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
        return np.broadcast_to(np.int32(-1), count)
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


def _sizes(work: Workload, keys: NDArray[np.int32], names: dict[str, int], seed: int, name: str) -> NDArray[np.int32]:
    low, high = work.value_bytes
    count = len(keys)
    if low == high:
        values = np.broadcast_to(np.int32(low), count)
    else:
        raws = bulk(stream(seed, f"{name}/sizes"), count).astype(np.uint64)
        values = low + (raws * np.uint64(high - low + 1) >> np.uint64(32)).astype(np.int32)
    lengths = [*(len(key.encode()) if work.key_bytes is None else work.key_bytes for key in names), 0]
    return record_bytes(np.asarray(lengths, dtype=np.int32)[keys], values)


def record_bytes(key_bytes: NDArray[np.int32], value_bytes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Size of a record in a v2 batch: length, attributes, timestamp and offset deltas (one byte each), key, value,
    header count (``DefaultRecord.sizeInBytes``)."""
    body = 4 + _varint(key_bytes) + key_bytes + _varint(value_bytes) + value_bytes
    size: NDArray[np.int32] = body + _varint(body)
    return size


def _varint(values: NDArray[np.int32]) -> NDArray[np.int32]:
    length = np.ones(len(values), dtype=np.int32)
    for limit in _VARINT_LIMITS:  # zigzag: seven bits a byte, one of them the sign
        length += values >= limit
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
