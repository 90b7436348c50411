"""Defects of producers, of readers and of the connections between them and the brokers."""

from __future__ import annotations

from typing import Any

import pytest

from sim.protocol import fetch_client
from sim.protocol.error_codes import ErrorCode
from sim.protocol.java_accumulator import Accumulator
from sim.protocol.java_batches import PartitionQueue, ProducerBatch
from sim.protocol.java_choice import TopicState
from sim.protocol.java_intake import Intake
from sim.protocol.java_network import JavaNode
from sim.protocol.java_outcomes import Outcomes
from sim.protocol.java_producer import JavaProducer
from sim.protocol.java_sequences import Sequences
from sim.protocol.librdkafka_producer import LibrdkafkaProducer
from sim.protocol.librdkafka_queue import Part, Request, Toppar
from sim.protocol.messages import FetchedPartition, ProduceRequest, ProduceResult
from sim.protocol.reader_buffer import Assigned, FetchBuffer
from sim.world.host import Host
from sim.world.network import Delivery, Network

Patch = pytest.MonkeyPatch


# --- Java producer: order ---------------------------------------------------------------------------------------------
def java_does_not_mute_with_one_in_flight(patch: Patch) -> None:
    """A partition whose batch waits at the old leader gives another to the new one (producer 2.6)."""
    take = Accumulator._take

    def unmuted(accumulator: Accumulator, queue: PartitionQueue) -> ProducerBatch:
        batch = take(accumulator, queue)
        queue.muted = False
        return batch

    patch.setattr(Accumulator, "_take", unmuted)


def java_retries_at_the_tail(patch: Patch) -> None:
    patch.setattr(PartitionQueue, "put_back", lambda queue, batch, in_sequence: queue.batches.append(batch))


def java_sends_ahead_of_the_batch_that_is_retried(patch: Patch) -> None:
    """The head of the tracked sequences holds nothing back, and a batch is numbered anew at each transmission."""
    take = Accumulator._take

    def renumbered(accumulator: Accumulator, queue: PartitionQueue) -> ProducerBatch:
        head = queue.batches[0]
        if head.seq >= 0 and not queue.in_flight:
            queue.untrack(head)
            queue.next_seq, head.seq = head.seq, -1
        return take(accumulator, queue)

    patch.setattr(Sequences, "holds_back", lambda sequences, queue, first: False)
    patch.setattr(Accumulator, "_take", renumbered)


def java_partitioner_changes_its_mind(patch: Patch) -> None:
    """Once a partition has thirty records, its keys go to the next one (producer:S07)."""
    choose = TopicState.choose

    def another(state: TopicState, index: int, key: int, size: int) -> tuple[PartitionQueue, bool]:
        queue, sticky = choose(state, index, key, size)
        full = queue.lane.length >= 30
        return (state.queues[(queue.partition + 1) % len(state.queues)] if full else queue), sticky

    patch.setattr(Intake, "_follows", lambda intake, topic, partitions: False)
    patch.setattr(TopicState, "choose", another)


# --- Java producer: sequences -----------------------------------------------------------------------------------------
def java_reuses_sequences_after_a_bump(patch: Patch) -> None:
    """Sequences begin at 0 again and the epoch stays (what KIP-360 and KAFKA-5793 are about)."""
    carry_out = Sequences._carry_out

    def same_epoch(sequences: Sequences) -> None:
        sequences.epoch -= 1
        carry_out(sequences)

    patch.setattr(Sequences, "_carry_out", same_epoch)


def java_renumbers_in_the_wrong_order(patch: Patch) -> None:
    """KAFKA-8483: batches are given new sequences in the order of a heap."""
    start = PartitionQueue.start_at_beginning

    def newest_first(queue: PartitionQueue, pid: int, epoch: int) -> None:
        queue.sequenced.reverse()
        start(queue, pid, epoch)
        queue.sequenced.sort(key=lambda batch: batch.seq)

    patch.setattr(PartitionQueue, "start_at_beginning", newest_first)


def java_takes_an_expired_batch_for_unwritten(patch: Patch) -> None:
    """KAFKA-14397: after a delivery timeout sequences are adjusted although the batch may be stored."""

    def bump(sequences: Sequences, batch: ProducerBatch, row: int) -> None:
        sequences.request_bump(batch.queue, row)

    patch.setattr(Sequences, "expired_in_retry", bump)


# --- Java producer: reports -------------------------------------------------------------------------------------------
def java_reports_success_before_the_answer(patch: Patch) -> None:
    """A callback as with acks=0, while the request is on its way."""
    send = JavaProducer._send

    def and_report(producer: JavaProducer, node: JavaNode, batches: list[ProducerBatch], now_us: int) -> None:
        send(producer, node, batches, now_us)
        for batch in batches:
            if not batch.done:
                producer.outcomes.complete(batch, ProduceResult(batch.queue.partition, 0), now_us, batch.row)

    patch.setattr(JavaProducer, "_send", and_report)


