"""Topics take from their broker what they do not say; the controller from the brokers."""

from __future__ import annotations

import pytest

from sim import config
from sim.errors import InputError
from sim.protocol.settings import TopicSettings


def topic(
    options: dict[str, str] | None = None, brokers: dict[str, str] | None = None, replicas: int = 3
) -> TopicSettings:
    return config.topic(options or {}, config.broker(brokers or {}), replicas).settings


def test_min_insync_replicas_counts_at_most_as_many_as_there_are_replicas() -> None:
    """broker:SC-52"""
    assert topic({"min.insync.replicas": "5"}).min_insync_replicas == 3
    found = config.topic({"min.insync.replicas": "5"}, config.broker({}), 3)
    assert found.notes == ("min.insync.replicas=5 counts as 3, the number of replicas",)
    assert topic({"min.insync.replicas": "2"}).min_insync_replicas == 2


@pytest.mark.parametrize(
    ("option", "text", "field", "value"),
    [
        ("min.insync.replicas", "2", "min_insync_replicas", 2),
        ("unclean.leader.election.enable", "true", "unclean_leader_election", True),
        ("message.max.bytes", "5000", "max_message_bytes", 5000),
        ("log.message.timestamp.type", "LogAppendTime", "log_append_time", True),
        ("log.flush.interval.messages", "1", "flush_messages", 1),
        ("log.flush.interval.ms", "7", "flush_us", 7000),
        ("log.flush.scheduler.interval.ms", "9", "flush_us", 9000),
        ("log.segment.bytes", "5000000", "segment_bytes", 5_000_000),
        ("log.retention.ms", "5", "retention_us", 5000),
        ("log.retention.minutes", "1", "retention_us", 60_000_000),
        ("log.retention.hours", "1", "retention_us", 3_600_000_000),
        ("log.retention.bytes", "5", "retention_bytes", 5),
        ("log.cleanup.policy", "compact", "compact", True),
    ],
)
def test_a_topic_takes_the_brokers_value(option: str, text: str, field: str, value: object) -> None:
    assert getattr(topic(brokers={option: text}), field) == value
    assert getattr(topic(), field) != value


@pytest.mark.parametrize("brokers", [{}, {"log.flush.scheduler.interval.ms": "0"}])
def test_a_flush_interval_without_the_schedulers_is_told(brokers: dict[str, str]) -> None:
    """``LogManager.flushDirtyLogs`` runs once where its interval is for ever, or not above 0."""
    for options in (brokers, {**brokers, "log.flush.interval.ms": "1000"}):
        own = {} if "log.flush.interval.ms" in options else {"flush.ms": "1000"}
        [note] = config.topic(own, config.broker(options), 3).notes
        assert note.startswith("flush.ms=1000 counts only once, 30 s after a broker's start")
    assert config.broker(brokers).settings.log_flush_scheduler_us == (0 if brokers else 2**62)
    assert config.topic({}, config.broker({"log.flush.scheduler.interval.ms": "1000"}), 3).notes == ()


def test_a_topics_own_option_overrides_the_brokers() -> None:
    assert topic({"min.insync.replicas": "1"}, {"min.insync.replicas": "2"}).min_insync_replicas == 1
    assert topic({"retention.ms": "-1"}, {"log.retention.hours": "1"}).retention_us == -1


def test_retention_is_for_topics_that_are_compacted_and_deleted_too() -> None:
    assert not topic({"cleanup.policy": "compact,delete"}).compact


def test_the_finer_retention_of_a_broker_wins() -> None:
    brokers = {"log.retention.hours": "1", "log.retention.minutes": "2", "log.retention.ms": "3"}
    assert topic(brokers=brokers).retention_us == 3000
    assert topic(brokers={"log.retention.minutes": "-1"}).retention_us == -1


