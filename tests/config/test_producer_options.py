"""What producer options make of each other: Kafka's own rules, silent ones told as notes (producer 1.2 and 8.1)."""

from __future__ import annotations

import pytest

from sim import config
from sim.errors import InputError
from sim.protocol.settings import JavaProducerSettings, LibrdkafkaProducerSettings

IDEMPOTENCE = "enable.idempotence"
IN_FLIGHT = "max.in.flight.requests.per.connection"


def java(release: str = "4.3", **options: str) -> JavaProducerSettings:
    made = config.producer("java", dotted(options), release).settings
    assert isinstance(made, JavaProducerSettings)
    return made


def librdkafka(**options: str) -> LibrdkafkaProducerSettings:
    made = config.producer("librdkafka", dotted(options)).settings
    assert isinstance(made, LibrdkafkaProducerSettings)
    return made


def dotted(options: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): value for name, value in options.items()}


def notes(flavour: str, release: str = "4.3", **options: str) -> str:
    return " / ".join(config.producer(flavour, dotted(options), release).notes)


def test_acks_1_alone_switches_idempotence_off_and_says_so() -> None:
    """producer:S01"""
    assert java(acks="1").idempotence is False
    assert notes("java", acks="1") == "acks=1 switched idempotence off: the idempotent producer needs acks=all"
    assert java(retries="0").idempotence is False
    assert java().idempotence is True and not notes("java")


@pytest.mark.parametrize("broken", [{"acks": "1"}, {"acks": "0"}, {"retries": "0"}, {IN_FLIGHT: "6"}])
def test_explicit_idempotence_refuses_what_contradicts_it(broken: dict[str, str]) -> None:
    """producer:S02"""
    with pytest.raises(InputError, match=f"ConfigException: {next(iter(broken))}=. with enable.idempotence=true"):
        config.producer("java", {IDEMPOTENCE: "true", **broken})
    config.producer("java", {IDEMPOTENCE: "false", **broken})


@pytest.mark.parametrize("broken", [{"acks": "1"}, {"retries": "0"}, {"max.in.flight": "6"}])
def test_librdkafka_is_not_created_with_contradictions_of_explicit_idempotence(broken: dict[str, str]) -> None:
    """producer:S02, the librdkafka column; producer 8.1"""
    with pytest.raises(InputError, match="creation fails with _INVALID_ARG"):
        config.producer("librdkafka", {IDEMPOTENCE: "true", **broken})
    config.producer("librdkafka", broken)


def test_a_transactional_id_needs_idempotence_before_anything_else_is_said() -> None:
    """producer:S03"""
    for off in ({"retries": "0"}, {"acks": "0"}, {IDEMPOTENCE: "false"}):
        with pytest.raises(InputError, match="ConfigException: transactional.id=x without idempotence"):
            config.producer("java", {"transactional.id": "x", **off})
    with pytest.raises(InputError, match="transactions are not modelled yet"):
        config.producer("java", {"transactional.id": "x"})


def test_six_in_flight_switch_idempotence_off_in_3_9_and_are_an_error_in_4_3() -> None:
    """producer:S04"""
    assert java("3.9", max_in_flight_requests_per_connection="6").idempotence is False
    assert "switched idempotence off" in notes("java", "3.9", max_in_flight_requests_per_connection="6")
    with pytest.raises(InputError, match="ConfigException: .*=6 with enable.idempotence=true .the default."):
        java(max_in_flight_requests_per_connection="6")
    with pytest.raises(InputError, match="ConfigException"):
        java(max_in_flight_requests_per_connection="6", acks="1")
    assert java(max_in_flight_requests_per_connection="6", enable_idempotence="false").max_in_flight == 6


def test_a_delivery_timeout_below_linger_and_request_timeout_is_refused_and_equality_allowed() -> None:
    """producer:S05"""
    with pytest.raises(InputError, match="ConfigException: delivery.timeout.ms=1000 is below"):
        java(delivery_timeout_ms="1000", linger_ms="1000", request_timeout_ms="1")
    assert java(delivery_timeout_ms="1000", linger_ms="999", request_timeout_ms="1").delivery_timeout_us == 1_000_000


