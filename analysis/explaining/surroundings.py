"""What happened around the records of a case and made it: faults, crashes, leader changes, new epochs, more partitions.

On a trace they are found by following causes back from the ends of transmissions, from cuts and from elections. An
imported history seldom has the causes of these; what it tells of faults and leaders in the time of the case is shown as
what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from analysis.explaining.causes import DECISIONS, STRIKES, Causes
from analysis.explaining.diagnosis import Diagnosis
from analysis.explaining.facts import Facts
from analysis.explaining.members import members_around
from analysis.explaining.telling import Line, Names
from analysis.explaining.twice import bump_rows
from analysis.history import Column, Polls
from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind

__all__ = ["surroundings"]

MOST_LEADERS = 4
KINDS = {
    Kind.LEADER: "leader", Kind.FENCE: "fence", Kind.UNFENCE: "fence", Kind.PRODUCER_ID: "epoch", Kind.POLL: "poll",
}  # fmt: skip
OF_MEMBERS = (Kind.POLL, Kind.ASSIGN, Kind.REVOKE, Kind.RESUME, Kind.RESTART)
CAUSED = ("disconnect", "answer", "refusal", "cut", "report", "attempt")


def surroundings(facts: Facts, names: Names, diagnosis: Diagnosis, lines: list[Line]) -> Iterator[Line]:
    if facts.causes is None:
        yield from _told_by_history(facts, names, diagnosis, lines)
        return
    rows = set(diagnosis.rows) | set(bump_rows(facts, diagnosis.cast))
    for line in lines:
        if line.kind in CAUSED:
            rows |= set(facts.causes.origin(line.row))
    rows |= {row for part in diagnosis.cast for one in part.life.tries for row in one.faults}
    rows |= set(_leaders_in_between(facts, lines))
    rows |= members_around(facts, facts.causes, diagnosis)
    rows |= set(_slowed_by(facts.causes, facts, diagnosis))
    for row in list(rows):
        rows |= set(facts.causes.origin(row))
    rows -= {line.row for line in lines if line.kind != "send"}  # a send has no row of its own in a trace
    rows -= {row for row in rows if facts.causes.is_effect_of_one_of(row, rows)}
    for row in sorted(rows):
        told = _line(facts.causes, facts, names, row)
        if told is not None:
            yield told
    yield from _works(facts, diagnosis)


def _slowed_by(causes: Causes, facts: Facts, diagnosis: Diagnosis) -> list[int]:
    """What was slow, cut or lossy while the late record travelled."""
    late = next((part for part in diagnosis.cast if part.role == "late" and part.copy is not None), None)
    if late is None:
        return []
    assert late.copy is not None
    hosts = {causes.producer_host(int(facts.history.records.prod[late.value])), late.copy.broker}
    return causes.lasting(late.copy.row, hosts)


def _leaders_in_between(facts: Facts, lines: list[Line]) -> list[int]:
    """Elections of the partitions of the case while it went on."""
    causes = facts.causes
    assert causes is not None
    attempts = [line for line in lines if line.kind in ("attempt", "append", "cut")]
    if not attempts:
        return []
    first, last = min(line.row for line in attempts), max(line.row for line in attempts)
    partitions = {part.partition for life in facts.lives() for part in life.copies}
    found = [row for p in sorted(partitions) for row in causes.rows_of(Kind.LEADER, partition=p) if first < row < last]
    return sorted(found)[:MOST_LEADERS]


def _line(causes: Causes, facts: Facts, names: Names, row: int) -> Line | None:
    event = causes.row(row)
    t, kind, host = event["t_us"], event["kind"], names.host(event["host"]) if event["host"] >= 0 else ""
    if kind in STRIKES:
        words = _strike(causes, names, row, host)
        return Line(t, row, "fault", host, "", "", words, -1, vital=True, short=_short(words))
    told = _words(causes, facts, names, row)
    if told is None:
        return None
    kind = Kind(kind)
    who = "controller" if kind in DECISIONS else host
    order = 6 if kind == Kind.POLL else -1
    short = _short(told.removeprefix(f"{host} ") if kind in OF_MEMBERS else told)  # whose lifeline it is, is seen
    return Line(t, row, KINDS.get(kind, "note"), who, "", "", told, order, vital=True, short=short)


def _short(words: str) -> str:
    """The words of a strike or decision as a diagram has room for."""
    elected = re.search(r"makes (.+) leader of \S+, epoch (\d+)(, an unclean)?", words)
    if elected is not None:
        return f"{elected[1]} leads, epoch {elected[2]}" + (" (unclean)" if elected[3] else "")
    told = words.rpartition("; ")[2].removeprefix("fault: ").removeprefix("do: ").removeprefix("the controller ")
    epoch = re.search(r"begins epoch (\d+)", told)
    if epoch is not None:
        return f"begins epoch {epoch[1]}"
    told = re.split(r"(?<=\]), |(?<!\[)\b, (?![^\[]*\])|: no ", told)[0]
    return told if len(told) <= 40 else f"{told[:37]}..."


def _strike(causes: Causes, names: Names, row: int, host: str) -> str:
    event = causes.row(row)
    if event["kind"] == Kind.CRASH:
        return f"{host} dies" + (", its unflushed pages with it" if event["n"] == 1 else "")
    if event["kind"] == Kind.PAUSE:
        return f"{host} stands still"
    said = f"fault: {re.sub(r'^at: [^,]+, ', '', causes.fault_text(row))}"
    effect = causes.effect(row)
    if effect is not None:
        return f"{said}; {_strike(causes, names, effect, names.host(causes.row(effect)['host']))}"
    on = f" on connection {event['conn']}" if event["conn"] >= 0 else ""
    return f"{said} ({host}{on})" if host else said


def _words(causes: Causes, facts: Facts, names: Names, row: int) -> str | None:
    event = causes.row(row)
    host = names.host(event["host"]) if event["host"] >= 0 else ""
    where = facts.history.partitions[event["partition"]] if event["partition"] >= 0 else ""
    match event["kind"]:
        case Kind.LEADER:
            who = names.host(event["n"]) if event["n"] >= 0 else "nobody"
            how = ", an unclean election: it is outside the in-sync set" if event["code"] == 1 else ""
            return f"the controller makes {who} leader of {where}, epoch {event['lep']}{how}"
        case Kind.FENCE:
            return f"the controller fences {names.host(event['n'])}: no heartbeat within broker.session.timeout.ms"
        case Kind.UNFENCE:
            return f"{names.host(event['n'])} is back in the cluster"
        case Kind.PARTITIONS:
            topic = facts.history.topic_of(event["partition"])
            return f"{topic} is given more partitions: {event['n']} from now on"
        case Kind.PRODUCER_ID:
            of = f" for {where}" if where else ""
            return f"{host} begins epoch {event['epoch']} of producer id {event['pid']}{of}"
        case Kind.RESPONSE:
            return f"an answer about the batch behind it reaches {host}: stored at {event['offset']}"
        case Kind.POLL:
            return f"{host} polls {where} from offset {event['offset']}"
        case Kind.ASSIGN:
            return f"{host} is assigned {where}"
        case Kind.REVOKE:
            how = ", which it had lost before" if event["code"] == 1 else ""
            return f"{host} gives up {where}{how}"
        case Kind.SEEK:
            return f"the application of {host} seeks in {where} to offset {event['offset']}"
        case Kind.RESET:
            why = f" ({ErrorCode(event['code']).name})" if event["code"] > 0 else ""
            return f"the library of {host} sets its position in {where} to offset {event['offset']}{why}"
        case Kind.LOG_START:
            return f"{host} removes what {where} holds below offset {event['offset']}"
        case Kind.RESUME:
            return f"{host} goes on"
        case Kind.RESTART:
            return f"{host} is back"
        case Kind.TRUNCATE:
            return f"{host} cuts its log of {where} to {event['offset']} ({event['n']} records)"
        case Kind.METADATA:
            return f"{host} learns of {where}"
    return None


def _told_by_history(facts: Facts, names: Names, diagnosis: Diagnosis, lines: list[Line]) -> Iterator[Line]:
    """Faults, crashes and elections in the time of the case, and the deliveries that are part of it."""
    history = facts.history
    times = [line.t for line in lines]
    if not times:
        return
    first, last = min(times), max(times)
    notes = history.notes
    for at in np.flatnonzero((notes.t >= first) & (notes.t <= last))[:6].tolist():
        kind, what = history.words[int(notes.kind[at])], history.words[int(notes.what[at])]
        said = what if kind == "fault" else f"{kind} {what}".strip()
        yield Line(int(notes.t[at]), int(notes.row[at]), "fault", "", "", "", f"fault: {said}", -1, vital=True)
    leaders = history.leaders
    partitions = {copy.partition for part in diagnosis.cast for copy in part.life.copies}
    inside = np.isin(leaders.partition, list(partitions)) & (leaders.t >= first) & (leaders.t <= last)
    for at in np.flatnonzero(inside)[:MOST_LEADERS].tolist():
        who, where = names.broker(int(leaders.broker[at])), history.partitions[int(leaders.partition[at])]
        words = f"{who} leads {where}, epoch {int(leaders.lep[at])}"
        yield Line(int(leaders.t[at]), int(leaders.row[at]), "leader", who, "", "", words, -1, vital=True)
    yield from _reads(facts, names, diagnosis)
    yield from _log_starts(facts, diagnosis)
    yield from _works(facts, diagnosis)


def _works(facts: Facts, diagnosis: Diagnosis) -> Iterator[Line]:
    """The work of applications and the commits that are part of the case."""
    history, work = facts.history, facts.history.processing
    for at in np.flatnonzero(np.isin(work.row, diagnosis.rows)).tolist():
        who, did = facts.evidence.consumer(int(work.consumer[at])), "ends" if work.end[at] else "begins"
        where, offset = history.partitions[int(work.partition[at])], int(work.offset[at])
        words = f"{who} {did} its work on {where} offset {offset}"
        t, row, short = int(work.t[at]), int(work.row[at]), f"{did} @{offset}"
        yield Line(t, row, "note", who, "", "", words, 6, vital=True, short=short)
    commits = history.commits
    for at in np.flatnonzero(np.isin(commits.row, diagnosis.rows)).tolist():
        who, where = facts.evidence.consumer(int(commits.consumer[at])), history.partitions[int(commits.partition[at])]
        offset, refused = int(commits.offset[at]), "" if commits.ok[at] else ", and is refused"
        words = f"{who} commits offset {offset} of {where}{refused}"
        t, row = int(commits.t[at]), int(commits.row[at])
        yield Line(t, row, "note", who, "", "", words, 6, vital=True, short=f"commits {offset}")
    sent = history.txn_offsets
    for at in np.flatnonzero(np.isin(sent.row, diagnosis.rows)).tolist():
        who, where = facts.evidence.consumer(int(sent.consumer[at])), history.partitions[int(sent.partition[at])]
        offset, txn = int(sent.offset[at]), history.txns[int(sent.txn[at])]
        words = f"transaction {txn} takes offset {offset} of {where} along for {who}"
        t, row = int(sent.t[at]), int(sent.row[at])
        yield Line(t, row, "note", who, "", "", words, 6, vital=True, short=f"{txn}: offset {offset}")


def _log_starts(facts: Facts, diagnosis: Diagnosis) -> Iterator[Line]:
    starts = facts.history.log_starts
    for at in np.flatnonzero(np.isin(starts.row, diagnosis.rows)).tolist():
        where, offset = facts.history.partitions[int(starts.partition[at])], int(starts.offset[at])
        words = f"what {where} holds below offset {offset} is removed"
        yield Line(int(starts.t[at]), int(starts.row[at]), "note", "", "", "", words, -1, vital=True)


def _reads(facts: Facts, names: Names, diagnosis: Diagnosis) -> Iterator[Line]:
    history = facts.history
    for row in diagnosis.rows:
        for at in _beginnings(history.polls, np.flatnonzero(history.polls.row == row)):
            who = facts.evidence.consumer(int(history.polls.consumer[at]))
            where, offset = history.partitions[int(history.polls.partition[at])], int(history.polls.offset[at])
            words = f"{who} polls {where} from offset {offset}"
            short = words.removeprefix(f"{who} ")
            yield Line(int(history.polls.t[at]), row, "poll", who, "", "", words, 6, vital=True, short=short)
        for at in np.flatnonzero(history.positions.row == row).tolist():
            who = facts.evidence.consumer(int(history.positions.consumer[at]))
            said = ("is assigned", "gives up", "seeks in", "has its position moved in", "dies")[
                int(history.positions.kind[at])
            ]
            partition = int(history.positions.partition[at])
            where = f" {history.partitions[partition]}" if partition >= 0 and said != "dies" else ""
            yield Line(int(history.positions.t[at]), row, "note", who, "", "", f"{who} {said}{where}", 6, vital=True)


def _beginnings(polls: Polls, runs: Column) -> list[int]:
    """Of the runs of one poll those that do not go on where the one before ended."""
    goes_on = polls.partition[runs[1:]] == polls.partition[runs[:-1]]
    goes_on &= polls.offset[runs[1:]] == polls.offset[runs[:-1]] + polls.count[runs[:-1]]
    return [at for at, follows in zip(runs.tolist(), [False, *goes_on.tolist()], strict=False) if not follows]
