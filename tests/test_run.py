"""``simulate``: what the header of a trace says, and what a broken law says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim import LawBroken, simulate
from sim.laws import Laws
from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.scenario import Scenario, from_dict
from sim.trace import Trace


def scenario(**changes: Any) -> Scenario:
    return from_dict({
        "title": "a run",
        "run": "2s",
        "settle": "2s",
        "brokers": {"count": 3},
        "topics": {"a": {"partitions": 2, "replication.factor": 3}, "b": {"partitions": 1, "replication.factor": 1}},
        "producers": {
            "app": {"workload": {"topic": "a", "rate": "20/s", "keys": {"names": ["x", "y"]}}},
            "other": {
                "client": "librdkafka",
                "workload": {"topic": "b", "sends": [{"at": "900ms", "value": "hello"}, {"at": "900ms"}]},
            },
        },
        "consumers": {"reader": {"topics": ["a"], "config": {"auto.offset.reset": "earliest"}}},
        "faults": [{"at": "1s", "reset": ["app", "brokers"]}],
        **changes,
    }, name="there.yaml")  # fmt: skip


@pytest.fixture(scope="module")
def trace() -> Trace:
    return simulate(scenario(), 3, check_laws=True)


def test_the_header_names_hosts_partitions_and_instances(trace: Trace) -> None:
    header = trace.header
    assert [(host["number"], host["name"], host["kind"]) for host in header["hosts"]] == [
        (0, "controller", "controller"),
        (1, "broker-1", "broker"), (2, "broker-2", "broker"), (3, "broker-3", "broker"),
        (4, "app", "producer"), (5, "other", "producer"), (6, "reader", "consumer"),
    ]  # fmt: skip
    assert [(part["number"], part["topic"], part["index"]) for part in header["partitions"]] == [
        (0, "a", 0), (1, "a", 1), (2, "b", 0),
    ]  # fmt: skip
    assert [(one["prod"], one["name"], one["host"], one["flavour"]) for one in header["producers"]] == [
        (0, "app", 4, "java"), (1, "other", 5, "librdkafka"),
    ]  # fmt: skip
    assert header["consumers"] == [
        {"name": "reader", "host": 6, "partitions": [0, 1], "options": {"auto.offset.reset": "earliest"}}
    ]


def test_the_header_says_what_was_asked_and_whether_it_came_to_rest(trace: Trace) -> None:
    header = trace.header
    assert (header["title"], header["seed"]) == ("a run", 3)
    assert (header["run_us"], header["settle_us"]) == (2_000_000, 2_000_000)
    assert header["faults"] == ["at: 1s, reset: [app, brokers]"]
    assert header["settled"] is True and header["unsettled"] == []
    assert header["digest"] == trace.digest()
    assert set(header["versions"]) == {"korder", "python", "simpy", "numpy"}


def test_keys_and_values_are_named_once(trace: Trace) -> None:
    assert trace.header["keys"] == {"app": ["x", "y"], "other": []}
    assert trace.header["values"] == {"1": {"0": "hello"}}


def test_every_send_has_its_place_in_its_lane(trace: Trace) -> None:
    sends = trace.sends
    mine = sends["prod"] == 0
    assert int(mine.sum()) == 40
    assert sends["i"][mine].tolist() == list(range(40))
    for partition in (0, 1):
        lane = sends["lane"][mine & (sends["partition"] == partition)]
        assert lane.tolist() == list(range(len(lane)))
    assert len({(key, part) for key, part in zip(sends["key"][mine], sends["partition"][mine], strict=True)}) == 2


def test_every_row_is_caused_by_an_earlier_one(trace: Trace) -> None:
    causes = trace.events["cause"]
    assert bool(np.all(causes < np.arange(trace.event_count)))
    assert bool(np.all(causes >= -1))
    assert bool(np.all(np.diff(trace.events["t_us"]) >= 0))


def test_a_run_that_has_not_come_to_rest_says_why() -> None:
    cut = {"at": "500ms", "cut": ["app", "brokers"], "for": "1s"}
    trace = simulate(scenario(faults=[cut], settle="0s", run="1s"), 1)
    assert trace.header["settled"] is False
    assert "producer app still has records to send or to report" in trace.header["unsettled"]


def test_a_broken_law_names_seed_time_and_the_command_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Laws, brokers: Any, controller: Any, acted: Any = None) -> None:
        if brokers[1].state.partitions[0].log.end > 3:
            raise LawBroken("INV-4", "a test says so")

    monkeypatch.setattr(Laws, "check", broken)
    with pytest.raises(LawBroken, match="law INV-4: a test says so") as caught:
        simulate(scenario(), 3, check_laws=True)
    assert caught.value.context.startswith("seed 3, event ")
    assert caught.value.context.endswith("Again: korder run there.yaml --seed 3 --check-laws")


def test_laws_are_not_checked_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Laws, brokers: Any, controller: Any, acted: Any = None) -> None:
        raise LawBroken("INV-4", "a test says so")

    monkeypatch.setattr(Laws, "check", broken)
    assert simulate(scenario(), 3).header["settled"]


def test_what_happens_to_a_host_changes_no_other_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws look at whom an event happened to alone, so nothing may have changed elsewhere."""
    check, looked = Laws.check, []

    def strict(self: Laws, brokers: Any, controller: Any, acted: Any = None) -> None:
        check(self, brokers, controller, acted)
        looked.append(acted)
        for number, broker in brokers.items():
            assert broker is self._brokers[number] and broker.state.applied == self._applied[number]
            for part in broker.state.partitions.values():
                seen = self._replicas[number][part.number]
                assert not self._differs(seen, part)
                assert not part.leading or seen.positions == tuple(view.end for view in part.views)

    monkeypatch.setattr(Laws, "check", strict)
    faults = [
        {"at": "500ms", "kill": "leader of a-0", "restart_after": "400ms"},
        {"at": "1200ms", "pause": "leader of a-1", "for": "300ms"},
        {"at": "1300ms", "shutdown": "broker 2", "restart_after": "300ms"},
        {"at": "1500ms", "add_partitions": "a", "to": 3},
        {"at": "1700ms", "power_off": "broker 1", "restart_after": "200ms"},
    ]
    member = {"topics": ["a"], "members": 2, "config": {"auto.offset.reset": "earliest"}, "processing": {}}
    simulate(scenario(faults=faults, consumers={"group": member}), 3, check_laws=True, tie_shuffle=1)
    assert {None, (0,), (1,), (2,), (3,)} == set(looked)


