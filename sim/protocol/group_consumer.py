"""A Java consumer that subscribes as a member of a classic group, and the application behind it.

Two threads, as in Kafka. The application's polls, works, commits and runs the callbacks of a rebalance; only it takes
records, sends fetches and joins. The heartbeat thread (``Membership.tick``) goes on whatever the application does, and
leaves the group when the next poll is too late (consumer:F3.35). Between two polls the application's thread is here in
one poll without end, which does at each stimulus what repeated polls would do.

Rules by place: poll order F2.1, auto-commit F4.1 and F4.2, what a rebalance takes away F3.12 to F3.15, pipelining F2.5
and F2.6. Law: positions move only by delivery, reset, or a new assignment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from sim.protocol.application import Application
from sim.protocol.coordinator_client import Asked, CoordinatorClient
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.member_classic import CLOSED, FENCED, Membership, MemberState
from sim.protocol.offset_client import OffsetClient, Offsets, retriable
from sim.protocol.port import Connection, Port
from sim.protocol.reader_buffer import Assigned
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ProcessingSettings, ReaderSettings

__all__ = ["GroupConsumer"]

_NEVER = 1 << 62


class Thread(Enum):
    """Where the application's thread is."""

    POLLING = "in poll()"
    WORKING = "processing"
    BLOCKED = "in commitSync()"
    ENDED = "over"


class Prepare(Enum):
    """How far the preparation of a join is (``onJoinPrepare``)."""

    NOT_BEGUN = 0
    COMMITTING = 1  # the automatic commit before the join is under way
    COMMITTED = 2
    DONE = 3  # callbacks have run: a JoinGroup may be sent


