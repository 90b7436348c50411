"""Tasks over processes: the same results in the same order, and the first error in that order."""

from __future__ import annotations

import os

import pytest

from analysis.cli.pool import default_jobs, spread
from sim.errors import InputError, LawBroken


def _square(number: int) -> int:
    return number * number


def _refuse_odd(number: int) -> int:
    if number % 2:
        raise LawBroken("INV-1", f"{number} is odd", "seed 3")
    return number


def _die(number: int) -> int:
    os._exit(number)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_come_in_the_order_of_the_tasks_whatever_the_jobs(jobs: int) -> None:
    done: list[int] = []

    results = list(spread(_square, [3, 1, 2, 5], jobs, done.append))

    assert results == [9, 1, 4, 25]
    assert sorted(done) == [1, 2, 3, 5]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_error_in_order_comes_out_whole(jobs: int) -> None:
    with pytest.raises(LawBroken) as caught:
        list(spread(_refuse_odd, [2, 5, 4, 7], jobs, lambda _: None))

    assert (caught.value.law, caught.value.what, caught.value.context) == ("INV-1", "5 is odd", "seed 3")


def test_a_worker_that_dies_is_told_in_words() -> None:
    with pytest.raises(InputError, match="worker process died"):
        list(spread(_die, [1, 1], 2, lambda _: None))


@pytest.mark.parametrize("jobs", [1, 2])
def test_in_no_time_nothing_is_begun(jobs: int) -> None:
    """A task that were begun would end its process."""
    assert list(spread(_die, [1, 1], jobs, lambda _: None, within_s=0)) == [None, None]


def test_there_is_at_least_one_job_by_default() -> None:
    assert default_jobs() >= 1
