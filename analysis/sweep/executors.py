"""Who does the work: any :class:`concurrent.futures.Executor`, by name.

``process`` (default) is a pool on this machine, ``thread`` one in this process (for debugging, as Python's threads do
not add up), ``dask`` a cluster (``pip install korder[dask]``), ``MODULE:NAME`` whatever makes an executor, for example
``mpi4py.futures:MPIPoolExecutor``.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from analysis.processes import process_pool
from sim.errors import InputError
from sim.wording import did_you_mean, shown

__all__ = ["NAMES", "executor"]

NAMES = ("process", "thread", "dask")


@contextmanager
def executor(name: str, jobs: int, scheduler: str | None = None) -> Iterator[Executor]:
    """*scheduler*: the address of a Dask scheduler; without it a cluster of *jobs* processes is made here."""
    if scheduler is not None and name != "dask":
        raise InputError("--scheduler", "is the address of a Dask scheduler", "add --executor dask")
    if name == "process":
        with process_pool(jobs) as pool:
            yield pool
    elif name == "thread":
        threads = ThreadPoolExecutor(jobs)
        try:
            yield threads
        finally:
            threads.shutdown(cancel_futures=True)
    elif name == "dask":
        with _dask(jobs, scheduler) as pool:
            yield pool
    else:
        with _made_by(name) as pool:
            yield pool


@contextmanager
def _dask(jobs: int, scheduler: str | None) -> Iterator[Executor]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise InputError("--executor", "dask is not installed", "pip install 'korder[dask]'") from None
    here = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    try:
        client = distributed.Client(scheduler, timeout="10s") if scheduler else distributed.Client(**here)
    except (OSError, ValueError) as error:
        what = f"no Dask scheduler answers there ({type(error).__name__})"
        raise InputError(f"--scheduler {scheduler or ''}".strip(), what, "for example tcp://host:8786") from None
    with client, client.get_executor(pure=False) as pool:
        yield pool


def _made_by(name: str) -> Executor:
    module, _, attribute = name.partition(":")
    if not attribute:
        guess = did_you_mean(name, NAMES) or "write process, thread, dask, or MODULE:NAME of one that makes an executor"
        raise InputError("--executor", f"{shown(name)} is not an executor", guess)
    try:
        made = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError("--executor", f"{shown(name)} cannot be made: {error}", "check module and name") from None
    if not isinstance(made, Executor):
        raise InputError("--executor", f"{shown(name)} is not a concurrent.futures.Executor", "name one that is")
    return made
