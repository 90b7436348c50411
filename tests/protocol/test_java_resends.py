"""The application sends a failed record again (producer 4.4, 6.7 items 1 and 2)."""

from __future__ import annotations

from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.rows import Kind
from tests.protocol.java_play import idempotent, plain

S = 1_000_000
MS = 1_000


def test_a_failed_record_is_sent_again_behind_what_was_sent_meanwhile() -> None:
    """producer 4.4: B already sent, A sent again later, so B A"""
    play = plain("A B", resend=1).answer("A", E.INVALID_RECORD).ok("B", "A'")
    assert (play.log(), play.callbacks()) == ("B A'", "A B A'")


def test_a_record_whose_fate_is_unknown_may_be_stored_twice() -> None:
    """producer 6.7 item 2, idempotence or not: the repeat is a new record"""
    play = idempotent("A B", resend=1, retries=1).store("A").disconnect().run(300).disconnect()
    assert play.outcome("A") == "UNKNOWN NETWORK_EXCEPTION"
    play.run(1000).ok("B").run(1000)
    assert play.on_wire().endswith("A'")
    assert play.ok("A'").log() == "A B A'"


def test_it_is_sent_again_at_most_so_many_times() -> None:
    """resend.after.failure counts by record, not by call"""
    play = plain("A", resend=2)
    for _ in range(3):
        play.answer(play.on_wire(), E.INVALID_RECORD)
    assert (play.on_wire(), play.role.idle()) == ("", True)
    assert len(play.rows(Kind.FAIL)) == 3
    assert play.role.sent().resends == [(0, 0, 1), (0, 0, 1)]


def test_without_the_option_nothing_is_sent_again() -> None:
    """the default is 0"""
    assert plain("A").answer("A", E.INVALID_RECORD).on_wire() == ""


def test_a_repeat_joins_its_partition_before_the_records_still_to_come() -> None:
    """lane order is order of acceptance; the repeat has the next index behind the whole workload"""
    play = plain("A B@10 C@20", resend=1).run(5).answer("A", E.INVALID_RECORD).at(30)
    assert play.on_wire() == "A' B C"
    sent = play.role.sent()
    assert (list(sent.lanes[0].sends), sent.resends, sent.count) == ([0, 3, 1, 2], [(0, 5 * MS, 1)], 3)
    assert list(sent.lanes[0].times) == [0, 5 * MS, 10 * MS, 20 * MS]


def test_records_of_a_failed_batch_are_sent_again_in_their_order_and_share_batches() -> None:
    """callbacks of a batch come in order, each sends its record"""
    play = plain("A B C", resend=1, batch_size_bytes=261).answer("AB", E.INVALID_RECORD)
    assert play.on_wire() == "C A'B'"


def test_a_repeat_of_a_keyed_record_goes_where_its_key_goes_now() -> None:
    """producer 2.2"""
    play = plain("A:foobar", leaders={index: 1 for index in range(10)}, resend=1).answer("A", E.INVALID_RECORD)
    assert play.ok("A'").log(6) == "A'"


def test_a_repeat_that_finds_no_memory_fails() -> None:
    """nobody could free memory while the sender's own thread waits"""
    play = plain("A B C", resend=1, buffer_memory_bytes=2 * 177 + 10, max_block_us=0)
    assert play.sent() == ""  # with max.block.ms=0 nothing waits for metadata either
    play = plain("Z A@10 B@10", resend=1, buffer_memory_bytes=2 * 177 + 10).ok("Z").at(10)
    play.role.intake.buffer.free_bytes -= 200  # another topic's batch, so to say
    assert play.answer("A", E.INVALID_RECORD).on_wire() == "B"
    refused = play.rows(Kind.REFUSED)[0]
    assert (refused.lo, refused.code) == (3, E.CLIENT_BUFFER_EXHAUSTED)


def test_expired_records_are_sent_again_in_the_order_of_their_reports() -> None:
    """delivery timeout: one kind of failure among others"""
    play = plain("A B", resend=1, window=1, delivery_timeout_us=S, request_timeout_us=S + 1_000).at(1000)
    assert (play.callbacks(), play.on_wire()) == ("B A", "A")  # A's old request keeps its slot
    assert play.at(1900).on_wire() == "B'"
    assert play.ok("B'").on_wire() == "A'"


def test_a_repeat_of_the_fatal_record_fails_with_all_others() -> None:
    """its callback comes before the producer knows that it is dead"""
    play = idempotent("A B", resend=5).answer("A", E.CLUSTER_AUTHORIZATION_FAILED)
    assert play.role.sent().resends == [(0, 0, 2)]
    assert (play.outcome("A'"), play.on_wire(), play.role.idle()) == ("FAIL CLUSTER_AUTHORIZATION_FAILED", "B", True)


def test_nothing_is_sent_again_after_the_end_of_the_process() -> None:
    """nobody is there to call"""
    play = plain("A B", resend=5)
    play.role.abandon(0)
    assert play.role.sent().resends == []
