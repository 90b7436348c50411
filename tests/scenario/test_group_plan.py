"""Groups of a scenario as a plan: which consumers are members, where their coordinators are, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sim.errors import InputError
from sim.plan import GroupsPlan
from sim.scenario import compile_plan, from_dict
from sim.scenario.compile_groups import partition_of


def scenario(consumers: dict[str, Any], **changes: Any) -> Any:
    return from_dict({
        "topics": {"t": {"partitions": 2, "replication.factor": 3}},
        "producers": {"app": {"workload": {"topic": "t", "rate": "1/s"}}},
        "consumers": consumers,
        **changes,
    })  # fmt: skip


def groups(consumers: dict[str, Any], **changes: Any) -> GroupsPlan:
    plan = compile_plan(scenario(consumers, **changes)).groups
    assert plan is not None
    return plan


def test_a_group_is_in_the_partition_that_java_hashes_it_to() -> None:
    """``"ledger".hashCode()`` is -1106662039, ``"a"`` 97, and of the one that has no absolute value Kafka makes 0."""
    assert partition_of("ledger", 50) == 39
    assert partition_of("a", 50) == 47
    assert partition_of("polygenelubricants", 50) == 0


def test_members_are_hosts_of_their_own_and_offsets_stand_behind_all_topics() -> None:
    plan = groups({"reader": {"topics": ["t"]}, "ledger": {"topics": ["t"], "members": 2}})
    assert [(one.host, one.name, one.group) for one in plan.members] == [(6, "ledger-1", 0), (7, "ledger-2", 0)]
    assert (plan.names, plan.homes, plan.indexes) == (("ledger",), (2,), (39,))
    assert plan.topic.number == 1 and plan.topic.partitions == (2,) and plan.topic.replicas == ((1, 2, 3),)


@pytest.mark.parametrize(
    "consumer",
    [{"group": "g"}, {"config": {"group.id": "g"}}, {"group": "g", "processing": {"time": "1ms"}}],
)
def test_whoever_names_a_group_is_in_it(consumer: dict[str, Any]) -> None:
    plan = groups({"one": {"topics": ["t"], **consumer}, "two": {"topics": ["t"], "group": "g"}})
    assert plan.names == ("g",) and [one.group for one in plan.members] == [0, 0]


def test_without_a_group_nothing_is_there_that_was_not_before() -> None:
    plan = compile_plan(scenario({"reader": {"topics": ["t"]}}))
    assert plan.groups is None and "groups" not in plan.resolved


def test_offsets_need_as_many_brokers_as_replicas() -> None:
    with pytest.raises(InputError, match=r"offsets.topic.replication.factor=3 on 1 brokers.*set offsets.*: 1"):
        groups(
            {"ledger": {"topics": ["t"], "members": 2}},
            brokers={"count": 1}, topics={"t": {"partitions": 2, "replication.factor": 1}},
        )  # fmt: skip


@pytest.mark.parametrize("client", ["java", "librdkafka"])
def test_a_member_of_the_new_protocol_needs_a_release_that_has_it(client: str) -> None:
    """It is a preview in 3.9."""
    options = {"group.id": "g", "group.protocol": "consumer"}
    consumers = {"ledger": {"topics": ["t"], "client": client, "config": options}}
    assert [one.settings.protocol for one in groups(consumers).members] == ["consumer"]
    with pytest.raises(InputError, match=r'is a preview in 3.9.* use classic, or write kafka: "4.3"'):
        groups(consumers, kafka="3.9")
