"""The Java producer without idempotence: retries, reordering, duplicates, timeouts (producer 4.2 to 4.4, 5, 10)."""

from __future__ import annotations

import pytest

from sim import config
from sim.protocol.error_codes import PRODUCE_ERRORS
from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.settings import Rules
from tests.protocol import librdkafka_play
from tests.protocol.java_play import Play, plain

S = 1_000_000
RETRIED = [code for code, error in PRODUCE_ERRORS.items() if error.java_plain == "retry"]


def test_a_refused_batch_lands_behind_its_successor_and_both_are_reported_ok() -> None:
    """producer:S08, producer:toy-18: callbacks are not in order of send()."""
    play = plain("A B").answer("A", E.NOT_ENOUGH_REPLICAS).ok("B").run(100).ok("A")
    assert (play.log(), play.callbacks()) == ("B A", "B A")
    assert (play.outcome("A"), play.outcome("B")) == ("ok 1", "ok 0")


def test_a_lost_window_is_sent_again_in_reverse() -> None:
    """producer:S09, producer:toy-2: every retry goes to the head of the queue."""
    play = plain("A B C D")
    assert play.sent() == "A B C D"
    assert play.disconnect().run(100).sent() == "D C B A"
    assert play.ok("D", "C", "B", "A").log() == "D C B A"


def test_a_second_lost_connection_restores_the_order_of_what_is_unacknowledged() -> None:
    """producer 4.2 (b)"""
    play = plain("A B C").disconnect().run(100)
    play.sent()
    assert play.ok("C").disconnect().run(300).sent() == "A B"


def test_lost_answers_store_the_whole_window_again_reversed() -> None:
    """producer:S10, producer 4.3"""
    play = plain("A B C").store("A").store("B").store("C").disconnect().run(100).ok("C", "B", "A")
    assert play.log() == "A B C C B A"


def test_a_batch_on_the_wire_overtakes_two_refused_ones() -> None:
    """producer:S11, D on the wire"""
    play = plain("A B C D").answer("A", 19).ok("B").answer("C", 19).ok("D")
    assert play.run(100).ok("C", "A").log() == "B D C A"


def test_a_batch_never_sent_overtakes_no_retry() -> None:
    """producer:S11, D never sent; producer:toy-1: a retry goes to the head, not to the tail."""
    play = plain("A B C D", window=3).answer("A", 19).ok("B").answer("C", 19)
    assert play.on_wire() == ""
    assert play.run(100).ok("C", "A", "D").log() == "B C A D"


def test_with_several_in_flight_a_new_leader_gets_the_successor_at_once() -> None:
    """producer:S12"""
    play = plain("Z/1 A B@1500", leaders={0: 1, 1: 2}, metadata_max_age_us=S).ok("Z")
    play.leaders[0] = (2, 1)
    assert play.at(1500).on_wire() == "A B"
    assert [one.broker for one in play.transmissions] == [1, 2, 2]
    assert play.ok("B").answer("A", E.NOT_LEADER_OR_FOLLOWER).run(100).ok("A").log() == "B A"


def test_with_one_in_flight_the_successor_waits_across_a_change_of_leader() -> None:
    """producer:S13, producer 2.6"""
    play = plain("Z/1 A B@1500", window=1, leaders={0: 1, 1: 2}, metadata_max_age_us=S).ok("Z")
    play.leaders[0] = (2, 1)
    assert play.at(1600).on_wire() == "A"
    assert play.answer("A", E.NOT_LEADER_OR_FOLLOWER).on_wire() == "A"
    assert play.ok("A").ok("B").log() == "A B"


def test_not_leader_after_the_append_duplicates() -> None:
    """producer:toy-6: NOT_LEADER_OR_FOLLOWER may come for a batch that is stored."""
    assert plain("A").stored("A", E.NOT_LEADER_OR_FOLLOWER).run(100).ok("A").log() == "A A"


def test_with_one_in_flight_a_lost_answer_duplicates_in_order() -> None:
    """producer:S14, producer:toy-7"""
    play = plain("A B", window=1).store("A").disconnect().run(100).ok("A")
    assert play.ok("B").log() == "A A B"


