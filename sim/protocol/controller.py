"""The active controller: sessions, fences, elections, in-sync sets, and the metadata that tells brokers of them.

Law: no broker that is fenced is in an in-sync set of more than one (``broker:INV-12``). Those of partitions stand in
``controller_partitions``, those of sessions in ``controller_brokers``.

The quorum behind it is not modelled: a decision is committed when it is made. That brokers learn late is
(``metadata_feed``), and so is the controller's move to another host: for the outage nothing is decided
(``broker:FAIL-4``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sim.protocol.controller_brokers import BrokerRegister, BrokerState, Registration
from sim.protocol.controller_partitions import PartitionBook
from sim.protocol.deadlines import Deadlines
from sim.protocol.election import Election
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    MetadataUpdate,
    PartitionState,
)
from sim.protocol.metadata_feed import MetadataFeed
from sim.protocol.port import Connection, Port
from sim.protocol.rows import Kind
from sim.protocol.settings import ControllerSettings, Rules, TopicSettings

__all__ = ["Controller", "TopicLike"]

_NEVER = 1 << 61
_NOBODY_ELIGIBLE = 83  # ELIGIBLE_LEADERS_NOT_AVAILABLE


@dataclass(frozen=True, slots=True)
class TopicLike:
    """What the controller needs of a topic; ``sim.plan.TopicPlan`` has the same attributes and more."""

    number: int
    partitions: tuple[int, ...]
    replicas: tuple[tuple[int, ...], ...]
    settings: TopicSettings


@dataclass(slots=True)
class _Sweep:
    """An election by the clock, over all partitions."""

    purpose: str  # of the draw of its phase
    act: Callable[[int], object]
    period_us: int
    wanted: Callable[[PartitionState], bool]  # a partition gives it something to do
    due: bool = False  # a timer of the present controller is set


class Controller:
    """The role of the controller host."""

    __slots__ = (
        "_deadlines", "_expiry_us", "_feed", "_fence_tick_us", "_held", "_outage_until_us", "_port", "_rules",
        "_settings", "_sweeps", "_term", "book", "brokers", "partitions", "topics",
    )  # fmt: skip

    def __init__(
        self, port: Port, settings: ControllerSettings, rules: Rules, topics: Sequence[TopicLike],
        brokers: Iterable[int],
    ) -> None:  # fmt: skip
        self._port, self._settings, self._rules = port, settings, rules
        self._deadlines = Deadlines(port)
        late = settings.voters > 1 and not rules.commit_ends_metadata_polls
        self._feed = MetadataFeed(port, self._deadlines, late)
        self._expiry_us = _NEVER  # when the next look at the sessions is due
        self._fence_tick_us = 0  # one of the times at which it looks for stale sessions
        self._term = 0  # of the active controller
        self._outage_until_us = -1
        self._sweeps = [
            _Sweep("unclean", self._lead_somehow, settings.unclean_election_interval_us, lambda state: state.leader < 0)
        ]
        if settings.auto_leader_rebalance:
            self._sweeps.insert(0, _Sweep(
                "preferred", self._rebalance, settings.leader_imbalance_check_us,
                lambda state: state.leader != state.replicas[0],
            ))  # fmt: skip
        # What came during an outage, with its connection: it waits for the end.
        self._held: deque[tuple[Connection | None, Callable[[int], object]]] = deque()
        self.brokers = BrokerRegister(settings.session_timeout_us, rules.session_outlives_fence)
        self.book = PartitionBook(port, rules, self.brokers)
        self.partitions = self.book.states
        self.topics: dict[int, tuple[int, ...]] = {}
        for broker in brokers:
            self.book.offset += 1
            self.brokers.by_id[broker] = Registration(
                broker, self.offset, 1, self.offset, BrokerState.UNFENCED, 0, self.offset
            )
        for topic in topics:
            self._create(topic)

    @property
    def offset(self) -> int:
        """Of the newest metadata record."""
        return self.book.offset

    @property
    def elr_on(self) -> bool:
        return self._rules.eligible_leader_replicas

    def _create(self, topic: TopicLike) -> None:
        """A topic of the settled cluster: every replica in sync, the first one leads."""
        self.topics[topic.number] = topic.partitions
        for number, replicas in zip(topic.partitions, topic.replicas, strict=True):
            self.book.create(PartitionState(number, replicas, replicas, replicas[0], 0, 0), topic.settings)

    # --- the host's calls ---------------------------------------------------------------------------------------------
    def settled_metadata(self) -> MetadataUpdate:
        """All metadata as it is now: what brokers adopt before they start, or are told when they come back."""
        return self._update(tuple(self.partitions.values()), dict(self.topics))

    def start(self, now_us: int) -> None:
        for known in self.brokers.by_id.values():
            known.last_contact_us, known.metadata_offset = now_us, self.offset
        for state in self.partitions.values():
            self.book.announce(state, -1)
        self._begin_sweeps(now_us, settled=True)
        self._fence_tick_us = now_us - (self._port.draw("fence") * self._fence_period_us >> 32)
        self._watch_sessions()

    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        if now_us < self._outage_until_us:
            self._held.append((conn, lambda then_us: self._handle(conn, message, then_us)))
        else:
            self._handle(conn, message, now_us)

    def on_connected(self, conn: Connection, now_us: int) -> None:
        """The controller opens no connection."""

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        """It tells nothing of the broker's life (broker:FAIL-1)."""
        self._feed.lost(conn)
        self._held = deque(held for held in self._held if held[0] is not conn)

    def on_alarm(self, now_us: int) -> None:
        self._deadlines.ring(now_us)

    # --- requests of brokers ------------------------------------------------------------------------------------------
    def _handle(self, conn: Connection, message: object, now_us: int) -> None:
        match message:
            case BrokerHeartbeatRequest():
                self._catch_up(conn, message.broker, message.metadata_offset, now_us)
                self._port.send(conn, self._heartbeat(message, now_us))
            case AlterPartitionRequest():
                self._port.send(conn, self._alter(message, now_us))
            case BrokerRegistrationRequest():
                self._port.send(conn, self._register(conn, message, now_us))
            case _:
                raise TypeError(f"the controller does not understand {message!r}")

    def _catch_up(self, conn: Connection, broker: int, has_offset: int, now_us: int) -> None:
        if self._feed.is_new(broker, conn) and has_offset < self.offset:
            self._feed.tell(broker, self.settled_metadata(), -1, now_us)

    def _register(
        self, conn: Connection, request: BrokerRegistrationRequest, now_us: int
    ) -> BrokerRegistrationResponse:
        """A new incarnation is refused while the old one has a session (broker:FAIL-6)."""
        broker, known = request.broker, self.brokers.by_id.get(request.broker)
        if known is not None and known.incarnation == request.incarnation:
            self._catch_up(conn, broker, -1, now_us)
            return BrokerRegistrationResponse(0, known.epoch)
        late = known is not None and request.incarnation < known.incarnation  # the word of a process that is dead
        if late or self.brokers.has_session(broker, now_us):
            return BrokerRegistrationResponse(ErrorCode.DUPLICATE_BROKER_REGISTRATION)
        changed: list[PartitionState] = []
        if known is not None:
            unclean, was_fenced = request.previous_epoch != known.epoch and self.elr_on, known.fenced
            known.state = BrokerState.FENCED
            cause = -1 if was_fenced else self._port.record(Kind.FENCE, n=broker)  # faster than the look at sessions
            if unclean or not was_fenced:
                changed = self.book.remove_member(broker, cause, unclean=unclean)
        self.book.offset += 1
        self.brokers.by_id[broker] = Registration(
            broker, self.offset, request.incarnation, self.offset, BrokerState.FENCED
        )
        self._publish(changed, -1, now_us, but=broker)
        self._catch_up(conn, broker, -1, now_us)
        return BrokerRegistrationResponse(0, self.brokers.by_id[broker].epoch)

    def _heartbeat(self, request: BrokerHeartbeatRequest, now_us: int) -> BrokerHeartbeatResponse:
        known = self.brokers.by_id.get(request.broker)
        if known is None:
            return BrokerHeartbeatResponse(ErrorCode.BROKER_ID_NOT_REGISTERED)
        if known.epoch != request.broker_epoch:
            return BrokerHeartbeatResponse(ErrorCode.STALE_BROKER_EPOCH)
        known.last_contact_us, known.metadata_offset = now_us, request.metadata_offset
        after = self.brokers.next_state(known, request, self._leads(request.broker))
        if after is not known.state:
            self._enter(known, after, now_us)
        self._watch_sessions()
        return BrokerHeartbeatResponse(0, known.fenced, known.state is BrokerState.SHUTDOWN_NOW)

    def _leads(self, broker: int) -> bool:
        return any(state.leader == broker for state in self.partitions.values())

    def _enter(self, known: Registration, after: BrokerState, now_us: int) -> None:
        """A heartbeat moved its sender to another state."""
        was_fenced, known.state = known.fenced, after
        if after is BrokerState.UNFENCED:
            cause = self._port.record(Kind.UNFENCE, n=known.broker)
            leaderless = [state for state in self.partitions.values() if state.leader < 0]
            changed = [new for s in leaderless for new in self.book.change(s, s.isr, cause)]
            self._publish(changed, cause, now_us)
        elif after is BrokerState.CONTROLLED_SHUTDOWN:
            self._leave(known.broker, -1, now_us)
            known.shutdown_offset = self.offset
        elif not was_fenced:
            self._leave(known.broker, self._port.record(Kind.FENCE, n=known.broker), now_us)

    def _leave(self, broker: int, cause: int, now_us: int) -> None:
        self._publish(self.book.remove_member(broker, cause), cause, now_us)

    # --- sessions -----------------------------------------------------------------------------------------------------
    @property
    def _fence_period_us(self) -> int:
        """Between two looks at the sessions (``QuorumController.maybeFenceStaleBrokerPeriodNs``)."""
        return max(1000, self._settings.session_timeout_us // 8)

    def _watch_sessions(self) -> None:
        """One timer for the session that ends first; heartbeats only make it look again. From 4.0 on the first look
        behind that end counts, of which there are eight a session."""
        expiry_us = self.brokers.next_expiry_us()
        if self._rules.periodic_controller_tasks and expiry_us < _NEVER:
            expiry_us += (self._fence_tick_us - expiry_us) % self._fence_period_us
        if expiry_us < self._expiry_us:
            self._expiry_us = expiry_us
            self._deadlines.at(expiry_us, self._expire)

    def _expire(self, now_us: int) -> None:
        """Fence brokers whose session has ended, one after another (broker:FAIL-2)."""
        self._expiry_us = _NEVER
        if now_us < self._outage_until_us:
            return  # the next controller begins with fresh sessions
        while (stale := self.brokers.first_stale(now_us)) is not None:
            stale.state = BrokerState.FENCED
            self._leave(stale.broker, self._port.record(Kind.FENCE, cause=-1, n=stale.broker), now_us)
        self._watch_sessions()

    # --- telling ------------------------------------------------------------------------------------------------------
    def _update(self, changed: tuple[PartitionState, ...], topics: dict[int, tuple[int, ...]]) -> MetadataUpdate:
        stopping = BrokerState.CONTROLLED_SHUTDOWN
        brokers = {b: (known.epoch, known.fenced, known.state is stopping) for b, known in self.brokers.by_id.items()}
        row_of = self.book.row_of
        rows = {state.partition: row_of[state.partition] for state in changed if state.partition in row_of}
        return MetadataUpdate(self.offset, changed, brokers, topics, rows)

    def _publish(
        self, changed: list[PartitionState], cause: int, now_us: int, *,
        but: int = -1, topics: dict[int, tuple[int, ...]] | None = None,
    ) -> None:  # fmt: skip
        """Tell every broker, also where only a broker's own state changed."""
        self.book.offset += 1
        if not self._rules.periodic_controller_tasks:
            self._set_wanted(now_us)
        self._feed.tell_all(self._update(tuple(changed), topics or {}), cause, now_us, but)

    # --- in-sync sets -------------------------------------------------------------------------------------------------
    def _alter(self, request: AlterPartitionRequest, now_us: int) -> AlterPartitionResponse:
        known = self.brokers.by_id.get(request.broker)
        if known is None or known.epoch != request.broker_epoch:
            return AlterPartitionResponse(ErrorCode.STALE_BROKER_EPOCH)
        answers: dict[int, tuple[int, PartitionState | None]] = {}
        changed: list[PartitionState] = []
        for number, (leader_epoch, partition_epoch, members) in request.partitions.items():
            error = self.book.objection(number, request.broker, leader_epoch, partition_epoch, members)
            if error:
                answers[number] = (error, None)
                continue
            state = replace(self.partitions[number], recovering=False)
            changed += self.book.change(state, tuple(broker for broker, _ in members), self._port.cause)
            answers[number] = (0, self.partitions[number])
        if changed:
            self._publish(changed, self._port.cause, now_us)
        return AlterPartitionResponse(0, answers)

    # --- elections on request or by the clock -------------------------------------------------------------------------
    def elect_preferred(self, now_us: int, topic: int | None = None) -> dict[int, int]:
        """Move every partition (of *topic*) to its preferred leader if that may lead; their errors (broker:FAIL-12)."""
        if self._in_outage(now_us, lambda then_us: self.elect_preferred(then_us, topic)):
            return {}
        wanted = self.partitions if topic is None else self.topics[topic]
        return self._elect([self.partitions[number] for number in wanted], Election.PREFERRED, now_us)

    def elect_unclean(self, now_us: int, partition: int) -> int:
        """Any live replica leads, whatever the topic's setting, if nobody does (broker:FAIL-13); Kafka's error code."""
        if self._in_outage(now_us, lambda then_us: self.elect_unclean(then_us, partition)):
            return ErrorCode.NOT_CONTROLLER
        return self._elect([self.partitions[partition]], Election.UNCLEAN, now_us)[partition]

    def _elect(self, states: list[PartitionState], rule: Election, now_us: int) -> dict[int, int]:
        errors: dict[int, int] = {}
        changed: list[PartitionState] = []
        missing = _NOBODY_ELIGIBLE if rule is Election.UNCLEAN else int(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)
        for state in states:
            settled = state.leader == state.replicas[0] if rule is Election.PREFERRED else state.leader >= 0
            if settled:
                errors[state.partition] = ErrorCode.ELECTION_NOT_NEEDED
                continue
            new = self.book.change(state, state.isr, self._port.cause, rule)
            errors[state.partition] = 0 if new else missing
            changed += new
        if changed:
            self._publish(changed, self._port.cause, now_us)
        return errors

    def _begin_sweeps(self, now_us: int, settled: bool = False) -> None:
        """A controller becomes active; *settled*: it did at some time before now."""
        for sweep in self._sweeps:
            sweep.due = False
            if self._rules.periodic_controller_tasks:
                ago_us = self._port.draw(sweep.purpose) * sweep.period_us >> 32 if settled else 0
                self._set(sweep, now_us + sweep.period_us - ago_us)
        if not self._rules.periodic_controller_tasks:
            self._set_wanted(now_us)

    def _set(self, sweep: _Sweep, due_us: int) -> None:
        """Let it be at *due_us*, and from 4.0 on at its intervals from there, unless another controller has taken over
        (``QuorumController.registerElectPreferred``, ``registerElectUnclean``)."""
        sweep.due, term = True, self._term

        def ring(now_us: int) -> None:
            if term != self._term:
                return
            sweep.due = False
            sweep.act(now_us)
            if self._rules.periodic_controller_tasks:
                self._set(sweep, now_us + sweep.period_us)
            else:
                self._set_wanted(now_us)

        self._deadlines.at(due_us, ring)

    def _set_wanted(self, now_us: int) -> None:
        """Before 4.0 a sweep is set an interval ahead as soon as there is something to do
        (``maybeScheduleNextBalancePartitionLeaders``, ``maybeScheduleNextElectUncleanLeaders``)."""
        for sweep in self._sweeps:
            if not sweep.due and any(sweep.wanted(state) for state in self.partitions.values()):
                self._set(sweep, now_us + sweep.period_us)

    def _rebalance(self, now_us: int) -> None:
        """The move back to preferred leaders (broker:TOP-9)."""
        self._elect(list(self.partitions.values()), Election.PREFERRED, now_us)

    def _lead_somehow(self, now_us: int) -> None:
        """Leaderless partitions whose topic allows it get an unclean leader (broker:FAIL-13)."""
        states = [s for s in self.partitions.values() if s.leader < 0 and self.book.rule_of(s) is Election.UNCLEAN]
        self._elect(states, Election.UNCLEAN, now_us)

    # --- changes from outside -----------------------------------------------------------------------------------------
    def add_partitions(
        self, now_us: int, topic: int, numbers: Sequence[int], replicas: Sequence[tuple[int, ...]]
    ) -> None:
        """More partitions; in sync are the assigned brokers that are active (broker:TOP-1)."""
        if self._in_outage(now_us, lambda then_us: self.add_partitions(then_us, topic, numbers, replicas)):
            return
        settings = self.book.settings_of[self.topics[topic][0]]
        self.topics[topic] = (*self.topics[topic], *numbers)
        cause = self._port.record(Kind.PARTITIONS, partition=numbers[0], n=len(self.topics[topic]))
        created = []
        for number, assigned in zip(numbers, replicas, strict=True):
            isr = tuple(broker for broker in assigned if self.brokers.active(broker))
            state = PartitionState(number, assigned, isr or assigned[:1], isr[0] if isr else -1, 0, 0)
            self.book.create(state, settings)
            self.book.announce(state, cause)
            created.append(state)
        self._publish(created, cause, now_us, topics={topic: self.topics[topic]})

    def fail_over(self, now_us: int, outage_us: int) -> None:
        """Another controller takes over after *outage_us*; until then nothing is decided or told (broker:FAIL-4)."""
        self._outage_until_us = max(self._outage_until_us, now_us + outage_us)
        self._term += 1
        for conn in self._feed.connections():
            self._feed.lost(conn)
            self._port.close(conn)
        self._deadlines.at(self._outage_until_us, self._take_over)

    def _in_outage(self, now_us: int, later: Callable[[int], object]) -> bool:
        if now_us < self._outage_until_us:
            self._held.append((None, later))
            return True
        return False

    def _take_over(self, now_us: int) -> None:
        if now_us < self._outage_until_us:
            return
        self.brokers.restart_sessions(now_us)
        self._fence_tick_us = now_us
        self._begin_sweeps(now_us)
        held, self._held = self._held, deque()
        for _, act in held:
            act(now_us)
        self._watch_sessions()
