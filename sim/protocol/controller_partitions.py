"""The controller's record of every partition: how it changes, and the objections to a change that is asked for.

Laws: a leader is in the in-sync set (``broker:INV-1``); leader and partition epochs never fall (``broker:INV-16``); a
change of an in-sync set is taken only from the leader of the present epochs (``broker:REP-27``).
"""

from __future__ import annotations

from sim.protocol.controller_brokers import BrokerRegister
from sim.protocol.election import Election, change
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import PartitionState
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import Rules, TopicSettings

__all__ = ["PartitionBook"]


class PartitionBook:
    """All partitions as last decided. ``offset`` is that of the newest metadata record."""

    __slots__ = (
        "_brokers", "_last_known", "_port", "_rules", "history", "offset", "row_of", "settings_of", "states", "unclean",
    )  # fmt: skip

    def __init__(self, port: Port, rules: Rules, brokers: BrokerRegister) -> None:
        self._port, self._rules, self._brokers = port, rules, brokers
        self.offset = 0
        self.states: dict[int, PartitionState] = {}
        self.settings_of: dict[int, TopicSettings] = {}
        self.history: dict[int, list[tuple[int, PartitionState]]] = {}  # of each partition: (metadata offset, state)
        self.unclean: dict[int, int] = {}  # partition -> how many unclean elections it has had
        self.row_of: dict[int, int] = {}  # partition -> trace row of its newest election
        self._last_known: dict[int, int] = {}  # partition -> its last leader, once its in-sync set is empty

    # --- what is allowed ----------------------------------------------------------------------------------------------
    def rule_of(self, state: PartitionState) -> Election:
        allowed = self.settings_of[state.partition].unclean_leader_election
        return Election.UNCLEAN if allowed else Election.ONLINE

    def min_isr(self, state: PartitionState) -> int:
        """Never more than there are replicas (broker:SC-52)."""
        return min(self.settings_of[state.partition].min_insync_replicas, len(state.replicas))

    def objection(
        self, number: int, sender: int, leader_epoch: int, partition_epoch: int, members: tuple[tuple[int, int], ...]
    ) -> int:
        """The first check that a proposed in-sync set fails, in Kafka's order (broker:REP-27)."""
        state = self.states.get(number)
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
        return self._bad_members(state, members)

    def _bad_members(self, state: PartitionState, members: tuple[tuple[int, int], ...]) -> int:
        isr = [broker for broker, _ in members]
        if state.leader not in isr or any(broker not in state.replicas for broker in isr):
            return ErrorCode.INVALID_REQUEST
        for broker, epoch in members:
            known = self._brokers.by_id.get(broker)
            if known is None or not known.active or epoch not in (-1, known.epoch):
                return ErrorCode.INELIGIBLE_REPLICA
        return 0

    # --- changes ------------------------------------------------------------------------------------------------------
    def create(self, state: PartitionState, settings: TopicSettings) -> None:
        self.settings_of[state.partition] = settings
        self._keep(state)

    def announce(self, state: PartitionState, cause: int) -> None:
        """The rows of a partition that is new to the trace."""
        self._record_isr(state, self._record_leader(state, cause, unclean=False))

    def change(
        self, state: PartitionState, isr: tuple[int, ...], cause: int, rule: Election | None = None, *,
        without: int = -1, unclean: tuple[int, ...] = (),
    ) -> list[PartitionState]:  # fmt: skip
        """Decide and keep the partition's next state; an empty list if nothing changes."""
        number, rule = state.partition, rule or self.rule_of(state)
        new, by_force = change(
            rule, state, isr, lambda broker: broker != without and self._brokers.active(broker),
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
            forced = by_force and rule is Election.UNCLEAN
            if forced:
                self.unclean[number] = self.unclean.get(number, 0) + 1
            cause = self._record_leader(new, cause, unclean=forced)
        if new.isr != state.isr:
            self._record_isr(new, cause)
        return [new]

    def remove_member(self, broker: int, cause: int, *, unclean: bool = False) -> list[PartitionState]:
        """The broker leaves every in-sync set, and leads nothing more (broker:FAIL-3).

        *unclean*: it came back without a clean shutdown, so it may lack what it had and is not eligible (FAIL-27).
        """
        changed = []
        for state in list(self.states.values()):
            if broker in state.isr or (unclean and broker in state.elr):
                isr = tuple(member for member in state.isr if member != broker)
                changed += self.change(state, isr, cause, without=broker, unclean=(broker,) if unclean else ())
        return changed

    def _keep(self, state: PartitionState) -> None:
        self.offset += 1
        self.states[state.partition] = state
        self.history.setdefault(state.partition, []).append((self.offset, state))

    # --- rows ---------------------------------------------------------------------------------------------------------
    def _record_leader(self, state: PartitionState, cause: int, *, unclean: bool) -> int:
        row = self.row_of[state.partition] = self._port.record(
            Kind.LEADER, cause=cause, partition=state.partition, n=state.leader, lep=state.leader_epoch,
            code=int(unclean),
        )  # fmt: skip
        return row

    def _record_isr(self, state: PartitionState, cause: int) -> None:
        self._port.record(
            Kind.ISR, cause=cause, partition=state.partition, lep=state.leader_epoch,
            n=sum(1 << broker for broker in state.isr), offset=state.partition_epoch,
        )  # fmt: skip
