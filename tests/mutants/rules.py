"""Rules of producers and brokers, each broken on purpose, that recorded runs of real Kafka must notice.

A mutant that is also a planted defect is taken from ``tests/planted``; the others stand here. Each takes a
``MonkeyPatch`` and breaks one rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sim.protocol import librdkafka_producer, librdkafka_threads
from sim.protocol.broker_channels import Channel, Channels
from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.protocol.java_batches import PartitionQueue, ProducerBatch
from sim.protocol.java_producer import JavaProducer
from sim.protocol.java_sequences import Sequences
from sim.protocol.librdkafka_idempotence import Identity
from sim.protocol.librdkafka_network import LibrdkafkaNetwork, Peer
from sim.protocol.librdkafka_queue import Request, Toppar
from sim.protocol.librdkafka_threads import Threads
from sim.protocol.messages import ProduceResult, RecordBatch
from sim.protocol.port import Connection
from sim.protocol.producer_state import ProducerStates
from tests.planted import broker_defects as broker
from tests.planted import client_defects as client

__all__ = ["MUTANTS", "Mutant"]

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """``rule``: where the reference has it. ``cell``: one recorded run that notices, by id and client."""

    plant: Callable[[Patch], None]
    rule: str
    cell: tuple[str, str]

    @property
    def name(self) -> str:
        return self.plant.__name__.replace("_", " ")


# --- brokers ----------------------------------------------------------------------------------------------------------
def unknown_producer_has_to_begin_at_0(patch: Patch) -> None:
    judge = ProducerStates.judge

    def strict(states: ProducerStates, batch: RecordBatch) -> int:
        unknown = batch.pid not in states.entries
        return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER if unknown and batch.seq else judge(states, batch)

    patch.setattr(ProducerStates, "judge", strict)


def only_the_newest_batch_is_recognised(patch: Patch) -> None:
    original = ProducerStates.original

    def newest(states: ProducerStates, batch: RecordBatch) -> int | None:
        found = original(states, batch)
        return found if found is not None and found == states.entries[batch.pid].batches[-1][2] else None

    patch.setattr(ProducerStates, "original", newest)


def requests_of_a_connection_run_together(patch: Patch) -> None:
    arrived = Channels.arrived

    def at_once(channels: Channels, conn: Connection, message: object, now_us: int) -> Channel | None:
        channel = channels.by_number.get(conn.number)
        if channel is not None:
            channel.busy = False
        return arrived(channels, conn, message, now_us)

    patch.setattr(Channels, "arrived", at_once)


# --- Java producer ----------------------------------------------------------------------------------------------------
def java_puts_every_retry_at_the_head(patch: Patch) -> None:
    def at_the_head(queue: PartitionQueue, batch: ProducerBatch, in_sequence: bool) -> None:
        queue.batches.appendleft(batch)

    patch.setattr(PartitionQueue, "put_back", at_the_head)


def java_sends_behind_an_unanswered_retry(patch: Patch) -> None:
    patch.setattr(Sequences, "holds_back", lambda sequences, queue, first: sequences.pid < 0)


def java_gives_a_lost_window_back_newest_first(patch: Patch) -> None:
    lost = JavaProducer._lost

    def newest_first(producer: JavaProducer, requests: list[object], code: int, row: int, now_us: int) -> None:
        lost(producer, requests[::-1], code, row, now_us)

    patch.setattr(JavaProducer, "_lost", newest_first)


def java_retries_without_back_off(patch: Patch) -> None:
    patch.setattr(ProducerBatch, "backs_off", lambda batch, now_us: False)


def _error(patch: Patch, code: int, **changes: Any) -> None:
    patch.setitem(PRODUCE_ERRORS, code, replace(PRODUCE_ERRORS[code], **changes))


def java_does_not_retry_not_enough_replicas(patch: Patch) -> None:
    _error(patch, ErrorCode.NOT_ENOUGH_REPLICAS, java_plain="fail", java_idempotent="fail_bump")


def java_takes_duplicate_sequence_for_a_failure(patch: Patch) -> None:
    handle = JavaProducer._handle

    def refused(producer: JavaProducer, conn: Any, batches: list[ProducerBatch], response: Any, now_us: int) -> None:
        for result in response.results:
            if result.error == ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
                result.error = ErrorCode.INVALID_RECORD
        handle(producer, conn, batches, response, now_us)

    patch.setattr(JavaProducer, "_handle", refused)


def java_never_bumps(patch: Patch) -> None:
    patch.setattr(Sequences, "request_bump", lambda sequences, queue, row: None)


def java_bumps_at_every_out_of_order_answer(patch: Patch) -> None:
    can_retry = Sequences.can_retry

    def eager(sequences: Sequences, batch: ProducerBatch, result: ProduceResult, row: int) -> bool:
        if result.error == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
            sequences.request_bump(batch.queue, row)
        return can_retry(sequences, batch, result, row)

    patch.setattr(Sequences, "can_retry", eager)


# --- librdkafka -------------------------------------------------------------------------------------------------------
def librdkafka_does_not_drain(patch: Patch) -> None:
    passes = Threads._passes_gates

    def undrained(threads: Threads, identity: Identity, peer: Peer, toppar: Toppar, now_us: int) -> bool:
        toppar.draining = False
        return passes(threads, identity, peer, toppar, now_us)

    patch.setattr(Threads, "_passes_gates", undrained)


def librdkafka_has_any_number_in_flight(patch: Patch) -> None:
    """More messages of a partition than a broker remembers batches."""
    patch.setattr(librdkafka_threads, "DEDUPLICATED", 1_000)


def librdkafka_implies_no_acknowledgement(patch: Patch) -> None:
    succeeded = librdkafka_producer.succeeded

    def itself_alone(request: Request) -> tuple[bool, bool]:
        return False, succeeded(request)[1]

    patch.setattr(librdkafka_producer, "succeeded", itself_alone)


def librdkafka_bumps_before_it_has_drained(patch: Patch) -> None:
    def at_once(identity: Identity) -> bool:
        if not identity.bumping or identity.pid < 0:
            return False
        identity.bumping = False
        identity.obtained(identity.pid, identity.epoch + 1)
        return True

    patch.setattr(Identity, "_bump_if_drained", at_once)


def librdkafka_builds_nothing_behind_a_full_window(patch: Patch) -> None:
    build = Threads._build

    def into_a_free_slot(threads: Threads, peer: Peer, toppar: Toppar, now_us: int) -> bool:
        full = len(peer.waiting) >= threads._settings.max_in_flight
        return not full and build(threads, peer, toppar, now_us)

    patch.setattr(Threads, "_build", into_a_free_slot)


def librdkafka_looks_at_timers_at_once(patch: Patch) -> None:
    """And not once a second."""
    patch.setattr(Peer, "on_grid", lambda peer, time_us, now_us: max(time_us, now_us + 1))


def librdkafka_gives_a_lost_window_back_newest_first(patch: Patch) -> None:
    """As Java does: to the head, whatever is there."""
    insort = Toppar.put_back

    def at_the_head(toppar: Toppar, part: Any) -> None:
        insort(toppar, part)
        toppar.parts.remove(part)
        toppar.parts.insert(0, part)

    patch.setattr(Toppar, "put_back", at_the_head)


def librdkafka_forgets_what_it_had_built(patch: Patch) -> None:
    """A connection that goes takes only the wire with it; what was built waits for the next one."""
    lost = LibrdkafkaNetwork.lost

    def wire_only(network: LibrdkafkaNetwork, peer: Peer, code: int, now_us: int) -> Any:
        built = list(peer.built)
        peer.built.clear()
        found = lost(network, peer, code, now_us)
        peer.built.extend(built)
        return found

    patch.setattr(LibrdkafkaNetwork, "lost", wire_only)


def librdkafka_fails_on_a_lost_connection(patch: Patch) -> None:
    _error(patch, ErrorCode.CLIENT_TRANSPORT, librdkafka_plain="fail", librdkafka_idempotent="fail_bump")


def librdkafka_does_not_retry_request_timed_out(patch: Patch) -> None:
    _error(patch, ErrorCode.REQUEST_TIMED_OUT, librdkafka_plain="fail", librdkafka_idempotent="fail_bump")


# --- the table --------------------------------------------------------------------------------------------------------
MUTANTS = (
    Mutant(broker.broker_forgets_deduplication, "broker:APP-17", ("I1.resp1", "java")),
    Mutant(broker.broker_accepts_sequences_out_of_order, "broker:APP-23", ("I2.err19", "java")),
    Mutant(broker.any_sequence_below_the_next_is_a_duplicate, "broker:SUB-6", ("I2.err19", "java")),
    Mutant(broker.broker_lets_a_new_epoch_begin_anywhere, "broker:SUB-7", ("I2.err87", "java")),
    Mutant(unknown_producer_has_to_begin_at_0, "broker:APP-31", ("I2.e45@1.w1", "java")),
    Mutant(only_the_newest_batch_is_recognised, "broker:APP-15", ("I2.resp1", "java")),
    Mutant(requests_of_a_connection_run_together, "broker:NET-3", ("I5.e6@2", "java")),
    Mutant(client.java_retries_at_the_tail, "producer:4.1", ("I1.err19", "java")),
    Mutant(java_puts_every_retry_at_the_head, "producer:4.1", ("I2.err19", "java")),
    Mutant(java_sends_behind_an_unanswered_retry, "producer:2.5", ("I2.r2.e6v0", "java")),
    Mutant(java_gives_a_lost_window_back_newest_first, "producer:4.2 b", ("P2.req1", "java")),
    Mutant(java_retries_without_back_off, "producer:1.3", ("P2.ate7@1.e19@2", "java")),
    Mutant(java_does_not_retry_not_enough_replicas, "producer:3.2", ("I1.err19", "java")),
    Mutant(java_takes_duplicate_sequence_for_a_failure, "producer:3.1", ("I5.e46@1", "java")),
    Mutant(client.java_takes_a_lost_answer_for_success, "producer:3.1", ("I1.req1", "java")),
    Mutant(java_never_bumps, "producer:6.4", ("I1.err87", "java")),
    Mutant(java_bumps_at_every_out_of_order_answer, "producer:3.4", ("I2.err19", "java")),
    Mutant(client.java_reuses_sequences_after_a_bump, "producer:6.4", ("I1.err87", "java")),
    Mutant(client.java_renumbers_in_the_wrong_order, "KAFKA-8483", ("I5.err87", "java")),
    Mutant(client.librdkafka_puts_retries_behind, "producer:8.2", ("I1.err19", "librdkafka")),
    Mutant(client.librdkafka_implies_too_much, "producer:8.4", ("I1.err19", "librdkafka")),
    Mutant(librdkafka_implies_no_acknowledgement, "producer:8.4", ("I5.e59@1.w1", "librdkafka")),
    Mutant(librdkafka_does_not_drain, "producer:8.4", ("I2.err19", "librdkafka")),
    Mutant(librdkafka_has_any_number_in_flight, "producer:8.4", ("I5.err87", "librdkafka")),
    Mutant(librdkafka_bumps_before_it_has_drained, "producer:8.4", ("I2.err87", "librdkafka")),
    Mutant(librdkafka_builds_nothing_behind_a_full_window, "producer:8.2", ("I2.err87", "librdkafka")),
    Mutant(librdkafka_looks_at_timers_at_once, "producer:8.6", ("P1.never", "librdkafka")),
    Mutant(librdkafka_gives_a_lost_window_back_newest_first, "producer:8.3", ("I1.req1", "librdkafka")),
    Mutant(librdkafka_forgets_what_it_had_built, "producer:8.3", ("P1.req1", "librdkafka")),
    Mutant(librdkafka_fails_on_a_lost_connection, "producer:8.5", ("I1.req1", "librdkafka")),
    Mutant(librdkafka_does_not_retry_request_timed_out, "producer:8.5", ("I5.e7@1", "librdkafka")),
)
