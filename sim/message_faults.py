"""Which produce requests a scripted message fault is about: a pure matcher that both worlds use.

Words: a request is *seen* when it reaches the network. It is counted per partition, over all connections, from the
moment counting began (behind the warm-up, if there is one). A fault is addressed by that number, or by a record's value
and how often that record has been transmitted; the first fault of the file that matches a request applies. A fault that
begins later (``from_us``) counts from there.

What then happens to the request is the affair of the world: ``sim.world.scripted`` here, a proxy before real brokers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from sim.plan import MessageFault

__all__ = ["ALL", "AnswerDrops", "Matcher"]

Who = TypeVar("Who")

ALL = "all"  # in place of a value: every record


class Matcher:
    """Counts the produce requests of one producer and names the fault that applies to each."""

    def __init__(self, faults: Iterable[MessageFault]) -> None:
        self._faults: dict[int, list[MessageFault]] = {}
        for fault in sorted(faults, key=lambda fault: fault.index):
            self._faults.setdefault(fault.partition, []).append(fault)
        self._seen: dict[int, int] = {}
        self._before: dict[int, int] = {}  # by fault: requests seen before its time began
        self._sent: dict[tuple[int, str], int] = {}  # transmissions of a value to a partition
        self._by_value = {
            partition: any(fault.value is not None for fault in faults) for partition, faults in self._faults.items()
        }

    def see(
        self, partition: int, values: Callable[[], Sequence[str]], now_us: int
    ) -> tuple[int, MessageFault | None]:
        """A request with one batch for *partition* is on the network: its number, from 1, and the fault it meets.

        *values*, the values of the batch's records, is called only where a fault asks for them.
        """
        faults = self._faults.get(partition)
        if faults is None:
            return 0, None
        number = self._seen[partition] = self._seen.get(partition, 0) + 1
        attempts: dict[str, int] = {}
        if self._by_value[partition]:
            for value in values():
                attempts[value] = self._sent[partition, value] = self._sent.get((partition, value), 0) + 1
        met = None
        for fault in faults:  # each counts for itself, so all are looked at
            if self._in_time(fault, now_us) and self._addressed(fault, number, attempts) and met is None:
                met = fault
        return number, met

    def before(self, fault: MessageFault) -> int:
        """How many requests to its partition had been seen when *fault* began to count (``from_us``)."""
        return self._before.get(fault.index, 0)

    @staticmethod
    def _in_time(fault: MessageFault, now_us: int) -> bool:
        return fault.from_us <= now_us and (fault.until_us is None or now_us < fault.until_us)

    def _addressed(self, fault: MessageFault, number: int, attempts: dict[str, int]) -> bool:
        before = self._before.setdefault(fault.index, number - 1 if fault.from_us else 0)
        if fault.value is None:
            return number - before in fault.nth
        if fault.value == ALL:  # a batch is as old as its oldest record
            attempt = max(attempts.values(), default=0)
        else:
            attempt = attempts.get(fault.value, 0)
        return attempt > 0 and (fault.attempt is None or attempt == fault.attempt)


class AnswerDrops(Generic[Who]):
    """Answers that are to be thrown away: each waits until the broker has answered requests 1..m (its fault's
    ``after_answered``), or, where no m is given, the request itself."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._answered: dict[int, set[int]] = {}  # request numbers by partition
        self._waiting: list[tuple[Who, Mapping[int, int], MessageFault]] = []

    def wait(self, who: Who, numbers: Mapping[int, int], fault: MessageFault) -> list[tuple[Who, MessageFault]]:
        """The answer to a request with these *numbers* (by partition) is to be dropped: those whose time has come."""
        self._waiting.append((who, numbers, fault))
        return self._ripe()

    def answered(self, numbers: Mapping[int, int]) -> list[tuple[Who, MessageFault]]:
        """The broker has answered a request, or it asked for no answer: those whose time has come."""
        for partition, number in numbers.items():
            self._answered.setdefault(partition, set()).add(number)
        return self._ripe() if numbers else []

    def _ripe(self) -> list[tuple[Who, MessageFault]]:
        ripe = [entry for entry in self._waiting if self._reached(entry[1], entry[2])]
        self._waiting = [entry for entry in self._waiting if entry not in ripe]
        return [(who, fault) for who, _, fault in ripe]

    def _reached(self, numbers: Mapping[int, int], fault: MessageFault) -> bool:
        answered = self._answered.get(fault.partition, set())
        if fault.after_answered is None:
            return numbers[fault.partition] in answered
        first = self._matcher.before(fault) + 1
        return all(number in answered for number in range(first, first + fault.after_answered))
