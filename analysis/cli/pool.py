"""Equal tasks over processes, results in the order of the tasks whatever the number of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

from analysis.processes import default_jobs, process_pool

__all__ = ["default_jobs", "spread"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, done: Callable[[Task], object]
) -> Iterator[Result]:
    """``work(task)`` of every task, in order; *done* is called as each ends. *work* must be a module's function."""
    if min(jobs, len(tasks)) <= 1:
        for task in tasks:
            result = work(task)
            done(task)
            yield result
        return
    with process_pool(min(jobs, len(tasks))) as pool:
        yield from _in_order([(task, pool.submit(work, task)) for task in tasks], done)


def _in_order(
    submitted: list[tuple[Task, Future[Result]]], done: Callable[[Task], object]
) -> Iterator[Result]:
    """Results in the order of submission; the first error in that order is the one that is raised."""
    tasks = {future: task for task, future in submitted}
    waiting = set(tasks)
    for _, future in submitted:
        while future in waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for one in finished:
                done(tasks[one])
        yield future.result()

