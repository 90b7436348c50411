"""How long a message takes from one host to another, whatever was sent before it.

The latency of a link (an ordered pair of hosts) is a function of (seed, link, time slot): blocks of raw draws are made
when the clock first enters them, so neither the number of messages nor anybody's options change it. Lost packets are a
second stream of the same kind: TCP sends again after 200, 400, 800 ... ms, so loss is delay and never reorders.
"""

from __future__ import annotations

from sim.plan import LinkPlan
from sim.streams import bulk, quantile_table, stream

__all__ = ["Link"]

BLOCK_SLOTS = 1024
FIRST_RETRANSMISSION_US = 200_000  # Linux TCP_RTO_MIN
MOST_LOSSES = 6


class Link:
    """One way from one host to another. ``plain`` is False while a fault changes what the draws say."""

    __slots__ = (
        "_from_us", "_raws", "_slot_us", "_span_us", "cuts", "loss", "loss_block", "loss_number", "losses", "name",
        "plain", "seed", "slow_us", "stalled", "table",
    )  # fmt: skip

    def __init__(self, seed: int, name: str, plan: LinkPlan) -> None:
        self.seed, self.name = seed, name
        self.table = quantile_table(plan.latency)
        self._slot_us = plan.slot_us
        self._span_us = BLOCK_SLOTS * plan.slot_us
        self._raws = memoryview(b"")  # one block of draws, by slot
        self._from_us = 1 << 62  # where the block begins: no time yet lies in it
        self.plain = True
        self.cuts = 0  # how many faults cut it now
        self.slow_us = 0
        self.losses: list[int] = []  # packets lost in a million, of each fault that makes it lossy now
        self.loss = 0  # the largest of them
        self.loss_number, self.loss_block = -1, [0]
        self.stalled: list[object] = []  # what waits for the heal, in order (kept by the network)

    def latency_us(self, now_us: int) -> int:
        """At least 1, so that nothing arrives at the time it was sent."""
        into_us = now_us - self._from_us
        if not 0 <= into_us < self._span_us:
            into_us = self._draw(now_us)
        # sim.streams.quantile, written out: a call for every message costs a hundredth of a run
        raw, table = self._raws[into_us // self._slot_us], self.table
        cell = raw >> 22
        low = table[cell]
        latency = low + ((table[cell + 1] - low) * (raw & 0x3FFFFF) >> 22) or 1
        return latency if self.plain else latency + self.slow_us + self._retransmissions_us(now_us)

    def _draw(self, now_us: int) -> int:
        """Make the block of draws that covers *now_us*; how far into it that is."""
        number, into_us = divmod(now_us, self._span_us)
        self._raws = bulk(stream(self.seed, f"latency/{self.name}/{number}"), BLOCK_SLOTS).data
        self._from_us = now_us - into_us
        return into_us

    def _retransmissions_us(self, now_us: int) -> int:
        """What the loss of this slot's packet costs: each further loss doubles TCP's wait."""
        if not self.loss:
            return 0
        number, slot = divmod(now_us // self._slot_us, BLOCK_SLOTS)
        if number != self.loss_number:
            self.loss_block = bulk(stream(self.seed, f"loss/{self.name}/{number}"), BLOCK_SLOTS).tolist()
            self.loss_number = number
        raw, lost = self.loss_block[slot], 0
        while lost < MOST_LOSSES and raw * 10 ** (6 * lost + 6) < self.loss ** (lost + 1) << 32:
            lost += 1
        return FIRST_RETRANSMISSION_US * ((1 << lost) - 1)

    # --- what faults do to it -----------------------------------------------------------------------------------------
    def slow_by(self, by_us: int) -> None:
        """A negative number takes an earlier one back."""
        self.slow_us += by_us
        self._settle()

    def lose(self, in_a_million: int) -> None:
        self.losses.append(in_a_million)
        self._settle()

    def lose_no_more(self, in_a_million: int) -> None:
        self.losses.remove(in_a_million)
        self._settle()

    def _settle(self) -> None:
        self.loss = max(self.losses, default=0)
        self.plain = not (self.slow_us or self.loss or self.cuts)

    def cut(self) -> None:
        self.cuts += 1
        self.plain = False

    def mend(self) -> bool:
        """Take one cut back; True if nothing cuts it any more."""
        self.cuts -= 1
        self._settle()
        return not self.cuts
