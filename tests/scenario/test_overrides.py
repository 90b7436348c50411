"""``--set KEY=VALUE``: paths with dotted option names, bare options, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sim.errors import InputError
from sim.protocol.settings import JavaProducerSettings
from sim.scenario import Scenario, compile_plan, from_text
from sim.scenario.resolved import source

TEXT = """\
topics:
  payments: {partitions: 3, replication.factor: 3, config: {min.insync.replicas: 2}}
  payments.audit: {replication.factor: 3}
producers:
  billing: {config: {acks: all}, workload: {topic: payments, rate: 5/s}}
  shipping: {client: librdkafka, config: {delivery.timeout.ms: 9000}, workload: [{topic: payments, rate: 1/s}]}
consumers:
  ledger: {topics: [payments]}
network: {latency: {distribution: lognormal, median: 500us, p99: 5ms}}
faults:
  - {at: 5s, kill: leader of payments-0, restart_after: 8s}
  - {do: swallow, producer: billing, partition: payments-0, nth: 1}
expect: {append-reorder: never}
"""


@pytest.fixture
def scenario() -> Scenario:
    return from_text(TEXT, "file.yaml")


def test_an_option_of_one_client_is_reached_through_its_dots(scenario: Scenario) -> None:
    changed = scenario.with_overrides(["producers.billing.config.enable.idempotence=false"])
    assert changed.producers["billing"].config == {"acks": "all", "enable.idempotence": "false"}
    assert changed.producers["shipping"].config == scenario.producers["shipping"].config


@pytest.mark.parametrize(
    ("setting", "keys", "value"),
    [
        ("run=12s", ["run"], "12s"),
        ("brokers.count=5", ["brokers", "count"], 5),
        ("topics.payments.partitions=7", ["topics", "payments", "partitions"], 7),
        ("topics.payments.audit.partitions=7", ["topics", "payments.audit", "partitions"], 7),
        ("topics.payments.replication.factor=2", ["topics", "payments", "replication.factor"], 2),
        ("producers.billing.workload.rate=9/s", ["producers", "billing", "workload", 0, "rate"], "9/s"),
        ("producers.billing.workload.0.rate=9/s", ["producers", "billing", "workload", 0, "rate"], "9/s"),
        ("producers.shipping.workload[0].rate=9/s", ["producers", "shipping", "workload", 0, "rate"], "9/s"),
        ("producers.billing.workload.keys.count=9", ["producers", "billing", "workload", 0, "keys", "count"], 9),
        ("network.latency.median=1ms", ["network", "latency", "median"], "1ms"),
        ("controller.voters=1", ["controller", "voters"], 1),
        ("faults[0].at=6s", ["faults", 0, "at"], "6s"),
        ("faults.1.nth=[2, 3]", ["faults", 1, "nth"], [2, 3]),
        ("faults=[]", ["faults"], []),
        ("seeds=3..5", ["seeds"], "3..5"),
        ("expect.lost-acked={max: 3}", ["expect", "lost-acked", "max"], 3),
        ("consumers.ledger.start=1s", ["consumers", "ledger", "start"], "1s"),
        ("title=", ["title"], ""),
    ],
)
def test_a_path_changes_one_thing(scenario: Scenario, setting: str, keys: list[Any], value: object) -> None:
    found: Any = source(scenario.with_overrides([setting]))
    for key in keys:
        found = found[key]
    assert found == value


def test_null_leaves_a_key_out(scenario: Scenario) -> None:
    """Its default holds, as if it had never been written; where it is not written nothing changes."""
    changed = scenario.with_overrides(["acks=null", "faults=null", "network.latency=null", "consumers=null"])
    told = source(changed)
    assert told["producers"]["billing"]["config"] == {} and told["network"] == {}
    assert "faults" not in told and "consumers" not in told
    settings = compile_plan(changed).producers[0].settings
    assert isinstance(settings, JavaProducerSettings) and settings.acks == -1
    for setting in ("linger.ms=null", "controller.voters=null", "producers.billing.workload.keys.count=~"):
        assert source(scenario.with_overrides([setting])) == source(scenario)


def test_another_protocol_is_chosen_where_its_rivals_options_are_left_out() -> None:
    """session.timeout.ms is refused with group.protocol=consumer (ConsumerConfig)."""
    group = "consumers: {g: {topics: [t], members: 2, config: {session.timeout.ms: 9000}, processing: {time: 1ms}}}"
    read = from_text(f"topics: {{t: {{}}}}\nproducers: {{p: {{workload: {{topic: t, rate: 1/s}}}}}}\n{group}\n")
    with pytest.raises(InputError, match="cannot be set when group.protocol=CONSUMER"):
        read.with_overrides(["group.protocol=consumer"])
    changed = read.with_overrides(["group.protocol=consumer", "session.timeout.ms=null"])
    assert changed.consumers["g"].config == {"group.protocol": "consumer"}


def test_a_bare_option_means_every_client_that_has_it(scenario: Scenario) -> None:
    changed = scenario.with_overrides(["retry.backoff.ms=50"])
    assert changed.producers["billing"].config["retry.backoff.ms"] == "50"
    assert changed.producers["shipping"].config["retry.backoff.ms"] == "50"
    assert changed.consumers["ledger"].config["retry.backoff.ms"] == "50"


def test_a_bare_option_goes_only_where_it_has_a_meaning(scenario: Scenario) -> None:
    changed = scenario.with_overrides(
        ["buffer.memory=1000000", "min.insync.replicas=1", "broker.session.timeout.ms=5000"]
    )
    assert changed.producers["billing"].config["buffer.memory"] == "1000000"
    assert "buffer.memory" not in changed.producers["shipping"].config
    assert {topic.settings.min_insync_replicas for topic in compile_plan(changed).topics} == {1}
    assert compile_plan(changed).controller_settings.session_timeout_us == 5_000_000


def test_an_alias_replaces_the_name_that_is_there(scenario: Scenario) -> None:
    changed = scenario.with_overrides(["producers.shipping.config.message.timeout.ms=7000"])
    assert changed.producers["shipping"].config == {"delivery.timeout.ms": "7000"}


def test_later_settings_win_and_the_given_scenario_stays(scenario: Scenario) -> None:
    changed = scenario.with_overrides(["run=12s", "run=13s"])
    assert (scenario.run, changed.run) == (30_000_000, 13_000_000)
    assert scenario.with_overrides([]).run == scenario.run


def test_overrides_add_up(scenario: Scenario) -> None:
    changed = scenario.with_overrides(["acks=1", "linger.ms=7"]).with_overrides(["faults=[]"])
    settings = compile_plan(changed).producers[0].settings
    assert isinstance(settings, JavaProducerSettings)
    assert (settings.acks, settings.linger_us, settings.idempotence) == (1, 7_000, False)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("run", "--set run: this is not KEY=VALUE"),
        ("=5", "this is not KEY=VALUE"),
        ("run=5", "--set run=5: run: 5 has no unit; write 5s"),
        ("runn=5s", "'runn' is neither a path nor a Kafka option; did you mean run?"),
        ("linger.mss=5", "neither a path nor a Kafka option; did you mean linger.ms?"),
        ("producers.biling.config.acks=1", "not known under producers; did you mean billing?"),
        ("producers.billing.conf.acks=1", "'conf.acks' is not known under producers.billing; did you mean config?"),
        ("producers.billing.config.aks=1", "'aks' is not an option of a Java producer; did you mean acks?"),
        ("producers.billing.config.acks=[[1]]", "is not an option's value"),
        ("topics.paymnts.partitions=1", "did you mean payments?"),
        ("faults[7].at=1s", "is not known under faults"),
        ("faults[0].att=1s", "did you mean at?"),
        ("faults[0]=null", "an entry of a list is not left out, as the others would get other numbers; give faults a"),
        ("run.more=1s", "'more' is not known under run"),
        ("expect.lost-ackd=never", "did you mean lost-acked?"),
        ("acks=7", "producers.billing.config.acks: acks must be all, -1, 0 or 1, not '7'"),
        ("transactional.id=x", "transactions are not modelled yet"),
        ("run=[", "this is not YAML"),
        ("run=012", "could be read in two ways"),
        ("x" * 5000 + "=1", "..."),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_line(scenario: Scenario, setting: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        scenario.with_overrides([setting])
    assert words in str(caught.value)
    assert str(caught.value).startswith("--set ") and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_an_option_that_no_place_has_is_refused() -> None:
    text = "topics: {t: {}}\nproducers: {p: {client: librdkafka, workload: {topic: t, rate: 1/s}}}\n"
    with pytest.raises(InputError, match="no place in this scenario has the option buffer.memory"):
        from_text(text).with_overrides(["buffer.memory=5"])


def test_an_error_elsewhere_still_names_the_file(scenario: Scenario) -> None:
    with pytest.raises(InputError, match="file.yaml:2: topics.payments.replication.factor: .* 3 replicas on 2 brokers"):
        scenario.with_overrides(["brokers.count=2"])
