"""A verdict as pandas tables, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from analysis.verdict import Verdict

__all__ = ["frames_of"]

_NUMBERS = (
    "received_unique", "duplicates", "lost", "reordered_count", "ratio", "max_extent", "inversions", "kendall_tau",
    "lis", "rem", "max_displacement", "footrule", "dis", "descents",
)  # fmt: skip


def frames_of(verdict: Verdict) -> dict[str, pd.DataFrame]:
    findings = [
        {"name": one.name, "class": one.kind, "count": one.count if one.checked else None, "allowed": one.allowed,
         "allowed_by": one.by, "checked": one.checked, "why": one.why}
        for one in verdict.findings.values()
    ]  # fmt: skip
    witnesses = [
        {"finding": one.name, "witness": number, **record}
        for one in verdict.findings.values()
        for number, witness in enumerate(one.witnesses)
        for record in witness["records"]
    ]
    measures = [
        {"stream": name, **{key: float(values[key]) for key in _NUMBERS}} for name, values in verdict.measures.items()
    ]
    columns = ["finding", "witness", "v", "prod", "i", "p", "o", "event"]
    return {
        "findings": pd.DataFrame(findings).set_index("name"),
        "witnesses": pd.DataFrame(witnesses) if witnesses else pd.DataFrame(columns=columns),
        "measures": pd.DataFrame(measures, columns=["stream", *_NUMBERS]).set_index("stream"),
    }
