"""What is written for brokers, controllers and clients: the scenario's options, and what a run decides itself."""

from __future__ import annotations

from pathlib import Path

from sim.config.properties import read_properties
from sim.real import properties
from sim.real.properties import BrokerPorts

PORTS = BrokerPorts(client=9001, proxy=9002, inside=9003)
FOLDER = Path("data-1")


def test_a_broker_listens_behind_the_proxy_and_advertises_it() -> None:
    found = properties.broker(1, PORTS, {101: 9000}, {"replica.lag.time.max.ms": "10000"}, FOLDER)
    assert found["node.id"] == "1"
    assert found["listeners"] == "CLIENT://127.0.0.1:9001,INSIDE://127.0.0.1:9003"
    assert found["advertised.listeners"] == "CLIENT://127.0.0.1:9002,INSIDE://127.0.0.1:9003"
    assert found["controller.quorum.voters"] == "101@127.0.0.1:9000"
    assert found["replica.lag.time.max.ms"] == "10000"
    assert found["auto.create.topics.enable"] == "false"


def test_where_links_among_brokers_pass_the_proxy_brokers_find_each_other_there() -> None:
    found = properties.broker(1, BrokerPorts(9001, 9002, 9003, 9004, 9005), {101: 9000}, {}, FOLDER)
    assert found["listeners"] == "CLIENT://127.0.0.1:9001,INSIDE://127.0.0.1:9003,PEERS://127.0.0.1:9004"
    assert found["advertised.listeners"] == "CLIENT://127.0.0.1:9002,INSIDE://127.0.0.1:9003,PEERS://127.0.0.1:9005"
    assert found["inter.broker.listener.name"] == "PEERS"


def test_no_option_of_a_scenario_moves_where_a_broker_listens_and_writes() -> None:
    asked = {"log.dirs": "elsewhere", "listeners": "PLAINTEXT://:1", "node.id": "7", "ssl.keystore.location": "x"}
    found = properties.broker(1, PORTS, {101: 9000}, asked, FOLDER)
    assert (found["log.dirs"], found["node.id"]) == ("data-1", "1")
    assert "ssl.keystore.location" not in found
    assert not found["listeners"].startswith("PLAINTEXT")


def test_a_controller_is_no_broker() -> None:
    found = properties.controller(102, {101: 9000, 102: 9001}, {}, FOLDER)
    assert found["process.roles"] == "controller"
    assert found["listeners"] == "CONTROLLER://127.0.0.1:9001"
    assert found["controller.quorum.voters"] == "101@127.0.0.1:9000,102@127.0.0.1:9001"


def test_a_client_begins_at_the_proxies_under_its_own_name() -> None:
    asked = {"acks": "all", "enable.idempotence": True, "bootstrap.servers": "prod:9092", "sasl.jaas.config": "secret"}
    found = properties.client(asked, "billing", [9002, 9005])  # type: ignore[arg-type]
    assert found == {
        "acks": "all", "enable.idempotence": "true", "bootstrap.servers": "127.0.0.1:9002,127.0.0.1:9005",
        "client.id": "billing",
    }  # fmt: skip


def test_what_is_written_is_what_java_reads() -> None:
    wanted = {"log.dirs": "a\\b", "process.roles": "broker"}
    assert {one.name: one.value for one in read_properties(properties.written(wanted))} == wanted
