"""The heartbeats by which a librdkafka member gets and keeps its membership of a group of KIP-848
(``group.protocol=consumer``).

The coordinator tells the assignment (``target``), the application is asked to take it up, and once offsets are known
and commits have ended the next heartbeat lists it: that is the acknowledgement, and its answer makes it ``current``.
What the coordinator tells meanwhile waits (``next``). An empty assignment is nothing new to a member that has nothing,
so a newcomer without a share stays in ``INIT``, says everything in each heartbeat, and its application hears of nothing
(consumer:F3.37).

A heartbeat leaves at the interval that the coordinator names, or sooner where something *expedites* it. Who is fenced,
or late with its polls, gives up everything as lost and joins again, behind the callback of a rebalance that is under
way. Who is late says so only then: until it polls there are no more heartbeats and no leave (consumer:F3.35).

Law: one heartbeat is under way at a time.

Sources: ``rd_kafka_cgrp_consumer_serve``, ``rd_kafka_cgrp_consumer_group_heartbeat``,
``rd_kafka_cgrp_handle_ConsumerGroupHeartbeat``, ``rd_kafka_cgrp_consumer_handle_next_assignment``,
``rd_kafka_cgrp_consumer_expedite_next_heartbeat``, ``rd_kafka_cgrp_consumer_reset``, ``rd_kafka_cgrp_consumer_leave``
of librdkafka 2.16. Simplified: metadata of all topics is waited for, not of those alone that are assigned.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Protocol

from sim.protocol.client_network import LibrdkafkaBackoff
from sim.protocol.coordinator_client import CoordinatorClient, moved
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.group_messages import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from sim.protocol.group_target import JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH
from sim.protocol.librdkafka_membership import JoinState, Membership, PollInterval
from sim.protocol.port import Port
from sim.protocol.settings import LibrdkafkaMemberSettings

__all__ = ["HeartbeatRequests", "Told"]

MS = 1_000
_NEVER = 1 << 62
_RETRIES = 2  # RD_KAFKA_REQUEST_DEFAULT_RETRIES
_FENCED = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH)
_PASSES = (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.REQUEST_TIMED_OUT)
_NOBODY_THERE = (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NETWORK_EXCEPTION)


class Told(Protocol):
    """What follows from an answer."""

    def given(self, partitions: tuple[int, ...], now_us: int) -> None:
        """All that the member shall have."""
        ...

    def revoke_all(self, lost: bool, now_us: int) -> None:
        """It is out of the group, and joins again once it has let go of everything."""
        ...

    def lose_all(self, now_us: int) -> None:
        """A fatal error was raised."""
        ...


class HeartbeatRequests:
    """The same to ``Cgrp`` as ``MembershipRequests``. ``waits_ack``: an assignment is being taken up, or was and has
    not been acknowledged; ``waits_leave``: a leave is under way."""

    __slots__ = (
        "_answers", "_backoff", "_beating", "_coordinator", "_current", "_expedited", "_fetches", "_full",
        "_group", "_interval_us", "_last_us", "_next", "_polls", "_port", "_rejoining", "_sending_ack",
        "_server", "_settings", "_target", "_to_rejoin", "_topics", "_try_again", "_wait_us", "_waits_metadata",
        "_wake_us", "_who", "closing", "waits_ack", "waits_leave",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, topics: tuple[int, ...], settings: LibrdkafkaMemberSettings,
        coordinator: CoordinatorClient, fetches: FetchClient, who: Membership, polls: PollInterval, answers: Told,
    ) -> None:  # fmt: skip
        self._port, self._group, self._topics, self._settings = port, group, topics, settings
        self._coordinator, self._fetches = coordinator, fetches
        self._who, self._polls, self._answers = who, polls, answers
        uuid = b"".join(port.draw("member-id").to_bytes(4, "big") for _ in range(4))
        who.member = b64encode(uuid).decode()[:22]  # the client's own, for good
        self._backoff = LibrdkafkaBackoff(settings.retry_backoff_us, settings.retry_backoff_max_us)
        self.closing = self.waits_leave = False
        self._to_rejoin = self._rejoining = False  # F_WAIT_REJOIN, F_WAIT_REJOIN_TO_COMPLETE
        self._forget()
        who.generation = -1  # until the first answer
        self._beating = False
        self._try_again: tuple[ConsumerGroupHeartbeatRequest, int, int] | None = None  # what, how often tried, when
        self._server = -1  # the coordinator that the last heartbeat was for
        # The next heartbeat leaves ``_interval_us + _wait_us`` after ``_last_us``.
        self._last_us, self._interval_us, self._wait_us = -_NEVER, 0, 0
        self._expedited = 0  # heartbeats since the last that was answered well
        self._wake_us = _NEVER

    def _forget(self) -> None:
        """``rd_kafka_cgrp_consumer_reset``"""
        self._who.generation = JOIN_EPOCH
        self._current: tuple[int, ...] = ()  # acknowledged last
        self._target: tuple[int, ...] | None = None  # being taken up
        self._next: tuple[int, ...] | None = None
        self.waits_ack = self._sending_ack = self._full = self._to_rejoin = self._waits_metadata = False

    def cooperative(self) -> bool:
        return True

    def at_rest(self) -> bool:
        who = self._who
        if self.waits_ack or self._next is not None or self._to_rejoin or self._will_leave():
            return False
        return who.state is JoinState.STEADY or (who.state is JoinState.INIT and who.generation > 0)

    # --- the main thread ----------------------------------------------------------------------------------------------
    def rings(self, now_us: int) -> bool:
        """Whether ``rkcg_serve_timer`` wakes the thread, or a heartbeat that is to be tried again."""
        if self._wake_us > now_us:
            return self._try_again is not None and self._try_again[2] <= now_us
        self._wake_us = _NEVER
        return True

    def deadlines(self) -> Iterator[int]:
        yield self._wake_us
        if self._try_again is not None:
            yield self._try_again[2]

    def serve(self, now_us: int) -> None:
        """``rd_kafka_cgrp_consumer_serve``"""
        who = self._who
        if who.fatal:
            return
        if self._coordinator.server != self._server:  # rd_kafka_cgrp_coord_update
            self._server = self._coordinator.server
            self.expedite(now_us)
        if self._to_rejoin:
            if who.rebalancing():
                return
            self._to_rejoin, self._rejoining = False, True
            self._answers.revoke_all(True, now_us)
        if who.state is JoinState.INIT:
            self._rejoining = False
        self._retry(now_us)
        if not self._may_beat(now_us):
            return
        if now_us >= self._due_us():
            self._beat(now_us)
        if self._interval_us:
            self._wake_us = min(self._wake_us, max(self._due_us(), now_us + 1))

    def _due_us(self) -> int:
        return self._last_us + self._interval_us + self._wait_us

    def expedite(self, now_us: int) -> None:
        """``rd_kafka_cgrp_consumer_expedite_next_heartbeat``: at once, or behind a millisecond that doubles with each
        heartbeat that was not answered well."""
        self._wait_us = 0
        if self._expedited:
            backoff = LibrdkafkaBackoff(MS, self._settings.retry_backoff_max_us)
            self._wait_us = backoff.delay_us(self._expedited, self._port.draw("member-heartbeat"))
        self._last_us = now_us - self._interval_us
        self._wake_us = max(self._due_us(), now_us + 1)

    def _will_leave(self) -> bool:
        return self._who.leave_when_unassigned or self.waits_leave

    def _may_beat(self, now_us: int) -> bool:
        """``rd_kafka_cgrp_consumer_heartbeat_preconditions_met``"""
        late = self._polls.exceeded and self._polls.late(now_us)
        return not (self.closing or self._beating or self._rejoining or late or self._will_leave())

    def _beat(self, now_us: int) -> None:
        """A full one says everything; an acknowledgement lists what has been taken up."""
        who, settings = self._who, self._settings
        full = self._full or who.state is JoinState.INIT
        request = ConsumerGroupHeartbeatRequest(self._group, who.member, "", max(who.generation, JOIN_EPOCH))
        if full:
            request.instance, request.assignor = settings.instance, settings.remote_assignor or None
            request.rebalance_timeout_us, request.topics = settings.max_poll_interval_us, self._topics
            request.owned = self._current
        if who.state is JoinState.STEADY and self.waits_ack:
            request.owned, self._sending_ack = self._target, True
        self._polls.exceeded = False
        self._expedited += 1
        self._last_us, self._wait_us = now_us, 0
        self._send(request, 0, now_us)

    def _send(self, request: ConsumerGroupHeartbeatRequest, tries: int, now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        assert peer is not None  # serve() is for a coordinator that is there
        self._beating = True
        within_us = self._interval_us or self._settings.session_timeout_us
        self._coordinator.ask(
            peer, request, lambda answer, then_us: self._answered(request, tries, answer, then_us), now_us, within_us
        )

    def _retry(self, now_us: int) -> None:
        """``rd_kafka_buf_retry``: the same request once more."""
        if self._try_again is not None and self._try_again[2] <= now_us:
            request, tries, _ = self._try_again
            self._try_again = None
            self._send(request, tries, now_us)

    # --- answers ------------------------------------------------------------------------------------------------------
    def _answered(self, request: ConsumerGroupHeartbeatRequest, tries: int, answer: object | None, now_us: int) -> None:
        """``rd_kafka_cgrp_handle_ConsumerGroupHeartbeat``"""
        self._beating = False
        if not isinstance(answer, ConsumerGroupHeartbeatResponse):
            self._refused(request, tries, int(ErrorCode.NETWORK_EXCEPTION), now_us)
        elif answer.error:
            self._refused(request, tries, answer.error, now_us)
        else:
            self._who.generation = answer.epoch
            if not self._will_leave():
                self._accepted(answer, now_us)

    def _accepted(self, answer: ConsumerGroupHeartbeatResponse, now_us: int) -> None:
        self._interval_us = answer.heartbeat_interval_us or self._interval_us
        if answer.assignment is not None:
            self._next = answer.assignment if self._is_new(answer.assignment) else None
        if self._who.state is JoinState.STEADY and self.waits_ack and self._target is not None:
            if self._sending_ack:
                self._current, self._target, self.waits_ack = self._target, None, False
            elif not self.closing:
                self.expedite(now_us)  # taken up while that heartbeat was under way
        if self.closing:
            self._next = None
        elif self._next is not None:
            self._ask_or_take_up(now_us)
        self._full = self._sending_ack = False
        self._expedited = 0

    def _is_new(self, partitions: tuple[int, ...]) -> bool:
        """``rd_kafka_cgrp_consumer_is_new_assignment_different``"""
        return sorted(partitions) != sorted(self._current if self._target is None else self._target)

    def _ask_or_take_up(self, now_us: int) -> None:
        """``rd_kafka_cgrp_consumer_next_target_assignment_request_metadata``"""
        if self._next and not self._fetches.knows_topics():
            self._waits_metadata = True
            self._fetches.ask_metadata(now_us)
        else:
            self._take_up(now_us)

    def metadata_came(self, now_us: int) -> None:
        """``rd_kafka_cgrp_consumer_handle_Metadata_op``. More partitions than before are the coordinator's affair."""
        if self._waits_metadata and self._fetches.knows_topics():
            self._waits_metadata = False
            self._take_up(now_us)

    def _take_up(self, now_us: int) -> None:
        """``rd_kafka_cgrp_consumer_handle_next_assignment``: one after the other."""
        if self._next is None or self.waits_ack or self.closing:
            return
        if not self._is_new(self._next):
            self._next = None
        elif self._who.state in (JoinState.INIT, JoinState.STEADY):
            self.waits_ack = True
            self._target, self._next = self._next, None
            self._answers.given(self._target, now_us)

    def _refused(self, request: ConsumerGroupHeartbeatRequest, tries: int, error: int, now_us: int) -> None:
        """A coordinator that is gone is looked for, a member that is fenced joins again, and what else does not pass is
        fatal; the very first heartbeat is tried again whatever is wrong."""
        if error in _FENCED:
            self._to_rejoin = True
            return
        if error not in _NOBODY_THERE and error not in _PASSES:
            self._who.die()
            self._answers.lose_all(now_us)
            return
        if error in _NOBODY_THERE:
            self._full = True
            if moved(error):
                self._coordinator.unknown()
        again = error in _PASSES or not self._interval_us
        if again and tries < _RETRIES and not self.closing and not self._will_leave():
            self._beating = True
            wait_us = self._backoff.delay_us(tries + 1, self._port.draw("member-heartbeat"))
            self._try_again = (request, tries + 1, now_us + wait_us)

    def commit_refused(self, error: int, now_us: int) -> None:
        """``rd_kafka_cgrp_op_handle_OffsetCommit``: the next heartbeat will tell."""
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.STALE_MEMBER_EPOCH):
            self.expedite(now_us)

    # --- leaving ------------------------------------------------------------------------------------------------------
    def session_is_over(self, now_us: int) -> bool:
        """The session is the coordinator's alone."""
        return False

    def late(self, now_us: int) -> None:
        """The application does not poll: it leaves behind the callback that is waiting for it."""
        self._to_rejoin = self._who.leave_when_unassigned = True
        self.expedite(now_us)

    def rejoin(self, at_once: bool, now_us: int) -> None:
        """``rd_kafka_cgrp_consumer_rejoin``, once a leave has been sent, where one was wanted."""
        self._forget()
        self._who.state = JoinState.INIT
        self.expedite(now_us)

    def terminate(self) -> bool:
        """The consumer is closed; whether it is to give up what it has first (``rd_kafka_cgrp_consumer_unsubscribe``).
        Who has not been let in yet goes without a word, whatever may be under way."""
        self.closing = True
        self._try_again = None
        self._to_rejoin = self._rejoining = False
        if self._who.generation <= JOIN_EPOCH or self._will_leave():
            return False
        self._who.leave_when_unassigned = True
        return True

    def leave(self, now_us: int) -> None:
        """``rd_kafka_cgrp_consumer_leave``: a static member means to come back (consumer:F3.31). The next heartbeat, or
        the end of the close, waits for the answer."""
        if self.waits_leave:
            return
        peer = self._coordinator.ready(now_us)
        if peer is None:
            self._forget()
            return
        self.waits_leave = True
        epoch = LEAVE_STATIC_EPOCH if self._settings.instance else LEAVE_EPOCH
        request = ConsumerGroupHeartbeatRequest(self._group, self._who.member, self._settings.instance, epoch)
        within_us = self._interval_us or self._settings.session_timeout_us
        self._coordinator.ask(peer, request, self._left, now_us, within_us)

    def _left(self, answer: object | None, now_us: int) -> None:
        """``rd_kafka_cgrp_handle_ConsumerGroupHeartbeat_leave``"""
        self._forget()
        self.waits_leave = False
