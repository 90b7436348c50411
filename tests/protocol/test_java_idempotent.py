"""The Java idempotent producer: sequences, epoch bumps, unresolved expiry (producer 3.4, 4.1, 5.3, 6, 10)."""

from __future__ import annotations

import pytest

from sim.protocol.error_codes import PRODUCE_ERRORS
from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.java_batches import PartitionQueue, ProducerBatch
from sim.protocol.rows import Kind
from tests.protocol.java_play import Play, idempotent

S = 1_000_000
OUT_OF_ORDER = E.OUT_OF_ORDER_SEQUENCE_NUMBER
BUMPING = [
    code for code, error in PRODUCE_ERRORS.items()
    if error.java_idempotent == "fail_bump" or code == E.MESSAGE_TOO_LARGE
]  # fmt: skip
FATAL = [code for code, error in PRODUCE_ERRORS.items() if error.java_idempotent == "fatal"]


def test_after_refusals_batches_leave_one_at_a_time_and_a_new_one_with_the_last() -> None:
    """producer:S20, producer:toy-17: D does not wait for the acknowledgement of C."""
    play = idempotent("A B C D@50").answer("A", E.LEADER_NOT_AVAILABLE)
    play.answer("B", OUT_OF_ORDER).answer("C", OUT_OF_ORDER)
    play.sent()
    assert play.run(100).sent() == "A"
    assert play.ok("A").sent() == "B"
    assert play.ok("B").sent() == "C D"
    assert play.ok("C", "D").log() == "A B C D"
    assert play.bumps == []


def test_a_lost_window_comes_back_in_order_one_at_a_time() -> None:
    """producer:S21"""
    play = idempotent("A B C D").disconnect()
    play.sent()
    for name in "ABCD":
        assert play.run(100).sent() == name
        play.ok(name)
    assert play.log() == "A B C D"
    assert [play.identities(name)[-1] for name in "ABCD"] == [(0, 0), (0, 1), (0, 2), (0, 3)]


def moved(calls: str) -> Play:
    """Partition 0 moves from broker 1 to 2 at once, and the client learns it at 1 s, as broker 2 is idle (Z)."""
    play = idempotent(f"Z/1 {calls}", leaders={0: 1, 1: 2, 2: 2}, metadata_max_age_us=S).ok("Z")
    play.leaders[0] = (2, 1)
    return play


def test_a_refused_successor_queues_behind_the_head_whichever_answer_comes_first() -> None:
    """producer:S22"""
    play = moved("A B@1500").at(1500).answer("B", OUT_OF_ORDER)
    play.sent()
    assert play.answer("A", E.NOT_LEADER_OR_FOLLOWER).run(200).sent() == "A"
    assert play.ok("A").sent() == "B"
    assert play.ok("B").log() == "A B"


def test_a_recognised_retry_reports_the_old_offset_and_does_not_turn_the_last_sequence_back() -> None:
    """producer:S23, producer:toy-18, producer:toy-30: log A B, callbacks B A."""
    play = idempotent("A B C@500").stored("A", E.REQUEST_TIMED_OUT).ok("B").run(100).recognised("A")
    assert (play.outcome("A"), play.outcome("B"), play.callbacks()) == ("ok 0", "ok 1", "B A")
    assert play.at(500).identities("C") == [(0, 2)]
    assert play.ok("C").bumps == []


def test_a_lost_answer_leaves_one_copy() -> None:
    """producer:S24"""
    play = idempotent("A").store("A").disconnect().run(100).recognised("A")
    assert (play.log(), play.outcome("A")) == ("A", "ok 0")


def test_a_duplicate_sequence_number_is_a_success_without_offset() -> None:
    """producer:S25"""
    play = idempotent("A").store("A").disconnect().run(100).answer("A", E.DUPLICATE_SEQUENCE_NUMBER)
    assert play.outcome("A") == "ok -1"


