"""Why a record is stored twice."""

from __future__ import annotations

import numpy as np

from analysis.explaining.diagnosis import Diagnosis, Part, unexplained
from analysis.explaining.facts import Facts, Life, Try
from analysis.explaining.late import was_zombie, why_again
from sim.protocol.rows import Kind

__all__ = ["bump_rows", "stored_twice"]

OUT_OF_ORDER = "OUT_OF_ORDER_SEQUENCE_NUMBER"


def stored_twice(facts: Facts, cast: list[Part]) -> Diagnosis:
    """The first two copies of one identity (anomalies 1.3; producer 4.3, 6.7)."""
    if len(cast) < 2:
        return unexplained("the history does not say where the copies are", cast)
    cast = sorted(cast, key=lambda part: part.copy.row if part.copy is not None else -1)[:2]
    first, second = cast
    if first.value != second.value:
        return _sent_again(facts, cast)
    life = first.life
    if not life.tries:
        return unexplained("the history has no transmissions (attempt), so it does not say why it was sent again", cast)
    attempts = [life.attempt_of(part.copy) for part in cast if part.copy is not None]
    if len(attempts) < 2 or None in attempts:
        return unexplained("a copy cannot be matched to a transmission", cast)
    zombie = next((one for one in attempts if one is not None and was_zombie(life, one)), None)
    renumbered = _renumbered(facts, first, second)
    if renumbered is not None:
        return Diagnosis(*renumbered, cast)
    if zombie is not None:
        return Diagnosis("zombie request of an old connection", _zombie_words(zombie), cast)
    return _retried(life, attempts, cast)


def _zombie_words(zombie: Try) -> str:
    return f"attempt {zombie.n} was given up, and the broker stored it afterwards beside its retry"


def _sent_again(facts: Facts, cast: list[Part]) -> Diagnosis:
    prods = [int(facts.history.records.prod[part.value]) for part in cast]
    names = [facts.evidence.producer(prod) or "?" for prod in prods]
    if prods[0] == prods[1]:
        return Diagnosis("application sent again", f"{names[0]} called send() a second time for it", cast)
    if names[1].split("#")[0] == names[0].split("#")[0]:
        return Diagnosis("producer restarted", _by_the_next_life(facts, cast, *names), cast)
    return Diagnosis("application sent again", f"{names[1]} sent what {names[0]} had sent", cast)


def _by_the_next_life(facts: Facts, cast: list[Part], old: str, new: str) -> str:
    if cast[0].life.acked is None:
        return f"{new} sent again what {old} had left unreported, under another producer id"
    group = _fed_by(facts, old.split("#")[0])
    if group is None:
        return f"{new} sent again what {old} had sent and reported, under another producer id"
    return (
        f"{old} had reported it, and died with its consumer before group {group} had committed the record that it was "
        f"made of; the work on that was done again, and {new} sent its result"
    )


def _fed_by(facts: Facts, producer: str) -> str | None:
    """The group whose work *producer* sends, where it has no workload of its own; None: it is not told."""
    source = (facts.history.header.get("scenario") or {}).get("source") or {}
    for name, section in (source.get("consumers") or {}).items():
        fed = ((section.get("processing") or {}).get("produces") or {}).get("producer")
        own = (source.get("producers") or {}).get(fed, {})
        if fed is not None and fed in (producer, producer.rpartition("-")[0]) and "workload" not in own:
            return str(section.get("group") or section.get("config", {}).get("group.id") or name)
    return None


def _renumbered(facts: Facts, first: Part, second: Part) -> tuple[str, str] | None:
    """The copies have different epochs: the producer began a new one in between (producer 6.4, 6.7; broker:APP-28)."""
    a, b = first.copy, second.copy
    assert a is not None and b is not None
    if a.pid < 0 or (a.pid, a.epoch) == (b.pid, b.epoch):
        return None
    if _forgotten(facts, first, a.row, b.row):
        because = "the leader refused a batch that it had stored as out of order; the producer began a new epoch for it"
        return "producer state lost and rebuilt", because
    return "epoch bump renumbers", f"epoch {a.epoch} became {b.epoch} with the stored batch unacknowledged"


def _forgotten(facts: Facts, part: Part, after: int, before: int) -> bool:
    """Between the copies an answer said "out of order" of a batch, of that producer there, that stood in the log."""
    wire, appends, words = facts.history.wire, facts.history.appends, facts.history.words
    partition, prod = part.life.copies[0].partition, int(facts.history.records.prod[part.value])
    here = (wire.partition == partition) & (wire.prod == prod) & (wire.row > after) & (wire.row < before)
    for at in np.flatnonzero(here & (wire.response != 0) & (wire.error >= 0)).tolist():
        if words[int(wire.error[at])] == OUT_OF_ORDER:
            stored = (appends.partition == partition) & (appends.follower == 0) & (appends.row < int(wire.row[at]))
            value = int(wire.value[at])
            if (stored & (appends.value <= value) & (value < appends.value + appends.count)).any():
                return True
    return False


def _retried(life: Life, attempts: list[Try | None], cast: list[Part]) -> Diagnosis:
    later = max((one for one in attempts if one is not None), key=lambda one: one.row)
    stored = min((one for one in attempts if one is not None), key=lambda one: one.row)
    name, because = why_again(life, stored)
    return Diagnosis(name, f"{because}; attempt {later.n} was stored too", cast)


def bump_rows(facts: Facts, parts: list[Part]) -> list[int]:
    """Rows that say that the producer began a new epoch, between the copies."""
    if facts.causes is None or not parts:
        return []
    rows = sorted(part.copy.row for part in parts if part.copy is not None)
    prod = int(facts.history.records.prod[parts[0].value])
    found = facts.causes.rows_of(Kind.PRODUCER_ID, prod=prod)
    return [row for row in found if rows and rows[0] < row < rows[-1]]
