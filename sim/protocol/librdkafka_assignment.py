"""What the application has assigned to a librdkafka consumer, and how far each partition is (``rd_kafka_assignment``).

A partition is *pending* until its committed offset is known and it is *started*; *queried* while it is being asked for,
or was in vain; *removed* until what is stored of it has been committed. The *stored* offset of a partition is behind
the last record that was handed over; timer and unassignment commit stored offsets and nothing else, so a partition from
which nothing was handed over is never committed (consumer:F4.12, F2.23).

Laws: a stored offset is forgotten with its assignment; nothing is begun while a commit is outstanding.

Sources: ``rdkafka_assignment.c``, ``rd_kafka_offset_store0``, ``rd_kafka_topic_partition_list_set_offsets``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.protocol.coordinator_client import CoordinatorClient, moved
from sim.protocol.fetch_client import FetchClient
from sim.protocol.group_messages import OffsetFetchRequest, OffsetFetchResponse
from sim.protocol.member_assignment import Names
from sim.protocol.offset_client import Offsets
from sim.protocol.reader_buffer import Assigned

__all__ = ["PartitionAssignment"]

_RETRY_US = 500_000


class PartitionAssignment:
    """``all``: what is assigned, by topic and index. *outstanding*: commits that have not ended; *unassigned*: commits
    what is stored of removed partitions; *done*: nothing is under way any more."""

    __slots__ = (
        "_app_paused", "_coordinator", "_done", "_fetches", "_group", "_lib_paused", "_names", "_not_before_us",
        "_outstanding", "_pending", "_queried", "_removed", "_started", "_unassigned", "all", "committed", "stored",
    )  # fmt: skip

    def __init__(
        self, group: int, fetches: FetchClient, coordinator: CoordinatorClient, names: Names,
        outstanding: Callable[[], int], unassigned: Callable[[Offsets, int], None], done: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._group, self._fetches, self._coordinator, self._names = group, fetches, coordinator, names
        self._outstanding, self._unassigned, self._done = outstanding, unassigned, done
        self.all: tuple[int, ...] = ()
        self._pending: dict[int, tuple[int, int] | None] = {}  # offset and epoch to begin at, None while unknown
        self._queried: dict[int, None] = {}
        self._started: dict[int, None] = {}
        self._removed: tuple[int, ...] = ()
        self._app_paused: dict[int, None] = {}
        self._lib_paused = False
        self.stored: Offsets = {}
        self.committed: Offsets = {}
        self._not_before_us = 0  # no earlier question for committed offsets

    # --- what the application changes ---------------------------------------------------------------------------------
    def add(self, partitions: Iterable[int]) -> None:
        new = self._sorted(partitions)
        for partition in new:
            self._fetches.assign(Assigned(partition, seeking=False, held=True))
            self._fetches.barrier(partition)
            self._pending[partition] = None
            self.stored.pop(partition, None)
            self.committed.pop(partition, None)
        self.all = self._sorted((*self.all, *new))

    def clear(self) -> bool:
        """Whether there was anything."""
        return self.subtract(self.all)

    def subtract(self, partitions: Iterable[int]) -> bool:
        gone = tuple(partition for partition in partitions if partition in self.all)
        self.all = tuple(partition for partition in self.all if partition not in gone)
        self._removed += gone
        return bool(gone)

    def _sorted(self, partitions: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(partitions, key=self._place))

    def _place(self, partition: int) -> tuple[bytes, int]:
        topic, index = self._names[partition]
        return topic.encode(), index

    def pause(self) -> None:
        """Until the application has served its rebalance callback nothing is handed over, and what was fetched is void
        (``RD_KAFKA_TOPPAR_F_LIB_PAUSE``)."""
        self._lib_paused = True
        for partition in self.all:
            self._fetches.barrier(partition)
        self._hold()

    def resume(self) -> None:
        self._lib_paused = False
        self._hold()

    def _hold(self) -> None:
        """Nothing is fetched of what has no position yet, or is paused by either side."""
        for partition in self.all:
            paused = self._lib_paused or partition in self._app_paused
            self._fetches.assigned[partition].held = paused or partition not in self._started

    def call(self, verb: str, partitions: Iterable[int], to: int) -> None:
        """``pause``, ``resume`` or ``seek`` by the application, of what is assigned: what was fetched and not handed
        over is void (consumer:F2.13, F2.14; ``rd_kafka_toppar_pause_resume``, ``rd_kafka_toppar_seek``)."""
        for partition in partitions:
            if partition not in self.all:
                continue
            if verb == "seek":
                self._seek(partition, to)
            elif verb == "pause":
                self._app_paused[partition] = None
            else:
                self._app_paused.pop(partition, None)
            self._fetches.barrier(partition)
        self._hold()

    def _seek(self, partition: int, to: int) -> None:
        """Only what was begun can seek. It stores nothing, and the application's position is unknown (S40)."""
        if partition in self._started:
            self._fetches.seek(partition, to)

    # --- offsets ------------------------------------------------------------------------------------------------------
    def handed_over(self, partition: int, offset: int, epoch: int, store: bool) -> None:
        """The application has been given what is before *offset* (``rd_kafka_update_app_pos``)."""
        self._fetches.assigned[partition].told = offset
        if store:
            self.store(partition, offset, epoch)

    def position(self, partition: int) -> int:
        """``rd_kafka_position``: -1001 until a record of the partition has been handed over (consumer:F2.36)."""
        one = self._fetches.assigned.get(partition)
        return -1001 if one is None else one.told

    def store(self, partition: int, offset: int, epoch: int) -> None:
        """``rd_kafka_offsets_store``"""
        self.stored[partition] = (offset, epoch)

    def to_commit(self) -> Offsets:
        """Stored offsets that are beyond what is committed (``rd_kafka_topic_partition_list_set_offsets``)."""
        nothing = (-1, -1)
        return {
            partition: self.stored[partition]
            for partition in self.all
            if partition in self.stored and _beyond(self.stored[partition], self.committed.get(partition, nothing))
        }

    # --- work ---------------------------------------------------------------------------------------------------------
    def in_progress(self) -> bool:
        return bool(self._outstanding() or self._pending or self._queried or self._removed)

    def waits(self) -> bool:
        """Whether a partition waits for the coordinator."""
        return bool(self._pending)

    def serve(self, now_us: int) -> None:
        """``rd_kafka_assignment_serve``"""
        if self._removed:
            self._serve_removals(now_us)
        if self._pending and not self._outstanding():
            self._serve_pending(now_us)
        if not self.in_progress():
            self._done(now_us)

    def _serve_removals(self, now_us: int) -> None:
        removed, self._removed = self._removed, ()
        left: Offsets = {}
        for partition in removed:
            self._pending.pop(partition, None)
            self._queried.pop(partition, None)
            for table in (self._started, self._app_paused):
                table.pop(partition, None)
            self._fetches.barrier(partition)
            self._fetches.drop(partition)
            stored = self.stored.pop(partition, None)
            if stored is not None:
                left[partition] = stored
        if left:
            self._unassigned(left, now_us)

    def _serve_pending(self, now_us: int) -> None:
        """Begin what can begin, and ask for what is committed of the rest; from the back, as librdkafka goes."""
        peer = self._coordinator.ready(now_us) if now_us >= self._not_before_us else None
        wanted: list[int] = []
        for partition, start in reversed(list(self._pending.items())):
            if start is not None:
                self._start(partition, *start, now_us)
                del self._pending[partition]
            elif peer is not None and not self._queried:
                wanted.append(partition)
                del self._pending[partition]
        if wanted and peer is not None:
            asked = self._sorted(wanted)
            self._queried = dict.fromkeys(asked)
            request = OffsetFetchRequest(self._group, asked)
            self._coordinator.ask(peer, request, lambda answer, then_us: self._told(asked, answer, then_us), now_us)

    def _start(self, partition: int, offset: int, epoch: int, now_us: int) -> None:
        """``rd_kafka_toppar_fetch_start``: a committed offset is validated by the next leader, not by this one."""
        one = self._fetches.assigned[partition]
        self._started[partition] = None
        self._fetches.drained((partition,))  # fetched behind those that began before
        one.held = partition in self._app_paused
        if offset < 0:
            self._fetches.begin_at_reset(one, now_us)
        else:
            one.offset, one.epoch, one.ahead, one.ahead_epoch = offset, epoch, offset, epoch

    def _told(self, wanted: tuple[int, ...], answer: object | None, now_us: int) -> None:
        """``rd_kafka_assignment_handle_OffsetFetch``: what is no longer asked for is nobody's business.

        One that is not the coordinator makes librdkafka look for it, and ask it for nothing: the partitions stay
        *queried*, and no other can be asked for, until they are unassigned (``rd_kafka_assignment_apply_offsets``).
        """
        offsets: Offsets = {}
        if isinstance(answer, OffsetFetchResponse) and not answer.error:
            offsets = answer.offsets
        elif isinstance(answer, OffsetFetchResponse) and moved(answer.error):
            self._coordinator.unknown()
            return
        else:
            self._not_before_us = now_us + _RETRY_US
        for partition in [partition for partition in wanted if partition in self._queried]:
            del self._queried[partition]
            self._pending[partition] = offsets.get(partition)
            if partition in offsets:
                self.committed[partition] = offsets[partition]
        self.serve(now_us)


def _beyond(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the one offset and leader epoch is behind the other: a newer epoch counts more than the offset, where
    both are known, so that what a truncation took back is committed too (``rd_kafka_fetch_pos_cmp``)."""
    if -1 not in (one[1], other[1]) and one[1] != other[1]:
        return one[1] > other[1]
    return one[0] > other[0]
