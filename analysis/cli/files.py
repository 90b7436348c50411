"""Files that are there whole or not at all.

Law: nothing half-written ever stands under a final name. A file is written beside its name under a temporary one and
renamed when complete; an error or an interrupt on the way removes the temporary one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sim.errors import InputError

__all__ = ["make_folder", "unwritable", "write_text", "write_whole"]


def unwritable(path: Path | str, error: OSError) -> InputError:
    """The user's one line for whatever the operating system refused."""
    return InputError(str(path), f"cannot write: {error.strerror or error}", "choose another folder or free some space")


def make_folder(path: Path) -> Path:
    """*path* as an existing folder that can be written to, asked for before a long run and not after it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(str(path), "cannot write: permission denied", "choose another folder")
    return path


def write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    """Let *write* make the file under a temporary name of the same suffix, then give it its final name."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    return write_whole(path, lambda temporary: _put(temporary, text))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
