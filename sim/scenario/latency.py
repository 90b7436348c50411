"""A delay by a named distribution: of a link, or of the work on a record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sim import units
from sim.scenario.base import Duration, Part
from sim.wording import Wrong, listed

__all__ = ["DISTRIBUTIONS", "Latency"]

DISTRIBUTIONS = {
    "constant": ("value",),
    "uniform": ("low", "high"),
    "exponential": ("mean",),
    "lognormal": ("median", "p99"),
    "pareto": ("minimum", "p99"),
}


class Latency(Part):
    """One-way latency of a link."""

    distribution: Literal["constant", "uniform", "exponential", "lognormal", "pareto"] = Field(description="Its shape.")
    value: Duration | None = Field(default=None, description="constant: always this.")
    low: Duration | None = Field(default=None, description="uniform: the lower end.")
    high: Duration | None = Field(default=None, description="uniform: the upper end.")
    mean: Duration | None = Field(default=None, description="exponential: the mean.")
    median: Duration | None = Field(default=None, description="lognormal: half are below.")
    p99: Duration | None = Field(default=None, description="lognormal, pareto: 99 of 100 are below.")
    minimum: Duration | None = Field(default=None, description="pareto: the least.")

    @model_validator(mode="after")
    def _parameters(self) -> Latency:
        wanted, given = DISTRIBUTIONS[self.distribution], self.parameters()
        for name in wanted:
            if name not in given:
                raise Wrong(f"{self.distribution} needs {name}", f"write {{{', '.join(f'{w}: 5ms' for w in wanted)}}}")
        for name in given:
            if name not in wanted:
                raise Wrong(f"{self.distribution} has no {name}", f"it takes {listed(wanted)}")
        low, high = (given[wanted[0]], given[wanted[-1]])
        if low > high:
            raise Wrong(f"{wanted[0]} is above {wanted[1]}", "exchange the two")
        if high > 3_600_000_000:
            raise Wrong(f"a latency of {units.duration_text(high)} is above 1h", "cut the link for that long instead")
        if self.distribution in ("exponential", "lognormal", "pareto") and low == 0:
            raise Wrong(f"{wanted[0]} is 0", "use at least 1us, or distribution: constant")
        return self

    def parameters(self) -> dict[str, int]:
        names = ("value", "low", "high", "mean", "median", "p99", "minimum")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
