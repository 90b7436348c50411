"""One replica's log: offsets, marks, truncation, retention, and what comes back after a crash."""

from __future__ import annotations

import pytest

from sim.errors import LawBroken
from sim.protocol.log import Log
from sim.protocol.messages import RecordBatch
from sim.protocol.producer_state import DUPLICATE
from sim.protocol.settings import TopicSettings
from tests.protocol.harness import S, batch_of


def plain(lo: int, count: int = 1, size: int = 100) -> RecordBatch:
    return RecordBatch(0, 0, lo, lo + count, size)


def log_of(*counts: int, epoch: int = 0, settings: TopicSettings | None = None) -> Log:
    """A log with one batch of each count."""
    log = Log(0, settings or TopicSettings())
    for count in counts:
        log.append(plain(log.end, count), epoch, now_us=0)
    log.check("log")
    return log


def test_batches_get_dense_offsets() -> None:
    log = log_of(3, 2)

    assert log.bases == [0, 3]
    assert log.end == 5


def test_truncating_cuts_the_high_watermark_too() -> None:
    """broker:SC-41, broker:REP-14."""
    log = log_of(1, 1, 1, 1, 1, 1)
    log.high_watermark = 6

    assert log.truncate_to(3) == 3
    assert (log.high_watermark, log.end) == (3, 3)
    log.check("log")


def test_truncating_inside_a_batch_drops_the_whole_batch() -> None:
    log = log_of(3, 2)

    assert log.truncate_to(4) == 2
    assert log.end == 3
    log.check("log")


def test_truncating_below_the_start_leaves_an_empty_log_there() -> None:
    """``UnifiedLog.truncateTo``: what comes next is what the leader has at that offset."""
    log = log_of(1, 1, 1, 1)
    log.high_watermark = 4
    log.raise_start(3)

    assert log.truncate_to(1) == 1
    assert (log.start, log.high_watermark, log.end) == (1, 1, 1)
    assert log.append(plain(1), 1, now_us=0) == 1
    assert (log.leader_epochs.epochs, log.leader_epochs.starts) == ([1], [1])
    log.check("log")


def test_truncating_above_the_end_does_nothing() -> None:
    log = log_of(3)

    assert log.truncate_to(3) == 0
    assert log.end == 3


def test_truncating_at_the_end_removes_an_epoch_that_has_no_record() -> None:
    """broker:REP-31, broker:REP-34: a leader that was deposed before its first append would ask for ever otherwise."""
    log = log_of(3)
    log.assign_epoch(1)
    log.truncate_to(3)

    assert (log.leader_epochs.epochs, log.last_epoch) == ([0], 0)


def test_truncation_takes_back_what_was_known_of_producers() -> None:
    """broker:SC-14, broker:APP-29."""
    log = Log(0, TopicSettings())
    log.append(batch_of(0), 0, 0)
    log.append(batch_of(1), 0, 0)
    log.truncate_to(1)

    assert log.producers.entries[1].last_seq == 0
    assert log.producers.entries[1].next_seq == 1
    assert log.snapshot_offsets == (1,)


def test_truncation_drops_snapshots_outside_what_is_left() -> None:
    """broker:SC-15."""
    log = Log(0, TopicSettings())
    for seq in range(5):
        log.append(batch_of(seq), 0, 0)
        log.take_snapshot()
    log.raise_start(1)
    log.truncate_to(3)

    assert log.snapshot_offsets == (2, 3)


def test_after_a_truncation_the_window_reaches_back_to_the_newest_snapshot_only() -> None:
    """broker:APP-29: what was rebuilt from a snapshot is one batch, what was re-read follows it."""
    log = Log(0, TopicSettings())
    for seq in range(4):
        log.append(batch_of(seq), 0, 0)
    log.take_snapshot()
    log.append(batch_of(4), 0, 0)
    log.append(batch_of(5), 0, 0)
    log.truncate_to(5)

    assert [first for first, _, _ in log.producers.entries[1].batches] == [3, 4]


@pytest.mark.parametrize("lossy", [False, True])
def test_after_a_restart_one_batch_of_each_producer_is_remembered(lossy: bool) -> None:
    """broker:APP-28, broker:SUB-8."""
    settings = TopicSettings(flush_messages=1)
    log = Log(0, settings)
    for seq in range(3):
        log.append(batch_of(seq), 0, 0)
    back = Log.recover(0, settings, log.survive(lossy, 0))

    assert back.end == 3
    assert [first for first, _, _ in back.producers.entries[1].batches] == [2]
    assert back.producers.judge(batch_of(2)) == DUPLICATE
    back.check("log")


def test_a_process_crash_keeps_what_was_not_flushed_and_a_lost_host_does_not() -> None:
    """broker:FAIL-17; table 5.3."""
    log = log_of(3, 2)
    log.flushed = 3

    assert Log.recover(0, TopicSettings(), log_of(3, 2).survive(False, 0)).end == 5
    kept = log.survive(True, 0)
    assert (Log.recover(0, TopicSettings(), kept).end, kept.lost_from) == (3, 3)


def test_what_a_process_crash_left_unflushed_is_still_lost_with_the_host() -> None:
    """``LogLoader.recoverLog`` flushes nothing, and its recovery point is not raised after an unclean stop."""
    log = log_of(3, 2)
    log.flushed = 3
    back = Log.recover(0, TopicSettings(), log.survive(False, 0))

    assert (back.end, back.flushed) == (5, 3)
    kept = back.survive(True, 0)
    assert kept.lost_from == 3
    assert Log.recover(0, TopicSettings(), kept).flushed == 3  # what is left is on the disk


