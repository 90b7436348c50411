"""Transactions as their clients saw them and as the logs ended them (anomalies 1.4 and 3).

The two may differ: a client that does not know how its transaction ended may have committed it, and a log may have
ended one in another way than its coordinator decided. A transaction *must have committed* if its client saw that, or
if the client saw no abort and one of its records is visible.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from analysis.columns import expand, mask_of
from analysis.history import COMMIT, DATA, Column, History
from analysis.logs import Logs

__all__ = ["BEGUN", "TOLD_ABORT", "TOLD_COMMIT", "TOLD_UNKNOWN", "Transactions"]

BEGUN, TOLD_COMMIT, TOLD_ABORT, TOLD_UNKNOWN = range(4)  # history.Transactions.state


class Transactions:
    """Columns by transaction (code into ``History.txns``) have one entry more, the last, for records without one."""

    def __init__(self, history: History, logs: Logs) -> None:
        self.history, self.logs = history, logs

    @cached_property
    def told(self) -> Column:
        """By transaction: how it ended for its client, BEGUN where the client did not say."""
        table, told = self.history.transactions, np.full(len(self.history.txns) + 1, BEGUN)
        ends = table.state != BEGUN
        told[table.txn[ends]] = table.state[ends]  # the last word counts
        return told

    @cached_property
    def end_row(self) -> Column:
        """By transaction: the row in which its client learned of its end, -1 where it did not."""
        table, row = self.history.transactions, np.full(len(self.history.txns) + 1, -1, np.int64)
        ends = table.state != BEGUN
        row[table.txn[ends]] = table.row[ends]
        return row

    @cached_property
    def of_value(self) -> Column:
        """By value: the transaction of its send; of its append where the send names none; else -1."""
        sends, appends = self.history.records, self.history.appends
        named = np.flatnonzero((appends.txn >= 0) & (appends.kind == DATA))
        if not len(named):
            return sends.txn
        txn = sends.txn.astype(np.int64)
        run, value = expand(appends.count[named], appends.value[named])
        fill = np.flatnonzero(txn[value] < 0)[::-1]  # the first append has the last word
        txn[value[fill]] = appends.txn[named[run[fill]]]
        return txn

    @cached_property
    def committed(self) -> Column:
        """By transaction: it must have committed."""
        committed: Column = self.told == TOLD_COMMIT
        if self.logs.transaction_state is not None:
            seen = np.flatnonzero(self.logs.copies)
            committed[self.of_value[seen]] = True
        committed &= self.told != TOLD_ABORT
        committed[-1] = True
        return committed

    @cached_property
    def aborted(self) -> Column:
        """By value: the client saw its transaction abort."""
        mask: Column = (self.told == TOLD_ABORT)[self.of_value]
        return mask

    @cached_property
    def may_be_hidden(self) -> Column:
        """By value: in a transaction that need not have committed, so that nobody has to see it."""
        nameless = self.of_value < 0  # of a producer id in transactions
        hidden: Column = ~self.committed[self.of_value] | (nameless & self.stored_and_hidden)
        return hidden

    @cached_property
    def stored_and_hidden(self) -> Column:
        """By value: in the final log, but not visible."""
        state, log = self.logs.transaction_state, self.logs.final
        if state is None:
            return np.zeros(len(self.history.values), bool)
        log = log.take(np.flatnonzero((state != COMMIT) & (log.kind == DATA))).singles()
        hidden: Column = mask_of(log.value, len(self.history.values)) & (self.logs.copies == 0)
        return hidden
