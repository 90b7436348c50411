"""What a librdkafka member knows of its membership, and the requests by which it gets and keeps it.

JoinGroup (then, for the leader, Metadata) and SyncGroup run in a chain; an answer that the join state has moved away
from changes nothing. A join leaves at most once a second, unless the wait is taken away. Each request has its own limit
of time: JoinGroup waits for the slowest member, SyncGroup for the leader.

Sources: ``rd_kafka_cgrp_join``, ``rd_kafka_cgrp_handle_JoinGroup``, ``rd_kafka_cgrp_assignor_handle_Metadata_op``,
``rd_kafka_cgrp_handle_SyncGroup``, ``rd_kafka_cgrp_heartbeat``, ``rd_kafka_cgrp_leave`` of librdkafka 2.16. Simplified:
a SyncGroup or Metadata that fails is not tried again by itself, the member joins again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from sim.protocol.coordinator_client import CoordinatorClient, moved
from sim.protocol.error_codes import ErrorCode
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
from sim.protocol.member_assignment import COOPERATIVE, LIBRDKAFKA_ASSIGNORS, Names, assign
from sim.protocol.messages import MetadataRequest, MetadataResponse
from sim.protocol.settings import LibrdkafkaMemberSettings

__all__ = ["Answers", "JoinState", "Membership", "MembershipRequests", "RebalanceOp"]

S = 1_000_000
_GRACE_US = 3 * S
_LEAVE_WITHIN_US = 5 * S


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
        elif error == ErrorCode.FENCED_INSTANCE_ID and not self.fatal:
            self.fatal = True
            self.ops.append(None)


class Answers(Protocol):
    """What follows from an answer."""

    def given(self, partitions: tuple[int, ...], now_us: int) -> None:
        """A generation's assignment."""
        ...

    def not_joined(self, lost: bool, now_us: int) -> None:
        """Neither in the old generation nor in a new one; *lost*: what a cooperative member still has is lost."""
        ...

    def beaten(self, error: int, now_us: int) -> None: ...


