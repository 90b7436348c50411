"""Every finder under its name, with what a history must have to be judged by it."""

from __future__ import annotations

from collections.abc import Callable

from analysis.evidence import Evidence
from analysis.finders import (
    atomicity,
    commits,
    copies,
    cycles,
    endtoend,
    isolation,
    offsets,
    operations,
    order,
    polls,
    processing,
    reads,
    realtime,
    replicas,
    sequences,
    unread,
)
from analysis.finding import Finder, Found
from analysis.history import DATA

__all__ = ["FINDERS"]

Lacking = Callable[[Evidence], str | None]


def _appends(evidence: Evidence) -> str | None:
    return None if len(evidence.history.appends) else "the history has no appends"


def _sends_alone(evidence: Evidence) -> str | None:
    return None if (evidence.history.records.prod >= 0).any() else "the history has no sends"


def _sends(evidence: Evidence) -> str | None:
    return _sends_alone(evidence) or _appends(evidence)


def _append_times(evidence: Evidence) -> str | None:
    if not evidence.history.append_times:
        return "append_times is false: appends are in order per partition only"
    return _keys(evidence) or _sends(evidence)


def _keys(evidence: Evidence) -> str | None:
    return None if (evidence.history.records.key >= 0).any() else "no record has a key"


def _keyed_appends(evidence: Evidence) -> str | None:
    return _keys(evidence) or _appends(evidence)


def _acks(evidence: Evidence) -> str | None:
    return None if evidence.acked.any() else "the history has no acks"


def _acked_appends(evidence: Evidence) -> str | None:
    return _acks(evidence) or _appends(evidence)


def _claims(evidence: Evidence) -> str | None:
    told = evidence.history.outcomes
    if len(evidence.history.polls) or (told.offset >= 0).any():
        return None
    return "no ack and no poll tells an offset"


def _marks(evidence: Evidence) -> str | None:
    return (None if len(evidence.history.marks) else "the history has no high watermarks") or _appends(evidence)


def _several_replicas(evidence: Evidence) -> str | None:
    brokers = evidence.history.appends.broker
    if len(brokers) and brokers.min() == brokers.max():
        return "only one replica's appends are told"
    return _marks(evidence)


def _column(name: str, words: str) -> Lacking:
    def lacking(evidence: Evidence) -> str | None:
        return None if (getattr(evidence.history.appends, name) >= 0).any() else f"no append has {words}"

    return lacking


def _operations(evidence: Evidence) -> str | None:
    sends = evidence.history.records
    if not (sends.op >= 0).any() and not (sends.txn >= 0).any():
        return "no send names its operation (op or txn)"
    return _sends(evidence)


def _polls(evidence: Evidence) -> str | None:
    return None if len(evidence.history.polls) else "the history has no polls"


def _polled_appends(evidence: Evidence) -> str | None:
    return _polls(evidence) or _appends(evidence)


def _polled_sends(evidence: Evidence) -> str | None:
    return _sends_alone(evidence) or _polls(evidence)


def _met_sends(evidence: Evidence) -> str | None:
    """By delivery, or by the start of processing."""
    return _sends_alone(evidence) or (None if len(evidence.history.processing) else _polls(evidence))


def _polls_and_marks(evidence: Evidence) -> str | None:
    return (None if len(evidence.history.marks) else "the history has no high watermarks") or _polls(evidence)


def _drained(evidence: Evidence) -> str | None:
    if not evidence.history.drain:
        return "drain is not true: readers may not have had the time to read everything"
    history = evidence.history
    if not len(history.polls) and not len(history.positions) and not history.consumers.names:
        return "the history has no readers"
    return None


def _drained_acks(evidence: Evidence) -> str | None:
    return _drained(evidence) or _acks(evidence)


def _drained_offsets(evidence: Evidence) -> str | None:
    told = evidence.history.outcomes
    return _drained(evidence) or (None if (told.offset >= 0).any() else _acks(evidence))


def _commits(evidence: Evidence) -> str | None:
    history = evidence.history
    return None if len(history.commits) or len(history.txn_offsets) else "the history has no offset commits"


def _processing(evidence: Evidence) -> str | None:
    return None if len(evidence.history.processing) else "the history has no processing events"


def _starts(evidence: Evidence) -> str | None:
    if len(evidence.history.processing) and evidence.history.processing.end.all():
        return "no processing event is a start"
    return _processing(evidence)


def _ends(evidence: Evidence) -> str | None:
    if len(evidence.history.processing) and not evidence.history.processing.end.any():
        return "no processing event is an end"
    return _processing(evidence)


def _committed_ends(evidence: Evidence) -> str | None:
    return _ends(evidence) or _commits(evidence)


def _committed_deliveries(evidence: Evidence) -> str | None:
    return _committed_ends(evidence) or _polls(evidence)


