"""What the controller knows of each broker: registration, session, fence, controlled shutdown.

Laws: only heartbeats keep a session; a broker is fenced when its last contact is longer ago than the session timeout,
not before; a new incarnation is refused while the session of the old one holds (``broker:FAIL-1`` to ``FAIL-6``): from
4.0 on until it is over, before that until the broker is fenced, and a broker that stopped cleanly is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sim.protocol.messages import BrokerHeartbeatRequest

__all__ = ["BrokerRegister", "BrokerState", "Registration"]

_NEVER = 1 << 61
_LONG_AGO = -(1 << 61)


class BrokerState(Enum):
    FENCED = "fenced"
    UNFENCED = "unfenced"
    CONTROLLED_SHUTDOWN = "controlled shutdown"
    SHUTDOWN_NOW = "shut down now"


@dataclass(slots=True)
class Registration:
    """One broker as registered."""

    broker: int
    epoch: int
    incarnation: int
    registered_at: int  # metadata offset of the registration
    state: BrokerState
    last_contact_us: int = _LONG_AGO  # the last heartbeat: a registration alone begins no session
    metadata_offset: int = -1  # what it said it has applied
    shutdown_offset: int = _NEVER  # others must have applied this before it may stop

    @property
    def fenced(self) -> bool:
        return self.state in (BrokerState.FENCED, BrokerState.SHUTDOWN_NOW)

    @property
    def active(self) -> bool:
        """Registered, let in and not on its way out (broker:FAIL-10)."""
        return self.state is BrokerState.UNFENCED


class BrokerRegister:
    """All registered brokers, and their sessions."""

    __slots__ = ("_outlives_fence", "_session_us", "by_id")

    def __init__(self, session_us: int, outlives_fence: bool = True) -> None:
        self._session_us, self._outlives_fence = session_us, outlives_fence
        self.by_id: dict[int, Registration] = {}

    def active(self, broker: int) -> bool:
        known = self.by_id.get(broker)
        return known is not None and known.active

    def has_session(self, broker: int, now_us: int) -> bool:
        """Whether a new incarnation must wait (``ClusterControlManager.registerBroker``)."""
        known = self.by_id.get(broker)
        if known is None or (known.fenced and not self._outlives_fence):
            return False
        return not self._stale(known, now_us)

    def _stale(self, known: Registration, now_us: int) -> bool:
        return now_us > known.last_contact_us + self._session_us

    def first_stale(self, now_us: int) -> Registration | None:
        """The broker that has been silent longest, if that is too long (broker:FAIL-2)."""
        stale = [known for known in self.by_id.values() if not known.fenced and self._stale(known, now_us)]
        return min(stale, key=lambda known: (known.last_contact_us, known.broker), default=None)

    def next_expiry_us(self) -> int:
        """When the first session ends if nobody is heard of again."""
        contacts = [known.last_contact_us for known in self.by_id.values() if not known.fenced]
        return min(contacts) + self._session_us + 1 if contacts else _NEVER

    def restart_sessions(self, now_us: int) -> None:
        """A new active controller gives everybody who is not fenced a full session (broker:FAIL-4)."""
        for known in self.by_id.values():
            known.last_contact_us = _LONG_AGO if known.fenced else now_us

    def next_state(self, known: Registration, request: BrokerHeartbeatRequest, leads: bool) -> BrokerState:
        """What a heartbeat makes of its sender (broker:FAIL-16)."""
        if known.fenced:
            if request.want_shut_down:
                return BrokerState.SHUTDOWN_NOW
            caught_up = request.metadata_offset >= known.registered_at
            return BrokerState.UNFENCED if caught_up else BrokerState.FENCED
        if known.state is BrokerState.UNFENCED:
            if not request.want_shut_down:
                return BrokerState.UNFENCED
            return BrokerState.CONTROLLED_SHUTDOWN if leads else BrokerState.SHUTDOWN_NOW
        if leads or self._lowest_active_offset() < known.shutdown_offset:
            return BrokerState.CONTROLLED_SHUTDOWN
        return BrokerState.SHUTDOWN_NOW

    def _lowest_active_offset(self) -> int:
        return min((known.metadata_offset for known in self.by_id.values() if known.active), default=_NEVER)
