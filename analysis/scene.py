"""What a timeline shows: the events of one partition around the case that matters, matched to one another.

The case: the first late records and what overtook them; else the first record stored twice; else the first one lost;
else the first ones that a group got twice; else the first fault or change of leader; else the beginning. A transmission
is matched to the append that it led to: of the same run, on the same broker and connection, before its answer. What was
never answered gets what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from analysis.evidence import Evidence
from analysis.finders.order import late_places
from analysis.history import ACK, Column, Leaders

__all__ = ["Flight", "Scene", "fault_words", "scene_of"]

LATE, OVERTAKER, DOUBLE, LOST, AGAIN, PLAIN = "late", "overtaker", "twice", "lost", "again", "plain"
END = 1 << 62
MOST_HEROES = 3  # late (or doubled) runs shown with their names


@dataclass(slots=True)
class Flight:
    """One transmission (or, where the history has none, one send) and what became of it. Times as in the history."""

    role: str
    prod: int
    value: int
    count: int
    sent: int
    broker: int
    conn: int
    attempt: int
    stored: int | None  # when it was appended there
    offset: int
    answered: int | None
    error: str = ""  # of the answer


@dataclass(slots=True)
class Scene:
    """Everything between *start* and *end* that belongs to the partition."""

    partition: int
    start: int
    end: int
    flights: list[Flight]
    copies: list[tuple[int, int, str]]  # (time, broker, role) of appends by followers
    acks: list[tuple[int, int, str]]  # (time, producer, role)
    reads: list[tuple[int, int, str]]  # (time, consumer, role)
    notes: list[tuple[int, str, str, int]]  # (time, kind, words, host)
    leaders: Leaders
    cuts: list[tuple[int, int, int]]  # (time, broker, to) of truncations
    producers: list[int]
    brokers: list[int]


def scene_of(evidence: Evidence, partition: int, window: tuple[int, int] | None = None) -> Scene:
    heroes = _heroes(evidence, partition)
    flights = _flights(evidence, partition, heroes)
    start, end = window or _window(evidence, partition, flights, heroes)
    inside = [one for one in flights if one.sent <= end and _last(one) >= start]
    history = evidence.history
    leaders = history.leaders.take(history.leaders.partition == partition)
    appends = history.appends.take(history.appends.partition == partition)
    brokers = np.unique(np.concatenate([appends.broker, leaders.broker])).tolist() or [1]
    return Scene(
        partition, start, end, inside, _copies(appends, heroes, start, end),
        _acks(evidence, partition, heroes, start, end), _reads(evidence, partition, heroes, start, end),
        _notes(evidence, partition, start, end), leaders, _cuts(evidence, partition, start, end),
        sorted({one.prod for one in inside if one.prod >= 0}), brokers,
    )  # fmt: skip


def _last(flight: Flight) -> int:
    return max(x for x in (flight.sent, flight.stored, flight.answered) if x is not None)


def _heroes(evidence: Evidence, partition: int) -> dict[int, str]:
    """Values with a role in the case, by role."""
    view = evidence.logs.records
    late, overtaker, _ = late_places(evidence)
    mine = view.partition[late] == partition
    if mine.any():
        first = np.flatnonzero(mine)[np.argsort(late[mine], kind="stable")]
        first = first[view.run[overtaker[first]] == view.run[overtaker[first[0]]]]
        runs = dict.fromkeys(view.run[late[first]].tolist())
        chosen = np.isin(view.run[late], list(runs)[:MOST_HEROES]) & mine
        roles: dict[int, str] = dict.fromkeys(_run_values(evidence, view.run[overtaker[chosen]]), OVERTAKER)
        roles.update(dict.fromkeys(view.value[late[chosen]].tolist(), LATE))
        return roles
    twice = np.flatnonzero((evidence.logs.copies[view.value] > 1) & (view.partition == partition))
    if not len(twice):
        lost = _lost(evidence, partition)
        return dict.fromkeys(lost, LOST) if lost else dict.fromkeys(_read_again(evidence, partition), AGAIN)
    doubled = list(dict.fromkeys(view.run[twice].tolist()))
    return dict.fromkeys(_run_values(evidence, np.array(doubled[:MOST_HEROES])), DOUBLE)


def _lost(evidence: Evidence, partition: int) -> list[int]:
    """Acknowledged values of the first runs that are in no final log."""
    told = evidence.history.outcomes
    told = told.take((told.kind == ACK) & (told.partition == partition) & (evidence.logs.copies[told.value] == 0))
    runs = list(dict.fromkeys(zip(told.value.tolist(), told.count.tolist(), strict=True)))[:MOST_HEROES]
    return [v for value, count in runs for v in range(value, value + count) if not evidence.logs.copies[v]]


def _read_again(evidence: Evidence, partition: int) -> list[int]:
    """The first values that some group got more than once."""
    polls, repeated = evidence.history.polls, evidence.deliveries.repeated
    if repeated is None:
        return []
    mine = polls.take(polls.partition == partition)
    runs = zip(mine.value.tolist(), mine.count.tolist(), strict=True)
    found = (v for value, count in runs for v in range(value, value + count) if repeated[v])
    return list(dict.fromkeys(islice(found, MOST_HEROES)))


def _run_values(evidence: Evidence, runs: Column) -> list[int]:
    log = evidence.logs.final
    return [v for run in np.unique(runs)[:MOST_HEROES] for v in range(log.value[run], log.value[run] + log.count[run])]


def _role(heroes: dict[int, str], value: int, count: int) -> str:
    return next((heroes[v] for v in range(value, value + count) if v in heroes), PLAIN)


# --- flights ----------------------------------------------------------------------------------------------------------
def _flights(evidence: Evidence, partition: int, heroes: dict[int, str]) -> list[Flight]:
    wire = evidence.history.wire
    attempts = wire.take((wire.partition == partition) & (wire.response == 0))
    if not len(attempts):
        return _flights_of_sends(evidence, partition, heroes)
    answers, words = _answers(evidence, partition), evidence.history.words
    flights = []
    rows = zip(*(attempts.columns()[name].tolist() for name in attempts.columns()), strict=True)
    for _, t, _, prod, _, value, count, broker, conn, n, _ in rows:
        answered, error = answers.get((value, conn, n), (None, -1))
        told = words[error] if error >= 0 else ""
        flights.append(
            Flight(_role(heroes, value, count), prod, value, count, t, broker, conn, n, None, -1, answered, told)
        )
    _match(flights, _stored(evidence, partition))
    return flights


def _match(flights: list[Flight], stored: dict[tuple[int, int], list[tuple[int, int, int]]]) -> None:
    """Give each flight its append; the answered ones choose first."""
    for flight in sorted(flights, key=lambda one: one.answered is None):
        waiting = stored.get((flight.broker, flight.value), [])
        for one in waiting:
            t, offset, conn = one
            in_time = flight.sent <= t and (flight.answered is None or t <= flight.answered)
            if in_time and conn in (-1, flight.conn):
                flight.stored, flight.offset = t, offset
                waiting.remove(one)
                break


def _answers(evidence: Evidence, partition: int) -> dict[tuple[int, int, int], tuple[int, int]]:
    """(time, error) of the answer by (first value, connection, number of the transmission)."""
    wire = evidence.history.wire
    told = wire.take((wire.partition == partition) & (wire.response > 0))
    keys = zip(told.value.tolist(), told.conn.tolist(), told.n.tolist(), strict=True)
    return dict(zip(keys, zip(told.t.tolist(), told.error.tolist(), strict=True), strict=True))


def _stored(evidence: Evidence, partition: int) -> dict[tuple[int, int], list[tuple[int, int, int]]]:
    """(time, offset, connection) of leaders' appends by (broker, first value)."""
    appends = evidence.history.appends
    rows = np.flatnonzero((appends.partition == partition) & (appends.follower == 0) & (appends.value >= 0))
    found: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    columns = (appends.broker, appends.value, appends.t, appends.offset, appends.conn)
    for broker, value, t, offset, conn in zip(*(column[rows].tolist() for column in columns), strict=True):
        found.setdefault((broker, value), []).append((t, offset, conn))
    return found


