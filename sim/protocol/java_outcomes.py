"""What becomes of a Java producer's batch: the decision order for an answer, retry, split, expiry, delivery report.

Rules: producer.md 3.1 to 3.3, 4.1, 5.2 (``Sender.completeBatch``, ``canRetry``, ``failBatch``). Laws: a batch is
reported exactly once; one that is reported is never put back.

A report of failure says ``FAIL`` only if nothing of the batch can be in a log: every transmission was answered, each
with a code after which the log does not have it. Otherwise it says ``UNKNOWN``.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.errors import LawBroken
from sim.protocol.client_network import Backoff
from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.protocol.java_accumulator import Accumulator
from sim.protocol.java_batches import ProducerBatch
from sim.protocol.java_intake import Intake
from sim.protocol.java_sequences import Sequences
from sim.protocol.messages import ProduceResult
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import JavaProducerSettings, Rules

__all__ = ["Outcomes"]


class Outcomes:
    def __init__(
        self,
        port: Port,
        settings: JavaProducerSettings,
        rules: Rules,
        prod: int,
        intake: Intake,
        accumulator: Accumulator,
        sequences: Sequences | None,
    ) -> None:
        self.port, self.settings, self.prod = port, settings, prod
        self.intake, self.accumulator, self.sequences = intake, accumulator, sequences
        self.reports = 0  # records reported so far
        self.on_report: Callable[[int, int, int, int], None] | None = None  # partition, records lo to hi, error code
        self._metadata = accumulator.network.metadata
        self._grows = rules.exponential_retry_backoff
        self._holds_memory = rules.memory_on_the_wire_is_held
        self._backoff = Backoff(settings.retry_backoff_us, settings.retry_backoff_max_us)

    # --- answers -----------------------------------------------------------------------------------------------------
    def complete(self, batch: ProducerBatch, result: ProduceResult, now_us: int, row: int) -> None:
        """``Sender.completeBatch``: the decision order of producer 3.1."""
        code = result.error
        if code == 0:
            self._succeed(batch, result.offset, row)
        else:
            error = PRODUCE_ERRORS.get(code)
            batch.unsure = batch.unsure or error is None or error.in_log
            if code == ErrorCode.MESSAGE_TOO_LARGE and batch.hi - batch.lo > 1 and not batch.done:
                self._split(batch, row)
            elif self._can_retry(batch, result, now_us, row):
                self._retry(batch, now_us, row)
            elif code == ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
                self._succeed(batch, -1, row)
            else:
                self._fail(batch, code, batch.attempts < self.settings.retries, now_us, row)
            if error is not None and error.refresh:
                self._metadata.want()
        batch.queue.muted = False
        if batch.done:
            self.intake.buffer.release(batch)

    def _can_retry(self, batch: ProducerBatch, result: ProduceResult, now_us: int, row: int) -> bool:
        settings = self.settings
        if batch.done or batch.attempts >= settings.retries:
            return False
        if now_us - batch.created_us >= settings.delivery_timeout_us:
            return False
        if self.sequences is not None:
            return self.sequences.can_retry(batch, result, row)
        error = PRODUCE_ERRORS.get(result.error)
        return error is not None and error.java_plain == "retry"

    def _retry(self, batch: ProducerBatch, now_us: int, row: int) -> None:
        self.accumulator.off_wire(batch)
        batch.attempts += 1
        batch.retry_us = now_us + self._delay_us(batch.attempts)
        batch.row = row
        self.accumulator.put_back(batch)

    def _delay_us(self, attempts: int) -> int:
        """Kafka draws the jitter anew at every look (producer 1.3); here it is drawn once a (batch, attempt)."""
        if not self._grows:
            return self.settings.retry_backoff_us
        return self._backoff.delay_us(attempts, self.port.draw("retry"))

    def _split(self, batch: ProducerBatch, row: int) -> None:
        self.accumulator.off_wire(batch)
        self.intake.buffer.release(batch)  # the pieces are not counted against buffer.memory
        batch.done = True
        self.accumulator.split(batch, row)

    def _succeed(self, batch: ProducerBatch, offset: int, row: int) -> None:
        if self.sequences is not None:
            self.sequences.completed(batch)
        if not batch.done:
            self._leave(batch)
            self._report(batch, Kind.ACK, offset, 0, row)

    def _fail(self, batch: ProducerBatch, code: int, adjust: bool, now_us: int, row: int, held: bool = False) -> None:
        """*held*: the request is still on the wire, and the batch's memory with it."""
        if batch.done:
            return
        self._leave(batch, held)
        self._report(batch, Kind.UNKNOWN if batch.unsure else Kind.FAIL, -1, code, row)
        self.intake.resend(batch, now_us)
        if self.sequences is not None:
            self.sequences.failed(batch, code, adjust, row)

    def _leave(self, batch: ProducerBatch, held: bool = False) -> None:
        self.accumulator.off_wire(batch)
        if not held:
            self.intake.buffer.release(batch)

    def _report(self, batch: ProducerBatch, kind: Kind, offset: int, code: int, row: int) -> None:
        partition = batch.queue.partition
        if batch.done:
            raise LawBroken("producer-report", f"batch {batch.lo}..{batch.hi} of partition {partition} reported twice")
        batch.done = True
        self.reports += batch.hi - batch.lo
        self.port.record(
            kind, cause=row, partition=partition, prod=self.prod, lo=batch.lo, hi=batch.hi, offset=offset, code=code
        )
        if self.on_report is not None:
            self.on_report(partition, batch.lo, batch.hi, code)

    # --- without an answer -------------------------------------------------------------------------------------------
    def expire(self, now_us: int) -> bool:
        """After the drain, before the send: queued batches first, then those in flight (producer 5.2).

        Returns whether any expired. One that was drained in this very pass is transmitted all the same (S41)."""
        queued, in_flight = self.accumulator.expired(now_us)
        for batch in in_flight:
            batch.unsure = True
        for batch in (*queued, *in_flight):
            row = self.port.record(
                Kind.EXPIRE, cause=batch.row, partition=batch.queue.partition, prod=self.prod, lo=batch.lo, hi=batch.hi
            )
            held = self._holds_memory and batch in in_flight
            self._fail(batch, ErrorCode.CLIENT_DELIVERY_TIMEOUT, False, now_us, row, held)
            if self.sequences is not None and batch.attempts:
                self.sequences.expired_in_retry(batch, row)
        return bool(queued or in_flight)

    def abort_all(self, code: int, report: int, now_us: int) -> list[int]:
        """Every incomplete batch fails with *report*, every later call with *code* (producer 3.2, notes). Kafka's
        order is that of a hash set; here it is the lanes'. Returns the send indexes of what failed, ascending."""
        self.intake.shut(code, now_us)
        failed: list[int] = []
        for queue in self.accumulator.queues:
            for batch in sorted([*queue.in_flight, *queue.batches], key=lambda batch: batch.lo):
                batch.unsure = batch.unsure or batch in queue.in_flight
                self.intake.buffer.release(batch)
                self._report(batch, Kind.UNKNOWN if batch.unsure else Kind.FAIL, -1, report, self.port.cause)
                failed += queue.lane.sends[batch.lo : batch.hi]
            queue.in_flight.clear()
            queue.batches.clear()
        return sorted(failed)