def test_a_final_error_bumps_renumbers_and_keeps_the_order_of_the_survivors() -> None:
    """producer:S26, producer:toy-15, producer 4.5"""
    play = idempotent("Z A@10 B@10 C@10 D@10", window=3).ok("Z").at(10)
    assert play.answer("A", E.INVALID_RECORD).outcome("A") == "FAIL INVALID_RECORD"
    assert (play.bumps, play.identities("D")) == ([(1, 0)], [(1, 2)])  # D leaves with its final sequence
    play.answer("B", OUT_OF_ORDER).answer("C", OUT_OF_ORDER).answer("D", OUT_OF_ORDER)
    play.sent()
    assert play.run(100).sent() == "B"
    assert play.ok("B").sent() == "C"
    assert play.ok("C").sent() == "D"
    assert play.ok("D").log() == "Z B C D"
    assert [play.identities(name)[-1] for name in "BCD"] == [(1, 0), (1, 1), (1, 2)]
    assert play.asked_producer_id == 1  # a bump is local


def test_an_out_of_order_head_of_line_bumps_and_is_sent_again_from_zero() -> None:
    """producer:S27, producer:toy-17"""
    play = idempotent("A B C@10").ok("A", "B").at(10).answer("C", OUT_OF_ORDER).run(100)
    assert play.identities("C") == [(0, 2), (1, 0)]
    assert play.ok("C").log() == "A B C"


def test_a_bump_of_one_partition_leaves_the_other_its_epoch_until_nothing_is_in_flight() -> None:
    """producer:S28, producer:toy-16"""
    play = idempotent("A/0 X/1@1 Y/1@20", leaders={0: 1, 1: 1}).at(1).answer("A", OUT_OF_ORDER).answer("X", 19)
    assert play.at(101).identities("X") == [(0, 0), (0, 0)]
    assert play.identities("Y") == []
    while play.identities("Y") == []:
        play.ok(play.pending[0].letters[0]).run(100)
    assert (play.identities("Y"), play.identities("A")[-1]) == ([(1, 0)], (1, 0))
    assert play.bumps == [(1, 0)]


def expired_in_retry(calls: str) -> Play:
    """A is refused at once, sent again at 100 ms together with B, and expires at 10 s without an answer."""
    play = idempotent(calls, delivery_timeout_us=10 * S, request_timeout_us=10 * S).answer("A", 19).at(10_010)
    assert play.outcome("A") == "UNKNOWN CLIENT_DELIVERY_TIMEOUT"
    return play


def test_an_expired_retry_is_skipped_over_when_its_successor_is_acknowledged() -> None:
    """producer:S29"""
    play = expired_in_retry("A B@5000 C@10020").answer("A", 19).ok("B").at(10_020)
    assert (play.bumps, play.identities("C")) == ([], [(0, 2)])


def test_while_an_expired_retry_is_unresolved_nothing_new_leaves_the_partition() -> None:
    """producer 5.3"""
    play = expired_in_retry("A B@5000 C@10005")
    assert play.identities("C") == []
    assert play.answer("A", 19).ok("B").identities("C") == [(0, 2)]


def test_an_expired_retry_that_is_missing_costs_an_epoch_when_its_successor_is_refused() -> None:
    """producer:S30"""
    play = expired_in_retry("A B@5000").answer("A", 19).answer("B", OUT_OF_ORDER).run(100)
    assert (play.bumps, play.identities("B")) == ([(1, 0)], [(0, 1), (1, 0)])
    assert play.ok("B").log() == "B"


def test_when_all_that_was_sent_expires_the_next_batch_begins_a_new_epoch() -> None:
    """producer 5.3, all sent batches expired"""
    play = expired_in_retry("A C@11000").answer("A", 19).at(11_000)
    assert (play.bumps, play.identities("C")) == ([(1, 0)], [(1, 0)])


def test_a_batch_that_was_never_sent_expires_without_using_a_sequence() -> None:
    """producer:S31, producer:toy-14: sequences are given at the drain, not at send()."""
    play = idempotent("A B@2000", leaders={0: -1}, delivery_timeout_us=S, request_timeout_us=S).at(1000)
    assert (play.outcome("A"), play.bumps) == ("FAIL CLIENT_DELIVERY_TIMEOUT", [])
    play.leaders[0] = (1, 1)
    assert play.at(4000).identities("B") == [(0, 0)]


