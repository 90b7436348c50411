"""A Java consumer's membership in a classic group: join, sync, heartbeats, leaving (``AbstractCoordinator``).

The application's thread joins (:meth:`Membership.join`, only from a poll); the heartbeat thread is :meth:`tick`, which
runs whatever the application does. What the application has to do before and after (callbacks, commits) is the role's.

Laws: a join or a sync is under way once at a time; an answer that belongs to an earlier attempt or
generation changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum

from sim.protocol.client_network import Backoff
from sim.protocol.client_peers import Peer
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
from sim.protocol.member_assignment import ASSIGNORS, STICKY, Names, assign
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ReaderSettings

__all__ = ["CLOSED", "FENCED", "POLL_EXPIRED", "MemberState", "Membership"]

POLL_EXPIRED, CLOSED, FENCED = 1, 0, 2  # codes of Kind.LEFT rows
# Answers to a JoinGroup that poll() throws (``JoinGroupResponseHandler``).
_FATAL = (
    ErrorCode.FENCED_INSTANCE_ID, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, ErrorCode.INVALID_SESSION_TIMEOUT,
    ErrorCode.GROUP_MAX_SIZE_REACHED,
)  # fmt: skip
_EXPELLED = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION, ErrorCode.FENCED_INSTANCE_ID)
JOIN_GRACE_US = 5_000_000


class MemberState(Enum):
    """``AbstractCoordinator.MemberState``."""

    UNJOINED = "unjoined"
    PREPARING = "preparing rebalance"  # JoinGroup sent
    COMPLETING = "completing rebalance"  # SyncGroup sent
    STABLE = "stable"


def _topics(joined: JoinGroupResponse) -> tuple[int, ...]:
    """Of the whole group."""
    return tuple(dict.fromkeys(topic for one in joined.members for topic in one.subscription.topics))


class Membership:
    """``assignment``: what the last sync brought and the role has not taken up yet."""

    __slots__ = (
        "_beat_backoff", "_beat_due_us", "_coordinator", "_elected", "_failed_beats", "_group",
        "_join_within_us", "_metadata", "_names", "_not_before_us", "_owned", "_port", "_rejoin_backoff_us",
        "_remembered", "_session_until_us", "_settings", "_snapshot", "_topics", "_try", "_watch", "assignment",
        "fenced", "generation", "leads", "member", "poll_until_us", "rejoin_needed", "state",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, topics: tuple[int, ...], settings: MemberSettings, reader: ReaderSettings,
        coordinator: CoordinatorClient, metadata: Mapping[int, tuple[int, ...]], names: Names,
        owned: Callable[[], tuple[int, ...]], watch: Callable[[Iterable[int]], None],
    ) -> None:  # fmt: skip
        self._port, self._group, self._topics, self._settings = port, group, topics, settings
        self._coordinator, self._metadata, self._names = coordinator, metadata, names
        self._owned = owned  # partitions that the consumer has now
        self._watch = watch  # let metadata be of these topics beside one's own
        # A JoinGroup waits for the slowest member (``sendJoinGroupRequest``).
        self._join_within_us = max(reader.request_timeout_us, settings.max_poll_interval_us + JOIN_GRACE_US)
        self._rejoin_backoff_us = reader.retry_backoff_us
        self._beat_backoff = Backoff(reader.retry_backoff_us, reader.retry_backoff_max_us)
        self.state = MemberState.UNJOINED
        self.member, self.generation = "", -1
        self.rejoin_needed = True
        self.leads = self.fenced = False
        self.assignment: tuple[int, ...] | None = None
        self._remembered: tuple[tuple[int, ...], int] = ((), -1)  # last assignment, its generation (sticky assignors)
        self._snapshot: dict[int, int] = {}  # partitions by topic when this member assigned them
        self._elected: JoinGroupResponse | None = None  # made it leader; metadata of the group's topics is on its way
        self._try = 0  # number of the join attempt: answers to an older one are void
        self._failed_beats = 0  # heartbeats in a row
        self._not_before_us = 0
        self._beat_due_us = self._session_until_us = 0
        self.poll_until_us = 1 << 62  # max.poll.interval.ms after the last poll

    # --- joining, in a poll of the application ------------------------------------------------------------------------
    def joining(self) -> bool:
        return self.state in (MemberState.PREPARING, MemberState.COMPLETING)

    def topics_changed(self) -> bool:
        """The leader watches the partition counts (consumer:F6.6)."""
        return self.leads and any(len(self._metadata.get(topic, ())) != n for topic, n in self._snapshot.items())

    def join(self, now_us: int) -> None:
        """``initiateJoinGroup``: a JoinGroup, if the coordinator is there and no attempt is under way."""
        if self.joining() or now_us < self._not_before_us:
            return
        peer = self._coordinator.ready(now_us)
        if peer is None:
            return
        settings = self._settings
        self._watch(())  # only a leader looks after the others' topics (``resetGroupSubscription``)
        self.state = MemberState.PREPARING
        self.rejoin_needed = False  # another rebalance may be asked for while this one is under way
        self._try += 1
        attempt = self._try
        request = JoinGroupRequest(
            self._group, self.member, settings.instance, settings.client_id, settings.session_timeout_us,
            settings.max_poll_interval_us, tuple((name, self._says(name)) for name in settings.assignors),
        )  # fmt: skip
        self._coordinator.ask(
            peer, request, lambda answer, then_us: self._joined(attempt, answer, then_us), now_us, self._join_within_us
        )

    def _says(self, assignor: str) -> Subscription:
        """``ConsumerCoordinator.metadata``, with the user data of the sticky assignors."""
        partitions, generation = self._remembered
        owned = partitions if assignor == STICKY else self._owned()
        return Subscription(self._topics, owned, self.generation, generation)

    def _joined(self, attempt: int, answer: object | None, now_us: int) -> None:
        """``JoinGroupResponseHandler``."""
        if attempt != self._try or self.state is not MemberState.PREPARING:
            return
        if not isinstance(answer, JoinGroupResponse):
            self._try_again(now_us)
            return
        error = answer.error
        if not error:
            self.member, self.generation = answer.member, answer.generation
            self.state = MemberState.COMPLETING
            self._alive(now_us)
            self._sync(answer, now_us)
        elif error == ErrorCode.MEMBER_ID_REQUIRED:
            self.member = answer.member
            self._try_again(now_us, at_once=True)
        elif error == ErrorCode.UNKNOWN_MEMBER_ID:
            self._reset()
            self._try_again(now_us, at_once=True)
        elif error in _FATAL:
            self._fence()
        else:
            if moved(error):
                self._coordinator.unknown()
            self._try_again(now_us)

    def _try_again(self, now_us: int, at_once: bool = False) -> None:
        """The wait between two joins neither grows nor has jitter (``joinGroupIfNeeded``: ``retryBackoffMs``)."""
        self.state, self.rejoin_needed = MemberState.UNJOINED, True
        self._elected = None
        if not at_once:
            self._not_before_us = now_us + self._rejoin_backoff_us

    def _sync(self, joined: JoinGroupResponse, now_us: int) -> None:
        """As leader with the assignment of all (``onLeaderElected``), else without.

        The leader first sees to it that it knows every topic of the group (``updateGroupSubscription``); the answer
        that it waits for comes with a stimulus, and :meth:`tick` goes on. A static leader that comes back is given its
        old assignment, whatever it sends; that topics have grown meanwhile it does not see: its snapshot is of now.
        """
        self.leads = joined.leader == joined.member
        self._elected = None
        assignments: dict[str, tuple[int, ...]] = {}
        if self.leads:
            topics = _topics(joined)
            if any(topic not in self._metadata for topic in topics):
                self._elected = joined
                self._watch(topics)
                return
            self._watch(topics)
            known = {topic: self._metadata[topic] for topic in topics}
            self._snapshot = {topic: len(partitions) for topic, partitions in known.items()}
            assignments = assign(ASSIGNORS[joined.protocol], joined.members, known, self._names)
        peer = self._coordinator.ready(now_us)
        if peer is None:
            self._try_again(now_us)
            return
        attempt = self._try
        request = SyncGroupRequest(self._group, self.generation, self.member, self._settings.instance, assignments)
        self._coordinator.ask(peer, request, lambda answer, then_us: self._synced(attempt, answer, then_us), now_us)

    def _synced(self, attempt: int, answer: object | None, now_us: int) -> None:
        """``SyncGroupResponseHandler``."""
        if attempt != self._try or self.state is not MemberState.COMPLETING:
            return
        error = answer.error if isinstance(answer, SyncGroupResponse) else ErrorCode.COORDINATOR_NOT_AVAILABLE
        if isinstance(answer, SyncGroupResponse) and not error:
            self.state = MemberState.STABLE
            self.assignment = answer.partitions
            self._remembered = (answer.partitions, self.generation)
        elif error == ErrorCode.FENCED_INSTANCE_ID:
            self._fence()
        elif error == ErrorCode.REBALANCE_IN_PROGRESS:
            self._try_again(now_us, at_once=True)
        elif error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION):
            self._reset(keep_id=error == ErrorCode.ILLEGAL_GENERATION)
            self._try_again(now_us, at_once=True)
        else:
            if moved(error):
                self._coordinator.unknown()
            self._try_again(now_us)

    # --- the heartbeat thread -----------------------------------------------------------------------------------------
    def tick(self, now_us: int) -> None:
        """``HeartbeatThread.run``, while the member is in a generation, not while it waits to be let into the next.
        Who does not know the coordinator looks for it and does nothing else, so that nobody leaves for being late."""
        if self._elected is not None and all(topic in self._metadata for topic in _topics(self._elected)):
            self._sync(self._elected, now_us)
        if self.state not in (MemberState.COMPLETING, MemberState.STABLE):
            return
        coordinator = self._coordinator
        if coordinator.server >= 0 and now_us >= self._session_over_us():
            coordinator.unknown()  # it is silent: perhaps another broker took over
        peer = coordinator.ready(now_us)
        if coordinator.server < 0:
            return
        if now_us >= self.poll_until_us:
            self.leave(POLL_EXPIRED, now_us)
        elif peer is not None and now_us >= self._beat_due_us:
            self._beat(peer, now_us)

    def _session_over_us(self) -> int:
        """A coordinator has the whole session to answer from the time that it is found (``resetSessionTimeout``)."""
        return max(self._session_until_us, self._coordinator.found_us + self._settings.session_timeout_us)

    def _beat(self, peer: Peer, now_us: int) -> None:
        """By the timer alone: one that is not answered yet holds nothing back (``Heartbeat.shouldHeartbeat``)."""
        self._beat_due_us = now_us + self._settings.heartbeat_interval_us
        generation = self.generation
        request = HeartbeatRequest(self._group, generation, self.member, self._settings.instance)
        self._coordinator.ask(peer, request, lambda answer, then_us: self._beaten(generation, answer, then_us), now_us)

    def _beaten(self, generation: int, answer: object | None, now_us: int) -> None:
        """``HeartbeatResponseHandler``; what is said of a generation that is over counts as an answer."""
        error = answer.error if isinstance(answer, HeartbeatResponse) else ErrorCode.NETWORK_EXCEPTION
        out = error in _EXPELLED and generation == self.generation
        if moved(error):
            self._coordinator.unknown()
        if moved(error) or error == ErrorCode.NETWORK_EXCEPTION or out:
            self._beat_failed(now_us)
        else:
            self._session_until_us = now_us + self._settings.session_timeout_us
            self._failed_beats = 0
        if out:
            self.expelled(error)
        elif error == ErrorCode.REBALANCE_IN_PROGRESS and self.state is MemberState.STABLE:
            self.rejoin_needed = True

    def _beat_failed(self, now_us: int) -> None:
        """The next one is due after a back-off that grows (``Heartbeat.failHeartbeat``)."""
        self._failed_beats += 1
        draw = self._port.draw("member-heartbeat")
        self._beat_due_us = now_us + self._beat_backoff.delay_us(self._failed_beats, draw)

    def expelled(self, error: int) -> None:
        """The coordinator does not know the member, or not in this generation (``resetStateOnResponseError``)."""
        if error == ErrorCode.FENCED_INSTANCE_ID:
            self._fence()
            return
        self._reset(keep_id=error == ErrorCode.ILLEGAL_GENERATION)
        self.state, self.rejoin_needed = MemberState.UNJOINED, True

    # --- commits ------------------------------------------------------------------------------------------------------
    def commit_refusal(self) -> int:
        """What the client itself says of a commit, without asking (consumer:F3.10)."""
        if self.state is MemberState.STABLE:
            return 0
        return ErrorCode.REBALANCE_IN_PROGRESS if self.joining() else ErrorCode.CLIENT_COMMIT_FAILED

    def commit_answered(self, error: int, generation: int) -> int:
        """A commit of *generation* was refused: take note of it; the error as the application sees it."""
        if generation == self.generation and self.state is MemberState.STABLE:
            if error == ErrorCode.REBALANCE_IN_PROGRESS:
                self.rejoin_needed = True
            elif error in _EXPELLED:
                self.expelled(error)
        gone = error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION)
        return ErrorCode.CLIENT_COMMIT_FAILED if gone else error

    def fetches_as(self) -> tuple[str, int]:
        """Member id and generation in an OffsetFetch: none."""
        return "", -1

    def leave(self, why: int, now_us: int) -> None:
        """``maybeLeaveGroup``: a static member says nothing (consumer:F3.32)."""
        peer = self._coordinator.ready(now_us)
        if peer is not None and self.member and not self._settings.instance:
            request = LeaveGroupRequest(self._group, self.member, self._settings.instance)
            self._coordinator.ask(peer, request, lambda answer, then_us: None, now_us)
        self._port.record(Kind.LEFT, epoch=self.generation, code=why)
        self._reset()
        self.state, self.rejoin_needed = MemberState.UNJOINED, True

    def _alive(self, now_us: int) -> None:
        """``Heartbeat.resetTimeouts``."""
        self._beat_due_us = now_us + self._settings.heartbeat_interval_us
        self._session_until_us = now_us + self._settings.session_timeout_us

    def _reset(self, keep_id: bool = False) -> None:
        self.generation, self.leads = -1, False
        self.assignment = self._elected = None
        if not keep_id:
            self.member = ""
        self._try += 1

    def _fence(self) -> None:
        """An exception for the application: another process has taken the instance id (consumer:F3.30), or the group
        takes no such member."""
        self._reset()
        self.state, self.fenced = MemberState.UNJOINED, True

    def deadlines(self) -> Iterator[int]:
        if self.state in (MemberState.COMPLETING, MemberState.STABLE):
            yield self._session_over_us()
            yield self.poll_until_us
            yield self._beat_due_us
        elif self.rejoin_needed:
            yield self._not_before_us
