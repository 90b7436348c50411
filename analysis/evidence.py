"""All that finders look at: a history, the logs that it ended with, what readers got; and how witnesses are told."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from analysis.columns import OFFSET_BITS, covered, expand, slices
from analysis.deliveries import Deliveries
from analysis.disorder import disordered_runs, holding
from analysis.history import ACK, FAIL, Column, History
from analysis.logs import Logs
from analysis.marks import Committed
from analysis.neighbours import odd_sequences
from analysis.progress import Progress
from analysis.transactions import TOLD_ABORT, TOLD_COMMIT, Transactions
from sim.errors import InputError

__all__ = ["Evidence"]

MOST_PLACES = 1 << (63 - OFFSET_BITS)


class Evidence:
    def __init__(self, history: History) -> None:
        lanes = len(history.partitions) * max(len(history.brokers), len(history.consumers.names), 1)
        if lanes >= MOST_PLACES:
            rule = f"has {lanes} pairs of partition and broker or consumer, and {MOST_PLACES} are too many"
            raise InputError(history.source, rule, "split it by partition")
        self.history = history
        self.logs = Logs(history)

    @cached_property
    def marks(self) -> Committed:
        return Committed(self.logs)

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.history, self.logs, self.transactions)

    @cached_property
    def transactions(self) -> Transactions:
        return Transactions(self.history, self.logs)

    @cached_property
    def progress(self) -> Progress:
        return Progress(self.history, self.logs, self.deliveries, self.transactions)

    # --- what was told to the application, by value -------------------------------------------------------------------
    @cached_property
    def acked(self) -> Column:
        return self._told(ACK)

    @cached_property
    def failed(self) -> Column:
        return self._told(FAIL)

    def _told(self, kind: int) -> Column:
        table = self.history.outcomes
        rows = table.kind == kind
        table = table if rows.all() else table.take(rows)
        return covered(table.value, table.count, len(self.history.values))

    @cached_property
    def ack_row(self) -> Column:
        """By value: the row of its first ack that names an offset; the largest integer where there is none. One that
        does not (acks=0, an implied one) says nothing of when the record was in the log."""
        table = self.history.outcomes
        told = (table.kind == ACK) & (table.offset >= 0)
        table = table if told.all() else table.take(told)
        row = np.full(len(self.history.values), np.iinfo(np.int64).max)
        if (table.count == 1).all():
            row[table.value[::-1]] = table.row[::-1]  # the first one stays
        else:
            run, value = expand(table.count, table.value)
            row[value[::-1]] = table.row[run[::-1]]
        return row

    @cached_property
    def delivered(self) -> Column:
        """By value: some poll delivered it."""
        polls = self.history.polls
        return covered(polls.value, polls.count, len(self.history.values))

    @cached_property
    def proven(self) -> Column:
        """By value: its transaction committed, as its client saw, or as somebody who read a record of it shows.

        A read of what the log hides proves nothing.
        """
        of_value, told = self.transactions.of_value, self.transactions.told
        proven = told == TOLD_COMMIT
        proven[of_value[self.delivered & ~self.transactions.stored_and_hidden]] = True
        proven[-1] = False
        mask: Column = (proven & (told != TOLD_ABORT))[of_value]
        return mask

    @cached_property
    def has_to_be_seen(self) -> Column:
        """By value: in no transaction, or in one that must have committed."""
        mask: Column = ~self.transactions.may_be_hidden | self.proven
        return mask

    @cached_property
    def producers_with_unacked(self) -> frozenset[int]:
        """Producer instances with a send that was not acknowledged."""
        prod = self.history.records.prod
        return frozenset(np.unique(prod[(prod >= 0) & ~self.acked]).tolist())

    @cached_property
    def rising(self) -> bool:
        """Neighbouring values of one producer and partition were sent in that order, so that runs are in order."""
        sends = self.history.records
        same = (sends.prod[1:] == sends.prod[:-1]) & (sends.partition[1:] == sends.partition[:-1])
        return bool(((sends.i[1:] > sends.i[:-1]) | ~same).all())

    def orderly(self, runs: Any) -> bool:
        """Send positions rise inside every run."""
        return self.rising or bool((runs.count == 1).all())

    @cached_property
    def disordered(self) -> Column | None:
        """Runs of the final log that may hold a late record, or one that overtook it; None: runs cannot tell."""
        log, sends, visible = self.logs.final, self.history.records, self.logs.visible
        if not self.unique_uids or not self.orderly(log):
            return None
        value = log.value if visible.all() else np.where(visible, log.value, -1)

        def lanes(rows: Any) -> Column:
            return self.lane(log.partition[rows], value[rows])

        return disordered_runs(sends.i, value, log.count, lanes, self.doubled_runs)

    @cached_property
    def disordered_deliveries(self) -> Column | None:
        """Rows of the polls table among which some group may have got a producer's records out of order, whatever their
        partitions; None: runs cannot tell."""
        polls, deliveries = self.history.polls, self.deliveries
        if not self.unique_uids or not self.orderly(polls) or not deliveries.counted.all():
            return None
        sends, producers = self.history.records, len(self.history.producers) + 1

        def lanes(rows: Any) -> Column:
            found: Column = deliveries.scope[rows] * producers + sends.prod[polls.value[rows]] + 1
            return found

        return disordered_runs(sends.i, polls.value, polls.count, lanes, deliveries.doubled)

    def lane(self, partition: Column, value: Column) -> Column:
        """A code for the producer of each value on a partition."""
        producers = len(self.history.producers) + 1
        found: Column = partition.astype(np.int64) * producers + self.history.records.prod[value] + 1
        return found

    @cached_property
    def doubled_runs(self) -> Column | None:
        """By run of the final log: it holds a value that is stored twice; None: none is."""
        log = self.logs.final
        if int(self.logs.copies.max(initial=0)) < 2:
            return None
        return holding(self.logs.copies > 1, np.maximum(log.value, 0), log.count) & self.logs.visible

    @cached_property
    def doubled_places(self) -> Column:
        """Positions in ``logs.records`` of all whose identity is stored more than once, ascending."""
        seen = self.logs.records
        if self.unique_uids:
            if self.doubled_runs is None:
                return np.zeros(0, np.int64)
            places = self.logs.places_of_runs(np.flatnonzero(self.doubled_runs))
            return places[self.logs.copies[seen.value[places]] > 1]
        uid = self.history.records.uid[seen.value]
        return np.flatnonzero(np.bincount(uid, minlength=1)[uid] > 1)

    @cached_property
    def odd_sequences(self) -> tuple[Column, Column, Column]:
        """Runs of the final log, the next of their producer id and epoch, and the step where it is not 1."""
        return odd_sequences(self.logs.final)

    @cached_property
    def keys_move(self) -> bool:
        """Some key was sent to two partitions, or a record met in another one than its send says, or it says none."""
        sends = self.history.records
        if (sends.partition < 0).any():
            return True
        for table in (self.logs.final, self.history.polls):
            for piece in slices(len(table)):
                value = table.value[piece]
                if ((sends.partition[value] != table.partition[piece]) & (value >= 0)).any():
                    return True
        keyed = sends.key >= 0
        key, partition = (sends.key, sends.partition) if keyed.all() else (sends.key[keyed], sends.partition[keyed])
        home = np.full(int(key.max(initial=-1)) + 1, -1, np.int32)
        home[key] = partition
        return bool((home[key] != partition).any())

    @cached_property
    def single_copies(self) -> bool:
        """Nothing is stored twice, and no two values mean the same."""
        return self.unique_uids and int(self.logs.copies.max(initial=0)) < 2

    @cached_property
    def sized(self) -> bool:
        """Every send tells the size of its record."""
        return bool((self.history.records.size >= 0).all())

    @cached_property
    def unique_uids(self) -> bool:
        uid = self.history.records.uid
        return all((uid[piece] == np.arange(piece.start, piece.stop)).all() for piece in slices(len(uid)))

    # --- words --------------------------------------------------------------------------------------------------------
    def value(self, code: int) -> Any:
        return self.history.values[int(code)]

    def consumer(self, code: int) -> str:
        return self.history.consumers.names[int(code)]

    def handed_over(self, run: int, inside: int = 0, **more: Any) -> dict[str, Any]:
        """A delivered record: the *inside*-th of a run of the polls table."""
        polls = self.history.polls
        return self.record(
            int(polls.value[run]) + inside, **more, p=self.partition(polls.partition[run]),
            o=int(polls.offset[run]) + inside, con=self.consumer(polls.consumer[run]),
            event=self.history.event(int(polls.row[run])),
        )  # fmt: skip

    def delivered_record(self, single: int, **more: Any) -> dict[str, Any]:
        """The same by its position in ``deliveries.singles``."""
        singles = self.deliveries.singles
        run = int(singles.run[single])
        return self.handed_over(run, int(singles.offset[single] - self.history.polls.offset[run]), **more)

    def transaction(self, code: int) -> Any:
        return self.history.txns[int(code)] if code >= 0 else None

    def producer(self, code: int) -> str | None:
        return self.history.producers[int(code)] if code >= 0 else None

    def broker(self, code: int) -> int:
        return int(self.history.brokers[int(code)])

    def partition(self, code: int) -> str | None:
        return self.history.partitions[int(code)] if code >= 0 else None

    def record(self, value: int, **more: Any) -> dict[str, Any]:
        """A record as a witness names it: its value, its sender and position; then what the finder adds."""
        sends = self.history.records
        told: dict[str, Any] = {"v": self.value(value)}
        if sends.prod[value] >= 0:
            told |= {"prod": self.producer(sends.prod[value]), "i": int(sends.i[value])}
        return told | {name: plain(x) for name, x in more.items() if x is not None}

    def stored(self, place: int, **more: Any) -> dict[str, Any]:
        """The visible record at *place* of ``logs.records``."""
        seen, log = self.logs.records, self.logs.final
        run = int(seen.run[place])
        told = self.record(
            int(seen.value[place]), **more, p=self.partition(seen.partition[place]), o=int(seen.offset[place]),
            event=self.history.event(int(log.row[run])),
        )  # fmt: skip
        told["broker"] = self.broker(log.broker[run])
        for name in ("lep", "pid", "epoch"):
            if getattr(log, name)[run] >= 0:
                told[name] = int(getattr(log, name)[run])
        if log.seq[run] >= 0:
            told["seq"] = int(log.seq[run] + seen.offset[place] - log.offset[run]) & 0x7FFFFFFF
        return told


def plain(x: Any) -> Any:
    return x.item() if isinstance(x, np.generic) else x
