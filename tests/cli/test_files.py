"""Files are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.cli.files import must_be_writable, staged, write_text
from sim.errors import InputError


def test_files_appear_together_at_the_end_and_leave_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"

    with staged(target) as folder:
        (folder / "a").write_text("a")
        (folder / "b").write_text("b")
        visible = [path.name for path in target.iterdir() if not path.name.startswith(".")]

    assert visible == []
    assert sorted(path.name for path in target.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupt_leaves_neither_files_nor_a_folder_made_for_them(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    with pytest.raises(interruption), staged(tmp_path / "new" / "out") as folder:
        (folder / "half").write_text("ha")
        raise interruption

    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_the_files_of_an_earlier_run_as_they_were(tmp_path: Path) -> None:
    write_text(tmp_path / "verdict.json", "old")

    with pytest.raises(KeyboardInterrupt), staged(tmp_path) as folder:
        (folder / "verdict.json").write_text("new")
        raise KeyboardInterrupt

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("verdict.json", "old")]


def test_an_error_of_the_system_becomes_one_line_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No space left") as caught, staged(tmp_path / "out"):
        raise OSError(28, "No space left on device")

    assert str(tmp_path / "out") in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_where_the_folder_should_be_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="is not a folder"):
        must_be_writable(tmp_path / "file" / "out")


def test_a_folder_that_does_not_exist_yet_is_fine_and_not_made_by_asking(tmp_path: Path) -> None:
    must_be_writable(tmp_path / "a" / "b")

    assert list(tmp_path.iterdir()) == []


def test_what_is_no_plain_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """A device or a pipe (here a symbolic link, which anybody can make) would be gone for everybody else."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    listening = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    write_text(tmp_path / "link", "one")
    write_text(tmp_path / "pipe", "two")
    heard = os.read(listening, 100)
    os.close(listening)

    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "one"
    assert (tmp_path / "pipe").is_fifo() and heard == b"two"
