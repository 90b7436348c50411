"""The limit that a simulator of produce requests on SimPy could reach: the same kernel events and nothing else.

One produce request at replication factor 3 and acks=all is six messages: client to leader, a fetch response to each of
two followers, a fetch request back from each, leader to client. Here each is one kernel event whose callback appends to
a plain list and sends the next message. No protocol, no trace, no faults, no random latency.
"""

from __future__ import annotations

from typing import Any

import simpy

EVENTS_PER_REQUEST = 6
DELAY_US = 500


class BareLoop:
    """One client with *in_flight* requests outstanding, one leader, two followers."""

    def __init__(self, requests: int, in_flight: int = 5) -> None:
        self.env = simpy.Environment()
        self.left = requests
        self.in_flight = in_flight
        self.leader: list[int] = []
        self.followers: tuple[list[int], list[int]] = ([], [])
        self.fetched: list[int] = []  # by offset: how many followers asked for what lies behind it
        self.acked: list[int] = []

    def run(self) -> None:
        """Every request to its acknowledgement."""
        for _ in range(min(self.in_flight, self.left)):
            self._produce()
        self.env.run()

    def _later(self, callback: Any, value: Any) -> None:
        self.env.timeout(DELAY_US, value).callbacks.append(callback)

    def _produce(self) -> None:
        self.left -= 1
        self._later(self._at_leader, self.left)

    def _at_leader(self, event: Any) -> None:
        offset = len(self.leader)
        self.leader.append(event.value)
        self.fetched.append(0)
        for follower in self.followers:
            self._later(self._at_follower, (follower, offset))

    def _at_follower(self, event: Any) -> None:
        follower, offset = event.value
        follower.append(self.leader[offset])
        self._later(self._fetch_at_leader, offset)

    def _fetch_at_leader(self, event: Any) -> None:
        self.fetched[event.value] += 1
        if self.fetched[event.value] == len(self.followers):
            self._later(self._at_client, event.value)

    def _at_client(self, event: Any) -> None:
        self.acked.append(event.value)
        if self.left:
            self._produce()