def java_says_failed_of_what_may_be_stored(patch: Patch) -> None:
    """An expired batch is reported as certainly not written, though a transmission was never answered."""
    fail = Outcomes._fail

    def sure(outcomes: Outcomes, batch: ProducerBatch, *told: Any) -> None:
        batch.unsure = False
        fail(outcomes, batch, *told)

    patch.setattr(Outcomes, "_fail", sure)


def java_takes_a_lost_answer_for_success(patch: Patch) -> None:
    complete = Outcomes.complete

    def hopeful(outcomes: Outcomes, batch: ProducerBatch, result: ProduceResult, now_us: int, row: int) -> None:
        if result.error in (ErrorCode.NETWORK_EXCEPTION, ErrorCode.REQUEST_TIMED_OUT):
            result = ProduceResult(result.partition, 0)
        complete(outcomes, batch, result, now_us, row)

    patch.setattr(Outcomes, "complete", hopeful)


def java_matches_answers_newest_first(patch: Patch) -> None:
    """An answer is taken for that of the newest request of its connection."""
    handle = JavaProducer._handle

    def newest(producer: JavaProducer, conn: Any, batches: list[ProducerBatch], response: Any, now_us: int) -> None:
        node = producer.network._by_conn.get(conn)
        waiting = node.in_flight if node is not None else ()
        if waiting and isinstance(waiting[-1].about, list):
            batches, waiting[-1].about = waiting[-1].about, batches
        handle(producer, conn, batches, response, now_us)

    patch.setattr(JavaProducer, "_handle", newest)


# --- librdkafka -------------------------------------------------------------------------------------------------------
def librdkafka_puts_retries_behind(patch: Patch) -> None:
    """librdkafka#1092: what comes back stands behind what came meanwhile."""
    take = Toppar.take

    def fresh_first(toppar: Toppar, now_us: int) -> list[Part]:
        if not toppar.parts or toppar.fresh == toppar.lane.taken:
            return take(toppar, now_us)
        back, toppar.parts = toppar.parts, []
        taken = take(toppar, now_us)
        toppar.parts = back
        return taken

    patch.setattr(Toppar, "take", fresh_first)


def librdkafka_implies_too_much(patch: Patch) -> None:
    """An acknowledgement is taken to cover all that is queued, and not only what stands before it (producer:8.4)."""
    succeed = LibrdkafkaProducer.succeed

    def all_of_it(producer: LibrdkafkaProducer, request: Request, offset: int, now_us: int, row: int) -> None:
        toppar = request.toppar
        if toppar.queued:
            for part in toppar.take_all():
                producer._reports.delivered(toppar, part.lo, part.hi, -1, row)
        succeed(producer, request, offset, now_us, row)

    patch.setattr(LibrdkafkaProducer, "succeed", all_of_it)


# --- readers ----------------------------------------------------------------------------------------------------------
def reader_skips_on_reset(patch: Patch) -> None:
    """A position that is out of range or unknown goes to the latest offset, whatever auto.offset.reset says."""
    patch.setattr(fetch_client, "_TIMESTAMPS", dict.fromkeys(("earliest", "latest"), -1))


def reader_skips_a_record_after_each_answer(patch: Patch) -> None:
    put = FetchBuffer.put

    def one_further(buffer: FetchBuffer, one: Assigned, answer: FetchedPartition) -> None:
        if answer.batches and one.offset % 50 == 49:
            one.offset += 1
        put(buffer, one, answer)

    patch.setattr(FetchBuffer, "put", one_further)


def reader_hands_over_an_answer_twice(patch: Patch) -> None:
    """A stale answer is used: records below the position are not dropped (consumer:F2.11, F2.12)."""
    put = FetchBuffer.put

    def again(buffer: FetchBuffer, one: Assigned, answer: FetchedPartition) -> None:
        put(buffer, one, answer)
        if answer.base_offsets and answer.base_offsets[0] % 50 == 49:
            buffer.drain()
            one.offset = answer.base_offsets[0]
            put(buffer, one, answer)

    patch.setattr(FetchBuffer, "put", again)


def reader_shows_a_poll_backwards(patch: Patch) -> None:
    hand_over = FetchBuffer._hand_over

    def reversed_(buffer: FetchBuffer, slices: list[Any]) -> None:
        hand_over(buffer, slices[::-1])

    patch.setattr(FetchBuffer, "_hand_over", reversed_)


# --- connections ------------------------------------------------------------------------------------------------------
def connection_lets_requests_overtake(patch: Patch) -> None:
    """A request travels for as long as its latency says, whatever was sent before it (broker:NET-3)."""
    carry, send = Network.carry, Host.send

    def overtaking(network: Network, event: Delivery) -> None:
        if event.way is event.way.conn.up:
            event.way.last_us = 0
        carry(network, event)

    def slowly(host: Host, conn: Any, message: object, cause: int | None = None) -> None:
        if isinstance(message, ProduceRequest) and conn.number in host.connections:
            host.network.transmit(conn.up, message, host.cause if cause is None else cause)
        else:
            send(host, conn, message, cause)

    patch.setattr(Network, "carry", overtaking)
    patch.setattr(Host, "send", slowly)
