"""Equal tasks over processes, results in the order of the tasks whatever the number of processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

from analysis.processes import default_jobs, process_pool

__all__ = ["default_jobs", "spread"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, done: Callable[[Task], object],
    within_s: float | None = None,
) -> Iterator[Result | None]:  # fmt: skip
    """``work(task)`` of every task, in order; *done* is called as each ends. *work* must be a module's function.

    *within_s*: no task is begun when so many seconds are over; its result is None.
    """
    end = None if within_s is None else time.monotonic() + within_s
    if min(jobs, len(tasks)) <= 1 or within_s == 0:  # for nothing no process is begun
        for task in tasks:
            if end is not None and time.monotonic() >= end:
                yield None
                continue
            result = work(task)
            done(task)
            yield result
        return
    with process_pool(min(jobs, len(tasks))) as pool:
        yield from _in_order([(task, pool.submit(work, task)) for task in tasks], done, end)


def _in_order(
    submitted: list[tuple[Task, Future[Result]]], done: Callable[[Task], object], end: float | None
) -> Iterator[Result | None]:
    """Results in the order of submission; the first error in that order is the one that is raised."""
    tasks = {future: task for task, future in submitted}
    waiting = set(tasks)
    for _, future in submitted:
        while future in waiting:
            left = None if end is None else max(0.0, end - time.monotonic())
            finished, waiting = wait(waiting, left, return_when=FIRST_COMPLETED)
            for one in finished:
                done(tasks[one])
            if not finished:  # the time is up: what runs may end, what waits is dropped
                waiting -= {one for one in waiting if one.cancel()}
                end = None
        yield None if future.cancelled() else future.result()

