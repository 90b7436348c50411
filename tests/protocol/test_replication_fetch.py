"""Followers and leaders over real brokers: truncation by epoch, stale answers, errors of the fetch loop."""

from __future__ import annotations

import pytest

from sim.protocol.broker import Broker, Durable
from sim.protocol.error_codes import ErrorCode
from sim.protocol.log import DurableLog, Log
from sim.protocol.messages import (
    FetchedPartition,
    FetchPartition,
    FetchRequest,
    MetadataUpdate,
    PartitionState,
    RecordBatch,
)
from sim.protocol.rows import Kind
from sim.protocol.settings import BrokerSettings, Rules, TopicSettings
from tests.protocol.harness import CLIENT, Batches, Client, Cluster, FakePort, Net, S, Session

OUT_OF_RANGE = ErrorCode.OFFSET_OUT_OF_RANGE


def written(*epochs: int, prod: int = 0) -> Log:
    """A log of single records of these leader epochs."""
    log = Log(0, TopicSettings())
    for epoch in epochs:
        log.append(RecordBatch(prod, 0, log.end, log.end + 1, 10), epoch, 0)
    return log


def kept(log: Log, high_watermark: int = 0) -> DurableLog:
    return log.survive(False, high_watermark)


class Bench(Net):
    """Brokers without a controller: the test hands them logs and metadata."""

    def __init__(self, logs: dict[int, Log], marks: dict[int, int] | None = None) -> None:
        super().__init__()
        self.offset = 0
        for broker, log in logs.items():
            self.ports[broker] = FakePort(self, broker)
            durable = Durable({0: kept(log, (marks or {}).get(broker, 0))})
            role = Broker(self.ports[broker], broker, BrokerSettings(), Rules(), {0: TopicSettings()}, durable)
            role.listening = True
            self.roles[broker] = role
        self.cut(*((0, broker) for broker in logs))

    def cut(self, *pairs: tuple[int, int]) -> None:
        self.cuts |= {frozenset(pair) for pair in pairs}

    def broker(self, number: int) -> Broker:
        role = self.roles[number]
        assert isinstance(role, Broker)
        return role

    def log(self, number: int) -> Log:
        return self.broker(number).state.partitions[0].log

    def tell(self, *brokers: int, leader: int, epoch: int, isr: tuple[int, ...] | None = None) -> None:
        """These brokers apply that *leader* leads in *epoch*."""
        self.offset += 1
        members = tuple(sorted(self.roles))
        state = PartitionState(0, members, isr or members, leader, epoch, self.offset)
        registry = {broker: (1, False, False) for broker in members}
        for broker in brokers:
            role = self.broker(broker)
            role.state.epoch = 1
            role._apply(MetadataUpdate(self.offset, (state,), registry, {0: (0,)}), self.now_us)

    def truncations(self) -> list[tuple[int, int]]:
        return [(row.host, row.offset) for row in self.rows if row.kind is Kind.TRUNCATE]


def asked(log: Log, last_epoch: int, offset: int, leader_epoch: int = 10) -> FetchedPartition:
    """The answer of a leader with this log to a follower with that position."""
    net = Bench({1: log, 2: Log(0, TopicSettings())})
    net.tell(1, leader=1, epoch=leader_epoch)
    client = Client(net, CLIENT)
    net.ports[CLIENT], net.roles[CLIENT] = FakePort(net, CLIENT), client
    session = Session(client, 1)
    want = FetchPartition(0, offset, leader_epoch, last_epoch)
    session.send(FetchRequest(2, [want], 0, broker_epoch=1))
    net.settle()
    return session.fetched()[0]


def epochs_of_sc_32() -> Log:
    """Epoch starts 0@0, 3@2, 4@8, 7@13, 9@14; epoch 10 leads with the log ending at 17."""
    return written(*[0] * 2, *[3] * 6, *[4] * 5, 7, *[9] * 2, 10)


@pytest.mark.parametrize(
    ("position", "answer"),
    [((2, 5), (0, 2)), ((0, 4), (0, 2)), ((6, 6), (4, 13)), ((5, 9), (4, 13)), ((10, 18), (10, 17))],
)
def test_a_position_beyond_the_common_prefix_is_answered_by_where_the_epochs_part(
    position: tuple[int, int], answer: tuple[int, int]
) -> None:
    """broker:SC-32, broker:REP-33. For (5, 9) the epoch differs, for (10, 18) only the end does."""
    fetched = asked(epochs_of_sc_32(), *position)

    assert (fetched.diverging_epoch, fetched.diverging_end) == answer
    assert (fetched.error, fetched.batches) == (0, [])


