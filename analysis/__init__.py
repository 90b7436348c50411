"""A trace or a history in; findings, measures, figures and reports out.

The names below are loaded when they are first used, so that a command that needs none of them starts quickly.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # of typing, which takes its time to load: an interrupt finds nothing of ours before main()
if TYPE_CHECKING:
    from typing import Any

    from analysis.effects import outside_store
    from analysis.expectations import SeedResult, judge_seeds
    from analysis.explaining.explanation import Explanation, explain
    from analysis.history import History
    from analysis.measures import reordering
    from analysis.plots import log_diagram, timeline
    from analysis.verdict import Verdict, judge

__all__ = [
    "Explanation", "History", "SeedResult", "Verdict", "explain", "judge", "judge_seeds", "log_diagram",
    "outside_store", "reordering", "timeline",
]  # fmt: skip

_HOMES = {
    "Explanation": "explaining.explanation", "explain": "explaining.explanation",
    "History": "history", "SeedResult": "expectations", "Verdict": "verdict", "judge": "verdict",
    "judge_seeds": "expectations", "log_diagram": "plots", "outside_store": "effects", "reordering": "measures",
    "timeline": "plots",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
