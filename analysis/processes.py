"""Worker processes that do not outlive their parent and do not speak when interrupted.

Processes are spawned, never forked: a fork would copy threads and locks of whatever is loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait

from sim.errors import InputError

__all__ = ["default_jobs", "process_pool"]


def default_jobs() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


@contextmanager
def process_pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of *jobs* processes. An error or an interrupt ends them at once; nobody waits for their tasks.

    Raises :class:`InputError` where a worker died.
    """
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            rule = "a worker process died (killed, out of memory, or a script that calls this outside of __main__)"
            raise InputError("--jobs", rule, "try --jobs 1") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _begin() -> None:
    """In a worker: Ctrl-C at a terminal reaches it too, and must not print a traceback of its own; and a parent that
    was killed tells it nothing, so it watches."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