def test_nothing_is_flushed_unless_a_setting_or_a_full_segment_says_so() -> None:
    assert log_of(3, 2).flushed == 0
    assert log_of(3, 2, settings=TopicSettings(flush_messages=4)).flushed == 5
    assert log_of(3, 2, settings=TopicSettings(segment_bytes=150)).flushed == 5
    assert log_of(3, 2, settings=TopicSettings(segment_bytes=99)).flushed == 5


def test_a_look_at_the_flush_interval_covers_what_is_there_if_it_is_over() -> None:
    """``LogManager.flushDirtyLogs``, ``LocalLog.markFlushed``: what is flushed for another reason begins it anew."""
    log = Log(0, TopicSettings(flush_us=2 * S, segment_bytes=150))
    log.append(plain(0), 0, now_us=S)
    log.append(plain(1), 0, now_us=S)  # the segment is full
    log.append(plain(2), 0, now_us=2 * S)
    log.flush_if_due(2 * S)
    assert log.flushed == 2
    log.flush_if_due(3 * S)
    assert log.flushed == 3
    log.flush_if_due(5 * S)  # nothing to flush
    log.append(plain(3), 0, now_us=6 * S)
    log.flush_if_due(6 * S)
    assert log.survive(True, 0).lost_from == -1


def test_a_restart_begins_with_the_checkpointed_high_watermark_within_the_log() -> None:
    """Table 1.1, replica.high.watermark.checkpoint.interval.ms."""
    log = log_of(1, 1)
    log.high_watermark = 2

    assert Log.recover(0, TopicSettings(), log.survive(False, 1)).high_watermark == 1
    assert Log.recover(0, TopicSettings(), log.survive(False, 9)).high_watermark == 2


def test_a_read_returns_whole_batches_and_the_first_however_large() -> None:
    log = log_of(2, 2, 2)

    assert log.read(0, log.end, 150) == (0, 1)
    assert log.read(0, log.end, 200) == (0, 2)
    assert log.read(2, log.end, 1) == (1, 2)
    assert log.read(0, 4, 10_000) == (0, 2)
    assert log.read(6, log.end, 1) == (0, 0)


def test_retention_removes_old_segments_below_the_high_watermark_only() -> None:
    """broker:VIS-6, table 1.1."""
    settings = TopicSettings(segment_bytes=99, retention_us=10 * S)
    log = log_of(1, 1, 1, 1, settings=settings)
    log.high_watermark = 2
    log.producers.store(batch_of(0), 0, 0)

    assert log.retention_start(now_us=10 * S) == 0
    assert log.retention_start(now_us=11 * S) == 2
    assert log.raise_start(2)
    assert (log.start, log.bases) == (2, [2, 3])
    assert 1 in log.producers.entries  # broker:APP-31: retention forgets no producer
    log.check("log")


def test_retention_by_size_keeps_what_is_asked_for() -> None:
    settings = TopicSettings(segment_bytes=99, retention_bytes=200)
    log = log_of(1, 1, 1, 1, settings=settings)
    log.high_watermark = 4

    assert log.retention_start(now_us=0) == 2


def test_a_log_with_a_hole_breaks_the_law() -> None:
    log = log_of(1, 1)
    log.bases[1] = 5

    with pytest.raises(LawBroken, match="dense offsets"):
        log.check("payments-0@broker-2")


def test_marks_out_of_order_break_the_law() -> None:
    log = log_of(1)
    log.high_watermark = 9

    with pytest.raises(LawBroken, match="INV-20f"):
        log.check("payments-0@broker-2")


def test_the_newest_segment_goes_too_once_all_of_it_is_old() -> None:
    """``UnifiedLog.deletableSegments``: an empty one takes its place, offsets go on."""
    log = log_of(1, 1, settings=TopicSettings(retention_us=10 * S))
    log.high_watermark = 2
    assert not log.retain(now_us=10 * S)
    assert log.retain(now_us=20 * S)
    assert (log.start, log.end, log.bases) == (2, 2, [])
    assert not log.retain(now_us=60 * S)
    assert log.append(batch_of(2), 0, 60 * S) == 2
    log.check("log")


def test_retention_waits_for_the_high_watermark_even_in_the_newest_segment() -> None:
    log = log_of(1, 1, settings=TopicSettings(retention_us=10 * S))
    log.high_watermark = 1
    assert not log.retain(now_us=60 * S)


def test_size_goes_before_time() -> None:
    """``deleteOldSegments``: by size 0 and 1 go; of the rest, which is as old, all but what is not below the mark."""
    settings = TopicSettings(segment_bytes=99, retention_bytes=200, retention_us=10 * S)
    log = log_of(1, 1, 1, 1, settings=settings)
    log.high_watermark = 3
    assert log.retention_start(now_us=0) == 2
    assert log.retention_start(now_us=60 * S) == 3


def test_an_offset_by_time_is_that_of_the_first_batch_young_enough() -> None:
    log = log_of(1, 1, 1)
    log.high_watermark = 2
    for second, batch in enumerate(log.batches):
        batch.max_timestamp_us = second * S
    assert [log.offset_of_time(time) for time in (0, 1, S)] == [0, 1, 1]
    assert log.offset_of_time(S + 1) == -1  # what is young enough is not readable yet