class GroupConsumer:
    """Role of a group member. ``topics``: those subscribed to; ``time_us``: draws how long the next work takes."""

    def __init__(
        self, port: Port, group: int, settings: MemberSettings, reader: ReaderSettings, processing: ProcessingSettings,
        topics: tuple[int, ...], bootstrap: tuple[int, ...], names: Mapping[int, tuple[str, int]],
        time_us: Callable[[], int],
    ) -> None:  # fmt: skip
        self._port, self._settings, self._reader, self._processing = port, settings, reader, processing
        self._fetches = FetchClient(port, reader, topics, bootstrap, names, settings.one_buffered_holds_node)
        self._coordinator = CoordinatorClient(port, group, self._fetches, reader)
        self.member = Membership(
            port, group, topics, settings, reader, self._coordinator, self._fetches.cache.topics, names,
            lambda: tuple(self._fetches.assigned), self._fetches.watch,
        )  # fmt: skip
        self._offsets = OffsetClient(port, group, settings, reader, self.member, self._coordinator)
        self._application = Application(port, time_us, processing)
        self._thread = Thread.POLLING
        self._prepare = Prepare.NOT_BEGUN
        self._prepare_until_us = self._prepare_retry_us = 0
        self._auto_commit_us = _NEVER  # next automatic commit
        self._closing = False
        self._committed_at_close = False
        self.failed = False  # the application left its loop with an exception

    # --- what the world asks ------------------------------------------------------------------------------------------
    def caught_up(self) -> bool:
        """It is in its group, owns what it was given, and has processed all of it."""
        at_rest = self.member.state is MemberState.STABLE and not self.member.rejoin_needed
        return self.ended or (
            self._thread is Thread.POLLING and at_rest and not self._fetches.buffer and self._fetches.caught_up()
        )

    @property
    def ended(self) -> bool:
        """The consumer is closed, or its application ended with an exception."""
        return self._thread is Thread.ENDED

    def owned(self) -> tuple[int, ...]:
        return tuple(self._fetches.assigned)

    def close(self, now_us: int) -> None:
        """The application is told to stop: it closes the consumer at its next poll."""
        self._closing = True
        self._go(now_us)

    # --- stimuli ------------------------------------------------------------------------------------------------------
    def start(self, now_us: int) -> None:
        self._go(now_us)

    def on_connected(self, conn: Connection, now_us: int) -> None:
        if self._fetches.peers.opened(conn) is not None:
            self._go(now_us)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        peer = self._fetches.peers.of(conn)
        if peer is not None:
            requests = self._fetches.peers.lose(peer, ErrorCode.NETWORK_EXCEPTION, now_us)
            self._fetches.unanswered(requests)
            self._coordinator.lost(peer, requests, now_us)
            self._go(now_us)

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        peer = self._fetches.peers.of(conn)
        if peer is None or not peer.pending:
            return
        _, request = peer.pending.popleft()
        if isinstance(request, Asked):
            request.then(message, now_us)
        else:
            self._fetches.received(peer, request, message, now_us)
        self._go(now_us)

    def on_alarm(self, now_us: int) -> None:
        peers = self._fetches.peers
        for peer in peers.late(now_us):
            peers.close(peer)
            requests = peers.lose(peer, ErrorCode.REQUEST_TIMED_OUT, now_us)
            self._fetches.unanswered(requests)
            self._coordinator.lost(peer, requests, now_us)
        self._go(now_us)

    # --- the threads --------------------------------------------------------------------------------------------------
    def _go(self, now_us: int) -> None:
        """Both threads do what they can, and the next deadline is named."""
        if not self.ended:
            self.member.tick(now_us)
            self._offsets.go_on(now_us)
            while self._step(now_us):
                pass
        if not self.ended:
            wake_us = _NEVER
            for time_us in self._deadlines():
                if now_us < time_us < wake_us:
                    wake_us = time_us
            self._port.wake_at(wake_us)

    def _deadlines(self) -> list[int]:
        times = [*self._fetches.deadlines(), *self._coordinator.deadlines(), *self._offsets.deadlines()]
        times += self.member.deadlines()
        if self._thread is Thread.WORKING:
            times.append(self._application.busy_until_us)
        elif self._thread is Thread.POLLING:
            times.append(self._auto_commit_us)
            if self._prepare is Prepare.COMMITTING:
                times += (self._prepare_until_us, self._prepare_retry_us)
        return times

    def _step(self, now_us: int) -> bool:
        """One step of the application's thread; whether it may go on at once."""
        if self._thread is Thread.POLLING:
            return self._poll(now_us)
        if self._thread is Thread.WORKING:
            return self._work(now_us)
        return False

    # --- poll() -------------------------------------------------------------------------------------------------------
    def _poll(self, now_us: int) -> bool:
        """In Kafka's order: membership, automatic commit, positions, buffered records, fetches (consumer:F2.1)."""
        self.member.poll_until_us = _NEVER  # an application in poll() is never late
        if self.member.fenced:
            self._end(FENCED, now_us)
            return False
        if self._closing:
            return self._close(now_us)
        if self._membership(now_us):
            return True
        if self._thread is not Thread.POLLING:
            return False
        self._commit_when_due(now_us)
        self._initialise_positions(now_us)
        slices, emptied = self._fetches.buffer.poll()
        self._fetches.drained(partition for partition in emptied if partition in self._fetches.assigned)
        self._fetches.serve(now_us)
        if not slices:
            return False
        self.member.poll_until_us = now_us + self._settings.max_poll_interval_us
        self._application.take(slices, now_us)
        self._thread = Thread.WORKING
        if self._processing.commit == "before":
            self._commit(self._consumed(), now_us)
        return True

    def _consumed(self) -> Offsets:
        """Every valid position (``SubscriptionState.allConsumed``, consumer:F2.23)."""
        return {
            one.partition: (one.offset, one.epoch)
            for one in self._fetches.assigned.values()
            if one.offset >= 0 and not one.seeking and not one.check
        }

    def _initialise_positions(self, now_us: int) -> None:
        """Who has no position asks what is committed, and without that the reset policy."""
        new = tuple(one.partition for one in self._fetches.assigned.values() if one.offset < 0 and one.held)
        if new:
            self._offsets.look_up(new, self._begin_at, now_us)

    def _begin_at(self, offsets: Offsets) -> None:
        for partition, (offset, epoch) in offsets.items():
            one = self._fetches.assigned.get(partition)
            if one is None or one.offset >= 0 or not one.held:
                continue
            one.held = False
            if offset < 0:
                self._fetches.begin_at_reset(one)
            else:
                one.offset, one.epoch, one.seeking, one.check = offset, epoch, False, epoch >= 0

    # --- work ---------------------------------------------------------------------------------------------------------
    def _work(self, now_us: int) -> bool:
        work = self._application
        if work.working():
            if now_us < work.busy_until_us:
                return False
            if work.fails():
                return self._failed(now_us)
            partition, offset, epoch = work.end()
            if self._processing.commit == "each" and partition in self._fetches.assigned:
                self._commit({partition: (offset, epoch)}, now_us)
                return True
        if work.begin(now_us):
            return True
        self._thread = Thread.POLLING
        if self._processing.commit == "after":
            self._commit(self._consumed(), now_us)
        return True

    def _failed(self, now_us: int) -> bool:
        """The application meets an exception: tries again at once, goes on, or leaves its loop and closes (F4.3)."""
        then = self._processing.on_failure
        if then == "retry":
            self._application.again(now_us)
            return True
        self._application.give_up(everything=then == "close")
        if then == "close":
            self._closing = self.failed = True
            self._thread = Thread.POLLING
        return True

    def _commit(self, offsets: Offsets, now_us: int) -> None:
        """The application commits; with commitSync its thread stands still until that has ended."""
        if self._processing.commit_async:
            self._offsets.commit(offsets, False, lambda error, then_us: None, now_us)
            return
        self._block(offsets, self._thread, now_us)

    def _block(self, offsets: Offsets, back_to: Thread, now_us: int, auto: bool = False) -> None:
        self._thread = Thread.BLOCKED

        def ended(error: int, then_us: int) -> None:
            self._thread = back_to

        self._offsets.commit_sync(offsets, auto, ended, now_us, self._settings.default_api_timeout_us)

    def _commit_when_due(self, now_us: int) -> None:
        """The interval commit: of what earlier polls returned, sent and forgotten (consumer:F2.2, F4.2)."""
        if now_us < self._auto_commit_us or self.member.state is not MemberState.STABLE:
            return
        self._auto_commit_us = now_us + self._settings.auto_commit_interval_us
        self._offsets.commit(self._consumed(), True, self._auto_committed, now_us)

    def _auto_committed(self, error: int, now_us: int) -> None:
        if retriable(error):
            self._auto_commit_us = min(self._auto_commit_us, now_us + self._reader.retry_backoff_us)

    # --- rebalances ---------------------------------------------------------------------------------------------------
    def _membership(self, now_us: int) -> bool:
        """``ConsumerCoordinator.poll``; whether there is more to do at once."""
        member = self.member
        if member.assignment is not None:
            return self._assigned(now_us)
        if self.member.topics_changed() and member.state is MemberState.STABLE:
            member.rejoin_needed = True
        if not member.rejoin_needed or member.joining():
            return False
        if not self._fetches.knows_topics():
            self._fetches.ask_metadata(now_us)
            return False
        if self._prepare in (Prepare.NOT_BEGUN, Prepare.COMMITTING):
            self._commit_before_join(now_us)
        if self._prepare is Prepare.COMMITTED:
            return self._give_up_before_join(now_us)
        if self._prepare is Prepare.DONE:
            member.join(now_us)
        return False

    def _commit_before_join(self, now_us: int) -> None:
        """Eager: nothing is handed over any more while the automatic commit is under way (consumer:F3.14)."""
        if self._prepare is Prepare.NOT_BEGUN:
            self._prepare_until_us = now_us + self._settings.max_poll_interval_us
            if not self._settings.auto_commit or not self._fetches.assigned or self.member.generation < 0:
                self._prepare = Prepare.COMMITTED
                return
            self._prepare = Prepare.COMMITTING
            self._prepare_retry_us = now_us
            consumed = self._consumed()
            if not self._settings.cooperative:
                for one in self._fetches.assigned.values():
                    one.held = True
            self._send_before_join(consumed, now_us)
        elif now_us >= self._prepare_until_us:
            self._prepare = Prepare.COMMITTED
        elif now_us >= self._prepare_retry_us:
            self._send_before_join(self._consumed(), now_us)

    def _send_before_join(self, offsets: Offsets, now_us: int) -> None:
        self._prepare_retry_us = _NEVER

        def ended(error: int, then_us: int) -> None:
            if self._prepare is not Prepare.COMMITTING:
                return
            if retriable(error):
                self._prepare_retry_us = then_us + self._reader.retry_backoff_us
            else:
                self._prepare = Prepare.COMMITTED

        self._offsets.commit(offsets, True, ended, now_us)

    def _give_up_before_join(self, now_us: int) -> bool:
        """Eager: everything; cooperative: only what is lost (``onJoinPrepare``)."""
        lost = self.member.generation < 0
        partitions = tuple(self._fetches.assigned) if lost or not self._settings.cooperative else ()
        self._prepare = Prepare.DONE
        return self._revoke(partitions, lost, now_us)

    def _revoke(self, partitions: tuple[int, ...], lost: bool, now_us: int) -> bool:
        """``onPartitionsRevoked`` or ``onPartitionsLost``, then they are gone; whether to go on at once."""
        done = {p: mark for p, mark in self._application.processed.items() if p in partitions}
        if self._processing.commit_in_revoke and done and not lost:
            self._thread = Thread.BLOCKED

            def ended(error: int, then_us: int) -> None:
                self._drop(partitions, lost)
                self._thread = Thread.POLLING

            self._offsets.commit_sync(done, False, ended, now_us, self._settings.default_api_timeout_us)
            return self._thread is Thread.POLLING
        self._drop(partitions, lost)
        return True

    def _drop(self, partitions: tuple[int, ...], lost: bool) -> None:
        for partition in partitions:
            self._fetches.drop(partition)
            self._port.record(Kind.REVOKE, partition=partition, epoch=self.member.generation, code=int(lost))
        self._application.forget(partitions)

    def _assigned(self, now_us: int) -> bool:
        """``onJoinComplete``: cooperative members give up first, and join once more (consumer 3.2)."""
        member = self.member
        new = member.assignment
        assert new is not None
        gone = tuple(partition for partition in self._fetches.assigned if partition not in new)
        if gone:
            member.rejoin_needed = member.rejoin_needed or self._settings.cooperative
            self._revoke(gone, False, now_us)
            return self._thread is Thread.POLLING
        member.assignment = None
        self._prepare = Prepare.NOT_BEGUN
        if self._settings.auto_commit:
            self._auto_commit_us = now_us + self._settings.auto_commit_interval_us
        for partition in new:
            if partition not in self._fetches.assigned:
                self._fetches.assign(Assigned(partition, seeking=False, held=True))
                self._port.record(Kind.ASSIGN, partition=partition, n=member.generation)
        return True

    # --- close() ------------------------------------------------------------------------------------------------------
    def _close(self, now_us: int) -> bool:
        """Commit, callback, LeaveGroup (consumer:F4.1)."""
        if self._settings.auto_commit and not self._committed_at_close and self.member.state is MemberState.STABLE:
            self._committed_at_close = True
            self._block(self._consumed(), Thread.POLLING, now_us, auto=True)
            return self._thread is Thread.POLLING
        if self._fetches.assigned:
            return self._revoke(tuple(self._fetches.assigned), self.member.generation < 0, now_us)
        self._end(CLOSED, now_us)
        return False

    def _end(self, why: int, now_us: int) -> None:
        """The consumer is closed, or its application ended with an exception."""
        self.member.leave(why, now_us)
        self._fetches.peers.close_all()
        self._thread = Thread.ENDED
        self._port.stopped()
