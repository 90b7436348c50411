"""korder's simulator: a scenario and a seed in, a trace out.

>>> from sim import simulate
>>> trace = simulate("payments_failover", seed=7)  # doctest: +SKIP

The names below are loaded when they are first used, so that a command that needs none of them starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.errors import InputError, LawBroken
    from sim.run import simulate
    from sim.scenario import Scenario, load
    from sim.trace import Trace, first_divergence

__all__ = ["InputError", "LawBroken", "Scenario", "Trace", "first_divergence", "load", "simulate"]

_HOMES = {
    "InputError": "errors", "LawBroken": "errors", "Scenario": "scenario", "Trace": "trace",
    "first_divergence": "trace", "load": "scenario", "simulate": "run",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(f"sim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
