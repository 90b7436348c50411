"""Fetches that a broker serves: from followers up to its log's end, from consumers up to its high watermark.

Laws: a follower is known to have only what lies below the offset that it fetches *at* (``broker:REP-1``); an answer
given at once carries the high watermark from before that fetch counted (``broker:REP-13``); an answer that names a
diverging epoch counts for nothing (``broker:REP-5``).

Partitions of which there is nothing new (no data, no error, the same high watermark) are left out of an answer.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.protocol.broker_channels import Channel
from sim.protocol.broker_state import BrokerState
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    FetchedPartition,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
)
from sim.protocol.purgatory import ParkedFetch
from sim.protocol.replication import Follower, Partition

__all__ = ["FetchService"]

_LATEST, _EARLIEST = -1, -2
_UNREGISTERED = (-1, True, False)

_Marks = list[tuple[int, Partition, Follower, int]]  # where in an answer belongs which partition's high watermark


def _no_commit(part: Partition, now_us: int) -> None:
    raise AssertionError("wired by the produce service")


class FetchService:
    """Fetch and ListOffsets requests to one broker."""

    __slots__ = ("_port", "_state", "join", "on_commit")

    def __init__(self, state: BrokerState, join: Callable[[Partition, Follower], None]) -> None:
        self._state, self._port = state, state.port
        self.join = join  # ask the controller to let a follower into the in-sync set
        self.on_commit: Callable[[Partition, int], None] = _no_commit

    def handle(self, channel: Channel, request: FetchRequest, now_us: int) -> None:
        if request.replica >= 0:
            self._from_follower(channel, request, now_us)
        else:
            self._from_consumer(channel, request, now_us)

    # --- followers ----------------------------------------------------------------------------------------------------
    def _from_follower(self, channel: Channel, request: FetchRequest, now_us: int) -> None:
        answers, marks, room, urgent = self._look(request, channel.conn.number, now_us)
        if urgent or request.max_bytes - room >= request.min_bytes or request.max_wait_us <= 0:
            self._tell(channel, answers, marks, None, now_us)
            return
        for answer in answers:  # not told after all: it is read again when the wait ends
            self._state.partitions[answer.partition].followers[request.replica].told_hw = -1
        self._park(channel, request, now_us)

    def _tell(
        self, channel: Channel, answers: list[FetchedPartition], marks: _Marks, cause: int | None, now_us: int,
    ) -> None:  # fmt: skip
        """Answer a follower. Places of later marks count those before them."""
        for place, part, view, mark in marks:
            view.told_hw = mark
            answers.insert(place, FetchedPartition(part.number, 0, mark, part.log.start, [], [], []))
        self._state.finish(channel, FetchResponse(answers), cause, now_us)

    def _look(
        self, request: FetchRequest, session: int, now_us: int, counts: bool = True
    ) -> tuple[list[FetchedPartition], _Marks, int, bool]:
        """What there is to tell, where in it a mere new high watermark belongs (mostly it is not told but waits for
        data), how much room is left, and whether all that must be told at once.

        *counts*: this is the fetch itself, which shows what the follower has, and not the end of its wait.
        """
        answers: list[FetchedPartition] = []
        marks: _Marks = []
        partitions, replica, room, urgent = self._state.partitions, request.replica, request.max_bytes, False
        stale = 0 <= request.broker_epoch < self._state.registry.get(replica, _UNREGISTERED)[0]
        for want in request.partitions:
            part = partitions.get(want.partition)
            view = None if part is None or stale else part.followers.get(replica)
            if part is None or view is None or want.leader_epoch != part.leader_epoch:
                answers.append(self._refusal(part, want, stale))
                urgent = True
                continue
            log = part.log
            end = log.end
            at_end = want.offset == end and (want.last_epoch == log.last_epoch or want.last_epoch < 0)
            if view.session != session:
                view.session, view.told_hw = session, -1
            elif at_end and view.end == end and view.told_hw == log.high_watermark and view.in_maximal:
                if counts:  # most partitions of most fetches: nothing has changed, and so it says
                    view.still_there(end, request.broker_epoch, now_us)
                continue
            if not at_end:
                answer = self._read(part, want, room)
                if answer.error or answer.diverging_epoch >= 0:
                    answers.append(answer)
                    urgent = True
                    continue  # it counts for nothing
                for batch in answer.batches:
                    room -= batch.size_bytes
                if answer.batches or view.told_hw != log.high_watermark:
                    answers.append(answer)
                view.told_hw = log.high_watermark
            elif view.told_hw != log.high_watermark:
                marks.append((len(answers) + len(marks), part, view, log.high_watermark))
            if counts:
                self._count_fetch(part, view, want.offset, request.broker_epoch, now_us)
        return answers, marks, room, urgent

    def _refusal(self, part: Partition | None, want: FetchPartition, stale: bool) -> FetchedPartition:
        """Only the leader of just that epoch answers followers, and only its own (broker:REP-5, REP-20)."""
        error = self._epoch_error(part, want)
        if not error and part is not None and part.leading:
            error = ErrorCode.NOT_LEADER_OR_FOLLOWER if stale else ErrorCode.UNKNOWN_LEADER_EPOCH
        return self._error(want, error or self._state.not_here(want.partition))

    @staticmethod
    def _epoch_error(part: Partition | None, want: FetchPartition) -> int:
        if part is None or want.leader_epoch < 0 or want.leader_epoch == part.leader_epoch:
            return 0
        if want.leader_epoch < part.leader_epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        return ErrorCode.UNKNOWN_LEADER_EPOCH

    def _read(self, part: Partition, want: FetchPartition, room: int) -> FetchedPartition:
        """Data, a diverging epoch, or an error for a follower that is not at the log's end."""
        log, offset = part.log, want.offset
        if want.last_epoch != log.last_epoch or offset > log.end or offset < log.start:
            problem = self._misfit(part, want)
            if problem is not None:
                return problem
        i, j = log.read(offset, log.end, min(want.max_bytes, room)) if room > 0 else (0, 0)
        return FetchedPartition(
            want.partition, 0, log.high_watermark, log.start, log.bases[i:j], log.batches[i:j], log.epochs[i:j]
        )

    @staticmethod
    def _misfit(part: Partition, want: FetchPartition) -> FetchedPartition | None:
        """The follower's log is not a prefix of this one, or its position is outside (broker:REP-33).

        With OFFSET_OUT_OF_RANGE ``diverging_end`` is the log's end here: it stands for the follower's ListOffsets.
        """
        log = part.log
        if want.last_epoch >= 0:
            end = log.leader_epochs.end_of(want.last_epoch, log.end)
            if end is not None and want.offset >= log.start:
                if end[0] < want.last_epoch or end[1] < want.offset:
                    return FetchedPartition(
                        want.partition, 0, log.high_watermark, log.start, diverging_epoch=end[0], diverging_end=end[1]
                    )
                return None
        elif log.start <= want.offset <= log.end:
            return None
        error = ErrorCode.OFFSET_OUT_OF_RANGE
        return FetchedPartition(want.partition, error, log.high_watermark, log.start, diverging_end=log.end)

    def _count_fetch(self, part: Partition, view: Follower, offset: int, epoch: int, now_us: int) -> None:
        """The follower has everything below *offset*: in-sync set and high watermark may move (broker:REP-8)."""
        moved = view.end != offset
        view.broker_epoch = epoch
        view.fetched(offset, part.log.end, now_us)
        if not view.in_maximal and part.may_join(view):
            part.propose_with(view)
            self.join(part, view)
        if moved and part.advance(now_us):
            self.on_commit(part, now_us)

    def appended(self, part: Partition, now_us: int) -> None:
        """New data at the log's end: followers that wait for it are answered."""
        part.parked = False
        for view in part.views:
            parked = view.parked
            if parked is None:
                continue
            if parked.done:
                view.parked = None
            elif parked.request.min_bytes <= 1 or self._available(parked) >= parked.request.min_bytes:
                view.parked = None
                self._answer_parked(parked, now_us, part.appended_row)
            else:
                part.parked = True

    # --- consumers ----------------------------------------------------------------------------------------------------
    def _from_consumer(self, channel: Channel, request: FetchRequest, now_us: int) -> None:
        answers, found, urgent = self._read_committed(request)
        if urgent or found >= request.min_bytes or request.max_wait_us <= 0:
            self._state.finish(channel, FetchResponse(answers), None, now_us)
        else:
            self._park(channel, request, now_us)

    def _read_committed(self, request: FetchRequest) -> tuple[list[FetchedPartition], int, bool]:
        """What lies below the high watermark, its size, and whether something must be told at once (broker:VIS-1)."""
        answers: list[FetchedPartition] = []
        found, urgent = 0, False
        for want in request.partitions:
            part = self._state.partitions.get(want.partition)
            error = self._epoch_error(part, want)
            if part is None:
                error = self._state.not_here(want.partition)
            elif not error and want.last_epoch >= 0 and (problem := self._misfit(part, want)) is not None:
                answers.append(problem)  # the reader asks whether its position survived an election (KIP-320, VIS-7)
                urgent = True
                continue
            elif not error and not part.log.start <= want.offset <= part.log.end:
                error = ErrorCode.OFFSET_OUT_OF_RANGE  # broker:VIS-3, REP-43
            if part is None or error:
                answers.append(self._error(want, error))
                urgent = True
                continue
            urgent = urgent or want.last_epoch >= 0  # whether it survived is told at once (``OffsetsForLeaderEpoch``)
            log = part.log
            i, j = 0, 0
            if found < request.max_bytes:
                i, j = log.read(want.offset, log.high_watermark, min(want.max_bytes, request.max_bytes - found))
            for k in range(i, j):
                found += log.batches[k].size_bytes
            answers.append(
                FetchedPartition(
                    want.partition, 0, log.high_watermark, log.start, log.bases[i:j], log.batches[i:j], log.epochs[i:j]
                )
            )
        return answers, found, urgent

    def readable(self, part: Partition, cause: int, now_us: int) -> None:
        """The high watermark moved here: consumers that wait for it are answered (broker:REP-16)."""
        for number, parked in list(part.readers.items()):
            if parked.done:
                del part.readers[number]
            elif self._available(parked) >= parked.request.min_bytes:
                del part.readers[number]
                self._answer_parked(parked, now_us, cause)

    # --- waiting ------------------------------------------------------------------------------------------------------
    def _park(self, channel: Channel, request: FetchRequest, now_us: int) -> None:
        parked = ParkedFetch(channel, request, self._answer_parked)
        for want in request.partitions:
            part = self._state.partitions[want.partition]
            if request.replica >= 0:
                part.followers[request.replica].parked = parked
                part.parked = True
            else:
                part.readers[channel.conn.number] = parked
        self._state.deadlines.wait(parked, now_us, request.max_wait_us)

    def _available(self, parked: ParkedFetch) -> int:
        """Bytes that an answer would hold now, counted up to what is asked for."""
        request, found = parked.request, 0
        for want in request.partitions:
            part = self._state.partitions.get(want.partition)
            if part is not None:
                upto = part.log.end if request.replica >= 0 else part.log.high_watermark
                found += part.log.bytes_between(want.offset, upto, request.min_bytes - found)
                if found >= request.min_bytes:
                    break
        return found

    def _answer_parked(self, parked: ParkedFetch, now_us: int, cause: int) -> None:
        """Read again, with everything as it is now; the follower's state does not change a second time."""
        parked.done = True
        request, channel = parked.request, parked.channel
        if request.replica >= 0:
            answers, marks, _, _ = self._look(request, channel.conn.number, now_us, counts=False)
            self._tell(channel, answers, marks, cause, now_us)
        else:
            answers = self._read_committed(request)[0]
            self._state.finish(channel, FetchResponse(answers), cause, now_us)

    @staticmethod
    def waiting(part: Partition) -> list[ParkedFetch]:
        """Every long poll that waits for this partition; ask before its role changes."""
        parked = [view.parked for view in part.views if view.parked is not None]
        parked += part.readers.values()
        part.readers.clear()
        return parked

    def role_changed(self, waiting: list[ParkedFetch], cause: int, now_us: int) -> None:
        """A new leader epoch here: whoever waits learns of it now (broker:SUB-25)."""
        for parked in waiting:
            if not parked.done:
                self._answer_parked(parked, now_us, cause)

    def _error(self, want: FetchPartition, error: int) -> FetchedPartition:
        leader, leader_epoch = -1, -1
        if error in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH):
            leader, leader_epoch = self._state.hint(want.partition)
        return FetchedPartition(want.partition, error, leader=leader, leader_epoch=leader_epoch)

    # --- offsets ------------------------------------------------------------------------------------------------------
    def list_offsets(self, channel: Channel, request: ListOffsetsRequest, now_us: int) -> None:
        self._state.finish(channel, self._offset_of(request), None, now_us)

    def _offset_of(self, request: ListOffsetsRequest) -> ListOffsetsResponse:
        """The latest offset is withheld while the high watermark is below the epoch's start (broker:VIS-4). For a time
        the epoch is left out here: who asks so makes no use of it."""
        part, number = self._state.partitions.get(request.partition), request.partition
        error = self._epoch_error(part, FetchPartition(number, 0, request.leader_epoch))
        if part is None or (not part.leading and not error):
            error = self._state.not_here(number)
        if part is None or error:
            return ListOffsetsResponse(number, error)
        if request.timestamp == _EARLIEST:
            return ListOffsetsResponse(number, 0, part.log.start, part.log.leader_epochs.at(part.log.start))
        if part.log.high_watermark < part.epoch_start:
            return ListOffsetsResponse(number, ErrorCode.OFFSET_NOT_AVAILABLE)
        if request.timestamp != _LATEST:
            return ListOffsetsResponse(number, 0, part.log.offset_of_time(request.timestamp))
        return ListOffsetsResponse(number, 0, part.log.high_watermark, part.leader_epoch)
