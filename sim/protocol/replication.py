"""One partition on one broker: its role there and, where it leads, its view of the followers.

Words. *In-sync set* (``isr``): as committed by the controller. *Maximal* in-sync set: that and the member of an
expansion that is still asked for; commit waits and the high watermark use it (``broker:REP-7``). *Gated*: fewer
committed members than min.insync.replicas, so neither acks=all is accepted nor the high watermark moved
(``broker:APP-5``, ``REP-9``).

Laws: a leader's high watermark never falls within an epoch; one change of the in-sync set is asked for at a time.

Pure bookkeeping: it answers questions and is told what happened. Rows and messages are the broker's.
"""

from __future__ import annotations

from collections import deque

from sim.protocol.error_codes import ErrorCode
from sim.protocol.log import Log
from sim.protocol.messages import PartitionState
from sim.protocol.purgatory import AwaitsCommit, ParkedFetch
from sim.protocol.settings import BrokerSettings, Rules, TopicSettings

__all__ = ["Follower", "Partition", "Registry"]

# broker -> (epoch, fenced, in controlled shutdown), as the newest applied metadata says; one object per broker role
Registry = dict[int, tuple[int, bool, bool]]

_LONG_AGO = -(1 << 61)
_BACK_TO_COMMITTED = (ErrorCode.INELIGIBLE_REPLICA, 124)  # 124: OPERATION_NOT_ATTEMPTED
_WAIT_FOR_METADATA = (
    ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.INVALID_UPDATE_VERSION, ErrorCode.INVALID_REQUEST,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.NEW_LEADER_ELECTED,
)  # fmt: skip


class Follower:
    """What the leader knows of one follower (broker:REP-1)."""

    __slots__ = (
        "broker", "broker_epoch", "caught_up_us", "end", "fetched_us", "in_maximal", "leader_end", "parked", "session",
        "told_hw",
    )  # fmt: skip

    def __init__(self, broker: int) -> None:
        self.broker = broker
        self.in_maximal = False
        self.parked: ParkedFetch | None = None  # its one long poll
        self.session = -1  # connection of its last fetch; on a new one it is told everything again
        self.reset(_LONG_AGO)

    def reset(self, caught_up_us: int) -> None:
        """A new leader epoch: nothing is known until it has fetched (broker:REP-4, REP-10)."""
        self.end = -1  # offset of its last fetch
        self.broker_epoch = -1
        self.caught_up_us = caught_up_us
        self.fetched_us = _LONG_AGO
        self.leader_end = -1  # the leader's end at that fetch
        self.told_hw = -1  # high watermark in the last answer to it

    def fetched(self, offset: int, leader_end: int, now_us: int) -> None:
        """It fetched at *offset*, so it has all below (broker:REP-2)."""
        if offset >= leader_end:
            self.caught_up_us = now_us
        elif offset >= self.leader_end >= 0 and self.fetched_us > self.caught_up_us:
            self.caught_up_us = self.fetched_us
        self.end = offset
        self.fetched_us = now_us
        self.leader_end = leader_end

    def still_there(self, leader_end: int, epoch: int, now_us: int) -> None:
        """It fetched once more at the leader's end, as before: :meth:`fetched` in short."""
        self.broker_epoch = epoch
        self.caught_up_us = self.fetched_us = now_us
        self.leader_end = leader_end