def _flights_of_sends(evidence: Evidence, partition: int, heroes: dict[int, str]) -> list[Flight]:
    """A history without transmissions: from the send straight to the leader's append."""
    sends = evidence.history.records
    flights = []
    for (broker, value), stored in _stored(evidence, partition).items():
        if sends.prod[value] >= 0:
            role = _role(heroes, value, 1)
            for number, (t, offset, _) in enumerate(stored, 1):
                prod, sent = int(sends.prod[value]), int(sends.t[value])
                flights.append(Flight(role, prod, value, 1, sent, broker, -1, number, t, offset, None))
    return sorted(flights, key=lambda one: one.sent)


# --- the window -------------------------------------------------------------------------------------------------------
def _window(evidence: Evidence, partition: int, flights: list[Flight], heroes: dict[int, str]) -> tuple[int, int]:
    chosen = [one for one in flights if one.role != PLAIN]
    if chosen:
        start, end = min(one.sent for one in chosen), max(_last(one) for one in chosen)
        if LOST in heroes.values():
            end = _end_of_the_lost(evidence, partition, end)
        if AGAIN in heroes.values():
            end = max(t for t, _, role in _reads(evidence, partition, heroes, start, END) if role == AGAIN)
    else:
        start, end = _around_first_change(evidence, partition, flights)
    pad = max((end - start) // 30, 1)
    return start - pad, end + pad


def _end_of_the_lost(evidence: Evidence, partition: int, end: int) -> int:
    """Until the log was cut, or another led."""
    cuts, leaders = evidence.history.truncations, evidence.history.leaders
    times = [*cuts.t[cuts.partition == partition].tolist(), *leaders.t[leaders.partition == partition].tolist()]
    return int(max([end, *times]))


def _around_first_change(evidence: Evidence, partition: int, flights: list[Flight]) -> tuple[int, int]:
    history = evidence.history
    leaders = history.leaders.t[(history.leaders.partition == partition)].tolist()[1:]
    changes = sorted(leaders + history.notes.t.tolist())
    times = sorted(one.sent for one in flights)
    if not times:
        return 0, max([*changes, 1])
    middle = changes[0] if changes else times[0]
    at = int(np.searchsorted(times, middle))
    some = [one for one in flights if times[max(at - 15, 0)] <= one.sent <= times[min(at + 15, len(times) - 1)]]
    return min(one.sent for one in some), max([middle, *(_last(one) for one in some)])


# --- the rest ---------------------------------------------------------------------------------------------------------
def _copies(appends: Any, heroes: dict[int, str], start: int, end: int) -> list[tuple[int, int, str]]:
    rows = appends.take((appends.follower > 0) & (appends.t >= start) & (appends.t <= end))
    columns = zip(rows.t.tolist(), rows.broker.tolist(), rows.value.tolist(), rows.count.tolist(), strict=True)
    return [(t, broker, _role(heroes, value, count)) for t, broker, value, count in columns]


def _acks(
    evidence: Evidence, partition: int, heroes: dict[int, str], start: int, end: int,
) -> list[tuple[int, int, str]]:  # fmt: skip
    told = evidence.history.outcomes
    told = told.take((told.partition == partition) & (told.kind == ACK) & (told.t >= start) & (told.t <= end))
    columns = zip(told.t.tolist(), told.prod.tolist(), told.value.tolist(), told.count.tolist(), strict=True)
    return [(t, prod, _role(heroes, value, count)) for t, prod, value, count in columns]


def _reads(
    evidence: Evidence, partition: int, heroes: dict[int, str], start: int, end: int,
) -> list[tuple[int, int, str]]:  # fmt: skip
    polls = evidence.history.polls
    polls = polls.take((polls.partition == partition) & (polls.t >= start) & (polls.t <= end))
    columns = zip(polls.t.tolist(), polls.consumer.tolist(), polls.value.tolist(), polls.count.tolist(), strict=True)
    return [(t, consumer, _role(heroes, value, count)) for t, consumer, value, count in columns]


def _cuts(evidence: Evidence, partition: int, start: int, end: int) -> list[tuple[int, int, int]]:
    cuts = evidence.history.truncations
    cuts = cuts.take((cuts.partition == partition) & (cuts.t >= start) & (cuts.t <= end))
    return list(zip(cuts.t.tolist(), cuts.broker.tolist(), cuts.to.tolist(), strict=True))


def _notes(evidence: Evidence, partition: int, start: int, end: int) -> list[tuple[int, str, str, int]]:
    """Faults and what befell hosts, also from before the window: a broker that is down stays down."""
    notes, words = evidence.history.notes, evidence.history.words
    mine = notes.take((notes.t <= end) & ((notes.partition < 0) | (notes.partition == partition)))
    columns = zip(mine.t.tolist(), mine.kind.tolist(), mine.what.tolist(), mine.broker.tolist(), strict=True)
    return [(t, words[kind], words[what], host) for t, kind, what, host in columns]


def fault_words(text: str) -> str:
    """A fault as its file has it, without what the picture shows anyway."""
    shown = ("at:", "producer:", "partition:")
    parts = [part for part in text.split(", ") if not part.startswith(shown)]
    words = ", ".join(parts).removeprefix("do: ")
    return words if len(words) <= 50 else words[:47] + "..."
