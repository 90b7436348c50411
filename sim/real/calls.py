"""The ``send()`` calls of a producer as rows for a driver: the calls of the simulated run, at the same times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sim.plan import WARM_UP_BYTES, WARM_UP_US, WARM_UP_VALUE, Plan, ProducerPlan
from sim.world.workload import build_sends

__all__ = ["Call", "calls_of", "calls_of_successor", "is_timed"]

SHORT_WARM_UP_US = 500_000  # where no time in the scenario means anything: its acknowledgement is a few round trips


@dataclass(frozen=True, slots=True)
class Call:
    at_us: int
    topic: str
    index: int | None  # the partition that the call names
    key: str | None
    value: str
    value_bytes: int
    named: bool = field(default=False)  # the scenario gives the value; else it is INSTANCE/NUMBER

    def row(self) -> list[object]:
        return [self.at_us, self.topic, self.index, self.key, self.value, self.value_bytes]


def calls_of(producer: ProducerPlan, plan: Plan, seed: int) -> list[Call]:
    """All calls of the first instance, behind the warm-up if there is one."""
    sends = build_sends(producer, plan, seed)
    names = [topic.name for topic in plan.topics]
    columns = (sends.times, sends.topics, sends.indexes, sends.keys, sends.columns.sizes.tolist())
    calls = []
    for number, (at, topic, index, key, size) in enumerate(zip(*columns, strict=True)):
        text = sends.key_names[key] if key >= 0 else None
        value, where = sends.values.get(number), index if index >= 0 else None
        length = _value_bytes(size, text)
        calls.append(Call(at, names[topic], where, text, value or "", length, named=value is not None))
    if producer.warm_up:
        calls = _behind_warm_up(producer, plan, calls)
    return [_with_value(call, producer.name, number) for number, call in enumerate(calls)]


def is_timed(plan: Plan) -> bool:
    """Whether anything happens at a time of its own, so that calls must come when they are due."""
    return bool(plan.actions) or any(fault.from_us or fault.until_us for fault in plan.message_faults)


def _behind_warm_up(producer: ProducerPlan, plan: Plan, calls: list[Call]) -> list[Call]:
    topic = next(topic for topic in plan.topics if producer.warm_up_partition in topic.partitions)
    index = topic.partitions.index(producer.warm_up_partition)
    later = WARM_UP_US if is_timed(plan) else SHORT_WARM_UP_US
    first = Call(0, topic.name, index, None, WARM_UP_VALUE, WARM_UP_BYTES, True)
    return [first, *(replace(call, at_us=call.at_us + later) for call in calls)]


def calls_of_successor(name: str, again: list[Call], rest: list[Call], now_us: int) -> list[Call]:
    """What a producer that was restarted calls: *again* first, then what its predecessor had not called."""
    calls = [replace(call, named=False) for call in again] + rest
    return [
        _with_value(replace(call, at_us=max(call.at_us, now_us)), name, number) for number, call in enumerate(calls)
    ]


def _with_value(call: Call, instance: str, number: int) -> Call:
    return call if call.named else replace(call, value=f"{instance}/{number}")


def _value_bytes(size: int, key: str | None) -> int:
    """The length of the value in a record of *size* bytes (``DefaultRecord.sizeInBytes``)."""
    key_part = 1 if key is None else _varint_bytes(len(key.encode())) + len(key.encode())
    body = next(body for body in range(size - 1, -1, -1) if body + _varint_bytes(body) == size)
    rest = body - 4 - key_part
    return next(length for length in range(rest - 1, -1, -1) if length + _varint_bytes(length) == rest)


def _varint_bytes(value: int) -> int:
    """Of a zigzag varint."""
    return max(1, -(-(value.bit_length() + 1) // 7))
