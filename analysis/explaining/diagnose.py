"""Every finding's name with the way in which its cases are explained."""

from __future__ import annotations

from collections.abc import Callable

from analysis.explaining.diagnosis import Diagnosis, Part, Witness, cast_of, unexplained
from analysis.explaining.elsewhere import key_in_two_partitions, out_of_order_on_the_way
from analysis.explaining.facts import Facts
from analysis.explaining.gone import gone_record, two_at_one_offset
from analysis.explaining.late import late_record
from analysis.explaining.readers import rows_named
from analysis.explaining.reread import committed_lower, delivered_again, worked_at_once
from analysis.explaining.twice import stored_twice
from analysis.explaining.unread import committed_early, never_read, position_moved
from analysis.finding import CLASSES

__all__ = ["diagnose"]

How = Callable[[Facts, Witness, list[Part]], Diagnosis]
SUSPECT = "no configuration permits it: the broker, the client or the history itself is wrong"
NORMAL = "normal in Kafka, counted as information: nothing went wrong that would have to be explained"


def _late(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    if len(cast) < 2:
        return unexplained("the history does not name both records", cast)
    cast[0].role, cast[1].role = "late", "overtaker"  # the operations' view has words of its own for them
    return late_record(facts, cast[0], cast[1])


def _gone(facts: Facts, witness: Witness, cast: list[Part]) -> Diagnosis:
    return gone_record(facts, cast[0]) if cast else unexplained("the history does not name the record", cast)


def _no_mechanism(name: str) -> How:
    because = NORMAL if CLASSES.get(name) == "information" else SUSPECT
    return lambda facts, witness, cast: unexplained(because, cast)


_HOW: dict[str, tuple[tuple[str, ...], How]] = {
    "append-reorder": (("late", "overtaker"), _late),
    "nonmonotonic-send": (("late", "overtaker"), _late),
    "int-nonmonotonic-send": (("late", "overtaker"), _late),
    "key-reorder": (("late", "overtaker"), lambda f, w, c: out_of_order_on_the_way(f, c)),
    "e2e-key-reorder": (("late", "overtaker"), lambda f, w, c: out_of_order_on_the_way(f, c)),
    "cross-partition-inversion": (("late", "overtaker"), lambda f, w, c: out_of_order_on_the_way(f, c)),
    "key-partition-split": (("here", "there"), lambda f, w, c: key_in_two_partitions(f, c)),
    "duplicate-append": (("twice", "twice"), lambda f, w, c: stored_twice(f, c)),
    "lost-acked": (("lost",), _gone),
    "committed-truncation": (("lost",), _gone),
    "unseen": (("lost",), never_read),
    "lost-write": (("lost",), never_read),
    "replica-divergence": (("lost",), lambda f, w, c: two_at_one_offset(f, c)),
    "inconsistent-offsets": (("lost", "in its place"), lambda f, w, c: two_at_one_offset(f, c)),
    "duplicate-delivery": (("delivered twice",), delivered_again),
    "duplicate-processing": (("done twice",), delivered_again),
    "out-of-order-processing": (("late", "overtaker"), worked_at_once),
    "overlapping-processing": (("early", "under way"), worked_at_once),
    "commit-regression": ((), committed_lower),
    "premature-commit": (("not done",), committed_early),
    "lost-processing": (("not done",), committed_early),
    "poll-skip": (("before", "after"), position_moved),
    "nonmonotonic-poll": (("before", "after"), position_moved),
}  # fmt: skip


def diagnose(facts: Facts, name: str, witness: Witness) -> Diagnosis:
    """The mechanism behind one case of the finding *name*."""
    roles, how = _HOW.get(name, (("record",), _no_mechanism(name)))
    found = how(facts, witness, cast_of(facts, witness, roles))
    found.rows += _deliveries(facts, witness)
    return found


def _deliveries(facts: Facts, witness: Witness) -> list[int]:
    """Rows of the polls that the witness names: where a reader saw it, they belong in the story."""
    named = [record["event"] for record in witness.get("records") or () if "con" in record and "event" in record]
    return [row for row in rows_named(facts, named) if (facts.history.polls.row == row).any()]
