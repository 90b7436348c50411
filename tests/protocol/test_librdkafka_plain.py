"""librdkafka's producer without idempotence: retries, windows, losses. Records are 1, 2, 3, ...; k is max.in.flight."""

from __future__ import annotations

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from tests.protocol.librdkafka_play import (
    BEGIN_US,
    MS,
    S,
    answers_lost,
    delivered,
    play,
    prepare,
    refused,
    stored_but,
    window_lost,
)
from tests.protocol.scripted_cluster import ListedSends, burst

NOT_ENOUGH = int(ErrorCode.NOT_ENOUGH_REPLICAS)
INVALID = int(ErrorCode.INVALID_RECORD)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_one_built_request_more_than_the_window_overtakes_a_refused_one(k: int) -> None:
    """producer:S53, producer:S08, producer:S18: log 2..k+1, 1, k+2..; reports in log order."""
    cluster = play(refused(1, NOT_ENOUGH), window=k)
    expected = [*range(2, k + 2), 1, *range(k + 2, 9)]
    assert cluster.log() == [0, *expected]
    assert cluster.reports() == delivered(0, *expected)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_refused_again_and_again_a_request_is_overtaken_once_a_refusal_only_by_a_window_of_one(k: int) -> None:
    """producer:8.3."""
    cluster = play(*(refused(1, NOT_ENOUGH, attempt=n) for n in (1, 2, 3)), window=k)
    if k == 1:
        assert cluster.log() == [0, 2, 3, 4, 1, 5, 6, 7, 8]
    else:
        assert cluster.log().index(1) > k + 1
    assert sorted(cluster.log()) == list(range(9))


def test_a_refused_head_keeps_everything_behind_it_waiting_for_its_back_off() -> None:
    """producer:8.2, producer:S18: the head in back-off builds nothing for its partition."""
    cluster = play(refused(1, NOT_ENOUGH), window=1)
    attempts = cluster.port.of(Kind.RESPONSE)
    assert cluster.wire()[:4] == [0, 1, 2, 1]
    refusal = next(row for row in attempts if row.code == NOT_ENOUGH)
    again = cluster.attempts()[3]
    assert again.cause == cluster.port.rows.index(refusal)


def test_of_two_refused_the_later_does_not_overtake_the_earlier() -> None:
    """producer:S11, producer:8.3."""
    cluster = play(refused(1, NOT_ENOUGH), refused(3, NOT_ENOUGH), window=5)
    log = cluster.log()
    assert log.index(1) < log.index(3)
    assert [position for position in log if position not in (1, 3)] == [0, 2, 4, 5, 6, 7, 8]
    assert log == [0, 2, 4, 5, 6, 1, 3, 7, 8]  # one never-sent record, 6, ahead of 1


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_window_lost_with_its_connection_is_sent_again_in_order(k: int) -> None:
    """producer:S54, producer:S09."""
    cluster = play(window_lost(), window=k)
    assert cluster.log() == list(range(9))
    assert cluster.wire() == [0, *range(1, k + 1), *range(1, 9)]
    assert cluster.reports() == delivered(*range(9))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_window_whose_answers_were_lost_is_stored_twice_in_order(k: int) -> None:
    """producer:S54, producer:S10, producer:S14."""
    cluster = play(answers_lost(k), window=k)
    assert cluster.log() == [0, *range(1, k + 1), *range(1, 9)]
    assert cluster.reports() == delivered(*range(9))


def test_a_built_request_comes_back_uncounted_when_the_connection_is_lost() -> None:
    """producer:8.3: with retries=0 the wire fails with _TRANSPORT, in order; the built one and the queue survive."""
    cluster = play(window_lost(), window=2, retries=0)
    lost = int(ErrorCode.CLIENT_TRANSPORT)
    assert cluster.reports() == [(0, 0), (1, lost), (2, lost), *delivered(3, 4, 5, 6, 7, 8)]
    assert [row.kind for row in cluster.port.of(Kind.FAIL, Kind.UNKNOWN)] == [Kind.UNKNOWN] * 2


