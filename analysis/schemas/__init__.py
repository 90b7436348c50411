"""A JSON Schema (2020-12) for every JSON that korder writes for programs, by the name of the output.

What a schema does not name may be there: a new key does not raise an output's ``format`` (:mod:`analysis.formats`).
Outputs whose form is another's standard (JUnit, Perfetto's trace events) and histories, which the exchange format
describes and whose reader checks every line, have none here.
"""

from __future__ import annotations

from collections.abc import Callable

from analysis.schemas import confirmed, lists, stories, sweeps, verdicts
from analysis.schemas.parts import Schema

__all__ = ["SCHEMAS", "output_schema"]

SCHEMAS: dict[str, Callable[[], Schema]] = {
    "run": verdicts.run,
    "analyze": verdicts.analyze,
    "check": verdicts.check,
    "baseline": verdicts.baseline,
    "explain": stories.explain,
    "diff": stories.diff,
    "summary": sweeps.summary,
    "manifest": sweeps.manifest,
    "compare": sweeps.compare,
    "columns": sweeps.columns,
    "confirm": confirmed.confirm,
    "claims": lists.claims,
    "scenarios": lists.scenarios,
}


def output_schema(name: str) -> Schema:
    """The schema of the output of that name. Raises KeyError where there is none."""
    return SCHEMAS[name]()
