"""korder's simulator: a scenario and a seed in, a trace out.

    from sim import simulate
    trace = simulate("payments_failover", seed=7)

Names are imported when they are first asked for, so that a program that only reads a trace loads no simulator.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.errors import InputError, LawBroken
    from sim.run import simulate
    from sim.scenario import Scenario
    from sim.scenario.load import load
    from sim.trace import Trace, first_divergence

__all__ = ["InputError", "LawBroken", "Scenario", "Trace", "first_divergence", "load", "simulate"]

_HOMES = {
    "InputError": "sim.errors", "LawBroken": "sim.errors", "Scenario": "sim.scenario", "Trace": "sim.trace",
    "first_divergence": "sim.trace", "load": "sim.scenario", "simulate": "sim.run",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