def test_without_retries_a_refused_record_fails_at_once_and_certainly_was_not_written() -> None:
    """producer:8.3."""
    cluster = play(refused(1, NOT_ENOUGH), retries=0)
    assert cluster.log() == [0, 2, 3, 4, 5, 6, 7, 8]
    assert [(row.slice, row.code) for row in cluster.port.of(Kind.FAIL)] == [((1, 2), NOT_ENOUGH)]
    assert cluster.port.of(Kind.UNKNOWN) == []


def test_n_retries_are_n_plus_one_transmissions_and_then_the_error_of_the_last() -> None:
    """producer:S19."""
    cluster = play(refused(1, NOT_ENOUGH, attempt=1), refused(1, INVALID, attempt=3), refused(1, NOT_ENOUGH, attempt=2),
                   retries=2)  # fmt: skip
    assert cluster.wire().count(1) == 3
    assert (1, INVALID) in cluster.reports()
    exhausted = play(refused(1, NOT_ENOUGH, attempt=None), retries=1)
    assert exhausted.wire().count(1) == 2 and (1, NOT_ENOUGH) in exhausted.reports()


def test_a_failure_after_a_transmission_that_may_be_stored_is_unknown() -> None:
    cluster = play(stored_but(1, ErrorCode.REQUEST_TIMED_OUT), refused(1, NOT_ENOUGH, attempt=2), retries=1)
    assert [row.slice for row in cluster.port.of(Kind.UNKNOWN)] == [(1, 2)]
    assert cluster.log().count(1) == 1


def test_the_zombie_of_a_window_of_one_repeats_a_record_after_its_successor() -> None:
    """producer:S17: log A B A, all reported ok."""
    zombie = {"do": "hold", "nth": 1, "until_us": BEGIN_US + 9 * S}
    cluster = prepare(zombie, window=1, count=2, socket_timeout_us=2 * S).run(20 * S)
    assert cluster.log() == [0, 1, 2, 1]
    assert cluster.reports() == delivered(0, 1, 2)


def test_an_error_takes_nobody_else_along() -> None:
    """producer:8.5: a failed message leaves a gap, the others are unaffected."""
    cluster = play(refused(3, INVALID))
    assert cluster.log() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert (3, INVALID) in cluster.reports() and len(cluster.wire()) == 9


COUNTED = [
    ErrorCode.CORRUPT_MESSAGE, ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, ErrorCode.KAFKA_STORAGE_ERROR,
]  # fmt: skip
FREE = [
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.NOT_LEADER_OR_FOLLOWER,
]  # fmt: skip
FINAL = [
    ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.INVALID_RECORD, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID, ErrorCode.INVALID_PRODUCER_EPOCH,
    ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_TIMESTAMP, ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH,
]  # fmt: skip


@pytest.mark.parametrize("code", COUNTED)
def test_a_retriable_code_is_retried_and_counted(code: ErrorCode) -> None:
    """producer:8.5, column plain."""
    assert sorted(play(refused(1, code)).log()) == list(range(9))
    assert (1, int(code)) in play(refused(1, code), retries=0).reports()


@pytest.mark.parametrize("code", FREE)
def test_a_code_that_asks_for_metadata_is_retried_for_free(code: ErrorCode) -> None:
    """producer:8.5: after the same back-off."""
    cluster = play(refused(1, code), retries=0)
    assert sorted(cluster.log()) == list(range(9)) and cluster.reports()[1:].count((1, 0)) == 1


@pytest.mark.parametrize("code", FINAL)
def test_any_other_code_fails_the_message_at_once(code: ErrorCode) -> None:
    """producer:8.5, column plain."""
    cluster = play(refused(1, code))
    assert cluster.log() == [0, 2, 3, 4, 5, 6, 7, 8] and (1, int(code)) in cluster.reports()


