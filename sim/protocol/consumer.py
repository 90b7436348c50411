"""A reader: a consumer with assigned partitions that hands every record to an application that polls at once.

Rules of fetching: :mod:`sim.protocol.fetch_client`. A reader is in no group and commits nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.port import Connection, Port
from sim.protocol.reader_buffer import Assigned
from sim.protocol.rows import Kind
from sim.protocol.settings import ReaderSettings

__all__ = ["Reader"]

_NEVER = 1 << 62


class Reader:
    """Role of a consumer.

    ``topic_of``: topic number of each assigned partition; ``names``: topic name and index of each, for the order in
    which one Java poll shows several partitions (without them: order of arrival).
    """

    def __init__(
        self,
        port: Port,
        settings: ReaderSettings,
        partitions: tuple[int, ...],
        topic_of: Mapping[int, int],
        bootstrap: tuple[int, ...],
        names: Mapping[int, tuple[str, int]] | None = None,
    ) -> None:
        self._port, self._settings = port, settings
        topics = tuple(sorted({topic_of[partition] for partition in partitions}))
        self._fetches = FetchClient(port, settings, topics, bootstrap, names)
        for partition in partitions:
            self._fetches.assign(Assigned(partition))

    # --- what the world asks ---------------------------------------------------------------------------------------
    def caught_up(self) -> bool:
        """Whether every position stands at the last high watermark that its leader told (or can move no more)."""
        return self._fetches.caught_up()

    def position(self, partition: int) -> int:
        """Offset of the next record to be handed over, -1 while it is being looked up."""
        return self._fetches.assigned[partition].offset

    def call(self, verb: str, partitions: tuple[int, ...], to: int, now_us: int) -> None:
        """The application calls ``pause()``, ``resume()`` or ``seek()``."""
        self._fetches.call(verb, partitions, to)
        self._fetches.drained(self._fetches.buffer.drain())
        self._serve(now_us)

    # --- stimuli ---------------------------------------------------------------------------------------------------
    def start(self, now_us: int) -> None:
        fetches = self._fetches
        for partition in fetches.assigned:
            self._port.record(Kind.ASSIGN, partition=partition)
        if self._settings.offset_reset == "none":
            fetches.give_up(fetches.assigned.values())
        self._serve(now_us)

    def on_connected(self, conn: Connection, now_us: int) -> None:
        if self._fetches.peers.opened(conn) is not None:
            self._serve(now_us)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        peer = self._fetches.peers.of(conn)
        if peer is not None:
            self._fetches.unanswered(self._fetches.peers.lose(peer, ErrorCode.NETWORK_EXCEPTION, now_us))
            self._serve(now_us)

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        fetches = self._fetches
        peer = fetches.peers.of(conn)
        if peer is None or not peer.pending:
            return
        _, request = peer.pending.popleft()
        fetches.received(peer, request, message, now_us)
        fetches.drained(fetches.buffer.drain())
        self._serve(now_us)

    def on_alarm(self, now_us: int) -> None:
        peers = self._fetches.peers
        for peer in peers.late(now_us):
            peers.close(peer)
            self._fetches.unanswered(peers.lose(peer, ErrorCode.REQUEST_TIMED_OUT, now_us))
        self._serve(now_us)

    def _serve(self, now_us: int) -> None:
        """Send whatever may be sent now, and name the next deadline."""
        self._fetches.serve(now_us)
        deadlines = self._fetches.deadlines()
        self._port.wake_at(min((time_us for time_us in deadlines if time_us > now_us), default=_NEVER))
