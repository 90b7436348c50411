"""The entry point: the commands, and the one place where an outcome becomes an exit status.

0 all holds; 1 an expectation is broken or undecided; 2 the input is wrong (one line on stderr); 3 a law of the simulator
is broken, with the line that replays it; 130 interrupted.

Heavy packages are imported by the commands that need them, so that ``korder --help`` answers at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    sys.exit("not yet")
