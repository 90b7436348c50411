"""``server.properties`` of controllers and brokers, and the options of clients, from a scenario.

The scenario's own options are handed on as they are written. What decides where a process listens and writes is
decided here, over whatever the scenario says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HOST", "BrokerPorts", "broker", "client", "controller", "text", "written"]

HOST = "127.0.0.1"
CLIENT, INSIDE, PEERS, CONTROLLER = "CLIENT", "INSIDE", "PEERS", "CONTROLLER"

# One replica is enough for what no scenario looks at; topics are made by the scenario alone.
QUIET = {
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}
SAFE = ("security.", "ssl.", "sasl.", "listener", "advertised.", "log.dir", "node.id", "broker.id", "process.roles",
        "controller.quorum.voters", "controller.quorum.bootstrap", "controller.listener", "inter.broker.",
        "authorizer.", "zookeeper.", "control.plane.")  # fmt: skip
CLIENT_OWN = ("bootstrap.servers", "metadata.broker.list", "client.id", "key.serializer", "value.serializer",
              "key.deserializer", "value.deserializer")  # fmt: skip
CLIENT_SAFE = ("ssl.", "sasl.", "security.", "schema.registry.", "metric", "interceptor", "basic.auth.", "bearer.auth.")


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """Where a broker listens: ``client`` behind the proxy at ``proxy``, ``inside`` for brokers and the operator; where
    links among brokers pass the proxy too, ``peers`` behind it at ``peers_proxy``."""

    client: int
    proxy: int
    inside: int
    peers: int = 0
    peers_proxy: int = 0

    def listeners(self, advertised: bool) -> str:
        found = {CLIENT: self.proxy if advertised else self.client, INSIDE: self.inside}
        if self.peers:
            found[PEERS] = self.peers_proxy if advertised else self.peers
        return ",".join(f"{name}://{HOST}:{port}" for name, port in found.items())


def controller(number: int, voters: Mapping[int, int], options: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Properties of controller *number*; *voters*: the port of each, by its number."""
    return _asked(options) | {
        "process.roles": "controller",
        "node.id": str(number),
        "controller.quorum.voters": _voters(voters),
        "controller.listener.names": CONTROLLER,
        "listeners": f"{CONTROLLER}://{HOST}:{voters[number]}",
        "listener.security.protocol.map": f"{CONTROLLER}:PLAINTEXT",
        "log.dirs": str(folder),
    }


def broker(
    number: int, ports: BrokerPorts, voters: Mapping[int, int], options: Mapping[str, str], folder: Path
) -> dict[str, str]:
    return (
        QUIET
        | _asked(options)
        | {
            "process.roles": "broker",
            "node.id": str(number),
            "controller.quorum.voters": _voters(voters),
            "controller.listener.names": CONTROLLER,
            "listeners": ports.listeners(advertised=False),
            "advertised.listeners": ports.listeners(advertised=True),
            "inter.broker.listener.name": PEERS if ports.peers else INSIDE,
            "listener.security.protocol.map": ",".join(
                f"{name}:PLAINTEXT" for name in (CLIENT, INSIDE, PEERS, CONTROLLER)
            ),
            "log.dirs": str(folder),
        }
    )


def _asked(options: Mapping[str, str]) -> dict[str, str]:
    return {name: text(value) for name, value in options.items() if not name.startswith(SAFE)}


def _voters(voters: Mapping[int, int]) -> str:
    return ",".join(f"{number}@{HOST}:{port}" for number, port in voters.items())


def client(options: Mapping[str, str], name: str, bootstrap: Sequence[int]) -> dict[str, str]:
    """Options of a client called *name* that begins at the proxies on *bootstrap*."""
    asked = {
        key: text(value) for key, value in options.items() if key not in CLIENT_OWN and not key.startswith(CLIENT_SAFE)
    }
    return asked | {"bootstrap.servers": ",".join(f"{HOST}:{port}" for port in bootstrap), "client.id": name}


def text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def written(properties: Mapping[str, str]) -> str:
    """As a file that ``java.util.Properties`` reads: a backslash is doubled, the rest of what we write is plain."""
    escaped = ((name, value.replace("\\", "\\\\").replace("\n", "\\n")) for name, value in properties.items())
    return "".join(f"{name}={value}\n" for name, value in escaped)
