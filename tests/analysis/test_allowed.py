"""Whether a configuration allows a finding, and by which option."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.explaining import explain
from analysis.explaining.mechanisms import NOT_EXPLAINED
from analysis.finding import Finding
from tests.analysis.written import judged

REORDERED = "send P1 1 a1 o-0; send P1 2 a2 o-0; append o-0 0 a2; append o-0 1 a1; ack P1 a2 o-0 0; ack P1 a1 o-0 1"
DOUBLED = "send P1 1 a1 o-0; append o-0 0 a1; append o-0 1 a1; ack P1 a1 o-0 0"
LOST = "send P1 1 a1 o-0; send P1 2 a2 o-0; append o-0 0 a1; ack P1 a1 o-0 0; ack P1 a2 o-0 1"
TRUNCATED = """
send P1 1 a1 o-0; append o-0 0 a1; append o-0 0 a1 b=2 role=follower; hw o-0 1 b=1; leader o-0 2 1; truncate o-0 0 b=2
"""
IN_FLIGHT = "max.in.flight.requests.per.connection"


def found(name: str, text: str, client: dict[str, Any] | None = None, topic: dict[str, Any] | None = None) -> Finding:
    config = {"clients": {"P1": client or {}}, "topics": {"o": topic or {}}}
    finding = judged(text, config=config).findings[name]
    assert finding.count
    return finding


ANSWERS = [
    # name, history, client, topic, allowed, words of the option
    ("append-reorder", REORDERED, {"enable.idempotence": False}, {}, True, f"{IN_FLIGHT}=5 without enable.idempotence"),
    ("append-reorder", REORDERED, {"acks": "1"}, {}, True, f"{IN_FLIGHT}=5"),  # which turns idempotence off
    ("append-reorder", REORDERED, {"retries": 0}, {}, True, IN_FLIGHT),
    ("append-reorder", REORDERED, {}, {}, False, ""),  # Java 4.x: idempotent by default
    ("append-reorder", REORDERED, {"enable.idempotence": "true"}, {}, False, ""),
    ("append-reorder", REORDERED, {"enable.idempotence": "false", IN_FLIGHT: "1"}, {}, False, ""),
    ("append-reorder", REORDERED.replace("ack P1 a1 o-0 1", "unknown P1 a1 o-0"),
     {"enable.idempotence": "false", IN_FLIGHT: "1"}, {}, True, "given up"),
    ("append-reorder", REORDERED, {"acks": "0", IN_FLIGHT: "1"}, {}, True, "acks=0"),
    ("append-reorder", REORDERED, {"client": "librdkafka"}, {}, True, f"{IN_FLIGHT}=1000000"),
    ("append-reorder", REORDERED, {"client": "librdkafka", IN_FLIGHT: 1}, {}, True, "librdkafka"),
    ("append-reorder", REORDERED, {"client": "librdkafka", "enable.idempotence": True}, {}, False, ""),
    ("nonmonotonic-send", REORDERED, {"enable.idempotence": False}, {}, True, IN_FLIGHT),
    ("duplicate-append", DOUBLED, {"enable.idempotence": False}, {}, True, "retries without enable.idempotence"),
    ("duplicate-append", DOUBLED, {"enable.idempotence": False, "retries": 0}, {}, False, ""),
    ("duplicate-append", DOUBLED, {}, {}, False, ""),
    ("duplicate-append", DOUBLED, {}, {"unclean.leader.election.enable": "true"}, True, "unclean"),
    ("lost-acked", LOST, {"acks": 1}, {"min.insync.replicas": 2}, True, "acks=1"),
    ("lost-acked", LOST, {"acks": "0"}, {"min.insync.replicas": 2}, True, "acks=0"),
    ("lost-acked", LOST, {}, {"min.insync.replicas": "2"}, False, ""),
    ("lost-acked", LOST, {"acks": "all"}, {}, True, "min.insync.replicas=1"),
    ("lost-acked", LOST, {}, {"min.insync.replicas": 2, "unclean.leader.election.enable": True}, True, "unclean"),
    ("lost-acked", LOST, {}, {"min.insync.replicas": 2, "replication.factor": 1}, True, "replication.factor=1"),
    ("committed-truncation", TRUNCATED, {}, {"min.insync.replicas": 2}, False, ""),
    ("committed-truncation", TRUNCATED, {}, {"unclean.leader.election.enable": True}, True, "unclean"),
]  # fmt: skip


@pytest.mark.parametrize("name, text, client, topic, allowed, words", ANSWERS)
def test_the_option_that_allows_a_finding_is_named(name, text, client, topic, allowed, words):
    """anomalies, "prevented by" of each; producer 1.2 and 8.1 for what options come to."""
    finding = found(name, text, client, topic)

    assert finding.allowed is allowed
    assert words in finding.by if words else not finding.by


def test_without_a_configuration_nothing_is_known():
    verdict = judged(REORDERED)

    assert all(one.allowed is None for one in verdict.findings.values())
    assert (verdict.verdict, verdict.findings["append-reorder"].to_json()["allowed"]) == ("broken", None)


def test_a_client_that_the_configuration_does_not_name_is_not_known():
    verdict = judged(REORDERED, config={"clients": {"other": {}}, "topics": {"o": {}}})

    assert verdict.findings["append-reorder"].allowed is None
    assert verdict.findings["offset-gap"].allowed is False


def test_a_later_life_of_a_process_has_the_options_of_the_first():
    text = REORDERED.replace("P1", "P1#2")
    config = {"clients": {"P1": {"enable.idempotence": False}}}

    assert judged(text, config=config).findings["append-reorder"].allowed is True


def test_options_may_stand_under_names_alone():
    config = {"P1": {"enable.idempotence": "false"}, "o": {"min.insync.replicas": 2}}

    assert judged(REORDERED, config=config).findings["append-reorder"].allowed is True


def test_one_forbidden_case_among_allowed_ones_is_forbidden():
    another = REORDERED.replace("P1", "P2").replace(" a1", " b1").replace(" a2", " b2").replace("o-0", "o-1")
    text = f"{REORDERED}; {another}"
    config = {"clients": {"P1": {"enable.idempotence": False}, "P2": {"enable.idempotence": True}}, "topics": {"o": {}}}

    assert judged(text, config=config).findings["append-reorder"].allowed is False


def test_no_order_of_keys_is_promised_over_two_partitions():
    text = "send P1 1 a1 o-0 k=x; send P1 2 a2 o-1 k=x; append o-1 0 a2; append o-0 0 a1"

    finding = found("key-reorder", text)
    assert finding.allowed is True and "partition" in finding.by


def test_what_the_application_sends_again_is_no_matter_of_idempotence():
    """producer 6.7, item 2; a copy that the client made beside it still is."""
    text = "send P1 1 a1 o-0 uid=u; send P1 2 a2 o-0 uid=u; append o-0 0 a1; append o-0 1 a2"

    finding = found("duplicate-append", text)
    assert finding.allowed is True and "application" in finding.by
    assert found("duplicate-append", f"{text}; append o-0 2 a2").allowed is False


def test_at_least_once_allows_the_repeats_that_it_excuses():
    text = """
    send P1 1 a1 o-0; append o-0 0 a1; assign C1 o-0; poll C1 o-0:0:a1; {}crash C1; assign C1 o-0; poll C1 o-0:0:a1
    """

    assert found("duplicate-delivery", text.format("")).allowed is True
    assert found("duplicate-delivery", text.format("commit C1 o-0 1; ")).allowed is False


def test_at_least_once_allows_what_is_processed_again_after_such_a_repeat():
    text = """
    send P1 1 a1 o-0; append o-0 0 a1; assign C1 o-0; poll C1 o-0:0:a1; proc_end C1 o-0 0; {}crash C1; assign C1 o-0
    poll C1 o-0:0:a1; proc_end C1 o-0 0
    """

    finding = found("duplicate-processing", text.format(""))
    assert finding.allowed is True and "at-least-once" in finding.by
    assert found("duplicate-processing", text.format("commit C1 o-0 1; ")).allowed is None
    assert found("duplicate-processing", text.format("proc_end C1 o-0 0; ").split("crash")[0]).allowed is None


def test_an_unread_record_that_is_in_the_log_is_no_matter_of_acks():
    text = "send P1 1 a1 o-0; append o-0 0 a1; ack P1 a1 o-0 0; poll C1"
    config = {"clients": {"P1": {"acks": 1}}, "topics": {"o": {}}}

    finding = judged(text, config=config, drain=True).findings["unseen"]
    assert (finding.count, finding.allowed, finding.by) == (1, None, "consumers and their application")


def test_what_an_application_does_with_its_records_is_not_told_by_options_of_producers_and_topics():
    """A commit before the work is a choice of the application. It is a violation all the same."""
    text = "send P1 1 a1 o-0; append o-0 0 a1; ack P1 a1 o-0 0; assign C1 o-0; poll C1 o-0:0:a1; commit C1 o-0 1"
    config = {"clients": {"P1": {"acks": "all"}}, "topics": {"o": {"min.insync.replicas": 2}}}
    verdict = judged(f"{text}; proc_start C1 o-0 0; proc_end C1 o-0 0", config=config)

    finding = verdict.findings["premature-commit"]
    assert (finding.count, finding.allowed, finding.by) == (1, None, "consumers and their application")
    assert verdict.verdict == "broken"
    told = finding.to_json()
    assert (told["allowed"], told["allowed_by"]) == (None, "consumers and their application")
    page = verdict._repr_html_()
    assert "hangs on consumers and their application" in page and "must not happen" not in page


def test_what_was_not_found_tells_whether_it_could_be():
    """Of every producer and topic: all of them must allow it."""
    text = "send P1 1 a1 o-0; append o-0 0 a1; ack P1 a1 o-0 0"
    config = {"clients": {"P1": {"enable.idempotence": False}}, "topics": {"o": {"min.insync.replicas": 2}}}
    findings = judged(text, config=config).findings

    assert findings["append-reorder"].allowed is True
    assert findings["lost-acked"].allowed is False


def test_a_client_and_a_topic_may_have_one_name() -> None:
    text = REORDERED.replace("P1", "o")
    config = {"clients": {"o": {"enable.idempotence": False, "acks": 1}}, "topics": {"o": {"min.insync.replicas": 2}}}
    finding = judged(text, config=config).findings["append-reorder"]

    assert finding.allowed and IN_FLIGHT in finding.by


@pytest.mark.parametrize("clients", [None, [], {"P1": None}, {"P1": "x"}, {"P1": {}}])
def test_sections_of_another_shape_say_nothing(clients: object) -> None:
    text = "send P1 0 a o-0; send P1 1 b o-0; attempt P1 a o-0 1 c 1; append o-0 0 b; append o-0 1 a"
    verdict = judged(text, config={"clients": clients, "topics": {}})

    assert verdict.findings["append-reorder"].count == 1
    assert explain(verdict, "append-reorder").mechanism == NOT_EXPLAINED
