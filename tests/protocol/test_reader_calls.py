"""pause(), resume() and seek() of a reader, and a reset by duration."""

from __future__ import annotations

from sim.protocol.error_codes import ErrorCode
from sim.protocol.messages import FetchedPartition, FetchResponse, ListOffsetsRequest, ListOffsetsResponse
from sim.protocol.rows import Kind
from sim.protocol.settings import ReaderSettings
from tests.protocol.test_reader import MS, Play, data

NONE = ReaderSettings(offset_reset="none")


def asked(play: Play) -> ListOffsetsRequest:
    return next(message for _, message in play.port.take() if isinstance(message, ListOffsetsRequest))


def test_an_answer_for_another_offset_than_the_position_is_dropped() -> None:
    """consumer:S04: a fetch from 0 is in flight; paused, sought to 3, resumed."""
    play = Play()
    play.reader.call("pause", (0,), 0, play.now)
    play.reader.call("seek", (0,), 3, play.now)
    play.reader.call("resume", (0,), 0, play.now)
    fetch = play.answer(data(0, 3))
    assert play.polls() == [] and play.reader.position(0) == 3
    assert fetch is not None and fetch.partitions[0].offset == 3


def test_an_answer_for_a_paused_partition_is_kept() -> None:
    play = Play()
    play.reader.call("pause", (0,), 0, play.now)
    assert play.answer(data(0, 3)) is None and play.polls() == []  # nothing is handed over, nothing fetched
    play.reader.call("resume", (0,), 0, play.now)
    assert play.polls() == [(1, 0, 0, 3)]


def test_a_seek_to_where_the_buffer_goes_on_keeps_it() -> None:
    """consumer:F2.13"""
    for to, polls in ((0, [(1, 0, 0, 3)]), (1, [])):
        play = Play()
        play.reader.call("pause", (0,), 0, play.now)
        play.answer(data(0, 3))
        play.reader.call("seek", (0,), to, play.now)
        play.reader.call("resume", (0,), 0, play.now)
        assert play.polls() == polls


def test_what_is_buffered_is_thrown_away_where_the_position_is_looked_up_and_fetched_again() -> None:
    """consumer:F2.15: the lookup ends where the buffer began, and all the same"""
    play = Play()
    play.reader.call("pause", (0,), 0, play.now)
    play.answer(data(0, 3))
    play.reader.call("seek", (0,), -2, play.now)
    play.reader.call("resume", (0,), 0, play.now)
    fetch = play.settle()
    assert play.polls() == [] and play.reader.position(0) == 0
    assert fetch is not None and fetch.partitions[0].offset == 0
    play.answer(data(0, 3))
    assert play.polls() == [(1, 0, 0, 3)]


def test_a_later_seek_cancels_a_lookup() -> None:
    play = Play()
    play.reader.call("seek", (0,), -1, play.now)
    wire = play.wire_to(1)
    play.reader.call("seek", (0,), 2, play.now)
    play.reader.on_message(wire, FetchResponse([]), play.now)  # of the long poll, ahead of the lookup's
    play.reader.on_message(wire, ListOffsetsResponse(0, 0, 9), play.now)
    assert play.reader.position(0) == 2
    assert [row.offset for row in play.port.of(Kind.SEEK)] == [2]


def test_a_seek_is_the_way_out_of_a_policy_that_throws() -> None:
    """consumer:F2.35: poll() threw because of partition 0; partition 1 goes on as well."""
    settings = ReaderSettings(offset_reset="earliest")
    play = Play(settings, {0: (1, 0), 1: (1, 0)})
    play.reader._settings = NONE
    play.reader._fetches._settings = NONE
    play.answer(FetchedPartition(0, ErrorCode.OFFSET_OUT_OF_RANGE))
    assert play.reader.caught_up()  # nothing can be read any more
    play.reader.call("seek", (0,), 7, play.now)
    fetch = play.settle()
    assert fetch is not None and [(one.partition, one.offset) for one in fetch.partitions] == [(0, 7), (1, 0)]


def test_a_reset_by_duration_asks_for_a_time_and_again_once_that_would_be_late() -> None:
    """KIP-1106: where no record is young enough there is no position; the next lookup is a request timeout later."""
    settings = ReaderSettings(offset_reset="by_duration", reset_duration_us=1500 * MS, request_timeout_us=5000 * MS)
    play = Play(settings, start_offset=-1)
    assert play.reader.position(0) == -1 and play.reader.caught_up()
    play.start_offset = 4
    play.now = 4999 * MS
    play.reader.on_alarm(play.now)
    assert play.port.take() == []
    play.now = 5000 * MS
    play.reader.on_alarm(play.now)
    assert asked(play).timestamp == 3500 * MS
    play.reader.on_message(play.wire_to(1), ListOffsetsResponse(0, 0, 4), play.now)
    assert play.reader.position(0) == 4


def test_a_log_that_is_younger_than_the_duration_is_read_from_its_start() -> None:
    settings = ReaderSettings(offset_reset="by_duration", reset_duration_us=3_600_000 * MS)
    play = Play(settings, start_offset=2)
    assert play.reader.position(0) == 2
