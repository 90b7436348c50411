"""``claims`` and ``scenarios``."""

from __future__ import annotations

from analysis.schemas.parts import Schema, flag, items, obj, one_of, or_null, output, text, whole

__all__ = ["claims", "scenarios"]


def claims() -> Schema:
    show = obj({
        "scenario": text("Bundled name."), "finding": text(),
        "claimed": one_of(("never", "sometimes", "always"), "In so many seeds it has to be seen."),
        "seeds": whole("That were run."), "seen": whole("Seeds in which it was."), "as_claimed": flag(),
        "again": text("The command that shows it."),
    })  # fmt: skip
    claim = obj({
        "claim": text(), "verdict": one_of(("true", "true if", "outdated")),
        "if": or_null(text(), "The condition, or since when it is outdated."), "shows": items(show),
    })  # fmt: skip
    return output("claims", "korder claims --json", {"claims": items(claim)})


def scenarios() -> Schema:
    one = obj({"name": text("What korder run takes."), "title": text(), "question": text()})
    return output("scenarios", "korder scenarios --json", {"scenarios": items(one)})
