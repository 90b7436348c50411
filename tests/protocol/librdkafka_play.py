"""A librdkafka producer in the scripted cluster: one warm-up record, acknowledged, then the records of the test.

The warm-up is lane position 0 of partition 0, so the records of the test are 1, 2, 3, ... as in the reference's tables.
"""

from __future__ import annotations

from typing import Any

from sim.protocol.librdkafka_producer import LibrdkafkaProducer
from sim.protocol.settings import LibrdkafkaProducerSettings, Rules
from tests.protocol.scripted_cluster import Cluster, ListedSends, burst

MS = 1_000
S = 1_000 * MS
BEGIN_US = 2 * S

BASE = {
    "linger_us": 0, "batch_num_messages": 1, "retry_backoff_us": 50 * MS, "retry_backoff_max_us": 50 * MS,
    "reconnect_backoff_us": 20 * MS, "reconnect_backoff_max_us": 20 * MS, "socket_timeout_us": 10 * S,
    "message_timeout_us": 30 * S,
}  # fmt: skip


def settings(idempotent: bool, window: int, **changes: Any) -> LibrdkafkaProducerSettings:
    return LibrdkafkaProducerSettings(**{**BASE, "idempotence": idempotent, "max_in_flight": window, **changes})


def prepare(
    *faults: dict[str, Any],
    window: int = 5,
    idempotent: bool = False,
    count: int = 8,
    calls: Any = None,
    leaders: dict[int, tuple[int, int]] | None = None,
    warm: bool = True,
    down: tuple[int, ...] = (),
    **changes: Any,
) -> Cluster:
    """The cluster with its producer, not run yet. ``calls``: instead of *count* records to partition 0 in a burst."""
    cluster = Cluster(leaders=leaders or {0: (1, 0)}, faults=list(faults), count_from=1 if warm else 0)
    cluster.down.update(down)
    own = calls if calls is not None else burst(count, at=BEGIN_US)
    sends = ListedSends([*burst(1 if warm else 0), *own])
    resends = changes.pop("resend_after_failure", 0)
    options = settings(idempotent, window, **changes)
    topics = {0: tuple(sorted(cluster.leaders))}
    role = LibrdkafkaProducer(cluster.port, options, Rules(), 0, sends, (1, 2, 3), topics, resends)
    return cluster.start(role)


def play(*faults: dict[str, Any], **options: Any) -> Cluster:
    """Run until everything is reported."""
    return prepare(*faults, **options).until_idle()


def refused(position: int | str, error: int, *, attempt: int | None = 1, partition: int = 0) -> dict[str, Any]:
    """The record at *position* is answered *error* and not appended (``attempt=None``: every time)."""
    fault = {"do": "answer_error", "position": position, "partition": partition, "error": error}
    return fault if attempt is None else {**fault, "attempt": attempt}


def stored_but(position: int, error: int, attempt: int = 1) -> dict[str, Any]:
    return {"do": "append_then_error", "position": position, "error": error, "attempt": attempt}


def window_lost(first: int = 1) -> dict[str, Any]:
    """The request and all behind it die with the connection, nothing appended."""
    return {"do": "drop_request", "nth": first, "earlier": "acked"}


def answers_lost(last: int, first: int = 1) -> dict[str, Any]:
    """Requests *first*..*last* are appended, their answers die with the connection."""
    return {"do": "drop_response", "nth": first, "after_answered": last}


def delivered(*positions: int) -> list[tuple[int, int]]:
    return [(position, 0) for position in positions]
