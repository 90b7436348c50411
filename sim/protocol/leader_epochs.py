"""Which leader epoch wrote which stretch of a log: an ordered list of (epoch, first offset).

Laws: epochs and start offsets both increase strictly from entry to entry.

Two replicas compare these lists to find the end of their common prefix (``broker:REP-31`` to ``REP-34``). An answer
names the largest epoch not above the one asked for, and where it ends; a bare offset is not enough (``broker:REP-39``).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

__all__ = ["LeaderEpochs"]


class LeaderEpochs:
    """The epoch cache of one replica."""

    __slots__ = ("epochs", "starts")

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.starts: list[int] = []

    @property
    def latest(self) -> int:
        """The newest epoch known, -1 if none."""
        return self.epochs[-1] if self.epochs else -1

    def assign(self, epoch: int, offset: int) -> None:
        """From *offset* on the log is of *epoch*; entries that contradict it go (broker:REP-31)."""
        if self.epochs and self.epochs[-1] == epoch and offset >= self.starts[-1]:
            return
        keep = min(bisect_left(self.epochs, epoch), bisect_left(self.starts, offset))
        del self.epochs[keep:], self.starts[keep:]
        self.epochs.append(epoch)
        self.starts.append(offset)

    def end_of(self, epoch: int, log_end: int) -> tuple[int, int] | None:
        """The largest known epoch not above *epoch* and where it ends; None if that cannot be told (broker:REP-32)."""
        if not self.epochs or epoch > self.epochs[-1]:
            return None
        if epoch == self.epochs[-1]:
            return epoch, log_end
        above = bisect_right(self.epochs, epoch)
        if above == 0:
            return epoch, self.starts[0]
        return self.epochs[above - 1], self.starts[above]

    def at(self, offset: int) -> int:
        """The epoch of *offset*, -1 if none is known."""
        entry = bisect_right(self.starts, offset) - 1
        return self.epochs[entry] if entry >= 0 else -1

    def truncate_from_end(self, offset: int) -> None:
        keep = bisect_left(self.starts, offset)
        del self.epochs[keep:], self.starts[keep:]

    def truncate_from_start(self, offset: int) -> None:
        """The entry that covers *offset* stays, and now begins there."""
        covering = bisect_right(self.starts, offset) - 1
        if covering < 0:
            return
        del self.epochs[:covering], self.starts[:covering]
        self.starts[0] = offset
