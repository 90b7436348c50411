"""The requests by which a librdkafka member gets and keeps its membership of a classic group.

JoinGroup (then, for the leader, Metadata) and SyncGroup run in a chain; an answer that the join state has moved away
from changes nothing. A join leaves at most once a second, unless the wait is taken away. Each request has its own limit
of time: JoinGroup waits for the slowest member, SyncGroup for the leader.

Sources: ``rd_kafka_cgrp_join``, ``rd_kafka_cgrp_handle_JoinGroup``, ``rd_kafka_cgrp_assignor_handle_Metadata_op``,
``rd_kafka_cgrp_handle_SyncGroup``, ``rd_kafka_cgrp_heartbeat``, ``rd_kafka_cgrp_leave`` of librdkafka 2.16. Simplified:
a SyncGroup or Metadata that fails is not tried again by itself, the member joins again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

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
from sim.protocol.librdkafka_membership import JoinState, Membership, PollInterval
from sim.protocol.member_assignment import COOPERATIVE, LIBRDKAFKA_ASSIGNORS, Names, assign
from sim.protocol.messages import MetadataRequest, MetadataResponse
from sim.protocol.settings import LibrdkafkaMemberSettings

__all__ = ["Answers", "MembershipRequests"]

S = 1_000_000
_GRACE_US = 3 * S
_LEAVE_WITHIN_US = 5 * S
_EXPELLED = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION, ErrorCode.FENCED_INSTANCE_ID)


class Answers(Protocol):
    """What follows from an answer."""

    def given(self, partitions: tuple[int, ...], now_us: int) -> None:
        """A generation's assignment."""
        ...

    def not_joined(self, lost: bool, now_us: int) -> None:
        """Neither in the old generation nor in a new one; *lost*: what a cooperative member still has is lost."""
        ...

    def rebalance(self, now_us: int) -> None:
        """The group is in a rebalance, or ought to be."""
        ...

    def lose_all(self, now_us: int) -> None:
        """The member is out of its group."""
        ...