class MembershipRequests:
    """``due_us``: no join before; ``waits_leave``: a LeaveGroup is under way."""

    __slots__ = (
        "_answers", "_awaiting", "_beating", "_coordinator", "_group", "_names", "_remembered", "_settings", "_topics",
        "_who", "closing", "due_us", "waits_leave",
    )  # fmt: skip

    def __init__(
        self, group: int, topics: tuple[int, ...], settings: LibrdkafkaMemberSettings, coordinator: CoordinatorClient,
        names: Names, who: Membership, answers: Answers,
    ) -> None:  # fmt: skip
        self._group, self._topics, self._settings, self._names = group, topics, settings, names
        self._coordinator, self._who, self._answers = coordinator, who, answers
        self._remembered: tuple[tuple[int, ...], int] = ((), -1)  # of the cooperative assignor
        self._awaiting = self._beating = False
        self.waits_leave = self.closing = False
        self.due_us = 0

    # --- joining ------------------------------------------------------------------------------------------------------
    def may_join(self, now_us: int) -> bool:
        return not self._awaiting and now_us >= self.due_us

    def join(self, now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        if peer is None:
            return
        who, settings = self._who, self._settings
        who.state, self._awaiting = JoinState.WAIT_JOIN, True
        request = JoinGroupRequest(
            self._group, who.member, settings.instance, settings.client_id, settings.session_timeout_us,
            settings.max_poll_interval_us, tuple((name, self._says(name)) for name in settings.assignors),
        )  # fmt: skip
        self._coordinator.ask(peer, request, self._joined, now_us, settings.max_poll_interval_us + _GRACE_US)

    def _says(self, assignor: str) -> Subscription:
        remembered = self._remembered[1] if assignor == COOPERATIVE else -1
        return Subscription(self._topics, self._who.owned or (), remembered, remembered)

    def _joined(self, answer: object | None, now_us: int) -> None:
        self._awaiting = False
        who = self._who
        if self.closing or who.state is not JoinState.WAIT_JOIN:
            return
        if not isinstance(answer, JoinGroupResponse) or answer.error:
            self._join_failed(answer, now_us)
            return
        who.member, who.generation, who.assignor = answer.member, answer.generation, answer.protocol
        if answer.leader == answer.member:
            self._lead(answer, now_us)
        else:
            self._sync({}, now_us)

    def _join_failed(self, answer: object | None, now_us: int) -> None:
        error = answer.error if isinstance(answer, JoinGroupResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        self.due_us += S  # rd_interval_backoff
        if moved(error):
            self._coordinator.unknown()
        if error == ErrorCode.MEMBER_ID_REQUIRED and isinstance(answer, JoinGroupResponse):
            self._who.member = answer.member
            self.due_us = now_us
        self._who.outcast(error)
        lost = error in (ErrorCode.ILLEGAL_GENERATION, ErrorCode.MEMBER_ID_REQUIRED)
        self._answers.not_joined(lost, now_us)

    def _lead(self, joined: JoinGroupResponse, now_us: int) -> None:
        """The leader asks for the topics of all members first."""
        peer = self._coordinator.ready(now_us)
        if peer is None:
            self._answers.not_joined(False, now_us)
            return
        self._who.state = JoinState.WAIT_METADATA
        topics = tuple(dict.fromkeys(topic for one in joined.members for topic in one.subscription.topics))

        def told(answer: object | None, then_us: int) -> None:
            if self._who.state is not JoinState.WAIT_METADATA:
                return
            if not isinstance(answer, MetadataResponse):
                self._answers.not_joined(False, then_us)
                return
            known = {topic: tuple(one.partition for one in answer.partitions.get(topic, ())) for topic in topics}
            self._sync(assign(LIBRDKAFKA_ASSIGNORS[joined.protocol], joined.members, known, self._names), then_us)

        self._coordinator.ask(peer, MetadataRequest(topics), told, now_us)

    def _sync(self, assignments: dict[str, tuple[int, ...]], now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        if peer is None:
            self._answers.not_joined(False, now_us)
            return
        who = self._who
        who.state, self._awaiting = JoinState.WAIT_SYNC, True
        request = SyncGroupRequest(self._group, who.generation, who.member, self._settings.instance, assignments)
        self._coordinator.ask(peer, request, self._synced, now_us, self._settings.session_timeout_us + _GRACE_US)

    def _synced(self, answer: object | None, now_us: int) -> None:
        self._awaiting = False
        who = self._who
        if who.state is not JoinState.WAIT_SYNC:
            return
        error = answer.error if isinstance(answer, SyncGroupResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        if isinstance(answer, SyncGroupResponse) and not error and not self.closing:
            if who.assignor == COOPERATIVE:
                self._remembered = (answer.partitions, who.generation)
            self._answers.given(answer.partitions, now_us)
            return
        if moved(error):
            self._coordinator.unknown()
        who.outcast(error)
        self._answers.not_joined(error in (ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID), now_us)

    # --- staying and leaving ------------------------------------------------------------------------------------------
    def beat(self, now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        if peer is None or self._beating:
            return
        self._beating = True
        who = self._who
        request = HeartbeatRequest(self._group, who.generation, who.member, self._settings.instance)
        self._coordinator.ask(peer, request, self._beaten, now_us, self._settings.session_timeout_us)

    def _beaten(self, answer: object | None, now_us: int) -> None:
        self._beating = False
        error = answer.error if isinstance(answer, HeartbeatResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        if moved(error) and not self._who.joins():
            self._coordinator.unknown()
        self._answers.beaten(error, now_us)

    def leave(self, now_us: int) -> None:
        """The member id is no longer good; a close waits for the answer, five seconds at most."""
        member, self._who.member = self._who.member, ""
        peer = self._coordinator.ready(now_us)
        if self.waits_leave or peer is None:
            return
        self.waits_leave = True
        request = LeaveGroupRequest(self._group, member, self._settings.instance)
        self._coordinator.ask(peer, request, self._left, now_us, _LEAVE_WITHIN_US)

    def _left(self, answer: object | None, now_us: int) -> None:
        self.waits_leave = False
