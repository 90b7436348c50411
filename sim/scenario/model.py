"""The scenario file as a checked model: cluster, topics and network; clients and faults have rooms of their own.

A part here checks what it can see by itself; what needs the whole (does that topic exist?) is checked when the plan is
compiled. Options of Kafka stay texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from sim.scenario.base import Duration, Name, Options, Part, SomeTime, Text, TopicName, bounded
from sim.scenario.clients import Consumer, Producer
from sim.scenario.expectations import Expectation, Finding
from sim.scenario.faults import Fault
from sim.scenario.latency import Latency
from sim.scenario.tree import Origin, RawFloat
from sim.wording import Wrong, shown

__all__ = ["Brokers", "Controller", "Latency", "Network", "Scenario", "Topic"]

MOST_SEEDS = 1_000_000
_SEED = re.compile(r"[0-9]{1,18}", re.ASCII)

def _kafka(value: object) -> str:
    text = value.raw if isinstance(value, RawFloat) else value
    if text not in ("3.9", "4.3"):
        raise Wrong(f"{shown(text)} is not a known release of Kafka", 'write "3.9" or "4.3"')
    return str(text)


def _seeds(value: Any) -> list[int] | range:
    """``0..199`` has both ends."""
    if isinstance(value, range):
        return value
    if isinstance(value, str):
        first, dots, last = value.partition("..")
        if dots and _SEED.fullmatch(first.strip()) and _SEED.fullmatch(last.strip()):
            found = range(int(first), int(last) + 1)
            if not 0 < len(found) <= MOST_SEEDS:
                raise Wrong(f"{shown(value)} is not 1 to {MOST_SEEDS} seeds", "write the lower end first, as 0..199")
            return found
    numbers: list[Any] = value if isinstance(value, list) else [value]
    good = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**63 for n in numbers)
    if not numbers or not good or len(set(numbers)) != len(numbers) or len(numbers) > MOST_SEEDS:
        raise Wrong(f"{shown(value)} is not a set of seeds", "write 0..199, a list of numbers from 0, or one number")
    return numbers


def _seeds_text(seeds: list[int] | range) -> str | list[int]:
    return f"{seeds[0]}..{seeds[-1]}" if isinstance(seeds, range) else list(seeds)


Seeds = Annotated[
    Any,
    BeforeValidator(_seeds),
    PlainSerializer(_seeds_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+\.\.\d+$"},
                {"type": "integer", "minimum": 0},
                {"type": "array", "items": {"type": "integer", "minimum": 0}},
            ]
        }
    ),
]


class Brokers(Part):
    """The brokers, numbered from 1."""

    count: Annotated[int, bounded(1, 64)] = Field(default=3, description="How many.")
    config: Options = Field(default_factory=dict, description="Broker options, for all of them.")


class Controller(Part):
    """The active controller, apart from the brokers."""

    voters: Annotated[int, bounded(1, 9)] = Field(
        default=3, description="Size of the quorum; before 4.1 brokers learn commits of more than one later."
    )
    config: Options = Field(default_factory=dict, description="Options where they differ from those of brokers.")


class Topic(Part):
    """One topic."""

    partitions: Annotated[int, bounded(1, 1000)] = Field(default=1, description="How many at the start.")
    replication_factor: Annotated[int, bounded(1, 64)] | None = Field(
        default=None, alias="replication.factor", description="Copies of each partition (default: the brokers' option)."
    )
    config: Options = Field(default_factory=dict, description="Topic options; they override the brokers'.")
    assignment: list[list[Annotated[int, bounded(1, 64)]]] | None = Field(
        default=None, description="Brokers of each partition, preferred leader first, in place of the default."
    )

    @model_validator(mode="before")
    @classmethod
    def _as_many_as_assigned(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("assignment"), list) and "partitions" not in data:
            return {**data, "partitions": len(data["assignment"])}
        return data


class Network(Part):
    """Latency of the links."""

    latency: Latency | None = Field(
        default=None, description="Client to broker (default: lognormal, median 500us, p99 5ms)."
    )
    broker_latency: Latency | None = Field(
        default=None,
        alias="broker.latency",
        description="Broker to broker (default: lognormal, median 300us, p99 3ms).",
    )
    controller_latency: Latency | None = Field(
        default=None, alias="controller.latency", description="Broker to controller (default: as broker to broker)."
    )


class Scenario(Part):
    """A scenario: a configuration, what happens to it, and what is expected. ``korder new`` writes a commented one."""

    title: Text = Field(default="", description="One line.")
    question: Text = Field(default="", description="What the scenario asks.")
    answer: Text = Field(default="", description="The answer in words, for reports.")
    kafka: Annotated[str, BeforeValidator(_kafka), WithJsonSchema({"enum": ["3.9", "4.3"]})] = Field(
        default="4.3", description="Which release's defaults and rules."
    )
    seeds: Seeds = Field(default_factory=lambda: range(100), description="Seeds of a check; 0..199 has both ends.")
    run: SomeTime = Field(default=30_000_000, description="How long records are offered and faults happen.")
    settle: Duration = Field(
        default=10_000_000, description="Then faults are lifted and nothing new is offered, for so long."
    )
    brokers: Brokers = Field(default_factory=lambda: Brokers(), description="The cluster.")
    controller: Controller = Field(default_factory=lambda: Controller(), description="The controller.")
    topics: dict[TopicName, Topic] = Field(min_length=1, max_length=100, description="Topics by name.")
    producers: dict[Name, Producer] = Field(min_length=1, max_length=200, description="Producers by name.")
    consumers: dict[Name, Consumer] = Field(default_factory=dict, max_length=200, description="Consumers by name.")
    network: Network = Field(default_factory=lambda: Network(), description="Latency of links.")
    faults: list[Fault] = Field(default_factory=list, max_length=1000, description="What happens to it.")
    expect: dict[Finding, Expectation] = Field(
        default_factory=dict, description="Findings by name: never, sometimes, always, {max: N} or {rate: '< 1 %'}."
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Scenario:
        """A copy has its own plan."""
        copied = super().model_copy(update=update, deep=deep)
        copied._plan = None
        return copied

    def with_overrides(self, settings: Iterable[str]) -> Scenario:
        """This scenario with every ``KEY=VALUE`` applied, checked anew; see :mod:`sim.scenario.overrides`."""
        from sim.scenario.overrides import with_overrides

        return with_overrides(self, settings)

    def to_yaml(self) -> str:
        """What the scenario says, as YAML that reads as the same scenario."""
        from sim.scenario.write import to_yaml

        return to_yaml(self)

    _origin: Origin = PrivateAttr(default_factory=lambda: Origin("scenario"))
    _plan: Any = PrivateAttr(default=None)