def test_a_batch_sent_once_and_lost_stalls_its_successor_for_a_whole_delivery_timeout() -> None:
    """producer:S32"""
    play = idempotent("Z A B@10000 C@20500", delivery_timeout_us=10 * S, request_timeout_us=10 * S).ok("Z")
    assert play.at(10_000).outcome("A") == "UNKNOWN CLIENT_DELIVERY_TIMEOUT"
    while play.now_us < 20 * S:
        play.run(10)
        if play.on_wire() == "B" and play.now_us > 10_001_000:
            play.answer("B", OUT_OF_ORDER)
    assert play.outcome("B") == "UNKNOWN CLIENT_DELIVERY_TIMEOUT"  # its first request died with A's connection
    assert (set(play.identities("B")), len(play.identities("B"))) == ({(0, 2)}, 13)
    assert play.at(20_500).identities("C") == [(1, 0)]
    assert play.ok("C").log() == "Z C"


def test_one_batch_out_of_retries_takes_its_successor_with_it() -> None:
    """producer:S33"""
    play = idempotent("A B C@500", retries=1).answer("A", 19).answer("B", OUT_OF_ORDER).run(100)
    assert play.answer("A", 19).outcome("A") == "FAIL NOT_ENOUGH_REPLICAS"
    assert play.bumps == []  # out of retries: nothing is renumbered
    assert play.answer("B", OUT_OF_ORDER).outcome("B") == "FAIL OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert play.at(500).identities("C") == [(1, 0)]
    assert play.ok("C").log() == "C"


def test_a_leader_that_knows_nothing_of_the_producer_loses_the_head_and_no_epoch() -> None:
    """producer:S34, producer:toy-28, producer 6.7 item 3"""
    play = idempotent("A B C@150", delivery_timeout_us=5 * S, request_timeout_us=5 * S).answer("A", 19).ok("B")
    while not play.outcome("A"):
        play.run(50)
        for name in ("A", "C"):
            if name in play.on_wire().split():
                play.answer(name, *([OUT_OF_ORDER] if name == "A" else []))
    assert (play.outcome("A"), play.log()) == ("FAIL CLIENT_DELIVERY_TIMEOUT", "B C")
    assert (play.bumps, play.identities("C")) == ([], [(0, 2)])
    assert set(play.identities("A")) == {(0, 0)}


def test_a_leader_that_forgot_the_window_gets_it_twice_under_a_new_epoch() -> None:
    """producer:S35, producer 6.7 item 4"""
    play = idempotent("A B").store("A").store("B").disconnect().run(100).answer("A", OUT_OF_ORDER).run(300)
    assert play.identities("A")[-1] == (1, 0)
    play.ok("A").run(300).ok("B")
    assert (play.log(), play.outcome("A"), play.outcome("B")) == ("A B A B", "ok 2", "ok 3")
    assert play.identities("B")[-1] == (1, 1)


def test_after_a_change_of_leader_a_partition_may_have_twice_the_window_in_flight() -> None:
    """producer:S36, producer:toy-8"""
    play = moved("A B C D E F@1500 G@1500 H@1500 I@1500 J@1500 K@1500").at(1500)
    assert play.on_wire() == "A B C D E F G H I J"
    assert play.identities("J") == [(0, 9)]


def test_two_partitions_of_a_broker_share_its_window() -> None:
    """producer:toy-8: the limit is per connection."""
    play = idempotent("A/0 B/0@1 C/0@2 X/1@3 Y/1@4 Z/1@5", leaders={0: 1, 1: 1}).at(10)
    assert play.on_wire() == "A B C X Y"


def test_a_partition_blocked_by_its_sequences_starves_its_whole_broker() -> None:
    """producer:S37, producer:toy-19"""
    play = moved("A/0 B/0@1500 X/1@1650 Y/2@1700").at(1500)
    assert play.answer("B", OUT_OF_ORDER).at(5000).on_wire() == "A"
    assert play.ok("A").on_wire().startswith("B")
    assert "X" in play.run(1).on_wire()


