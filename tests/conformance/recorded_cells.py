"""Which recorded cells of consumers and groups there are, for which clients, and which of them tests play here.

A client of a recording is two letters: the library (j: Java, l: librdkafka), then what it joins a group with (r: range,
c: cooperative-sticky, d: the default list, k: ``group.protocol=consumer``, KIP-848).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from tests.conformance.group_cells import consumer

__all__ = ["CLIENTS", "PLAYED", "RECORDED", "TESTED", "TRANSACTIONAL", "cell", "java", "member"]

# The clients whose cells are played: those that korder models as members of groups.
PLAYED = tuple("jr jc jd jk lr lc lk".split())

RECORDED = {
    "A1": "jr jc jk lr lc lk",
    "C1": "jr jk lr lk",
    "C2": "jr jk lr lk",
    "C3": "jr jc jk lr lk",
    "C5": "jr jc jk lr lk",
    "C7": "jr jk lr lk",
    "C8": "jr jk lr lk",
    "D-none-earliest": "jr jk lr lk",
    "D-none-latest": "jr jk lr lk",
    "K2": "jr jk lr lk",
    "N1": "jr jk lr lk",
    "O1": "jr jk lr lk",
    "O5": "jr jk",
    "P1": "jr jk lr lk",
    "P2": "jr jk lr lk",
    "P4": "jr jk lr lk",
    "R1": "jr jc jd jk lr lc lk",
    "R2": "jr jc jd jk lr lc lk",
    "S1": "jr jk lr lk",
    "X1": "jr jk lr lk",
    "X2": "jr jk lr lk",
    "Z1": "jr jc jd jk lr lc lk",
}
TRANSACTIONAL = ("X1", "X2")  # not played: transactions are not modelled


@dataclass(frozen=True)
class Client:
    library: str
    config: Mapping[str, str]


_STRATEGY, _JAVA = "partition.assignment.strategy", "org.apache.kafka.clients.consumer."
CLIENTS = {
    "jr": Client("java", {_STRATEGY: f"{_JAVA}RangeAssignor"}),
    "jc": Client("java", {_STRATEGY: f"{_JAVA}CooperativeStickyAssignor"}),
    "jd": Client("java", {}),
    "jk": Client("java", {"group.protocol": "consumer"}),
    "lr": Client("librdkafka", {_STRATEGY: "range"}),
    "lc": Client("librdkafka", {_STRATEGY: "cooperative-sticky"}),
    "lk": Client("librdkafka", {"group.protocol": "consumer"}),
}


def java(client: str) -> bool:
    return CLIENTS[client].library == "java"


def member(
    client: str, name: str = "A", polls: int = 500, config: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A member of the group G that takes *polls* records at most a poll, as that client does: max.poll.records, or
    consume(*polls*, 200 ms)."""
    own = {**CLIENTS[client].config, **(config or {})}
    if java(client):
        return consumer(name, config={**own, "max.poll.records": polls}, **more)
    return consumer(name, config=own, client="librdkafka", consume={"messages": polls, "timeout": "200ms"}, **more)


Test = TypeVar("Test", bound=Callable[..., None])
TESTED: set[tuple[str, str]] = set()  # (cell, client) of every test that was imported


def cell(*names: str, clients: str = "") -> Callable[[Test], Test]:
    """The test plays these recorded cells with *clients*, or with all that they were recorded with; it is run once for
    each that is played here, where it takes an argument ``client``."""

    def mark(test: Test) -> Test:
        wanted = [one for one in (clients or RECORDED[names[0]]).split() if one in PLAYED]
        TESTED.update((name, client) for name in names for client in wanted)
        if "client" not in inspect.signature(test).parameters:
            return test
        for_each: Test = pytest.mark.parametrize("client", wanted)(test)
        return for_each

    return mark
