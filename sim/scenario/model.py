"""The scenario file as a checked model: cluster, topics, clients, workload, network, faults, expectations.

A part here checks what it can see by itself; what needs the whole (does that topic exist?) is checked when the plan is
compiled. Options of Kafka stay texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PrivateAttr,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sim import units
from sim.scenario.base import Duration, Name, Options, Part, Percent, Rate, SomeTime, TopicName, bounded
from sim.scenario.faults import Fault
from sim.scenario.finding_names import FINDING_NAMES
from sim.scenario.tree import Origin, RawFloat
from sim.wording import Wrong, did_you_mean, listed, shown

__all__ = [
    "Bound", "Brokers", "Consumer", "Controller", "Expectation", "Keys", "Latency", "Network", "Producer", "Scenario",
    "Send", "Topic", "Workload",
]  # fmt: skip

MOST_SEEDS = 1_000_000
MOST_VALUE_BYTES = 100 << 20
_SEED = re.compile(r"[0-9]{1,18}", re.ASCII)
DISTRIBUTIONS = {
    "constant": ("value",),
    "uniform": ("low", "high"),
    "exponential": ("mean",),
    "lognormal": ("median", "p99"),
    "pareto": ("minimum", "p99"),
}


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


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | RawFloat):
        raise Wrong(f"{shown(value)} is not a text", "write it in quotes")
    return str(value)


Text = Annotated[str, BeforeValidator(_text)]
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
        default=3, description="Size of the quorum; it decides how fast commits are known."
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


class Keys(Part):
    """Keys of the records; left out: none."""

    count: Annotated[int, bounded(1, 1_000_000)] | None = Field(default=None, description="So many keys, k0, k1, ...")
    names: list[Text] | None = Field(
        default=None, min_length=1, max_length=10_000, description="These keys, in place of count."
    )
    skew: Literal["uniform", "zipf", "round_robin"] = Field(default="uniform", description="How keys are chosen.")

    @model_validator(mode="after")
    def _one_source(self) -> Keys:
        if (self.count is None) == (self.names is None):
            raise Wrong("keys need either count or names", "write keys: {count: 100} or keys: {names: [a, b]}")
        if self.names is not None and len(set(self.names)) != len(self.names):
            raise Wrong("a key is named twice", "name each key once")
        return self


def _form(value: object) -> str:
    return "a mapping" if isinstance(value, dict | Part) else "a word"


KeysOrNone = Annotated[
    Annotated[Literal["none"], Tag("a word")] | Annotated[Keys, Tag("a mapping")],
    Discriminator(_form),
]


class Send(Part):
    """One explicit send."""

    at: Duration = Field(description="When, after the start of the workload.")
    key: Text | None = Field(default=None, description="Its key.")
    partition: Annotated[int, bounded(0, 999)] | None = Field(default=None, description="Its partition.")
    value: Text | None = Field(
        default=None, description="Its value (default: producer name, slash, number of the send)."
    )


def _sizes(value: Any) -> list[int]:
    sizes: list[Any] = value if isinstance(value, list) else [value, value]
    whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if len(sizes) != 2 or not whole or not 0 <= sizes[0] <= sizes[1] <= MOST_VALUE_BYTES:
        rule = f"{shown(value)} is not a number of bytes up to {MOST_VALUE_BYTES}, nor a pair [low, high] of them"
        raise Wrong(rule, "write value.bytes: 200 or value.bytes: [100, 300]")
    return sizes


class Workload(Part):
    """One stream of sends to one topic."""

    topic: str = Field(description="The topic.")
    rate: Rate | None = Field(default=None, description="Sends a time; with arrivals: burst, bursts a time.")
    arrivals: Literal["constant", "poisson", "burst"] | None = Field(
        default=None, description="constant, unless said otherwise."
    )
    burst_size: Annotated[int, bounded(1, 1_000_000)] | None = Field(
        default=None, alias="burst.size", description="Sends in one burst, all at once; only with arrivals: burst."
    )
    sends: list[Send] | None = Field(
        default=None, min_length=1, max_length=100_000, description="A list, in place of rate."
    )
    keys: KeysOrNone | None = Field(default=None, description="Keys; left out or none: records have no key.")
    value_bytes: Annotated[
        list[int], BeforeValidator(_sizes), PlainSerializer(lambda pair: pair[0] if pair[0] == pair[1] else pair),
        WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
    ] = Field(default=[100, 100], alias="value.bytes", description="Size of a value, or [low, high].")  # fmt: skip
    partition: Annotated[int, bounded(0, 999)] | None = Field(
        default=None, description="Every record to this partition."
    )
    start: Duration | None = Field(default=None, description="First send (default: the start).")
    stop: Duration | None = Field(default=None, description="No send from here on (default: the end of run).")
    count: Annotated[int, bounded(1, 50_000_000)] | None = Field(default=None, description="At most so many sends.")

    @model_validator(mode="after")
    def _consistent(self) -> Workload:
        if (self.rate is None) == (self.sends is None):
            raise Wrong("a workload needs either rate or sends", "write rate: 500/s, or sends: [{at: 10ms, key: a}]")
        if self.sends is not None:
            for name, value in (("arrivals", self.arrivals), ("keys", self.keys), ("count", self.count)):
                if value is not None:
                    raise Wrong(
                        f"{name} has no meaning beside sends", f"remove {name}, or give a rate in place of sends"
                    )
        if (self.arrivals == "burst") != (self.burst_size is not None):
            raise Wrong("arrivals: burst and burst.size belong together", "write arrivals: burst and burst.size: 10")
        if self.start is not None and self.stop is not None and self.start >= self.stop:
            raise Wrong("start is not before stop", "let the workload stop after it started")
        return self


def _workloads(value: object) -> object:
    return value if isinstance(value, list) else [value]


class WarmUp(Part):
    """Before the workload begins, one record is sent and acknowledged."""

    partition: str = Field(description="The partition of that record, as payments-0.")


class Producer(Part):
    """A producer, or several alike."""

    client: Literal["java", "librdkafka"] = Field(default="java", description="Which client library.")
    config: Options = Field(default_factory=dict, description="Producer options of that library.")
    workload: Annotated[list[Workload], BeforeValidator(_workloads)] = Field(
        min_length=1, max_length=64, description="What it sends; one stream or a list."
    )
    instances: Annotated[int, bounded(1, 200)] = Field(
        default=1, description="So many of them, named NAME-1, NAME-2, ..."
    )
    resend_after_failure: Annotated[int, bounded(0, 100)] = Field(
        default=0,
        alias="resend.after.failure",
        description="The application sends a failed record again, so many times.",
    )
    warm_up: WarmUp | None = Field(default=None, alias="warm.up", description="One record first, as a warm-up.")
    compression_ratio: Percent | None = Field(
        default=None,
        alias="compression.ratio",
        description="Size on the wire where compression.type is not none, as 40%.",
    )


class Consumer(Part):
    """A reader with assigned partitions."""

    client: Literal["java", "librdkafka"] = Field(default="java", description="Which client library.")
    topics: list[str] | None = Field(
        default=None, min_length=1, max_length=100, description="All partitions of these topics."
    )
    partitions: list[str] | None = Field(
        default=None, min_length=1, max_length=1000, description="These, as payments-0."
    )
    config: Options = Field(default_factory=dict, description="Consumer options of that library.")
    start: Duration = Field(default=0, description="It begins to read here.")
    group: str | None = Field(default=None, description="Not modelled yet.")
    members: Annotated[int, bounded(1, 200)] = Field(
        default=1, description="More than one needs a group: not modelled yet."
    )
    processing: dict[str, Any] | None = Field(default=None, description="Not modelled yet.")

    @model_validator(mode="after")
    def _assigned(self) -> Consumer:
        for name, asked in (("group", self.group is not None), ("processing", self.processing is not None)):
            if asked:
                raise Wrong(
                    f"{name}: groups are not modelled yet", "remove it: a consumer here reads assigned partitions"
                )
        if self.members > 1:
            raise Wrong(f"members: {self.members}: groups are not modelled yet", "write one consumer for each")
        if (self.topics is None) == (self.partitions is None):
            raise Wrong("a consumer needs either topics or partitions", "write topics: [payments]")
        return self


class Latency(Part):
    """One-way latency of a link."""

    distribution: Literal["constant", "uniform", "exponential", "lognormal", "pareto"] = Field(description="Its shape.")
    value: Duration | None = Field(default=None, description="constant: always this.")
    low: Duration | None = Field(default=None, description="uniform: the lower end.")
    high: Duration | None = Field(default=None, description="uniform: the upper end.")
    mean: Duration | None = Field(default=None, description="exponential: the mean.")
    median: Duration | None = Field(default=None, description="lognormal: half are below.")
    p99: Duration | None = Field(default=None, description="lognormal, pareto: 99 of 100 are below.")
    minimum: Duration | None = Field(default=None, description="pareto: the least.")

    @model_validator(mode="after")
    def _parameters(self) -> Latency:
        wanted, given = DISTRIBUTIONS[self.distribution], self.parameters()
        for name in wanted:
            if name not in given:
                raise Wrong(f"{self.distribution} needs {name}", f"write {{{', '.join(f'{w}: 5ms' for w in wanted)}}}")
        for name in given:
            if name not in wanted:
                raise Wrong(f"{self.distribution} has no {name}", f"it takes {listed(wanted)}")
        low, high = (given[wanted[0]], given[wanted[-1]])
        if low > high:
            raise Wrong(f"{wanted[0]} is above {wanted[1]}", "exchange the two")
        if high > 3_600_000_000:
            raise Wrong(f"a latency of {units.duration_text(high)} is above 1h", "cut the link for that long instead")
        if self.distribution in ("exponential", "lognormal", "pareto") and low == 0:
            raise Wrong(f"{wanted[0]} is 0", "use at least 1us, or distribution: constant")
        return self

    def parameters(self) -> dict[str, int]:
        names = ("value", "low", "high", "mean", "median", "p99", "minimum")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


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


def _below(value: object) -> Fraction:
    """``"< 1 %"`` as the number 1."""
    if isinstance(value, str) and value.strip().startswith("<"):
        return units.percent(value.strip()[1:].strip())
    if isinstance(value, Fraction):
        return value
    raise Wrong(f"{shown(value)} is not a bound on a rate", 'write rate: "< 1 %"')


class Bound(Part):
    """A bound on a finding: ``max`` a seed, or ``rate`` of records over all seeds."""

    max: Annotated[int, bounded(0, 10**12)] | None = Field(default=None, description="At most so many in each seed.")
    rate: Annotated[
        Fraction | None,
        BeforeValidator(_below),
        PlainSerializer(lambda rate: None if rate is None else f"< {units.percent_text(rate)}"),
        WithJsonSchema({"type": "string", "pattern": r"^\s*<\s*\d+(\.\d+)?\s*%\s*$"}),
    ] = Field(default=None, description='Below this share of records, over all seeds, as "< 1 %".')

    @model_validator(mode="after")
    def _one(self) -> Bound:
        if (self.max is None) == (self.rate is None):
            raise Wrong("a bound is either max or rate", 'write {max: 3} or {rate: "< 1 %"}')
        return self


WORDS = ("never", "sometimes", "always")


def _expectation(value: object) -> object:
    if isinstance(value, dict | Bound) or value in WORDS:
        return value
    guess = did_you_mean(str(value), WORDS)
    raise Wrong(
        f"{shown(value)} is not an expectation", guess or 'write never, sometimes, always, {max: 3} or {rate: "< 1 %"}'
    )


Expectation = Annotated[
    Annotated[Literal["never", "sometimes", "always"], Tag("a word")] | Annotated[Bound, Tag("a mapping")],
    Discriminator(_form),
    BeforeValidator(_expectation),
]


def _finding(value: object) -> str:
    if value not in FINDING_NAMES:
        guess = did_you_mean(str(value), FINDING_NAMES) or f"known: {listed(FINDING_NAMES, 60)}"
        raise Wrong(f"{shown(value)} is not the name of a finding", guess)
    return str(value)


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
    expect: dict[Annotated[str, BeforeValidator(_finding)], Expectation] = Field(
        default_factory=dict, description="Findings by name: never, sometimes, always, {max: N} or {rate: '< 1 %'}."
    )

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
