"""A librdkafka consumer that subscribes as a member of a group, and the application behind it.

Two threads. librdkafka's own (``Cgrp``) joins, beats, fetches and commits whatever the application does. The
application's polls, works, commits and serves the callbacks of a rebalance, which it does inside a poll: before that
nothing is given up, however long the work on a batch takes, and behind it nothing of the batch is left.

A poll is ``rd_kafka_consume_batch_queue(n, timeout)``: it ends with *n* records, or at the end of its time with what
there is (consumer:F2.36); with ``n = 1`` that is ``rd_kafka_consumer_poll()``. What a rebalance makes void while a poll
gathers records is not part of what it returns. With nothing there, polls follow each other without end. The application
has registered a rebalance callback, as all of librdkafka's bindings do; in it, it commits or does nothing, and assigns.

Law: positions move only by delivery, reset, or a new assignment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum

from sim.protocol.application import Application
from sim.protocol.coordinator_client import Asked, CoordinatorClient
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.librdkafka_cgrp import Cgrp
from sim.protocol.librdkafka_membership import RebalanceOp
from sim.protocol.librdkafka_messages import MessageQueue
from sim.protocol.messages import FetchRequest, MetadataRequest
from sim.protocol.offset_client import Offsets
from sim.protocol.pool_loop import PoolLoop
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaMemberSettings, ProcessingSettings, ReaderSettings
from sim.protocol.work import Desk, Done
from sim.protocol.worker_pool import WorkerPool

__all__ = ["LibrdkafkaConsumer"]

_NEVER = 1 << 62
_QUERY_US = 500_000  # a coordinator is looked for so often
CLOSED, FENCED = 0, 2  # codes of Kind.LEFT rows


class Thread(Enum):
    """Where the application's thread is."""

    POLLING = "in a poll"
    WORKING = "processing"
    BLOCKED = "in rd_kafka_commit()"
    DRAINING = "in the rebalance callback, waits for its workers"
    CLOSING = "in rd_kafka_consumer_close()"
    ENDED = "over"