def test_the_controller_says_what_differs_from_the_brokers() -> None:
    brokers = config.broker({"broker.session.timeout.ms": "5000"})
    assert config.controller({}, brokers).settings.session_timeout_us == 5_000_000
    made = config.controller({"auto.leader.rebalance.enable": "false"}, brokers, voters=1).settings
    assert (made.auto_leader_rebalance, made.voters, made.session_timeout_us) == (False, 1, 5_000_000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"replica.fetch.wait.max.ms": "40000"}, "is above replica.socket.timeout.ms=30000"),
        ({"replica.lag.time.max.ms": "100"}, "replica.fetch.wait.max.ms=500 is above replica.lag.time.max.ms=100"),
        ({"log.retention.ms": "0"}, "neither -1"),
    ],
)
def test_what_a_broker_refuses_to_start_with_is_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        config.broker(options)


def test_eligible_leader_replicas_can_be_switched_off_in_4_3() -> None:
    brokers = config.broker({"eligible.leader.replicas.enable": "false"})
    assert config.release_rules("4.3", brokers.values).eligible_leader_replicas is False


def test_a_reader_with_assigned_partitions_cannot_commit_by_itself() -> None:
    with pytest.raises(InputError, match="InvalidConfigurationException: enable.auto.commit=true needs a group.id"):
        config.consumer("java", {"enable.auto.commit": "true"})


@pytest.mark.parametrize(
    ("flavour", "text", "policy"),
    [
        ("java", "earliest", "earliest"), ("java", "LATEST", "latest"), ("java", "none", "none"),
        ("librdkafka", "smallest", "earliest"), ("librdkafka", "end", "latest"), ("librdkafka", "error", "none"),
    ],
)  # fmt: skip
def test_reset_policies_of_both_flavours(flavour: str, text: str, policy: str) -> None:
    assert config.consumer(flavour, {"auto.offset.reset": text}).settings.offset_reset == policy


@pytest.mark.parametrize(
    ("text", "duration_us"),
    [
        ("by_duration:PT1H", 3_600_000_000), ("by_duration:P1DT2M", 86_520_000_000),
        ("by_duration:PT0.25S", 250_000), ("by_duration:P0D", 0),
    ],
)  # fmt: skip
def test_a_reset_by_duration_is_a_duration(text: str, duration_us: int) -> None:
    """KIP-1106"""
    settings = config.consumer("java", {"auto.offset.reset": text}).settings
    assert (settings.offset_reset, settings.reset_duration_us) == ("by_duration", duration_us)


BAD_DURATIONS = ["by_duration:", "by_duration:P", "by_duration:PT", "by_duration:-PT1H", "by_duration:1h"]


@pytest.mark.parametrize("text", [*BAD_DURATIONS, "by_duration", "smallest"])
def test_other_reset_policies_of_the_java_client_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="auto.offset.reset"):
        config.consumer("java", {"auto.offset.reset": text})


def test_a_librdkafka_fetch_holds_at_least_one_message() -> None:
    with pytest.raises(InputError, match="fetch.max.bytes=10 is below message.max.bytes=1000000"):
        config.consumer("librdkafka", {"fetch.max.bytes": "10"})
    made = config.consumer("librdkafka", {"message.max.bytes": "100000000"}).settings
    assert made.fetch_max_bytes == 100_000_000


@pytest.mark.parametrize(
    ("own", "brokers"), [({"segment.bytes": "1048575"}, {}), ({}, {"log.segment.bytes": "1048575"})]
)
def test_segments_below_a_mebibyte_are_refused_from_4_0_on(own: dict[str, str], brokers: dict[str, str]) -> None:
    """KIP-1030; what topics get by default has to be so large, too."""
    with pytest.raises(InputError, match=r"segment.bytes=1048575 is below 1048576, the least from Kafka 4.0 on"):
        config.topic(own, config.broker(brokers), 3)
    old = config.topic(own, config.broker(brokers, "3.9"), 3).settings
    assert isinstance(old, TopicSettings) and old.segment_bytes == 1_048_575
