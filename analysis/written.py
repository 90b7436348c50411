"""Appends of any broker, found by what they wrote and where."""

from __future__ import annotations

import numpy as np

from analysis.columns import offset_key
from analysis.history import Appends, Column

__all__ = ["Written"]


class Written:
    """Appends looked up by partition, offset and value."""

    def __init__(self, appends: Appends, rows: Column) -> None:
        keys = offset_key(appends.partition[rows], appends.offset[rows])
        rows = rows[np.argsort(keys, kind="stable")]
        self._keys = np.sort(keys, kind="stable")
        self._value, self._row = appends.value[rows], appends.row[rows]

    def last(self, partition: Column, offset: Column, value: Column, upto: Column) -> Column:
        """The row of the last such append not after row *upto*; -1 where there is none."""
        keys = offset_key(partition, offset)
        return self._walk(np.searchsorted(self._keys, keys, side="right") - 1, -1, keys, value, upto)

    def first(self, partition: Column, offset: Column, value: Column) -> Column:
        """The row of the first such append; -1 where there is none."""
        keys = offset_key(partition, offset)
        forever = np.full(len(keys), np.iinfo(np.int64).max)
        return self._walk(np.searchsorted(self._keys, keys), 1, keys, value, forever)

    def _walk(self, at: Column, step: int, keys: Column, value: Column, upto: Column) -> Column:
        """From *at* on, place by place, as long as the key is the same and the append is another one."""
        found = np.full(len(keys), -1, np.int64)
        left = np.flatnonzero((at >= 0) & (at < len(self._keys)))
        while len(left):
            here = at[left]
            same = self._keys[here] == keys[left]
            hit = same & (self._value[here] == value[left]) & (self._row[here] <= upto[left])
            found[left[hit]] = self._row[here[hit]]
            at[left] += step
            left = left[same & ~hit & (at[left] >= 0) & (at[left] < len(self._keys))]
        return found
