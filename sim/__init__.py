"""korder's simulator: a scenario and a seed in, a trace out.

>>> from sim import simulate
>>> trace = simulate("payments_failover", seed=7)  # doctest: +SKIP
"""

from sim.errors import InputError, LawBroken
from sim.run import simulate
from sim.scenario import Scenario, load
from sim.trace import Trace, first_divergence

__all__ = ["InputError", "LawBroken", "Scenario", "Trace", "first_divergence", "load", "simulate"]
