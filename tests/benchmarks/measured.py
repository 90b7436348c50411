"""One measurement with its bar, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

__all__ = ["Measured", "timed"]


@dataclass(frozen=True)
class Measured:
    """*bar* must be reached, *aim* should be; ``more``: is more better? No value: not measured, see detail."""

    name: str
    value: float | None
    unit: str
    bar: float
    aim: float | None = None
    more: bool = True
    detail: str = ""
    rounds: list[float] = field(default_factory=list)

    @property
    def holds(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.bar if self.more else self.value <= self.bar

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "MISSED", None: "not measured"}[self.holds]

    @property
    def shown(self) -> str:
        return "-" if self.value is None else self._with_unit(self.value)

    @property
    def bar_shown(self) -> str:
        return f"{'>=' if self.more else '<='} {self._with_unit(self.bar)}"

    @property
    def aim_shown(self) -> str:
        return "" if self.aim is None else self._with_unit(self.aim)

    def _with_unit(self, value: float) -> str:
        digits = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        return f"{digits} {self.unit}".rstrip()

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"holds": self.holds}


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
