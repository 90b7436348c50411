"""How the Java producer makes batches and requests: linger, fill, drain, split (producer 2.3 to 2.5, 3.3, 10)."""

from __future__ import annotations

import pytest

from sim.protocol.error_codes import ErrorCode as E
from tests.protocol.java_play import idempotent, plain

S = 1_000_000
ROOM = 61  # header of a batch; records take 100 bytes here


def test_a_young_batch_leaves_with_a_lingered_one_of_the_same_broker() -> None:
    """producer:S38, producer:toy-10"""
    play = plain("A/0 X/1@999", linger_us=S, leaders={0: 1, 1: 1})
    assert play.at(999.5).sent() == ""
    assert play.at(1000).sent() == "A+X"


def test_batches_of_one_partition_never_share_a_request() -> None:
    """producer:S39, producer:toy-9"""
    assert plain("A B C D E F", batch_size_bytes=ROOM + 200).sent() == "AB CD EF"


def test_linger_counts_from_the_batch_not_from_its_last_record() -> None:
    """producer:toy-11"""
    play = plain("A B@900", linger_us=S, batch_size_bytes=1000).at(1000)
    assert (play.sent(), play.times_ms("AB")) == ("AB", [1000])


@pytest.mark.parametrize("size", [ROOM + 300, ROOM + 399])
def test_a_full_batch_does_not_linger(size: int) -> None:
    """producer 2.4: full to the brim, or a record came that had no room"""
    brim = size == ROOM + 300
    play = plain("A B@10 C@20 D@30", linger_us=S, batch_size_bytes=size).at(29)
    assert play.sent() == ("ABC" if brim else "")
    assert play.at(30).sent() == ("" if brim else "ABC+".rstrip("+"))


def test_an_oversized_record_is_alone_and_lingers_until_the_next_one_comes() -> None:
    """producer 2.3: a batch always accepts its first record"""
    play = plain("A B@500", sizes={"A": 5000}, linger_us=S, batch_size_bytes=1000).at(499)
    assert play.sent() == ""
    assert play.at(500).sent() == "A"


def test_what_arrives_while_the_window_is_full_shares_a_batch() -> None:
    """producer 2.3"""
    play = plain("A B@1 C@2 D@3", window=1, batch_size_bytes=1000).at(10)
    play.sent()
    assert play.ok("A").sent() == "BCD"


def test_max_request_size_cuts_a_request_but_never_its_first_batch() -> None:
    """producer 2.5: size cap; the next drain begins with the partition that did not fit"""
    calls = "A/0 B/0 X/1 Y/1 P/2 Q/2"
    leaders = {0: 1, 1: 1, 2: 1}
    play = plain(calls, leaders=leaders, batch_size_bytes=ROOM + 200, max_request_size_bytes=2 * (ROOM + 200))
    assert play.sent() == "AB+XY PQ"
    play = plain(calls, leaders=leaders, batch_size_bytes=ROOM + 200, max_request_size_bytes=ROOM + 200)
    assert play.sent() == "AB XY PQ"


def test_the_drain_begins_with_the_partition_it_ended_with() -> None:
    """producer 2.5: after a full cycle the next one starts a position earlier (T:testDrainBatches)"""
    calls = " ".join(f"{name}/{index}@{10 * turn}" for turn in range(3) for index, name in enumerate("ABC"))
    play = plain(calls, leaders={0: 1, 1: 1, 2: 1}).at(30)
    assert play.sent() == "A+B+C C+A+B B+C+A"


def test_a_node_that_is_not_reached_holds_back_only_its_own_partitions() -> None:
    """producer 2.4"""
    play = plain("", leaders={0: 1, 1: 2})
    assert play.sent() == ""
    play = plain("A/0 X/1", leaders={0: 1, 1: 2})
    play.unreachable.add(2)
    assert play.sent().split() == ["A", "X"]


def test_a_compressed_batch_that_the_broker_refuses_is_split_in_order() -> None:
    """producer:S43: consecutive slices of the old sequences, no back-off, attempts from 0"""
    play = idempotent("A B", batch_size_bytes=ROOM + 150, compression_ratio_percent=50)
    assert play.sent() == "AB"
    play.answer("AB", E.MESSAGE_TOO_LARGE)
    assert play.sent() == "A"
    assert play.ok("A").sent() == "B"
    assert (play.identities("A"), play.identities("B")) == ([(0, 0)], [(0, 1)])
    assert play.ok("B").log() == "A B"
    assert play.callbacks() == "A B"


def test_pieces_of_a_plain_batch_go_to_the_head_in_order() -> None:
    """producer 3.3: a later batch that was accepted already ends up before them"""
    play = plain("A B C@1", batch_size_bytes=ROOM + 150, compression_ratio_percent=50).at(1)
    assert play.on_wire() == "AB C"
    play.answer("AB", E.MESSAGE_TOO_LARGE).ok("C", "A", "B")
    assert play.log() == "C A B"


def test_an_expired_batch_is_not_split() -> None:
    """producer 3.3 (T:testExpiredBatchDoesNotSplitOnMessageTooLargeError)"""
    play = plain("A B", batch_size_bytes=1000, request_timeout_us=2 * S, delivery_timeout_us=S).at(1000)
    play.sent()
    assert play.answer("AB", E.MESSAGE_TOO_LARGE).run(1000).sent() == ""
    assert play.callbacks() == "AB"


def test_a_single_record_too_large_for_the_broker_fails() -> None:
    """producer 3.2"""
    assert plain("A").answer("A", E.MESSAGE_TOO_LARGE).outcome("A") == "FAIL MESSAGE_TOO_LARGE"


def test_with_one_in_flight_a_split_sends_its_pieces_one_after_the_other() -> None:
    """producer 2.6"""
    play = plain("A B", window=1, batch_size_bytes=ROOM + 150, compression_ratio_percent=50)
    play.answer("AB", E.MESSAGE_TOO_LARGE)
    assert play.on_wire() == "A"
    assert play.ok("A", "B").log() == "A B"


def test_compression_counts_on_the_wire_and_in_the_fill_of_a_batch() -> None:
    """producer 2.3: fill estimate with the ratio known"""
    play = plain("A B C D", batch_size_bytes=ROOM + 210, compression_ratio_percent=50)
    assert play.sent() == "ABCD"
    assert play.pending[0].request.batches[0].size_bytes == ROOM + 200
