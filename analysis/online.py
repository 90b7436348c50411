"""The two algorithms of RFC 5236 that a receiver can run as records come in, with a threshold on what they remember.

Both read first copies. They differ from the offline measures where a record is early or late by more than the threshold
(it is discarded) and where one was lost (the buffer waits for it until it is full).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain

__all__ = ["buffer_online", "density_online"]


def density_online(arrivals: Sequence[int], first: int, threshold: int) -> tuple[dict[int, int], list[int]]:
    """Histogram of displacements, and the numbers discarded (RFC 5236, section 5.1).

    A window of ``threshold + 1`` arrivals looks ahead: a receive index that is neither in it nor among the early ones
    remembered is given up as lost.
    """
    coming = iter(arrivals)
    window: deque[int] = deque()
    ahead: set[int] = set()  # numbers in the window
    early: set[int] = set()
    found: dict[int, int] = {}
    discarded: list[int] = []
    index = first

    def refill() -> None:
        for number in coming:
            if number >= index:
                window.append(number)
                ahead.add(number)
                return
            discarded.append(number)  # its receive index was given up

    while len(window) <= threshold:
        held = len(window)
        refill()
        if len(window) == held:
            break
    while window:
        if index not in ahead and index not in early:
            index = min(number for number in chain(ahead, early) if number > index)
            continue
        number = window.popleft()
        ahead.discard(number)
        displacement = index - number
        if abs(displacement) <= threshold:
            found[displacement] = found.get(displacement, 0) + 1
            early.discard(index)
            if displacement < 0:
                early.add(number)
            index += 1
        else:
            discarded.append(number)
        refill()
    return dict(sorted(found.items())), discarded


def buffer_online(arrivals: Sequence[int], first: int, threshold: int) -> list[int]:
    """Buffer occupancy after each arrival (RFC 5236, section 5.2), for a buffer of *threshold* records.

    When a record comes that finds the buffer full, the numbers awaited before the earliest one held are given up. The
    newcomer is stored if what is freed does not reach it (the published step forgets it).
    """
    awaited, held, occupancy = first, set[int](), []
    for number in arrivals:
        if number < awaited:
            occupancy.append(len(held))  # too late: given up before
            continue
        if number > awaited and len(held) >= threshold:
            awaited = min(number, min(held))
        held.add(number)
        while awaited in held:
            held.remove(awaited)
            awaited += 1
        occupancy.append(len(held))
    return occupancy
