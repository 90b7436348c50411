"""A trace or a history in; findings, measures, figures and reports out.

The names below are loaded when they are first used, so that a command that needs none of them starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.read_jsonl import read_jsonl
    from analysis.verdict import Verdict, judge

__all__ = ["Verdict", "judge", "read_jsonl"]

_HOMES = {"Verdict": "verdict", "judge": "verdict", "read_jsonl": "read_jsonl"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
