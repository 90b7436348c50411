"""When the Java client asks for metadata again (``Metadata``, ``ProducerMetadata``, producer 5.4)."""

from __future__ import annotations

from sim.protocol.java_metadata import JavaMetadata
from sim.protocol.messages import MetadataResponse, PartitionMetadata
from sim.protocol.settings import JavaProducerSettings, Rules
from tests.protocol.scripted_port import ScriptedPort

MS = 1_000
FRESH = 10_000 * MS


def metadata(*topics: int) -> JavaMetadata:
    """Nominal back-offs: 100 ms, doubled up to 1 s."""
    made = JavaMetadata(ScriptedPort(), JavaProducerSettings(), Rules())
    for topic in topics:
        made.want_topic(topic)
    return made


def answer(*topics: int, leader: int = 1) -> MetadataResponse:
    return MetadataResponse((1, 2), {topic: (PartitionMetadata(10 + topic, leader, 0),) for topic in topics})


def test_answers_that_tell_nothing_new_are_asked_for_less_and_less_often() -> None:
    asked = metadata(0)
    waits = []
    for _ in range(6):
        asked.sent()
        asked.answered(answer(0, leader=-1), FRESH)
        waits.append((asked.due_us - FRESH) // MS)
    assert waits == [100, 100, 200, 400, 800, 1000]


def test_a_request_that_failed_ends_the_pause_behind_answers_that_told_nothing() -> None:
    """``Metadata.failedUpdate``: ``equivalentResponseCount = 0``."""
    asked = metadata(0)
    for _ in range(6):
        asked.sent()
        asked.answered(answer(0, leader=-1), FRESH)
    asked.sent()
    asked.failed(FRESH)
    assert asked.due_us == FRESH + 100 * MS


def test_a_topic_that_is_met_while_a_request_is_on_its_way_is_asked_for_as_soon_as_that_is_answered() -> None:
    """``KafkaProducer.waitOnMetadata`` asks for its new topic again (``requestUpdateForNewTopics``)."""
    asked = metadata()
    asked.sent()
    asked.want_topic(0)
    asked.answered(answer(), FRESH)
    assert asked.due_us <= FRESH and asked.sent() == (0,)
    asked.answered(answer(0), FRESH)
    assert asked.due_us > FRESH + 1000 * MS
