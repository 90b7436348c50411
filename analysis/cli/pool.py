"""Equal tasks over processes, results in the order of the tasks whatever the number of processes.

Processes are spawned, never forked: a fork would copy threads and locks of whatever is loaded. An interrupt ends the
workers at once; nobody waits for their tasks.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from sim.errors import InputError

__all__ = ["default_jobs", "spread"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def default_jobs() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


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
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, _die_quietly) as pool:
        try:
            yield from _in_order([(task, pool.submit(work, task)) for task in tasks], done)
        except BrokenProcessPool as error:
            raise InputError("--jobs", "a worker process died (killed, or out of memory)", "try --jobs 1") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


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


def _die_quietly() -> None:
    """In a worker: Ctrl-C at a terminal reaches it too, and must not print a traceback of its own."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