def test_a_record_that_the_application_sends_again_is_a_call_of_its_own() -> None:
    fault = {"do": "answer_error", "producer": "app", "partition": "b-0", "nth": 1, "error": "INVALID_RECORD"}
    sends = [{"at": "100ms", "value": "one"}, {"at": "1s"}]
    app = {"resend.after.failure": 1, "workload": {"topic": "b", "sends": sends}}
    trace = simulate(scenario(producers={"app": app}, faults=[fault], consumers={}), 1, check_laws=True)
    assert trace.header["resends"] == [[0, 2, 0, 0]]  # instance and call, and those that it repeats
    assert trace.sends["i"].tolist() == [0, 1, 2]
    assert trace.sends["size"][2] == trace.sends["size"][0]
    assert sorted(trace.sends["lane"].tolist()) == [0, 1, 2]
    assert trace.sends["t_us"][2] == next(row["t_us"] for row in trace.rows(Kind.FAIL))
    assert [row["offset"] for row in trace.rows(Kind.ACK)] == [0, 1]


# --- warm-up ----------------------------------------------------------------------------------------------------------
def warmed(**changes: Any) -> Trace:
    sends = [{"at": f"{at}ms", "partition": 0, "value": f"v{at}"} for at in (0, 10, 20)]
    app = {"warm.up": {"partition": "a-1"}, "workload": {"topic": "a", "sends": sends}}
    return simulate(scenario(run="8s", producers={"app": app}, consumers={}, **changes), 1, check_laws=True)


def test_a_warm_up_is_acknowledged_before_the_workload_begins() -> None:
    trace = warmed(faults=[])
    assert trace.header["values"]["0"] == {"0": "w", "1": "v0", "2": "v10", "3": "v20"}
    assert trace.sends["partition"].tolist() == [1, 0, 0, 0]
    acked = [row["t_us"] for row in trace.rows(Kind.ACK)]
    assert acked[0] < trace.sends["t_us"][1] and len(acked) == 4


def test_message_faults_count_requests_behind_the_warm_up() -> None:
    fault = {"do": "answer_error", "producer": "app", "partition": "a-0", "nth": 2, "error": "INVALID_RECORD"}
    trace = warmed(faults=[fault])
    refused = [(row["lo"], row["hi"], row["code"]) for row in trace.rows(Kind.FAIL)]
    assert refused == [(1, 2, ErrorCode.INVALID_RECORD)]
    strike = next(row for row in trace.rows(Kind.FAULT))
    attempt = trace.row(strike["cause"])
    assert (attempt["kind"], attempt["lo"]) == (Kind.ATTEMPT, 1)
    assert (strike["host"], strike["partition"], strike["n"]) == (4, 0, 0)
