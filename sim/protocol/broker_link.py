"""A broker's dealings with the controller: registration, heartbeats, controlled shutdown, changes of in-sync sets.

Laws: one request of each kind is on its way at a time; a broker never fences itself, and a heartbeat that fails is only
tried again (``broker:FAIL-19``); of each partition one change is asked for at a time (``broker:REP-26``).
"""

from __future__ import annotations

from collections.abc import Callable

from sim.protocol.broker_state import BrokerState
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    PartitionState,
)
from sim.protocol.port import Connection
from sim.protocol.replication import Partition

__all__ = ["ControllerLink"]

_BACKOFF_US = 100_000  # of registration and heartbeats in 3.9, doubled at each failure (broker 1.3)
_RECONNECT_US = 100_000
_ALTER_RETRY_US = 50_000
_SOON_US = 50_000  # first heartbeat after the controller took note of a controlled shutdown
_OPERATION_NOT_ATTEMPTED = 124
_NEVER = 1 << 61


class ControllerLink:
    """The broker's side of its connection to the controller."""

    __slots__ = (
        "_alter", "_alter_sent", "_controller", "_failures", "_first_shutdown_answer", "_next_us", "_patience_us",
        "_phase_us", "_previous_epoch", "_state", "conn", "connected", "fenced", "incarnation", "on_committed",
        "on_shut_down", "on_unfenced", "shutting_down", "waiting",
    )  # fmt: skip

    def __init__(
        self, state: BrokerState, controller: int, incarnation: int, previous_epoch: int,
        on_committed: Callable[[Partition, int], None], on_unfenced: Callable[[int], None],
        on_shut_down: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._state, self._controller, self.incarnation = state, controller, incarnation
        self._previous_epoch = previous_epoch  # of the last incarnation, if it stopped cleanly
        self.on_committed, self.on_unfenced, self.on_shut_down = on_committed, on_unfenced, on_shut_down
        self.conn: Connection | None = None
        self.connected = False
        self.fenced = True
        self.shutting_down = False
        self._first_shutdown_answer = True
        self._failures = 0
        self._next_us = _NEVER  # next registration, heartbeat or attempt to connect
        self._phase_us: int | None = None
        self._patience_us = _NEVER  # when the other side's silence is no longer borne
        self.waiting = False  # a registration or heartbeat is unanswered
        self._alter: dict[int, Partition] = {}  # changes asked for, sent or not
        self._alter_sent: tuple[int, ...] = ()  # those in the request that is on its way

    # --- time ---------------------------------------------------------------------------------------------------------
    def begin(self, now_us: int, phase_us: int | None = None) -> None:
        """Open the connection and speak; *phase_us* is the wait after the first heartbeat, if not the usual one."""
        self._next_us, self._phase_us = now_us, phase_us
        self._connect(now_us)

    def _connect(self, now_us: int) -> None:
        self.conn = self._state.port.connect(self._controller)
        self._be_patient(now_us)

    def _be_patient(self, now_us: int) -> None:
        """Nothing to do but wait for the other side, for half a session at most."""
        self._patience_us = now_us + self._state.settings.session_timeout_us // 2
        self._state.deadlines.at(self._patience_us, self._tick)

    def _due(self, time_us: int) -> None:
        self._next_us = time_us
        self._state.deadlines.at(time_us, self._tick)

    def _tick(self, now_us: int) -> None:
        """A timer rang, perhaps one that is out of date: do what is due."""
        if self.conn is None:
            if now_us >= self._next_us:
                self._connect(now_us)
        elif self.waiting or not self.connected:
            if now_us >= self._patience_us:
                self._state.port.close(self.conn)
                self.lost(now_us)
        elif now_us >= self._next_us:
            self._speak(now_us)

    def _backoff_us(self) -> int:
        """The interval of heartbeats (``BrokerLifecycleManager.scheduleNextCommunicationAfterFailure``); in 3.9 100 ms,
        doubled, at most a session, 2 % jitter."""
        if self._state.rules.flat_heartbeat_retry:
            return self._state.settings.heartbeat_interval_us
        wait_us = min(_BACKOFF_US << min(self._failures, 20), self._state.settings.session_timeout_us)
        self._failures += 1
        jitter_us = wait_us // 50
        return wait_us - jitter_us + (self._state.port.draw("registration") * (2 * jitter_us + 1) >> 32)

    # --- the connection -----------------------------------------------------------------------------------------------
    def opened(self, now_us: int) -> None:
        self.connected = True
        self._send_alter(now_us)
        if now_us >= self._next_us:
            self._speak(now_us)

    def lost(self, now_us: int) -> None:
        self.conn, self.connected, self.waiting = None, False, False
        self._alter_sent = ()
        self._due(now_us + _RECONNECT_US)

    def close(self) -> None:
        if self.conn is not None:
            self._state.port.close(self.conn)
        self.conn, self.connected = None, False

    # --- registration and heartbeats ----------------------------------------------------------------------------------
    def _speak(self, now_us: int) -> None:
        state = self._state
        assert self.conn is not None
        message: object
        if state.epoch < 0:
            message = BrokerRegistrationRequest(state.me, self.incarnation, self._previous_epoch)
        else:
            message = BrokerHeartbeatRequest(state.me, state.epoch, state.applied, self.shutting_down)
        state.port.send(self.conn, message, -1)
        self.waiting, self._next_us = True, _NEVER
        self._be_patient(now_us)

    def now(self, now_us: int) -> None:
        """Send a heartbeat at once, unless one is on its way."""
        if not self.waiting and self.connected:
            self._speak(now_us)

    def registered(self, answer: BrokerRegistrationResponse, now_us: int) -> None:
        """Refused while the controller still holds a session of this broker's last incarnation (broker:FAIL-6)."""
        self.waiting = False
        if answer.error:
            self._due(now_us + self._backoff_us())
            return
        self._failures = 0
        self._state.epoch = answer.broker_epoch
        self._speak(now_us)

    def heartbeat_answered(self, answer: BrokerHeartbeatResponse, now_us: int) -> None:
        self.waiting = False
        if answer.error:
            self._due(now_us + self._backoff_us())
            return
        self._failures = 0
        if self.shutting_down and answer.should_shut_down:
            self.on_shut_down(now_us)
            return
        if self.fenced and not answer.fenced:
            self.on_unfenced(now_us)
        self.fenced = answer.fenced
        wait_us = self._state.settings.heartbeat_interval_us if self._phase_us is None else self._phase_us
        self._phase_us = None
        if self.shutting_down and self._first_shutdown_answer:
            self._first_shutdown_answer = False
            wait_us = _SOON_US
        self._due(now_us + wait_us)

    def caught_up(self, now_us: int) -> None:
        """Newer metadata was applied: a broker that waits to be let in says so at once."""
        if self.fenced and self._state.epoch >= 0 and self._state.applied >= self._state.epoch:
            self.now(now_us)

    def shut_down(self, now_us: int) -> None:
        """Ask for a controlled shutdown (broker:FAIL-16)."""
        self.shutting_down = True
        self.now(now_us)

    # --- changes of in-sync sets --------------------------------------------------------------------------------------
    def ask(self, part: Partition) -> None:
        """Send the change that *part* proposes; refused while an older one of it is unanswered (broker:REP-26)."""
        if part.number in self._alter:
            part.answered(_OPERATION_NOT_ATTEMPTED, None)
            return
        self._alter[part.number] = part
        self._send_alter(0)

    def _send_alter(self, now_us: int) -> None:
        if self._alter_sent or not self._alter or not self.connected or self._state.epoch < 0:
            return
        assert self.conn is not None
        for number in [n for n, part in self._alter.items() if part.pending is None]:
            del self._alter[number]  # newer metadata overtook it
        if not self._alter:
            return
        self._alter_sent = tuple(self._alter)
        proposals = {number: part.proposal(self._state.epoch) for number, part in self._alter.items()}
        self._state.port.send(self.conn, AlterPartitionRequest(self._state.me, self._state.epoch, proposals), None)

    def altered(self, answer: AlterPartitionResponse, now_us: int) -> None:
        sent, self._alter_sent = self._alter_sent, ()
        if answer.error:
            self._state.deadlines.at(now_us + _ALTER_RETRY_US, self._send_alter)
            return
        for number in sent:
            part = self._alter.pop(number, None)
            error, committed = answer.partitions.get(number, (int(ErrorCode.UNKNOWN_SERVER_ERROR), None))
            if part is not None:
                self._one_answered(part, error, committed, now_us)
        self._send_alter(now_us)

    def _one_answered(self, part: Partition, error: int, committed: PartitionState | None, now_us: int) -> None:
        before = part.partition_epoch
        if part.answered(error, committed):
            self._alter[part.number] = part
        elif part.partition_epoch != before:
            self.on_committed(part, now_us)
