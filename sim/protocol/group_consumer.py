"""A Java consumer that subscribes as a member of a group, and the application behind it.

Two threads, as in Kafka. The application's polls, works, commits and runs the callbacks of a rebalance; only it takes
records, sends fetches and, in a classic group, joins. The background thread (``tick`` of the membership) sends
heartbeats whatever the application does, and leaves the group when the next poll is too late (consumer:F3.35). Between
two polls the application's thread is here in one poll without end, which does at each stimulus what repeated polls
would do.

Rules by place: poll order F2.1, auto-commit F4.1 and F4.2, what a rebalance takes away F3.12 to F3.15, pipelining F2.5
and F2.6. Law: positions move only by delivery, reset, or a new assignment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum

from sim.protocol.application import Application
from sim.protocol.coordinator_client import Asked, CoordinatorClient
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.member_classic import CLOSED, FENCED, Membership
from sim.protocol.member_consumer import ConsumerMembership
from sim.protocol.offset_client import OffsetClient, Offsets, retriable
from sim.protocol.pool_loop import PoolLoop
from sim.protocol.port import Connection, Port
from sim.protocol.reader_buffer import Assigned
from sim.protocol.rebalance import Rebalance
from sim.protocol.rebalance_classic import ClassicRebalance
from sim.protocol.rebalance_consumer import ConsumerRebalance
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ProcessingSettings, ReaderSettings
from sim.protocol.work import Desk, Done

__all__ = ["GroupConsumer"]

_NEVER = 1 << 62
_CLOSE_TIMEOUT_US = 30_000_000  # of close()


class Thread(Enum):
    """Where the application's thread is."""

    POLLING = "in poll()"
    WORKING = "processing"
    BLOCKED = "in commitSync()"
    DRAINING = "in onPartitionsRevoked(), waits for its workers"
    LEAVING = "in close(), waiting for the coordinator"
    ENDED = "over"


