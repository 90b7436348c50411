"""``run``, ``analyze`` and ``check``, and the baseline that ``check`` keeps."""

from __future__ import annotations

from analysis.cli.baseline import FORMAT, VERSION
from analysis.finding import CLASSES, WITNESSES
from analysis.schemas.measured import stream_measures
from analysis.schemas.parts import (
    NAME,
    VERDICT,
    Schema,
    by,
    expectations,
    flag,
    integer,
    items,
    obj,
    one_of,
    or_null,
    output,
    page,
    said,
    text,
    whole,
)  # fmt: skip

__all__ = ["analyze", "baseline", "check", "findings", "record", "run"]

DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def run() -> Schema:
    head = {
        "scenario": text("As it was asked for: a file, or a bundled name."),
        "title": text(),
        "seed": whole(),
        "digest": said(DIGEST, "SHA-256 of rows, resolved scenario and seed: the same wherever this run is repeated."),
    }
    return output("run", "korder run --json, and verdict.json of run --out", head | _verdict(), ("expectations",))


def analyze() -> Schema:
    return output("analyze", "korder analyze --json", _verdict(), ("expectations",))


def _verdict() -> dict[str, Schema]:
    return {
        "verdict": VERDICT,
        "reasons": items(text(), "Why it is not holds; empty where it is."),
        "expectations": expectations("Where something is expected: by name of the finding."),
        "findings": findings("Every name, whether it was seen or not."),
        "measures": by(
            stream_measures(), "By stream: PRODUCER/TOPIC-N on the log, GROUP/PRODUCER/TOPIC-N as delivered."
        ),
    }


def findings(description: str) -> Schema:
    one = obj({
        "count": whole("What is counted says the list of names; 0 where it could not be checked."),
        "class": one_of(dict.fromkeys(CLASSES.values())),
        "allowed": or_null(flag(), "Whether the configuration allows it; null where its options do not tell."),
        "checked": flag("False where the history has no events to judge it by."),
        "allowed_by": text("The options that allow it; where allowed is null, what it hangs on instead."),
        "why": text("Why it could not be checked."),
        "extra": whole("duplicate-append: copies beyond the first."),
        "excused": whole("duplicate-delivery: those that at-least-once permits."),
        "witnesses": items(_witness(), "Cases that prove it, the first ones.", maxItems=WITNESSES),
        "total": whole("Of witnesses, shown or not."),
    }, ("allowed_by", "why", "extra", "excused"))  # fmt: skip
    return said({**by(one, ""), "propertyNames": {"enum": list(CLASSES)}}, description)


def record(description: str = "") -> Schema:
    """A record as witnesses name it; what is not known of it is left out."""
    known = {
        "v": said(NAME, "Its value."), "prod": text("Producer instance."),
        "i": integer("Position of its send call in that instance."), "key": NAME,
        "role": text("What it is in this case, as late or overtaker."), "p": text("Partition, TOPIC-N."),
        "o": whole("Offset."), "event": said(NAME, "Its event: id, else row of the trace or line of the file."),
        "broker": integer(), "lep": integer("Leader epoch of its batch."),
        "pid": integer("Producer id."), "epoch": integer("Producer epoch."), "seq": integer("Sequence number."),
        "con": text("Consumer that it was given to."), "control": integer("Of a control record: its kind."),
        "sent": said(NAME, "Event of its send call."), "acked": said(NAME, "Event of its acknowledgement."),
        "ended": said(NAME, "Event at which its processing ended."),
        "said_by": text("What told its offset: ack, poll or a proven unknown result."),
    }  # fmt: skip
    return obj(known, tuple(known), description)


def _witness() -> Schema:
    always = {
        "records": items(record(), "In the order of the case."), "offsets": items(integer()),
        "events": items(NAME, "Events that prove it: id, else row of the trace or line of the file."),
    }  # fmt: skip
    return obj(always | _places() | _details(), (*_places(), *_details()))


def _places() -> dict[str, Schema]:
    return {
        "partition": or_null(text("TOPIC-N.")), "group": or_null(text()), "consumer": text(), "key": NAME, "uid": NAME,
        "transaction": or_null(NAME), "transactions": items(NAME, "Of a cycle, in its order."),
    }  # fmt: skip


def _details() -> dict[str, Schema]:
    marker = obj(
        {"p": text(), "kind": text("commit, abort or none."), "o": whole(), "event": NAME, "epoch": integer()},
        ("o", "event", "epoch"),
    )
    return {
        "extent": whole("Places behind the overtaker."),
        "mechanism": text("duplicate-append: whether the copies share an identity."),
        "fate": text("lost-acked: what became of it."), "last_on_broker": integer(),
        "now": text("unseen, lost-write: in the log or not."), "because": text(), "layer": text("Where order broke."),
        "steps": items(text(), "Kinds of a cycle's edges: ww, wr."),
        "old_leader": integer(), "new_leader": integer(), "first_diverging": whole("Offset."),
        "step": integer("Sequence distance."), "missing": whole(),
        "undecided": whole("Records that wait for a marker."),
        "skipped": items(record(), "The first ones that were left out."), "delta": integer("Of the dense index."),
        "excused": flag("At-least-once permits it."), "committed": integer("Offset that the group had committed."),
        "high_watermark": whole(), "written_in": or_null(NAME), "read_in": or_null(NAME), "markers": items(marker),
    }  # fmt: skip


def check() -> Schema:
    failure = obj({
        "name": text("Of the expectation."), "witness": or_null(text(), "The first one, in words."),
        "again": text("The command that replays it."),
    })  # fmt: skip
    scenario = obj({
        "scenario": text("File or bundled name."), "title": text(), "runs": whole("Seeds."), "verdict": VERDICT,
        "expectations": expectations("By name of the finding, over all seeds."), "failures": items(failure),
    })  # fmt: skip
    return output("check", "korder check --json", {
        "verdict": said(VERDICT, "The worst of all scenarios."), "scenarios": items(scenario),
        "changed": by(items(text()), "With --baseline: by scenario that changed, what did, in sentences."),
    }, ("changed",))  # fmt: skip


def baseline() -> Schema:
    seen = obj({"count": whole("Over all seeds."), "seeds": whole("In how many seeds it was seen.")})
    scenario = obj({
        "seeds": text("A..B, or a list with commas."), "runs": whole(), "records": whole("Sent in all runs."),
        "unsettled": whole("Runs that did not settle."),
        "findings": by(seen, "By name; what was not seen is left out."),
    })  # fmt: skip
    return page(f"baseline:{VERSION}", "What korder check --baseline FILE --accept writes", {
        "format": {"const": FORMAT}, "version": {"const": VERSION}, "korder": text("The version that wrote it."),
        "scenarios": by(scenario, "By file, as it was asked for."),
    })  # fmt: skip
