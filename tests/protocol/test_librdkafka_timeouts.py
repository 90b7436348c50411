"""Timers of librdkafka's producer: requests, messages, the grid of one second."""

from __future__ import annotations

from sim.protocol.client_network import Node
from sim.protocol.error_codes import ErrorCode
from sim.protocol.librdkafka_network import Peer
from sim.protocol.rows import Kind
from tests.protocol.librdkafka_play import BEGIN_US, MS, S, delivered, play, prepare, refused
from tests.protocol.scripted_cluster import burst

TIMED_OUT = int(ErrorCode.CLIENT_DELIVERY_TIMEOUT)
SILENT = {"do": "swallow", "nth": 1}


def test_a_request_timer_ends_up_to_a_second_late_and_takes_the_connection() -> None:
    """producer:S16, producer:8.6: the whole window comes back in order."""
    cluster = play(SILENT, window=3, socket_timeout_us=1 * S)
    lost = cluster.port.of(Kind.DISCONNECT)[0]
    again = cluster.attempts()[4]
    assert lost.code == ErrorCode.REQUEST_TIMED_OUT and again.lo == 1
    assert cluster.wire()[:7] == [0, 1, 2, 3, 1, 2, 3]
    assert cluster.reports() == delivered(*range(9))


def test_the_timer_is_looked_at_on_a_grid_of_one_second() -> None:
    """producer:8.6."""
    cluster = prepare(SILENT, window=1, count=1, socket_timeout_us=1 * S)
    cluster.run(BEGIN_US + 900 * MS)
    assert cluster.port.of(Kind.DISCONNECT) == []
    cluster.run(BEGIN_US + 2 * S)
    assert len(cluster.port.of(Kind.DISCONNECT)) == 1


def test_messages_that_come_meanwhile_bring_no_timer_forward() -> None:
    """``rkb_timeout_scan_intvl``: a second between two looks, whatever wakes the thread. It was connected at 0.2 s."""
    calls = [call for n in range(150) for call in burst(1, at=BEGIN_US + 200 * MS + n * 10 * MS, index=-1)]
    for window in (1, 5):  # without and with room for what comes
        cluster = prepare({"do": "hold", "nth": 1, "until_us": BEGIN_US + 9 * S}, window=window, calls=calls,
                          socket_timeout_us=300 * MS)  # fmt: skip
        cluster.run(BEGIN_US + 950 * MS)
        assert cluster.port.of(Kind.DISCONNECT) == []
        cluster.run(BEGIN_US + 1_300 * MS)
        assert len(cluster.port.of(Kind.DISCONNECT)) == 1


def test_a_change_of_state_brings_no_timer_forward() -> None:
    """Nor does a wake-up of all threads, as an epoch's bump does; messages are looked through for age at once."""
    peer = Peer(Node(1), since_us=400 * MS, scanned_us=400 * MS)
    peer.changed(900 * MS)
    assert (peer.scan_us, peer.scanned_us) == (900 * MS, 400 * MS)
    assert not peer.scans_requests(1_399 * MS) and peer.scans_requests(1_400 * MS)
    assert not peer.scans_requests(2_399 * MS)


def test_an_idle_thread_passes_on_its_grid() -> None:
    """Passes that nobody saw: 1.9 s, 2.9 s, 3.9 s; the next look is a second behind the last."""
    peer = Peer(Node(1), since_us=900 * MS, scanned_us=400 * MS)
    assert not peer.scans_requests(4_000 * MS)
    assert peer.scanned_us == 3_900 * MS
    assert peer.scans_requests(4_900 * MS)


def test_a_queued_message_times_out_and_one_on_the_wire_does_not() -> None:
    """producer:8.6: queued ones can be reported before older ones on the wire."""
    cluster = prepare({"do": "hold", "nth": 1, "until_us": BEGIN_US + 9 * S}, window=1, count=4,
                      message_timeout_us=3 * S, socket_timeout_us=60 * S, calls=None)  # fmt: skip
    cluster.run(BEGIN_US + 20 * S)
    reports = cluster.reports()
    assert reports[0] == (0, 0) and {code for _, code in reports[1:]} == {TIMED_OUT}
    assert sorted(position for position, _ in reports) == [0, 1, 2, 3, 4]


def test_a_message_on_the_wire_is_reported_after_its_request_timer() -> None:
    """producer:8.6: the timer is capped by the remaining time of the first message; never reported twice."""
    cluster = prepare(SILENT, window=1, count=1, message_timeout_us=2 * S, socket_timeout_us=60 * S)
    cluster.run(BEGIN_US + 10 * S)
    assert cluster.reports() == [(0, 0), (1, TIMED_OUT)]
    assert [row.slice for row in cluster.port.of(Kind.UNKNOWN)] == [(1, 2)]
    assert len(cluster.port.of(Kind.EXPIRE)) == 1


