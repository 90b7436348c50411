"""What a partition remembers of its producers, and its verdicts. b[6-8] is the batch of sequences 6 to 8."""

from __future__ import annotations

import pytest

from sim.protocol.error_codes import ErrorCode
from sim.protocol.log import Log
from sim.protocol.messages import RecordBatch
from sim.protocol.producer_state import ACCEPT, DUPLICATE, ProducerStates
from sim.protocol.settings import TopicSettings
from tests.protocol.harness import S, batch_of

OUT_OF_ORDER = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
FENCED = ErrorCode.INVALID_PRODUCER_EPOCH
MAX = 2**31 - 1


def log_with(*batches: RecordBatch) -> Log:
    log = Log(0, TopicSettings())
    for batch in batches:
        log.append(batch, leader_epoch=0, now_us=0)
    return log


def states_after(*batches: RecordBatch) -> ProducerStates:
    return log_with(*batches).producers


def test_a_stored_batch_is_a_duplicate_and_its_original_offset_is_known() -> None:
    """broker:SC-1, consumer:F9.1, through the log path; broker:APP-19."""
    states = states_after(batch_of(0), batch_of(1))

    assert states.judge(batch_of(1)) == DUPLICATE
    assert states.original(batch_of(1)) == 1


def test_a_batch_that_is_not_next_and_not_remembered_is_out_of_order() -> None:
    """broker:SC-1, without the look at remembered batches: what is left of the verdict is the sequence check."""
    states = states_after(batch_of(0), batch_of(1))
    states.entries[1].batches.clear()

    assert states.judge(batch_of(1)) == OUT_OF_ORDER


def test_a_gap_is_out_of_order_and_changes_nothing() -> None:
    """broker:SC-2, broker:APP-23."""
    states = states_after(batch_of(0), batch_of(1))

    assert states.judge(batch_of(5)) == OUT_OF_ORDER
    assert states.entries[1].next_seq == 2


def test_a_newer_epoch_begins_at_zero_and_fences_the_older() -> None:
    """broker:SC-3, broker:APP-18."""
    log = log_with(batch_of(0), batch_of(1))

    assert log.producers.judge(batch_of(0, epoch=1)) == ACCEPT
    log.append(batch_of(0, epoch=1), 0, 0)
    assert log.producers.judge(batch_of(0)) == FENCED
    assert log.producers.judge(batch_of(1)) == FENCED  # not a duplicate any more


def test_a_newer_epoch_that_does_not_begin_at_zero_leaves_the_older_current() -> None:
    """broker:APP-18, broker:SUB-7: the client sent ahead of its retries."""
    states = states_after(batch_of(0), batch_of(1))

    assert states.judge(batch_of(3, epoch=1)) == OUT_OF_ORDER
    assert states.judge(batch_of(2)) == ACCEPT


def test_duplicates_match_exactly_and_only_the_last_five_batches() -> None:
    """broker:SC-4, broker:SUB-6, broker:APP-21, broker:APP-22."""
    log = log_with(*(batch_of(seq) for seq in range(6)), batch_of(6, 3))
    judge = log.producers.judge

    assert judge(batch_of(6, 3)) == DUPLICATE
    assert log.producers.original(batch_of(6, 3)) == 6
    assert judge(batch_of(7, 2)) == OUT_OF_ORDER  # part of a stored batch
    assert judge(batch_of(6, 4)) == OUT_OF_ORDER  # more than a stored batch
    assert judge(batch_of(2)) == DUPLICATE  # the fifth from the end
    assert log.producers.original(batch_of(2)) == 2
    assert judge(batch_of(1)) == OUT_OF_ORDER  # the sixth


def test_sequences_wrap_to_zero() -> None:
    """broker:SC-5, broker:APP-16."""
    states = states_after(RecordBatch(0, 0, 0, 1, 100, pid=1, epoch=0, seq=MAX))

    assert states.judge(batch_of(0)) == ACCEPT
    assert states.judge(batch_of(1)) == OUT_OF_ORDER