@pytest.mark.parametrize("position", [(0, 2), (7, 14), (9, 16)])
def test_a_position_on_the_common_prefix_gets_data(position: tuple[int, int]) -> None:
    """broker:SC-33."""
    fetched = asked(epochs_of_sc_32(), *position)

    assert (fetched.error, fetched.diverging_epoch) == (0, -1)
    assert fetched.base_offsets[0] == position[1]


def test_a_position_at_the_end_is_in_order_and_one_of_an_unknown_epoch_is_not() -> None:
    """broker:SC-33."""
    assert asked(epochs_of_sc_32(), 10, 17).error == 0
    assert asked(epochs_of_sc_32(), 11, 5).error == OUT_OF_RANGE


@pytest.mark.parametrize(
    ("position", "error", "diverging"),
    [((2, 8), 0, (2, 5)), ((0, 5), 0, (-1, -1)), ((0, 0), OUT_OF_RANGE, None)],
)
def test_positions_below_the_logs_start_are_out_of_range(
    position: tuple[int, int], error: int, diverging: tuple[int, int] | None
) -> None:
    """broker:SC-34: the log starts at 5."""
    log = epochs_of_sc_32()
    log.high_watermark = 5
    log.raise_start(5)
    fetched = asked(log, *position)

    assert fetched.error == error
    if diverging is not None:
        assert (fetched.diverging_epoch, fetched.diverging_end) == diverging


def test_interleaved_epochs_take_one_round_each() -> None:
    """broker:SC-37, broker:REP-34, broker:REP-35."""
    net = Bench({1: written(1, 3, 5), 2: written(0, 2, 4, prod=1)})
    net.tell(1, 2, leader=1, epoch=5)
    net.settle()

    assert net.truncations() == [(2, 2), (2, 1), (2, 0)]
    assert net.log(2).batches == net.log(1).batches
    assert net.log(2).epochs == [1, 3, 5]


def test_one_diverging_answer_is_enough_where_one_epoch_differs() -> None:
    """broker:SC-38."""
    leader = written(0, 2, 5)
    follower = Log(0, TopicSettings())
    for batch, epoch in zip(leader.batches, (0, 2, 4), strict=True):
        follower.append(batch, epoch, 0)
    net = Bench({1: leader, 2: follower})
    net.tell(1, 2, leader=1, epoch=5)
    net.settle()

    assert net.truncations() == [(2, 2)]
    assert net.log(2).epochs == [0, 2, 5]


def test_a_follower_of_an_older_epoch_is_fenced_and_waits_for_metadata() -> None:
    """broker:SC-39, broker:SUB-30, broker:REP-20."""
    net = Bench({1: written(0), 2: written(0)})
    net.tell(1, leader=1, epoch=1)
    net.tell(2, leader=1, epoch=0)
    net.run_until(10 * S)

    assert net.broker(2)._fetchers[1].partitions == {}
    assert net.log(2).end == 1
    net.tell(2, leader=1, epoch=1)
    net.settle()
    assert list(net.broker(2)._fetchers[1].partitions) == [0]


