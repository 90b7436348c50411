"""What only a process of its own can show: interrupts, a full disk, a reader that has gone, the time to say hello."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, started


def _long(quiet: Path) -> Path:
    """A run that takes far longer than the test."""
    quiet.write_text(quiet.read_text().replace("run: 1s", "run: 4h"))
    return quiet


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_a_run_at_once_and_leaves_nothing(
    quiet: Path, tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    process = started("run", _long(quiet), "--out", tmp_path / "out")
    _wait_for_line(process, "simulating")

    process.send_signal(sent)
    out, err = process.communicate(timeout=30)

    assert process.returncode == status
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quiet.yaml"]


def test_an_interrupt_ends_a_check_and_its_workers(quiet: Path) -> None:
    process = started("check", _long(quiet), "--jobs", "2", start_new_session=True)
    _wait_for_line(process, "checking")

    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)  # waits for every process that holds the pipes: the workers too

    assert process.returncode == 130 and "Traceback" not in err
    assert time.monotonic() - begun < 20


def _wait_for_line(process: subprocess.Popen[str], word: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"ended without saying {word}")


def test_a_full_disk_is_one_line_and_leaves_no_file(quiet: Path, tmp_path: Path) -> None:
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))}

    process = started("run", quiet, "--out", tmp_path / "out", **limit)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "cannot write" in err and "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quiet.yaml"]


def test_a_reader_that_has_gone_is_no_error_of_ours() -> None:
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "analysis.cli", "schema"]

    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, text=True)
    os.close(write)

    assert done.returncode == 141 and done.stderr == ""


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from analysis.cli.main import status_of; status_of(['--help']);"
        "print(sorted({'numpy', 'pandas', 'matplotlib', 'pyarrow', 'simpy', 'pydantic'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)

    assert done.stdout.strip().endswith("[]")


def test_a_terminal_gets_colours_unless_told_not_to(quiet: Path) -> None:
    assert "\x1b[" in _on_a_terminal(quiet, {})
    plain = _on_a_terminal(quiet, {"NO_COLOR": "1"})
    assert "\x1b[1;32m" not in plain and "holds" in plain


def _on_a_terminal(quiet: Path, more: dict[str, str]) -> str:
    master, slave = os.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", **more}
    command = [sys.executable, "-m", "analysis.cli", "run", str(quiet)]
    process = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env=environment)
    os.close(slave)
    said = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end has closed
            break
        if not part:
            break
        said += part
    process.wait(timeout=60)
    os.close(master)
    return said.decode()
