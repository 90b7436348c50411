"""Every assignor answers as Kafka's own classes did, grid by grid (``tests/conformance/assignors.json``)."""

from __future__ import annotations

import pytest

from sim.errors import InputError
from sim.protocol.assign_input import Assignor, Subscription
from sim.protocol.assign_java import java_range, java_roundrobin
from sim.protocol.assign_java_sticky import java_cooperative_sticky, java_sticky
from sim.protocol.assign_librdkafka import librdkafka_range, librdkafka_roundrobin
from sim.protocol.assign_librdkafka_sticky import librdkafka_cooperative_sticky
from sim.protocol.assign_server import server_range, server_uniform
from sim.protocol.assign_target import GroupSpec, Target
from tests.conformance.assignors import Grid, grids, merge, partitions

GRIDS = grids()
CLIENT = {
    "range": java_range,
    "roundrobin": java_roundrobin,
    "sticky": java_sticky,
    "cooperative-sticky": java_cooperative_sticky,
}
LIBRDKAFKA = {
    "librdkafka-range": librdkafka_range,
    "librdkafka-roundrobin": librdkafka_roundrobin,
    "librdkafka-cooperative-sticky": librdkafka_cooperative_sticky,
}


def subscriptions(grid: Grid) -> list[Subscription]:
    return [
        Subscription(
            member["id"],
            member["topics"],
            member.get("instance"),
            partitions(member.get("owned", "")),
            member.get("generation", -1),
            member.get("joined"),
        )
        for member in grid["members"]
    ]


def target(written: str) -> Target:
    topics = dict.fromkeys(topic for topic, _ in partitions(written))
    return {topic: tuple(index for name, index in partitions(written) if name == topic) for topic in topics}


def group_spec(grid: Grid) -> GroupSpec:
    ids = {topic: int(bits, 16) for topic, bits in grid["topic_ids"].items()}
    current = {member["id"]: target(member.get("owned", "")) for member in grid["members"]}
    return GroupSpec(subscriptions(grid), grid["topics"], ids, current)


def walked(targets: dict[str, Target]) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """With the order of topics, which dicts leave out when they compare."""
    return {member_id: list(held.items()) for member_id, held in targets.items()}


@pytest.mark.parametrize("name", CLIENT)
def test_the_clients_assignors_answer_as_kafkas_classes(name: str) -> None:
    """consumer:F6.8, consumer:F6.10; 4.3.0 and 3.9.1 alike: members, partitions, and their order."""
    asked = [grid for grid in GRIDS if grid["assignor"] == name and grid["assigned"] is not None]
    assert len(asked) >= 60
    for grid in asked:
        expected = {member_id: partitions(written) for member_id, written in grid["assigned"].items()}
        assert CLIENT[name](subscriptions(grid), grid["topics"]) == expected
        assert grid["kafka"] == ["4.3.0", "3.9.1"]


@pytest.mark.parametrize("name", LIBRDKAFKA)
def test_librdkafkas_assignors_answer_as_librdkafka(name: str) -> None:
    """consumer:F6.8, consumer:F6.11."""
    asked = [grid for grid in GRIDS if grid["assignor"] == name and grid["assigned"] is not None]
    assert len(asked) >= 50
    for grid in asked:
        expected = {member_id: partitions(written) for member_id, written in grid["assigned"].items()}
        assert LIBRDKAFKA[name](subscriptions(grid), grid["topics"]) == expected


@pytest.mark.parametrize(("family", "refusal"), [(CLIENT, "comes to no end"), (LIBRDKAFKA, "itself fails")])
def test_where_kafka_itself_gives_no_answer_the_group_is_refused(family: dict[str, Assignor], refusal: str) -> None:
    unanswered = [grid for grid in GRIDS if grid["assigned"] is None and grid["assignor"] in family]
    assert len(unanswered) >= 2
    for grid in unanswered:
        with pytest.raises(InputError, match=refusal):
            family[grid["assignor"]](subscriptions(grid), grid["topics"])


def test_the_coordinators_range_answers_as_kafkas_class() -> None:
    """consumer:F6.8."""
    asked = [grid for grid in GRIDS if grid["assignor"] == "server-range"]
    assert len(asked) >= 60
    for grid in asked:
        expected = {member_id: target(written) for member_id, written in grid["assigned"].items()}
        assert walked(server_range(group_spec(grid))) == walked(expected)


@pytest.mark.parametrize("release", ["4.3.0", "3.9.1"])
def test_the_coordinators_uniform_answers_as_kafkas_class(release: str) -> None:
    """consumer:F6.9: what each member gets, and the order in which its sets will be walked next time."""
    asked = [grid for grid in GRIDS if grid["assignor"] == "server-uniform" and release in grid["kafka"]]
    assert len(asked) >= 60
    for grid in asked:
        expected = {member_id: target(written) for member_id, written in grid["assigned"].items()}
        answered = server_uniform(group_spec(grid), extras_to_the_first=release == "3.9.1")
        assert walked(answered) == walked(expected)


def test_the_table_has_the_cases_that_matter() -> None:
    members = [member for grid in GRIDS for member in grid["members"]]
    assert {len(grid["members"]) for grid in GRIDS} == set(range(1, 21))
    assert max(count for grid in GRIDS for count in grid["topics"].values()) >= 90
    assert sum("instance" in member for member in members) > 500
    assert sum("owned" in member for member in members) > 500
    assert any(member.get("joined") == -1 and member.get("owned") for member in members)
    mixed = [grid for grid in GRIDS if len({frozenset(member["topics"]) for member in grid["members"]}) > 1]
    assert {grid["assignor"] for grid in mixed} == {*CLIENT, *LIBRDKAFKA, "server-range", "server-uniform"}
    generations = [{member.get("generation") for member in grid["members"]} - {None} for grid in GRIDS]
    assert sum(len(each) > 1 for each in generations) >= 10


def test_what_both_releases_printed_stands_once_in_the_table() -> None:
    table = merge({"4.3.0": ['{"a":1}', '{"a":1}', '{"a":2}'], "3.9.1": ['{"a":1}']})
    assert table == '{"grids":[\n{"a":1,"kafka":["4.3.0","3.9.1"]},\n{"a":2,"kafka":["4.3.0"]}\n]}\n'
