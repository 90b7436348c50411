"""A librdkafka consumer's membership in a classic group: librdkafka's main thread (``rdkafka_cgrp.c``).

It joins, beats, commits and leaves whatever the application does; only the callbacks of a rebalance wait for the
application's next poll. They stand in ``ops``, in order, and until the application has served one the member stays in
``WAIT_ASSIGN_CALL`` or ``WAIT_UNASSIGN_CALL``, which stops any further rebalance of its own (``RD_KAFKA_CGRP_REBALANCING``).
That is why a member that was put out while a rebalance waited for it hears of a plain revocation (or, cooperative, of
an assignment first), and of a loss only if nothing was waiting (consumer:F3.39).

Timers: the thread wakes each second, twice a second while the poll interval is watched, and for every answer; what is
due is done when it wakes. Sources: the functions named below, of librdkafka 2.16.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from sim.protocol.coordinator_client import CoordinatorClient, moved
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.group_messages import (
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    Subscription,
    SyncGroupRequest,
    SyncGroupResponse,
)
from sim.protocol.librdkafka_assignment import PartitionAssignment
from sim.protocol.librdkafka_commits import Commits
from sim.protocol.member_assignment import COOPERATIVE, LIBRDKAFKA_ASSIGNORS, Names, assign
from sim.protocol.messages import MetadataRequest, MetadataResponse
from sim.protocol.offset_client import Offsets, Then
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaMemberSettings

__all__ = ["Cgrp", "JoinState", "RebalanceOp"]

MS, S = 1_000, 1_000_000
_NEVER = 1 << 62
_GRACE_US = 3 * S
_LEAVE_WITHIN_US = 5 * S
_EXPELLED = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION, ErrorCode.FENCED_INSTANCE_ID)


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


_CALLS = (JoinState.WAIT_ASSIGN_CALL, JoinState.WAIT_UNASSIGN_CALL)
_ON_REJOIN = (JoinState.WAIT_JOIN, JoinState.WAIT_METADATA)


@dataclass(frozen=True, slots=True)
class RebalanceOp:
    """A rebalance callback that waits for the application (``RD_KAFKA_OP_REBALANCE``)."""

    assigns: bool
    partitions: tuple[int, ...]
    generation: int


class Cgrp:
    """``ops``: callbacks in order, or None for a fatal error. ``owned``: the group's assignment, None for none yet."""

    __slots__ = (
        "_after_revoke", "_assignor", "_auto_tick_us", "_awaiting", "_beat_due_us", "_beating", "_coordinator", "_counts",
        "_fetches", "_group", "_join_due_us", "_leave_when_unassigned", "_names", "_poll_exceeded", "_poll_tick_us",
        "_port", "_rejoin_after", "_remembered", "_second_us", "_session_until_us", "_settings", "_subscribed",
        "_terminating", "_topics", "_waits_leave", "assignment", "commits", "fatal", "generation", "last_poll_us", "left",
        "lost", "member", "ops", "owned", "state", "terminated",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, topics: tuple[int, ...], settings: LibrdkafkaMemberSettings,
        coordinator: CoordinatorClient, fetches: FetchClient, names: Names,
    ) -> None:  # fmt: skip
        self._port, self._group, self._topics, self._settings = port, group, topics, settings
        self._coordinator, self._fetches, self._names = coordinator, fetches, names
        self.commits = Commits(
            port, group, settings, coordinator, lambda: (self.generation, self.member), self._commit_ended
        )
        self.assignment = PartitionAssignment(
            group, fetches, coordinator, names, lambda: self.commits.outstanding, self._unassigned, self._assignment_done
        )
        self.ops: deque[RebalanceOp | None] = deque()
        self.state = JoinState.INIT
        self.member, self.generation = "", -1
        self.owned: tuple[int, ...] | None = None
        self.lost = self.fatal = self.terminated = self.left = False
        self._assignor = ""  # chosen by the last join; until then the member is neither eager nor cooperative
        self._remembered: tuple[tuple[int, ...], int] = ((), -1)  # of the cooperative assignor
        self._rejoin_after = False  # rkcg_rebalance_rejoin
        self._after_revoke: tuple[int, ...] | None = None  # rkcg_rebalance_incr_assignment
        self._leave_when_unassigned = self._waits_leave = self._poll_exceeded = self._terminating = False
        self._subscribed, self._awaiting, self._beating = True, False, False
        self._counts: dict[int, int] = {}  # partitions of each topic, as last joined with
        self._join_due_us = self._beat_due_us = 0
        self._session_until_us = 0  # 0: it has expired
        self.last_poll_us = _NEVER  # end of the last poll; never while the application is in one
        self._second_us = self._poll_tick_us = self._auto_tick_us = _NEVER

    def start(self, now_us: int) -> None:
        self._second_us = now_us + S
        if self._settings.auto_commit and self._settings.auto_commit_interval_us:
            self._auto_tick_us = now_us + self._settings.auto_commit_interval_us

    # --- the main thread ----------------------------------------------------------------------------------------------
    def run_timers(self, now_us: int) -> bool:
        """Whether a timer rang, and so woke the thread."""
        rang = False
        while self._second_us <= now_us:
            self._second_us, rang = self._second_us + S, True
        while self._poll_tick_us <= now_us:
            self._poll_tick_us, rang = self._poll_tick_us + 500 * MS, True
            self._check_poll_interval(now_us)
        while self._auto_tick_us <= now_us:
            self._auto_tick_us, rang = self._auto_tick_us + self._settings.auto_commit_interval_us, True
            self._auto_commit(now_us)
        return rang

    def serve(self, now_us: int) -> None:
        """``rd_kafka_cgrp_serve``"""
        if self._may_terminate():
            self.terminated = True
            return
        if self.state is JoinState.STEADY and self._session_until_us and now_us >= self._session_until_us:
            self._session_until_us = 0
            self.member = ""
            self._lose_all("session timed out", now_us)
        if self._coordinator.ready(now_us) is not None:
            if self.assignment.waits():
                self.assignment.serve(now_us)
            self._serve_join(now_us)
        self.commits.go_on(now_us)

    def _serve_join(self, now_us: int) -> None:
        """``rd_kafka_cgrp_join_state_serve``"""
        if self.fatal or not self._subscribed:
            return
        if self.state is JoinState.INIT:
            if not self._awaiting and now_us >= self._join_due_us:
                self._join(now_us)
        elif self.state is JoinState.STEADY or self.state in _CALLS:
            if now_us >= self._beat_due_us:
                self._beat_due_us = now_us + self._settings.heartbeat_interval_us
                self._beat(now_us)

    def deadlines(self) -> Iterator[int]:
        yield self._second_us
        yield self._poll_tick_us
        yield self._auto_tick_us
        yield from self.commits.deadlines()

    # --- joining ------------------------------------------------------------------------------------------------------
    def rebalancing(self) -> bool:
        """``RD_KAFKA_CGRP_REBALANCING``"""
        if self.state in _ON_REJOIN:
            return bool(self.member) or self._rejoin_after or self._after_revoke is not None
        between = self.state not in (JoinState.INIT, JoinState.STEADY)
        return between or self._after_revoke is not None or self._rejoin_after

    @property
    def cooperative(self) -> bool:
        return self._settings.cooperative and bool(self._assignor)

    def _join(self, now_us: int) -> None:
        """``rd_kafka_cgrp_join``: at most once a second, unless the wait is taken away; not before the application has
        polled if its interval was over."""
        if not self._fetches.knows_topics():
            self._fetches.ask_metadata(now_us)
            return
        self._join_due_us = now_us + S
        if self._poll_exceeded and self._late_poll(now_us):
            return
        peer = self._coordinator.ready(now_us)
        assert peer is not None
        self._poll_exceeded = False
        if not self._counts:
            self._counts = self._partition_counts()
        self.state, self._awaiting = JoinState.WAIT_JOIN, True
        settings = self._settings
        request = JoinGroupRequest(
            self._group, self.member, settings.instance, settings.client_id, settings.session_timeout_us,
            settings.max_poll_interval_us, tuple((name, self._says(name)) for name in settings.assignors),
        )  # fmt: skip
        self._coordinator.ask(peer, request, self._joined, now_us, settings.max_poll_interval_us + _GRACE_US)

    def _says(self, assignor: str) -> Subscription:
        remembered = self._remembered[1] if assignor == COOPERATIVE else -1
        return Subscription(self._topics, self.owned or (), remembered, remembered)

    def _joined(self, answer: object | None, now_us: int) -> None:
        """``rd_kafka_cgrp_handle_JoinGroup``"""
        self._awaiting = False
        if self._terminating or self.state is not JoinState.WAIT_JOIN:
            return
        if not isinstance(answer, JoinGroupResponse) or answer.error:
            self._join_failed(answer, now_us)
            return
        self.member, self.generation, self._assignor = answer.member, answer.generation, answer.protocol
        if answer.leader == answer.member:
            self._lead(answer, now_us)
        else:
            self._sync({}, now_us)

    def _join_failed(self, answer: object | None, now_us: int) -> None:
        error = answer.error if isinstance(answer, JoinGroupResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        self._join_due_us += S  # rd_interval_backoff
        if moved(error):
            self._coordinator.unknown()
        if error == ErrorCode.MEMBER_ID_REQUIRED and isinstance(answer, JoinGroupResponse):
            self.member = answer.member
            self._join_due_us = now_us
        self._outcast(error)
        if self.cooperative and error in (ErrorCode.ILLEGAL_GENERATION, ErrorCode.MEMBER_ID_REQUIRED):
            self._revoke_all(True, now_us)
        else:
            self.rejoin(now_us)

    def _outcast(self, error: int) -> None:
        """The coordinator does not know the member, or not in this generation, or a newer process has its place."""
        if error == ErrorCode.UNKNOWN_MEMBER_ID:
            self.member = ""
        elif error == ErrorCode.ILLEGAL_GENERATION:
            self.generation = -1
        elif error == ErrorCode.FENCED_INSTANCE_ID and not self.fatal:
            self.fatal = True
            self.ops.append(None)

    def _lead(self, joined: JoinGroupResponse, now_us: int) -> None:
        """The leader asks for the topics of all members first (``rd_kafka_cgrp_assignor_handle_Metadata_op``)."""
        peer = self._coordinator.ready(now_us)
        if peer is None:
            self.rejoin(now_us)
            return
        self.state = JoinState.WAIT_METADATA
        topics = tuple(dict.fromkeys(topic for one in joined.members for topic in one.subscription.topics))

        def told(answer: object | None, then_us: int) -> None:
            if self.state is not JoinState.WAIT_METADATA:
                return
            if not isinstance(answer, MetadataResponse):
                self.rejoin(then_us)
                return
            known = {topic: tuple(one.partition for one in answer.partitions.get(topic, ())) for topic in topics}
            self._sync(assign(LIBRDKAFKA_ASSIGNORS[joined.protocol], joined.members, known, self._names), then_us)

        self._coordinator.ask(peer, MetadataRequest(topics), told, now_us)

    def _sync(self, assignments: dict[str, tuple[int, ...]], now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        if peer is None:
            self.rejoin(now_us)
            return
        self.state, self._awaiting = JoinState.WAIT_SYNC, True
        request = SyncGroupRequest(self._group, self.generation, self.member, self._settings.instance, assignments)
        self._coordinator.ask(peer, request, self._synced, now_us, self._settings.session_timeout_us + _GRACE_US)

    def _synced(self, answer: object | None, now_us: int) -> None:
        """``rd_kafka_cgrp_handle_SyncGroup``"""
        self._awaiting = False
        if self.state is not JoinState.WAIT_SYNC:
            return
        error = answer.error if isinstance(answer, SyncGroupResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        if isinstance(answer, SyncGroupResponse) and not error and not self._terminating:
            self._session_until_us = now_us + self._settings.session_timeout_us
            if self._assignor == COOPERATIVE:
                self._remembered = (answer.partitions, self.generation)
            self._given(answer.partitions, now_us)
            return
        if moved(error):
            self._coordinator.unknown()
        self._outcast(error)
        if self.cooperative and error in (ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID):
            self._revoke_all(True, now_us)
        else:
            self.rejoin(now_us)

    def rejoin(self, now_us: int) -> None:
        """``rd_kafka_cgrp_rejoin``"""
        if not self._subscribed:
            self._leave_if_wanted(now_us)
        self.state = JoinState.INIT

    def _partition_counts(self) -> dict[int, int]:
        return {topic: len(self._fetches.cache.topics.get(topic, ())) for topic in self._topics}

    def check_metadata(self, now_us: int) -> None:
        """Every member that sees its topics grow starts a rebalance (``rd_kafka_cgrp_metadata_update_check``)."""
        counts = self._partition_counts()
        if not self._subscribed or not self._counts or counts == self._counts:
            return
        self._counts = counts
        if self.cooperative:
            self.rejoin(now_us)
        else:
            self._revoke_all(False, now_us)

    # --- what a generation gives and takes ----------------------------------------------------------------------------
    def _given(self, partitions: tuple[int, ...], now_us: int) -> None:
        """``rd_kafka_cgrp_handle_assignment``"""
        if not self.cooperative:
            self._call(True, partitions, now_us)
            self.owned = partitions
            return
        owned = self.owned or ()
        added = tuple(partition for partition in partitions if partition not in owned)
        revoked = tuple(partition for partition in owned if partition not in partitions)
        if revoked:
            self._after_revoke = added
            self._call_incremental(False, revoked, False, now_us)
        else:
            self._call_incremental(True, added, False, now_us)

    def _call(self, assigns: bool, partitions: tuple[int, ...], now_us: int) -> None:
        """``rd_kafka_rebalance_op``"""
        if self.fatal:
            self._take_away(now_us)
            return
        self.state = JoinState.WAIT_ASSIGN_CALL if assigns else JoinState.WAIT_UNASSIGN_CALL
        self.assignment.pause()
        self.ops.append(RebalanceOp(assigns, partitions, self.generation))

    def _call_incremental(self, assigns: bool, partitions: tuple[int, ...], rejoin: bool, now_us: int) -> None:
        """``rd_kafka_rebalance_op_incr``"""
        self._rejoin_after = rejoin
        self._call(assigns, partitions, now_us)
        owned = self.owned or ()
        kept = tuple(partition for partition in owned if partition not in partitions)
        self.owned = (*owned, *partitions) if assigns else kept

    def _take_away(self, now_us: int) -> None:
        """After a fatal error nobody is asked."""
        for partition in self.assignment.all:
            self._port.record(Kind.REVOKE, partition=partition, epoch=self.generation, code=1)
        self._unassign()
        self.assignment.serve(now_us)

    def _lose_all(self, why: str, now_us: int) -> None:
        """``rd_kafka_cgrp_revoke_all_rejoin_maybe``: nothing happens while a rebalance is under way."""
        if not self.rebalancing():
            self._revoke_all(True, now_us)

    def _revoke_all(self, lost: bool, now_us: int) -> None:
        """``rd_kafka_cgrp_revoke_all_rejoin``"""
        if not self.cooperative:
            self.lost = self.lost or lost
            if self.owned is not None and self.state not in _CALLS:
                self._call(False, self.owned, now_us)
                self.owned = None
            else:
                self._join_due_us = now_us
                self.rejoin(now_us)
        elif self.owned:
            self.lost = self.lost or lost
            self._call_incremental(False, self.owned, not self._terminating, now_us)
        elif not self._terminating:
            self.rejoin(now_us)

    def _must_rejoin(self, now_us: int) -> None:
        """``rd_kafka_cgrp_group_is_rebalancing``"""
        if self.rebalancing():
            return
        if self.cooperative:
            self.rejoin(now_us)
        else:
            self._revoke_all(False, now_us)

    # --- what the application answers (``rd_kafka_cgrp_handle_assign_op``) ---------------------------------------------
    def assign_called(self, op: RebalanceOp, now_us: int) -> None:
        """The application has served a callback and, in it, changed its assignment accordingly."""
        if self.fatal or self._terminating:
            self._after_revoke = None
            if self.state is JoinState.WAIT_ASSIGN_CALL:
                self.state = JoinState.WAIT_UNASSIGN_CALL
            self._unassign()
        elif op.assigns:
            self._assign(op, now_us)
        elif self.cooperative:
            self.assignment.subtract(op.partitions)
            if self.state is JoinState.WAIT_UNASSIGN_CALL:
                self.assignment.resume()
                self.state = JoinState.WAIT_INCR_UNASSIGN_TO_COMPLETE
            self.lost = False
        else:
            self._unassign()
        self.assignment.serve(now_us)

    def assigns_now(self) -> bool:
        """Whether an assignment is taken for what it is; else it is one more way to unassign."""
        return not (self.fatal or self._terminating)

    def _assign(self, op: RebalanceOp, now_us: int) -> None:
        if not self.cooperative and self.assignment.clear():
            self.assignment.serve(now_us)
        self.assignment.add(op.partitions)
        self.lost = False
        if self.state is JoinState.WAIT_ASSIGN_CALL:
            self.assignment.resume()
            self.state = JoinState.STEADY
            if self._subscribed:
                self._poll_tick_us = now_us + 500 * MS

    def _unassign(self) -> None:
        self.assignment.clear()
        if self.state is JoinState.WAIT_UNASSIGN_CALL:
            self.state = JoinState.WAIT_UNASSIGN_TO_COMPLETE
        self.lost = False

    def _assignment_done(self, now_us: int) -> None:
        """``rd_kafka_cgrp_assignment_done``"""
        if self.state is JoinState.WAIT_UNASSIGN_TO_COMPLETE:
            self._leave_if_wanted(now_us)
            self._join_due_us = now_us
            self.rejoin(now_us)
        elif self.state is JoinState.WAIT_INCR_UNASSIGN_TO_COMPLETE:
            self._partly_unassigned(now_us)
        elif self.state is JoinState.STEADY and self._rejoin_after:
            self._rejoin_after = False
            self._join_due_us = now_us
            self.rejoin(now_us)

    def _partly_unassigned(self, now_us: int) -> None:
        """``rd_kafka_cgrp_incr_unassign_done``"""
        if self._terminating:
            self._unassign()
        elif self._after_revoke is not None:
            added, self._after_revoke = self._after_revoke, None
            self._call_incremental(True, added, True, now_us)
        elif self._rejoin_after:
            self._rejoin_after = False
            self._join_due_us = now_us
            self.rejoin(now_us)
        else:
            self.state = JoinState.STEADY

    # --- heartbeats ---------------------------------------------------------------------------------------------------
    def _beat(self, now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        if peer is None or self._poll_exceeded or self._beating:
            return
        self._beating = True
        request = HeartbeatRequest(self._group, self.generation, self.member, self._settings.instance)
        self._coordinator.ask(peer, request, self._beaten, now_us, self._settings.session_timeout_us)

    def _beaten(self, answer: object | None, now_us: int) -> None:
        """``rd_kafka_cgrp_handle_Heartbeat``"""
        self._beating = False
        error = answer.error if isinstance(answer, HeartbeatResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        if not error or error == ErrorCode.REBALANCE_IN_PROGRESS:
            if self._session_until_us:
                self._session_until_us = now_us + self._settings.session_timeout_us
        if not error or self.state in (JoinState.INIT, *_ON_REJOIN, JoinState.WAIT_SYNC):
            return
        if error == ErrorCode.REBALANCE_IN_PROGRESS:
            self._must_rejoin(now_us)
        elif moved(error):
            self._coordinator.unknown()
        elif error in _EXPELLED:
            self._outcast(error)
            self._lose_all("heartbeat", now_us)

    def _late_poll(self, now_us: int) -> bool:
        """``rd_kafka_max_poll_exceeded``, in whole milliseconds"""
        return now_us - self.last_poll_us >= self._settings.max_poll_interval_us + MS

    def _check_poll_interval(self, now_us: int) -> None:
        """``rd_kafka_cgrp_max_poll_interval_check_tmr_cb``: a static member does not say that it leaves."""
        if not self._late_poll(now_us):
            return
        self._poll_exceeded = True
        self._poll_tick_us = _NEVER
        self._port.record(Kind.LEFT, epoch=self.generation, code=1)
        if not self._settings.instance:
            self._leave(now_us)
        self.member = ""
        self._lose_all("max.poll.interval.ms exceeded", now_us)

    # --- commits ------------------------------------------------------------------------------------------------------
    def _auto_commit(self, now_us: int) -> None:
        """The timer, whether or not the application polls (``rd_kafka_cgrp_offset_commit_tmr_cb``, consumer:F4.12)."""
        if self._subscribed and self.state is not JoinState.STEADY:
            return
        self.commit_stored(True, lambda error, then_us: None, now_us)

    def commit_stored(self, auto: bool, then: Then, now_us: int) -> None:
        """What is stored of all that is assigned; nothing if there is nothing, or if the assignment is lost."""
        offsets = {} if self.lost or self.fatal else self.assignment.to_commit()
        if offsets:
            self.commits.commit(offsets, auto, then, now_us)
        else:
            then(0, now_us)

    def commit(self, offsets: Offsets, then: Then, now_us: int) -> None:
        """What the application says, be it assigned or not."""
        if self.fatal:
            for partition, (offset, _) in offsets.items():
                code = int(ErrorCode.CLIENT_FATAL)
                self._port.record(Kind.COMMIT, partition=partition, offset=offset, n=0, code=code, seq=0)
            then(int(ErrorCode.CLIENT_FATAL), now_us)
        else:
            self.commits.commit(offsets, False, then, now_us)

    def _unassigned(self, offsets: Offsets, now_us: int) -> None:
        if self._settings.auto_commit and not self.lost and not self.fatal:
            self.commits.commit(offsets, True, lambda error, then_us: None, now_us)

    def _commit_ended(self, offsets: Offsets, error: int, now_us: int) -> None:
        """``rd_kafka_cgrp_op_handle_OffsetCommit``"""
        if not error:
            self.assignment.committed.update(offsets)
        elif error in _EXPELLED and (error != ErrorCode.ILLEGAL_GENERATION or not self.rebalancing()):
            self._outcast(error)
            if error != ErrorCode.FENCED_INSTANCE_ID:
                self._lose_all("commit refused", now_us)
        if not self.commits.outstanding:
            self.assignment.serve(now_us)

    # --- leaving ------------------------------------------------------------------------------------------------------
    def terminate(self, now_us: int) -> None:
        """``rd_kafka_consumer_close``; over when ``terminated``, which may need callbacks to be served."""
        self._terminating, self._subscribed = True, False
        self._poll_tick_us = _NEVER
        self._leave_when_unassigned = bool(self.member)
        if not self.lost:
            self._revoke_all(False, now_us)
        if self.state not in _CALLS:
            self._unassign()
        self.assignment.serve(now_us)

    def _may_terminate(self) -> bool:
        """``rd_kafka_cgrp_try_terminate``"""
        busy = self.state in _CALLS or self._waits_leave or self.assignment.in_progress() or bool(self.assignment.all)
        return self._terminating and not busy

    def _leave_if_wanted(self, now_us: int) -> None:
        """``rd_kafka_cgrp_leave_maybe``"""
        if self._leave_when_unassigned:
            self._leave_when_unassigned = False
            if not self._settings.instance:
                self._leave(now_us)

    def _leave(self, now_us: int) -> None:
        """``rd_kafka_cgrp_leave``; the close waits for the answer, five seconds at most."""
        member, self.member = self.member, ""
        peer = self._coordinator.ready(now_us)
        if self._waits_leave or peer is None:
            return
        self._waits_leave = True
        request = LeaveGroupRequest(self._group, member, self._settings.instance)
        self._coordinator.ask(peer, request, self._left, now_us, _LEAVE_WITHIN_US)

    def _left(self, answer: object | None, now_us: int) -> None:
        self._waits_leave = False
