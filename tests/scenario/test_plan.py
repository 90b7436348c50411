"""A scenario as a plan: numbers of hosts and partitions, replicas, workloads, faults."""

from __future__ import annotations

from typing import Any

import pytest

from sim.errors import InputError
from sim.plan import Action, Distribution, MessageFault, Plan, Target
from sim.protocol.error_codes import ErrorCode
from sim.scenario import bundled, compile_plan, from_dict, from_text, load, template


def base(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "topics": {
            "payments": {"partitions": 3, "replication.factor": 3},
            "audit": {"partitions": 2, "replication.factor": 1},
        },
        "producers": {"billing": {"workload": {"topic": "payments", "rate": "5/s"}}},
        "consumers": {"ledger": {"topics": ["payments"]}},
    }
    return {**data, **changes}


def plan_of(**changes: Any) -> Plan:
    return compile_plan(from_dict(base(**changes)))


def action(**fault: Any) -> Action:
    return plan_of(faults=[{"at": "5s", **fault}]).actions[0]


def message(**fault: Any) -> MessageFault:
    return plan_of(faults=[{"producer": "billing", "partition": "payments-1", **fault}]).message_faults[0]


def workload(**changes: Any) -> Any:
    producers = {"billing": {"workload": {"topic": "payments", **changes}}}
    return plan_of(producers=producers).producers[0].workloads[0]


def test_hosts_are_numbered_controller_brokers_producers_consumers() -> None:
    plan = plan_of(
        brokers={"count": 4},
        producers={
            "a": {"instances": 2, "workload": {"topic": "audit", "rate": "1/s"}},
            "b": {"workload": {"topic": "audit", "rate": "1/s"}},
        },
    )
    assert [(producer.host, producer.name) for producer in plan.producers] == [(5, "a-1"), (6, "a-2"), (7, "b")]
    assert [(reader.host, reader.name) for reader in plan.readers] == [(8, "ledger")]


def test_partitions_are_numbered_topic_by_topic() -> None:
    assert [topic.partitions for topic in plan_of().topics] == [(0, 1, 2), (3, 4)]


def test_the_first_partition_is_led_by_broker_1_and_leaders_go_round() -> None:
    assert [topic.replicas for topic in plan_of().topics] == [((1, 2, 3), (2, 3, 1), (3, 1, 2)), ((1,), (2,))]


def test_an_assignment_is_taken_as_it_stands() -> None:
    plan = plan_of(topics={"payments": {"assignment": [[3, 1], [2, 3]]}})
    assert plan.topics[0].replicas == ((3, 1), (2, 3))
    assert plan.topics[0].partitions == (0, 1)


def test_a_topic_without_factor_has_as_many_replicas_as_kafka_gives_it() -> None:
    assert plan_of(topics={"payments": {}}).topics[0].replicas == ((1,),)
    brokers = {"config": {"default.replication.factor": 2}}
    assert plan_of(topics={"payments": {}}, brokers=brokers).topics[0].replicas == ((1, 2),)


def test_min_insync_replicas_is_capped_by_the_replicas_of_its_topic() -> None:
    """broker:SC-52"""
    plan = plan_of(brokers={"config": {"min.insync.replicas": 2}})
    assert [topic.settings.min_insync_replicas for topic in plan.topics] == [2, 1]
    assert plan.resolved["notes"]["topics.audit"] == ["min.insync.replicas=2 counts as 1, the number of replicas"]


def test_a_rate_alone_is_constant_arrivals_until_the_end_of_run() -> None:
    made = workload(rate="30/min")
    assert (made.arrivals, made.rate_per_s, made.start_us, made.stop_us) == ("constant", 0.5, 0, 30_000_000)
    assert (made.key_count, made.value_bytes) == (0, (100, 100))


def test_bursts_keys_sizes_and_windows_are_kept() -> None:
    made = workload(
        rate="2/s", arrivals="burst", **{"burst.size": 10, "value.bytes": [10, 20]}, keys={"names": ["a", "b"]},
        start="1s", stop="9s", count=7, partition=2,
    )  # fmt: skip
    assert (made.arrivals, made.burst_size, made.count, made.partition_index) == ("burst", 10, 7, 2)
    assert (made.key_names, made.key_count, made.value_bytes) == (("a", "b"), 2, (10, 20))
    assert (made.start_us, made.stop_us) == (1_000_000, 9_000_000)


def test_no_keys_may_be_said_in_words() -> None:
    assert workload(rate="2/s", keys="none").key_count == 0


def test_explicit_sends_come_by_time_and_equal_times_in_file_order() -> None:
    made = workload(
        sends=[{"at": "20ms", "value": "T2"}, {"at": "10ms", "key": "a"}, {"at": "20ms", "partition": 1}], partition=2
    )
    assert made.explicit == ((10_000, "a", 2, None), (20_000, None, 2, "T2"), (20_000, None, 1, None))
    assert made.arrivals == "explicit"


