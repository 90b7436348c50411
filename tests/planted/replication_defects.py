"""Defects of replication, in-sync sets, elections and truncation (``broker:INV-19`` and the KIPs behind it)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sim.protocol import controller_partitions
from sim.protocol.broker import Broker
from sim.protocol.broker_fetch import FetchService
from sim.protocol.controller import Controller
from sim.protocol.controller_partitions import PartitionBook
from sim.protocol.fetcher import Fetcher
from sim.protocol.leader_epochs import LeaderEpochs
from sim.protocol.messages import FetchPartition, FetchRequest, FetchResponse, PartitionState
from sim.protocol.replication import Follower, Partition
from sim.protocol.rows import Kind

Patch = pytest.MonkeyPatch


# --- truncation -------------------------------------------------------------------------------------------------------
def follower_truncates_to_its_high_watermark(patch: Patch) -> None:
    """KIP-101 (KAFKA-1211): what was committed and not yet known to be goes (broker:REP-37)."""
    follow = Broker._follow

    def cut_and_follow(broker: Broker, part: Partition, new: PartitionState, cause: int, now_us: int) -> None:
        if new.leader_epoch > part.leader_epoch:
            gone = part.log.truncate_to(part.log.high_watermark)
            if gone:
                broker._port.record(Kind.TRUNCATE, partition=part.number, offset=part.log.end, n=gone)
        follow(broker, part, new, cause, now_us)

    patch.setattr(Broker, "_follow", cut_and_follow)


def follower_skips_truncation(patch: Patch) -> None:
    """It goes on from its log's end and does not say of which epoch its last record is (broker:REP-33)."""
    position = Fetcher._position

    def epochless(fetcher: Fetcher, part: Partition) -> FetchPartition:
        return replace(position(fetcher, part), last_epoch=-1)

    patch.setattr(Fetcher, "_position", epochless)


def leader_answers_an_epoch_by_offset_alone(patch: Patch) -> None:
    """KIP-279 (KAFKA-6361): the start of the next larger epoch, without saying whose end that is (broker:REP-39)."""
    end_of = LeaderEpochs.end_of

    def offset_alone(epochs: LeaderEpochs, epoch: int, log_end: int) -> tuple[int, int] | None:
        found = end_of(epochs, epoch, log_end)
        return None if found is None else (epoch, found[1])

    patch.setattr(LeaderEpochs, "end_of", offset_alone)


# --- what a leader knows of its followers -----------------------------------------------------------------------------
def leader_takes_what_it_sends_for_stored(patch: Patch) -> None:
    """broker:SUB-17."""
    count = FetchService._count_fetch

    def sent_is_stored(
        service: FetchService, part: Partition, view: Follower, offset: int, epoch: int, now_us: int
    ) -> None:
        count(service, part, view, part.log.end, epoch, now_us)

    patch.setattr(FetchService, "_count_fetch", sent_is_stored)


def leader_counts_fetches_of_older_epochs(patch: Patch) -> None:
    """KIP-320: fetches are fenced by the current leader epoch (broker:REP-20)."""
    look = FetchService._look

    def unfenced(service: FetchService, request: FetchRequest, session: int, now_us: int, counts: bool = True) -> Any:
        parts = service._state.partitions
        wants = [
            replace(want, leader_epoch=parts[want.partition].leader_epoch) if want.partition in parts else want
            for want in request.partitions
        ]
        return look(service, replace(request, partitions=wants), session, now_us, counts)

    patch.setattr(FetchService, "_look", unfenced)


def leader_counts_a_fetch_that_diverges(patch: Patch) -> None:
    """KAFKA-13141 (broker:REP-5)."""
    look = FetchService._look

    def counted(service: FetchService, request: FetchRequest, session: int, now_us: int, counts: bool = True) -> Any:
        found = look(service, request, session, now_us, counts)
        wants = {want.partition: want for want in request.partitions}
        for answer in found[0]:
            if answer.diverging_epoch >= 0 and not answer.error and counts:
                part = service._state.partitions[answer.partition]
                view, want = part.followers[request.replica], wants[answer.partition]
                service._count_fetch(part, view, want.offset, request.broker_epoch, now_us)
        return found

    patch.setattr(FetchService, "_look", counted)


def reelected_leader_keeps_what_it_knew(patch: Patch) -> None:
    """Followers' positions of the epoch before go on to count (broker:REP-4, INV-19)."""
    reset = Follower.reset

    def keep(view: Follower, caught_up_us: int) -> None:
        if not hasattr(view, "end"):
            reset(view, caught_up_us)

    patch.setattr(Follower, "reset", keep)


# --- high watermark ---------------------------------------------------------------------------------------------------
def high_watermark_goes_back(patch: Patch) -> None:
    """It follows the slowest replica, in sync or not, down as well as up (broker:REP-6)."""

    def lowest(part: Partition, now_us: int) -> bool:
        mark = min([part.log.end, *(view.end for view in part.views if view.end >= part.log.start)])
        moved, part.log.high_watermark = mark != part.log.high_watermark, mark
        return moved

    patch.setattr(Partition, "advance", lowest)


def high_watermark_ignores_who_is_about_to_join(patch: Patch) -> None:
    """The committed in-sync set counts in place of the maximal one (broker:REP-7, SUB-9)."""
    widen = Partition._widen

    def committed_only(part: Partition, maximal: tuple[int, ...]) -> None:
        widen(part, part.isr)

    patch.setattr(Partition, "_widen", committed_only)


def high_watermark_moves_under_min_isr(patch: Patch) -> None:
    """KAFKA-15583, with eligible leader replicas relying on its opposite (broker:REP-9, FAIL-27)."""
    advance = Partition.advance

    def ungated(part: Partition, now_us: int) -> bool:
        gated, part.gated = part.gated, False
        moved = advance(part, now_us)
        part.gated = gated
        return moved

    patch.setattr(Partition, "advance", ungated)


