"""Where the korder command begins, and ``python -m analysis.cli``: the korder command of this very interpreter.

Nothing is imported before an interrupt is answered in one line: what a command needs takes a moment to load.
"""

import os
import signal
import sys

__all__ = ["main"]


def main() -> None:
    signal.signal(signal.SIGINT, _interrupted)
    from analysis.cli.main import main as run

    run()


def _interrupted(_signal: int, _frame: object) -> None:
    """Before a command has begun: there is nothing to tidy up, and imports are not to be left by an exception."""
    os.write(sys.stderr.fileno(), b"korder: interrupted; nothing was begun\n")
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