def test_a_producer_may_have_several_workloads_re_sends_and_a_warm_up() -> None:
    billing = {
        "workload": [{"topic": "payments", "rate": "1/s"}, {"topic": "audit", "rate": "2/s"}],
        "resend.after.failure": 2,
        "warm.up": {"partition": "audit-1"},
    }
    producer = plan_of(producers={"billing": billing}).producers[0]
    assert [made.topic for made in producer.workloads] == [0, 1]
    assert (producer.resend_after_failure, producer.warm_up, producer.warm_up_partition) == (2, True, 4)


def test_a_foreign_partitioner_needs_partitions_and_takes_them() -> None:
    config = {"partitioner.class": "com.acme.Mine"}
    ready = {"billing": {"config": config, "workload": {"topic": "payments", "rate": "1/s", "partition": 1}}}
    settings = plan_of(producers=ready).producers[0].settings
    assert settings.partitioner == "custom"


def test_compression_makes_batches_smaller_only_where_a_ratio_is_given() -> None:
    config = {"compression.type": "lz4"}
    told = {"billing": {"config": config, "compression.ratio": "40%", "workload": {"topic": "payments", "rate": "1/s"}}}
    assert plan_of(producers=told).producers[0].settings.compression_ratio_percent == 40
    del told["billing"]["compression.ratio"]
    plan = plan_of(producers=told)
    assert plan.producers[0].settings.compression_ratio_percent == 100
    assert "sizes are counted uncompressed" in plan.resolved["notes"]["producers.billing"][0]


def test_readers_have_topics_or_partitions() -> None:
    readers = plan_of(
        consumers={"a": {"topics": ["audit", "payments"]}, "b": {"partitions": ["audit-1", "payments-0"]}}
    )
    assert [(reader.topics, reader.partitions) for reader in readers.readers] == [((1, 0), None), ((0, 1), (4, 0))]


def test_latencies_have_defaults_and_the_controller_follows_the_brokers() -> None:
    links = plan_of().links
    assert links["client-broker"].latency == Distribution("lognormal", {"median": 500, "p99": 5_000})
    assert links["broker-broker"].latency == Distribution("lognormal", {"median": 300, "p99": 3_000})
    assert links["broker-controller"] == links["broker-broker"]
    network = {
        "latency": {"distribution": "constant", "value": "20ms"},
        "broker.latency": {"distribution": "constant", "value": "0s"},
    }
    links = plan_of(network=network).links
    assert links["client-broker"].latency == Distribution("constant", {"value": 20_000})
    assert links["broker-controller"].latency == Distribution("constant", {"value": 0})


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("broker 2", Target("host", number=2)),
        ("leader of payments-2", Target("leader", number=0, partition=2)),
        ("follower of audit-1", Target("follower", number=0, partition=4)),
        ("brokers", Target("brokers")),
    ],
)
def test_targets_of_broker_faults_in_words(words: str, target: Target) -> None:
    assert action(kill=words).target == target


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("billing", Target("host", number=4)), ("ledger", Target("host", number=5)), ("clients", Target("clients")),
        ("everybody", Target("everybody")), ("controller", Target("controller")),
    ],
)  # fmt: skip
def test_targets_of_links_in_words(words: str, target: Target) -> None:
    made = action(cut=["broker 1", words], **{"for": "2s"})
    assert made.parameters == {"to": target, "for_us": 2_000_000, "one_way": False}


@pytest.mark.parametrize(
    ("fault", "do", "parameters"),
    [
        ({"kill": "broker 1"}, "kill", {"restart_after_us": None}),
        ({"power_off": "broker 1", "restart_after": "3s"}, "power_off", {"restart_after_us": 3_000_000}),
        ({"shutdown": "broker 1", "restart_after": "3s"}, "shutdown", {"restart_after_us": 3_000_000}),
        ({"pause": "billing", "for": "3s"}, "pause", {"for_us": 3_000_000}),
        ({"slow_disk": "broker 1", "for": "3s", "by": "5ms"}, "slow_disk", {"for_us": 3_000_000, "by_us": 5_000}),
        ({"preferred_election": "payments"}, "preferred_election", {"topic": 0}),
        ({"preferred_election": "all"}, "preferred_election", {"topic": None}),
        ({"unclean_election": "audit-0"}, "unclean_election", {"partition": 3}),
        ({"add_partitions": "audit", "to": 5}, "add_partitions", {"topic": 1, "count": 5, "to": 5}),
        ({"move_controller": "controller", "outage": "2s"}, "move_controller", {"outage_us": 2_000_000}),
        ({"restart_producer": "billing", "after": "2s"}, "restart_producer", {"after_us": 2_000_000, "resend": False}),
        ({"start": "broker 1"}, "restart", {}),
        (
            {"rolling_restart": "brokers", "downtime": "2s", "every": "5s"}, "rolling_restart",
            {"downtime_us": 2_000_000, "every_us": 5_000_000},
        ),
    ],
)  # fmt: skip
def test_every_verb_has_the_parameters_of_the_plan(fault: dict[str, Any], do: str, parameters: dict[str, Any]) -> None:
    made = action(**fault)
    assert (made.do, made.at_us, made.parameters) == (do, 5_000_000, parameters)


