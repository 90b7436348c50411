"""Why an acknowledged or committed record is not in the log, or another stands at its offset."""

from __future__ import annotations

import numpy as np

from analysis.allowed import Configuration
from analysis.explaining.causes import Causes
from analysis.explaining.diagnosis import Diagnosis, Part, unexplained
from analysis.explaining.facts import Copy, Facts, Life
from analysis.history import ABORT
from sim.protocol.rows import Kind

__all__ = ["acks_of", "cut_between", "gone_record", "hidden_by", "two_at_one_offset"]


def acks_of(facts: Facts, value: int) -> int | None:
    """The ``acks`` that its producer's configuration says; None where it says nothing."""
    config, prod = facts.history.config, facts.evidence.producer(int(facts.history.records.prod[value]))
    client = None if config is None or prod is None else Configuration(config).client(prod)
    return None if client is None else client.acks


def gone_record(facts: Facts, part: Part) -> Diagnosis:
    """anomalies 1.4, 1.8; producer 4.4, 8.4."""
    if not part.life.copies:
        return _never_stored(facts, part)
    hidden = hidden_by(facts, part.value)
    if hidden is not None:
        return unexplained(f"it is in the log and no reader of committed data is given it: {hidden}", [part])
    copy = part.copy or _last_removed(facts, part)
    part.copy = copy
    if copy is None:
        return unexplained("its copies are still there: what hides them is not told", [part])
    election = _election_behind(facts, part, copy)
    rows = [] if election is None else [election]
    if copy.cut is not None:
        rows.append(copy.cut.row)
    lost = _unflushed(facts, part)
    if lost is not None:
        because = "every broker that had it lost its unflushed pages, this record with them"
        return Diagnosis("unflushed data lost", because, [part], [lost, *rows])
    if election is None:
        return unexplained("the history does not say who led when it vanished", [part])
    return _by_election(facts, part, copy, election, rows)


def hidden_by(facts: Facts, value: int) -> str | None:
    """What hides a record that the final log has; None: nothing, or it has it not."""
    logs, log = facts.evidence.logs, facts.evidence.logs.final
    at = np.flatnonzero((log.value >= 0) & (log.value <= value) & (value < log.value + log.count) & ~logs.visible)
    if not len(at) or logs.transaction_state is None or logs.copies[value]:
        return None
    aborted = logs.transaction_state[at[0]] == ABORT
    return "its transaction was aborted" if aborted else "its transaction is undecided"


def _by_election(facts: Facts, part: Part, copy: Copy, election: int, rows: list[int]) -> Diagnosis:
    led, unclean = _leads(facts, election), _is_unclean(facts, copy, election)
    if unclean:
        because = f"broker {led} was elected from outside the in-sync set and lacked it"
        return Diagnosis("unclean election", because, [part], rows)
    if unclean is None:
        return unexplained("the history does not say whether the election was unclean", [part])
    acks = acks_of(facts, part.value)
    if acks in (0, 1):
        because = f"with acks={acks} nobody waited for broker {led}, which became leader without it"
        return Diagnosis(f"truncated tail of an acks={acks} leader", because, [part], rows)
    return unexplained("acks=all, a clean election, and no pages lost: no rule of Kafka loses it so", [part])


def _never_stored(facts: Facts, part: Part) -> Diagnosis:
    if acks_of(facts, part.value) == 0:
        return Diagnosis("acks=0 into a dead connection", "no broker ever handled the request that carried it", [part])
    implied = _implied_by(facts, part)
    if implied is not None:
        because = "its success was inferred from the success of the batch behind it, and it was never stored"
        return Diagnosis("implicit acknowledgement", because, [part], [implied])
    told = "it was acknowledged" if part.life.acked is not None else "its sender was not told what became of it"
    return unexplained(f"{told}, and no broker's log ever had it", [part])


def _implied_by(facts: Facts, part: Part) -> int | None:
    """The answer to another batch that made the client report this one delivered (librdkafka; producer 8.4)."""
    report, wire = part.life.acked, facts.history.wire
    row = -1 if report is None else facts.cause_of(report.row)
    if row < 0:
        return None
    answer = (wire.row == row) & (wire.response != 0) & (wire.prod == facts.history.records.prod[part.value])
    own = any(one.answered is not None and one.answered.row == row for one in part.life.tries)
    return row if answer.any() and not own else None