def _drained_commits(evidence: Evidence) -> str | None:
    if len(evidence.history.processing) and not evidence.history.drain:
        return "drain is not true: processing may not have had the time to end"
    return _committed_ends(evidence)


def _met_keys(evidence: Evidence) -> str | None:
    return _keys(evidence) or _met_sends(evidence)


def _transactions(evidence: Evidence) -> str | None:
    history = evidence.history
    told = len(history.txns) or (history.appends.kind != DATA).any()
    return None if told else "the history has no transactions"


def _named_transactions(evidence: Evidence) -> str | None:
    return _transactions(evidence) or (None if len(evidence.history.txns) else "no transaction has a name")


def _stored_transactions(evidence: Evidence) -> str | None:
    return _transactions(evidence) or _appends(evidence)


def _acked_transactions(evidence: Evidence) -> str | None:
    return _named_transactions(evidence) or _acked_appends(evidence)


def _read_transactions(evidence: Evidence) -> str | None:
    return _named_transactions(evidence) or _polls(evidence)


def _ordered_transactions(evidence: Evidence) -> str | None:
    return _named_transactions(evidence) or _appends(evidence)


def _ordered_read_transactions(evidence: Evidence) -> str | None:
    return _read_transactions(evidence) or _appends(evidence)


def _timed_markers(evidence: Evidence) -> str | None:
    if not evidence.history.append_times and not _transactions(evidence):
        return "append_times is false: nothing tells when a marker was written"
    return _transactions(evidence) or _polled_appends(evidence)


def _all(*finders: tuple[str, Callable[[Evidence], Found], Lacking]) -> dict[str, Finder]:
    return {name: Finder(name, find, lacking) for name, find, lacking in finders}


_SEQUENCED = _column("seq", "a sequence")

FINDERS: dict[str, Finder] = _all(
    ("append-reorder", order.append_reorder, _sends),
    ("key-reorder", order.key_reorder, _append_times),
    ("duplicate-append", copies.duplicate_append, _appends),
    ("lost-acked", copies.lost_acked, _acked_appends),
    ("inconsistent-offsets", offsets.inconsistent_offsets, _claims),
    ("committed-truncation", offsets.committed_truncation, _marks),
    ("replica-divergence", replicas.replica_divergence, _several_replicas),
    ("sequence-gap", sequences.sequence_gap, _SEQUENCED),
    ("sequence-regression", sequences.sequence_regression, _SEQUENCED),
    ("fenced-append", sequences.fenced_append, _column("epoch", "a producer epoch")),
    ("leader-epoch-regression", sequences.leader_epoch_regression, _column("lep", "a leader epoch")),
    ("offset-gap", offsets.offset_gap, _appends),
    ("realtime-inversion", realtime.realtime_inversion, _acked_appends),
    ("poll-skip", polls.poll_skip, _polled_appends),
    ("nonmonotonic-poll", polls.nonmonotonic_poll, _polls),
    ("int-poll-skip", polls.int_poll_skip, _polled_appends),
    ("int-nonmonotonic-poll", polls.int_nonmonotonic_poll, _polls),
    ("duplicate-delivery", reads.duplicate_delivery, _polls),
    ("aborted-read", reads.aborted_read, _polls),
    ("above-hw-read", reads.above_hw_read, _polls_and_marks),
    ("unseen", unread.unseen, _drained_acks),
    ("lost-write", unread.lost_write, _drained_offsets),
    ("e2e-key-reorder", endtoend.e2e_key_reorder, _met_keys),
    ("cross-partition-inversion", endtoend.cross_partition_inversion, _polled_sends),
    ("commit-regression", commits.commit_regression, _commits),
    ("lost-processing", commits.lost_processing, _drained_commits),
    ("premature-commit", commits.premature_commit, _committed_deliveries),
    ("out-of-order-processing", processing.out_of_order_processing, _starts),
    ("overlapping-processing", processing.overlapping_processing, _starts),
    ("duplicate-processing", processing.duplicate_processing, _ends),
    ("uncommitted-read", isolation.uncommitted_read, _timed_markers),
    ("precommitted-read", isolation.precommitted_read, _read_transactions),
    ("torn-transaction", atomicity.torn_transaction, _acked_transactions),
    ("open-transaction", atomicity.open_transaction, _stored_transactions),
    ("G1c-wr", cycles.g1c_wr, _read_transactions),
    ("G0", cycles.g0, _ordered_transactions),
    ("G1c", cycles.g1c, _ordered_read_transactions),
    ("nonmonotonic-send", operations.nonmonotonic_send, _sends),
    ("int-nonmonotonic-send", operations.int_nonmonotonic_send, _operations),
    ("int-send-skip", operations.int_send_skip, _operations),
    ("key-partition-split", operations.key_partition_split, _keyed_appends),
)
