"""An interrupt is answered in one line, however early it comes: also while Python still loads what a command needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT

# Sends SIGINT to itself when the module MODULE is about to be loaded.
SCRIPT = """
import importlib.abc, os, signal, sys

class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "MODULE":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv = ["korder", "confirm", "payments_failover"]
from analysis.cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("analysis.cli.main", "nothing was begun"),
        ("typer", "nothing was begun"),
        ("analysis.cli.app", "nothing was begun"),
        ("analysis.cli.confirm", "nothing was left half-written"),
        ("pydantic", "nothing was left half-written"),
        ("sim.real.jars", "nothing was left half-written"),
    ],
)
def test_an_interrupt_while_modules_load_is_one_line(module: str, words: str) -> None:
    command = [sys.executable, "-c", SCRIPT.replace("MODULE", module)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)

    assert done.stderr == f"korder: interrupted; {words}\n" and done.stdout == ""
    assert done.returncode in (130, -2)  # a shell shows 130 for both