def test_a_never_sent_message_that_times_out_was_certainly_not_written() -> None:
    cluster = prepare(window=1, message_timeout_us=2 * S)
    cluster.run(S)
    cluster.leaders[0] = (-1, 1)
    cluster.break_connections(1)
    cluster.run(BEGIN_US + 5 * S)
    assert [(row.slice, row.code) for row in cluster.port.of(Kind.FAIL)] == [((1, 9), TIMED_OUT)]
    assert cluster.role.idle()


def test_a_head_refused_for_ever_fails_alone_in_the_plain_producer() -> None:
    """producer:8.6."""
    cluster = play(refused(1, ErrorCode.NOT_ENOUGH_REPLICAS, attempt=None), window=5, message_timeout_us=3 * S)
    assert sorted(cluster.log()) == [0, 2, 3, 4, 5, 6, 7, 8] or cluster.log()[:6] == [0, 2, 3, 4, 5, 6]
    assert (1, TIMED_OUT) in cluster.reports()


def test_a_head_refused_for_ever_fails_everything_in_the_idempotent_producer() -> None:
    """producer:8.6: none stored, all fail together, one bump per round."""
    cluster = play(refused(1, ErrorCode.NOT_ENOUGH_REPLICAS, attempt=None), idempotent=True, window=5,
                   message_timeout_us=3 * S)  # fmt: skip
    assert cluster.log() == [0]
    assert sorted(cluster.reports()) == [(0, 0), *((at, TIMED_OUT) for at in range(1, 9))]
    assert len(cluster.port.of(Kind.PRODUCER_ID)) > 3


def test_an_unanswered_head_duplicates_the_window_at_each_timeout() -> None:
    """producer:8.6, plain."""
    swallowed = [{"do": "hold", "nth": n, "until_us": BEGIN_US + 60 * S} for n in (1, 3, 5)]
    cluster = prepare(*swallowed, window=2, count=2, socket_timeout_us=1 * S, message_timeout_us=6 * S)
    cluster.run(BEGIN_US + 90 * S)
    assert cluster.log().count(1) >= 2 and cluster.log().count(2) >= 2


def test_expired_messages_of_the_idempotent_producer_cost_an_epoch() -> None:
    """producer:8.4: messages timed out in the queue of a broker, which is down here, are a gap."""
    cluster = prepare(idempotent=True, message_timeout_us=2 * S,
                      calls=[*burst(2, at=BEGIN_US), *burst(1, at=BEGIN_US + 9 * S)])  # fmt: skip
    cluster.run(S)
    cluster.down.add(1)
    cluster.break_connections(1)
    cluster.run(BEGIN_US + 5 * S)
    cluster.down.clear()
    cluster.until_idle()
    assert cluster.reports() == [(0, 0), (1, TIMED_OUT), (2, TIMED_OUT), (3, 0)]
    assert cluster.numbers() == [(0, 0, 0), (3, 1, 0)]


def test_expired_messages_without_a_leader_cost_an_epoch_once_the_gap_is_refused() -> None:
    """rd_kafka_broker_toppars_timeout_scan only looks (measured)"""
    cluster = prepare(idempotent=True, message_timeout_us=2 * S,
                      calls=[*burst(2, at=BEGIN_US), *burst(1, at=BEGIN_US + 9 * S)])  # fmt: skip
    cluster.run(S)
    cluster.leaders[0] = (-1, 1)
    cluster.break_connections(1)
    cluster.run(BEGIN_US + 5 * S)
    cluster.leaders[0] = (1, 2)
    cluster.until_idle()
    assert cluster.reports() == [(0, 0), (1, TIMED_OUT), (2, TIMED_OUT), (3, 0)]
    assert cluster.numbers() == [(0, 0, 0), (3, 0, 3), (3, 1, 0)]
    assert [(batch.epoch, batch.seq) for batch in cluster.logs[0]] == [(0, 0), (1, 0)]


def test_a_message_without_metadata_times_out_too() -> None:
    cluster = prepare(warm=False, count=2, message_timeout_us=2 * S, down=(1, 2, 3))
    cluster.run(BEGIN_US + 4 * S)
    refusals = [(row.lo, row.hi, row.code) for row in cluster.port.of(Kind.REFUSED)]
    assert [code for _, _, code in refusals] == [TIMED_OUT] * len(refusals)
    assert sum(hi - lo for lo, hi, _ in refusals) == 2 and cluster.role.idle()


def test_a_timeout_of_zero_never_ends() -> None:
    cluster = prepare(window=1, message_timeout_us=0)
    cluster.run(S)
    cluster.leaders[0] = (-1, 1)
    cluster.run(BEGIN_US + 100 * S)
    assert cluster.port.of(Kind.FAIL, Kind.UNKNOWN) == []


def test_a_connection_that_is_never_accepted_is_given_up() -> None:
    cluster = prepare(warm=False, count=1, connection_setup_timeout_us=2 * S)
    for pipe in cluster.pipes.values():
        pipe.open = False  # the handshake is lost
    cluster.run(4 * S)
    assert [row.code for row in cluster.port.of(Kind.DISCONNECT)] == [ErrorCode.REQUEST_TIMED_OUT]
    cluster.until_idle()
    assert cluster.log() == [0]