def test_a_batch_may_straddle_the_wrap() -> None:
    """broker:SC-6."""
    batch = RecordBatch(0, 0, 2000, 2021, 100, pid=1, epoch=0, seq=MAX - 10)
    log = log_with(RecordBatch(0, 0, 0, 2000, 100), batch)
    entry = log.producers.entries[1]

    assert entry.batches[-1] == (MAX - 10, 9, 2000)
    assert entry.next_seq == 10
    assert log.producers.judge(batch) == DUPLICATE


@pytest.mark.parametrize("seq", [0, 16])
def test_an_unknown_producer_may_begin_anywhere(seq: int) -> None:
    """broker:SC-7, broker:SUB-7, broker:APP-31: from a client and from replication."""
    states = ProducerStates()

    assert states.judge(batch_of(seq, epoch=5)) == ACCEPT
    states.store(batch_of(seq, epoch=5), 0, 0)
    assert states.entries[1].next_seq == seq + 1


def test_after_a_marker_alone_the_sequence_begins_at_zero() -> None:
    """broker:SC-8, broker:SUB-7, broker:APP-34."""
    states = ProducerStates()
    states.store_marker(1, epoch=2)

    assert states.judge(batch_of(0)) == FENCED
    assert states.judge(batch_of(17, epoch=2)) == OUT_OF_ORDER
    assert states.judge(batch_of(0, epoch=2)) == ACCEPT


def test_a_marker_of_a_higher_epoch_empties_what_is_remembered() -> None:
    """broker:SC-9."""
    states = states_after(batch_of(0), batch_of(1))
    states.store_marker(1, epoch=1)

    assert states.judge(batch_of(2, epoch=1)) == OUT_OF_ORDER
    assert states.judge(batch_of(2, epoch=2)) == OUT_OF_ORDER
    assert states.judge(batch_of(0, epoch=1)) == ACCEPT


def test_a_marker_of_the_same_epoch_keeps_what_is_remembered() -> None:
    states = states_after(batch_of(0))
    states.store_marker(1, epoch=0)

    assert states.judge(batch_of(0)) == DUPLICATE


def test_an_expired_producer_is_unknown_again() -> None:
    """broker:SC-10, broker:APP-31: any sequence is accepted then."""
    states = states_after(batch_of(0))
    states.expire(now_us=10 * S, after_us=10 * S - 1)

    assert states.entries == {}
    assert states.judge(batch_of(1)) == ACCEPT


def test_expiry_goes_by_the_records_own_timestamps() -> None:
    """broker:SC-11, broker:SUB-28, broker:APP-30: an old stamp expires at once, a future one never."""
    states = states_after(batch_of(0, max_timestamp_us=0))

    states.expire(now_us=100_000, after_us=200_000)
    assert 1 in states.entries
    states.expire(now_us=200_000, after_us=200_000)
    assert 1 not in states.entries

    active_but_old = states_after(batch_of(0, max_timestamp_us=-50 * S), batch_of(0, pid=2, max_timestamp_us=900 * S))
    active_but_old.expire(now_us=200_000, after_us=40 * S)
    assert list(active_but_old.entries) == [2]


def test_a_snapshot_holds_only_the_newest_batch_of_each_producer() -> None:
    """broker:SC-12, broker:SUB-8, broker:APP-27."""
    before = states_after(batch_of(0), batch_of(1))
    states = ProducerStates()
    states.load(before.snapshot())

    assert list(states.entries[1].batches) == [(1, 1, 1)]
    assert states.judge(batch_of(1)) == DUPLICATE
    assert states.judge(batch_of(0)) == OUT_OF_ORDER
    assert states.judge(batch_of(2)) == ACCEPT


def test_a_follower_stores_what_its_leader_stored_gap_or_not() -> None:
    """broker:SC-13, broker:APP-24."""
    log = log_with(batch_of(0), batch_of(3))  # a log's append asks nothing: verdicts are the leader's

    assert log.producers.entries[1].last_seq == 3
    assert log.producers.judge(batch_of(3, 2)) == OUT_OF_ORDER
    assert log.producers.judge(batch_of(5)) == OUT_OF_ORDER


def test_producers_do_not_share_their_sequences() -> None:
    states = states_after(batch_of(0, pid=1), batch_of(0, pid=2), batch_of(1, pid=2))

    assert states.judge(batch_of(1, pid=1)) == ACCEPT
    assert states.judge(batch_of(1, pid=2)) == DUPLICATE