@pytest.mark.parametrize(
    ("fault", "extra"),
    [
        ({"slow": ["clients", "broker 1"], "for": "1s", "by": "5ms"}, {"by_us": 5_000}),
        ({"lossy": ["clients", "broker 1"], "for": "1s", "percent": "5%"}, {"percent": 5, "parts_per_million": 50_000}),
        (
            {"lossy": ["clients", "broker 1"], "for": "1s", "percent": "0.5%"},
            {"percent": 0.5, "parts_per_million": 5_000},
        ),
        ({"cut": ["clients", "broker 1"], "for": "1s", "one_way": True}, {"one_way": True}),
    ],
)
def test_faults_of_links_have_both_ends_and_a_length(fault: dict[str, Any], extra: dict[str, Any]) -> None:
    made = action(**fault)
    assert made.target == Target("clients")
    assert made.parameters == {"to": Target("host", number=1), "for_us": 1_000_000, "one_way": False, **extra}


def test_a_random_fault_has_a_rate_and_a_window_that_ends_with_the_run() -> None:
    made = plan_of(faults=[{"rate": "2/min", "reset": ["clients", "brokers"], "from": "4s"}]).actions[0]
    assert (made.rate_per_s, made.from_us, made.until_us) == (2 / 60, 4_000_000, 30_000_000)
    assert made.parameters == {"to": Target("brokers")}


def test_faults_keep_their_position_and_their_words() -> None:
    faults = [
        {"do": "swallow", "producer": "billing", "partition": "payments-0", "nth": 2},
        {"at": "5s", "kill": "leader of payments-0", "restart_after": "8s"},
    ]
    plan = plan_of(faults=faults)
    assert plan.message_faults[0].index == 0
    assert plan.actions[0].index == 1
    assert plan.actions[0].text == "at: 5s, kill: leader of payments-0, restart_after: 8s"


def test_message_faults_speak_the_vocabulary_of_the_recorded_runs() -> None:
    made = message(do="drop_response", nth=[3, 1], after_answered=5)
    assert (made.do, made.nth, made.after_answered, made.producer, made.partition) == ("drop_response", (1, 3), 5, 4, 1)
    assert message(do="drop_request", nth=1, earlier="acked").earlier == "acked"
    assert (
        message(do="answer_error", value="billing/1", attempt=2, error="INVALID_RECORD").error
        == ErrorCode.INVALID_RECORD
    )
    assert message(do="append_then_error", value="all", error="REQUEST_TIMED_OUT").attempt is None
    assert message(do="delay_response", nth=1, delay="300ms").delay_us == 300_000
    held = message(do="hold_request", nth=1, release={"callbacks": 4, "after": "1s"})
    assert (held.release_callbacks, held.release_after_us) == (4, 1_000_000)
    held = message(do="hold_request", nth=1)
    assert (held.release_callbacks, held.release_after_us) == (8, 200_000)


def test_a_message_fault_may_say_from_when_in_two_ways() -> None:
    assert message(do="swallow", nth=1, at="12s").from_us == 12_000_000
    made = message(do="swallow", nth=1, **{"from": "1s"}, until="2s")
    assert (made.from_us, made.until_us) == (1_000_000, 2_000_000)


def test_one_producer_and_one_partition_need_not_be_named() -> None:
    plan = plan_of(topics={"payments": {}}, faults=[{"do": "swallow", "nth": 1}])
    assert (plan.message_faults[0].producer, plan.message_faults[0].partition) == (4, 0)


def test_one_of_several_instances_must_be_named() -> None:
    producers = {"billing": {"instances": 2, "workload": {"topic": "payments", "rate": "1/s"}}}
    with pytest.raises(InputError, match="'billing' is 2 producers; name one of them, as billing-1"):
        plan_of(producers=producers, faults=[{"at": "1s", "restart_producer": "billing"}])
    made = plan_of(producers=producers, faults=[{"at": "1s", "restart_producer": "billing-2"}])
    assert made.actions[0].target == Target("host", number=5)


def test_an_implicit_effect_of_options_is_told() -> None:
    producers = {"billing": {"config": {"acks": 1}, "workload": {"topic": "payments", "rate": "1/s"}}}
    assert plan_of(producers=producers).resolved["notes"]["producers.billing"] == [
        "acks=1 switched idempotence off: the idempotent producer needs acks=all"
    ]


def test_the_template_loads_and_compiles() -> None:
    plan = compile_plan(from_text(template(), "new.yaml"))
    assert plan.producers and plan.readers and plan.actions


def test_the_plan_is_made_once() -> None:
    scenario = from_dict(base())
    assert compile_plan(scenario) is compile_plan(scenario)


def test_every_bundled_scenario_compiles_and_asks_and_answers() -> None:
    assert "payments_failover" in bundled()
    for name in bundled():
        scenario = load(name)
        assert compile_plan(scenario).producers
        assert scenario.title and scenario.question and scenario.answer and scenario.expect
