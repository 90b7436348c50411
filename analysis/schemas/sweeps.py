"""``sweep`` with its folder, ``compare``, and the list of a table's columns."""

from __future__ import annotations

from analysis.schemas.parts import (
    Schema,
    by,
    integer,
    interval,
    items,
    number,
    obj,
    one_of,
    or_null,
    output,
    text,
    whole,
)  # fmt: skip
from analysis.sweep.measure import RATES, SCHEMA_VERSION

__all__ = ["columns", "compare", "manifest", "summary"]

KIND = one_of(
    ("rate", "share", "median"),
    "rate: of records, cluster bootstrap by seed. share: of seeds, Wilson. median: over seeds, order statistics.",
)
MEASURE = text("late, doubled, lost; a finding's name; or a column of times, with its unit.")


def _header() -> dict[str, Schema]:
    until = obj({"measure": one_of(RATES), "width": number("Of the interval that was wanted.")})
    return {
        "schema": {"const": SCHEMA_VERSION, "description": "Version of the table's columns: korder schema sweep."},
        "korder": text("The version that ran it."), "title": text(),
        "scenario": text("SHA-256 of the resolved scenario."),
        "vary": by(items(text()), "By key: its values as they were written, in order."),
        "seeds": {"type": ["string", "array"], "items": integer(), "description": "A..B with both ends, or a list."},
        "warm_up_us": whole("Records that were sent before do not count."),
        "until": or_null(until, "Of --until-width; null without it."),
        "source": text("The scenario as YAML, with its settings."),
    }  # fmt: skip


def manifest() -> Schema:
    told = _header() | {"block": whole("Seeds a task.")}
    return output("manifest", "manifest.json of korder sweep --out", told)


def summary() -> Schema:
    scalar: Schema = {"type": ["boolean", "number", "string"]}
    row = obj({
        "cell": whole("Number of the cell, in the order of the grid."), "values": by(scalar, "By varied key."),
        "measure": MEASURE, "kind": KIND, "seeds": whole(), **interval()["properties"],
    })  # fmt: skip
    form = manifest()["properties"]["format"]
    return output("summary", "korder sweep --json, and summary.json of sweep --out", {
        "sweep": obj({"format": form, **_header()}, description="As in manifest.json and in the table's header."),
        "runs": whole(), "unsettled": whole("Runs in which something was under way at their end."),
        "rows": items(row, "One a cell and measure."),
    })  # fmt: skip


def compare() -> Schema:
    line = obj({
        "measure": MEASURE, "kind": KIND, "a": interval(), "b": interval(), "difference": interval(),
        "strangers": or_null(interval(), "Rates: the difference if both sides had met other failures; else null."),
    })  # fmt: skip
    counts = by(obj({"a": whole(), "b": whole()}), "Violations whose counts differ.")
    first = obj({"seed": integer(), "story": items(text(), "Where the two runs part, in sentences.")})
    return output("compare", "korder compare --json", {
        "title": text(), "a": items(text(), "Settings of side A; none: the file as it is."), "b": items(text()),
        "seeds": whole(), "unsettled": whole("Runs of both sides that did not settle."),
        "lines": items(line, "difference is B - A, paired by seed."),
        "differing": items(obj({"seed": integer(), "findings": counts})),
        "first": or_null(first, "Of differing, told; null where no seed differs."),
    })  # fmt: skip


def columns() -> Schema:
    column = obj({
        "type": one_of(("bool", "int", "float", "text")), "means": text(),
        "null": or_null(text(), "When it is null; null: never."),
    })  # fmt: skip
    return output("columns", "korder schema sweep", {
        "table": text("The file."), "schema": {"const": SCHEMA_VERSION}, "varied keys": text("Where they stand."),
        "columns": by(column, "By name, in their order."),
    })  # fmt: skip