def test_a_delivery_timeout_that_was_not_given_is_raised() -> None:
    """producer:S06"""
    assert java("3.9", request_timeout_ms="180000").delivery_timeout_us == 180_000_000
    assert java(request_timeout_ms="180000").delivery_timeout_us == 180_005_000
    assert "delivery.timeout.ms was raised from 120000" in notes("java", request_timeout_ms="180000")


@pytest.mark.parametrize(("text", "acks"), [("all", -1), ("-1", -1), ("0", 0), ("1", 1)])
def test_acks_has_four_spellings(text: str, acks: int) -> None:
    assert java(acks=text).acks == acks
    assert librdkafka(acks=text).acks == acks


@pytest.mark.parametrize("text", ["2", "ALL", "", " all", "none"])
def test_any_other_acks_is_refused_by_the_java_client(text: str) -> None:
    with pytest.raises(InputError, match="acks must be all, -1, 0 or 1"):
        java(acks=text)


def test_back_offs_are_capped_as_kafka_caps_them() -> None:
    made = java(retry_backoff_ms="2000", reconnect_backoff_ms="70")
    assert (made.retry_backoff_us, made.retry_backoff_max_us) == (1_000_000, 1_000_000)
    assert (made.reconnect_backoff_us, made.reconnect_backoff_max_us) == (70_000, 70_000)
    assert java(reconnect_backoff_ms="70", reconnect_backoff_max_ms="90").reconnect_backoff_max_us == 90_000


def test_batch_size_zero_acts_as_one() -> None:
    assert java(batch_size="0").batch_size_bytes == 1


def test_partitioner_classes_are_known_old_or_foreign() -> None:
    assert (
        java(partitioner_class="org.apache.kafka.clients.producer.RoundRobinPartitioner").partitioner == "round_robin"
    )
    assert java(partitioner_class="com.acme.Mine").partitioner == "custom"
    assert java(partitioner_class="").partitioner == "default"


def test_idempotent_librdkafka_lowers_its_own_window_to_five() -> None:
    """producer 8.1"""
    assert librdkafka(enable_idempotence="true").max_in_flight == 5
    assert librdkafka().max_in_flight == 1_000_000
    assert "to 5" in notes("librdkafka", enable_idempotence="true")


def test_defaults_of_librdkafka_follow_other_options() -> None:
    made = librdkafka(linger_ms="50", topic_metadata_refresh_interval_ms="1000", retry_backoff_ms="70")
    assert made.sticky_linger_us == 100_000
    assert made.metadata_max_age_us == 3_000_000
    assert made.metadata_refresh_fast_us == 70_000


def test_a_librdkafka_queue_of_zero_messages_has_no_limit() -> None:
    """rd_kafka_curr_msgs_add"""
    assert librdkafka(queue_buffering_max_messages="0").queue_max_messages > 1 << 60
    assert librdkafka(queue_buffering_max_messages="1").queue_max_messages == 1


def test_librdkafka_lowers_a_linger_that_was_not_given_below_the_message_timeout() -> None:
    assert librdkafka(message_timeout_ms="3").linger_us == 2_900
    with pytest.raises(InputError, match="message.timeout.ms=3 is not above linger.ms=5"):
        librdkafka(message_timeout_ms="3", linger_ms="5")
    assert librdkafka(message_timeout_ms="0", linger_ms="5").message_timeout_us == 0


def test_options_in_force_are_told_with_what_silent_rules_made_of_them() -> None:
    options = config.producer("java", {"acks": "1", "client.id": "x"}).options
    assert options["enable.idempotence"] == "false"
    assert options["delivery.timeout.ms"] == "120000"
    assert options["client.id"] == "x"


@pytest.mark.parametrize("client", ["java", "librdkafka"])
def test_options_of_the_recorded_runs_are_taken_as_they_are(client: str) -> None:
    options = {
        "acks": "all", "enable.idempotence": "true", IN_FLIGHT: "5", "linger.ms": "0", "retry.backoff.ms": "50",
        "retry.backoff.max.ms": "50", "reconnect.backoff.ms": "20", "reconnect.backoff.max.ms": "20",
        "request.timeout.ms": "10000", "delivery.timeout.ms": "30000",
    }  # fmt: skip
    made = config.producer(client, options)
    assert made.settings.idempotence and made.settings.max_in_flight == 5 and not made.notes
