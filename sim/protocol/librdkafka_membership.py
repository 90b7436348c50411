"""What a librdkafka member knows of its membership, whichever protocol its group speaks (``rdkafka_cgrp.h``).

``PollInterval`` watches its application: a timer looks twice a second, once something was assigned, how long ago the
last poll ended (``rd_kafka_cgrp_max_poll_interval_check_tmr_cb``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from sim.protocol.error_codes import ErrorCode

__all__ = ["JoinState", "Membership", "PollInterval", "RebalanceOp"]

MS = 1_000
_NEVER = 1 << 62
_TICK_US = 500 * MS


class JoinState(Enum):
    """``rkcg_join_state``"""

    INIT = "init"
    WAIT_JOIN = "wait-join"
    WAIT_METADATA = "wait-metadata"
    WAIT_SYNC = "wait-sync"
    WAIT_ASSIGN_CALL = "wait-assign-call"
    WAIT_UNASSIGN_CALL = "wait-unassign-call"
    WAIT_UNASSIGN_TO_COMPLETE = "wait-unassign-to-complete"
    WAIT_INCR_UNASSIGN_TO_COMPLETE = "wait-incr-unassign-to-complete"
    STEADY = "steady"


_JOINING = (JoinState.WAIT_JOIN, JoinState.WAIT_METADATA)
_CALLS = (JoinState.WAIT_ASSIGN_CALL, JoinState.WAIT_UNASSIGN_CALL)


@dataclass(frozen=True, slots=True)
class RebalanceOp:
    """A rebalance callback that waits for the application (``RD_KAFKA_OP_REBALANCE``)."""

    assigns: bool
    partitions: tuple[int, ...]
    generation: int


@dataclass(slots=True)
class Membership:
    """``ops``: callbacks in order, or None for a fatal error. ``owned``: the group's assignment, None for none yet."""

    state: JoinState = JoinState.INIT
    member: str = ""
    generation: int = -1
    assignor: str = ""  # chosen by the last join; until then the member is neither eager nor cooperative
    owned: tuple[int, ...] | None = None
    lost: bool = False  # the application has not been told yet
    fatal: bool = False
    leave_when_unassigned: bool = False  # RD_KAFKA_CGRP_F_LEAVE_ON_UNASSIGN_DONE
    rejoin_after: bool = False  # rkcg_rebalance_rejoin
    after_revoke: tuple[int, ...] | None = None  # rkcg_rebalance_incr_assignment
    ops: deque[RebalanceOp | None] = field(default_factory=deque)

    def rebalancing(self) -> bool:
        """``RD_KAFKA_CGRP_REBALANCING``"""
        if self.state in _JOINING:
            under_way = bool(self.member)
        else:
            under_way = self.state not in (JoinState.INIT, JoinState.STEADY)
        return under_way or self.after_revoke is not None or self.rejoin_after

    def waits_for_call(self) -> bool:
        """``RD_KAFKA_CGRP_WAIT_ASSIGN_CALL``"""
        return self.state in _CALLS

    def joins(self) -> bool:
        """Whether it is on its way into a generation; heartbeats of the one before say nothing any more."""
        return self.state in (JoinState.INIT, *_JOINING, JoinState.WAIT_SYNC)

    def outcast(self, error: int) -> None:
        """The coordinator does not know the member, or not in this generation, or a newer process has its place."""
        if error == ErrorCode.UNKNOWN_MEMBER_ID:
            self.member = ""
        elif error == ErrorCode.ILLEGAL_GENERATION:
            self.generation = -1
        elif error == ErrorCode.FENCED_INSTANCE_ID:
            self.die()

    def die(self) -> None:
        """``rd_kafka_set_fatal_error``"""
        if not self.fatal:
            self.fatal = True
            self.ops.append(None)


@dataclass(slots=True)
class PollInterval:
    """``last_us``: end of the last poll, for ever while one is under way; ``tick_us``: when the timer rings next;
    ``exceeded``: it was found too long (``RD_KAFKA_CGRP_F_MAX_POLL_EXCEEDED``)."""

    interval_us: int  # max.poll.interval.ms
    last_us: int = _NEVER
    tick_us: int = _NEVER
    exceeded: bool = False

    def watch(self, now_us: int) -> None:
        self.tick_us = now_us + _TICK_US

    def stop(self) -> None:
        self.tick_us = _NEVER

    def rings(self, now_us: int) -> bool:
        """Whether the timer rings, which it does again half a second later."""
        if self.tick_us > now_us:
            return False
        self.tick_us += _TICK_US
        return True

    def late(self, now_us: int) -> bool:
        """``rd_kafka_max_poll_exceeded``, in whole milliseconds"""
        return now_us - self.last_us >= self.interval_us + MS
