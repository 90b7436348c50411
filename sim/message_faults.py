"""Which produce requests a scripted message fault is about: a pure matcher that both worlds use.

Words: a request is *seen* when it reaches the network. It is counted per partition, over all connections, from the
moment counting began (behind the warm-up, if there is one). A fault is addressed by that number, or by a record's value
and how often that record has been transmitted; the first fault of the file that matches a request applies. A fault that
begins later (``from_us``) counts from there.

What then happens to the request is the affair of the world: ``sim.world.scripted`` here, a proxy before real brokers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sim.plan import MessageFault

__all__ = ["ALL", "Matcher"]

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
