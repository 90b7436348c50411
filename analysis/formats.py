"""The version of every JSON that korder writes for programs: the number under ``format``, by the name of the output.

A number goes up when a key is removed, renamed, or means something else. A new key leaves it as it is, so a program
should ignore keys that it does not know. ``korder schema NAME`` prints the schema, :mod:`analysis.schemas` has them.
The baseline of ``check`` came first and has a name and a number of its own (:mod:`analysis.cli.baseline`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FORMATS", "formatted"]

FORMATS = {
    "analyze": 1,
    "check": 1,
    "claims": 1,
    "columns": 1,
    "compare": 1,
    "confirm": 1,
    "diff": 1,
    "explain": 1,
    "manifest": 1,
    "run": 1,
    "scenarios": 1,
    "summary": 1,
}


def formatted(output: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """*told* as the output of that name, with its version in front."""
    return {"format": FORMATS[output], **told}
