"""The entry point: the one place where an outcome becomes an exit status.

0 all holds; 1 an expectation is broken or undecided, or (``confirm``) real and simulated runs part; 2 the input is
wrong (one line on stderr, nothing written); 3 korder itself is wrong (a law of the simulator is broken), with the
command that replays it; 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import warnings
from types import FrameType

from typer.exceptions import Exit, TyperException
from typer.main import get_command

from analysis.cli.app import app
from sim.errors import InputError, LawBroken

__all__ = ["HOLDS", "NOT_HELD", "WRONG_INPUT", "WRONG_KORDER", "main", "status_of"]

HOLDS, NOT_HELD, WRONG_INPUT, WRONG_KORDER = 0, 1, 2, 3
INTERRUPTED, TERMINATED, READER_GONE = 128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + 13  # 13 is SIGPIPE


def main() -> None:
    if not sys.warnoptions:  # Python's own warnings are for those who write code; `python -W` still shows them
        warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = status_of(sys.argv[1:])
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done and said: an interrupt now needs no traceback
    sys.exit(status)


def status_of(arguments: list[str]) -> int:
    """Run one command line; the exit status. Errors come out as one line on stderr."""
    try:
        status = _invoke(arguments or ["--help"])
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("korder: interrupted; nothing was left half-written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`korder run ... | head`); the interpreter must not flush into the void.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except (InputError, TyperException, OSError) as error:
        return _complain(_line_of(error), WRONG_INPUT)
    except LawBroken as error:
        return _complain(str(error), WRONG_KORDER)
    except Exception as error:
        return _own_fault(error, arguments)


def _invoke(arguments: list[str]) -> int:
    """The command's own return value; every exception comes out as it is."""
    command = get_command(app)
    try:
        with command.make_context("korder", list(arguments)) as context:
            return int(command.invoke(context) or 0)
    except Exit as early:  # --help
        return early.exit_code


def _line_of(error: Exception) -> str:
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        command = "korder" if context is None else context.command_path
        return f"{error.format_message().strip()} ({command} --help shows what there is)"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    return str(error)


def _complain(text: str, status: int) -> int:
    lines = text.split("\n")
    if status == WRONG_INPUT:  # a promise: one line
        lines = [" ".join(line.strip() for line in lines)]
    print("korder: " + "\n".join(lines), file=sys.stderr)
    return status


def _own_fault(error: Exception, arguments: list[str]) -> int:
    """Something that must not happen. Not a traceback for the user, unless asked for; the status of a broken law."""
    if os.environ.get("KORDER_DEBUG"):
        raise error
    what = f"internal error, korder's own fault: {type(error).__name__}: {error}"
    where = [f"  {note}" for note in getattr(error, "__notes__", [])]
    return _complain("\n".join([what, *where, f"  where: KORDER_DEBUG=1 korder {shlex.join(arguments)}"]), WRONG_KORDER)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)  # as an exception, so that temporary files are removed on the way out
