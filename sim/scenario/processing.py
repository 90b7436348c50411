"""What the application behind a group member does: its work, its commits, its failures, its threads, what it sends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from sim.scenario.base import Duration, Part, Percent, SomeTime, bounded, form_of
from sim.scenario.latency import Latency
from sim.wording import Wrong, shown

__all__ = ["Destination", "Failure", "Processing"]

WorkTime = Annotated[
    Annotated[Duration, Tag("a word")] | Annotated[Latency, Tag("a mapping")],
    Discriminator(form_of),
]


def _record_numbers(value: object) -> list[int]:
    numbers: list[Any] = value if isinstance(value, list) else [value]
    good = all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= 1_000_000 for n in numbers)
    if not good or not 1 <= len(numbers) <= 1000:
        raise Wrong(f"{shown(value)} is not a number of a record, nor a list of them", "write nth: 5 or nth: [5, 9]")
    return sorted(set(numbers))


RecordNumbers = Annotated[
    list[int],
    BeforeValidator(_record_numbers),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]


class Destination(Part):
    """A topic, and the producer that sends to it."""

    topic: str = Field(description="The topic.")
    producer: str = Field(description="The producer, one without workload; it lives in the process of the consumer.")


class Failure(Part):
    """The work on some records fails."""

    nth: RecordNumbers | None = Field(
        default=None, description="These records of each process, counted from 1 in the order of work."
    )
    percent: Percent | None = Field(default=None, description="Or this share of them, at random.")
    then: Literal["retry", "skip", "close", "retry_topic", "dead_letter"] = Field(
        description=(
            "Try again in place; go on with the next record; leave the loop and close the consumer; or put the record "
            "on a topic and go on."
        )
    )
    to: Destination | None = Field(default=None, description="retry_topic, dead_letter: where to.")
    restart_after: SomeTime | None = Field(default=None, description="close: a new process starts so much later.")

    @model_validator(mode="after")
    def _consistent(self) -> Failure:
        if (self.nth is None) == (self.percent is None):
            raise Wrong("a failure needs either nth or percent", "write nth: 5, or percent: 1%")
        if self.percent is not None and (not 0 < self.percent < 100 or (self.percent * 10_000).denominator != 1):
            raise Wrong("the share is not between 0% and 100%, or finer than 0.0001%", "write percent: 1%")
        if self.restart_after is not None and self.then != "close":
            raise Wrong(f"restart_after has no meaning with then: {self.then}", "remove it, or write then: close")
        if (self.to is not None) != (self.then in ("retry_topic", "dead_letter")):
            rule = f"then: {self.then} {'has no' if self.to is not None else 'needs a'} topic to send to"
            raise Wrong(rule, "write then: retry_topic, to: {topic: payments-retry, producer: retries}")
        return self


class Processing(Part):
    """What the application of a group member does with what it polls, in one thread or in a pool of threads."""

    time: WorkTime = Field(default=0, description="How long the work takes: 1ms, or a distribution.")
    per: Literal["record", "poll"] = Field(default="record", description="Whose time that is.")
    commit: Literal["never", "before", "after", "each", "watermark"] = Field(
        default="never",
        description=(
            "Where the application commits: before or after the work on a poll, after each record, or never. A pool: "
            "what it handed over (before), once a poll's records are done (after), the lowest record that is not done "
            "(watermark), each as it ends."
        ),
    )
    call: Literal["commitSync", "commitAsync"] = Field(default="commitSync", description="How it commits.")
    commit_in_revoke: bool = Field(
        default=False, alias="commit.in.revoke",
        description="true: commitSync of what has been processed, in onPartitionsRevoked.",
    )  # fmt: skip
    threads: Annotated[int, bounded(1, 64)] | None = Field(
        default=None, description="A pool of so many threads; left out: the thread that polls does the work."
    )
    order: Literal["none", "key", "partition"] = Field(
        default="none", description="What a pool works on in order: the records of a key, of a partition, or nothing."
    )
    queue: Annotated[int, bounded(1, 1_000_000)] | None = Field(
        default=None, description="Of a pool: with so many records not done the partitions are paused."
    )
    work_in_revoke: Literal["go_on", "wait", "drop"] = Field(
        default="go_on", alias="work.in.revoke",
        description="Of a pool, in onPartitionsRevoked: go on, wait for all of it, or drop what is queued.",
    )  # fmt: skip
    produces: Destination | None = Field(default=None, description="What comes out of each record is sent there.")
    wait_for_acks: bool = Field(
        default=True, alias="wait.for.acks",
        description="Work that sends has ended once the send was acknowledged; false: at the call.",
    )  # fmt: skip
    failure: Failure | None = Field(default=None, description="Work that fails (default: none does).")

    @model_validator(mode="after")
    def _belongs_together(self) -> Processing:
        if self.failure is not None and self.per == "poll":
            raise Wrong("failure, and per: poll", "write per: record, as it is a record that fails")
        if self.commit == "never" and self.call == "commitAsync":
            raise Wrong("call: commitAsync, and commit: never", "write commit: after")
        if self.per == "poll" and self.produces is not None:
            raise Wrong("produces, and per: poll", "write per: record, as each record makes one")
        sends = self.produces is not None or (self.failure is not None and self.failure.to is not None)
        if "wait_for_acks" in self.model_fields_set and not sends:
            raise Wrong("wait.for.acks, and nothing is sent", "remove it, or write produces: {topic: T, producer: P}")
        if sends and self.failure is not None and self.failure.then == "close":
            raise Wrong("then: close, and a producer in the same process", "write then: retry, skip or dead_letter")
        return self

    @model_validator(mode="after")
    def _of_a_pool(self) -> Processing:
        if self.threads is None:
            for key in ("order", "queue", "work_in_revoke"):
                if key in self.model_fields_set:
                    rule = f"{key.replace('_', '.')} has no meaning without threads"
                    raise Wrong(rule, "write threads: 4, or remove it")
            if self.commit == "watermark":
                raise Wrong("commit: watermark, and one thread", "write commit: each, or threads: 4")
            return self
        if self.per == "poll":
            raise Wrong("per: poll, and threads", "write per: record: each thread works on one record")
        if self.failure is not None and self.failure.then == "close":
            raise Wrong("then: close, and threads", "write then: retry or skip: a worker's exception ends no loop")
        if self.queue is not None and self.commit == "after":
            raise Wrong("queue, and commit: after", "remove it: the loop waits for a poll's records anyway")
        return self

    @property
    def destinations(self) -> list[tuple[str, Destination]]:
        """Where it sends to, by the key that says so."""
        found = [("produces", self.produces)] if self.produces is not None else []
        if self.failure is not None and self.failure.to is not None:
            found.append(("failure", self.failure.to))
        return found
