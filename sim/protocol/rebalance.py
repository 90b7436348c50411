"""What a consumer and its part in rebalances ask of each other, whatever the group's protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sim.protocol.offset_client import Offsets

__all__ = ["Owner", "Rebalance"]


class Owner(Protocol):
    """The consumer: its application's thread, and what it has."""

    def consumed(self) -> Offsets:
        """Every valid position."""
        ...

    def polling(self) -> bool:
        """Whether the application's thread is in ``poll()``, and not in a commitSync of a callback."""
        ...

    def revoke(self, partitions: tuple[int, ...], lost: bool, now_us: int) -> bool:
        """Callback, then they are gone; whether the thread may go on at once."""
        ...

    def assign(self, partitions: tuple[int, ...]) -> None:
        """They are this consumer's now, without a position yet."""
        ...

    def commit_an_interval_from(self, now_us: int) -> None:
        """The next automatic commit is an interval away."""
        ...


class Rebalance(Protocol):
    """``unfinished``: a poll that finds no records goes round once more at once."""

    unfinished: bool

    def step(self, now_us: int) -> bool:
        """What a poll does first; True where it is to begin anew at once."""
        ...

    def at_rest(self) -> bool:
        """It is in its group, and nothing is under way."""
        ...

    def may_commit(self) -> bool:
        """Whether an automatic commit may be sent now."""
        ...

    def commits_late(self) -> bool:
        """Whether the automatic commit that is due now overtakes the poll, and covers what the poll returns."""
        ...

    def deadlines(self) -> Iterator[int]: ...
