"""A Java consumer's membership in a group of the new protocol: ``group.protocol=consumer`` (KIP-848).

The consumer's background thread is :meth:`tick`: it sends ConsumerGroupHeartbeat, at the interval that the coordinator
names, and at once while the member joins or has something to acknowledge; it leaves when the next poll is too late.
What the coordinator assigns is taken up in the application's polls (``rebalance_consumer``).

States (``MemberState``): ``UNSUBSCRIBED -> JOINING -> RECONCILING -> ACKNOWLEDGING -> STABLE -> RECONCILING ...``;
FENCED by the coordinator or STALE after ``max.poll.interval.ms`` until the application has let go of everything, then
JOINING again; FATAL is an exception for the application.

Laws: one heartbeat is under way at a time; what the member says it owns is what it has taken up last.

Simplified: the answer to a heartbeat that was under way when the member left is not looked at.

Sources: 4.3.0 ``AbstractMembershipManager``, ``ConsumerMembershipManager``, ``AbstractHeartbeatRequestManager``,
``ConsumerHeartbeatRequestManager``.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from sim.protocol.client_network import Backoff
from sim.protocol.client_peers import Peer
from sim.protocol.coordinator_client import CoordinatorClient, moved
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from sim.protocol.group_target import JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH
from sim.protocol.member_classic import POLL_EXPIRED
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ReaderSettings

__all__ = ["ConsumerMembership", "MemberState"]

_NEVER = 1 << 62
_NONE = -1  # number of the assignment that nobody has sent yet


class MemberState(Enum):
    UNSUBSCRIBED = "unsubscribed"
    JOINING = "joining"
    RECONCILING = "reconciling"
    ACKNOWLEDGING = "acknowledging"
    STABLE = "stable"
    FENCED = "fenced"
    STALE = "stale"
    FATAL = "fatal"


_OUT = (MemberState.UNSUBSCRIBED, MemberState.FENCED, MemberState.STALE, MemberState.FATAL)
_AT_ONCE = (MemberState.JOINING, MemberState.ACKNOWLEDGING)


class ConsumerMembership:
    """``target``: what the coordinator assigned last; ``taken``: what of it the application has taken up. Both are
    numbered, so that an assignment that comes and goes is told from one that never changed (``LocalAssignment``)."""

    __slots__ = (
        "_attempt", "_beat_due_us", "_beating", "_coordinator", "_failures", "_group", "_interval_us",
        "_not_before_us", "_owned_told", "_port", "_retry", "_settings", "_told", "_topics", "epoch", "fenced",
        "member", "poll_until_us", "state", "taken", "target",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, topics: tuple[int, ...], settings: MemberSettings, reader: ReaderSettings,
        coordinator: CoordinatorClient,
    ) -> None:  # fmt: skip
        self._port, self._group, self._topics, self._settings = port, group, topics, settings
        self._coordinator = coordinator
        self._retry = Backoff(reader.retry_backoff_us, reader.retry_backoff_max_us)
        self.state = MemberState.UNSUBSCRIBED
        draws = [port.draw("member-id") for _ in range(4)]
        self.member = "".join(f"{draw:08x}" for draw in draws)  # a random UUID of the client's own
        self.epoch = JOIN_EPOCH
        self.fenced = False  # for good: the application gets an exception
        self.target: tuple[int, tuple[int, ...]] = (_NONE, ())
        self.taken: tuple[int, tuple[int, ...]] = (_NONE, ())
        self._told = False  # the coordinator has been told topics, assignor and rebalance timeout
        self._owned_told: tuple[int, tuple[int, ...]] | None = None
        self._attempt = self._failures = 0
        self._beating = False
        self._interval_us = self._beat_due_us = self._not_before_us = 0
        self.poll_until_us = _NEVER  # max.poll.interval.ms after the last poll

    @property
    def generation(self) -> int:
        """The member epoch, -1 while it has none."""
        return self.epoch if self.epoch > 0 else -1

    # --- what the application's polls do ------------------------------------------------------------------------------
    def join(self) -> None:
        """``transitionToJoining``; the heartbeat leaves with the next tick."""
        self.state, self.epoch = MemberState.JOINING, JOIN_EPOCH
        self.target = self.taken = (_NONE, ())

    def took(self, assignment: tuple[int, tuple[int, ...]]) -> None:
        """That assignment is taken up: the coordinator is told at once."""
        self.taken, self.state = assignment, MemberState.ACKNOWLEDGING

    def leave(self, why: int, now_us: int) -> None:
        """The consumer is closed. Who is out already says nothing."""
        if self.state not in _OUT and self._coordinator.server >= 0:
            self._say_goodbye(now_us)
        self._port.record(Kind.LEFT, epoch=self.generation, code=why)
        self.state, self.epoch = MemberState.UNSUBSCRIBED, JOIN_EPOCH

    # --- the background thread ----------------------------------------------------------------------------------------
    def tick(self, now_us: int) -> None:
        """``AbstractHeartbeatRequestManager.poll``: nothing happens while the coordinator is not known."""
        if self.state in _OUT:
            return
        peer = self._coordinator.ready(now_us)
        if self._coordinator.server < 0:
            return
        if now_us >= self.poll_until_us:
            self._expire(now_us)
            return
        due = now_us >= self._beat_due_us and now_us >= self._not_before_us
        if peer is not None and not self._beating and (due or self.state in _AT_ONCE):
            self._beat(peer, now_us)

    def _expire(self, now_us: int) -> None:
        """``transitionToSendingLeaveGroup``, ``transitionToStale``."""
        self._say_goodbye(now_us)
        self._port.record(Kind.LEFT, epoch=self.generation, code=POLL_EXPIRED)
        self.state, self.epoch = MemberState.STALE, JOIN_EPOCH
        self._forget()
        self._failures = self._not_before_us = 0

    def _say_goodbye(self, now_us: int) -> None:
        """A static member means to come back (consumer:F3.31, consumer:F3.32)."""
        self._attempt += 1
        self._beating = False
        peer = self._coordinator.ready(now_us)
        if peer is not None:
            epoch = LEAVE_STATIC_EPOCH if self._settings.instance else LEAVE_EPOCH
            request = ConsumerGroupHeartbeatRequest(self._group, self.member, self._settings.instance, epoch)
            self._coordinator.ask(peer, request, lambda answer, then_us: None, now_us)

    def _beat(self, peer: Peer, now_us: int) -> None:
        """``HeartbeatState.buildRequestData``: what has not changed is not said again."""
        settings = self._settings
        request = ConsumerGroupHeartbeatRequest(self._group, self.member, settings.instance, self.epoch)
        if self.state is MemberState.JOINING or not self._told:
            request.rebalance_timeout_us, request.topics = settings.max_poll_interval_us, self._topics
            request.assignor = settings.remote_assignor or None
            self._told = True
        if self.state is MemberState.JOINING or self._owned_told != self.taken:
            request.owned = self.taken[1]
            self._owned_told = self.taken
        if self.state is MemberState.ACKNOWLEDGING:
            self.state = MemberState.STABLE if self.taken == self.target else MemberState.RECONCILING
        self._attempt += 1
        attempt = self._attempt
        self._beating = True
        self._beat_due_us = now_us + self._interval_us
        self._coordinator.ask(peer, request, lambda answer, then_us: self._answered(attempt, answer, then_us), now_us)

    def _answered(self, attempt: int, answer: object | None, now_us: int) -> None:
        if attempt != self._attempt:
            return
        self._beating = False
        if self.state in _OUT:
            return
        if isinstance(answer, ConsumerGroupHeartbeatResponse) and not answer.error:
            self._accepted(answer, now_us)
            return
        self._forget()
        self._beat_due_us = now_us
        self._failures += 1
        self._not_before_us = now_us + self._retry.delay_us(self._failures, self._port.draw("member-heartbeat"))
        if isinstance(answer, ConsumerGroupHeartbeatResponse):
            self._refused(answer.error)

    def _accepted(self, answer: ConsumerGroupHeartbeatResponse, now_us: int) -> None:
        """``onHeartbeatSuccess``, ``processAssignmentReceived``."""
        if answer.heartbeat_interval_us != self._interval_us:
            self._interval_us = answer.heartbeat_interval_us
            self._beat_due_us = now_us + self._interval_us
        self._failures = self._not_before_us = 0
        self.epoch = answer.epoch
        if answer.assignment is None:
            return
        number, target = self.target
        if number == _NONE or set(answer.assignment) != set(target):
            self.target = (number + 1, answer.assignment)
        if self.taken != self.target:
            self.state = MemberState.RECONCILING
        elif self.state in (MemberState.RECONCILING, MemberState.JOINING):
            self.state = MemberState.STABLE

    def _refused(self, error: int) -> None:
        """``onErrorResponse``. To be fenced, and to have lost the coordinator, is no reason to wait."""
        if moved(error):
            self._coordinator.unknown()
            self._not_before_us = 0
        elif error in (ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID):
            self.state, self.epoch = MemberState.FENCED, JOIN_EPOCH
            self._not_before_us = 0
        elif error != ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            self.state, self.fenced, self.epoch = MemberState.FATAL, True, JOIN_EPOCH

    def _forget(self) -> None:
        """The next heartbeat says everything (``HeartbeatState.reset``)."""
        self._told, self._owned_told = False, None

    # --- commits ------------------------------------------------------------------------------------------------------
    def commit_refusal(self) -> int:
        """The client asks in any case: who is out of the group commits as nobody's member (``MemberInfo``)."""
        return 0

    def commit_answered(self, error: int, generation: int) -> int:
        """A commit that is refused changes nothing in the membership: the heartbeats will tell."""
        return ErrorCode.CLIENT_COMMIT_FAILED if error == ErrorCode.UNKNOWN_MEMBER_ID else error

    def fetches_as(self) -> tuple[str, int]:
        """Member id and epoch in an OffsetFetch."""
        return (self.member, self.epoch) if self.epoch > 0 else ("", -1)

    def deadlines(self) -> Iterator[int]:
        if self.state not in _OUT:
            yield self.poll_until_us
            if not self._beating:
                yield max(self._beat_due_us, self._not_before_us)