def test_a_topic_that_may_not_be_written_fails_everything_unsent_at_once() -> None:
    """producer:8.5, code 29: built one included; those on the wire complete."""
    code = int(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    cluster = play(refused(1, code), window=2, count=8)
    assert cluster.log() == [0, 2]
    assert cluster.reports() == [(0, 0), (1, code), *((at, code) for at in range(3, 9)), (2, 0)]


def test_later_calls_to_a_topic_marked_bad_are_refused() -> None:
    code = int(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    cluster = play(refused(1, code), calls=[*burst(1, at=BEGIN_US), *burst(2, at=BEGIN_US + S)])
    refusals = cluster.port.of(Kind.REFUSED)
    assert [(row.lo, row.hi, row.code) for row in refusals] == [(2, 4, code)]


def test_nothing_is_awaited_without_acks() -> None:
    """producer:8.2: no slot is used, the window does not limit, ok without offset once written."""
    cluster = prepare(window=1, acks=0).run(5 * S)
    assert cluster.log() == list(range(9))
    assert cluster.reports() == delivered(*range(9))
    assert {row.offset for row in cluster.port.of(Kind.ACK)} == {-1}
    assert {row.n for row in cluster.attempts()} == {1}


def test_without_acks_a_loss_goes_unnoticed() -> None:
    cluster = prepare(window_lost(4), acks=0).run(5 * S)
    assert cluster.log() == [0, 1, 2, 3]
    assert cluster.reports() == delivered(*range(9))


def test_all_answers_of_one_moment_are_handled_before_the_next_request_is_built() -> None:
    """producer:8.2: an ok and the error right behind it let out the built request only."""
    both = [{"do": "answer_error", "position": 1, "error": 0, "attempt": 1}, refused(2, NOT_ENOUGH)]
    cluster = play(*both, window=2)
    assert cluster.wire() == [0, 1, 2, 3, 2, 4, 5, 6, 7, 8]


def test_the_threshold_of_backpressure_is_the_number_of_built_requests() -> None:
    cluster = play(refused(1, NOT_ENOUGH), window=1, backpressure_threshold=3)
    assert cluster.log() == [0, 2, 3, 4, 1, 5, 6, 7, 8]


def test_partitions_take_turns_and_share_the_window() -> None:
    """producer:8.7."""
    calls = [(BEGIN_US, at % 2, None) for at in range(8)]
    cluster = play(calls=calls, leaders={0: (1, 0), 1: (1, 0)}, window=2)
    order = [row.partition for row in cluster.port.of(Kind.ATTEMPT)][1:]
    assert order in ([0, 1] * 4, [1, 0] * 4)


def test_an_error_of_one_partition_leaves_the_other_alone() -> None:
    """producer:8.7."""
    calls = [(BEGIN_US, at % 2, None) for at in range(8)]
    leaders = {0: (1, 0), 1: (1, 0)}
    cluster = play(refused(0, NOT_ENOUGH, partition=1), calls=calls, leaders=leaders, window=2)
    assert cluster.log(0) == [0, 1, 2, 3, 4]
    assert sorted(cluster.log(1)) == [0, 1, 2, 3]


def test_a_lost_connection_keeps_the_order_of_every_partition() -> None:
    """producer:8.7."""
    calls = [(BEGIN_US, at % 2, None) for at in range(8)]
    cluster = play(window_lost(2), calls=calls, leaders={0: (1, 0), 1: (1, 0)}, window=4)
    for partition in (0, 1):
        first_copies = list(dict.fromkeys(cluster.log(partition)))
        assert first_copies == sorted(first_copies)


def test_a_new_leader_is_served_while_the_old_one_has_not_answered() -> None:
    """producer:8.4 by contrast: only the idempotent producer waits."""
    cluster = prepare({"do": "hold", "nth": 1, "until_us": BEGIN_US + 5 * S}, window=1, count=3, metadata_refresh_us=S)
    cluster.run(BEGIN_US + 100 * MS)
    cluster.move(0, 2)
    cluster.run(BEGIN_US + 4 * S)
    assert cluster.wire() == [0, 1, 2, 3]
    assert [row.offset for row in cluster.attempts()] == [1, 1, 2, 2]


def test_a_refusal_by_the_old_leader_finds_the_new_one() -> None:
    cluster = prepare(window=5)
    cluster.run(S)
    cluster.move(0, 2)
    cluster.until_idle()
    assert cluster.log() == list(range(9))
    assert cluster.port.of(Kind.METADATA)[-1].n == 2


def test_a_partition_without_leader_keeps_its_messages_until_it_has_one() -> None:
    cluster = prepare(window=5)
    cluster.run(S)
    cluster.leaders[0] = (-1, 1)
    cluster.run(BEGIN_US + 3 * S)
    assert cluster.log() == [0]
    cluster.leaders[0] = (3, 2)
    cluster.until_idle()
    assert cluster.log() == list(range(9))


def test_a_broker_that_is_down_is_tried_again_and_another_one_asked() -> None:
    cluster = prepare(warm=False, count=2, down=(1, 2, 3))
    cluster.run(3 * S)
    assert cluster.log() == []
    cluster.down.clear()
    cluster.until_idle()
    assert cluster.log() == [0, 1]


def test_a_dead_process_leaves_every_record_unknown_or_unwritten() -> None:
    cluster = prepare(window=2)
    cluster.run(BEGIN_US + 10 * MS)
    cluster.role.abandon(cluster.now)
    assert [(row.kind, row.lo) for row in cluster.port.of(Kind.UNKNOWN, Kind.FAIL)] == [
        (Kind.UNKNOWN, 1), (Kind.UNKNOWN, 2), (Kind.FAIL, 3), (Kind.FAIL, 4),
    ]  # fmt: skip
    assert {row.code for row in cluster.port.of(Kind.UNKNOWN, Kind.FAIL)} == {ErrorCode.CLIENT_CLOSED}


def test_batches_fill_and_leave_when_the_linger_of_the_head_is_over() -> None:
    """producer:8.1: linger counts from produce() of the head."""
    calls = [(BEGIN_US + at * MS, 0, None) for at in range(8)]
    cluster = play(calls=calls, batch_num_messages=100, linger_us=5 * MS)
    assert [row.slice for row in cluster.attempts()][1:] == [(1, 7), (7, 9)]


def test_a_full_batch_does_not_wait() -> None:
    calls = [(BEGIN_US + at * MS, 0, None) for at in range(8)]
    cluster = play(calls=calls, batch_num_messages=4, linger_us=100 * MS)
    assert [row.slice for row in cluster.attempts()][1:] == [(1, 5), (5, 9)]


def test_a_batch_is_full_by_bytes_too() -> None:
    calls = [(BEGIN_US + at * MS, 0, None) for at in range(8)]
    cluster = play(calls=calls, batch_num_messages=100, batch_size_bytes=400, linger_us=100 * MS)
    sizes = [row.hi - row.lo for row in cluster.attempts()][1:]
    assert max(sizes) == 3 and sum(sizes) == 8


def test_a_queue_that_is_full_refuses_what_comes() -> None:
    """The first of a burst that fit are taken; the law of the queue holds at every report."""
    cluster = play(window=1, count=8, queue_max_messages=3)
    assert cluster.log() == [0, 1, 2, 3]
    refusals = [(row.lo, row.hi, row.code) for row in cluster.port.of(Kind.REFUSED)]
    assert refusals == [(4, 9, ErrorCode.CLIENT_BUFFER_EXHAUSTED)]
    sent = cluster.role.sent()
    assert sent.count == 9 and [lane.taken for lane in sent.lanes] == [4]


def test_room_in_the_queue_lets_later_calls_in() -> None:
    calls = [*burst(8, at=BEGIN_US), *burst(2, at=BEGIN_US + S)]
    cluster = play(calls=calls, window=1, queue_max_messages=3)
    lane = cluster.role.sent().lanes[0]
    assert [lane.sends[position] for position in range(lane.taken)] == [0, 1, 2, 3, 9, 10]


def test_a_message_above_the_limit_is_refused() -> None:
    cluster = play(message_max_bytes=99, warm=False, count=2)
    assert [(row.lo, row.hi, row.code) for row in cluster.port.of(Kind.REFUSED)] == [
        (0, 2, ErrorCode.CLIENT_RECORD_TOO_LARGE)
    ]


def test_keyless_records_stick_to_a_partition_for_the_sticky_linger() -> None:
    calls = [(BEGIN_US + at * MS, -1, None) for at in range(30)]
    cluster = prepare(calls=calls, leaders={0: (1, 0), 1: (1, 0), 2: (1, 0)}, batch_num_messages=100, linger_us=2 * MS)
    turns = iter([0, 0, 2])
    before = cluster.port.draw
    cluster.port.draw = lambda what: next(turns) if what == "partition" else before(what)  # type: ignore[method-assign]
    cluster.until_idle()
    lanes = {lane.partition: [lane.sends[at] for at in range(lane.taken)] for lane in cluster.role.sent().lanes}
    assert lanes == {0: list(range(23)), 1: [], 2: list(range(23, 31))}  # drawn anew after 10 ms each


def test_keyed_records_follow_crc32_of_their_key() -> None:
    calls = [(BEGIN_US, -1, b"123456789"), (BEGIN_US, -1, b"a"), (BEGIN_US, -1, b"123456789")]
    cluster = play(calls=calls, leaders={0: (1, 0), 1: (1, 0)})
    assert 0xCBF43926 % 2 == 0
    assert [lane.taken for lane in cluster.role.sent().lanes] == [3, 1]


def test_more_partitions_remap_the_keys_of_what_comes_later() -> None:
    calls = [(BEGIN_US + at * S, -1, b"a") for at in range(6)]
    cluster = prepare(calls=calls, leaders={0: (1, 0)}, metadata_refresh_us=S)
    cluster.run(BEGIN_US + 2 * S + S // 2)
    cluster.leaders[1] = (2, 0)
    cluster.logs[1] = []
    cluster.until_idle()
    before, after = len(cluster.log(0)), len(cluster.log(1))
    assert before + after == 7 and before >= 4 and after >= 2
    assert [lane.sends[0] for lane in cluster.role.sent().lanes] == [0, before]


def test_a_batch_of_many_messages_costs_a_few_searches() -> None:
    """Fifty thousand records in five requests: neither alarms nor column reads grow with their number."""
    count = 50_000
    cluster = prepare(calls=burst(count, at=BEGIN_US), batch_num_messages=10_000, batch_size_bytes=10**9,
                      message_max_bytes=10**9, linger_us=5 * MS)  # fmt: skip
    cluster.run(S)
    reads = Reads()
    lane = cluster.role.sent().lanes[0]
    lane.times, lane.cum = reads.of(lane.times), reads.of(lane.cum)
    cluster.until_idle()
    assert len(cluster.attempts()) == 6 and cluster.rung < 60
    assert reads.count < 3_000


class Reads:
    """Counts element reads of columns."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, column: object) -> list[int]:
        counter = self

        class Counted(list):  # type: ignore[type-arg]
            def __getitem__(self, at: object) -> object:
                counter.count += 1
                return list.__getitem__(self, at)  # type: ignore[index]

        return Counted(column)  # type: ignore[arg-type]


def test_calls_before_metadata_wait_and_go_out_in_order() -> None:
    cluster = play(warm=False, count=4)
    assert cluster.log() == [0, 1, 2, 3]


def test_an_explicit_partition_that_does_not_exist_is_refused() -> None:
    cluster = play(calls=[(BEGIN_US, 0, None), (BEGIN_US, 7, None)], queue_max_messages=1)
    assert [row.code for row in cluster.port.of(Kind.REFUSED)][-1] == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert isinstance(cluster.role._intake.sends, ListedSends)


def test_the_application_sends_a_failed_record_again_behind_everything_it_has_sent() -> None:
    cluster = play(refused(2, INVALID), count=4, resend_after_failure=1)
    assert cluster.log() == [0, 1, 3, 4, 5]
    sent = cluster.role.sent()
    assert [lane.sends[5] for lane in sent.lanes] == [5]
    assert [(original, made_before) for original, _, made_before in sent.resends] == [(2, 5)]


def test_the_application_gives_a_record_up_after_so_many_times() -> None:
    cluster = play(refused("all", INVALID, attempt=1), window=1, count=2, resend_after_failure=2)
    assert [original for original, _, _ in cluster.role.sent().resends] == [0, 0, 1, 2, 1, 2]
    assert cluster.log() == []


def test_a_record_sent_again_into_a_full_queue_is_refused() -> None:
    cluster = play(refused(1, INVALID), count=2, resend_after_failure=1, calls=[
        *burst(1, at=BEGIN_US), *burst(4, at=BEGIN_US + MS)
    ], queue_max_messages=1)  # fmt: skip
    assert cluster.role.idle()