def test_a_failed_batch_may_still_be_stored_behind_its_successor() -> None:
    """producer:S15, producer:toy-4, producer:toy-5, producer:toy-7: failed is not the same as not in the log."""
    play = plain("A B@100", window=1, retries=0, request_timeout_us=S)
    zombie = play.pending[0]
    assert play.at(1001).outcome("A") == "UNKNOWN REQUEST_TIMED_OUT"
    assert play.at(1100).ok("B").late(zombie).log() == "B A"


def test_with_one_in_flight_expiry_does_not_let_the_successor_out() -> None:
    """producer:S16, producer:toy-13: only the end of A's request unmutes the partition."""
    play = plain("A B@10000", window=1, delivery_timeout_us=10 * S, request_timeout_us=10 * S)
    assert play.at(10_000).outcome("A") == "UNKNOWN CLIENT_DELIVERY_TIMEOUT"
    assert play.times_ms("B") == []
    play.at(10_200)
    assert play.times_ms("B") == [10_001 + 50]  # one millisecond past the request timeout, then the reconnect back-off


def test_with_one_in_flight_a_zombie_repeats_behind_its_successor() -> None:
    """producer:S17, producer:toy-7"""
    play = plain("A B", window=1, request_timeout_us=S)
    zombie = play.pending[0]
    play.at(1200).ok("A").ok("B").late(zombie)
    assert (play.log(), play.outcome("A"), play.outcome("B")) == ("A B A", "ok 0", "ok 1")


def test_a_retry_leaves_before_what_was_queued_during_its_back_off() -> None:
    """producer:S18, producer:toy-1"""
    play = plain("A D@50").answer("A", 19)
    play.sent()
    assert play.at(99).sent() == ""
    assert play.at(100).sent() == "A D"


@pytest.mark.parametrize("code", RETRIED)
def test_retries_n_means_n_plus_one_transmissions_and_then_the_last_error(code: int) -> None:
    """producer:S19"""
    play = plain("A", retries=1)
    for _ in range(2):
        play.answer("A", code).run(500)
    may_be_stored = "UNKNOWN" if PRODUCE_ERRORS[code].in_log else "FAIL"
    assert (play.sent(), play.outcome("A")) == ("A A", f"{may_be_stored} {E(code).name}")


def test_two_lost_connections_exhaust_one_retry() -> None:
    """producer:S19"""
    play = plain("A B", retries=1).disconnect().run(500).disconnect().run(500)
    assert play.sent() == "A B B A"
    assert play.callbacks() == "B A"  # oldest transmission first
    assert play.outcome("A") == "UNKNOWN NETWORK_EXCEPTION"


def test_without_retries_a_lost_connection_fails_what_was_on_the_wire_and_nothing_else() -> None:
    """producer 3.1: queued batches are not touched"""
    play = plain("A B C", window=2, retries=0).disconnect()
    assert play.callbacks() == "A B"
    assert play.run(100).ok("C").log() == "C"


def test_a_paused_sender_fails_an_expired_batch_and_transmits_it() -> None:
    """producer:S41, producer 5.2"""
    play = plain("Z A@100", linger_us=S, request_timeout_us=S, delivery_timeout_us=2 * S).at(1000).ok("Z").at(1050)
    play.sent()
    play.freeze_until(2200).at(2200)
    assert (play.outcome("A"), play.sent()) == ("UNKNOWN CLIENT_DELIVERY_TIMEOUT", "A")
    assert play.ok("A").outcome("A") == "UNKNOWN CLIENT_DELIVERY_TIMEOUT"  # a late success is only logged


def test_a_batch_too_large_for_the_broker_is_resent_unchanged_until_the_delivery_timeout() -> None:
    """producer:S51, producer:toy-27: nothing to split, no back-off."""
    play = plain("A B", batch_size_bytes=1000, request_timeout_us=S, delivery_timeout_us=S)
    for _ in range(50):
        play.answer("AB", E.MESSAGE_TOO_LARGE).run(2)
    assert play.sent() == "AB " * 50 + "AB"
    assert play.at(1000).outcome("AB").endswith("CLIENT_DELIVERY_TIMEOUT")


