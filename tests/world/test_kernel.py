"""The kernel: an integer clock, a budget, and errors that come through unchanged."""

from __future__ import annotations

import pytest

from sim.errors import InputError, LawBroken
from sim.world.kernel import ALARM, WORLD, Kernel, host_priority, rank_of


def test_events_up_to_and_including_the_end_run_and_the_clock_stands_there() -> None:
    kernel, met = Kernel(), []
    for at in (5, 10, 11):
        kernel.call_at(at, lambda _: met.append(kernel.now_us))
    kernel.run_to(10)
    assert met == [5, 10] and kernel.now_us == 10 and type(kernel.now_us) is int
    kernel.run_to(100)
    assert met == [5, 10, 11] and kernel.now_us == 100 and kernel.events == 3


def test_a_script_may_be_a_simpy_process() -> None:
    kernel, met = Kernel(), []

    def script():  # type: ignore[no-untyped-def]
        for _ in range(3):
            yield kernel.timeout(7)
            met.append(kernel.now_us)

    kernel.process(script())
    kernel.run_to(100)
    assert met == [7, 14, 21]


def test_a_run_that_needs_too_many_events_is_refused_with_a_way_out() -> None:
    kernel = Kernel(limit=100)

    def again(_: object) -> None:
        kernel.call_at(kernel.now_us + 1, again)

    again(None)
    with pytest.raises(InputError, match="more than 100 events and stands at 100 us.*shorten the run"):
        kernel.run_to(1_000)
    assert kernel.events == 100


def test_a_broken_law_comes_through_as_it_was_raised() -> None:
    kernel, law = Kernel(), LawBroken("INV-1", "what", "context")

    def breaks(_: object) -> None:
        raise law

    kernel.call_at(3, breaks)
    with pytest.raises(LawBroken) as caught:
        kernel.run_to(10)
    assert caught.value is law and kernel.now_us == 3


def test_something_can_look_after_every_event_and_learns_whose_it_was() -> None:
    kernel, looked = Kernel(), []
    for at, priority in ((1, WORLD), (1, host_priority(0)), (2, host_priority(3) + 17), (2, host_priority(4) + ALARM)):
        kernel.call_at(at, lambda _: None, priority)
    kernel.run_to(5, after=lambda priority: looked.append((kernel.now_us, rank_of(priority))))
    assert looked == [(1, -1), (1, 0), (2, 3), (2, 4)]
