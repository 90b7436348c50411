"""Defects of a broker's append path, of its connections and of what it remembers of producers.

Each takes a ``MonkeyPatch`` and breaks one rule; what it replaces is put back when the patch is undone.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol.broker import Broker
from sim.protocol.broker_channels import Channel, Channels
from sim.protocol.broker_fetch import FetchService
from sim.protocol.broker_produce import ProduceService
from sim.protocol.error_codes import ErrorCode
from sim.protocol.fetcher import Fetcher
from sim.protocol.log import Log
from sim.protocol.messages import FetchRequest, ProduceRequest, RecordBatch
from sim.protocol.producer_state import ACCEPT, DUPLICATE, ProducerStates
from sim.protocol.replication import Partition

Patch = pytest.MonkeyPatch


# --- what is remembered of producers ----------------------------------------------------------------------------------
def _accept_instead_of(patch: Patch, *verdicts: int) -> None:
    judge = ProducerStates.judge

    def lenient(states: ProducerStates, batch: RecordBatch) -> int:
        verdict = judge(states, batch)
        return ACCEPT if verdict in verdicts else verdict

    patch.setattr(ProducerStates, "judge", lenient)


def broker_forgets_deduplication(patch: Patch) -> None:
    _accept_instead_of(patch, DUPLICATE)


def broker_accepts_sequences_out_of_order(patch: Patch) -> None:
    _accept_instead_of(patch, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)


def broker_does_not_check_the_producer_epoch(patch: Patch) -> None:
    _accept_instead_of(patch, ErrorCode.INVALID_PRODUCER_EPOCH)


def broker_lets_a_new_epoch_begin_anywhere(patch: Patch) -> None:
    judge = ProducerStates.judge

    def lenient(states: ProducerStates, batch: RecordBatch) -> int:
        entry = states.entries.get(batch.pid)
        return ACCEPT if entry is not None and batch.epoch > entry.epoch else judge(states, batch)

    patch.setattr(ProducerStates, "judge", lenient)


def duplicate_is_answered_with_the_newest_offset(patch: Patch) -> None:
    original = ProducerStates.original

    def newest(states: ProducerStates, batch: RecordBatch) -> int | None:
        found = original(states, batch)
        return None if found is None else states.entries[batch.pid].batches[-1][2]

    patch.setattr(ProducerStates, "original", newest)


def any_sequence_below_the_next_is_a_duplicate(patch: Patch) -> None:
    """``seq <= last`` in place of the exact range (broker:SUB-6)."""
    judge, original = ProducerStates.judge, ProducerStates.original

    def by_order(states: ProducerStates, batch: RecordBatch) -> int:
        entry = states.entries.get(batch.pid)
        if entry is not None and entry.epoch == batch.epoch and batch.seq <= entry.last_seq:
            return DUPLICATE
        return judge(states, batch)

    def or_the_oldest(states: ProducerStates, batch: RecordBatch) -> int | None:
        found = original(states, batch)
        return states.entries[batch.pid].batches[0][2] if found is None else found

    patch.setattr(ProducerStates, "judge", by_order)
    patch.setattr(ProducerStates, "original", or_the_oldest)


def followers_do_not_learn_sequences(patch: Patch) -> None:
    """After a failover the new leader knows nobody (broker:APP-26)."""
    append = Fetcher._append

    def without_state(fetcher: Fetcher, followed: Any, answer: Any, now_us: int) -> None:
        log = followed.part.log
        kept, log.producers = log.producers, ProducerStates()
        append(fetcher, followed, answer, now_us)
        log.producers = kept

    patch.setattr(Fetcher, "_append", without_state)


def truncation_leaves_the_producers_state(patch: Patch) -> None:
    patch.setattr(Log, "_rebuild_producers", lambda log: None)


# --- acknowledgements -------------------------------------------------------------------------------------------------
def leader_acknowledges_early(patch: Patch) -> None:
    """acks=all is answered as soon as the leader has appended."""
    handle = ProduceService.handle

    def and_answer(service: ProduceService, channel: Channel, request: ProduceRequest, now_us: int) -> None:
        handle(service, channel, request, now_us)
        for batch in request.batches:
            part = service._state.partitions.get(batch.partition)
            while part is not None and part.waiting:
                _, index, delayed = part.waiting.popleft()
                delayed.satisfied(index, part.appended_row, now_us)

    patch.setattr(ProduceService, "handle", and_answer)


def duplicate_is_acknowledged_before_it_is_committed(patch: Patch) -> None:
    handle = ProduceService.handle

    def and_answer(service: ProduceService, channel: Channel, request: ProduceRequest, now_us: int) -> None:
        parts = [service._state.partitions.get(batch.partition) for batch in request.batches]
        ends = [part.log.end if part is not None else -1 for part in parts]
        handle(service, channel, request, now_us)
        for part, end in zip(parts, ends, strict=True):
            if part is not None and part.waiting and part.log.end == end:
                _, index, delayed = part.waiting.pop()
                delayed.satisfied(index, part.appended_row, now_us)

    patch.setattr(ProduceService, "handle", and_answer)


def deposed_leader_acknowledges_what_waits(patch: Patch) -> None:
    def all_well(service: ProduceService, part: Partition, cause: int, now_us: int) -> None:
        while part.waiting:
            _, index, delayed = part.waiting.popleft()
            delayed.satisfied(index, cause, now_us)

    patch.setattr(ProduceService, "leadership_lost", all_well)


def acks_all_ignores_min_insync_replicas(patch: Patch) -> None:
    settle = Partition._settle

    def never_gated(part: Partition, isr: tuple[int, ...]) -> None:
        settle(part, isr)
        part.gated = False

    patch.setattr(Partition, "_settle", never_gated)


# --- roles ------------------------------------------------------------------------------------------------------------
def follower_accepts_produce_requests(patch: Patch) -> None:
    verdict = ProduceService._verdict

    def anybody(service: ProduceService, part: Partition | None, batch: RecordBatch, acks: int) -> int:
        if part is not None and not part.leading:
            return ACCEPT if batch.pid < 0 else part.log.producers.judge(batch)
        return verdict(service, part, batch, acks)

    patch.setattr(ProduceService, "_verdict", anybody)


def zombie_leader_keeps_accepting(patch: Patch) -> None:
    """A leader does not step down when metadata names another."""
    follow = Broker._follow

    def stay(broker: Broker, part: Partition, new: Any, cause: int, now_us: int) -> None:
        if not part.leading:
            follow(broker, part, new, cause, now_us)

    patch.setattr(Broker, "_follow", stay)


def connection_is_served_newest_first(patch: Patch) -> None:
    next_request = Channels.next_request

    def newest(channels: Channels, channel: Channel, now_us: int) -> object | None:
        channel.buffer.rotate(1)
        return next_request(channels, channel, now_us)

    patch.setattr(Channels, "next_request", newest)


def reader_is_served_above_the_high_watermark(patch: Patch) -> None:
    read = FetchService._read_committed

    def to_the_end(service: FetchService, request: FetchRequest) -> Any:
        parts = [service._state.partitions.get(want.partition) for want in request.partitions]
        marks = [(part.log, part.log.high_watermark) for part in parts if part is not None]
        for log, _ in marks:
            log.high_watermark = log.end
        found = read(service, request)
        for log, mark in marks:
            log.high_watermark = mark
        return found

    patch.setattr(FetchService, "_read_committed", to_the_end)
