"""A reader with assigned partitions, against brokers that the test plays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from sim.protocol.consumer import Reader
from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import (
    FetchedPartition,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    MetadataResponse,
    PartitionMetadata,
    RecordBatch,
)
from sim.protocol.rows import Kind
from sim.protocol.settings import ReaderSettings
from tests.protocol.scripted_port import ScriptedPort

MS = 1_000
EARLIEST = ReaderSettings(offset_reset="earliest")


@dataclass
class Play:
    """One reader and the brokers; ``leaders``: partition -> (leader, epoch)."""

    settings: ReaderSettings = EARLIEST
    leaders: dict[int, tuple[int, int]] = field(default_factory=lambda: {0: (1, 0)})
    start_offset: int = 0
    names: dict[int, tuple[str, int]] | None = None
    now: int = 0

    def __post_init__(self) -> None:
        self.port = ScriptedPort()
        topics = dict.fromkeys(self.leaders, 0)
        self.reader = Reader(self.port, self.settings, tuple(self.leaders), topics, (1, 2), self.names)
        self.reader.start(0)
        self.settle()
        if self.settings.flavour == "librdkafka":
            self.alarm()

    def settle(self) -> FetchRequest | None:
        """Answer connects, metadata and lookups until only fetches (and silence) are left; the last fetch."""
        fetch = None
        ready = getattr(self, "_ready", 0)
        progress = True
        while progress:
            progress = False
            while ready < len(self.port.wires):
                wire = self.port.wires[ready]
                ready += 1
                self.reader.on_connected(wire, self.now)
                progress = True
            for wire, message in self.port.take():
                progress = True
                match message:
                    case MetadataRequest():
                        self.reader.on_message(wire, self.metadata(), self.now)
                    case ListOffsetsRequest(partition=partition):
                        answer = ListOffsetsResponse(partition, 0, self.start_offset)
                        self.reader.on_message(wire, answer, self.now)
                    case FetchRequest():
                        fetch = message
        self._ready = ready
        return fetch

    def metadata(self) -> MetadataResponse:
        told = tuple(PartitionMetadata(p, leader, epoch) for p, (leader, epoch) in self.leaders.items())
        return MetadataResponse((1, 2), {0: told})

    def wire_to(self, server: int) -> Any:
        return next(wire for wire in reversed(self.port.wires) if wire.server == server)

    def answer(self, *partitions: FetchedPartition, server: int = 1, later_us: int = 0) -> FetchRequest | None:
        self.now += later_us
        self.reader.on_message(self.wire_to(server), FetchResponse(list(partitions)), self.now)
        return self.settle()

    def alarm(self) -> FetchRequest | None:
        assert self.port.alarm_us is not None
        self.now = max(self.now, self.port.alarm_us)
        self.reader.on_alarm(self.now)
        return self.settle()

    def polls(self) -> list[tuple[int, int, int, int]]:
        """(poll number, partition, offset, count) of every slice handed over."""
        return [(row.n, row.partition, row.offset, row.hi - row.lo) for row in self.port.of(Kind.POLL)]


def data(partition: int, *sizes: int, base: int = 0, mark: int | None = None, epoch: int = 0) -> FetchedPartition:
    """Batches of the given numbers of records from offset *base* on; lane positions equal offsets."""
    answer = FetchedPartition(partition)
    for size in sizes:
        answer.base_offsets.append(base)
        answer.batches.append(RecordBatch(0, partition, base, base + size, 100 * size))
        answer.leader_epochs.append(epoch)
        base += size
    answer.high_watermark = base if mark is None else mark
    return answer


def test_an_assigned_reader_resets_and_then_fetches_from_the_leader() -> None:
    play = Play(start_offset=7)
    kinds = [row.kind for row in play.port.rows]
    assert kinds == [Kind.ASSIGN, Kind.CONNECT, Kind.METADATA, Kind.RESET]
    assert play.port.of(Kind.RESET)[0].offset == 7
    assert play.reader.position(0) == 7


def test_a_librdkafka_reader_that_finds_no_leader_asks_half_a_second_later() -> None:
    """rd_kafka_toppar_offset_request: the metadata that comes meanwhile does not matter (measured)"""
    play = Play(ReaderSettings(offset_reset="earliest", flavour="librdkafka"), start_offset=7)
    assert play.now == 500_000 and play.reader.position(0) == 7


def test_a_batch_is_one_row_and_moves_the_position() -> None:
    play = Play()
    fetch = play.answer(data(0, 3, 2))
    assert play.polls() == [(1, 0, 0, 3), (1, 0, 3, 2)]
    assert fetch is not None and fetch.partitions[0].offset == 5
    assert play.reader.caught_up()


def test_polls_are_cut_at_max_poll_records() -> None:
    """consumer:S01: 3 buffered, 2 a poll: two, then one; the next fetch starts behind all of them."""
    play = Play(ReaderSettings(offset_reset="earliest", max_poll_records=2))
    fetch = play.answer(data(0, 3))
    assert play.polls() == [(1, 0, 0, 2), (2, 0, 2, 1)]
    assert fetch is not None and fetch.partitions[0].offset == 3


def test_the_head_answer_is_emptied_before_the_next() -> None:
    """consumer:S02: 2 of X; 1 of X and 1 of Y; 2 of Y."""
    play = Play(ReaderSettings(offset_reset="earliest", max_poll_records=2), {0: (1, 0), 1: (1, 0)})
    play.answer(data(0, 3), data(1, 3))
    assert play.polls() == [(1, 0, 0, 2), (2, 0, 2, 1), (2, 1, 0, 1), (3, 1, 1, 2)]


def test_records_below_the_position_are_dropped() -> None:
    """consumer:F2.11: the broker hands out whole batches."""
    play = Play(start_offset=4)
    play.answer(data(0, 3, 3, base=2))
    assert play.polls() == [(1, 0, 4, 1), (1, 0, 5, 3)]
    row = play.port.of(Kind.POLL)[0]
    assert row.slice == (4, 5)


def test_a_whole_batch_below_the_position_gives_no_row() -> None:
    play = Play(start_offset=5)
    play.answer(data(0, 3, 2, base=0, mark=5))
    assert play.polls() == [] and play.reader.position(0) == 5


def test_one_poll_of_java_shows_partitions_in_hash_map_order() -> None:
    """consumer:F2.8: t-2 stands before t-1 before t-0 in the table."""
    leaders = {0: (1, 0), 1: (1, 0), 2: (1, 0)}
    names = {p: ("t", p) for p in leaders}
    play = Play(EARLIEST, leaders, names=names)
    play.answer(data(0, 1), data(1, 1), data(2, 1))
    assert [partition for _, partition, _, _ in play.polls()] == [2, 1, 0]
    librdkafka = Play(ReaderSettings(offset_reset="earliest", flavour="librdkafka"), leaders, names=names)
    librdkafka.answer(data(0, 1), data(1, 1), data(2, 1))
    assert [partition for _, partition, _, _ in librdkafka.polls()] == [0, 1, 2]


def test_one_fetch_is_in_flight_per_broker() -> None:
    """consumer:F2.4, consumer:toy-13, consumer:F6.2."""
    play = Play(EARLIEST, {0: (1, 0), 1: (2, 0), 2: (1, 0)})
    port = play.port
    play.reader.on_alarm(play.now)
    assert port.take() == []  # both brokers hold a long poll
    fetch = play.answer(data(0, 1), server=1)
    assert fetch is not None and sorted(one.partition for one in fetch.partitions) == [0, 2]


def test_a_drained_partition_moves_to_the_tail_of_the_next_request() -> None:
    """consumer:F2.9."""
    play = Play(EARLIEST, {0: (1, 0), 1: (1, 0)})
    fetch = play.answer(data(0, 1))
    assert fetch is not None and [one.partition for one in fetch.partitions] == [1, 0]


def test_an_empty_answer_is_followed_by_the_next_long_poll_and_no_poll_row() -> None:
    play = Play()
    fetch = play.answer(data(0, mark=0), later_us=500 * MS)
    assert fetch is not None and fetch.max_wait_us == 500 * MS and fetch.partitions[0].offset == 0
    assert play.polls() == [] and play.reader.caught_up()


def test_a_reader_below_the_high_watermark_has_not_caught_up() -> None:
    play = Play()
    assert not play.reader.caught_up()
    play.answer(data(0, 2, mark=9))
    assert not play.reader.caught_up()


@pytest.mark.parametrize(("policy", "timestamp"), [("earliest", -2), ("latest", -1)])
def test_the_reset_policy_names_the_end_of_the_log_that_is_looked_up(policy: str, timestamp: int) -> None:
    port = ScriptedPort()
    reader = Reader(port, ReaderSettings(offset_reset=policy), (0,), {0: 0}, (1,))
    reader.start(0)
    reader.on_connected(port.wires[0], 0)
    reader.on_message(port.wires[0], MetadataResponse((1,), {0: (PartitionMetadata(0, 1, 3),)}), 0)
    (_, _), (_, request) = port.take()
    assert request == ListOffsetsRequest(0, 3, timestamp)


def test_a_reader_without_policy_and_position_never_reads() -> None:
    """consumer:F2.35."""
    play = Play(ReaderSettings(offset_reset="none"))
    assert play.port.of(Kind.RESET, Kind.POLL) == [] and play.reader.caught_up()


def out_of_range(partition: int = 0) -> FetchedPartition:
    return FetchedPartition(partition, int(ErrorCode.OFFSET_OUT_OF_RANGE))


def test_out_of_range_resets_by_the_policy_and_says_why() -> None:
    """consumer:S24, consumer:F2.30."""
    play = Play()
    play.answer(data(0, 3))
    play.start_offset = 2
    fetch = play.answer(out_of_range())
    reset = play.port.of(Kind.RESET)[-1]
    assert (reset.offset, reset.code) == (2, ErrorCode.OFFSET_OUT_OF_RANGE)
    assert fetch is not None and fetch.partitions[0].offset == 2


def test_a_stale_answer_is_dropped() -> None:
    """consumer:F2.12: the fetch was for an offset that is the position no more."""
    play = Play(EARLIEST, {0: (1, 0)})
    play.leaders = {0: (2, 1)}
    play.reader.on_message(play.wire_to(1), FetchResponse([not_leader(leader=2, epoch=1)]), 0)
    play.settle()
    play.answer(data(0, 2, epoch=1), server=2)
    before = play.polls()
    peer = play.reader._fetches.peers.ready(1, 0)
    peer.pending.append((0, FetchRequest(-1, [], 0)))  # an answer of the old leader, for offset 0
    play.reader.on_message(play.wire_to(1), FetchResponse([data(0, 1)]), play.now)
    assert play.polls() == before


def not_leader(partition: int = 0, leader: int = -1, epoch: int = -1) -> FetchedPartition:
    code = int(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    return FetchedPartition(partition, code, leader=leader, leader_epoch=epoch)


def test_a_hint_moves_the_fetch_to_the_new_leader_at_once() -> None:
    play = Play()
    fetch = play.answer(not_leader(leader=2, epoch=1))
    assert fetch is not None and fetch.partitions[0].leader_epoch == 1
    row = play.port.of(Kind.METADATA)[-1]
    assert (row.partition, row.n, row.lep) == (0, 2, 1)


def test_without_a_hint_the_partition_waits_for_metadata() -> None:
    play = Play()
    play.now = 1_000 * MS
    play.leaders = {0: (2, 1)}
    fetch = play.answer(not_leader())
    assert fetch is not None and fetch.partitions[0].leader_epoch == 1
    assert play.wire_to(2)


def test_metadata_is_not_asked_again_before_the_backoff_is_over() -> None:
    play = Play()
    assert play.answer(not_leader()) is None  # the first answer came just now, so the refresh is not due yet
    asked = len(play.port.of(Kind.METADATA))
    play.leaders = {0: (1, 1)}
    fetch = play.alarm()
    assert 80 * MS <= play.now <= 120 * MS
    assert fetch is not None and len(play.port.of(Kind.METADATA)) == asked + 1


def test_an_unknown_leader_epoch_is_asked_again_after_the_backoff() -> None:
    """consumer:F2.31: the broker is behind."""
    play = Play()
    assert play.answer(FetchedPartition(0, int(ErrorCode.UNKNOWN_LEADER_EPOCH))) is None
    fetch = play.alarm()
    assert fetch is not None and fetch.partitions[0].offset == 0


def test_a_consumed_position_is_checked_with_the_new_leader_once() -> None:
    """consumer:F2.24."""
    play = Play()
    play.answer(data(0, 3, epoch=5))
    fetch = play.answer(not_leader(leader=2, epoch=9))
    assert fetch is not None and fetch.partitions[0].last_epoch == 5
    fetch = play.answer(data(0, mark=3), server=2)
    assert fetch is not None and fetch.partitions[0].last_epoch == -1


@pytest.mark.parametrize("flavour", ["java", "librdkafka"])
def test_what_a_leader_of_old_still_answers_does_not_count_while_a_position_is_checked(flavour: str) -> None:
    """FetchCollector.initialize (no valid position), rd_kafka_fetch_reply_handle_partition (another broker)."""
    play = Play(ReaderSettings(offset_reset="earliest", flavour=flavour), leaders={0: (1, 0), 1: (2, 0)})
    play.answer(data(0, 3, epoch=5), server=1)
    play.leaders = {0: (2, 9), 1: (2, 9)}
    fetch = play.answer(not_leader(1), server=2) or play.alarm()  # broker 2 tells of it, broker 1 still holds a fetch
    assert fetch is not None and {asked.partition: asked.last_epoch for asked in fetch.partitions} == {0: 5, 1: -1}
    play.answer(data(0, 2, base=3, epoch=5), server=1)
    assert play.polls() == [(1, 0, 0, 3)]
    play.answer(truncated(5, 2), server=2)
    assert play.reader.position(0) == 2


def test_a_position_that_nothing_was_consumed_at_is_not_checked() -> None:
    """consumer:F2.28, consumer:S25, consumer:toy-14."""
    play = Play()
    fetch = play.answer(not_leader(leader=2, epoch=9))
    assert fetch is not None and fetch.partitions[0].last_epoch == -1


def truncated(epoch: int, end: int) -> FetchedPartition:
    return FetchedPartition(0, diverging_epoch=epoch, diverging_end=end)


def test_a_truncated_position_goes_back_to_the_point_of_divergence() -> None:
    """consumer:S21, consumer:S26, consumer:toy-14, consumer:F2.26."""
    play = Play()
    play.answer(data(0, 10, epoch=5))
    play.answer(not_leader(leader=2, epoch=10))
    fetch = play.answer(truncated(7, 5), server=2)
    reset = play.port.of(Kind.RESET)[-1]
    assert reset.offset == 5 and fetch is not None and fetch.partitions[0].offset == 5
    play.answer(data(0, 8, base=5, epoch=10), server=2)
    assert play.polls()[-1] == (2, 0, 5, 8)


def test_a_position_that_an_older_epoch_still_covers_survives() -> None:
    """maybeCompleteValidation: the epoch of the answer does not matter (consumer:F2.26)."""
    play = Play()
    play.answer(data(0, 10, epoch=5))
    play.answer(not_leader(leader=2, epoch=10))
    resets = len(play.port.of(Kind.RESET))
    fetch = play.answer(truncated(4, 10), server=2)
    assert fetch is not None and (fetch.partitions[0].offset, fetch.partitions[0].last_epoch) == (10, -1)
    assert len(play.port.of(Kind.RESET)) == resets


def test_without_a_policy_a_truncation_stops_the_partition() -> None:
    """consumer:S23, consumer:F2.26: thrown once, then empty polls."""
    play = Play()
    play.answer(data(0, 10, epoch=5))
    play.answer(not_leader(leader=2, epoch=10))
    play.reader._fetches._settings = ReaderSettings(offset_reset="none")
    assert play.answer(truncated(7, 5), server=2) is None
    assert play.reader.position(0) == 10


def test_without_a_policy_out_of_range_stops_java_altogether_and_librdkafka_in_that_partition() -> None:
    """consumer:F2.35, consumer:S24."""
    for flavour, left in (("java", []), ("librdkafka", [1])):
        play = Play(ReaderSettings(offset_reset="earliest", flavour=flavour), {0: (1, 0), 1: (1, 0)})
        play.reader._fetches._settings = ReaderSettings(offset_reset="none", flavour=flavour)
        fetch = play.answer(out_of_range(0), data(1, mark=0))
        assert ([one.partition for one in fetch.partitions] if fetch is not None else []) == left


def test_a_lost_connection_is_opened_again_and_the_fetch_repeated() -> None:
    play = Play()
    play.answer(data(0, 2))
    play.reader.on_disconnected(play.wire_to(1), 0)
    fetch = play.settle()
    while fetch is None:
        fetch = play.alarm()
    assert fetch.partitions[0].offset == 2 and len(play.port.of(Kind.CONNECT)) >= 2


def test_a_silent_broker_is_given_up_after_the_request_timeout() -> None:
    play = Play(ReaderSettings(offset_reset="earliest", request_timeout_us=2_000 * MS))
    first = play.wire_to(1)
    while not play.port.closed:
        play.alarm()
    assert play.now == 2_000 * MS and play.port.closed == [first.number]
    assert play.port.of(Kind.DISCONNECT)[0].code == ErrorCode.REQUEST_TIMED_OUT


def test_a_refused_lookup_is_repeated() -> None:
    """consumer:F2.19: OFFSET_NOT_AVAILABLE right after an election."""
    port = ScriptedPort()
    reader = Reader(port, EARLIEST, (0,), {0: 0}, (1,))
    reader.start(0)
    wire = port.wires[0]
    reader.on_connected(wire, 0)
    metadata = MetadataResponse((1,), {0: (PartitionMetadata(0, 1, 0),)})
    reader.on_message(wire, metadata, 0)
    port.take()
    reader.on_message(wire, ListOffsetsResponse(0, int(ErrorCode.OFFSET_NOT_AVAILABLE)), 0)
    assert port.alarm_us is not None and port.take() == []
    reader.on_alarm(port.alarm_us)
    (_, again), *_ = port.take()
    assert isinstance(again, MetadataRequest)
    reader.on_message(wire, metadata, port.alarm_us)
    assert [type(message) for _, message in port.take()] == [ListOffsetsRequest]


def test_a_partition_without_leader_is_asked_about_until_it_has_one() -> None:
    play = Play(EARLIEST, {0: (-1, 3)})
    assert play.port.of(Kind.RESET) == []
    play.alarm()
    play.leaders = {0: (2, 4)}
    assert play.alarm() is not None


def test_a_broker_that_refuses_the_connection_is_tried_again_later() -> None:
    port = ScriptedPort()
    reader = Reader(port, EARLIEST, (0,), {0: 0}, (1,))
    reader.start(0)
    reader.on_disconnected(port.wires[0], 0)
    assert len(port.wires) == 1
    while len(port.wires) == 1:
        assert port.alarm_us is not None and port.alarm_us <= 60 * MS
        reader.on_alarm(port.alarm_us)
    assert 40 * MS <= port.alarm_us


def test_a_leader_whose_high_watermark_is_behind_stalls_the_reader_and_does_not_move_it() -> None:
    """consumer:S27, consumer:F2.18, consumer:toy-15"""
    play = Play(start_offset=100)
    play.leaders = {0: (2, 1)}
    for _ in range(2):
        fetch = play.answer(data(0, base=100, mark=80))
        assert fetch is not None and fetch.partitions[0].offset == 100
    play.answer(data(0, 5, base=100, mark=105))
    assert play.polls() == [(1, 0, 100, 5)] and len(play.port.of(Kind.RESET)) == 1


def test_a_position_of_an_epoch_that_nobody_knows_is_reset_by_policy() -> None:
    """consumer:S22: the leader has no answer for the epoch of the last record, which shows as out of range"""
    play = Play(start_offset=7)
    play.answer(data(0, 3, base=7, epoch=5))
    play.answer(FetchedPartition(0, ErrorCode.OFFSET_OUT_OF_RANGE))
    assert [(row.offset, row.code) for row in play.port.of(Kind.RESET)] == [(7, 0), (7, ErrorCode.OFFSET_OUT_OF_RANGE)]