def test_no_batch_leaves_while_a_producer_id_is_asked_for() -> None:
    """producer:toy-20"""
    play = Play("A X/1", leaders={0: 1, 1: 2})
    play.gives_producer_ids = False
    assert play.start().run(100).sent() == ""
    assert play.asked_producer_id == 1


def test_without_a_producer_id_nothing_expires() -> None:
    """producer:S42, producer:toy-20"""
    play = Play("A", delivery_timeout_us=1_500_000, request_timeout_us=S)
    play.gives_producer_ids = False
    play.start().at(10_000)
    assert (play.outcome("A"), play.sent()) == ("", "")
    assert 3 <= play.asked_producer_id <= 12  # asked again after each lost request and a back-off


def test_an_exhausted_epoch_costs_a_new_producer_id_and_the_renumbered_batch_its_protection() -> None:
    """producer:S44, producer 6.4"""
    play = Play("A B C@500")
    play.epoch = 32_767
    play.start().ok("A").answer("B", OUT_OF_ORDER)
    assert play.asked_producer_id == 2
    play.epoch = 0
    play.run(100)
    assert [(one.pid, one.epoch, one.seq) for one in play.transmissions if one.letters == "B"] == [
        (1001, 32_767, 1), (-1, -1, 0),
    ]  # fmt: skip


def test_after_an_exhausted_epoch_new_batches_carry_the_new_producer_id() -> None:
    """producer:S44"""
    play = Play("A B C@500")
    play.epoch = 32_767
    play.start()
    play.epoch = 0
    play.ok("A").answer("B", OUT_OF_ORDER).run(100).ok("B").at(500)
    newest = play.transmissions[-1]
    assert (newest.letters, newest.pid, newest.epoch, newest.seq) == ("C", 1002, 0, 0)


def test_the_sequence_wraps_behind_the_largest_int() -> None:
    """producer:S49"""
    queue = PartitionQueue(0)
    queue.next_seq = 2**31 - 1
    queue.assign(ProducerBatch(queue, 0, 100, 0, 0), 1, 0)
    assert queue.next_seq == 99


def test_with_one_in_flight_a_final_error_bumps_before_the_successor_leaves() -> None:
    """producer:S58"""
    play = idempotent("A B", window=1).answer("A", E.INVALID_RECORD)
    assert (play.outcome("A"), play.identities("B")) == ("FAIL INVALID_RECORD", [(1, 0)])
    assert play.ok("B").log() == "B"


@pytest.mark.parametrize("code", BUMPING)
def test_a_final_error_fails_the_batch_and_bumps(code: int) -> None:
    """producer 3.2, idempotent column "fail + bump\""""
    play = idempotent("A B@10").answer("A", code).at(10)
    assert play.outcome("A") == f"{'UNKNOWN' if PRODUCE_ERRORS[code].in_log else 'FAIL'} {E(code).name}"
    assert (play.bumps, play.identities("B")) == ([(1, 0)], [(1, 0)])


def test_a_final_error_out_of_retries_does_not_bump() -> None:
    """producer 3.1 item 4: adjust is attempts < retries"""
    play = idempotent("A", retries=1).answer("A", 19).run(100).answer("A", E.INVALID_RECORD)
    assert (play.outcome("A"), play.bumps) == ("FAIL INVALID_RECORD", [])


@pytest.mark.parametrize("code", FATAL)
def test_a_fatal_error_fails_everything_at_once_and_nothing_is_sent_afterwards(code: int) -> None:
    """producer 3.2, notes"""
    play = idempotent("A B C X/1 N@50", window=2, leaders={0: 1, 1: 2}).answer("A", code)
    play.sent()
    assert play.callbacks().split()[0] == "A"
    assert [play.outcome(name).split()[0] for name in "ABCX"] == ["FAIL", "UNKNOWN", "FAIL", "UNKNOWN"]
    assert all(play.outcome(name).endswith(E(code).name) for name in "ABCX")
    assert play.run(60_000).refused() == "N"
    assert (play.sent(), play.role.idle()) == ("", True)


