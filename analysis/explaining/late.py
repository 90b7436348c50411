"""Why a record stands behind one that was sent after it: how its last transmission came to be late."""

from __future__ import annotations

from analysis.explaining.diagnosis import Diagnosis, Part, unexplained
from analysis.explaining.facts import Facts, Life, Try
from analysis.history import ACK

__all__ = ["late_record", "was_zombie", "why_again"]

AFTER_APPEND = ("REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS_AFTER_APPEND")


def late_record(facts: Facts, late: Part, overtaker: Part) -> Diagnosis:
    """Of one producer in one partition (anomalies 1.1; producer 4.2, 4.4)."""
    cast = [late, overtaker]
    if not late.life.tries:
        return unexplained(
            "the history has no transmissions (attempt), so it does not say how the late record came", cast
        )
    landed = None if late.copy is None else late.life.attempt_of(late.copy)
    if landed is None:
        return unexplained("none of the late record's transmissions can be matched to its copy", cast)
    if was_zombie(late.life, landed):
        return Diagnosis("zombie request of an old connection", _given_up(late.life, landed), cast)
    before = _overtaken_after(late.life, landed, overtaker)
    if before is None:
        return unexplained("it was transmitted once, and nothing that happened to it makes it late", cast)
    name, because = why_again(late.life, before)
    return Diagnosis(name, because, cast)


def _overtaken_after(life: Life, landed: Try, overtaker: Part) -> Try | None:
    """The failed transmission since which the other one is ahead: the last that left before the other's final one."""
    winner = None if overtaker.copy is None else overtaker.life.attempt_of(overtaker.copy)
    failed = [one for one in life.tries if one.row < landed.row]
    ahead = [one for one in failed if winner is None or one.row < winner.row]
    return (ahead or failed or [None])[-1]  # type: ignore[list-item]


def was_zombie(life: Life, landed: Try) -> bool:
    """Handled by the broker after the client had given that transmission up."""
    assert landed.landed is not None
    if landed.ended is not None and landed.ended.row < landed.landed.row:
        return True
    again = life.after(landed)
    if again is not None and landed.answered is None and again.row < landed.landed.row:
        return True
    reports = [one for one in life.reports if one.kind != ACK]
    return bool(reports) and reports[0].row < landed.landed.row and landed.row < reports[0].row


def _given_up(life: Life, landed: Try) -> str:
    ended = landed.ended
    how = {"timed out": "after request.timeout.ms", "lost": "with its connection"}.get(ended.word if ended else "", "")
    return f"attempt {landed.n} was given up {how}".rstrip() + " and stored afterwards"


def why_again(life: Life, before: Try) -> tuple[str, str]:
    """(mechanism, reason): what made the client transmit again after *before*."""
    said, stored = before.answered, before.landed
    where = f"attempt {before.n}"
    if said is not None and said.word:
        if stored is not None or said.word in AFTER_APPEND:
            name = "retry after an error that came after the append"
            if stored is not None and stored.cut is not None:
                name = "retry into a new leader that lacked the batch"
            return name, f"{where} was stored and answered {said.word}"
        return "retry after a refused batch", f"{where} was refused with {said.word}"
    if before.refused is not None and said is None:
        return (
            "retry after a lost response",
            f"{where} was refused with {before.refused.word}, and that answer was lost",
        )
    if stored is not None and stored.cut is not None:
        return (
            "retry into a new leader that lacked the batch",
            f"{where} was stored and cut off with the old leader's tail",
        )
    if before.ended is not None and before.ended.word == "timed out":
        return "request timed out and retried", f"{where} had no answer within request.timeout.ms"
    if stored is not None or before.recognised is not None:
        return "retry after a lost response", f"{where} was stored and its answer never came{_unsure(before)}"
    if before.ended is not None:
        return "retry after a lost request", f"{where} was lost with its connection"
    return "retry after a lost request", f"{where} was never stored and never answered{_unsure(before)}"


def _unsure(before: Try) -> str:
    """What a history without the ends of connections leaves open."""
    if before.ended is not None:
        return ""
    return " (whether its connection broke or the client gave it up, the history does not say)"
