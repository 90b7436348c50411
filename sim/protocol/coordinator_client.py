"""A member's way to its group coordinator: finding it, the connection of its own, requests and their ends.

Law: every request ends once, with its answer or with None (the connection was lost, or was given up).

Sources: ``AbstractCoordinator`` (FindCoordinator over any node, then a connection that is only the coordinator's,
consumer:F3.11; ``markCoordinatorUnknown``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sim.protocol.client_network import Backoff
from sim.protocol.client_peers import Peer
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.group_messages import FindCoordinatorRequest, FindCoordinatorResponse
from sim.protocol.port import Port
from sim.protocol.settings import ReaderSettings

__all__ = ["Asked", "CoordinatorClient", "moved"]

Then = Callable[[object | None, int], None]  # the answer or None, and the time


@dataclass(slots=True)
class Asked:
    """A request in flight and what to do at its end. ``within_us``: how long the answer may take; 0: as usual."""

    then: Then
    within_us: int = 0


class CoordinatorClient:
    """``server``: host number of the coordinator, -1 while it is unknown; ``found_us``: when it was found last;
    ``lookups``: how many have ended, with a coordinator or without."""

    __slots__ = (
        "_disconnects", "_failures", "_fetches", "_finding", "_group", "_not_before_us", "_old", "_port", "_retry",
        "found_us", "lookups", "server",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, fetches: FetchClient, settings: ReaderSettings, disconnects: bool = False
    ) -> None:
        self._port, self._group, self._fetches = port, group, fetches
        self._disconnects = disconnects  # from a coordinator that is none any more: classic Java members
        self._old = 0  # the connection that is to be closed, 0: none
        self._retry = Backoff(settings.retry_backoff_us, settings.retry_backoff_max_us)
        self.server = -1
        self.found_us = self.lookups = 0
        self._finding = False
        self._failures = 0
        self._not_before_us = 0

    def ready(self, now_us: int) -> Peer | None:
        """The coordinator if it can be asked now; else look for it, or connect to it."""
        if self.server < 0:
            self._find(now_us)
            return None
        return self._fetches.peers.ready(-self.server, now_us)

    def ask(self, peer: Peer, request: object, then: Then, now_us: int, within_us: int = 0) -> None:
        self._fetches.peers.send(peer, Asked(then, within_us), request, now_us)

    def asked(self) -> bool:
        """Whether it owes an answer."""
        return self.server >= 0 and self._fetches.peers.owed(-self.server)

    def unknown(self) -> None:
        """It is not, or no more, the coordinator (``markCoordinatorUnknown``). What is in flight to it ends when
        :meth:`leave_old` is called: this is said in the midst of an answer."""
        if self._disconnects and self.server >= 0:
            self._old = -self.server
        self.server = -1

    def leave_old(self, now_us: int) -> None:
        """Close the connection to what was the coordinator (``ConsumerNetworkClient.disconnectAsync``)."""
        old, self._old = self._old, 0
        for request in self._fetches.peers.leave(old, ErrorCode.NONE, now_us) if old else ():
            assert isinstance(request, Asked)
            request.then(None, now_us)

    def _find(self, now_us: int) -> None:
        if self._finding or now_us < self._not_before_us:
            return
        peer = self._fetches.any_broker(now_us)
        if peer is not None:
            self._finding = True
            self.ask(peer, FindCoordinatorRequest(self._group), self._found, now_us)

    def _found(self, answer: object | None, now_us: int) -> None:
        self._finding = False
        self.lookups += 1
        if isinstance(answer, FindCoordinatorResponse) and not answer.error:
            self.server, self.found_us, self._failures = answer.broker, now_us, 0
            self._fetches.peers.ready(-self.server, now_us)
        else:
            self._failures += 1
            self._not_before_us = now_us + self._retry.delay_us(self._failures, self._port.draw("member-find"))

    def lost(self, peer: Peer, requests: list[object], now_us: int) -> None:
        """A connection is gone; requests of the coordinator's end."""
        if peer.key == -self.server:
            self.server = -1
        for request in requests:
            if isinstance(request, Asked):
                request.then(None, now_us)

    def deadlines(self) -> Iterator[int]:
        if self.server < 0 and not self._finding:
            yield self._not_before_us


def moved(error: int) -> bool:
    """Whether the answer says that the coordinator is elsewhere."""
    return error in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE)