class Partition:
    """One partition on one broker, leader or follower."""

    __slots__ = (
        "_lag_us", "_me", "_registry", "_rules", "alone", "appended_row", "epoch_start", "followers", "gated", "isr",
        "leader", "leader_epoch", "leading", "log", "max_message_bytes", "maximal", "min_isr", "number",
        "parked", "partition_epoch", "pending",
        "readers", "replicas", "settings", "views", "waiting",
    )  # fmt: skip

    def __init__(
        self, number: int, me: int, log: Log, settings: TopicSettings, broker: BrokerSettings, rules: Rules,
        registry: Registry,
    ) -> None:  # fmt: skip
        self.number, self.log, self.settings = number, log, settings
        self._me, self._lag_us, self._rules, self._registry = me, broker.replica_lag_time_max_us, rules, registry
        self.max_message_bytes = settings.max_message_bytes
        self.leading = False
        self.leader = self.leader_epoch = self.partition_epoch = -1
        self.epoch_start = 0  # leader epoch start offset
        self.replicas: tuple[int, ...] = ()
        self.isr: tuple[int, ...] = ()
        self.maximal: tuple[int, ...] = ()
        self.pending: tuple[int, ...] | None = None  # the in-sync set that the controller was asked for
        self.min_isr = 1
        self.gated = False
        self.alone = False  # no other member in the maximal set: an append may commit by itself
        self.parked = False  # a follower may be waiting for data
        self.followers: dict[int, Follower] = {}
        self.views: tuple[Follower, ...] = ()
        self.waiting: deque[tuple[int, int, AwaitsCommit]] = deque()  # (offset to reach, index of result, request)
        self.appended_row = -1  # trace row of the newest append here
        self.readers: dict[int, ParkedFetch] = {}  # long polls of consumers by connection

    # --- metadata -----------------------------------------------------------------------------------------------------
    def lead(self, state: PartitionState, now_us: int) -> bool:
        """Metadata says that this broker leads. True if in a new leader epoch (broker:REP-4)."""
        new_epoch = state.leader_epoch > self.leader_epoch
        was_leading = self.leading
        self._take(state)
        self.leading = True
        self._keep_followers()
        if new_epoch:
            self.epoch_start = self.log.end
            self.log.assign_epoch(state.leader_epoch)
            for view in self.views:
                in_sync = view.broker in state.isr
                # A leader that is re-elected keeps what it knows of in-sync members only (broker:INV-19).
                if not (was_leading and in_sync):
                    view.reset(now_us if in_sync else _LONG_AGO)
                else:
                    view.caught_up_us = view.fetched_us = now_us
                    view.leader_end = self.log.end
        self._settle(state.isr)
        return new_epoch

    def follow(self, state: PartitionState) -> bool:
        """Metadata says that another broker leads, or none. True if in a new leader epoch."""
        new_epoch = state.leader_epoch > self.leader_epoch
        self._take(state)
        self.leading = False
        self.followers, self.views = {}, ()
        self._settle(state.isr)
        return new_epoch

    def _take(self, state: PartitionState) -> None:
        self.leader, self.leader_epoch = state.leader, state.leader_epoch
        self.partition_epoch, self.replicas = state.partition_epoch, state.replicas
        self.min_isr = min(self.settings.min_insync_replicas, len(state.replicas))

    def _keep_followers(self) -> None:
        self.followers = {b: self.followers.get(b) or Follower(b) for b in self.replicas if b != self._me}
        self.views = tuple(self.followers.values())

    def _settle(self, isr: tuple[int, ...]) -> None:
        """*isr* is committed; a change that was asked for is no longer waited for (broker:REP-29)."""
        self.isr, self.pending = isr, None
        self.gated = len(isr) < self.min_isr
        self._widen(isr)

    def _widen(self, maximal: tuple[int, ...]) -> None:
        self.maximal = maximal
        self.alone = all(broker == self._me for broker in maximal)
        for view in self.views:
            view.in_maximal = view.broker in maximal

    # --- high watermark -----------------------------------------------------------------------------------------------
    def advance(self, now_us: int) -> bool:
        """Raise the high watermark as far as the followers allow (broker:REP-6). True if it moved."""
        if self.gated and self._rules.high_watermark_stops_under_min_isr:
            return False
        log = self.log
        candidate = log.end
        for view in self.views:
            if view.end < candidate and (view.in_maximal or self._holds_back(view, now_us)):
                candidate = view.end
        if candidate <= log.high_watermark:
            return False
        log.high_watermark = candidate
        return True

    def _holds_back(self, view: Follower, now_us: int) -> bool:
        """A live replica that just left the in-sync set still counts while it is caught up (broker:REP-12)."""
        return self._eligible(view) and self._caught_up(view, now_us)

    def _caught_up(self, view: Follower, now_us: int) -> bool:
        return view.end == self.log.end or now_us - view.caught_up_us <= self._lag_us  # broker:REP-3

    def _eligible(self, view: Follower) -> bool:
        epoch, fenced, stopping = self._registry.get(view.broker, (-1, True, False))
        return not fenced and not stopping and view.broker_epoch in (-1, epoch)

    # --- in-sync set --------------------------------------------------------------------------------------------------
    def may_join(self, view: Follower) -> bool:
        """Whether the follower, having just fetched, may be proposed for the in-sync set (broker:REP-24)."""
        return (
            self.pending is None
            and view.broker not in self.isr
            and view.end >= self.log.high_watermark
            and view.end >= self.epoch_start
            and self._eligible(view)
        )

    def propose_with(self, view: Follower) -> None:
        """Ask for the in-sync set and *view*; it counts at once (broker:REP-26)."""
        members = (*self.isr, view.broker)
        self.pending = tuple(broker for broker in self.replicas if broker in members)
        self._widen(self.pending)

    def laggards(self, now_us: int) -> tuple[int, ...]:
        """In-sync members that have fallen behind; none while a change is asked for (broker:REP-25)."""
        if self.pending is not None or not self.leading:
            return ()
        behind = [v.broker for v in self.views if v.in_maximal and not self._caught_up(v, now_us)]
        return tuple(behind)

    def propose_without(self, brokers: tuple[int, ...]) -> None:
        """Ask for the in-sync set less *brokers*; nothing changes until it is committed (broker:REP-26)."""
        self.pending = tuple(broker for broker in self.isr if broker not in brokers)

    def proposal(self, my_epoch: int) -> tuple[int, int, tuple[tuple[int, int], ...]]:
        """What AlterPartition says of this partition; members go with the broker epoch of their last fetch."""
        assert self.pending is not None
        members = [
            (b, my_epoch if b == self._me else self.followers[b].broker_epoch if b in self.followers else -1)
            for b in self.pending
        ]
        return self.leader_epoch, self.partition_epoch, tuple(members)

    def answered(self, error: int, state: PartitionState | None) -> bool:
        """The controller answered the proposal; True if it is to be sent again (broker:REP-28)."""
        if self.pending is None:
            return False
        if error == 0:
            if state is not None and state.partition_epoch > self.partition_epoch and state.leader == self._me:
                self.partition_epoch = state.partition_epoch
                self._settle(state.isr)
            return False
        if error in _BACK_TO_COMMITTED:
            self._settle(self.isr)
            return False
        return error not in _WAIT_FOR_METADATA
