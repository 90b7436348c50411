"""What every consumer does to have records: metadata, positions by the reset policy, fetches.

Rules: one fetch in flight per broker (consumer:F2.4), long polls answered by the broker; a stale answer, for an offset
that is not the next, is dropped (F2.12); out of range resets by policy (F2.28, F2.30, S24); a position that came
from a consumed record is checked when the leader or its epoch changes (F2.24) and moved to the point of divergence
(F2.26). Reads uncommitted. What has been fetched and not handed over yet is :mod:`sim.protocol.reader_buffer`'s, or,
for a librdkafka member, which fetches ahead of what it hands over, :mod:`sim.protocol.librdkafka_messages`'s.

Simplified: the check of a position rides on the first fetch to the new leader (Kafka asks OffsetsForLeaderEpoch first,
one round trip more); a partition whose answer asked for new metadata waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sim.protocol.client_network import Backoff, MetadataCache
from sim.protocol.client_peers import Peer, Peers
from sim.protocol.error_codes import ErrorCode
from sim.protocol.librdkafka_messages import MessageQueue
from sim.protocol.messages import (
    FetchedPartition,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    MetadataResponse,
)
from sim.protocol.port import Port
from sim.protocol.reader_buffer import Assigned, FetchBuffer
from sim.protocol.rows import Kind
from sim.protocol.settings import ReaderSettings

__all__ = ["FetchClient"]

_NEVER = 1 << 62
_RESET_US = 100_000  # librdkafka: before a reset asks for its offset (rd_kafka_offset_reset)
_ASK_AGAIN_US = 500_000  # ... without a leader, or after an error (rd_kafka_toppar_offset_request, ..._handle_Offset)
_TIMESTAMPS = {"earliest": -2, "latest": -1}
_ASKS_METADATA = frozenset(
    (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REPLICA_NOT_AVAILABLE, ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.OFFSET_NOT_AVAILABLE,
    )
)  # fmt: skip


class FetchClient:
    """The fetching side of a consumer.

    ``names``: topic name and index of each partition, for the order in which one Java poll shows several partitions
    (without them: order of arrival). ``one_buffered_holds_node``: see ``MemberSettings``; a reader, which hands over at
    once, never holds anything back. ``queue``: of a librdkafka member.
    """

    def __init__(
        self, port: Port, settings: ReaderSettings, topics: tuple[int, ...], bootstrap: tuple[int, ...],
        names: Mapping[int, tuple[str, int]] | None = None, one_buffered_holds_node: bool = True,
        queue: MessageQueue | None = None,
    ) -> None:  # fmt: skip
        self._port, self._settings, self._queue = port, settings, queue
        self._librdkafka = settings.flavour == "librdkafka"
        self._log_starts: dict[int, int] = {}  # with a queue: as the last answer told it, -1 an error did
        self._asked_versions: dict[int, dict[int, int]] = {}  # of a fetch in flight with a queue, by peer and partition
        self._version = 0
        self._own_topics = self._topics = topics
        self._bootstrap = bootstrap
        self._strict = one_buffered_holds_node
        self.assigned: dict[int, Assigned] = {}
        self._order: list[int] = []  # drained partitions move to the tail (F2.9)
        self.cache = MetadataCache()
        self.peers = Peers(port, settings)
        self._retry = Backoff(settings.retry_backoff_us, settings.retry_backoff_us)
        self.buffer = FetchBuffer(port, settings.max_poll_records, names if settings.flavour == "java" else None)
        self._refresh = True
        self._asking_metadata = False
        self._metadata_not_before_us = 0
        self._metadata_old_at_us = _NEVER

    # --- what the role asks -------------------------------------------------------------------------------------------
    def assign(self, one: Assigned) -> None:
        self.assigned[one.partition] = one
        self._order.append(one.partition)
        if self.cache.leader(one.partition) < 0:
            self._refresh = True

    def drop(self, partition: int) -> None:
        """No longer assigned: position and buffered records are gone."""
        one = self.assigned.pop(partition)
        one.gone = True
        self._order.remove(partition)

    def seek(self, partition: int, offset: int) -> None:
        """Librdkafka: to an offset without epoch, which is not validated."""
        one = self.assigned[partition]
        if one.seeking:
            one.not_before_us = 0
        one.seeking = one.asked = one.stuck = one.check = False
        one.offset, one.epoch, one.told = offset, -1, -1001
        self._port.record(Kind.SEEK, partition=partition, offset=offset)

    def barrier(self, partition: int) -> None:
        """Librdkafka: what was fetched of it and not handed over is void (``rd_kafka_toppar_op_version_bump``)."""
        one = self.assigned[partition]
        assert self._queue is not None
        self._version += 1
        one.version = self._version
        self._queue.barrier(one)

    def pause_all(self, paused: bool) -> None:
        """``pause()`` or ``resume()`` of everything that is assigned."""
        for one in self.assigned.values():
            one.paused = paused

    def call(self, verb: str, partitions: Iterable[int], to: int) -> None:
        """``pause``, ``resume`` or ``seek`` of those that are assigned (consumer:F2.13, F2.14)."""
        for partition in partitions:
            one = self.assigned.get(partition)
            if one is None:
                continue
            if verb == "seek":
                self._seek(one, to)
            else:
                one.paused = verb == "pause"

    def _seek(self, one: Assigned, to: int) -> None:
        """To an offset at once, without epoch, so that it is not validated; to beginning or end by a lookup."""
        stuck = one.stuck
        one.stuck = one.held = one.asked = one.check = one.nothing_young = False
        one.epoch, one.why, one.not_before_us = -1, 0, 0
        one.seeking, one.target = to < 0, to if to < 0 else None
        if to >= 0:
            one.offset = to
            self._port.record(Kind.SEEK, partition=one.partition, offset=to)
        if stuck and self._settings.flavour == "java":  # poll() threw because of one partition, and read none
            for other in self.assigned.values():
                other.stuck = False
                if other.offset < 0 and not other.seeking and not other.held:
                    self._reset(other, 0, 0)

    def caught_up(self) -> bool:
        """Whether every position stands at the last high watermark that its leader told (or can move no more)."""
        return all(
            one.stuck or one.nothing_young or (not one.seeking and one.offset >= one.high_watermark >= 0)
            for one in self.assigned.values()
        )

    def give_up(self, partitions: Iterable[Assigned]) -> None:
        for one in partitions:
            one.stuck = True

    def drained(self, partitions: Iterable[int]) -> None:
        """These were emptied, in this order."""
        for partition in partitions:
            self._order.remove(partition)
            self._order.append(partition)

    def any_broker(self, now_us: int) -> Peer | None:
        """A broker that can be asked now (``leastLoadedNode``)."""
        return self.peers.least_loaded(tuple(dict.fromkeys(self.cache.brokers + self._bootstrap)), now_us)

    def knows_topics(self) -> bool:
        return all(topic in self.cache.topics for topic in self._topics)

    def watch(self, topics: Iterable[int]) -> None:
        """Metadata is of these too from now on, and is asked for at once where some are new
        (``requestUpdateForNewTopics``)."""
        self._topics = tuple(dict.fromkeys((*self._own_topics, *topics)))
        if not self.knows_topics():
            self._refresh, self._metadata_not_before_us = True, 0

    # --- answers ------------------------------------------------------------------------------------------------------
    def received(self, peer: Peer, request: object, message: object, now_us: int) -> None:
        match message, request:
            case FetchResponse(), FetchRequest():
                peer.fetching = False
                self._fetched(peer, request, message, now_us)
            case ListOffsetsResponse(), ListOffsetsRequest():
                self._looked_up(message, now_us)
            case MetadataResponse(), MetadataRequest():
                self._told(message, now_us)
            case _:
                raise TypeError(f"a consumer asked {request!r} and cannot use the answer {message!r}")

    def unanswered(self, requests: Iterable[object]) -> None:
        """A connection is lost, and with it these requests."""
        for request in requests:
            if isinstance(request, ListOffsetsRequest):
                one = self.assigned.get(request.partition)
                if one is not None:
                    one.asked = False
            elif isinstance(request, MetadataRequest):
                self._asking_metadata = False
        self._refresh = True

    def _fetched(self, peer: Peer, request: FetchRequest, response: FetchResponse, now_us: int) -> None:
        offsets = {asked.partition: asked.offset for asked in request.partitions}
        checked = {asked.partition for asked in request.partitions if asked.last_epoch >= 0}
        versions = self._asked_versions.get(peer.key, {})
        for answer in response.partitions:
            if self._queue is not None:
                self._log_starts[answer.partition] = -1 if answer.error else answer.log_start
            one = self.assigned.get(answer.partition)
            if one is None or one.seeking or one.stuck or offsets.get(answer.partition) != one.next_fetch()[0]:
                continue  # stale (F2.12)
            if one.check and answer.partition not in checked:
                continue  # of a leader of old: nothing counts before the position is known to be right
            if self._queue is not None and versions.get(answer.partition) != one.version:
                continue  # asked before a barrier
            if answer.error:
                self._refused(one, answer, now_us)
            elif answer.diverging_end >= 0:
                self._diverged(one, answer)
            else:
                one.check = False
                one.high_watermark = answer.high_watermark
                (self.buffer if self._queue is None else self._queue).put(one, answer)

    def _refused(self, one: Assigned, answer: FetchedPartition, now_us: int) -> None:
        if answer.error == ErrorCode.OFFSET_OUT_OF_RANGE:
            self._reset(one, answer.error, now_us)
        elif self.cache.hint(one.partition, answer.leader, answer.leader_epoch):
            self._moved(one.partition)
        else:
            self._back_off(one, answer.error, now_us + self._wait_us())

    def _back_off(self, one: Assigned, error: int, until_us: int) -> None:
        if error in _ASKS_METADATA:
            one.awaits_metadata = self._refresh = True
        one.not_before_us = until_us

    def _wait_us(self) -> int:
        """``retry.backoff.ms``, or librdkafka's ``fetch.error.backoff.ms`` (``rd_kafka_toppar_fetch_backoff``)."""
        if self._librdkafka:
            return self._settings.fetch_error_backoff_us
        return self._retry.delay_us(1, self._port.draw("reader-retry"))

    def _diverged(self, one: Assigned, answer: FetchedPartition) -> None:
        """The leader's log went another way from the answer's offset on (F2.26, S21, S23). It was truncated below the
        position only if that is smaller (``maybeCompleteValidation``, ``rd_kafka_toppar_handle_OffsetForLeaderEpoch``).

        librdkafka seeks: what is queued of the partition is void, below that offset too, and never fetched again.
        """
        offset, epoch = answer.diverging_end, answer.diverging_epoch
        if offset >= one.next_fetch()[0]:
            one.check = False
            return
        if self._settings.offset_reset == "none":
            one.stuck = True
            return
        if self._queue is not None:
            self.barrier(one.partition)
            one.ahead, one.ahead_epoch, one.told = offset, epoch, -1001
        one.offset, one.epoch = offset, epoch
        why = int(ErrorCode.FENCED_LEADER_EPOCH)
        self._port.record(Kind.RESET, partition=one.partition, offset=offset, code=why)

    def _move(self, one: Assigned, offset: int, epoch: int, why: int) -> None:
        """The position moves by itself."""
        if self._queue is not None:
            self._queue.move(one, offset, epoch, why)
            return
        one.offset, one.epoch = offset, epoch
        self._port.record(Kind.RESET, partition=one.partition, offset=offset, code=why)

    def _reset(self, one: Assigned, error: int, now_us: int) -> None:
        """By the policy. A librdkafka client asks a while later; a member that has fetched the partition before, in an
        earlier assignment, begins where that said that its log begins, and asks nobody (``rd_kafka_offset_reset``)."""
        if self._settings.offset_reset == "none":
            # Java throws at every poll, so no partition is read any further; librdkafka loses this one (F2.35).
            self.give_up(self.assigned.values() if self._settings.flavour == "java" else (one,))
            return
        one.seeking, one.why, one.check = True, error, False
        if self._librdkafka:
            one.not_before_us = now_us + _RESET_US
        if self._queue is None:
            one.epoch = -1
        elif self._settings.offset_reset == "earliest" and self._log_starts.get(one.partition, -1) >= 0:
            one.seeking, one.not_before_us = False, 0
            self._move(one, self._log_starts[one.partition], -1, error)

    def begin_at_reset(self, one: Assigned, now_us: int = 0) -> None:
        """There is no position to begin with: by the reset policy (consumer:F2.35)."""
        self._reset(one, 0, now_us)

    def _looked_up(self, answer: ListOffsetsResponse, now_us: int) -> None:
        one = self.assigned.get(answer.partition)
        if one is None or not one.asked:
            return
        one.asked = False
        if answer.error:
            self._back_off(one, answer.error, now_us + (_ASK_AGAIN_US if self._librdkafka else self._wait_us()))
            return
        one.nothing_young = answer.offset < 0
        if one.nothing_young:  # there is no answer, and the next question is due once this one would be late
            one.not_before_us = one.asked_us + self._settings.request_timeout_us
            return
        one.seeking = one.check = False
        if one.target is None:  # Kafka leaves the epoch out, so that this position is not validated
            self._move(one, answer.offset, answer.leader_epoch if self._librdkafka else -1, one.why)
        else:
            one.target, one.offset = None, answer.offset
            self._port.record(Kind.SEEK, partition=one.partition, offset=one.offset)

    def _told(self, response: MetadataResponse, now_us: int) -> None:
        self._asking_metadata = False
        self._metadata_not_before_us = now_us + self._retry.delay_us(1, self._port.draw("reader-metadata"))
        self._metadata_old_at_us = now_us + self._settings.metadata_max_age_us
        for partition in self.cache.apply(response):
            if partition in self.assigned:
                self._metadata_moved(partition)
        for one in self.assigned.values():
            one.awaits_metadata = False
        leaderless = any(self.cache.leader(partition) < 0 for partition in self.assigned)
        self._refresh = leaderless or not self.knows_topics()

    def _moved(self, partition: int) -> None:
        """A new leader or leader epoch is known."""
        one = self.assigned[partition]
        one.awaits_metadata = False
        if not (self._librdkafka and one.seeking):  # there only a timer asks
            one.not_before_us = 0
        one.check = one.next_fetch()[1] >= 0
        leader, epoch = self.cache.leader(partition), self.cache.leader_epoch(partition)
        self._port.record(Kind.METADATA, partition=partition, n=leader, lep=epoch)

    def _metadata_moved(self, partition: int) -> None:
        """Metadata tells so. A Java client sees in its next poll that the position is to be checked, behind the
        automatic commit, which still covers it (``validatePositionsOnMetadataChange``)."""
        one = self.assigned[partition]
        checked = one.check
        self._moved(partition)
        if self._settings.flavour == "java":
            one.moved, one.check = True, checked

    # --- requests -----------------------------------------------------------------------------------------------------
    def serve(self, now_us: int) -> None:
        """Send whatever may be sent now."""
        self.ask_metadata(now_us)
        reached: dict[int, Peer | None] = {}  # of many partitions there are few leaders
        for one in self.assigned.values():
            if one.moved:
                one.moved, one.check = False, one.next_fetch()[1] >= 0
            leader = self.cache.leader(one.partition)
            if leader < 0 and self._librdkafka and one.seeking and one.ready(now_us):
                one.not_before_us = now_us + _ASK_AGAIN_US
            if leader < 0 or one.stuck:
                continue
            if leader not in reached:
                reached[leader] = self.peers.ready(leader, now_us)
            peer = reached[leader]
            if one.seeking and one.ready(now_us) and peer is not None:
                one.asked, one.asked_us = True, now_us
                epoch = self.cache.leader_epoch(one.partition)
                self._send(peer, ListOffsetsRequest(one.partition, epoch, self._timestamp(one, now_us)), now_us)
        for peer in self.peers.data():
            # Kafka looks up all partitions of a broker in one request; here the fetch waits for the last answer.
            if peer.node.ready and not peer.fetching and not self._looking_up(peer):
                self._fetch(peer, now_us)

    def _timestamp(self, one: Assigned, now_us: int) -> int:
        """What ListOffsets is asked for; in whole milliseconds, as Kafka's timestamps are."""
        if one.target is not None:
            return one.target
        if self._settings.offset_reset == "by_duration":
            return max(0, (now_us - self._settings.reset_duration_us) // 1000 * 1000)
        return _TIMESTAMPS[self._settings.offset_reset]

    @staticmethod
    def _looking_up(peer: Peer) -> bool:
        return any(isinstance(request, ListOffsetsRequest) for _, request in peer.pending)

    def _fetch(self, peer: Peer, now_us: int) -> None:
        wanted: list[FetchPartition] = []
        held = self.buffer.partitions() if self.buffer else ()
        for partition in self._order:
            one = self.assigned[partition]
            if one.seeking or one.paused or not one.ready(now_us) or self.cache.leader(partition) != peer.node.server:
                continue
            if partition in held:
                if self._strict:
                    return  # consumer:F2.5
                continue
            if self._queue is not None and self._queue.full():
                one.not_before_us = now_us + self._queue.backoff_us
                continue
            offset, epoch = one.next_fetch()
            wanted.append(
                FetchPartition(
                    partition, offset, self.cache.leader_epoch(partition), epoch if one.check else -1,
                    self._settings.max_partition_fetch_bytes,
                )
            )  # fmt: skip
        if wanted:
            peer.fetching = True
            if self._queue is not None:
                self._asked_versions[peer.key] = {p.partition: self.assigned[p.partition].version for p in wanted}
                self.drained((wanted[0].partition,))  # the next fetch begins with the one behind it
            settings = self._settings
            request = FetchRequest(-1, wanted, settings.fetch_max_wait_us, settings.fetch_min_bytes,
                                   settings.fetch_max_bytes)  # fmt: skip
            self._send(peer, request, now_us)

    def ask_metadata(self, now_us: int) -> None:
        due = self._refresh and now_us >= self._metadata_not_before_us
        if self._asking_metadata or not (due or now_us >= self._metadata_old_at_us):
            return
        peer = self.any_broker(now_us)
        if peer is not None:
            self._asking_metadata = True
            self._send(peer, MetadataRequest(self._topics), now_us)

    def _send(self, peer: Peer, request: object, now_us: int) -> None:
        self.peers.send(peer, request, request, now_us)

    def deadlines(self) -> list[int]:
        """When to look again, past times included."""
        times = self.peers.deadlines()
        times.append(self._metadata_old_at_us)
        if self._refresh and not self._asking_metadata:
            times.append(self._metadata_not_before_us)
        times += [one.not_before_us for one in self.assigned.values() if one.not_before_us]
        return times
