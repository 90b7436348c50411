"""What befell the members of a group that a case is about: who stood still, died or came back, and whose the partition
was."""

from __future__ import annotations

import numpy as np

from analysis.explaining.causes import Causes
from analysis.explaining.diagnosis import Diagnosis
from analysis.explaining.facts import Facts
from sim.protocol.rows import Kind

__all__ = ["members_around"]

MOST_MOMENTS = 8
ENDS_AND_BEGINS = (Kind.PAUSE, Kind.RESUME, Kind.CRASH, Kind.RESTART)


def members_around(facts: Facts, causes: Causes, diagnosis: Diagnosis) -> set[int]:
    """Rows of a trace about the readers of the case (those whose rows it names), and about its producers where one of
    them sent a record in two lives: between its first and its last row, and what still held when it began."""
    events, consumers = causes.trace.events, set(facts.history.consumers.names)
    named = [row for row in diagnosis.rows if causes.hosts.get(int(events["host"][row])) in consumers]
    hosts = {int(events["host"][row]) for row in named}
    where = {int(events["partition"][row]) for row in named} - {-1}
    rows = named or _lives(facts, diagnosis)
    if not named:
        hosts = {causes.producer_host(int(facts.history.records.prod[part.value])) for part in diagnosis.cast}
    if not rows:
        return set()
    first, last = min(rows), max(rows)
    mine = np.isin(events["host"][:last], sorted(hosts))
    told = np.flatnonzero(mine & np.isin(causes.kind[:last], ENDS_AND_BEGINS))
    owned = np.isin(causes.kind[:last], (Kind.ASSIGN, Kind.REVOKE)) & np.isin(events["partition"][:last], sorted(where))
    passed = np.flatnonzero(mine & owned)
    found: set[int] = set()
    for host in hosts:
        for rows_of in (told, passed):
            own = rows_of[events["host"][rows_of] == host]
            before = own[own < first][-1:]  # what still held: back on its feet or revoked is as if nothing had been
            found |= {int(row) for row in before if causes.kind[row] in (Kind.PAUSE, Kind.ASSIGN)}
            found |= {int(row) for row in own[own > first][-MOST_MOMENTS:]}
    return found


def _lives(facts: Facts, diagnosis: Diagnosis) -> list[int]:
    """The rows between which a producer's process was replaced: between the copies of the two records."""
    if len(diagnosis.cast) < 2:
        return []
    names = [facts.evidence.producer(int(facts.history.records.prod[part.value])) or "" for part in diagnosis.cast[:2]]
    if names[0] == names[1] or names[0].split("#")[0] != names[1].split("#")[0]:
        return []
    return [copy.row for part in diagnosis.cast[:2] for copy in part.life.copies if not copy.follower]