def test_an_unknown_producer_id_bumps_unless_the_log_start_is_unknown() -> None:
    """producer 3.2, code 59"""
    play = idempotent("A B@10").answer("A", E.UNKNOWN_PRODUCER_ID, log_start=-1).run(100)
    assert (play.bumps, play.identities("A")) == ([], [(0, 0), (0, 0)])
    play = idempotent("A").answer("A", E.UNKNOWN_PRODUCER_ID, log_start=5).run(100)
    assert (play.bumps, play.identities("A")) == ([(1, 0)], [(0, 0), (1, 0)])


def test_an_unknown_producer_id_that_ends_a_batch_costs_an_epoch() -> None:
    """To ``handleFailedBatch`` an ``UnknownProducerIdException`` is an ``OutOfOrderSequenceException``: the next batch
    does not go out under numbers that the log has already (it would be taken for their repeat, and lost)."""
    play = idempotent("Z A@10 B@500", retries=1).ok("Z").run(20)
    play.answer("A", E.UNKNOWN_PRODUCER_ID, log_start=-1).run(200)
    play.answer("A", E.UNKNOWN_PRODUCER_ID, log_start=-1).run(400)
    assert play.outcome("A").endswith("UNKNOWN_PRODUCER_ID")
    assert (play.identities("Z"), play.bumps, play.identities("B")) == ([(0, 0)], [(1, 0)], [(1, 0)])


def test_an_ok_of_an_old_request_is_credited_with_the_new_number() -> None:
    """producer 3.4, consequences: numbers that the broker does not know, and a second bump"""
    play = idempotent("A B C").answer("A", OUT_OF_ORDER).ok("B").answer("C", OUT_OF_ORDER).run(100)
    assert play.identities("A")[-1] == (1, 0)
    play.ok("A").run(100).answer("C", OUT_OF_ORDER)
    assert play.identities("C")[-1] == (1, 2)
    assert play.bumps == [(1, 0), (2, 0)]


def test_an_error_that_says_success_without_storing_loses_silently() -> None:
    """producer 3.2, code 46: the next batch is head of line, out of order, and bumps"""
    play = idempotent("A B@10").answer("A", E.DUPLICATE_SEQUENCE_NUMBER).at(10).answer("B", OUT_OF_ORDER).run(100)
    assert play.ok("B").log() == "B"
    assert (play.outcome("A"), play.bumps) == ("ok -1", [(1, 0)])


@pytest.mark.parametrize("code", [code for code, e in PRODUCE_ERRORS.items() if e.java_idempotent == "retry"])
def test_a_retriable_error_keeps_epoch_and_sequence(code: int) -> None:
    """producer 3.2, producer:toy-23"""
    play = idempotent("A").answer("A", code).run(200)
    assert play.identities("A") == [(0, 0), (0, 0)]


def test_a_retried_batch_is_closed() -> None:
    """producer:toy-23: records that come meanwhile make a batch of their own."""
    play = idempotent("A B@10 C@10", batch_size_bytes=1000).answer("A", 19)
    play.sent()
    assert play.at(100).sent() == "A BC"
    assert play.identities("BC") == [(0, 1)]


def test_a_bump_is_a_row_caused_by_the_answer_that_asked_for_it() -> None:
    """Kind.PRODUCER_ID names partition and cause"""
    play = idempotent("A").answer("A", OUT_OF_ORDER)
    bump = play.rows(Kind.PRODUCER_ID)[-1]
    assert play.port.rows[bump.cause].kind == Kind.RESPONSE
    assert (bump.pid, bump.epoch, bump.partition) == (1001, 1, 0)


def test_only_the_head_of_a_refused_for_ever_idempotent_queue_is_sent_and_all_expire_with_it() -> None:
    """producer 5.2: one head batch refused for ever"""
    play = idempotent("A B C", delivery_timeout_us=2 * S, request_timeout_us=S)
    play.answer("A", 19).answer("B", OUT_OF_ORDER).answer("C", OUT_OF_ORDER)
    play.sent()
    while not play.outcome("C"):
        play.run(10)
        if play.on_wire() == "A":
            play.answer("A", 19)
    assert set(play.sent().split()) == {"A"}
    assert [play.outcome(name) for name in "ABC"] == ["FAIL CLIENT_DELIVERY_TIMEOUT"] * 3