class MembershipRequests:
    """``waits_leave``: a LeaveGroup is under way. ``closing``: the consumer is; no answer matters any more."""

    __slots__ = (
        "_answers", "_awaiting", "_beat_due_us", "_beating", "_coordinator", "_counts", "_due_us", "_fetches", "_group",
        "_names", "_polls", "_remembered", "_session_until_us", "_settings", "_topics", "_who", "closing",
        "waits_leave",
    )  # fmt: skip

    def __init__(
        self, names: Names, group: int, topics: tuple[int, ...], settings: LibrdkafkaMemberSettings,
        coordinator: CoordinatorClient, fetches: FetchClient, who: Membership, polls: PollInterval, answers: Answers,
    ) -> None:  # fmt: skip
        self._group, self._topics, self._settings, self._names = group, topics, settings, names
        self._coordinator, self._fetches = coordinator, fetches
        self._who, self._polls, self._answers = who, polls, answers
        self._remembered: tuple[tuple[int, ...], int] = ((), -1)  # of the cooperative assignor
        self._counts: dict[int, int] = {}  # partitions of each topic, as last joined with
        self._awaiting = self._beating = False
        self.waits_leave = self.closing = False
        self._due_us = self._beat_due_us = 0  # no join, no heartbeat before
        self._session_until_us = 0  # 0: it has expired, or none has begun

    def cooperative(self) -> bool:
        return self._settings.cooperative and bool(self._who.assignor)

    def at_rest(self) -> bool:
        return self._who.state is JoinState.STEADY

    # --- the main thread ----------------------------------------------------------------------------------------------
    def rings(self, now_us: int) -> bool:
        """Whether a timer of its own wakes the thread: there is none."""
        return False

    def deadlines(self) -> Iterator[int]:
        return iter(())

    def serve(self, now_us: int) -> None:
        """``rd_kafka_cgrp_join_state_serve``"""
        who = self._who
        if who.fatal or self.closing:
            return
        if who.state is JoinState.INIT:
            if not self._awaiting and now_us >= self._due_us:
                self._may_join(now_us)
        elif who.state is JoinState.STEADY or who.waits_for_call():
            if now_us >= self._beat_due_us:
                self._beat_due_us = now_us + self._settings.heartbeat_interval_us
                if not self._polls.exceeded:
                    self._beat(now_us)

    def session_is_over(self, now_us: int) -> bool:
        """``rd_kafka_cgrp_session_timeout_check``"""
        if not self._session_until_us or now_us < self._session_until_us:
            return False
        self._session_until_us = 0
        self._who.member = ""
        return True

    # --- joining ------------------------------------------------------------------------------------------------------
    def rejoin(self, at_once: bool, now_us: int) -> None:
        if at_once:
            self._due_us = now_us
        self._who.state = JoinState.INIT

    def _may_join(self, now_us: int) -> None:
        """``rd_kafka_cgrp_join``: not before the application has polled, if its interval was over."""
        if not self._fetches.knows_topics():
            self._fetches.ask_metadata(now_us)
            return
        self._due_us = now_us + S
        if self._polls.exceeded and self._polls.late(now_us):
            return
        self._polls.exceeded = False
        if not self._counts:
            self._counts = self._partition_counts()
        self._join(now_us)

    def metadata_came(self, now_us: int) -> None:
        """Every member that sees its topics grow starts a rebalance (``rd_kafka_cgrp_metadata_update_check``)."""
        counts = self._partition_counts()
        if not self.closing and self._counts and counts != self._counts:
            self._counts = counts
            self._answers.rebalance(now_us)

    def _partition_counts(self) -> dict[int, int]:
        return {topic: len(self._fetches.cache.topics.get(topic, ())) for topic in self._topics}

    def _join(self, now_us: int) -> None:
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
        self._due_us += S  # rd_interval_backoff
        if moved(error):
            self._coordinator.unknown()
        if error == ErrorCode.MEMBER_ID_REQUIRED and isinstance(answer, JoinGroupResponse):
            self._who.member = answer.member
            self._due_us = now_us
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
            self._session_until_us = now_us + self._settings.session_timeout_us
            if who.assignor == COOPERATIVE:
                self._remembered = (answer.partitions, who.generation)
            self._answers.given(answer.partitions, now_us)
            return
        if moved(error):
            self._coordinator.unknown()
        who.outcast(error)
        self._answers.not_joined(error in (ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID), now_us)

    # --- staying and leaving ------------------------------------------------------------------------------------------
    def _beat(self, now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        if peer is None or self._beating:
            return
        self._beating = True
        who = self._who
        request = HeartbeatRequest(self._group, who.generation, who.member, self._settings.instance)
        self._coordinator.ask(peer, request, self._beaten, now_us, self._settings.session_timeout_us)

    def _beaten(self, answer: object | None, now_us: int) -> None:
        """``rd_kafka_cgrp_handle_Heartbeat``"""
        self._beating = False
        who = self._who
        error = answer.error if isinstance(answer, HeartbeatResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        if moved(error) and not who.joins():
            self._coordinator.unknown()
        if (not error or error == ErrorCode.REBALANCE_IN_PROGRESS) and self._session_until_us:
            self._session_until_us = now_us + self._settings.session_timeout_us
        if who.joins():
            return
        if error == ErrorCode.REBALANCE_IN_PROGRESS and not who.rebalancing():
            self._answers.rebalance(now_us)
        elif error in _EXPELLED:
            who.outcast(error)
            self._answers.lose_all(now_us)

    def commit_refused(self, error: int, now_us: int) -> None:
        """``rd_kafka_cgrp_op_handle_OffsetCommit``"""
        who = self._who
        if error in _EXPELLED and (error != ErrorCode.ILLEGAL_GENERATION or not who.rebalancing()):
            who.outcast(error)
            if error != ErrorCode.FENCED_INSTANCE_ID:
                self._answers.lose_all(now_us)

    def late(self, now_us: int) -> None:
        """The application does not poll; a static member does not say that it leaves."""
        self.leave(now_us)
        self._who.member = ""
        self._answers.lose_all(now_us)

    def terminate(self) -> bool:
        """The consumer is closed; whether it is to give up what it has first (``rd_kafka_cgrp_unsubscribe``)."""
        self.closing = True
        self._who.leave_when_unassigned = bool(self._who.member)
        return not self._who.lost

    def leave(self, now_us: int) -> None:
        """The member id is no longer good; a close waits for the answer, five seconds at most. A static member goes
        without a word (KIP-345)."""
        if self._settings.instance:
            return
        member, self._who.member = self._who.member, ""
        peer = self._coordinator.ready(now_us)
        if self.waits_leave or peer is None:
            return
        self.waits_leave = True
        request = LeaveGroupRequest(self._group, member, self._settings.instance)
        self._coordinator.ask(peer, request, self._left, now_us, _LEAVE_WITHIN_US)

    def _left(self, answer: object | None, now_us: int) -> None:
        self.waits_leave = False
