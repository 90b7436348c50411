"""A librdkafka consumer's membership in a group: librdkafka's main thread (``rdkafka_cgrp.c``).

It joins, beats, commits and leaves whatever the application does; only the callbacks of a rebalance wait for the
application's next poll. They stand in ``Membership.ops``, in order, and until the application has served one the member
stays in ``WAIT_ASSIGN_CALL`` or ``WAIT_UNASSIGN_CALL``, which stops any further rebalance of its own. That is why a
member that was put out while a callback waited hears of a plain revocation (or, cooperative, of an assignment first),
and of a loss only if nothing was waiting (consumer:F3.39).

What it says to the coordinator is the affair of the group's protocol: ``MembershipRequests`` (classic) or
``HeartbeatRequests`` (KIP-848, where every change is incremental).

Timers: the thread wakes each second, twice a second while the poll interval is watched, and for every answer; what is
due is done when it wakes. Sources: the functions named below, of librdkafka 2.16.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.protocol.coordinator_client import CoordinatorClient
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetch_client import FetchClient
from sim.protocol.librdkafka_assignment import PartitionAssignment
from sim.protocol.librdkafka_commits import Commits
from sim.protocol.librdkafka_heartbeat import HeartbeatRequests
from sim.protocol.librdkafka_join import MembershipRequests
from sim.protocol.librdkafka_membership import JoinState, Membership, PollInterval, RebalanceOp
from sim.protocol.member_assignment import Names
from sim.protocol.offset_client import Offsets, Then
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaMemberSettings

__all__ = ["Cgrp"]

S = 1_000_000
_NEVER = 1 << 62


class Cgrp:
    """``who``: state of the membership; ``polls``: when the application polled last."""

    __slots__ = (
        "_auto_tick_us", "_coordinator", "_modern", "_port", "_requests", "_second_us", "_settings", "_terminating",
        "assignment", "commits", "polls", "terminated", "who",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, topics: tuple[int, ...], settings: LibrdkafkaMemberSettings,
        coordinator: CoordinatorClient, fetches: FetchClient, names: Names,
    ) -> None:  # fmt: skip
        self._port, self._settings, self._coordinator = port, settings, coordinator
        self.who = who = Membership()
        self.polls = PollInterval(settings.max_poll_interval_us)
        shared = (group, topics, settings, coordinator, fetches, who, self.polls, self)
        self._modern = HeartbeatRequests(port, *shared) if settings.protocol == "consumer" else None
        self._requests = self._modern or MembershipRequests(names, *shared)
        self.commits = Commits(
            port, group, settings, coordinator, lambda: (who.generation, who.member), self._requests.commit_refused,
            self._commit_ended,
        )  # fmt: skip
        self.assignment = PartitionAssignment(
            group, fetches, coordinator, names, lambda: self.commits.outstanding, self._unassigned, self._done
        )
        self._terminating = self.terminated = False
        self._second_us = self._auto_tick_us = _NEVER

    def start(self, now_us: int) -> None:
        self._second_us = now_us + S
        if self._settings.auto_commit and self._settings.auto_commit_interval_us:
            self._auto_tick_us = now_us + self._settings.auto_commit_interval_us

    def at_rest(self) -> bool:
        """It is in its group and has taken up what it was given."""
        return self._requests.at_rest() and not self.assignment.in_progress() and not self.who.ops

    # --- the main thread ----------------------------------------------------------------------------------------------
    def run_timers(self, now_us: int) -> bool:
        """Whether a timer rang, and so woke the thread."""
        rang = self._requests.rings(now_us)
        while self._second_us <= now_us:
            self._second_us, rang = self._second_us + S, True
        while self.polls.rings(now_us):
            rang = True
            self._check_poll_interval(now_us)
        while self._auto_tick_us <= now_us:
            self._auto_tick_us, rang = self._auto_tick_us + self._settings.auto_commit_interval_us, True
            self._auto_commit(now_us)
        return rang

    def serve(self, now_us: int) -> None:
        """``rd_kafka_cgrp_serve``: a session ends by the member's own clock too, coordinator or not."""
        if self._may_terminate():
            self.terminated = True
            return
        if self.who.state is JoinState.STEADY and self._requests.session_is_over(now_us):
            self.lose_all(now_us)
        if self._coordinator.ready(now_us) is not None:
            if self.assignment.waits():
                self.assignment.serve(now_us)
            self._requests.serve(now_us)
        self.commits.go_on(now_us)

    def metadata_came(self, now_us: int) -> None:
        self._requests.metadata_came(now_us)

    def deadlines(self) -> Iterator[int]:
        yield self._second_us
        yield self.polls.tick_us
        yield self._auto_tick_us
        yield from self._requests.deadlines()
        yield from self.commits.deadlines()

    # --- what answers bring -------------------------------------------------------------------------------------------
    def given(self, partitions: tuple[int, ...], now_us: int) -> None:
        """``rd_kafka_cgrp_handle_assignment``"""
        who = self.who
        if not self._cooperative():
            self._call(True, partitions, now_us)
            who.owned = partitions
            return
        owned = who.owned or ()
        added = tuple(partition for partition in partitions if partition not in owned)
        revoked = tuple(partition for partition in owned if partition not in partitions)
        if revoked:
            who.after_revoke = added
            self._call_incremental(False, revoked, False, now_us)
        else:
            self._call_incremental(True, added, False, now_us)

    def not_joined(self, lost: bool, now_us: int) -> None:
        if lost and self._cooperative():
            self.revoke_all(True, now_us)
        else:
            self._rejoin(now_us)

    def rebalance(self, now_us: int) -> None:
        """``rd_kafka_cgrp_group_is_rebalancing``: who is cooperative gives up nothing before it joins again."""
        if self._cooperative():
            self._rejoin(now_us)
        else:
            self.revoke_all(False, now_us)

    def lose_all(self, now_us: int) -> None:
        """``rd_kafka_cgrp_revoke_all_rejoin_maybe``: nothing happens while a rebalance is under way."""
        if not self.who.rebalancing():
            self.revoke_all(True, now_us)

    # --- rebalances ---------------------------------------------------------------------------------------------------
    def _cooperative(self) -> bool:
        return self._requests.cooperative()

    def _rejoin(self, now_us: int, at_once: bool = False) -> None:
        """``rd_kafka_cgrp_rejoin``, ``rd_kafka_cgrp_consumer_rejoin``"""
        if self._modern is not None or self._terminating:
            self._leave_if_wanted(now_us)
        self._requests.rejoin(at_once, now_us)

    def _call(self, assigns: bool, partitions: tuple[int, ...], now_us: int) -> None:
        """``rd_kafka_rebalance_op``"""
        if self.who.fatal:
            self._take_away(now_us)
            return
        self.who.state = JoinState.WAIT_ASSIGN_CALL if assigns else JoinState.WAIT_UNASSIGN_CALL
        self.assignment.pause()
        self.who.ops.append(RebalanceOp(assigns, partitions, self.who.generation))

    def _call_incremental(self, assigns: bool, partitions: tuple[int, ...], rejoin: bool, now_us: int) -> None:
        """``rd_kafka_rebalance_op_incr``"""
        self.who.rejoin_after = rejoin
        self._call(assigns, partitions, now_us)
        owned = self.who.owned or ()
        kept = tuple(partition for partition in owned if partition not in partitions)
        self.who.owned = (*owned, *partitions) if assigns else kept

    def _take_away(self, now_us: int) -> None:
        """After a fatal error nobody is asked."""
        for partition in self.assignment.all:
            self._port.record(Kind.REVOKE, partition=partition, epoch=self.who.generation, code=1)
        self._unassign()
        self.assignment.serve(now_us)

    def revoke_all(self, lost: bool, now_us: int) -> None:
        """``rd_kafka_cgrp_revoke_all_rejoin``"""
        who = self.who
        if not self._cooperative():
            who.lost = who.lost or lost
            if who.owned is not None and not who.waits_for_call():
                self._call(False, who.owned, now_us)
                who.owned = None
            else:
                self._rejoin(now_us, at_once=True)
        elif who.owned:
            who.lost = who.lost or lost
            self._call_incremental(False, who.owned, not self._terminating, now_us)
        elif not self._terminating:
            self._rejoin(now_us)

    # --- what the application answers ---------------------------------------------------------------------------------
    def assigns_now(self) -> bool:
        """Whether an assignment is taken for what it is; else it is one more way to unassign."""
        return not (self.who.fatal or self._terminating)

    def assign_called(self, op: RebalanceOp, now_us: int) -> None:
        """The application has served a callback and, in it, changed its assignment accordingly
        (``rd_kafka_cgrp_handle_assign_op``)."""
        who = self.who
        if not self.assigns_now():
            who.after_revoke = None
            if who.state is JoinState.WAIT_ASSIGN_CALL:
                who.state = JoinState.WAIT_UNASSIGN_CALL
            self._unassign()
        elif op.assigns:
            self._assign(op, now_us)
        elif self._cooperative():
            self.assignment.subtract(op.partitions)
            if who.state is JoinState.WAIT_UNASSIGN_CALL:
                self.assignment.resume()
                who.state = JoinState.WAIT_INCR_UNASSIGN_TO_COMPLETE
            who.lost = False
        else:
            self._unassign()
        self.assignment.serve(now_us)

    def _assign(self, op: RebalanceOp, now_us: int) -> None:
        """``rd_kafka_cgrp_assign``, ``rd_kafka_cgrp_incremental_assign``"""
        if not self._cooperative() and self.assignment.clear():
            self.assignment.serve(now_us)
        self.assignment.add(op.partitions)
        self.who.lost = False
        if self.who.state is JoinState.WAIT_ASSIGN_CALL:
            self.assignment.resume()
            self.who.state = JoinState.STEADY
            if not self._terminating:
                self.polls.watch(now_us)

    def _unassign(self) -> None:
        """``rd_kafka_cgrp_unassign``"""
        self.assignment.clear()
        if self.who.state is JoinState.WAIT_UNASSIGN_CALL:
            self.who.state = JoinState.WAIT_UNASSIGN_TO_COMPLETE
        self.who.lost = False

    def _done(self, now_us: int) -> None:
        """``rd_kafka_cgrp_assignment_done``, ``rd_kafka_cgrp_consumer_assignment_done``"""
        who = self.who
        if who.state is JoinState.WAIT_UNASSIGN_TO_COMPLETE:
            self._leave_if_wanted(now_us)
            self._rejoin(now_us, at_once=True)
        elif who.state is JoinState.WAIT_INCR_UNASSIGN_TO_COMPLETE:
            self._partly_unassigned(now_us)
        elif self._modern is not None and who.state in (JoinState.INIT, JoinState.STEADY):
            if not self._leave_if_wanted(now_us) and not self._terminating:
                self._all_done(self._modern, now_us)
        elif who.state is JoinState.STEADY and who.rejoin_after:
            who.rejoin_after = False
            self._rejoin(now_us, at_once=True)

    def _all_done(self, modern: HeartbeatRequests, now_us: int) -> None:
        """What is taken up is acknowledged, and a member that has nothing asks for something."""
        who = self.who
        if who.rejoin_after and who.state is JoinState.STEADY:
            who.rejoin_after = False
            self._rejoin(now_us)
        elif who.state is JoinState.INIT or modern.waits_ack:
            modern.expedite(now_us)

    def _partly_unassigned(self, now_us: int) -> None:
        """``rd_kafka_cgrp_incr_unassign_done``, ``rd_kafka_cgrp_consumer_incr_unassign_done``: an assignment follows,
        empty or not, and then, in a classic group, one more round."""
        who = self.who
        if self._terminating:
            self._unassign()
            if self._modern is not None:
                self._leave_if_wanted(now_us)
        elif who.after_revoke is not None:
            added, who.after_revoke = who.after_revoke, None
            self._call_incremental(True, added, self._modern is None, now_us)
        elif who.rejoin_after:
            who.rejoin_after = False
            self._rejoin(now_us, at_once=True)
        else:
            who.state = JoinState.STEADY
            if self._modern is not None:
                self.polls.watch(now_us)

    # --- max.poll.interval.ms -----------------------------------------------------------------------------------------
    def _check_poll_interval(self, now_us: int) -> None:
        """``rd_kafka_cgrp_max_poll_interval_check_tmr_cb``"""
        if self.polls.late(now_us):
            self.polls.exceeded = True
            self.polls.stop()
            self._port.record(Kind.LEFT, epoch=self.who.generation, code=1)
            self._requests.late(now_us)

    # --- commits ------------------------------------------------------------------------------------------------------
    def _auto_commit(self, now_us: int) -> None:
        """The timer, whether or not the application polls (``rd_kafka_cgrp_offset_commit_tmr_cb``, consumer:F4.12)."""
        if not self._terminating and self.who.state is not JoinState.STEADY:
            return
        self.commit_stored(True, lambda error, then_us: None, now_us)

    def commit_stored(self, auto: bool, then: Then, now_us: int) -> None:
        """What is stored of all that is assigned; nothing if there is nothing, or if the assignment is lost."""
        offsets = {} if self.who.lost or self.who.fatal else self.assignment.to_commit()
        if offsets:
            self.commits.commit(offsets, auto, then, now_us)
        else:
            then(0, now_us)

    def commit(self, offsets: Offsets, then: Then, now_us: int) -> None:
        """What the application says, be it assigned or not."""
        if self.who.fatal:
            code = int(ErrorCode.CLIENT_FATAL)
            for partition, (offset, _) in offsets.items():
                self._port.record(Kind.COMMIT, partition=partition, offset=offset, n=0, code=code, seq=0)
            then(code, now_us)
        else:
            self.commits.commit(offsets, False, then, now_us)

    def _unassigned(self, offsets: Offsets, now_us: int) -> None:
        if self._settings.auto_commit and not self.who.lost and not self.who.fatal:
            self.commits.commit(offsets, True, lambda error, then_us: None, now_us)

    def _commit_ended(self, offsets: Offsets, error: int, now_us: int) -> None:
        """``rd_kafka_cgrp_op_handle_OffsetCommit``"""
        if error:
            self._requests.commit_refused(error, now_us)
        else:
            self.assignment.committed.update(offsets)
        if not self.commits.outstanding:
            self.assignment.serve(now_us)

    # --- leaving ------------------------------------------------------------------------------------------------------
    def terminate(self, now_us: int) -> None:
        """``rd_kafka_consumer_close``; over when ``terminated``, which may need callbacks to be served."""
        self._terminating = True
        self.polls.stop()
        if self._requests.terminate():
            self.revoke_all(False, now_us)
        if not self.who.waits_for_call():
            self._unassign()
        self.assignment.serve(now_us)

    def _may_terminate(self) -> bool:
        """``rd_kafka_cgrp_try_terminate``"""
        if not self._terminating or self.who.waits_for_call() or self._requests.waits_leave:
            return False
        return not self.assignment.in_progress() and not self.assignment.all

    def _leave_if_wanted(self, now_us: int) -> bool:
        """``rd_kafka_cgrp_leave_maybe``"""
        wanted, self.who.leave_when_unassigned = self.who.leave_when_unassigned, False
        if wanted:
            self._requests.leave(now_us)
        return wanted
