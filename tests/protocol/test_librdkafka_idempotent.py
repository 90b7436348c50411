"""librdkafka's idempotent producer. Records are 1, 2, 3, ...; the warm-up 0 made the producer known to the leader."""

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
from tests.protocol.scripted_cluster import Cluster, burst

NOT_ENOUGH = int(ErrorCode.NOT_ENOUGH_REPLICAS)
INVALID = int(ErrorCode.INVALID_RECORD)
OUT_OF_ORDER = int(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
DUPLICATE = int(ErrorCode.DUPLICATE_SEQUENCE_NUMBER)


def idempotent(*faults: dict[str, object], **options: object) -> Cluster:
    return play(*faults, idempotent=True, **options)  # type: ignore[arg-type]


def epochs(cluster: Cluster, partition: int = 0) -> list[tuple[int, int]]:
    """(epoch, sequence) of the stored batches."""
    return [(batch.epoch, batch.seq) for batch in cluster.logs[partition]]


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_a_refused_head_is_resent_with_all_behind_it_under_the_next_epoch(k: int) -> None:
    """producer:S55, producer:S20: nothing new until all is answered; epoch 1 from sequence 0, pipelined."""
    cluster = idempotent(refused(1, NOT_ENOUGH), window=k)
    assert cluster.log() == list(range(9))
    assert epochs(cluster) == [(0, 0), *((1, seq) for seq in range(8))]
    assert cluster.wire() == [0, *range(1, k + 1), *range(1, 9)]
    assert cluster.reports() == delivered(*range(9))


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_a_record_that_fails_for_good_costs_an_epoch_and_leaves_a_gap(k: int) -> None:
    """producer:S56, producer:S26: with k < 5 the built request k+1 leaves under the old epoch and is refused."""
    cluster = idempotent(refused(1, INVALID), window=k)
    assert cluster.log() == [0, 2, 3, 4, 5, 6, 7, 8]
    assert epochs(cluster)[1:] == [(1, seq) for seq in range(7)]
    first_epoch = [row.lo for row in cluster.attempts() if row.epoch == 0]
    assert first_epoch == list(range(min(k + 1, 5) + 1)) if k < 5 else first_epoch == list(range(6))
    assert cluster.reports() == [(0, 0), (1, INVALID), *delivered(*range(2, 9))]


def test_a_window_of_one_resends_the_refused_head_in_the_same_epoch() -> None:
    """producer:S57: the built request is purged; no bump."""
    cluster = idempotent(refused(1, NOT_ENOUGH), window=1)
    assert cluster.numbers() == [(0, 0, 0), (1, 0, 1), (1, 0, 1), *((at, 0, at) for at in range(2, 9))]
    assert cluster.log() == list(range(9))


def test_after_a_drain_without_a_bump_the_thread_may_sleep_until_the_grid() -> None:
    """producer:8.4: seen 0.7 to 1 s at a window of one with a back-off of 50 ms."""
    cluster = idempotent(refused(1, NOT_ENOUGH), window=1)
    assert cluster.now > BEGIN_US + 300 * MS
    assert cluster.now < BEGIN_US + 1_600 * MS


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("answered", [False, True])
def test_a_lost_window_or_its_lost_answers_leave_one_copy_each(k: int, answered: bool) -> None:
    """producer:S59, producer:S21, producer:S24: same epoch and sequences, pipelined, original offsets."""
    cluster = idempotent(answers_lost(k) if answered else window_lost(), window=k)
    assert cluster.log() == list(range(9)) and epochs(cluster) == [(0, seq) for seq in range(9)]
    assert cluster.wire() == [0, *range(1, k + 1), *range(1, 9)]
    offsets = {row.lo: row.offset for row in cluster.port.of(Kind.ACK)}
    assert offsets == {at: at for at in range(9)}
    assert cluster.reports() == delivered(*range(9))


def test_a_retry_answered_as_duplicate_is_a_success_without_offset() -> None:
    """producer:S25."""
    cluster = idempotent(answers_lost(1), refused(1, DUPLICATE, attempt=2), window=1)
    assert cluster.log() == list(range(9)) and cluster.reports() == delivered(*range(9))
    assert [row.offset for row in cluster.port.of(Kind.ACK) if row.lo == 1] == [-1]


def test_after_a_duplicate_that_the_broker_lacks_the_next_head_is_fatal() -> None:
    """producer:8.5, code 46."""
    cluster = idempotent(refused(1, DUPLICATE), window=1)
    assert cluster.log() == [0]
    assert cluster.reports()[:3] == [(0, 0), (1, 0), (2, OUT_OF_ORDER)]


def test_out_of_order_at_the_head_of_line_is_fatal() -> None:
    """producer:S27: the log ends; what was never built is purged."""
    cluster = idempotent(refused(3, OUT_OF_ORDER), window=1, calls=[*burst(6, at=BEGIN_US), *burst(1, at=BEGIN_US + S)])
    assert cluster.log() == [0, 1, 2]
    purged = int(ErrorCode.CLIENT_PURGED)
    # The built request (4) still leaves, is refused, and ends last.
    assert cluster.reports() == [*delivered(0, 1, 2), (3, OUT_OF_ORDER), *((at, purged) for at in (5, 6, 4))]
    assert [(row.lo, row.hi, row.code) for row in cluster.port.of(Kind.REFUSED)] == [(7, 8, ErrorCode.CLIENT_FATAL)]


def test_a_fatal_error_lets_requests_on_the_wire_have_their_own_result() -> None:
    """producer:8.4."""
    cluster = idempotent(refused(2, OUT_OF_ORDER), window=5)
    assert cluster.log()[:2] == [0, 1]
    reports = dict(cluster.reports())
    assert reports[2] == OUT_OF_ORDER and reports[8] == ErrorCode.CLIENT_PURGED
    assert max(row.lo for row in cluster.attempts()) <= 6  # nothing was sent after it


def test_a_fatal_error_ends_the_other_partitions_too() -> None:
    """producer:8.7."""
    calls = [(BEGIN_US, at % 2, None) for at in range(8)]
    cluster = idempotent(refused(1, OUT_OF_ORDER), calls=calls, leaders={0: (1, 0), 1: (2, 0)}, window=1)
    assert ErrorCode.CLIENT_PURGED in dict(cluster.reports(1)).values()


def test_only_the_record_whose_retries_are_spent_is_missing() -> None:
    """producer:S33: B and C follow, one epoch per refusal."""
    cluster = idempotent(refused(1, NOT_ENOUGH, attempt=None), retries=1, window=5, count=3)
    assert cluster.log() == [0, 2, 3]
    assert (1, NOT_ENOUGH) in cluster.reports() and len(cluster.reports()) == 4
    assert [row.epoch for row in cluster.port.of(Kind.PRODUCER_ID)] == [0, 1, 2]


def test_a_gap_at_a_leader_that_does_not_know_the_producer_loses_the_head_silently() -> None:
    """producer:S34: the refused head is reported ok with its successor and never stored."""
    cluster = idempotent(refused(0, NOT_ENOUGH), warm=False, count=3, window=5)
    assert 0 not in cluster.log()
    assert cluster.reports() == delivered(0, 1, 2)
    assert [row.offset for row in cluster.port.of(Kind.ACK) if row.lo == 0] == [-1]


def test_an_implicit_acknowledgement_stands_before_the_one_that_implied_it() -> None:
    """producer:8.4, producer:8.6: right if the message was stored and answered with an error."""
    cluster = idempotent(stored_but(1, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND), window=5)
    assert cluster.log() == list(range(9)) and cluster.reports() == delivered(*range(9))
    assert cluster.wire().count(1) == 1


def test_a_leader_that_forgot_older_batches_ends_the_producer() -> None:
    """producer:S35: A and B stored, answers lost, only B remembered: the retry of A is fatal."""
    cluster = prepare(answers_lost(2), idempotent=True, window=2, count=2)
    cluster.run(BEGIN_US + 70 * MS)
    (key, (epoch, batches)), = cluster.state.items()
    cluster.state[key] = (epoch, batches[-1:])
    cluster.until_idle()
    assert cluster.log() == [0, 1, 2]
    assert (1, OUT_OF_ORDER) in cluster.reports()


def test_a_stored_but_unacknowledged_record_is_stored_again_by_a_bump() -> None:
    """producer:8.4, bump duplicates: answer 7, then refused 19 on retry, and one behind it out of order."""
    faults = [stored_but(1, ErrorCode.REQUEST_TIMED_OUT), refused(1, NOT_ENOUGH, attempt=2), refused(2, NOT_ENOUGH)]
    cluster = idempotent(*faults, calls=[*burst(1, at=BEGIN_US), *burst(2, at=BEGIN_US + 60 * MS)])
    assert cluster.log() == [0, 1, 1, 2, 3] and cluster.reports() == delivered(*range(4))


def test_at_most_five_messages_of_a_partition_are_under_way() -> None:
    """producer:8.4: messages, not requests."""
    cluster = prepare(idempotent=True, window=5, count=20)
    cluster.run(BEGIN_US + 10 * MS)
    assert cluster.wire()[1:] == [1, 2, 3, 4, 5]
    batched = prepare(idempotent=True, window=5, count=20, batch_num_messages=4)
    batched.run(BEGIN_US + 10 * MS)
    assert [row.slice for row in batched.attempts()][1:] == [(1, 5), (5, 9)]


def test_a_batch_is_built_again_exactly_as_it_was() -> None:
    """producer:8.4: same message groups, though more have come to wait behind."""
    calls = [*burst(2, at=BEGIN_US), *burst(6, at=BEGIN_US + 5 * MS)]
    cluster = idempotent(window_lost(), calls=calls, batch_num_messages=100, window=5)
    slices = [row.slice for row in cluster.attempts()][1:]
    assert slices == [(1, 3), (3, 9), (1, 3), (3, 9)]
    assert cluster.log() == list(range(9))


def test_a_bump_moves_every_partition_to_the_next_epoch() -> None:
    """producer:8.4, producer:8.7: also those that had no error."""
    calls = [(BEGIN_US + 60 * MS * at, at % 2, None) for at in range(12)]
    cluster = idempotent(refused(3, INVALID), calls=calls, leaders={0: (1, 0), 1: (2, 0)}, window=5)
    assert {epoch for epoch, _ in epochs(cluster, 1)} == {0, 1}
    first = next(batch for batch in cluster.logs[1] if batch.epoch == 1)
    assert first.seq == 0


def test_a_new_leader_gets_nothing_before_the_old_one_has_answered() -> None:
    """producer:8.4."""
    held = {"do": "hold", "nth": 1, "until_us": BEGIN_US + 3 * S}
    cluster = prepare(held, idempotent=True, window=1, count=3, metadata_refresh_us=S)
    cluster.run(BEGIN_US + 100 * MS)
    cluster.move(0, 2)
    cluster.run(BEGIN_US + 2 * S + 900 * MS)
    assert cluster.port.of(Kind.METADATA)[-1].n == 2 and cluster.wire() == [0, 1]
    cluster.until_idle()
    assert cluster.wire()[:3] == [0, 1, 1] and cluster.attempts()[2].offset == 2


def test_no_request_leaves_without_a_producer_id() -> None:
    cluster = prepare(idempotent=True, warm=False, calls=burst(2))
    cluster.run(100 * MS)
    assert cluster.attempts() == []
    cluster.until_idle()
    assert cluster.port.of(Kind.PRODUCER_ID)[0].partition == -1
    assert cluster.numbers() == [(0, 0, 0), (1, 0, 1)]


def test_the_producer_id_is_asked_for_again_after_half_a_second() -> None:
    cluster = prepare(idempotent=True, warm=False, calls=burst(1))
    answer = cluster._answer
    cluster._answer = lambda pipe, message, *rest: None if hasattr(message, "pid") else answer(pipe, message, *rest)  # type: ignore[method-assign]
    cluster.run(S)
    cluster._answer = answer  # type: ignore[method-assign]
    cluster.break_connections(1)
    cluster.break_connections(2)
    cluster.break_connections(3)
    cluster.until_idle()
    assert cluster.log() == [0]


RETRIED = [
    ErrorCode.CORRUPT_MESSAGE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, ErrorCode.KAFKA_STORAGE_ERROR,
]  # fmt: skip
BUMPING = [
    ErrorCode.INVALID_RECORD, ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.PRODUCER_FENCED,
    ErrorCode.INVALID_TIMESTAMP, ErrorCode.FENCED_LEADER_EPOCH,
]  # fmt: skip


@pytest.mark.parametrize("code", RETRIED)
def test_a_retriable_code_drains_and_is_retried_in_order(code: ErrorCode) -> None:
    """producer:8.5, column idempotent: alone on the wire it costs no epoch."""
    cluster = idempotent(refused(1, code), window=1)
    assert cluster.log() == list(range(9)) and {epoch for epoch, _ in epochs(cluster)} == {0}


@pytest.mark.parametrize("code", BUMPING)
def test_any_other_code_fails_the_message_and_costs_an_epoch(code: ErrorCode) -> None:
    """producer:8.5, column idempotent."""
    cluster = idempotent(refused(1, code), window=1)
    assert cluster.log() == [0, 2, 3, 4, 5, 6, 7, 8] and epochs(cluster)[-1][0] == 1


def test_an_unknown_producer_bumps_on_a_first_transmission_in_turn() -> None:
    """producer:8.5, code 59."""
    cluster = idempotent(refused(1, ErrorCode.UNKNOWN_PRODUCER_ID), window=1)
    assert cluster.log() == list(range(9)) and epochs(cluster)[1] == (1, 0)


def test_an_unknown_producer_on_a_retry_is_fatal() -> None:
    """producer:8.5, code 59."""
    faults = [refused(1, NOT_ENOUGH), refused(1, ErrorCode.UNKNOWN_PRODUCER_ID, attempt=2)]
    cluster = idempotent(*faults, window=1)
    assert cluster.log() == [0] and cluster.reports()[-1][1] == ErrorCode.CLIENT_PURGED


def test_an_unauthorised_topic_fails_what_is_unsent_and_what_comes_back() -> None:
    """producer:8.5, code 29: what comes back out of order cannot be retried and ends as _DESTROY (measured)."""
    code, destroyed = int(ErrorCode.TOPIC_AUTHORIZATION_FAILED), int(ErrorCode.CLIENT_CLOSED)
    cluster = idempotent(refused(1, code), window=2)
    ends = [(0, 0), (1, code), (2, destroyed), *((at, code) for at in range(3, 9))]
    assert cluster.log() == [0] and sorted(cluster.reports()) == ends


def test_with_the_gapless_guarantee_a_permanent_failure_is_fatal() -> None:
    """producer:8.4."""
    cluster = idempotent(refused(1, INVALID), window=1, gapless_guarantee=True)
    assert cluster.log() == [0] and cluster.reports()[2][1] == ErrorCode.CLIENT_PURGED


def test_the_other_partition_of_the_wire_is_finished_before_a_bump() -> None:
    """producer:8.4: no new work on any partition until nothing is on the wire."""
    calls = [*burst(3, at=BEGIN_US), *burst(5, at=BEGIN_US, index=1)]
    cluster = idempotent(refused(1, INVALID), calls=calls, leaders={0: (1, 0), 1: (2, 0)}, window=2)
    assert cluster.log(0) == [0, 2, 3] and cluster.log(1) == [0, 1, 2, 3, 4]
    assert [row.epoch for row in cluster.port.of(Kind.PRODUCER_ID)] == [0, 1]