def test_a_follower_of_a_newer_epoch_tries_again_after_a_second() -> None:
    """broker:SC-40, broker:SUB-30, broker:REP-21."""
    net = Bench({1: written(0, 0), 2: written(0)})
    net.tell(2, leader=1, epoch=1)
    net.tell(1, leader=1, epoch=0)
    net.run_until(S // 2)
    net.tell(1, leader=1, epoch=1)
    net.run_until(S - 1)
    assert net.log(2).end == 1
    net.run_until(S)
    assert net.log(2).end == 2


def test_an_answer_asked_for_in_a_past_epoch_is_ignored() -> None:
    """broker:REP-18."""
    net = Bench({1: written(0, 0), 2: written(0), 3: written(0)})
    net.tell(1, 2, 3, leader=1, epoch=0)
    while not any(to == 2 and wire.server == 1 for wire, to in net.deliverable()):
        net._open_one() or net.deliver(*net.deliverable()[0])
    net.tell(2, 3, leader=3, epoch=1)
    net.settle()

    assert net.log(2).end == 1


def test_a_follower_beyond_its_leaders_log_without_epochs_is_cut_to_its_end() -> None:
    """broker:REP-23."""
    net = Bench({1: written(), 2: written(0, 0)})
    net.tell(1, 2, leader=1, epoch=3)
    net.settle()

    assert net.log(2).end == 0


def test_a_follower_below_its_leaders_start_begins_anew_there() -> None:
    """broker:REP-23."""
    leader = written(0, 0, 0, 0)
    leader.high_watermark = 3
    leader.raise_start(3)
    net = Bench({1: leader, 2: written(0)})
    net.tell(1, 2, leader=1, epoch=1)
    net.settle()

    assert (net.log(2).start, net.log(2).end, net.log(2).bases) == (3, 4, [3])


def test_a_follower_whose_log_begins_above_its_leaders_end_begins_anew_there() -> None:
    """``UnifiedLog.truncateTo``: retention took 0 to 2 of it, an unclean leader has 0 alone and writes 1 and 2 anew."""
    ahead = written(0, 0, 0, 0)
    ahead.high_watermark = 4
    ahead.raise_start(3)
    leader = written(0, 2, 2, prod=1)
    net = Bench({1: leader, 2: ahead}, marks={2: 4})
    net.tell(1, 2, leader=1, epoch=2)
    net.settle()

    assert net.truncations() == [(2, 1)]
    assert (net.log(2).start, net.log(2).bases, net.log(2).epochs) == (1, [1, 2], [2, 2])
    assert net.log(2).batches == net.log(1).batches[1:]


def test_truncating_to_the_high_watermark_would_lose_what_epochs_keep() -> None:
    """broker:REP-37 (KIP-101, trace A), broker:SUB-14: a restarted follower keeps what is above its high watermark."""
    m = written(0, 0)
    follower = Log(0, TopicSettings())
    for batch in m.batches:
        follower.append(batch, 0, 0)
    net = Bench({1: follower, 2: m}, marks={1: 1, 2: 2})
    assert net.broker(1)._kept.logs[0].high_watermark == 1
    net.tell(1, 2, leader=2, epoch=0)
    net.roles[2] = None  # dies before the follower has fetched again
    net.tell(1, leader=1, epoch=1, isr=(1,))
    net.settle()

    assert net.log(1).end == 2
    assert net.log(1).high_watermark == 2


def test_logs_that_differ_at_one_offset_do_not_stay_different() -> None:
    """broker:REP-38 (KIP-101, trace B)."""
    a, b = written(0, 0), Log(0, TopicSettings())
    b.append(a.batches[0], 0, 0)
    b.append(RecordBatch(1, 0, 0, 1, 10), 1, 0)  # m2, written at offset 1 as leader of epoch 1
    net = Bench({1: a, 2: b}, marks={1: 2, 2: 1})
    net.tell(1, 2, leader=2, epoch=2)
    net.settle()

    assert net.log(1).batches == net.log(2).batches
    assert net.truncations() == [(1, 1)]


def test_the_answer_names_an_epoch_so_that_an_unknown_one_in_between_is_cut() -> None:
    """broker:REP-39 (KIP-279): leader [a e0, c e2], follower [b e1]."""
    leader, follower = written(0, 2), written(1, prod=1)
    net = Bench({1: leader, 2: follower})
    net.tell(1, 2, leader=1, epoch=2)
    net.settle()

    assert net.truncations() == [(2, 0)]
    assert net.log(2).batches == leader.batches


def test_a_tail_that_matches_the_new_leader_survives() -> None:
    """broker:SUB-14."""
    cluster = Cluster(((1, 2, 3),))
    writer, b = cluster.client(1), Batches()
    writer.produce(b.next())
    assert cluster.log(2).high_watermark == 0  # it has the record and does not know that it is committed
    cluster.crash(1)
    cluster.run_until(12 * S)

    assert cluster.leader() == 2
    assert cluster.lanes(3) == [(0, 0)]
    assert cluster.rows_of(Kind.TRUNCATE) == []


def test_a_follower_learns_of_a_commit_one_answer_later() -> None:
    """broker:SUB-16, broker:REP-13, broker:REP-15: with the next append, or when its long poll ends."""
    cluster = Cluster()
    writer, b = cluster.client(1), Batches()
    writer.produce(b.next())
    assert (cluster.log(1).high_watermark, cluster.log(2).high_watermark) == (1, 0)
    writer.produce(b.next())
    assert (cluster.log(1).high_watermark, cluster.log(2).high_watermark) == (2, 1)
    cluster.run_until(S)
    assert cluster.log(2).high_watermark == 2


@pytest.mark.parametrize("last_epoch", [10, 0])  # the leader's own, and the last one that brought a record
def test_a_partition_of_which_nothing_is_new_is_left_out_of_the_next_answer(last_epoch: int) -> None:
    """KIP-227 (``IncrementalFetchContext``): no data and the same high watermark."""
    log = written(0, 0)
    net = Bench({1: log, 2: Log(0, TopicSettings())}, {1: 1})
    net.tell(1, leader=1, epoch=10)
    client = Client(net, CLIENT)
    net.ports[CLIENT], net.roles[CLIENT] = FakePort(net, CLIENT), client
    session = Session(client, 1)
    for _ in range(3):
        session.send(FetchRequest(2, [FetchPartition(0, 2, 10, last_epoch)], 0, broker_epoch=1))
        net.settle()
    told = [[one.high_watermark for one in answer.partitions] for answer in session.answers]

    assert told == [[1], [2], []]  # the first fetch itself shows that the follower has everything (broker:REP-13)


def test_a_follower_has_what_it_was_sent_only_when_it_fetches_again() -> None:
    """broker:SUB-17, broker:REP-1."""
    cluster = Cluster(((1, 2),), brokers=2)
    writer, b = cluster.client(1), Batches()
    cluster.cut((1, 2))
    writer.produce(b.next())
    [data] = [wire for wire in cluster.wires if wire.server == 1 and wire.towards.get(2)]
    assert cluster.log(1).high_watermark == 0
    cluster.deliver(data, 2)  # the answer arrives, the next fetch lies on the wire
    assert (cluster.log(2).end, cluster.log(1).high_watermark) == (1, 0)
    assert writer.results() == []
    cluster.deliver(data, 1)
    assert cluster.log(1).high_watermark == 1


def test_a_followers_high_watermark_may_fall_with_a_new_leader() -> None:
    """broker:SUB-16, broker:REP-14."""
    net = Bench({1: written(0, 0), 2: written(0, 0), 3: written(0)}, marks={1: 2, 2: 2, 3: 0})
    net.tell(1, 3, leader=3, epoch=1, isr=(1, 2, 3))
    net.cut((2, 3))
    net.settle()

    assert net.log(1).high_watermark < 2


def test_a_stale_broker_epoch_in_a_fetch_does_not_count() -> None:
    """broker:REP-5."""
    net = Bench({1: written(0, 0), 2: written()})
    net.tell(1, leader=1, epoch=0)
    net.broker(1).state.registry[2] = (5, False, False)
    client = Client(net, CLIENT)
    net.ports[CLIENT], net.roles[CLIENT] = FakePort(net, CLIENT), client
    session = Session(client, 1)
    session.send(FetchRequest(2, [FetchPartition(0, 2, 0, 0)], 0, broker_epoch=1))
    net.settle()

    assert session.fetched()[0].error == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert net.broker(1).state.partitions[0].followers[2].end == -1


def test_an_unreachable_leader_is_tried_again_after_the_backoff() -> None:
    """broker:REP-22."""
    net = Bench({1: written(0), 2: written()})
    net.broker(1).listening = False
    net.tell(1, 2, leader=1, epoch=0)
    net.settle()
    net.broker(1).listening = True
    net.run_until(S - 1)
    assert net.log(2).end == 0
    net.run_until(S)
    assert net.log(2).end == 1


def test_a_fenced_follower_waits_for_metadata_in_peace() -> None:
    """broker:REP-20: it asks for nothing, and its timers do not run wild, however long that takes."""
    net = Bench({1: written(0), 2: written(0)})
    net.tell(1, 2, leader=1, epoch=0)
    net.settle()
    net.tell(1, leader=1, epoch=1)
    net.run_until(S)
    assert net.broker(2).fetches_of(0) == {}
    rings = [0]
    ring = net.ring

    def counted(host: int) -> None:
        rings[0] += host == 2
        assert rings[0] < 1_000
        ring(host)

    net.ring = counted  # type: ignore[method-assign]
    net.run_until(200 * S)
    net.tell(2, leader=1, epoch=1)
    net.run_until(205 * S)
    assert net.broker(2).fetches_of(0)[1].leader_epoch == 1
    assert net.broker(1).state.partitions[0].followers[2].end == 1