def test_a_retry_does_not_linger_again() -> None:
    """producer:S52: a closed batch is full."""
    play = plain("A", linger_us=S).at(2000).answer("A", 19).at(5000)
    assert play.times_ms("A") == [1000, 2100]


@pytest.mark.parametrize(
    ("raw", "waits_ms"), [(0, [80, 160, 320, 640, 800]), ((1 << 32) - 1, [120, 240, 480, 960, 1000])]
)
def test_the_back_off_doubles_with_a_jitter_of_a_fifth_and_then_the_cap(raw: int, waits_ms: list[int]) -> None:
    """producer 1.3: the cap is applied after the jitter"""
    play = plain("A", draws={"retry": raw})
    for _ in waits_ms:
        play.answer("A", 19).run(1100)
    begun = play.times_ms("A")
    answered = [0, *(1100 * (i + 1) for i in range(len(waits_ms) - 1))]
    assert [round(sent - before) for sent, before in zip(begun[1:], answered, strict=True)] == waits_ms


def test_before_3_7_the_back_off_is_constant() -> None:
    """producer 1.3, KIP-580"""
    play = plain("A", rules=Rules(exponential_retry_backoff=False), draws={"retry": 0})
    for _ in range(4):
        play.answer("A", 19).run(200)
    assert play.times_ms("A") == [0, 100, 300, 500, 700]


def test_a_request_timeout_takes_the_whole_connection_however_young_its_requests() -> None:
    """producer:toy-3, producer 5.1"""
    play = plain("A B@999", request_timeout_us=S)
    assert play.at(1000).on_wire() == "A B"
    play.at(1001)
    assert (play.on_wire(), play.port.closed) == ("", [2])
    assert play.at(1200).sent() == "A B B A"


def test_an_answer_on_a_dead_connection_has_no_effect() -> None:
    """producer 5.1"""
    play = plain("A", request_timeout_us=S)
    late = play.pending[0]
    play.at(1001)._respond(late, [])
    assert play.outcome("A") == ""


def test_a_request_timer_as_long_as_the_delivery_timeout_comes_first_unless_a_call_wakes_the_sender() -> None:
    """Measured: a sender that slept until the expiry wakes a millisecond late (producer 5.2)."""
    play = plain("A B", window=1, request_timeout_us=S, delivery_timeout_us=S).at(1000)
    assert play.callbacks() == "A B"


def test_within_a_pass_queued_batches_expire_before_those_in_flight() -> None:
    """producer 5.2: the younger one is reported first"""
    play = plain("A B", window=1, request_timeout_us=2 * S, delivery_timeout_us=S).at(1000)
    assert play.callbacks() == "B A"
    assert (play.outcome("B"), play.outcome("A").split()[0]) == ("FAIL CLIENT_DELIVERY_TIMEOUT", "UNKNOWN")


def test_in_flight_expiry_stops_at_the_first_transmitted_that_is_not_due() -> None:
    """producer 5.2: an older batch behind a younger one expires late"""
    play = plain("A@0 B@500", request_timeout_us=20 * S, delivery_timeout_us=20 * S)
    play.at(600).disconnect().at(700)
    assert play.on_wire() == "B A"  # the younger left first
    assert play.at(20_000).callbacks() == ""
    assert play.at(20_500).callbacks() == "B A"


def test_an_older_batch_expires_in_time_once_it_heads_the_list_again() -> None:
    """producer 5.2"""
    play = plain("A@0 B@500", request_timeout_us=20 * S, delivery_timeout_us=20 * S)
    play.at(600).disconnect().at(700).ok("B")
    assert play.at(20_000).callbacks() == "B A"


