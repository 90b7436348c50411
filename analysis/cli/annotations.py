"""Broken expectations as annotations of a GitHub workflow: they stand beside the line of the scenario file.

The form is ``::error file=F,line=L,title=T::message`` (actions/toolkit, ``core/src/command.ts``); a runner reads it
from stderr as from stdout, so results stay what they are.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.cli.check import Outcome

__all__ = ["annotate", "annotation", "wanted"]


def wanted(asked: bool | None) -> bool:
    """As asked; else whether a GitHub runner says that it is one."""
    return os.environ.get("GITHUB_ACTIONS") == "true" if asked is None else asked


def annotate(outcome: Outcome, allow_undecided: bool) -> None:
    for one, words, again in outcome.failures():
        level = "warning" if one.verdict == "undecided" and allow_undecided else "error"
        line = outcome.scenario._origin.lines.get(("expect", one.name), 1)
        said = [f"expected {one.expected}: {one.why}", words, f"again: {again}"]
        text = annotation(level, outcome.file, line, f"{one.name} {one.verdict}", "\n".join(filter(None, said)))
        print(text, file=sys.stderr)


def annotation(level: str, file: str, line: int, title: str, message: str) -> str:
    return f"::{level} file={_property(file)},line={line},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
