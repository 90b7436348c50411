"""Files that are there whole or not at all.

Law: nothing half-written ever stands under a final name (what is no plain file, as ``/dev/stdout``, is written to).
Files are made in a folder of their own beside the final place
and renamed only when all are complete; an error or an interrupt on the way removes that folder, and the target folder
too if it was made for them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.errors import InputError

__all__ = ["must_be_writable", "staged", "write_text"]

WAY_OUT = "choose another folder or free some space"


def must_be_writable(folder: Path) -> None:
    """Ask before a long run, not after it, whether *folder* exists or can be made and written to."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(str(folder), f"cannot write: {nearest} is not a folder", "choose another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(str(folder), f"cannot write: permission denied in {nearest}", "choose another folder")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder; what the body leaves in it appears in *folder* at the end, if the body ends well."""
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    temporary = folder / f".korder-{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        readers = temporary.stat().st_mode & 0o666  # as the user's umask wants it, however a file was made
        for path in sorted(temporary.iterdir()):
            path.chmod(readers)
            _put(path, folder / path.name)
        made = []
    except OSError as error:
        raise InputError(str(folder), f"cannot write: {error.strerror or error}", WAY_OUT) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            _remove_if_empty(parent)


def _put(path: Path, target: Path) -> None:
    """Rename, but never in place of a device, a pipe or a symbolic link: those are written to."""
    if target.is_symlink() or (target.exists() and not target.is_file() and not target.is_dir()):
        with path.open("rb") as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        path.unlink()
    else:
        os.replace(path, target)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass  # never made, or no longer ours alone


def write_text(path: Path, text: str) -> None:
    """One file of text, whole or not at all."""
    with staged(path.parent) as temporary:
        (temporary / path.name).write_text(text, encoding="utf-8")