def _last_removed(facts: Facts, part: Part) -> Copy | None:
    """The leader's copy that was acknowledged, else the last of a leader."""
    leaders = [one for one in part.life.copies if not one.follower]
    return leaders[-1] if leaders else None


def _election_behind(facts: Facts, part: Part, copy: Copy) -> int | None:
    """The row of the first election since the append that chose a broker without the record; else the one behind the
    cut (a leader of old may append after it was replaced)."""
    leaders = facts.history.leaders
    for at in np.flatnonzero((leaders.partition == copy.partition) & (leaders.row > copy.row)).tolist():
        if not _holds(part.life, int(leaders.broker[at]), copy, int(leaders.row[at])):
            return int(leaders.row[at])
    if facts.causes is not None and copy.cut is not None:
        for row in facts.causes.chain(copy.cut.row):
            if facts.causes.kind[row] == Kind.LEADER and facts.causes.row(row)["n"] >= 0:
                return row
    return None


def _holds(life: Life, broker: int, copy: Copy, row: int) -> bool:
    """Has *broker* the record at that place, in its log as it is at *row*?"""
    for one in life.copies:
        if (one.broker, one.partition, one.offset) == (broker, copy.partition, copy.offset) and one.row < row:
            if one.cut is None or one.cut.row > row:
                return True
    return False


def _leads(facts: Facts, election: int) -> int:
    leaders = facts.history.leaders
    return facts.evidence.broker(int(leaders.broker[np.flatnonzero(leaders.row == election)[0]]))


def _is_unclean(facts: Facts, copy: Copy, election: int) -> bool | None:
    """A trace says it. Another history: not where the topic forbids it; where it is allowed, if the record had been
    below an announced high watermark. None: it cannot be told."""
    if facts.causes is not None:
        return facts.causes.row(election)["code"] == 1
    config = facts.history.config
    topic = None if config is None else Configuration(config).topic(facts.history.topic_of(copy.partition))
    if topic is None:
        return None
    if not topic.unclean:
        return False
    marks = facts.history.marks
    mine = (marks.partition == copy.partition) & (marks.row < election)
    return bool((marks.offset[mine] > copy.offset).any()) if mine.any() else None


def _unflushed(facts: Facts, part: Part) -> int | None:
    """The power cut that took the record, where every replica's copy went with one."""
    if facts.causes is None:
        return None
    appends = facts.history.appends
    replicas = np.unique(appends.broker[appends.partition == part.life.copies[0].partition])
    cuts = {copy.broker: _power_cut(facts.causes, copy) for copy in part.life.copies}
    if len(cuts) < len(replicas) or None in cuts.values():
        return None
    return max(row for row in cuts.values() if row is not None)


def _power_cut(causes: Causes, copy: Copy) -> int | None:
    if copy.cut is None:
        return None
    row = int(causes.trace.events["cause"][copy.cut.row])
    return row if row >= 0 and causes.kind[row] == Kind.CRASH else None


def two_at_one_offset(facts: Facts, cast: list[Part]) -> Diagnosis:
    """anomalies 1.6: the offset was used again after a truncation."""
    for part in cast:
        for copy in part.life.copies:
            if not copy.follower and (copy.cut is not None or copy.broker != _final_leader(facts, copy.partition)):
                part.copy = copy
                part.role = "lost"
                told = gone_record(facts, part)
                return Diagnosis(told.mechanism, told.because, cast, told.rows)
    return unexplained("none of the values was ever removed from its offset", cast)


def _final_leader(facts: Facts, partition: int) -> int:
    return int(facts.evidence.logs.last_leader[partition])


def cut_between(facts: Facts, partition: int, after: int, before: int) -> tuple[str, str, list[int]] | None:
    """(mechanism, reason, rows) of a truncation of that partition between two rows by an unclean election."""
    cuts = facts.history.truncations
    at = np.flatnonzero((cuts.partition == partition) & (cuts.row > after) & (cuts.row < before))
    if facts.causes is None or not len(at):
        return None
    row = int(cuts.row[at[0]])
    for one in facts.causes.chain(row):
        event = facts.causes.row(one)
        if event["kind"] == Kind.LEADER and event["code"] == 1:
            because = f"{facts.causes.hosts.get(event['n'], 'a broker')} was elected from outside the in-sync set"
            return "unclean election", because, [one, row]
    return None