# --- in-sync sets -----------------------------------------------------------------------------------------------------
def leader_shrinks_the_isr_without_the_controller(patch: Patch) -> None:
    """The shrink counts before it is committed (broker:REP-26, SUB-9)."""
    propose = Partition.propose_without

    def at_once(part: Partition, brokers: tuple[int, ...]) -> None:
        propose(part, brokers)
        part.isr = part.pending or part.isr
        part._widen(part.isr)

    patch.setattr(Partition, "propose_without", at_once)


def follower_joins_below_the_high_watermark(patch: Patch) -> None:
    def may_join(part: Partition, view: Follower) -> bool:
        return part.pending is None and view.broker not in part.isr and part._eligible(view)

    patch.setattr(Partition, "may_join", may_join)


def follower_joins_below_the_epochs_start(patch: Patch) -> None:
    """broker:REP-24, INV-15."""

    def may_join(part: Partition, view: Follower) -> bool:
        behind = view.end < part.log.high_watermark
        return part.pending is None and view.broker not in part.isr and not behind and part._eligible(view)

    patch.setattr(Partition, "may_join", may_join)


def controller_does_not_check_the_partition_epoch(patch: Patch) -> None:
    objection = PartitionBook.objection

    def lenient(book: PartitionBook, number: int, sender: int, epoch: int, partition_epoch: int, members: Any) -> int:
        state = book.states.get(number)
        return objection(book, number, sender, epoch, state.partition_epoch if state else partition_epoch, members)

    patch.setattr(PartitionBook, "objection", lenient)


def controller_does_not_check_the_members_broker_epochs(patch: Patch) -> None:
    bad_members = PartitionBook._bad_members

    def lenient(book: PartitionBook, state: PartitionState, members: tuple[tuple[int, int], ...]) -> int:
        return bad_members(book, state, tuple((broker, -1) for broker, _ in members))

    patch.setattr(PartitionBook, "_bad_members", lenient)


# --- elections --------------------------------------------------------------------------------------------------------
def controller_elects_out_of_the_isr(patch: Patch) -> None:
    decide = controller_partitions.change

    def change(
        rule: Any, state: PartitionState, isr: tuple[int, ...], active: Callable[[int], bool], **more: Any
    ) -> Any:
        outside = tuple(broker for broker in state.replicas if active(broker) and broker not in state.isr)[:1]
        return decide(rule, state, outside if state.leader not in isr and outside else isr, active, **more)

    patch.setattr(controller_partitions, "change", change)


def election_does_not_bump_the_leader_epoch(patch: Patch) -> None:
    decide = controller_partitions.change

    def change(rule: Any, state: PartitionState, *arguments: Any, **more: Any) -> Any:
        new, by_force = decide(rule, state, *arguments, **more)
        return (replace(new, leader_epoch=state.leader_epoch) if new is not state else new), by_force

    patch.setattr(controller_partitions, "change", change)


def fenced_broker_stays_in_sync(patch: Patch) -> None:
    patch.setattr(Controller, "_leave", lambda controller, broker, cause, now_us: None)


# --- metadata and fetches that are past -------------------------------------------------------------------------------
def broker_takes_older_metadata(patch: Patch) -> None:
    """The answer to an AlterPartition was faster than the metadata before it (broker:REP-29, INV-16)."""
    take = Broker._take_role

    def whatever_comes(broker: Broker, new: PartitionState, cause: int, now_us: int) -> None:
        part = broker.state.partitions.get(new.partition)
        if part is not None and new.partition_epoch <= part.partition_epoch and part.leading:
            part._take(new)
            part._settle(new.isr)
            return
        take(broker, new, cause, now_us)

    patch.setattr(Broker, "_take_role", whatever_comes)


def fetcher_is_not_reset_by_a_new_leader_epoch(patch: Patch) -> None:
    """A partition that the same broker leads again is fetched as before (broker:INV-19)."""
    add, remove = Fetcher.add, Fetcher.remove
    leaving: dict[tuple[Fetcher, int], Any] = {}

    def keep(fetcher: Fetcher, partition: int) -> None:
        followed = fetcher.partitions.get(partition)
        if followed is not None:
            leaving[fetcher, partition] = followed
        remove(fetcher, partition)

    def as_before(fetcher: Fetcher, part: Partition, cause: int) -> None:
        before = leaving.pop((fetcher, part.number), None)
        add(fetcher, part, cause)
        if before is not None:
            fetcher.partitions[part.number] = before

    patch.setattr(Fetcher, "remove", keep)
    patch.setattr(Fetcher, "add", as_before)


def stale_fetch_answers_count(patch: Patch) -> None:
    """An answer to a fetch of an older epoch, or from another offset, is used (broker:REP-18)."""
    answered = Fetcher.answered

    def all_of_it(fetcher: Fetcher, response: FetchResponse, now_us: int) -> None:
        for followed in fetcher.partitions.values():
            followed.sent = followed.want
        answered(fetcher, response, now_us)

    patch.setattr(Fetcher, "answered", all_of_it)


# --- brokers and their sessions ---------------------------------------------------------------------------------------
def controller_registers_a_dead_process(patch: Patch) -> None:
    """A registration is taken whatever the incarnation that is known (broker:FAIL-6, INV-19)."""
    register = Controller._register

    def whoever(controller: Controller, conn: Any, request: Any, now_us: int) -> Any:
        known = controller.brokers.by_id.get(request.broker)
        if known is not None and request.incarnation < known.incarnation:
            known.incarnation = request.incarnation - 1
        return register(controller, conn, request, now_us)

    patch.setattr(Controller, "_register", whoever)
