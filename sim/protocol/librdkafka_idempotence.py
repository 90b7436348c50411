"""librdkafka's idempotent producer: its identity, the sequence of a message, and what an error means for both.

Words: *drain*, build nothing for a partition until everything of it on the wire is answered; *bump*, stop all
partitions until nothing is on the wire anywhere, then epoch + 1 and sequences from 0 at each partition's first unsent
message.

Laws: sequence = msgid - base, so one epoch always gives a message the same sequence; the base moves only while nothing
of the partition is built or on the wire; at most 5 messages of a partition are then, or one request.
Sources: producer:8.4, 8.5; ``rd_kafka_handle_idempotent_Produce_error`` and ``..._success``, rdkafka_idempotence.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.protocol.error_codes import PRODUCE_ERRORS
from sim.protocol.librdkafka_queue import Request, Toppar
from sim.protocol.port import Port
from sim.protocol.rows import Kind

__all__ = ["DEDUPLICATED", "Identity", "Verdict", "judge_idempotent", "judge_plain", "succeeded"]

DEDUPLICATED = 5  # batches that a leader remembers; here a limit on messages
_SEQUENCES = 0x7FFFFFFF
_EPOCHS = 0x7FFF


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a failed request: ``retry``, ``fail`` or ``succeed``."""

    do: str
    counted: bool = True  # as one of ``retries``
    drain: bool = False
    bump: bool = False
    fatal: bool = False
    topic: bool = False  # the topic is marked bad


def judge_plain(code: int, sent: bool) -> Verdict:
    """Producer:8.5, column plain."""
    error = PRODUCE_ERRORS.get(code)
    word = error.librdkafka_plain if error is not None else "fail"
    if word in ("retry", "retry_free"):
        return Verdict("retry", counted=sent and word == "retry")
    return Verdict("fail", topic=word == "fail_topic")


def judge_idempotent(request: Request, code: int, gapless: bool) -> Verdict:
    """Producer:8.5, column idempotent; moves the sequences of which the next ack or error is expected."""
    toppar, seq = request.toppar, request.seq
    after = seq + request.count & _SEQUENCES
    error = PRODUCE_ERRORS.get(code)
    word = error.librdkafka_idempotent if error is not None else "fail_bump"
    if word == "success":
        toppar.next_ack = toppar.next_err = after
        return Verdict("succeed")
    if word == "sequence":
        return _out_of_order(toppar, seq, after)
    expected, toppar.next_err = toppar.next_err, after
    if word in ("retry", "retry_free"):
        return Verdict("retry", counted=request.sent and word == "retry", drain=True)
    if word == "unknown_producer":
        if request.parts[0].retries == 0 and expected == seq:
            return Verdict("retry", counted=False, drain=True, bump=True)
        return Verdict("fail", fatal=True)
    return Verdict("fail", bump=not gapless, fatal=gapless, topic=word == "fail_topic")


def _out_of_order(toppar: Toppar, seq: int, after: int) -> Verdict:
    """OUT_OF_ORDER_SEQUENCE_NUMBER: an earlier request failed, or client and broker disagree."""
    if seq < toppar.next_ack:
        return Verdict("fail", fatal=True)
    head_of_line = seq == toppar.next_ack
    toppar.next_err = after
    if head_of_line:
        return Verdict("fail", fatal=True, bump=False)
    return Verdict("retry", counted=False, drain=True, bump=True)


def succeeded(request: Request) -> tuple[bool, bool]:
    """An acknowledgement moves the window. Whether it implies one for everything queued before it, and whether it came
    where an error was expected (fatal)."""
    toppar, seq = request.toppar, request.seq
    after = seq + request.count & _SEQUENCES
    implies = toppar.acked < request.lo
    wrong = not implies and seq != toppar.next_ack and seq == toppar.next_err
    if wrong:
        toppar.next_err = after
    else:
        if toppar.next_err == toppar.next_ack:
            toppar.next_err = after
        toppar.next_ack = after
    toppar.acked = max(toppar.acked, request.hi)
    return implies, wrong


class Identity:
    """Producer id and epoch of the whole producer. ``usable``: requests may be built under it."""

    def __init__(self, port: Port, prod: int) -> None:
        self._port, self._prod = port, prod
        self.pid = self.epoch = -1
        self.bumping = False
        self.asked = False  # InitProducerId is under way
        self.ask_at_us = 0
        self._busy = 0  # partitions with something built or on the wire

    @property
    def usable(self) -> bool:
        return self.pid >= 0 and not self.bumping

    def obtained(self, pid: int, epoch: int) -> None:
        self.pid, self.epoch = pid, epoch
        self._port.record(Kind.PRODUCER_ID, prod=self._prod, pid=pid, epoch=epoch)

    def begun(self) -> None:
        """A partition has something built."""
        self._busy += 1

    def ended(self) -> bool:
        """A partition has nothing built or on the wire any more. Whether that completed a bump."""
        self._busy -= 1
        return self._bump_if_drained()

    def bump(self) -> bool:
        """Drain everything, then take the next epoch. Whether that happened at once."""
        self.bumping = True
        return self._bump_if_drained()

    def _bump_if_drained(self) -> bool:
        if not self.bumping or self._busy or self.pid < 0:
            return False
        self.bumping = False
        self.obtained(self.pid, self.epoch + 1 & _EPOCHS)
        return True

    def holds(self, toppar: Toppar) -> bool:
        return toppar.pid == self.pid and toppar.epoch == self.epoch

    def adopt(self, toppar: Toppar) -> bool:
        """Put *toppar* under the present identity, its first queued message at sequence 0; not while it is busy."""
        if toppar.on_wire:
            return False
        toppar.pid, toppar.epoch = self.pid, self.epoch
        toppar.base = toppar.head
        toppar.next_ack = toppar.next_err = 0
        return True

    def sign(self, request: Request) -> None:
        request.pid, request.epoch = self.pid, self.epoch
        request.seq = request.lo - request.toppar.base & _SEQUENCES

