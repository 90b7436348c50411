"""Produce requests and answers of every version in use are read, and answers are forged and changed."""

from __future__ import annotations

import pytest

from sim.real.codec import Malformed
from sim.real.produce import answers_in, forged, header_of, read, with_error
from tests.real.written import answer, batch, produce, record

VERSIONS = (3, 7, 8, 9, 10, 12, 13)
IDS = {"t": b"t" * 16, "u": b"u" * 16}
NAMES = {topic_id: name for name, topic_id in IDS.items()}


def request(version: int, acks: int = -1) -> bytes:
    parts = [("t", 0, batch([record(0, None, b"a"), record(1, None, b"b")], pid=5, epoch=1, seq=3)),
             ("u", 2, batch([record(0, None, b"c")]))]  # fmt: skip
    return produce(version, parts, acks=acks, ids=IDS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_is_read(version: int) -> None:
    found = read(request(version, acks=1), lambda topic_id: NAMES[topic_id])
    assert (found.header.api_key, found.header.version, found.header.correlation) == (0, version, 9)
    assert (found.header.client_id, found.acks) == ("p", 1)
    first, second = found.parts
    assert (first.topic, first.index, first.batches[0].values) == ("t", 0, ("a", "b"))
    assert first.batches[0].sequences() == [3, 4]
    assert (second.topic, second.index, second.batches[0].values) == ("u", 2, ("c",))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_forged_answer_refuses_every_partition_of_the_request(version: int) -> None:
    asked = read(request(version), lambda topic_id: NAMES[topic_id])
    told = forged(asked, 6)
    assert told[:4] == (9).to_bytes(4, "big")
    found = answers_in(told, version, lambda topic_id: NAMES[topic_id])
    assert [(one.topic, one.index, one.error, one.base_offset) for one in found] == [("t", 0, 6, -1), ("u", 2, 6, -1)]


@pytest.mark.parametrize("version", [version for version in VERSIONS if version < 13])
def test_an_error_is_put_into_an_answer_for_one_partition_alone(version: int) -> None:
    said = answer(version, [("t", 0, 0, 17), ("u", 2, 0, 4)])
    changed = with_error(said, answers_in(said, version, str), "t", 0, 20)
    found = answers_in(changed, version, str)
    assert [(one.topic, one.error, one.base_offset) for one in found] == [("t", 20, -1), ("u", 0, 4)]
    assert len(changed) == len(said)
    assert changed[-5:] == said[-5:]


def test_what_is_not_in_use_or_cut_off_is_refused() -> None:
    with pytest.raises(Malformed, match="version 14"):
        read(request(13)[:2] + b"\0\x0e" + request(13)[4:], lambda topic_id: NAMES[topic_id])
    with pytest.raises(Malformed):
        read(request(9)[:40], str)
    assert header_of(request(9)).client_id == "p"
