"""What the process around a consumer has for its application (``sim.protocol.work.Desk``): keys, and a producer.

A record that is sent on keeps its key and size. Its *origin* is remembered: sends that stem from one record on one way
to one topic mean the same, whoever makes them and however often; and when the work on a copy on a retry topic has
ended, so has that on its original.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.plan import Outlet
from sim.protocol.java_order import string_hash
from sim.protocol.java_producer import JavaProducer
from sim.protocol.lanes import Lane
from sim.protocol.librdkafka_producer import LibrdkafkaProducer
from sim.protocol.rows import Kind
from sim.protocol.work import Reported, Run, Way
from sim.world.fed import FedSends
from sim.world.host import Host
from sim.world.instances import Instance
from sim.world.kernel import Kernel

__all__ = ["Desk", "Desks"]

REFUSED_US = 100_000  # an application that called again at once would turn round and round
Call = tuple[int, int]  # producer instance and send index
WAYS = {"produced": Way.PRODUCED, "retry_topic": Way.RETRY_TOPIC, "dead_letter": Way.DEAD_LETTER}


class _Origin(NamedTuple):
    way: Way
    host: int  # of the consumer whose application sent it on
    run: Run


@dataclass(slots=True)
class Desks:
    """What all processes of a run share."""

    instances: Sequence[Instance]
    hosts: Mapping[int, Host]
    kernel: Kernel
    instance_of: Callable[[int], Instance]
    _origins: dict[Call, _Origin] = field(default_factory=dict)
    _meanings: dict[Call, Call] = field(default_factory=dict)  # calls that mean the same have one of these in common
    _first: dict[tuple[int, ...], Call] = field(default_factory=dict)
    same: list[list[int]] = field(default_factory=list)  # [instance, send index, the same two of an earlier equal one]
    _lanes: dict[tuple[int, int], Lane] = field(default_factory=dict)
    _waiting: dict[Call, tuple[Host, Reported]] = field(default_factory=dict)
    _hashes: dict[str, int] = field(default_factory=dict)

    # --- records ------------------------------------------------------------------------------------------------------
    def send_index(self, prod: int, partition: int, position: int) -> int:
        """The call that a position of a lane stands for."""
        lane = self._lanes.get((prod, partition))
        if lane is None:
            lanes = self.instances[prod].role.sent().lanes
            lane = self._lanes[prod, partition] = next(one for one in lanes if one.partition == partition)
        return lane.sends[position]

    def key_of(self, prod: int, partition: int, position: int) -> str | None:
        instance = self.instances[prod]
        _, call = instance.original(self.send_index(prod, partition, position))
        number = instance.sends.keys[call]
        return None if number < 0 else instance.sends.key_names[number]

    def size_of(self, prod: int, partition: int, position: int) -> int:
        instance = self.instances[prod]
        _, call = instance.original(self.send_index(prod, partition, position))
        return instance.sends.cum[call + 1] - instance.sends.cum[call]

    def hash_of(self, key: str) -> int:
        found = self._hashes.get(key)
        if found is None:
            found = self._hashes[key] = string_hash(key) & 0x7FFFFFFF
        return found

    # --- sends --------------------------------------------------------------------------------------------------------
    def send(self, outlet: Outlet, consumer: Host, run: Run, reported: Reported | None) -> None:
        """``send()`` of a consumer's application for the one record of *run*."""
        instance, there = self.instance_of(outlet.producer), self.hosts[outlet.producer]
        role, sends = instance.role, instance.sends
        assert isinstance(role, JavaProducer | LibrdkafkaProducer) and isinstance(sends, FedSends)
        if sends.count == 0:
            role.listen(_Reports(self, instance.prod))
        key, size = self.key_of(run.prod, run.partition, run.lo), self.size_of(run.prod, run.partition, run.lo)
        call = sends.add(self.kernel.now_us, outlet.topic, key, size)
        self._remember(instance.prod, call, outlet, _Origin(WAYS[outlet.way], consumer.number, run))
        if reported is not None:
            self._waiting[instance.prod, call] = (consumer, reported)
        there.tell(lambda: role.on_call(self.kernel.now_us), consumer.cause)

    def reported(self, prod: int, call: int, code: int, later_us: int = 0) -> None:
        """The application hears of it when the producer is done with what it is at, or so much later."""
        waiting = self._waiting.pop((prod, call), None)
        if waiting is None:
            return
        consumer, reported = waiting
        life = consumer.life

        def tell(_: object) -> None:
            if consumer.is_up and consumer.life == life:
                consumer.tell(lambda: reported(code, self.kernel.now_us), self.hosts[consumer.number].cause)

        self.kernel.call_at(self.kernel.now_us + later_us, tell)

    # --- what they mean -----------------------------------------------------------------------------------------------
    def _remember(self, prod: int, call: int, outlet: Outlet, origin: _Origin) -> None:
        run = origin.run
        comes_from = (run.prod, self.send_index(run.prod, run.partition, run.lo))
        meaning = self._meanings.get(comes_from) or self.instances[run.prod].original(comes_from[1])
        first = self._first.setdefault((outlet.topic, origin.way.value, *meaning), (prod, call))
        if first != (prod, call):
            self.same.append([prod, call, *first])
        self._origins[prod, call] = origin
        self._meanings[prod, call] = meaning if origin.way is Way.RETRY_TOPIC else first

    @property
    def derives(self) -> bool:
        return bool(self._origins)

    def origin_of(self, run: Run) -> _Origin | None:
        return self._origins.get((run.prod, self.send_index(run.prod, run.partition, run.lo)))

    def derived(self) -> list[list[int]]:
        """Every send of an application: [instance, send index, the same two of the record it came from, way]."""
        return [
            [prod, call, one.run.prod, self.send_index(one.run.prod, one.run.partition, one.run.lo), one.way.value]
            for (prod, call), one in self._origins.items()
        ]


@dataclass(frozen=True, slots=True)
class _Reports:
    """What a fed producer tells (``sim.protocol.lanes.Listener``)."""

    desks: Desks
    prod: int

    def reported(self, partition: int, lo: int, hi: int, code: int) -> None:
        for position in range(lo, hi):
            self.desks.reported(self.prod, self.desks.send_index(self.prod, partition, position), code)

    def refused(self, first: int, end: int, code: int) -> None:
        for call in range(first, end):
            self.desks.reported(self.prod, call, code, REFUSED_US)


class Desk:
    """The process around one consumer."""

    def __init__(self, desks: Desks, host: Host, outlets: Sequence[Outlet]) -> None:
        self._desks, self._host = desks, host
        self._outlets = {WAYS[outlet.way]: outlet for outlet in outlets}

    def key(self, run: Run) -> int:
        key = self._desks.key_of(run.prod, run.partition, run.lo)
        return -1 if key is None else self._desks.hash_of(key)

    def send(self, way: Way, run: Run, reported: Reported | None) -> None:
        self._desks.send(self._outlets[way], self._host, run, reported)

    def over(self, run: Run) -> None:
        """The originals of copies on a retry topic have ended too, for the consumers that had put them there."""
        for step in range(run.hi - run.lo if self._desks.derives else 0):
            one = Run(run.partition, run.prod, run.lo + step, run.lo + step + 1, run.offset + step, run.epoch)
            origin = self._desks.origin_of(one)
            while origin is not None and origin.way is Way.RETRY_TOPIC:
                first = origin.run
                self._host.record(
                    Kind.PROC_END, host=origin.host, partition=first.partition, prod=first.prod, lo=first.lo,
                    hi=first.hi, offset=first.offset,
                )  # fmt: skip
                origin = self._desks.origin_of(first)