def test_an_expired_batch_is_never_retried_and_its_request_keeps_its_slot() -> None:
    """producer 5.2"""
    play = plain("A B C@1000", window=2, request_timeout_us=S, delivery_timeout_us=S).at(1000)
    assert play.callbacks() == "A B"
    assert play.on_wire() == "A B"  # C has no slot
    play.sent()
    assert play.answer("A", 19).run(0.5).sent() == "C"


def test_records_of_a_batch_expire_together_counted_from_its_creation() -> None:
    """producer:toy-12"""
    play = plain("A B@900", linger_us=S, batch_size_bytes=1000, request_timeout_us=S, delivery_timeout_us=2 * S)
    assert play.at(1000).on_wire() == "AB"
    assert play.at(1999).callbacks() == ""
    assert play.at(2000).callbacks() == "AB"


def test_acks_0_reports_ok_when_written_fills_no_window_and_loses_with_the_connection() -> None:
    """producer:toy-26, producer 1.1, 4.4"""
    play = plain("A B C D E F G", window=2, acks=0)
    assert (play.sent(), play.callbacks()) == ("A B C D E F G", "A B C D E F G")
    assert play.outcome("G") == "ok -1"
    assert play.disconnect().run(500).sent() == ""


def test_a_final_error_leaves_a_gap_and_does_not_touch_the_others() -> None:
    """producer 4.5"""
    play = plain("A B C").answer("A", E.INVALID_RECORD).ok("B", "C")
    assert (play.log(), play.outcome("A")) == ("B C", "FAIL INVALID_RECORD")


def test_an_error_concerns_only_its_own_partition() -> None:
    """producer 8.7, Java"""
    play = plain("A/0 X/1", leaders={0: 1, 1: 1}).answer("A+X", 19, 0)
    assert (play.outcome("X"), play.outcome("A")) == ("ok 0", "")
    assert play.run(100).on_wire() == "A"


def test_a_lost_connection_reverses_every_partition_of_its_broker_and_no_other() -> None:
    """producer 8.7, Java"""
    calls = "A/0 X/1 P/2 B/0@1 Y/1@1 Q/2@1"
    play = plain(calls, leaders={0: 1, 1: 1, 2: 2}).run(1).disconnect(1).run(100)
    play.ok("P", "Q").ok("B+Y", "A+X")
    assert (play.log(0), play.log(1), play.log(2)) == ("B A", "Y X", "P Q")


def test_an_ok_handled_before_the_error_behind_it_lets_a_new_batch_out() -> None:
    """producer 2.7: a full send pass between two answers"""
    play = plain("A B C D", window=2).ok("A")
    assert play.on_wire() == "B C"
    play.answer("B", 19)
    assert play.on_wire() == "C"  # once the error is handled, D stays behind the retry
    assert play.ok("C").run(100).ok("B", "D").log() == "A C B D"


def test_a_failure_is_unknown_as_soon_as_one_transmission_may_be_stored() -> None:
    """producer 3.2, column Log?"""
    play = plain("A", retries=1).answer("A", E.REQUEST_TIMED_OUT).run(100).answer("A", E.NOT_ENOUGH_REPLICAS)
    assert play.outcome("A") == "UNKNOWN NOT_ENOUGH_REPLICAS"


def test_acks_1_alone_duplicates_as_idempotence_has_switched_itself_off() -> None:
    """producer:toy-22, producer:S01"""
    resolved = config.producer("java", {"acks": "1"}).settings
    play = Play("A", idempotence=resolved.idempotence, acks=resolved.acks).start()
    assert play.store("A").disconnect().run(100).ok("A").log() == "A A"
    assert play.identities("A") == [(-1, -1), (-1, -1)]


def test_the_two_clients_take_a_lost_window_back_in_opposite_orders() -> None:
    """producer:toy-29: S09 and S54"""
    java = plain("A B C D").disconnect().run(100).ok("D", "C", "B", "A")
    assert java.log() == "D C B A"
    librdkafka = librdkafka_play.play(librdkafka_play.window_lost(), window=4, count=4)
    assert [batch.lo for batch in librdkafka.logs[0]] == [0, 1, 2, 3, 4]  # 0 is its warm-up
