"""Which questions meet an open interval: vectorised, in O(n log n) at worst.

An interval belongs to a lane, has a key, and is open from one time to another, both excluded. A question (lane, key,
time) is *met* where an interval of its lane with a lower key is open at that time. Keys are offsets, times are rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.columns import OFFSET_BITS, mask_of, offset_key, running_max
from analysis.history import Column

__all__ = ["FOREVER", "Intervals"]

FOREVER = (1 << OFFSET_BITS) - 1  # later than every row


@dataclass(slots=True)
class Intervals:
    lane: Column
    key: Column
    opened: Column
    closed: Column  # FOREVER: never

    def __len__(self) -> int:
        return len(self.lane)

    def take(self, rows: Column) -> Intervals:
        return Intervals(self.lane[rows], self.key[rows], self.opened[rows], self.closed[rows])

    def met(self, lane: Column, key: Column, time: Column) -> Column:
        """By question: some interval with a lower key is open."""
        found = np.zeros(len(lane), bool)
        if not len(self) or not len(lane):
            return found
        mine = self.take(np.argsort(offset_key(self.lane, self.key), kind="stable"))
        later = (mine.opened[1:] < mine.opened[:-1]) & (mine.lane[1:] == mine.lane[:-1])
        tangled = mask_of(mine.lane[1:][later], int(max(mine.lane.max(), lane.max())) + 1)
        for hard, ask in ((False, _met_in_order), (True, _met_anyhow)):
            asked = np.flatnonzero(tangled[lane] == hard)
            if len(asked):
                chosen = mine if not hard and not later.any() else mine.take(tangled[mine.lane] == hard)
                found[asked] = ask(chosen, lane[asked], key[asked], time[asked])
        return found

    def lowest(self, lane: int, key: int, time: int) -> int:
        """The interval with the lowest key that meets one question."""
        open_then = (self.lane == lane) & (self.key < key) & (self.opened < time) & (time < self.closed)
        rows = np.flatnonzero(open_then)
        return int(rows[np.argmin(self.key[rows])])


def _met_in_order(mine: Intervals, lane: Column, key: Column, time: Column) -> Column:
    """Intervals were opened in the order of their keys: those below a key that are open yet are the first ones."""
    if not len(mine):
        return np.zeros(len(lane), bool)
    lifted, highest = running_max(mine.closed, mine.lane)
    last_closed = mine.closed + (highest - lifted)  # of an interval and all before it in its lane
    below = np.searchsorted(offset_key(mine.lane, mine.key), offset_key(lane, key))
    opened = np.searchsorted(offset_key(mine.lane, mine.opened), offset_key(lane, time))
    at = np.minimum(below, opened) - 1
    there = (at >= 0) & (mine.lane[np.maximum(at, 0)] == lane)
    met: Column = there & (last_closed[np.maximum(at, 0)] > time)
    return met


def _met_anyhow(mine: Intervals, lane: Column, key: Column, time: Column) -> Column:
    """A pass for each bit of a rank by (lane, key); within the groups of a pass everything stands in order of time.

    A question whose bit is 1 looks at the intervals of its group whose bit is 0: they have lower keys. Of those opened
    before, the one closed last decides.
    """
    size, asked = len(mine) + len(lane), len(lane)
    is_interval = np.arange(size) >= asked
    lanes, keys = np.concatenate([lane, mine.lane]), np.concatenate([key, mine.key])
    rank = np.empty(size, np.int64)
    rank[np.lexsort((is_interval, keys, lanes))] = np.arange(size)
    place = np.lexsort((is_interval, np.concatenate([time, mine.opened]), lanes))
    ends = np.sort(offset_key(mine.lane, mine.closed))
    end = np.zeros(size, np.int64)
    end[asked:] = np.searchsorted(ends, offset_key(mine.lane, mine.closed)) + 1
    needed = np.searchsorted(ends, offset_key(lane, time), side="right") + 1
    best = np.zeros(size, np.int64)
    for bit in range(int(size - 1).bit_length() - 1, -1, -1):
        ranks = rank[place]
        one, group = (ranks >> bit) & 1, ranks >> (bit + 1)
        lifted, highest = running_max(np.where(one == 0, end[place], 0), group)
        seen = np.where(one == 0, 0, np.where(one == 0, end[place], 0) + (highest - lifted))
        best[place] = np.maximum(best[place], seen)
        place = place[np.argsort(ranks >> bit, kind="stable")]
    met: Column = best[:asked] >= needed
    return met
