"""No value anywhere in a scenario gives anything but a scenario or one line: every place is tried with odd values."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.scenario import from_dict, from_text

WHOLE: dict[str, Any] = {
    "title": "All keys",
    "question": "q",
    "answer": "a",
    "kafka": "4.3",
    "seeds": "0..9",
    "run": "30s",
    "settle": "10s",
    "brokers": {"count": 3, "config": {"replica.lag.time.max.ms": 30000}},
    "controller": {"voters": 3, "config": {"broker.session.timeout.ms": 9000}},
    "topics": {
        "payments": {"partitions": 3, "replication.factor": 3, "config": {"min.insync.replicas": 2}},
        "audit": {"partitions": 1, "assignment": [[2, 1]]},
    },
    "producers": {
        "billing": {
            "client": "java",
            "config": {"acks": "all", "compression.type": "lz4"},
            "instances": 1,
            "resend.after.failure": 1,
            "warm.up": {"partition": "payments-0"},
            "compression.ratio": "40%",
            "workload": {
                "topic": "payments", "rate": "5/s", "arrivals": "burst", "burst.size": 3, "keys": {"count": 3,
                "skew": "zipf"},
                "value.bytes": [1, 2], "partition": 0, "start": "1s", "stop": "9s", "count": 9,
            },
        },
        "shipping": {
            "client": "librdkafka",
            "workload": [{"topic": "audit", "sends": [{"at": "1s", "key": "k", "partition": 0, "value": "T1"}]}],
        },
    },
    "consumers": {
        "ledger": {"topics": ["payments"], "config": {"auto.offset.reset": "earliest"}, "start": "1s", "members": 1},
        "auditor": {"client": "librdkafka", "partitions": ["audit-0"]},
    },
    "network": {
        "latency": {"distribution": "lognormal", "median": "1ms", "p99": "5ms"},
        "broker.latency": {"distribution": "uniform", "low": "1ms", "high": "5ms"},
        "controller.latency": {"distribution": "constant", "value": "1ms"},
    },
    "faults": [
        {"at": "5s", "kill": "leader of payments-0", "restart_after": "8s"},
        {"rate": "2/min", "from": "1s", "until": "9s", "slow": ["billing", "brokers"], "for": "1s", "by": "5ms",
         "one_way": True},
        {"at": "5s", "lossy": ["billing", "brokers"], "for": "1s", "percent": "5%"},
        {"at": "5s", "add_partitions": "payments", "to": 5},
        {"at": "5s", "move_controller": "controller", "outage": "1s"},
        {"at": "5s", "rolling_restart": "brokers", "downtime": "1s", "every": "2s"},
        {"at": "5s", "restart_producer": "billing", "after": "1s"},
        {"at": "5s", "preferred_election": "all"},
        {"at": "5s", "unclean_election": "audit-0"},
        {"do": "answer_error", "producer": "billing", "partition": "payments-0", "nth": [1], "error": "INVALID_RECORD"},
        {"do": "delay_response", "producer": "billing", "partition": "payments-0", "value": "billing/1", "attempt": 1,
         "delay": "1s"},
        {"do": "drop_response", "producer": "billing", "partition": "payments-0", "nth": 1, "after_answered": 2,
         "at": "1s"},
        {"do": "drop_request", "producer": "billing", "partition": "payments-0", "nth": 1, "earlier": "acked"},
        {"do": "hold_request", "producer": "billing", "partition": "payments-0", "nth": 1, "release": {"callbacks": 1}},
    ],
    "expect": {"append-reorder": "never", "lost-acked": {"max": 0}, "unseen": {"rate": "< 1 %"}},
}  # fmt: skip

ODD: list[Any] = [
    None, True, -1, 0, 10**18, 0.5, float("nan"), "", " ", "x", "0s", "999h", "0/s", "1e9", "..", "\n\0",
    "x" * 10_000, [], [[]],
    [None], ["x", "x"], {}, {"x": 1}, {"config": {"x": []}}, "brokers", "everybody", "broker 99", "payments-99",
    "leader of x",
]  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(WHOLE)
    at: Any = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return data


def check(data: dict[str, Any]) -> None:
    """Taken, or refused in one line with place, rule and way out."""
    try:
        from_dict(data)
    except InputError as error:
        assert str(error).isprintable() and len(str(error)) < 2000
        assert error.rule and error.way_out and error.place


def test_the_scenario_with_all_keys_is_good() -> None:
    assert from_dict(copy.deepcopy(WHOLE)).title == WHOLE["title"]


@pytest.mark.parametrize("path", list(paths(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_any_odd_value_in_any_place_is_taken_or_refused_in_one_line(path: tuple[Any, ...]) -> None:
    for value in ODD:
        check(changed(path, value))


@pytest.mark.parametrize(
    "path", [path for path in paths(WHOLE) if isinstance(path[-1], str)], ids=lambda path: ".".join(map(str, path))
)
def test_any_key_may_be_missing_or_misspelt(path: tuple[Any, ...]) -> None:
    data = changed(path, None)
    at: Any = data
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    check(copy.deepcopy(data))
    at[f"{path[-1]}x"] = 1
    check(data)


def test_keys_that_are_no_strings_are_refused() -> None:
    for place in ("topics", "producers", "expect", "network"):
        data = copy.deepcopy(WHOLE)
        data[place][7] = data[place].pop(next(iter(data[place])))
        with pytest.raises(InputError) as refused:
            from_dict(data)
        assert str(refused.value).isprintable() and refused.value.way_out


TEXT = """\
topics: {payments: {partitions: 3, replication.factor: 3}}
producers:
  billing: {config: &c {acks: all}, workload: {topic: payments, rate: 5/s}}
faults:
  - {at: 5s, kill: broker 1}
"""


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(TEXT)),
    st.integers(0, 6),
    st.text(alphabet="{}[]:,-&*!|>'\"%@`#?\n\t ab0.~<=\0\x85\ufeff", max_size=6),
)
def test_a_file_with_a_piece_torn_out_is_read_or_refused_in_one_line(at: int, length: int, put: str) -> None:
    try:
        from_text(TEXT[:at] + put + TEXT[at + length :])
    except InputError as error:
        assert str(error).isprintable() and error.rule and error.way_out
