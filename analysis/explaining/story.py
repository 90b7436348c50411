"""The story of one case: the moments that made it, in order, in words with times, ids and values.

Not the whole ancestry: of the records of the case every transmission with its fate, their copies and reports; of the
rest only what caused an end, a cut or an election. Long rows of like attempts are told as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analysis.explaining.diagnosis import Diagnosis, Part, distinct
from analysis.explaining.facts import Copy, Facts, Life, Try
from analysis.explaining.gone import hidden_by
from analysis.explaining.surroundings import surroundings
from analysis.explaining.telling import Line, Names
from analysis.history import ACK, FAIL

__all__ = ["MOST_LINES", "Line", "tell"]

MOST_LINES = 25
MOST_TRIES = 6  # of one record; those in the middle are told as one
OUTCOMES = {ACK: "acknowledged", FAIL: "failed, certainly not written"}


def tell(facts: Facts, diagnosis: Diagnosis) -> list[Line]:
    """The lines in the order in which things happened."""
    names = Names(facts)
    lines: dict[tuple[int, str], Line] = {}
    for part in distinct(diagnosis.cast):
        for line in _life(facts, names, part):
            lines.setdefault((line.row, line.words), line)
    for line in surroundings(facts, names, diagnosis, list(lines.values())):
        lines.setdefault((line.row, line.words), line)
    told = sorted(lines.values(), key=lambda line: (line.t, line.row, line.order))
    return [*_shortened(told), *_outcome(facts, names, diagnosis, told)]


def _outcome(facts: Facts, names: Names, diagnosis: Diagnosis, told: list[Line]) -> Iterator[Line]:
    """What the logs hold of the case in the end."""
    if not told or not len(facts.history.appends):
        return
    places: list[tuple[str, int, str]] = []
    gone: list[str] = []
    for value in dict.fromkeys(part.value for part in diagnosis.cast):
        at = _places(facts, value)
        places += [(facts.history.partitions[p], o, names.value(value)) for p, o in at]
        gone += [] if at else [f"{names.value(value)} {_elsewhere(facts, names, value)}"]
    words = [f"{value} at {partition} offset {offset}" for partition, offset, value in sorted(places)[:6]]
    words += gone
    last = told[-1]
    if words:
        yield Line(last.t, last.row, "outcome", "", "", "", "in the end: " + ", ".join(words), 9, vital=True)


def _places(facts: Facts, value: int) -> list[tuple[int, int]]:
    """(partition, offset) of its visible records."""
    view = facts.evidence.logs.records
    at = np.flatnonzero(view.value == value)
    return list(zip(view.partition[at].tolist(), view.offset[at].tolist(), strict=True))


def _elsewhere(facts: Facts, names: Names, value: int) -> str:
    """Of a record that no reader of committed data sees: what hides it, or which followers alone have it."""
    copies, hidden = facts.life(value).copies, hidden_by(facts, value)
    stored = [copy for copy in copies if not copy.follower and copy.cut is None]
    if hidden is not None and stored:
        return f"at {names.place(stored[-1])}, hidden: {hidden}"
    left = [copy for copy in copies if copy.follower and copy.cut is None]
    return f"in no leader's log, and in that of {names.broker(left[-1].broker)}" if left else "in no log"


def _life(facts: Facts, names: Names, part: Part) -> Iterator[Line]:
    yield _sent(facts, names, part)
    life = part.life
    shown, hidden = _tries_to_tell(life)
    for one in shown:
        yield from _try(names, part, one)
    if hidden:
        yield _told_as_one(names, part, hidden)
    for copy in _copies_to_tell(part):
        yield from _copy(names, part, copy, told=any(one.landed is copy for one in shown))
    for report in life.reports[:2]:
        word = OUTCOMES.get(report.kind, "result unknown")
        at = f" at offset {report.offset}" if report.offset >= 0 else ""
        why = f" ({report.word})" if report.word else ""
        yield Line(
            report.t, report.row, "report", names.producer_of(part.value), "", part.role,
            f"{names.producer_of(part.value)} reports {names.value(part.value)}: {word}{at}{why}", 5,
            short=f"{names.value(part.value)}: {word.split(',')[0]}",
        )  # fmt: skip


def _sent(facts: Facts, names: Names, part: Part) -> Line:
    records, value = facts.history.records, part.value
    key = int(records.key[value])
    with_key = f" with key {facts.history.keys[key]}" if key >= 0 else ""
    partition = int(records.partition[value])
    to = f" to {facts.history.partitions[partition]}" if partition >= 0 else ""
    who = names.producer_of(value)
    words = f"{who} calls send({names.value(value)}){with_key}{to}"
    t, row = int(records.t[value]), int(records.row[value])
    repeated = int(records.uid[value])
    if repeated != value:  # the application repeats a call because of what it was told, at that very moment
        row = max([row, *(one.row for one in facts.life(repeated).reports if one.t == t)])
    order = 6 if repeated != value else 0
    return Line(t, row, "send", who, "", part.role, words, order, short=f"send({names.value(value)})")


def _tries_to_tell(life: Life) -> tuple[list[Try], list[Try]]:
    if len(life.tries) <= MOST_TRIES:
        return life.tries, []
    landed = [one for one in life.tries if one.landed is not None]
    kept = {id(one) for one in (life.tries[0], life.tries[1], *landed[:3], life.tries[-1])}
    shown = [one for one in life.tries if id(one) in kept]
    return shown, [one for one in life.tries if id(one) not in kept]


def _told_as_one(names: Names, part: Part, hidden: list[Try]) -> Line:
    words: dict[str, int] = {}
    for one in hidden:
        fate = one.answered.word if one.answered and one.answered.word else "no answer"
        words[fate] = words.get(fate, 0) + 1
    fates = ", ".join(f"{count} x {fate}" for fate, count in words.items())
    who = names.producer_of(part.value)
    return Line(
        hidden[0].t,
        hidden[0].row,
        "attempts",
        who,
        "",
        part.role,
        f"{len(hidden)} further attempts: {fates}",
        1,
        short=f"{len(hidden)} more",
    )


def _try(names: Names, part: Part, one: Try) -> Iterator[Line]:
    who, broker = names.producer_of(part.value), names.broker(one.broker)
    carried = names.batch(part.value, one.value, one.count)
    on = f" on connection {names.connection(one.conn)}" if one.conn >= 0 else ""
    role = part.role
    label = f"{names.value(part.value)} #{one.n}"
    words = f"{who} sends {carried} to {broker}, attempt {one.n}{on}"
    yield Line(one.t, one.row, "attempt", who, broker, role, words, 1, short=label)
    if one.landed is not None:
        yield _stored(names, part, one.landed, of=one.row)
    if one.refused is not None:
        words = f"{broker} refuses {carried}: {one.refused.word}"
        row, t = one.refused.row, one.refused.t
        yield Line(t, row, "refusal", broker, "", role, words, 2, short=f"refuses: {one.refused.word}", of=one.row)
    if one.recognised is not None:
        words = f"{broker} recognises {carried}: it has it at offset {one.recognised.word}"
        row, t = one.recognised.row, one.recognised.t
        yield Line(t, row, "refusal", broker, "", role, words, 2, short=f"has it @{one.recognised.word}", of=one.row)
    if one.answered is not None:
        said = one.answered.word or "stored"
        words = f"the answer to attempt {one.n} of {names.value(part.value)} reaches {who}: {said}"
        yield Line(one.answered.t, one.answered.row, "answer", broker, who, role, words, 4, short=said, of=one.row)
    elif one.ended is not None:
        yield _ending(names, part, one)


def _ending(names: Names, part: Part, one: Try) -> Line:
    assert one.ended is not None
    who, broker = names.producer_of(part.value), names.broker(one.broker)
    why = "request.timeout.ms has passed without an answer" if one.ended.word == "timed out" else "it is lost"
    words = f"{who} closes connection {names.connection(one.conn)} to {broker}: {why}"
    if one.ended.word != "timed out":
        words = f"{who} learns that connection {names.connection(one.conn)} to {broker} is lost"
    short = f"{'gives up' if one.ended.word == 'timed out' else 'loses'} connection {names.connection(one.conn)}"
    return Line(one.ended.t, one.ended.row, "disconnect", who, "", part.role, words, 4, short=short, of=one.row)


def _stored(names: Names, part: Part, copy: Copy, of: int = -1) -> Line:
    epoch = f", leader epoch {copy.lep}" if copy.lep >= 0 else ""
    in_epoch = f" epoch {copy.epoch}" if copy.epoch >= 0 else ""
    identity = f", producer id {copy.pid}{in_epoch}" if copy.pid >= 0 else ""
    words = f"{names.broker(copy.broker)} stores {names.value(part.value)} at {names.place(copy)}{epoch}{identity}"
    short = f"{names.value(part.value)} @{copy.offset}"
    return Line(copy.t, copy.row, "append", names.broker(copy.broker), "", part.role, words, 2, short=short, of=of)


def _copies_to_tell(part: Part) -> list[Copy]:
    """Leaders' copies, and the follower's that outlived its leader."""
    leaders = [copy for copy in part.life.copies if not copy.follower]
    kept = [part.copy] if part.copy is not None and part.copy.follower else []
    gone = [copy for copy in leaders if copy.cut is not None]
    return [*leaders, *kept] if len(leaders) <= MOST_TRIES else [*leaders[:2], *gone[:2], *kept]


def _copy(names: Names, part: Part, copy: Copy, told: bool) -> Iterator[Line]:
    broker = names.broker(copy.broker)
    if copy.follower:
        words = f"{broker} copies {names.value(part.value)} to its own log at {names.place(copy)}"
        short = f"copies {names.value(part.value)} @{copy.offset}"
        yield Line(copy.t, copy.row, "copy", broker, "", part.role, words, 3, short=short)
    elif not told:
        yield _stored(names, part, copy)
    if copy.cut is not None:
        words = f"{broker} {names.cuts(copy.cut)}: {names.value(part.value)} is gone from {names.place(copy)}"
        yield Line(copy.cut.t, copy.cut.row, "cut", broker, "", part.role, words, 3, short=f"cuts to {copy.cut.word}")


def _shortened(lines: list[Line]) -> list[Line]:
    """At most :data:`MOST_LINES`: what matters least is left out first, and the gap is told."""
    for kinds in (("answer",), ("connect", "copy"), ("report",), ("refusal",)):
        if len(lines) <= MOST_LINES:
            return lines
        spare = len(lines) - MOST_LINES
        plain = [line for line in lines if line.kind in kinds and not line.vital]
        dropped = {(line.row, line.words) for line in plain[-spare:]}
        lines = [line for line in lines if (line.row, line.words) not in dropped]
    if len(lines) <= MOST_LINES:
        return lines
    head, tail = MOST_LINES // 2, MOST_LINES - MOST_LINES // 2 - 1
    gap = replace(
        lines[head], kind="gap", src="", dst="", words=f"({len(lines) - MOST_LINES + 1} further moments)", role=""
    )
    return [*lines[:head], gap, *lines[-tail:]]
