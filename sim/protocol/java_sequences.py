"""The idempotent half of the Java client's TransactionManager: identity, epoch bumps, sequences of each partition.

Rules: producer.md 3.4, 5.3, 6.4, 6.5, read in ``TransactionManager`` and ``TxnPartitionEntry``. A bump is local: no
request is sent; only flagged partitions are renumbered, the others keep the old epoch until nothing of theirs is
unacknowledged.
"""

from __future__ import annotations

from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.protocol.java_batches import PartitionQueue, ProducerBatch
from sim.protocol.messages import ProduceResult
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import Rules

__all__ = ["Sequences"]

LAST_EPOCH = 32767
# UnknownProducerIdException is an OutOfOrderSequenceException: handleFailedBatch bumps for both.
_GAPS = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID)


class Sequences:
    def __init__(self, port: Port, rules: Rules, prod: int) -> None:
        self.port, self.rules, self.prod = port, rules, prod
        self.pid = self.epoch = -1
        self.asking = False  # InitProducerId wanted or on its way: no produce work (producer 6.1)
        self.fatal = 0  # error code that ended the producer
        self._bump = False
        self._bump_row = -1
        self._rewrite: list[PartitionQueue] = []
        self._unresolved: list[PartitionQueue] = []

    @property
    def known(self) -> bool:
        return self.pid >= 0

    @property
    def calm(self) -> bool:
        """The identity is known, and the next pass has nothing to settle."""
        return self.pid >= 0 and not self._bump and not self._unresolved

    def obtained(self, pid: int, epoch: int) -> None:
        self.pid, self.epoch, self.asking = pid, epoch, False
        self.port.record(Kind.PRODUCER_ID, prod=self.prod, pid=pid, epoch=epoch)

    def settle(self) -> None:
        """Start of a sender pass: resolve what can be resolved, then carry out a requested bump."""
        if self._unresolved:
            self._resolve()
        if self._bump:
            self._carry_out()

    def _resolve(self) -> None:
        for queue in list(self._unresolved):
            if queue.sequenced:
                continue
            self._unresolved.remove(queue)
            queue.unresolved = None
            if not queue.is_next(queue.next_seq):
                self.request_bump(queue, queue.unresolved_row)

    def request_bump(self, queue: PartitionQueue, row: int) -> None:
        if not self._bump:
            self._bump, self._bump_row = True, row
        if queue not in self._rewrite:
            self._rewrite.append(queue)

    def _carry_out(self) -> None:
        if self.epoch == LAST_EPOCH:
            self.pid = self.epoch = -1  # producer:S44: a new id is asked for; renumbered batches go unprotected
        else:
            self.epoch += 1
        for queue in self._rewrite:
            queue.start_at_beginning(self.pid, self.epoch)
            if queue in self._unresolved:
                self._unresolved.remove(queue)
            queue.unresolved = None
            self.port.record(
                Kind.PRODUCER_ID, cause=self._bump_row, prod=self.prod, pid=self.pid, epoch=self.epoch,
                partition=queue.partition,
            )  # fmt: skip
        self._rewrite = []
        self._bump = False

    def holds_back(self, queue: PartitionQueue, first: ProducerBatch) -> bool:
        """``shouldStopDrainBatchesForPartition``: such a partition ends the drain of its whole broker (2.5)."""
        if self.pid < 0:
            return True
        sequenced = queue.sequenced
        if first.seq < 0:
            if sequenced and (queue.pid != self.pid or queue.pid_epoch != self.epoch):
                return True
            return queue.unresolved is not None
        return bool(sequenced) and sequenced[0].seq != first.seq

    def number(self, queue: PartitionQueue, batch: ProducerBatch) -> None:
        """Give a batch that is drained for the first time its sequence."""
        if (queue.pid != self.pid or queue.pid_epoch != self.epoch) and not queue.sequenced:
            queue.start_at_beginning(self.pid, self.epoch)
        queue.assign(batch, self.pid, self.epoch)

    def completed(self, batch: ProducerBatch) -> None:
        """A success; the batch's *present* sequence counts, renumbered or not (producer 3.4)."""
        queue = batch.queue
        last = batch.last_sequence
        if last > queue.last_acked_seq:
            queue.last_acked_seq = last
        queue.untrack(batch)

    def failed(self, batch: ProducerBatch, code: int, adjust: bool, row: int) -> None:
        error = PRODUCE_ERRORS.get(code)
        mapping = code == ErrorCode.INVALID_PRODUCER_ID_MAPPING and not self.rules.unknown_producer_mapping_is_fatal
        if error is not None and error.java_idempotent == "fatal" and not mapping:
            self.fatal = self.fatal or code
        queue = batch.queue
        queue.untrack(batch)
        if self.fatal:
            return
        if adjust or code in _GAPS:
            self.request_bump(queue, row)

    def expired_in_retry(self, batch: ProducerBatch, row: int) -> None:
        """``markSequenceUnresolved``: nothing new leaves the partition until what is in flight is decided."""
        queue = batch.queue
        queue.unresolved_row = row
        marker = batch.last_sequence + 1
        queue.unresolved = marker if queue.unresolved is None else max(queue.unresolved, marker)
        if queue not in self._unresolved:
            self._unresolved.append(queue)

    def can_retry(self, batch: ProducerBatch, result: ProduceResult, row: int) -> bool:
        queue, code = batch.queue, result.error
        if code == ErrorCode.UNKNOWN_PRODUCER_ID:
            if result.log_start != -1 and not batch.renumbered:
                self.request_bump(queue, row)
            return True
        if code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
            unresolved = queue.unresolved
            if unresolved is None and (batch.renumbered or not queue.is_next(batch.seq)):
                return True  # not the head of the line: wait for its turn
            if unresolved is None or batch.seq == unresolved:
                self.request_bump(queue, row)  # a real gap (producer:S27)
            return True
        error = PRODUCE_ERRORS.get(code)
        return error is not None and error.java_idempotent == "retry"