class LibrdkafkaConsumer:
    """Role of a group member. ``topics``: those subscribed to; ``time_us``: draws how long the next work takes."""

    def __init__(
        self, port: Port, group: int, settings: LibrdkafkaMemberSettings, reader: ReaderSettings,
        processing: ProcessingSettings, topics: tuple[int, ...], bootstrap: tuple[int, ...],
        names: Mapping[int, tuple[str, int]], time_us: Callable[[], int], desk: Desk | None = None,
    ) -> None:  # fmt: skip
        self._port, self._settings, self._processing = port, settings, processing
        self._queue = MessageQueue(
            port, settings.queued_min_messages, settings.queued_max_bytes, settings.fetch_queue_backoff_us
        )
        self._fetches = FetchClient(port, reader, topics, bootstrap, queue=self._queue)
        seeks = replace(reader, retry_backoff_us=_QUERY_US, retry_backoff_max_us=_QUERY_US)
        self._coordinator = CoordinatorClient(port, group, self._fetches, seeks)
        self.cgrp = Cgrp(port, group, topics, settings, self._coordinator, self._fetches, names)
        self._application = Application(port, time_us, processing, desk, self._reported)
        self._loop = PoolLoop(port, time_us, processing, desk, self._reported) if processing.threads else None
        self._full: tuple[int, ...] = ()  # partitions that are paused because so much is handed over
        self._drains: tuple[RebalanceOp, Thread] | None = None  # the callback that waits, and where it was called
        self._thread = Thread.POLLING
        self._poll_from_us = 0
        self._poll_until_us = _NEVER  # end of the poll under way, once there is something in the queue
        self._calls: deque[tuple[str, tuple[int, ...], int]] = deque()  # pause, resume, seek: between two polls
        self._told: dict[int, None] = {}  # partitions that the application was given, and not told that they are gone
        self._closing = False
        self._woken = False  # the application has asked librdkafka's thread for something
        self.failed = False  # the application left its loop with an exception

    def _reported(self, now_us: int) -> None:
        """The producer in this process has told what became of a record."""
        self._go(now_us, woken=False)

    # --- what the world asks ------------------------------------------------------------------------------------------
    def caught_up(self) -> bool:
        """It is in its group, owns what it was given, and has processed all of it."""
        if self.ended:
            return True
        idle = self._thread is Thread.POLLING and not self._queue.count
        idle = idle and (self._loop is None or not self._loop.pool.open)
        return idle and self.cgrp.at_rest() and self._fetches.caught_up()

    @property
    def ended(self) -> bool:
        """The consumer is closed, or its application ended with an exception."""
        return self._thread is Thread.ENDED

    def owned(self) -> tuple[int, ...]:
        return self.cgrp.assignment.all

    def close(self, now_us: int) -> None:
        """The application is told to stop: it closes the consumer at its next poll."""
        self._closing = True
        self._go(now_us, woken=True)

    def call(self, verb: str, partitions: tuple[int, ...], to: int, now_us: int) -> None:
        """The application calls ``rd_kafka_pause_partitions``, ``rd_kafka_resume_partitions`` or ``rd_kafka_seek`` when
        it is not at work; a poll that it is in goes on as if it began anew."""
        self._calls.append((verb, partitions, to))
        self._go(now_us, woken=True)

    def position(self, partition: int) -> int:
        return self.cgrp.assignment.position(partition)

    # --- stimuli ------------------------------------------------------------------------------------------------------
    def start(self, now_us: int) -> None:
        self._poll_from_us = now_us
        self.cgrp.start(now_us)
        self._go(now_us, woken=True)

    def on_connected(self, conn: Connection, now_us: int) -> None:
        if self._fetches.peers.opened(conn) is not None:
            self._go(now_us, woken=True)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        peer = self._fetches.peers.of(conn)
        if peer is not None:
            requests = self._fetches.peers.lose(peer, ErrorCode.NETWORK_EXCEPTION, now_us)
            self._fetches.unanswered(requests)
            self._coordinator.lost(peer, requests, now_us)
            self._go(now_us, woken=True)

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        """A fetch answer is the business of a broker's thread alone."""
        peer = self._fetches.peers.of(conn)
        if peer is None or not peer.pending:
            return
        _, request = peer.pending.popleft()
        if isinstance(request, Asked):
            request.then(message, now_us)
        else:
            self._fetches.received(peer, request, message, now_us)
            if isinstance(request, MetadataRequest):
                self.cgrp.metadata_came(now_us)
        self._go(now_us, woken=not isinstance(request, FetchRequest))

    def on_alarm(self, now_us: int) -> None:
        peers = self._fetches.peers
        for peer in peers.late(now_us):
            peers.close(peer)
            requests = peers.lose(peer, ErrorCode.REQUEST_TIMED_OUT, now_us)
            self._fetches.unanswered(requests)
            self._coordinator.lost(peer, requests, now_us)
        self._go(now_us, woken=False)

    # --- the threads --------------------------------------------------------------------------------------------------
    def _go(self, now_us: int, woken: bool) -> None:
        """Both threads do what they can, and the next deadline is named."""
        if self.ended:
            return
        self._woken = self.cgrp.run_timers(now_us) or woken
        if self._loop is not None:
            self._loop.pool.go_on(now_us)
            self._store_what_is_done(self._loop.pool)
        while True:
            if self._woken:
                self._woken = False
                self.cgrp.serve(now_us)
            if not self._step(now_us):
                break
        if not self.ended:
            self._fetches.serve(now_us)
            self._port.wake_at(min((time_us for time_us in self._deadlines() if time_us > now_us), default=_NEVER))

    def _deadlines(self) -> list[int]:
        times = [*self._fetches.deadlines(), *self._coordinator.deadlines(), *self.cgrp.deadlines()]
        if self._loop is not None:
            times += self._loop.deadlines(self._thread is Thread.POLLING)
        if self._thread is Thread.WORKING:
            times.append(self._application.busy_until_us)
        elif self._thread is Thread.POLLING:
            times.append(self._poll_until_us)
        return times

    def _step(self, now_us: int) -> bool:
        """One step of the application's thread; whether it may go on at once."""
        if self._thread is Thread.POLLING:
            return self._poll(now_us)
        if self._thread is Thread.WORKING:
            return self._work(now_us)
        if self._thread is Thread.DRAINING:
            return self._drained(now_us)
        if self._thread is Thread.CLOSING:
            return self._close(now_us)
        return False

    # --- a poll -------------------------------------------------------------------------------------------------------
    def _begin_poll(self, now_us: int) -> None:
        self._thread = Thread.POLLING
        self._poll_from_us, self._poll_until_us = now_us, _NEVER
        self.cgrp.polls.last_us = _NEVER  # an application in a poll is never late

    def _poll(self, now_us: int) -> bool:
        """``rd_kafka_q_serve_rkmessages``: callbacks when they come, records when there are enough or time is over."""
        cgrp, most = self.cgrp, self._settings.consume_messages
        while self._calls:
            cgrp.assignment.call(*self._calls.popleft())
        if self._closing:
            self._thread, self._woken = Thread.CLOSING, True
            cgrp.terminate(now_us)
            return True
        if cgrp.who.ops:
            return self._serve_call(now_us)
        if self._loop is not None:
            self._hold_back(self._loop.full)
            if offsets := self._loop.to_commit(now_us):
                self._commit(offsets, now_us)
                return True
        count = self._queue.count
        if not count:
            self._poll_until_us = _NEVER
            return False
        if self._poll_until_us == _NEVER:
            each = self._settings.consume_timeout_us
            self._poll_until_us = self._poll_from_us + ((now_us - self._poll_from_us) // each + 1) * each
        if count < most and now_us < self._poll_until_us:
            return False
        self._hand_over(most, now_us)
        return True

    def _hand_over(self, most: int, now_us: int) -> None:
        slices = self._queue.take(most)
        for one, _, lo, hi, offset in slices:
            behind = offset + hi - lo
            self.cgrp.assignment.handed_over(one.partition, behind, one.epoch, self._settings.auto_offset_store)
        self.cgrp.polls.last_us = now_us
        self._thread = Thread.WORKING
        if self._loop is None:
            self._application.take(slices, now_us)
        else:
            self._loop.hand_over(slices, now_us)
            if self._processing.commit != "after":
                self._begin_poll(now_us)
        if self._processing.commit == "before":
            self._commit(None, now_us)

    def _store_what_is_done(self, pool: WorkerPool) -> None:
        """Where the client does not store what it hands over, the workers do: what is done, up to the lowest record
        that is not (``rd_kafka_offsets_store`` may be called by any thread)."""
        if not self._settings.auto_offset_store:
            for partition, mark in pool.marks():
                if partition in self.cgrp.assignment.all:
                    self.cgrp.assignment.store(partition, *mark)

    def _hold_back(self, full: bool) -> None:
        """``rd_kafka_pause_partitions`` of all that is assigned while the pool has enough; what was fetched is void."""
        wanted = self.cgrp.assignment.all if full else ()
        begin = [partition for partition in wanted if partition not in self._full]
        end = [partition for partition in self._full if partition not in wanted]
        self._full = wanted
        for verb, partitions in (("pause", begin), ("resume", end)):
            if partitions:
                self.cgrp.assignment.call(verb, partitions, 0)

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
                self._begin_poll(now_us)
                return True
            if done is not Done.ENDED:
                return True
            if not self._settings.auto_offset_store and partition in self.cgrp.assignment.all:
                self.cgrp.assignment.store(partition, offset, epoch)
            if self._processing.commit == "each":
                self._commit({partition: (offset, epoch)}, now_us)
                return True
        if work.begin(now_us):
            return True
        self._begin_poll(now_us)
        if self._processing.commit == "after":
            self._commit(None, now_us)
        return True

    def _commit(self, offsets: Offsets | None, now_us: int) -> None:
        """``rd_kafka_commit`` of these, or of all that is stored; a synchronous one has no time limit of its own."""
        back_to = self._thread

        def ended(error: int, then_us: int) -> None:
            if self._thread is Thread.BLOCKED:
                self._thread = back_to

        if not self._processing.commit_async:
            self._thread = Thread.BLOCKED
        self._woken = True
        if offsets is None:
            self.cgrp.commit_stored(False, ended, now_us)
        else:
            self.cgrp.commit(offsets, ended, now_us)

    # --- rebalance callbacks ------------------------------------------------------------------------------------------
    def _serve_call(self, now_us: int) -> bool:
        """``rebalance_cb``, in the application's thread; or the end that a fatal error is."""
        op = self.cgrp.who.ops.popleft()
        if op is None:
            self._end(FENCED)
            return False
        if op.assigns:
            self._assigned(op, now_us)
            return True
        return self._revoke(op, now_us)

    def _revoke(self, op: RebalanceOp, now_us: int) -> bool:
        lost, loop, mine = self.cgrp.who.lost, self._loop, self._application.processed
        if loop is not None and loop.must_drain(op.partitions, lost):
            self._drains, self._thread = (op, self._thread), Thread.DRAINING
            return False
        if loop is not None:
            done = {} if lost else loop.done(op.partitions)
        else:
            done = {partition: mine[partition] for partition in op.partitions if partition in mine}
        if self._processing.commit_in_revoke and done and not self.cgrp.who.lost:
            back_to, self._thread = self._thread, Thread.BLOCKED

            def ended(error: int, then_us: int) -> None:
                self._revoked(op, then_us)
                self._thread = back_to

            self._woken = True
            self.cgrp.commit(done, ended, now_us)
            return self._thread is not Thread.BLOCKED
        self._revoked(op, now_us)
        return True

    def _drained(self, now_us: int) -> bool:
        """The workers have ended what the callback waits for; librdkafka's thread went on meanwhile."""
        assert self._loop is not None and self._drains is not None
        (op, back_to), lost = self._drains, self.cgrp.who.lost
        if not lost and self._loop.pool.busy_with(op.partitions):
            return False
        self._drains, self._thread = None, back_to
        self._revoke(op, now_us)
        return True

    def _assigned(self, op: RebalanceOp, now_us: int) -> None:
        if self.cgrp.assigns_now():
            for partition in op.partitions:
                self._told[partition] = None
                self._port.record(Kind.ASSIGN, partition=partition, n=op.generation)
        self._woken = True
        self.cgrp.assign_called(op, now_us)

    def _revoked(self, op: RebalanceOp, now_us: int) -> None:
        """Whether it is lost is asked in the callback (``rd_kafka_assignment_lost``). A closing consumer has let go of
        everything behind its first callback, and still hears of the rest in the next."""
        lost = int(self.cgrp.who.lost)
        for partition in [partition for partition in op.partitions if partition in self._told]:
            del self._told[partition]
            self._port.record(Kind.REVOKE, partition=partition, epoch=op.generation, code=lost)
        self._application.forget(op.partitions)
        if self._loop is not None:
            self._loop.pool.forget(op.partitions)
        self._woken = True
        self.cgrp.assign_called(op, now_us)

    # --- rd_kafka_consumer_close() ------------------------------------------------------------------------------------
    def _close(self, now_us: int) -> bool:
        """Serves callbacks until the member is out of its group."""
        if self.cgrp.terminated:
            self._end(CLOSED)
            return False
        if self.cgrp.who.ops:
            return self._serve_call(now_us)
        return self._woken

    def _end(self, why: int) -> None:
        self._port.record(Kind.LEFT, epoch=self.cgrp.who.generation or -1, code=why)
        self._fetches.peers.close_all()
        self._thread = Thread.ENDED
        self._port.stopped()
