"""The tables of options: defaults of both releases, types, the four classes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sim import config
from sim.config import Kind
from sim.config.librdkafka_members import LIBRDKAFKA_MEMBER
from sim.errors import InputError
from sim.protocol import settings

TABLES = {
    **{
        f"{flavour} {kind}": config.tables(kind, flavour)
        for kind in ("producer", "consumer")
        for flavour in config.FLAVOURS
    },
    "topic": config.tables("topic"),
    "broker": config.tables("broker"),
    "librdkafka member": LIBRDKAFKA_MEMBER,
}


def test_defaults_of_the_settings_are_those_of_the_tables_for_4_3() -> None:
    brokers = config.broker({})
    assert config.producer("java", {}).settings == settings.JavaProducerSettings()
    assert config.producer("librdkafka", {}).settings == settings.LibrdkafkaProducerSettings()
    assert config.consumer("java", {}).settings == settings.ReaderSettings()
    assert config.librdkafka_member({}).settings.member == settings.LibrdkafkaMemberSettings()
    assert brokers.settings == settings.BrokerSettings()
    assert config.controller({}, brokers).settings == settings.ControllerSettings()
    assert config.topic({}, brokers, replicas=3).settings == settings.TopicSettings()
    assert config.release_rules("4.3") == settings.Rules()
    assert config.release_rules("4.3", brokers.values) == settings.Rules()


def test_what_differs_in_3_9_is_told_by_switches_alone() -> None:
    """KIP-1030, producer 1.4, KIP-966, KIP-899, KAFKA-17632; 49 is fatal from 4.0 on (measured)."""
    old = config.producer("java", {}, "3.9").settings
    assert isinstance(old, settings.JavaProducerSettings)
    assert old.linger_us == 0
    lingering = config.producer("java", {"linger.ms": "5"}, "3.9").settings
    assert lingering == settings.JavaProducerSettings(round_robin_asks_twice=True)
    assert config.release_rules("3.9") == settings.Rules(
        release="3.9", eligible_leader_replicas=False, max_in_flight_above_5_is_an_error=False, rebootstrap=False,
        partitioner_asked_twice=True, unknown_producer_mapping_is_fatal=False,
    )  # fmt: skip
    assert config.producer("librdkafka", {}, "3.9").settings == settings.LibrdkafkaProducerSettings()


def test_a_librdkafka_reader_has_its_own_defaults() -> None:
    reader = config.consumer("librdkafka", {}).settings
    assert (reader.reconnect_backoff_us, reader.reconnect_backoff_max_us) == (100_000, 10_000_000)
    assert reader.request_timeout_us == 60_000_000
    waits = {"fetch.error.backoff.ms": "7", "socket.connection.setup.timeout.ms": "2000"}
    reader = config.consumer("librdkafka", waits).settings
    assert (reader.fetch_error_backoff_us, reader.connection_setup_timeout_us) == (7_000, 2_000_000)


def test_a_librdkafka_member_fetches_as_a_librdkafka_reader_does() -> None:
    member = config.librdkafka_member({"queued.max.messages.kbytes": "2000"}).settings
    assert member.reader == replace(config.consumer("librdkafka", {}).settings, fetch_max_bytes=2_048_000)
    assert isinstance(member.member, settings.LibrdkafkaMemberSettings)
    assert member.member.queued_max_bytes == 2_048_000


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"max.poll.interval.ms": "5000"}, "max.poll.interval.ms=5000 is below session.timeout.ms=45000"),
        ({"partition.assignment.strategy": "sticky"}, "sticky is no assignor of librdkafka; use range"),
        ({"partition.assignment.strategy": "range,cooperative-sticky"}, "must have the same protocol type"),
        ({"max.poll.records": "5"}, "max.poll.records is for share consumers alone; write consume: {messages: N}"),
        ({"group.protocol": "modern"}, "group.protocol must be classic or consumer, not 'modern'"),
        ({"group.protocol": "consumer", "session.timeout.ms": "6000"}, "is not supported for group.protocol=consumer"),
        ({"group.protocol": "consumer", "heartbeat.interval.ms": "600"}, "set group.consumer.heartbeat.interval.ms"),
        ({"group.protocol": "consumer", "group.protocol.type": "consumer"}, "group.protocol.type is not supported"),
        (
            {"group.protocol": "Consumer", "partition.assignment.strategy": "range"},
            "creation fails; use group.remote.assignor",
        ),
        ({"session.timeout.ms": "0"}, "from 1 to 3600000"),
        ({"enable.auto.commit": "perhaps"}, "must be true or false"),
    ],
)
def test_what_no_librdkafka_member_is_made_of(options: dict[str, str], rule: str) -> None:
    with pytest.raises(InputError, match=re.escape(rule)):
        config.librdkafka_member(options)


def test_a_librdkafka_member_of_the_new_protocol() -> None:
    """rd_kafka_conf_finalize: max.poll.interval.ms is held against no session timeout."""
    options = {"group.protocol": "CONSUMER", "group.remote.assignor": "range", "max.poll.interval.ms": "2500"}
    member = config.librdkafka_member(options).settings.member
    assert (member.protocol, member.remote_assignor, member.max_poll_interval_us) == ("consumer", "range", 2_500_000)
    classic = config.librdkafka_member({"group.remote.assignor": "range"}).settings.member
    assert (classic.protocol, classic.remote_assignor) == ("classic", "")  # it changes nothing there


def test_a_librdkafka_member_of_the_new_protocol_is_not_modelled_in_3_9() -> None:
    with pytest.raises(InputError, match="is a preview in 3.9, and not modelled there"):
        config.librdkafka_member({"group.protocol": "consumer"}, "3.9")


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(InputError, match="'2.0' is not a known release; write 3.9 or 4.3"):
        config.release_rules("2.0")


@pytest.mark.parametrize("title", TABLES)
def test_every_default_is_legal_by_its_own_rule(title: str) -> None:
    table = TABLES[title]
    for option in table.options:
        for release in config.RELEASES:
            default = option.default_in(release)
            if default is not None and option.kind is not Kind.ACCEPTED:
                from sim.config.values import read

                taken = read(table, release, {option.name: default}, config.resolve.at_option)
                assert option.name in taken.given


@pytest.mark.parametrize("title", TABLES)
def test_every_modelled_option_has_a_known_type_and_every_refusal_a_reason(title: str) -> None:
    for option in TABLES[title].options:
        assert re.fullmatch(r"[a-z][a-z0-9._]*", option.name)
        if option.kind is Kind.MODELLED:
            assert option.type in ("boolean", "int", "long", "float", "string", "enum", "list", "class")
        if option.kind is Kind.REFUSED:
            assert option.why


@pytest.mark.parametrize("title", TABLES)
def test_every_setting_that_an_option_names_is_a_field_of_the_settings(title: str) -> None:
    made = {
        "java producer": settings.JavaProducerSettings, "librdkafka producer": settings.LibrdkafkaProducerSettings,
        "java consumer": settings.ReaderSettings, "librdkafka consumer": settings.ReaderSettings,
        "topic": settings.TopicSettings, "broker": settings.BrokerSettings,
        "librdkafka member": settings.ReaderSettings,
    }[title]  # fmt: skip
    names = {option.setting for option in TABLES[title].options if option.setting}
    if title == "librdkafka member":  # how it fetches is a reader's
        names -= set(settings.LibrdkafkaMemberSettings.__slots__)  # type: ignore[attr-defined]
    assert names <= set(made.__slots__)  # type: ignore[attr-defined]


def test_an_option_without_influence_is_accepted_whatever_it_says() -> None:
    accepted = {
        "bootstrap.servers": "kafka-1:9093,kafka-2:9093", "client.id": "billing", "security.protocol": "SASL_SSL",
        "sasl.jaas.config": "x", "ssl.truststore.location": "/x.jks", "schema.registry.url": "http://r",
        "key.serializer": "org.apache.kafka.common.serialization.StringSerializer", "send.buffer.bytes": "131072",
    }  # fmt: skip
    assert config.producer("java", accepted).settings == settings.JavaProducerSettings()


def test_an_option_that_is_not_modelled_is_refused_with_its_reason_unless_it_changes_nothing() -> None:
    with pytest.raises(InputError, match="interceptor.classes='com.acme.X' is known but not modelled: an interceptor"):
        config.producer("java", {"interceptor.classes": "com.acme.X"})
    config.producer("java", {"interceptor.classes": ""})
    with pytest.raises(InputError, match="num.replica.fetchers='4' is known but not modelled.*set it to 1"):
        config.broker({"num.replica.fetchers": "4"})
    config.broker({"num.replica.fetchers": "1"})


def test_an_unknown_option_is_refused_with_a_guess() -> None:
    with pytest.raises(InputError, match="did you mean max.in.flight.requests.per.connection"):
        config.producer("java", {"max.in.flight.request.per.connection": "5"})
    with pytest.raises(InputError, match="its name here is delivery.timeout.ms"):
        config.producer("java", {"message.timeout.ms": "5"})


@pytest.mark.parametrize(
    ("alias", "name", "field", "factor"),
    [
        ("max.in.flight", "max.in.flight.requests.per.connection", "max_in_flight", 1),
        ("delivery.timeout.ms", "message.timeout.ms", "message_timeout_us", 1000),
        ("acks", "request.required.acks", "acks", 1),
        ("retries", "message.send.max.retries", "retries", 1),
        ("linger.ms", "queue.buffering.max.ms", "linger_us", 1000),
    ],
)
def test_an_alias_of_librdkafka_sets_the_same_thing(alias: str, name: str, field: str, factor: int) -> None:
    value = "1" if alias == "acks" else "70"
    by_alias, by_name = (config.producer("librdkafka", {word: value}).settings for word in (alias, name))
    assert by_alias == by_name
    assert getattr(by_alias, field) == int(value) * factor


def test_librdkafka_takes_a_fraction_of_a_millisecond() -> None:
    made = config.producer("librdkafka", {"linger.ms": "0.5"}).settings
    assert isinstance(made, settings.LibrdkafkaProducerSettings)
    assert made.linger_us == 500
    with pytest.raises(InputError, match="must be a whole number"):
        config.producer("java", {"linger.ms": "0.5"})


def test_times_are_microseconds_and_for_ever_stays_for_ever() -> None:
    topic = config.topic({"retention.ms": "-1", "flush.ms": "9223372036854775807"}, config.broker({}), 1).settings
    assert topic.retention_us == -1
    assert topic.flush_us == 2**62


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_misspelled_name_passes_for_an_option_without_influence(table: config.Table) -> None:
    """A family of names without influence (``ssl.``) must not take in the slip of a finger in a name that has one."""
    names = [option.name for option in table.options if option.kind is Kind.MODELLED]
    slips = [slip for name in names for slip in (name + "s", name[:-2] + name[-1] + name[-2], name[:-4] + name[-3:])]
    passed = [slip for slip in slips if slip not in table.by_name and table.find(slip) is not None]

    assert len(names) > 5 and passed == []