class GroupConsumer:
    """Role of a group member. ``topics``: those subscribed to; ``time_us``: draws how long the next work takes."""

    def __init__(
        self, port: Port, group: int, settings: MemberSettings, reader: ReaderSettings, processing: ProcessingSettings,
        topics: tuple[int, ...], bootstrap: tuple[int, ...], names: Mapping[int, tuple[str, int]],
        time_us: Callable[[], int], desk: Desk | None = None,
    ) -> None:  # fmt: skip
        self._port, self._settings, self._reader, self._processing = port, settings, reader, processing
        self._fetches = FetchClient(port, reader, topics, bootstrap, names, settings.one_buffered_holds_node)
        self._coordinator = CoordinatorClient(port, group, self._fetches, reader, settings.protocol == "classic")
        self.member, self._offsets, self._rebalance = self._in_group(group, topics, names)
        self._application = Application(port, time_us, processing, desk, self._go)
        self._loop = PoolLoop(port, time_us, processing, desk, self._go) if processing.threads else None
        self._draining: tuple[int, ...] = ()
        self._calls: deque[tuple[str, tuple[int, ...], int]] = deque()  # pause, resume, seek: as soon as it polls
        self._thread = Thread.POLLING
        self._auto_commit_us = _NEVER  # next automatic commit
        self._auto_commit_out = False  # the last one is not answered yet
        self._closing = False
        self._committed_at_close = False
        self._closed_by_us = 0
        self.failed = False  # the application left its loop with an exception

    def _in_group(
        self, group: int, topics: tuple[int, ...], names: Mapping[int, tuple[str, int]]
    ) -> tuple[Membership | ConsumerMembership, OffsetClient, Rebalance]:
        """By ``group.protocol``."""
        port, settings, reader, fetches = self._port, self._settings, self._reader, self._fetches
        if settings.protocol == "consumer":
            member = ConsumerMembership(port, group, topics, settings, reader, self._coordinator)
            offsets = OffsetClient(port, group, settings, reader, member, self._coordinator)
            return member, offsets, ConsumerRebalance(port, self, member, fetches, offsets, settings, reader)
        classic = Membership(
            port, group, topics, settings, reader, self._coordinator, fetches.cache.topics, names,
            lambda: tuple(fetches.assigned), fetches.watch,
        )  # fmt: skip
        offsets = OffsetClient(port, group, settings, reader, classic, self._coordinator)
        return classic, offsets, ClassicRebalance(self, classic, fetches, offsets, settings, reader)

    # --- what the world asks ------------------------------------------------------------------------------------------
    def caught_up(self) -> bool:
        """It is in its group, owns what it was given, and has processed all of it."""
        at_rest = self._thread is Thread.POLLING and self._rebalance.at_rest()
        idle = self._loop is None or not self._loop.pool.open
        return self.ended or (at_rest and idle and not self._fetches.buffer and self._fetches.caught_up())

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

    def call(self, verb: str, partitions: tuple[int, ...], to: int, now_us: int) -> None:
        """The application calls ``pause()``, ``resume()`` or ``seek()`` before its next poll."""
        self._calls.append((verb, partitions, to))
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
            self._coordinator.leave_old(now_us)
            self._offsets.go_on(now_us)
            if self._loop is not None:
                self._loop.pool.go_on(now_us)
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
        times += [*self.member.deadlines(), *self._rebalance.deadlines()]
        if self._loop is not None:
            times += self._loop.deadlines(self._thread is Thread.POLLING)
        if self._thread is Thread.WORKING:
            times.append(self._application.busy_until_us)
        elif self._thread is Thread.POLLING:
            times += (self._auto_commit_us, self._closed_by_us)
        elif self._thread is Thread.LEAVING:
            times.append(self._closed_by_us)
        return times

    def _step(self, now_us: int) -> bool:
        """One step of the application's thread; whether it may go on at once."""
        if self._thread is Thread.POLLING:
            return self._poll(now_us)
        if self._thread is Thread.WORKING:
            return self._work(now_us)
        if self._thread is Thread.DRAINING:
            return self._drained(now_us)
        if self._thread is Thread.LEAVING:
            self._leave(now_us)
        return False

    # --- poll() -------------------------------------------------------------------------------------------------------
    def _poll(self, now_us: int) -> bool:
        """In Kafka's order: membership, automatic commit, positions, buffered records, fetches (consumer:F2.1)."""
        self.member.poll_until_us = _NEVER  # an application in poll() is never late
        if self.member.fenced:
            self._end(FENCED, now_us)
            return False
        while self._calls:
            self._fetches.call(*self._calls.popleft())
        if self._closing:
            return self._close(now_us)
        if self._rebalance.step(now_us):
            return True
        if self._thread is not Thread.POLLING:
            return False
        due = self._commit_is_due(now_us)
        late = due and self._rebalance.commits_late()
        if due and not late:
            self._commit_by_interval(now_us)
        if self._loop is not None:
            self._fetches.pause_all(self._loop.full)
            if offsets := self._loop.to_commit(now_us):
                self._commit(offsets, now_us)
                return True
        self._initialise_positions(now_us)
        slices, emptied = self._fetches.buffer.poll()
        if late:
            self._commit_by_interval(now_us)
        self._fetches.drained(partition for partition in emptied if partition in self._fetches.assigned)
        self._fetches.serve(now_us)
        if not slices:
            return self._rebalance.unfinished
        self.member.poll_until_us = now_us + self._settings.max_poll_interval_us
        if self._loop is None:
            self._application.take(slices, now_us)
            self._thread = Thread.WORKING
        else:
            self._loop.hand_over(slices, now_us)
            self._thread = Thread.WORKING if self._processing.commit == "after" else Thread.POLLING
        if self._processing.commit == "before":
            self._commit(self.consumed(), now_us)
        return True

    def consumed(self) -> Offsets:
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
        if self._loop is not None and self._loop.waits:
            return False
        if work.working():
            if now_us < work.busy_until_us:
                return False
            done, partition, offset, epoch = work.go_on(now_us)
            if done is Done.NOT_YET:
                return True
            if done is Done.LEFT:  # the application meets an exception, leaves its loop and closes (F4.3)
                self._closing = self.failed = True
                self._thread = Thread.POLLING
                return True
            if done is Done.ENDED and self._processing.commit == "each" and partition in self._fetches.assigned:
                self._commit({partition: (offset, epoch)}, now_us)
                return True
        if work.begin(now_us):
            return True
        self._thread = Thread.POLLING
        if self._processing.commit == "after":
            self._commit(self.consumed(), now_us)
        return True

    def _commit(self, offsets: Offsets, now_us: int) -> None:
        """The application commits; with commitSync its thread stands still until that has ended."""
        if self._processing.commit_async:
            self._offsets.commit(offsets, False, lambda error, then_us: None, now_us)
            return
        self._block(offsets, self._thread, now_us)

    def _block(
        self, offsets: Offsets, back_to: Thread, now_us: int, auto: bool = False, within_us: int | None = None
    ) -> None:
        """``commitSync()``, for ``default.api.timeout.ms`` if it is not told how long."""
        self._thread = Thread.BLOCKED

        def ended(error: int, then_us: int) -> None:
            self._thread = back_to

        most_us = self._settings.default_api_timeout_us if within_us is None else within_us
        self._offsets.commit_sync(offsets, auto, ended, now_us, most_us)

    def _commit_is_due(self, now_us: int) -> bool:
        """With KIP-848 one commit of the interval is under way at a time (``AutoCommitState.shouldAutoCommit``,
        consumer:F4.7)."""
        if self._auto_commit_out and self._settings.protocol == "consumer":
            return False
        return now_us >= self._auto_commit_us and self._rebalance.may_commit()

    def _commit_by_interval(self, now_us: int) -> None:
        """Sent and forgotten (consumer:F2.2, F4.2)."""
        self._auto_commit_us = now_us + self._settings.auto_commit_interval_us
        self._auto_commit_out = True
        self._offsets.commit(self.consumed(), True, self._auto_committed, now_us)

    def _auto_committed(self, error: int, now_us: int) -> None:
        self._auto_commit_out = False
        if retriable(error):
            self._auto_commit_us = min(self._auto_commit_us, now_us + self._reader.retry_backoff_us)

    # --- rebalances (``Owner``) ---------------------------------------------------------------------------------------
    def polling(self) -> bool:
        return self._thread is Thread.POLLING

    def commit_an_interval_from(self, now_us: int) -> None:
        if self._settings.auto_commit:
            self._auto_commit_us = now_us + self._settings.auto_commit_interval_us

    def assign(self, partitions: tuple[int, ...]) -> None:
        for partition in partitions:
            self._fetches.assign(Assigned(partition, seeking=False, held=True))
            self._port.record(Kind.ASSIGN, partition=partition, n=self.member.generation)

    def revoke(self, partitions: tuple[int, ...], lost: bool, now_us: int) -> bool:
        """``onPartitionsRevoked`` or ``onPartitionsLost``, then they are gone; whether to go on at once."""
        if self._loop is not None and self._loop.must_drain(partitions, lost):
            self._thread, self._draining = Thread.DRAINING, partitions
            self.member.poll_until_us = now_us + self._settings.max_poll_interval_us
            return False
        if self._loop is not None:
            done = {} if lost else self._loop.done(partitions)
        else:
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

    def _drained(self, now_us: int) -> bool:
        """The workers have ended what the callback waits for; meanwhile heartbeats went on (consumer:S45)."""
        assert self._loop is not None
        lost = self.member.generation < 0
        if not lost and self._loop.pool.busy_with(self._draining):
            return False
        partitions, self._draining, self._thread = self._draining, (), Thread.POLLING
        self.revoke(partitions, lost, now_us)
        return True

    def _drop(self, partitions: tuple[int, ...], lost: bool) -> None:
        for partition in partitions:
            self._fetches.drop(partition)
            self._port.record(Kind.REVOKE, partition=partition, epoch=self.member.generation, code=int(lost))
        self._application.forget(partitions)
        if self._loop is not None:
            self._loop.pool.forget(partitions)

    # --- close() ------------------------------------------------------------------------------------------------------
    def _close(self, now_us: int) -> bool:
        """Commit, callback, LeaveGroup (consumer:F4.1), all that a coordinator has to answer within one time."""
        if not self._closed_by_us:
            self._closed_by_us = now_us + self._close_within_us()
        if self._settings.auto_commit and not self._committed_at_close and self._commits_at_close():
            self._committed_at_close = True
            self._block(self.consumed(), Thread.POLLING, now_us, auto=True, within_us=self._closed_by_us - now_us)
            return self._thread is Thread.POLLING
        if self._settings.protocol == "classic" and self._offsets.holds() and now_us < self._closed_by_us:
            return False  # ``ConsumerCoordinator.close``: pendingAsyncCommits
        if self._fetches.assigned:
            return self.revoke(tuple(self._fetches.assigned), self.member.generation < 0, now_us)
        self._end(CLOSED, now_us)
        return False

    def _commits_at_close(self) -> bool:
        """A classic member commits in its generation; one of KIP-848 tries in any case (``autoCommitOnClose``)."""
        return self._settings.protocol == "consumer" or self._rebalance.may_commit()

    def _end(self, why: int, now_us: int) -> None:
        """The consumer is closed, or its application ended with an exception. ``close()`` waits until the coordinator
        has answered: a leave may stand behind a JoinGroup that is parked (``awaitPendingRequests``)."""
        self.member.leave(why, now_us)
        self._thread = Thread.LEAVING
        self._closed_by_us = self._closed_by_us or now_us + self._close_within_us()
        self._leave(now_us)

    def _close_within_us(self) -> int:
        """``ClassicKafkaConsumer.createTimerForRequest``; ``AsyncKafkaConsumer`` takes the whole of its timeout."""
        if self._settings.protocol == "consumer":
            return _CLOSE_TIMEOUT_US
        return min(_CLOSE_TIMEOUT_US, self._reader.request_timeout_us)

    def _leave(self, now_us: int) -> None:
        if (self._coordinator.asked() or self._offsets.holds()) and now_us < self._closed_by_us:
            return
        self._fetches.peers.close_all()
        self._thread = Thread.ENDED
        self._port.stopped()
