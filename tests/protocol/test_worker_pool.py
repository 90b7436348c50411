"""A member whose application hands records to a pool of threads: order, commits, and partitions that go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from sim.protocol.group_messages import OffsetCommitRequest
from sim.protocol.messages import FetchRequest
from sim.protocol.rows import Kind
from sim.protocol.settings import MemberSettings, ProcessingSettings, ReaderSettings
from sim.protocol.work import Reported, Run, Way
from tests.protocol.member_play import MS, MemberPlay, S

MANUAL = MemberSettings(auto_commit=False)
SMALL = ReaderSettings(offset_reset="earliest", max_poll_records=10)


@dataclass
class Keys:
    """A desk at which the record at offset *k* has the key ``hashes[k]``; sends wait until the test reports them."""

    hashes: Sequence[int] = ()
    sent: list[tuple[Way, int, Reported | None]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def key(self, run: Run) -> int:
        return self.hashes[run.offset] if self.hashes else -1

    def send(self, way: Way, run: Run, reported: Reported | None) -> None:
        self.sent.append((way, run.offset, reported))

    def over(self, run: Run) -> None:
        self.ended += range(run.offset, run.offset + run.hi - run.lo)


def pooled(settings: MemberSettings = MANUAL, times: Sequence[int] = (), desk: Any = None, **work: Any) -> MemberPlay:
    return MemberPlay(settings, SMALL, ProcessingSettings(**{"threads": 2, **work}), 100 * MS, list(times), desk)


def starts(play: MemberPlay) -> list[int]:
    return [row.offset for row in play.port.of(Kind.PROC_START)]


def ends(play: MemberPlay) -> list[int]:
    return [row.offset for row in play.port.of(Kind.PROC_END)]


# --- order ------------------------------------------------------------------------------------------------------------
def test_a_pool_without_order_ends_in_any() -> None:
    """Two threads: 0 takes 300 ms, meanwhile the other one is through with 1 and 2."""
    play = pooled(times=[300 * MS, 100 * MS, 100 * MS, 100 * MS])
    play.fetched((0, 0, 4))
    play.run_to(S)
    assert starts(play) == [0, 1, 2, 3]
    assert ends(play) == [1, 2, 0, 3]


def test_a_pool_by_key_ends_each_key_in_order() -> None:
    """Keys 0 1 0 1: the thread of key 0 is at 0 until 300 ms, and only then begins 2."""
    play = pooled(times=[300 * MS, 100 * MS], desk=Keys([0, 1, 0, 1]), order="key")
    play.fetched((0, 0, 4))
    play.run_to(S)
    assert starts(play) == [0, 1, 3, 2]
    assert ends(play) == [1, 3, 0, 2]


@pytest.mark.parametrize("order", ["key", "partition"])
def test_a_pool_by_partition_works_through_each_in_order(order: str) -> None:
    """Records without a key stay in the order of their partition too."""
    play = pooled(times=[300 * MS, 100 * MS], desk=Keys(), order=order)
    play.fetched((0, 0, 2), (1, 0, 2))
    play.run_to(S)
    rows = [(row.partition, row.offset) for row in play.port.of(Kind.PROC_END)]
    assert rows == [(1, 0), (1, 1), (0, 0), (0, 1)]


# --- commits ----------------------------------------------------------------------------------------------------------
def test_the_loop_waits_for_a_poll_and_commits_it() -> None:
    play = pooled(times=[300 * MS], commit="after")
    play.fetched((0, 0, 3))
    play.fetched((0, 3, 3))  # buffered: the loop does not poll
    play.run_to(299 * MS)
    assert play.commits() == [] and len(play.polls()) == 1
    play.run_to(300 * MS)
    assert play.commits() == [{0: 3, 1: 0}] and len(play.polls()) == 2


def test_what_is_handed_over_is_committed_before_it_is_done() -> None:
    """consumer:F4.4"""
    play = pooled(commit="before")
    play.fetched((0, 0, 4))
    assert play.commits() == [{0: 4, 1: 0}] and ends(play) == []
    play.fetched((0, 4, 1))  # the loop polls on
    assert [one[0] for one in play.commits()] == [4, 5] and ends(play) == []


def test_the_watermark_is_the_lowest_record_that_is_not_done() -> None:
    """consumer:F5.2. 0 is under way until 350 ms; 1, 2 and 3 end at 100, 200 and 300 ms: nothing may be committed."""
    play = pooled(times=[350 * MS], commit="watermark")
    play.fetched((0, 0, 5))
    play.run_to(349 * MS)
    assert ends(play) == [1, 2, 3] and play.commits() == []
    play.run_to(S)
    assert play.commits() == [{0: 4}, {0: 5}]


def test_a_commit_of_each_record_as_it_ends_goes_back() -> None:
    """consumer:F5.1: the offsets come in the order of the ends."""
    play = pooled(times=[250 * MS], commit="each", commit_async=True)
    play.fetched((0, 0, 3))
    play.run_to(S)
    assert ends(play) == [1, 2, 0]
    assert play.commits() == [{0: 2}, {0: 3}, {0: 1}]


def test_an_automatic_commit_covers_what_the_workers_have_not_done() -> None:
    """consumer:S42: of 0..9 the workers are through with 0, 1 and 5; a poll five seconds later commits all ten."""
    long = 60 * S
    play = pooled(MemberSettings(), [0, 0, long, long, long, 0, long], threads=4)
    play.fetched((0, 0, 10))
    assert ends(play) == [0, 1, 5]
    play.run_to(4999 * MS)
    assert play.commits() == []
    play.run_to(5 * S)
    assert play.commits() == [{0: 10, 1: 0}]


def test_a_full_queue_pauses_and_polls_go_on() -> None:
    """consumer:F5.6, consumer:F5.7: no member is evicted, though a record takes longer than max.poll.interval.ms."""
    play = pooled(MemberSettings(auto_commit=False, max_poll_interval_us=500 * MS), [S, S], queue_records=2)
    play.fetched((0, 0, 2), (1, 0, 1))
    assert {row.n for row in play.port.of(Kind.POLL)} == {1}  # one poll returned all three
    play.fetched((0, 2, 1))  # that fetch left with the poll's return; what it brings stays in the buffer
    asked = play.count(FetchRequest)
    play.run_to(999 * MS)
    assert play.count(FetchRequest) == asked and len(play.polls()) == 2 and play.port.of(Kind.LEFT) == []
    play.run_to(S)  # two are done, one is left: it resumes
    assert play.polls()[2:] == [(0, 2, 1)]


# --- partitions that go -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("what", "ended"), [("go_on", [0, 1, 2, 3]), ("drop", [0, 1])])
def test_workers_go_on_with_what_is_revoked_or_drop_what_is_queued(what: str, ended: list[int]) -> None:
    settings = MemberSettings(auto_commit=False, heartbeat_interval_us=50 * MS)
    play = pooled(settings, work_in_revoke=what)
    play.share = ()
    play.fetched((0, 0, 4))
    play.rebalance()  # at 50 ms
    assert ("revoked", 0) in play.callbacks()
    play.run_to(S)
    assert ends(play) == ended


def test_the_callback_waits_for_the_workers_and_commits() -> None:
    """consumer:S45: the callback takes 1.5 s, the session one; heartbeats go on, and the commit is taken."""
    settings = MemberSettings(
        auto_commit=False, session_timeout_us=S, heartbeat_interval_us=250 * MS, max_poll_interval_us=5 * S
    )
    play = pooled(settings, [1750 * MS], work_in_revoke="wait", commit_in_revoke=True)
    play.fetched((0, 0, 1))
    play.rebalance()  # at 250 ms
    play.run_to(1749 * MS)
    assert ("revoked", 0) not in play.callbacks() and play.commits() == []
    play.run_to(1750 * MS)
    assert play.commits() == [{0: 1}] and ("revoked", 0) in play.callbacks()
    refused = [row for row in play.port.of(Kind.COMMIT) if row.n == 0]
    assert refused == [] and play.port.of(Kind.LEFT) == []


def test_a_callback_that_waits_past_the_poll_interval_has_lost_its_partitions() -> None:
    """consumer:F5.4"""
    settings = MemberSettings(auto_commit=False, heartbeat_interval_us=250 * MS, max_poll_interval_us=S)
    play = pooled(settings, [5 * S], work_in_revoke="wait", commit_in_revoke=True)
    play.fetched((0, 0, 1))
    play.rebalance()  # at 250 ms
    play.run_to(2 * S)
    assert [row.code for row in play.port.of(Kind.LEFT)] == [1]
    assert ("lost", 0) in play.callbacks() and play.commits() == []


def test_a_worker_that_is_late_commits_a_partition_that_is_gone() -> None:
    """consumer:F5.5, consumer:S39, consumer:toy-9: the loop asks nobody whether the partition is still its own."""
    settings = MemberSettings(auto_commit=False, heartbeat_interval_us=50 * MS)
    play = pooled(settings, commit="each", threads=1)
    play.fetched((0, 0, 1))
    play.share = (1,)
    play.rebalance()  # at 50 ms; the record ends at 100 ms
    play.run_to(S)
    assert play.callbacks()[-1] == ("assigned", 1)
    assert play.commits() == [{0: 1}]
    sent = next(one for one in play.asked if isinstance(one, OffsetCommitRequest))
    assert sent.generation == play.generation


def test_records_that_come_back_are_followed_anew() -> None:
    """Both partitions are taken and given back; what ends of before moves no watermark."""
    settings = MemberSettings(auto_commit=False, heartbeat_interval_us=50 * MS)
    play = pooled(settings, [200 * MS, 200 * MS], commit="watermark")
    play.fetched((0, 0, 2))
    play.rebalance()  # at 50 ms; the two end at 200 ms
    play.run_to(150 * MS)
    play.fetched((0, 0, 2))
    play.run_to(210 * MS)
    assert ends(play) == [0, 1] and play.commits() == []
    play.run_to(S)
    assert ends(play) == [0, 1, 0, 1] and play.commits() == [{0: 2}]


# --- failures and sends -----------------------------------------------------------------------------------------------
def test_work_that_is_given_up_does_not_hold_the_watermark() -> None:
    play = pooled(commit="watermark", fails_nth=(1,), on_failure="skip")
    play.fetched((0, 0, 2))
    play.run_to(S)
    assert ends(play) == [1] and play.commits() == [{0: 2}]


def test_a_record_ends_once_its_send_is_acknowledged() -> None:
    desk = Keys()
    play = MemberPlay(MANUAL, SMALL, ProcessingSettings(commit="each", produces=True), 100 * MS, [], desk)
    play.fetched((0, 0, 2))
    play.run_to(150 * MS)
    (way, offset, reported), *more = desk.sent
    assert (way, offset, more, ends(play)) == (Way.PRODUCED, 0, [], [])
    assert reported is not None
    reported(7, play.now)  # it was not acknowledged: the thread sends it again
    assert [offset for _, offset, _ in desk.sent] == [0, 0]
    play.run_to(200 * MS)
    reported(0, play.now)
    play.settle()
    assert ends(play) == [0] and play.commits() == [{0: 1}]
    play.run_to(300 * MS)  # 1 was begun at 200 ms
    assert [offset for _, offset, _ in desk.sent] == [0, 0, 1]


def test_an_application_that_does_not_wait_goes_on_at_the_call() -> None:
    desk = Keys()
    work = ProcessingSettings(commit="after", produces=True, waits_for_sends=False)
    play = MemberPlay(MANUAL, SMALL, work, 100 * MS, [], desk)
    play.fetched((0, 0, 2))
    play.run_to(200 * MS)
    assert [reported for _, _, reported in desk.sent] == [None, None]
    assert ends(play) == [0, 1] and play.commits() == [{0: 2, 1: 0}]


@pytest.mark.parametrize(
    ("then", "way", "ended"), [("retry_topic", Way.RETRY_TOPIC, [1]), ("dead_letter", Way.DEAD_LETTER, [0, 1])]
)
def test_a_record_on_a_retry_topic_has_not_ended_and_a_dead_letter_has(then: str, way: Way, ended: list[int]) -> None:
    desk = Keys()
    work = ProcessingSettings(fails_nth=(1,), on_failure=then)
    play = MemberPlay(MANUAL, SMALL, work, 100 * MS, [], desk)
    play.fetched((0, 0, 2))
    play.run_to(100 * MS)
    assert [(one, offset) for one, offset, _ in desk.sent] == [(way, 0)]
    assert starts(play) == [0]  # it waits for the acknowledgement
    desk.sent[0][2](0, play.now)  # type: ignore[misc]
    play.run_to(S)
    assert starts(play) == [0, 1] and ends(play) == ended == desk.ended
