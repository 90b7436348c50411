"""``explain`` and ``diff``."""

from __future__ import annotations

from analysis.schemas.parts import (
    Schema,
    flag,
    integer,
    items,
    obj,
    one_of,
    or_null,
    output,
    text,
    whole,
)  # fmt: skip
from analysis.schemas.verdicts import record

__all__ = ["diff", "explain"]

ANYTHING: Schema = {"description": "A value of any JSON type; null where there is none."}


def explain() -> Schema:
    line = obj({
        "t": integer("In the history's time unit."), "event": integer("Row of the trace, or line of the file."),
        "kind": text("What happened, as send, attempt, append, outcome."), "words": text(),
        "role": text("Of the record that it is about."), "at": text("Who did it, or where it happened."),
        "to": text("Of a message: where it went."),
    }, ("role", "at", "to"))  # fmt: skip
    return output("explain", "korder explain --json", {
        "finding": text(), "witness": whole("Number of the case, from 0."), "total": whole("Cases of this finding."),
        "partition": text("Empty where the case is of no single one."), "records": items(record()),
        "mechanism": text("By name, or not explained."), "says": text("The mechanism in a sentence."),
        "because": text("Why it is that one, in this case."), "story": items(line, "In the order of time."),
        "time_unit": one_of(("ns", "us", "ms")),
        "permitted_by": items(text(), "OPTION=VALUE that let it happen."),
        "prevented_by": text("The smallest change that prevents it; empty where none is known."),
        "proof": or_null(_proof(), "What was run; null where nothing was, as for a history of a real cluster."),
    })  # fmt: skip


def _proof() -> Schema:
    edit = obj({"place": text(), "option": text(), "value": ANYTHING})
    tried = obj({"change": text(), "gone": whole(), "of": whole("Runs.")})
    return obj({
        "holds": flag("The change prevents it and the placebo does not."),
        "pinned": text("How the faults of the case were held in place; empty where they could not be."),
        "sentence": text(), "change": or_null(items(edit), "Null where none was found."),
        "gone": whole("Runs with the change that do not show it."), "placebo": text("What it was."),
        "there": whole("Runs with the placebo that show it."), "seeds": whole("Latency seeds."),
        "tried": items(tried, "Every change that was tried."),
    })  # fmt: skip


def diff() -> Schema:
    side = obj({"t_us": or_null(integer(), "Null where the trace has ended."), "words": text()})
    parting = obj({"table": one_of(("events", "sends")), "row": whole(), "a": side, "b": side})
    uncounted = "Count; null where it could not be checked."
    finding = obj({
        "name": text(), "class": text(), "a": or_null(whole(), uncounted), "b": or_null(whole(), uncounted),
        "change": text("appears, vanishes, or how many more or fewer."),
    })  # fmt: skip
    return output("diff", "korder diff --json", {
        "a": text("Its path."), "b": text("Its path."), "same": flag("Nothing came out differently."),
        "traces": flag("Both are runs of korder, so rows and settings were compared."),
        "settings": items(obj({"name": text(), "a": ANYTHING, "b": ANYTHING}), "Of what was asked, that differs."),
        "parting": or_null(parting, "The first row that differs; null where none does."),
        "findings": items(finding, "Whose counts differ."),
    })  # fmt: skip
