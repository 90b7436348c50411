"""The append path of a leader, and what waits for its records to be committed (``broker:APP-1`` to ``APP-14``).

Laws: the first check that fails decides; a refused batch changes nothing; a duplicate changes nothing and is answered
with the original offset, for acks=all not before that offset is committed; an answer of one partition never overtakes
that of another in the same request.
"""

from __future__ import annotations

from sim.protocol.broker_channels import Channel
from sim.protocol.broker_fetch import FetchService
from sim.protocol.broker_state import BrokerState
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import ProduceRequest, ProduceResponse, ProduceResult, RecordBatch
from sim.protocol.producer_state import ACCEPT
from sim.protocol.purgatory import DelayedProduce
from sim.protocol.replication import Partition
from sim.protocol.rows import Kind

__all__ = ["ProduceService"]

_HINTED = ErrorCode.NOT_LEADER_OR_FOLLOWER
_APPEND, _REJECT, _DUPLICATE = int(Kind.APPEND), int(Kind.REJECT), int(Kind.DUPLICATE)
_HIGH_WATERMARK = int(Kind.HIGH_WATERMARK)
_ACKS = (-1, 0, 1)


class ProduceService:
    """Produce requests to one broker."""

    __slots__ = ("_fetches", "_last_row", "_port", "_state")

    def __init__(self, state: BrokerState, fetches: FetchService) -> None:
        self._state, self._fetches, self._port = state, fetches, state.port
        self._last_row = -1  # of the newest refusal
        fetches.on_commit = self.committed

    def handle(self, channel: Channel, request: ProduceRequest, now_us: int) -> None:
        """Append every batch, then answer or wait, then let waiting fetches see what is new (broker:NET-20)."""
        acks, partitions = request.acks, self._state.partitions
        results: list[ProduceResult] = []
        written: list[Partition] = []
        delayed: DelayedProduce | None = None
        row, failed = -1, False
        for batch in request.batches:
            part = partitions.get(batch.partition)
            verdict = self._verdict(part, batch, acks)
            if part is None or verdict > 0:
                results.append(self._refuse(batch, verdict, channel))
                row, failed = -1, True
                continue
            log = part.log
            if verdict == ACCEPT:
                offset = log.append(batch, part.leader_epoch, now_us)
                row = part.appended_row = self._row(_APPEND, batch, offset, part.leader_epoch, channel)
                written.append(part)
                if part.alone and part.advance(now_us):
                    self.committed(part, now_us)
            else:
                offset = log.producers.original(batch) or 0
                row = self._row(_DUPLICATE, batch, offset, part.leader_epoch, channel)
            if acks == -1 and log.high_watermark < (required := offset + batch.hi - batch.lo):
                if delayed is None:
                    delayed = DelayedProduce(channel, results, self._state.finish)
                self._await(part, required, len(results), delayed)
            results.append(ProduceResult(batch.partition, 0, offset, log.start))
        if delayed is not None:
            self._state.deadlines.wait(delayed, now_us, request.timeout_us)
        else:
            self._answer(channel, acks, results, failed, row, now_us)
        for part in written:
            if part.parked:
                self._fetches.appended(part, now_us)

    def _answer(
        self, channel: Channel, acks: int, results: list[ProduceResult], failed: bool, row: int, now_us: int
    ) -> None:
        """Nothing to wait for. acks=0 has no answer; an error closes the connection instead (broker:NET-15)."""
        if acks != 0:
            self._state.finish(channel, ProduceResponse(results), self._last_row if row < 0 else row, now_us)
            return
        if failed:
            self._state.channels.close(channel)
        self._state.channels.free(channel, now_us)

    def _verdict(self, part: Partition | None, batch: RecordBatch, acks: int) -> int:
        """The first check that fails, in Kafka's order; else whether the batch is new."""
        if acks not in _ACKS:
            return ErrorCode.INVALID_REQUIRED_ACKS  # broker:APP-2
        if part is None or not part.leading:
            return self._state.not_here(batch.partition)  # broker:APP-3, APP-4
        if part.gated and acks == -1:
            return ErrorCode.NOT_ENOUGH_REPLICAS  # broker:APP-5, before any look at duplicates (APP-20)
        if batch.size_bytes > part.max_message_bytes:
            return ErrorCode.MESSAGE_TOO_LARGE  # broker:APP-6
        return ACCEPT if batch.pid < 0 else part.log.producers.judge(batch)

    def _refuse(self, batch: RecordBatch, error: int, channel: Channel) -> ProduceResult:
        self._last_row = self._port.record(
            _REJECT, conn=channel.conn.number, partition=batch.partition, prod=batch.prod, lo=batch.lo, hi=batch.hi,
            pid=batch.pid, epoch=batch.epoch, seq=batch.seq, code=error,
        )  # fmt: skip
        leader, leader_epoch = self._state.hint(batch.partition) if error == _HINTED else (-1, -1)
        part = self._state.partitions.get(batch.partition)
        log_start = part.log.start if part is not None else -1
        return ProduceResult(batch.partition, error, -1, log_start, leader, leader_epoch)

    def _row(self, kind: int, batch: RecordBatch, offset: int, leader_epoch: int, channel: Channel) -> int:
        return self._port.record(
            kind, conn=channel.conn.number, partition=batch.partition, prod=batch.prod, lo=batch.lo, hi=batch.hi,
            offset=offset, lep=leader_epoch, pid=batch.pid, epoch=batch.epoch, seq=batch.seq,
        )  # fmt: skip

    @staticmethod
    def _await(part: Partition, required: int, index: int, delayed: DelayedProduce) -> None:
        """Queue for *required*; only a duplicate can ask for less than the one before it."""
        delayed.open.append(index)
        waiting = part.waiting
        waiting.append((required, index, delayed))
        place = len(waiting) - 1
        while place and waiting[place - 1][0] > required:
            waiting[place], waiting[place - 1] = waiting[place - 1], waiting[place]
            place -= 1

    # --- what happens to those who wait -------------------------------------------------------------------------------
    def committed(self, part: Partition, now_us: int) -> None:
        """The leader's high watermark moved: answer what it now covers, then consumers (broker:APP-10, REP-16)."""
        mark = part.log.high_watermark
        row = self._port.record(_HIGH_WATERMARK, partition=part.number, offset=mark, lep=part.leader_epoch, n=1)
        waiting = part.waiting
        short = len(part.maximal) < part.min_isr  # only before 3.7: the mark moved though too few have it (APP-11)
        while waiting and waiting[0][0] <= mark:
            _, index, delayed = waiting.popleft()
            if short:
                delayed.refused(index, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, -1, -1, row, now_us)
            else:
                delayed.satisfied(index, row, now_us)
        if part.readers:
            self._fetches.readable(part, row, now_us)

    def leadership_lost(self, part: Partition, cause: int, now_us: int) -> None:
        """All acks=all produces that wait here fail; their records may survive or not (broker:APP-12)."""
        leader, leader_epoch = self._state.hint(part.number)
        waiting = list(part.waiting)
        part.waiting.clear()
        for _, index, delayed in waiting:
            delayed.refused(index, ErrorCode.NOT_LEADER_OR_FOLLOWER, leader, leader_epoch, cause, now_us)
