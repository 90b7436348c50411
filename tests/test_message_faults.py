"""The pure matcher of message faults: what is counted, and which fault applies."""

from __future__ import annotations

from typing import Any

from sim.message_faults import AnswerDrops, Matcher
from sim.plan import MessageFault


def fault(index: int = 0, **given: Any) -> MessageFault:
    return MessageFault(index, **{"do": "swallow", "producer": 4, "partition": 7, **given})


def see(matcher: Matcher, *values: str, partition: int = 7, now_us: int = 0) -> tuple[int, int | None]:
    number, met = matcher.see(partition, lambda: values, now_us)
    return number, None if met is None else met.index


def test_requests_are_counted_from_one_a_partition() -> None:
    matcher = Matcher([fault(0, nth=(2,)), fault(1, nth=(1,), partition=8)])
    assert [see(matcher), see(matcher, partition=8), see(matcher), see(matcher)] == [
        (1, None), (1, 1), (2, 0), (3, None),
    ]  # fmt: skip


def test_a_partition_without_faults_is_not_counted() -> None:
    assert see(Matcher([fault(nth=(1,))]), partition=3) == (0, None)


def test_several_numbers_address_several_requests() -> None:
    matcher = Matcher([fault(nth=(1, 3))])
    assert [see(matcher)[1] for _ in range(4)] == [0, None, 0, None]


def test_values_are_not_asked_for_where_faults_go_by_number() -> None:
    def asked() -> list[str]:
        raise AssertionError("nobody needs them")

    assert Matcher([fault(nth=(1,))]).see(7, asked, 0)[0] == 1


def test_a_value_is_met_in_any_batch_that_holds_it() -> None:
    matcher = Matcher([fault(value="b")])
    assert [see(matcher, "a")[1], see(matcher, "a", "b", "c")[1], see(matcher, "b")[1]] == [None, 0, 0]


def test_an_attempt_is_the_nth_transmission_of_the_value() -> None:
    matcher = Matcher([fault(value="b", attempt=2)])
    assert [see(matcher, value)[1] for value in ("b", "a", "b", "b")] == [None, None, 0, None]


def test_all_is_every_value_and_a_batch_is_as_old_as_its_oldest_record() -> None:
    matcher = Matcher([fault(value="all", attempt=1)])
    assert [see(matcher, *values)[1] for values in ("a", "b", "a", "bc")] == [0, 0, None, None]


def test_the_first_in_the_order_of_the_file_applies() -> None:
    matcher = Matcher([fault(5, nth=(1,)), fault(2, value="all")])
    assert see(matcher, "a") == (1, 2)


def test_a_fault_has_its_time() -> None:
    matcher = Matcher([fault(value="all", from_us=10, until_us=20)])
    assert [see(matcher, "a", now_us=now)[1] for now in (9, 10, 19, 20)] == [None, 0, 0, None]


def test_a_fault_that_begins_later_counts_from_there() -> None:
    late = MessageFault(0, "swallow", producer=4, partition=0, nth=(2,), from_us=1_000)
    matcher = Matcher([late])
    met = [matcher.see(0, list, at_us)[1] for at_us in (0, 500, 1_000, 1_200, 1_400)]
    assert met == [None, None, None, late, None]
    assert matcher.before(late) == 2


def test_a_dropped_answer_waits_for_the_requests_that_its_fault_names() -> None:
    """And, where it names none, for its own alone."""
    own, three = fault(0, do="drop_response", nth=(1,)), fault(1, do="drop_response", nth=(2,), after_answered=3)
    drops: AnswerDrops[str] = AnswerDrops(Matcher([own, three]))
    assert drops.wait("own", {7: 1}, own) == []
    assert drops.wait("three", {7: 2}, three) == []
    assert drops.answered({7: 1}) == [("own", own)]
    assert drops.answered({}) == []
    assert drops.answered({7: 3}) == []
    assert drops.answered({7: 2}) == [("three", three)]
    assert drops.wait("late", {7: 2}, three) == [("late", three)]
