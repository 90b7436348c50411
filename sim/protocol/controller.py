"""The active controller: sessions, fences, elections, in-sync sets, and the metadata that tells brokers of them.

Laws: a leader is in the in-sync set (``broker:INV-1``); leader and partition epochs never fall (``broker:INV-16``); no broker that
is fenced is in an in-sync set of more than one (``broker:INV-12``); a change of an in-sync set is taken only from the leader of
the present epochs (``broker:REP-27``).

The quorum behind it is not modelled: a decision is committed when it is made. That brokers learn late is
(``metadata_feed``), and so is the controller's move to another host: for the outage nothing is decided (``broker:FAIL-4``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sim.protocol.controller_brokers import BrokerRegister, BrokerState, Registration
from sim.protocol.deadlines import Deadlines
from sim.protocol.election import Election, change
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
_ELIGIBLE_LEADERS_NOT_AVAILABLE = 83


@dataclass(frozen=True, slots=True)
class TopicLike:
    """What the controller needs of a topic; ``sim.plan.TopicPlan`` has the same attributes and more."""

    number: int
    partitions: tuple[int, ...]
    replicas: tuple[tuple[int, ...], ...]
    settings: TopicSettings


class Controller:
    """The role of the controller host."""

    __slots__ = (
        "_deadlines", "_expiry_us", "_feed", "_held", "_last_known", "_outage_until_us", "_port", "_row_of", "_rules",
        "_settings", "_settings_of", "brokers", "history", "offset", "partitions", "topics",
    )  # fmt: skip

    def __init__(
        self, port: Port, settings: ControllerSettings, rules: Rules, topics: Sequence[TopicLike], brokers: Iterable[int]
    ) -> None:
        self._port, self._settings, self._rules = port, settings, rules
        self._deadlines = Deadlines(port)
        self._feed = MetadataFeed(port, self._deadlines, settings.voters)
        self._expiry_us = _NEVER  # when the next look at the sessions is due
        self._outage_until_us = -1
        self._held: deque[tuple[Connection | None, Callable[[int], object]]] = deque()  # what waits for the outage's end
        self._last_known: dict[int, int] = {}  # partition -> its last leader, once its in-sync set is empty
        self._row_of: dict[int, int] = {}  # partition -> trace row of its newest decision
        self.topics: dict[int, tuple[int, ...]] = {}
        self._settings_of: dict[int, TopicSettings] = {}
        self.partitions: dict[int, PartitionState] = {}
        self.history: dict[int, list[tuple[int, PartitionState]]] = {}  # of each partition: (metadata offset, state)
        self.brokers = BrokerRegister(settings.session_timeout_us)
        self.offset = 0  # of the newest metadata record
        for broker in brokers:
            self.offset += 1
            self.brokers.by_id[broker] = Registration(
                broker, self.offset, 1, self.offset, BrokerState.UNFENCED, 0, self.offset
            )
        for topic in topics:
            self._create(topic)

    def _create(self, topic: TopicLike) -> None:
        """A topic of the settled cluster: every replica in sync, the first one leads."""
        self.topics[topic.number] = topic.partitions
        for number, replicas in zip(topic.partitions, topic.replicas, strict=True):
            self.offset += 1
            state = PartitionState(number, replicas, replicas, replicas[0], 0, 0)
            self.partitions[number] = state
            self.history[number] = [(self.offset, state)]
            self._settings_of[number] = topic.settings

    # --- the host's calls ---------------------------------------------------------------------------------------------
    def settled_metadata(self) -> MetadataUpdate:
        """All metadata as it is now: what brokers adopt before they start, or are told when they come back."""
        return self._update(tuple(self.partitions.values()), dict(self.topics))

    def start(self, now_us: int) -> None:
        for known in self.brokers.by_id.values():
            known.last_contact_us, known.metadata_offset = now_us, self.offset
        for state in self.partitions.values():
            self._record_leader(state, -1, unclean=False)
            self._record_isr(state, -1)
        if self._settings.auto_leader_rebalance:
            self._deadlines.at(now_us + self._settings.leader_imbalance_check_us, self._rebalance)
        self._deadlines.at(now_us + self._settings.unclean_election_interval_us, self._sweep)
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
                self._feed.is_new(message.broker, conn)
                self._port.send(conn, self._alter(message, now_us))
            case BrokerRegistrationRequest():
                self._feed.is_new(message.broker, conn)
                self._port.send(conn, self._register(message, now_us))
            case _:
                raise TypeError(f"the controller does not understand {message!r}")

    def _catch_up(self, conn: Connection, broker: int, has_offset: int, now_us: int) -> None:
        if self._feed.is_new(broker, conn) and has_offset < self.offset:
            self._feed.tell(broker, self.settled_metadata(), -1, now_us)

    def _register(self, request: BrokerRegistrationRequest, now_us: int) -> BrokerRegistrationResponse:
        """A new incarnation is refused while the old one has a session (broker:FAIL-6)."""
        broker, known = request.broker, self.brokers.by_id.get(request.broker)
        if known is not None and known.incarnation == request.incarnation:
            self._feed.tell(broker, self.settled_metadata(), -1, now_us)
            return BrokerRegistrationResponse(0, known.epoch)
        if self.brokers.has_session(broker, now_us):
            return BrokerRegistrationResponse(ErrorCode.DUPLICATE_BROKER_REGISTRATION)
        changed: list[PartitionState] = []
        if known is not None and request.previous_epoch != known.epoch and self._rules.eligible_leader_replicas:
            changed = self._unclean_restart(broker, now_us)
        self.offset += 1
        self.brokers.by_id[broker] = Registration(
            broker, self.offset, request.incarnation, self.offset, BrokerState.FENCED, now_us
        )
        self._publish(changed, -1, now_us, but=broker)
        self._feed.tell(broker, self.settled_metadata(), -1, now_us)
        return BrokerRegistrationResponse(0, self.brokers.by_id[broker].epoch)

    def _unclean_restart(self, broker: int, now_us: int) -> list[PartitionState]:
        """Who came back without a clean shutdown may lack what it had: it is no longer eligible (broker:FAIL-27)."""
        changed = []
        for state in list(self.partitions.values()):
            if broker in state.isr or broker in state.elr:
                isr = tuple(member for member in state.isr if member != broker)
                changed += self._change(state, isr, -1, self._rule_of(state), without=broker, unclean=(broker,))
        return changed

    def _heartbeat(self, request: BrokerHeartbeatRequest, now_us: int) -> BrokerHeartbeatResponse:
        known = self.brokers.by_id.get(request.broker)
        if known is None:
            return BrokerHeartbeatResponse(ErrorCode.BROKER_ID_NOT_REGISTERED)
        if known.epoch != request.broker_epoch:
            return BrokerHeartbeatResponse(ErrorCode.STALE_BROKER_EPOCH)
        known.last_contact_us, known.metadata_offset = now_us, request.metadata_offset
        leads = any(state.leader == known.broker for state in self.partitions.values()) if request.want_shut_down else False
        after = self.brokers.next_state(known, request, leads)
        if after is not known.state:
            self._enter(known, after, now_us)
        self._watch_sessions()
        return BrokerHeartbeatResponse(0, known.fenced, known.state is BrokerState.SHUTDOWN_NOW)

    def _enter(self, known: Registration, after: BrokerState, now_us: int) -> None:
        """A heartbeat moved its sender to another state."""
        was_fenced, known.state = known.fenced, after
        if after is BrokerState.UNFENCED:
            cause = self._port.record(Kind.UNFENCE, n=known.broker)
            leaderless = [state for state in self.partitions.values() if state.leader < 0]
            changed = [new for s in leaderless for new in self._change(s, s.isr, cause, self._rule_of(s))]
            self._publish(changed, cause, now_us)
        elif after is BrokerState.CONTROLLED_SHUTDOWN:
            self._leave(known.broker, -1, now_us)
            known.shutdown_offset = self.offset
        elif not was_fenced:
            self._leave(known.broker, self._port.record(Kind.FENCE, n=known.broker), now_us)

    def _leave(self, broker: int, cause: int, now_us: int) -> None:
        """Out of every in-sync set; what it led is led by others, or by none (broker:FAIL-3)."""
        changed = []
        for state in list(self.partitions.values()):
            if broker in state.isr:
                isr = tuple(member for member in state.isr if member != broker)
                changed += self._change(state, isr, cause, self._rule_of(state), without=broker)
        self._publish(changed, cause, now_us)

    # --- sessions -----------------------------------------------------------------------------------------------------
    def _watch_sessions(self) -> None:
        """One timer for the session that ends first; heartbeats only make it look again."""
        expiry_us = self.brokers.next_expiry_us()
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

    # --- decisions ----------------------------------------------------------------------------------------------------
    def _rule_of(self, state: PartitionState) -> Election:
        allowed = self._settings_of[state.partition].unclean_leader_election
        return Election.UNCLEAN if allowed else Election.ONLINE

    def min_isr(self, state: PartitionState) -> int:
        """Never more than there are replicas (broker:SC-52)."""
        return min(self._settings_of[state.partition].min_insync_replicas, len(state.replicas))

    def _change(
        self, state: PartitionState, isr: tuple[int, ...], cause: int, rule: Election, *,
        without: int = -1, unclean: tuple[int, ...] = (),
    ) -> list[PartitionState]:  # fmt: skip
        """Decide and keep the partition's next state; an empty list if nothing changes."""
        number = state.partition
        new, by_force = change(
            rule, state, isr, lambda broker: broker != without and self.brokers.active(broker),
            elr_on=self._rules.eligible_leader_replicas, min_isr=self.min_isr(state), unclean=unclean,
            last_known=self._last_known.get(number, -1),
        )  # fmt: skip
        if new is state:
            return []
        if not new.isr and state.leader >= 0:
            self._last_known[number] = state.leader
        elif new.isr:
            self._last_known.pop(number, None)
        self._keep(new)
        if new.leader_epoch != state.leader_epoch:
            cause = self._record_leader(new, cause, unclean=by_force and rule is Election.UNCLEAN)
        if new.isr != state.isr:
            self._record_isr(new, cause)
        return [new]

    def _keep(self, state: PartitionState) -> None:
        self.offset += 1
        self.partitions[state.partition] = state
        self.history.setdefault(state.partition, []).append((self.offset, state))

    def _record_leader(self, state: PartitionState, cause: int, *, unclean: bool) -> int:
        row = self._row_of[state.partition] = self._port.record(
            Kind.LEADER, cause=cause, partition=state.partition, n=state.leader, lep=state.leader_epoch, code=int(unclean)
        )
        return row

    def _record_isr(self, state: PartitionState, cause: int) -> None:
        members = sum(1 << broker for broker in state.isr)
        self._port.record(
            Kind.ISR, cause=cause, partition=state.partition, lep=state.leader_epoch, n=members, offset=state.partition_epoch
        )

    # --- telling ------------------------------------------------------------------------------------------------------
    def _update(self, changed: tuple[PartitionState, ...], topics: dict[int, tuple[int, ...]]) -> MetadataUpdate:
        stopping = BrokerState.CONTROLLED_SHUTDOWN
        brokers = {b: (known.epoch, known.fenced, known.state is stopping) for b, known in self.brokers.by_id.items()}
        rows = {state.partition: self._row_of[state.partition] for state in changed if state.partition in self._row_of}
        return MetadataUpdate(self.offset, changed, brokers, topics, rows)

    def _publish(
        self, changed: list[PartitionState], cause: int, now_us: int, *,
        but: int = -1, topics: dict[int, tuple[int, ...]] | None = None,
    ) -> None:  # fmt: skip
        """Tell every broker, also where only a broker's own state changed."""
        self.offset += 1
        self._feed.tell_all(self._update(tuple(changed), topics or {}), cause, now_us, but)

    # --- in-sync sets -------------------------------------------------------------------------------------------------
    def _alter(self, request: AlterPartitionRequest, now_us: int) -> AlterPartitionResponse:
        known = self.brokers.by_id.get(request.broker)
        if known is None or known.epoch != request.broker_epoch:
            return AlterPartitionResponse(ErrorCode.STALE_BROKER_EPOCH)
        answers: dict[int, tuple[int, PartitionState | None]] = {}
        changed: list[PartitionState] = []
        for number, (leader_epoch, partition_epoch, members) in request.partitions.items():
            state = self.partitions.get(number)
            error = self._objection(state, request.broker, leader_epoch, partition_epoch, members)
            if state is None or error:
                answers[number] = (error, None)
                continue
            isr = tuple(broker for broker, _ in members)
            changed += self._change(replace(state, recovering=False), isr, self._port.cause, self._rule_of(state))
            answers[number] = (0, self.partitions[number])
        if changed:
            self._publish(changed, self._port.cause, now_us)
        return AlterPartitionResponse(0, answers)

    def _objection(
        self, state: PartitionState | None, sender: int, leader_epoch: int, partition_epoch: int,
        members: tuple[tuple[int, int], ...],
    ) -> int:  # fmt: skip
        """The first check that fails, in Kafka's order (broker:REP-27)."""
        if state is None:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if leader_epoch > state.leader_epoch or partition_epoch > state.partition_epoch:
            return ErrorCode.NOT_CONTROLLER
        if leader_epoch < state.leader_epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        if sender != state.leader:
            return ErrorCode.INVALID_REQUEST
        if partition_epoch < state.partition_epoch:
            return ErrorCode.INVALID_UPDATE_VERSION
        isr = [broker for broker, _ in members]
        if state.leader not in isr or any(broker not in state.replicas for broker in isr):
            return ErrorCode.INVALID_REQUEST
        for broker, epoch in members:
            known = self.brokers.by_id.get(broker)
            if known is None or not known.active or epoch not in (-1, known.epoch):
                return ErrorCode.INELIGIBLE_REPLICA
        return 0

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
        for state in states:
            settled = state.leader == state.replicas[0] if rule is Election.PREFERRED else state.leader >= 0
            if settled:
                errors[state.partition] = ErrorCode.ELECTION_NOT_NEEDED
                continue
            new = self._change(state, state.isr, self._port.cause, rule)
            missing = (
                ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
                if rule is Election.PREFERRED
                else _ELIGIBLE_LEADERS_NOT_AVAILABLE
            )
            errors[state.partition] = 0 if new else missing
            changed += new
        if changed:
            self._publish(changed, self._port.cause, now_us)
        return errors

    def _rebalance(self, now_us: int) -> None:
        """The periodic move back to preferred leaders (broker:TOP-9)."""
        if now_us >= self._outage_until_us:
            self._elect(list(self.partitions.values()), Election.PREFERRED, now_us)
        self._deadlines.at(now_us + self._settings.leader_imbalance_check_us, self._rebalance)

    def _sweep(self, now_us: int) -> None:
        """Leaderless partitions whose topic allows it get an unclean leader (broker:FAIL-13)."""
        if now_us >= self._outage_until_us:
            states = [s for s in self.partitions.values() if s.leader < 0 and self._rule_of(s) is Election.UNCLEAN]
            self._elect(states, Election.UNCLEAN, now_us)
        self._deadlines.at(now_us + self._settings.unclean_election_interval_us, self._sweep)

    # --- changes from outside -----------------------------------------------------------------------------------------
    def add_partitions(
        self, now_us: int, topic: int, numbers: Sequence[int], replicas: Sequence[tuple[int, ...]]
    ) -> None:
        """More partitions; in sync are the assigned brokers that are active (broker:TOP-1)."""
        if self._in_outage(now_us, lambda then_us: self.add_partitions(then_us, topic, numbers, replicas)):
            return
        settings = self._settings_of[self.topics[topic][0]]
        self.topics[topic] = (*self.topics[topic], *numbers)
        cause = self._port.record(Kind.PARTITIONS, partition=numbers[0], n=len(self.topics[topic]))
        created = []
        for number, assigned in zip(numbers, replicas, strict=True):
            isr = tuple(broker for broker in assigned if self.brokers.active(broker))
            state = PartitionState(number, assigned, isr or assigned[:1], isr[0] if isr else -1, 0, 0)
            self._settings_of[number] = settings
            self._keep(state)
            self._record_isr(state, self._record_leader(state, cause, unclean=False))
            created.append(state)
        self._publish(created, cause, now_us, topics={topic: self.topics[topic]})

    def fail_over(self, now_us: int, outage_us: int) -> None:
        """Another controller takes over after *outage_us*; until then nothing is decided or told (broker:FAIL-4)."""
        self._outage_until_us = max(self._outage_until_us, now_us + outage_us)
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
        held, self._held = self._held, deque()
        for _, act in held:
            act(now_us)
        self._watch_sessions()
