"""Clients of a scenario: producers with their workloads, readers, and members of groups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, WithJsonSchema, model_validator

from sim.scenario.base import Duration, Name, Options, Part, Percent, Rate, SomeTime, Text, bounded, form_of
from sim.scenario.calls import Call
from sim.scenario.processing import Processing
from sim.wording import Wrong, shown

__all__ = ["Consume", "Consumer", "Keys", "Producer", "Send", "WarmUp", "Workload"]

MOST_VALUE_BYTES = 100 << 20


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


KeysOrNone = Annotated[
    Annotated[Literal["none"], Tag("a word")] | Annotated[Keys, Tag("a mapping")],
    Discriminator(form_of),
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
            for name, value in (
                ("arrivals", self.arrivals),
                ("keys", self.keys),
                ("count", self.count),
                ("stop", self.stop),
            ):
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
        default_factory=list,
        min_length=1,
        max_length=64,
        description="What it sends; one stream or a list. Left out: it sends what a consumer's processing gives it.",
    )
    instances: Annotated[int, bounded(1, 200)] = Field(
        default=1, description="So many of them, named NAME-1, NAME-2, ..."
    )
    resend_after_failure: Annotated[int, bounded(0, 100)] = Field(
        default=0,
        alias="resend.after.failure",
        description="The application sends a failed record again, so many times.",
    )
    warm_up: WarmUp | None = Field(
        default=None,
        alias="warm.up",
        description="One record first, as a warm-up; the times of the workload count from 5 s on.",
    )
    compression_ratio: Percent | None = Field(
        default=None,
        alias="compression.ratio",
        description="Size on the wire where compression.type is not none, as 40%.",
    )


class Consume(Part):
    """How the application of a librdkafka member polls."""

    messages: Annotated[int, bounded(1, 1_000_000)] = Field(
        default=1,
        description="Records a poll: consume(), rd_kafka_consume_batch_queue(); 1 is poll(), rd_kafka_consumer_poll().",
    )
    timeout: SomeTime = Field(
        default=1_000_000, description="A poll that has fewer waits so long, and returns what there is then."
    )


class Consumer(Part):
    """A reader with assigned partitions; with group, members or processing: members of a group."""

    client: Literal["java", "librdkafka"] = Field(default="java", description="Which client library.")
    topics: list[str] | None = Field(
        default=None, min_length=1, max_length=100, description="All partitions of these topics, or what is subscribed."
    )
    partitions: list[str] | None = Field(
        default=None, min_length=1, max_length=1000, description="These, as payments-0."
    )
    config: Options = Field(default_factory=dict, description="Consumer options of that library.")
    start: Duration = Field(default=0, description="It begins to read here.")
    stop: SomeTime | None = Field(default=None, description="Members are closed here (default: never).")
    group: Name | None = Field(default=None, description="Its group (default: group.id, or the consumer's name).")
    members: Annotated[int, bounded(1, 200)] = Field(
        default=1, description="So many of them, named NAME-1, NAME-2, ... where there are several."
    )
    processing: Processing | None = Field(default=None, description="What the application does (default: nothing).")
    consume: Consume | None = Field(default=None, description="librdkafka: how its application polls.")
    calls: list[Call] = Field(
        default_factory=list, max_length=1000, description="Calls of pause(), resume() and seek() at a time."
    )

    @property
    def in_group(self) -> bool:
        """Whether it subscribes, as one or more members of a group."""
        said = self.model_fields_set & {"group", "members", "processing", "stop", "consume"}
        return bool(said) or (self.topics is not None and "group.id" in self.config)

    @property
    def group_id(self) -> str | None:
        return self.group or self.config.get("group.id")

    @model_validator(mode="after")
    def _topics_or_partitions(self) -> Consumer:
        if (self.topics is None) == (self.partitions is None):
            raise Wrong("a consumer needs either topics or partitions", "write topics: [payments]")
        if self.in_group and self.partitions is not None:
            rule = "assigned partitions in a group are not modelled"
            raise Wrong(rule, "write topics: [payments], or remove what asks for a group")
        if self.consume is not None and self.client == "java":
            raise Wrong("consume, and client: java", "set max.poll.records in its config, or write client: librdkafka")
        if self.client == "librdkafka" and self.calls:
            if not self.in_group:
                raise Wrong("calls of a librdkafka reader with assigned partitions are not modelled", "name a group")
            if any(isinstance(call.to, str) for call in self.calls):
                raise Wrong("a librdkafka member seeks to an offset alone here", "write to: 300, or client: java")
        if self.group and self.config.get("group.id", self.group) != self.group:
            raise Wrong("group and group.id are two names", "keep one of the two")
        if self.stop is not None and self.stop <= self.start:
            raise Wrong("stop is not after start", "let it stop later")
        return self
