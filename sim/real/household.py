"""Processes and files of one real run, and their end.

Law: when a household is closed, none of its processes is left and its folder is gone, however the run ended. Every
process leads a group of its own, so that it is ended with all that it started, and asks the kernel to be killed when
korder dies (Linux), so that not even ``kill -9`` leaves one behind. A folder that such a death left is removed by the
next household.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

__all__ = ["Household"]

PREFIX = "korder-real-"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Household:
    """A folder and the processes that live in it; a context manager. ``keep``: leave the folder behind."""

    def __init__(self, keep: bool = False) -> None:
        self._keep = keep
        self._processes: list[subprocess.Popen[bytes]] = []
        self._outputs: list[IO[bytes]] = []
        _sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))

    def __enter__(self) -> Household:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def start(
        self, command: Sequence[str], name: str, *, talks: bool = False, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start *command*; what it says goes to ``NAME.log`` in the folder, or (``talks``) to pipes but for errors."""
        log = (self.folder / f"{name}.log").open("ab")
        self._outputs.append(log)
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else log,
            stderr=log,
            cwd=self.folder,
            env=dict(environment) if environment is not None else None,
            start_new_session=True,  # a Ctrl-C at the terminal is for korder alone
            preexec_fn=_die_with_parent,
        )
        self._processes.append(process)
        return process

    @staticmethod
    def signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to the process and all that it started; nothing where it is gone."""
        if process.poll() is None:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill one process and wait for its end."""
        self.signal(process, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if process in self._processes:
            self._processes.remove(process)

    def tail(self, name: str, lines: int = 3) -> str:
        """The last lines of a log, for a message."""
        try:
            text = (self.folder / f"{name}.log").read_text("utf-8", "replace")
        except OSError:
            return ""
        return " / ".join(line.strip() for line in text.splitlines()[-lines:])

    def close(self) -> None:
        """End everything. A second interrupt meanwhile must not leave half of it."""
        before = _ignore_interrupts()
        try:
            for process in list(self._processes):  # all at once, then wait: brokers would wait for each other
                self.signal(process, signal.SIGKILL)
            for process in list(self._processes):
                self.end(process)
            for log in self._outputs:
                log.close()
            if not self._keep:
                shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _ignore_interrupts() -> dict[signal.Signals, signal.Handlers]:
    handlers = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        try:
            found = signal.signal(number, signal.SIG_IGN)
        except ValueError:
            return {}  # not in the main thread: no interrupt arrives here
        handlers[number] = found if found is not None else signal.SIG_DFL
    return handlers  # type: ignore[return-value]


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _sweep(parent: Path) -> None:
    """Remove folders of households whose korder is dead."""
    for folder in parent.glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
