"""Which links pass the proxy, and whose connection it is that comes to a gate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sim.real.faults import lacking, strikes_between_brokers
from sim.real.play import Play
from sim.real.run import played_otherwise
from sim.scenario import Scenario, compile_plan
from tests.real.outcomes import scenario


def struck(target: str, to: str) -> Scenario:
    return scenario(
        faults=[{"at": "100ms", "cut": [target, to], "for": "100ms"}],
        network={"broker.latency": {"distribution": "constant", "value": "1ms"}},
    )


@pytest.mark.parametrize("to", ["broker 2", "brokers", "follower of t-0"])
def test_a_fault_between_brokers_takes_their_links_through_the_proxy(to: str) -> None:
    made = struck("leader of t-0", to)
    plan = compile_plan(made)
    assert strikes_between_brokers(plan) and lacking(plan) == []
    assert played_otherwise(made) == []


def test_without_one_brokers_fetch_of_each_other_directly() -> None:
    made = struck("p", "brokers")
    plan = compile_plan(made)
    assert not strikes_between_brokers(plan) and lacking(plan) == []
    assert [words.split(":")[0] for words in played_otherwise(made)] == ["network.broker.latency"]


def test_links_to_the_controller_are_named_as_what_cannot_be_given() -> None:
    assert lacking(compile_plan(struck("broker 1", "controller")))[0].endswith("and among brokers pass the proxy)")


def test_a_follower_is_known_by_the_name_of_its_fetcher() -> None:
    consumers: Any = {"A": {"group": "G", "topics": ["t"], "config": {"client.id": "one"}}}
    plan = compile_plan(scenario(consumers=consumers))
    cluster = SimpleNamespace(clock=None, numbers=range(1, 4))
    play = Play(cast(Any, cluster), plan, 0, {})
    assert plan.groups is not None
    hosts = {client: play.host_of(client) for client in ("broker-2-fetcher-0", "p", "p#2", "one", "A", "adminclient-1")}
    member = plan.groups.members[0].host
    assert hosts == {
        "broker-2-fetcher-0": 2, "p": plan.producers[0].host, "p#2": plan.producers[0].host, "one": member, "A": member,
        "adminclient-1": -1,
    }  # fmt: skip
    assert play.link(2, 1).table != play.link(plan.producers[0].host, 1).table
