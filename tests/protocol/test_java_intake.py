"""The application's side of the Java producer: choice of partition, memory, blocking, bulk (producer 2.1 to 2.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.java_batches import PartitionQueue, ProducerBatch
from sim.protocol.java_choice import TopicState
from sim.protocol.java_network import JavaNode
from sim.protocol.rows import Kind
from sim.protocol.settings import JavaProducerSettings, Rules
from tests.protocol.java_play import Calls, Play, plain
from tests.protocol.scripted_port import ScriptedPort

S = 1_000_000
MS = 1_000
BATCH = 177  # what one record of 100 bytes takes of buffer.memory, in a batch of its own


class Unsettled(Calls):
    """The same calls, but nothing is known of them beforehand."""

    def settled(self, topic: int) -> bool:
        return False


def two_batches(calls: str, **options: Any) -> Play:
    return plain(calls, buffer_memory_bytes=2 * BATCH + 10, **options)


# --- choice of partition ---------------------------------------------------------------------------------------------
def test_keys_choose_the_partition_by_murmur2_over_all_partitions() -> None:
    """producer:S07, producer:toy-24"""
    play = plain("A:21 F:foobar", leaders={index: 1 for index in range(10)}).flow(100, 1)
    assert (play.log(0), play.log(6)) == ("A", "F")


def test_an_empty_key_is_hashed() -> None:
    """producer:toy-25: partition 9 of 12 (producer 2.2)"""
    assert plain("A:", leaders={index: 1 for index in range(12)}).flow(100, 1).log(9) == "A"


def test_round_robin_with_one_record_a_batch_stays_on_the_second_partition() -> None:
    """producer:S50: before 4.0 the partitioner is asked twice for a new batch"""
    twice = {"partitioner": "round_robin", "round_robin_asks_twice": True}
    play = plain("A~ B~@10 C~@20 D~@30", leaders={0: 1, 1: 1}, **twice).flow(100, 1)
    assert play.log(1) == "A B C D"


def test_round_robin_of_4_0_and_later_takes_turns() -> None:
    """producer:S50 as of 4.0 (KAFKA-17632; ``Partitioner.onNewBatch`` is gone from the 4.3.0 client)"""
    play = plain("A~ B~@10 C~@20 D~@30", partitioner="round_robin", leaders={0: 1, 1: 1}).flow(100, 1)
    assert (play.log(0), play.log(1)) == ("A C", "B D")


def test_round_robin_passes_over_partitions_without_leader() -> None:
    """producer 2.2: available partitions first"""
    play = plain("A~ B~@10", partitioner="round_robin", leaders={0: -1, 1: 1}).flow(100, 1)
    assert play.log(1) == "A B"


def test_keyless_records_stay_on_a_partition_until_it_got_batch_size_bytes_and_its_batch_is_full() -> None:
    """producer 2.2, KIP-794: 61 + 5 * 100 bytes fill the batch and the quota together"""
    play = Play("A~ B~ C~ D~ E~ F~", leaders={0: 1, 1: 1}, batch_size_bytes=561, linger_us=S, idempotence=False)
    raws = iter([0, 1, 0])
    play.port.draw = lambda purpose: next(raws) if purpose == "sticky" else 1 << 31  # type: ignore[method-assign]
    play.start().flow(2000, 1)
    assert (play.log(0), play.log(1)) == ("A B C D E", "F")


def sticky(calls: str, **options: Any) -> Play:
    """Two partitions, a batch.size of 600 bytes; the choices in turn are 0, 1, 0."""
    play = Play(calls, leaders={0: 1, 1: 1}, batch_size_bytes=600, idempotence=False, **options)
    raws = iter([0, 1, 0])
    play.port.draw = lambda purpose: next(raws) if purpose == "sticky" else 1 << 31  # type: ignore[method-assign]
    return play.start()


@pytest.mark.parametrize(
    ("linger_ms", "logs"),
    [(0, ("A B C D I J", "E F G H")), (25, ("A B C D E F", "G H I J"))],
)
def test_a_switch_that_an_open_batch_postponed_is_made_before_the_next_batch_begins(
    linger_ms: int, logs: tuple[str, str]
) -> None:
    """``RecordAccumulator.partitionChanged``: batches of 161 bytes (of 361, of which the second is open as 600 are
    passed); the record that finds none open goes to the next partition."""
    calls = " ".join(f"{name}~@{10 * i}" for i, name in enumerate("ABCDEFGHIJ"))
    play = sticky(calls, linger_us=linger_ms * MS).flow(200, 1)
    assert (play.log(0), play.log(1)) == logs


def test_a_record_without_room_closes_the_batch_and_makes_up_for_the_switch() -> None:
    """``RecordAccumulator.partitionChanged``, asked again before a batch is opened: five records fill a batch of 561
    bytes, less than the quota; the next five pass it, and the eleventh finds the second batch without room."""
    play = sticky("A~ B~ C~ D~ E~ F~ G~ H~ I~ J~ K~", linger_us=S).flow(2000, 1)
    assert (play.log(0), play.log(1)) == ("A B C D E F G H I J", "K")


def test_partitions_that_are_added_make_the_choice_uniform_until_each_has_had_a_batch() -> None:
    """``partitionReady``: no lengths are taken before, and without them old weights do not count."""
    state = TopicState(0, ScriptedPort(), JavaProducerSettings(batch_size_bytes=1), 500)
    queues = [PartitionQueue(number) for number in range(4)]
    state.learn(queues[:2], [])
    for queue in queues[:2]:
        queue.node, queue.lane.taken = JavaNode(1), 1
    queues[0].batches.append(ProducerBatch(queues[0], 0, 1, 161, 0))
    state.note_leaders([0, 1])
    state.note_load()
    assert weights_of(state) == [1, 3]

    state.learn(queues, [])
    state.note_load()
    assert weights_of(state) == []


def weights_of(state: TopicState) -> list[int]:
    state.stick()
    return state._sticky._weights


def test_a_keyed_record_ignores_stickiness_and_ignore_keys_ignores_keys() -> None:
    """producer 2.2"""
    leaders = {index: 1 for index in range(10)}
    play = plain("A~ F:foobar B~@10", leaders=leaders, draws={"sticky": 3}).flow(100, 1)
    assert (play.log(3), play.log(6)) == ("A B", "F")
    play = plain("A~ F:foobar@10", leaders=leaders, draws={"sticky": 3}, partitioner_ignore_keys=True).flow(100, 1)
    assert play.log(3) == "A F"


def test_the_adaptive_choice_prefers_short_queues() -> None:
    """producer 2.2: weights (most + 1) - length; with queues 3 and 0 a draw of 1 of 5 falls to the empty one"""
    calls = "P/0 Q/1 A/0@10 B/0@10 C/0@10 D/0@10 N~@20"
    options: dict[str, Any] = {"leaders": {0: 1, 1: 2}, "window": 1, "draws": {"sticky": 1}}
    assert plain(calls, **options).at(20).role.idle() is False
    play = plain(calls, **options).flow(200, 50)
    assert play.log(1) == "Q N"
    play = plain(calls, partitioner_adaptive=False, **{**options, "draws": {"sticky": 2}}).flow(300, 50)
    assert "N" in play.log(0)


def test_a_broker_that_cannot_be_drained_is_left_out_of_the_choice() -> None:
    """producer 2.2, partitioner.availability.timeout.ms"""
    calls = "P/0 Q/1 A/0@10 B/0@11 M~@500 N~@510 O~@520 R~@530"
    options: dict[str, Any] = {"leaders": {0: 1, 1: 2}, "window": 2, "draws": {"sticky": 0}}
    limited = plain(calls, partitioner_availability_timeout_us=100 * MS, **options).ok("Q").at(540)
    assert "R" in limited.on_wire()  # noticed with M, known to the scan for N, counted in the choice made behind O
    unlimited = plain(calls, **options).ok("Q").at(540)
    assert "R" not in unlimited.on_wire()


def test_a_record_for_a_partition_that_does_not_exist_yet_waits_for_it() -> None:
    """producer 2.1"""
    play = plain("A X/1 B", leaders={0: 1}).run(500)
    assert play.sent() == "A"
    play.leaders[1] = (1, 0)
    assert sorted(play.ok("A").run(2000).on_wire().replace("+", " ").split()) == ["B", "X"]


def test_a_partition_that_never_comes_fails_the_call_and_not_those_behind_it() -> None:
    """producer 2.1: TimeoutException in the future"""
    play = plain("A X/1 B", leaders={0: 1}, max_block_us=S).at(999)
    assert play.refused() == ""
    assert play.at(1000).refused() == "X"
    assert play.sent() == "A B"
    assert play.rows(Kind.REFUSED)[0].code == 1003


def test_metadata_of_a_topic_is_asked_for_with_its_first_call_and_its_absence_holds_back_nobody_earlier() -> None:
    """producer 2.1: one application thread, one topic at a time"""
    for kind in (Calls, Unsettled):
        play = Play(
            kind("A B@100 T#1@500 C@510 U#1@520", {}, 100), idempotence=False, leaders={0: 1, 7: 1}, topics={0: (0,)}
        ).start()
        assert play.at(499).sent() == "A B"
        asked = play.asked_metadata
        assert play.ok("A", "B").at(1200).sent() == ""  # C waits behind T
        assert play.asked_metadata > asked
        play.topics = {0: (0,), 1: (7,)}
        assert sorted(play.run(2000).sent().replace("+", " ").split()) == ["C", "T", "U"]


# --- memory ----------------------------------------------------------------------------------------------------------
def test_a_call_without_memory_waits_and_those_behind_it_keep_their_order() -> None:
    """producer 1.1, buffer.memory; one application thread"""
    play = two_batches("A B C D X/1", leaders={0: 1, 1: 2})
    assert play.sent() == "A B"
    assert play.run(500).ok("A").sent() == "C"
    assert play.ok("B").sent() == "D"
    assert play.ok("C").sent() == "X"
    assert play.role.sent().floors == [(3, 500 * MS), (4, 500 * MS)]


def test_memory_that_does_not_come_fails_the_call_after_max_block() -> None:
    """producer 1.1, max.block.ms"""
    play = two_batches("A B C D@10", max_block_us=S).at(999)
    assert play.refused() == ""
    assert play.at(1000).refused() == "C"
    assert play.at(1999).refused() == "C"
    assert play.at(2000).refused() == "C D"  # its own time begins when it is called
    assert {row.code for row in play.rows(Kind.REFUSED)} == {1002}


def test_without_patience_every_call_that_finds_no_memory_fails_at_once() -> None:
    """max.block.ms=0"""
    play = two_batches("Z A@5 B@5 C@5 D@10 E@20", max_block_us=0)
    assert play.refused() == "Z"  # not even metadata is there
    play.at(15)
    assert play.refused() == "Z C D"
    assert play.ok("A").at(20).refused() == "Z C D"
    assert play.sent() == "A B E"


def test_while_a_call_waits_for_memory_nobody_lingers() -> None:
    """producer 1.1, 2.4: every queue counts as ready"""
    play = two_batches("A X/1 B@10", linger_us=S, leaders={0: 1, 1: 2}).at(9)
    assert play.sent() == ""
    assert play.at(10).sent() == "A X"


def test_a_record_larger_than_a_request_may_be_fails_at_once() -> None:
    """producer 1.1, max.request.size"""
    play = plain("A B C", sizes={"B": 5000}, max_request_size_bytes=1000)
    assert (play.sent(), play.refused(), play.rows(Kind.REFUSED)[0].code) == ("A C", "B", 1004)


def test_a_record_larger_than_the_whole_memory_fails_at_once() -> None:
    """KafkaProducer.ensureValidRecordSize"""
    assert plain("A B", sizes={"B": 5000}, buffer_memory_bytes=1000).refused() == "B"


def test_memory_is_free_again_when_everything_is_reported() -> None:
    """memory is counted by batch, whatever became of it"""
    play = plain("A B C D E", window=2, retries=1, delivery_timeout_us=S, request_timeout_us=S // 2)
    play.ok("A").answer("B", 87).answer("C", 19).at(5000)
    assert play.role.idle()
    assert play.role.intake.buffer.free_bytes == play.settings.buffer_memory_bytes


@pytest.mark.parametrize(("held", "leaves_ms"), [(True, 1151), (False, 1000)])
def test_memory_of_a_batch_that_expires_on_the_wire_is_free_once_its_request_has_ended(
    held: bool, leaves_ms: int
) -> None:
    """KAFKA-19012 (4.3: ``maybeRemoveAndDeallocateBatchLater``); before, it was free at once. A's second transmission
    leaves at 100 ms and is late a millisecond after its time; the connection is back 50 ms later."""
    rules = Rules(memory_on_the_wire_is_held=held)
    options = {"buffer_memory_bytes": BATCH + 10, "delivery_timeout_us": S, "request_timeout_us": S, "rules": rules}
    play = plain("A C@500", **options).answer("A", E.NOT_ENOUGH_REPLICAS).at(3000)

    assert (play.times_ms("A"), play.times_ms("C")[0]) == ([0, 100], leaves_ms)
    assert play.outcome("A").startswith("UNKNOWN")


def test_time_in_a_blocked_call_counts_neither_for_linger_nor_for_the_delivery_timeout() -> None:
    """producer 2.1 item 6, 2.3: a batch is created when its record gets memory"""
    play = two_batches("A B C", delivery_timeout_us=2 * S, request_timeout_us=2 * S).at(1500).ok("A").at(3499)
    assert play.outcome("C") == ""
    assert play.at(3500).outcome("C").endswith("CLIENT_DELIVERY_TIMEOUT")


def test_an_application_that_stood_still_calls_when_it_goes_on() -> None:
    """a pause is not time that a record spent in the buffer"""
    for kind in (Calls, Unsettled):
        play = Play(kind("A B@500 C@600", {}, 100), linger_us=S, batch_size_bytes=1000, idempotence=False).start()
        play.at(100).freeze_until(900)
        play.role.on_resumed(100 * MS, 900 * MS)
        play.at(1000)
        assert play.on_wire() == "ABC"  # A's batch was open
        play = Play(kind("B@500 C@600", {}, 100), linger_us=S, batch_size_bytes=1000, idempotence=False).start()
        play.at(100).freeze_until(900)
        play.role.on_resumed(100 * MS, 900 * MS)
        assert play.at(1899).sent() == ""
        assert play.at(1900).sent() == "BC"


# --- restart ---------------------------------------------------------------------------------------------------------
def test_a_producer_that_dies_leaves_its_batches_unknown_or_failed() -> None:
    """what the application is told: nothing; what may be in a log is unknown"""
    play = plain("A B C D E@500", window=3).answer("A", 19).run(10)
    play.role.abandon(play.now_us)
    assert [play.outcome(name).split()[0] for name in "ABCD"] == ["FAIL", "UNKNOWN", "UNKNOWN", "FAIL"]
    assert play.role.sent().count == 4  # E is for the next instance
    play.run(1000)
    assert play.rows(Kind.REFUSED) == []


# --- bulk ------------------------------------------------------------------------------------------------------------
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"


@st.composite
def workloads(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    count = draw(st.integers(1, len(LETTERS)))
    at, words, sizes = 0, [], {}
    for letter in LETTERS[:count]:
        at += draw(st.sampled_from([0, 0, 1, 3, 10, 60]))
        where = draw(st.sampled_from(["/0", "/1", "/2", ":k1", ":k2"]))
        words.append(f"{letter}{where}@{at}")
        sizes[letter] = draw(st.integers(10, 400))
    return " ".join(words), sizes


@settings(max_examples=80, deadline=None)
@given(
    workload=workloads(),
    linger_ms=st.sampled_from([0, 5, 50]),
    batch_size=st.sampled_from([1, 200, 500, 2000]),
    window=st.sampled_from([1, 2, 5]),
    buffers=st.sampled_from([1, 2, 5, 1000]),
    max_block_ms=st.sampled_from([0, 30, 60_000]),
    answer_ms=st.integers(1, 80),
    codes=st.sampled_from([(0,), (0, 0, 19), (0, 87, 0, 19, 10)]),
    resend=st.sampled_from([0, 2]),
)
def test_calls_taken_in_bulk_make_the_batches_that_single_calls_make(
    workload: tuple[str, dict[str, int]],
    linger_ms: int,
    batch_size: int,
    window: int,
    buffers: int,
    max_block_ms: int,
    answer_ms: int,
    codes: tuple[int, ...],
    resend: int,
) -> None:
    """Same requests at the same times, same reports, same refusals, whether the future is known or not."""
    words, sizes = workload
    memory = buffers * max(batch_size, 500)
    seen = []
    for kind in (Calls, Unsettled):
        play = Play(
            kind(words, sizes, 100),
            leaders={0: 1, 1: 1, 2: 2},
            idempotence=False,
            max_in_flight=window,
            linger_us=linger_ms * MS,
            batch_size_bytes=batch_size,
            buffer_memory_bytes=memory,
            max_block_us=max_block_ms * MS,
            resend=resend,
        ).start()
        play.flow(20_000, answer_ms, codes)
        assert play.role.idle()
        assert play.role.intake.buffer.free_bytes == memory
        sent = play.role.sent()
        seen.append((play.transmissions, play.callbacks(), play.refused(), sent.floors, sent.resends))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("limit", [200, 1000, 16_384])
def test_bulk_never_takes_more_than_there_is(limit: int) -> None:
    """The bound of memory looked at ahead holds, so the books never go below zero."""
    calls = " ".join(f"{letter}/{index % 3}@{index // 4}" for index, letter in enumerate(LETTERS))
    play = plain(calls, leaders={0: 1, 1: 1, 2: 1}, batch_size_bytes=limit, buffer_memory_bytes=3 * limit + 600)
    while not play.role.idle():
        play.flow(play.now_us / MS + 1, 25)
        assert play.role.intake.buffer.free_bytes >= 0
