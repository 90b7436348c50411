"""librdkafka asks once a second who leads a partition whose leader is down while messages wait for it.

Source: ``rd_kafka_topic_scan_all``, ``rd_kafka_toppar_needs_query``; seen on real Kafka in scripts ``leader_killed_*``.
"""

from __future__ import annotations

import pytest

from sim import simulate
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from sim.trace import Trace


def killed(acks: str) -> Trace:
    """The leader dies at 7 s with nothing on the wire, and four records are sent at 7.5 s."""
    sends = [{"at": "0ms", "value": "a"}, *({"at": "7500ms", "value": f"b{n}"} for n in range(4))]
    scenario = from_dict({
        "run": "30s", "brokers": {"count": 3, "config": {"broker.session.timeout.ms": 3000,
                                                         "broker.heartbeat.interval.ms": 500}},
        "topics": {"t": {"partitions": 1, "assignment": [[1, 2, 3]]}},
        "producers": {"p": {"client": "librdkafka", "config": {"acks": acks, "enable.idempotence": False},
                            "workload": {"topic": "t", "sends": sends}}},
        "faults": [{"at": "7s", "kill": "broker 1"}],
    }, name="killed")  # fmt: skip
    return simulate(scenario, 0, check_laws=True)


def times(trace: Trace, kind: Kind) -> list[int]:
    found: list[int] = trace.events["t_us"][trace.events["kind"] == kind].tolist()
    return found


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_the_new_leader_is_found_within_a_second_of_being_known(acks: str) -> None:
    trace = killed(acks)
    elected, known = max(times(trace, Kind.LEADER)), max(times(trace, Kind.METADATA))
    assert elected < known < elected + 1_500_000
    attempts = trace.events["kind"] == Kind.ATTEMPT
    assert set(trace.events["offset"][attempts & (trace.events["t_us"] > 7_000_000)].tolist()) == {2}  # the broker
    written = trace.events["hi"][trace.events["kind"] == Kind.APPEND]
    assert int(written.max()) == 5  # all that was sent is in the log
