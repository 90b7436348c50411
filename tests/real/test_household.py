"""Processes and files of a run are gone when it is over, however it ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.real.household import PREFIX, Household

SLEEPER = (sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()")
PARENT = (
    "/bin/sh", "-c", f"'{sys.executable}' -c 'import os, sys, signal; print(os.getpid(), flush=True); signal.pause()'"
    " & wait",
)  # fmt: skip


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ends(pid: int) -> bool:
    """Whether a process that is nobody's child here ends (the kernel takes a moment to bury it)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_processes_that_ignore_a_plea_and_their_files_are_gone_at_the_end(tmp_path: Path) -> None:
    with Household() as home:
        processes = [home.start(SLEEPER, f"node-{number}") for number in range(3)]
        (home.folder / "data").write_text("x")
        assert all(alive(process.pid) for process in processes)
    assert all(process.returncode == -signal.SIGKILL for process in processes)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Household() as home:
        process = home.start(SLEEPER, "node-1")
        raise RuntimeError
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_started_ends_with_it() -> None:
    with Household() as home:
        process = home.start(PARENT, "parent", talks=True)
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        assert alive(grandchild)
    assert ends(grandchild)


def test_stopped_processes_end_too() -> None:
    with Household() as home:
        process = home.start(SLEEPER, "node-1")
        home.signal(process, signal.SIGSTOP)
    assert process.returncode == -signal.SIGKILL


def test_keep_leaves_the_folder_and_no_process(tmp_path: Path) -> None:
    with Household(keep=True) as home:
        process = home.start(SLEEPER, "node-1")
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in home.folder.iterdir()] == ["node-1.log"]


def test_folders_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for owner in (dead.pid, os.getpid()):
        (tmp_path / f"{PREFIX}{owner}-x").mkdir()
    with Household():
        assert not (tmp_path / f"{PREFIX}{dead.pid}-x").exists()
        assert (tmp_path / f"{PREFIX}{os.getpid()}-x").exists()


def test_the_death_of_korder_itself_ends_its_processes() -> None:
    program = (
        "import sys, os, signal; from sim.real.household import Household; home = Household();"
        f"print(home.start({SLEEPER!r}, 'node-1').pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert ends(int(ran.stdout))
