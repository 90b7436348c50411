"""Laws of brokers and controller, checked while a run goes on: what must hold whatever the configuration.

A breach raises :class:`LawBroken`: the fault is the simulator's. Numbers are the reference's (``broker:INV-1`` ff.).

- INV-1, 3, 4, 7, 12 to 16, 20 e, f and APP-29: always, after every event.
- INV-2, 5, 6, 8, 9, 18: until the partition has an unclean election, or a replica restarts with part of its log lost.
- INV-10, 20 a: the same, of records that brokers reported as committed: :meth:`Laws.acknowledged`.
- INV-17: at the end of a run that has settled.

Laws of one log and of a whole trace (INV-20 b, c, APP-10, APP-29) stand in :mod:`sim.log_laws`.

``check`` looks at what has changed since it was called last; a prefix that was compared once is not compared again,
because a log that changes below its high watermark moves that mark. ``finish`` reads whole logs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping

from sim.errors import LawBroken
from sim.log_laws import Content, check_newest_sequence, check_producers, check_sequences, content
from sim.protocol.broker import Broker
from sim.protocol.controller import Controller
from sim.protocol.messages import PartitionState
from sim.protocol.replication import Follower, Partition

__all__ = ["Laws"]


class _Seen:
    """One replica as it was at the last look."""

    __slots__ = ("end", "high_watermark", "leader_epoch", "leading", "partition_epoch", "part", "positions")

    def __init__(self, part: Partition) -> None:
        self.part = part
        self.end = self.high_watermark = self.leader_epoch = self.partition_epoch = -1
        self.leading = False
        self.positions: tuple[int, ...] = ()  # of its followers, where it leads


class _Committed:
    """What has been below a leader's high watermark: the longest such prefix, from ``start`` on."""

    __slots__ = ("content", "damaged", "end", "start")

    def __init__(self) -> None:
        self.content: Content = []
        self.start = self.end = 0
        self.damaged = False  # by an unclean election, or a restart that lost data: results from here on, no laws

    def between(self, low: int, high: int) -> Content:
        return self.content[bisect_left(self.content, (low,)) : bisect_left(self.content, (high,))]

    def holds(self, offset: int, prod: int, lo: int, hi: int) -> bool:
        """Whether records lo..hi of *prod* stand in one batch, the first of them at *offset*."""
        i = bisect_left(self.content, (offset + 1,)) - 1
        if i < 0:
            return False
        base, _, there, first, last = self.content[i]
        return there == prod and first + offset - base == lo and hi <= last


def _positions(part: Partition) -> tuple[int, ...]:
    return tuple([view.end for view in part.views])


