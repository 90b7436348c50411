"""The canonical form: the same run, the same form; written back, the same scenario."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from sim.scenario import (
    FINDING_NAMES,
    compile_plan,
    digest_part,
    from_text,
    load,
    scenario_schema,
    schema_text,
    template,
    to_yaml,
)

ROOT = Path(__file__).resolve().parents[2]
ONE = """\
title: One
topics: {payments: {partitions: 3, replication.factor: 3}}
producers: {billing: {config: {acks: all}, workload: {topic: payments, rate: 120/min, value.bytes: 200}}}
run: 60s
faults: [{at: 5s, kill: broker 1}]
expect: {lost-acked: never}
"""
OTHER = """\
# the same run in other words
expect: {append-reorder: sometimes}
run: 1m
seeds: [1, 2]
faults:
  - kill: "broker   1"
    at: 5000ms
producers:
  billing:
    client: java
    config:
      enable.idempotence: true
      acks: -1
    workload:
      - {value.bytes: [200, 200], rate: 2/s, topic: payments}
topics:
  payments:
    replication.factor: 3
    partitions: 3
title: Another
"""


def form(text: str) -> str:
    return json.dumps(digest_part(compile_plan(from_text(text)).resolved), sort_keys=True)


def test_the_canonical_form_does_not_depend_on_how_the_file_is_written() -> None:
    assert form(ONE) == form(OTHER)


@pytest.mark.parametrize(
    "change", [("60s", "61s"), ("120/min", "121/min"), ("acks: all", "acks: 1"), ("broker 1", "broker 2")]
)
def test_the_canonical_form_differs_where_the_run_does(change: tuple[str, str]) -> None:
    assert form(ONE) != form(ONE.replace(*change))


def test_the_canonical_form_holds_only_plain_json_and_every_setting() -> None:
    resolved = compile_plan(from_text(ONE)).resolved
    assert json.loads(json.dumps(resolved)) == resolved
    assert resolved["producers"][0]["settings"]["delivery_timeout_us"] == 120_000_000
    assert resolved["broker_settings"]["replica_lag_time_max_us"] == 30_000_000
    assert resolved["about"]["expect"] == {"lost-acked": "never"}
    assert resolved["options"]["producers.billing"]["enable.idempotence"] == "true"


@pytest.mark.parametrize("text", [ONE, OTHER, template(), (ROOT / "scenarios" / "payments_failover.yaml").read_text()])
def test_a_scenario_written_back_is_the_same_scenario(text: str) -> None:
    again = to_yaml(from_text(text))
    assert form(again) == form(text)
    assert to_yaml(from_text(again)) == again


def test_the_source_in_the_header_of_a_trace_is_enough_to_run_it_again() -> None:
    from sim.scenario import from_dict

    resolved = compile_plan(from_text(ONE)).resolved
    again = compile_plan(from_dict(json.loads(json.dumps(resolved))["source"])).resolved
    assert again == resolved


def test_a_scenario_travels_to_another_process() -> None:
    scenario = from_text(ONE)
    again = pickle.loads(pickle.dumps(scenario))
    assert compile_plan(again).resolved == compile_plan(scenario).resolved
    assert again.with_overrides(["run=5s", "faults=[]"]).run == 5_000_000


def test_option_files_are_read_in_and_inline_options_override_them(tmp_path: Path) -> None:
    (tmp_path / "producer.properties").write_text(
        "bootstrap.servers=kafka:9092\nacks=1\nlinger.ms : 20\nsasl.jaas.config=user=u password=p\n# end\n"
    )
    path = tmp_path / "scenario.yaml"
    path.write_text(ONE.replace("{acks: all}", "{file: producer.properties, acks: all}"))
    config = load(path).producers["billing"].config
    assert config == {
        "bootstrap.servers": "kafka:9092", "acks": "all", "linger.ms": "20", "sasl.jaas.config": "[hidden]",
    }  # fmt: skip
    path.write_text(ONE.replace("{acks: all}", "producer.properties"))
    assert load(path).producers["billing"].config["acks"] == "1"


def test_secrets_of_an_option_file_are_in_no_form_that_leaves_korder(tmp_path: Path) -> None:
    secrets = (
        "ssl.keystore.password=hunter2\nsasl.jaas.config=x hunter2\nssl.key.password=hunter2\nsasl.password=hunter2\n"
    )
    (tmp_path / "p.properties").write_text(secrets)
    (tmp_path / "s.yaml").write_text(ONE.replace("{acks: all}", "p.properties"))
    scenario = load(tmp_path / "s.yaml")
    plan = compile_plan(scenario)
    assert "hunter2" not in to_yaml(scenario) + json.dumps(plan.resolved) + repr(plan) + repr(scenario)


def test_an_option_file_in_latin_1_is_read_as_java_reads_it(tmp_path: Path) -> None:
    (tmp_path / "p.properties").write_bytes(b"# r\xe9glages\nacks=all\n")
    (tmp_path / "s.yaml").write_text(ONE.replace("{acks: all}", "p.properties"))
    assert load(tmp_path / "s.yaml").producers["billing"].config == {"acks": "all"}


def test_brokers_topics_and_consumers_take_option_files_too(tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text("broker.session.timeout.ms=5000\nlog.dirs=/x\n")
    (tmp_path / "s.yaml").write_text(ONE + "brokers: {count: 3, config: server.properties}\n")
    assert compile_plan(load(tmp_path / "s.yaml")).controller_settings.session_timeout_us == 5_000_000


def test_the_checked_in_schema_is_current() -> None:
    """Written anew by ``korder schema > scenarios/scenario.schema.json``."""
    assert (ROOT / "scenarios" / "scenario.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_describes_every_key() -> None:
    schema = scenario_schema()
    for name, part in {"Scenario": schema, **schema["$defs"]}.items():
        for key, field in part.get("properties", {}).items():
            described = "description" in field or "$ref" in field or key in VERB_KEYS
            assert described, f"{name}.{key}"


VERB_KEYS = (
    "kill", "power_off", "shutdown", "pause", "slow_disk", "cut", "slow", "lossy", "reset", "start", "restart_producer",
    "rolling_restart",
)  # fmt: skip


def test_names_of_findings_are_those_of_the_exchange_format() -> None:
    assert len(FINDING_NAMES) == len(set(FINDING_NAMES)) == 41
    assert {"append-reorder", "sequence-regression", "int-nonmonotonic-poll", "G1c-wr", "commit-regression"} <= set(
        FINDING_NAMES
    )
