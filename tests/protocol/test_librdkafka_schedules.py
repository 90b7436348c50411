"""Random faults against librdkafka's producer: laws that hold whatever happens on the way."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from tests.protocol.librdkafka_play import BEGIN_US, MS, S, prepare
from tests.protocol.scripted_cluster import Cluster

CODES = [
    ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.INVALID_RECORD, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
    ErrorCode.UNKNOWN_PRODUCER_ID, ErrorCode.TOPIC_AUTHORIZATION_FAILED, ErrorCode.KAFKA_STORAGE_ERROR,
]  # fmt: skip
COUNT = 12

STORED = [ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND]


def answers(do: str, codes: list[ErrorCode]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda at, part, code, attempt: {
            "do": do, "position": at, "partition": part, "error": int(code), "attempt": attempt
        },
        st.integers(1, COUNT), st.integers(0, 1), st.sampled_from(codes), st.integers(1, 3),
    )  # fmt: skip


refusals = st.one_of(answers("answer_error", CODES), answers("append_then_error", STORED))
losses = st.one_of(
    st.builds(lambda nth: {"do": "drop_request", "nth": nth, "earlier": "acked"}, st.integers(1, 20)),
    st.builds(lambda nth: {"do": "drop_response", "nth": nth, "after_answered": nth}, st.integers(1, 20)),
    st.builds(lambda nth: {"do": "swallow", "nth": nth}, st.integers(1, 20)),
    st.builds(lambda nth: {"do": "hold", "nth": nth, "until_us": BEGIN_US + 4 * S}, st.integers(1, 20)),
)
schedules = st.lists(st.one_of(refusals, losses), max_size=6)
moves = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1), st.integers(1, 3)), max_size=3)
windows = st.sampled_from([1, 2, 5])
batches = st.sampled_from([1, 3, 100])


def run(faults: list[dict[str, Any]], moved: list[tuple[int, int, int]], **options: Any) -> Cluster:
    calls = [(BEGIN_US + 7 * MS * (at // 3), at % 2, None) for at in range(2 * COUNT)]
    cluster = prepare(*faults, calls=calls, leaders={0: (1, 0), 1: (2, 0)}, socket_timeout_us=2 * S, **options)
    for after_ms, partition, leader in sorted(moved):
        cluster.run(BEGIN_US + after_ms * MS)
        cluster.move(partition, leader)
    return cluster.until_idle()


def check(cluster: Cluster, window: int) -> None:
    refused = [at for row in cluster.port.of(Kind.REFUSED) for at in range(row.lo, row.hi)]
    sent = cluster.role.sent()
    assert len(refused) + sum(lane.taken for lane in sent.lanes) == 2 * COUNT + 1
    for lane in sent.lanes:
        reports = Counter(position for position, _ in cluster.reports(lane.partition))
        assert reports == Counter(range(lane.taken)), "every accepted message is reported once"
        stored = Counter(cluster.log(lane.partition))
        for row in cluster.port.of(Kind.FAIL):
            if row.partition == lane.partition:
                assert not any(stored[at] for at in range(row.lo, row.hi)), "FAIL says: certainly not written"
    in_flight: Counter[int] = Counter()
    for row in cluster.port.of(Kind.ATTEMPT, Kind.RESPONSE):
        in_flight[row.conn] += 1 if row.kind == Kind.ATTEMPT else -1
        assert in_flight[row.conn] <= window


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(schedules, moves, windows, batches, st.booleans())
def test_every_accepted_message_is_reported_once_whatever_goes_wrong(
    faults: list[dict[str, Any]], moved: list[tuple[int, int, int]], window: int, batch: int, idempotent: bool
) -> None:
    cluster = run(faults, moved, window=window, batch_num_messages=batch, idempotent=idempotent)
    check(cluster, window)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(losses, max_size=5), windows, batches)
def test_lost_connections_alone_never_reorder_first_copies_of_a_plain_producer(
    faults: list[dict[str, Any]], window: int, batch: int
) -> None:
    """producer:8.3 (a swallowed request is another matter: those behind it are stored)."""
    lost = [fault for fault in faults if fault["do"].startswith("drop")]
    cluster = run(lost, [], window=window, batch_num_messages=batch)
    for partition in (0, 1):
        first_copies = list(dict.fromkeys(cluster.log(partition)))
        assert first_copies == sorted(first_copies)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(losses, max_size=5), windows, batches)
def test_losses_alone_leave_one_copy_of_each_with_idempotence(
    faults: list[dict[str, Any]], window: int, batch: int
) -> None:
    """producer:S59."""
    cluster = run(faults, [], window=window, batch_num_messages=batch, idempotent=True)
    cluster.run(cluster.now + 10 * S)
    for partition in (0, 1):
        reported = {position for position, code in cluster.reports(partition) if code == 0}
        log = cluster.log(partition)
        assert len(log) == len(set(log)) and log == sorted(log) and reported <= set(log)


@pytest.mark.parametrize("idempotent", [False, True])
def test_the_same_schedule_gives_the_same_rows(idempotent: bool) -> None:
    faults = [{"do": "swallow", "nth": 3}, {"do": "answer_error", "position": 2, "error": 19, "attempt": 1}]
    one, two = (run(faults, [(50, 0, 2)], window=2, idempotent=idempotent) for _ in range(2))
    assert [(row.kind, row.fields) for row in one.port.rows] == [(row.kind, row.fields) for row in two.port.rows]
