"""``confirm``: the outcome of both sides in the form of :mod:`analysis.outcome`."""

from __future__ import annotations

from analysis.outcome import GROUP_FIELDS
from analysis.schemas.parts import (
    PAIR,
    VERDICT,
    Schema,
    by,
    expectations,
    flag,
    integer,
    items,
    obj,
    or_null,
    output,
    text,
    whole,
)  # fmt: skip
from analysis.schemas.verdicts import DIGEST, findings

__all__ = ["confirm"]


def confirm() -> Schema:
    found = findings("Those that were checked and seen.")
    real = obj({
        "difference": or_null(text(), "The first, from the simulated run; null where there is none."),
        "settled": flag(), "unsettled": items(text(), "What was still under way."), "outcome": _outcome(),
        "findings": found,
    })  # fmt: skip
    return output("confirm", "korder confirm --json, and confirm.json of confirm --out", {
        "scenario": text("File or bundled name."), "seed": whole(), "kafka": text("Release of the brokers."),
        "verdict": VERDICT, "expectations": expectations("Over the real runs, of what can be judged there."),
        "unjudged": by(text(), "Expectations that a real history cannot answer: by name, why."),
        "played_otherwise": items(text(), "What the real run did in its own way."),
        "agrees": flag("Every real run ended exactly as the simulated one."),
        "simulated": obj({"digest": DIGEST, "outcome": _outcome(), "findings": found}),
        "real": items(real, "One a repeat."),
    })  # fmt: skip


def _outcome() -> Schema:
    offsets = by(integer(), "")
    result = _row([text(), text()])
    told = {
        "log": by(items(_row([whole(), items(text()), or_null(text()), integer(), integer(), integer()])),
                  "By partition: [offset, values, producer identity, epoch, sequence, leader epoch] of each batch."),
        "reports": by(by(items(result), ""), "By producer and partition: [value, ok or error], in their order."),
        "callbacks": by(items(text()), "By producer: values in the order in which results were told."),
        "refused": by(items(result), "By producer: [value, error] of calls that were refused at once."),
        "unresolved": by(items(text()), "By producer: values of which nothing was told."),
        "attempts": by(items(_row([text(), whole()])), "By producer: [value, times on the wire]."),
        "polled": by(by(items(_row([whole(), text()])), ""), "By consumer and partition: [offset, value]."),
        "rebalances": by(items(_row([text(), items(text())])), "By member: [assigned, revoked or lost, partitions]."),
        "processed": by(by(items(PAIR), ""), "By member and partition: [first, last] offsets of stretches."),
        "committed": by(offsets, "By group and partition: the offset at the end."),
        "commits_refused": by(items(_row([text(), whole()])), "By member: [partition, offset]."),
    }  # fmt: skip
    return obj(told, GROUP_FIELDS)


def _row(places: list[Schema]) -> Schema:
    """An array with a type for each place."""
    return {"type": "array", "prefixItems": places, "items": False, "minItems": len(places)}