class Laws:
    """The laws over one run."""

    def __init__(self) -> None:
        self._replicas: dict[int, dict[int, _Seen]] = {}  # by broker and partition
        self._committed: dict[int, _Committed] = {}
        self._brokers: dict[int, Broker] = {}
        self._applied: dict[int, int] = {}
        self._offset = -1
        self._states: dict[int, PartitionState] = {}
        self._unclean: dict[int, int] = {}

    # --- after an event -----------------------------------------------------------------------------------------------
    def check(
        self, brokers: Mapping[int, Broker], controller: Controller, acted: Collection[int] | None = None
    ) -> None:
        """Raise if a law does not hold now. *brokers*: those that are up; *acted*: only these of them may have changed
        since the last look (None: any)."""
        changed: list[tuple[int, Partition]] = []
        heard: list[int] = []  # partitions of which a leader knows more, or less, of its followers
        for number in brokers if acted is None else acted:
            broker = brokers.get(number)
            if broker is None:
                continue  # it is down, or no broker
            if self._brokers.get(number) is not broker:
                self._restarted(number, broker)
            replicas = self._replicas[number]
            for part in broker.state.partitions.values():
                seen = replicas.get(part.number)
                if seen is None or self._differs(seen, part):
                    changed.append((number, part))
                elif part.leading and seen.positions != (positions := _positions(part)):
                    seen.positions = positions
                    heard.append(part.number)
            if broker.state.applied != self._applied.get(number):
                self._metadata_applied(number, broker, controller)
        moved = controller.offset != self._offset
        if moved:
            self._decided(brokers, controller)
        elif not changed and not heard:
            return
        for number, part in changed:
            self._replica_changed(number, part, brokers[number])
        touched = sorted({part.number for _, part in changed})
        for partition in touched if not moved else list(controller.partitions):
            self._across(partition, brokers, controller)
        for partition in sorted({*touched, *heard}):
            self._positions_held(partition, brokers)
        for number, part in changed:
            self._fetch_position(part, brokers[number], f"partition {part.number} on broker {number}")

    @staticmethod
    def _differs(seen: _Seen, part: Partition) -> bool:
        log = part.log
        return (
            seen.end != log.end
            or seen.high_watermark != log.high_watermark
            or seen.partition_epoch != part.partition_epoch
            or seen.leader_epoch != part.leader_epoch
            or seen.part is not part
        )

    def _restarted(self, number: int, broker: Broker) -> None:
        self._brokers[number] = broker
        self._applied.pop(number, None)
        self._replicas[number] = {}
        for partition in broker.lost():
            self._of(partition).damaged = True

    def _of(self, partition: int) -> _Committed:
        known = self._committed.get(partition)
        if known is None:
            known = self._committed[partition] = _Committed()
        return known

    # --- one replica --------------------------------------------------------------------------------------------------
    def _replica_changed(self, number: int, part: Partition, broker: Broker) -> None:
        log, name, replicas = part.log, f"partition {part.number} on broker {number}", self._replicas[number]
        seen = replicas.get(part.number)
        if seen is None or seen.part is not part:
            seen = replicas[part.number] = _Seen(part)
        if not log.start <= log.high_watermark <= log.end:
            raise LawBroken("INV-20f", f"{name}: {log.start} <= {log.high_watermark} <= {log.end} does not hold")
        if part.leader_epoch < seen.leader_epoch or part.partition_epoch < seen.partition_epoch:
            raise LawBroken("INV-16", f"{name}: an epoch fell to {part.leader_epoch}/{part.partition_epoch}")
        same_term = part.leading and seen.leading and part.leader_epoch == seen.leader_epoch
        if same_term and (log.end < seen.end or log.high_watermark < seen.high_watermark):
            raise LawBroken("INV-20e", f"{name}: a leader went from {seen.end} to {log.end} within an epoch")
        self._fetcher_shape(part, broker, name)
        self._marks(part, max(0, min(seen.high_watermark, log.high_watermark)), name)
        self._sequences(part, seen.end, name)
        if part.leading:
            seen.positions = _positions(part)
        seen.end, seen.high_watermark, seen.leading = log.end, log.high_watermark, part.leading
        seen.leader_epoch, seen.partition_epoch = part.leader_epoch, part.partition_epoch

    @staticmethod
    def _sequences(part: Partition, seen_end: int, name: str) -> None:
        log = part.log
        if log.end < seen_end or seen_end < 0:
            check_producers(log, name)
        elif log.end > seen_end and log.batches:
            check_newest_sequence(log, name)

    @staticmethod
    def _fetcher_shape(part: Partition, broker: Broker, name: str) -> None:
        fetches = broker.fetches_of(part.number)
        if len(fetches) > (0 if part.leading else 1):
            role = "leads" if part.leading else "follows"
            raise LawBroken("INV-14", f"{name}: fetched from {list(fetches)} while it {role}")

    @staticmethod
    def _fetch_position(part: Partition, broker: Broker, name: str) -> None:
        """What a follower asks for is of its leader, from its log's end on, in the present epoch (INV-14, REP-18)."""
        for source, want in broker.fetches_of(part.number).items():
            if (source, want.leader_epoch, want.offset) != (part.leader, part.leader_epoch, part.log.end):
                follows = f"follows {part.leader} in epoch {part.leader_epoch} and ends at {part.log.end}"
                raise LawBroken("INV-14", f"{name}: asks {source} for {want}, {follows}")

    def _marks(self, part: Partition, known: int, name: str) -> None:
        """Below a replica's high watermark all replicas are equal; a leader's mark commits (INV-8, INV-9)."""
        log, committed = part.log, self._of(part.number)
        if committed.damaged or log.high_watermark <= known:
            return
        common = min(log.high_watermark, committed.end)
        low = max(known, log.start, committed.start)
        ours = content(log, low, common)
        if ours != committed.between(low, common):
            raise LawBroken("INV-8", f"{name}: other records than were committed in {low}..{common}: {ours}")
        if part.leading and log.high_watermark > committed.end:
            committed.content += content(log, committed.end, log.high_watermark)
            committed.end = log.high_watermark

    # --- the controller -----------------------------------------------------------------------------------------------
    def _decided(self, brokers: Mapping[int, Broker], controller: Controller) -> None:
        self._offset = controller.offset
        for partition, count in controller.book.unclean.items():
            if count != self._unclean.get(partition):
                self._unclean[partition] = count
                self._of(partition).damaged = True
        for state in controller.partitions.values():
            before = self._states.get(state.partition)
            if state is not before:
                self._shape(state, controller)
                if before is not None:
                    self._epochs(before, state)
                    self._joined(before, state, brokers)
                self._states[state.partition] = state
        for state in controller.partitions.values():
            self._no_fenced_member(state, controller)

    @staticmethod
    def _shape(state: PartitionState, controller: Controller) -> None:
        what = f"partition {state.partition}: {state}"
        if state.leader >= 0 and state.leader not in state.isr:
            raise LawBroken("INV-1", what)
        members = (*state.isr, *state.elr)
        if len(set(members)) != len(members) or not set(members) <= set(state.replicas):
            raise LawBroken("INV-12", what)
        if state.elr and len(state.isr) >= controller.book.min_isr(state):
            raise LawBroken("INV-12", f"{what}: enough in sync, and yet others eligible")

    @staticmethod
    def _no_fenced_member(state: PartitionState, controller: Controller) -> None:
        fenced = [b for b in state.isr if b not in controller.brokers.by_id or controller.brokers.by_id[b].fenced]
        if fenced and (controller.elr_on or len(state.isr) > 1):
            raise LawBroken("INV-12", f"partition {state.partition}: {fenced} in sync and fenced: {state}")

    @staticmethod
    def _epochs(before: PartitionState, state: PartitionState) -> None:
        steps = (state.leader_epoch - before.leader_epoch, state.partition_epoch - before.partition_epoch)
        moved = state.leader != before.leader
        if min(steps) < 0 or (moved and steps[0] == 0) or steps[1] == 0:
            raise LawBroken("INV-16", f"partition {state.partition}: from {before} to {state}")

    def _joined(self, before: PartitionState, state: PartitionState, brokers: Mapping[int, Broker]) -> None:
        """Who joins has everything up to the start of the leader's epoch (INV-15)."""
        lead = self._leader(state, brokers)
        if lead is None or state.leader_epoch != before.leader_epoch:
            return
        for broker in state.isr:
            part = brokers[broker].state.partitions.get(state.partition) if broker in brokers else None
            if broker not in before.isr and part is not None and part.log.end < lead.epoch_start:
                raise LawBroken(
                    "INV-15", f"partition {state.partition}: {broker} joined at {part.log.end}, the epoch began at "
                    f"{lead.epoch_start}",
                )  # fmt: skip

    def _metadata_applied(self, number: int, broker: Broker, controller: Controller) -> None:
        """What a broker has applied is what the controller had decided up to there (INV-13)."""
        applied = self._applied[number] = broker.state.applied
        for partition, history in controller.book.history.items():
            decided = [state for offset, state in history if offset <= applied]
            has = broker.state.metadata.get(partition)
            if (decided[-1] if decided else None) != has:
                raise LawBroken("INV-13", f"broker {number} at {applied} has {has}, decided was {decided[-1:]}")
            if has is not None and number in has.replicas:
                self._role_played(broker.state.partitions.get(partition), has, number)

    @staticmethod
    def _role_played(part: Partition | None, has: PartitionState, number: int) -> None:
        """Metadata that is applied is acted upon: the replica leads or follows as it says."""
        if part is None or (part.leader_epoch, part.leader) != (has.leader_epoch, has.leader):
            raise LawBroken("INV-13", f"partition {has.partition} on broker {number} did not take the role of {has}")
        if part.leading != (has.leader == number):
            raise LawBroken("INV-13", f"partition {has.partition} on broker {number} leads: {part.leading}, {has}")

    # --- across replicas ----------------------------------------------------------------------------------------------
    @staticmethod
    def _leader(state: PartitionState, brokers: Mapping[int, Broker]) -> Partition | None:
        """The leader, if it is up and knows of the present epoch."""
        broker = brokers.get(state.leader)
        part = broker.state.partitions.get(state.partition) if broker is not None else None
        if part is None or not part.leading or part.leader_epoch != state.leader_epoch:
            return None
        return part

    def _across(self, partition: int, brokers: Mapping[int, Broker], controller: Controller) -> None:
        state = controller.partitions[partition]
        lead = self._leader(state, brokers)
        if lead is not None:
            self._maximal(lead, state)
            self._complete(lead)
            self._strong_isr(lead, state, brokers)
        for broker in brokers.values():
            part = broker.state.partitions.get(partition)
            if part is not None and part.leading:
                self._weak_isr(part, brokers)
        self._candidates(state, brokers)

    @staticmethod
    def _maximal(lead: Partition, state: PartitionState) -> None:
        name = f"partition {state.partition}"
        if not set(lead.maximal) >= set(state.isr):
            raise LawBroken("INV-7", f"{name}: the leader counts {lead.maximal}, in sync are {state.isr}")
        if lead.pending is None and lead.maximal != lead.isr:
            raise LawBroken("INV-7", f"{name}: nothing is asked for, and {lead.maximal} counts for {lead.isr}")

    @staticmethod
    def _equal_below(lead: Partition, member: Partition, law: str, who: int) -> None:
        """Both hold the same records below the leader's mark; below both marks INV-8 has seen to it."""
        upto, low = lead.log.high_watermark, max(member.log.start, lead.log.start)
        low = max(low, min(member.log.high_watermark, upto))
        if low < upto and content(lead.log, low, upto) != content(member.log, low, upto):
            raise LawBroken(law, f"partition {lead.number}: broker {who} differs from its leader below {upto}")

    def _weak_isr(self, lead: Partition, brokers: Mapping[int, Broker]) -> None:
        """Whoever believes that it leads: its in-sync members have what is below its mark (INV-2)."""
        if self._of(lead.number).damaged:
            return
        for broker in lead.isr:
            part = brokers[broker].state.partitions.get(lead.number) if broker in brokers else None
            if part is not None and part is not lead:
                self._equal_below(lead, part, "INV-2", broker)

    def _positions_held(self, partition: int, brokers: Mapping[int, Broker]) -> None:
        """Where a leader believes a follower to be, there it has been in this epoch: it has all below (INV-18).

        A leader that is re-elected keeps the positions of in-sync members (broker:REP-4), and of nobody else.
        """
        if self._of(partition).damaged:
            return
        parts = {number: broker.state.partitions.get(partition) for number, broker in brokers.items()}
        for lead in parts.values():
            for view in lead.views if lead is not None and lead.leading else ():
                part = parts.get(view.broker)
                if lead is not None and part is not None and 0 <= view.end and part.leader_epoch <= lead.leader_epoch:
                    self._position_held(lead, part, view)

    @staticmethod
    def _position_held(lead: Partition, part: Partition, view: Follower) -> None:
        what = f"partition {lead.number}: broker {view.broker} counts at {view.end}"
        if part.leader_epoch < lead.leader_epoch and view.broker not in lead.isr:
            raise LawBroken("INV-18", f"{what} and is in epoch {part.leader_epoch}, its leader in {lead.leader_epoch}")
        low = max(lead.log.start, part.log.start, min(lead.log.high_watermark, part.log.high_watermark))
        equal = low >= view.end or content(lead.log, low, view.end) == content(part.log, low, view.end)
        if part.log.end < view.end or not equal:
            raise LawBroken("INV-18", f"{what} and lacks some of it, its log ends at {part.log.end}")

    def _strong_isr(self, lead: Partition, state: PartitionState, brokers: Mapping[int, Broker]) -> None:
        for broker in state.isr:
            part = brokers[broker].state.partitions.get(lead.number) if broker in brokers else None
            if part is None or part is lead:
                continue
            if part.log.end < lead.log.high_watermark:
                raise LawBroken(
                    "INV-4", f"partition {lead.number}: {broker} is in sync at {part.log.end}, committed is "
                    f"{lead.log.high_watermark}",
                )  # fmt: skip
            self._equal_below(lead, part, "INV-3", broker)

    def _complete(self, lead: Partition) -> None:
        """A clean leader has everything that was ever committed (INV-6, INV-9)."""
        committed = self._of(lead.number)
        if not committed.damaged and lead.log.end < committed.end:
            what = f"the leader ends at {lead.log.end}, committed is {committed.end}"
            raise LawBroken("INV-6", f"partition {lead.number}: {what}")

    def _candidates(self, state: PartitionState, brokers: Mapping[int, Broker]) -> None:
        """Who may be elected cleanly has everything that was ever committed (INV-5)."""
        committed = self._of(state.partition)
        if committed.damaged:
            return
        for number in (*state.isr, *state.elr):
            part = brokers[number].state.partitions.get(state.partition) if number in brokers else None
            if part is not None and part.log.end < committed.end:
                raise LawBroken(
                    "INV-5", f"partition {state.partition}: {number} may lead, ends at {part.log.end}, committed is "
                    f"{committed.end}",
                )  # fmt: skip

    # --- at the end ---------------------------------------------------------------------------------------------------
    def finish(
        self, brokers: Mapping[int, Broker], controller: Controller, *, settled: bool, busy: Collection[int] = ()
    ) -> None:
        """Whole logs; *settled*: faults are over, nothing is on its way any more but to the partitions in *busy*, into
        which groups commit for ever."""
        for number, broker in brokers.items():
            for part in broker.state.partitions.values():
                name = f"partition {part.number} on broker {number}"
                part.log.check(name)
                self._committed_content(part, name)
                check_producers(part.log, name)
                check_sequences(part.log, name)
        if settled:
            self._converged(brokers, controller, busy)

    def _committed_content(self, part: Partition, name: str) -> None:
        log, committed = part.log, self._of(part.number)
        low, high = max(log.start, committed.start), min(log.high_watermark, committed.end)
        if committed.damaged:
            return
        if content(log, low, high) != committed.between(low, high):
            raise LawBroken("INV-9", f"{name}: other records than were committed below {high}")

    @staticmethod
    def _converged(brokers: Mapping[int, Broker], controller: Controller, busy: Collection[int]) -> None:
        for state in controller.partitions.values():
            ends = {b: brokers[b].state.partitions[state.partition].log.end for b in state.replicas if b in brokers}
            apart = len(set(ends.values())) != 1 and state.partition not in busy
            if state.leader < 0 or set(state.isr) != set(state.replicas) or apart:
                raise LawBroken("INV-17", f"partition {state.partition} has not come to rest: {state}, ends {ends}")
        for number, broker in brokers.items():
            if broker.state.applied != controller.offset:
                raise LawBroken("INV-17", f"broker {number} has not heard of everything: {broker.state.applied}")

    def acknowledged(self, records: Iterable[tuple[int, int, int, int, int]]) -> None:
        """Answers of acks=all that a broker gave: (partition, prod, lo, hi, offset). INV-10, INV-20a."""
        for partition, prod, lo, hi, offset in records:
            committed = self._of(partition)
            if committed.damaged or offset < 0:
                continue
            there = [(base, *batch) for base, _, *batch in committed.between(offset, offset + 1)]
            if there != [(offset, prod, lo, hi)]:
                raise LawBroken("INV-20a", f"partition {partition}: acknowledged at {offset} and never committed there")

    def delivered(self, records: Iterable[tuple[int, int, int, int, int]]) -> None:
        """What consumers got: (partition, prod, lo, hi, offset). It is what was committed there (GROUP-4)."""
        for partition, prod, lo, hi, offset in records:
            committed = self._of(partition)
            if committed.damaged or offset < committed.start:
                continue
            if not committed.holds(offset, prod, lo, hi):
                raise LawBroken("GROUP-4", f"partition {partition}: other records than committed were got at {offset}")
