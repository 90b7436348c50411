"""Group coordinators of one broker: for each partition of ``__consumer_offsets`` that it leads, the groups in it.

What a coordinator decides it appends to that partition, and answers when the record is replicated; an answer without a
record waits for the records before it (``CoordinatorRuntime``). State changes when a record is appended: if that is
never replicated, the broker has lost the partition, and with it the state. A new leader reads the log and goes on from
there (consumer:F3.9).

Law: of every request one answer; nothing is answered from a state that another coordinator may have replaced, except
by a leader that does not know yet that it has been replaced, as in Kafka.

Simplified: the log is read in 10 ms and 1 us a record; ``__consumer_offsets`` is not compacted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sim.protocol.broker_channels import Channel
from sim.protocol.broker_fetch import FetchService
from sim.protocol.broker_produce import ProduceService
from sim.protocol.broker_state import BrokerState
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_classic import ClassicGroup
from sim.protocol.group_messages import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupRecord,
    CoordinatorRecord,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    GroupBatch,
    GroupRecord,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetRecord,
    SyncGroupRequest,
    SyncGroupResponse,
)
from sim.protocol.group_modern import ModernGroup
from sim.protocol.group_offsets import CommittedOffsets
from sim.protocol.replication import Partition
from sim.protocol.rows import Kind
from sim.protocol.settings import CoordinatorSettings, GroupDirectory

__all__ = ["GroupCoordinator"]

_LOAD_US, _LOAD_RECORD_US = 10_000, 1
_RECORD_BYTES = 150
Then = Callable[[int, int], None]  # error (0: replicated), time
Group = ClassicGroup | ModernGroup


class PendingWrite:
    """A record that is not replicated yet; stands in ``Partition.waiting`` beside produces.

    *late* is called where it is replicated only after the answer had to be given.
    """

    __slots__ = ("_late", "_then", "deadline_us", "done")

    def __init__(self, then: Then, late: Callable[[], object] | None) -> None:
        self._then, self._late = then, late
        self.done = False
        self.deadline_us = 0

    def satisfied(self, index: int, cause: int, now_us: int) -> None:
        if self.done and self._late is not None:
            self._late()
        self._end(0, now_us)

    def refused(self, index: int, error: int, leader: int, leader_epoch: int, cause: int, now_us: int) -> None:
        self._end(ErrorCode.NOT_COORDINATOR, now_us)

    def expire(self, now_us: int) -> None:
        self._end(ErrorCode.COORDINATOR_NOT_AVAILABLE, now_us)

    def _end(self, error: int, now_us: int) -> None:
        if not self.done:
            self.done = True
            self._then(error, now_us)


class _Shard:
    """One partition of ``__consumer_offsets`` that is led here, and the groups in it (:class:`Home`)."""

    __slots__ = (
        "_broker", "_directory", "_fetches", "_produces", "alive", "groups", "loading", "offsets", "part", "settings",
    )  # fmt: skip

    def __init__(
        self, broker: BrokerState, fetches: FetchService, produces: ProduceService, part: Partition,
        settings: CoordinatorSettings, directory: GroupDirectory,
    ) -> None:  # fmt: skip
        self._broker, self._fetches, self._produces, self._directory = broker, fetches, produces, directory
        self.part, self.settings = part, settings
        self.groups: dict[int, Group] = {}
        self.offsets = CommittedOffsets()
        self.loading, self.alive = True, True

    # --- loading ------------------------------------------------------------------------------------------------------
    def load(self, now_us: int) -> None:
        """Everything up to the log's end counts, replicated or not."""
        for batch in self.part.log.batches:
            assert isinstance(batch, GroupBatch)
            self.tell(batch)
            for record in batch.records:
                if isinstance(record, OffsetRecord):
                    self.offsets.store(record)
                else:
                    self.group(record.group).load(record)
        self.loading = False
        for group in self.groups.values():
            group.loaded(now_us)

    def group(self, number: int) -> Group:
        known = self.groups.get(number)
        if known is None:
            modern = number in self._directory.modern
            known = self.groups[number] = ModernGroup(self, number) if modern else ClassicGroup(self, number)
        return known

    def classic(self, number: int) -> ClassicGroup:
        group = self.group(number)
        assert isinstance(group, ClassicGroup)  # a scenario has members of one protocol in a group
        return group

    def modern(self, number: int) -> ModernGroup:
        group = self.group(number)
        assert isinstance(group, ModernGroup)
        return group

    # --- topics, as this broker knows them ----------------------------------------------------------------------------
    def topic_names(self) -> Mapping[int, str]:
        return self._directory.topic_names

    def topic_id(self, topic: int) -> int:
        return self._directory.topic_ids[topic]

    def topic_partitions(self, topic: int) -> tuple[int, ...]:
        return self._broker.topic_partitions.get(topic, ())

    # --- writing ------------------------------------------------------------------------------------------------------
    def write(self, record: GroupRecord | ConsumerGroupRecord, now_us: int, then: Then) -> None:
        self._append((record,), now_us)
        self.when_replicated(now_us, then)

    def store(self, request: OffsetCommitRequest, host: int, now_us: int) -> GroupBatch:
        """Take a commit of the member on *host* and append it."""
        records = tuple(OffsetRecord(request.group, p, o, e) for p, (o, e) in request.offsets.items())
        for record in records:
            self.offsets.store(record)
        return self._append(records, now_us, request, host)

    def tell(self, batch: GroupBatch) -> None:
        """The offsets in *batch* are stored for good: the rows that say so, once."""
        request = batch.commit
        if request is None or batch.told:
            return
        batch.told = True
        for partition, (offset, _) in request.offsets.items():
            self._broker.port.record(
                Kind.COMMIT, host=batch.host, partition=partition, offset=offset, epoch=request.generation, n=1,
                seq=int(request.auto), lo=batch.row,
            )  # fmt: skip

    def _append(
        self, records: tuple[CoordinatorRecord, ...], now_us: int, commit: OffsetCommitRequest | None = None,
        host: int = -1,
    ) -> GroupBatch:  # fmt: skip
        """As a leader appends: with acks=1, so that too small an in-sync set shows as a wait (PartitionWriter)."""
        part, port = self.part, self._broker.port
        count = len(records)
        row = port.record(
            Kind.APPEND, partition=part.number, offset=part.log.end, lep=part.leader_epoch, hi=count, n=count
        )
        batch = GroupBatch(
            -1, part.number, row, row + count, _RECORD_BYTES * count, row=row, records=records, commit=commit, host=host
        )
        part.log.append(batch, part.leader_epoch, now_us)
        part.appended_row = row
        if part.alone and part.advance(now_us):
            self._produces.committed(part, now_us)
        if part.parked:
            self._fetches.appended(part, now_us)
        return batch

    def when_replicated(self, now_us: int, then: Then, late: Callable[[], object] | None = None) -> None:
        """Once everything that is in the log now is below the high watermark."""
        log = self.part.log
        if log.high_watermark >= log.end:
            then(0, now_us)
            return
        pending = PendingWrite(then, late)
        self.part.waiting.append((log.end, 0, pending))
        self._broker.deadlines.wait(pending, now_us, self.settings.offsets_commit_timeout_us)

    # --- answering ----------------------------------------------------------------------------------------------------
    def reply(self, channel: Channel, response: object, now_us: int) -> None:
        self._broker.finish(channel, response, None, now_us)

    def reply_in_order(self, channel: Channel, response: object, now_us: int) -> None:
        def answer(error: int, then_us: int) -> None:
            if error:
                response.error = error  # type: ignore[attr-defined]
            self._broker.finish(channel, response, None, then_us)

        self.when_replicated(now_us, answer)

    def at(self, time_us: int, ring: Callable[[int], None]) -> None:
        self._broker.deadlines.at(time_us, lambda then_us: ring(then_us) if self.alive else None)

    def record(self, kind: Kind, group: int, epoch: int, n: int, code: int = 0) -> None:
        self._broker.port.record(kind, partition=self.part.number, pid=group, epoch=epoch, n=n, code=code)

    def new_member_id(self, client: str, channel: Channel) -> str:
        """Kafka appends a random UUID. Each process has draws of its own: ids order the members for the assignors, and
        who has which partition should not hang on whose request came first by a microsecond."""
        draws = [self._broker.port.draw(f"member-id/{channel.conn.client}") for _ in range(4)]
        digits = "".join(f"{draw:08x}" for draw in draws)
        return f"{client}-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class GroupCoordinator:
    """Requests of groups to one broker."""

    __slots__ = ("_broker", "_directory", "_fetches", "_homes", "_numbers", "_produces", "_settings", "_shards")

    def __init__(
        self, broker: BrokerState, fetches: FetchService, produces: ProduceService, directory: GroupDirectory,
        settings: CoordinatorSettings,
    ) -> None:  # fmt: skip
        self._broker, self._fetches, self._produces, self._directory = broker, fetches, produces, directory
        self._homes, self._settings = dict(directory.homes), settings
        self._numbers = dict.fromkeys(self._homes.values())  # an ordered set
        self._shards: dict[int, _Shard] = {}

    def handlers(self) -> dict[type, Callable[[Channel, Any, int], None]]:
        return {
            FindCoordinatorRequest: self._find,
            JoinGroupRequest: self._join,
            SyncGroupRequest: self._sync,
            HeartbeatRequest: self._heartbeat,
            LeaveGroupRequest: self._leave,
            ConsumerGroupHeartbeatRequest: self._consumer_heartbeat,
            OffsetCommitRequest: self._commit,
            OffsetFetchRequest: self._fetch,
        }

    def groups(self) -> list[Group]:
        """The groups that this broker coordinates."""
        return [group for shard in self._shards.values() for group in shard.groups.values()]

    # --- leadership of __consumer_offsets -----------------------------------------------------------------------------
    def elected(self, part: Partition, now_us: int) -> None:
        """The partition is led here; one that was led here before keeps its state."""
        if part.number not in self._numbers or part.number in self._shards:
            return
        shard = _Shard(self._broker, self._fetches, self._produces, part, self._settings, self._directory)
        self._shards[part.number] = shard
        records = sum(batch.count for batch in part.log.batches)
        if records:
            shard.at(now_us + _LOAD_US + records * _LOAD_RECORD_US, shard.load)
        else:
            shard.load(now_us)

    def resigned(self, number: int, now_us: int) -> None:
        shard = self._shards.pop(number, None)
        if shard is not None:
            for group in shard.groups.values():
                group.resign(now_us)
            shard.alive = False

    # --- requests -----------------------------------------------------------------------------------------------------
    def _find(self, channel: Channel, request: FindCoordinatorRequest, now_us: int) -> None:
        """Any broker answers, from its metadata."""
        known = self._broker.metadata.get(self._homes[request.group])
        leader = -1 if known is None else known.leader
        alive = leader in self._broker.registry and not self._broker.registry[leader][1]
        response = FindCoordinatorResponse(0, leader) if alive else FindCoordinatorResponse(
            ErrorCode.COORDINATOR_NOT_AVAILABLE
        )  # fmt: skip
        self._broker.finish(channel, response, None, now_us)

    def _of(self, group: int) -> tuple[_Shard | None, int]:
        """The group's coordinator here, or why there is none."""
        shard = self._shards.get(self._homes[group])
        if shard is None:
            return None, ErrorCode.NOT_COORDINATOR
        if shard.loading:
            return None, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        return shard, 0

    def _join(self, channel: Channel, request: JoinGroupRequest, now_us: int) -> None:
        shard, error = self._of(request.group)
        if shard is None:
            self._broker.finish(channel, JoinGroupResponse(error, member=request.member), None, now_us)
        else:
            shard.classic(request.group).join(channel, request, now_us)

    def _sync(self, channel: Channel, request: SyncGroupRequest, now_us: int) -> None:
        shard, error = self._of(request.group)
        if shard is None:
            self._broker.finish(channel, SyncGroupResponse(error), None, now_us)
        else:
            shard.classic(request.group).sync(channel, request, now_us)

    def _heartbeat(self, channel: Channel, request: HeartbeatRequest, now_us: int) -> None:
        shard, error = self._of(request.group)
        if shard is None:
            # While it loads, a coordinator takes a heartbeat for good (``GroupCoordinatorService.heartbeat``).
            loading = error == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
            self._broker.finish(channel, HeartbeatResponse(0 if loading else error), None, now_us)
        else:
            shard.classic(request.group).heartbeat(channel, request, now_us)

    def _leave(self, channel: Channel, request: LeaveGroupRequest, now_us: int) -> None:
        shard, error = self._of(request.group)
        if shard is None:
            self._broker.finish(channel, LeaveGroupResponse(error), None, now_us)
        else:
            shard.classic(request.group).leave(channel, request, now_us)

    def _consumer_heartbeat(self, channel: Channel, request: ConsumerGroupHeartbeatRequest, now_us: int) -> None:
        shard, error = self._of(request.group)
        if shard is None:
            self._broker.finish(channel, ConsumerGroupHeartbeatResponse(error), None, now_us)
        else:
            shard.modern(request.group).heartbeat(channel, request, now_us)

    def _commit(self, channel: Channel, request: OffsetCommitRequest, now_us: int) -> None:
        shard, error = self._of(request.group)
        group = None if shard is None else shard.group(request.group)
        if group is not None:
            error = group.objection(request)
        if shard is None or group is None:
            self._refuse_commit(channel, request, error, now_us)
        elif error:
            refusal = error
            shard.when_replicated(now_us, lambda _, then_us: self._refuse_commit(channel, request, refusal, then_us))
        else:
            group.committed(request, now_us)
            batch, stored = shard.store(request, channel.conn.client, now_us), shard.tell

            def answer(failed: int, then_us: int) -> None:
                """Where it could not be replicated in time, nobody can say yet whether it counts."""
                if not failed:
                    stored(batch)
                self._broker.finish(channel, OffsetCommitResponse(failed), None, then_us)

            shard.when_replicated(now_us, answer, lambda: stored(batch))

    def _refuse_commit(self, channel: Channel, request: OffsetCommitRequest, error: int, now_us: int) -> None:
        for partition, (offset, _) in request.offsets.items():
            self._broker.port.record(
                Kind.COMMIT, host=channel.conn.client, partition=partition, offset=offset, epoch=request.generation,
                n=0, code=error, seq=int(request.auto),
            )  # fmt: skip
        self._broker.finish(channel, OffsetCommitResponse(error), None, now_us)

    def _fetch(self, channel: Channel, request: OffsetFetchRequest, now_us: int) -> None:
        """A stable fetch is ordered behind earlier writes (consumer:F2.21)."""
        shard, error = self._of(request.group)
        if shard is None:
            self._broker.finish(channel, OffsetFetchResponse(error), None, now_us)
        elif refusal := shard.group(request.group).fetch_objection(request):
            self._broker.finish(channel, OffsetFetchResponse(refusal), None, now_us)
        else:
            offsets = shard.offsets.fetch(request.group, request.partitions)
            shard.reply_in_order(channel, OffsetFetchResponse(0, offsets), now_us)
