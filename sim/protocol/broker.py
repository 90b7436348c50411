"""A broker: it serves clients and followers, follows other leaders, and obeys the controller.

The parts do the work: ``broker_channels`` (one request at a time from each connection), ``broker_produce`` (append
path), ``broker_fetch`` (what is served), ``fetcher`` (what is fetched), ``broker_link`` (controller),
``group_coordinator`` (consumer groups whose partition of ``__consumer_offsets`` it leads). This role hands
each stimulus to its part and carries out what metadata says.

Laws: metadata is applied in the controller's order, and a partition state whose epoch is not newer is ignored
(``broker:INV-16``); a partition that is led here is in no fetcher, one that is followed in exactly one
(``broker:INV-14``).

Handling takes no simulated time: the network adds the delay. A broker does not listen before it was let into the
cluster (``listening``, ``broker:NET-17``); the host refuses connections until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from sim.protocol.broker_channels import Channel
from sim.protocol.broker_fetch import FetchService
from sim.protocol.broker_link import ControllerLink
from sim.protocol.broker_produce import ProduceService
from sim.protocol.broker_state import BrokerState, Durable
from sim.protocol.fetcher import Fetcher
from sim.protocol.group_coordinator import GroupCoordinator
from sim.protocol.log import Log
from sim.protocol.messages import (
    AlterPartitionResponse,
    BrokerHeartbeatResponse,
    BrokerRegistrationResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    InitProducerIdRequest,
    InitProducerIdResponse,
    ListOffsetsRequest,
    MetadataRequest,
    MetadataUpdate,
    PartitionState,
    ProduceRequest,
)
from sim.protocol.port import Connection, Port
from sim.protocol.replication import Follower, Partition
from sim.protocol.rows import Kind
from sim.protocol.settings import BrokerSettings, CoordinatorSettings, GroupDirectory, Rules, TopicSettings

__all__ = ["Broker", "Durable"]

_IDS_PER_BROKER = 1_000_000
_INITIAL_TASK_DELAY_US = 30_000_000  # log.initial.task.delay.ms
_NEVER = 1 << 61
_SHUTDOWN_PATIENCE_US = 300_000_000  # a broker stops after five minutes, whatever the controller says


class Broker:
    """The role of one broker process, from its start to its end."""

    __slots__ = (
        "_channels", "_fetchers", "_fetches", "_handlers", "_kept", "_marks", "_me", "_port", "_produces",
        "_producer_ids", "_settled", "_stopped", "coordinator", "link", "listening", "state",
    )  # fmt: skip

    def __init__(
        self, port: Port, broker_id: int, settings: BrokerSettings, rules: Rules, topics: dict[int, TopicSettings],
        durable: Durable | None = None, controller_host: int = 0,
        groups: GroupDirectory | None = None, coordinators: CoordinatorSettings | None = None,
    ) -> None:  # fmt: skip
        kept = durable or Durable()
        self._port, self._kept = port, kept
        self.state = BrokerState(port, broker_id, settings, rules, topics)
        self.link = ControllerLink(
            self.state, controller_host, kept.incarnation + 1, kept.clean_epoch,
            self._isr_committed, self._let_in, self._stop,
        )  # fmt: skip
        self._fetches = FetchService(self.state, self._ask_to_join)
        self._produces = ProduceService(self.state, self._fetches)
        self.coordinator = GroupCoordinator(
            self.state, self._fetches, self._produces, groups or GroupDirectory(), coordinators or CoordinatorSettings()
        )
        self._fetchers: dict[int, Fetcher] = {}  # by source broker
        self._producer_ids = kept.producer_ids
        self._marks = {number: log.high_watermark for number, log in kept.logs.items()}  # the checkpoint file
        self._settled: MetadataUpdate | None = None
        self._stopped = False
        self.listening = False
        self._me, self._channels = broker_id, self.state.channels
        self._handlers: dict[type, Callable[[Channel, Any, int], None]] = {
            ProduceRequest: self._produces.handle,
            FetchRequest: self._fetches.handle,
            ListOffsetsRequest: self._fetches.list_offsets,
            MetadataRequest: self._describe,
            InitProducerIdRequest: self._give_id,
            **self.coordinator.handlers(),
        }

    # --- life ---------------------------------------------------------------------------------------------------------
    def adopt(self, metadata: MetadataUpdate) -> None:
        """Before ``start``: the broker is registered and let in, in a cluster that has settled on *metadata*."""
        self._settled = metadata

    def start(self, now_us: int) -> None:
        settings, state = self.state.settings, self.state
        phase_us = None
        if self._settled is not None:
            state.epoch = self._settled.brokers[state.me][0]
            self.listening, self.link.fenced = True, False
            self._apply(self._settled, now_us)
            phase_us = self._port.draw("heartbeat") * settings.heartbeat_interval_us >> 32
        self.link.begin(now_us, phase_us)
        at = state.deadlines.at
        shrink_us = settings.replica_lag_time_max_us // 2
        past_us = self._port.draw("isr-expiration") * shrink_us >> 32 if self._settled is not None else 0
        at(now_us + shrink_us - past_us, self._shrink)
        at(now_us + settings.high_watermark_checkpoint_us, self._checkpoint)
        at(now_us + settings.producer_id_expiration_check_us, self._expire_producers)
        at(now_us + _INITIAL_TASK_DELAY_US, self._retain)
        if any(topic.flush_us < _NEVER for topic in state.topics.values()):
            at(now_us + _INITIAL_TASK_DELAY_US, self._flush)
        self._go_on(now_us)

    def shut_down(self, now_us: int) -> None:
        """Begin a controlled shutdown; ``port.stopped()`` tells its end (broker:FAIL-16)."""
        self.link.shut_down(now_us)
        self.state.deadlines.at(now_us + _SHUTDOWN_PATIENCE_US, self._stop)

    def _stop(self, now_us: int) -> None:
        """The process ends: sockets are closed, what was not begun is dropped (broker:NET-16), logs are flushed
        (``LogManager.shutdown``)."""
        if self._stopped:
            return
        self._stopped = True
        for part in self.state.partitions.values():
            part.log.flush(now_us)
        self.listening = False
        for channel in list(self.state.channels.by_number.values()):
            self.state.channels.close(channel)
        for fetcher in self._fetchers.values():
            fetcher.close()
        self.link.close()
        self._port.stopped()

    def lost(self) -> tuple[int, ...]:
        """Partitions of whose log the host's last crash took a part."""
        return tuple(number for number, kept in self._kept.logs.items() if kept.lost_from >= 0)

    def fetches_of(self, partition: int) -> dict[int, FetchPartition]:
        """By source broker: what is, or will next be, asked of it for the partition."""
        found = [(source, fetcher.partitions.get(partition)) for source, fetcher in self._fetchers.items()]
        return {source: followed.want for source, followed in found if followed is not None}

    def crash(self, lossy: bool = False) -> Durable:
        """End at once and say what is left; after a controlled shutdown, everything (broker:FAIL-17)."""
        clean = self._stopped
        logs = dict(self._kept.logs)  # replicas that no metadata has named yet are still on the disk
        found = {number: part.log for number, part in self.state.partitions.items()}
        if lossy and not clean:  # what an earlier end of the process left unflushed goes too
            unnamed = logs.keys() - found.keys()
            found |= {number: Log.recover(number, TopicSettings(), logs[number]) for number in sorted(unnamed)}
        for number, log in found.items():
            mark, end = log.high_watermark if clean else self._marks.get(number, 0), log.end
            kept = logs[number] = log.survive(lossy and not clean, mark)
            if kept.lost_from >= 0:  # without this row the log of the trace would keep what the disk has lost
                self._port.record(Kind.TRUNCATE, partition=number, offset=kept.lost_from, n=end - kept.lost_from)
        return Durable(logs, self.link.incarnation, self._producer_ids, self.state.epoch if clean else -1)

    # --- stimuli ------------------------------------------------------------------------------------------------------
    def on_message(self, conn: Connection, message: object, now_us: int) -> None:
        channels = self._channels
        if conn.client == self._me:
            fetcher = self._fetchers.get(conn.server)
            if fetcher is not None and conn is fetcher.conn:
                fetcher.answered(cast(FetchResponse, message), now_us)
            elif conn is self.link.conn:
                self._on_controller(message, now_us)
        else:
            channel = channels.arrived(conn, message, now_us)
            if channel is not None:
                self._handlers[type(message)](channel, message, now_us)
        if channels.ready:
            self._go_on(now_us)

    def _go_on(self, now_us: int) -> None:
        """Connections that became free go on with what they have buffered, first come, first served (broker:NET-9)."""
        channels = self.state.channels
        while channels.ready:
            channel = channels.ready.popleft()
            message = channels.next_request(channel, now_us)
            if message is not None:
                self._handlers[type(message)](channel, message, now_us)

    def _on_controller(self, message: object, now_us: int) -> None:
        match message:
            case MetadataUpdate():
                self._apply(message, now_us)
                self.link.caught_up(now_us)
            case BrokerHeartbeatResponse():
                self.link.heartbeat_answered(message, now_us)
            case AlterPartitionResponse():
                self.link.altered(message, now_us)
            case BrokerRegistrationResponse():
                self.link.registered(message, now_us)
            case _:
                raise TypeError(f"a broker does not understand {message!r} from the controller")

    def on_connected(self, conn: Connection, now_us: int) -> None:
        if conn is self.link.conn:
            self.link.opened(now_us)
            return
        fetcher = self._fetchers.get(conn.server)
        if fetcher is not None and conn is fetcher.conn:
            fetcher.opened(now_us)

    def on_disconnected(self, conn: Connection, now_us: int) -> None:
        if conn.client != self.state.me:
            self.state.channels.left(conn)
        elif conn is self.link.conn:
            self.link.lost(now_us)
        else:
            fetcher = self._fetchers.get(conn.server)
            if fetcher is not None and conn is fetcher.conn:
                fetcher.lost(now_us)
        self._go_on(now_us)

    def on_alarm(self, now_us: int) -> None:
        self.state.deadlines.ring(now_us)
        self._go_on(now_us)

    # --- small requests -----------------------------------------------------------------------------------------------
    def _describe(self, channel: Channel, request: MetadataRequest, now_us: int) -> None:
        self.state.finish(channel, self.state.describe(request.topics), None, now_us)

    def _give_id(self, channel: Channel, request: InitProducerIdRequest, now_us: int) -> None:
        self._producer_ids += 1
        pid = self.state.me * _IDS_PER_BROKER + self._producer_ids
        self.state.finish(channel, InitProducerIdResponse(0, pid, 0), None, now_us)

    # --- metadata -----------------------------------------------------------------------------------------------------
    def _apply(self, update: MetadataUpdate, now_us: int) -> None:
        state = self.state
        if update.offset <= state.applied:
            return
        state.applied = update.offset
        state.registry.clear()
        state.registry.update(update.brokers)
        for topic, partitions in update.topics.items():
            state.topic_partitions[topic] = partitions
            state.topic_of.update(dict.fromkeys(partitions, topic))
        fresh = [s for s in update.partitions if self._is_newer(s)]
        for partition in fresh:  # clients may be told before any role changes (broker:FAIL-8)
            state.metadata[partition.partition] = partition
        for partition in fresh:
            self._take_role(partition, update.rows.get(partition.partition, self._port.cause), now_us)
        for source in sorted(self._fetchers):
            self._tend(self._fetchers[source], now_us)

    def _is_newer(self, new: PartitionState) -> bool:
        known = self.state.metadata.get(new.partition)
        return known is None or new.partition_epoch > known.partition_epoch

    def _take_role(self, new: PartitionState, cause: int, now_us: int) -> None:
        state, number = self.state, new.partition
        if state.me not in new.replicas:
            self._give_up(number, now_us)
            return
        part = state.partitions.get(number)
        if part is None:
            part = state.partitions[number] = self._open(number, now_us)
        if new.partition_epoch <= part.partition_epoch:
            return  # the answer to an AlterPartition was faster
        waiting = self._fetches.waiting(part) if new.leader_epoch > part.leader_epoch else []
        if new.leader == state.me:
            self._lead(part, new, cause, now_us)
        else:
            self._follow(part, new, cause, now_us)
        self._fetches.role_changed(waiting, cause, now_us)

    def _open(self, number: int, now_us: int) -> Partition:
        """The replica as it is on the disk, or a new one."""
        state = self.state
        settings = state.topics[state.topic_of[number]]
        kept = self._kept.logs.get(number)
        log = Log.recover(number, settings, kept) if kept is not None else Log(number, settings)
        log.flushed_us = now_us
        return Partition(number, state.me, log, settings, state.settings, state.rules, state.registry)

    def _lead(self, part: Partition, new: PartitionState, cause: int, now_us: int) -> None:
        for fetcher in self._fetchers.values():
            fetcher.remove(part.number)
        if part.lead(new, now_us):
            self._port.record(
                Kind.LEADS, cause=cause, partition=part.number, lep=new.leader_epoch, offset=part.log.end
            )
        if part.advance(now_us):
            self._produces.committed(part, now_us)
        self.coordinator.elected(part, now_us)

    def _follow(self, part: Partition, new: PartitionState, cause: int, now_us: int) -> None:
        was_leading = part.leading
        new_epoch = part.follow(new)
        # On its way out it is told first that it is in no in-sync set more (ReplicaManager.applyLocalFollowersDelta).
        leaves = self.link.shutting_down and self.state.me not in new.isr
        if new_epoch or leaves:
            for fetcher in self._fetchers.values():
                fetcher.remove(part.number)
        if new_epoch:
            cause = self._port.record(
                Kind.FOLLOWS, cause=cause, partition=part.number, lep=new.leader_epoch, n=new.leader
            )
            if new.leader >= 0 and not leaves:
                self._fetcher(new.leader).add(part, cause)
            if was_leading:
                self.coordinator.resigned(part.number, now_us)
                self._produces.leadership_lost(part, cause, now_us)

    def _give_up(self, number: int, now_us: int) -> None:
        """No longer a replica of it: the log is deleted (broker:TOP-8)."""
        part = self.state.partitions.pop(number, None)
        self._kept.logs.pop(number, None)
        for fetcher in self._fetchers.values():
            fetcher.remove(number)
        if part is not None:
            waiting = self._fetches.waiting(part)
            self.coordinator.resigned(number, now_us)
            self._produces.leadership_lost(part, self._port.cause, now_us)
            self._fetches.role_changed(waiting, self._port.cause, now_us)

    # --- following ----------------------------------------------------------------------------------------------------
    def _fetcher(self, source: int) -> Fetcher:
        fetcher = self._fetchers.get(source)
        if fetcher is None:
            fetcher = self._fetchers[source] = Fetcher(self.state, source, self._fetches.readable)
        return fetcher

    def _tend(self, fetcher: Fetcher, now_us: int) -> None:
        """After metadata: a fetcher with nothing to fetch ends, others may have more to ask for."""
        if fetcher.partitions:
            fetcher.pump(now_us)
        else:
            fetcher.close()
            del self._fetchers[fetcher.source]

    # --- in-sync sets -------------------------------------------------------------------------------------------------
    def _ask_to_join(self, part: Partition, view: Follower) -> None:
        self.link.ask(part)

    def _isr_committed(self, part: Partition, now_us: int) -> None:
        if part.advance(now_us):
            self._produces.committed(part, now_us)

    def _shrink(self, now_us: int) -> None:
        """Every half lag time: members that have fallen behind are to leave (broker:REP-25)."""
        for part in self.state.partitions.values():
            behind = part.laggards(now_us)
            if behind:
                part.propose_without(behind)
                self.link.ask(part)
        self.state.deadlines.at(now_us + self.state.settings.replica_lag_time_max_us // 2, self._shrink)

    def _let_in(self, now_us: int) -> None:
        self.listening = True

    # --- periodic -----------------------------------------------------------------------------------------------------
    def _checkpoint(self, now_us: int) -> None:
        self._marks = {number: part.log.high_watermark for number, part in self.state.partitions.items()}
        self.state.deadlines.at(now_us + self.state.settings.high_watermark_checkpoint_us, self._checkpoint)

    def _expire_producers(self, now_us: int) -> None:
        settings = self.state.settings
        for part in self.state.partitions.values():
            part.log.producers.expire(now_us, settings.producer_id_expiration_us)
        self.state.deadlines.at(now_us + settings.producer_id_expiration_check_us, self._expire_producers)

    def _flush(self, now_us: int) -> None:
        """Logs that were not flushed for ``flush.ms``: 30 s after the start, then at each scheduler interval."""
        for part in self.state.partitions.values():
            part.log.flush_if_due(now_us)
        if 0 < self.state.settings.log_flush_scheduler_us < _NEVER:
            self.state.deadlines.at(now_us + self.state.settings.log_flush_scheduler_us, self._flush)

    def _retain(self, now_us: int) -> None:
        """Old segments wholly below the high watermark go; followers copy the leader's start (broker:VIS-6)."""
        for part in self.state.partitions.values():
            if part.leading and not part.log.settings.compact and part.log.retain(now_us):
                self._port.record(Kind.LOG_START, partition=part.number, offset=part.log.start)
        self.state.deadlines.at(now_us + self.state.settings.retention_check_us, self._retain)
